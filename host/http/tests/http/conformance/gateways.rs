//! Gateways, alone and mixed.

use super::{A, AB, B, C, Case, FAILS, PLAIN, run};

/// Two tasks between a diverging gateway of one kind and a converging one of another, and a task behind.
macro_rules! between {
    ($fork:literal, $join:literal) => {
        concat!(
            "<",
            $fork,
            " id='g' gatewayDirection='Diverging'/><",
            $join,
            " id='j' gatewayDirection='Converging'/>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}{t1>j}{t2>j}{j>t3>e}"
        )
    };
}
pub(super) use between;

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "ExclusiveGateway",
        beside: "",
        process: between!("exclusiveGateway", "exclusiveGateway"),
        runs: &[(B, "23"), (A, "13"), (AB, "13"), (C, FAILS)],
    },
    Case {
        name: "ExclusiveGateway_Default",
        beside: "",
        process: "<exclusiveGateway id='g' default='g_t3'/><exclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}\
                  {g>t2 ? contains(test, \"b\")}{g>t3}{t1>j}{t2>j}{t3>j}{j>t4>e}",
        runs: &[(B, "24"), (A, "14"), (AB, "14"), (C, "34")],
    },
    Case {
        name: "ExclusiveGatewayMixed",
        beside: "",
        process: "<exclusiveGateway id='g'/><exclusiveGateway id='m' gatewayDirection='Mixed'/><exclusiveGateway id='j'/>\
                  {s>g}{g>t1 ? contains(test, \"b\")}{g>t2 ? contains(test, \"a\")}{t1>m}{t2>m}{m>t3 ? contains(test, \"b\")}\
                  {m>t4 ? contains(test, \"a\")}{t3>j}{t4>j}{j>t5>e}",
        runs: &[(A, "245"), (B, "135"), (AB, "135")],
    },
    Case {
        name: "ExclusiveDiverging_InclusiveConverging",
        beside: "",
        process: between!("exclusiveGateway", "inclusiveGateway"),
        runs: &[(B, "23"), (A, "13"), (AB, "13")],
    },
    Case {
        name: "InclusiveGateway",
        beside: "",
        process: between!("inclusiveGateway", "inclusiveGateway"),
        runs: &[(AB, "~123"), (A, "13"), (B, "23"), (C, FAILS)],
    },
    Case {
        name: "InclusiveGateway_Default",
        beside: "",
        process: "<inclusiveGateway id='g' default='g_t3'/><inclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}\
                  {g>t2 ? contains(test, \"b\")}{g>t3}{t1>j}{t2>j}{t3>j}{j>t4>e}",
        runs: &[(C, "34")],
    },
    Case {
        name: "InclusiveDiverging_ExclusiveConverging",
        beside: "",
        process: between!("inclusiveGateway", "exclusiveGateway"),
        runs: &[(AB, "~1323"), (A, "13"), (B, "23")],
    },
    Case {
        name: "ParallelGateway",
        beside: "",
        process: "<parallelGateway id='g'/><parallelGateway id='j'/>{s>g}{g>t1}{g>t2}{t1>j}{t2>j}{j>t3>e}",
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "ParallelDiverging_ExclusiveConverging",
        beside: "",
        process: "<parallelGateway id='g'/><exclusiveGateway id='j'/>{s>g}{g>t1}{g>t2}{t1>j}{t2>j}{j>t3>e}",
        runs: &[(PLAIN, "~1323")],
    },
    Case {
        name: "ParallelDiverging_InclusiveConverging",
        beside: "",
        process: "<parallelGateway id='g'/><inclusiveGateway id='j'/>{s>g}{g>t1}{g>t2}{t1>j}{t2>j}{j>t3>e}",
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "ComplexGateway",
        beside: "",
        process: "<complexGateway id='g'/><complexGateway id='j'><activationCondition xsi:type='tFormalExpression'>= activationCount &gt;= 1\
                  </activationCondition></complexGateway>{s>g}{g>t1 ? contains(test, \"a\")}{g>t2 ? contains(test, \"b\")}\
                  {g>t3 ? contains(test, \"c\")}{t1>j}{t2>j}{t3>j}{j>t4>e}",
        runs: &[(A, "14"), (B, "24"), (C, "34"), (AB, "~124")],
    },
    Case {
        name: "EventBasedGateway_Signals",
        beside: "<signal id='x' name='x' structureRef='String'/><signal id='y' name='y' structureRef='String'/>",
        process: "<parallelGateway id='g'/><eventBasedGateway id='w'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/>\
                  </intermediateCatchEvent><intermediateCatchEvent id='cy'><signalEventDefinition signalRef='y'/></intermediateCatchEvent>\
                  <intermediateThrowEvent id='th'><signalEventDefinition signalRef='x'/></intermediateThrowEvent><parallelGateway id='j'/>\
                  {s>g}{g>w}{g>th>t1>j}{w>cx>t2>j}{w>cy>t3>e3}{j>t4>e}",
        runs: &[(PLAIN, "~124")],
    },
    Case {
        name: "EventBasedGateway_Timer",
        beside: "<signal id='x' name='x'/>",
        process: "<eventBasedGateway id='w'/><intermediateCatchEvent id='cx'><signalEventDefinition signalRef='x'/></intermediateCatchEvent>\
                  <intermediateCatchEvent id='ct'><timerEventDefinition><timeDuration>PT2S</timeDuration></timerEventDefinition>\
                  </intermediateCatchEvent>{s>w}{w>cx>t1>e1}{w>ct>t2>e2}",
        runs: &[(PLAIN, "2")],
    },
];

const OURS: &[Case] = &[Case {
    name: "inclusive, with a default that is not needed",
    beside: "",
    process: "<inclusiveGateway id='g' default='g_t3'/><inclusiveGateway id='j'/>{s>g}{g>t1 ? contains(test, \"a\")}\
              {g>t2 ? contains(test, \"b\")}{g>t3}{t1>j}{t2>j}{t3>j}{j>t4>e}",
    runs: &[(AB, "~124"), (A, "14")],
}];

#[tokio::test]
async fn gateways() {
    run(SUITE).await;
    run(OURS).await;
}
