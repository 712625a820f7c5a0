//! Jobs as operators change them: which, their priority, and their suspension (Camunda 7's `SuspendJobCmd` and `SuspendJobDefinitionCmd`).
//!
//! A job that is suspended does not run until it is activated, or its instance is. It stands in nobody's way: of the exclusive jobs of an
//! instance another one is the next.

use mandate_model::{ElementIndex, ProcessDefinition};

use crate::effect::{Effect, Job, JobKind};
use crate::ids::WaitId;
use crate::instance::Instance;
use crate::step::Machine;

/// Which jobs of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jobs {
    /// This one, which must be there.
    One(WaitId),
    /// Those that one place of the model makes, as many as there are.
    Of(JobOrigin),
    /// All, as many as there are.
    All,
}

/// A place in the model that makes jobs of one kind: Camunda 7's job definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JobOrigin {
    /// The element.
    pub element: ElementIndex,
    /// Of a multi-instance activity: around all of its instances, and not of each.
    pub body: bool,
    /// [`JobKind::AsyncBefore`], [`JobKind::AsyncAfter`], [`JobKind::Timer`] or, for all timeouts of a task, the [`JobKind::Timeout`] of
    /// number 0.
    pub kind: JobKind,
}

impl Instance {
    /// What in the model makes a job; none for one that no model asks for.
    pub fn origin(&self, definition: &ProcessDefinition, job: &Job) -> Option<JobOrigin> {
        if let JobKind::Start | JobKind::Return = job.kind {
            return None;
        }
        let activity = self.activity(job.activity).filter(|activity| activity.element == job.element);
        let body = activity.is_some_and(|activity| self.is_body(definition, activity));
        // The timeouts of a task are told apart by nobody.
        let kind = if let JobKind::Timeout { .. } = job.kind { JobKind::Timeout { listener: 0 } } else { job.kind };
        Some(JobOrigin { element: job.element, body, kind })
    }

    /// A job that the unit has made gets what operators have said of its origin, before it is stored: it is suspended from the beginning,
    /// or has another priority. Answers it as it is then.
    ///
    /// # Panics
    ///
    /// If there is no such job.
    pub fn adjust_job(&mut self, wait: WaitId, suspended: bool, priority: Option<i64>) -> Job {
        let mut job = Job::clone(&self.jobs[&wait]);
        job.suspended |= suspended;
        job.priority = priority.unwrap_or(job.priority);
        self.set_job(job.clone());
        job
    }
}

impl Machine<'_> {
    /// Another priority.
    pub(crate) fn set_priority(&mut self, jobs: &Jobs, priority: i64) {
        self.change_jobs(jobs, |job| job.priority = priority);
    }

    /// Suspends jobs, or lets them go on. One that is running loses its unit of work when that is to be stored.
    pub(crate) fn suspend_jobs(&mut self, jobs: &Jobs, suspended: bool) {
        self.change_jobs(jobs, |job| job.suspended = suspended);
    }

    fn change_jobs(&mut self, jobs: &Jobs, change: impl Fn(&mut Job)) {
        let is_meant = |job: &Job| match jobs {
            Jobs::One(wait) => job.wait == *wait,
            Jobs::Of(origin) => self.instance.origin(self.definition, job) == Some(*origin),
            Jobs::All => true,
        };
        let mut changed = Vec::new();
        for before in self.instance.jobs().filter(|job| is_meant(job)) {
            let mut after = before.clone();
            change(&mut after);
            if after != *before {
                changed.push(after);
            }
        }
        for job in changed {
            self.instance.set_job(job.clone());
            self.effects.push(Effect::PutJob(job));
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};

    #[test]
    fn job_that_is_suspended_does_not_run_until_it_is_activated() {
        check(
            "<startEvent id='s'/><task id='a' camunda:asyncBefore='true'/>{s>a}",
            r#"
                start
                suspend-job a
                run a
                fail a it broke
                retries a 7
                leaves
                activate-job a
                activate-job a
                run a
                suspend-job !4
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > suspend-job a
                  job AsyncBefore a !4 due 0, 3 left, 0 failed suspended
                > run a
                  rejected: job 4 is suspended
                > fail a it broke
                  rejected: job 4 is suspended
                > retries a 7
                  job AsyncBefore a !4 due 0, 7 left, 0 failed suspended
                > leaves
                  a #3: suspended
                > activate-job a
                  job AsyncBefore a !4 due 0, 7 left, 0 failed
                > activate-job a
                > run a
                  job !4 gone
                  + a #3
                  - #3
                  ended: Completed
                  end
                > suspend-job !4
                  rejected: the instance has ended
            "#]],
        );
    }

    #[test]
    fn instance_that_is_activated_activates_its_jobs() {
        check(
            "<startEvent id='s'/><parallelGateway id='g'/><task id='a' camunda:asyncBefore='true'/><task id='b' camunda:asyncBefore='true'/>{s>g}{g>a}{g>b}",
            r#"
                start
                suspend-job a
                suspend
                activate
                suspend-jobs
                activate
                activate
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  - #3
                  job AsyncBefore a !5 due 0, 3 left, 0 failed
                  job AsyncBefore b !7 due 0, 3 left, 0 failed
                > suspend-job a
                  job AsyncBefore a !5 due 0, 3 left, 0 failed suspended
                > suspend
                  suspended: true
                > activate
                  job AsyncBefore a !5 due 0, 3 left, 0 failed
                  suspended: false
                > suspend-jobs
                  job AsyncBefore a !5 due 0, 3 left, 0 failed suspended
                  job AsyncBefore b !7 due 0, 3 left, 0 failed suspended
                > activate
                  job AsyncBefore a !5 due 0, 3 left, 0 failed
                  job AsyncBefore b !7 due 0, 3 left, 0 failed
                > activate
            "#]],
        );
    }

    #[test]
    fn what_is_suspended_stands_in_no_exclusive_jobs_way() {
        let definition = parse(
            "<startEvent id='s'/><parallelGateway id='g'/><task id='a' camunda:asyncBefore='true'/><task id='b' camunda:asyncBefore='true'/>{s>g}{g>a}{g>b}",
        );
        let mut run = Run::new(&definition);
        let next = |run: &Run| run.instance.exclusive_jobs().next().map(|job| definition.element(job.element).id.to_string());
        run.line("start");
        assert_eq!(next(&run).as_deref(), Some("a"));
        run.line("suspend-job a");
        assert_eq!(next(&run).as_deref(), Some("b"));
        run.line("activate-job a");
        assert_eq!(next(&run).as_deref(), Some("a"));
    }
}
