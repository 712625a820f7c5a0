//! What the standard has and Camunda 7 ignores or refuses.

use super::{Block, MAX_DEPTH, Models};

impl Models<'_> {
    pub(super) fn standard(&mut self, depth: usize, inside: bool) -> Block {
        match self.random.below(8) {
            7 => self.data(),
            0 => self.quantities(depth, inside),
            1 | 2 => self.complex(inside),
            3 => self.multiple(),
            4 | 5 => self.behavior(depth, inside),
            _ => self.ad_hoc(depth),
        }
    }

    /// The first of several events, or all of them; and several thrown at once.
    fn multiple(&mut self) -> Block {
        let all = ["true", "false"][self.random.below(2)];
        let timer = "<timerEventDefinition><timeDuration>PT2M</timeDuration></timerEventDefinition>";
        // In the end x is 0.
        let second = [
            "<conditionalEventDefinition><condition>= x > 2</condition></conditionalEventDefinition>",
            "<conditionalEventDefinition><condition>= x != 2</condition></conditionalEventDefinition>",
        ][usize::from(all == "true")];
        let [first, last] = ["catch", "throw"].map(|kind| self.id(kind));
        let held = self.asynchronous();
        self.element(&format!(
            "<intermediateCatchEvent id='{first}' parallelMultiple='{all}'{held}><messageEventDefinition messageRef='msg'/>\
             <conditionalEventDefinition><condition>= x = 0</condition></conditionalEventDefinition>{second}{timer}</intermediateCatchEvent><intermediateThrowEvent id='{last}'{held}>\
             <escalationEventDefinition escalationRef='x1'/><escalationEventDefinition escalationRef='x2'/></intermediateThrowEvent>"
        ));
        self.flow(&first, &last);
        Block { first, last }
    }

    /// Data that goes into a task and out of it, to what is the scope's own.
    fn data(&mut self) -> Block {
        let [id, object, input] = ["userTask", "object", "input"].map(|kind| self.id(kind));
        self.element(&format!(
            "<dataObject id='{object}'/><userTask id='{id}'><ioSpecification><dataInput id='{input}'/></ioSpecification>\
             <dataInputAssociation><sourceRef>{object}</sourceRef><targetRef>{input}</targetRef><transformation>= x</transformation>\
             </dataInputAssociation><dataOutputAssociation><targetRef>{object}</targetRef><assignment><from>{input}</from><to>{object}</to>\
             </assignment><assignment><from>= x + 1</from><to>seen</to></assignment></dataOutputAssociation></userTask>"
        ));
        Block { first: id.clone(), last: id }
    }

    /// Instances of an activity that throw something to a boundary event of it.
    fn behavior(&mut self, depth: usize, inside: bool) -> Block {
        let id = self.id("userTask");
        let (event, caught) = [
            ("noticed", "<escalationEventDefinition escalationRef='x2'/>"),
            ("alarmed", "<signalEventDefinition signalRef='sig2'/>"),
            ("reused", "<messageEventDefinition messageRef='msg'/>"),
        ][self.random.below(3)];
        let (attributes, complex) = match self.random.below(3) {
            0 => (format!(" behavior='None' noneBehaviorEventRef='{event}'"), String::new()),
            1 => (format!(" behavior='One' oneBehaviorEventRef='{event}'"), String::new()),
            _ => {
                let thrown = self.id("thrown");
                let event = format!("<event id='{thrown}'>{caught}</event>");
                let complex = format!("<complexBehaviorDefinition><condition>= x > 0</condition>{event}</complexBehaviorDefinition>");
                (" behavior='Complex'".to_owned(), complex)
            }
        };
        let sequential = ["true", "false"][self.random.below(2)];
        self.element(&format!(
            "<userTask id='{id}'><multiInstanceLoopCharacteristics isSequential='{sequential}'{attributes}><loopCardinality>3</loopCardinality>\
             {complex}</multiInstanceLoopCharacteristics></userTask>"
        ));
        let cancel = ["true", "false"][self.random.below(2)];
        if let Some(last) = self.boundary(&id, depth, inside, &format!(" cancelActivity='{cancel}'"), caught) {
            self.end(&last);
        }
        Block { first: id.clone(), last: id }
    }

    /// Some of several branches are enough, if they come; the others are awaited until they can't come any more.
    fn complex(&mut self, inside: bool) -> Block {
        let (fork, join) = (self.id("fork"), self.id("complex"));
        let kind = ["inclusiveGateway", "parallelGateway"][self.random.below(2)];
        for condition in ["= x &lt; 2", "= x > 0", "= x != 3"] {
            let branch = self.block(MAX_DEPTH, inside);
            self.conditional(&fork, &branch.first, Some(condition).filter(|_| kind == "inclusiveGateway"));
            if self.random.one_in(8) {
                self.end(&branch.last);
            } else {
                self.flow(&branch.last, &join);
            }
        }
        let default = if kind == "inclusiveGateway" { format!(" default='{}'", self.flow(&fork, &join)) } else { String::new() };
        let condition = ["= activationCount >= 2", "= activationCount >= 1", "${activationCount == 3 || x == 0}"][self.random.below(3)];
        let held = self.asynchronous();
        self.element(&format!(
            "<{kind} id='{fork}'{default}/><complexGateway id='{join}'{held}><activationCondition>{condition}</activationCondition></complexGateway>"
        ));
        let (late, last) = (self.single("task", ""), self.single("task", ""));
        self.conditional(&join, &late.first, Some("= not(waitingForStart) and x = 1"));
        self.flow(&late.last, &last.first);
        self.flow(&join, &last.first);
        Block { first: fork, last: last.last }
    }

    /// Activities in no order, some of which nobody may ever choose.
    fn ad_hoc(&mut self, depth: usize) -> Block {
        let id = self.id("adHoc");
        let outside = std::mem::take(&mut self.xml);
        let ways: Vec<_> = (0..2 + self.random.below(2)).map(|_| self.way(depth).first).collect();
        if depth < MAX_DEPTH && self.random.one_in(2) {
            self.event_sub_processes(depth + 1);
        }
        let inside = std::mem::replace(&mut self.xml, outside);
        let ordering = ["Parallel", "Sequential"][self.random.below(2)];
        let remaining = ["true", "false"][self.random.below(2)];
        let active = match self.random.below(3) {
            0 => String::new(),
            chosen => format!(
                "<extensionElements><zeebe:adHoc activeElementsCollection='= [&quot;{}&quot;]'/></extensionElements>",
                ways[chosen - 1]
            ),
        };
        let done = ["", "<completionCondition>= x = 0</completionCondition>", "<completionCondition>= x &lt; 3</completionCondition>"];
        let done = done[self.random.below(3)];
        let held = self.asynchronous();
        self.element(&format!(
            "<adHocSubProcess id='{id}' ordering='{ordering}' cancelRemainingInstances='{remaining}'{held}>{active}{done}{inside}</adHocSubProcess>"
        ));
        self.with_boundary_events(id, depth, false)
    }

    /// Two tokens that both go a way of their own and become one, if both arrive.
    fn quantities(&mut self, depth: usize, inside: bool) -> Block {
        let two = self.single("task", " completionQuantity='2'");
        let way = self.sequence(depth + 2, inside);
        self.flow(&two.last, &way.first);
        let one = self.single("userTask", " startQuantity='2'");
        self.flow(&way.last, &one.first);
        Block { first: two.first, last: one.last }
    }

    /// Something that begins without a flow and needs no end event: an ad-hoc sub-process has none.
    fn way(&mut self, depth: usize) -> Block {
        let first = match self.random.below(4) {
            0 => self.several("task", "", depth),
            1 => self.single("userTask", ""),
            2 => self.single("receiveTask", " messageRef='msg'"),
            _ => self.catch("<timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>"),
        };
        let last = self.single("task", "");
        self.flow(&first.last, &last.first);
        Block { first: first.first, last: last.last }
    }
}
