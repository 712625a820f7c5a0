//! Listeners, by delegates that may fail or throw, and by expressions.

use super::Models;

impl Models<'_> {
    /// Now and then, extension elements with execution listeners for an activity or event.
    pub(super) fn listeners(&mut self) -> String {
        let mut listeners = String::new();
        for event in ["start", "end"] {
            if self.random.one_in(8) {
                listeners += &self.listener(event);
            }
        }
        listeners
    }

    /// The same for a sequence flow.
    pub(super) fn take_listener(&mut self) -> String {
        if self.random.one_in(15) { self.listener("take") } else { String::new() }
    }

    /// The same for a user task.
    pub(super) fn task_listeners(&mut self) -> String {
        let forms = [
            "<camunda:taskListener event='create' class='listener'/>",
            "<camunda:taskListener event='complete' delegateExpression='${listener}'/>",
            "<camunda:taskListener event='assignment' expression='= x'/>",
            "<camunda:taskListener event='create' expression='= x'/>",
            "<camunda:taskListener event='update' expression='= x'/>",
            "<camunda:taskListener event='assignment' class='listener'/>",
            "<camunda:taskListener event='update' delegateExpression='${listener}'/>",
            "<camunda:taskListener event='delete' expression='= x'/><camunda:taskListener event='delete' class='listener'><camunda:field name='n' \
             expression='${x}'/></camunda:taskListener>",
            "<camunda:taskListener event='timeout' class='listener'><camunda:field name='n' expression='${x}'/><timerEventDefinition>\
             <timeCycle>R2/PT1M</timeCycle></timerEventDefinition></camunda:taskListener>",
            "<camunda:taskListener event='timeout' expression='= x'><timerEventDefinition><timeDuration>PT30S</timeDuration>\
             </timerEventDefinition></camunda:taskListener>",
            "<zeebe:taskListeners><zeebe:taskListener eventType='creating' type='listener'/><zeebe:taskListener eventType='completing' \
             type='listener'/></zeebe:taskListeners>",
        ];
        if self.random.one_in(3) { forms[self.random.below(forms.len())].to_owned() } else { String::new() }
    }

    fn listener(&mut self, event: &str) -> String {
        if event != "take" && self.random.one_in(5) {
            return format!(
                "<zeebe:executionListeners><zeebe:executionListener eventType='{event}' type='listener'/></zeebe:executionListeners>"
            );
        }
        let does = [
            "class='listener'/>",
            "expression='= x + 1'/>",
            "expression=\"${execution.hasVariable('x') ? execution.variables.x : execution.eventName}\"/>",
            "delegateExpression='${listener}'/>",
            "><camunda:script scriptFormat='feel'>x + 1</camunda:script></camunda:executionListener>",
        ];
        let does = does[self.random.below(does.len())];
        format!("<camunda:executionListener event='{event}' {does}")
    }
}
