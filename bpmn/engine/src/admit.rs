//! Which inputs are refused. Everything is looked at before anything changes.

use std::collections::BTreeSet;

use mandate_model::{ElementIndex, ElementKind, ProcessDefinition, ROOT};

use crate::ids::{ActivityId, WaitId};
use crate::input::{Chain, Input, TaskRevision};
use crate::instance::{Instance, Phase, State, size};
use crate::modification::{self, Instruction, Misfit, Modification};
use crate::variable::{MAX_INSTANCE_BYTES, MAX_VARIABLE_BYTES, Variables};

mod sizes;
mod waits;

use sizes::{check_sizes, check_sizes_less};
use waits::{
    check_claim, check_error, check_escalation, check_external_error, check_external_task, check_jobs, check_message, check_report,
    check_revision, check_run, check_signal, check_task, check_timer, expect,
};

/// Why an input was refused. The instance is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The instance has begun already.
    #[error("the instance has been started already")]
    AlreadyStarted,
    /// The instance has not begun yet.
    #[error("the instance has not been started")]
    NotStarted,
    /// The instance is over.
    #[error("the instance has ended")]
    Ended,
    /// The instance is suspended.
    #[error("the instance is suspended")]
    Suspended,
    /// An operator has suspended the job.
    #[error("job {} is suspended", .wait.0)]
    JobSuspended {
        /// The job.
        wait: WaitId,
    },
    /// A unit of work is running on this copy of the instance; only its delegate's answer is expected.
    #[error("a delegate is running in this unit of work")]
    InUnit,
    /// Nothing waits under this number: it is over, was cancelled, or never was.
    #[error("nothing waits under number {}", .wait.0)]
    NoSuchWait {
        /// The number.
        wait: WaitId,
    },
    /// Something waits under this number, but not for this.
    #[error("number {} is {} {is}, not {} {expected}", .wait.0, article(is), article(expected))]
    WrongKind {
        /// The number.
        wait: WaitId,
        /// What the input would end.
        expected: &'static str,
        /// What it is.
        is: &'static str,
    },
    /// There is no such activity instance, or it has not begun (`asyncBefore`) or is over already (`asyncAfter`) and so has no variables.
    #[error("there is no activity instance with number {} that runs", .scope.0)]
    NoSuchScope {
        /// The number.
        scope: ActivityId,
    },
    /// The caller has heard this report already, or it comes before its turn.
    #[error("the call has heard {heard} reports; this is number {number}")]
    OutOfTurn {
        /// How many.
        heard: u64,
        /// Which this is.
        number: u64,
    },
    /// Nobody has called the instance.
    #[error("the instance was not called by another one")]
    NotCalled,
    /// No activity with this number is enabled: it has begun already, its ad-hoc sub-process is over, or it never was.
    #[error("no activity with number {} may begin", .activity.0)]
    NotEnabled {
        /// The number.
        activity: ActivityId,
    },
    /// The element is not a start event of the process and, in a process without one, not the first of what begins.
    #[error("the element is not a start event of the process")]
    NotAStartEvent,
    /// An instruction of a modification does not fit.
    #[error("instruction {nth}: {misfit}")]
    Instruction {
        /// Which, from 1.
        nth: usize,
        /// Why.
        misfit: Misfit,
    },
    /// It was done before, under the same key.
    #[error("the instance was modified under this key before")]
    AlreadyModified,
    /// A new instance is to begin, and nothing says where.
    #[error("no instruction says where the instance begins")]
    NothingToStart,
    /// Mappings of what is started are to be left out, which is not in this unit of work.
    #[error(
        "mappings of what is started cannot be skipped here: it goes on in jobs of its own, because the instance is suspended or the chain may send commands"
    )]
    CannotSkipMappings,
    /// Listeners are to be left out in a unit of work that is not this one.
    #[error(
        "listeners cannot be skipped here: what is started goes on in jobs of its own, because the instance is suspended or the chain may send commands"
    )]
    CannotSkipListeners,
    /// Somebody else has the task.
    #[error("the task is claimed by '{by}'")]
    AlreadyClaimed {
        /// Who.
        by: String,
    },
    /// What a user task is answered with leads nowhere in the model.
    #[error("nothing catches the {what} '{code}' of the task")]
    NothingCatches {
        /// What it is.
        what: &'static str,
        /// Its code.
        code: String,
    },
    /// A variable that is to be there for the unit of work only has the name of one that is stored.
    #[error("variable '{name}' is transient, and one of this name is stored: give it another name")]
    TransientIsStored {
        /// Which.
        name: String,
    },
    /// There are variables for the unit of work only, which ends before anything is done with them.
    #[error(
        "transient variables are not kept until what begins goes on: the instance is stored before, for a command may leave or it is suspended"
    )]
    TransientIsDeferred,
    /// A variable is larger than [`MAX_VARIABLE_BYTES`].
    #[error("variable '{name}' has {bytes} bytes; at most {MAX_VARIABLE_BYTES} are allowed")]
    VariableTooLarge {
        /// Which.
        name: String,
        /// Its size.
        bytes: usize,
    },
    /// All variables together would be larger than [`MAX_INSTANCE_BYTES`].
    #[error("the variables of the instance would have {bytes} bytes; at most {MAX_INSTANCE_BYTES} are allowed")]
    InstanceTooLarge {
        /// Their size.
        bytes: usize,
    },
}

