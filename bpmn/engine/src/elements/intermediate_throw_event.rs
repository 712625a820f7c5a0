//! Intermediate throw events: none, which only marks a place, escalation, signal and compensation (BPMN 2.0, 10.5.4 and 13.5.2). Entered by
//! a token, they leave by all flows: at once, but for compensation, which waits until all is undone. One that sends a message is a service
//! task by another name.

use mandate_model::ThrowResult;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for ThrowResult {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(match self {
            ThrowResult::None => at.leave()?,
            ThrowResult::Signal(signal) => signal.enter(at)?,
            ThrowResult::Compensation(throw) => Next::Compensate { only: throw.activity },
            ThrowResult::Escalation(escalation) => Next::Escalate { code: escalation.code.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};

    const ESCALATION: &str = "<escalationEventDefinition escalationRef='esc'/>";
    const CATCH: &str = "<escalationEventDefinition escalationRef='esc' camunda:escalationCodeVariable='code'/>";

    #[test]
    fn none_event_passes_through() {
        check(
            "<startEvent id='s'/><intermediateThrowEvent id='n'/><userTask id='u'/>{s>n>u}",
            "start",
            expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + n #3
              - #3
              + u #4
              task u !5 of nobody users [] groups []
        "#]],
        );
    }

    #[test]
    fn uncaught_one_goes_on_in_silence() {
        check(
            &format!(
                "<startEvent id='s'/><intermediateThrowEvent id='x'>{ESCALATION}</intermediateThrowEvent><userTask id='u'/>\
                 <endEvent id='e'>{ESCALATION}</endEvent>{{s>x>u>e}}"
            ),
            "
                start
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #4
                  + e #6
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    /// A sub-process `p` that escalates in its middle, with a boundary event on it that leads to `told`.
    fn reporting(cancel: &str, catch: &str) -> String {
        format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><intermediateThrowEvent id='x'>{ESCALATION}</intermediateThrowEvent>\
             <userTask id='u'/>{{ps>x>u}}</subProcess><boundaryEvent id='b' attachedToRef='p' cancelActivity='{cancel}'>{catch}\
             </boundaryEvent><userTask id='told'/><userTask id='on'/>{{s>p>on}}{{b>told}}"
        )
    }

    #[test]
    fn conditions_behind_it_see_what_the_catching_event_has_set() {
        check(
            &reporting("false", CATCH).replace("{ps>x>u}", "<task id='v'/>{ps>x}{x>u ? code = \"LATE\"}{x>v ? code = \"EARLY\"}"),
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  code = "LATE"
                  + b #6
                  - #6
                  + told #7
                  task told !8 of nobody users [] groups []
                  - #5
                  + u #9 in #3
                  task u !10 of nobody users [] groups []
            "#]],
        );
        // An event that is interrupted by what it throws is never left.
        check(
            &reporting("true", ESCALATION).replace("{ps>x>u}", "{ps>x}{x>u ? 1 > 2}"),
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  - #5 canceled
                  - #3 canceled
                  + b #6
                  - #6
                  + told #7
                  task told !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn boundary_event_lets_the_sub_process_go_on() {
        check(
            &reporting("false", CATCH),
            "
                start
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  code = "LATE"
                  + b #6
                  - #6
                  + told #7
                  task told !8 of nobody users [] groups []
                  - #5
                  + u #9 in #3
                  task u !10 of nobody users [] groups []
                > complete u
                  task !10 gone
                  - #9
                  - #3
                  + on #11
                  task on !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn interrupting_boundary_event_cancels_the_sub_process() {
        check(
            &reporting("true", "<escalationEventDefinition/>"),
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  - #5 canceled
                  - #3 canceled
                  + b #6
                  - #6
                  + told #7
                  task told !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn one_of_another_code_passes_by() {
        check(
            &reporting("true", &CATCH.replace("'esc'", "'esc2'")),
            "start",
            expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + x #5 in #3
              - #5
              + u #6 in #3
              task u !7 of nobody users [] groups []
        "#]],
        );
    }

    #[test]
    fn one_without_a_code_is_caught_by_what_catches_all() {
        let thrown = "<escalationEventDefinition/></intermediateThrowEvent>";
        let model = |catch| parse(&reporting("false", catch).replace(&format!("{ESCALATION}</intermediateThrowEvent>"), thrown));
        for (catch, is_told) in [(CATCH, false), ("<escalationEventDefinition/>", true)] {
            let definition = model(catch);
            let mut run = Run::new(&definition);
            run.line("start");
            assert_eq!(run.trace.contains("+ told "), is_told, "{}", run.trace);
        }
    }

    #[test]
    fn end_event_that_is_the_last_of_its_sub_process_does_not_end_what_it_begins() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='x'>{ESCALATION}</endEvent>{{ps>x}}\
                 <subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>{CATCH}</startEvent>\
                 <userTask id='told'/>{{vs>told}}</subProcess></subProcess><userTask id='on'/>{{s>p>on}}"
            ),
            "
                start
                complete told
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  code = "LATE"
                  + v #6 in #3
                  + vs #7 in #6
                  - #7
                  + told #8 in #6
                  task told !9 of nobody users [] groups []
                  - #5
                > complete told
                  task !9 gone
                  - #8
                  - #6
                  - #3
                  + on #10
                  task on !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn event_sub_process_that_interrupts_is_nearer_than_the_boundary() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/><userTask id='u'/>\
                 <intermediateThrowEvent id='x'>{ESCALATION}</intermediateThrowEvent><userTask id='w'/>{{ps>f}}{{f>u}}{{f>x>w}}\
                 <subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><escalationEventDefinition/></startEvent>\
                 <userTask id='told'/>{{vs>told}}</subProcess></subProcess><boundaryEvent id='b' attachedToRef='p'>{CATCH}</boundaryEvent>\
                 {{s>p}}"
            ),
            "
                start
                complete told
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + f #5 in #3
                  - #5
                  + u #6 in #3
                  task u !7 of nobody users [] groups []
                  + x #8 in #3
                  task !7 gone
                  - #6 canceled
                  - #8 canceled
                  + v #9 in #3
                  + vs #10 in #9
                  - #10
                  + told #11 in #9
                  task told !12 of nobody users [] groups []
                > complete told
                  task !12 gone
                  - #11
                  - #9
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn thrown_again_inside_an_event_sub_process_it_goes_outward() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='x'>{ESCALATION}</endEvent>{{ps>x}}\
                 <subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>{CATCH}</startEvent>\
                 <subProcess id='q'><startEvent id='qs'/><endEvent id='again'>{ESCALATION}</endEvent>{{qs>again}}</subProcess>{{vs>q}}\
                 </subProcess></subProcess><boundaryEvent id='b' attachedToRef='p' cancelActivity='false'>{CATCH}</boundaryEvent>\
                 <userTask id='told'/>{{s>p}}{{b>told}}"
            ),
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  code = "LATE"
                  + v #6 in #3
                  + vs #7 in #6
                  - #7
                  + q #8 in #6
                  + qs #9 in #8
                  - #9
                  + again #10 in #8
                  code = "LATE"
                  + b #11
                  - #11
                  + told #12
                  task told !13 of nobody users [] groups []
                  - #10
                  - #8
                  - #6
                  - #5
                  - #3
            "#]],
        );
    }

    #[test]
    fn both_paths_have_keys_of_their_own() {
        let model = format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><intermediateThrowEvent id='x'>{ESCALATION}\
             </intermediateThrowEvent>{{ps>x}}</subProcess><boundaryEvent id='b' attachedToRef='p' cancelActivity='false'>{ESCALATION}\
             </boundaryEvent><serviceTask id='w' camunda:class='W'/>{{s>p>w}}{{b>w}}"
        );
        let definition = parse(&model);
        let mut run = Run::new(&definition);
        for line in ["start", "return", "return"] {
            run.line(line);
        }
        let keys = run.keys("w");
        assert_eq!(keys.len(), 2, "{}", run.trace);
        assert_ne!(keys[0], keys[1]);
        assert!(run.instance.is_ended());
    }

    #[test]
    fn event_that_sends_a_message_is_done_by_a_delegate_or_a_worker() {
        check(
            "<startEvent id='s'/><intermediateThrowEvent id='m'><messageEventDefinition messageRef='msg' camunda:class='Send'/>\
             </intermediateThrowEvent><endEvent id='e'><messageEventDefinition messageRef='msg' camunda:type='external' \
             camunda:topic='send'/></endEvent>{s>m>e}",
            "
                start
                return
                done e
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + m #3
                  call m !4 attempt 1, 0 left {}
                > return
                  - #3
                  + e #5
                  external task e !6 'send' priority 0
                > done e
                  external task !6 gone
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn event_with_several_definitions_throws_them_one_after_the_other() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><intermediateThrowEvent id='t' camunda:asyncBefore='true' \
             camunda:asyncAfter='true'><escalationEventDefinition escalationRef='esc'/><escalationEventDefinition escalationRef='esc2'/>\
             </intermediateThrowEvent><userTask id='u'/>{ps>t>u}</subProcess><boundaryEvent id='x' attachedToRef='p' cancelActivity='false'>\
             <escalationEventDefinition/></boundaryEvent>{s>p}",
            "
                start
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  job AsyncBefore t !6 due 0, 3 left, 0 failed
                > run t
                  job !6 gone
                  + t #5 in #3
                  + x #7
                  - #7
                  - #5
                  + t #8 in #3
                  + x #9
                  - #9
                  - #8
                  job AsyncAfter t !11 due 0, 3 left, 0 failed
            "#]],
        );
    }
}
