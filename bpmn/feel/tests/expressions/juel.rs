//! JUEL, as tables: template, variables, value.

use crate::common::{check, run};
use mandate_feel::{Error, Expression, PatternRoom, Value};

const SCOPE: &str = r#"{"amount": 150, "limit": "100", "name": "Ada", "none": null, "yes": true, "blank": "",
    "order": {"id": 17, "lines": [{"sku": "x"}, {"sku": "y"}], "a-b": 1}, "key": "id", "half": 0.5, "xs": [], "1st": 1,
    "execution": {"processBusinessKey": "B-1"}, "execution.hasVariable(amount)": true, "task.hasVariableLocal(amount)": false,
    "execution.getVariables()": {"amount": 150}, "execution.getVariableNamesLocal()": [], "now()": "2024-01-31T23:30:00.000+0000", "task": {"assignee": "ann"}, "currentUser()": null, "empty_": 3, "a$b": 4}"#;

#[test]
fn execution_is_asked_only_for_what_it_has() {
    let error = Expression::parse("${execution.noSuchThing}").expect_err("it has no such property");
    assert_eq!((error.message.as_str(), error.offset), ("execution has no property 'noSuchThing'", 12));
    assert!(
        error
            .help
            .is_some_and(|help| help.contains("currentActivityId") && help.contains("getVariable('x')") && help.contains("hasVariables()"))
    );
    assert!(Expression::parse("${execution.currentActivityId}").is_ok());
    assert!(Expression::parse("${task.ofAVariable}").is_ok());
}

#[test]
fn a_task_is_asked_only_for_what_it_has_where_it_is_known_to_be_one() {
    let room = PatternRoom::new(1);
    let read = |source: &str, object: Option<&str>| {
        Expression::parse_where(source, &room, object).map_err(|error| (error.message, error.offset, error.help.unwrap_or_default()))
    };
    for (object, property) in [("task", "taskDefinitionKey"), ("externalTask", "errorMessage")] {
        let source = format!("${{amount}} ${{{object}.noSuchThing}}");
        let (message, offset, help) = read(&source, Some(object)).expect_err("it has no such property");
        assert_eq!((message, offset), (format!("{object} has no property 'noSuchThing'"), 13 + object.len()));
        assert!(help.contains(property), "{help}");
        assert!(read(&source, None).is_ok(), "a variable may have it");
        for good in [format!("${{{object}.{property}}}"), format!("= {object}.noSuchThing"), format!("{object}.noSuchThing")] {
            assert!(read(&good, Some(object)).is_ok(), "{good}");
        }
    }
    assert!(read("${task.noSuchThing}", Some("externalTask")).is_ok(), "a variable may be called so");
    assert!(read("${execution.noSuchThing}", Some("task")).is_err() && read("${order.noSuchThing}", Some("task")).is_ok());
}

fn table(rows: &[(&str, &str)]) {
    for (source, expect) in rows {
        check(source, SCOPE, expect);
    }
}

#[test]
fn text_and_templates() {
    table(&[
        ("plain text", "\"plain text\""),
        (" kept ", "\" kept \""),
        ("", "\"\""),
        ("${amount}", "150"),
        ("#{amount}", "150"),
        ("  ${amount}\n", "150"),
        ("${' '}", "\" \""),
        (" ${' '} ", "\" \""),
        ("order-${order.id}", "\"order-17\""),
        ("${amount}${amount}", "\"150150\""),
        ("${amount} ${name}!", "\"150 Ada!\""),
        ("a${none}b", "\"ab\""),
        ("${order.lines}.", "\"[{\\\"sku\\\":\\\"x\\\"},{\\\"sku\\\":\\\"y\\\"}].\""),
        ("x${1/3}", "\"x0.3333333333333333\""),
        ("costs 5$ or # or \\ ${amount}", "\"costs 5$ or # or \\\\ 150\""),
        ("\\${amount}", "\"${amount}\""),
        ("\\#{a} ${amount}", "\"#{a} 150\""),
        ("${'}'}", "\"}\""),
        ("${\"it's\"}${'a\\'b'}", "\"it'sa'b\""),
    ]);
    for (source, literal) in [("text", Some("text")), ("\\${x}", Some("${x}")), ("${x}", None), ("= 1", None), ("${'x'}", None)] {
        assert_eq!(Expression::parse(source).expect(source).as_literal(), literal, "{source}");
    }
    assert_eq!(Expression::literal("= ${x").as_literal(), Some("= ${x"));
}

