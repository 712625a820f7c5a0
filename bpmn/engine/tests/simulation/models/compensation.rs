//! Activities that something undoes, events that have them undone, and transactions.

use super::{Block, MAX_DEPTH, Models};

impl Models<'_> {
    /// Now and then, something that undoes an activity. What it is has no loop: no operator reaches the variables of a scope that is over.
    pub(super) fn compensated(&mut self, activity: &str) {
        if self.random.one_in(2) {
            self.undone(activity);
        }
    }

    fn undone(&mut self, activity: &str) {
        let (event, handler, association) = (self.id("boundary"), self.id("undo"), self.id("association"));
        let held = self.asynchronous();
        let (kind, attributes) = [
            ("task", ""),
            ("userTask", ""),
            ("serviceTask", " camunda:class='worker'"),
            ("serviceTask", " camunda:type='external' camunda:topic='outside'"),
            ("subProcess", ""),
        ][self.random.below(5)];
        let often = if kind == "userTask" { self.multi_instance(MAX_DEPTH) } else { String::new() };
        let inside = if kind == "subProcess" { self.apart(|models| models.straight(false)) } else { String::new() };
        self.element(&format!(
            "<boundaryEvent id='{event}' attachedToRef='{activity}'><compensateEventDefinition/></boundaryEvent>\
             <{kind} id='{handler}' isForCompensation='true'{attributes}{held}>{often}{inside}</{kind}>\
             <association id='{association}' sourceRef='{event}' targetRef='{handler}'/>"
        ));
    }

    /// An event that has undone what has completed.
    pub(super) fn compensation(&mut self) -> Block {
        let (task, only) = match self.random.below(4) {
            // What is undone must stand in the same scope.
            0 => {
                let task = self.single("userTask", "").last;
                self.undone(&task);
                let only = format!(" activityRef='{task}'");
                (Some(task), only)
            }
            _ => (None, String::new()),
        };
        let id = self.id("undoing");
        let held = self.asynchronous();
        self.element(&format!("<intermediateThrowEvent id='{id}'{held}><compensateEventDefinition{only}/></intermediateThrowEvent>"));
        if let Some(task) = &task {
            self.flow(task, &id);
        }
        Block { first: task.unwrap_or_else(|| id.clone()), last: id }
    }

    /// Now and then, for the scope that is being written: what undoes it once it has completed.
    pub(super) fn compensation_event_sub_process(&mut self) -> bool {
        let is_undone = self.random.one_in(4);
        if is_undone {
            let (id, held) = (self.id("event"), self.asynchronous());
            let inside = self.apart(|models| models.straight(true));
            self.element(&format!("<subProcess id='{id}' triggeredByEvent='true'{held}>{inside}</subProcess>"));
        }
        is_undone
    }

    /// The end of a transaction, or its cancellation.
    pub(super) fn cancel_or_end(&mut self, from: &str) {
        let (split, end, cancel) = (self.id("split"), self.id("end"), self.id("cancel"));
        self.flow(from, &split);
        let condition = ["= x = 3", "= x > 0"][self.random.below(2)];
        self.conditional(&split, &cancel, Some(condition));
        let default = self.flow(&split, &end);
        self.element(&format!(
            "<exclusiveGateway id='{split}' default='{default}'/><endEvent id='{end}'/><endEvent id='{cancel}'><cancelEventDefinition/></endEvent>"
        ));
    }

    /// From a start event through a few activities to an end, without a choice.
    fn straight(&mut self, undoes: bool) {
        let trigger = if undoes { "<compensateEventDefinition/>" } else { "" };
        let start = self.id("start");
        self.element(&format!("<startEvent id='{start}'>{trigger}</startEvent>"));
        let mut last = start;
        if undoes && self.random.one_in(2) {
            let throw = self.compensation();
            self.flow(&last, &throw.first);
            last = throw.last;
        }
        for _ in 0..=self.random.below(2) {
            let kind = ["userTask", "task", "userTask"][self.random.below(3)];
            let next = self.single(kind, "");
            self.flow(&last, &next.first);
            last = next.last;
        }
        self.end(&last);
    }

    /// What is written apart from everything else.
    fn apart(&mut self, write: impl FnOnce(&mut Self)) -> String {
        let outside = std::mem::take(&mut self.xml);
        write(self);
        std::mem::replace(&mut self.xml, outside)
    }
}
