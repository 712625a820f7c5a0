//! `camunda:field`: what a model hands to the delegate of a task or listener (Camunda 7, "Field Injection").

use crate::definition::Field;
use crate::diagnostic::{At, shown};
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

/// The ways to write a field's value: attributes, or elements inside of it.
const VALUES: [(&str, bool); 4] = [("stringValue", false), ("expression", true), ("string", false), ("expression", true)];

impl<'n> ProcessReader<'n, '_> {
    /// The fields of a task, which a delegate does or, without any effect, somebody else.
    pub(crate) fn task_fields(&mut self, node: &'n Node<'n>, by_delegate: bool, owner: Owner<'n>) -> Vec<Field> {
        let all = node.all("extensionElements").flat_map(|extensions| &extensions.children);
        let fields: Vec<_> = all.filter(|it| it.namespace == Namespace::Camunda && it.name == "field").collect();
        if let Some(first) = fields.first().filter(|_| !by_delegate) {
            let message = "camunda:field has no effect on a task that no delegate does";
            self.diagnostics.warning(
                first.at_in(owner.at),
                message,
                "use a camunda:inputParameter, or a camunda:property, which workers are given",
            );
            return Vec::new();
        }
        fields.into_iter().filter_map(|field| self.field(field, owner.at)).collect()
    }

    /// Reads one field. An `expression` is evaluated when the delegate is called, anything else is a text as it is.
    pub(crate) fn field(&mut self, field: &'n Node<'n>, of: At<'n>) -> Option<Field> {
        let at = field.at_in(of);
        let name = field.plain("name").unwrap_or_default().trim();
        if name.is_empty() || name.chars().count() > MAX_ID {
            self.diagnostics.error(at, format!("camunda:field has no name of 1 to {MAX_ID} characters"), "name it");
            return None;
        }
        let inside = |wanted: &str| field.children.iter().find(|it| it.namespace == Namespace::Camunda && it.name == wanted);
        let attributes = VALUES[..2].iter().filter_map(|(way, computed)| Some((field.plain(way)?, *computed)));
        let elements = VALUES[2..].iter().filter_map(|(way, computed)| Some((inside(way)?.text.as_ref(), *computed)));
        match attributes.chain(elements).collect::<Vec<_>>()[..] {
            [(source, true)] => {
                let what = format!("camunda:field '{}'", shown(name));
                Some(Field { name: name.to_owned(), value: self.expression(&what, source, at)? })
            }
            [(text, false)] => Some(Field { name: name.to_owned(), value: mandate_feel::Expression::literal(text) }),
            ref values => {
                let message = format!("camunda:field '{}' has {} values", shown(name), values.len());
                self.diagnostics.error(at, message, "give it one: a stringValue or an expression");
                None
            }
        }
    }
}
