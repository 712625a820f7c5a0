//! Calls of processes that are deployed together.

use std::collections::BTreeSet;

use mandate_model::{Binding, ElementKind, ProcessDefinition};

use super::{Problem, Problems};

/// A call of a process of the same deployment that the deployment does not have will fail: Camunda 7 does not look either, but the upload
/// may be meant for an engine that keeps what did not change in an older deployment.
pub(super) fn check(models: &[(&str, ProcessDefinition)], problems: &mut Problems) {
    let deployed: BTreeSet<&str> = models.iter().map(|(_, model)| &*model.key).collect();
    for (name, model) in models {
        for (_, element) in model.iter() {
            let ElementKind::CallActivity(call) = &element.kind else { continue };
            let Some(key) = call.process.as_literal().map(str::trim).filter(|_| matches!(call.binding, Binding::Deployment)) else {
                continue;
            };
            if !deployed.contains(key) {
                let message = format!("call activity '{}' calls process '{key}' of this deployment, which has no such process", element.id);
                let help = "add its file to the deployment, or use camunda:calledElementBinding=\"latest\"";
                let warning = Problem { is_error: false, element_id: Some(element.id.to_string()), ..Problem::error(name, message, help) };
                problems.push(warning.at(element.position));
            }
        }
    }
}
