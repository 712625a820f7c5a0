//! Tasks that an expression does: script tasks, and what has a `camunda:expression`.

use crate::definition::{ElementKind, ExpressionTask};
use crate::diagnostic::{At, shown};
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::parse::zeebe;
use crate::xml::Node;

use mandate_feel::Expression;

/// Reads a `scriptTask` in JUEL or FEEL, Camunda 7's or Camunda 8's (`zeebe:script`). Camunda 7 takes a script without a language for JUEL
/// (`BpmnParse.parseScriptTask`).
pub(crate) fn script_task<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let (script, zeebe) = (node.first("script"), zeebe::extension(node, "script"));
    let (expression, result_variable) = match (script, zeebe) {
        (Some(_), Some(zeebe)) => {
            reader.diagnostics.error(zeebe.at_in(owner.at), "the task has a script and a zeebe:script", "keep one of them");
            return None;
        }
        (Some(script), None) => {
            let language = node.plain("scriptFormat").unwrap_or("juel");
            (reader.script(language, &script.text, script.at_in(owner.at))?, node.camunda("resultVariable"))
        }
        (None, Some(zeebe)) => {
            let at = zeebe.at_in(owner.at);
            let source = zeebe.plain("expression").unwrap_or_default();
            (reader.script("feel", source, at)?, zeebe.plain("resultVariable"))
        }
        // "The Task will act as the equivalent of an Abstract Task" (BPMN 2.0, table 10.13). Camunda 7 refuses it.
        (None, None) => {
            let help = "write it: scriptFormat=\"feel\" and <script>amount * 2</script>";
            reader.diagnostics.warning(owner.at, "the script task has no script, and passes through", help);
            return Some(ElementKind::Task);
        }
    };
    let result_variable = reader.result_variable(result_variable, owner.at)?;
    Some(ElementKind::ExpressionTask(ExpressionTask { expression, result_variable, element_type: "scriptTask" }))
}

impl<'n> ProcessReader<'n, '_> {
    /// What a `camunda:expression` does; `node` has it.
    pub(crate) fn expression_task(&mut self, node: &'n Node<'n>, at: At<'n>, element_type: &'static str) -> Option<ElementKind> {
        let source = node.camunda("expression").unwrap_or_default();
        if source.trim().is_empty() {
            self.diagnostics.error(at, "camunda:expression is empty", "write one, such as ${amount * 2}");
            return None;
        }
        let expression = self.expression("camunda:expression", source, at)?;
        let result_variable = self.result_variable(node.camunda("resultVariable"), at)?;
        Some(ElementKind::ExpressionTask(ExpressionTask { expression, result_variable, element_type }))
    }

    /// The variable that takes a result, if there is one. The outer option is none after an error.
    #[expect(clippy::option_option, reason = "an error is not the same as no variable")]
    fn result_variable(&mut self, name: Option<&str>, at: At<'n>) -> Option<Option<String>> {
        let Some(name) = name.map(str::trim).filter(|name| !name.is_empty()) else { return Some(None) };
        if name.chars().count() > MAX_ID {
            let message = format!("the result variable '{}' is longer than {MAX_ID} characters", shown(name));
            self.diagnostics.error(at, message, "shorten it");
            return None;
        }
        Some(Some(name.to_owned()))
    }

    /// Compiles a script: an expression in JUEL or FEEL.
    pub(crate) fn script(&mut self, language: &str, source: &str, at: At<'n>) -> Option<Expression> {
        let source = source.trim();
        if source.is_empty() {
            self.diagnostics.error(at, "the script is empty", "write one, such as amount * 2 in FEEL or ${amount * 2} in JUEL");
            return None;
        }
        let Some(source) = in_language(language, source) else {
            let message = format!("a script in the language '{}' is not supported", shown(language.trim()));
            let otherwise = if self.place.is_listener {
                "name a delegate in place of the script, such as class=\"audit-log\" on the listener"
            } else {
                "use a service task with a delegate"
            };
            self.diagnostics.error(at, message, format!("write it in FEEL (scriptFormat=\"feel\") or JUEL, or {otherwise}"));
            return None;
        };
        self.expression("the script", &source, at)
    }
}

/// A script or condition as [`Expression`] wants it: JUEL as it is, FEEL behind `=`. None if the language is another.
pub(crate) fn in_language(language: &str, source: &str) -> Option<String> {
    let language = language.trim();
    if language.eq_ignore_ascii_case("juel") {
        Some(source.to_owned())
    } else if is_feel(language) {
        Some(if source.starts_with('=') { source.to_owned() } else { format!("= {source}") })
    } else {
        None
    }
}

/// Whether a language is FEEL, by its name or its URI.
pub(crate) fn is_feel(language: &str) -> bool {
    let language = language.trim();
    language.eq_ignore_ascii_case("feel") || language.contains("/FEEL")
}
