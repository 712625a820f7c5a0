//! Traces of events that want all of several things.

use expect_test::expect;

use crate::testing::{MESSAGE, check};

#[test]
fn event_that_wants_all_is_triggered_by_the_last() {
    check(
        "<startEvent id='s'/><userTask id='a'/><boundaryEvent id='b' attachedToRef='a' parallelMultiple='true'><messageEventDefinition \
         messageRef='msg'/><messageEventDefinition messageRef='msg2'/></boundaryEvent><task id='t'/>{s>a}{b>t}",
        r#"
            start
            message !5 {"n": 1}
            leaves
            message !4
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              subscription b !4 'paid'
              subscription b !5 'changed'
              task a !6 of nobody users [] groups []
            > message !5 {"n": 1}
              subscription !5 gone
              n = 1
            > leaves
              a #3: task of nobody
            > message !4
              subscription !4 gone
              task !6 gone
              - #3 canceled
              + b #7
              - #7
              + t #8
              - #8
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn event_that_wants_all_and_does_not_interrupt_collects_anew() {
    check(
        "<startEvent id='s'/><userTask id='a'/><boundaryEvent id='b' attachedToRef='a' parallelMultiple='true' cancelActivity='false'>\
         <messageEventDefinition messageRef='msg'/><messageEventDefinition messageRef='msg2'/><timerEventDefinition><timeDuration>PT1M\
         </timeDuration></timerEventDefinition></boundaryEvent><userTask id='t'/>{s>a}{b>t}",
        r#"
            start
            message !5 {"n": 1}
            message !5 {"n": 2}
            at 60000
            run !6
            leaves
            message !4
            message !8
            message !9
            complete a
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              subscription b !4 'paid'
              subscription b !5 'changed'
              job Timer b !6 due 60000, 3 left, 0 failed
              task a !7 of nobody users [] groups []
            > message !5 {"n": 1}
              subscription !5 gone
              n = 1
            > message !5 {"n": 2}
              rejected: nothing waits under number 5
            > at 60000
            > run !6
              job !6 gone
            > leaves
              a #3: task of nobody
            > message !4
              subscription !4 gone
              subscription b !8 'paid'
              subscription b !9 'changed'
              + b #10
              - #10
              + t #11
              task t !12 of nobody users [] groups []
            > message !8
              subscription !8 gone
            > message !9
              subscription !9 gone
              subscription b !13 'paid'
              subscription b !14 'changed'
              + b #15
              - #15
              + t #16
              task t !17 of nobody users [] groups []
            > complete a
              task !7 gone
              subscription !13 gone
              subscription !14 gone
              - #3
        "#]],
    );
}

#[test]
fn event_sub_process_that_wants_all_and_does_not_interrupt_collects_anew() {
    check(
        "<startEvent id='s'/><userTask id='a'/>{s>a}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs' parallelMultiple='true' \
         isInterrupting='false'><signalEventDefinition signalRef='sig'/><timerEventDefinition><timeCycle>R/PT1M</timeCycle></timerEventDefinition>\
         </startEvent><userTask id='handle'/>{vs>handle}</subProcess>",
        "
            start
            at 60000
            run !3
            at 90000
            signal !2
            signal !7
            at 150000
            run !8
            complete a
            leaves
        ",
        expect![[r#"
            > start
              started at s
              signal subscription vs !2 'alarm'
              job Timer vs !3 due 60000, 3 left, 0 failed
              + s #4
              - #4
              + a #5
              task a !6 of nobody users [] groups []
            > at 60000
            > run !3
              job !3 gone
            > at 90000
            > signal !2
              subscription !2 gone
              signal subscription vs !7 'alarm'
              job Timer vs !8 due 120000, 3 left, 0 failed
              + v #9
              + vs #10 in #9
              - #10
              + handle #11 in #9
              task handle !12 of nobody users [] groups []
            > signal !7
              subscription !7 gone
            > at 150000
            > run !8
              job !8 gone
              signal subscription vs !13 'alarm'
              job Timer vs !14 due 180000, 3 left, 0 failed
              + v #15
              + vs #16 in #15
              - #16
              + handle #17 in #15
              task handle !18 of nobody users [] groups []
            > complete a
              task !6 gone
              - #5
            > leaves
              handle #11: task of nobody
              handle #17: task of nobody
        "#]],
    );
}

/// The condition holds before the task waits, and then the message is still to come; it counts again when it holds after another change.
#[test]
fn condition_that_holds_from_the_beginning_is_only_one_of_all() {
    let model = |cancel: &str| {
        format!(
            "<startEvent id='s'/><userTask id='a'/><boundaryEvent id='b' attachedToRef='a' parallelMultiple='true' cancelActivity='{cancel}'>\
             <conditionalEventDefinition><condition>= n > 0</condition></conditionalEventDefinition><messageEventDefinition messageRef='msg'/>\
             </boundaryEvent><userTask id='t'/>{{s>a}}{{b>t}}"
        )
    };
    check(
        &model("true"),
        r#"
            start {"n": 1}
            message !5
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + a #3
              condition b !4
              subscription !4 gone
              subscription b !5 'paid'
              task a !6 of nobody users [] groups []
            > message !5
              subscription !5 gone
              task !6 gone
              - #3 canceled
              + b #7
              - #7
              + t #8
              task t !9 of nobody users [] groups []
        "#]],
    );
    check(
        &model("false"),
        r#"
            start {"n": 1}
            message !5 {"n": 2}
            message !8
            set {"n": 0}
            set {"n": 3}
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + a #3
              condition b !4
              subscription !4 gone
              subscription b !5 'paid'
              task a !6 of nobody users [] groups []
            > message !5 {"n": 2}
              subscription !5 gone
              n = 2
              condition b !7
              subscription b !8 'paid'
              + b #9
              - #9
              + t #10
              task t !11 of nobody users [] groups []
            > message !8
              subscription !8 gone
            > set {"n": 0}
              n = 0
            > set {"n": 3}
              n = 3
              subscription !7 gone
              condition b !12
              subscription b !13 'paid'
              + b #14
              - #14
              + t #15
              task t !16 of nobody users [] groups []
        "#]],
    );
}

/// A task `a` with a boundary event `b` that wants all of these and leads to a task `t`.
fn wanting(cancel: bool, definitions: &str) -> String {
    format!(
        "<startEvent id='s'/><userTask id='a'/><boundaryEvent id='b' attachedToRef='a' parallelMultiple='true' cancelActivity='{cancel}'>\
         {definitions}</boundaryEvent><userTask id='t'/>{{s>a}}{{b>t}}"
    )
}

const CONDITION: &str = "<conditionalEventDefinition><condition>= n > 0</condition></conditionalEventDefinition>";

#[test]
fn names_and_keys_stay_as_they_were_when_the_first_wait_began() {
    check(
        &wanting(false, "<messageEventDefinition messageRef='byKey'/><messageEventDefinition messageRef='keyed'/>"),
        r#"
            start {"key": 1, "order": "A"}
            set {"key": 2, "order": "B"}
            message !4
            message !5
        "#,
        expect![[r#"
            > start {"key": 1, "order": "A"}
              started at s
              key = 1
              order = "A"
              + s #2
              - #2
              + a #3
              subscription b !4 'paid-1'
              subscription b !5 'paid' under 'A'
              task a !6 of nobody users [] groups []
            > set {"key": 2, "order": "B"}
              key = 2
              order = "B"
            > message !4
              subscription !4 gone
            > message !5
              subscription !5 gone
              subscription b !7 'paid-1'
              subscription b !8 'paid' under 'A'
              + b #9
              - #9
              + t #10
              task t !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn cycle_with_a_number_of_dates_goes_on_where_it_was_also_after_a_failure() {
    check(
        &wanting(false, &format!("{MESSAGE}<timerEventDefinition><timeCycle>R2/PT1M</timeCycle></timerEventDefinition>")),
        "
            start
            at 60000
            fail !5
            at 70000
            run !5
            message !4
            leaves
            at 120000
            message !7
            run !8
            message !12
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              subscription b !4 'paid'
              job Timer b !5 due 60000, 3 left, 0 failed
              task a !6 of nobody users [] groups []
            > at 60000
            > fail !5
              job Timer b !5 due 65132, 2 left, 1 failed
            > at 70000
            > run !5
              job !5 gone
            > message !4
              subscription !4 gone
              subscription b !7 'paid'
              job Timer b !8 due 120000, 3 left, 0 failed
              + b #9
              - #9
              + t #10
              task t !11 of nobody users [] groups []
            > leaves
              a #3: task of nobody until 120000
              t #10: task of nobody
            > at 120000
            > message !7
              subscription !7 gone
            > run !8
              job !8 gone
              subscription b !12 'paid'
              + b #13
              - #13
              + t #14
              task t !15 of nobody users [] groups []
            > message !12
              subscription !12 gone
        "#]],
    );
}

/// What holds since it happened last is no change; what became true while nothing could happen is one.
#[test]
fn condition_is_one_of_all_after_a_suspension_only_if_it_had_not_happened_before() {
    let model = wanting(false, &format!("{CONDITION}{MESSAGE}"));
    check(
        &model,
        r#"
            start {"n": 1}
            message !5
            suspend
            activate
            message !8
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + a #3
              condition b !4
              subscription !4 gone
              subscription b !5 'paid'
              task a !6 of nobody users [] groups []
            > message !5
              subscription !5 gone
              condition b !7
              subscription b !8 'paid'
              + b #9
              - #9
              + t #10
              task t !11 of nobody users [] groups []
            > suspend
              suspended: true
            > activate
              suspended: false
            > message !8
              subscription !8 gone
        "#]],
    );
    check(
        &model,
        r#"
            start {"n": 0}
            suspend
            set {"n": 1}
            activate
            message !5
        "#,
        expect![[r#"
            > start {"n": 0}
              started at s
              n = 0
              + s #2
              - #2
              + a #3
              condition b !4
              subscription b !5 'paid'
              task a !6 of nobody users [] groups []
            > suspend
              suspended: true
            > set {"n": 1}
              n = 1
            > activate
              suspended: false
              subscription !4 gone
            > message !5
              subscription !5 gone
              condition b !7
              subscription b !8 'paid'
              + b #9
              - #9
              + t #10
              task t !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn all_of_several_conditions_are_waited_for_one_by_one() {
    check(
        "<startEvent id='s'/><intermediateCatchEvent id='m' parallelMultiple='true'><conditionalEventDefinition><condition>= n > 0</condition>\
         </conditionalEventDefinition><conditionalEventDefinition><condition>= n > 1</condition></conditionalEventDefinition>\
         <conditionalEventDefinition><condition>= k</condition></conditionalEventDefinition></intermediateCatchEvent><userTask id='t'/>{s>m>t}",
        r#"
            start {"n": 1}
            set {"k": true, "n": 0}
            set {"k": false, "n": 2}
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + m #3
              condition m !4
              condition m !5
            > set {"k": true, "n": 0}
              k = true
              n = 0
              subscription !5 gone
            > set {"k": false, "n": 2}
              k = false
              n = 2
              subscription !4 gone
              - #3
              + t #6
              task t !7 of nobody users [] groups []
        "#]],
    );
}
