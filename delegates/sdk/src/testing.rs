//! Call a delegate natively, with fake commands in the place of the engine.
//!
//! ```
//! use mandate_sdk::{Context, Error, Ignored, Result, testing::Harness};
//! use serde_json::{Value, json};
//!
//! fn reserve(cx: &Context, input: Value) -> Result<Value> {
//!     let Ignored = cx.command("orders.reserve-line@1", &json!({ "lineId": input["lineId"] }))?;
//!     Ok(json!({ "reserved": true }))
//! }
//!
//! let done = Harness::new().reply("orders.reserve-line@1", json!({})).call(reserve, json!({ "lineId": "7" }));
//! assert_eq!(done.outcome, Ok(json!({ "reserved": true })));
//! assert_eq!(done.commands[0].body, json!({ "lineId": "7" }));
//!
//! let done = Harness::new().reject("orders.reserve-line@1", "OUT_OF_STOCK", "none left").call(reserve, json!({}));
//! assert_eq!(done.outcome, Err(Error::bpmn("OUT_OF_STOCK", "none left")));
//! ```

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::{Call, Command, Context, Host, Level};
use crate::error::{CommandError, Rejection, Result};
use crate::perform::perform;

/// What a fake command answers.
type Answer = Box<dyn FnMut(&Issued) -> core::result::Result<Value, CommandError>>;

/// Calls a delegate as the engine would. A command without an answer is refused, as one outside the mandate is.
pub struct Harness {
    call: Call,
    answers: HashMap<String, Vec<Answer>>,
}

/// A command that the delegate issued.
#[derive(Clone, Debug, PartialEq)]
pub struct Issued {
    /// The catalogue's name.
    pub name: String,
    /// Its body.
    pub body: Value,
    /// The key the delegate gave it, if it did.
    pub key: Option<String>,
}

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// The variables to set, as an object, or how it ended otherwise.
    pub outcome: Result<Value>,
    /// The commands that were issued, in order, whatever they answered.
    pub commands: Vec<Issued>,
    /// The lines that were logged.
    pub log: Vec<(Level, String)>,
}

impl Called {
    /// The names of the commands that were issued, in order.
    pub fn command_names(&self) -> Vec<&str> {
        self.commands.iter().map(|command| command.name.as_str()).collect()
    }
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// A harness with a plausible call (first attempt, two retries left) and no commands.
    pub fn new() -> Self {
        let call = Call {
            definition_key: "test".into(),
            definition_version: 1,
            instance_id: "instance-1".into(),
            activity_id: "task".into(),
            attempt: 1,
            retries_left: 2,
            idempotency_key: "instance-1/task/1".into(),
            ..Call::default()
        };
        Self { call, answers: HashMap::new() }
    }

    /// Changes who is called: `.with(|call| call.attempt = 3)`.
    pub fn with(mut self, change: impl FnOnce(&mut Call)) -> Self {
        change(&mut self.call);
        self
    }

    /// Answers `command` with this reply. Several answers to one command are given in order, and the last one for ever.
    pub fn reply(self, command: &str, reply: Value) -> Self {
        self.answer(command, move |_| Ok(reply.clone()))
    }

    /// Rejects `command`, as the domain does; see [`reply`](Self::reply) for the order.
    pub fn reject(self, command: &str, code: &str, message: &str) -> Self {
        let rejection = Rejection { code: code.into(), message: message.into(), reply: Value::Null };
        self.answer(command, move |_| Err(CommandError::Rejected(rejection.clone())))
    }

    /// Fails `command`; see [`reply`](Self::reply) for the order.
    pub fn fail(self, command: &str, error: CommandError) -> Self {
        self.answer(command, move |_| Err(error.clone()))
    }

    /// Answers `command` by what was issued; see [`reply`](Self::reply) for the order.
    pub fn answer(mut self, command: &str, answer: impl FnMut(&Issued) -> core::result::Result<Value, CommandError> + 'static) -> Self {
        self.answers.entry(command.to_owned()).or_default().push(Box::new(answer));
        self
    }

