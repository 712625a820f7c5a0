//! A host in miniature: it stores snapshots and rows, calls delegates, crashes; and it checks what must hold after each step.

mod calls;
mod rows;

use std::collections::{BTreeMap, BTreeSet};

use mandate_engine::limits::MAX_INLINE_VARIABLE_BYTES;
use mandate_engine::{
    ActivityEnd, ActivityId, Caller, Catch, CatchKind, Chain, Code, DelegateCall, DelegateOutcome, Effect, EntryKey, ExternalTask, Failure,
    HistoryEvent, Incident, IncidentId, Input, Instance, InstanceId, Job, LeafState, NewInstance, News, Phase, Rejection, Report, Retry,
    Role, Stop, Stored, Subscription, SubscriptionKind, Task, Variable, Variables, WaitId, step,
};
use mandate_model::{ElementIndex, ElementKind, ProcessDefinition, ROOT};
use uuid::Uuid;

use crate::compensation::{Compensation, check_records};
use crate::events::{self, happened};
use crate::random::Random;
use calls::{called, caller};

mod inputs;

/// More calls than any unit of a random model needs.
const MAX_CALLS: usize = 200;

/// The rows of one instance, folded from effects.
#[derive(Clone, Debug, Default, PartialEq)]
struct Rows {
    jobs: BTreeMap<WaitId, Job>,
    tasks: BTreeMap<WaitId, Task>,
    external_tasks: BTreeMap<WaitId, ExternalTask>,
    subscriptions: BTreeMap<WaitId, Subscription>,
    incidents: BTreeMap<IncidentId, Incident>,
    /// What is called and not over, with how many reports were heard.
    calls: BTreeMap<WaitId, u64>,
    suspended: bool,
    /// Activities that history has seen begin but not end.
    open: BTreeSet<ActivityId>,
    /// Those of which it has seen the end: what is undone in them may set their variables still.
    past: BTreeSet<ActivityId>,
    variables: BTreeMap<(ActivityId, String), Variable>,
    started: bool,
    ended: bool,
}

pub(crate) struct Host<'a> {
    pub(crate) definition: &'a ProcessDefinition,
    random: Random,
    stored: Stored,
    late: usize,
    rows: Rows,
    now: i64,
    /// What each call said that it catches.
    catches: BTreeMap<WaitId, Vec<Catch>>,
    /// How many reports the instance has made to whoever called it, and whether the last of them said that it is over.
    told: (u64, bool),
    ended_by_caller: bool,
    /// Every wait that ever was.
    waits: BTreeSet<WaitId>,
    /// Which unit an entry key was made for: the wait that it resumes and, where that stays and may be answered again, which answer to it.
    keys: BTreeMap<EntryKey, (WaitId, u32)>,
    pub(crate) calls: usize,
    /// Keys that were compared between two runs of one unit.
    pub(crate) compared: usize,
    pub(crate) crashes: usize,
    pub(crate) rejected: usize,
    /// Bodies of multi-instance activities that were looked at.
    pub(crate) bodies: usize,
    /// What calls have heard.
    pub(crate) heard: usize,
    /// Signals that were thrown.
    pub(crate) signals: usize,
    /// Messages that were sent along flows.
    pub(crate) messages: usize,
    /// How often something that sends began, and how often it ended by itself.
    pub(crate) sending: (usize, usize),
    /// Activity instances that send.
    senders: BTreeSet<ActivityId>,
    /// Instances of which a message has said which conversation they are.
    pub(crate) conversations: usize,
    /// Conditional events that something waited for.
    pub(crate) conditions: usize,
    /// What has completed, and what was undone.
    pub(crate) compensation: Compensation,
    /// Somebody has started something inside of it, perhaps in an event sub-process that then has interrupted nothing.
    by_hand: bool,
    /// What was entered before anybody started anything by hand.
    pub(crate) entered: BTreeSet<ElementIndex>,
    /// Modifications that were stored.
    pub(crate) modified: usize,
    /// Nobody ends it or changes it by hand, so that it gets far.
    is_left_alone: bool,
    /// Each input is printed.
    is_told: bool,
}

