//! FEEL's built-in functions: one line in one table for each (DMN 1.5, 10.3.4, and a few of Camunda's extensions).
//!
//! A function says what it cannot do with its arguments by a [`Fault::Null`]; the call then is null for that reason.

use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::eval::{Evaluator, Fault};
use crate::number::Rounding;
use crate::value::Entries;
use crate::{Number, Value};

pub(crate) mod dates;
mod lists;
pub(crate) mod methods;
mod numbers;
mod strings;

/// One function.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// How many arguments it takes.
    pub(crate) arity: RangeInclusive<usize>,
    run: Run,
}

type Run = fn(&mut Evaluator<'_>, Args<'_>) -> Result<Value, Fault>;

/// The most words that the name of a function has.
pub(crate) const MOST_WORDS: usize = 4;

/// Any number of arguments from one on.
const SOME: RangeInclusive<usize> = 1..=usize::MAX;

static BUILTINS: &[Builtin] = &[
    // Booleans, and values of any kind.
    builtin("not", 1..=1, |_, args| Ok(Value::Boolean(!args.boolean(0)?))),
    builtin("string", 1..=1, string),
    builtin("get or else", 2..=2, |_, args| Ok(args.value(usize::from(args.value(0).is_null())).clone())),
    // Contexts.
    builtin("get value", 2..=2, get_value),
    builtin("get entries", 1..=1, get_entries),
    builtin("context put", 3..=3, context_put),
    builtin("context merge", SOME, context_merge),
    // Strings.
    builtin("number", 1..=3, strings::number),
    builtin("contains", 2..=2, strings::contains),
    builtin("starts with", 2..=2, strings::starts_with),
    builtin("ends with", 2..=2, strings::ends_with),
    builtin("upper case", 1..=1, strings::upper_case),
    builtin("lower case", 1..=1, strings::lower_case),
    builtin("trim", 1..=1, strings::trim),
    builtin("string length", 1..=1, strings::string_length),
    builtin("substring", 2..=3, strings::substring),
    builtin("substring before", 2..=2, strings::substring_before),
    builtin("substring after", 2..=2, strings::substring_after),
    builtin("string join", 1..=2, strings::string_join),
    // Numbers.
    builtin("abs", 1..=1, |_, args| Ok(Value::Number(args.number(0)?.abs()))),
    builtin("floor", 1..=2, |_, args| numbers::rounded(args, Rounding::Floor)),
    builtin("ceiling", 1..=2, |_, args| numbers::rounded(args, Rounding::Ceiling)),
    builtin("decimal", 2..=2, |_, args| numbers::rounded(args, Rounding::HalfEven)),
    builtin("round up", 1..=2, |_, args| numbers::rounded(args, Rounding::Up)),
    builtin("round down", 1..=2, |_, args| numbers::rounded(args, Rounding::Down)),
    builtin("round half up", 1..=2, |_, args| numbers::rounded(args, Rounding::HalfUp)),
    builtin("round half down", 1..=2, |_, args| numbers::rounded(args, Rounding::HalfDown)),
    builtin("modulo", 2..=2, numbers::modulo),
    builtin("odd", 1..=1, |_, args| numbers::parity(args, 1)),
    builtin("even", 1..=1, |_, args| numbers::parity(args, 0)),
    // Lists. Those that look at items take them as one list or as arguments.
    builtin("count", 1..=1, |_, args| Ok(Value::from(args.list(0)?.len()))),
    builtin("sum", SOME, numbers::sum),
    builtin("mean", SOME, numbers::mean),
    builtin("min", SOME, |evaluator, args| numbers::extreme(evaluator, args, std::cmp::Ordering::Less)),
    builtin("max", SOME, |evaluator, args| numbers::extreme(evaluator, args, std::cmp::Ordering::Greater)),
    builtin("all", SOME, |evaluator, args| lists::junction(evaluator, args, false)),
    builtin("any", SOME, |evaluator, args| lists::junction(evaluator, args, true)),
    builtin("is empty", 1..=1, |_, args| Ok(Value::Boolean(args.list(0)?.is_empty()))),
    builtin("list contains", 2..=2, lists::list_contains),
    builtin("index of", 2..=2, lists::index_of),
    builtin("append", SOME, lists::append),
    builtin("concatenate", SOME, lists::concatenate),
    builtin("insert before", 3..=3, lists::insert_before),
    builtin("remove", 2..=2, lists::remove),
    builtin("reverse", 1..=1, lists::reverse),
    builtin("sublist", 2..=3, lists::sublist),
    builtin("flatten", 1..=1, lists::flatten),
    builtin("distinct values", 1..=1, lists::distinct_values),
    builtin("union", SOME, lists::union),
];

/// An argument that was left out.
static NULL: Value = Value::Null;

const fn builtin(name: &'static str, arity: RangeInclusive<usize>, run: Run) -> Builtin {
    Builtin { name, arity, run }
}

/// The function of a name, whose words are separated by one blank.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// Advice for a name that is no function: those that begin alike, or all.
pub(crate) fn suggest(name: &str) -> String {
    let plain = |name: &str| name.chars().filter(char::is_ascii_alphabetic).collect::<String>().to_ascii_lowercase();
    let wanted = plain(name);
    let names = BUILTINS.iter().map(|builtin| builtin.name).chain(["is defined"]);
    // `toUpperCase`, `upperCase` and `starts_with` are near enough to what was meant.
    let near: Vec<_> = names.clone().filter(|own| wanted.contains(&plain(own)) || plain(own).contains(&wanted)).collect();
    if near.is_empty() || wanted.is_empty() {
        format!("known are: {}", names.collect::<Vec<_>>().join(", "))
    } else {
        format!("perhaps {}", near.join(", "))
    }
}

impl Builtin {
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

    fn context(self, at: usize) -> Result<&'v Arc<Entries>, Fault> {
        if let Value::Context(entries) = self.value(at) { Ok(entries) } else { Err(self.wrong(at, "context")) }
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

fn string(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    match args.value(0) {
        Value::Null => Err(Fault::null("there is no text for null")),
        own @ Value::String(_) => Ok(own.clone()),
        other => Ok(Value::from(evaluator.feel_text(other)?)),
    }
}

fn get_value(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let name = args.text(1)?;
    evaluator.charge_bytes(name.len())?;
    args.context(0)?.get(name).cloned().ok_or_else(|| Fault::null("there is no such entry in the context"))
}

fn get_entries(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let entries = args.context(0)?;
    evaluator.room_for_list(entries.len())?;
    let entry = |(name, value): (&String, &Value)| {
        let pair = [("key".to_owned(), Value::from(name.as_str())), ("value".to_owned(), value.clone())];
        Value::context(pair.into())
    };
    evaluator.charge_entries(entries)?;
    Ok(Value::list(entries.iter().map(entry).collect()))
}

fn context_put(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (entries, name) = (args.context(0)?, args.text(1)?);
    evaluator.charge_bytes(name.len())?;
    evaluator.charge_entries(entries)?;
    let mut entries = (**entries).clone();
    entries.insert(name.to_owned(), args.value(2).clone());
    Ok(Value::context(entries))
}

fn context_merge(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut merged = Entries::new();
    for item in args.items()? {
        let Value::Context(entries) = item else {
            return Err(Fault::Null(format!("only contexts can be merged, not {}", item.kind())));
        };
        evaluator.charge_entries(entries)?;
        merged.extend(entries.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
    Ok(Value::context(merged))
}