    /// Calls the delegate with these variables.
    pub fn call<I, O, F>(self, run: F, variables: Value) -> Called
    where
        I: DeserializeOwned,
        O: Serialize,
        F: FnOnce(&Context, I) -> Result<O>,
    {
        let answers = self
            .answers
            .into_iter()
            .map(|(name, mut queue)| {
                (name, {
                    queue.reverse();
                    queue
                })
            })
            .collect();
        let fake = Rc::new(Fake { answers: RefCell::new(answers), ..Fake::default() });
        let cx = Context::new(self.call, Box::new(Rc::clone(&fake)));
        let outcome = perform(&cx, &variables.to_string(), run).and_then(|text| Ok(serde_json::from_str(&text)?));
        Called { outcome, commands: fake.commands.take(), log: fake.log.take() }
    }
}

/// The engine's place in a test.
#[derive(Default)]
struct Fake {
    /// Per command, the next answer last.
    answers: RefCell<HashMap<String, Vec<Answer>>>,
    commands: RefCell<Vec<Issued>>,
    log: RefCell<Vec<(Level, String)>>,
}

impl Host for Rc<Fake> {
    fn issue(&self, command: &Command) -> core::result::Result<String, CommandError> {
        let body = serde_json::from_str(&command.body).map_err(|error| CommandError::Malformed(error.to_string()))?;
        let issued = Issued { name: command.name.clone(), body, key: command.key.clone() };
        self.commands.borrow_mut().push(issued.clone());
        let mut answers = self.answers.borrow_mut();
        let Some(queue) = answers.get_mut(&command.name) else {
            return Err(CommandError::Refused(format!("the test has no answer for {}", command.name)));
        };
        // A queue is never made empty: the last answer stays.
        let answer = match queue.len() {
            1 => return queue[0](&issued).map(|reply| reply.to_string()),
            _ => queue.pop(),
        };
        answer.map_or_else(|| Ok(String::new()), |mut answer| answer(&issued).map(|reply| reply.to_string()))
    }

    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{CommandResultExt, Error, INVALID_DATA, INVALID_INPUT, Ignored, Retry};

    fn issue_once(cx: &Context, _: Value) -> Result<Value> {
        Ok(cx.command("a@1", &json!({}))?)
    }

    fn failure(error: CommandError) -> Error {
        Harness::new().fail("a@1", error).call(issue_once, json!({})).outcome.unwrap_err()
    }

    #[test]
    fn rejection_becomes_a_bpmn_error_and_the_rest_technical_failures() {
        let rejection = Rejection { code: "NO".into(), message: "no".into(), reply: Value::Null };
        assert_eq!(failure(CommandError::Rejected(rejection)), Error::bpmn("NO", "no"));
        for (error, retry) in [
            (CommandError::Unavailable("x".into()), Retry::ByPolicy),
            (CommandError::Unknown("x".into()), Retry::ByPolicy),
            (CommandError::Refused("x".into()), Retry::Never),
            (CommandError::Malformed("x".into()), Retry::Never),
        ] {
            let Error::Technical(failure) = failure(error.clone()) else { panic!("{error} became a BPMN error") };
            assert_eq!(failure.retry, retry, "{error}");
        }
    }

    #[test]
    fn rejection_can_be_renamed_or_handled() {
        let rejected = || Harness::new().reject("a@1", "NO", "not today");
        let renamed = rejected()
            .call(|cx: &Context, _: Value| -> Result<Value> { cx.command("a@1", &json!({})).or_bpmn_error("ORDER_INVALID") }, json!({}));
        assert_eq!(renamed.outcome, Err(Error::bpmn("ORDER_INVALID", "NO: not today")));
        let handled = rejected().call(
            |cx: &Context, _: Value| {
                let answer = cx.command::<Value>("a@1", &json!({})).or_rejection()?;
                Ok(json!({ "why": answer.unwrap_err().code }))
            },
            json!({}),
        );
        assert_eq!(handled.outcome, Ok(json!({ "why": "NO" })));
    }

