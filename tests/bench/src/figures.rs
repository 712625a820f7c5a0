//! What a run comes to.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::window::Notes;

/// One line of `target/bench/latest.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// `S1`.
    pub scenario: String,
    /// `sqlite` or `postgres`.
    pub database: String,
    /// Instances that were counted; the warm-up is not among them.
    pub instances: u32,
    /// Until the last of them had ended.
    pub instances_per_s: f64,
    /// From the window's beginning to its end, upkeep included.
    pub cpu_ms_per_instance: Cpu,
    /// The total over the floor's; none where a scenario has no floor or it was not measured.
    pub floor_ratio: Option<f64>,
    /// Transactions that the store committed.
    pub commits_per_instance: f64,
    /// Statements in its transactions for writes; reads beside them are not among them.
    pub statements_per_instance: f64,
    /// Rows that they changed.
    pub rows_per_instance: f64,
    /// PostgreSQL: write-ahead log. SQLite: bytes that the process has written to files, checkpoints included.
    pub wal_bytes_per_instance: f64,
    /// The median latency; what is measured depends on the scenario.
    pub p50_ms: f64,
    /// Of a hundred, the slowest but one.
    pub p99_ms: f64,
    /// The most resident memory within the window.
    pub rss_mb: f64,
    /// What has no field of its own, by name: what a long scenario was about, and how it compares with the scenario that it is one of.
    /// Which names there are is ours and changes; the fields above stay as they are.
    #[serde(default, skip_serializing_if = "Notes::is_empty")]
    pub extra: Notes,
}

/// The names of notes of what the database takes on the disk: when the window opens, when the load has ended, and when the database is
/// settled.
pub const DISK_BEFORE: &str = "disk_mb_before";
/// See [`DISK_BEFORE`].
pub const DISK_LOADED: &str = "disk_mb_loaded";
/// See [`DISK_BEFORE`].
pub const DISK_AFTER: &str = "disk_mb_after";

/// The name of the note of CPU over that of a floor that writes the units that the engine really stored, where these are fewer than the
/// instance's units of work.
pub const FLOOR_RATIO_STORED: &str = "floor_ratio_stored";

/// CPU time, in milliseconds per instance.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Cpu {
    /// This process: host and clients, and SQLite with them.
    pub host: f64,
    /// All processes of the PostgreSQL cluster.
    pub database: f64,
    /// Both.
    pub total: f64,
}

/// A run with what else was seen of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// The line.
    pub figures: Figures,
    /// Activities in history, events included, per instance.
    pub activities_per_instance: f64,
    /// Units of work and ledger entries per instance.
    pub units_per_instance: f64,
    /// Bytes of one instance's history as its rows hold them.
    pub history_bytes: usize,
    /// What the server itself counted, per instance and over the whole run, reads and all.
    pub server: Option<Server>,
}

/// What PostgreSQL counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Server {
    /// `pg_stat_database.xact_commit`.
    pub commits: f64,
    /// `tup_inserted`, `tup_updated` and `tup_deleted`, system tables included.
    pub rows: f64,
    /// Calls in `pg_stat_statements`, where it is loaded.
    pub statements: Option<f64>,
    /// Its most expensive statements.
    pub dearest: Vec<Statement>,
}

/// A statement in `pg_stat_statements`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Statement {
    /// Calls per instance.
    pub calls: f64,
    /// Execution time per instance, in milliseconds by the clock on the wall.
    pub ms: f64,
    /// Write-ahead log per instance, in bytes.
    pub wal_bytes: f64,
    /// Its text.
    pub text: String,
}

