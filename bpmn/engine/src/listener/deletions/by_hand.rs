//! The same where somebody modifies or deletes the instance, or one that has called it.

use expect_test::expect;

use super::task;
use crate::testing::{MESSAGE, check, watching};

#[test]
fn modification_tells_of_what_it_cancels_before_its_next_instruction() {
    let model = format!("<startEvent id='s'/>{}<userTask id='v'/>{{s>u>v}}", task("u", "l"));
    check(
        &model,
        r#"
            start
            modify cancel-all u; before v
            return {"told": 1}
            cancel
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              l = 1 in #3
              task u !4 of ann users [] groups []
            > modify cancel-all u; before v
              task !4 gone
              - #3 canceled
              call delete u !5 attempt 1, 0 left {l: 1} who=ann delete
            > return {"told": 1}
              told = 1
              + v #6
              task v !7 of nobody users [] groups []
            > cancel
              task !7 gone
              - #6 canceled
              ended: ExternallyTerminated
              end
        "#]],
    );
    check(
        &model,
        "start\n modify silent: cancel-all u; before v",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + u #3
          l = 1 in #3
          task u !4 of ann users [] groups []
        > modify silent: cancel-all u; before v
          task !4 gone
          - #3 canceled
          + v #5
          task v !6 of nobody users [] groups []
    "#]],
    );
    // It is carried out at once, also while the instance is suspended or deferred: who is told sends nothing.
    check(
        &model,
        "start\n suspend\n modify cancel-all u; before v\n return",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + u #3
          l = 1 in #3
          task u !4 of ann users [] groups []
        > suspend
          suspended: true
        > modify cancel-all u; before v
          task !4 gone
          - #3 canceled
          call delete u !5 attempt 1, 0 left {l: 1} who=ann delete
        > return
          job AsyncBefore v !7 due 0, 3 left, 0 failed
    "#]],
    );
    check(
        &model,
        "start\n modify-deferred cancel-all u; before v\n return",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + u #3
          l = 1 in #3
          task u !4 of ann users [] groups []
        > modify-deferred cancel-all u; before v
          task !4 gone
          - #3 canceled
          call delete u !5 attempt 1, 0 left {l: 1} who=ann delete
        > return
          job AsyncBefore v !7 due 0, 3 left, 0 failed
    "#]],
    );
}

#[test]
fn called_process_is_ended_by_a_caller_that_tells_nobody_without_listeners() {
    let model = format!("<startEvent id='s'/><callActivity id='c' calledElement='other'/>{{s>c}}{}", watching("", MESSAGE));
    check(
        &model,
        "start\n modify silent: cancel-all c; before c",
        expect![[r#"
        > start
          started at s
          subscription vs !2 'paid'
          + s #3
          - #3
          + c #4
          #4 calls
          process call c !5 'other' Latest {}
        > modify silent: cancel-all c; before c
          process call !5 ends it: InternallyTerminated None silent
          - #4 canceled
          + c #6
          #6 calls
          process call c !7 'other' Latest {}
    "#]],
    );
    check(
        &model,
        "start\n cancel silent:",
        expect![[r#"
        > start
          started at s
          subscription vs !2 'paid'
          + s #3
          - #3
          + c #4
          #4 calls
          process call c !5 'other' Latest {}
        > cancel silent:
          process call !5 ends it: ExternallyTerminated None silent
          - #4 canceled
          subscription !2 gone
          ended: ExternallyTerminated
          end
    "#]],
    );
    check(
        &model,
        "start\n message vs",
        expect![[r#"
        > start
          started at s
          subscription vs !2 'paid'
          + s #3
          - #3
          + c #4
          #4 calls
          process call c !5 'other' Latest {}
        > message vs
          subscription !2 gone
          process call !5 ends it: InternallyTerminated None
          - #4 canceled
          + v #6
          + vs #7 in #6
          - #7
          + handle #8 in #6
          task handle !9 of nobody users [] groups []
    "#]],
    );
}
