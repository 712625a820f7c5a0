//! Events: by kind, in each of their places.

use super::{A, B, Case, PLAIN, run};

const SIGNAL: &str = "<signal id='sig' name='sig'/>";
const TWO_SIGNALS: &str = "<signal id='x' name='x'/><signal id='y' name='y'/>";
const ESCALATION: &str = "<escalation id='esc' name='esc' escalationCode='E'/>";
const ERROR: &str = "<error id='err' name='err' errorCode='E'/>";

/// A sub-process in which an event is thrown between `t1` and `t2`, a boundary event on it that leads to `t3`, and `t4` behind.
macro_rules! thrown_inside {
    ($boundary:literal, $catch:literal, $throw:literal) => {
        concat!(
            "<subProcess id='p1'><intermediateThrowEvent id='th'>",
            $throw,
            "</intermediateThrowEvent>{s1>t1>th>t2>e1}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p1'",
            $boundary,
            ">",
            $catch,
            "</boundaryEvent>{s>p1>t4>e}{b>t3>e3}"
        )
    };
}

/// A sub-process that ends by throwing, and a boundary event on it that leads to `t1`.
macro_rules! thrown_at_the_end {
    ($catch:literal, $throw:literal) => {
        concat!(
            "<subProcess id='p1'><endEvent id='e1'>",
            $throw,
            "</endEvent>{s1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1'>",
            $catch,
            "</boundaryEvent>{s>p1>t2>e}{b>t1>e3}"
        )
    };
}

/// A sub-process with an event sub-process inside that does `t2`; something is thrown before `t1`; `t3` behind.
macro_rules! watched {
    ($start:literal, $inside:literal) => {
        concat!(
            "<subProcess id='p1'>",
            $inside,
            "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'",
            $start,
            "</startEvent>{vs>t2>ev}</subProcess></subProcess>{s>p1>t3>e}"
        )
    };
}

#[tokio::test]
async fn errors_and_links() {
    run(&[
        Case {
            name: "an error caught on a sub-process",
            beside: ERROR,
            process: "<subProcess id='p1'><endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}</subProcess>\
                      <boundaryEvent id='b' attachedToRef='p1'><errorEventDefinition errorRef='err'/></boundaryEvent>{s>p1>t3>e}{b>t2>e2}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "an error caught on a transaction",
            beside: ERROR,
            process: "<transaction id='p1'><endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}</transaction>\
                      <boundaryEvent id='b' attachedToRef='p1'><errorEventDefinition errorRef='err'/></boundaryEvent>{s>p1>t3>e}{b>t2>e2}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "an error that nothing catches",
            beside: ERROR,
            process: "<endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s>t1>e1}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "an error that begins an event sub-process, and then all goes on",
            beside: ERROR,
            process: watched!("><errorEventDefinition errorRef='err'/>", "<endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}"),
            runs: &[(PLAIN, "123")],
        },
        Case {
            name: "a link",
            beside: "",
            process: "<intermediateThrowEvent id='th'><linkEventDefinition name='l'/></intermediateThrowEvent><intermediateCatchEvent id='c'>\
                      <linkEventDefinition name='l'/></intermediateCatchEvent>{s>th}{c>t1>e}",
            runs: &[(PLAIN, "1")],
        },
    ])
    .await;
}

#[tokio::test]
async fn terminations() {
    run(&[Case {
        name: "of all other branches",
        beside: "<message id='m' name='m'/>",
        process: "<parallelGateway id='g'/><endEvent id='e1'><terminateEventDefinition/></endEvent><receiveTask id='r' messageRef='m'/>\
                  {s>g}{g>r>t1>e}{g>e1}",
        runs: &[(PLAIN, "")],
    }])
    .await;
}

