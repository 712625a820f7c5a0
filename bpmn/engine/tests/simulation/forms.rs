//! What random models have entered, in the words of the table of what is supported. A variant that is new in the model has no word here and
//! breaks the build; what the table or the parser's corpus has and no model has entered fails the simulation.

use std::collections::BTreeSet;
use std::path::Path;

use expect_test::expect_file;
use mandate_model::{
    Binding, CatchTrigger, CorrelationKey, Element, ElementIndex, ElementKind, EndResult, EventTrigger, Implementation, ListenerAction,
    MultiInstance, Pass, ProcessDefinition, ServiceTask, Source, StartTrigger, ThrowResult, ThrowWhen, Timer,
};

/// No token comes to these; `activity: isForCompensation` says that what they are for has happened.
const NEVER_ENTERED: [&str; 1] = ["boundaryEvent: compensation"];

/// All that instances have entered, and that their models were written with.
#[derive(Default)]
pub(crate) struct Forms {
    entered: BTreeSet<String>,
    /// Parts of the table that occurred in a model.
    written: BTreeSet<String>,
}

impl Forms {
    pub(crate) fn enter(&mut self, definition: &ProcessDefinition, elements: impl Iterator<Item = ElementIndex>) {
        self.entered.extend(elements.flat_map(|element| forms(definition, definition.element(element))));
    }

    pub(crate) fn write(&mut self, xml: &str) {
        self.written.extend(rows().into_iter().filter(|row| xml.contains(&format!("<{row}"))));
    }

    /// Each row of the table and whatever the parser's corpus has was entered.
    pub(crate) fn check(&self) {
        let (folder, mut missing) = (Path::new(env!("CARGO_MANIFEST_DIR")), Vec::new());
        let is_entered = |row: &String| self.entered.iter().any(|form| form.split(": ").next() == Some(row));
        missing.extend(rows().into_iter().filter(|row| !is_entered(row) && !self.written.contains(row)));
        for file in std::fs::read_dir(folder.join("../model/corpus/good")).expect("the folder is there") {
            let path = file.expect("an entry").path();
            let parsed = mandate_model::parse("corpus.bpmn", &std::fs::read(&path).expect("readable")).expect("it is a good one");
            let all = parsed.processes.iter().flat_map(|it| it.elements.iter().flat_map(move |element| forms(it, element)));
            missing.extend(all.filter(|form| !self.entered.contains(form) && !NEVER_ENTERED.contains(&form.as_str())));
        }
        missing.sort_unstable();
        missing.dedup();
        assert_eq!(missing, [""; 0], "no random model has entered these: add a block");
        let entered: Vec<_> = self.entered.iter().map(String::as_str).collect();
        expect_file![folder.join("tests/simulation/forms.txt")].assert_eq(&(entered.join("\n") + "\n"));
    }
}

