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
            let until = [
                " loopMaximum='3'><loopCondition>= x = 1</loopCondition>",
                " loopMaximum='3'><loopCondition>= x = 3</loopCondition>",
                " loopMaximum='2'>",
                "><loopCondition>= loopCounter &lt; 2</loopCondition>",
            ][self.random.below(4)];
            return format!("<standardLoopCharacteristics testBefore='{before}'{until}</standardLoopCharacteristics>");
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
        let mapping = match self.random.below(8) {
            0 => {
                "<camunda:inputOutput><camunda:inputParameter name='given'>= x</camunda:inputParameter>\
                 <camunda:outputParameter name='x'>= x</camunda:outputParameter></camunda:inputOutput>"
            }
            1 => "<zeebe:ioMapping><zeebe:input source='= x' target='given'/><zeebe:output source='= x' target='x'/></zeebe:ioMapping>",
            _ => "",
        };
        let (kind, attributes, zeebe) = [
            ("serviceTask", " camunda:class='worker'", ""),
            ("serviceTask", " camunda:delegateExpression='${worker}'", "<camunda:field name='n' expression='${x}'/>"),
            (
                "serviceTask",
                "",
                "<zeebe:taskDefinition type='worker'/><zeebe:taskHeaders><zeebe:header key='k' value='v'/></zeebe:taskHeaders>",
            ),
            ("sendTask", " camunda:class='worker'", ""),
            ("businessRuleTask", " camunda:class='worker'", ""),
        ][self.random.below(5)];
        let retries = if zeebe.contains("zeebe:") { "" } else { retries };
        let (often, listeners) = (self.multi_instance(depth), self.listeners());
        self.element(&format!(
            "<{kind} id='{id}'{attributes}{held}><extensionElements>{zeebe}{retries}{mapping}{listeners}</extensionElements>{often}</{kind}>"
        ));
        self.compensated(&id);
        self.with_boundary_events(id, depth, inside)
    }

    pub(super) fn user_task(&mut self, depth: usize, inside: bool) -> Block {
        let id = self.id("userTask");
        let (held, often) = (self.asynchronous(), self.multi_instance(depth));
        let camunda = " camunda:candidateGroups='clerks'";
        let forms = [
            (camunda.to_owned(), ""),
            (format!("{camunda} camunda:assignee='= string(x)'"), ""),
            (
                format!(
                    "{camunda} camunda:dueDate='P1D' camunda:followUpDate='PT1H' camunda:priority='${{x}}' camunda:formKey='form-${{x}}'"
                ),
                "",
            ),
            (
                String::new(),
                "<zeebe:userTask/><zeebe:assignmentDefinition assignee='= string(x)' candidateGroups='clerks'/><zeebe:taskSchedule dueDate='P1D'/>\
                 <zeebe:priorityDefinition priority='70'/><zeebe:formDefinition formKey='form'/>",
            ),
        ];
        let (attributes, zeebe) = &forms[self.random.below(forms.len())];
        let listeners = self.listeners() + &self.task_listeners();
        self.element(&format!(
            "<userTask id='{id}'{attributes}{held}><extensionElements>{zeebe}{listeners}</extensionElements>{often}</userTask>"
        ));
        self.with_boundary_events(id, depth, inside)
    }

    /// A script or an expression, which may fail on what `x` is.
    pub(super) fn expression(&mut self, depth: usize) -> Block {
        let zeebe = "<extensionElements><zeebe:script expression='= x' resultVariable='seen'/></extensionElements>";
        let forms = [
            ("scriptTask", " scriptFormat='feel' camunda:resultVariable='x'", "", "<script>if x = null then 1 else x</script>"),
            ("scriptTask", " camunda:resultVariable='seen'", "", "<script>${x}</script>"),
            ("scriptTask", "", zeebe, ""),
            ("serviceTask", " camunda:expression='${x + 1}' camunda:resultVariable='seen'", "", ""),
            ("sendTask", " camunda:expression='${x}'", "", ""),
            ("businessRuleTask", " camunda:expression='= x'", "", ""),
        ];
        let (kind, attributes, before, inside) = forms[self.random.below(forms.len())];
        let id = self.id(kind);
        let (held, often) = (self.asynchronous(), self.multi_instance(depth));
        self.element(&format!("<{kind} id='{id}'{attributes}{held}>{before}{often}{inside}</{kind}>"));
        Block { first: id.clone(), last: id }
    }

    pub(super) fn external_task(&mut self, depth: usize, inside: bool) -> Block {
        let priority = ["", " camunda:taskPriority='${x}'"][self.random.below(2)];
        let kind = ["serviceTask", "sendTask", "businessRuleTask"][self.random.below(3)];
        let topic = if kind == "sendTask" { "outside-${x}" } else { "outside" };
        let errors = match self.random.below(6) {
            0 => "<camunda:errorEventDefinition errorRef='e1' expression='${x == 2}'/>",
            1 => {
                "<camunda:errorEventDefinition errorRef='e2' expression='${x == 3}'/>\
                 <camunda:errorEventDefinition errorRef='e1' expression=\"${externalTask.errorMessage == 'it broke'}\"/>"
            }
            _ => "",
        };
        let id = self.id(kind);
        let (held, often, listeners) = (self.asynchronous(), self.multi_instance(depth), self.listeners());
        self.element(&format!(
            "<{kind} id='{id}' camunda:type='external' camunda:topic='{topic}'{priority}{held}><extensionElements>{errors}{listeners}\
             </extensionElements>{often}</{kind}>"
        ));
        self.compensated(&id);
        self.with_boundary_events(id, depth, inside)
    }
}
