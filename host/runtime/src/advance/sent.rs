//! What was sent and is about to be forgotten: by an earlier run of a unit of work that does not come there again, or for a wait that
//! somebody takes away.
//!
//! The ledger is not rolled back with a unit, and answers the unit that runs again. But the instance may have changed in between: a
//! modification or a message has started something, somebody has corrected a variable, a delegate that only computes says something else.
//! Then the unit may go another way and never ask for a command that was applied. Stored like that, the instance knows nothing of the
//! command; and should it come there later, it is in another unit, which sends the command again under another key.
//!
//! So a unit that may have run before is compared with the ledger before it is stored. It must have entered each activity that a command
//! was sent from. If not, it fails for good: nothing but a person can say which of the two ways is right. A unit of which it is known that
//! nobody has run it costs nothing; nor does one of a definition whose delegates send nothing.
//!
//! The ledger is asked just before the commit and not in its transaction. A job is locked by one host, which runs it once at a time; but
//! two requests may complete one task at the same moment. What the other one opens in between leaves, and is closed as *cancelled*: applied
//! for a wait that had gone, as whatever was under way when its wait was cancelled, for operators to see.

use std::collections::HashSet;

use mandate_engine::{Code, Failure, Input, Resumed, Retry, WaitId};
use mandate_store::{Origin, Sent};

use super::deferred::NO_WAIT;
use super::{Calls, Work};
use crate::cache::Base;
use crate::parties::Parties;
use crate::unit::number;
use crate::{Error, Inner};

impl Work {
    /// What must still exist when a command of this unit, which begins from `base`, is sent.
    pub(crate) fn origin(&self, base: &Base) -> Origin {
        let Some(resumed) = self.input.resumes() else { return NO_WAIT };
        let wait = number(resumed.wait().0);
        match resumed {
            Resumed::Job(_) => Origin::Job(wait),
            Resumed::Task(_) => Origin::Task(wait),
            Resumed::Escalation(task) => {
                let before = base.instance.task(task).map_or(0, |task| task.reports);
                Origin::Escalation { wait, report: i64::from(before) + 1 }
            }
            Resumed::ExternalTask(_) => Origin::ExternalTask(wait),
            Resumed::Subscription(_) => Origin::Subscription(wait),
        }
    }
}

impl Inner {
    /// The failure of a unit that is about to leave a command behind.
    pub(crate) async fn left_behind(&self, base: &Base, work: &Work, calls: &Calls) -> Result<Option<Failure>, Error> {
        let has_run = calls.runs > 1 || !work.fresh;
        let resumed = work.wait().filter(|_| !matches!(work.input, Input::FailJob { .. }));
        if resumed.is_none() || !has_run || !base.definition.sends() {
            return Ok(None);
        }
        let sent = self.store.ledger_sent(work.instance.0, work.origin(base)).await?;
        let made: HashSet<_> = calls.made.iter().map(|entry| hex::encode(entry.0)).collect();
        let behind = sent.into_iter().find(|sent| !made.contains(&sent.entry_key));
        Ok(behind.map(|sent| left_behind(base, &sent)))
    }

    /// Refuses a modification that takes away a wait, of the instance or of one that it has called, of which a command was sent and nobody
    /// knows what came of it: what is started instead would send it again under another key. One that was applied is the operator's to
    /// decide about.
    pub(super) async fn refuse_undecided(&self, parties: &Parties, work: &Work) -> Result<(), Error> {
        if !matches!(work.input, Input::Modify(_)) {
            return Ok(());
        }
        let mut commands = Vec::new();
        for party in parties.iter().filter(|party| party.base.definition.sends()) {
            let (ended, _) = party.rows.ended_waits();
            let is_taken_away = |sent: &Sent| u64::try_from(sent.origin.wait()).is_ok_and(|wait| ended.contains(&WaitId(wait)));
            let undecided = self.store.ledger_undecided(party.instance.id().0).await?;
            commands.extend(undecided.into_iter().filter(is_taken_away).map(|Sent { command, key, attempt, state, .. }| {
                format!("{command} under key '{key}' (attempt {attempt}, {})", state.as_str())
            }));
        }
        if commands.is_empty() {
            return Ok(());
        }
        Err(Error::Conflict(format!(
            "it would cancel what has sent commands of which nobody knows whether they were applied: {}; wait for what is open, and give a verdict on \
             what is unknown first",
            commands.join(", ")
        )))
    }
}

fn left_behind(base: &Base, sent: &Sent) -> Failure {
    let Sent { command, key, attempt, state, activity_id, .. } = sent;
    let state = state.as_str();
    let message = format!(
        "an earlier run of this unit of work came to '{activity_id}' and sent command {command} under key '{key}' (attempt {attempt}, {state}); this \
         run does not come there, for the instance has changed in between"
    );
    Failure { code: Code::CommandLeftBehind, message, element: base.definition.model.find(activity_id), retry: Retry::Never }
}
