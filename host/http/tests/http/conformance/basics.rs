//! Sequence flows, lanes, participants, data.

use super::{A, B, Case, PLAIN, run};

/// What sets the variable `text`.
macro_rules! written {
    ($inside:literal) => {
        concat!(
            "<scriptTask id='t1' scriptFormat='feel'>",
            $inside,
            "<extensionElements><zeebe:script expression='=&quot;written&quot;' resultVariable='text'/></extensionElements></scriptTask>\
             <exclusiveGateway id='g' default='g_t3'/>{s>t1>g}{g>t2 ? text = \"written\"}{g>t3}{t2>e}{t3>e}"
        )
    };
}

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "Lanes",
        beside: "<collaboration id='c'><participant id='pool' processRef='p'/></collaboration>",
        process: "<laneSet id='ls'><lane id='l1'><flowNodeRef>t1</flowNodeRef></lane><lane id='l2'><flowNodeRef>t2</flowNodeRef>\
                  <flowNodeRef>t3</flowNodeRef></lane></laneSet>{s>t1>t2>t3>e}",
        runs: &[(PLAIN, "123")],
    },
    Case {
        name: "Participant",
        beside: "<collaboration id='c' isClosed='false'><participant id='pool' name='We' processRef='p'><participantMultiplicity maximum='1' \
                 minimum='0'/></participant></collaboration>",
        process: "{s>t1>e}",
        runs: &[(PLAIN, "1")],
    },
    Case { name: "SequenceFlow", beside: "", process: "{s>t0>t1>e}", runs: &[(PLAIN, "01")] },
    Case {
        name: "SequenceFlow_Conditional",
        beside: "",
        process: "{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t1>e1}{t2>e2}",
        runs: &[(A, "012"), (B, "02")],
    },
    Case {
        name: "SequenceFlow_ConditionalDefault",
        beside: "",
        process: "<task id='t0' default='t0_t2'/>{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t1>e1}{t2>e2}",
        runs: &[(A, "01"), (B, "02")],
    },
    Case {
        name: "SequenceFlow_ConditionalDefault_Normal",
        beside: "",
        process: "<task id='t0' default='t0_t2'/>{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t0>t3}{t1>e1}{t2>e2}{t3>e3}",
        runs: &[(B, "~023")],
    },
    Case {
        name: "DataObject_ReadWrite_String",
        beside: "<itemDefinition id='string' structureRef='String'/>",
        process: concat!(
            "<dataObject id='d' itemSubjectRef='string' name='text'/><dataObjectReference id='dr' dataObjectRef='d'/>",
            written!(
                "<ioSpecification><dataOutput id='out' isCollection='false' name='Data Output'/><inputSet/><outputSet><dataOutputRefs>out\
                 </dataOutputRefs></outputSet></ioSpecification><dataOutputAssociation id='a1'><sourceRef>out</sourceRef><targetRef>dr</targetRef>\
                 </dataOutputAssociation>"
            )
        ),
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "Property_ReadWrite_String",
        beside: "<itemDefinition id='string' structureRef='String'/>",
        process: concat!("<property id='text' itemSubjectRef='string'/>", written!("")),
        runs: &[(PLAIN, "12")],
    },
];

const OURS: &[Case] = &[
    Case {
        name: "a condition, a default, and a flow without a condition, the condition being true (13.2.1)",
        beside: "",
        process: "<task id='t0' default='t0_t2'/>{s>t0}{t0>t1 ? contains(test, \"a\")}{t0>t2}{t0>t3}{t1>e1}{t2>e2}{t3>e3}",
        runs: &[(A, "~013")],
    },
    Case {
        name: "a participant of which nothing is known",
        beside: "<collaboration id='c'><participant id='pool' name='We' processRef='p'/><participant id='they' name='They'/></collaboration>",
        process: "{s>t1>e}",
        runs: &[(PLAIN, "1")],
    },
    Case { name: "no start event: what no flow leads to begins", beside: "", process: "{t1>t2>e}", runs: &[(PLAIN, "12")] },
    Case { name: "no end event", beside: "", process: "{s>t1>t2}", runs: &[(PLAIN, "12")] },
];

#[tokio::test]
async fn basics() {
    run(SUITE).await;
    run(OURS).await;
}
