//! What holds of any bytes that are read as a stored instance: for the tests beside it, and for the fuzz target.
#![allow(dead_code, reason = "each test file is a crate of its own and uses its part of this")]

use mandate_engine::{ActivityId, PartId, Stored};

/// A snapshot and its parts (activity, variable, bytes) as one text of bytes: how `tests/snapshots` keeps them, in hexadecimal.
type Framed = (Vec<u8>, Vec<(u64, String, Vec<u8>)>);

/// The stored form in one text of bytes; none if they are not framed like one.
pub(crate) fn stored(bytes: &[u8]) -> Option<Stored> {
    let (snapshot, parts) = postcard::from_bytes::<Framed>(bytes).ok()?;
    let part = |(activity, variable, bytes)| (PartId { activity: ActivityId(activity), variable }, bytes);
    Some(Stored { snapshot, parts: parts.into_iter().map(part).collect() })
}

/// An error, or an instance that is stored as bytes which give it again, and whose variables are what they say.
pub(crate) fn snapshot(bytes: &[u8]) {
    let Some(stored) = stored(bytes) else { return };
    let Ok(instance) = stored.decode() else { return };
    assert_eq!(instance.encode().decode(), Ok(instance.clone()));
    for activity in instance.activities() {
        for variable in instance.visible_variables(activity.id).values() {
            let _ = variable.to_json();
        }
    }
}
