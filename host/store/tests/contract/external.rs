//! External tasks: who fetches what, and who may complete it.

use futures_util::future::join_all;
use mandate_store::query::{ExternalTaskFilter, Order, Page};
use mandate_store::{
    CommitError, ExternalTaskFailure, ExternalTaskRevision, ExternalTaskRow, Fetch, FetchTopic, Fetched, HeldExternalTask, InstanceWrite,
    LockChange, Store,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, external_task, start, step, unit, upload};

/// The end of every lock of these tests, after the moment of the fetch.
const LOCK: i64 = 1_000;

fn topic(name: &str) -> FetchTopic {
    FetchTopic { topic: name.into(), lock_ms: LOCK, ..FetchTopic::default() }
}

fn fetch(worker: &str, now: i64, topics: Vec<FetchTopic>) -> Fetch {
    Fetch { worker: worker.into(), max: 100, topics, by_created: None, by_priority: true, now }
}

async fn fetched(store: &Store, fetch: Fetch) -> Vec<(Uuid, i64)> {
    ids(&store.fetch_external_tasks(&fetch).await.expect("fetched"))
}

fn ids(fetched: &[Fetched]) -> Vec<(Uuid, i64)> {
    fetched.iter().map(|it| (it.task.instance, it.task.row.wait)).collect()
}

async fn begun(store: &Store, of: &mandate_store::query::DefinitionRow, tasks: Vec<ExternalTaskRow>) -> Uuid {
    let id = Uuid::now_v7();
    let mut write = start(of, id);
    write.put_external_tasks = tasks;
    store.commit(unit(write)).await.expect("stored");
    id
}

fn held(mut write: InstanceWrite, wait: i64, worker: &str) -> InstanceWrite {
    write.held_external_task = Some(HeldExternalTask { wait, worker: worker.into() });
    write
}

/// A unit in which a worker completes the task and the instance goes on.
fn completed(id: Uuid, revision: i64, wait: i64, worker: &str) -> InstanceWrite {
    InstanceWrite { remove_external_tasks: vec![wait], ..held(step(id, revision), wait, worker) }
}

pub(crate) async fn a_fetched_task_is_its_workers_until_the_lock_runs_out(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = begun(&store, &process, vec![external_task(&process, 2, "charge")]).await;
    let got = store.fetch_external_tasks(&fetch("ann", 200, vec![topic("charge")])).await.expect("fetched");
    let [Fetched { task, revision, details: 0 }] = &got[..] else { panic!("{got:?}") };
    assert_eq!((task.row.clone(), *revision), (external_task(&process, 2, "charge"), Some(1)));
    assert_eq!((task.worker.as_deref(), task.lock_until, task.business_key.as_deref()), (Some("ann"), 200 + LOCK, Some("order-1")));
    assert_eq!(store.external_task(id, 2).await.expect("read").as_ref(), Some(task), "what is answered is what is stored");

    assert_eq!(fetched(&store, fetch("bob", 199 + LOCK, vec![topic("charge")])).await, []);
    assert!(!store.has_external_tasks(vec!["charge".into()], 199 + LOCK).await.expect("read"));
    assert!(store.has_external_tasks(vec!["charge".into()], 200 + LOCK).await.expect("read"));
    assert_eq!(fetched(&store, fetch("bob", 200 + LOCK, vec![topic("charge")])).await, [(id, 2)]);
    assert_eq!(store.external_task_worker(id, 2).await.expect("read"), Some("bob".to_owned()));
    assert_eq!(store.external_task_worker(id, 3).await.expect("read"), None);
}

