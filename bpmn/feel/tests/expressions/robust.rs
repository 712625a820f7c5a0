//! Whatever the text and the data: a value or an error, never a panic, an overflow of the stack, or a hang.

use std::path::Path;

use mandate_feel::{Expression, Limits, MAX_SYNTAX_DEPTH, Number, Value};
use proptest::prelude::*;

use crate::property::{LIMITS, holds, scope};

/// Five eighths of what the threads of an asynchronous runtime have, and of what test threads have. A build without optimisation takes nine
/// tenths of it.
const SMALL_STACK: usize = 1280 * 1024;

fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(SMALL_STACK).spawn(test).expect("a thread");
    thread.join().expect("no panic");
}

/// Reads a text in every way, and evaluates what can be read.
fn try_all(text: &str) {
    for parse in [Expression::parse, Expression::parse_feel, Expression::parse_juel] {
        holds(parse, text);
    }
}

/// The fuzz targets begin with the same files.
#[test]
fn the_corpus_is_harmless() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(&directory).expect("the corpus is there") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        try_all(&String::from_utf8_lossy(&bytes));
        count += 1;
    }
    assert!(count >= 10, "only {count} files in {}", directory.display());
}

#[test]
fn the_deepest_expressions_need_little_stack() {
    on_a_small_stack(|| {
        // Each takes one level of syntax a time, down to the bound.
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("-", "a", ""),
            ("[", "", "]"),
            ("{x: ", "1", "}"),
            ("d[item = ", "1", "]"),
            ("not(", "true", ")"),
            ("if true then ", "2", " else 3"),
            ("1 + if true then 1 else 2 + ", "2", ""),
            ("function(x) ", "1", ""),
            ("(function(x) ", "x", ")(1)"),
            ("{f: function(x) ", "x", "}.f(1)"),
            ("-(item.a)(", "1", ")"),
            ("for x in [1] return ", "x", ""),
            ("some x in d satisfies x = 2 and ", "true", ""),
            ("1 + (2 * ", "3", ")"),
            ("1 + 2 * (", "3", ")"),
            ("2 ** (", "1", ")"),
            ("if false then 1 else (", "1", ")"),
            ("if true then (", "1", ") else 2"),
            ("1 in (", "1", ", 2)"),
            ("a in ((", "1", "))"),
            ("a between (", "1", ") and 3"),
            ("is defined(", "a", ")"),
            ("append([1], ", "2", ")"),
            ("(1..", "2", "]"),
            ("sort([1], function(x, y) ", "x", ")"),
            ("c.a[", "1", "]"),
        ] {
            let parsed = |levels: usize| Expression::parse_feel(&format!("{}{inner}{}", open.repeat(levels), close.repeat(levels))).ok();
            evaluate_deepest(open, parsed);
        }
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("!", "f", ""),
            ("empty ", "f", ""),
            ("f ? ", "2", " : 1"),
            ("d[", "0", "]"),
            ("b.concat(", "b", ")"),
            ("a + 2 * (", "1", ")"),
        ] {
            let parsed =
                |levels: usize| Expression::parse_juel(&format!("${{{}{inner}{}}}", open.repeat(levels), close.repeat(levels))).ok();
            evaluate_deepest(open, parsed);
        }
    });
}

/// Evaluates what nests as deeply as it may: a hundred brackets or branches at the least, whatever stands between them.
fn evaluate_deepest(open: &str, parsed: impl Fn(usize) -> Option<Expression>) {
    let (levels, expression) = (1..=MAX_SYNTAX_DEPTH + 1).rev().find_map(|levels| Some((levels, parsed(levels)?))).expect(open);
    let brackets = levels * open.matches(['(', '[', '{']).count().max(1);
    assert!(brackets >= 100, "{open}: {levels}");
    expression.names();
    let _ = expression.evaluate(&scope(), &Limits::default());
}

