//! What is printed: lines, and columns for people.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

/// What a shell says of a program that SIGPIPE ended: 128 and the signal's number.
const READER_LEFT: i32 = 141;

/// Prints a line to standard output, without what drives a terminal. `println!` panics when nobody reads any more, as in
/// `mandate list | head`.
macro_rules! say {
    ($($words:tt)*) => { $crate::table::line(&format!($($words)*)) };
}
pub(crate) use say;

/// Prints a line, or several of one text, or ends the program: quietly when its reader left, with an error when it cannot be written.
pub(crate) fn line(text: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{}", escaped(text)) {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(READER_LEFT);
        }
        eprintln!("mandate: write to standard output: {error}");
        std::process::exit(1);
    }
}

/// A text without control characters that drive a terminal: with its lines, and as JSON escapes the rest, for it may be JSON.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, |c| c.is_control() && c != '\n' && c != '\t')
}

/// What others wrote as one line: it must not look like lines of this program's own.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    replaced(text, char::is_control)
}

/// As much of a text as a line has room for.
pub(crate) fn beginning(text: &str) -> Cow<'_, str> {
    const MOST: usize = 100;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn replaced(text: &str, unwanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&unwanted) {
        return text.into();
    }
    let mut plain = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' if unwanted(c) => plain.push_str("\\n"),
            _ if unwanted(c) => write!(plain, "\\u{:04x}", u32::from(c)).expect("a string takes everything"),
            _ => plain.push(c),
        }
    }
    plain.into()
}

/// Prints rows under their heads, each column as wide as its widest cell.
pub(crate) fn print(heads: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.len()).collect();
    let rows: Vec<Vec<Cow<'_, str>>> = rows.iter().map(|row| row.iter().map(|cell| one_line(cell)).collect()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print_row = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    print_row(heads.to_vec());
    for row in &rows {
        print_row(row.iter().map(AsRef::as_ref).collect());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_drives_no_terminal_and_forges_no_line() {
        let forged = "order\u{1b}[2J\u{9b}1A\r\u{7f}\n\tready";
        assert_eq!(one_line(forged), "order\\u001b[2J\\u009b1A\\u000d\\u007f\\n\\u0009ready");
        assert_eq!(escaped(forged), "order\\u001b[2J\\u009b1A\\u000d\\u007f\n\tready");
        assert_eq!(one_line("plain – text"), "plain – text");
        assert_eq!((beginning(&"ä".repeat(100)), beginning(&"ä".repeat(101))), ("ä".repeat(100).into(), ("ä".repeat(100) + "…").into()));
        let json = serde_json::json!({ "a": forged });
        let read: serde_json::Value = serde_json::from_str(&escaped(&format!("{json:#}"))).expect("it still is JSON");
        assert_eq!(read, json);
    }
}
