//! Start events. Whatever triggered one has happened when its token is there (BPMN 2.0, 13.5.1). Of several of a process each begins an
//! instance of its own, also of several none start events (10.5.2): whoever starts the process says at which; no token stands at the
//! others.

use mandate_model::StartTrigger;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for StartTrigger {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        at.leave()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn deferred_start_stops_at_its_job() {
        check(
            "<startEvent id='s'/><task id='a'/>{s>a}",
            r#"
                start-deferred {"n": 1}
                leaves
                run s
            "#,
            expect![[r#"
                > start-deferred {"n": 1}
                  started at s
                  n = 1
                  job Start s !3 due 0, 3 left, 0 failed
                > leaves
                  s #2: job, attempt 1, 3 left, due 0 until 0
                > run s
                  job !3 gone
                  + s #2
                  - #2
                  + a #4
                  - #4
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn async_start_holds_just_as_well() {
        check(
            "<startEvent id='s' camunda:asyncBefore='true'/><task id='a'/>{s>a}",
            "
                start-deferred
                run s
            ",
            expect![[r#"
                > start-deferred
                  started at s
                  job AsyncBefore s !3 due 0, 3 left, 0 failed
                > run s
                  job !3 gone
                  + s #2
                  - #2
                  + a #4
                  - #4
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn started_twice() {
        check(
            "<startEvent id='s'/><userTask id='a'/>{s>a}",
            "
                complete !3
                start
                start
                cancel enough
                start
            ",
            expect![[r#"
                > complete !3
                  rejected: the instance has not been started
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  task a !4 of nobody users [] groups []
                > start
                  rejected: the instance has been started already
                > cancel enough
                  task !4 gone
                  - #3 canceled
                  ended: ExternallyTerminated (enough)
                  end
                > start
                  rejected: the instance has been started already
            "#]],
        );
    }

    #[test]
    fn message_start_begins_like_any_other() {
        check(
            "<startEvent id='s'><messageEventDefinition messageRef='msg'/></startEvent><userTask id='a'/>{s>a}",
            r#"
                start {"amount": 3}
            "#,
            expect![[r#"
                > start {"amount": 3}
                  started at s
                  amount = 3
                  + s #2
                  - #2
                  + a #3
                  task a !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn one_of_several_none_start_events_begins_alone() {
        check(
            "<startEvent id='web'/><startEvent id='phone' camunda:asyncBefore='true'/><task id='a'/><userTask id='u'/>{web>a}{phone>u}",
            "
                begin before phone
                run phone
            ",
            expect![[r#"
                > begin before phone
                  started at phone
                  job AsyncBefore phone !3 due 0, 3 left, 0 failed
                > run phone
                  job !3 gone
                  + phone #2
                  - #2
                  + u #4
                  task u !5 of nobody users [] groups []
            "#]],
        );
        check(
            "<startEvent id='web'/><startEvent id='phone'/><userTask id='a'/><userTask id='u'/>{web>a}{phone>u}",
            "start",
            expect![[r#"
                > start
                  started at web
                  + web #2
                  - #2
                  + a #3
                  task a !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn receive_task_that_instantiates_has_its_message_already() {
        check(
            "<receiveTask id='r' messageRef='msg' instantiate='true'/><userTask id='u'/>{r>u}",
            "start",
            expect![[r#"
                > start
                  started at r
                  + r #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn event_that_instantiates_goes_on_alone() {
        check(
            "<eventBasedGateway id='g' instantiate='true'/><intermediateCatchEvent id='a'><messageEventDefinition messageRef='msg'/>\
             </intermediateCatchEvent><intermediateCatchEvent id='b'><messageEventDefinition messageRef='msg2'/></intermediateCatchEvent>\
             <userTask id='u'/>{g>a>u}{g>b>u}",
            "start",
            expect![[r#"
                > start
                  started at a
                  + a #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn parallel_gateway_that_instantiates_waits_for_the_other_messages() {
        check(
            "<eventBasedGateway id='g' instantiate='true' eventGatewayType='Parallel'/><intermediateCatchEvent id='a'><messageEventDefinition \
             messageRef='msg'/></intermediateCatchEvent><intermediateCatchEvent id='b'><messageEventDefinition messageRef='msg2'/>\
             </intermediateCatchEvent><parallelGateway id='j'/><userTask id='u'/>{g>a>j}{g>b>j}{j>u}",
            "
                start
                leaves
                message !5
            ",
            expect![[r#"
                > start
                  started at a
                  + a #2
                  - #2
                  + j #3
                  + b #4
                  subscription b !5 'changed'
                > leaves
                  j #3: join, missing b_j
                  b #4: message 'changed'
                > message !5
                  subscription !5 gone
                  - #4
                  + j #6
                  - #3
                  - #6
                  + u #7
                  task u !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn parallel_multiple_start_event_goes_on_when_all_have_happened() {
        check(
            "<startEvent id='s' parallelMultiple='true'><messageEventDefinition messageRef='msg'/><messageEventDefinition messageRef='msg2'/>\
             </startEvent><userTask id='u'/>{s>u}",
            "
                start
                message !4
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + s #3
                  subscription s !4 'changed'
                > message !4
                  subscription !4 gone
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn whoever_starts_it_becomes_a_variable_unless_the_start_says_otherwise() {
        let elements = "<startEvent id='s' camunda:initiator='starter'/><userTask id='u' camunda:assignee='${starter}'/>{s>u}";
        check(
            elements,
            "
                as ann
                start
            ",
            expect![[r#"
                > as ann
                > start
                  started at s
                  starter = "ann"
                  + s #2
                  - #2
                  + u #3
                  task u !4 of ann users [] groups []
            "#]],
        );
        check(
            elements,
            r#"
                as ann
                start-deferred {"starter": "eve"}
                as
                run s
            "#,
            expect![[r#"
                > as ann
                > start-deferred {"starter": "eve"}
                  started at s
                  starter = "eve"
                  job Start s !3 due 0, 3 left, 0 failed
                > as
                > run s
                  job !3 gone
                  + s #2
                  - #2
                  + u #4
                  task u !5 of eve users [] groups []
            "#]],
        );
        check(
            elements,
            "start",
            expect![[r#"
            > start
              started at s
              starter = null
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
        "#]],
        );
    }

    #[test]
    fn initiator_is_the_process_s_wherever_an_instance_begins() {
        check(
            "<startEvent id='m'><messageEventDefinition messageRef='msg'/></startEvent><startEvent id='s' camunda:initiator='starter'/>\
             <userTask id='u'/>{m>u}{s>u}",
            "
                as ann
                begin before u
            ",
            expect![[r#"
                > as ann
                > begin before u
                  started at u
                  starter = "ann"
                  + u #2
                  task u !3 of nobody users [] groups []
            "#]],
        );
    }
}
