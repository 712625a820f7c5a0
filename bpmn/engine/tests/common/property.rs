//! What holds of any bytes that are read as a stored instance: for the tests beside it, and for the fuzz target.

use mandate_engine::Instance;

/// An error, or an instance that is stored as bytes which give it again, and whose variables are what they say.
pub(crate) fn snapshot(bytes: &[u8]) {
    let Ok(instance) = Instance::decode(bytes) else { return };
    assert_eq!(Instance::decode(&instance.encode()), Ok(instance.clone()));
    for activity in instance.activities() {
        for variable in instance.visible_variables(activity.id).values() {
            let _ = variable.to_json();
        }
    }
}
