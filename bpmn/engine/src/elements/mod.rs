//! What each element does. One element, one file, one line in [`behaviour`].
//!
//! An element looks at the instance and says what should happen next; it changes nothing and moves no token. The loop in `step.rs`
//! acts on the answer.

use mandate_feel::{Expression, Value};
use mandate_model::{Element, ElementIndex, ElementKind, FlowIndex, Implementation, ListenerEvent, ProcessDefinition, ROOT};

use crate::call::Asked;
use crate::effect::{Message, Signal};
use crate::expression::{evaluate, evaluate_if_known, failed, why_null};
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Instance, Role};
use crate::moment::Moment;
use crate::variable::{Variable, Variables};
use crate::wait::Awaited;

pub(crate) mod ad_hoc_sub_process;
mod boundary_event;
mod call_activity;
pub(crate) mod complex_gateway;
#[cfg(test)]
mod data_associations;
mod end_event;
mod event_based_gateway;
mod event_sub_process;
mod exclusive_gateway;
mod expression_task;
mod external_task;
mod flows;
mod inclusive_gateway;
mod intermediate_catch_event;
mod intermediate_throw_event;
mod message_send;
pub(crate) mod multi_instance;
mod parallel_gateway;
mod receive_task;
mod service_task;
#[cfg(test)]
mod several_definitions;
mod start_event;
mod sub_process;
mod task;
mod timer;
mod user_task;

pub(crate) use timer::{Alarm, following};

/// The element that a kind of element is.
fn behaviour(kind: &ElementKind) -> &dyn Behaviour {
    match kind {
        ElementKind::Process(scope) | ElementKind::SubProcess(scope) | ElementKind::Transaction(scope) => scope,
        ElementKind::AdHocSubProcess(ad_hoc) => ad_hoc,
        ElementKind::EventSubProcess(event) => event,
        ElementKind::StartEvent(event) => event,
        ElementKind::EventSubProcessStart(event) => event,
        ElementKind::EndEvent(event) => event,
        ElementKind::Task | ElementKind::ManualTask => &task::Task,
        ElementKind::ServiceTask(task) => task,
        ElementKind::ExpressionTask(task) => task,
        ElementKind::MessageSend(send) => &**send,
        ElementKind::UserTask(task) => task,
        ElementKind::ReceiveTask(message) => message,
        ElementKind::CallActivity(call) => &**call,
        ElementKind::ExclusiveGateway => &exclusive_gateway::ExclusiveGateway,
        ElementKind::ParallelGateway => &parallel_gateway::ParallelGateway,
        ElementKind::InclusiveGateway => &inclusive_gateway::InclusiveGateway,
        ElementKind::ComplexGateway(gateway) => gateway,
        ElementKind::EventBasedGateway => &event_based_gateway::EventBasedGateway,
        ElementKind::IntermediateCatchEvent(event) => event,
        ElementKind::IntermediateThrowEvent(event) => event,
        ElementKind::BoundaryEvent(event) => event,
    }
}

/// What an element does. `enter` is called once for each activity instance, after its input mapping; `resume` when what it asked for
/// is over: the wait ended, the delegate returned without an error, the scope is empty. Variables that came along are set by then.
pub(crate) trait Behaviour {
    /// A token came in.
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure>;

    /// What it waited for has happened. All that wait go on by the flows whose conditions say so.
    fn resume(&self, at: &At<'_>) -> Result<Next, Failure> {
        at.leave()
    }
}

