//! Where a token came from inside its unit of work, and the names that follow from it.
//!
//! A unit that fails is thrown away and run again, perhaps after other branches have moved on. What it sends must carry the
//! same keys each time. So a key is made of nothing but the wait that the unit resumes, the forks that the token passed since, and
//! how often it came by the same element on that way: never of numbers that other branches count up as well.

use sha2::{Digest, Sha256};

use crate::EntryKey;
use crate::ids::{InstanceId, WaitId};

/// A token's way through the forks and joins of its unit, digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lineage(pub [u8; 32]);

impl Lineage {
    /// The token that a unit begins with.
    pub(crate) fn origin(instance: InstanceId, wait: WaitId) -> Self {
        Self(digest("mandate-origin-1", &[instance.0.as_bytes(), &wait.0.to_be_bytes()]))
    }

    /// The token that takes this flow where several are taken at once.
    pub(crate) fn branch(self, flow: &str) -> Self {
        Self(digest("mandate-branch-1", &[&self.0, flow.as_bytes()]))
    }

    /// The token that leaves a join; `self` is the lineage of the scope around it, so that the order of arrival plays no part.
    pub(crate) fn joined(self, gateway: &str, nth: u32) -> Self {
        Self(digest("mandate-join-1", &[&self.0, gateway.as_bytes(), &nth.to_be_bytes()]))
    }

    /// Names this token's `nth` entry into an element.
    pub(crate) fn entry(self, instance: InstanceId, origin: WaitId, element: &str, nth: u32) -> EntryKey {
        EntryKey(digest(
            "mandate-entry-1",
            &[instance.0.as_bytes(), &origin.0.to_be_bytes(), element.as_bytes(), &self.0, &nth.to_be_bytes()],
        ))
    }
}

/// SHA-256 over parts with their lengths, so that no two lists of parts read the same.
pub(crate) fn digest(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&tag.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}
