//! Escalations: something that a scope around should know of, and that need not stop what reports it (BPMN 2.0, 10.5.6).

use std::sync::Arc;

use mandate_model::{ElementIndex, EventTrigger, ProcessDefinition};
use serde_json::Value as Json;

use crate::all_of::is_last;
use crate::call::{CatchKind, News};
use crate::catcher::catcher;
use crate::effect::Effect;
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::instance::Instance;
use crate::step::Machine;
use crate::unit::LaterKind;
use crate::variable::{Variable, Variables};

impl Machine<'_> {
    /// An event throws an escalation and goes on, unless what catches it interrupts what the event stands in. Uncaught, it goes on as well
    /// (Camunda `ThrowEscalationEventActivityBehavior`). By which flows is asked when it leaves, after what
    /// catches it has run until it waits: they may read what that has set.
    pub(crate) fn escalate(&mut self, event: ActivityId, code: Option<String>) -> Result<(), Failure> {
        let catcher = escalation_catcher(self.definition, self.instance, event, code.as_deref());
        let Some((activity, catching)) = catcher else { return self.escalate_to_caller(event, code) };
        let element = self.definition.element(catching);
        let (variables, interrupting) = self.caught(catching, code);
        if interrupting && is_last(self.definition, self.instance, activity, catching) {
            // As in Camunda 7 it is cancelled with what it stands in, and maps what comes along, too.
            return self.trigger(activity, catching, variables);
        }
        // From here on there are two tokens: the new one's keys must not depend on how often the other comes by the same elements.
        let lineage = self.unit.lineage(self.instance.id, event).branch(&element.id);
        self.unit.do_later(LaterKind::Resume(event));
        self.trigger_as(activity, catching, lineage, variables)
    }

    /// A called instance threw an escalation, and ended with it or goes on. It is caught here, or by who called this one: then this
    /// instance does the same.
    pub(crate) fn escalate_from_call(&mut self, activity: ActivityId, code: Option<String>, ended: bool) -> Result<(), Failure> {
        let catcher = escalation_catcher(self.definition, self.instance, activity, code.as_deref());
        let Some((catching, event)) = catcher else {
            let news = News::Escalation { code, ended };
            if ended {
                self.end_by(news);
            } else {
                self.tell_caller(news);
            }
            return Ok(());
        };
        let lineage = self.unit.lineage(self.instance.id, activity).branch(&self.definition.element(event).id);
        let (variables, _) = self.caught(event, code);
        self.trigger_as(catching, event, lineage, variables)
    }

    /// Nothing inside catches an escalation. Whoever calls is told, for what comes back from the call is mapped also when nothing catches
    /// it (Camunda `OutputVariablesPropagator`); the instance ends if what catches it interrupts. If only the caller knows whether it does,
    /// every token stops with a job where it would enter an element: the caller hears first, and may end the call.
    fn escalate_to_caller(&mut self, event: ActivityId, code: Option<String>) -> Result<(), Failure> {
        match self.instance.caller_catches_escalation(code.as_deref()) {
            Some(CatchKind::Escalation { interrupting: true }) => {
                self.end_by(News::Escalation { code, ended: true });
                Ok(())
            }
            caught => {
                self.unit.defers |= caught == Some(CatchKind::EscalationOfSeveral);
                self.tell_caller(News::Escalation { code, ended: false });
                self.resume(event)
            }
        }
    }

    /// A person reports an escalation from a user task (Camunda `TaskEntity.escalation`). The task goes on waiting unless what catches it
    /// interrupts. [`admit`](crate::admit) refuses one that nothing catches, as Camunda 7 does.
    pub(crate) fn escalate_from_task(&mut self, wait: WaitId, code: String, variables: Variables) -> Result<(), Failure> {
        let task = Arc::make_mut(self.instance.tasks.get_mut(&wait).expect("admit::check found the task"));
        task.reports += 1;
        let from = task.activity;
        // The task may report another one: nothing that this begins may have the keys of that.
        self.unit.answer = task.reports;
        self.effects.push(Effect::PutTask(task.clone()));
        let catcher = escalation_catcher(self.definition, self.instance, from, Some(&code));
        let Some((activity, catching)) = catcher else {
            // So it is caught around the call.
            self.set_variables(from, variables)?;
            match self.instance.caller_catches_escalation(Some(&code)) {
                Some(CatchKind::Escalation { interrupting: true }) => self.end_by(News::Escalation { code: Some(code), ended: true }),
                caught => {
                    // The caller hears before what waits for one of these variables goes on, too.
                    self.unit.defers |= caught == Some(CatchKind::EscalationOfSeveral);
                    self.tell_caller(News::Escalation { code: Some(code), ended: false });
                }
            }
            return Ok(());
        };
        let (caught, _) = self.caught(catching, Some(code));
        let lineage = self.unit.lineage(self.instance.id, from);
        self.trigger_as(activity, catching, lineage, variables.into_iter().chain(caught).collect())
    }

    /// What an escalation brings along to what catches it, and whether that interrupts.
    fn caught(&self, catching: ElementIndex, code: Option<String>) -> (Variables, bool) {
        let Some((EventTrigger::Escalation(catch), interrupting)) = self.definition.element(catching).kind.trigger() else {
            unreachable!("only an event for escalations catches one")
        };
        let mut variables = Variables::new();
        if let Some(name) = &catch.code_variable {
            variables.insert(name.clone(), Variable::from_json(&code.map_or(Json::Null, Json::String)));
        }
        (variables, interrupting)
    }
}

