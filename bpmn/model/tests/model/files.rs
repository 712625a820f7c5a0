//! Files that are no models, or not sound ones. In the words a modeller reads; fragments begin on line 2.

use crate::common::{check, check_file, diagnostics, file_with};
use expect_test::expect;

#[test]
fn there_must_be_something_to_run() {
    check_file(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'/>",
        expect![[r#"
        t.bpmn:1:1: error: the file has no process; help: draw one; files with decisions or forms only go by other endings
    "#]],
    );
    check_file(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process id='p' isExecutable='false'/></definitions>",
        expect![[r#"
            t.bpmn:1:1: warning: no process in the file is executable, so that there is nothing to run; help: set isExecutable="true" on the process ("Executable" in the modeller's properties)
            t.bpmn:1:66: warning: the process is not executable and is left out (element 'p'); help: set isExecutable="true" if it should run; ignore this if it only documents the other side
        "#]],
    );
    check_file(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process id='p'><startEvent id='s'/></process></definitions>",
        expect![[r#"
            t.bpmn:1:66: warning: the process does not say whether it is executable, and is taken to be (element 'p'); help: set isExecutable="true" or "false"
            t.bpmn:1:82: warning: the start event leads nowhere: it ends as soon as it begins (element 's'); help: lead a sequence flow from it to the first activity
        "#]],
    );
    check_file(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'><process isExecutable='perhaps'><startEvent id='s'/></process></definitions>",
        expect![[r#"
            t.bpmn:1:66: error: isExecutable="perhaps" is neither true nor false; help: write true or false
            t.bpmn:1:66: error: process has no id; help: give it an id: it is the key by which the process is started
            t.bpmn:1:98: warning: the start event leads nowhere: it ends as soon as it begins (element 's'); help: lead a sequence flow from it to the first activity
        "#]],
    );
}

#[test]
fn the_root_must_be_bpmn() {
    check_file(
        "<definitions/>",
        expect![[r#"
            t.bpmn:1:1: error: the root element 'definitions' is not in BPMN 2.0's namespace; help: export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL
        "#]],
    );
    check_file(
        "<html><body/></html>",
        expect![[r#"
            t.bpmn:1:1: error: the root element is 'html', not BPMN 2.0's definitions; help: export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL
        "#]],
    );
}

#[test]
fn message_flows_and_strangers_beside_the_processes_are_warnings() {
    check_file(
        &file_with(
            "\n<bpmn:collaboration id='c'><bpmn:participant id='pool' processRef='p'/>\n<bpmn:messageFlow id='mf' sourceRef='s' targetRef='pool'/>\
             </bpmn:collaboration>\n<bpmn:globalConversation id='gt'/>\n<other:thing/>",
            "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>",
        ),
        expect![[r#"
            t.bpmn:5:1: warning: a message flow is a drawing: nothing is sent along it (element 'mf'); help: a delegate must send the message, by a command of the other side's catalogue or an API; ignore this if it does
            t.bpmn:6:1: warning: globalConversation beside the processes has no effect (element 'gt'); help: remove it, or ignore this if it is meant for another tool
            t.bpmn:7:1: warning: other:thing beside the processes has no effect; help: remove it, or ignore this if it is meant for another tool
        "#]],
    );
}

#[test]
fn document_types_and_entities_are_refused() {
    check_file(
        "<?xml version='1.0'?>\n<!DOCTYPE d [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<d>&x;</d>",
        expect![[r#"
        t.bpmn:2:1: error: a document type (<!DOCTYPE) is not allowed; help: remove it: BPMN needs none, and it could define entities that read files or grow without end
    "#]],
    );
    check(
        " <bpmn:userTask id='t'>&lol;</bpmn:userTask>",
        expect![[r#"
        t.bpmn:2:24: error: the entity &lol; is not defined; help: write the character itself; only &lt; &gt; &amp; &quot; &apos; and character references such as &#10; are known
    "#]],
    );
    check(
        "<bpmn:userTask id='&lol;'/>",
        expect![[r#"
        t.bpmn:2:1: error: in the tag 'bpmn:userTask': the attribute 'id': at 1..4: unrecognized entity `lol`; help: correct the XML
    "#]],
    );
    check(
        "<bpmn:userTask id='t'>&#0;</bpmn:userTask>",
        expect![[r#"
        t.bpmn:2:23: error: the entity &#0; is not defined; help: write the character itself; only &lt; &gt; &amp; &quot; &apos; and character references such as &#10; are known
    "#]],
    );
}

#[test]
fn broken_xml_says_where() {
    check_file(
        "",
        expect![[r#"
        t.bpmn:1:1: error: the file is empty; help: export the model again
    "#]],
    );
    check_file(
        "  \n",
        expect![[r#"
        t.bpmn:1:1: error: the file is empty; help: export the model again
    "#]],
    );
    check_file(
        "just text",
        expect![[r#"
        t.bpmn:1:1: error: text stands outside of the root element; help: remove it; if this is no XML file, leave it out of the deployment or give it another ending
    "#]],
    );
    check_file(
        "<a/>\n<b/>",
        expect![[r#"
        t.bpmn:2:1: error: a second root element follows the first; help: remove what stands behind the first one
    "#]],
    );
    check_file(
        "<a>\n  <b></a>",
        expect![[r#"
        t.bpmn:2:6: error: ill-formed document: expected `</b>`, but `</a>` was found; help: correct the XML; opening the file in a modeller shows where it breaks
    "#]],
    );
    check_file(
        "<a>\n  <b>",
        expect![[r#"
        t.bpmn:1:1: error: the tag 'a' is never closed; help: the file may have been cut off: export or copy it again
    "#]],
    );
    check_file(
        "<a>\n  <b c=d/></a>",
        expect![[r#"
        t.bpmn:2:3: error: in the tag 'b': position 4: attribute value must be enclosed in `"` or `'`; help: correct the XML
    "#]],
    );
    check_file(
        "<a>\n  <b c='1' c='2'/></a>",
        expect![[r#"
        t.bpmn:2:3: error: in the tag 'b': the attribute 'c' stands twice; help: correct the XML
    "#]],
    );
    check_file(
        "<a>\n  <b c='1",
        expect![[r#"
        t.bpmn:2:3: error: syntax error: attribute value not closed: `'` not found before end of input; help: correct the XML; opening the file in a modeller shows where it breaks
    "#]],
    );
    check_file(
        "<a>\n  < b/></a>",
        expect![[r#"
        t.bpmn:2:3: error: a tag has no name; help: write '&lt;' for a '<' that does not open a tag
    "#]],
    );
    check_file(
        "<a>\n<!-- never closed",
        expect![[r#"
        t.bpmn:2:1: error: syntax error: comment not closed: `-->` not found before end of input; help: correct the XML; opening the file in a modeller shows where it breaks
    "#]],
    );
    check_file(
        "<bpmn:definitions/>",
        expect![[r#"
            t.bpmn:1:1: error: the prefix of 'bpmn:definitions' is not declared; help: declare it on the root element: xmlns:bpmn="…"
            t.bpmn:1:1: error: the root element 'bpmn:definitions' is not in BPMN 2.0's namespace; help: export the model as BPMN 2.0 XML: its namespace is http://www.omg.org/spec/BPMN/20100524/MODEL
        "#]],
    );
    check_file(
        "</a>",
        expect![[r#"
        t.bpmn:1:1: error: ill-formed document: close tag `</a>` does not match any open tag; help: correct the XML; opening the file in a modeller shows where it breaks
    "#]],
    );
}

#[test]
fn other_encodings_say_what_to_do() {
    expect![[r#"
        t.bpmn:1:1: error: the file is in UTF-16; help: save the file as UTF-8
    "#]]
    .assert_eq(&diagnostics(b"\xFF\xFE<\0a\0/\0>\0"));
    expect![[r#"
        t.bpmn:1:1: error: the file is in UTF-16; help: save the file as UTF-8
    "#]]
    .assert_eq(&diagnostics(b"<\0a\0/\0>\0"));
    expect![[r#"
        t.bpmn:2:1: error: the file is not valid UTF-8; help: save the file as UTF-8
    "#]]
    .assert_eq(&diagnostics(b"<a>\n\xE4</a>"));
    expect![[r#"
        t.bpmn:2:2: error: the control character U+0000 is not allowed in XML; help: remove it; if the file is full of them, it is not an XML file
    "#]].assert_eq(&diagnostics(b"<a>\n \0</a>"));
    expect![[r#"
        t.bpmn:1:1: error: the file declares the encoding 'ISO-8859-1'; help: save it as UTF-8 and declare encoding="UTF-8"
    "#]]
    .assert_eq(&diagnostics("<?xml version='1.0' encoding='ISO-8859-1'?><a>ä</a>".as_bytes()));
    expect![[r#"
        t.bpmn:1:1: error: the control character U+0000 is not allowed in XML; help: remove it; if the file is full of them, it is not an XML file
    "#]].assert_eq(&diagnostics(b"\0asm\x01\0\0\0"));
}

#[test]
fn columns_count_characters_and_lines_count_line_feeds() {
    check(
        "<bpmn:documentation>äöü🙂\r\nx</bpmn:documentation><bpmn:scriptTask id='t'/>",
        expect![[r#"
            t.bpmn:3:23: warning: the script task has no script, and passes through (element 't'); help: write it: scriptFormat="feel" and <script>amount * 2</script>
        "#]],
    );
}
