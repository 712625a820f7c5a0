//! Timers. The clock is set, and goes an hour in each run.

use super::events::watched;
use super::{Case, PLAIN, run};

/// A sub-process that does `t1` after a minute, with a boundary timer that leads to `t3`; `t2` behind.
macro_rules! deadline {
    ($boundary:literal) => {
        concat!(
            "<subProcess id='p1'><intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
             </intermediateCatchEvent>{s1>c>t1>e1}</subProcess><boundaryEvent id='b' attachedToRef='p1'",
            $boundary,
            "</timerEventDefinition></boundaryEvent>{s>p1>t2>e}{b>t3>e3}"
        )
    };
}

/// A sub-process that does `t1` after a minute, with an event sub-process inside that does `t2`.
macro_rules! beside_a_minute {
    ($start:literal, $behind:literal) => {
        watched!(
            $start,
            "<intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
             </intermediateCatchEvent>{s1>c>t1>e1}",
            "t2",
            $behind
        )
    };
}

/// A timer with this cycle between the start and `t1`.
macro_rules! pause {
    ($cycle:literal) => {
        concat!(
            "<intermediateCatchEvent id='c'><timerEventDefinition><timeCycle xsi:type='tFormalExpression'>",
            $cycle,
            "</timeCycle></timerEventDefinition></intermediateCatchEvent>{s>c>t1>e}"
        )
    };
}

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "Timer_IntermediateEvent",
        beside: "",
        process: "<intermediateCatchEvent id='c'><timerEventDefinition><timeDuration>PT2S</timeDuration></timerEventDefinition>\
                  </intermediateCatchEvent>{s>c>t1>e}",
        runs: &[(PLAIN, "1")],
    },
    Case { name: "Timer_IntermediateTimeCycleEvent", beside: "", process: pause!("R4/PT1S"), runs: &[(PLAIN, "1111")] },
    Case {
        name: "Timer_BoundaryEvent_SubProcess_Interrupting",
        beside: "",
        process: deadline!("><timerEventDefinition><timeDuration>PT5S</timeDuration>"),
        runs: &[(PLAIN, "3")],
    },
    Case {
        name: "Timer_BoundaryEvent_SubProcess_NonInterrupting",
        beside: "",
        process: deadline!(" cancelActivity='false'><timerEventDefinition><timeDuration>PT5S</timeDuration>"),
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "Timer_BoundaryEvent_SubProcess_TimeCycle",
        beside: "",
        process: deadline!(" cancelActivity='false'><timerEventDefinition><timeCycle>R4/PT10S</timeCycle>"),
        runs: &[(PLAIN, "~123333")],
    },
    Case {
        name: "Timer_StartEvent_EventSubProcess_Interrupting",
        beside: "",
        process: beside_a_minute!("><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>", ""),
        runs: &[(PLAIN, "2")],
    },
    Case {
        name: "Timer_StartEvent_EventSubProcess_NonInterrupting",
        beside: "",
        process: beside_a_minute!(
            " isInterrupting='false'><timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>",
            "t3>"
        ),
        runs: &[(PLAIN, "~123")],
    },
    Case {
        name: "Timer_StartEvent_TimeCycle_EventSubProcess_NonInterrupting",
        beside: "",
        process: beside_a_minute!(
            " isInterrupting='false'><timerEventDefinition><timeCycle>R4/PT5S</timeCycle></timerEventDefinition>",
            "t3>"
        ),
        runs: &[(PLAIN, "~122223")],
    },
];

const OURS: &[Case] = &[
    Case { name: "a cycle without a number of times is a delay", beside: "", process: pause!("R/PT1S"), runs: &[(PLAIN, "1")] },
    Case {
        name: "a counted cycle among other events comes once",
        beside: "<message id='m' name='m'/>",
        process: "<eventBasedGateway id='g'/><intermediateCatchEvent id='c'><timerEventDefinition><timeCycle>R4/PT1S</timeCycle>\
                  </timerEventDefinition></intermediateCatchEvent><receiveTask id='r' messageRef='m'/><intermediateCatchEvent id='d'>\
                  <timerEventDefinition><timeCycle>R4/PT1S</timeCycle></timerEventDefinition><messageEventDefinition messageRef='m'/>\
                  </intermediateCatchEvent>{s>g}{g>c>t1>d>t2>e}{g>r>e2}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "tokens of a cycle are joined one by one, and the process is over with the last",
        beside: "",
        process: "<parallelGateway id='g'/><parallelGateway id='j'/><intermediateCatchEvent id='c'><timerEventDefinition><timeCycle>R2/PT1M\
                  </timeCycle></timerEventDefinition></intermediateCatchEvent><intermediateCatchEvent id='d'><timerEventDefinition>\
                  <timeCycle>R2/PT1M</timeCycle></timerEventDefinition></intermediateCatchEvent>{s>g}{g>c>t1>j}{g>d>t2>j}{j>t3>e}",
        runs: &[(PLAIN, "~112233")],
    },
];

#[tokio::test]
async fn timers() {
    run(SUITE).await;
    run(OURS).await;
}
