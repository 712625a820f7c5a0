//! An order that can be cancelled: what was done for it is undone, as far as it can be.

use expect_test::expect;

use super::check;

#[test]
fn order_that_nobody_cancels_is_fulfilled() {
    check(
        "order-cancellation.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return {"lineIds": ["L1"]}
            run reserve
            return
            run coolingOff
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
              subscription cancellationRequested !2 'OrderCancellationRequested'
              + orderReceived #3
              - #3
              job AsyncBefore validate !5 due 0, 8 left, 0 failed
            > run validate
              job !5 gone
              + validate #4
              call validate !6 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #4
              job AsyncBefore decompose !8 due 0, 8 left, 0 failed
            > run decompose
              job !8 gone
              + decompose #7
              call decompose !9 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return {"lineIds": ["L1"]}
              lineIds = ["L1"]
              - #7
              + line body #10
              nrOfActiveInstances = 1 in #10
              nrOfCompletedInstances = 0 in #10
              nrOfInstances = 1 in #10
              lineId = "L1" in #11
              loopCounter = 0 in #11
              + line #11 in #10
              + lineBegun #12 in #11
              - #12
              job AsyncBefore reserve !14 due 0, 8 left, 0 failed
            > run reserve
              job !14 gone
              + reserve #13 in #11
              call reserve !15 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", lineIds: ["L1"], loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17"}
            > return
              - #13
              + lineReserved #17 in #11
              - #17
              - #11
              nrOfCompletedInstances = 1 in #10
              - #10
              + coolingOff #20
              job Timer coolingOff !21 due 1000, 3 left, 0 failed
            > run coolingOff
              job !21 gone
              - #20
              job AsyncBefore submit !23 due 0, 8 left, 0 failed
            > run submit
              job !23 gone
              + submit #22
              call submit !24 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineIds: ["L1"], orderId: "17"}
            > return
              - #22
              + awaitFulfillment #25
              job Timer overdue !26 due 3600000, 3 left, 0 failed
              subscription awaitFulfillment !27 'FulfillmentCompleted'
            > message awaitFulfillment
              subscription !27 gone
              job !26 gone
              - #25
              job AsyncBefore complete !29 due 0, 8 left, 0 failed
            > run complete
              job !29 gone
              + complete #28
              call complete !30 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineIds: ["L1"], orderId: "17"}
            > return
              - #28
              + orderCompleted #31
              - #31
              subscription !2 gone
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn reserved_lines_are_given_back_from_the_last_to_the_first() {
    check(
        "order-cancellation.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return {"lineIds": ["L1", "L2"]}
            run reserve
            return
            run reserve
            return
            message cancellationRequested
            leaves
            run release
            return
            run release
            return
            run cancelNow
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              subscription cancellationRequested !2 'OrderCancellationRequested'
              + orderReceived #3
              - #3
              job AsyncBefore validate !5 due 0, 8 left, 0 failed
            > run validate
              job !5 gone
              + validate #4
              call validate !6 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #4
              job AsyncBefore decompose !8 due 0, 8 left, 0 failed
            > run decompose
              job !8 gone
              + decompose #7
              call decompose !9 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return {"lineIds": ["L1", "L2"]}
              lineIds = ["L1","L2"]
              - #7
              + line body #10
              nrOfActiveInstances = 1 in #10
              nrOfCompletedInstances = 0 in #10
              nrOfInstances = 2 in #10
              lineId = "L1" in #11
              loopCounter = 0 in #11
              + line #11 in #10
              + lineBegun #12 in #11
              - #12
              job AsyncBefore reserve !14 due 0, 8 left, 0 failed
            > run reserve
              job !14 gone
              + reserve #13 in #11
              call reserve !15 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", lineIds: ["L1","L2"], loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 2, orderId: "17"}
            > return
              - #13
              + lineReserved #17 in #11
              - #17
              - #11
              nrOfCompletedInstances = 1 in #10
              lineId = "L2" in #19
              loopCounter = 1 in #19
              + line #19 in #10
              + lineBegun #20 in #19
              - #20
              job AsyncBefore reserve !22 due 0, 8 left, 0 failed
            > run reserve
              job !22 gone
              + reserve #21 in #19
              call reserve !23 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L2", lineIds: ["L1","L2"], loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2, orderId: "17"}
            > return
              - #21
              + lineReserved #25 in #19
              - #25
              - #19
              nrOfCompletedInstances = 2 in #10
              - #10
              + coolingOff #28
              job Timer coolingOff !29 due 1000, 3 left, 0 failed
            > message cancellationRequested
              subscription !2 gone
              job !29 gone
              - #28 canceled
              + cancellation #30
              + cancellationRequested #31 in #30
              - #31
              + undo #32 in #30
              job AsyncBefore release !34 due 0, 8 left, 0 failed
              job AsyncBefore release !36 due 0, 8 left, 0 failed
            > leaves
              release #33: job, attempt 1, 8 left, due 0 until 0
              release #35: job, attempt 1, 8 left, due 0 until 0
            > run release
              job !34 gone
              + release #33 in #19
              call release !37 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L2", lineIds: ["L1","L2"], loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 2, nrOfInstances: 2, orderId: "17"}
            > return
              - #33
            > run release
              job !36 gone
              + release #35 in #11
              call release !38 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", lineIds: ["L1","L2"], loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 2, nrOfInstances: 2, orderId: "17"}
            > return
              - #35
              - #32
              job AsyncBefore cancelNow !40 due 0, 8 left, 0 failed
            > run cancelNow
              job !40 gone
              + cancelNow #39 in #30
              call cancelNow !41 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineIds: ["L1","L2"], orderId: "17"}
            > return
              - #39
              + cancelled #42 in #30
              - #42
              - #30
              ended: Completed
              end
        "#]],
    );
}

