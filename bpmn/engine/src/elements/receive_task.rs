//! The receive task, and what it has in common with the message catch event: a wait for a message.

use mandate_model::MessageReference;

use super::{At, Behaviour, Next, WaitFor};
use crate::input::Failure;

impl Behaviour for MessageReference {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        match at.text(&self.name)? {
            Some(name) if !name.is_empty() => Ok(Next::Wait(WaitFor::Message { name })),
            _ => Err(at.failed(&self.name, "gives no message name")),
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
}
