//! One delegate call inside a unit of work: what the guest is told, what it may do, and what its end means for the unit.

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use mandate_engine::{Code, DelegateCall, DelegateOutcome, EntryKey, Failure, InstanceId, Retry, Variable, Variables};
use mandate_store::Origin;
use mandate_wasm::{Call, Command, CommandError, Commands, Level, Outcome, World};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::definitions::{Binding, Definition};
use crate::error::Reach;
use crate::ledger::{Closings, Issue, Issued};
use crate::{Error, Inner, text};

/// What the unit of work that makes the call knows about itself.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    pub(crate) instance: InstanceId,
    pub(crate) tenant: Option<String>,
    pub(crate) business_key: Option<String>,
    pub(crate) origin: Origin,
    /// Who answers for the external task that the unit resumes.
    pub(crate) worker: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) started_at: i64,
    pub(crate) cancel: CancellationToken,
    pub(crate) closings: Closings,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) enum CallEnd {
    /// With an answer that the engine takes up.
    Answered(DelegateOutcome),
    /// Technically: the unit is thrown away.
    Failed(Failure),
    /// The wait that the unit resumes is gone: nobody wants the answer.
    Withdrawn,
    /// This host may send nothing ([`Issued::NotActing`]).
    NotActing(&'static str),
}

/// The longest key of a delegate's own, in bytes: HTTP header values are bounded by proxies on the way.
const MAX_KEY_BYTES: usize = 200;

/// As much is repeated of the name of a command that a delegate is not granted, in bytes.
const MAX_NAME_BYTES: usize = 200;

impl Inner {
    /// Calls the component that the definition has bound to the task. One that this host cannot load, and another one may, is an error:
    /// the unit is as if it had not begun.
    pub(crate) async fn call_delegate(
        self: &Arc<Self>,
        definition: &Definition,
        binding: &Arc<Binding>,
        call: &DelegateCall,
        context: &CallContext,
    ) -> Result<CallEnd, Error> {
        let delegate = match self.delegate(&binding.digest).await {
            Ok(delegate) => delegate,
            Err(error) if error.reach() >= Reach::Host => return Err(error),
            Err(error) => {
                let message = format!("delegate {} ({}) could not be loaded: {error}", binding.delegate, binding.digest);
                return Ok(CallEnd::Failed(failure(Code::DelegateUnavailable, message, call, Retry::ByPolicy)));
            }
        };
        let element = definition.model.element(call.element);
        let task = Arc::new(Task {
            inner: self.clone(),
            binding: binding.clone(),
            context: context.clone(),
            entry: call.entry,
            activity_id: element.id.to_string(),
            definition_id: definition.row.id.clone(),
            span: tracing::Span::current(),
            ordinals: Mutex::default(),
            stop: Mutex::default(),
            unavailable: Mutex::default(),
            sent_before: Arc::new(AtomicBool::new(call.attempt > 1)),
        });
        let wasm_call = Call {
            tenant: context.tenant.clone(),
            definition_key: definition.row.key.clone(),
            definition_version: u32::try_from(definition.row.version).unwrap_or(u32::MAX),
            version_tag: definition.row.version_tag.clone(),
            instance_id: context.instance.to_string(),
            business_key: context.business_key.clone(),
            activity_id: element.id.to_string(),
            attempt: call.attempt,
            retries_left: call.retries_left,
            idempotency_key: key_prefix(context.instance, &call.entry),
            traceparent: context.traceparent.clone(),
            extension_properties: element.properties.iter().chain(&call.fields).cloned().collect(),
        };
        let world = World { seed: call.entry.0, wall_clock_ms: context.started_at };
        let limits = binding.mandate.limits(&self.caps);
        // On the unit's own span, so that every line that the unit writes from here on tells them, the guest's lines included.
        let span = tracing::Span::current();
        tracing::record_all!(
            span,
            activity = %element.id,
            attempt = call.attempt,
            delegate = binding.delegate.as_str(),
            digest = binding.digest.as_str(),
            idempotency_key = wasm_call.idempotency_key.as_str(),
        );
        let returned = delegate
            .call(wasm_call, to_json_text(&call.variables), world, limits, Arc::new(Port(task.clone())), context.cancel.clone())
            .await;
        crate::metrics::delegate_called(binding, &returned);
        let stop = task.stop.lock().expect("no holder of this lock panics").take();
        let unavailable = task.unavailable.lock().expect("no holder of this lock panics").take();
        let took = returned.stats.wall;
        let end = interpret(returned.outcome, stop, unavailable, binding, call);
        binding.has_run(matches!(end, CallEnd::Answered(_)), took);
        Ok(end)
    }

    /// The component with this digest, from memory, the cache or the store.
    pub(crate) async fn delegate(&self, digest: &str) -> Result<mandate_wasm::Delegate, Error> {
        if let Some(loaded) = self.sandbox.loaded(digest) {
            return Ok(loaded);
        }
        let bytes = self.store.artifact(digest).await?.ok_or_else(|| Error::Damaged(format!("the artifact {digest} is missing")))?;
        Ok(self.sandbox.prepare(digest, &bytes).await?)
    }
}

/// What the end of a call means. A stop that the commands side noted goes before whatever the guest made of it: a delegate cannot
/// talk its unit past a command whose outcome is unknown.
///
/// A service that said when to come again is taken at its word, unless the delegate knows better.
fn interpret(outcome: Outcome, stop: Option<Stop>, unavailable: Option<Unavailable>, binding: &Binding, call: &DelegateCall) -> CallEnd {
    match stop {
        Some(Stop::Withdrawn) => return CallEnd::Withdrawn,
        Some(Stop::NotActing(why)) => return CallEnd::NotActing(why),
        Some(Stop::Failed(noted)) => return CallEnd::Failed(noted.at(call.element)),
        None => {}
    }
    let name = &binding.delegate;
    let digest = &binding.digest[..12.min(binding.digest.len())];
    match outcome {
        Outcome::Result(json) => match variables(&json) {
            Ok(variables) => CallEnd::Answered(DelegateOutcome::Completed { variables }),
            Err(reason) => CallEnd::Failed(invalid_answer(name, digest, &reason, call)),
        },
        Outcome::BpmnError { code, message, variables: json } => match variables(&json) {
            Ok(variables) => CallEnd::Answered(DelegateOutcome::BpmnError { code, message, variables }),
            Err(reason) => CallEnd::Failed(invalid_answer(name, digest, &reason, call)),
        },
        Outcome::Technical { message, code, retry } => {
            let message = match code {
                Some(code) => format!("delegate {name} ({digest}) failed with {code}: {message}"),
                None => format!("delegate {name} ({digest}) failed: {message}"),
            };
            let retry = match (retry, unavailable.as_ref().and_then(|service| service.retry_after)) {
                (mandate_wasm::Retry::ByPolicy, Some(wait)) => Retry::AfterMs(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
                (mandate_wasm::Retry::ByPolicy, None) => Retry::ByPolicy,
                (mandate_wasm::Retry::AfterMs(ms), _) => Retry::AfterMs(ms),
                (mandate_wasm::Retry::Never, _) => Retry::Never,
            };
            let code = if unavailable.is_some() { Code::CommandUnavailable } else { Code::DelegateFailed };
            CallEnd::Failed(failure(code, message, call, retry))
        }
        Outcome::Trapped(reason) => {
            let message = format!("delegate {name} ({digest}) trapped: {reason}");
            CallEnd::Failed(failure(Code::DelegateTrapped, message, call, Retry::ByPolicy))
        }
        Outcome::LimitExceeded { limit, message } => {
            let message = format!("delegate {name} ({digest}) exceeded its {limit} limit: {message}");
            CallEnd::Failed(failure(Code::DelegateLimitExceeded, message, call, Retry::ByPolicy))
        }
        Outcome::Cancelled | Outcome::Aborted => CallEnd::Withdrawn,
    }
}

fn failure(code: Code, message: String, call: &DelegateCall, retry: Retry) -> Failure {
    Failure::of_unit(code, message, retry).at(call.element)
}

fn invalid_answer(name: &str, digest: &str, reason: &str, call: &DelegateCall) -> Failure {
    let message = format!("delegate {name} ({digest}) answered with something else than a JSON object: {reason}");
    failure(Code::DelegateAnswerInvalid, message, call, Retry::ByPolicy)
}

/// Variables of a JSON object; an empty text is no variables. What is wrong is told without values: of any JSON only its syntax can be, and
/// of that `serde_json` says what it misses and where.
fn variables(json: &str) -> Result<Variables, String> {
    if json.trim().is_empty() {
        return Ok(Variables::new());
    }
    let object = match serde_json::from_str(json) {
        Ok(serde_json::Value::Object(object)) => object,
        Ok(serde_json::Value::Null) => return Err("null".to_owned()),
        Ok(serde_json::Value::Bool(_)) => return Err("a boolean".to_owned()),
        Ok(serde_json::Value::Number(_)) => return Err("a number".to_owned()),
        Ok(serde_json::Value::String(_)) => return Err("a string".to_owned()),
        Ok(serde_json::Value::Array(_)) => return Err("an array".to_owned()),
        Err(error) => return Err(error.to_string()),
    };
    Ok(object.iter().map(|(name, value)| (name.clone(), Variable::from_json(value))).collect())
}

/// A JSON object of the variables' texts as they are, without parsing them.
fn to_json_text(variables: &Variables) -> String {
    let mut text = String::with_capacity(64 * variables.len() + 2);
    text.push('{');
    for (index, (name, variable)) in variables.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name.as_str()).to_string());
        text.push(':');
        text.push_str(&variable.json);
    }
    text.push('}');
    text
}