/// Of a kind of wait.
fn article(kind: &str) -> &'static str {
    if kind.starts_with('e') { "an" } else { "a" }
}

pub(crate) fn check(definition: &ProcessDefinition, instance: &Instance, input: &Input) -> Result<(), Rejection> {
    check_state(instance, input)?;
    check_input(definition, instance, input)
}

fn check_input(definition: &ProcessDefinition, instance: &Instance, input: &Input) -> Result<(), Rejection> {
    match input {
        Input::Start { element, variables, chain } => check_start(definition, instance, *element, variables, *chain),
        Input::StartAt { variables, modification } => check_start_at(definition, instance, variables, modification),
        Input::Modify(modification) => check_modification(definition, instance, modification),
        Input::Deferred(input) => check_deferred(definition, instance, input),
        Input::RunJob { wait } | Input::FailJob { wait, .. } => check_run(instance, *wait),
        Input::SetRetries { wait, .. } | Input::SetDue { wait, .. } => expect(instance, *wait, "job"),
        Input::SetPriority { jobs, .. } | Input::SuspendJobs { jobs, .. } => check_jobs(instance, jobs),
        Input::RecalculateDue { wait, .. } => check_timer(definition, instance, *wait),
        Input::CompleteTask { wait, variables } => check_task(definition, instance, *wait, variables),
        Input::ReviseTask { wait, revision } => check_revision(definition, instance, *wait, revision),
        Input::ThrowFromTask { wait, code, variables, .. } => check_error(definition, instance, *wait, code, variables),
        Input::EscalateFromTask { wait, code, variables } => check_escalation(definition, instance, *wait, code, variables),
        Input::ClaimTask { wait, user } => check_claim(instance, *wait, user),
        Input::CompleteExternalTask { wait, variables, local_variables }
        | Input::FailExternalTask { wait, variables, local_variables, .. } => {
            check_external_task(definition, instance, *wait, variables, local_variables)
        }
        Input::ThrowFromExternalTask { wait, code, variables, .. } => check_external_error(definition, instance, *wait, code, variables),
        Input::SetExternalTaskRetries { wait, .. } | Input::SetExternalTaskPriority { wait, .. } => {
            expect(instance, *wait, "external task")
        }
        Input::Message { wait, variables, local_variables, triggered_variables } => {
            check_message(definition, instance, *wait, variables, local_variables, triggered_variables)
        }
        Input::Signal { wait, variables } => check_signal(definition, instance, *wait, variables),
        Input::Called { wait, report, .. } => check_report(instance, *wait, report.number),
        Input::EndCalled { .. } => instance.caller().map(drop).ok_or(Rejection::NotCalled),
        // Sizes of what a delegate returns are checked where they are set: past them the unit fails, it is not refused.
        Input::DelegateReturned { wait, .. } => expect(instance, *wait, "delegate call"),
        Input::SetVariables { scope, set, remove, local } => check_variables(instance, *scope, set, remove, *local),
        Input::BeginActivity { activity } => check_enabled(instance, *activity),
        Input::Suspend | Input::Activate | Input::Cancel { .. } => Ok(()),
    }
}

