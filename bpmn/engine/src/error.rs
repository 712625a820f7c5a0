//! BPMN errors: business answers that take another path.

use mandate_model::{ElementIndex, EventTrigger, ProcessDefinition};
use serde_json::Value as Json;

use crate::Code;

use crate::call::News;
use crate::catcher::{catcher, catcher_at_edge};
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::instance::Instance;
use crate::step::Machine;
use crate::variable::{Variable, Variables};

/// An error on its way outward.
pub(crate) struct Thrown {
    pub code: String,
    pub message: Option<String>,
    pub variables: Variables,
}

impl Thrown {
    /// The failure of a unit in which a delegate throws what nothing catches.
    pub(crate) fn uncaught(&self, element: ElementIndex) -> Failure {
        Failure::never(Code::UnhandledBpmnError, element, uncaught(self))
    }
}

impl Machine<'_> {
    /// An error of a delegate, or one that a called instance has ended with. Uncaught, the unit fails for good: the model says nothing
    /// about this answer, and a technical retry would only ask again (Camunda 7 ends the path silently unless
    /// `enableExceptionsAfterUnhandledBpmnError` is set; we never do).
    pub(crate) fn throw_from_delegate(&mut self, activity: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        let element = self.instance.at(activity).element;
        let Some(catcher) = self.error_catcher(activity, &thrown) else {
            if self.instance.caller_catches_error(&thrown.code) {
                return self.throw_to_caller(activity, thrown);
            }
            return Err(thrown.uncaught(element));
        };
        self.catch(catcher, thrown)
    }

    /// An error that a worker answers with. Uncaught, it is an incident at once, as a delegate's: no retry can help.
    pub(crate) fn throw_from_external_task(&mut self, wait: WaitId, thrown: Thrown) -> Result<(), Failure> {
        let activity = self.instance.external_tasks[&wait].activity;
        if let Some(catcher) = self.error_catcher(activity, &thrown) {
            return self.catch(catcher, thrown);
        }
        if self.instance.caller_catches_error(&thrown.code) {
            return self.throw_to_caller(activity, thrown);
        }
        self.fail_external_task(wait, Some(uncaught(&thrown)), 0);
        Ok(())
    }

    /// An error that a person answers a user task with. [`admit`](crate::admit) refuses one that nothing catches: the person is there to be
    /// told, and the task stays (Camunda 7 ends the path silently).
    pub(crate) fn throw_from_task(&mut self, wait: WaitId, thrown: Thrown) -> Result<(), Failure> {
        let activity = self.instance.tasks[&wait].activity;
        match self.error_catcher(activity, &thrown) {
            Some(catcher) => self.catch(catcher, thrown),
            // So it is caught around the call.
            None => self.throw_to_caller(activity, thrown),
        }
    }

    /// An error end event. Uncaught, it ends like a none end event, as in Camunda 7: the token is consumed and other branches go on.
    /// Caught, it is cancelled with what it stands in (Camunda 7, `PvmAtomicOperationActivityStartCancelScope`).
    pub(crate) fn throw_from_event(&mut self, event: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        match self.error_catcher(event, &thrown) {
            Some(catcher) => {
                self.cancel(event);
                self.catch(catcher, thrown)
            }
            None if self.instance.caller_catches_error(&thrown.code) => {
                let scope = self.instance.at(event).scope();
                self.cancel(event);
                self.throw_to_caller(scope, thrown)
            }
            None => self.leave(event, &[]),
        }
    }

    /// Nothing catches an error inside, and something does around the call: the instance ends with it. What the error carries is set from
    /// where it was thrown outward, and passed on as the call activity says.
    fn throw_to_caller(&mut self, from: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        self.set_variables(from, thrown.variables)?;
        self.end_by(News::Error { code: thrown.code, message: thrown.message });
        Ok(())
    }

    /// An error of a listener's delegate where an activity begins or ends.
    pub(crate) fn throw_at_edge(&mut self, of: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        let element = self.instance.at(of).element;
        let catcher = catcher_at_edge(self.definition, self.instance, of, Some(&thrown.code), code_of_error);
        match catcher {
            Some(catcher) => self.catch(catcher, thrown),
            // Of the process itself nobody does: not what is around its call either.
            None if of != self.instance.root() && self.instance.caller_catches_error(&thrown.code) => self.throw_to_caller(of, thrown),
            None => Err(thrown.uncaught(element)),
        }
    }

    fn error_catcher(&self, from: ActivityId, thrown: &Thrown) -> Option<(ActivityId, ElementIndex)> {
        error_catcher(self.definition, self.instance, from, &thrown.code)
    }

    /// The event is triggered with what the error carries.
    fn catch(&mut self, (activity, event): (ActivityId, ElementIndex), thrown: Thrown) -> Result<(), Failure> {
        let mut variables = thrown.variables;
        if let Some((EventTrigger::Error(catch), _)) = self.definition.element(event).kind.trigger() {
            if let Some(name) = &catch.code_variable {
                variables.insert(name.clone(), Variable::from_json(&Json::String(thrown.code)));
            }
            if let Some(name) = &catch.message_variable {
                variables.insert(name.clone(), Variable::from_json(&thrown.message.map_or(Json::Null, Json::String)));
            }
        }
        self.trigger(activity, event, variables)
    }
}

