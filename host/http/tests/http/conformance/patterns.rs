//! The workflow control-flow patterns that BPMN has an answer to and no other group has.

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

#[tokio::test]
async fn patterns() {
    run(&[
        Case { name: "2, parallel split", beside: "", process: "<parallelGateway id='g'/>{s>g}{g>t1>e1}{g>t2>e2}", runs: &[(PLAIN, "~12")] },
        Case {
            name: "5 and 8, merges without synchronisation",
            beside: "",
            process: "<inclusiveGateway id='g'/><exclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}\
                      {g>t3 ? contains(test, \"c\")}{t1>j}{t2>j}{t3>j}{j>t4>e}",
            runs: &[(A, "14"), (B, "24"), (C, "34"), (AB, "~1244"), (AC, "~1344"), (BC, "~2344"), (ABC, "~123444")],
        },
        Case { name: "6, multi-choice by an inclusive gateway", beside: "", process: choice!("inclusiveGateway"), runs: CHOICES },
        Case { name: "6, multi-choice by a complex gateway", beside: "", process: choice!("complexGateway"), runs: CHOICES },
        Case {
            name: "6, multi-choice by conditions alone",
            beside: "",
            process: "<task id='t0' default='t0_t3'/>{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2 ? contains(test, \"b\")}{t0>t3}{t1>e1}{t2>e2}{t3>e3}",
            runs: &[(A, "01"), (B, "02"), (C, "03"), (AB, "~012"), (AC, "01"), (BC, "02"), (ABC, "~012")],
        },
        Case {
            name: "9, discriminator by a complex gateway",
            beside: "",
            process: "<parallelGateway id='g'/><complexGateway id='j'><activationCondition>= activationCount &gt;= 1</activationCondition>\
                      </complexGateway>{s>g}{g>t1>j}{g>t2>j}{j>t3>e}",
            runs: &[(PLAIN, "~123")],
        },
        Case {
            name: "10, arbitrary cycles",
            beside: "",
            process: "<exclusiveGateway id='a'/><exclusiveGateway id='b' default='b_c'/><exclusiveGateway id='c'/><exclusiveGateway id='d' \
                      default='d_e'/><scriptTask id='count' scriptFormat='feel'><extensionElements><zeebe:script expression='=n + 1' \
                      resultVariable='n'/></extensionElements></scriptTask><scriptTask id='again' scriptFormat='feel'><extensionElements>\
                      <zeebe:script expression='=n + 1' resultVariable='n'/></extensionElements></scriptTask>\
                      {s>a>t1>count>b}{b>a ? n < 2}{b>c}{c>t2>again>d}{d>c ? n <= 3}{d>e}",
            runs: &[(r#"{"n": 2}"#, "12"), (r#"{"n": 1}"#, "122"), (r#"{"n": 0}"#, "1122")],
        },
        Case { name: "11, implicit termination", beside: "", process: "{s>t1}", runs: &[(PLAIN, "1")] },
        Case {
            name: "14, as many instances as a variable says",
            beside: "",
            process: "<task id='t1'><multiInstanceLoopCharacteristics behavior='All'><loopCardinality>= n</loopCardinality>\
                      </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
            runs: &[(r#"{"n": 3}"#, "1112")],
        },
        Case {
            name: "16, deferred choice",
            beside: "<signal id='x' name='x'/><signal id='y' name='y'/>",
            process: "<parallelGateway id='g'/><eventBasedGateway id='w'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/>\
                      </intermediateCatchEvent><intermediateCatchEvent id='cy'><signalEventDefinition signalRef='y'/></intermediateCatchEvent>\
                      <intermediateThrowEvent id='tx'><signalEventDefinition signalRef='x'/></intermediateThrowEvent>\
                      <intermediateThrowEvent id='ty'><signalEventDefinition signalRef='y'/></intermediateThrowEvent>\
                      <intermediateCatchEvent id='pause'><timerEventDefinition><timeDuration>PT2S</timeDuration></timerEventDefinition>\
                      </intermediateCatchEvent><exclusiveGateway id='d'/>{s>g}{g>pause>d}{d>t1 ? contains(test, \"a\")}{d>t2 ? contains(test, \"b\")}\
                      {t1>tx>e1}{t2>ty>e2}{g>w}{w>cx>t3>e3}{w>cy>t4>e4}",
            runs: &[(A, "~13"), (B, "~24")],
        },
        Case {
            name: "17, interleaved",
            beside: "",
            process: "<adHocSubProcess id='p1' ordering='Sequential'><task id='t1'/><task id='t2'/><task id='t3'/></adHocSubProcess>{s>p1>e}",
            runs: &[(PLAIN, "~123")],
        },
    ])
    .await;
}
