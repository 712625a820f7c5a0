//! Cold delegates: a thousand different ones are called in turn, each for the first time since the host started.
//!
//! They are one component with different custom sections, so that their digests differ and each is compiled, stored and loaded for itself.
//! Another process deploys them; then a host is opened and makes one call, which is what a restart costs, and the same in a folder without
//! compiled code, where the component is compiled first. In the window every delegate is called once; after it once more, when all of them
//! are in memory.

use std::time::Instant;

use anyhow::ensure;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Latency, Scenario};
use crate::figures::{Figures, megabytes, quantile, rounded};
use crate::host::{Batch, Component, DELEGATE, Host, Setup, component, order};
use crate::process;
use crate::window::{Notes, Window};

/// Delegates of one deployment.
const AT_ONCE: u32 = 50;

/// A custom section's id, and the most bytes of it whose number is one byte in LEB128.
const CUSTOM: u8 = 0;
const MAX_SECTION: usize = 127;

pub(super) struct S8;

impl Scenario for S8 {
    fn name(&self) -> &'static str {
        "S8"
    }

    fn about(&self) -> &'static str {
        "different delegates in turn, all cold"
    }

    fn instances(&self) -> u32 {
        1_000
    }

    fn model(&self) -> String {
        include_str!("../../models/five-synchronous.bpmn").to_owned()
    }

    fn is_long(&self) -> bool {
        true
    }

    fn has_stock(&self) -> bool {
        true
    }

    fn stock<'a>(&'a self, setup: &'a Setup, instances: u32, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let bytes = component()?;
            let host = Host::join(setup, String::new()).await?;
            let begun = Instant::now();
            for first in (0..instances).step_by(AT_ONCE as usize) {
                let numbers = first..instances.min(first + AT_ONCE);
                let components: Vec<Component> = numbers.clone().map(|number| different(&bytes, number)).collect::<anyhow::Result<_>>()?;
                let processes: Vec<String> = numbers.map(process_of).collect();
                let model = include_str!("../../models/cold.bpmn").replace("<!-- processes -->", &processes.join("\n  "));
                host.deploy(&format!("cold{first}"), model, components, "").await?;
            }
            notes.insert("deployed_ms_each".to_owned(), json!(rounded(begun.elapsed().as_secs_f64() * 1e3 / f64::from(instances))));
            host.close().await;
            Ok(())
        })
    }

    fn before<'a>(&'a self, setup: &'a Setup, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            notes.insert("restart_ms".to_owned(), first_calls(setup, "restarted").await?);
            let elsewhere = Setup { dir: setup.dir.join("elsewhere"), ..setup.clone() };
            notes.insert("restart_without_compiled_code_ms".to_owned(), first_calls(&elsewhere, "without-code").await?);
            Ok(())
        })
    }

    fn warm_up<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<()>> {
        // Of a delegate of its own.
        Box::pin(async move { super::start_to_end(host, batch, window).await.map(drop) })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            window.open().await?;
            window.note("resident_mb_before", resident()?);
            let mut took = Vec::with_capacity(batch.count as usize);
            for number in 0..batch.count {
                let begun = Instant::now();
                call(host, number, "cold").await?;
                took.push(begun.elapsed());
            }
            window.note("resident_mb_after", resident()?);
            Ok(Latency::Measured(took))
        })
    }

    fn after<'a>(&'a self, host: &'a Host, figures: &'a Figures, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let instances = figures.instances;
            let mut took = Vec::with_capacity(instances as usize);
            for number in 0..instances {
                let begun = Instant::now();
                call(host, number, "warm").await?;
                took.push(begun.elapsed().as_secs_f64() * 1e3);
            }
            notes.insert("warm_p50_ms".to_owned(), json!(rounded(quantile(&mut took, 0.5))));
            notes.insert("warm_p99_ms".to_owned(), json!(rounded(quantile(&mut took, 0.99))));
            Ok(())
        })
    }
}

/// Opens a host and calls one delegate twice: how long each of the three takes.
async fn first_calls(setup: &Setup, name: &str) -> anyhow::Result<Value> {
    let begun = Instant::now();
    let ms = |since: Instant| rounded(since.elapsed().as_secs_f64() * 1e3);
    let host = Host::join(setup, String::new()).await?;
    let open = ms(begun);
    let first = Instant::now();
    call(&host, 0, name).await?;
    let first = ms(first);
    let second = Instant::now();
    call(&host, 0, name).await?;
    let second = ms(second);
    host.close().await;
    Ok(json!({ "open": open, "first_call": first, "second_call": second }))
}

/// A start of an instance that has ended when it is answered, and has called one delegate.
async fn call(host: &Host, number: u32, name: &str) -> anyhow::Result<()> {
    let key = format!("{name}-{number}");
    let started = host.start_of(&format!("cold{number}"), key.clone(), order(&key)).await?;
    ensure!(started.ended, "the instance of cold{number} has not come to its end");
    Ok(())
}

fn resident() -> anyhow::Result<Value> {
    Ok(json!(rounded(megabytes(process::resident_memory()?))))
}

/// The component under a name and with a digest of its own: a custom section changes nothing else.
fn different(component: &[u8], number: u32) -> anyhow::Result<Component> {
    let name = format!("{DELEGATE}{number}");
    let mut section = vec![u8::try_from(name.len())?];
    section.extend(name.as_bytes());
    ensure!(section.len() <= MAX_SECTION, "a custom section of {} bytes", section.len());
    let mut bytes = component.to_vec();
    bytes.extend([CUSTOM, u8::try_from(section.len())?]);
    bytes.extend(section);
    Ok(Component { name, bytes })
}

/// A process that calls one delegate.
fn process_of(number: u32) -> String {
    format!(
        "<bpmn:process id=\"cold{number}\" name=\"Cold {number}\" isExecutable=\"true\">\n    \
         <bpmn:startEvent id=\"received{number}\"/>\n    \
         <bpmn:sequenceFlow id=\"to{number}\" sourceRef=\"received{number}\" targetRef=\"validate{number}\"/>\n    \
         <bpmn:serviceTask id=\"validate{number}\" camunda:class=\"{DELEGATE}{number}\"/>\n    \
         <bpmn:sequenceFlow id=\"from{number}\" sourceRef=\"validate{number}\" targetRef=\"done{number}\"/>\n    \
         <bpmn:endEvent id=\"done{number}\"/>\n  \
         </bpmn:process>"
    )
}
