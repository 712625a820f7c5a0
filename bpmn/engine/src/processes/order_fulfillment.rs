//! Order fulfilment, in both of its versions.

use expect_test::expect;

use super::check;

#[test]
fn version_1_completes_an_order() {
    check(
        "order-fulfillment-v1.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return
            run reserve
            return
            run submit
            return
            leaves
            message awaitFulfillment
            run complete
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #3
              job AsyncBefore decompose !7 due 0, 8 left, 0 failed
            > run decompose
              job !7 gone
              + decompose #6
              call decompose !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #6
              job AsyncBefore reserve !10 due 0, 8 left, 0 failed
            > run reserve
              job !10 gone
              + reserve #9
              call reserve !11 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #9
              job AsyncBefore submit !13 due 0, 8 left, 0 failed
            > run submit
              job !13 gone
              + submit #12
              call submit !14 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #12
              + awaitFulfillment #15
              job Timer overdue !16 due 3600000, 3 left, 0 failed
              subscription awaitFulfillment !17 'FulfillmentCompleted'
            > leaves
              awaitFulfillment #15: message 'FulfillmentCompleted' until 3600000
            > message awaitFulfillment
              subscription !17 gone
              job !16 gone
              - #15
              job AsyncBefore complete !19 due 0, 8 left, 0 failed
            > run complete
              job !19 gone
              + complete #18
              call complete !20 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #18
              + orderCompleted #21
              - #21
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn version_1_asks_repairs_and_completes_an_overdue_order() {
    check(
        "order-fulfillment-v1.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return
            run reserve
            return
            run submit
            return
            at 3600000
            run overdue
            run queryStatus
            return {"fulfilled": false}
            run openFallout
            return
            leaves
            complete repair {"repair": "WAIVED"}
            run resolveFallout
            return
            run complete
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #3
              job AsyncBefore decompose !7 due 0, 8 left, 0 failed
            > run decompose
              job !7 gone
              + decompose #6
              call decompose !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #6
              job AsyncBefore reserve !10 due 0, 8 left, 0 failed
            > run reserve
              job !10 gone
              + reserve #9
              call reserve !11 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #9
              job AsyncBefore submit !13 due 0, 8 left, 0 failed
            > run submit
              job !13 gone
              + submit #12
              call submit !14 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #12
              + awaitFulfillment #15
              job Timer overdue !16 due 3600000, 3 left, 0 failed
              subscription awaitFulfillment !17 'FulfillmentCompleted'
            > at 3600000
            > run overdue
              job !16 gone
              subscription !17 gone
              - #15 canceled
              + overdue #18
              - #18
              job AsyncBefore queryStatus !20 due 3600000, 8 left, 0 failed
            > run queryStatus
              job !20 gone
              + queryStatus #19
              call queryStatus !21 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return {"fulfilled": false}
              fulfilled = false
              - #19
              + isFulfilled #22
              - #22
              job AsyncBefore openFallout !24 due 3600000, 8 left, 0 failed
            > run openFallout
              job !24 gone
              + openFallout #23
              call openFallout !25 attempt 1, 7 left {fulfilled: false, fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #23
              + repair #26
              task repair !27 of nobody users [] groups ["order-repair"]
            > leaves
              repair #26: task of nobody
            > complete repair {"repair": "WAIVED"}
              task !27 gone
              repair = "WAIVED"
              - #26
              + repaired #28
              - #28
              job AsyncBefore resolveFallout !30 due 3600000, 8 left, 0 failed
            > run resolveFallout
              job !30 gone
              + resolveFallout #29
              call resolveFallout !31 attempt 1, 7 left {fulfilled: false, fulfillmentTimeout: "PT1H", orderId: "17", repair: "WAIVED"}
            > return
              - #29
              job AsyncBefore complete !33 due 3600000, 8 left, 0 failed
            > run complete
              job !33 gone
              + complete #32
              call complete !34 attempt 1, 7 left {fulfilled: false, fulfillmentTimeout: "PT1H", orderId: "17", repair: "WAIVED"}
            > return
              - #32
              + orderCompleted #35
              - #35
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn version_1_cancels_an_order_that_nobody_can_set_right() {
    check(
        "order-fulfillment-v1.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            error NO_ADDRESS
            complete manualReview {"decision": "RETRY"}
            run validate
            error NO_ADDRESS
            complete manualReview {"decision": "CANCEL"}
            run cancelOrder
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > error NO_ADDRESS
              rejectionCode = "NO_ADDRESS"
              rejectionMessage = "no"
              - #3 canceled
              + notReady #6
              - #6
              + manualReview #7
              task manualReview !8 of nobody users [] groups ["order-review"]
            > complete manualReview {"decision": "RETRY"}
              task !8 gone
              decision = "RETRY"
              - #7
              + reviewed #9
              - #9
              job AsyncBefore validate !11 due 0, 8 left, 0 failed
            > run validate
              job !11 gone
              + validate #10
              call validate !12 attempt 1, 7 left {decision: "RETRY", fulfillmentTimeout: "PT1H", orderId: "17", rejectionCode: "NO_ADDRESS", rejectionMessage: "no"}
            > error NO_ADDRESS
              rejectionCode = "NO_ADDRESS"
              rejectionMessage = "no"
              - #10 canceled
              + notReady #13
              - #13
              + manualReview #14
              task manualReview !15 of nobody users [] groups ["order-review"]
            > complete manualReview {"decision": "CANCEL"}
              task !15 gone
              decision = "CANCEL"
              - #14
              + reviewed #16
              - #16
              job AsyncBefore cancelOrder !18 due 0, 8 left, 0 failed
            > run cancelOrder
              job !18 gone
              + cancelOrder #17
              call cancelOrder !19 attempt 1, 7 left {decision: "CANCEL", fulfillmentTimeout: "PT1H", orderId: "17", rejectionCode: "NO_ADDRESS", rejectionMessage: "no"}
            > return
              - #17
              + orderCancelled #20
              - #20
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn version_2_waits_for_both_branches() {
    check(
        "order-fulfillment-v2.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return
            return
            run notifyCustomer
            return
            leaves
            run submit
            return
            message awaitFulfillment
            run complete
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #3
              job AsyncBefore decompose !7 due 0, 8 left, 0 failed
            > run decompose
              job !7 gone
              + decompose #6
              call decompose !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #6
              + reserve #9
              call reserve !10 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #9
              + fork #11
              - #11
              job AsyncBefore submit !13 due 0, 8 left, 0 failed
              job AsyncBefore notifyCustomer !15 due 0, 8 left, 0 failed
            > run notifyCustomer
              job !15 gone
              + notifyCustomer #14
              call notifyCustomer !16 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #14
              + join #17
            > leaves
              submit #12: job, attempt 1, 8 left, due 0 until 0
              join #17: join, missing submit_join
            > run submit
              job !13 gone
              + submit #12
              call submit !18 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #12
              + join #19
              - #17
              - #19
              + awaitFulfillment #20
              job Timer overdue !21 due 3600000, 3 left, 0 failed
              subscription awaitFulfillment !22 'FulfillmentCompleted'
            > message awaitFulfillment
              subscription !22 gone
              job !21 gone
              - #20
              job AsyncBefore complete !24 due 0, 8 left, 0 failed
            > run complete
              job !24 gone
              + complete #23
              call complete !25 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #23
              + orderCompleted #26
              - #26
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn version_2_ends_with_all_branches_when_the_order_is_closed() {
    check(
        "order-fulfillment-v2.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return {"lineIds": ["L1"]}
            return
            run notifyCustomer
            error ORDER_IS_CLOSED
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #3
              job AsyncBefore decompose !7 due 0, 8 left, 0 failed
            > run decompose
              job !7 gone
              + decompose #6
              call decompose !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return {"lineIds": ["L1"]}
              lineIds = ["L1"]
              - #6
              + reserve #9
              call reserve !10 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineIds: ["L1"], orderId: "17"}
            > return
              - #9
              + fork #11
              - #11
              job AsyncBefore submit !13 due 0, 8 left, 0 failed
              job AsyncBefore notifyCustomer !15 due 0, 8 left, 0 failed
            > run notifyCustomer
              job !15 gone
              + notifyCustomer #14
              call notifyCustomer !16 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineIds: ["L1"], orderId: "17"}
            > error ORDER_IS_CLOSED
              rejectionCode = "ORDER_IS_CLOSED"
              rejectionMessage = "no"
              job !13 gone
              - #14 canceled
              + closedMeanwhile #17
              + orderIsClosed #18 in #17
              - #18
              + nothingLeft #19 in #17
              - #19
              - #17
              ended: Completed
              end
        "#]],
    );
}
