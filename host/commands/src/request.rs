//! One request, from what the caller gives to what goes over the wire.

use bytes::Bytes;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::command::{Command, Target};
use crate::error::Refusal;
use crate::template::{Template, Unfilled, Values};

/// The header of the key (IETF draft-ietf-httpapi-idempotency-key-header).
pub(crate) const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// The header of the tenant.
pub(crate) const TENANT_ID: &str = "x-tenant-id";

/// The header of the trace (W3C Trace Context).
pub(crate) const TRACEPARENT: &str = "traceparent";

/// Keys and tenants: long enough for a domain's words, short enough for every service's column.
const MAX_ID: usize = 255;

/// Version 00 has 55 characters, and a later one may append.
const MAX_TRACEPARENT: usize = 256;

/// RFC 9110 section 4.1 asks of everyone to support at least this much, so that more may not arrive.
const MAX_URL: usize = 8_000;

/// One attempt at a command.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Sent verbatim as `Idempotency-Key`.
    pub key: &'a str,
    /// Sent as `X-Tenant-Id` if there is one.
    pub tenant: Option<&'a str>,
    /// Sent as `traceparent`; one that no header can carry is left out, for tracing never stops work.
    pub traceparent: Option<&'a str>,
    /// A JSON object.
    pub body: &'a Value,
}

/// A request as it goes over the wire. It holds credentials and what a delegate says, so that nothing prints it.
#[must_use = "what is prepared is to be sent"]
pub struct Prepared {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Option<Bytes>,
}

impl Request<'_> {
    /// A digest of what is asked, as 64 hexadecimal digits: SHA-256 over the command's name and the body with its
    /// fields in order. The same for two bodies that differ in the order of fields only. The key is not part of it, since
    /// the digest is to tell whether another request came under the same key.
    pub fn digest(&self, command: &Command) -> String {
        let mut text = command.name.clone();
        text.push('\n');
        canonical(self.body, &mut text);
        hex::encode(Sha256::digest(text))
    }
}

impl Command {
    /// The request that issues the command, if it can be sent at all; made before anything is recorded about an attempt.
    ///
    /// # Errors
    /// A body that is no object, a path that cannot be built from it, a key or tenant that no header can carry.
    pub fn prepare(&self, request: &Request<'_>) -> Result<Prepared, Refusal> {
        let url = self.url(&self.path, request)?;
        let mut headers = self.headers(request)?;
        headers.insert(
            HeaderName::from_static(IDEMPOTENCY_KEY),
            verbatim(request.key, |problem| Refusal::Key { command: self.name.clone(), problem })?,
        );
        // RFC 9110 sections 9.3.1 and 9.3.5: content of GET and DELETE has no defined meaning.
        let body = (self.method != Method::GET && self.method != Method::DELETE).then(|| {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Bytes::from(request.body.to_string())
        });
        Ok(Prepared { method: self.method.clone(), url, headers, body })
    }

    /// The query that asks what became of the command, if the catalogue has one. It carries no `Idempotency-Key`: it is
    /// another request, and a service that checks keys would take it for a misuse of this one.
    pub(crate) fn prepare_query(&self, request: &Request<'_>) -> Option<Result<Prepared, Refusal>> {
        let reconcile = self.reconcile.as_ref()?;
        Some(self.url(&reconcile.path, request).and_then(|url| {
            let headers = self.headers(request)?;
            Ok(Prepared { method: reconcile.method.clone(), url, headers, body: None })
        }))
    }

    fn url(&self, template: &Template, request: &Request<'_>) -> Result<Url, Refusal> {
        let command = || self.name.clone();
        if !request.body.is_object() {
            return Err(Refusal::Body { command: command() });
        }
        let values = Values { key: request.key, tenant: request.tenant, body: request.body };
        let path = template.fill(values).map_err(|unfilled| match unfilled {
            Unfilled::Field(field, problem) => Refusal::Path { command: command(), field, problem },
            Unfilled::Path(problem) => Refusal::Url { command: command(), problem },
        })?;
        build(&self.target, &path).map_err(|problem| Refusal::Url { command: command(), problem })
    }

    fn headers(&self, request: &Request<'_>) -> Result<HeaderMap, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(tenant) = request.tenant {
            let refusal = |problem| Refusal::TenantId { command: self.name.clone(), problem };
            headers.insert(HeaderName::from_static(TENANT_ID), verbatim(tenant, refusal)?);
        }
        if let Some(trace) = request.traceparent.filter(|trace| trace.len() <= MAX_TRACEPARENT)
            && let Ok(value) = verbatim_bytes(trace)
        {
            headers.insert(HeaderName::from_static(TRACEPARENT), value);
        }
        if let Some(credentials) = &self.target.credentials {
            headers.insert(credentials.header.clone(), credentials.value.clone());
        }
        Ok(headers)
    }
}

fn build(target: &Target, path: &str) -> Result<Url, &'static str> {
    let base = target.url.as_str().trim_end_matches('/');
    let text = format!("{base}{path}");
    if text.len() > MAX_URL {
        return Err("is longer than 8000 bytes");
    }
    let url = Url::parse(&text).map_err(|_| "makes no URL")?;
    // Whatever a URL parser rewrites would be another path than the operator's template means.
    if url.as_str() == text { Ok(url) } else { Err("is not the one its template means") }
}

fn verbatim(text: &str, refusal: impl FnOnce(&'static str) -> Refusal) -> Result<HeaderValue, Refusal> {
    if text.is_empty() {
        return Err(refusal("is empty"));
    }
    if text.len() > MAX_ID {
        return Err(refusal("is longer than 255 characters"));
    }
    verbatim_bytes(text).map_err(refusal)
}

/// RFC 9110 section 5.5 strips spaces at the ends and calls bytes beyond ASCII opaque: neither arrives verbatim.
fn verbatim_bytes(text: &str) -> Result<HeaderValue, &'static str> {
    const PROBLEM: &str = "has a character that no header carries verbatim";
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(PROBLEM);
    }
    HeaderValue::from_str(text).map_err(|_| PROBLEM)
}

/// JSON without spaces and with sorted fields, whatever order the map keeps.
fn canonical(value: &Value, into: &mut String) {
    match value {
        Value::Array(items) => {
            into.push('[');
            for item in items {
                canonical(item, into);
                into.push(',');
            }
            into.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            into.push('{');
            for (name, value) in fields {
                canonical(&Value::String(name.clone()), into);
                into.push(':');
                canonical(value, into);
                into.push(',');
            }
            into.push('}');
        }
        scalar => into.push_str(&scalar.to_string()),
    }
}
