//! The same operations on both databases, from a seed, and the same answers to every query.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use mandate_store::query::{
    AskedValue, DefinitionRow, ExternalTaskFilter, ExternalTaskSort, HistoryActivityFilter, HistoryIncidentFilter, HistoryIncidentSort,
    HistoryInstanceFilter, HistoryInstanceSort, IncidentFilter, InstanceFilter, InstanceSort, JobFilter, JobSort, Order, Page,
    SubscriptionFilter, TaskFilter, TaskSort,
};
use mandate_store::{
    Beside, CalledBy, Except, Expect, ExternalTaskFailure, ExternalTaskRevision, ExternalTaskRow, Fetch, FetchTopic, HistoryRow,
    InstanceHead, InstanceWrite, JobRevision, JobRow, LedgerOpened, LedgerState, Origin, PartRow, Parts, StartKey, State, Store, Unit,
};
use mandate_tests::random::Random;
use uuid::Uuid;

use crate::common::{Fixture, begun, definition, external_task, incident, job, resolved, subscription, task, task_asked};
use crate::ledger::{close, open};

const SEEDS: [u64; 3] = [1, 2, 3];
const OPERATIONS: usize = 250;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_answer_the_same() {
    for seed in SEEDS {
        let lite = trace(seed, Fixture::sqlite()).await;
        let postgres = trace(seed, Fixture::postgres("comparison")).await;
        if let Some(at) = lite.iter().zip(&postgres).position(|(a, b)| a != b) {
            panic!("seed {seed}, line {at}:\nsqlite:   {}\npostgres: {}", lite[at], postgres[at]);
        }
        assert_eq!(lite.len(), postgres.len());
    }
}

/// Ids that the store makes differ between databases; they are told by their order.
fn normalised(mut text: String, definitions: &[DefinitionRow], store: &Store) -> String {
    for (at, definition) in definitions.iter().enumerate() {
        text = text.replace(&definition.id, &format!("definition-{at}")).replace(&definition.deployment_id, &format!("deployment-{at}"));
    }
    text.replace(&store.host().id.to_string(), "host")
}

struct World {
    random: Random,
    /// Live instances: the revision, and the next number.
    instances: BTreeMap<Uuid, (i64, i64)>,
    /// Which activities of a live instance are stored apart.
    parts: BTreeMap<Uuid, BTreeSet<i64>>,
    made: u128,
}

async fn trace(seed: u64, fixture: Fixture) -> Vec<String> {
    let store = fixture.open().await;
    let mut definitions = Vec::new();
    for key in ["p", "q", "p"] {
        definitions.push(definition(&store, key).await);
    }
    let mut world = World { random: Random(seed), instances: BTreeMap::new(), parts: BTreeMap::new(), made: 0 };
    let mut lines = Vec::new();
    for at in 0..OPERATIONS {
        let line = operation(&mut world, &store, &definitions).await;
        lines.push(normalised(line, &definitions, &store));
        if at % 25 == 24 {
            for line in queries(&mut world.random, &store, &definitions).await {
                lines.push(normalised(line, &definitions, &store));
            }
        }
    }
    lines
}

async fn operation(world: &mut World, store: &Store, definitions: &[DefinitionRow]) -> String {
    let choice = world.random.below(100);
    let known: Vec<Uuid> = world.instances.keys().copied().collect();
    let Some(id) = (!known.is_empty()).then(|| known[world.random.index(known.len())]) else {
        return begin(world, store, definitions).await;
    };
    match choice {
        0..25 => begin(world, store, definitions).await,
        25..70 => change(world, store, definitions, id).await,
        70..74 => {
            let now = i64::try_from(world.random.below(2_000)).expect("small");
            let topic = |name: &str| FetchTopic { topic: name.into(), lock_ms: 300, ..FetchTopic::default() };
            let topics = if world.random.chance(50) { vec![topic("charge")] } else { vec![topic("charge"), topic("mail")] };
            // All of them: of those that are alike either database may take any first.
            let fetch = Fetch { worker: "ann".into(), max: 1_000, topics, by_created: None, by_priority: true, now };
            format!("fetch {:?}", store.fetch_external_tasks(&fetch).await.expect("fetched"))
        }
        74..80 => {
            let claimed =
                store.claim(i64::try_from(world.random.below(2_000)).expect("small"), 5, &Except::NOTHING).await.expect("claimed");
            let release: Vec<_> = claimed.iter().filter(|_| world.random.chance(50)).map(|job| (job.instance, job.wait)).collect();
            store.release(&release).await.expect("released");
            format!("claim {claimed:?}")
        }
        80..92 => {
            let key = format!("k{}", world.random.below(6));
            let wait = i64::try_from(world.random.below(20)).expect("small");
            let asked = open(id, Origin::Job(wait), &key);
            let opened = store.ledger_open(asked.clone()).await.expect("answered");
            let states = [LedgerState::Applied, LedgerState::Rejected, LedgerState::Unavailable, LedgerState::Unknown];
            let state = states[world.random.index(4)];
            let closed = match &opened {
                LedgerOpened::Opened { attempt } => store.ledger_close(close(&asked, *attempt, state)).await.is_ok(),
                LedgerOpened::Exists(row) => store.ledger_close(close(&asked, row.attempt, state)).await.is_ok(),
                _ => false,
            };
            format!("ledger {opened:?} {closed}")
        }
        _ => {
            let suspended = world.random.chance(50);
            let at = world.random.index(3);
            format!("suspend {at} {:?}", store.set_definition_suspended(&definitions[at].id, suspended, |_| Vec::new()).await)
        }
    }
}

