//! Call activities. What they call is not there: the host answers for it.

use super::{Block, Models};

impl Models<'_> {
    pub(super) fn call_activity(&mut self, depth: usize, inside: bool) -> Block {
        let id = self.id("call");
        let held = self.asynchronous();
        let called = [
            (" calledElement='other'", "<camunda:in source='x' target='x'/><camunda:out source='x' target='x'/>"),
            (" calledElement='other'", "<camunda:in variables='all'/><camunda:out sourceExpression='= x' target='seen' local='true'/>"),
            ("", "<zeebe:calledElement processId='other'/>"),
            (" calledElement='other' camunda:calledElementBinding='deployment'", "<camunda:in businessKey='#{x}'/>"),
            (
                " calledElement='${&quot;other&quot;}' camunda:calledElementTenantId='acme' camunda:calledElementBinding='version' camunda:calledElementVersion='3'",
                "",
            ),
            (" calledElement='other' camunda:calledElementBinding='versionTag' camunda:calledElementVersionTag='tag'", ""),
        ];
        let (attributes, passed) = called[self.random.below(called.len())];
        let often = self.multi_instance(depth);
        self.element(&format!(
            "<callActivity id='{id}'{attributes}{held}><extensionElements>{passed}</extensionElements>{often}</callActivity>"
        ));
        self.with_boundary_events(id, depth, inside)
    }
}
