//! Signals: who gets them, and that each of them gets them once.

use mandate_store::query::{
    DELIVERY, DefinitionRow, EventSubscriptionFilter, EventSubscriptionOf, EventSubscriptionSort, HistoryIncidentFilter, IncidentFilter,
    IncidentState, InstanceFilter, JobFilter, Order, Page,
};
use mandate_store::{
    CommitError, Delivery, DeliveryClaim, DeploymentDeletion, EventKind, Except, Expect, FailedDelivery, InstanceHead, InstanceWrite,
    Receiver, Signal, SignalTenants, Store, SubscriptionRow,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, head, live, start, start_event, step, subscription, unit, upload};

fn signal(name: &str, tenants: SignalTenants) -> Signal {
    Signal {
        id: Uuid::now_v7(),
        name: name.into(),
        tenants,
        variables: "{}".into(),
        business_key: Some("order-2".into()),
        hops: 1,
        at: 100,
    }
}

fn waits_for(process: &DefinitionRow, wait: i64, name: &str) -> SubscriptionRow {
    SubscriptionRow { kind: EventKind::Signal, ..subscription(process, wait, name) }
}

/// An instance of a tenant that waits for a signal.
async fn waiting(store: &Store, process: &DefinitionRow, tenant: Option<&str>, name: &str) -> Uuid {
    let id = Uuid::now_v7();
    let head = InstanceHead { tenant: tenant.map(str::to_owned), ..head(process) };
    let mut write = InstanceWrite::new(id, Expect::New(head), live());
    write.put_subscriptions = vec![waits_for(process, 3, name)];
    store.commit(unit(write)).await.expect("stored");
    id
}

async fn claimed(store: &Store, now: i64) -> Vec<Delivery> {
    store.claim_deliveries(now, 100, &[], &Except::NOTHING).await.expect("claimed")
}

/// Throws a signal to everybody and takes its deliveries.
async fn thrown(store: &Store, name: &str) -> Vec<Delivery> {
    let signal = signal(name, SignalTenants::Any);
    store.throw(&signal).await.expect("thrown");
    store.thrown_here(signal.id, None, 100).await.expect("read")
}

async fn on_the_way(store: &Store) -> i64 {
    store.counts(0).await.expect("read").signals_on_the_way
}

fn instances(deliveries: &[Delivery]) -> Vec<Uuid> {
    let mut ids: Vec<_> = deliveries
        .iter()
        .filter_map(|it| match it.receiver {
            Receiver::Wait { instance, .. } => Some(instance),
            Receiver::Start | Receiver::Unreadable { .. } => None,
        })
        .collect();
    ids.sort_unstable();
    ids
}

fn sorted<const N: usize>(mut ids: [Uuid; N]) -> [Uuid; N] {
    ids.sort_unstable();
    ids
}

pub(crate) async fn a_signal_comes_to_those_who_wait_when_it_is_thrown(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let nobodys = waiting(&store, &process, None, "alarm").await;
    let acmes = waiting(&store, &process, Some("acme"), "alarm").await;
    waiting(&store, &process, Some("other"), "alarm").await;
    waiting(&store, &process, None, "Alarm").await;
    let suspended = waiting(&store, &process, None, "alarm").await;
    let mut write = step(suspended, 1);
    write.suspended = Some(true);
    store.commit(unit(write)).await.expect("stored");
    let message = start(&process, Uuid::now_v7());
    store.commit(unit(InstanceWrite { put_subscriptions: vec![subscription(&process, 3, "alarm")], ..message })).await.expect("stored");

    // The one who throws waits for it, too, and has got it already.
    let mut thrower =
        InstanceWrite::new(Uuid::now_v7(), Expect::New(InstanceHead { tenant: Some("acme".into()), ..head(&process) }), live());
    thrower.put_subscriptions = vec![waits_for(&process, 4, "alarm")];
    thrower.signals = vec![signal("alarm", SignalTenants::AndNone(Some("acme".into())))];
    let thrower_id = thrower.id;
    store.commit(unit(thrower)).await.expect("stored");
    let late = waiting(&store, &process, None, "alarm").await;
    assert_eq!(on_the_way(&store).await, 2);
    let deliveries = claimed(&store, 100).await;
    let mut expected = vec![nobodys, acmes];
    expected.sort_unstable();
    assert_eq!(instances(&deliveries), expected);
    let first = deliveries.iter().find(|it| instances(std::slice::from_ref(it)) == [acmes]).expect("just seen");
    assert_eq!(first.receiver, Receiver::Wait { instance: acmes, wait: 3, activity: 4 });
    assert_eq!((first.signal.as_str(), first.activity_id.as_str(), first.failures), ("alarm", "Receive", 0));
    assert_eq!((first.definition_id.as_str(), first.business_key.as_deref()), (process.id.as_str(), Some("order-2")));
    for delivery in deliveries {
        store.drop_delivery(&delivery, 900).await.expect("dropped");
    }

    for (tenants, expected) in [
        (SignalTenants::AndNone(None), vec![nobodys, late]),
        (SignalTenants::Only(None), vec![nobodys, late]),
        (SignalTenants::Only(Some("acme".into())), vec![acmes, thrower_id]),
    ] {
        let thrown = signal("alarm", tenants.clone());
        store.throw(&thrown).await.expect("thrown");
        let got = store.thrown_here(thrown.id, None, 100).await.expect("read");
        let mut expected = expected;
        expected.sort_unstable();
        assert_eq!(instances(&got), expected, "{tenants:?}");
    }
    assert_eq!(thrown(&store, "alarm").await.len(), 5);
}

