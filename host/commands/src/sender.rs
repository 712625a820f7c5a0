//! Sends requests, each at most once.

use std::collections::BTreeMap;
use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::{Client, redirect};
use tokio::time::Instant;

use crate::answer::Answer;
use crate::catalogue::Catalogue;
use crate::command::{Command, Target};
use crate::departure::Departure;
use crate::error::Error;
use crate::outcome::{Outcome, Reconciled};
use crate::place::{Place, Room};
use crate::request::{Prepared, Request};

/// Services log who called.
const USER_AGENT: &str = concat!("mandate/", env!("CARGO_PKG_VERSION"));

/// Idle connections are dropped before common servers drop them (Node's HTTP server after 5 s), since a request written as
/// the other side closes has an unknown outcome.
const IDLE: Duration = Duration::from_secs(4);

/// The shortest TCP user timeout: a smaller one would break connections over ordinary loss of packets.
const MIN_USER_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends commands of one catalogue.
#[derive(Debug)]
pub struct Sender {
    targets: BTreeMap<String, Channel>,
}

/// What a target's requests share.
#[derive(Debug)]
struct Channel {
    room: Room,
    client: Client,
}

/// Why there is no answer.
enum Failure {
    /// The request has not left and never will.
    NotSent(String),
    /// It may have.
    Unclear(String),
}

impl Sender {
    /// Prepares a client for every target that a command goes to.
    ///
    /// # Errors
    /// A client that cannot be built: for an `https` target, no CA certificates on this machine.
    pub fn new(catalogue: Arc<Catalogue>) -> Result<Self, Error> {
        install_crypto();
        let mut targets = BTreeMap::new();
        for command in catalogue.commands() {
            let target = &command.target;
            if !targets.contains_key(&target.name) {
                let client = client(target)?;
                targets.insert(target.name.clone(), Channel { room: Room::new(target), client });
            }
        }
        Ok(Self { targets })
    }

    /// Waits until the command's target has room for one more request, in flight and by its rate. Taken before the
    /// attempt is recorded, so that waiting for room is never part of an attempt. Safe to cancel.
    pub async fn place(&self, command: &Command) -> Place {
        self.channel(command).room.enter().await
    }

    /// Sends the request once and says what became of it, within the command's timeout.
    ///
    /// Not safe to cancel: a caller that drops the future knows nothing about the outcome, so run it on a task of its own.
    ///
    /// # Panics
    /// If the place is at another target than the command's: a bug of the caller.
    pub async fn send(&self, place: Place, command: &Command, prepared: Prepared) -> Outcome {
        assert_eq!(place.target(), command.target(), "a place at one target does for requests to it alone");
        let started = Instant::now();
        let answers = &command.answers;
        let wanted = |status| answers.applied.contains(&status) || answers.rejected.contains(&status);
        let outcome = match self.exchange(&place, command, prepared, wanted).await {
            Ok(answer) => classify(command, answer),
            Err(Failure::NotSent(reason)) => Outcome::Unavailable { reason, retry_after: None },
            Err(Failure::Unclear(reason)) => Outcome::Unknown { reason },
        };
        tracing::debug!(
            command = command.name,
            target_name = command.target(),
            outcome = outcome.name(),
            elapsed_ms = started.elapsed().as_millis(),
            "command sent"
        );
        outcome
    }

    /// Asks the service what became of an attempt, with the catalogue's query. Changes nothing, so it is safe to cancel
    /// and to repeat. Waits for a place itself.
    pub async fn reconcile(&self, command: &Command, request: Request<'_>) -> Reconciled {
        let (query, prepared) = match (&command.reconcile, command.prepare_query(&request)) {
            (Some(query), Some(Ok(prepared))) => (query, prepared),
            (_, Some(Err(refusal))) => {
                return Reconciled::Unknown { reason: refusal.to_string() };
            }
            _ => {
                let reason = format!("the catalogue has no reconcile query for {}", command.name);
                return Reconciled::Unknown { reason };
            }
        };
        let place = self.place(command).await;
        let wanted = |status| query.applied.contains(&status) || query.rejected.contains(&status);
        match self.exchange(&place, command, prepared, wanted).await {
            Err(Failure::NotSent(reason) | Failure::Unclear(reason)) => Reconciled::Unknown { reason },
            Ok(answer) if query.applied.contains(&answer.status) => Reconciled::Applied { reply: answer.into_part(&query.reply_at) },
            Ok(answer) if query.not_applied.contains(&answer.status) => Reconciled::NotApplied,
            Ok(answer) if query.rejected.contains(&answer.status) => {
                let (code, message, reply) = answer.into_rejection(command);
                Reconciled::Rejected { code, message, reply }
            }
            Ok(answer) => Reconciled::Unknown { reason: unlisted(command, answer.status) },
        }
    }

