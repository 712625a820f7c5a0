//! Compensation events. Of what is undone nothing is written down but that it was.

use super::{Case, PLAIN, run};

/// A task that `t1` undoes.
macro_rules! undone {
    () => {
        "<boundaryEvent id='bc' attachedToRef='tb'><compensateEventDefinition waitForCompletion='true'/></boundaryEvent><task id='t1' \
         isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' targetRef='t1'/>"
    };
}

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "Compensation_BoundaryEvent_SubProcess",
        beside: "",
        process: "<subProcess id='p1'>{s1>tb>e1}</subProcess><boundaryEvent id='bc' attachedToRef='p1'><compensateEventDefinition/>\
                  </boundaryEvent><task id='t1' isForCompensation='true'/><association id='as' associationDirection='One' sourceRef='bc' \
                  targetRef='t1'/><intermediateThrowEvent id='th'><compensateEventDefinition/></intermediateThrowEvent>{s>p1>th>e}",
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Compensation_EndEvent_SubProcess",
        beside: "",
        process: concat!(
            "<subProcess id='p1'>",
            undone!(),
            "<endEvent id='e1'><compensateEventDefinition waitForCompletion='true'/></endEvent>{s1>tb>e1}</subProcess>{s>p1>e}"
        ),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Compensation_EndEvent_TopLevel",
        beside: "",
        process: concat!(undone!(), "<endEvent id='e1'><compensateEventDefinition waitForCompletion='true'/></endEvent>{s>tb>e1}"),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Compensation_IntermediateEvent",
        beside: "",
        process: concat!(
            undone!(),
            "<intermediateThrowEvent id='th'><compensateEventDefinition waitForCompletion='true'/></intermediateThrowEvent>{s>tb>th>e}"
        ),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Compensation_StartEvent_EventSubProcess",
        beside: "",
        process: concat!(
            "<subProcess id='p1' triggeredByEvent='false'>",
            undone!(),
            "{s1>tb>e1}<subProcess id='v' triggeredByEvent='true' isForCompensation='true'><startEvent id='vs' isInterrupting='true'>\
             <compensateEventDefinition/></startEvent><intermediateThrowEvent id='vt'><compensateEventDefinition/></intermediateThrowEvent>\
             {vs>vt>ev}</subProcess></subProcess><intermediateThrowEvent id='th'><compensateEventDefinition/></intermediateThrowEvent>{s>p1>th>e}"
        ),
        runs: &[(PLAIN, "1")],
    },
    Case {
        name: "Compensation_TriggeredByCancel",
        beside: "",
        process: concat!(
            "<transaction id='p1'>",
            undone!(),
            "<endEvent id='e1'><cancelEventDefinition/></endEvent>{s1>tb>e1}</transaction>\
             <boundaryEvent id='b' attachedToRef='p1'><cancelEventDefinition/></boundaryEvent>{s>p1>e}{b>e2}"
        ),
        runs: &[(PLAIN, "1")],
    },
];

const OURS: &[Case] = &[
    Case {
        name: "of one activity of several, by its id",
        beside: "",
        process: concat!(
            undone!(),
            "<boundaryEvent id='bc2' attachedToRef='t2'><compensateEventDefinition/></boundaryEvent><task id='t3' isForCompensation='true'/>\
             <association id='as2' sourceRef='bc2' targetRef='t3'/><intermediateThrowEvent id='th'><compensateEventDefinition activityRef='t2'/>\
             </intermediateThrowEvent>{s>tb>t2>th>e}"
        ),
        runs: &[(PLAIN, "23")],
    },
    Case {
        name: "by an event sub-process that does something else",
        beside: "",
        process: "<subProcess id='p1'>{s1>t1>e1}<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'>\
                  <compensateEventDefinition/></startEvent>{vs>t2>ev}</subProcess></subProcess>\
                  <intermediateThrowEvent id='th'><compensateEventDefinition/></intermediateThrowEvent>{s>p1>th>e}",
        runs: &[(PLAIN, "12")],
    },
];

#[tokio::test]
async fn compensation() {
    run(SUITE).await;
    run(OURS).await;
}