/// A function that is given itself goes as deep as evaluation may, whatever lies between two calls.
#[test]
fn the_deepest_calls_need_little_stack() {
    on_a_small_stack(|| {
        for body in [
            "g(g)",
            "-g(g)",
            "1 + g(g)",
            "[g(g)]",
            "{x: g(g)}",
            "{x: 1, h: function() g(g), y: h()}",
            "if g(g) then 1 else 2",
            "for x in [1] return g(g)",
            "for x in [1], y in [1] return g(g)",
            "some x in [1] satisfies g(g)",
            "[1][g(g)]",
            "1 in (g(g), 2)",
            "1 in [g(g)..2]",
            "1 between g(g) and 2",
            "string(g(g))",
            "sort([1, 2], function(a, b) g(g))",
            "list replace([1, 2], function(a, b) g(g), 3)",
            "is defined(g(g))",
            "{h: g}.h(g: g)",
            "true and g(g)",
            "g(g).x[1]",
        ] {
            let source = format!("= {{f: function(g) {body}, it: f(f)}}.it");
            let outcome = Expression::parse(&source).expect(body).evaluate(&scope(), &Limits::default());
            assert_eq!(outcome, Err(mandate_feel::Error::DepthLimit { limit: Limits::DEPTH }), "{body}");
        }
        // A chain of functions, each of which holds the one before it, is dropped.
        let links: Vec<_> = (1..400).map(|n| format!("f{n}: function() f{}", n - 1)).collect();
        let source = format!("= {{f0: 7, {}, it: 1}}.it", links.join(", "));
        assert_eq!(Expression::parse(&source).expect("parses").evaluate(&(), &Limits::default()).map(|it| it.value), Ok(Value::from(1)));
    });
}

#[test]
fn endless_nesting_is_refused() {
    on_a_small_stack(|| {
        for piece in [
            "(",
            "[",
            "-",
            "{a:",
            "not(",
            "if ",
            "for x in ",
            "if a then b else ",
            "a[",
            "a in (",
            "a in [",
            "!",
            "${",
            "a ? ",
            "a ? b :",
            "a.equals(",
        ] {
            for count in [300, 5_000, 60_000 / piece.len(), 100_000] {
                let text = piece.repeat(count);
                for source in [text.clone(), format!("= {text}"), format!("${{{text}")] {
                    for parse in [Expression::parse_feel, Expression::parse_juel] {
                        if let Err(error) = parse(&source) {
                            assert!(source.is_char_boundary(error.offset));
                        }
                    }
                    let literal = !source.starts_with('=') && !source.contains("${");
                    assert!(Expression::parse(&source).is_err() || literal, "{piece} {count}");
                }
            }
        }
        let error = Expression::parse_feel(&"(".repeat(100_000)).expect_err("too deep");
        assert_eq!(error.message, "the expression is longer than 65536 bytes");
        let error = Expression::parse_feel(&"(".repeat(60_000)).expect_err("too deep");
        assert_eq!(error.message, "the expression is nested more than 200 levels deep");
        assert!(error.help.as_deref().is_some_and(|help| help.contains("behind else")), "{error:?}");
    });
}

#[test]
fn long_chains_are_flat() {
    on_a_small_stack(|| {
        let times = |piece: &str, count: usize| piece.repeat(count);
        for (source, expect) in [
            (format!("= 1{}", times(" + 1", 9_000)), Value::from(9_001)),
            (format!("= 1{}", times(" - 1 * 1", 5_000)), Value::from(-4_999)),
            (format!("= true{}", times(" and true", 6_000)), Value::from(true)),
            (format!("= false{}", times(" or false", 6_000)), Value::from(false)),
            (format!("= 1{}", times(" in 1", 9_000)), Value::Null),
            (format!("= c{}", times(".c", 20_000)), Value::Null),
            (format!("= 1{}", times("[1]", 20_000)), Value::from(1)),
            (format!("= 2{}", times(" ** 1", 9_000)), Value::from(2)),
            (format!("= {}3", times("if false then 1 else ", 3_000)), Value::from(3)),
            (format!("= (function(x) function(y) x){}", times("(1)", 2)), Value::from(1)),
            // As decision tables are written.
            (
                format!(
                    "= {}if a = 1 then \"one\" else \"other\"",
                    (2..300).map(|n| format!("if a + 0 = {n} and b != \"x{n}\" then (\"{n}\") else ")).collect::<Vec<_>>().concat()
                ),
                Value::from("one"),
            ),
            (format!("${{{}3}}", times("f ? a : ", 3_000)), Value::from(1)),
            (format!("${{{}3}}", times("!f ? a : ", 3_000)), Value::from(3)),
            (format!("${{true{}}}", times(" && true", 6_000)), Value::from(true)),
            (format!("${{c{}}}", times(".c", 20_000)), Value::Null),
            (format!("${{b{}}}", times(".trim()", 8_000)), Value::from("text")),
            (times("${a}", 10_000), Value::from(times("1", 10_000))),
        ] {
            let expression = Expression::parse(&source).unwrap_or_else(|error| panic!("{}: {error}", &source[..20]));
            let outcome = expression.evaluate(&scope(), &Limits::default());
            assert_eq!(outcome.map(|outcome| outcome.value), Ok(expect), "{}", &source[..20]);
        }
        let bindings = times("x in d, ", 5_000);
        let expression = Expression::parse_feel(&format!("for {bindings} x in d return x")).expect("parses");
        assert!(expression.evaluate(&scope(), &Limits::default()).is_err());
    });
}

