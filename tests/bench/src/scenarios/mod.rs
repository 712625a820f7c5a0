//! What is measured. A scenario is one file and one line in [`SCENARIOS`].

mod retention;
mod s1;
mod s10;
mod s11;
mod s2;
mod s2c;
mod s3;
mod s3w;
mod s4;
mod s5;
mod s6;
mod s6b;
mod s7;
mod s8;
mod s9;
mod soak;

use std::time::Duration;

use futures_util::future::BoxFuture;
use mandate_runtime::HistoryCleanup;

use crate::database::Kind;
use crate::figures::Figures;
use crate::host::{Batch, Host, Setup, order};
use crate::window::{Notes, Window};

/// All scenarios, in the order in which they run.
pub static SCENARIOS: &[&dyn Scenario] = &[
    &s1::S1,
    &s2::S2,
    &s2c::S2c,
    &s3::S3,
    &s3w::S3w,
    &s4::S4,
    &s5::S5,
    &s6::S6,
    &s7::S7,
    // The long ones.
    &s6b::S6b,
    &s8::S8,
    &s9::S9,
    &s10::S10,
    &retention::Retention,
    &soak::Soak,
    &s11::S11,
];

/// Something that is measured.
pub trait Scenario: Sync {
    /// As it is called on the command line and in the results.
    fn name(&self) -> &'static str;

    /// One line for people.
    fn about(&self) -> &'static str;

    /// Instances of a counted run, unless somebody asks for others.
    fn instances(&self) -> u32;

    /// The process, as BPMN.
    fn model(&self) -> String;

    /// Commands that an instance issues.
    fn commands(&self) -> u32 {
        0
    }

    /// With what it is compared.
    fn floor(&self) -> Floor {
        Floor::None
    }

    /// Whether only `bench --long` runs it unasked.
    fn is_long(&self) -> bool {
        false
    }

    /// Whether there is such a thing on a database.
    fn runs_on(&self, _database: Kind) -> bool {
        true
    }

    /// The scenario of which it is a harder case: it is run as well, with as many instances.
    fn base(&self) -> Option<&'static str> {
        None
    }

    /// How often it is run with its base beside it, in alternating order, unless somebody asks for another number. None: its base is run
    /// behind it, and once for all scenarios that have it; for what takes long.
    fn pairs(&self) -> Option<u32> {
        None
    }

    /// Whether its base beside it is run on the same database, and not on an empty one.
    fn shares_database(&self) -> bool {
        false
    }

    /// How the measured host removes history.
    fn history_cleanup(&self) -> Option<HistoryCleanup> {
        None
    }

    /// Whether [`Scenario::stock`] has anything to do.
    fn has_stock(&self) -> bool {
        false
    }

    /// Fills the database, in a process of its own that ends before the measured one begins.
    fn stock<'a>(&'a self, _setup: &'a Setup, _instances: u32, _notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// What comes before the measured host is opened, in its process.
    fn before<'a>(&'a self, _setup: &'a Setup, _notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Runs some instances that nobody counts.
    fn warm_up<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { self.run(host, batch, window).await.map(drop) })
    }

    /// What comes after the window, with the host that was measured and what it came to.
    fn after<'a>(&'a self, _host: &'a Host, _figures: &'a Figures, _notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Runs one instance to its end, with nothing beside it.
    fn run_one<'a>(&'a self, host: &'a Host, key: String) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let before = host.ended();
            host.start(key.clone(), order(&key)).await?;
            host.until_ended(before + 1).await
        })
    }

    /// Prepares, opens the window, and runs the instances to their end.
    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>>;
}

/// What is measured with no engine, beside a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// Nothing.
    None,
    /// The rows of an instance's units of work but the first ones, which were stored before the window, and the calls in them.
    Units {
        /// Units before the window.
        before_window: usize,
    },
    /// How long a lone commit takes that waits for nobody.
    LoneCommit,
}

/// What `p50_ms` and `p99_ms` are of.
#[derive(Debug)]
pub enum Latency {
    /// From an instance's start to its end, as history has them: the last commit is not in it.
    StartToEnd,
    /// From this moment, in milliseconds since 1970, to an instance's end.
    Since(i64),
    /// As the clients measured it.
    Measured(Vec<Duration>),
}

/// A scenario by its name, in any case.
pub fn find(name: &str) -> Option<&'static dyn Scenario> {
    SCENARIOS.iter().copied().find(|scenario| scenario.name().eq_ignore_ascii_case(name))
}

/// Starts all instances from the clients and follows them to their end.
fn start_and_follow<'a>(host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
    Box::pin(async move {
        let before = host.ended();
        window.open().await?;
        host.start_all(batch, |number| order(&batch.key(number))).await?;
        host.until_ended(before + u64::from(batch.count)).await?;
        Ok(Latency::StartToEnd)
    })
}

/// The same for instances that have ended when their start is answered.
fn start_to_end<'a>(host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
    Box::pin(async move {
        let before = host.ended();
        window.open().await?;
        let took = host.start_all(batch, |number| order(&batch.key(number))).await?;
        host.until_ended(before + u64::from(batch.count)).await?;
        Ok(Latency::Measured(took))
    })
}

/// A process that forks into so many asynchronous service tasks and joins them.
fn fork(branches: u32) -> String {
    let branch = |number: u32| {
        format!(
            "<bpmn:serviceTask id=\"reserve{number}\" name=\"Reserve line {number}\" camunda:asyncBefore=\"true\" camunda:class=\"bench\"/>\n    \
             <bpmn:sequenceFlow id=\"to{number}\" sourceRef=\"fork\" targetRef=\"reserve{number}\"/>\n    \
             <bpmn:sequenceFlow id=\"from{number}\" sourceRef=\"reserve{number}\" targetRef=\"join\"/>"
        )
    };
    let branches: Vec<String> = (1..=branches).map(branch).collect();
    include_str!("../../models/fork.bpmn").replace("<!-- branches -->", &branches.join("\n    "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_model_is_one() {
        for scenario in SCENARIOS {
            let parsed = mandate_model::parse(scenario.name(), scenario.model().as_bytes());
            let parsed = parsed.unwrap_or_else(|diagnostics| panic!("{}: {diagnostics:#?}", scenario.name()));
            assert_eq!(parsed.processes.len(), 1, "{}", scenario.name());
        }
    }

    #[test]
    fn names_are_found_in_any_case_and_are_different() {
        for (at, scenario) in SCENARIOS.iter().enumerate() {
            let found = find(&scenario.name().to_lowercase()).expect("it is in the table");
            assert_eq!(found.name(), scenario.name());
            assert!(SCENARIOS[..at].iter().all(|earlier| !earlier.name().eq_ignore_ascii_case(scenario.name())));
        }
    }
}
