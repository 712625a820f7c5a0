//! The rows of a scenario's units of work, written in its batches.

use std::ops::Range;

use anyhow::ensure;
use uuid::Uuid;

use super::Observed;
use super::statements::{
    CLOSE_LEDGER, Cell, Connection, DELETE_INSTANCE, DELETE_JOB, DELETE_SUBSCRIPTION, INSERT_HISTORY, INSERT_INSTANCE, INSERT_JOB,
    INSERT_SUBSCRIPTION, OPEN_LEDGER, Tables, UPDATE_INSTANCE, UPDATE_JOB,
};
use crate::database::Kind;
use crate::drive::Unit;
use crate::host::COMMAND;

/// Instances that are alive at once: about as many as a host has in its queue.
const ALIVE: usize = 1_000;

/// As long as a real one: key, version, UUID.
const DEFINITION: &str = "fiveAsynchronous:1:0199f2f0-3a51-7cc0-8b5c-2f4f6a1d9e11";

/// As long as keys and digests are.
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// A moment; which one makes no difference.
const NOW: i64 = 1_750_000_000_000;

/// What one unit of work writes of its instance.
struct Planned {
    instance: Change,
    /// Places of jobs, with the element that each then belongs to.
    jobs: Places,
    subscriptions: Places,
    /// A history row.
    events: String,
    /// Ledger rows that are opened and closed before.
    commands: u32,
}

/// What becomes of the instance's row.
enum Change {
    /// It begins and ends in this unit.
    None,
    Insert(Vec<u8>),
    Update(Vec<u8>),
    Delete,
}

/// Rows beside an instance have places, so that a row that goes and one that comes are one update.
#[derive(Default)]
struct Places {
    insert: Vec<(i64, String)>,
    update: Vec<(i64, String)>,
    delete: Vec<i64>,
}

impl Places {
    /// What `put` and `gone` come to, given the places that are taken.
    fn plan(taken: &mut Vec<bool>, put: &[String], gone: usize) -> Self {
        let number = |at: usize| i64::try_from(at).expect("an instance has few rows");
        let mut places = Self::default();
        let mut leaving: Vec<usize> = (0..taken.len()).filter(|at| taken[*at]).take(gone).collect();
        leaving.reverse();
        for element in put {
            if let Some(at) = leaving.pop() {
                places.update.push((number(at), element.clone()));
            } else {
                let free = taken.iter().position(|taken| !taken).unwrap_or(taken.len());
                taken.resize(taken.len().max(free + 1), false);
                taken[free] = true;
                places.insert.push((number(free), element.clone()));
            }
        }
        for at in leaving {
            taken[at] = false;
            places.delete.push(number(at));
        }
        places
    }
}

/// Writes.
pub(super) struct Writer {
    connection: Connection,
    plan: Vec<Planned>,
    batch: usize,
    ids: Vec<Uuid>,
    host: Uuid,
}

impl Writer {
    /// Connects and creates the tables.
    pub(super) async fn open(url: &str, units: &[Unit], observed: Observed, commands: u32) -> anyhow::Result<Self> {
        let mut connection = Connection::open(url).await?;
        connection.run(Tables::create(Kind::of(url))).await?;
        Ok(Self { connection, plan: plan(units, observed, commands), batch: observed.batch, ids: Vec::new(), host: Uuid::now_v7() })
    }

    /// From here on other instances with other units are written.
    pub(super) fn plan(&mut self, units: &[Unit], observed: Observed, commands: u32) {
        self.plan = plan(units, observed, commands);
        self.ids.clear();
    }

    /// Writes some units of so many instances.
    pub(super) async fn write(&mut self, units: Range<usize>, instances: u32) -> anyhow::Result<()> {
        for first in (0..instances).step_by(ALIVE) {
            let last = instances.min(first + u32::try_from(ALIVE)?);
            self.write_some(units.clone(), first..last).await?;
        }
        Ok(())
    }

    /// Writes some units of some instances: the first unit of all of them, then the second.
    pub(super) async fn write_some(&mut self, units: Range<usize>, instances: Range<u32>) -> anyhow::Result<()> {
        while self.ids.len() < instances.end as usize {
            self.ids.push(Uuid::now_v7());
        }
        let numbers: Vec<usize> = instances.map(|number| number as usize).collect();
        for at in units {
            for command in 0..self.plan[at].commands {
                for some in numbers.chunks(self.batch) {
                    self.command(some, command).await?;
                }
            }
            for some in numbers.chunks(self.batch) {
                self.unit(at, some).await?;
            }
        }
        Ok(())
    }

