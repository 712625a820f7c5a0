//! Conversations: which messages belong together (BPMN 2.0, 8.4.2, "key-based correlation"). Camunda 7 knows nothing of them.
//!
//! Where something of a process waits for messages with a `correlationKey` and the process has no `correlationSubscription` for it, the
//! first message with the key says what it is for the whole instance: the one that starts it, one that it sends, or one that it gets. From
//! then on its waits for such messages are waits under this key, those that are there already under new numbers, so that what was on its
//! way to them is looked for again; and what it sends, or gets all the same, must have it. A message without a property of its key never
//! counts as one of any conversation: it fails.

use std::sync::Arc;

use mandate_model::{CarriedKey, ElementIndex, MessageReference};

use crate::effect::Subscription;
use crate::elements::At;
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::instance::Instance;
use crate::step::Machine;
use crate::variable::Variables;
use crate::wait::Awaited;

impl Instance {
    /// The key of its conversation by the `correlationKey` with this id; none as long as no message has said it.
    pub fn conversation(&self, of: &str) -> Option<&str> {
        self.conversations.get(of).map(String::as_str)
    }
}

impl<'a> Machine<'a> {
    /// An instance begins by a message, if its start event is one.
    pub(crate) fn started_by(&mut self, start: ElementIndex, came: &Variables) -> Result<(), Failure> {
        let definition = self.definition;
        let messages = definition.element(start).kind.messages();
        let Some(carried) = messages.first().and_then(|message| message.carried.as_ref()) else { return Ok(()) };
        self.converse(carried, self.instance.root(), start, came, None)
    }

    /// A message comes to a wait, with all of these.
    pub(crate) fn comes_to(&mut self, wait: WaitId, came: [&Variables; 3]) -> Result<(), Failure> {
        let subscription = Arc::clone(&self.instance.subscriptions[&wait]);
        let Some(carried) = self.conversation_of(subscription.element, &subscription.name) else { return Ok(()) };
        let came = came.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())).collect();
        self.converse(carried, subscription.activity, subscription.element, &came, Some(wait))
    }

    /// A message was sent under a key.
    pub(crate) fn sent_under(&mut self, carried: &CarriedKey, activity: ActivityId, key: &str) -> Result<(), Failure> {
        self.agree(carried, activity, self.instance.at(activity).element, key, None)
    }

    fn converse(
        &mut self,
        carried: &CarriedKey,
        activity: ActivityId,
        element: ElementIndex,
        came: &Variables,
        by: Option<WaitId>,
    ) -> Result<(), Failure> {
        // Nobody asks for it in a process where nothing waits by conversation.
        if carried.of.as_ref().is_none_or(|of| !self.definition.conversations.contains(of)) {
            return Ok(());
        }
        let at = At::new(self.definition, self.instance, activity, self.moment).attached(element);
        match at.carried_key(carried, came, "what comes with")? {
            Some(key) => self.agree(carried, activity, element, &key, by),
            None => Ok(()),
        }
    }

    /// A message has this key: it is the instance's from now on, if there is none yet.
    fn agree(
        &mut self,
        carried: &CarriedKey,
        activity: ActivityId,
        element: ElementIndex,
        key: &str,
        by: Option<WaitId>,
    ) -> Result<(), Failure> {
        let Some(of) = carried.of.as_ref().filter(|of| self.definition.conversations.contains(*of)) else { return Ok(()) };
        match self.instance.conversation(of) {
            Some(known) if known == key => Ok(()),
            Some(_) => {
                let at = At::new(self.definition, self.instance, activity, self.moment).attached(element);
                let reason = format!("gives another correlation key '{of}' than the first message of the instance's conversation had");
                Err(at.failed(&carried.paths.0[0], &reason))
            }
            None => {
                self.instance.conversations.insert(of.to_string(), key.to_owned());
                self.wait_under(of, key, by);
                Ok(())
            }
        }
    }

    /// What waits by a conversation waits under its key from now on. The wait that has just come to its end knows it, should its event wait
    /// again.
    fn wait_under(&mut self, of: &str, key: &str, by: Option<WaitId>) {
        let is_of = |element: ElementIndex, name: &str| self.conversation_of(element, name).is_some_and(|it| it.of.as_deref() == Some(of));
        let waits: Vec<Arc<Subscription>> =
            self.instance.subscriptions.values().filter(|it| is_of(it.element, &it.name)).cloned().collect();
        for it in waits {
            let known = Subscription { correlation_key: Some(key.to_owned()), ..(*it).clone() };
            if Some(it.wait) == by {
                self.instance.subscriptions.insert(it.wait, Arc::new(known));
            } else {
                self.remove_wait(it.activity, it.wait);
                self.put_subscription(it.activity, it.element, Awaited::again(&known));
            }
        }
    }

    /// The key of the conversation by which an element waits for a message of a name, if it does.
    fn conversation_of(&self, element: ElementIndex, name: &str) -> Option<&'a CarriedKey> {
        let definition = self.definition;
        by_conversation(MessageReference::named(&definition.element(element).kind.messages(), name)?)
    }
}

