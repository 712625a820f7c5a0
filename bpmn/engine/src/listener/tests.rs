//! Traces of listeners.

use std::collections::BTreeSet;

use expect_test::expect;

use crate::testing::{Run, check, parse, several, watching};
use crate::{Catch, CatchKind};

/// A delegate that listens.
fn on(event: &str) -> String {
    format!("<camunda:executionListener event='{event}' class='Log'/>")
}

/// Extension elements.
fn with(elements: &str) -> String {
    format!("<extensionElements>{elements}</extensionElements>")
}

#[test]
fn start_listeners_come_after_the_inputs_and_end_listeners_before_the_outputs() {
    let mapped = "<camunda:inputOutput><camunda:inputParameter name='x'>= n</camunda:inputParameter>\
                  <camunda:outputParameter name='y'>= x * 10</camunda:outputParameter></camunda:inputOutput>";
    check(
        &format!(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'>{}</serviceTask><userTask id='u'/>{{s>a}}{{a>u ? n = 1}}",
            with(&(mapped.to_owned() + &on("start") + &on("end") + &on("start")))
        ),
        r#"
            start {"n": 1}
            leaves
            return {"x": 2}
            return {"seen": true}
            return
            return {"x": 3, "n": 5}
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + a #3
              x = 1 in #3
              call start a !4 attempt 1, 0 left {n: 1, x: 1}
            > leaves
              a #3: running
            > return {"x": 2}
              x = 2 in #3
              call start a !5 attempt 1, 0 left {n: 1, x: 2}
            > return {"seen": true}
              seen = true
              call a !6 attempt 1, 0 left {n: 1, seen: true, x: 2}
            > return
              call end a !7 attempt 1, 0 left {n: 1, seen: true, x: 2}
            > return {"x": 3, "n": 5}
              n = 5
              x = 3 in #3
              y = 30
              - #3
              + u #8
              task u !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn process_and_its_flows_have_listeners() {
    check(
        &format!(
            "{}<startEvent id='s'/><userTask id='u'/><endEvent id='e'/><sequenceFlow id='s_u' sourceRef='s' targetRef='u'>{}\
             </sequenceFlow><sequenceFlow id='u_e' sourceRef='u' targetRef='e'>{}</sequenceFlow>",
            with(&(on("start") + &on("end"))),
            with("<camunda:executionListener expression='${n}'/><camunda:executionListener class='Log'/>"),
            with("<camunda:executionListener event='take' delegateExpression='${log}'/>"),
        ),
        r#"
            start
            return {"n": 1}
            return {"n": 2}
            complete u
            return
            leaves
            return {"last": true}
        "#,
        expect![[r#"
            > start
              started at s
              call start process !2 attempt 1, 0 left {}
            > return {"n": 1}
              n = 1
              + s #3
              - #3
              call take s !4 attempt 1, 0 left {n: 1}
            > return {"n": 2}
              n = 2
              + u #5
              task u !6 of nobody users [] groups []
            > complete u
              task !6 gone
              - #5
              call take u !7 attempt 1, 0 left {n: 2}
            > return
              + e #8
              - #8
              call end process !9 attempt 1, 0 left {n: 2}
            > leaves
            > return {"last": true}
              last = true
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn expressions_and_scripts_are_evaluated_for_their_errors() {
    let listeners = "<camunda:executionListener event='start' expression='= null'/>\
                     <camunda:executionListener event='end'><camunda:script scriptFormat='juel'>${missing}</camunda:script>\
                     </camunda:executionListener>";
    check(
        &format!("<startEvent id='s'/><task id='a' camunda:asyncBefore='true'>{}</task>{{s>a}}", with(listeners)),
        r#"
            start
            run a
            set {"missing": null}
            run a
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              job AsyncBefore a !4 due 0, 3 left, 0 failed
            > run a
              failed: EXPRESSION_FAILED: the expression '${missing}' of 'a': Cannot resolve identifier 'missing'
            > set {"missing": null}
              missing = null
            > run a
              job !4 gone
              + a #3
              - #3
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn user_task_tells_of_its_life() {
    let listeners = "<camunda:taskListener event='create' class='Tell'/><camunda:taskListener event='assignment' expression='${who}'/>\
                     <camunda:taskListener event='update' expression='${what}'/><camunda:taskListener event='complete' class='Tell'/>";
    check(
        &format!("<startEvent id='s'/><userTask id='u'>{}</userTask>{{s>u}}", with(listeners)),
        r#"
            start
            return {"what": 1}
            claim u ann
            set {"who": 1}
            claim u ann
            claim u ann
            complete u {"ok": true}
            return
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
              call create u !5 attempt 1, 0 left {}
            > return {"what": 1}
              what = 1
            > claim u ann
              failed: EXPRESSION_FAILED: the expression '${who}' of 'u': Cannot resolve identifier 'who'
            > set {"who": 1}
              who = 1
            > claim u ann
              task u !4 of ann users [] groups []
            > claim u ann
            > complete u {"ok": true}
              ok = true
              call complete u !6 attempt 1, 0 left {ok: true, what: 1, who: 1}
            > return
              task !4 gone
              - #3
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn error_of_a_listener_is_caught_where_the_activity_is() {
    let boundary = "<boundaryEvent id='b' attachedToRef='a'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='v'/>{b>v}";
    for event in ["start", "end"] {
        check(
            &format!("<startEvent id='s'/><serviceTask id='a' camunda:class='A'>{}</serviceTask>{{s>a}}{boundary}", with(&on(event))),
            if event == "start" { "start\n error E" } else { "start\n return\n error E" },
            if event == "start" {
                expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  call start a !4 attempt 1, 0 left {}
                > error E
                  - #3 canceled
                  + b #5
                  - #5
                  + v #6
                  task v !7 of nobody users [] groups []
            "#]]
            } else {
                expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {}
                > return
                  call end a !5 attempt 1, 0 left {}
                > error E
                  - #3 canceled
                  + b #6
                  - #6
                  + v #7
                  task v !8 of nobody users [] groups []
            "#]]
            },
        );
    }
}

#[test]
fn error_on_a_flow_is_caught_around_it_and_none_at_the_end_of_the_process() {
    check(
        &format!(
            "{}<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/><endEvent id='pe'/>{{ps>u}}\
             <sequenceFlow id='u_pe' sourceRef='u' targetRef='pe'>{}</sequenceFlow></subProcess>\
             <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err'/></boundaryEvent><endEvent id='e'/>{{s>p}}{{b>e}}",
            with(&on("end")),
            with("<camunda:executionListener class='Log'/>"),
        ),
        "
            start
            complete u
            error E
            error E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + u #5 in #3
              task u !6 of nobody users [] groups []
            > complete u
              task !6 gone
              - #5
              call take u !7 attempt 1, 0 left {}
            > error E
              - #3 canceled
              + b #8
              - #8
              + e #9
              - #9
              call end process !10 attempt 1, 0 left {}
            > error E
              failed: UNHANDLED_BPMN_ERROR: BPMN error 'E', which nothing catches: no
        "#]],
    );
}

#[test]
fn error_that_is_caught_around_the_call_ends_the_called_instance() {
    let ends = |elements: &str, lines: [&str; 2]| {
        let definition = parse(elements);
        let catch = Catch { kind: CatchKind::Error, code: None };
        let mut run = Run::called(&definition, crate::call::crossing::caller(1, vec![catch]));
        for line in lines {
            run.line(line);
        }
        run.trace.contains("tell caller !4: 1 Error { code: \"E\"")
    };
    let task = format!("<startEvent id='s'/><task id='a'>{}</task>{{s>a}}", with(&on("start")));
    assert!(ends(&task, ["start", "error E"]));
    let process = format!("{}<startEvent id='s'/>", with(&on("start")));
    assert!(!ends(&process, ["start", "error E"]), "of the process itself nobody catches it");
}

#[test]
fn error_where_a_scope_begins_or_ends_is_caught_outside_of_it() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'>{}<startEvent id='ps'/><endEvent id='pe'/>{{ps>pe}}{}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition/></boundaryEvent><exclusiveGateway id='x'/>{{s>x>p}}{{b>x}}",
            with(&(on("start") + &on("end"))),
            watching("", "<errorEventDefinition errorRef='err'/>"),
        ),
        "
            start
            error E
            return
            error E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + x #3
              - #3
              + p #4
              call start p !5 attempt 1, 0 left {}
            > error E
              - #4 canceled
              + b #6
              - #6
              + x #7
              - #7
              + p #8
              call start p !9 attempt 1, 0 left {}
            > return
              + ps #10 in #8
              - #10
              + pe #11 in #8
              - #11
              call end p !12 attempt 1, 0 left {}
            > error E
              - #8 canceled
              + b #13
              - #13
              + x #14
              - #14
              + p #15
              call start p !16 attempt 1, 0 left {}
        "#]],
    );
}

#[test]
fn each_of_several_instances_calls_them_and_the_body_does_not() {
    check(
        &several("task id='a'", "><loopCardinality>2</loopCardinality>", &with(&(on("start") + &on("end")))),
        "
            start
            return
            return
            return
            return
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
              call start a !6 attempt 1, 0 left {loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
            > return
              call end a !7 attempt 1, 0 left {loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
            > return
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
              + a #5 in #3
              call start a !8 attempt 1, 0 left {loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
            > return
              call end a !9 attempt 1, 0 left {loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
            > return
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + u #10
              task u !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn deferred_start_calls_them_behind_its_job() {
    check(
        &format!("{}<startEvent id='s' camunda:asyncBefore='true'/><userTask id='u'/>{{s>u}}", with(&on("start"))),
        "
            start-deferred
            run s
            return
            run s
        ",
        expect![[r#"
            > start-deferred
              started at s
              job Start s !3 due 0, 3 left, 0 failed
            > run s
              job !3 gone
              call start process !4 attempt 1, 2 left {}
            > return
              job AsyncBefore s !5 due 0, 3 left, 0 failed
            > run s
              job !5 gone
              + s #2
              - #2
              + u #6
              task u !7 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn end_listener_of_an_escalation_is_called_when_its_catcher_has_run() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><intermediateThrowEvent id='t'>{}\
             <escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent><userTask id='u'/>{{ps>t>u}}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p' cancelActivity='false'><escalationEventDefinition escalationRef='esc'/></boundaryEvent>\
             <userTask id='v'/>{{s>p}}{{b>v}}",
            with(&on("end"))
        ),
        "
            start
            return
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + t #5 in #3
              + b #6
              - #6
              + v #7
              task v !8 of nobody users [] groups []
              call end t !9 attempt 1, 0 left {}
            > return
              - #5
              + u #10 in #3
              task u !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn unit_that_runs_again_makes_the_same_keys_all_of_them_distinct() {
    let listening = with(&(on("start") + &on("start") + &on("end")));
    let model = format!(
        "<startEvent id='s'/><task id='b' camunda:asyncBefore='true'/><serviceTask id='a' camunda:class='A'>{listening}</serviceTask>\
         <exclusiveGateway id='x' default='x_e'/><endEvent id='e'/>{{s>b>a}}{{x>a ? n > 0}}{{x>e}}\
         <sequenceFlow id='a_x' sourceRef='a' targetRef='x'>{}</sequenceFlow>",
        with("<camunda:executionListener class='Log'/>"),
    );
    let definition = parse(&model);
    let mut run = Run::new(&definition);
    run.line("start {\"n\": 1}");
    let turns = |run: &mut Run<'_>| {
        run.line("run b");
        (0..9).for_each(|_| run.line("return"));
        run.line("crash");
        run.line("set {\"other\": true}");
    };
    turns(&mut run);
    turns(&mut run);
    let keys = run.keys("a");
    let (first, second) = keys.split_at(keys.len() / 2);
    assert_eq!((first, first.len()), (second, 10), "the tenth call is the last of the second turn");
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 10);
}

#[test]
fn modification_calls_them_unless_it_says_not_to() {
    check(
        &format!(
            "{}<startEvent id='s'/><userTask id='u'>{}</userTask><task id='a'>{}</task>{{s>u}}",
            with(&(on("start") + &on("end"))),
            with(&on("start")),
            with(&on("end")),
        ),
        r#"
            begin before u
            return
            return
            modify silent: before a
            modify before a
            return
            modify-deferred silent: before u
            modify-deferred before u
            complete u
            run u
            return
            complete u
            return
        "#,
        expect![[r#"
            > begin before u
              started at u
              call start process !2 attempt 1, 0 left {}
            > return
              + u #3
              call start u !4 attempt 1, 0 left {}
            > return
              task u !5 of nobody users [] groups []
            > modify silent: before a
              + a #6
              - #6
            > modify before a
              + a #7
              call end a !8 attempt 1, 0 left {}
            > return
              - #7
            > modify-deferred silent: before u
              rejected: listeners cannot be skipped here: what is started goes on in jobs of its own, because the instance is suspended or the chain may send commands
            > modify-deferred before u
              job AsyncBefore u !10 due 0, 3 left, 0 failed
            > complete u
              task !5 gone
              - #3
            > run u
              job !10 gone
              + u #9
              call start u !11 attempt 1, 2 left {}
            > return
              task u !12 of nobody users [] groups []
            > complete u
              task !12 gone
              - #9
              call end process !13 attempt 1, 0 left {}
            > return
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn modification_that_is_deferred_calls_none() {
    check(
        &format!("{}<startEvent id='s'/><userTask id='u'/>{{s>u}}", with(&on("start"))),
        "
            begin-deferred before u
        ",
        expect![[r#"
            > begin-deferred before u
              failed: MODIFICATION_REFUSED: a listener's delegate would be called here, in a unit of work that is deferred for it or for other delegates with commands
        "#]],
    );
}
