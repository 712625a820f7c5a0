//! Global tasks: tasks that stand beside the processes of a file, to be called by call activities (BPMN 2.0, 10.3.4).
//!
//! One is read as the process of its id in which nothing but the task stands: a scope without a start event begins with what no flow leads
//! to.

use std::borrow::Cow;

use crate::xml::{Attribute, Namespace, Node};

/// Global tasks by name, with the task that each is.
const KINDS: [(&str, &str); 5] = [
    ("globalTask", "task"),
    ("globalManualTask", "manualTask"),
    ("globalUserTask", "userTask"),
    ("globalScriptTask", "scriptTask"),
    ("globalBusinessRuleTask", "businessRuleTask"),
];

/// What the task in such a process is called behind the process's id.
const SUFFIX: &str = "_task";

/// Makes processes of the global tasks in a file's root.
pub(crate) fn expand(root: &mut Node<'_>) {
    for child in root.children.iter_mut().filter(|child| child.namespace == Namespace::Bpmn) {
        let Some((_, kind)) = KINDS.iter().find(|(global, _)| child.name == *global) else { continue };
        let id = child.id().unwrap_or_default().to_owned();
        let name = child.plain("name").map(|name| plain("name", name.to_owned()));
        let process = Node {
            namespace: Namespace::Bpmn,
            name: "process",
            written: child.written,
            attributes: [plain("id", id.clone()), plain("isExecutable", "true".to_owned())].into_iter().chain(name).collect(),
            children: Vec::new(),
            text: String::new(),
            position: child.position,
        };
        let mut task = std::mem::replace(child, process);
        task.name = kind;
        for attribute in task.attributes.iter_mut().filter(|attribute| attribute.namespace == Namespace::None) {
            match attribute.name {
                "id" => attribute.value = Cow::Owned(format!("{id}{SUFFIX}")),
                // A global task's own name for it.
                "scriptLanguage" => attribute.name = "scriptFormat",
                _ => {}
            }
        }
        child.children.push(task);
    }
}

fn plain(name: &'static str, value: String) -> Attribute<'static> {
    Attribute { namespace: Namespace::None, name, written: name, value: Cow::Owned(value) }
}
