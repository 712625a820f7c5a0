//! User tasks.

use mandate_feel::{Expression, Value};
use mandate_model::{UserTask, time};

use super::{At, Behaviour, Next, WaitFor, plain};
use crate::Code;
use crate::input::Failure;

/// Camunda's `Task.PRIORITY_NORMAL`.
const PRIORITY: i64 = 50;

impl Behaviour for UserTask {
    /// Everything is evaluated when the task is created (Camunda `TaskDecorator`).
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let assignee = self.assignee.as_ref().map(|it| at.text(it)).transpose()?.flatten();
        Ok(Next::Wait(WaitFor::Task {
            assignee: assignee.filter(|it| !it.is_empty()),
            candidate_users: candidates(at, self.candidate_users.as_ref())?,
            candidate_groups: candidates(at, self.candidate_groups.as_ref())?,
            due: self.due_date.as_ref().map(|it| date(at, "due", it)).transpose()?.flatten(),
            follow_up: self.follow_up_date.as_ref().map(|it| date(at, "follow-up", it)).transpose()?.flatten(),
            form_key: computed_form_key(at)?,
            name: self.computed_name.as_ref().map(|name| text(at, name)).transpose()?,
            description: self.computed_documentation.as_ref().map(|description| text(at, description)).transpose()?,
            priority: self.priority.as_ref().map(|it| at.whole(it)).transpose()?.flatten().unwrap_or(PRIORITY),
        }))
    }
}

/// The key of its form, unless it is a text, which the model has.
fn computed_form_key(at: &At<'_>) -> Result<Option<String>, Failure> {
    let key = at.element().form.as_ref().and_then(|form| form.key.as_ref());
    Ok(key.filter(|key| key.as_literal().is_none()).map(|key| at.text(key)).transpose()?.flatten())
}

/// Null is an empty text.
fn text(at: &At<'_>, expression: &Expression) -> Result<String, Failure> {
    at.text(expression).map(Option::unwrap_or_default)
}

