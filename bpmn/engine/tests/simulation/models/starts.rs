//! How processes begin: at a start event, at one of several, at what a message starts without a start event, or without anything of that
//! kind.

use super::{Block, Models};

/// What starts a process, one or several definitions of an event.
const TRIGGERS: [&str; 8] = [
    "<messageEventDefinition messageRef='msg'/>",
    "<signalEventDefinition signalRef='sig'/>",
    "<conditionalEventDefinition><condition>= x = 0</condition></conditionalEventDefinition>",
    "<timerEventDefinition><timeDate>1970-01-01T01:00:00Z</timeDate></timerEventDefinition>",
    "<timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>",
    "<timerEventDefinition><timeCycle>R2/PT1M</timeCycle></timerEventDefinition>",
    "<timerEventDefinition><timeCycle>0 0 0 1 1 ? 1971-1972</timeCycle></timerEventDefinition>",
    "<eventDefinitionRef>reused</eventDefinitionRef><signalEventDefinition signalRef='sig'/>",
];

impl Models<'_> {
    /// What begins the process; gives the last element of it.
    pub(super) fn beginning(&mut self) -> String {
        match self.random.below(12) {
            0..6 => self.start(""),
            6 => {
                let (plain, other) = (self.start(""), self.triggered());
                self.merged(&[plain, other])
            }
            7 => {
                let either = [self.start(""), self.start("")];
                self.merged(&either)
            }
            8 => self.triggered(),
            9 | 10 => self.instantiating(),
            _ => {
                // Two things begin together.
                self.single("userTask", "");
                self.single("task", "").last
            }
        }
    }

    fn start(&mut self, trigger: &str) -> String {
        let (id, held) = (self.id("start"), self.asynchronous());
        let initiator = ["", " camunda:initiator='starter'"][self.random.below(2)];
        self.element(&format!("<startEvent id='{id}'{held}{initiator}>{trigger}</startEvent>"));
        id
    }

    fn triggered(&mut self) -> String {
        let trigger = TRIGGERS[self.random.below(TRIGGERS.len())];
        self.start(trigger)
    }

    /// A receive task that a message starts, or the first of several events, after which some models wait for the others.
    fn instantiating(&mut self) -> String {
        let form = self.random.below(3);
        if form == 0 {
            return self.single("receiveTask", " messageRef='msg' instantiate='true'").last;
        }
        let events = [
            self.catch("<messageEventDefinition messageRef='msg'/>").last,
            self.single("receiveTask", " messageRef='msg2'").last,
            self.catch("<messageEventDefinition messageRef='msg3'/>").last,
        ];
        let gateway = self.id("first");
        let kind = ["Exclusive", "Parallel"][form - 1];
        self.element(&format!("<eventBasedGateway id='{gateway}' instantiate='true' eventGatewayType='{kind}'/>"));
        for event in &events {
            self.flow(&gateway, event);
        }
        if form == 1 {
            return self.merged(&events);
        }
        let join = self.single("parallelGateway", "").last;
        for event in &events {
            self.flow(event, &join);
        }
        join
    }

    fn merged(&mut self, paths: &[String]) -> String {
        let Block { last: merge, .. } = self.single("exclusiveGateway", "");
        for path in paths {
            self.flow(path, &merge);
        }
        merge
    }

    /// Now and then, a task beside the process that is one of its own.
    pub(super) fn global_task(&mut self) -> String {
        let forms = [
            "<globalTask id='global'/>",
            "<globalManualTask id='global'/>",
            "<globalUserTask id='global' camunda:candidateGroups='clerks'/>",
            "<globalScriptTask id='global' scriptLanguage='feel' camunda:resultVariable='seen'><script>x + 1</script></globalScriptTask>",
            "<globalBusinessRuleTask id='global' camunda:class='worker'/>",
        ];
        if self.random.one_in(6) { forms[self.random.below(forms.len())].to_owned() } else { String::new() }
    }
}