pub(crate) async fn what_starts_by_a_signal_is_the_newest_version_that_is_not_suspended(fixture: Fixture) {
    let store = fixture.open().await;
    let deploy = async |key: &str, name: &str| {
        let mut write = upload(key);
        write.definitions[0].start_events = vec![start_event(EventKind::Signal, name)];
        store.deploy(write).await.expect("a deployment").definitions.remove(0)
    };
    let throw = async |name: &str| {
        let got = thrown(&store, name).await;
        assert!(got.iter().all(|it| it.receiver == Receiver::Start && it.activity_id == "Start"));
        let mut ids: Vec<_> = got.into_iter().map(|it| it.definition_id).collect();
        ids.sort_unstable();
        ids
    };
    let first = deploy("p", "alarm").await;
    let other = deploy("q", "alarm").await;
    assert_eq!(throw("alarm").await, [first.id.as_str(), other.id.as_str()], "several may start by one signal");
    let second = deploy("p", "all-clear").await;
    assert_eq!(throw("alarm").await, [other.id.as_str()]);
    assert_eq!(throw("all-clear").await, [second.id.as_str()]);
    store.set_definition_suspended(&other.id, true, |_| Vec::new()).await.expect("suspended");
    assert_eq!(throw("alarm").await, [] as [String; 0]);
    // What the newest has closed is open again without it.
    let deleted =
        store.delete_deployment(&second.deployment_id, false, &[], &vec![(first.id.clone(), Vec::new())], 0).await.expect("deleted");
    assert!(matches!(deleted, DeploymentDeletion::Deleted { .. }));
    assert_eq!(throw("alarm").await, [first.id.as_str()]);
}

pub(crate) async fn a_delivery_is_taken_up_once_and_only_with_what_it_led_to(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = waiting(&store, &process, None, "alarm").await;
    let name = thrown(&store, "alarm").await.remove(0).name;
    let take = |revision: i64| {
        let mut write = step(id, revision);
        (write.delivery, write.remove_subscriptions) = (Some(name), vec![3]);
        unit(write)
    };
    // A unit that is too late leaves it where it is.
    assert!(matches!(store.commit(take(7)).await, Err(CommitError::Conflict)));
    assert_eq!(on_the_way(&store).await, 1);
    store.commit(take(1)).await.expect("stored");
    assert_eq!(on_the_way(&store).await, 0);
    assert!(matches!(store.commit(take(2)).await, Err(CommitError::Delivered)));

    // Two that start by the same delivery at once: one of them does.
    let mut write = upload("q");
    write.definitions[0].start_events = vec![start_event(EventKind::Signal, "begin")];
    let starts = store.deploy(write).await.expect("a deployment").definitions.remove(0);
    let name = thrown(&store, "begin").await.remove(0).name;
    let begin = || {
        let mut write = start(&starts, Uuid::now_v7());
        write.delivery = Some(name);
        store.commit(unit(write))
    };
    let (one, other) = futures_util::future::join(begin(), begin()).await;
    let stored = usize::from(one.is_ok()) + usize::from(other.is_ok());
    assert_eq!(stored, 1, "{one:?} {other:?}");
    assert!([one, other].iter().any(|answer| matches!(answer, Err(CommitError::Delivered))));
}

