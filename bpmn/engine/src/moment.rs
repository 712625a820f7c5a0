//! The moment of a step, when it was asked for, and on whose behalf it is taken.
//!
//! What expressions see of the world must not depend on which attempt evaluates them: a command whose body is made of it has to be the same
//! when its unit of work runs again. So they do not see the time at which a step is taken, but the one at which its unit was *asked for*. A
//! job says that itself: the date at which it was first due, whenever it runs, and on whose behalf it was put there. For whatever else
//! begins a unit the host says it, once for all steps of the unit and however often it is stepped again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mandate_feel::{Evaluated, Expression, Limits, Scope};

use crate::effect::Job;
use crate::limits::Bounds;

/// What a step is told of the world: the engine has no clock, and knows nobody.
///
/// Made of milliseconds alone for whatever happens at once, and on nobody's behalf.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Milliseconds since 1970-01-01 UTC: when the step is taken. Waits begin then, and durations are counted from it.
    pub now: i64,
    /// The same: when its unit of work was asked for. What JUEL's `now()` is.
    pub asked: i64,
    /// Who asked for it, if anybody has said their name (Camunda 7's authenticated user).
    pub user: Option<&'a str>,
    /// How much the unit of the step may do: of what it comes to nothing depends on it, but whether it does.
    pub bounds: Bounds,
    /// What its expressions have taken so far.
    taken: Option<&'a Taken>,
}

impl From<i64> for Moment<'_> {
    fn from(now: i64) -> Self {
        Self { now, asked: now, user: None, bounds: Bounds::FULL, taken: None }
    }
}

impl<'a> Moment<'a> {
    /// The same, of a unit that was asked for at another time.
    #[must_use]
    pub fn asked(self, asked: i64) -> Self {
        Self { asked, ..self }
    }

    /// The same, on somebody's behalf.
    #[must_use]
    pub fn by(self, user: Option<&'a str>) -> Self {
        Self { user, ..self }
    }

    /// The same, with less time than all.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Self { bounds, ..self }
    }

    /// The same for one step, whose expressions are counted together.
    pub(crate) fn counted(self, taken: &'a Taken) -> Self {
        Self { taken: Some(taken), ..self }
    }

    /// Evaluates an expression within what is left to the step.
    pub(crate) fn evaluate(&self, expression: &Expression, scope: &dyn Scope) -> Result<Evaluated, mandate_feel::Error> {
        let Some(Taken { steps, is_short }) = self.taken else { return expression.evaluate(scope, &Limits::default()) };
        let left = self.bounds.expression_steps.saturating_sub(steps.load(Ordering::Relaxed));
        let given = left.min(Limits::STEPS);
        let mut limits = Limits { steps: given, ..Limits::default() };
        let evaluated = expression.evaluate_within(scope, &mut limits);
        steps.fetch_add(given - limits.steps, Ordering::Relaxed);
        if left < Limits::STEPS && evaluated.as_ref().is_err_and(is_step_limit) {
            is_short.store(true, Ordering::Relaxed);
        }
        evaluated
    }
}

fn is_step_limit(error: &mandate_feel::Error) -> bool {
    matches!(error, mandate_feel::Error::StepLimit { .. })
}

/// What the expressions of one step have taken. There are elements that go on where an expression of theirs fails; where it was for this,
/// the step fails all the same: what it comes to does not depend on its bounds.
///
/// One thread counts; atomic only so that a moment may be kept where threads change.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    steps: AtomicU32,
    is_short: AtomicBool,
}

impl Taken {
    /// Whether an expression would have taken more than was left.
    pub(crate) fn is_short(&self) -> bool {
        self.is_short.load(Ordering::Relaxed)
    }
}

