//! Units of work that are running in this process, so that one whose wait is cancelled stops at its guest's next tick.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use mandate_engine::{InstanceId, WaitId};
use tokio_util::sync::CancellationToken;

/// The running units, by instance.
#[derive(Default)]
pub(crate) struct Running {
    units: Mutex<HashMap<InstanceId, Vec<Unit>>>,
}

struct Unit {
    number: u64,
    wait: Option<WaitId>,
    cancel: CancellationToken,
}

/// One running unit; gone from the list when dropped.
pub(crate) struct Registered<'a> {
    running: &'a Running,
    instance: InstanceId,
    number: u64,
    /// Cancelled when the wait that the unit resumes is.
    pub(crate) cancel: CancellationToken,
}

impl Running {
    /// Enters a unit that resumes a wait of an instance; none for a start.
    pub(crate) fn enter(&self, instance: InstanceId, wait: Option<WaitId>) -> Registered<'_> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let cancel = CancellationToken::new();
        let unit = Unit { number, wait, cancel: cancel.clone() };
        self.units.lock().expect("no holder of this lock panics").entry(instance).or_default().push(unit);
        Registered { running: self, instance, number, cancel }
    }

    /// Whether any unit is running.
    pub(crate) fn is_any(&self) -> bool {
        !self.units.lock().expect("no holder of this lock panics").is_empty()
    }

    /// Another unit has committed and ended these waits of an instance, or everything.
    pub(crate) fn ended(&self, by: &Registered<'_>, instance: InstanceId, waits: &BTreeSet<WaitId>, all: bool) {
        let units = self.units.lock().expect("no holder of this lock panics");
        for unit in units.get(&instance).into_iter().flatten() {
            if unit.number != by.number && (all || unit.wait.is_some_and(|wait| waits.contains(&wait))) {
                unit.cancel.cancel();
            }
        }
    }
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        let mut units = self.running.units.lock().expect("no holder of this lock panics");
        if let Some(list) = units.get_mut(&self.instance) {
            list.retain(|unit| unit.number != self.number);
            if list.is_empty() {
                units.remove(&self.instance);
            }
        }
    }
}
