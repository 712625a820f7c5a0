//! FEEL (DMN 1.5, chapter 10.3). Names with blanks need backticks, so that reading does not depend on the variables in scope;
//! the names of built-in functions (`starts with`) are known and need none.

use std::sync::Arc;

use super::{Infix, ParseError, Parser, PatternRoom, calls, power};
use crate::Value;
use crate::ast::{self, Binding, Function, Link, Node, Operator, Parameter, Range, Source, Step, Test};
use crate::eval::ANY;
use crate::lexer::{Language, Token};
use crate::temporal::Temporal;

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

/// Types that `instance of` asks for (DMN 1.5, 10.3.2.9), those of more words before their own beginnings.
const TYPES: &[&str] = &[
    "years and months duration",
    "days and time duration",
    "date and time",
    "number",
    "string",
    "boolean",
    "date",
    "time",
    "list",
    "context",
    "range",
    ANY,
];

/// Keywords with which a value begins.
const VALUE_KEYWORDS: &[&str] = &["true", "false", "null", "if", "for", "some", "every"];

pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Reads a whole source from `position` on.
pub(crate) fn parse(source: &str, position: usize, room: &PatternRoom) -> Result<Node, ParseError> {
    let mut parser = Parser::new(source, position, Language::Feel)?;
    let node = room.lend(&mut parser, all)?;
    parser.refusals.into_iter().next().map_or(Ok(node), Err)
}

fn all(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    if parser.token == Token::End {
        return Err(parser.error("the expression is empty"));
    }
    let node = parser.expression(power::LOWEST)?;
    if parser.token != Token::End {
        return Err(parser.unexpected("an operator or the end"));
    }
    Ok(node)
}

/// How tightly the token at hand binds as an operator.
pub(super) fn power(parser: &Parser<'_>) -> Option<u8> {
    Some(match parser.token {
        Token::Word("or") => power::OR,
        Token::Word("and") => power::AND,
        Token::Symbol("=" | "!=" | "<" | "<=" | ">" | ">=") | Token::Word("between" | "in" | "instance") => power::COMPARISON,
        Token::Symbol("+" | "-") => power::SUM,
        Token::Symbol("*" | "/") => power::PRODUCT,
        Token::Symbol("**") => power::POWER,
        Token::Symbol(".") => power::ACCESS,
        Token::Symbol("[") if value_ahead(parser) => power::ACCESS,
        _ => return None,
    })
}

/// How tightly the token at hand binds as the beginning of arguments, if what stands before it may be a function: no variable is one.
pub(super) fn invocation(parser: &Parser<'_>, left: &Node) -> Option<u8> {
    if !parser.at("(") {
        return None;
    }
    let is_bound = |name: &Arc<str>| parser.bound.contains(name) || **name == *"item";
    let may_be = match left {
        Node::Name(name) => is_bound(name),
        Node::Access(base, _) => {
            if let Node::Name(name) = &**base {
                is_bound(name)
            } else {
                true
            }
        }
        Node::Function(_) | Node::If(..) | Node::Call(..) => true,
        _ => false,
    };
    may_be.then_some(power::ACCESS)
}

/// Whether a value may begin behind the token at hand. If not, `[` begins no filter: it closes a range, as in `[1..5[`.
fn value_ahead(parser: &Parser<'_>) -> bool {
    match parser.lexer.clone().next() {
        Ok((Token::End | Token::Symbol(")" | "]" | "}" | "," | "." | "=" | "!=" | "<" | "<=" | ">" | ">="), _)) => false,
        Ok((Token::Word(word), _)) => !is_keyword(word) || VALUE_KEYWORDS.contains(&word),
        // What cannot be read is reported when it is reached.
        _ => true,
    }
}

/// The operator at hand that has an operand on its right and nothing else.
pub(super) fn operator(token: &Token<'_>) -> Option<Infix> {
    Some(match token {
        Token::Symbol("+") => Infix::Binary(Operator::Add),
        Token::Symbol("-") => Infix::Binary(Operator::Subtract),
        Token::Symbol("*") => Infix::Binary(Operator::Multiply),
        Token::Symbol("/") => Infix::Binary(Operator::Divide),
        Token::Symbol("**") => Infix::Binary(Operator::Power),
        Token::Word("and") => Infix::And,
        Token::Word("or") => Infix::Or,
        _ => return comparison(token).map(Infix::Binary),
    })
}

