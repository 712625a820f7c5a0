//! `check(elements, script, expect)`: a model, what happens to it, and the trace it leaves.
//!
//! Models are BPMN elements without the paper around them; `{a>b>c}` stands for sequence flows `a_b` and `b_c`, `{a>b ? n > 1}` for one
//! with a FEEL condition. Scripts have one input a line and name elements instead of waits. Between any two steps the
//! instance goes through its stored form, and every step is taken twice, to see that it is the same.

mod modification;

use std::fmt::Write as _;

use expect_test::Expect;
use mandate_model::{Element, ElementIndex, ElementKind, ProcessDefinition, ROOT};
use uuid::Uuid;

use self::modification::{deletion, modification, show_ending};

use crate::job::Jobs;
use crate::{
    ActivityEnd, ActivityId, Caller, Chain, DelegateCall, DelegateOutcome, Effect, Ending, EntryKey, Failure, HistoryEvent, Input,
    Instance, InstanceId, LeafState, Moment, NewInstance, News, Report, Retry, Stop, SubscriptionKind, TaskRevision, Variable, Variables,
    WaitId, step,
};

/// Runs a script on a new instance and compares the trace.
pub(crate) fn check(elements: &str, script: &str, expect: Expect) {
    check_definition(&parse(elements), script, expect);
}

/// The same for a definition that is there already.
pub(crate) fn check_definition(definition: &ProcessDefinition, script: &str, expect: Expect) {
    let mut run = Run::new(definition);
    run.lines(script);
    expect.assert_eq(&run.trace);
}

/// The entry keys of all calls of an element after a script, in order.
pub(crate) fn keys(of: &str, elements: &str, script: &str) -> Vec<EntryKey> {
    let definition = parse(elements);
    let mut run = Run::new(&definition);
    run.lines(script);
    run.keys(of)
}

/// A process of these elements.
pub(crate) fn parse(elements: &str) -> ProcessDefinition {
    parse_file(elements, "")
}

/// The same in a file that has more: other processes, a collaboration.
pub(crate) fn parse_file(elements: &str, beside: &str) -> ProcessDefinition {
    let xml = format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xmlns:camunda='http://camunda.org/schema/1.0/bpmn' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' targetNamespace='test'>\
         <message id='msg' name='paid'/><message id='keyed' name='paid'><extensionElements><zeebe:subscription correlationKey='= order'/></extensionElements></message><message id='msg2' name='changed'/><message id='byKey' name='paid-${{key}}'/><error id='err' name='e' errorCode='E'/><error id='err2' name='e2' errorCode='E2'/>\
         <escalation id='esc' name='esc' escalationCode='LATE'/><escalation id='esc2' name='esc2' escalationCode='LOST'/>\
         <escalationEventDefinition id='reused' escalationRef='esc'/>\
         <signal id='sig' name='alarm'/><signal id='sig2' name='all-clear'/><signal id='sigByKey' name='alarm-${{key}}'/>\
         <process id='process' isExecutable='true'>{}</process>{}</definitions>",
        flows(elements),
        flows(beside)
    );
    let parsed = mandate_model::parse("test.bpmn", xml.as_bytes()).unwrap_or_else(|diagnostics| {
        let all: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("{}\n{xml}", all.join("\n"))
    });
    parsed.processes.into_iter().next().expect("the file has a process")
}

/// A message, for an event.
pub(crate) const MESSAGE: &str = "<messageEventDefinition messageRef='msg'/>";

/// A minute, for an event.
pub(crate) const TIMER: &str = "<timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>";

/// An event sub-process `v` with a user task `handle` inside; its start event `vs` has these attributes and this definition.
pub(crate) fn watching(attributes: &str, definition: &str) -> String {
    format!(
        "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'{attributes}>{definition}</startEvent><userTask id='handle'/>\
         {{vs>handle}}</subProcess>"
    )
}

/// `start > a > u`, where `a` is an activity of this kind with these loop characteristics: attributes, `>`, and what stands in them.
pub(crate) fn several(open: &str, loops: &str, inside: &str) -> String {
    let kind = open.split(' ').next().expect("it names a kind");
    let loops = format!("<multiInstanceLoopCharacteristics{loops}</multiInstanceLoopCharacteristics>");
    format!("<startEvent id='s'/><{open}>{loops}{inside}</{kind}><userTask id='u'/>{{s>a>u}}")
}

