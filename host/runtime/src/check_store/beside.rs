//! What stands beside instances.
//!
//! A timer start event that waits is one of the newest version of its process, and each of those whose cycle has no end waits in exactly
//! one row that goes on: a cycle that stops would be missed by nobody. A signal on its way names an event that waits for signals, or that
//! starts by them, and carries variables that can be read; one that was given up says why. Elements that history tells of are those of a
//! definition that is there, or of one that is deleted and whose history somebody looks for. Every row beside an instance is of one that is
//! there, and a definition starts by what its model says.

use std::collections::BTreeMap;

use mandate_engine::{StartTimer, Variables};
use mandate_model::time::Cycle;
use mandate_model::{ElementKind, StartTrigger};
use mandate_store::{Delivery, Receiver, StartTimerRow};

use super::{PAGE, StoreReport};
use crate::definitions::Definition;
use crate::deploy::start_events;
use crate::error::Reach;
use crate::signals::UNREADABLE;
use crate::{Error, Runtime};

impl Runtime {
    /// What moves while it is looked at is looked at again: only what is wrong twice is.
    pub(super) async fn check_beside(&self, report: &mut StoreReport) -> Result<(), Error> {
        let mut findings = self.wrong_beside().await?;
        if !findings.is_empty() {
            let again = self.wrong_beside().await?;
            findings.retain(|finding| again.contains(finding));
        }
        report.findings.append(&mut findings);
        Ok(())
    }

    async fn wrong_beside(&self) -> Result<Vec<String>, Error> {
        let mut findings = self.wrong_start_timers().await?;
        let astray = self.0.store.elements_astray().await?;
        findings.extend(astray.iter().map(|id| format!("definition {id} is deleted or there, and its elements are not kept so")));
        findings.extend(self.wrong_start_events().await?);
        for (table, id) in self.0.store.orphans().await? {
            findings.push(format!("table {table} has rows of instance {id}, which is not there: delete them, nobody else will"));
        }
        for (table, id) in self.0.store.history_orphans().await? {
            findings.push(format!(
                "table {table} has rows of instance {id}, which history does not know, so that they are never removed: put the id into table \
                 history_remains, and a host removes them"
            ));
        }
        let mut after = None;
        loop {
            let page = self.0.store.deliveries_after(after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            for delivery in page {
                after = Some(delivery.name);
                findings.extend(self.wrong_delivery(&delivery).await?);
            }
            if is_last {
                return Ok(findings);
            }
        }
    }

    async fn wrong_start_timers(&self) -> Result<Vec<String>, Error> {
        let rows = self.0.store.all_start_timers().await?;
        let mut newest = BTreeMap::new();
        for row in self.0.store.all_definitions().await? {
            let of_key = newest.entry((row.tenant.clone(), row.key.clone())).or_insert((row.version, row.id.clone()));
            *of_key = of_key.clone().max((row.version, row.id));
        }
        let newest: Vec<String> = newest.into_values().map(|(_, id)| id).collect();
        let mut findings = Vec::new();
        for row in rows.iter().filter(|row| !newest.contains(&row.definition_id)) {
            findings.push(format!(
                "timer start event {} waits for definition {}, which is not the newest of its key",
                row.id, row.definition_id
            ));
        }
        for id in newest {
            // One that cannot be loaded is a finding of its own.
            if let Some(definition) = self.loaded(&id).await? {
                let of_definition = rows.iter().filter(|row| row.definition_id == id).collect();
                findings.extend(wrong_timers_of(&definition, of_definition, self.now()));
            }
        }
        Ok(findings)
    }

    async fn wrong_start_events(&self) -> Result<Vec<String>, Error> {
        let mut findings = Vec::new();
        for row in self.0.store.all_definitions().await? {
            let Some(definition) = self.loaded(&row.id).await? else { continue };
            let mut of_model = start_events(&definition.model);
            of_model.sort_unstable_by(|a, b| (&a.activity_id, a.kind.as_str(), &a.name).cmp(&(&b.activity_id, b.kind.as_str(), &b.name)));
            match self.0.store.start_events_of_definition(&row.id).await {
                Ok(stored) if stored == of_model => {}
                Ok(stored) => findings.push(format!(
                    "definition {}: what starts it differs: the model has {of_model:?}, the rows have {stored:?}; deploy a new version",
                    row.id
                )),
                Err(mandate_store::Error::Damaged(reason)) => {
                    findings.push(format!("definition {}: what starts it cannot be read: {reason}; deploy a new version", row.id));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(findings)
    }

    async fn wrong_delivery(&self, delivery: &Delivery) -> Result<Option<String>, Error> {
        let wrong =
            |what: &str| Ok(Some(format!("signal '{}', delivery {}.{}: {what}", delivery.signal, delivery.name.signal, delivery.name.n)));
        if let Receiver::Unreadable { .. } = delivery.receiver {
            return wrong(UNREADABLE);
        }
        if serde_json::from_str::<Variables>(&delivery.variables).is_err() {
            return wrong("its variables cannot be read");
        }
        if delivery.retries == 0 && delivery.failures == 0 {
            return wrong("it was given up and has never failed");
        }
        // Without its definition, or one that can be loaded, it waits until somebody looks, and then is over.
        let Some(definition) = self.loaded(&delivery.definition_id).await? else { return Ok(None) };
        let element = definition.model.find(&delivery.activity_id).map(|element| &definition.model.element(element).kind);
        let fits = match (element, delivery.receiver) {
            (Some(ElementKind::StartEvent(_)), Receiver::Start) => true,
            (Some(ElementKind::StartEvent(_)), Receiver::Wait { .. }) | (_, Receiver::Start) => false,
            (found, _) => found.is_some(),
        };
        if fits { Ok(None) } else { wrong(&format!("definition {} has no such '{}'", delivery.definition_id, delivery.activity_id)) }
    }

    async fn loaded(&self, id: &str) -> Result<Option<std::sync::Arc<Definition>>, Error> {
        match self.0.definitions.get(&self.0.store, id).await {
            Ok(definition) => Ok(Some(definition)),
            Err(error) if error.reach() >= Reach::Host => Err(error),
            Err(_) => Ok(None),
        }
    }
}

fn wrong_timers_of(definition: &Definition, rows: Vec<&StartTimerRow>, now: i64) -> Vec<String> {
    let (id, model) = (&definition.row.id, &definition.model);
    let mut findings = Vec::new();
    for row in &rows {
        let activity = &row.timer.activity_id;
        if model.find_start(activity, |it| matches!(it, StartTrigger::Timer(_))).is_none() {
            findings.push(format!("timer start event {}: definition {id} has no '{activity}'", row.id));
        }
        if row.timer.cycle.as_ref().is_some_and(|cycle| Cycle::parse(cycle, now).is_err()) {
            findings.push(format!("timer start event {}: its cycle cannot be read", row.id));
        }
    }
    // Which of them have no end does not depend on the moment.
    for timer in StartTimer::open(model, now).into_iter().flatten() {
        let activity = &model.element(timer.element).id;
        let endless = timer.cycle.as_ref().and_then(|cycle| Cycle::parse(cycle, now).ok()).is_some_and(|cycle| cycle.is_endless());
        let going_on = rows.iter().filter(|row| row.timer.activity_id == **activity && row.timer.cycle.is_some()).count();
        if endless && going_on != 1 {
            findings.push(format!("definition {id}: the cycle of '{activity}' has no end, and goes on in {going_on} rows instead of one"));
        }
    }
    findings
}
