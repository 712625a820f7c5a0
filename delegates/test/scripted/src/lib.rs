//! A delegate that does what the variable `script` says for the activity that calls it. For tests of units of work and the ledger.
//!
//! ```json
//! { "reserve": { "commands": [{ "name": "stock.take@1", "body": { "n": 1 }, "key": "own", "into": "y" }],
//!                "failAttempts": 1, "error": "CODE", "set": { "x": 1 } } }
//! ```

use std::collections::BTreeMap;

use mandate_sdk::{CommandError, Context, Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
struct Input {
    #[serde(default)]
    script: BTreeMap<String, Script>,
    /// Where a body says `"$name"`, the variable of that name is sent.
    #[serde(flatten)]
    variables: Map<String, Value>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Script {
    /// Issued in order; the first rejection ends the call as a BPMN error.
    #[serde(default)]
    commands: Vec<Command>,
    /// Fails technically, after its commands, while the attempt is not above this.
    #[serde(default)]
    fail_attempts: u32,
    /// Ends with this BPMN error.
    error: Option<String>,
    /// Variables to set.
    #[serde(default)]
    set: Map<String, Value>,
    /// Loops for ever after its commands.
    #[serde(default)]
    spin: bool,
}

#[derive(Deserialize)]
struct Command {
    name: String,
    body: Map<String, Value>,
    key: Option<String>,
    /// How many times; 0 and 1 are once.
    #[serde(default)]
    repeat: u32,
    /// Swallow an outcome that is unknown or unavailable, as a careless delegate would.
    #[serde(default)]
    careless: bool,
    /// The variable that takes the reply.
    into: Option<String>,
}

fn run(cx: &Context, mut input: Input) -> Result<Map<String, Value>> {
    let mut script = input.script.remove(&cx.call().activity_id).unwrap_or_default();
    let commands = std::mem::take(&mut script.commands);
    for command in commands.iter().flat_map(|command| (0..command.repeat.max(1)).map(move |_| command)) {
        let body: Map<String, Value> = command.body.iter().map(|(name, value)| (name.clone(), filled(value, &input.variables))).collect();
        let issued: std::result::Result<Value, CommandError> = match &command.key {
            Some(key) => cx.command_with_key(&command.name, key, &body),
            None => cx.command(&command.name, &body),
        };
        match issued {
            Ok(reply) => script.set.extend(command.into.clone().map(|name| (name, reply))),
            Err(CommandError::Unavailable(_) | CommandError::Unknown(_)) if command.careless => {}
            Err(error) => return Err(error.into()),
        }
    }
    while script.spin {
        std::hint::black_box(cx.call().attempt);
    }
    if cx.call().attempt <= script.fail_attempts {
        return Err(Error::technical("told to fail"));
    }
    match script.error {
        Some(code) => Err(Error::bpmn(code, "told to throw")),
        None => Ok(script.set),
    }
}

fn filled(value: &Value, variables: &Map<String, Value>) -> Value {
    match value.as_str().and_then(|text| text.strip_prefix('$')) {
        Some(name) => variables.get(name).cloned().unwrap_or_default(),
        None => value.clone(),
    }
}

mandate_sdk::delegate!(run);
