//! Correlation keys: what tells a wait for a message from the others of its name (Camunda 8, "Messages"; `zeebe:subscription` of the
//! message; or the `correlationSubscription` of a process, BPMN 2.0, 8.4.2).
//!
//! The key of a wait is evaluated when the wait begins, and stays as it is then, whatever becomes of the variables. A message that is sent
//! along a message flow has the key that the same expression, or the paths to its properties, give over what goes along with it. Of a key
//! of several properties it is their values as a list, in JSON.

use mandate_feel::{Expression, Scope, Value};
use mandate_model::{CarriedKey, CorrelationKey, MessageReference};

use crate::conversation::by_conversation;
use crate::elements::At;
use crate::input::Failure;
use crate::moment::Moment;
use crate::variable::Variables;

impl At<'_> {
    /// The key of a wait for a message that begins here: of texts or numbers, else it fails. Of a conversation it is what its first message
    /// had.
    pub(crate) fn correlation_key(&self, message: &MessageReference) -> Result<Option<String>, Failure> {
        let Some(CorrelationKey(parts)) = &message.correlation_key else {
            let of = by_conversation(message).and_then(|carried| carried.of.as_deref());
            return Ok(of.and_then(|of| self.instance.conversation(of)).map(str::to_owned));
        };
        let part = |expression: &Expression| {
            let value = self.evaluate(expression)?;
            match key(&value) {
                // Nobody would be told apart by it.
                Some(key) if key.is_empty() => Err(self.failed(expression, "gives an empty correlation key")),
                Some(key) => Ok(key),
                None => Err(self.mismatch(expression, "a string or a number", &value)),
            }
        };
        Ok(Some(joined(parts.iter().map(part).collect::<Result<_, _>>()?)))
    }

    /// The key that the variables of a message give. If they lack what it is made of, the message has none; with the standard's key it
    /// fails: a message that has lost it would go to whoever waits without one (BPMN 2.0, 8.4.2). `whence` says where the variables are
    /// from.
    pub(crate) fn carried_key(&self, carried: &CarriedKey, variables: &Variables, whence: &str) -> Result<Option<String>, Failure> {
        let mut parts = Vec::with_capacity(carried.paths.0.len());
        for path in &carried.paths.0 {
            match (part_of(path, variables, &self.moment).map_err(|error| self.failed(path, &error.to_string()))?, &carried.of) {
                (Some(part), _) => parts.push(part),
                (None, None) => return Ok(None),
                (None, Some(of)) => {
                    let reason = format!("gives no text or number of {whence} the message, which needs it for the correlation key '{of}'");
                    return Err(self.failed(path, &reason));
                }
            }
        }
        Ok(Some(joined(parts)))
    }
}

/// The standard's key that a message with these variables has; none if they lack a property of it.
pub fn key_of_message(carried: &CarriedKey, variables: &Variables) -> Option<String> {
    let part = |path: &Expression| part_of(path, variables, &Moment::from(0)).ok().flatten();
    carried.paths.0.iter().map(part).collect::<Option<_>>().map(joined)
}

fn part_of(path: &Expression, variables: &Variables, moment: &Moment<'_>) -> Result<Option<String>, mandate_feel::Error> {
    match moment.evaluate(path, &Carried(variables)) {
        Ok(evaluated) => Ok(key(&evaluated.value).filter(|key| !key.is_empty())),
        Err(mandate_feel::Error::UnknownName(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The key of these parts: the only one, or all of them as a list.
fn joined(parts: Vec<String>) -> String {
    match <[String; 1]>::try_from(parts) {
        Ok([only]) => only,
        Err(parts) => serde_json::Value::from(parts).to_string(),
    }
}

/// A value as a part of a key: a text, or a number as FEEL writes it.
fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.to_string()),
        // 7.0 is 7, of whatever type it came.
        Value::Number(number) => Some(Value::Number(number.with_type(None)).to_json().to_string()),
        _ => None,
    }
}

/// Names as a message sees them: nothing but what goes along with it.
struct Carried<'a>(&'a Variables);

