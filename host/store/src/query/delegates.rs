//! Delegates: their versions, their components, and who is bound to them.

use super::select::{Select, ascending};
use super::{Page, Reads};
use crate::Error;
use crate::db::{Row, params};

/// A delegate of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegateListed {
    /// The name models refer to.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of its component, in hex.
    pub digest: String,
    /// What it may do, as JSON.
    pub mandate: String,
    /// External-task topics that it serves.
    pub topics: Vec<String>,
    /// The deployment that brought it.
    pub deployment_id: String,
    /// Whose it is.
    pub tenant: Option<String>,
    /// When it was deployed.
    pub deployed_at: i64,
}

/// Which delegates.
#[derive(Clone, Debug, Default)]
pub struct DelegateFilter {
    /// With this name.
    pub name: Option<String>,
    /// Of this version.
    pub version: Option<String>,
    /// With this component.
    pub digest: Option<String>,
    /// Of this deployment.
    pub deployment_id: Option<String>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
}

/// A definition that is bound to a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundDefinition {
    /// The definition.
    pub definition_id: String,
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: i64,
    /// Whose it is.
    pub tenant: Option<String>,
    /// As its model says it.
    pub reference: String,
    /// The delegate's name.
    pub delegate: String,
    /// The delegate's version.
    pub delegate_version: String,
}

const FROM: &str = "delegate g JOIN deployment p ON p.id = g.deployment_id";
const COLUMNS: &str = "g.name, g.version, g.digest, g.mandate, g.topics, g.deployment_id, p.tenant, p.deployed_at";
/// Newest last, so that the last of equals is the one to take.
const ORDER: [&str; 3] = ["p.deployed_at", "p.id", "g.name"];

fn delegate(row: &Row) -> Result<DelegateListed, Error> {
    let mut columns = row.columns();
    Ok(DelegateListed {
        name: columns.next()?,
        version: columns.next()?,
        digest: columns.next()?,
        mandate: columns.next()?,
        topics: columns.next_list()?,
        deployment_id: columns.next()?,
        tenant: columns.next_tenant()?,
        deployed_at: columns.next()?,
    })
}

fn select(filter: DelegateFilter) -> Select {
    let mut select = Select::new(FROM);
    select.maybe("g.name = $?", filter.name);
    select.maybe("g.version = $?", filter.version);
    select.maybe("g.digest = $?", filter.digest);
    select.maybe("g.deployment_id = $?", filter.deployment_id);
    select.tenants("p.tenant", filter.tenants, filter.without_tenant);
    select
}

impl Reads {
    /// The delegates a deployment of this tenant may refer to: the tenant's own and those of no tenant, the newest last.
    pub async fn delegates(&self, tenant: Option<&str>) -> Result<Vec<DelegateListed>, Error> {
        let mut tenants = vec![String::new()];
        tenants.extend(tenant.map(str::to_owned));
        self.list_delegates(DelegateFilter { tenants, ..DelegateFilter::default() }, Page::ALL).await
    }

    /// Delegates, the newest last.
    pub async fn list_delegates(&self, filter: DelegateFilter, page: Page) -> Result<Vec<DelegateListed>, Error> {
        let rows = select(filter).large_rows(&self.pool, COLUMNS, &ascending(&ORDER), page).await?;
        rows.iter().map(delegate).collect()
    }

    /// The definitions that are bound to a component.
    pub async fn bound_definitions(&self, digest: &str) -> Result<Vec<BoundDefinition>, Error> {
        let mut select = Select::new("binding b JOIN definition d ON d.id = b.definition_id");
        select.with("b.digest = $?", digest);
        let columns = "d.id, d.key, d.version, d.tenant, b.reference, b.delegate, b.version";
        let rows = select.rows(&self.pool, columns, &ascending(&["d.id", "b.reference"]), Page::ALL).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(BoundDefinition {
                    definition_id: columns.next()?,
                    key: columns.next()?,
                    version: columns.next()?,
                    tenant: columns.next_tenant()?,
                    reference: columns.next()?,
                    delegate: columns.next()?,
                    delegate_version: columns.next()?,
                })
            })
            .collect()
    }

    /// The digests of all components.
    pub async fn artifacts(&self) -> Result<Vec<String>, Error> {
        let rows = self.pool.fetch("SELECT digest FROM artifact ORDER BY digest", Vec::new()).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// A component's bytes, by SHA-256 digest in hex.
    pub async fn artifact(&self, digest: &str) -> Result<Option<Vec<u8>>, Error> {
        let rows = self.lookups.fetch("SELECT bytes FROM artifact WHERE digest = $1", params![digest]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }
}
