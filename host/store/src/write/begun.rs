//! What a transaction of units finds out as it begins: whether this host may write, and which of the definitions that it starts are there.
//!
//! What a transaction has found is remembered for the next ones ([`Memory`]). On SQLite all that writes goes through one connection of one
//! process: unless anything else was begun in between, the next one knows. On PostgreSQL it supposes, and what it writes is stored only if
//! that holds ([`suppose`]); where it does not, the transaction is begun once more and asks. Rows that were looked at are kept until the
//! commit. So a lone start goes to the database once: on SQLite to its thread, on PostgreSQL as one statement.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::Error;
use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use crate::db::{Dialect, Param, Row, Tx, params};
use crate::hosts::{HELD, HELD_COLUMNS, HOLDS, Held, IN_EPOCH, LASTS};
use crate::lease::HostRef;
use crate::trace::{LEAVES, TRACE, slot};
use crate::unit::{CommitError, Expect, Unit};

/// How many definitions are remembered; whoever starts more of them in turn asks again.
const MOST_KNOWN: usize = 1_000;

/// What a transaction has found out as it began, and keeps so until it ends.
pub(crate) struct Begun {
    /// How many changes of job definitions there are.
    pub(crate) job_definitions: i64,
    /// Those of the definitions that units start which are there, if that was looked at.
    pub(crate) definitions: Option<Definitions>,
}

/// Definitions that are there, by their ids.
pub(crate) type Definitions = Arc<HashMap<String, Startable>>;

/// What a start must know of its definition.
#[derive(Clone)]
pub(crate) struct Startable {
    suspended: bool,
    newest: bool,
}

impl Startable {
    /// Whether any start of it is stored.
    fn is_open(&self) -> bool {
        self.newest && !self.suspended
    }
}

/// What the transactions of units before this one have found out.
#[derive(Default)]
pub(crate) struct Memory {
    /// The last of them, on SQLite ([`Tx::nth`]).
    last: Option<u64>,
    /// On PostgreSQL only definitions of which any start is stored are among it.
    known: Option<Known>,
}

struct Known {
    job_definitions: i64,
    definitions: Definitions,
}

impl Memory {
    /// What is known or supposed at the beginning of a transaction. Units write none of it.
    fn recall(&mut self, tx: &Tx) -> Option<&Known> {
        if tx.dialect == Dialect::Sqlite {
            let before = std::mem::replace(&mut self.last, tx.nth());
            if before.is_none() || tx.nth() != before.map(|nth| nth + 1) {
                self.known = None;
            }
        }
        self.known.as_ref()
    }

    /// Notes what the transaction that has just begun found.
    fn learn(&mut self, dialect: Dialect, held: &Held, there: &Definitions) {
        let Held::Valid { job_definitions } = *held else { return };
        let known = self.known.get_or_insert_with(|| Known { job_definitions, definitions: Definitions::default() });
        known.job_definitions = job_definitions;
        let definitions = Arc::make_mut(&mut known.definitions);
        if definitions.len() + there.len() > MOST_KNOWN {
            definitions.clear();
        }
        let learnt = there.iter().filter(|(_, startable)| dialect == Dialect::Sqlite || startable.is_open());
        definitions.extend(learnt.map(|(id, startable)| (id.clone(), startable.clone())));
    }

    /// What was supposed does not hold: the next transaction asks. Answers whether anything was.
    pub(crate) fn forget(&mut self) -> bool {
        self.known.take().is_some()
    }
}

/// The definitions that a unit starts.
pub(crate) fn started(unit: &Unit) -> impl Iterator<Item = &String> {
    unit.instances.iter().filter_map(|write| match &write.expect {
        Expect::New(head) => Some(&head.definition_id),
        Expect::Revision(_) => None,
    })
}

/// Of a definition.
const STARTABLE: &str = "d.id, d.suspended, \
     NOT EXISTS (SELECT 1 FROM definition n WHERE n.tenant = d.tenant AND n.key = d.key AND n.version > d.version) AS newest";

fn startable(row: &Row, first: usize) -> Result<(String, Startable), Error> {
    Ok((row.get(first)?, Startable { suspended: row.get(first + 1)?, newest: row.get(first + 2)? }))
}

/// Whether this host may write in this transaction, as [`crate::hosts::hold_epoch`] says, and which of the definitions that its units start
/// are there: both at one look, and kept so until the commit. Where units send messages they are not looked at yet: their addressees'
/// definitions are held as well, and all in one order. On PostgreSQL the transaction leaves its trace with the same statement: it is the
/// committer's `nth`. What is supposed there fails the transaction where it does not hold: [`Error::is_unfounded`].
pub(crate) async fn begin<'u>(
    tx: &mut Tx,
    me: HostRef,
    nth: i64,
    units: impl Iterator<Item = &'u Unit> + Clone,
    memory: &mut Memory,
) -> Result<(Held, Option<Definitions>), Error> {
    let looks = units.clone().flat_map(|unit| &unit.instances).all(|write| write.messages.is_empty());
    let asked: BTreeSet<&String> = units.flat_map(started).filter(|_| looks).collect();
    if let Some(known) = memory.recall(tx)
        && asked.iter().all(|id| known.definitions.contains_key(*id))
    {
        let held = Held::Valid { job_definitions: known.job_definitions };
        let definitions = looks.then(|| known.definitions.clone());
        if tx.dialect == Dialect::Postgres {
            suppose(tx, me, nth, known.job_definitions, asked).await?;
        }
        return Ok((held, definitions));
    }
    let (held, there) = ask(tx, me, nth, asked).await?;
    memory.learn(tx.dialect, &held, &there);
    Ok((held, looks.then_some(there)))
}

