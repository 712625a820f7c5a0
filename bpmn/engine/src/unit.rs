//! A unit of work: what lives from one wait state to the next and is never stored by a host.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mandate_model::{ElementIndex, FlowIndex, VariableChange};

use crate::EntryKey;
use crate::agenda::Agenda;
use crate::ids::{ActivityId, InstanceId, WaitId};
use crate::lineage::Lineage;
use crate::listener::Occasion;
use crate::listener::gone::{AllGone, InstanceEnd, Untold};
use crate::modification::Underway;
use crate::variable::Variables;

/// The wait that names the origin of an input that names none: no wait has this number.
pub(crate) const NO_WAIT: WaitId = WaitId(0);

/// One unit of work while it runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    /// The wait that the unit's input named; of a modification, and of what named none, a number that no wait has.
    pub origin: WaitId,
    /// Which attempt of its job this is.
    pub attempt: u32,
    /// Attempts that are left after it.
    pub retries_left: u32,
    /// Which answer to the origin's wait this is, where that stays and may be answered again; 0 elsewhere.
    pub answer: u32,
    /// Elements entered so far.
    pub steps: u32,
    /// What is still to move, and what happens in between.
    pub agenda: Agenda,
    /// Changes of variables that conditions have not been asked about.
    pub changes: Vec<Change>,
    /// The delegate call that the unit waits for.
    pub call: Option<Call>,
    /// The lineage of each activity that was entered in this unit; those that are older have the origin's.
    pub lineages: BTreeMap<ActivityId, Lineage>,
    /// How often a lineage came to an element.
    pub entries: BTreeMap<(Lineage, ElementIndex), u32>,
    /// Each token stops with a job where it would enter an element.
    pub defers: bool,
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
    /// Scopes in which variables were set that are there for this unit only.
    pub transients: BTreeSet<ActivityId>,
    /// What is to be in the event sub-processes of these scopes that messages have triggered, until they begin.
    pub brought: Vec<(ActivityId, ElementIndex, Variables)>,
    /// Who is to be told that a user task is gone, before anything else moves.
    pub untold: VecDeque<Untold>,
    /// What has gone with it, as long as somebody is to be told.
    pub gone: AllGone,
}

/// A token on its way into an element.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub element: ElementIndex,
    pub scope: ActivityId,
    /// The flow it comes by; none into start and boundary events.
    pub by: Option<FlowIndex>,
    /// The listeners of that flow have been called.
    pub taken: bool,
    pub lineage: Lineage,
}

/// Something that happens when all tokens that came later have moved until they wait.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Later {
    /// How many tokens there were before: as soon as there are no more than that, it is its turn.
    pub below: usize,
    pub kind: LaterKind,
}

/// What happens then, to whatever is still there of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LaterKind {
    /// An activity's element acts for the first time.
    Execute(ActivityId),
    /// An activity goes on: what it waited for is over.
    Resume(ActivityId),
    /// An activity, whose end listeners have been called, passes its token on by these flows.
    PassOn(ActivityId, Vec<FlowIndex>),
    /// An activity begins, whose process was deferred before it.
    Begin(ActivityId),
    /// A scope ends if nothing is left in it.
    EndScope(ActivityId),
    /// The first of these conditions is asked, and the others after it.
    Conditions(VecDeque<WaitId>),
    /// The first of these waits gets a signal, and the others after it.
    Signal { waits: VecDeque<WaitId>, variables: Variables },
    /// The instance ends, of which nothing is left.
    EndInstance(Box<InstanceEnd>),
}

/// A variable that was set or removed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Change {
    pub scope: ActivityId,
    pub name: String,
    pub kind: VariableChange,
    /// Waits with later numbers began after it.
    pub last: WaitId,
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
            answer: 0,
            steps: 0,
            agenda: Agenda::default(),
            changes: Vec::new(),
            call: None,
            lineages: BTreeMap::new(),
            entries: BTreeMap::new(),
            defers: false,
            skip_io_mappings: false,
            skip_listeners: false,
            modification: None,
            touched: BTreeSet::new(),
            moved: BTreeSet::new(),
            transients: BTreeSet::new(),
            brought: Vec::new(),
            untold: VecDeque::new(),
            gone: AllGone::new(),
        }
    }

    /// Puts something off until all tokens have moved that come from here on.
    pub(crate) fn do_later(&mut self, kind: LaterKind) {
        self.agenda.put_off(kind);
    }

    /// The tokens that are on their way in a scope are gone.
    pub(crate) fn drop_tokens(&mut self, scope: ActivityId) {
        self.agenda.drop_tokens(scope);
        self.brought.retain(|(dropped, ..)| *dropped != scope);
    }

    /// Something begins in a scope, or has gone from it.
    pub(crate) fn touch(&mut self, scope: ActivityId) {
        self.touched.insert(scope);
        self.moved.insert(scope);
    }

    /// The lineage of the token in an activity. One that begins in this unit has been given one.
    pub(crate) fn lineage(&self, instance: InstanceId, activity: ActivityId) -> Lineage {
        self.lineages.get(&activity).copied().unwrap_or_else(|| {
            let origin = Lineage::origin(instance, self.origin);
            // Where the wait that names the origin stays, units that it is named by later must not have the keys of this one.
            let origin = if self.answer == 0 { origin } else { origin.instance(self.answer) };
            origin.activity(activity)
        })
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