fn failed(due: i64, retries: i64, failures: i64) -> FailedDelivery {
    let detail = (retries == 0).then(|| "{}".to_owned());
    FailedDelivery { due, retries, failures, failure: "EXPRESSION_FAILED: it broke".into(), failed_activity: Some("task".into()), detail }
}

/// What history has of the one incident that there is, if there is one: how far it is, and when it was over.
async fn remembered(store: &Store) -> Option<(IncidentState, Option<i64>)> {
    let found = store.remembered_incidents(HistoryIncidentFilter::default(), Page::ALL, &[]).await.expect("read");
    assert!(found.len() < 2, "{found:?}");
    found.first().map(|it| (it.row.state, it.row.incident.ended_at))
}

pub(crate) async fn a_delivery_that_fails_is_tried_again_and_then_an_incident(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = waiting(&store, &process, Some("acme"), "alarm").await;
    let first = thrown(&store, "alarm").await.remove(0);
    assert_eq!(store.claim_deliveries(100, 9, &[first.name.signal], &Except::NOTHING).await.expect("claimed"), [], "this host is at it");
    assert!(!store.is_quiet(100, &Except::NOTHING).await.expect("read"));
    assert_eq!(store.count_jobs(JobFilter::default()).await.expect("counted"), 0, "it has not failed");
    assert_eq!(store.fail_delivery(&first, &failed(500, 2, 1)).await.expect("stored"), None);
    assert_eq!(store.fail_delivery(&first, &failed(600, 1, 2)).await.expect("this host does not have it any more"), None);
    assert_eq!((store.next_due(100).await.expect("read"), claimed(&store, 499).await), (Some(500), Vec::new()));
    assert!(store.is_quiet(499, &Except::NOTHING).await.expect("read"));
    let again = claimed(&store, 500).await.remove(0);
    assert_eq!((again.retries, again.failures, again.name), (2, 1, first.name));
    assert_eq!(store.claim_deliveries(900, 9, &[id], &Except::NOTHING).await.expect("claimed"), [], "this host is at the instance");
    assert_eq!(remembered(&store).await, None, "it has attempts left");
    assert_eq!(store.fail_delivery(&again, &failed(510, 0, 2)).await.expect("stored"), None);
    assert_eq!(remembered(&store).await, Some((IncidentState::Open, None)));

    assert_eq!((claimed(&store, 900).await, store.next_due(0).await.expect("read"), on_the_way(&store).await), (Vec::new(), None, 0));
    let of_acme = || IncidentFilter { instances: vec![id], tenants: vec!["acme".into()], ..IncidentFilter::default() };
    let incident = store.incidents(of_acme(), Page::ALL, &[]).await.expect("read").remove(0);
    assert_eq!((incident.instance, incident.row.code.as_str(), incident.row.activity, incident.row.created), (id, "UNDELIVERED", 4, 510));
    let jobs = JobFilter { instances: vec![id], no_retries_left: true, messages: true, ..JobFilter::default() };
    let job = store.jobs(jobs.clone(), Page { first: 0, max: 5 }, &[]).await.expect("read").remove(0);
    assert_eq!((job.row.kind.as_str(), Some(job.row.wait), job.tenant.as_deref()), (DELIVERY, incident.row.wait, Some("acme")));
    let found = store.instances(InstanceFilter { with_incident: true, ..InstanceFilter::default() }, Page::ALL, &[]).await.expect("read");
    assert_eq!(found.iter().map(|it| it.id).collect::<Vec<_>>(), [id]);
    let given_up = store.undelivered(vec![id]).await.expect("read");
    let told: Vec<_> = given_up.iter().map(|it| (it.activity, it.activity_id.as_str(), it.since)).collect();
    assert_eq!(told, [(4, incident.row.activity_id.as_str(), 510)]);
    assert_eq!(store.counts(0).await.expect("read").open_incidents, 1);

    let seen = store.failed_delivery(id, job.row.wait).await.expect("read").expect("there");
    assert!(!store.revise_delivery(&again, Some((800, 1)), &[], 700).await.expect("answered"), "it has failed since");
    assert!(store.revise_delivery(&seen, Some((800, 1)), &[], 700).await.expect("answered"));
    assert_eq!(store.count_incidents(of_acme()).await.expect("counted"), 0);
    assert_eq!(remembered(&store).await, Some((IncidentState::Resolved, Some(700))));
    let again = claimed(&store, 800).await.remove(0);
    assert_eq!(store.fail_delivery(&again, &failed(810, 0, 3)).await.expect("stored"), None);
    assert_eq!(remembered(&store).await, Some((IncidentState::Open, None)));
    assert_eq!(store.drop_orphaned_deliveries(950).await.expect("looked"), 0, "somebody waits");
    let mut gone = step(id, 1);
    gone.remove_subscriptions = vec![3];
    store.commit(unit(gone)).await.expect("stored");
    assert_eq!(store.count_incidents(of_acme()).await.expect("counted"), 0, "nobody waits for it any more");
    assert_eq!(store.drop_orphaned_deliveries(950).await.expect("looked"), 1);
    assert_eq!(remembered(&store).await, Some((IncidentState::Deleted, Some(950))));
}

