//! What operators have planned for a later date: that definitions or job definitions are suspended or activated.
//!
//! A row is there until what it says is done. The transaction that changes a definition removes the row, and puts down what is left to be
//! done, such as the instances that go with it; if the row is gone, somebody else has done it. So a change is made once, whoever tries, and
//! whatever crashes.
//!
//! A host locks a row while it is at it, as it does with timer start events: the instances of a plan are changed by one host at a time.
//! What fails is tried again at `next`; `due` stays what was asked for, as it says which of two plans is the older one.

use uuid::Uuid;

use crate::db::{Columns, Param, Tx, params};
use crate::lease::HostRef;
use crate::query::Page;
use crate::rows::OperationRow;
use crate::start_timers::HELD;
use crate::unit::{check_key, check_text};
use crate::write::operations;
use crate::{Error, Store};

/// Something that is planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// Names it.
    pub id: Uuid,
    /// When it is to be done.
    pub due: i64,
    /// What, as JSON of whoever does it.
    pub change: String,
    /// Of which definition, if it names one: with that one it goes.
    pub definition_id: Option<String>,
    /// Who has planned it, if they said so.
    pub user: Option<String>,
    /// Why, if they said so.
    pub annotation: Option<String>,
    /// When it was planned.
    pub created: i64,
    /// When it is tried; none: it was given up.
    pub next: Option<i64>,
    /// How often it has failed.
    pub attempts: i64,
    /// Why, the last time.
    pub failure: Option<String>,
}

/// A plan that is carried out, and what of it is left to be done: by the same host, unless that is gone or gives it back.
#[derive(Clone, Debug)]
pub struct CarriedOut {
    /// Its id.
    pub id: Uuid,
    /// What takes its place.
    pub then: Vec<Planned>,
}

/// One is due at `$1`.
pub(crate) const IS_DUE: &str = "p.next <= $1";

/// The next moment after `$1` for which something is planned.
pub(crate) const NEXT: &str = "SELECT p.next FROM planned p WHERE p.next > $1 ORDER BY p.next LIMIT 1";

/// It waits for an older one.
const IS_KEPT: &str = "attempts = 0 AND next > due";

const COLUMNS: &str = "p.id, p.due, p.change, p.definition_id, p.user_id, p.annotation, p.created, p.next, p.attempts, p.failure";

/// The older first.
const ORDER: &str = "ORDER BY p.due, p.created, p.id";

fn row(columns: &mut Columns<'_>) -> Result<Planned, Error> {
    Ok(Planned {
        id: columns.next()?,
        due: columns.next()?,
        change: columns.next()?,
        definition_id: columns.next()?,
        user: columns.next()?,
        annotation: columns.next()?,
        created: columns.next()?,
        next: columns.next()?,
        attempts: columns.next()?,
        failure: columns.next()?,
    })
}

