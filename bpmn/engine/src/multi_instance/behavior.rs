//! Traces of what instances throw when they have ended (`behavior`).

use expect_test::expect;

use crate::testing::check;

/// `s > a > u`, where three instances of `a` throw an escalation, and a boundary event `b` leads to `late`.
fn throwing(behavior: &str, inside: &str, boundary: &str) -> String {
    format!(
        "<startEvent id='s'/><userTask id='a'><multiInstanceLoopCharacteristics{behavior}><loopCardinality>3</loopCardinality>{inside}\
         </multiInstanceLoopCharacteristics></userTask><userTask id='u'/><boundaryEvent id='b' attachedToRef='a'{boundary}>\
         <escalationEventDefinition/></boundaryEvent><task id='late'/>{{s>a>u}}{{b>late}}"
    )
}

#[test]
fn each_instance_throws_and_others_go_on() {
    check(
        &throwing(" behavior='None' noneBehaviorEventRef='reused'", "", " cancelActivity='false'"),
        "
            start
            complete a
            complete a
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              loopCounter = 2 in #6
              + a #4 in #3
              task a !7 of nobody users [] groups []
              + a #5 in #3
              task a !8 of nobody users [] groups []
              + a #6 in #3
              task a !9 of nobody users [] groups []
            > complete a
              task !7 gone
              - #4
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
              + b #10
              - #10
              + late #11
              - #11
            > complete a
              task !8 gone
              - #5
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 2 in #3
              + b #12
              - #12
              + late #13
              - #13
            > complete a
              task !9 gone
              - #6
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 3 in #3
              + b #14
              - #14
              + late #15
              - #15
              - #3
              + u #16
              task u !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn first_instance_throws_and_the_others_go_on_although_what_catches_it_interrupts() {
    check(
        &throwing(" isSequential='true' behavior='One' oneBehaviorEventRef='reused'", "", ""),
        "
            start
            complete a
            complete a
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #4
              + a #4 in #3
              task a !5 of nobody users [] groups []
            > complete a
              task !5 gone
              - #4
              nrOfCompletedInstances = 1 in #3
              + b #6
              - #6
              + late #7
              - #7
              loopCounter = 1 in #8
              + a #8 in #3
              task a !9 of nobody users [] groups []
            > complete a
              task !9 gone
              - #8
              nrOfCompletedInstances = 2 in #3
              loopCounter = 2 in #10
              + a #10 in #3
              task a !11 of nobody users [] groups []
            > complete a
              task !11 gone
              - #10
              nrOfCompletedInstances = 3 in #3
              - #3
              + u #12
              task u !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instance_throws_when_the_condition_is_true() {
    let complex = "<complexBehaviorDefinition><condition>= nrOfCompletedInstances = 2</condition><event id='ev'><escalationEventDefinition \
                   escalationRef='esc'/></event></complexBehaviorDefinition>";
    check(
        &throwing(" behavior='Complex'", complex, " cancelActivity='false'"),
        "
            start
            complete a
            complete a
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              loopCounter = 2 in #6
              + a #4 in #3
              task a !7 of nobody users [] groups []
              + a #5 in #3
              task a !8 of nobody users [] groups []
              + a #6 in #3
              task a !9 of nobody users [] groups []
            > complete a
              task !7 gone
              - #4
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
            > complete a
              task !8 gone
              - #5
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 2 in #3
              + b #10
              - #10
              + late #11
              - #11
            > complete a
              task !9 gone
              - #6
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 3 in #3
              - #3
              + u #12
              task u !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instance_that_throws_by_a_condition_to_what_interrupts_ends_the_others() {
    let complex = "<complexBehaviorDefinition><condition>= true</condition><event id='ev'><escalationEventDefinition escalationRef='esc'/></event>\
                   </complexBehaviorDefinition>";
    check(
        &throwing(" behavior='Complex'", complex, ""),
        "
            start
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              loopCounter = 2 in #6
              + a #4 in #3
              task a !7 of nobody users [] groups []
              + a #5 in #3
              task a !8 of nobody users [] groups []
              + a #6 in #3
              task a !9 of nobody users [] groups []
            > complete a
              task !7 gone
              - #4
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
              + b #10
              - #10
              + late #11
              - #11
              task !8 gone
              - #5 canceled
              task !9 gone
              - #6 canceled
              - #3
              + u #12
              task u !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_that_an_instance_throws_ends_the_activity() {
    let complex = "<complexBehaviorDefinition><condition>= true</condition><event id='ev'><errorEventDefinition errorRef='err'/></event>\
                   </complexBehaviorDefinition>";
    let model = throwing(" behavior='Complex'", complex, "").replace("<escalationEventDefinition/>", "<errorEventDefinition/>");
    check(
        &model,
        "
            start
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              loopCounter = 2 in #6
              + a #4 in #3
              task a !7 of nobody users [] groups []
              + a #5 in #3
              task a !8 of nobody users [] groups []
              + a #6 in #3
              task a !9 of nobody users [] groups []
            > complete a
              task !7 gone
              - #4
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
              task !8 gone
              - #5 canceled
              task !9 gone
              - #6 canceled
              - #3 canceled
              + b #10
              - #10
              + late #11
              - #11
              ended: Completed
              end
        "#]],
    );
}