pub(crate) async fn what_an_operator_says_of_a_delivery_under_way_holds(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = waiting(&store, &process, None, "alarm").await;
    let first = thrown(&store, "alarm").await.remove(0);
    assert_eq!(store.fail_delivery(&first, &failed(500, 2, 1)).await.expect("stored"), None);
    // It is being tried for the second time.
    let mut seen = claimed(&store, 500).await.remove(0);
    for revised in [(510, 2), (510, 7), (520, 0)] {
        assert!(store.revise_delivery(&seen, Some(revised), &[], 510).await.expect("revised"));
        let stale = store.revise_delivery(&seen, Some((800, 3)), &[], 515).await.expect("answered");
        assert!(!stale, "another operator has not seen that");
        let changed = store.fail_delivery(&seen, &failed(900, 1, 2)).await.expect("answered").expect("it has changed");
        assert_eq!((changed.due, changed.retries, changed.failures), (revised.0, revised.1, 1));
        assert_eq!(store.failed_delivery(id, seen.name.n).await.expect("read").as_ref(), Some(&changed), "nothing is written");
        seen = changed;
    }
    let open = async || (store.count_incidents(IncidentFilter::default()).await.expect("counted"), remembered(&store).await);
    assert_eq!(open().await, (1, Some((IncidentState::Open, None))));
    assert_eq!(store.fail_delivery(&seen, &failed(530, 0, 2)).await.expect("stored"), None);
    assert_eq!(open().await, (1, Some((IncidentState::Open, None))));
    assert_eq!(claimed(&store, 900).await, []);
}

pub(crate) async fn a_delivery_is_given_up_when_it_is_whatever_date_it_gets_then(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = waiting(&store, &process, None, "alarm").await;
    let first = thrown(&store, "alarm").await.remove(0);
    assert_eq!(store.fail_delivery(&first, &failed(500, 2, 1)).await.expect("stored"), None);
    let revise = async |due, retries, at| {
        let seen = store.failed_delivery(id, first.name.n).await.expect("read").expect("there");
        assert!(store.revise_delivery(&seen, Some((due, retries)), &[], at).await.expect("revised"));
    };
    let since = async || {
        let live = store.incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("read").remove(0).row.created;
        let past = store.remembered_incidents(HistoryIncidentFilter::default(), Page::ALL, &[]).await.expect("read").remove(0);
        (live, past.row.incident.created, store.undelivered(vec![id]).await.expect("read")[0].since)
    };
    revise(7_000, 0, 510).await;
    assert_eq!(since().await, (510, 510, 510));
    revise(9_000, 0, 520).await;
    assert_eq!(since().await, (510, 510, 510));
    // An operator has it tried all the same.
    let claim = store.claim_delivery(id, first.name.n).await.expect("answered");
    let DeliveryClaim::Locked(locked) = claim else { panic!("{claim:?}") };
    assert_eq!((locked.due, store.fail_delivery(&locked, &failed(530, 0, 2)).await.expect("stored")), (9_000, None));
    assert_eq!(since().await, (510, 510, 510));
    // Given up anew.
    revise(540, 1, 540).await;
    revise(550, 0, 550).await;
    assert_eq!(since().await, (550, 550, 550));
}

