//! From the catalogue's text to commands.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::command::{Answers, Command, Credentials, Grant, Reconcile, Target, Undo};
use crate::error::Problem;
use crate::quantity;
use crate::reader::{Located, Problems, Table};
use crate::redact::Redaction;
use crate::request::{IDEMPOTENCY_KEY, TENANT_ID, TRACEPARENT};
use crate::template::Template;

const TARGET_KEYS: &[&str] = &["url", "in-flight", "rate", "arrives-within", "reuse-connections", "credentials"];
const CREDENTIAL_KEYS: &[&str] = &["header", "env", "prefix"];
const COMMAND_KEYS: &[&str] = &[
    "target",
    "method",
    "path",
    "timeout",
    "applied",
    "rejected",
    "unavailable",
    "code-at",
    "message-at",
    "honours-key",
    "reconcile",
    "undo",
    "do-not-store",
    "max-response",
    "grants",
];
const RECONCILE_KEYS: &[&str] = &["method", "path", "applied", "rejected", "not-applied", "reply-at"];
const GRANT_KEYS: &[&str] = &["tenants", "delegates"];

/// Enough to keep a service busy, few enough that a slow one is not buried.
const DEFAULT_IN_FLIGHT: usize = 16;

/// Each place may hold a connection and an answer in memory.
const MAX_IN_FLIGHT: u64 = 10_000;

/// Longer than a command should take, shorter than people wait.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// A job's lock outlives the calls made under it, so that a call cannot be open for long.
const MAX_TIMEOUT: Duration = Duration::from_mins(5);

/// Covers retransmission and queues of an ordinary network, and a service that stalls for a while.
const DEFAULT_ARRIVES_WITHIN: Duration = Duration::from_secs(30);

/// An hour of doubt is a matter for people.
const MAX_ARRIVES_WITHIN: Duration = Duration::from_hours(1);

/// A small decision result, which is what variables are to hold.
const DEFAULT_MAX_RESPONSE: usize = 64 << 10;

/// Answers are held in memory whole, as many as requests are in flight.
const MAX_MAX_RESPONSE: u64 = 16 << 20;

/// Names are keys of ledger rows and labels of metrics.
const MAX_NAME: usize = 200;

/// All commands of the text, or all problems.
pub(crate) fn commands(
    file: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, Command>, Vec<Problem>> {
    let problems = Problems::new(file, text);
    let Some(document) = problems.document() else {
        return Err(problems.into_list());
    };
    let mut commands = BTreeMap::new();
    {
        let root = Table::root(&problems, &document, &["targets", "commands"]);
        let mut declared = BTreeSet::new();
        let mut targets = BTreeMap::new();
        for (name, table) in root.named_tables("targets", TARGET_KEYS) {
            declared.insert(name.value.clone());
            if let Some(target) = target(&name, &table, environment) {
                targets.insert(name.value, Arc::new(target));
            }
        }
        let tables = root.named_tables("commands", COMMAND_KEYS);
        let names: BTreeSet<&str> = tables.iter().map(|(name, _)| name.value.as_str()).collect();
        let known = Known { declared: &declared, targets: &targets, commands: &names };
        for (name, table) in &tables {
            if let Some(command) = command(name, table, &known) {
                commands.insert(name.value.clone(), command);
            }
        }
    }
    let problems = problems.into_list();
    if problems.is_empty() { Ok(commands) } else { Err(problems) }
}

/// What a command may refer to. A target with a problem is declared without being usable: it is complained of once.
struct Known<'a> {
    declared: &'a BTreeSet<String>,
    targets: &'a BTreeMap<String, Arc<Target>>,
    commands: &'a BTreeSet<&'a str>,
}

