//! What of a definition can make jobs: Camunda 7's job definitions. They follow from the model, so nothing is stored of them.

use mandate_model::{CatchTrigger, Element, ElementKind, EventTrigger, StartTrigger, Timer};
use mandate_store::query::{DefinitionFilter, DefinitionRow, Page};

use crate::unit::body_id;
use crate::{Error, Runtime};

/// One place of a definition that makes jobs of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDefinition {
    /// Its definition.
    pub definition: DefinitionRow,
    /// The BPMN id; of the body of a multi-instance activity the body's.
    pub activity_id: String,
    /// Camunda's name of the kind: `async-continuation`, `timer-start-event`, `timer-transition` and the like.
    pub job_type: &'static str,
    /// `async-before`, `async-after`, or what the timer says, such as `CYCLE: R3/PT10M`.
    pub configuration: String,
    /// How the jobs' own kind is told from others at the activity.
    kind: &'static str,
}

/// The kinds that a [`JobDefinition`]'s id ends with.
const BEFORE: &str = "async-before";
const AFTER: &str = "async-after";
const TIMER: &str = "timer";

impl JobDefinition {
    /// Its id: the definition's, the activity's and the kind.
    pub fn id(&self) -> String {
        format!("{}:{}:{}", self.definition.id, self.activity_id, self.kind)
    }

    /// The id of the definition of a job; none for a held start, which no model asks for.
    pub fn id_of(definition_id: &str, activity_id: &str, job_kind: &str) -> Option<String> {
        let kind = match job_kind {
            BEFORE | AFTER => job_kind,
            "start" => return None,
            _ => TIMER,
        };
        Some(format!("{definition_id}:{activity_id}:{kind}"))
    }

    /// The definition's id in an id.
    pub fn definition_of(id: &str) -> Option<&str> {
        let mut parts = id.rsplitn(3, ':');
        parts.nth(2)
    }
}

impl Runtime {
    /// The job definitions of these definitions, in the order of their definitions and models.
    pub async fn job_definitions(&self, filter: DefinitionFilter) -> Result<Vec<JobDefinition>, Error> {
        let mut found = Vec::new();
        for row in self.0.store.definitions(filter, Page::ALL, &[]).await? {
            let definition = self.0.definitions.get(&self.0.store, &row.id).await?;
            for (_, element) in definition.model.iter() {
                found.extend(of_element(element).into_iter().map(|(activity_id, job_type, configuration, kind)| JobDefinition {
                    definition: row.clone(),
                    activity_id,
                    job_type,
                    configuration,
                    kind,
                }));
            }
        }
        Ok(found)
    }
}

type Found = (String, &'static str, String, &'static str);

fn of_element(element: &Element) -> Vec<Found> {
    let id = element.id.to_string();
    let mut found = Vec::new();
    let mut asynchronous = |id: &str, before: bool, after: bool| {
        for (kind, _) in [(BEFORE, before), (AFTER, after)].into_iter().filter(|(_, is)| *is) {
            found.push((id.to_owned(), "async-continuation", kind.to_owned(), kind));
        }
    };
    match &element.multi_instance {
        None => asynchronous(&id, element.async_before, element.async_after),
        Some(each) => {
            asynchronous(&body_id(&id), element.async_before, element.async_after);
            asynchronous(&id, each.async_before, each.async_after);
        }
    }
    let timer = match &element.kind {
        ElementKind::StartEvent(StartTrigger::Timer(timer)) => Some(("timer-start-event", timer)),
        ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(timer)) => Some(("timer-intermediate-transition", timer)),
        ElementKind::BoundaryEvent(event) => of_trigger(&event.trigger).map(|timer| ("timer-transition", timer)),
        ElementKind::EventSubProcessStart(event) => of_trigger(&event.trigger).map(|timer| ("timer-start-event-subprocess", timer)),
        _ => None,
    };
    found.extend(timer.map(|(job_type, timer)| (id, job_type, configuration(timer), TIMER)));
    found
}

fn of_trigger(trigger: &EventTrigger) -> Option<&Timer> {
    match trigger {
        EventTrigger::Timer(timer) => Some(timer),
        _ => None,
    }
}

/// Camunda's `TimerDeclarationImpl.getJobConfiguration`.
fn configuration(timer: &Timer) -> String {
    let kind = match timer {
        Timer::Date(_) => "DATE",
        Timer::Duration(_) => "DURATION",
        Timer::Cycle(_) => "CYCLE",
    };
    format!("{kind}: {}", timer.expression().source())
}
