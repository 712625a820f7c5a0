//! Functions on booleans, and on values of any kind.

use super::{Args, Builtin, builtin};
use crate::Value;
use crate::eval::{Error, Evaluator, Fault};

pub(super) static TABLE: &[Builtin] = &[
    builtin("not", &["negand"], |_, args| Ok(Value::Boolean(!args.boolean(0)?))),
    builtin("string", &["from"], string),
    builtin("get or else", &["value, default"], |_, args| Ok(args.value(usize::from(args.value(0).is_null())).clone())),
    builtin("is", &["value1, value2"], is),
    builtin("assert", &["value, condition, cause?"], assert),
    // Camunda 8 marks with it what a language model is to fill in; the value is what it is.
    builtin("fromAi", &["value, description?, type?, schema?, options?"], |_, args| Ok(args.value(0).clone())),
    builtin("from json", &["value"], from_json),
    builtin("to json", &["value"], to_json),
];

fn string(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    match args.value(0) {
        Value::Null => Err(Fault::null("there is no text for null")),
        own @ Value::String(_) => Ok(own.clone()),
        other => Ok(Value::from(evaluator.feel_text(other)?)),
    }
}

/// Whether two values are equal, and written alike: one moment in two zones is not (DMN 1.5, table 81).
fn is(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let equal = evaluator.equal(args.value(0), args.value(1))? == Some(true);
    Ok(Value::Boolean(equal && evaluator.feel_text(args.value(0))? == evaluator.feel_text(args.value(1))?))
}

/// The value, if the condition is true; otherwise the evaluation fails, as in Camunda 8. The parser has seen to it that the cause is a
/// fixed text.
fn assert(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    if *args.value(1) == Value::Boolean(true) {
        return Ok(args.value(0).clone());
    }
    Err(Fault::Error(Error::Failed(format!("assert(): {}", args.text_or(2, "the condition is not true")?))))
}

/// Numbers, texts, lists and contexts as JSON has them; a text that is none is null.
fn from_json(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    // An item takes at least two bytes of text, and sixteen of memory.
    evaluator.charge(text.len() / 2 + 1)?;
    Value::from_json_text(text).map_err(|_| Fault::null("the text is not JSON, or nested too deep"))
}

/// What is stored of the value, as text.
fn to_json(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let stored = evaluator.settle(args.value(0).clone())?;
    Ok(Value::from(evaluator.json_text(&stored)?))
}