#[test]
fn comparison_and_logic() {
    table(&[
        ("${amount > 100 && !empty name}", "true"),
        ("${amount gt 100 and not empty name}", "true"),
        ("${amount <= 100 || yes}", "true"),
        ("${amount le 100 or yes}", "true"),
        ("${amount == 150.0}", "true"),
        ("${amount eq '150'}", "true"),
        ("${amount ne 150}", "false"),
        ("${amount != 150}", "false"),
        ("${amount >= limit}", "true"),
        ("${name < 'B'}", "true"),
        ("${name == 'Ada'}", "true"),
        ("${'10' < '9'}", "true"),
        ("${yes == 'true'}", "true"),
        ("${yes == true}", "true"),
        ("${none == null}", "true"),
        ("${none == 0}", "false"),
        ("${none < 1}", "false"),
        ("${none <= null}", "true"),
        ("${none && yes}", "false"),
        ("${!none}", "true"),
        ("${'TRUE' && true}", "true"),
        ("${order == order}", "true"),
        ("${1 < 2 == true}", "true"),
        ("${yes ? 'a' : 'b'}", "\"a\""),
        ("${none ? 'a' : yes ? 'b' : 'c'}", "\"b\""),
        ("${yes?amount:name}", "150"),
        ("${empty none}", "true"),
        ("${empty blank}", "true"),
        ("${empty xs}", "true"),
        ("${empty amount}", "false"),
        ("${not empty order.missing}", "false"),
        ("${empty_ + 1}", "4"),
        ("${true || unknown}", "true"),
        ("${false && unknown}", "false"),
    ]);
}

#[test]
fn arithmetic_converts_its_operands() {
    table(&[
        ("${amount + 1}", "151"),
        ("${limit + 1}", "101"),
        ("${none + 1}", "1"),
        ("${none + none}", "0"),
        ("${blank * 5}", "0"),
        ("${-limit}", "-100"),
        ("${- - 1}", "1"),
        ("${7 / 2}", "3.5"),
        ("${7 div 2}", "3.5"),
        ("${-7 % 3}", "-1"),
        ("${7 mod 3}", "1"),
        ("${0.1 + 0.2}", "0.3"),
        ("${1 + 2 * 3 - 4}", "3"),
        ("${(1 + 2) * 3}", "9"),
        ("${half * 1e2}", "50"),
        ("${10 - 2 - 3}", "5"),
    ]);
}

#[test]
fn properties_and_indexes() {
    table(&[
        ("${order.id}", "17"),
        ("${order['id']}", "17"),
        ("${order[key]}", "17"),
        ("${order['a-b']}", "1"),
        ("${order.lines[0].sku}", "\"x\""),
        ("${order.lines['1'].sku}", "\"y\""),
        ("${order.lines[2]}", "null"),
        ("${order.lines[-1]}", "null"),
        ("${order.missing}", "null"),
        ("${order.missing.deeper}", "null"),
        ("${none.x}", "null"),
        ("${order[none]}", "null"),
        ("${execution.processBusinessKey}", "\"B-1\""),
        ("${a$b}", "4"),
    ]);
    let outcome = run("${order.missing}", SCOPE).expect("evaluates");
    assert_eq!(outcome.null_reasons, ["there is no entry 'missing' in the context"]);
}

#[test]
fn what_cannot_be_converted_is_an_error() {
    let failed = |text: &str| Error::Failed(text.to_owned());
    for (source, expect) in [
        ("${unknown}", Error::UnknownName("unknown".to_owned())),
        ("${empty unknown}", Error::UnknownName("unknown".to_owned())),
        ("a${unknown.x}", Error::UnknownName("unknown".to_owned())),
        ("${name + 1}", failed("+ adds numbers; to join texts write one expression after the other: ${a}${b}")),
        ("${order + 1}", failed("a number is needed, not context")),
        ("${name * 2}", failed("a string that is no number stands where a number is needed")),
        ("${name == 1}", failed("a string that is no number stands where a number is needed")),
        ("${yes + 1}", failed("a number is needed, not boolean")),
        ("${amount && yes}", failed("a boolean is needed, not number")),
        ("${amount ? 1 : 2}", failed("a boolean is needed, not number")),
        ("${order < order}", failed("< cannot compare context and context")),
        ("${1 / 0}", failed("division by zero")),
        ("${1 % 0}", failed("division by zero")),
        ("${1e308 * 10}", failed("the result of * is past the largest number")),
        ("${name.length}", failed("string has no property 'length'")),
        ("${order.lines.size}", failed("list has no property 'size'")),
        ("${order.lines['a']}", failed("a string that is no number stands where a number is needed")),
    ] {
        assert_eq!(run(source, SCOPE), Err(expect), "{source}");
    }
    assert_eq!(run("${unknown}", SCOPE).expect_err("unknown").to_string(), "Cannot resolve identifier 'unknown'");
}

