//! Reads TOML tables key by key and collects every problem, where serde would stop at the first. The catalogue is read by it, and so are
//! the manifests of bundles.

use std::cell::RefCell;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::Problem;
use crate::quantity;

/// The problems of one file so far.
#[derive(Debug)]
pub struct Problems<'a> {
    file: &'a str,
    text: &'a str,
    found: RefCell<Vec<Problem>>,
}

/// A value with the place it was read from, so that a later finding can name its line.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its bytes in the file.
    pub span: Range<usize>,
}

/// One table of the file, and where it stands.
#[derive(Debug)]
pub struct Table<'a> {
    problems: &'a Problems<'a>,
    entries: &'a DeTable<'a>,
    /// As in an error text: `targets.orders`.
    at: String,
    span: Range<usize>,
}

impl<'a> Problems<'a> {
    /// None yet, of the file with this name and text.
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: RefCell::default() }
    }

    /// The document. None if the text is not TOML, which is noted: what a broken text seems to say is not worth a second complaint.
    pub fn document(&self) -> Option<Spanned<DeTable<'a>>> {
        let (document, syntax) = DeTable::parse_recoverable(self.text);
        if syntax.is_empty() {
            return Some(document);
        }
        for error in syntax {
            let message = error.message().trim().replace('\n', ", ");
            self.add(&error.span().unwrap_or(0..0), String::new(), message, String::new());
        }
        None
    }

    /// Notes a problem at the place where `span` starts.
    pub fn add(&self, span: &Range<usize>, at: String, what: String, remedy: String) {
        let (line, column) = self.position(span);
        self.found.borrow_mut().push(Problem { file: self.file.to_owned(), line, column, at, what, remedy });
    }

    /// The line and column, in characters, at which `span` starts; both from 1.
    pub fn position(&self, span: &Range<usize>) -> (usize, usize) {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or_default();
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (before.matches('\n').count() + 1, column)
    }

    /// All problems in the order of their places.
    pub fn into_list(self) -> Vec<Problem> {
        let mut list = self.found.into_inner();
        list.sort_by_key(|problem| (problem.line, problem.column));
        list
    }
}

impl<'a> Table<'a> {
    /// The whole document.
    pub fn root(problems: &'a Problems<'a>, document: &'a Spanned<DeTable<'a>>, allowed: &[&str]) -> Self {
        let table = Self { problems, entries: document.get_ref(), at: String::new(), span: document.span() };
        table.refuse_unknown(allowed);
        table
    }

