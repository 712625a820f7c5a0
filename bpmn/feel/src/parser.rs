//! The core that both languages share: one Pratt loop over one lexer, producing one syntax tree.
//!
//! A front end says what may begin an expression (`prefix`) and what may continue one and how tightly it binds (`power`, `infix`); the loop
//! does the rest. Parsing never looks at variables, so what an expression means is settled at deployment.

use std::cell::Cell;
use std::sync::Arc;

use crate::Value;
use crate::ast::{self, Link, Node, Operator};
use crate::lexer::{Language, Lexer, Token};

mod calls;
pub(crate) mod feel;
pub(crate) mod juel;
pub(crate) mod objects;

/// Levels of brackets, branches and prefix operators within each other; brackets in a branch, what stands behind the `in` of an iteration,
/// and brackets of `in` and of methods are two. Each takes a few stack frames here and some in evaluation, which also a build without
/// optimisation must have room for. People write five; a value that is stored has at most 100.
pub const MAX_SYNTAX_DEPTH: usize = 200;

/// The same with the right operands in which they stand: what is multiplied in `1 + 2 * (…)` lies two levels deeper, and is evaluated
/// there.
const MAX_LEVELS: usize = 300;

/// The longest expression. Longer ones are data; a variable may be as long.
pub const MAX_SOURCE_BYTES: usize = 64 * 1024;

/// Of the patterns in an expression so many bytes are looked at when it is read: to read a pattern takes five microseconds a byte where
/// each of its classes has the letters of all languages. What is wrong with another is said when it is evaluated.
const MAX_PATTERNS: usize = 1024;

/// What may yet be looked at of the patterns in several expressions: one has little, but there may be many.
#[derive(Debug)]
pub struct PatternRoom(Cell<usize>);

impl PatternRoom {
    /// So many bytes of patterns.
    pub fn new(bytes: usize) -> PatternRoom {
        PatternRoom(Cell::new(bytes))
    }

    /// Whether all of it is taken. What is wrong with any other pattern is said when it is evaluated.
    pub fn is_full(&self) -> bool {
        self.0.get() == 0
    }

    /// Lets an expression take of it what it looks at.
    fn lend<T>(&self, parser: &mut Parser<'_>, read: impl FnOnce(&mut Parser<'_>) -> T) -> T {
        let lent = MAX_PATTERNS.min(self.0.get());
        parser.patterns.set(lent);
        let result = read(parser);
        self.0.set(self.0.get() - (lent - parser.patterns.get()));
        result
    }
}

/// Why a text is no expression, where, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    /// What is wrong, a lowercase fragment.
    pub message: String,
    /// Where: a byte offset into the source as it was handed in, at most its length, on a character's boundary.
    pub offset: usize,
    /// What to write instead, where that can be said.
    pub help: Option<String>,
}

impl ParseError {
    pub(crate) fn new(offset: usize, message: impl Into<String>) -> ParseError {
        ParseError { message: message.into(), offset, help: None }
    }

    pub(crate) fn help(self, help: impl Into<String>) -> ParseError {
        ParseError { help: Some(help.into()), ..self }
    }
}

/// How tightly the operators of both languages bind; more is tighter. (DMN 1.5, 10.3.1.2; EL 2.1, 1.17)
pub(crate) mod power {
    pub(crate) const LOWEST: u8 = 0;
    pub(crate) const CONDITIONAL: u8 = 10;
    pub(crate) const OR: u8 = 20;
    pub(crate) const AND: u8 = 30;
    pub(crate) const EQUALITY: u8 = 40;
    pub(crate) const COMPARISON: u8 = 50;
    pub(crate) const SUM: u8 = 60;
    pub(crate) const PRODUCT: u8 = 70;
    pub(crate) const POWER: u8 = 80;
    pub(crate) const PREFIX: u8 = 90;
    pub(crate) const ACCESS: u8 = 100;
}

/// An operator that both languages read alike.
#[derive(Clone, Copy)]
pub(crate) enum Infix {
    Binary(Operator),
    And,
    Or,
}

/// A left operand, while what is right of its operator is read.
struct Waiting {
    left: Node,
    operator: Infix,
    /// How many refusals there were before it.
    refusals: usize,
    /// How tightly the operators around bind at least.
    least: u8,
}

impl Waiting {
    fn join(self, right: Node) -> Node {
        match self.operator {
            Infix::Binary(operator) => ast::chain(self.left, Link::Binary(operator, right)),
            Infix::And => ast::and(self.left, right),
            Infix::Or => ast::or(self.left, right),
        }
    }

