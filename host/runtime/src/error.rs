//! What can go wrong between a request and its answer. The HTTP layer maps each variant to a status in one place.

use mandate_engine::{Failure, InstanceId, PublicId, Rejection};
use mandate_store::Fault;
use tokio::task::JoinError;

/// Why a host that is about to end does not act.
pub(crate) const SHUTTING_DOWN: &str = "it is shutting down";

/// Why a host does not act that may have been taken over, or is about to be.
pub(crate) const LEASE_NOT_RENEWED: &str = "it could not renew its lease";

/// Why a host does not act that has been.
pub(crate) const TAKEN_OVER: &str = "another host has taken over its work";

/// Why a request was not carried out. Unless said otherwise nothing was stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The named thing does not exist.
    #[error("{what} with id '{id}' does not exist")]
    NotFound {
        /// A noun, e.g. `task`.
        what: &'static str,
        /// As it was asked for.
        id: String,
    },
    /// The request makes no sense as it stands.
    #[error("{0}")]
    Invalid(String),
    /// No instance of a definition can start: it is suspended, or does not say where (Camunda's words and status).
    #[error("Cannot instantiate process definition {id}: {reason}")]
    NotStartable {
        /// Which.
        id: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The engine refused the input; the instance is unchanged.
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// The unit of work failed and was thrown away: the instance is where it was.
    #[error("the unit of work failed and was rolled back: {}: {}", .0.code, .0.message)]
    UnitFailed(Box<Failure>),
    /// A job was run for whoever asked, and failed: that is stored, and it is tried again or has an incident.
    #[error("job {job} failed: {reason}")]
    JobFailed {
        /// Which.
        job: PublicId,
        /// What went wrong.
        reason: String,
    },
    /// A planned suspension that was executed by hand could not be done, or not all of it: it is tried again as any that has failed.
    #[error("what was planned could not be done: {0}")]
    PlanFailed(String),
    /// Another worker has fetched the external task since, or none has it.
    #[error("the external task is locked by {}", .worker.as_deref().map_or("nobody".to_owned(), |worker| format!("worker '{worker}'")))]
    NotHeld {
        /// Who has it, if anybody.
        worker: Option<String>,
    },
    /// As many clients wait for external tasks as this host lets wait.
    #[error("at the moment too many clients wait for external tasks; try again later")]
    TooManyWaiting,
    /// A message fits no wait, or more than one (Camunda's `MismatchingMessageCorrelationException`).
    #[error("{0}")]
    MismatchingCorrelation(String),
    /// The request stands against the state of things, e.g. a deployment that is still used.
    #[error("{0}")]
    Conflict(String),
    /// Others changed the instance again and again while this request ran; repeat it.
    #[error("instance {0} is changed by others faster than this request could be carried out; repeat it")]
    Contended(InstanceId),
    /// What the request waited for was cancelled while it ran.
    #[error("instance {0} was cancelled while the request ran")]
    Cancelled(InstanceId),
    /// The host is shutting down, has lost its lease or has too much of this to do; another host, or this one later, can do it.
    #[error("this host is not accepting work: {0}; repeat the request, on another host or later on this one")]
    NotActing(&'static str),
    /// A deployment was refused; nothing was stored.
    #[error("the deployment has {} problem(s)", .0.len())]
    Deployment(Vec<crate::deploy::Problem>),
    /// A unit of work panicked: a bug, of which the log tells more.
    #[error("the engine met a state that should be impossible; nothing was stored, and the host's log tells more")]
    Bug,
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(mandate_store::Error),
    /// The sandbox failed outside of a call.
    #[error("the sandbox failed: {0}")]
    Sandbox(#[from] mandate_wasm::Error),
    /// The catalogue cannot be used.
    #[error("{0}")]
    Catalogue(#[from] mandate_commands::Error),
    /// Instances could not be written down before their history is removed, which stays for now.
    #[error("history could not be exported to {}: {reason}", path.display())]
    Export {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        reason: String,
    },
    /// Something stored is not what it should be: an operator must look.
    #[error("{0}; run `mandate check-store`")]
    Damaged(String),
    /// The definition of an instance cannot be loaded: it is missing, or this host does not understand it.
    #[error("definition {id} cannot be loaded: {reason}")]
    DefinitionUnreadable {
        /// Which.
        id: String,
        /// Why.
        reason: String,
    },
    /// A stored thing cannot be read: a newer host wrote it, or the database was changed by hand.
    #[error("instance {instance} cannot be read: {reason}")]
    Unreadable {
        /// Which.
        instance: InstanceId,
        /// Why.
        reason: String,
    },
}

/// How far what went wrong reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// What was to be done is at fault, and fails in the same way everywhere.
    Task,
    /// It says nothing of what was to be done, only of this host or its database: another host may do it, or this one later.
    Host,
    /// All else would fail in the same way for now: this host may not act, or its database is not well.
    All,
}

impl Error {
    pub(crate) fn reach(&self) -> Reach {
        match self {
            Self::NotActing(_) => Reach::All,
            Self::Store(error) => match error.fault() {
                Fault::Moment | Fault::Database => Reach::All,
                // Of this one thing somebody else has a lock.
                Fault::Lock | Fault::Value | Fault::Other => Reach::Host,
            },
            Self::Sandbox(error) if error.is_the_hosts() => Reach::Host,
            _ => Reach::Task,
        }
    }
}

/// What has ended meanwhile is left alone.
pub(crate) fn unless_gone<T>(done: Result<T, Error>) -> Result<(), Error> {
    match done {
        Ok(_) | Err(Error::NotFound { .. } | Error::Cancelled(_) | Error::Rejected(Rejection::Ended | Rejection::NoSuchWait { .. })) => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// What the store does not do for a host that may not act is no failure of the store: nothing was stored, and another host can do it. Nor
/// is what it cannot read: the next attempt does not read it, either.
impl From<mandate_store::Error> for Error {
    fn from(error: mandate_store::Error) -> Self {
        match error {
            mandate_store::Error::Fenced => Self::NotActing(TAKEN_OVER),
            mandate_store::Error::Expired => Self::NotActing(LEASE_NOT_RENEWED),
            mandate_store::Error::Closed => Self::NotActing(SHUTTING_DOWN),
            mandate_store::Error::Damaged(reason) => Self::Damaged(format!("a stored value cannot be read: {reason}")),
            error => Self::Store(error),
        }
    }
}

/// What has become of work on a task of its own that has no answer: it has panicked, or the host has ended with it.
impl From<JoinError> for Error {
    fn from(error: JoinError) -> Self {
        if error.is_panic() { Self::Bug } else { Self::NotActing(SHUTTING_DOWN) }
    }
}

/// What has become of several things that are done one after the other, of which one that fails keeps no other.
#[derive(Debug)]
pub(crate) struct Several(Result<(), Error>);

impl Several {
    pub(crate) const NONE: Self = Self(Ok(()));

    /// Goes on to the next one.
    ///
    /// # Errors
    /// What would fail all others as well: this host may not act, or its store does not answer.
    pub(crate) fn and(&mut self, done: Result<(), Error>) -> Result<(), Error> {
        if done.as_ref().is_err_and(|error| error.reach() == Reach::All) {
            return done;
        }
        if self.0.is_ok() {
            self.0 = done;
        }
        Ok(())
    }

    /// # Errors
    /// The first that there was.
    pub(crate) fn outcome(self) -> Result<(), Error> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use mandate_store::Error as Store;

    use super::*;

    #[test]
    fn trouble_of_the_database_reaches_further_than_that_of_a_host_and_of_what_is_done() {
        let database = |code: &str| Store::Database { code: Some(code.to_owned()), message: String::new() };
        // A disk that is full; what was given is at fault, a table is not there, or somebody else has a lock.
        for store in [Store::Connection(String::new()), Store::Unclear(String::new()), Store::Fenced, database("53100")] {
            assert_eq!(Error::from(store.clone()).reach(), Reach::All, "{store}");
        }
        for store in [Store::Refused(String::new()), database("42P01"), database("55P03")] {
            assert_eq!(Error::from(store.clone()).reach(), Reach::Host, "{store}");
        }
        let sandbox = mandate_wasm::Error::Compiler;
        assert_eq!(Error::from(sandbox(String::new())).reach(), Reach::Host);
        for error in [Error::from(mandate_wasm::Error::CompilerDied(String::new())), Store::Damaged(String::new()).into(), Error::Bug] {
            assert_eq!(error.reach(), Reach::Task, "{error}");
        }
        assert!(Reach::Task < Reach::Host && Reach::Host < Reach::All);
    }

    #[test]
    fn of_several_one_that_somebody_else_has_locked_keeps_no_other() {
        let mut all = Several::NONE;
        let locked = Store::Database { code: Some("55P03".to_owned()), message: "locked".to_owned() };
        for done in [Err(locked.into()), Ok(()), Err(Error::Bug)] {
            all.and(done).expect("the next one may go well");
        }
        all.and(Err(Error::NotActing(TAKEN_OVER))).expect_err("none would go well");
        assert!(matches!(all.outcome(), Err(Error::Store(error)) if error.is_of_lock()), "the first is told");
    }
}
