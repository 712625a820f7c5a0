//! Intermediate catch events: a wait for a message, a signal, a condition or a moment in time (BPMN 2.0, 13.5.2), for the first of several
//! or for all of them (10.5.4); or the end of a link, which waits for nothing.

use mandate_model::time::Cycle;
use mandate_model::{CatchTrigger, Dialect, ElementKind};

use super::{Alarm, At, Behaviour, Next, WaitFor};
use crate::input::Failure;
use crate::wait::Awaited;

impl Behaviour for CatchTrigger {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        match self {
            CatchTrigger::Message(message) => message.enter(at),
            CatchTrigger::Signal(signal) => signal.enter(at),
            CatchTrigger::Condition(condition) if !at.stands_at_gateway() && at.holds(condition)? => at.leave(),
            CatchTrigger::Condition(_) => Ok(Next::Wait(WaitFor::Event(Awaited::condition()))),
            CatchTrigger::Link => at.leave(),
            CatchTrigger::Multiple { triggers, all } => first_or_all(at, triggers, *all),
            CatchTrigger::Timer(timer) => {
                let alarm = at.alarm(timer)?;
                let cycle =
                    alarm.cycle.filter(|cycle| may_repeat(at) && Cycle::parse(cycle, at.moment.now).is_ok_and(|cycle| cycle.is_counted()));
                Ok(Next::Wait(WaitFor::Timer(Alarm { cycle, ..alarm })))
            }
        }
    }
}

/// Whether a timer event stays at its element and sends a token on at each date of a cycle that says how often (`R4/PT10S`). A `timeCycle`
/// is for what recurs (BPMN 2.0, 10.5.5), and a number of times would mean nothing if the first ended the wait. Without a number it is the
/// delay that the standard describes (10.5.4): until the next Monday at nine. So is every cycle in Camunda 7's models, among other events,
/// and behind an event-based gateway.
fn may_repeat(at: &At<'_>) -> bool {
    let alone = matches!(at.element().kind, ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(_)));
    alone && at.definition.dialect == Dialect::Standard && !at.stands_at_gateway()
}

/// Waits for several at once, each as the event's own; for any of several conditions once. One that has happened already is enough, or one
/// less to wait for.
fn first_or_all(at: &At<'_>, triggers: &[CatchTrigger], all: bool) -> Result<Next, Failure> {
    let of_condition = |trigger: &CatchTrigger| matches!(trigger, CatchTrigger::Condition(_));
    let told_apart = all && triggers.iter().filter(|trigger| of_condition(trigger)).count() > 1;
    let mut conditions = (0..).peekable();
    let mut waits = Vec::new();
    for trigger in triggers {
        let nth = conditions.next_if(|_| of_condition(trigger));
        match (trigger.enter(at)?, nth) {
            (Next::Wait(_), Some(nth)) if told_apart => waits.push((at.index, WaitFor::Event(Awaited::nth_condition(nth)))),
            (Next::Wait(_), Some(_)) if waits.iter().any(|(_, wait)| is_condition(wait)) => {}
            (Next::Wait(wait), _) => waits.push((at.index, wait)),
            (next, _) if !all => return Ok(next),
            _ => {}
        }
    }
    if waits.is_empty() { at.leave() } else { Ok(Next::WaitForFirst(waits)) }
}

