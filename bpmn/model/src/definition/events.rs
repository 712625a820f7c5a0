//! Events: what they wait for and what they do.

use std::sync::Arc;

use mandate_feel::Expression;

use super::ElementIndex;

/// The start event of an event sub-process.
#[derive(Clone, Debug)]
pub struct EventSubProcessStart {
    /// `isInterrupting`, true by default: everything else in the scope around the event sub-process is cancelled.
    pub interrupting: bool,
    /// What it waits for.
    pub trigger: EventTrigger,
}

/// What starts a process.
#[derive(Clone, Debug)]
pub enum StartTrigger {
    /// Started by name, over the API or by an enclosing sub-process.
    None,
    /// Started by a message.
    Message(MessageReference),
    /// Started by a signal, as every other process that starts by it.
    Signal(SignalReference),
    /// Started when somebody asks whether its condition holds for variables, and it does.
    Condition(Condition),
    /// Started by time.
    Timer(Timer),
}

/// What an end event does besides consuming its token.
#[derive(Clone, Debug)]
pub enum EndResult {
    /// Nothing.
    None,
    /// Ends everything else in its scope.
    Terminate,
    /// Throws a BPMN error.
    Error(ErrorReference),
    /// Throws an escalation.
    Escalation(Escalation),
    /// Throws a signal to everybody.
    Signal(Throw),
    /// Has compensated what has completed, then ends.
    Compensation(CompensationThrow),
    /// Cancels the transaction that it stands in.
    Cancel,
}

/// What an intermediate throw event does before its token goes on.
#[derive(Clone, Debug)]
pub enum ThrowResult {
    /// Nothing.
    None,
    /// Throws an escalation.
    Escalation(Escalation),
    /// Throws a signal to everybody.
    Signal(Throw),
    /// Has compensated what has completed, then goes on.
    Compensation(CompensationThrow),
}

/// What an event has compensated: all that has completed in its scope, or one activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompensationThrow {
    /// `activityRef`, in the event's scope or, from within an event sub-process, in the scope around that.
    pub activity: Option<ElementIndex>,
}

/// What undoes an activity that has completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compensation {
    /// The activity that an association leads to from the compensation boundary event.
    Handler(ElementIndex),
    /// The event sub-process with a compensation start event in it.
    EventSubProcess(ElementIndex),
}

/// A `bpmn:escalation` as it is thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escalation {
    /// `escalationCode`; without one it is caught only by what catches every escalation.
    pub code: Option<String>,
}

/// A `bpmn:error` as it is thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorReference {
    /// `errorCode`.
    pub code: String,
    /// `camunda:errorMessage`, when there is one, evaluated when it is thrown.
    pub message: Option<Expression>,
}

/// A `bpmn:message` as it is awaited.
#[derive(Clone, Debug)]
pub struct MessageReference {
    /// The message's name; may be an expression over the instance's variables, except on start events.
    pub name: Expression,
    /// What tells one wait from another, evaluated when it begins. It is not asked of what starts a process.
    pub correlation_key: Option<CorrelationKey>,
    /// The standard's key that the message has, if its process is told apart by it. A wait without a key of its own is then one of the
    /// conversation.
    pub carried: Option<CarriedKey>,
}

/// Where a message has its correlation key: over what goes along with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedKey {
    /// The id of the standard's `correlationKey`; none is the key of `zeebe:subscription`.
    pub of: Option<Arc<str>>,
    /// The expression, or the paths to the key's properties.
    pub paths: CorrelationKey,
}

impl MessageReference {
    /// The one that is meant by a message's name: the one that has it or, of those whose names are only known when they are waited for, the
    /// first.
    pub fn named<'a>(messages: &[&'a MessageReference], name: &str) -> Option<&'a MessageReference> {
        let named = messages.iter().find(|message| message.name.as_literal() == Some(name));
        named.or_else(|| messages.iter().find(|message| message.name.as_literal().is_none())).copied()
    }
}

/// A correlation key: `correlationKey` of `zeebe:subscription`, or the paths to the properties of the standard's `correlationKey` in their
/// order, at least one (BPMN 2.0, 8.4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationKey(pub Vec<Expression>);

/// A `bpmn:signal` as it is awaited.
#[derive(Clone, Debug)]
pub struct SignalReference {
    /// The signal's name; may be an expression over the instance's variables, except on start events.
    pub name: Expression,
}

/// A `bpmn:signal` or `bpmn:message` as it is thrown. A signal goes to everybody who waits for it at that moment, and to the newest version
/// of each process that starts by it; a message where its flow leads.
#[derive(Clone, Debug)]
pub struct Throw {
    /// The signal's or message's name; may be an expression.
    pub name: Expression,
    /// `camunda:in`s, in document order: the variables that go along.
    pub inputs: Vec<ThrowInput>,
    /// `camunda:in businessKey`: the business key of the instances that a signal starts; of a message also of those that get it.
    pub business_key: Option<Expression>,
}

