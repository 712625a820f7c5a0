//! Reads an answer within bounds.

use std::time::{Duration, SystemTime};

use reqwest::Response;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::command::Command;
use crate::redact::NOT_STORED;

/// A service that asks for more is asked again after this long.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// BPMN error codes are words; a longer text is none.
const MAX_CODE: usize = 255;

/// Messages are for people to read.
const MAX_MESSAGE: usize = 1_000;

/// What stands for a NUL, which PostgreSQL's text and jsonb cannot hold. Refusing the answer instead would turn a command
/// that was applied into one that cannot be recorded.
const INSTEAD_OF_NUL: &str = "\u{fffd}";

/// An answer, read completely or not at all.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    reply: Value,
}

impl Answer {
    /// Reads the body if `wanted` says so of the status, up to `max` bytes. A longer body reads as null; a body that
    /// breaks off is an error, since the answer is then incomplete (RFC 9112 section 8).
    pub(crate) async fn read(mut response: Response, max: usize, wanted: impl FnOnce(u16) -> bool) -> Result<Self, reqwest::Error> {
        let status = response.status().as_u16();
        let retry_after = retry_after(response.headers());
        let reply = if wanted(status) { body(&mut response, max).await? } else { Value::Null };
        Ok(Self { status, retry_after, reply })
    }

    /// The body as a value: JSON as it is, other text as a string, anything else null.
    pub(crate) fn into_reply(self) -> Value {
        self.reply
    }

    /// The part of the reply that a JSON pointer means; null if there is none.
    pub(crate) fn into_part(mut self, pointer: &str) -> Value {
        self.reply.pointer_mut(pointer).map(Value::take).unwrap_or_default()
    }

    /// Code, message and reply of a rejection, without what the command says must not be stored: all three are.
    pub(crate) fn into_rejection(self, command: &Command) -> (String, String, Value) {
        let stored = Self { reply: command.redact(&self.reply), ..self };
        (stored.code(&command.answers.code_at), stored.message(&command.answers.message_at), stored.reply)
    }

    /// The code of a rejection.
    fn code(&self, pointer: &str) -> String {
        let code = match self.reply.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(number @ Value::Number(_)) => number.to_string(),
            _ => String::new(),
        };
        let usable = !code.is_empty() && code.len() <= MAX_CODE && !code.contains(char::is_control) && code != NOT_STORED;
        if usable { code } else { format!("HTTP_{}", self.status) }
    }

    /// The message of a rejection.
    fn message(&self, pointer: &str) -> String {
        let message = self.reply.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        message.chars().take(MAX_MESSAGE).collect()
    }
}

async fn body(response: &mut Response, max: usize) -> Result<Value, reqwest::Error> {
    let announced = response.content_length().unwrap_or(0);
    if announced > max as u64 {
        return Ok(Value::Null);
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if bytes.len() + chunk.len() > max {
            return Ok(Value::Null);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(value(&bytes))
}

fn value(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let mut value = serde_json::from_slice(bytes)
        .unwrap_or_else(|_| std::str::from_utf8(bytes).map_or(Value::Null, |text| Value::String(text.to_owned())));
    replace_nul(&mut value);
    value
}

fn replace_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', INSTEAD_OF_NUL),
        Value::Array(items) => items.iter_mut().for_each(replace_nul),
        Value::Object(fields) => {
            if fields.keys().any(|name| name.contains('\0')) {
                *fields = std::mem::take(fields).into_iter().map(|(name, value)| (name.replace('\0', INSTEAD_OF_NUL), value)).collect();
            }
            fields.values_mut().for_each(replace_nul);
        }
        _ => {}
    }
}

/// RFC 9110 section 10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, reply: Value) -> Answer {
        Answer { status, retry_after: None, reply }
    }

    fn header(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().expect("a header value"));
        retry_after(&headers)
    }

    #[test]
    fn a_body_is_json_or_text_or_nothing() {
        assert_eq!(value(b""), Value::Null);
        assert_eq!(value(br#"{"a":1}"#), json!({"a": 1}));
        assert_eq!(value(b"done"), json!("done"));
        assert_eq!(value(b"\xff\xfe"), Value::Null);
        let deep = "[".repeat(100_000);
        assert_eq!(value(deep.as_bytes()), Value::String(deep), "too deep to be JSON, hence text");
    }

    #[test]
    fn nul_is_replaced_since_no_database_column_holds_it() {
        assert_eq!(value(br#"{"a\u0000":["\u0000b"]}"#), json!({"a\u{fffd}": ["\u{fffd}b"]}));
        assert_eq!(value(b"a\0b"), json!("a\u{fffd}b"));
    }

    #[test]
    fn a_code_is_a_word_or_the_status() {
        assert_eq!(answer(409, json!({"code": "OUT_OF_STOCK"})).code("/code"), "OUT_OF_STOCK");
        assert_eq!(answer(409, json!({"error": {"id": 17}})).code("/error/id"), "17");
        for reply in [json!(null), json!({}), json!({"code": ""}), json!({"code": {}}), json!({"code": "a\nb"}), json!("no")] {
            assert_eq!(answer(409, reply.clone()).code("/code"), "HTTP_409", "{reply}");
        }
        assert_eq!(answer(422, json!({"code": "x".repeat(300)})).code("/code"), "HTTP_422");
    }

    #[test]
    fn a_message_is_bounded() {
        assert_eq!(answer(409, json!({"message": "ü".repeat(2000)})).message("/message").chars().count(), 1000);
        assert_eq!(answer(409, json!({})).message("/message"), "");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        assert_eq!(header("7"), Some(Duration::from_secs(7)));
        assert_eq!(header("999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(header("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO), "a date that has passed");
        assert_eq!(header("Thu, 31 Dec 2099 23:59:59 GMT"), Some(MAX_RETRY_AFTER));
        assert_eq!(header("soon"), None);
    }
}
