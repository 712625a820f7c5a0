//! What a suite of small models would try: legal structures, some of them unusual, and which elements a run of each comes by.

use crate::testing::{Run, parse};

/// A structure, its elements, what happens, and the elements in the order in which they began; `.` at the end when the instance is over.
type Row = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("a sequence", "<startEvent id='s'/><task id='a'/><endEvent id='e'/>{s>a>e}", "start", "s a e."),
    ("no end event", "<startEvent id='s'/><task id='a'/>{s>a}", "start", "s a."),
    ("no start event", "<task id='a'/><task id='b'/><endEvent id='e'/>{a>e}{b>e}", "start", "a e b e."),
    ("neither", "<task id='a'/><task id='b'/>{a>b}", "start", "a b."),
    ("two end events", "<startEvent id='s'/><parallelGateway id='f'/><endEvent id='e1'/><endEvent id='e2'/>{s>f}{f>e1}{f>e2}", "start", "s f e1 e2."),
    ("uncontrolled split", "<startEvent id='s'/><task id='a'/><task id='b'/><task id='c'/>{s>a}{a>b}{a>c}", "start", "s a b c."),
    ("split at the start event", "<startEvent id='s'/><task id='a'/><task id='b'/>{s>a}{s>b}", "start", "s a b."),
    ("uncontrolled merge", "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><task id='b'/><task id='m'/>{s>f}{f>a>m}{f>b>m}", "start", "s f a m b m."),
    ("merge at the end event", "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><task id='b'/><endEvent id='e'/>{s>f}{f>a>e}{f>b>e}", "start", "s f a e b e."),
    ("parallel split, exclusive merge", "<startEvent id='s'/><parallelGateway id='f'/><exclusiveGateway id='m'/><task id='a'/>{s>f}{f>m}<sequenceFlow id='f2' sourceRef='f' targetRef='m'/>{m>a}", "start", "s f m a m a."),
    ("exclusive split, inclusive merge", "<startEvent id='s'/><exclusiveGateway id='x' default='x_b'/><task id='a'/><task id='b'/><inclusiveGateway id='m'/><task id='z'/>{s>x}{x>a ? n = 1}{x>b}{a>m}{b>m}{m>z}", r#"start {"n": 1}"#, "s x a m z."),
    ("parallel split, inclusive merge", "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><task id='b'/><inclusiveGateway id='m'/><task id='z'/>{s>f}{f>a>m}{f>b>m}{m>z}", "start", "s f a m b m z."),
    ("inclusive split, parallel branches that end", "<startEvent id='s'/><inclusiveGateway id='f' default='f_c'/><task id='a'/><task id='b'/><task id='c'/>{s>f}{f>a ? n > 0}{f>b ? n > 1}{f>c}", r#"start {"n": 2}"#, "s f a b."),
    ("gateway that merges and splits", "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><task id='b'/><parallelGateway id='g'/><task id='c'/><task id='d'/>{s>f}{f>a>g}{f>b>g}{g>c}{g>d}", "start", "s f a g b g c d."),
    ("exclusive gateway that merges and splits", "<startEvent id='s'/><exclusiveGateway id='g' default='g_e'/><userTask id='a'/><endEvent id='e'/>{s>g}{g>a ? n = 1}{a>g}{g>e}", "start {\"n\": 1}\ncomplete a\ncomplete a {\"n\": 0}", "s g a g a g e."),
    ("flow from an activity to itself", "<startEvent id='s'/><userTask id='a' default='a_e'/><endEvent id='e'/>{s>a}{a>a ? again}{a>e}", "start\ncomplete a {\"again\": true}\ncomplete a {\"again\": false}", "s a a e."),
    ("two flows from one to the next", "<startEvent id='s'/><task id='a'/><task id='b'/>{s>a}{a>b}<sequenceFlow id='x' sourceRef='a' targetRef='b'/>", "start", "s a b b."),
    ("conditions out of an activity", "<startEvent id='s'/><task id='a' default='a_d'/><task id='b'/><task id='c'/><task id='d'/>{s>a}{a>b ? n > 0}{a>c ? n > 1}{a>d}", r#"start {"n": 2}"#, "s a b c."),
    ("default flow out of an activity", "<startEvent id='s'/><task id='a' default='a_d'/><task id='b'/><task id='d'/>{s>a}{a>b ? n > 0}{a>d}", r#"start {"n": 0}"#, "s a d."),
    ("sub-process in a sub-process", "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><subProcess id='q'><task id='a'/></subProcess>{ps>q}</subProcess><task id='z'/>{s>p>z}", "start", "s p ps q a z."),
    ("terminate in a sub-process", "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><userTask id='u'/><endEvent id='t'><terminateEventDefinition/></endEvent>{ps>u}{ps>t}</subProcess><task id='z'/>{s>p>z}", "start", "s p ps u t z."),
    ("terminate in the process", "<startEvent id='s'/><userTask id='u'/><endEvent id='t'><terminateEventDefinition/></endEvent>{s>u}{s>t}", "start", "s u t."),
    ("tokens as many as wanted", "<startEvent id='s'/><task id='a' completionQuantity='2'/><task id='b' startQuantity='2'/>{s>a>b}", "start", "s a b."),
    ("boundary event of a sub-process without flows", "<startEvent id='s'/><subProcess id='p'><userTask id='u'/></subProcess><boundaryEvent id='t' attachedToRef='p'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent>{s>p}", "start\nrun t", "s p u t."),
    ("link", "<startEvent id='s'/><intermediateThrowEvent id='t'><linkEventDefinition name='l'/></intermediateThrowEvent><intermediateCatchEvent id='c'><linkEventDefinition name='l'/></intermediateCatchEvent><task id='a'/>{s>t}{c>a}", "start", "s c a."),
    ("none throw event", "<startEvent id='s'/><intermediateThrowEvent id='t'/><task id='a'/>{s>t>a}", "start", "s t a."),
    ("loop before a task", "<startEvent id='s'/><task id='a'><standardLoopCharacteristics testBefore='true'><loopCondition>= loopCounter &lt; 2</loopCondition></standardLoopCharacteristics></task>{s>a}", "start", "s a a a."),
    ("loop behind a task", "<startEvent id='s'/><task id='a'><standardLoopCharacteristics loopMaximum='3'/></task>{s>a}", "start", "s a a a a."),
    ("ad-hoc sequence", "<startEvent id='s'/><adHocSubProcess id='p' ordering='Sequential'><task id='a'/><task id='b'/></adHocSubProcess><task id='z'/>{s>p>z}", "start", "s p a b z."),
    ("complex gateway", "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><task id='b'/><task id='c'/><complexGateway id='g'><activationCondition>= activationCount >= 2</activationCondition></complexGateway><task id='z'/>{s>f}{f>a>g}{f>b>g}{f>c>g}{g>z}", "start", "s f a g b g z c g."),
    ("several events, the first", "<startEvent id='s'/><intermediateCatchEvent id='c'><messageEventDefinition messageRef='msg'/><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></intermediateCatchEvent>{s>c}", "start\nmessage c", "s c."),
    ("data that nobody runs", "<dataObject id='o'/><dataObjectReference id='r' dataObjectRef='o'/><startEvent id='s'/><task id='a'><property id='p' name='x'/><dataInputAssociation id='i'><sourceRef>r</sourceRef><targetRef>p</targetRef></dataInputAssociation></task>{s>a}", "start", "s a."),
];

#[test]
fn small_models_run_as_they_are_drawn() {
    for (structure, model, script, expected) in ROWS {
        let definition = parse(model);
        let mut run = Run::new(&definition);
        script.lines().for_each(|line| run.line(line));
        let began = run.trace.lines().filter_map(|line| line.trim().strip_prefix("+ ")?.split(' ').next());
        let mut came_by = began.collect::<Vec<_>>().join(" ");
        came_by.push_str(if run.instance.is_ended() { "." } else { "" });
        assert_eq!(came_by, *expected, "{structure}: {}", run.trace);
    }
}
