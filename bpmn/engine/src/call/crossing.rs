//! Traces of what passes between a caller and a called instance.

use expect_test::expect;

use crate::limits::MAX_DEFERRED_REPORTS;
use crate::testing::{Run, check, parse};
use crate::{Caller, Catch, CatchKind, Effect, Input, InstanceId, News, Report, Stop, Variables, WaitId, step};

/// A call activity with an error, a catch-all of escalations that does not interrupt, and one that does.
pub(crate) const WATCHED: &str = "<startEvent id='s'/><callActivity id='c' calledElement='other'><extensionElements><camunda:out source='r' target='r'/>\
    </extensionElements></callActivity><boundaryEvent id='b' attachedToRef='c'><errorEventDefinition errorRef='err' \
    camunda:errorCodeVariable='code' camunda:errorMessageVariable='text'/></boundaryEvent><boundaryEvent id='n' attachedToRef='c' \
    cancelActivity='false'><escalationEventDefinition escalationRef='esc'/></boundaryEvent><boundaryEvent id='i' attachedToRef='c'>\
    <escalationEventDefinition escalationRef='esc2'/></boundaryEvent><boundaryEvent id='t' attachedToRef='c'><timerEventDefinition>\
    <timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><userTask id='u'/><userTask id='caught'/><userTask id='noted'/>\
    {s>c>u}{b>caught}{i>caught}{t>caught}{n>noted}";

/// The wait 4 of the instance 7.
pub(crate) fn caller(depth: u32, catches: Vec<Catch>) -> Caller {
    let instance = InstanceId(uuid::Uuid::from_u128(7));
    Caller { instance, wait: WaitId(4), root: instance, depth, catches }
}

