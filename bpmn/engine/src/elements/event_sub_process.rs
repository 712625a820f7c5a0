//! The event sub-process and its start event (BPMN 2.0, 10.3.5 and 13.5.4). Arming, interrupting and catching are in `trigger.rs`.
//!
//! Entered when its start event is triggered, inside the scope that it watches, whose variables it sees and which is over only when it is.
//! It waits like an embedded sub-process until nothing is active inside, and then ends without a flow to take. One that does not interrupt
//! may run several times, and several may run at once.

use mandate_model::{EventSubProcess, EventSubProcessStart};

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for EventSubProcess {
    fn enter(&self, _at: &At<'_>) -> Result<Next, Failure> {
        Ok(Next::Open(vec![self.start]))
    }
}

impl Behaviour for EventSubProcessStart {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        at.leave()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{MESSAGE, Run, TIMER, check, parse, watching};

    const OTHER: &str = " isInterrupting='false'";

    #[test]
    fn what_a_message_brings_to_its_event_sub_process_survives_another_that_begins_first() {
        let definition = parse(&format!(
            "<startEvent id='s'/><userTask id='u'/>{{s>u}}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>{MESSAGE}</startEvent>\
             <userTask id='h'/>{{vs>h}}</subProcess><subProcess id='p' triggeredByEvent='true'><startEvent id='ps' isInterrupting='false'>\
             <conditionalEventDefinition><condition>= n > 0</condition></conditionalEventDefinition></startEvent><task id='d'/>{{ps>d}}</subProcess>"
        ));
        let mut run = Run::new(&definition);
        for line in [r#"start {"n": 0}"#, r#"message vs {"n": 1} begun {"x": 2}"#] {
            run.line(line);
        }
        assert!(run.trace.contains("x = 2 in"), "{}", run.trace);
    }

