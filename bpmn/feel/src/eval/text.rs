//! Values as text: FEEL's `string()` and JUEL's templates.

use super::{BYTES_PER_STEP, Error, Evaluator};
use crate::Value;
use crate::value::MAX_NESTING;

/// How lists and contexts are written.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// `[1, "a"]`, `{name: 1}` (DMN 1.5, table 74)
    Feel,
    /// JSON, which a reader of the text can do something with; Java's own form (`{name=1}`) has no use.
    Json,
}

impl Evaluator<'_> {
    /// FEEL's `string()`: text as it is, anything else as it would be written in FEEL.
    pub(crate) fn feel_text(&mut self, value: &Value) -> Result<String, Error> {
        let mut text = String::new();
        match value {
            Value::String(own) => self.write(own, &mut text)?,
            Value::Temporal(temporal) => self.write(&temporal.feel_text(), &mut text)?,
            other => self.write_styled(other, Style::Feel, MAX_NESTING, &mut text)?,
        }
        Ok(text)
    }

    /// JSON, of a value that JSON can carry.
    pub(crate) fn json_text(&mut self, value: &Value) -> Result<String, Error> {
        let mut text = String::new();
        self.write_styled(value, Style::Json, MAX_NESTING, &mut text)?;
        Ok(text)
    }

    /// A part of a JUEL template: null is empty, text is as it is, numbers have the precision they are stored with, and a
    /// `Double` has a point (without Java's exponents for the large and the small).
    pub(crate) fn write_juel(&mut self, value: &Value, text: &mut String) -> Result<(), Error> {
        match value {
            Value::Null => Ok(()),
            Value::String(own) => self.write(own, text),
            Value::Number(number) => {
                let point = if number.is_double() && number.is_integral() { ".0" } else { "" };
                self.write(&format!("{}{point}", number.as_stored()), text)
            }
            other => self.write_styled(other, Style::Json, MAX_NESTING, text),
        }
    }

    fn write(&mut self, piece: &str, text: &mut String) -> Result<(), Error> {
        if text.len() + piece.len() > self.limits.string_bytes {
            return Err(Error::StringLimit { limit: self.limits.string_bytes });
        }
        self.charge(piece.len() / BYTES_PER_STEP + 1)?;
        text.push_str(piece);
        Ok(())
    }

    fn write_styled(&mut self, value: &Value, style: Style, levels: usize, text: &mut String) -> Result<(), Error> {
        let (comma, colon) = if style == Style::Feel { (", ", ": ") } else { (",", ":") };
        match value {
            Value::Null => self.write("null", text),
            Value::Boolean(value) => self.write(if *value { "true" } else { "false" }, text),
            Value::Number(number) => {
                let number = if style == Style::Json { number.as_stored() } else { *number };
                self.write(&number.to_string(), text)
            }
            Value::String(own) => self.write_quoted(own, text),
            Value::Temporal(temporal) if style == Style::Feel => self.write(&format!("@\"{}\"", temporal.feel_text()), text),
            Value::Temporal(temporal) => self.write_quoted(&temporal.stored_text(), text),
            Value::Range(range) => {
                self.write(if range.low_included { "[" } else { "(" }, text)?;
                if !range.low.is_null() {
                    self.write_styled(&range.low, style, levels, text)?;
                }
                self.write("..", text)?;
                if !range.high.is_null() {
                    self.write_styled(&range.high, style, levels, text)?;
                }
                self.write(if range.high_included { "]" } else { ")" }, text)
            }
            Value::Function(function) => self.write(&function.signature(), text),
            Value::List(_) | Value::Context(_) if levels == 0 => Err(Error::NestingLimit),
            Value::List(items) => {
                self.write("[", text)?;
                for (at, item) in items.iter().enumerate() {
                    self.write(if at == 0 { "" } else { comma }, text)?;
                    self.write_styled(item, style, levels - 1, text)?;
                }
                self.write("]", text)
            }
            Value::Context(entries) => {
                self.write("{", text)?;
                for (at, (name, entry)) in entries.iter().enumerate() {
                    self.write(if at == 0 { "" } else { comma }, text)?;
                    if style == Style::Feel {
                        self.write(name, text)?;
                    } else {
                        self.write_quoted(name, text)?;
                    }
                    self.write(colon, text)?;
                    self.write_styled(entry, style, levels - 1, text)?;
                }
                self.write("}", text)
            }
        }
    }

    /// FEEL's escapes are JSON's.
    fn write_quoted(&mut self, own: &str, text: &mut String) -> Result<(), Error> {
        self.charge_bytes(own.len())?;
        self.write(&serde_json::Value::from(own).to_string(), text)
    }
}
