//! The HTTP client of the commands that speak to a host.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

/// Rows of a list that are asked for at once: it has any number of them, and an answer has room for so many of the usual size.
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

    /// A list to its end, page by page. Where rows are so large that an answer has no room for a page, pages are smaller.
    pub(crate) async fn all(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let (mut all, mut size) = (Vec::new(), PAGE);
        loop {
            let page = [("firstResult", all.len().to_string()), ("maxResults", size.to_string())];
            let rows = match self.get(path, &[query, &page[..]].concat()).await {
                Err(error) if size > 1 && error.downcast_ref::<Refused>().is_some_and(|refused| refused.0 == StatusCode::BAD_REQUEST) => {
                    size /= 2;
                    continue;
                }
                rows => rows?,
            };
            let Value::Array(rows) = rows else { bail!("the host's answer is no list") };
            let is_last = rows.len() < size;
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
        Err(Refused(status, message.unwrap_or(text)).into())
    }
}

/// What a host answers that does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
#[error("the host answered {0}: {1}")]
struct Refused(StatusCode, String);

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

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// A host that has five rows, and answers with two of them at most.
    fn host() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let asked = lines.next().unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                let number = |name: &str| asked.split([' ', '?', '&']).find_map(|part| part.strip_prefix(name)?.parse().ok()).unwrap_or(0);
                let (first, most): (usize, usize) = (number("firstResult="), number("maxResults="));
                let (status, body) = match most {
                    0..=2 => ("200 OK", format!("{:?}", (0..5).skip(first).take(most).collect::<Vec<_>>())),
                    _ => ("400 Bad Request", r#"{"message": "ask for fewer"}"#.to_owned()),
                };
                let length = body.len();
                let _ = write!(&stream, "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
            }
        });
        address
    }

    #[tokio::test]
    async fn a_list_of_large_rows_is_read_in_small_pages() {
        let rows = Client::new(&host()).expect("a client").all("/rows", &[]).await.expect("read");
        assert_eq!(rows, serde_json::json!([0, 1, 2, 3, 4]));
    }
}
