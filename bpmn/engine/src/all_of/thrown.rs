//! Traces of what is thrown inside as one of all.

use expect_test::expect;

use crate::call::crossing::caller;
use crate::effect::Effect;
use crate::testing::{MESSAGE, Run, check, parse, watching};
use crate::variable::Variables;
use crate::{Catch, CatchKind, Chain, Input, step};

#[test]
fn escalation_is_one_of_all_and_what_throws_it_goes_on() {
    let model = |cancel: bool| {
        format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><intermediateThrowEvent id='x'><escalationEventDefinition escalationRef='esc'/>\
             </intermediateThrowEvent><userTask id='a'/><intermediateThrowEvent id='y'><escalationEventDefinition escalationRef='esc'/>\
             </intermediateThrowEvent><userTask id='c'/>{{ps>x>a>y>c}}</subProcess><boundaryEvent id='b' attachedToRef='p' parallelMultiple='true' \
             cancelActivity='{cancel}'>{MESSAGE}<escalationEventDefinition escalationRef='esc' camunda:escalationCodeVariable='code'/></boundaryEvent>\
             <userTask id='t'/>{{s>p}}{{b>t}}"
        )
    };
    check(
        &model(true),
        "
            start
            message b
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              subscription b !4 'paid'
              + ps #5 in #3
              - #5
              + x #6 in #3
              code = "LATE"
              - #6
              + a #7 in #3
              task a !8 of nobody users [] groups []
            > message b
              subscription !4 gone
              task !8 gone
              - #7 canceled
              - #3 canceled
              + b #9
              - #9
              + t #10
              task t !11 of nobody users [] groups []
        "#]],
    );
    check(
        &model(true),
        "
            start
            complete a
            message b
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              subscription b !4 'paid'
              + ps #5 in #3
              - #5
              + x #6 in #3
              code = "LATE"
              - #6
              + a #7 in #3
              task a !8 of nobody users [] groups []
            > complete a
              task !8 gone
              - #7
              + y #9 in #3
              code = "LATE"
              - #9
              + c #10 in #3
              task c !11 of nobody users [] groups []
            > message b
              subscription !4 gone
              task !11 gone
              - #10 canceled
              - #3 canceled
              + b #12
              - #12
              + t #13
              task t !14 of nobody users [] groups []
        "#]],
    );
    check(
        &model(false),
        "
            start
            message !4
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              subscription b !4 'paid'
              + ps #5 in #3
              - #5
              + x #6 in #3
              code = "LATE"
              - #6
              + a #7 in #3
              task a !8 of nobody users [] groups []
            > message !4
              subscription !4 gone
              subscription b !9 'paid'
              + b #10
              - #10
              + t #11
              task t !12 of nobody users [] groups []
            > complete a
              task !8 gone
              - #7
              + y #13 in #3
              code = "LATE"
              - #13
              + c #14 in #3
              task c !15 of nobody users [] groups []
        "#]],
    );
}