#[tokio::test]
async fn escalations() {
    run(&[
        Case {
            name: "that interrupts a sub-process",
            beside: ESCALATION,
            process: thrown_inside!(
                "",
                "<escalationEventDefinition escalationRef='esc'/>",
                "<escalationEventDefinition escalationRef='esc'/>"
            ),
            runs: &[(PLAIN, "13")],
        },
        Case {
            name: "that does not",
            beside: ESCALATION,
            process: thrown_inside!(
                " cancelActivity='false'",
                "<escalationEventDefinition escalationRef='esc'/>",
                "<escalationEventDefinition escalationRef='esc'/>"
            ),
            runs: &[(PLAIN, "~1234")],
        },
        Case {
            name: "at the end of a sub-process",
            beside: ESCALATION,
            process: thrown_at_the_end!(
                "<escalationEventDefinition escalationRef='esc'/>",
                "<escalationEventDefinition escalationRef='esc'/>"
            ),
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "at the end of a called process",
            beside: "<escalation id='esc' name='esc' escalationCode='E'/><process id='called' isExecutable='true'><endEvent id='e1'>\
                     <escalationEventDefinition escalationRef='esc'/></endEvent>{s1>e1}</process>",
            process: "<callActivity id='c' calledElement='called'/><boundaryEvent id='b' attachedToRef='c'><escalationEventDefinition \
                      escalationRef='esc'/></boundaryEvent>{s>c>t2>e}{b>t1>e2}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "that begins an interrupting event sub-process",
            beside: ESCALATION,
            process: watched!(
                "><escalationEventDefinition escalationRef='esc'/>",
                "<intermediateThrowEvent id='th'><escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent>{s1>th>t1>e1}"
            ),
            runs: &[(PLAIN, "23")],
        },
        Case {
            name: "that begins one beside",
            beside: ESCALATION,
            process: watched!(
                " isInterrupting='false'><escalationEventDefinition escalationRef='esc'/>",
                "<intermediateThrowEvent id='th'><escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent>{s1>th>t1>e1}"
            ),
            runs: &[(PLAIN, "~123")],
        },
    ])
    .await;
}

#[tokio::test]
async fn signals() {
    run(&[
        Case {
            name: "that interrupts a sub-process",
            beside: SIGNAL,
            process: thrown_inside!("", "<signalEventDefinition signalRef='sig'/>", "<signalEventDefinition signalRef='sig'/>"),
            runs: &[(PLAIN, "13")],
        },
        Case {
            name: "that does not",
            beside: SIGNAL,
            process: thrown_inside!(
                " cancelActivity='false'",
                "<signalEventDefinition signalRef='sig'/>",
                "<signalEventDefinition signalRef='sig'/>"
            ),
            runs: &[(PLAIN, "~1234")],
        },
        Case {
            name: "at the end of a sub-process",
            beside: SIGNAL,
            process: thrown_at_the_end!("<signalEventDefinition signalRef='sig'/>", "<signalEventDefinition signalRef='sig'/>"),
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "from one branch to another",
            beside: SIGNAL,
            process: "<parallelGateway id='g'/><intermediateCatchEvent id='c'><signalEventDefinition signalRef='sig'/></intermediateCatchEvent>\
                      <intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s>g}{g>c>t1>e1}{g>th>e2}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "that begins another process",
            beside: "<signal id='sig' name='sig'/><process id='q' isExecutable='true'><startEvent id='qs'><signalEventDefinition \
                     signalRef='sig'/></startEvent>{qs>t2>eq}</process>",
            process: "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s>th>t1>e}",
            runs: &[(PLAIN, "~12")],
        },
        Case {
            name: "at the end, that begins another process",
            beside: "<signal id='sig' name='sig'/><process id='q' isExecutable='true'><startEvent id='qs'><signalEventDefinition \
                     signalRef='sig'/></startEvent>{qs>t2>eq}</process>",
            process: "<endEvent id='e1'><signalEventDefinition signalRef='sig'/></endEvent>{s>t1>e1}",
            runs: &[(PLAIN, "~12")],
        },
        Case {
            name: "to a process that waits",
            beside: "<signal id='sig' name='sig'/><process id='q' isExecutable='true'><startEvent id='sq'/><intermediateCatchEvent id='c'>\
                     <signalEventDefinition signalRef='sig'/></intermediateCatchEvent>{sq>c>t2>eq}</process>",
            process: "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s>th>t1>e}",
            runs: &[(PLAIN, "~12")],
        },
        Case {
            name: "that begins an interrupting event sub-process",
            beside: SIGNAL,
            process: watched!(
                "><signalEventDefinition signalRef='sig'/>",
                "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s1>th>t1>e1}"
            ),
            runs: &[(PLAIN, "23")],
        },
        Case {
            name: "that begins one beside",
            beside: SIGNAL,
            process: watched!(
                " isInterrupting='false'><signalEventDefinition signalRef='sig'/>",
                "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s1>th>t1>e1}"
            ),
            runs: &[(PLAIN, "~123")],
        },
    ])
    .await;
}