impl Scope for Carried<'_> {
    fn resolve(&self, name: &str) -> Option<Value> {
        // A variable's text is valid JSON by construction.
        self.0.get(name).and_then(|variable| Value::from_json_text(&variable.json).ok())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, TIMER, check, check_definition, parse, parse_file, watching};

    const KEYED: &str = "<messageEventDefinition messageRef='keyed'/>";

    #[test]
    fn wait_keeps_the_key_that_it_began_with() {
        check(
            "<startEvent id='s'/><receiveTask id='r' messageRef='keyed'/><userTask id='u'/>{s>r>u}",
            r#"
                start {"order": 7}
                leaves
                set {"order": 8}
                leaves
                message r
            "#,
            expect![[r#"
                > start {"order": 7}
                  started at s
                  order = 7
                  + s #2
                  - #2
                  + r #3
                  subscription r !4 'paid' under '7'
                > leaves
                  r #3: message 'paid' under '7'
                > set {"order": 8}
                  order = 8
                > leaves
                  r #3: message 'paid' under '7'
                > message r
                  subscription !4 gone
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn number_is_the_same_key_whatever_its_type() {
        check(
            "<startEvent id='s'/><receiveTask id='r' messageRef='keyed'/>{s>r}",
            r#"
                start {"order": 7.0}
            "#,
            expect![[r#"
                > start {"order": 7.0}
                  started at s
                  order = 7.0
                  + s #2
                  - #2
                  + r #3
                  subscription r !4 'paid' under '7'
            "#]],
        );
    }

    #[test]
    fn event_behind_a_gateway_has_a_key() {
        check(
            &format!(
                "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='m'>{KEYED}</intermediateCatchEvent>\
                 <intermediateCatchEvent id='t'>{TIMER}</intermediateCatchEvent>{{s>g}}{{g>m}}{{g>t}}"
            ),
            r#"
                start {"order": "a-1"}
                message m
            "#,
            expect![[r#"
                > start {"order": "a-1"}
                  started at s
                  order = "a-1"
                  + s #2
                  - #2
                  + g #3
                  subscription m !4 'paid' under 'a-1'
                  job Timer t !5 due 60000, 3 left, 0 failed
                > message m
                  subscription !4 gone
                  job !5 gone
                  - #3 canceled
                  + m #6
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn boundary_event_takes_its_key_from_around_the_activity_and_waits_again_under_it() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='a'><extensionElements><camunda:inputOutput><camunda:inputParameter name='order'>inner\
                 </camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>\
                 <boundaryEvent id='b' attachedToRef='a' cancelActivity='false'>{KEYED}</boundaryEvent><task id='t'/>{{s>a}}{{b>t}}"
            ),
            r#"
                start {"order": "outer"}
                set {"order": "other"}
                message b
            "#,
            expect![[r#"
                > start {"order": "outer"}
                  started at s
                  order = "outer"
                  + s #2
                  - #2
                  + a #3
                  order = "inner" in #3
                  subscription b !4 'paid' under 'outer'
                  task a !5 of nobody users [] groups []
                > set {"order": "other"}
                  order = "other"
                > message b
                  subscription !4 gone
                  subscription b !6 'paid' under 'outer'
                  + b #7
                  - #7
                  + t #8
                  - #8
            "#]],
        );
    }

    #[test]
    fn event_sub_process_takes_its_key_from_the_scope_that_it_watches() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><extensionElements><camunda:inputOutput><camunda:inputParameter name='order'>= 1.50\
                 </camunda:inputParameter></camunda:inputOutput></extensionElements><startEvent id='ps'/><userTask id='u'/>{{ps>u}}{}</subProcess>\
                 {{s>p}}",
                watching("", KEYED)
            ),
            r#"
                start {"order": "outer"}
                message vs
            "#,
            expect![[r#"
                > start {"order": "outer"}
                  started at s
                  order = "outer"
                  + s #2
                  - #2
                  + p #3
                  order = 1.5 in #3
                  subscription vs !4 'paid' under '1.5'
                  + ps #5 in #3
                  - #5
                  + u #6 in #3
                  task u !7 of nobody users [] groups []
                > message vs
                  subscription !4 gone
                  task !7 gone
                  - #6 canceled
                  + v #8 in #3
                  + vs #9 in #8
                  - #9
                  + handle #10 in #8
                  task handle !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn wait_without_a_text_or_number_fails() {
        for (variables, reason) in [
            ("{}", "gives null (there is no variable 'order'), not a string or a number"),
            (r#"{"order": [1]}"#, "gives list, not a string or a number"),
            (r#"{"order": ""}"#, "gives an empty correlation key"),
        ] {
            let definition = parse("<startEvent id='s'/><receiveTask id='r' messageRef='keyed' camunda:asyncBefore='true'/>{s>r}");
            let mut run = Run::new(&definition);
            run.line(&format!("start {variables}"));
            run.line("run r");
            let failed = format!("failed: EXPRESSION_FAILED: the expression '= order' of 'r': {reason}\n");
            assert!(run.trace.ends_with(&failed), "{}", run.trace);
        }
    }

    #[test]
    fn message_along_a_flow_has_the_key_of_what_goes_along() {
        let sends = |id: &str, inputs: &str| {
            format!("<sendTask id='{id}' messageRef='keyed'><extensionElements>{inputs}</extensionElements></sendTask>")
        };
        let flow = |id: &str| format!("<messageFlow id='{id}_flow' sourceRef='{id}' targetRef='r'/>");
        let definition = parse_file(
            &format!(
                "<startEvent id='s'/>{}{}{}{{s>with>without>other}}",
                sends("with", "<camunda:in source='order' target='order'/>"),
                sends("without", ""),
                sends("other", "<camunda:in sourceExpression='= [order]' target='order'/>"),
            ),
            &format!(
                "<process id='q' isExecutable='true'><startEvent id='qs'/><receiveTask id='r' messageRef='keyed'/>{{qs>r}}</process>\
                 <collaboration id='c'>{}{}{}</collaboration>",
                flow("with"),
                flow("without"),
                flow("other")
            ),
        );
        check_definition(
            &definition,
            r#"start {"order": 7}"#,
            expect![[r#"
            > start {"order": 7}
              started at s
              order = 7
              + s #2
              - #2
              + with #3
              message 'paid' to q/r for 'order-17' under '7' {order: 7}
              - #3
              + without #4
              message 'paid' to q/r for 'order-17' {}
              - #4
              + other #5
              message 'paid' to q/r for 'order-17' {order: [7]}
              - #5
              ended: Completed
              end
        "#]],
        );
    }

    /// Both sides have what the standard says of the key: the values of two properties.
    #[test]
    fn message_and_wait_have_the_properties_of_the_standards_key() {
        let path = |property: &str, path: &str| {
            format!(
                "<correlationProperty id='{property}'><correlationPropertyRetrievalExpression messageRef='msg'><messagePath>= {path}</messagePath>\
                 </correlationPropertyRetrievalExpression></correlationProperty>"
            )
        };
        let binding = |property: &str, path: &str| {
            format!(
                "<correlationPropertyBinding correlationPropertyRef='{property}'><dataPath>= {path}</dataPath></correlationPropertyBinding>"
            )
        };
        let waiting = format!(
            "<correlationSubscription correlationKeyRef='k'>{}{}</correlationSubscription><startEvent id='qs'/><receiveTask id='r' messageRef='msg'/>{{qs>r}}",
            binding("line", "my.line"),
            binding("order", "my.order")
        );
        let beside = |process: &str| {
            format!(
                "{}{}<collaboration id='c'><messageFlow id='mf' sourceRef='m' targetRef='r'/><conversation id='t'><correlationKey id='k'>\
                 <correlationPropertyRef>order</correlationPropertyRef><correlationPropertyRef>line</correlationPropertyRef></correlationKey></conversation>\
                 </collaboration>{process}",
                path("order", "id"),
                path("line", "string(nr)")
            )
        };
        let send = "<startEvent id='s'/><sendTask id='m' messageRef='msg'><extensionElements><camunda:in source='id' target='id'/>\
                    <camunda:in source='nr' target='nr'/></extensionElements></sendTask>{s>m}";
        check_definition(
            &parse_file(send, &beside(&format!("<process id='q' isExecutable='true'>{waiting}</process>"))),
            r#"start {"id": "A", "nr": 7}"#,
            expect![[r#"
                > start {"id": "A", "nr": 7}
                  started at s
                  id = "A"
                  nr = 7
                  + s #2
                  - #2
                  + m #3
                  message 'paid' to q/r for 'order-17' under '["A","7"]' {id: "A", nr: 7}
                  - #3
                  ended: Completed
                  end
            "#]],
        );
        let sender = "<process id='q' isExecutable='true'><startEvent id='s'/><sendTask id='m' messageRef='msg'/>{s>m}</process>";
        check_definition(
            &parse_file(&waiting, &beside(sender)),
            r#"start {"my": {"order": "A", "line": "7"}}"#,
            expect![[r#"
            > start {"my": {"order": "A", "line": "7"}}
              started at qs
              my = {"line":"7","order":"A"}
              + qs #2
              - #2
              + r #3
              subscription r !4 'paid' under '["A","7"]'
        "#]],
        );
    }
}
