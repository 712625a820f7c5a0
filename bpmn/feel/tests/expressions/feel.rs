//! FEEL, as tables: expression, variables, value.

use crate::common::{nulls, refused, run, table};
use mandate_feel::{Error, Expression, Limits, Value};

const NONE: &str = "{}";

#[test]
fn literals() {
    table(
        NONE,
        &[
            ("1", "1"),
            ("-1.50", "-1.5"),
            (".5", "0.5"),
            ("1e3", "1000"),
            ("true", "true"),
            ("false", "false"),
            ("null", "null"),
            (r#""text""#, r#""text""#),
            (r#""""#, r#""""#),
            (r#""a\"b\\c\n\t\u00e9\U01F600\uD83D\uDE00""#, r#""a\"b\\c\n\té😀😀""#),
            ("[]", "[]"),
            ("[1, [2, \"x\"]]", "[1, [2, \"x\"]]"),
            ("{}", "{}"),
            ("{a: 1, \"b c\": 2, order total: 3, `d-e`: 4}", r#"{"a": 1, "b c": 2, "order total": 3, "d-e": 4}"#),
            ("1 // a comment\n + /* another */ 2", "3"),
        ],
    );
}

#[test]
fn arithmetic_is_decimal() {
    table(
        NONE,
        &[
            ("0.1 + 0.2", "0.3"),
            ("1 - 2 - 3", "-4"),
            ("2 + 3 * 4", "14"),
            ("(2 + 3) * 4", "20"),
            ("7 / 2", "3.5"),
            ("1 / 3 * 3 = 1", "false"),
            ("2 ** 3", "8"),
            ("2 ** 3 ** 2", "64"),
            ("-2 ** 2", "4"),
            ("2 ** -1", "0.5"),
            ("- - 1", "1"),
            ("9007199254740993 + 1", "9007199254740994"),
            ("\"a\" + \"b\" + \"c\"", "\"abc\""),
            ("1/3", "0.3333333333333333"),
            ("string(1/3)", "\"0.3333333333333333333333333333333333\""),
        ],
    );
}

#[test]
fn paths_and_names() {
    let scope = r#"{"order": {"id": "A", "lines": [{"sku": "x", "qty": 2}, {"sku": "y"}], "order total": 5},
        "größe": 1, "item": 7, "in-stock": true, "a": {"in": 3, "true": 4}}"#;
    table(
        scope,
        &[
            ("order.id", "\"A\""),
            ("order.lines.sku", "[\"x\", \"y\"]"),
            ("order.lines.qty", "[2, null]"),
            ("order.lines[1].sku", "\"x\""),
            ("order.`order total`", "5"),
            ("größe + 1", "2"),
            ("item", "7"),
            ("`in-stock`", "true"),
            ("a.in + a.true", "7"),
            ("{a: 1, b: a + 1}.b", "2"),
            ("{order: 1}.order", "1"),
        ],
    );
}

#[test]
fn filters_and_positions() {
    let scope = r#"{"xs": [1, 2, 3], "lines": [{"sku": "x", "qty": 2}, {"sku": "y", "qty": 5}], "n": 2, "qty": 9, "none": []}"#;
    table(
        scope,
        &[
            ("xs[1]", "1"),
            ("xs[-1]", "3"),
            ("xs[n]", "2"),
            ("xs[n - 3]", "3"),
            ("xs[item > 1]", "[2, 3]"),
            ("lines[qty > 2].sku", "[\"y\"]"),
            ("lines[item.qty > 2][1].sku", "\"y\""),
            ("lines[sku = \"z\"]", "[]"),
            ("lines[missing > 1]", "[]"),
            ("none[item > 1]", "[]"),
            ("none[1]", "null"),
            ("5[1]", "5"),
            ("5[item > 9]", "[]"),
            ("xs[4]", "null"),
            ("xs[0]", "null"),
            ("xs[-4]", "null"),
            ("xs[1.5]", "null"),
        ],
    );
}

#[test]
fn comparison_and_membership() {
    table(
        r#"{"x": 5, "s": "b", "xs": [1, 5]}"#,
        &[
            ("x = 5", "true"),
            ("x = 5.0", "true"),
            ("x != 5", "false"),
            ("x > 4 and x <= 5", "true"),
            ("s > \"a\"", "true"),
            ("null = null", "true"),
            ("x = null", "false"),
            ("x != null", "true"),
            ("[1, 2] = [1, 2]", "true"),
            ("[1, 2] = [1]", "false"),
            ("[1] = [\"1\"]", "false"),
            ("{a: 1} = {a: 1}", "true"),
            ("{a: 1} = {b: 1}", "false"),
            ("x between 1 and 5", "true"),
            ("x between 6 and null", "false"),
            ("x between 1 and 4 or true", "true"),
            ("x in [1..5]", "true"),
            ("2 in (for y in 1..3 return y)", "true"),
            ("4 in ((for y in 1..3 return y))", "false"),
            ("x in [1..5)", "false"),
            ("x in [1..5[", "false"),
            ("x in [1..5[ or s in [\"a\"..\"c\"[", "true"),
            ("x in [1..xs[2]]", "true"),
            ("x in (1..6)", "true"),
            ("x in ((1)..6)", "true"),
            ("x in ]5..6]", "false"),
            ("x in (5..6]", "false"),
            ("x in xs", "true"),
            ("x in [1, 5]", "true"),
            ("x in [1, 2]", "false"),
            ("x in [x..5]", "true"),
            ("x in (1, 5)", "true"),
            ("x in (5)", "true"),
            ("x in (2) + 3", "true"),
            ("x in (xs)[2]", "true"),
            ("true in (x = 1, x = 5)", "true"),
            ("true in (x in (1, 5))", "true"),
            ("x in 5", "true"),
            ("x in > 4", "true"),
            ("x in (< 3, [4..6])", "true"),
            ("x in (< 3, >= 7)", "false"),
            ("x in (null, 5)", "true"),
            ("xs in [[1, 5]]", "true"),
            ("xs in [1, 5]", "true"),
            ("x in [1..9] and s in (\"a\", \"b\")", "true"),
        ],
    );
}

#[test]
fn logic_is_three_valued() {
    table(
        NONE,
        &[
            ("true and true", "true"),
            ("true and false", "false"),
            ("null and false", "false"),
            ("null and true", "null"),
            ("false and null", "false"),
            ("null or true", "true"),
            ("null or false", "null"),
            ("1 or true", "true"),
            ("true or 1 / 0 > 1", "true"),
            ("false or false or true", "true"),
            ("true and false or true", "true"),
            ("true or false and false", "true"),
            ("not(true)", "false"),
            ("not(null)", "null"),
            ("if true then 1 else 2", "1"),
            ("if null then 1 else 2", "2"),
            ("if false then 1 else if true then 2 else 3", "2"),
            ("1 + if true then 1 else 2", "2"),
            ("if (1 < 2) then (3) else (4)", "3"),
        ],
    );
}

#[test]
fn iteration() {
    table(
        r#"{"xs": [1, 2, 3], "lines": [{"qty": 2}, {"qty": 5}]}"#,
        &[
            ("for x in xs return x * 2", "[2, 4, 6]"),
            ("for i in 1..3 return i", "[1, 2, 3]"),
            ("for i in 3..1 return i", "[3, 2, 1]"),
            ("for x in [1, 2], y in [x, 10] return x * y", "[1, 10, 4, 20]"),
            ("for line in lines return line.qty", "[2, 5]"),
            ("for x in [] return x", "[]"),
            ("for x in 5 return x", "[5]"),
            ("some x in xs satisfies x > 2", "true"),
            ("some x in xs satisfies x > 3", "false"),
            ("every x in xs satisfies x > 0", "true"),
            ("every x in xs satisfies x > 1", "false"),
            ("every x in [1, null] satisfies x > 0", "null"),
            ("some x in [1, null] satisfies x > 0", "true"),
            ("some x in xs, y in xs satisfies x + y = 6", "true"),
            ("every x in [] satisfies false", "true"),
            ("sum(for line in lines return line.qty)", "7"),
        ],
    );
}

#[test]
fn functions_on_strings() {
    table(
        NONE,
        &[
            ("string(1.50)", "\"1.5\""),
            ("string(\"a\")", "\"a\""),
            ("string([1, \"a\", {b: null}])", r#""[1, \"a\", {b: null}]""#),
            ("number(\"-1.5\")", "-1.5"),
            ("number(3)", "3"),
            ("number(\"1 000,5\", \" \", \",\")", "1000.5"),
            ("number(\"1,000\", \",\", \".\")", "1000"),
            ("contains(\"foobar\", \"oba\")", "true"),
            ("starts with(\"foobar\", \"foo\")", "true"),
            ("ends with(\"foobar\", \"foo\")", "false"),
            ("upper case(\"aß\")", "\"ASS\""),
            ("lower case(\"AÉ\")", "\"aé\""),
            ("trim(\"  a \")", "\"a\""),
            ("string length(\"a😀\")", "2"),
            ("substring(\"foobar\", 3)", "\"obar\""),
            ("substring(\"foobar\", 3, 3)", "\"oba\""),
            ("substring(\"foobar\", -2, 1)", "\"a\""),
            ("substring(\"😀b\", 2)", "\"b\""),
            ("substring(\"foo\", 9)", "\"\""),
            ("substring before(\"foobar\", \"bar\")", "\"foo\""),
            ("substring before(\"foobar\", \"x\")", "\"\""),
            ("substring after(\"foobar\", \"ob\")", "\"ar\""),
            ("string join([\"a\", null, \"b\"], \", \")", "\"a, b\""),
            ("string join([\"a\", \"b\"])", "\"ab\""),
            ("upper case(string(1) + \"x\")", "\"1X\""),
        ],
    );
}

#[test]
fn functions_on_numbers() {
    table(
        NONE,
        &[
            ("abs(-1.5)", "1.5"),
            ("floor(-1.5)", "-2"),
            ("floor(1.56, 1)", "1.5"),
            ("ceiling(1.2)", "2"),
            ("decimal(1/3, 2)", "0.33"),
            ("decimal(2.5, 0)", "2"),
            ("round up(1.121, 2)", "1.13"),
            ("round down(1.129, 2)", "1.12"),
            ("round half up(-2.5, 0)", "-3"),
            ("round half down(2.5)", "2"),
            ("modulo(-12, 5)", "3"),
            ("odd(3)", "true"),
            ("even(-4)", "true"),
            ("sum([1, 2.5])", "3.5"),
            ("sum(1, 2)", "3"),
            ("mean([1, 2])", "1.5"),
            ("min([3, 1, 2])", "1"),
            ("max(3, 1, 2)", "3"),
            ("min([\"b\", \"a\"])", "\"a\""),
        ],
    );
}

#[test]
fn functions_on_lists_and_contexts() {
    table(
        r#"{"xs": [1, 2, 3], "c": {"a": 1, "n": null}}"#,
        &[
            ("count(xs)", "3"),
            ("count([])", "0"),
            ("all([true, true])", "true"),
            ("all(true, null, false)", "false"),
            ("any([false, true])", "true"),
            ("all([])", "true"),
            ("is empty([])", "true"),
            ("list contains(xs, 2)", "true"),
            ("list contains([null], null)", "true"),
            ("list contains(xs, \"2\")", "false"),
            ("index of([1, 2, 1], 1)", "[1, 3]"),
            ("append(xs, 4, [5])", "[1, 2, 3, 4, [5]]"),
            ("concatenate(xs, [4], 5)", "[1, 2, 3, 4, 5]"),
            ("insert before(xs, 1, 0)", "[0, 1, 2, 3]"),
            ("insert before(xs, 4, 9)", "[1, 2, 3, 9]"),
            ("insert before(xs, -1, 9)", "[1, 2, 9, 3]"),
            ("remove(xs, 2)", "[1, 3]"),
            ("reverse(xs)", "[3, 2, 1]"),
            ("sublist(xs, 2)", "[2, 3]"),
            ("sublist(xs, -2, 1)", "[2]"),
            ("flatten([1, [2, [3, []]], 4])", "[1, 2, 3, 4]"),
            ("distinct values([1, 2, 1.0, null, null])", "[1, 2, null]"),
            ("union([1, 2], [2, 3])", "[1, 2, 3]"),
            ("get value(c, \"a\")", "1"),
            ("get entries({a: 1})", r#"[{"key": "a", "value": 1}]"#),
            ("context put(c, \"b\", 2)", r#"{"a": 1, "b": 2, "n": null}"#),
            ("context merge([c, {a: 2}])", r#"{"a": 2, "n": null}"#),
            ("context merge(c, {a: 2}).a", "2"),
            ("get or else(c.missing, 5)", "5"),
            ("get or else(c.a, 5)", "1"),
            ("is defined(c.a)", "true"),
            ("is defined(c.n)", "false"),
            ("is defined(c.missing.deep)", "false"),
            ("is defined(unknown)", "false"),
        ],
    );
}

#[test]
fn a_null_says_why() {
    nulls(
        r#"{"c": {"a": 1}, "xs": [1], "s": "x", "none": null}"#,
        &[
            ("unknown", "there is no variable 'unknown'"),
            ("c.b", "there is no entry 'b' in the context"),
            ("none.b", "null has no entry 'b'"),
            ("s.b", "string has no entry 'b'"),
            ("xs.b[1]", "an item of the list has no entry 'b'"),
            ("xs[5]", "there is no item at the position asked for, the list has 1"),
            ("1 + s", "+ needs two numbers or two strings, not number and string"),
            ("none * 2", "* needs two numbers, not null and number"),
            ("1 < s", "< needs two values of one kind that have an order, not number and string"),
            ("1 = s", "= needs two values of one kind, not number and string"),
            ("1 in [s..2]", ">= needs two values of one kind that have an order, not number and string"),
            ("1 / 0", "division by zero"),
            ("2 ** 0.5", "the exponent of ** must be an integer of 32 bits"),
            ("1e308 * 10", "the result of * is past the largest number"),
            ("-s", "- needs a number, not string"),
            ("for x in none return x", "'x' has no list to run through"),
            ("for i in 1..s return i", "'i' needs integers to run from and to"),
            ("upper case(1)", "upper case(): argument 1 must be a string, not number"),
            ("floor(1.5, 0.5)", "floor(): argument 2 must be an integer, not a number with a fraction"),
            ("number(s)", "number(): not a number"),
            ("number(\"1.5\", \" \", \",\")", "number(): not a number"),
            ("sum([])", "sum(): the list is empty"),
            ("max([1, s])", "max(): > needs two values of one kind that have an order, not string and number"),
            ("remove(xs, 2)", "remove(): there is no such position, the list has 1 items"),
            ("true and s", "'and' needs booleans, not string"),
            ("get value(c, \"x\")", "get value(): there is no such entry in the context"),
        ],
    );
}

#[test]
fn reasons_stay_where_null_was_overcome_but_not_where_it_was_asked_about() {
    let outcome = run("= if unknown > 1 then 1 else 2", NONE).expect("evaluates");
    assert_eq!(outcome.value, Value::from(2));
    assert_eq!(
        outcome.null_reasons,
        [
            "there is no variable 'unknown'",
            "> needs two values of one kind that have an order, not null and number",
            "'if' needs a boolean, not null",
        ]
    );
    assert!(run("= is defined(a.b)", NONE).expect("evaluates").null_reasons.is_empty());
    let many = run("= for i in 1..100 return {a: 1}[string(i)]", NONE).expect("evaluates");
    assert_eq!(many.null_reasons, ["a filter needs a boolean or a number, not string"]);
}

#[test]
fn what_is_no_feel_is_refused_with_advice() {
    refused(&[
        ("", "the expression is empty", 0, ""),
        ("1 +", "expected a value, found the end", 3, ""),
        ("a == 1", "expected an operator or the end, found \"==\"", 2, "single ="),
        ("a && b", "expected an operator or the end, found \"&&\"", 2, "'and'"),
        ("!a", "expected a value, found \"!\"", 0, "not(…)"),
        ("order total > 1", "expected an operator or the end, found 'total'", 6, "`order total`"),
        ("a ? 1 : 2", "expected an operator or the end, found \"?\"", 2, "if … then"),
        ("'a'", "FEEL has no text in single quotes", 0, "double quotes"),
        ("\"a", "this text does not end", 0, "close it"),
        ("\"\\ud800\"", "this escape names no character", 1, ""),
        ("`a", "this name in backticks does not end", 0, ""),
        ("/* a", "this comment does not end", 0, ""),
        ("1a", "a number runs into a name", 0, ""),
        ("1e400", "the number is too large", 0, ""),
        ("toUpperCase(a)", "there is no function 'toUpperCase'", 0, "upper case"),
        ("upperCase(a)", "there is no function 'upperCase'", 0, "upper case"),
        ("foo(a)", "there is no function 'foo'", 0, "known are: "),
        ("a(1)", "there is no function 'a'", 0, "known are: "),
        ("contains(a)", "contains() takes 2 arguments, found 1", 8, ""),
        ("substring(a)", "substring() takes 2 to 3 arguments, found 1", 9, ""),
        ("append()", "append() takes 1 or more arguments, found 0", 6, ""),
        ("(1", "expected \")\" to close the bracket, found the end", 2, ""),
        ("[1, 2", "expected \"]\" to close the list, found the end", 5, ""),
        ("{a: 1, a: 2}", "the entry 'a' is there twice", 7, ""),
        ("{a 1}", "expected \":\" behind the name of an entry, found a number", 3, ""),
        ("if a then b", "expected 'else' behind the first branch of 'if', found the end", 11, ""),
        ("1..2", "expected an operator or the end, found \"..\"", 1, "in brackets"),
        ("x in (a, b) + 1", "expected the end of the tests of 'in', found \"+\"", 12, ""),
        ("a.1", "expected an operator or the end, found a number", 1, ""),
        ("a ~ b", "'~' has no meaning here", 2, ""),
        ("a instance of b", "expected a type, found 'b'", 14, "date and time"),
    ]);
}

#[test]
fn offsets_count_from_the_beginning_of_the_source() {
    let error = Expression::parse("  = 1 + ").expect_err("incomplete");
    assert_eq!(error.offset, 8);
}

#[test]
fn names_that_a_scope_must_have() {
    for (source, expect) in [
        ("a + b.c + a", vec!["a", "b"]),
        ("xs[qty > limit]", vec!["xs"]),
        ("for x in xs return x + y", vec!["xs", "y"]),
        ("for x in xs, z in x return z", vec!["xs"]),
        ("some x in xs satisfies x in (a, [b..c])", vec!["xs", "a", "b", "c"]),
        ("{a: b, c: a}", vec!["b"]),
        ("a between b and c", vec!["a", "b", "c"]),
        ("is defined(a) and count(b) > 1", vec!["b"]),
        ("if a then b else -c", vec!["a", "b", "c"]),
    ] {
        let names = Expression::parse_feel(source).expect(source).names();
        assert_eq!(names.iter().map(|name| &**name).collect::<Vec<_>>(), expect, "{source}");
    }
}

#[test]
fn what_takes_too_much_ends_with_the_limit_it_reached() {
    let limits = Limits::default();
    let fails = |source: &str, limits: &Limits| {
        let scope = Value::from_json_text(r#"{"s": "0123456789"}"#).expect("JSON");
        Expression::parse_feel(source).expect(source).evaluate(&scope, limits).expect_err(source)
    };
    let steps = Error::StepLimit { limit: limits.steps };
    assert_eq!(fails("for i in 1..1000000000 return i", &limits), Error::ListLimit { limit: limits.list_items });
    assert_eq!(fails("some i in 1..9000000000 satisfies i < 0", &limits), steps);
    assert_eq!(fails("count(for i in 1..900, j in 1..900 return 1)", &limits), Error::ListLimit { limit: limits.list_items });
    assert_eq!(fails("for i in 1..9999 return for j in 1..9999 return 1", &limits), steps);
    assert_eq!(fails("s + s", &Limits { string_bytes: 19, ..limits }), Error::StringLimit { limit: 19 });
    assert_eq!(fails("string([s, s])", &Limits { string_bytes: 25, ..limits }), Error::StringLimit { limit: 25 });
    assert_eq!(fails("[1, 2, 3]", &Limits { list_items: 2, ..limits }), Error::ListLimit { limit: 2 });
    assert_eq!(fails("((((1 + 2))))", &Limits { depth: 1, ..limits }), Error::DepthLimit { limit: 1 });
    assert_eq!(fails("1 + 2", &Limits { steps: 2, ..limits }), Error::StepLimit { limit: 2 });
}

#[test]
fn a_small_text_that_means_a_huge_value_is_stopped() {
    // Each entry holds the one before it twice: shared in memory, but 2^40 items once it is written out.
    let entries: Vec<_> = (1..40).map(|n| format!("a{n}: [a{}, a{}]", n - 1, n - 1)).collect();
    let source = format!("= {{a0: 1, {}}}", entries.join(", "));
    assert_eq!(run(&source, NONE), Err(Error::StepLimit { limit: Limits::STEPS }));
    for function in ["string", "flatten", "count"] {
        let source = format!("= {function}([{{a0: 1, {}}}.a39 = {{a0: 1, {}}}.a39])", entries.join(", "), entries.join(", "));
        assert_eq!(run(&source, NONE), Err(Error::StepLimit { limit: Limits::STEPS }), "{function}");
    }
    // A long text that is shared in memory, but written out as often as it occurs.
    let source = format!("= {{text: \"{}\", all: for i in 1..10000 return text}}", "x".repeat(60_000));
    assert_eq!(run(&source, NONE), Err(Error::StepLimit { limit: Limits::STEPS }));
    let source = format!("= count(for i in 1..90000 return {{{}: 1}})", "x".repeat(60_000));
    assert_eq!(run(&source, NONE), Err(Error::StepLimit { limit: Limits::STEPS }));
    // A text that doubles again and again.
    let doubling: Vec<_> = (1..40).map(|n| format!("a{n}: a{} + a{}", n - 1, n - 1)).collect();
    let source = format!("= {{a0: \"x\", {}}}.a39", doubling.join(", "));
    assert_eq!(run(&source, NONE), Err(Error::StringLimit { limit: Limits::STRING_BYTES }));
    // A value that nests deeper than JSON readers follow.
    let nesting: Vec<_> = (1..500).map(|n| format!("a{n}: [a{}]", n - 1)).collect();
    let source = format!("= {{a0: 1, {}}}.a499", nesting.join(", "));
    assert_eq!(run(&source, NONE), Err(Error::NestingLimit));
}

#[test]
fn types_are_asked_for() {
    table(
        r#"{"a": 1, "b": "x", "c": {"d": []}, "e": null}"#,
        &[
            ("a instance of number and b instance of string", "true"),
            ("a + 1 instance of number", "true"),
            (
                "[c instance of context, c.d instance of list, true instance of boolean, [1..2] instance of range]",
                "[true, true, true, true]",
            ),
            ("[a instance of Any, e instance of Any, e instance of string]", "[true, false, false]"),
            (r#"@"2026-11-20" instance of date and @"2026-11-20T10:00:00" instance of date and time"#, "true"),
            (r#"@"2026-11-20" instance of date and time"#, "false"),
            (r#"[@"10:00" instance of time, @"PT1H" instance of days and time duration]"#, "[true, true]"),
            (r#"@"P1Y" instance of years and months duration"#, "true"),
        ],
    );
    refused(&[
        ("a instance of text", "expected a type, found 'text'", 14, "years and months duration"),
        ("a instance number", "expected 'of' behind 'instance', found 'number'", 11, ""),
    ]);
}
