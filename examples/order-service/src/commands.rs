//! The commands' names and bodies, and the protocol that makes each of them idempotent.
//!
//! A command arrives with an `Idempotency-Key`. In one transaction its row in `command_log` is claimed, the order is
//! locked, the command applied and everything written. The row answers from then on:
//! - the same key with the same request answers the stored reply, and nothing is applied again;
//! - the same key with another request is refused with 422 `IDEMPOTENCY_KEY_REUSED`;
//! - a rejection is logged, but since it applied nothing the next call under its key is decided anew.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::Row;

use crate::db::{Db, Tx};
use crate::order::{Order, Rejection, Resolution};
use crate::repository::{self, Cause};

/// The longest idempotency key that is accepted, in bytes: what a sender may put into a header without surprise.
pub const MAX_KEY: usize = 255;

/// Why a command got no answer from the state machine.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no command of this name.
    #[error("there is no command {0:?}; there are: {known}", known = Command::NAMES.join(", "))]
    UnknownCommand(String),
    /// The body does not fit the command.
    #[error("the body does not fit {command}: {reason}")]
    Body {
        /// The command.
        command: String,
        /// What does not fit.
        reason: String,
    },
    /// The key was used for another request.
    #[error("the idempotency key {0:?} was used for another request")]
    KeyReused(String),
    /// The order could not be read or written; nothing was applied.
    #[error(transparent)]
    Repository(#[from] repository::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Repository(error.into())
    }
}

/// A command with its own fields. In JSON the fields stand beside those of [`Header`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Command {
    /// Approve the order's quote, or turn the order down.
    DecideQuote {
        /// Approved, or turned down.
        approved: bool,
        /// Who decided.
        approver: String,
    },
    /// Is the order ready to be worked on?
    ValidateReadiness {
        /// A person has reviewed the order and wants it to go on.
        #[serde(default)]
        reviewed: bool,
    },
    /// Turn the items into lines.
    Decompose {},
    /// Reserve stock for a line.
    ReserveLine {
        /// The line.
        line_id: String,
        /// Where to reserve it, if the caller has a wish.
        #[serde(default)]
        site: Option<String>,
    },
    /// Give the stock of a line back.
    ReleaseLine {
        /// The line.
        line_id: String,
    },
    /// Order fulfilment; a callback follows.
    SubmitFulfillment {},
    /// Order fulfilment of one line; a callback follows.
    SubmitLine {
        /// The line.
        line_id: String,
    },
    /// Ask the customer about a line; a callback follows.
    AskCustomer {
        /// The line.
        line_id: String,
        /// What is asked.
        question: String,
    },
    /// A line reached the customer.
    MarkLineFulfilled {
        /// The line.
        line_id: String,
    },
    /// Tell the customer that work has begun.
    NotifyCustomer {
        /// Which text to send.
        #[serde(default = "default_template")]
        template: String,
    },
    /// Something needs a person.
    OpenFallout {
        /// Why, in the caller's words.
        reason: String,
        /// The line concerned, if it is about one.
        #[serde(default)]
        line_id: Option<String>,
        /// Whether it keeps the order from being completed. Default true.
        #[serde(default = "blocking")]
        blocking: bool,
    },
    /// A person has repaired the order.
    ResolveFallout {
        /// How.
        resolution: Resolution,
        /// The line that was repaired; without one, all that was missing.
        #[serde(default)]
        line_id: Option<String>,
    },
    /// Complete the order.
    CompleteOrder {},
    /// Cancel the order.
    CancelOrder {
        /// Why, in the caller's words.
        #[serde(default = "default_reason")]
        reason: String,
    },
}

fn default_template() -> String {
    "order-in-progress".to_owned()
}
const fn blocking() -> bool {
    true
}
fn default_reason() -> String {
    "not given".to_owned()
}

impl Command {
    /// Every command, as it is named in `POST /commands/<name>`.
    pub const NAMES: [&'static str; 14] = [
        "decide-quote",
        "validate-readiness",
        "decompose",
        "reserve-line",
        "release-line",
        "submit-fulfillment",
        "submit-line",
        "ask-customer",
        "mark-line-fulfilled",
        "notify-customer",
        "open-fallout",
        "resolve-fallout",
        "complete-order",
        "cancel-order",
    ];

