//! `mandate verdict`, and how `mandate show` prints it for an attempt that needs one.

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Server;
use crate::bundle::text;
use crate::client::Client;
use crate::table::say;

/// What `mandate verdict` is told.
#[derive(Args)]
#[command(group = ArgGroup::new("finding").required(true))]
pub(crate) struct Arguments {
    /// The command's name, for example orders.reserve-line@1.
    command: String,
    /// The idempotency key of the attempt, as the ledger has it.
    key: String,
    /// The attempt under the key: its last one, which you have looked at.
    #[arg(long, value_name = "N")]
    attempt: u32,
    /// The domain service has done it.
    #[arg(long, group = "finding")]
    applied: bool,
    /// The domain service has not done it, and the attempt is nowhere on its way any more.
    #[arg(long, group = "finding")]
    not_applied: bool,
    /// What the service would have answered, as JSON; the delegate is answered null without it.
    #[arg(long, value_name = "JSON", requires = "applied")]
    reply: Option<String>,
    /// Who says so: you.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// How you know, for whoever asks later.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The tenant of the instance that sent it.
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { command, key, attempt, applied, not_applied: _, reply, by, reason, tenant, server } = arguments;
    let reply =
        reply.map(|text| serde_json::from_str::<Value>(&text).context("read --reply as JSON (quote it for the shell)")).transpose()?;
    let body = json!({
        "tenantId": tenant, "command": command, "key": key, "attempt": attempt, "applied": applied, "reply": reply, "by": by,
        "reason": reason,
    });
    let client = Client::new(&server.server)?;
    client.send(client.request(Method::POST, "/api/v1/ledger/verdict").json(&body)).await?;
    if applied {
        say!("attempt {attempt} of {command} is applied; `mandate retry INSTANCE` lets the instance go on with that answer");
    } else {
        say!("attempt {attempt} of {command} is not applied; `mandate retry INSTANCE` sends it again under the same key");
    }
    Ok(())
}

/// The attempts of a ledger that may need a verdict, each as the words to type.
pub(crate) fn wanted(ledger: &Value) -> Vec<String> {
    let unknown = |row: &&Value| row["state"] == "unknown";
    ledger.as_array().into_iter().flatten().filter(unknown).filter(|row| is_last(ledger, row)).map(words).collect()
}

/// Whether no later attempt under the same key has been made, which would count instead.
fn is_last(ledger: &Value, row: &Value) -> bool {
    let mut others = ledger.as_array().into_iter().flatten();
    !others.any(|other| {
        ["tenantId", "command", "key"].iter().all(|name| other[*name] == row[*name]) && other["attempt"].as_u64() > row["attempt"].as_u64()
    })
}

fn words(row: &Value) -> String {
    let tenant = row["tenantId"].as_str().map(|tenant| format!(" --tenant {}", quoted(tenant))).unwrap_or_default();
    let (command, key) = (quoted(&text(&row["command"])), quoted(&text(&row["key"])));
    format!("mandate verdict {command} {key} --attempt {}{tenant} --applied --by NAME --reason TEXT  # or --not-applied", row["attempt"])
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_attempts_that_nobody_knows_of_are_asked_for() {
        let row = |attempt: u32, key: &str, state: &str| json!({ "tenantId": "a'b", "command": "c.d@1", "key": key, "attempt": attempt, "state": state });
        let ledger = json!([
            row(1, "k", "unknown"),
            row(2, "k", "applied"),
            row(1, "$x", "unknown"),
            row(1, "y", "applied"),
            row(3, "z", "unknown"),
            row(1, "w", "open")
        ]);
        let tail = "--tenant 'a'\\''b' --applied --by NAME --reason TEXT  # or --not-applied";
        assert_eq!(
            wanted(&ledger),
            [format!("mandate verdict c.d@1 '$x' --attempt 1 {tail}"), format!("mandate verdict c.d@1 z --attempt 3 {tail}")]
        );
    }
}