/// Reads any other operator at hand and what belongs to it.
pub(super) fn infix(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    let read = match parser.token {
        Token::Word("between") => between,
        Token::Word("instance") => instance_of,
        Token::Word("in") => membership,
        Token::Symbol(".") => member,
        Token::Symbol("[") => filter,
        Token::Symbol("(") => calls::invoke,
        _ => return Err(parser.unexpected("an operator")),
    };
    read(parser, left)
}

fn between(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    let low = parser.expression(power::COMPARISON + 1)?;
    parser.expect_word("and", "between the two bounds of 'between'")?;
    let high = parser.expression(power::COMPARISON + 1)?;
    Ok(ast::chain(left, Link::Between(low, high)))
}

fn instance_of(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    parser.expect_word("of", "behind 'instance'")?;
    Ok(ast::chain(left, Link::InstanceOf(type_name(parser)?)))
}

fn membership(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    let tests = tests(parser)?;
    // `x in (a, b) + c` would otherwise add c to a truth value.
    if power(parser).is_some_and(|power| power > power::COMPARISON) {
        return Err(parser.unexpected("the end of the tests of 'in'"));
    }
    Ok(ast::chain(left, Link::In(tests)))
}

fn member(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    Ok(ast::access(left, Step::Member(property(parser)?)))
}

fn filter(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    let filter = parser.expression(power::LOWEST)?;
    parser.expect("]", "to close the filter")?;
    Ok(ast::access(left, Step::Bracket(filter)))
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
        Token::Symbol(sign) => {
            let sign = *sign;
            return opened(parser, sign);
        }
        Token::End => return Err(parser.unexpected("a value")),
    };
    parser.advance()?;
    Ok(node)
}

/// What begins with a sign. Each in a function of its own: expressions nest, and a frame of the stack has room for all that its function
/// could do.
fn opened(parser: &mut Parser<'_>, sign: &str) -> Result<Node, ParseError> {
    let read = match sign {
        "-" => negated,
        "(" => bracket,
        "[" => list_or_range,
        "]" => open_range,
        "{" => context,
        "@" => temporal,
        _ => return Err(parser.unexpected("a value")),
    };
    parser.advance()?;
    read(parser)
}

fn negated(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    Ok(match parser.expression(power::PREFIX)? {
        Node::Constant(Value::Number(number)) => Node::Constant(Value::Number(-number)),
        operand => Node::Negate(Box::new(operand)),
    })
}

/// `(a)`, or `(low..high]`.
fn bracket(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let inner = parser.expression(power::LOWEST)?;
    if parser.at("..") {
        return range_from(parser, inner, false);
    }
    parser.expect(")", "to close the bracket")?;
    Ok(inner)
}

/// `]low..high]`.
fn open_range(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let low = parser.expression(power::COMPARISON + 1)?;
    range_from(parser, low, false)
}

/// `@"2026-11-20"`, behind the sign.
fn temporal(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let Token::Text(text) = &parser.token else {
        return Err(parser.unexpected("a text behind @, such as @\"2026-11-20\""));
    };
    let Some(temporal) = Temporal::read(text) else {
        let help = "write for example @\"2026-11-20\", @\"10:30:00\", @\"2026-11-20T10:30:00@Europe/Berlin\", @\"PT5M\" or @\"P1Y\"";
        return Err(parser.error("the text is no date, time or duration").help(help));
    };
    parser.advance()?;
    Ok(Node::Constant(temporal.into()))
}

