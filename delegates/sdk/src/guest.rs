//! The component's side of the WIT package: generated bindings, and their types to and from ours. Only in Wasm.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::context::{Call, Command, Context, Host, Level};
use crate::error::{CommandError, Error, Rejection, Result, Retry};

/// What wit-bindgen makes of `wit/mandate-delegate@0.1.0`.
#[allow(
    unsafe_code,
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated: the canonical ABI is raw memory, and the documentation is in the WIT"
)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/mandate-delegate@0.1.0",
        world: "delegate",
        pub_export_macro: true,
        export_macro_name: "__export_delegate",
        default_bindings_module: "mandate_sdk::__guest::bindings",
    });
}

use bindings::mandate::delegate::{commands, logging, types};

/// What the exported `execute` does.
pub fn execute<I, O, F>(call: types::Call, variables: &str, run: F) -> core::result::Result<String, types::Failure>
where
    I: DeserializeOwned,
    O: Serialize,
    F: FnOnce(&Context, I) -> Result<O>,
{
    let cx = Context::new(call.into(), Box::new(Imports));
    crate::perform::perform(&cx, variables, run).map_err(types::Failure::from)
}

/// The engine, as the component's imports.
struct Imports;

impl Host for Imports {
    fn issue(&self, command: &Command) -> core::result::Result<String, CommandError> {
        let command = commands::Command { name: command.name.clone(), body: command.body.clone(), key: command.key.clone() };
        commands::issue(&command).map_err(|error| match error {
            commands::CommandError::Rejected(rejection) => CommandError::Rejected(Rejection {
                code: rejection.code,
                message: rejection.message,
                reply: serde_json::from_str(&rejection.reply).unwrap_or_default(),
            }),
            commands::CommandError::Unavailable(message) => CommandError::Unavailable(message),
            commands::CommandError::Unknown(message) => CommandError::Unknown(message),
            commands::CommandError::Refused(message) => CommandError::Refused(message),
        })
    }

    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
        };
        logging::log(level, message);
    }
}

impl From<types::Call> for Call {
    fn from(call: types::Call) -> Self {
        Self {
            tenant: call.tenant,
            definition_key: call.definition_key,
            definition_version: call.definition_version,
            version_tag: call.version_tag,
            instance_id: call.instance_id,
            business_key: call.business_key,
            activity_id: call.activity_id,
            attempt: call.attempt,
            retries_left: call.retries_left,
            idempotency_key: call.idempotency_key,
            traceparent: call.traceparent,
            extension_properties: call.extension_properties,
        }
    }
}

impl From<Error> for types::Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Bpmn(error) => {
                Self::BpmnError(types::BpmnError { code: error.code, message: error.message, variables: error.variables.to_string() })
            }
            Error::Technical(failure) => Self::Technical(types::TechnicalFailure {
                message: failure.message,
                code: failure.code,
                retry: match failure.retry {
                    Retry::ByPolicy => types::RetryAdvice::ByPolicy,
                    Retry::After(delay) => types::RetryAdvice::AfterMs(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)),
                    Retry::Never => types::RetryAdvice::Never,
                },
            }),
        }
    }
}