/// Why the unit must not go on, noted beside the guest's back.
enum Stop {
    Failed(Failure),
    Withdrawn,
    NotActing(&'static str),
}

/// The host's side of a guest's imports.
struct Port(Arc<Task>);

/// What the imports know about the call they belong to.
struct Task {
    inner: Arc<Inner>,
    binding: Arc<Binding>,
    context: CallContext,
    entry: EntryKey,
    activity_id: String,
    definition_id: String,
    /// The unit's span: guests run on threads of their own.
    span: tracing::Span,
    /// How many times each command was issued in this call: part of the derived keys.
    ordinals: Mutex<HashMap<String, u32>>,
    stop: Mutex<Option<Stop>>,
    /// The last command that was not applied because its service was not there.
    unavailable: Mutex<Option<Unavailable>>,
    /// As in [`Issue`].
    sent_before: Arc<AtomicBool>,
}

/// A domain service that was not there.
struct Unavailable {
    /// When it asked to be called again.
    retry_after: Option<Duration>,
}

impl Task {
    fn refuse(&self, message: String) -> CommandError {
        self.note(Stop::Failed(Failure::of_unit(Code::CommandRefused, message.clone(), Retry::Never)));
        CommandError::Refused(message)
    }

    /// The first stop counts: what follows it is a consequence.
    fn note(&self, stop: Stop) {
        self.stop.lock().expect("no holder of this lock panics").get_or_insert(stop);
    }

