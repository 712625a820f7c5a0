//! What a host has locked and does not know of, and what it cannot read while it looks for somebody.

use super::*;
use crate::Correlation;

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
        let start = Start {
            definition: DefinitionRef::Key { key: "w".to_owned(), tenant: None },
            business_key: None,
            variables: variables.clone(),
            idempotency_key: None,
            traceparent: None,
        };
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
