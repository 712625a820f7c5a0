//! What the last attempt under a key means.

use super::*;

pub(super) fn row(state: LedgerState) -> LedgerRow {
    LedgerRow {
        tenant: String::new(),
        command: "c@1".into(),
        key: "k".into(),
        attempt: 3,
        generation: 2,
        instance: uuid::Uuid::nil(),
        origin: Origin::Job(1),
        entry_key: "here".into(),
        activity_id: "a".into(),
        definition_id: "p:1:x".into(),
        request_digest: "same".into(),
        request: "{}".into(),
        state,
        reply: None,
        code: None,
        message: None,
        host: uuid::Uuid::nil(),
        epoch: 1,
        opened_at: 0,
        closed_at: None,
        cancelled: false,
        verdict: None,
    }
}

#[test]
fn what_the_last_attempt_under_a_key_means() {
    use Decision::{Answer, AwaitHolder, Conflict, Reconcile, Send};
    use LedgerState::{Applied, Open, Rejected, Unavailable, Unknown};
    for (state, alive, request, activity, decision) in [
        (Applied, false, "same", "elsewhere", Answer),
        (Applied, false, "other", "here", Conflict),
        (Rejected, false, "same", "here", Answer),
        (Rejected, false, "same", "elsewhere", Send { generation: 3 }),
        (Rejected, false, "other", "here", Send { generation: 3 }),
        (Unavailable, false, "same", "elsewhere", Send { generation: 2 }),
        (Unavailable, false, "other", "here", Send { generation: 3 }),
        (Open, true, "same", "here", AwaitHolder),
        (Open, true, "other", "here", AwaitHolder),
        (Open, false, "same", "here", Reconcile),
        (Open, false, "other", "here", Conflict),
        (Unknown, false, "same", "here", Reconcile),
        (Unknown, false, "other", "here", Conflict),
    ] {
        assert_eq!(decide(Some(&row(state)), request, activity, alive), decision, "{state:?} {alive} {request} {activity}");
    }
    assert_eq!(decide(None, "any", "here", false), Send { generation: 1 });
}
