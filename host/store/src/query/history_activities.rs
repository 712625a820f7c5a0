//! What happened: activities, ended ones too.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::history::{WITH_BUSINESS_KEY, by_time};
use super::select::{Select, Sort, ascending, keys};
use super::standing::MOST_ELEMENTS;
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::Param;

/// An activity in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryActivity {
    /// Its instance.
    pub instance: Uuid,
    /// Its number.
    pub n: i64,
    /// The number of the scope it was in.
    pub parent: i64,
    /// BPMN id.
    pub activity_id: String,
    /// Name in the model.
    pub name: Option<String>,
    /// Camunda's activity type.
    pub kind: String,
    /// When it began.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// It was interrupted.
    pub canceled: bool,
    /// No flow led on from it: its token's way in its scope was over.
    pub complete_scope: bool,
    /// The delegate that did it.
    pub delegate: Option<String>,
    /// SHA-256 of the delegate's component, in hex.
    pub digest: Option<String>,
    /// The attempt that succeeded, from 1.
    pub attempt: Option<i64>,
    /// The instance that it called.
    pub called: Option<Uuid>,
    /// The root of all calls that led to its instance; none: nobody called that.
    pub root_instance: Option<Uuid>,
    /// Whose the instance is.
    pub tenant: Option<String>,
    /// What the instance runs.
    pub definition_id: String,
    /// What the instance runs, by key.
    pub definition_key: String,
    /// When the instance's history is to be removed.
    pub removal_at: Option<i64>,
    /// The number and the assignee of its user task, if it is one.
    pub task: Option<(i64, Option<String>)>,
}

/// Which activities.
#[derive(Clone, Debug, Default)]
pub struct HistoryActivityFilter {
    /// This one: an instance and a number of it.
    pub id: Option<(Uuid, i64)>,
    /// Of this instance.
    pub instance: Option<Uuid>,
    /// With a larger number than this.
    pub behind: Option<i64>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of this definition key.
    pub definition_key: Option<String>,
    /// Of an instance with this business key.
    pub business_key: Option<String>,
    /// At this element.
    pub activity_id: Option<String>,
    /// With this name.
    pub name: Option<String>,
    /// With a name like this.
    pub name_like: Option<String>,
    /// Of this type.
    pub kind: Option<String>,
    /// Done by a delegate with this digest.
    pub digest: Option<String>,
    /// A user task that this user has, or had last.
    pub assignee: Option<String>,
    /// Ended.
    pub finished: bool,
    /// Not ended.
    pub unfinished: bool,
    /// Interrupted.
    pub canceled: bool,
    /// No flow led on from it.
    pub complete_scope: bool,
    /// Began before this moment or in it, as Camunda 7 counts; so do the next three.
    pub started_before: Option<i64>,
    /// Began after this.
    pub started_after: Option<i64>,
    /// Ended before this.
    pub finished_before: Option<i64>,
    /// Ended after this.
    pub finished_after: Option<i64>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
}

/// What activities are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryActivitySort {
    /// Their id: the instance, then the order in which they began.
    Id,
    /// Their instance.
    Instance,
    /// Their element.
    ActivityId,
    /// Their name.
    Name,
    /// Their type.
    Kind,
    /// When they began.
    StartedAt,
    /// When they ended.
    EndedAt,
    /// How long they took; open ones have no duration yet.
    Duration,
    /// Their definition.
    DefinitionId,
    /// In which order they began, within an instance.
    Occurrence,
    /// Their tenant.
    Tenant,
}

impl Sort for HistoryActivitySort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "a.instance_id",
            Self::ActivityId => "e.activity_id",
            Self::Name => "e.name",
            Self::Kind => "e.kind",
            Self::StartedAt => "a.started_at",
            Self::EndedAt => "a.ended_at",
            Self::Duration => "a.ended_at - a.started_at",
            Self::DefinitionId => "h.definition_id",
            Self::Occurrence => "a.n",
            Self::Tenant => "h.tenant",
        }
    }
}

/// Camunda's type of the activities that have a task.
const USER_TASK: &str = "userTask";

