//! Calls of FEEL's functions: arguments by position or by name (DMN 1.5, grammar rules 38 to 42).

use super::feel::is_keyword;
use super::{ParseError, Parser, power};
use crate::Value;
use crate::ast::{self, Node, Step};
use crate::builtins::{self, Builtin, temporal};
use crate::lexer::Token;

/// The function that is syntax, because it must see the name and not its value.
const IS_DEFINED: &str = "is defined";

/// Words followed by an opening bracket are a function's name; the bracket then is the token at hand. `None` where it is no function.
pub(super) fn function_ahead(parser: &mut Parser<'_>) -> Option<String> {
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
                let known = builtins::find(&name).is_some() || builtins::instead_of(&name).is_some() || name == IS_DEFINED;
                if !known && (name.contains(' ') || is_keyword(&name)) {
                    // `if (a)`, `x and (b)`, `return (c)`: the words belong to the expression around.
                    return None;
                }
                parser.lexer = ahead;
                parser.token = token;
                if known {
                    parser.offset = offset;
                }
                return Some(name);
            }
            _ => return None,
        }
    }
    None
}

/// Reads the arguments of a function, from the bracket on.
pub(super) fn call(parser: &mut Parser<'_>, name: &str) -> Result<Node, ParseError> {
    match builtins::find(name) {
        Some(builtin) => built_in(parser, builtin),
        None if name == IS_DEFINED => is_defined(parser),
        None if parser.bound.iter().any(|bound| **bound == *name) => invoke(parser, Node::Name(name.into())),
        None => Err(no_function(parser, name)),
    }
}

fn is_defined(parser: &mut Parser<'_>) -> Result<Node, ParseError> {
    parser.advance()?;
    let refusals = parser.refusals.len();
    let argument = parser.expression(power::LOWEST)?;
    parser.refusals.truncate(refusals);
    parser.expect(")", "behind the one argument of is defined()")?;
    Ok(Node::IsDefined(Box::new(argument)))
}

fn no_function(parser: &Parser<'_>, name: &str) -> ParseError {
    match builtins::instead_of(name) {
        Some(instead) => parser.error(format!("{name}() would give something else each time its unit of work runs again")).help(instead),
        None if parser.defined.iter().any(|defined| **defined == *name) => {
            parser.error(format!("the function '{name}' does not know its own name")).help(
                "give it to itself as an argument, as in {f: function(self, n) if n = 0 then 0 else n + self(self, n - 1), sum: f(f, 3)}",
            )
        }
        None => parser.error(format!("there is no function '{name}'")).help(builtins::suggest(name)),
    }
}

fn built_in(parser: &mut Parser<'_>, builtin: &'static Builtin) -> Result<Node, ParseError> {
    let offset = parser.offset;
    parser.advance()?;
    let refusals = parser.refusals.len();
    let arguments = arguments(parser, builtin, offset)?;
    if builtin.name == "get or else" {
        parser.refusals.truncate(refusals);
    }
    checked(parser, builtin, arguments, offset)
}

/// Refuses what is wrong whenever it is evaluated.
fn checked(parser: &mut Parser<'_>, builtin: &'static Builtin, mut arguments: Vec<Node>, offset: usize) -> Result<Node, ParseError> {
    if temporal::OF_THE_MOMENT.contains(&builtin.name) {
        arguments.push(Node::Name(temporal::MOMENT.into()));
    }
    // Causes are shown in incidents, to people who may not see the values of variables.
    if let ("assert", Some(cause)) = (builtin.name, arguments.get(2))
        && !matches!(cause, Node::Constant(Value::String(_) | Value::Null))
    {
        let help = "write the text itself; values of variables are not shown in incidents";
        return Err(ParseError::new(offset, "the cause of assert() must be a fixed text").help(help));
    }
    if let Some(reason) = builtin.always_null(&arguments, &parser.patterns) {
        parser.refusals.push(ParseError::new(offset, reason).help("this would be null whenever it is evaluated: correct the text"));
    }
    Ok(Node::Call(builtin, arguments))
}

fn arguments(parser: &mut Parser<'_>, builtin: &'static Builtin, offset: usize) -> Result<Vec<Node>, ParseError> {
    if parameter_ahead(parser).is_some() {
        return named_arguments(parser, builtin, offset);
    }
    let arguments = parser.list_until(")", "to close the arguments")?;
    if builtin.takes(arguments.len()) { Ok(arguments) } else { Err(wrong_number(builtin, arguments.len(), offset)) }
}

fn wrong_number(builtin: &'static Builtin, found: usize, offset: usize) -> ParseError {
    let arity = builtin.arity();
    let (least, most) = (arity.start(), arity.end());
    let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
    let wanted = if *most == usize::MAX { format!("{least} or more") } else { wanted };
    ParseError::new(offset, format!("{}() takes {wanted} arguments, found {found}", builtin.name)).help(builtin.usage())
}

/// Reads the arguments of a function that is a value, from the bracket on.
pub(super) fn invoke(parser: &mut Parser<'_>, function: Node) -> Result<Node, ParseError> {
    parser.advance()?;
    let (names, arguments) = if parameter_ahead(parser).is_some() {
        by_name(parser)?.into_iter().unzip()
    } else {
        (Vec::new(), parser.list_until(")", "to close the arguments")?)
    };
    Ok(ast::access(function, Step::Invoke(names, arguments)))
}

fn named_arguments(parser: &mut Parser<'_>, builtin: &'static Builtin, offset: usize) -> Result<Vec<Node>, ParseError> {
    let Some(arguments) = builtin.in_order(by_name(parser)?) else {
        let message = format!("{}() has no such parameters, or lacks one", builtin.name);
        return Err(ParseError::new(offset, message).help(builtin.usage()));
    };
    Ok(arguments.into_iter().map(|argument| argument.unwrap_or(Node::Constant(Value::Null))).collect())
}

/// Arguments behind the names of their parameters, up to the closing bracket.
fn by_name(parser: &mut Parser<'_>) -> Result<Vec<(String, Node)>, ParseError> {
    let mut named = Vec::new();
    loop {
        let Some((name, words)) = parameter_ahead(parser) else {
            return Err(parser.unexpected("the name of a parameter and a colon, as before the argument before it"));
        };
        for _ in 0..=words {
            parser.advance()?;
        }
        named.push((name, parser.expression(power::LOWEST)?));
        if !parser.take(",")? {
            parser.expect(")", "to close the arguments")?;
            return Ok(named);
        }
    }
}

/// The name of a parameter, if the words at hand are followed by a colon, and how many they are.
fn parameter_ahead(parser: &Parser<'_>) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut ahead = parser.lexer.clone();
    let mut token = parser.token.clone();
    for words in 0..=builtins::MOST_WORDS {
        match token {
            Token::Symbol(":") if words > 0 => return Some((name, words)),
            Token::Word(word) => {
                if words > 0 {
                    name.push(' ');
                }
                name.push_str(word);
            }
            _ => return None,
        }
        token = ahead.next().ok()?.0;
    }
    None
}
