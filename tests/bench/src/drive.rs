//! The pure engine, driven through an instance from its start to its end as a host drives it, with nothing stored and nothing called.
//!
//! The functions of [`measured`] are the only way from here into the engine, so that callgrind can be told to count within one of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use mandate_engine::{Chain, DelegateOutcome, Effect, Input, Instance, InstanceId, NewInstance, Stored, Variables, WaitId};
use mandate_model::{ElementKind, ProcessDefinition, StartTrigger};
use uuid::Uuid;

/// A moment; which one makes no difference.
const NOW: i64 = 1_750_000_000_000;

/// Entries into the engine, each a function of its own name in the binary.
pub mod measured {
    use std::hint::black_box;

    use mandate_engine::{Effect, Input, Instance, Stop, Stored, step};
    use mandate_model::ProcessDefinition;

    /// What [`super::Driver`] counts the calls of: the functions of this module.
    pub const FUNCTIONS: &[&str] = &["start", "run_job", "message", "delegate_returned", "decode", "encode"];

    // Each step names itself, for functions that do the same would be made one.
    type Stepped = Result<Vec<Effect>, Stop>;

    /// A step that begins an instance.
    #[inline(never)]
    pub fn start(definition: &ProcessDefinition, instance: &mut Instance, input: Input, now: i64) -> Stepped {
        black_box("start");
        step(definition, instance, input, now)
    }

    /// A step that begins with a job.
    #[inline(never)]
    pub fn run_job(definition: &ProcessDefinition, instance: &mut Instance, input: Input, now: i64) -> Stepped {
        black_box("run_job");
        step(definition, instance, input, now)
    }

    /// A step that begins with a message.
    #[inline(never)]
    pub fn message(definition: &ProcessDefinition, instance: &mut Instance, input: Input, now: i64) -> Stepped {
        black_box("message");
        step(definition, instance, input, now)
    }

    /// A step that goes on with a delegate's answer.
    #[inline(never)]
    pub fn delegate_returned(definition: &ProcessDefinition, instance: &mut Instance, input: Input, now: i64) -> Stepped {
        black_box("delegate_returned");
        step(definition, instance, input, now)
    }

    /// A stored instance is read.
    #[inline(never)]
    pub fn decode(stored: &Stored) -> anyhow::Result<Instance> {
        Ok(stored.decode()?)
    }

    /// An instance is written.
    #[inline(never)]
    pub fn encode(instance: &Instance) -> Stored {
        instance.encode()
    }
}

/// What one unit of work leaves.
#[derive(Clone, Debug, Default)]
pub struct Unit {
    /// The instance as it is stored, but for what is stored apart from its snapshot; none once it has ended.
    pub snapshot: Option<Vec<u8>>,
    /// Elements whose jobs are put.
    pub jobs: Vec<String>,
    /// How many jobs go.
    pub jobs_gone: usize,
    /// Elements whose subscriptions are put.
    pub subscriptions: Vec<String>,
    /// How many subscriptions go.
    pub subscriptions_gone: usize,
    /// Delegates that were called.
    pub calls: u32,
}

/// Drives instances of one definition.
pub struct Driver {
    definition: ProcessDefinition,
    variables: Variables,
    /// What every delegate answers.
    answer: Variables,
    /// What starts lead to: deferred where their delegates may issue commands.
    chain: Chain,
    calls: BTreeMap<&'static str, u64>,
}

impl Driver {
    /// For the process of a model.
    pub fn new(model: &str, variables: Variables, answer: Variables, chain: Chain) -> anyhow::Result<Self> {
        let parsed = mandate_model::parse("bench.bpmn", model.as_bytes())
            .map_err(|diagnostics| anyhow::anyhow!("the model is refused: {diagnostics:#?}"))?;
        let definition = parsed.processes.into_iter().next().context("the model has a process")?;
        Ok(Self { definition, variables, answer, chain, calls: BTreeMap::new() })
    }

