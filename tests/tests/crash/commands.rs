//! Between two commands of one unit of work: what came of the first goes into the ledger as a rule with the opening of the second, so that
//! a host dies before both or after both; at times by itself, and then also in between.

use std::path::Path;

use anyhow::{Context as _, ensure};
use mandate_tests::domain::Domain;
use mandate_tests::lone::guest;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::permitted;
use serde_json::{Value, json};

use super::Range;
use crate::PATIENCE;

const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:process id="p" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:serviceTask id="first" camunda:class="worker" camunda:asyncBefore="true"/>
    <bpmn:serviceTask id="second" camunda:class="worker"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="first"/><bpmn:sequenceFlow id="f2" sourceRef="first" targetRef="second"/>
  </bpmn:process>
</bpmn:definitions>"#;

const MANIFEST: &str =
    "[delegates.worker]\nfile = \"test_scripted.wasm\"\nversion = \"1.0.0\"\ncommands = [\"test.held@1\", \"test.ok@1\"]\n";

/// The database keeps whoever opens the second command waiting.
const HOLD: &str = "CREATE TABLE held (n BIGINT); CREATE FUNCTION hold() RETURNS trigger AS $$ BEGIN \
    WHILE EXISTS (SELECT 1 FROM held) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN NEW; END $$ LANGUAGE plpgsql; \
    CREATE TRIGGER hold BEFORE INSERT ON ledger FOR EACH ROW WHEN (NEW.command = 'test.ok@1') EXECUTE FUNCTION hold()";

/// A host with a domain service.
struct Sending {
    range: Range,
    domain: Domain,
}

impl Sending {
    async fn open(dir: &Path, cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<Self> {
        let domain = Domain::start()?;
        let catalogue = dir.join("catalogue.toml");
        std::fs::write(&catalogue, domain.catalogue())?;
        let range = Range::open_with(dir, cluster, seed, &[&format!("--catalogue={}", catalogue.display())]).await?;
        let files =
            [("p.bpmn", MODEL.as_bytes()), ("mandate.toml", MANIFEST.as_bytes()), ("test_scripted.wasm", &guest("test_scripted.wasm")?)];
        range.host.deploy(&files).await?;
        Ok(Self { range, domain })
    }

    /// Starts an instance, and answers its id when its first command is on its way.
    async fn begin(&self) -> anyhow::Result<String> {
        let script = json!({
            "first": { "commands": [{ "name": "test.held@1", "body": {} }] }, "second": { "commands": [{ "name": "test.ok@1", "body": {} }] },
        });
        let variables = json!({ "script": { "value": script.to_string(), "type": "Json" } });
        let started = self.range.host.post("/engine-rest/process-definition/key/p/start", &json!({ "variables": variables })).await?;
        let on_its_way = async {
            while self.domain.held() == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, on_its_way).await.context("the first command is not sent")?;
        Ok(started["id"].as_str().context("an id")?.to_owned())
    }

    /// The instance comes to its end, and each of its commands was applied once. Answers how often the first and the second were sent.
    async fn each_once(&self, id: &str) -> anyhow::Result<[u64; 2]> {
        self.range.host.until(&format!("/engine-rest/history/process-instance/{id}"), |it| it["state"] == "COMPLETED").await?;
        let attempts = self.range.host.ask(&format!("/api/v1/process-instances/{id}/ledger")).await?;
        let attempts = attempts.as_array().context("a list")?;
        let of = |command: &str| attempts.iter().filter(|it| it["command"] == command).cloned().collect::<Vec<Value>>();
        let mut sent = [0, 0];
        for (count, command) in sent.iter_mut().zip(["test.held@1", "test.ok@1"]) {
            let attempts = of(command);
            let last = attempts.last().with_context(|| format!("{command} is not in the ledger"))?;
            ensure!(last["state"] == "applied", "{attempts:?}");
            ensure!(attempts[..attempts.len() - 1].iter().all(|it| it["state"] == "unknown"), "{attempts:?}");
            let key = last["key"].as_str().context("a key")?;
            let applied = self.domain.applied().iter().filter(|it| it.key == key).count();
            ensure!(applied == 1, "{command} was applied {applied} times");
            *count = attempts.len() as u64;
        }
        Ok(sent)
    }
}

/// SQLite's writer synchronises each transaction once: at the first call what came of the first command has been written.
#[tokio::test(flavor = "multi_thread")]
async fn between_two_commands_nothing_is_lost_or_sent_twice_on_sqlite() -> anyhow::Result<()> {
    if !permitted().await? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let mut sending = Sending::open(dir.path(), None, Moments::seed(37)).await?;
    for shot in sending.range.shots() {
        let id = sending.begin().await?;
        let mark = sending.range.aim(shot).await?;
        sending.domain.let_go(1);
        let _dead = sending.range.host.until(&format!("/engine-rest/history/process-instance/{id}"), |it| it["state"] == "COMPLETED").await;
        // Whoever runs the unit again and does not know what came of it sends it again.
        sending.domain.let_go(1);
        sending.range.die(mark).await?;
        let sent = sending.each_once(&id).await.with_context(|| format!("{shot:?}"))?;
        if shot == Some(("fdatasync", 1)) {
            // The second was opened with it, or not yet.
            ensure!(sent == [1, 2] || sent == [1, 1], "what came of the first was forgotten: {sent:?}");
        }
        println!("{shot:?}: sent {sent:?}");
        sending.domain.hold();
    }
    sending.range.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_commands_nothing_is_lost_or_sent_twice_on_postgres() -> anyhow::Result<()> {
    let cluster = Cluster::start()?;
    let dir = tempfile::tempdir()?;
    let mut sending = Sending::open(dir.path(), Some(&cluster), Moments::seed(38)).await?;
    cluster.sql("host", HOLD)?;
    cluster.sql("host", "INSERT INTO held VALUES (1)")?;
    let id = sending.begin().await?;
    sending.domain.let_go(1);
    let between = async {
        while cluster.sql("host", "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")? != "1" {
            tokio::task::yield_now().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, between).await.context("the second command is not opened")??;
    let is_known = cluster.sql("host", &format!("SELECT state FROM ledger WHERE instance_id = '{id}'"))? == "applied";
    sending.range.host.kill().await?;
    cluster.sql("host", "DELETE FROM held")?;
    sending.range.host.start_again().await?;
    // Whoever does not know what came of it sends it again.
    sending.domain.let_go(1);
    let sent = sending.each_once(&id).await?;
    ensure!(sent == if is_known { [1, 1] } else { [2, 1] }, "known: {is_known}; sent {sent:?}");
    sending.range.close().await
}
