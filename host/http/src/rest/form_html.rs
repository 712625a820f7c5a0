//! A generated form as HTML that task lists embed (Camunda's `HtmlFormEngine`): the attributes by which they know each field's variable are
//! Camunda's; messages and date pickers are the task list's.

use std::fmt::Write as _;

use mandate_runtime::engine::ShownField;
use mandate_runtime::model::{FormConstraint, FormFieldKind};

/// A form of some fields.
pub(super) fn render(fields: &[ShownField<'_>]) -> String {
    let mut html = String::from("<form name=\"generatedForm\" role=\"form\">\n");
    for field in fields {
        html.push_str("  <div class=\"form-group\">\n");
        if let Some(label) = it_has(field.label.as_deref()) {
            line(&mut html, format_args!("<label for=\"{}\">{}</label>", escaped(&field.field.id), escaped(label)));
        }
        control(&mut html, field);
        html.push_str("  </div>\n");
    }
    html.push_str("</form>\n");
    html
}

fn control(html: &mut String, shown: &ShownField<'_>) {
    let attributes = attributes(shown);
    let value = shown.value.to_json();
    match &shown.field.kind {
        FormFieldKind::Enum(values) => {
            line(html, format_args!("<select{attributes}>"));
            for (id, name) in values {
                let selected = if value.as_str() == Some(id) { " selected=\"selected\"" } else { "" };
                line(html, format_args!("  <option value=\"{}\"{selected}>{}</option>", escaped(id), escaped(name)));
            }
            line(html, format_args!("</select>"));
        }
        FormFieldKind::Boolean => {
            let checked = if value.as_bool() == Some(true) { " checked=\"checked\"" } else { "" };
            line(html, format_args!("<input{attributes} type=\"checkbox\"{checked} />"));
        }
        FormFieldKind::String | FormFieldKind::Long | FormFieldKind::Date(_) => {
            let text = match value {
                serde_json::Value::Null => String::new(),
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            line(html, format_args!("<input{attributes} type=\"text\" value=\"{}\" />", escaped(&text)));
        }
    }
}

/// What all controls have: whose variable it is, and what must hold of it.
fn attributes(shown: &ShownField<'_>) -> String {
    let field = shown.field;
    let id = escaped(&field.id);
    let mut text = format!(" class=\"form-control\" name=\"{id}\"");
    if shown.is_business_key {
        text.push_str(" cam-business-key=\"cam-business-key\"");
    } else {
        let kind = match field.kind {
            FormFieldKind::Long => "Long",
            FormFieldKind::Boolean => "Boolean",
            FormFieldKind::String | FormFieldKind::Enum(_) | FormFieldKind::Date(_) => "String",
        };
        let _ = write!(text, " cam-variable-type=\"{kind}\" cam-variable-name=\"{id}\"");
    }
    if let FormFieldKind::Date(pattern) = &field.kind {
        let _ = write!(text, " placeholder=\"{}\"", escaped(pattern.source()));
    }
    for constraint in &field.constraints {
        // A form does not send what is disabled, which is what Camunda wants of it.
        let name = if *constraint == FormConstraint::Readonly { "disabled" } else { constraint.name() };
        let _ = write!(text, " {name}=\"{}\"", constraint.config().unwrap_or_else(|| name.to_owned()));
    }
    text
}

fn it_has(label: Option<&str>) -> Option<&str> {
    label.filter(|label| !label.is_empty())
}

fn line(html: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(html, "    {text}");
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML has no other control characters, not even escaped.
            control if control.is_control() && !matches!(control, '\n' | '\t' | '\r') => {}
            other => escaped.push(other),
        }
    }
    escaped
}