/// What catches an error that is thrown in an activity.
pub(crate) fn error_catcher(
    definition: &ProcessDefinition,
    instance: &Instance,
    from: ActivityId,
    code: &str,
) -> Option<(ActivityId, ElementIndex)> {
    catcher(definition, instance, from, Some(code), code_of_error)
}

/// Which errors a trigger is for: of some code, or all; none if it waits for something else.
#[expect(clippy::option_option, reason = "no error is not the same as every error")]
fn code_of_error(trigger: &EventTrigger) -> Option<Option<&str>> {
    match trigger {
        EventTrigger::Error(catch) => Some(catch.code.as_deref()),
        EventTrigger::Timer(_)
        | EventTrigger::Message(_)
        | EventTrigger::Escalation(_)
        | EventTrigger::Signal(_)
        | EventTrigger::Condition(_)
        | EventTrigger::Compensation
        | EventTrigger::Cancel => None,
    }
}

fn uncaught(thrown: &Thrown) -> String {
    match &thrown.message {
        Some(message) if !message.is_empty() => format!("BPMN error '{}', which nothing catches: {message}", thrown.code),
        _ => format!("BPMN error '{}', which nothing catches", thrown.code),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};
    use crate::{DelegateOutcome, Input, MAX_INSTANCE_BYTES, MAX_VARIABLE_BYTES, Variable, Variables};

    /// An event sub-process `v` for an error, with a user task `handle` inside.
    const WATCHING: &str = "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><errorEventDefinition errorRef='err' \
                            camunda:errorCodeVariable='code' camunda:errorMessageVariable='text'/></startEvent><userTask id='handle'/>\
                            {vs>handle}</subProcess>";

    #[test]
    fn what_an_error_carries_has_the_room_of_what_it_ends() {
        let definition = parse(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/><serviceTask id='a' camunda:class='A'/>{ps>u>a}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='v'/>{s>p}{b>v}",
        );
        let much = |name: &str| -> Variables {
            let value = Variable::from_json(&"x".repeat(MAX_VARIABLE_BYTES - 5).into());
            (0..MAX_INSTANCE_BYTES / MAX_VARIABLE_BYTES - 1).map(|nth| (format!("{name}{nth:03}"), value.clone())).collect()
        };
        let mut run = Run::new(&definition);
        run.line("start");
        let scope = run.instance.activities().find(|it| definition.find("p") == Some(it.element)).expect("it is active").id;
        run.input(Input::SetVariables { scope, set: much("p"), remove: Vec::new(), local: true });
        run.line("complete u");
        let (wait, variables) = (run.calls[0].wait, much("e"));
        let outcome = DelegateOutcome::BpmnError { code: "E".to_owned(), message: "no".to_owned(), variables };
        run.input(Input::DelegateReturned { wait, outcome });
        run.line("complete v");
        assert!(run.instance.is_ended(), "it did not fail");
    }

    #[test]
    fn error_of_a_delegate_is_caught_in_its_scope_before_it_leaves() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><serviceTask id='a' camunda:class='A'/>{{ps>a}}{WATCHING}</subProcess>\
                 <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='outside'/>\
                 {{s>p}}{{b>outside}}"
            ),
            r#"
                start
                error E {"why": "sold out"}
                complete handle
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + a #5 in #3
                  call a !6 attempt 1, 0 left {}
                > error E {"why": "sold out"}
                  code = "E"
                  text = "no"
                  why = "sold out"
                  - #5 canceled
                  + v #7 in #3
                  + vs #8 in #7
                  - #8
                  + handle #9 in #7
                  task handle !10 of nobody users [] groups []
                > complete handle
                  task !10 gone
                  - #9
                  - #7
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn error_of_a_worker_is_caught_in_its_scope() {
        check(
            &format!("<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='t'/>{{s>x}}{WATCHING}"),
            r#"
                start
                throw x E {"why": "sold out"}
                complete handle
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 't' priority 0
                > throw x E {"why": "sold out"}
                  code = "E"
                  text = "no"
                  why = "sold out"
                  external task !4 gone
                  - #3 canceled
                  + v #5
                  + vs #6 in #5
                  - #6
                  + handle #7 in #5
                  task handle !8 of nobody users [] groups []
                > complete handle
                  task !8 gone
                  - #7
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn boundary_event_on_the_task_itself_is_nearer() {
        check(
            &format!(
                "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><boundaryEvent id='b' attachedToRef='a'>\
                 <errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='near'/>{{s>a}}{{b>near}}{WATCHING}"
            ),
            "
                start
                error E
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {}
                > error E
                  - #3 canceled
                  + b #5
                  - #5
                  + near #6
                  task near !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn exact_code_goes_before_all_codes_and_both_before_the_boundary() {
        let model = "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><serviceTask id='a' camunda:class='A'/>{ps>a}\
                     <subProcess id='any' triggeredByEvent='true'><startEvent id='anys'><errorEventDefinition/></startEvent></subProcess>\
                     <subProcess id='exact' triggeredByEvent='true'><startEvent id='exacts'><errorEventDefinition errorRef='err'/>\
                     </startEvent></subProcess></subProcess><boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err2'/>\
                     </boundaryEvent><userTask id='after'/>{s>p>after}{b>after}";
        let definition = parse(model);
        for (code, began) in [("E", "+ exact "), ("E2", "+ any ")] {
            let mut run = Run::new(&definition);
            run.line("start");
            run.line(&format!("error {code}"));
            assert!(run.trace.contains(began), "{code}: {}", run.trace);
        }
    }

    #[test]
    fn error_thrown_inside_goes_outward() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='x'><errorEventDefinition errorRef='err'/></endEvent>\
             {ps>x}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><errorEventDefinition/></startEvent>\
             <endEvent id='again'><errorEventDefinition errorRef='err'/></endEvent>{vs>again}</subProcess></subProcess>\
             <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition/></boundaryEvent><userTask id='outside'/>{s>p}{b>outside}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  - #5 canceled
                  + v #6 in #3
                  + vs #7 in #6
                  - #7
                  + again #8 in #6
                  - #8 canceled
                  - #6 canceled
                  - #3 canceled
                  + b #9
                  - #9
                  + outside #10
                  task outside !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn error_in_one_begins_another_that_interrupts_it() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u'/>{{s>u}}<subProcess id='w' triggeredByEvent='true'><startEvent id='ws' \
                 isInterrupting='false'><messageEventDefinition messageRef='msg'/></startEvent><serviceTask id='a' camunda:class='A'/>{{ws>a}}</subProcess>{WATCHING}"
            ),
            "
                start
                message ws
                error E
                complete handle
            ",
            expect![[r#"
                > start
                  started at s
                  subscription ws !2 'paid'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > message ws
                  subscription !2 gone
                  subscription ws !6 'paid'
                  + w #7
                  + ws #8 in #7
                  - #8
                  + a #9 in #7
                  call a !10 attempt 1, 0 left {}
                > error E
                  code = "E"
                  text = "no"
                  task !5 gone
                  - #4 canceled
                  - #9 canceled
                  - #7 canceled
                  subscription !6 gone
                  + v #11
                  + vs #12 in #11
                  - #12
                  + handle #13 in #11
                  task handle !14 of nobody users [] groups []
                > complete handle
                  task !14 gone
                  - #13
                  - #11
                  ended: Completed
                  end
            "#]],
        );
    }
}
