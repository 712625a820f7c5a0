//! The receive task, and what it has in common with all events that wait for a message.
//!
//! One that names no message waits, as in Camunda 7, for somebody who lets it go on over the API: under a message without a name, which
//! none that is sent has.

use mandate_model::MessageReference;

use super::{At, Behaviour, Next, WaitFor};
use crate::input::Failure;
use crate::wait::Awaited;

impl Behaviour for MessageReference {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let awaited = Awaited::message(at.message_name(self)?, at.correlation_key(self)?);
        Ok(Next::Wait(WaitFor::Event(awaited)))
    }
}

impl Behaviour for Option<MessageReference> {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        match self {
            Some(message) => message.enter(at),
            None => Ok(Next::Wait(WaitFor::Event(Awaited::message(String::new(), None)))),
        }
    }
}

impl At<'_> {
    /// The name of a message that this element waits for.
    pub(crate) fn message_name(&self, message: &MessageReference) -> Result<String, Failure> {
        match self.text(&message.name)? {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(self.failed(&message.name, "gives no message name")),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{MESSAGE, check};

    #[test]
    fn message_ends_the_wait_once() {
        check(
            "<startEvent id='s'/><receiveTask id='r' messageRef='msg'/><userTask id='u'/>{s>r>u}",
            r#"
                start
                leaves
                message !4 {"amount": 3}
                message !4
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + r #3
                  subscription r !4 'paid'
                > leaves
                  r #3: message 'paid'
                > message !4 {"amount": 3}
                  subscription !4 gone
                  amount = 3
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > message !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn message_variables_stay_inside_when_there_are_outputs() {
        check(
            "<startEvent id='s'/><receiveTask id='r' messageRef='msg'><extensionElements><camunda:inputOutput>\
             <camunda:outputParameter name='paid'>= amount</camunda:outputParameter></camunda:inputOutput>\
             </extensionElements></receiveTask><userTask id='u'/>{s>r>u}",
            r#"
                start
                message r {"amount": 3, "secret": 4}
                variables u
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + r #3
                  subscription r !4 'paid'
                > message r {"amount": 3, "secret": 4}
                  subscription !4 gone
                  amount = 3
                  secret = 4
                  paid = 3
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > variables u
                  {amount: 3, paid: 3, secret: 4}
            "#]],
        );
    }

    #[test]
    fn message_sets_variables_of_the_activity_that_waits() {
        check(
            "<startEvent id='s'/><receiveTask id='r' messageRef='msg'><extensionElements><camunda:inputOutput>\
             <camunda:outputParameter name='paid'>= amount</camunda:outputParameter></camunda:inputOutput>\
             </extensionElements></receiveTask><receiveTask id='q' messageRef='msg'/><userTask id='u'/>{s>r>q>u}",
            r#"
                start
                message r {} local {"amount": 3}
                message q {"a": 1} local {"a": 2}
                variables u
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + r #3
                  subscription r !4 'paid'
                > message r {} local {"amount": 3}
                  subscription !4 gone
                  amount = 3 in #3
                  paid = 3
                  - #3
                  + q #5
                  subscription q !6 'paid'
                > message q {"a": 1} local {"a": 2}
                  subscription !6 gone
                  a = 1
                  a = 2 in #5
                  - #5
                  + u #7
                  task u !8 of nobody users [] groups []
                > variables u
                  {a: 1, paid: 3}
            "#]],
        );
    }

    #[test]
    fn without_a_message_it_waits_for_whoever_lets_it_go_on() {
        check(
            "<startEvent id='s'/><receiveTask id='r'/><userTask id='u'/>{s>r>u}",
            r#"
                start
                leaves
                message r {"amount": 3}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + r #3
                  subscription r !4 ''
                > leaves
                  r #3: message ''
                > message r {"amount": 3}
                  subscription !4 gone
                  amount = 3
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn message_brings_variables_for_what_it_begins() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/>{{ps>u}}<subProcess id='v' triggeredByEvent='true'>\
                 <startEvent id='vs' isInterrupting='false'><messageEventDefinition messageRef='msg2'/></startEvent><userTask id='handle'/>{{vs>handle}}\
                 </subProcess></subProcess><receiveTask id='r' messageRef='msg'/>{{s>p}}{{s>r}}\
                 <boundaryEvent id='b' attachedToRef='p'>{MESSAGE}</boundaryEvent><userTask id='after'/>{{b>after}}"
            ),
            r#"
                start
                message vs {"n": 1} begun {"own": 2}
                variables handle
                variables u
                message r {} begun {"own": 3}
                message b {"n": 2} local {"gone": 1} begun {"own": 4}
                variables after
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  subscription b !4 'paid'
                  subscription vs !5 'changed'
                  + ps #6 in #3
                  - #6
                  + u #7 in #3
                  task u !8 of nobody users [] groups []
                  + r #9
                  subscription r !10 'paid'
                > message vs {"n": 1} begun {"own": 2}
                  subscription !5 gone
                  subscription vs !11 'changed'
                  n = 1
                  own = 2 in #12
                  + v #12 in #3
                  + vs #13 in #12
                  - #13
                  + handle #14 in #12
                  task handle !15 of nobody users [] groups []
                > variables handle
                  {n: 1, own: 2}
                > variables u
                  {n: 1}
                > message r {} begun {"own": 3}
                  subscription !10 gone
                  own = 3 in #9
                  - #9
                > message b {"n": 2} local {"gone": 1} begun {"own": 4}
                  gone = 1 in #3
                  subscription !4 gone
                  n = 2
                  task !8 gone
                  - #7 canceled
                  task !15 gone
                  - #14 canceled
                  - #12 canceled
                  subscription !11 gone
                  - #3 canceled
                  own = 4
                  + b #16
                  - #16
                  + after #17
                  task after !18 of nobody users [] groups []
                > variables after
                  {n: 2, own: 4}
            "#]],
        );
    }
}
