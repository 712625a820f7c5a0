//! Two units at once, texts that no store takes, answers too large to keep: nothing is sent twice, and no job comes back for ever.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;

use crate::common::{Host, Setup, as_variables, postgres, process, sql};
use mandate_runtime::engine::{Code, PublicId, Variables};
use mandate_runtime::query::{HistoryActivityFilter, Page};
use mandate_runtime::{Correlation, Error};
use serde_json::json;

/// start → a → end; `a` is a job of its own that is tried twice.
const ONE: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
    <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R2/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
  </bpmn:serviceTask>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/>
  <bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="e"/>"#;

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_issue_the_same_own_key_at_once_send_it_once() {
    let host = Host::start().await;
    // All timers are due at one moment, so that one claim starts all units together.
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:intermediateCatchEvent id="t">
        <bpmn:timerEventDefinition><bpmn:timeDate xsi:type="bpmn:tFormalExpression">${moment}</bpmn:timeDate></bpmn:timerEventDefinition>
      </bpmn:intermediateCatchEvent>
      <bpmn:serviceTask id="a" camunda:class="worker"/>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
      <bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="a"/>
      <bpmn:sequenceFlow id="f3" sourceRef="a" targetRef="e"/>"#,
    ))
    .await;
    let script = json!({ "a": { "commands": [{ "name": "test.slow@1", "body": { "plan": 2 }, "key": "reserve:order-17:plan-2" }] } });
    let moment = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2)).to_string();
    let mut started = Vec::new();
    for _ in 0..40 {
        started.push(host.start_instance(json!({ "script": script, "moment": moment })).await.expect("it starts").id);
    }
    for id in started {
        host.ended(id).await;
    }
    assert_eq!(host.domain.calls().into_iter().collect::<Vec<_>>(), [("reserve:order-17:plan-2".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_message_and_a_timer_at_one_instant_exactly_one_wins() {
    for database in [None, Some(postgres())] {
        // A timer runs when it is told to: at the moment at which the message comes.
        let host = Host::start_with(Setup { database, execute_jobs: false, ..Setup::default() }).await;
        host.deploy(process(
            r#"
          <bpmn:startEvent id="s"/>
          <bpmn:eventBasedGateway id="g"/>
          <bpmn:intermediateCatchEvent id="m"><bpmn:messageEventDefinition messageRef="go"/></bpmn:intermediateCatchEvent>
          <bpmn:intermediateCatchEvent id="t"><bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>
          </bpmn:intermediateCatchEvent>
          <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
          <bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="m"/>
          <bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="t"/>"#,
        ))
        .await;
        for _ in 0..30 {
            let id = host.start_instance(json!({})).await.expect("it starts").id;
            let wait = host.runtime.instance(id).await.expect("it lives").instance.jobs().next().expect("a timer").wait;
            let correlation = Correlation { message: "go".into(), instance: Some(id), ..Correlation::default() };
            let job = PublicId { instance: id, number: wait.0 };
            let (message, timer) = tokio::join!(host.runtime.correlate(correlation), host.runtime.execute_job(job));
            assert!(message.is_ok() ^ timer.is_ok(), "{message:?} {timer:?}");
            let filter = HistoryActivityFilter { instance: Some(id.0), ..HistoryActivityFilter::default() };
            let seen = host.runtime.reads().history_activities(filter, Page::ALL, &[]).await.expect("read");
            let by = seen.iter().filter(|it| ["m", "t"].contains(&it.activity_id.as_str())).map(|it| it.activity_id.as_str());
            assert_eq!(by.collect::<Vec<_>>(), [if message.is_ok() { "m" } else { "t" }]);
            assert!(matches!(host.runtime.instance(id).await, Err(Error::NotFound { .. })), "it is over");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_messages_that_come_to_one_event_at_once_gets_through() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:userTask id="u"/>
      <bpmn:boundaryEvent id="m" attachedToRef="u" cancelActivity="false"><bpmn:messageEventDefinition messageRef="go"/></bpmn:boundaryEvent>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>"#,
    ))
    .await;
    let id = host.start_instance(json!({})).await.expect("it starts").id;
    // More than any of them would try: each that gets through overtakes all others.
    let messages = (0..1_200).map(|_| {
        let runtime = host.runtime.clone();
        let correlation = Correlation { message: "go".into(), instance: Some(id), ..Correlation::default() };
        tokio::spawn(async move { runtime.correlate(correlation).await })
    });
    for message in messages.collect::<Vec<_>>() {
        message.await.expect("it ends").expect("it is received");
    }
    let filter = HistoryActivityFilter { instance: Some(id.0), activity_id: Some("m".into()), ..HistoryActivityFilter::default() };
    assert_eq!(host.runtime.reads().history_activities(filter, Page::ALL, &[]).await.expect("read").len(), 1_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_answers_that_come_to_one_instance_at_once_gets_through() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        host.deploy(process(
            r#"
          <bpmn:startEvent id="s"/>
          <bpmn:userTask id="u">
            <bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>250</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>
          </bpmn:userTask>
          <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>"#,
        ))
        .await;
        let id = host.start_instance(json!({})).await.expect("it starts").id;
        let view = host.runtime.instance(id).await.expect("it lives");
        // Each that gets through overtakes all others, more than any of them would try.
        let answers = view.instance.tasks().map(|task| {
            let (runtime, task) = (host.runtime.clone(), PublicId { instance: id, number: task.wait.0 });
            tokio::spawn(async move { runtime.complete_task(task, Variables::new()).await })
        });
        for answer in answers.collect::<Vec<_>>() {
            answer.await.expect("it ends").expect("the task is completed");
        }
        host.ended(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_instance_that_somebody_has_locked_in_the_database_waits_for_the_lock() {
    let database = postgres();
    let host = Host::start_with(Setup { database: Some(database.clone()), ..Setup::default() }).await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:userTask id="u"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>"#,
    ))
    .await;
    let id = host.start_instance(json!({})).await.expect("it starts").id;
    sql(&database, "CREATE TABLE let_go (n INTEGER)");
    let holder = std::thread::spawn({
        let database = database.clone();
        move || {
            let held = format!(
                "DO $$ BEGIN PERFORM 1 FROM instance WHERE id = '{}' FOR UPDATE; \
                 WHILE NOT EXISTS (SELECT 1 FROM let_go) LOOP PERFORM pg_sleep_for('10 ms'); END LOOP; END $$",
                id.0
            );
            sql(&database, &held)
        }
    });
    let count =
        |which: &str| sql(&database, &format!("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND {which}"));
    host.until("the instance is locked", || async { count("query LIKE 'DO %' AND wait_event = 'PgSleep'") == "1" }).await;
    let answer = tokio::spawn({
        let runtime = host.runtime.clone();
        let wait = host.runtime.instance(id).await.expect("it lives").instance.tasks().next().expect("a task").wait;
        async move { runtime.complete_task(PublicId { instance: id, number: wait.0 }, Variables::new()).await }
    });
    // A moment of every half second: the database itself looks often enough.
    let seen = "DO $$ BEGIN FOR n IN 1..30000 LOOP \
                IF EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') THEN RETURN; END IF; \
                PERFORM pg_stat_clear_snapshot(), pg_sleep_for('2 ms'); END LOOP; RAISE EXCEPTION 'nobody waits for a lock'; END $$";
    sql(&database, seen);
    host.until("it is handed back", || async { count("wait_event_type = 'Lock'") == "0" }).await;
    assert!(!answer.is_finished());
    sql(&database, "INSERT INTO let_go VALUES (1)");
    answer.await.expect("it ends").expect("the task is completed");
    holder.join().expect("it ends");
    host.ended(id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_whose_words_no_store_takes_is_an_incident_all_the_same() {
    let host = Host::start().await;
    host.deploy(process(ONE)).await;
    let script = json!({ "a": { "error": "NUL\u{0}BYTE" } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "UNHANDLED_BPMN_ERROR");
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_that_no_store_takes_cost_attempts_and_end_in_an_incident() {
    let host = Host::start().await;
    host.deploy(process(ONE)).await;
    for name in ["nul\u{0}byte".to_owned(), "x".repeat(2_000)] {
        let script = json!({ "a": { "set": { name: 1 } } });
        let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
        assert_eq!(host.incident(started.id).await, "VARIABLE_LIMIT");
        let view = host.runtime.instance(started.id).await.expect("it lives");
        assert_eq!(view.instance.incidents().next().expect("just seen").attempt, 2, "each attempt was counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_between_large_requests_fits_into_its_incident() {
    let host = Host::start().await;
    host.deploy(process(ONE)).await;
    let script = json!({ "a": { "commands": (0..12).map(|n| json!({ "name": "test.ok@1", "key": format!("k{n}"), "body": { "v": "$v" } }))
        .collect::<Vec<_>>() } });
    let large = |c: char| c.to_string().repeat(60_000);
    let first = host.start_instance(json!({ "script": script, "v": large('a') })).await.expect("it starts");
    host.ended(first.id).await;
    let second = host.start_instance(json!({ "script": script, "v": large('b') })).await.expect("it starts");
    assert_eq!(host.incident(second.id).await, "COMMAND_KEY_CONFLICT");
    let view = host.runtime.instance(second.id).await.expect("it lives");
    let message = &view.instance.incidents().next().expect("just seen").message;
    assert!(message.len() < 20_000 && message.contains("aaa") && message.contains("bbb"), "{} bytes", message.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_with_a_long_name_is_refused_in_short() {
    let host = Host::start().await;
    host.deploy(process(
        r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:serviceTask id="a" camunda:class="worker"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="a"/>"#,
    ))
    .await;
    let script = json!({ "a": { "commands": [{ "name": "x".repeat(50_000), "body": {} }] } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    let view = host.runtime.instance(started.id).await.expect("it lives");
    let task = PublicId { instance: started.id, number: view.instance.tasks().next().expect("a task").wait.0 };
    match host.runtime.complete_task(task, Variables::new()).await {
        Err(Error::UnitFailed(failure)) => {
            assert_eq!(failure.code, Code::CommandRefused);
            assert!(failure.message.contains("not granted command xxx") && failure.message.len() < 1_000, "{}", failure.message);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_service_could_take_for_another_ones_generation_is_refused() {
    let host = Host::start().await;
    host.deploy(process(ONE)).await;
    let script = json!({ "a": { "commands": [{ "name": "test.ok@1", "body": {}, "key": "reserve:order-17.g2" }] } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "COMMAND_REFUSED");
    assert!(host.domain.calls().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_under_which_a_request_was_rejected_goes_out_with_its_generation() {
    let host = Host::start().await;
    host.deploy(process(ONE)).await;
    let script = json!({ "a": { "commands": [{ "name": "test.no@1", "body": {}, "key": "reserve:order-17" }] } });
    for sent in [&["reserve:order-17"][..], &["reserve:order-17", "reserve:order-17.g2"]] {
        host.start_instance(json!({ "script": script })).await.expect("it starts");
        host.until("it is sent", || async { host.domain.calls().into_keys().eq(sent.iter().copied()) }).await;
    }
    assert!(host.domain.calls().into_values().all(|times| times == 1), "each was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_too_large_for_the_ledger_does_not_make_what_was_applied_unknown() {
    let host = Host::start().await;
    let (url, requests) = generous_service();
    let catalogue = host.domain.catalogue().replace(host.domain.url(), &url).replace("timeout = ", "max-response = \"8 MiB\"\ntimeout = ");
    std::fs::write(host.dir.path().join("catalogue.toml"), catalogue).expect("written");
    let host = host.restart().await;
    host.deploy(process(ONE)).await;
    let script = json!({ "a": { "commands": [{ "name": "test.dark@1", "body": {} }], "failAttempts": 1 } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.ended(started.id).await;
    assert_eq!(requests.try_iter().count(), 1, "it was sent once, and answered from the ledger the second time");
}

/// Answers everything with two megabytes, and says when it was asked.
fn generous_service() -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let (asked, requests) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
            let (mut line, mut length) = (String::new(), 0);
            while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a number");
                }
                line.clear();
            }
            reader.read_exact(&mut vec![0; length]).expect("a body");
            // Nobody listens any more once the test is over.
            let _ = asked.send(());
            let body = format!("{{\"large\":\"{}\"}}", "x".repeat(2 << 20));
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        }
    });
    (url, requests)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_finds_its_receiver_behind_a_thousand_others() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:receiveTask id="r" messageRef="go"/>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="r"/>
      <bpmn:sequenceFlow id="f2" sourceRef="r" targetRef="e"/>"#,
    ))
    .await;
    let mut last = None;
    for n in 0..1_001 {
        last = Some(host.start_instance(json!({ "n": n })).await.expect("it starts").id);
    }
    let correlation =
        |n: i32| Correlation { message: "go".into(), correlation_keys: as_variables(&json!({ "n": n })), ..Correlation::default() };
    host.runtime.correlate(correlation(1_000)).await.expect("the last one waits for it");
    host.ended(last.expect("many were started")).await;
    assert!(matches!(host.runtime.correlate(correlation(1_000)).await, Err(Error::MismatchingCorrelation(_))), "it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_than_ten_thousand_are_looked_through_for_correlation_keys() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:receiveTask id="r" messageRef="go">
        <bpmn:multiInstanceLoopCharacteristics><bpmn:loopCardinality>${many}</bpmn:loopCardinality></bpmn:multiInstanceLoopCharacteristics>
      </bpmn:receiveTask>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="r"/>"#,
    ))
    .await;
    host.start_instance(json!({ "many": 9_999 })).await.expect("it starts");
    let few = host.start_instance(json!({ "many": 1, "n": 7 })).await.expect("it starts").id;
    let correlation = |n: i32| Correlation {
        message: "go".into(),
        local_correlation_keys: as_variables(&json!({ "loopCounter": n })),
        ..Correlation::default()
    };
    host.runtime.correlate(correlation(9_998)).await.expect("all that wait are looked through");
    host.start_instance(json!({ "many": 2 })).await.expect("it starts");
    let refused = host.runtime.correlate(correlation(9_997)).await;
    assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("more than 10000 executions")), "{refused:?}");
    host.runtime.correlate(Correlation { instance: Some(few), ..correlation(0) }).await.expect("it is named more closely");
    host.ended(few).await;
}