#[tokio::test]
async fn conditions() {
    run(&[
        Case {
            name: "before going on",
            beside: "",
            process: "<intermediateCatchEvent id='c'><conditionalEventDefinition><condition xsi:type='tFormalExpression'>= contains(test, \"a\")\
                      </condition></conditionalEventDefinition></intermediateCatchEvent>{s>c>t1>e}",
            runs: &[(A, "1"), (B, "!")],
        },
        Case {
            name: "that interrupts a sub-process",
            beside: "",
            process: "<subProcess id='p1'>{s1>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1'><conditionalEventDefinition>\
                      <condition>= contains(test, \"a\")</condition></conditionalEventDefinition></boundaryEvent>{s>p1>t2>e}{b>t3>e3}",
            runs: &[(A, "3"), (B, "12")],
        },
        Case {
            name: "that does not",
            beside: "",
            process: "<subProcess id='p1'>{s1>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1' cancelActivity='false'>\
                      <conditionalEventDefinition><condition>= contains(test, \"a\")</condition></conditionalEventDefinition></boundaryEvent>\
                      {s>p1>t2>e}{b>t3>e3}",
            runs: &[(A, "~123"), (B, "12")],
        },
        Case {
            name: "that begins an interrupting event sub-process",
            beside: "",
            process: "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><conditionalEventDefinition><condition>\
                      = contains(test, \"a\")</condition></conditionalEventDefinition></startEvent>{vs>t1>ev}</subProcess>{s>t2>e}",
            runs: &[(A, "1"), (B, "2")],
        },
        Case {
            name: "that begins one beside",
            beside: "",
            process: "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'><conditionalEventDefinition>\
                      <condition>= contains(test, \"a\")</condition></conditionalEventDefinition></startEvent>{vs>t1>ev}</subProcess>{s>t2>e}",
            runs: &[(A, "~12"), (B, "2")],
        },
    ])
    .await;
}

#[tokio::test]
async fn compensations() {
    run(&[
        Case {
            name: "of a cancelled transaction, which leaves by its boundary event",
            beside: "",
            process: "<transaction id='p1'><endEvent id='e1'><cancelEventDefinition/></endEvent>{s1>t1>e1}</transaction>\
                      <boundaryEvent id='b' attachedToRef='p1'><cancelEventDefinition/></boundaryEvent>{s>p1>t3>e}{b>t2>e2}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "of what a cancelled transaction did",
            beside: "",
            process: "<transaction id='p1'><task id='t1'/><boundaryEvent id='bc' attachedToRef='t1'><compensateEventDefinition/></boundaryEvent>\
                      <task id='t2' isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' targetRef='t2'/>\
                      <endEvent id='e1'><cancelEventDefinition/></endEvent>{s1>t1>e1}</transaction>\
                      <boundaryEvent id='b' attachedToRef='p1'><cancelEventDefinition/></boundaryEvent>{s>p1>e}{b>e2}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "of a sub-process",
            beside: "",
            process: "<subProcess id='p1'>{s1>t1>e1}</subProcess><boundaryEvent id='bc' attachedToRef='p1'><compensateEventDefinition/>\
                      </boundaryEvent><task id='t2' isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' \
                      targetRef='t2'/><intermediateThrowEvent id='th'><compensateEventDefinition/></intermediateThrowEvent>{s>p1>th>e}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "at the end of a sub-process",
            beside: "",
            process: "<subProcess id='p1'><task id='t1'/><boundaryEvent id='bc' attachedToRef='t1'><compensateEventDefinition/></boundaryEvent>\
                      <task id='t2' isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' targetRef='t2'/>\
                      <endEvent id='e1'><compensateEventDefinition/></endEvent>{s1>t1>e1}</subProcess>{s>p1>e}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "at the end",
            beside: "",
            process: "<task id='t1'/><boundaryEvent id='bc' attachedToRef='t1'><compensateEventDefinition/></boundaryEvent>\
                      <task id='t2' isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' targetRef='t2'/>\
                      <endEvent id='e1'><compensateEventDefinition/></endEvent>{s>t1>e1}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "on the way",
            beside: "",
            process: "<task id='t1'/><boundaryEvent id='bc' attachedToRef='t1'><compensateEventDefinition/></boundaryEvent>\
                      <task id='t2' isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' targetRef='t2'/>\
                      <intermediateThrowEvent id='th'><compensateEventDefinition activityRef='t1'/></intermediateThrowEvent>{s>t1>th>t3>e}",
            runs: &[(PLAIN, "123")],
        },
        Case {
            name: "by an event sub-process",
            beside: "",
            process: "<subProcess id='p1'>{s1>t1>e1}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'>\
                      <compensateEventDefinition/></startEvent>{vs>t2>ev}</subProcess></subProcess>\
                      <intermediateThrowEvent id='th'><compensateEventDefinition/></intermediateThrowEvent>{s>p1>th>e}",
            runs: &[(PLAIN, "12")],
        },
    ])
    .await;
}

