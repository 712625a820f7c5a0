//! The order aggregate: one method for each command, each of which either changes the order and says what it changed
//! or refuses with a code and leaves it alone. No I/O and no clock, so that every rule can be tested in a line.

mod lines;
mod parts;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use parts::{Changes, FactKind, Fallout, Handling, Item, Line, Milestones, Quote, Resolution, Transition};

use crate::state::{Facts, LineState, OrderState, derive};

/// The largest number of items an order may have; keeps `lineIds` a small process variable.
pub const MAX_ITEMS: usize = 50;
/// The most lines that the items of an order may be broken into: as many commands as a delegate that works on each line may
/// issue in one call, by the manifests in `bundle-v1` and `bundle-v2`.
pub const MAX_LINES: usize = 100;
/// The largest quantity of one item, far from overflowing any sum.
pub const MAX_QUANTITY: i64 = 1_000_000;

/// A refusal by the state machine: a business answer, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Rejection {
    /// A stable code that process models may route by, e.g. `BILLING_NOT_ACTIVATED`.
    pub code: String,
    /// One sentence for people.
    pub message: String,
}

impl Rejection {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }
}

/// An order with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Unique within the service; the process's business key.
    pub order_id: String,
    /// Whose order it is.
    pub tenant_id: String,
    /// Who ordered.
    pub customer_id: String,
    /// Ties the order to whatever caused it, across systems.
    pub correlation_id: String,
    /// Counts the changes of the order; the optimistic lock.
    pub version: i64,
    /// Derived from lines and milestones after every change.
    pub state: OrderState,
    /// A person must have looked at the order before it is ready.
    pub needs_review: bool,
    /// The customer pays for speed.
    pub priority: bool,
    /// By which process it is worked on.
    pub handling: Handling,
    /// The price that somebody must approve first, if there is one.
    pub quote: Option<Quote>,
    /// What was ordered.
    pub items: Vec<Item>,
    /// What has happened so far.
    pub milestones: Milestones,
    /// The lines, once the order is decomposed.
    pub lines: Vec<Line>,
    /// Every fallout, open or not.
    pub fallouts: Vec<Fallout>,
    /// The process instance that works on the order, once its start was answered.
    pub process_instance_id: Option<String>,
    /// What the running command has changed so far.
    #[serde(skip)]
    pub changes: Changes,
}

impl Order {
    /// A new order, not stored yet.
    pub fn new(order_id: &str, tenant_id: &str, customer_id: &str, correlation_id: &str, items: Vec<Item>) -> Self {
        let mut order = Self {
            order_id: order_id.to_owned(),
            tenant_id: tenant_id.to_owned(),
            customer_id: customer_id.to_owned(),
            correlation_id: correlation_id.to_owned(),
            version: 1,
            state: OrderState::NotStarted,
            needs_review: false,
            priority: false,
            handling: Handling::default(),
            quote: None,
            items,
            milestones: Milestones::default(),
            lines: Vec::new(),
            fallouts: Vec::new(),
            process_instance_id: None,
            changes: Changes::default(),
        };
        let count = order.items.len();
        order.fact(FactKind::OrderCreated, json!({ "customerId": customer_id, "items": count }));
        order
    }

    /// Approves the order's quote, or turns the order down with it.
    pub fn decide_quote(&mut self, approved: bool, approver: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if self.quote.is_none() {
            return Err(Rejection::new("ORDER_HAS_NO_QUOTE", "the order was placed without a quote"));
        }
        if self.milestones.approved {
            return Err(Rejection::new("QUOTE_ALREADY_APPROVED", "the order is being worked on already"));
        }
        self.changes.evidence.push(("quote", json!({ "approved": approved, "approver": approver })));
        if approved {
            self.milestones.approved = true;
            self.fact(FactKind::QuoteApproved, json!({ "approver": approver }));
        } else {
            self.cancel("quote turned down")?;
        }
        Ok(json!({ "approved": approved }))
    }

