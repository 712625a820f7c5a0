//! What each command refuses, and that a refusal changes nothing.

use order_service::order::{Item, Milestones, Order, Rejection, Resolution};
use order_service::state::{LineState, OrderState};
use serde_json::Value;

/// An order of two mandatory lines and one that is not.
fn new() -> Order {
    let item = |product: &str, mandatory| Item { product: product.to_owned(), quantity: 2, mandatory };
    Order::new("o-1", "acme", "c-1", "o-1", vec![item("FIBER+ROUTER", true), item("TV", false)])
}

fn applied(result: Result<Value, Rejection>) {
    if let Err(rejection) = result {
        panic!("refused: {rejection}");
    }
}

fn validated() -> Order {
    let mut order = new();
    applied(order.validate_readiness(false));
    order
}

fn decomposed() -> Order {
    let mut order = validated();
    applied(order.decompose());
    order
}

fn reserved() -> Order {
    let mut order = decomposed();
    for line in ["L1", "L2", "L3"] {
        applied(order.reserve_line(line, None));
    }
    order
}

fn submitted() -> Order {
    let mut order = reserved();
    applied(order.submit_fulfillment());
    order
}

fn fulfilled() -> Order {
    let mut order = submitted();
    applied(order.mark_line_fulfilled("L1"));
    applied(order.mark_line_fulfilled("L2"));
    order.milestones.billing_active = true;
    order
}

fn completed() -> Order {
    let mut order = fulfilled();
    applied(order.complete());
    order
}

/// The command must refuse with this code and leave the order as it was.
#[track_caller]
fn refuses(order: Order, code: &str, command: impl Fn(&mut Order) -> Result<Value, Rejection>) {
    let mut after = order.clone();
    assert_eq!(command(&mut after).expect_err("it was applied").code, code);
    assert_eq!(after, order, "a refusal changes nothing");
}

#[test]
fn validate_refuses_what_cannot_be_worked_on() {
    refuses(decomposed(), "ORDER_ALREADY_DECOMPOSED", |order| order.validate_readiness(false));
    refuses(Order { items: vec![], ..new() }, "ORDER_ITEMS_INVALID", |order| order.validate_readiness(true));
    let item = new().items[0].clone();
    let many = Order { items: vec![item.clone(); 51], ..new() };
    refuses(many, "ORDER_ITEMS_INVALID", |order| order.validate_readiness(true));
    let bundle = Item { product: "A+B+C+D+E".to_owned(), ..item.clone() };
    let long = Order { items: vec![bundle; 41], ..new() };
    refuses(long, "ORDER_ITEMS_INVALID", |order| order.validate_readiness(true));
    for quantity in [0, -1, 1_000_001] {
        let odd = Order { items: vec![Item { quantity, ..item.clone() }], ..new() };
        refuses(odd, "ITEM_QUANTITY_INVALID", |order| order.validate_readiness(true));
    }
    let review = Order { needs_review: true, ..new() };
    refuses(review.clone(), "ORDER_NEEDS_REVIEW", |order| order.validate_readiness(false));
    let mut reviewed = review;
    applied(reviewed.validate_readiness(true));
}

#[test]
fn decompose_refuses_before_validation_and_a_second_time() {
    refuses(new(), "ORDER_NOT_VALIDATED", Order::decompose);
    refuses(decomposed(), "ORDER_ALREADY_DECOMPOSED", Order::decompose);
    let lines: Vec<_> = decomposed().lines.iter().map(|line| (line.product.clone(), line.mandatory)).collect();
    assert_eq!(lines, [("FIBER".to_owned(), true), ("ROUTER".to_owned(), true), ("TV".to_owned(), false)]);
}

#[test]
fn reserve_refuses_unknown_and_reserved_lines() {
    refuses(decomposed(), "LINE_NOT_FOUND", |order| order.reserve_line("L9", None));
    refuses(reserved(), "LINE_ALREADY_RESERVED", |order| order.reserve_line("L1", None));
    refuses(fulfilled(), "LINE_ALREADY_RESERVED", |order| order.reserve_line("L1", None));
}

#[test]
fn release_refuses_what_is_not_reserved_or_under_way() {
    refuses(decomposed(), "LINE_NOT_RESERVED", |order| order.release_line("L1"));
    refuses(reserved(), "LINE_NOT_FOUND", |order| order.release_line("L9"));
    refuses(submitted(), "ORDER_ALREADY_SUBMITTED", |order| order.release_line("L1"));
    let mut order = reserved();
    applied(order.release_line("L1"));
    assert_eq!((order.lines[0].state, order.lines[0].reserved), (LineState::NotStarted, 0));
    applied(order.reserve_line("L1", Some("NORTH")));
    assert_eq!((order.lines[0].reserved, order.lines[0].site.as_deref()), (2, Some("NORTH")));
}

