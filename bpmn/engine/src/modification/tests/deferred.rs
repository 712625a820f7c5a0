//! Traces of modifications that stop before elements, of instances that begin with one, and the keys of what they call.

use std::collections::BTreeSet;

use expect_test::expect;

use super::NESTED;
use crate::testing::{Run, check, parse};

#[test]
fn mappings_are_skipped_in_this_unit_only() {
    check(
        "<startEvent id='s'/><userTask id='u'/><userTask id='a'><extensionElements><camunda:inputOutput><camunda:inputParameter name='given'>= 1\
             </camunda:inputParameter><camunda:outputParameter name='out'>= given</camunda:outputParameter></camunda:inputOutput></extensionElements></userTask>{s>u>a}",
        "
            start
            modify skip: before a
            modify cancel-all u; cancel-all a; before a
            complete a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify skip: before a
              + a #5
              task a !6 of nobody users [] groups []
            > modify cancel-all u; cancel-all a; before a
              task !4 gone
              - #3 canceled
              out = null
              task !6 gone
              - #5 canceled
              + a #7
              given = 1 in #7
              task a !8 of nobody users [] groups []
            > complete a
              task !8 gone
              out = 1
              - #7
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn modification_that_is_asked_for_again_under_its_key_is_done_once() {
    check(
        "<startEvent id='s'/><userTask id='u'/><userTask id='a'/>{s>u>a}",
        "
            start
            modify as 7: before a
            modify as 7: before a
            modify-deferred as 8: before a
            modify as 8: before a
            modify before a
            modify as 8: before a
            modify as 7: before a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify as 7: before a
              + a #5
              task a !6 of nobody users [] groups []
            > modify as 7: before a
              rejected: the instance was modified under this key before
            > modify-deferred as 8: before a
              job AsyncBefore a !8 due 0, 3 left, 0 failed
            > modify as 8: before a
              rejected: the instance was modified under this key before
            > modify before a
              + a #9
              task a !10 of nobody users [] groups []
            > modify as 8: before a
              rejected: the instance was modified under this key before
            > modify as 7: before a
              + a #11
              task a !12 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn tokens_deferred_before_a_join_come_by_different_flows() {
    check(
        "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><parallelGateway id='j'/><userTask id='z'/>{s>f}{f>a>j}{f>b>j}{j>z}",
        "
            start
            modify-deferred cancel-all a; cancel-all b; before j; before j
            run j
            run j
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + f #3
              - #3
              + a #4
              task a !5 of nobody users [] groups []
              + b #6
              task b !7 of nobody users [] groups []
            > modify-deferred cancel-all a; cancel-all b; before j; before j
              task !5 gone
              - #4 canceled
              task !7 gone
              - #6 canceled
              job AsyncBefore j !9 due 0, 3 left, 0 failed
              job AsyncBefore j !11 due 0, 3 left, 0 failed
            > run j
              job !9 gone
              + j #8
            > run j
              job !11 gone
              + j #10
              - #8
              - #10
              + z #12
              task z !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn deferred_modification_stops_each_token_before_its_element() {
    check(
        "<startEvent id='s'/><userTask id='u'/><serviceTask id='w' camunda:class='W'/><inclusiveGateway id='j'/><task id='o'/><serviceTask id='z' camunda:class='Z'/>\
             {s>u>j}{w>j}{o>j}{j>z}",
        "
            start
            modify-deferred before w; flow o_j
            run j
            modify-deferred cancel-transition #5; cancel-all u
            leaves
            run z
            return
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify-deferred before w; flow o_j
              job AsyncBefore w !6 due 0, 3 left, 0 failed
              job AsyncBefore j !8 due 0, 3 left, 0 failed
            > run j
              job !8 gone
              + j #7
            > modify-deferred cancel-transition #5; cancel-all u
              job !6 gone
              task !4 gone
              - #3 canceled
              - #7
              job AsyncBefore z !10 due 0, 3 left, 0 failed
            > leaves
              z #9: job, attempt 1, 3 left, due 0 until 0
            > run z
              job !10 gone
              + z #9
              call z !11 attempt 1, 2 left {}
            > return
              - #9
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn mappings_of_what_is_cancelled_are_skipped_where_those_of_what_is_started_can_not_be() {
    check(
        "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:outputParameter name='o'>${nobody}\
         </camunda:outputParameter></camunda:inputOutput></extensionElements></userTask><userTask id='v'/>{s>u>v}",
        "
            start
            modify-deferred skip: before v; cancel-all u; before u
            suspend
            modify cancel-all u; before v
            modify skip: before u
            modify skip: cancel-all u; before v
            activate
            run v
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify-deferred skip: before v; cancel-all u; before u
              rejected: mappings of what is started cannot be skipped here: it goes on in jobs of its own, because the instance is suspended or the chain may send commands
            > suspend
              suspended: true
            > modify cancel-all u; before v
              failed: EXPRESSION_FAILED: the expression '${nobody}' of 'u': Cannot resolve identifier 'nobody'
            > modify skip: before u
              rejected: mappings of what is started cannot be skipped here: it goes on in jobs of its own, because the instance is suspended or the chain may send commands
            > modify skip: cancel-all u; before v
              task !4 gone
              - #3 canceled
              job AsyncBefore v !6 due 0, 3 left, 0 failed
            > activate
              suspended: false
            > run v
              job !6 gone
              + v #5
              task v !7 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn suspended_instance_is_changed_and_goes_on_later() {
    check(
        NESTED,
        "
            start
            suspend
            modify cancel-all u; before b
            leaves
            activate
            run b
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > suspend
              suspended: true
            > modify cancel-all u; before b
              task !4 gone
              - #3 canceled
              + p #5
              + q #6 in #5
              job AsyncBefore b !8 due 0, 3 left, 0 failed
            > leaves
              b #7: suspended until 0
            > activate
              suspended: false
            > run b
              job !8 gone
              + b #7 in #6
              task b !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instance_begins_at_what_is_started() {
    check(
        NESTED,
        r#"
            begin before b; before a in #1 {"n": 1}
            complete b
        "#,
        expect![[r#"
            > begin before b; before a in #1 {"n": 1}
              started at b
              + p #2
              + q #3 in #2
              + b #4 in #3
              task b !5 of nobody users [] groups []
              + p #6
              n = 1
              + a #7 in #6
              task a !8 of nobody users [] groups []
            > complete b
              task !5 gone
              - #4
              + c #9 in #3
              task c !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instance_does_not_begin_with_a_cancellation() {
    check(
        NESTED,
        "
            begin cancel-all a
            begin
            begin-deferred before z; flow u_p
            run z
            run p
        ",
        expect![[r#"
            > begin cancel-all a
              rejected: instruction 1: an instance begins with starts only
            > begin
              rejected: no instruction says where the instance begins
            > begin-deferred before z; flow u_p
              started at z
              job AsyncBefore z !3 due 0, 3 left, 0 failed
              job AsyncBefore p !5 due 0, 3 left, 0 failed
            > run z
              job !3 gone
              + z #2
              task z !6 of nobody users [] groups []
            > run p
              job !5 gone
              + p #4
              + ps #7 in #4
              - #7
              + a #8 in #4
              task a !9 of nobody users [] groups []
        "#]],
    );
}

/// What a delegate is called under, in a unit that a modification begins.
const CALLS: &str = "<startEvent id='s'/><userTask id='u'/><subProcess id='p'><startEvent id='ps'/><serviceTask id='w' camunda:class='W'/>{ps>w}</subProcess>\
    <serviceTask id='z' camunda:class='Z'/>{s>u}{p>z}";

/// The keys of all calls of `w` and `z` after a script.
fn keys(script: &[&str]) -> Vec<crate::EntryKey> {
    let definition = parse(CALLS);
    let mut run = Run::new(&definition);
    for line in script {
        run.line(line);
    }
    run.calls.iter().map(|call| call.entry).collect()
}

#[test]
fn keys_are_those_of_the_modification_and_the_instruction() {
    let twice =
        keys(&["start", "modify before w; before w in #1", "return", "return", "return", "return", "modify before w", "return", "return"]);
    assert_eq!((twice.len(), twice.iter().collect::<BTreeSet<_>>().len()), (6, 6));
    assert!(twice.iter().all(|key| !keys(&["begin before w", "return"]).contains(key)));
}

#[test]
fn modification_that_runs_again_makes_the_same_keys_whatever_others_did_meanwhile() {
    let again =
        keys(&["start", "modify before w", "return", "crash", "suspend", "activate", "set {\"n\": 1}", "modify before w", "return"]);
    assert_eq!(again[..2], again[2..]);
}

#[test]
fn what_a_deferred_modification_calls_has_the_keys_of_its_jobs() {
    let deferred = keys(&[
        "start",
        "modify-deferred before w; before w in #1",
        "run !7",
        "return",
        "crash",
        "complete u",
        "run !7",
        "return",
        "return",
        "run !10",
        "return",
    ]);
    assert_eq!(deferred[..2], deferred[2..4]);
    assert_eq!(deferred[2..].iter().collect::<BTreeSet<_>>().len(), deferred.len() - 2);
}