#[test]
fn deep_data_is_an_error_where_it_would_have_to_be_followed() {
    on_a_small_stack(|| {
        let deep = (0..100_000).fold(Value::Null, |inner, _| Value::list(vec![inner]));
        let scope = Value::context([("x".to_owned(), deep.clone()), ("y".to_owned(), deep)].into());
        for source in ["= x", "= x = y", "= string(x)", "= [x]", "${x}", "a${x}", "${x == 'a'}", "= {a: x}", "= distinct values([x, y])"] {
            let outcome = Expression::parse(source).expect(source).evaluate(&scope, &Limits::default());
            assert_eq!(outcome, Err(mandate_feel::Error::NestingLimit), "{source}");
        }
        for (source, expect) in [("= count(x)", 1), ("= count(flatten(x))", 1), ("= count(x.a)", 1), ("${empty x ? 1 : 2}", 2)] {
            let outcome = Expression::parse(source).expect(source).evaluate(&scope, &Limits::default());
            assert_eq!(outcome.expect(source).value, Value::from(expect), "{source}");
        }
    });
}

#[test]
fn a_loop_asks_the_scope_for_a_name_once() {
    struct Counting(std::cell::Cell<usize>);
    impl mandate_feel::Scope for Counting {
        fn resolve(&self, name: &str) -> Option<Value> {
            self.0.set(self.0.get() + 1);
            (name == "a").then(|| Value::from(1))
        }
    }
    let scope = Counting(std::cell::Cell::new(0));
    let expression = Expression::parse("= every i in 1..1000 satisfies a = 1 and b = null").expect("parses");
    let outcome = expression.evaluate(&scope, &Limits::default()).expect("evaluates");
    assert_eq!((outcome.value, scope.0.get()), (Value::from(true), 2));
}

#[test]
fn an_evaluation_gives_the_same_after_storage() {
    for source in
        ["= 1/3", "= [1/3, {a: 2/3}]", "= 12345678901234567890123", "= 0.1 + 0.2", "${2/3}", "= 1e-330", "= 123456789.123456789123"]
    {
        let value = Expression::parse(source).expect(source).evaluate(&(), &Limits::default()).expect(source).value;
        let stored = serde_json::to_string(&value).expect("serialises");
        assert_eq!(Value::from_json_text(&stored).expect("reads"), value, "{source}");
    }
}

/// Texts that look like expressions more often than random bytes do.
fn likely_source() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "x",
        "item",
        "1",
        "0",
        "2.5",
        "-1",
        "1e300",
        "0.1",
        "\"s\"",
        "'s'",
        "\"",
        "`a`",
        "true",
        "false",
        "null",
        "+",
        "-",
        "*",
        "/",
        "**",
        "%",
        "=",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "and",
        "or",
        "not",
        "not(",
        "empty",
        "!",
        "&&",
        "||",
        "?",
        ":",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ",",
        ".",
        "..",
        "in",
        "between",
        "if",
        "then",
        "else",
        "for",
        "some",
        "every",
        "return",
        "satisfies",
        "string(",
        "sum(",
        "count(",
        "append(",
        "substring(",
        "floor(",
        "list contains(",
        "is defined(",
        "get value(",
        "${",
        "#{",
        "=",
        "é",
        "\\",
        "//",
        "/*",
        "*/",
        "flatten(",
        "concatenate(",
        "upper case(",
        "modulo(",
        "insert before(",
        "sublist(",
        "@\"2026-11-20\"",
        "@\"P1Y\"",
        "instance of",
        "date and time",
        "date(",
        "date and time(",
        "duration(",
        "now()",
        ".time offset",
        "matches(",
        "replace(",
        "sort(",
        "function(x, y)",
        "function(x)",
        "x(",
        "@\"10:00@Europe/Berlin\"",
        "@\"9999-12-31T23:59:59Z\"",
        "range(\"[1..2]\")",
        "else if",
        "before(",
        "start position:",
        "\"(a*)\\d\"",
    ]);
    prop::collection::vec(words, 0..24).prop_map(|words| words.join(" "))
}

