//! Every supported element, as a modeller would write it, and what the engine finds of it.

use crate::common;
use crate::common::{around, around_with, definition, diagnostics, element, file, file_with};
use mandate_model::{
    CatchTrigger, ElementKind, EndResult, ErrorReference, EventTrigger, Implementation, ROOT, StartTrigger, Timer, supported,
};

const MESSAGE: &str = "<bpmn:message id='m' name='Fulfilled'/>";
const ERROR: &str = "<bpmn:error id='err' name='Rejected' errorCode='REJECTED' camunda:errorMessage='no'/>";

fn kind(file: &str, id: &str) -> ElementKind {
    element(&definition(file), id).kind.clone()
}

fn implementation(task: &str) -> Implementation {
    match kind(&around(task), "a") {
        ElementKind::ServiceTask(task) => task.implementation,
        other => panic!("{other:?}"),
    }
}

fn delegate(name: &str, requirement: Option<&str>) -> Implementation {
    Implementation::Delegate { name: name.to_owned(), requirement: requirement.map(str::to_owned) }
}

#[test]
fn the_process_is_the_root_of_its_elements() {
    let file = "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:c='http://camunda.org/schema/1.0/bpmn'>
        <process id='order' name='An order' isExecutable='true' c:versionTag='1.2.0' c:historyTimeToLive='P180D'>
          <extensionElements><c:properties><c:property name='team' value='orders'/></c:properties></extensionElements>
          <startEvent id='s'><outgoing>f</outgoing></startEvent>
          <sequenceFlow id='f' sourceRef='s' targetRef='e'/>
          <endEvent id='e'><incoming>f</incoming></endEvent>
        </process></definitions>";
    let definition = definition(file);
    assert_eq!(&*definition.key, "order");
    assert_eq!(definition.name.as_deref(), Some("An order"));
    assert_eq!(definition.version_tag.as_deref(), Some("1.2.0"));
    assert_eq!(definition.history_ttl, Some(180));
    let root = definition.element(ROOT);
    assert_eq!(&*root.id, "order");
    assert_eq!(root.properties, [("team".to_owned(), "orders".to_owned())]);
    let ElementKind::Process(scope) = &root.kind else { panic!("{:?}", root.kind) };
    assert_eq!(scope.begins, [definition.find("s").unwrap()]);
    assert_eq!(scope.children, [definition.find("s").unwrap(), definition.find("e").unwrap()]);
    assert_eq!(definition.flows.len(), 1);
    assert_eq!(element(&definition, "s").outgoing, element(&definition, "e").incoming);
    assert_eq!((element(&definition, "e").position.line, element(&definition, "e").position.column), (6, 11));
    assert_eq!(definition.find("nobody"), None);
}

#[test]
fn the_time_to_live_of_history_is_a_number_of_days() {
    let body = "<bpmn:startEvent id='s'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>";
    let with = |text: &str| file(body).replace("id='p'", &format!("id='p' camunda:historyTimeToLive='{text}'"));
    for (text, days) in [("5", Some(5)), ("P5D", Some(5)), (" 0 ", Some(0)), ("", None), ("2147483647", Some(2_147_483_647))] {
        assert_eq!(definition(&with(text)).history_ttl, days, "{text}");
    }
    for text in ["P1M", "PT5H", "P5", "5D", "-5", "+5", "5.5", "${days}", "2147483648", "PD"] {
        let said = diagnostics(with(text).as_bytes());
        assert!(said.contains("is not a number of days") && said.contains("P180D"), "{text}: {said}");
    }
}

#[test]
fn start_events_start_by_name_or_by_message() {
    let both = "<bpmn:startEvent id='s'/><bpmn:startEvent id='sm'><bpmn:messageEventDefinition id='d' messageRef='m'/></bpmn:startEvent>\
                <bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='e'/>\
                <bpmn:sequenceFlow id='f2' sourceRef='sm' targetRef='e'/>";
    let definition = definition(&file_with(MESSAGE, both));
    assert!(matches!(element(&definition, "s").kind, ElementKind::StartEvent(StartTrigger::None)));
    let ElementKind::StartEvent(StartTrigger::Message(message)) = &element(&definition, "sm").kind else { panic!() };
    assert_eq!(message.name.as_literal(), Some("Fulfilled"));
    assert_eq!(element(&definition, "e").incoming.len(), 2);
}