/// The message of the event sub-process is not waited for any more, so that an escalation would be lost there.
#[test]
fn escalation_goes_outward_past_an_event_that_can_not_happen_any_more() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='a'/>{{ps>a}}<subProcess id='w' triggeredByEvent='true'>\
             <startEvent id='ws'><messageEventDefinition messageRef='msg2'/></startEvent><intermediateThrowEvent id='x'><escalationEventDefinition \
             escalationRef='esc'/></intermediateThrowEvent>{{ws>x}}</subProcess>{}</subProcess><boundaryEvent id='b' attachedToRef='p'>\
             <escalationEventDefinition/></boundaryEvent><userTask id='t'/>{{s>p}}{{b>t}}",
            watching(" parallelMultiple='true'", &format!("<escalationEventDefinition escalationRef='esc'/>{MESSAGE}"))
        ),
        "
            start
            message ws
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              subscription ws !4 'changed'
              subscription vs !5 'paid'
              + ps #6 in #3
              - #6
              + a #7 in #3
              task a !8 of nobody users [] groups []
            > message ws
              subscription !4 gone
              task !8 gone
              - #7 canceled
              subscription !5 gone
              + w #9 in #3
              + ws #10 in #9
              - #10
              + x #11 in #9
              - #11 canceled
              - #9 canceled
              - #3 canceled
              + b #12
              - #12
              + t #13
              task t !14 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_is_caught_as_the_last_of_all_and_otherwise_goes_outward() {
    let model = format!(
        "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='a'/><boundaryEvent id='b' attachedToRef='a' \
         parallelMultiple='true'>{MESSAGE}<errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='t'/>{{ps>a}}{{b>t}}</subProcess>\
         <boundaryEvent id='o' attachedToRef='p'><errorEventDefinition/></boundaryEvent><userTask id='outside'/>{{s>p}}{{o>outside}}"
    );
    check(
        &model,
        "
            start
            message b
            answer a E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              subscription b !6 'paid'
              task a !7 of nobody users [] groups []
            > message b
              subscription !6 gone
            > answer a E
              task !7 gone
              - #5 canceled
              + b #8 in #3
              - #8
              + t #9 in #3
              task t !10 of nobody users [] groups []
        "#]],
    );
    check(
        &model,
        "
            start
            answer a E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              subscription b !6 'paid'
              task a !7 of nobody users [] groups []
            > answer a E
              subscription !6 gone
              task !7 gone
              - #5 canceled
              - #3 canceled
              + o #8
              - #8
              + outside #9
              task outside !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn escalation_of_a_called_process_is_one_of_all() {
    check(
        &format!(
            "<startEvent id='s'/><callActivity id='c' calledElement='other'/><boundaryEvent id='b' attachedToRef='c' parallelMultiple='true'>\
             {MESSAGE}<escalationEventDefinition escalationRef='esc'/></boundaryEvent><userTask id='t'/>{{s>c}}{{b>t}}"
        ),
        "
            start
            hear c escalation LATE {}
            message b
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              subscription b !4 'paid'
              #3 calls
              process call c !5 'other' Latest {}
            > hear c escalation LATE {}
            > message b
              subscription !4 gone
              process call !5 ends it: InternallyTerminated None
              - #3 canceled
              + b #6
              - #6
              + t #7
              task t !8 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_of_a_called_process_is_not_caught_by_one_of_all_around_the_call() {
    let definition = parse(&format!(
        "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><callActivity id='c' calledElement='other'/>{{ps>c}}</subProcess>\
         <boundaryEvent id='b' attachedToRef='p' parallelMultiple='true'>{MESSAGE}<errorEventDefinition errorRef='err'/></boundaryEvent>\
         <userTask id='t'/>{{s>p}}{{b>t}}"
    ));
    let mut instance = Run::new(&definition).instance;
    let input = Input::Start { element: definition.find("s").expect("it is there"), variables: Variables::new(), chain: Chain::AtOnce };
    let effects = step(&definition, &mut instance, input, 0).expect("it starts");
    let call = effects.iter().find_map(|effect| if let Effect::CallProcess(call) = effect { Some(call) } else { None });
    assert_eq!(call.expect("it calls").caller.catches, []);
}

#[test]
fn complex_behavior_ends_the_other_instances_only_when_all_have_happened() {
    let definition = parse(&format!(
        "<startEvent id='s'/><userTask id='a'><multiInstanceLoopCharacteristics behavior='Complex'><loopCardinality>3</loopCardinality>\
         <complexBehaviorDefinition><condition>= true</condition><event id='ev'><escalationEventDefinition escalationRef='esc'/></event>\
         </complexBehaviorDefinition></multiInstanceLoopCharacteristics></userTask><boundaryEvent id='b' attachedToRef='a' \
         parallelMultiple='true'>{MESSAGE}<escalationEventDefinition/></boundaryEvent><userTask id='t'/>{{s>a}}{{b>t}}"
    ));
    let mut run = Run::new(&definition);
    for (line, tasks) in [("start", 3), ("complete a", 2), ("message b", 1)] {
        run.line(line);
        assert_eq!(run.instance.tasks().count(), tasks, "{line}: {}", run.trace);
    }
    assert_eq!(run.instance.tasks().next().map(|task| task.element), definition.find("t"), "the event has happened");
}

#[test]
fn what_instances_throw_is_one_of_all() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='a'><multiInstanceLoopCharacteristics behavior='None' noneBehaviorEventRef='reused'><loopCardinality>2\
             </loopCardinality></multiInstanceLoopCharacteristics></userTask><boundaryEvent id='b' attachedToRef='a' parallelMultiple='true' \
             cancelActivity='false'>{MESSAGE}<escalationEventDefinition/></boundaryEvent><userTask id='t'/>{{s>a}}{{b>t}}"
        ),
        "
            start
            complete a
            message b
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              subscription b !4 'paid'
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #5
              loopCounter = 1 in #6
              + a #5 in #3
              task a !7 of nobody users [] groups []
              + a #6 in #3
              task a !8 of nobody users [] groups []
            > complete a
              task !7 gone
              - #5
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > message b
              subscription !4 gone
              subscription b !9 'paid'
              + b #10
              - #10
              + t #11
              task t !12 of nobody users [] groups []
            > complete a
              task !8 gone
              - #6
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              subscription !9 gone
              - #3
        "#]],
    );
}

/// What had happened before the interruption is gone with what was waited for; were it not, one escalation would be enough from then on.
#[test]
fn scope_that_was_interrupted_remembers_nothing_of_its_events() {
    let thrown = "<escalationEventDefinition escalationRef='esc'/><escalationEventDefinition escalationRef='esc2'/>";
    check(
        &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching(" parallelMultiple='true'", thrown)),
        "
            start
            escalate u LATE
            escalate u LOST
            modify before u; cancel #5
            escalate u LATE
            escalate u LOST
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > escalate u LATE
              task u !4 of nobody users [] groups []
            > escalate u LOST
              task u !4 of nobody users [] groups []
              task !4 gone
              - #3 canceled
              + v #5
              + vs #6 in #5
              - #6
              + handle #7 in #5
              task handle !8 of nobody users [] groups []
            > modify before u; cancel #5
              + u #9
              task u !10 of nobody users [] groups []
              task !8 gone
              - #7 canceled
              - #5 canceled
            > escalate u LATE
              task u !10 of nobody users [] groups []
            > escalate u LOST
              task u !10 of nobody users [] groups []
              task !10 gone
              - #9 canceled
              + v #11
              + vs #12 in #11
              - #12
              + handle #13 in #11
              task handle !14 of nobody users [] groups []
        "#]],
    );
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'/>{{s>u}}{}",
            watching(" parallelMultiple='true'", &format!("{MESSAGE}<escalationEventDefinition escalationRef='esc'/>"))
        ),
        "
            start
            message vs
            modify before vs; before u
            leaves
            escalate u LATE
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + u #4
              task u !5 of nobody users [] groups []
            > message vs
              subscription !2 gone
            > modify before vs; before u
              task !5 gone
              - #4 canceled
              + v #6
              + vs #7 in #6
              - #7
              + handle #8 in #6
              task handle !9 of nobody users [] groups []
              + u #10
              task u !11 of nobody users [] groups []
            > leaves
              handle #8: task of nobody
              u #10: task of nobody
            > escalate u LATE
              rejected: nothing catches the escalation 'LATE' of the task
        "#]],
    );
}

