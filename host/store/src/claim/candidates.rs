//! What a claim takes, in its order: jobs of a higher priority before those of a lower one, and of one priority the longest due first.
//!
//! Jobs without a priority, which are nearly all, are read from an index of their own; where there are no others, they are all that a claim
//! asks for. Of the others an index has each priority in the order of its due dates. A claim goes down from one priority to the next, of
//! which there are few, and never looks at a job that is not due yet, however many are parked.

use crate::Error;
use crate::claim::{CLAIMABLE, Except};
use crate::db::{Param, Row, Tx, params};

/// How many priorities a claim tells apart, from the highest down. Each is a look-up or two in an index. Of what lies below them, which
/// nobody has but who computes a number for each job, it takes the longest due first.
const MAX_PRIORITIES: i64 = 100;

/// The predicate of the index `job_claimable`.
pub(crate) const UNPRIORITIZED: &str = "j.locked_by IS NULL AND j.retries > 0 AND NOT j.suspended AND NOT j.behind AND j.priority = 0";

/// The predicate of the index `job_prioritized_due`. It says in other words than [`OF_ONE`] that attempts are left: whoever asks for one
/// priority cannot be given this one, whatever the planner knows of the table. The other way round the order that is asked for decides.
pub(crate) const PRIORITIZED: &str = "j.locked_by IS NULL AND j.retries >= 1 AND NOT j.suspended AND NOT j.behind AND j.priority <> 0";

/// The predicate of the index `job_prioritized`, for whoever asks for one priority.
const OF_ONE: &str = "j.locked_by IS NULL AND j.retries > 0 AND NOT j.suspended AND NOT j.behind AND j.priority <> 0";

/// Jobs that are looked at together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rank {
    /// Those of this priority, which is not 0.
    Priority(i64),
    /// Those without a priority.
    None,
    /// Those with any priority.
    Any,
}

/// Leaves out the instances `$3` and the definitions `$4`. In this form each list is looked up in a hash or a tree, however long it is.
pub(super) const NOT_EXCEPTED: &str = "{pg:AND j.instance_id NOT IN (SELECT unnest($3::uuid[])) AND j.definition_id NOT IN (SELECT unnest($4::text[]))}\
     {lite:AND j.instance_id NOT IN (SELECT unhex(value) FROM json_each($3)) AND j.definition_id NOT IN (SELECT value FROM json_each($4))}";

/// One look at what is due: `$1` now, `$2` how many; the priority is the last.
pub(crate) fn sql(rank: Rank, excepted: bool) -> String {
    let which = match rank {
        Rank::Priority(_) => format!("{OF_ONE} AND j.priority = ${}", if excepted { 5 } else { 3 }),
        Rank::None => UNPRIORITIZED.to_owned(),
        Rank::Any => PRIORITIZED.to_owned(),
    };
    let excepted = if excepted { NOT_EXCEPTED } else { "" };
    format!(
        "SELECT j.instance_id, j.wait, j.exclusive FROM job j WHERE {which} AND {CLAIMABLE} AND j.due <= $1 {excepted} \
         ORDER BY j.due, j.instance_id, j.wait LIMIT $2"
    )
}

/// Whether anything is due that has no priority, and anything that has one: a read.
pub(super) fn is_due(now: i64, except: &Except) -> (String, Vec<Param>) {
    let (sql, params) = look(Rank::None, now, 1, except);
    let of_any = look(Rank::Any, now, 1, except).0;
    (format!("SELECT EXISTS ({sql}), EXISTS ({of_any})"), params)
}

/// At most `max` jobs of a rank that are due.
pub(crate) fn look(rank: Rank, now: i64, max: i64, except: &Except) -> (String, Vec<Param>) {
    let excepted = !(except.instances.is_empty() && except.definitions.is_empty());
    let mut params = params![now, max];
    if excepted {
        params.push(Param::Uuids(except.instances.clone()));
        params.push(Param::Texts(except.definitions.clone()));
    }
    if let Rank::Priority(priority) = rank {
        params.push(Param::I64(priority));
    }
    (sql(rank, excepted), params)
}

/// The priorities of jobs that wait, `$2` at most and the highest first, each with whether something of it may be due at `$1`.
pub(crate) fn priorities_sql() -> String {
    // Not EXISTS, for which PostgreSQL would read what is due of all priorities into a hash if it took the table to be empty.
    let highest = |below: &str| format!("(SELECT j.priority FROM job j WHERE {OF_ONE} {below} ORDER BY j.priority DESC LIMIT 1)");
    format!(
        "WITH RECURSIVE level (priority, n) AS (SELECT {}, 1 UNION ALL SELECT {}, level.n + 1 FROM level \
         WHERE level.priority IS NOT NULL AND level.n < $2) \
         SELECT level.priority, (SELECT 1 FROM job j WHERE {OF_ONE} AND j.priority = level.priority AND j.due <= $1 LIMIT 1) IS NOT NULL \
         FROM level WHERE level.priority IS NOT NULL ORDER BY level.n",
        highest(""),
        highest("AND j.priority < level.priority")
    )
}

/// The ranks in the order in which a claim takes from them. Beyond [`MAX_PRIORITIES`] what has a priority at all comes last of what has
/// one, and before what has none if that might be higher.
pub(super) async fn ranks(tx: &mut Tx, now: i64) -> Result<Vec<Rank>, Error> {
    let found = tx.fetch(&priorities_sql(), params![now, MAX_PRIORITIES]).await?;
    let read = |row: &Row| Ok((row.get(0)?, row.get(1)?));
    let found = found.iter().map(read).collect::<Result<Vec<(i64, bool)>, Error>>()?;
    Ok(in_order(&found, MAX_PRIORITIES))
}

fn in_order(found: &[(i64, bool)], most: i64) -> Vec<Rank> {
    let due = |above: bool| {
        found.iter().filter(move |(priority, due)| *due && (*priority > 0) == above).map(|(priority, _)| Rank::Priority(*priority))
    };
    let mut ranks: Vec<Rank> = due(true).collect();
    let all = i64::try_from(found.len()).is_ok_and(|found| found < most);
    if !all && found.last().is_some_and(|(priority, _)| *priority > 0) {
        ranks.extend([Rank::Any, Rank::None]);
        return ranks;
    }
    ranks.push(Rank::None);
    ranks.extend(due(false));
    if !all {
        ranks.push(Rank::Any);
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_before_none_before_lower() {
        let found = [(90, true), (50, false), (7, true), (-1, true), (-9, false)];
        assert_eq!(in_order(&found, 9), [Rank::Priority(90), Rank::Priority(7), Rank::None, Rank::Priority(-1)]);
        assert_eq!(in_order(&[], 9), [Rank::None]);
    }

    #[test]
    fn what_is_beyond_the_bound_is_taken_all_the_same() {
        assert_eq!(in_order(&[(3, true), (2, false)], 2), [Rank::Priority(3), Rank::Any, Rank::None], "it may be above 0");
        assert_eq!(in_order(&[(3, true), (-2, true)], 2), [Rank::Priority(3), Rank::None, Rank::Priority(-2), Rank::Any]);
    }
}
