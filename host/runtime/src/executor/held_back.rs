//! What this host cannot run: instances that it cannot read, definitions that it cannot load.
//!
//! A newer host may be able to, so their jobs stay unlocked for whoever claims them. This host leaves them out of its claims for a while,
//! twice as long each time, so that they neither fill its log nor stand in the way of jobs that were due later. Memory of one process:
//! another host, or this one after an upgrade and a restart, tries at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mandate_engine::InstanceId;
use mandate_store::Except;

/// How long something is left alone at first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// And at the longest: after a repair in the database this is how long it takes to be noticed.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// How often the log is told of the same thing.
const LOG_EVERY: Duration = Duration::from_hours(1);

/// How much is remembered. Each claim names what it leaves out, ten thousand ids in 160 KiB at the most. Beyond it, what would be tried
/// again soonest is forgotten.
const MOST: usize = 10_000;

/// What cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Unreadable {
    /// One instance: its snapshot, or what its snapshot says beside its rows.
    Instance(InstanceId),
    /// Every instance of a definition.
    Definition(String),
}

impl Unreadable {
    /// For a metric's label.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Instance(_) => "instance",
            Self::Definition(_) => "definition",
        }
    }
}

struct Entry {
    until: Instant,
    pause: Duration,
    logged: Instant,
}

/// Everything that is left alone at present.
#[derive(Default)]
pub(super) struct HeldBack {
    entries: Mutex<HashMap<Unreadable, Entry>>,
}

impl HeldBack {
    /// Leaves something alone, longer than the last time. Answers for how long if the log should hear of it.
    pub(super) fn hold(&self, unreadable: Unreadable, now: Instant) -> Option<Duration> {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(&unreadable) {
            // Its jobs that were under way together count once.
            if entry.until <= now {
                entry.pause = (entry.pause * 2).min(LONGEST_PAUSE);
                entry.until = now + entry.pause;
            }
            let log = now.duration_since(entry.logged) >= LOG_EVERY;
            if log {
                entry.logged = now;
            }
            return log.then_some(entry.pause);
        }
        if entries.len() >= MOST {
            let soonest = entries.iter().min_by_key(|(_, entry)| entry.until).map(|(unreadable, _)| unreadable.clone());
            soonest.map(|unreadable| entries.remove(&unreadable));
        }
        entries.insert(unreadable, Entry { until: now + FIRST_PAUSE, pause: FIRST_PAUSE, logged: now });
        Some(FIRST_PAUSE)
    }

    /// An instance was read after all.
    pub(super) fn forget(&self, instance: InstanceId) {
        let mut entries = self.entries();
        if !entries.is_empty() {
            entries.remove(&Unreadable::Instance(instance));
        }
    }

    /// What a claim leaves out now. What was tried again and has not come back since is forgotten: somebody else has it, or it is mended.
    pub(super) fn except(&self, now: Instant) -> Except {
        let mut entries = self.entries();
        entries.retain(|_, entry| entry.until + LOG_EVERY > now);
        let mut except = Except::default();
        for (unreadable, _) in entries.iter().filter(|(_, entry)| entry.until > now) {
            match unreadable {
                Unreadable::Instance(instance) => except.instances.push(instance.0),
                Unreadable::Definition(id) => except.definitions.push(id.clone()),
            }
        }
        except
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Unreadable, Entry>> {
        self.entries.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(n: u128) -> Unreadable {
        Unreadable::Instance(InstanceId(uuid::Uuid::from_u128(n)))
    }

    #[test]
    fn what_cannot_be_read_is_tried_less_and_less_often_and_logged_once_an_hour() {
        let held = HeldBack::default();
        let mut now = Instant::now();
        let (mut pauses, mut logged) = (Vec::new(), 0);
        for _ in 0..20 {
            logged += u32::from(held.hold(instance(1), now).is_some());
            let begun = now;
            while !held.except(now).instances.is_empty() {
                now += Duration::from_millis(500);
            }
            pauses.push(now.duration_since(begun).as_secs());
        }
        assert_eq!(pauses[..10], [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pauses[19], 300, "it is tried again every five minutes for ever");
        assert_eq!(logged, 1, "{} s are less than an hour", pauses.iter().sum::<u64>());
        held.hold(instance(1), now + LOG_EVERY).expect("an hour later the log hears of it again");
    }

    #[test]
    fn jobs_of_one_instance_that_fail_together_count_once() {
        let held = HeldBack::default();
        let now = Instant::now();
        assert_eq!([0; 9].map(|_| held.hold(instance(1), now)).iter().flatten().count(), 1);
        assert_eq!(held.except(now + FIRST_PAUSE).instances.len(), 0);
    }

    #[test]
    fn an_instance_that_was_read_begins_anew() {
        let held = HeldBack::default();
        let now = Instant::now();
        held.hold(instance(1), now);
        held.hold(Unreadable::Definition("p:1:x".into()), now);
        held.forget(InstanceId(uuid::Uuid::from_u128(1)));
        let except = held.except(now);
        assert_eq!((except.instances.len(), except.definitions), (0, vec!["p:1:x".to_owned()]));
        assert_eq!(held.hold(instance(1), now), Some(FIRST_PAUSE));
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let held = HeldBack::default();
        let now = Instant::now();
        for n in 0..u128::try_from(MOST).expect("small") + 5 {
            held.hold(instance(n), now + Duration::from_nanos(u64::try_from(n).expect("small")));
        }
        let except = held.except(now);
        assert_eq!(except.instances.len(), MOST);
        assert!(!except.instances.contains(&uuid::Uuid::from_u128(0)) && except.instances.contains(&uuid::Uuid::from_u128(9)));
    }
}
