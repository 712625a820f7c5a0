//! What it costs to look at a model that is deployed, by its size: read, validated, and everything that it names looked up.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::bail;
use mandate_runtime::commands::Catalogue;
use mandate_runtime::deploy::check_offline;

use crate::callgrind;

/// A process of so many user tasks in a row.
pub fn chain(tasks: usize) -> String {
    let mut model =
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='large'><process id='large' isExecutable='true'>\
                     <startEvent id='t0'/>"
            .to_owned();
    for task in 1..=tasks {
        let before = task - 1;
        write!(model, "<userTask id='t{task}'/><sequenceFlow id='f{task}' sourceRef='t{before}' targetRef='t{task}'/>")
            .expect("text grows");
    }
    model + "</process></definitions>"
}

/// The first argument with which `bench` checks a chain of as many tasks as the second one says, for callgrind.
pub const CHECK: &str = "check";

/// Checks a chain as a host does before it stores anything.
pub fn check(tasks: usize) -> anyhow::Result<()> {
    match check_offline(vec![("large.bpmn".to_owned(), chain(tasks).into_bytes())], Arc::new(Catalogue::empty())) {
        Ok(_) => Ok(()),
        Err(problems) => bail!("it cannot be deployed: {problems:#?}"),
    }
}

/// Instructions of a process that checks a chain; needs valgrind.
pub fn instructions(tasks: usize) -> anyhow::Result<u64> {
    Ok(callgrind::count(&[CHECK, &tasks.to_string()], None)?.instructions)
}
