//! Process definitions, what they are bound to, and how many instances stand where.

use uuid::Uuid;

use super::ask::{Ask, Asked, date, either, flag, is, like, like_in_any_case, one_of, pattern, text};
use super::incidents::OF_CALLED;
use super::select::{Select, Sort, ascending, keys};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, Pool, Row, params};
use crate::deployment::BindingRow;
use crate::rows::EventKind;

/// A process definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionRow {
    /// `key:version:uuid`.
    pub id: String,
    /// The BPMN process id.
    pub key: String,
    /// Counts up from 1 per tenant and key.
    pub version: i64,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The process's name.
    pub name: Option<String>,
    /// `camunda:versionTag`.
    pub version_tag: Option<String>,
    /// `camunda:historyTimeToLive`, in days.
    pub history_ttl: Option<i64>,
    /// The `targetNamespace` of its file.
    pub category: Option<String>,
    /// Task lists offer to start it.
    pub startable_in_tasklist: bool,
    /// Its deployment.
    pub deployment_id: String,
    /// The file it is in.
    pub resource_name: String,
    /// Digest of its BPMN and of what its references resolve to.
    pub identity: String,
    /// Where the ids of its elements begin, for history.
    pub first_element: i64,
    /// No instance may start.
    pub suspended: bool,
}

/// Which definitions.
#[derive(Clone, Debug, Default)]
pub struct DefinitionFilter {
    /// One of these.
    pub ids: Vec<String>,
    /// With this key.
    pub key: Option<String>,
    /// Of this version.
    pub version: Option<i64>,
    /// Only the newest version of every key and tenant.
    pub latest_version: bool,
    /// With this tag.
    pub version_tag: Option<String>,
    /// Of this deployment.
    pub deployment_id: Option<String>,
    /// Of an instance that has this open incident.
    pub incident: Option<(Uuid, i64)>,
    /// Of instances with an open incident of this code, also of what they have called.
    pub incident_code: Option<String>,
    /// Of instances with an open incident of any other code than this, likewise.
    pub incident_code_not: Option<String>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
    /// Suspended (true) or active (false).
    pub suspended: Option<bool>,
    /// And this, of [`DEFINITIONS`].
    pub asked: Vec<Asked>,
}

/// Of instances that have such an incident of their own.
macro_rules! with_incident {
    ($which:literal) => {
        concat!("d.id IN (SELECT c.definition_id FROM any_incident c WHERE c.", $which, ")")
    };
}

/// What definitions can be asked besides.
pub static DEFINITIONS: &[Ask] = &[
    one_of("keysIn", "d.key"),
    like("keyLike", "d.key"),
    is("name", "d.name"),
    like_in_any_case("nameLike", "LOWER(d.name)"),
    is("category", "d.category"),
    like("categoryLike", "d.category"),
    like("versionTagLike", "d.version_tag"),
    flag("withoutVersionTag", "d.version_tag IS NULL"),
    date("deployedAfter", "d.deployment_id IN (SELECT p.id FROM deployment p WHERE p.deployed_at > $?)"),
    date("deployedAt", "d.deployment_id IN (SELECT p.id FROM deployment p WHERE p.deployed_at = $?)"),
    is("resourceName", "d.resource_name"),
    like("resourceNameLike", "d.resource_name"),
    either("startableInTasklist", "notStartableInTasklist", "d.startable_in_tasklist"),
    // As the column has them, between commas: who has one in their name is nobody's starter.
    text("startableBy", "{pg:STRPOS}{lite:INSTR}(d.starters, ',' || $? || ',') > 0 AND {pg:STRPOS}{lite:INSTR}($?, ',') = 0"),
    text("incidentMessage", with_incident!("message = $?")),
    pattern("incidentMessageLike", with_incident!("message LIKE $? ESCAPE '\\'")),
];

