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
              - #3
              + u #14
              task u !15 of nobody users [] groups []
              + b #16
              - #16
              + late #17
              - #17
        "#]],
    );
}

#[test]
fn first_instance_throws_and_what_catches_it_interrupts() {
    check(
        &throwing(" isSequential='true' behavior='One' oneBehaviorEventRef='reused'", "", ""),
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
              - #3 canceled
              + b #6
              - #6
              + late #7
              - #7
              ended: Completed
              end
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
