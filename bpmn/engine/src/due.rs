//! Jobs that an operator moves to another moment.

use mandate_model::{CatchTrigger, ElementKind, EventTrigger, ProcessDefinition, Timer};

use crate::effect::{Effect, Job, JobKind};
use crate::elements::{Alarm, At};
use crate::ids::WaitId;
use crate::input::Failure;
use crate::step::Machine;

impl Machine<'_> {
    /// Another due date. What repeats keeps its dates.
    pub(crate) fn set_due(&mut self, wait: WaitId, due: i64) {
        self.move_job(Job { due, ..Job::clone(&self.instance.jobs[&wait]) });
    }

    /// Sets a timer anew from its model and the variables as they are now: as if it were set at this moment, or when its wait began
    /// (Camunda `RecalculateJobDuedateCmd`).
    pub(crate) fn recalculate_due(&mut self, wait: WaitId, since_creation: bool) -> Result<(), Failure> {
        let job = Job::clone(&self.instance.jobs[&wait]);
        let from = if since_creation { job.since } else { self.now };
        let timer = timer(self.definition, &job).expect("admit::check found one timer");
        let Alarm { due, cycle } = At::new(self.definition, self.instance, job.activity, from).attached(job.element).alarm(timer)?;
        // What does not repeat, or has its next date in a job of its own, goes on so.
        let cycle = job.cycle.as_ref().and(cycle);
        self.move_job(Job { due, cycle, ..job });
        Ok(())
    }

    fn move_job(&mut self, job: Job) {
        self.instance.set_job(job.clone());
        self.effects.push(Effect::PutJob(job));
    }
}

/// Why a job cannot be set anew, if it cannot: it is no event's timer, or one of several of its event, and no job says which.
pub(crate) fn not_to_recalculate(definition: &ProcessDefinition, job: &Job) -> Option<&'static str> {
    match timer(definition, job) {
        _ if !matches!(job.kind, JobKind::Timer | JobKind::Timeout { .. }) => Some("job of another kind"),
        None => Some("timer beside others of its event"),
        Some(_) => None,
    }
}

/// The one timer of an event, or that of a listener for a timeout.
fn timer<'a>(definition: &'a ProcessDefinition, job: &Job) -> Option<&'a Timer> {
    let element = definition.element(job.element);
    if let JobKind::Timeout { listener } = job.kind {
        return element.listeners.get(listener as usize)?.timer.as_ref();
    }
    match &element.kind {
        ElementKind::IntermediateCatchEvent(trigger) => {
            let mut timers = trigger.each().iter().filter_map(|it| match it {
                CatchTrigger::Timer(timer) => Some(timer),
                _ => None,
            });
            timers.next().filter(|_| timers.next().is_none())
        }
        kind => match kind.trigger()?.0 {
            EventTrigger::Timer(timer) => Some(timer),
            _ => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn one_timer_of_an_event_that_waits_for_several_things_is_set_anew_and_one_of_two_is_not() {
        let timer = |duration: &str| format!("<timerEventDefinition><timeDuration>{duration}</timeDuration></timerEventDefinition>");
        let message = "<messageEventDefinition messageRef='msg'/>";
        check(
            &format!(
                "<startEvent id='s'/><intermediateCatchEvent id='c'>{message}{}</intermediateCatchEvent>\
                 <intermediateCatchEvent id='d'>{}{}</intermediateCatchEvent>{{s>c>d}}",
                timer("${pause}"),
                timer("PT1M"),
                timer("PT2M"),
            ),
            r#"
                start {"pause": "PT1H"}
                set {"pause": "PT2H"}
                anew c
                run c
                anew !8
            "#,
            expect![[r#"
                > start {"pause": "PT1H"}
                  started at s
                  pause = "PT1H"
                  + s #2
                  - #2
                  + c #3
                  subscription c !4 'paid'
                  job Timer c !5 due 3600000, 3 left, 0 failed
                > set {"pause": "PT2H"}
                  pause = "PT2H"
                > anew c
                  job Timer c !5 due 7200000, 3 left, 0 failed
                > run c
                  job !5 gone
                  subscription !4 gone
                  - #3
                  + d #6
                  job Timer d !7 due 60000, 3 left, 0 failed
                  job Timer d !8 due 120000, 3 left, 0 failed
                > anew !8
                  rejected: number 8 is a timer beside others of its event, not a timer
            "#]],
        );
    }

    #[test]
    fn job_is_moved_and_a_timer_set_anew() {
        let timer = |text: &str| format!("<timerEventDefinition>{text}</timerEventDefinition>");
        let cycle = timer("<timeCycle>R3/PT10S</timeCycle>");
        let pause = timer("<timeDuration>${pause}</timeDuration>");
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u' camunda:asyncAfter='true'/><boundaryEvent id='c' attachedToRef='u' cancelActivity='false'>{cycle}\
                 </boundaryEvent><boundaryEvent id='p' attachedToRef='u'>{pause}</boundaryEvent>{{s>u}}"
            ),
            r#"
                start {"pause": "PT1H"}
                due c 25000
                at 25000
                run c
                set {"pause": "PT2H"}
                anew p
                anew p creation
                anew c
                set {"pause": 5}
                anew p
                complete u
                due u 99
                anew u
            "#,
            expect![[r#"
                > start {"pause": "PT1H"}
                  started at s
                  pause = "PT1H"
                  + s #2
                  - #2
                  + u #3
                  job Timer c !4 due 10000, 3 left, 0 failed
                  job Timer p !5 due 3600000, 3 left, 0 failed
                  task u !6 of nobody users [] groups []
                > due c 25000
                  job Timer c !4 due 25000, 3 left, 0 failed
                > at 25000
                > run c
                  job !4 gone
                  job Timer c !7 due 30000, 3 left, 0 failed
                  + c #8
                  - #8
                > set {"pause": "PT2H"}
                  pause = "PT2H"
                > anew p
                  job Timer p !5 due 7225000, 3 left, 0 failed
                > anew p creation
                  job Timer p !5 due 7200000, 3 left, 0 failed
                > anew c
                  job Timer c !7 due 35000, 3 left, 0 failed
                > set {"pause": 5}
                  pause = 5
                > anew p
                  failed: EXPRESSION_FAILED: the expression '${pause}' of 'p': gives number, not an ISO 8601 duration such as PT15M
                > complete u
                  task !6 gone
                  job !5 gone
                  job !7 gone
                  - #3
                  job AsyncAfter u !10 due 25000, 3 left, 0 failed
                > due u 99
                  job AsyncAfter u !10 due 99, 3 left, 0 failed
                > anew u
                  rejected: number 10 is a job of another kind, not a timer
            "#]],
        );
    }
}
