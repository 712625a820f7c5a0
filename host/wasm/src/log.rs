//! What a guest says: log lines, stdout and stderr, bounded in number and length.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::bytes::Bytes;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError, StreamResult};

use crate::call::{Commands, Level};
use crate::outcome::{Stop, cut};

/// The longest line that is passed on, in bytes: a long stack frame or message; what is larger is data and does not belong there.
pub(crate) const MAX_LINE: usize = 4096;
/// How much of the end of stderr a trap is reported with: a panic's message fits.
const MAX_LAST_WORDS: usize = 1024;
/// What a stream takes at once. Also the most that a guest can make the host allocate for it.
const STREAM_PERMIT: usize = 64 * 1024;

/// The log of one call.
pub(crate) struct Log {
    commands: Arc<dyn Commands>,
    limit: u32,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    lines: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    last_words: String,
}

impl Log {
    pub(crate) fn new(commands: Arc<dyn Commands>, limit: u32) -> Arc<Self> {
        Arc::new(Self { commands, limit, inner: Mutex::default() })
    }

    /// Passes a line on, cut to [`MAX_LINE`].
    pub(crate) fn line(&self, level: Level, message: &str) -> Result<(), Stop> {
        self.line_of(&mut self.lock(), level, message)
    }

    /// Passes on what was written without a newline at its end; called once, after the guest.
    pub(crate) fn finish(&self) {
        let mut inner = self.lock();
        for (level, rest) in [(Level::Info, std::mem::take(&mut inner.stdout)), (Level::Warn, std::mem::take(&mut inner.stderr))] {
            if !rest.is_empty() {
                // The call has ended; that this was one line too many changes nothing any more.
                let _ = self.line_of(&mut inner, level, &String::from_utf8_lossy(&rest));
            }
        }
    }

    /// The end of what was written to stderr, without the hints that toolchains add.
    pub(crate) fn last_words(&self) -> String {
        let inner = self.lock();
        let lines = inner.last_words.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("note: "));
        lines.collect::<Vec<_>>().join(" ")
    }

    fn line_of(&self, inner: &mut Inner, level: Level, message: &str) -> Result<(), Stop> {
        if inner.lines >= self.limit {
            return Err(Stop::limit("log-lines", format!("more than {} lines logged", self.limit)));
        }
        inner.lines += 1;
        self.commands.log(level, &cut(message, MAX_LINE));
        Ok(())
    }

    fn written(&self, level: Level, bytes: &[u8]) -> Result<(), Stop> {
        let mut inner = self.lock();
        if level == Level::Warn {
            inner.remember(bytes);
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let buffer = if level == Level::Warn { &mut inner.stderr } else { &mut inner.stdout };
            // One byte more than a line may have shows that it was cut.
            let room = (MAX_LINE + 1).saturating_sub(buffer.len());
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            buffer.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                let line = std::mem::take(buffer);
                self.line_of(&mut inner, level, &String::from_utf8_lossy(&line))?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // Whatever panicked while it held the log, the log is still a log.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn remember(&mut self, bytes: &[u8]) {
        let from = bytes.len().saturating_sub(MAX_LAST_WORDS);
        self.last_words.push_str(&String::from_utf8_lossy(&bytes[from..]));
        let over = self.last_words.len().saturating_sub(MAX_LAST_WORDS);
        let at = (over..=self.last_words.len()).find(|at| self.last_words.is_char_boundary(*at)).unwrap_or_default();
        self.last_words.drain(..at);
    }
}

/// Stdout or stderr of a guest, line by line into its log.
#[derive(Clone)]
pub(crate) struct LogStream {
    pub(crate) log: Arc<Log>,
    pub(crate) level: Level,
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.log.written(self.level, &bytes).map_err(|stop| StreamError::Trap(stop.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STREAM_PERMIT)
    }
}

/// Demanded by [`StdoutStream`]; components of WASI 0.2 use the implementation above.
impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(self.log.written(self.level, bytes).map(|()| bytes.len()).map_err(std::io::Error::other))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::call::{Command, CommandError};

    #[derive(Default)]
    struct Lines(Mutex<Vec<(Level, String)>>);

    impl Commands for Lines {
        fn issue(&self, _: Command, _: CancellationToken) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> {
            unreachable!("a log issues no commands")
        }

        fn log(&self, level: Level, message: &str) {
            self.0.lock().unwrap().push((level, message.to_owned()));
        }
    }

    fn lines_of(limit: u32, writes: &[(Level, &str)]) -> (Vec<(Level, String)>, String, bool) {
        let lines = Arc::new(Lines::default());
        let log = Log::new(Arc::clone(&lines) as Arc<dyn Commands>, limit);
        let stopped = writes.iter().any(|(level, text)| log.written(*level, text.as_bytes()).is_err());
        log.finish();
        (std::mem::take(&mut lines.0.lock().unwrap()), log.last_words(), stopped)
    }

    #[test]
    fn lines_are_put_together_and_streams_kept_apart() {
        let writes = [(Level::Info, "a\nb"), (Level::Warn, "x"), (Level::Info, "c\n"), (Level::Warn, "y")];
        let (lines, last_words, _) = lines_of(10, &writes);
        assert_eq!(lines, [(Level::Info, "a".into()), (Level::Info, "bc".into()), (Level::Warn, "xy".into())]);
        assert_eq!(last_words, "xy");
    }

    #[test]
    fn endless_line_is_cut_and_costs_no_memory() {
        let long = "ä".repeat(10_000);
        let (lines, last_words, _) = lines_of(10, &[(Level::Warn, &long), (Level::Warn, &long), (Level::Warn, "\n")]);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].1.len() <= MAX_LINE + '…'.len_utf8() && lines[0].1.ends_with('…'), "{}", lines[0].1.len());
        assert!(last_words.len() <= MAX_LAST_WORDS);
    }

    #[test]
    fn one_line_too_many_stops_the_guest() {
        let (lines, _, stopped) = lines_of(2, &[(Level::Info, "1\n2\n"), (Level::Info, "3\n4\n")]);
        assert_eq!((lines.len(), stopped), (2, true));
    }
}