/// What definitions are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinitionSort {
    /// Their id.
    Id,
    /// Their key.
    Key,
    /// Their name.
    Name,
    /// Their version.
    Version,
    /// Their version tag.
    VersionTag,
    /// Their category.
    Category,
    /// Their deployment.
    DeploymentId,
    /// When they were deployed.
    DeployedAt,
    /// Their tenant.
    Tenant,
}

impl Sort for DefinitionSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id => "d.id",
            Self::Key => "d.key",
            Self::Name => "d.name",
            Self::Version => "d.version",
            Self::VersionTag => "d.version_tag",
            Self::Category => "d.category",
            Self::DeploymentId => "d.deployment_id",
            Self::DeployedAt => "(SELECT p.deployed_at FROM deployment p WHERE p.id = d.deployment_id)",
            Self::Tenant => "d.tenant",
        }
    }
}

/// A start event that a message, a signal or a condition starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartEvent {
    /// The definition.
    pub definition_id: String,
    /// Its key.
    pub key: String,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The message's or signal's name; empty of a condition.
    pub name: String,
    /// BPMN id of the start event.
    pub activity_id: String,
}

/// How many instances of a definition there are, and how they fare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefinitionStatistics {
    /// Which.
    pub definition: DefinitionRow,
    /// Live instances.
    pub instances: i64,
    /// Jobs without retries.
    pub failed_jobs: i64,
    /// Open incidents by code, also those that they have of what they have called.
    pub incidents: Vec<(String, i64)>,
    /// Open incidents of their own by code.
    pub root_incidents: Vec<(String, i64)>,
}

/// How many tokens stand at an activity, and how they fare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityStatistics {
    /// BPMN id.
    pub activity_id: String,
    /// Tokens that stand there.
    pub instances: i64,
    /// Jobs without retries.
    pub failed_jobs: i64,
    /// Open incidents that stand there, by code, also those of what is called there.
    pub incidents: Vec<(String, i64)>,
}

pub(crate) const COLUMNS: &str = "d.id, d.key, d.version, d.tenant, d.name, d.version_tag, d.history_ttl, d.category, d.startable_in_tasklist, d.deployment_id, d.resource_name, d.identity, d.first_element, d.suspended";

pub(crate) fn definition(row: &Row) -> Result<DefinitionRow, Error> {
    read(&mut row.columns())
}

fn read(columns: &mut Columns<'_>) -> Result<DefinitionRow, Error> {
    Ok(DefinitionRow {
        id: columns.next()?,
        key: columns.next()?,
        version: columns.next()?,
        tenant: columns.next_tenant()?,
        name: columns.next()?,
        version_tag: columns.next()?,
        history_ttl: columns.next()?,
        category: columns.next()?,
        startable_in_tasklist: columns.next()?,
        deployment_id: columns.next()?,
        resource_name: columns.next()?,
        identity: columns.next()?,
        first_element: columns.next()?,
        suspended: columns.next()?,
    })
}

/// The newest version of its tenant and key.
pub(crate) const NEWEST: &str =
    "NOT EXISTS (SELECT 1 FROM definition newer WHERE newer.tenant = d.tenant AND newer.key = d.key AND newer.version > d.version)";

fn select(filter: DefinitionFilter) -> Select {
    let mut select = Select::new("definition d");
    select.texts("d.id", filter.ids);
    select.maybe("d.key = $?", filter.key);
    select.maybe("d.version = $?", filter.version);
    select.when(filter.latest_version, NEWEST);
    select.maybe("d.version_tag = $?", filter.version_tag);
    select.maybe("d.deployment_id = $?", filter.deployment_id);
    if let Some(id) = filter.incident {
        select.exists("any_incident c", |select| {
            select.numbered("c.instance_id", "c.n", vec![id]);
            select.condition("c.definition_id = d.id");
        });
    }
    let or_called =
        |own: &str, condition: &str| format!("({own} OR d.id IN (SELECT c.definition_id FROM {OF_CALLED} c WHERE c.{condition}))");
    select.maybe(&or_called(with_incident!("code = $?"), "code = $?"), filter.incident_code);
    select.maybe(&or_called(with_incident!("code <> $?"), "code <> $?"), filter.incident_code_not);
    select.tenants("d.tenant", filter.tenants, filter.without_tenant);
    select.maybe("d.suspended = $?", filter.suspended);
    select.asked(filter.asked);
    select
}