    /// Is the order ready to be worked on? `reviewed` says that a person has looked at it.
    /// May be asked any number of times until the order is decomposed.
    pub fn validate_readiness(&mut self, reviewed: bool) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if self.quote.is_some() && !self.milestones.approved {
            return Err(Rejection::new("QUOTE_NOT_APPROVED", "nobody has approved the order's quote yet"));
        }
        if self.milestones.decomposed {
            return Err(Rejection::new("ORDER_ALREADY_DECOMPOSED", "the order is being worked on already"));
        }
        if self.items.is_empty() || self.items.len() > MAX_ITEMS {
            let message = format!("an order has 1 to {MAX_ITEMS} items, this one has {}", self.items.len());
            return Err(Rejection::new("ORDER_ITEMS_INVALID", message));
        }
        let lines: usize = self.items.iter().map(|item| item.parts().count()).sum();
        if lines > MAX_LINES {
            let message = format!("an order has at most {MAX_LINES} lines, this one would have {lines}");
            return Err(Rejection::new("ORDER_ITEMS_INVALID", message));
        }
        if let Some(item) = self.items.iter().find(|item| !(1..=MAX_QUANTITY).contains(&item.quantity)) {
            let message = format!("quantity {} of {} is not within 1 to {MAX_QUANTITY}", item.quantity, item.product);
            return Err(Rejection::new("ITEM_QUANTITY_INVALID", message));
        }
        if self.needs_review && !reviewed {
            return Err(Rejection::new("ORDER_NEEDS_REVIEW", "a person must review the order first"));
        }
        self.changes.evidence.push(("validated", json!({ "reviewed": reviewed, "needsReview": self.needs_review })));
        if !self.milestones.validated {
            self.milestones.validated = true;
            self.fact(FactKind::OrderValidated, json!({ "reviewed": reviewed }));
        }
        Ok(json!({ "ready": true }))
    }

    /// Turns items into lines, one for each part of a bundle. Answers `lineIds`, and as `plan` the same in stages: the lines of one can be
    /// worked on when all of the stages before are settled.
    pub fn decompose(&mut self) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if !self.milestones.validated {
            return Err(Rejection::new("ORDER_NOT_VALIDATED", "the order has not passed validate-readiness"));
        }
        if self.milestones.decomposed {
            return Err(Rejection::new("ORDER_ALREADY_DECOMPOSED", "the order has its lines already"));
        }
        let mut lines = Vec::new();
        for item in &self.items {
            for product in item.parts() {
                lines.push(Line {
                    line_id: format!("L{}", lines.len() + 1),
                    product: product.to_owned(),
                    quantity: item.quantity,
                    reserved: 0,
                    mandatory: item.mandatory,
                    state: LineState::NotStarted,
                    site: None,
                    submitted: false,
                    told: false,
                });
            }
        }
        let ids: Vec<_> = lines.iter().map(|line| line.line_id.clone()).collect();
        self.changes.lines.extend(0..lines.len());
        self.lines = lines;
        self.milestones.decomposed = true;
        self.fact(FactKind::OrderDecomposed, json!({ "lineIds": ids }));
        Ok(json!({ "lineIds": ids, "plan": self.plan() }))
    }

    /// Reserves stock for a line: `NOT_STARTED` → `IN_PROGRESS`.
    pub fn reserve_line(&mut self, line_id: &str, site: Option<&str>) -> Result<Value, Rejection> {
        self.must_be_open()?;
        let index = self.line(line_id)?;
        if self.lines[index].state != LineState::NotStarted {
            let message = format!("line {line_id} is {}, not NOT_STARTED", self.lines[index].state.as_str());
            return Err(Rejection::new("LINE_ALREADY_RESERVED", message));
        }
        let line = &mut self.lines[index];
        line.reserved += line.quantity;
        line.site = site.map(str::to_owned);
        let reserved = line.reserved;
        self.line_to(index, LineState::InProgress);
        Ok(json!({ "lineId": line_id, "reserved": reserved }))
    }

    /// Gives reserved stock back: `IN_PROGRESS` → `NOT_STARTED`. Undoes `reserve-line` until fulfilment is ordered.
    pub fn release_line(&mut self, line_id: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        let index = self.line(line_id)?;
        if self.milestones.submitted || self.lines[index].submitted {
            return Err(Rejection::new("ORDER_ALREADY_SUBMITTED", "fulfilment is under way, the stock is gone"));
        }
        if self.lines[index].state != LineState::InProgress {
            let message = format!("line {line_id} is {}, not IN_PROGRESS", self.lines[index].state.as_str());
            return Err(Rejection::new("LINE_NOT_RESERVED", message));
        }
        self.lines[index].reserved -= self.lines[index].quantity;
        self.lines[index].site = None;
        self.line_to(index, LineState::NotStarted);
        Ok(json!({ "lineId": line_id, "reserved": self.lines[index].reserved }))
    }

    /// Orders fulfilment of all lines; the callback comes later.
    pub fn submit_fulfillment(&mut self) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if !self.milestones.decomposed {
            return Err(Rejection::new("ORDER_NOT_DECOMPOSED", "the order has no lines yet"));
        }
        if self.milestones.submitted {
            return Err(Rejection::new("ORDER_ALREADY_SUBMITTED", "fulfilment was ordered before"));
        }
        if let Some(line) = self.lines.iter().find(|line| line.state == LineState::NotStarted) {
            return Err(Rejection::new("LINE_NOT_RESERVED", format!("line {} is not reserved", line.line_id)));
        }
        self.milestones.submitted = true;
        self.changes.evidence.push(("submitted", json!({ "lines": self.lines.len() })));
        Ok(json!({ "submitted": self.lines.len() }))
    }

    /// The line reached the customer: `IN_PROGRESS` or `FAILED` → `FULFILLED`. Nothing is left of the line to repair.
    pub fn mark_line_fulfilled(&mut self, line_id: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        let index = self.line(line_id)?;
        match self.lines[index].state {
            LineState::InProgress | LineState::Failed => {}
            LineState::Fulfilled => {
                return Err(Rejection::new("LINE_ALREADY_FULFILLED", format!("line {line_id} is FULFILLED")));
            }
            other => {
                let message = format!("line {line_id} is {}, not IN_PROGRESS", other.as_str());
                return Err(Rejection::new("LINE_NOT_IN_PROGRESS", message));
            }
        }
        self.line_to(index, LineState::Fulfilled);
        self.close_fallouts(|fallout| fallout.line_id.as_deref() == Some(line_id));
        Ok(json!({ "lineId": line_id }))
    }

    /// Tells the customer that the order is being worked on.
    pub fn notify_customer(&mut self, template: &str) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if self.milestones.notified {
            return Err(Rejection::new("CUSTOMER_ALREADY_NOTIFIED", "the customer heard of it before"));
        }
        self.milestones.notified = true;
        self.changes.evidence.push(("notified", json!({ "template": template })));
        Ok(json!({ "notified": true }))
    }

    /// Opens a fallout; with a line, that line becomes `FAILED`.
    pub fn open_fallout(&mut self, reason: &str, line_id: Option<&str>, blocking: bool) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if let Some(line_id) = line_id {
            let index = self.line(line_id)?;
            if self.lines[index].state.settled() {
                let message = format!("line {line_id} is {}", self.lines[index].state.as_str());
                return Err(Rejection::new("LINE_ALREADY_SETTLED", message));
            }
            self.line_to(index, LineState::Failed);
        }
        let fallout_id = format!("F{}", self.fallouts.len() + 1);
        self.changes.fallouts.push(self.fallouts.len());
        self.fallouts.push(Fallout {
            fallout_id: fallout_id.clone(),
            reason: reason.to_owned(),
            line_id: line_id.map(str::to_owned),
            blocking,
            open: true,
        });
        self.fact(FactKind::OrderFalloutOpened, json!({ "falloutId": fallout_id, "reason": reason }));
        Ok(json!({ "falloutId": fallout_id }))
    }

    /// A person repaired the order, or a line of it.
    pub fn resolve_fallout(&mut self, resolution: Resolution, line_id: Option<&str>) -> Result<Value, Rejection> {
        match line_id {
            Some(line_id) => self.resolve_line(resolution, line_id),
            None => self.resolve_all(resolution),
        }
    }

    /// A person repaired the order: closes every open fallout, settles what was missing as `resolution` says,
    /// and sees to it that billing is active.
    fn resolve_all(&mut self, resolution: Resolution) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if !self.milestones.decomposed {
            return Err(Rejection::new("ORDER_NOT_DECOMPOSED", "there are no lines to repair"));
        }
        let to = match resolution {
            Resolution::Fulfilled => LineState::Fulfilled,
            Resolution::Waived => LineState::Waived,
            Resolution::Retried => return Err(Rejection::new("RESOLUTION_NEEDS_LINE", "only a line can be tried again: name it")),
        };
        let resolved = self.close_fallouts(|_| true);
        let missing: Vec<_> = (0..self.lines.len()).filter(|index| !self.lines[*index].state.settled()).collect();
        for index in &missing {
            self.line_to(*index, to);
        }
        self.milestones.billing_active = true;
        self.changes.evidence.push(("repaired", json!({ "resolution": resolution, "fallouts": resolved, "lines": missing.len() })));
        Ok(json!({ "resolved": resolved, "lines": missing.len() }))
    }

    /// Completes the order. Lines that are not mandatory and not settled are waived.
    pub fn complete(&mut self) -> Result<Value, Rejection> {
        self.must_be_open()?;
        if let Some(fallout) = self.fallouts.iter().find(|fallout| fallout.open && fallout.blocking) {
            let message = format!("fallout {} ({}) is open", fallout.fallout_id, fallout.reason);
            return Err(Rejection::new("ORDER_HAS_OPEN_BLOCKING_FALLOUT", message));
        }
        if self.lines.is_empty() {
            return Err(Rejection::new("MANDATORY_LINE_NOT_FULFILLED", "the order has no lines yet"));
        }
        if let Some(line) = self.lines.iter().find(|line| line.mandatory && !line.state.settled()) {
            let message = format!("line {} is {}", line.line_id, line.state.as_str());
            return Err(Rejection::new("MANDATORY_LINE_NOT_FULFILLED", message));
        }
        if !self.milestones.billing_active {
            return Err(Rejection::new("BILLING_NOT_ACTIVATED", "the customer is not billed yet"));
        }
        for index in 0..self.lines.len() {
            if !self.lines[index].state.settled() {
                self.line_to(index, LineState::Waived);
            }
        }
        self.milestones.completed = true;
        self.fact(FactKind::OrderCompleted, json!({}));
        Ok(json!({ "completed": true }))
    }

    /// Cancels the order and every line that is not settled. What was fulfilled stays fulfilled. Two who cancel an order want the same: the
    /// second is told so, and not only that it is closed.
    pub fn cancel(&mut self, reason: &str) -> Result<Value, Rejection> {
        if self.milestones.cancelled {
            return Err(Rejection::new("ORDER_IS_CANCELLED", "the order was cancelled before"));
        }
        self.must_be_open()?;
        for index in 0..self.lines.len() {
            if !self.lines[index].state.settled() {
                self.lines[index].reserved = 0;
                self.line_to(index, LineState::Cancelled);
            }
        }
        self.milestones.cancelled = true;
        self.changes.evidence.push(("cancelled", json!({ "reason": reason })));
        self.fact(FactKind::OrderCancelled, json!({ "reason": reason }));
        Ok(json!({ "cancelled": true }))
    }

    /// What `GET /orders/{id}/fulfillment-status` answers: `fulfilled` is true once no mandatory line is missing.
    pub fn fulfillment_status(&self) -> Value {
        let missing = self.lines.iter().filter(|line| line.mandatory && !line.state.settled()).count();
        json!({
            "orderId": self.order_id,
            "state": self.state,
            "fulfilled": !self.lines.is_empty() && missing == 0,
            "missingLines": missing,
            "billingActive": self.milestones.billing_active,
            "submitted": self.milestones.submitted,
        })
    }

    /// Derives the order's state anew and logs the change, if there is one. Called once, when a command was applied.
    pub fn settle(&mut self) {
        if self.handling == Handling::ByLine && !self.lines.is_empty() && self.lines.iter().all(|line| line.state.settled()) {
            self.milestones.billing_active = true;
        }
        let states: Vec<_> = self.lines.iter().map(|line| line.state).collect();
        let facts = Facts {
            completed: self.milestones.completed,
            cancelled: self.milestones.cancelled,
            blocking_fallout: self.fallouts.iter().any(|fallout| fallout.open && fallout.blocking),
        };
        let state = derive(&states, facts);
        if state != self.state {
            let (from, to) = (self.state.as_str(), state.as_str());
            self.changes.transitions.push(Transition { line_id: None, from, to });
            self.state = state;
        }
    }

    fn must_be_open(&self) -> Result<(), Rejection> {
        let end = match self.milestones {
            Milestones { cancelled: true, .. } => "cancelled",
            Milestones { completed: true, .. } => "completed",
            _ => return Ok(()),
        };
        Err(Rejection::new("ORDER_IS_CLOSED", format!("the order is {end}, nothing changes any more")))
    }

    fn line(&self, line_id: &str) -> Result<usize, Rejection> {
        self.lines
            .iter()
            .position(|line| line.line_id == line_id)
            .ok_or_else(|| Rejection::new("LINE_NOT_FOUND", format!("order {} has no line {line_id}", self.order_id)))
    }

    fn line_to(&mut self, index: usize, to: LineState) {
        let line = &mut self.lines[index];
        let (line_id, from) = (line.line_id.clone(), line.state);
        line.state = to;
        if to == LineState::Fulfilled {
            self.fact(FactKind::OrderLineFulfilled, json!({ "lineId": line_id }));
        }
        self.changes.transitions.push(Transition { line_id: Some(line_id), from: from.as_str(), to: to.as_str() });
        self.changes.lines.push(index);
    }

    fn fact(&mut self, kind: FactKind, data: Value) {
        self.changes.facts.push((kind, data));
    }
}
