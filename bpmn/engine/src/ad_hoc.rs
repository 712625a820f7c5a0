//! Ad-hoc sub-processes: what begins in them, in which order, and when they are done (BPMN 2.0, 13.3.5).
//!
//! What is chosen when the sub-process begins, begins: together, or one after the other. The rest is for people: with a completion
//! condition everything that may begin stands there as an *enabled* activity, of which history knows nothing, until somebody begins it by
//! its number ([`Input::BeginActivity`](crate::Input::BeginActivity)); another one takes its place then, for it may begin again. A repeated
//! input finds no such number.
//!
//! Whenever something in it has ended the condition is asked, as the sub-process sees it. Once it is true nothing more begins, and what is
//! active is cancelled or, with `cancelRemainingInstances="false"`, awaited. Without a condition the sub-process is done when nothing is
//! active and everything that was chosen has had its turn. If the condition is not true then, it waits for people.
//!
//! Event sub-processes in it watch it as they watch any scope. What they do is none of its activities: it runs beside a sequence, and is
//! awaited, or cancelled, as the rest. One that interrupts ends also what is enabled, and the sub-process is done with it, whatever its
//! condition says.

use imbl::OrdSet;
use mandate_model::{AdHocSubProcess, ElementIndex, ElementKind};

use crate::elements::{At, ad_hoc_sub_process};
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Phase, Role};
use crate::step::Machine;
use crate::unit::LaterKind;

impl<'d> Machine<'d> {
    /// What an activity instance is as an ad-hoc sub-process, if it is one; a body of several is none, nor is one that is over.
    pub(crate) fn ad_hoc(&self, scope: ActivityId) -> Option<&'d AdHocSubProcess> {
        let it = self.instance.at(scope);
        match &self.definition.element(it.element).kind {
            ElementKind::AdHocSubProcess(ad_hoc) if !matches!(it.role, Role::Body(_)) && !it.role.is_past() => Some(ad_hoc),
            _ => None,
        }
    }

    /// An ad-hoc sub-process begins with what was chosen.
    pub(crate) fn begin_ad_hoc(&mut self, scope: ActivityId, chosen: &[ElementIndex]) -> Result<(), Failure> {
        let Some(ad_hoc) = self.ad_hoc(scope) else { unreachable!("only an ad-hoc sub-process lets choose") };
        let (now, later) = chosen.split_at(if ad_hoc.sequential { chosen.len().min(1) } else { chosen.len() });
        for &element in later {
            self.place(element, scope, Phase::Enabled { chosen: true })?;
        }
        if ad_hoc.completion_condition.is_some() {
            for &element in &ad_hoc.scope.begins {
                self.place(element, scope, Phase::Enabled { chosen: false })?;
            }
        }
        self.begin_scope(scope, now);
        Ok(())
    }

    /// Somebody begins an activity that is enabled; of a sequence, as soon as nothing else is active.
    pub(crate) fn choose(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (element, scope) = (it.element, it.scope());
        let sequential = self.ad_hoc(scope).is_some_and(|ad_hoc| ad_hoc.sequential);
        self.forget(activity);
        self.place(element, scope, Phase::Enabled { chosen: false })?;
        if sequential && self.is_active(scope) {
            self.place(element, scope, Phase::Enabled { chosen: true })?;
        } else {
            self.begin_scope(scope, &[element]);
        }
        Ok(())
    }

    /// Something in an ad-hoc sub-process has ended.
    pub(crate) fn continue_ad_hoc(&mut self, scope: ActivityId, ad_hoc: &AdHocSubProcess) -> Result<(), Failure> {
        // An event sub-process may wait for what has changed, before the scope ends.
        if self.asks_conditions_before(LaterKind::EndScope(scope))? {
            return Ok(());
        }
        let at = At::new(self.definition, self.instance, scope, self.moment);
        let complete = self.is_open(scope, ad_hoc) && ad_hoc_sub_process::is_complete(&at, ad_hoc)?;
        if complete && ad_hoc.cancel_remaining {
            self.cancel_children(scope);
            // What is set where something is cancelled triggers nothing inside of what is left.
            self.disarm_event_sub_processes(scope);
            return self.resume(scope);
        }
        if complete {
            let enabled: Vec<_> = self.chosen(scope).chain(self.not_chosen(scope)).collect();
            for activity in enabled {
                self.forget(activity);
            }
        }
        if self.is_active(scope) {
            return Ok(());
        }
        let next = self.chosen(scope).next();
        if let Some(next) = next {
            let element = self.instance.at(next).element;
            self.forget(next);
            self.begin_scope(scope, &[element]);
            return Ok(());
        }
        // Where the condition was true once, or the scope was interrupted, nothing is enabled any more, whatever the condition is now.
        let is_empty = !self.instance.index.children.contains_key(&scope) && !self.unit.agenda.moves_in(scope);
        if is_empty { self.resume(scope) } else { Ok(()) }
    }

    /// Whether its completion condition is to be asked: something is enabled as long as it was not true, and nothing has interrupted the
    /// scope, which would have ended that too.
    fn is_open(&self, scope: ActivityId, ad_hoc: &AdHocSubProcess) -> bool {
        let enables = ad_hoc.completion_condition.is_some() && !ad_hoc.scope.begins.is_empty();
        if enables { self.enables(scope) > 0 } else { !self.is_interrupted(scope, ad_hoc) }
    }

    /// Whether an event sub-process is active that has interrupted everything else.
    fn is_interrupted(&self, scope: ActivityId, ad_hoc: &AdHocSubProcess) -> bool {
        let interrupting = ad_hoc.scope.event_starts.iter().filter(|start| self.interrupts(**start));
        let elements: Vec<_> = interrupting.filter_map(|start| self.definition.element(*start).parent).collect();
        !elements.is_empty() && self.runs(scope, |element| elements.contains(&element))
    }

    /// Whether anything is active but event sub-processes.
    fn is_active(&self, scope: ActivityId) -> bool {
        self.runs(scope, |element| !matches!(self.definition.element(element).kind, ElementKind::EventSubProcess(_)))
    }

    /// Whether one of these elements is active in a scope, or a token on its way to it. What is enabled is none, and as a rule older.
    fn runs(&self, scope: ActivityId, which: impl Fn(ElementIndex) -> bool) -> bool {
        let runs = |child: &ActivityId| {
            let it = self.instance.at(*child);
            !matches!(it.phase, Phase::Enabled { .. }) && which(it.element)
        };
        let comes = || self.unit.agenda.tokens().iter().any(|token| token.scope == scope && which(token.element));
        let children = self.instance.index.children.get(&scope);
        children.is_some_and(|children| children.len() > self.enables(scope) && children.iter().rev().any(runs))
            || self.unit.agenda.moves_in(scope) && comes()
    }

    /// What is enabled in a scope and was chosen: the oldest first.
    fn chosen(&self, scope: ActivityId) -> impl Iterator<Item = ActivityId> {
        self.instance.index.enabled.get(&(scope, true)).into_iter().flatten().copied()
    }

    /// What is enabled in a scope and was not chosen: the oldest first.
    fn not_chosen(&self, scope: ActivityId) -> impl Iterator<Item = ActivityId> {
        self.instance.index.enabled.get(&(scope, false)).into_iter().flatten().copied()
    }

    /// How much is enabled in a scope.
    fn enables(&self, scope: ActivityId) -> usize {
        [true, false].iter().filter_map(|chosen| self.instance.index.enabled.get(&(scope, *chosen))).map(OrdSet::len).sum()
    }
}

