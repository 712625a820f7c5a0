//! Undefined and manual tasks: nothing for an engine to do (BPMN 2.0, 10.3.3).

use super::{At, Behaviour, Next};
use crate::input::Failure;

pub(super) struct Task;

impl Behaviour for Task {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(at.leave())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn passes_through_in_one_unit() {
        check(
            "<startEvent id='s'/><task id='a'/><manualTask id='b'/><endEvent id='e'/>{s>a>b>e}",
            r#"
                start {"n": 1}
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn several_flows_are_all_taken_and_each_token_enters_a_merge() {
        check(
            "<startEvent id='s'/><task id='a'/><task id='b'/><task id='c'/><userTask id='u'/><endEvent id='e'/>{s>a}{a>b>u}\
             {a>c>u}{u>e}",
            "
                start
                complete u
                complete u
            ",
            expect![[""]],
        );
    }

    #[test]
    fn async_before_and_after_end_units() {
        check(
            "<startEvent id='s'/>\
             <task id='a' camunda:asyncBefore='true' camunda:asyncAfter='true' camunda:exclusive='false'/><endEvent id='e'/>\
             {s>a>e}",
            "
                start
                leaves
                run a
                leaves
                run a
            ",
            expect![[""]],
        );
    }

    #[test]
    fn async_after_has_a_job_for_each_flow() {
        check(
            "<startEvent id='s'/><task id='a' camunda:asyncAfter='true'/><task id='b'/><userTask id='c'/>{s>a}{a>b}{a>c}",
            "
                start
                run a
                run a
                complete c
            ",
            expect![[""]],
        );
    }

    #[test]
    fn async_after_at_an_end_consumes_the_token_later() {
        check(
            "<startEvent id='s'/><endEvent id='e' camunda:asyncAfter='true'/>{s>e}",
            "
                start
                run e
            ",
            expect![[""]],
        );
    }

    #[test]
    fn loop_without_a_wait_state_hits_the_step_limit() {
        check("<startEvent id='s'/><task id='a'/><task id='b'/>{s>a>b>a}", "start", expect![[""]]);
    }
}
