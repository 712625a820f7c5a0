//! Messages along message flows: each comes to one instance once, whatever happens between sending and delivery.

use crate::common;
use std::time::Duration;

use crate::common::{Host, Setup, postgres};
use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use mandate_runtime::query::{InstanceFilter, Page, TaskFilter};
use mandate_runtime::{ClockSource, Runtime, Start};

/// `shop` sends an `order` to `stock`, which it starts, and waits for `ready`; then it sends `thanks` and ends. `stock` sends `ready`, and
/// waits for `thanks` when its task `pack` is done.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="test">
  <bpmn:message id="order" name="order"/><bpmn:message id="ready" name="ready"/><bpmn:message id="thanks" name="thanks"/>
  <bpmn:collaboration id="c">
    <bpmn:participant id="we" processRef="shop"/><bpmn:participant id="they" processRef="stock"/>
    <bpmn:messageFlow id="m1" sourceRef="ask" targetRef="they"/><bpmn:messageFlow id="m2" sourceRef="tell" targetRef="hear"/>
    <bpmn:messageFlow id="m3" sourceRef="e1" targetRef="they"/>
  </bpmn:collaboration>
  <bpmn:process id="shop" isExecutable="true">
    <bpmn:startEvent id="s1"/>
    <bpmn:sendTask id="ask" messageRef="order"><bpmn:extensionElements><camunda:inputOutput>
      <camunda:inputParameter name="number">${number}</camunda:inputParameter></camunda:inputOutput></bpmn:extensionElements></bpmn:sendTask>
    <bpmn:receiveTask id="hear" messageRef="ready"/>
    <bpmn:endEvent id="e1"><bpmn:messageEventDefinition messageRef="thanks"/></bpmn:endEvent>
    <bpmn:sequenceFlow id="f11" sourceRef="s1" targetRef="ask"/><bpmn:sequenceFlow id="f12" sourceRef="ask" targetRef="hear"/>
    <bpmn:sequenceFlow id="f13" sourceRef="hear" targetRef="e1"/>
  </bpmn:process>
  <bpmn:process id="stock" isExecutable="true">
    <bpmn:startEvent id="s2"><bpmn:messageEventDefinition messageRef="order"/></bpmn:startEvent>
    <bpmn:intermediateThrowEvent id="tell"><bpmn:messageEventDefinition messageRef="ready"/></bpmn:intermediateThrowEvent>
    <bpmn:userTask id="pack"/>
    <bpmn:receiveTask id="wait" messageRef="thanks"/>
    <bpmn:sequenceFlow id="f21" sourceRef="s2" targetRef="tell"/><bpmn:sequenceFlow id="f22" sourceRef="tell" targetRef="pack"/>
    <bpmn:sequenceFlow id="f23" sourceRef="pack" targetRef="wait"/>
  </bpmn:process>
</bpmn:definitions>"#;

async fn with_model(setup: Setup) -> Host {
    let host = Host::start_with(setup).await;
    deploy(&host.runtime).await;
    host
}

async fn deploy(runtime: &Runtime) {
    let upload = Upload { resources: vec![("shop.bpmn".to_owned(), MODEL.as_bytes().to_vec())], ..Upload::default() };
    runtime.deploy(upload).await.expect("deployed");
}

async fn start(runtime: &Runtime, business_key: &str) -> InstanceId {
    let start = Start {
        business_key: Some(business_key.to_owned()),
        ..Start::of_key("shop", common::as_variables(&serde_json::json!({ "number": business_key, "secret": 1 })))
    };
    runtime.start(start).await.expect("it starts").id
}

async fn on_the_way(runtime: &Runtime, message: &str) -> usize {
    let all = runtime.messages_on_the_way(Page::ALL).await.expect("read");
    all.iter().filter(|it| it.name == message).count()
}

async fn live(runtime: &Runtime, key: &str) -> i64 {
    let filter = InstanceFilter { definition_key: Some(key.into()), ..InstanceFilter::default() };
    runtime.reads().count_instances(filter).await.expect("read")
}