/// How a unit of work came out.
enum Outcome {
    Committed,
    Rejected,
    Failed(Failure),
    Crashed,
}

/// What delegates do while a unit runs.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    /// Anything.
    Wild,
    /// Their work.
    Good,
}

impl<'a> Host<'a> {
    pub(crate) fn new(definition: &'a ProcessDefinition, seed: u64) -> Self {
        let instance = Instance::new(NewInstance {
            id: InstanceId(Uuid::from_u128(u128::from(seed) + 1)),
            business_key: None,
            tenant: None,
            traceparent: None,
            caller: seed.is_multiple_of(3).then(|| caller(&mut Random::new(seed))),
        });
        Self {
            definition,
            random: Random::new(seed ^ 0x5eed),
            stored: instance.encode(),
            late: 0,
            rows: Rows::default(),
            now: 1_000,
            catches: BTreeMap::new(),
            told: (0, false),
            ended_by_caller: false,
            waits: BTreeSet::new(),
            keys: BTreeMap::new(),
            calls: 0,
            compared: 0,
            crashes: 0,
            rejected: 0,
            bodies: 0,
            heard: 0,
            signals: 0,
            messages: 0,
            sending: (0, 0),
            senders: BTreeSet::new(),
            conversations: 0,
            conditions: 0,
            compensation: Compensation::default(),
            by_hand: false,
            entered: BTreeSet::new(),
            modified: 0,
            is_left_alone: seed % 3 == 1,
            is_told: std::env::var_os("MANDATE_SIM_TRACE").is_some(),
        }
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.rows.ended
    }

    /// How many inputs came after the end.
    pub(crate) fn late(&self) -> usize {
        self.late
    }

    fn load(&self) -> Instance {
        self.stored.decode().expect("what was stored decodes")
    }

    /// Something random happens.
    pub(crate) fn act(&mut self) {
        self.now += i64::try_from(self.random.below(100_000)).expect("it is small");
        self.late += usize::from(self.rows.ended);
        let input = self.random_input();
        self.handle(input, Mood::Wild);
    }

    /// Everything goes well from here on. Whether the instance came to its end.
    pub(crate) fn drive(&mut self) -> bool {
        // What is wrong is put right first: a condition that holds takes a suspended instance further when it goes on, perhaps into a loop.
        self.correct_variables();
        self.handle(Input::Activate, Mood::Good);
        if !self.rows.started {
            let start = self.start(Chain::AtOnce);
            self.handle(start, Mood::Good);
        }
        for _ in 0..2_000 {
            self.now += 1_000_000;
            // This may be what the last wait waits for.
            self.correct_variables();
            if self.rows.ended {
                return true;
            }
            let next = if let Some(wait) = self.rows.jobs.values().find(|job| job.retries == 0).map(|job| job.wait) {
                Input::SetRetries { wait, retries: 3, due: None }
            } else if let Some(&wait) = self.rows.tasks.keys().next() {
                Input::CompleteTask { wait, variables: x(0) }
            } else if let Some(wait) = self.rows.external_tasks.values().find(|task| task.retries == Some(0)).map(|task| task.wait) {
                Input::SetExternalTaskRetries { wait, retries: 1 }
            } else if let Some((&wait, &heard)) = self.rows.calls.iter().next() {
                called(wait, heard + 1, News::Completed, x(0), Chain::AtOnce)
            } else if let Some(&wait) = self.rows.external_tasks.keys().next() {
                Input::CompleteExternalTask { wait, variables: x(0), local_variables: Variables::new() }
            } else if let Some(it) = self.rows.subscriptions.values().find(|it| !self.stays(it) && it.kind != SubscriptionKind::Condition) {
                happened(it, self.of_conversation(x(0)), Variables::new())
            } else if let Some(&wait) = self.rows.jobs.keys().next() {
                Input::RunJob { wait }
            } else if let Some(activity) = self.enabled() {
                Input::BeginActivity { activity }
            } else {
                return false;
            };
            self.handle(next, Mood::Good);
        }
        panic!("an instance to which only good things happen comes to rest: {:#?}", self.load().leaves(self.definition));
    }

