//! Which definition a call activity calls.

use std::collections::BTreeMap;

use mandate_engine::{CalledVersion, ProcessCall};
use mandate_feel::Expression;
use mandate_model::{Binding, ElementKind};
use mandate_store::query::{DefinitionFilter, DefinitionRow};

use crate::definitions::Definition;
use crate::instances::none_start;
use crate::parties::Callable;
use crate::{Error, Inner, Runtime};

impl Runtime {
    /// The definitions that a definition's call activities would call now, with the ids of these activities: as far as the model names them
    /// without an expression, and they are there (Camunda 7, "Get Static Called Process Definitions").
    pub async fn static_called(&self, id: &str) -> Result<Vec<(DefinitionRow, Vec<String>)>, Error> {
        let caller = self.definition(id).await?;
        let mut found: BTreeMap<String, (DefinitionRow, Vec<String>)> = BTreeMap::new();
        for (_, element) in caller.model.iter() {
            let ElementKind::CallActivity(call) = &element.kind else { continue };
            let version = match &call.binding {
                Binding::Latest => Some(CalledVersion::Latest),
                Binding::Deployment => Some(CalledVersion::Deployment),
                Binding::Version(version) => literal(version).and_then(|text| text.parse().ok()).map(CalledVersion::Number),
                Binding::VersionTag(tag) => literal(tag).map(CalledVersion::Tag),
            };
            let tenant = match &call.tenant {
                Some(tenant) => literal(tenant).map(Some),
                None => Some(caller.row.tenant.clone()),
            };
            let (Some(process), Some(version), Some(tenant)) = (literal(&call.process), version, tenant) else { continue };
            if let Ok(row) = self.0.named(&process, &version, tenant.as_deref(), &caller).await? {
                let called = found.entry(row.id.clone()).or_insert_with(|| (row, Vec::new()));
                called.1.push(element.id.to_string());
            }
        }
        Ok(found.into_values().collect())
    }
}

impl Inner {
    /// The definition that a call names at this moment. The store is asked: what is remembered may be long replaced.
    pub(crate) async fn callable(&self, call: &ProcessCall, caller: &Definition) -> Result<Callable, Error> {
        let row = match self.named(&call.process, &call.version, call.tenant.as_deref(), caller).await? {
            Ok(row) => row,
            Err(reason) => return Ok(Err(reason)),
        };
        if row.suspended {
            return Ok(Err(format!("its definition {} is suspended", row.id)));
        }
        let definition = self.definition_of(&row.id).await?;
        // The standard leaves to extensions how a call says at which (BPMN 2.0, 10.5.2); there is none.
        if definition.model.none_starts().nth(1).is_some() {
            return Ok(Err("it has several none start events, and a call can't say at which it begins".to_owned()));
        }
        Ok(none_start(&definition).map_err(|error| error.to_string()).map(|element| (definition, element)))
    }

    async fn named(
        &self,
        process: &str,
        version: &CalledVersion,
        tenant: Option<&str>,
        caller: &Definition,
    ) -> Result<Result<DefinitionRow, String>, Error> {
        let of = tenant.map_or("without a tenant".to_owned(), |tenant| format!("of tenant '{tenant}'"));
        let mut filter = DefinitionFilter {
            tenants: tenant.map(str::to_owned).into_iter().collect(),
            without_tenant: tenant.is_none(),
            ..DefinitionFilter::default()
        };
        let which = match version {
            CalledVersion::Latest => String::new(),
            CalledVersion::Deployment => {
                filter.deployment_id = Some(caller.row.deployment_id.clone());
                format!(" in deployment {}", caller.row.deployment_id)
            }
            CalledVersion::Number(version) => {
                filter.version = Some(*version);
                format!(" in version {version}")
            }
            CalledVersion::Tag(tag) => {
                filter.version_tag = Some(tag.clone());
                format!(" with version tag '{tag}'")
            }
        };
        let mut found = self.store.newest_definitions(process, filter, 2).await?;
        // As in Camunda 7 a tag that several versions have means none of them.
        if found.len() > 1 && matches!(version, CalledVersion::Tag(_)) {
            return Ok(Err(format!("there are several {of}{which}")));
        }
        found.truncate(1);
        Ok(found.pop().ok_or_else(|| format!("there is no such process {of}{which}")))
    }
}

/// What an expression says that computes nothing.
fn literal(expression: &Expression) -> Option<String> {
    expression.as_literal().map(|text| text.trim().to_owned())
}