    /// One transaction: the unit of these instances.
    async fn unit(&mut self, at: usize, numbers: &[usize]) -> anyhow::Result<()> {
        let Self { connection, plan, ids, host, .. } = self;
        let planned = &plan[at];
        let revision = i64::try_from(at)? + 1;
        let unit = Uuid::now_v7();
        let keys: Vec<String> = numbers.iter().map(|number| format!("run-{number}")).collect();
        connection.begin().await?;
        match &planned.instance {
            Change::None => {}
            Change::Insert(snapshot) => {
                let mut rows = Vec::with_capacity(numbers.len());
                for (key, number) in keys.iter().zip(numbers) {
                    rows.push(vec![
                        Cell::Uuid(ids[*number]),
                        Cell::Text(""),
                        Cell::Text(DEFINITION),
                        Cell::Text(key),
                        Cell::Number(NOW),
                        Cell::Number(revision),
                        Cell::Uuid(unit),
                        Cell::Flag(false),
                        Cell::Bytes(snapshot),
                    ]);
                }
                connection.write(&INSERT_INSTANCE, &rows).await?;
            }
            Change::Update(snapshot) => {
                let mut rows = Vec::with_capacity(numbers.len());
                for number in numbers {
                    rows.push(vec![Cell::Uuid(ids[*number]), Cell::Number(revision), Cell::Uuid(unit), Cell::Bytes(snapshot)]);
                }
                connection.write(&UPDATE_INSTANCE, &rows).await?;
            }
            Change::Delete => {
                let rows: Vec<_> = numbers.iter().map(|number| vec![Cell::Uuid(ids[*number])]).collect();
                connection.write(&DELETE_INSTANCE, &rows).await?;
            }
        }
        write_jobs(connection, &planned.jobs, ids, numbers, revision, *host).await?;
        write_subscriptions(connection, &planned.subscriptions, ids, numbers, &keys).await?;
        let mut rows = Vec::with_capacity(numbers.len());
        for number in numbers {
            rows.push(vec![Cell::Uuid(ids[*number]), Cell::Number(revision), Cell::Number(NOW), Cell::Text(&planned.events)]);
        }
        connection.write(&INSERT_HISTORY, &rows).await?;
        connection.run("COMMIT".to_owned()).await
    }

    /// Two transactions: a command of each of these instances is recorded before it leaves and after it has come back.
    async fn command(&mut self, numbers: &[usize], ordinal: u32) -> anyhow::Result<()> {
        let keys: Vec<String> = numbers.iter().map(|number| format!("{number:032x}{ordinal:032x}")).collect();
        let mut opened = Vec::with_capacity(numbers.len());
        let mut closed = Vec::with_capacity(numbers.len());
        for (key, number) in keys.iter().zip(numbers) {
            let name = [Cell::Text(""), Cell::Text(COMMAND), Cell::Text(key), Cell::Number(1)];
            let mut row = name.to_vec();
            row.extend([
                Cell::Number(1),
                Cell::Uuid(self.ids[*number]),
                Cell::Text("job"),
                Cell::Number(2),
                Cell::Text(DIGEST),
                Cell::Text("validate"),
                Cell::Text(DEFINITION),
                Cell::Text(DIGEST),
                Cell::Text("{\"orderId\":\"run-17\"}"),
                Cell::Text("open"),
                Cell::Text(""),
                Cell::Uuid(self.host),
                Cell::Number(1),
                Cell::Number(NOW),
                Cell::Number(0),
                Cell::Flag(false),
            ]);
            opened.push(row);
            let mut row = name.to_vec();
            row.extend([Cell::Text("applied"), Cell::Text("{}"), Cell::Number(NOW)]);
            closed.push(row);
        }
        for (statement, rows) in [(&OPEN_LEDGER, opened), (&CLOSE_LEDGER, closed)] {
            self.connection.begin().await?;
            self.connection.write(statement, &rows).await?;
            self.connection.run("COMMIT".to_owned()).await?;
        }
        Ok(())
    }
}