    /// How often each of the functions of [`measured`] was called so far.
    pub fn calls(&self) -> &BTreeMap<&'static str, u64> {
        &self.calls
    }

    /// Takes an instance from its start to its end. Answers its units of work in their order.
    pub fn run(&mut self, number: u32) -> anyhow::Result<Vec<Unit>> {
        let id = InstanceId(Uuid::from_u128(u128::from(number) + 1));
        let mut instance =
            Instance::new(NewInstance { id, business_key: Some(format!("run-{number}")), tenant: None, traceparent: None, caller: None });
        let is_start = |kind: &ElementKind| matches!(kind, ElementKind::StartEvent(StartTrigger::None));
        let start = self.definition.iter().find(|(_, element)| is_start(&element.kind)).context("the process has a none start event")?;
        let mut next = Some(Input::Start { element: start.0, variables: self.variables.clone(), chain: self.chain });
        let mut units: Vec<Unit> = Vec::new();
        let mut stored: Option<Stored> = None;
        while let Some(input) = next {
            if let Some(stored) = &stored {
                self.count("decode");
                instance = measured::decode(stored)?;
            }
            let mut unit = self.unit(&mut instance, input)?;
            next = None;
            if !instance.is_ended() {
                self.count("encode");
                let encoded = measured::encode(&instance);
                unit.snapshot = Some(encoded.snapshot.clone());
                stored = Some(encoded);
                next = Some(waiting(&instance).context("an instance waits or has ended")?);
            }
            units.push(unit);
        }
        Ok(units)
    }

    /// One unit of work: steps until the engine asks for nothing more.
    fn unit(&mut self, instance: &mut Instance, mut input: Input) -> anyhow::Result<Unit> {
        let mut unit = Unit::default();
        loop {
            let effects = self.step(instance, input)?;
            let mut call = None;
            for effect in effects {
                match effect {
                    Effect::CallDelegate(asked) => call = Some(asked),
                    Effect::PutJob(job) => unit.jobs.push(self.definition.element(job.element).id.to_string()),
                    Effect::RemoveJob(_) => unit.jobs_gone += 1,
                    Effect::PutSubscription(it) => unit.subscriptions.push(self.definition.element(it.element).id.to_string()),
                    Effect::RemoveSubscription(_) => unit.subscriptions_gone += 1,
                    Effect::RaiseIncident(incident) => bail!("an incident: {}", incident.message),
                    _ => {}
                }
            }
            let Some(call) = call else { return Ok(unit) };
            unit.calls += 1;
            input = Input::DelegateReturned { wait: call.wait, outcome: DelegateOutcome::Completed { variables: self.answer.clone() } };
        }
    }

    fn step(&mut self, instance: &mut Instance, input: Input) -> anyhow::Result<Vec<Effect>> {
        let (name, function): (_, fn(&ProcessDefinition, &mut Instance, Input, i64) -> _) = match input {
            Input::Start { .. } => ("start", measured::start),
            Input::RunJob { .. } => ("run_job", measured::run_job),
            Input::Message { .. } => ("message", measured::message),
            Input::DelegateReturned { .. } => ("delegate_returned", measured::delegate_returned),
            _ => bail!("nothing here makes this input: {input:?}"),
        };
        self.count(name);
        Ok(function(&self.definition, instance, input, NOW)?)
    }

    fn count(&mut self, name: &'static str) {
        *self.calls.entry(name).or_default() += 1;
    }
}

/// What ends the instance's oldest wait.
fn waiting(instance: &Instance) -> Option<Input> {
    let job = instance.jobs().map(|job| job.wait).min().map(|wait| Input::RunJob { wait });
    let message = |wait: WaitId| Input::Message {
        wait,
        variables: Variables::new(),
        local_variables: Variables::new(),
        triggered_variables: Variables::new(),
    };
    job.or_else(|| instance.subscriptions().map(|it| it.wait).min().map(message))
}

#[cfg(test)]
mod tests {
    use crate::host::{order, variables};
    use crate::scenarios;

    use super::*;

    fn units(scenario: &str) -> Vec<Unit> {
        let scenario = scenarios::find(scenario).expect("it is in the table");
        let answer = variables(&serde_json::json!({ "total": 1.5 }));
        let mut driver =
            Driver::new(&scenario.model(), order("17"), answer, Chain::deferred_if(scenario.commands() > 0)).expect("the model is one");
        driver.run(0).expect("it runs")
    }

    #[test]
    fn an_instance_has_as_many_units_as_the_scenario_says() {
        for (scenario, count, calls) in [("S1", 6, 5), ("S2", 1, 5), ("S2c", 2, 5), ("S3", 11, 10), ("S4", 2, 0), ("S3w", 1_001, 1_000)] {
            let units = units(scenario);
            assert_eq!((units.len(), units.iter().map(|unit| unit.calls).sum::<u32>()), (count, calls), "{scenario}");
            assert!(units.last().is_some_and(|unit| unit.snapshot.is_none()), "{scenario} ends");
        }
    }

    #[test]
    fn units_tell_the_rows_they_put_and_remove() {
        let units = units("S1");
        assert_eq!(units[0].jobs, ["validate"]);
        assert_eq!((&units[1].jobs[..], units[1].jobs_gone), (&["price".to_owned()][..], 1));
        assert_eq!((units[5].jobs.len(), units[5].jobs_gone), (0, 1));
    }
}