/// What undoes an activity `of`: a handler `undo_OF` of this kind, given as an open tag without its brackets and `id`.
pub(crate) fn undone(of: &str, open: &str) -> String {
    undone_by(of, open, "")
}

/// The same with something in the handler.
pub(crate) fn undone_by(of: &str, open: &str, inside: &str) -> String {
    let kind = open.split(' ').next().expect("it names a kind");
    format!(
        "<boundaryEvent id='{of}_undone' attachedToRef='{of}'><compensateEventDefinition/></boundaryEvent>\
         <{open} id='undo_{of}' isForCompensation='true'>{inside}</{kind}><association id='{of}_undoes' sourceRef='{of}_undone' targetRef='undo_{of}'/>"
    )
}

/// Writes out the short form of sequence flows.
fn flows(elements: &str) -> String {
    let mut xml = String::new();
    let mut rest = elements;
    while let Some((before, after)) = rest.split_once('{') {
        // `${…}` is an expression, not a flow.
        if before.ends_with('$') {
            let (expression, after) = after.split_once('}').expect("an expression ends");
            write!(xml, "{before}{{{expression}}}").expect("text grows");
            rest = after;
            continue;
        }
        xml += before;
        let (chain, after) = after.split_once('}').expect("a flow ends with a brace");
        let (chain, condition) = chain.split_once('?').map_or((chain, None), |(chain, condition)| (chain, Some(condition.trim())));
        let nodes: Vec<_> = chain.split('>').map(str::trim).collect();
        for pair in nodes.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            write!(xml, "<sequenceFlow id='{from}_{to}' sourceRef='{from}' targetRef='{to}'>").expect("text grows");
            if let Some(condition) = condition {
                let condition = condition.replace('<', "&lt;");
                write!(xml, "<conditionExpression xsi:type='tFormalExpression'>= {condition}</conditionExpression>").expect("text grows");
            }
            xml += "</sequenceFlow>";
        }
        rest = after;
    }
    xml + rest
}

/// Variables from the text of a JSON object; empty text is none. `~n` is one that is there for the unit only.
pub(crate) fn variables(json: &str) -> Variables {
    if json.trim().is_empty() {
        return Variables::new();
    }
    let object: serde_json::Map<_, _> = serde_json::from_str(json).expect("a JSON object");
    let one = |(name, value): (&String, _)| match name.strip_prefix('~') {
        Some(name) => (name.to_owned(), Variable { transient: true, ..Variable::from_json(value) }),
        None => (name.clone(), Variable::from_json(value)),
    };
    object.iter().map(one).collect()
}

/// An instance on its way through a script.
pub(crate) struct Run<'a> {
    pub definition: &'a ProcessDefinition,
    pub instance: Instance,
    /// As it was when the last unit of work began: what a host would have stored.
    pub stored: Instance,
    pub now: i64,
    /// On whose behalf inputs come.
    pub user: Option<String>,
    /// When the unit was asked for that runs or has run last, and on whose behalf.
    asked: i64,
    behalf: Option<String>,
    pub calls: Vec<DelegateCall>,
    pub trace: String,
}

impl<'a> Run<'a> {
    pub(crate) fn new(definition: &'a ProcessDefinition) -> Self {
        let id = InstanceId(Uuid::from_u128(7));
        let instance =
            Instance::new(NewInstance { id, business_key: Some("order-17".into()), tenant: None, traceparent: None, caller: None });
        Self {
            definition,
            stored: instance.clone(),
            instance,
            now: 0,
            user: None,
            asked: 0,
            behalf: None,
            calls: Vec::new(),
            trace: String::new(),
        }
    }