impl Store {
    /// Puts something down for later, with what the log says of that. False: the definition that it names is not there.
    pub async fn plan(&self, planned: Planned, operations: &[OperationRow]) -> Result<bool, Error> {
        let mut tx = self.inner().admin.begin().await?;
        if let Some(id) = &planned.definition_id {
            // Whoever deletes it waits, and then finds the plan.
            let named = tx.fetch("SELECT id FROM definition WHERE id = $1 {pg:FOR SHARE}", params![id.as_str()]).await?;
            if named.is_empty() {
                tx.rollback().await;
                return Ok(false);
            }
        }
        insert(&mut tx, &planned).await?;
        operations::write(&mut tx, self.inner().history, operations).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Up to `max` plans that are due, the older first.
    pub async fn due_plans(&self, now: i64, max: u32) -> Result<Vec<Planned>, Error> {
        self.plans_where(&format!("WHERE {IS_DUE} {ORDER} LIMIT $2"), params![now, i64::from(max)]).await
    }

    /// All plans, the older first.
    pub async fn plans(&self, page: Page) -> Result<Vec<Planned>, Error> {
        let (first, max) = (i64::from(page.first), i64::from(page.max));
        self.plans_where(&format!("{ORDER} LIMIT $2 OFFSET $1"), params![first, max]).await
    }

    /// One of them.
    pub async fn planned(&self, id: Uuid) -> Result<Option<Planned>, Error> {
        Ok(self.plans_where("WHERE p.id = $1", params![id]).await?.pop())
    }

    /// Those that are older than this one, and not given up.
    pub async fn plans_before(&self, planned: &Planned) -> Result<Vec<Planned>, Error> {
        let which = format!("WHERE p.next IS NOT NULL AND (p.due, p.created, p.id) < ($1, $2, $3) {ORDER}");
        self.plans_where(&which, params![planned.due, planned.created, planned.id]).await
    }

    /// Locks a plan that is tried until `now`, or any, and answers it as it is; none: there is no such plan, or another host is at it.
    pub async fn lock_plan(&self, id: Uuid, now: Option<i64>) -> Result<Option<Planned>, Error> {
        let me = self.host();
        let mut tx = self.begin_in_epoch().await?;
        let lock = format!(
            "UPDATE planned AS t SET locked_by = $2, locked_epoch = $3 \
             WHERE t.id = $1 AND ($4 OR t.next <= $5) AND (t.locked_by IS NULL OR t.locked_by = $2 OR NOT {HELD})"
        );
        if tx.execute(&lock, params![id, me.id, me.epoch, now.is_none(), now.unwrap_or_default()]).await? == 0 {
            tx.rollback().await;
            return Ok(None);
        }
        let rows = tx.fetch(&format!("SELECT {COLUMNS} FROM planned p WHERE p.id = $1"), params![id]).await?;
        let planned = rows.first().map(|found| row(&mut found.columns())).transpose()?;
        tx.commit().await?;
        Ok(planned)
    }

    /// Gives back all plans that this host has locked: it is at none.
    pub async fn unlock_plans(&self) -> Result<(), Error> {
        let me = self.host();
        let mut tx = self.inner().admin.begin().await?;
        let lock = "SELECT id FROM planned WHERE locked_by = $1 AND locked_epoch = $2 ORDER BY id {pg:FOR UPDATE}";
        tx.fetch(lock, params![me.id, me.epoch]).await?;
        let sql = "UPDATE planned SET locked_by = NULL, locked_epoch = NULL WHERE locked_by = $1 AND locked_epoch = $2";
        tx.execute(sql, params![me.id, me.epoch]).await?;
        tx.commit().await
    }

    /// What is left of a plan that this host has locked. False: it does not have it any more.
    pub async fn save_plan(&self, id: Uuid, change: &str) -> Result<bool, Error> {
        check_text("change", Some(change)).map_err(Error::Refused)?;
        let me = self.host();
        let mut tx = self.inner().admin.begin().await?;
        let sql = "UPDATE planned SET change = $4 WHERE id = $1 AND locked_by = $2 AND locked_epoch = $3";
        let saved = tx.execute(sql, params![id, me.id, me.epoch, change]).await?;
        tx.commit().await?;
        Ok(saved > 0)
    }

    /// A plan that this host has locked could not be done: it is tried again at `next`, or given up. Then it is there until somebody
    /// forgets it.
    pub async fn put_off_plan(&self, id: Uuid, next: Option<i64>, failure: &str) -> Result<(), Error> {
        let me = self.host();
        let mut tx = self.inner().admin.begin().await?;
        let sql = "UPDATE planned SET next = CASE WHEN $4 THEN $5 END, attempts = attempts + 1, failure = $6, locked_by = NULL, locked_epoch = NULL \
                   WHERE id = $1 AND locked_by = $2 AND locked_epoch = $3";
        tx.execute(sql, params![id, me.id, me.epoch, next.is_some(), next.unwrap_or_default(), failure]).await?;
        tx.commit().await
    }

    /// A plan that an older one keeps waits until that one is tried again, which is at `next`. Not if that one is gone meanwhile: whoever
    /// ends it lets go what it has kept. What is kept by one that goes with its definition, or is carried out by hand, waits until that
    /// `next`.
    pub async fn hold_back_plan(&self, id: Uuid, older: Uuid, next: i64) -> Result<(), Error> {
        let mut tx = self.inner().admin.begin().await?;
        // Both, in the order in which whoever ends the older one locks them: that comes before this, or lets go what this holds back.
        tx.fetch("SELECT id FROM planned WHERE id = $1 OR id = $2 ORDER BY id {pg:FOR UPDATE}", params![id, older]).await?;
        let sql = "UPDATE planned SET next = $3 WHERE id = $1 AND next < $3 AND EXISTS (SELECT 1 FROM planned o WHERE o.id = $2)";
        tx.execute(sql, params![id, older, next]).await?;
        tx.commit().await
    }

    /// A plan is done, or forgotten, or others take its place, with what the log says of it. False: it was gone.
    pub async fn end_plan(&self, ended: &CarriedOut, operations: &[OperationRow]) -> Result<bool, Error> {
        let mut tx = self.inner().admin.begin().await?;
        // All rows that it changes, in one order: two plans that end at one moment would wait for each other.
        let sql = format!("SELECT id FROM planned WHERE id = $1 OR ({IS_KEPT}) ORDER BY id {{pg:FOR UPDATE}}");
        tx.fetch(&sql, params![ended.id]).await?;
        if !take(&mut tx, self.host(), Some(ended)).await? {
            tx.rollback().await;
            return Ok(false);
        }
        // Whatever this one has kept looks again.
        tx.execute(&format!("UPDATE planned SET next = due WHERE {IS_KEPT}"), Vec::new()).await?;
        operations::write(&mut tx, self.inner().history, operations).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn plans_where(&self, which: &str, params: Vec<Param>) -> Result<Vec<Planned>, Error> {
        let rows = self.lookups.fetch(&format!("SELECT {COLUMNS} FROM planned p {which}"), params).await?;
        rows.iter().map(|found| row(&mut found.columns())).collect()
    }
}

/// Within the transaction that carries a plan out: its row goes, and what is left to be done comes. False: it is gone, and nothing is to be
/// done. Without a plan everything is.
pub(crate) async fn take(tx: &mut Tx, me: HostRef, plan: Option<&CarriedOut>) -> Result<bool, Error> {
    let Some(plan) = plan else { return Ok(true) };
    if tx.execute("DELETE FROM planned WHERE id = $1", params![plan.id]).await? == 0 {
        return Ok(false);
    }
    for then in &plan.then {
        insert(tx, then).await?;
        let sql = "UPDATE planned SET locked_by = $2, locked_epoch = $3 WHERE id = $1";
        tx.execute(sql, params![then.id, me.id, me.epoch]).await?;
    }
    Ok(true)
}

/// What was planned for these definitions goes with them. What was planned for a key is for the versions that there are at its date.
pub(crate) async fn remove_of(tx: &mut Tx, definitions: &[String]) -> Result<(), Error> {
    let lock = "SELECT id FROM planned WHERE definition_id {any_text:1} ORDER BY id {pg:FOR UPDATE}";
    tx.fetch(lock, vec![Param::Texts(definitions.to_vec())]).await?;
    tx.execute("DELETE FROM planned WHERE definition_id {any_text:1}", vec![Param::Texts(definitions.to_vec())]).await.map(drop)
}

/// It is tried at its date, for the first time.
async fn insert(tx: &mut Tx, planned: &Planned) -> Result<(), Error> {
    let Planned { id, due, change, definition_id, user, annotation, created, .. } = planned;
    let fits = check_key("user", user.as_deref().unwrap_or_default())
        .and_then(|()| check_text("annotation", annotation.as_deref()))
        .and_then(|()| check_text("change", Some(change)));
    fits.map_err(Error::Refused)?;
    let sql = "INSERT INTO planned (id, due, change, definition_id, user_id, annotation, created, next, attempts) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $2, 0)";
    tx.execute(sql, params![*id, *due, change.as_str(), definition_id.clone(), user.clone(), annotation.clone(), *created]).await.map(drop)
}