impl Reads {
    /// Definitions.
    pub async fn definitions(
        &self,
        filter: DefinitionFilter,
        page: Page,
        sort: &[(DefinitionSort, Order)],
    ) -> Result<Vec<DefinitionRow>, Error> {
        let rows = select(filter).large_rows(&self.pool, COLUMNS, &keys(sort, &["d.id"]), page).await?;
        rows.iter().map(definition).collect()
    }

    /// The newest versions of a key that the filter lets through, up to so many, as a unit of work looks them up.
    pub async fn newest_definitions(&self, key: &str, filter: DefinitionFilter, max: u32) -> Result<Vec<DefinitionRow>, Error> {
        let select = select(DefinitionFilter { key: Some(key.to_owned()), ..filter });
        let order = keys(&[(DefinitionSort::Version, Order::Desc)], &["d.id"]);
        let rows = select.large_rows(&self.lookups, COLUMNS, &order, Page { first: 0, max }).await?;
        rows.iter().map(definition).collect()
    }

    /// How many there are.
    pub async fn count_definitions(&self, filter: DefinitionFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }

    /// All of them.
    pub async fn all_definitions(&self) -> Result<Vec<DefinitionRow>, Error> {
        self.definitions(DefinitionFilter::default(), Page::ALL, &[]).await
    }