fn is_condition(wait: &WaitFor) -> bool {
    matches!(wait, WaitFor::Event(awaited) if awaited.is_condition())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};

    #[test]
    fn message_event_waits_for_its_message() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='m'><messageEventDefinition messageRef='msg'/>\
             </intermediateCatchEvent>{s>m}",
            "
                start
                message m
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + m #3
                  subscription m !4 'paid'
                > message m
                  subscription !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn timer_event_waits_for_its_moment() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='t'><timerEventDefinition><timeDuration>PT5M</timeDuration>\
             </timerEventDefinition></intermediateCatchEvent>{s>t}",
            "
                at 1000
                start
                leaves
                retries t 5
                fail t
                at 301000
                fail t
                leaves
                run t
            ",
            expect![[r#"
                > at 1000
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  job Timer t !4 due 301000, 3 left, 0 failed
                > leaves
                  t #3: timer due 301000 until 301000
                > retries t 5
                  job Timer t !4 due 301000, 5 left, 0 failed
                > fail t
                  job Timer t !4 due 301000, 4 left, 1 failed
                > at 301000
                > fail t
                  job Timer t !4 due 305962, 3 left, 2 failed
                > leaves
                  t #3: job, attempt 3, 3 left, due 305962 until 305962
                > run t
                  job !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    /// A pause with a cycle, and a task behind it.
    fn pausing(cycle: &str, more: &str) -> String {
        format!(
            "<startEvent id='s'/><intermediateCatchEvent id='t'><timerEventDefinition><timeCycle>{cycle}</timeCycle></timerEventDefinition>\
             </intermediateCatchEvent><userTask id='u'{more}/>{{s>t>u}}"
        )
    }

    #[test]
    fn cycle_that_says_how_often_sends_a_token_on_each_time() {
        check(
            &pausing("R3/PT10S", ""),
            "
                start
                at 10000
                run t
                leaves
                at 20000
                fail t
                at 30000
                run !8
                leaves
                run !5
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  job Timer t !4 due 10000, 3 left, 0 failed
                > at 10000
                > run t
                  job !4 gone
                  job Timer t !5 due 20000, 3 left, 0 failed
                  + u #6
                  task u !7 of nobody users [] groups []
                > leaves
                  t #3: timer due 20000 until 20000
                  u #6: task of nobody
                > at 20000
                > fail t
                  job Timer t !8 due 30000, 3 left, 0 failed
                  job Timer t !5 due 25132, 2 left, 1 failed
                > at 30000
                > run !8
                  job !8 gone
                  + u #9
                  task u !10 of nobody users [] groups []
                > leaves
                  t #3: job, attempt 2, 2 left, due 25132 until 25132
                  u #6: task of nobody
                  u #9: task of nobody
                > run !5
                  job !5 gone
                  - #3
                  + u #11
                  task u !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn cycle_without_a_number_and_any_in_camunda_7_is_a_delay() {
        for model in [pausing("R/PT10S", ""), pausing("0 0 9 * * MON", ""), pausing("R3/PT10S", " camunda:assignee='ann'")] {
            let definition = parse(&model);
            let mut run = Run::new(&definition);
            run.line("start");
            run.line("run t");
            assert!(run.trace.contains("+ u") && run.trace.contains("- #3"), "{}", run.trace);
        }
    }

    #[test]
    fn links_lead_from_all_their_throwing_ends_to_the_catching_one() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><intermediateThrowEvent id='t'><linkEventDefinition name='on'/></intermediateThrowEvent>\
             <intermediateThrowEvent id='t2'><linkEventDefinition name='on'/></intermediateThrowEvent><intermediateCatchEvent id='c'>\
             <linkEventDefinition name='on'/></intermediateCatchEvent><userTask id='u'/><subProcess id='p'><startEvent id='ps'/>\
             <intermediateThrowEvent id='pt'><linkEventDefinition name='on'/></intermediateThrowEvent><intermediateCatchEvent id='pc'>\
             <linkEventDefinition name='on'/></intermediateCatchEvent><userTask id='pu'/>{ps>pt}{pc>pu}</subProcess>\
             {s>f}{f>t}{f>t2}{f>p}{c>u}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + c #4
                  - #4
                  + u #5
                  task u !6 of nobody users [] groups []
                  + c #7
                  - #7
                  + u #8
                  task u !9 of nobody users [] groups []
                  + p #10
                  + ps #11 in #10
                  - #11
                  + pc #12 in #10
                  - #12
                  + pu #13 in #10
                  task pu !14 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn join_behind_a_link_counts_the_flows_that_lead_to_it() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><exclusiveGateway id='x' default='x_e'/>\
             <endEvent id='e'/><intermediateThrowEvent id='t'><linkEventDefinition name='on'/></intermediateThrowEvent>\
             <intermediateCatchEvent id='c'><linkEventDefinition name='on'/></intermediateCatchEvent><inclusiveGateway id='j'/><userTask id='d'/>\
             {s>f}{f>a>j}{f>b>x}{x>t ? n = 1}{x>e}{c>j}{j>d}",
            r#"
                start {"n": 1}
                complete a
                leaves
                complete b
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #8
                > leaves
                  b #6: task of nobody
                  j #8: join, missing c_j
                > complete b
                  task !7 gone
                  - #6
                  + x #9
                  - #9
                  + c #10
                  - #10
                  + j #11
                  - #8
                  - #11
                  + d #12
                  task d !13 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn date_from_a_variable_and_a_bad_one() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='t'><timerEventDefinition><timeDate>${when}</timeDate>\
             </timerEventDefinition></intermediateCatchEvent>{s>t}",
            r#"
                start {"when": "soon"}
                start {"when": 5}
                start {"when": "1970-01-01T00:01:00+00:00"}
            "#,
            expect![[r#"
                > start {"when": "soon"}
                  failed: TIMER_INVALID: the timer '${when}' of 't' is not an ISO 8601 date and time such as 2030-01-31T12:00:00Z
                > start {"when": 5}
                  failed: EXPRESSION_FAILED: the expression '${when}' of 't': gives number, not an ISO 8601 date and time such as 2030-01-31T12:00:00Z
                > start {"when": "1970-01-01T00:01:00+00:00"}
                  started at s
                  when = "1970-01-01T00:01:00+00:00"
                  + s #2
                  - #2
                  + t #3
                  job Timer t !4 due 60000, 3 left, 0 failed
            "#]],
        );
    }

    const BOTH: &str = "<messageEventDefinition messageRef='msg'/><messageEventDefinition messageRef='msg2'/>\
                        <timerEventDefinition><timeDuration>PT5M</timeDuration></timerEventDefinition>";

    #[test]
    fn first_of_several_takes_the_token_further() {
        check(
            &format!("<startEvent id='s'/><intermediateCatchEvent id='m'>{BOTH}</intermediateCatchEvent><userTask id='u'/>{{s>m>u}}"),
            "
                start
                message !5
                message !4
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + m #3
                  subscription m !4 'paid'
                  subscription m !5 'changed'
                  job Timer m !6 due 300000, 3 left, 0 failed
                > message !5
                  subscription !5 gone
                  subscription !4 gone
                  job !6 gone
                  - #3
                  + u #7
                  task u !8 of nobody users [] groups []
                > message !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn condition_among_several_is_asked_when_variables_change_and_after_a_suspension() {
        let both = "<messageEventDefinition messageRef='msg'/><conditionalEventDefinition><condition>= n > 1</condition></conditionalEventDefinition>";
        check(
            &format!(
                "<startEvent id='s'/><intermediateCatchEvent id='m'>{both}</intermediateCatchEvent>\
                 <intermediateCatchEvent id='p' parallelMultiple='true'>{both}</intermediateCatchEvent>{{s>m>p}}"
            ),
            r#"
                start {"n": 1}
                suspend
                activate
                set {"n": 2}
                message p
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + m #3
                  subscription m !4 'paid'
                  condition m !5
                > suspend
                  suspended: true
                > activate
                  suspended: false
                > set {"n": 2}
                  n = 2
                  subscription !5 gone
                  subscription !4 gone
                  - #3
                  + p #6
                  subscription p !7 'paid'
                > message p
                  subscription !7 gone
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn parallel_multiple_event_waits_until_all_have_happened() {
        check(
            &format!(
                "<startEvent id='s'/><intermediateCatchEvent id='m' parallelMultiple='true'>{BOTH}</intermediateCatchEvent><userTask id='u'/>{{s>m>u}}"
            ),
            r#"
                start
                message !5 {"n": 1}
                message !5
                run m
                leaves
                message !4
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + m #3
                  subscription m !4 'paid'
                  subscription m !5 'changed'
                  job Timer m !6 due 300000, 3 left, 0 failed
                > message !5 {"n": 1}
                  subscription !5 gone
                  n = 1
                > message !5
                  rejected: nothing waits under number 5
                > run m
                  job !6 gone
                > leaves
                  m #3: message 'paid'
                > message !4
                  subscription !4 gone
                  - #3
                  + u #7
                  task u !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn gateway_waits_for_each_of_an_event_that_has_several() {
        check(
            &format!(
                "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='m'>{BOTH}</intermediateCatchEvent><userTask id='u'/>{{s>g>m>u}}"
            ),
            "
                start
                message !5
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  subscription m !4 'paid'
                  subscription m !5 'changed'
                  job Timer m !6 due 300000, 3 left, 0 failed
                > message !5
                  subscription !5 gone
                  subscription !4 gone
                  job !6 gone
                  - #3 canceled
                  + m #7
                  - #7
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn any_of_several_conditions_is_enough() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='c'><conditionalEventDefinition><condition>= paid</condition></conditionalEventDefinition>\
             <conditionalEventDefinition><condition>= amount &lt; 10</condition></conditionalEventDefinition></intermediateCatchEvent>{s>c}",
            r#"
                start {"paid": false, "amount": 20}
                leaves
                set {"amount": 15}
                set {"amount": 5}
            "#,
            expect![[r#"
                > start {"paid": false, "amount": 20}
                  started at s
                  amount = 20
                  paid = false
                  + s #2
                  - #2
                  + c #3
                  condition c !4
                > leaves
                  c #3: condition
                > set {"amount": 15}
                  amount = 15
                > set {"amount": 5}
                  amount = 5
                  subscription !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }
}