/// What is in the first column of the table of what is supported.
fn rows() -> Vec<String> {
    let table = mandate_model::supported_table();
    table.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

/// The forms of one element, each as `what: form`, where `what` is the name of a BPMN element or of a part of elements.
fn forms(definition: &ProcessDefinition, element: &Element) -> BTreeSet<String> {
    let (name, form) = kind(&element.kind);
    let mut forms = BTreeSet::from([if form.is_empty() { name.to_owned() } else { format!("{name}: {form}") }]);
    let flows: Vec<_> = element.outgoing.iter().map(|flow| definition.flow(*flow)).collect();
    let parts = [
        ("activity: asyncBefore", element.async_before),
        ("activity: asyncAfter", element.async_after),
        ("activity: not exclusive", !element.exclusive),
        ("activity: retry cycle", element.retries.is_some()),
        ("activity: input mapping", !element.inputs.is_empty()),
        ("activity: output mapping", !element.outputs.is_empty()),
        ("activity: default flow", element.default_flow.is_some()),
        ("activity: flows with conditions", flows.iter().any(|flow| flow.condition.is_some())),
        ("activity: several flows without conditions", flows.iter().filter(|flow| flow.condition.is_none()).count() > 1),
        ("activity: isForCompensation", element.for_compensation),
        ("activity: startQuantity", element.start_quantity > 1),
        ("activity: completionQuantity", element.completion_quantity > 1),
        ("event: parallelMultiple", !element.all_of.is_empty()),
        ("event: parallelMultiple, not interrupting", !element.all_of.is_empty() && matches!(element.kind.trigger(), Some((_, false)))),
        ("event: parallelMultiple, thrown inside", !element.all_of.is_empty() && is_thrown(&element.kind)),
        ("event: parallelMultiple, several conditions", wants_all(&element.kind) && element.kind.conditions().count() > 1),
        ("event: correlation key", keys(&element.kind).next().is_some()),
        ("event: correlation key of several properties", keys(&element.kind).any(|key| key.0.len() > 1)),
    ];
    forms.extend(parts.into_iter().chain(self::parts(&element.kind)).filter(|(_, is_so)| *is_so).map(|(part, _)| part.to_owned()));
    for listener in element.listeners.iter().chain(flows.iter().flat_map(|flow| &flow.listeners)) {
        let does = match &listener.does {
            ListenerAction::Expression(_) => "expression",
            ListenerAction::Delegate(_) => "delegate",
        };
        forms.insert(format!("listener: {} by {does}", listener.event.as_str()));
    }
    forms.extend(element.multi_instance.iter().flat_map(loops));
    forms
}

fn keys(kind: &ElementKind) -> impl Iterator<Item = &CorrelationKey> {
    kind.messages().into_iter().filter_map(|message| message.correlation_key.as_ref())
}

fn is_thrown(kind: &ElementKind) -> bool {
    matches!(kind.trigger(), Some((EventTrigger::Error(_) | EventTrigger::Escalation(_), _)))
}

fn wants_all(kind: &ElementKind) -> bool {
    matches!(kind, ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { all: true, .. }))
}

/// What else some elements say.
fn parts(kind: &ElementKind) -> Vec<(&'static str, bool)> {
    let all = |pass: &Pass| matches!(pass, Pass::All { .. });
    match kind {
        ElementKind::AdHocSubProcess(it) => vec![
            ("adHocSubProcess: chosen", it.active.is_some()),
            ("adHocSubProcess: event sub-process", !it.scope.event_starts.is_empty()),
            ("adHocSubProcess: completion condition", it.completion_condition.is_some()),
            ("adHocSubProcess: the rest is awaited", it.completion_condition.is_some() && !it.cancel_remaining),
        ],
        ElementKind::CallActivity(it) => vec![
            ("callActivity: business key", it.business_key.is_some()),
            ("callActivity: all variables in", it.inputs.iter().any(all)),
            ("callActivity: all variables out", it.propagates || it.outputs.iter().any(all)),
            ("callActivity: called by an expression", it.process.as_literal().is_none()),
            ("callActivity: of a tenant", it.tenant.is_some()),
        ],
        ElementKind::MessageSend(it) => vec![("messageFlow: correlation key", it.correlation_key.is_some())],
        ElementKind::ServiceTask(it) => vec![
            ("activity: priority of an external task", it.priority.is_some()),
            ("activity: computed topic", it.topic.is_some()),
            ("activity: errors of an external task", !it.errors.is_empty()),
            ("activity: fields of a delegate", !it.fields.is_empty()),
        ],
        ElementKind::ExpressionTask(it) => vec![("activity: result variable", it.result_variable.is_some())],
        ElementKind::UserTask(it) => vec![
            ("userTask: assignee", it.assignee.is_some()),
            ("userTask: due date", it.due_date.is_some()),
            ("userTask: follow-up date", it.follow_up_date.is_some()),
            ("userTask: priority", it.priority.is_some()),
        ],
        _ => Vec::new(),
    }
}

