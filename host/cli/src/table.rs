//! What is printed: lines, and columns for people.

use std::io::{ErrorKind, Write as _};

/// What a shell says of a program that SIGPIPE ended: 128 and the signal's number.
const READER_LEFT: i32 = 141;

/// Prints a line to standard output. `println!` panics when nobody reads any more, as in `mandate list | head`.
macro_rules! say {
    ($($words:tt)*) => { $crate::table::line(&format!($($words)*)) };
}
pub(crate) use say;

/// Prints a line, or ends the program: quietly when its reader left, with an error when the line cannot be written.
pub(crate) fn line(text: &str) {
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}") {
        if error.kind() == ErrorKind::BrokenPipe {
            std::process::exit(READER_LEFT);
        }
        eprintln!("mandate: write to standard output: {error}");
        std::process::exit(1);
    }
}

/// Prints rows under their heads, each column as wide as its widest cell.
pub(crate) fn print(heads: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = heads.iter().map(|head| head.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let print_row = |cells: Vec<&str>| {
        let padded: Vec<String> = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(padded.join("  ").trim_end());
    };
    print_row(heads.to_vec());
    for row in rows {
        print_row(row.iter().map(String::as_str).collect());
    }
}
