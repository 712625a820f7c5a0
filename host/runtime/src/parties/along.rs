//! What a unit of work goes on with: the next asynchronous job of its instance.
//!
//! `asyncBefore` and `asyncAfter` end a unit, so that what was done is stored whatever becomes of what follows. But where what follows
//! leaves nothing outside the instance, nobody can tell whether it began before that was stored or after: its delegates are in a sandbox
//! and have no commands. So a unit that a job began, and that comes to rest at another job that this host would run next anyhow, takes that
//! one along, and both are stored together: of the instance's row, of activities and variables only what they are in the end.
//!
//! Each job is a step of its own, on the state that would have been stored before it: with its own moment, its own keys and its own
//! retries. One that does not come to its end, because it fails, takes too long or comes to a delegate with commands, takes nothing with
//! it: the instance stands where it stood before that job, which runs in a unit of its own. There its failure is counted, and there its
//! wait is durable before a command leaves. And what the store refuses of such a unit is stored job by job: whose fault it was is seen
//! then.
//!
//! A job that has a row of its own, a branch of a fork as a rule, is taken along on the store's word only: the commit refuses what somebody
//! else has locked, or what has killed a host, and jobs of a suspended definition (`refuse_taken` in `host/store/src/write.rs`).
//!
//! When a host dies, what it had not stored is done again, as ever; it is the work of a few milliseconds, of which nobody was told. Nobody
//! waits longer for an answer: starts, completed tasks and jobs that an operator executes are stored by themselves. Nor does anybody else:
//! a unit that has thrown a signal or sent a message goes no further.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mandate_engine::{Input, JobKind, WaitId};
use tokio::time::{Instant, timeout_at};

use super::{Course, Parties, Turn, Turns};
use crate::advance::Ended;
use crate::unit::Next;
use crate::{Error, Inner};

/// No job goes on later than this after its unit came to its first rest: for so long what was done may not be stored. A few commits' time.
const LONGEST: Duration = Duration::from_millis(5);

/// Nor more than so many: a loop of jobs ends its unit now and then.
const MOST: usize = 100;

impl Inner {
    /// Takes along what the unit may go on with. It is whole before and after each job.
    pub(super) async fn take_along(self: &Arc<Self>, parties: &mut Parties, course: &mut Course<'_>) -> Result<(), Error> {
        let until = Instant::now() + LONGEST;
        for _ in 0..MOST {
            let Some(wait) = self.next_along(parties, course).await? else { break };
            if Instant::now() > until || !self.run_along(parties, wait, until, course).await {
                break;
            }
        }
        Ok(())
    }

    /// The job that this host would run next, if the unit may take it along.
    async fn next_along(&self, parties: &mut Parties, course: &Course<'_>) -> Result<Option<WaitId>, Error> {
        let [party] = &mut parties.0[..] else { return Ok(None) };
        let own = course.work.job().filter(|own| self.executor.hands_on(course.work.instance, *own));
        let own = own.and_then(|own| party.base.instance.job(own));
        // One that has failed is looked at alone.
        if own.is_none_or(|own| !own.exclusive || own.failure.is_some()) || party.rows.throws() {
            return Ok(None);
        }
        let known = self.known_job_definitions().await?;
        if known.is_suspended(&party.base.definition.row.id) {
            return Ok(None);
        }
        party.rows.adjust_jobs(&party.base, &mut party.instance, &known);
        let Some(next) = Next::of(&party.instance).filter(|next| next.due <= course.now) else { return Ok(None) };
        let job = party.instance.job(next.wait).expect("the instance has said that it is its next");
        let continues = matches!(job.kind, JobKind::AsyncBefore | JobKind::AsyncAfter) && job.failure.is_none();
        // What was there before the unit may have run before, and have sent something.
        let definition = &party.base.definition;
        let has_sent_nothing = party.base.instance.job(next.wait).is_none() || !definition.sends();
        let stops = definition.doer(job.element).is_some_and(|doer| doer.may_command() || !doer.is_quick());
        Ok(Some(next.wait).filter(|_| continues && has_sent_nothing && !stops && !definition.runs_alone(job.element)))
    }

