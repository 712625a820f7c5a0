//! Gateways, with the branches between them.

use mandate_engine::limits::MAX_INLINE_ACTIVITIES;

use super::{Block, MAX_DEPTH, Models};

impl Models<'_> {
    pub(super) fn decision(&mut self, depth: usize, inside: bool) -> Block {
        let (split, merge) = (self.id("split"), self.id("merge"));
        let mut branches = Vec::new();
        for n in 1..=1 + self.random.below(2) {
            let branch = self.sequence(depth + 1, inside);
            branches.push(self.conditional(&split, &branch.first, Some(&format!("= x = {n}"))));
            self.flow(&branch.last, &merge);
        }
        let default = self.flow(&split, &merge);
        let held = self.asynchronous();
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'{held}/><exclusiveGateway id='{merge}'/>"));
        Block { first: split, last: merge }
    }

    pub(super) fn parallel(&mut self, depth: usize, inside: bool) -> Block {
        let (fork, join) = (self.id("fork"), self.id("join"));
        // Now and then so wide that some branches are stored apart, and then each is one element.
        let wide = depth == 0 && self.random.one_in(20);
        let branches = if wide { MAX_INLINE_ACTIVITIES + 4 } else { 2 + self.random.below(2) };
        for _ in 0..branches {
            let branch = if wide { self.block(MAX_DEPTH, inside) } else { self.sequence(depth + 1, inside) };
            self.flow(&fork, &branch.first);
            self.flow(&branch.last, &join);
        }
        let (held, held_too) = (self.asynchronous(), self.asynchronous());
        self.element(&format!("<parallelGateway id='{fork}'{held}/><parallelGateway id='{join}'{held_too}/>"));
        Block { first: fork, last: join }
    }

    pub(super) fn repeat(&mut self, depth: usize, inside: bool) -> Block {
        let (head, tail) = (self.id("head"), self.id("tail"));
        let body = self.sequence(depth + 1, inside);
        self.flow(&head, &body.first);
        self.flow(&body.last, &tail);
        self.conditional(&tail, &head, Some("${x == 1}"));
        let out = self.single("task", "");
        let default = self.flow(&tail, &out.first);
        let merge = ["exclusiveGateway", "inclusiveGateway"][self.random.below(2)];
        self.element(&format!("<{merge} id='{head}'/><exclusiveGateway id='{tail}' default='{default}'/>"));
        Block { first: head, last: out.last }
    }

    /// An inclusive fork or, now and then, another, and a join that waits for what comes: some branches end by themselves.
    pub(super) fn inclusive(&mut self, depth: usize, inside: bool) -> Block {
        let (fork, join) = (self.id("fork"), self.id("join"));
        let kind = ["inclusiveGateway", "inclusiveGateway", "exclusiveGateway", "task"][self.random.below(4)];
        for condition in ["= x = 1", "= x > 0", "${x == 3}"].into_iter().take(1 + self.random.below(3)) {
            let branch = self.sequence(depth + 1, inside);
            self.conditional(&fork, &branch.first, Some(condition));
            if self.random.one_in(6) {
                self.end(&branch.last);
            } else {
                self.flow(&branch.last, &join);
            }
        }
        let default = self.flow(&fork, &join);
        let (held, held_too) = (self.asynchronous(), self.asynchronous());
        self.element(&format!("<{kind} id='{fork}' default='{default}'{held}/><inclusiveGateway id='{join}'{held_too}/>"));
        Block { first: fork, last: join }
    }

    /// Flows out of an activity: each whose condition is true, or the default flow. They meet at the next task, which runs for each.
    pub(super) fn choices(&mut self, depth: usize, inside: bool) -> Block {
        let (task, merge) = (self.id("choose"), self.single("task", "").first);
        for condition in ["= x = 1", "= x > 0"] {
            let path = self.sequence(depth + 1, inside);
            self.conditional(&task, &path.first, Some(condition));
            self.flow(&path.last, &merge);
        }
        let default = self.flow(&task, &merge);
        let held = self.asynchronous();
        self.element(&format!("<userTask id='{task}' default='{default}'{held}/>"));
        Block { first: task, last: merge }
    }

    /// Messages, timers, signals and conditions of which the first wins, each with a path of its own.
    pub(super) fn first_event(&mut self, depth: usize, inside: bool) -> Block {
        let (gateway, merge) = (self.id("first"), self.id("merge"));
        let others = [
            "<timerEventDefinition><timeDuration>PT3M</timeDuration></timerEventDefinition>",
            "<signalEventDefinition signalRef='sig'/>",
            "<conditionalEventDefinition><condition>${x &lt; 2}</condition></conditionalEventDefinition>",
        ];
        let first = self.random.below(others.len());
        for nth in 0..2 + self.random.below(2) {
            let event = match nth {
                0 if self.random.one_in(3) => self.single("receiveTask", " messageRef='msg'"),
                0 => self.catch("<messageEventDefinition messageRef='msg'/>"),
                // Each of them once.
                _ => self.catch(others[(first + nth) % others.len()]),
            };
            self.flow(&gateway, &event.first);
            let path = self.sequence(depth + 1, inside);
            self.flow(&event.last, &path.first);
            self.flow(&path.last, &merge);
        }
        let held = if self.random.one_in(4) { " camunda:asyncBefore='true'" } else { "" };
        self.element(&format!("<eventBasedGateway id='{gateway}'{held}/><exclusiveGateway id='{merge}'/>"));
        Block { first: gateway, last: merge }
    }

    /// A mistake that modellers make: alternatives that meet at a parallel gateway.
    pub(super) fn deadlock(&mut self, depth: usize, inside: bool) -> Block {
        let (split, join) = (self.id("split"), self.id("join"));
        let branch = self.sequence(depth + 1, inside);
        self.conditional(&split, &branch.first, Some("= x = 1"));
        self.flow(&branch.last, &join);
        let default = self.flow(&split, &join);
        self.element(&format!("<exclusiveGateway id='{split}' default='{default}'/><parallelGateway id='{join}'/>"));
        Block { first: split, last: join }
    }

    /// Two flows out of a task that both go into the next one: it runs twice.
    pub(super) fn uncontrolled_merge(&mut self) -> Block {
        let (one, two) = (self.single("task", ""), self.service(MAX_DEPTH, false));
        self.flow(&one.last, &two.first);
        self.flow(&one.last, &two.first);
        Block { first: one.first, last: two.last }
    }
}
