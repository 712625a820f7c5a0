//! What people change of user tasks (Camunda 7, `TaskService`).

use std::sync::Arc;

use mandate_model::ListenerEvent;

use crate::effect::{Delegation, Effect, Task};
use crate::ids::WaitId;
use crate::input::{Failure, TaskFields, TaskRevision};
use crate::listener::Occasion;
use crate::step::Machine;
use crate::variable::Variables;

impl Machine<'_> {
    /// A task is done: what it brings is set, and it goes on when its listeners have been called.
    pub(crate) fn complete_task(&mut self, wait: WaitId, variables: Variables) -> Result<(), Failure> {
        let activity = self.instance.tasks[&wait].activity;
        // Its listeners see the task.
        if !self.has_listeners_for(activity, ListenerEvent::Complete) {
            self.remove_wait(activity, wait);
        }
        self.deliver(activity, variables)?;
        self.notify(activity, Occasion::Complete)
    }

    /// A task is changed by hand, and its row with it if anything of it is otherwise than before.
    pub(crate) fn revise_task(&mut self, wait: WaitId, mut revision: TaskRevision) -> Result<(), Failure> {
        let before = self.instance.tasks[&wait].clone();
        if let TaskRevision::Resolve { variables } = &mut revision {
            self.deliver(before.activity, std::mem::take(variables))?;
        }
        let mut task = Task::clone(&before);
        revise(&mut task, revision);
        if task == *before {
            return Ok(());
        }
        let reassigned = task.assignee != before.assignee;
        self.task_changed(task, Occasion::Update { reassigned })
    }

    /// A change of a task, of its own variables too, is told to its listeners (Camunda 7, `TaskEntity.triggerUpdateEvent`).
    pub(crate) fn task_changed(&mut self, mut task: Task, update: Occasion) -> Result<(), Failure> {
        let activity = task.activity;
        task.updated = Some(self.now);
        self.instance.tasks.insert(task.wait, Arc::new(task.clone()));
        self.effects.push(Effect::PutTask(task));
        // Variables are set in an instance that is suspended, too, of which nothing runs.
        if self.instance.suspended { Ok(()) } else { self.notify(activity, update) }
    }
}

fn revise(task: &mut Task, revision: TaskRevision) {
    match revision {
        TaskRevision::Assign { user } => task.assignee = user,
        TaskRevision::SetOwner { user } => task.owner = user,
        TaskRevision::Delegate { user } => {
            task.owner = task.owner.take().or_else(|| task.assignee.clone());
            task.assignee = user;
            task.delegation = Some(Delegation::Pending);
        }
        TaskRevision::Resolve { .. } => {
            task.assignee = task.owner.clone();
            task.delegation = Some(Delegation::Resolved);
        }
        TaskRevision::Update(fields) => {
            let TaskFields { name, description, assignee, owner, due, follow_up, priority, delegation } = *fields;
            // What it has not is said by an empty text: none is what the model says.
            task.name = Some(name.unwrap_or_default());
            task.description = Some(description.unwrap_or_default());
            (task.assignee, task.owner, task.due, task.follow_up) = (assignee, owner, due, follow_up);
            task.priority = priority.unwrap_or(task.priority);
            task.delegation = delegation.or(task.delegation);
        }
        TaskRevision::AddCandidateUser(user) => add(&mut task.candidate_users, user),
        TaskRevision::RemoveCandidateUser(user) => task.candidate_users.retain(|it| *it != user),
        TaskRevision::AddCandidateGroup(group) => add(&mut task.candidate_groups, group),
        TaskRevision::RemoveCandidateGroup(group) => task.candidate_groups.retain(|it| *it != group),
    }
}

