//! Very many instances at once: one that a host has made, replicated row by row within the database.
//!
//! Which tables and columns there are is read from the database, so that a change of the schema needs none here. A replica differs from
//! its template in its id, in its business key, in the snapshot, which holds both, and in the moments of its history, so that lists have
//! something to sort.

use anyhow::{Context as _, bail, ensure};
use uuid::Uuid;

use crate::database::{Database, Kind};
use crate::window::now_ms;

/// Rows of one statement, which is one transaction.
const AT_ONCE: u32 = 50_000;

/// Digits in which replicas are counted, so that their business keys are as long as the template's.
const DIGITS: usize = 7;

/// As many as [`DIGITS`] can count.
const MOST: u32 = 9_999_999;

/// By how many milliseconds a replica is older than the one after it.
const APART: i64 = 1_000;

/// Columns that hold moments, in history and in the list of incidents. Other tables say what the snapshot says, to which somebody may hold
/// them.
const MOMENTS: &[&str] = &["created", "updated", "started_at", "ended_at", "removal_at", "at"];

/// An instance to replicate.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// It.
    pub id: Uuid,
    /// What its business key begins with; see [`business_key`].
    pub prefix: &'static str,
}

/// The business key of a replica, or of the template, which is number 0.
pub fn business_key(prefix: &str, number: u32) -> String {
    format!("{prefix}-{number:0DIGITS$}")
}

/// Makes so many replicas, the oldest first, and leaves the database settled.
pub async fn replicate(database: &mut Database, template: Template, count: u32) -> anyhow::Result<()> {
    ensure!(count <= MOST, "at most {MOST} replicas can be counted, not {count}");
    let plan = Plan::of(database, template).await?;
    let mut newest = count;
    while newest > 0 {
        let oldest = newest.saturating_sub(AT_ONCE);
        for table in &plan.tables {
            database.run(&plan.statement(table, oldest + 1, newest)).await.with_context(|| format!("fill {}", table.name))?;
        }
        newest = oldest;
    }
    if database.kind() == Kind::Postgres {
        // What autovacuum does before long. SQLite has no such thing: what the store does not do there is not done here.
        database.run("VACUUM ANALYZE").await?;
    }
    database.settle().await
}

/// A table with rows of the template.
struct Table {
    name: String,
    /// Columns, each with what a replica has there.
    columns: Vec<(String, String)>,
    /// The column with the instance's id.
    id: &'static str,
}

struct Plan {
    kind: Kind,
    template: Template,
    tables: Vec<Table>,
    /// From when the ids of replicas count back.
    now: i64,
}

impl Plan {
    async fn of(database: &mut Database, template: Template) -> anyhow::Result<Self> {
        let mut plan = Self { kind: database.kind(), template, tables: Vec::new(), now: now_ms() };
        for (name, columns) in database.tables().await? {
            let id = if name == "instance" { "id" } else { "instance_id" };
            // A claim of a key is made once.
            if !columns.iter().any(|column| column == id) || name == "start_key" {
                continue;
            }
            let rows = format!("SELECT CAST(COUNT(*) AS TEXT) FROM {name} WHERE {id} = {}", plan.literal(template.id));
            if database.texts(&rows).await? == [["0"]] {
                continue;
            }
            let has_snapshot = columns.iter().any(|column| column == "snapshot");
            let snapshot = if has_snapshot { plan.snapshot(database, &name, id).await? } else { String::new() };
            let columns = columns.into_iter().map(|column| {
                let made = match column.as_str() {
                    it if it == id => "n.id".to_owned(),
                    "business_key" => "n.business_key".to_owned(),
                    "snapshot" => snapshot.clone(),
                    it if (name.starts_with("history") || name == "incident") && MOMENTS.contains(&it) => format!("t.{it} - n.age"),
                    it => format!("t.{it}"),
                };
                (column, made)
            });
            let columns = columns.collect();
            plan.tables.push(Table { name, columns, id });
        }
        ensure!(!plan.tables.is_empty(), "the database holds nothing of the instance {}", template.id);
        Ok(plan)
    }

    /// The template's snapshot with another id and another business key, which is as long.
    async fn snapshot(&self, database: &mut Database, table: &str, id: &str) -> anyhow::Result<String> {
        let hex = match self.kind {
            Kind::Postgres => "encode(snapshot, 'hex')",
            Kind::Sqlite => "hex(snapshot)",
        };
        let sql = format!("SELECT {hex} FROM {table} WHERE {id} = {}", self.literal(self.template.id));
        let snapshot = unhex(&database.texts(&sql).await?.concat().concat())?;
        let key = business_key(self.template.prefix, 0);
        let (id_at, key_at) = (only(&snapshot, self.template.id.as_bytes())?, only(&snapshot, key.as_bytes())?);
        let mut edits = [(id_at, 16, Edit::Id), (key_at, key.len(), Edit::BusinessKey)];
        edits.sort_unstable_by_key(|(at, ..)| *at);
        let (mut pieces, mut from) = (Vec::new(), 0);
        for (at, length, edit) in edits {
            pieces.push(self.piece(&snapshot[from..at]));
            pieces.push(self.edit(edit));
            from = at + length;
        }
        pieces.push(self.piece(&snapshot[from..]));
        Ok(match self.kind {
            Kind::Postgres => pieces.join(" || "),
            // Joined blobs would be a text.
            Kind::Sqlite => format!("unhex({})", pieces.join(" || ")),
        })
    }