/// Does all that is to be packed.
async fn pack(runtime: &Runtime) {
    for task in runtime.reads().tasks(TaskFilter::default(), Page::ALL, &[]).await.expect("read") {
        let task = PublicId { instance: InstanceId(task.instance), number: u64::try_from(task.row.wait).expect("a number") };
        runtime.complete_task(task, Variables::new()).await.expect("completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_outlives_its_host_and_waits_for_its_receiver() {
    for database in [None, Some(postgres())] {
        // This host sends and never delivers.
        let host = with_model(Setup { database: database.clone(), execute_jobs: false, ..Setup::default() }).await;
        for key in ["a", "b", "c"] {
            start(&host.runtime, key).await;
        }
        assert_eq!((on_the_way(&host.runtime, "order").await, live(&host.runtime, "stock").await), (3, 0));
        // What was deployed later starts nothing: a message goes to who was deployed with its sender.
        deploy(&host.runtime).await;
        let host = host.restart_with(Setup { database, ..Setup::default() }).await;
        host.until("the answers have come and the thanks are on their way", || async { on_the_way(&host.runtime, "thanks").await == 3 })
            .await;
        assert_eq!((live(&host.runtime, "shop").await, live(&host.runtime, "stock").await), (0, 3));
        for stock in host.runtime.reads().instances(InstanceFilter::default(), Page::ALL, &[]).await.expect("read") {
            let view = host.runtime.instance(InstanceId(stock.id)).await.expect("it lives");
            let variables = view.instance.variables(view.instance.root()).expect("the process's");
            let number = variables["number"].to_json();
            assert_eq!((variables.len(), number.as_str(), view.definition.row.version), (1, stock.business_key.as_deref(), 1));
        }
        let waiting = host.runtime.messages_on_the_way(Page::ALL).await.expect("read");
        host.until("it is known why they wait", || async {
            let all = host.runtime.messages_on_the_way(Page::ALL).await.expect("read");
            all.iter().all(|it| it.reason.as_deref() == Some("nobody waits for it"))
        })
        .await;
        assert_eq!((waiting[0].process.as_str(), waiting[0].element.as_deref(), waiting.len()), ("stock", None, 3));
        pack(&host.runtime).await;
        host.until("everybody is thanked", || async { live(&host.runtime, "stock").await == 0 }).await;
        assert_eq!(on_the_way(&host.runtime, "thanks").await, 0);
        assert!(host.runtime.check_store().await.expect("checked").findings.is_empty());
        host.runtime.shut_down(Duration::from_secs(5)).await;
    }
}

/// The database wakes no message, and counts how often it was to.
const ASLEEP: &str = "CREATE SEQUENCE refusals; \
    CREATE FUNCTION asleep() RETURNS trigger AS $$ BEGIN PERFORM nextval('refusals'); RAISE EXCEPTION 'not now'; END $$ LANGUAGE plpgsql; \
    CREATE TRIGGER asleep BEFORE UPDATE ON message FOR EACH ROW WHEN (NEW.woken > OLD.woken) EXECUTE FUNCTION asleep()";

/// Under a clock that stands still nobody is looked for again because time has passed.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_to_wait_while_the_database_does_not_hear_it_gets_what_is_on_its_way_all_the_same() {
    let database = postgres();
    let host = with_model(Setup { database: Some(database.clone()), clock: ClockSource::Manual, ..Setup::default() }).await;
    start(&host.runtime, "a").await;
    host.until("the thanks wait for somebody", || async {
        let all = host.runtime.messages_on_the_way(Page::ALL).await.expect("read");
        all.iter().any(|it| it.name == "thanks" && it.reason.is_some())
    })
    .await;
    common::sql(&database, ASLEEP);
    pack(&host.runtime).await;
    let refused = common::sql(&database, "SELECT is_called FROM refusals");
    assert_eq!((refused.trim(), live(&host.runtime, "stock").await), ("t", 1));
    common::sql(&database, "DROP TRIGGER asleep ON message");
    host.until("everybody is thanked", || async { live(&host.runtime, "stock").await == 0 }).await;
    assert_eq!(on_the_way(&host.runtime, "thanks").await, 0);
    host.runtime.shut_down(Duration::from_secs(5)).await;
}

/// The model with something in place of the message `ready`, and with the order's number along with it.
fn keyed(message: &str) -> String {
    MODEL.replace(r#"<bpmn:message id="ready" name="ready"/>"#, message).replace(
        r#"<bpmn:messageEventDefinition messageRef="ready"/>"#,
        r#"<bpmn:messageEventDefinition messageRef="ready"><bpmn:extensionElements><camunda:in source="number" target="number"/>
           </bpmn:extensionElements></bpmn:messageEventDefinition>"#,
    )
}

/// The messages of several orders of one customer, whose business key they share, are told apart by what goes along.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_with_one_business_key_each_gets_what_has_its_correlation_key() {
    let subscription = keyed(
        r#"<bpmn:message id="ready" name="ready"><bpmn:extensionElements><zeebe:subscription correlationKey="= number"/>
           </bpmn:extensionElements></bpmn:message>"#,
    );
    each_order_is_answered(&subscription.replace("xmlns:camunda=", r#"xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" xmlns:camunda="#))
        .await;
}

/// The same by the standard's key.
#[tokio::test(flavor = "multi_thread")]
async fn of_several_with_one_business_key_each_gets_what_has_its_properties() {
    let property = keyed(
        r#"<bpmn:message id="ready" name="ready"/><bpmn:correlationProperty id="nr"><bpmn:correlationPropertyRetrievalExpression messageRef="ready">
           <bpmn:messagePath>= number</bpmn:messagePath></bpmn:correlationPropertyRetrievalExpression></bpmn:correlationProperty>"#,
    );
    let subscribed = property
        .replace(
            "</bpmn:collaboration>",
            r#"<bpmn:correlationKey id="key"><bpmn:correlationPropertyRef>nr</bpmn:correlationPropertyRef></bpmn:correlationKey></bpmn:collaboration>"#,
        )
        .replace(
            r#"<bpmn:startEvent id="s1"/>"#,
            r#"<bpmn:correlationSubscription correlationKeyRef="key"><bpmn:correlationPropertyBinding correlationPropertyRef="nr">
               <bpmn:dataPath>${number}</bpmn:dataPath></bpmn:correlationPropertyBinding></bpmn:correlationSubscription><bpmn:startEvent id="s1"/>"#,
        );
    each_order_is_answered(&subscribed).await;
}

async fn each_order_is_answered(model: &str) {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        let upload = Upload { resources: vec![("shop.bpmn".to_owned(), model.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let start = async |number: u32| {
            let start = Start {
                business_key: Some("ann".to_owned()),
                ..Start::of_key("shop", common::as_variables(&serde_json::json!({ "number": number })))
            };
            host.runtime.start(start).await.expect("it starts").id
        };
        for number in 0..8 {
            start(number).await;
        }
        host.until("all are answered", || async { live(&host.runtime, "shop").await == 0 }).await;
        assert_eq!((live(&host.runtime, "stock").await, on_the_way(&host.runtime, "ready").await), (8, 0));
        assert!(host.runtime.check_store().await.expect("checked").findings.is_empty());
        host.runtime.shut_down(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_mix_nothing_up() {
    const ORDERS: usize = 20;
    let host = with_model(Setup { database: Some(postgres()), ..Setup::default() }).await;
    let other = host.beside(Setup::default()).await;
    let starts = (0..ORDERS).map(|n| {
        let runtime = if n % 2 == 0 { &host.runtime } else { &other };
        async move { start(runtime, &format!("order-{n}")).await }
    });
    futures_util::future::join_all(starts).await;
    host.until("all are answered", || async { live(&host.runtime, "shop").await == 0 }).await;
    assert_eq!(live(&host.runtime, "stock").await, i64::try_from(ORDERS).expect("few"));
    pack(&host.runtime).await;
    host.until("everybody is thanked", || async { live(&host.runtime, "stock").await == 0 }).await;
    for runtime in [&host.runtime, &other] {
        runtime.shut_down(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_guessed_and_a_suspended_receiver_is_awaited() {
    let host = with_model(Setup::default()).await;
    // Two orders of one business key: whose `ready` is it?
    let [first, second] = [start(&host.runtime, "twice").await, start(&host.runtime, "twice").await];
    let all = async || host.runtime.messages_on_the_way(Page::ALL).await.expect("read");
    let why = async || all().await.into_iter().map(|it| it.reason.unwrap_or_default()).collect::<Vec<_>>();
    host.until("both are held", || async { why().await == ["several instances with its key wait for it"; 2] }).await;
    let held = all().await;
    host.runtime.remove_message(held[1].id).await.expect("removed");
    assert!(host.runtime.remove_message(held[1].id).await.is_err());
    host.runtime.suspend_instance(second, true).await.expect("suspended");
    host.runtime.delete_instance(first, None, false).await.expect("deleted");
    // A third one comes and goes: who begins to wait has everybody looked for.
    let third = start(&host.runtime, "twice").await;
    host.runtime.delete_instance(third, None, false).await.expect("deleted");
    assert_eq!(live(&host.runtime, "shop").await, 1);
    host.runtime.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_gets_it_when_he_goes_on_and_who_is_gone_leaves_it_to_others() {
    for database in [None, Some(postgres())] {
        let setup = Setup { database, execute_jobs: false, clock: ClockSource::Manual };
        let host = with_model(setup.clone()).await;
        let waiting = start(&host.runtime, "a").await;
        host.runtime.suspend_instance(waiting, true).await.expect("suspended");
        let host = host.restart_with(Setup { execute_jobs: true, ..setup }).await;
        let why = "the instance that waits for it is suspended";
        host.until("the answer is held", || async {
            host.runtime.messages_on_the_way(Page::ALL).await.expect("read").iter().any(|it| it.reason.as_deref() == Some(why))
        })
        .await;
        assert_eq!(live(&host.runtime, "shop").await, 1);
        host.runtime.suspend_instance(waiting, false).await.expect("active");
        host.until("it has gone on", || async { live(&host.runtime, "shop").await == 0 }).await;

        // An answer whose asker is gone waits for another one with that business key.
        let gone = start(&host.runtime, "b").await;
        host.runtime.suspend_instance(gone, true).await.expect("suspended");
        host.runtime.delete_instance(gone, None, false).await.expect("deleted");
        host.runtime.set_clock(host.runtime.now() + 1_000).await.expect("quiet");
        assert!(host.runtime.check_store().await.expect("checked").findings.is_empty());
        host.runtime.shut_down(Duration::from_secs(5)).await;
    }
}