/// What should happen next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Wait, with the boundary events armed, until [`Behaviour::resume`].
    Wait(WaitFor),
    /// Wait for the first of these elements' events; the others are waited for no longer then.
    WaitForFirst(Vec<(ElementIndex, WaitFor)>),
    /// Call this delegate inside this unit of work, then resume.
    Call(Implementation),
    /// Set a variable as Camunda's `execution.setVariable` does, then resume.
    Set {
        /// Its name.
        name: String,
        /// Its value.
        value: Variable,
    },
    /// Open a scope with a token in each of these elements and its event sub-processes armed; resume when it is empty.
    Open(Vec<ElementIndex>),
    /// Open an ad-hoc sub-process in which these begin, together or one after the other; resume when it is done.
    Choose(Vec<ElementIndex>),
    /// Be the body of this many instances, at least one; resume when they are done.
    Repeat {
        /// How many.
        instances: u32,
    },
    /// Stand at the gateway until all have come that it waits for, then resume one of them.
    Join,
    /// Be done, and take these flows; none consumes the token.
    Leave(Vec<FlowIndex>),
    /// Be done, and end everything else in the scope.
    Terminate,
    /// Throw an escalation outward and, unless it interrupts what is around, resume.
    Escalate {
        /// Its code, if it has one.
        code: Option<String>,
    },
    /// Throw a signal to everybody, then resume.
    Signal(Signal),
    /// Send these along message flows, then resume.
    Send(Vec<Message>),
    /// Have all that has completed in the scope undone, or one activity; resume when that is over.
    Compensate {
        /// Which activity.
        only: Option<ElementIndex>,
    },
    /// End everything else in the transaction and have what has completed in it undone; resume when that is over.
    Cancel,
    /// Be done, and leave the transaction by its cancel boundary event.
    LeaveTransaction,
    /// Throw a BPMN error outward.
    Throw {
        /// Its code.
        code: String,
        /// For people.
        message: Option<String>,
    },
}

/// What an element waits for.
#[derive(Debug)]
pub(crate) enum WaitFor {
    /// A person.
    Task {
        /// Who does it.
        assignee: Option<String>,
        /// Who may.
        candidate_users: Vec<String>,
        /// Which groups may.
        candidate_groups: Vec<String>,
        /// By when; milliseconds since 1970.
        due: Option<i64>,
        /// Not before when, as a hint for task lists; milliseconds since 1970.
        follow_up: Option<i64>,
        /// The key of its form, if that was computed.
        form_key: Option<String>,
        /// Its name, if that was computed.
        name: Option<String>,
        /// Its description, likewise.
        description: Option<String>,
        /// The higher, the more urgent.
        priority: i64,
    },
    /// A worker.
    ExternalTask {
        /// What workers ask for.
        topic: String,
        /// The higher, the sooner.
        priority: i64,
    },
    /// A process that is called.
    Called(Box<Asked>),
    /// A message, a signal, or that its condition holds.
    Event(Awaited),
    /// A moment in time, or one after the other.
    Timer(Alarm),
}

/// Where an element finds itself: the instance, read only, at one of its activities.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) definition: &'a ProcessDefinition,
    pub(crate) instance: &'a Instance,
    pub(crate) activity: ActivityId,
    pub(crate) index: ElementIndex,
    pub(crate) moment: Moment<'a>,
    /// What a worker that could not do the activity's external task has said at length.
    pub(crate) error_details: Option<&'a str>,
    /// The occasion of the listener that asks.
    pub(crate) event: Option<ListenerEvent>,
}

impl<'a> At<'a> {
    /// An activity, seen by its own element.
    pub(crate) fn new(
        definition: &'a ProcessDefinition,
        instance: &'a Instance,
        activity: ActivityId,
        moment: impl Into<Moment<'a>>,
    ) -> Self {
        Self {
            definition,
            instance,
            activity,
            index: instance.at(activity).element,
            moment: moment.into(),
            error_details: None,
            event: None,
        }
    }

    /// An activity, seen by an event that it waits for on the event's behalf: one attached to it, or behind it.
    pub(crate) fn attached(self, event: ElementIndex) -> Self {
        Self { index: event, ..self }
    }

    /// Seen by a listener that is called for this.
    pub(crate) fn on(self, event: ListenerEvent) -> Self {
        Self { event: Some(event), ..self }
    }

    /// An external task, seen by what asks about a failure with these details.
    pub(crate) fn with_error_details(self, error_details: Option<&'a str>) -> Self {
        Self { error_details, ..self }
    }

    /// An event-based gateway waits in the element's place.
    pub(crate) fn stands_at_gateway(&self) -> bool {
        self.instance.at(self.activity).element != self.index
    }

