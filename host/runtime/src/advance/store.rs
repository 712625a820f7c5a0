//! The last step of a unit of work: what all of its instances have come to is stored in one transaction, and this host goes on with what
//! follows.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use mandate_engine::{InstanceId, WaitId};
use mandate_store::{ClaimedJob, CommitError, Error as StoreError, InstanceWrite, RunningJob, Stood, Unit};

use super::deferred::NO_WAIT;
use super::{UnderWay, Work};
use crate::definitions::suspended;
use crate::error::TAKEN_OVER;
use crate::executor::{Mine, Places, Queued, wait_of};
use crate::message_flows::begun_by;
use crate::metrics::Acquired;
use crate::parties::{Parties, Party};
use crate::running::Registered;
use crate::unit::Writing;
use crate::{Error, Inner};

/// What became of a unit that was to be stored.
pub(super) enum Stored {
    Committed(Option<Box<Queued>>),
    AlreadyStarted(InstanceId),
    Superseded,
    Conflict,
    Gone,
    /// Job definitions have been changed, and it makes jobs.
    Unknowing,
    /// What one of its commands came to is not in the ledger yet.
    NotClosed,
    /// What it takes up was taken up before.
    Delivered,
    /// Another worker has the external task, or none.
    NotHeld(Option<String>),
    /// It holds what no store takes.
    Refused(String),
    /// Somebody else has locked in the database what it writes, and why the store did not wait.
    Locked(mandate_store::Error),
}

impl Inner {
    /// Stores what all instances of a unit have come to, and does what follows from it.
    pub(super) async fn store_unit(self: &Arc<Self>, parties: &mut Parties, unit: &UnderWay<'_>, now: i64) -> Result<Stored, Error> {
        let UnderWay { work, registered, calls, .. } = unit;
        let mut writes = Vec::with_capacity(parties.len());
        let mut afters = Vec::with_capacity(parties.len());
        for (nth, party) in parties.iter_mut().enumerate() {
            let (write, after) = self.write_of(party, Some(work).filter(|_| nth == 0), now).await?;
            writes.push(write);
            afters.push(after);
        }
        let id = uuid::Uuid::now_v7();
        let hops = work.hops();
        writes.iter_mut().flat_map(|write| &mut write.signals).for_each(|signal| signal.hops = hops);
        writes.iter_mut().flat_map(|write| &mut write.messages).for_each(|message| message.hops = hops);
        let first = parties.first();
        writes[0].operations = work.operations(&first.base.definition, &first.base.instance, &first.instance, id, now);
        let Some(carried) = calls.closings.carry() else { return Ok(Stored::NotClosed) };
        let unit = Unit {
            id,
            instances: writes,
            start_key: work.begin.as_ref().and_then(|begin| begin.start_key.clone()),
            newest: work.begin.as_ref().is_some_and(|begin| begin.newest),
            closes: carried.closes(),
        };
        let committed = self.store.commit(unit).await;
        calls.closings.carried(self, carried, &committed);
        let committed = match committed {
            Ok(committed) => committed,
            Err(error) => {
                if let CommitError::Database(StoreError::Unclear(_)) = error {
                    // Then nobody else wakes what its instances wait for. If it is not stored, nothing comes of it.
                    let begun = parties.iter().zip(afters).flat_map(|(party, after)| begun_by(party, after.awaited));
                    self.unwoken.add(begun);
                }
                return self.not_stored(error, parties, work).await;
            }
        };
        let revisions: HashMap<_, _> = committed.revisions.into_iter().collect();
        let mut locked_jobs: HashMap<_, Vec<_>> = HashMap::new();
        for job in committed.locked_jobs {
            locked_jobs.entry(job.instance).or_default().push(job);
        }
        // The job of a start that is deferred is run for the caller, and in this host's memory from here on.
        let mut deferred = None;
        let runs_deferred = work.is_deferred_start();
        let mut begun = Vec::new();
        for (party, mut after) in parties.iter().zip(afters) {
            let id = party.instance.id();
            let mut locked = locked_jobs.remove(&id.0).unwrap_or_default();
            match revisions.get(&id.0) {
                Some(revision) if after.is_as_written(&locked) => {
                    self.instances.keep(&party.instance, &party.base.definition, *revision, after.running.take());
                }
                _ => self.instances.forget(id),
            }
            self.tell_of(party, &after, registered, work, locked.len());
            begun.extend(begun_by(party, after.awaited));
            if let (true, true, [job]) = (runs_deferred, id == work.instance, &locked[..]) {
                let place = after.places.give_away(wait_of(job));
                deferred = Some(Box::new(Queued { exclusive: true, fresh: true, ..self.queued(job, place) }));
                locked.clear();
            }
            self.take_up(&party.base.instance, locked, after.places);
        }
        // Behind all that is this host's to run: a database that does not answer holds up nobody's jobs.
        self.wake_messages(begun).await;
        Ok(Stored::Committed(deferred))
    }

