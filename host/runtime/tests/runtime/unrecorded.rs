//! Outcomes of commands that the ledger does not take: whoever has gone on with one does not go on, and no attempt stays open.

use mandate_runtime::engine::{Code, InstanceId, PublicId, Variables};
use mandate_runtime::query::Page;
use mandate_runtime::{Error, Runtime};
use serde_json::json;

use crate::common::{Host, Setup, commands, postgres, process, sql};

/// The database refuses to store that the first attempt of `test.held@1` was applied.
const REFUSE: &str = "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$ LANGUAGE plpgsql; \
    CREATE TRIGGER refuse BEFORE UPDATE ON ledger FOR EACH ROW \
    WHEN (NEW.command = 'test.held@1' AND NEW.attempt = 1 AND NEW.state = 'applied') EXECUTE FUNCTION refuse()";

/// `p` calls `inner`, whose job sends a command, and waits for a person beside that.
const CALLING: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:process id="p" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:parallelGateway id="g"/><bpmn:callActivity id="call" calledElement="inner"><bpmn:extensionElements>
      <camunda:in source="script" target="script"/></bpmn:extensionElements></bpmn:callActivity><bpmn:userTask id="beside"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/><bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="call"/>
    <bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="beside"/>
  </bpmn:process>
  <bpmn:process id="inner" isExecutable="true">
    <bpmn:startEvent id="is"/><bpmn:serviceTask id="w1" camunda:class="worker" camunda:asyncBefore="true"/>
    <bpmn:sequenceFlow id="g1" sourceRef="is" targetRef="w1"/>
  </bpmn:process>
</bpmn:definitions>"#;

async fn host() -> (Host, String) {
    let database = postgres();
    let host = Host::start_with(Setup { database: Some(database.clone()), ..Setup::default() }).await;
    (host, database)
}

/// Completes the instance's user task, on a host.
async fn complete(runtime: &Runtime, id: InstanceId) -> Result<(), Error> {
    let view = runtime.instance(id).await.expect("it lives");
    let task = PublicId { instance: id, number: view.instance.tasks().next().expect("a person's task").wait.0 };
    runtime.complete_task(task, Variables::new()).await.map(drop)
}

/// What the ledger has of an instance: command, attempt, state.
async fn attempts(host: &Host, id: InstanceId) -> Vec<(String, i64, &'static str)> {
    let rows = host.runtime.reads().ledger_of_instance(id.0, Page::ALL).await.expect("read");
    let mut rows: Vec<_> = rows.into_iter().map(|row| (row.command, row.attempt, row.state.as_str())).collect();
    rows.sort();
    rows
}

/// The instance that the unit tells of its end has been moved on by another host: the whole unit is stepped again.
#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_stepped_anew_asks_again_for_what_could_not_be_recorded() {
    let (host, database) = host().await;
    let other = host.beside(Setup { execute_jobs: false, ..Setup::default() }).await;
    host.deploy(CALLING.into()).await;
    let script = commands(&[("w1", "test.held@1")]);
    let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
    host.until("the command is on its way", || async { host.domain.held() == 1 }).await;
    let call = host.runtime.instance(id).await.expect("it lives").instance.calls().next().expect("it has called").wait;
    complete(&other, id).await.expect("completed");
    sql(&database, REFUSE);
    host.domain.let_go(2);
    host.ended(id).await;
    let expected = [("test.held@1", 1, "unknown"), ("test.held@1", 2, "applied")];
    let expected = expected.map(|(command, attempt, state)| (command.to_owned(), attempt, state));
    assert_eq!(attempts(&host, InstanceId::called(id, call)).await, expected);
    assert_eq!(host.domain.applied().len(), 1, "it was applied once");
    other.shut_down(std::time::Duration::from_secs(5)).await;
}

