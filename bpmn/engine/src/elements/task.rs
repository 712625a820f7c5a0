//! Undefined and manual tasks: nothing for an engine to do (BPMN 2.0, 10.3.3).

use super::{At, Behaviour, Next};
use crate::input::Failure;

pub(super) struct Task;

impl Behaviour for Task {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        at.leave()
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
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + a #3
                  - #3
                  + b #4
                  - #4
                  + e #5
                  - #5
                  ended: Completed
                  end
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  - #3
                  + b #4
                  - #4
                  + u #5
                  task u !6 of nobody users [] groups []
                  + c #7
                  - #7
                  + u #8
                  task u !9 of nobody users [] groups []
                > complete u
                  task !6 gone
                  - #5
                  + e #10
                  - #10
                > complete u
                  task !9 gone
                  - #8
                  + e #11
                  - #11
                  ended: Completed
                  end
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed not exclusive
                > leaves
                  a #3: job, attempt 1, 3 left, due 0 until 0
                > run a
                  job !4 gone
                  + a #3
                  - #3
                  job AsyncAfter a !6 due 0, 3 left, 0 failed not exclusive
                > leaves
                  a #5: job, attempt 1, 3 left, due 0 until 0
                > run a
                  job !6 gone
                  + e #7
                  - #7
                  ended: Completed
                  end
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  - #3
                  job AsyncAfter a !5 due 0, 3 left, 0 failed
                  job AsyncAfter a !7 due 0, 3 left, 0 failed
                > run a
                  job !5 gone
                  + b #8
                  - #8
                > run a
                  job !7 gone
                  + c #9
                  task c !10 of nobody users [] groups []
                > complete c
                  task !10 gone
                  - #9
                  ended: Completed
                  end
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + e #3
                  - #3
                  job AsyncAfter e !5 due 0, 3 left, 0 failed
                > run e
                  job !5 gone
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn loop_without_a_wait_state_hits_the_step_limit() {
        check(
            "<startEvent id='s'/><task id='a'/><task id='b'/>{s>a>b>a}",
            "start",
            expect![[r#"
                > start
                  failed: STEP_LIMIT: one unit of work entered more than 100000 elements; a loop without a wait state?
            "#]],
        );
    }
}
