//! What the commands print that ask a host, with a real host behind them.

use std::process::Output;

use anyhow::{Context as _, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::program::built;
use serde_json::{Value, json};
use tokio::process::Command;

/// A timer start event whose start cannot succeed, and no retries.
const NIGHTLY: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  id="d" targetNamespace="test">
  <bpmn:process id="nightly" isExecutable="true">
    <bpmn:startEvent id="night">
      <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1M</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      <bpmn:timerEventDefinition><bpmn:timeDate>2020-01-01T00:00:00Z</bpmn:timeDate></bpmn:timerEventDefinition>
    </bpmn:startEvent>
    <bpmn:sequenceFlow id="a" sourceRef="night" targetRef="count"/>
    <bpmn:scriptTask id="count" scriptFormat="juel" camunda:resultVariable="n"><bpmn:script>${nothing}</bpmn:script></bpmn:scriptTask>
  </bpmn:process>
</bpmn:definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_start_an_instance_is_told_by_whatever_lists_what_is_stuck() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    let listed = async |words: &[&str]| Ok::<Value, anyhow::Error>(serde_json::from_str(&says(words).await?)?);
    let nothing = json!({"instances": [], "incidentsOfNoInstance": []});
    ensure!(listed(&["list", "--incidents", "--json"]).await? == nothing);
    ensure!(listed(&["list", "--json"]).await? == json!([]));
    host.deploy(&[("nightly.bpmn", NIGHTLY.as_bytes())]).await?;
    host.until("/engine-rest/incident/count", |count| count["count"] == 1).await?;
    let incident = host.ask("/engine-rest/incident").await?[0].clone();
    let [job, definition] = [&incident["configuration"], &incident["processDefinitionId"]].map(|text| text.as_str().context("a text"));
    let (job, definition) = (job?, definition?);

    let table = says(&["list", "--incidents"]).await?;
    for word in [job, definition, "night", "EXPRESSION_FAILED", "'nothing'"] {
        ensure!(table.contains(word), "'{word}' is missing:\n{table}");
    }
    let told = json!({"instances": [], "incidentsOfNoInstance": [incident]});
    ensure!(listed(&["list", "--incidents", "--json"]).await? == told);
    ensure!(listed(&["list", "--incidents", "--json", "-k", "other"]).await? == nothing);
    ensure!(!says(&["list"]).await?.contains("night"), "it is no instance");

    let waiting = says(&["waiting"]).await?;
    ensure!(waiting.contains("nightly:1") && waiting.contains("INCIDENT EXPRESSION_FAILED"), "{waiting}");
    let leaf = serde_json::from_str::<Value>(&says(&["waiting", "--json"]).await?)?[0].clone();
    ensure!(leaf["processInstanceId"].is_null() && leaf["since"].is_i64() && leaf["id"] == incident["id"], "{leaf:#}");
    ensure!(!says(&["waiting", "--overdue"]).await?.contains("night"), "an incident is not overdue");

    ensure!(says(&["retry", job]).await?.contains(job));
    let looked_at = says(&["check-store"]).await?;
    ensure!(looked_at == "looked at 0 instances, 1 definition and 0 components\n", "{looked_at}");
    host.stop().await
}

/// A process that waits for a person.
const ASKED: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <bpmn:process id="asked" isExecutable="true">
    <bpmn:startEvent id="start"/><bpmn:sequenceFlow id="f" sourceRef="start" targetRef="look"/><bpmn:userTask id="look"/>
  </bpmn:process>
