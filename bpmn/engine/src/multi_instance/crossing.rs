//! Traces of several instances and what crosses them: scopes, joins, boundary events, errors, jobs.

use expect_test::expect;

use crate::testing::{check, several};

#[test]
fn sub_process_runs_in_scopes_of_their_own() {
    check(
        &several(
            "subProcess id='a'",
            " camunda:collection='items' camunda:elementVariable='item'>",
            "<startEvent id='as'/><serviceTask id='w' camunda:class='W'/><userTask id='t'/>{as>w>t}",
        ),
        r#"
            start {"items": [{"n": 1}, {"n": 2}]}
            return
            return
            complete t
            complete t
        "#,
        expect![[r#"
            > start {"items": [{"n": 1}, {"n": 2}]}
              started at s
              items = [{"n":1},{"n":2}]
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              item = {"n":1} in #4
              loopCounter = 0 in #4
              item = {"n":2} in #5
              loopCounter = 1 in #5
              + a #4 in #3
              + as #6 in #4
              - #6
              + w #7 in #4
              call w !8 attempt 1, 0 left {item: {"n":1}, items: [{"n":1},{"n":2}], loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
            > return
              - #7
              + t #9 in #4
              task t !10 of nobody users [] groups []
              + a #5 in #3
              + as #11 in #5
              - #11
              + w #12 in #5
              call w !13 attempt 1, 0 left {item: {"n":2}, items: [{"n":1},{"n":2}], loopCounter: 1, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
            > return
              - #12
              + t #14 in #5
              task t !15 of nobody users [] groups []
            > complete t
              task !10 gone
              - #9
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > complete t
              task !15 gone
              - #14
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + u #16
              task u !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn nested_bodies_and_joins_inside_keep_apart() {
    check(
        &several(
            "subProcess id='a'",
            "><loopCardinality>2</loopCardinality>",
            "<startEvent id='as'/><task id='f'/><userTask id='t'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>2</loopCardinality>\
             </multiInstanceLoopCharacteristics></userTask><userTask id='o'/><parallelGateway id='j'/>{as>f}{f>t>j}{f>o>j}",
        ),
        "
            start
            complete o
            leaves
            complete t
            complete t
            complete t
            complete o
            complete t
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
              + f #7 in #4
              - #7
              + t body #8 in #4
              nrOfActiveInstances = 1 in #8
              nrOfCompletedInstances = 0 in #8
              nrOfInstances = 2 in #8
              loopCounter = 0 in #9
              + t #9 in #8
              task t !10 of nobody users [] groups []
              + o #11 in #4
              task o !12 of nobody users [] groups []
              + a #5 in #3
              + as #13 in #5
              - #13
              + f #14 in #5
              - #14
              + t body #15 in #5
              nrOfActiveInstances = 1 in #15
              nrOfCompletedInstances = 0 in #15
              nrOfInstances = 2 in #15
              loopCounter = 0 in #16
              + t #16 in #15
              task t !17 of nobody users [] groups []
              + o #18 in #5
              task o !19 of nobody users [] groups []
            > complete o
              task !12 gone
              - #11
              + j #20 in #4
            > leaves
              t #9: task of nobody
              t #16: task of nobody
              o #18: task of nobody
              j #20: join, missing t_j
            > complete t
              task !10 gone
              - #9
              nrOfCompletedInstances = 1 in #8
              loopCounter = 1 in #21
              + t #21 in #8
              task t !22 of nobody users [] groups []
            > complete t
              task !17 gone
              - #16
              nrOfCompletedInstances = 1 in #15
              loopCounter = 1 in #23
              + t #23 in #15
              task t !24 of nobody users [] groups []
            > complete t
              task !22 gone
              - #21
              nrOfCompletedInstances = 2 in #8
              - #8
              + j #25 in #4
              - #20
              - #25
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > complete o
              task !19 gone
              - #18
              + j #26 in #5
            > complete t
              task !24 gone
              - #23
              nrOfCompletedInstances = 2 in #15
              - #15
              + j #27 in #5
              - #26
              - #27
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + u #28
              task u !29 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn terminate_ends_one_instance() {
    check(
        &several(
            "subProcess id='a'",
            "><loopCardinality>2</loopCardinality>",
            "<startEvent id='as'/><userTask id='t'/><userTask id='o'/><endEvent id='x'><terminateEventDefinition/></endEvent>{as>t>x}{as>o}",
        ),
        "
            start
            complete t
            complete t
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
              + o #9 in #4
              task o !10 of nobody users [] groups []
              + a #5 in #3
              + as #11 in #5
              - #11
              + t #12 in #5
              task t !13 of nobody users [] groups []
              + o #14 in #5
              task o !15 of nobody users [] groups []
            > complete t
              task !8 gone
              - #7
              + x #16 in #4
              task !10 gone
              - #9 canceled
              - #16
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > complete t
              task !13 gone
              - #12
              + x #17 in #5
              task !15 gone
              - #14 canceled
              - #17
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + u #18
              task u !19 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn boundary_timer_watches_all_instances_together() {
    check(
        &format!(
            "{}<boundaryEvent id='t' attachedToRef='a'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
             </boundaryEvent><userTask id='late'/>{{t>late}}",
            several("userTask id='a'", "><loopCardinality>2</loopCardinality>", "")
        ),
        "
            start
            leaves
            complete a
            run t
            complete !8
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              job Timer t !4 due 60000, 3 left, 0 failed
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #5
              loopCounter = 1 in #6
              + a #5 in #3
              task a !7 of nobody users [] groups []
              + a #6 in #3
              task a !8 of nobody users [] groups []
            > leaves
              a #5: task of nobody
              a #6: task of nobody
            > complete a
              task !7 gone
              - #5
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > run t
              job !4 gone
              task !8 gone
              - #6 canceled
              - #3 canceled
              + t #9
              - #9
              + late #10
              task late !11 of nobody users [] groups []
            > complete !8
              rejected: nothing waits under number 8
        "#]],
    );
}

#[test]
fn business_error_of_one_instance_cancels_all() {
    check(
        &format!(
            "{}<boundaryEvent id='b' attachedToRef='a'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='sorry'/>{{b>sorry}}",
            several("serviceTask id='a' camunda:type='external' camunda:topic='t'", "><loopCardinality>2</loopCardinality>", "")
        ),
        r#"
            start
            throw !7 E {"why": "sold out"}
        "#,
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
              external task a !6 't' priority 0
              + a #5 in #3
              external task a !7 't' priority 0
            > throw !7 E {"why": "sold out"}
              why = "sold out"
              external task !6 gone
              - #4 canceled
              external task !7 gone
              - #5 canceled
              - #3 canceled
              + b #8
              - #8
              + sorry #9
              task sorry !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn jobs_stand_around_the_body_and_around_each_instance() {
    check(
        &several(
            "serviceTask id='a' camunda:class='A' camunda:asyncBefore='true' camunda:asyncAfter='true'",
            " camunda:collection='items' camunda:elementVariable='item' camunda:asyncBefore='true' camunda:asyncAfter='true' \
             camunda:exclusive='false'><extensionElements><camunda:failedJobRetryTimeCycle>R5/PT1S</camunda:failedJobRetryTimeCycle>\
             </extensionElements><completionCondition>= item = \"x\"</completionCondition>",
            "",
        ),
        r#"
            start {"items": ["x", "y"]}
            leaves
            run a
            leaves
            fail !8
            run !7
            return
            leaves
            run !11
            run a
        "#,
        expect![[r#"
            > start {"items": ["x", "y"]}
              started at s
              items = ["x","y"]
              + s #2
              - #2
              job AsyncBefore a !4 due 0, 3 left, 0 failed
            > leaves
              a #3: job, attempt 1, 3 left, due 0 until 0
            > run a
              job !4 gone
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              item = "x" in #5
              loopCounter = 0 in #5
              item = "y" in #6
              loopCounter = 1 in #6
              job AsyncBefore a !7 due 0, 5 left, 0 failed not exclusive
              job AsyncBefore a !8 due 0, 5 left, 0 failed not exclusive
            > leaves
              a #5: job, attempt 1, 5 left, due 0 until 0
              a #6: job, attempt 1, 5 left, due 0 until 0
            > fail !8
              job AsyncBefore a !8 due 1000, 4 left, 1 failed not exclusive
            > run !7
              job !7 gone
              + a #5 in #3
              call a !9 attempt 1, 4 left {item: "x", items: ["x","y"], loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
            > return
              - #5
              item = "x" in #10
              loopCounter = 0 in #10
              job AsyncAfter a !11 due 0, 5 left, 0 failed not exclusive
            > leaves
              a #6: job, attempt 2, 4 left, due 1000 until 1000
              a #10: job, attempt 1, 5 left, due 0 until 0
            > run !11
              job !11 gone
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
              item removed in #10
              loopCounter removed in #10
              job !8 gone
              item removed in #6
              loopCounter removed in #6
              - #3
              job AsyncAfter a !13 due 0, 3 left, 0 failed
            > run a
              job !13 gone
              + u #14
              task u !15 of nobody users [] groups []
        "#]],
    );
}