    #[test]
    fn interrupting_message_cancels_the_process_and_ends_it_when_it_is_done() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", MESSAGE)),
            r#"
                start
                leaves
                message vs {"n": 1}
                message !2
                complete !5
                complete handle
            "#,
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > leaves
                  u #4: task of nobody
                > message vs {"n": 1}
                  subscription !2 gone
                  n = 1
                  task !5 gone
                  - #4 canceled
                  + v #6
                  + vs #7 in #6
                  - #7
                  + handle #8 in #6
                  task handle !9 of nobody users [] groups []
                > message !2
                  rejected: nothing waits under number 2
                > complete !5
                  rejected: nothing waits under number 5
                > complete handle
                  task !9 gone
                  - #8
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn other_messages_run_beside_the_process_and_beside_each_other() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching(OTHER, MESSAGE)),
            r#"
                start
                message vs {"n": 1}
                message vs {"n": 2}
                complete u
                message vs
                complete handle
                complete handle
                leaves
                complete handle
                message !2
            "#,
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > message vs {"n": 1}
                  subscription !2 gone
                  subscription vs !6 'paid'
                  n = 1
                  + v #7
                  + vs #8 in #7
                  - #8
                  + handle #9 in #7
                  task handle !10 of nobody users [] groups []
                > message vs {"n": 2}
                  subscription !6 gone
                  subscription vs !11 'paid'
                  n = 2
                  + v #12
                  + vs #13 in #12
                  - #13
                  + handle #14 in #12
                  task handle !15 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #4
                > message vs
                  subscription !11 gone
                  subscription vs !16 'paid'
                  + v #17
                  + vs #18 in #17
                  - #18
                  + handle #19 in #17
                  task handle !20 of nobody users [] groups []
                > complete handle
                  task !10 gone
                  - #9
                  - #7
                > complete handle
                  task !15 gone
                  - #14
                  - #12
                > leaves
                  handle #19: task of nobody
                > complete handle
                  task !20 gone
                  - #19
                  - #17
                  subscription !16 gone
                  ended: Completed
                  end
                > message !2
                  rejected: the instance has ended
            "#]],
        );
    }

    #[test]
    fn timer_is_armed_with_the_process_and_gone_at_its_end() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", TIMER)),
            "
                start
                complete u
                run !2
            ",
            expect![[r#"
                > start
                  started at s
                  job Timer vs !2 due 60000, 3 left, 0 failed
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #4
                  job !2 gone
                  ended: Completed
                  end
                > run !2
                  rejected: the instance has ended
            "#]],
        );
    }

    #[test]
    fn other_timer_fires_once() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching(OTHER, TIMER)),
            "
                start
                run vs
                complete handle
                run !2
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  job Timer vs !2 due 60000, 3 left, 0 failed
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > run vs
                  job !2 gone
                  + v #6
                  + vs #7 in #6
                  - #7
                  + handle #8 in #6
                  task handle !9 of nobody users [] groups []
                > complete handle
                  task !9 gone
                  - #8
                  - #6
                > run !2
                  rejected: nothing waits under number 2
                > complete u
                  task !5 gone
                  - #4
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn deferred_start_is_watched_already() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", MESSAGE)),
            "
                start-deferred
                message vs
                run !4
            ",
            expect![[r#"
                > start-deferred
                  started at s
                  subscription vs !2 'paid'
                  job Start s !4 due 0, 3 left, 0 failed
                > message vs
                  subscription !2 gone
                  job !4 gone
                  + v #5
                  + vs #6 in #5
                  - #6
                  + handle #7 in #5
                  task handle !8 of nobody users [] groups []
                > run !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn deleted_process_waits_for_nothing() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", MESSAGE)),
            "
                start
                cancel enough
            ",
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > cancel enough
                  task !5 gone
                  - #4 canceled
                  subscription !2 gone
                  ended: ExternallyTerminated (enough)
                  end
            "#]],
        );
    }

    /// An event sub-process in an embedded one `p`, behind which comes `after`.
    fn inside(start: &str, definition: &str) -> String {
        format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/>{{ps>u}}{}</subProcess><userTask id='after'/>\
             {{s>p>after}}",
            watching(start, definition)
        )
    }

    #[test]
    fn sub_process_goes_on_when_what_interrupted_it_is_done() {
        check(
            &inside("", MESSAGE),
            "
                start
                message vs
                complete handle
                message !4
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  subscription vs !4 'paid'
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
                > complete handle
                  task !11 gone
                  - #10
                  - #8
                  - #3
                  + after #12
                  task after !13 of nobody users [] groups []
                > message !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn sub_process_is_over_when_all_are() {
        check(
            &inside(OTHER, MESSAGE),
            "
                start
                message vs
                complete u
                complete handle
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  subscription vs !4 'paid'
                  + ps #5 in #3
                  - #5
                  + u #6 in #3
                  task u !7 of nobody users [] groups []
                > message vs
                  subscription !4 gone
                  subscription vs !8 'paid'
                  + v #9 in #3
                  + vs #10 in #9
                  - #10
                  + handle #11 in #9
                  task handle !12 of nobody users [] groups []
                > complete u
                  task !7 gone
                  - #6
                > complete handle
                  task !12 gone
                  - #11
                  - #9
                  subscription !8 gone
                  - #3
                  + after #13
                  task after !14 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn variables_of_its_scope_are_seen_and_set() {
        check(
            "<startEvent id='s'/><subProcess id='p'><extensionElements><camunda:inputOutput><camunda:inputParameter name='local'>= 1\
             </camunda:inputParameter><camunda:outputParameter name='out'>= local</camunda:outputParameter></camunda:inputOutput>\
             </extensionElements><startEvent id='ps'/><userTask id='u'/>{ps>u}<subProcess id='v' triggeredByEvent='true'>\
             <startEvent id='vs'><messageEventDefinition messageRef='msg'/></startEvent><userTask id='handle'/>{vs>handle}\
             </subProcess></subProcess>{s>p}",
            r#"
                start
                message vs {"local": 2, "n": 3}
                variables handle
                complete handle
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  local = 1 in #3
                  subscription vs !4 'paid'
                  + ps #5 in #3
                  - #5
                  + u #6 in #3
                  task u !7 of nobody users [] groups []
                > message vs {"local": 2, "n": 3}
                  subscription !4 gone
                  local = 2 in #3
                  n = 3
                  task !7 gone
                  - #6 canceled
                  + v #8 in #3
                  + vs #9 in #8
                  - #9
                  + handle #10 in #8
                  task handle !11 of nobody users [] groups []
                > variables handle
                  {local: 2, n: 3}
                > complete handle
                  task !11 gone
                  - #10
                  - #8
                  out = 2
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn event_sub_process_may_stand_in_another() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u'/>{{s>u}}<subProcess id='w' triggeredByEvent='true'><startEvent id='ws'>\
                 <messageEventDefinition messageRef='msg2'/></startEvent><userTask id='q'/>{{ws>q}}{}</subProcess>",
                watching("", MESSAGE)
            ),
            "
                start
                message ws
                message vs
                complete handle
            ",
            expect![[r#"
                > start
                  started at s
                  subscription ws !2 'changed'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > message ws
                  subscription !2 gone
                  task !5 gone
                  - #4 canceled
                  + w #6
                  subscription vs !7 'paid'
                  + ws #8 in #6
                  - #8
                  + q #9 in #6
                  task q !10 of nobody users [] groups []
                > message vs
                  subscription !7 gone
                  task !10 gone
                  - #9 canceled
                  + v #11 in #6
                  + vs #12 in #11
                  - #12
                  + handle #13 in #11
                  task handle !14 of nobody users [] groups []
                > complete handle
                  task !14 gone
                  - #13
                  - #11
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn asynchronous_one_interrupts_first_and_begins_later() {
        check(
            &inside("", MESSAGE).replace("<subProcess id='v'", "<subProcess id='v' camunda:asyncBefore='true' camunda:asyncAfter='true'"),
            "
                start
                message vs
                leaves
                run v
                complete handle
                run v
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  subscription vs !4 'paid'
                  + ps #5 in #3
                  - #5
                  + u #6 in #3
                  task u !7 of nobody users [] groups []
                > message vs
                  subscription !4 gone
                  task !7 gone
                  - #6 canceled
                  job AsyncBefore v !9 due 0, 3 left, 0 failed
                > leaves
                  v #8: job, attempt 1, 3 left, due 0 until 0
                > run v
                  job !9 gone
                  + v #8 in #3
                  + vs #10 in #8
                  - #10
                  + handle #11 in #8
                  task handle !12 of nobody users [] groups []
                > complete handle
                  task !12 gone
                  - #11
                  - #8
                  job AsyncAfter v !14 due 0, 3 left, 0 failed
                > run v
                  job !14 gone
                  - #3
                  + after #15
                  task after !16 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn any_of_several_definitions_begins_it() {
        let both = format!("{MESSAGE}{TIMER}");
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", &both)),
            "
                start
                run !3
                complete handle
            ",
            expect![[r#"
                > start
                  started at s
                  subscription vs !2 'paid'
                  job Timer vs !3 due 60000, 3 left, 0 failed
                  + s #4
                  - #4
                  + u #5
                  task u !6 of nobody users [] groups []
                > run !3
                  job !3 gone
                  task !6 gone
                  - #5 canceled
                  subscription !2 gone
                  + v #7
                  + vs #8 in #7
                  - #8
                  + handle #9 in #7
                  task handle !10 of nobody users [] groups []
                > complete handle
                  task !10 gone
                  - #9
                  - #7
                  ended: Completed
                  end
            "#]],
        );
    }
}
