//! Traces of boundary events with several definitions of which any triggers the event. That all must have happened is `all_of.rs`'s.

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
