//! Suspensions and activations that operators plan for a later date: durable, done once at that date, and told of in the log.

use mandate_runtime::engine::InstanceId;
use mandate_runtime::query::{DefinitionFilter, JobFilter, OperationFilter, Page};
use mandate_runtime::{ClockSource, Error, Extent, JobDefinition, Operator, Runtime, Suspended, Suspension};
use mandate_store::{Planned, Store};
use serde_json::json;

use crate::common::{Host, Setup, as_variables, postgres, process};

const HOUR: i64 = 60 * 60 * 1_000;

/// A person's task, of which a timer waits for a day; this is what tells one version from another.
fn model(name: &str) -> Vec<u8> {
    process(&format!(
        r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u" name="{name}"/><bpmn:boundaryEvent id="b" attachedToRef="u">
           <bpmn:timerEventDefinition><bpmn:timeDuration>P1D</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:boundaryEvent>
           <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>"#
    ))
}

fn manual(database: Option<String>) -> Setup {
    Setup { database, clock: ClockSource::Manual, ..Setup::default() }
}

fn ann(runtime: &Runtime) -> Runtime {
    runtime.on_behalf_of(Operator { user: Some("ann".into()), annotation: Some("maintenance".into()) })
}

fn of_key(what: Suspended, suspended: bool) -> Suspension {
    Suspension { process_definition_key: Some("p".into()), include: true, ..Suspension::of(what, suspended) }
}

/// How many versions are suspended.
async fn suspended(runtime: &Runtime) -> usize {
    let filter = DefinitionFilter { suspended: Some(true), ..DefinitionFilter::default() };
    runtime.reads().definitions(filter, Page::ALL, &[]).await.expect("read").len()
}