#[test]
fn a_process_that_starts_by_message_only_has_no_none_start() {
    let only = "<bpmn:startEvent id='sm'><bpmn:messageEventDefinition messageRef='bpmn:m'/></bpmn:startEvent>\
                <bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='sm' targetRef='e'/>";
    let definition = definition(&file_with(MESSAGE, only));
    let ElementKind::Process(scope) = &definition.element(ROOT).kind else { panic!() };
    assert!(scope.begins.is_empty() && definition.start().is_none());
}

#[test]
fn of_several_none_start_events_none_begins_by_itself() {
    let several = "<bpmn:startEvent id='web'/><bpmn:startEvent id='phone'/><bpmn:endEvent id='e'/>\
                   <bpmn:sequenceFlow id='f1' sourceRef='web' targetRef='e'/><bpmn:sequenceFlow id='f2' sourceRef='phone' targetRef='e'/>";
    let definition = definition(&file(several));
    let starts: Vec<_> = definition.none_starts().map(|start| &*definition.element(start).id).collect();
    assert_eq!((starts, definition.start()), (vec!["web", "phone"], None));
    let ElementKind::Process(scope) = &definition.element(ROOT).kind else { panic!() };
    assert!(scope.begins.is_empty());
}

#[test]
fn end_events_end_terminate_or_throw() {
    let ends = "<bpmn:startEvent id='s'/><bpmn:parallelGateway id='g'/><bpmn:endEvent id='e1'/>\
        <bpmn:endEvent id='e2'><bpmn:terminateEventDefinition id='t'/></bpmn:endEvent>\
        <bpmn:endEvent id='e3'><bpmn:errorEventDefinition errorRef='err'/></bpmn:endEvent>\
        <bpmn:sequenceFlow id='f0' sourceRef='s' targetRef='g'/><bpmn:sequenceFlow id='f1' sourceRef='g' targetRef='e1'/>\
        <bpmn:sequenceFlow id='f2' sourceRef='g' targetRef='e2'/><bpmn:sequenceFlow id='f3' sourceRef='g' targetRef='e3'/>";
    let definition = definition(&file_with(ERROR, ends));
    let result = |id: &str| match &element(&definition, id).kind {
        ElementKind::EndEvent(result) => result.clone(),
        other => panic!("{other:?}"),
    };
    assert!(matches!(result("e1"), EndResult::None));
    assert!(matches!(result("e2"), EndResult::Terminate));
    let EndResult::Error(error) = result("e3") else { panic!() };
    assert_eq!(error, ErrorReference { code: "REJECTED".to_owned(), message: Some(mandate_feel::Expression::literal("no")) });
    assert!(matches!(element(&definition, "g").kind, ElementKind::ParallelGateway));
    assert_eq!(element(&definition, "g").outgoing.len(), 3);
}

#[test]
fn a_delegate_is_named_in_five_ways() {
    let task = |attributes: &str| implementation(&format!("<bpmn:serviceTask id='a' {attributes}/>"));
    assert_eq!(task("camunda:class='com.acme.ReserveLine'"), delegate("com.acme.ReserveLine", None));
    assert_eq!(task("camunda:delegateExpression='${reserveLine}'"), delegate("reserveLine", None));
    assert_eq!(task("camunda:delegateExpression='#{ reserve-line }'"), delegate("reserve-line", None));
    assert_eq!(task("camunda:delegateExpression='reserveLine'"), delegate("reserveLine", None));
    assert_eq!(task("mandate:delegate='reserve-line'"), delegate("reserve-line", None));
    assert_eq!(task("mandate:delegate='reserve-line@^1.2'"), delegate("reserve-line", Some("^1.2")));
    assert_eq!(task("mandate:delegate='reserve-line@>=1.2, &lt;2'"), delegate("reserve-line", Some(">=1.2, <2")));
    assert_eq!(task("camunda:type='external' camunda:topic='reserve'"), Implementation::Topic("reserve".to_owned()));
    let zeebe = "<bpmn:serviceTask id='a'><bpmn:extensionElements><zeebe:taskDefinition type='reserve-line'/></bpmn:extensionElements>\
                 </bpmn:serviceTask>";
    assert_eq!(implementation(zeebe), delegate("reserve-line", None));
}