#[test]
fn what_is_heard_while_suspended_or_deferred_is_taken_up_in_its_order() {
    check(
        WATCHED,
        r#"
            start
            suspend
            hear c escalation LATE {"r": 1}
            hear c completed {"r": 2}
            leaves
            hear c completed
            activate
            leaves
            fail !6
            leaves
            run !6
            run !7
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              job Timer t !4 due 60000, 3 left, 0 failed
              #3 calls
              process call c !5 'other' Latest {}
            > suspend
              suspended: true
            > hear c escalation LATE {"r": 1}
              job Return c !6 due 0, 3 left, 0 failed
            > hear c completed {"r": 2}
            > leaves
              c #3: suspended until 0
            > hear c completed
              rejected: nothing waits under number 5
            > activate
              suspended: false
            > leaves
              c #3: job, attempt 1, 3 left, due 0 until 0
            > fail !6
              job Return c !6 due 5567, 2 left, 1 failed
            > leaves
              c #3: job, attempt 2, 2 left, due 5567 until 5567
            > run !6
              job !6 gone
              job Return c !7 due 0, 3 left, 0 failed
              r = 2
              + n #8
              - #8
              + noted #9
              task noted !10 of nobody users [] groups []
            > run !7
              job !7 gone
              job !4 gone
              - #3
              + u #11
              task u !12 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn what_is_deferred_sets_and_begins_nothing_before_its_job() {
    check(
        &format!(
            "<startEvent id='s'/><callActivity id='c' calledElement='other'><extensionElements><camunda:out source='r' target='r'/>\
             <camunda:out source='r' target='own' local='true'/></extensionElements></callActivity><userTask id='u'/>{{s>c>u}}{}",
            crate::testing::watching(
                " isInterrupting='false'",
                "<conditionalEventDefinition><condition>= r &gt; 0</condition></conditionalEventDefinition>"
            )
        ),
        r#"
            start
            hear-deferred c escalation LATE {"r": 1}
            hear-deferred c completed {"r": 2}
            run c
        "#,
        expect![[r#"
            > start
              started at s
              condition vs !2
              + s #3
              - #3
              + c #4
              #4 calls
              process call c !5 'other' Latest {}
            > hear-deferred c escalation LATE {"r": 1}
              job Return c !6 due 0, 3 left, 0 failed
            > hear-deferred c completed {"r": 2}
            > run c
              job !6 gone
              job Return c !7 due 0, 3 left, 0 failed
              r = 2
              own = 2 in #4
              + v #8
              + vs #9 in #8
              - #9
              + handle #10 in #8
              task handle !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instance_ends_once_also_when_its_last_change_has_begun_something() {
    let model = |inside: &str| {
        format!(
            "<startEvent id='s'/><task id='a'><extensionElements><camunda:inputOutput><camunda:outputParameter name='x'>= 1\
             </camunda:outputParameter></camunda:inputOutput></extensionElements></task>{{s>a}}<subProcess id='v' triggeredByEvent='true'>\
             <startEvent id='vs' isInterrupting='false'><conditionalEventDefinition><condition>= x = 1</condition></conditionalEventDefinition>\
             </startEvent><endEvent id='ve'>{inside}</endEvent>{{vs>ve}}</subProcess>"
        )
    };
    for (inside, told) in [("", "Completed"), ("<errorEventDefinition errorRef='err'/>", "Error")] {
        let definition = parse(&model(inside));
        let mut run = Run::called(&definition, caller(1, vec![Catch { kind: CatchKind::Error, code: None }]));
        run.line("start");
        assert!(run.trace.contains(&format!("tell caller !4: 1 {told}")), "{}", run.trace);
        assert!(!run.trace.contains("tell caller !4: 2"), "{}", run.trace);
        assert_eq!(run.trace.matches("ended: ").count(), 1, "{}", run.trace);
    }
}

#[test]
fn call_that_is_over_and_deferred_ends_nothing_when_it_is_left() {
    check(
        WATCHED,
        "start\n hear-deferred c completed\n run t",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              job Timer t !4 due 60000, 3 left, 0 failed
              #3 calls
              process call c !5 'other' Latest {}
            > hear-deferred c completed
              job Return c !6 due 0, 3 left, 0 failed
            > run t
              job !4 gone
              job !6 gone
              - #3 canceled
              + t #7
              - #7
              + caught #8
              task caught !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn deletion_of_the_called_instance_takes_with_it_what_only_waited_for_it() {
    check(
        "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><callActivity id='c' calledElement='o'/>{ps>c}</subProcess>{s>p}",
        "start\n hear c deleted",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + p #3
          + ps #4 in #3
          - #4
          + c #5 in #3
          #5 calls
          process call c !6 'o' Latest {}
        > hear c deleted
          - #5 canceled
          - #3 canceled
          ended: ExternallyTerminated (no more)
          end
    "#]],
    );
    check(
        "<startEvent id='s'/><parallelGateway id='f'/><callActivity id='c' calledElement='o'/><userTask id='u'/>{s>f}{f>c}{f>u}",
        "start\n hear c deleted",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + f #3
          - #3
          + c #4
          #4 calls
          process call c !5 'o' Latest {}
          + u #6
          task u !7 of nobody users [] groups []
        > hear c deleted
          - #4 canceled
    "#]],
    );
}

#[test]
fn deletion_of_the_called_instance_maps_nothing_that_the_call_would_have_brought() {
    let call = "<callActivity id='c' calledElement='o'><extensionElements><camunda:out source='r' target='r'/><camunda:inputOutput>\
                <camunda:outputParameter name='sum'>${r + 1}</camunda:outputParameter></camunda:inputOutput></extensionElements></callActivity>";
    check(
        &format!("<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/>{call}{{ps>c}}</subProcess>{{s>p}}"),
        "start\n hear c deleted",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + c #5 in #3
              #5 calls
              process call c !6 'o' Latest {}
            > hear c deleted
              - #5 canceled
              - #3 canceled
              ended: ExternallyTerminated (no more)
              end
        "#]],
    );
    // The scope that is done with that maps its own, and goes on.
    check(
        &format!(
            "<startEvent id='s'/><adHocSubProcess id='p'><extensionElements><camunda:inputOutput><camunda:outputParameter name='o'>${{n}}\
             </camunda:outputParameter></camunda:inputOutput></extensionElements>{call}<userTask id='v'/><completionCondition>= n = 2\
             </completionCondition></adHocSubProcess><userTask id='z'/>{{s>p>z}}"
        ),
        "start {\"n\": 1}\n set {\"n\": 2}\n hear c deleted",
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + p #3
              + c #6 in #3
              #6 calls
              process call c !7 'o' Latest {}
              + v #8 in #3
              task v !9 of nobody users [] groups []
            > set {"n": 2}
              n = 2
            > hear c deleted
              - #6 canceled
              task !9 gone
              - #8 canceled
              o = 2
              - #3
              + z #10
              task z !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn escalations_that_nothing_catches_are_deferred_with_what_came_before() {
    check(
        "<startEvent id='s'/><callActivity id='c' calledElement='o'><extensionElements><camunda:out source='r' target='r'/></extensionElements>\
         </callActivity><boundaryEvent id='b' attachedToRef='c' cancelActivity='false'><escalationEventDefinition escalationRef='esc2'/>\
         </boundaryEvent>{s>c}",
        r#"
            start
            suspend
            hear c escalation LATE {"r": 1}
            hear c escalation LATER {"r": 2}
            hear c escalation LOST {"r": 3}
            hear c escalation LATE {"r": 4}
            hear c escalation LATER {"r": 5}
            hear c escalation LATE {"r": 6}
            hear c completed {"r": 7}
            activate
            run c
            run c
            run c
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              #3 calls
              process call c !4 'o' Latest {}
            > suspend
              suspended: true
            > hear c escalation LATE {"r": 1}
              job Return c !5 due 0, 3 left, 0 failed
            > hear c escalation LATER {"r": 2}
            > hear c escalation LOST {"r": 3}
            > hear c escalation LATE {"r": 4}
            > hear c escalation LATER {"r": 5}
            > hear c escalation LATE {"r": 6}
            > hear c completed {"r": 7}
            > activate
              suspended: false
            > run c
              job !5 gone
              job Return c !6 due 0, 3 left, 0 failed
              r = 7
            > run c
              job !6 gone
              job Return c !7 due 0, 3 left, 0 failed
              + b #8
              - #8
            > run c
              job !7 gone
              - #3
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn escalations_that_are_caught_are_deferred_up_to_a_bound() {
    let definition = parse(
        "<startEvent id='s'/><callActivity id='c' calledElement='o'/><boundaryEvent id='b' attachedToRef='c' cancelActivity='false'>\
         <escalationEventDefinition/></boundaryEvent>{s>c}",
    );
    let mut run = Run::new(&definition);
    run.line("start");
    run.line("suspend");
    let wait = run.instance.calls().next().expect("it calls").wait;
    let mut hear = |number| {
        let report = Report { number, news: News::Escalation { code: None, ended: false }, variables: Variables::new() };
        step(&definition, &mut run.instance, Input::Called { wait, report: Box::new(report), chain: crate::Chain::AtOnce }, 0)
    };
    let bound = u64::try_from(MAX_DEFERRED_REPORTS).expect("it is small");
    for number in 1..=bound {
        hear(number).expect("it is deferred");
    }
    let stop = hear(bound + 1);
    assert!(matches!(&stop, Err(Stop::Failed(failure)) if failure.message.contains("10000 reports")), "{stop:?}");
}

#[test]
fn called_instance_tells_how_it_ends() {
    let definition = parse("<startEvent id='s'/><userTask id='u'/>{s>u}");
    let mut run = Run::called(&definition, caller(1, Vec::new()));
    for line in ["start {\"a\": 1}", "complete u {\"b\": 2}"] {
        run.line(line);
    }
    expect![[r#"
        > start {"a": 1}
          started at s
          a = 1
          + s #2
          - #2
          + u #3
          task u !4 of nobody users [] groups []
        > complete u {"b": 2}
          task !4 gone
          b = 2
          - #3
          tell caller !4: 1 Completed {a: 1, b: 2}
          ended: Completed
          end
    "#]]
    .assert_eq(&run.trace);
    for last in ["cancel gone", "end"] {
        let mut run = Run::called(&definition, caller(1, Vec::new()));
        for line in ["start", last, last] {
            run.line(line);
        }
        let told = run.trace.contains("tell caller !4: 1 Deleted");
        assert_eq!(told, last != "end", "{}", run.trace);
        assert!(run.trace.ends_with("rejected: the instance has ended\n"), "{}", run.trace);
    }
    let mut run = Run::new(&definition);
    for line in ["start", "end"] {
        run.line(line);
    }
    assert!(run.trace.contains("rejected: the instance was not called"), "{}", run.trace);
}

#[test]
fn what_is_caught_around_the_call_ends_the_called_instance_and_all_else_does_not() {
    let definition = parse(
        "<startEvent id='s'/><parallelGateway id='f'/><userTask id='u'/><serviceTask id='x' camunda:type='external' camunda:topic='t'/>\
         <subProcess id='p'><startEvent id='ps'/><userTask id='q'/><endEvent id='e'><errorEventDefinition errorRef='err'/></endEvent>\
         {ps>q>e}</subProcess><userTask id='v'/><intermediateThrowEvent id='esc1'><escalationEventDefinition escalationRef='esc'/>\
         </intermediateThrowEvent><endEvent id='end'/>{s>f}{f>u}{f>x}{f>p}{f>v>esc1>end}",
    );
    let error = Catch { kind: CatchKind::Error, code: Some("E".into()) };
    let escalation = |interrupting| Catch { kind: CatchKind::Escalation { interrupting }, code: None };
    let after = |catches: Vec<Catch>, line: &str| {
        let mut run = Run::called(&definition, caller(1, catches));
        run.line("start");
        run.trace.clear();
        run.line(line);
        run.trace
    };
    expect![[r#"
        > complete q
          task !11 gone
          - #10
          + e #14 in #8
          - #14 canceled
          task !5 gone
          - #4 canceled
          external task !7 gone
          - #6 canceled
          - #8 canceled
          task !13 gone
          - #12 canceled
          tell caller !4: 1 Error { code: "E", message: None } {}
          ended: InternallyTerminated
          end
    "#]]
    .assert_eq(&after(vec![error.clone()], "complete q"));
    expect![[r#"
        > throw x E {"why": "sold out"}
          why = "sold out"
          task !5 gone
          - #4 canceled
          external task !7 gone
          - #6 canceled
          task !11 gone
          - #10 canceled
          - #8 canceled
          task !13 gone
          - #12 canceled
          tell caller !4: 1 Error { code: "E", message: Some("no") } {why: "sold out"}
          ended: InternallyTerminated
          end
    "#]]
    .assert_eq(&after(vec![error.clone()], "throw x E {\"why\": \"sold out\"}"));
    expect![[r#"
        > throw x OTHER
          external task x !7 't' priority 0, 0 left, 1 failed: BPMN error 'OTHER', which nothing catches: no
          incident 14 of !7 at x, attempt 1: EXTERNAL_TASK_FAILED: BPMN error 'OTHER', which nothing catches: no
    "#]]
    .assert_eq(&after(vec![error.clone()], "throw x OTHER"));
    expect![[r#"
        > complete v
          task !13 gone
          - #12
          + esc1 #14
          tell caller !4: 1 Escalation { code: Some("LATE"), ended: false } {}
          - #14
          + end #15
          - #15
    "#]]
    .assert_eq(&after(vec![error, escalation(false), escalation(true)], "complete v"));
    expect![[r#"
        > complete v
          task !13 gone
          - #12
          + esc1 #14
          task !5 gone
          - #4 canceled
          external task !7 gone
          - #6 canceled
          task !11 gone
          - #10 canceled
          - #8 canceled
          - #14 canceled
          tell caller !4: 1 Escalation { code: Some("LATE"), ended: true } {}
          ended: InternallyTerminated
          end
    "#]]
    .assert_eq(&after(vec![escalation(true)], "complete v"));
    expect![[r#"
        > complete v
          task !13 gone
          - #12
          + esc1 #14
          tell caller !4: 1 Escalation { code: Some("LATE"), ended: false } {}
          - #14
          + end #15
          - #15
    "#]]
    .assert_eq(&after(Vec::new(), "complete v"));
}

#[test]
fn caller_says_what_is_caught_around_it_nearest_and_exact_first() {
    let model = format!(
        "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><callActivity id='c' calledElement='other'/>\
         <boundaryEvent id='any' attachedToRef='c'><errorEventDefinition/></boundaryEvent><boundaryEvent id='one' attachedToRef='c'>\
         <errorEventDefinition errorRef='err'/></boundaryEvent>{{ps>c}}{}</subProcess><boundaryEvent id='o' attachedToRef='p' \
         cancelActivity='false'><escalationEventDefinition escalationRef='esc2'/></boundaryEvent>{{s>p}}",
        crate::testing::watching("", "<escalationEventDefinition escalationRef='esc'/>")
    );
    let definition = parse(&model);
    let mut instance = Run::called(&definition, caller(2, vec![Catch { kind: CatchKind::Error, code: Some("FAR".into()) }])).instance;
    let start =
        crate::Input::Start { element: definition.find("s").unwrap(), variables: crate::Variables::new(), chain: crate::Chain::AtOnce };
    let effects = crate::step(&definition, &mut instance, start, 0).unwrap();
    let call = effects.iter().find_map(|effect| if let Effect::CallProcess(call) = effect { Some(call) } else { None }).unwrap();
    assert_eq!((call.caller.depth, call.caller.root, call.caller.instance), (3, InstanceId(uuid::Uuid::from_u128(7)), instance.id()));
    assert_eq!((call.id, instance.called_by(call.activity)), (InstanceId::called(instance.id(), call.wait), Some(call.id)));
    let catches: Vec<_> = call.caller.catches.iter().map(|it| format!("{:?} {}", it.kind, it.code.as_deref().unwrap_or("*"))).collect();
    expect![[r#"
        Error E
        Error *
        Escalation { interrupting: true } LATE
        Escalation { interrupting: false } LOST
        Error FAR"#]]
    .assert_eq(&catches.join("\n"));
}

#[test]
fn call_is_undone_and_undoes_as_any_activity() {
    check(
        "<startEvent id='s'/><callActivity id='c' calledElement='book'/><boundaryEvent id='undo' attachedToRef='c'><compensateEventDefinition/>\
         </boundaryEvent><callActivity id='h' calledElement='unbook' isForCompensation='true'/><association id='a' sourceRef='undo' targetRef='h'/>\
         <intermediateThrowEvent id='t'><compensateEventDefinition/></intermediateThrowEvent><userTask id='u'/>{s>c>t>u}",
        "
            start
            hear c completed
            leaves
            hear h completed
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              #3 calls
              process call c !4 'book' Latest {}
            > hear c completed
              - #3
              + t #6
              + h #7
              #7 calls
              process call h !8 'unbook' Latest {}
            > leaves
              h #7: called instance of 'unbook'
            > hear h completed
              - #7
              - #6
              + u #9
              task u !10 of nobody users [] groups []
        "#]],
    );
}
