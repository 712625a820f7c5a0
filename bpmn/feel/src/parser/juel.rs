//! JUEL, Camunda 7's expression language (EL 2.1 without functions, and with the methods of `builtins/methods.rs`): templates of text and
//! `${…}` or `#{…}`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::objects::Object;
use super::{Infix, ParseError, Parser, objects, power};
use crate::Value;
use crate::ast::{self, Node, Operator, Step};
use crate::builtins::methods;
use crate::lexer::{Language, Token};

/// Words that are no names (EL 2.1, 1.14).
const KEYWORDS: &[&str] =
    &["true", "false", "null", "and", "or", "not", "eq", "ne", "lt", "gt", "le", "ge", "empty", "div", "mod", "instanceof"];

/// What a template turned out to be.
pub(crate) enum Template {
    /// Text without any expression.
    Text(String),
    /// One expression, whose value keeps its type, or several parts to be concatenated.
    Expression(Node),
}

/// Whether a text has an expression in it, or an escape that only a template undoes.
pub(crate) fn is_template(source: &str) -> bool {
    source.contains("${") || source.contains("#{")
}

/// Reads a template. A single expression with nothing but blanks around it keeps the type of its value. `object` is known to be there
/// beside `execution`.
pub(crate) fn parse_template(source: &str, object: Option<&str>) -> Result<Template, ParseError> {
    let mut parts = Vec::new();
    let (mut text, mut all_text_is_blank, mut expressions) = (String::new(), true, 0);
    let mut position = 0;
    while let Some(at) = source[position..].find(['$', '#', '\\']).map(|at| position + at) {
        text.push_str(&source[position..at]);
        let rest = &source[at..];
        if rest.starts_with("${") || rest.starts_with("#{") {
            all_text_is_blank &= text.trim().is_empty();
            if !text.is_empty() {
                parts.push(Node::Constant(Value::from(std::mem::take(&mut text))));
            }
            let (node, end) = parse_braced(source, at, object)?;
            expressions += 1;
            parts.push(node);
            position = end;
        } else {
            // `\${` is how `${` itself is written.
            let escaped = rest.starts_with("\\${") || rest.starts_with("\\#{");
            let (skipped, taken) = if escaped { (1, 2) } else { (0, 1) };
            text.push_str(&rest[skipped..skipped + taken]);
            position = at + skipped + taken;
        }
    }
    text.push_str(&source[position..]);
    all_text_is_blank &= text.trim().is_empty();
    if expressions == 0 {
        return Ok(Template::Text(text));
    }
    if !text.is_empty() {
        parts.push(Node::Constant(Value::from(text)));
    }
    if expressions == 1 && all_text_is_blank {
        let leading_text = source.starts_with(char::is_whitespace);
        return Ok(Template::Expression(parts.swap_remove(usize::from(leading_text))));
    }
    Ok(Template::Expression(Node::Template(parts)))
}

/// Reads `${…}` and says where it ends.
fn parse_braced(source: &str, at: usize, object: Option<&str>) -> Result<(Node, usize), ParseError> {
    let mut parser = Parser::new(source, at + 2, Language::Juel)?;
    parser.object = object.and_then(objects::named);
    if parser.at("}") {
        return Err(parser.error("the expression is empty"));
    }
    let node = parser.expression(power::LOWEST)?;
    if !parser.at("}") {
        return Err(match parser.token {
            Token::End => ParseError::new(at, "this expression does not end").help("close it with }"),
            _ => parser.unexpected("an operator or \"}\""),
        });
    }
    // The brace is the token at hand, so the lexer stands right behind it.
    Ok((node, parser.lexer.position()))
}

/// How tightly the token at hand binds as an operator.
pub(super) fn power(token: &Token<'_>) -> Option<u8> {
    Some(match token {
        Token::Symbol("?") => power::CONDITIONAL,
        Token::Symbol("||") | Token::Word("or") => power::OR,
        Token::Symbol("&&") | Token::Word("and") => power::AND,
        Token::Symbol("." | "[") => power::ACCESS,
        _ => binary_operator(token)?.1,
    })
}

