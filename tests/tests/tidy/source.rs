//! The repository's files, and how the rules look at them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Endings of the files that the rules read. Everything else, such as images, is none of their business.
const TEXT: &[&str] = &["rs", "md", "toml", "wit", "sql", "bpmn", "dmn", "py", "sh", "tsv", "txt", "js", "css", "html", "yml"];

/// Files without an ending that the rules read.
const NAMED: &[&str] = &["Makefile", "LICENSE", "run", ".gitignore"];

/// Folders that hold what was built or fetched.
const NOT_OURS: &[&str] = &["target", ".git", "node_modules"];

/// One file of the repository.
pub(crate) struct File {
    /// From the repository's root, with slashes.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

impl File {
    /// A file that is not on disk, to try a rule on.
    pub(crate) fn planted(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it ends like this, without the dot.
    pub(crate) fn is(&self, ending: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, found)| found == ending)
    }

    /// Its lines from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every text file of the repository: what git tracks and what it would track next; without git, all that is not ignored.
pub(crate) fn files() -> Vec<File> {
    let paths = listed_by_git().unwrap_or_else(|| {
        let mut found = Vec::new();
        walk(&root(), "", &mut found);
        found
    });
    let wanted = |path: &String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        let ours = !path.split('/').any(|part| NOT_OURS.contains(&part));
        let text = name.rsplit_once('.').is_some_and(|(stem, ending)| !stem.is_empty() && TEXT.contains(&ending));
        ours && (text || NAMED.contains(&name))
    };
    let read = |path: String| fs::read_to_string(root().join(&path)).ok().map(|text| File { path, text });
    let mut files: Vec<File> = paths.into_iter().filter(wanted).filter_map(read).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "only {} files were found near {}: look at the rules' reader", files.len(), root().display());
    files
}

fn listed_by_git() -> Option<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let listed = Command::new("git").args(arguments).current_dir(root()).output().ok().filter(|listed| listed.status.success())?;
    let text = String::from_utf8(listed.stdout).ok()?;
    Some(text.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect())
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        if !entry.path().is_dir() {
            found.push(path);
        } else if !NOT_OURS.contains(&name.as_str()) {
            walk(&entry.path(), &path, found);
        }
    }
}

/// What stands in [`code`] where a text was.
pub(crate) const TEXT_MARK: char = '\u{1}';

/// Rust source in which comments are blanks and texts are [`TEXT_MARK`]s, line by line where they were: what is left is code.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out: Vec<u8> = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => find(bytes, at, b"\n"),
            b'/' if bytes.get(at + 1) == Some(&b'*') => end_of_block_comment(bytes, at),
            b'r' if !continues_a_word(bytes, at) => match hashes_of_raw_text(bytes, at) {
                Some(hashes) => {
                    let mut close = vec![b'"'];
                    close.resize(hashes + 1, b'#');
                    (find(bytes, at + hashes + 2, &close) + close.len()).min(bytes.len())
                }
                None => at,
            },
            b'"' => end_of_text(bytes, at),
            b'\'' => end_of_char(bytes, at),
            _ => at,
        };
        let mark = if bytes[at] == b'/' { b' ' } else { TEXT_MARK as u8 };
        // A line break stays, so that lines keep their numbers.
        out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = mark);
        at = end.max(at + 1);
    }
    String::from_utf8(out).expect("only whole characters are blanked")
}

/// Whether the byte before belongs to the same word; `br` and `cr` begin texts as `r` does.
fn continues_a_word(bytes: &[u8], at: usize) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match at.checked_sub(1).map(|before| bytes[before]) {
        Some(b'b' | b'c') => at >= 2 && word(bytes[at - 2]),
        Some(before) => word(before),
        None => false,
    }
}

fn hashes_of_raw_text(bytes: &[u8], at: usize) -> Option<usize> {
    let hashes = bytes[at + 1..].iter().take_while(|byte| **byte == b'#').count();
    (bytes.get(at + 1 + hashes) == Some(&b'"')).then_some(hashes)
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> usize {
    let from = from.min(bytes.len());
    bytes[from..].windows(wanted.len()).position(|window| window == wanted).map_or(bytes.len(), |found| from + found)
}

fn end_of_block_comment(bytes: &[u8], at: usize) -> usize {
    let (mut depth, mut at) = (0_usize, at);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_text(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a character, or where it began if it is a lifetime.
fn end_of_char(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at + 1) {
        Some(b'\\') => (find(bytes, at + 3, b"'") + 1).min(bytes.len()),
        Some(first) => {
            let size = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xff => 4,
            };
            if bytes.get(at + 1 + size) == Some(&b'\'') { at + 2 + size } else { at }
        }
        None => at,
    }
}

/// Where a word stands in code: the lines on which it is neither the beginning, the middle nor the end of a longer one. A word that ends
/// with `*` is the beginning of words.
pub(crate) fn lines_with<'c>(code: &'c str, word: &str) -> impl Iterator<Item = usize> + 'c {
    let (word, open) = match word.strip_suffix('*') {
        Some(stem) => (stem.to_owned(), true),
        None => (word.to_owned(), false),
    };
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    code.lines().enumerate().filter_map(move |(index, line)| {
        let found = line.match_indices(word.as_str()).any(|(at, _)| {
            let before = line[..at].chars().next_back().filter(|_| word.starts_with(inside));
            let after = line[at + word.len()..].chars().next().filter(|_| word.ends_with(inside) && !open);
            !before.is_some_and(inside) && !after.is_some_and(inside)
        });
        found.then_some(index + 1)
    })
}

/// The texts between two marks, with their lines: `between(text, "`", "`")`.
pub(crate) fn between<'t>(text: &'t str, open: &str, close: &str) -> Vec<(usize, &'t str)> {
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut rest = line;
        while let Some((_, after)) = rest.split_once(open) {
            let Some((inside, behind)) = after.split_once(close) else { break };
            found.push((index + 1, inside));
            rest = behind;
        }
    }
    found
}

#[test]
fn comments_and_texts_are_not_code() {
    let source =
        "let a = \"sqlx \\\" // no\"; // sqlx\n/* sqlx /* sqlx */ sqlx */ let b = r#\"sqlx \" \"#;\nlet c: &'a str = 'x'; sqlx!('\\'');\n";
    let code = code(source);
    assert_eq!(lines_with(&code, "sqlx").collect::<Vec<_>>(), [3]);
    assert_eq!(code.lines().count(), source.lines().count());
    assert!(code.contains("let b") && code.contains("&'a str"), "{code}");
}

#[test]
fn words_are_whole_unless_they_end_with_a_star() {
    let code = "use wasmtime_wasi::x;\nuse wasmtime::y;\nfn my_wasmtime() {}\n";
    assert_eq!(lines_with(code, "wasmtime").collect::<Vec<_>>(), [2]);
    assert_eq!(lines_with(code, "wasmtime*").collect::<Vec<_>>(), [1, 2]);
}