/// The key of the conversation by which a message is waited for.
pub(crate) fn by_conversation(message: &MessageReference) -> Option<&CarriedKey> {
    message.carried.as_ref().filter(|_| message.correlation_key.is_none())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use mandate_model::ProcessDefinition;

    use crate::testing::{Run, check_definition, parse_file};

    /// A process of these elements and another participant `q`, which sends and gets what it will. The messages 'paid' and 'changed' have
    /// the key `talk`.
    fn conversing(elements: &str) -> ProcessDefinition {
        let path = |message: &str, path: &str| {
            format!(
                "<correlationPropertyRetrievalExpression messageRef='{message}'><messagePath>= {path}</messagePath>\
                 </correlationPropertyRetrievalExpression>"
            )
        };
        let flow = if elements.contains("sendTask") { "<messageFlow id='mf' sourceRef='m' targetRef='r'/>" } else { "" };
        let beside = format!(
            "<correlationProperty id='order'>{}{}</correlationProperty><collaboration id='c'>{flow}<correlationKey id='talk'>\
             <correlationPropertyRef>order</correlationPropertyRef></correlationKey></collaboration><process id='q' isExecutable='true'>\
             <startEvent id='qs'/><receiveTask id='r' messageRef='msg'/>{{qs>r}}</process>",
            path("msg", "id"),
            path("msg2", "of")
        );
        parse_file(elements, &beside)
    }

    fn check(elements: &str, script: &str, expect: Expect) {
        check_definition(&conversing(elements), script, expect);
    }

    /// Sends 'paid' with the variable `id`.
    const SEND: &str = "<sendTask id='m' messageRef='msg'><ioSpecification><dataInput id='d' name='id'/></ioSpecification><dataInputAssociation>\
        <targetRef>d</targetRef><assignment><from>= order</from><to>d</to></assignment></dataInputAssociation></sendTask>";

    const CHANGED: &str = "<messageEventDefinition messageRef='msg2'/>";

    #[test]
    fn message_that_is_sent_first_says_what_is_waited_for() {
        check(
            &format!("<startEvent id='s'/>{SEND}<receiveTask id='a' messageRef='msg2'/><userTask id='u'/>{{s>m>a>u}}"),
            r#"
                start {"order": 7}
                message a {"of": 8}
                message a {"n": 1}
                message a {"of": 7}
            "#,
            expect![[r#"
                > start {"order": 7}
                  started at s
                  order = 7
                  + s #2
                  - #2
                  + m #3
                  id = 7 in #3
                  message 'paid' to q/r for 'order-17' under '7' {id: 7}
                  - #3
                  + a #4
                  subscription a !5 'changed' under '7'
                > message a {"of": 8}
                  failed: EXPRESSION_FAILED: the expression '= of' of 'a': gives another correlation key 'talk' than the first message of the instance's conversation had
                > message a {"n": 1}
                  failed: EXPRESSION_FAILED: the expression '= of' of 'a': gives no text or number of what comes with the message, which needs it for the correlation key 'talk'
                > message a {"of": 7}
                  subscription !5 gone
                  of = 7
                  - #4
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn message_that_comes_first_says_it_for_what_waits_already() {
        check(
            &format!(
                "<startEvent id='s'/><parallelGateway id='f'/><receiveTask id='a' messageRef='msg2'/><receiveTask id='b' messageRef='msg'/>\
                 <userTask id='u'/><boundaryEvent id='e' attachedToRef='u' cancelActivity='false'>{CHANGED}</boundaryEvent><task id='t'/>\
                 {{s>f}}{{f>a}}{{f>b}}{{f>u}}{{e>t}}"
            ),
            r#"
                start
                message e {"of": "A"}
                message !5 {"of": "A"}
                message a {"of": "B"}
                message a {"of": "A"}
                message e {"of": "A"}
                message b {"id": "A"}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  subscription a !5 'changed'
                  + b #6
                  subscription b !7 'paid'
                  + u #8
                  subscription e !9 'changed'
                  task u !10 of nobody users [] groups []
                > message e {"of": "A"}
                  subscription !5 gone
                  subscription a !11 'changed' under 'A'
                  subscription !7 gone
                  subscription b !12 'paid' under 'A'
                  subscription !9 gone
                  subscription e !13 'changed' under 'A'
                  of = "A"
                  + e #14
                  - #14
                  + t #15
                  - #15
                > message !5 {"of": "A"}
                  rejected: nothing waits under number 5
                > message a {"of": "B"}
                  failed: EXPRESSION_FAILED: the expression '= of' of 'a': gives another correlation key 'talk' than the first message of the instance's conversation had
                > message a {"of": "A"}
                  subscription !11 gone
                  of = "A"
                  - #4
                > message e {"of": "A"}
                  subscription !13 gone
                  subscription e !16 'changed' under 'A'
                  of = "A"
                  + e #17
                  - #17
                  + t #18
                  - #18
                > message b {"id": "A"}
                  subscription !12 gone
                  id = "A"
                  - #6
            "#]],
        );
    }

    #[test]
    fn message_that_starts_the_process_says_it() {
        let model = format!("<startEvent id='s'>{CHANGED}</startEvent><receiveTask id='a' messageRef='msg'/>{{s>a}}");
        check(
            &model,
            r#"
                start {"of": 1.0}
                message a {"id": 1}
            "#,
            expect![[r#"
                > start {"of": 1.0}
                  started at s
                  of = 1.0
                  + s #2
                  - #2
                  + a #3
                  subscription a !4 'paid' under '1'
                > message a {"id": 1}
                  subscription !4 gone
                  id = 1
                  - #3
                  ended: Completed
                  end
            "#]],
        );
        // Without what it is told apart by it is of no conversation.
        let definition = conversing(&model);
        let mut run = Run::new(&definition);
        run.line("start");
        assert!(run.trace.contains("failed: EXPRESSION_FAILED"), "{}", run.trace);
        // Where nobody waits by it, it is not asked for.
        check(
            &format!("<startEvent id='s'>{CHANGED}</startEvent><userTask id='u'/>{{s>u}}"),
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn message_of_another_conversation_is_not_sent() {
        check(
            &format!("<startEvent id='s'/><receiveTask id='a' messageRef='msg2'/>{SEND}{{s>a>m}}"),
            r#"
                start {"order": 7}
                message a {"of": 8}
                message a {"of": 7}
            "#,
            expect![[r#"
                > start {"order": 7}
                  started at s
                  order = 7
                  + s #2
                  - #2
                  + a #3
                  subscription a !4 'changed'
                > message a {"of": 8}
                  failed: EXPRESSION_FAILED: the expression '= id' of 'm': gives another correlation key 'talk' than the first message of the instance's conversation had
                > message a {"of": 7}
                  subscription !4 gone
                  of = 7
                  - #3
                  + m #5
                  id = 7 in #5
                  message 'paid' to q/r for 'order-17' under '7' {id: 7}
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn message_without_what_its_key_is_made_of_is_not_sent() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{SEND}{{s>u>m}}"),
            r#"
                start
                complete u {"order": [7]}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u {"order": [7]}
                  failed: EXPRESSION_FAILED: the expression '= id' of 'm': gives no text or number of what its sender maps (camunda:in) into the message, which needs it for the correlation key 'talk'
            "#]],
        );
    }

    #[test]
    fn part_of_an_event_that_has_happened_is_collected_anew_under_the_key() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='e' attachedToRef='u' cancelActivity='false' parallelMultiple='true'>{CHANGED}\
                 <messageEventDefinition messageRef='msg'/></boundaryEvent><task id='t'/>{{s>u}}{{e>t}}"
            ),
            r#"
                start
                message !4 {"of": "A"}
                message !7 {"id": "A"}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  subscription e !4 'changed'
                  subscription e !5 'paid'
                  task u !6 of nobody users [] groups []
                > message !4 {"of": "A"}
                  subscription !5 gone
                  subscription e !7 'paid' under 'A'
                  subscription !4 gone
                  of = "A"
                > message !7 {"id": "A"}
                  subscription !7 gone
                  id = "A"
                  subscription e !8 'changed' under 'A'
                  subscription e !9 'paid' under 'A'
                  + e #10
                  - #10
                  + t #11
                  - #11
            "#]],
        );
    }
}
