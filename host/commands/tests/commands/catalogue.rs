//! What a catalogue says, and how a wrong one is refused.

use crate::property;
use std::path::Path;
use std::time::Duration;

use mandate_commands::{Catalogue, Error, Grant, NOT_STORED, Redaction, Refusal, Request, Undo};
use serde_json::json;

const SECRET: &str = "s3cr3t-t0k3n";

/// A catalogue with everything in it.
const GOOD: &str = r#"
[targets.orders]
url = "http://127.0.0.1:8090"
in-flight = 16
rate = "200/s"
arrives-within = "20s"
credentials = { header = "Authorization", env = "ORDERS_TOKEN", prefix = "Bearer " }

[targets.billing]
url = "https://billing.example/api"

[commands."orders.reserve-line@1"]
target = "orders"
method = "POST"
path = "/commands/reserve-line"
timeout = "5s"
applied = [200, 201]
rejected = [409, 422]
unavailable = [503, 429]
honours-key = true
reconcile = { method = "GET", path = "/commands/by-key/{key}", applied = [200], not-applied = [404] }
undo = "orders.release-line@1"
do-not-store = ["/card/number", "cvv"]
max-response = "64 KiB"
grants = [ { tenants = ["acme", ""], delegates = ["reserve-line"] }, { tenants = ["*"], delegates = ["repair"] } ]

[commands."orders.release-line@1"]
target = "orders"
path = "/commands/release-line"
applied = [200]
undo = "nothing"
"#;

fn environment(name: &str) -> Option<String> {
    match name {
        "ORDERS_TOKEN" => Some(SECRET.to_owned()),
        "EMPTY" => Some(String::new()),
        "BROKEN" => Some(format!("{SECRET}\nX-Evil: 1")),
        _ => None,
    }
}

fn parse(text: &str) -> Result<Catalogue, Error> {
    Catalogue::parse_with("catalogue.toml", text, environment)
}

/// The problems of a text, each as its one line.
fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Err(Error::Invalid { problems }) => problems.iter().map(ToString::to_string).collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

/// Asserts that the good catalogue with `from` replaced by `to` has exactly one problem, which says all of `expected`.
fn one_problem(from: &str, to: &str, expected: &[&str]) {
    assert!(GOOD.contains(from), "{from:?} is in the good catalogue");
    let found = problems(&GOOD.replacen(from, to, 1));
    assert_eq!(found.len(), 1, "{found:#?}");
    for part in expected {
        assert!(found[0].contains(part), "{part:?} is in {:?}", found[0]);
    }
}

#[test]
fn a_good_catalogue_is_read_whole() {
    let catalogue = parse(GOOD).unwrap();
    let names: Vec<_> = catalogue.commands().map(|command| command.name.as_str()).collect();
    assert_eq!(names, ["orders.release-line@1", "orders.reserve-line@1"]);

    let reserve = catalogue.get("orders.reserve-line@1").unwrap();
    assert_eq!(reserve.timeout, Duration::from_secs(5));
    assert!(reserve.honours_key && reserve.reconcilable());
    assert_eq!(reserve.target(), "orders");
    assert_eq!(reserve.undo, Undo::Command("orders.release-line@1".into()));
    assert_eq!(reserve.redact, [Redaction::Pointer(vec!["card".into(), "number".into()]), Redaction::Field("cvv".into())]);
    assert_eq!(reserve.grants[1], Grant { tenants: vec!["*".into()], delegates: vec!["repair".into()] });
    assert_eq!(reserve.last_arrival(1_000), 1_000 + 5_000 + 20_000);

    let release = catalogue.get("orders.release-line@1").unwrap();
    assert_eq!(release.undo, Undo::Nothing);
    assert_eq!(release.timeout, Duration::from_secs(10));
    assert!(!release.honours_key && !release.reconcilable() && release.grants.is_empty());
}

