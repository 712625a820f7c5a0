//! Where instances stand. Waits tell it, also before and behind an element; history, where it is kept, knows scopes and joins as well, and
//! has an index of what is open at an element.

use std::borrow::Cow;

use super::Reads;
use super::lead::First;
use super::select::Select;
use crate::Error;
use crate::db::Param;

/// Rows that tell where tokens stand.
pub(super) struct Waits {
    /// Their table.
    pub table: &'static str,
    /// Its columns: the instance, the activity instance, what tells rows of one instance apart, and the element.
    pub instance: &'static str,
    pub activity: &'static str,
    pub wait: &'static str,
    pub activity_id: &'static str,
    /// What the instance runs.
    definition: Option<&'static str>,
    /// Which rows of the table are waits.
    pub that: &'static str,
    /// Which of those trigger an event, and are no place where anything stands.
    pub trigger: &'static str,
    /// Their index, where SQLite, which keeps no statistics, would not find it.
    index: &'static str,
}

const ALL_ROWS: Waits = Waits {
    table: "task",
    instance: "instance_id",
    activity: "activity",
    wait: "wait",
    activity_id: "activity_id",
    definition: Some("definition_id"),
    that: "TRUE",
    trigger: "FALSE",
    index: "",
};

/// Jobs are in two tables: PostgreSQL would read all of the view that has both. A called instance is its caller's wait.
pub(super) const WAITS: [Waits; 6] = [
    ALL_ROWS,
    Waits { table: "external_task", ..ALL_ROWS },
    Waits { table: "subscription", trigger: "of_event", ..ALL_ROWS },
    Waits { table: "job", trigger: "kind = 'event-timer'", ..ALL_ROWS },
    Waits {
        table: "instance",
        instance: "id",
        activity: "job_activity",
        wait: "job_wait",
        activity_id: "job_activity_id",
        definition: Some("definition_id"),
        that: "job_host IS NOT NULL",
        trigger: "job_kind = 'event-timer'",
        index: " {lite:INDEXED BY instance_job}",
    },
    Waits {
        table: "instance",
        instance: "super_instance",
        activity: "super_n",
        wait: "id",
        activity_id: "super_activity",
        definition: None,
        that: "super_instance IS NOT NULL",
        ..ALL_ROWS
    },
];

/// More elements than this are not asked for one by one, each in the order of its index.
pub(super) const MOST_ELEMENTS: u32 = 32;

/// Who tells what stands somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Waits, and history, if it is kept.
    InAnyWay,
    /// History alone.
    ByHistory,
}

/// What stands at some elements.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    /// By their BPMN ids.
    activity_ids: Vec<String>,
    /// Of these definitions; none: of any.
    definitions: Option<Vec<String>>,
    /// Their numbers, in each of the definitions that has one; none: there are too many, or history is not asked.
    elements: Option<Vec<i64>>,
    /// Whether history is asked.
    of_history: bool,
    /// Whether waits are asked.
    of_waits: bool,
    /// Whether a page is asked for, which one instance must not fill.
    of_page: bool,
}

impl Reads {
    /// Whether any definition has such an element, or had while history knew of it.
    pub(super) async fn has_element(&self, activity_ids: &[String]) -> Result<bool, Error> {
        let sql = "SELECT 1 FROM element WHERE activity_id {any_text:1} LIMIT 1";
        Ok(!self.pool.fetch(sql, vec![Param::Texts(activity_ids.to_vec())]).await?.is_empty())
    }

    /// What stands at these elements; of these definitions, if any are given.
    pub(super) async fn standing(
        &self,
        activity_ids: Vec<String>,
        definitions: Option<Vec<String>>,
        told: Told,
        of_page: bool,
    ) -> Result<Standing, Error> {
        let of_waits = told == Told::InAnyWay;
        let of_history = self.keeps_activities || !of_waits;
        let mut standing = Standing { activity_ids, definitions, elements: None, of_history, of_waits, of_page };
        if of_history {
            let sql = format!("SELECT f.id FROM element f WHERE {} ORDER BY f.id LIMIT {}", standing.of_elements(), MOST_ELEMENTS + 1);
            let rows = self.pool.fetch(&sql, standing.params()).await?;
            let ids = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<_>, _>>()?;
            standing.elements = Some(ids).filter(|ids| ids.len() <= MOST_ELEMENTS as usize);
        }
        Ok(standing)
    }
}