async fn begin(world: &mut World, store: &Store, definitions: &[DefinitionRow]) -> String {
    world.made += 1;
    // Scattered, so that the order of ids is not the order of time.
    let id = Uuid::from_u128(world.made.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 1);
    let process = &definitions[world.random.index(3)];
    let head = InstanceHead {
        tenant: world.random.chance(30).then(|| "acme".to_owned()),
        definition_id: process.id.clone(),
        business_key: world
            .random
            .chance(80)
            .then(|| format!("{}rder-{}", ["o", "O", "ö"][usize::try_from(world.made % 3).expect("small")], world.made % 7)),
        started_at: i64::try_from(world.made).expect("small") * 10,
        started_by: world.random.chance(50).then(|| format!("user-{}", world.random.index(3))),
        called_by: world.random.chance(20).then(|| CalledBy {
            instance: Uuid::from_u128(world.random.index(9) as u128),
            activity_id: "call".into(),
            activity: 3,
            root: Uuid::from_u128(world.random.index(3) as u128),
        }),
    };
    let start_key = world.random.chance(20).then(|| StartKey {
        tenant: String::new(),
        definition_key: process.key.clone(),
        key: format!("start-{}", world.random.below(4)),
    });
    let ended = world.random.chance(10);
    let (parts, kept) = parts(world, id);
    let state =
        if ended { State::Ended { beside: Beside::ALL } } else { State::Live { snapshot: vec![7; 1 + world.random.index(5_000)], parts } };
    let mut write = InstanceWrite::new(id, Expect::New(head), state);
    write.history.push(HistoryRow::InstanceStarted { start_activity: "Start".into(), at: 1 });
    let next = rows(world, &mut write, process, 1);
    let unit = Unit { id: Uuid::from_u128(world.made), instances: vec![write], start_key, newest: false, closes: Vec::new() };
    let answer = store.commit(unit).await;
    if answer.is_ok() && !ended {
        world.instances.insert(id, (1, next));
        world.parts.insert(id, kept);
    }
    format!("begin {answer:?}")
}

async fn change(world: &mut World, store: &Store, definitions: &[DefinitionRow], id: Uuid) -> String {
    let (revision, next) = world.instances[&id];
    let expected = if world.random.chance(10) { revision + 1 } else { revision };
    let ended = world.random.chance(15);
    let (parts, kept) = parts(world, id);
    let state =
        if ended { State::Ended { beside: Beside::ALL } } else { State::Live { snapshot: vec![8; 1 + world.random.index(100)], parts } };
    let process = &definitions[world.random.index(3)];
    let mut write = InstanceWrite::new(id, Expect::Revision(expected), state);
    if world.random.chance(15) {
        write.suspended = Some(world.random.chance(50));
    }
    let next = rows(world, &mut write, process, next);
    if ended {
        write.history.push(HistoryRow::InstanceEnded { state: "COMPLETED".into(), reason: Some("so".into()), at: next, removal_at: None });
    }
    world.made += 1;
    let unit = Unit { id: Uuid::from_u128(world.made), instances: vec![write], start_key: None, newest: false, closes: Vec::new() };
    let answer = store.commit(unit).await;
    if answer.is_ok() {
        if ended {
            world.instances.remove(&id);
        } else {
            world.instances.insert(id, (revision + 1, next));
            world.parts.insert(id, kept);
        }
    }
    format!("change {answer:?}")
}