pub(crate) async fn a_delivery_that_is_taken_up_in_the_end_was_an_incident(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = waiting(&store, &process, None, "alarm").await;
    let delivery = thrown(&store, "alarm").await.remove(0);
    assert_eq!(store.fail_delivery(&delivery, &failed(510, 0, 1)).await.expect("stored"), None);
    let mut taken = step(id, 1);
    (taken.delivery, taken.remove_subscriptions) = (Some(delivery.name), vec![3]);
    store.commit(unit(taken)).await.expect("stored");
    assert!(matches!(remembered(&store).await, Some((IncidentState::Resolved, Some(_)))));
    assert_eq!(on_the_way(&store).await, 0);
}

pub(crate) async fn a_start_that_cannot_be_delivered_is_nobodys_incident_until_it_is_deleted(fixture: Fixture) {
    let store = fixture.open().await;
    let mut write = upload("q");
    write.definitions[0].start_events = vec![start_event(EventKind::Signal, "begin")];
    write.definitions[0].history_ttl = Some(2);
    let starts = store.deploy(write).await.expect("a deployment").definitions.remove(0);
    let delivery = thrown(&store, "begin").await.remove(0);
    assert_eq!(store.fail_delivery(&delivery, &failed(110, 0, 1)).await.expect("stored"), None);
    let incident = store.incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("read").remove(0);
    assert_eq!((incident.instance, incident.row.activity, incident.business_key.as_deref()), (delivery.name.signal, 0, Some("order-2")));
    assert_eq!(incident.row.definition_id, starts.id);
    let found = store.remembered_incidents(HistoryIncidentFilter::default(), Page::ALL, &[]).await.expect("read").remove(0);
    assert_eq!((found.instance, found.row.incident.n, found.definition_id), (incident.instance, incident.row.n, starts.id.clone()));
    let claim = store.claim_delivery(incident.instance, incident.row.n).await.expect("answered");
    let DeliveryClaim::Locked(locked) = claim else { panic!("{claim:?}") };
    store.release_delivery(locked.name).await.expect("released");
    assert!(store.revise_delivery(&locked, None, &[], 700).await.expect("answered"));
    assert_eq!(store.claim_delivery(incident.instance, incident.row.n).await.expect("answered"), DeliveryClaim::Missing);
    assert_eq!(remembered(&store).await, Some((IncidentState::Deleted, Some(700))));

    // Two days later, as its instances' history goes, it goes too, by whoever removes history.
    let due = 700 + 2 * 24 * 60 * 60 * 1_000;
    let found = store.remembered_incidents(HistoryIncidentFilter::default(), Page::ALL, &[]).await.expect("read").remove(0);
    assert_eq!(found.removal_at, Some(due));
    assert_eq!(store.remove_start_incidents(due, 10).await.expect("answered"), None, "this host does not remove history yet");
    assert!(store.take_history_cleanup().await.expect("asked"));
    assert!(!store.start_incidents_due(due - 1).await.expect("read"));
    assert_eq!(store.remove_start_incidents(due - 1, 10).await.expect("answered"), Some(0));
    assert!(store.start_incidents_due(due).await.expect("read"));
    assert_eq!(store.remove_start_incidents(due, 10).await.expect("answered"), Some(1));
    assert_eq!(remembered(&store).await, None);
}

pub(crate) async fn who_is_suspended_gets_a_signal_when_he_goes_on(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = waiting(&store, &process, None, "alarm").await;
    let delivery = thrown(&store, "alarm").await.remove(0);
    store.release_delivery(delivery.name).await.expect("released");
    let suspend = |revision, suspended| {
        let mut write = step(id, revision);
        write.suspended = Some(suspended);
        store.commit(unit(write))
    };
    suspend(1, true).await.expect("stored");
    assert_eq!(claimed(&store, 900).await, []);
    assert!(store.is_quiet(900, &Except::NOTHING).await.expect("read"), "nothing can be done about it");
    suspend(2, false).await.expect("stored");
    let except = Except { instances: vec![id], definitions: Vec::new() };
    assert_eq!(store.claim_deliveries(900, 9, &[], &except).await.expect("claimed"), [], "this host cannot read it");
    assert!(store.is_quiet(900, &except).await.expect("read"));
    assert_eq!(claimed(&store, 900).await.len(), 1);
}

