//! Which definition a call activity calls.

use mandate_engine::{CalledVersion, ProcessCall};
use mandate_store::query::{DefinitionFilter, DefinitionSort, Order, Page};

use crate::definitions::Definition;
use crate::instances::none_start;
use crate::parties::Callable;
use crate::{Error, Inner};

impl Inner {
    /// The definition that a call names at this moment. The store is asked: what is remembered may be long replaced.
    pub(crate) async fn callable(&self, call: &ProcessCall, caller: &Definition) -> Result<Callable, Error> {
        let of = call.tenant.as_ref().map_or("without a tenant".to_owned(), |tenant| format!("of tenant '{tenant}'"));
        let mut filter = DefinitionFilter {
            key: Some(call.process.clone()),
            tenants: call.tenant.clone().into_iter().collect(),
            without_tenant: call.tenant.is_none(),
            ..DefinitionFilter::default()
        };
        let which = match &call.version {
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
        let newest_first = [(DefinitionSort::Version, Order::Desc)];
        let found = self.store.definitions(filter, Page { first: 0, max: 2 }, &newest_first).await?;
        // As in Camunda 7 a tag that several versions have means none of them.
        let ambiguous = found.len() > 1 && matches!(call.version, CalledVersion::Tag(_));
        let Some(row) = found.into_iter().next() else { return Ok(Err(format!("there is no such process {of}{which}"))) };
        if ambiguous {
            return Ok(Err(format!("there are several {of}{which}")));
        }
        if row.suspended {
            return Ok(Err(format!("its definition {} is suspended", row.id)));
        }
        let definition = self.definition_of(&row.id).await?;
        Ok(match none_start(&definition) {
            Ok(element) => Ok((definition, element)),
            Err(error) => Err(error.to_string()),
        })
    }
}
