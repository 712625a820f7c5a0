//! Traces of transactions that are cancelled.

use expect_test::expect;

use crate::testing::{check, undone};

const CANCEL: &str = "<endEvent id='x'><cancelEventDefinition/></endEvent>";

/// `start > p`: a transaction with this inside, left by `ok` or, cancelled, by `repair`.
fn transaction(inside: &str) -> String {
    format!(
        "<startEvent id='s'/><transaction id='p'>{inside}</transaction><boundaryEvent id='c' attachedToRef='p'><cancelEventDefinition/>\
         </boundaryEvent><userTask id='ok'/><userTask id='repair'/>{{s>p>ok}}{{c>repair}}"
    )
}

#[test]
fn transaction_that_is_not_cancelled_is_a_sub_process() {
    check(
        &transaction(&format!(
            "<startEvent id='ps'/><userTask id='a'/><exclusiveGateway id='g' default='g_e'/>{CANCEL}<endEvent id='e'/>{{ps>a>g}}{{g>x ? no}}{{g>e}}"
        )),
        r#"
            start
            complete a {"no": false}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              task a !6 of nobody users [] groups []
            > complete a {"no": false}
              task !6 gone
              no = false
              - #5
              + g #7 in #3
              - #7
              + e #8 in #3
              - #8
              - #3
              + ok #9
              task ok !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn cancelled_transaction_ends_what_is_open_and_undoes_what_has_completed() {
    check(
        &transaction(&format!(
            "<startEvent id='ps'/><task id='a'/><parallelGateway id='f'/><userTask id='b'/><userTask id='d'/>{CANCEL}{{ps>a>f}}{{f>b}}{{f>d>x}}{}{}\
             <subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><messageEventDefinition messageRef='msg'/></startEvent></subProcess>",
            undone("a", "userTask"),
            undone("b", "userTask")
        )),
        "
            start
            complete d
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              subscription vs !4 'paid'
              + ps #5 in #3
              - #5
              + a #6 in #3
              - #6
              + f #8 in #3
              - #8
              + b #9 in #3
              task b !10 of nobody users [] groups []
              + d #11 in #3
              task d !12 of nobody users [] groups []
            > complete d
              task !12 gone
              - #11
              + x #13 in #3
              task !10 gone
              - #9 canceled
              subscription !4 gone
              + undo_a #14 in #3
              task undo_a !15 of nobody users [] groups []
            > complete undo_a
              task !15 gone
              - #14
              - #13 canceled
              - #3 canceled
              + c #16
              - #16
              + repair #17
              task repair !18 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn transaction_with_nothing_to_undo_is_left_at_once() {
    check(
        &transaction(&format!("<startEvent id='ps'/><task id='a'/>{CANCEL}{{ps>a>x}}")),
        "start",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              + x #6 in #3
              - #6 canceled
              - #3 canceled
              + c #7
              - #7
              + repair #8
              task repair !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn several_transactions_are_cancelled_together_and_one_is_undone() {
    check(
        &transaction(&format!(
            "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics><startEvent id='ps'/>\
             <userTask id='a'/>{CANCEL}{{ps>a>x}}{}",
            undone("a", "userTask")
        )),
        "
            start
            complete a
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              + p #4 in #3
              + ps #6 in #4
              - #6
              + a #7 in #4
              task a !8 of nobody users [] groups []
              + p #5 in #3
              + ps #9 in #5
              - #9
              + a #10 in #5
              task a !11 of nobody users [] groups []
            > complete a
              task !8 gone
              - #7
              + x #13 in #4
              + undo_a #14 in #4
              task undo_a !15 of nobody users [] groups []
            > complete undo_a
              task !15 gone
              - #14
              - #13 canceled
              - #4 canceled
              task !11 gone
              - #10 canceled
              - #5 canceled
              - #3 canceled
              + c #16
              - #16
              + repair #17
              task repair !18 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_while_a_cancelled_transaction_is_undone_leaves_it_by_its_error_event() {
    check(
        &(transaction(&format!(
            "<startEvent id='ps'/><task id='a'/>{CANCEL}{{ps>a>x}}{}",
            undone("a", "serviceTask camunda:class='UndoA'")
        )) + "<boundaryEvent id='e' attachedToRef='p'><errorEventDefinition/></boundaryEvent><userTask id='broken'/>{e>broken}"),
        "
            start
            error E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              + x #7 in #3
              + undo_a #8 in #3
              call undo_a !9 attempt 1, 0 left {}
            > error E
              - #8 canceled
              - #7 canceled
              - #3 canceled
              + e #10
              - #10
              + broken #11
              task broken !12 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn completed_transaction_is_undone_from_outside() {
    check(
        &(transaction(&format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}", undone("a", "userTask")))
            .replace("<boundaryEvent id='c' attachedToRef='p'><cancelEventDefinition/></boundaryEvent>", "")
            .replace("{c>repair}", "{ok>repair>y}")
            + "<endEvent id='y'><compensateEventDefinition/></endEvent>"),
        "
            start
            complete ok
            complete repair
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + ok #8
              task ok !9 of nobody users [] groups []
            > complete ok
              task !9 gone
              - #8
              + repair #10
              task repair !11 of nobody users [] groups []
            > complete repair
              task !11 gone
              - #10
              + y #12
              + undo_a #13 in #3
              task undo_a !14 of nobody users [] groups []
            > complete undo_a
              task !14 gone
              - #13
              - #12
              ended: Completed
              end
        "#]],
    );
}