/// What sends a message along message flows: a send task, or an event, that does not say who else sends it (BPMN 2.0, 9.3 and 10.3.3).
#[derive(Clone, Debug)]
pub struct MessageSend {
    /// The message. What the element's input mappings set goes along with it, under its `camunda:in`s; without a business key of its own it
    /// has the sender's.
    pub message: Throw,
    /// Over what goes along it tells the wait that is meant.
    pub correlation_key: Option<CarriedKey>,
    /// Where its flows lead, in document order, at least one: each gets the message.
    pub receivers: Vec<MessageReceiver>,
    /// Camunda's activity type: `sendTask`, `intermediateMessageThrowEvent` or `messageEndEvent`.
    pub element_type: &'static str,
}

/// Where a message flow leads: to a participant of the same file, or to what waits there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageReceiver {
    /// The process's id, which is another one than the sender's.
    pub process: Arc<str>,
    /// What the flow leads to; none: the participant itself, and whatever waits there for the message.
    pub element: Option<Arc<str>>,
}

/// What goes along with a signal or message.
#[derive(Clone, Debug)]
pub enum ThrowInput {
    /// Every variable that the event sees.
    All,
    /// One value.
    One {
        /// The variable that it is set in.
        target: String,
        /// Where it comes from; a variable that is not there is null.
        source: super::Source,
    },
    /// The event's own variable of this name, if it has it: what a data association fills.
    Data(String),
}

/// What a conditional event waits for: that a condition holds, which is asked when variables change (Camunda 7, "Conditional Events").
#[derive(Clone, Debug)]
pub struct Condition {
    /// True or false; null, and a variable that is not there, are false.
    pub condition: Expression,
    /// `camunda:variableName`: only changes of this variable count.
    pub variable: Option<String>,
    /// `camunda:variableEvents`: only these changes count; empty: all of them.
    pub changes: Vec<VariableChange>,
}

/// What can happen to a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableChange {
    /// It was not there.
    Create,
    /// It has another value, or was set to the one it had.
    Update,
    /// It is gone.
    Delete,
}

/// What an intermediate catch event waits for.
#[derive(Clone, Debug)]
pub enum CatchTrigger {
    /// A moment in time.
    Timer(Timer),
    /// A message.
    Message(MessageReference),
    /// Any or all of several.
    Multiple {
        /// At least two, none of them a link; if all must have happened, not more than one of them a condition.
        triggers: Vec<CatchTrigger>,
        /// `parallelMultiple`: all must have happened.
        all: bool,
    },
    /// A signal.
    Signal(SignalReference),
    /// A condition.
    Condition(Condition),
    /// Nothing: the catching end of a link, to which the flows lead that were drawn to its throwing ends.
    Link,
}

impl CatchTrigger {
    /// What it waits for, one by one: of several each, else itself.
    pub fn each(&self) -> &[CatchTrigger] {
        if let CatchTrigger::Multiple { triggers, .. } = self { triggers } else { std::slice::from_ref(self) }
    }
}

/// When a timer fires, evaluated when its wait begins; of a process's start event when its definition is deployed.
#[derive(Clone, Debug)]
pub enum Timer {
    /// An ISO 8601 date and time (`timeDate`).
    Date(Expression),
    /// An ISO 8601 duration from the moment the wait begins (`timeDuration`).
    Duration(Expression),
    /// An ISO 8601 repeating interval or a cron expression (`timeCycle`), as [`Cycle`](crate::time::Cycle) reads them. What does not
    /// interrupt fires at each of its dates, everything else at the first; but an intermediate event as often as a counted one says, unless
    /// the model is Camunda 7's.
    Cycle(Expression),
}

impl Timer {
    /// What says when.
    pub fn expression(&self) -> &Expression {
        match self {
            Timer::Date(expression) | Timer::Duration(expression) | Timer::Cycle(expression) => expression,
        }
    }
}

/// A boundary event.
#[derive(Clone, Debug)]
pub struct BoundaryEvent {
    /// The activity it is attached to.
    pub attached_to: ElementIndex,
    /// `cancelActivity`, true by default; an error boundary event always interrupts (BPMN 2.0, 10.5.4).
    pub interrupting: bool,
    /// What it waits for.
    pub trigger: EventTrigger,
}

/// What a boundary event waits for while its activity waits, or the start event of an event sub-process while the scope around it is
/// active.
#[derive(Clone, Debug)]
pub enum EventTrigger {
    /// A BPMN error thrown inside.
    Error(ErrorCatch),
    /// A moment in time.
    Timer(Timer),
    /// A message.
    Message(MessageReference),
    /// An escalation thrown inside.
    Escalation(EscalationCatch),
    /// A signal.
    Signal(SignalReference),
    /// A condition.
    Condition(Condition),
    /// The compensation of its activity, or of the scope around its event sub-process, once that has completed. Nothing is armed for it.
    Compensation,
    /// A cancel end event inside of the transaction.
    Cancel,
}

/// Which escalations an event catches and where it puts what it learned.
#[derive(Clone, Debug, Default)]
pub struct EscalationCatch {
    /// Only this code; none catches every escalation.
    pub code: Option<String>,
    /// `camunda:escalationCodeVariable`.
    pub code_variable: Option<String>,
}

/// Which errors an event catches and where it puts what it learned.
#[derive(Clone, Debug, Default)]
pub struct ErrorCatch {
    /// Only this code; none catches every error.
    pub code: Option<String>,
    /// `camunda:errorCodeVariable`.
    pub code_variable: Option<String>,
    /// `camunda:errorMessageVariable`.
    pub message_variable: Option<String>,
}