    /// What somebody may begin, the oldest.
    pub(super) fn enabled(&self) -> Option<ActivityId> {
        let instance = self.load();
        instance.activities().find(|it| it.phase == Phase::Enabled { chosen: false }).map(|it| it.id)
    }

    /// What a message brings that is meant for this instance, whatever others have said of its conversation.
    fn of_conversation(&self, mut variables: Variables) -> Variables {
        if let Some(key) = self.load().conversation("key") {
            let parts: Vec<serde_json::Value> = serde_json::from_str(key).expect("the values of two properties");
            variables.insert("topic".to_owned(), Variable::from_json(&parts[0]));
        }
        variables
    }

    /// Whether a message begins something and is waited for again.
    fn stays(&self, subscription: &Subscription) -> bool {
        self.definition.element(subscription.element).kind.trigger().is_some_and(|(_, interrupting)| !interrupting)
    }

    /// An operator puts right what keeps a loop going.
    fn correct_variables(&mut self) {
        let right = x(0);
        let wrong = |((_, name), value): &(&(ActivityId, String), &Variable)| right.get(name).is_some_and(|right| right != *value);
        let scopes: BTreeSet<_> = self.rows.variables.iter().filter(wrong).map(|((scope, _), _)| *scope).collect();
        for scope in scopes {
            self.handle(Input::SetVariables { scope, set: x(0), remove: Vec::new(), local: true }, Mood::Good);
        }
    }

    /// An instance that is not over and cannot be driven on says why.
    pub(crate) fn check_stuck(&self) {
        let instance = self.load();
        let incidents: Vec<_> = instance.incidents().collect();
        assert!(incidents.iter().any(|incident| incident.code == Code::JoinCannotComplete), "it is silently stuck: {incidents:?}");
        for leaf in instance.leaves(self.definition) {
            // A join may still hope for a sub-process beside it, which has an incident inside.
            let scope = instance.activity(leaf.activity).expect("a leaf is an activity").parent;
            let hopes = || instance.activities().any(|it| it.parent == scope && matches!(it.phase, Phase::Active { .. }));
            let explained = match leaf.state {
                LeafState::Incident { .. } => true,
                LeafState::Join { .. } => hopes(),
                _ => false,
            };
            assert!(explained, "this could have been driven on, or is silently stuck: {leaf:?}");
        }
    }

    /// One input from beginning to end, as `advance` does it.
    fn handle(&mut self, input: Input, mood: Mood) {
        let job = match input {
            Input::RunJob { wait } => Some(wait),
            _ => None,
        };
        let mut before = Vec::new();
        if mood == Mood::Wild && self.random.one_in(4) {
            // The unit runs, and is lost; somebody else's small input is committed meanwhile.
            self.run_unit(&input, Mood::Good, false, &mut before);
            if self.random.one_in(2) {
                let wait = self.random_wait();
                let other = match self.random.below(3) {
                    0 => Input::ClaimTask { wait, user: "ann".into() },
                    // This one raises an incident and so counts the instance's numbers up.
                    _ => Input::SetRetries { wait, retries: 0, due: None },
                };
                self.run_unit(&other, Mood::Good, true, &mut Vec::new());
            }
        }
        let mut calls = Vec::new();
        match self.run_unit(&input, mood, true, &mut calls) {
            Outcome::Rejected => self.rejected += 1,
            Outcome::Committed | Outcome::Crashed => {}
            Outcome::Failed(failure) => {
                if let Some(wait) = job {
                    let outcome = self.run_unit(&Input::FailJob { wait, failure }, Mood::Good, true, &mut Vec::new());
                    assert!(matches!(outcome, Outcome::Committed), "the job is still there");
                }
            }
        }
        // As long as delegates answered alike, the unit went the same way.
        let mut alike = true;
        for ((one, answer), (other, other_answer)) in before.iter().zip(&calls) {
            if !alike || one.element != other.element {
                break;
            }
            assert_eq!(one.entry, other.entry, "a unit that runs again makes the same keys");
            self.compared += 1;
            alike = answer == other_answer;
        }
    }