/// Parts that come, change and go. Answers the change, and which there are once it is stored.
fn parts(world: &mut World, id: Uuid) -> (Parts, BTreeSet<i64>) {
    let mut kept = world.parts.get(&id).cloned().unwrap_or_default();
    let mut parts = Parts::default();
    for activity in 1..4 {
        if world.random.chance(70) {
            continue;
        }
        if kept.contains(&activity) && world.random.chance(50) {
            kept.remove(&activity);
            parts.remove.push((activity, "päd".into()));
        } else {
            kept.insert(activity);
            let bytes = vec![0; world.random.index(3_000)];
            parts.put.push(PartRow { activity, variable: "päd".into(), bytes });
        }
    }
    parts.count = i64::try_from(kept.len()).expect("small");
    (parts, kept)
}

/// Fills a write with rows that come and go. Answers the next number of the instance.
fn rows(world: &mut World, write: &mut InstanceWrite, process: &DefinitionRow, mut next: i64) -> i64 {
    let random = &mut world.random;
    let earlier = |random: &mut Random, next: i64| 1 + i64::try_from(random.below(next.unsigned_abs())).expect("small");
    for _ in 0..random.below(6) {
        next += 1;
        let old = earlier(random, next);
        let number = i64::try_from(random.below(1_000)).expect("small");
        match random.below(15) {
            0 => write.put_jobs.push(JobRow {
                exclusive: random.chance(50),
                behind: random.chance(20),
                locked: random.chance(30),
                retries: number % 3,
                priority: number % 4 - 1,
                failure: random.chance(30).then(|| "it said \"no\"\n\tand 'why' ☂".to_owned()),
                ..job(process, next, number)
            }),
            1 => write.remove_jobs.push(old),
            2 => {
                let mut row = task(process, next);
                row.assignee = random.chance(40).then(|| format!("user{}", number % 3));
                row.due = random.chance(60).then_some(number);
                row.candidate_groups.truncate(random.index(3));
                write.put_tasks.push(row);
            }
            3 => write.remove_tasks.push(old),
            4 => write.put_subscriptions.push(subscription(process, next, ["paid", "Paid", "päid"][random.index(3)])),
            5 => write.remove_subscriptions.push(old),
            6 => write.put_incidents.push(incident(process, next, random.chance(50).then_some(old))),
            7 => write.remove_incidents.push(resolved(old, number)),
            11 => write.put_external_tasks.push(ExternalTaskRow {
                priority: number % 3,
                retries: random.chance(30).then_some(number % 2),
                created: number,
                ..external_task(process, next, ["charge", "mail"][random.index(2)])
            }),
            12 => write.remove_external_tasks.push(old),
            13 => write.revise_external_tasks.push(ExternalTaskRevision {
                wait: old,
                priority: number % 3 - 1,
                retries: random.chance(80).then_some(number % 2),
                failures: number,
                failure: random.chance(50).then(|| "declined ☂".to_owned()),
                failed: random
                    .chance(50)
                    .then(|| ExternalTaskFailure { details: random.chance(50).then(|| "at length".to_owned()), lock_until: number }),
            }),
            8 => write.revise_jobs.push(JobRevision {
                wait: old,
                due: number,
                retries: number % 3,
                priority: number % 4 - 1,
                suspended: random.chance(20),
                behind: random.chance(20),
            }),
            9 => write.behind_jobs.push((old, random.chance(50))),
            10 => write.lock_jobs = vec![old],
            _ => {
                let activity_id = ["Task", "Reserve", "Scope", "Review"][random.index(4)];
                write.history.push(begun(process, next, activity_id, number));
                if random.chance(60) {
                    let (canceled, complete_scope) = (random.chance(30), random.chance(30));
                    write.history.push(HistoryRow::ActivityEnded { n: next, canceled, complete_scope, at: number + 5 });
                }
                let json = format!("\"{number}\"");
                let (scope, name) = (1 + number % 2, format!("v{}", number % 5));
                write.history.push(HistoryRow::Variable {
                    scope,
                    name,
                    kind: "String".into(),
                    json,
                    removed: random.chance(20),
                    at: number,
                });
            }
        }
    }
    next
}

