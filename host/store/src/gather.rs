//! Group reads: what several callers look up at one moment is one statement.
//!
//! A statement costs the same for one row as for fifty: a message to the server or to SQLite's thread, an answer, two threads that wake
//! each other. So the lookups that units of work begin with go to a task that asks for all that have come in. While it waits for the
//! answer, the next ones collect; it never waits to have more of them.
//!
//! A statement begins after its lookups came in, so that each sees everything that was acknowledged before it was asked.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::Error;
use crate::batch::SIZES;
use crate::db::{Pool, answered};

/// Lookups that wait to be asked; beyond it callers wait to hand theirs in.
const QUEUE: usize = 1_024;

/// Lookups in one statement: the largest that is prepared on SQLite.
const MOST: usize = SIZES[SIZES.len() - 1];

/// Asks for many things at once, and answers in their order.
type Ask<Q, A> = fn(Pool, Vec<Q>) -> BoxFuture<'static, Result<Vec<A>, Error>>;

/// A lookup, and who waits for it.
type Waiting<Q, A> = (Q, oneshot::Sender<Result<A, Error>>);

/// Lookups of one kind. Cheap to clone; its task ends with the last clone.
pub(crate) struct Gather<Q, A>(mpsc::Sender<Waiting<Q, A>>);

impl<Q, A> Clone for Gather<Q, A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<Q: Send + 'static, A: Send + 'static> Gather<Q, A> {
    /// Starts the task, on the runtime that this is called on.
    pub(crate) fn start(pool: Pool, ask: Ask<Q, A>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(pool, ask, receiver));
        Self(sender)
    }

    /// Looks something up. What is wrong with it fails the lookups beside it, so values that the database refuses are not for here.
    pub(crate) async fn look_up(&self, what: Q) -> Result<A, Error> {
        let (answer, wait) = oneshot::channel();
        self.0.send((what, answer)).await.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?
    }
}

async fn run<Q, A>(pool: Pool, ask: Ask<Q, A>, mut lookups: mpsc::Receiver<Waiting<Q, A>>) {
    let mut waiting = Vec::new();
    while lookups.recv_many(&mut waiting, MOST).await > 0 {
        let (asked, callers): (Vec<Q>, Vec<_>) = waiting.drain(..).unzip();
        // The panic hook tells where. Whoever looks something up next has nothing to do with it.
        let asking = AssertUnwindSafe(async { ask(pool.clone(), asked).await }).catch_unwind();
        let asking = asking.map(|answers| answers.unwrap_or_else(|_| Err(Error::Damaged("the host's log tells more".to_owned()))));
        let answers = answered(asking).await;
        // A caller that has gone away misses nothing.
        match answers {
            Ok(answers) => callers.into_iter().zip(answers).for_each(|(caller, answer)| drop(caller.send(Ok(answer)))),
            Err(error) => callers.into_iter().for_each(|caller| drop(caller.send(Err(error.clone())))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Store};

    /// Answers with the double of each number, and has none for 3.
    fn double(_: Pool, numbers: Vec<u32>) -> BoxFuture<'static, Result<Vec<u32>, Error>> {
        async move { Ok(numbers.into_iter().map(|number| if number == 3 { panic!("planted") } else { 2 * number }).collect()) }.boxed()
    }

    #[tokio::test]
    async fn a_lookup_that_panics_is_an_error_and_the_next_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(Config::new(format!("sqlite:{}", folder.path().join("a.db").display()))).await.expect("it opens");
        let gather = Gather::start(store.pool.clone(), double);
        assert_eq!(gather.look_up(2).await.expect("answered"), 4);
        let error = gather.look_up(3).await.expect_err("it has no answer");
        assert!(matches!(error, Error::Damaged(_)), "{error}");
        assert_eq!(gather.look_up(4).await.expect("answered"), 8);
        store.close().await;
    }
}
