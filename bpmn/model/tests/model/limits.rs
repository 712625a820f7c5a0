//! Large and hostile files: they end, and soon.

use std::fmt::Write as _;

use crate::common::{diagnostics, file};
use mandate_model::{MAX_ELEMENTS, MAX_FILE_BYTES, MAX_PATTERN_BYTES, parse, parse_stored};

/// A chain of so many tasks; with a start, an end and the flows it has `2 * tasks + 3` elements.
fn chain(tasks: usize) -> String {
    let mut process = String::from("<bpmn:startEvent id='t0'/>");
    for task in 1..=tasks {
        let before = task - 1;
        write!(
            process,
            "<bpmn:serviceTask id='t{task}' camunda:class='x' camunda:asyncBefore='true'><bpmn:incoming>f{task}</bpmn:incoming></bpmn:serviceTask>\n\
             <bpmn:sequenceFlow id='f{task}' sourceRef='t{before}' targetRef='t{task}'/>"
        )
        .unwrap();
    }
    write!(process, "<bpmn:endEvent id='e'/><bpmn:sequenceFlow id='fe' sourceRef='t{tasks}' targetRef='e'/>").unwrap();
    file(&process)
}

#[test]
fn the_largest_process_is_read() {
    let tasks = (MAX_ELEMENTS - 5) / 2;
    let parsed = parse("t.bpmn", chain(tasks).as_bytes()).unwrap();
    assert_eq!(parsed.warnings, []);
    assert_eq!(parsed.processes[0].elements.len(), tasks + 3);
}

#[test]
fn a_larger_process_is_refused_once() {
    let refused = diagnostics(chain(MAX_ELEMENTS).as_bytes());
    assert!(refused.contains("the file has more than 20000 flow nodes and sequence flows"), "{refused}");
    assert_eq!(refused.lines().filter(|line| line.contains("more than 20000")).count(), 1);
}

#[test]
fn a_larger_file_is_refused_unread() {
    let refused = diagnostics(&vec![b'<'; MAX_FILE_BYTES + 1]);
    assert!(refused.contains("the file has 16777217 bytes"), "{refused}");
}

#[test]
fn errors_without_end_are_cut_short() {
    let refused = parse("t.bpmn", file(&"<bpmn:callChoreography/>".repeat(50_000)).as_bytes()).unwrap_err();
    assert_eq!(refused.len(), 1_001);
    assert_eq!(refused[1_000].message, "49000 more errors are not shown");
}

#[test]
fn patterns_of_regular_expressions_have_room_together() {
    let tasks = |patterns: usize| -> String {
        let task = |nth: usize| {
            let pattern = r"\p{L}".repeat(200);
            format!(
                "<bpmn:scriptTask id='t{nth}' scriptFormat='feel' camunda:resultVariable='r'><bpmn:script>matches(x, \"{pattern}\")</bpmn:script></bpmn:scriptTask>"
            )
        };
        let sound: String = (0..patterns).map(task).collect();
        // One that comes too late to be looked at.
        file(&format!(
            "<bpmn:startEvent id='s'/>{sound}<bpmn:scriptTask id='w' scriptFormat='feel' camunda:resultVariable='r'><bpmn:script>matches(x, \"(\")\
                       </bpmn:script></bpmn:scriptTask>"
        ))
    };
    let fits = MAX_PATTERN_BYTES / 1_000;
    let wrong = |text: &str| text.contains("the pattern is no regular expression");
    let together = |text: &str| text.matches("patterns of regular expressions in this file have more than 65536 bytes together").count();
    let read = diagnostics(tasks(fits).as_bytes());
    assert!(wrong(&read) && together(&read) == 0, "{read}");
    let read = diagnostics(tasks(fits + 2).as_bytes());
    assert!(!wrong(&read) && together(&read) == 1, "{read}");
    // What was deployed before is read as it was.
    parse_stored("t.bpmn", tasks(fits + 2).as_bytes(), &|_| None).expect("it is read");
}

/// Shapes that make careless readers quadratic, recurse without end, or use up the memory. That this test ends is what it tests.
#[test]
fn hostile_shapes_end() {
    let size = MAX_FILE_BYTES - 1_000;
    let fill = |piece: &str| piece.repeat(size / piece.len());
    let many = |piece: fn(usize) -> String| {
        let mut text = String::new();
        for number in 0.. {
            text.push_str(&piece(number));
            if text.len() > size {
                break;
            }
        }
        text
    };
    let root = "<d xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'>";
    let files = [
        fill("<a>"),
        fill("<a"),
        fill("<"),
        fill("&"),
        fill("</a>"),
        format!("{root}{}</d>", fill("<a/>")),
        format!("{root}{}</d>", fill("&#x20;")),
        format!("{root}{}</d>", fill("<o:x xmlns:o='o'/>")),
        format!("<d {}/>", many(|number| format!("a{number}='' "))),
        format!("<d {}/>", many(|number| format!("xmlns:a{number}='b' "))),
        format!("<d a='{}'/>", fill("&lt;")),
        format!("<d a='{}'/>", fill("a")),
        format!("<!--{}", fill("-")),
        format!("<![CDATA[{}", fill("]")),
        format!("<!DOCTYPE {}", fill("[")),
        file(&fill("<bpmn:userTask id='x'/>")),
        file(&many(|number| format!("<bpmn:sequenceFlow id='f{number}' sourceRef='p' targetRef='q'/>"))),
        file(&many(|number| format!("<bpmn:boundaryEvent id='b{number}' attachedToRef='b0'/>"))),
        file(&format!("<bpmn:userTask id='x' name='{}'/><bpmn:boundaryEvent id='b'/>", fill("y"))),
        file(&format!("<bpmn:scriptTask id='{}'/>", fill("y"))),
    ];
    for file in files {
        let said = parse("t.bpmn", file.as_bytes()).expect_err("none of these is a process");
        let length: usize = said.iter().map(|diagnostic| diagnostic.message.len() + diagnostic.help.len()).sum();
        assert!(length < 1_000_000, "{length}");
    }
}