    /// An instance that another one has called.
    pub(crate) fn called(definition: &'a ProcessDefinition, caller: Caller) -> Self {
        let id = InstanceId::called(caller.instance, caller.wait);
        let instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None, caller: Some(caller) });
        Self {
            definition,
            stored: instance.clone(),
            instance,
            now: 0,
            user: None,
            asked: 0,
            behalf: None,
            calls: Vec::new(),
            trace: String::new(),
        }
    }

    fn lines(&mut self, script: &str) {
        script.lines().map(str::trim).filter(|line| !line.is_empty()).for_each(|line| self.line(line));
    }

    /// One line of a script: see the arms.
    pub(crate) fn line(&mut self, line: &str) {
        writeln!(self.trace, "> {line}").expect("text grows");
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (word, json) = rest.split_once(' ').unwrap_or((rest, ""));
        let chain = Chain::deferred_if(verb.ends_with("-deferred"));
        let input = match verb {
            "at" => {
                self.now = word.parse().expect("milliseconds");
                return;
            }
            "as" => {
                self.user = Some(word.to_owned()).filter(|user| !user.is_empty());
                return;
            }
            "leaves" => return self.leaves(),
            "variables" => return self.variables(word),
            "crash" => return self.instance = self.stored.clone(),
            "start" | "start-deferred" => Input::Start { element: self.start(), variables: variables(rest), chain },
            "modify" | "modify-deferred" => Input::Modify(modification(self.definition, rest, chain)),
            "begin" | "begin-deferred" => {
                Input::StartAt { variables: Variables::new(), modification: modification(self.definition, rest, chain) }
            }
            "run" => Input::RunJob { wait: self.job(word) },
            "fail" => Input::FailJob { wait: self.job(word), failure: failure(json) },
            "retries" => Input::SetRetries { wait: self.job(word), retries: json.parse().expect("a number"), due: None },
            "due" => Input::SetDue { wait: self.job(word), due: json.parse().expect("milliseconds") },
            "suspend-job" | "activate-job" => Input::SuspendJobs { jobs: Jobs::One(self.job(word)), suspended: verb == "suspend-job" },
            "suspend-jobs" | "activate-jobs" => Input::SuspendJobs { jobs: Jobs::All, suspended: verb == "suspend-jobs" },
            "priority" => Input::SetPriority { jobs: Jobs::One(self.job(word)), priority: json.parse().expect("a number") },
            "anew" => Input::RecalculateDue { wait: self.job(word), since_creation: json == "creation" },
            "complete" => Input::CompleteTask { wait: self.task(word), variables: variables(json) },
            "done" => {
                let (json, local) = json.split_once(" local ").unwrap_or((json, ""));
                Input::CompleteExternalTask {
                    wait: self.external_task(word),
                    variables: variables(json),
                    local_variables: variables(local),
                }
            }
            "unable" => {
                let (retries, message) = json.split_once(' ').unwrap_or((json, ""));
                Input::FailExternalTask {
                    wait: self.external_task(word),
                    message: Some(message.to_owned()).filter(|it| !it.is_empty()),
                    details: Some(format!("{message}, at length")).filter(|_| !message.is_empty()),
                    retries: retries.parse().expect("a number"),
                    variables: Variables::new(),
                    local_variables: Variables::new(),
                }
            }
            "throw" => {
                let (code, json) = json.split_once(' ').unwrap_or((json, ""));
                let (code, message) = (code.to_owned(), Some("no".to_owned()));
                Input::ThrowFromExternalTask { wait: self.external_task(word), code, message, variables: variables(json) }
            }
            "rank" => Input::SetExternalTaskPriority { wait: self.external_task(word), priority: json.parse().expect("a number") },
            "grant" => Input::SetExternalTaskRetries { wait: self.external_task(word), retries: json.parse().expect("a number") },
            "claim" => Input::ClaimTask { wait: self.task(word), user: json.into() },
            "signal" => Input::Signal { wait: self.subscription(word), variables: variables(json) },
            "assign" => self.revise(word, TaskRevision::Assign { user: Some(json.to_owned()).filter(|it| !it.is_empty()) }),
            "delegate" => self.revise(word, TaskRevision::Delegate { user: Some(json.to_owned()) }),
            "resolve" => self.revise(word, TaskRevision::Resolve { variables: variables(json) }),
            "answer" => {
                let (code, json) = json.split_once(' ').unwrap_or((json, ""));
                let (code, message) = (code.to_owned(), Some("no".to_owned()));
                Input::ThrowFromTask { wait: self.task(word), code, message, variables: variables(json) }
            }
            "escalate" => {
                let (code, json) = json.split_once(' ').unwrap_or((json, ""));
                Input::EscalateFromTask { wait: self.task(word), code: code.to_owned(), variables: variables(json) }
            }
            "message" => {
                let (json, triggered) = json.split_once(" begun ").unwrap_or((json, ""));
                let (json, local) = json.split_once(" local ").unwrap_or((json, ""));
                let (variables, local_variables, triggered_variables) = (variables(json), variables(local), variables(triggered));
                Input::Message { wait: self.subscription(word), variables, local_variables, triggered_variables }
            }
            "return" => self.returned(DelegateOutcome::Completed { variables: variables(rest) }),
            "error" => {
                let (code, message, variables) = (word.to_owned(), "no".to_owned(), variables(json));
                self.returned(DelegateOutcome::BpmnError { code, message, variables })
            }
            "set" => Input::SetVariables { scope: self.instance.root(), set: variables(rest), remove: Vec::new(), local: true },
            "unset" => Input::SetVariables { scope: self.instance.root(), set: Variables::new(), remove: vec![word.into()], local: true },
            "put" | "putlocal" => {
                Input::SetVariables { scope: self.scope(word), set: variables(json), remove: Vec::new(), local: verb == "putlocal" }
            }
            "drop" => Input::SetVariables { scope: self.scope(word), set: Variables::new(), remove: vec![json.into()], local: false },
            "choose" => Input::BeginActivity { activity: self.enabled(word) },
            "hear" | "hear-deferred" => self.hear(chain, word, json),
            "end" => Input::EndCalled { ending: Ending::default() },
            "suspend" => Input::Suspend,
            "activate" => Input::Activate,
            "cancel" => deletion(rest),
            _ => panic!("a script knows no '{verb}'"),
        };
        self.input(input);
    }

    /// What the steps of the unit are told that begins with an input, if one does.
    fn begin_unit(&mut self, input: &Input) {
        if self.instance.in_unit() {
            return;
        }
        let job = match input {
            Input::RunJob { wait } | Input::FailJob { wait, .. } => self.instance.job(*wait),
            _ => None,
        };
        let moment = job.map_or(Moment::from(self.now).by(self.user.as_deref()), |job| job.moment(self.now));
        (self.asked, self.behalf) = (moment.asked, moment.user.map(str::to_owned));
    }

    /// One step, taken twice on copies that went through the stored form.
    pub(crate) fn input(&mut self, input: Input) {
        let mut instance = self.instance.encode().decode().expect("what was encoded decodes");
        assert_eq!(instance, self.instance, "the stored form keeps everything");
        let mut again = instance.clone();
        self.begin_unit(&input);
        let moment = Moment::from(self.now).asked(self.asked).by(self.behalf.as_deref());
        let answer = step(self.definition, &mut instance, input.clone(), moment);
        assert_eq!(answer, step(self.definition, &mut again, input, moment), "a step depends on its arguments only");
        match answer {
            Ok(effects) => {
                assert_eq!(instance, again);
                self.instance = instance;
                if !self.instance.in_unit() {
                    self.stored = self.instance.clone();
                }
                for effect in effects {
                    let line = self.show(&effect);
                    writeln!(self.trace, "  {line}").expect("text grows");
                    if let Effect::CallDelegate(call) = effect {
                        self.calls.push(call);
                    }
                }
            }
            Err(Stop::Rejected(rejection)) => {
                assert_eq!(instance, self.instance, "a rejection changes nothing");
                writeln!(self.trace, "  rejected: {rejection}").expect("text grows");
            }
            Err(stop @ Stop::Failed(_)) => {
                writeln!(self.trace, "  failed: {stop}").expect("text grows");
                self.instance = self.stored.clone();
            }
        }
    }

    /// The entry keys of all calls of an element, in order.
    pub(crate) fn keys(&self, element: &str) -> Vec<EntryKey> {
        let element = self.find(element);
        self.calls.iter().filter(|call| call.element == element).map(|call| call.entry).collect()
    }

    fn find(&self, id: &str) -> ElementIndex {
        self.definition.find(id).unwrap_or_else(|| panic!("the model has no '{id}'"))
    }

    fn start(&self) -> ElementIndex {
        let start = |(_, element): &(_, &Element)| element.parent == Some(ROOT) && matches!(element.kind, ElementKind::StartEvent(_));
        self.definition.iter().find(start).map(|(index, _)| index).or_else(|| self.definition.start()).expect("something begins")
    }

    /// The first wait of an element, or the one with this number: `!12`.
    fn wait(&self, word: &str, what: &str, mut waits: impl Iterator<Item = (ElementIndex, WaitId)>) -> WaitId {
        numbered(word).unwrap_or_else(|| {
            let element = self.find(word);
            waits.find(|(of, _)| *of == element).unwrap_or_else(|| panic!("'{word}' has no {what}")).1
        })
    }

    fn job(&self, word: &str) -> WaitId {
        self.wait(word, "job", self.instance.jobs().map(|it| (it.element, it.wait)))
    }

    /// `hear c completed {"x": 1}`, `error E {…}`, `escalation LATE {…}`, `escalation-ends LATE {…}` or `deleted`, or `again`, the last.
    fn hear(&mut self, chain: Chain, word: &str, text: &str) -> Input {
        let wait = self.wait(word, "call", self.instance.calls().map(|it| (it.element, it.wait)));
        let heard = self.instance.calls().find(|call| call.wait == wait).map_or(0, |call| call.heard);
        let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
        let (code, json) = rest.split_once(' ').unwrap_or((rest, ""));
        let (news, json) = match what {
            "completed" | "again" => (News::Completed, rest),
            "error" => (News::Error { code: code.into(), message: Some("no".into()) }, json),
            "escalation" | "escalation-ends" => (News::Escalation { code: Some(code.into()), ended: what != "escalation" }, json),
            "deleted" => (News::Deleted { reason: Some("no more".into()) }, ""),
            _ => panic!("a called instance does not say '{what}'"),
        };
        let number = if what == "again" { heard } else { heard + 1 };
        Input::Called { wait, report: Box::new(Report { number, news, variables: variables(json) }), chain }
    }

    fn task(&self, word: &str) -> WaitId {
        self.wait(word, "task", self.instance.tasks().map(|it| (it.element, it.wait)))
    }

    fn external_task(&self, word: &str) -> WaitId {
        self.wait(word, "external task", self.instance.external_tasks().map(|it| (it.element, it.wait)))
    }

    fn subscription(&self, word: &str) -> WaitId {
        self.wait(word, "subscription", self.instance.subscriptions().map(|it| (it.element, it.wait)))
    }

    /// An enabled activity by its element, or by its number: `#12`.
    fn enabled(&self, word: &str) -> ActivityId {
        if let Some(number) = word.strip_prefix('#') {
            return ActivityId(number.parse().expect("a number"));
        }
        let element = self.find(word);
        let free = |it: &&crate::Activity| it.element == element && it.phase == crate::Phase::Enabled { chosen: false };
        self.instance.activities().find(free).unwrap_or_else(|| panic!("'{word}' is not enabled")).id
    }

    fn revise(&self, task: &str, revision: TaskRevision) -> Input {
        Input::ReviseTask { wait: self.task(task), revision }
    }

    fn returned(&self, outcome: DelegateOutcome) -> Input {
        let wait = self.calls.last().expect("a delegate was called").wait;
        Input::DelegateReturned { wait, outcome }
    }

    /// Of an element that is active or, as `#12`, of an activity instance.
    fn scope(&self, word: &str) -> ActivityId {
        if let Some(number) = word.strip_prefix('#') {
            return ActivityId(number.parse().expect("a number"));
        }
        let element = self.find(word);
        self.instance.activities().find(|it| it.element == element).expect("it is active").id
    }

    /// Of an element that is active or, as `#12`, of an activity instance.
    fn variables(&mut self, word: &str) {
        let scope = self.scope(word);
        let visible = show_variables(&self.instance.visible_variables(scope));
        writeln!(self.trace, "  {visible}").expect("text grows");
    }

    fn leaves(&mut self) {
        for leaf in self.instance.leaves(self.definition) {
            let state = match leaf.state {
                LeafState::Message { name, correlation_key, .. } => format!("message '{name}'{}", under(correlation_key.as_deref())),
                LeafState::Signal { name, .. } => format!("signal '{name}'"),
                LeafState::Condition { .. } => "condition".into(),
                LeafState::Task { assignee, .. } => format!("task of {}", assignee.as_deref().unwrap_or("nobody")),
                LeafState::ExternalTask { topic, retries, .. } => match retries {
                    Some(retries) => format!("external task '{topic}', {retries} left"),
                    None => format!("external task '{topic}'"),
                },
                LeafState::Called { process, .. } => format!("called instance of '{process}'"),
                LeafState::Timer { due, .. } => format!("timer due {due}"),
                LeafState::Job { attempt, retries, due, .. } => format!("job, attempt {attempt}, {retries} left, due {due}"),
                LeafState::Incident { incident } => format!("incident {}", incident.0),
                LeafState::Join { missing } => {
                    let missing: Vec<_> = missing.iter().map(|flow| &*self.definition.flow(*flow).id).collect();
                    format!("join, missing {}", missing.join(", "))
                }
                LeafState::Events { events } => {
                    let events: Vec<_> = events.iter().map(|event| self.id(*event)).collect();
                    format!("the first of {}", events.join(", "))
                }
                LeafState::Enabled { chosen } => if chosen { "waits its turn" } else { "may begin" }.into(),
                LeafState::Running => "running".into(),
                LeafState::Suspended => "suspended".into(),
            };
            let until = leaf.until.map(|until| format!(" until {until}")).unwrap_or_default();
            writeln!(self.trace, "  {} #{}: {state}{until}", self.id(leaf.element), leaf.activity.0).expect("text grows");
        }
    }

    fn id(&self, element: ElementIndex) -> &'a str {
        &self.definition.element(element).id
    }

    fn show(&self, effect: &Effect) -> String {
        match effect {
            Effect::CallDelegate(call) => {
                let (id, wait) = (self.id(call.element), call.wait.0);
                let visible = show_variables(&call.variables);
                let listener = call.listener.map(|event| format!(" {}", event.as_str())).unwrap_or_default();
                let given = call.fields.iter().map(|(name, value)| format!(" {name}={value}")).collect::<Vec<_>>().concat();
                format!("call{listener} {id} !{wait} attempt {}, {} left {visible}{given}", call.attempt, call.retries_left)
            }
            Effect::CallProcess(call) => {
                let (id, wait, passed) = (self.id(call.element), call.wait.0, show_variables(&call.variables));
                let of = call.tenant.as_ref().map(|tenant| format!(" of {tenant}")).unwrap_or_default();
                let key = call.business_key.as_ref().map(|key| format!(" key {key}")).unwrap_or_default();
                format!("process call {id} !{wait} '{}' {:?}{of}{key} {passed}", call.process, call.version)
            }
            Effect::EndCalled { wait, ending } => show_ending(wait.0, ending),
            Effect::TellCaller { wait, report, .. } => {
                format!("tell caller !{}: {} {:?} {}", wait.0, report.number, report.news, show_variables(&report.variables))
            }
            Effect::PutJob(job) => {
                let exclusive = if job.exclusive { "" } else { " not exclusive" };
                let priority = Some(job.priority).filter(|it| *it != 0).map(|it| format!(" priority {it}")).unwrap_or_default();
                let suspended = if job.suspended { " suspended" } else { "" };
                let (id, wait, due, left, failures) = (self.id(job.element), job.wait.0, job.due, job.retries, job.failures);
                format!("job {:?} {id} !{wait} due {due}, {left} left, {failures} failed{exclusive}{priority}{suspended}", job.kind)
            }
            Effect::PutTask(task) => {
                let mut due = task.due.map(|due| format!(" due {due}")).unwrap_or_default();
                due += &task.follow_up.map(|from| format!(" follow up {from}")).unwrap_or_default();
                due += &task.name.as_ref().map(|name| format!(" name '{name}'")).unwrap_or_default();
                due += &task.description.as_ref().map(|text| format!(" description '{text}'")).unwrap_or_default();
                due += &task.form_key.as_ref().map(|key| format!(" form '{key}'")).unwrap_or_default();
                due += &Some(task.priority).filter(|it| *it != 50).map(|it| format!(" priority {it}")).unwrap_or_default();
                let (id, wait, users, groups) = (self.id(task.element), task.wait.0, &task.candidate_users, &task.candidate_groups);
                let owned = task.owner.as_ref().map(|owner| format!(" owner {owner}")).unwrap_or_default();
                let delegated = task.delegation.map(|it| format!(" {}", it.as_str())).unwrap_or_default();
                let of = task.assignee.as_deref().unwrap_or("nobody");
                format!("task {id} !{wait} of {of}{owned}{delegated} users {users:?} groups {groups:?}{due}")
            }
            Effect::PutExternalTask(task) => {
                let (id, wait, topic, priority) = (self.id(task.element), task.wait.0, &task.topic, task.priority);
                let failed = task.retries.map(|left| format!(", {left} left, {} failed", task.failures)).unwrap_or_default();
                let failure = task.failure.as_ref().map(|it| format!(": {it}")).unwrap_or_default();
                format!("external task {id} !{wait} '{topic}' priority {priority}{failed}{failure}")
            }
            Effect::RemoveExternalTask(wait) => format!("external task !{} gone", wait.0),
            Effect::PutSubscription(it) => {
                let (id, wait, name) = (self.id(it.element), it.wait.0, &it.name);
                match it.kind {
                    SubscriptionKind::Message => format!("subscription {id} !{wait} '{name}'{}", under(it.correlation_key.as_deref())),
                    SubscriptionKind::Signal => format!("signal subscription {id} !{wait} '{name}'"),
                    SubscriptionKind::Condition => format!("condition {id} !{wait}"),
                }
            }
            Effect::ThrowSignal(it) => {
                let key = it.business_key.as_ref().map(|key| format!(" for '{key}'")).unwrap_or_default();
                format!("signal '{}' thrown{key} {}", it.name, show_variables(&it.variables))
            }
            Effect::SendMessage(it) => {
                let to = it.to.element.as_ref().map(|element| format!("/{element}")).unwrap_or_default();
                let key = it.business_key.as_ref().map(|key| format!(" for '{key}'")).unwrap_or_default();
                let under = under(it.correlation_key.as_deref());
                format!("message '{}' to {}{to}{key}{under} {}", it.name, it.to.process, show_variables(&it.variables))
            }
            Effect::RemoveJob(wait) => format!("job !{} gone", wait.0),
            Effect::RemoveTask(wait) => format!("task !{} gone", wait.0),
            Effect::RemoveSubscription(wait) => format!("subscription !{} gone", wait.0),
            Effect::RaiseIncident(it) => {
                let job = it.wait.map(|wait| format!(" of !{}", wait.0)).unwrap_or_default();
                let failed =
                    it.failed.filter(|failed| *failed != it.element).map(|failed| format!(" for {}", self.id(failed))).unwrap_or_default();
                format!("incident {}{job} at {}{failed}, attempt {}: {}: {}", it.id.0, self.id(it.element), it.attempt, it.code, it.message)
            }
            Effect::ResolveIncident(id) => format!("incident {} resolved", id.0),
            Effect::DeleteIncident(id) => format!("incident {} deleted", id.0),
            Effect::SetSuspended(suspended) => format!("suspended: {suspended}"),
            Effect::Record(event) => self.show_event(event),
            Effect::End => "end".into(),
        }
    }

    fn show_event(&self, event: &HistoryEvent) -> String {
        let scope = |scope: &ActivityId| if *scope == self.instance.root() { String::new() } else { format!(" in #{}", scope.0) };
        match event {
            HistoryEvent::InstanceStarted { element } => format!("started at {}", self.id(*element)),
            HistoryEvent::InstanceEnded { state, reason } => {
                format!("ended: {state:?}{}", reason.as_ref().map(|it| format!(" ({it})")).unwrap_or_default())
            }
            HistoryEvent::ActivityStarted { activity, parent, element, body } => {
                let body = if *body { " body" } else { "" };
                format!("+ {}{body} #{}{}", self.id(*element), activity.0, scope(parent))
            }
            HistoryEvent::ActivityEnded { activity, end } => {
                format!("- #{}{}", activity.0, if *end == ActivityEnd::Canceled { " canceled" } else { "" })
            }
            HistoryEvent::ProcessCalled { activity, .. } => format!("#{} calls", activity.0),
            HistoryEvent::VariableSet { scope: of, name, value } => format!("{name} = {}{}", value.json, scope(of)),
            HistoryEvent::VariableRemoved { scope: of, name } => format!("{name} removed{}", scope(of)),
        }
    }
}

fn under(correlation_key: Option<&str>) -> String {
    correlation_key.map(|key| format!(" under '{key}'")).unwrap_or_default()
}

fn numbered(word: &str) -> Option<WaitId> {
    word.strip_prefix('!').map(|number| WaitId(number.parse().expect("a number")))
}

fn failure(json: &str) -> Failure {
    let retry = match json.split_once(' ') {
        _ if json == "never" => Retry::Never,
        Some(("after", ms)) => Retry::AfterMs(ms.parse().expect("milliseconds")),
        _ => Retry::ByPolicy,
    };
    Failure::of_unit(crate::Code::DelegateFailed, "it broke".into(), retry)
}

fn show_variables(variables: &Variables) -> String {
    let shown: Vec<_> = variables.iter().map(|(name, value)| format!("{name}: {}", value.json)).collect();
    format!("{{{}}}", shown.join(", "))
}
