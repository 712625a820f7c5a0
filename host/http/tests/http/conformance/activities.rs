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

/// A signal that a boundary event on `t1` waits for, which is thrown by the behaviour of `t1`'s instances.
const THROWN: &str = "<signal id='sig' name='one is done'/><signalEventDefinition id='def' signalRef='sig'/>";

/// A task `t1` with these multi-instance characteristics, and a boundary event on it that leads to `t3`.
macro_rules! several {
    ($loops:literal) => {
        concat!(
            "<task id='t1'><multiInstanceLoopCharacteristics isSequential='true'",
            $loops,
            "</multiInstanceLoopCharacteristics></task><boundaryEvent id='b' attachedToRef='t1' cancelActivity='false'>\
             <signalEventDefinition signalRef='sig'/></boundaryEvent>{s>t1>t2>e}{b>t3>e3}"
        )
    };
}

#[tokio::test]
async fn calls() {
    run(&[
        Case {
            name: "another process",
            beside: "<process id='called' isExecutable='true'>{s1>t1>e1}</process>",
            process: "<callActivity id='c' calledElement='called'/>{s>c>t2>e}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "a global task",
            beside: "<globalScriptTask id='t1'><script>= 1</script></globalScriptTask>",
            process: "<callActivity id='c' calledElement='t1'/>{s>c>t2>e}",
            runs: &[(PLAIN, "12")],
        },
    ])
    .await;
}

#[tokio::test]
async fn several_instances() {
    run(&[
        Case {
            name: "of a sub-process",
            beside: "",
            process: "<subProcess id='p1'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>3</loopCardinality>\
                      </multiInstanceLoopCharacteristics>{s1>t1>e1}</subProcess>{s>p1>t2>e}",
            runs: &[(PLAIN, "1112")],
        },
        Case {
            name: "of a task, side by side",
            beside: "",
            process: "<task id='t1'><multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality>\
                      </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
            runs: &[(PLAIN, "1112")],
        },
        Case {
            name: "of a task, one behind the other",
            beside: "",
            process: "<task id='t1'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>3</loopCardinality>\
                      </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
            runs: &[(PLAIN, "1112")],
        },
        Case {
            name: "each of which throws",
            beside: THROWN,
            process: several!(" behavior='None' noneBehaviorEventRef='def'><loopCardinality>3</loopCardinality>"),
            runs: &[(PLAIN, "~1113332")],
        },
        Case {
            name: "the first of which throws",
            beside: THROWN,
            process: several!(" behavior='One' oneBehaviorEventRef='def'><loopCardinality>3</loopCardinality>"),
            runs: &[(PLAIN, "~11132")],
        },
        Case {
            name: "none of which throws",
            beside: THROWN,
            process: several!(" behavior='All'><loopCardinality>3</loopCardinality>"),
            runs: &[(PLAIN, "1112")],
        },
        Case {
            name: "which throw when a condition says so",
            beside: THROWN,
            process: several!(
                " behavior='Complex'><loopCardinality>3</loopCardinality><complexBehaviorDefinition id='cb'><condition \
                 xsi:type='tFormalExpression'>= nrOfCompletedInstances = 1</condition><event id='ev' name='done'>\
                 <signalEventDefinition id='sd' signalRef='sig'/></event></complexBehaviorDefinition>\
                 <completionCondition>= nrOfCompletedInstances = 1</completionCondition>"
            ),
            runs: &[(PLAIN, "~132")],
        },
        Case {
            name: "fewer than none",
            beside: "",
            process: "<task id='t1'><multiInstanceLoopCharacteristics><loopCardinality>-1</loopCardinality>\
                      </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
            runs: &[(PLAIN, REFUSED)],
        },
    ])
    .await;
}

