//! Process instance modification, and instances that begin where their caller says: names of the model and of its instances become what
//! the engine knows.

use std::fmt;
use std::sync::Arc;

use mandate_engine::{
    ActivityId, Cancel, Chain, Effect, Input, Instance, InstanceId, Misfit, Modification, PublicId, Rejection, Site, Start, StartAt, Stop,
    Variables,
};
use mandate_model::{ElementIndex, FlowIndex, ProcessDefinition, ROOT};
use sha2::{Digest as _, Sha256};

use crate::definitions::Definition;
use crate::instances::{InstanceView, check_idempotency_key};
use crate::operator::Operator;
use crate::unit::BODY_TYPE;
use crate::{Error, Runtime};

/// Instructions of a request, times the instances that they are for: each is carried out at once, while the caller waits.
const MAX_CHANGES: usize = 20_000;

/// What is to be changed of an instance, in this order, or where a new one begins.
#[derive(Clone, Debug, Default)]
pub struct Modify {
    /// One after the other.
    pub instructions: Vec<Instruction>,
    /// Mappings of what begins or ends in this unit of work are left out.
    pub skip_io_mappings: bool,
    /// Listeners of what begins, is taken or ends in this unit of work are not called.
    pub skip_listeners: bool,
    /// Why, in the operator's words; logged.
    pub annotation: Option<String>,
    /// An instance that was last modified under this key is left as it is.
    pub idempotency_key: Option<String>,
}

/// One change, by names. Ids of activities may be those of a multi-instance activity's body.
#[derive(Clone, Debug)]
pub enum Instruction {
    /// Ends an activity instance with everything inside: its id, or the instance's own for everything in it.
    CancelActivityInstance {
        /// As the tree of activity instances shows it.
        id: String,
    },
    /// Ends what waits for a job before its activity or behind it.
    CancelTransitionInstance {
        /// As the tree shows it.
        id: String,
    },
    /// Ends all of an activity.
    CancelAll {
        /// Which.
        activity_id: String,
        /// Only what was there before the first instruction.
        current: bool,
    },
    /// Lets a token begin.
    Start {
        /// Where.
        at: Place,
        /// The activity instance inside of which it begins.
        ancestor: Option<String>,
        /// Variables to set before.
        variables: Variables,
        /// Variables of the activity instance that begins.
        local_variables: Variables,
    },
}

/// Where a token begins.
#[derive(Clone, Debug)]
pub enum Place {
    /// Before this activity.
    Before(String),
    /// Behind this activity, on its only sequence flow.
    After(String),
    /// On this sequence flow.
    Transition(String),
}

impl fmt::Display for Instruction {
    /// Camunda 7's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CancelActivityInstance { id } => write!(f, "Cancel activity instance '{id}'"),
            Self::CancelTransitionInstance { id } => write!(f, "Cancel transition instance '{id}'"),
            Self::CancelAll { activity_id, .. } => write!(f, "Cancel all instances of activity '{activity_id}'"),
            Self::Start { at, ancestor, .. } => {
                match at {
                    Place::Before(id) => write!(f, "Start before activity '{id}'")?,
                    Place::After(id) => write!(f, "Start after activity '{id}'")?,
                    Place::Transition(id) => write!(f, "Start transition '{id}'")?,
                }
                ancestor.iter().try_for_each(|id| write!(f, " with ancestor activity instance '{id}'"))
            }
        }
    }
}

impl Runtime {
    /// Changes what is active in an instance: all instructions in one unit of work, or nothing. Repeated without an idempotency
    /// key, it is done again. A modification whose chain may send
    /// commands answers once what it starts is stored, with jobs that are due at once: the instance goes on by itself.
    /// Whether the instance was modified before, under the same key.
    ///
    /// # Errors
    /// [`Error::Conflict`]: somebody else changed the instance meanwhile, or it would cancel what has sent a command of which nobody knows
    /// what came.
    /// [`Error::Invalid`] names an instruction that fits neither the model nor the instance; [`Error::Rejected`] and [`Error::UnitFailed`]
    /// say what stood against it.
    pub async fn modify_instance(&self, id: InstanceId, modify: Modify) -> Result<bool, Error> {
        modify.check_size(1)?;
        let definition = self.0.view(id).await?.definition;
        let modification = modify.resolve(&definition, Some(id))?;
        let said = |operator: &Arc<Operator>| Operator { annotation: modify.annotation.clone(), ..Operator::clone(operator) };
        let operator = match &modify.annotation {
            Some(_) => self.1.as_ref().map(said).map(Arc::new),
            None => self.1.clone(),
        };
        match self.0.api_for(id, Input::Modify(modification), operator).await {
            Ok(_) => {}
            Err(Error::Rejected(Rejection::AlreadyModified)) => return Ok(true),
            Err(error) => return Err(modify.explain(error)),
        }
        tracing::info!(instance = %id, instructions = modify.instructions.len(), annotation = modify.annotation, "modified by hand");
        Ok(false)
    }
}

