//! Traces of data associations: what is copied into an activity, out of it, and where it goes.

use expect_test::expect;

use crate::testing::check;

/// The inside of an activity with a data input and a data output, which are copied from one place to another.
fn io(from: &str, to: &str) -> String {
    format!(
        "<ioSpecification><dataInput id='in_{from}' name='given'/><dataOutput id='out_{to}' name='found'/><inputSet/><outputSet/></ioSpecification>\
         <dataInputAssociation id='i_{from}'><sourceRef>{from}</sourceRef><targetRef>in_{from}</targetRef></dataInputAssociation>\
         <dataOutputAssociation id='o_{to}'><sourceRef>out_{to}</sourceRef><targetRef>{to}</targetRef></dataOutputAssociation>"
    )
}

#[test]
fn data_goes_from_object_to_object_and_nothing_else_leaves() {
    check(
        &format!(
            "<dataObject id='d' name='order'/><property id='answer'/><startEvent id='s'/><userTask id='a'>{}</userTask><userTask id='b'>\
             <ioSpecification><dataInput id='twice'/></ioSpecification><dataInputAssociation id='i'><sourceRef>answer</sourceRef>\
             <targetRef>twice</targetRef><transformation>= answer * 2</transformation></dataInputAssociation></userTask>{{s>a>b}}",
            io("d", "answer")
        ),
        r#"
            start {"order": 1}
            complete a {"found": 2, "noise": 3}
        "#,
        expect![[r#"
            > start {"order": 1}
              started at s
              order = 1
              + s #2
              - #2
              + a #3
              given = 1 in #3
              task a !4 of nobody users [] groups []
            > complete a {"found": 2, "noise": 3}
              task !4 gone
              found = 2 in #3
              noise = 3 in #3
              answer = 2
              - #3
              + b #5
              twice = 4 in #5
              task b !6 of nobody users [] groups []
        "#]],
    );
}

/// The standard has the activity wait for what is not there.
#[test]
fn what_is_not_there_is_not_copied() {
    check(
        &format!(
            "<dataObject id='d' name='order'/><property id='answer'/><startEvent id='s'/><userTask id='a'>{}</userTask><userTask id='b'/>{{s>a>b}}",
            io("d", "answer")
        ),
        r#"
            start {"answer": 7}
            complete a
        "#,
        expect![[r#"
            > start {"answer": 7}
              started at s
              answer = 7
              + s #2
              - #2
              + a #3
              task a !4 of nobody users [] groups []
            > complete a
              task !4 gone
              - #3
              + b #5
              task b !6 of nobody users [] groups []
        "#]],
    );
}

/// Neither a null nor a variable of that name goes along, and what does not come back changes nothing.
#[test]
fn what_is_not_there_goes_into_no_call_and_comes_out_of_none() {
    check(
        &format!(
            "<dataObject id='d' name='order'/><property id='answer'/><startEvent id='s'/><callActivity id='c' calledElement='other'>{}</callActivity>\
             <endEvent id='e'><dataInput id='in' name='given'/><dataInputAssociation id='i'><sourceRef>d</sourceRef><targetRef>in</targetRef>\
             </dataInputAssociation><inputSet/><signalEventDefinition signalRef='sig'/></endEvent>{{s>c>e}}",
            io("d", "answer")
        ),
        r#"
            start {"answer": 7, "given": "a variable of the process"}
            hear c completed {"noise": 1}
        "#,
        expect![[r#"
            > start {"answer": 7, "given": "a variable of the process"}
              started at s
              answer = 7
              given = "a variable of the process"
              + s #2
              - #2
              + c #3
              #3 calls
              process call c !4 'other' Latest {}
            > hear c completed {"noise": 1}
              - #3
              + e #5
              signal 'alarm' thrown {}
              - #5
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn data_object_of_a_sub_process_lives_and_dies_with_it() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><dataObject id='d' name='order'/><startEvent id='ps'/><userTask id='a'>{}</userTask>\
             <userTask id='b'/>{{ps>a>b}}</subProcess><userTask id='c'/>{{s>p>c}}",
            io("d", "d")
        ),
        r#"
            start {"order": 1}
            complete a {"found": 2}
            complete b
        "#,
        expect![[r#"
            > start {"order": 1}
              started at s
              order = 1
              + s #2
              - #2
              + p #3
              order = null in #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              given = null in #5
              task a !6 of nobody users [] groups []
            > complete a {"found": 2}
              task !6 gone
              found = 2 in #5
              order = 2 in #3
              - #5
              + b #7 in #3
              task b !8 of nobody users [] groups []
            > complete b
              task !8 gone
              - #7
              - #3
              + c #9
              task c !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn data_object_that_a_sub_process_was_given_is_not_declared_over() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><dataObject id='d' name='order'/><startEvent id='ps'/><userTask id='a'>{}</userTask>{{ps>a}}\
             <multiInstanceLoopCharacteristics isSequential='true'><loopDataInputRef>orders</loopDataInputRef><inputDataItem name='order'/>\
             </multiInstanceLoopCharacteristics></subProcess>{{s>p}}",
            io("d", "d")
        ),
        r#"
            start {"orders": [1]}
        "#,
        expect![[r#"
            > start {"orders": [1]}
              started at s
              orders = [1]
              + s #2
              - #2
              + p body #3
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 1 in #3
              loopCounter = 0 in #4
              order = 1 in #4
              + p #4 in #3
              + ps #5 in #4
              - #5
              + a #6 in #4
              given = 1 in #6
              task a !7 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn message_fills_a_data_object() {
    check(
        "<dataObject id='d' name='order'/><startEvent id='s'/><intermediateCatchEvent id='m'><dataOutput id='out' name='payload'/>\
         <dataOutputAssociation id='o'><sourceRef>out</sourceRef><targetRef>d</targetRef></dataOutputAssociation><outputSet/>\
         <messageEventDefinition messageRef='msg'/></intermediateCatchEvent><userTask id='a'/>{s>m>a}",
        r#"
            start
            message m {"payload": {"id": 5}, "noise": 1}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + m #3
              subscription m !4 'paid'
            > message m {"payload": {"id": 5}, "noise": 1}
              subscription !4 gone
              noise = 1 in #3
              payload = {"id":5} in #3
              order = {"id":5}
              - #3
              + a #5
              task a !6 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instances_take_from_a_collection_and_give_to_one() {
    check(
        "<dataObject id='lines' isCollection='true'/><dataObject id='all' isCollection='true'/><startEvent id='s'/><userTask id='a'>\
         <ioSpecification><dataInput id='in' isCollection='true'/><dataInput id='mine' name='line'/><dataOutput id='out' isCollection='true'/>\
         <dataOutput id='one' name='result'/></ioSpecification>\
         <dataInputAssociation id='i1'><sourceRef>lines</sourceRef><targetRef>in</targetRef></dataInputAssociation>\
         <dataInputAssociation id='i2'><sourceRef>item</sourceRef><targetRef>mine</targetRef></dataInputAssociation>\
         <dataOutputAssociation id='o1'><sourceRef>one</sourceRef><targetRef>each</targetRef></dataOutputAssociation>\
         <dataOutputAssociation id='o2'><sourceRef>out</sourceRef><targetRef>all</targetRef></dataOutputAssociation>\
         <multiInstanceLoopCharacteristics isSequential='true'><loopDataInputRef>in</loopDataInputRef><loopDataOutputRef>out</loopDataOutputRef>\
         <inputDataItem id='item'/><outputDataItem id='each'/></multiInstanceLoopCharacteristics></userTask><userTask id='b'/>{s>a>b}",
        r#"
            start {"lines": [1, 2]}
            complete a {"result": 10}
            complete a {"result": 20}
        "#,
        expect![[r#"
            > start {"lines": [1, 2]}
              started at s
              lines = [1,2]
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              item = 1 in #4
              loopCounter = 0 in #4
              result = null in #4
              + a #4 in #3
              line = 1 in #4
              task a !5 of nobody users [] groups []
            > complete a {"result": 10}
              task !5 gone
              result = 10 in #4
              - #4
              nrOfCompletedInstances = 1 in #3
              item = 2 in #6
              loopCounter = 1 in #6
              result = null in #6
              + a #6 in #3
              line = 2 in #6
              task a !7 of nobody users [] groups []
            > complete a {"result": 20}
              task !7 gone
              result = 20 in #6
              - #6
              nrOfCompletedInstances = 2 in #3
              all = [10,20]
              - #3
              + b #8
              task b !9 of nobody users [] groups []
        "#]],
    );
}