async fn write_jobs(
    connection: &mut Connection,
    places: &Places,
    ids: &[Uuid],
    numbers: &[usize],
    revision: i64,
    host: Uuid,
) -> anyhow::Result<()> {
    let (mut inserted, mut updated, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers {
        let name = |place: i64| [Cell::Uuid(ids[*number]), Cell::Number(place)];
        for (place, element) in &places.insert {
            let mut row = name(*place).to_vec();
            row.extend([
                Cell::Number(revision * 3),
                Cell::Text(element),
                Cell::Text("async-before"),
                Cell::Text(DEFINITION),
                Cell::Number(NOW),
                Cell::Number(3),
                Cell::Number(0),
                Cell::Flag(true),
                Cell::Number(NOW),
                Cell::Flag(false),
                Cell::Uuid(host),
                Cell::Number(1),
                Cell::Number(0),
            ]);
            inserted.push(row);
        }
        for (place, element) in &places.update {
            let mut row = name(*place).to_vec();
            row.extend([Cell::Number(revision * 3), Cell::Text(element), Cell::Number(NOW + revision), Cell::Number(NOW + revision)]);
            updated.push(row);
        }
        deleted.extend(places.delete.iter().map(|place| name(*place).to_vec()));
    }
    connection.write(&INSERT_JOB, &inserted).await?;
    connection.write(&UPDATE_JOB, &updated).await?;
    connection.write(&DELETE_JOB, &deleted).await
}

async fn write_subscriptions(
    connection: &mut Connection,
    places: &Places,
    ids: &[Uuid],
    numbers: &[usize],
    keys: &[String],
) -> anyhow::Result<()> {
    ensure!(places.update.is_empty(), "no scenario waits for one message after the other");
    let (mut inserted, mut deleted) = (Vec::new(), Vec::new());
    for (number, key) in numbers.iter().zip(keys) {
        let name = |place: i64| [Cell::Uuid(ids[*number]), Cell::Number(place)];
        for (place, element) in &places.insert {
            let mut row = name(*place).to_vec();
            let message = Cell::Text("paid");
            row.extend([Cell::Text(element), message, Cell::Text(DEFINITION), Cell::Number(NOW), Cell::Text(""), Cell::Text(key)]);
            inserted.push(row);
        }
        deleted.extend(places.delete.iter().map(|place| name(*place).to_vec()));
    }
    connection.write(&INSERT_SUBSCRIPTION, &inserted).await?;
    connection.write(&DELETE_SUBSCRIPTION, &deleted).await
}

/// What each unit writes.
fn plan(units: &[Unit], observed: Observed, commands: u32) -> Vec<Planned> {
    let (mut jobs, mut subscriptions) = (Vec::new(), Vec::new());
    // Every unit tells its share.
    let share = observed.history_bytes.div_ceil(units.len().max(1));
    let events: String = "{\"activity\":\"validate\",\"began\":1750000000000},".chars().cycle().take(share).collect();
    let mut stored = false;
    let mut planned = Vec::with_capacity(units.len());
    for unit in units {
        let instance = match (&unit.snapshot, stored) {
            (Some(snapshot), false) => Change::Insert(snapshot.clone()),
            (Some(snapshot), true) => Change::Update(snapshot.clone()),
            (None, true) => Change::Delete,
            (None, false) => Change::None,
        };
        stored = unit.snapshot.is_some();
        planned.push(Planned {
            instance,
            jobs: Places::plan(&mut jobs, &unit.jobs, unit.jobs_gone),
            subscriptions: Places::plan(&mut subscriptions, &unit.subscriptions, unit.subscriptions_gone),
            events: events.clone(),
            commands: if unit.calls > 0 { commands } else { 0 },
        });
    }
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_row_that_goes_and_one_that_comes_are_one_update() {
        let mut taken = Vec::new();
        let first = Places::plan(&mut taken, &elements(&["a", "b"]), 0);
        assert_eq!((first.insert, first.update.len(), first.delete.len()), (vec![(0, "a".to_owned()), (1, "b".to_owned())], 0, 0));
        let second = Places::plan(&mut taken, &elements(&["c"]), 1);
        assert_eq!((second.insert.len(), second.update, second.delete.len()), (0, vec![(0, "c".to_owned())], 0));
        let third = Places::plan(&mut taken, &[], 2);
        assert_eq!((third.insert.len(), third.update.len(), third.delete.len()), (0, 0, 2));
        assert!(taken.iter().all(|taken| !taken));
    }
}
