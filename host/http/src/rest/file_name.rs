//! The file name of a part of an upload, however a client has written what is not ASCII.

use axum::extract::multipart::Field;
use axum::http::header;
use base64::Engine as _;

use crate::operator::BASE64;

/// `filename*` (RFC 5987, 3.2), which goes before `filename` where a client gives both (RFC 6266, 4.3), and that as UTF-8, or as .NET's
/// `MultipartFormDataContent` encodes it (RFC 2047, 2). What cannot be read of the first is passed over, and of the last is taken as it is.
pub(super) fn of_part(field: &Field<'_>) -> Option<String> {
    let disposition = field.headers().get(header::CONTENT_DISPOSITION);
    let extended = disposition.and_then(|disposition| extended(parameter(disposition.as_bytes(), "filename*")?));
    extended.or_else(|| field.file_name().map(|name| encoded_word(name).unwrap_or_else(|| name.to_owned())))
}

/// The value of a parameter, without its quotes.
fn parameter<'a>(header: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut rest = header;
    loop {
        rest = &rest[semicolon(rest)? + 1..];
        let one = &rest[..semicolon(rest).unwrap_or(rest.len())];
        let Some(equals) = one.iter().position(|byte| *byte == b'=') else { continue };
        if one[..equals].trim_ascii().eq_ignore_ascii_case(name.as_bytes()) {
            let value = one[equals + 1..].trim_ascii();
            return Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value));
        }
    }
}

/// Where the first semicolon is that stands in no quotes.
fn semicolon(bytes: &[u8]) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    bytes.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b';' => return !quoted,
            _ => {}
        }
        false
    })
}

/// `UTF-8'en'na%C3%AFve.bpmn`: in one of the two character sets that everybody has to know.
fn extended(value: &[u8]) -> Option<String> {
    let (charset, rest) = str::from_utf8(value).ok()?.split_once('\'')?;
    let (_, encoded) = rest.split_once('\'')?;
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut left = encoded.bytes();
    while let Some(byte) = left.next() {
        bytes.push(if byte == b'%' { digit(left.next()?)? << 4 | digit(left.next()?)? } else { byte });
    }
    in_charset(charset, bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `=?utf-8?B?bmHDr3ZlLmJwbW4=?=`, and nothing beside it.
fn encoded_word(text: &str) -> Option<String> {
    let mut parts = text.strip_prefix("=?")?.strip_suffix("?=")?.split('?');
    let (charset, encoding, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !encoding.eq_ignore_ascii_case("b") {
        return None;
    }
    in_charset(charset, BASE64.decode(encoded).ok()?)
}

fn in_charset(charset: &str, bytes: Vec<u8>) -> Option<String> {
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(bytes.into_iter().map(char::from).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extended_name_is_read_wherever_it_stands() {
        let name = |header: &str| extended(parameter(header.as_bytes(), "filename*")?);
        for header in [
            "form-data; name=\"f\"; filename*=UTF-8''na%C3%AFve.bpmn",
            "form-data; filename*=utf-8'en'na%c3%afve.bpmn; filename=\"naive.bpmn\"",
            "form-data; filename=\"a; filename*=UTF-8''b\\\"; c\"; FileName* = \"UTF-8''na%C3%AFve.bpmn\" ; name=f",
            "form-data; filename*=ISO-8859-1''na%EFve.bpmn",
        ] {
            assert_eq!(name(header).as_deref(), Some("naïve.bpmn"), "{header}");
        }
        for header in [
            "form-data; name=\"f\"",
            "form-data; filename=\"filename*=UTF-8''a\"",
            "form-data; filename*=a.bpmn",
            "form-data; filename*=UTF-8''%C3",
            "form-data; filename*=UTF-8''%4",
            "form-data; filename*=UTF-8''%+4",
            "form-data; filename*=UTF-16''a",
            "filename*=UTF-8''a",
        ] {
            assert_eq!(name(header), None, "{header}");
        }
    }

    #[test]
    fn an_encoded_word_is_read_and_what_only_looks_like_one_is_a_name() {
        for text in ["=?utf-8?B?bmHDr3ZlLmJwbW4=?=", "=?UTF-8?b?bmHDr3ZlLmJwbW4=?=", "=?iso-8859-1?B?bmHvdmUuYnBtbg==?="] {
            assert_eq!(encoded_word(text).as_deref(), Some("naïve.bpmn"), "{text}");
        }
        for text in [
            "naïve.bpmn",
            "=??=",
            "=?utf-8?Q?a?=",
            "=?utf-8?B?!?=",
            "=?utf-8?B?YQ?=",
            "=?utf-8?B?YQ==?=.bpmn",
            "=?koi8-r?B?YQ==?=",
            "=?utf-8?B?YQ==?b?=",
        ] {
            assert_eq!(encoded_word(text), None, "{text}");
        }
    }
}