    /// What one instance of a unit writes. The unit's own input is that of `work`, which the other instances are not given.
    async fn write_of(self: &Arc<Self>, party: &mut Party, work: Option<&Work>, now: i64) -> Result<(InstanceWrite, After), Error> {
        let mut rows = std::mem::take(&mut party.rows);
        let known = self.known_job_definitions().await?;
        rows.adjust_jobs(&party.base, &mut party.instance, &known);
        rows.runs_by(&known, &party.base, work.map(|work| &work.input))?;
        let is_suspended = party.instance.is_suspended() || known.is_suspended(&party.base.definition.row.id);
        let (base, instance) = (&party.base, &party.instance);
        rows.settle(instance);
        // What waits for a suspended instance, or definition, to go on is nobody's yet.
        let own = work.and_then(Work::job);
        let places = if is_suspended { Places::default() } else { self.executor.places(&rows, instance.id(), own, now) };
        // From before the commit: a job whose commit is answered late is not one that this host has forgotten.
        let mine = places.waits().into_iter().map(|wait| self.executor.mine(instance.id(), wait)).collect();
        let mut details = HashMap::new();
        let origin = work.map_or(NO_WAIT, |work| work.origin(base));
        for incident in rows.explained() {
            details.insert(incident.id, self.explain(&base.definition, instance, incident, origin).await?);
        }
        let topics = rows.topics();
        let awaited = rows.awaited_messages(instance);
        let ended = rows.ended_waits();
        let next_due = rows.next_due(now);
        let along = rows.along();
        let incidents = rows.incidents_raised(base);
        let detail = |incident: &mandate_engine::Incident| details.get(&incident.id).cloned().unwrap_or_default();
        let worker = work.and_then(|work| work.worker.as_ref());
        let writing = Writing { instance, base, me: self.store.host(), locked: &places.waits(), worker, now };
        let mut write = rows.into_write(writing, detail);
        write.delivery = work.and_then(|work| work.delivery).map(|delivery| delivery.name);
        write.fired = work.and_then(|work| work.begin.as_ref()).and_then(|begin| begin.fired.clone());
        let (running, throws) = (write.running.clone(), !(write.signals.is_empty() && write.messages.is_empty()));
        let moves = write.running_stood == Stood::InARow;
        Ok((write, After { places, _mine: mine, topics, ended, next_due, incidents, along, running, moves, throws, awaited }))
    }

    /// Tells the rest of this host what has become of an instance.
    fn tell_of(&self, party: &Party, after: &After, registered: &Registered<'_>, work: &Work, locked: usize) {
        let id = party.instance.id();
        let (waits, ended) = &after.ended;
        self.running.ended(registered, id, waits, *ended);
        let is_start = party.base.stored().is_none();
        debug_assert!(id != work.instance || is_start == work.begin.is_some(), "a unit begins its own instance or has loaded it");
        crate::metrics::unit_committed(&party.base.definition, is_start, *ended, after.incidents);
        crate::metrics::jobs_acquired(Acquired::Unit, locked + after.along.len());
        after.along.iter().copied().for_each(crate::metrics::job_ran);
        for _ in 0..after.incidents {
            tracing::error!(instance = %id, "incident raised");
        }
        self.workers.tell(&after.topics);
        if after.throws {
            self.thrown.notify_one();
        }
        if let Some(due) = after.next_due {
            self.executor.expect_due(due);
        }
    }

    /// Why a unit was not stored, for whoever runs it.
    async fn not_stored(&self, error: CommitError, parties: &Parties, work: &Work) -> Result<Stored, Error> {
        let forget = || parties.iter().for_each(|party| self.instances.forget(party.instance.id()));
        let alone = parties.len() == 1;
        Ok(match error {
            CommitError::Conflict => {
                forget();
                Stored::Conflict
            }
            CommitError::Gone => {
                forget();
                // Which of them is gone will be seen when they are looked for again.
                if alone { Stored::Gone } else { Stored::Conflict }
            }
            CommitError::JobDefinitions => {
                self.job_definitions.forget();
                Stored::Unknowing
            }
            CommitError::NotClosed => Stored::NotClosed,
            CommitError::Delivered => Stored::Delivered,
            CommitError::NotHeld { worker } => Stored::NotHeld(worker),
            CommitError::AlreadyStarted { instance } => Stored::AlreadyStarted(InstanceId(instance)),
            CommitError::Superseded => Stored::Superseded,
            CommitError::Suspended if alone => return Err(suspended(&parties.first().base.definition)),
            // Of the instance that is started, or of one that is called: then the call will not find it any more.
            CommitError::Suspended => match &work.begin {
                Some(begin) if self.is_superseded(begin).await? => Stored::Superseded,
                _ => Stored::Conflict,
            },
            CommitError::Fenced => return Err(Error::NotActing(TAKEN_OVER)),
            CommitError::Refused(reason) => Stored::Refused(reason),
            CommitError::Database(error) if error.is_of_lock() => Stored::Locked(error),
            CommitError::Database(error) => {
                // It may have been stored all the same.
                forget();
                return Err(error.into());
            }
        })
    }
}

/// What is to be done for an instance once its unit is stored.
struct After {
    places: Places,
    _mine: Vec<Mine>,
    topics: BTreeSet<String>,
    /// Waits that it has ended, and whether it has ended itself.
    ended: (BTreeSet<WaitId>, bool),
    next_due: Option<i64>,
    /// How many incidents it has raised.
    incidents: usize,
    /// How long each of the jobs ran that it took along.
    along: Vec<Duration>,
    running: Option<RunningJob>,
    /// That job has left its own row for the instance's, if it could be locked.
    moves: bool,
    /// It has thrown signals or sent messages, which are to be delivered.
    throws: bool,
    /// Messages that it waits for now, and that may be on their way.
    awaited: BTreeSet<crate::message_flows::Keyed>,
}

impl After {
    /// Whether the instance's row has the job that the unit has written into it: this host has locked it.
    fn is_as_written(&self, locked: &[ClaimedJob]) -> bool {
        !self.moves || self.running.as_ref().is_some_and(|running| locked.iter().any(|job| job.wait == running.wait))
    }
}