pub(crate) async fn a_task_is_given_back_only_by_whoever_has_it(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = begun(&store, &process, vec![external_task(&process, 2, "charge")]).await;
    let take = |worker: &'static str, now: i64| {
        let store = store.clone();
        async move { store.fetch_external_tasks(&fetch(worker, now, vec![topic("charge")])).await.expect("fetched").remove(0).task }
    };
    let first = take("ann", 200).await;
    store.give_back_external_tasks(std::slice::from_ref(&first)).await.expect("given back");
    assert_eq!(store.external_task_worker(id, 2).await.expect("read"), None);
    let second = take("bob", 201).await;
    store.give_back_external_tasks(std::slice::from_ref(&first)).await.expect("nothing to give back");
    assert_eq!(store.external_task(id, 2).await.expect("read"), Some(second), "it is bob's");
    // The same worker's later fetch is not given back with an earlier one.
    let third = take("bob", 201 + LOCK).await;
    store.give_back_external_tasks(std::slice::from_ref(&third)).await.expect("given back");
    let fourth = take("bob", 300 + LOCK).await;
    store.give_back_external_tasks(std::slice::from_ref(&third)).await.expect("nothing to give back");
    assert_eq!(store.external_task(id, 2).await.expect("read"), Some(fourth));
}

pub(crate) async fn what_is_given_back_comes_before_what_was_created_after_it(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let created = |wait: i64| ExternalTaskRow { created: 100 + wait, ..external_task(&process, wait, "charge") };
    let id = begun(&store, &process, (2..600).map(created).collect()).await;
    let most = Fetch { max: 500, ..fetch("ann", 1_000, vec![topic("charge")]) };
    let locked: Vec<_> = store.fetch_external_tasks(&most).await.expect("fetched").into_iter().map(|it| it.task).collect();
    store.give_back_external_tasks(&locked[1..]).await.expect("given back");
    let next = fetched(&store, Fetch { max: 3, ..fetch("bob", 1_000, vec![topic("charge")]) }).await;
    assert_eq!(next, [(id, 3), (id, 4), (id, 5)]);
    store.give_back_external_tasks(&locked).await.expect("given back");
    assert_eq!(store.external_task_worker(id, 2).await.expect("read"), None);
    assert_eq!(store.external_task_worker(id, 3).await.expect("read").as_deref(), Some("bob"), "it is his since");
}

pub(crate) async fn what_must_not_be_fetched_is_not(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let tasks = vec![
        ExternalTaskRow { retries: Some(0), ..external_task(&process, 2, "charge") },
        ExternalTaskRow { created: 5_000, ..external_task(&process, 3, "charge") },
        external_task(&process, 4, "mail"),
        ExternalTaskRow { retries: Some(1), ..external_task(&process, 5, "charge") },
    ];
    let id = begun(&store, &process, tasks).await;
    let mut suspended = step(id, 1);
    suspended.suspended = Some(true);
    store.commit(unit(suspended)).await.expect("stored");
    assert_eq!(fetched(&store, fetch("ann", 200, vec![topic("charge")])).await, [], "it is suspended");
    let mut active = step(id, 2);
    active.suspended = Some(false);
    store.commit(unit(active)).await.expect("stored");
    assert_eq!(fetched(&store, fetch("ann", 200, Vec::new())).await, []);
    assert_eq!(fetched(&store, Fetch { max: 0, ..fetch("ann", 200, vec![topic("charge")]) }).await, []);
    assert_eq!(fetched(&store, fetch("ann", 200, vec![topic("charge")])).await, [(id, 5)]);
    store.commit(unit(end(id, 3))).await.expect("stored");
    assert_eq!(store.count_external_tasks(ExternalTaskFilter::default()).await.expect("counted"), 0, "they went with their instance");
}

