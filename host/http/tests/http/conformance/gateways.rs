//! Gateways, alone and mixed.

use super::{A, AB, B, C, Case, FAILS, PLAIN, run};

/// Two tasks between a diverging gateway of one kind and a converging one of another, and a task behind.
macro_rules! between {
    ($fork:literal, $join:literal) => {
        concat!(
            "<",
            $fork,
            " id='g'/><",
            $join,
            " id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}{t1>j}{t2>j}{j>t3>e}"
        )
    };
}

#[tokio::test]
async fn gateways() {
    run(&[
        Case {
            name: "exclusive",
            beside: "",
            process: between!("exclusiveGateway", "exclusiveGateway"),
            runs: &[(B, "23"), (A, "13"), (AB, "13"), (C, FAILS)],
        },
        Case {
            name: "exclusive, with a default",
            beside: "",
            process: "<exclusiveGateway id='g' default='g_t3'/><exclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}\
                      {g>t2 ? contains(test, \"b\")}{g>t3}{t1>j}{t2>j}{t3>j}{j>t4>e}",
            runs: &[(B, "24"), (A, "14"), (AB, "14"), (C, "34")],
        },
        Case {
            name: "exclusive, one that joins and forks",
            beside: "",
            process: "<exclusiveGateway id='g'/><exclusiveGateway id='m'/><exclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"b\")}\
                      {g>t2 ? contains(test, \"a\")}{t1>m}{t2>m}{m>t3 ? contains(test, \"b\")}{m>t4 ? contains(test, \"a\")}{t3>j}{t4>j}{j>t5>e}",
            runs: &[(A, "245"), (B, "135"), (AB, "135")],
        },
        Case {
            name: "exclusive fork, inclusive join",
            beside: "",
            process: between!("exclusiveGateway", "inclusiveGateway"),
            runs: &[(B, "23"), (A, "13"), (AB, "13")],
        },
        Case {
            name: "exclusive fork, parallel join",
            beside: "",
            process: between!("exclusiveGateway", "parallelGateway"),
            runs: &[(A, "1!"), (B, "2!"), (AB, "1!")],
        },
        Case {
            name: "inclusive",
            beside: "",
            process: between!("inclusiveGateway", "inclusiveGateway"),
            runs: &[(AB, "~123"), (A, "13"), (B, "23"), (C, FAILS)],
        },
        Case {
            name: "inclusive, with a default",
            beside: "",
            process: "<inclusiveGateway id='g' default='g_t3'/><inclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}\
                      {g>t2 ? contains(test, \"b\")}{g>t3}{t1>j}{t2>j}{t3>j}{j>t4>e}",
            runs: &[(C, "34"), (AB, "~124")],
        },
        Case {
            name: "inclusive fork, exclusive join",
            beside: "",
            process: between!("inclusiveGateway", "exclusiveGateway"),
            runs: &[(AB, "~1323"), (A, "13"), (B, "23")],
        },
        Case {
            name: "inclusive fork, parallel join",
            beside: "",
            process: between!("inclusiveGateway", "parallelGateway"),
            runs: &[(A, "1!"), (B, "2!"), (AB, "~123")],
        },
        Case {
            name: "parallel",
            beside: "",
            process: "<parallelGateway id='g'/><parallelGateway id='j'/>{s>g}{g>t1}{g>t2}{t1>j}{t2>j}{j>t3>e}",
            runs: &[(PLAIN, "~123")],
        },
        Case {
            name: "parallel, with conditions that have no meaning there",
            beside: "",
            process: between!("parallelGateway", "parallelGateway"),
            runs: &[(A, "~123"), (B, "~123"), (AB, "~123"), (C, "~123")],
        },
        Case {
            name: "parallel fork, exclusive join",
            beside: "",
            process: "<parallelGateway id='g'/><exclusiveGateway id='j'/>{s>g}{g>t1}{g>t2}{t1>j}{t2>j}{j>t3>e}",
            runs: &[(PLAIN, "~1323")],
        },
        Case {
            name: "parallel fork, inclusive join",
            beside: "",
            process: "<parallelGateway id='g'/><inclusiveGateway id='j'/>{s>g}{g>t1}{g>t2}{t1>j}{t2>j}{j>t3>e}",
            runs: &[(PLAIN, "~123")],
        },
        Case {
            name: "complex",
            beside: "",
            process: "<complexGateway id='g'/><complexGateway id='j'><activationCondition xsi:type='tFormalExpression'>= activationCount &gt;= 1\
                      </activationCondition></complexGateway>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}\
                      {g>t3 ? contains(test, \"c\")}{t1>j}{t2>j}{t3>j}{j>t4>e}",
            runs: &[(A, "14"), (B, "24"), (C, "34"), (AB, "~124")],
        },
        Case {
            name: "event-based, for signals",
            beside: "<signal id='x' name='x'/><signal id='y' name='y'/>",
            process: "<parallelGateway id='g'/><eventBasedGateway id='w'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/>\
                      </intermediateCatchEvent><intermediateCatchEvent id='cy'><signalEventDefinition signalRef='y'/></intermediateCatchEvent>\
                      <intermediateThrowEvent id='th'><signalEventDefinition signalRef='y'/></intermediateThrowEvent>\
                      {s>t1>g}{g>w}{g>t2>th>e}{w>cx>t3>e3}{w>cy>t4>e4}",
            runs: &[(PLAIN, "~124")],
        },
        Case {
            name: "event-based, for a moment",
            beside: "<signal id='x' name='x'/>",
            process: "<eventBasedGateway id='w'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/></intermediateCatchEvent>\
                      <intermediateCatchEvent id='ct'><timerEventDefinition><timeDuration>PT2S</timeDuration></timerEventDefinition>\
                      </intermediateCatchEvent>{s>w}{w>cx>t1>e1}{w>ct>t2>e2}",
            runs: &[(PLAIN, "2")],
        },
    ])
    .await;
}