    /// The definition with this id.
    pub async fn definition(&self, id: &str) -> Result<Option<DefinitionRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM definition d WHERE d.id = $1");
        self.lookups.fetch(&sql, params![id]).await?.first().map(definition).transpose()
    }

    /// The newest version of a key, of one tenant or of none.
    pub async fn latest_definition(&self, key: &str, tenant: Option<&str>) -> Result<Option<DefinitionRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM definition d WHERE d.tenant = $1 AND d.key = $2 ORDER BY d.version DESC LIMIT 1");
        let rows = self.lookups.fetch(&sql, params![tenant.unwrap_or_default(), key]).await?;
        rows.first().map(definition).transpose()
    }

    /// What a definition's references resolve to, by reference.
    pub async fn bindings(&self, definition_id: &str) -> Result<Vec<BindingRow>, Error> {
        let mut select = Select::new("binding");
        select.with("definition_id = $?", definition_id);
        let columns = "reference, delegate, version, digest, mandate";
        let rows = select.rows(&self.lookups, columns, &ascending(&["reference"]), Page::ALL).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(BindingRow {
                    reference: columns.next()?,
                    delegate: columns.next()?,
                    version: columns.next()?,
                    digest: columns.next()?,
                    mandate: columns.next()?,
                })
            })
            .collect()
    }

    /// The elements of a definition, as they were when it was deployed, by their numbers: number, BPMN id, activity type.
    pub async fn elements(&self, definition: &DefinitionRow) -> Result<Vec<(i64, String, String)>, Error> {
        let sql = "SELECT id, activity_id, kind FROM element WHERE definition_id = $1 ORDER BY id";
        let rows = self.lookups.fetch(sql, params![definition.id.as_str()]).await?;
        rows.iter().map(|row| Ok((row.get::<i64>(0)? - definition.first_element, row.get(1)?, row.get(2)?))).collect()
    }

    /// Which start events something starts, by its name or, of conditions, which have none, all of them: those of the newest version of
    /// every key, unless it is suspended; of one tenant, of none, or of any.
    pub async fn start_events(
        &self,
        kind: EventKind,
        name: &str,
        tenant: Option<&str>,
        without_tenant: bool,
    ) -> Result<Vec<StartEvent>, Error> {
        let mut select = Select::new("start_event e JOIN definition d ON d.id = e.definition_id");
        select.with("e.name = $?", name);
        select.with("e.kind = $?", kind.as_str());
        select.condition(NEWEST);
        select.condition("NOT d.suspended");
        select.maybe("d.tenant = $?", tenant);
        select.when(without_tenant, "d.tenant = ''");
        read_start_events(select, &self.lookups).await
    }

    /// All start events of a tenant's processes that something of this kind starts, those of the newest version of every key; suspended or
    /// not.
    pub async fn start_events_of(&self, kind: EventKind, tenant: Option<&str>) -> Result<Vec<StartEvent>, Error> {
        let mut select = Select::new("start_event e JOIN definition d ON d.id = e.definition_id");
        select.with("d.tenant = $?", tenant.unwrap_or_default());
        select.with("e.kind = $?", kind.as_str());
        select.condition(NEWEST);
        read_start_events(select, &self.pool).await
    }

    /// How many instances of every definition there are, and how they fare.
    pub async fn definition_statistics(&self) -> Result<Vec<DefinitionStatistics>, Error> {
        let sql = failed_by_definition();
        let by_definition =
            |place: &str| format!("SELECT definition_id, code, COUNT(*) FROM {place} c GROUP BY definition_id, code ORDER BY code");
        let (own, of_called) = (by_definition("any_incident"), by_definition(OF_CALLED));
        let answers = self.pool.snapshot([&sql, &own, &of_called].map(|sql| (sql.as_str(), Vec::new())).into()).await?;
        let [rows, own, of_called] = &answers[..] else { unreachable!("three statements have three answers") };
        let (own, of_called) = (counted(own)?, counted(of_called)?);
        let of = |id: &str, counted: &[(String, String, i64)]| -> Vec<(String, i64)> {
            counted.iter().filter(|(of, _, _)| of == id).map(|(_, code, n)| (code.clone(), *n)).collect()
        };
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                let definition = read(&mut columns)?;
                let root_incidents = of(&definition.id, &own);
                let incidents = [root_incidents.clone(), of(&definition.id, &of_called)].concat();
                Ok(DefinitionStatistics { definition, instances: columns.next()?, failed_jobs: columns.next()?, incidents, root_incidents })
            })
            .collect()
    }

    /// How many tokens stand at which activity of a definition, as Camunda 7 counts its active executions: where one waits, also before or
    /// behind its element for an asynchronous continuation, each once. Scopes do not count, nor do tokens at a join. Activities without any
    /// token, failed job or incident are left out.
    pub async fn activity_statistics(&self, definition_id: &str) -> Result<Vec<ActivityStatistics>, Error> {
        let instances = self.pool.fetch(FEW, params![definition_id, MANY]).await?;
        let many = instances.first().map_or(Ok(0), |row| row.get::<i64>(0))? == MANY;
        let tokens = tokens_sql(many);
        let incidents = format!(
            "SELECT activity_id, code, COUNT(*) FROM (SELECT definition_id, activity_id, code FROM any_incident UNION ALL \
             SELECT definition_id, activity_id, code FROM {OF_CALLED} o) c WHERE definition_id = $1 GROUP BY activity_id, code ORDER BY code"
        );
        let statements = [&tokens, ACTIVITY_FAILURES, &incidents].map(|sql| (sql, params![definition_id])).into();
        let answers = self.pool.snapshot(statements).await?;
        let [tokens, failed, incidents] = &answers[..] else { unreachable!("three statements have three answers") };
        let mut by_activity = std::collections::BTreeMap::<String, ActivityStatistics>::new();
        let mut entry = |id: String, change: &dyn Fn(&mut ActivityStatistics)| {
            let fresh = ActivityStatistics { activity_id: id.clone(), instances: 0, failed_jobs: 0, incidents: Vec::new() };
            change(by_activity.entry(id).or_insert(fresh));
        };
        for row in tokens {
            let count = row.get(1)?;
            entry(row.get(0)?, &|statistics| statistics.instances = count);
        }
        for row in failed {
            let count = row.get(1)?;
            entry(row.get(0)?, &|statistics| statistics.failed_jobs = count);
        }
        for (activity, code, count) in counted(incidents)? {
            entry(activity, &|statistics| statistics.incidents.push((code.clone(), count)));
        }
        Ok(by_activity.into_values().collect())
    }
}

