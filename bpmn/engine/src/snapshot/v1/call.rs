//! Who called, and what is called.

use mandate_model::ElementIndex;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::variables::{Variable, read, write};
use crate::call;
use crate::ids::{ActivityId, InstanceId, WaitId};
use crate::snapshot::SnapshotError;

#[derive(Serialize, Deserialize)]
pub(super) struct Caller {
    instance: [u8; 16],
    wait: u64,
    root: [u8; 16],
    depth: u32,
    /// 0: errors; 1: escalations; 2: escalations, which interrupt; 3: escalations, as one of several. With the code.
    catches: Vec<(u8, Option<String>)>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Called {
    pub(super) wait: u64,
    activity: u64,
    element: u32,
    process: String,
    since: i64,
    heard: u64,
    deferred: Vec<News>,
    /// Around the activity, in it, and delivered to it.
    outputs: [Vec<Variable>; 3],
    over: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) enum News {
    Completed,
    Error { code: String, message: Option<String> },
    Escalation { code: Option<String>, ended: bool },
    Deleted { reason: Option<String> },
}

impl From<&call::Caller> for Caller {
    fn from(it: &call::Caller) -> Self {
        let kind = |kind| match kind {
            call::CatchKind::Error => 0,
            call::CatchKind::Escalation { interrupting: false } => 1,
            call::CatchKind::Escalation { interrupting: true } => 2,
            call::CatchKind::EscalationOfSeveral => 3,
        };
        Self {
            instance: it.instance.0.into_bytes(),
            wait: it.wait.0,
            root: it.root.0.into_bytes(),
            depth: it.depth,
            catches: it.catches.iter().map(|catch| (kind(catch.kind), catch.code.clone())).collect(),
        }
    }
}

impl Caller {
    pub(super) fn into_caller(self) -> Result<call::Caller, SnapshotError> {
        let catch = |(kind, code)| {
            let kind = match kind {
                0 => call::CatchKind::Error,
                1 => call::CatchKind::Escalation { interrupting: false },
                2 => call::CatchKind::Escalation { interrupting: true },
                3 => call::CatchKind::EscalationOfSeveral,
                _ => return Err(SnapshotError::Inconsistent("what a caller catches is unknown")),
            };
            Ok(call::Catch { kind, code })
        };
        Ok(call::Caller {
            instance: InstanceId(Uuid::from_bytes(self.instance)),
            wait: WaitId(self.wait),
            root: InstanceId(Uuid::from_bytes(self.root)),
            depth: self.depth,
            catches: self.catches.into_iter().map(catch).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&call::Called> for Called {
    fn from(it: &call::Called) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            process: it.process.clone(),
            since: it.since,
            heard: it.heard,
            deferred: it.deferred.iter().map(News::from).collect(),
            outputs: [&it.outputs.around, &it.outputs.local, &it.outputs.delivered].map(write),
            over: it.over,
        }
    }
}

impl Called {
    pub(super) fn into_called(self) -> Result<call::Called, SnapshotError> {
        let [around, local, delivered] = self.outputs;
        Ok(call::Called {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            process: self.process,
            since: self.since,
            heard: self.heard,
            deferred: self.deferred.into_iter().map(News::into_news).collect(),
            outputs: call::Outputs { around: read(around)?, local: read(local)?, delivered: read(delivered)? },
            over: self.over,
        })
    }
}

impl From<&call::News> for News {
    fn from(it: &call::News) -> Self {
        match it.clone() {
            call::News::Completed => Self::Completed,
            call::News::Error { code, message } => Self::Error { code, message },
            call::News::Escalation { code, ended } => Self::Escalation { code, ended },
            call::News::Deleted { reason } => Self::Deleted { reason },
        }
    }
}

impl News {
    pub(super) fn into_news(self) -> call::News {
        match self {
            Self::Completed => call::News::Completed,
            Self::Error { code, message } => call::News::Error { code, message },
            Self::Escalation { code, ended } => call::News::Escalation { code, ended },
            Self::Deleted { reason } => call::News::Deleted { reason },
        }
    }
}