pub(crate) async fn topics_are_asked_for_together_and_each_has_its_filters(fixture: Fixture) {
    let store = fixture.open().await;
    let (process, other) = (definition(&store, "p").await, definition(&store, "q").await);
    let tagged = mandate_store::DeploymentWrite { tenant: Some("acme".into()), ..upload("p") };
    let acme = store.deploy(tagged).await.expect("deployed").definitions.remove(0);
    let one = begun(&store, &process, vec![external_task(&process, 2, "charge"), external_task(&process, 3, "mail")]).await;
    let two = begun(&store, &other, vec![external_task(&other, 2, "charge")]).await;
    let three = Uuid::now_v7();
    let mut write = start(&acme, three);
    let mandate_store::Expect::New(head) = &mut write.expect else { unreachable!("it starts") };
    head.tenant = Some("acme".into());
    head.business_key = Some("order-3".into());
    write.put_external_tasks = vec![external_task(&acme, 2, "charge")];
    store.commit(unit(write)).await.expect("stored");

    let any = |of: FetchTopic| FetchTopic { lock_ms: 0, ..of };
    let charge = || any(topic("charge"));
    for (asked, expected) in [
        (FetchTopic { definition_keys: vec!["q".into()], ..charge() }, vec![two]),
        (FetchTopic { definition_ids: vec![process.id.clone(), other.id.clone()], ..charge() }, vec![one, two]),
        (FetchTopic { business_key: Some("order-3".into()), ..charge() }, vec![three]),
        (FetchTopic { instances: Some(vec![three, one]), ..charge() }, vec![one, three]),
        (FetchTopic { instances: Some(Vec::new()), ..charge() }, vec![]),
        (FetchTopic { tenants: vec!["acme".into(), "none".into()], ..charge() }, vec![three]),
        (FetchTopic { without_tenant: true, ..charge() }, vec![one, two]),
        (FetchTopic { version_tag: Some("1.0".into()), definition_keys: vec!["p".into()], ..charge() }, vec![one, three]),
        (FetchTopic { version_tag: Some("2.0".into()), ..charge() }, vec![]),
    ] {
        let found = fetched(&store, fetch("ann", 200, vec![asked.clone()])).await;
        assert_eq!(found.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), expected, "{asked:?}");
    }
    let both = vec![any(topic("mail")), FetchTopic { business_key: Some("order-1".into()), ..charge() }, any(topic("nobody's"))];
    assert_eq!(fetched(&store, fetch("ann", 200, both.clone())).await, [(one, 2), (one, 3), (two, 2)]);
    let few = Fetch { max: 2, ..fetch("ann", 200, both) };
    assert_eq!(fetched(&store, few).await.len(), 2, "the bound is for all topics together");
}

pub(crate) async fn higher_priorities_come_first_and_of_these_the_longest_waiting(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let task = |wait, topic: &str, priority, created| ExternalTaskRow { priority, created, ..external_task(&process, wait, topic) };
    let tasks = vec![task(2, "a", 0, 50), task(3, "a", 5, 90), task(4, "b", 5, 10), task(5, "b", -1, 5), task(6, "a", 5, 20)];
    let id = begun(&store, &process, tasks).await;
    let both = || vec![FetchTopic { lock_ms: 0, ..topic("a") }, FetchTopic { lock_ms: 0, ..topic("b") }];
    let waits = async |fetch: Fetch| fetched(&store, fetch).await.into_iter().map(|(_, wait)| wait).collect::<Vec<_>>();
    assert_eq!(waits(fetch("ann", 200, both())).await, [4, 6, 3, 2, 5]);
    let by_age = |order| Fetch { by_created: Some(order), by_priority: false, ..fetch("ann", 200, both()) };
    assert_eq!(waits(by_age(Order::Asc)).await, [5, 4, 6, 2, 3]);
    assert_eq!(waits(by_age(Order::Desc)).await, [3, 2, 6, 4, 5]);
    assert_eq!(waits(Fetch { by_priority: true, ..by_age(Order::Asc) }).await, [4, 6, 3, 2, 5]);
    assert_eq!(waits(Fetch { max: 2, ..by_age(Order::Asc) }).await, [5, 4]);
    // A lock that ran out puts its task behind those that could be fetched before it did.
    store.lock_external_task(id, 6, "bob", 200, 250).await.expect("locked");
    assert_eq!(waits(Fetch { max: 1, now: 300, ..fetch("ann", 200, vec![topic("a")]) }).await, [3]);
}