impl Runtime {
    /// Changes several instances of a definition alike, in this order, each in a unit of work of its own. All are looked at first: nothing
    /// is changed if one of them does not fit. What goes wrong afterwards ends the request, and is told with those that have been changed.
    /// Repeated under the same idempotency key, it goes on with those that have not. Whether there were none.
    pub async fn modify_instances(&self, definition_id: &str, instances: Vec<InstanceId>, modify: Modify) -> Result<bool, Error> {
        modify.check_size(instances.len())?;
        for &id in &instances {
            let InstanceView { instance, definition } = self.0.view(id).await?;
            if definition.row.id != definition_id {
                let other = &definition.row.id;
                return Err(Error::Invalid(format!(
                    "The process definition '{other}' of the process instance '{id}' doesn't match the process definition '{definition_id}' of \
                     the modification."
                )));
            }
            let input = Input::Modify(modify.resolve(&definition, Some(id))?);
            match self.try_out(definition, instance, input).await? {
                Ok(_) | Err(Stop::Rejected(Rejection::AlreadyModified)) => {}
                Err(Stop::Rejected(rejection)) => return Err(of_instance(id, modify.explain(rejection.into()))),
                Err(Stop::Failed(failure)) => return Err(of_instance(id, Error::UnitFailed(Box::new(failure)))),
            }
        }
        let mut all_before = true;
        for (nth, &id) in instances.iter().enumerate() {
            match self.modify_instance(id, modify.clone()).await {
                Ok(before) => all_before &= before,
                Err(error) => {
                    let before: Vec<_> = instances[..nth].iter().map(ToString::to_string).collect();
                    let message = format!("process instance {id}: {error}; those before it have been modified: [{}]", before.join(", "));
                    return Err(Error::Conflict(message));
                }
            }
        }
        Ok(all_before)
    }
}

impl Runtime {
    /// Takes a step of which nothing is kept, on a thread for units: it may be a long one.
    async fn try_out(&self, definition: Arc<Definition>, mut instance: Instance, input: Input) -> Result<Result<Vec<Effect>, Stop>, Error> {
        let now = self.now();
        let trying = self.0.spawn_unit(async move { mandate_engine::step(&definition.model, &mut instance, input, now) });
        Ok(trying.await?)
    }
}

fn of_instance(id: InstanceId, error: Error) -> Error {
    match error {
        Error::Invalid(message) => Error::Invalid(format!("process instance {id}: {message}")),
        other => Error::Conflict(format!("process instance {id}: {other}; nothing was modified")),
    }
}

impl Modify {
    fn check_size(&self, instances: usize) -> Result<(), Error> {
        if self.instructions.len().saturating_mul(instances) <= MAX_CHANGES {
            return Ok(());
        }
        let count = self.instructions.len();
        Err(Error::Invalid(format!(
            "{count} instructions for {instances} process instances are more than {MAX_CHANGES} changes; take them in several requests"
        )))
    }

    /// What the engine is to do. Without an instance: one that begins.
    pub(crate) fn resolve(&self, definition: &Definition, instance: Option<InstanceId>) -> Result<Modification, Error> {
        self.idempotency_key.as_deref().map_or(Ok(()), check_idempotency_key)?;
        let names = Names { definition, instance };
        let resolved = self.instructions.iter().map(|instruction| {
            names.instruction(instruction).map_err(|reason| Error::Invalid(format!("Cannot perform instruction: {instruction}; {reason}")))
        });
        Ok(Modification {
            instructions: resolved.collect::<Result<_, _>>()?,
            skip_io_mappings: self.skip_io_mappings,
            skip_listeners: self.skip_listeners,
            chain: Chain::AtOnce,
            key: instance.and(self.idempotency_key.as_ref()).map(|key| Sha256::digest(key).into()),
        })
    }

