//! The compiled form of an expression.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::Value;
use crate::ast::{self, Node, Step};
use crate::builtins::dates;
use crate::eval::{Error, Evaluator, Limits, MAX_REASONS, Scope};
use crate::lexer::Language;
use crate::parser::juel::Template;
use crate::parser::{ParseError, PatternRoom, feel, juel, objects};

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
    List(Vec<Expression>),
    Context(Vec<(String, Expression)>),
    /// What is no expression to this version.
    Unreadable(ParseError),
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The value, within what JSON can carry.
    pub value: Value,
    /// Why nulls came out on the way, whether or not the value is null itself: names that are not known, wrong types. Each reason once, at
    /// most sixteen.
    pub null_reasons: Vec<String>,
}

/// Several expressions that make one value, with the steps of one.
struct Parts<'a> {
    scope: &'a dyn Scope,
    limits: &'a mut Limits,
    /// All steps that they have together.
    whole: u32,
    null_reasons: Vec<String>,
}

impl<'a> Parts<'a> {
    fn new(scope: &'a dyn Scope, limits: &'a mut Limits) -> Self {
        Self { scope, whole: limits.steps, limits, null_reasons: Vec::new() }
    }

    fn evaluate(&mut self, part: &Expression) -> Result<Value, Error> {
        let evaluated = part.evaluate_within(self.scope, self.limits).map_err(|error| self.of_all(error))?;
        self.null_reasons.extend(evaluated.null_reasons);
        self.null_reasons.truncate(MAX_REASONS);
        Ok(evaluated.value)
    }

    /// Around what its parts may carry there is a level more.
    fn finish(mut self, value: Value) -> Result<Evaluated, Error> {
        let settled = within(self.scope, self.limits, Language::Feel, |evaluator| evaluator.settle(value));
        let (value, reasons) = settled.map_err(|error| self.of_all(error))?;
        self.null_reasons.extend(reasons);
        Ok(Evaluated { value, null_reasons: self.null_reasons })
    }

    /// What is told of a limit is that of all together.
    fn of_all(&self, error: Error) -> Error {
        match error {
            Error::StepLimit { .. } => Error::StepLimit { limit: self.whole },
            other => other,
        }
    }
}

