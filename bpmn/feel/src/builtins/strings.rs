//! Functions on strings. Positions and lengths count characters (Unicode code points), positions from one.

use super::{Args, Builtin, builtin};
use crate::eval::{Evaluator, Fault};
use crate::{Number, Value};

pub(super) static TABLE: &[Builtin] = &[
    builtin("number", &["from, grouping separator?, decimal separator?"], number),
    builtin("contains", &["string, match"], contains),
    builtin("starts with", &["string, match"], starts_with),
    builtin("ends with", &["string, match"], ends_with),
    builtin("upper case", &["string"], upper_case),
    builtin("lower case", &["string"], lower_case),
    builtin("trim", &["string"], trim),
    builtin("is blank", &["string"], is_blank),
    builtin("string length", &["string"], string_length),
    builtin("substring", &["string, start position, length?"], substring),
    builtin("substring before", &["string, match"], substring_before),
    builtin("substring after", &["string, match"], substring_after),
    builtin("string join", &["list, delimiter?, prefix?, suffix?"], string_join),
    builtin("to base64", &["value"], to_base64),
];

/// `number(from)`, `number(from, grouping separator, decimal separator)`.
pub(super) fn number(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    if let (Value::Number(number), 1) = (args.value(0), args.len()) {
        return Ok(Value::Number(*number));
    }
    let text = args.text(0)?;
    evaluator.room_for_text(text.len())?;
    let separator =
        |at: usize| -> Result<Option<&str>, Fault> { if args.value(at).is_null() { Ok(None) } else { args.text(at).map(Some) } };
    let (grouping, point) = (separator(1)?, separator(2)?.unwrap_or("."));
    let known_grouping = matches!(grouping, None | Some(" " | "," | "."));
    if !known_grouping || !matches!(point, "." | ",") || grouping == Some(point) {
        return Err(Fault::null("the separators must be two different ones of \",\", \".\" and, for groups, \" \""));
    }
    let plain = match grouping {
        Some(grouping) => text.replace(grouping, ""),
        None => text.to_owned(),
    };
    // With a comma as the point, a point in the text is no part of a number.
    let plain = if point == "," { plain.replace('.', "x").replace(',', ".") } else { plain };
    plain.trim().parse::<Number>().map(Value::Number).map_err(|error| Fault::Null(error.to_string()))
}

pub(super) fn contains(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, part) = (args.text(0)?, args.text(1)?);
    evaluator.charge_bytes(text.len() + part.len())?;
    Ok(Value::Boolean(text.contains(part)))
}

pub(super) fn starts_with(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, part) = (args.text(0)?, args.text(1)?);
    evaluator.charge_bytes(part.len())?;
    Ok(Value::Boolean(text.starts_with(part)))
}

pub(super) fn ends_with(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, part) = (args.text(0)?, args.text(1)?);
    evaluator.charge_bytes(part.len())?;
    Ok(Value::Boolean(text.ends_with(part)))
}

pub(super) fn upper_case(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    Ok(evaluator.text(text.to_uppercase())?)
}

pub(super) fn lower_case(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    Ok(evaluator.text(text.to_lowercase())?)
}

pub(super) fn trim(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    Ok(evaluator.text(text.trim().to_owned())?)
}

pub(super) fn string_length(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    Ok(Value::from(text.chars().count()))
}

/// `substring(string, start position, length?)`: a negative start counts from the end.
pub(super) fn substring(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, start) = (args.text(0)?, args.integer(1)?);
    evaluator.charge_bytes(text.len())?;
    let skipped = match usize::try_from(start.unsigned_abs()) {
        Ok(0) => return Err(Fault::null("positions begin with 1, or -1 from the end")),
        Ok(position) if start > 0 => position - 1,
        Ok(position) => text.chars().count().saturating_sub(position),
        Err(_) => usize::MAX,
    };
    let length = if args.value(2).is_null() { i64::MAX } else { args.integer(2)? };
    let length = usize::try_from(length).map_err(|_| Fault::null("the length must not be negative"))?;
    Ok(evaluator.text(text.chars().skip(skipped).take(length).collect())?)
}

/// The part before the first match; empty if there is none.
pub(super) fn substring_before(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, part) = (args.text(0)?, args.text(1)?);
    evaluator.charge_bytes(text.len() + part.len())?;
    Ok(evaluator.text(text.split_once(part).map_or("", |(before, _)| before).to_owned())?)
}

/// The part behind the first match; empty if there is none.
pub(super) fn substring_after(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, part) = (args.text(0)?, args.text(1)?);
    evaluator.charge_bytes(text.len() + part.len())?;
    Ok(evaluator.text(text.split_once(part).map_or("", |(_, after)| after).to_owned())?)
}

pub(super) fn is_blank(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    Ok(Value::Boolean(text.trim().is_empty()))
}

/// `string join(list, delimiter?, prefix?, suffix?)`: nulls are left out.
pub(super) fn string_join(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.list(0)?;
    let [delimiter, prefix, suffix] = [args.text_or(1, "")?, args.text_or(2, "")?, args.text_or(3, "")?];
    evaluator.charge(items.len())?;
    let mut parts = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::Null => {}
            Value::String(text) => parts.push(&**text),
            other => {
                return Err(Fault::Null(format!("the items must be strings, not {}", other.kind())));
            }
        }
    }
    let length: usize = parts.iter().map(|part| part.len() + delimiter.len()).sum();
    evaluator.room_for_text(length + prefix.len() + suffix.len())?;
    Ok(Value::from(format!("{prefix}{}{suffix}", parts.join(delimiter))))
}

/// RFC 4648, 4, of the text as UTF-8.
pub(super) fn to_base64(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = args.text(0)?;
    evaluator.room_for_text(text.len().div_ceil(3) * 4)?;
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bytes = chunk.iter().chain([&0, &0]).take(3).fold(0_usize, |bytes, byte| bytes << 8 | usize::from(*byte));
        for digit in 0..4 {
            let character = if digit > chunk.len() { b'=' } else { ALPHABET[bytes >> (18 - 6 * digit) & 63] };
            encoded.push(char::from(character));
        }
    }
    Ok(Value::from(encoded))
}