async fn queries(random: &mut Random, store: &Store, definitions: &[DefinitionRow]) -> Vec<String> {
    let page = Page { first: u32::try_from(random.below(5)).expect("small"), max: u32::try_from(1 + random.below(20)).expect("small") };
    let order = [Order::Asc, Order::Desc][random.index(2)];
    let like = Some(["order-%", "%r-1", "O%", "ö%"][random.index(4)].to_owned());
    let moment = i64::try_from(random.below(1_000)).expect("small");
    let mut lines = Vec::new();
    macro_rules! ask {
        ($($call:tt)*) => {{
            let mut line = String::new();
            write!(line, "{}: {:?}", stringify!($($call)*), store.$($call)*.await).expect("a string takes everything");
            lines.push(line);
        }};
    }
    ask!(instances(InstanceFilter::default(), page, &[(InstanceSort::BusinessKey, order)]));
    ask!(instances(InstanceFilter { business_key_like: like.clone(), ..Default::default() }, Page::ALL, &[(InstanceSort::Tenant, order)]));
    ask!(count_instances(InstanceFilter { with_incident: true, without_tenant: true, ..Default::default() }));
    ask!(instances(InstanceFilter { activity_ids: vec!["Reserve".into(), "Review".into()], ..Default::default() }, Page::ALL, &[]));
    ask!(instances(
        InstanceFilter { definition_keys_not: vec!["q".into()], ..Default::default() },
        page,
        &[(InstanceSort::DefinitionKey, order)]
    ));
    ask!(instances_after(None, 1_000));
    ask!(jobs(JobFilter::default(), page, &[(JobSort::Due, order), (JobSort::Retries, Order::Asc)]));
    ask!(jobs(JobFilter { executable_at: Some(moment), ..Default::default() }, Page::ALL, &[(JobSort::DefinitionKey, order)]));
    ask!(count_jobs(JobFilter { no_retries_left: true, ..Default::default() }));
    ask!(next_due(moment));
    ask!(tasks(TaskFilter::default(), page, &[(TaskSort::Due, order)]));
    ask!(tasks(TaskFilter { candidate_groups: vec!["repair".into()], ..Default::default() }, Page::ALL, &[(TaskSort::Created, order)]));
    ask!(tasks(
        TaskFilter {
            asked: [task_asked("assigneeLike", AskedValue::Text("user%".into())), task_asked("dueBefore", AskedValue::Number(moment))]
                .map(|it| it.asked)
                .concat(),
            ..Default::default()
        },
        Page::ALL,
        &[(TaskSort::Assignee, order)]
    ));
    ask!(incidents(IncidentFilter::default(), page, &[]));
    ask!(remembered_incidents(HistoryIncidentFilter::default(), page, &[(HistoryIncidentSort::Resolved, order)]));
    ask!(external_tasks(
        ExternalTaskFilter { retries_left: Some(true), ..Default::default() },
        Page::ALL,
        &[(ExternalTaskSort::LockUntil, Order::Desc)]
    ));
    ask!(subscriptions(SubscriptionFilter { name: Some("päid".into()), ..Default::default() }, Page::ALL));
    ask!(history_instances(
        HistoryInstanceFilter::default(),
        page,
        &[(HistoryInstanceSort::Duration, order), (HistoryInstanceSort::BusinessKey, order)]
    ));
    ask!(history_instances(HistoryInstanceFilter { executed_activities: vec!["A2".into()], ..Default::default() }, Page::ALL, &[]));
    ask!(history_instances(
        HistoryInstanceFilter { states: vec!["SUSPENDED".into(), "COMPLETED".into()], ..Default::default() },
        Page::ALL,
        &[]
    ));
    ask!(history_activities(HistoryActivityFilter { unfinished: true, ..Default::default() }, page, &[]));
    ask!(history_activities(HistoryActivityFilter { started_after: Some(moment), canceled: true, ..Default::default() }, Page::ALL, &[]));
    ask!(history_activities(HistoryActivityFilter { complete_scope: true, ..Default::default() }, Page::ALL, &[]));
    ask!(counts(moment));
    ask!(definition_statistics());
    ask!(activity_statistics(&definitions[0].id));
    let ids: Vec<Uuid> = store.instances_after(None, 5).await.expect("read").0.iter().map(|row| row.id).collect();
    for id in ids {
        ask!(instance_with_rows(id));
        ask!(history_variables(id));
        ask!(ledger_of_instance(id, Page::ALL));
    }
    lines
}