/// The delegate behind it is told, and the unit fails.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_recorded_keeps_the_next_command_from_leaving() {
    let (host, database) = host().await;
    host.deploy(process(
        r#"<bpmn:startEvent id="s"/><bpmn:task id="before" camunda:asyncAfter="true"/><bpmn:serviceTask id="w1" camunda:class="worker"/>
      <bpmn:serviceTask id="w2" camunda:class="worker"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="before"/>
      <bpmn:sequenceFlow id="f2" sourceRef="before" targetRef="w1"/><bpmn:sequenceFlow id="f3" sourceRef="w1" targetRef="w2"/>"#,
    ))
    .await;
    let script = commands(&[("w1", "test.held@1"), ("w2", "test.ok@1")]);
    let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
    host.until("the first command is on its way", || async { host.domain.held() == 1 }).await;
    sql(&database, REFUSE);
    host.domain.let_go(2);
    host.ended(id).await;
    let expected =
        [("test.held@1", 1, "unknown"), ("test.held@1", 2, "applied"), ("test.ok@1", 1, "unavailable"), ("test.ok@1", 2, "applied")];
    assert_eq!(attempts(&host, id).await, expected.map(|(command, attempt, state)| (command.to_owned(), attempt, state)));
    assert_eq!(host.domain.applied().len(), 2, "each was applied once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_nobody_can_record_or_asks_for_is_closed_by_its_host() {
    let (host, database) = host().await;
    host.deploy(process(
        r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:serviceTask id="w1" camunda:class="worker"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="w1"/>"#,
    ))
    .await;
    let script = commands(&[("w1", "test.held@1")]);
    let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
    sql(&database, REFUSE);
    host.domain.let_go(1);
    match complete(&host.runtime, id).await {
        Err(Error::UnitFailed(failure)) => assert_eq!(failure.code, Code::CommandOutcomeUnknown),
        other => panic!("{other:?}"),
    }
    // Nobody completes the task again.
    let closed = [("test.held@1".to_owned(), 1, "unknown")];
    host.until("the attempt is closed", || async { attempts(&host, id).await == closed }).await;
    host.domain.let_go(1);
    complete(&host.runtime, id).await.expect("completed");
    assert_eq!(attempts(&host, id).await, [closed[0].clone(), ("test.held@1".to_owned(), 2, "applied")]);
    assert_eq!(host.domain.applied().len(), 1, "it was applied once");
}

/// The database refuses whatever is said of a command's attempts.
fn refuse_all(command: &str) -> String {
    format!(
        "CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$ LANGUAGE plpgsql; \
         CREATE TRIGGER refuse BEFORE UPDATE ON ledger FOR EACH ROW WHEN (NEW.command = '{command}') EXECUTE FUNCTION refuse()"
    )
}

/// It takes it again.
const TAKE: &str = "DROP TRIGGER refuse ON ledger";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_an_attempt_is_recorded_as_soon_as_the_database_takes_it() {
    for (command, state, is_asked_again) in [
        ("test.held@1", "applied", true),
        ("test.held@1", "applied", false),
        ("test.no@1", "rejected", false),
        ("test.busy-once@1", "unavailable", false),
    ] {
        let (host, database) = host().await;
        host.deploy(process(
            r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:serviceTask id="w1" camunda:class="worker"/>
          <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="w1"/>"#,
        ))
        .await;
        let id = host.start_instance(json!({ "script": commands(&[("w1", command)]) })).await.expect("it starts").id;
        sql(&database, &refuse_all(command));
        host.domain.let_go(1);
        match complete(&host.runtime, id).await {
            Err(Error::UnitFailed(failure)) => assert_eq!(failure.code, Code::CommandOutcomeUnknown),
            other => panic!("{other:?}"),
        }
        assert_eq!(attempts(&host, id).await, [(command.to_owned(), 1, "open")]);
        sql(&database, TAKE);
        if is_asked_again {
            // Whoever comes to it is answered from the ledger: nobody would let a second one go.
            complete(&host.runtime, id).await.expect("completed");
        }
        let recorded = [(command.to_owned(), 1, state)];
        host.until("it is recorded", || async { attempts(&host, id).await == recorded }).await;
        assert_eq!(host.domain.calls().values().sum::<u32>(), 1, "it was sent once");
    }
}

/// The database refuses all that is said of attempts of `test.held@1` with this code of its own, and counts how often.
fn refuse_with(sqlstate: &str, which: &str) -> String {
    format!(
        "CREATE SEQUENCE refusals; \
         CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN PERFORM nextval('refusals'); RAISE EXCEPTION 'so it is' USING ERRCODE = '{sqlstate}'; END $$ \
         LANGUAGE plpgsql; \
         CREATE TRIGGER refuse BEFORE UPDATE ON ledger FOR EACH ROW WHEN (NEW.command = 'test.held@1'{which}) EXECUTE FUNCTION refuse()"
    )
}

