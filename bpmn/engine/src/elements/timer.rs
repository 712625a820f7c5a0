//! When a timer fires; timer events of all kinds ask here.

use mandate_feel::Value;
use mandate_model::Timer;
use mandate_model::time::{self, Cycle};

use super::At;
use crate::Code;
use crate::input::Failure;
use crate::variable::VariableKind;

/// What a timer is set to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alarm {
    /// When it fires first, in milliseconds since 1970.
    pub(crate) due: i64,
    /// When it fires again: the text of a [`Cycle`].
    pub(crate) cycle: Option<String>,
}

impl At<'_> {
    /// Evaluates a timer of this element where its wait begins. As in Camunda 7 a cycle is evaluated once, when the timer is set; one that
    /// is over by then is due at once, like a date that has passed.
    pub(crate) fn alarm(&self, timer: &Timer) -> Result<Alarm, Failure> {
        let expression = timer.expression();
        let variable = self.variable_of(expression)?;
        let value = variable.to_value().unwrap_or_default();
        let wanted = match timer {
            _ if variable.kind == VariableKind::Date => "a date",
            Timer::Date(_) => "an ISO 8601 date and time such as 2030-01-31T12:00:00Z",
            Timer::Duration(_) => "an ISO 8601 duration such as PT15M",
            Timer::Cycle(_) => "a cycle such as R3/PT10M or a cron expression such as '0 0/5 * * * *'",
        };
        let Value::String(text) = &value else {
            return Err(self.mismatch(expression, wanted, &value));
        };
        let once = |due: i64| Alarm { due, cycle: None };
        let alarm = match timer {
            // Whatever the timer is, a variable of type `Date` is its date (Camunda `TimerDeclarationImpl`).
            _ if variable.kind == VariableKind::Date => time::due_at(text).map(once),
            // As a due date it may be a duration (Camunda `DueDateBusinessCalendar`).
            Timer::Date(_) => time::due(self.moment.now, text).map(once),
            Timer::Duration(_) => time::due_after(self.moment.now, text).map(once),
            Timer::Cycle(_) => Cycle::parse(text, self.moment.now).map(|cycle| match cycle.after(self.moment.now) {
                Some(due) => Alarm { due, cycle: Some(cycle.text().to_owned()) },
                None => once(self.moment.now),
            }),
        };
        alarm.map_err(|_| {
            let (id, source) = (&self.element().id, expression.source());
            Failure::by_policy(Code::TimerInvalid, self.index, format!("the timer '{source}' of '{id}' is not {wanted}"))
        })
    }
}

