//! Sequence flows, lanes, participants, data.

use super::{A, B, Case, PLAIN, run};

#[tokio::test]
async fn basics() {
    run(&[
        Case { name: "a sequence", beside: "", process: "{s>t1>e}", runs: &[(PLAIN, "1")] },
        Case {
            name: "lanes, which decide nothing",
            beside: "<collaboration id='c'><participant id='pool' processRef='p'/></collaboration>",
            process: "<laneSet id='ls'><lane id='l1'><flowNodeRef>t1</flowNodeRef></lane><lane id='l2'><flowNodeRef>t2</flowNodeRef>\
                      <flowNodeRef>t3</flowNodeRef></lane></laneSet>{s>t1>t2>t3>e}",
            runs: &[(PLAIN, "123")],
        },
        Case {
            name: "a participant",
            beside: "<collaboration id='c'><participant id='pool' name='We' processRef='p'/><participant id='they' name='They'/></collaboration>",
            process: "{s>t1>e}",
            runs: &[(PLAIN, "1")],
        },
        Case {
            name: "a condition on one of two flows out of a task",
            beside: "",
            process: "{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t1>e1}{t2>e2}",
            runs: &[(A, "012"), (B, "02")],
        },
        Case {
            name: "a condition and a default",
            beside: "",
            process: "<task id='t0' default='t0_t2'/>{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t1>e1}{t2>e2}",
            runs: &[(A, "01"), (B, "02")],
        },
        Case {
            name: "a condition, a default, and a flow without a condition (13.2.1)",
            beside: "",
            process: "<task id='t0' default='t0_t2'/>{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t0>t3}{t1>e1}{t2>e2}{t3>e3}",
            runs: &[(A, "~013"), (B, "~023")],
        },
        Case {
            name: "a data object that is written and read",
            beside: "",
            process: "<dataObject id='d' name='text'/><scriptTask id='t1' scriptFormat='feel'><extensionElements>\
                      <zeebe:script expression='=&quot;written&quot;' resultVariable='text'/></extensionElements></scriptTask>\
                      <exclusiveGateway id='g' default='g_t3'/>{s>t1>g}{g>t2 ? text = \"written\"}{g>t3}{t2>e}{t3>e}",
            runs: &[(PLAIN, "12")],
        },
        Case {
            name: "a property that is written and read",
            beside: "",
            process: "<property id='d' name='text'/><scriptTask id='t1' scriptFormat='feel'><extensionElements>\
                      <zeebe:script expression='=&quot;written&quot;' resultVariable='text'/></extensionElements></scriptTask>\
                      <exclusiveGateway id='g' default='g_t3'/>{s>t1>g}{g>t2 ? text = \"written\"}{g>t3}{t2>e}{t3>e}",
            runs: &[(PLAIN, "12")],
        },
        Case { name: "no start event: what no flow leads to begins", beside: "", process: "{t1>t2>e}", runs: &[(PLAIN, "12")] },
        Case { name: "no end event", beside: "", process: "{s>t1>t2}", runs: &[(PLAIN, "12")] },
    ])
    .await;
}