#[test]
fn an_empty_catalogue_has_no_commands() {
    assert_eq!(Catalogue::empty().commands().count(), 0);
    assert_eq!(parse("").unwrap().commands().count(), 0);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = std::env::temp_dir().join("mandate-no-such-catalogue.toml");
    let error = Catalogue::load(&missing).unwrap_err();
    assert!(matches!(error, Error::Read { .. }));
    assert!(error.to_string().contains("mandate-no-such-catalogue.toml"), "{error}");
}

#[test]
fn a_grant_names_tenant_and_delegate() {
    let catalogue = parse(GOOD).unwrap();
    let name = "orders.reserve-line@1";
    for (tenant, delegate) in [(Some("acme"), "reserve-line"), (None, "reserve-line"), (Some("other"), "repair"), (None, "repair")] {
        assert_eq!(catalogue.grant(name, tenant, delegate).map(|c| c.name.as_str()), Ok(name));
    }
    assert!(matches!(catalogue.grant(name, Some("other"), "reserve-line"), Err(Refusal::Tenant { .. })));
    for stranger in ["submit", "reserve", "reserve-line-2", "*", ""] {
        assert!(matches!(catalogue.grant(name, Some("acme"), stranger), Err(Refusal::Delegate { .. })), "{stranger}");
    }
    assert!(
        matches!(catalogue.grant("orders.release-line@1", None, "repair"), Err(Refusal::Delegate { .. })),
        "nobody has a command without grants"
    );
}

#[test]
fn an_unknown_command_is_refused_with_the_versions_there_are() {
    let refusal = parse(GOOD).unwrap().grant("orders.reserve-line@2", None, "repair").map(drop).unwrap_err();
    assert_eq!(refusal.to_string(), "the catalogue has no command orders.reserve-line@2; it has orders.reserve-line@1");
}

#[test]
fn fields_that_must_not_be_stored_are_replaced() {
    let catalogue = parse(GOOD).unwrap();
    let body = json!({"card": {"number": "4111", "holder": "A"}, "items": [{"cvv": 123}]});
    assert_eq!(
        catalogue.get("orders.reserve-line@1").unwrap().redact(&body),
        json!({"card": {"number": NOT_STORED, "holder": "A"}, "items": [{"cvv": NOT_STORED}]})
    );
    assert_eq!(catalogue.get("orders.release-line@1").unwrap().redact(&body), body);
}

