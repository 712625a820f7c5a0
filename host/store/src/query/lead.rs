//! What a list of instances finds first. A list that is asked for what few of very many instances have begins with those; otherwise it
//! looks at one instance after the other, in the order that is asked for, until its page is full.

use std::borrow::Cow;

use super::Reads;
use super::incidents::CALLERS;
use super::standing::Standing;
use crate::Error;
use crate::db::{Param, params};

/// Instances of a key are looked for at each of its definitions, if these are so many at the most: each gives its first ones in order. Of
/// more they are all looked at.
const MOST_DEFINITIONS: usize = 32;

/// More rows than this are not found first in order to be sorted by something else than their own index has.
const MOST_SORTED: u32 = 1_000;

/// What it begins with.
#[derive(Clone, Debug)]
pub(super) enum Lead {
    /// Nothing of the kind.
    All,
    /// The instances of each of these definitions, in the order in which they began.
    Definitions(Vec<String>),
    /// Those that are suspended.
    Suspended,
    /// Open incidents.
    OpenIncidents,
    /// Incidents that history has.
    Incidents,
    /// What stands at some elements.
    Standing(Standing),
}

/// Rows `c` that are found first, each with its instance in the column `instance_id`.
#[derive(Clone)]
pub(super) struct First {
    /// Where they are, as FROM has it.
    pub from: Cow<'static, str>,
    /// What holds of one of the rows of each instance.
    pub once: Cow<'static, str>,
}

const fn first(from: &'static str, once: &'static str) -> First {
    First { from: Cow::Borrowed(from), once: Cow::Borrowed(once) }
}

/// Those with an incident of their own, those to which a signal could not be delivered, and those that have called one of either; what one
/// of these has no other one has. Incidents may be few among very many instances, or very many: so they are read in their order, as many as
/// it takes.
const OPEN_INCIDENTS: [First; 3] = [
    first("incident c", "NOT EXISTS (SELECT 1 FROM incident p WHERE p.instance_id = c.instance_id AND p.n < c.n)"),
    first(
        "(SELECT DISTINCT u.instance_id FROM undelivered_incident u) c",
        "NOT EXISTS (SELECT 1 FROM incident p WHERE p.instance_id = c.instance_id)",
    ),
    first(CALLERS, "NOT EXISTS (SELECT 1 FROM any_incident p WHERE p.instance_id = c.instance_id)"),
];

/// The same of history: those with one of their own, and those that have called one with one.
const INCIDENTS: [First; 2] = [
    first("history_incident c", "NOT EXISTS (SELECT 1 FROM history_incident p WHERE p.instance_id = c.instance_id AND p.n < c.n)"),
    first(
        "history_incident_caller c",
        "NOT EXISTS (SELECT 1 FROM history_incident p WHERE p.instance_id = c.instance_id) AND NOT EXISTS (SELECT 1 FROM history_incident_caller p \
         WHERE p.instance_id = c.instance_id AND (p.root, p.n) < (c.root, c.n))",
    ),
];

impl Lead {
    /// Where to look for instances, if not in their table.
    pub(super) fn first(&self) -> Vec<First> {
        match self {
            Self::All | Self::Definitions(_) | Self::Suspended => Vec::new(),
            Self::OpenIncidents => OPEN_INCIDENTS.to_vec(),
            Self::Incidents => INCIDENTS.to_vec(),
            Self::Standing(standing) => standing.first(false),
        }
    }

    /// The values that it speaks of, from `$1`.
    pub(super) fn params(&self) -> Vec<Param> {
        match self {
            Self::All | Self::Suspended | Self::OpenIncidents | Self::Incidents => Vec::new(),
            Self::Definitions(ids) => ids.iter().cloned().map(Param::from).collect(),
            Self::Standing(standing) => standing.params(),
        }
    }

    /// What breaks ties among live instances `i`. Those of a definition are told in the order in which they began, which an index has; as a
    /// rule that is the order of their ids.
    pub(super) fn ties(&self) -> &'static [&'static str] {
        match self {
            Self::Definitions(_) => &["i.started_at", "i.id"],
            Self::All | Self::Suspended | Self::OpenIncidents | Self::Incidents | Self::Standing(_) => &["i.id"],
        }
    }

    /// Whether an instance may be in several of its places.
    pub(super) fn overlaps(&self) -> bool {
        matches!(self, Self::Standing(_))
    }
}

/// That an instance is one of the definition that this parameter names. See [`Place::led_by`](super::select::Place::led_by); SQLite reads
/// the right index by `=` only.
pub(super) fn of_definition(instance: &str, param: usize) -> String {
    let id = format!("{instance}.definition_id");
    format!("{{pg:{id} >= ${param} AND {id} <= ${param}}}{{lite:{id} = ${param}}}")
}

impl Reads {
    /// Whether these rows, as FROM has them, are more than are to be sorted.
    pub(super) async fn are_many(&self, from: &str, params: Vec<Param>) -> Result<bool, Error> {
        let sql = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {from} LIMIT {}) r", MOST_SORTED + 1);
        let rows = self.pool.fetch(&sql, params).await?;
        Ok(rows.first().map_or(Ok(0), |row| row.get::<i64>(0))? > i64::from(MOST_SORTED))
    }

    /// The definitions of a key, or all, if there are not too many to ask each by itself.
    pub(super) async fn definitions_of(&self, key: Option<&str>) -> Result<Option<Vec<String>>, Error> {
        let rows = match key {
            Some(key) => self.pool.fetch("SELECT id FROM definition WHERE key = $1 ORDER BY id", params![key]).await?,
            None => self.pool.fetch(&format!("SELECT id FROM definition ORDER BY id LIMIT {}", MOST_DEFINITIONS + 1), Vec::new()).await?,
        };
        (rows.len() <= MOST_DEFINITIONS).then(|| rows.iter().map(|row| row.get(0)).collect()).transpose()
    }

    /// The definitions of a filter that has an id or a key, if it has, and if there are not too many.
    pub(super) async fn definitions_asked(&self, id: Option<&String>, key: Option<&String>) -> Result<Option<Vec<String>>, Error> {
        match (id, key) {
            (Some(id), _) => Ok(Some(vec![id.clone()])),
            (None, Some(key)) => self.definitions_of(Some(key)).await,
            (None, None) => Ok(None),
        }
    }
}
