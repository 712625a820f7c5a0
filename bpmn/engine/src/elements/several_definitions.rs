//! Traces of boundary events with several definitions: any of them triggers the event, or all must have happened.

use expect_test::expect;

use crate::testing::check;

#[test]
fn any_of_several_definitions_triggers_the_event() {
    let model = "<startEvent id='s'/><userTask id='a'/><boundaryEvent id='b' attachedToRef='a' cancelActivity='false'>\
                 <messageEventDefinition messageRef='msg'/><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
                 </boundaryEvent><task id='t'/>{s>a}{b>t}";
    check(
        model,
        "
            start
            message b
            run !5
            complete a
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
            > message b
              subscription !4 gone
              subscription b !7 'paid'
              + b #8
              - #8
              + t #9
              - #9
            > run !5
              job !5 gone
              + b #10
              - #10
              + t #11
              - #11
            > complete a
              task !6 gone
              subscription !7 gone
              - #3
              ended: Completed
              end
        "#]],
    );
}

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
              job Timer vs !8 due 150000, 3 left, 0 failed
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
              job Timer vs !14 due 210000, 3 left, 0 failed
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
              subscription b !5 'paid'
              subscription !4 gone
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
              subscription b !5 'paid'
              subscription !4 gone
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