#[test]
fn submit_refuses_unless_every_line_is_reserved() {
    refuses(validated(), "ORDER_NOT_DECOMPOSED", Order::submit_fulfillment);
    refuses(decomposed(), "LINE_NOT_RESERVED", Order::submit_fulfillment);
    refuses(submitted(), "ORDER_ALREADY_SUBMITTED", Order::submit_fulfillment);
}

#[test]
fn mark_line_fulfilled_refuses_lines_that_are_not_in_progress() {
    refuses(decomposed(), "LINE_NOT_IN_PROGRESS", |order| order.mark_line_fulfilled("L1"));
    refuses(fulfilled(), "LINE_ALREADY_FULFILLED", |order| order.mark_line_fulfilled("L1"));
    refuses(fulfilled(), "LINE_NOT_FOUND", |order| order.mark_line_fulfilled("L9"));
}

#[test]
fn notify_refuses_a_second_time() {
    let mut order = submitted();
    applied(order.notify_customer("hello"));
    refuses(order, "CUSTOMER_ALREADY_NOTIFIED", |order| order.notify_customer("hello"));
}

#[test]
fn open_fallout_refuses_settled_and_unknown_lines() {
    refuses(fulfilled(), "LINE_ALREADY_SETTLED", |order| order.open_fallout("lost", Some("L1"), true));
    refuses(fulfilled(), "LINE_NOT_FOUND", |order| order.open_fallout("lost", Some("L9"), true));
    let mut order = submitted();
    applied(order.open_fallout("lost", Some("L1"), true));
    order.settle();
    assert_eq!((order.lines[0].state, order.state), (LineState::Failed, OrderState::Fallout));
}

#[test]
fn resolve_fallout_refuses_before_there_are_lines_and_settles_what_is_missing() {
    refuses(validated(), "ORDER_NOT_DECOMPOSED", |order| order.resolve_fallout(Resolution::Waived, None));
    for (resolution, state) in [(Resolution::Fulfilled, LineState::Fulfilled), (Resolution::Waived, LineState::Waived)] {
        let mut order = submitted();
        applied(order.open_fallout("late", Some("L2"), true));
        applied(order.resolve_fallout(resolution, None));
        assert!(order.lines.iter().all(|line| line.state == state));
        applied(order.complete());
    }
}

#[test]
fn complete_refuses_with_each_reason_in_turn() {
    refuses(validated(), "MANDATORY_LINE_NOT_FULFILLED", Order::complete);
    refuses(submitted(), "MANDATORY_LINE_NOT_FULFILLED", Order::complete);
    let unbilled = fulfilled();
    let milestones = Milestones { billing_active: false, ..unbilled.milestones };
    refuses(Order { milestones, ..unbilled }, "BILLING_NOT_ACTIVATED", Order::complete);
    let mut blocked = fulfilled();
    applied(blocked.open_fallout("complaint", None, true));
    refuses(blocked, "ORDER_HAS_OPEN_BLOCKING_FALLOUT", Order::complete);
    let mut noted = fulfilled();
    applied(noted.open_fallout("scratch", None, false));
    applied(noted.complete());
    assert_eq!(noted.lines[2].state, LineState::Waived, "a line that is not mandatory is waived");
}

#[test]
fn nothing_changes_a_closed_order() {
    let mut cancelled = submitted();
    applied(cancelled.cancel("changed my mind"));
    let code = "ORDER_IS_CLOSED";
    for (closed, cancel) in [(completed(), code), (cancelled, "ORDER_IS_CANCELLED")] {
        refuses(closed.clone(), code, |order| order.decide_quote(true, "kim"));
        refuses(closed.clone(), code, |order| order.validate_readiness(true));
        refuses(closed.clone(), code, Order::decompose);
        refuses(closed.clone(), code, |order| order.reserve_line("L1", None));
        refuses(closed.clone(), code, |order| order.release_line("L1"));
        refuses(closed.clone(), code, Order::submit_fulfillment);
        refuses(closed.clone(), code, |order| order.mark_line_fulfilled("L1"));
        refuses(closed.clone(), code, |order| order.notify_customer("hello"));
        refuses(closed.clone(), code, |order| order.open_fallout("late", None, true));
        refuses(closed.clone(), code, |order| order.resolve_fallout(Resolution::Waived, None));
        refuses(closed.clone(), code, Order::complete);
        refuses(closed.clone(), code, |order| order.submit_line("L1"));
        refuses(closed.clone(), code, |order| order.ask_customer("L1", "when?"));
        refuses(closed.clone(), code, |order| order.resolve_fallout(Resolution::Retried, Some("L1")));
        refuses(closed, cancel, |order| order.cancel("again"));
    }
}

#[test]
fn cancelling_keeps_what_was_fulfilled() {
    let mut order = submitted();
    applied(order.mark_line_fulfilled("L1"));
    applied(order.cancel("moved away"));
    order.settle();
    let states: Vec<_> = order.lines.iter().map(|line| line.state).collect();
    assert_eq!(states, [LineState::Fulfilled, LineState::Cancelled, LineState::Cancelled]);
    assert_eq!(order.state, OrderState::Cancelled);
}
