//! A client that adds next to nothing to what it measures: HTTP/1.1 on one connection that stays open.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Answers are short; a longer one is not what was asked for.
const MAX_ANSWER: usize = 1 << 20;

/// A connection.
pub struct Client {
    stream: TcpStream,
    host: SocketAddr,
    read: Vec<u8>,
}

impl Client {
    /// Connects.
    pub async fn connect(host: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, host, read: Vec::new() })
    }

    /// Posts JSON. Answers with status and body, which must come with its length.
    pub async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        self.send(request).await
    }

    /// Asks for something.
    pub async fn get(&mut self, path: &str) -> anyhow::Result<(u16, String)> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.host);
        self.send(request).await
    }

    async fn send(&mut self, request: String) -> anyhow::Result<(u16, String)> {
        self.stream.write_all(request.as_bytes()).await?;
        self.read.clear();
        loop {
            if let Some(answer) = parse(&self.read)? {
                return Ok(answer);
            }
            ensure!(self.read.len() < MAX_ANSWER, "the answer has no end");
            let more = self.stream.read_buf(&mut self.read).await?;
            ensure!(more > 0, "the host hung up");
        }
    }
}

/// Status and body, once both are there.
fn parse(read: &[u8]) -> anyhow::Result<Option<(u16, String)>> {
    let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&read[..end])?;
    let mut lines = head.lines();
    let status: u16 = lines.next().and_then(|line| line.split(' ').nth(1)).context("a status line")?.parse()?;
    // No content has no length.
    if status == 204 {
        return Ok(Some((status, String::new())));
    }
    let length = lines.find_map(|line| line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case("content-length")));
    let length: usize = length.context("an answer says its length")?.1.trim().parse()?;
    let body = &read[end + 4..];
    Ok((body.len() >= length).then(|| (status, String::from_utf8_lossy(&body[..length]).into_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_or_not_there_yet() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\n{}";
        for end in 0..whole.len() {
            assert_eq!(parse(&whole.as_bytes()[..end]).expect("nothing wrong so far"), None, "{end}");
        }
        assert_eq!(parse(whole.as_bytes()).expect("an answer"), Some((200, "{}".to_owned())));
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err(), "without its length");
        assert_eq!(parse(b"HTTP/1.1 204 No Content\r\n\r\n").expect("an answer"), Some((204, String::new())));
    }
}
