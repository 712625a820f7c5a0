//! What is counted. Names and labels in one place; the HTTP layer serves them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mandate_store::query::ActiveInstances;
use mandate_wasm::{Outcome, Returned};
use metrics::{Counter, Histogram, counter, gauge, histogram};

use crate::definitions::{Binding, Definition};

/// A unit of work was stored.
pub(crate) fn unit_committed(definition: &Definition, started: bool, ended: bool, incidents: usize) {
    let labels = || [("definition", definition.row.key.clone()), ("version", definition.row.version.to_string())];
    counter!("mandate_units_total").increment(1);
    if started {
        counter!("mandate_instances_started_total", &labels()).increment(1);
    }
    if ended {
        counter!("mandate_instances_ended_total", &labels()).increment(1);
    }
    if incidents > 0 {
        counter!("mandate_incidents_raised_total", &labels()).increment(incidents as u64);
    }
}

/// How jobs come to a host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Acquired {
    /// Locked with the unit of work that made them.
    Unit,
    /// Claimed because this host had left some in the store, or has room again.
    Here,
    /// Claimed because another host has said that there are some.
    Notification,
    /// Claimed because it was time to look.
    Poll,
}

/// Jobs were taken by this host.
pub(crate) fn jobs_acquired(by: Acquired, count: usize) {
    let by = match by {
        Acquired::Unit => "unit",
        Acquired::Here => "here",
        Acquired::Notification => "notification",
        Acquired::Poll => "poll",
    };
    counter!("mandate_jobs_acquired_total", "by" => by).increment(count as u64);
}

/// What the store knows as of now was asked for, and the store did not tell.
pub(crate) fn gauges_not_read() {
    counter!("mandate_gauges_not_read_total").increment(1);
}

/// The history of so many instances was removed.
pub(crate) fn history_removed(instances: usize) {
    counter!("mandate_history_removed_total").increment(instances as u64);
}

/// A job was run, whatever came of it.
pub(crate) fn job_ran(took: Duration) {
    counter!("mandate_jobs_run_total").increment(1);
    histogram!("mandate_job_seconds").record(took.as_secs_f64());
}

/// A job could not be run because of something that this host cannot read.
pub(crate) fn job_held_back(kind: &'static str) {
    counter!("mandate_jobs_held_back_total", "what" => kind).increment(1);
}

/// A job's unit failed technically.
pub(crate) fn job_failed(activity: &str, code: &'static str) {
    counter!("mandate_jobs_failed_total", "activity" => activity.to_owned(), "code" => code).increment(1);
}

/// Codes of BPMN errors that are counted by name. Delegates make them up, and every series is kept for ever.
const MAX_ERROR_CODES: usize = 500;

/// What further codes are counted as.
const OTHER: &str = "other";

/// A delegate answered with a BPMN error.
pub(crate) fn bpmn_error(activity: &str, code: &str) {
    static CODES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let code = bounded(&mut CODES.lock().unwrap_or_else(PoisonError::into_inner), code, MAX_ERROR_CODES).to_owned();
    counter!("mandate_bpmn_errors_total", "activity" => activity.to_owned(), "code" => code).increment(1);
}

/// A name that was seen before or for which there is still room, or [`OTHER`].
fn bounded<'a>(seen: &mut BTreeSet<String>, name: &'a str, most: usize) -> &'a str {
    if !seen.contains(name) {
        if seen.len() >= most {
            return OTHER;
        }
        seen.insert(name.to_owned());
    }
    name
}

/// What is counted of a delegate's calls. Looked up by its labels once, and not for every call.
#[derive(Debug)]
pub(crate) struct DelegateCounters {
    calls: Counter,
    cpu: Histogram,
}

impl DelegateCounters {
    pub(crate) fn of(delegate: &str) -> Self {
        Self {
            calls: counter!("mandate_delegate_calls_total", "delegate" => delegate.to_owned()),
            cpu: histogram!("mandate_delegate_cpu_seconds", "delegate" => delegate.to_owned()),
        }
    }
}

/// A delegate was called.
pub(crate) fn delegate_called(binding: &Binding, returned: &Returned) {
    let counters = binding.counters();
    counters.calls.increment(1);
    counters.cpu.record(returned.stats.cpu.as_secs_f64());
    if let Outcome::LimitExceeded { limit, .. } = returned.outcome {
        counter!("mandate_delegate_limits_hit_total", "delegate" => binding.delegate.clone(), "limit" => limit).increment(1);
    }
}

/// A command was sent.
pub(crate) fn command_sent(command: &str, outcome: &'static str, took: Duration) {
    histogram!("mandate_command_seconds", "command" => command.to_owned(), "outcome" => outcome).record(took.as_secs_f64());
}

/// Live instances by definition key and version.
pub(crate) type Active = BTreeMap<(String, String), i64>;

/// What only the store knows, as of now. `before` is what was told last time: a definition whose last instance has ended is told once more.
pub(crate) fn gauges(counts: &mandate_store::query::Counts, before: &mut Active) {
    gauge!("mandate_jobs_due").set(as_f64(counts.jobs_due));
    gauge!("mandate_incidents_open").set(as_f64(counts.open_incidents));
    gauge!("mandate_history_due").set(as_f64(counts.history_due));
    gauge!("mandate_signals_on_the_way").set(as_f64(counts.signals_on_the_way));
    gauge!("mandate_messages_on_the_way").set(as_f64(counts.messages_on_the_way));
    gauge!("mandate_waits_overdue").set(as_f64(counts.waits_overdue));
    for ((key, version), instances) in active(&counts.active_instances, before) {
        gauge!("mandate_instances_active", "definition" => key, "version" => version).set(as_f64(instances));
    }
}

/// Tenants may each have a definition of the same key and version: they are added up, as the counters add them up.
fn active(listed: &[ActiveInstances], before: &mut Active) -> Active {
    let mut now = Active::new();
    for active in listed {
        *now.entry((active.key.clone(), active.version.to_string())).or_default() += active.instances;
    }
    let gone = std::mem::replace(before, now.clone()).into_keys().map(|labels| (labels, 0));
    let mut told: Active = gone.collect();
    told.extend(now);
    told
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float; counts are far below 2^52")]
fn as_f64(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_somebody_makes_up_are_counted_by_name_up_to_a_bound() {
        let mut seen = BTreeSet::new();
        assert_eq!(["a", "b", "c", "a"].map(|name| bounded(&mut seen, name, 2)), ["a", "b", OTHER, "a"]);
    }

    #[test]
    fn active_instances_of_all_tenants_are_added_up_and_go_back_to_zero() {
        let row = |tenant: Option<&str>, version, instances| ActiveInstances {
            definition_id: "p:1:x".into(),
            key: "p".into(),
            version,
            tenant: tenant.map(str::to_owned),
            instances,
        };
        let told = |listed: &[ActiveInstances], before: &mut Active| -> Vec<(String, i64)> {
            active(listed, before).into_iter().map(|((_, version), instances)| (version, instances)).collect()
        };
        let mut before = Active::new();
        let first = told(&[row(None, 1, 2), row(Some("acme"), 1, 3), row(None, 2, 1)], &mut before);
        assert_eq!(first, [("1".to_owned(), 5), ("2".to_owned(), 1)]);
        assert_eq!(told(&[row(None, 2, 4)], &mut before), [("1".to_owned(), 0), ("2".to_owned(), 4)]);
        assert_eq!(told(&[row(None, 2, 4)], &mut before), [("2".to_owned(), 4)]);
    }
}
