//! Call activities: `callActivity` with Camunda 7's attributes, or with Camunda 8's `zeebe:calledElement`.

use crate::definition::{Binding, CallActivity, ElementKind, Pass, Source};
use crate::diagnostic::shown;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

const WHOM: &str = "write calledElement=\"other-process\", or an expression that gives its key";

/// Reads a `callActivity` (Camunda 7 `BpmnParse.parseCallActivity`).
pub(crate) fn call_activity<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let extension = |name: &str| extensions(node).find(|it| it.namespace == Namespace::Zeebe && it.name == name);
    let of_camunda_7 = node.plain("calledElement").map(str::trim).filter(|key| !key.is_empty());
    let call = match (of_camunda_7, extension("calledElement")) {
        (Some(_), Some(_)) => {
            reader.diagnostics.error(
                owner.at,
                "callActivity says twice what it calls: calledElement, zeebe:calledElement",
                "keep one of them",
            );
            None
        }
        (Some(key), None) => reader.called_element(key, node, owner),
        (None, Some(called)) => reader.zeebe_called_element(called, owner),
        (None, None) => {
            reader.diagnostics.error(owner.at, "callActivity does not say what it calls", WHOM);
            None
        }
    };
    call.map(|call| ElementKind::CallActivity(Box::new(call)))
}

fn extensions<'n>(node: &'n Node<'n>) -> impl Iterator<Item = &'n Node<'n>> {
    node.all("extensionElements").flat_map(|extensions| &extensions.children)
}

impl<'n> ProcessReader<'n, '_> {
    /// Camunda 7's way.
    fn called_element(&mut self, key: &'n str, node: &'n Node<'n>, owner: Owner<'n>) -> Option<CallActivity> {
        let process = self.expression("calledElement", key, owner.at);
        let binding = self.binding(node, owner);
        let tenant = node.camunda("calledElementTenantId").filter(|tenant| !tenant.trim().is_empty());
        let tenant = tenant.and_then(|tenant| self.expression("camunda:calledElementTenantId", tenant, owner.at));
        let [mut inputs, mut outputs] = self.passed_to_called(owner);
        let mut business_key = None;
        for extension in extensions(node).filter(|it| it.namespace == Namespace::Camunda) {
            match (extension.name, extension.plain("businessKey")) {
                ("in", Some(key)) => business_key = self.expression("businessKey", key, extension.at_in(owner.at)),
                ("in", None) => inputs.extend(self.pass(extension, owner)),
                ("out", _) => outputs.extend(self.pass(extension, owner)),
                _ => {}
            }
        }
        Some(CallActivity { process: process?, binding: binding?, tenant, business_key, inputs, outputs, propagates: false })
    }

    fn binding(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Binding> {
        let mut version = |name: &str| {
            if let Some(text) = node.camunda(name).filter(|text| !text.trim().is_empty()) {
                return self.expression(&format!("camunda:{name}"), text, owner.at);
            }
            let message = format!("this camunda:calledElementBinding needs a camunda:{name}");
            self.diagnostics.error(owner.at, message, "add it, or use the binding latest or deployment");
            None
        };
        let binding = match node.camunda("calledElementBinding").map_or("latest", str::trim) {
            "latest" | "" => Binding::Latest,
            "deployment" => Binding::Deployment,
            "version" => Binding::Version(version("calledElementVersion")?),
            "versionTag" => Binding::VersionTag(version("calledElementVersionTag")?),
            other => {
                let message = format!("camunda:calledElementBinding '{}' is not known", shown(other));
                self.diagnostics.error(owner.at, message, "use latest, deployment, version or versionTag");
                return None;
            }
        };
        if let Binding::Version(version) = &binding
            && version.as_literal().is_some_and(|text| text.trim().parse::<i32>().is_err())
        {
            let message = format!("camunda:calledElementVersion '{}' is not a whole number", shown(version.source()));
            self.diagnostics.objection(owner.at, message, "write for example 3, or an expression that gives a whole number");
        }
        Some(binding)
    }

    /// Reads a `camunda:in` or `camunda:out`.
    fn pass(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Pass> {
        let at = node.at_in(owner.at);
        let known = ["businessKey", "source", "sourceExpression", "target", "variables", "local"];
        for unknown in node.attributes.iter().filter(|attribute| !known.contains(&attribute.name)) {
            let message = format!("the attribute {} of {} is not known and has no effect", unknown.title(), node.title());
            self.diagnostics.warning(at, message, "check its spelling");
        }
        let local = self.boolean(node, Namespace::None, "local", false, at);
        if let Some(variables) = node.plain("variables") {
            if variables != "all" {
                let message = format!("variables=\"{}\" of {} is not known", shown(variables), node.title());
                self.diagnostics.error(at, message, "write variables=\"all\", or name one by source and target");
                return None;
            }
            return Some(Pass::All { local });
        }
        let given = |name| node.plain(name).filter(|text| !text.trim().is_empty());
        let source = match (given("source"), given("sourceExpression")) {
            (Some(name), None) => Source::Variable(name.to_owned()),
            (None, Some(text)) => Source::Expression(self.expression("sourceExpression", text, at)?),
            _ => {
                let message = format!("{} does not say what it passes", node.title());
                self.diagnostics.error(at, message, "give one of source, sourceExpression and variables=\"all\"");
                return None;
            }
        };
        let target = given("target").unwrap_or_default();
        if target.is_empty() || target.chars().count() > MAX_ID {
            let message = format!("{} has no target of 1 to {MAX_ID} characters", node.title());
            self.diagnostics.error(at, message, "name the variable that it sets");
            return None;
        }
        Some(Pass::One { source, target: target.to_owned(), local })
    }

    /// Camunda 8's way: unless it says otherwise, all variables go in and all come back.
    fn zeebe_called_element(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<CallActivity> {
        let at = node.at_in(owner.at);
        let known = ["processId", "propagateAllChildVariables", "propagateAllParentVariables", "bindingType", "versionTag"];
        for unknown in node.attributes.iter().filter(|attribute| !known.contains(&attribute.name)) {
            let message = format!("the attribute {} of {} is not known and has no effect", unknown.title(), node.title());
            self.diagnostics.warning(at, message, "check its spelling");
        }
        let Some(key) = node.plain("processId").map(str::trim).filter(|key| !key.is_empty()) else {
            self.diagnostics.error(at, "zeebe:calledElement has no processId", "write processId=\"other-process\"");
            return None;
        };
        let binding = match node.plain("bindingType").map_or("latest", str::trim) {
            "latest" => Binding::Latest,
            "deployment" => Binding::Deployment,
            "versionTag" => Binding::VersionTag(self.expression("versionTag", node.plain("versionTag").unwrap_or_default(), at)?),
            other => {
                let message = format!("bindingType '{}' of zeebe:calledElement is not known", shown(other));
                self.diagnostics.error(at, message, "use latest, deployment or versionTag");
                return None;
            }
        };
        let all = self.boolean(node, Namespace::None, "propagateAllParentVariables", true, at);
        let propagates = self.boolean(node, Namespace::None, "propagateAllChildVariables", true, at);
        // What output mappings read must be there: as in Camunda 8 they make the call's variables the activity's own.
        let propagates = propagates || !self.element(owner.index).outputs.is_empty();
        Some(CallActivity {
            process: self.expression("processId", key, at)?,
            binding,
            tenant: None,
            business_key: None,
            inputs: vec![Pass::All { local: !all }],
            outputs: Vec::new(),
            propagates,
        })
    }
}
