//! Random models out of blocks. Each block has one way in and one way out; some have doors of their own (boundary events, ends).

use std::fmt::Write as _;

use crate::random::Random;

mod calls;
mod compensation;
mod events;
mod gateways;
mod listeners;
mod messages;
mod signals;
mod standard;
mod starts;
mod tasks;

/// How deep blocks stand inside blocks.
const MAX_DEPTH: usize = 4;

pub(crate) struct Models<'a> {
    random: &'a mut Random,
    next: u32,
    xml: String,
    /// How many event sub-processes are around what is being written.
    watching: u32,
    message_flows: String,
}

/// A block's first and last element.
struct Block {
    first: String,
    last: String,
}

/// What tells waits for a message apart. It gives a text whatever `x` is.
const KEY: &str =
    "<extensionElements><zeebe:subscription correlationKey='= if x = null then \"none\" else string(x)'/></extensionElements>";

/// The same by the standard's two properties: in the process, and beside it. A message may bring a `topic` instead of an `x`.
const SUBSCRIPTION: &str = "<correlationSubscription correlationKeyRef='key'><correlationPropertyBinding correlationPropertyRef='one'><dataPath>= if x = null \
    then \"none\" else string(x)</dataPath></correlationPropertyBinding><correlationPropertyBinding correlationPropertyRef='two'><dataPath>= 1</dataPath>\
    </correlationPropertyBinding></correlationSubscription>";
const PROPERTIES: &str = "<correlationProperty id='one'><correlationPropertyRetrievalExpression messageRef='msg2'><messagePath>= if topic = null then x else topic</messagePath>\
    </correlationPropertyRetrievalExpression></correlationProperty><correlationProperty id='two'><correlationPropertyRetrievalExpression messageRef='msg2'>\
    <messagePath>= 1</messagePath></correlationPropertyRetrievalExpression></correlationProperty><collaboration id='talk'><correlationKey id='key'>\
    <correlationPropertyRef>one</correlationPropertyRef><correlationPropertyRef>two</correlationPropertyRef></correlationKey></collaboration>";

/// A BPMN file with one process and, now and then, a global task.
pub(crate) fn random_model(random: &mut Random) -> String {
    // Small models are driven further than large ones.
    let depth = random.below(MAX_DEPTH);
    let mut models = Models { random, next: 0, xml: String::new(), watching: 0, message_flows: String::new() };
    let start = models.beginning();
    let body = models.sequence(depth, false);
    models.flow(&start, &body.first);
    let mut last = body.last;
    if models.random.one_in(2) {
        let throw = models.compensation();
        models.flow(&last, &throw.first);
        last = throw.last;
    }
    models.end(&last);
    models.event_sub_processes(depth);
    let (listeners, global_task) = (models.listeners(), models.global_task());
    let (key, subscription, properties) = if models.random.one_in(2) { (KEY, "", "") } else { ("", SUBSCRIPTION, PROPERTIES) };
    format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xmlns:camunda='http://camunda.org/schema/1.0/bpmn' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' targetNamespace='test'>\
         <message id='msg' name='message'>{KEY}</message><message id='msg2' name='other'>{key}</message><message id='msg3' name='third'/><message id='msg4' name='fourth'/>\
         <message id='byKey' name='message-${{x}}'/><messageEventDefinition id='reused' messageRef='msg'/>\
         <escalationEventDefinition id='noticed' escalationRef='x2'/><signalEventDefinition id='alarmed' signalRef='sig2'/><error id='e1' name='e1' errorCode='E1'/><error id='e2' name='e2' errorCode='E2'/>\
         <escalation id='x1' name='x1' escalationCode='X1'/><escalation id='x2' name='x2' escalationCode='X2'/>\
         <signal id='sig' name='signal'/><signal id='sig2' name='second'/><signal id='sig3' name='third'/><signal id='sig4' name='fourth'/>\
         {properties}<process id='p' isExecutable='true'><extensionElements>{listeners}</extensionElements>{subscription}{}</process>{global_task}{}\
         </definitions>",
        models.xml,
        models.participants()
    )
}