fn check_start(
    definition: &ProcessDefinition,
    instance: &Instance,
    element: ElementIndex,
    variables: &Variables,
    chain: Chain,
) -> Result<(), Rejection> {
    check_not_deferred(variables, chain.is_deferred())?;
    let start = definition.elements.get(element.0 as usize);
    let is_start_event = start.is_some_and(|start| matches!(start.kind, ElementKind::StartEvent(_)) && start.parent == Some(ROOT));
    if !is_start_event && definition.start() != Some(element) {
        return Err(Rejection::NotAStartEvent);
    }
    check_sizes(instance, variables, |_| None)
}

fn check_start_at(
    definition: &ProcessDefinition,
    instance: &Instance,
    variables: &Variables,
    modification: &Modification,
) -> Result<(), Rejection> {
    let starts = |instruction: &Instruction| matches!(instruction, Instruction::Start(_));
    if let Some(nth) = modification.instructions.iter().position(|instruction| !starts(instruction)) {
        return Err(Rejection::Instruction { nth: nth + 1, misfit: Misfit::NotAStart });
    }
    if modification.instructions.is_empty() {
        return Err(Rejection::NothingToStart);
    }
    check_not_deferred(variables, modification.chain.is_deferred())?;
    check_sizes(instance, variables, |_| None)?;
    check_modification(definition, instance, modification)
}

fn check_deferred(definition: &ProcessDefinition, instance: &Instance, input: &Input) -> Result<(), Rejection> {
    if let Input::ReviseTask { revision: TaskRevision::Resolve { variables }, .. } = input {
        check_not_deferred(variables, true)?;
    }
    check_input(definition, instance, input)
}

fn check_variables(instance: &Instance, scope: ActivityId, set: &Variables, remove: &[String], local: bool) -> Result<(), Rejection> {
    if !instance.is_open_scope(scope) {
        return Err(Rejection::NoSuchScope { scope });
    }
    let own = |name: &str| Some(scope).filter(|scope| instance.variables(*scope).is_some_and(|own| own.contains_key(name)));
    let holder = |name: &str| if local { own(name) } else { instance.holder(scope, name) };
    let value = |name: &String| instance.variables(holder(name)?)?.get(name).map(|it| size(name, it));
    // Whoever names one twice makes no more room.
    let remove: BTreeSet<_> = remove.iter().filter(|name| !set.contains_key(*name)).collect();
    let removed: usize = remove.into_iter().filter_map(value).sum();
    check_sizes_less(instance, set, || removed, holder)
}

fn check_enabled(instance: &Instance, activity: ActivityId) -> Result<(), Rejection> {
    let it = instance.activity(activity).filter(|it| it.phase == Phase::Enabled { chosen: false });
    it.map(drop).ok_or(Rejection::NotEnabled { activity })
}