    fn prepare(&self, command: Command) -> Result<Issue, CommandError> {
        let name = &command.name;
        if !self.binding.mandate.commands.contains(name) {
            return Err(self.refuse(format!(
                "delegate {} is not granted command {}: its manifest asks for {:?}",
                self.binding.delegate,
                text::cut(name, MAX_NAME_BYTES),
                self.binding.mandate.commands
            )));
        }
        let body: serde_json::Value = match serde_json::from_str(&command.body) {
            Ok(body @ serde_json::Value::Object(_)) => body,
            Ok(_) => return Err(self.refuse(format!("the body of command {name} is not a JSON object"))),
            Err(error) => return Err(self.refuse(format!("the body of command {name} is not JSON: {error}"))),
        };
        let ordinal = {
            let mut ordinals = self.ordinals.lock().expect("no holder of this lock panics");
            let ordinal = ordinals.entry(name.clone()).or_default();
            *ordinal += 1;
            *ordinal
        };
        let entry_key = hex::encode(self.entry.0);
        let key = match command.key {
            None => derived_key(self.context.instance, &self.entry, name, ordinal),
            Some(own) if is_own_key(&own) => own,
            Some(_) => {
                return Err(self.refuse(format!(
                    "the key given for command {name} is not 1 to {MAX_KEY_BYTES} visible ASCII characters, or ends like a generation, .g2"
                )));
            }
        };
        Ok(Issue {
            tenant: self.context.tenant.clone(),
            delegate: self.binding.delegate.clone(),
            command: command.name,
            key,
            entry_key,
            body,
            instance: self.context.instance.0,
            origin: self.context.origin,
            worker: self.context.worker.clone(),
            activity_id: self.activity_id.clone(),
            definition_id: self.definition_id.clone(),
            traceparent: self.context.traceparent.clone(),
            sent_before: Arc::clone(&self.sent_before),
            closings: self.context.closings.clone(),
        })
    }

