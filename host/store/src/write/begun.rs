//! What a transaction of units finds out as it begins: whether this host may write, and which of the definitions that it starts are there.
//!
//! On PostgreSQL it is asked each time, and the rows are kept until the commit. On SQLite all that writes goes through one connection of
//! one process: what a transaction has found the next one knows, unless anything else was begun in between ([`Memory`]). So a lone unit
//! goes to SQLite's thread once and not twice.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::Error;
use crate::db::{Dialect, Param, Row, Tx, params};
use crate::hosts::{HELD, HELD_COLUMNS, HOLDS, Held, IN_EPOCH};
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

/// What the transactions of units before this one have found out, on SQLite.
#[derive(Default)]
pub(crate) struct Memory {
    /// The last of them ([`Tx::nth`]).
    last: Option<u64>,
    known: Option<Known>,
}

struct Known {
    job_definitions: i64,
    definitions: Definitions,
}

impl Memory {
    /// What is known at the beginning of a transaction. Units write none of it.
    fn recall(&mut self, tx: &Tx) -> Option<&Known> {
        let before = std::mem::replace(&mut self.last, tx.nth());
        if before.is_none() || tx.nth() != before.map(|nth| nth + 1) {
            self.known = None;
        }
        self.known.as_ref()
    }

    /// Notes what the transaction that has just begun found.
    fn learn(&mut self, held: &Held, there: &Definitions) {
        let (Some(_), Held::Valid { job_definitions, .. }) = (self.last, held) else { return };
        let known = self.known.get_or_insert_with(|| Known { job_definitions: *job_definitions, definitions: Definitions::default() });
        let definitions = Arc::make_mut(&mut known.definitions);
        if definitions.len() + there.len() > MOST_KNOWN {
            definitions.clear();
        }
        definitions.extend(there.iter().map(|(id, startable)| (id.clone(), startable.clone())));
    }
}

pub(super) fn started(unit: &Unit) -> impl Iterator<Item = &String> {
    unit.instances.iter().filter_map(|write| match &write.expect {
        Expect::New(head) => Some(&head.definition_id),
        Expect::Revision(_) => None,
    })
}

/// Of a definition, behind what is asked of the epoch.
const STARTABLE: &str = "d.id, d.suspended, \
     NOT EXISTS (SELECT 1 FROM definition n WHERE n.tenant = d.tenant AND n.key = d.key AND n.version > d.version)";

fn startable(row: &Row, first: usize) -> Result<(String, Startable), Error> {
    Ok((row.get(first)?, Startable { suspended: row.get(first + 1)?, newest: row.get(first + 2)? }))
}

/// Whether this host may write in this transaction, as [`crate::hosts::hold_epoch`] says, and which of the definitions that its units start
/// are there: both at one look, and kept so until the commit. Where units send messages they are not looked at yet: their addressees'
/// definitions are held as well, and all in one order. On PostgreSQL the transaction leaves its trace with the same statement: it is the
/// committer's `nth`.
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
        return Ok((held, looks.then(|| known.definitions.clone())));
    }
    let (held, there) = ask(tx, me, nth, asked).await?;
    memory.learn(&held, &there);
    Ok((held, looks.then_some(there)))
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
