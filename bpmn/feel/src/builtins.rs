//! FEEL's built-in functions (DMN 1.5, 10.3.4, and Camunda's extensions), and the methods that JUEL calls: one line in the table of a
//! family for each.
//!
//! A function says what it cannot do with its arguments by a [`Fault::Null`]; the call then is null for that reason.

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::ast::Node;
use crate::eval::{Closure, Evaluator, Fault};
use crate::value::Entries;
use crate::{Number, Value};

mod contexts;
pub(crate) mod dates;
mod lists;
pub(crate) mod methods;
mod numbers;
pub(crate) mod patterns;
mod ranges;
mod sort;
mod strings;
pub(crate) mod temporal;
mod values;

/// One function.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// The ways to call it, each by the names of its parameters, separated by commas. One that may be left out has a question mark behind
    /// it, one that stands for any number has dots: `string, start position, length?`, `list...`, `list, items...?`.
    signatures: &'static [&'static str],
    run: Run,
    check: Check,
}

type Run = fn(&mut Evaluator<'_>, Args<'_>) -> Result<Value, Fault>;

/// Says what is wrong with the texts that an expression has for arguments itself, whatever the others are: a call that is always null is
/// refused when it is read.
type Check = fn(Fixed<'_>) -> Result<(), Fault>;

/// The most words that the name of a function has.
pub(crate) const MOST_WORDS: usize = 4;

/// All functions of FEEL, by families.
static FAMILIES: &[&[Builtin]] =
    &[values::TABLE, contexts::TABLE, strings::TABLE, patterns::TABLE, numbers::TABLE, lists::TABLE, temporal::TABLE, ranges::TABLE];

/// Functions that Camunda 8 has and that cannot be had here, each with what to do instead.
static REFUSED: &[(&str, &str)] = &[
    ("uuid", "let the request that starts the process, a delegate or a worker give the id"),
    ("random number", "let a delegate or a worker draw the number"),
];

/// An argument that was left out.
static NULL: Value = Value::Null;

const fn builtin(name: &'static str, signatures: &'static [&'static str], run: Run) -> Builtin {
    Builtin { name, signatures, run, check: |_| Ok(()) }
}

/// The function of a name, whose words are separated by one blank.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    FAMILIES.iter().copied().flatten().find(|builtin| builtin.name == name)
}

/// What to do instead of calling a function that gives something else each time. An expression gives the same whenever its unit of work
/// runs again.
pub(crate) fn instead_of(name: &str) -> Option<&'static str> {
    REFUSED.iter().find(|(refused, _)| *refused == name).map(|(_, instead)| *instead)
}

/// Letters of a name that say something of what was meant.
const LEAST_TO_SUGGEST: usize = 3;

/// Advice for a name that is no function: those that begin alike, or all.
pub(crate) fn suggest(name: &str) -> String {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let wanted = plain(name);
    let names = FAMILIES.iter().copied().flatten().map(|builtin| builtin.name).chain(["is defined"]);
    // `toUpperCase`, `upperCase` and `starts_with` are near enough to what was meant. What has one letter or two is in most names.
    let is_near = |own: &&str| wanted.len() >= LEAST_TO_SUGGEST && (wanted.contains(&plain(own)) || plain(own).contains(&wanted));
    let near: Vec<_> = names.clone().filter(is_near).collect();
    if near.is_empty() { format!("known are: {}", names.collect::<Vec<_>>().join(", ")) } else { format!("perhaps {}", near.join(", ")) }
}

/// One parameter of a signature.
#[derive(Clone, Copy)]
struct Parameter {
    name: &'static str,
    optional: bool,
    repeated: bool,
}

fn parameters(signature: &'static str) -> impl Iterator<Item = Parameter> {
    signature.split(", ").filter(|written| !written.is_empty()).map(|written| Parameter {
        name: written.trim_end_matches(['?', '.']),
        optional: written.ends_with('?'),
        repeated: written.trim_end_matches('?').ends_with("..."),
    })
}

