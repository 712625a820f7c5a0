//! The instances of one unit of work, and the inputs that they give each other: a caller and what it has called share a unit, as in
//! Camunda 7.
//!
//! A unit begins with one input for one instance. Where a step calls a process, leaves a call, or tells its caller something, the other
//! instance takes its next input in the same unit; and all of them are stored in one transaction or not at all. So a call is made once, its
//! end is heard once, and neither is lost, whatever crashes when; and a chain from a caller through a called process and back costs one
//! commit.
//!
//! The one thing that cannot be taken back is a command. Its keys are made from the wait that its unit resumes, which must be durable
//! before it is sent. That is so in the unit's first step only: where another step comes to a delegate that may issue commands, the unit
//! begins again and its instance is *deferred*: it stops at a job that is due at once, from which it goes on in a unit of its own.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, Weak};

use mandate_engine::{
    CalledVersion, Chain, Code, DelegateCall, DelegateOutcome, Effect, Ending, Failure, Input, Instance, InstanceId, Job, Moment,
    NewInstance, ProcessCall, Rejection, Report, Retry, Stop, WaitId,
};
use mandate_model::ElementIndex;
use mandate_store::{CalledBy, Origin};
use sha2::{Digest, Sha256};
use tokio::sync::OwnedMutexGuard;

use crate::advance::{Calls, Ended, MAX_BRIEF_BYTES, Threads, Work};
use crate::cache::Base;
use crate::definitions::Definition;
use crate::delegate::{CallContext, CallEnd};
use crate::running::Registered;
use crate::unit::{Rows, activity_id, number};
use crate::{Error, Inner, digest};

mod along;

/// Inputs that the instances of one unit give each other, at most: ten times what the largest multi-instance activity in use makes. Each
/// costs a step.
const MAX_TURNS: usize = 100_000;

/// Instances that run in one unit. What is called beyond them begins in units of its own, at a job: a thousand calls of a multi-instance
/// activity are stored together, and run one by one; and a loop around a call ends its unit now and then. More than calls nest deep.
const MAX_PARTIES: usize = 100;

/// One instance of a unit of work.
pub(crate) struct Party {
    pub(crate) base: Base,
    /// As it is now.
    pub(crate) instance: Instance,
    pub(crate) rows: Rows,
}

impl Party {
    fn new(base: Base, input: &Input) -> Self {
        let instance = base.instance.clone();
        let rows = Rows::before(&instance, input);
        Self { base, instance, rows }
    }
}

/// All instances of a unit of work. The first is the one that the unit's input is for.
pub(crate) struct Parties(Vec<Party>);

impl Parties {
    /// A unit that has done nothing yet.
    pub(crate) fn new(base: Base, input: &Input) -> Self {
        Self(vec![Party::new(base, input)])
    }

    /// The one that the unit's input is for.
    pub(crate) fn first(&self) -> &Party {
        &self.0[0]
    }

    /// The same, for whoever needs nothing else of the unit any more.
    pub(crate) fn into_first(mut self) -> Party {
        self.0.swap_remove(0)
    }

    /// All, the first one first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Party> {
        self.0.iter()
    }

    /// All, to change their rows.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Party> {
        self.0.iter_mut()
    }

    /// How many.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&self, id: InstanceId) -> Option<usize> {
        self.0.iter().position(|party| party.instance.id() == id)
    }
}

/// The next input of an instance, or the beginning of one.
enum Turn {
    Input(InstanceId, Box<Input>),
    Begin(Box<PendingCall>),
}

/// A call that is to be made.
struct PendingCall {
    call: ProcessCall,
    caller: Arc<Definition>,
    /// Where the caller waits.
    activity_id: String,
    traceparent: Option<String>,
}

/// The inputs to come: the last is the next.
type Turns = Vec<Turn>;

/// Everything that goes through all steps of a unit.
pub(crate) struct Course<'a> {
    pub(crate) work: &'a Work,
    pub(crate) registered: &'a Registered<'a>,
    /// What delegates were called for, and have answered, also in earlier runs of the unit.
    pub(crate) calls: &'a mut Calls,
    /// Instances that stop at a job before they go on.
    pub(crate) deferred: &'a BTreeSet<InstanceId>,
    /// Which definitions calls of this unit have named.
    pub(crate) callables: Vec<(Name, Callable)>,
    /// The moment of whatever happens next.
    pub(crate) now: i64,
    /// Turns that the unit has taken so far; the very first is its own input.
    turns: usize,
    /// What runs now is a job that the unit has taken along: it waits for no slow delegate.
    along: bool,
    /// When the unit was asked for, and by whom: expressions see the same in all of its steps, and on every attempt.
    asked: i64,
    user: Option<String>,
    /// What must still exist when one of its commands is sent.
    origin: Origin,
}

