//! Instructions instead of time: what a step of the pure engine costs, the same on every run of the same build.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::json;

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
    let mut driver = Driver::new(&scenario.model(), order("run-17"), answer, scenario.commands() > 0)?;
    for number in 0..instances {
        driver.run(number)?;
    }
    Ok(driver.calls().clone())
}

/// Prints instructions per call, for every scenario and function.
pub fn print() -> anyhow::Result<()> {
    let valgrind = Command::new("valgrind").arg("--version").output();
    ensure!(
        valgrind.is_ok_and(|it| it.status.success()),
        "valgrind is not installed, and without it instructions cannot be counted: install the package valgrind"
    );
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
    let program = mandate_tests::program::built("bench-steps")?;
    let done = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect=mandate_bench::drive::measured::{function}*"))
        .arg(program)
        .args([scenario, &INSTANCES.to_string()])
        .output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "callgrind failed: {said}");
    let calls: BTreeMap<String, u64> = serde_json::from_slice(&done.stdout).context("bench-steps prints its calls")?;
    let collected = said.lines().find_map(|line| line.split_once("Collected :")).context("callgrind says what it collected")?.1;
    let instructions: u64 = collected.trim().parse()?;
    let calls = calls.get(function).copied().unwrap_or(0);
    ensure!(
        (calls == 0) == (instructions == 0),
        "callgrind counted {instructions} instructions in {calls} calls of {function}: it does not see the function"
    );
    Ok((calls, instructions))
}
