//! Fulfilment line by line, in the stages of a plan.

use expect_test::expect;

use super::check;

#[test]
fn lines_of_a_stage_run_side_by_side_and_the_next_stage_waits_for_them() {
    check(
        "line-fulfillment.bpmn",
        r#"
            start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run plan
            return {"plan": [["L1"], ["L2"]]}
            run reserve
            return
            run submit
            return
            leaves
            message lineFulfilled
            leaves
        "#,
        expect![[r#"
            > start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              tenantId = "t"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return
              - #3
              job AsyncBefore plan !7 due 0, 8 left, 0 failed
            > run plan
              job !7 gone
              + plan #6
              call plan !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return {"plan": [["L1"], ["L2"]]}
              plan = [["L1"],["L2"]]
              - #6
              + stage body #9
              nrOfActiveInstances = 1 in #9
              nrOfCompletedInstances = 0 in #9
              nrOfInstances = 2 in #9
              loopCounter = 0 in #10
              stageLines = ["L1"] in #10
              + stage #10 in #9
              + stageBegun #11 in #10
              - #11
              + fulfillLine body #12 in #10
              nrOfActiveInstances = 1 in #12
              nrOfCompletedInstances = 0 in #12
              nrOfInstances = 1 in #12
              lineId = "L1" in #13
              loopCounter = 0 in #13
              + fulfillLine #13 in #12
              + lineBegun #14 in #13
              - #14
              job AsyncBefore reserve !16 due 0, 8 left, 0 failed
            > run reserve
              job !16 gone
              + reserve #15 in #13
              call reserve !17 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"],["L2"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #15
              job AsyncBefore submit !19 due 0, 8 left, 0 failed
            > run submit
              job !19 gone
              + submit #18 in #13
              call submit !20 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"],["L2"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #18
              + awaitLine #21 in #13
              subscription lineFulfilled !22 'LineFulfilled:L1'
              subscription lineFailed !23 'LineFailed:L1'
              job Timer lineOverdue !24 due 3600000, 3 left, 0 failed
            > leaves
              awaitLine #21: the first of lineFulfilled, lineFailed, lineOverdue until 3600000
            > message lineFulfilled
              subscription !22 gone
              subscription !23 gone
              job !24 gone
              - #21 canceled
              + lineFulfilled #25 in #13
              - #25
              + lineSettled #26 in #13
              - #26
              - #13
              nrOfActiveInstances = 0 in #12
              nrOfCompletedInstances = 1 in #12
              - #12
              + stageDone #27 in #10
              - #27
              - #10
              nrOfCompletedInstances = 1 in #9
              loopCounter = 1 in #28
              stageLines = ["L2"] in #28
              + stage #28 in #9
              + stageBegun #29 in #28
              - #29
              + fulfillLine body #30 in #28
              nrOfActiveInstances = 1 in #30
              nrOfCompletedInstances = 0 in #30
              nrOfInstances = 1 in #30
              lineId = "L2" in #31
              loopCounter = 0 in #31
              + fulfillLine #31 in #30
              + lineBegun #32 in #31
              - #32
              job AsyncBefore reserve !34 due 0, 8 left, 0 failed
            > leaves
              reserve #33: job, attempt 1, 8 left, due 0 until 0
        "#]],
    );
}

#[test]
fn line_that_is_repaired_is_tried_again() {
    check(
        "line-fulfillment.bpmn",
        r#"
            start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run plan
            return {"plan": [["L1"]]}
            run reserve
            return
            run submit
            return
            message lineFailed
            hear repair completed {"repair": "RETRIED"}
            leaves
        "#,
        expect![[r#"
            > start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              tenantId = "t"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return
              - #3
              job AsyncBefore plan !7 due 0, 8 left, 0 failed
            > run plan
              job !7 gone
              + plan #6
              call plan !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return {"plan": [["L1"]]}
              plan = [["L1"]]
              - #6
              + stage body #9
              nrOfActiveInstances = 1 in #9
              nrOfCompletedInstances = 0 in #9
              nrOfInstances = 1 in #9
              loopCounter = 0 in #10
              stageLines = ["L1"] in #10
              + stage #10 in #9
              + stageBegun #11 in #10
              - #11
              + fulfillLine body #12 in #10
              nrOfActiveInstances = 1 in #12
              nrOfCompletedInstances = 0 in #12
              nrOfInstances = 1 in #12
              lineId = "L1" in #13
              loopCounter = 0 in #13
              + fulfillLine #13 in #12
              + lineBegun #14 in #13
              - #14
              job AsyncBefore reserve !16 due 0, 8 left, 0 failed
            > run reserve
              job !16 gone
              + reserve #15 in #13
              call reserve !17 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #15
              job AsyncBefore submit !19 due 0, 8 left, 0 failed
            > run submit
              job !19 gone
              + submit #18 in #13
              call submit !20 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #18
              + awaitLine #21 in #13
              subscription lineFulfilled !22 'LineFulfilled:L1'
              subscription lineFailed !23 'LineFailed:L1'
              job Timer lineOverdue !24 due 3600000, 3 left, 0 failed
            > message lineFailed
              subscription !23 gone
              subscription !22 gone
              job !24 gone
              - #21 canceled
              + lineFailed #25 in #13
              - #25
              + repair #26 in #13
              #26 calls
              process call repair !27 'falloutRepair' Deployment key order-17 {lineId: "L1", orderId: "17", tenantId: "t"}
            > hear repair completed {"repair": "RETRIED"}
              repair = "RETRIED"
              - #26
              + again #28 in #13
              - #28
              job AsyncBefore submit !30 due 0, 8 left, 0 failed
            > leaves
              submit #29: job, attempt 1, 8 left, due 0 until 0
        "#]],
    );
}

#[test]
fn order_is_cancelled_when_a_repair_gives_it_up() {
    check(
        "line-fulfillment.bpmn",
        r#"
            start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run plan
            return {"plan": [["L1"]]}
            run reserve
            return
            run submit
            return
            at 3600000
            run lineOverdue
            hear repair error ORDER_GIVEN_UP
            run cancelOrder
            return
        "#,
        expect![[r#"
            > start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              tenantId = "t"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return
              - #3
              job AsyncBefore plan !7 due 0, 8 left, 0 failed
            > run plan
              job !7 gone
              + plan #6
              call plan !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return {"plan": [["L1"]]}
              plan = [["L1"]]
              - #6
              + stage body #9
              nrOfActiveInstances = 1 in #9
              nrOfCompletedInstances = 0 in #9
              nrOfInstances = 1 in #9
              loopCounter = 0 in #10
              stageLines = ["L1"] in #10
              + stage #10 in #9
              + stageBegun #11 in #10
              - #11
              + fulfillLine body #12 in #10
              nrOfActiveInstances = 1 in #12
              nrOfCompletedInstances = 0 in #12
              nrOfInstances = 1 in #12
              lineId = "L1" in #13
              loopCounter = 0 in #13
              + fulfillLine #13 in #12
              + lineBegun #14 in #13
              - #14
              job AsyncBefore reserve !16 due 0, 8 left, 0 failed
            > run reserve
              job !16 gone
              + reserve #15 in #13
              call reserve !17 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #15
              job AsyncBefore submit !19 due 0, 8 left, 0 failed
            > run submit
              job !19 gone
              + submit #18 in #13
              call submit !20 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #18
              + awaitLine #21 in #13
              subscription lineFulfilled !22 'LineFulfilled:L1'
              subscription lineFailed !23 'LineFailed:L1'
              job Timer lineOverdue !24 due 3600000, 3 left, 0 failed
            > at 3600000
            > run lineOverdue
              job !24 gone
              subscription !22 gone
              subscription !23 gone
              - #21 canceled
              + lineOverdue #25 in #13
              - #25
              + repair #26 in #13
              #26 calls
              process call repair !27 'falloutRepair' Deployment key order-17 {lineId: "L1", orderId: "17", tenantId: "t"}
            > hear repair error ORDER_GIVEN_UP
              repair = null
              rejectionCode = "ORDER_GIVEN_UP"
              rejectionMessage = "no"
              - #26 canceled
              - #13 canceled
              - #12 canceled
              - #10 canceled
              - #9 canceled
              + givenUp #28
              - #28
              job AsyncBefore cancelOrder !30 due 3600000, 8 left, 0 failed
            > run cancelOrder
              job !30 gone
              + cancelOrder #29
              call cancelOrder !31 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", plan: [["L1"]], rejectionCode: "ORDER_GIVEN_UP", rejectionMessage: "no", repair: null, tenantId: "t"}
            > return
              - #29
              + orderCancelled #32
              - #32
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn line_that_is_settled_before_it_is_ordered_again_is_not_ordered() {
    check(
        "line-fulfillment.bpmn",
        r#"
            start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run plan
            return {"plan": [["L1"]]}
            run reserve
            return
            run submit
            error LINE_ALREADY_SETTLED
        "#,
        expect![[r#"
            > start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              tenantId = "t"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return
              - #3
              job AsyncBefore plan !7 due 0, 8 left, 0 failed
            > run plan
              job !7 gone
              + plan #6
              call plan !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return {"plan": [["L1"]]}
              plan = [["L1"]]
              - #6
              + stage body #9
              nrOfActiveInstances = 1 in #9
              nrOfCompletedInstances = 0 in #9
              nrOfInstances = 1 in #9
              loopCounter = 0 in #10
              stageLines = ["L1"] in #10
              + stage #10 in #9
              + stageBegun #11 in #10
              - #11
              + fulfillLine body #12 in #10
              nrOfActiveInstances = 1 in #12
              nrOfCompletedInstances = 0 in #12
              nrOfInstances = 1 in #12
              lineId = "L1" in #13
              loopCounter = 0 in #13
              + fulfillLine #13 in #12
              + lineBegun #14 in #13
              - #14
              job AsyncBefore reserve !16 due 0, 8 left, 0 failed
            > run reserve
              job !16 gone
              + reserve #15 in #13
              call reserve !17 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"]], stageLines: ["L1"], tenantId: "t"}
            > return
              - #15
              job AsyncBefore submit !19 due 0, 8 left, 0 failed
            > run submit
              job !19 gone
              + submit #18 in #13
              call submit !20 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 1, orderId: "17", plan: [["L1"]], stageLines: ["L1"], tenantId: "t"}
            > error LINE_ALREADY_SETTLED
              - #18 canceled
              + settledMeanwhile #21 in #13
              - #21
              + lineSettled #22 in #13
              - #22
              - #13
              nrOfActiveInstances = 0 in #12
              nrOfCompletedInstances = 1 in #12
              - #12
              + stageDone #23 in #10
              - #23
              - #10
              nrOfCompletedInstances = 1 in #9
              - #9
              job AsyncBefore complete !25 due 0, 8 left, 0 failed
        "#]],
    );
}

#[test]
fn order_that_is_closed_while_a_line_is_repaired_is_left_alone() {
    check(
        "line-fulfillment.bpmn",
        r#"
            start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
            run validate
            return
            run plan
            return {"plan": [["L1", "L2"]]}
            run reserve
            return
            run submit
            return
            message lineFailed
            hear repair error ORDER_IS_CLOSED
        "#,
        expect![[r#"
            > start {"tenantId": "t", "orderId": "17", "fulfillmentTimeout": "PT1H"}
              started at orderReceived
              fulfillmentTimeout = "PT1H"
              orderId = "17"
              tenantId = "t"
              + orderReceived #2
              - #2
              job AsyncBefore validate !4 due 0, 8 left, 0 failed
            > run validate
              job !4 gone
              + validate #3
              call validate !5 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return
              - #3
              job AsyncBefore plan !7 due 0, 8 left, 0 failed
            > run plan
              job !7 gone
              + plan #6
              call plan !8 attempt 1, 7 left {fulfillmentTimeout: "PT1H", orderId: "17", tenantId: "t"}
            > return {"plan": [["L1", "L2"]]}
              plan = [["L1","L2"]]
              - #6
              + stage body #9
              nrOfActiveInstances = 1 in #9
              nrOfCompletedInstances = 0 in #9
              nrOfInstances = 1 in #9
              loopCounter = 0 in #10
              stageLines = ["L1","L2"] in #10
              + stage #10 in #9
              + stageBegun #11 in #10
              - #11
              + fulfillLine body #12 in #10
              nrOfActiveInstances = 2 in #12
              nrOfCompletedInstances = 0 in #12
              nrOfInstances = 2 in #12
              lineId = "L1" in #13
              loopCounter = 0 in #13
              lineId = "L2" in #14
              loopCounter = 1 in #14
              + fulfillLine #13 in #12
              + lineBegun #15 in #13
              - #15
              job AsyncBefore reserve !17 due 0, 8 left, 0 failed
              + fulfillLine #14 in #12
              + lineBegun #18 in #14
              - #18
              job AsyncBefore reserve !20 due 0, 8 left, 0 failed
            > run reserve
              job !17 gone
              + reserve #16 in #13
              call reserve !21 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2, orderId: "17", plan: [["L1","L2"]], stageLines: ["L1","L2"], tenantId: "t"}
            > return
              - #16
              job AsyncBefore submit !23 due 0, 8 left, 0 failed
            > run submit
              job !23 gone
              + submit #22 in #13
              call submit !24 attempt 1, 7 left {fulfillmentTimeout: "PT1H", lineId: "L1", loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2, orderId: "17", plan: [["L1","L2"]], stageLines: ["L1","L2"], tenantId: "t"}
            > return
              - #22
              + awaitLine #25 in #13
              subscription lineFulfilled !26 'LineFulfilled:L1'
              subscription lineFailed !27 'LineFailed:L1'
              job Timer lineOverdue !28 due 3600000, 3 left, 0 failed
            > message lineFailed
              subscription !27 gone
              subscription !26 gone
              job !28 gone
              - #25 canceled
              + lineFailed #29 in #13
              - #29
              + repair #30 in #13
              #30 calls
              process call repair !31 'falloutRepair' Deployment key order-17 {lineId: "L1", orderId: "17", tenantId: "t"}
            > hear repair error ORDER_IS_CLOSED
              repair = null
              rejectionCode = "ORDER_IS_CLOSED"
              rejectionMessage = "no"
              - #30 canceled
              - #13 canceled
              job !20 gone
              - #14 canceled
              - #12 canceled
              - #10 canceled
              - #9 canceled
              + closedMeanwhile #32
              + orderIsClosed #33 in #32
              - #33
              + nothingLeft #34 in #32
              - #34
              - #32
              ended: Completed
              end
        "#]],
    );
}