    #[test]
    fn command_outside_the_answers_is_refused() {
        let done = Harness::new().reply("b@1", json!({})).call(issue_once, json!({}));
        let Err(Error::Technical(ref failure)) = done.outcome else { panic!("{:?}", done.outcome) };
        assert!(failure.message.contains("a@1"), "{}", failure.message);
        assert_eq!(done.command_names(), ["a@1"]);
    }

    #[test]
    fn answers_come_in_order_and_the_last_stays() {
        fn thrice(cx: &Context, _: Value) -> Result<Value> {
            let replies = (0..3).map(|_| cx.command("a@1", &json!({}))).collect::<core::result::Result<Vec<u32>, _>>()?;
            Ok(json!({ "replies": replies }))
        }
        let done = Harness::new().reply("a@1", json!(1)).reply("a@1", json!(2)).call(thrice, json!({}));
        assert_eq!(done.outcome, Ok(json!({ "replies": [1, 2, 2] })));
    }

    #[test]
    fn input_of_the_wrong_shape_is_an_incident_at_once() {
        let done = Harness::new().call(|_: &Context, n: BTreeMap<String, u32>| Ok(json!({ "n": n })), json!({ "n": "s3cret" }));
        let Err(Error::Technical(failure)) = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!((failure.code.as_deref(), failure.retry), (Some(INVALID_INPUT), Retry::Never));
        assert!(failure.message.ends_with("invalid type: string, expected u32 at line 1 column 13"), "{}", failure.message);
    }

    #[test]
    fn reply_of_the_wrong_shape_is_named_without_what_stands_in_it() {
        let run = |cx: &Context, _: Value| Ok(json!({ "n": cx.command::<u32>("a@1", &json!({}))? }));
        let done = Harness::new().reply("a@1", json!("s3cret")).call(run, json!({}));
        let Err(Error::Technical(failure)) = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(failure.code.as_deref(), Some(INVALID_DATA));
        assert_eq!(failure.message, "reply to a@1 is not what was expected: invalid type: string, expected u32 at line 1 column 8");
    }

    #[test]
    fn result_is_an_object_or_nothing() {
        let none = Harness::new().call(|_: &Context, _: Value| Ok(()), json!({}));
        assert_eq!(none.outcome, Ok(json!({})));
        let number = Harness::new().call(|_: &Context, _: Value| Ok(7), json!({}));
        let Err(Error::Technical(failure)) = number.outcome else { panic!("{:?}", number.outcome) };
        assert_eq!(failure.code.as_deref(), Some(INVALID_DATA));
    }

    #[test]
    fn reply_may_be_ignored_and_calls_can_be_shaped() {
        fn run(cx: &Context, _: Value) -> Result<Value> {
            let Ignored = cx.command_with_key("a@1", "reserve:17", &json!({}))?;
            cx.log_info("done");
            Ok(json!({ "attempt": cx.call().attempt, "mode": cx.property("mode") }))
        }
        let done = Harness::new()
            .with(|call| {
                call.attempt = 3;
                call.extension_properties = vec![("mode".into(), "fast".into())];
            })
            .reply("a@1", json!({ "anything": [1] }))
            .call(run, json!({}));
        assert_eq!(done.outcome, Ok(json!({ "attempt": 3, "mode": "fast" })));
        assert_eq!(done.commands[0].key.as_deref(), Some("reserve:17"));
        assert_eq!(done.log, [(Level::Info, "done".to_owned())]);
    }

    #[test]
    fn advice_changes_technical_failures_only() {
        let later = Error::technical("x").retry_after(Duration::from_secs(5));
        assert!(matches!(&later, Error::Technical(failure) if failure.retry == Retry::After(Duration::from_secs(5))));
        assert_eq!(Error::bpmn("A", "x").never().retry_after(Duration::ZERO), Error::bpmn("A", "x"));
        let Error::Bpmn(error) = Error::bpmn("A", "x").with_variables(json!({ "a": 1 })) else { panic!() };
        assert_eq!(error.variables, json!({ "a": 1 }));
        assert!(Error::bpmn("A", "x").with_variables(1).bpmn_code().is_none());
    }
}