impl Figures {
    /// How this compares with the scenario that it is a harder case of.
    pub fn compared(&self, base: &Self) -> Notes {
        let mut told = Notes::new();
        let mut tell = |name: &str, value: Value| told.insert(name.to_owned(), value);
        tell("scenario", json!(base.scenario));
        tell("instances_per_s", json!(rounded(base.instances_per_s)));
        tell("cpu_ms_per_instance", json!(rounded(base.cpu_ms_per_instance.total)));
        tell("rss_mb", json!(rounded(base.rss_mb)));
        tell("pace", json!(rounded(self.instances_per_s / base.instances_per_s)));
        tell("cpu", json!(rounded(self.cpu_ms_per_instance.total / base.cpu_ms_per_instance.total)));
        if let (Some(own), Some(others)) = (self.disk_kept(), base.disk_kept()) {
            tell(DISK_LOADED, base.extra[DISK_LOADED]["total"].clone());
            tell(DISK_AFTER, base.extra[DISK_AFTER]["total"].clone());
            tell("disk_after", json!(rounded(own / others)));
        }
        told
    }

    /// By how many megabytes the database, without its log, has grown for each instance when all is settled.
    fn disk_kept(&self) -> Option<f64> {
        let total = |name: &str| self.extra.get(name)?.get("total")?.as_f64();
        Some((total(DISK_AFTER)? - total(DISK_BEFORE)?) / f64::from(self.instances))
    }
}

impl Run {
    /// Activities per second.
    pub fn activities_per_s(&self) -> f64 {
        self.figures.instances_per_s * self.activities_per_instance
    }

    /// Units in one transaction, on average.
    pub fn units_per_commit(&self) -> f64 {
        self.units_per_instance / self.figures.commits_per_instance.max(f64::MIN_POSITIVE)
    }
}

/// The same for runs that each had one of the base beside it: the medians of the ratios, and all of them in their order.
pub fn compared_in_pairs(runs: &[Run], bases: &[Run]) -> Option<Notes> {
    fn middle(runs: &[Run]) -> Option<&Figures> {
        median(runs.iter().collect(), |run: &&Run| run.figures.cpu_ms_per_instance.total).map(|run| &run.figures)
    }
    let mut told = middle(runs)?.compared(middle(bases)?);
    let each: Vec<Notes> = runs.iter().zip(bases).map(|(run, base)| run.figures.compared(&base.figures)).collect();
    for (name, all) in [("pace", "paces"), ("cpu", "cpus")] {
        let ratios: Vec<f64> = each.iter().filter_map(|pair| pair.get(name)?.as_f64()).collect();
        told.insert(name.to_owned(), json!(rounded(middle_of(ratios.clone()))));
        told.insert(all.to_owned(), json!(ratios));
    }
    Some(told)
}

/// Milliseconds of something, for each of so many.
pub fn ms_each(time: Duration, count: u32) -> f64 {
    time.as_secs_f64() * 1e3 / f64::from(count.max(1))
}

/// Bytes, in units of a million.
#[expect(clippy::cast_precision_loss, reason = "bytes of this machine are far below 2^52")]
pub fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// With no more digits than anybody reads.
pub fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// So much of something, for each of so many.
#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are far below 2^52")]
pub fn each(amount: u64, count: u32) -> f64 {
    amount as f64 / f64::from(count.max(1))
}

/// Of values in any order, the one that a share of them does not exceed: 0.5 is the median.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list in memory"
    )]
    let at = (share * values.len() as f64).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// The median: of an even number of values, the mean of the two in the middle.
fn middle_of(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    // Of an odd number these are one and the same.
    let [lower, upper] = [values.len().saturating_sub(1) / 2, values.len() / 2].map(|at| values.get(at).copied().unwrap_or(f64::NAN));
    f64::midpoint(lower, upper)
}

