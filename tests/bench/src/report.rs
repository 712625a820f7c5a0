//! The results, for people and for programs.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::Context as _;
use mandate_tests::program::root;
use serde_json::Value;

use crate::database::Kind;
use crate::figures::{FLOOR_RATIO_STORED, Figures, Run, Statement};
use crate::scenarios::{self, SCENARIOS, Scenario};

/// A column of the table: heading, width, what stands in it.
type Column = (&'static str, usize, fn(&Run) -> String);

const COLUMNS: &[Column] = &[
    ("instances/s", 12, |run| format!("{:.1}", run.figures.instances_per_s)),
    ("activities/s", 13, |run| format!("{:.0}", run.activities_per_s())),
    ("p50 ms", 9, |run| format!("{:.1}", run.figures.p50_ms)),
    ("p99 ms", 9, |run| format!("{:.1}", run.figures.p99_ms)),
    ("host ms", 9, |run| format!("{:.3}", run.figures.cpu_ms_per_instance.host)),
    ("db ms", 9, |run| format!("{:.3}", run.figures.cpu_ms_per_instance.database)),
    ("CPU ms", 9, |run| format!("{:.3}", run.figures.cpu_ms_per_instance.total)),
    ("/floor", 8, |run| ratio(run.figures.floor_ratio)),
    ("/stored", 9, |run| ratio(run.figures.extra.get(FLOOR_RATIO_STORED).and_then(Value::as_f64))),
    ("commits", 9, |run| format!("{:.3}", run.figures.commits_per_instance)),
    ("statements", 12, |run| format!("{:.2}", run.figures.statements_per_instance)),
    ("rows", 8, |run| format!("{:.1}", run.figures.rows_per_instance)),
    ("log bytes", 11, |run| format!("{:.0}", run.figures.wal_bytes_per_instance)),
    ("RSS MB", 8, |run| format!("{:.0}", run.figures.rss_mb)),
];

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"))
}

/// The table, and below it what stands behind the figures.
pub fn table(runs: &[Run]) -> String {
    let mut text = format!("\n{:<10}{:<10}{:>10}", "", "database", "instances");
    for (heading, width, _) in COLUMNS {
        write!(text, "{heading:>width$}").expect("a string takes everything");
    }
    text.push('\n');
    for run in runs {
        let Figures { scenario, database, instances, .. } = &run.figures;
        write!(text, "{scenario:<10}{database:<10}{instances:>10}").expect("a string takes everything");
        for (_, width, show) in COLUMNS {
            write!(text, "{:>width$}", show(run)).expect("a string takes everything");
        }
        text.push('\n');
    }
    text.push('\n');
    for run in runs {
        text.push_str(&behind(run));
    }
    text
}

/// What has no column: what a run notes besides, such as what its floor is made of, and what the server counted.
fn behind(run: &Run) -> String {
    let name = format!("{} {}", run.figures.scenario, run.figures.database);
    let mut text = String::new();
    for (what, value) in &run.figures.extra {
        writeln!(text, "{name}: {what}: {}", extra(value)).expect("a string takes everything");
    }
    if let Some(server) = &run.server {
        let statements = server.statements.map_or_else(String::new, |count| format!(", {count:.2} statements"));
        writeln!(
            text,
            "{name}: the server counted {:.2} commits{statements} and {:.1} rows per instance, reads and warm-up among them",
            server.commits, server.rows
        )
        .expect("a string takes everything");
        if server.commits < run.figures.commits_per_instance * ALMOST {
            writeln!(text, "{name}: WARNING: that is less than the host says it committed").expect("a string takes everything");
        }
        for Statement { calls, ms, wal_bytes, text: sql } in &server.dearest {
            let sql: String = sql.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(110).collect();
            writeln!(text, "  {ms:>8.4} ms {calls:>8.3} calls {wal_bytes:>7.0} bytes of log  {sql}").expect("a string takes everything");
        }
    }
    text
}

/// A list of many figures has a line for each; others stand in one.
fn extra(value: &Value) -> String {
    match value {
        Value::Object(figures) if figures.len() > MANY => figures.iter().fold(String::new(), |mut text, (what, value)| {
            write!(text, "\n  {:>12}  {what}", value.to_string()).expect("a string takes everything");
            text
        }),
        other => other.to_string(),
    }
}

/// Figures that do not fit on one line.
const MANY: usize = 12;

/// The warm-up commits in other batches than the counted instances.
const ALMOST: f64 = 0.8;

/// Writes `target/bench/latest.json`. What it held of other scenarios and databases stays: not all are measured at once.
pub fn write(runs: &[Run]) -> anyhow::Result<PathBuf> {
    let path = root().canonicalize()?.join("target/bench/latest.json");
    let before: Vec<Value> = match fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_else(|error| {
            eprintln!("warning: {} is written anew, for what was there is no list of figures: {error}", path.display());
            Vec::new()
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let measured = runs.iter().map(|run| serde_json::to_value(&run.figures)).collect::<Result<_, _>>()?;
    // In one piece: what was there may have taken hours.
    let whole = path.with_extension("json.new");
    fs::write(&whole, serde_json::to_string_pretty(&merged(before, measured))? + "\n")?;
    fs::rename(&whole, &path)?;
    Ok(path)
}

/// The lines that are there, without those that were measured again, and the measured ones, in the order of [`SCENARIOS`].
fn merged(before: Vec<Value>, measured: Vec<Value>) -> Vec<Value> {
    let again: Vec<_> = measured.iter().map(identity).collect();
    let mut lines: Vec<Value> = before.into_iter().filter(|line| !again.contains(&identity(line))).collect();
    lines.extend(measured);
    lines.sort_by_cached_key(|line| {
        let at = SCENARIOS.iter().position(|scenario| line["scenario"] == scenario.name());
        (at, line["database"] == Kind::Postgres.name(), line["instances"].as_u64())
    });
    lines
}

/// What tells lines apart: S1 is measured with few instances and with many. How many a long scenario has is what came of it.
fn identity(line: &Value) -> (Value, Value, Option<u64>) {
    let is_long = line["scenario"].as_str().and_then(scenarios::find).is_some_and(Scenario::is_long);
    (line["scenario"].clone(), line["database"].clone(), line["instances"].as_u64().filter(|_| !is_long))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_replaces_what_it_has_measured_and_nothing_else() {
        let line = |scenario: &str, database: &str, instances: u32, pace: u32| json!({ "scenario": scenario, "database": database, "instances": instances, "instances_per_s": pace });
        let before = vec![
            line("S1", "sqlite", 5_000, 1),
            line("S1", "postgres", 5_000, 1),
            line("S2", "sqlite", 5_000, 1),
            line("soak", "sqlite", 7_777, 1),
        ];
        let measured = vec![line("soak", "sqlite", 8_888, 2), line("S1", "sqlite", 100_000, 2), line("S1", "postgres", 5_000, 2)];
        let after = vec![
            line("S1", "sqlite", 5_000, 1),
            line("S1", "sqlite", 100_000, 2),
            line("S1", "postgres", 5_000, 2),
            line("S2", "sqlite", 5_000, 1),
            line("soak", "sqlite", 8_888, 2),
        ];
        assert_eq!(merged(before, measured), after);
    }
}