    /// The element itself.
    pub(crate) fn element(&self) -> &'a Element {
        self.definition.element(self.index)
    }

    /// The process itself.
    pub(crate) fn process(&self) -> &'a Element {
        self.definition.element(ROOT)
    }

    /// What the activity does: its element, or the body of several instances of it.
    pub(crate) fn behaviour(&self) -> &'a dyn Behaviour {
        let element = self.element();
        match (self.instance.at(self.activity).role, &element.multi_instance) {
            (Role::Body(_), Some(multi_instance)) => multi_instance,
            _ => behaviour(&element.kind),
        }
    }

    /// A condition; FEEL's null is not true.
    fn is_true(&self, condition: &Expression) -> Result<bool, Failure> {
        match self.evaluate(condition)? {
            Value::Boolean(is_true) => Ok(is_true),
            Value::Null => Ok(false),
            other => Err(self.mismatch(condition, "boolean", &other)),
        }
    }

    pub(crate) fn evaluate(&self, expression: &Expression) -> Result<Value, Failure> {
        evaluate(self, expression)
    }

    /// The same as a variable: an expression that only names one gives it as it is, a date as a date, and a number has the type that it is
    /// known to have.
    pub(crate) fn variable_of(&self, expression: &Expression) -> Result<Variable, Failure> {
        if let Some(variable) = expression.as_reference().and_then(|name| self.visible_variable(name)) {
            return Ok(variable.into_stored());
        }
        let value = self.evaluate(expression)?;
        Ok(Variable::given_by(expression, &value, |name| self.instance.visible_variable(self.scope(), name)))
    }

    /// The same, with none for an expression that names a variable which is not there.
    pub(crate) fn evaluate_if_known(&self, expression: &Expression) -> Result<Option<Value>, Failure> {
        evaluate_if_known(self, expression)
    }

    /// Everything that the activity sees, but for what is there for the unit only: it goes nowhere else.
    pub(crate) fn visible_variables(&self) -> Variables {
        only_stored(self.instance.visible_variables(self.scope()))
    }

    /// What a name means to the activity.
    pub(crate) fn visible_variable(&self, name: &str) -> Option<Variable> {
        self.instance.visible_variable(self.scope(), name).cloned()
    }

    /// An expression whose value is shown as text; null is no text.
    pub(crate) fn text(&self, expression: &Expression) -> Result<Option<String>, Failure> {
        match self.evaluate(expression)? {
            Value::Null => Ok(None),
            value => plain(&value).map(Some).ok_or_else(|| self.mismatch(expression, "string", &value)),
        }
    }

    /// A whole number, also as text; null is none.
    fn whole(&self, expression: &Expression) -> Result<Option<i64>, Failure> {
        self.whole_of(expression, &self.evaluate(expression)?)
    }

    /// The same of what the expression gives.
    pub(crate) fn whole_of(&self, expression: &Expression, value: &Value) -> Result<Option<i64>, Failure> {
        let number = match value {
            Value::Null => return Ok(None),
            Value::String(text) => text.trim().parse().ok(),
            Value::Number(_) => value.as_i64(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| self.mismatch(expression, "a whole number", value))
    }

    /// The failure of an expression whose value is of another type than the element needs.
    pub(crate) fn mismatch(&self, expression: &Expression, expected: &str, value: &Value) -> Failure {
        let why = if value.is_null() { self.why_null(expression) } else { String::new() };
        self.failed(expression, &format!("gives {}{why}, not {expected}", value.kind()))
    }

    fn why_null(&self, expression: &Expression) -> String {
        why_null(self, expression)
    }

    pub(crate) fn failed(&self, expression: &Expression, reason: &str) -> Failure {
        failed(self.definition, self.index, expression, reason)
    }
}

/// Without what is there for one unit of work only.
pub(crate) fn only_stored(mut variables: Variables) -> Variables {
    variables.retain(|_, variable| !variable.transient);
    variables
}

/// A value as text, if it is one that reads as text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        Value::Boolean(_) | Value::Number(_) => Some(value.to_json().to_string()),
        _ => None,
    }
}