/// What the first instruction finds is known. The others come after it, so that of them only what they name is looked at.
fn check_modification(definition: &ProcessDefinition, instance: &Instance, modification: &Modification) -> Result<(), Rejection> {
    if modification.key.is_some() && modification.key == instance.modified_as {
        return Err(Rejection::AlreadyModified);
    }
    let deferred = modification.chain.is_deferred() || instance.suspended;
    if modification.skip_listeners && deferred && definition.has_listeners() {
        return Err(Rejection::CannotSkipListeners);
    }
    for (nth, instruction) in modification.instructions.iter().enumerate() {
        let fits = if nth == 0 { modification::check } else { modification::check_named };
        fits(definition, instance, instruction).map_err(|misfit| Rejection::Instruction { nth: nth + 1, misfit })?;
        if let Instruction::Start(start) = instruction {
            let element = definition.element(start.at.element(definition));
            if modification.skip_io_mappings && deferred && !(element.inputs.is_empty() && element.outputs.is_empty()) {
                return Err(Rejection::CannotSkipMappings);
            }
            [&start.variables, &start.local_variables].into_iter().try_for_each(|variables| check_not_deferred(variables, deferred))?;
            let mut variables = start.variables.iter().chain(&start.local_variables);
            if let Some((name, value)) = variables.find(|(_, value)| value.json.len() > MAX_VARIABLE_BYTES) {
                return Err(Rejection::VariableTooLarge { name: name.clone(), bytes: value.json.len() });
            }
        }
    }
    Ok(())
}

fn check_state(instance: &Instance, input: &Input) -> Result<(), Rejection> {
    match instance.state {
        State::Created if input.is_start() => return Ok(()),
        State::Created => return Err(Rejection::NotStarted),
        State::Active | State::Ended if input.is_start() => return Err(Rejection::AlreadyStarted),
        State::Ended => return Err(Rejection::Ended),
        State::Active => {}
    }
    if instance.in_unit() && !matches!(input, Input::DelegateReturned { .. }) {
        return Err(Rejection::InUnit);
    }
    if instance.suspended && !input.is_taken_while_suspended() { Err(Rejection::Suspended) } else { Ok(()) }
}