/// From so many instances on the tokens of a definition are found by reading what waits, whoever it is of, and not by looking up what each
/// of them has.
const MANY: i64 = 20_000;

/// How many instances a definition has, up to so many.
const FEW: &str = "SELECT COUNT(*) FROM (SELECT 1 FROM instance WHERE definition_id = $1 LIMIT $2) i";

/// Where the tokens of the definition `$1` stand, and how many. An activity that has several waits is told once by its number.
pub(crate) fn tokens_sql(many: bool) -> String {
    let waiting = [("task", ""), ("external_task", ""), ("subscription", " AND NOT w.of_event"), ("job", " AND w.kind <> 'event-timer'")];
    let mut tokens = waiting
        .map(|(table, which)| {
            let from = if many {
                format!("{table} w WHERE w.definition_id = $1")
            } else {
                format!("instance i CROSS JOIN {table} w WHERE i.definition_id = $1 AND w.instance_id = i.id")
            };
            format!("SELECT w.instance_id, w.activity, w.activity_id FROM {from}{which}")
        })
        .to_vec();
    let called = if many { "instance c CROSS JOIN instance i" } else { "instance i CROSS JOIN instance c" };
    tokens.push(format!(
        "SELECT c.id, 0, c.super_activity FROM {called} WHERE i.definition_id = $1 AND c.super_instance = i.id AND c.super_instance IS NOT NULL"
    ));
    // Few, however many instances there are.
    tokens.push(
        "SELECT i.id, i.job_activity, i.job_activity_id FROM instance i {lite:INDEXED BY instance_job} WHERE i.definition_id = $1 \
         AND i.job_host IS NOT NULL AND i.job_kind <> 'event-timer'"
            .to_owned(),
    );
    format!("SELECT t.activity_id, COUNT(*) FROM ({}) t GROUP BY t.activity_id", tokens.join(" UNION "))
}

/// Definitions with how many instances and failed jobs they have.
pub(crate) fn failed_by_definition() -> String {
    format!(
        "SELECT {COLUMNS}, (SELECT COUNT(*) FROM instance i WHERE i.definition_id = d.id), \
         (SELECT COUNT(*) FROM job j WHERE j.definition_id = d.id AND j.retries = 0) \
         + (SELECT COUNT(*) FROM start_timer t WHERE t.definition_id = d.id AND t.retries = 0) \
         + (SELECT COUNT(*) FROM delivery v WHERE v.definition_id = d.id AND v.failures > 0 AND v.retries = 0) FROM definition d ORDER BY d.id"
    )
}

/// Failed jobs of the definition `$1` by activity.
pub(crate) const ACTIVITY_FAILURES: &str = "SELECT activity_id, COUNT(*) FROM (SELECT activity_id FROM job WHERE definition_id = $1 AND retries = 0 UNION ALL \
     SELECT activity_id FROM start_timer WHERE definition_id = $1 AND retries = 0 UNION ALL \
     SELECT activity_id FROM delivery WHERE definition_id = $1 AND failures > 0 AND retries = 0) f GROUP BY activity_id";

async fn read_start_events(select: Select, pool: &Pool) -> Result<Vec<StartEvent>, Error> {
    let columns = "e.definition_id, d.key, d.tenant, e.name, e.activity_id";
    let rows = select.rows(pool, columns, &ascending(&["d.id", "e.activity_id"]), Page::ALL).await?;
    rows.iter()
        .map(|row| {
            let mut columns = row.columns();
            Ok(StartEvent {
                definition_id: columns.next()?,
                key: columns.next()?,
                tenant: columns.next_tenant()?,
                name: columns.next()?,
                activity_id: columns.next()?,
            })
        })
        .collect()
}

fn counted(rows: &[Row]) -> Result<Vec<(String, String, i64)>, Error> {
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
}