pub(crate) async fn a_late_worker_completes_only_what_nobody_else_has_fetched(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut instances = Vec::new();
    for _ in 0..3 {
        instances.push(begun(&store, &process, vec![external_task(&process, 2, "charge")]).await);
    }
    let not_held = |worker: Option<&str>| CommitError::NotHeld { worker: worker.map(str::to_owned) };
    let refused = async |write: InstanceWrite| store.commit(unit(write)).await.expect_err("refused").to_string();
    let fresh = store.commit(unit(completed(instances[0], 1, 2, "ann"))).await.expect_err("nobody has it");
    assert_eq!(format!("{fresh:?}"), format!("{:?}", not_held(None)));

    assert_eq!(fetched(&store, fetch("ann", 200, vec![topic("charge")])).await.len(), 3);
    store.commit(unit(completed(instances[0], 1, 2, "ann"))).await.expect("in time");
    // Long after its lock ran out, but nobody else wanted it.
    store.commit(unit(completed(instances[1], 1, 2, "ann"))).await.expect("late, and still its own");
    assert_eq!(fetched(&store, fetch("bob", 200 + LOCK, vec![topic("charge")])).await, [(instances[2], 2)]);
    let late = store.commit(unit(completed(instances[2], 1, 2, "ann"))).await.expect_err("it is another's");
    assert_eq!(format!("{late:?}"), format!("{:?}", not_held(Some("bob"))));
    assert_eq!(store.revision(instances[2]).await.expect("read"), Some(1), "nothing of the unit was stored");
    store.commit(unit(completed(instances[2], 1, 2, "bob"))).await.expect("his own");
    // Whoever comes twice finds another revision, and then no task.
    assert!(refused(completed(instances[2], 1, 2, "bob")).await.contains("changed by another unit"));
}

pub(crate) async fn two_workers_and_a_lock_that_runs_out(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for _ in 0..40 {
        let id = begun(&store, &process, vec![external_task(&process, 2, "charge")]).await;
        assert_eq!(fetched(&store, fetch("ann", 200, vec![topic("charge")])).await, [(id, 2)]);
        // The lock has run out: in this moment one fetches the task and the other completes it.
        let fetching = fetch("bob", 200 + LOCK, vec![topic("charge")]);
        let (by_bob, by_ann) = tokio::join!(store.fetch_external_tasks(&fetching), store.commit(unit(completed(id, 1, 2, "ann"))));
        let by_bob = ids(&by_bob.expect("fetched"));
        match by_ann {
            Ok(_) => assert_eq!(by_bob, [], "bob was given a task that ann has completed"),
            Err(CommitError::NotHeld { worker }) => {
                assert_eq!((worker.as_deref(), by_bob), (Some("bob"), vec![(id, 2)]));
                store.commit(unit(completed(id, 1, 2, "bob"))).await.expect("his own");
            }
            Err(other) => panic!("{other}"),
        }
    }
}