    /// Runs one job within the unit, and answers whether it has come to its end in time.
    async fn run_along(self: &Arc<Self>, parties: &mut Parties, wait: WaitId, until: Instant, course: &mut Course<'_>) -> bool {
        let first = &mut parties.0[0];
        let (before, rows) = (first.instance.clone(), std::mem::take(&mut first.rows));
        let job = before.job(wait).expect("whoever chose it has seen it");
        let element = job.element;
        let turns: Turns = vec![Turn::Input(before.id(), Box::new(Input::RunJob { wait }))];
        tracing::Span::current().record("job", wait.0);
        course.runs(job, self.clock.now_ms());
        course.along = true;
        let started = Instant::now();
        // A guest ends where its call is dropped. A panic: its hook tells where, and alone the job will meet it again and spend its
        // retries.
        let running = AssertUnwindSafe(timeout_at(until, self.take_turns(parties, turns, course)));
        let ran = running.catch_unwind().await;
        course.along = false;
        let party = &mut parties.0[0];
        let segment = std::mem::replace(&mut party.rows, rows);
        if matches!(ran, Ok(Ok(Ok(Ended::Quiet)))) {
            party.rows.take_along(wait, segment, started.elapsed());
            course.calls.took_along = true;
            return true;
        }
        if let Ok(Ok(Ok(Ended::DeferParty(_)))) = ran {
            party.base.definition.stops_along(element);
        }
        party.instance = before;
        parties.0.truncate(1);
        tracing::Span::current().record("job", course.work.job().map(|own| own.0));
        false
    }
}

#[cfg(test)]
mod tests {
    use mandate_tests::postgres::Cluster;
    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use serde_json::json;

    use super::*;
    use crate::testing;

    /// Whoever counts a BPMN error with this code panics: in the midst of its job, and of nothing else.
    const PANICS: &str = "PANICS";

    struct Panicking;

    impl Recorder for Panicking {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            assert!(key.labels().all(|label| label.value() != PANICS), "told to panic");
            Counter::noop()
        }
        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }
        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
  <process id="p" isExecutable="true">
    <startEvent id="s"/><serviceTask id="a" camunda:class="quiet" camunda:asyncBefore="true"/>
    <serviceTask id="b" camunda:class="quiet" camunda:asyncBefore="true"><extensionElements>
      <camunda:failedJobRetryTimeCycle>R1/PT1H</camunda:failedJobRetryTimeCycle></extensionElements></serviceTask><userTask id="u"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="a"/><sequenceFlow id="f2" sourceRef="a" targetRef="b"/><sequenceFlow id="f3" sourceRef="b" targetRef="u"/>
  </process>
</definitions>"#;

    const MANIFEST: &str = "[delegates.quiet]\nfile = \"test_scripted.wasm\"\nversion = \"1.0.0\"\ncommands = []\n";

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_is_taken_along_and_panics_takes_nothing_with_it() {
        metrics::set_global_recorder(Panicking).expect("no other test of this crate has one");
        let cluster = Cluster::start().expect("PostgreSQL starts");
        for database in [None, Some(cluster.create_database("host").expect("a database"))] {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let runtime = testing::open(dir.path(), database.as_deref(), true).await;
            testing::deploy(&runtime, MODEL, MANIFEST).await;
            // From the second on it is known that the delegate is quick.
            for nth in 0..4 {
                let script = json!({ "a": { "set": { "x": nth } }, "b": if nth == 0 { json!({}) } else { json!({ "error": PANICS }) } });
                let id = runtime.start(testing::start(&script)).await.expect("it starts").id;
                let view = loop {
                    let view = runtime.instance(id).await.expect("it lives").instance;
                    if view.tasks().next().is_some() || view.incidents().next().is_some() {
                        break view;
                    }
                    tokio::task::yield_now().await;
                };
                let incidents: Vec<_> = view.incidents().map(|it| (it.code, it.attempt)).collect();
                let expected = if nth == 0 { vec![] } else { vec![(mandate_engine::Code::InternalError, 1)] };
                assert_eq!(incidents, expected, "alone it meets the bug again, and spends its own attempt");
                let x = view.variables(view.root()).and_then(|variables| variables.get("x").map(mandate_engine::Variable::to_json));
                assert_eq!(x, Some(json!(nth)), "what came before is stored");
            }
            assert_eq!(runtime.check_store().await.expect("checked").findings, [""; 0]);
            runtime.shut_down(Duration::from_secs(5)).await;
        }
    }
}
