//! Sending along message flows: a send task, or an intermediate or end event, that does not say who else sends its message (BPMN 2.0, 9.3,
//! 10.3.3 and 10.5.4). Entered by a token, it leaves at once by all flows: it waits for no answer, and whoever gets the message is another
//! instance's business.
//!
//! What goes along is what its input mappings have set, and its `camunda:in`s over that. The message has the sender's business key, by
//! which it finds who waits for it, unless `camunda:in businessKey` gives another one. Where the message has a correlation key
//! (`zeebe:subscription`) and what goes along gives one, it finds by that key who waits with one.

use mandate_model::{MessageReference, MessageSend};

use super::{At, Behaviour, Next};
use crate::effect::Message;
use crate::input::Failure;
use crate::variable::Variables;

impl Behaviour for MessageSend {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let name = at.message_name(&MessageReference { name: self.message.name.clone(), correlation_key: None, carried: None })?;
        let own = at.instance.variables(at.activity);
        let mapped = at.element().inputs.iter().filter_map(|mapping| Some((mapping.target.clone(), own?.get(&mapping.target)?.clone())));
        let mut variables: Variables = mapped.collect();
        variables.extend(at.thrown(&self.message.inputs)?);
        let business_key = match &self.message.business_key {
            None => at.instance.business_key().map(str::to_owned),
            // Without one it would come to who has none either.
            Some(expression) => match at.text(expression)? {
                Some(key) if !key.is_empty() => Some(key),
                _ => return Err(at.failed(expression, "gives no business key")),
            },
        };
        let carried = |key| at.carried_key(key, &variables, "what its sender maps (camunda:in) into");
        let correlation_key = self.correlation_key.as_ref().map(carried).transpose()?.flatten();
        let to_each = self.receivers.iter().map(|to| Message {
            to: to.clone(),
            name: name.clone(),
            business_key: business_key.clone(),
            correlation_key: correlation_key.clone(),
            variables: variables.clone(),
        });
        Ok(Next::Send(to_each.collect()))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use mandate_model::ProcessDefinition;

    use crate::testing::{Run, check_definition, parse_file};

    /// A process of these elements, with a participant that starts by the message 'paid' and waits for it in `r`, and for 'paid-7'.
    fn sender(elements: &str, to: &str) -> ProcessDefinition {
        parse_file(
            elements,
            &format!(
                "<collaboration id='c'><participant id='they' processRef='q'/><messageFlow id='mf' sourceRef='m' targetRef='{to}'/></collaboration>\
                 <process id='q' isExecutable='true'><startEvent id='qs'><messageEventDefinition messageRef='msg'/></startEvent>\
                 <receiveTask id='r' messageRef='msg'/><receiveTask id='k' messageRef='byKey'/>{{qs>r>k}}</process>"
            ),
        )
    }

