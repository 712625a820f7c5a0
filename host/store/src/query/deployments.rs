//! Deployments and their resources.

use super::select::{Select, Sort, ascending, keys};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Row, params};

/// A deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeploymentRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Who made it.
    pub source: Option<String>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// When, milliseconds since 1970.
    pub deployed_at: i64,
    /// What makes it what it is.
    pub content_digest: String,
    /// Free strings, as JSON.
    pub metadata: String,
}

/// Which deployments.
#[derive(Clone, Debug, Default)]
pub struct DeploymentFilter {
    /// One of these.
    pub ids: Vec<String>,
    /// With this name.
    pub name: Option<String>,
    /// With a name like this.
    pub name_like: Option<String>,
    /// From this source.
    pub source: Option<String>,
    /// From no source.
    pub without_source: bool,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
    /// Later than this.
    pub after: Option<i64>,
    /// Earlier than this.
    pub before: Option<i64>,
}

/// What deployments are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeploymentSort {
    /// Their id.
    Id,
    /// Their name.
    Name,
    /// When they were made.
    DeployedAt,
    /// Their tenant.
    Tenant,
}

impl Sort for DeploymentSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Name => "name",
            Self::DeployedAt => "deployed_at",
            Self::Tenant => "tenant",
        }
    }
}

/// A file of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceRow {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its deployment.
    pub deployment_id: String,
    /// Bytes.
    pub size: i64,
}

const COLUMNS: &str = "id, name, source, tenant, deployed_at, content_digest, metadata";

fn deployment(row: &Row) -> Result<DeploymentRow, Error> {
    let mut columns = row.columns();
    Ok(DeploymentRow {
        id: columns.next()?,
        name: columns.next()?,
        source: columns.next()?,
        tenant: columns.next_tenant()?,
        deployed_at: columns.next()?,
        content_digest: columns.next()?,
        metadata: columns.next()?,
    })
}

fn select(filter: DeploymentFilter) -> Select {
    let mut select = Select::new("deployment");
    select.texts("id", filter.ids);
    select.maybe("name = $?", filter.name);
    select.like("name", filter.name_like);
    select.maybe("source = $?", filter.source);
    select.when(filter.without_source, "source IS NULL");
    select.tenants("tenant", filter.tenants, filter.without_tenant);
    select.maybe("deployed_at > $?", filter.after);
    select.maybe("deployed_at < $?", filter.before);
    select
}

impl Reads {
    /// Deployments.
    pub async fn deployments(
        &self,
        filter: DeploymentFilter,
        page: Page,
        sort: &[(DeploymentSort, Order)],
    ) -> Result<Vec<DeploymentRow>, Error> {
        let rows = select(filter).rows(&self.pool, COLUMNS, &keys(sort, &["id"]), page).await?;
        rows.iter().map(deployment).collect()
    }

    /// How many there are.
    pub async fn count_deployments(&self, filter: DeploymentFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }

    /// The deployment with this id.
    pub async fn deployment(&self, id: &str) -> Result<Option<DeploymentRow>, Error> {
        let filter = DeploymentFilter { ids: vec![id.to_owned()], ..DeploymentFilter::default() };
        Ok(self.deployments(filter, Page::ALL, &[]).await?.pop())
    }

    /// The files of a deployment, by name.
    pub async fn resources(&self, deployment_id: &str) -> Result<Vec<ResourceRow>, Error> {
        let mut select = Select::new("resource");
        select.with("deployment_id = $?", deployment_id);
        let rows = select.rows(&self.pool, "id, name, deployment_id, size", &ascending(&["name"]), Page::ALL).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(ResourceRow { id: columns.next()?, name: columns.next()?, deployment_id: columns.next()?, size: columns.next()? })
            })
            .collect()
    }

    /// The content of a deployment's file, by the file's name.
    pub async fn resource_bytes(&self, deployment_id: &str, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let sql = "SELECT COALESCE(r.bytes, a.bytes) FROM resource r LEFT JOIN artifact a ON a.digest = r.artifact \
                   WHERE r.deployment_id = $1 AND r.name = $2";
        let rows = self.lookups.fetch(sql, params![deployment_id, name]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    /// The name and content of a deployment's file, by the file's id.
    pub async fn resource(&self, deployment_id: &str, id: &str) -> Result<Option<(String, Vec<u8>)>, Error> {
        let sql = "SELECT r.name, COALESCE(r.bytes, a.bytes) FROM resource r LEFT JOIN artifact a ON a.digest = r.artifact \
                   WHERE r.deployment_id = $1 AND r.id = $2";
        let rows = self.pool.fetch(sql, params![deployment_id, id]).await?;
        rows.first().map(|row| Ok((row.get(0)?, row.get(1)?))).transpose()
    }
}