    /// Runs one unit of work to its next wait state and, if asked to, commits it.
    fn run_unit(&mut self, input: &Input, mood: Mood, commit: bool, calls: &mut Vec<(DelegateCall, DelegateOutcome)>) -> Outcome {
        let mut instance = self.load();
        let mut effects = Vec::new();
        let mut next = input.clone();
        loop {
            if self.is_told {
                println!("{} {next:?}", self.now);
            }
            match self.step(&mut instance, next) {
                Ok(more) => {
                    if self.is_told {
                        for effect in &more {
                            println!("    {effect:?}");
                        }
                    }
                    effects.extend(more);
                }
                Err(Stop::Rejected(rejection)) => {
                    assert_eq!(effects, [], "only a unit's first input can be refused: {rejection}");
                    return Outcome::Rejected;
                }
                Err(Stop::Failed(failure)) => return Outcome::Failed(failure),
            }
            // A loop around instances that keep to themselves what would end it.
            let endless = calls.len() > MAX_CALLS;
            if endless || mood == Mood::Wild && self.random.one_in(12) {
                self.crashes += 1;
                return Outcome::Crashed;
            }
            let Some(Effect::CallDelegate(call)) = effects.last().cloned() else { break };
            effects.pop();
            self.check_outstanding(&instance, &call);
            let outcome = match self.delegate(mood) {
                Ok(outcome) => outcome,
                Err(failure) => return Outcome::Failed(failure),
            };
            next = Input::DelegateReturned { wait: call.wait, outcome: outcome.clone() };
            calls.push((call, outcome));
        }
        self.check_keys(input, calls);
        if commit {
            self.hear(input);
            self.by_hand |= matches!(input, Input::Modify(_) | Input::StartAt { .. });
            check_records(self.definition, &self.load(), &instance, &effects);
            self.commit(&instance, effects);
            self.modified += usize::from(matches!(input, Input::Modify(_)));
        }
        Outcome::Committed
    }

    /// One step, on an instance that went through its stored form; taken twice, to see that it is pure.
    fn step(&mut self, instance: &mut Instance, input: Input) -> Result<Vec<Effect>, Stop> {
        let before = instance.encode().decode().expect("what was encoded decodes");
        assert_eq!(before, *instance, "the stored form keeps everything");
        let mut again = before.clone();
        let answer = step(self.definition, instance, input.clone(), self.now);
        assert_eq!(answer, step(self.definition, &mut again, input, self.now), "a step depends on its arguments only");
        match &answer {
            Ok(_) => assert_eq!(again, *instance),
            Err(Stop::Rejected(_)) => assert_eq!(before, *instance, "a rejection changes nothing"),
            Err(Stop::Failed(_)) => {}
        }
        answer
    }

    fn delegate(&mut self, mood: Mood) -> Result<DelegateOutcome, Failure> {
        self.calls += 1;
        if mood == Mood::Good {
            return Ok(DelegateOutcome::Completed { variables: x(0) });
        }
        let mut variables = x(self.random.below(4));
        if self.random.one_in(8) {
            // Around the size from which a variable is stored apart.
            let size = self.random.below(2 * MAX_INLINE_VARIABLE_BYTES);
            variables.insert("large".to_owned(), Variable::from_json(&"x".repeat(size).into()));
        }
        match self.random.below(10) {
            0 => Err(self.failure()),
            1 | 2 => {
                let code = ["E1", "E2", "E3"][self.random.below(3)].to_owned();
                Ok(DelegateOutcome::BpmnError { code, message: "no".into(), variables })
            }
            _ => Ok(DelegateOutcome::Completed { variables }),
        }
    }

