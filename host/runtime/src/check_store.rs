//! `mandate check-store`: proves that the store agrees with itself.
//!
//! Every snapshot decodes; jobs, tasks, external tasks, subscriptions, incidents and called instances of the snapshot are exactly the rows
//! beside it, and of an instance's exclusive jobs the next is the one that can be claimed; every definition loads, is what was deployed,
//! and has every digest that it is bound to; every component has the bytes that its digest names; what stands beside instances, timers that
//! start some and signals on their way, is about something that is there (`beside.rs`).

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use mandate_engine::{Instance, InstanceId};
use mandate_model::Implementation;
use mandate_store::IncidentRow;
use mandate_store::query::{DefinitionRow, IndexRows};
use sha2::{Digest, Sha256};

use crate::definitions::{Definition, Source};
use crate::deploy::identity;
use crate::error::Reach;
use crate::unit::{Next, external_task_row, incident_row, job_row, subscription_row, task_row};
use crate::{Error, Runtime};

mod beside;

/// Instances read at once.
const PAGE: u32 = 200;

/// What was looked at and what was found wrong.
#[derive(Debug, Default, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoreReport {
    /// Instances looked at.
    pub instances: u64,
    /// Definitions looked at.
    pub definitions: u64,
    /// Components looked at.
    pub artifacts: u64,
    /// Everything that is wrong; empty for a store that agrees with itself.
    pub findings: Vec<String>,
}