/// What is there for a unit of work only does not come to the one that goes on with what is deferred.
fn check_not_deferred(variables: &Variables, deferred: bool) -> Result<(), Rejection> {
    if deferred && variables.values().any(|variable| variable.transient) { Err(Rejection::TransientIsDeferred) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::testing::{Run, parse};
    use crate::{
        ActivityId, Chain, DelegateOutcome, Input, MAX_INSTANCE_BYTES, MAX_VARIABLE_BYTES, Rejection, Stop, Variable, VariableKind,
        Variables, WaitId, step,
    };

    /// Text whose JSON has this many bytes.
    fn text(bytes: usize) -> Variable {
        let json: Arc<str> = format!("\"{}\"", "x".repeat(bytes - 2)).into();
        Variable::new(VariableKind::String, json)
    }

    fn many(names: impl IntoIterator<Item = usize>, bytes: usize) -> Variables {
        names.into_iter().map(|name| (format!("v{name:03}"), text(bytes))).collect()
    }

    #[test]
    fn largest_variable_is_accepted_and_one_byte_more_is_not() {
        let definition = parse("<startEvent id='s'/><userTask id='u'/>{s>u}");
        let mut run = Run::new(&definition);
        run.line("start");
        let set = |bytes| Input::SetVariables {
            scope: ActivityId(1),
            set: Variables::from([("v".into(), text(bytes))]),
            remove: Vec::new(),
            local: true,
        };
        assert!(step(&definition, &mut run.instance, set(MAX_VARIABLE_BYTES), 0).is_ok());
        let too_large = Rejection::VariableTooLarge { name: "v".into(), bytes: MAX_VARIABLE_BYTES + 1 };
        assert_eq!(step(&definition, &mut run.instance, set(MAX_VARIABLE_BYTES + 1), 0), Err(Stop::Rejected(too_large)));
    }

    #[test]
    fn full_instance_takes_replacements_but_no_more() {
        let definition = parse("<startEvent id='s'/><userTask id='u'/>{s>u}");
        let mut run = Run::new(&definition);
        let full = MAX_INSTANCE_BYTES / MAX_VARIABLE_BYTES;
        let each = MAX_VARIABLE_BYTES - 4;
        run.input(Input::Start { element: definition.find("s").unwrap(), variables: many(0..full, each), chain: Chain::AtOnce });
        assert_eq!(run.instance.variable_bytes(), MAX_INSTANCE_BYTES);
        let wait = run.instance.tasks().next().unwrap().wait;
        let complete = |variables| step(&definition, &mut run.instance.clone(), Input::CompleteTask { wait, variables }, 0);
        assert!(complete(many(0..2, each)).is_ok());
        assert!(matches!(complete(many(full..=full, 2)), Err(Stop::Rejected(Rejection::InstanceTooLarge { .. }))));
        // What goes makes room for what comes.
        let scope = run.instance.root();
        let input = Input::SetVariables { scope, set: many(full..=full, each), remove: vec!["v000".into()], local: true };
        assert!(step(&definition, &mut run.instance, input, 0).is_ok());
        assert_eq!(run.instance.variable_bytes(), MAX_INSTANCE_BYTES);
    }

    #[test]
    fn a_variable_that_is_removed_twice_makes_room_once() {
        let definition = parse("<startEvent id='s'/><userTask id='u'/>{s>u}");
        let mut run = Run::new(&definition);
        run.input(Input::Start { element: definition.find("s").unwrap(), variables: many(0..1, 100), chain: Chain::AtOnce });
        let scope = run.instance.root();
        let full = MAX_INSTANCE_BYTES / MAX_VARIABLE_BYTES;
        let set = many(1..=full, MAX_VARIABLE_BYTES - 4).into_iter().chain([("w".to_owned(), text(100))]).collect();
        let input = Input::SetVariables { scope, set, remove: vec!["v000".into(), "v000".into()], local: true };
        let stop = step(&definition, &mut run.instance, input, 0);
        assert_eq!(stop, Err(Stop::Rejected(Rejection::InstanceTooLarge { bytes: MAX_INSTANCE_BYTES + 101 })));
        let input = Input::SetVariables { scope, set: Variables::new(), remove: vec!["v000".into(), "v000".into()], local: true };
        assert!(step(&definition, &mut run.instance, input, 0).is_ok());
        assert_eq!(run.instance.variable_bytes(), 0);
    }

    #[test]
    fn what_a_person_reports_goes_into_the_room_of_what_it_replaces_and_ends() {
        let definition = parse(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/>{ps>u}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='v'/>{s>p}{b>v}",
        );
        let (full, each) = (MAX_INSTANCE_BYTES / MAX_VARIABLE_BYTES, MAX_VARIABLE_BYTES - 4);
        let mut run = Run::new(&definition);
        run.input(Input::Start { element: definition.find("s").unwrap(), variables: many(0..full / 2, each), chain: Chain::AtOnce });
        let scope = run.instance.activities().find(|it| definition.find("p") == Some(it.element)).expect("it is active").id;
        run.input(Input::SetVariables { scope, set: many(full..full + full / 2, each), remove: Vec::new(), local: true });
        assert_eq!(run.instance.variable_bytes(), MAX_INSTANCE_BYTES);
        let wait = run.instance.tasks().next().unwrap().wait;
        let throw = |variables| {
            let input = Input::ThrowFromTask { wait, code: "E".into(), message: None, variables };
            step(&definition, &mut run.instance.clone(), input, 0).map(drop)
        };
        assert_eq!(throw(many(0..full / 2, each)), Ok(()), "they replace those of the process");
        assert_eq!(throw(many(full..full + full / 2, each)), Ok(()), "those inside end");
        let bytes = MAX_INSTANCE_BYTES + MAX_VARIABLE_BYTES;
        assert_eq!(throw(many(full..=full + full / 2, each)), Err(Stop::Rejected(Rejection::InstanceTooLarge { bytes })));
    }

    #[test]
    fn message_to_an_event_is_measured_by_what_it_replaces_around_its_activity() {
        let definition = parse(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:inputParameter name='v000'>= 0\
             </camunda:inputParameter></camunda:inputOutput></extensionElements></userTask><boundaryEvent id='m' attachedToRef='u'>\
             <messageEventDefinition messageRef='msg'/></boundaryEvent><endEvent id='e'/>{s>u}{m>e}",
        );
        let mut run = Run::new(&definition);
        let full = MAX_INSTANCE_BYTES / MAX_VARIABLE_BYTES;
        let each = MAX_VARIABLE_BYTES - 5;
        run.input(Input::Start { element: definition.find("s").unwrap(), variables: many(0..full, each), chain: Chain::AtOnce });
        let wait = run.instance.subscriptions().next().unwrap().wait;
        let message = |variables| {
            step(
                &definition,
                &mut run.instance.clone(),
                Input::Message { wait, variables, local_variables: Variables::new(), triggered_variables: Variables::new() },
                0,
            )
        };
        assert!(message(many(0..2, each)).is_ok());
        assert!(matches!(message(many(full..=full, each)), Err(Stop::Rejected(Rejection::InstanceTooLarge { .. }))));
    }

    #[test]
    fn answer_of_a_delegate_past_the_bound_fails_its_unit() {
        let definition = parse("<startEvent id='s'/><serviceTask id='a' camunda:class='A'/>{s>a}");
        let mut run = Run::new(&definition);
        run.line("start");
        let outcome = DelegateOutcome::Completed { variables: many(0..1, MAX_VARIABLE_BYTES + 1) };
        let wait = run.calls[0].wait;
        let stop = step(&definition, &mut run.instance, Input::DelegateReturned { wait, outcome }, 0);
        let Err(Stop::Failed(failure)) = stop else { panic!("{stop:?}") };
        assert_eq!((failure.code, failure.element), (crate::Code::VariableLimit, definition.find("a")));
    }

    #[test]
    fn input_of_the_wrong_kind_or_for_nobody_is_refused() {
        let definition = parse("<startEvent id='s'/><userTask id='u'/>{s>u}");
        let mut run = Run::new(&definition);
        run.line("start");
        let wait = run.instance.tasks().next().unwrap().wait;
        let mut refused = |input| match step(&definition, &mut run.instance, input, 0) {
            Err(Stop::Rejected(rejection)) => rejection,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Input::RunJob { wait }), Rejection::WrongKind { wait, expected: "job", is: "user task" });
        let nobody = WaitId(99);
        assert_eq!(refused(Input::RunJob { wait: nobody }), Rejection::NoSuchWait { wait: nobody });
        let scope = ActivityId(99);
        assert_eq!(
            refused(Input::SetVariables { scope, set: Variables::new(), remove: Vec::new(), local: true }),
            Rejection::NoSuchScope { scope }
        );
        let mut new = Run::new(&definition);
        let element = definition.find("u").unwrap();
        let stop = step(&definition, &mut new.instance, Input::Start { element, variables: Variables::new(), chain: Chain::AtOnce }, 0);
        assert_eq!(stop, Err(Stop::Rejected(Rejection::NotAStartEvent)));
    }

    #[test]
    fn what_is_deferred_takes_no_transient_variables() {
        let definition = parse("<startEvent id='s'/><userTask id='u'/>{s>u}");
        let mut run = Run::new(&definition);
        run.line("start");
        let wait = run.instance.tasks().next().expect("the task waits").wait;
        let resolve = |transient| {
            let variables = Variables::from([("x".to_owned(), Variable { transient, ..Variable::from_json(&1.into()) })]);
            Input::Deferred(Box::new(Input::ReviseTask { wait, revision: crate::TaskRevision::Resolve { variables } }))
        };
        assert_eq!(super::check(&definition, &run.instance, &resolve(true)), Err(super::Rejection::TransientIsDeferred));
        assert_eq!(super::check(&definition, &run.instance, &resolve(false)), Ok(()));
    }
}
