//! The receive task, and what it has in common with all events that wait for a message.
//!
//! One that names no message waits, as in Camunda 7, for somebody who lets it go on over the API: under a message without a name, which none that is
//! sent has.

use mandate_model::MessageReference;

use super::{At, Behaviour, Next, WaitFor};
use crate::input::Failure;

impl Behaviour for MessageReference {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(Next::Wait(WaitFor::Message { name: at.message_name(self)? }))
    }
}

impl Behaviour for Option<MessageReference> {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        match self {
            Some(message) => message.enter(at),
            None => Ok(Next::Wait(WaitFor::Message { name: String::new() })),
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

    use crate::testing::check;

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
                  amount = 3 in #3
                  secret = 4 in #3
                  paid = 3
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > variables u
                  {paid: 3}
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
                  amount = 3 in #3
                  subscription !4 gone
                  paid = 3
                  - #3
                  + q #5
                  subscription q !6 'paid'
                > message q {"a": 1} local {"a": 2}
                  a = 2 in #5
                  subscription !6 gone
                  a = 1
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
}
