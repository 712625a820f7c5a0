//! What makes no sense: it is ignored, refused or stands for ever, as the suite expects.

use super::{A, AB, B, C, Case, PLAIN, REFUSED, run};
use crate::conformance::gateways::between;

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "ParallelGateway_Conditions",
        beside: "",
        process: between!("parallelGateway", "parallelGateway"),
        runs: &[(A, "~123"), (B, "~123"), (AB, "~123"), (C, "~123")],
    },
    Case {
        name: "ExclusiveDiverging_ParallelConverging",
        beside: "",
        process: between!("exclusiveGateway", "parallelGateway"),
        runs: &[(A, "1!"), (B, "2!"), (AB, "1!")],
    },
    Case {
        name: "InclusiveDiverging_ParallelConverging",
        beside: "",
        process: between!("inclusiveGateway", "parallelGateway"),
        runs: &[(A, "1!"), (B, "2!"), (AB, "~123")],
    },
    Case {
        name: "LoopTask_NegativeLoopMaximum",
        beside: "",
        process: "<task id='t1'><standardLoopCharacteristics loopMaximum='-1'><loopCondition>= true</loopCondition></standardLoopCharacteristics>\
                  </task>{s>t1>t2>e}",
        runs: &[(PLAIN, REFUSED)],
    },
    Case {
        name: "MultiInstanceTask_NegativeLoopCardinality",
        beside: "",
        process: "<task id='t1'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>-1</loopCardinality>\
                  </multiInstanceLoopCharacteristics></task>{s>t1>t2>e}",
        runs: &[(PLAIN, REFUSED)],
    },
    Case { name: "Token_StartQuantity_Two", beside: "", process: "<task id='t2' startQuantity='2'/>{s>t1>t2>e}", runs: &[(PLAIN, "1!")] },
    Case { name: "Token_StartQuantity_Zero", beside: "", process: "<task id='t1' startQuantity='0'/>{s>t1>e}", runs: &[(PLAIN, REFUSED)] },
    Case {
        name: "Token_CompletionQuantity_Zero",
        beside: "",
        process: "<task id='t1' completionQuantity='0'/>{s>t1>e}",
        runs: &[(PLAIN, REFUSED)],
    },
];

#[tokio::test]
async fn errors() {
    run(SUITE).await;
}