    #[test]
    fn task_sends_what_its_inputs_set_under_the_business_key_of_its_instance() {
        check_definition(
            &sender(
                "<startEvent id='s'/><sendTask id='m' messageRef='msg'><extensionElements><camunda:inputOutput>\
                 <camunda:inputParameter name='amount'>${total * 2}</camunda:inputParameter></camunda:inputOutput></extensionElements></sendTask>\
                 <userTask id='u'/>{s>m>u}",
                "they",
            ),
            r#"start {"total": 2, "secret": 3}"#,
            expect![[r#"
                > start {"total": 2, "secret": 3}
                  started at s
                  secret = 3
                  total = 2
                  + s #2
                  - #2
                  + m #3
                  amount = 4 in #3
                  message 'paid' to q for 'order-17' {amount: 4}
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn event_gives_variables_and_another_business_key_along() {
        check_definition(
            &sender(
                "<startEvent id='s'/><intermediateThrowEvent id='m'><messageEventDefinition messageRef='byKey'><extensionElements>\
                 <camunda:in source='key' target='number'/><camunda:in sourceExpression='= key + 1' target='next'/>\
                 <camunda:in businessKey='line-${key}'/></extensionElements></messageEventDefinition></intermediateThrowEvent>{s>m}",
                "k",
            ),
            r#"start {"key": 7}"#,
            expect![[r#"
                > start {"key": 7}
                  started at s
                  key = 7
                  + s #2
                  - #2
                  + m #3
                  message 'paid-7' to q/k for 'line-7' {next: 8, number: 7}
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn end_event_sends_with_the_last_token() {
        check_definition(
            &sender(
                "<startEvent id='s'/><userTask id='u'/><endEvent id='m'><messageEventDefinition messageRef='msg'><extensionElements>\
                 <camunda:in variables='all'/></extensionElements></messageEventDefinition></endEvent>{s>u>m}",
                "qs",
            ),
            r#"
                start
                complete u {"n": 1}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u {"n": 1}
                  task !4 gone
                  n = 1
                  - #3
                  + m #5
                  message 'paid' to q/qs for 'order-17' {n: 1}
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn each_of_several_instances_sends_its_own() {
        check_definition(
            &sender(
                "<startEvent id='s'/><sendTask id='m' messageRef='msg'><extensionElements><camunda:inputOutput>\
                 <camunda:inputParameter name='line'>= line</camunda:inputParameter></camunda:inputOutput><camunda:in businessKey='${line}'/>\
                 </extensionElements><multiInstanceLoopCharacteristics camunda:collection='lines' camunda:elementVariable='line'/></sendTask>{s>m}",
                "they",
            ),
            r#"start {"lines": ["a", "b"]}"#,
            expect![[r#"
                > start {"lines": ["a", "b"]}
                  started at s
                  lines = ["a","b"]
                  + s #2
                  - #2
                  + m body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  line = "a" in #4
                  loopCounter = 0 in #4
                  line = "b" in #5
                  loopCounter = 1 in #5
                  + m #4 in #3
                  line = "a" in #4
                  message 'paid' to q for 'a' {line: "a"}
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                  + m #5 in #3
                  line = "b" in #5
                  message 'paid' to q for 'b' {line: "b"}
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn without_the_business_key_that_is_asked_for_nothing_is_sent() {
        check_definition(
            &sender(
                "<startEvent id='s'/><sendTask id='m' messageRef='msg' camunda:asyncBefore='true'><extensionElements>\
                 <camunda:in businessKey='${key}'/></extensionElements></sendTask>{s>m}",
                "they",
            ),
            r#"
                start {"key": null}
                run m
            "#,
            expect![[r#"
                > start {"key": null}
                  started at s
                  key = null
                  + s #2
                  - #2
                  job AsyncBefore m !4 due 0, 3 left, 0 failed
                > run m
                  failed: EXPRESSION_FAILED: the expression '${key}' of 'm': gives no business key
            "#]],
        );
    }

    #[test]
    fn unit_that_is_lost_has_sent_nothing_and_the_next_one_sends_the_same() {
        let definition = sender(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><sendTask id='m' messageRef='msg'/>\
                                 <serviceTask id='b' camunda:class='B'/>{s>a>m>b}",
            "they",
        );
        let mut run = Run::new(&definition);
        for line in ["start", "return", "crash", "start", "return", "return"] {
            run.line(line);
        }
        assert_eq!(run.trace.matches("message 'paid' to q").count(), 2, "{}", run.trace);
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              call a !4 attempt 1, 0 left {}
            > return
              - #3
              + m #5
              message 'paid' to q for 'order-17' {}
              - #5
              + b #6
              call b !7 attempt 1, 0 left {}
            > crash
            > start
              started at s
              + s #2
              - #2
              + a #3
              call a !4 attempt 1, 0 left {}
            > return
              - #3
              + m #5
              message 'paid' to q for 'order-17' {}
              - #5
              + b #6
              call b !7 attempt 1, 0 left {}
            > return
              - #6
              ended: Completed
              end
        "#]]
        .assert_eq(&run.trace);
    }
}