fn target(name: &Located<String>, table: &Table<'_>, environment: &dyn Fn(&str) -> Option<String>) -> Option<Target> {
    let url = table.required_text("url", "where the service is, for example \"http://127.0.0.1:8090\"");
    let url = url.and_then(|url| match base(&url.value) {
        Ok(parsed) => Some(parsed),
        Err((what, remedy)) => {
            table.problem_at("url", &url.span, what, remedy);
            None
        }
    });
    let rate = table.text("rate").map(|text| {
        let rate = quantity::rate(&text.value);
        if rate.is_none() {
            let what = format!("{:?} is not a rate", text.value);
            table.problem_at("rate", &text.span, what, "write for example \"200/s\", \"600/m\" or \"1000/h\"");
        }
        rate
    });
    let credentials = table.has("credentials").then(|| credentials(&table.table("credentials", CREDENTIAL_KEYS)?, environment));
    let in_flight = table.integer("in-flight", 1..=MAX_IN_FLIGHT).and_then(|n| usize::try_from(n).ok());
    let arrives_within = table.duration("arrives-within", Duration::ZERO..=MAX_ARRIVES_WITHIN);
    Some(Target {
        name: name.value.clone(),
        url: url?,
        in_flight: in_flight.unwrap_or(DEFAULT_IN_FLIGHT),
        rate: rate.flatten(),
        credentials: credentials.flatten(),
        arrives_within: arrives_within.unwrap_or(DEFAULT_ARRIVES_WITHIN),
        reuse_connections: table.boolean("reuse-connections").unwrap_or(false),
    })
}

