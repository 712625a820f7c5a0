//! From tree to value, within bounds. What both languages do alike is here; where they differ, `eval/feel` and `eval/juel` decide.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::ast::{Link, Node, Operator, Step};
use crate::builtins::Builtin;
use crate::builtins::patterns::Compiled;
use crate::builtins::temporal::MOMENT;
use crate::lexer::Language;
use crate::value::{Entries, MAX_NESTING};
use crate::{Number, Value};

mod feel;
mod functions;
mod juel;
mod text;
mod values;

pub(crate) use feel::position_to_index;
pub use functions::Closure;

/// What names mean where an expression is evaluated.
pub trait Scope {
    /// The value of a variable, or `None` if there is none of this name (which is not the same as a variable that is null).
    /// An evaluation asks for a name at most once.
    fn resolve(&self, name: &str) -> Option<Value>;
}

impl Scope for Entries {
    fn resolve(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

impl Scope for BTreeMap<Arc<str>, Value> {
    fn resolve(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

impl<S: BuildHasher> Scope for HashMap<String, Value, S> {
    fn resolve(&self, name: &str) -> Option<Value> {
        self.get(name).cloned()
    }
}

/// The entries of a context; any other value has no names in it.
impl Scope for Value {
    fn resolve(&self, name: &str) -> Option<Value> {
        self.as_context()?.get(name).cloned()
    }
}

/// No names at all.
impl Scope for () {
    fn resolve(&self, _: &str) -> Option<Value> {
        None
    }
}

/// How much an evaluation may do. Past a limit it ends with the [`Error`] that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps: one for each node of the tree that is evaluated, for each item of a list that is made or looked at, and for each 64 bytes of
    /// text that are made or looked at. This bounds both time (well below a microsecond a step) and memory (at most 64 bytes a step).
    pub steps: u32,
    /// Levels of expressions within each other.
    pub depth: u32,
    /// Bytes of one text that an expression makes.
    pub string_bytes: usize,
    /// Items of one list that an expression makes.
    pub list_items: usize,
}

impl Limits {
    /// A filter over the largest list that fits a variable, several times over; and less than about a tenth of a second.
    pub const STEPS: u32 = 500_000;
    /// Half as deep again as the parser lets brackets be, for the operands in which they stand and for functions that call others.
    pub const DEPTH: u32 = 300;
    /// What an instance may hold in all its variables: 1 MiB.
    pub const STRING_BYTES: usize = 1024 * 1024;
    /// More items than fit into a variable; a result that large could not be stored.
    pub const LIST_ITEMS: usize = 100_000;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { steps: Limits::STEPS, depth: Limits::DEPTH, string_bytes: Limits::STRING_BYTES, list_items: Limits::LIST_ITEMS }
    }
}

/// Why an evaluation has no value. The texts name variables and kinds of values, never values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Past [`Limits::steps`].
    #[error("the expression takes more than {limit} steps")]
    StepLimit {
        /// The bound.
        limit: u32,
    },
    /// Past [`Limits::depth`].
    #[error("the expression goes more than {limit} levels deep")]
    DepthLimit {
        /// The bound.
        limit: u32,
    },
    /// Past [`Limits::string_bytes`].
    #[error("the expression makes a text of more than {limit} bytes")]
    StringLimit {
        /// The bound.
        limit: usize,
    },
    /// Past [`Limits::list_items`].
    #[error("the expression makes a list of more than {limit} items")]
    ListLimit {
        /// The bound.
        limit: usize,
    },
    /// A value that is compared, printed or given out has more than [`MAX_NESTING`] levels.
    #[error("a value is nested more than {MAX_NESTING} levels deep")]
    NestingLimit,
    /// FEEL only: a value that is given out, or written as JSON, has a function in it.
    #[error("a function is no value of a variable: call it, and keep what it gives")]
    Function,
    /// JUEL only: a name that the scope does not know. The text is Camunda 7's.
    #[error("Cannot resolve identifier '{0}'")]
    UnknownName(String),
    /// What was accepted once is no expression to this version, for this reason.
    #[error("this version cannot read it: {0}")]
    Unreadable(String),
    /// JUEL only: an operator was given what it cannot work with, or has no result. FEEL makes this a null with the same text as its
    /// reason.
    #[error("{0}")]
    Failed(String),
}

/// Reasons kept of one evaluation; a loop would otherwise collect one for each item.
pub(crate) const MAX_REASONS: usize = 16;

/// Text is charged as one step for so many bytes, which take about as long to copy as another step.
const BYTES_PER_STEP: usize = 64;

/// FEEL's name for the type of all values but null.
pub(crate) const ANY: &str = "Any";

/// Frames that a look-up passes in about the time of another step.
const FRAMES_PER_STEP: usize = 8;

/// Raising to a power multiplies up to 62 times, a few of which take as long as another step.
const STEPS_PER_POWER: usize = 32;

/// Why an operator or a function has no result.
pub(crate) enum Fault {
    /// FEEL: null, for this reason. JUEL: the error.
    Null(String),
    /// A bound was reached; nothing goes on.
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Error(error)
    }
}

