//! Signals, and events with several definitions.

use super::events::{thrown_at_the_end, thrown_inside, watched};
use super::{Case, PLAIN, run};

const SIGNAL: &str = "<signal id='sig' name='sig'/>";
const TWO_SIGNALS: &str = "<signal id='x' name='x'/><signal id='y' name='y'/>";

/// A branch that waits for two signals and then does `t1`, beside one that throws this.
macro_rules! waits_for_two {
    ($parallel:literal, $throws:literal) => {
        concat!(
            "<parallelGateway id='g'/><intermediateCatchEvent id='c'",
            $parallel,
            "><signalEventDefinition signalRef='x'/><signalEventDefinition signalRef='y'/></intermediateCatchEvent>{s>g}{g>c>t1>e1}",
            $throws
        )
    };
}

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "Signal_BoundaryEvent_SubProcess_Interrupting",
        beside: SIGNAL,
        process: thrown_inside!("", "<signalEventDefinition signalRef='sig'/>", "<signalEventDefinition signalRef='sig'/>"),
        runs: &[(PLAIN, "13")],
    },
    Case {
        name: "Signal_BoundaryEvent_SubProcess_NonInterrupting",
        beside: SIGNAL,
        process: thrown_inside!(
            " cancelActivity='false'",
            "<signalEventDefinition signalRef='sig'/>",
            "<signalEventDefinition signalRef='sig'/>"
        ),
        runs: &[(PLAIN, "~1234")],
    },
    Case {
        name: "Signal_EndEvent_SubProcess",
        beside: SIGNAL,
        process: thrown_at_the_end!("<signalEventDefinition signalRef='sig'/>", "<signalEventDefinition signalRef='sig'/>"),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Signal_IntermediateEvent_ThrowAndCatch",
        beside: SIGNAL,
        process: "<parallelGateway id='g'/><intermediateCatchEvent id='c'><signalEventDefinition signalRef='sig'/></intermediateCatchEvent>\
                  <intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s>g}{g>c>t1>e1}{g>th>e2}",
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Signal_StartEvent",
        beside: "<signal id='sig' name='sig'/><process id='q' isExecutable='true'><startEvent id='qs'><signalEventDefinition \
                 signalRef='sig'/></startEvent>{qs>t2>eq}</process>",
        process: "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s>th>t1>e}",
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "Signal_EndEvent",
        beside: "<signal id='sig' name='sig'/><process id='q' isExecutable='true'><startEvent id='qs'><signalEventDefinition \
                 signalRef='sig'/></startEvent>{qs>t2>eq}</process>",
        process: "<endEvent id='e1'><signalEventDefinition signalRef='sig'/></endEvent>{s>t1>e1}",
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "Signal_IntermediateEvent",
        beside: "<signal id='sig' name='sig'/><process id='q' isExecutable='true'><startEvent id='sq'/><intermediateCatchEvent id='c'>\
                 <signalEventDefinition signalRef='sig'/></intermediateCatchEvent>{sq>c>t2>eq}</process>",
        process: "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s>th>t1>e}",
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "Signal_StartEvent_EventSubProcess_Interrupting",
        beside: SIGNAL,
        process: watched!(
            " isInterrupting='true'><signalEventDefinition signalRef='sig'/>",
            "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s1>th>t1>e1}",
            "t2",
            ""
        ),
        runs: &[(PLAIN, "2")],
    },
    Case {
        name: "Signal_StartEvent_EventSubProcess_NonInterrupting",
        beside: SIGNAL,
        process: watched!(
            " isInterrupting='false'><signalEventDefinition signalRef='sig'/>",
            "<intermediateThrowEvent id='th'><signalEventDefinition signalRef='sig'/></intermediateThrowEvent>{s1>th>t1>e1}",
            "t2",
            "t3>"
        ),
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "Multiple_Parallel_IntermediateEvent",
        beside: TWO_SIGNALS,
        process: waits_for_two!(
            " parallelMultiple='true'",
            "<intermediateThrowEvent id='tx'><signalEventDefinition signalRef='x'/></intermediateThrowEvent><intermediateThrowEvent id='ty'>\
             <signalEventDefinition signalRef='y'/></intermediateThrowEvent>{g>tx>ty>e2}"
        ),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Multiple_IntermediateEvent_ThrowFirstEventDefinition",
        beside: TWO_SIGNALS,
        process: waits_for_two!(
            "",
            "<intermediateThrowEvent id='tx'><signalEventDefinition signalRef='x'/></intermediateThrowEvent>{g>tx>e2}"
        ),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Multiple_IntermediateEvent_ThrowLastEventDefinition",
        beside: TWO_SIGNALS,
        process: waits_for_two!(
            "",
            "<intermediateThrowEvent id='ty'><signalEventDefinition signalRef='y'/></intermediateThrowEvent>{g>ty>e2}"
        ),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Multiple_IntermediateThrowEvent",
        beside: TWO_SIGNALS,
        process: "<parallelGateway id='g'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/></intermediateCatchEvent>\
                  <intermediateCatchEvent id='cy'><signalEventDefinition signalRef='y'/></intermediateCatchEvent>\
                  <intermediateThrowEvent id='th'><signalEventDefinition signalRef='x'/><signalEventDefinition signalRef='y'/>\
                  </intermediateThrowEvent>{s>g}{g>cx>t1>e1}{g>cy>t2>e2}{g>th>e3}",
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "Multiple_IntermediateEvent_MissingEvent",
        beside: TWO_SIGNALS,
        process: waits_for_two!("", "{g>e2}"),
        runs: &[(PLAIN, "!")],
    },
    Case {
        name: "Multiple_Parallel_IntermediateEvent_MissingEvent",
        beside: TWO_SIGNALS,
        process: waits_for_two!(
            " parallelMultiple='true'",
            "<intermediateThrowEvent id='tx'><signalEventDefinition signalRef='x'/></intermediateThrowEvent>{g>tx>e2}"
        ),
        runs: &[(PLAIN, "!")],
    },
];

#[tokio::test]
async fn signals() {
    run(SUITE).await;
}
