//! Traces of listeners for timeouts of user tasks.

use expect_test::expect;

use crate::testing::check;

/// A user task `u` with these listeners, before a user task `v`.
fn listened(listeners: &str) -> String {
    format!("<startEvent id='s'/><userTask id='u'><extensionElements>{listeners}</extensionElements></userTask><userTask id='v'/>{{s>u>v}}")
}

/// A listener for a timeout by this timer, which does this.
fn timeout(does: &str, timer: &str) -> String {
    format!(
        "<camunda:taskListener id='t' event='timeout' {does}><timerEventDefinition>{timer}</timerEventDefinition></camunda:taskListener>"
    )
}

#[test]
fn timeout_calls_its_listener_as_often_as_it_says_while_the_task_is_there() {
    check(
        &listened(&timeout("class='Remind'", "<timeCycle>R2/PT10S</timeCycle>")),
        r#"
            start
            leaves
            at 10000
            run !4
            return {"reminded": 1}
            run !4
            at 20000
            run u
            crash
            run u
            return
            complete u
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              job Timeout { listener: 0 } u !4 due 10000, 3 left, 0 failed
              task u !5 of nobody users [] groups []
            > leaves
              u #3: task of nobody until 10000
            > at 10000
            > run !4
              job !4 gone
              job Timeout { listener: 0 } u !6 due 20000, 3 left, 0 failed
              call timeout u !7 attempt 1, 2 left {}
            > return {"reminded": 1}
              reminded = 1
            > run !4
              rejected: nothing waits under number 4
            > at 20000
            > run u
              job !6 gone
              call timeout u !8 attempt 1, 2 left {reminded: 1}
            > crash
            > run u
              job !6 gone
              call timeout u !8 attempt 1, 2 left {reminded: 1}
            > return
            > complete u
              task !5 gone
              - #3
              + v #9
              task v !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn timeout_is_gone_with_its_task() {
    check(
        &listened(&timeout("class='Remind'", "<timeDuration>PT10S</timeDuration>")),
        "
            start
            complete !5
            run !4
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              job Timeout { listener: 0 } u !4 due 10000, 3 left, 0 failed
              task u !5 of nobody users [] groups []
            > complete !5
              task !5 gone
              job !4 gone
              - #3
              + v #6
              task v !7 of nobody users [] groups []
            > run !4
              rejected: nothing waits under number 4
        "#]],
    );
}

#[test]
fn each_timeout_calls_its_own_listener_and_may_compute() {
    let first = timeout("expression='${missing}'", "<timeDuration>${patience}</timeDuration>");
    let second = timeout("delegateExpression='${remind}'", "<timeDate>1970-01-01T00:01:00Z</timeDate>");
    check(
        &listened(&format!("<camunda:taskListener event='create' expression='${{patience}}'/>{first}{second}")),
        r#"
            start {"patience": "PT10S"}
            at 60000
            run !5
            return
            run !4
            fail !4
            anew !4 creation
        "#,
        expect![[r#"
            > start {"patience": "PT10S"}
              started at s
              patience = "PT10S"
              + s #2
              - #2
              + u #3
              job Timeout { listener: 1 } u !4 due 10000, 3 left, 0 failed
              job Timeout { listener: 2 } u !5 due 60000, 3 left, 0 failed
              task u !6 of nobody users [] groups []
            > at 60000
            > run !5
              job !5 gone
              call timeout u !7 attempt 1, 2 left {patience: "PT10S"}
            > return
            > run !4
              failed: EXPRESSION_FAILED: the expression '${missing}' of 'u': Cannot resolve identifier 'missing'
            > fail !4
              job Timeout { listener: 1 } u !4 due 65733, 2 left, 1 failed
            > anew !4 creation
              job Timeout { listener: 1 } u !4 due 10000, 2 left, 1 failed
        "#]],
    );
}

#[test]
fn error_of_a_timeout_s_delegate_is_caught_on_the_task() {
    let model = listened(&timeout("class='Remind'", "<timeDuration>PT10S</timeDuration>"));
    let caught = "<boundaryEvent id='b' attachedToRef='u'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='w'/>{b>w}";
    check(
        &format!("{model}{caught}"),
        "
            start
            run !4
            error E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              job Timeout { listener: 0 } u !4 due 10000, 3 left, 0 failed
              task u !5 of nobody users [] groups []
            > run !4
              job !4 gone
              call timeout u !6 attempt 1, 2 left {}
            > error E
              task !5 gone
              - #3 canceled
              + b #7
              - #7
              + w #8
              task w !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn each_of_several_instances_has_a_timeout_of_its_own() {
    let task = listened(&timeout("class='Remind'", "<timeDuration>PT10S</timeDuration>"));
    let loops =
        "<multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>";
    check(
        &task.replacen("</extensionElements>", &format!("</extensionElements>{loops}"), 1),
        "
            start
            complete u
            run u
            return
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u body #3
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              + u #4 in #3
              job Timeout { listener: 0 } u !5 due 10000, 3 left, 0 failed
              task u !6 of nobody users [] groups []
            > complete u
              task !6 gone
              job !5 gone
              - #4
              nrOfCompletedInstances = 1 in #3
              loopCounter = 1 in #7
              + u #7 in #3
              job Timeout { listener: 0 } u !8 due 10000, 3 left, 0 failed
              task u !9 of nobody users [] groups []
            > run u
              job !8 gone
              call timeout u !10 attempt 1, 2 left {loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
            > return
        "#]],
    );
}