fn add(names: &mut Vec<String>, name: String) {
    if !names.contains(&name) {
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};

    #[test]
    fn change_of_it_or_of_its_own_variables_has_a_moment_and_is_told() {
        let definition = parse(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:taskListener event='update' class='Tell'/></extensionElements>\
             </userTask>{s>u}",
        );
        let mut run = Run::new(&definition);
        let mut updated = |lines: &[&str], told: bool| {
            let calls = run.trace.matches("call update").count();
            for line in lines {
                run.line(line);
            }
            assert_eq!(run.trace.matches("call update").count() > calls, told, "{}", run.trace);
            run.instance.tasks().next().and_then(|task| task.updated)
        };
        assert_eq!(updated(&["at 4", "start"], false), None);
        assert_eq!(updated(&["at 5", r#"putlocal #4 {"own": 1}"#, "return"], true), Some(5));
        assert_eq!(updated(&["at 6", r#"putlocal #4 {"own": 1}"#, "return"], true), Some(6), "also if it was so");
        assert_eq!(updated(&["at 7", r#"put #4 {"other": 1}"#], false), Some(6), "it is the process's");
        assert_eq!(updated(&["at 8", "claim u ann", "return"], true), Some(8));
        assert_eq!(updated(&["at 9", "drop #4 own", "return"], true), Some(9));
        assert_eq!(updated(&["suspend", "at 10", r#"putlocal #4 {"own": 2}"#], false), Some(10), "nothing runs");
    }

    const TASK: &str = "<startEvent id='s'/><userTask id='u' camunda:assignee='ann'/>{s>u}";

    #[test]
    fn delegated_it_belongs_to_whoever_had_it_and_comes_back_to_them() {
        check(
            TASK,
            r#"
                start
                delegate u bob
                delegate u bob
                resolve u {"ok": true}
                assign u eve
                complete u
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of ann users [] groups []
                > delegate u bob
                  task u !4 of bob owner ann PENDING users [] groups []
                > delegate u bob
                > resolve u {"ok": true}
                  ok = true
                  task u !4 of ann owner ann RESOLVED users [] groups []
                > assign u eve
                  task u !4 of eve owner ann RESOLVED users [] groups []
                > complete u
                  task !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn error_from_a_task_is_caught_or_refused() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='b' attachedToRef='u'><errorEventDefinition errorRef='err' \
             camunda:errorCodeVariable='code'/></boundaryEvent><userTask id='v'/>{s>u}{b>v}",
            r#"
                start
                answer u OTHER
                answer u E {"why": "sold out"}
                answer !4 E
                answer v E
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > answer u OTHER
                  rejected: nothing catches the BPMN error 'OTHER' of the task
                > answer u E {"why": "sold out"}
                  code = "E"
                  why = "sold out"
                  task !4 gone
                  - #3 canceled
                  + b #5
                  - #5
                  + v #6
                  task v !7 of nobody users [] groups []
                > answer !4 E
                  rejected: nothing waits under number 4
                > answer v E
                  rejected: nothing catches the BPMN error 'E' of the task
            "#]],
        );
    }

    #[test]
    fn escalation_from_a_task_leaves_it_waiting_unless_it_is_interrupted() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='soft' attachedToRef='u' cancelActivity='false'>\
             <escalationEventDefinition escalationRef='esc' camunda:escalationCodeVariable='code'/></boundaryEvent>\
             <boundaryEvent id='hard' attachedToRef='u'><escalationEventDefinition escalationRef='esc2'/></boundaryEvent>\
             <userTask id='v'/><userTask id='w'/>{s>u}{soft>v}{hard>w}",
            r#"
                start
                escalate u OTHER
                escalate u LATE {"why": "late"}
                escalate u LATE
                escalate u LOST
                leaves
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > escalate u OTHER
                  rejected: nothing catches the escalation 'OTHER' of the task
                > escalate u LATE {"why": "late"}
                  task u !4 of nobody users [] groups []
                  code = "LATE"
                  why = "late"
                  + soft #5
                  - #5
                  + v #6
                  task v !7 of nobody users [] groups []
                > escalate u LATE
                  task u !4 of nobody users [] groups []
                  code = "LATE"
                  + soft #8
                  - #8
                  + v #9
                  task v !10 of nobody users [] groups []
                > escalate u LOST
                  task u !4 of nobody users [] groups []
                  task !4 gone
                  - #3 canceled
                  + hard #11
                  - #11
                  + w #12
                  task w !13 of nobody users [] groups []
                > leaves
                  v #6: task of nobody
                  v #9: task of nobody
                  w #12: task of nobody
            "#]],
        );
    }

    #[test]
    fn each_escalation_of_a_task_has_keys_of_its_own() {
        let definition = parse(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='soft' attachedToRef='u' cancelActivity='false'>\
             <escalationEventDefinition escalationRef='esc'/></boundaryEvent><serviceTask id='a' camunda:class='A'/>{s>u}{soft>a}",
        );
        let mut run = Run::new(&definition);
        for line in ["start", "escalate u LATE", "crash", "escalate u LATE", "return", "escalate u LATE"] {
            run.line(line);
        }
        let [first, again, second] = run.keys("a")[..] else { panic!("it was called three times: {}", run.trace) };
        assert!(first == again && again != second, "a unit that runs again has the keys that it had, another one has others");
    }

    #[test]
    fn variables_are_set_where_a_scope_sees_them_or_in_it() {
        check(
            "<startEvent id='s'/><subProcess id='p'><extensionElements><camunda:inputOutput><camunda:inputParameter name='a'>= 1\
             </camunda:inputParameter></camunda:inputOutput></extensionElements><startEvent id='ps'/><userTask id='u'/>{ps>u}</subProcess>{s>p}",
            r#"
                start
                put u {"a": 2, "b": 3}
                putlocal u {"b": 4}
                put u {"b": 5}
                drop u a
                variables u
                variables process
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  a = 1 in #3
                  + ps #4 in #3
                  - #4
                  + u #5 in #3
                  task u !6 of nobody users [] groups []
                > put u {"a": 2, "b": 3}
                  a = 2 in #3
                  b = 3
                > putlocal u {"b": 4}
                  b = 4 in #5
                > put u {"b": 5}
                  b = 5 in #5
                > drop u a
                  a removed in #3
                > variables u
                  {b: 5}
                > variables process
                  {b: 3}
            "#]],
        );
    }
}