/// What waits for suspended receivers is looked at once, and again when they go on or are gone.
pub(crate) async fn deliveries_to_the_suspended_are_parked_and_keep_back_no_other(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut starts = upload("q");
    starts.definitions[0].start_events = vec![start_event(EventKind::Signal, "alarm")];
    let begins = store.deploy(starts).await.expect("deployed").definitions[0].id.clone();
    let mut receivers = Vec::new();
    for _ in 0..5 {
        receivers.push(waiting(&store, &process, None, "alarm").await);
    }
    for delivery in thrown(&store, "alarm").await {
        store.release_delivery(delivery.name).await.expect("released");
    }
    let suspend = async |id, revision, suspended| {
        let mut write = step(id, revision);
        write.suspended = Some(suspended);
        store.commit(unit(write)).await.expect("stored");
    };
    for id in &receivers[..4] {
        suspend(*id, 1, true).await;
    }
    store.set_definition_suspended(&begins, true, |_| Vec::new()).await.expect("suspended");
    // One at a time: whoever is not suspended is found behind whoever is.
    let found = store.claim_deliveries(900, 1, &[], &Except::NOTHING).await.expect("claimed");
    assert_eq!(instances(&found), receivers[4..]);
    store.release_delivery(found[0].name).await.expect("released");
    assert_eq!(instances(&claimed(&store, 900).await), receivers[4..]);
    assert_eq!(fixture.count("delivery WHERE parked").await, 5);

    suspend(receivers[0], 2, false).await;
    assert_eq!(instances(&claimed(&store, 900).await), sorted([receivers[0], receivers[4]]));
    store.set_definition_suspended(&begins, false, |_| Vec::new()).await.expect("activated");
    let found = claimed(&store, 900).await;
    assert_eq!((found.len(), found.iter().filter(|it| it.receiver == Receiver::Start).count()), (3, 1));
    // One that is gone keeps nothing either.
    store.commit(unit(crate::common::end(receivers[1], 2))).await.expect("ended");
    assert_eq!(claimed(&store, 900).await.len(), 4);
    assert_eq!(fixture.count("delivery WHERE parked").await, 2);
    store.set_definition_suspended(&begins, true, |_| Vec::new()).await.expect("suspended");
    let start = found.iter().find(|it| it.receiver == Receiver::Start).expect("just seen");
    store.release_delivery(start.name).await.expect("released");
    assert_eq!(claimed(&store, 900).await.len(), 3);
    assert_eq!(fixture.count("delivery WHERE parked").await, 3);
    for (definition, parked) in [(begins, 2), (process.id, 0)] {
        let deleted = store.delete_definitions(vec![definition], true, &[], &Vec::new(), 0).await.expect("answered");
        assert!(matches!(deleted, DeploymentDeletion::Deleted { .. }), "{deleted:?}");
        assert_eq!(fixture.count("delivery WHERE parked").await, parked);
    }
}