#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod watched;

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{TIMER, check};

    /// `s > p > u`, where `p` is an ad-hoc sub-process with these attributes and parts and the user tasks `a`, `b` and, behind `b`, `c`.
    pub(super) fn ad_hoc(attributes: &str, parts: &str) -> String {
        format!(
            "<startEvent id='s'/><adHocSubProcess id='p'{attributes}>{parts}<userTask id='a'/><userTask id='b'/><userTask id='c'/>{{b>c}}\
             </adHocSubProcess><userTask id='u'/>{{s>p>u}}"
        )
    }

    #[test]
    fn everything_begins_together_and_ends_when_nothing_is_active() {
        check(
            &ad_hoc("", ""),
            "
                start
                complete a
                complete b
                complete c
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + a #4 in #3
                  task a !5 of nobody users [] groups []
                  + b #6 in #3
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                > complete b
                  task !7 gone
                  - #6
                  + c #8 in #3
                  task c !9 of nobody users [] groups []
                > complete c
                  task !9 gone
                  - #8
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn sequence_runs_one_after_the_other() {
        check(
            &ad_hoc(" ordering='Sequential'", ""),
            "
                start
                leaves
                complete a
                complete b
                complete c
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + a #5 in #3
                  task a !6 of nobody users [] groups []
                > leaves
                  b #4: waits its turn
                  a #5: task of nobody
                > complete a
                  task !6 gone
                  - #5
                  + b #7 in #3
                  task b !8 of nobody users [] groups []
                > complete b
                  task !8 gone
                  - #7
                  + c #9 in #3
                  task c !10 of nobody users [] groups []
                > complete c
                  task !10 gone
                  - #9
                  - #3
                  + u #11
                  task u !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn condition_cancels_what_is_active() {
        check(
            &ad_hoc("", "<completionCondition>= done</completionCondition>"),
            r#"
                start
                complete a {"done": false}
                complete b {"done": true}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + a #6 in #3
                  task a !7 of nobody users [] groups []
                  + b #8 in #3
                  task b !9 of nobody users [] groups []
                > complete a {"done": false}
                  task !7 gone
                  done = false
                  - #6
                > complete b {"done": true}
                  task !9 gone
                  done = true
                  - #8
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn condition_may_let_what_is_active_end_first() {
        check(
            &ad_hoc(" cancelRemainingInstances='false'", "<completionCondition>= done</completionCondition>"),
            r#"
                start
                complete a {"done": true}
                leaves
                complete b {"done": false}
                complete c
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + a #6 in #3
                  task a !7 of nobody users [] groups []
                  + b #8 in #3
                  task b !9 of nobody users [] groups []
                > complete a {"done": true}
                  task !7 gone
                  done = true
                  - #6
                > leaves
                  b #8: task of nobody
                > complete b {"done": false}
                  task !9 gone
                  done = false
                  - #8
                  + c #10 in #3
                  task c !11 of nobody users [] groups []
                > complete c
                  task !11 gone
                  - #10
                  - #3
                  + u #12
                  task u !13 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn people_begin_what_the_collection_does_not_name_and_each_number_once() {
        check(
            &ad_hoc(
                "",
                "<extensionElements><zeebe:adHoc activeElementsCollection='= []'/></extensionElements>\
                 <completionCondition>= done</completionCondition>",
            ),
            r#"
                start
                leaves
                choose a
                choose #4
                choose #1
                leaves
                complete a
                leaves
                choose a
                complete a {"done": true}
                choose #5
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                > leaves
                  a #4: may begin
                  b #5: may begin
                > choose a
                  + a #7 in #3
                  task a !8 of nobody users [] groups []
                > choose #4
                  rejected: no activity with number 4 may begin
                > choose #1
                  rejected: no activity with number 1 may begin
                > leaves
                  b #5: may begin
                  a #6: may begin
                  a #7: task of nobody
                > complete a
                  task !8 gone
                  - #7
                > leaves
                  b #5: may begin
                  a #6: may begin
                > choose a
                  + a #10 in #3
                  task a !11 of nobody users [] groups []
                > complete a {"done": true}
                  task !11 gone
                  done = true
                  - #10
                  - #3
                  + u #12
                  task u !13 of nobody users [] groups []
                > choose #5
                  rejected: no activity with number 5 may begin
            "#]],
        );
    }

    #[test]
    fn what_is_chosen_in_a_sequence_waits_its_turn() {
        check(
            &ad_hoc(
                " ordering='Sequential'",
                "<extensionElements><zeebe:adHoc activeElementsCollection='= [&quot;b&quot;]'/></extensionElements>\
                 <completionCondition>= done</completionCondition>",
            ),
            r#"
                start
                choose a
                leaves
                complete b
                complete c
                leaves
                complete a {"done": true}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + b #6 in #3
                  task b !7 of nobody users [] groups []
                > choose a
                > leaves
                  b #5: may begin
                  b #6: task of nobody
                  a #8: may begin
                  a #9: waits its turn
                > complete b
                  task !7 gone
                  - #6
                  + c #10 in #3
                  task c !11 of nobody users [] groups []
                > complete c
                  task !11 gone
                  - #10
                  + a #12 in #3
                  task a !13 of nobody users [] groups []
                > leaves
                  b #5: may begin
                  a #8: may begin
                  a #12: task of nobody
                > complete a {"done": true}
                  task !13 gone
                  done = true
                  - #12
                  - #3
                  + u #14
                  task u !15 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn collection_must_name_what_may_begin() {
        check(
            &ad_hoc("", "<extensionElements><zeebe:adHoc activeElementsCollection='= which'/></extensionElements>"),
            r#"
                start {"which": ["a", "c"]}
                start {"which": "a"}
                start {"which": []}
            "#,
            expect![[r#"
                > start {"which": ["a", "c"]}
                  failed: EXPRESSION_FAILED: "c" is no activity of 'p' that no flow leads to
                > start {"which": "a"}
                  failed: EXPRESSION_FAILED: the expression '= which' of 'p': gives string, not a list
                > start {"which": []}
                  started at s
                  which = []
                  + s #2
                  - #2
                  + p #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn boundary_event_takes_what_is_enabled_and_active() {
        check(
            &format!(
                "{}<boundaryEvent id='t' attachedToRef='p'>{TIMER}</boundaryEvent><userTask id='late'/>{{t>late}}",
                ad_hoc(" ordering='Sequential'", "<completionCondition>= done</completionCondition>")
            ),
            "
                start
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  + a #8 in #3
                  task a !9 of nobody users [] groups []
                > run t
                  job !4 gone
                  task !9 gone
                  - #8 canceled
                  - #3 canceled
                  + t #10
                  - #10
                  + late #11
                  task late !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn each_of_several_is_a_choice_of_its_own() {
        check(
            "<startEvent id='s'/><adHocSubProcess id='p'><multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality>\
             </multiInstanceLoopCharacteristics><task id='a'/></adHocSubProcess>{s>p}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  + p #4 in #3
                  + a #6 in #4
                  - #6
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                  + p #5 in #3
                  + a #7 in #5
                  - #7
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }
}
