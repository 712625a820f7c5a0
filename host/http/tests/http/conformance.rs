//! One small model for each thing that the standard defines, run by a real host: which tasks were done, and how often. Those in the tables
//! `SUITE` are the models of a public suite (`suite.rs`) in our own words, under their names there, with its inputs and what it expects;
//! those in `OURS` are what it has no model for.
//!
//! A model is written in short: elements without a prefix, `{s>t1>e}` for sequence flows, `{g>t1 ? n > 1}` for one with a FEEL condition.
//! What a flow names and nobody declares is a start event (`s…`), an end event (`e…`) or a task (`t…`).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::common::Host;

mod activities;
mod basics;
mod compensation;
mod delegates;
mod errors;
mod events;
mod gateways;
mod messages;
mod patterns;
mod signals;
mod suite;
mod timers;

/// A model and what happens to it.
struct Case {
    /// For people; the suite's name, if it has the model.
    name: &'static str,
    /// What stands beside the process `p`: messages, signals, other processes.
    beside: &'static str,
    /// What stands in it.
    process: &'static str,
    /// For each run, the variables at the start, as JSON, and what is expected.
    runs: &'static [(&'static str, &'static str)],
}

/// How long a model is given.
const HOUR_MS: i64 = 3_600_000;

/// The deployment is refused.
const REFUSED: &str = "refused";
/// The start fails.
const FAILS: &str = "fails";

/// Without variables.
const PLAIN: &str = "{}";
const A: &str = r#"{"test": "a"}"#;
const B: &str = r#"{"test": "b"}"#;
const C: &str = r#"{"test": "c"}"#;
const AB: &str = r#"{"test": "ab"}"#;
const AC: &str = r#"{"test": "ac"}"#;
const BC: &str = r#"{"test": "bc"}"#;
const ABC: &str = r#"{"test": "abc"}"#;

/// Runs all cases and tells of all that went wrong.
///
/// Expected are the numbers of the tasks `t…` that were completed, in their order; behind `~`, in any order. Then `E` if an error has left
/// the process `p`, and `!` if its instance goes on to wait.
async fn run(cases: &[Case]) {
    let mut wrong = String::new();
    for case in cases {
        for (variables, expected) in case.runs {
            let found = one(case, variables).await;
            let same = match expected.strip_prefix('~') {
                Some(expected) => sorted(expected) == sorted(&found),
                None => *expected == found,
            };
            if !same {
                writeln!(wrong, "{} with {variables}: expected {expected}, found {found}", case.name).expect("text grows");
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

fn sorted(text: &str) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters.into_iter().collect()
}

async fn one(case: &Case, variables: &str) -> String {
    let host = Host::open_under_a_set_clock().await;
    let model = written(case.beside, case.process);
    let deployed = host.upload("/engine-rest/deployment/create", &[("deployment-name", "d")], &[("p.bpmn", model.as_bytes())]).await;
    if deployed.status != 200 {
        host.close().await;
        let expected = case.runs.iter().any(|(_, expected)| *expected == REFUSED);
        return if expected { REFUSED.to_owned() } else { deployed.value()["message"].as_str().expect("a message").to_owned() };
    }
    let variables: Value = serde_json::from_str(variables).expect("JSON");
    let typed = |(name, value): (&String, &Value)| (name.clone(), json!({ "value": value }));
    let variables: serde_json::Map<_, _> = variables.as_object().expect("an object").iter().map(typed).collect();
    // Others first: they wait for what the process sends.
    for other in ["q", "r"] {
        if case.beside.contains(&format!("<process id='{other}' isExecutable='true'><startEvent id='s{other}'/>")) {
            host.start(other, json!({})).await;
        }
    }
    let started = host.post("/engine-rest/process-definition/key/p/start", json!({ "variables": variables })).await;
    if started.status != 200 {
        host.close().await;
        return FAILS.to_owned();
    }
    let found = outcome(&host, &started.ok()["id"]).await;
    host.check_store().await;
    host.close().await;
    found
}

/// What was done within an hour, all processes together, and whether the instance is still there.
async fn outcome(host: &Host, instance: &Value) -> String {
    let runtime = host.runtime();
    runtime.set_clock(runtime.now() + HOUR_MS).await.expect("the clock moves, and all that is due runs");
    let done = host.get("/engine-rest/history/activity-instance?finished=true&sortBy=occurrence&sortOrder=asc").await.ok();
    let number = |row: &Value| {
        // A multi-instance body is an activity of its own; a global task stands in a process of its own.
        let id = row["activityId"].as_str()?.strip_prefix('t')?;
        let id = Some(id.trim_end_matches("_task")).filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()))?;
        (row["canceled"] == json!(false)).then(|| id.to_owned())
    };
    let done = done.as_array().expect("a list");
    let mut found: String = done.iter().filter_map(number).collect();
    if done.iter().any(|row| row["activityType"] == "errorEndEvent" && row["parentActivityInstanceId"] == *instance) {
        found.push('E');
    }
    let path = format!("/engine-rest/process-instance/{}", instance.as_str().expect("an id"));
    if host.get(&path).await.status == 200 {
        found.push('!');
    }
    found
}

/// The whole file, with these elements beside the process and in it.
fn written(beside: &str, process: &str) -> String {
    let all = format!("{beside}<process id='p' isExecutable='true'>{process}</process>");
    let mut declared: BTreeSet<String> = all.split(" id='").skip(1).filter_map(|rest| rest.split('\'').next()).map(str::to_owned).collect();
    format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' \
         xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' targetNamespace='t'>{}</definitions>",
        written_out(&all, &mut declared)
    )
}

/// Writes out the short form of sequence flows, each in its place.
fn written_out(text: &str, declared: &mut BTreeSet<String>) -> String {
    let mut xml = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        xml += before;
        let (chain, after) = after.split_once('}').expect("a flow ends with a brace");
        let (chain, condition) = chain.split_once('?').map_or((chain, None), |(chain, condition)| (chain, Some(condition.trim())));
        let nodes: Vec<_> = chain.split('>').map(str::trim).collect();
        for node in &nodes {
            if declared.insert((*node).to_owned()) {
                let kind = match node.chars().next() {
                    Some('s') => "startEvent",
                    Some('e') => "endEvent",
                    Some('t') => "task",
                    _ => panic!("nobody declares {node}"),
                };
                write!(xml, "<{kind} id='{node}'/>").expect("text grows");
            }
        }
        for pair in nodes.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let condition = condition.map_or(String::new(), |condition| {
                let condition = condition.replace('<', "&lt;");
                format!("<conditionExpression xsi:type='tFormalExpression'>= {condition}</conditionExpression>")
            });
            write!(xml, "<sequenceFlow id='{from}_{to}' sourceRef='{from}' targetRef='{to}'>{condition}</sequenceFlow>")
                .expect("text grows");
        }
        rest = after;
    }
    xml + rest
}