/// The base URL of a target, without a slash at its end.
fn base(text: &str) -> Result<Url, (String, &'static str)> {
    let url = Url::parse(text).map_err(|error| (format!("this is not a URL: {error}"), "write http:// or https:// and the host"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(("this is not an HTTP URL".to_owned(), "write http:// or https:// and the host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(("the URL holds a user or password".to_owned(), "put them into the environment and name it in credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("the URL has a query or fragment".to_owned(), "put a query into the commands' paths"));
    }
    Ok(url)
}

fn credentials(table: &Table<'_>, environment: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    let header = table.required_text("header", "the header that carries them, for example \"Authorization\"");
    let variable = table.required_text("env", "the environment variable that holds them");
    let prefix = table.text("prefix").map(|prefix| prefix.value).unwrap_or_default();
    let name = header.and_then(|text| {
        let name = HeaderName::try_from(text.value.as_str()).ok().filter(|name| !is_ours(name));
        if name.is_none() {
            let what = format!("{:?} cannot carry credentials", text.value);
            table.problem_at("header", &text.span, what, "name a header that the host does not set itself");
        }
        name
    });
    let variable = variable?;
    let secret = environment(&variable.value).filter(|secret| !secret.is_empty());
    let Some(secret) = secret else {
        let what = format!("the environment variable {} is not set", variable.value);
        table.problem_at("env", &variable.span, what, "set it for the host's process");
        return None;
    };
    // The parse error of a header value does not quote the value, but neither does our text, to be sure.
    let Ok(mut value) = HeaderValue::try_from(format!("{prefix}{secret}")) else {
        let what = format!("the environment variable {} holds what no header can carry", variable.value);
        table.problem_at("env", &variable.span, what, "remove line breaks and control characters from it");
        return None;
    };
    value.set_sensitive(true);
    Some(Credentials { header: name?, value })
}

/// Headers that the host or its HTTP client sets.
fn is_ours(name: &HeaderName) -> bool {
    [IDEMPOTENCY_KEY, TENANT_ID, TRACEPARENT].contains(&name.as_str())
        || [
            header::HOST,
            header::CONTENT_TYPE,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
            header::ACCEPT,
            header::USER_AGENT,
        ]
        .contains(name)
}

fn command(name: &Located<String>, table: &Table<'_>, known: &Known<'_>) -> Option<Command> {
    if let Err((what, remedy)) = check_name(&name.value) {
        table.problem(what, &remedy);
    }
    let target =
        table.required_text("target", "the name of the target it is sent to").and_then(|target| find_target(table, &target, known));
    let method = method(table, &[Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE]);
    let method = if table.has("method") { method } else { Some(Method::POST) };
    let path = path(table);
    let answers = answers(table);
    let reconcile = table.has("reconcile").then(|| reconcile(&table.table("reconcile", RECONCILE_KEYS)?));
    let undo = undo(name, table, known);
    let redact = redactions(table);
    let timeout = table.duration("timeout", Duration::from_millis(1)..=MAX_TIMEOUT);
    let max_response = table.size("max-response", 1..=MAX_MAX_RESPONSE).and_then(|n| usize::try_from(n).ok());
    let honours_key = table.boolean("honours-key");
    let grants = grants(table);
    let method = method?;
    Some(Command {
        name: name.value.clone(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        // RFC 9110 section 9.2.1: GET is safe, so that sending it again does no harm.
        honours_key: honours_key.unwrap_or(method == Method::GET),
        undo: undo?,
        redact,
        grants,
        target: target?,
        method,
        path: path?,
        answers: answers?,
        reconcile: reconcile.flatten(),
        max_response: max_response.unwrap_or(DEFAULT_MAX_RESPONSE),
    })
}

/// `domain.name@N`: letters, digits, `-` and `_`, at least one dot, a version without leading zeros.
fn check_name(name: &str) -> Result<(), (String, String)> {
    let Some((stem, version)) = name.split_once('@') else {
        let remedy = format!("write \"{name}@1\"; a changed meaning is a new version");
        return Err((format!("the name {name:?} has no contract version"), remedy));
    };
    let numbered = !version.is_empty() && !version.starts_with('0') && version.bytes().all(|b| b.is_ascii_digit());
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !numbered || !stem.contains('.') || !stem.split('.').all(word) || name.len() > MAX_NAME {
        return Err((
            format!("{name:?} is not the name of a command"),
            format!("write domain.name@version in at most {MAX_NAME} characters, for example \"orders.reserve-line@1\""),
        ));
    }
    Ok(())
}

fn find_target(table: &Table<'_>, name: &Located<String>, known: &Known<'_>) -> Option<Arc<Target>> {
    if !known.declared.contains(&name.value) {
        let what = format!("there is no target {:?}", name.value);
        let targets: Vec<_> = known.declared.iter().map(String::as_str).collect();
        let remedy = if targets.is_empty() {
            format!("add a table [targets.{}]", name.value)
        } else {
            format!("the targets are {}", targets.join(", "))
        };
        table.problem_at("target", &name.span, what, &remedy);
    }
    known.targets.get(&name.value).cloned()
}

fn method(table: &Table<'_>, allowed: &[Method]) -> Option<Method> {
    let text = table.text("method")?;
    let found = allowed.iter().find(|method| method.as_str() == text.value).cloned();
    if found.is_none() {
        let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
        let what = format!("{:?} is not a method for this", text.value);
        table.problem_at("method", &text.span, what, &format!("write one of {}", names.join(", ")));
    }
    found
}

fn path(table: &Table<'_>) -> Option<Template> {
    let text = table.required_text("path", "the path below the target's URL")?;
    match Template::parse(&text.value) {
        Ok(template) => Some(template),
        Err((what, remedy)) => {
            table.problem_at("path", &text.span, what, remedy);
            None
        }
    }
}

fn answers(table: &Table<'_>) -> Option<Answers> {
    table.require("applied", "the HTTP statuses that mean it was done, for example [200]");
    let [applied, rejected, unavailable] = distinct(table, ["applied", "rejected", "unavailable"]);
    Some(Answers {
        applied: filled(table, "applied", applied)?,
        rejected: rejected.unwrap_or_default(),
        unavailable: unavailable.unwrap_or_default(),
        code_at: pointer(table, "code-at", "/code")?,
        message_at: pointer(table, "message-at", "/message")?,
    })
}

fn reconcile(table: &Table<'_>) -> Option<Reconcile> {
    let method = if table.has("method") { method(table, &[Method::GET, Method::HEAD]) } else { Some(Method::GET) };
    let path = path(table);
    if path.as_ref().is_some_and(|path| !path.varies()) {
        table.problem("the query is the same for every attempt".to_owned(), "put {key} into its path");
    }
    table.require("applied", "the HTTP statuses that mean it was applied, for example [200]");
    table.require("not-applied", "the HTTP statuses that mean it was not, for example [404]");
    let [applied, rejected, not_applied] = distinct(table, ["applied", "rejected", "not-applied"]);
    Some(Reconcile {
        method: method?,
        path: path?,
        applied: filled(table, "applied", applied)?,
        rejected: rejected.unwrap_or_default(),
        not_applied: filled(table, "not-applied", not_applied)?,
        reply_at: pointer(table, "reply-at", "")?,
    })
}

/// Three lists of statuses, of which none may be in two.
fn distinct(table: &Table<'_>, keys: [&str; 3]) -> [Option<Vec<u16>>; 3] {
    let mut seen: BTreeMap<u16, &str> = BTreeMap::new();
    keys.map(|key| {
        let statuses = table.statuses(key)?;
        for status in &statuses {
            if let Some(earlier) = seen.insert(status.value, key) {
                let what = format!("status {} is in {earlier} already", status.value);
                table.problem_at(key, &status.span, what, "leave it in one list");
            }
        }
        Some(statuses.into_iter().map(|status| status.value).collect())
    })
}

fn filled(table: &Table<'_>, key: &str, statuses: Option<Vec<u16>>) -> Option<Vec<u16>> {
    let statuses = statuses?;
    if statuses.is_empty() {
        table.problem(format!("{key} is empty"), "list at least one status");
    }
    Some(statuses)
}

/// RFC 6901 section 3: a pointer is empty or starts with a slash.
fn pointer(table: &Table<'_>, key: &str, default: &str) -> Option<String> {
    let Some(text) = table.text(key) else {
        return Some(default.to_owned());
    };
    if text.value.is_empty() || text.value.starts_with('/') {
        return Some(text.value);
    }
    let what = format!("{:?} is not a JSON pointer", text.value);
    table.problem_at(key, &text.span, what, &format!("write \"/{}\"", text.value));
    None
}

fn undo(name: &Located<String>, table: &Table<'_>, known: &Known<'_>) -> Option<Undo> {
    let text = table.required_text("undo", "the name of the command that undoes it, or \"nothing\"")?;
    if text.value == "nothing" {
        return Some(Undo::Nothing);
    }
    if text.value == name.value {
        table.problem_at("undo", &text.span, "a command cannot undo itself".to_owned(), "write \"nothing\" if nothing undoes it");
    } else if !known.commands.contains(text.value.as_str()) {
        let what = format!("there is no command {:?}", text.value);
        table.problem_at("undo", &text.span, what, "add it to the catalogue, or write \"nothing\"");
    }
    Some(Undo::Command(text.value))
}

fn redactions(table: &Table<'_>) -> Vec<Redaction> {
    let mut redactions = Vec::new();
    for text in table.texts("do-not-store").unwrap_or_default() {
        if let Some(redaction) = Redaction::parse(&text.value) {
            redactions.push(redaction);
        } else {
            let what = format!("{:?} names no field", text.value);
            table.problem_at("do-not-store", &text.span, what, "write a JSON pointer, \"/card/number\", or a field's name, \"cvv\"");
        }
    }
    redactions
}

fn grants(table: &Table<'_>) -> Vec<Grant> {
    let mut grants = Vec::new();
    for grant in table.tables("grants", GRANT_KEYS) {
        grant.require("tenants", "the tenants it is for; \"*\" for all, \"\" for instances without a tenant");
        grant.require("delegates", "the delegates that may have the command; \"*\" for all");
        let list = |key: &str| -> Vec<String> {
            let texts = grant.texts(key);
            if texts.as_ref().is_some_and(Vec::is_empty) {
                grant.problem(format!("{key} is empty"), "name one, or remove the grant");
            }
            texts.unwrap_or_default().into_iter().map(|text| text.value).collect()
        };
        grants.push(Grant { tenants: list("tenants"), delegates: list("delegates") });
    }
    grants
}