impl Fault {
    pub(crate) fn null(reason: impl Into<String>) -> Fault {
        Fault::Null(reason.into())
    }
}

/// Names that an expression binds itself.
#[derive(Clone)]
enum Frame {
    /// The variable of an iteration.
    Local(Arc<str>, Value),
    /// The entries of a context that is being made.
    Entries(Arc<Entries>),
    /// The item that a filter looks at: its entries, and `item` for itself.
    Item(Value),
}

/// One evaluation.
pub(crate) struct Evaluator<'a> {
    scope: &'a dyn Scope,
    limits: &'a Limits,
    language: Language,
    steps_left: u32,
    depth: u32,
    frames: Vec<Frame>,
    /// What the scope said about each name: a scope may have to read a variable from its stored form, which a loop should not pay for again
    /// and again.
    resolved: BTreeMap<Arc<str>, Option<Value>>,
    /// The regular expression that was used last.
    compiled: Option<Arc<Compiled>>,
    reasons: Vec<String>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(scope: &'a dyn Scope, limits: &'a Limits, language: Language) -> Evaluator<'a> {
        Evaluator {
            scope,
            limits,
            language,
            steps_left: limits.steps,
            depth: 0,
            frames: Vec::new(),
            resolved: BTreeMap::new(),
            compiled: None,
            reasons: Vec::new(),
        }
    }

    /// The steps that are left, and why nulls came out.
    pub(crate) fn finish(self) -> (u32, Vec<String>) {
        (self.steps_left, self.reasons)
    }

    /// The regular expression that was used last.
    pub(crate) fn compiled(&self) -> Option<&Arc<Compiled>> {
        self.compiled.as_ref()
    }

    pub(crate) fn keep_compiled(&mut self, compiled: Arc<Compiled>) -> &Arc<Compiled> {
        self.compiled.insert(compiled)
    }

    pub(crate) fn evaluate(&mut self, node: &Node) -> Result<Value, Error> {
        self.charge(1)?;
        self.descend()?;
        let result = self.node(node);
        self.depth -= 1;
        result
    }

    fn node(&mut self, node: &Node) -> Result<Value, Error> {
        match node {
            Node::Constant(value) => Ok(value.clone()),
            Node::Name(name) => self.name(name),
            Node::Access(base, steps) => self.access(base, steps),
            Node::Negate(operand) => self.negate(operand),
            Node::Not(operand) => self.not(operand),
            Node::Empty(operand) => self.evaluate(operand).map(|value| Value::Boolean(juel::is_empty(&value))),
            Node::Chain(first, links) => self.chain(first, links),
            Node::And(operands) => self.junction(operands, false),
            Node::Or(operands) => self.junction(operands, true),
            Node::If(branches, otherwise) => self.condition(branches, otherwise),
            Node::List(nodes) => {
                let items = self.evaluate_all(nodes)?;
                self.list(items)
            }
            Node::Context(entries) => self.context(entries),
            Node::Call(builtin, arguments) => {
                let arguments = self.evaluate_all(arguments)?;
                let result = builtin.call(self, &arguments);
                self.value_or_null(result)
            }
            Node::Variable(name) => Ok(self.variable(name)),
            Node::AskedOf(object, name) => match self.lookup(&(*object).into()) {
                Some(_) => Ok(self.variable(name)),
                None => Err(Error::UnknownName((*object).to_owned())),
            },
            Node::Range(range) => self.range(range),
            Node::Function(function) => self.function(function),
            Node::IsDefined(operand) => self.is_defined(operand),
            Node::For(bindings, body) => self.for_each(bindings, body),
            Node::Quantified { every, bindings, body } => self.quantified(*every, bindings, body),
            Node::Template(parts) => self.template(parts),
        }
    }

    fn evaluate_all(&mut self, nodes: &[Node]) -> Result<Vec<Value>, Error> {
        nodes.iter().map(|node| self.evaluate(node)).collect()
    }

    fn name(&mut self, name: &Arc<str>) -> Result<Value, Error> {
        self.charge(self.frames.len() / FRAMES_PER_STEP)?;
        match (self.lookup(name), self.language) {
            (Some(value), _) => Ok(value),
            (None, Language::Juel) => Err(Error::UnknownName(name.to_string())),
            (None, Language::Feel) => Ok(self.null(|| format!("there is no variable '{}'", shown(name)))),
        }
    }

    fn variable(&mut self, name: &Arc<str>) -> Value {
        self.lookup(name).unwrap_or_else(|| self.null(|| format!("there is no variable '{}'", shown(name))))
    }

    fn lookup(&mut self, name: &Arc<str>) -> Option<Value> {
        // The moment is no entry of any data.
        let frames = if **name == *MOMENT { &[] } else { &self.frames[..] };
        let bound = frames.iter().rev().find_map(|frame| match frame {
            Frame::Local(local, value) => (local == name).then(|| value.clone()),
            Frame::Entries(entries) => entries.get(&**name).cloned(),
            Frame::Item(item) => match item.as_context().and_then(|entries| entries.get(&**name)) {
                Some(value) => Some(value.clone()),
                None => (**name == *"item").then(|| item.clone()),
            },
        });
        if bound.is_some() {
            return bound;
        }
        if let Some(resolved) = self.resolved.get(name) {
            return resolved.clone();
        }
        let value = self.scope.resolve(name);
        self.resolved.insert(Arc::clone(name), value.clone());
        value
    }

    fn access(&mut self, base: &Node, steps: &[Step]) -> Result<Value, Error> {
        let mut value = self.evaluate(base)?;
        for step in steps {
            self.charge(1)?;
            let result = match self.language {
                Language::Feel => self.feel_step(&value, step),
                Language::Juel => self.juel_step(&value, step),
            };
            value = self.value_or_null(result)?;
        }
        Ok(value)
    }

    /// JUEL's `object.method(arguments)`. Null has no methods (EL 2.1, 1.6).
    fn method(&mut self, object: &Value, method: &Builtin, arguments: &[Node]) -> Result<Value, Fault> {
        if object.is_null() {
            return Err(Fault::Null(format!("{}() was called on null", method.name)));
        }
        let mut all = vec![object.clone()];
        all.extend(self.evaluate_all(arguments)?);
        method.call(self, &all)
    }

    fn negate(&mut self, operand: &Node) -> Result<Value, Error> {
        let operand = self.evaluate(operand)?;
        let negated = match self.language {
            Language::Feel => feel::negate(&operand),
            Language::Juel => juel::to_number(&operand).map(|number| Value::Number(-number)),
        };
        self.value_or_null(negated)
    }

    fn not(&mut self, operand: &Node) -> Result<Value, Error> {
        let operand = self.evaluate(operand)?;
        let result = juel::to_boolean(&operand).map(|value| Value::Boolean(!value));
        self.value_or_null(result)
    }

    fn chain(&mut self, first: &Node, links: &[Link]) -> Result<Value, Error> {
        let mut left = self.evaluate(first)?;
        // One operator is the node itself, which is charged.
        self.charge(links.len().saturating_sub(1))?;
        for link in links {
            let result = match link {
                Link::Binary(operator, right) => {
                    let right = self.evaluate(right)?;
                    self.binary(*operator, &left, &right)
                }
                Link::Between(low, high) => {
                    let (low, high) = (self.evaluate(low)?, self.evaluate(high)?);
                    self.feel_between(&left, &low, &high)
                }
                Link::In(tests) => self.feel_in(&left, tests),
                Link::InstanceOf(kind) => Ok(Value::Boolean(is_of_kind(&left, kind))),
            };
            left = self.value_or_null(result)?;
        }
        Ok(left)
    }

    fn binary(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<Value, Fault> {
        match self.language {
            Language::Feel => self.feel_binary(operator, left, right),
            Language::Juel => self.juel_binary(operator, left, right),
        }
    }

    /// `and` and `or`: the first operand that is `decisive` decides. In FEEL an operand that is no boolean leaves the others to decide.
    fn junction(&mut self, operands: &[Node], decisive: bool) -> Result<Value, Error> {
        let mut unknown = false;
        for operand in operands {
            let value = self.evaluate(operand)?;
            if self.language == Language::Juel {
                let result = juel::to_boolean(&value).map(Value::Boolean);
                if self.value_or_null(result)? == Value::Boolean(decisive) {
                    return Ok(Value::Boolean(decisive));
                }
                continue;
            }
            match value {
                Value::Boolean(value) if value == decisive => return Ok(Value::Boolean(decisive)),
                Value::Boolean(_) => {}
                _ => {
                    unknown = true;
                    if !value.is_null() {
                        self.null(|| format!("'{}' needs booleans, not {}", if decisive { "or" } else { "and" }, value.kind()));
                    }
                }
            }
        }
        Ok(if unknown { Value::Null } else { Value::Boolean(!decisive) })
    }

    fn condition(&mut self, branches: &[[Node; 2]], otherwise: &Node) -> Result<Value, Error> {
        for [condition, then] in branches {
            if self.is_true(condition)? {
                return self.evaluate(then);
            }
        }
        self.evaluate(otherwise)
    }

    fn is_true(&mut self, condition: &Node) -> Result<bool, Error> {
        let condition = self.evaluate(condition)?;
        Ok(match (self.language, &condition) {
            (Language::Juel, _) => {
                let result = juel::to_boolean(&condition).map(Value::Boolean);
                self.value_or_null(result)? == Value::Boolean(true)
            }
            (Language::Feel, Value::Boolean(holds)) => *holds,
            (Language::Feel, other) => {
                self.null(|| format!("'if' needs a boolean, not {}", other.kind()));
                false
            }
        })
    }

    fn context(&mut self, entries: &[(String, Node)]) -> Result<Value, Error> {
        self.frames.push(Frame::Entries(Arc::default()));
        for (name, node) in entries {
            let value = self.evaluate(node)?;
            self.charge_bytes(name.len())?;
            let mut shared = None;
            if let Some(Frame::Entries(made)) = self.frames.last_mut() {
                shared = (Arc::strong_count(made) > 1).then(|| Arc::clone(made));
                Arc::make_mut(made).insert(name.clone(), value);
            }
            // A function has seen them as they were.
            if let Some(copied) = shared {
                self.charge_entries(&copied)?;
            }
        }
        match self.frames.pop() {
            Some(Frame::Entries(made)) => Ok(Value::Context(made)),
            _ => unreachable!("every evaluation leaves the frames as it found them"),
        }
    }

    /// A JUEL template: the texts of its parts, joined.
    fn template(&mut self, parts: &[Node]) -> Result<Value, Error> {
        let mut text = String::new();
        for part in parts {
            let value = self.evaluate(part)?;
            self.write_juel(&value, &mut text)?;
        }
        Ok(Value::from(text))
    }

    /// Counts work that is about to be done.
    pub(crate) fn charge(&mut self, steps: usize) -> Result<(), Error> {
        let left = u32::try_from(steps).ok().and_then(|steps| self.steps_left.checked_sub(steps));
        self.steps_left = left.ok_or(Error::StepLimit { limit: self.limits.steps })?;
        Ok(())
    }

    /// Counts bytes of text that are about to be looked at.
    pub(crate) fn charge_bytes(&mut self, bytes: usize) -> Result<(), Error> {
        self.charge(bytes / BYTES_PER_STEP)
    }

    /// Counts entries that are about to be copied or looked at, with their names.
    pub(crate) fn charge_entries(&mut self, entries: &Entries) -> Result<(), Error> {
        self.charge(entries.len() * 2 + 1)?;
        self.charge_bytes(entries.keys().map(String::len).sum())
    }

    /// Counts a text that is about to be made, and refuses it if it is too long.
    pub(crate) fn room_for_text(&mut self, bytes: usize) -> Result<(), Error> {
        if bytes > self.limits.string_bytes {
            return Err(Error::StringLimit { limit: self.limits.string_bytes });
        }
        self.charge(bytes / BYTES_PER_STEP + 1)
    }

    /// Counts a list that is about to be made, and refuses it if it is too long.
    pub(crate) fn room_for_list(&mut self, items: usize) -> Result<(), Error> {
        if items > self.limits.list_items {
            return Err(Error::ListLimit { limit: self.limits.list_items });
        }
        self.charge(items + 1)
    }

    /// A text that was made.
    pub(crate) fn text(&mut self, text: String) -> Result<Value, Error> {
        self.room_for_text(text.len())?;
        Ok(Value::from(text))
    }

    /// A list that was made.
    pub(crate) fn list(&mut self, items: Vec<Value>) -> Result<Value, Error> {
        self.room_for_list(items.len())?;
        Ok(Value::list(items))
    }

    /// Notes why a null comes out, and gives it.
    fn null(&mut self, reason: impl FnOnce() -> String) -> Value {
        if self.reasons.len() < MAX_REASONS {
            let reason = reason();
            // Nobody here can be told that the steps are used up: whoever takes the next one is.
            self.steps_left = self.steps_left.saturating_sub(to_steps(reason.len()));
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
        Value::Null
    }

    /// What a fault means in the language of the expression.
    fn value_or_null(&mut self, result: Result<Value, Fault>) -> Result<Value, Error> {
        match (result, self.language) {
            (Ok(value), _) => Ok(value),
            (Err(Fault::Error(error)), _) => Err(error),
            (Err(Fault::Null(reason)), Language::Feel) => Ok(self.null(|| reason)),
            (Err(Fault::Null(reason)), Language::Juel) => Err(Error::Failed(reason)),
        }
    }

    /// Goes one level deeper; whoever calls this subtracts it again.
    fn descend(&mut self) -> Result<(), Error> {
        if self.depth >= self.limits.depth {
            return Err(Error::DepthLimit { limit: self.limits.depth });
        }
        self.depth += 1;
        Ok(())
    }
}

/// Of a name, or a list of them, no more is said in a reason: a loop may say it again and again. In bytes.
const MAX_SHOWN: usize = 120;

/// A name as a reason has it.
fn shown(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_SHOWN { name.into() } else { format!("{}…", &name[..name.floor_char_boundary(MAX_SHOWN)]).into() }
}

/// Whether a value is of the kind of this name; all but null are of any.
fn is_of_kind(value: &Value, kind: &str) -> bool {
    value.kind() == kind || (kind == ANY && !value.is_null())
}

fn to_steps(bytes: usize) -> u32 {
    u32::try_from(bytes / BYTES_PER_STEP).unwrap_or(u32::MAX)
}

/// Arithmetic that both languages share once they have numbers.
fn arithmetic(operator: Operator, left: Number, right: Number) -> Result<Number, Fault> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        Operator::Power => {
            let power = right.to_i64().and_then(|power| i32::try_from(power).ok());
            let Some(power) = power else {
                return Err(Fault::null("the exponent of ** must be an integer of 32 bits"));
            };
            left.checked_pow(power)
        }
        _ if right.is_zero() => return Err(Fault::null("division by zero")),
        Operator::Remainder => left.checked_rem(right),
        _ => left.checked_div(right),
    };
    result.ok_or_else(|| Fault::Null(format!("the result of {} is past the largest number", operator.sign())))
}