#[test]
fn what_is_no_juel_is_refused_with_advice() {
    for (source, message, offset, help) in [
        ("${}", "the expression is empty", 2, ""),
        ("a ${", "expected a value, found the end", 4, ""),
        ("${a", "this expression does not end", 0, "close it with }"),
        ("${a = 1}", "expected an operator or \"}\", found \"=\"", 4, "=="),
        ("${a ** 2}", "expected an operator or \"}\", found \"**\"", 4, "FEEL"),
        ("${${a}}", "expected an operator or \"}\", found \"{\"", 3, "do not nest"),
        ("${a b}", "expected an operator or \"}\", found 'b'", 4, ""),
        ("${a ? b}", "expected \":\" between the branches of a condition, found \"}\"", 7, ""),
        ("${[1]}", "expected a value, found \"[\"", 2, "FEEL"),
        ("${a + }", "expected a value, found \"}\"", 6, ""),
        ("${'a}", "this text does not end", 2, ""),
        ("${'\\n'}", "\\n is no escape", 3, "known are"),
        ("${execution.getVariable(name)}", "getVariable() takes the name of a variable as a fixed text", 12, "write the name"),
        ("${execution.getVariableLocal(x)}", "getVariableLocal() takes the name of a variable as a fixed text", 12, "${x}"),
        ("${execution.getVariables('x')}", "getVariables() takes 0 arguments, not 1", 24, ""),
        ("${execution.processInstance.getVariables()}", "the method 'getVariables' cannot be called in an expression", 28, ""),
        ("${name.contains()}", "contains() takes 1 arguments, not 0", 15, ""),
        ("${name.substring(1, 2, 3)}", "substring() takes 1 to 2 arguments, not 3", 16, ""),
        ("${name.contains('a' 'b')}", "expected \",\" between the arguments of a method, found a text", 20, ""),
        ("${name.contains('a'}", "expected \",\" between the arguments of a method, found \"}\"", 19, ""),
        ("${execution.setVariable('x', 1)}", "the method 'setVariable' cannot be called in an expression", 12, "output mapping"),
        ("${order.process(execution)}", "the method 'process' cannot be called in an expression", 8, "delegate"),
        ("${today()}", "the function 'today' cannot be called in an expression", 2, "now(), dateTime()"),
        ("${now(1)}", "now() takes 0 arguments, not 1", 5, ""),
        ("${fn:now()}", "the function 'fn' cannot be called in an expression", 2, "FEEL"),
        ("ab ${1 +", "expected a value, found the end", 8, ""),
    ] {
        let error = Expression::parse(source).expect_err(source);
        assert_eq!((error.message.as_str(), error.offset), (message, offset), "{source}");
        assert!(error.help.clone().unwrap_or_default().contains(help), "{source}: {:?}", error.help);
    }
}

#[test]
fn methods_of_strings_lists_and_maps() {
    table(&[
        ("${name.contains('d')}", "true"),
        ("${name.contains('D')}", "false"),
        ("${!name.contains('x') && name.length() == 3}", "true"),
        ("${name.startsWith('A')} ${name.endsWith('a')}", "\"true true\""),
        ("${name.equals('Ada')}", "true"),
        ("${'Ada'.equals(name)}", "true"),
        ("${name.equals(none)}", "false"),
        ("${limit.equals(100)}", "false"),
        ("${name.equalsIgnoreCase('ADA')}", "true"),
        ("${name.equalsIgnoreCase(none)}", "false"),
        ("${name.toUpperCase().concat('!')}", "\"ADA!\""),
        ("${' x '.trim()}", "\"x\""),
        ("${name.substring(1)}", "\"da\""),
        ("${name.substring(0, 1).toLowerCase()}", "\"a\""),
        ("${name.indexOf('a')}", "2"),
        ("${name.indexOf('x')}", "-1"),
        ("${'é–x'.indexOf('x')}", "2"),
        ("${name.replace('d', 'nn')}", "\"Anna\""),
        ("${amount.toString().length()}", "3"),
        ("${blank.isEmpty()} ${xs.isEmpty()} ${name.isEmpty()}", "\"true true false\""),
        ("${order.lines.size()}", "2"),
        ("${order.lines.get(1).sku}", "\"y\""),
        ("${order.get('id')}", "17"),
        ("${order.get('missing') == null}", "true"),
        ("${order.containsKey('id')}", "true"),
        ("${order.lines.get(0).sku.contains('x') ? 1 : 2}", "1"),
        ("${order.lines[0].get(key)}", "null"),
        ("${execution.getVariable('amount') + 1}", "151"),
        ("${execution.getVariable('missing') == null}", "true"),
        ("${execution.getProcessBusinessKey()}", "\"B-1\""),
        ("${task.getAssignee()}", "\"ann\""),
        ("${task.getVariable('amount')}", "150"),
        ("${task.containsKey('owner')}", "false"),
        ("${execution.hasVariable('amount')} ${task.hasVariableLocal('amount')}", "\"true false\""),
        ("${execution.getVariableLocal('amount') == null}", "true"),
        ("${execution.variables.amount + execution.getVariables().get('amount')}", "300"),
        ("${execution.variableNamesLocal.size()}", "0"),
        ("${currentUser() == null}", "true"),
        ("${now()}", "\"2024-01-31T23:30:00.000+0000\""),
        ("${now().toDate()}", "\"2024-01-31T23:30:00.000+0000\""),
        ("${now().plusMinutes(30).plusMonths(-1)}", "\"2024-01-01T00:00:00.000+0000\""),
        ("${now().plusMonths(1)}", "\"2024-02-29T23:30:00.000+0000\""),
        ("${now().plusYears(1).plusMonths(1)}", "\"2025-02-28T23:30:00.000+0000\""),
        ("${now().minusDays(31).plusSeconds(1)}", "\"2023-12-31T23:30:01.000+0000\""),
        ("${now().minusWeeks(1).minusHours(1).minusYears(1)}", "\"2023-01-24T22:30:00.000+0000\""),
        ("${now() gt '2023'}", "true"),
    ]);
    for (source, message) in [
        ("${none.contains('x')}", "contains() was called on null"),
        ("${amount.contains('1')}", "contains(): number has no such method"),
        ("${name.size()}", "size(): string has no such method"),
        ("${order.lines.get(2)}", "get(): there is no item at this index, the list has 2"),
        ("${name.substring(2, 1)}", "substring(): there is no such part of a text of 3 characters"),
        ("${name.substring(-1)}", "substring(): there is no such part of a text of 3 characters"),
        ("${missing.contains('x')}", "Cannot resolve identifier 'missing'"),
    ] {
        assert_eq!(run(source, SCOPE).expect_err(source).to_string(), message, "{source}");
    }
}

