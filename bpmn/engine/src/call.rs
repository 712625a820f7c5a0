//! Called processes (BPMN 2.0, 10.3.6 and 13.3.4): what the caller and the called instance know of each other, and what passes between
//! them.
//!
//! Each is an instance of its own. A call activity waits; [`Effect::CallProcess`] has the host begin the called instance, and what becomes
//! of that comes back as [`Input::Called`](crate::Input::Called), said by [`Effect::TellCaller`]. The host stores caller and called
//! instance in one transaction whenever one moves the other: so a caller waits if, and only if, what it has called lives.
//!
//! The called instance knows from its beginning what is caught around the call ([`Caller::catches`]): that follows from where the call
//! activity stands, which never changes. So an error that nothing catches inside need not ask whether anything does outside.

use std::sync::Arc;

use mandate_model::{ElementIndex, EventTrigger};
use serde::{Deserialize, Serialize};

use crate::Code;
use crate::all_of::is_one_of_all;
use crate::catcher::watching;
use crate::effect::{Effect, EndState, HistoryEvent, JobKind};
use crate::elements::only_stored;
use crate::error::Thrown;
use crate::escalation::escalation_catcher;
use crate::ids::{ActivityId, InstanceId, WaitId};
use crate::input::{Chain, Failure};
use crate::instance::Instance;
use crate::limits::MAX_DEFERRED_REPORTS;
use crate::lineage::digest;
use crate::listener::gone::InstanceEnd;
use crate::modification::OutputMapping;
use crate::step::Machine;
use crate::variable::Variables;

#[cfg(test)]
pub(crate) mod crossing;
mod pass;

/// Who has called an instance, as the called one knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The instance whose call activity waits.
    pub instance: InstanceId,
    /// Its wait.
    pub wait: WaitId,
    /// The instance that nobody has called and that has led to this one.
    pub root: InstanceId,
    /// How many calls lie between the two; 1 if `root` is the caller itself.
    pub depth: u32,
    /// What is caught around the call activity, the nearest first; of several that would catch a code the first one does.
    pub catches: Vec<Catch>,
}

/// Something that is caught around a call activity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catch {
    /// What.
    pub kind: CatchKind,
    /// For which code; none: for every one.
    pub code: Option<String>,
}

/// What is caught.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchKind {
    /// A BPMN error.
    Error,
    /// An escalation, and whether that ends the call.
    Escalation {
        /// It does.
        interrupting: bool,
    },
    /// An escalation that ends the call if it is the last of all that what catches it wants: the caller sees it when it hears of it, before
    /// the called instance goes on.
    EscalationOfSeveral,
}

impl Caller {
    /// What catches this code of this kind, if anything does.
    fn catching(&self, code: Option<&str>, is_kind: fn(CatchKind) -> bool) -> Option<CatchKind> {
        let catches = |it: &&Catch| is_kind(it.kind) && (it.code.is_none() || it.code.as_deref() == code);
        self.catches.iter().find(catches).map(|it| it.kind)
    }
}

/// A process that is to be called: the host begins the instance with the unit of work that asks for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessCall {
    /// Which wait of the caller its end ends.
    pub wait: WaitId,
    /// The call activity's instance.
    pub activity: ActivityId,
    /// The call activity.
    pub element: ElementIndex,
    /// The id of the instance to begin: [`InstanceId::called`].
    pub id: InstanceId,
    /// The key of the process.
    pub process: String,
    /// Which version of it.
    pub version: CalledVersion,
    /// Whose process; none: of no tenant.
    pub tenant: Option<String>,
    /// The called instance's business key.
    pub business_key: Option<String>,
    /// What it begins with.
    pub variables: Variables,
    /// Who calls it.
    pub caller: Caller,
}

/// Which version of a process is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalledVersion {
    /// The newest.
    Latest,
    /// The one of the caller's own deployment.
    Deployment,
    /// This one.
    Number(i64),
    /// The one with this version tag.
    Tag(String),
}

