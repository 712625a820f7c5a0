//! What happens to one line of an order that is worked on line by line.

use serde_json::{Value, json};

use super::{Fallout, LineState, Order, Rejection, Resolution};

impl Order {
    /// The lines in stages. A part of a bundle needs the parts before it; nothing else needs anything.
    pub(super) fn plan(&self) -> Vec<Vec<&str>> {
        let mut stages: Vec<Vec<&str>> = Vec::new();
        for (line, stage) in self.lines.iter().zip(self.stages()) {
            if stages.len() <= stage {
                stages.push(Vec::new());
            }
            stages[stage].push(&line.line_id);
        }
        stages
    }

    /// For each line, the number of lines before it that it needs, which stand directly before it.
    fn stages(&self) -> impl Iterator<Item = usize> {
        self.items.iter().flat_map(|item| 0..item.parts().count())
    }

    /// Orders fulfilment of one line; a callback of its own follows.
    pub fn submit_line(&mut self, line_id: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        let index = self.line(line_id)?;
        let line = &self.lines[index];
        if line.state.settled() {
            return Err(Rejection::new("LINE_ALREADY_SETTLED", format!("line {line_id} is {}", line.state.as_str())));
        }
        if line.submitted {
            return Err(Rejection::new("LINE_ALREADY_SUBMITTED", format!("fulfilment of line {line_id} was ordered before")));
        }
        if line.state != LineState::InProgress {
            return Err(Rejection::new("LINE_NOT_RESERVED", format!("line {line_id} is {}, not IN_PROGRESS", line.state.as_str())));
        }
        let needs = self.stages().nth(index).unwrap_or(0);
        if let Some(first) = self.lines[index - needs..index].iter().find(|line| !line.state.settled()) {
            let message = format!("line {line_id} needs line {}, which is {}", first.line_id, first.state.as_str());
            return Err(Rejection::new("LINE_NEEDS_ANOTHER", message));
        }
        let line = &mut self.lines[index];
        (line.submitted, line.told) = (true, false);
        self.changes.lines.push(index);
        self.changes.evidence.push(("submitted", json!({ "lineId": line_id })));
        Ok(json!({ "lineId": line_id }))
    }

    /// Asks the customer about a line; the answer comes later.
    pub fn ask_customer(&mut self, line_id: &str, question: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        self.line(line_id)?;
        self.changes.evidence.push(("asked", json!({ "lineId": line_id, "question": question })));
        Ok(json!({ "lineId": line_id }))
    }

    /// A person repaired a line: its fallouts are closed, and the line is as `resolution` says.
    pub(super) fn resolve_line(&mut self, resolution: Resolution, line_id: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        let index = self.line(line_id)?;
        if self.lines[index].state != LineState::Failed {
            let message = format!("line {line_id} is {}, not FAILED", self.lines[index].state.as_str());
            return Err(Rejection::new("LINE_NOT_FAILED", message));
        }
        let resolved = self.close_fallouts(|fallout| fallout.line_id.as_deref() == Some(line_id));
        let to = match resolution {
            Resolution::Fulfilled => LineState::Fulfilled,
            Resolution::Waived => LineState::Waived,
            Resolution::Retried => LineState::InProgress,
        };
        self.lines[index].submitted = false;
        self.line_to(index, to);
        self.changes.evidence.push(("repaired", json!({ "resolution": resolution, "lineId": line_id, "fallouts": resolved })));
        Ok(json!({ "resolved": resolved, "lineId": line_id }))
    }

    /// Closes the open ones of these fallouts, and says how many.
    pub(super) fn close_fallouts(&mut self, which: impl Fn(&Fallout) -> bool) -> usize {
        let open = self.fallouts.iter_mut().enumerate().filter(|(_, fallout)| fallout.open && which(fallout));
        let closed: Vec<usize> = open
            .map(|(index, fallout)| {
                fallout.open = false;
                index
            })
            .collect();
        self.changes.fallouts.extend(&closed);
        closed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Handling, Item};
    use super::*;

    fn order(products: &[&str]) -> Order {
        let items = products.iter().map(|product| Item { product: (*product).to_owned(), quantity: 1, mandatory: true }).collect();
        let mut order = Order::new("o", "t", "c", "o", items);
        order.handling = Handling::ByLine;
        order.validate_readiness(false).unwrap();
        order.decompose().unwrap();
        order
    }

    fn code(answer: Result<Value, Rejection>) -> String {
        answer.unwrap_err().code
    }

    #[test]
    fn parts_of_bundles_are_planned_behind_each_other_and_all_else_side_by_side() {
        let order = order(&["FIBER+ROUTER+TV", "PHONE", "LINE+ROUTER"]);
        assert_eq!(order.plan(), [vec!["L1", "L4", "L5"], vec!["L2", "L6"], vec!["L3"]]);
    }

    #[test]
    fn part_waits_for_the_part_before_it() {
        let mut order = order(&["PHONE", "FIBER+ROUTER"]);
        for line in ["L1", "L2", "L3"] {
            order.reserve_line(line, None).unwrap();
        }
        assert_eq!(code(order.submit_line("L3")), "LINE_NEEDS_ANOTHER");
        order.submit_line("L2").unwrap();
        assert_eq!(code(order.submit_line("L2")), "LINE_ALREADY_SUBMITTED");
        assert_eq!(code(order.submit_line("L3")), "LINE_NEEDS_ANOTHER");
        order.mark_line_fulfilled("L2").unwrap();
        assert_eq!(code(order.submit_line("L2")), "LINE_ALREADY_SETTLED");
        order.submit_line("L3").unwrap();
        assert_eq!(code(order.release_line("L3")), "ORDER_ALREADY_SUBMITTED");
    }

    #[test]
    fn failed_line_is_tried_again_or_waived() {
        let mut order = order(&["FIBER+ROUTER"]);
        order.reserve_line("L1", None).unwrap();
        order.submit_line("L1").unwrap();
        assert_eq!(code(order.resolve_fallout(Resolution::Retried, Some("L1"))), "LINE_NOT_FAILED");
        order.open_fallout("late", Some("L1"), true).unwrap();
        assert_eq!(code(order.resolve_fallout(Resolution::Retried, None)), "RESOLUTION_NEEDS_LINE");
        order.resolve_fallout(Resolution::Retried, Some("L1")).unwrap();
        order.submit_line("L1").unwrap();
        order.open_fallout("late again", Some("L1"), true).unwrap();
        order.resolve_fallout(Resolution::Waived, Some("L1")).unwrap();
        assert!(order.fallouts.iter().all(|fallout| !fallout.open));
        order.reserve_line("L2", None).unwrap();
        order.submit_line("L2").unwrap();
        order.mark_line_fulfilled("L2").unwrap();
        order.settle();
        order.complete().unwrap();
    }
}
