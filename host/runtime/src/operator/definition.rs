//! What operators do to definitions and deployments.

use mandate_engine::InstanceId;
use mandate_store::query::{DefinitionFilter, DefinitionRow, InstanceFilter, Page};
use mandate_store::{CarriedOut, DeploymentDeletion};

use super::{Change, OPERATOR, Operation, Subject, suspension_verb};
use crate::deploy::{Report, Upload};
use crate::error::Several;
use crate::{Error, Runtime};

/// How far a change of definitions reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The definitions alone.
    Definitions,
    /// What there is of them, too: instances of process definitions, jobs of job definitions.
    All,
}

impl Extent {
    /// Of a change that includes what there is of definitions, or does not.
    pub fn including(includes: bool) -> Self {
        if includes { Self::All } else { Self::Definitions }
    }

    /// Whether it includes what there is of them.
    pub fn includes(self) -> bool {
        self == Self::All
    }
}

impl Runtime {
    /// Deploys an upload, or says everything that is wrong with it and stores nothing.
    pub async fn deploy(&self, upload: Upload) -> Result<Report, Error> {
        let id = uuid::Uuid::now_v7().to_string();
        let subject = Subject { deployment_id: Some(id.clone()), tenant: upload.tenant.clone(), ..Subject::default() };
        let mut changes = vec![Change::to("duplicateFilterEnabled", upload.filter_duplicates)];
        changes.extend(upload.name.iter().map(|name| Change::to("name", name)));
        let operation = Operation { verb: "Create", entity_type: "Deployment", category: OPERATOR, changes, subject };
        self.0.deploy(id, upload, self.logged(operation)).await
    }

    /// Deletes a deployment. Refused while an instance of it lives or a binding of it is used, unless `cascade`.
    pub async fn delete_deployment(&self, id: &str, cascade: bool) -> Result<(), Error> {
        let tenant = self.0.store.deployment(id).await?.and_then(|found| found.tenant);
        let subject = Subject { deployment_id: Some(id.to_owned()), tenant, ..Subject::default() };
        let changes = vec![Change::to("cascade", cascade)];
        let operations = self.logged(Operation { verb: "Delete", entity_type: "Deployment", category: OPERATOR, changes, subject });
        loop {
            let now = self.now();
            let filter = DefinitionFilter { deployment_id: Some(id.to_owned()), ..DefinitionFilter::default() };
            let definitions = self.0.store.definitions(filter, Page::ALL, &[]).await?.into_iter().map(|row| row.id).collect();
            let reopened = self.0.reopened(definitions, now).await?;
            let deletion = self.0.store.delete_deployment(id, cascade, &operations, &reopened, now).await?;
            if self.deleted("deployment", id, deletion)? {
                return Ok(());
            }
        }
    }

    /// Deletes one definition, or all versions of one key: all of them or none. Refused while an instance of them lives, unless `cascade`.
    /// What was deployed with them stays.
    pub async fn delete_definitions(&self, rows: &[DefinitionRow], cascade: bool) -> Result<(), Error> {
        let ids: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
        let operation = |row: &DefinitionRow| {
            let (changes, subject) = (vec![Change::to("cascade", cascade)], Subject::of_definition(row));
            self.logged(Operation { verb: "Delete", entity_type: "ProcessDefinition", category: OPERATOR, changes, subject })
        };
        let operations: Vec<_> = rows.iter().flat_map(operation).collect();
        loop {
            let now = self.now();
            let reopened = self.0.reopened(ids.clone(), now).await?;
            let deletion = self.0.store.delete_definitions(ids.clone(), cascade, &operations, &reopened, now).await?;
            if self.deleted("process definition", &ids.join(", "), deletion)? {
                return Ok(());
            }
        }
    }

    /// Whether it is deleted; if not, it is to be tried again, or refused.
    fn deleted(&self, what: &'static str, id: &str, deletion: DeploymentDeletion) -> Result<bool, Error> {
        match deletion {
            // Another deployment came between: what opens again is something else.
            DeploymentDeletion::Moved => Ok(false),
            DeploymentDeletion::Deleted { definitions } => {
                self.0.definitions.forget(&definitions);
                self.0.executor.look_again();
                Ok(true)
            }
            DeploymentDeletion::NotFound => Err(Error::NotFound { what, id: id.to_owned() }),
            DeploymentDeletion::Called { callers } => Err(Error::Conflict(format!(
                "{what} {id} is in use: {callers} instance(s) of definitions that are not deleted have called instances of it and wait for \
                 them; delete those instances first"
            ))),
            DeploymentDeletion::Awaited { messages } => Err(Error::Conflict(format!(
                "{what} {id} is in use: {messages} message(s) are on their way to it; see them at /api/v1/messages, or delete with cascade=true, \
                 which removes them"
            ))),
            DeploymentDeletion::Refused { instances, bindings } => Err(Error::Conflict(format!(
                "{what} {id} is in use: {instances} running instance(s) and {bindings} binding(s) of other deployments' definitions; \
                 end them first, or delete with cascade=true"
            ))),
        }
    }

    /// Suspends a definition (true): no instance of it starts and, if it reaches that far, all its instances are suspended too, each in a
    /// unit of work of its own. Whatever ends the request in between leaves a definition that starts nothing, and may be repeated. A
    /// definition that is activated has its job definitions activated, too.
    pub async fn suspend_definition(&self, id: &str, suspended: bool, extent: Extent) -> Result<(), Error> {
        self.suspend_definitions(&[id.to_owned()], suspended, extent).await
    }

    /// The same for several: all definitions, then all their instances. One that fails keeps no other, and is what is answered.
    pub async fn suspend_definitions(&self, ids: &[String], suspended: bool, extent: Extent) -> Result<(), Error> {
        let mut all = Several::NONE;
        for id in ids {
            all.and(self.suspend_one_definition(id, suspended, extent).await)?;
        }
        for id in ids.iter().filter(|_| extent.includes()) {
            let of_it = InstanceFilter { definition_id: Some(id.clone()), ..InstanceFilter::default() };
            let found = self.0.store.instance_ids(of_it).await?;
            all.and(self.suspend_instances(found.into_iter().map(InstanceId).collect(), suspended).await)?;
        }
        all.outcome()
    }

    async fn suspend_one_definition(&self, id: &str, suspended: bool, extent: Extent) -> Result<(), Error> {
        let not_found = || Error::NotFound { what: "process definition", id: id.to_owned() };
        let found = self.0.store.definition(id).await?.ok_or_else(not_found)?;
        self.suspend_definition_row(&found, suspended, extent, None).await
    }

    /// The same without the instances, perhaps as it was planned.
    pub(crate) async fn suspend_definition_row(
        &self,
        found: &DefinitionRow,
        suspended: bool,
        extent: Extent,
        plan: Option<&CarriedOut>,
    ) -> Result<(), Error> {
        let subject = Subject::of_definition(found);
        let operations = |before: bool| {
            let changes = vec![Change::suspension(Some(before), suspended), Change::to("includeProcessInstances", extent.includes())];
            let entity_type = "ProcessDefinition";
            let verb = suspension_verb(entity_type, suspended);
            self.logged(Operation { verb, entity_type, category: OPERATOR, changes, subject })
        };
        if !self.0.store.carry_out_suspension(&found.id, suspended, plan, operations).await? {
            return Err(Error::NotFound { what: "process definition", id: found.id.clone() });
        }
        self.0.job_definitions.forget();
        self.0.executor.look_again();
        Ok(())
    }
}
