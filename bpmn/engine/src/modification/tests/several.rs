//! Traces of modifications of multi-instance activities.

use expect_test::expect;

use crate::testing::{check, several};

#[test]
fn transition_instances_are_cancelled_by_their_own_name() {
    check(
        "<startEvent id='s'/><task id='a' camunda:asyncBefore='true'/><task id='b' camunda:asyncAfter='true'/><userTask id='u'/>{s>a>b>u}",
        "
            start
            modify before b; before u
            leaves
            modify cancel #3
            modify cancel-transition #9
            modify cancel-transition #3; cancel-transition #7
            modify cancel-transition #3
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              job AsyncBefore a !4 due 0, 3 left, 0 failed
            > modify before b; before u
              + b #5
              - #5
              job AsyncAfter b !7 due 0, 3 left, 0 failed
              + u #8
              task u !9 of nobody users [] groups []
            > leaves
              a #3: job, attempt 1, 3 left, due 0 until 0
              b #6: job, attempt 1, 3 left, due 0 until 0
              u #8: task of nobody
            > modify cancel #3
              rejected: instruction 1: there is no activity instance with number 3
            > modify cancel-transition #9
              rejected: instruction 1: there is no transition instance with number 9
            > modify cancel-transition #3; cancel-transition #7
              rejected: instruction 2: there is no transition instance with number 7
            > modify cancel-transition #3
              job !4 gone
        "#]],
    );
}