/// The element's name in BPMN, and which form of it.
fn kind(kind: &ElementKind) -> (&'static str, String) {
    let (name, form) = match kind {
        ElementKind::Process(scope) if scope.begins.len() > 1 => ("process", "without a start event"),
        ElementKind::Process(scope) if scope.begins.is_empty() => ("process", "with nothing that begins by itself"),
        ElementKind::Process(_) => ("process", ""),
        ElementKind::SubProcess(_) => ("subProcess", "embedded"),
        ElementKind::EventSubProcess(_) => ("subProcess", "event"),
        ElementKind::Transaction(_) => ("transaction", ""),
        ElementKind::AdHocSubProcess(it) => ("adHocSubProcess", if it.sequential { "sequential" } else { "parallel" }),
        ElementKind::StartEvent(trigger) => match trigger {
            StartTrigger::None => ("startEvent", "none"),
            StartTrigger::Message(_) => ("startEvent", "message"),
            StartTrigger::Signal(_) => ("startEvent", "signal"),
            StartTrigger::Condition(_) => ("startEvent", "conditional"),
            StartTrigger::Timer(_) => ("startEvent", "timer"),
        },
        ElementKind::EventSubProcessStart(start) => {
            return ("startEvent", triggered(&start.trigger, start.interrupting, "of an event sub-process "));
        }
        ElementKind::BoundaryEvent(event) => return ("boundaryEvent", triggered(&event.trigger, event.interrupting, "")),
        ElementKind::EndEvent(result) => match result {
            EndResult::None => ("endEvent", "none"),
            EndResult::Terminate => ("endEvent", "terminate"),
            EndResult::Error(_) => ("endEvent", "error"),
            EndResult::Escalation(_) => ("endEvent", "escalation"),
            EndResult::Signal(_) => ("endEvent", "signal"),
            EndResult::Compensation(it) => ("endEvent", if it.activity.is_some() { "compensation of one" } else { "compensation" }),
            EndResult::Cancel => ("endEvent", "cancel"),
        },
        ElementKind::IntermediateThrowEvent(result) => match result {
            ThrowResult::None => ("intermediateThrowEvent", "none"),
            ThrowResult::Escalation(_) => ("intermediateThrowEvent", "escalation"),
            ThrowResult::Signal(_) => ("intermediateThrowEvent", "signal"),
            ThrowResult::Compensation(it) => {
                ("intermediateThrowEvent", if it.activity.is_some() { "compensation of one" } else { "compensation" })
            }
        },
        ElementKind::IntermediateCatchEvent(trigger) => match trigger {
            CatchTrigger::Timer(timer) => return ("intermediateCatchEvent", format!("timer, {}", when(timer))),
            CatchTrigger::Message(_) => ("intermediateCatchEvent", "message"),
            CatchTrigger::Multiple { all: false, .. } => ("intermediateCatchEvent", "first of several"),
            CatchTrigger::Multiple { all: true, .. } => ("intermediateCatchEvent", "all of several"),
            CatchTrigger::Signal(_) => ("intermediateCatchEvent", "signal"),
            CatchTrigger::Condition(_) => ("intermediateCatchEvent", "conditional"),
            CatchTrigger::Link => ("intermediateCatchEvent", "link"),
        },
        ElementKind::Task => ("task", ""),
        ElementKind::ManualTask => ("manualTask", ""),
        ElementKind::ServiceTask(task) => return (sends(task.element_type), doer(task).to_owned()),
        ElementKind::ExpressionTask(task) => (sends(task.element_type), "expression"),
        ElementKind::MessageSend(send) => (sends(send.element_type), "along a message flow"),
        ElementKind::UserTask(_) => ("userTask", ""),
        ElementKind::ReceiveTask(_) => ("receiveTask", ""),
        ElementKind::CallActivity(call) => {
            let binding = match call.binding {
                Binding::Latest => "latest",
                Binding::Deployment => "deployment",
                Binding::Version(_) => "version",
                Binding::VersionTag(_) => "version tag",
            };
            ("callActivity", binding)
        }
        ElementKind::ExclusiveGateway => ("exclusiveGateway", ""),
        ElementKind::ParallelGateway => ("parallelGateway", ""),
        ElementKind::InclusiveGateway => ("inclusiveGateway", ""),
        ElementKind::ComplexGateway(gateway) => ("complexGateway", if gateway.activation.is_some() { "condition" } else { "" }),
        ElementKind::EventBasedGateway => ("eventBasedGateway", ""),
    };
    (name, form.to_owned())
}

