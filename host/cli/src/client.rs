//! The HTTP client of the commands that speak to a host.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

/// Rows of a list that are asked for at once: it has any number of them, and an answer has room for so many.
const PAGE: usize = 500;

/// A host.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    /// Whoever runs the command, for the host's log of operations.
    user: Option<HeaderValue>,
}

impl Client {
    pub(crate) fn new(base: &str) -> anyhow::Result<Self> {
        // Installed once per process; a second call finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().context("set up the HTTP client")?;
        let user = std::env::var("USER").ok().and_then(|user| HeaderValue::from_str(&user).ok());
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), user })
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.user {
            Some(user) => request.header("Mandate-User", user),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        self.send(self.request(Method::GET, &with_query(path, query))).await
    }

    /// A list to its end, page by page.
    pub(crate) async fn all(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let mut all = Vec::new();
        loop {
            let page = [("firstResult", all.len().to_string()), ("maxResults", PAGE.to_string())];
            let Value::Array(rows) = self.get(path, &[query, &page[..]].concat()).await? else { bail!("the host's answer is no list") };
            let is_last = rows.len() < PAGE;
            all.extend(rows);
            if is_last {
                return Ok(Value::from(all));
            }
        }
    }

    /// Prints an answer of any length as it comes.
    pub(crate) async fn print(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<()> {
        let mut answer = self.answer(self.request(Method::GET, &with_query(path, query))).await?;
        let mut out = std::io::stdout().lock();
        while let Some(part) = answer.chunk().await.context("read the host's answer to its end")? {
            out.write_all(&part)?;
        }
        Ok(out.flush()?)
    }

    /// Sends a request and reads its JSON answer; an error answer becomes an error with the host's own words.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let text = self.answer(request).await?.text().await.context("read the host's answer")?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("read the host's answer as JSON")
    }

    /// A good answer, not read yet.
    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request.send().await.with_context(|| format!("reach the host at {} (is `mandate serve` running?)", self.base))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.context("read the host's answer")?;
        let message = serde_json::from_str::<Value>(&text).ok().and_then(|body| Some(body.get("message")?.as_str()?.to_owned()));
        bail!("the host answered {status}: {}", message.unwrap_or(text));
    }
}

/// A path with its query string.
fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let mut full = path.to_owned();
    let mut separator = '?';
    for (name, value) in query {
        full.push(separator);
        full.push_str(name);
        full.push('=');
        full.push_str(&encode(value));
        separator = '&';
    }
    full
}

/// Percent-encodes everything that is not unreserved (RFC 3986, 2.3).
pub(crate) fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}
