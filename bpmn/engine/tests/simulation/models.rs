//! Random models out of blocks. Each block has one way in and one way out; some have doors of their own (boundary events, ends).

use std::fmt::Write as _;

use mandate_engine::limits::MAX_INLINE_ACTIVITIES;

use crate::random::Random;

/// How deep blocks stand inside blocks.
const MAX_DEPTH: usize = 4;

pub(crate) struct Models<'a> {
    random: &'a mut Random,
    next: u32,
    xml: String,
    /// How many event sub-processes are around what is being written.
    watching: u32,
}

/// A block's first and last element.
struct Block {
    first: String,
    last: String,
}

/// A BPMN file with one process, whose start event is `s`.
pub(crate) fn random_model(random: &mut Random) -> String {
    let mut models = Models { random, next: 0, xml: String::new(), watching: 0 };
    let start = "s".to_owned();
    let held = models.asynchronous();
    models.element(&format!("<startEvent id='s'{held}/>"));
    let body = models.sequence(0, false);
    models.flow(&start, &body.first);
    models.end(&body.last);
    models.event_sub_processes(0);
    format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xmlns:camunda='http://camunda.org/schema/1.0/bpmn' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' targetNamespace='test'>\
         <message id='msg' name='message'/><message id='msg2' name='other'/><error id='e1' name='e1' errorCode='E1'/><error id='e2' name='e2' errorCode='E2'/>\
         <escalation id='x1' name='x1' escalationCode='X1'/><escalation id='x2' name='x2' escalationCode='X2'/>\
         <process id='p' isExecutable='true'>{}</process></definitions>",
        models.xml
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
        write!(self.xml, "<sequenceFlow id='{id}' sourceRef='{from}' targetRef='{to}'>").expect("text grows");
        if let Some(condition) = condition {
            write!(self.xml, "<conditionExpression xsi:type='tFormalExpression'>{condition}</conditionExpression>").expect("text grows");
        }
        self.xml += "</sequenceFlow>";
        id
    }

    fn end(&mut self, from: &str) {
        let end = self.id("end");
        let held = self.asynchronous();
        self.element(&format!("<endEvent id='{end}'{held}/>"));
        self.flow(from, &end);
    }

    /// Attributes that end units, now and then.
    fn asynchronous(&mut self) -> &'static str {
        match self.random.below(9) {
            0 => " camunda:asyncBefore='true'",
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
        let kinds = if depth < MAX_DEPTH { 23 } else { 10 };
        match self.random.below(kinds) {
            0 => self.several("task", "", depth),
            1 | 2 => self.service(depth, inside),
            3 => self.user_task(depth, inside),
            4 => self.several("receiveTask", " messageRef='msg'", depth),
            5 => self.catch("<messageEventDefinition messageRef='msg'/>"),
            6 => self.catch("<timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>"),
            7 => self.external_task(depth, inside),
            8 => self.throw(),
            9 => self.single("intermediateThrowEvent", ""),
            10 => self.decision(depth, inside),
            11 | 12 => self.parallel(depth, inside),
            13 => self.repeat(depth, inside),
            14 | 15 => self.sub_process(depth),
            16 => self.early_end(inside),
            17 => self.first_event(depth, inside),
            18 => self.choices(depth, inside),
            19 | 20 => self.inclusive(depth, inside),
            21 => self.linked(depth, inside),
            _ if self.random.one_in(3) => self.deadlock(depth, inside),
            _ => self.uncontrolled_merge(),
        }
    }

    fn single(&mut self, kind: &str, attributes: &str) -> Block {
        let id = self.id(kind);
        let held = self.asynchronous();
        self.element(&format!("<{kind} id='{id}'{attributes}{held}/>"));
        Block { first: id.clone(), last: id }
    }

    /// A task that may run several times.
    fn several(&mut self, kind: &str, attributes: &str, depth: usize) -> Block {
        let id = self.id(kind);
        let (held, often) = (self.asynchronous(), self.multi_instance(depth));
        self.element(&format!("<{kind} id='{id}'{attributes}{held}>{often}</{kind}>"));
        Block { first: id.clone(), last: id }
    }

    /// Now and then, loop characteristics: in sequence or parallel, by number or list, to the end or until something is true.
    fn multi_instance(&mut self, depth: usize) -> String {
        if !self.random.one_in(4) {
            return String::new();
        }
        let sequential = ["true", "false"][self.random.below(2)];
        let held = self.asynchronous();
        let (over, often) = match self.random.below(8) {
            0 => ("", "<loopCardinality>2</loopCardinality>"),
            1 => ("", "<loopCardinality>= if x = null then 2 else x</loopCardinality>"),
            // So many that they are stored apart, if there are not many of each of them.
            2 if depth == 0 => ("", "<loopCardinality>${20}</loopCardinality>"),
            // None is 1: what loops while it is would loop for ever in an instance that nobody can correct before it begins.
            3 => (" camunda:collection='= [0, 2, 3]' camunda:elementVariable='x'", ""),
            4 => (" camunda:collection='= [x, 1]' camunda:elementVariable='item'", "<loopCardinality>2</loopCardinality>"),
            5 => (" camunda:collection='= [1, 2]'", "<loopDataOutputRef>seen</loopDataOutputRef><outputDataItem name='x'/>"),
            6 => (
                "",
                "<extensionElements><zeebe:loopCharacteristics inputCollection='= [x, 1]' inputElement='item' outputCollection='seen' \
                 outputElement='= item'/></extensionElements>",
            ),
            _ => (" camunda:collection='= [x, &quot;y&quot;, null]' camunda:elementVariable='item'", ""),
        };
        let until = match self.random.below(5) {
            0 if often.contains("zeebe") => "<completionCondition>= numberOfCompletedInstances >= 2</completionCondition>",
            0 => "<completionCondition>${nrOfCompletedInstances >= 2}</completionCondition>",
            1 => "<completionCondition>= x = 2 or loopCounter = 1</completionCondition>",
            _ => "",
        };
        format!(
            "<multiInstanceLoopCharacteristics isSequential='{sequential}'{over}{held}>{often}{until}</multiInstanceLoopCharacteristics>"
        )
    }

    fn catch(&mut self, trigger: &str) -> Block {
        let id = self.id("catch");
        let held = self.asynchronous();
        self.element(&format!("<intermediateCatchEvent id='{id}'{held}>{trigger}</intermediateCatchEvent>"));
        Block { first: id.clone(), last: id }
    }

    /// Two event sub-processes that escalate to each other would do so for ever: inside of one only an early end escalates.
    fn throw(&mut self) -> Block {
        let id = self.id("throw");
        let held = self.asynchronous();
        let results = [
            "<messageEventDefinition camunda:class='sender'/>",
            "<escalationEventDefinition escalationRef='x1'/>",
            "<escalationEventDefinition escalationRef='x2'/>",
        ];
        let result = results[if self.watching > 0 { 0 } else { self.random.below(results.len()) }];
        self.element(&format!("<intermediateThrowEvent id='{id}'{held}>{result}</intermediateThrowEvent>"));
        Block { first: id.clone(), last: id }
    }

    fn service(&mut self, depth: usize, inside: bool) -> Block {
        let id = self.id("service");
        let held = self.asynchronous();
        let retries = match self.random.below(4) {
            0 => "<camunda:failedJobRetryTimeCycle>R2/PT10S</camunda:failedJobRetryTimeCycle>",
            1 => "<camunda:failedJobRetryTimeCycle>PT1S,PT1M,PT1H</camunda:failedJobRetryTimeCycle>",
            _ => "",
        };
        let mapping = if self.random.one_in(4) {
            "<camunda:inputOutput><camunda:inputParameter name='given'>= x</camunda:inputParameter>\
             <camunda:outputParameter name='x'>= x</camunda:outputParameter></camunda:inputOutput>"
        } else {
            ""
        };
        let often = self.multi_instance(depth);
        self.element(&format!(
            "<serviceTask id='{id}' camunda:class='worker'{held}><extensionElements>{retries}{mapping}</extensionElements>{often}</serviceTask>"
        ));
        self.with_boundary_events(id, depth, inside)
    }

    fn user_task(&mut self, depth: usize, inside: bool) -> Block {
        let block = self.several("userTask", " camunda:candidateGroups='clerks'", depth);
        self.with_boundary_events(block.first, depth, inside)
    }

    fn external_task(&mut self, depth: usize, inside: bool) -> Block {
        let priority = ["", " camunda:taskPriority='${x}'"][self.random.below(2)];
        let block = self.several("serviceTask", &format!(" camunda:type='external' camunda:topic='outside'{priority}"), depth);
        self.with_boundary_events(block.first, depth, inside)
    }

    /// Boundary events whose paths end by themselves or come back behind the activity.
    fn with_boundary_events(&mut self, host: String, depth: usize, inside: bool) -> Block {
        let mut back = Vec::new();
        if self.random.one_in(3) {
            let cancel = if self.random.one_in(2) { "true" } else { "false" };
            let timer = "<timerEventDefinition><timeDuration>PT5M</timeDuration></timerEventDefinition>";
            back.extend(self.boundary(&host, depth, inside, &format!(" cancelActivity='{cancel}'"), timer));
        }
        // Not at any depth: with one more way on, paths behind boundary events would never end.
        if depth <= MAX_DEPTH && self.random.one_in(4) {
            let cancel = if self.random.one_in(2) { "true" } else { "false" };
            let triggers = ["<messageEventDefinition messageRef='msg'/>", "<escalationEventDefinition escalationRef='x1'/>"];
            // Only in some activities can anything throw an escalation.
            let escalates = host.starts_with("sub") || host.starts_with("userTask");
            let trigger = if escalates { triggers[self.random.below(2)] } else { triggers[0] };
            back.extend(self.boundary(&host, depth, inside, &format!(" cancelActivity='{cancel}'"), trigger));
        }
        if self.random.one_in(2) {
            let catch = ["<errorEventDefinition errorRef='e1'/>", "<errorEventDefinition/>"][self.random.below(2)];
            back.extend(self.boundary(&host, depth, inside, "", catch));
        }
        if back.is_empty() {
            return Block { first: host.clone(), last: host };
        }
        let merge = self.single("exclusiveGateway", "").last;
        self.flow(&host, &merge);
        for path in back {
            self.flow(&path, &merge);
        }
        Block { first: host, last: merge }
    }

    /// The last element of the path behind the event, if it is to come back.
    fn boundary(&mut self, host: &str, depth: usize, inside: bool, attributes: &str, trigger: &str) -> Option<String> {
        let id = self.id("boundary");
        let held = if self.random.one_in(6) { " camunda:asyncBefore='true'" } else { "" };
        self.element(&format!("<boundaryEvent id='{id}' attachedToRef='{host}'{attributes}{held}>{trigger}</boundaryEvent>"));
        let path = self.sequence(depth.max(MAX_DEPTH - 1) + 1, inside);
        self.flow(&id, &path.first);
        if self.random.one_in(2) {
            return Some(path.last);
        }
        self.end(&path.last);
        None
    }

    fn decision(&mut self, depth: usize, inside: bool) -> Block {
        let (split, merge) = (self.id("split"), self.id("merge"));
        let mut branches = Vec::new();
        for n in 1..=1 + self.random.below(2) {
            let branch = self.sequence(depth + 1, inside);
            branches.push(self.conditional(&split, &branch.first, Some(&format!("= x = {n}"))));
            self.flow(&branch.last, &merge);
        }
        let default = self.flow(&split, &merge);
        let held = self.asynchronous();
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'{held}/><exclusiveGateway id='{merge}'/>"));
        Block { first: split, last: merge }
    }

    fn parallel(&mut self, depth: usize, inside: bool) -> Block {
        let (fork, join) = (self.id("fork"), self.id("join"));
        // Now and then so wide that some branches are stored apart, and then each is one element.
        let wide = depth == 0 && self.random.one_in(20);
        let branches = if wide { MAX_INLINE_ACTIVITIES + 4 } else { 2 + self.random.below(2) };
        for _ in 0..branches {
            let branch = if wide { self.block(MAX_DEPTH, inside) } else { self.sequence(depth + 1, inside) };
            self.flow(&fork, &branch.first);
            self.flow(&branch.last, &join);
        }
        let (held, held_too) = (self.asynchronous(), self.asynchronous());
        self.element(&format!("<parallelGateway id='{fork}'{held}/><parallelGateway id='{join}'{held_too}/>"));
        Block { first: fork, last: join }
    }

    fn repeat(&mut self, depth: usize, inside: bool) -> Block {
        let (head, tail) = (self.id("head"), self.id("tail"));
        let body = self.sequence(depth + 1, inside);
        self.flow(&head, &body.first);
        self.flow(&body.last, &tail);
        self.conditional(&tail, &head, Some("${x == 1}"));
        let out = self.single("task", "");
        let default = self.flow(&tail, &out.first);
        let merge = ["exclusiveGateway", "inclusiveGateway"][self.random.below(2)];
        self.element(&format!("<{merge} id='{head}'/><exclusiveGateway id='{tail}' default='{default}'/>"));
        Block { first: head, last: out.last }
    }

    fn sub_process(&mut self, depth: usize) -> Block {
        let id = self.id("sub");
        let outside = std::mem::take(&mut self.xml);
        let start = self.id("start");
        self.element(&format!("<startEvent id='{start}'/>"));
        let body = self.sequence(depth + 1, true);
        self.flow(&start, &body.first);
        self.end(&body.last);
        self.event_sub_processes(depth + 1);
        let inside = std::mem::replace(&mut self.xml, outside);
        let held = self.asynchronous();
        let mapping = if self.random.one_in(2) {
            "<extensionElements><camunda:inputOutput><camunda:inputParameter name='local'>${x}</camunda:inputParameter>\
             <camunda:outputParameter name='seen'>= local</camunda:outputParameter></camunda:inputOutput></extensionElements>"
        } else {
            ""
        };
        // Not at every depth: instances of instances of instances never end.
        let often = if depth < 2 { self.multi_instance(MAX_DEPTH) } else { String::new() };
        self.element(&format!("<subProcess id='{id}'{held}>{mapping}{often}{inside}</subProcess>"));
        self.with_boundary_events(id, depth, false)
    }

    /// What watches the scope that is being written: at most one for each kind of trigger.
    fn event_sub_processes(&mut self, depth: usize) {
        let triggers = [
            "<messageEventDefinition messageRef='msg2'/>",
            "<timerEventDefinition><timeDuration>PT2M</timeDuration></timerEventDefinition>",
            "<errorEventDefinition errorRef='e1'/>",
            "<errorEventDefinition/>",
            "<escalationEventDefinition escalationRef='x1'/>",
            "<escalationEventDefinition/>",
        ];
        for trigger in triggers {
            if !self.random.one_in(5) {
                continue;
            }
            let interrupting = trigger.contains("error") || self.random.one_in(2);
            let (id, start) = (self.id("event"), self.id("start"));
            let (held, held_inside) = (self.asynchronous(), self.asynchronous());
            let outside = std::mem::take(&mut self.xml);
            self.element(&format!("<startEvent id='{start}' isInterrupting='{interrupting}'{held_inside}>{trigger}</startEvent>"));
            self.watching += 1;
            let body = self.sequence(depth.max(MAX_DEPTH - 1) + 1, true);
            self.flow(&start, &body.first);
            self.end(&body.last);
            self.watching -= 1;
            if self.random.one_in(4) && depth < MAX_DEPTH {
                self.event_sub_processes(MAX_DEPTH);
            }
            let inside = std::mem::replace(&mut self.xml, outside);
            self.element(&format!("<subProcess id='{id}' triggeredByEvent='true'{held}>{inside}</subProcess>"));
        }
    }

    /// A decision that ends here or goes on.
    fn early_end(&mut self, inside: bool) -> Block {
        let (split, end) = (self.id("split"), self.id("end"));
        let result = match self.random.below(6) {
            4 => "<escalationEventDefinition escalationRef='x2'/>",
            5 => "<messageEventDefinition camunda:type='external' camunda:topic='outside'/>",
            0 if inside => "<errorEventDefinition errorRef='e1'/>",
            1 if inside => "<errorEventDefinition errorRef='e2'/>",
            2 => "<terminateEventDefinition/>",
            _ => "",
        };
        self.element(&format!("<endEvent id='{end}'>{result}</endEvent>"));
        self.conditional(&split, &end, Some("= x = 2"));
        let on = self.single("task", "");
        let default = self.flow(&split, &on.first);
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'/>"));
        Block { first: split, last: on.last }
    }

    /// An inclusive fork or, now and then, another, and a join that waits for what comes: some branches end by themselves.
    fn inclusive(&mut self, depth: usize, inside: bool) -> Block {
        let (fork, join) = (self.id("fork"), self.id("join"));
        let kind = ["inclusiveGateway", "inclusiveGateway", "exclusiveGateway", "task"][self.random.below(4)];
        for condition in ["= x = 1", "= x > 0", "${x == 3}"].into_iter().take(1 + self.random.below(3)) {
            let branch = self.sequence(depth + 1, inside);
            self.conditional(&fork, &branch.first, Some(condition));
            if self.random.one_in(6) {
                self.end(&branch.last);
            } else {
                self.flow(&branch.last, &join);
            }
        }
        let default = self.flow(&fork, &join);
        let (held, held_too) = (self.asynchronous(), self.asynchronous());
        self.element(&format!("<{kind} id='{fork}' default='{default}'{held}/><inclusiveGateway id='{join}'{held_too}/>"));
        Block { first: fork, last: join }
    }

    /// Two paths out of a decision, each of which goes on through a link to the same place.
    fn linked(&mut self, depth: usize, inside: bool) -> Block {
        let (split, catch) = (self.id("split"), self.id("link"));
        let mut default = String::new();
        for condition in [Some("= x = 1"), None] {
            let (path, throw) = (self.sequence(depth + 1, inside), self.id("throw"));
            default = self.conditional(&split, &path.first, condition);
            self.flow(&path.last, &throw);
            let link = format!("<linkEventDefinition name='{catch}'/>");
            self.element(&format!("<intermediateThrowEvent id='{throw}'>{link}</intermediateThrowEvent>"));
        }
        let link = format!("<linkEventDefinition name='{catch}'/>");
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'/>"));
        self.element(&format!("<intermediateCatchEvent id='{catch}'>{link}</intermediateCatchEvent>"));
        Block { first: split, last: catch }
    }

    /// Flows out of an activity: each whose condition is true, or the default flow. They meet at the next task, which runs for each.
    fn choices(&mut self, depth: usize, inside: bool) -> Block {
        let (task, merge) = (self.id("choose"), self.single("task", "").first);
        for condition in ["= x = 1", "= x > 0"] {
            let path = self.sequence(depth + 1, inside);
            self.conditional(&task, &path.first, Some(condition));
            self.flow(&path.last, &merge);
        }
        let default = self.flow(&task, &merge);
        let held = self.asynchronous();
        self.element(&format!("<userTask id='{task}' default='{default}'{held}/>"));
        Block { first: task, last: merge }
    }

    /// Messages and timers of which the first wins, each with a path of its own.
    fn first_event(&mut self, depth: usize, inside: bool) -> Block {
        let (gateway, merge) = (self.id("first"), self.id("merge"));
        let timer = "<timerEventDefinition><timeDuration>PT3M</timeDuration></timerEventDefinition>";
        for nth in 0..2 + self.random.below(2) {
            let event = match nth {
                0 if self.random.one_in(3) => self.single("receiveTask", " messageRef='msg'"),
                0 => self.catch("<messageEventDefinition messageRef='msg'/>"),
                _ => self.catch(timer),
            };
            self.flow(&gateway, &event.first);
            let path = self.sequence(depth + 1, inside);
            self.flow(&event.last, &path.first);
            self.flow(&path.last, &merge);
        }
        let held = if self.random.one_in(4) { " camunda:asyncBefore='true'" } else { "" };
        self.element(&format!("<eventBasedGateway id='{gateway}'{held}/><exclusiveGateway id='{merge}'/>"));
        Block { first: gateway, last: merge }
    }

    /// A mistake that modellers make: alternatives that meet at a parallel gateway.
    fn deadlock(&mut self, depth: usize, inside: bool) -> Block {
        let (split, join) = (self.id("split"), self.id("join"));
        let branch = self.sequence(depth + 1, inside);
        self.conditional(&split, &branch.first, Some("= x = 1"));
        self.flow(&branch.last, &join);
        let default = self.flow(&split, &join);
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'/><parallelGateway id='{join}'/>"));
        Block { first: split, last: join }
    }

    /// Two flows out of a task that both go into the next one: it runs twice.
    fn uncontrolled_merge(&mut self) -> Block {
        let (one, two) = (self.single("task", ""), self.service(MAX_DEPTH, false));
        self.flow(&one.last, &two.first);
        self.flow(&one.last, &two.first);
        Block { first: one.first, last: two.last }
    }
}