</bpmn:definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_shown_by_its_id_or_its_business_key() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    host.deploy(&[("asked.bpmn", ASKED.as_bytes())]).await?;
    let nameless = says(&["start", "asked"]).await?.trim().to_owned();
    let named = says(&["start", "asked", "-b", "order-1"]).await?.trim().to_owned();
    for (wanted, id) in [(&nameless, &nameless), (&named, &named), (&"order-1".to_owned(), &named)] {
        let shown: Value = serde_json::from_str(&says(&["show", wanted, "--json"]).await?)?;
        ensure!(shown["instance"]["id"] == json!(id), "{wanted}: {shown:#}");
        let waiting = shown["waiting"].as_array().context("a list")?;
        ensure!(waiting.len() == 1 && waiting[0]["processInstanceId"] == json!(id), "{wanted}: {shown:#}");
    }
    for wanted in ["nope", "asked", &format!("{nameless}.3")] {
        let refused = run(&host, &["show", wanted]).await?;
        let said = String::from_utf8(refused.stderr)?;
        ensure!(
            !refused.status.success() && said.contains(&format!("'{wanted}' is no process instance's id and nobody's business key")),
            "{said}"
        );
        ensure!(said.contains(&format!("show its instance: {nameless}\n")) == wanted.contains('.'), "{said}");
    }
    let listed: Value = serde_json::from_str(&says(&["list", "--json", "-b", "order-1"]).await?)?;
    ensure!(listed.as_array().map(Vec::len) == Some(1) && listed[0]["id"] == json!(named), "{listed:#}");
    let failing: Value = serde_json::from_str(&says(&["list", "--incidents", "--json", "-b", "order-1"]).await?)?;
    ensure!(failing == json!({"instances": [], "incidentsOfNoInstance": []}), "{failing:#}");
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_history_is_kept_an_instance_is_shown_as_it_stands() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &["--history=none"]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    host.deploy(&[("asked.bpmn", ASKED.as_bytes())]).await?;
    let long = "a".repeat(200);
    let id = says(&["start", "asked", "-b", "order-1", "-v", "total=7", "-v", &format!("note={long}")]).await?;
    let waiting: Value = serde_json::from_str(&says(&["waiting", "--json"]).await?)?;
    let task = waiting[0]["id"].as_str().context("the task's id")?;
    for wanted in [id.trim(), "order-1"] {
        let shown = says(&["show", wanted]).await?;
        for words in [id.trim(), "asked:1", "order-1", "ACTIVE", task, "total  Integer  7", "no history is kept of it"] {
            ensure!(shown.contains(words), "'{words}' is missing:\n{shown}");
        }
        ensure!(shown.contains(&long[..100]) && !shown.contains(&long), "{shown}");
        let shown: Value = serde_json::from_str(&says(&["show", wanted, "--json"]).await?)?;
        ensure!(shown["variables"]["note"]["value"] == json!(long) && shown["instance"]["state"] == "ACTIVE", "{shown:#}");
    }
    host.stop().await
}

/// A job that fails at once, for good.
const FAILS: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="test">
  <bpmn:process id="fails" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="count"/>
    <bpmn:scriptTask id="count" scriptFormat="juel" camunda:resultVariable="n" camunda:asyncBefore="true">
      <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT0S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      <bpmn:script>${nothing}</bpmn:script>
    </bpmn:scriptTask>
  </bpmn:process>
</bpmn:definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_has_failed_is_retried_by_whatever_names_it() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    let refused = async |words: &[&str]| {
        let output = run(&host, words).await?;
        ensure!(!output.status.success() && output.stdout.is_empty(), "{words:?}");
        Ok(String::from_utf8(output.stderr)?)
    };
    host.deploy(&[("fails.bpmn", FAILS.as_bytes()), ("asked.bpmn", ASKED.as_bytes())]).await?;
    let id = says(&["start", "fails", "-b", "order.1"]).await?.trim().to_owned();
    for by in ["id", "business key", "job", "incident"] {
        host.until("/engine-rest/incident/count", |count| count["count"] == 1).await?;
        let incident = host.ask("/engine-rest/incident").await?[0].clone();
        let job = incident["configuration"].as_str().context("its job")?;
        ensure!(says(&["show", "order.1"]).await?.contains(&format!("\njob         {job}\n")), "the job is not shown");
        let wanted = match by {
            "id" => &id,
            "business key" => "order.1",
            "job" => job,
            _ => incident["id"].as_str().context("an id")?,
        };
        let given = says(&["retry", wanted]).await?;
        ensure!(given == format!("job {job} has 1 more attempt(s)\n"), "{by}: {given}");
        // It fails once more, which is another incident.
        let is_another = |incidents: &Value| incidents[0]["id"].is_string() && incidents[0]["id"] != incident["id"];
        host.until("/engine-rest/incident", is_another).await?;
    }
    let unknown = refused(&["retry", "nope"]).await?;
    ensure!(unknown.contains("'nope' is no process instance's id and nobody's business key"), "{unknown}");
    let asked = says(&["start", "asked", "-b", "order-2"]).await?;
    let nothing = refused(&["retry", "order-2"]).await?;
    ensure!(nothing.contains(&format!("of instance {} has run out of retries", asked.trim())), "{nothing}");
    let none = refused(&["retry", "order.1", "--retries", "0"]).await?;
    ensure!(none.contains("0 is not in 1.."), "{none}");

    // It has not ended, and no history of such a one is exported.
    for wanted in [id.as_str(), "order.1"] {
        let exported = refused(&["export", wanted]).await?;
        ensure!(exported.contains(&format!("'{wanted}' is the id of no ended instance")), "{exported}");
    }
    host.stop().await
}