/// Expressions that are well formed, of every kind of node.
fn well_formed() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "x",
        "item",
        "1",
        "0",
        "-3",
        "2.5",
        "1e300",
        "1e-300",
        "\"s\"",
        "true",
        "false",
        "null",
        "c.a",
        "@\"2026-11-20\"",
        "@\"23:59:00+01:00\"",
        "@\"2026-03-29T01:30:00@Europe/Berlin\"",
        "@\"9999-12-31T23:59:59\"",
        "@\"PT1H30M\"",
        "@\"-P9999Y\"",
        "[1..3)",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(6, 48, 3, |inner| {
        let binary = prop::sample::select(vec!["+", "-", "*", "/", "**", "=", "!=", "<", "<=", ">", ">=", "and", "or", "in"]);
        let unary = prop::sample::select(vec![
            "not",
            "string",
            "number",
            "upper case",
            "string length",
            "abs",
            "floor",
            "ceiling",
            "odd",
            "count",
            "sum",
            "mean",
            "min",
            "max",
            "all",
            "any",
            "reverse",
            "flatten",
            "distinct values",
            "is defined",
            "get entries",
            "is empty",
            "round half up",
            "day of year",
            "last day of month",
            "product",
            "median",
            "mode",
            "stddev",
            "sqrt",
            "exp",
            "log",
            "to json",
            "from json",
            "duplicate values",
            "context",
        ]);
        // A text that they cannot read is refused where it stands there itself.
        let reading = prop::sample::select(vec!["date", "time", "date and time", "duration"]);
        let two = prop::sample::select(vec![
            "contains",
            "starts with",
            "substring",
            "string join",
            "decimal",
            "modulo",
            "list contains",
            "index of",
            "append",
            "concatenate",
            "remove",
            "sublist",
            "union",
            "get value",
            "get or else",
            "round up",
            "substring after",
            "context merge",
            "years and months duration",
            "before",
            "overlaps",
            "during",
            "coincides",
            "matches",
            "split",
            "extract",
            "partition",
            "is",
        ]);
        prop_oneof![
            (inner.clone(), binary, inner.clone()).prop_map(|(left, sign, right)| format!("({left} {sign} {right})")),
            (unary, inner.clone()).prop_map(|(name, argument)| format!("{name}({argument})")),
            (reading, inner.clone()).prop_map(|(name, argument)| format!("{name}(({argument})[1])")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("date and time({a}, ({b})[1])")),
            (two, inner.clone(), inner.clone()).prop_map(|(name, first, second)| format!("{name}({first}, {second})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} between {b} and {c})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} in [{b}..{c}))")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{a: {a}, b: {b}}}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            inner.clone().prop_map(|a| format!("({a}).a")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(({a})..{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("sort({a}, function(x, y) ({b}) < y)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(function(x) {a})({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{z: function(x, g) {a}, a: z({b}, z)}}.a")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("list replace({a}, function(x, y) {b}, 1)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("context put({a}, \"k\", {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("replace({a}, \"(s|x)?\", {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(for x in {a} return {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(for x in {a}..{b} return x)")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(some x in {a} satisfies {b})")),
            inner.prop_map(|a| format!("(-{a})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        try_all(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_characters_are_read_or_refused(text in "\\PC{0,40}") {
        try_all(&text);
    }

    #[test]
    fn likely_sources_are_read_or_refused(source in likely_source()) {
        try_all(&source);
        try_all(&format!("= {source}"));
        try_all(&format!("${{{source}}}"));
    }

    #[test]
    fn well_formed_expressions_have_a_value_or_reach_a_limit(source in well_formed()) {
        let expression = Expression::parse_feel(&source).unwrap_or_else(|error| panic!("{source}: {error} at {}", error.offset));
        match expression.evaluate(&scope(), &LIMITS) {
            Ok(outcome) => prop_assert_eq!(Value::from_json(&outcome.value.to_json()), outcome.value),
            Err(error) => prop_assert!(!matches!(error, mandate_feel::Error::Failed(_) | mandate_feel::Error::UnknownName(_)), "{error}"),
        }
    }

    #[test]
    fn numbers_come_back_from_their_text(number in any::<f64>(), integer in any::<i64>(), digits in "-?[1-9][0-9]{0,33}(\\.[0-9]{1,20})?") {
        for number in [Number::from_f64(number), Some(Number::from(integer)), digits.parse().ok()].into_iter().flatten() {
            prop_assert_eq!(number.to_string().parse::<Number>(), Ok(number));
            prop_assert_eq!(Value::from_json(&Value::Number(number).to_json()), Value::Number(number.as_stored()));
        }
        if let Some(there) = Number::from_f64(number) {
            prop_assert!(there.to_f64().total_cmp(&(number + 0.0)).is_eq(), "{number:e}");
        }
        prop_assert_eq!(Number::from(integer).to_i64(), Some(integer));
    }
}