#[test]
fn names_include_those_in_brackets() {
    let names = Expression::parse("${a[b].c} and ${!empty d ? e : execution.businessKey}").expect("parses").names();
    assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b", "d", "e", "execution"]);
    let reference = |source: &str| Expression::parse(source).expect(source).as_reference().map(str::to_owned);
    assert_eq!(reference("${execution.getVariable('x')}").as_deref(), Some("x"));
    assert_eq!(reference("${execution.getVariableLocal('x')}"), None, "what is local is no variable's name");
}

#[test]
fn expressions_are_equal_if_written_alike_in_one_language() {
    fn shared_between_threads<T: Send + Sync + Clone>(_: &T) {}
    let parse = |source: &str| Expression::parse(source).expect(source);
    shared_between_threads(&parse("= a"));
    assert_eq!(parse("${a}"), parse("${a}"));
    assert_ne!(parse("${a}"), parse("${ a }"));
    assert_ne!(Expression::literal("${a}"), parse("${a}"));
    assert_eq!(parse("= a").source(), "= a");
    assert_eq!(format!("{:?}", parse("= a")), "Feel(\"= a\")");
    assert_eq!(Value::from(Some(1_i64)), Value::from(1_i64));
}

#[test]
fn lists_and_contexts_are_made_of_expressions_in_either_language() {
    let parse = |source: &str| Expression::parse(source).expect(source);
    let inner = Expression::context(vec![("n".to_owned(), parse("= amount + 1")), ("who".to_owned(), parse("${name}"))]);
    let all = Expression::list(vec![parse("text"), parse("${order.id}"), parse("= missing"), inner, Expression::list(Vec::new())]);
    let scope = Value::from_json_text(SCOPE).expect("JSON");
    let evaluated = all.evaluate(&scope, &mandate_feel::Limits::default()).expect("values");
    assert_eq!(evaluated.value, Value::from_json_text(r#"["text", 17, null, {"n": 151, "who": "Ada"}, []]"#).expect("JSON"));
    assert_eq!(evaluated.null_reasons, ["there is no variable 'missing'"]);
    assert_eq!(all.names().iter().map(|name| &**name).collect::<Vec<_>>(), ["order", "missing", "amount", "name"]);
    assert_eq!(all.source(), "[text, ${order.id}, = missing, {n: = amount + 1, who: ${name}}, []]");
    assert_eq!(all.as_literal(), None);
    assert_ne!(Expression::list(Vec::new()), Expression::literal("[]"));

    let failing = Expression::list(vec![parse("${nobody}")]);
    assert_eq!(failing.evaluate(&scope, &mandate_feel::Limits::default()), Err(Error::UnknownName("nobody".to_owned())));
    let deep = (0..300).fold(parse("x"), |inner, _| Expression::list(vec![inner]));
    assert_eq!(deep.evaluate(&scope, &mandate_feel::Limits::default()), Err(Error::NestingLimit));
}