impl Job {
    /// What the steps of a unit that runs this job, or counts its failure, are told at `now`.
    pub fn moment(&self, now: i64) -> Moment<'_> {
        Moment::from(now).asked(self.first_due.unwrap_or(self.due)).by(self.user.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn no_variable_says_what_the_time_is_or_who_asks() {
        check(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='seen'>${now()} ${currentUser()} ${execution.hasVariable('y')}</camunda:inputParameter>\
             <camunda:inputParameter name='feel'>= now()</camunda:inputParameter><camunda:inputParameter name='data'>= `net (EUR)`</camunda:inputParameter>\
             </camunda:inputOutput></extensionElements></userTask>{s>u}",
            r#"
                at 1500
                as ann
                start {"now()": "1999-01-01T00:00:00Z", "currentUser()": "root", "execution.hasVariable(y)": true, "net (EUR)": 1}
            "#,
            expect![[r#"
                > at 1500
                > as ann
                > start {"now()": "1999-01-01T00:00:00Z", "currentUser()": "root", "execution.hasVariable(y)": true, "net (EUR)": 1}
                  started at s
                  currentUser() = "root"
                  execution.hasVariable(y) = true
                  net (EUR) = 1
                  now() = "1999-01-01T00:00:00Z"
                  + s #2
                  - #2
                  + u #3
                  seen = "1970-01-01T00:00:01.500+0000 ann false" in #3
                  feel = "1970-01-01T00:00:01.5Z" in #3
                  data = 1 in #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    /// A delegate that is given what expressions see.
    const TOLD: &str = "<extensionElements><camunda:failedJobRetryTimeCycle>R9/PT1S</camunda:failedJobRetryTimeCycle><camunda:inputOutput>\
                        <camunda:inputParameter name='seen'>${now()} ${currentUser()}</camunda:inputParameter></camunda:inputOutput></extensionElements>";

    #[test]
    fn what_is_deferred_goes_on_for_whoever_asked_and_as_if_at_once_however_often() {
        check(
            &format!("<startEvent id='s'/><serviceTask id='a' camunda:class='A'>{TOLD}</serviceTask>{{s>a}}"),
            "
                at 1000
                as ann
                start-deferred
                at 2000
                as eve
                run s
                crash
                fail s it broke
                at 9000
                retries s 3
                due s 9500
                run s
                return
            ",
            expect![[r#"
                > at 1000
                > as ann
                > start-deferred
                  started at s
                  job Start s !3 due 1000, 3 left, 0 failed
                > at 2000
                > as eve
                > run s
                  job !3 gone
                  + s #2
                  - #2
                  + a #4
                  seen = "1970-01-01T00:00:01.000+0000 ann" in #4
                  call a !5 attempt 1, 2 left {seen: "1970-01-01T00:00:01.000+0000 ann"}
                > crash
                > fail s it broke
                  job Start s !3 due 6767, 2 left, 1 failed
                > at 9000
                > retries s 3
                  job Start s !3 due 9000, 3 left, 1 failed
                > due s 9500
                  job Start s !3 due 9500, 3 left, 1 failed
                > run s
                  job !3 gone
                  + s #2
                  - #2
                  + a #4
                  seen = "1970-01-01T00:00:01.000+0000 ann" in #4
                  call a !5 attempt 2, 2 left {seen: "1970-01-01T00:00:01.000+0000 ann"}
                > return
                  - #4
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn timer_sees_its_date() {
        check(
            &format!(
                "<startEvent id='s'/><intermediateCatchEvent id='t'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
                 </intermediateCatchEvent><serviceTask id='a' camunda:class='A'>{TOLD}</serviceTask>{{s>t>a}}"
            ),
            "
                as ann
                start
                due t 61000
                at 70000
                run t
                return
            ",
            expect![[r#"
                > as ann
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                > due t 61000
                  job Timer t !4 due 61000, 3 left, 0 failed
                > at 70000
                > run t
                  job !4 gone
                  - #3
                  + a #5
                  seen = "1970-01-01T00:01:01.000+0000 " in #5
                  call a !6 attempt 1, 2 left {seen: "1970-01-01T00:01:01.000+0000 "}
                > return
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn job_of_the_model_goes_on_for_nobody_also_behind_something_deferred() {
        let before = "camunda:asyncBefore='true'";
        check(
            &format!(
                "<startEvent id='s'/><task id='a'/><serviceTask id='b' camunda:class='B' {before}>{TOLD}</serviceTask>\
                 <serviceTask id='c' camunda:class='C'>{TOLD}</serviceTask>{{s>a>b}}"
            ),
            "
                at 1000
                as ann
                start
                modify-deferred before b; before c
                at 2000
                as eve
                run b
                return
                run c
                return
            ",
            expect![[r#"
                > at 1000
                > as ann
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  - #3
                  job AsyncBefore b !5 due 1000, 9 left, 0 failed
                > modify-deferred before b; before c
                  job AsyncBefore b !7 due 1000, 9 left, 0 failed
                  job AsyncBefore c !9 due 1000, 9 left, 0 failed
                > at 2000
                > as eve
                > run b
                  job !5 gone
                  + b #4
                  seen = "1970-01-01T00:00:01.000+0000 " in #4
                  call b !10 attempt 1, 8 left {seen: "1970-01-01T00:00:01.000+0000 "}
                > return
                  - #4
                > run c
                  job !9 gone
                  + c #8
                  seen = "1970-01-01T00:00:01.000+0000 ann" in #8
                  call c !11 attempt 1, 8 left {seen: "1970-01-01T00:00:01.000+0000 ann"}
                > return
                  - #8
            "#]],
        );
    }
}