/// Only the caller knows whether the escalation is the last of all, and it is to hear of it before what it interrupts goes on.
#[test]
fn called_process_that_may_be_interrupted_stops_when_it_has_said_so() {
    let definition = parse(
        "<startEvent id='s'/><parallelGateway id='f'/><intermediateThrowEvent id='x'><escalationEventDefinition escalationRef='esc'/>\
         </intermediateThrowEvent><task id='t'/><task id='o'/>{s>f}{f>x>t}{f>o}",
    );
    let mut run = Run::called(&definition, caller(1, vec![Catch { kind: CatchKind::EscalationOfSeveral, code: None }]));
    for line in ["start", "run t", "run o"] {
        run.line(line);
    }
    expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + f #3
          - #3
          + x #4
          tell caller !4: 1 Escalation { code: Some("LATE"), ended: false } {}
          - #4
          job AsyncBefore t !6 due 0, 3 left, 0 failed
          job AsyncBefore o !8 due 0, 3 left, 0 failed
        > run t
          job !6 gone
          + t #5
          - #5
        > run o
          job !8 gone
          + o #7
          - #7
          tell caller !4: 2 Completed {}
          ended: Completed
          end
    "#]]
    .assert_eq(&run.trace);
    let reported = parse(
        "<startEvent id='s'/><userTask id='u'/>{s>u}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>\
         <conditionalEventDefinition><condition>${x == 1}</condition></conditionalEventDefinition></startEvent><serviceTask id='a' camunda:class='A'/>\
         {vs>a}</subProcess>",
    );
    let mut run = Run::called(&reported, caller(1, vec![Catch { kind: CatchKind::EscalationOfSeveral, code: None }]));
    for line in ["start", r#"escalate u LATE {"x": 1}"#] {
        run.line(line);
    }
    expect![[r#"
        > start
          started at s
          condition vs !2
          + s #3
          - #3
          + u #4
          task u !5 of nobody users [] groups []
        > escalate u LATE {"x": 1}
          task u !5 of nobody users [] groups []
          x = 1
          tell caller !4: 1 Escalation { code: Some("LATE"), ended: false } {x: 1}
          job AsyncBefore v !7 due 0, 3 left, 0 failed
    "#]]
    .assert_eq(&run.trace);
    let around = parse(&format!(
        "<startEvent id='s'/><callActivity id='c' calledElement='other'/><boundaryEvent id='b' attachedToRef='c' parallelMultiple='true'>\
         {MESSAGE}<escalationEventDefinition escalationRef='esc'/></boundaryEvent><userTask id='t'/>{{s>c}}{{b>t}}"
    ));
    let mut instance = Run::new(&around).instance;
    let input = Input::Start { element: around.find("s").expect("it is there"), variables: Variables::new(), chain: Chain::AtOnce };
    let effects = step(&around, &mut instance, input, 0).expect("it starts");
    let call = effects.iter().find_map(|effect| if let Effect::CallProcess(call) = effect { Some(call) } else { None });
    assert_eq!(call.expect("it calls").caller.catches[0].kind, CatchKind::EscalationOfSeveral);
}
