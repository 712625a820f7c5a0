//! From characters to tokens, for both languages: each refuses the other's signs with advice rather than with "unexpected character".

use crate::Number;
use crate::parser::ParseError;

/// Which front end reads a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Feel,
    Juel,
}

/// The smallest thing with a meaning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'s> {
    End,
    Number(Number),
    Text(String),
    /// A name or a keyword.
    Word(&'s str),
    /// A name in backticks, which is never a keyword.
    Quoted(&'s str),
    Symbol(&'static str),
}

/// All signs of both languages, longer ones before their own beginnings.
const SYMBOLS: &[&str] = &[
    "**", "..", "!=", "<=", ">=", "==", "&&", "||", "->", "+", "-", "*", "/", "%", "=", "<", ">", "!", "?", ":", "(", ")", "[", "]", "{",
    "}", ",", ".", "@",
];

/// Reads tokens one at a time; a copy looks ahead.
#[derive(Clone)]
pub(crate) struct Lexer<'s> {
    source: &'s str,
    position: usize,
    language: Language,
}

impl<'s> Lexer<'s> {
    /// Starts in the middle of a source, so that offsets are those of the whole.
    pub(crate) fn new(source: &'s str, position: usize, language: Language) -> Lexer<'s> {
        Lexer { source, position, language }
    }

    /// Where the next token will be looked for.
    pub(crate) fn position(&self) -> usize {
        self.position
    }

    /// The next token and where it begins.
    pub(crate) fn next(&mut self) -> Result<(Token<'s>, usize), ParseError> {
        self.skip_blanks()?;
        let start = self.position;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok((Token::End, start));
        };
        let second_is_digit = rest.as_bytes().get(1).is_some_and(u8::is_ascii_digit);
        let token = match first {
            '0'..='9' => self.number()?,
            '.' if second_is_digit => self.number()?,
            '"' => self.text('"')?,
            '\'' if self.language == Language::Juel => self.text('\'')?,
            '\'' => {
                return Err(ParseError::new(start, "FEEL has no text in single quotes").help("write \"text\" in double quotes"));
            }
            '`' => self.quoted()?,
            _ if self.starts_word(first) => self.word(),
            _ => self.symbol(first)?,
        };
        Ok((token, start))
    }

    fn rest(&self) -> &'s str {
        &self.source[self.position..]
    }

    fn starts_word(&self, first: char) -> bool {
        first.is_alphabetic() || first == '_' || (first == '$' && self.language == Language::Juel)
    }

    fn skip_blanks(&mut self) -> Result<(), ParseError> {
        loop {
            self.position = self.source.len() - self.rest().trim_start().len();
            let rest = self.rest();
            if self.language == Language::Juel {
                return Ok(());
            }
            if rest.starts_with("//") {
                self.position += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                let Some(end) = rest.find("*/") else {
                    return Err(ParseError::new(self.position, "this comment does not end").help("close it with */"));
                };
                self.position += end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Token<'s> {
        let rest = self.rest();
        let juel = self.language == Language::Juel;
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || (c == '$' && juel))).unwrap_or(rest.len());
        self.position += end;
        Token::Word(&rest[..end])
    }

    fn quoted(&mut self) -> Result<Token<'s>, ParseError> {
        let start = self.position;
        let inner = &self.rest()[1..];
        match inner.find('`') {
            Some(0) => Err(ParseError::new(start, "a name in backticks is empty")),
            Some(end) => {
                self.position += end + 2;
                Ok(Token::Quoted(&inner[..end]))
            }
            None => Err(ParseError::new(start, "this name in backticks does not end").help("close it with `")),
        }
    }

    fn symbol(&mut self, first: char) -> Result<Token<'s>, ParseError> {
        let rest = self.rest();
        let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) else {
            return Err(ParseError::new(self.position, format!("{first:?} has no meaning here")));
        };
        self.position += symbol.len();
        Ok(Token::Symbol(symbol))
    }

    fn number(&mut self) -> Result<Token<'s>, ParseError> {
        let start = self.position;
        let bytes = self.rest().as_bytes();
        let digits_from = |from: usize| bytes[from.min(bytes.len())..].iter().take_while(|b| b.is_ascii_digit()).count();
        let mut end = digits_from(0);
        // A second point makes it a range (`1..10`), and a point without digits is no part of the number.
        if bytes.get(end) == Some(&b'.') && digits_from(end + 1) > 0 {
            end += 1 + digits_from(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let exponent = digits_from(end + 1 + sign);
            if exponent > 0 {
                end += 1 + sign + exponent;
            }
        }
        let text = &self.rest()[..end];
        self.position += end;
        if self.rest().starts_with(|c: char| c.is_alphabetic() || c == '_') {
            return Err(
                ParseError::new(start, "a number runs into a name").help("a name begins with a letter; put blanks around operators")
            );
        }
        let number = text.parse::<Number>().map(|number| number.typed_as(text));
        number.map(Token::Number).map_err(|error| ParseError::new(start, error.to_string()))
    }

    fn text(&mut self, quote: char) -> Result<Token<'s>, ParseError> {
        let start = self.position;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            if character == quote {
                self.position += at + quote.len_utf8();
                return Ok(Token::Text(text));
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            let Some((_, escape)) = characters.next() else {
                break;
            };
            let escaped = match (self.language, escape) {
                (_, '\\' | '"' | '\'') => escape,
                (Language::Feel, 'n') => '\n',
                (Language::Feel, 'r') => '\r',
                (Language::Feel, 't') => '\t',
                (Language::Feel, 'u' | 'U') => {
                    let length = if escape == 'u' { 4 } else { 6 };
                    let digits = self.rest().get(at + 2..at + 2 + length);
                    let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                    let (unit, more) = match unit {
                        Some(high @ 0xD800..0xDC00) => (self.surrogate_pair(high, at + 2 + length), length + 6),
                        other => (other, length),
                    };
                    let Some(escaped) = unit.and_then(char::from_u32) else {
                        return Err(ParseError::new(start + at, "this escape names no character")
                            .help("write \\u and four hexadecimal digits, or \\U and six"));
                    };
                    characters.nth(more - 1);
                    escaped
                }
                // DMN 1.5, grammar rule 34: a backslash is a character like others, as patterns have it.
                (Language::Feel, _) => {
                    text.push('\\');
                    escape
                }
                (Language::Juel, _) => {
                    return Err(ParseError::new(start + at, format!("\\{escape} is no escape")).help("known are \\\\ \\' \\\""));
                }
            };
            text.push(escaped);
        }
        Err(ParseError::new(start, "this text does not end").help(format!("close it with {quote}")))
    }

    /// The character of a pair of escapes such as `\uD83D\uDE00`; `low_at` is where the second begins, counted from here.
    fn surrogate_pair(&self, high: u32, low_at: usize) -> Option<u32> {
        let digits = self.rest().get(low_at..)?.strip_prefix("\\u")?.get(..4)?;
        let low = u32::from_str_radix(digits, 16).ok().filter(|low| (0xDC00..0xE000).contains(low))?;
        Some(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    }
}
