//! Signals and conditions.

use super::{Block, Models};

const SIGNAL: &str = "<signalEventDefinition signalRef='sig'/>";

impl Models<'_> {
    /// A signal is thrown or awaited, or a condition is. What every correction makes true ends each wait for a condition.
    pub(super) fn signal_or_condition(&mut self) -> Block {
        match self.random.below(4) {
            0 => self.catch(SIGNAL),
            1 => self.catch("<conditionalEventDefinition><condition>${x &lt; 2}</condition></conditionalEventDefinition>"),
            _ => {
                let signal = ["sig", "sig3"][self.random.below(2)];
                let id = self.id("throw");
                let held = self.asynchronous();
                self.element(&format!(
                    "<intermediateThrowEvent id='{id}'{held}><signalEventDefinition signalRef='{signal}'/></intermediateThrowEvent>"
                ));
                Block { first: id.clone(), last: id }
            }
        }
    }

    /// What triggers an event, with the attribute that says whether it interrupts. A signal that is thrown inside of what it begins would
    /// begin it for ever, were it not to interrupt; so those wait for one that comes from outside only. On one sub-process, what is
    /// attached and what is inside wait for different things.
    pub(super) fn signal_or_condition_trigger(&mut self, interrupts: &str) -> (String, String) {
        let interrupting = self.random.one_in(2);
        let attached = interrupts == "cancelActivity";
        let trigger = match (self.random.one_in(2), interrupting) {
            (true, interrupting) => {
                let signal = match (interrupting, attached) {
                    (true, true) => "sig",
                    (true, false) => "sig3",
                    (false, true) => "sig2",
                    (false, false) => "sig4",
                };
                format!("<signalEventDefinition signalRef='{signal}'/>")
            }
            (false, interrupting) => {
                let filter = if interrupting { "" } else { " camunda:variableName='x' camunda:variableEvents='update'" };
                let value = if interrupting { 2 } else { 3 };
                let condition = if attached { format!("= x = {value}") } else { format!("= {value} = x") };
                format!("<conditionalEventDefinition{filter}><condition>{condition}</condition></conditionalEventDefinition>")
            }
        };
        (format!(" {interrupts}='{interrupting}'"), trigger)
    }
}
