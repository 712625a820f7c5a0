//! Methods of Java's strings, lists and maps that JUEL expressions call: in Camunda 7 these are `java.lang.String`, `java.util.List` and
//! `java.util.Map`. The first argument is the object. Positions count characters from 0; what Java throws an exception for is an error.

use super::{Args, Builtin, builtin, dates, lists, strings};
use crate::Value;
use crate::eval::{Evaluator, Fault};

/// The first parameter is the object.
static METHODS: &[Builtin] = &[
    // Of any object.
    builtin("equals", &["object, a"], |evaluator, args| Ok(Value::Boolean(evaluator.equal(args.value(0), args.value(1))? == Some(true)))),
    builtin("toString", &["object"], to_string),
    // Of several kinds.
    builtin("contains", &["object, a"], contains),
    builtin("isEmpty", &["object"], |_, args| size(args).map(|size| Value::Boolean(size == 0))),
    builtin("indexOf", &["object, a"], index_of),
    builtin("get", &["object, a"], get),
    // Of strings.
    builtin("length", &["object"], strings::string_length),
    builtin("startsWith", &["object, a"], strings::starts_with),
    builtin("endsWith", &["object, a"], strings::ends_with),
    builtin("equalsIgnoreCase", &["object, a"], equals_ignore_case),
    builtin("toLowerCase", &["object"], strings::lower_case),
    builtin("toUpperCase", &["object"], strings::upper_case),
    builtin("trim", &["object"], strings::trim),
    builtin("concat", &["object, a"], concat),
    builtin("replace", &["object, a, b"], replace),
    builtin("substring", &["object, a, b?"], substring),
    // Of lists and maps.
    builtin("size", &["object"], |_, args| if args.value(0).as_str().is_some() { Err(no_such(args)) } else { size(args).map(Value::from) }),
    builtin("containsKey", &["object, a"], |_, args| Ok(Value::Boolean(args.context(0)?.contains_key(args.text(1)?)))),
];

/// The method of a name.
pub(crate) fn find(name: &str) -> Option<&'static Builtin> {
    METHODS.iter().chain(dates::METHODS).find(|method| method.name == name)
}

/// All names, for advice.
pub(crate) fn names() -> String {
    METHODS.iter().chain(dates::METHODS).map(|method| method.name).collect::<Vec<_>>().join(", ")
}

fn no_such(args: Args<'_>) -> Fault {
    Fault::Null(format!("{} has no such method", args.value(0).kind()))
}

fn size(args: Args<'_>) -> Result<usize, Fault> {
    match args.value(0) {
        Value::String(text) => Ok(text.len()),
        Value::List(items) => Ok(items.len()),
        Value::Context(entries) => Ok(entries.len()),
        _ => Err(no_such(args)),
    }
}

fn to_string(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut text = String::new();
    evaluator.write_juel(args.value(0), &mut text)?;
    Ok(Value::from(text))
}

fn contains(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    match args.value(0) {
        Value::String(_) => strings::contains(evaluator, args),
        Value::List(_) => lists::list_contains(evaluator, args),
        _ => Err(no_such(args)),
    }
}

/// The first position; -1 if there is none.
fn index_of(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let position = match args.value(0) {
        Value::String(text) => {
            let part = args.text(1)?;
            evaluator.charge_bytes(text.len() + part.len())?;
            text.find(part).map(|at| text[..at].chars().count())
        }
        Value::List(items) => {
            let mut position = None;
            for (index, item) in items.iter().enumerate() {
                if position.is_none() && evaluator.equal(item, args.value(1))? == Some(true) {
                    position = Some(index);
                }
            }
            position
        }
        _ => return Err(no_such(args)),
    };
    Ok(position.map_or(Value::from(-1_i64), Value::from))
}

/// An item of a list, which must be there, or an entry of a map, which need not.
fn get(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    match args.value(0) {
        Value::List(items) => {
            let item = usize::try_from(args.integer(1)?).ok().and_then(|index| items.get(index));
            item.cloned().ok_or_else(|| Fault::Null(format!("there is no item at this index, the list has {}", items.len())))
        }
        Value::Context(entries) => {
            let name = args.text(1)?;
            evaluator.charge_bytes(name.len())?;
            Ok(entries.get(name).cloned().unwrap_or(Value::Null))
        }
        _ => Err(no_such(args)),
    }
}

fn equals_ignore_case(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let own = args.text(0)?;
    let Some(other) = args.value(1).as_str() else { return Ok(Value::Boolean(false)) };
    evaluator.charge_bytes(own.len() + other.len())?;
    Ok(Value::Boolean(own.to_lowercase() == other.to_lowercase()))
}

fn concat(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (own, other) = (args.text(0)?, args.text(1)?);
    evaluator.room_for_text(own.len() + other.len())?;
    Ok(Value::from(format!("{own}{other}")))
}

fn replace(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (own, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
    evaluator.charge_bytes(own.len())?;
    evaluator.room_for_text(own.len() + own.matches(old).count() * new.len())?;
    Ok(Value::from(own.replace(old, new)))
}

/// `substring(begin, end?)`.
fn substring(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let own = args.text(0)?;
    evaluator.charge_bytes(own.len())?;
    let length = own.chars().count();
    let position = |at: usize| usize::try_from(args.integer(at)?).map_err(|_| outside(length));
    let begin = position(1)?;
    let end = if args.len() == 3 { position(2)? } else { length };
    if begin > end || end > length {
        return Err(outside(length));
    }
    Ok(evaluator.text(own.chars().skip(begin).take(end - begin).collect())?)
}

fn outside(length: usize) -> Fault {
    Fault::Null(format!("there is no such part of a text of {length} characters"))
}
