//! The objects that JUEL expressions know from Camunda 7: what their methods ask for. Which of them are there, the scope says.

use crate::ast::Node;

/// One object.
pub(super) struct Object {
    name: &'static str,
    /// What can be asked of it, as `object.property` and as `object.getProperty()`.
    properties: &'static [&'static str],
    /// It knows variables by their names, as the expression itself does.
    pub(super) has_variables: bool,
}

static OBJECTS: &[Object] = &[
    Object {
        name: "execution",
        properties: &[
            "id",
            "processInstanceId",
            "processBusinessKey",
            "businessKey",
            "tenantId",
            "currentActivityId",
            "currentActivityName",
            "activityInstanceId",
            "parentActivityInstanceId",
        ],
        has_variables: true,
    },
    Object {
        name: "task",
        properties: &[
            "id",
            "name",
            "description",
            "assignee",
            "owner",
            "priority",
            "dueDate",
            "followUpDate",
            "createTime",
            "taskDefinitionKey",
            "executionId",
            "processInstanceId",
            "tenantId",
        ],
        has_variables: true,
    },
    Object {
        name: "externalTask",
        properties: &[
            "id",
            "activityId",
            "processInstanceId",
            "businessKey",
            "tenantId",
            "topicName",
            "priority",
            "retries",
            "errorMessage",
            "errorDetails",
        ],
        has_variables: false,
    },
];

/// Camunda 7's functions that JUEL expressions may call (`CommandContextFunctions`, `DateTimeFunctions`), none of which takes arguments. The scope knows
/// what they give, by the name with its brackets, which no variable has.
static FUNCTIONS: [&str; 4] = ["now()", "dateTime()", "currentUser()", "currentUserGroups()"];

/// The name in the scope of what a function gives.
pub(super) fn function(name: &str) -> Option<&'static str> {
    FUNCTIONS.into_iter().find(|function| function.strip_suffix("()") == Some(name))
}

/// All functions, for advice.
pub(super) fn functions() -> String {
    FUNCTIONS.join(", ")
}

/// The object that an expression begins with.
pub(super) fn of(base: &Node) -> Option<&'static Object> {
    let Node::Name(name) = base else { return None };
    OBJECTS.iter().find(|object| *object.name == **name)
}

impl Object {
    /// The property that a method gets.
    pub(super) fn property(&self, method: &str) -> Option<&'static str> {
        let name = method.strip_prefix("get")?;
        let is_it = |property: &&&str| property[..1].eq_ignore_ascii_case(&name[..1]) && property[1..] == name[1..];
        if !name.starts_with(|first: char| first.is_ascii_uppercase()) {
            return None;
        }
        self.properties.iter().find(is_it).copied()
    }

    /// Whether it certainly has no such property: an execution. Variables are called `task`, too, and have what they have.
    pub(super) fn lacks(&self, property: &str) -> bool {
        self.name == "execution" && !self.properties.contains(&property)
    }

    /// All properties, for advice.
    pub(super) fn names(&self) -> String {
        self.properties.join(", ")
    }
}