    /// Every entry of a table whose keys are free names, each of which is to be a table.
    pub fn named_tables(&self, key: &str, allowed: &[&str]) -> Vec<(Located<String>, Table<'a>)> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table of tables");
            return Vec::new();
        };
        let outer = Table { problems: self.problems, entries, at: self.path(key), span: value.span() };
        let mut tables = Vec::new();
        for name in entries.keys() {
            let located = Located { value: name.get_ref().to_string(), span: name.span() };
            if let Some(mut table) = outer.table(name.get_ref(), allowed) {
                // A table made by dotted keys has no header of its own to point at; its name always has a place.
                table.span = name.span();
                tables.push((located, table));
            }
        }
        tables
    }

    /// A table that may be missing.
    pub fn table(&self, key: &str, allowed: &[&str]) -> Option<Table<'a>> {
        let value = self.get(key)?;
        let Some(entries) = value.get_ref().as_table() else {
            self.wrong_type(key, value, "a table");
            return None;
        };
        let table = Table { problems: self.problems, entries, at: self.path(key), span: value.span() };
        table.refuse_unknown(allowed);
        Some(table)
    }

    /// A list of tables that may be missing.
    pub fn tables(&self, key: &str, allowed: &[&str]) -> Vec<Table<'a>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of tables");
            return Vec::new();
        };
        let mut tables = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let at = format!("{}[{index}]", self.path(key));
            match item.get_ref().as_table() {
                Some(entries) => {
                    let table = Table { problems: self.problems, entries, at, span: item.span() };
                    table.refuse_unknown(allowed);
                    tables.push(table);
                }
                None => self.problems.add(&item.span(), at, "this is not a table".to_owned(), "write { … }".to_owned()),
            }
        }
        tables
    }

    /// A text that may be missing.
    pub fn text(&self, key: &str) -> Option<Located<String>> {
        let value = self.get(key)?;
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(key, value, "a text in quotes");
            return None;
        };
        Some(Located { value: text.to_owned(), span: value.span() })
    }

    /// Every entry of a table whose keys are free names and whose values are texts.
    pub fn named_texts(&self, key: &str) -> Vec<(String, String)> {
        let Some(table) = self.table(key, &[]) else {
            return Vec::new();
        };
        let names = table.entries.keys().map(|name| name.get_ref().to_string());
        names.filter_map(|name| table.text(&name).map(|text| (name, text.value))).collect()
    }

    /// A text that must be there.
    pub fn required_text(&self, key: &str, meaning: &str) -> Option<Located<String>> {
        self.require(key, meaning);
        self.text(key)
    }

    /// A truth value that may be missing.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.get(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong_type(key, value, "true or false");
        }
        boolean
    }

    /// A whole number within bounds that may be missing.
    pub fn integer(&self, key: &str, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let value = self.get(key)?;
        let number = value.get_ref().as_integer().and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok());
        match number {
            Some(number) if bounds.contains(&number) => Some(number),
            _ => {
                let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
                self.wrong_type(key, value, &expected);
                None
            }
        }
    }

    /// A list of texts that may be missing.
    pub fn texts(&self, key: &str) -> Option<Vec<Located<String>>> {
        let value = self.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of texts");
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.get_ref().as_str() {
                Some(text) => texts.push(Located { value: text.to_owned(), span: item.span() }),
                None => self.wrong_type(key, item, "a text in quotes"),
            }
        }
        Some(texts)
    }

    /// A list of HTTP statuses that may be missing. 1xx is no answer, hence not allowed.
    pub fn statuses(&self, key: &str) -> Option<Vec<Located<u16>>> {
        let value = self.get(key)?;
        let Some(items) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of HTTP statuses, for example [200, 201]");
            return None;
        };
        let mut statuses = Vec::new();
        for item in items {
            let number = item.get_ref().as_integer().and_then(|i| u16::from_str_radix(i.as_str(), i.radix()).ok());
            match number {
                Some(status @ 200..=599) => statuses.push(Located { value: status, span: item.span() }),
                _ => self.wrong_type(key, item, "an HTTP status from 200 to 599"),
            }
        }
        Some(statuses)
    }

    /// A duration within bounds that may be missing.
    pub fn duration(&self, key: &str, bounds: std::ops::RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(key)?;
        let Some(duration) = quantity::duration(&text.value) else {
            let what = format!("{:?} is not a duration", text.value);
            self.problem_at(key, &text.span, what, "write for example \"500ms\", \"5s\" or \"2m\"");
            return None;
        };
        if !bounds.contains(&duration) {
            let what = format!("{:?} is out of bounds", text.value);
            let remedy = format!("choose between {:?} and {:?}", bounds.start(), bounds.end());
            self.problem_at(key, &text.span, what, &remedy);
            return None;
        }
        Some(duration)
    }

    /// A size in bytes within bounds that may be missing.
    pub fn size(&self, key: &str, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(key)?;
        let Some(size) = quantity::size(&text.value) else {
            let what = format!("{:?} is not a size", text.value);
            self.problem_at(key, &text.span, what, "write for example \"64 KiB\" or \"1 MiB\"");
            return None;
        };
        if !bounds.contains(&size) {
            let what = format!("{:?} is out of bounds", text.value);
            let remedy = format!("choose between {} and {} bytes", bounds.start(), bounds.end());
            self.problem_at(key, &text.span, what, &remedy);
            return None;
        }
        Some(size)
    }

    /// Notes that a key is missing if it is; `meaning` says what it is for.
    pub fn require(&self, key: &str, meaning: &str) {
        if self.get(key).is_none() {
            self.problem(format!("{key} is missing"), &format!("add {key}, {meaning}"));
        }
    }

    /// Whether the key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Notes a problem with the table as a whole.
    pub fn problem(&self, what: String, remedy: &str) {
        self.problems.add(&self.span, self.at.clone(), what, remedy.to_owned());
    }

    /// Notes a problem with the value of a key.
    pub fn problem_at(&self, key: &str, span: &Range<usize>, what: String, remedy: &str) {
        self.problems.add(span, self.path(key), what, remedy.to_owned());
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.entries.iter().find(|(name, _)| name.get_ref() == key).map(|(_, value)| value)
    }

    fn refuse_unknown(&self, allowed: &[&str]) {
        // The names of targets and commands are their authors': an empty list stands for any.
        if allowed.is_empty() {
            return;
        }
        for key in self.entries.keys().filter(|key| !allowed.contains(&key.get_ref().as_ref())) {
            let what = format!("there is no key {:?} here", key.get_ref());
            let remedy = format!("allowed are {}", allowed.join(", "));
            self.problems.add(&key.span(), self.at.clone(), what, remedy);
        }
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'_>>, expected: &str) {
        let what = format!("this {} does not fit", value.get_ref().type_str());
        self.problem_at(key, &value.span(), what, &format!("write {expected}"));
    }

    fn path(&self, key: &str) -> String {
        let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        let key = if bare { key.to_owned() } else { format!("{key:?}") };
        if self.at.is_empty() { key } else { format!("{}.{key}", self.at) }
    }
}