/// What is asked of their elements `f`, which say it for all that happens at them.
fn of_element(filter: &HistoryActivityFilter) -> impl Iterator<Item = (&'static str, String)> {
    let asked = [
        ("f.definition_id = $?", &filter.definition_id),
        ("f.activity_id = $?", &filter.activity_id),
        ("f.name = $?", &filter.name),
        ("f.name LIKE $? ESCAPE '\\'", &filter.name_like),
        ("f.kind = $?", &filter.kind),
        ("f.digest = $?", &filter.digest),
    ];
    asked.map(|(condition, value)| value.clone().map(|value| (condition, value))).into_iter().flatten()
}

/// How those of one time are told apart.
const TIES: [&str; 3] = ["a.element", "a.instance_id", "a.n"];

const BESIDE: &str = "CROSS JOIN history_instance h LEFT JOIN element e ON e.id = a.element";

/// Which activities are looked at.
enum Looked {
    /// All.
    All,
    /// What is open, in the order of its index.
    Open,
    /// The same at each of these elements.
    OpenAt(Vec<i64>),
}

fn activities(filter: HistoryActivityFilter, looked: Looked) -> Select {
    let mut select = match looked {
        Looked::All => Select::of(vec![format!("history_activity a {BESIDE}")]),
        Looked::Open => Select::of(vec![format!("history_activity a {{lite:INDEXED BY history_activity_open}} {BESIDE}")]),
        Looked::OpenAt(elements) => {
            let at = |at| format!("(SELECT * FROM history_activity x WHERE x.element = ${at} AND x.ended_at IS NULL) a {BESIDE}");
            let places = (1..=elements.len()).map(at).collect();
            Select::with_params(places, elements.into_iter().map(Param::I64).collect())
        }
    };
    select.condition("h.instance_id = a.instance_id");
    select.numbered("a.instance_id", "a.n", filter.id.into_iter().collect());
    select.maybe("a.instance_id = $?", filter.instance);
    select.maybe("a.n > $?", filter.behind);
    // The few elements are looked for once, and not at each activity.
    for (of_element, value) in of_element(&filter) {
        select.with(&format!("a.element IN (SELECT f.id FROM element f WHERE {of_element})"), value);
    }
    select.when(filter.digest.is_some(), "a.attempt IS NOT NULL");
    select.maybe("h.definition_id = $?", filter.definition_id);
    select.maybe("h.definition_key = $?", filter.definition_key);
    select.maybe(&format!("a.instance_id {WITH_BUSINESS_KEY}"), filter.business_key);
    let assigned = "(a.instance_id, a.n) IN (SELECT t.instance_id, t.activity FROM history_task t WHERE t.assignee = $?)";
    select.maybe(assigned, filter.assignee);
    select.when(filter.finished, "a.ended_at IS NOT NULL");
    select.when(filter.unfinished, "a.ended_at IS NULL");
    select.when(filter.canceled, "a.canceled");
    select.when(filter.complete_scope, "a.complete_scope");
    select.maybe("a.started_at <= $?", filter.started_before);
    select.maybe("a.started_at >= $?", filter.started_after);
    select.maybe("a.ended_at <= $?", filter.finished_before);
    select.maybe("a.ended_at >= $?", filter.finished_after);
    select.tenants("h.tenant", filter.tenants, filter.without_tenant);
    select
}

