//! A unit of work: what lives from one wait state to the next and is never stored by a host.

use std::collections::{BTreeMap, BTreeSet};

use mandate_model::{ElementIndex, FlowIndex};

use crate::EntryKey;
use crate::ids::{ActivityId, InstanceId, WaitId};
use crate::lineage::Lineage;
use crate::listener::Occasion;
use crate::modification::Underway;

/// The wait that names the origin of a start that is not held: no wait has this number.
pub(crate) const START: WaitId = WaitId(0);

/// One unit of work while it runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    /// The wait that the unit's input named; of a modification a number that no wait has.
    pub origin: WaitId,
    /// Which attempt of its job this is.
    pub attempt: u32,
    /// Attempts that are left after it.
    pub retries_left: u32,
    /// Elements entered so far.
    pub steps: u32,
    /// Tokens that still have to move; the last is the next.
    pub agenda: Vec<Token>,
    /// The delegate call that the unit waits for.
    pub call: Option<Call>,
    /// The lineage of each activity that was entered in this unit; those that are older have the origin's.
    pub lineages: BTreeMap<ActivityId, Lineage>,
    /// How often a lineage came to an element.
    pub entries: BTreeMap<(Lineage, ElementIndex), u32>,
    /// Each token stops with a job where it would enter an element.
    pub hold: bool,
    /// Nothing is mapped into an activity or out of it.
    pub skip_io_mappings: bool,
    /// As the unit's modification says: no listener is called.
    pub skip_listeners: bool,
    /// The modification that is being carried out.
    pub modification: Option<Underway>,
    /// Scopes in which something began or went: what the joins of all others wait for is as it was.
    pub touched: BTreeSet<ActivityId>,
    /// Those of them in which that was since their inclusive joins were looked at: in all others, each of these still waits.
    pub moved: BTreeSet<ActivityId>,
}

/// A token on its way into an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub element: ElementIndex,
    pub scope: ActivityId,
    /// The flow it comes by; none into start and boundary events.
    pub by: Option<FlowIndex>,
    pub lineage: Lineage,
}

/// An outstanding delegate call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    pub wait: WaitId,
    pub activity: ActivityId,
    /// It is a listener's: on what occasion, and which of the listeners is the next.
    pub listener: Option<(Occasion, u32)>,
}

impl Unit {
    pub(crate) fn new(origin: WaitId) -> Self {
        Self {
            origin,
            attempt: 1,
            retries_left: 0,
            steps: 0,
            agenda: Vec::new(),
            call: None,
            lineages: BTreeMap::new(),
            entries: BTreeMap::new(),
            hold: false,
            skip_io_mappings: false,
            skip_listeners: false,
            modification: None,
            touched: BTreeSet::new(),
            moved: BTreeSet::new(),
        }
    }

    /// Something begins in a scope, or has gone from it.
    pub(crate) fn touch(&mut self, scope: ActivityId) {
        self.touched.insert(scope);
        self.moved.insert(scope);
    }

    /// The lineage of the token in an activity.
    pub(crate) fn lineage(&self, instance: InstanceId, activity: ActivityId) -> Lineage {
        self.lineages.get(&activity).copied().unwrap_or_else(|| Lineage::origin(instance, self.origin))
    }

    /// Counts an entry of a lineage into an element: 1 for the first.
    pub(crate) fn count(&mut self, lineage: Lineage, element: ElementIndex) -> u32 {
        let count = self.entries.entry((lineage, element)).or_insert(0);
        *count += 1;
        *count
    }

    /// The key of the entry that an activity's token makes into its element now.
    pub(crate) fn entry(&mut self, instance: InstanceId, activity: ActivityId, element: ElementIndex, id: &str) -> EntryKey {
        let lineage = self.lineage(instance, activity);
        let nth = self.count(lineage, element);
        lineage.entry(instance, self.origin, id, nth)
    }
}