/// Names separated by commas, or a list of names.
fn candidates(at: &At<'_>, expression: Option<&Expression>) -> Result<Vec<String>, Failure> {
    let Some(expression) = expression else { return Ok(Vec::new()) };
    let value = at.evaluate(expression)?;
    let names = match &value {
        Value::Null => Some(Vec::new()),
        Value::List(items) => items.iter().map(plain).collect(),
        single => plain(single).map(|text| text.split(',').map(str::to_owned).collect()),
    };
    let names: Vec<String> = names.ok_or_else(|| at.mismatch(expression, "string or list of strings", &value))?;
    Ok(names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
}

/// A date, or a duration from now on (Camunda `DueDateBusinessCalendar`).
fn date(at: &At<'_>, what: &str, expression: &Expression) -> Result<Option<i64>, Failure> {
    let Some(text) = at.text(expression)? else { return Ok(None) };
    time::due(at.moment.now, &text).map(Some).map_err(|_| {
        let (id, source) = (&at.element().id, expression.source());
        let message =
            format!("the {what} date '{source}' of '{id}' is not an ISO 8601 date and time such as 2030-01-31T12:00:00Z, nor a duration");
        Failure::by_policy(Code::TimerInvalid, at.index, message)
    })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};

    #[test]
    fn task_is_created_with_what_its_expressions_say() {
        check(
            "<startEvent id='s'/>\
             <userTask id='u' camunda:assignee='${clerk}' camunda:candidateUsers='ann, bob' camunda:candidateGroups='= groups' camunda:dueDate='1970-01-01T00:00:05Z'/>\
             {s>u}",
            r#"
                start {"clerk": "eve", "groups": ["sales", "ops"]}
                leaves
                variables process
            "#,
            expect![[r#"
                > start {"clerk": "eve", "groups": ["sales", "ops"]}
                  started at s
                  clerk = "eve"
                  groups = ["sales","ops"]
                  + s #2
                  - #2
                  + u #3
                  task u !4 of eve users ["ann", "bob"] groups ["sales", "ops"] due 5000
                > leaves
                  u #3: task of eve until 5000
                > variables process
                  {clerk: "eve", groups: ["sales","ops"]}
            "#]],
        );
    }

    #[test]
    fn follow_up_date_and_priority_are_evaluated_when_it_is_created() {
        check(
            "<startEvent id='s'/><userTask id='u' camunda:dueDate='${due}' camunda:followUpDate='PT10S' camunda:priority='${n}'/>\
             <userTask id='v' camunda:priority='= null'/>{s>u>v}",
            r#"
                start {"due": "P1D", "n": "7"}
                complete u
            "#,
            expect![[r#"
                > start {"due": "P1D", "n": "7"}
                  started at s
                  due = "P1D"
                  n = "7"
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups [] due 86400000 follow up 10000 priority 7
                > complete u
                  task !4 gone
                  - #3
                  + v #5
                  task v !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn claimed_by_one_it_is_refused_to_another() {
        check(
            "<startEvent id='s'/><userTask id='u'/><endEvent id='e'/>{s>u>e}",
            r#"
                start
                claim u ann
                claim u ann
                claim u bob
                assign u
                claim u bob
                leaves
                complete u {"ok": true}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > claim u ann
                  task u !4 of ann users [] groups []
                > claim u ann
                > claim u bob
                  rejected: the task is claimed by 'ann'
                > assign u
                  task u !4 of nobody users [] groups []
                > claim u bob
                  task u !4 of bob users [] groups []
                > leaves
                  u #3: task of bob
                > complete u {"ok": true}
                  task !4 gone
                  ok = true
                  - #3
                  + e #5
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn completed_twice_finds_nothing() {
        check(
            "<startEvent id='s'/><userTask id='u'/><userTask id='v'/>{s>u>v}",
            "
                start
                complete !4
                complete !4
                run !6
                message !6
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete !4
                  task !4 gone
                  - #3
                  + v #5
                  task v !6 of nobody users [] groups []
                > complete !4
                  rejected: nothing waits under number 4
                > run !6
                  rejected: number 6 is a user task, not a job
                > message !6
                  rejected: number 6 is a user task, not a message subscription
            "#]],
        );
    }

    #[test]
    fn bad_due_date_names_its_source() {
        check(
            "<startEvent id='s'/><userTask id='u' camunda:dueDate='${when}'/>{s>u}",
            r#"
                start {"when": "tomorrow"}
                start {"when": null}
            "#,
            expect![[r#"
                > start {"when": "tomorrow"}
                  failed: TIMER_INVALID: the due date '${when}' of 'u' is not an ISO 8601 date and time such as 2030-01-31T12:00:00Z, nor a duration
                > start {"when": null}
                  started at s
                  when = null
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    /// In Camunda 7 the execution is asked, and not the task, whose attributes these are (`TaskDecorator`).
    #[test]
    fn task_is_not_known_to_its_own_attributes_however_it_is_asked() {
        for asked in ["task.id", "task.getName()", "task.hasVariable('v')", "task.getVariable('v')", "task.getVariablesLocal()", "task"] {
            for attribute in ["assignee", "candidateUsers", "dueDate", "priority", "formKey"] {
                let definition = parse(&format!("<startEvent id='s'/><userTask id='u' camunda:{attribute}=\"${{{asked}}}\"/>{{s>u}}"));
                let mut run = Run::new(&definition);
                run.line(r#"start {"v": 1}"#);
                let wanted = format!("failed: EXPRESSION_FAILED: the expression '${{{asked}}}' of 'u': Cannot resolve identifier 'task'");
                assert!(run.trace.contains(&wanted), "{attribute} {}", run.trace);
            }
        }
        // A variable of this name is one as any other.
        let definition = parse("<startEvent id='s'/><userTask id='u' camunda:assignee='${task.clerk}'/>{s>u}");
        let mut run = Run::new(&definition);
        run.line(r#"start {"task": {"clerk": "ann"}}"#);
        assert!(run.trace.contains("task u !4 of ann"), "{}", run.trace);
    }

    #[test]
    fn functions_and_objects_of_camunda_are_there() {
        check(
            "<startEvent id='s'/><userTask id='u' name='Look' camunda:assignee='${currentUser()}' camunda:dueDate='${dateTime().plusDays(1).toDate()}'>\
             <extensionElements><camunda:inputOutput><camunda:inputParameter name='begun'>${now()}</camunda:inputParameter>\
             <camunda:inputParameter name='at'>${execution.getCurrentActivityId()} ${execution.currentActivityName}</camunda:inputParameter>\
             <camunda:inputParameter name='by'>${authenticatedUserId} ${empty currentUserGroups()}</camunda:inputParameter></camunda:inputOutput>\
             <camunda:taskListener event='create' class='Told'><camunda:field name='who' expression='${task.assignee}'/>\
             <camunda:field name='what' expression='${task.getName()} until ${task.dueDate}'/></camunda:taskListener>\
             <camunda:taskListener event='complete' class='Told'><camunda:field name='who' expression='${task.getAssignee()}'/>\
             <camunda:field name='seen' expression=\"${task.getVariable('begun')}\"/></camunda:taskListener></extensionElements></userTask>{s>u}",
            "
                as ann
                at 1500
                start
                return
                assign u bob
                complete u
                return
            ",
            expect![[r#"
                > as ann
                > at 1500
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  begun = "1970-01-01T00:00:01.500Z" in #3
                  at = "u Look" in #3
                  by = "ann true" in #3
                  task u !4 of ann users [] groups [] due 86401500
                  call create u !5 attempt 1, 0 left {at: "u Look", begun: "1970-01-01T00:00:01.500Z", by: "ann true"} who=ann what=Look until 1970-01-02T00:00:01.500+0000
                > return
                > assign u bob
                  task u !4 of bob users [] groups [] due 86401500
                > complete u
                  call complete u !6 attempt 1, 0 left {at: "u Look", begun: "1970-01-01T00:00:01.500Z", by: "ann true"} who=bob seen=1970-01-01T00:00:01.500+0000
                > return
                  task !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn form_key_that_is_an_expression_is_evaluated_when_the_task_is_created() {
        check(
            "<startEvent id='s'/><userTask id='u' camunda:formKey='embedded:${form}.html'/><userTask id='v' camunda:formKey='= null'/>\
             <userTask id='w' camunda:formKey='fixed.html'/>{s>u>v>w}",
            r#"
                start {"form": "look"}
                set {"form": "other"}
                assign u ann
                complete u
                complete v
            "#,
            expect![[r#"
                > start {"form": "look"}
                  started at s
                  form = "look"
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups [] form 'embedded:look.html'
                > set {"form": "other"}
                  form = "other"
                > assign u ann
                  task u !4 of ann users [] groups [] form 'embedded:look.html'
                > complete u
                  task !4 gone
                  - #3
                  + v #5
                  task v !6 of nobody users [] groups []
                > complete v
                  task !6 gone
                  - #5
                  + w #7
                  task w !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn name_and_documentation_may_be_expressions_in_camundas_dialect() {
        check(
            "<startEvent id='s'/><userTask id='u' name='Check ${order}' camunda:assignee='eve'><documentation>for ${order}, ${none}!</documentation></userTask>\
             <userTask id='v' name='${none}'/><userTask id='w' name='Check'/>{s>u>v>w}",
            r#"
                start {"order": "A1", "none": null}
                complete u
                complete v
            "#,
            expect![[r#"
                > start {"order": "A1", "none": null}
                  started at s
                  none = null
                  order = "A1"
                  + s #2
                  - #2
                  + u #3
                  task u !4 of eve users [] groups [] name 'Check A1' description 'for A1, !'
                > complete u
                  task !4 gone
                  - #3
                  + v #5
                  task v !6 of nobody users [] groups [] name ''
                > complete v
                  task !6 gone
                  - #5
                  + w #7
                  task w !8 of nobody users [] groups []
            "#]],
        );
        check(
            "<startEvent id='s'/><userTask id='u' name='Check ${order}'/>{s>u}",
            "
                start
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    /// As in Camunda 7 what is set in a task is gone with it: what comes with the completed task is the process's, and mappings and flows
    /// see that.
    #[test]
    fn what_a_task_has_of_its_own_is_seen_by_its_listeners_and_gone_with_it() {
        check(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:inputParameter name='given'>1</camunda:inputParameter>\
             <camunda:outputParameter name='out'>${x}</camunda:outputParameter></camunda:inputOutput><camunda:taskListener event='complete' class='L'/>\
             </extensionElements></userTask><boundaryEvent id='b' attachedToRef='u' cancelActivity='false'><conditionalEventDefinition><condition>${x == 2}\
             </condition></conditionalEventDefinition></boundaryEvent><task id='t'/><endEvent id='e'/>{s>u>e}{b>t}",
            r#"
                start {"x": 0}
                putlocal #5 {"x": 2, "draft": true}
                variables #5
                variables u
                put #5 {"x": 3, "y": 4, "given": 5}
                complete u {"x": 1}
                return
            "#,
            expect![[r#"
                > start {"x": 0}
                  started at s
                  x = 0
                  + s #2
                  - #2
                  + u #3
                  given = "1" in #3
                  condition b !4
                  task u !5 of nobody users [] groups []
                > putlocal #5 {"x": 2, "draft": true}
                  draft = true in #5
                  x = 2 in #5
                  task u !5 of nobody users [] groups []
                > variables #5
                  {draft: true, given: "1", x: 2}
                > variables u
                  {given: "1", x: 0}
                > put #5 {"x": 3, "y": 4, "given": 5}
                  given = 5 in #3
                  x = 3 in #5
                  y = 4
                  task u !5 of nobody users [] groups []
                > complete u {"x": 1}
                  x = 1
                  call complete u !6 attempt 1, 0 left {draft: true, given: 5, x: 3, y: 4}
                > return
                  task !5 gone
                  out = 1
                  subscription !4 gone
                  - #3
                  + e #7
                  - #7
                  ended: Completed
                  end
            "#]],
        );
    }
}
