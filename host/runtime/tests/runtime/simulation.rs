//! Random models on a real store. Whatever comes to their instances, new, stale or repeated, and however often the host loses its memory in
//! between: what the store holds afterwards is what the engine makes of what it held before.
//!
//! The models are those of the engine's own simulation. `MANDATE_SIM_SEED` chooses a seed, `MANDATE_SIM_RUNS` how many from there on.

use mandate_engine::{ActivityId, DelegateOutcome, Effect, Input, Instance, InstanceId, PublicId, Stop, Variable, Variables, WaitId, step};
use mandate_model::{ElementKind, ProcessDefinition, StartTrigger};
use mandate_runtime::deploy::Upload;
use mandate_runtime::{ClockSource, Error, Runtime};
use serde_json::json;

use crate::common::{Host, Setup, guest, postgres};
use crate::models::random_model;
use crate::random::Random;

/// How many seeds the gate runs on each database.
const RUNS: u64 = 10;
/// Instances of each model.
const INSTANCES: usize = 3;
/// Things that happen to each.
const ACTIONS: usize = 30;
/// The host loses its memory once in so many actions.
const CRASHES: usize = 80;

/// What the models' call activities call: it waits for somebody.
const OTHER: &str = "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='test'><process id='other' isExecutable='true'>\
    <startEvent id='s'/><userTask id='u'/><sequenceFlow id='f' sourceRef='s' targetRef='u'/></process></definitions>";

#[derive(Debug, Default)]
struct Seen {
    compared: usize,
    refused: usize,
    failed: usize,
    called: usize,
    crashes: usize,
    ended: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn store_holds_what_the_engine_makes_of_random_models() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = number("MANDATE_SIM_SEED").unwrap_or(1);
    let runs = number("MANDATE_SIM_RUNS").unwrap_or(if number("MANDATE_SIM_SEED").is_some() { 1 } else { RUNS });
    for database in [None, Some(postgres())] {
        let setup = Setup { database, execute_jobs: false, clock: ClockSource::Manual };
        let mut simulation = Simulation { host: Some(Host::start_with(setup).await), random: Random::new(0), seen: Seen::default() };
        for seed in first..first.saturating_add(runs) {
            println!("seed {seed}: MANDATE_SIM_SEED={seed} cargo test -p mandate-runtime --test runtime store_holds");
            simulation.random = Random::new(seed);
            simulation.simulate().await;
        }
        let seen = simulation.seen;
        println!("{seen:?}");
        // A simulation in which nothing happens proves nothing.
        let enough = seen.compared > 100 && seen.refused > 50 && seen.crashes > 3 && seen.ended > 0;
        assert!(runs < RUNS || enough, "{seen:?}");
    }
}

struct Simulation {
    /// None while it loses its memory.
    host: Option<Host>,
    random: Random,
    seen: Seen,
}

/// What the engine makes of an input.
enum Expected {
    Refused,
    Failed(mandate_engine::Failure),
    Stored(Box<Instance>),
    /// Another instance is begun in the same unit: whether that can be is the host's to say.
    Called,
}

impl Simulation {
    fn runtime(&self) -> &Runtime {
        &self.host.as_ref().expect("it runs").runtime
    }

    /// One model and some instances of it, one after the other.
    async fn simulate(&mut self) {
        let xml = random_model(&mut self.random);
        let parsed = mandate_model::parse("random.bpmn", xml.as_bytes()).expect("the model is valid");
        if !can_be_started_alone(&parsed.processes[0]) {
            return;
        }
        self.deploy(&xml).await;
        for _ in 0..INSTANCES {
            self.run().await;
        }
        let report = self.runtime().check_store().await.expect("the store is read");
        assert_eq!(report.findings, [""; 0]);
    }

    async fn run(&mut self) {
        let host = self.host.as_ref().expect("it runs");
        let Ok(started) = host.start_instance(json!({ "x": self.random.below(4) })).await else { return };
        let mut sent = Vec::new();
        for _ in 0..ACTIONS {
            if self.random.one_in(CRASHES) {
                let host = self.host.take().expect("it runs");
                self.host = Some(host.restart().await);
                self.seen.crashes += 1;
            }
            let now = self.runtime().now() + i64::try_from(self.random.below(100_000)).expect("it is small");
            self.runtime().set_clock(now).await.expect("time moves forward");
            let Some(instance) = self.stored(started.id).await else {
                self.seen.ended += 1;
                break;
            };
            let calls: Vec<_> = instance.calls().filter(|call| !call.over).map(|call| InstanceId::called(started.id, call.wait)).collect();
            let called = self.random.pick(&calls).copied().filter(|_| self.random.one_in(3));
            let id = called.unwrap_or(started.id);
            let stale = if self.random.one_in(6) { self.random.pick(&sent).cloned() } else { None };
            let (id, input) = match stale {
                Some(stale) => stale,
                None => (id, self.input(id).await),
            };
            self.send(id, &input).await;
            if self.random.one_in(6) {
                self.send(id, &input).await;
            }
            sent.push((id, input));
        }
        if self.stored(started.id).await.is_some() {
            self.runtime().delete_instance(started.id, None, false).await.expect("it is there");
        }
    }

