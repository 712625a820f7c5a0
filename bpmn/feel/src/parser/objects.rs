//! The objects that JUEL expressions know from Camunda 7: what their methods ask for. Which of them are there, the scope says.

use crate::ast::Node;

/// Which properties of a task are dates.
pub(crate) const DATES_OF_TASK: [&str; 3] = ["dueDate", "followUpDate", "createTime"];

/// One object.
pub(super) struct Object {
    pub(super) name: &'static str,
    /// What can be asked of it, as `object.property` and as `object.getProperty()`.
    properties: &'static [&'static str],
    /// It knows variables by their names, as the expression itself does.
    has_variables: bool,
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
            "processDefinitionId",
            "processInstance",
            "eventName",
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
            "processDefinitionId",
            "eventName",
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
            "processDefinitionId",
            "processDefinitionKey",
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

/// Camunda 7's functions that JUEL expressions may call (`CommandContextFunctions`, `DateTimeFunctions`), none of which takes arguments.
/// The scope knows what they give, by the name with its brackets, which no variable has.
static FUNCTIONS: [&str; 4] = ["now()", "dateTime()", "currentUser()", "currentUserGroups()"];

/// Methods that ask an object for its variables (Camunda's `VariableScope`), and how many names of variables each takes. Such a name is a
/// fixed text, so that a reader of the model sees what is read; what the call gives, the scope knows by the call as it is written, with the
/// name in it.
static OF_VARIABLES: [(&str, usize); 9] = [
    ("getVariableLocal", 1),
    ("hasVariable", 1),
    ("hasVariableLocal", 1),
    ("getVariables", 0),
    ("getVariablesLocal", 0),
    ("getVariableNames", 0),
    ("getVariableNamesLocal", 0),
    ("hasVariables", 0),
    ("hasVariablesLocal", 0),
];

/// The name in the scope of what a function gives.
pub(super) fn function(name: &str) -> Option<&'static str> {
    FUNCTIONS.into_iter().find(|function| function.strip_suffix("()") == Some(name))
}

/// Whether it is by this name that a scope is asked for what a call gives: no variable is meant.
pub(crate) fn is_call(name: &str) -> bool {
    let asks = |call: &str| {
        let (object, method) = call.split_once('.')?;
        OBJECTS.iter().find(|own| own.name == object)?.asks_for_variables(method)
    };
    FUNCTIONS.contains(&name) || name.strip_suffix(')').and_then(|call| call.split_once('(')).is_some_and(|(call, _)| asks(call).is_some())
}

/// Whether a function gives a date.
pub(crate) fn gives_date(function: &str) -> bool {
    matches!(function, "now()" | "dateTime()")
}

/// All functions, for advice.
pub(super) fn functions() -> String {
    FUNCTIONS.join(", ")
}

/// The object that an expression begins with.
pub(super) fn of(base: &Node) -> Option<&'static Object> {
    let Node::Name(name) = base else { return None };
    named(name)
}

/// The object with this name.
pub(super) fn named(name: &str) -> Option<&'static Object> {
    OBJECTS.iter().find(|object| object.name == name)
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

    /// How many names of variables a method takes that asks for them.
    pub(super) fn asks_for_variables(&self, method: &str) -> Option<usize> {
        OF_VARIABLES.iter().find(|(name, _)| *name == method && self.has_variables).map(|(_, names)| *names)
    }

    /// The name in the scope of what a method gives that asks for variables: `execution.hasVariable(x)`.
    pub(super) fn call(&self, method: &str, variable: &str) -> String {
        format!("{}.{method}({variable})", self.name)
    }

    /// Whether it has a method of this name.
    pub(super) fn answers(&self, method: &str) -> bool {
        self.property(method).is_some() || (self.has_variables && method == "getVariable") || self.asks_for_variables(method).is_some()
    }

    /// What it is called, unless it is always there, as an execution.
    pub(super) fn may_be_absent(&self) -> Option<&'static str> {
        Some(self.name).filter(|name| *name != "execution")
    }

    /// The method that a property stands for: `execution.variables`.
    pub(super) fn getter(&self, property: &str) -> Option<&'static str> {
        match property {
            "variables" => Some("getVariables"),
            "variablesLocal" => Some("getVariablesLocal"),
            "variableNames" => Some("getVariableNames"),
            "variableNamesLocal" => Some("getVariableNamesLocal"),
            _ => None,
        }
        .filter(|_| self.name == "execution")
    }

    /// Whether it has no such property.
    pub(super) fn lacks(&self, property: &str) -> bool {
        !self.properties.contains(&property)
    }

    /// All that can be asked of it, for advice.
    pub(super) fn names(&self) -> String {
        let methods = OF_VARIABLES.iter().map(|(name, names)| if *names == 0 { format!("{name}()") } else { format!("{name}('x')") });
        let methods = std::iter::once("getVariable('x')".to_owned()).chain(methods).filter(|_| self.has_variables);
        self.properties.iter().map(|property| (*property).to_owned()).chain(methods).collect::<Vec<_>>().join(", ")
    }
}
