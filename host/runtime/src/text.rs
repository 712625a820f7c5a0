//! Texts that others wrote, made fit for a log line and for the store.

use std::borrow::Cow;
use std::fmt::Write as _;

/// What stands for a NUL, which PostgreSQL cannot store.
const INSTEAD_OF_NUL: &str = "\u{fffd}";

/// At most `max` bytes of a text, at a character's boundary, with a mark where something is missing.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text.into();
    }
    format!("{}…", &text[..text.floor_char_boundary(max)]).into()
}

/// A text that any database takes, of a length that fits beside others.
pub(crate) fn storable(text: &str, max: usize) -> String {
    cut(text, max).replace('\0', INSTEAD_OF_NUL)
}

/// A text as one line: what a delegate or a service says must not look like further lines of the log, nor drive a terminal.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            write!(line, "{}", c.escape_default()).expect("a string takes everything");
        } else {
            line.push(c);
        }
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_keeps_no_nul() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("aäb", 2), "a…");
        assert_eq!(storable("a\0b", 10), "a\u{fffd}b");
    }

    #[test]
    fn what_would_begin_a_line_of_its_own_does_not() {
        assert_eq!(one_line("plain – text"), "plain – text");
        assert_eq!(one_line("a\nERROR forged\u{1b}[2J"), "a\\nERROR forged\\u{1b}[2J");
    }
}
