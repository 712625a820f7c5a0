//! Modifications in scripts: instructions with `;` between them.
//!
//! `cancel #5`, `cancel-transition #5`, `cancel-all a`, `cancel-current a`; `before a`, `flow a_b`, and behind these `in #3`, an object of
//! variables, and `local` with another. `as 7: ` before all of them is the key under which somebody asks for them. `a#body` is the body of
//! a multi-instance activity.

use mandate_model::{FlowIndex, ProcessDefinition};

use super::variables;
use crate::modification::{Cancel, Instruction, Modification, Site, Start, StartAt};
use crate::{ActivityId, Chain, Ending, Input};

pub(super) fn modification(definition: &ProcessDefinition, text: &str, chain: Chain) -> Modification {
    let (text, skip_io_mappings) = text.strip_prefix("skip: ").map_or((text, false), |text| (text, true));
    let (text, skip_listeners) = text.strip_prefix("silent: ").map_or((text, false), |text| (text, true));
    let (text, key) = match text.strip_prefix("as ").and_then(|text| text.split_once(": ")) {
        Some((key, text)) => (text, Some([key.parse().expect("a byte"); 32])),
        None => (text, None),
    };
    let instructions = text.split("; ").filter(|text| !text.is_empty()).map(|text| instruction(definition, text)).collect();
    Modification { instructions, skip_io_mappings, skip_listeners, chain, key }
}

fn instruction(definition: &ProcessDefinition, text: &str) -> Instruction {
    let (verb, rest) = text.split_once(' ').expect("an instruction has a verb and more");
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    match verb {
        "cancel" => Instruction::Cancel(Cancel::Activity(activity(word))),
        "cancel-transition" => Instruction::Cancel(Cancel::Transition(activity(word))),
        "cancel-all" => Instruction::Cancel(Cancel::All { at: site(definition, word), current: false }),
        "cancel-current" => Instruction::Cancel(Cancel::All { at: site(definition, word), current: true }),
        "before" => start(StartAt::Before(site(definition, word)), rest),
        "flow" => {
            let place = definition.flows.iter().position(|flow| *flow.id == *word).unwrap_or_else(|| panic!("there is no flow '{word}'"));
            start(StartAt::Transition(FlowIndex(u32::try_from(place).expect("flows are few"))), rest)
        }
        _ => panic!("a modification knows no '{verb}'"),
    }
}

fn start(at: StartAt, rest: &str) -> Instruction {
    let (rest, local) = rest.split_once("local ").unwrap_or((rest, ""));
    let (ancestor, set) = match rest.strip_prefix("in ") {
        Some(rest) => {
            let (word, set) = rest.split_once(' ').unwrap_or((rest, ""));
            (Some(activity(word)), set)
        }
        None => (None, rest),
    };
    Instruction::Start(Start { at, ancestor, variables: variables(set), local_variables: variables(local) })
}

fn site(definition: &ProcessDefinition, word: &str) -> Site {
    let (id, body) = word.strip_suffix("#body").map_or((word, false), |id| (id, true));
    Site { element: definition.find(id).unwrap_or_else(|| panic!("the model has no '{id}'")), body }
}

fn activity(word: &str) -> ActivityId {
    ActivityId(word.strip_prefix('#').and_then(|number| number.parse().ok()).expect("an activity's number"))
}

/// Somebody deletes the instance, for a reason or none; `silent:` before it skips listeners.
pub(super) fn deletion(text: &str) -> Input {
    let (reason, skip_listeners) = text.strip_prefix("silent:").map_or((text, false), |reason| (reason, true));
    Input::Cancel { reason: Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty()), skip_listeners }
}

/// How a called instance is to end.
pub(super) fn show_ending(wait: u64, ending: &Ending) -> String {
    let silent = if ending.skip_listeners { " silent" } else { "" };
    format!("process call !{wait} ends it: {:?} {:?}{silent}", ending.state, ending.reason)
}