impl<'a> Course<'a> {
    /// Of the unit of this work that begins with its first instance as it is stored. `asked`: when it was asked for. A job says that
    /// itself, but for one that is run before its date.
    pub(crate) fn new(
        work: &'a Work,
        first: &Party,
        registered: &'a Registered<'a>,
        deferred: &'a BTreeSet<InstanceId>,
        calls: &'a mut Calls,
        (now, asked): (i64, i64),
    ) -> Self {
        let (user, origin) = (work.user().map(str::to_owned), work.origin(&first.base));
        let mut course =
            Self { work, registered, calls, deferred, callables: Vec::new(), now, turns: 0, along: false, asked, user, origin };
        if let Some(job) = work.job().and_then(|wait| first.instance.job(wait)) {
            course.runs(job, now);
        }
        course
    }

    /// A job runs at this moment. What it was made for it says itself, but for one that is run before its date.
    fn runs(&mut self, job: &Job, now: i64) {
        let Moment { now, asked, user, .. } = job.moment(now);
        let asked = asked.min(self.work.asked.unwrap_or(i64::MAX));
        (self.now, self.asked, self.user) = (now, asked, user.map(str::to_owned));
    }

    /// Whether the turn that is being taken is the unit's own input.
    fn is_own(&self) -> bool {
        self.turns == 0
    }

    /// What a step is told of the world: whoever asked for the unit has asked for all that happens in it, also in other instances.
    fn moment(&self) -> Moment<'_> {
        Moment::from(self.now).asked(self.asked).by(self.user.as_deref()).within(self.work.runs_on.bounds())
    }
}

/// What a call names: the caller's definition, the key, the version and the tenant.
type Name = (String, String, CalledVersion, Option<String>);

/// A definition that can be called, and the start event that the called instance begins at; or why there is none.
pub(crate) type Callable = Result<(Arc<Definition>, ElementIndex), String>;

/// Turns in trees of calls, by their root; most trees are one instance. Where many called instances end at once, or many clients act on one
/// instance, each would find that another has moved it on, step again, and most of them would lose the next race too. So whoever has lost
/// one waits for those of this host that have lost one before.
#[derive(Default)]
pub(crate) struct Trees(Mutex<HashMap<InstanceId, Weak<tokio::sync::Mutex<()>>>>);

impl Trees {
    /// Waits for a turn in the tree of this root; it lasts until it is dropped.
    pub(crate) async fn turn(&self, root: InstanceId) -> OwnedMutexGuard<()> {
        let turn = {
            let mut trees = self.0.lock().expect("no holder of this lock panics");
            trees.retain(|_, turn| turn.strong_count() > 0);
            let turn = trees.get(&root).and_then(Weak::upgrade).unwrap_or_default();
            trees.insert(root, Arc::downgrade(&turn));
            turn
        };
        turn.lock_owned().await
    }
}

impl Inner {
    /// Steps until no instance asks for anything more.
    pub(crate) async fn step_until_quiet(self: &Arc<Self>, parties: &mut Parties, course: &mut Course<'_>) -> Result<Ended, Error> {
        let turns = vec![Turn::Input(course.work.instance, Box::new(course.work.input.clone()))];
        let is_first_run = course.calls.begin();
        match self.take_turns(parties, turns, course).await? {
            Ended::Quiet => {}
            other => return Ok(other),
        }
        // A race that was lost would be lost again.
        if course.work.takes_along && is_first_run {
            self.take_along(parties, course).await?;
        }
        let behind = self.left_behind(&parties.first().base, course.work, course.calls).await?;
        Ok(behind.map_or(Ended::Quiet, Ended::Failed))
    }