#[tokio::test]
async fn timers() {
    run(&[
        Case {
            name: "before going on",
            beside: "",
            process: "<intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>\
                      </intermediateCatchEvent>{s>c>t1>e}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "that interrupts a sub-process",
            beside: "",
            process: "<subProcess id='p1'><intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
                      </timerEventDefinition></intermediateCatchEvent>{s1>c>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1'>\
                      <timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition></boundaryEvent>{s>p1>t2>e}{b>t3>e3}",
            runs: &[(PLAIN, "3")],
        },
        Case {
            name: "that does not",
            beside: "",
            process: "<subProcess id='p1'><intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
                      </timerEventDefinition></intermediateCatchEvent>{s1>c>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1' \
                      cancelActivity='false'><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition></boundaryEvent>\
                      {s>p1>t2>e}{b>t3>e3}",
            runs: &[(PLAIN, "312")],
        },
        Case {
            name: "that does not, four times",
            beside: "",
            process: "<subProcess id='p1'><intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
                      </timerEventDefinition></intermediateCatchEvent>{s1>c>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1' \
                      cancelActivity='false'><timerEventDefinition><timeCycle>R4/PT5S</timeCycle></timerEventDefinition></boundaryEvent>\
                      {s>p1>t2>e}{b>t3>e3}",
            runs: &[(PLAIN, "333312")],
        },
        Case {
            name: "that begins an interrupting event sub-process",
            beside: "",
            process: watched!(
                "><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>",
                "<intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
                 </intermediateCatchEvent>{s1>c>t1>e1}"
            ),
            runs: &[(PLAIN, "23")],
        },
        Case {
            name: "that begins one beside",
            beside: "",
            process: watched!(
                " isInterrupting='false'><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>",
                "<intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
                 </intermediateCatchEvent>{s1>c>t1>e1}"
            ),
            runs: &[(PLAIN, "213")],
        },
        Case {
            name: "that begins one beside, four times",
            beside: "",
            process: watched!(
                " isInterrupting='false'><timerEventDefinition><timeCycle>R4/PT5S</timeCycle></timerEventDefinition>",
                "<intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
                 </intermediateCatchEvent>{s1>c>t1>e1}"
            ),
            runs: &[(PLAIN, "222213")],
        },
    ])
    .await;
}

#[tokio::test]
async fn multiple_events() {
    run(&[
        Case {
            name: "two at once",
            beside: TWO_SIGNALS,
            process: "<parallelGateway id='g'/><intermediateCatchEvent id='c' parallelMultiple='true'><signalEventDefinition signalRef='x'/>\
                      <signalEventDefinition signalRef='y'/></intermediateCatchEvent><intermediateThrowEvent id='tx'><signalEventDefinition \
                      signalRef='x'/></intermediateThrowEvent><intermediateThrowEvent id='ty'><signalEventDefinition signalRef='y'/>\
                      </intermediateThrowEvent>{s>g}{g>c>t1>e1}{g>tx>ty>e2}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "two at once, of which one is missing",
            beside: TWO_SIGNALS,
            process: "<parallelGateway id='g'/><intermediateCatchEvent id='c' parallelMultiple='true'><signalEventDefinition signalRef='x'/>\
                      <signalEventDefinition signalRef='y'/></intermediateCatchEvent><intermediateThrowEvent id='tx'><signalEventDefinition \
                      signalRef='x'/></intermediateThrowEvent>{s>g}{g>c>t1>e1}{g>tx>e2}",
            runs: &[(PLAIN, "!")],
        },
        Case {
            name: "the first of two",
            beside: TWO_SIGNALS,
            process: "<parallelGateway id='g'/><intermediateCatchEvent id='c'><signalEventDefinition signalRef='x'/><signalEventDefinition \
                      signalRef='y'/></intermediateCatchEvent><intermediateThrowEvent id='tx'><signalEventDefinition signalRef='x'/>\
                      </intermediateThrowEvent>{s>g}{g>c>t1>e1}{g>tx>e2}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "the last of two",
            beside: TWO_SIGNALS,
            process: "<parallelGateway id='g'/><intermediateCatchEvent id='c'><signalEventDefinition signalRef='x'/><signalEventDefinition \
                      signalRef='y'/></intermediateCatchEvent><intermediateThrowEvent id='ty'><signalEventDefinition signalRef='y'/>\
                      </intermediateThrowEvent>{s>g}{g>c>t1>e1}{g>ty>e2}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "none of two",
            beside: TWO_SIGNALS,
            process: "<intermediateCatchEvent id='c'><signalEventDefinition signalRef='x'/><signalEventDefinition signalRef='y'/>\
                      </intermediateCatchEvent>{s>c>t1>e1}",
            runs: &[(PLAIN, "!")],
        },
        Case {
            name: "both thrown by one event",
            beside: TWO_SIGNALS,
            process: "<parallelGateway id='g'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/></intermediateCatchEvent>\
                      <intermediateCatchEvent id='cy'><signalEventDefinition signalRef='y'/></intermediateCatchEvent>\
                      <intermediateThrowEvent id='th'><signalEventDefinition signalRef='x'/><signalEventDefinition signalRef='y'/>\
                      </intermediateThrowEvent>{s>g}{g>cx>t1>e1}{g>cy>t2>e2}{g>th>e3}",
            runs: &[(PLAIN, "~12")],
        },
    ])
    .await;
}

#[tokio::test]
async fn event_definitions_by_reference() {
    run(&[
        Case {
            name: "an error at the end",
            beside: "<error id='err' name='err' errorCode='E'/><errorEventDefinition id='def' errorRef='err'/>",
            process: "<endEvent id='e1'><eventDefinitionRef>def</eventDefinitionRef></endEvent>{s>t1>e1}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "an error that begins an event sub-process",
            beside: "<error id='err' name='err' errorCode='E'/><errorEventDefinition id='def' errorRef='err'/>",
            process: watched!(
                "><eventDefinitionRef>def</eventDefinitionRef>",
                "<endEvent id='e1'><eventDefinitionRef>def</eventDefinitionRef></endEvent>{s1>t1>e1}"
            ),
            runs: &[(PLAIN, "123")],
        },
        Case {
            name: "a signal on a sub-process",
            beside: "<signal id='sig' name='sig'/><signalEventDefinition id='def' signalRef='sig'/>",
            process: thrown_inside!(
                " cancelActivity='false'",
                "<eventDefinitionRef>def</eventDefinitionRef>",
                "<signalEventDefinition signalRef='sig'/>"
            ),
            runs: &[(PLAIN, "~1234")],
        },
        Case {
            name: "a moment",
            beside: "<timerEventDefinition id='def'><timeDuration>PT5S</timeDuration></timerEventDefinition>",
            process: "<intermediateCatchEvent id='c'><eventDefinitionRef>def</eventDefinitionRef></intermediateCatchEvent>{s>c>t1>e}",
            runs: &[(PLAIN, "1")],
        },
    ])
    .await;
}