#[tokio::test]
async fn loops() {
    run(&[
        Case {
            name: "the condition behind each turn",
            beside: "",
            process: counting!("><loopCondition xsi:type='tFormalExpression'>= n &lt; 3</loopCondition>"),
            runs: &[(r#"{"n": 3}"#, "12"), (r#"{"n": 1}"#, "112"), (r#"{"n": 0}"#, "1112")],
        },
        Case {
            name: "of a sub-process",
            beside: "",
            process: "<subProcess id='p1'><standardLoopCharacteristics><loopCondition>= n &lt; 3</loopCondition></standardLoopCharacteristics>\
                      <scriptTask id='t1' scriptFormat='feel'><extensionElements><zeebe:script expression='=n + 1' resultVariable='n'/>\
                      </extensionElements></scriptTask>{s1>t1>e1}</subProcess>{s>p1>t2>e}",
            runs: &[(r#"{"n": 3}"#, "12"), (r#"{"n": 1}"#, "112"), (r#"{"n": 0}"#, "1112")],
        },
        Case {
            name: "at most three turns",
            beside: "",
            process: counting!(" loopMaximum='3'><loopCondition>= true</loopCondition>"),
            runs: &[(r#"{"n": 0}"#, "1112")],
        },
        Case {
            name: "one turn before the condition",
            beside: "",
            process: counting!(" testBefore='false'><loopCondition>= false</loopCondition>"),
            runs: &[(r#"{"n": 0}"#, "12")],
        },
        Case {
            name: "no turn before the condition",
            beside: "",
            process: counting!(" testBefore='true'><loopCondition>= false</loopCondition>"),
            runs: &[(r#"{"n": 0}"#, "2")],
        },
        Case {
            name: "fewer turns than none",
            beside: "",
            process: counting!(" loopMaximum='-1'><loopCondition>= true</loopCondition>"),
            runs: &[(PLAIN, REFUSED)],
        },
    ])
    .await;
}

#[tokio::test]
async fn sub_processes() {
    run(&[
        Case { name: "embedded", beside: "", process: "<subProcess id='p1'>{s1>t1>e1}</subProcess>{s>p1>t2>e}", runs: &[(PLAIN, "12")] },
        Case {
            name: "a transaction",
            beside: "",
            process: "<transaction id='p1'>{s1>t1>e1}</transaction>{s>p1>t2>e}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "ad-hoc, one behind the other",
            beside: "",
            process: "<adHocSubProcess id='p1' ordering='Sequential'><task id='t1'/><task id='t2'/></adHocSubProcess>{s>p1>t3>e}",
            runs: &[(PLAIN, "123")],
        },
        Case {
            name: "ad-hoc, side by side",
            beside: "",
            process: "<adHocSubProcess id='p1' ordering='Parallel'><task id='t1'/><task id='t2'/></adHocSubProcess>{s>p1>t3>e}",
            runs: &[(PLAIN, "~123")],
        },
    ])
    .await;
}

#[tokio::test]
async fn tokens() {
    run(&[
        Case {
            name: "two made, two needed, one at a time between",
            beside: "",
            process: "<task id='t1' completionQuantity='2'/><task id='t2' startQuantity='1' completionQuantity='1'/>\
                      <task id='t3' startQuantity='2'/>{s>t1>t2>t3>e}",
            runs: &[(PLAIN, "~1223")],
        },
        Case {
            name: "two made, two needed, the rest by default",
            beside: "",
            process: "<task id='t1' completionQuantity='2'/><task id='t3' startQuantity='2'/>{s>t1>t2>t3>e}",
            runs: &[(PLAIN, "~1223")],
        },
        Case {
            name: "two by two flows, each goes on",
            beside: "",
            process: "{s>t1}{t1>t2}{t1>t3}{t2>t4}{t3>t4}{t4>e}",
            runs: &[(PLAIN, "~12344")],
        },
        Case {
            name: "two by two flows, both needed",
            beside: "",
            process: "<task id='t4' startQuantity='2'/>{s>t1}{t1>t2}{t1>t3}{t2>t4}{t3>t4}{t4>e}",
            runs: &[(PLAIN, "~1234")],
        },
        Case { name: "two needed, one there", beside: "", process: "<task id='t2' startQuantity='2'/>{s>t1>t2>e}", runs: &[(PLAIN, "1!")] },
        Case { name: "none needed", beside: "", process: "<task id='t1' startQuantity='0'/>{s>t1>e}", runs: &[(PLAIN, REFUSED)] },
        Case { name: "none made", beside: "", process: "<task id='t1' completionQuantity='0'/>{s>t1>e}", runs: &[(PLAIN, REFUSED)] },
    ])
    .await;
}