    fn failure(&mut self) -> Failure {
        let retry = match self.random.below(4) {
            0 => Retry::Never,
            1 => Retry::AfterMs(self.random.next()),
            _ => Retry::ByPolicy,
        };
        Failure { code: Code::DelegateFailed, message: "it broke".into(), element: None, retry }
    }

    /// While a delegate runs, nothing but its own answer is taken.
    fn check_outstanding(&mut self, instance: &Instance, call: &DelegateCall) {
        assert!(instance.in_unit());
        let mut copy = instance.clone();
        let other = Input::DelegateReturned { wait: WaitId(call.wait.0 + 1), outcome: DelegateOutcome::Completed { variables: x(1) } };
        assert!(matches!(self.step(&mut copy, other), Err(Stop::Rejected(Rejection::NoSuchWait { .. }))));
        let wait = self.random_wait();
        assert_eq!(self.step(&mut copy, Input::RunJob { wait }), Err(Stop::Rejected(Rejection::InUnit)));
    }

    /// Keys differ between the calls of a unit and between units.
    fn check_keys(&mut self, input: &Input, calls: &[(DelegateCall, DelegateOutcome)]) {
        let origin = self.origin(input);
        let distinct: BTreeSet<_> = calls.iter().map(|(call, _)| call.entry).collect();
        assert_eq!(distinct.len(), calls.len(), "two calls of one unit have the same key");
        for (call, _) in calls {
            let owner = *self.keys.entry(call.entry).or_insert(origin);
            assert_eq!(owner, origin, "two units made the same key");
        }
    }

    /// What tells a unit from others, however often it runs. People who claim and change a task may do so again: what is called then sends
    /// nothing.
    fn origin(&self, input: &Input) -> (WaitId, u32) {
        match input {
            Input::RunJob { wait }
            | Input::CompleteTask { wait, .. }
            | Input::Called { wait, .. }
            | Input::CompleteExternalTask { wait, .. }
            | Input::ThrowFromExternalTask { wait, .. }
            | Input::ThrowFromTask { wait, .. }
            | Input::ClaimTask { wait, .. }
            | Input::ReviseTask { wait, .. }
            | Input::Message { wait, .. }
            | Input::Signal { wait, .. } => (*wait, 0),
            Input::EscalateFromTask { wait, .. } => (*wait, self.load().task(*wait).map_or(0, |task| task.reports) + 1),
            Input::FailExternalTask { wait, .. } => (*wait, self.load().external_task(*wait).map_or(0, |task| task.failures) + 1),
            Input::Deferred(input) => self.origin(input),
            Input::BeginActivity { activity } => (WaitId(activity.0), 0),
            Input::Modify(_) => (WaitId(u64::MAX - self.modified as u64), 0),
            _ => (WaitId(0), 0),
        }
    }

