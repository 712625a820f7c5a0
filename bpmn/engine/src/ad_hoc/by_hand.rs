//! Traces of what is cancelled by hand in ad-hoc sub-processes. The condition is asked, and the next in turn begins, as if it had ended;
//! where nothing else is left, also nothing that may begin, the sub-process is cancelled with it, as any scope.

use expect_test::expect;

use super::tests::ad_hoc;
use crate::testing::check;

#[test]
fn next_in_turn_begins_when_what_is_active_is_cancelled_by_hand() {
    check(
        &ad_hoc(" ordering='Sequential'", ""),
        "
            start
            modify cancel-all a
            complete b
            complete c
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + a #5 in #3
              task a !6 of nobody users [] groups []
            > modify cancel-all a
              task !6 gone
              - #5 canceled
              + b #7 in #3
              task b !8 of nobody users [] groups []
            > complete b
              task !8 gone
              - #7
              + c #9 in #3
              task c !10 of nobody users [] groups []
            > complete c
              task !10 gone
              - #9
              - #3
              + u #11
              task u !12 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn condition_is_asked_when_what_is_active_is_cancelled_by_hand() {
    check(
        &ad_hoc("", "<completionCondition>= done</completionCondition>"),
        r#"
            start {"done": false}
            modify cancel #6
            modify cancel #8
            leaves
            choose a
            set {"done": true}
            modify cancel #11
        "#,
        expect![[r#"
            > start {"done": false}
              started at s
              done = false
              + s #2
              - #2
              + p #3
              + a #6 in #3
              task a !7 of nobody users [] groups []
              + b #8 in #3
              task b !9 of nobody users [] groups []
            > modify cancel #6
              task !7 gone
              - #6 canceled
            > modify cancel #8
              task !9 gone
              - #8 canceled
            > leaves
              a #4: may begin
              b #5: may begin
            > choose a
              + a #11 in #3
              task a !12 of nobody users [] groups []
            > set {"done": true}
              done = true
            > modify cancel #11
              task !12 gone
              - #11 canceled
              - #3
              + u #13
              task u !14 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn what_is_awaited_after_the_condition_and_is_cancelled_by_hand_takes_the_scope_with_it() {
    check(
        &ad_hoc(" cancelRemainingInstances='false'", "<completionCondition>= done</completionCondition>"),
        r#"
            start
            complete a {"done": true}
            modify cancel-all b
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + a #6 in #3
              task a !7 of nobody users [] groups []
              + b #8 in #3
              task b !9 of nobody users [] groups []
            > complete a {"done": true}
              task !7 gone
              done = true
              - #6
            > modify cancel-all b
              task !9 gone
              - #8 canceled
              - #3 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
        "#]],
    );
}