pub(crate) async fn a_delivery_that_cannot_be_read_keeps_back_no_other(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for _ in 0..3 {
        waiting(&store, &process, None, "alarm").await;
    }
    let whole = thrown(&store, "alarm").await;
    // Of a kind that a newer host may know, and half of a receiver.
    for (damage, damaged) in [("kind = 'rumour'", &whole[0]), ("wait = NULL", &whole[1])] {
        fixture.raw(&format!("UPDATE delivery SET {damage} WHERE n = {}", damaged.name.n)).await;
    }
    let found = claimed(&store, 100).await;
    let unreadable = |it: &&Delivery| matches!(it.receiver, Receiver::Unreadable { instance: Some(_) });
    assert_eq!(
        found.iter().filter(unreadable).map(|it| (it.name, it.job())).collect::<Vec<_>>(),
        [0, 1].map(|at| (whole[at].name, whole[at].job()))
    );
    assert_eq!(found[2], whole[2]);
    assert_eq!(store.thrown_here(whole[0].name.signal, None, 9).await.expect("read"), found);

    // It fails as any other; then operators see it, and may delete it.
    assert_eq!(store.fail_delivery(&whole[1], &failed(100, 0, 1)).await.expect("failed"), None);
    let incidents = store.incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("read");
    assert_eq!(incidents.iter().map(|it| (it.instance, it.row.n)).collect::<Vec<_>>(), [whole[1].job()]);
    assert_eq!(store.drop_orphaned_deliveries(200).await.expect("looked"), 0, "nobody can say that its receiver is gone");
    let seen = store.failed_delivery(whole[1].job().0, whole[1].name.n).await.expect("read").expect("it has failed");
    assert!(store.revise_delivery(&seen, None, &[], 200).await.expect("deleted"));
    assert_eq!(fixture.count("delivery").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_belongs_to_one_host_until_that_is_gone() {
    let fixture = Fixture::postgres("delivering");
    let (a, b) = (fixture.open().await, fixture.open().await);
    let process = definition(&a, "p").await;
    waiting(&a, &process, None, "alarm").await;
    let found = thrown(&a, "alarm").await;
    // However late it is by the clock that processes see.
    assert_eq!(claimed(&b, i64::MAX).await, []);
    assert!(!b.is_quiet(99, &Except::NOTHING).await.expect("read"), "a host is at it");
    fixture.raw(&format!("UPDATE host SET lease_until = 0 WHERE id = '{}'", a.host().id)).await;
    assert_eq!(claimed(&b, 100).await, found, "as soon as that is gone, however early it is");
    assert!(
        b.thrown_here(found[0].name.signal, None, 9).await.expect("read").len() == 1
            && !b.is_quiet(100, &Except::NOTHING).await.expect("read")
    );
}

pub(crate) async fn event_subscriptions_are_of_instances_and_of_newest_versions(fixture: Fixture) {
    let store = fixture.open().await;
    for (at, name) in [(1_000, "old"), (2_000, "new")] {
        let mut write = upload("p");
        write.at = at;
        write.definitions[0].start_events = vec![start_event(EventKind::Message, name)];
        store.deploy(write).await.expect("a deployment");
    }
    let process = store.latest_definition("p", None).await.expect("read").expect("deployed");
    let acmes = waiting(&store, &process, Some("acme"), "alarm").await;
    let mut write = start(&process, Uuid::now_v7());
    let condition = SubscriptionRow { kind: EventKind::Conditional, name: String::new(), ..subscription(&process, 5, "") };
    (write.put_subscriptions, write.id) = (vec![condition], Uuid::now_v7());
    let nobodys = write.id;
    store.commit(unit(write)).await.expect("stored");

    let list = async |filter: EventSubscriptionFilter| {
        let sort = [(EventSubscriptionSort::Created, Order::Desc)];
        assert_eq!(store.count_event_subscriptions(filter.clone()).await.expect("read"), {
            i64::try_from(store.event_subscriptions(filter.clone(), Page::ALL, &sort).await.expect("read").len()).expect("few")
        });
        store.event_subscriptions(filter, Page { first: 0, max: 10 }, &sort).await.expect("read")
    };
    let all = list(EventSubscriptionFilter::default()).await;
    let seen: Vec<_> = all.iter().map(|it| (it.kind.as_str(), it.name.as_str(), it.created)).collect();
    assert_eq!(seen[0], ("message", "new", 2_000));
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(all[0].of, EventSubscriptionOf::Definition(process.id.clone()));
    let of = |found: Vec<mandate_store::query::EventSubscriptionListed>| found.into_iter().map(|it| it.of).collect::<Vec<_>>();
    let wait = |instance, wait| EventSubscriptionOf::Wait { instance, wait, activity: 4 };
    let none = EventSubscriptionFilter::default;
    assert_eq!(of(list(EventSubscriptionFilter { tenants: vec!["acme".into()], ..none() }).await), [wait(acmes, 3)]);
    assert_eq!(of(list(EventSubscriptionFilter { kind: Some("conditional".into()), ..none() }).await), [wait(nobodys, 5)]);
    assert_eq!(of(list(EventSubscriptionFilter { name: Some("alarm".into()), ..none() }).await), [wait(acmes, 3)]);
    assert_eq!(of(list(EventSubscriptionFilter { wait: Some((acmes, 3)), ..none() }).await), [wait(acmes, 3)]);
    assert_eq!(of(list(EventSubscriptionFilter { execution: Some((nobodys, 4)), ..none() }).await), [wait(nobodys, 5)]);
    assert_eq!(of(list(EventSubscriptionFilter { instance: Some(nobodys), ..none() }).await), [wait(nobodys, 5)]);
    let start = Some((process.id.clone(), "Start".to_owned()));
    assert_eq!(of(list(EventSubscriptionFilter { start, ..none() }).await), [EventSubscriptionOf::Definition(process.id.clone())]);
    assert_eq!(list(EventSubscriptionFilter { without_tenant: true, ..none() }).await.len(), 2);
    assert_eq!(list(EventSubscriptionFilter { activity_id: Some("Start".into()), ..none() }).await.len(), 1);
}