/// Evaluates something, and takes the steps that it takes from the limits, so or otherwise.
fn within(
    scope: &dyn Scope,
    limits: &mut Limits,
    language: Language,
    work: impl FnOnce(&mut Evaluator<'_>) -> Result<Value, Error>,
) -> Result<(Value, Vec<String>), Error> {
    let mut evaluator = Evaluator::new(scope, limits, language);
    let value = work(&mut evaluator);
    let (left, null_reasons) = evaluator.finish();
    limits.steps = if matches!(value, Err(Error::StepLimit { .. })) { 0 } else { left };
    Ok((value?, null_reasons))
}

impl Expression {
    /// Compiles an attribute or the text of an element as modellers write it: `= FEEL`, a JUEL template (`${amount}`, `order-${id}`), or
    /// else literal text.
    ///
    /// Blanks around FEEL and around a single `${…}` do not count; literal text is taken as it is.
    pub fn parse(source: &str) -> Result<Expression, ParseError> {
        Expression::parse_within(source, &PatternRoom::new(usize::MAX))
    }

    /// The same for one of many expressions, which share the room that they have for patterns.
    pub fn parse_within(source: &str, room: &PatternRoom) -> Result<Expression, ParseError> {
        Expression::parse_where(source, room, None)
    }

    /// The same where an object of Camunda 7 is known to be there beside `execution`: `task`, `externalTask`. In JUEL a property that it
    /// has not is an error then; elsewhere its name may be a variable's, which has what it has.
    pub fn parse_where(source: &str, room: &PatternRoom, object: Option<&str>) -> Result<Expression, ParseError> {
        let trimmed = source.trim_start();
        if trimmed.starts_with('=') {
            let node = feel::parse(source, source.len() - trimmed.len() + 1, room)?;
            return Ok(Expression::new(source, Form::Tree(Language::Feel, node)));
        }
        if juel::is_template(source) { Expression::template(source, object) } else { Ok(Expression::literal(source)) }
    }

    /// Compiles FEEL, written without a leading equals sign.
    pub fn parse_feel(source: &str) -> Result<Expression, ParseError> {
        Ok(Expression::new(source, Form::Tree(Language::Feel, feel::parse(source, 0, &PatternRoom::new(usize::MAX))?)))
    }

    /// Compiles a JUEL template.
    pub fn parse_juel(source: &str) -> Result<Expression, ParseError> {
        Expression::template(source, None)
    }

    fn template(source: &str, object: Option<&str>) -> Result<Expression, ParseError> {
        let form = match juel::parse_template(source, object)? {
            Template::Text(text) => Form::Literal(text.into()),
            Template::Expression(node) => Form::Tree(Language::Juel, node),
        };
        Ok(Expression::new(source, form))
    }

    /// Text that stands for itself, whatever is in it.
    pub fn literal(text: &str) -> Expression {
        Expression::new(text, Form::Literal(text.into()))
    }

    /// A list of what these give, each in a language of its own.
    pub fn list(items: Vec<Expression>) -> Expression {
        let sources: Vec<_> = items.iter().map(Expression::source).collect();
        Expression::new(&format!("[{}]", sources.join(", ")), Form::List(items))
    }

    /// A context of what these give. Of entries with one name the last counts.
    pub fn context(entries: Vec<(String, Expression)>) -> Expression {
        let sources: Vec<_> = entries.iter().map(|(name, entry)| format!("{name}: {}", entry.source())).collect();
        Expression::new(&format!("{{{}}}", sources.join(", ")), Form::Context(entries))
    }

    /// What an earlier version took, and this one does not: whoever needs its value gets [`Error::Unreadable`].
    pub fn unreadable(source: &str, error: ParseError) -> Expression {
        Expression::new(source, Form::Unreadable(error))
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

    /// Why this version cannot read it, if it cannot.
    pub fn as_unreadable(&self) -> Option<&ParseError> {
        if let Form::Unreadable(error) = &self.0.form { Some(error) } else { None }
    }

    /// The variable whose value it gives, if that is all it does: `${name}`, `= name`, `${execution.getVariable('name')}`.
    pub fn as_reference(&self) -> Option<&str> {
        match &self.0.form {
            Form::Tree(_, Node::Name(name) | Node::Variable(name)) => Some(&**name).filter(|name| !objects::is_call(name)),
            _ => None,
        }
    }

    /// Whether a text that it has given is a date of Camunda 7, whose text is all that an evaluation has of it: `${now()}`,
    /// `${dateTime().plusDays(2).toDate()}`, `${empty due ? now() : due}`. Of which variables the values are dates, or null, whoever asks
    /// says. FEEL has dates of its own.
    pub fn gives_date(&self, text: &str, is_date: &dyn Fn(&str) -> bool) -> bool {
        let Form::Tree(Language::Juel, node) = &self.0.form else { return false };
        gives_date(node, is_date) && dates::is_date(text)
    }

    /// The names that it certainly looks up in its scope, each once, in the order of their first use.
    ///
    /// Left out are names within FEEL filters, which may be entries of the items, and those that are only asked about with `is defined`.
    pub fn names(&self) -> Vec<Arc<str>> {
        match &self.0.form {
            Form::Tree(language, node) => ast::free_names(node, *language == Language::Feel),
            Form::Literal(_) | Form::Unreadable(_) => Vec::new(),
            Form::List(items) => distinct(items.iter().flat_map(Expression::names)),
            Form::Context(entries) => distinct(entries.iter().flat_map(|(_, entry)| entry.names())),
        }
    }

    /// Evaluates it with the names of a scope.
    pub fn evaluate(&self, scope: &dyn Scope, limits: &Limits) -> Result<Evaluated, Error> {
        self.evaluate_within(scope, &mut limits.clone())
    }

    /// The same. The limits have as many steps less afterwards as it took, also where it fails.
    pub fn evaluate_within(&self, scope: &dyn Scope, limits: &mut Limits) -> Result<Evaluated, Error> {
        match &self.0.form {
            Form::Literal(text) => Ok(Evaluated { value: Value::String(Arc::clone(text)), null_reasons: Vec::new() }),
            Form::Tree(language, node) => {
                let whole = |evaluator: &mut Evaluator<'_>| evaluator.evaluate(node).and_then(|value| evaluator.settle(value));
                let (value, null_reasons) = within(scope, limits, *language, whole)?;
                Ok(Evaluated { value, null_reasons })
            }
            Form::Unreadable(error) => Err(Error::Unreadable(error.message.clone())),
            Form::List(items) => {
                let mut parts = Parts::new(scope, limits);
                let items: Result<Vec<_>, _> = items.iter().map(|item| parts.evaluate(item)).collect();
                parts.finish(Value::list(items?))
            }
            Form::Context(entries) => {
                let mut parts = Parts::new(scope, limits);
                let part = |(name, entry): &(String, Expression)| Ok((name.clone(), parts.evaluate(entry)?));
                let entries: Result<_, Error> = entries.iter().map(part).collect();
                parts.finish(Value::context(entries?))
            }
        }
    }

    fn kind(&self) -> &'static str {
        match &self.0.form {
            Form::Literal(_) => "Literal",
            Form::Tree(Language::Feel, _) => "Feel",
            Form::Tree(Language::Juel, _) => "Juel",
            Form::List(_) => "List",
            Form::Context(_) => "Context",
            Form::Unreadable(_) => "Unreadable",
        }
    }
}

fn gives_date(node: &Node, is_date: &dyn Fn(&str) -> bool) -> bool {
    match node {
        Node::Constant(value) => value.is_null(),
        Node::Name(name) | Node::Variable(name) if objects::is_call(name) => objects::gives_date(name),
        Node::Name(name) | Node::Variable(name) | Node::AskedOf(_, name) => is_date(name),
        Node::If(branches, otherwise) => branches.iter().all(|[_, then]| gives_date(then, is_date)) && gives_date(otherwise, is_date),
        Node::Access(base, steps) => match (&**base, steps.as_slice()) {
            (_, [.., Step::Method(method, _)]) => dates::METHODS.iter().any(|own| std::ptr::eq(own, *method)),
            (Node::Name(name), [Step::Member(property)]) => **name == *"task" && objects::DATES_OF_TASK.contains(&&**property),
            _ => false,
        },
        _ => false,
    }
}

fn distinct(names: impl Iterator<Item = Arc<str>>) -> Vec<Arc<str>> {
    let mut seen = BTreeSet::new();
    names.filter(|name| seen.insert(Arc::clone(name))).collect()
}

impl PartialEq for Expression {
    fn eq(&self, other: &Expression) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || (self.source() == other.source() && self.kind() == other.kind())
    }
}

impl Eq for Expression {}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple(self.kind()).field(&self.source()).finish()
    }
}