#[test]
fn an_external_task_waits_for_a_worker_unless_a_delegate_serves_its_topic() {
    let tasks = "<bpmn:startEvent id='s'/><bpmn:serviceTask id='a' camunda:type='external' camunda:topic='reserve' camunda:taskPriority='7'/>\
        <bpmn:sendTask id='b' camunda:type='external' camunda:topic='notify'/><bpmn:serviceTask id='c' camunda:class='x'/>\
        <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/><bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='b'/>\
        <bpmn:sequenceFlow id='f3' sourceRef='b' targetRef='c'/>";
    let mut definition = definition(&file(tasks).replace("id='p'", "id='p' camunda:taskPriority='${urgency}'"));
    definition.serve_topics(|topic| topic == "notify");
    let task = |id: &str| match &element(&definition, id).kind {
        ElementKind::ServiceTask(task) => (task.by_worker, task.priority.as_ref().map(|it| it.source().to_owned())),
        other => panic!("{other:?}"),
    };
    assert_eq!(task("a"), (true, Some("7".to_owned())));
    assert_eq!(task("b"), (false, Some("${urgency}".to_owned())), "its own priority or the process's");
    assert_eq!(task("c"), (false, None));
}

#[test]
fn extensions_are_known_by_their_namespace_not_by_their_prefix() {
    let task = "<bpmn:serviceTask id='a' xmlns:x='https://mandate.dev/schema/1.0' x:delegate='reserve'/>";
    assert_eq!(implementation(task), delegate("reserve", None));
}

#[test]
fn a_send_task_is_done_by_a_delegate_and_keeps_its_name() {
    let ElementKind::ServiceTask(task) = kind(&around("<bpmn:sendTask id='a' camunda:class='notify'/>"), "a") else { panic!() };
    assert_eq!(task.element_type, "sendTask");
    let ElementKind::ServiceTask(task) = kind(&around("<bpmn:serviceTask id='a' camunda:class='notify'/>"), "a") else { panic!() };
    assert_eq!(task.element_type, "serviceTask");
}

#[test]
fn tasks_of_no_kind_and_manual_tasks_pass_through() {
    assert!(matches!(kind(&around("<bpmn:task id='a'/>"), "a"), ElementKind::Task));
    assert!(matches!(kind(&around("<bpmn:manualTask id='a'/>"), "a"), ElementKind::ManualTask));
}

#[test]
fn a_user_task_says_who_until_when_and_with_which_form() {
    let task = "<bpmn:userTask id='a' name='Review' camunda:assignee='${reviewer}' camunda:candidateUsers='ann, bob' \
                camunda:candidateGroups='order-review' camunda:dueDate='P2D' camunda:formKey='embedded:review'>\
                <bpmn:documentation> Look at it. </bpmn:documentation></bpmn:userTask>";
    let form = element(&definition(&around(task)), "a").form.clone().expect("a form");
    assert_eq!((form.key.as_ref().and_then(|key| key.as_literal()), form.fields.len()), (Some("embedded:review"), 0));
    let ElementKind::UserTask(task) = kind(&around(task), "a") else { panic!() };
    assert_eq!(task.assignee.unwrap().source(), "${reviewer}");
    assert_eq!(task.candidate_users.unwrap().as_literal(), Some("ann, bob"));
    assert_eq!(task.candidate_groups.unwrap().as_literal(), Some("order-review"));
    assert_eq!(task.due_date.unwrap().as_literal(), Some("P2D"));
    assert_eq!(task.documentation.as_deref(), Some("Look at it."));
    let ElementKind::UserTask(bare) = kind(&around("<bpmn:userTask id='a' camunda:assignee=''/>"), "a") else { panic!() };
    assert!(bare.assignee.is_none() && bare.documentation.is_none());
}

#[test]
fn a_receive_task_waits_for_a_message() {
    let ElementKind::ReceiveTask(Some(message)) = kind(&around_with(MESSAGE, "<bpmn:receiveTask id='a' messageRef='m'/>"), "a") else {
        panic!()
    };
    assert_eq!(message.name.as_literal(), Some("Fulfilled"));
    let by_order = "<bpmn:message id='m' name='fulfilled-${orderId}'/>";
    let ElementKind::ReceiveTask(Some(message)) = kind(&around_with(by_order, "<bpmn:receiveTask id='a' messageRef='m'/>"), "a") else {
        panic!()
    };
    assert_eq!(message.name.as_literal(), None);
}