#[test]
fn a_digest_depends_on_command_and_body_alone() {
    let catalogue = parse(GOOD).unwrap();
    let [release, reserve] = [catalogue.get("orders.release-line@1").unwrap(), catalogue.get("orders.reserve-line@1").unwrap()];
    let body = json!({"a": [1, {"x": null}], "b": "2"});
    let same: serde_json::Value = serde_json::from_str(r#"{"b":"2","a":[1,{"x":null}]}"#).unwrap();
    let other = json!({"a": [1, {"x": null}], "b": 2});
    let of = |key, body, command| Request { key, tenant: None, traceparent: None, body }.digest(command);
    let digest = of("k", &body, reserve);
    assert_eq!(digest.len(), 64);
    assert_eq!(digest, of("another key", &same, reserve));
    assert_ne!(digest, of("k", &other, reserve));
    assert_ne!(digest, of("k", &body, release));
}

#[test]
fn all_problems_are_listed_at_once_in_the_order_of_lines() {
    let text = r#"[targets.orders]
url = "ftp://example"
in_flight = 3
[commands."reserve-line"]
target = "order"
path = "commands"
timeout = "5 parsecs"
applied = []
"#;
    let found = problems(text);
    let lines: Vec<_> = found.iter().map(|p| p.split(':').nth(1).unwrap().to_owned()).collect();
    assert_eq!(lines, ["2", "3", "4", "4", "4", "5", "6", "7"], "{found:#?}");
    for (found, expected) in found.iter().zip([
        "catalogue.toml:2: targets.orders.url: this is not an HTTP URL; write http:// or https:// and the host",
        "catalogue.toml:3: targets.orders: there is no key \"in_flight\" here; allowed are url, in-flight, rate",
        "catalogue.toml:4: commands.reserve-line: ",
        "catalogue.toml:4: commands.reserve-line: ",
        "catalogue.toml:4: commands.reserve-line: ",
        "catalogue.toml:5: commands.reserve-line.target: there is no target \"order\"; the targets are orders",
        "catalogue.toml:6: commands.reserve-line.path: \"commands\" is not a path; start it with one slash",
        "catalogue.toml:7: commands.reserve-line.timeout: \"5 parsecs\" is not a duration; write for example",
    ]) {
        assert!(found.starts_with(expected), "{found:?} starts with {expected:?}");
    }
    for part in ["has no contract version; write \"reserve-line@1\"", "undo is missing", "applied is empty"] {
        assert!(found.iter().any(|p| p.contains(part)), "{part:?} is in {found:#?}");
    }
    let error = parse(text).unwrap_err().to_string();
    assert!(error.starts_with("use the catalogue, which has 8 problems:\n  catalogue.toml:2: "), "{error}");
}

#[test]
fn syntax_errors_have_a_line() {
    let found = problems("[targets.orders]\nurl = \n");
    assert!(found[0].starts_with("catalogue.toml:2: "), "{found:#?}");
    let twice = problems("[targets.orders]\nurl = \"http://a\"\nurl = \"http://b\"\n");
    assert!(twice[0].starts_with("catalogue.toml:3: "), "{twice:#?}");
}

#[test]
fn a_command_is_named_domain_name_and_version() {
    for bad in ["orders.x", "orders.x@", "orders.x@0", "orders.x@01", "orders.x@v1", "x@1", "orders.@1", ".x@1", "orders x.y@1"] {
        let found = problems(&GOOD.replace("orders.release-line@1", bad));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("commands."), "{found:#?}");
    }
}

#[test]
fn targets_are_checked() {
    let url = "\"http://127.0.0.1:8090\"";
    one_problem(url, "\"127.0.0.1:8090\"", &[":3:", "targets.orders.url"]);
    one_problem(url, "\"http://me:pw@host\"", &["holds a user or password", "environment"]);
    one_problem(url, "\"http://host?a=b\"", &["query or fragment"]);
    one_problem(url, "7", &["targets.orders.url", "write a text in quotes"]);
    one_problem("in-flight = 16", "in-flight = 0", &["from 1 to 10000"]);
    one_problem("\"200/s\"", "\"200\"", &["is not a rate", "\"600/m\""]);
    one_problem("\"20s\"", "\"2h\"", &["out of bounds"]);
    one_problem("rate =", "speed =", &["there is no key \"speed\"", "allowed are url, in-flight, rate"]);
}

#[test]
fn credentials_come_from_a_variable_that_is_set_and_are_never_shown() {
    one_problem("ORDERS_TOKEN", "NOWHERE", &["targets.orders.credentials.env", "variable NOWHERE is not set"]);
    one_problem("ORDERS_TOKEN", "EMPTY", &["variable EMPTY is not set"]);
    one_problem("ORDERS_TOKEN", "BROKEN", &["variable BROKEN holds what no header can carry"]);
    one_problem("\"Authorization\"", "\"Idempotency-Key\"", &["cannot carry credentials"]);
    one_problem("\"Authorization\"", "\"Content-Length\"", &["cannot carry credentials"]);
    one_problem("env = \"ORDERS_TOKEN\", ", "", &["env is missing"]);
    let broken = problems(&GOOD.replace("ORDERS_TOKEN", "BROKEN"));
    assert!(!broken[0].contains(SECRET), "{broken:?}");
}