/// A call activity's wait for what it has called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// Its number.
    pub wait: WaitId,
    /// The call activity's instance.
    pub activity: ActivityId,
    /// The call activity.
    pub element: ElementIndex,
    /// The key of the process that is called.
    pub process: String,
    /// Since when.
    pub since: i64,
    /// How many reports were heard. A report is heard once, and in its turn.
    pub heard: u64,
    /// What was heard and is still to be acted upon, in order: the first by the job of kind [`JobKind::Return`] that is there as long as
    /// anything is deferred, so that a job that runs again finds what it found before.
    pub deferred: Vec<News>,
    /// What the reports that are deferred give back, as far as none that is later does: set with the first of them.
    pub outputs: Outputs,
    /// The called instance has said its last word: it is over.
    pub over: bool,
}

/// Variables that come back from a called process, and where they go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Set from the call activity outward.
    pub around: Variables,
    /// Set in the call activity.
    pub local: Variables,
    /// Given to the call activity as a task's are.
    pub delivered: Variables,
}

/// What a called instance tells its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// From 1, one by one.
    pub number: u64,
    /// What has happened.
    pub news: News,
    /// Its process variables at that moment.
    pub variables: Variables,
}

/// What has become of a called instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// It came to its end.
    Completed,
    /// It ended with a BPMN error that the caller, or who called that, catches.
    Error {
        /// The error code.
        code: String,
        /// For people.
        message: Option<String>,
    },
    /// It threw an escalation that nothing catches inside of it.
    Escalation {
        /// Its code, if it has one.
        code: Option<String>,
        /// It has ended with it: what catches it interrupts.
        ended: bool,
    },
    /// Somebody deleted it.
    Deleted {
        /// Why.
        reason: Option<String>,
    },
}

impl News {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        !matches!(self, News::Escalation { ended: false, .. })
    }
}

/// Why a called instance is to end: what its caller is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// `ExternallyTerminated` if somebody deletes the caller, `InternallyTerminated` if the caller itself goes another way.
    pub state: EndState,
    /// For history.
    pub reason: Option<String>,
    /// Nobody is told of its user tasks.
    pub skip_listeners: bool,
}

impl Default for Ending {
    fn default() -> Self {
        Self { state: EndState::InternallyTerminated, reason: None, skip_listeners: false }
    }
}

impl InstanceId {
    /// The id of the instance that a wait of an instance calls: derived, so that a call that is made again is the same call.
    pub fn called(caller: InstanceId, wait: WaitId) -> Self {
        let digest = digest("mandate-called-1", &[caller.0.as_bytes(), &wait.0.to_be_bytes()]);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

impl Instance {
    /// Who has called it, if anybody has.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_deref()
    }

    /// The instance at the root of all calls that have led to this one; itself, if nobody has called it.
    pub fn root_instance(&self) -> InstanceId {
        self.caller().map_or(self.id, |caller| caller.root)
    }

    /// All calls that wait, or whose outcome is still to be acted upon.
    pub fn calls(&self) -> impl Iterator<Item = &Called> {
        self.calls.values().map(Arc::as_ref)
    }

    /// Whether the caller, or who called that, catches an error.
    pub(crate) fn caller_catches_error(&self, code: &str) -> bool {
        self.caller().is_some_and(|caller| caller.catching(Some(code), |kind| kind == CatchKind::Error).is_some())
    }

    /// Whether the caller, or who called that, catches an escalation; and if so, how.
    pub(crate) fn caller_catches_escalation(&self, code: Option<&str>) -> Option<CatchKind> {
        self.caller()?.catching(code, |kind| kind != CatchKind::Error)
    }

    /// The call of a call activity's instance, and the instance that it calls.
    pub fn called_by(&self, activity: ActivityId) -> Option<InstanceId> {
        let waits = self.index.waits.get(&activity)?;
        waits.iter().find(|wait| self.calls.contains_key(*wait)).map(|wait| InstanceId::called(self.id, *wait))
    }
}

/// The caller's side.
impl Machine<'_> {
    /// A call activity begins its wait.
    pub(crate) fn call_process(&mut self, activity: ActivityId, element: ElementIndex, asked: Asked) {
        let wait = self.new_wait(activity);
        let caller = Caller {
            instance: self.instance.id,
            wait,
            root: self.instance.root_instance(),
            depth: self.instance.caller().map_or(0, |caller| caller.depth) + 1,
            catches: self.catches_around(activity),
        };
        let Asked { process, version, tenant, business_key, variables } = asked;
        let called = Called {
            wait,
            activity,
            element,
            process: process.clone(),
            since: self.now,
            heard: 0,
            deferred: Vec::new(),
            outputs: Outputs::default(),
            over: false,
        };
        self.instance.calls.insert(wait, Arc::new(called));
        let id = InstanceId::called(self.instance.id, wait);
        let call = ProcessCall { wait, activity, element, id, process, version, tenant, business_key, variables, caller };
        self.record(HistoryEvent::ProcessCalled { activity, instance: id });
        self.effects.push(Effect::CallProcess(Box::new(call)));
    }

