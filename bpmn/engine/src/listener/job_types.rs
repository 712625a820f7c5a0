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
