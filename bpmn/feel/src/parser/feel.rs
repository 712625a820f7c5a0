//! FEEL (DMN 1.5, chapter 10.3). Names with blanks need backticks, so that reading does not depend on the variables in scope;
//! the names of built-in functions (`starts with`) are known and need none.

use std::sync::Arc;

use super::{ParseError, Parser, power};
use crate::Value;
use crate::ast::{self, Binding, Link, Node, Operator, Range, Source, Step, Test};
use crate::builtins::{self, Builtin};
use crate::lexer::{Language, Token};

/// Words that are no names.
const KEYWORDS: &[&str] = &[
    "true",
    "false",
    "null",
    "and",
    "or",
    "if",
    "then",
    "else",
    "for",
    "in",
    "return",
    "some",
    "every",
    "satisfies",
    "between",
    "function",
    "instance",
];

/// Keywords with which a value begins.
const VALUE_KEYWORDS: &[&str] = &["true", "false", "null", "if", "for", "some", "every"];

/// The function that is syntax, because it must see the name and not its value.
const IS_DEFINED: &str = "is defined";

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Reads a whole source from `position` on.
pub(crate) fn parse(source: &str, position: usize) -> Result<Node, ParseError> {
    let mut parser = Parser::new(source, position, Language::Feel)?;
    if parser.token == Token::End {
        return Err(parser.error("the expression is empty"));
    }
    let node = parser.expression(power::LOWEST)?;
    if parser.token == Token::End { Ok(node) } else { Err(parser.unexpected("an operator or the end")) }
}

/// How tightly the token at hand binds as an operator.
pub(super) fn power(parser: &Parser<'_>) -> Option<u8> {
    Some(match parser.token {
        Token::Word("or") => power::OR,
        Token::Word("and") => power::AND,
        Token::Symbol("=" | "!=" | "<" | "<=" | ">" | ">=") | Token::Word("between" | "in") => power::COMPARISON,
        Token::Symbol("+" | "-") => power::SUM,
        Token::Symbol("*" | "/") => power::PRODUCT,
        Token::Symbol("**") => power::POWER,
        Token::Symbol(".") => power::ACCESS,
        Token::Symbol("[") if value_ahead(parser) => power::ACCESS,
        _ => return None,
    })
}

/// Whether a value may begin behind the token at hand. If not, `[` begins no filter: it closes a range, as in `[1..5[`.
fn value_ahead(parser: &Parser<'_>) -> bool {
    match parser.lexer.clone().next() {
        Ok((Token::End | Token::Symbol(")" | "]" | "}" | "," | "=" | "!=" | "<" | "<=" | ">" | ">="), _)) => false,
        Ok((Token::Word(word), _)) => !is_keyword(word) || VALUE_KEYWORDS.contains(&word),
        // What cannot be read is reported when it is reached.
        _ => true,
    }
}

/// Reads the operator at hand and what belongs to it.
pub(super) fn infix(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    if let Some(operator) = comparison(&parser.token) {
        return parser.binary(left, operator, power::COMPARISON);
    }
    match parser.token {
        Token::Symbol("+") => parser.binary(left, Operator::Add, power::SUM),
        Token::Symbol("-") => parser.binary(left, Operator::Subtract, power::SUM),
        Token::Symbol("*") => parser.binary(left, Operator::Multiply, power::PRODUCT),
        Token::Symbol("/") => parser.binary(left, Operator::Divide, power::PRODUCT),
        Token::Symbol("**") => parser.binary(left, Operator::Power, power::POWER),
        Token::Word("and") => {
            parser.advance()?;
            Ok(ast::and(left, parser.expression(power::AND + 1)?))
        }
        Token::Word("or") => {
            parser.advance()?;
            Ok(ast::or(left, parser.expression(power::OR + 1)?))
        }
        Token::Word("between") => {
            parser.advance()?;
            let low = parser.expression(power::COMPARISON + 1)?;
            parser.expect_word("and", "between the two bounds of 'between'")?;
            let high = parser.expression(power::COMPARISON + 1)?;
            Ok(ast::chain(left, Link::Between(low, high)))
        }
        Token::Word("in") => {
            parser.advance()?;
            let tests = tests(parser)?;
            // `x in (a, b) + c` would otherwise add c to a truth value.
            if power(parser).is_some_and(|power| power > power::COMPARISON) {
                return Err(parser.unexpected("the end of the tests of 'in'"));
            }
            Ok(ast::chain(left, Link::In(tests)))
        }
        Token::Symbol(".") => {
            parser.advance()?;
            Ok(ast::access(left, Step::Member(member_name(parser)?)))
        }
        Token::Symbol("[") => {
            parser.advance()?;
            let filter = parser.expression(power::LOWEST)?;
            parser.expect("]", "to close the filter")?;
            Ok(ast::access(left, Step::Bracket(filter)))
        }
        _ => Err(parser.unexpected("an operator")),
    }
}

