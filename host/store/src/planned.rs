//! What operators have planned for a later date: that definitions or job definitions are suspended or activated.
//!
//! A row is there until what it says is done. The transaction that changes a definition removes the row, and puts down what is left to be done, such as
//! the instances that go with it; if the row is gone, somebody else has done it. So a change is made once, whoever tries, and whatever crashes.

use uuid::Uuid;

use crate::db::{Columns, Param, Tx, params};
use crate::query::Page;
use crate::rows::OperationRow;
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
    /// Who has planned it, if they said so.
    pub user: Option<String>,
    /// Why, if they said so.
    pub annotation: Option<String>,
    /// When it was planned.
    pub created: i64,
}

/// A plan that is carried out, and what of it is left to be done.
#[derive(Clone, Debug)]
pub struct CarriedOut {
    /// Its id.
    pub id: Uuid,
    /// What takes its place.
    pub then: Vec<Planned>,
}

/// One is due at `$1`.
pub(crate) const IS_DUE: &str = "p.due <= $1";

const SELECT: &str = "SELECT p.id, p.due, p.change, p.user_id, p.annotation, p.created FROM planned p";

fn row(columns: &mut Columns<'_>) -> Result<Planned, Error> {
    Ok(Planned {
        id: columns.next()?,
        due: columns.next()?,
        change: columns.next()?,
        user: columns.next()?,
        annotation: columns.next()?,
        created: columns.next()?,
    })
}

impl Store {
    /// Puts something down for later, with what the log says of that.
    pub async fn plan(&self, planned: Planned, operations: &[OperationRow]) -> Result<(), Error> {
        let mut tx = self.inner().admin.begin().await?;
        insert(&mut tx, &planned).await?;
        operations::write(&mut tx, self.inner().history, operations).await?;
        tx.commit().await
    }

    /// Up to `max` plans that are due, the longest due first.
    pub async fn due_plans(&self, now: i64, max: u32) -> Result<Vec<Planned>, Error> {
        self.plans_where(&format!("WHERE {IS_DUE} ORDER BY p.due, p.id LIMIT $2"), params![now, i64::from(max)]).await
    }

    /// All plans, the next first.
    pub async fn plans(&self, page: Page) -> Result<Vec<Planned>, Error> {
        let (first, max) = (i64::from(page.first), i64::from(page.max));
        self.plans_where("ORDER BY p.due, p.id LIMIT $2 OFFSET $1", params![first, max]).await
    }

    /// One of them.
    pub async fn planned(&self, id: Uuid) -> Result<Option<Planned>, Error> {
        Ok(self.plans_where("WHERE p.id = $1", params![id]).await?.pop())
    }

    /// Something that could not be done is tried again at another moment.
    pub async fn put_off_plan(&self, id: Uuid, due: i64) -> Result<(), Error> {
        let mut tx = self.inner().admin.begin().await?;
        tx.execute("UPDATE planned SET due = $2 WHERE id = $1", params![id, due]).await?;
        tx.commit().await
    }

    /// A plan is done, or forgotten, or others take its place, with what the log says of it. False: it was gone.
    pub async fn end_plan(&self, ended: &CarriedOut, operations: &[OperationRow]) -> Result<bool, Error> {
        let mut tx = self.inner().admin.begin().await?;
        if !take(&mut tx, Some(ended)).await? {
            tx.rollback().await;
            return Ok(false);
        }
        operations::write(&mut tx, self.inner().history, operations).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The next moment after `now` for which something is planned.
    pub(crate) async fn next_plan(&self, now: i64) -> Result<Option<i64>, Error> {
        let rows = self.pool.fetch("SELECT p.due FROM planned p WHERE p.due > $1 ORDER BY p.due LIMIT 1", params![now]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    async fn plans_where(&self, which: &str, params: Vec<Param>) -> Result<Vec<Planned>, Error> {
        let rows = self.pool.fetch(&format!("{SELECT} {which}"), params).await?;
        rows.iter().map(|found| row(&mut found.columns())).collect()
    }
}

/// Within the transaction that carries a plan out: its row goes, and what is left to be done comes. False: it is gone, and nothing is to be done. Without a
/// plan everything is.
pub(crate) async fn take(tx: &mut Tx, plan: Option<&CarriedOut>) -> Result<bool, Error> {
    let Some(plan) = plan else { return Ok(true) };
    if tx.execute("DELETE FROM planned WHERE id = $1", params![plan.id]).await? == 0 {
        return Ok(false);
    }
    for then in &plan.then {
        insert(tx, then).await?;
    }
    Ok(true)
}

async fn insert(tx: &mut Tx, planned: &Planned) -> Result<(), Error> {
    let Planned { id, due, change, user, annotation, created } = planned;
    let fits = check_key("user", user.as_deref().unwrap_or_default())
        .and_then(|()| check_text("annotation", annotation.as_deref()))
        .and_then(|()| check_text("change", Some(change)));
    fits.map_err(Error::Refused)?;
    let sql = "INSERT INTO planned (id, due, change, user_id, annotation, created) VALUES ($1, $2, $3, $4, $5, $6)";
    tx.execute(sql, params![*id, *due, change.as_str(), user.clone(), annotation.clone(), *created]).await.map(drop)
}
