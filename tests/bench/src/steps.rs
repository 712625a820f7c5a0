//! Instructions instead of time: what a step of the pure engine costs, the same on every run of the same build.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, ensure};
use mandate_runtime::engine::Chain;
use mandate_tests::program::root;
use serde_json::json;

use crate::callgrind;
use crate::drive::{Driver, measured};
use crate::host::{order, variables};
use crate::scenarios;

/// Scenarios whose inputs are counted.
const SCENARIOS: &[&str] = &["S1", "S3", "S4"];

/// Instances under callgrind. The first ones of a process cost a little more, and all of them must not take minutes.
const INSTANCES: u32 = 200;

/// The first argument with which `bench` drives a scenario, the second one, so many times, the third one, for callgrind. It prints how
/// often each measured function was called, as JSON.
pub const DRIVE: &str = "drive";

/// Drives instances of a scenario from start to end. Answers how often each measured function was called.
pub fn drive(scenario: &str, instances: u32) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let scenario = scenarios::find(scenario).with_context(|| format!("there is no scenario {scenario}"))?;
    // What the component answers.
    let answer = variables(&json!({ "total": 223.9 }));
    let mut driver = Driver::new(&scenario.model(), order("run-17"), answer, Chain::deferred_if(scenario.commands() > 0))?;
    for number in 0..instances {
        driver.run(number)?;
    }
    Ok(driver.calls().clone())
}

/// Prints instructions per call, for every scenario and function, and writes them to `target/bench/steps.json`. Some ten seconds.
pub fn print() -> anyhow::Result<()> {
    println!("Instructions per call of the pure engine, by callgrind, over {INSTANCES} instances:\n");
    println!("{:<10}{:<20}{:>8}{:>14}", "scenario", "", "calls", "instructions");
    let mut told = Vec::new();
    let mut tell = |scenario: &str, what: &str, calls: u64, instructions: u64| {
        let (calls, instructions) = (calls / u64::from(INSTANCES), instructions / calls.max(1));
        println!("{scenario:<10}{what:<20}{calls:>8}{instructions:>14}");
        told.push(json!({ "scenario": scenario, "what": what, "calls_per_instance": calls, "instructions_per_call": instructions }));
    };
    for scenario in SCENARIOS {
        let (mut steps, mut instructions) = (0, 0);
        let called = drive(scenario, INSTANCES)?;
        for function in measured::FUNCTIONS.iter().filter(|function| called.contains_key(*function)) {
            let (calls, cost) = count(scenario, function)?;
            tell(scenario, function, calls, cost);
            if !matches!(*function, "encode" | "decode") {
                (steps, instructions) = (steps + calls, instructions + cost);
            }
        }
        tell(scenario, "all steps", steps, instructions);
        println!();
    }
    let path = root().canonicalize()?.join("target/bench/steps.json");
    fs::create_dir_all(path.parent().context("it is in a folder")?)?;
    fs::write(&path, serde_json::to_string_pretty(&told)? + "\n")?;
    println!("written to {}", path.display());
    Ok(())
}

/// Calls of a function, and instructions within them.
fn count(scenario: &str, function: &str) -> anyhow::Result<(u64, u64)> {
    let within = format!("mandate_bench::drive::measured::{function}");
    let counted = callgrind::count(&[DRIVE, scenario, &INSTANCES.to_string()], Some(&within))?;
    let calls: BTreeMap<String, u64> = serde_json::from_slice(&counted.printed).context("it prints its calls")?;
    let (calls, instructions) = (calls.get(function).copied().unwrap_or(0), counted.instructions);
    ensure!(
        calls > 0 && instructions > 0,
        "callgrind counted {instructions} instructions in {calls} calls of {function}: it does not see the function"
    );
    Ok((calls, instructions))
}
