//! Traces of conditional events.

use expect_test::expect;

use crate::testing::{Run, check, parse, variables, watching};
use crate::{Code, Input, Stop, start_condition_holds, step};

mod listeners;
mod several;

const OTHER: &str = " isInterrupting='false'";

fn condition(attributes: &str, condition: &str) -> String {
    format!("<conditionalEventDefinition{attributes}><condition>{condition}</condition></conditionalEventDefinition>")
}

fn catch(trigger: &str) -> String {
    format!("<startEvent id='s'/><intermediateCatchEvent id='c'>{trigger}</intermediateCatchEvent><userTask id='u'/>{{s>c>u}}")
}

#[test]
fn event_waits_until_its_condition_holds() {
    // A variable that is not there is no error, in JUEL neither.
    check(
        &catch(&condition("", "${n > 1}")),
        r#"
            start
            leaves
            message c
            set {"other": 5}
            set {"n": 1}
            set {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              condition c !4
            > leaves
              c #3: condition
            > message c
              rejected: number 4 is a conditional subscription, not a message subscription
            > set {"other": 5}
              other = 5
            > set {"n": 1}
              n = 1
            > set {"n": 2}
              n = 2
              subscription !4 gone
              - #3
              + u #5
              task u !6 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn condition_that_holds_already_is_not_waited_for() {
    check(
        &catch(&condition("", "= n > 1")),
        r#"start {"n": 2}"#,
        expect![[r#"
        > start {"n": 2}
          started at s
          n = 2
          + s #2
          - #2
          + c #3
          - #3
          + u #4
          task u !5 of nobody users [] groups []
    "#]],
    );
}

#[test]
fn condition_that_is_no_truth_value_fails_whoever_changes_the_variable() {
    check(
        &catch(&condition("", "= n")),
        r#"
            start
            set {"n": "yes"}
            set {"n": true}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              condition c !4
            > set {"n": "yes"}
              failed: EXPRESSION_FAILED: the expression '= n' of 'c': gives string, not boolean
            > set {"n": true}
              n = true
              subscription !4 gone
              - #3
              + u #5
              task u !6 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn only_the_changes_count_that_it_names() {
    check(
        &catch(&condition(" camunda:variableName='n' camunda:variableEvents='update, delete'", "= go")),
        r#"
            start
            set {"go": true}
            set {"n": 1}
            set {"n": 1}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              condition c !4
            > set {"go": true}
              go = true
            > set {"n": 1}
              n = 1
            > set {"n": 1}
              n = 1
              subscription !4 gone
              - #3
              + u #5
              task u !6 of nobody users [] groups []
        "#]],
    );
    check(
        &catch(&condition(" camunda:variableEvents='delete'", "= true")).replace("= true", "= n = null and m = 1"),
        r#"
            start {"n": 1}
            set {"m": 1}
            unset n
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + c #3
              condition c !4
            > set {"m": 1}
              m = 1
            > unset n
              n removed
              subscription !4 gone
              - #3
              + u #5
              task u !6 of nobody users [] groups []
        "#]],
    );
}

/// A user task `u` with a boundary event.
fn boundary(attributes: &str, trigger: &str) -> String {
    format!(
        "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='b' attachedToRef='u'{attributes}>{trigger}</boundaryEvent>\
         <userTask id='on'/><userTask id='told'/>{{s>u>on}}{{b>told}}"
    )
}

#[test]
fn variables_of_a_completed_task_interrupt_it_before_it_goes_on() {
    check(
        &boundary("", &condition("", "= n > 1")),
        r#"
            start
            complete u {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              condition b !4
              task u !5 of nobody users [] groups []
            > complete u {"n": 2}
              task !5 gone
              n = 2
              subscription !4 gone
              - #3 canceled
              + b #6
              - #6
              + told #7
              task told !8 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn activity_whose_condition_holds_when_it_begins_does_nothing() {
    check(
        &boundary("", &condition("", "= n > 1")),
        r#"start {"n": 2}"#,
        expect![[r#"
        > start {"n": 2}
          started at s
          n = 2
          + s #2
          - #2
          + u #3
          condition b !4
          subscription !4 gone
          - #3 canceled
          + b #5
          - #5
          + told #6
          task told !7 of nobody users [] groups []
    "#]],
    );
}

#[test]
fn each_change_triggers_an_event_once_that_does_not_interrupt() {
    check(
        &boundary(" cancelActivity='false'", &condition("", "= n > 1")),
        r#"
            start {"n": 2}
            set {"m": 1}
            set {"n": 3, "o": 1}
            set {"n": 0}
        "#,
        expect![[r#"
            > start {"n": 2}
              started at s
              n = 2
              + s #2
              - #2
              + u #3
              condition b !4
              + b #5
              - #5
              + told #6
              task told !7 of nobody users [] groups []
              task u !8 of nobody users [] groups []
            > set {"m": 1}
              m = 1
              + b #9
              - #9
              + told #10
              task told !11 of nobody users [] groups []
            > set {"n": 3, "o": 1}
              n = 3
              o = 1
              + b #12
              - #12
              + told #13
              task told !14 of nobody users [] groups []
              + b #15
              - #15
              + told #16
              task told !17 of nobody users [] groups []
            > set {"n": 0}
              n = 0
        "#]],
    );
}

#[test]
fn delegate_is_interrupted_by_what_it_answers() {
    check(
        &boundary("", &condition("", "= n > 1")).replace("userTask id='u'", "serviceTask id='u' camunda:class='U'"),
        r#"
            start
            return {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              condition b !4
              call u !5 attempt 1, 0 left {}
            > return {"n": 2}
              n = 2
              subscription !4 gone
              - #3 canceled
              + b #6
              - #6
              + told #7
              task told !8 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn event_sub_process_runs_instead_of_a_scope_that_should_not_begin() {
    check(
        &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", &condition("", "= n > 1"))),
        r#"start {"n": 2}"#,
        expect![[r#"
            > start {"n": 2}
              started at s
              n = 2
              condition vs !2
              subscription !2 gone
              + v #3
              + vs #4 in #3
              - #4
              + handle #5 in #3
              task handle !6 of nobody users [] groups []
        "#]],
    );
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/>{{ps>u}}{}</subProcess>{{s>p}}",
            watching(OTHER, &condition("", "= n > 1"))
        ),
        r#"
            start {"n": 2}
            set {"n": 3}
        "#,
        expect![[r#"
            > start {"n": 2}
              started at s
              n = 2
              + s #2
              - #2
              + p #3
              condition vs !4
              + v #5 in #3
              + vs #6 in #5
              - #6
              + handle #7 in #5
              task handle !8 of nobody users [] groups []
              + ps #9 in #3
              - #9
              + u #10 in #3
              task u !11 of nobody users [] groups []
            > set {"n": 3}
              n = 3
              + v #12 in #3
              + vs #13 in #12
              - #13
              + handle #14 in #12
              task handle !15 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn scope_does_not_end_over_what_its_last_activity_makes_true() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'><extensionElements><camunda:inputOutput>\
             <camunda:outputParameter name='n'>= 2</camunda:outputParameter></camunda:inputOutput></extensionElements></userTask>{{ps>u}}{}\
             </subProcess><userTask id='on'/>{{s>p>on}}",
            watching(OTHER, &condition("", "= n > 1"))
        ),
        "
            start
            complete u
            complete handle
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              condition vs !4
              + ps #5 in #3
              - #5
              + u #6 in #3
              task u !7 of nobody users [] groups []
            > complete u
              task !7 gone
              n = 2
              - #6
              + v #8 in #3
              + vs #9 in #8
              - #9
              + handle #10 in #8
              task handle !11 of nobody users [] groups []
            > complete handle
              task !11 gone
              - #10
              - #8
              subscription !4 gone
              - #3
              + on #12
              task on !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn change_is_seen_from_inside_unless_something_hides_it() {
    check(
        "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'><extensionElements><camunda:inputOutput>\
         <camunda:inputParameter name='n'>= 1</camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>\
         <boundaryEvent id='ab' attachedToRef='a'><conditionalEventDefinition><condition>= n > 1</condition></conditionalEventDefinition>\
         </boundaryEvent><boundaryEvent id='bb' attachedToRef='b' cancelActivity='false'><conditionalEventDefinition><condition>= n >= 1\
         </condition></conditionalEventDefinition></boundaryEvent><endEvent id='ae'/><endEvent id='be'/>{s>f}{f>a}{f>b}{ab>ae}{bb>be}",
        r#"
            start
            set {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + f #3
              - #3
              + a #4
              condition ab !5
              task a !6 of nobody users [] groups []
              + b #7
              n = 1 in #7
              condition bb !8
              + bb #9
              - #9
              + be #10
              - #10
              task b !11 of nobody users [] groups []
            > set {"n": 2}
              n = 2
              subscription !5 gone
              task !6 gone
              - #4 canceled
              + ab #12
              - #12
              + ae #13
              - #13
        "#]],
    );
}

#[test]
fn suspended_instance_is_asked_when_it_goes_on() {
    check(
        &catch(&condition("", "= n > 1")),
        r#"
            start
            suspend
            set {"n": 2}
            activate
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              condition c !4
            > suspend
              suspended: true
            > set {"n": 2}
              n = 2
            > activate
              suspended: false
              subscription !4 gone
              - #3
              + u #5
              task u !6 of nobody users [] groups []
        "#]],
    );
}

/// Somebody has made true, while the instance was suspended, what leads into a loop. It stays suspended until that is put right.
#[test]
fn instance_goes_on_again_only_if_what_has_come_true_comes_to_rest() {
    let event = condition("", "= n > 0");
    check(
        &format!(
            "<startEvent id='s'/><intermediateCatchEvent id='c'>{event}</intermediateCatchEvent><exclusiveGateway id='head'/>\
             <exclusiveGateway id='tail' default='tail_u'/><userTask id='u'/>{{s>c>head>tail}}{{tail>head ? n = 1}}{{tail>u}}"
        ),
        r#"
            start
            suspend
            set {"n": 1}
            activate
            set {"n": 2}
            activate
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              condition c !4
            > suspend
              suspended: true
            > set {"n": 1}
              n = 1
            > activate
              failed: STEP_LIMIT: one unit of work entered more than 100000 elements; a loop without a wait state?
            > set {"n": 2}
              n = 2
            > activate
              suspended: false
              subscription !4 gone
              - #3
              + head #5
              - #5
              + tail #6
              - #6
              + u #7
              task u !8 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn start_is_asked_for_with_variables() {
    let filter = " camunda:variableName='n'";
    let definition = parse(&format!("<startEvent id='s'>{}</startEvent><userTask id='u'/>{{s>u}}", condition(filter, "${n > 1}")));
    let start = definition.find("s").unwrap();
    let holds = |json| start_condition_holds(&definition, start, &variables(json), 0.into());
    assert_eq!(holds(r#"{"n": 2}"#), Ok(true));
    assert_eq!(holds(r#"{"n": 1}"#), Ok(false));
    assert_eq!(holds(r#"{"m": 2}"#), Ok(false));
    assert!(holds(r#"{"n": "x"}"#).is_err());
    assert_eq!(start_condition_holds(&definition, definition.find("u").unwrap(), &variables(""), 0.into()), Ok(false));
}

#[test]
fn condition_that_its_own_path_makes_true_again_ends_at_the_bound() {
    let task = "<task id='again'><extensionElements><camunda:inputOutput><camunda:outputParameter name='n'>= n + 1</camunda:outputParameter>\
                </camunda:inputOutput></extensionElements></task>";
    let definition = parse(&format!(
        "<startEvent id='s'/><userTask id='u'/>{{s>u}}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>{}\
         </startEvent>{task}{{vs>again}}</subProcess>",
        condition("", "= n > 1")
    ));
    let mut run = Run::new(&definition);
    run.line("start");
    let input = Input::SetVariables { scope: run.instance.root(), set: variables(r#"{"n": 2}"#), remove: Vec::new(), local: true };
    let stop = step(&definition, &mut run.instance, input, 0);
    assert!(matches!(&stop, Err(Stop::Failed(failure)) if failure.code == Code::StepLimit), "{stop:?}");
}

/// A change is asked about everywhere before the next: so many are not even listed.
#[test]
fn conditions_that_would_be_asked_too_often_fail_the_unit_before_any_is() {
    let event = |nth: u32| {
        format!(
            "<boundaryEvent id='b{nth}' attachedToRef='w' cancelActivity='false'><conditionalEventDefinition><condition>= never</condition>\
             </conditionalEventDefinition></boundaryEvent><task id='t{nth}'/>{{b{nth}>t{nth}}}"
        )
    };
    let events: String = (0..200).map(event).collect();
    let definition = parse(&format!("<startEvent id='s'/><task id='f'/><userTask id='w'/><userTask id='a'/>{{s>f}}{{f>w}}{{f>a}}{events}"));
    let variables = |many: u32| (0..many).map(|nth| format!("\"v{nth}\": 1")).collect::<Vec<_>>().join(", ");
    let mut run = Run::new(&definition);
    run.line("start");
    run.line(&format!("complete a {{{}}}", variables(501)));
    assert!(run.trace.contains("failed: STEP_LIMIT: one unit of work would ask conditions, or bring signals, more than"), "{}", run.trace);
    run.line(&format!("complete a {{{}}}", variables(400)));
    assert_eq!(run.instance.tasks().count(), 1, "{}", run.trace);
}
