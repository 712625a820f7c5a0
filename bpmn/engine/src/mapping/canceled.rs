//! Traces of what is mapped out of activities that are cancelled.

use expect_test::expect;
use uuid::Uuid;

use crate::call::{Catch, CatchKind};
use crate::testing::{MESSAGE, Run, TIMER, check, parse, watching};
use crate::{Caller, InstanceId, WaitId};

/// Mappings: into the activity `l`, out of it this.
fn mapped(output: &str) -> String {
    format!(
        "<extensionElements><camunda:inputOutput><camunda:inputParameter name='l'>= 1</camunda:inputParameter>\
         <camunda:outputParameter name='o'>{output}</camunda:outputParameter></camunda:inputOutput></extensionElements>"
    )
}

fn interrupted(output: &str) -> String {
    format!(
        "<startEvent id='s'/><userTask id='u'>{}</userTask><boundaryEvent id='m' attachedToRef='u'>{MESSAGE}</boundaryEvent><boundaryEvent id='t' \
         attachedToRef='u'>{TIMER}</boundaryEvent><userTask id='v'/>{{s>u}}{{m>v}}{{t>v}}",
        mapped(output)
    )
}

#[test]
fn interrupted_activity_maps_what_it_has_and_what_comes_along() {
    check(
        &interrupted("= l + n"),
        r#"
            start
            message m {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              l = 1 in #3
              subscription m !4 'paid'
              job Timer t !5 due 60000, 3 left, 0 failed
              task u !6 of nobody users [] groups []
            > message m {"n": 2}
              subscription !4 gone
              n = 2
              o = 3
              job !5 gone
              task !6 gone
              - #3 canceled
              + m #7
              - #7
              + v #8
              task v !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn output_that_can_not_be_mapped_fails_what_cancels() {
    check(
        &interrupted("${l + n}"),
        r#"
            start
            run t
            message m
            message m {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              l = 1 in #3
              subscription m !4 'paid'
              job Timer t !5 due 60000, 3 left, 0 failed
              task u !6 of nobody users [] groups []
            > run t
              failed: EXPRESSION_FAILED: the expression '${l + n}' of 'u': Cannot resolve identifier 'n'
            > message m
              failed: EXPRESSION_FAILED: the expression '${l + n}' of 'u': Cannot resolve identifier 'n'
            > message m {"n": 2}
              subscription !4 gone
              n = 2
              o = 3
              job !5 gone
              task !6 gone
              - #3 canceled
              + m #7
              - #7
              + v #8
              task v !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_of_a_worker_maps_what_it_brings() {
    check(
        &format!(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='t'>{}</serviceTask><boundaryEvent id='e' attachedToRef='x'>\
             <errorEventDefinition errorRef='err'/></boundaryEvent>{{s>x}}",
            mapped("= n")
        ),
        r#"
            start
            throw x E {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + x #3
              l = 1 in #3
              external task x !4 't' priority 0
            > throw x E {"n": 2}
              n = 2
              o = 2
              external task !4 gone
              - #3 canceled
              + e #5
              - #5
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn event_that_escalates_maps_what_is_caught_and_nothing_where_the_instance_ends_with_it() {
    let event = "<intermediateThrowEvent id='e'><extensionElements><camunda:inputOutput><camunda:outputParameter name='o'>${code}\
                 </camunda:outputParameter></camunda:inputOutput></extensionElements><escalationEventDefinition escalationRef='esc'/>\
                 </intermediateThrowEvent>";
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/>{event}{{ps>e}}</subProcess><boundaryEvent id='b' attachedToRef='p'>\
             <escalationEventDefinition camunda:escalationCodeVariable='code'/></boundaryEvent>{{s>p}}"
        ),
        "start",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + e #5 in #3
              code = "LATE"
              o = "LATE"
              - #5 canceled
              - #3 canceled
              + b #6
              - #6
              ended: Completed
              end
        "#]],
    );
    let definition = parse(&format!("<startEvent id='s'/>{event}{{s>e}}"));
    let id = InstanceId(Uuid::from_u128(1));
    let catches = vec![Catch { kind: CatchKind::Escalation { interrupting: true }, code: None }];
    let mut run = Run::called(&definition, Caller { instance: id, wait: WaitId(5), root: id, depth: 1, catches });
    run.line("start");
    expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + e #3
          - #3 canceled
          tell caller !5: 1 Escalation { code: Some("LATE"), ended: true } {}
          ended: InternallyTerminated
          end
    "#]]
    .assert_eq(&run.trace);
}

#[test]
fn scopes_map_from_the_innermost_outward_and_what_is_terminated_does_too() {
    let nested = format!(
        "<subProcess id='p'>{}<startEvent id='ps'/><userTask id='u'>{}</userTask>{{ps>u}}</subProcess>",
        mapped("= o").replace("name='l'", "name='o'"),
        mapped("= l + 1"),
    );
    check(
        &format!("<startEvent id='s'/>{nested}{{s>p}}{}", watching("", MESSAGE)),
        "
            start
            message vs
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + p #4
              o = 1 in #4
              + ps #5 in #4
              - #5
              + u #6 in #4
              l = 1 in #6
              task u !7 of nobody users [] groups []
            > message vs
              subscription !2 gone
              o = 2 in #4
              task !7 gone
              - #6 canceled
              o = 2
              - #4 canceled
              + v #8
              + vs #9 in #8
              - #9
              + handle #10 in #8
              task handle !11 of nobody users [] groups []
        "#]],
    );
    check(
        &format!(
            "<startEvent id='s'/><parallelGateway id='f'/>{nested}<userTask id='k'/><endEvent id='e'><terminateEventDefinition/></endEvent>\
             {{s>f>p}}{{f>k>e}}"
        ),
        "
            start
            complete k
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + f #3
              - #3
              + p #4
              o = 1 in #4
              + ps #5 in #4
              - #5
              + u #6 in #4
              l = 1 in #6
              task u !7 of nobody users [] groups []
              + k #8
              task k !9 of nobody users [] groups []
            > complete k
              task !9 gone
              - #8
              + e #10
              o = 2 in #4
              task !7 gone
              - #6 canceled
              o = 2
              - #4 canceled
              - #10
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn what_is_not_begun_or_one_of_several_or_deleted_maps_nothing() {
    check(
        &format!(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a' camunda:asyncBefore='true'>{0}</userTask><userTask id='b'>{0}\
             <multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics></userTask>{{s>f>a}}{{f>b}}{1}",
            mapped("= l"),
            watching("", MESSAGE)
        ),
        "
            start
            message vs
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + f #4
              - #4
              job AsyncBefore a !6 due 0, 3 left, 0 failed
              + b body #7
              nrOfActiveInstances = 2 in #7
              nrOfCompletedInstances = 0 in #7
              nrOfInstances = 2 in #7
              loopCounter = 0 in #8
              loopCounter = 1 in #9
              + b #8 in #7
              l = 1 in #8
              task b !10 of nobody users [] groups []
              + b #9 in #7
              l = 1 in #9
              task b !11 of nobody users [] groups []
            > message vs
              subscription !2 gone
              job !6 gone
              task !10 gone
              - #8 canceled
              task !11 gone
              - #9 canceled
              - #7 canceled
              + v #12
              + vs #13 in #12
              - #13
              + handle #14 in #12
              task handle !15 of nobody users [] groups []
        "#]],
    );
    check(
        &interrupted("= l"),
        "
            start
            cancel enough
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              l = 1 in #3
              subscription m !4 'paid'
              job Timer t !5 due 60000, 3 left, 0 failed
              task u !6 of nobody users [] groups []
            > cancel enough
              subscription !4 gone
              job !5 gone
              task !6 gone
              - #3 canceled
              ended: ExternallyTerminated (enough)
              end
        "#]],
    );
}

#[test]
fn camunda_8_maps_nothing_out_of_what_is_cancelled() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'><extensionElements><zeebe:ioMapping><zeebe:output source='= 1' target='o'/></zeebe:ioMapping>\
             </extensionElements></userTask><boundaryEvent id='t' attachedToRef='u'>{TIMER}</boundaryEvent>{{s>u}}"
        ),
        "
            start
            run t
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              job Timer t !4 due 60000, 3 left, 0 failed
              task u !5 of nobody users [] groups []
            > run t
              job !4 gone
              task !5 gone
              - #3 canceled
              + t #6
              - #6
              ended: Completed
              end
        "#]],
    );
}
