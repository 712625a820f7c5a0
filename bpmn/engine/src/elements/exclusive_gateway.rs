//! The exclusive gateway (BPMN 2.0, 13.4.2; Camunda `ExclusiveGatewayActivityBehavior`).

use super::{At, Behaviour, Next};
use crate::input::Failure;

pub(super) struct ExclusiveGateway;

impl Behaviour for ExclusiveGateway {
    /// Takes the first flow, in document order, whose condition is true or that has none; the default flow if there is no such. No flow at
    /// all consumes the token.
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        at.leave_by_one()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn first_true_condition_in_document_order_wins() {
        check(
            "<startEvent id='s'/><exclusiveGateway id='x'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>{s>x}\
             {x>a ? n > 5}{x>b ? n > 1}{x>c ? n > 0}",
            r#"
                start {"n": 3}
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + b #4
                  task b !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn default_flow_is_taken_last() {
        check(
            "<startEvent id='s'/><exclusiveGateway id='x' default='x_a'/><userTask id='a'/><userTask id='b'/>{s>x}{x>a}\
             {x>b ? n > 1}",
            r#"
                start {"n": 1}
                cancel
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                > cancel
                  task !5 gone
                  - #4 canceled
                  ended: ExternallyTerminated
                  end
            "#]],
        );
    }

    #[test]
    fn null_is_not_true_and_no_flow_fails_the_unit() {
        check(
            "<startEvent id='s'/><exclusiveGateway id='x'/><userTask id='a'/><userTask id='b'/>{s>x}{x>a ? n > 5}\
             {x>b ? unknown > 1}",
            r#"
                start {"n": 3}
                start {"n": 6}
            "#,
            expect![[r#"
                > start {"n": 3}
                  failed: NO_FLOW_TAKEN: no condition of a flow out of 'x' is true and it has no default flow (there is no variable 'unknown'; > needs two values of one kind that have an order, not null and number)
                > start {"n": 6}
                  started at s
                  n = 6
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn condition_that_is_no_boolean_is_a_mistake() {
        check(
            "<startEvent id='s'/><exclusiveGateway id='x' default='x_b'/><userTask id='a'/><userTask id='b'/>{s>x}{x>a ? n}\
             {x>b}",
            r#"
                start {"n": 3}
            "#,
            expect![[r#"
                > start {"n": 3}
                  failed: EXPRESSION_FAILED: the expression '= n' of 'x': gives number, not boolean
            "#]],
        );
    }

    /// As in Camunda 7, which takes it for the default flow.
    #[test]
    fn only_flow_without_a_condition_is_taken_when_its_turn_comes() {
        check(
            "<startEvent id='s'/><exclusiveGateway id='x'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>{s>x}{x>a ? n > 5}{x>b}{x>c ? n > 0}",
            r#"
                start {"n": 3}
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + b #4
                  task b !5 of nobody users [] groups []
            "#]],
        );
    }
}