    /// The engine counts instructions; whoever gave them knows them by their words. What names nothing is a mistake of the request
    /// (Camunda's `NotValidException`); the rest stands against the state of the instance.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match &error {
            Error::Rejected(Rejection::Instruction { nth, misfit }) if is_mistake(misfit) => match self.instructions.get(nth - 1) {
                Some(instruction) => Error::Invalid(format!("Cannot perform instruction: {instruction}; {misfit}")),
                None => error,
            },
            Error::Rejected(rejection @ (Rejection::CannotSkipMappings | Rejection::CannotSkipListeners | Rejection::NothingToStart)) => {
                Error::Invalid(rejection.to_string())
            }
            _ => error,
        }
    }
}

fn is_mistake(misfit: &Misfit) -> bool {
    match misfit {
        Misfit::NoSuchActivity { .. }
        | Misfit::Compensating { .. }
        | Misfit::Undoes { .. }
        | Misfit::Instantiates { .. }
        | Misfit::NoSuchTransition { .. }
        | Misfit::NoSuchElement
        | Misfit::NoBody { .. }
        | Misfit::NotAround { .. }
        | Misfit::NotAStart => true,
        Misfit::AmbiguousScope { .. } | Misfit::AmbiguousActivity { .. } | Misfit::Sequential { .. } => false,
    }
}

/// What names mean.
struct Names<'a> {
    definition: &'a Definition,
    instance: Option<InstanceId>,
}

impl Names<'_> {
    fn instruction(&self, instruction: &Instruction) -> Result<mandate_engine::Instruction, String> {
        let cancel = |cancel| Ok(mandate_engine::Instruction::Cancel(cancel));
        match instruction {
            Instruction::CancelActivityInstance { id } => cancel(Cancel::Activity(self.activity("Activity instance", id)?)),
            Instruction::CancelTransitionInstance { id } => cancel(Cancel::Transition(self.activity("Transition instance", id)?)),
            Instruction::CancelAll { activity_id, current } => cancel(Cancel::All { at: self.site(activity_id)?, current: *current }),
            Instruction::Start { at, ancestor, variables, local_variables } => {
                let at = match at {
                    Place::Before(id) => StartAt::Before(self.site(id)?),
                    Place::After(id) => StartAt::Transition(self.only_flow(id)?),
                    Place::Transition(id) => StartAt::Transition(self.flow(id)?),
                };
                let ancestor = ancestor.as_ref().map(|id| self.activity("Ancestor activity instance", id)).transpose()?;
                let (variables, local_variables) = (variables.clone(), local_variables.clone());
                Ok(mandate_engine::Instruction::Start(Start { at, ancestor, variables, local_variables }))
            }
        }
    }

    /// The process has its instance's id, everything else a public id.
    fn activity(&self, what: &str, id: &str) -> Result<ActivityId, String> {
        let missing = || format!("{what} '{id}' does not exist");
        let instance = self.instance.ok_or_else(missing)?;
        if id.parse() == Ok(instance) {
            return Ok(mandate_engine::ROOT_ACTIVITY);
        }
        let public: PublicId = id.parse().map_err(|_| missing())?;
        if public.instance == instance { Ok(ActivityId(public.number)) } else { Err(missing()) }
    }

    fn model(&self) -> &ProcessDefinition {
        &self.definition.model
    }

    fn site(&self, id: &str) -> Result<Site, String> {
        let (element, body) = match id.strip_suffix(BODY_TYPE).and_then(|id| id.strip_suffix('#')) {
            Some(of) => (of, true),
            None => (id, false),
        };
        let site = Site { element: self.element(element)?, body };
        let several = self.model().element(site.element).multi_instance.is_some();
        if body && !several { Err(self.no_element(id)) } else { Ok(site) }
    }

    fn element(&self, id: &str) -> Result<ElementIndex, String> {
        self.model().find(id).filter(|element| *element != ROOT).ok_or_else(|| self.no_element(id))
    }

    fn no_element(&self, id: &str) -> String {
        format!("Element '{id}' does not exist in process '{}'", self.definition.row.id)
    }

    fn flow(&self, id: &str) -> Result<FlowIndex, String> {
        let place = self.model().flows.iter().position(|flow| &*flow.id == id);
        let place = place.and_then(|place| u32::try_from(place).ok());
        place.map(FlowIndex).ok_or_else(|| self.no_element(id))
    }

    fn only_flow(&self, id: &str) -> Result<FlowIndex, String> {
        match self.model().element(self.element(id)?).outgoing[..] {
            [flow] => Ok(flow),
            [] => Err("activity has no outgoing sequence flow to take".to_owned()),
            _ => Err("activity has more than one outgoing sequence flow; name one of them in a startTransition".to_owned()),
        }
    }
}