    fn piece(&self, bytes: &[u8]) -> String {
        let hex = hex::encode(bytes);
        match self.kind {
            Kind::Postgres => format!("'\\x{hex}'::bytea"),
            Kind::Sqlite => format!("'{hex}'"),
        }
    }

    fn edit(&self, edit: Edit) -> String {
        let sql = match (self.kind, edit) {
            (Kind::Postgres, Edit::Id) => "uuid_send(n.id)",
            (Kind::Postgres, Edit::BusinessKey) => "convert_to(n.business_key, 'UTF8')",
            (Kind::Sqlite, Edit::Id) => "hex(n.id)",
            (Kind::Sqlite, Edit::BusinessKey) => "hex(n.business_key)",
        };
        sql.to_owned()
    }

    /// Fills a table with the replicas of these numbers. The smaller the number, the younger.
    fn statement(&self, table: &Table, oldest: u32, newest: u32) -> String {
        let names: Vec<&str> = table.columns.iter().map(|(name, _)| name.as_str()).collect();
        let made: Vec<&str> = table.columns.iter().map(|(_, made)| made.as_str()).collect();
        // As version 7 has it: a moment, then what tells ids of one moment apart.
        let (now, prefix) = (self.now, self.template.prefix);
        // Of different templates ids must differ, although they are of the same moments.
        let salt = self.template.id.as_bytes()[15];
        let numbers = match self.kind {
            Kind::Postgres => format!(
                "n AS (SELECT (lpad(to_hex({now} - g * {APART}), 12, '0') || '70{salt:02x}8' \
                 || lpad(to_hex(g * 2654435761 & 4294967295), 8, '0') || lpad(to_hex(g), 7, '0'))::uuid AS id, \
                 '{prefix}-' || lpad(g::text, {DIGITS}, '0') AS business_key, g * {APART} AS age \
                 FROM generate_series({newest}::bigint, {oldest}::bigint, -1) AS g)"
            ),
            Kind::Sqlite => format!(
                "c(g) AS (SELECT {newest} UNION ALL SELECT g - 1 FROM c WHERE g > {oldest}), \
                 n AS (SELECT unhex(printf('%012x70{salt:02x}8%08x%07x', {now} - g * {APART}, g * 2654435761 & 4294967295, g)) AS id, \
                 printf('{prefix}-%0{DIGITS}d', g) AS business_key, g * {APART} AS age FROM c)"
            ),
        };
        format!(
            "WITH RECURSIVE {numbers} INSERT INTO {table} ({}) SELECT {} FROM n CROSS JOIN {table} t WHERE t.{} = {}",
            names.join(", "),
            made.join(", "),
            table.id,
            self.literal(self.template.id),
            table = table.name,
        )
    }

    fn literal(&self, id: Uuid) -> String {
        match self.kind {
            Kind::Postgres => format!("'{id}'"),
            Kind::Sqlite => format!("x'{}'", id.simple()),
        }
    }
}

/// What a replica has otherwise in its snapshot.
#[derive(Clone, Copy)]
enum Edit {
    Id,
    BusinessKey,
}

/// Where bytes stand that must stand in one place only.
fn only(bytes: &[u8], wanted: &[u8]) -> anyhow::Result<usize> {
    let mut places = bytes.windows(wanted.len()).enumerate().filter(|(_, found)| *found == wanted).map(|(at, _)| at);
    match (places.next(), places.next()) {
        (Some(at), None) => Ok(at),
        (None, _) => bail!("the snapshot does not hold {}", hex::encode(wanted)),
        (Some(_), Some(_)) => bail!("the snapshot holds {} more than once", hex::encode(wanted)),
    }
}

fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    digits.chunks(2).map(|pair| Ok(u8::try_from(pair.iter().fold(0, |byte, digit| byte * 16 + digit))?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_replaced_only_where_it_is_certain_to_be_one() {
        assert_eq!(only(b"abcd", b"bc").expect("it is there once"), 1);
        assert!(only(b"abcd", b"x").is_err());
        assert!(only(b"abab", b"ab").is_err());
    }

    #[test]
    fn business_keys_are_as_long_as_the_templates() {
        assert_eq!(business_key("timer", 0).len(), business_key("timer", MOST).len());
    }
}
