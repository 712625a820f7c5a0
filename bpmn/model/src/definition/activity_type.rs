//! What elements are called where they are listed.

use super::{CatchTrigger, ElementKind, EndResult, EventTrigger, StartTrigger, ThrowResult};

impl ElementKind {
    /// Camunda 7's activity type of an element (its `ActivityTypes`).
    pub fn activity_type(&self) -> &'static str {
        match self {
            ElementKind::Process(_) => "processDefinition",
            ElementKind::SubProcess(_) | ElementKind::EventSubProcess(_) => "subProcess",
            ElementKind::AdHocSubProcess(_) => "adHocSubProcess",
            ElementKind::Transaction(_) => "transaction",
            ElementKind::StartEvent(StartTrigger::None) => "startEvent",
            ElementKind::StartEvent(StartTrigger::Message(_)) => "messageStartEvent",
            ElementKind::StartEvent(StartTrigger::Signal(_)) => "signalStartEvent",
            ElementKind::StartEvent(StartTrigger::Condition(_)) => "conditionalStartEvent",
            ElementKind::StartEvent(StartTrigger::Timer(_)) => "startTimerEvent",
            ElementKind::EventSubProcessStart(event) => match event.trigger {
                EventTrigger::Error(_) => "errorStartEvent",
                EventTrigger::Timer(_) => "startTimerEvent",
                EventTrigger::Message(_) => "messageStartEvent",
                EventTrigger::Escalation(_) => "escalationStartEvent",
                EventTrigger::Signal(_) => "signalStartEvent",
                EventTrigger::Condition(_) => "conditionalStartEvent",
                // Nothing but a boundary event waits for a cancellation.
                EventTrigger::Compensation | EventTrigger::Cancel => "compensationStartEvent",
            },
            ElementKind::EndEvent(EndResult::None) => "noneEndEvent",
            ElementKind::EndEvent(EndResult::Terminate) => "terminateEndEvent",
            ElementKind::EndEvent(EndResult::Error(_)) => "errorEndEvent",
            ElementKind::EndEvent(EndResult::Escalation(_)) => "escalationEndEvent",
            ElementKind::EndEvent(EndResult::Signal(_)) => "signalEndEvent",
            ElementKind::EndEvent(EndResult::Compensation(_)) => "compensationEndEvent",
            ElementKind::EndEvent(EndResult::Cancel) => "cancelEndEvent",
            ElementKind::Task => "task",
            ElementKind::ManualTask => "manualTask",
            ElementKind::ServiceTask(task) => task.element_type,
            ElementKind::ExpressionTask(task) => task.element_type,
            ElementKind::MessageSend(send) => send.element_type,
            ElementKind::UserTask(_) => "userTask",
            ElementKind::ReceiveTask(_) => "receiveTask",
            ElementKind::CallActivity(_) => "callActivity",
            ElementKind::ExclusiveGateway => "exclusiveGateway",
            ElementKind::ParallelGateway => "parallelGateway",
            ElementKind::InclusiveGateway => "inclusiveGateway",
            ElementKind::ComplexGateway(_) => "complexGateway",
            ElementKind::EventBasedGateway => "eventBasedGateway",
            ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(_)) => "intermediateTimer",
            ElementKind::IntermediateCatchEvent(CatchTrigger::Message(_)) => "intermediateMessageCatch",
            ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { .. }) => "intermediateCatchEvent",
            ElementKind::IntermediateCatchEvent(CatchTrigger::Signal(_)) => "intermediateSignalCatch",
            ElementKind::IntermediateCatchEvent(CatchTrigger::Condition(_)) => "intermediateConditional",
            ElementKind::IntermediateCatchEvent(CatchTrigger::Link) => "intermediateLinkCatch",
            ElementKind::IntermediateThrowEvent(ThrowResult::None) => "intermediateNoneThrowEvent",
            ElementKind::IntermediateThrowEvent(ThrowResult::Escalation(_)) => "intermediateEscalationThrowEvent",
            ElementKind::IntermediateThrowEvent(ThrowResult::Signal(_)) => "intermediateSignalThrow",
            ElementKind::IntermediateThrowEvent(ThrowResult::Compensation(_)) => "intermediateCompensationThrowEvent",
            ElementKind::BoundaryEvent(event) => match event.trigger {
                EventTrigger::Error(_) => "boundaryError",
                EventTrigger::Timer(_) => "boundaryTimer",
                EventTrigger::Message(_) => "boundaryMessage",
                EventTrigger::Escalation(_) => "boundaryEscalation",
                EventTrigger::Signal(_) => "boundarySignal",
                EventTrigger::Condition(_) => "boundaryConditional",
                EventTrigger::Compensation => "compensationBoundaryCatch",
                EventTrigger::Cancel => "cancelBoundaryCatch",
            },
        }
    }
}
