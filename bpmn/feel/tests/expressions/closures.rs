//! Functions that an expression makes itself.

use mandate_feel::{Error, Expression, Limits, Value};

use crate::common::{nulls, refused, run, steps, table};

const NONE: &str = "{}";

#[test]
fn functions_are_values_of_an_evaluation() {
    table(
        r#"{"xs": [3, 1, 2], "rate": 2, "f": 9}"#,
        &[
            ("(function(x) x + 1)(2)", "3"),
            ("{add: function(a, b) a + b, sum: add(1, 2)}.sum", "3"),
            ("{add: function(a, b) a + b, sum: add(b: 1, a: 2)}.sum", "3"),
            ("{none: function() 7, seven: none()}.seven", "7"),
            ("{f: function(x) x * rate}.f(4)", "8"),
            ("{`net price`: function(x) x * 2, it: `net price`(4)}.it", "8"),
            ("for f in [function(x) x + 1, function(x) x * 10] return f(5)", "[6, 50]"),
            ("some holds in [function(x) x > 2] satisfies holds(3)", "true"),
            ("[function(x) x, function(x) -x][2](5)", "-5"),
            ("[{f: function(x) x}, {f: function(x) -x}][item.f(1) < 0].f(2)", "null"),
            ("[{f: function(x) x}, {f: function(x) -x}][item.f(1) < 0][1].f(2)", "-2"),
            ("(if true then function(x) x else function(x) -x)(5)", "5"),
            ("{twice: function(f, x) f(f(x)), it: twice(function(x) x * 3, 2)}.it", "18"),
            ("{less: function(a, b) a < b, it: sort(xs, less)}.it", "[1, 2, 3]"),
            (
                "{by: function(key) function(a, b) get value(a, key) < get value(b, key), it: sort([{n: 2}, {n: 1}], by(\"n\"))}.it.n",
                "[1, 2]",
            ),
            ("list replace(xs, function(item, new) item > 1, 0)", "[0, 1, 0]"),
            ("list replace(list: xs, match: function(item, new) item < new, newItem: 2)", "[3, 2, 2]"),
            ("{get: get value({f: function(x) x + 1}, \"f\")}.get(1)", "2"),
            ("{f: function(self, n) if n = 0 then 0 else n + self(self, n - 1), sum: f(f, 3)}.sum", "6"),
            ("string(function(x, y) x)", "\"function(x, y)\""),
            ("[(function(x) x) instance of Any, (function(x) x) = null]", "[true, false]"),
            // A function of the language comes before a name.
            ("for count in [1] return count([1, 2])", "[2]"),
            ("xs[{big: function(x) x > 1}.big(item)]", "[3, 2]"),
            ("{f: function(x: number, y: date and time) x}.f(1, null)", "1"),
        ],
    );
    nulls(
        r#"{"x": 1}"#,
        &[
            ("{f: function(x) x}.f(1, 2)", "the function(x) was given 2 arguments"),
            ("{f: function(x) x}.f(y: 1)", "the parameters of the function(x) have other names"),
            ("{f: function(x: number) x}.f(\"a\")", "'x' of the function must be a number, not string"),
            ("{y: 1, it: (y)(1)}.it", "number is no function"),
        ],
    );
    let (long, shown) = ("x".repeat(60_000), "x".repeat(120));
    nulls(
        NONE,
        &[
            (&format!("(function({long}, y) 1)(1)"), &format!("the function({shown}…) was given 1 arguments")),
            (&format!("{{}}.{long}"), &format!("there is no entry '{shown}…' in the context")),
        ],
    );
    nulls(NONE, &[("(function(x) x) = (function(x) x)", "= needs two values of one kind, not function and function")]);
    let many = format!("function({}) 1", (0..65).map(|n| format!("p{n:02}")).collect::<Vec<_>>().join(", "));
    refused(&[
        ("f(1)", "there is no function 'f'", 0, ""),
        (
            "{f: function(n) f(n - 1)}",
            "the function 'f' does not know its own name",
            16,
            "give it to itself as an argument, as in {f: function(self, n)",
        ),
        ("[{f: function(x) x}, f(1)]", "there is no function 'f'", 21, ""),
        ("function(x, x) x", "the parameter 'x' is there twice", 12, ""),
        (&many, "a function has more than 64 parameters", 329, "give it a context with what it needs"),
        ("function(x: text) x", "expected a type, found 'text'", 12, "years and months duration"),
        ("function x", "expected \"(\" before the parameters of the function, found 'x'", 9, ""),
        ("order.total (5)", "expected an operator or the end, found \"(\"", 12, ""),
        ("1 (2)", "expected an operator or the end, found \"(\"", 2, ""),
    ]);
}