/// It calls what fails.
const CALLS: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <bpmn:process id="calls" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="call"/>
    <bpmn:callActivity id="call" calledElement="fails"/>
  </bpmn:process>
</bpmn:definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_in_a_called_instance_is_shown_and_retried_by_its_caller() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    host.deploy(&[("fails.bpmn", FAILS.as_bytes()), ("calls.bpmn", CALLS.as_bytes())]).await?;
    let caller = says(&["start", "calls", "-b", "caller"]).await?.trim().to_owned();
    let incidents = format!("/engine-rest/incident?processInstanceId={caller}");
    for by in ["business key", "incident"] {
        host.until(&incidents, |incidents| incidents[0]["id"].is_string()).await?;
        let incident = host.ask(&incidents).await?[0].clone();
        ensure!(incident["configuration"].is_null(), "{incident:#}");
        let root = incident["rootCauseIncidentId"].as_str().context("its cause")?;
        let job = host.ask(&format!("/engine-rest/incident/{root}")).await?["configuration"].as_str().context("a job")?.to_owned();
        ensure!(says(&["show", "caller"]).await?.contains(&format!("\njob         {job}\n")), "the job is not shown");
        let wanted = if by == "incident" { incident["id"].as_str().context("an id")? } else { "caller" };
        let given = says(&["retry", wanted]).await?;
        ensure!(given == format!("job {job} has 1 more attempt(s)\n"), "{by}: {given}");
        host.until(&incidents, |incidents| incidents[0]["id"].is_string() && incidents[0]["id"] != incident["id"]).await?;
    }
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_business_key_that_is_used_again_names_the_instance_that_lives() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    let shown = async |wanted: &str| {
        let shown: Value = serde_json::from_str(&says(&["show", wanted, "--json"]).await?)?;
        Ok::<_, anyhow::Error>(shown["instance"]["id"].as_str().context("an id")?.to_owned())
    };
    host.deploy(&[("asked.bpmn", ASKED.as_bytes())]).await?;
    let start = async |key: &str| Ok::<_, anyhow::Error>(says(&["start", "asked", "-b", key]).await?.trim().to_owned());
    let first = start("again").await?;
    host.delete(&format!("/engine-rest/process-instance/{first}")).await?;
    ensure!(shown("again").await? == first, "one that has ended is found, too");
    let second = start("again").await?;
    ensure!(shown("again").await? == second && shown(&first).await? == first);
    // An id is nobody else's, whoever has it for a business key.
    let third = start(&second).await?;
    ensure!(shown(&second).await? == second && shown(&third).await? == third);
    let fourth = start("again").await?;
    let several = run(&host, &["show", "again"]).await?;
    let said = String::from_utf8(several.stderr)?;
    ensure!(said.contains("several instances have the business key 'again'") && said.contains(&second) && said.contains(&fourth), "{said}");
    ensure!(!said.contains(&first), "it has ended: {said}");
    host.stop().await
}