    async fn deploy(&self, xml: &str) {
        let delegates = ["worker", "listener", "sender"].into_iter().filter(|name| {
            xml.contains(&format!("class='{name}'")) || xml.contains(&format!("${{{name}}}")) || xml.contains(&format!("type='{name}'"))
        });
        let section = |name| format!("[delegates.{name}]\nfile = \"test_scripted.wasm\"\nversion = \"1.0.0\"\ncommands = []\n");
        let manifest: String = delegates.map(section).collect();
        let resources = vec![
            ("p.bpmn".to_owned(), xml.as_bytes().to_vec()),
            ("other.bpmn".to_owned(), OTHER.as_bytes().to_vec()),
            ("test_scripted.wasm".to_owned(), guest("test_scripted.wasm")),
            ("mandate.toml".to_owned(), manifest.into_bytes()),
        ];
        match self.runtime().deploy(Upload { resources, ..Upload::default() }).await {
            Ok(_) => {}
            Err(Error::Deployment(problems)) => panic!("refused: {problems:#?}"),
            Err(error) => panic!("{error}"),
        }
    }

    /// What the store holds; none of what is over.
    async fn stored(&self, id: InstanceId) -> Option<Instance> {
        match self.runtime().instance(id).await {
            Ok(view) => Some(view.instance),
            Err(Error::NotFound { .. }) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// Something that fits what the instance waits for or, now and then, does not.
    async fn input(&mut self, id: InstanceId) -> Input {
        let Some(instance) = self.stored(id).await else { return Input::Activate };
        let variables = Variables::from([("x".to_owned(), Variable::from_json(&json!(self.random.below(4))))]);
        let local_variables = Variables::new();
        let code = ["E1", "E2", "X1"][self.random.below(3)].to_owned();
        let jobs = instance.jobs().map(|it| Input::RunJob { wait: it.wait });
        let tasks = instance.tasks().map(|it| Input::CompleteTask { wait: it.wait, variables: variables.clone() });
        let external = instance.external_tasks().map(|it| Input::CompleteExternalTask {
            wait: it.wait,
            variables: variables.clone(),
            local_variables: local_variables.clone(),
        });
        let events = instance.subscriptions().map(|it| Input::Message {
            wait: it.wait,
            variables: variables.clone(),
            local_variables: local_variables.clone(),
            triggered_variables: Variables::new(),
        });
        let fitting: Vec<_> = jobs.chain(tasks).chain(external).chain(events).collect();
        let wait = fitting.get(self.random.below(fitting.len().max(1))).map_or(WaitId(2), wait_of);
        let scopes: Vec<_> = instance.activities().map(|it| it.id).collect();
        let scope = self.random.pick(&scopes).copied().unwrap_or(ActivityId(1));
        match self.random.below(24) {
            0 => Input::Suspend,
            1 | 2 => Input::Activate,
            3 => Input::SetVariables { scope, set: variables, remove: vec!["seen".to_owned()], local: true },
            4 => Input::SetRetries { wait, retries: u32::try_from(self.random.below(3)).expect("it is small"), due: None },
            5 => Input::SetDue { wait, due: self.runtime().now() + 50_000 },
            6 => Input::ClaimTask { wait, user: "ann".to_owned() },
            7 => Input::ThrowFromTask { wait, code, message: None, variables },
            8 => Input::EscalateFromTask { wait, code, variables },
            9 if self.random.one_in(2) => Input::SetExternalTaskPriority { wait, priority: 9 },
            9 => Input::SetExternalTaskRetries { wait, retries: 1 },
            10 => Input::BeginActivity { activity: scope },
            11 => Input::RunJob { wait },
            12 => Input::CompleteTask { wait, variables },
            13 if self.random.one_in(4) => Input::Cancel { reason: None, skip_listeners: self.random.one_in(4) },
            _ => self.random.pick(&fitting).cloned().unwrap_or(Input::Activate),
        }
    }

    /// An input goes to the host, and the store holds afterwards what the engine makes of it.
    async fn send(&mut self, id: InstanceId, input: &Input) {
        let Ok(view) = self.runtime().instance(id).await else {
            assert!(perform(self.runtime(), id, input).await.is_err(), "{input:?} came to what is over");
            self.seen.refused += 1;
            return;
        };
        let expected = expect(&view.definition.model, &view.instance, input, self.runtime().now());
        let answer = perform(self.runtime(), id, input).await;
        let after = self.stored(id).await;
        match expected {
            Expected::Called => self.seen.called += 1,
            Expected::Refused => {
                assert!(answer.is_err() && after.as_ref() == Some(&view.instance), "{input:?} is refused, and not with {answer:?}");
                self.seen.refused += 1;
            }
            Expected::Failed(failure) => {
                assert!(
                    answer.is_err() && after.as_ref() == Some(&view.instance),
                    "{input:?} fails with {failure:?}, and not with {answer:?}"
                );
                self.seen.failed += 1;
            }
            Expected::Stored(expected) => {
                let is_it = if expected.is_ended() { after.is_none() } else { after.as_ref() == Some(&*expected) };
                assert!(is_it, "{input:?} was answered with {answer:?}: {after:#?} is not {expected:#?}");
                self.seen.compared += 1;
            }
        }
    }
}

/// Nothing starts another instance of it behind the test's back, and it can be started by its key.
fn can_be_started_alone(definition: &ProcessDefinition) -> bool {
    let by_signal = |kind: &ElementKind| matches!(kind, ElementKind::StartEvent(StartTrigger::Signal(_)));
    definition.start().is_some() && !definition.elements.iter().any(|it| by_signal(&it.kind))
}

/// Every delegate of these tests does its work and sets nothing. A job that fails is a failure that is stored.
fn expect(definition: &ProcessDefinition, before: &Instance, input: &Input, now: i64) -> Expected {
    let (mut instance, mut next, mut calls) = (before.clone(), input.clone(), false);
    loop {
        let effects = match step(definition, &mut instance, next, now) {
            Ok(effects) => effects,
            Err(Stop::Rejected(_)) => return Expected::Refused,
            Err(Stop::Failed(failure)) => {
                return match input {
                    Input::RunJob { wait } => expect(definition, before, &Input::FailJob { wait: *wait, failure }, now),
                    _ => Expected::Failed(failure),
                };
            }
        };
        calls |= effects.iter().any(|effect| matches!(effect, Effect::CallProcess(_)));
        let Some(Effect::CallDelegate(call)) = effects.last() else {
            return if calls { Expected::Called } else { Expected::Stored(Box::new(instance)) };
        };
        next = Input::DelegateReturned { wait: call.wait, outcome: DelegateOutcome::Completed { variables: Variables::new() } };
    }
}

fn wait_of(input: &Input) -> WaitId {
    match input {
        Input::RunJob { wait }
        | Input::CompleteTask { wait, .. }
        | Input::CompleteExternalTask { wait, .. }
        | Input::Message { wait, .. } => *wait,
        other => unreachable!("{other:?} is none of those that fit"),
    }
}

/// An input as somebody outside gives it.
async fn perform(runtime: &Runtime, id: InstanceId, input: &Input) -> Result<(), Error> {
    let public = |wait: &WaitId| PublicId { instance: id, number: wait.0 };
    match input.clone() {
        Input::RunJob { wait } => runtime.execute_job(public(&wait)).await,
        Input::SetRetries { wait, retries, due } => runtime.set_job_retries(public(&wait), retries, due).await,
        Input::SetDue { wait, due } => runtime.set_job_due(public(&wait), due).await,
        Input::CompleteTask { wait, variables } => runtime.complete_task(public(&wait), variables).await.map(drop),
        Input::ClaimTask { wait, user } => runtime.claim_task(public(&wait), user).await,
        Input::ThrowFromTask { wait, code, message, variables } => runtime.throw_from_task(public(&wait), code, message, variables).await,
        Input::EscalateFromTask { wait, code, variables } => runtime.escalate_from_task(public(&wait), code, variables).await,
        Input::CompleteExternalTask { wait, variables, local_variables } => {
            runtime.lock_external_task(public(&wait), "worker", 60_000).await?;
            runtime.complete_external_task(public(&wait), "worker".to_owned(), variables, local_variables).await
        }
        Input::SetExternalTaskRetries { wait, retries } => runtime.set_external_task_retries(public(&wait), retries).await,
        Input::SetExternalTaskPriority { wait, priority } => runtime.set_external_task_priority(public(&wait), priority).await,
        Input::Message { wait, variables, .. } => runtime.receive(id, wait, variables).await,
        Input::SetVariables { scope, set, remove, .. } => runtime.set_variables(id, Some(scope), set, remove).await,
        Input::BeginActivity { activity } => runtime.begin_activity(id, activity).await,
        Input::Suspend => runtime.suspend_instance(id, true).await,
        Input::Activate => runtime.suspend_instance(id, false).await,
        Input::Cancel { reason, skip_listeners } => runtime.delete_instance(id, reason, skip_listeners).await,
        other => unreachable!("{other:?} is none of what these tests do"),
    }
}
