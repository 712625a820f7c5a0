//! Scripts and conditions that stand in a file of their own, deployed with the model (Camunda 7, "Script Source"):
//! `deployment://discount.feel`.
//!
//! They are put where the model names them before anything is read, so that a definition is made of its model and these files and of
//! nothing else. A script of the class path (`classpath://`, or no scheme at all) is refused: there is none.

use std::collections::BTreeSet;
use std::rc::Rc;

use mandate_feel::MAX_SOURCE_BYTES;

use crate::diagnostic::{At, Diagnostics, Reading, shown};
use crate::parse::expression_tasks::is_feel;
use crate::xml::{self, Attribute, MAX_FILE_BYTES, Namespace, Node};

/// Files of a deployment by their names.
pub type Files<'a> = dyn Fn(&str) -> Option<&'a [u8]> + 'a;

const SCHEME: &str = "deployment://";

/// The names of all files that a model may take scripts from: what stands behind `deployment://` in it. A file that is no model has none.
pub fn script_files(bytes: &[u8]) -> BTreeSet<String> {
    let mut diagnostics = Diagnostics::new("", Reading::Deployment);
    let mut names = BTreeSet::new();
    let text = xml::text(bytes, &mut diagnostics).filter(|text| text.contains(SCHEME));
    let root = text.and_then(|text| xml::read(text, &mut diagnostics));
    let mut open: Vec<_> = root.iter().collect();
    while let Some(node) = open.pop() {
        names.extend(resource(node).and_then(|it| it.trim().strip_prefix(SCHEME)).map(str::to_owned));
        open.extend(&node.children);
    }
    names
}

/// Puts the contents of files where the model names them, but for processes that are left out.
pub(crate) fn inline(root: &mut Node<'_>, files: &Files<'_>, diagnostics: &mut Diagnostics) {
    // Each with the id of what it stands in.
    let mut open: Vec<(&mut Node<'_>, Option<Rc<str>>)> = vec![(root, None)];
    let mut room = MAX_FILE_BYTES;
    while let Some((node, owner)) = open.pop() {
        if node.is("process") && matches!(node.plain("isExecutable").map(str::trim), Some("false" | "0")) {
            continue;
        }
        let id = node.id().map(Rc::from).or(owner);
        if let Some(resource) = resource(node).map(|it| it.trim().to_owned()) {
            let at = At { position: node.position, id: id.as_deref() };
            let source = source(&resource, files, &mut room).unwrap_or_else(|(message, help)| {
                diagnostics.error(at, message, help);
                // Nothing that follows from this is to be said as well.
                let language = node.plain("scriptFormat").or(node.plain("language")).unwrap_or_default();
                if is_feel(language) { "true".to_owned() } else { "${true}".to_owned() }
            });
            let script = if node.name == "scriptTask" { script_of(node) } else { &mut *node };
            if !script.text.trim().is_empty() {
                let message = format!("the script has no effect beside its resource '{}'", shown(&resource));
                diagnostics.warning(at, message, "keep one of them");
            }
            script.text = source;
            node.attributes.retain(|attribute| !is_resource(attribute));
        }
        open.extend(node.children.iter_mut().map(|child| (child, id.clone())));
    }
}

/// What names the file of a script or a condition.
fn resource<'n>(node: &'n Node<'_>) -> Option<&'n str> {
    match (node.namespace, node.name) {
        (Namespace::Bpmn, "scriptTask" | "conditionExpression" | "condition") => node.camunda("resource"),
        (Namespace::Camunda, "script") => node.plain("resource"),
        _ => None,
    }
}

fn is_resource(attribute: &Attribute<'_>) -> bool {
    attribute.name == "resource" && matches!(attribute.namespace, Namespace::None | Namespace::Camunda)
}

/// `room` is how many bytes all files of a model may still have where they are named.
fn source(resource: &str, files: &Files<'_>, room: &mut usize) -> Result<String, (String, String)> {
    let Some(name) = resource.strip_prefix(SCHEME) else {
        let message = format!("the script resource '{}' is not one of the deployment", shown(resource));
        return Err((message, "deploy the file with the model and write deployment:// before its name".to_owned()));
    };
    let bytes = files(name).ok_or_else(|| {
        let message = format!("the script resource '{}' is not in the deployment", shown(name));
        (message, "add the file to the upload, or correct its name".to_owned())
    })?;
    if bytes.len() > MAX_SOURCE_BYTES {
        let message = format!("the script resource '{}' has {} bytes; at most {MAX_SOURCE_BYTES} are allowed", shown(name), bytes.len());
        return Err((message, "make several scripts of it, or have a delegate do the work".to_owned()));
    }
    *room = room.checked_sub(bytes.len()).ok_or_else(|| {
        let message = format!("with the script resource '{}' the model has more than {MAX_FILE_BYTES} bytes", shown(name));
        (message, "name fewer of them, or divide the model".to_owned())
    })?;
    let text = std::str::from_utf8(bytes).map_err(|_| {
        let message = format!("the script resource '{}' is not valid UTF-8", shown(name));
        (message, "save the file as UTF-8".to_owned())
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The script of a script task; one that has none yet gets an empty one.
fn script_of<'m, 'n>(task: &'m mut Node<'n>) -> &'m mut Node<'n> {
    let at = task.children.iter().position(|child| child.is("script")).unwrap_or_else(|| {
        let (namespace, position) = (Namespace::Bpmn, task.position);
        let (name, written, text) = ("script", "script", String::new());
        task.children.push(Node { namespace, name, written, attributes: Vec::new(), children: Vec::new(), text, position });
        task.children.len() - 1
    });
    &mut task.children[at]
}