/// What `mandate serve` or another command says that cannot do what it should.
async fn fails(words: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(built("mandate")?).args(words).kill_on_drop(true).output().await?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(!output.status.success(), "{words:?}: {said}");
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_not_there_is_named_and_nothing_is_made_in_its_place() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let [typo, nowhere] = ["typo.db", "nowhere/mandate.db"].map(|name| dir.path().join(name).display().to_string());
    let said = fails(&["check-store", "--database", &format!("sqlite:{typo}")]).await?;
    ensure!(said.contains(&format!("there is no database {typo}: name one that a host has used")), "{said}");
    let said = fails(&["serve", "--listen=127.0.0.1:0", "--database", &format!("sqlite:{nowhere}")]).await?;
    ensure!(said.contains(&format!("there is no folder {}/nowhere for the database", dir.path().display())), "{said}");
    ensure!(std::fs::read_dir(dir.path())?.next().is_none(), "something was made");
    let cache = format!("--cache={}/components", dir.path().display());
    for password in ["secret", "12/secret"] {
        let away = format!("--database=postgres://ann:{password}@127.0.0.1:1/orders");
        let said = fails(&["serve", "--listen=127.0.0.1:0", &cache, &away]).await?;
        ensure!(!said.contains("secret") && said.contains("(database '"), "{said}");
        ensure!(password.contains('/') || said.contains("(database 'orders' at 127.0.0.1:1, as user 'ann')"), "{said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_used_is_refused_with_what_to_write() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let taken = host.url().trim_start_matches("http://");
    let database = format!("--database=sqlite:{}/other.db", dir.path().display());
    let said = fails(&["serve", &database, "--listen", taken]).await?;
    ensure!(said.contains(&format!("listen on {taken}; if another program does")), "{said}");
    let said = fails(&["serve", &database, "--listen", "localhost:8080"]).await?;
    ensure!(said.contains("write an IP address and a port, such as 127.0.0.1:8080"), "{said}");
    let said = fails(&["list", "--server", taken]).await?;
    ensure!(said.contains(&format!("'{taken}' is no address of a host: write it with its scheme")), "{said}");
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_one_name_are_not_taken_for_each_other() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let bundle = |name: &str, manifest: &str, files: &[&str]| -> anyhow::Result<std::path::PathBuf> {
        let bundle = dir.path().join(name);
        for file in files {
            let path = bundle.join(file);
            std::fs::create_dir_all(path.parent().context("a folder")?)?;
            std::fs::write(path, ASKED)?;
        }
        std::fs::write(bundle.join("mandate.toml"), manifest)?;
        Ok(bundle)
    };
    let model = bundle("model", "[deployment]\nmodels = [\"models/asked.bpmn\"]\n", &["asked.bpmn", "models/asked.bpmn"])?;
    let components = "[delegates.one]\nfile = \"a/x.wasm\"\n[delegates.two]\nfile = \"b/x.wasm\"\n";
    let component = bundle("component", components, &["a/x.wasm", "b/x.wasm"])?;
    // However often and in whatever way one file is named, it is one.
    let one = bundle("one", "[deployment]\nmodels = [\"models/../asked.bpmn\", \"./asked.bpmn\"]\n", &["asked.bpmn", "models/other.bpmn"])?;

    let host = Lone::start(dir.path(), None, &[]).await?;
    for command in ["check", "deploy"] {
        for (bundle, line, first, second) in
            [(&model, "2:11", "asked.bpmn", "models/asked.bpmn"), (&component, "4:8", "a/x.wasm", "b/x.wasm")]
        {
            let refused = run(&host, &[command, &bundle.display().to_string()]).await?;
            let said = format!("{}{}", String::from_utf8(refused.stdout)?, String::from_utf8(refused.stderr)?);
            let expected = format!(
                "mandate.toml:{line}: error: {} and {} have one name, by which a host could not tell them apart\n  help: rename one of them",
                bundle.join(first).display(),
                bundle.join(second).display()
            );
            ensure!(!refused.status.success() && said.contains(&expected), "{command}: {said}\nand not\n{expected}");
        }
        mandate(&host, &[command, &one.display().to_string()]).await?;
    }
    ensure!(host.ask("/engine-rest/deployment/count").await?["count"] == 1, "more than one was deployed");
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wrote_is_shown_and_does_nothing_to_the_terminal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    host.deploy(&[("asked.bpmn", ASKED.as_bytes())]).await?;
    let forged = "order-1\u{1b}[2J\u{9b}1A\nstate       COMPLETED";
    let id = says(&["start", "asked", "-b", forged]).await?;
    for words in [["list"].as_slice(), &["waiting"], &["show", id.trim()]] {
        let said = says(words).await?;
        ensure!(said.contains(r"order-1\u001b[2J\u009b1A\nstate       COMPLETED"), "{words:?}: {said}");
        ensure!(!said.contains(['\u{1b}', '\u{9b}']) && !said.contains("\nstate       COMPLETED"), "{words:?}: {said}");
    }
    let listed: Value = serde_json::from_str(&says(&["list", "--json"]).await?)?;
    ensure!(listed[0]["businessKey"] == json!(forged), "{listed:#}");
    let refused = run(&host, &["show", "no\u{1b}[2Jbody"]).await?;
    ensure!(String::from_utf8(refused.stderr)?.starts_with(r"mandate: 'no\u001b[2Jbody' is no process instance's id"));
    host.stop().await
}

/// `many` stands at 501 jobs that have failed, `done` behind as many activities that have ended.
const MANY: &str = r#"<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:camunda="http://camunda.org/schema/1.0/bpmn" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="d" targetNamespace="test">
  <bpmn:process id="many" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="count"/>
    <bpmn:scriptTask id="count" scriptFormat="juel" camunda:resultVariable="n">
      <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT0S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      <bpmn:multiInstanceLoopCharacteristics camunda:asyncBefore="true">
        <bpmn:loopCardinality xsi:type="bpmn:tFormalExpression">501</bpmn:loopCardinality>
      </bpmn:multiInstanceLoopCharacteristics>
      <bpmn:script>${nothing}</bpmn:script>
    </bpmn:scriptTask>
  </bpmn:process>
  <bpmn:process id="done" isExecutable="true">
    <bpmn:startEvent id="ds"/><bpmn:sequenceFlow id="df" sourceRef="ds" targetRef="each"/>
    <bpmn:task id="each"><bpmn:multiInstanceLoopCharacteristics>
      <bpmn:loopCardinality xsi:type="bpmn:tFormalExpression">501</bpmn:loopCardinality>
    </bpmn:multiInstanceLoopCharacteristics></bpmn:task>
    <bpmn:sequenceFlow id="dg" sourceRef="each" targetRef="look"/><bpmn:userTask id="look"/>
  </bpmn:process>
</bpmn:definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_more_than_an_answer_holds_is_shown_and_retried_to_its_end() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    let says = async |words: &[&str]| mandate(&host, words).await;
    host.deploy(&[("many.bpmn", MANY.as_bytes())]).await?;
    let (many, done) = (says(&["start", "many"]).await?, says(&["start", "done"]).await?);
    let shown: Value = serde_json::from_str(&says(&["show", done.trim(), "--json"]).await?)?;
    let each = shown["activities"].as_array().context("a list")?.iter().filter(|one| one["activityId"] == "each");
    ensure!(each.map(|one| one["id"].as_str()).collect::<std::collections::BTreeSet<_>>().len() == 501, "not all, or not each once");

    host.until("/engine-rest/incident/count", |count| count["count"] == 501).await?;
    let shown: Value = serde_json::from_str(&says(&["show", many.trim(), "--json"]).await?)?;
    ensure!(shown["incidents"].as_array().map(Vec::len) == Some(501));
    let given = says(&["retry", many.trim(), "--retries", "2"]).await?;
    ensure!(given.lines().filter(|line| line.ends_with("has 2 more attempt(s)")).count() == 501, "{given}");
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_leaves_nothing_behind_and_trusts_no_folder_of_others() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let (bundle, temporary) = (dir.path().join("bundle"), dir.path().join("tmp"));
    std::fs::create_dir(&bundle)?;
    std::fs::write(bundle.join("asked.bpmn"), ASKED)?;
    std::fs::create_dir(&temporary)?;
    // Somebody else's, under the name that a check once had for its own.
    std::fs::write(temporary.join("mandate-check"), "")?;
    let mut host = Lone::start(dir.path(), None, &[]).await?;
    host.kill().await?;
    let database = format!("sqlite:{}/mandate.db", dir.path().display());
    for words in [["check", &bundle.display().to_string()].as_slice(), &["check-store", "--database", &database]] {
        let checked = Command::new(built("mandate")?).args(words).env("TMPDIR", &temporary).output().await?;
        ensure!(checked.status.success(), "{words:?}: {}", String::from_utf8_lossy(&checked.stderr));
        let left: Vec<_> = std::fs::read_dir(&temporary)?.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<_>>()?;
        ensure!(left == ["mandate-check"], "{words:?}: {left:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_names_no_file_by_an_absolute_path() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let [model, component] = ["elsewhere.bpmn", "elsewhere.wasm"].map(|name| dir.path().join(name));
    std::fs::write(&model, ASKED)?;
    std::fs::write(&component, "no component")?;
    let bundle = dir.path().join("foreign");
    std::fs::create_dir(&bundle)?;
    let manifest = format!("[deployment]\nmodels = [\"{}\"]\n[delegates.one]\nfile = \"{}\"\n", model.display(), component.display());
    std::fs::write(bundle.join("mandate.toml"), manifest)?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    for command in ["check", "deploy"] {
        let refused = run(&host, &[command, &bundle.display().to_string()]).await?;
        let said = format!("{}{}", String::from_utf8(refused.stdout)?, String::from_utf8(refused.stderr)?);
        for (line, path) in [("2:11", &model), ("4:8", &component)] {
            let expected =
                format!("mandate.toml:{line}: error: the path {} is absolute\n  help: name it relative to the folder", path.display());
            ensure!(!refused.status.success() && said.contains(&expected), "{command}: {said}\nand not\n{expected}");
        }
    }
    ensure!(host.ask("/engine-rest/deployment/count").await?["count"] == 0, "something was deployed");
    host.stop().await
}

/// What a command prints.
async fn mandate(host: &Lone, words: &[&str]) -> anyhow::Result<String> {
    let output = run(host, words).await?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

async fn run(host: &Lone, words: &[&str]) -> anyhow::Result<Output> {
    let offline = words.first() == Some(&"check");
    let server = ["--server", host.url()];
    Ok(Command::new(built("mandate")?).args(words).args(if offline { &[][..] } else { &server }).output().await?)
}
