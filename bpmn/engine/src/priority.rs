//! The priority of jobs, `camunda:jobPriority`, and that which operators give an external task.

use std::sync::Arc;

use mandate_model::ElementIndex;

use crate::effect::Effect;
use crate::elements::At;
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::step::Machine;

/// The priority of a job of which nobody says one (Camunda `DefaultPriorityProvider`).
const DEFAULT: i64 = 0;

impl Machine<'_> {
    /// The priority of a job that is about to be made.
    pub(crate) fn priority(&self, activity: ActivityId, element: ElementIndex) -> Result<i64, Failure> {
        At::new(self.definition, self.instance, activity, self.moment).attached(element).job_priority()
    }

    /// Another priority of an external task, from an operator. Whoever has fetched it keeps it.
    pub(crate) fn set_external_task_priority(&mut self, wait: WaitId, priority: i64) {
        let task = Arc::make_mut(self.instance.external_tasks.get_mut(&wait).expect("admit::check found the external task"));
        task.priority = priority;
        self.effects.push(Effect::PutExternalTask(task.clone()));
    }
}

impl At<'_> {
    /// The priority of this element's jobs: its own, else its process's, with the variables as they are now. As in Camunda 7
    /// (`DefaultPriorityProvider`) an expression that cannot be evaluated gives the default and stops nobody, and one that gives something
    /// else than a whole number fails the unit.
    pub(crate) fn job_priority(&self) -> Result<i64, Failure> {
        let Some(expression) = self.element().job_priority.as_ref().or(self.process().job_priority.as_ref()) else { return Ok(DEFAULT) };
        match self.evaluate(expression) {
            Ok(value) => Ok(self.whole_of(expression, &value)?.unwrap_or(DEFAULT)),
            Err(_) => Ok(DEFAULT),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use mandate_feel::Expression;

    use crate::testing::{Run, check, check_definition, parse};

    #[test]
    fn job_has_the_priority_of_its_element_as_it_is_when_the_job_is_made() {
        check(
            "<startEvent id='s'/><userTask id='u' camunda:asyncBefore='true' camunda:jobPriority='${n}'/>\
             <boundaryEvent id='b' attachedToRef='u' cancelActivity='false' camunda:jobPriority='-3'><timerEventDefinition><timeCycle>R3/PT10S</timeCycle>\
             </timerEventDefinition></boundaryEvent><task id='v' camunda:asyncAfter='true'/>{s>u>v}",
            r#"
                start {"n": 7}
                set {"n": 9}
                run u
                priority b 12
                at 10000
                run b
                complete u
            "#,
            expect![[r#"
                > start {"n": 7}
                  started at s
                  n = 7
                  + s #2
                  - #2
                  job AsyncBefore u !4 due 0, 3 left, 0 failed priority 7
                > set {"n": 9}
                  n = 9
                > run u
                  job !4 gone
                  + u #3
                  job Timer b !5 due 10000, 3 left, 0 failed priority -3
                  task u !6 of nobody users [] groups []
                > priority b 12
                  job Timer b !5 due 10000, 3 left, 0 failed priority 12
                > at 10000
                > run b
                  job !5 gone
                  job Timer b !7 due 20000, 3 left, 0 failed priority 12
                  + b #8
                  - #8
                > complete u
                  task !6 gone
                  job !7 gone
                  - #3
                  + v #9
                  - #9
                  job AsyncAfter v !11 due 10000, 3 left, 0 failed
            "#]],
        );
    }

    #[test]
    fn process_says_it_for_elements_that_do_not() {
        let model = "<startEvent id='s'/><task id='a' camunda:asyncBefore='true'/><task id='b' camunda:asyncBefore='true' camunda:jobPriority='0'/>\
                     <subProcess id='many' camunda:asyncBefore='true' camunda:jobPriority='5'><multiInstanceLoopCharacteristics camunda:asyncBefore='true'>\
                     <loopCardinality>1</loopCardinality></multiInstanceLoopCharacteristics><task id='c'/></subProcess>{s>a>b>many}";
        let mut definition = parse(model);
        definition.elements[0].job_priority = Some(Expression::parse("${n}").unwrap());
        check_definition(
            &definition,
            r#"
                start {"n": 40}
                run a
                run b
                run many
            "#,
            expect![[r#"
                > start {"n": 40}
                  started at s
                  n = 40
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed priority 40
                > run a
                  job !4 gone
                  + a #3
                  - #3
                  job AsyncBefore b !6 due 0, 3 left, 0 failed
                > run b
                  job !6 gone
                  + b #5
                  - #5
                  job AsyncBefore many !8 due 0, 3 left, 0 failed priority 5
                > run many
                  job !8 gone
                  + many body #7
                  nrOfActiveInstances = 1 in #7
                  nrOfCompletedInstances = 0 in #7
                  nrOfInstances = 1 in #7
                  loopCounter = 0 in #9
                  job AsyncBefore many !10 due 0, 3 left, 0 failed priority 5
            "#]],
        );
    }

    #[test]
    fn exclusive_jobs_that_are_due_together_take_turns_by_priority() {
        let definition = parse(
            "<startEvent id='s'/><parallelGateway id='g'/><task id='a' camunda:asyncBefore='true'/>\
             <task id='b' camunda:asyncBefore='true' camunda:jobPriority='9'/><task id='c' camunda:asyncBefore='true' camunda:jobPriority='-1'/>\
             {s>g}{g>a}{g>b}{g>c}",
        );
        let mut run = Run::new(&definition);
        run.line("start");
        let turns = |run: &Run| run.instance.exclusive_jobs().map(|job| job.priority).collect::<Vec<_>>();
        assert_eq!(turns(&run), [9, 0, -1]);
    }

    #[test]
    fn what_cannot_be_evaluated_is_the_default_and_what_is_no_number_fails_the_unit() {
        check(
            "<startEvent id='s'/><userTask id='u'/><task id='v' camunda:asyncBefore='true' camunda:jobPriority='${n}'/>{s>u>v}",
            r#"
                start
                set {"n": "high"}
                complete u
                set {"n": "50"}
                complete u
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > set {"n": "high"}
                  n = "high"
                > complete u
                  failed: EXPRESSION_FAILED: the expression '${n}' of 'v': gives string, not a whole number
                > set {"n": "50"}
                  n = "50"
                > complete u
                  task !4 gone
                  - #3
                  job AsyncBefore v !6 due 0, 3 left, 0 failed priority 50
            "#]],
        );
        check(
            "<startEvent id='s'/><task id='v' camunda:asyncBefore='true' camunda:jobPriority='${n}'/>{s>v}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore v !4 due 0, 3 left, 0 failed
            "#]],
        );
    }
}