/// Reads what begins an expression.
pub(super) fn prefix(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let node = match &mut parser.token {
        Token::Number(number) => Node::Constant(Value::Number(number.with_type(None))),
        Token::Text(text) => Node::Constant(Value::from(std::mem::take(text))),
        Token::Quoted(name) => Node::Name((*name).into()),
        Token::Word(word) => {
            let word = *word;
            return self::word(parser, word);
        }
        Token::Symbol("-") => {
            parser.advance()?;
            return Ok(match parser.expression(power::PREFIX)? {
                Node::Constant(Value::Number(number)) => Node::Constant(Value::Number(-number)),
                operand => Node::Negate(Box::new(operand)),
            });
        }
        Token::Symbol("(") => {
            parser.advance()?;
            let inner = parser.expression(power::LOWEST)?;
            parser.expect(")", "to close the bracket")?;
            return Ok(inner);
        }
        Token::Symbol("[") => {
            parser.advance()?;
            return parser.list_until("]", "to close the list").map(Node::List);
        }
        Token::Symbol("{") => {
            parser.advance()?;
            return context(parser);
        }
        _ => return Err(parser.unexpected("a value")),
    };
    parser.advance()?;
    Ok(node)
}

/// A keyword, a function's name, or a name.
fn word(parser: &mut Parser<'_>, word: &str) -> Result<Node, ParseError> {
    if let Some((name, builtin)) = function_ahead(parser) {
        return call(parser, &name, builtin);
    }
    let constant = match word {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        "null" => Value::Null,
        "if" => return if_then_else(parser),
        "for" | "some" | "every" => return iteration(parser, word),
        "function" => {
            return Err(parser.error("functions cannot be defined here").help("only the built-in functions are known"));
        }
        _ if is_keyword(word) => return Err(parser.unexpected("a value")),
        _ => {
            let name = word.into();
            parser.advance()?;
            return Ok(Node::Name(name));
        }
    };
    parser.advance()?;
    Ok(Node::Constant(constant))
}

/// Words followed by an opening bracket are a function's name; the bracket then is the token at hand. `None` where it is no function.
fn function_ahead(parser: &mut Parser<'_>) -> Option<(String, Option<&'static Builtin>)> {
    let Token::Word(first) = parser.token else { return None };
    let mut name = first.to_owned();
    let mut ahead = parser.lexer.clone();
    for _ in 0..builtins::MOST_WORDS {
        // What cannot be read is reported when it is reached.
        let (token, offset) = ahead.next().ok()?;
        match token {
            Token::Word(word) => {
                name.push(' ');
                name.push_str(word);
            }
            Token::Symbol("(") => {
                let builtin = builtins::find(&name);
                let known = builtin.is_some() || name == IS_DEFINED;
                if !known && (name.contains(' ') || is_keyword(&name)) {
                    // `if (a)`, `x and (b)`, `return (c)`: the words belong to the expression around.
                    return None;
                }
                parser.lexer = ahead;
                parser.token = token;
                if known {
                    parser.offset = offset;
                }
                return Some((name, builtin));
            }
            _ => return None,
        }
    }
    None
}

