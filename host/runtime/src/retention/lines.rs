//! A file of lines that several processes append to, of which only whole ones stay.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::Error;

/// Bytes that are written at once.
const BLOCK: usize = 1 << 20;

/// Lines at the end of a file, of which only whole ones stay.
pub(super) struct Lines {
    path: PathBuf,
    /// Opened for the first block, and where it ended then: others that append to it wait until it is closed.
    file: Option<(Arc<File>, u64)>,
    /// Bytes of whole lines.
    whole: u64,
    /// Bytes in all, written or not.
    all: u64,
    /// Not yet written.
    block: Vec<u8>,
    /// A block was not written, or not all of it.
    torn: bool,
}

impl Lines {
    /// Lines that go behind the last whole line of a file.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, whole: 0, all: 0, block: Vec::new(), torn: false }
    }

    /// Adds a part of a line.
    pub(super) async fn add(&mut self, text: &str) -> Result<(), Error> {
        self.block.extend_from_slice(text.as_bytes());
        self.all += text.len() as u64;
        if self.block.len() >= BLOCK { self.write().await } else { Ok(()) }
    }

    /// Ends a line.
    pub(super) async fn end(&mut self) -> Result<(), Error> {
        self.add("\n").await?;
        self.whole = self.all;
        Ok(())
    }

    /// Bytes of the lines that have ended.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    async fn write(&mut self) -> Result<(), Error> {
        let file = self.opened().await?.0;
        let block = std::mem::take(&mut self.block);
        self.torn = true;
        blocking(&self.path, move || (&*file).write_all(&block)).await?;
        self.torn = false;
        Ok(())
    }

    async fn opened(&mut self) -> Result<(Arc<File>, u64), Error> {
        if let Some(opened) = &self.file {
            return Ok(opened.clone());
        }
        let path = self.path.clone();
        let (file, end) = blocking(&self.path, move || open_to_append(&path)).await?;
        Ok(self.file.insert((Arc::new(file), end)).clone())
    }

    /// Removes what is no whole line, and answers when the rest is on the disk.
    pub(super) async fn close(mut self) -> Result<(), Error> {
        if self.whole == 0 && self.file.is_none() {
            return Ok(());
        }
        // Behind a block that is lost there is nothing whole, and nothing of this is taken to be there.
        if self.torn {
            self.whole = 0;
        } else {
            self.write().await?;
        }
        let (file, begun) = self.opened().await?;
        let end = begun + self.whole;
        blocking(&self.path, move || file.set_len(end).and_then(|()| file.sync_all())).await
    }
}

async fn blocking<T: Send + 'static>(path: &Path, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| Error::Export { path: path.to_owned(), reason: error.to_string() })
}

/// Opens a file to append whole lines to, and answers where it ends. Others that append to it wait until it is closed. What a crash has
/// left of a line is removed: the instance that it was of is still in the database.
fn open_to_append(path: &Path) -> io::Result<(File, u64)> {
    let file = File::options().read(true).append(true).create(true).open(path)?;
    file.lock()?;
    let whole = whole_lines(&file)?;
    if whole == 0 {
        // The file's name must be on the disk, too.
        File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    }
    file.set_len(whole)?;
    Ok((file, whole))
}

/// Where the last whole line ends.
fn whole_lines(file: &File) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let mut end = file.metadata()?.len();
    let mut block = Vec::new();
    while end > 0 {
        let begin = end.saturating_sub(STEP);
        block.resize(usize::try_from(end - begin).expect("at most a block"), 0);
        file.read_exact_at(&mut block, begin)?;
        if let Some(at) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(begin + at as u64 + 1);
        }
        end = begin;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines, the last of which has no end.
    async fn append(path: &Path, text: &str) {
        let mut lines = Lines::new(path.to_owned());
        for line in text.split_inclusive('\n') {
            match line.strip_suffix('\n') {
                Some(line) => {
                    lines.add(line).await.expect("added");
                    lines.end().await.expect("ended");
                }
                None => lines.add(line).await.expect("added"),
            }
        }
        lines.close().await.expect("on the disk");
    }

    #[tokio::test]
    async fn nothing_that_is_whole_leaves_no_file() {
        let dir = tempfile::tempdir().expect("a folder");
        append(&dir.path().join("missing").join("history-2026-11-20.jsonl"), "{\"unread\":").await;
        append(&dir.path().join("history-2026-11-20.jsonl"), "{\"unread\":").await;
        assert_eq!(std::fs::read_dir(dir.path()).expect("read").count(), 0);
    }

    #[tokio::test]
    async fn what_a_crash_left_of_a_line_is_removed() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("history-2026-11-20.jsonl");
        append(&path, "{\"a\":1}\n{\"b\":2}\n").await;
        append(&path, "{\"c\":3}\n").await;
        let mut text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
        // Longer than one step back.
        text.extend(["{\"torn\":\"", &"x".repeat(100_000)]);
        std::fs::write(&path, &text).expect("written");
        append(&path, "{\"d\":4}\n").await;
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n{\"d\":4}\n");
        std::fs::write(&path, "{\"torn\"").expect("written");
        append(&path, "{\"e\":5}\n").await;
        // One that could not be read to its end, though more of it than a block was written.
        append(&path, &format!("{{\"f\":6}}\n{{\"unread\":\"{}", "x".repeat(2 * BLOCK))).await;
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "{\"e\":5}\n{\"f\":6}\n");
    }
}
