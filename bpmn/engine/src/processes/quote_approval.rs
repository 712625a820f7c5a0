//! Quote approval: policy, approvers, and what becomes of a decision that is not made.

use expect_test::expect;

use super::check;

#[test]
fn quote_that_nobody_needs_to_approve_is_decided_by_the_policy() {
    check(
        "quote-approval.bpmn",
        r#"
            start {"orderId": "17", "amount": 5000, "discountPercent": 5}
            run assess
            return {"approverGroup": null}
            run decide
            return {"approved": true}
        "#,
        expect![[r#"
            > start {"orderId": "17", "amount": 5000, "discountPercent": 5}
              started at quoteReceived
              amount = 5000
              discountPercent = 5
              orderId = "17"
              + quoteReceived #2
              - #2
              job AsyncBefore assess !4 due 0, 8 left, 0 failed
            > run assess
              job !4 gone
              + assess #3
              call assess !5 attempt 1, 7 left {amount: 5000, discountPercent: 5, orderId: "17"}
            > return {"approverGroup": null}
              approverGroup = null
              - #3
              + needsApproval #6
              - #6
              job AsyncBefore decide !8 due 0, 8 left, 0 failed
            > run decide
              job !8 gone
              + decide #7
              call decide !9 attempt 1, 7 left {amount: 5000, approverGroup: null, discountPercent: 5, orderId: "17"}
            > return {"approved": true}
              approved = true
              - #7
              + approved #10
              - #10
              + quoteApproved #11
              - #11
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn quote_is_turned_down_by_whom_the_policy_names() {
    check(
        "quote-approval.bpmn",
        r#"
            start {"orderId": "17", "amount": 5000, "discountPercent": 20}
            run assess
            return {"approverGroup": "managers"}
            complete approve {"approval": "REJECTED"}
            run decide
            return {"approved": false}
        "#,
        expect![[r#"
            > start {"orderId": "17", "amount": 5000, "discountPercent": 20}
              started at quoteReceived
              amount = 5000
              discountPercent = 20
              orderId = "17"
              + quoteReceived #2
              - #2
              job AsyncBefore assess !4 due 0, 8 left, 0 failed
            > run assess
              job !4 gone
              + assess #3
              call assess !5 attempt 1, 7 left {amount: 5000, discountPercent: 20, orderId: "17"}
            > return {"approverGroup": "managers"}
              approverGroup = "managers"
              - #3
              + needsApproval #6
              - #6
              + approve #7
              job Timer undecided !8 due 86400000, 3 left, 0 failed
              task approve !9 of nobody users [] groups ["managers"]
            > complete approve {"approval": "REJECTED"}
              task !9 gone
              approval = "REJECTED"
              job !8 gone
              - #7
              job AsyncBefore decide !11 due 0, 8 left, 0 failed
            > run decide
              job !11 gone
              + decide #10
              call decide !12 attempt 1, 7 left {amount: 5000, approval: "REJECTED", approverGroup: "managers", discountPercent: 20, orderId: "17"}
            > return {"approved": false}
              approved = false
              - #10
              + approved #13
              - #13
              + quoteRejected #14
              - #14
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn quote_that_a_manager_leaves_is_approved_by_a_director() {
    check(
        "quote-approval.bpmn",
        r#"
            start {"orderId": "17", "amount": 5000, "discountPercent": 20, "approvalTimeout": "PT1H"}
            run assess
            return {"approverGroup": "managers"}
            at 3600000
            run undecided
            complete approveInstead {"approval": "APPROVED"}
            run decide
            return {"approved": true}
        "#,
        expect![[r#"
            > start {"orderId": "17", "amount": 5000, "discountPercent": 20, "approvalTimeout": "PT1H"}
              started at quoteReceived
              amount = 5000
              approvalTimeout = "PT1H"
              discountPercent = 20
              orderId = "17"
              + quoteReceived #2
              - #2
              job AsyncBefore assess !4 due 0, 8 left, 0 failed
            > run assess
              job !4 gone
              + assess #3
              call assess !5 attempt 1, 7 left {amount: 5000, approvalTimeout: "PT1H", discountPercent: 20, orderId: "17"}
            > return {"approverGroup": "managers"}
              approverGroup = "managers"
              - #3
              + needsApproval #6
              - #6
              + approve #7
              job Timer undecided !8 due 3600000, 3 left, 0 failed
              task approve !9 of nobody users [] groups ["managers"]
            > at 3600000
            > run undecided
              job !8 gone
              task !9 gone
              - #7 canceled
              + undecided #10
              - #10
              + approveInstead #11
              task approveInstead !12 of nobody users [] groups ["directors"]
            > complete approveInstead {"approval": "APPROVED"}
              task !12 gone
              approval = "APPROVED"
              approverGroup = "directors"
              - #11
              job AsyncBefore decide !14 due 3600000, 8 left, 0 failed
            > run decide
              job !14 gone
              + decide #13
              call decide !15 attempt 1, 7 left {amount: 5000, approval: "APPROVED", approvalTimeout: "PT1H", approverGroup: "directors", discountPercent: 20, orderId: "17"}
            > return {"approved": true}
              approved = true
              - #13
              + approved #16
              - #16
              + quoteApproved #17
              - #17
              ended: Completed
              end
        "#]],
    );
}