    fn commit(&mut self, instance: &Instance, effects: Vec<Effect>) {
        assert!(!instance.in_unit());
        self.conversations += usize::from(self.load().conversation("key").is_none() && instance.conversation("key").is_some());
        for effect in effects {
            self.fold(effect);
        }
        let mut expected = self.rows.clone();
        expected.jobs = instance.jobs().map(|it| (it.wait, it.clone())).collect();
        expected.tasks = instance.tasks().map(|it| (it.wait, Task { variables: Variables::new(), ..it.clone() })).collect();
        expected.external_tasks = instance.external_tasks().map(|it| (it.wait, it.clone())).collect();
        expected.subscriptions = instance.subscriptions().map(|it| (it.wait, it.clone())).collect();
        expected.calls = instance.calls().filter(|it| !it.over).map(|it| (it.wait, it.heard)).collect();
        expected.incidents = instance.incidents().map(|it| (it.id, it.clone())).collect();
        expected.suspended = instance.is_suspended();
        expected.ended = instance.is_ended();
        expected.started = instance.is_started();
        expected.open = instance.activities().filter(|it| it.parent.is_some() && it.phase.is_live()).map(|it| it.id).collect();
        // Results of instances that have ended are nobody's variables yet, and those of scopes that have ended nobody's any more.
        let is_over = |role| matches!(role, Role::Result { .. } | Role::Completed | Role::EventScope { .. } | Role::Compensating { .. });
        let scopes = instance.activities().filter(|it| !is_over(it.role));
        let locals = scopes.flat_map(|it| it.variables.iter().map(move |(name, value)| ((it.id, name.clone()), value.clone())));
        let of_tasks = instance.tasks().flat_map(|it| it.variables.iter().map(|(name, value)| ((it.scope(), name.clone()), value.clone())));
        expected.variables = locals.chain(of_tasks).collect();
        assert_eq!(self.rows, expected, "rows and instance say the same");
        self.check_leaves(instance);
        if self.rows.started && !self.rows.ended {
            events::check(self.definition, instance, &self.rows.subscriptions, self.by_hand);
        }
        self.check_bodies(instance);
        if self.rows.ended {
            assert_eq!(instance.activities().count(), 1, "nothing is left of the tree");
            assert!(self.rows.jobs.is_empty() && self.rows.tasks.is_empty() && self.rows.subscriptions.is_empty());
            assert!(self.rows.calls.is_empty(), "what was called is left alone");
            assert!(self.told.1 || instance.caller().is_none() || self.ended_by_caller, "its caller waits for ever");
            assert!(self.rows.external_tasks.is_empty() && self.rows.incidents.is_empty());
        }
        let changes = instance.changes(Some(&self.load()));
        self.stored.apply(changes);
        assert_eq!(self.stored, instance.encode(), "writing what has changed is as good as writing everything");
    }

    /// A body at rest has all its instances that have not ended, or the one whose turn it is.
    fn check_bodies(&mut self, instance: &Instance) {
        for body in instance.activities().filter(|it| it.phase.is_live()) {
            let Role::Body(count) = body.role else { continue };
            let inside = instance.activities().filter(|it| it.parent == Some(body.id) && matches!(it.role, Role::Inner { .. })).count();
            let expected = if count.first.is_some() { count.instances - count.ended - count.canceled } else { 1 };
            assert_eq!(inside, expected as usize, "{body:?}");
            self.bodies += 1;
        }
    }

    fn check_leaves(&self, instance: &Instance) {
        let leaves = instance.leaves(self.definition);
        assert!(self.rows.ended || !self.rows.started || !leaves.is_empty(), "a running instance stands somewhere");
        for leaf in leaves {
            assert_ne!(leaf.state, LeafState::Running, "no unit is running: {leaf:?}");
            let waits_for_nothing = matches!(&leaf.state, LeafState::Join { missing } if missing.is_empty());
            assert!(!waits_for_nothing, "a join that waits for nothing goes on: {leaf:?}");
            let held = || self.rows.jobs.values().any(|job| job.suspended && job.activity == leaf.activity);
            assert!(!self.rows.suspended || leaf.state == LeafState::Suspended, "{leaf:?}");
            assert!(leaf.state != LeafState::Suspended || self.rows.suspended || held(), "{leaf:?}");
        }
        let jobs = self.rows.jobs.values().filter(|job| job.retries == 0).map(|job| job.wait);
        let tasks = self.rows.external_tasks.values().filter(|task| task.retries == Some(0)).map(|task| task.wait);
        for wait in jobs.chain(tasks) {
            let incidents = self.rows.incidents.values().filter(|it| it.wait == Some(wait)).count();
            assert_eq!(incidents, 1, "what has no retries has one incident: {wait:?}");
        }
    }
}

pub(crate) fn x(value: usize) -> Variables {
    Variables::from([("x".to_owned(), Variable::from_json(&value.into()))])
}