impl Standing {
    /// Whether very much stands there; by history, if it is asked.
    pub(super) async fn is_much(&self, reads: &Reads) -> Result<bool, Error> {
        let all = self.first(true);
        let told = all.iter().rev().take(if self.of_history { self.elements.as_ref().map_or(1, Vec::len) } else { all.len() });
        let rows: Vec<String> = told.map(|First { from, .. }| format!("SELECT 1 FROM {from}")).collect();
        if rows.is_empty() { Ok(false) } else { reads.are_many(&format!("({}) r", rows.join(" UNION ALL ")), self.params()).await }
    }

    /// The values that [`first`](Self::first) speaks of.
    pub(super) fn params(&self) -> Vec<Param> {
        let texts = std::iter::once(&self.activity_ids).chain(&self.definitions);
        let elements = self.elements.iter().flatten().map(|id| Param::I64(*id));
        texts.map(|texts| Param::Texts(texts.clone())).chain(elements).collect()
    }

    /// Which rows `f` are the elements.
    fn of_elements(&self) -> String {
        format!("f.activity_id {{any_text:1}}{}", self.of_definitions(Some("f.definition_id")))
    }

    /// That a row is of one of the definitions, if it says so.
    fn of_definitions(&self, column: Option<&str>) -> String {
        let asked = column.filter(|_| self.definitions.is_some());
        asked.map_or(String::new(), |column| format!(" AND {column} {{any_text:2}}"))
    }

    /// What stands there: each instance once in each of these, or each of its activity instances, whose number is the column `n`. One may
    /// be in several of them.
    pub(super) fn first(&self, each_activity: bool) -> Vec<First> {
        let of_waits = WAITS.iter().filter(|_| self.of_waits).map(|waits| {
            let Waits { table, instance, activity, wait, activity_id, definition, that, trigger, index } = waits;
            let here = format!("{that} AND NOT ({trigger}) AND {activity_id} {{any_text:1}}{}", self.of_definitions(*definition));
            let same = if each_activity { format!(" AND p.{activity} = c.n") } else { String::new() };
            First {
                from: format!("(SELECT {instance} AS instance_id, {activity} AS n, {wait} AS wait FROM {table}{index} WHERE {here}) c")
                    .into(),
                once: self.once(&format!("{table} p WHERE p.{instance} = c.instance_id{same} AND p.{wait} < c.wait AND {here}")),
            }
        });
        let open = |element: String| First {
            from: format!("(SELECT instance_id, n FROM history_activity WHERE ended_at IS NULL AND element {element}) c").into(),
            once: if each_activity {
                "TRUE".into()
            } else {
                self.once(&format!(
                    "history_activity p WHERE p.instance_id = c.instance_id AND p.n < c.n AND p.ended_at IS NULL AND p.element {element}"
                ))
            },
        };
        let of_history = match &self.elements {
            _ if !self.of_history => Vec::new(),
            Some(elements) => {
                let before = if self.definitions.is_some() { 2 } else { 1 };
                (1..=elements.len()).map(|at| open(format!("= ${}", before + at))).collect()
            }
            None => vec![open(format!("IN (SELECT f.id FROM element f WHERE {})", self.of_elements()))],
        };
        of_waits.chain(of_history).collect()
    }

    /// That there is no row before it. Where all is asked of several places, they are put together each once anyhow.
    fn once(&self, before: &str) -> Cow<'static, str> {
        if self.of_page || !self.of_waits { format!("NOT EXISTS (SELECT 1 FROM {before})").into() } else { "TRUE".into() }
    }
}

/// The same as a condition of an instance that was found by something else.
pub(super) fn stands_at(select: &mut Select, instance: &str, activity_ids: Vec<String>, keeps_activities: bool) {
    if activity_ids.is_empty() {
        return;
    }
    let mut all: Vec<String> = WAITS
        .iter()
        .map(|Waits { table, instance, activity_id, that, trigger, .. }| {
            format!("SELECT {instance} AS instance_id, {activity_id} AS activity_id FROM {table} WHERE {that} AND NOT ({trigger})")
        })
        .collect();
    if keeps_activities {
        all.push(OPEN.to_owned());
    }
    among(select, instance, &all.join(" UNION ALL "), activity_ids);
}

/// The same of what history knows alone.
pub(super) fn is_in(select: &mut Select, instance: &str, activity_ids: Vec<String>) {
    if !activity_ids.is_empty() {
        among(select, instance, OPEN, activity_ids);
    }
}

const OPEN: &str =
    "SELECT a.instance_id, e.activity_id FROM history_activity a CROSS JOIN element e WHERE e.id = a.element AND a.ended_at IS NULL";

fn among(select: &mut Select, instance: &str, rows: &str, activity_ids: Vec<String>) {
    select.texts(&format!("EXISTS (SELECT 1 FROM ({rows}) w WHERE w.instance_id = {instance} AND w.activity_id"), activity_ids);
    select.close();
}
