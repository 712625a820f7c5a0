//! Telling other hosts that there is work: PostgreSQL's NOTIFY, sent after the commit and in a transaction of its own.
//!
//! A host that commits a job which is due and which it does not run itself says so, at most once every few milliseconds; the others claim.
//! A lost word costs nothing but time, for every host polls as well: where a connection pooler swallows LISTEN, polling alone suffices.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool, PgPoolOptions};
use tokio::sync::Notify;

use crate::Store;
use crate::db::{Lane, params};
use crate::lease::Lease;

/// The channel. Its payload is the host that speaks, so that nobody wakes itself.
const CHANNEL: &str = "mandate_jobs";

/// Words closer together than this become one.
const PAUSE: Duration = Duration::from_millis(5);

/// How long a listener that lost its connection waits before it tries again.
const RECONNECT: Duration = Duration::from_secs(1);

/// What is heard and what is to be said.
#[derive(Debug, Default)]
pub(crate) struct Wake {
    heard: Notify,
    say: Notify,
}

impl Wake {
    /// There is a job that this host does not run itself.
    pub(crate) fn say(&self) {
        self.say.notify_one();
    }

    /// Passes words on until the lease ends.
    pub(crate) async fn speak(self: Arc<Self>, lane: Lane, lease: Arc<Lease>) {
        loop {
            tokio::select! {
                () = lease.over() => return,
                () = self.say.notified() => {}
            }
            let sql = format!("SELECT pg_notify('{CHANNEL}', $1)");
            if let Err(error) = lane.fetch(&sql, params![lease.host.id.to_string()]).await {
                tracing::debug!("other hosts were not told of a job and find it when they poll: {error}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Hears the others until the lease ends, over a connection of its own.
    pub(crate) async fn listen(self: Arc<Self>, options: sqlx::postgres::PgConnectOptions, lease: Arc<Lease>) {
        let me = lease.host.id.to_string();
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        loop {
            tokio::select! {
                () = lease.over() => break,
                error = self.hear(&pool, &me) => tracing::debug!("not listening to other hosts: {error}"),
            }
            tokio::select! {
                () = lease.over() => break,
                () = tokio::time::sleep(RECONNECT) => {}
            }
        }
        pool.close().await;
    }

    async fn hear(&self, pool: &PgPool, me: &str) -> sqlx::Error {
        let listening = async {
            let mut listener = PgListener::connect_with(pool).await?;
            listener.listen(CHANNEL).await?;
            Ok(listener)
        };
        let mut listener = match listening.await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        loop {
            match listener.recv().await {
                Ok(word) if word.payload() == me => {}
                Ok(_) => self.heard.notify_one(),
                Err(error) => return error,
            }
        }
    }
}

impl Store {
    /// Completes when another host has said that there is a job to claim. Never on SQLite, where there is no other host.
    pub async fn jobs_elsewhere(&self) {
        self.inner().wake.heard.notified().await;
    }
}
