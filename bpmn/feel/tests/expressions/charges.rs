//! What takes longer the longer its input is, is charged by that length: no clock is needed to see that nothing takes for ever.

use mandate_feel::Value;
use proptest::prelude::*;

use crate::common::steps;

/// At least a step for each 64 bytes of `t`. `u` is as long, and the same; `flags` are flags of patterns.
const BY_TEXT: &[&str] = &[
    "t + u",
    "t = u",
    "t < u",
    "t in (u)",
    "t in [u..t]",
    "t between u and t",
    "number(t)",
    "contains(t, \"x\")",
    "contains(\"x\", t)",
    "starts with(t, u)",
    "ends with(t, u)",
    "upper case(t)",
    "lower case(t)",
    "trim(t)",
    "is blank(t)",
    "string length(t)",
    "substring(t, 2)",
    "substring(t, -1)",
    "substring before(t, \"x\")",
    "substring after(t, \"x\")",
    "string join([t])",
    "string join([], t, u)",
    "to base64(t)",
    "matches(t, \"x\")",
    "matches(\"x\", t)",
    "matches(\"x\", \"x\", flags)",
    "replace(t, \"x\", \"y\")",
    "replace(\"x\", \"x\", t)",
    "split(t, \"x\")",
    "extract(t, \"x\")",
    "string([t])",
    "to json(t)",
    "from json(t)",
    "is(t, u)",
    "get value({}, t)",
    "context put({}, t, 1)",
    "context([{key: t, value: 1}])",
    "list contains([t], u)",
    "index of([t], u)",
    "distinct values([t, u])",
    "duplicate values([t, u])",
    "union([t], [u])",
    "min(t, u)",
    "max([t, u])",
    "before(t, u)",
    "after(t, u)",
    "meets([t..u], [t..u])",
    "met by([t..u], [t..u])",
    "overlaps([t..u], [t..u])",
    "overlaps before([t..u], [t..u])",
    "overlaps after([t..u], [t..u])",
    "finishes(t, [t..u])",
    "finished by([t..u], t)",
    "includes([t..u], t)",
    "during(t, [t..u])",
    "starts(t, [t..u])",
    "started by([t..u], t)",
    "coincides(t, u)",
    "date(t)",
    "time(t)",
    "date and time(t)",
    "date and time(@\"2026-11-20T10:30:00Z\", t)",
    "duration(t)",
    "range(t)",
];

/// At least a step for each item of `xs`, which are numbers, `bs`, which are true, `ts`, which are texts, or `cs`, which are contexts, and
/// for each entry of `c`.
const BY_LIST: &[&str] = &[
    "xs = ys",
    "-1 in (xs)",
    "for x in xs return x",
    "some x in xs satisfies x < 0",
    "every x in xs satisfies x >= 0",
    "xs[item < 0]",
    "cs.key",
    "all(bs)",
    "any(for b in bs return not(b))",
    "list contains(xs, -1)",
    "index of(xs, -1)",
    "append(xs, 1)",
    "concatenate(xs, ys)",
    "insert before(xs, 1, 0)",
    "list replace(xs, 1, 0)",
    "remove(xs, 1)",
    "reverse(xs)",
    "sublist(xs, 1)",
    "partition(xs, 10)",
    "flatten([xs])",
    "distinct values(xs)",
    "duplicate values(xs)",
    "union(xs, [])",
    "sort(xs, function(x, y) x < y)",
    "sum(xs)",
    "product(xs)",
    "mean(xs)",
    "median(xs)",
    "mode(xs)",
    "stddev(xs)",
    "min(xs)",
    "max(xs)",
    "string join(ts)",
    "string(xs)",
    "to json(xs)",
    "c = d",
    "get entries(c)",
    "context(cs)",
    "get value(c, ts)",
    "context put(c, \"x\", 1)",
    "context put({in: c}, [\"in\", \"x\"], 1)",
    "context merge(c, d)",
    "is(xs, ys)",
];

/// The same in JUEL.
const JUEL_BY_TEXT: &[&str] = &[
    "t == u",
    "t < u",
    "t.equals(u)",
    "t.contains('x')",
    "t.indexOf('x')",
    "t.length()",
    "t.startsWith(u)",
    "t.endsWith(u)",
    "t.equalsIgnoreCase(u)",
    "t.toLowerCase() == null",
    "t.toUpperCase() == null",
    "t.trim() == null",
    "t.concat('x') == null",
    "t.replace('x', 'y') == null",
    "t.substring(1) == null",
    "t.toString() == null",
    "c.get(t)",
];

