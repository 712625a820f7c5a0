//! Instructions instead of time: what a step of the pure engine costs, the same on every run of the same build.

use std::collections::BTreeMap;

use anyhow::{Context as _, ensure};
use mandate_runtime::engine::Chain;
use serde_json::json;

use crate::callgrind;
use crate::drive::{Driver, measured};
use crate::host::{order, variables};
use crate::scenarios;

/// Scenarios whose inputs are counted.
const SCENARIOS: &[&str] = &["S1", "S3"];

/// Instances under callgrind. The first ones of a process cost a little more, and all of them must not take minutes.
const INSTANCES: u32 = 200;

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

/// Prints instructions per call, for every scenario and function.
pub fn print() -> anyhow::Result<()> {
    println!("Instructions per call of the pure engine, by callgrind, over {INSTANCES} instances:\n");
    println!("{:<10}{:<20}{:>8}{:>14}", "scenario", "", "calls", "instructions");
    for scenario in SCENARIOS {
        let (mut steps, mut instructions) = (0, 0);
        for function in measured::FUNCTIONS {
            let (calls, cost) = count(scenario, function)?;
            if calls == 0 {
                continue;
            }
            println!("{scenario:<10}{function:<20}{:>8}{:>14}", calls / u64::from(INSTANCES), cost / calls);
            if !matches!(*function, "encode" | "decode") {
                (steps, instructions) = (steps + calls, instructions + cost);
            }
        }
        println!("{scenario:<10}{:<20}{:>8}{:>14}\n", "all steps", steps / u64::from(INSTANCES), instructions / steps.max(1));
    }
    Ok(())
}

/// Calls of a function, and instructions within them.
fn count(scenario: &str, function: &str) -> anyhow::Result<(u64, u64)> {
    let within = format!("mandate_bench::drive::measured::{function}");
    let counted = callgrind::count("bench-steps", &[scenario, &INSTANCES.to_string()], Some(&within))?;
    let calls: BTreeMap<String, u64> = serde_json::from_slice(&counted.printed).context("bench-steps prints its calls")?;
    let (calls, instructions) = (calls.get(function).copied().unwrap_or(0), counted.instructions);
    ensure!(
        (calls == 0) == (instructions == 0),
        "callgrind counted {instructions} instructions in {calls} calls of {function}: it does not see the function"
    );
    Ok((calls, instructions))
}
