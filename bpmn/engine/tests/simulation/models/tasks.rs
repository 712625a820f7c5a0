//! Activities.

use super::{Block, Models};

impl Models<'_> {
    pub(super) fn single(&mut self, kind: &str, attributes: &str) -> Block {
        let id = self.id(kind);
        let held = self.asynchronous();
        self.element(&format!("<{kind} id='{id}'{attributes}{held}/>"));
        Block { first: id.clone(), last: id }
    }

    /// A task that may run several times.
    pub(super) fn several(&mut self, kind: &str, attributes: &str, depth: usize) -> Block {
        let id = self.id(kind);
        let (held, often, listeners) = (self.asynchronous(), self.multi_instance(depth), self.listeners());
        self.element(&format!("<{kind} id='{id}'{attributes}{held}><extensionElements>{listeners}</extensionElements>{often}</{kind}>"));
        if kind != "receiveTask" {
            self.compensated(&id);
        }
        Block { first: id.clone(), last: id }
    }

    /// Now and then, loop characteristics: in sequence or parallel, by number or list, to the end or until something is true.
    pub(super) fn multi_instance(&mut self, depth: usize) -> String {
        if !self.random.one_in(4) {
            return String::new();
        }
        if self.random.one_in(5) {
            let before = ["true", "false"][self.random.below(2)];
            let condition = ["= loopCounter &lt; 2", "= x = 1", "= x = 3"][self.random.below(3)];
            return format!(
                "<standardLoopCharacteristics testBefore='{before}' loopMaximum='3'><loopCondition>{condition}</loopCondition>\
                 </standardLoopCharacteristics>"
            );
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

    pub(super) fn service(&mut self, depth: usize, inside: bool) -> Block {
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
        let (often, listeners) = (self.multi_instance(depth), self.listeners());
        self.element(&format!(
            "<serviceTask id='{id}' camunda:class='worker'{held}><extensionElements>{retries}{mapping}{listeners}</extensionElements>{often}</serviceTask>"
        ));
        self.compensated(&id);
        self.with_boundary_events(id, depth, inside)
    }

    pub(super) fn user_task(&mut self, depth: usize, inside: bool) -> Block {
        let id = self.id("userTask");
        let (held, often) = (self.asynchronous(), self.multi_instance(depth));
        let assignee = ["", " camunda:assignee='= string(x)'"][usize::from(self.random.one_in(4))];
        let listeners = self.listeners() + &self.task_listeners();
        self.element(&format!(
            "<userTask id='{id}' camunda:candidateGroups='clerks'{assignee}{held}><extensionElements>{listeners}</extensionElements>{often}</userTask>"
        ));
        self.with_boundary_events(id, depth, inside)
    }

    /// A script or an expression, which may fail on what `x` is.
    pub(super) fn expression(&mut self, depth: usize) -> Block {
        let forms = [
            ("scriptTask", " scriptFormat='feel' camunda:resultVariable='x'", "<script>if x = null then 1 else x</script>"),
            ("scriptTask", " camunda:resultVariable='seen'", "<script>${x}</script>"),
            ("serviceTask", " camunda:expression='${x + 1}' camunda:resultVariable='seen'", ""),
            ("businessRuleTask", " camunda:expression='= x'", ""),
        ];
        let (kind, attributes, inside) = forms[self.random.below(forms.len())];
        let id = self.id(kind);
        let (held, often) = (self.asynchronous(), self.multi_instance(depth));
        self.element(&format!("<{kind} id='{id}'{attributes}{held}>{often}{inside}</{kind}>"));
        Block { first: id.clone(), last: id }
    }

    pub(super) fn external_task(&mut self, depth: usize, inside: bool) -> Block {
        let priority = ["", " camunda:taskPriority='${x}'"][self.random.below(2)];
        let block = self.several("serviceTask", &format!(" camunda:type='external' camunda:topic='outside'{priority}"), depth);
        self.with_boundary_events(block.first, depth, inside)
    }
}
