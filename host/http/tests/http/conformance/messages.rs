//! Messages between participants: what is sent along a message flow starts the other process, or finds who waits for it.

use super::{Case, PLAIN, run};

/// What a model of two participants has in common: `p` sends from `m` to what follows.
macro_rules! beside {
    ($to:literal, $q:literal) => {
        concat!(
            "<message id='msg' name='m'/><process id='q' isExecutable='true'>",
            $q,
            "</process><collaboration id='c'><participant id='we' processRef='p'/><participant id='they' processRef='q'/>\
             <messageFlow id='mf' sourceRef='m' targetRef='",
            $to,
            "'/></collaboration>"
        )
    };
}

const THROW: &str = "<intermediateThrowEvent id='m'><messageEventDefinition messageRef='msg'/></intermediateThrowEvent>{s>m>t1>e}";
const SEND_TASK: &str = "<sendTask id='m' messageRef='msg'/>{s>m>t1>e}";

pub(super) const SUITE: &[Case] = &[
    Case {
        name: "Message_StartEvent",
        beside: beside!("qs", "<startEvent id='qs'><messageEventDefinition messageRef='msg'/></startEvent>{qs>t2>eq}"),
        process: THROW,
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "Message_EndEvent",
        beside: beside!("they", "<startEvent id='qs'><messageEventDefinition messageRef='msg'/></startEvent>{qs>t2>eq}"),
        process: "<endEvent id='m'><messageEventDefinition messageRef='msg'/></endEvent>{s>t1>m}",
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "Message_IntermediateEvent",
        beside: beside!(
            "w",
            "<startEvent id='sq'/><intermediateCatchEvent id='w'><messageEventDefinition messageRef='msg'/></intermediateCatchEvent>{sq>w>t2>eq}"
        ),
        process: THROW,
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "SendTask",
        beside: beside!(
            "w",
            "<startEvent id='sq'/><intermediateCatchEvent id='w'><messageEventDefinition messageRef='msg'/></intermediateCatchEvent>{sq>w>t2>eq}"
        ),
        process: SEND_TASK,
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "ReceiveTask",
        beside: beside!("w", "<startEvent id='sq'/><receiveTask id='w' messageRef='msg'/>{sq>w>t2>eq}"),
        process: THROW,
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "ReceiveTask_Instantiate",
        beside: beside!("w", "<receiveTask id='w' messageRef='msg' instantiate='true'/>{w>t2}"),
        process: THROW,
        runs: &[(PLAIN, "~12")],
    },
];

const OURS: &[Case] = &[
    Case {
        name: "a send task sends to whoever waits in a participant",
        beside: beside!(
            "they",
            "<startEvent id='sq'/><eventBasedGateway id='g'/><receiveTask id='w' messageRef='msg'/><intermediateCatchEvent id='l'>\
                 <timerEventDefinition><timeDuration>PT2H</timeDuration></timerEventDefinition></intermediateCatchEvent>{sq>g>w>t2>eq}{g>l>t3>eq}"
        ),
        process: SEND_TASK,
        runs: &[(PLAIN, "~12")],
    },
    Case {
        name: "who begins to wait when the message is there already",
        beside: beside!(
            "w",
            "<startEvent id='sq'/><intermediateCatchEvent id='l'><timerEventDefinition><timeDuration>PT30M</timeDuration></timerEventDefinition>\
                 </intermediateCatchEvent><receiveTask id='w' messageRef='msg'/>{sq>l>w>t2>eq}"
        ),
        process: SEND_TASK,
        runs: &[(PLAIN, "12")],
    },
    Case {
        name: "a request and its answer",
        beside: "<message id='ask' name='ask'/><message id='answer' name='answer'/><process id='q' isExecutable='true'>\
                     <startEvent id='qs'><messageEventDefinition messageRef='ask'/></startEvent>\
                     <endEvent id='a'><messageEventDefinition messageRef='answer'/></endEvent>{qs>t1>a}</process>\
                     <collaboration id='c'><participant id='we' processRef='p'/><participant id='they' processRef='q'/>\
                     <messageFlow id='f1' sourceRef='m' targetRef='they'/><messageFlow id='f2' sourceRef='a' targetRef='we'/></collaboration>",
        process: "<sendTask id='m' messageRef='ask'/><receiveTask id='r' messageRef='answer'/>{s>m>r>t2>e}",
        runs: &[(PLAIN, "12")],
    },
];

#[tokio::test]
async fn messages() {
    run(SUITE).await;
    run(OURS).await;
}