impl Models<'_> {
    fn id(&mut self, kind: &str) -> String {
        self.next += 1;
        format!("{kind}{}", self.next)
    }

    fn element(&mut self, xml: &str) {
        self.xml += xml;
    }

    fn flow(&mut self, from: &str, to: &str) -> String {
        self.conditional(from, to, None)
    }

    fn conditional(&mut self, from: &str, to: &str, condition: Option<&str>) -> String {
        let id = self.id("flow");
        let listener = self.take_listener();
        write!(self.xml, "<sequenceFlow id='{id}' sourceRef='{from}' targetRef='{to}'>").expect("text grows");
        if !listener.is_empty() {
            write!(self.xml, "<extensionElements>{listener}</extensionElements>").expect("text grows");
        }
        if let Some(condition) = condition {
            write!(self.xml, "<conditionExpression xsi:type='tFormalExpression'>{condition}</conditionExpression>").expect("text grows");
        }
        self.xml += "</sequenceFlow>";
        id
    }

    fn end(&mut self, from: &str) {
        let end = self.id("end");
        let (held, listeners, result) = (self.asynchronous(), self.listeners(), self.result(&end));
        self.element(&format!("<endEvent id='{end}'{held}><extensionElements>{listeners}</extensionElements>{result}</endEvent>"));
        self.flow(from, &end);
    }

    /// Attributes that end units, now and then.
    fn asynchronous(&mut self) -> &'static str {
        match self.random.below(9) {
            0 => " camunda:asyncBefore='true' camunda:jobPriority='${x}'",
            1 => " camunda:asyncAfter='true'",
            2 => " camunda:asyncBefore='true' camunda:asyncAfter='true' camunda:exclusive='false'",
            _ => "",
        }
    }

    fn sequence(&mut self, depth: usize, inside: bool) -> Block {
        let first = self.block(depth, inside);
        let mut last = first.last;
        for _ in 0..self.random.below(3) {
            let next = self.block(depth, inside);
            self.flow(&last, &next.first);
            last = next.last;
        }
        Block { first: first.first, last }
    }

    /// `inside` a sub-process, errors may be thrown and scopes terminated.
    fn block(&mut self, depth: usize, inside: bool) -> Block {
        // Blocks that stand for themselves come first: they go anywhere.
        let kinds = if depth < MAX_DEPTH { 29 } else { 12 };
        match self.random.below(kinds) {
            0 if !self.random.one_in(3) => self.call_activity(depth, inside),
            0 => {
                let kind = ["task", "manualTask"][self.random.below(2)];
                self.several(kind, "", depth)
            }
            1 | 2 => self.service(depth, inside),
            3 => self.user_task(depth, inside),
            4 => self.several("receiveTask", " messageRef='msg'", depth),
            5 => self.catch_message(),
            6 => self.catch_timer(),
            7 => self.external_task(depth, inside),
            8 => self.throw(),
            9 if self.random.one_in(2) => self.expression(depth),
            9 => self.single("intermediateThrowEvent", ""),
            10 => self.compensation(),
            11 => self.signal_or_condition(),
            12 => self.decision(depth, inside),
            13 | 14 => self.parallel(depth, inside),
            15 => self.repeat(depth, inside),
            16 | 17 => self.sub_process(depth),
            18 => self.early_end(inside),
            19 => self.first_event(depth, inside),
            20 => self.choices(depth, inside),
            21 | 22 => self.inclusive(depth, inside),
            23 => self.linked(depth, inside),
            24..=26 => self.standard(depth, inside),
            27 => self.early_end(inside),
            _ if self.random.one_in(3) => self.deadlock(depth, inside),
            _ => self.uncontrolled_merge(),
        }
    }

    fn sub_process(&mut self, depth: usize) -> Block {
        let id = self.id("sub");
        let outside = std::mem::take(&mut self.xml);
        let body = if self.random.one_in(5) {
            // Without a start event: two things begin.
            self.single("userTask", "");
            let first = self.single("task", "").last;
            let rest = self.sequence(depth + 1, true);
            self.flow(&first, &rest.first);
            Block { first, ..rest }
        } else {
            let start = self.id("start");
            self.element(&format!("<startEvent id='{start}'/>"));
            let body = self.sequence(depth + 1, true);
            self.flow(&start, &body.first);
            body
        };
        let body = if self.random.one_in(4) {
            let end = self.early_end(true);
            self.flow(&body.last, &end.first);
            end
        } else {
            body
        };
        let is_transaction = self.random.one_in(2);
        if is_transaction {
            self.cancel_or_end(&body.last);
        } else {
            self.end(&body.last);
        }
        self.event_sub_processes(depth + 1);
        let undoes_itself = self.compensation_event_sub_process();
        let inside = std::mem::replace(&mut self.xml, outside);
        let held = self.asynchronous();
        let mapping = if self.random.one_in(2) {
            "<camunda:inputOutput><camunda:inputParameter name='local'>${x}</camunda:inputParameter>\
             <camunda:outputParameter name='seen'>= local</camunda:outputParameter></camunda:inputOutput>"
        } else {
            ""
        };
        // Not at every depth: instances of instances of instances never end.
        let often = if depth < 2 { self.multi_instance(MAX_DEPTH) } else { String::new() };
        let kind = if is_transaction { "transaction" } else { "subProcess" };
        let listeners = self.listeners();
        self.element(&format!(
            "<{kind} id='{id}'{held}><extensionElements>{mapping}{listeners}</extensionElements>{often}{inside}</{kind}>"
        ));
        if is_transaction && let Some(last) = self.boundary(&id, depth, false, "", "<cancelEventDefinition/>") {
            self.end(&last);
        }
        if !undoes_itself {
            self.compensated(&id);
        }
        let block = self.with_boundary_events(id, depth, false);
        if undoes_itself && self.random.one_in(2) {
            let throw = self.compensation();
            self.flow(&block.last, &throw.first);
            return Block { last: throw.last, ..block };
        }
        block
    }
}