fn binary_operator(token: &Token<'_>) -> Option<(Operator, u8)> {
    Some(match token {
        Token::Symbol("==") | Token::Word("eq") => (Operator::Equal, power::EQUALITY),
        Token::Symbol("!=") | Token::Word("ne") => (Operator::NotEqual, power::EQUALITY),
        Token::Symbol("<") | Token::Word("lt") => (Operator::Less, power::COMPARISON),
        Token::Symbol("<=") | Token::Word("le") => (Operator::LessOrEqual, power::COMPARISON),
        Token::Symbol(">") | Token::Word("gt") => (Operator::Greater, power::COMPARISON),
        Token::Symbol(">=") | Token::Word("ge") => (Operator::GreaterOrEqual, power::COMPARISON),
        Token::Symbol("+") => (Operator::Add, power::SUM),
        Token::Symbol("-") => (Operator::Subtract, power::SUM),
        Token::Symbol("*") => (Operator::Multiply, power::PRODUCT),
        Token::Symbol("/") | Token::Word("div") => (Operator::Divide, power::PRODUCT),
        Token::Symbol("%") | Token::Word("mod") => (Operator::Remainder, power::PRODUCT),
        _ => return None,
    })
}

/// The operator at hand that has an operand on its right and nothing else.
pub(super) fn operator(token: &Token<'_>) -> Option<Infix> {
    match token {
        Token::Symbol("||") | Token::Word("or") => Some(Infix::Or),
        Token::Symbol("&&") | Token::Word("and") => Some(Infix::And),
        _ => binary_operator(token).map(|(operator, _)| Infix::Binary(operator)),
    }
}

/// Reads any other operator at hand and what belongs to it.
pub(super) fn infix(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    let read = match parser.token {
        Token::Symbol("?") => condition,
        Token::Symbol(".") => member,
        Token::Symbol("[") => key,
        _ => return Err(parser.unexpected("an operator")),
    };
    read(parser, left)
}

/// `a ? b : c`. A chain of them is flat.
fn condition(parser: &mut Parser<'_>, mut condition: Node) -> Result<Node, ParseError> {
    let mut branches = Vec::new();
    while parser.take("?")? {
        let then = parser.expression(power::LOWEST)?;
        branches.push([condition, then]);
        parser.expect(":", "between the branches of a condition")?;
        condition = parser.expression(power::CONDITIONAL + 1)?;
    }
    Ok(Node::If(branches, Box::new(condition)))
}

fn key(parser: &mut Parser<'_>, base: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    let key = parser.expression(power::LOWEST)?;
    parser.expect("]", "behind the key")?;
    Ok(ast::access(base, Step::Bracket(key)))
}

/// Reads what begins an expression.
pub(super) fn prefix(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let node = match &mut parser.token {
        Token::Number(number) => Node::Constant(Value::Number(*number)),
        Token::Text(text) => Node::Constant(Value::from(std::mem::take(text))),
        Token::Symbol("-") => return operand(parser, Node::Negate),
        Token::Symbol("!") | Token::Word("not") => return operand(parser, Node::Not),
        Token::Word("empty") => return operand(parser, Node::Empty),
        Token::Symbol("(") => return bracket(parser),
        Token::Word("true") => Node::Constant(Value::Boolean(true)),
        Token::Word("false") => Node::Constant(Value::Boolean(false)),
        Token::Word("null") => Node::Constant(Value::Null),
        Token::Word(name) if !KEYWORDS.contains(name) => {
            let name = *name;
            return self::name(parser, name);
        }
        _ => return Err(parser.unexpected("a value")),
    };
    parser.advance()?;
    Ok(node)
}

fn operand(parser: &mut Parser<'_>, of: fn(Box<Node>) -> Node) -> Result<Node, ParseError> {
    parser.advance()?;
    parser.expression(power::PREFIX).map(|operand| of(Box::new(operand)))
}

fn bracket(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    parser.advance()?;
    let inner = parser.expression(power::LOWEST)?;
    parser.expect(")", "to close the bracket")?;
    Ok(inner)
}

fn name(parser: &mut Parser<'_>, name: &str) -> Result<Node, ParseError> {
    let offset = parser.offset;
    parser.advance()?;
    if parser.at("(")
        && let Some(function) = objects::function(name)
    {
        arguments(parser, name, 0..=0)?;
        return Ok(Node::Name(function.into()));
    }
    if parser.at("(") || parser.at(":") && function_behind_prefix(parser) {
        let help = format!("FEEL has built-in functions: = upper case(name). JUEL's that can be called: {}", objects::functions());
        return Err(ParseError::new(offset, format!("the function '{name}' cannot be called in an expression")).help(help));
    }
    Ok(Node::Name(name.into()))
}

/// `prefix:function(`, as opposed to the colon of a condition.
fn function_behind_prefix(parser: &Parser<'_>) -> bool {
    let mut ahead = parser.lexer.clone();
    matches!(ahead.next(), Ok((Token::Word(_), _))) && matches!(ahead.next(), Ok((Token::Symbol("("), _)))
}

