//! Functions with regular expressions (DMN 1.5, table 73; XPath's flags s, m, i and x).
//!
//! The engine takes time in proportion to the text and the pattern, whatever they are, so it has no look-around and no references back: a
//! pattern with these is null, as one that is too large.

use std::sync::Arc;

use regex_automata::Input;
use regex_automata::nfa::thompson::{self, pikevm::PikeVM};
use regex_automata::util::syntax;

use super::{Args, Builtin, Fixed, builtin};
use crate::Value;
use crate::eval::{Evaluator, Fault};

/// The longest pattern, in bytes. A longer one is a grammar.
const MAX_PATTERN: usize = 1024;

/// The largest automaton, in bytes: a dozen classes such as `\w`, which has all letters of all languages.
const MAX_AUTOMATON: usize = 512 * 1024;

/// The most groups: a state keeps where each begins and ends.
const MAX_GROUPS: usize = 20;

/// States of an automaton that are looked at in the time of another step, and that are made in it.
const STATES_PER_STEP: usize = 64;
const STATES_MADE_PER_STEP: usize = 4;

/// What the smallest pattern takes to be read, in steps, and what each of its bytes may take: a class of letters has all languages and,
/// where case does not count, is made of each letter's kin. What becomes too large takes this until it does.
const STEPS_PER_PATTERN: usize = 2_000;
const STEPS_PER_PATTERN_BYTE: usize = 20;
const STEPS_TO_BE_TOO_LARGE: usize = 10_000;

/// What a class may take in which case does not count and that has letters of many languages: each letter's kin is looked for, a letter at
/// a time.
const STEPS_PER_WIDE_CLASS: usize = 5_000;

/// The same where the next of many matches is looked for. That mostly ends where the match does, but a pattern such as `a.*b|a` looks at
/// all that is left each time: charged in full, sound patterns would come to the limit, and charged so, the others take half a second to do
/// so.
const STATES_PER_STEP_ON_THE_WAY: usize = 1024;

/// States that are looked at in the time that a byte takes beside them.
const STATES_PER_BYTE: usize = 32;

/// Slots of a state that are copied in the time in which a state is looked at.
const SLOTS_PER_STATE: usize = 4;

const NO_PATTERN: &str = "the pattern is no regular expression without look-around and references back";

pub(super) static TABLE: &[Builtin] = &[
    builtin("matches", &["input, pattern, flags?"], matches).checked(|fixed| check(fixed, fixed.text(1), fixed.text_or_empty(2))),
    builtin("replace", &["input, pattern, replacement, flags?"], replace)
        .checked(|fixed| check(fixed, fixed.text(1), fixed.text_or_empty(3))),
    builtin("split", &["string, delimiter"], split).checked(|fixed| check(fixed, fixed.text(1), Some(""))),
    builtin("extract", &["string, pattern"], extract).checked(|fixed| check(fixed, fixed.text(1), Some(""))),
];

/// A pattern that an evaluation has compiled: loops ask with the same again and again.
pub(crate) struct Compiled {
    pattern: String,
    flags: String,
    automaton: PikeVM,
    /// How many states a byte is worth: those that there are, each as often as its slots weigh, and some.
    states: usize,
    /// The longest match, in bytes, if there is one.
    longest: Option<usize>,
}

fn matches(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    let compiled = compile(evaluator, args.text(1)?, args.text_or(2, "")?)?;
    compiled.charge(evaluator, text)?;
    let found = compiled.automaton.is_match(&mut compiled.automaton.create_cache(), Input::new(text));
    Ok(Value::Boolean(found))
}