/// What the log has of definitions of whatever kind: who, what, and of which property.
async fn log(runtime: &Runtime, entity: &str) -> Vec<String> {
    let filter = OperationFilter { entity_types: vec![entity.to_owned()], ..OperationFilter::default() };
    let rows = runtime.reads().operations(filter, Page::ALL, &[]).await.expect("read");
    let line = |row: &mandate_runtime::query::OperationListed| {
        let row = &row.row;
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{} {} {} {}", text(&row.user), row.operation_type, text(&row.property), text(&row.annotation))
    };
    rows.iter().map(line).filter(|line| line.contains("suspensionState") || line.contains("executionDate")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_are_suspended_at_their_date_with_versions_and_instances_of_then() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(manual(database.clone())).await;
        host.deploy(model("one")).await;
        let first = host.start_instance(json!({})).await.expect("it starts").id;
        let begun = host.runtime.now();
        ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, true), begun + HOUR).await.expect("planned");
        let host = host.restart().await;
        // Both of them find what is due.
        let beside = if database.is_some() { Some(host.beside(manual(None)).await) } else { None };
        host.deploy(model("two")).await;
        let second = host.start_instance(json!({})).await.expect("it starts").id;
        host.runtime.set_clock(begun + HOUR - 1).await.expect("moved");
        assert_eq!(suspended(&host.runtime).await, 0);
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        assert_eq!(suspended(&host.runtime).await, 2);
        for id in [first, second] {
            assert!(host.runtime.instance(id).await.expect("it lives").instance.is_suspended());
        }
        assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
        let log = log(&host.runtime, "ProcessDefinition").await;
        let count =
            |property: &str| log.iter().filter(|line| **line == format!("ann SuspendProcessDefinition {property} maintenance")).count();
        // The plan, and each version once.
        assert_eq!((count("executionDate"), count("suspensionState")), (1, 3), "{log:#?}");
        // It is done, and not done again.
        host.runtime.set_clock(begun + 2 * HOUR).await.expect("moved");
        ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, false), begun).await.expect("planned");
        host.runtime.set_clock(begun + 3 * HOUR).await.expect("moved");
        assert_eq!(suspended(&host.runtime).await, 0);
        for id in [first, second] {
            assert!(!host.runtime.instance(id).await.expect("it lives").instance.is_suspended());
        }
        if let Some(beside) = beside {
            beside.shut_down(std::time::Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn job_definitions_are_suspended_at_their_date_with_their_jobs() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(manual(database)).await;
        host.deploy(model("one")).await;
        let id = host.start_instance(json!({})).await.expect("it starts").id;
        let which: Vec<JobDefinition> = host.runtime.job_definitions(DefinitionFilter::default()).await.expect("read");
        let name = which[0].name();
        let only = Suspension {
            process_definition_id: Some(name.definition_id),
            job_definition: Some((name.activity_id, name.kind)),
            include: true,
            ..Suspension::of(Suspended::JobDefinitions, true)
        };
        let begun = host.runtime.now();
        ann(&host.runtime).plan_suspension(&only, begun + HOUR).await.expect("planned");
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        let is_suspended = async || host.runtime.job_definitions(DefinitionFilter::default()).await.expect("read")[0].suspended;
        let jobs = async |suspended| {
            let filter = JobFilter { suspended: Some(suspended), ..JobFilter::default() };
            host.runtime.reads().jobs(filter, Page::ALL, &[]).await.expect("read").len()
        };
        assert!(is_suspended().await);
        assert_eq!((jobs(true).await, jobs(false).await), (1, 0));
        // Its date passes, and nothing happens.
        host.runtime.set_clock(begun + 48 * HOUR).await.expect("moved");
        assert!(host.runtime.instance(id).await.is_ok());
        let all = of_key(Suspended::JobDefinitions, false);
        ann(&host.runtime).plan_suspension(&all, begun + 49 * HOUR).await.expect("planned");
        host.runtime.set_clock(begun + 50 * HOUR).await.expect("moved");
        host.ended(id).await;
        assert!(!is_suspended().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_is_forgotten_by_hand_or_with_what_it_is_for() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(manual(database)).await;
        let report = host.deploy(model("one")).await;
        let begun = host.runtime.now();
        for hours in [1, 2] {
            let plan = of_key(Suspended::ProcessDefinitions, true);
            ann(&host.runtime).plan_suspension(&plan, begun + hours * HOUR).await.expect("planned");
        }
        let planned = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
        let seen: Vec<_> = planned.iter().map(|it| (it.due - begun, it.user.as_deref())).collect();
        assert_eq!(seen, [(HOUR, Some("ann")), (2 * HOUR, Some("ann"))]);
        ann(&host.runtime).forget_planned_suspension(planned[0].id).await.expect("forgotten");
        let gone = host.runtime.forget_planned_suspension(planned[0].id).await;
        assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        assert_eq!(suspended(&host.runtime).await, 0);
        let definition = report.definitions[0].id.clone();
        let of_one = Suspension { process_definition_id: Some(definition), ..Suspension::of(Suspended::JobDefinitions, true) };
        ann(&host.runtime).plan_suspension(&of_one, begun + 3 * HOUR).await.expect("planned");
        host.runtime.delete_deployment(&report.id.expect("stored"), true).await.expect("deleted");
        // That of the key is for the versions that there are then.
        let left = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
        assert_eq!(left.iter().map(|it| it.due - begun).collect::<Vec<_>>(), [2 * HOUR]);
        let too_late = host.runtime.plan_suspension(&of_one, begun + HOUR).await;
        assert!(matches!(too_late, Err(Error::NotFound { .. })), "{too_late:?}");
        host.runtime.set_clock(begun + 2 * HOUR).await.expect("moved");
        assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_is_executed_by_hand_on_a_host_that_runs_no_jobs() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { execute_jobs: false, ..manual(database) }).await;
        let begun = host.runtime.now();
        let mut instances = Vec::new();
        for version in ["one", "two"] {
            host.deploy(model(version)).await;
            instances.push(host.start_instance(json!({})).await.expect("it starts").id);
        }
        for (hours, is) in [(1, true), (2, false)] {
            ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, is), begun + hours * HOUR).await.expect("planned");
        }
        host.runtime.set_clock(begun + 3 * HOUR).await.expect("moved");
        assert_eq!(suspended(&host.runtime).await, 0, "nobody carries it out by himself");
        let planned = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
        let early = host.runtime.execute_planned_suspension(planned[1].id).await;
        assert!(matches!(&early, Err(Error::Conflict(why)) if why.contains("earlier date")), "{early:?}");
        // With its versions and their instances, which are plans of their own.
        for (plan, versions) in planned.iter().zip([2, 0]) {
            host.runtime.execute_planned_suspension(plan.id).await.expect("executed");
            assert_eq!(suspended(&host.runtime).await, versions);
            for id in &instances {
                assert_eq!(host.runtime.instance(*id).await.expect("it lives").instance.is_suspended(), versions > 0);
            }
            let again = host.runtime.execute_planned_suspension(plan.id).await;
            assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
        }
        assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
        let by_ann = "ann SuspendProcessDefinition suspensionState maintenance".to_owned();
        assert_eq!(log(&host.runtime, "ProcessDefinition").await.iter().filter(|line| **line == by_ann).count(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_that_was_given_up_is_executed_by_hand_once_it_can_be_done() {
    let (host, all) = with_a_bad_one(None).await;
    let begun = host.runtime.now();
    ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, false), begun + HOUR).await.expect("planned");
    host.runtime.set_clock(begun + 48 * HOUR).await.expect("moved");
    let [plan] = &host.runtime.planned_suspensions(Page::ALL).await.expect("read")[..] else { panic!("one is given up") };
    assert_eq!(plan.next, None);
    let failed = host.runtime.execute_planned_suspension(plan.id).await;
    assert!(matches!(&failed, Err(Error::PlanFailed(why)) if why.contains(&all[1].to_string())), "{failed:?}");
    set(&host, all[1], json!(false)).await;
    host.runtime.execute_planned_suspension(plan.id).await.expect("executed");
    assert_eq!(are_suspended(&host, &all).await, [false; 3]);
    assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_a_plan_that_was_executed_early_does_not_wait_for_its_date() {
    let (host, all) = with_a_bad_one(None).await;
    let begun = host.runtime.now();
    let after = async |hours: i64| host.runtime.set_clock(begun + hours * HOUR).await.expect("moved");
    ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, false), begun + 48 * HOUR).await.expect("planned");
    let planned = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
    let failed = host.runtime.execute_planned_suspension(planned[0].id).await;
    assert!(matches!(failed, Err(Error::PlanFailed(_))), "{failed:?}");
    assert_eq!(are_suspended(&host, &all).await, [false, true, false]);
    set(&host, all[1], json!(false)).await;
    after(1).await;
    assert_eq!(are_suspended(&host, &all).await, [false; 3], "it is tried again like any other that has failed");
    assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
}

