//! Names of things inside and outside an instance.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A process instance, everywhere and for ever.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId(pub Uuid);

/// A wait: a job, a user task, an external task, a subscription or a delegate that is running. Numbers come from one counter of the
/// instance and are never used again, so that a late or repeated input finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WaitId(pub u64);

/// An activity instance: one activated element, or a scope with its children. The process itself is always the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ActivityId(pub u64);

/// An incident of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentId(pub u64);

/// A number of an instance as the outside sees it: `<instance>.<number>`. Public ids carry their instance's id, so that
/// whoever holds one can find its instance without an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicId {
    /// Whose it is.
    pub instance: InstanceId,
    /// A [`WaitId`], [`ActivityId`] or [`IncidentId`].
    pub number: u64,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for InstanceId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.instance, self.number)
    }
}

/// The text is not `<instance>.<number>`.
#[derive(Debug, thiserror::Error)]
#[error("an id has the form <instance>.<number>")]
pub struct NotAnId;

impl FromStr for PublicId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (instance, number) = text.split_once('.').ok_or(NotAnId)?;
        Ok(Self { instance: instance.parse().map_err(|_| NotAnId)?, number: number.parse().map_err(|_| NotAnId)? })
    }
}