fn call(parser: &mut Parser<'_>, name: &str, builtin: Option<&'static Builtin>) -> Result<Node, ParseError> {
    let offset = parser.offset;
    let Some(builtin) = builtin else {
        if name != IS_DEFINED {
            return Err(parser.error(format!("there is no function '{name}'")).help(builtins::suggest(name)));
        }
        parser.advance()?;
        let argument = parser.expression(power::LOWEST)?;
        parser.expect(")", "behind the one argument of is defined()")?;
        return Ok(Node::IsDefined(Box::new(argument)));
    };
    parser.advance()?;
    let arguments = parser.list_until(")", "to close the arguments")?;
    if !builtin.arity.contains(&arguments.len()) {
        let (least, most) = (builtin.arity.start(), builtin.arity.end());
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let wanted = if *most == usize::MAX { format!("{least} or more") } else { wanted };
        return Err(ParseError::new(offset, format!("{name}() takes {wanted} arguments, found {}", arguments.len())));
    }
    Ok(Node::Call(builtin, arguments))
}

fn if_then_else(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    parser.advance()?;
    let condition = parser.expression(power::LOWEST)?;
    parser.expect_word("then", "behind the condition of 'if'")?;
    let then = parser.expression(power::LOWEST)?;
    parser.expect_word("else", "behind the first branch of 'if'")?;
    let otherwise = parser.expression(power::LOWEST)?;
    Ok(Node::If(Box::new([condition, then, otherwise])))
}

fn iteration(parser: &mut Parser<'_>, keyword: &str) -> Result<Node, ParseError> {
    let (keyword, body_word) = match keyword {
        "for" => ("for", "return"),
        "some" => ("some", "satisfies"),
        _ => ("every", "satisfies"),
    };
    parser.advance()?;
    let mut bindings = Vec::new();
    loop {
        let name = member_name(parser)?;
        parser.expect_word("in", &format!("behind the name of '{keyword}'"))?;
        let low = parser.expression(power::LOWEST)?;
        let source = if parser.take("..")? { Source::Integers(low, parser.expression(power::LOWEST)?) } else { Source::Items(low) };
        bindings.push(Binding { name, source });
        if !parser.take(",")? {
            break;
        }
    }
    parser.expect_word(body_word, &format!("before the body of '{keyword}'"))?;
    let body = Box::new(parser.expression(power::LOWEST)?);
    Ok(match keyword {
        "for" => Node::For(bindings, body),
        every => Node::Quantified { every: every == "every", bindings, body },
    })
}

fn member_name(parser: &mut Parser<'_>) -> Result<Arc<str>, ParseError> {
    let name = match parser.token {
        Token::Word(name) | Token::Quoted(name) => name.into(),
        _ => return Err(parser.unexpected("a name")),
    };
    parser.advance()?;
    Ok(name)
}

/// `{name: value, "other name": value}`, behind the opening bracket.
fn context(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let mut entries: Vec<(String, Node)> = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    if parser.take("}")? {
        return Ok(Node::Context(entries));
    }
    loop {
        let offset = parser.offset;
        let name = entry_name(parser)?;
        parser.expect(":", "behind the name of an entry")?;
        if !names.insert(name.clone()) {
            return Err(ParseError::new(offset, format!("the entry '{name}' is there twice")));
        }
        let value = parser.expression(power::LOWEST)?;
        entries.push((name, value));
        if !parser.take(",")? {
            parser.expect("}", "to close the context")?;
            return Ok(Node::Context(entries));
        }
    }
}

fn entry_name(parser: &mut Parser<'_>) -> Result<String, ParseError> {
    let mut name = match &parser.token {
        Token::Text(text) => text.clone(),
        Token::Quoted(name) | Token::Word(name) => (*name).to_owned(),
        _ => return Err(parser.unexpected("the name of an entry")),
    };
    let several_words = matches!(parser.token, Token::Word(_));
    parser.advance()?;
    while let (true, Token::Word(word)) = (several_words, &parser.token) {
        name.push(' ');
        name.push_str(word);
        parser.advance()?;
    }
    Ok(name)
}