    /// `a = null`, `null != a`: what is always null may stand there.
    fn asks_for_null(&self, right: &Node) -> bool {
        let is_null = |node: &Node| matches!(node, Node::Constant(Value::Null));
        matches!(self.operator, Infix::Binary(Operator::Equal | Operator::NotEqual)) && (is_null(&self.left) || is_null(right))
    }
}

/// A source being read: the token at hand, and the lexer behind it.
pub(crate) struct Parser<'s> {
    lexer: Lexer<'s>,
    language: Language,
    token: Token<'s>,
    /// Where the token at hand begins.
    offset: usize,
    depth: usize,
    /// Levels of the tree: these, and the operators whose right operands are being read.
    levels: usize,
    /// What is wrong whenever it is evaluated, unless somebody asks whether it is null.
    refusals: Vec<ParseError>,
    /// The names that the expression binds around what is at hand: only these may be functions.
    bound: Vec<Arc<str>>,
    /// The names of the entries around what is at hand, which is not bound yet in their own definitions.
    defined: Vec<Arc<str>>,
    /// What may yet be looked at of its patterns, in bytes.
    patterns: Cell<usize>,
    /// What is known to be there beside `execution`.
    object: Option<&'static objects::Object>,
}

impl<'s> Parser<'s> {
    /// Reads the first token at `position`.
    pub(crate) fn new(source: &'s str, position: usize, language: Language) -> Result<Parser<'s>, ParseError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(ParseError::new(MAX_SOURCE_BYTES, format!("the expression is longer than {MAX_SOURCE_BYTES} bytes"))
                .help("keep data in variables")
                .on_boundary(source));
        }
        let mut lexer = Lexer::new(source, position, language);
        let (token, offset) = lexer.next()?;
        Ok(Parser {
            lexer,
            language,
            token,
            offset,
            depth: 0,
            levels: 0,
            refusals: Vec::new(),
            bound: Vec::new(),
            defined: Vec::new(),
            patterns: Cell::new(MAX_PATTERNS),
            object: None,
        })
    }

    /// Reads an expression whose operators all bind at least as tightly as `least`.
    pub(crate) fn expression(&mut self, least: u8) -> Result<Node, ParseError> {
        if self.depth > MAX_SYNTAX_DEPTH {
            return Err(self.too_deep(MAX_SYNTAX_DEPTH));
        }
        self.depth += 1;
        self.deeper()?;
        let refusals = self.refusals.len();
        let left = self.prefix()?;
        let node = self.continued(left, refusals, least)?;
        self.levels -= 1;
        self.depth -= 1;
        Ok(node)
    }

    /// Reads what stands in the brackets of an operator or a method, or behind `in`, as a level more: what reads it has large frames.
    fn bracketed<T>(&mut self, read: fn(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        if self.depth > MAX_SYNTAX_DEPTH {
            return Err(self.too_deep(MAX_SYNTAX_DEPTH));
        }
        self.depth += 1;
        let inside = read(self)?;
        self.depth -= 1;
        Ok(inside)
    }

    /// One level deeper in the tree; whoever calls this subtracts it again.
    fn deeper(&mut self) -> Result<(), ParseError> {
        if self.levels > MAX_LEVELS {
            return Err(self.too_deep(MAX_LEVELS));
        }
        self.levels += 1;
        Ok(())
    }

    fn prefix(&mut self) -> Result<Node, ParseError> {
        match self.language {
            Language::Feel => feel::prefix(self),
            Language::Juel => juel::prefix(self),
        }
    }

    /// Reads what continues an operand, as far as it binds at least as tightly as `least`. Operators apply from left to right, and what is
    /// right of one binds more tightly: their operands wait in a list, and not on the stack. `refusals` is how many there were before the
    /// operand.
    fn continued(&mut self, mut left: Node, mut refusals: usize, mut least: u8) -> Result<Node, ParseError> {
        let mut waiting: Vec<Waiting> = Vec::new();
        loop {
            let power = match self.language {
                Language::Feel => feel::power(self).or_else(|| feel::invocation(self, &left)),
                Language::Juel => juel::power(&self.token),
            };
            let Some(power) = power.filter(|power| *power >= least) else {
                let Some(before) = waiting.pop() else { return Ok(left) };
                self.levels -= 1;
                if before.asks_for_null(&left) {
                    self.refusals.truncate(before.refusals);
                }
                (refusals, least) = (before.refusals, before.least);
                left = before.join(left);
                continue;
            };
            let operator = match self.language {
                Language::Feel => feel::operator(&self.token),
                Language::Juel => juel::operator(&self.token),
            };
            let Some(operator) = operator else {
                left = match self.language {
                    Language::Feel => feel::infix(self, left)?,
                    Language::Juel => juel::infix(self, left)?,
                };
                continue;
            };
            self.deeper()?;
            self.advance()?;
            waiting.push(Waiting { left, operator, refusals, least });
            (refusals, least) = (self.refusals.len(), power + 1);
            left = self.prefix()?;
        }
    }

    fn advance(&mut self) -> Result<Token<'s>, ParseError> {
        let (token, offset) = self.lexer.next()?;
        self.offset = offset;
        Ok(std::mem::replace(&mut self.token, token))
    }

    fn at(&self, symbol: &str) -> bool {
        matches!(self.token, Token::Symbol(found) if found == symbol)
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(self.token, Token::Word(found) if found == word)
    }

    /// Takes the symbol if it is at hand.
    fn take(&mut self, symbol: &str) -> Result<bool, ParseError> {
        let found = self.at(symbol);
        if found {
            self.advance()?;
        }
        Ok(found)
    }

    fn expect(&mut self, symbol: &str, to: &str) -> Result<(), ParseError> {
        if self.take(symbol)? { Ok(()) } else { Err(self.unexpected(&format!("{symbol:?} {to}"))) }
    }

    fn expect_word(&mut self, word: &str, to: &str) -> Result<(), ParseError> {
        if !self.at_word(word) {
            return Err(self.unexpected(&format!("'{word}' {to}")));
        }
        self.advance().map(drop)
    }

    /// Reads expressions separated by commas up to the closing symbol, which it takes.
    fn list_until(&mut self, close: &str, to: &str) -> Result<Vec<Node>, ParseError> {
        let mut nodes = Vec::new();
        if self.take(close)? {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression(power::LOWEST)?);
            if !self.take(",")? {
                self.expect(close, to)?;
                return Ok(nodes);
            }
        }
    }

    fn error(&self, message: impl Into<String>) -> ParseError {
        ParseError::new(self.offset, message)
    }

    fn too_deep(&self, levels: usize) -> ParseError {
        let help = match self.language {
            Language::Feel => {
                "brackets, branches and right operands are levels; leave out the brackets behind else, or name parts of it as entries of a context"
            }
            Language::Juel => {
                "brackets, branches and right operands are levels; leave out the brackets behind a colon, or compute a part of it before"
            }
        };
        self.error(format!("the expression is nested more than {levels} levels deep")).help(help)
    }

    /// Something else stands where `expected` should.
    fn unexpected(&self, expected: &str) -> ParseError {
        let error = self.error(format!("expected {expected}, found {}", describe(&self.token)));
        match (&self.token, self.language) {
            (Token::Symbol("=="), Language::Feel) => error.help("FEEL compares with a single ="),
            (Token::Symbol("&&"), Language::Feel) => error.help("FEEL writes 'and'"),
            (Token::Symbol("||"), Language::Feel) => error.help("FEEL writes 'or'"),
            (Token::Symbol("!"), Language::Feel) => error.help("FEEL writes not(…)"),
            (Token::Symbol("?"), Language::Feel) => error.help("FEEL writes 'if … then … else …'"),
            (Token::Symbol("%"), Language::Feel) => error.help("FEEL writes modulo(a, b)"),
            (Token::Symbol(".."), Language::Feel) => error.help("a range stands in brackets, as in [1..10], or behind 'for x in'"),
            (Token::Word(word), Language::Feel) if !feel::is_keyword(word) => {
                error.help("a name with blanks is written in backticks, as in `order total`; text is in double quotes")
            }
            (Token::Symbol("="), Language::Juel) => error.help("JUEL compares with =="),
            (Token::Symbol("**"), Language::Juel) => error.help("JUEL has no powers; FEEL does: = a ** b"),
            (Token::Symbol("["), Language::Juel) => error.help("JUEL has no list literals; FEEL does: = [1, 2]"),
            (Token::Symbol("{"), Language::Juel) => error.help("expressions do not nest: write ${a + b}, not ${${a} + b}"),
            _ => error,
        }
    }
}

impl ParseError {
    fn on_boundary(self, source: &str) -> ParseError {
        ParseError { offset: source.floor_char_boundary(self.offset), ..self }
    }
}

/// A token as a message names it.
fn describe(token: &Token<'_>) -> String {
    match token {
        Token::End => "the end".to_owned(),
        Token::Number(_) => "a number".to_owned(),
        Token::Text(_) => "a text".to_owned(),
        Token::Word(word) => format!("'{word}'"),
        Token::Quoted(name) => format!("`{name}`"),
        Token::Symbol(symbol) => format!("{symbol:?}"),
    }
}