impl Reads {
    /// Activities, ended ones too.
    pub async fn history_activities(
        &self,
        filter: HistoryActivityFilter,
        page: Page,
        sort: &[(HistoryActivitySort, Order)],
    ) -> Result<Vec<HistoryActivity>, Error> {
        let columns = "a.instance_id, a.n, a.parent, COALESCE(e.activity_id, ''), e.name, COALESCE(e.kind, ''), a.started_at, a.ended_at, a.canceled, a.complete_scope, \
                       CASE WHEN a.attempt IS NOT NULL THEN e.delegate END, CASE WHEN a.attempt IS NOT NULL THEN e.digest END, a.attempt, a.called, h.root_instance, h.tenant, h.definition_id, h.definition_key, h.removal_at";
        let (by_end, by_start) = (
            filter.finished_before.is_some() || filter.finished_after.is_some(),
            filter.started_before.is_some() || filter.started_after.is_some(),
        );
        let elements = self.elements_asked(&filter).await?;
        if elements.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let by_time = by_time(HistoryActivitySort::EndedAt, HistoryActivitySort::StartedAt, by_end);
        let sort = if sort.is_empty() && (by_end || by_start) { &by_time } else { sort };
        let narrow = filter.id.is_some() || filter.instance.is_some() || filter.assignee.is_some() || filter.business_key.is_some();
        let open = filter.unfinished && !narrow;
        let (looked, ties) = match elements {
            Some(ids) if open && ids.len() <= MOST_ELEMENTS as usize => (Looked::OpenAt(ids), &TIES[1..]),
            // No index has all that is open by instances.
            None if open && sort.is_empty() => (Looked::Open, &TIES[..]),
            _ => (Looked::All, &TIES[1..]),
        };
        let rows = activities(filter, looked).rows(&self.pool, columns, &keys(sort, ties), page).await?;
        let read = rows.iter().map(|row| {
            let mut columns = row.columns();
            Ok(HistoryActivity {
                instance: columns.next()?,
                n: columns.next()?,
                parent: columns.next()?,
                activity_id: columns.next()?,
                name: columns.next()?,
                kind: columns.next()?,
                started_at: columns.next()?,
                ended_at: columns.next()?,
                canceled: columns.next()?,
                complete_scope: columns.next()?,
                delegate: columns.next()?,
                digest: columns.next()?,
                attempt: columns.next()?,
                called: columns.next()?,
                root_instance: columns.next()?,
                tenant: columns.next_tenant()?,
                definition_id: columns.next()?,
                definition_key: columns.next()?,
                removal_at: columns.next()?,
                task: None,
            })
        });
        let mut activities = read.collect::<Result<Vec<_>, Error>>()?;
        self.add_tasks(&mut activities).await?;
        Ok(activities)
    }

    /// Adds their tasks to user tasks.
    async fn add_tasks(&self, activities: &mut [HistoryActivity]) -> Result<(), Error> {
        let of_tasks = || activities.iter().filter(|it| it.kind == USER_TASK);
        let (Some(first), Some(last)) = (of_tasks().map(|it| it.n).min(), of_tasks().map(|it| it.n).max()) else { return Ok(()) };
        let instances: BTreeSet<Uuid> = of_tasks().map(|it| it.instance).collect();
        let sql = "SELECT instance_id, activity, wait, assignee FROM history_task WHERE instance_id {any_uuid:1} AND activity >= $2 AND activity <= $3";
        let params = vec![Param::Uuids(instances.into_iter().collect()), Param::I64(first), Param::I64(last)];
        let mut tasks: BTreeMap<(Uuid, i64), (i64, Option<String>)> = BTreeMap::new();
        for row in self.pool.fetch(sql, params).await? {
            let mut columns = row.columns();
            tasks.insert((columns.next()?, columns.next()?), (columns.next()?, columns.next()?));
        }
        for activity in activities {
            activity.task = tasks.remove(&(activity.instance, activity.n));
        }
        Ok(())
    }

    /// The elements that it is about, or the first of them, one more than are asked for one by one; none: it says nothing of them. Where
    /// there is no such element all activities would be looked at for it.
    async fn elements_asked(&self, filter: &HistoryActivityFilter) -> Result<Option<Vec<i64>>, Error> {
        let mut select = Select::new("element f");
        of_element(filter).for_each(|(condition, value)| select.with(condition, value));
        if select.is_unconditional() {
            return Ok(None);
        }
        let page = Page { first: 0, max: MOST_ELEMENTS + 1 };
        let rows = select.rows(&self.pool, "f.id", &ascending(&["f.id"]), page).await?;
        rows.iter().map(|row| row.get(0)).collect::<Result<_, _>>().map(Some)
    }

    /// How many there are.
    pub async fn count_history_activities(&self, filter: HistoryActivityFilter) -> Result<i64, Error> {
        if self.elements_asked(&filter).await?.is_some_and(|elements| elements.is_empty()) {
            return Ok(0);
        }
        activities(filter, Looked::All).count(&self.pool).await
    }
}