/// A condition that is no truth value once `x` is a text: then the instance cannot be activated.
fn conditional() -> Vec<u8> {
    process(
        r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>
           <bpmn:subProcess id="v" triggeredByEvent="true"><bpmn:startEvent id="vs">
           <bpmn:conditionalEventDefinition><bpmn:condition>${x}</bpmn:condition></bpmn:conditionalEventDefinition></bpmn:startEvent>
           <bpmn:userTask id="a"/><bpmn:sequenceFlow id="v1" sourceRef="vs" targetRef="a"/></bpmn:subProcess>"#,
    )
}

async fn set(host: &Host, id: InstanceId, x: serde_json::Value) {
    host.runtime.set_variables(id, None, as_variables(&json!({ "x": x })), Vec::new()).await.expect("set");
}

/// A definition that is suspended with its three instances, the second of which cannot be activated.
async fn with_a_bad_one(database: Option<String>) -> (Host, [InstanceId; 3]) {
    let host = Host::start_with(manual(database)).await;
    let id = host.deploy(conditional()).await.definitions[0].id.clone();
    let start = async || host.start_instance(json!({"x": false})).await.expect("it starts").id;
    let instances = [start().await, start().await, start().await];
    host.runtime.suspend_definition(&id, true, Extent::All).await.expect("suspended");
    set(&host, instances[1], json!("text")).await;
    (host, instances)
}

async fn are_suspended(host: &Host, instances: &[InstanceId; 3]) -> [bool; 3] {
    let mut are = [false; 3];
    for (is, id) in are.iter_mut().zip(instances) {
        *is = host.runtime.instance(*id).await.expect("it lives").instance.is_suspended();
    }
    are
}