    /// Issues a command, and does not let the guest go on as if somebody knew what became of it where that has panicked.
    async fn issue(&self, name: &str, issuing: impl Future<Output = Result<String, CommandError>>) -> Result<String, CommandError> {
        AssertUnwindSafe(issuing).catch_unwind().await.unwrap_or_else(|_| {
            // The panic hook has told where.
            let name = text::cut(name, MAX_NAME_BYTES);
            let message =
                format!("this host met a bug while it sent command {name}, and what became of that is unknown; its log tells more");
            let retry = Retry::ByPolicy;
            self.note(Stop::Failed(Failure::of_unit(Code::CommandOutcomeUnknown, message, retry)));
            Err(CommandError::Abort)
        })
    }

    fn conclude(&self, issued: Issued) -> Result<String, CommandError> {
        match issued {
            Issued::Applied { reply } => Ok(reply),
            Issued::Rejected { code, message, reply } => Err(CommandError::Rejected { code, message, reply }),
            Issued::Unavailable { reason, retry_after } => {
                *self.unavailable.lock().expect("no holder of this lock panics") = Some(Unavailable { retry_after });
                Err(CommandError::Unavailable(reason))
            }
            Issued::Stop(stop) => {
                self.note(Stop::Failed(stop));
                Err(CommandError::Abort)
            }
            Issued::Withdrawn => {
                self.note(Stop::Withdrawn);
                Err(CommandError::Abort)
            }
            Issued::NotActing(why) => {
                self.note(Stop::NotActing(why));
                Err(CommandError::Abort)
            }
        }
    }
}

impl Commands for Port {
    /// Runs to its end even if the guest is stopped meanwhile: a command that is leaving is awaited and recorded, and one that is not
    /// stays here.
    fn issue(&self, command: Command, gone: CancellationToken) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>> {
        let (task, name) = (self.0.clone(), command.name.clone());
        Box::pin(async move {
            let issuing = async {
                let issue = task.prepare(command)?;
                match task.inner.issue(&issue, &gone).await {
                    // Whatever has ended the guest says what becomes of the unit.
                    Issued::Withdrawn if gone.is_cancelled() => Err(CommandError::Abort),
                    issued => task.conclude(issued),
                }
            };
            task.issue(&name, issuing).await
        })
    }

    fn log(&self, level: Level, message: &str) {
        log(&self.0.span, level, message);
    }
}

fn log(span: &tracing::Span, level: Level, message: &str) {
    let message = text::one_line(message);
    match level {
        Level::Debug => tracing::debug!(target: "mandate::delegate", parent: span, "{message}"),
        Level::Info => tracing::info!(target: "mandate::delegate", parent: span, "{message}"),
        Level::Warn => tracing::warn!(target: "mandate::delegate", parent: span, "{message}"),
        Level::Error => tracing::error!(target: "mandate::delegate", parent: span, "{message}"),
    }
}

/// What all keys begin with that are derived in one entry into an activity: the instance's id, 32 hexadecimal digits, and as many of the
/// entry's digest. Ids of instances are in the order of their starts as a rule, and so the keys of a time stand together in the ledger's
/// index: what is written there are few pages, however large it is.
fn key_prefix(instance: InstanceId, entry: &EntryKey) -> String {
    format!("{}-{}", instance.0.simple(), hex::encode(&entry.0[..16]))
}

/// The key of a command that was given none: the entry into the activity, and a digest of the command and of how many times this call has
/// issued it.
fn derived_key(instance: InstanceId, entry: &EntryKey, command: &str, ordinal: u32) -> String {
    let mut hash = Sha256::new();
    hash.update(entry.0);
    hash.update(command.as_bytes());
    hash.update([0]);
    hash.update(ordinal.to_be_bytes());
    format!("{}-{}", key_prefix(instance, entry), hex::encode(&hash.finalize()[..8]))
}

fn is_own_key(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) && !ends_like_a_generation(key)
}