/// What did not complete is not undone: giving back what was reserved by then is the order service's, when the order is cancelled.
#[test]
fn cancellation_while_lines_are_reserved_ends_that() {
    check(
        "order-cancellation.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run decompose
            return {"lineIds": ["L1", "L2"]}
            run reserve
            return
            message cancellationRequested
            run cancelNow
            return
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              subscription cancellationRequested !2 'OrderCancellationRequested'
              + orderReceived #3
              - #3
              job AsyncBefore validate !5 due 0, 8 left, 0 failed
            > run validate
              job !5 gone
              + validate #4
              call validate !6 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return
              - #4
              job AsyncBefore decompose !8 due 0, 8 left, 0 failed
            > run decompose
              job !8 gone
              + decompose #7
              call decompose !9 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > return {"lineIds": ["L1", "L2"]}
              lineIds = ["L1","L2"]
              - #7
              + line body #10
              nrOfActiveInstances = 1 in #10
              nrOfCompletedInstances = 0 in #10
              nrOfInstances = 2 in #10
              lineId = "L1" in #11
              loopCounter = 0 in #11
              + line #11 in #10
              + lineBegun #12 in #11
              - #12
              job AsyncBefore reserve !14 due 0, 8 left, 0 failed
            > run reserve
              job !14 gone
              + reserve #13 in #11
              call reserve !15 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", lineIds: ["L1","L2"], loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 2, orderId: "17"}
            > return
              - #13
              + lineReserved #17 in #11
              - #17
              - #11
              nrOfCompletedInstances = 1 in #10
              lineId = "L2" in #19
              loopCounter = 1 in #19
              + line #19 in #10
              + lineBegun #20 in #19
              - #20
              job AsyncBefore reserve !22 due 0, 8 left, 0 failed
            > message cancellationRequested
              subscription !2 gone
              job !22 gone
              - #19 canceled
              - #10 canceled
              + cancellation #23
              + cancellationRequested #24 in #23
              - #24
              + undo #25 in #23
              - #25
              job AsyncBefore cancelNow !27 due 0, 8 left, 0 failed
            > run cancelNow
              job !27 gone
              + cancelNow #26 in #23
              call cancelNow !28 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineIds: ["L1","L2"], orderId: "17"}
            > return
              - #26
              + cancelled #29 in #23
              - #29
              - #23
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn order_that_was_completed_meanwhile_stays_completed() {
    check(
        "order-cancellation.bpmn",
        r#"
            start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
            message cancellationRequested
            run cancelNow
            error ORDER_IS_CLOSED
        "#,
        expect![[r#"
            > start {"orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              subscription cancellationRequested !2 'OrderCancellationRequested'
              + orderReceived #3
              - #3
              job AsyncBefore validate !5 due 0, 8 left, 0 failed
            > message cancellationRequested
              subscription !2 gone
              job !5 gone
              + cancellation #6
              + cancellationRequested #7 in #6
              - #7
              + undo #8 in #6
              - #8
              job AsyncBefore cancelNow !10 due 0, 8 left, 0 failed
            > run cancelNow
              job !10 gone
              + cancelNow #9 in #6
              call cancelNow !11 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17"}
            > error ORDER_IS_CLOSED
              rejectionCode = "ORDER_IS_CLOSED"
              rejectionMessage = "no"
              - #9 canceled
              + completedBefore #12 in #6
              - #12
              + tooLate #13 in #6
              - #13
              - #6
              ended: Completed
              end
        "#]],
    );
}
