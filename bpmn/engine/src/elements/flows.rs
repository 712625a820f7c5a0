//! Which flows a token takes out of an element: conditions, default flows, implicit forks (BPMN 2.0, 13.3.1 and 13.3.2; Camunda
//! `BpmnActivityBehavior.performOutgoingBehavior`).
//!
//! Activities, events and gateways decide alike. As in Camunda 7 a condition sees the element's own variables, for it is evaluated before
//! the output mapping. The default flow is taken when no condition is true: in the standard whatever flows without a condition are taken
//! beside it, in Camunda 7's dialect only if there are none. FEEL's null is not true; anything but a boolean is a mistake of the model. An
//! element without flows consumes its token. If it has some and none can be taken, the unit of work fails.

use mandate_feel::Value;
use mandate_model::Dialect;

use super::{At, Next};
use crate::Code;
use crate::input::Failure;
use crate::instance::Role;

impl At<'_> {
    /// Leaving by each flow whose condition is true or that has none; by the default flow if there is no such.
    pub(super) fn leave(&self) -> Result<Next, Failure> {
        self.leave_by(usize::MAX)
    }

    /// The same for the first such flow, in document order, alone.
    pub(super) fn leave_by_one(&self) -> Result<Next, Failure> {
        self.leave_by(1)
    }

    fn leave_by(&self, most: usize) -> Result<Next, Failure> {
        // From one of several instances no flow leads on: its body takes them.
        if let Role::Inner { .. } | Role::Result { .. } = self.instance.at(self.activity).role {
            return Ok(Next::Leave(Vec::new()));
        }
        let element = self.element();
        let (mut taken, mut decided) = (Vec::new(), false);
        let mut nulls = String::new();
        for &flow in element.outgoing.iter().filter(|flow| Some(**flow) != element.default_flow) {
            let is_taken = match &self.definition.flow(flow).condition {
                None => {
                    decided |= self.definition.dialect == Dialect::Camunda7;
                    true
                }
                Some(condition) => match self.evaluate(condition)? {
                    Value::Boolean(is_true) => {
                        decided |= is_true;
                        is_true
                    }
                    Value::Null => {
                        nulls += &self.why_null(condition);
                        false
                    }
                    other => return Err(self.mismatch(condition, "boolean", &other)),
                },
            };
            if is_taken {
                taken.push(flow);
                if taken.len() == most {
                    break;
                }
            }
        }
        if !decided && taken.len() < most {
            taken.extend(element.default_flow);
        }
        if taken.is_empty() && !element.outgoing.is_empty() {
            let message = format!("no condition of a flow out of '{}' is true and it has no default flow{nulls}", element.id);
            return Err(Failure::by_policy(Code::NoFlowTaken, self.index, message));
        }
        Ok(Next::Leave(taken))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn each_true_condition_is_taken_beside_the_flow_without_one() {
        check(
            "<startEvent id='s'/><userTask id='u'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>{s>u}{u>a ? n > 1}\
             {u>b ? n > 5}{u>c}",
            r#"
                start {"n": 3}
                complete u
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u
                  task !4 gone
                  - #3
                  + a #5
                  task a !6 of nobody users [] groups []
                  + c #7
                  task c !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn default_flow_is_taken_only_when_nothing_else_is() {
        let model = "<startEvent id='s'/><task id='t' default='t_d'/><userTask id='a'/><userTask id='b'/><userTask id='d'/>{s>t}\
                     {t>a ? n > 1}{t>b ? n > 5}{t>d}";
        check(
            model,
            r#"start {"n": 9}"#,
            expect![[r#"
            > start {"n": 9}
              started at s
              n = 9
              + s #2
              - #2
              + t #3
              - #3
              + a #4
              task a !5 of nobody users [] groups []
              + b #6
              task b !7 of nobody users [] groups []
        "#]],
        );
        check(
            model,
            r#"start {"n": 0}"#,
            expect![[r#"
            > start {"n": 0}
              started at s
              n = 0
              + s #2
              - #2
              + t #3
              - #3
              + d #4
              task d !5 of nobody users [] groups []
        "#]],
        );
    }

    #[test]
    fn default_flow_beside_a_flow_without_a_condition_is_a_matter_of_dialect() {
        let model = "<startEvent id='s'/><task id='t' default='t_d'/><userTask id='a'/><userTask id='d'/>{s>t}{t>a}{t>d}";
        check(
            model,
            "start",
            expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + t #3
              - #3
              + a #4
              task a !5 of nobody users [] groups []
              + d #6
              task d !7 of nobody users [] groups []
        "#]],
        );
        check(
            &model.replace("<startEvent", "<startEvent camunda:exclusive='true'"),
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn unit_fails_when_no_flow_can_be_taken() {
        check(
            "<startEvent id='s'/><userTask id='u'/><userTask id='a'/>{s>u}{u>a ? n > 1}",
            r#"
                start {"n": 0}
                complete u
                complete u {"n": 2}
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u
                  failed: NO_FLOW_TAKEN: no condition of a flow out of 'u' is true and it has no default flow
                > complete u {"n": 2}
                  task !4 gone
                  n = 2
                  - #3
                  + a #5
                  task a !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn condition_sees_the_activity_before_its_outputs_are_mapped() {
        check(
            "<startEvent id='s'/><userTask id='u' default='u_d'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='n'>= 1</camunda:inputParameter><camunda:outputParameter name='out'>= n</camunda:outputParameter>\
             </camunda:inputOutput></extensionElements></userTask><userTask id='a'/><userTask id='d'/>{s>u}{u>a ? n = 7 and out = 0}{u>d}",
            r#"
                start {"n": 0, "out": 0}
                complete u {"n": 7}
            "#,
            expect![[r#"
                > start {"n": 0, "out": 0}
                  started at s
                  n = 0
                  out = 0
                  + s #2
                  - #2
                  + u #3
                  n = 1 in #3
                  task u !4 of nobody users [] groups []
                > complete u {"n": 7}
                  task !4 gone
                  n = 7 in #3
                  out = 7
                  - #3
                  + a #5
                  task a !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn start_event_and_sub_process_decide() {
        check(
            "<startEvent id='s'/><subProcess id='p' default='p_d'><startEvent id='ps'/><userTask id='pa'/><userTask id='pb'/>\
             {ps>pa ? n > 1}{ps>pb ? n > 5}</subProcess><userTask id='a'/><userTask id='d'/>{s>p}{p>a ? n > 5}{p>d}",
            r#"
                start {"n": 3}
                complete pa
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + pa #5 in #3
                  task pa !6 of nobody users [] groups []
                > complete pa
                  task !6 gone
                  - #5
                  - #3
                  + d #7
                  task d !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn boundary_event_decides() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u'><timerEventDefinition>\
             <timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><userTask id='a'/><userTask id='b'/>\
             {s>u}{t>a ? n > 5}{t>b ? n > 1}",
            r#"
                start {"n": 3}
                run t
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
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
                  + b #7
                  task b !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn job_behind_an_activity_keeps_the_decision() {
        check(
            "<startEvent id='s'/><task id='t' default='t_d' camunda:asyncAfter='true'/><userTask id='a'/><userTask id='b'/>\
             <userTask id='d'/>{s>t}{t>a ? n > 1}{t>b ? n > 2}{t>d}",
            r#"
                start {"n": 3}
                set {"n": 0}
                run t
                run t
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + t #3
                  - #3
                  job AsyncAfter t !5 due 0, 3 left, 0 failed
                  job AsyncAfter t !7 due 0, 3 left, 0 failed
                > set {"n": 0}
                  n = 0
                > run t
                  job !5 gone
                  + a #8
                  task a !9 of nobody users [] groups []
                > run t
                  job !7 gone
                  + b #10
                  task b !11 of nobody users [] groups []
            "#]],
        );
    }
}
