//! Who asks for something, as they say themselves: there is no authentication, and nobody checks it.
//!
//! The name is the header `Mandate-User`, which a proxy that authenticates sets in place of its clients, or else the user of basic
//! authentication, which Camunda's clients send. Why they do it is the header `Mandate-Annotation`. Both are UTF-8.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use mandate_runtime::{MAX_ANNOTATION_CHARS, Operator};

use crate::query_params::check_stored;
use crate::{App, Error};

const USER: HeaderName = HeaderName::from_static("mandate-user");
const ANNOTATION: HeaderName = HeaderName::from_static("mandate-annotation");

/// Base64 with its padding (RFC 4648, 4), as headers have it. What is over in the last digit may be anything, as for Java's decoder.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// What a handler is given whose work belongs into the log of operations: a runtime that acts on behalf of whoever asks.
pub(crate) struct Acting(pub(crate) App);

impl FromRequestParts<App> for Acting {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        let runtime = app.runtime.on_behalf_of(operator(&parts.headers)?);
        Ok(Self(App { runtime, ..app.clone() }))
    }
}

fn operator(headers: &HeaderMap) -> Result<Operator, Error> {
    let user = match text(headers, &USER)? {
        Some(user) => Some(user),
        None => text(headers, &header::AUTHORIZATION)?.and_then(|value| basic(&value)).transpose()?,
    };
    let user = user.filter(|user| !user.is_empty());
    check_stored(USER.as_str(), user.as_deref().unwrap_or_default())?;
    let annotation = text(headers, &ANNOTATION)?.filter(|text| !text.is_empty());
    check_annotation(annotation.as_deref())?;
    Ok(Operator { user, annotation })
}

/// Refuses a text that is longer than an annotation may be.
pub(crate) fn check_annotation(annotation: Option<&str>) -> Result<(), Error> {
    if annotation.is_some_and(|text| text.chars().count() > MAX_ANNOTATION_CHARS) {
        return Err(Error::Invalid(format!("an annotation has at most {MAX_ANNOTATION_CHARS} characters")));
    }
    Ok(())
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::Invalid(format!("the header {name} is given twice")));
    }
    let text = str::from_utf8(value.as_bytes()).map_err(|_| Error::Invalid(format!("the header {name} is not UTF-8")))?;
    Ok(Some(text.trim().to_owned()))
}

/// The user of basic authentication (RFC 7617); none: it is another scheme, which says nothing here. Nobody looks at the password, which
/// may be in any character set.
fn basic(value: &str) -> Option<Result<String, Error>> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let wrong = || Error::Invalid("the header authorization holds no user, in UTF-8, and password in Base64".to_owned());
    let user = BASE64.decode(credentials.trim()).ok().and_then(|bytes| {
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        String::from_utf8(bytes[..colon].to_vec()).ok()
    });
    Some(user.filter(|user| !user.contains('\0')).ok_or_else(wrong))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(pairs: &[(HeaderName, &str)]) -> Result<Operator, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.clone(), HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        operator(&headers).map_err(|error| error.to_string())
    }

    #[test]
    fn whoever_says_their_name_is_taken_at_their_word() {
        let user = |name: &str| Ok(Operator { user: Some(name.to_owned()), annotation: None });
        let authorization = header::AUTHORIZATION;
        assert_eq!(of(&[]), Ok(Operator::default()));
        assert_eq!(of(&[(USER, " Jörg ")]), user("Jörg"));
        // ann:secret, with each of the paddings.
        assert_eq!(of(&[(authorization.clone(), "Basic YW5uOnNlY3JldA==")]), user("ann"));
        assert_eq!(of(&[(authorization.clone(), "basic YW5uYTpzZWNyZXQ=")]), user("anna"));
        assert_eq!(of(&[(authorization.clone(), "Basic Ym9iOnNlY3JldHM=")]), user("bob"));
        // bob:secrets, of an encoder that leaves in the last digit what was there.
        assert_eq!(of(&[(authorization.clone(), "Basic Ym9iOnNlY3JldHN=")]), user("bob"));
        // Jörg in UTF-8, and a password in Latin-1: pässword.
        assert_eq!(of(&[(authorization.clone(), "Basic SsO2cmc6cORzc3dvcmQ=")]), user("Jörg"));
        assert_eq!(of(&[(authorization.clone(), "Bearer token")]), Ok(Operator::default()));
        assert_eq!(of(&[(authorization.clone(), "Basic YW5uOnNlY3JldA=="), (USER, "eve")]), user("eve"));
        let why = Operator { user: None, annotation: Some("asked by phone".to_owned()) };
        assert_eq!(of(&[(ANNOTATION, "asked by phone")]), Ok(why));
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        for (name, value, expected) in [
            (header::AUTHORIZATION, "Basic YW5u", "Base64"),
            (header::AUTHORIZATION, "Basic !!!!", "Base64"),
            (header::AUTHORIZATION, "Basic YW5uOnNlY3JldA", "Base64"),
            (header::AUTHORIZATION, "Basic YW5uOnNl=3JldA==", "Base64"),
            (header::AUTHORIZATION, "Basic YW5uOnNlY3JldA====", "Base64"),
            // Jörg in Latin-1.
            (header::AUTHORIZATION, "Basic SvZyZzpzZWNyZXQ=", "UTF-8"),
            (USER, &"x".repeat(256), "255"),
            (ANNOTATION, &"x".repeat(4_001), "4000"),
        ] {
            let refusal = of(&[(name, value)]).expect_err("refused");
            assert!(refusal.contains(expected), "{refusal}");
        }
        assert!(of(&[(USER, "a"), (USER, "b")]).expect_err("refused").contains("twice"));
    }
}
