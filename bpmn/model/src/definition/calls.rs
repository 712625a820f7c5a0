//! What a call activity says: whom it calls, and what goes in and comes out.

use mandate_feel::Expression;

use super::Source;

/// Calls another process and waits for its end (BPMN 2.0, 10.3.6). Every expression is evaluated when the activity begins, but for the
/// outputs.
#[derive(Clone, Debug)]
pub struct CallActivity {
    /// The key of the process: `calledElement`, or `processId` of `zeebe:calledElement`.
    pub process: Expression,
    /// Which version of it.
    pub binding: Binding,
    /// `camunda:calledElementTenantId`: whose process; none is the caller's own tenant.
    pub tenant: Option<Expression>,
    /// `camunda:in businessKey`: the called instance's business key; none: it has none.
    pub business_key: Option<Expression>,
    /// What the called instance begins with: `camunda:in`, or what `zeebe:calledElement` propagates. The later goes before the earlier.
    pub inputs: Vec<Pass>,
    /// What it leaves behind: `camunda:out`, in document order.
    pub outputs: Vec<Pass>,
    /// Written as `zeebe:calledElement`, with `propagateAllChildVariables`: all its variables come back as those of a completed task do.
    pub propagates: bool,
}

/// Which version of a process is called: as it is found when the call begins.
#[derive(Clone, Debug)]
pub enum Binding {
    /// The newest.
    Latest,
    /// The one that was deployed together with the caller's.
    Deployment,
    /// The one with this number.
    Version(Expression),
    /// The one with this `camunda:versionTag`.
    VersionTag(Expression),
}

/// Variables on their way between a caller and the process it calls.
#[derive(Clone, Debug)]
pub enum Pass {
    /// `variables="all"`: each by its own name.
    All {
        /// Into a call: only the activity's own variables. Out of it: they become the activity's own.
        local: bool,
    },
    /// One.
    One {
        /// `source` or `sourceExpression`. A variable that is not there is null.
        source: Source,
        /// Its name on the other side.
        target: String,
        /// As of all.
        local: bool,
    },
    /// The activity's own variable of this name, if it has it, or, out of a call, the called process's: then it becomes the activity's own.
    /// What a data association fills or reads.
    Data(String),
}
