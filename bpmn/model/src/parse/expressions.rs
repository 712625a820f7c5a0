//! Expressions, wherever they stand.

use mandate_feel::Expression;

use crate::diagnostic::{At, shown};
use crate::parse::MAX_PATTERN_BYTES;
use crate::parse::process::ProcessReader;

/// Where expressions are being read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    /// The object of Camunda 7 that is known there beside `execution`: `task`, `externalTask`.
    pub(crate) object: Option<&'static str>,
    /// A listener does what they say, or a delegate in their place.
    pub(crate) is_listener: bool,
}

impl<'n> ProcessReader<'n, '_> {
    /// Reads what has expressions at a place.
    pub(crate) fn within<T>(&mut self, place: Place, read: impl FnOnce(&mut Self) -> T) -> T {
        let around = std::mem::replace(&mut self.place, place);
        let result = read(self);
        self.place = around;
        result
    }

    /// Compiles an expression or a text that may hold one. `what` names it in the error.
    pub(crate) fn expression(&mut self, what: &str, source: &str, at: At<'n>) -> Option<Expression> {
        let source = source.trim();
        let patterns = &self.definitions.patterns;
        let had_room = !patterns.is_full();
        // What was deployed before may mean a variable, which goes first.
        let object = self.place.object.filter(|_| !self.diagnostics.is_stored());
        let parsed = Expression::parse_where(source, patterns, object);
        if had_room && patterns.is_full() {
            let message = format!("the patterns of regular expressions in this file have more than {MAX_PATTERN_BYTES} bytes together");
            let help = "split the file, or let a delegate look at texts; patterns from here on are looked at only when they are evaluated";
            self.diagnostics.objection(at, message, help);
        }
        match parsed {
            Ok(expression) => Some(expression),
            Err(error) => {
                let character = source.get(..error.offset).map_or(0, |before| before.chars().count()) + 1;
                let message = format!("{what} '{}': {}, at character {character}", shown(source), shown(&error.message));
                let mut help = error.help.clone().unwrap_or_else(|| "correct the expression".to_owned());
                if self.place.is_listener {
                    help.push_str("; a listener names its delegate in place of the expression, such as class=\"audit-log\"");
                }
                self.diagnostics.objection(at, message, help);
                self.diagnostics.is_stored().then(|| Expression::unreadable(source, error))
            }
        }
    }
}
