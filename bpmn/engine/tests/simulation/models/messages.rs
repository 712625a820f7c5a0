//! What sends along a message flow, to a participant that nobody runs here.

use std::fmt::Write as _;

use super::{Block, Models};

impl Models<'_> {
    /// A send task, one of several instances perhaps, or an event.
    pub(super) fn send(&mut self) -> Block {
        let id = self.id("send");
        let held = self.asynchronous();
        let definition = self.send_from(&id);
        match self.random.below(3) {
            0 => self.element(&format!("<intermediateThrowEvent id='{id}'{held}>{definition}</intermediateThrowEvent>")),
            several => {
                let twice = "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>";
                let often = if several == 1 { "" } else { twice };
                let mapping = "<camunda:inputOutput><camunda:inputParameter name='y'>${x}</camunda:inputParameter></camunda:inputOutput>";
                self.element(&format!(
                    "<sendTask id='{id}' messageRef='msg'{held}><extensionElements>{mapping}</extensionElements>{often}</sendTask>"
                ));
            }
        }
        Block { first: id.clone(), last: id }
    }

    /// Draws a flow from an event that sends, and answers the event's definition.
    pub(super) fn send_from(&mut self, id: &str) -> &'static str {
        write!(self.message_flows, "<messageFlow id='{id}_flow' sourceRef='{id}' targetRef='other'/>").expect("text grows");
        "<messageEventDefinition messageRef='msg'/>"
    }

    /// The other participant, if something is sent to it.
    pub(super) fn participants(&self) -> String {
        if self.message_flows.is_empty() {
            return String::new();
        }
        format!(
            "<process id='q' isExecutable='true'><startEvent id='qs'><messageEventDefinition messageRef='msg'/></startEvent><endEvent id='qe'/>\
             <sequenceFlow id='qf' sourceRef='qs' targetRef='qe'/></process>\
             <collaboration id='c'><participant id='other' processRef='q'/>{}</collaboration>",
            self.message_flows
        )
    }
}