    /// What is caught around an activity, in the order in which [`Machine::catcher`] looks.
    fn catches_around(&self, activity: ActivityId) -> Vec<Catch> {
        let mut catches = Vec::new();
        for (_, events) in watching(self.definition, self.instance, activity, None) {
            let mut of_group: Vec<_> = events.iter().filter_map(|event| self.caught_by(*event)).collect();
            of_group.sort_by_key(|catch| catch.code.is_none());
            catches.extend(of_group);
        }
        catches.extend(self.instance.caller().into_iter().flat_map(|caller| caller.catches.iter().cloned()));
        catches
    }

    fn caught_by(&self, event: ElementIndex) -> Option<Catch> {
        let (kind, code) = match self.definition.element(event).kind.trigger()? {
            // Whether it is caught must be known where it is thrown, and what else has happened here is not.
            (EventTrigger::Error(_), _) if is_one_of_all(self.definition, event) => return None,
            (EventTrigger::Error(catch), _) => (CatchKind::Error, &catch.code),
            (EventTrigger::Escalation(catch), true) if is_one_of_all(self.definition, event) => {
                (CatchKind::EscalationOfSeveral, &catch.code)
            }
            (EventTrigger::Escalation(catch), interrupting) => (CatchKind::Escalation { interrupting }, &catch.code),
            _ => return None,
        };
        Some(Catch { kind, code: code.as_deref().map(str::to_owned) })
    }

    /// The called instance says something. Its variables are passed, and what follows from it is done, unless the caller is suspended or is
    /// to defer it: then a job takes it up.
    pub(crate) fn hear(&mut self, wait: WaitId, report: Report, chain: Chain) -> Result<(), Failure> {
        let call = self.called_mut(wait);
        call.heard = report.number;
        call.over = report.news.is_last();
        let (activity, element, is_behind) = (call.activity, call.element, !call.deferred.is_empty());
        let outputs = match report.news {
            News::Deleted { .. } => Outputs::default(),
            _ => self.outputs(element, report.variables)?,
        };
        // What is heard while something is deferred is deferred behind it.
        if chain.is_deferred() || self.instance.suspended || is_behind {
            // An escalation that leads to nothing but outputs, of which the last count, brings them with what is deferred before it.
            let only_brings = is_behind && self.is_unheeded(activity, &report.news);
            let call = self.called_mut(wait);
            if !only_brings {
                if call.deferred.len() >= MAX_DEFERRED_REPORTS && !report.news.is_last() {
                    return Err(Failure::never(Code::ActivityLimit, element, too_many_deferred()));
                }
                call.deferred.push(report.news);
            }
            call.outputs.add(outputs);
            if !is_behind {
                self.put_job(activity, element, JobKind::Return, self.now)?;
            }
            return Ok(());
        }
        self.set_outputs(activity, element, outputs)?;
        self.take_news(activity, wait, report.news)
    }