#[test]
fn statuses_are_listed_once_and_are_statuses() {
    one_problem("rejected = [409, 422]", "rejected = [409, 200]", &["status 200 is in applied already"]);
    one_problem("[503, 429]", "[503, 100]", &["from 200 to 599"]);
    one_problem("[503, 429]", "503", &["a list of HTTP statuses"]);
    one_problem("applied = [200, 201]\n", "", &["applied is missing"]);
    one_problem("not-applied = [404]", "not-applied = [200]", &["reconcile.not-applied", "already"]);
}

#[test]
fn a_reconcile_query_says_everything_explicitly() {
    one_problem(", not-applied = [404]", "", &["not-applied is missing"]);
    one_problem("/by-key/{key}", "/by-key", &["the same for every attempt", "{key}"]);
    one_problem("method = \"GET\"", "method = \"POST\"", &["GET, HEAD"]);
}

#[test]
fn other_keys_of_a_command_are_checked() {
    one_problem("\"orders.release-line@1\"\ndo", "\"orders.nothing@1\"\ndo", &["there is no command \"orders.nothing@1\""]);
    one_problem("\"orders.release-line@1\"\ndo", "\"orders.reserve-line@1\"\ndo", &["cannot undo itself"]);
    one_problem("method = \"POST\"", "method = \"TRACE\"", &["GET, POST, PUT, PATCH, DELETE"]);
    one_problem("\"5s\"", "\"10m\"", &["out of bounds"]);
    one_problem("\"5s\"", "5", &["timeout", "a text in quotes"]);
    one_problem("\"64 KiB\"", "\"64 KB\"", &["is not a size"]);
    one_problem("honours-key = true", "honours-key = \"yes\"", &["write true or false"]);
    one_problem("honours-key = true", "code-at = \"code\"", &["is not a JSON pointer", "\"/code\""]);
    one_problem("\"cvv\"", "\"a/b\"", &["names no field"]);
    one_problem("tenants = [\"acme\", \"\"], ", "", &["grants[0]", "tenants is missing"]);
    one_problem("delegates = [\"repair\"]", "delegates = []", &["grants[1]", "delegates is empty"]);
    one_problem("delegates = [\"repair\"]", "delegates = [\"repair\"], users = []", &["\"users\"", "tenants, delegates"]);
}

#[test]
fn a_target_with_a_problem_is_complained_of_once() {
    one_problem("\"http://127.0.0.1:8090\"", "\"nonsense\"", &["targets.orders.url"]);
}

#[test]
fn the_example_in_the_documentation_is_a_catalogue() {
    let source = include_str!("../../src/catalogue.rs");
    let example: String = source
        .lines()
        .skip_while(|line| *line != "/// ```toml")
        .skip(1)
        .take_while(|line| *line != "/// ```")
        .map(|line| line.trim_start_matches("///").to_owned() + "\n")
        .collect();
    let found = problems(&example);
    assert_eq!(found.len(), 1, "its undo is not part of the example: {found:#?}");
    assert!(found[0].contains("there is no command \"orders.release-line@1\""), "{found:#?}");
}

#[test]
fn the_catalogue_that_ships_is_valid() {
    let text = include_str!("../../../../examples/order-service/catalogue.toml");
    let catalogue = Catalogue::parse("catalogue.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let granted = catalogue.commands().all(|command| !command.grants.is_empty());
    assert!(granted && catalogue.get("orders.reserve-line@1").is_some());
}

/// The fuzz target begins with the same files.
#[test]
fn the_corpus_is_read_or_refused_with_its_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::fs::read_dir(root.join("corpus")).unwrap().map(|entry| entry.unwrap().path());
    for path in corpus.chain([root.join("../../examples/order-service/catalogue.toml")]) {
        let text = std::fs::read_to_string(&path).unwrap();
        property::catalogue(&text);
        // Cut anywhere, it is another text.
        for end in (0..text.len()).filter(|end| text.is_char_boundary(*end)) {
            property::catalogue(&text[..end]);
        }
    }
}