    fn apply(&self, order: &mut Order) -> Result<Value, Rejection> {
        match self {
            Self::DecideQuote { approved, approver } => order.decide_quote(*approved, approver),
            Self::ValidateReadiness { reviewed } => order.validate_readiness(*reviewed),
            Self::Decompose {} => order.decompose(),
            Self::ReserveLine { line_id, site } => order.reserve_line(line_id, site.as_deref()),
            Self::ReleaseLine { line_id } => order.release_line(line_id),
            Self::SubmitFulfillment {} => order.submit_fulfillment(),
            Self::SubmitLine { line_id } => order.submit_line(line_id),
            Self::AskCustomer { line_id, question } => order.ask_customer(line_id, question),
            Self::MarkLineFulfilled { line_id } => order.mark_line_fulfilled(line_id),
            Self::NotifyCustomer { template } => order.notify_customer(template),
            Self::OpenFallout { reason, line_id, blocking } => order.open_fallout(reason, line_id.as_deref(), *blocking),
            Self::ResolveFallout { resolution, line_id } => order.resolve_fallout(*resolution, line_id.as_deref()),
            Self::CompleteOrder {} => order.complete(),
            Self::CancelOrder { reason } => order.cancel(reason),
        }
    }

    /// What the command is about within its order: a line, or the order itself.
    fn subject(&self) -> &str {
        match self {
            Self::ReserveLine { line_id, .. }
            | Self::ReleaseLine { line_id }
            | Self::SubmitLine { line_id }
            | Self::AskCustomer { line_id, .. }
            | Self::MarkLineFulfilled { line_id } => line_id,
            _ => "order",
        }
    }
}

/// What every command carries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Whose order it is; an order of another tenant is not found.
    pub tenant_id: String,
    /// The order.
    pub order_id: String,
    /// If given, the command is refused with `ORDER_VERSION_CONFLICT` unless the order has this version.
    #[serde(default)]
    pub expected_version: Option<i64>,
}

/// Who asked for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A caller, over HTTP.
    Http,
    /// The service's own fulfilment.
    Service,
}

/// A command ready to be executed.
#[derive(Debug, Clone)]
pub struct Request {
    name: &'static str,
    header: Header,
    command: Command,
    key: String,
    digest: String,
    origin: Origin,
}

impl Request {
    /// Reads a command. `body` is a JSON object with the fields of [`Header`] and of the command.
    pub fn parse(name: &str, key: &str, body: Value, origin: Origin) -> Result<Self, Error> {
        let Some(known) = Command::NAMES.into_iter().find(|known| *known == name) else {
            return Err(Error::UnknownCommand(name.to_owned()));
        };
        let unfit = |reason: String| Error::Body { command: name.to_owned(), reason };
        let digest = digest(&body);
        let header = Header::deserialize(&body).map_err(|error| unfit(error.to_string()))?;
        let Value::Object(mut fields) = body else {
            return Err(unfit("it is not a JSON object".to_owned()));
        };
        fields.insert("command".to_owned(), known.into());
        let command = Command::deserialize(Value::Object(fields)).map_err(|error| unfit(error.to_string()))?;
        Ok(Self { name: known, header, command, key: key.to_owned(), digest, origin })
    }

    /// The order it is about.
    pub fn order_id(&self) -> &str {
        &self.header.order_id
    }

    /// What it asks for.
    pub fn command(&self) -> &Command {
        &self.command
    }
}

/// How a command was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is applied, now or by an earlier call.
    Applied {
        /// What the first application answered.
        reply: Value,
        /// True if this call applied nothing, because an earlier one had.
        replayed: bool,
    },
    /// The state machine refused it; nothing was applied.
    Rejected(Rejection),
}

/// Something to be written in the same transaction when a command is applied, e.g. rows of the outbox.
pub type AlsoWrite = Vec<crate::relay::Delivery>;

