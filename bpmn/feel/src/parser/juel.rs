//! JUEL, Camunda 7's expression language (EL 2.1 without functions, and with the methods of `builtins/methods.rs`): templates of text and `${…}` or
//! `#{…}`.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::{ParseError, Parser, objects, power};
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

/// Reads a template. A single expression with nothing but blanks around it keeps the type of its value.
pub(crate) fn parse_template(source: &str) -> Result<Template, ParseError> {
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
            let (node, end) = parse_braced(source, at)?;
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
fn parse_braced(source: &str, at: usize) -> Result<(Node, usize), ParseError> {
    let mut parser = Parser::new(source, at + 2, Language::Juel)?;
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

/// Reads the operator at hand and what belongs to it.
pub(super) fn infix(parser: &mut Parser<'_>, left: Node) -> Result<Node, ParseError> {
    if let Some((operator, power)) = binary_operator(&parser.token) {
        return parser.binary(left, operator, power);
    }
    match parser.token {
        Token::Symbol("||") | Token::Word("or") => {
            parser.advance()?;
            Ok(ast::or(left, parser.expression(power::OR + 1)?))
        }
        Token::Symbol("&&") | Token::Word("and") => {
            parser.advance()?;
            Ok(ast::and(left, parser.expression(power::AND + 1)?))
        }
        Token::Symbol("?") => {
            parser.advance()?;
            let then = parser.expression(power::LOWEST)?;
            parser.expect(":", "between the branches of a condition")?;
            let otherwise = parser.expression(power::CONDITIONAL)?;
            Ok(Node::If(Box::new([left, then, otherwise])))
        }
        Token::Symbol(".") => {
            parser.advance()?;
            member(parser, left)
        }
        Token::Symbol("[") => {
            parser.advance()?;
            let key = parser.expression(power::LOWEST)?;
            parser.expect("]", "behind the key")?;
            Ok(ast::access(left, Step::Bracket(key)))
        }
        _ => Err(parser.unexpected("an operator")),
    }
}

/// Reads what begins an expression.
pub(super) fn prefix(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    let node = match &mut parser.token {
        Token::Number(number) => Node::Constant(Value::Number(*number)),
        Token::Text(text) => Node::Constant(Value::from(std::mem::take(text))),
        Token::Symbol("-") => {
            parser.advance()?;
            return Ok(Node::Negate(Box::new(parser.expression(power::PREFIX)?)));
        }
        Token::Symbol("!") | Token::Word("not") => {
            parser.advance()?;
            return Ok(Node::Not(Box::new(parser.expression(power::PREFIX)?)));
        }
        Token::Word("empty") => {
            parser.advance()?;
            return Ok(Node::Empty(Box::new(parser.expression(power::PREFIX)?)));
        }
        Token::Symbol("(") => {
            parser.advance()?;
            let inner = parser.expression(power::LOWEST)?;
            parser.expect(")", "to close the bracket")?;
            return Ok(inner);
        }
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

fn member(parser: &mut Parser<'_>, base: Node) -> Result<Node, ParseError> {
    let offset = parser.offset;
    let Token::Word(name) = parser.token else {
        return Err(parser.unexpected("a name behind the point"));
    };
    parser.advance()?;
    if !parser.at("(") {
        if let Some((object, getter)) = objects::of(&base).and_then(|object| Some((object, object.getter(name)?))) {
            return Ok(Node::Variable(object.call(getter, "").into()));
        }
        if let Some(object) = objects::of(&base).filter(|object| object.lacks(name)) {
            let help = format!("what can be asked of it: {}", object.names());
            return Err(ParseError::new(offset, format!("execution has no property '{name}'")).help(help));
        }
        return Ok(ast::access(base, Step::Member(name.into())));
    }
    let object = objects::of(&base);
    if let Some(property) = object.and_then(|object| object.property(name)) {
        arguments(parser, name, 0..=0)?;
        return Ok(ast::access(base, Step::Member(property.into())));
    }
    if object.is_some_and(|object| object.has_variables) && name == "getVariable" {
        let variable = variable(parser, name, offset)?;
        return Ok(asked(object, variable));
    }
    if let Some((object, names)) = object.and_then(|object| Some((object, object.asks_for_variables(name)?))) {
        let asked: Arc<str> = if names == 1 {
            variable(parser, name, offset)?
        } else {
            arguments(parser, name, 0..=0)?;
            "".into()
        };
        return Ok(self::asked(Some(object), object.call(name, &asked).into()));
    }
    if let Some(method) = methods::find(name) {
        let arity = method.arity();
        let arity = arity.start() - 1..=arity.end() - 1;
        let arguments = arguments(parser, name, arity)?;
        return Ok(ast::access(base, Step::Method(method, arguments)));
    }
    let known;
    let help = match (object, name) {
        (Some(_), "setVariable" | "setVariableLocal") => "expressions change nothing: use an output mapping, or a delegate",
        (Some(object), _) => {
            known = format!("what can be asked of it: {}", object.names());
            &known
        }
        (None, _) => {
            known = format!(
                "let a delegate do the work and read its result, or use FEEL's functions, as in = count(items). Methods that can be called: {}",
                methods::names()
            );
            &known
        }
    };
    Err(ParseError::new(offset, format!("the method '{name}' cannot be called in an expression")).help(help))
}

/// What an object says of variables. An object that is not there says nothing, as in Camunda 7.
fn asked(object: Option<&'static objects::Object>, name: Arc<str>) -> Node {
    match object.and_then(objects::Object::name) {
        Some(object) => Node::AskedOf(object, name),
        None => Node::Variable(name),
    }
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
    let mut arguments = Vec::new();
    while !parser.at(")") {
        if !arguments.is_empty() {
            parser.expect(",", "between the arguments of a method")?;
        }
        arguments.push(parser.expression(power::LOWEST)?);
    }
    parser.advance()?;
    if !arity.contains(&arguments.len()) {
        let (least, most) = (arity.start(), arity.end());
        let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
        let message = format!("{name}() takes {wanted} arguments, not {}", arguments.len());
        return Err(ParseError::new(offset, message));
    }
    Ok(arguments)
}
