//! Traces of what modifications start and cancel, where, and in which order.

use expect_test::expect;

use super::NESTED;
use crate::testing::{Run, check, parse};

#[test]
fn starting_inside_makes_the_scopes_that_are_missing_without_their_start_events() {
    check(
        NESTED,
        "
            start
            modify before c
            leaves
            complete c
            complete z
            complete u
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify before c
              + p #5
              + q #6 in #5
              + c #7 in #6
              task c !8 of nobody users [] groups []
            > leaves
              u #3: task of nobody
              c #7: task of nobody
            > complete c
              task !8 gone
              - #7
              - #6
              - #5
              + z #9
              task z !10 of nobody users [] groups []
            > complete z
              task !10 gone
              - #9
            > complete u
              task !4 gone
              - #3
              + p #11
              + ps #12 in #11
              - #12
              + a #13 in #11
              task a !14 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn cancelling_takes_the_scopes_that_it_leaves_empty_and_order_decides() {
    check(
        NESTED,
        r#"
            start
            modify cancel-all u; before b {"n": 1} local {"mine": 2}
            variables b
            modify cancel-all b; before c
            modify before b; cancel-all c
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify cancel-all u; before b {"n": 1} local {"mine": 2}
              task !4 gone
              - #3 canceled
              + p #5
              + q #6 in #5
              n = 1
              mine = 2 in #7
              + b #7 in #6
              task b !8 of nobody users [] groups []
            > variables b
              {mine: 2, n: 1}
            > modify cancel-all b; before c
              task !8 gone
              - #7 canceled
              - #6 canceled
              - #5 canceled
              + p #9
              + q #10 in #9
              + c #11 in #10
              task c !12 of nobody users [] groups []
            > modify before b; cancel-all c
              + b #13 in #10
              task b !14 of nobody users [] groups []
              task !12 gone
              - #11 canceled
        "#]],
    );
}

#[test]
fn started_scope_goes_on_where_it_ends() {
    check(
        NESTED,
        "
            start
            modify cancel #3; flow b_c
            complete c
            complete z
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify cancel #3; flow b_c
              task !4 gone
              - #3 canceled
              + p #5
              + q #6 in #5
              + c #7 in #6
              task c !8 of nobody users [] groups []
            > complete c
              task !8 gone
              - #7
              - #6
              - #5
              + z #9
              task z !10 of nobody users [] groups []
            > complete z
              task !10 gone
              - #9
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn ancestor_says_in_which_of_several_scopes() {
    check(
        NESTED,
        "
            start
            modify before a in #1
            modify before a in #1
            modify before b
            modify before b in #7
            modify before b in #99
            modify before b in #3
            modify before z in #5
            cancel enough
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify before a in #1
              + p #5
              + a #6 in #5
              task a !7 of nobody users [] groups []
            > modify before a in #1
              + p #8
              + a #9 in #8
              task a !10 of nobody users [] groups []
            > modify before b
              rejected: instruction 1: the scope of 'b' is ambiguous: 2 instances of 'p' are active; name one as the ancestor
            > modify before b in #7
              rejected: instruction 1: there is no activity instance with number 7
            > modify before b in #99
              rejected: instruction 1: there is no activity instance with number 99
            > modify before b in #3
              rejected: instruction 1: activity instance 3 is no scope around 'b'
            > modify before z in #5
              rejected: instruction 1: activity instance 5 is no scope around 'z'
            > cancel enough
              task !4 gone
              - #3 canceled
              task !7 gone
              - #6 canceled
              - #5 canceled
              task !10 gone
              - #9 canceled
              - #8 canceled
              ended: ExternallyTerminated (enough)
              end
        "#]],
    );
}

#[test]
fn instance_ends_when_nothing_is_left() {
    check(
        NESTED,
        "
            start
            modify cancel-all u
            modify before u
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify cancel-all u
              task !4 gone
              - #3 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
            > modify before u
              rejected: the instance has ended
        "#]],
    );
}

#[test]
fn instance_of_which_the_last_token_has_come_to_its_end_is_completed() {
    check(
        "<startEvent id='s'/><userTask id='u'/><task id='t'/>{s>u>t}",
        "
            start
            modify cancel-all u; before t
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify cancel-all u; before t
              task !4 gone
              - #3 canceled
              + t #5
              - #5
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn stays_as_long_as_instructions_are_left() {
    check(
        "<startEvent id='s'/><userTask id='u'/><task id='t'/>{s>u>t}",
        "
            start
            modify cancel #1; before t; before u
            modify
            leaves
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify cancel #1; before t; before u
              task !4 gone
              - #3 canceled
              + t #5
              - #5
              + u #6
              task u !7 of nobody users [] groups []
            > modify
            > leaves
              u #6: task of nobody
        "#]],
    );
}

#[test]
fn what_the_instructions_before_have_taken_is_not_there() {
    check(
        NESTED,
        "
            start
            modify before b; cancel #3; cancel #3
            modify before b; before q; before b
            leaves
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify before b; cancel #3; cancel #3
              failed: MODIFICATION_REFUSED: instruction 3: there is no activity instance with number 3
            > modify before b; before q; before b
              failed: MODIFICATION_REFUSED: instruction 3: the scope of 'b' is ambiguous: 2 instances of 'q' are active; name one as the ancestor
            > leaves
              u #3: task of nobody
        "#]],
    );
}

#[test]
fn only_what_was_there_before_is_cancelled_if_the_instruction_says_so() {
    check(
        "<startEvent id='s'/><userTask id='u'/>{s>u}",
        "
            start
            modify before u; cancel-current u
            modify before u; cancel-all u
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify before u; cancel-current u
              + u #5
              task u !6 of nobody users [] groups []
              task !4 gone
              - #3 canceled
            > modify before u; cancel-all u
              + u #7
              task u !8 of nobody users [] groups []
              task !6 gone
              - #5 canceled
              task !8 gone
              - #7 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
        "#]],
    );
}

#[test]
fn flow_is_taken_whatever_its_condition_says() {
    check(
        "<startEvent id='s'/><userTask id='u'/><exclusiveGateway id='x' default='x_b'/><userTask id='a'/><userTask id='b'/>{s>u>x}{x>a ? false}{x>b}",
        "
            start
            modify flow x_a
            modify flow u_x
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify flow x_a
              + a #5
              task a !6 of nobody users [] groups []
            > modify flow u_x
              + x #7
              - #7
              + b #8
              task b !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn refused_instruction_changes_nothing_of_what_is_stored() {
    let definition = parse(NESTED);
    let mut run = Run::new(&definition);
    for line in ["start", "modify before b", "modify before z; cancel #3; cancel-transition #3"] {
        run.line(line);
    }
    assert_eq!(run.instance, run.stored);
    assert!(run.trace.ends_with("  rejected: instruction 3: there is no transition instance with number 3\n"), "{}", run.trace);
}
