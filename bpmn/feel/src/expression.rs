//! The compiled form of an expression.

use std::fmt;
use std::sync::Arc;

use crate::Value;
use crate::ast::{self, Node};
use crate::eval::{Error, Evaluator, Limits, Scope};
use crate::lexer::Language;
use crate::parser::juel::Template;
use crate::parser::{ParseError, feel, juel};

/// An expression, compiled. Cheap to clone, to be shared between threads.
///
/// Two expressions are equal if they were written alike in the same language.
#[derive(Clone)]
pub struct Expression(Arc<Compiled>);

struct Compiled {
    source: String,
    form: Form,
}

enum Form {
    Literal(Arc<str>),
    Tree(Language, Node),
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The value, within what JSON can carry.
    pub value: Value,
    /// Why nulls came out on the way, whether or not the value is null itself: names that are not known, wrong types. Each reason once, at most sixteen.
    pub null_reasons: Vec<String>,
}

impl Expression {
    /// Compiles an attribute or the text of an element as modellers write it: `= FEEL`, a JUEL template (`${amount}`, `order-${id}`), or else literal text.
    ///
    /// Blanks around FEEL and around a single `${…}` do not count; literal text is taken as it is.
    pub fn parse(source: &str) -> Result<Expression, ParseError> {
        let trimmed = source.trim_start();
        if trimmed.starts_with('=') {
            let node = feel::parse(source, source.len() - trimmed.len() + 1)?;
            return Ok(Expression::new(source, Form::Tree(Language::Feel, node)));
        }
        if juel::is_template(source) { Expression::parse_juel(source) } else { Ok(Expression::literal(source)) }
    }

    /// Compiles FEEL, written without a leading equals sign.
    pub fn parse_feel(source: &str) -> Result<Expression, ParseError> {
        Ok(Expression::new(source, Form::Tree(Language::Feel, feel::parse(source, 0)?)))
    }

    /// Compiles a JUEL template.
    pub fn parse_juel(source: &str) -> Result<Expression, ParseError> {
        let form = match juel::parse_template(source)? {
            Template::Text(text) => Form::Literal(text.into()),
            Template::Expression(node) => Form::Tree(Language::Juel, node),
        };
        Ok(Expression::new(source, form))
    }

    /// Text that stands for itself, whatever is in it.
    pub fn literal(text: &str) -> Expression {
        Expression::new(text, Form::Literal(text.into()))
    }

    fn new(source: &str, form: Form) -> Expression {
        Expression(Arc::new(Compiled { source: source.to_owned(), form }))
    }

    /// The text it was compiled from.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The text that it always is, if there is no expression in it.
    pub fn as_literal(&self) -> Option<&str> {
        if let Form::Literal(text) = &self.0.form { Some(text) } else { None }
    }

    /// The names that it certainly looks up in its scope, each once, in the order of their first use.
    ///
    /// Left out are names within FEEL filters, which may be entries of the items, and those that are only asked about with `is defined`.
    pub fn names(&self) -> Vec<Arc<str>> {
        match &self.0.form {
            Form::Tree(language, node) => ast::free_names(node, *language == Language::Feel),
            Form::Literal(_) => Vec::new(),
        }
    }

    /// Evaluates it with the names of a scope.
    pub fn evaluate(&self, scope: &dyn Scope, limits: &Limits) -> Result<Evaluated, Error> {
        match &self.0.form {
            Form::Literal(text) => Ok(Evaluated { value: Value::String(Arc::clone(text)), null_reasons: Vec::new() }),
            Form::Tree(language, node) => {
                let mut evaluator = Evaluator::new(scope, limits, *language);
                let value = evaluator.evaluate(node)?;
                let value = evaluator.settle(value)?;
                Ok(Evaluated { value, null_reasons: evaluator.into_reasons() })
            }
        }
    }

    fn language(&self) -> Option<Language> {
        if let Form::Tree(language, _) = &self.0.form { Some(*language) } else { None }
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.source() == other.source() && self.language() == other.language())
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0.form {
            Form::Literal(_) => "Literal",
            Form::Tree(Language::Feel, _) => "Feel",
            Form::Tree(Language::Juel, _) => "Juel",
        };
        f.debug_tuple(kind).field(&self.source()).finish()
    }
}
