//! Calls, loops, several instances, ad-hoc, transactions, numbers of tokens.

use super::{Case, PLAIN, REFUSED, run};

/// A script task that counts in `n`, with these loop characteristics.
macro_rules! counting {
    ($loops:literal) => {
        concat!(
            "<scriptTask id='t1' scriptFormat='feel'><extensionElements><zeebe:script expression='=n + 1' resultVariable='n'/>\
             </extensionElements><standardLoopCharacteristics",
            $loops,
            "</standardLoopCharacteristics></scriptTask>{s>t1>t2>e}"
        )
    };
}

const WHILE_LESS_THAN_THREE: &str = counting!("><loopCondition xsi:type='tFormalExpression'>= n &lt; 3</loopCondition>");

const AS_OFTEN_AS_MISSING: &[(&str, &str)] = &[(r#"{"n": 3}"#, "12"), (r#"{"n": 1}"#, "112"), (r#"{"n": 0}"#, "1112")];

/// A signal that a boundary event on `t1` waits for, which is thrown by the behaviour of `t1`'s instances.
pub(super) const THROWN: &str = "<signal id='sig' name='one is done'/><signalEventDefinition id='def' signalRef='sig'/>";

/// A task `t1` with these multi-instance characteristics, and a boundary event on it that leads to `t3` and does not say that it does not
/// interrupt.
macro_rules! several {
    ($loops:literal) => {
        concat!(
            "<task id='t1'><multiInstanceLoopCharacteristics",
            $loops,
            "</multiInstanceLoopCharacteristics></task><boundaryEvent id='b' attachedToRef='t1'><signalEventDefinition id='caught' signalRef='sig'/>\
             </boundaryEvent>{s>t1>t2>e}{b>t3>e3}"
        )
    };
}
pub(super) use several;

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "CallActivity_Process",
        beside: "<process id='called' isExecutable='true'>{s1>t1>e1}</process><collaboration id='c1'><participant id='p1' processRef='p'/>\
                 <participant id='p2' processRef='called'/></collaboration>",
        process: "<callActivity id='c' calledElement='called'/>{s>c>t2>e}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "CallActivity_GlobalTask",
        beside: "<globalScriptTask id='t1'><script>= 1</script></globalScriptTask>",
        process: "<callActivity id='c' calledElement='t1'/>{s>c>t2>e}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "MultiInstance_SubProcess",
        beside: "",
        process: "<subProcess id='p1'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>3</loopCardinality>\
                  </multiInstanceLoopCharacteristics>{s1>t1>e1}</subProcess>{s>p1>t2>e}",
        runs: &[(PLAIN, "1112")],
    },
    Case {
        name: "MultiInstance_Task",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality></multiInstanceLoopCharacteristics></task>\
                  {s>t1>t2>e}",
        runs: &[(PLAIN, "1112")],
    },
    Case {
        name: "MultiInstance_Sequential",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>3</loopCardinality>\
                  </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
        runs: &[(PLAIN, "1112")],
    },
    Case {
        name: "MultiInstance_Parallel",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics isSequential='false'><loopCardinality>3</loopCardinality>\
                  </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
        runs: &[(PLAIN, "1112")],
    },
    Case {
        name: "MultiInstance_NoneBehavior",
        beside: THROWN,
        process: several!(" isSequential='true' behavior='None' noneBehaviorEventRef='def'><loopCardinality>3</loopCardinality>"),
        runs: &[(PLAIN, "1313132")],
    },
    Case {
        name: "MultiInstance_OneBehavior",
        beside: THROWN,
        process: several!(" isSequential='true' behavior='One' oneBehaviorEventRef='def'><loopCardinality>3</loopCardinality>"),
        runs: &[(PLAIN, "13112")],
    },
    Case {
        name: "MultiInstance_AllBehavior",
        beside: THROWN,
        process: several!(" isSequential='true' behavior='All'><loopCardinality>3</loopCardinality>"),
        runs: &[(PLAIN, "1112")],
    },
    Case {
        name: "MultiInstance_ComplexBehavior",
        beside: THROWN,
        process: several!(
            " isSequential='true' behavior='Complex'><loopCardinality>3</loopCardinality><complexBehaviorDefinition><condition>= true</condition>\
             <event><signalEventDefinition signalRef='sig'/></event></complexBehaviorDefinition>"
        ),
        runs: &[(PLAIN, "~123")],
    },
    Case { name: "Loop_Task", beside: "", process: WHILE_LESS_THAN_THREE, runs: AS_OFTEN_AS_MISSING },
    Case { name: "Loop_ConditionOnly", beside: "", process: WHILE_LESS_THAN_THREE, runs: AS_OFTEN_AS_MISSING },
    Case {
        name: "Loop_SubProcess",
        beside: "",
        process: "<subProcess id='p1'><standardLoopCharacteristics><loopCondition>= n &lt; 3</loopCondition></standardLoopCharacteristics>\
                  <scriptTask id='t1' scriptFormat='feel'><extensionElements><zeebe:script expression='=n + 1' resultVariable='n'/>\
                  </extensionElements></scriptTask>{s1>t1>e1}</subProcess>{s>p1>t2>e}",
        runs: AS_OFTEN_AS_MISSING,
    },
    Case {
        name: "Loop_Maximum",
        beside: "",
        process: counting!(" loopMaximum='3'><loopCondition>= true</loopCondition>"),
        runs: &[(r#"{"n": 0}"#, "1112")],
    },
    Case {
        name: "Loop_NoIteration_TestBeforeFalse",
        beside: "",
        process: counting!(" testBefore='false'><loopCondition>= false</loopCondition>"),
        runs: &[(r#"{"n": 0}"#, "12")],
    },
    Case {
        name: "Loop_NoIteration_TestBeforeTrue",
        beside: "",
        process: counting!(" testBefore='true'><loopCondition>= false</loopCondition>"),
        runs: &[(r#"{"n": 0}"#, "2")],
    },
    Case { name: "SubProcess", beside: "", process: "<subProcess id='p1'>{s1>t1>e1}</subProcess>{s>p1>t2>e}", runs: &[(PLAIN, "12")] },
    Case { name: "Transaction", beside: "", process: "<transaction id='p1'>{s1>t1>e1}</transaction>{s>p1>t2>e}", runs: &[(PLAIN, "12")] },
    Case {
        name: "AdHocSubProcess_Sequential",
        beside: "",
        process: "<adHocSubProcess id='p1' ordering='Sequential'><task id='t1'/><task id='t2'/></adHocSubProcess>{s>p1>t3>e}",
        runs: &[(PLAIN, "123")],
    },
    Case {
        name: "AdHocSubProcess_Parallel",
        beside: "",
        process: "<adHocSubProcess id='p1' ordering='Parallel'><task id='t1'/><task id='t2'/></adHocSubProcess>{s>p1>t3>e}",
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "Token_Cardinality_Explicit",
        beside: "",
        process: "<task id='t1' completionQuantity='2'/><task id='t2' startQuantity='1' completionQuantity='1'/><task id='t3' startQuantity='2'/>\
                  {s>t1>t2>t3>e}",
        runs: &[(PLAIN, "~1223")],
    },
    Case {
        name: "Token_Cardinality_Default",
        beside: "",
        process: "<task id='t1' completionQuantity='2'/><task id='t3' startQuantity='2'/>{s>t1>t2>t3>e}",
        runs: &[(PLAIN, "~1223")],
    },
    Case {
        name: "Token_Cardinality_Split_Default",
        beside: "",
        process: "{s>t1}{t1>t2}{t1>t3}{t2>t4}{t3>t4}{t4>e}",
        runs: &[(PLAIN, "~12344")],
    },
    Case {
        name: "Token_Cardinality_Split_Explicit",
        beside: "",
        process: "<task id='t4' startQuantity='2'/>{s>t1}{t1>t2}{t1>t3}{t2>t4}{t3>t4}{t4>e}",
        runs: &[(PLAIN, "~1234")],
    },
];

const OURS: &[Case] = &[
    Case {
        name: "what catches the event of each instance does not interrupt",
        beside: THROWN,
        process: "<task id='t1'><multiInstanceLoopCharacteristics behavior='None' noneBehaviorEventRef='def'><loopCardinality>3</loopCardinality>\
                  </multiInstanceLoopCharacteristics></task><boundaryEvent id='b' attachedToRef='t1' cancelActivity='false'>\
                  <signalEventDefinition signalRef='sig'/></boundaryEvent>{s>t1>t2>e}{b>t3>e3}",
        runs: &[(PLAIN, "~1112333")],
    },
    Case {
        name: "a condition says when an instance throws, and another one when all is done",
        beside: THROWN,
        process: "<task id='t1'><multiInstanceLoopCharacteristics isSequential='true' behavior='Complex'><loopCardinality>3</loopCardinality>\
                  <complexBehaviorDefinition id='cb'><condition xsi:type='tFormalExpression'>= nrOfCompletedInstances = 1</condition>\
                  <event id='ev' name='done'><signalEventDefinition id='sd' signalRef='sig'/></event></complexBehaviorDefinition>\
                  <completionCondition>= nrOfCompletedInstances = 2</completionCondition></multiInstanceLoopCharacteristics></task>\
                  <boundaryEvent id='b' attachedToRef='t1' cancelActivity='false'><signalEventDefinition signalRef='sig'/></boundaryEvent>\
                  {s>t1>t2>e}{b>t3>e3}",
        runs: &[(PLAIN, "1312")],
    },
    Case {
        name: "a loop of a cardinality that is no number",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics><loopCardinality>three</loopCardinality></multiInstanceLoopCharacteristics></task>\
                  {s>t1>e}",
        runs: &[(PLAIN, REFUSED)],
    },
];

#[tokio::test]
async fn activities() {
    run(SUITE).await;
    run(OURS).await;
}