/// Executes a command as the module's protocol says, in one transaction. `also` names what is to leave the service
/// if the command is applied by this very call.
pub async fn execute(db: &Db, request: &Request, now_ms: i64, also: impl FnOnce(&Order) -> AlsoWrite + Send) -> Result<Answer, Error> {
    let mut tx = db.begin().await?;
    let known = claim(&mut tx, request, now_ms).await?;
    if known.digest != request.digest {
        return Err(Error::KeyReused(request.key.clone()));
    }
    if known.outcome == "APPLIED" {
        tx.commit().await?;
        return Ok(Answer::Applied { reply: known.reply, replayed: true });
    }
    let decision = match repository::load_locked(db, &mut tx, &request.header.order_id).await? {
        Some(mut order) => decide(&mut order, request).map(|reply| (order, reply)),
        None => Err(not_found(request)),
    };
    match decision {
        Err(rejection) => {
            let reply = json!(rejection);
            decided(&mut tx, request, "REJECTED", &reply).await?;
            tx.commit().await?;
            Ok(Answer::Rejected(rejection))
        }
        Ok((mut order, mut reply)) => {
            let cause = Cause { command: request.name, key: &request.key, now_ms };
            repository::save(&mut tx, &mut order, cause).await?;
            count_effect(&mut tx, request, now_ms).await?;
            crate::relay::give_up_stale(&mut tx, &order.order_id, &request.command).await?;
            for delivery in also(&order) {
                crate::relay::enqueue(&mut tx, &order.order_id, &delivery, now_ms).await?;
            }
            reply["orderId"] = json!(order.order_id);
            reply["orderVersion"] = json!(order.version);
            reply["orderState"] = json!(order.state);
            decided(&mut tx, request, "APPLIED", &reply).await?;
            tx.commit().await?;
            Ok(Answer::Applied { reply, replayed: false })
        }
    }
}

/// The stored reply of a key, if the command was applied under it. `command` and `tenant` narrow the search.
pub async fn applied_under(db: &Db, key: &str, command: Option<&str>, tenant: Option<&str>) -> Result<Option<Value>, Error> {
    let row = sqlx::query(
        "SELECT reply FROM command_log WHERE command_key = $1 AND outcome = 'APPLIED'
         AND ($2 = '' OR command = $2) AND ($3 = '' OR tenant_id = $3) ORDER BY command, tenant_id LIMIT 1",
    )
    .bind(key)
    .bind(command.unwrap_or_default())
    .bind(tenant.unwrap_or_default())
    .fetch_optional(db.readers())
    .await?;
    let reply: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    Ok(reply.map(|reply| serde_json::from_str(&reply).unwrap_or(Value::Null)))
}

/// The SHA-256 of a JSON value, in hex, whatever the order of its members.
pub fn digest(value: &Value) -> String {
    fn canonical(value: &Value, out: &mut String) {
        match value {
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                members.sort_by_key(|(name, _)| *name);
                out.push('{');
                for (name, member) in members {
                    out.push_str(&Value::from(name.as_str()).to_string());
                    out.push(':');
                    canonical(member, out);
                    out.push(',');
                }
                out.push('}');
            }
            Value::Array(items) => {
                out.push('[');
                for item in items {
                    canonical(item, out);
                    out.push(',');
                }
                out.push(']');
            }
            scalar => out.push_str(&scalar.to_string()),
        }
    }
    let mut text = String::new();
    canonical(value, &mut text);
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

struct Known {
    digest: String,
    outcome: String,
    reply: Value,
}

/// Claims the key's row, or waits until whoever holds it has decided, and returns what is known under the key.
async fn claim(tx: &mut Tx, request: &Request, now_ms: i64) -> Result<Known, Error> {
    let row = sqlx::query(
        "INSERT INTO command_log (tenant_id, command, command_key, order_id, digest, outcome, reply, calls, first_ms,
         last_ms) VALUES ($1, $2, $3, $4, $5, 'PENDING', '', 1, $6, $6)
         ON CONFLICT (tenant_id, command, command_key)
         DO UPDATE SET calls = command_log.calls + 1, last_ms = $6
         RETURNING digest, outcome, reply",
    )
    .bind(&request.header.tenant_id)
    .bind(request.name)
    .bind(&request.key)
    .bind(&request.header.order_id)
    .bind(&request.digest)
    .bind(now_ms)
    .fetch_one(&mut **tx)
    .await?;
    let reply: String = row.try_get("reply")?;
    Ok(Known {
        digest: row.try_get("digest")?,
        outcome: row.try_get("outcome")?,
        reply: serde_json::from_str(&reply).unwrap_or(Value::Null),
    })
}

