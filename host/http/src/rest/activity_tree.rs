//! `GET /process-instance/{id}/activity-instances`: where an instance stands, as a tree.

use std::collections::BTreeMap;

use mandate_runtime::engine::{Activity, ActivityId, Phase, PublicId, Role};
use mandate_runtime::query::IncidentListed;
use mandate_runtime::{BODY_TYPE, InstanceView, activity_id};
use serde_json::{Value, json};

/// Camunda's `ActivityInstanceDto` of the process, with everything inside it. What stands before or behind its element and waits for a job
/// is a *transition instance*, as in Camunda. `called` are the incidents of what it has called, which stand at its call activities.
pub(super) fn of(view: &InstanceView, called: &[IncidentListed]) -> Value {
    let instance = &view.instance;
    let mut children: BTreeMap<ActivityId, Vec<&Activity>> = BTreeMap::new();
    for activity in instance.activities() {
        // What is left of an instance that has ended is no part of the tree, and as in Camunda neither is what only could be compensated.
        if matches!(activity.role, Role::Result { .. }) || activity.role.is_record() {
            continue;
        }
        if let Some(parent) = instance.drawn_scope(&view.definition.model, activity.id) {
            children.entry(parent).or_default().push(activity);
        }
    }
    let mut incidents: BTreeMap<ActivityId, Vec<Value>> = BTreeMap::new();
    for incident in instance.incidents() {
        let activity_id = activity_id(&view.definition, instance, incident.activity, incident.element);
        let dto = json!({"id": Tree::public(view, incident.id.0), "activityId": activity_id});
        incidents.entry(incident.activity).or_default().push(dto);
    }
    for incident in called {
        let [id, ..] = super::incident::ids(incident.instance, incident.row.n, incident.cause.as_ref());
        let activity = ActivityId(u64::try_from(incident.row.activity).unwrap_or(0));
        incidents.entry(activity).or_default().push(json!({"id": id, "activityId": incident.row.activity_id}));
    }
    let tree = Tree { view, children, incidents };
    // The process itself is the first of the tree, and its model's depth is bounded by the parser.
    instance.activity(instance.root()).map_or(Value::Null, |root| tree.activity(root))
}

struct Tree<'a> {
    view: &'a InstanceView,
    children: BTreeMap<ActivityId, Vec<&'a Activity>>,
    incidents: BTreeMap<ActivityId, Vec<Value>>,
}

impl Tree<'_> {
    fn public(view: &InstanceView, number: u64) -> String {
        PublicId { instance: view.instance.id(), number }.to_string()
    }

    /// The process has its instance's id, everything else a public id.
    fn id(&self, activity: ActivityId) -> String {
        if activity == self.view.instance.root() { self.view.instance.id().to_string() } else { Self::public(self.view, activity.0) }
    }

    fn activity(&self, activity: &Activity) -> Value {
        // What a complex gateway remembers is no activity.
        let is_activity = |child: &&&Activity| !matches!(child.phase, Phase::Spent { .. });
        let inside = || self.children.get(&activity.drawn_id()).into_iter().flatten().filter(is_activity);
        // A scope that is compensated is over and at work all the same.
        let is_transition = |child: &&&Activity| {
            let before_or_after =
                matches!(child.phase, Phase::Before { .. } | Phase::Enabled { .. } | Phase::Gathering { .. } | Phase::After { .. });
            before_or_after && !matches!(child.role, Role::Compensating { .. })
        };
        let mut dto = self.common(activity);
        let name = dto["activityName"].clone();
        dto["name"] = name;
        dto["executionIds"] = json!([self.id(activity.drawn_id())]);
        dto["childActivityInstances"] = inside().filter(|child| !is_transition(child)).map(|child| self.activity(child)).collect();
        dto["childTransitionInstances"] = inside().filter(is_transition).map(|child| self.transition(child)).collect();
        dto
    }

    fn transition(&self, activity: &Activity) -> Value {
        let mut dto = self.common(activity);
        dto["executionId"] = json!(self.id(activity.id));
        dto["targetActivityId"] = dto["activityId"].clone();
        dto
    }

    /// What both kinds have.
    fn common(&self, activity: &Activity) -> Value {
        let (model, instance) = (&self.view.definition.model, &self.view.instance);
        let element = model.element(activity.element);
        let body = instance.is_body(model, activity);
        let id = activity_id(&self.view.definition, &self.view.instance, activity.id, activity.element);
        let row = &self.view.definition.row;
        let incidents = self.incidents.get(&activity.id).cloned().unwrap_or_default();
        let incident_ids: Vec<_> = incidents.iter().map(|incident| incident["id"].clone()).collect();
        json!({
            "id": self.id(activity.drawn_id()),
            "parentActivityInstanceId": instance.drawn_scope(model, activity.id).map(|parent| self.id(parent)),
            // The process's activity id is its definition's id.
            "activityId": if activity.parent.is_none() { row.id.clone() } else { id },
            "activityName": element.name.as_deref().filter(|_| !body),
            "activityType": if body { BODY_TYPE } else { element.kind.activity_type() },
            "processInstanceId": self.view.instance.id().to_string(),
            "processDefinitionId": row.id,
            "incidentIds": incident_ids,
            "incidents": incidents,
        })
    }
}