/// How many arguments a signature takes.
fn arity(signature: &'static str) -> RangeInclusive<usize> {
    let least = parameters(signature).filter(|parameter| !parameter.optional).count();
    let most = parameters(signature).count();
    least..=if parameters(signature).any(|parameter| parameter.repeated) { usize::MAX } else { most }
}

impl Builtin {
    const fn checked(self, check: Check) -> Builtin {
        Builtin { check, ..self }
    }

    /// Why a call with these arguments is always null, if that can be said. `room` is what is left of the bytes of patterns that are looked
    /// at.
    pub(crate) fn always_null(&self, arguments: &[Node], room: &Cell<usize>) -> Option<String> {
        match (self.check)(Fixed { arguments, room }) {
            Err(Fault::Null(reason)) => Some(format!("{}(): {reason}", self.name)),
            _ => None,
        }
    }

    /// Whether it can be called with so many arguments.
    pub(crate) fn takes(&self, arguments: usize) -> bool {
        self.signatures.iter().any(|signature| arity(signature).contains(&arguments))
    }

    /// The least and the largest number of arguments.
    pub(crate) fn arity(&self) -> RangeInclusive<usize> {
        let all = || self.signatures.iter().map(|signature| arity(signature));
        let least = all().map(|arity| *arity.start()).min().unwrap_or_default();
        least..=all().map(|arity| *arity.end()).max().unwrap_or_default()
    }

    /// All its ways to be called, for advice.
    pub(crate) fn usage(&self) -> String {
        let usage = |signature: &&str| format!("{}({signature})", self.name);
        self.signatures.iter().map(usage).collect::<Vec<_>>().join(" or ")
    }

    /// The arguments of a call by the names of its parameters, in their order (DMN 1.5, grammar rule 42); in place of what was left out
    /// before others there is a none. None at all: it cannot be called so.
    pub(crate) fn in_order<T>(&self, named: Vec<(String, T)>) -> Option<Vec<Option<T>>> {
        let mut named: Vec<_> = named.into_iter().map(|(name, argument)| (name, Some(argument))).collect();
        let fits = |signature: &&&'static str| {
            let known = named.iter().all(|(name, _)| parameters(signature).any(|parameter| parameter.name == name));
            known && parameters(signature).all(|parameter| parameter.optional || named.iter().any(|(name, _)| name == parameter.name))
        };
        let signature = self.signatures.iter().find(fits)?;
        let mut arguments: Vec<_> = parameters(signature)
            .map(|parameter| named.iter_mut().find(|(name, _)| name == parameter.name).and_then(|(_, argument)| argument.take()))
            .collect();
        while arguments.last().is_some_and(Option::is_none) {
            arguments.pop();
        }
        // A name that is left over was there twice.
        named.iter().all(|(_, argument)| argument.is_none()).then_some(arguments)
    }

    pub(crate) fn call(&self, evaluator: &mut Evaluator<'_>, arguments: &[Value]) -> Result<Value, Fault> {
        (self.run)(evaluator, Args(arguments)).map_err(|fault| match fault {
            Fault::Null(reason) => Fault::Null(format!("{}(): {reason}", self.name)),
            Fault::Error(error) => Fault::Error(error),
        })
    }
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The arguments of a call, as far as they are written there as texts.
#[derive(Clone, Copy)]
struct Fixed<'n> {
    arguments: &'n [Node],
    room: &'n Cell<usize>,
}

impl<'n> Fixed<'n> {
    fn len(self) -> usize {
        self.arguments.len()
    }

    /// The text, if the argument is one.
    fn text(self, at: usize) -> Option<&'n str> {
        if let Some(Node::Constant(Value::String(text))) = self.arguments.get(at) { Some(text) } else { None }
    }

    /// The text, or an empty one if the argument was left out.
    fn text_or_empty(self, at: usize) -> Option<&'n str> {
        match self.arguments.get(at) {
            None | Some(Node::Constant(Value::Null)) => Some(""),
            Some(_) => self.text(at),
        }
    }

    /// Whether there is room left for a pattern, which takes it then.
    fn has_room_for(self, pattern: &str) -> bool {
        let left = self.room.get().checked_sub(pattern.len());
        self.room.set(left.unwrap_or_default());
        left.is_some()
    }
}

