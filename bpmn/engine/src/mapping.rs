//! Variables: where a name is set, how large it may be, and what input and output mapping does.

#[cfg(test)]
mod canceled;

use mandate_model::{Dialect, ElementIndex, Mapping, ProcessDefinition, Source, VariableChange};

use crate::Code;
use crate::effect::HistoryEvent;
use crate::elements::At;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Instance, Phase, Role};
use crate::listener::Occasion;
use crate::multi_instance::is_loop_variable;
use crate::step::Machine;
use crate::variable::{MAX_INSTANCE_BYTES, MAX_VARIABLE_BYTES, Variable, Variables};

impl Machine<'_> {
    /// Puts the variables that came with an event, an answer or a completed task where they belong. In Camunda 7's dialect that is where
    /// its `execution.setVariables` puts them, whatever the activity maps: in the nearest scope that has the name, the activity's own
    /// first, else in the process. Otherwise it is Camunda 8's rule: with output mappings they are the activity's own and the mappings
    /// carry out what is meant to leave; without, they are set around it.
    pub(crate) fn deliver(&mut self, activity: ActivityId, variables: Variables) -> Result<(), Failure> {
        let element = self.instance.at(activity).element;
        let set = match self.definition.dialect {
            Dialect::Camunda7 => self.set_variables(activity, variables),
            Dialect::Standard if self.mappings(&self.definition.element(element).outputs, activity).is_empty() => {
                self.set_variables_around(activity, variables)
            }
            Dialect::Standard => self.set_variables_in(activity, variables),
        };
        set.map_err(|failure| failure.at(element))
    }

    /// Camunda's `setVariable`, for each: the nearest enclosing scope that has the name already, else the process instance
    /// (`AbstractVariableScope.setVariable`).
    pub(crate) fn set_variables(&mut self, from: ActivityId, variables: Variables) -> Result<(), Failure> {
        self.put_variables(from, variables)?;
        self.check_total(from)
    }

    /// The same, whose sum is yet to be looked at.
    pub(crate) fn put_variables(&mut self, from: ActivityId, variables: Variables) -> Result<(), Failure> {
        for (name, value) in variables {
            let scope = self.instance.holder(from, &name).unwrap_or(self.instance.root());
            self.put_variable(scope, name, value)?;
        }
        Ok(())
    }

    /// The same from around an activity.
    fn set_variables_around(&mut self, activity: ActivityId, variables: Variables) -> Result<(), Failure> {
        for (name, value) in variables {
            let around = around(self.definition, self.instance, activity, &name);
            let scope = self.instance.holder(around, &name).unwrap_or(self.instance.root());
            self.put_variable(scope, name, value)?;
        }
        self.check_total(activity)
    }

    /// Camunda's `setVariableLocal`, for each.
    pub(crate) fn set_variables_in(&mut self, scope: ActivityId, variables: Variables) -> Result<(), Failure> {
        for (name, value) in variables {
            self.put_variable(scope, name, value)?;
        }
        self.check_total(scope)
    }

    /// Somebody edits variables. What an open task has of its own is a change of the task (Camunda's
    /// `SetTaskVariablesCmd`).
    pub(crate) fn edit_variables(&mut self, scope: ActivityId, set: Variables, remove: &[String], local: bool) -> Result<(), Failure> {
        let is_own = |name: &String| self.instance.variables(scope).is_some_and(|own| own.contains_key(name));
        let changed = set.keys().any(|name| local || is_own(name)) || remove.iter().any(is_own);
        // A name in both lists is set.
        for name in remove.iter().filter(|name| !set.contains_key(*name)) {
            let holder = if local { scope } else { self.instance.holder(scope, name).unwrap_or(scope) };
            self.remove_variable(holder, name);
        }
        if local { self.set_variables_in(scope, set) } else { self.set_variables(scope, set) }?;
        match self.instance.task_of(scope).filter(|_| changed).cloned() {
            Some(task) => self.task_changed(task, Occasion::Update { reassigned: false }),
            None => Ok(()),
        }
    }

    fn put_variable(&mut self, scope: ActivityId, name: String, value: Variable) -> Result<(), Failure> {
        let bytes = value.json.len();
        if bytes > MAX_VARIABLE_BYTES {
            let message = format!("variable '{name}' has {bytes} bytes; at most {MAX_VARIABLE_BYTES} are allowed");
            return Err(Failure::by_policy(Code::VariableLimit, self.instance.element_of(scope), message));
        }
        if value.transient && self.instance.variables(scope).and_then(|it| it.get(&name)).is_some_and(|before| !before.transient) {
            let message = format!("variable '{name}' is transient, and one of this name is stored");
            return Err(Failure::never(Code::InternalError, self.instance.element_of(scope), message));
        }
        let was_there = self.instance.set_local(scope, &name, Some(value.clone()));
        self.variable_changed(scope, &name, if was_there { VariableChange::Update } else { VariableChange::Create });
        if value.transient {
            self.unit.transients.insert(scope);
            return Ok(());
        }
        let scope = self.instance.activities.get(&scope).map_or(scope, |activity| activity.drawn_id());
        self.record(HistoryEvent::VariableSet { scope, name, value });
        Ok(())
    }

    /// The unit is over, and what was to be there for it alone goes. Nobody hears of it.
    pub(crate) fn forget_transients(&mut self) {
        for scope in std::mem::take(&mut self.unit.transients) {
            let variables = self.instance.variables(scope).into_iter().flatten();
            let names: Vec<_> = variables.filter(|(_, value)| value.transient).map(|(name, _)| name.clone()).collect();
            for name in names {
                self.instance.set_local(scope, &name, None);
            }
        }
    }

    /// The sum is looked at when all of an event's variables are set: some grow and some shrink.
    pub(crate) fn check_total(&self, scope: ActivityId) -> Result<(), Failure> {
        let bytes = self.instance.index.bytes;
        if bytes <= MAX_INSTANCE_BYTES {
            return Ok(());
        }
        let message = format!("the variables of the instance have {bytes} bytes; at most {MAX_INSTANCE_BYTES} are allowed");
        Err(Failure::by_policy(Code::VariableLimit, self.instance.element_of(scope), message))
    }

    pub(crate) fn remove_variable(&mut self, scope: ActivityId, name: &str) {
        let transient = self.instance.variables(scope).and_then(|own| own.get(name)).is_some_and(|value| value.transient);
        if self.instance.set_local(scope, name, None) {
            self.variable_changed(scope, name, VariableChange::Delete);
            if transient {
                return;
            }
            self.record(HistoryEvent::VariableRemoved { scope, name: name.to_owned() });
        }
    }

    /// Input mapping: each source is evaluated in the enclosing scopes and the earlier inputs, and becomes a local variable.
    pub(crate) fn map_inputs(&mut self, activity: ActivityId, element: ElementIndex) -> Result<(), Failure> {
        let definition = self.definition;
        for mapping in self.mappings(&definition.element(element).inputs, activity) {
            if mapping.declares && self.instance.variables(activity).is_some_and(|own| own.contains_key(&mapping.target)) {
                continue;
            }
            let Some(value) = self.mapped(activity, element, &mapping.source)? else { continue };
            let set = self.set_variables_in(activity, Variables::from([(mapping.target.clone(), value)]));
            set.map_err(|failure| failure.at(element))?;
        }
        Ok(())
    }

    /// Output mapping: each source is evaluated in the activity and set around it.
    pub(crate) fn map_outputs(&mut self, activity: ActivityId, element: ElementIndex) -> Result<(), Failure> {
        let definition = self.definition;
        for mapping in self.mappings(&definition.element(element).outputs, activity) {
            let Some(value) = self.mapped(activity, element, &mapping.source)? else { continue };
            let set = self.set_variables_around(activity, Variables::from([(mapping.target.clone(), value)]));
            set.map_err(|failure| failure.at(element))?;
        }
        Ok(())
    }

    /// In Camunda 7's dialect what is cancelled maps its outputs as well (`ExecutionEntity.destroy`; its
    /// `skipOutputMappingOnCanceledActivities` is off by default). One of several instances does not: Camunda 7 refuses output mappings
    /// there.
    pub(crate) fn map_outputs_of_canceled(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let maps = self.definition.dialect == Dialect::Camunda7 && it.role == Role::Element && matches!(it.phase, Phase::Active { .. });
        if maps { self.map_outputs(activity, it.element) } else { Ok(()) }
    }

    /// What comes from a source, if anything does.
    fn mapped(&self, activity: ActivityId, element: ElementIndex, source: &Source) -> Result<Option<Variable>, Failure> {
        match source {
            Source::Variable(name) => Ok(self.instance.visible_variable(activity, name).cloned().map(Variable::into_stored)),
            Source::Expression(expression) => {
                At::new(self.definition, self.instance, activity, self.moment).attached(element).variable_of(expression).map(Some)
            }
        }
    }

    /// What an activity instance maps: of a multi-instance activity each instance, and not the body.
    fn mappings<'a>(&self, of_element: &'a [Mapping], activity: ActivityId) -> &'a [Mapping] {
        let body = matches!(self.instance.at(activity).role, Role::Body(_));
        if body || self.unit.skip_io_mappings { &[] } else { of_element }
    }
}