/// How often the log says that the instance was suspended or activated.
async fn changes(runtime: &Runtime, id: InstanceId) -> usize {
    let filter = OperationFilter { instance: Some(id.0), ..OperationFilter::default() };
    let rows = runtime.reads().operations(filter, Page::ALL, &[]).await.expect("read");
    rows.iter().filter(|it| it.row.property.as_deref() == Some("suspensionState")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_instance_that_fails_keeps_no_other_and_what_was_changed_by_hand_stays() {
    for database in [None, Some(postgres())] {
        let (host, all) = with_a_bad_one(database.clone()).await;
        let beside = if database.is_some() { Some(host.beside(manual(None)).await) } else { None };
        let begun = host.runtime.now();
        ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, false), begun + HOUR).await.expect("planned");
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        assert_eq!(are_suspended(&host, &all).await, [false, true, false]);
        let left = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
        let [one] = &left[..] else { panic!("{left:#?}") };
        assert_eq!((one.due - begun, one.next, one.attempts), (HOUR, Some(begun + HOUR + 10_000), 1));
        assert!(one.failure.as_ref().is_some_and(|it| it.contains(&all[1].to_string())), "{one:#?}");
        // An operator changes his mind of one that is done; it is not done again with the one that has failed.
        host.runtime.suspend_instance(all[2], true).await.expect("suspended");
        host.runtime.set_clock(begun + 2 * HOUR).await.expect("moved");
        assert_eq!(are_suspended(&host, &all).await, [false, true, true]);
        assert_eq!(changes(&host.runtime, all[0]).await, 1);
        set(&host, all[1], json!(false)).await;
        host.runtime.set_clock(begun + 4 * HOUR).await.expect("moved");
        assert_eq!(are_suspended(&host, &all).await, [false, false, true]);
        assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
        if let Some(beside) = beside {
            beside.shut_down(std::time::Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_suspension_takes_the_place_of_an_older_one_that_has_failed() {
    for database in [None, Some(postgres())] {
        let (host, all) = with_a_bad_one(database).await;
        let begun = host.runtime.now();
        for (hours, is) in [(1, false), (2, true)] {
            ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, is), begun + hours * HOUR).await.expect("planned");
        }
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        assert_eq!((suspended(&host.runtime).await, are_suspended(&host, &all).await), (0, [false, true, false]));
        host.runtime.set_clock(begun + 2 * HOUR).await.expect("moved");
        assert_eq!((suspended(&host.runtime).await, are_suspended(&host, &all).await), (1, [true; 3]));
        set(&host, all[1], json!(false)).await;
        host.runtime.set_clock(begun + 48 * HOUR).await.expect("moved");
        assert_eq!((suspended(&host.runtime).await, are_suspended(&host, &all).await), (1, [true; 3]));
        assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
        assert!(log(&host.runtime, "ProcessDefinition").await.contains(&"ann Delete executionDate maintenance".to_owned()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_suspension_waits_for_an_older_one_until_it_is_given_up_or_forgotten() {
    for (database, is_forgotten) in [(None, true), (Some(postgres()), false)] {
        let (host, all) = with_a_bad_one(database).await;
        let begun = host.runtime.now();
        ann(&host.runtime).plan_suspension(&of_key(Suspended::ProcessDefinitions, false), begun + HOUR).await.expect("planned");
        // It says nothing of the instances, and so does not do all that the other one was to do.
        let later = Suspension { include: false, ..of_key(Suspended::ProcessDefinitions, true) };
        ann(&host.runtime).plan_suspension(&later, begun + 2 * HOUR).await.expect("planned");
        host.runtime.set_clock(begun + 3 * HOUR).await.expect("moved");
        assert_eq!((suspended(&host.runtime).await, are_suspended(&host, &all).await), (0, [false, true, false]));
        let left = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
        assert_eq!(left.iter().map(|it| it.due - begun).collect::<Vec<_>>(), [HOUR, 2 * HOUR]);
        if is_forgotten {
            host.runtime.forget_planned_suspension(left[0].id).await.expect("forgotten");
            host.until("the other one is done", async || suspended(&host.runtime).await == 1).await;
        } else {
            host.runtime.set_clock(begun + 48 * HOUR).await.expect("moved");
            assert_eq!(suspended(&host.runtime).await, 1);
            let left = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
            let [given_up] = &left[..] else { panic!("{left:#?}") };
            assert_eq!((given_up.next, given_up.attempts), (None, 20));
        }
        assert_eq!(are_suspended(&host, &all).await, [false, true, false]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_that_cannot_be_read_is_listed_and_forgotten() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(manual(database.clone())).await;
        host.deploy(model("one")).await;
        let begun = host.runtime.now();
        host.runtime.plan_suspension(&of_key(Suspended::ProcessDefinitions, true), begun + HOUR).await.expect("planned");
        host.runtime.shut_down(std::time::Duration::from_secs(5)).await;
        let file = format!("sqlite:{}", host.dir.path().join("mandate.db").display());
        let store = Store::open(mandate_store::Config::new(database.unwrap_or(file))).await.expect("the store opens");
        let of_key = store.plans(Page::ALL).await.expect("read").remove(0);
        let of_another_time = Planned { id: uuid::Uuid::now_v7(), due: begun, change: "{\"what\": \"forests\"}".into(), ..of_key };
        store.plan(of_another_time, &[]).await.expect("planned");
        store.close().await;
        let host = host.restart().await;
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        // It keeps no other.
        assert_eq!(suspended(&host.runtime).await, 1);
        let left = host.runtime.planned_suspensions(Page::ALL).await.expect("read");
        let [one] = &left[..] else { panic!("{left:#?}") };
        assert_eq!((one.due, one.suspension.as_ref()), (begun, None));
        assert!(one.failure.as_ref().is_some_and(|it| it.contains("cannot be read")), "{one:#?}");
        host.runtime.forget_planned_suspension(one.id).await.expect("forgotten");
        assert_eq!(host.runtime.planned_suspensions(Page::ALL).await.expect("read"), []);
    }
}
