//! Fallout repair: what a person may decide of a line that failed.

use expect_test::expect;

use super::check;

#[test]
fn line_is_repaired_after_the_customer_was_asked() {
    check(
        "fallout-repair.bpmn",
        r#"
            start {"orderId": "17", "lineId": "L2"}
            run openFallout
            return {"falloutId": "F1"}
            complete decide {"decision": "REQUEST_MORE_INFO", "question": "Which floor?"}
            run askCustomer
            return
            leaves
            message awaitAnswer
            complete decide {"decision": "RETRY"}
            run tryAgain
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "lineId": "L2"}
              started at lineFailed
              lineId = "L2"
              orderId = "17"
              + lineFailed #2
              - #2
              job AsyncBefore openFallout !4 due 0, 8 left, 0 failed
            > run openFallout
              job !4 gone
              + openFallout #3
              call openFallout !5 attempt 1, 7 left {lineId: "L2", orderId: "17"}
            > return {"falloutId": "F1"}
              falloutId = "F1"
              - #3
              + decide #6
              task decide !7 of nobody users [] groups ["order-repair"]
            > complete decide {"decision": "REQUEST_MORE_INFO", "question": "Which floor?"}
              task !7 gone
              decision = "REQUEST_MORE_INFO"
              question = "Which floor?"
              - #6
              + decided #8
              - #8
              job AsyncBefore askCustomer !10 due 0, 8 left, 0 failed
            > run askCustomer
              job !10 gone
              + askCustomer #9
              call askCustomer !11 attempt 1, 7 left {decision: "REQUEST_MORE_INFO", falloutId: "F1", lineId: "L2", orderId: "17", question: "Which floor?"}
            > return
              - #9
              + awaitAnswer #12
              job Timer noAnswer !13 due 259200000, 3 left, 0 failed
              subscription awaitAnswer !14 'CustomerAnswered:L2'
            > leaves
              awaitAnswer #12: message 'CustomerAnswered:L2' until 259200000
            > message awaitAnswer
              subscription !14 gone
              job !13 gone
              - #12
              + decide #15
              task decide !16 of nobody users [] groups ["order-repair"]
            > complete decide {"decision": "RETRY"}
              task !16 gone
              decision = "RETRY"
              - #15
              + decided #17
              - #17
              job AsyncBefore tryAgain !19 due 0, 8 left, 0 failed
            > run tryAgain
              job !19 gone
              + tryAgain #18
              repair = "RETRIED" in #18
              call tryAgain !20 attempt 1, 7 left {decision: "RETRY", falloutId: "F1", lineId: "L2", orderId: "17", question: "Which floor?", repair: "RETRIED"}
            > return
              repair = "RETRIED"
              - #18
              + repaired #21
              - #21
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn line_is_left_out_or_the_order_given_up() {
    check(
        "fallout-repair.bpmn",
        r#"
            start {"orderId": "17", "lineId": "L2"}
            run openFallout
            return
            complete decide {"decision": "SKIP"}
            run goOnWithout
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "lineId": "L2"}
              started at lineFailed
              lineId = "L2"
              orderId = "17"
              + lineFailed #2
              - #2
              job AsyncBefore openFallout !4 due 0, 8 left, 0 failed
            > run openFallout
              job !4 gone
              + openFallout #3
              call openFallout !5 attempt 1, 7 left {lineId: "L2", orderId: "17"}
            > return
              - #3
              + decide #6
              task decide !7 of nobody users [] groups ["order-repair"]
            > complete decide {"decision": "SKIP"}
              task !7 gone
              decision = "SKIP"
              - #6
              + decided #8
              - #8
              job AsyncBefore goOnWithout !10 due 0, 8 left, 0 failed
            > run goOnWithout
              job !10 gone
              + goOnWithout #9
              repair = "WAIVED" in #9
              call goOnWithout !11 attempt 1, 7 left {decision: "SKIP", lineId: "L2", orderId: "17", repair: "WAIVED"}
            > return
              repair = "WAIVED"
              - #9
              + repaired #12
              - #12
              ended: Completed
              end
        "#]],
    );
    check(
        "fallout-repair.bpmn",
        r#"
            start {"orderId": "17", "lineId": "L2"}
            run openFallout
            return
            complete decide {"decision": "REQUEST_MORE_INFO"}
            run askCustomer
            return
            at 259200000
            run noAnswer
            complete decide {"decision": "CANCEL"}
        "#,
        expect![[r#"
            > start {"orderId": "17", "lineId": "L2"}
              started at lineFailed
              lineId = "L2"
              orderId = "17"
              + lineFailed #2
              - #2
              job AsyncBefore openFallout !4 due 0, 8 left, 0 failed
            > run openFallout
              job !4 gone
              + openFallout #3
              call openFallout !5 attempt 1, 7 left {lineId: "L2", orderId: "17"}
            > return
              - #3
              + decide #6
              task decide !7 of nobody users [] groups ["order-repair"]
            > complete decide {"decision": "REQUEST_MORE_INFO"}
              task !7 gone
              decision = "REQUEST_MORE_INFO"
              - #6
              + decided #8
              - #8
              job AsyncBefore askCustomer !10 due 0, 8 left, 0 failed
            > run askCustomer
              job !10 gone
              + askCustomer #9
              call askCustomer !11 attempt 1, 7 left {decision: "REQUEST_MORE_INFO", lineId: "L2", orderId: "17"}
            > return
              - #9
              + awaitAnswer #12
              job Timer noAnswer !13 due 259200000, 3 left, 0 failed
              subscription awaitAnswer !14 'CustomerAnswered:L2'
            > at 259200000
            > run noAnswer
              job !13 gone
              subscription !14 gone
              - #12 canceled
              + noAnswer #15
              - #15
              + decide #16
              task decide !17 of nobody users [] groups ["order-repair"]
            > complete decide {"decision": "CANCEL"}
              task !17 gone
              decision = "CANCEL"
              - #16
              + decided #18
              - #18
              + givenUp #19
              - #19
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn line_that_was_settled_meanwhile_needs_no_repair() {
    check(
        "fallout-repair.bpmn",
        r#"
            start {"orderId": "17", "lineId": "L2"}
            run openFallout
            error LINE_ALREADY_SETTLED
        "#,
        expect![[r#"
            > start {"orderId": "17", "lineId": "L2"}
              started at lineFailed
              lineId = "L2"
              orderId = "17"
              + lineFailed #2
              - #2
              job AsyncBefore openFallout !4 due 0, 8 left, 0 failed
            > run openFallout
              job !4 gone
              + openFallout #3
              call openFallout !5 attempt 1, 7 left {lineId: "L2", orderId: "17"}
            > error LINE_ALREADY_SETTLED
              - #3 canceled
              + settledBefore #6
              - #6
              + settled #7
              - #7
              ended: Completed
              end
        "#]],
    );
    check(
        "fallout-repair.bpmn",
        r#"
            start {"orderId": "17", "lineId": "L2"}
            run openFallout
            return
            complete decide {"decision": "RETRY"}
            run tryAgain
            error LINE_NOT_FAILED
        "#,
        expect![[r#"
            > start {"orderId": "17", "lineId": "L2"}
              started at lineFailed
              lineId = "L2"
              orderId = "17"
              + lineFailed #2
              - #2
              job AsyncBefore openFallout !4 due 0, 8 left, 0 failed
            > run openFallout
              job !4 gone
              + openFallout #3
              call openFallout !5 attempt 1, 7 left {lineId: "L2", orderId: "17"}
            > return
              - #3
              + decide #6
              task decide !7 of nobody users [] groups ["order-repair"]
            > complete decide {"decision": "RETRY"}
              task !7 gone
              decision = "RETRY"
              - #6
              + decided #8
              - #8
              job AsyncBefore tryAgain !10 due 0, 8 left, 0 failed
            > run tryAgain
              job !10 gone
              + tryAgain #9
              repair = "RETRIED" in #9
              call tryAgain !11 attempt 1, 7 left {decision: "RETRY", lineId: "L2", orderId: "17", repair: "RETRIED"}
            > error LINE_NOT_FAILED
              settled = "LINE_NOT_FAILED"
              repair = null
              - #9 canceled
              + settledBeforeRetry #12
              - #12
              + settled #13
              - #13
              ended: Completed
              end
        "#]],
    );
}