/// Whether the service could take it for a later generation of another key, and answer with what became of that.
fn ends_like_a_generation(key: &str) -> bool {
    key.rsplit_once(".g").is_some_and(|(_, digits)| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_go_to_the_guest_as_the_text_they_are() {
        let variables = Variables::from([
            ("a\"b".to_owned(), Variable::from_json(&serde_json::json!(1))),
            ("list".to_owned(), Variable::from_json(&serde_json::json!([1, "x"]))),
        ]);
        let text = to_json_text(&variables);
        let parsed: serde_json::Value = serde_json::from_str(&text).expect("an object");
        assert_eq!(parsed, serde_json::json!({"a\"b": 1, "list": [1, "x"]}));
        assert_eq!(to_json_text(&Variables::new()), "{}");
    }

    #[test]
    fn answer_that_is_no_object_is_told_by_its_kind_and_not_by_its_value() {
        for (answer, says) in [
            ("\"s3cret\"", "a string"),
            ("4711", "a number"),
            ("[4711]", "an array"),
            ("true", "a boolean"),
            ("null", "null"),
            ("{\"a\": s3cret}", "expected value at line 1 column 7"),
            ("{\"a\": \"s3cret", "EOF while parsing a string at line 1 column 13"),
            ("{} s3cret", "trailing characters at line 1 column 4"),
        ] {
            assert_eq!(variables(answer).unwrap_err(), says, "{answer}");
        }
        assert!(variables(" ").unwrap().is_empty());
    }

    /// Keeps the messages of what is logged.
    struct Lines(Arc<Mutex<Vec<String>>>);

    impl tracing::Subscriber for Lines {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }

        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

        fn event(&self, event: &tracing::Event<'_>) {
            let mut keep = |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                if field.name() == "message" {
                    self.0.lock().unwrap().push(format!("{value:?}"));
                }
            };
            event.record(&mut keep);
        }

        fn enter(&self, _: &tracing::span::Id) {}

        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn delegate_writes_no_lines_of_the_hosts_log() {
        let lines = Arc::new(Mutex::default());
        let levels = [Level::Debug, Level::Info, Level::Warn, Level::Error];
        tracing::subscriber::with_default(Lines(Arc::clone(&lines)), || {
            for level in levels {
                log(&tracing::Span::none(), level, "reserved\n2026-11-20 ERROR forged\u{1b}[2J");
            }
        });
        assert_eq!(*lines.lock().unwrap(), ["reserved\\n2026-11-20 ERROR forged\\u{1b}[2J"; 4]);
    }

    #[test]
    fn derived_keys_differ_by_command_and_ordinal_and_by_nothing_else() {
        let (id, entry) = (InstanceId(uuid::Uuid::from_u128(1)), EntryKey([7; 32]));
        let key = derived_key(id, &entry, "orders.reserve@1", 1);
        assert_eq!(key, derived_key(id, &entry, "orders.reserve@1", 1));
        assert_ne!(key, derived_key(id, &entry, "orders.reserve@1", 2));
        assert_ne!(key, derived_key(id, &entry, "orders.release@1", 1));
        assert_ne!(key, derived_key(id, &EntryKey([8; 32]), "orders.reserve@1", 1));
        assert!(is_own_key(&key) && key.starts_with(&key_prefix(id, &entry)), "the guest is told how it begins: {key}");
        assert!(key.starts_with("00000000000000000000000000000001-0707070707070707"), "keys of one time are neighbours: {key}");
    }

    #[test]
    fn own_keys_are_visible_ascii_and_no_generation_of_another() {
        assert!(is_own_key("reserve:order-17:plan-2"));
        assert!(is_own_key("reserve.g2:order-17") && is_own_key("a.g") && is_own_key("a.gx"));
        assert!(!is_own_key("reserve:order-17.g2"));
        assert!(!is_own_key(""));
        assert!(!is_own_key("a b"));
        assert!(!is_own_key("a\r\nX-Evil: 1"));
        assert!(!is_own_key(&"x".repeat(201)));
    }
}