/// What catches an escalation that is thrown in an activity.
pub(crate) fn escalation_catcher(
    definition: &ProcessDefinition,
    instance: &Instance,
    from: ActivityId,
    code: Option<&str>,
) -> Option<(ActivityId, ElementIndex)> {
    catcher(definition, instance, from, code, |trigger| match trigger {
        EventTrigger::Escalation(catch) => Some(catch.code.as_deref()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use uuid::Uuid;

    use crate::testing::{Run, check, parse};
    use crate::{Caller, InstanceId, WaitId};

    #[test]
    fn nothing_that_one_escalation_of_a_task_begins_has_the_keys_of_another() {
        let definition = parse(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='soft' attachedToRef='u' cancelActivity='false'>\
             <escalationEventDefinition escalationRef='esc'/></boundaryEvent><serviceTask id='a' camunda:class='a'/>{s>u}{soft>a}\
             <subProcess id='p' triggeredByEvent='true'><startEvent id='ps' isInterrupting='false'><conditionalEventDefinition>\
             <condition>= n > 0</condition></conditionalEventDefinition></startEvent><serviceTask id='d' camunda:class='d'/>{ps>d}</subProcess>",
        );
        let mut run = Run::new(&definition);
        run.line(r#"start {"n": 0}"#);
        for escalation in [r#"escalate u LATE {"n": 1}"#, r#"escalate u LATE {"n": 2}"#] {
            for line in [escalation, "return", "return"] {
                run.line(line);
            }
        }
        for element in ["a", "d"] {
            let keys = run.keys(element);
            assert_eq!(keys.len(), 2, "{}", run.trace);
            assert_ne!(keys[0], keys[1], "{element}");
        }
    }

    #[test]
    fn handlers_that_escalate_to_each_other_end_at_the_limit_of_a_unit() {
        let catches = |id: &str, caught: &str, thrown: &str| {
            format!(
                "<subProcess id='{id}' triggeredByEvent='true'><startEvent id='{id}s' isInterrupting='false'><escalationEventDefinition \
                 escalationRef='{caught}'/></startEvent><intermediateThrowEvent id='{id}t'><escalationEventDefinition escalationRef='{thrown}'/>\
                 </intermediateThrowEvent>{{{id}s>{id}t}}</subProcess>"
            )
        };
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u' camunda:asyncAfter='true'/><endEvent id='t'><escalationEventDefinition escalationRef='esc'/></endEvent>\
                 {{s>u>t}}{}{}",
                catches("v", "esc", "esc2"),
                catches("w", "esc2", "esc")
            ),
            "
                start
                complete u
                run u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u
                  task !4 gone
                  - #3
                  job AsyncAfter u !6 due 0, 3 left, 0 failed
                > run u
                  failed: STEP_LIMIT: one unit of work entered more than 100000 elements; a loop without a wait state?
            "#]],
        );
    }

    #[test]
    fn caller_is_told_of_what_nothing_catches_for_its_outputs_and_tells_its_own_caller() {
        let inner = parse(
            "<startEvent id='s'/><intermediateThrowEvent id='t'><escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent>{s>t}",
        );
        let middle = parse(
            "<startEvent id='s'/><callActivity id='c' calledElement='other'><extensionElements><camunda:out source='r' target='told'/>\
             </extensionElements></callActivity>{s>c}",
        );
        let caller = |wait| Caller {
            instance: InstanceId(Uuid::from_u128(1)),
            wait: WaitId(wait),
            root: InstanceId(Uuid::from_u128(1)),
            depth: 1,
            catches: Vec::new(),
        };
        let mut run = Run::called(&inner, caller(5));
        run.line(r#"start {"r": 1}"#);
        expect![[r#"
            > start {"r": 1}
              started at s
              r = 1
              + s #2
              - #2
              + t #3
              tell caller !5: 1 Escalation { code: Some("LATE"), ended: false } {r: 1}
              - #3
              tell caller !5: 2 Completed {r: 1}
              ended: Completed
              end
        "#]]
        .assert_eq(&run.trace);
        let mut run = Run::called(&middle, caller(6));
        run.line("start");
        run.line(r#"hear c escalation LATE {"r": 1}"#);
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              #3 calls
              process call c !4 'other' Latest {}
            > hear c escalation LATE {"r": 1}
              told = 1
              tell caller !6: 1 Escalation { code: Some("LATE"), ended: false } {told: 1}
        "#]]
        .assert_eq(&run.trace);
    }
}
