//! Events, on paths, at activities and around scopes.

use super::{Block, MAX_DEPTH, Models};

/// Few and far enough apart for every instance to end: each date begins a path of its own.
const CYCLES: [&str; 3] = ["R3/PT5M", "R2/PT4M/1970-01-01T01:00:00Z", "0 0 0 1 1 ? 1971-1972"];

impl Models<'_> {
    pub(super) fn catch(&mut self, trigger: &str) -> Block {
        let id = self.id("catch");
        let held = self.asynchronous();
        self.element(&format!("<intermediateCatchEvent id='{id}'{held}>{trigger}</intermediateCatchEvent>"));
        Block { first: id.clone(), last: id }
    }

    pub(super) fn catch_message(&mut self) -> Block {
        let forms = [
            "<messageEventDefinition messageRef='msg'/>",
            "<eventDefinitionRef>reused</eventDefinitionRef>",
            "<messageEventDefinition messageRef='byKey'/>",
        ];
        let form = forms[self.random.below(forms.len())];
        self.catch(form)
    }

    pub(super) fn catch_timer(&mut self) -> Block {
        let when = self.when("PT1M");
        self.catch(&format!("<timerEventDefinition>{when}</timerEventDefinition>"))
    }

    /// A date, a duration, which is this one, or dates that come again.
    fn when(&mut self, duration: &str) -> String {
        match self.random.below(4) {
            0 => format!("<timeDuration>{duration}</timeDuration>"),
            1 if self.random.one_in(2) => format!("<timeDate>= now() + duration(\"{duration}\")</timeDate>"),
            1 => "<timeDate>1970-01-01T00:20:00Z</timeDate>".to_owned(),
            _ => format!("<timeCycle>{}</timeCycle>", CYCLES[self.random.below(CYCLES.len())]),
        }
    }

    /// Two event sub-processes that escalate to each other would do so for ever: inside of one only an early end escalates.
    pub(super) fn throw(&mut self) -> Block {
        if self.random.one_in(6) {
            return self.send();
        }
        let id = self.id("throw");
        let held = self.asynchronous();
        let results = [
            "<messageEventDefinition camunda:class='sender'/>",
            "<messageEventDefinition camunda:type='external' camunda:topic='outside'/>",
            "<messageEventDefinition camunda:expression='${x}'/>",
            "<escalationEventDefinition escalationRef='x1'/>",
            "<escalationEventDefinition escalationRef='x2'/>",
        ];
        let result = results[self.random.below(if self.watching > 0 { 3 } else { results.len() })];
        self.element(&format!("<intermediateThrowEvent id='{id}'{held}>{result}</intermediateThrowEvent>"));
        Block { first: id.clone(), last: id }
    }

    /// Boundary events whose paths end by themselves or come back behind the activity.
    pub(super) fn with_boundary_events(&mut self, host: String, depth: usize, inside: bool) -> Block {
        let mut back = Vec::new();
        if self.random.one_in(3) {
            let cancel = if self.random.one_in(2) { "true" } else { "false" };
            let when = self.when("PT5M");
            let timer = format!("<timerEventDefinition>{when}</timerEventDefinition>");
            back.extend(self.boundary(&host, depth, inside, &format!(" cancelActivity='{cancel}'"), &timer));
        }
        // Only in some activities can anything throw an escalation.
        let escalates = ["sub", "userTask", "call"].iter().any(|kind| host.starts_with(kind));
        if depth <= MAX_DEPTH && self.random.one_in(8) {
            let [all, cancel] = [(); 2].map(|()| ["true", "false"][self.random.below(2)]);
            let mut others = vec![
                "<timerEventDefinition><timeDuration>PT6M</timeDuration></timerEventDefinition>",
                "<timerEventDefinition><timeCycle>R3/PT6M</timeCycle></timerEventDefinition>",
                "<conditionalEventDefinition><condition>= x > 2</condition></conditionalEventDefinition>",
            ];
            others.extend(escalates.then_some("<escalationEventDefinition escalationRef='x2'/>"));
            // An error of a called process is none of all.
            let of_call = all == "true" && host.starts_with("call");
            others.extend((cancel == "true" && !of_call).then_some("<errorEventDefinition errorRef='e2'/>"));
            let other = others[self.random.below(others.len())];
            let both = format!("<messageEventDefinition messageRef='msg3'/>{other}");
            back.extend(self.boundary(&host, depth, inside, &format!(" parallelMultiple='{all}' cancelActivity='{cancel}'"), &both));
        }
        // Not at any depth: with one more way on, paths behind boundary events would never end.
        if depth <= MAX_DEPTH && self.random.one_in(4) {
            let cancel = if self.random.one_in(2) { "true" } else { "false" };
            let triggers = [
                "<messageEventDefinition messageRef='msg'/>",
                "<escalationEventDefinition escalationRef='x1'/>",
                "<escalationEventDefinition/>",
                "<escalationEventDefinition/>",
            ];
            let trigger = if escalates { triggers[self.random.below(triggers.len())] } else { triggers[0] };
            back.extend(self.boundary(&host, depth, inside, &format!(" cancelActivity='{cancel}'"), trigger));
        }
        if depth <= MAX_DEPTH && self.random.one_in(4) {
            let (attributes, trigger) = self.signal_or_condition_trigger("cancelActivity");
            back.extend(self.boundary(&host, depth, inside, &attributes, &trigger));
        }
        if self.random.one_in(2) {
            let catch = ["<errorEventDefinition errorRef='e1'/>", "<errorEventDefinition/>"][self.random.below(2)];
            back.extend(self.boundary(&host, depth, inside, "", catch));
        }
        if back.is_empty() {
            return Block { first: host.clone(), last: host };
        }
        let merge = self.single("exclusiveGateway", "").last;
        self.flow(&host, &merge);
        for path in back {
            self.flow(&path, &merge);
        }
        Block { first: host, last: merge }
    }

    /// The last element of the path behind the event, if it is to come back.
    pub(super) fn boundary(&mut self, host: &str, depth: usize, inside: bool, attributes: &str, trigger: &str) -> Option<String> {
        let id = self.id("boundary");
        let held = if self.random.one_in(6) { " camunda:asyncBefore='true'" } else { "" };
        self.element(&format!("<boundaryEvent id='{id}' attachedToRef='{host}'{attributes}{held}>{trigger}</boundaryEvent>"));
        let path = self.sequence(depth.max(MAX_DEPTH - 1) + 1, inside);
        self.flow(&id, &path.first);
        if self.random.one_in(2) {
            return Some(path.last);
        }
        self.end(&path.last);
        None
    }

    /// What watches the scope that is being written: at most one for each kind of trigger.
    pub(super) fn event_sub_processes(&mut self, depth: usize) {
        let triggers = [
            "<messageEventDefinition messageRef='msg2'/>",
            "<timerEventDefinition><timeDuration>PT2M</timeDuration></timerEventDefinition>",
            "<timerEventDefinition><timeCycle>R2/PT3M</timeCycle></timerEventDefinition>",
            "<timerEventDefinition><timeDate>1970-01-01T00:10:00Z</timeDate></timerEventDefinition>",
            [
                "<messageEventDefinition messageRef='msg4'/><timerEventDefinition><timeCycle>0 0 0 1 1 ? 1971-1972</timeCycle></timerEventDefinition>",
                "<messageEventDefinition messageRef='msg4'/><escalationEventDefinition escalationRef='x2'/>",
            ][self.random.below(2)],
            "<errorEventDefinition errorRef='e1'/>",
            "<errorEventDefinition/>",
            "<escalationEventDefinition escalationRef='x1'/>",
            "<escalationEventDefinition/>",
        ];
        let mut triggers: Vec<_> = triggers.map(|trigger| (None, trigger.to_owned())).into();
        let (attributes, trigger) = self.signal_or_condition_trigger("isInterrupting");
        triggers.push((Some(attributes), trigger));
        for (attributes, trigger) in triggers {
            if !self.random.one_in(6) {
                continue;
            }
            let interrupting = trigger.contains("error") || self.random.one_in(2);
            let all = if trigger.contains("msg4") && self.random.one_in(2) { " parallelMultiple='true'" } else { "" };
            let attributes = attributes.unwrap_or_else(|| format!(" isInterrupting='{interrupting}'{all}"));
            let (id, start) = (self.id("event"), self.id("start"));
            let (held, held_inside) = (self.asynchronous(), self.asynchronous());
            let outside = std::mem::take(&mut self.xml);
            self.element(&format!("<startEvent id='{start}'{attributes}{held_inside}>{trigger}</startEvent>"));
            self.watching += 1;
            let body = self.sequence(depth.max(MAX_DEPTH - 1) + 1, true);
            self.flow(&start, &body.first);
            self.end(&body.last);
            self.watching -= 1;
            if self.random.one_in(4) && depth < MAX_DEPTH {
                self.event_sub_processes(MAX_DEPTH);
            }
            let inside = std::mem::replace(&mut self.xml, outside);
            self.element(&format!("<subProcess id='{id}' triggeredByEvent='true'{held}>{inside}</subProcess>"));
        }
    }

    /// What an end event does: as a rule nothing.
    pub(super) fn result(&mut self, end: &str) -> &'static str {
        let results = [
            "along a message flow",
            "<terminateEventDefinition/>",
            "<signalEventDefinition signalRef='sig3'/>",
            "<compensateEventDefinition/>",
            "<messageEventDefinition camunda:class='sender'/>",
            "<messageEventDefinition camunda:type='external' camunda:topic='outside'/>",
            "<messageEventDefinition camunda:expression='${x}'/>",
            "<escalationEventDefinition escalationRef='x1'/>",
            "<escalationEventDefinition escalationRef='x2'/><terminateEventDefinition/>",
        ];
        if !self.random.one_in(3) {
            return "";
        }
        match self.random.below(if self.watching > 0 { 7 } else { results.len() }) {
            0 => self.send_from(end),
            other => results[other],
        }
    }

    /// A decision that ends here or goes on.
    pub(super) fn early_end(&mut self, inside: bool) -> Block {
        let (split, end) = (self.id("split"), self.id("end"));
        let result = match self.random.below(4) {
            0 if inside => "<errorEventDefinition errorRef='e1'/>",
            1 if inside => "<errorEventDefinition errorRef='e2'/>",
            2 => "<escalationEventDefinition escalationRef='x2'/>",
            _ => self.result(&end),
        };
        self.element(&format!("<endEvent id='{end}'>{result}</endEvent>"));
        let condition = ["= x = 2", "= x > 0"][self.random.below(2)];
        self.conditional(&split, &end, Some(condition));
        let on = self.single("task", "");
        let default = self.flow(&split, &on.first);
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'/>"));
        Block { first: split, last: on.last }
    }

    /// Two paths out of a decision, each of which goes on through a link to the same place.
    pub(super) fn linked(&mut self, depth: usize, inside: bool) -> Block {
        let (split, catch) = (self.id("split"), self.id("link"));
        let mut default = String::new();
        for condition in [Some("= x = 1"), None] {
            let (path, throw) = (self.sequence(depth + 1, inside), self.id("throw"));
            default = self.conditional(&split, &path.first, condition);
            self.flow(&path.last, &throw);
            let link = format!("<linkEventDefinition name='{catch}'/>");
            self.element(&format!("<intermediateThrowEvent id='{throw}'>{link}</intermediateThrowEvent>"));
        }
        let link = format!("<linkEventDefinition name='{catch}'/>");
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'/>"));
        self.element(&format!("<intermediateCatchEvent id='{catch}'>{link}</intermediateCatchEvent>"));
        Block { first: split, last: catch }
    }
}
