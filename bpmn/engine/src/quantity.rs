//! Start quantities: activities that begin once for several tokens (BPMN 2.0, 13.3.2). Camunda 7 begins one for each.
//!
//! The first token makes the activity, which gathers the others and begins with the last; what the tokens came by makes no difference.
//! History knows nothing of it until then, and boundary events are armed when it waits, as always. Tokens that can't be complete any more
//! are an incident.

use mandate_model::ElementIndex;

use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::Phase;
use crate::join::reachable;
use crate::step::Machine;
use crate::unit::Token;

impl Machine<'_> {
    /// One of several tokens comes to its activity: the activity, if it begins now. The token goes on for all of them.
    pub(crate) fn gather(&mut self, token: &mut Token) -> Result<Option<ActivityId>, Failure> {
        let (scope, element) = (token.scope, token.element);
        self.unit.touch(scope);
        let Some(&activity) = self.instance.index.gathering.get(&(scope, element)) else {
            self.place(element, scope, Phase::Gathering { tokens: 1 })?;
            return Ok(None);
        };
        self.resolve_join_incident(activity);
        let tokens = self.gathered(activity) + 1;
        if tokens < self.definition.element(element).start_quantity {
            self.instance.set_phase(activity, Phase::Gathering { tokens });
            return Ok(None);
        }
        let around = self.unit.lineage(self.instance.id, scope);
        let nth = self.unit.count(around, element);
        token.lineage = around.joined(&self.definition.element(element).id, nth);
        Ok(Some(activity))
    }

    fn gathered(&self, activity: ActivityId) -> u32 {
        match self.instance.at(activity).phase {
            Phase::Gathering { tokens } => tokens,
            phase => unreachable!("the index says that it gathers, not {phase:?}"),
        }
    }

    /// Raises an incident for each activity of a scope that waits for more tokens although none can come to it any more.
    pub(crate) fn check_gathering(&mut self, scope: ActivityId) {
        let gathering = self.instance.index.gathering.range((scope, ElementIndex(0))..=(scope, ElementIndex(u32::MAX)));
        let silent = gathering.filter(|(key, _)| !self.instance.index.join_incidents.contains_key(*key));
        let waiting: Vec<_> = silent.map(|((_, element), activity)| (*element, *activity)).collect();
        if waiting.is_empty() {
            return;
        }
        let flows = reachable(self.definition, self.instance, scope);
        for (index, activity) in waiting {
            let element = self.definition.element(index);
            if !element.incoming.iter().any(|flow| flows[flow.0 as usize]) {
                let (tokens, quantity) = (self.gathered(activity), element.start_quantity);
                let message =
                    format!("'{}' begins with {quantity} tokens (startQuantity) and has {tokens}; none can arrive any more", element.id);
                self.raise_lost(scope, index, activity, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn tokens_are_gathered_by_any_flow_and_begin_the_activity_once() {
        check(
            "<startEvent id='s'/><task id='f'/><userTask id='a'/><userTask id='b'/><userTask id='c'/><userTask id='x' startQuantity='2'/>\
             {s>f}{f>a>x}{f>b>x}{f>c>x}",
            "
                start
                complete b
                leaves
                complete a
                complete x
                complete c
                leaves
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                  + c #8
                  task c !9 of nobody users [] groups []
                > complete b
                  task !7 gone
                  - #6
                > leaves
                  a #4: task of nobody
                  c #8: task of nobody
                  x #10: join, missing a_x, b_x, c_x
                > complete a
                  task !5 gone
                  - #4
                  + x #10
                  task x !11 of nobody users [] groups []
                > complete x
                  task !11 gone
                  - #10
                > complete c
                  task !9 gone
                  - #8
                  incident 13 at x, attempt 1: JOIN_CANNOT_COMPLETE: 'x' begins with 2 tokens (startQuantity) and has 1; none can arrive any more
                > leaves
                  x #12: incident 13
            "#]],
        );
    }

    #[test]
    fn as_many_tokens_leave_as_the_completion_quantity_says_by_each_flow() {
        check(
            "<startEvent id='s'/><task id='t' completionQuantity='3'/><userTask id='u' startQuantity='2' camunda:asyncBefore='true'/>\
             <task id='e'/>{s>t}{t>u}{t>e}",
            "
                start
                run u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  - #3
                  job AsyncBefore u !5 due 0, 3 left, 0 failed
                  + e #7
                  - #7
                  + e #8
                  - #8
                  + e #9
                  - #9
                > run u
                  job !5 gone
                  + u #4
                  task u !10 of nobody users [] groups []
                  incident 11 at u, attempt 1: JOIN_CANNOT_COMPLETE: 'u' begins with 2 tokens (startQuantity) and has 1; none can arrive any more
            "#]],
        );
    }

    #[test]
    fn jobs_stand_behind_each_token() {
        check(
            "<startEvent id='s'/><task id='t' completionQuantity='2' camunda:asyncAfter='true'/><userTask id='u' startQuantity='2'/>{s>t>u}",
            "
                start
                run t
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  - #3
                  job AsyncAfter t !5 due 0, 3 left, 0 failed
                  job AsyncAfter t !7 due 0, 3 left, 0 failed
                > run t
                  job !5 gone
                > run t
                  job !7 gone
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn what_is_gathered_goes_with_its_scope() {
        check(
            "<startEvent id='s'/><task id='f'/><subProcess id='p'><startEvent id='ps'/><task id='g'/><userTask id='a'/><task id='x' startQuantity='2'/>\
             {ps>g}{g>x}{g>a>x}</subProcess><boundaryEvent id='b' attachedToRef='p'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
             </timerEventDefinition></boundaryEvent>{s>f>p}",
            "
                start
                run b
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + p #4
                  job Timer b !5 due 60000, 3 left, 0 failed
                  + ps #6 in #4
                  - #6
                  + g #7 in #4
                  - #7
                  + a #9 in #4
                  task a !10 of nobody users [] groups []
                > run b
                  job !5 gone
                  task !10 gone
                  - #9 canceled
                  - #4 canceled
                  + b #11
                  - #11
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn incident_says_that_no_token_can_come_until_one_does() {
        check(
            "<startEvent id='s'/><task id='t'/><userTask id='x' startQuantity='3'/>{s>t>x}",
            "
                start
                leaves
                cancel
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  - #3
                  incident 5 at x, attempt 1: JOIN_CANNOT_COMPLETE: 'x' begins with 3 tokens (startQuantity) and has 1; none can arrive any more
                > leaves
                  x #4: incident 5
                > cancel
                  incident 5 deleted
                  ended: ExternallyTerminated
                  end
            "#]],
        );
    }
}
