//! Traces of standard loops: bodies like those of a sequence, which a condition ends.

use expect_test::expect;

use crate::testing::{TIMER, check};

/// `s > a > u`, where `a` is an activity of this kind with a standard loop: attributes, `>`, and what stands in it.
fn looped(open: &str, loops: &str, inside: &str) -> String {
    let kind = open.split(' ').next().expect("it names a kind");
    let loops = format!("<standardLoopCharacteristics{loops}</standardLoopCharacteristics>");
    format!("<startEvent id='s'/><{open}>{loops}{inside}</{kind}><userTask id='u'/>{{s>a>u}}")
}

#[test]
fn condition_behind_each_turn_lets_the_first_one_run_in_any_case() {
    check(
        &looped("userTask id='a'", "><loopCondition>= again</loopCondition>", ""),
        r#"
            start {"again": false}
            complete a {"again": true}
            variables a
            leaves
            complete a {"again": false}
        "#,
        expect![[r#"
            > start {"again": false}
              started at s
              again = false
              + s #2
              - #2
              + a body #3
              loopCounter = 1 in #3
              + a #4 in #3
              task a !5 of nobody users [] groups []
            > complete a {"again": true}
              task !5 gone
              again = true
              - #4
              loopCounter = 2 in #3
              + a #6 in #3
              task a !7 of nobody users [] groups []
            > variables a
              {again: true, loopCounter: 2}
            > leaves
              a #6: task of nobody
            > complete a {"again": false}
              task !7 gone
              again = false
              - #6
              - #3
              + u #8
              task u !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn condition_before_each_turn_may_let_none_run() {
    check(
        &looped("userTask id='a'", " testBefore='true'><loopCondition>${loopCounter &lt; n}</loopCondition>", ""),
        r#"
            start {"n": 0}
        "#,
        expect![[r#"
            > start {"n": 0}
              started at s
              n = 0
              + s #2
              - #2
              + a body #3
              loopCounter = 0 in #3
              - #3
              + u #4
              task u !5 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn counter_is_how_many_turns_have_begun_before_and_in_a_turn() {
    check(
        &looped("serviceTask id='a' camunda:class='A'", " testBefore='true'><loopCondition>= loopCounter &lt; 2</loopCondition>", ""),
        "
            start
            return
            return
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              loopCounter = 0 in #3
              loopCounter = 1 in #3
              + a #4 in #3
              call a !5 attempt 1, 0 left {loopCounter: 1}
            > return
              - #4
              loopCounter = 2 in #3
              + a #6 in #3
              call a !7 attempt 1, 0 left {loopCounter: 2}
            > return
              - #6
              - #3
              + u #8
              task u !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn maximum_ends_what_the_condition_does_not() {
    check(
        &looped("subProcess id='a'", " loopMaximum='2'><loopCondition>= true</loopCondition>", "<startEvent id='as'/><task id='t'/>{as>t}"),
        "start",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              loopCounter = 1 in #3
              + a #4 in #3
              + as #5 in #4
              - #5
              + t #6 in #4
              - #6
              - #4
              loopCounter = 2 in #3
              + a #7 in #3
              + as #8 in #7
              - #8
              + t #9 in #7
              - #9
              - #7
              - #3
              + u #10
              task u !11 of nobody users [] groups []
        "#]],
    );
    check(
        &looped("task id='a'", " loopMaximum='0'>", ""),
        "start",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              - #3
              + u #4
              task u !5 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn loop_without_a_wait_and_an_end_is_a_failure() {
    check(
        &looped("task id='a'", "><loopCondition>= true</loopCondition>", ""),
        "start",
        expect![[r#"
            > start
              failed: STEP_LIMIT: one unit of work entered more than 100000 elements; a loop without a wait state?
        "#]],
    );
}

#[test]
fn boundary_event_watches_all_turns_together() {
    check(
        &format!(
            "{}<boundaryEvent id='t' attachedToRef='a'>{TIMER}</boundaryEvent><userTask id='late'/>{{t>late}}",
            looped("userTask id='a'", "><loopCondition>= true</loopCondition>", "")
        ),
        "
            start
            complete a
            run t
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              job Timer t !4 due 60000, 3 left, 0 failed
              loopCounter = 1 in #3
              + a #5 in #3
              task a !6 of nobody users [] groups []
            > complete a
              task !6 gone
              - #5
              loopCounter = 2 in #3
              + a #7 in #3
              task a !8 of nobody users [] groups []
            > run t
              job !4 gone
              task !8 gone
              - #7 canceled
              - #3 canceled
              + t #9
              - #9
              + late #10
              task late !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn condition_that_is_no_boolean_fails_and_null_ends_the_loop() {
    check(
        &looped("userTask id='a'", "><loopCondition>= again</loopCondition>", ""),
        r#"
            start
            complete a {"again": 3}
            complete a
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              loopCounter = 1 in #3
              + a #4 in #3
              task a !5 of nobody users [] groups []
            > complete a {"again": 3}
              failed: EXPRESSION_FAILED: the expression '= again' of 'a': gives number, not boolean
            > complete a
              task !5 gone
              - #4
              - #3
              + u #6
              task u !7 of nobody users [] groups []
        "#]],
    );
}
