//! What the tests of the parser share: a frame around fragments, and how diagnostics are written down.

use std::fmt::Write as _;

use expect_test::Expect;
use mandate_model::{Diagnostic, Element, ProcessDefinition, parse};

/// A start event that leads to `a`, and an end event.
pub(crate) const ENDS: &str = "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/>";

/// A file around the inside of a process. The fragment begins on line 2.
pub(crate) fn file(process: &str) -> String {
    file_with("", process)
}

/// A file with root elements behind the process.
pub(crate) fn file_with(roots: &str, process: &str) -> String {
    format!(
        "<bpmn:definitions xmlns:bpmn='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' \
         xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' xmlns:mandate='https://mandate.dev/schema/1.0' \
         xmlns:bpmndi='http://www.omg.org/spec/BPMN/20100524/DI' xmlns:other='urn:other' \
         xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance'><bpmn:process id='p' isExecutable='true'>\n\
         {process}\n\
         </bpmn:process>{roots}</bpmn:definitions>"
    )
}

/// A process of one activity between start and end.
pub(crate) fn around(activity: &str) -> String {
    around_with("", activity)
}

/// A process of one activity with the id `a` between start and end, with root elements behind it. The activity is on line 2.
pub(crate) fn around_with(roots: &str, activity: &str) -> String {
    file_with(
        roots,
        &format!(
            "{activity}\n\
             <bpmn:startEvent id='s'/><bpmn:endEvent id='e'/>\
             <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/><bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='e'/>"
        ),
    )
}

/// What is said of a file.
pub(crate) fn check_file(file: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(file.as_bytes()));
}

/// What is said of a process with these elements.
pub(crate) fn check(process: &str, expected: Expect) {
    check_file(&file(process), expected);
}

/// What is said of a process with this activity, which has the id `a`, between start and end.
pub(crate) fn check_activity(activity: &str, expected: Expect) {
    check_file(&around(activity), expected);
}

/// The diagnostics of a file, one a line; `fine` if there are none.
pub(crate) fn diagnostics(bytes: &[u8]) -> String {
    match parse("t.bpmn", bytes) {
        Ok(parsed) if parsed.warnings.is_empty() => "fine\n".to_owned(),
        Ok(parsed) => lines(&parsed.warnings),
        Err(diagnostics) => lines(&diagnostics),
    }
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().fold(String::new(), |mut lines, diagnostic| {
        writeln!(lines, "{diagnostic}").expect("a String takes everything");
        lines
    })
}

/// The only process of a file that must be without fault.
pub(crate) fn definition(file: &str) -> ProcessDefinition {
    match parse("t.bpmn", file.as_bytes()) {
        Ok(mut parsed) => {
            assert_eq!(lines(&parsed.warnings), "");
            assert_eq!(parsed.processes.len(), 1);
            parsed.processes.remove(0)
        }
        Err(diagnostics) => panic!("{}", lines(&diagnostics)),
    }
}

/// The element with an id.
pub(crate) fn element<'d>(definition: &'d ProcessDefinition, id: &str) -> &'d Element {
    definition.element(definition.find(id).unwrap_or_else(|| panic!("no element '{id}'")))
}
