//! Traces of Camunda 8's listeners, whose job types name delegates.

use expect_test::expect;

use crate::testing::check;

#[test]
fn job_types_of_camunda_8_are_called_as_delegates() {
    let listener = |kind: &str, event: &str, name: &str| format!("<zeebe:{kind}Listener eventType='{event}' type='{name}'/>");
    let execution = listener("execution", "start", "begin") + &listener("execution", "end", "finish");
    let task = listener("task", "creating", "tell") + &listener("task", "assigning", "tell") + &listener("task", "completing", "tell");
    let listeners =
        format!("<zeebe:executionListeners>{execution}</zeebe:executionListeners><zeebe:taskListeners>{task}</zeebe:taskListeners>");
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u' camunda:assignee='ann'><extensionElements>{listeners}</extensionElements></userTask>{{s>u}}"
        ),
        r#"
            start
            return {"n": 1}
            return
            return
            complete u {"m": 2}
            return
            return
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              call start u !4 attempt 1, 0 left {}
            > return {"n": 1}
              n = 1
              task u !5 of ann users [] groups []
              call create u !6 attempt 1, 0 left {n: 1}
            > return
              call assignment u !7 attempt 1, 0 left {n: 1}
            > return
            > complete u {"m": 2}
              m = 2
              call complete u !8 attempt 1, 0 left {m: 2, n: 1}
            > return
              task !5 gone
              call end u !9 attempt 1, 0 left {m: 2, n: 1}
            > return
              - #3
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn activities_and_gateways_that_camunda_7_refuses_have_listeners_as_well() {
    let on = |event| format!("<camunda:executionListener event='{event}' class='Log'/>");
    let listeners = format!("<extensionElements>{}{}</extensionElements>", on("start"), on("end"));
    check(
        &format!(
            "<startEvent id='s'/><adHocSubProcess id='p'>{listeners}<task id='a'/></adHocSubProcess><complexGateway id='g'>{listeners}</complexGateway>\
             <userTask id='u'/>{{s>p>g}}{{g>u ? true}}"
        ),
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
              + p #3
              call start p !4 attempt 1, 0 left {}
            > return
              + a #5 in #3
              - #5
              call end p !6 attempt 1, 0 left {}
            > return
              - #3
              + g #7
              call start g !8 attempt 1, 0 left {}
            > return
              activationCount = 1 in #7
              waitingForStart = true in #7
              call end g !9 attempt 1, 0 left {activationCount: 1, waitingForStart: true}
            > return
              - #7
              + u #10
              task u !11 of nobody users [] groups []
        "#]],
    );
}