/// The BPMN element of what sends a message.
fn sends(element_type: &'static str) -> &'static str {
    match element_type {
        "intermediateMessageThrowEvent" => "intermediateThrowEvent",
        "messageEndEvent" => "endEvent",
        other => other,
    }
}

fn doer(task: &ServiceTask) -> &'static str {
    match task.implementation {
        Implementation::Delegate { .. } => "delegate",
        Implementation::Topic(_) => "worker",
    }
}

fn triggered(trigger: &EventTrigger, interrupting: bool, of: &str) -> String {
    let by = match trigger {
        EventTrigger::Error(catch) => if catch.code.is_some() { "error with a code" } else { "error" }.to_owned(),
        EventTrigger::Timer(timer) => format!("timer, {}", when(timer)),
        EventTrigger::Message(_) => "message".to_owned(),
        EventTrigger::Escalation(catch) => if catch.code.is_some() { "escalation with a code" } else { "escalation" }.to_owned(),
        EventTrigger::Signal(_) => "signal".to_owned(),
        EventTrigger::Condition(_) => "conditional".to_owned(),
        EventTrigger::Compensation => "compensation".to_owned(),
        EventTrigger::Cancel => "cancel".to_owned(),
    };
    format!("{of}{by}{}", if interrupting { "" } else { ", not interrupting" })
}

fn when(timer: &Timer) -> &'static str {
    match timer {
        Timer::Date(_) => "date",
        Timer::Duration(_) => "duration",
        Timer::Cycle(cycle) if cycle.source().starts_with('R') => "cycle",
        Timer::Cycle(_) => "cron",
    }
}

/// How an activity runs several times, one word after the other: each was seen in some model, not each beside each.
fn loops(it: &MultiInstance) -> Vec<String> {
    let Some(again) = &it.standard_loop else {
        let over = match (&it.cardinality, &it.collection) {
            (Some(_), None) => "cardinality",
            (None, Some(_)) => "collection",
            _ => "cardinality and collection",
        };
        let mut words = vec![if it.sequential { "sequential" } else { "parallel" }, over];
        let output = it.output.as_ref().map(|output| match output.element {
            Source::Variable(_) => "list of a variable",
            Source::Expression(_) => "list of an expression",
        });
        words.extend(output);
        let parts = [
            (it.zeebe, "zeebe"),
            (it.completion_condition.is_some(), "completion condition"),
            (it.async_before, "asyncBefore"),
            (it.async_after, "asyncAfter"),
            (!it.exclusive, "not exclusive"),
        ];
        words.extend(parts.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| word));
        words.extend(it.behavior.iter().map(|throw| match throw.when {
            ThrowWhen::Each => "behavior None",
            ThrowWhen::First => "behavior One",
            ThrowWhen::Condition(_) => "behavior Complex",
        }));
        return words.into_iter().map(|word| format!("multiInstanceLoopCharacteristics: {word}")).collect();
    };
    let parts = [(again.test_before, "testBefore"), (again.maximum.is_some(), "loopMaximum"), (again.condition.is_some(), "loopCondition")];
    parts.into_iter().filter(|(is_so, _)| *is_so).map(|(_, word)| format!("standardLoopCharacteristics: {word}")).collect()
}