    /// Takes turns until none is left.
    async fn take_turns(self: &Arc<Self>, parties: &mut Parties, mut turns: Turns, course: &mut Course<'_>) -> Result<Ended, Error> {
        while let Some(turn) = turns.pop() {
            if course.turns >= MAX_TURNS {
                return Ok(Ended::Failed(endless()));
            }
            let (at, input) = match turn {
                Turn::Begin(pending) => match self.begin_called(parties, *pending, course).await? {
                    Ok(begun) => begun,
                    Err(failure) => return Ok(Ended::Failed(failure)),
                },
                Turn::Input(id, input) => match self.join_in(parties, id, &input).await? {
                    Some(at) => (at, deferred(*input, Chain::deferred_if(course.deferred.contains(&id)))),
                    // Its row is the other's wait: it was deleted by hand.
                    None => continue,
                },
            };
            match self.take_turn(parties, at, input, &mut turns, course).await? {
                Ended::Quiet => course.turns += 1,
                Ended::Rejected(rejection @ (Rejection::VariableTooLarge { .. } | Rejection::InstanceTooLarge { .. }))
                    if !course.is_own() =>
                {
                    return Ok(Ended::Failed(elsewhere(&parties.0[at], too_large(&rejection))));
                }
                Ended::Rejected(rejection) if !course.is_own() && !self.is_any_stale(parties).await? => {
                    let id = parties.0[at].instance.id();
                    return Err(Error::Damaged(format!("instance {id} and one that called it, or that it called, disagree: {rejection}")));
                }
                Ended::Rejected(_) if !course.is_own() => return Ok(Ended::Stale),
                Ended::Failed(failure) if at > 0 => return Ok(Ended::Failed(elsewhere(&parties.0[at], failure))),
                other => return Ok(other),
            }
        }
        Ok(Ended::Quiet)
    }

