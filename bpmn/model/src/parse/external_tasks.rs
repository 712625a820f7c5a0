//! What is read of external tasks only.

use crate::definition::WorkerError;
use crate::parse::expressions::Place;
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// The `camunda:errorEventDefinition`s of a task: which of a worker's reports are BPMN errors (Camunda 7, "External Task Error Event
    /// Definition").
    pub(crate) fn worker_errors(&mut self, node: &'n Node<'n>, by_worker: bool, owner: Owner<'n>) -> Vec<WorkerError> {
        let all = node.all("extensionElements").flat_map(|extensions| &extensions.children);
        let definitions: Vec<_> = all.filter(|it| it.namespace == Namespace::Camunda && it.name == "errorEventDefinition").collect();
        if let Some(first) = definitions.first().filter(|_| !by_worker) {
            let help = "make it an external task, or let the delegate end with the BPMN error";
            let message = "camunda:errorEventDefinition has no effect on a task that no worker does";
            self.diagnostics.warning(first.at_in(owner.at), message, help);
            return Vec::new();
        }
        definitions.into_iter().filter_map(|definition| self.worker_error(definition, owner)).collect()
    }

    fn worker_error(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<WorkerError> {
        let at = definition.at_in(owner.at);
        let Some(reference) = definition.plain("errorRef") else {
            let help = "choose the error that it throws (errorRef)";
            self.diagnostics.error(at, "camunda:errorEventDefinition has no errorRef", help);
            return None;
        };
        let Some(source) = definition.plain("expression").filter(|source| !source.trim().is_empty()) else {
            let help = "write when it is thrown, such as expression=\"${externalTask.errorMessage == 'sold out'}\"";
            self.diagnostics.error(at, "camunda:errorEventDefinition has no expression", help);
            return None;
        };
        let error = self.error_reference(reference, definition, owner)?;
        let what = "the expression of camunda:errorEventDefinition";
        let condition =
            self.within(Place { object: Some("externalTask"), ..Place::default() }, |reader| reader.expression(what, source, at))?;
        Some(WorkerError { code: error.code, condition })
    }
}
