//! Forms of user tasks and start events (Camunda 7, "Task Forms"): what a task list shows a person, and asks of them.

use mandate_feel::Expression;

use crate::time::DatePattern;

/// A form: its key names one that is elsewhere, its fields are one to be generated.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// `camunda:formKey`: of a user task an expression, evaluated when the task is created; of a start event a text.
    pub key: Option<Expression>,
    /// `camunda:formField`s, in document order.
    pub fields: Vec<FormField>,
    /// `businessKey` of `camunda:formData`: the field of a start event that becomes no variable, for it asks for the business key.
    pub business_key: Option<String>,
}

/// One field of a generated form. What is entered becomes the variable of its name.
#[derive(Clone, Debug)]
pub struct FormField {
    /// The name of its variable.
    pub id: String,
    /// What it is called for people.
    pub label: Option<Expression>,
    /// What it takes.
    pub kind: FormFieldKind,
    /// What its variable is, if there is none yet.
    pub default: Option<Expression>,
    /// What must hold of an input, in document order.
    pub constraints: Vec<FormConstraint>,
    /// `camunda:property` pairs of id and value, for whoever shows the form.
    pub properties: Vec<(String, String)>,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormFieldKind {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Long,
    /// True or false.
    Boolean,
    /// A date, written as the pattern says.
    Date(DatePattern),
    /// One of some texts: pairs of value and name, in document order.
    Enum(Vec<(String, String)>),
}

impl FormFieldKind {
    /// As models write it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Long => "long",
            Self::Boolean => "boolean",
            Self::Date(_) => "date",
            Self::Enum(_) => "enum",
        }
    }
}

/// What must hold of an input: a `camunda:constraint`.
#[derive(Clone, Debug, PartialEq)]
pub enum FormConstraint {
    /// There is one, or the variable has a value.
    Required,
    /// There is none.
    Readonly,
    /// A number is not less.
    Min(f64),
    /// A number is not greater.
    Max(f64),
    /// A text has no fewer characters.
    MinLength(usize),
    /// A text has no more characters.
    MaxLength(usize),
}

impl std::fmt::Display for FormConstraint {
    /// As Camunda's messages have it: the name, and what it is set to.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.config() {
            Some(config) => write!(f, "{}({config})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

impl FormConstraint {
    /// As models write it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Readonly => "readonly",
            Self::Min(_) => "min",
            Self::Max(_) => "max",
            Self::MinLength(_) => "minlength",
            Self::MaxLength(_) => "maxlength",
        }
    }

    /// What it is set to.
    pub fn config(&self) -> Option<String> {
        match self {
            Self::Required | Self::Readonly => None,
            Self::Min(number) | Self::Max(number) => Some(number.to_string()),
            Self::MinLength(length) | Self::MaxLength(length) => Some(length.to_string()),
        }
    }
}
