//! The HTTP client of the commands that speak to a host.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail, ensure};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use reqwest::header::HeaderValue;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;

use crate::table::{beginning, escaped, one_line};

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
        let is_of_host =
            |url: Url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none() && url.fragment().is_none();
        let is_address = Url::parse(base).is_ok_and(is_of_host);
        ensure!(
            is_address,
            "'{}' is no address of a host: write it with its scheme, such as http://127.0.0.1:8080",
            without_credentials(base)
        );
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

    /// Prints an answer of any length as it comes. Whether there was anything.
    pub(crate) async fn print(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<bool> {
        let mut answer = self.answer(self.request(Method::GET, &with_query(path, query))).await?;
        let mut out = std::io::stdout().lock();
        let for_eyes = out.is_terminal();
        let (mut line, mut any) = (Vec::new(), false);
        while let Some(part) = answer.chunk().await.context("read the host's answer to its end")? {
            any |= !part.is_empty();
            if !for_eyes {
                out.write_all(&part)?;
                continue;
            }
            line.extend_from_slice(&part);
            out.write_all(whole_lines(&mut line).as_bytes())?;
        }
        out.write_all(escaped(&String::from_utf8_lossy(&line)).as_bytes())?;
        out.flush()?;
        Ok(any)
    }

    /// Sends a request and reads its JSON answer; an error answer becomes an error with the host's own words.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let text = self.answer(request).await?.text().await.context("read the host's answer")?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("read the answer of {} as JSON", self.name()))
    }

    /// A good answer, not read yet.
    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = request.send().await.with_context(|| format!("reach the host at {} (is `mandate serve` running?)", self.name()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text().await.context("read the host's answer")?;
        let message = serde_json::from_str::<Value>(&text).ok().and_then(|body| Some(body.get("message")?.as_str()?.to_owned()));
        let foreign = || format!("{} (not as a host of Mandate answers: look what is at {})", one_line(&beginning(&text)), self.name());
        Err(Refused(status, message.unwrap_or_else(foreign)).into())
    }

    /// The host's address, to be printed.
    fn name(&self) -> String {
        without_credentials(&self.base)
    }
}

/// What a host answers that does not do what it is asked for.
#[derive(Debug, thiserror::Error)]
#[error("the host answered {0}: {1}")]
struct Refused(StatusCode, String);

/// Whether a host has answered that there is no such thing.
pub(crate) fn is_missing(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Refused>().is_some_and(|refused| refused.0 == StatusCode::NOT_FOUND)
}

/// An address without the user and password that it may hold (RFC 3986, 3.2.1): what is printed ends in logs.
fn without_credentials(address: &str) -> String {
    let (scheme, rest) = address.split_at(address.find("://").map_or(0, |at| at + 3));
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    // A password with a slash makes no address, and is a password all the same.
    let host = rest[..authority].rfind('@').or_else(|| rest.rfind('@')).map_or(0, |at| at + 1);
    format!("{scheme}{}", &rest[host..])
}

/// Takes the lines that are whole by now, without what drives a terminal.
fn whole_lines(bytes: &mut Vec<u8>) -> String {
    let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    let rest = bytes.split_off(end);
    let lines = std::mem::replace(bytes, rest);
    escaped(&String::from_utf8_lossy(&lines)).into_owned()
}

/// A path with its query string.
fn with_query(path: &str, query: &[(&str, String)]) -> String {
    let mut full = path.to_owned();
    let mut separator = '?';
    for (name, value) in query {
        full.push(separator);
        full.push_str(name);
        full.push('=');
        full.extend(encode(value));
        separator = '&';
    }
    full
}

/// Percent-encodes everything that is not unreserved (RFC 3986, 2.3).
pub(crate) fn encode(text: &str) -> PercentEncode<'_> {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ENCODED)
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

    #[test]
    fn an_address_is_printed_without_its_credentials() {
        for (address, expected) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("https://ann:secret@mandate.example/a@b", "https://mandate.example/a@b"),
            ("https://ann:se@cret@mandate.example", "https://mandate.example"),
            ("ann:secret@mandate.example", "mandate.example"),
            ("https://ann:secret@mandate.example?a", "https://mandate.example?a"),
            ("https://ann:sec/ret@mandate.example", "https://mandate.example"),
        ] {
            assert_eq!(without_credentials(address), expected);
        }
    }

    #[tokio::test]
    async fn a_host_that_is_not_reached_is_named_without_credentials() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        drop(listener);
        let client = Client::new(&format!("http://ann:secret@{address}")).expect("a client");
        let error = format!("{:#}", client.get("/rows", &[]).await.expect_err("nobody listens"));
        assert!(error.contains(&format!("http://{address} ")) && !error.contains("secret"), "{error}");
    }

    #[test]
    fn an_address_of_a_host_has_a_scheme() {
        for address in [
            "127.0.0.1:8080",
            "localhost:8080",
            "ftp://127.0.0.1",
            "",
            "http://",
            "http://a/?b=c",
            "http://a/#b",
            "ann:secret@mandate.example",
        ] {
            let refused = Client::new(address).err().expect(address).to_string();
            assert!(refused.contains("no address of a host") && !refused.contains("secret"), "{refused}");
        }
    }

    #[tokio::test]
    async fn what_is_no_host_is_told_in_a_line() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
                let page = format!("<html>\n{}</html>", "<p>".repeat(1_000));
                let _ = write!(&stream, "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{page}", page.len());
            }
        });
        let error = Client::new(&address).expect("a client").get("/rows", &[]).await.expect_err("no host").to_string();
        assert!(error.contains(&format!("look what is at {address}")) && error.contains(r"<html>\n<p>") && error.len() < 300, "{error}");
    }

    #[test]
    fn what_is_printed_as_it_comes_drives_no_terminal() {
        let mut bytes = "{\"a\": \"\u{9b}".as_bytes().to_vec();
        // A character that comes in two parts stays whole.
        let last = bytes.pop().expect("some");
        assert_eq!(whole_lines(&mut bytes), "");
        bytes.push(last);
        bytes.extend(b"2J\x1b\"}\n{");
        assert_eq!(whole_lines(&mut bytes), "{\"a\": \"\\u009b2J\\u001b\"}\n");
        assert_eq!(bytes, b"{");
    }

    #[tokio::test]
    async fn a_list_of_large_rows_is_read_in_small_pages() {
        let rows = Client::new(&host()).expect("a client").all("/rows", &[]).await.expect("read");
        assert_eq!(rows, serde_json::json!([0, 1, 2, 3, 4]));
    }
}