#[test]
fn functions_see_what_was_bound_where_they_were_made() {
    table(
        r#"{"n": 100}"#,
        &[
            ("{n: 1, f: function(x) x + n, it: for n in [10] return f(1)}.it", "[2]"),
            ("{adders: for n in 1..3 return function(x) x + n, it: for add in adders return add(10)}.it", "[11, 12, 13]"),
            // What comes later in the context it does not know.
            ("{f: function() n, n: 2, it: f()}.it", "100"),
            ("{f: function(n) {n: n + 1, it: n}.it, it: f(1) + n}.it", "102"),
            ("[{a: 1}, {a: 2}][{f: function() a}.f() = 2].a", "[2]"),
            ("sort([2, 3, 1], function(x, y) {f: function(a) a < y}.f(x))", "[1, 2, 3]"),
        ],
    );
}

#[test]
fn no_function_is_stored() {
    for source in
        ["= function(x) x", "= {f: function(x) x}", "= [[function(x) x]]", "= to json(function(x) x)", "= to json([{f: function() 1}])"]
    {
        let error = run(source, NONE).expect_err(source);
        assert_eq!(error, Error::Function, "{source}");
        assert_eq!(error.to_string(), "a function is no value of a variable: call it, and keep what it gives");
    }
}

/// None knows its own name, but one may be given to itself.
#[test]
fn functions_do_not_run_away() {
    let of = |source: &str| run(&format!("= {source}"), NONE).map(|outcome| outcome.value);
    assert_eq!(of("{f: function(g) g(g), it: f(f)}.it"), Err(Error::DepthLimit { limit: Limits::DEPTH }));
    assert_eq!(of("{f: function(g, n) if n = 0 then 0 else n + g(g, n - 1), it: f(f, 10)}.it"), Ok(Value::from(55)));
    assert_eq!(
        of("{f: function(g, n) if n = 0 then 0 else g(g, n - 1) + g(g, n - 1), it: f(f, 30)}.it"),
        Err(Error::StepLimit { limit: Limits::STEPS })
    );
    assert_eq!(of("{f: function(g, s) g(g, s + s), it: f(f, \"xxxxxxxx\")}.it"), Err(Error::StringLimit { limit: Limits::STRING_BYTES }));
    // Each has all before it in it.
    let links: Vec<_> = (1..1_000).map(|n| format!("f{n}: function() f{}()", n - 1)).collect();
    assert_eq!(of(&format!("{{f0: function() 7, {}, it: f20()}}.it", links.join(", "))), Err(Error::StepLimit { limit: Limits::STEPS }));
    assert_eq!(of(&format!("{{f0: function() 7, {}, it: f20()}}.it", links[..300].join(", "))), Ok(Value::from(7)));
}

#[test]
fn calls_are_charged() {
    let scope = |items: i64| Value::context([("xs".to_owned(), Value::list((0..items).map(Value::from).collect()))].into());
    let source = "= count(sort(xs, function(a, b) a < b))";
    let (short, long) = (steps(source, &scope(100)), steps(source, &scope(200)));
    assert!(short > 100 * 5 && long > 2 * short, "{short} {long}");
    // As many numbers as fit a variable can be sorted, and half as many items by an entry.
    let mixed = (0..10_000).map(|n| Value::from(n * 7_919 % 10_007));
    let entries = mixed.clone().take(5_000).map(|n| Value::context([("n".to_owned(), n)].into()));
    for (precedes, items) in [("a < b", mixed.collect::<Vec<_>>()), ("a.n < b.n", entries.collect())] {
        let source = format!("= count(sort(xs, function(a, b) {precedes}))");
        let (count, scope) = (items.len(), Value::context([("xs".to_owned(), Value::list(items))].into()));
        let sorted = Expression::parse(&source).expect("it is one").evaluate(&scope, &Limits::default());
        assert_eq!(sorted.map(|it| it.value), Ok(Value::from(i64::try_from(count).expect("it is small"))), "{source}");
    }
    // What is bound where it was made is copied with each call.
    let bound = |names: usize| format!("= count(for {}y in [1] return sort(xs, function(a, b) a < b))", "x in [1], ".repeat(names));
    let (few, many) = (steps(&bound(1), &scope(50)), steps(&bound(90), &scope(50)));
    assert!(many > few + 90 * 50, "{few} {many}");
}