    /// One request, one answer.
    async fn exchange(
        &self,
        place: &Place,
        command: &Command,
        prepared: Prepared,
        wanted: impl FnOnce(u16) -> bool,
    ) -> Result<Answer, Failure> {
        let deadline = Instant::now() + command.timeout;
        let departure = Departure::new(place.latest(deadline));
        let mut builder = self.channel(command).client.request(prepared.method, prepared.url).headers(prepared.headers);
        if let Some(bytes) = prepared.body {
            builder = builder.body(reqwest::Body::wrap(departure.body(bytes)));
        } else if let Err(held) = departure.leave() {
            return Err(Failure::NotSent(format!("target {}: {held}", command.target())));
        }
        let exchange = async {
            let response = builder.send().await?;
            Answer::read(response, command.max_response, wanted).await
        };
        let reason = match tokio::time::timeout_at(deadline, exchange).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => {
                let connected = !error.is_connect();
                let reason = format!("target {}: {}", command.target(), describe(error));
                if !connected {
                    return Err(Failure::NotSent(reason));
                }
                reason
            }
            Err(_) => format!("target {}: no answer within {:?}", command.target(), command.timeout),
        };
        Err(if departure.hold() { Failure::NotSent(reason) } else { Failure::Unclear(reason) })
    }

    fn channel(&self, command: &Command) -> &Channel {
        self.targets.get(command.target()).unwrap_or_else(|| panic!("command {} is of another catalogue than this sender's", command.name))
    }
}

impl Outcome {
    /// One word, for logs and labels: `applied`, `rejected`, `unavailable` or `unknown`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "applied",
            Self::Rejected { .. } => "rejected",
            Self::Unavailable { .. } => "unavailable",
            Self::Unknown { .. } => "unknown",
        }
    }
}

fn classify(command: &Command, answer: Answer) -> Outcome {
    let answers = &command.answers;
    if answers.applied.contains(&answer.status) {
        Outcome::Applied { reply: answer.into_reply() }
    } else if answers.rejected.contains(&answer.status) {
        let (code, message, reply) = answer.into_rejection(command);
        Outcome::Rejected { code, message, reply }
    } else if answers.unavailable.contains(&answer.status) {
        let reason = format!("target {}: answered with status {}", command.target(), answer.status);
        Outcome::Unavailable { reason, retry_after: answer.retry_after }
    } else {
        Outcome::Unknown { reason: unlisted(command, answer.status) }
    }
}

fn unlisted(command: &Command, status: u16) -> String {
    format!("target {}: answered with status {status}, of which the catalogue does not say what it means", command.target())
}

/// A client that does what it is told, once: no redirects, no retries, no proxy from the environment.
///
/// Connections are not shared between requests unless the catalogue says so: hyper-util repeats a request it could not
/// write on a shared connection, and a service that closes an idle one makes an outcome unknown for nothing.
fn client(target: &Target) -> Result<Client, Error> {
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .http1_only()
        .pool_idle_timeout(IDLE);
    if !target.reuse_connections {
        builder = builder.pool_max_idle_per_host(0);
    }
    // What the kernel still holds when a request is given up must not arrive later than the catalogue promises.
    #[cfg(target_os = "linux")]
    {
        builder = builder.tcp_user_timeout(target.arrives_within.max(MIN_USER_TIMEOUT));
    }
    if target.url.scheme() == "http" {
        // Without TLS nothing is verified, so that a machine without CA certificates will do.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| Error::Client { target: target.name.clone(), reason: describe(error) })
}

/// rustls takes its cryptography from the process; one that is installed already will do.
fn install_crypto() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        // An error says that somebody else installed a provider first.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// An error and its causes. The URL is left out, for it holds values of the request.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