#[test]
fn one_more_instance_and_one_less_of_parallel_ones() {
    check(
        &several("userTask id='a'", " camunda:collection='people' camunda:elementVariable='who'>", ""),
        r#"
            start {"people": ["ann", "bob"]}
            modify before a local {"who": "carl"}
            modify cancel #4
            complete !7
            leaves
            complete a
        "#,
        expect![[r#"
            > start {"people": ["ann", "bob"]}
              started at s
              people = ["ann","bob"]
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              who = "ann" in #4
              loopCounter = 1 in #5
              who = "bob" in #5
              + a #4 in #3
              task a !6 of nobody users [] groups []
              + a #5 in #3
              task a !7 of nobody users [] groups []
            > modify before a local {"who": "carl"}
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 2 in #8
              who = "carl" in #8
              + a #8 in #3
              task a !9 of nobody users [] groups []
            > modify cancel #4
              task !6 gone
              - #4 canceled
              nrOfActiveInstances = 2 in #3
            > complete !7
              task !7 gone
              - #5
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > leaves
              a #8: task of nobody
            > complete a
              task !9 gone
              - #8
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + u #10
              task u !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instance_without_a_body_is_given_one_and_a_body_makes_all() {
    check(
        &several("userTask id='a'", "><loopCardinality>2</loopCardinality>", ""),
        "
            start
            modify cancel-all a
            begin before a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              + a #4 in #3
              task a !6 of nobody users [] groups []
              + a #5 in #3
              task a !7 of nobody users [] groups []
            > modify cancel-all a
              task !6 gone
              - #4 canceled
              nrOfActiveInstances = 1 in #3
              task !7 gone
              - #5 canceled
              - #3 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
            > begin before a
              rejected: the instance has been started already
        "#]],
    );
}

#[test]
fn bodies_are_started_and_cancelled_as_a_whole() {
    check(
        &several("userTask id='a'", "><loopCardinality>2</loopCardinality>", ""),
        "
            start
            modify before a#body; before u
            modify before a
            modify before a in #8
            modify cancel-all a#body
            modify cancel-all u; before a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              + a #4 in #3
              task a !6 of nobody users [] groups []
              + a #5 in #3
              task a !7 of nobody users [] groups []
            > modify before a#body; before u
              + a body #8
              nrOfActiveInstances = 2 in #8
              nrOfCompletedInstances = 0 in #8
              nrOfInstances = 2 in #8
              loopCounter = 0 in #9
              loopCounter = 1 in #10
              + a #9 in #8
              task a !11 of nobody users [] groups []
              + a #10 in #8
              task a !12 of nobody users [] groups []
              + u #13
              task u !14 of nobody users [] groups []
            > modify before a
              rejected: instruction 1: the scope of 'a' is ambiguous: 2 instances of the body of 'a' are active; name one as the ancestor
            > modify before a in #8
              nrOfActiveInstances = 3 in #8
              nrOfCompletedInstances = 0 in #8
              nrOfInstances = 3 in #8
              loopCounter = 2 in #15
              + a #15 in #8
              task a !16 of nobody users [] groups []
            > modify cancel-all a#body
              task !6 gone
              - #4 canceled
              task !7 gone
              - #5 canceled
              - #3 canceled
              task !11 gone
              - #9 canceled
              task !12 gone
              - #10 canceled
              task !16 gone
              - #15 canceled
              - #8 canceled
            > modify cancel-all u; before a
              task !14 gone
              - #13 canceled
              + a body #17
              nrOfActiveInstances = 1 in #17
              nrOfCompletedInstances = 0 in #17
              nrOfInstances = 1 in #17
              loopCounter = 0 in #18
              + a #18 in #17
              task a !19 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn body_that_has_ended_all_but_what_is_cancelled_goes_with_it() {
    check(
        &several("userTask id='a'", "><loopCardinality>2</loopCardinality>", ""),
        "
            start
            complete !6
            modify before u; cancel-all a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              + a #4 in #3
              task a !6 of nobody users [] groups []
              + a #5 in #3
              task a !7 of nobody users [] groups []
            > complete !6
              task !6 gone
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > modify before u; cancel-all a
              + u #8
              task u !9 of nobody users [] groups []
              task !7 gone
              - #5 canceled
              - #3 canceled
        "#]],
    );
}

#[test]
fn sequence_has_one_instance_at_a_time() {
    check(
        &several("userTask id='a'", " isSequential='true'><loopCardinality>2</loopCardinality>", ""),
        r#"
            start
            modify before a
            modify cancel-all a; before a local {"who": "ann"}
            complete a
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              + a #4 in #3
              task a !5 of nobody users [] groups []
            > modify before a
              rejected: instruction 1: 'a' is sequential: its instances are not concurrent, and one is active
            > modify cancel-all a; before a local {"who": "ann"}
              task !5 gone
              - #4 canceled
              - #3 canceled
              + a body #6
              nrOfActiveInstances = 1 in #6
              nrOfCompletedInstances = 0 in #6
              nrOfInstances = 1 in #6
              loopCounter = 0 in #7
              who = "ann" in #7
              + a #7 in #6
              task a !8 of nobody users [] groups []
            > complete a
              task !8 gone
              - #7
              nrOfCompletedInstances = 1 in #6
              - #6
              + u #9
              task u !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn scopes_inside_of_instances_are_named_or_made_with_a_body() {
    check(
        &several(
            "subProcess id='a'",
            "><loopCardinality>2</loopCardinality>",
            "<startEvent id='as'/><userTask id='t'/><userTask id='t2'/>{as>t>t2}",
        ),
        "
            start
            modify before t2
            modify before t2 in #5
            modify before t2 in #3
            modify cancel-all a; before t2
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              + a #4 in #3
              + as #6 in #4
              - #6
              + t #7 in #4
              task t !8 of nobody users [] groups []
              + a #5 in #3
              + as #9 in #5
              - #9
              + t #10 in #5
              task t !11 of nobody users [] groups []
            > modify before t2
              rejected: instruction 1: the scope of 't2' is ambiguous: 2 instances of 'a' are active; name one as the ancestor
            > modify before t2 in #5
              + t2 #12 in #5
              task t2 !13 of nobody users [] groups []
            > modify before t2 in #3
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 2 in #14
              + a #14 in #3
              + t2 #15 in #14
              task t2 !16 of nobody users [] groups []
            > modify cancel-all a; before t2
              task !8 gone
              - #7 canceled
              - #4 canceled
              nrOfActiveInstances = 2 in #3
              task !11 gone
              - #10 canceled
              task !13 gone
              - #12 canceled
              - #5 canceled
              nrOfActiveInstances = 1 in #3
              task !16 gone
              - #15 canceled
              - #14 canceled
              - #3 canceled
              + a body #17
              nrOfActiveInstances = 1 in #17
              nrOfCompletedInstances = 0 in #17
              nrOfInstances = 1 in #17
              loopCounter = 0 in #18
              + a #18 in #17
              + t2 #19 in #18
              task t2 !20 of nobody users [] groups []
        "#]],
    );
}