/// The arguments of a call, as the kinds that a function needs.
#[derive(Clone, Copy)]
struct Args<'v>(&'v [Value]);

impl<'v> Args<'v> {
    fn len(self) -> usize {
        self.0.len()
    }

    /// The argument, or null if it was left out.
    fn value(self, at: usize) -> &'v Value {
        self.0.get(at).unwrap_or(&NULL)
    }

    fn boolean(self, at: usize) -> Result<bool, Fault> {
        self.value(at).as_bool().ok_or_else(|| self.wrong(at, "boolean"))
    }

    fn number(self, at: usize) -> Result<Number, Fault> {
        self.value(at).as_number().ok_or_else(|| self.wrong(at, "number"))
    }

    fn integer(self, at: usize) -> Result<i64, Fault> {
        self.value(at).as_i64().ok_or_else(|| self.wrong(at, "integer"))
    }

    fn text(self, at: usize) -> Result<&'v str, Fault> {
        self.value(at).as_str().ok_or_else(|| self.wrong(at, "string"))
    }

    /// A text; another one if it was left out.
    fn text_or(self, at: usize, default: &'static str) -> Result<&'v str, Fault> {
        if self.value(at).is_null() { Ok(default) } else { self.text(at) }
    }

    fn context(self, at: usize) -> Result<&'v Arc<Entries>, Fault> {
        if let Value::Context(entries) = self.value(at) { Ok(entries) } else { Err(self.wrong(at, "context")) }
    }

    fn function(self, at: usize) -> Result<&'v Arc<Closure>, Fault> {
        if let Value::Function(function) = self.value(at) { Ok(function) } else { Err(self.wrong(at, "function")) }
    }

    /// A list; a value that is none is a list of one item (DMN 1.5, 10.3.2.9.4).
    fn list(self, at: usize) -> Result<&'v [Value], Fault> {
        match self.value(at) {
            Value::Null => Err(self.wrong(at, "list")),
            Value::List(items) => Ok(items),
            single => Ok(std::slice::from_ref(single)),
        }
    }

    /// The items of the only argument, if it is a list; otherwise all arguments.
    fn items(self) -> Result<&'v [Value], Fault> {
        if self.len() == 1 { self.list(0) } else { Ok(self.0) }
    }

    fn wrong(self, at: usize, wanted: &str) -> Fault {
        let article = if wanted.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let found = match self.value(at) {
            Value::Number(_) if wanted == "integer" => "a number with a fraction",
            other => other.kind(),
        };
        Fault::Null(format!("argument {} must be {article} {wanted}, not {found}", at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::{FAMILIES, MOST_WORDS, REFUSED, find};

    #[test]
    fn the_documentation_has_each_function() {
        let text = include_str!("../../../docs/expressions.md");
        for builtin in FAMILIES.iter().copied().flatten() {
            assert!(text.contains(&format!("`{}`", builtin.name)), "docs/expressions.md lacks `{}`", builtin.name);
        }
        for (name, _) in REFUSED {
            assert!(text.contains(&format!("`{name}()`")), "docs/expressions.md lacks `{name}()`");
        }
    }

    #[test]
    fn each_function_is_there_once_and_has_at_most_so_many_words() {
        let all: Vec<_> = FAMILIES.iter().copied().flatten().collect();
        for builtin in &all {
            assert_eq!(all.iter().filter(|other| other.name == builtin.name).count(), 1, "{}", builtin.name);
            assert!(builtin.name.split(' ').count() <= MOST_WORDS, "{}", builtin.name);
            assert!(find(builtin.name).is_some_and(|found| found.takes(*builtin.arity().start())), "{}", builtin.name);
        }
    }
}