#[test]
fn intermediate_events_wait_for_time_or_a_message() {
    let timer = |inside: &str| {
        let event = format!(
            "<bpmn:intermediateCatchEvent id='a'><bpmn:timerEventDefinition id='d'>{inside}</bpmn:timerEventDefinition>\
             </bpmn:intermediateCatchEvent>"
        );
        match kind(&around(&event), "a") {
            ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(timer)) => timer,
            other => panic!("{other:?}"),
        }
    };
    let formal = "<bpmn:timeDuration xsi:type='bpmn:tFormalExpression'> PT10M </bpmn:timeDuration>";
    assert!(matches!(timer(formal), Timer::Duration(duration) if duration.as_literal() == Some("PT10M")));
    let date = "<bpmn:timeDate>2030-12-24T18:00:00+01:00</bpmn:timeDate>";
    assert!(matches!(timer(date), Timer::Date(date) if date.as_literal() == Some("2030-12-24T18:00:00+01:00")));
    let cycle = "<bpmn:timeCycle>R3/PT10M</bpmn:timeCycle>";
    assert!(matches!(timer(cycle), Timer::Cycle(cycle) if cycle.as_literal() == Some("R3/PT10M")));
    let variable = "<bpmn:timeDuration>${timeout}</bpmn:timeDuration>";
    assert!(matches!(timer(variable), Timer::Duration(duration) if duration.as_literal().is_none()));
    let message = "<bpmn:intermediateCatchEvent id='a'><bpmn:messageEventDefinition messageRef='m'/></bpmn:intermediateCatchEvent>";
    assert!(matches!(kind(&around_with(MESSAGE, message), "a"), ElementKind::IntermediateCatchEvent(CatchTrigger::Message(_))));
}

#[test]
fn boundary_events_know_their_activity() {
    let process = "<bpmn:boundaryEvent id='b1' attachedToRef='a'><bpmn:errorEventDefinition errorRef='err' \
        camunda:errorCodeVariable='code' camunda:errorMessageVariable='text'/></bpmn:boundaryEvent>\
        <bpmn:boundaryEvent id='b2' attachedToRef='a'><bpmn:errorEventDefinition/></bpmn:boundaryEvent>\
        <bpmn:boundaryEvent id='b3' attachedToRef='a' cancelActivity='false'><bpmn:timerEventDefinition>\
        <bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>\
        <bpmn:userTask id='a'/>\
        <bpmn:sequenceFlow id='g1' sourceRef='b1' targetRef='e'/><bpmn:sequenceFlow id='g2' sourceRef='b2' targetRef='e'/>\
        <bpmn:sequenceFlow id='g3' sourceRef='b3' targetRef='e'/>";
    let definition = definition(&around_with(ERROR, process));
    let boundary = |id: &str| match &element(&definition, id).kind {
        ElementKind::BoundaryEvent(event) => event.clone(),
        other => panic!("{other:?}"),
    };
    let activity = definition.find("a").unwrap();
    let ids = ["b1", "b2", "b3"].map(|id| definition.find(id).unwrap());
    assert_eq!(definition.element(activity).boundary_events, ids);
    for id in ["b1", "b2", "b3"] {
        assert_eq!(boundary(id).attached_to, activity);
        assert_eq!(boundary(id).interrupting, id != "b3");
    }
    let EventTrigger::Error(catch) = boundary("b1").trigger else { panic!() };
    assert_eq!(catch.code.as_deref(), Some("REJECTED"));
    assert_eq!(catch.code_variable.as_deref(), Some("code"));
    assert_eq!(catch.message_variable.as_deref(), Some("text"));
    let EventTrigger::Error(catch_all) = boundary("b2").trigger else { panic!() };
    assert_eq!(catch_all.code, None);
    assert!(matches!(boundary("b3").trigger, EventTrigger::Timer(Timer::Duration(_))));
}

#[test]
fn an_exclusive_gateway_has_conditions_and_a_default() {
    let process = "<bpmn:startEvent id='s'/><bpmn:exclusiveGateway id='g' default='f3'/><bpmn:endEvent id='e'/>\
        <bpmn:sequenceFlow id='f0' sourceRef='s' targetRef='g'/>\
        <bpmn:sequenceFlow id='f1' sourceRef='g' targetRef='e'><bpmn:conditionExpression xsi:type='bpmn:tFormalExpression'>\
        ${amount &gt; 100 &amp;&amp; !vip}</bpmn:conditionExpression></bpmn:sequenceFlow>\
        <bpmn:sequenceFlow id='f2' sourceRef='g' targetRef='e'><bpmn:conditionExpression language='feel'>amount &lt; 5\
        </bpmn:conditionExpression></bpmn:sequenceFlow>\
        <bpmn:sequenceFlow id='f3' sourceRef='g' targetRef='e'/>";
    let definition = definition(&file(process));
    let gateway = element(&definition, "g");
    assert!(matches!(gateway.kind, ElementKind::ExclusiveGateway));
    let conditions: Vec<_> =
        gateway.outgoing.iter().map(|flow| definition.flow(*flow).condition.as_ref().map(|c| c.source().to_owned())).collect();
    assert_eq!(conditions, [Some("${amount > 100 && !vip}".to_owned()), Some("= amount < 5".to_owned()), None]);
    assert_eq!(&*definition.flow(gateway.default_flow.unwrap()).id, "f3");
}