    /// Whether something that a call has heard is an escalation that nothing catches, here or around this instance's own call.
    fn is_unheeded(&self, activity: ActivityId, news: &News) -> bool {
        let News::Escalation { code, ended: false } = news else { return false };
        escalation_catcher(self.definition, self.instance, activity, code.as_deref()).is_none()
            && self.instance.caller_catches_escalation(code.as_deref()).is_none()
    }

    /// The job of what is deferred takes up what was heard first, and leaves a job for the next.
    pub(crate) fn take_deferred(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let waits = self.instance.index.waits.get(&activity).into_iter().flatten();
        let wait = waits.copied().find(|wait| self.instance.calls.contains_key(wait)).expect("a job holds what a call has heard");
        let call = self.called_mut(wait);
        let (element, news, outputs) = (call.element, call.deferred.remove(0), std::mem::take(&mut call.outputs));
        if !call.deferred.is_empty() {
            self.put_job(activity, element, JobKind::Return, self.now)?;
        }
        self.set_outputs(activity, element, outputs)?;
        self.take_news(activity, wait, news)
    }

    fn take_news(&mut self, activity: ActivityId, wait: WaitId, news: News) -> Result<(), Failure> {
        if news.is_last() {
            self.remove_wait(activity, wait);
        }
        match news {
            News::Completed => self.resume(activity),
            News::Error { code, message } => self.throw_from_delegate(activity, Thrown { code, message, variables: Variables::new() }),
            News::Escalation { code, ended } => self.escalate_from_call(activity, code, ended),
            News::Deleted { reason } => self.forsake(activity, reason),
        }
    }

    fn called_mut(&mut self, wait: WaitId) -> &mut Called {
        Arc::make_mut(self.instance.calls.get_mut(&wait).expect("admit::check found the call"))
    }

    /// What was called was deleted: the activity is cancelled as by a modification, with whatever it leaves empty (Camunda 7
    /// `AbstractDeleteProcessInstanceCmd`). If nothing is left in the process, the instance is deleted with it. As with whatever else is
    /// deleted nothing is mapped: what the call would have brought is not there.
    fn forsake(&mut self, activity: ActivityId, reason: Option<String>) -> Result<(), Failure> {
        if self.cancel_outward(activity, OutputMapping::Skipped)? {
            let news = Some(News::Deleted { reason: reason.clone() });
            self.end_when_told(InstanceEnd { news, state: EndState::ExternallyTerminated, reason });
        }
        Ok(())
    }
}

fn too_many_deferred() -> String {
    format!(
        "more than {MAX_DEFERRED_REPORTS} reports of the called process are deferred, for its caller is suspended or slower; let the caller go on first"
    )
}

/// What a call activity asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub process: String,
    pub version: CalledVersion,
    pub tenant: Option<String>,
    pub business_key: Option<String>,
    pub variables: Variables,
}

/// The called instance's side.
impl Machine<'_> {
    /// The instance ends with something that is caught around its call. Nothing is mapped in what it leaves: nobody would see it.
    pub(crate) fn end_by(&mut self, news: News) {
        self.unit.skip_io_mappings = true;
        self.cancel_children(self.instance.root());
        self.end_when_told(InstanceEnd { news: Some(news), state: EndState::InternallyTerminated, reason: None });
    }

    /// Tells the caller, if there is one, with the process variables as they are.
    pub(crate) fn tell_caller(&mut self, news: News) {
        let variables = only_stored(self.instance.at(self.instance.root()).variables.clone());
        let Some(caller) = self.instance.caller.as_deref() else { return };
        self.instance.told += 1;
        let report = Report { number: self.instance.told, news, variables };
        self.effects.push(Effect::TellCaller { caller: caller.instance, wait: caller.wait, report: Box::new(report) });
    }

    /// The caller leaves the call, or is deleted.
    pub(crate) fn end_called(&mut self, ending: Ending) {
        self.ending = ending.clone();
        self.unit.skip_io_mappings = true;
        self.unit.skip_listeners = ending.skip_listeners;
        self.cancel_children(self.instance.root());
        self.end_when_told(InstanceEnd { news: None, state: ending.state, reason: ending.reason });
    }
}
