//! FEEL's built-in functions, as tables: patterns, ranges, numbers, lists, contexts; arguments by name; and what cannot be had.

use crate::common::{check, nulls, refused, run, table};

const NONE: &str = "{}";

#[test]
fn patterns() {
    table(
        r#"{"text": "How do you feel?"}"#,
        &[
            (r#"matches("foobar", "^fo*bar")"#, "true"),
            (r#"matches("foobar", "o{3}")"#, "false"),
            (r#"matches("FooBar", "foo", "i")"#, "true"),
            (r#"matches("a\nb", "a.b")"#, "false"),
            (r#"matches("a\nb", "a.b", "s")"#, "true"),
            (r#"matches("a\nb", "^b$", "m")"#, "true"),
            (r#"matches("ab", "a b", "x")"#, "true"),
            (r#"matches("ann@example.com", "^[\w.]+@[\w.]+\.\w{2,4}$")"#, "true"),
            (r#"matches("Ä", "\p{Lu}")"#, "true"),
            (r#"replace("abcd", "(ab)|(a)", "[1=$1][2=$2]")"#, r#""[1=ab][2=]cd""#),
            (r#"replace("0123456789", "(\d{3})(\d{3})(\d{4})", "($1) $2-$3")"#, r#""(012) 345-6789""#),
            (r#"replace(text, "Feel", "FEEL", "i")"#, r#""How do you FEEL?""#),
            (r#"replace("a.b.c", "\.", "\\$$")"#, r#""a$$b$$c""#),
            (r#"replace("abc", "", "-")"#, r#""-a-b-c-""#),
            (r#"split("John Doe", "\s")"#, r#"["John", "Doe"]"#),
            (r#"split("a;b;c;;", ";")"#, r#"["a", "b", "c", "", ""]"#),
            (
                r#"[split("äbc", ""), split("", ""), split("a1b", "\d*"), split("ab", "^|$")]"#,
                r#"[["ä", "b", "c"], [""], ["a", "b"], ["ab"]]"#,
            ),
            (r#"extract("references are 1234, 1256, 1378", "12[0-9]*")"#, r#"["1234", "1256"]"#),
            (r#"extract("none", "\d")"#, "[]"),
        ],
    );
    let no_expression = "the pattern is no regular expression without look-around and references back";
    nulls(
        r#"{"open": "(", "back": "(a)\\1", "ahead": "(?=a)", "flag": "g"}"#,
        &[
            ("matches(open, open)", &format!("matches(): {no_expression}")),
            ("matches(open, back)", &format!("matches(): {no_expression}")),
            ("matches(open, ahead)", &format!("matches(): {no_expression}")),
            ("matches(open, ahead + open, flag)", "matches(): the flags are s, m, i and x"),
            // What says so itself takes long to be looked at, so it is no earlier than this.
            (r#"matches("a", "(?i)[\D](")"#, &format!("matches(): {no_expression}")),
            (r#"split("a", "(\w{100}){100}")"#, "split(): the pattern is too large"),
            (r#"extract("a", "()()()()()()()()()()()()()()()()()()()()")"#, "extract(): the pattern has more than 20 groups"),
            (r#"split(1, "a")"#, "split(): argument 1 must be a string, not number"),
        ],
    );
}

#[test]
fn what_is_no_pattern_is_refused_at_deployment() {
    let no = |function: &str, why: &str| {
        format!("{function}(): the pattern is no regular expression without look-around and references back ({why})")
    };
    refused(&[
        (r#"matches(text, "(")"#, &no("matches", "unclosed group"), 7, "correct the text"),
        (r#"if a then split(text, "[") else null"#, &no("split", "unclosed character class"), 15, ""),
        (r#"for x in xs return replace(x, "a{2", "")"#, &no("replace", "unclosed counted repetition"), 26, ""),
        (r#"extract(pattern: "\p{Klingon}", string: text)"#, &no("extract", "Unicode property not found"), 7, ""),
        (r#"matches(text, "(a)\1")"#, &no("matches", "backreferences are not supported"), 7, ""),
        (r#"matches(text, "(?=a)")"#, &no("matches", "look-around, including look-ahead and look-behind, is not supported"), 7, ""),
        (r#"matches(text, pattern, "g")"#, "matches(): the flags are s, m, i and x", 7, ""),
        (&format!("matches(text, \"{}\")", "a".repeat(1_025)), "matches(): the pattern is longer than 1024 bytes", 7, ""),
    ]);
    // What is in brackets behind a sign is one when blanks do not count.
    table(r#"{"a": "x", "flags": "x"}"#, &[(r#"matches(a, "x # (", "x")"#, "true"), (r#"matches(a, "x # (", flags)"#, "true")]);
}

/// Nobody counts the steps of reading: what is past the room for patterns is null when it is evaluated.
#[test]
fn of_many_patterns_only_the_first_are_looked_at_before_they_are_evaluated() {
    let wide = format!(r#"matches("a", "{}")"#, r"\p{age=9.0}".repeat(80));
    let why = "matches(): the pattern is no regular expression without look-around and references back";
    refused(&[(&format!(r#"[{wide}, matches("a", "(")]"#), &format!("{why} (unclosed group)"), wide.len() + 10, "")]);
    nulls("{}", &[(&format!(r#"if false then [{wide}, {wide}] else matches("a", "(")"#), why)]);
}

/// Whatever the pattern, each state and each byte is counted.
#[test]
fn patterns_come_to_the_limit_of_steps_and_sound_ones_do_not() {
    let of = |source: &str, text: &str| run(source, &format!(r#"{{"text": "{text}"}}"#)).map(|outcome| outcome.value);
    let hostile = "a".repeat(60_000);
    let many_groups = format!(r#"= replace(text, "{}b", "")"#, "(a?)".repeat(19));
    for source in [
        r#"= matches(text, "(a?){200}b")"#,
        r#"= matches(text, "(a?){200}a{200}$")"#,
        r#"= count(extract(text, "a.*b|a"))"#,
        r#"= count(split(text, "a.*b|a"))"#,
        r#"= replace(text, "(a).*b|a", "$1")"#,
        &many_groups,
        r#"= for i in 1..10000 return matches("a", "(\w{100}){100}" + string(i))"#,
        r#"= for i in 1..10000 return matches("a", "\w{9}" + string(i))"#,
        r#"= for i in 1..100 return matches("a", "[\x01-\x{10FFFF}]{2}[\W][\P{Lu}][[^a]]" + string(i), "i")"#,
        r#"= for i in 1..100 return matches("a", "(?i)[\D]" + string(i))"#,
    ] {
        let error = of(source, &hostile).expect_err(source);
        assert_eq!(error.to_string(), "the expression takes more than 500000 steps", "{source}");
    }
    assert_eq!(of(r#"= count(for i in 1..150 return matches(text, "^[a-z]+[^b][^]_\w]" + string(i), "i"))"#, "x"), Ok(150.into()));
    assert_eq!(of(r#"= count(split(text, "\s*,\s*"))"#, &"one , two,".repeat(300)), Ok(601.into()));
    // What a match can be no longer than is looked at again, and not all that follows.
    assert_eq!(of(r#"= count(split(text, ""))"#, &"a".repeat(30_000)), Ok(30_000.into()));
    assert_eq!(of(r#"= count(split(text, ","))"#, &"1234567,".repeat(5_000)), Ok(5_001.into()));
    assert_eq!(of(r#"= count(extract(text, "[0-9]{1,9}"))"#, &"1234567,".repeat(5_000)), Ok(5_000.into()));
    assert_eq!(of(r#"= string length(replace(text, "\s+", " "))"#, &"a   b ".repeat(1_000)), Ok(4_000.into()));
}

#[test]
fn ranges_are_values_of_an_evaluation() {
    table(
        r#"{"x": 5}"#,
        &[
            ("[1..10].start", "1"),
            ("[(1..10].start included, (1..10].end included, ]1..10[.end included]", "[false, true, false]"),
            ("for r in [[1..3], (5..9)] return r.end", "[3, 9]"),
            ("some r in [[1..3], [5..9]] satisfies x in r", "true"),
            ("[x in ([4..6]), x in ([4..6]).end + 0, x in ([4..6], 9)]", "[true, false, true]"),
            ("[1..3] = [1..3]", "true"),
            ("[1..3] = [1..3)", "false"),
            ("string([1..3))", r#""[1..3)""#),
            ("before(1, 10) and not(before(10, 1))", "true"),
            ("[before(1, [1..5]), before(1, (1..5]), before([1..5), [5..10]), before([1..5], [5..10])]", "[false, true, true, false]"),
            ("[after(10, 5), after(5, [1..5)), after([5..10], [1..5)), after([5..10], [1..5])]", "[true, true, true, false]"),
            ("[meets([1..5], [5..10]), meets([1..5), [5..10]), met by([5..10], [1..5])]", "[true, false, true]"),
            ("[overlaps([1..5], [3..8]), overlaps([1..5), [5..8]), overlaps([6..8], [1..5])]", "[true, false, false]"),
            ("[overlaps before([1..5], [3..8]), overlaps before([3..8], [1..5]), overlaps before([1..5], (1..5])]", "[true, false, true]"),
            ("[overlaps after([3..8], [1..5]), overlaps after([1..5], [3..8])]", "[true, false]"),
            ("[finishes(10, [1..10]), finishes(10, [1..10)), finishes([5..10], [1..10])]", "[true, false, true]"),
            ("[finished by([1..10], 10), finished by([1..10], [5..10])]", "[true, true]"),
            ("[includes([1..10], 5), includes([1..10), 10), includes([1..10], [4..6])]", "[true, false, true]"),
            ("[during(5, [1..10]), during([4..6], [1..10]), during(11, [1..10])]", "[true, true, false]"),
            ("[starts(1, [1..10]), starts([1..5], [1..10]), starts((1..5], [1..10])]", "[true, true, false]"),
            ("[started by([1..10], 1), started by([1..10], [1..5])]", "[true, true]"),
            ("[coincides(5, 5), coincides([1..5], [1..5]), coincides([1..5], [1..5))]", "[true, true, false]"),
            ("[5 in [[1..3], [4..6]], 7 in [[1..3], [4..6]], 4 in [1, (3..9), \"a\"]]", "[true, false, true]"),
            (r#"[5 in ["a", ["a".."c"], 5], "b" in [[1..3], ["a".."c"]], [1..3] in [[1..3], [4..6]]]"#, "[true, true, true]"),
            ("{ranges: [[1..3], [4..6]], it: x in ranges}.it", "true"),
            (r#"[range("[1..3]") = [1..3], range("(-1.5..3[") = (-1.5..3), range("]1..3]") = (1..3]]"#, "[true, true, true]"),
            (r#""b" in range("[\"a\"..\"c\"]")"#, "true"),
            (r#"@"2026-11-20" in range("[@\"2026-11-01\"..date(\"2026-11-30\")]")"#, "true"),
            (r#"range("[duration(\"PT1H\")..@\"P1D\"]").end"#, r#""P1D""#),
            (r#"range("[date and time(\"2026-11-20T10:00:00Z\")..date and time(\"2026-11-21\")]")"#, "null"),
            // An end that is not included may be left out (DMN TCK, 1156).
            (
                r#"for r in [range("[2..)"), range("(2..)"), range("(..2]"), range("]..2[")] return [1 in r, 2 in r, x in r]"#,
                "[[false, true, true], [false, false, true], [true, true, false], [true, false, false]]",
            ),
            (
                r#"{r: range("[2..)"), it: [string(r), r.start, r.end, r.end included, r = range("[2..)"), r = range("[3..)")]}.it"#,
                r#"["[2..)", 2, null, false, true, false]"#,
            ),
            (r#"[x in [range("[9..)"), range("(..5]")], null in range("[2..)"), "a" in range("[2..)")]"#, "[true, null, null]"),
            ("x in (null..9]", "null"),
            (r#"before(@"2026-11-20", [@"2026-11-21"..@"2026-12-01"])"#, "true"),
            ("overlaps(range1: [1..5], range2: [5..6])", "true"),
        ],
    );
    nulls(
        NONE,
        &[
            ("[1..3]", "a range is no value of a variable; keep its ends"),
            (r#"[1.."a"]"#, "<= needs two values of one kind that have an order, not number and string"),
            (r#"before(1, "a")"#, "before(): number and string have no order"),
            ("for x in [1..3] return x", "'x' runs through integers without brackets around them: 1..3"),
            ("[1..3].first", "range has no entry 'first'"),
            ("range(string(5))", "range(): the string is no range such as [1..10), [1..) or [@\"2026-01-01\"..@\"2026-12-31\"]"),
        ],
    );
    for text in
        ["1..3", "[1..]", "[..1]", "(..)", "[1..3", "[1..3] ", "[a..b]", "[1..[2]]", "[1..\\\"a\\\"]", "[1,3]", "[date(2026)..3]", ""]
    {
        let source = format!("range(\"{text}\")");
        let error = mandate_feel::Expression::parse_feel(&source).map(|_| ());
        assert_eq!(error.is_ok(), text == "[1..3] ", "{source}: {error:?}");
    }
    check("= {a: [1..3], b: 2}", NONE, r#"{"a": null, "b": 2}"#);
}

#[test]
fn items_are_sorted_by_a_function() {
    table(
        r#"{"people": [{"name": "Eve", "age": 30}, {"name": "Ann", "age": 30}, {"name": "Bob", "age": 20}]}"#,
        &[
            ("sort([3, 1, 4, 5, 2], function(x, y) x < y)", "[1, 2, 3, 4, 5]"),
            ("sort(list: [3, 1, 2], precedes: function(x, y) x > y)", "[3, 2, 1]"),
            ("sort(people, function(a, b) a.age < b.age).name", r#"["Bob", "Eve", "Ann"]"#),
            ("sort(people, function(a, b) a.name < b.name)[1].name", r#""Ann""#),
            ("sort([], function(x, y) x < y)", "[]"),
            ("sort(1, function(x, y) x < y)", "[1]"),
            // A function that contradicts itself sorts somehow.
            ("count(sort([1, 2, 3, 4, 5, 6, 7], function(x, y) true))", "7"),
            ("for n in [2, 3] return sort([1, 5], function(x, y) x * n > y * n)", "[[5, 1], [5, 1]]"),
        ],
    );
    nulls(
        NONE,
        &[
            ("sort([1, 2], function(x, y) x + y)", "sort(): the function must give a boolean, not number"),
            ("sort(null, function(x, y) x < y)", "sort(): argument 1 must be a list, not null"),
            ("sort([1, 2], 2)", "sort(): argument 2 must be a function, not number"),
            ("sort([1, 2], function(x) x)", "sort(): the function(x) was given 2 arguments"),
        ],
    );
    refused(&[("sort([1])", "sort() takes 2 arguments, found 1", 4, "sort(list, precedes)")]);
}

#[test]
fn numbers_of_a_list() {
    table(
        NONE,
        &[
            ("product([2, 3, 4])", "24"),
            ("product(2, 3, 4)", "24"),
            ("median(8, 2, 5, 3, 4)", "4"),
            ("median([6, 1, 2, 3])", "2.5"),
            ("mode(6, 3, 9, 6, 6)", "[6]"),
            ("mode([6, 1, 9, 6, 1])", "[1, 6]"),
            ("mode([])", "[]"),
            ("stddev(2, 4, 7, 5)", "2.0816659994661326"),
            ("sqrt(16)", "4"),
            ("sqrt(2)", "1.4142135623730951"),
            ("exp(5)", "148.4131591025766"),
            ("log(10)", "2.302585092994046"),
        ],
    );
    nulls(
        NONE,
        &[
            ("product([])", "product(): the list is empty"),
            ("median([1, \"a\"])", "median(): the items must be numbers, not string"),
            ("stddev([1])", "stddev(): two numbers or more have a deviation"),
            ("sqrt(-1)", "sqrt(): a negative number has no square root"),
            ("exp(1000)", "exp(): the result is past the largest number"),
            ("log(0)", "log(): only positive numbers have a logarithm"),
        ],
    );
}

#[test]
fn lists_contexts_strings_and_json() {
    table(
        r#"{"c": {"x": 1, "y": {"z": 0}}}"#,
        &[
            ("list replace([1, 2, 3], 2, 9)", "[1, 9, 3]"),
            ("list replace([1, 2, 3], -1, 9)", "[1, 2, 9]"),
            ("partition([1, 2, 3, 4, 5], 2)", "[[1, 2], [3, 4], [5]]"),
            ("duplicate values([1, 2, 3, 2, 1, 2])", "[1, 2]"),
            (r#"get value(c, ["y", "z"])"#, "0"),
            (r#"get value(c, "x")"#, "1"),
            (r#"context put(c, ["y", "z"], 2)"#, r#"{"x": 1, "y": {"z": 2}}"#),
            (r#"context put({x: 1}, ["y", "z"], 2)"#, r#"{"x": 1, "y": {"z": 2}}"#),
            (r#"context put(c, "x", 2).x"#, "2"),
            (r#"context([{key: "a", value: 1}, {key: "b", value: 2}])"#, r#"{"a": 1, "b": 2}"#),
            ("context(get entries(c)) = c", "true"),
            (r#"string join(["a", "b", "c"], ", ", "[", "]")"#, r#""[a, b, c]""#),
            (r#"[is blank(" "), is blank("a")]"#, "[true, false]"),
            (r#"[to base64("FEEL"), to base64("ä"), to base64("a"), to base64("")]"#, r#"["RkVFTA==", "w6Q=", "YQ==", ""]"#),
            (r#"from json("{\"a\": [1, 2.5, null]}").a[2]"#, "2.5"),
            ("from json(to json(c)) = c", "true"),
            ("to json(true)", r#""true""#),
            ("fromAi(value: c.x, type: \"number\")", "1"),
            ("assert(c.x, c.x > 0)", "1"),
        ],
    );
    nulls(
        NONE,
        &[
            ("list replace([1], 2, 3)", "list replace(): there is no such position, the list has 1 items"),
            ("partition([1], 0)", "partition(): the size must be positive"),
            (r#"get value({a: {b: 3}}, ["b"])"#, "get value(): there is no such entry in the context"),
            ("context put({}, [], 1)", "context put(): the keys must be strings, at least one"),
            ("context([{key: 1}])", "context(): each entry must be a context of a string 'key' and a 'value'"),
            (r#"from json("{")"#, "from json(): the text is not JSON, or nested too deep"),
        ],
    );
    let failed = |source: &str| run(source, r#"{"x": 0}"#).expect_err(source).to_string();
    assert_eq!(failed(r#"= assert(x, x > 0, "x must be positive")"#), "assert(): x must be positive");
    assert_eq!(failed("= assert(x, x > null)"), "assert(): the condition is not true");
}

#[test]
fn arguments_by_name() {
    table(
        NONE,
        &[
            (r#"substring(string: "foobar", start position: 3)"#, r#""obar""#),
            (r#"substring(length: 2, string: "foobar", start position: 3)"#, r#""ob""#),
            (r#"number(from: "1,5", decimal separator: ",")"#, "1.5"),
            ("sum(list: [1, 2])", "3"),
            ("not(negand: false)", "true"),
            (r#"contains(match: "o", string: "foo")"#, "true"),
            ("append(list: [1], items: 2)", "[1, 2]"),
        ],
    );
    refused(&[
        ("substring(string: a)", "substring() has no such parameters, or lacks one", 9, "substring(string, start position, length?)"),
        ("substring(string: a, string: b, start position: 1)", "substring() has no such parameters, or lacks one", 9, ""),
        ("substring(text: a, start position: 1)", "substring() has no such parameters, or lacks one", 9, ""),
        (
            "substring(string: a, 1)",
            "expected the name of a parameter and a colon, as before the argument before it, found a number",
            21,
            "",
        ),
    ]);
}

#[test]
fn what_would_be_random_is_refused() {
    refused(&[
        ("uuid()", "uuid() would give something else each time its unit of work runs again", 4, "a delegate or a worker"),
        ("random number()", "random number() would give something else each time its unit of work runs again", 13, "draw"),
        ("assert(x, y, z)", "the cause of assert() must be a fixed text", 6, "values of variables are not shown in incidents"),
    ]);
}