#[test]
fn flows_to_throwing_ends_of_links_lead_to_the_catching_one() {
    let link = "<bpmn:linkEventDefinition name='on'/>";
    let process = format!(
        "<bpmn:startEvent id='s'/><bpmn:inclusiveGateway id='g' default='f2'/>\
         <bpmn:intermediateThrowEvent id='t1'>{link}</bpmn:intermediateThrowEvent>\
         <bpmn:intermediateThrowEvent id='t2'>{link}</bpmn:intermediateThrowEvent>\
         <bpmn:intermediateCatchEvent id='c'>{link}</bpmn:intermediateCatchEvent><bpmn:endEvent id='e'/>\
         <bpmn:sequenceFlow id='f0' sourceRef='s' targetRef='g'/><bpmn:sequenceFlow id='f1' sourceRef='g' targetRef='t1'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='g' targetRef='t2'/><bpmn:sequenceFlow id='f3' sourceRef='c' targetRef='e'/>"
    );
    let definition = definition(&file(&process));
    assert_eq!((definition.find("t1"), definition.find("t2")), (None, None));
    let catch = definition.find("c").unwrap();
    let gateway = element(&definition, "g");
    assert!(matches!(gateway.kind, ElementKind::InclusiveGateway));
    assert!(gateway.outgoing.iter().all(|flow| definition.flow(*flow).target == catch));
    assert_eq!(definition.element(catch).incoming, gateway.outgoing);
    assert_eq!(&*definition.flow(gateway.default_flow.unwrap()).id, "f2");
}

#[test]
fn an_event_based_gateway_waits_for_what_is_behind_it() {
    let event = |id: &str| {
        format!(
            "<bpmn:intermediateCatchEvent id='{id}'><bpmn:timerEventDefinition><bpmn:timeDuration>PT1M</bpmn:timeDuration>\
             </bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>"
        )
    };
    let process = format!(
        "<bpmn:startEvent id='s'/><bpmn:eventBasedGateway id='g'/>{}{}<bpmn:sequenceFlow id='f0' sourceRef='s' targetRef='g'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='g' targetRef='a'/><bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='b'/>",
        event("a"),
        event("b"),
    );
    let definition = definition(&file(&process));
    let awaited = |id: &str| definition.is_awaited_by_gateway(definition.find(id).unwrap());
    assert_eq!(["s", "g", "a", "b"].map(awaited), [false, false, true, false]);
}

#[test]
fn a_sub_process_is_a_scope_of_its_own() {
    let process = "<bpmn:subProcess id='a' triggeredByEvent='false'><bpmn:incoming>f1</bpmn:incoming><bpmn:startEvent id='is'/>\
        <bpmn:userTask id='it'/><bpmn:endEvent id='ie'/><bpmn:sequenceFlow id='if1' sourceRef='is' targetRef='it'/>\
        <bpmn:sequenceFlow id='if2' sourceRef='it' targetRef='ie'/></bpmn:subProcess>";
    let definition = definition(&around(process));
    let index = definition.find("a").unwrap();
    let ElementKind::SubProcess(scope) = &definition.element(index).kind else { panic!() };
    assert_eq!(scope.begins, [definition.find("is").unwrap()]);
    assert_eq!(scope.children, ["is", "it", "ie"].map(|id| definition.find(id).unwrap()));
    assert_eq!(element(&definition, "it").parent, Some(index));
    assert_eq!(definition.element(index).parent, Some(ROOT));
    let ElementKind::Process(root) = &definition.element(ROOT).kind else { panic!() };
    assert_eq!(root.children, ["a", "s", "e"].map(|id| definition.find(id).unwrap()));
}