impl Runtime {
    /// Compares every snapshot with its rows and every binding with its bytes. Reads only; an instance that moves while it is looked at is
    /// looked at again.
    pub fn check_store(&self) -> BoxFuture<'_, Result<StoreReport, Error>> {
        Box::pin(self.check_all())
    }

    async fn check_all(&self) -> Result<StoreReport, Error> {
        let mut report = StoreReport::default();
        self.check_definitions(&mut report).await?;
        self.check_beside(&mut report).await?;
        let mut after = None;
        loop {
            let (page, last) = self.0.store.instances_after(after, PAGE).await?;
            for row in &page {
                report.instances += 1;
                self.check_instance(InstanceId(row.id), &mut report).await?;
            }
            if last.is_none() {
                return Ok(report);
            }
            after = last;
        }
    }

    async fn check_instance(&self, id: InstanceId, report: &mut StoreReport) -> Result<(), Error> {
        // One consistent read: the rows belong to the same revision as the snapshot.
        let (row, rows) = match self.0.store.instance_with_rows(id.0).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(()),
            Err(mandate_store::Error::Damaged(reason)) => {
                report.findings.push(format!("instance {id}: what stands beside it cannot be read: {reason}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match self.readable(&row).await {
            Ok(view) => compare(&view.definition, &view.instance, rows, &mut report.findings),
            Err(Error::Unreadable { reason, .. }) => report.findings.push(format!("instance {id} cannot be read: {reason}")),
            Err(error @ Error::DefinitionUnreadable { .. }) => report.findings.push(format!("instance {id} cannot run: {error}")),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn check_definitions(&self, report: &mut StoreReport) -> Result<(), Error> {
        let mut bound = BTreeSet::new();
        for row in self.0.store.all_definitions().await? {
            report.definitions += 1;
            match self.0.definitions.get(&self.0.store, &row.id).await {
                Err(error) if error.reach() >= Reach::Host => return Err(error),
                // Deleted meanwhile.
                Err(Error::NotFound { .. }) => continue,
                Err(error) => report.findings.push(error.to_string()),
                Ok(definition) => {
                    for it in definition.model.references() {
                        let by_worker = matches!(it.implementation, Implementation::Topic(_)) && definition.is_external(it.index);
                        match definition.binding(it.index, it.implementation) {
                            _ if by_worker => {}
                            Ok(binding) => drop(bound.insert(binding.digest.clone())),
                            Err(failure) => report.findings.push(format!("definition {}: {}", row.id, failure.message)),
                        }
                    }
                }
            }
            self.check_identity(&row, report).await?;
        }
        self.check_artifacts(bound, report).await
    }

    /// What a definition was deployed as is what is stored of it, whether or not it is in memory.
    async fn check_identity(&self, row: &DefinitionRow, report: &mut StoreReport) -> Result<(), Error> {
        // That it is not there is said where it is loaded.
        let Some(source) = Source::of(&self.0.store, row).await? else { return Ok(()) };
        let bindings = self.0.store.bindings(&row.id).await?;
        let scripts: Vec<_> = source.scripts.values().map(Vec::as_slice).collect();
        let same = identity(&source.bytes, &scripts, &bindings) == row.identity;
        // One that was deleted meanwhile has no bindings any more.
        if !same && self.0.store.definition(&row.id).await?.is_some() {
            let finding = format!("definition {} is not what was deployed: its file, a script or a binding has changed since", row.id);
            report.findings.push(finding);
        }
        Ok(())
    }

    async fn check_artifacts(&self, mut bound: BTreeSet<String>, report: &mut StoreReport) -> Result<(), Error> {
        for digest in self.0.store.artifacts().await? {
            // One that is deleted meanwhile is none.
            let Some(bytes) = self.0.store.artifact(&digest).await? else { continue };
            report.artifacts += 1;
            if hex::encode(Sha256::digest(&bytes)) != digest {
                report.findings.push(format!("artifact {digest} holds other bytes than its digest names"));
            }
            bound.remove(&digest);
        }
        report.findings.extend(bound.into_iter().map(|digest| format!("artifact {digest} is bound and not there")));
        Ok(())
    }
}

fn compare(definition: &Definition, instance: &Instance, mut rows: IndexRows, findings: &mut Vec<String>) {
    let id = instance.id();
    let mut difference = |what: &str, snapshot: String, stored: String| {
        if snapshot != stored {
            findings.push(format!("instance {id}: {what} differ: the snapshot has {snapshot}, the rows have {stored}"));
        }
    };
    let next = Next::of(instance).map(|next| next.wait);
    let mut jobs: Vec<_> = instance.jobs().map(|job| job_row(definition, instance, job, next)).collect();
    for job in &mut jobs {
        job.suspended |= instance.is_suspended();
    }
    for stored in &mut rows.jobs {
        // One that somebody runs is behind nobody.
        if std::mem::take(&mut stored.locked) {
            stored.behind = false;
            jobs.iter_mut().filter(|job| job.wait == stored.wait).for_each(|job| job.behind = false);
        }
    }
    difference("jobs", format!("{jobs:?}"), format!("{:?}", rows.jobs));
    let tasks: Vec<_> = instance.tasks().map(|task| task_row(definition, task.clone())).collect();
    difference("tasks", format!("{tasks:?}"), format!("{:?}", rows.tasks));
    let external: Vec<_> = instance.external_tasks().map(|task| external_task_row(definition, task.clone())).collect();
    difference("external tasks", format!("{external:?}"), format!("{:?}", rows.external_tasks));
    let subscriptions: Vec<_> = instance.subscriptions().map(|subscription| subscription_row(definition, subscription.clone())).collect();
    difference("subscriptions", format!("{subscriptions:?}"), format!("{:?}", rows.subscriptions));
    let incidents: Vec<_> = instance.incidents().map(|it| incident_row(definition, instance, it, String::new())).collect();
    let stored: Vec<_> = rows.incidents.iter().map(|it| IncidentRow { detail: String::new(), ..it.clone() }).collect();
    let mut called: Vec<_> = instance.calls().filter(|call| !call.over).collect();
    called.sort_by_key(|call| InstanceId::called(id, call.wait));
    let called: Vec<_> = called
        .iter()
        .map(|call| (InstanceId::called(id, call.wait).0, crate::activity_id(definition, instance, call.activity, call.element)))
        .collect();
    difference("called instances", format!("{called:?}"), format!("{:?}", rows.called));
    difference("incidents", format!("{incidents:?}"), format!("{stored:?}"));
}
