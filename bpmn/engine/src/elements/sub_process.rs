//! The embedded sub-process: a scope with variables of its own (BPMN 2.0, 13.3.4). The process itself is one as well, but nothing enters
//! it.

use mandate_model::Scope;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for Scope {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        // The parser sees to it that something begins in a sub-process; otherwise it would be empty at once.
        if self.begins.is_empty() { at.leave() } else { Ok(Next::Open(self.begins.clone())) }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn completes_when_its_last_token_is_consumed() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><task id='f'/><userTask id='a'/><userTask id='b'/>\
             {ps>f}{f>a}{f>b}</subProcess><userTask id='u'/>{s>p>u}",
            "
                start
                complete a
                complete b
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + f #5 in #3
                  - #5
                  + a #6 in #3
                  task a !7 of nobody users [] groups []
                  + b #8 in #3
                  task b !9 of nobody users [] groups []
                > complete a
                  task !7 gone
                  - #6
                > complete b
                  task !9 gone
                  - #8
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn has_variables_of_its_own() {
        check(
            "<startEvent id='s'/><subProcess id='p'><extensionElements><camunda:inputOutput><camunda:inputParameter name='n'>\
             = n + 1</camunda:inputParameter><camunda:outputParameter name='out'>= n</camunda:outputParameter>\
             </camunda:inputOutput></extensionElements><startEvent id='ps'/><userTask id='a'/>{ps>a}</subProcess>\
             <userTask id='u'/>{s>p>u}",
            r#"
                start {"n": 1}
                variables a
                complete a {"n": 10, "m": 5}
                variables u
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + p #3
                  n = 2 in #3
                  + ps #4 in #3
                  - #4
                  + a #5 in #3
                  task a !6 of nobody users [] groups []
                > variables a
                  {n: 2}
                > complete a {"n": 10, "m": 5}
                  task !6 gone
                  m = 5
                  n = 10 in #3
                  - #5
                  out = 10
                  - #3
                  + u #7
                  task u !8 of nobody users [] groups []
                > variables u
                  {m: 5, n: 1, out: 10}
            "#]],
        );
    }

    #[test]
    fn nested_scopes_end_together() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><subProcess id='q'><startEvent id='qs'/>{qs>qa}\
             <task id='qa'/></subProcess>{ps>q}</subProcess>{s>p}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + q #5 in #3
                  + qs #6 in #5
                  - #6
                  + qa #7 in #5
                  - #7
                  - #5
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn without_a_start_event_all_begins_that_no_flow_leads_to() {
        check(
            "<startEvent id='s'/><subProcess id='p'><userTask id='a'/><parallelGateway id='f'/><userTask id='b'/><task id='c'/>\
             <boundaryEvent id='t' attachedToRef='a'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
             </boundaryEvent>{f>b>c}{a>c}{t>c}</subProcess><userTask id='u'/>{s>p>u}",
            "
                start
                complete b
                complete a
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + a #4 in #3
                  job Timer t !5 due 60000, 3 left, 0 failed
                  task a !6 of nobody users [] groups []
                  + f #7 in #3
                  - #7
                  + b #8 in #3
                  task b !9 of nobody users [] groups []
                > complete b
                  task !9 gone
                  - #8
                  + c #10 in #3
                  - #10
                > complete a
                  task !6 gone
                  job !5 gone
                  - #4
                  + c #11 in #3
                  - #11
                  - #3
                  + u #12
                  task u !13 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn process_without_a_start_event_begins_likewise() {
        check(
            "<receiveTask id='r' messageRef='msg'/><serviceTask id='a' camunda:class='A'/><task id='b'/>{r>b}{a>b}",
            "
                start
                return
                message r
            ",
            expect![[r#"
                > start
                  started at r
                  + r #2
                  subscription r !3 'paid'
                  + a #4
                  call a !5 attempt 1, 0 left {}
                > return
                  - #4
                  + b #6
                  - #6
                > message r
                  subscription !3 gone
                  - #2
                  + b #7
                  - #7
                  ended: Completed
                  end
            "#]],
        );
        check(
            "<task id='a' camunda:asyncBefore='true'/><serviceTask id='b' camunda:class='B'/>",
            "
                start-deferred
                run a
                return
                run a
            ",
            expect![[r#"
                > start-deferred
                  started at a
                  job Start a !3 due 0, 3 left, 0 failed
                > run a
                  job !3 gone
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                  + b #5
                  call b !6 attempt 1, 2 left {}
                > return
                  - #5
                > run a
                  job !4 gone
                  + a #2
                  - #2
                  ended: Completed
                  end
            "#]],
        );
    }
}
