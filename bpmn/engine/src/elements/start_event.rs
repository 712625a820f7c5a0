//! Start events. Whatever triggered one has happened when its token is there (BPMN 2.0, 13.5.1).

use mandate_model::StartTrigger;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for StartTrigger {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(at.leave())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn held_start_stops_at_its_job() {
        check(
            "<startEvent id='s'/><task id='a'/>{s>a}",
            r#"
                hold {"n": 1}
                leaves
                run s
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn async_start_holds_just_as_well() {
        check(
            "<startEvent id='s' camunda:asyncBefore='true'/><task id='a'/>{s>a}",
            "
                hold
                run s
            ",
            expect![[""]],
        );
    }

    #[test]
    fn started_twice() {
        check(
            "<startEvent id='s'/><userTask id='a'/>{s>a}",
            "
                complete !3
                start
                start
                cancel enough
                start
            ",
            expect![[""]],
        );
    }

    #[test]
    fn message_start_begins_like_any_other() {
        check(
            "<startEvent id='s'><messageEventDefinition messageRef='msg'/></startEvent><userTask id='a'/>{s>a}",
            r#"
                start {"amount": 3}
            "#,
            expect![[""]],
        );
    }
}