/// A keyword, a function's name, or a name.
fn word(parser: &mut Parser<'_>, word: &str) -> Result<Node, ParseError> {
    if let Some(name) = calls::function_ahead(parser) {
        return calls::call(parser, &name);
    }
    let constant = match word {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        "null" => Value::Null,
        "if" => return if_then_else(parser),
        "for" | "some" | "every" => return iteration(parser, word),
        "function" => return function(parser),
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

/// `if a then b else c`. A chain of `else if` is flat.
fn if_then_else(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let mut branches = Vec::new();
    while parser.at_word("if") {
        branches.push(branch(parser)?);
    }
    Ok(Node::If(branches, Box::new(parser.expression(power::LOWEST)?)))
}

/// `if a then b else`.
fn branch(parser: &mut Parser<'_>) -> Result<[Node; 2], ParseError> {
    parser.advance()?;
    let condition = parser.expression(power::LOWEST)?;
    parser.expect_word("then", "behind the condition of 'if'")?;
    let then = parser.expression(power::LOWEST)?;
    parser.expect_word("else", "behind the first branch of 'if'")?;
    Ok([condition, then])
}

fn iteration(parser: &mut Parser<'_>, keyword: &str) -> Result<Node, ParseError> {
    let (keyword, body_word) = match keyword {
        "for" => ("for", "return"),
        "some" => ("some", "satisfies"),
        _ => ("every", "satisfies"),
    };
    let around = parser.bound.len();
    let mut bindings = Vec::new();
    // The keyword, and commas.
    while bindings.is_empty() || parser.at(",") {
        parser.advance()?;
        bindings.push(binding(parser, keyword)?);
    }
    if !parser.at_word(body_word) {
        return Err(parser.unexpected(&format!("'{body_word}' before the body of '{keyword}'")));
    }
    let body = body(parser, around)?;
    Ok(match keyword {
        "for" => Node::For(bindings, body),
        every => Node::Quantified { every: every == "every", bindings, body },
    })
}

fn binding(parser: &mut Parser<'_>, keyword: &str) -> Result<Binding, ParseError> {
    let name = member_name(parser)?;
    if !parser.at_word("in") {
        return Err(parser.unexpected(&format!("'in' behind the name of '{keyword}'")));
    }
    parser.advance()?;
    let source = parser.bracketed(source)?;
    parser.bound.push(Arc::clone(&name));
    Ok(Binding { name, source })
}

fn source(parser: &mut Parser<'_>) -> Result<Source, ParseError> {
    let low = parser.expression(power::LOWEST)?;
    Ok(if parser.take("..")? { Source::Integers(low, parser.expression(power::LOWEST)?) } else { Source::Items(low) })
}

/// What stands behind the token at hand and sees the names that have been bound; around it so many are.
fn body(parser: &mut Parser<'_>, around: usize) -> Result<Box<Node>, ParseError> {
    parser.advance()?;
    let body = parser.expression(power::LOWEST)?;
    parser.bound.truncate(around);
    Ok(Box::new(body))
}

/// `function(x, y: number) body` (DMN 1.5, grammar rule 55).
fn function(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let around = parser.bound.len();
    let parameters = parameters(parser)?;
    parser.bound.extend(parameters.iter().map(|parameter| Arc::clone(&parameter.name)));
    let body = body(parser, around)?;
    Ok(Node::Function(Arc::new(Function { parameters, body: *body })))
}

/// More are a mistake, and each call looks for each of them.
const MAX_PARAMETERS: usize = 64;

/// Up to the closing bracket, which is the token at hand then.
fn parameters(parser: &mut Parser<'_>) -> Result<Vec<Parameter>, ParseError> {
    parser.advance()?;
    parser.expect("(", "before the parameters of the function")?;
    let mut parameters: Vec<Parameter> = Vec::new();
    while !parser.at(")") {
        if !parameters.is_empty() {
            parser.expect(",", "between the parameters of the function")?;
        }
        let offset = parser.offset;
        if parameters.len() == MAX_PARAMETERS {
            let message = format!("a function has more than {MAX_PARAMETERS} parameters");
            return Err(ParseError::new(offset, message).help("give it a context with what it needs"));
        }
        let name = member_name(parser)?;
        if parameters.iter().any(|parameter| parameter.name == name) {
            return Err(ParseError::new(offset, format!("the parameter '{name}' is there twice")));
        }
        let kind = if parser.take(":")? { type_name(parser)? } else { ANY };
        parameters.push(Parameter { name, kind });
    }
    Ok(parameters)
}

/// The name of an entry. The properties of two words are known and need no backticks.
fn property(parser: &mut Parser<'_>) -> Result<Arc<str>, ParseError> {
    let name = member_name(parser)?;
    if let ("time", Token::Word(second @ "offset")) | ("start" | "end", Token::Word(second @ "included")) = (&*name, &parser.token) {
        let both = format!("{name} {second}");
        parser.advance()?;
        return Ok(both.into());
    }
    Ok(name)
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
    let around = parser.bound.len();
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
        parser.defined.push(name.as_str().into());
        let value = parser.expression(power::LOWEST)?;
        parser.bound.extend(parser.defined.pop());
        entries.push((name, value));
        if !parser.take(",")? {
            parser.expect("}", "to close the context")?;
            parser.bound.truncate(around);
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

/// The type behind `instance of`.
fn type_name(parser: &mut Parser<'_>) -> Result<&'static str, ParseError> {
    let is_ahead = |name: &&&str| {
        let mut ahead = parser.lexer.clone();
        let mut token = parser.token.clone();
        name.split(' ').all(|word| {
            let found = matches!(token, Token::Word(written) if written == word);
            token = ahead.next().map_or(Token::End, |(token, _)| token);
            found
        })
    };
    let Some(name) = TYPES.iter().find(is_ahead) else {
        return Err(parser.unexpected("a type").help(format!("known are: {}", TYPES.join(", "))));
    };
    for _ in name.split(' ') {
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
    let tests = parser.bracketed(in_brackets)?;
    if parser.at("..") { open_low(parser, tests) } else { closed(parser, tests) }
}

/// Within brackets a test ends at a comma or the bracket, so any expression may be one. The first may be the beginning of a range.
fn in_brackets(parser: &mut Parser<'_>) -> Result<Vec<Test>, ParseError> {
    let mut tests = vec![test(parser, power::LOWEST)?];
    while parser.take(",")? {
        tests.push(test(parser, power::LOWEST)?);
    }
    Ok(tests)
}

/// `(low..high]`, from the points on.
fn open_low(parser: &mut Parser<'_>, mut tests: Vec<Test>) -> Result<Vec<Test>, ParseError> {
    let low = match (tests.pop(), tests.is_empty()) {
        (Some(Test::Value(low)), true) => low,
        (Some(Test::Range(low)), true) => Node::Range(Box::new(low)),
        _ => return Err(parser.unexpected("\")\" to close the tests of 'in'")),
    };
    Ok(vec![as_test(range_from(parser, low, false)?)])
}

/// The end of tests in brackets.
fn closed(parser: &mut Parser<'_>, mut tests: Vec<Test>) -> Result<Vec<Test>, ParseError> {
    parser.expect(")", "to close the tests of 'in'")?;
    match tests.pop() {
        // A single value in brackets may be the beginning of a longer one: `x in (xs)[1]`, `x in (a + 1) * 2`, `x in ([1..3]).start`.
        Some(Test::Value(value)) if tests.is_empty() => go_on(parser, value),
        Some(Test::Range(range)) if tests.is_empty() => go_on(parser, Node::Range(Box::new(range))),
        last => {
            tests.extend(last);
            Ok(tests)
        }
    }
}

fn go_on(parser: &mut Parser<'_>, value: Node) -> Result<Vec<Test>, ParseError> {
    let refusals = parser.refusals.len();
    Ok(vec![as_test(parser.continued(value, refusals, power::COMPARISON + 1)?)])
}

/// One test; if it is a value, all operators in it bind at least as tightly as `least`.
fn test(parser: &mut Parser<'_>, least: u8) -> Result<Test, ParseError> {
    if let Some(operator) = comparison(&parser.token) {
        parser.advance()?;
        return Ok(Test::Compare(operator, parser.expression(power::COMPARISON + 1)?));
    }
    parser.expression(least).map(as_test)
}

fn as_test(node: Node) -> Test {
    if let Node::Range(range) = node { Test::Range(*range) } else { Test::Value(node) }
}

/// `[a, b]`, or `[low..high]`, behind the opening bracket.
fn list_or_range(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    if parser.take("]")? {
        return Ok(Node::List(Vec::new()));
    }
    let first = parser.expression(power::LOWEST)?;
    if parser.at("..") {
        return range_from(parser, first, true);
    }
    let mut items = vec![first];
    while parser.take(",")? {
        items.push(parser.expression(power::LOWEST)?);
    }
    parser.expect("]", "to close the list")?;
    Ok(Node::List(items))
}

/// A range from its two points on.
fn range_from(parser: &mut Parser<'_>, low: Node, low_included: bool) -> Result<Node, ParseError> {
    parser.expect("..", "between the ends of a range")?;
    let high = parser.expression(power::COMPARISON + 1)?;
    let high_included = parser.at("]");
    if !(high_included || parser.at(")") || parser.at("[")) {
        return Err(parser.unexpected("\"]\" or \")\" to close the range"));
    }
    parser.advance()?;
    Ok(Node::Range(Box::new(Range { low, low_included, high, high_included })))
}