/// When a cycle fires after it has fired for a date: at the first of its dates that is neither that one nor over. So each date is fired for
/// once, also if somebody fires it early; and what was missed is not made up for.
pub(crate) fn following(cycle: &str, fired: i64, now: i64) -> Option<i64> {
    Cycle::parse(cycle, now).ok()?.after(fired.max(now))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse, watching};
    use crate::variable::{Variable, VariableKind, Variables};
    use crate::{Chain, Input};

    fn cycle(text: &str) -> String {
        format!("<timerEventDefinition><timeCycle>{text}</timeCycle></timerEventDefinition>")
    }

    /// A task beside whose timer a path goes on.
    fn reminded(text: &str, interrupting: bool) -> String {
        let timer = cycle(text);
        format!(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u' cancelActivity='{interrupting}'>{timer}</boundaryEvent>\
             <serviceTask id='remind' camunda:class='Remind'/>{{s>u}}{{t>remind}}"
        )
    }

    #[test]
    fn timers_and_dates_of_tasks_take_dates_and_durations_of_feel() {
        let timer = |what: &str, expression: &str| format!("<timerEventDefinition><{what}>{expression}</{what}></timerEventDefinition>");
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u' camunda:dueDate='= now() + duration(\"PT1H\")' camunda:followUpDate='= duration(\"PT5M\") * 2'>\
                 <extensionElements><camunda:inputOutput><camunda:inputParameter name='day'>= today()</camunda:inputParameter>\
                 <camunda:inputParameter name='wait'>= duration(\"PT90S\")</camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>\
                 <boundaryEvent id='d' attachedToRef='u'>{}</boundaryEvent><boundaryEvent id='z' attachedToRef='u'>{}</boundaryEvent>\
                 <boundaryEvent id='w' attachedToRef='u'>{}</boundaryEvent><boundaryEvent id='r' attachedToRef='u'>{}</boundaryEvent>{{s>u}}",
                timer("timeDate", "= last day of month(today())"),
                timer("timeDate", "= date and time(\"1970-01-02T01:00:00@Europe/Berlin\")"),
                timer("timeDuration", "= duration(wait) - @\"PT30S\""),
                timer("timeDuration", "= date and time(\"1970-01-01T00:01:00Z\") - now()"),
            ),
            "
                at 1500
                start
            ",
            expect![[r#"
                > at 1500
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  day = "1970-01-01" in #3
                  wait = "PT1M30S" in #3
                  job Timer d !4 due 2592000000, 3 left, 0 failed
                  job Timer z !5 due 86400000, 3 left, 0 failed
                  job Timer w !6 due 61500, 3 left, 0 failed
                  job Timer r !7 due 60000, 3 left, 0 failed
                  task u !8 of nobody users [] groups [] due 3601500 follow up 601500
            "#]],
        );
    }

    #[test]
    fn feels_now_is_when_the_unit_was_asked_for() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'><extensionElements>\
             <camunda:failedJobRetryTimeCycle>R2/PT1H</camunda:failedJobRetryTimeCycle><camunda:inputOutput>\
             <camunda:inputParameter name='seen'>= now()</camunda:inputParameter></camunda:inputOutput></extensionElements></serviceTask>{s>a}",
            "
                at 1500
                start
                at 2000
                run a
                crash
                fail a it broke
                at 9000000
                run a
            ",
            expect![[r#"
                > at 1500
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 1500, 2 left, 0 failed
                > at 2000
                > run a
                  job !4 gone
                  + a #3
                  seen = "1970-01-01T00:00:01.5Z" in #3
                  call a !5 attempt 1, 1 left {seen: "1970-01-01T00:00:01.5Z"}
                > crash
                > fail a it broke
                  job AsyncBefore a !4 due 3602000, 1 left, 1 failed
                > at 9000000
                > run a
                  job !4 gone
                  + a #3
                  seen = "1970-01-01T00:00:01.5Z" in #3
                  call a !5 attempt 2, 0 left {seen: "1970-01-01T00:00:01.5Z"}
            "#]],
        );
    }

    #[test]
    fn cycle_fires_at_each_of_its_dates() {
        check(
            &reminded("R2/PT10S", false),
            "
                start
                at 10000
                run t
                return
                at 20000
                run t
                return
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 10000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > at 10000
                > run t
                  job !4 gone
                  job Timer t !6 due 20000, 3 left, 0 failed
                  + t #7
                  - #7
                  + remind #8
                  call remind !9 attempt 1, 2 left {}
                > return
                  - #8
                > at 20000
                > run t
                  job !6 gone
                  + t #10
                  - #10
                  + remind #11
                  call remind !12 attempt 1, 2 left {}
                > return
                  - #11
                > complete u
                  task !5 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn date_that_is_missed_is_not_made_up_for_and_none_fires_twice() {
        check(
            &reminded("R/PT10S", false),
            "
                start
                at 35000
                run t
                return
                run t
                return
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 10000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > at 35000
                > run t
                  job !4 gone
                  job Timer t !6 due 40000, 3 left, 0 failed
                  + t #7
                  - #7
                  + remind #8
                  call remind !9 attempt 1, 2 left {}
                > return
                  - #8
                > run t
                  job !6 gone
                  job Timer t !10 due 50000, 3 left, 0 failed
                  + t #11
                  - #11
                  + remind #12
                  call remind !13 attempt 1, 2 left {}
                > return
                  - #12
                > complete u
                  task !5 gone
                  job !10 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn failure_does_not_end_the_cycle() {
        check(
            &reminded("R/PT10S", false),
            "
                start
                at 10000
                fail !4
                fail !4
                fail !4
                at 20000
                run !6
                return
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 10000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > at 10000
                > fail !4
                  job Timer t !6 due 20000, 3 left, 0 failed
                  job Timer t !4 due 15733, 2 left, 1 failed
                > fail !4
                  job Timer t !4 due 21679, 1 left, 2 failed
                > fail !4
                  job Timer t !4 due 21679, 0 left, 3 failed
                  incident 7 of !4 at t, attempt 3: DELEGATE_FAILED: it broke
                > at 20000
                > run !6
                  job !6 gone
                  job Timer t !8 due 30000, 3 left, 0 failed
                  + t #9
                  - #9
                  + remind #10
                  call remind !11 attempt 1, 2 left {}
                > return
                  - #10
                > complete u
                  task !5 gone
                  incident 7 deleted
                  job !4 gone
                  job !8 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn what_interrupts_fires_once() {
        check(
            &reminded("R/PT10S", true),
            "
                start
                at 10000
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 10000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > at 10000
                > run t
                  job !4 gone
                  task !5 gone
                  - #3 canceled
                  + t #6
                  - #6
                  + remind #7
                  call remind !8 attempt 1, 2 left {}
            "#]],
        );
    }

    #[test]
    fn event_sub_process_begins_with_each_date_until_its_scope_ends() {
        check(
            &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching(" isInterrupting='false'", &cycle("${cycle}"))),
            r#"
                start {"cycle": "0 0/1 * * * *"}
                at 60000
                run vs
                at 120000
                run vs
                complete u
            "#,
            expect![[r#"
                > start {"cycle": "0 0/1 * * * *"}
                  started at s
                  cycle = "0 0/1 * * * *"
                  job Timer vs !2 due 60000, 3 left, 0 failed
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > at 60000
                > run vs
                  job !2 gone
                  job Timer vs !6 due 120000, 3 left, 0 failed
                  + v #7
                  + vs #8 in #7
                  - #8
                  + handle #9 in #7
                  task handle !10 of nobody users [] groups []
                > at 120000
                > run vs
                  job !6 gone
                  job Timer vs !11 due 180000, 3 left, 0 failed
                  + v #12
                  + vs #13 in #12
                  - #13
                  + handle #14 in #12
                  task handle !15 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #4
            "#]],
        );
    }

    #[test]
    fn intermediate_event_waits_for_the_first_date() {
        check(
            &format!("<startEvent id='s'/><intermediateCatchEvent id='t'>{}</intermediateCatchEvent>{{s>t}}", cycle("@daily")),
            "
                start
                at 86400000
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  job Timer t !4 due 86400000, 3 left, 0 failed
                > at 86400000
                > run t
                  job !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn cycle_that_is_over_is_due_at_once_and_one_that_is_none_fails() {
        let catch = format!("<startEvent id='s'/><intermediateCatchEvent id='t'>{}</intermediateCatchEvent>{{s>t}}", cycle("${cycle}"));
        check(
            &catch,
            r#"
                start {"cycle": "R3/1960-01-01T00:00:00Z/PT1H"}
                run t
            "#,
            expect![[r#"
                > start {"cycle": "R3/1960-01-01T00:00:00Z/PT1H"}
                  started at s
                  cycle = "R3/1960-01-01T00:00:00Z/PT1H"
                  + s #2
                  - #2
                  + t #3
                  job Timer t !4 due 0, 3 left, 0 failed
                > run t
                  job !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
        check(
            &catch,
            r#"start {"cycle": "every day"}"#,
            expect![[r#"
            > start {"cycle": "every day"}
              failed: TIMER_INVALID: the timer '${cycle}' of 't' is not a cycle such as R3/PT10M or a cron expression such as '0 0/5 * * * *'
        "#]],
        );
    }

    /// As in Camunda 7, whose due dates take both, and whose timers take any date for one.
    #[test]
    fn date_may_be_a_duration_and_a_variable_of_type_date_may_stand_anywhere() {
        let alarm = |timer: &str, value: Variable| {
            let definition = parse(&format!(
                "<startEvent id='s'/><intermediateCatchEvent id='c'><timerEventDefinition><{timer}>${{it}}</{timer}></timerEventDefinition>\
                 </intermediateCatchEvent>{{s>c}}"
            ));
            let mut run = Run::new(&definition);
            let element = definition.find("s").expect("it begins there");
            run.input(Input::Start { element, variables: Variables::from([("it".to_owned(), value)]), chain: Chain::AtOnce });
            run.instance.jobs.values().next().map(|job| job.due).ok_or(run.trace)
        };
        let text = |text: &str| Variable::from_json(&text.into());
        let date = || Variable { kind: VariableKind::Date, ..text("1970-01-01T00:00:07.000+0000") };
        for timer in ["timeDate", "timeDuration", "timeCycle"] {
            assert_eq!(alarm(timer, date()), Ok(7000), "{timer}");
        }
        assert_eq!(alarm("timeDate", text("PT5M")), Ok(300_000));
        assert!(alarm("timeDuration", text("1970-01-01T00:00:07Z")).is_err_and(|trace| trace.contains("TIMER_INVALID")));
    }
}