/// The run whose CPU is the median.
pub fn median<T>(mut runs: Vec<T>, cpu: impl Fn(&T) -> f64) -> Option<T> {
    runs.sort_by(|a, b| cpu(a).total_cmp(&cpu(b)));
    let middle = runs.len().checked_sub(1)? / 2;
    Some(runs.swap_remove(middle))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn line() -> Figures {
        Figures {
            scenario: "S1".to_owned(),
            database: "sqlite".to_owned(),
            instances: 5_000,
            instances_per_s: 5_000.0,
            cpu_ms_per_instance: Cpu { host: 0.2, database: 0.1, total: 0.3 },
            floor_ratio: None,
            commits_per_instance: 0.03,
            statements_per_instance: 0.25,
            rows_per_instance: 15.0,
            wal_bytes_per_instance: 11_000.0,
            p50_ms: 150.0,
            p99_ms: 200.0,
            rss_mb: 130.0,
            extra: Notes::new(),
        }
    }

    /// For programs of others that read the file.
    #[test]
    fn a_line_has_these_keys_and_what_is_extra() {
        let keys = |value: &serde_json::Value| {
            let keys: BTreeSet<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
            keys.into_iter().collect::<Vec<_>>().join(" ")
        };
        let mut line = line();
        let told = serde_json::to_value(&line).expect("it is JSON");
        let always = "commits_per_instance cpu_ms_per_instance database floor_ratio instances instances_per_s p50_ms p99_ms rows_per_instance \
                      rss_mb scenario statements_per_instance wal_bytes_per_instance";
        assert_eq!(keys(&told), always);
        assert_eq!(keys(&told["cpu_ms_per_instance"]), "database host total");
        assert!(told["floor_ratio"].is_null(), "what was not measured has its key");
        line.extra.insert("finished".to_owned(), 1.into());
        let told = serde_json::to_value(&line).expect("it is JSON");
        assert_eq!(keys(&told), always.replace(" floor_ratio", " extra floor_ratio"));
    }

    #[test]
    fn pairs_are_compared_one_by_one() {
        let run = |instances_per_s: f64| Run {
            figures: Figures { instances_per_s, ..line() },
            activities_per_instance: 7.0,
            units_per_instance: 2.0,
            history_bytes: 800,
            server: None,
        };
        // The machine became slower and slower.
        let (runs, bases) = ([990.0, 510.0, 98.0].map(run), [1_000.0, 500.0, 100.0].map(run));
        let told = compared_in_pairs(&runs, &bases).expect("there are pairs");
        assert_eq!((&told["pace"], &told["paces"]), (&json!(0.99), &json!([0.99, 1.02, 0.98])));
        assert_eq!((&told["cpu"], &told["cpus"]), (&json!(1.0), &json!([1.0, 1.0, 1.0])));
        let told = compared_in_pairs(&runs[..2], &bases[..2]).expect("there are pairs");
        assert_eq!(told["pace"], json!(1.005), "of two neither is the middle");
        assert_eq!(compared_in_pairs(&[], &[]), None);
    }

    #[test]
    fn disk_is_compared_by_what_each_instance_left_on_it() {
        let sizes = |before: f64, after: f64| {
            [(DISK_BEFORE, before), (DISK_LOADED, after), (DISK_AFTER, after)]
                .map(|(name, total)| (name.to_owned(), json!({ "total": total, "log": 90.0 })))
                .into_iter()
                .collect::<Notes>()
        };
        let base = Figures { extra: sizes(10.0, 20.0), ..line() };
        let run = Figures { instances: 10_000, extra: sizes(10.0, 40.0), ..line() };
        let told = run.compared(&base);
        assert_eq!((told["disk_after"].as_f64(), told[DISK_AFTER].as_f64()), (Some(1.5), Some(20.0)));
        assert!(!line().compared(&base).contains_key("disk_after"), "nobody looked");
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| quantile(&mut values, share)).map(f64::to_bits), [50.0, 99.0, 100.0].map(f64::to_bits));
        assert!(quantile(&mut [], 0.5).is_nan());
    }

    #[test]
    fn the_median_of_two_is_the_better_one() {
        assert_eq!(median(vec![3.0, 1.0], |run| *run), Some(1.0));
        assert_eq!(median(vec![3.0, 1.0, 2.0], |run| *run), Some(2.0));
        assert_eq!(median(Vec::<f64>::new(), |run| *run), None);
    }
}
