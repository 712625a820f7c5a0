//! Every change of a variable, at history level full.

use uuid::Uuid;

use super::record::{HistoryUpdate, update};
use super::remembered::{OF_INSTANCE, OfInstances, Remembered, remembered, select as of_instances};
use super::select::{Select, Sort, keys};
use super::{Order, Page, Reads};
use crate::Error;

/// Which changes.
#[derive(Clone, Debug, Default)]
pub struct DetailFilter {
    /// Whose.
    pub of: OfInstances,
    /// This one: the revision of its instance, and its place in it.
    pub id: Option<(Uuid, i64, i64)>,
    /// Of variables of this scope.
    pub scope: Option<(Uuid, i64)>,
    /// Of variables of this activity instance, or of a user task in it.
    pub activity: Option<(Uuid, i64)>,
    /// Of variables of this user task.
    pub task: Option<(Uuid, i64)>,
    /// Of no user task's variables.
    pub of_no_task: bool,
    /// Of variables with this name.
    pub name: Option<String>,
    /// Of variables with a name like this.
    pub name_like: Option<String>,
    /// To values of one of these types.
    pub kinds: Vec<String>,
    /// Those that began the instance.
    pub initial: bool,
    /// Until then, that moment too.
    pub before: Option<i64>,
    /// Since then, that moment too.
    pub after: Option<i64>,
}

/// What changes are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetailSort {
    /// Their instance.
    Instance,
    /// The variable's name.
    Name,
    /// The value's type.
    Kind,
    /// The revision of their instance.
    Revision,
    /// When.
    At,
    /// The tenant.
    Tenant,
}

impl Sort for DetailSort {
    fn column(self) -> &'static str {
        match self {
            Self::Instance => "u.instance_id",
            Self::Name => "u.name",
            Self::Kind => "u.kind",
            Self::Revision => "u.revision",
            Self::At => "u.at",
            Self::Tenant => "h.tenant",
        }
    }
}

fn select(filter: DetailFilter) -> Select {
    let from = "history_variable_update u CROSS JOIN history_instance h LEFT JOIN history_task ht ON ht.instance_id = u.instance_id AND ht.wait = u.scope";
    let mut select = of_instances(from, "u.instance_id", filter.of);
    if let Some((instance, revision, ordinal)) = filter.id {
        select.numbered("u.instance_id", "u.revision", vec![(instance, revision)]);
        select.with("u.ordinal = $?", ordinal);
    }
    select.numbered("u.instance_id", "u.scope", filter.scope.into_iter().collect());
    select.numbered("u.instance_id", "COALESCE(ht.activity, u.scope)", filter.activity.into_iter().collect());
    select.numbered("ht.instance_id", "ht.wait", filter.task.into_iter().collect());
    select.when(filter.of_no_task, "ht.wait IS NULL");
    select.maybe("u.name = $?", filter.name);
    select.like("u.name", filter.name_like);
    select.texts("u.kind", filter.kinds);
    select.when(filter.initial, "u.revision = 1");
    select.maybe("u.at <= $?", filter.before);
    select.maybe("u.at >= $?", filter.after);
    select
}

impl Reads {
    /// Whether this host's history keeps every change of a variable.
    pub fn keeps_details(&self) -> bool {
        self.keeps_details
    }

    /// Changes of variables; with those of a user task's, the task's activity: their scope is the task's number.
    pub async fn details(
        &self,
        filter: DetailFilter,
        page: Page,
        sort: &[(DetailSort, Order)],
    ) -> Result<Vec<Remembered<(HistoryUpdate, Option<i64>)>>, Error> {
        let columns = format!("{OF_INSTANCE}, u.revision, u.ordinal, u.scope, u.name, u.kind, u.json, u.removed, u.at, ht.activity");
        let rows =
            select(filter).large_rows(&self.pool, &columns, &keys(sort, &["u.instance_id", "u.revision", "u.ordinal"]), page).await?;
        rows.iter().map(|row| remembered(row, |_, columns| Ok((update(columns)?, columns.next()?)))).collect()
    }

    /// How many there are.
    pub async fn count_details(&self, filter: DetailFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }
}