/// In the replacement `$1` is what the first group has matched, `$0` all, and a backslash takes a sign as it is (XPath, `fn:replace`).
fn replace(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (text, replacement) = (args.text(0)?, args.text(2)?);
    let compiled = compile(evaluator, args.text(1)?, args.text_or(3, "")?)?;
    compiled.charge(evaluator, text)?;
    let (mut replaced, mut end) = (String::new(), 0);
    for found in compiled.automaton.captures_iter(&mut compiled.automaton.create_cache(), text) {
        let group = |number: usize| found.get_group(number).map_or("", |span| &text[span.start..span.end]);
        let Some(span) = found.get_match() else { continue };
        let before = replaced.len();
        replaced.push_str(&text[end..span.start()]);
        end = span.end();
        let mut characters = replacement.chars().peekable();
        while let Some(character) = characters.next() {
            match (character, characters.peek().and_then(|next| next.to_digit(10))) {
                ('$', Some(number)) => {
                    characters.next();
                    replaced.push_str(group(usize::try_from(number).unwrap_or_default()));
                }
                ('\\', _) => replaced.extend(characters.next()),
                _ => replaced.push(character),
            }
        }
        evaluator.room_for_text(replaced.len() - before)?;
        compiled.charge_next(evaluator, &text[end..])?;
    }
    replaced.push_str(&text[end..]);
    Ok(evaluator.text(replaced)?)
}

/// What lies between the matches, empty texts too. A match that is empty itself parts only what lies on both sides of it: `""` gives each
/// character.
fn split(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    let compiled = compile(evaluator, args.text(1)?, "")?;
    compiled.charge(evaluator, text)?;
    let (mut parts, mut end) = (Vec::new(), 0);
    for found in compiled.automaton.find_iter(&mut compiled.automaton.create_cache(), text) {
        if !found.is_empty() || (1..text.len()).contains(&found.start()) {
            parts.push(Value::from(&text[end..found.start()]));
            end = found.end();
        }
        compiled.charge_next(evaluator, &text[end..])?;
    }
    parts.push(Value::from(&text[end..]));
    Ok(evaluator.list(parts)?)
}

/// All matches (Camunda 8).
fn extract(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    let compiled = compile(evaluator, args.text(1)?, "")?;
    compiled.charge(evaluator, text)?;
    let mut parts = Vec::new();
    for found in compiled.automaton.find_iter(&mut compiled.automaton.create_cache(), text) {
        parts.push(Value::from(&text[found.range()]));
        compiled.charge_next(evaluator, &text[found.end()..])?;
    }
    Ok(evaluator.list(parts)?)
}

fn compile(evaluator: &mut Evaluator<'_>, pattern: &str, flags: &str) -> Result<Arc<Compiled>, Fault> {
    evaluator.charge_bytes(pattern.len() + flags.len())?;
    if let Some(compiled) = evaluator.compiled().filter(|compiled| compiled.pattern == pattern && compiled.flags == flags) {
        return Ok(Arc::clone(compiled));
    }
    check_length(pattern)?;
    check_flags(flags)?;
    evaluator.charge(STEPS_PER_PATTERN + STEPS_PER_PATTERN_BYTE * pattern.len() + STEPS_PER_WIDE_CLASS * wide_classes(pattern, flags))?;
    let syntax = syntax(flags).case_insensitive(flags.contains('i'));
    let parsed = syntax::parse_with(pattern, &syntax).map_err(|_| Fault::null(NO_PATTERN))?;
    let size = thompson::Config::new().nfa_size_limit(Some(MAX_AUTOMATON));
    let automaton = match thompson::Compiler::new().configure(size).build_from_hir(&parsed) {
        Ok(automaton) => PikeVM::builder().build_from_nfa(automaton).map_err(|_| Fault::null(NO_PATTERN))?,
        Err(error) if error.size_limit().is_some() => {
            evaluator.charge(STEPS_TO_BE_TOO_LARGE)?;
            return Err(Fault::null("the pattern is too large"));
        }
        Err(_) => return Err(Fault::null(NO_PATTERN)),
    };
    evaluator.charge(automaton.get_nfa().states().len() / STATES_MADE_PER_STEP)?;
    let groups = automaton.get_nfa().group_info();
    if groups.all_group_len() > MAX_GROUPS {
        return Err(Fault::Null(format!("the pattern has more than {MAX_GROUPS} groups")));
    }
    let states = automaton.get_nfa().states().len() * (1 + groups.slot_len() / SLOTS_PER_STATE) + STATES_PER_BYTE;
    let longest = parsed.properties().maximum_len();
    let compiled = Arc::new(Compiled { pattern: pattern.to_owned(), flags: flags.to_owned(), automaton, states, longest });
    Ok(Arc::clone(evaluator.keep_compiled(compiled)))
}

