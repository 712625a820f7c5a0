//! What holds of any bytes that are read as a model, and of any text that is read as a time: for the tests beside it, and for the fuzz
//! targets.

use mandate_model::{ProcessDefinition, Reference, Severity, parse, parse_stored, references_of, time};

/// Definitions whose indexes are in range, or at least one error, in the order of the file; and the same every time. What may be deployed
/// is read when it is stored, and is the same then. Who is named in it is named whatever else is wrong.
pub(crate) fn model(bytes: &[u8]) {
    let stored = parse_stored("t.bpmn", bytes, &|_| None);
    if let Ok(parsed) = &stored {
        coherent(&parsed.processes);
    }
    let mut named = Vec::new();
    references_of(bytes, &|_| None, &mut |reference| named.push(written(reference)));
    match parse("t.bpmn", bytes) {
        Ok(parsed) => {
            coherent(&parsed.processes);
            assert_eq!(named, parsed.processes.iter().flat_map(ProcessDefinition::references).map(written).collect::<Vec<_>>());
            assert_eq!(format!("{:?}", stored.expect("it is read").processes), format!("{:?}", parsed.processes));
        }
        Err(diagnostics) => {
            assert!(diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error));
            let again = parse("t.bpmn", bytes).err();
            assert_eq!(again.as_ref(), Some(&diagnostics));
            for pair in diagnostics.windows(2) {
                assert!((pair[0].line, pair[0].column) <= (pair[1].line, pair[1].column));
            }
        }
    }
}

fn written(reference: Reference<'_>) -> String {
    format!("{} {:?} {:?}", reference.element.id, reference.listener, reference.implementation)
}

fn coherent(processes: &[ProcessDefinition]) {
    assert!(!processes.is_empty());
    for process in processes {
        for (index, element) in process.iter() {
            // An event with several definitions has several elements.
            let found = process.find(&element.id).expect("every id is known");
            assert!(found == index || found < index && process.element(found).position == element.position);
            for flow in &element.outgoing {
                assert_eq!(process.element(process.flow(*flow).source).id, element.id);
            }
            for flow in &element.incoming {
                assert_eq!(process.flow(*flow).target, index);
            }
        }
    }
}

/// The end of the year 9999, UTC: no timer falls later.
const LAST_MS: i64 = 253_402_300_799_999;

/// What is said about a text that is no time, in bytes: it is stored as the message of an incident.
const MAX_SAID: usize = 1_000;

/// A moment that can be stored and printed, no earlier than now where it is a duration; or an error that is short whatever the text.
pub(crate) fn moment(text: &str) {
    for now_ms in [0, 1_700_000_000_000, LAST_MS] {
        let after = time::due_after(now_ms, text);
        assert!(after.as_ref().map_or(true, |at| *at >= now_ms), "{text}: {after:?}");
        for due in [after, time::due(now_ms, text), time::due_at(text)] {
            match due {
                Ok(at) => assert!(at <= LAST_MS, "{text}: {at}"),
                Err(error) => assert!(error.to_string().len() < MAX_SAID, "{error}"),
            }
        }
    }
    cycle(text);
    if let Ok(length) = time::millis(text) {
        assert_eq!(time::due_after(0, text).ok(), i64::try_from(length).ok(), "{text}");
    }
}

/// A cycle whose dates come one after the other and end by the year 9999, and that means the same when it is read again from what is stored
/// of it.
fn cycle(text: &str) {
    for now_ms in [0, 1_700_000_000_000, LAST_MS] {
        let cycle = match time::Cycle::parse(text, now_ms) {
            Ok(cycle) => cycle,
            Err(error) => {
                assert!(error.to_string().len() < MAX_SAID, "{error}");
                continue;
            }
        };
        assert_eq!(time::Cycle::parse(cycle.text(), LAST_MS).as_ref(), Ok(&cycle), "{text}");
        let mut at = now_ms;
        for _ in 0..20 {
            let Some(next) = cycle.after(at) else { break };
            assert!(next > at && next <= LAST_MS, "{text}: {next} after {at}");
            assert_eq!(cycle.after(next - 1), Some(next), "{text}: no date is left out");
            at = next;
        }
    }
}