/// An instance whose first command is on its way.
async fn on_its_way(host: &Host) -> InstanceId {
    host.deploy(process(
        r#"<bpmn:startEvent id="s"/><bpmn:serviceTask id="w1" camunda:class="worker" camunda:asyncBefore="true"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="w1"/>"#,
    ))
    .await;
    let script = commands(&[("w1", "test.held@1")]);
    let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
    host.until("the command is on its way", || async { host.domain.held() == 1 }).await;
    id
}

/// What the ledger has of an instance's only attempt: its state, and whether it has a reply.
async fn only_attempt(host: &Host, id: InstanceId) -> (&'static str, bool) {
    let rows = host.runtime.reads().ledger_of_instance(id.0, Page::ALL).await.expect("read");
    assert_eq!(rows.len(), 1);
    (rows[0].state.as_str(), rows[0].reply.is_some())
}

/// An error of its disk says nothing of the reply, however often it comes.
#[tokio::test(flavor = "multi_thread")]
async fn a_reply_outlives_a_database_that_is_unwell() {
    let (host, database) = host().await;
    let id = on_its_way(&host).await;
    sql(&database, &refuse_with("58030", ""));
    host.domain.let_go(1);
    // More often than anything else is tried that the database refuses.
    host.until("it is refused again and again", || async {
        sql(&database, "SELECT last_value FROM refusals").parse::<i64>().expect("a number") >= 9
    })
    .await;
    assert_eq!(only_attempt(&host, id).await, ("open", false));
    sql(&database, TAKE);
    host.ended(id).await;
    assert_eq!(only_attempt(&host, id).await, ("applied", true));
    assert_eq!(host.domain.calls().values().sum::<u32>(), 1, "it was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_the_database_cannot_hold_is_left_out() {
    let (host, database) = host().await;
    let id = on_its_way(&host).await;
    // Program limit exceeded.
    sql(&database, &refuse_with("54000", " AND NEW.reply IS NOT NULL"));
    host.domain.let_go(1);
    host.ended(id).await;
    assert_eq!(only_attempt(&host, id).await, ("applied", false));
    assert_eq!(host.domain.calls().values().sum::<u32>(), 1, "it was sent once");
}

/// An instance whose job sends a command, and another one whenever its task is completed.
const SENDS_TWICE: &str = r#"<bpmn:startEvent id="s"/><bpmn:serviceTask id="w1" camunda:class="worker" camunda:asyncBefore="true"/>
  <bpmn:userTask id="u"/><bpmn:serviceTask id="w2" camunda:class="worker"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="w1"/><bpmn:sequenceFlow id="f2" sourceRef="w1" targetRef="u"/>
  <bpmn:sequenceFlow id="f3" sourceRef="u" targetRef="w2"/>"#;

/// The database opens no attempt, and says that its disk is at fault.
const BROKEN: &str = "CREATE FUNCTION broken() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'so it is' USING ERRCODE = '58030'; END $$ \
    LANGUAGE plpgsql; CREATE TRIGGER broken BEFORE INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION broken()";

const MENDED: &str = "DROP TRIGGER broken ON ledger; DROP FUNCTION broken";

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_database_is_unwell_spends_no_attempt() {
    let database = postgres();
    let host = Host::start_with(Setup { database: Some(database.clone()), execute_jobs: false, ..Setup::default() }).await;
    host.deploy(process(SENDS_TWICE)).await;
    let script = commands(&[("w1", "test.ok@1"), ("w2", "test.ok@1")]);
    let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
    let jobs = async || host.runtime.instance(id).await.expect("it lives").instance.jobs().cloned().collect::<Vec<_>>();
    let before = jobs().await;
    let job = PublicId { instance: id, number: before[0].wait.0 };

    sql(&database, BROKEN);
    let refused = host.runtime.execute_job(job).await;
    assert!(matches!(&refused, Err(Error::NotActing(why)) if why.contains("its database")), "{refused:?}");
    assert_eq!((jobs().await, attempts(&host, id).await), (before, Vec::new()));
    sql(&database, MENDED);
    host.runtime.execute_job(job).await.expect("it runs");

    sql(&database, BROKEN);
    let refused = complete(&host.runtime, id).await;
    assert!(matches!(&refused, Err(Error::NotActing(why)) if why.contains("its database")), "{refused:?}");
    sql(&database, MENDED);
    complete(&host.runtime, id).await.expect("it waits as before");
    assert_eq!((host.domain.applied().len(), host.domain.calls().values().sum::<u32>()), (2, 2));
    host.runtime.shut_down(std::time::Duration::from_secs(5)).await;
}