/// Has the transaction fail, unless this host may write, knows of every change of job definitions, and any start of these definitions is
/// stored: its trace is NULL otherwise, which its table refuses. So it is where there is none to be replaced, and where it comes so late
/// that the transaction was given up ([`crate::trace::fate`]). It goes to the database with what is written first.
async fn suppose(tx: &mut Tx, me: HostRef, nth: i64, job_definitions: i64, asked: BTreeSet<&String>) -> Result<(), Error> {
    let mut params = params![me.id, me.epoch, nth, slot(nth), job_definitions];
    let mut open = String::new();
    if !asked.is_empty() {
        let count = i64::try_from(asked.len()).unwrap_or(i64::MAX);
        params.push(Param::Texts(asked.into_iter().cloned().collect()));
        params.push(Param::I64(count));
        open = format!(
            "AND (SELECT COUNT(*) FROM (SELECT {STARTABLE} FROM definition d WHERE d.id {{any_text:6}} ORDER BY d.id FOR SHARE OF d) found \
             WHERE found.newest AND NOT found.suspended) = $7"
        );
    }
    let holds = format!(
        "UPDATE host_commit SET nth = CASE WHEN nth < $3 THEN \
         (SELECT $3::bigint FROM {HOLDS} WHERE {IN_EPOCH} AND {LASTS} AND c.count = $5 {open} FOR KEY SHARE OF h, c) END \
         WHERE host = $1 AND slot = $4"
    );
    let is_there = "INSERT INTO host_commit (host, slot, nth) SELECT $1, $2::smallint, NULL \
                    WHERE NOT EXISTS (SELECT 1 FROM host_commit WHERE host = $1 AND slot = $2)";
    let text = |sql: &str| AssertSqlSafe(tx.dialect.render(sql)).into_sql_str();
    let (holds, is_there) = (text(&holds), text(is_there));
    tx.later("host_commit", holds, params, 1).await?;
    tx.later("host_commit, if nothing is there", is_there, params![me.id, slot(nth)], 0).await
}

async fn ask(tx: &mut Tx, me: HostRef, nth: i64, asked: BTreeSet<&String>) -> Result<(Held, Definitions), Error> {
    if tx.dialect == Dialect::Postgres {
        tx.wrote(1);
    }
    let mut params = params![me.id, me.epoch, nth, slot(nth)];
    if !asked.is_empty() {
        let sql = format!(
            "{LEAVES} SELECT {HELD}, {STARTABLE} FROM {TRACE} {HOLDS}, definition d WHERE {IN_EPOCH} AND d.id {{any_text:5}} \
             ORDER BY d.id {{pg:FOR KEY SHARE OF h, c FOR SHARE OF d}}"
        );
        params.push(Param::Texts(asked.into_iter().cloned().collect()));
        let rows = tx.fetch(&sql, params.clone()).await?;
        params.pop();
        if let Some(first) = rows.first() {
            let there = rows.iter().map(|row| startable(row, HELD_COLUMNS)).collect::<Result<_, _>>()?;
            return Ok((Held::read(first)?, Arc::new(there)));
        }
        // None of them is there, or the epoch is over.
    }
    let sql = format!("{LEAVES} SELECT {HELD} FROM {TRACE} {HOLDS} WHERE {IN_EPOCH} {{pg:FOR KEY SHARE OF h, c}}");
    let rows = tx.fetch(&sql, params).await?;
    Ok((rows.first().map_or(Ok(Held::Over), Held::read)?, Definitions::default()))
}

/// Keeps definitions until the commit: deleting one waits. Answers which of them are there.
pub(super) async fn hold_definitions(tx: &mut Tx, asked: BTreeSet<String>) -> Result<Definitions, Error> {
    if asked.is_empty() {
        return Ok(Definitions::default());
    }
    let sql = format!("SELECT {STARTABLE} FROM definition d WHERE d.id {{any_text:1}} ORDER BY d.id {{pg:FOR SHARE OF d}}");
    let rows = tx.fetch(&sql, vec![Param::Texts(asked.into_iter().collect())]).await?;
    Ok(Arc::new(rows.iter().map(|row| startable(row, 0)).collect::<Result<_, _>>()?))
}

/// A definition gets no instance while it is suspended, when it is not the newest one and that was asked for, or when it was deleted.
pub(super) fn refuse_starts(units: &[&Unit], there: &HashMap<String, Startable>, answers: &mut [Option<CommitError>]) {
    for (unit, answer) in units.iter().zip(answers) {
        // What is called is found by its caller, who says which version it means.
        let starts = matches!(unit.instances[0].expect, Expect::New(_));
        let refused = started(unit).enumerate().find_map(|(nth, definition)| match there.get(definition) {
            None => Some(CommitError::Gone),
            Some(found) if unit.newest && starts && nth == 0 && !found.newest => Some(CommitError::Superseded),
            Some(found) if found.suspended => Some(CommitError::Suspended),
            Some(_) => None,
        });
        *answer = answer.take().or(refused);
    }
}
