//! The workflow control-flow patterns 1 to 20, but for those that BPMN has no answer to (15 and 18).

use super::activities::{THROWN, several};
use super::gateways::between;
use super::{A, AB, ABC, AC, B, BC, C, Case, PLAIN, run};

/// Two or three of three tasks, the third only if neither of the others.
macro_rules! choice {
    ($gateway:literal) => {
        concat!(
            "<",
            $gateway,
            " id='g' default='g_t3'/>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}{g>t3}{t1>e1}{t2>e2}{t3>e3}"
        )
    };
}

const CHOICES: &[(&str, &str)] = &[(A, "1"), (B, "2"), (C, "3"), (AB, "~12"), (AC, "1"), (BC, "2"), (ABC, "~12")];

const MERGE: &str = "<inclusiveGateway id='g'/><exclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}\
                     {g>t3 ? contains(test, \"c\")}{t1>j}{t2>j}{t3>j}{j>t4>e}";

const MERGED: &[(&str, &str)] = &[(A, "14"), (B, "24"), (C, "34"), (AB, "~1244"), (AC, "~1344"), (BC, "~2344"), (ABC, "~123444")];

pub(super) const SUITE: &[Case] = &[
    Case { name: "WCP01_Sequence", beside: "", process: "{s>t0>t1>e}", runs: &[(PLAIN, "01")] },
    Case { name: "WCP02_ParallelSplit", beside: "", process: "<parallelGateway id='g'/>{s>g}{g>t1>e1}{g>t2>e2}", runs: &[(PLAIN, "~12")] },
    Case {
        name: "WCP03_Synchronization",
        beside: "",
        process: "<parallelGateway id='g'/><parallelGateway id='j'/>{s>g}{g>t1>j}{g>t2>j}{j>t3>e}",
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "WCP04_ExclusiveChoice",
        beside: "",
        process: choice!("exclusiveGateway"),
        runs: &[(A, "1"), (AB, "1"), (B, "2"), (C, "3")],
    },
    Case { name: "WCP05_SimpleMerge", beside: "", process: MERGE, runs: MERGED },
    Case { name: "WCP06_MultiChoice_InclusiveGateway", beside: "", process: choice!("inclusiveGateway"), runs: CHOICES },
    Case {
        name: "WCP06_MultiChoice_Implicit",
        beside: "",
        process: "<task id='tb' default='tb_t3'/>{s>tb}{tb>t1 ? contains(test, \"a\")}{tb>t2 ? contains(test, \"b\")}{tb>t3}{t1>e1}{t2>e2}{t3>e3}",
        runs: CHOICES,
    },
    Case { name: "WCP06_MultiChoice_ComplexGateway", beside: "", process: choice!("complexGateway"), runs: CHOICES },
    Case {
        name: "WCP07_StructuredSynchronizingMerge",
        beside: "",
        process: between!("inclusiveGateway", "inclusiveGateway"),
        runs: &[(A, "13"), (B, "23"), (AB, "~123")],
    },
    Case { name: "WCP08_MultiMerge", beside: "", process: MERGE, runs: MERGED },
    Case {
        name: "WCP09_Structured_Discriminator_ComplexGateway",
        beside: "",
        process: "<parallelGateway id='g'/><complexGateway id='j'><activationCondition>= activationCount &gt;= 1</activationCondition>\
                  </complexGateway>{s>g}{g>t1>j}{g>t2>j}{j>t3>e}",
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "WCP09_Structured_Discriminator_MultiInstance",
        beside: THROWN,
        process: several!(" isSequential='true' behavior='One' oneBehaviorEventRef='def'><loopCardinality>3</loopCardinality>"),
        runs: &[(PLAIN, "~11123")],
    },
    Case {
        name: "WCP10_ArbitraryCycles",
        beside: "",
        process: "<exclusiveGateway id='a'/><exclusiveGateway id='b'/><exclusiveGateway id='c' default='c_t2'/><exclusiveGateway id='d' \
                  default='d_e'/><scriptTask id='count' scriptFormat='feel'><extensionElements><zeebe:script expression='=n + 1' \
                  resultVariable='n'/></extensionElements></scriptTask>{s>a>t1>b>count>c}{c>a ? n < 2}{c>t2>d}{d>b ? n < 3}{d>e}",
        runs: &[(r#"{"n": 2}"#, "12"), (r#"{"n": 1}"#, "122"), (r#"{"n": 0}"#, "1122")],
    },
    Case { name: "WCP11_ImplicitTermination", beside: "", process: "{s>t1>e}", runs: &[(PLAIN, "1")] },
    Case {
        name: "WCP12_MultipleInstancesWithoutSynchronization",
        beside: "<signal id='sig' name='one is done'/>",
        process: several!(" isSequential='false' behavior='None' noneBehaviorEventRef='caught'><loopCardinality>3</loopCardinality>"),
        runs: &[(PLAIN, "~1112333")],
    },
    Case {
        name: "WCP13_MultipleInstancesWithAPrioriDesignTimeKnowledge",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics behavior='All'><loopCardinality>3</loopCardinality>\
                  </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
        runs: &[(PLAIN, "1112")],
    },
    Case {
        name: "WCP14_MultipleInstancesWithAPrioriRuntimeKnowledge",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics behavior='All'><loopCardinality>= n</loopCardinality>\
                  </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
        runs: &[(r#"{"n": 3}"#, "1112")],
    },
    Case {
        name: "WCP16_DeferredChoice",
        beside: "<signal id='x' name='x'/><signal id='y' name='y'/>",
        process: "<parallelGateway id='g'/><eventBasedGateway id='w'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/>\
                  </intermediateCatchEvent><intermediateCatchEvent id='cy'><signalEventDefinition signalRef='y'/></intermediateCatchEvent>\
                  <intermediateThrowEvent id='tx'><signalEventDefinition signalRef='x'/></intermediateThrowEvent>\
                  <intermediateThrowEvent id='ty'><signalEventDefinition signalRef='y'/></intermediateThrowEvent>\
                  <intermediateCatchEvent id='pause'><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>\
                  </intermediateCatchEvent><exclusiveGateway id='d'/>{s>g}{g>pause>d}{d>t1 ? contains(test, \"a\")}{d>t2 ? contains(test, \"b\")}\
                  {t1>tx>e1}{t2>ty>e2}{g>w}{w>cx>t3>e3}{w>cy>t4>e4}",
        runs: &[(A, "~13"), (B, "~24")],
    },
    Case {
        name: "WCP17_InterleavedParallelRouting",
        beside: "",
        process: "<adHocSubProcess id='p1' ordering='Sequential' cancelRemainingInstances='true'><task id='t1'/><task id='t2'/></adHocSubProcess>\
                  {s>p1>t3>e}",
        runs: &[(PLAIN, "123")],
    },
    Case {
        name: "WCP20_CancelCaseError",
        beside: "<error id='err' name='err' errorCode='E'/>",
        process: "<subProcess id='p1'><endEvent id='e1'><errorEventDefinition errorRef='err'/></endEvent>{s1>t1>e1}</subProcess>\
                  <boundaryEvent id='b' attachedToRef='p1'><errorEventDefinition errorRef='err'/></boundaryEvent>{s>p1>t3>e}{b>t2>e2}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "WCP20_CancelCaseCancel",
        beside: "",
        process: "<transaction id='p1'><endEvent id='e1'><cancelEventDefinition/></endEvent>{s1>t1>e1}</transaction>\
                  <boundaryEvent id='b' attachedToRef='p1'><cancelEventDefinition/></boundaryEvent>{s>p1>e}{b>t2>e2}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "WCP20_CancelCaseTerminate",
        beside: "",
        process: "<parallelGateway id='g'/><endEvent id='e1'><terminateEventDefinition/></endEvent><intermediateCatchEvent id='c'>\
                  <timerEventDefinition><timeDuration>PT1S</timeDuration></timerEventDefinition></intermediateCatchEvent>{s>g}{g>c>t1>e}{g>e1}",
        runs: &[(PLAIN, "")],
    },
];

#[tokio::test]
async fn patterns() {
    run(SUITE).await;
}