#[test]
fn jobs_mappings_and_properties_are_read_on_every_activity() {
    let process = "<bpmn:receiveTask id='a' messageRef='m' camunda:asyncBefore='true' camunda:asyncAfter='true' camunda:exclusive='false' \
        camunda:jobPriority='-7'><bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R3/PT10S</camunda:failedJobRetryTimeCycle>\
        <camunda:inputOutput><camunda:inputParameter name='orderId'>${order.id}</camunda:inputParameter>\
        <camunda:inputParameter name='nothing'/>\
        <camunda:outputParameter name='state'>done</camunda:outputParameter></camunda:inputOutput>\
        <camunda:properties><camunda:property name='b' value='1'/><camunda:property name='a' value=''/></camunda:properties>\
        </bpmn:extensionElements></bpmn:receiveTask>";
    let definition = definition(&around_with(MESSAGE, process));
    let task = element(&definition, "a");
    assert!(task.async_before && task.async_after && !task.exclusive);
    assert_eq!(task.retries.as_ref().unwrap().fixed().unwrap().waits_ms, [10_000, 10_000]);
    assert_eq!(task.job_priority.as_ref().unwrap().as_literal(), Some("-7"));
    let inputs: Vec<_> = task.inputs.iter().map(|input| (input.target.as_str(), input.source.source())).collect();
    assert_eq!(inputs, [("orderId", "${order.id}"), ("nothing", "= null")]);
    assert_eq!(task.outputs[0].source.source(), "done");
    assert_eq!(task.properties, [("b".to_owned(), "1".to_owned()), ("a".to_owned(), String::new())]);
    let end = element(&definition, "e");
    assert!(!end.async_before && !end.async_after && end.exclusive && end.retries.is_none());
}

#[test]
fn an_activity_may_have_several_flows_in_and_out() {
    let process = "<bpmn:task id='a'/><bpmn:task id='b'/>\
        <bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='b'/><bpmn:sequenceFlow id='g2' sourceRef='a' targetRef='b'/>";
    let definition = definition(&around(process));
    assert_eq!(element(&definition, "a").outgoing.len(), 3);
    assert_eq!(element(&definition, "b").incoming.len(), 2);
}

#[test]
fn drawings_and_descriptions_are_accepted_in_silence() {
    let file = file_with(
        "<bpmn:collaboration id='c'><bpmn:participant id='pool' processRef='p'/></bpmn:collaboration>\
         <bpmn:signal id='sig' name='unused'/><bpmn:category id='cat'><bpmn:categoryValue id='v'/></bpmn:category>\
         <bpmndi:BPMNDiagram id='s'><bpmndi:BPMNPlane id='e'><bpmndi:anything/>text &lt;</bpmndi:BPMNPlane></bpmndi:BPMNDiagram>",
        "<!-- a comment --><?editor hint?><bpmn:documentation>What it is for.</bpmn:documentation>\
         <bpmn:laneSet id='l'><bpmn:lane id='l1'><bpmn:flowNodeRef>s</bpmn:flowNodeRef></bpmn:lane></bpmn:laneSet>\
         <bpmn:startEvent id='s' xmlns:bioc='http://bpmn.io/schema/bpmn/biocolor/1.0' bioc:stroke='#fff' isInterrupting='false'/>\
         <bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'><bpmn:documentation>so</bpmn:documentation>\
         </bpmn:sequenceFlow><bpmn:dataObject id='do'/><bpmn:dataObjectReference id='dor' dataObjectRef='do'/>\
         <bpmn:dataStoreReference id='ds'/><bpmn:textAnnotation id='t'><bpmn:text>note</bpmn:text></bpmn:textAnnotation>\
         <bpmn:association id='as' sourceRef='s' targetRef='t'/><bpmn:group id='g' categoryValueRef='v'/>",
    );
    assert_eq!(definition(&file).elements.len(), 3);
}

#[test]
fn a_file_may_hold_several_processes() {
    let process = |id: &str| {
        format!(
            "<process id='{id}' isExecutable='true'><startEvent id='{id}-s'/><endEvent id='{id}-e'/>\
             <sequenceFlow id='{id}-f' sourceRef='{id}-s' targetRef='{id}-e'/></process>"
        )
    };
    let file = format!("<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL'>{}{}</definitions>", process("b"), process("a"));
    let parsed = mandate_model::parse("t.bpmn", file.as_bytes()).unwrap();
    let keys: Vec<_> = parsed.processes.iter().map(|process| &*process.key).collect();
    assert_eq!(keys, ["b", "a"]);
}

