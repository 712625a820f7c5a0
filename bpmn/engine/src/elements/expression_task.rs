//! Script tasks, and tasks that a `camunda:expression` does: a value, and perhaps a variable that takes it (Camunda
//! `ScriptTaskActivityBehavior`, `ServiceTaskExpressionActivityBehavior`).

use mandate_model::ExpressionTask;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for ExpressionTask {
    /// Without a result variable it is evaluated for its errors only: expressions change nothing.
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let value = at.variable_of(&self.expression)?;
        match &self.result_variable {
            Some(name) => Ok(Next::Set { name: name.clone(), value }),
            None => at.leave(),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{check, several};

    #[test]
    fn script_sets_its_result_before_conditions_are_asked() {
        check(
            "<startEvent id='s'/><scriptTask id='a' scriptFormat='feel' camunda:resultVariable='total'><script>sum(prices)</script></scriptTask>\
             <userTask id='dear'/><userTask id='cheap'/>{s>a}{a>dear ? total > 10}{a>cheap ? total &lt;= 10}",
            r#"
                start {"prices": [4, 7]}
            "#,
            expect![[r#"
                > start {"prices": [4, 7]}
                  started at s
                  prices = [4,7]
                  + s #2
                  - #2
                  + a #3
                  total = 11
                  - #3
                  + dear #4
                  task dear !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn result_replaces_the_nearest_variable_of_its_name() {
        check(
            "<startEvent id='s'/><scriptTask id='a' camunda:resultVariable='n'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='n'>${outer}</camunda:inputParameter><camunda:outputParameter name='twice'>= n</camunda:outputParameter>\
             </camunda:inputOutput></extensionElements><script>${n * 2}</script></scriptTask>\
             <serviceTask id='b' camunda:expression='${twice + 1}' camunda:resultVariable='outer'/>\
             <businessRuleTask id='c' camunda:expression='text' camunda:resultVariable='word'/><endEvent id='e'/>{s>a>b>c>e}",
            r#"
                start {"outer": 3}
            "#,
            expect![[r#"
                > start {"outer": 3}
                  started at s
                  outer = 3
                  + s #2
                  - #2
                  + a #3
                  n = 3 in #3
                  n = 6 in #3
                  twice = 6
                  - #3
                  + b #4
                  outer = 7
                  - #4
                  + c #5
                  word = "text"
                  - #5
                  + e #6
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn value_without_a_variable_is_thrown_away_but_an_error_fails_the_unit() {
        check(
            "<startEvent id='s'/><sendTask id='a' camunda:expression='${n}'/>\
             <scriptTask id='b' camunda:asyncBefore='true'><extensionElements><zeebe:script expression='= n' resultVariable='m'/></extensionElements>\
             </scriptTask><endEvent id='e'><messageEventDefinition camunda:expression='${nobody}'/></endEvent>{s>a>b>e}",
            r#"
                start {"n": null}
                run b
                set {"nobody": 1}
                run b
            "#,
            expect![[r#"
                > start {"n": null}
                  started at s
                  n = null
                  + s #2
                  - #2
                  + a #3
                  - #3
                  job AsyncBefore b !5 due 0, 3 left, 0 failed
                > run b
                  failed: EXPRESSION_FAILED: the expression '${nobody}' of 'e': Cannot resolve identifier 'nobody'
                > set {"nobody": 1}
                  nobody = 1
                > run b
                  job !5 gone
                  + b #4
                  m = null
                  - #4
                  + e #6
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn each_of_several_instances_has_a_result() {
        check(
            &several(
                "scriptTask id='a' scriptFormat='feel' camunda:resultVariable='square'",
                " isSequential='true' camunda:collection='= [2, 3]' camunda:elementVariable='n'><loopDataOutputRef>squares</loopDataOutputRef>\
                 <outputDataItem name='square'/>",
                "<script>n * n</script>",
            ),
            "
                start
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  n = 2 in #4
                  square = null in #4
                  + a #4 in #3
                  square = 4 in #4
                  - #4
                  nrOfCompletedInstances = 1 in #3
                  loopCounter = 1 in #5
                  n = 3 in #5
                  square = null in #5
                  + a #5 in #3
                  square = 9 in #5
                  - #5
                  nrOfCompletedInstances = 2 in #3
                  squares = [4,9]
                  - #3
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
    }
}