/// Where the search for a name begins that is set around an activity: in the scope around it. The loop counter and the element variable of
/// one of several instances lie, as in Camunda 7, between the two.
pub(crate) fn around(definition: &ProcessDefinition, instance: &Instance, activity: ActivityId, name: &str) -> ActivityId {
    let it = instance.at(activity);
    let own = matches!(it.role, Role::Inner { .. }) && is_loop_variable(definition.element(it.element), name);
    if own { activity } else { it.scope() }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{check, undone_by};

    #[test]
    fn parameter_is_a_list_or_a_map_of_expressions() {
        check(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:inputParameter name='lines'><camunda:list>\
             <camunda:value>fixed</camunda:value><camunda:value>${n}</camunda:value><camunda:map><camunda:entry key='twice'>= n * 2</camunda:entry>\
             <camunda:entry key='none'/></camunda:map></camunda:list></camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>\
             {s>u}",
            r#"start {"n": 3}"#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + u #3
                  lines = ["fixed",3,{"none":null,"twice":6}] in #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn what_comes_from_outside_is_the_processes_in_camundas_dialect_whatever_is_mapped() {
        check(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:inputParameter name='own'>1\
             </camunda:inputParameter><camunda:outputParameter name='sum'>${own + x}</camunda:outputParameter></camunda:inputOutput> \
             </extensionElements></userTask><userTask id='v'/>{s>u>v}<subProcess id='w' triggeredByEvent='true'><startEvent id='ws'              isInterrupting='false'><conditionalEventDefinition camunda:variableName='x'><condition>${x == 9}</condition></conditionalEventDefinition></startEvent> \
             <userTask id='seen'/>{ws>seen}</subProcess>",
            r#"
                start {"x": 1}
                complete u {"x": 9, "new": true, "own": 2}
                variables v
            "#,
            expect![[r#"
                > start {"x": 1}
                  started at s
                  x = 1
                  condition ws !2
                  + s #3
                  - #3
                  + u #4
                  own = "1" in #4
                  task u !5 of nobody users [] groups []
                > complete u {"x": 9, "new": true, "own": 2}
                  task !5 gone
                  new = true
                  own = 2 in #4
                  x = 9
                  + w #6
                  + ws #7 in #6
                  - #7
                  + seen #8 in #6
                  task seen !9 of nobody users [] groups []
                  sum = 11
                  - #4
                  + v #10
                  task v !11 of nobody users [] groups []
                > variables v
                  {new: true, sum: 11, x: 9}
            "#]],
        );
    }

    #[test]
    fn what_comes_from_outside_is_the_activitys_in_camunda_8s_when_outputs_are_mapped() {
        check(
            "<startEvent id='s'/><userTask id='u'><extensionElements><zeebe:ioMapping><zeebe:output source='= x + 1' target='y'/> \
             </zeebe:ioMapping></extensionElements></userTask><userTask id='v'/>{s>u>v}",
            r#"
                start {"x": 1}
                complete u {"x": 9, "new": true}
                variables v
            "#,
            expect![[r#"
                > start {"x": 1}
                  started at s
                  x = 1
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u {"x": 9, "new": true}
                  task !4 gone
                  new = true in #3
                  x = 9 in #3
                  y = 10
                  - #3
                  + v #5
                  task v !6 of nobody users [] groups []
                > variables v
                  {x: 1, y: 10}
            "#]],
        );
    }

    #[test]
    fn transient_variable_is_seen_in_its_unit_and_leaves_nothing_behind() {
        check(
            "<startEvent id='s'/><userTask id='u'/><serviceTask id='a' camunda:class='A'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='copy'>${secret}</camunda:inputParameter></camunda:inputOutput></extensionElements></serviceTask>\
             <userTask id='v'/>{s>u>a>v}",
            r#"
                start {"n": 1, "~pin": 4711}
                variables u
                complete u {"~secret": "x", "open": "y"}
                return {"seen": true}
                variables v
                complete v
            "#,
            expect![[r#"
                > start {"n": 1, "~pin": 4711}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > variables u
                  {n: 1}
                > complete u {"~secret": "x", "open": "y"}
                  task !4 gone
                  open = "y"
                  - #3
                  + a #5
                  copy = "x" in #5
                  call a !6 attempt 1, 0 left {copy: "x", n: 1, open: "y", secret: "x"}
                > return {"seen": true}
                  seen = true
                  - #5
                  + v #7
                  task v !8 of nobody users [] groups []
                > variables v
                  {n: 1, open: "y", seen: true}
                > complete v
                  task !8 gone
                  - #7
                  ended: Completed
                  end
            "#]],
        );
    }

    /// What is stored of it could not be read again.
    #[test]
    fn transient_variable_is_not_kept_for_what_may_undo_a_scope() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='t'/><subProcess id='p'><startEvent id='ps'/><task id='a'/>{}{{ps>a}}</subProcess><userTask id='u'/>\
                 <intermediateThrowEvent id='c'><compensateEventDefinition/></intermediateThrowEvent>{{s>t}}{{p>u>c}}",
                undone_by("a", "userTask", "")
            ),
            r#"
                start
                modify before p local {"~x": 1}
                complete u
                variables undo_a
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  task t !4 of nobody users [] groups []
                > modify before p local {"~x": 1}
                  + p #5
                  + ps #6 in #5
                  - #6
                  + a #7 in #5
                  - #7
                  - #5
                  + u #10
                  task u !11 of nobody users [] groups []
                > complete u
                  task !11 gone
                  - #10
                  + c #12
                  + undo_a #13 in #5
                  task undo_a !14 of nobody users [] groups []
                > variables undo_a
                  {}
            "#]],
        );
    }

    #[test]
    fn transient_variable_becomes_no_other_and_no_other_becomes_transient() {
        check(
            "<startEvent id='s'/><userTask id='u'/><serviceTask id='a' camunda:class='A'/><userTask id='v'/>{s>u>a>v}",
            r#"
                start {"n": 1}
                complete u {"~n": 2}
                complete u {"~m": 2}
                return {"m": 3}
                variables v
                complete v {"~m": 4}
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u {"~n": 2}
                  rejected: variable 'n' is transient, and one of this name is stored: give it another name
                > complete u {"~m": 2}
                  task !4 gone
                  - #3
                  + a #5
                  call a !6 attempt 1, 0 left {m: 2, n: 1}
                > return {"m": 3}
                  m = 3
                  - #5
                  + v #7
                  task v !8 of nobody users [] groups []
                > variables v
                  {m: 3, n: 1}
                > complete v {"~m": 4}
                  rejected: variable 'm' is transient, and one of this name is stored: give it another name
            "#]],
        );
    }

    #[test]
    fn transient_variable_goes_nowhere_with_all_others() {
        check(
            "<startEvent id='s'/><userTask id='u'/><intermediateThrowEvent id='t'><signalEventDefinition signalRef='sig'><extensionElements>\
             <camunda:in variables='all'/></extensionElements></signalEventDefinition></intermediateThrowEvent>\
             <callActivity id='c' calledElement='other'><extensionElements><camunda:in variables='all'/></extensionElements></callActivity>{s>u>t>c}",
            r#"
                start {"n": 1}
                complete u {"~secret": "x"}
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > complete u {"~secret": "x"}
                  task !4 gone
                  - #3
                  + t #5
                  signal 'alarm' thrown {n: 1}
                  - #5
                  + c #6
                  #6 calls
                  process call c !7 'other' Latest {n: 1}
            "#]],
        );
    }

    #[test]
    fn transient_variables_come_with_whatever_begins_a_unit() {
        let copy = "<extensionElements><camunda:inputOutput><camunda:inputParameter name='copy'>${x}</camunda:inputParameter></camunda:inputOutput>\
                    </extensionElements>";
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='e' attachedToRef='u' cancelActivity='false'><escalationEventDefinition \
                 escalationRef='esc'/></boundaryEvent><userTask id='v'>{copy}</userTask><boundaryEvent id='b' attachedToRef='u'>\
                 <errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='w'>{copy}</userTask>{{s>u}}{{e>v}}{{b>w}}"
            ),
            r#"
                start
                escalate u LATE {"~x": 1}
                resolve u {"~x": 2}
                modify before v {"~x": 3}
                modify before v local {"~x": 4}
                answer u E {"~x": 5}
                variables w
                suspend
                modify before v {"~x": 6}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
                > escalate u LATE {"~x": 1}
                  task u !4 of nobody users [] groups []
                  + e #5
                  - #5
                  + v #6
                  copy = 1 in #6
                  task v !7 of nobody users [] groups []
                > resolve u {"~x": 2}
                  task u !4 of nobody RESOLVED users [] groups []
                > modify before v {"~x": 3}
                  + v #8
                  copy = 3 in #8
                  task v !9 of nobody users [] groups []
                > modify before v local {"~x": 4}
                  + v #10
                  copy = 4 in #10
                  task v !11 of nobody users [] groups []
                > answer u E {"~x": 5}
                  task !4 gone
                  - #3 canceled
                  + b #12
                  - #12
                  + w #13
                  copy = 5 in #13
                  task w !14 of nobody users [] groups []
                > variables w
                  {copy: 5}
                > suspend
                  suspended: true
                > modify before v {"~x": 6}
                  rejected: transient variables are not kept until what begins goes on: the instance is stored before, for a command may leave or it is suspended
            "#]],
        );
    }

    #[test]
    fn start_that_is_deferred_takes_no_transient_variables() {
        let model = "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}";
        check(
            model,
            "start-deferred {\"~secret\": 1}\n start {\"~secret\": 1}\n run a",
            expect![[r#"
                > start-deferred {"~secret": 1}
                  rejected: transient variables are not kept until what begins goes on: the instance is stored before, for a command may leave or it is suspended
                > start {"~secret": 1}
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > run a
                  job !4 gone
                  + a #3
                  call a !5 attempt 1, 2 left {}
            "#]],
        );
    }
}