fn comparison(token: &Token<'_>) -> Option<Operator> {
    Some(match token {
        Token::Symbol("=") => Operator::Equal,
        Token::Symbol("!=") => Operator::NotEqual,
        Token::Symbol("<") => Operator::Less,
        Token::Symbol("<=") => Operator::LessOrEqual,
        Token::Symbol(">") => Operator::Greater,
        Token::Symbol(">=") => Operator::GreaterOrEqual,
        _ => return None,
    })
}

/// What stands behind `in`: one test, or several in brackets. An opening bracket may also begin an open range: `(1..5]`.
fn tests(parser: &mut Parser<'_>) -> Result<Vec<Test>, ParseError> {
    if !parser.at("(") {
        return Ok(vec![test(parser, power::COMPARISON + 1)?]);
    }
    parser.advance()?;
    let mut tests = Vec::new();
    loop {
        // Within brackets a test ends at a comma or the bracket, so any expression may be one.
        let first = test(parser, power::LOWEST)?;
        match first {
            Test::Value(low) if tests.is_empty() && parser.at("..") => {
                return Ok(vec![Test::Range(range_from(parser, low, false)?)]);
            }
            test => tests.push(test),
        }
        if !parser.take(",")? {
            parser.expect(")", "to close the tests of 'in'")?;
            break;
        }
    }
    match tests.pop() {
        // A single value in brackets may be the beginning of a longer one: `x in (xs)[1]`, `x in (a + 1) * 2`.
        Some(Test::Value(value)) if tests.is_empty() => {
            let value = parser.continued(value, power::COMPARISON + 1)?;
            Ok(vec![Test::Value(value)])
        }
        last => {
            tests.extend(last);
            Ok(tests)
        }
    }
}

/// One test; if it is a value, all operators in it bind at least as tightly as `least`.
fn test(parser: &mut Parser<'_>, least: u8) -> Result<Test, ParseError> {
    if let Some(operator) = comparison(&parser.token) {
        parser.advance()?;
        return Ok(Test::Compare(operator, parser.expression(power::COMPARISON + 1)?));
    }
    if parser.at("]") {
        parser.advance()?;
        let low = parser.expression(power::COMPARISON + 1)?;
        return range_from(parser, low, false).map(Test::Range);
    }
    if parser.at("[") || parser.at("(") {
        let open = parser.at("(");
        if let Some(range) = bracketed_range(parser, open)? {
            return Ok(Test::Range(range));
        }
    }
    Ok(Test::Value(parser.expression(least)?))
}

/// A range behind its opening bracket. If it turns out to be none, the parser is back where it was.
fn bracketed_range(parser: &mut Parser<'_>, open: bool) -> Result<Option<Range>, ParseError> {
    if !range_ahead(parser)? {
        return Ok(None);
    }
    parser.advance()?;
    let low = parser.expression(power::COMPARISON + 1)?;
    range_from(parser, low, !open).map(Some)
}

/// Whether the bracket at hand holds `..` before anything closes it or separates in it: one look ahead, without parsing anything twice.
fn range_ahead(parser: &Parser<'_>) -> Result<bool, ParseError> {
    let mut ahead = parser.lexer.clone();
    let mut depth = 0_usize;
    loop {
        match ahead.next()?.0 {
            Token::Symbol("(" | "[" | "{") => depth += 1,
            Token::Symbol(")" | "]" | "}") if depth > 0 => depth -= 1,
            Token::Symbol("..") if depth == 0 => return Ok(true),
            // What an iteration runs over is a range of its own, and an iteration reaches to the bracket's end.
            Token::Word("for" | "some" | "every") if depth == 0 => return Ok(false),
            Token::Symbol(")" | "]" | "}" | ",") if depth == 0 => return Ok(false),
            Token::End => return Ok(false),
            _ => {}
        }
    }
}

fn range_from(parser: &mut Parser<'_>, low: Node, low_included: bool) -> Result<Range, ParseError> {
    parser.expect("..", "between the ends of a range")?;
    let high = parser.expression(power::COMPARISON + 1)?;
    let high_included = parser.at("]");
    if !(high_included || parser.at(")") || parser.at("[")) {
        return Err(parser.unexpected("\"]\" or \")\" to close the range"));
    }
    parser.advance()?;
    Ok(Range { low, low_included, high, high_included })
}
