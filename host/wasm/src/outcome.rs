//! From what wasmtime says to what the call came to.

use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::{I32Exit, ResourceTableError};

use crate::bindings::mandate::delegate::types::{Failure, RetryAdvice};
use crate::call::{Outcome, Retry};
use crate::guest::State;
use crate::limits::Limits;

/// The longest message of a failure, in bytes; the rest of an incident has to fit beside it.
const MAX_MESSAGE: usize = 4096;
/// The longest code of a failure, in bytes: a code is a name.
const MAX_CODE: usize = 200;

/// Why the host ended a guest. Travels through wasmtime as an error and is found again by its type.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Stop {
    #[error("{message}")]
    Limit { limit: &'static str, message: String },
    #[error("aborted by the host")]
    Abort,
}

impl Stop {
    pub(crate) fn limit(limit: &'static str, message: String) -> Self {
        Self::Limit { limit, message }
    }
}

/// What a guest's own answer comes to, or that it is too large.
pub(crate) fn answered(answer: Result<String, Failure>, limits: &Limits) -> Outcome {
    let size = match &answer {
        Ok(result) => result.len(),
        Err(Failure::BpmnError(error)) => error.code.len() + error.message.len() + error.variables.len(),
        Err(Failure::Technical(failure)) => failure.message.len() + failure.code.as_ref().map_or(0, String::len),
    };
    if size as u64 > limits.output {
        return exceeded("output", format!("returned {size} bytes, more than the {} allowed", limits.output));
    }
    match answer {
        Ok(result) => Outcome::Result(result),
        Err(Failure::BpmnError(error)) => {
            Outcome::BpmnError { code: cut(&error.code, MAX_CODE), message: cut(&error.message, MAX_MESSAGE), variables: error.variables }
        }
        Err(Failure::Technical(failure)) => Outcome::Technical {
            message: cut(&failure.message, MAX_MESSAGE),
            code: failure.code.map(|code| cut(&code, MAX_CODE)),
            retry: match failure.retry {
                RetryAdvice::ByPolicy => Retry::ByPolicy,
                RetryAdvice::AfterMs(ms) => Retry::AfterMs(ms),
                RetryAdvice::Never => Retry::Never,
            },
        },
    }
}

/// What a guest came to that did not answer.
pub(crate) fn failed(error: &wasmtime::Error, state: &State) -> Outcome {
    let limits = &state.limits;
    match error.downcast_ref::<Stop>() {
        Some(Stop::Limit { limit, message }) => return exceeded(limit, message.clone()),
        Some(Stop::Abort) => return Outcome::Aborted,
        None => {}
    }
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return Outcome::Trapped(with_last_words(format!("called exit with status {}", exit.0), state));
    }
    if let Some(wanted) = state.memory.refused {
        return exceeded("memory", format!("asked for {wanted} bytes of memory, more than the {} allowed", limits.memory));
    }
    let says = |text| error.chain().any(|cause| cause.to_string().contains(text));
    if matches!(error.downcast_ref(), Some(ResourceTableError::Full)) || says(HANDLE_LIMIT) {
        return exceeded("handles", "held too many resources at once".to_owned());
    }
    if says(HOSTCALL_FUEL) {
        // While a call to the host is decoded the guest is on the stack; while its result is, it has returned.
        return if error.downcast_ref::<WasmBacktrace>().is_some() {
            exceeded("hostcall", format!("handed more than {} bytes to the host at once", limits.crossing()))
        } else {
            exceeded("output", format!("returned more than the {} bytes allowed", limits.output))
        };
    }
    let what = error.downcast_ref::<Trap>().map_or_else(|| error.root_cause().to_string(), ToString::to_string);
    Outcome::Trapped(cut(&with_last_words(what, state), MAX_MESSAGE))
}

/// What wasmtime says past `set_max_component_handles`; its error has no public type.
const HANDLE_LIMIT: &str = "store handle limit exceeded";
/// What wasmtime says when more crosses to the host than `set_hostcall_fuel` allows; its error has no public type.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

pub(crate) fn exceeded(limit: &'static str, message: String) -> Outcome {
    Outcome::LimitExceeded { limit, message }
}

fn with_last_words(what: String, state: &State) -> String {
    let last_words = state.log.last_words();
    if last_words.is_empty() { what } else { format!("{what}; it wrote: {last_words}") }
}

/// At most `max` bytes of `text`, at a character's boundary, with a mark where something is missing.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", &text[..end])
}