fn decide(order: &mut Order, request: &Request) -> Result<Value, Rejection> {
    if order.tenant_id != request.header.tenant_id {
        return Err(not_found(request));
    }
    if let Some(expected) = request.header.expected_version
        && expected != order.version
    {
        let message = format!("expected version {expected}, the order has version {}", order.version);
        return Err(Rejection { code: "ORDER_VERSION_CONFLICT".to_owned(), message });
    }
    request.command.apply(order)
}

fn not_found(request: &Request) -> Rejection {
    let message = format!("tenant {} has no order {}", request.header.tenant_id, request.header.order_id);
    Rejection { code: "ORDER_NOT_FOUND".to_owned(), message }
}

async fn decided(tx: &mut Tx, request: &Request, outcome: &str, reply: &Value) -> Result<(), Error> {
    sqlx::query(
        "UPDATE command_log SET outcome = $4, reply = $5
         WHERE tenant_id = $1 AND command = $2 AND command_key = $3",
    )
    .bind(&request.header.tenant_id)
    .bind(request.name)
    .bind(&request.key)
    .bind(outcome)
    .bind(reply.to_string())
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Written wherever an order was really changed by a command, without asking whether that happened before.
async fn count_effect(tx: &mut Tx, request: &Request, now_ms: i64) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO effect (tenant_id, command, command_key, order_id, subject, origin, at_ms)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&request.header.tenant_id)
    .bind(request.name)
    .bind(&request.key)
    .bind(&request.header.order_id)
    .bind(request.command.subject())
    .bind(match request.origin {
        Origin::Http => "HTTP",
        Origin::Service => "SERVICE",
    })
    .bind(now_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The JSON form of a rejection, as it is answered with status 409.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// A stable code.
    pub code: &'a str,
    /// One sentence for people.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str, body: Value) -> Result<Command, String> {
        Request::parse(name, "k", body, Origin::Http).map(|request| request.command).map_err(|error| error.to_string())
    }

    #[test]
    fn every_named_command_can_be_read() {
        for name in Command::NAMES {
            let body = json!({
                "tenantId": "t", "orderId": "o", "lineId": "L1", "reason": "late", "resolution": "WAIVED",
                "approved": true, "approver": "kim", "question": "when?",
            });
            assert!(parse(name, body).is_ok(), "{name}");
        }
    }

    #[test]
    fn bodies_that_do_not_fit_are_named() {
        let missing = parse("reserve-line", json!({ "tenantId": "t", "orderId": "o" }));
        assert_eq!(missing.unwrap_err(), "the body does not fit reserve-line: missing field `lineId`");
        let no_order = parse("decompose", json!({ "tenantId": "t" }));
        assert_eq!(no_order.unwrap_err(), "the body does not fit decompose: missing field `orderId`");
        assert!(parse("decompose", json!(["t", "o"])).unwrap_err().starts_with("the body does not fit decompose"));
        assert!(parse("explode", json!({})).unwrap_err().starts_with("there is no command \"explode\""));
    }

    #[test]
    fn a_body_cannot_smuggle_in_another_command() {
        let body = json!({ "tenantId": "t", "orderId": "o", "command": "cancel-order" });
        assert_eq!(parse("decompose", body).unwrap(), Command::Decompose {});
    }

    #[test]
    fn digest_depends_on_content_and_not_on_member_order() {
        let one: Value = serde_json::from_str(r#"{"a":1,"b":[{"c":"x","d":null}]}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"b":[{"d":null,"c":"x"}],"a":1}"#).unwrap();
        let other: Value = serde_json::from_str(r#"{"a":"1","b":[{"c":"x","d":null}]}"#).unwrap();
        assert_eq!(digest(&one), digest(&two));
        assert_ne!(digest(&one), digest(&other));
    }
}