    /// Whether a state of the unit that came from memory is not the stored one.
    pub(crate) async fn is_any_stale(&self, parties: &mut Parties) -> Result<bool, Error> {
        for party in parties.iter_mut() {
            if self.is_stale(&mut party.base).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where an instance stands in the unit. One that comes into it is taken from memory or from the store; none if it is not there.
    async fn join_in(&self, parties: &mut Parties, id: InstanceId, input: &Input) -> Result<Option<usize>, Error> {
        if let Some(at) = parties.at(id) {
            return Ok(Some(at));
        }
        let base = match self.base_of(id).await {
            Ok(base) => base,
            Err(Error::NotFound { .. }) => {
                tracing::error!(instance = %id, "an instance that calls or was called is not there; run `mandate check-store`");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        parties.0.push(Party::new(base, input));
        Ok(Some(parties.len() - 1))
    }

    /// A new instance that is called, with its first input; or why it cannot be.
    async fn begin_called(
        &self,
        parties: &mut Parties,
        pending: PendingCall,
        course: &mut Course<'_>,
    ) -> Result<Result<(usize, Input), Failure>, Error> {
        let PendingCall { call, caller, activity_id, traceparent } = pending;
        let name = (caller.row.id.clone(), call.process.clone(), call.version.clone(), call.tenant.clone());
        if !course.callables.iter().any(|(named, _)| *named == name) {
            let found = self.callable(&call, &caller).await?;
            course.callables.push((name.clone(), found));
        }
        let found = course.callables.iter().find(|(named, _)| *named == name).map(|(_, found)| found.clone());
        let (definition, element) = match found.expect("it was put there just now") {
            Ok(found) => found,
            Err(reason) => return Ok(Err(uncallable(&parties.0[0], &caller, &call, &reason))),
        };
        let chain = Chain::deferred_if(course.deferred.contains(&call.id) || parties.len() >= MAX_PARTIES);
        let input = Input::Start { element, variables: call.variables, chain };
        let called_by =
            CalledBy { instance: call.caller.instance.0, activity_id, activity: number(call.activity.0), root: call.caller.root.0 };
        let new = NewInstance {
            id: call.id,
            business_key: call.business_key,
            tenant: definition.row.tenant.clone(),
            traceparent,
            caller: Some(call.caller),
        };
        let base = Base::fresh(definition, new, Some(called_by), course.user.as_deref(), course.now);
        parties.0.push(Party::new(base, &input));
        Ok(Ok((parties.len() - 1, input)))
    }

    /// Steps one instance until it is at rest, and adds what it makes others do to the turns, in order. What ends no wait that is durable,
    /// as a start or a modification, and comes to a delegate that may issue commands, is deferred instead; and so is whatever is not the
    /// unit's own input.
    async fn take_turn(
        self: &Arc<Self>,
        parties: &mut Parties,
        at: usize,
        input: Input,
        turns: &mut Turns,
        course: &mut Course<'_>,
    ) -> Result<Ended, Error> {
        let party = &mut parties.0[at];
        let definition = party.base.definition.clone();
        let context = context(&party.instance, course);
        let mut input = input;
        let mut follow = Vec::new();
        let is_brief = course.work.runs_on == Threads::Callers;
        loop {
            let effects = match mandate_engine::step(&definition.model, &mut party.instance, input, course.moment()) {
                Ok(effects) => effects,
                Err(Stop::Rejected(rejection)) => return Ok(Ended::Rejected(rejection)),
                // It may have been too much for a brief one only.
                Err(Stop::Failed(_)) if is_brief => return Ok(Ended::NotBrief),
                Err(Stop::Failed(failure)) => return Ok(Ended::Failed(failure)),
            };
            let mut call = None;
            for effect in effects {
                match effect {
                    Effect::CallDelegate(asked) => call = Some(asked),
                    Effect::CallProcess(call) => follow.push(begins(party, *call)),
                    Effect::TellCaller { caller, wait, report } => follow.push(tells(caller, wait, report)),
                    Effect::EndCalled { wait, ending } => follow.push(ends(&party.instance, wait, ending)),
                    row => party.rows.apply(&definition, row, course.now),
                }
            }
            if is_brief && (call.is_some() || !follow.is_empty()) {
                definition.is_not_brief(&course.work.input);
                return Ok(Ended::NotBrief);
            }
            let Some(call) = call else {
                if is_brief && party.instance.weight() > MAX_BRIEF_BYTES {
                    return Ok(Ended::NotBrief);
                }
                break;
            };
            let outcome = match self.answer_to(&call, party, &context, course).await? {
                Ok(outcome) => outcome,
                Err(ended) => return Ok(ended),
            };
            // The delegate took its time: what follows happened after it.
            course.now = self.clock.now_ms();
            if let DelegateOutcome::BpmnError { code, .. } = &outcome {
                crate::metrics::bpmn_error(&definition.model.element(call.element).id, code);
            }
            if call.listener.is_none() {
                party.rows.record_delegate(number(call.activity.0), call.attempt);
            }
            input = Input::DelegateReturned { wait: call.wait, outcome };
        }
        let is_over = |id: InstanceId| parties.at(id).is_some_and(|at| parties.0[at].instance.is_ended());
        schedule(follow, turns, is_over);
        Ok(Ended::Quiet)
    }

    /// What a delegate answers to the call that a step asks for, unless that is known from an earlier run of the unit; or how the turn ends
    /// without it.
    async fn answer_to(
        self: &Arc<Self>,
        call: &DelegateCall,
        party: &mut Party,
        context: &CallContext,
        course: &mut Course<'_>,
    ) -> Result<Result<DelegateOutcome, Ended>, Error> {
        let definition = party.base.definition.clone();
        let binding = match definition.binding(call.element, &call.implementation) {
            Ok(binding) => binding,
            Err(failure) => return Ok(Err(Ended::Failed(failure))),
        };
        let commands = binding.may_command();
        if commands && !course.is_own() {
            return Ok(Err(Ended::DeferParty(party.instance.id())));
        }
        if commands && course.work.must_be_deferred() || course.along && !binding.is_quick() {
            return Ok(Err(Ended::Defer));
        }
        course.calls.make(call.entry);
        let given = (call.entry, digest(call));
        if let Some(outcome) = course.calls.answers.get(&given) {
            return Ok(Ok(outcome.clone()));
        }
        if commands && self.is_stale(&mut party.base).await? {
            return Ok(Err(Ended::Stale));
        }
        Ok(match self.call_delegate(&definition, binding, call, context).await? {
            CallEnd::Answered(outcome) => {
                course.calls.answers.insert(given, outcome.clone());
                Ok(outcome)
            }
            CallEnd::Failed(failure) => Err(Ended::Failed(failure)),
            CallEnd::Withdrawn => Err(Ended::Withdrawn),
            CallEnd::NotActing(why) => Err(Ended::NotActing(why)),
        })
    }
}

/// What a delegate is told of the instance that it works for.
fn context(instance: &Instance, course: &Course<'_>) -> CallContext {
    let work = course.work;
    // The same for every attempt to resume this wait. A job has no creation that would mean something to a delegate: it may be a timer's.
    let begun = work.wait().filter(|_| instance.id() == work.instance).and_then(|wait| instance.waiting_since(wait));
    CallContext {
        instance: instance.id(),
        tenant: instance.tenant().map(str::to_owned),
        business_key: instance.business_key().map(str::to_owned),
        origin: course.origin,
        worker: work.worker.as_ref().map(|worker| worker.id.clone()),
        traceparent: work.traceparent.clone().or_else(|| instance.traceparent().map(str::to_owned)),
        started_at: begun.unwrap_or(course.asked),
        cancel: course.registered.cancel.clone(),
        closings: course.calls.closings.clone(),
    }
}

/// Puts what follows from a turn before everything else, the first on top. When a call is left, nothing of what it calls is still to come;
/// if that has not begun, or has ended in this unit, it need not be ended.
fn schedule(follow: Vec<Turn>, turns: &mut Turns, is_over: impl Fn(InstanceId) -> bool) {
    let mut next: Turns = Vec::with_capacity(follow.len());
    for turn in follow {
        let ended = match &turn {
            Turn::Input(id, input) if matches!(**input, Input::EndCalled { .. }) => Some(*id),
            _ => None,
        };
        if let Some(id) = ended {
            let begins = |turn: &Turn| matches!(turn, Turn::Begin(pending) if pending.call.id == id);
            let is_to_begin = next.iter().chain(turns.iter()).any(begins);
            let stays = |turn: &Turn| !begins(turn) && !reports(turn, id);
            next.retain(stays);
            turns.retain(stays);
            if is_to_begin || is_over(id) {
                continue;
            }
        }
        next.push(turn);
    }
    turns.extend(next.into_iter().rev());
}

/// Whether a turn is a report of this called instance.
fn reports(turn: &Turn, called: InstanceId) -> bool {
    matches!(turn, Turn::Input(caller, input) if matches!(**input, Input::Called { wait, .. } if InstanceId::called(*caller, wait) == called))
}

fn begins(party: &Party, call: ProcessCall) -> Turn {
    let caller = party.base.definition.clone();
    let activity_id = activity_id(&caller, &party.instance, call.activity, call.element);
    Turn::Begin(Box::new(PendingCall { call, caller, activity_id, traceparent: party.instance.traceparent().map(str::to_owned) }))
}

fn tells(caller: InstanceId, wait: WaitId, report: Box<Report>) -> Turn {
    Turn::Input(caller, Box::new(Input::Called { wait, report, chain: Chain::AtOnce }))
}

fn ends(caller: &Instance, wait: WaitId, ending: Ending) -> Turn {
    Turn::Input(InstanceId::called(caller.id(), wait), Box::new(Input::EndCalled { ending }))
}

/// What an instance that is deferred takes instead.
fn deferred(input: Input, chain: Chain) -> Input {
    match input {
        Input::Called { wait, report, .. } => Input::Called { wait, report, chain },
        input => input,
    }
}

/// A failure in another instance than the one that the unit is about: its elements are not that one's.
fn elsewhere(party: &Party, failure: Failure) -> Failure {
    let (id, key) = (party.instance.id(), &party.base.definition.row.key);
    let message = format!("in instance {id} of process {key}: {}", failure.message);
    Failure { message, element: None, ..failure }
}

/// Why a process cannot be called. Tried again: somebody may deploy it, or let it go on.
fn uncallable(first: &Party, caller: &Arc<Definition>, call: &ProcessCall, reason: &str) -> Failure {
    let id = &caller.model.element(call.element).id;
    let message = format!("call activity '{id}' cannot call process '{}': {reason}", call.process);
    let element = (first.instance.id() == call.caller.instance).then_some(call.element);
    Failure { code: Code::CallFailed, message, element, retry: Retry::ByPolicy }
}

/// What a call would begin with is more than an instance may have.
fn too_large(rejection: &Rejection) -> Failure {
    Failure::of_unit(Code::VariableLimit, rejection.to_string(), Retry::ByPolicy)
}

fn endless() -> Failure {
    let message =
        format!("instances of one unit of work called and told each other more than {MAX_TURNS} things; a loop without a wait state?");
    Failure::of_unit(Code::StepLimit, message, Retry::Never)
}

/// What a delegate is given, for telling whether it would be given the same again.
fn digest(call: &mandate_engine::DelegateCall) -> [u8; 32] {
    let variables = call.variables.iter().map(|(name, variable)| (name.as_str(), &*variable.json));
    let fields = call.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut hash = Sha256::new();
    hash.update((call.variables.len() as u64).to_be_bytes());
    for text in variables.chain(fields).flat_map(|(name, value)| [name, value]) {
        digest::add(&mut hash, text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use mandate_engine::{ActivityId, DelegateCall, EntryKey, Variable, Variables};
    use mandate_model::Implementation;

    use super::*;

    #[test]
    fn what_a_delegate_is_given_has_always_had_the_same_digest() {
        let call = DelegateCall {
            wait: WaitId(1),
            activity: ActivityId(1),
            element: ElementIndex(0),
            implementation: Implementation::Delegate { name: "worker".to_owned(), requirement: None },
            listener: None,
            entry: EntryKey([0; 32]),
            variables: Variables::from([("a".to_owned(), Variable::from_json(&1.into()))]),
            fields: vec![("f".to_owned(), "x".to_owned())],
            attempt: 1,
            retries_left: 0,
        };
        assert_eq!(hex::encode(digest(&call)), "92e23cc0229dc6469cfef3a2f823bffb8057f616d4d1c02b74b95e158cf7b6c3");
    }
}
