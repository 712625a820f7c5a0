//! Intermediate catch events: a wait for a message or for a moment in time (BPMN 2.0, 13.5.2).

use mandate_model::CatchTrigger;

use super::{At, Behaviour, Next, WaitFor};
use crate::input::Failure;

impl Behaviour for CatchTrigger {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        match self {
            CatchTrigger::Message(message) => message.enter(at),
            CatchTrigger::Timer(timer) => Ok(Next::Wait(WaitFor::Timer { due: at.due(timer)? })),
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn message_event_waits_for_its_message() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='m'><messageEventDefinition messageRef='msg'/>\
             </intermediateCatchEvent>{s>m}",
            "
                start
                message m
            ",
            expect![[""]],
        );
    }

    #[test]
    fn timer_event_waits_for_its_moment() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='t'><timerEventDefinition><timeDuration>PT5M</timeDuration>\
             </timerEventDefinition></intermediateCatchEvent>{s>t}",
            "
                at 1000
                start
                leaves
                retries t 5
                fail t
                leaves
                run t
            ",
            expect![[""]],
        );
    }

    #[test]
    fn date_from_a_variable_and_a_bad_one() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='t'><timerEventDefinition><timeDate>${when}</timeDate>\
             </timerEventDefinition></intermediateCatchEvent>{s>t}",
            r#"
                start {"when": "soon"}
                start {"when": 5}
                start {"when": "1970-01-01T00:01:00+00:00"}
            "#,
            expect![[""]],
        );
    }
}
