//! Listeners: what is done on the occasion of something (Camunda 7's `camunda:executionListener` and `camunda:taskListener`).

use mandate_feel::Expression;

use super::{Implementation, Timer};

/// One listener. Those of one occasion are called in document order.
#[derive(Clone, Debug)]
pub struct Listener {
    /// When it is called.
    pub event: ListenerEvent,
    /// What is done then.
    pub does: ListenerAction,
    /// When, of [`ListenerEvent::Timeout`] and of nothing else.
    pub timer: Option<Timer>,
    /// What its delegate is given besides.
    pub fields: Vec<Field>,
}

/// A `camunda:field`: what a delegate is given by its model.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it is, evaluated when the delegate is called.
    pub value: Expression,
}

/// When a listener is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerEvent {
    /// The process, activity, event or gateway begins: its inputs are mapped, and it has done nothing yet.
    Start,
    /// It has done its work and ends by itself: its flows are chosen, its outputs not mapped yet.
    End,
    /// A token takes a sequence flow.
    Take,
    /// A user task is there.
    Create,
    /// It has got an assignee, or has another one.
    Assignment,
    /// Something of it was changed after its creation.
    Update,
    /// It is completed.
    Complete,
    /// It is there no more without having been completed: something in the process has cancelled it.
    Delete,
    /// A timer of its own has fired while it is there. Nothing is interrupted.
    Timeout,
}

/// What a listener does.
#[derive(Clone, Debug)]
pub enum ListenerAction {
    /// An expression or script is evaluated. It changes nothing, but may fail.
    Expression(Expression),
    /// A delegate is called.
    Delegate(Implementation),
}

impl ListenerEvent {
    /// As models write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::End => "end",
            Self::Take => "take",
            Self::Create => "create",
            Self::Assignment => "assignment",
            Self::Update => "update",
            Self::Complete => "complete",
            Self::Delete => "delete",
            Self::Timeout => "timeout",
        }
    }
}