pub(crate) async fn a_failure_rests_and_keeps_its_worker(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = begun(&store, &process, vec![external_task(&process, 2, "charge")]).await;
    assert_eq!(fetched(&store, fetch("ann", 200, vec![topic("charge")])).await, [(id, 2)]);
    let failure = ExternalTaskRevision {
        wait: 2,
        priority: 0,
        retries: Some(1),
        failures: 1,
        failure: Some("declined".into()),
        failed: Some(ExternalTaskFailure { details: Some("at length".into()), lock_until: 700 }),
    };
    let failed = InstanceWrite { revise_external_tasks: vec![failure.clone()], ..held(step(id, 1), 2, "ann") };
    store.commit(unit(failed)).await.expect("stored");
    let read = async || store.external_task(id, 2).await.expect("read").expect("there");
    let task = read().await;
    assert_eq!((task.worker.as_deref(), task.lock_until, task.details.as_deref()), (Some("ann"), 700, Some("at length")));
    let listed = store.external_tasks(ExternalTaskFilter::default(), Page::ALL, &[]).await.expect("read");
    assert_eq!(listed.iter().map(|it| it.details.as_deref()).collect::<Vec<_>>(), [None], "a list shows none");
    assert_eq!((task.row.retries, task.row.failures, task.row.failure.as_deref()), (Some(1), 1, Some("declined")));
    assert_eq!(fetched(&store, fetch("bob", 699, vec![topic("charge")])).await, []);
    assert_eq!(fetched(&store, fetch("bob", 700, vec![topic("charge")])).await, [(id, 2)]);

    // An operator's retries and priority change neither the lock nor what the last failure left.
    let given = ExternalTaskRevision { priority: -7, retries: Some(5), failed: None, ..failure };
    store.commit(unit(InstanceWrite { revise_external_tasks: vec![given], ..step(id, 2) })).await.expect("stored");
    let task = read().await;
    assert_eq!((task.worker.as_deref(), task.lock_until, task.details.as_deref()), (Some("bob"), 700 + LOCK, Some("at length")));
    assert_eq!((task.row.retries, task.row.priority), (Some(5), -7));
}

pub(crate) async fn locks_are_extended_taken_and_given_back(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = begun(&store, &process, vec![external_task(&process, 2, "charge")]).await;
    let extend = async |worker: &str, now, until| store.extend_external_task_lock(id, 2, worker, now, until).await.expect("answered");
    let lock = async |worker: &str, now, until| store.lock_external_task(id, 2, worker, now, until).await.expect("answered");
    let holder = |worker: &str| LockChange::NotHeld(Some(worker.to_owned()));
    assert_eq!(extend("ann", 200, 300).await, LockChange::NotHeld(None));
    assert_eq!(lock("ann", 200, 300).await, LockChange::Changed);
    assert_eq!(lock("bob", 250, 400).await, holder("ann"));
    assert_eq!(extend("bob", 250, 400).await, holder("ann"));
    assert_eq!(extend("ann", 250, 400).await, LockChange::Changed);
    assert_eq!(extend("ann", 401, 500).await, LockChange::Expired(400));
    assert_eq!(lock("bob", 400, 500).await, LockChange::Changed);
    assert_eq!(store.unlock_external_task(id, 2, 410, |_| Vec::new()).await.expect("answered"), LockChange::Changed);
    let task = store.external_task(id, 2).await.expect("read").expect("there");
    assert_eq!((task.worker, task.lock_until), (None, 410));
    let locked = |locked| ExternalTaskFilter { locked: Some((locked, 410)), ..ExternalTaskFilter::default() };
    assert_eq!(store.external_tasks(locked(false), Page::ALL, &[]).await.expect("listed").len(), 1);
    assert_eq!(store.count_external_tasks(locked(true)).await.expect("counted"), 0);
    assert_eq!(store.unlock_external_task(id, 9, 410, |_| Vec::new()).await.expect("answered"), LockChange::Missing);
}

pub(crate) async fn workers_that_fetch_at_once_share_no_task(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for _ in 0..4 {
        begun(&store, &process, (2..52).map(|wait| external_task(&process, wait, "charge")).collect()).await;
    }
    let mut all: Vec<(Uuid, i64)> = Vec::new();
    loop {
        let names: Vec<String> = (0..8).map(|n| format!("worker-{n}")).collect();
        let round = join_all(names.iter().map(|name| fetched(&store, Fetch { max: 7, ..fetch(name, 200, vec![topic("charge")]) }))).await;
        let got: Vec<_> = round.into_iter().flatten().collect();
        if got.is_empty() {
            break;
        }
        all.extend(got);
    }
    let different: std::collections::BTreeSet<_> = all.iter().copied().collect();
    assert_eq!((all.len(), different.len()), (200, 200));
}
