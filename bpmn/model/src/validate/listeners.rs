//! Listeners that are not always called.

use crate::definition::{Element, ElementIndex, ElementKind, EndResult, ListenerEvent};

use super::Validator;

impl Validator<'_, '_> {
    /// What throws, and is caught by what ends it, does not end by itself.
    pub(super) fn listeners(&mut self, index: ElementIndex, element: &Element) {
        let throws = matches!(element.kind, ElementKind::EndEvent(EndResult::Error(_) | EndResult::Escalation(_)));
        if throws && element.listeners.iter().any(|listener| listener.event == ListenerEvent::End) {
            let help = "use a listener for the event start, or put it on what catches the error or escalation";
            let message = "the end listener is not called where what the event throws is caught and interrupts the scope around it";
            self.diagnostics.warning(self.at(index), message, help);
        }
    }
}
