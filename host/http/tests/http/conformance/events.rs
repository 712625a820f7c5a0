//! Cancel, conditional, error, escalation, link and terminate events; definitions by reference.

use super::{A, B, Case, PLAIN, run};

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
pub(super) use thrown_inside;

/// A sub-process that ends by throwing, and a boundary event on it that leads to `t1`.
macro_rules! thrown_at_the_end {
    ($catch:literal, $throw:literal) => {
        concat!(
            "<subProcess id='p1'><endEvent id='e1'>",
            $throw,
            "</endEvent>{s1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1'>",
            $catch,
            "</boundaryEvent>{s>p1>e}{b>t1>e3}"
        )
    };
}
pub(super) use thrown_at_the_end;

/// A sub-process with an event sub-process inside that does this; something is thrown in it; what is behind.
macro_rules! watched {
    ($start:literal, $inside:literal, $does:literal, $behind:literal) => {
        concat!(
            "<subProcess id='p1'>",
            $inside,
            "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'",
            $start,
            "</startEvent>{vs>",
            $does,
            ">ev}</subProcess></subProcess>{s>p1>",
            $behind,
            "e}"
        )
    };
}
pub(super) use watched;

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "Cancel_Event",
        beside: "",
        process: "<transaction id='p1'><endEvent id='e1'><cancelEventDefinition/></endEvent>{s1>t1>e1}</transaction>\
                  <boundaryEvent id='b' attachedToRef='p1'><cancelEventDefinition/></boundaryEvent>{s>p1>e}{b>t2>e2}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "Conditional_IntermediateEvent",
        beside: "",
        process: "<intermediateCatchEvent id='c'><conditionalEventDefinition><condition xsi:type='tFormalExpression'>= contains(test, \"a\")\
                  </condition></conditionalEventDefinition></intermediateCatchEvent>{s>c>t1>e}",
        runs: &[(A, "1"), (B, "!")],
    },
    Case {
        name: "Conditional_BoundaryEvent_SubProcess_Interrupting",
        beside: "",
        process: "<subProcess id='p1'>{s1>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1'><conditionalEventDefinition>\
                  <condition>= contains(test, \"a\")</condition></conditionalEventDefinition></boundaryEvent>{s>p1>t2>e}{b>t3>e3}",
        runs: &[(A, "3"), (B, "12")],
    },
    Case {
        name: "Conditional_BoundaryEvent_SubProcess_NonInterrupting",
        beside: "",
        process: "<subProcess id='p1'>{s1>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1' cancelActivity='false'>\
                  <conditionalEventDefinition><condition>= contains(test, \"a\")</condition></conditionalEventDefinition></boundaryEvent>\
                  {s>p1>t2>e}{b>t3>e3}",
        runs: &[(A, "~123"), (B, "12")],
    },
    Case {
        name: "Conditional_StartEvent_EventSubProcess_Interrupting",
        beside: "",
        process: watched!(
            "><conditionalEventDefinition><condition>= contains(test, \"a\")</condition></conditionalEventDefinition>",
            "{s1>t2>e1}",
            "t1",
            ""
        ),
        runs: &[(A, "1")],
    },
    Case {
        name: "Conditional_StartEvent_EventSubProcess_NonInterrupting",
        beside: "",
        process: watched!(
            " isInterrupting='false'><conditionalEventDefinition><condition>= contains(test, \"a\")</condition></conditionalEventDefinition>",
            "{s1>t2>e1}",
            "t1",
            ""
        ),
        runs: &[(A, "~12")],
    },
    Case {
        name: "Error_BoundaryEvent_SubProcess_Interrupting",
        beside: ERROR,
        process: "<subProcess id='p1'><endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}</subProcess>\
                  <boundaryEvent id='b' attachedToRef='p1'><errorEventDefinition errorRef='err'/></boundaryEvent>{s>p1>t3>e}{b>t2>e2}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "Error_BoundaryEvent_Transaction_Interrupting",
        beside: ERROR,
        process: "<transaction id='p1'><endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}</transaction>\
                  <boundaryEvent id='b' attachedToRef='p1'><errorEventDefinition errorRef='err'/></boundaryEvent>{s>p1>t3>e}{b>t2>e2}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "Error_EndEvent_TopLevel",
        beside: ERROR,
        process: "<endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s>t1>e1}",
        runs: &[(PLAIN, "1E")],
    },
    Case {
        name: "Error_StartEvent_EventSubProcess_Interrupting",
        beside: ERROR,
        process: watched!(
            "><errorEventDefinition errorRef='err'/>",
            "<endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}",
            "t2",
            "t3>"
        ),
        runs: &[(PLAIN, "123")],
    },
    Case {
        name: "Escalation_BoundaryEvent_SubProcess_Interrupting",
        beside: ESCALATION,
        process: thrown_inside!("", "<escalationEventDefinition escalationRef='esc'/>", "<escalationEventDefinition escalationRef='esc'/>"),
        runs: &[(PLAIN, "13")],
    },
    Case {
        name: "Escalation_BoundaryEvent_SubProcess_NonInterrupting",
        beside: ESCALATION,
        process: thrown_inside!(
            " cancelActivity='false'",
            "<escalationEventDefinition escalationRef='esc'/>",
            "<escalationEventDefinition escalationRef='esc'/>"
        ),
        runs: &[(PLAIN, "~1234")],
    },
    Case {
        name: "Escalation_EndEvent_SubProcess",
        beside: ESCALATION,
        process: thrown_at_the_end!("<escalationEventDefinition escalationRef='esc'/>", "<escalationEventDefinition escalationRef='esc'/>"),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Escalation_EndEvent_TopLevel",
        beside: "<escalation id='esc' name='esc' escalationCode='E'/><process id='called' isExecutable='true'><endEvent id='e1'>\
                 <escalationEventDefinition escalationRef='esc'/></endEvent>{s1>e1}</process>",
        process: "<callActivity id='c' calledElement='called'/><boundaryEvent id='b' attachedToRef='c'><escalationEventDefinition \
                  escalationRef='esc'/></boundaryEvent>{s>c>t2>e}{b>t1>e2}",
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Escalation_IntermediateThrowEvent",
        beside: ESCALATION,
        process: "<subProcess id='p1'><intermediateThrowEvent id='th'><escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent>\
                  {s1>th>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1' cancelActivity='false'><escalationEventDefinition \
                  escalationRef='esc'/></boundaryEvent>{s>p1>e}{b>t1>e2}",
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Escalation_StartEvent_EventSubProcess_Interrupting",
        beside: ESCALATION,
        process: watched!(
            " isInterrupting='true'><escalationEventDefinition escalationRef='esc'/>",
            "<intermediateThrowEvent id='th'><escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent>{s1>th>t1>e1}",
            "t2",
            ""
        ),
        runs: &[(PLAIN, "2")],
    },
    Case {
        name: "Escalation_StartEvent_EventSubProcess_NonInterrupting",
        beside: ESCALATION,
        process: watched!(
            " isInterrupting='false'><escalationEventDefinition escalationRef='esc'/>",
            "<intermediateThrowEvent id='th'><escalationEventDefinition escalationRef='esc'/></intermediateThrowEvent>{s1>th>t1>e1}",
            "t2",
            "t3>"
        ),
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "Link_Event",
        beside: "",
        process: "<intermediateThrowEvent id='th'><linkEventDefinition name='l'/></intermediateThrowEvent><intermediateCatchEvent id='c'>\
                  <linkEventDefinition name='l'/></intermediateCatchEvent>{s>th}{c>t1>e}",
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Terminate_Event",
        beside: "",
        process: "<parallelGateway id='g'/><endEvent id='e1'><terminateEventDefinition/></endEvent><intermediateCatchEvent id='c'>\
                  <timerEventDefinition><timeDuration>PT1S</timeDuration></timerEventDefinition></intermediateCatchEvent>{s>g}{g>c>t1>e}{g>e1}",
        runs: &[(PLAIN, "")],
    },
    Case {
        name: "EventDefinitionRef_Error_EndEvent_TopLevel",
        beside: "<error id='err' name='err' errorCode='E'/><errorEventDefinition id='def' errorRef='err'/>",
        process: "<endEvent id='e1'><eventDefinitionRef>def</eventDefinitionRef></endEvent>{s>t1>e1}",
        runs: &[(PLAIN, "1E")],
    },
    Case {
        name: "EventDefinitionRef_Error_StartEvent_EventSubProcess_Interrupting",
        beside: "<error id='err' name='err' errorCode='E'/><errorEventDefinition id='def' errorRef='err'/>",
        process: watched!(
            "><eventDefinitionRef>def</eventDefinitionRef>",
            "<endEvent id='e1'><eventDefinitionRef>def</eventDefinitionRef></endEvent>{s1>t1>e1}",
            "t2",
            "t3>"
        ),
        runs: &[(PLAIN, "123")],
    },
    Case {
        name: "EventDefinitionRef_Signal_BoundaryEvent_SubProcess_NonInterrupting",
        beside: "<signal id='sig' name='sig'/><signalEventDefinition id='def' signalRef='sig'/>",
        process: thrown_inside!(
            " cancelActivity='false'",
            "<eventDefinitionRef>def</eventDefinitionRef>",
            "<eventDefinitionRef>def</eventDefinitionRef>"
        ),
        runs: &[(PLAIN, "~1234")],
    },
    Case {
        name: "EventDefinitionRef_Timer_IntermediateEvent",
        beside: "<timerEventDefinition id='def'><timeDuration>PT5S</timeDuration></timerEventDefinition>",
        process: "<intermediateCatchEvent id='c'><eventDefinitionRef>def</eventDefinitionRef></intermediateCatchEvent>{s>c>t1>e}",
        runs: &[(PLAIN, "1")],
    },
];

const OURS: &[Case] = &[
    Case {
        name: "a condition that is false begins no event sub-process",
        beside: "",
        process: watched!(
            "><conditionalEventDefinition><condition>= contains(test, \"a\")</condition></conditionalEventDefinition>",
            "{s1>t2>e1}",
            "t1",
            ""
        ),
        runs: &[(B, "2")],
    },
    Case {
        name: "an escalation that nothing catches, at the end of a process that nobody has called",
        beside: ESCALATION,
        process: "<endEvent id='e1'><escalationEventDefinition escalationRef='esc'/></endEvent>{s>t1>e1}",
        runs: &[(PLAIN, "1")],
    },
];

#[tokio::test]
async fn events() {
    run(SUITE).await;
    run(OURS).await;
}
