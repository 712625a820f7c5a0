//! What a host has locked and does not know of, and what it cannot read while it looks for somebody.

use mandate_engine::Chain;

use super::*;
use crate::advance::Begin;
use crate::{Correlation, DefinitionRef};

/// Two executions of `w` may wait for `come`; `begun` starts by it.
const MEETING: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
  <message id="come" name="come"/>
  <process id="w" isExecutable="true">
    <startEvent id="s"/><intermediateCatchEvent id="c"><messageEventDefinition messageRef="come"/></intermediateCatchEvent>
    <sequenceFlow id="f" sourceRef="s" targetRef="c"/>
  </process>
  <process id="begun" isExecutable="true"><startEvent id="b"><messageEventDefinition messageRef="come"/></startEvent></process>
</definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_to_nobody_else_while_one_who_may_be_meant_cannot_be_read() {
    on_both(async |host| {
        let upload = Upload { resources: vec![("m.bpmn".to_owned(), MEETING.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let variables = Variables::from([("order".to_owned(), mandate_engine::Variable::from_json(&"o-1".into()))]);
        let start = Start::of_key("w", variables.clone());
        let id = host.runtime.start(start).await.expect("it starts").id;
        host.damage(id).await;
        let come = || Correlation { message: "come".to_owned(), correlation_keys: variables.clone(), ..Correlation::default() };
        for all in [false, true] {
            let correlated = host.runtime.correlate(Correlation { all, ..come() }).await;
            assert!(matches!(&correlated, Err(Error::Unreadable { instance, .. }) if *instance == id), "{correlated:?}");
        }
        host.close().await;
    })
    .await;
}

/// `m` waits for `come` as many times as `many` says.
const MANY: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
  <message id="come" name="come"/>
  <process id="m" isExecutable="true">
    <startEvent id="s"/>
    <receiveTask id="r" messageRef="come">
      <multiInstanceLoopCharacteristics><loopCardinality>${many}</loopCardinality></multiInstanceLoopCharacteristics>
    </receiveTask>
    <sequenceFlow id="f" sourceRef="s" targetRef="r"/>
  </process>
</definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn those_who_look_through_many_executions_take_turns() {
    on_both(async |host| {
        let upload = Upload { resources: vec![("m.bpmn".to_owned(), MANY.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let start = async |many: i32| {
            let start = Start::of_key("m", Variables::from([("many".to_owned(), mandate_engine::Variable::from_json(&many.into()))]));
            host.runtime.start(start).await.expect("it starts").id
        };
        let come = |n: i32| Correlation {
            message: "come".to_owned(),
            local_correlation_keys: Variables::from([("loopCounter".to_owned(), mandate_engine::Variable::from_json(&n.into()))]),
            ..Correlation::default()
        };
        let many = start(100).await;
        let few = start(50).await;
        let turn = host.inner().looking_through.lock().await;
        let runtime = host.runtime.clone();
        let waiting = tokio::spawn(async move { runtime.correlate(Correlation { instance: Some(many), ..come(99) }).await });
        for n in 0..50 {
            let correlated = host.runtime.correlate(Correlation { instance: Some(few), ..come(n) }).await;
            correlated.expect("among few it is looked for at once");
        }
        host.ended(few).await;
        assert!(!waiting.is_finished(), "somebody else has the turn");
        drop(turn);
        waiting.await.expect("it ends").expect("it finds its receiver");
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_runs_no_jobs_puts_back_deliveries_and_firings_that_it_does_not_know_of() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    for database in [None, Some(cluster.create_database("host").expect("a database"))] {
        let host = Host::open_with(database, false).await;
        let upload = Upload { resources: vec![("h.bpmn".to_owned(), HOURLY.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let store = &host.inner().store;
        let throw = async || {
            let (id, name) = (Uuid::now_v7(), "alarm".to_owned());
            let (tenants, variables) = (mandate_store::SignalTenants::Any, "{}".to_owned());
            let signal = mandate_store::Signal { id, name, tenants, variables, business_key: None, hops: 1, at: 1 };
            store.throw(&signal).await.expect("thrown");
            id
        };
        // As throws and claims whose COMMIT was never answered. One is being tried.
        let under_way = throw().await;
        let busy = host.inner().delivering.begin(under_way);
        let timer = store.all_start_timers().await.expect("read").remove(0);
        for _ in 0..2 {
            throw().await;
            assert!(matches!(store.claim_start_timer(timer.id, 1).await.expect("claimed"), mandate_store::StartTimerClaim::Locked(_)));
            host.until("they are put back", async || {
                let locked = store.locked_deliveries().await.expect("read");
                store.locked_start_timers().await.expect("read").is_empty() && locked.iter().all(|(name, _)| name.signal == under_way)
            })
            .await;
        }
        assert_eq!(store.locked_deliveries().await.expect("read").len(), 1, "what is being tried is not put back");
        drop(busy);
        host.close().await;
    }
}

/// However long its host is at something else before it runs it.
#[tokio::test(flavor = "multi_thread")]
async fn the_job_that_a_start_is_deferred_to_is_in_its_hosts_memory_all_the_time() {
    on_both(async |host| {
        let inner = host.inner();
        let key = DefinitionRef::Key { key: "p".to_owned(), tenant: None };
        let definition = inner.resolve(&key).await.expect("it is deployed");
        let element = definition.model.find("s").expect("it has a start event");
        let variables = Variables::from([("wait".to_owned(), mandate_engine::Variable::from_json(&"PT0S".into()))]);
        let begin = Begin { definition, tenant: None, business_key: None, start_key: None, newest: false, fired: None };
        let start = Work {
            begin: Some(begin),
            ..Work::new(InstanceId(Uuid::now_v7()), Input::Start { element, variables, chain: Chain::Deferred })
        };
        let Ok(Advanced::Committed(mut state)) = inner.advance_here(start).await else { panic!("it is stored") };
        let id = state.instance.id();
        let job = state.deferred.take().expect("its job is for whoever has started it");
        assert_eq!(inner.store.locked().await.expect("read").len(), 1);
        assert!(!inner.executor.is_idle());
        inner.enqueue(*job);
        host.ended(id).await;
        host.close().await;
    })
    .await;
}