/// `base.name` or `base.method(arguments)`, from the point on.
fn member(parser: &mut Parser<'_>, base: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    let offset = parser.offset;
    let Token::Word(name) = parser.token else {
        return Err(parser.unexpected("a name behind the point"));
    };
    parser.advance()?;
    match (objects::of(&base), parser.at("(")) {
        (None, false) => Ok(ast::access(base, Step::Member(name.into()))),
        (Some(object), false) => property(parser, object, base, name, offset),
        (Some(object), true) if object.answers(name) => answer(parser, object, base, name, offset),
        (object, true) => method(parser, object, base, name, offset),
    }
}

fn property(parser: &Parser<'_>, object: &'static Object, base: Node, name: &str, offset: usize) -> Result<Node, ParseError> {
    if let Some(getter) = object.getter(name) {
        return Ok(Node::Variable(object.call(getter, "").into()));
    }
    // Elsewhere variables are called `task`, too, and have what they have.
    let is_there = object.may_be_absent().is_none() || parser.object.is_some_and(|it| std::ptr::eq(it, object));
    if is_there && object.lacks(name) {
        let help = format!("what can be asked of it: {}", object.names());
        return Err(ParseError::new(offset, format!("{} has no property '{name}'", object.name)).help(help));
    }
    Ok(ast::access(base, Step::Member(name.into())))
}

/// What an object says about itself or of variables. An object that is not there says nothing, as in Camunda 7.
fn answer(parser: &mut Parser<'_>, object: &'static Object, base: Node, name: &str, offset: usize) -> Result<Node, ParseError> {
    if let Some(property) = object.property(name) {
        arguments(parser, name, 0..=0)?;
        return Ok(ast::access(base, Step::Member(property.into())));
    }
    let asked = match object.asks_for_variables(name) {
        None => variable(parser, name, offset)?,
        Some(1) => object.call(name, &variable(parser, name, offset)?).into(),
        Some(_) => {
            arguments(parser, name, 0..=0)?;
            object.call(name, "").into()
        }
    };
    Ok(match object.may_be_absent() {
        Some(object) => Node::AskedOf(object, asked),
        None => Node::Variable(asked),
    })
}

fn method(parser: &mut Parser<'_>, object: Option<&'static Object>, base: Node, name: &str, offset: usize) -> Result<Node, ParseError> {
    let Some(method) = methods::find(name) else { return Err(no_method(object, name, offset)) };
    let arity = method.arity();
    let arguments = arguments(parser, name, arity.start() - 1..=arity.end() - 1)?;
    Ok(ast::access(base, Step::Method(method, arguments)))
}

fn no_method(object: Option<&'static Object>, name: &str, offset: usize) -> ParseError {
    let help = match (object, name) {
        (Some(_), "setVariable" | "setVariableLocal") => "expressions change nothing: use an output mapping, or a delegate".to_owned(),
        (Some(object), _) => format!("what can be asked of it: {}", object.names()),
        (None, _) => format!(
            "let a delegate do the work and read its result, or use FEEL's functions, as in = count(items). Methods that can be called: {}",
            methods::names()
        ),
    };
    ParseError::new(offset, format!("the method '{name}' cannot be called in an expression")).help(help)
}

/// Reads the one argument of a method that asks for a variable.
fn variable(parser: &mut Parser<'_>, method: &str, offset: usize) -> Result<Arc<str>, ParseError> {
    match arguments(parser, method, 1..=1)?.as_slice() {
        [Node::Constant(Value::String(variable))] => Ok(Arc::clone(variable)),
        _ => Err(ParseError::new(offset, format!("{method}() takes the name of a variable as a fixed text"))
            .help("write the name: ${execution.getVariable('x')}, or ${x}")),
    }
}

/// Reads the arguments of a method, brackets included.
fn arguments(parser: &mut Parser<'_>, name: &str, arity: RangeInclusive<usize>) -> Result<Vec<Node>, ParseError> {
    let offset = parser.offset;
    parser.advance()?;
    let arguments = parser.bracketed(up_to_bracket)?;
    parser.advance()?;
    if arity.contains(&arguments.len()) { Ok(arguments) } else { Err(wrong_number(name, &arity, arguments.len(), offset)) }
}

fn up_to_bracket(parser: &mut Parser<'_>) -> Result<Vec<Node>, ParseError> {
    let mut arguments = Vec::new();
    while !parser.at(")") {
        if !arguments.is_empty() {
            parser.expect(",", "between the arguments of a method")?;
        }
        arguments.push(parser.expression(power::LOWEST)?);
    }
    Ok(arguments)
}

fn wrong_number(name: &str, arity: &RangeInclusive<usize>, found: usize, offset: usize) -> ParseError {
    let (least, most) = (arity.start(), arity.end());
    let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
    ParseError::new(offset, format!("{name}() takes {wanted} arguments, not {found}"))
}