/// Whether case counts is not said: it changes nothing of what is a pattern.
fn syntax(flags: &str) -> syntax::Config {
    syntax::Config::new().dot_matches_new_line(flags.contains('s')).multi_line(flags.contains('m')).ignore_whitespace(flags.contains('x'))
}

fn check_length(pattern: &str) -> Result<(), Fault> {
    if pattern.len() > MAX_PATTERN { Err(Fault::Null(format!("the pattern is longer than {MAX_PATTERN} bytes"))) } else { Ok(()) }
}

fn check_flags(flags: &str) -> Result<(), Fault> {
    if flags.chars().all(|flag| "smix".contains(flag)) { Ok(()) } else { Err(Fault::null("the flags are s, m, i and x")) }
}

/// What is wrong with a pattern and flags that are written in the expression. Whether the automaton is too large is not looked at, nor a
/// pattern that says itself that case does not count, nor what is past the room that an expression has for patterns: that takes long, and
/// nobody counts the steps of reading.
fn check(fixed: Fixed<'_>, pattern: Option<&str>, flags: Option<&str>) -> Result<(), Fault> {
    if let Some(flags) = flags {
        check_flags(flags)?;
    }
    let Some(pattern) = pattern else { return Ok(()) };
    check_length(pattern)?;
    let Some(flags) = flags.filter(|_| wide_classes(pattern, "") == 0 && fixed.has_room_for(pattern)) else { return Ok(()) };
    match syntax::parse_with(pattern, &syntax(flags)) {
        Ok(_) => Ok(()),
        Err(error) => {
            // Its text shows the pattern first, and what is wrong last.
            let text = error.to_string();
            let wrong = text.lines().last().and_then(|line| line.strip_prefix("error: "));
            Err(Fault::Null(format!("{NO_PATTERN}{}", wrong.map(|wrong| format!(" ({wrong})")).unwrap_or_default())))
        }
    }
}

/// How many classes of a pattern may have most of all letters while case does not count: at most so many, for a pattern such as `[a-z]`
/// none.
fn wide_classes(pattern: &str, flags: &str) -> usize {
    // Also a part of a pattern may have flags: `(?i)`.
    if !flags.contains('i') && !pattern.contains("(?") {
        return 0;
    }
    let (mut classes, mut depth, mut is_wide) = (0, 0_usize, false);
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                // `\p` is a class by itself.
                Some('p' | 'P') => (classes, is_wide) = (classes + 1, true),
                Some('x' | 'u' | 'U' | 'D' | 'S' | 'W') => is_wide |= depth > 0,
                _ => {}
            },
            '[' => {
                // What is left out of a class within another is all the rest; `[[:^alpha:]]` too.
                is_wide |= depth > 0 && matches!(characters.peek(), Some('^' | ':'));
                (classes, depth) = (classes + 1, depth + 1);
            }
            ']' => depth = depth.saturating_sub(1),
            _ => is_wide |= depth > 0 && !character.is_ascii(),
        }
    }
    if is_wide { classes } else { 0 }
}

impl Compiled {
    /// Each byte may be looked at in each state, and the cache has room for each.
    fn charge(&self, evaluator: &mut Evaluator<'_>, text: &str) -> Result<(), Fault> {
        Ok(evaluator.charge((text.len() + 1).saturating_mul(self.states) / STATES_PER_STEP)?)
    }

    /// The same for the next match, in what is left of the text: what lies before it is charged with the text, and behind its beginning no
    /// more is looked at than the longest match has.
    fn charge_next(&self, evaluator: &mut Evaluator<'_>, left: &str) -> Result<(), Fault> {
        let all = left.len().saturating_mul(self.states) / STATES_PER_STEP_ON_THE_WAY;
        let longest = self.longest.map(|longest| longest.saturating_mul(self.states) / STATES_PER_STEP);
        Ok(evaluator.charge(longest.map_or(all, |longest| longest.min(all)) + 1)?)
    }
}
