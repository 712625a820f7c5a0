//! A message to all that is on its way while others say which conversations there are.

use mandate_runtime::engine::{InstanceId, Variables};
use mandate_runtime::{Correlated, Correlation};
use serde_json::json;

use crate::common::{Host, Setup, as_variables, commands, postgres};

/// `p` waits for `paid`, and hears `hello` meanwhile; both have the key of the standard. What follows sends a command, where the script has
/// one.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="t">
  <bpmn:message id="m1" name="paid"/><bpmn:message id="m2" name="hello"/>
  <bpmn:correlationProperty id="order">
    <bpmn:correlationPropertyRetrievalExpression messageRef="m1"><bpmn:messagePath>= id</bpmn:messagePath></bpmn:correlationPropertyRetrievalExpression>
    <bpmn:correlationPropertyRetrievalExpression messageRef="m2"><bpmn:messagePath>= id</bpmn:messagePath></bpmn:correlationPropertyRetrievalExpression>
  </bpmn:correlationProperty>
  <bpmn:collaboration id="c"><bpmn:correlationKey id="k"><bpmn:correlationPropertyRef>order</bpmn:correlationPropertyRef></bpmn:correlationKey></bpmn:collaboration>
  <bpmn:process id="p" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:receiveTask id="wait" messageRef="m1"/><bpmn:serviceTask id="w1"><bpmn:extensionElements>
      <zeebe:taskDefinition type="worker"/></bpmn:extensionElements></bpmn:serviceTask>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="wait"/><bpmn:sequenceFlow id="f2" sourceRef="wait" targetRef="w1"/>
    <bpmn:subProcess id="beside" triggeredByEvent="true"><bpmn:startEvent id="heard" isInterrupting="false"><bpmn:messageEventDefinition messageRef="m2"/>
    </bpmn:startEvent></bpmn:subProcess>
  </bpmn:process>
</bpmn:definitions>"#;

fn of(order: i64) -> Variables {
    as_variables(&json!({ "id": order }))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_to_all_comes_to_who_gets_its_key_at_that_moment() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        host.deploy(MODEL.into()).await;
        let held = commands(&[("w1", "test.held@1")]);
        let mut instances = Vec::new();
        for script in [&held, &json!({}), &json!({})] {
            instances.push(host.start_instance(json!({ "script": script })).await.expect("it starts").id);
        }
        let [_, same, other] = instances[..] else { panic!("three of them") };
        let paid = Correlation { message: "paid".into(), variables: of(7), all: true, ..Correlation::default() };
        let hello = async |instance: InstanceId, order| {
            let hello = Correlation { message: "hello".into(), instance: Some(instance), variables: of(order), ..Correlation::default() };
            host.runtime.correlate(hello).await.expect("it hears");
        };
        let meanwhile = async {
            host.until("the first one is at it", || async { host.domain.held() == 1 }).await;
            hello(same, 7).await;
            hello(other, 8).await;
            for (id, key) in [(same, "7"), (other, "8")] {
                let instance = host.runtime.instance(id).await.expect("it lives").instance;
                assert_eq!(instance.conversation("k"), Some(key));
            }
            host.domain.let_go(1);
        };
        let (correlated, ()) = tokio::join!(host.runtime.correlate(paid), meanwhile);
        let got = correlated.expect("correlated").into_iter().map(|it| match it {
            Correlated::Execution { instance, .. } => instance,
            Correlated::Started(started) => panic!("{started:?}"),
        });
        assert_eq!(got.collect::<Vec<_>>(), instances[..2]);
        host.ended(same).await;
        assert!(host.runtime.instance(other).await.is_ok(), "of another order");
    }
}