#[test]
fn byte_order_marks_and_cdata_are_read() {
    let process = "<bpmn:exclusiveGateway id='a' default='f2'/><bpmn:sequenceFlow id='g' sourceRef='a' targetRef='e'>\
        <bpmn:conditionExpression><![CDATA[${a < b]]>&#x20;&amp;&amp; c}</bpmn:conditionExpression></bpmn:sequenceFlow>";
    let file = format!("\u{feff}{}", around(process));
    let definition = definition(&file);
    let flow = definition.element(definition.find("a").unwrap()).outgoing[0];
    assert_eq!(definition.flow(flow).condition.as_ref().unwrap().source(), "${a < b && c}");
}

#[test]
fn the_table_of_supported_elements_is_what_the_parser_reads() {
    for row in supported() {
        let tag = format!("<bpmn:{} id='x'/>", row.element);
        let said = common::diagnostics(file(&tag).as_bytes());
        assert!(!said.contains(&format!("{} is not supported", row.element)), "{said}");
        assert!(!said.contains("has no place in"), "{said}");
    }
}

#[test]
fn sequence_flows_need_no_ids() {
    let process = "<bpmn:startEvent id='s'/><bpmn:task id='a'/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='a-e' sourceRef='s' targetRef='a'/>\
                   <bpmn:sequenceFlow sourceRef='a' targetRef='e'/><bpmn:sequenceFlow sourceRef='a' targetRef='e'/>";
    let definition = definition(&file(process));
    let outgoing = element(&definition, "a").outgoing.iter().map(|flow| &*definition.flow(*flow).id);
    assert_eq!(outgoing.collect::<Vec<_>>(), ["a-e-2", "a-e-3"]);
}

#[test]
fn extensions_may_be_in_the_namespace_of_camundas_ancestor() {
    let activity = "<bpmn:userTask id='a' xmlns:activiti='http://activiti.org/bpmn' activiti:assignee='ann'/>";
    let definition = definition(&around(activity).replace("camunda.org/schema/1.0/bpmn", "activiti.org/bpmn"));
    assert_eq!(definition.dialect, mandate_model::Dialect::Camunda7);
    let ElementKind::UserTask(task) = &element(&definition, "a").kind else { panic!("a user task") };
    assert_eq!(task.assignee.as_ref().and_then(|assignee| assignee.as_literal()), Some("ann"));
}

#[test]
fn a_user_task_is_assigned_in_the_standards_words() {
    let named = |element: &str, text: &str| {
        format!(
            "<bpmn:{element}><bpmn:resourceAssignmentExpression><bpmn:formalExpression>{text}</bpmn:formalExpression>\
             </bpmn:resourceAssignmentExpression></bpmn:{element}>"
        )
    };
    let performer = named("humanPerformer", "${clerk}");
    let owners = named("potentialOwner", "user(ann), group(sales), support, user(${boss.equals(1) ? 'a,b' : 'c'})");
    let ElementKind::UserTask(task) =
        kind(&around(&format!("<bpmn:userTask id='a' camunda:candidateUsers='eve'>{performer}{owners}</bpmn:userTask>")), "a")
    else {
        panic!("a user task")
    };
    let source = |expression: &Option<mandate_feel::Expression>| expression.as_ref().map(|it| it.source().to_owned()).unwrap_or_default();
    assert_eq!(source(&task.assignee), "${clerk}");
    assert_eq!(source(&task.candidate_users), "eve,ann,${boss.equals(1) ? 'a,b' : 'c'}");
    assert_eq!(source(&task.candidate_groups), "sales,support");

    let twice = format!(
        "<bpmn:userTask id='a' camunda:assignee='x' camunda:candidateUsers='= us'>{performer}{owners}<bpmn:potentialOwner/></bpmn:userTask>"
    );
    expect_test::expect![[r#"
        t.bpmn:2:1: error: the user task has more than one assignee (element 'a'); help: keep one of them
        t.bpmn:2:1: error: potentialOwner stands beside candidates that a FEEL expression gives (element 'a'); help: name all candidates in the FEEL expression
        t.bpmn:2:475: warning: potentialOwner names nobody (element 'a'); help: write whom in a formalExpression in a resourceAssignmentExpression, or use Camunda's attributes
    "#]].assert_eq(&diagnostics(around(&twice).as_bytes()));
}