/// Functions of which no argument is looked at in a time that grows with it.
const AT_ONCE: &[&str] = &[
    "not",
    "get or else",
    "is defined",
    "assert",
    "fromAi",
    "abs",
    "floor",
    "ceiling",
    "decimal",
    "round up",
    "round down",
    "round half up",
    "round half down",
    "modulo",
    "odd",
    "even",
    "sqrt",
    "exp",
    "log",
    "count",
    "is empty",
    "now",
    "today",
    "years and months duration",
    "day of week",
    "day of year",
    "week of year",
    "month of year",
    "last day of month",
];

/// Two of each kind that are alike, and nowhere the same in memory.
fn scope(bytes: usize, items: usize) -> Value {
    let text = || Value::from("ab-1".repeat(bytes / 4 + 1)[..bytes].to_owned());
    let list = |item: &dyn Fn(usize) -> Value| Value::list((0..items).map(item).collect());
    let numbers = || list(&|n| Value::from(n));
    let name = |n: usize| format!("name{n}");
    let context = || Value::context((0..items).map(|n| (name(n), Value::from(n))).collect());
    let entry = |n: usize| Value::context([("key".to_owned(), Value::from(name(n))), ("value".to_owned(), Value::from(n))].into());
    let all = [
        ("t", text()),
        ("u", text()),
        ("flags", Value::from("smix".repeat(bytes / 4 + 1)[..bytes].to_owned())),
        ("xs", numbers()),
        ("ys", numbers()),
        ("bs", list(&|_| Value::from(true))),
        ("ts", list(&|n| Value::from(name(n)))),
        ("cs", list(&entry)),
        ("c", context()),
        ("d", context()),
    ];
    Value::context(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The outcome itself is small, so that nothing is charged for storing it.
fn feel(row: &str) -> String {
    format!("= is defined({row})")
}

#[test]
fn each_function_is_looked_at() {
    let documented = include_str!("../../../../docs/expressions.md");
    let (_, table) = documented.split_once("| family | functions |").expect("the table is there");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    // Every second piece between backticks is the name of a function, but for a few words about flags.
    let names: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|name| name.len() > 1).collect();
    assert!(names.len() > 80, "{names:?}");
    for name in names {
        let called = |row: &&&str| row.starts_with(&format!("{name}("));
        let charged = BY_TEXT.iter().chain(BY_LIST).find(called).is_some() || BY_LIST.iter().any(|row| row.contains(&format!("({name}(")));
        assert!(charged != AT_ONCE.contains(&name), "`{name}` is to be in one of the tables of this file, and in one only");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn steps_grow_with_the_length(bytes in 1_000_usize..20_000, items in 50_usize..400) {
        let (one, two) = (scope(bytes, items), scope(2 * bytes, 2 * items));
        for (rows, of, least) in [
            (BY_TEXT, feel as fn(&str) -> String, bytes / 64),
            (BY_LIST, feel, items),
            (JUEL_BY_TEXT, |row| format!("${{{row}}}"), bytes / 64),
        ] {
            for row in rows {
                let source = of(row);
                let (shorter, longer) = (steps(&source, &one) as usize, steps(&source, &two) as usize);
                prop_assert!(shorter >= least && longer - shorter >= least, "{}: {} and {}, {} more at least", source, shorter, longer, least);
            }
        }
    }
}

#[test]
fn what_fails_is_charged_as_well() {
    use mandate_feel::{Error, Expression, Limits};
    let left = |source: &str| {
        let mut limits = Limits { steps: 10_000, ..Limits::default() };
        let evaluated = Expression::parse(source).expect("it parses").evaluate_within(&Value::Null, &mut limits);
        (evaluated.map(|it| it.value), limits.steps)
    };
    let (failed, steps) = left("= if count(for i in 1..1000 return i) > 0 then function() 1 else 1");
    assert!(failed.is_err_and(|error| !matches!(error, Error::StepLimit { .. })) && steps < 9_000, "{steps}");
    let (late, steps) = left("= count(for i in 1..90000 return i)");
    assert_eq!((late, steps), (Err(Error::StepLimit { limit: 10_000 }), 0));
    let (fine, steps) = left("= 1 + 1");
    assert!(fine.is_ok() && (9_990..10_000).contains(&steps), "{steps}");
}
