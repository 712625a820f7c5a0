//! One command of the catalogue, and the target it goes to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::Url;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::error::Refusal;
use crate::quantity::Rate;
use crate::redact::Redaction;
use crate::template::Template;

/// A named request to a domain service: where it goes, how its answers are read, who may have it.
///
/// Made by [`Catalogue::parse`](crate::Catalogue::parse) only, so that every command that exists is valid.
#[derive(Clone, Debug)]
pub struct Command {
    /// Domain, name and contract version: `orders.reserve-line@1`. A changed meaning is a new name.
    pub name: String,
    /// From the moment the request starts to the last byte of the answer.
    pub timeout: Duration,
    /// Whether the service does a request once however often it arrives under the same key, so that an unknown
    /// outcome may simply be sent again.
    pub honours_key: bool,
    /// What undoes it.
    pub undo: Undo,
    /// The fields of request and reply that must not be stored.
    pub redact: Vec<Redaction>,
    /// Who may have it; nobody if empty.
    pub grants: Vec<Grant>,
    pub(crate) target: Arc<Target>,
    pub(crate) method: Method,
    pub(crate) path: Template,
    pub(crate) answers: Answers,
    pub(crate) reconcile: Option<Reconcile>,
    /// In bytes.
    pub(crate) max_response: usize,
}

/// What undoes a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undo {
    /// The command of this name, which the catalogue has.
    Command(String),
    /// Nothing does, or nothing needs to.
    Nothing,
}

/// One grant: these delegates may have the command for these tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Tenant ids; `*` is every tenant and none, the empty text is instances without a tenant.
    pub tenants: Vec<String>,
    /// Names of delegates as models refer to them; `*` is every delegate.
    pub delegates: Vec<String>,
}

/// A service commands are sent to.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) name: String,
    /// Scheme, authority and perhaps a path, without a slash at its end.
    pub(crate) url: Url,
    pub(crate) in_flight: usize,
    pub(crate) rate: Option<Rate>,
    pub(crate) credentials: Option<Credentials>,
    /// How long a request may still be under way once the host has given it up.
    pub(crate) arrives_within: Duration,
    pub(crate) reuse_connections: bool,
}

/// A header with a secret. Its `Debug` shows the header's name only.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) header: HeaderName,
    pub(crate) value: HeaderValue,
}

/// Which statuses mean what; all others mean that the outcome is unknown.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(crate) applied: Vec<u16>,
    pub(crate) rejected: Vec<u16>,
    pub(crate) unavailable: Vec<u16>,
    /// JSON pointers into the body of a rejection.
    pub(crate) code_at: String,
    pub(crate) message_at: String,
}

/// The query that tells what became of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct Reconcile {
    pub(crate) method: Method,
    pub(crate) path: Template,
    pub(crate) applied: Vec<u16>,
    pub(crate) rejected: Vec<u16>,
    pub(crate) not_applied: Vec<u16>,
    /// JSON pointer to the original reply in the answer; the whole answer if empty.
    pub(crate) reply_at: String,
}

impl Command {
    /// The body as it may be stored: a copy in which the fields of [`redact`](Self::redact) are replaced by
    /// [`NOT_STORED`](crate::NOT_STORED). Good for replies as well.
    pub fn redact(&self, body: &Value) -> Value {
        let mut body = body.clone();
        for rule in &self.redact {
            rule.apply(&mut body);
        }
        body
    }

    /// Whether the catalogue has a query that reconciles an unknown outcome of this command.
    pub fn reconcilable(&self) -> bool {
        self.reconcile.is_some()
    }

    /// The last moment at which an attempt that began at `started_ms` can still arrive at the service, in epoch
    /// milliseconds: its timeout, and the target's `arrives-within` for what is then still in the network or in
    /// queues before the service. A query's "not applied" counts only after it.
    ///
    /// `started_ms` is the moment [`Sender::send`](crate::Sender::send) was called, or any later one; to count from an
    /// earlier one, such as that of the ledger row, bound the gap with [`Place::leaves_within`](crate::Place::leaves_within).
    pub fn last_arrival(&self, started_ms: i64) -> i64 {
        let span = self.timeout + self.target.arrives_within;
        // Both are bounded by the catalogue to minutes, hence far within i64.
        started_ms.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
    }

    /// The name of the target it is sent to.
    pub fn target(&self) -> &str {
        &self.target.name
    }

    /// Why this delegate of this tenant may not have it, or `Ok`.
    pub(crate) fn granted(&self, tenant: Option<&str>, delegate: &str) -> Result<(), Refusal> {
        let mut named = false;
        for grant in self.grants.iter().filter(|grant| names(&grant.delegates, delegate)) {
            named = true;
            if names(&grant.tenants, tenant.unwrap_or_default()) {
                return Ok(());
            }
        }
        let command = self.name.clone();
        let delegate = delegate.to_owned();
        Err(if named {
            Refusal::Tenant { command, delegate, tenant: tenant.map(ToOwned::to_owned) }
        } else {
            Refusal::Delegate { command, delegate }
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("header", &self.header).finish_non_exhaustive()
    }
}

fn names(list: &[String], name: &str) -> bool {
    list.iter().any(|entry| entry == "*" || entry == name)
}
