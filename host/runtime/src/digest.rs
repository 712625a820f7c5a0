//! Digests of several things. Many are keys: what goes into one, and how, must never change.

use mandate_engine::InstanceId;
use sha2::{Digest, Sha256};

/// Hashes one thing with its length before it, so that no two lists of things read the same.
pub(crate) fn add(hash: &mut Sha256, part: &str) {
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part.as_bytes());
}

/// The id of an instance that follows from what begins it: whoever does so again begins the same.
pub(crate) fn instance(hash: Sha256) -> InstanceId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    InstanceId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}
