//! Messages along message flows: who gets them, and that each waits until somebody does.

use std::time::Duration;

use mandate_store::query::{DefinitionRow, Page, SubscriptionFilter};
use mandate_store::{
    Address, Addressed, Awaiting, Begun, CommitError, Delivery, DeploymentDeletion, EventKind, Except, Expect, InstanceHead, InstanceWrite,
    Message, NewDefinition, Receiver, Store, SubscriptionRow, Unit,
};
use uuid::Uuid;

use crate::common::{Fixture, end, head, live, start, step, subscription, unit, upload};

/// The definitions of one deployment of a tenant: a sender and a receiver.
async fn participants(store: &Store, tenant: Option<&str>) -> (DefinitionRow, DefinitionRow) {
    let mut write = upload("sender");
    write.tenant = tenant.map(str::to_owned);
    let receiver = NewDefinition { key: "receiver".into(), ..write.definitions[0].clone() };
    write.definitions.push(receiver);
    let mut definitions = store.deploy(write).await.expect("a deployment").definitions;
    let receiver = definitions.remove(1);
    (definitions.remove(0), receiver)
}

fn message(sender: &DefinitionRow, name: &str, key: Option<&str>) -> Message {
    Message {
        id: Uuid::now_v7(),
        name: name.into(),
        definition_id: sender.id.clone(),
        process: "receiver".into(),
        element: None,
        business_key: key.map(str::to_owned),
        correlation_key: None,
        variables: "{}".into(),
        hops: 1,
        at: 100,
    }
}

/// Stores a unit that sends, and looks for who gets it.
async fn sent(store: &Store, sender: &DefinitionRow, message: Message) -> Addressed {
    let id = message.id;
    let mut write = InstanceWrite::new(Uuid::now_v7(), Expect::New(head(sender)), live());
    write.messages = vec![message];
    store.commit(unit(write)).await.expect("stored");
    let mut due = store.due_messages(100, 100).await.expect("read");
    due.retain(|it| it.id == id);
    due.remove(0)
}

async fn claimed(store: &Store) -> Vec<Delivery> {
    store.claim_deliveries(1_000, 100, &[], &Except::default()).await.expect("claimed")
}

/// An instance with a business key that waits for messages.
async fn waits(store: &Store, process: &DefinitionRow, key: Option<&str>, names: &[&str]) -> Uuid {
    let head = InstanceHead { business_key: key.map(str::to_owned), tenant: process.tenant.clone(), ..head(process) };
    let mut write = InstanceWrite::new(Uuid::now_v7(), Expect::New(head), live());
    write.put_subscriptions = (3..).zip(names).map(|(wait, name)| subscription(process, wait, name)).collect();
    let id = write.id;
    store.commit(unit(write)).await.expect("stored");
    id
}

pub(crate) async fn a_message_finds_who_waits_with_its_business_key(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, receiver) = participants(&store, None).await;
    let (_, acmes) = participants(&store, Some("acme")).await;
    let keyed = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    assert_eq!((keyed.definition_id.as_str(), keyed.business_key.as_deref()), (receiver.id.as_str(), Some("a")));
    let plain = sent(&store, &sender, message(&sender, "paid", None)).await;
    let at = sent(&store, &sender, Message { element: Some("Elsewhere".into()), ..message(&sender, "paid", Some("a")) }).await;
    for (process, key, name) in
        [(&receiver, Some("b"), "paid"), (&receiver, Some("a"), "Paid"), (&acmes, Some("a"), "paid"), (&sender, Some("a"), "paid")]
    {
        waits(&store, process, key, &[name]).await;
    }
    let found = async |message: &Addressed| match store.awaiting(message).await.expect("read") {
        Awaiting::One(it) => Some((it.instance, it.wait)),
        Awaiting::Nobody => None,
        Awaiting::Several | Awaiting::Suspended => panic!("there is one that may get it"),
    };
    assert_eq!(found(&keyed).await, None);
    let one = waits(&store, &receiver, Some("a"), &["other", "paid", "paid"]).await;
    assert_eq!(found(&keyed).await, Some((one, 4)), "the oldest of its waits");
    assert_eq!(found(&plain).await, None, "no key is a key of its own");
    assert_eq!(found(&at).await, None);
    let nameless = waits(&store, &receiver, None, &["paid"]).await;
    assert_eq!(found(&plain).await, Some((nameless, 3)));

    // A version that is deployed later changes nothing, and a suspended instance is not passed over.
    let (_, newer) = participants(&store, None).await;
    assert_eq!((newer.version, newer.key), (2, receiver.key.clone()));
    let mut suspended = step(one, 1);
    suspended.suspended = Some(true);
    store.commit(unit(suspended)).await.expect("stored");
    assert_eq!(store.awaiting(&keyed).await.expect("read"), Awaiting::Suspended);
    waits(&store, &receiver, Some("a"), &["paid"]).await;
    assert_eq!(store.awaiting(&keyed).await.expect("read"), Awaiting::Several);
}

pub(crate) async fn messages_are_looked_at_in_the_order_in_which_they_are_due(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let first = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    let second = sent(&store, &sender, message(&sender, "paid", Some("b"))).await;
    // The one that was sent first has been looked at, and is due again later than the other.
    store.address(&[], &[(first.clone(), "nobody waits for it", 500)], 100).await.expect("held");
    let due: Vec<_> = store.due_messages(1_000, 10).await.expect("read").iter().map(|it| it.id).collect();
    assert_eq!(due, [second.id, first.id]);
    let due: Vec<_> = store.due_messages(1_000, 1).await.expect("read").iter().map(|it| it.id).collect();
    assert_eq!(due, [second.id]);
}

pub(crate) async fn a_message_waits_until_it_is_woken(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    let hold = async || store.address(&[], &[(on_its_way.clone(), "nobody waits for it", 9_999_999)], 100).await.expect("held");
    hold().await;
    assert_eq!(store.due_messages(1_000, 10).await.expect("read"), []);
    let listed = store.messages(Page::ALL).await.expect("read");
    assert_eq!((listed[0].process.as_str(), listed[0].business_key.as_deref(), listed[0].due), ("receiver", Some("a"), 9_999_999));
    assert_eq!((listed[0].receiver, listed[0].reason.as_deref()), (None, Some("nobody waits for it")));
    assert_eq!(store.counts(0).await.expect("read").messages_on_the_way, 1);
    assert_eq!(store.next_due(1_000).await.expect("read"), Some(9_999_999));
    assert!(store.is_quiet(1_000, &Except::default()).await.expect("read"));

    let begun = |name: &str, key: Option<&str>| Begun {
        process: "receiver".into(),
        tenant: None,
        name: name.into(),
        business_key: key.map(str::to_owned),
        correlation_key: Some("7".into()),
    };
    for others in [
        begun("paid", None),
        begun("other", Some("a")),
        // Somebody else's receivers, and other processes, wait for messages of that name, too.
        Begun { tenant: Some("acme".into()), ..begun("paid", Some("a")) },
        Begun { process: "sender".into(), ..begun("paid", Some("a")) },
    ] {
        assert!(!store.wake_messages(others.clone(), 200).await.expect("read"), "{others:?}");
    }
    assert!(store.wake_messages(begun("paid", Some("a")), 200).await.expect("written"));
    // Who has seen it before and finds nobody does not put it off again.
    hold().await;
    let due = store.due_messages(200, 10).await.expect("read");
    assert_eq!(due.iter().map(|it| it.id).collect::<Vec<_>>(), [on_its_way.id]);
    assert!(!store.is_quiet(200, &Except::default()).await.expect("read"));
    store.address(&[], &[(due[0].clone(), "nobody waits for it", 9_999_999)], 200).await.expect("held");
    assert_eq!(store.due_messages(1_000, 10).await.expect("read"), []);

    assert!(store.remove_message(on_its_way.id, &[]).await.expect("removed"));
    assert!(!store.remove_message(on_its_way.id, &[]).await.expect("looked for"));
}

pub(crate) async fn a_message_finds_who_waits_under_its_correlation_key(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, receiver) = participants(&store, None).await;
    let keyed = |key: &str| Message { correlation_key: Some(key.into()), ..message(&sender, "paid", Some("a")) };
    let seven = sent(&store, &sender, keyed("7")).await;
    let without = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    assert_eq!(seven.correlation_key.as_deref(), Some("7"));
    let waits_under = async |business_key: Option<&str>, key: Option<&str>| {
        let head = InstanceHead { business_key: business_key.map(str::to_owned), ..head(&receiver) };
        let mut write = InstanceWrite::new(Uuid::now_v7(), Expect::New(head), live());
        write.put_subscriptions = vec![SubscriptionRow { correlation_key: key.map(str::to_owned), ..subscription(&receiver, 3, "paid") }];
        let id = write.id;
        store.commit(unit(write)).await.expect("stored");
        id
    };
    let found = async |message: &Addressed| match store.awaiting(message).await.expect("read") {
        Awaiting::One(it) => Some(it.instance),
        Awaiting::Nobody => None,
        Awaiting::Several | Awaiting::Suspended => panic!("there is one that may get it"),
    };
    let eight = waits_under(Some("a"), Some("8")).await;
    assert_eq!(
        (found(&seven).await, found(&without).await),
        (None, Some(eight)),
        "a key is not another one; who has none goes by the business key"
    );
    let one = waits_under(Some("b"), Some("7")).await;
    assert_eq!((found(&seven).await, found(&without).await), (Some(one), Some(eight)), "whatever the business keys");
    let none_yet = waits_under(Some("a"), None).await;
    assert_eq!(found(&seven).await, Some(one), "who waits under the key goes before who knows none yet");
    let nine = sent(&store, &sender, keyed("9")).await;
    assert_eq!(found(&nine).await, Some(none_yet), "who knows none yet gets what nobody waits for");
    assert!(store.remove_message(nine.id, &[]).await.expect("removed"));
    assert_eq!(store.awaiting(&without).await.expect("read"), Awaiting::Several, "both have its business key");
    let listed = store.subscriptions(SubscriptionFilter { correlation_key: Some("7".into()), ..SubscriptionFilter::default() }, Page::ALL);
    assert_eq!(listed.await.expect("read").iter().map(|it| it.instance).collect::<Vec<_>>(), [one]);

    // Who begins to wait wakes what is for him by either key.
    for on_its_way in [&seven, &without] {
        store.address(&[], &[(on_its_way.clone(), "nobody", 9_999_999)], 100).await.expect("held");
    }
    let begun = |business_key: &str, key: &str| Begun {
        process: "receiver".into(),
        tenant: None,
        name: "paid".into(),
        business_key: Some(business_key.into()),
        correlation_key: Some(key.into()),
    };
    let due = async || store.due_messages(300, 10).await.expect("read").iter().map(|it| it.id).collect::<Vec<_>>();
    assert!(!store.wake_messages(begun("b", "8"), 200).await.expect("read"));
    assert!(store.wake_messages(begun("b", "7"), 200).await.expect("written"));
    assert_eq!(due().await, [seven.id]);
    assert!(store.wake_messages(begun("a", "9"), 200).await.expect("written"));
    assert_eq!(due().await, [seven.id, without.id]);
}

/// Whoever deletes a deployment locks definitions, then instances, then messages. Two that lock in different orders can wait for each
/// other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_locks_definitions_before_instances_and_those_before_messages() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let fixture = Fixture::postgres("lock_order");
    let store = fixture.open().await;
    let (sender, receiver) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    let waiting = waits(&store, &receiver, Some("a"), &["paid"]).await;
    let other = waits(&store, &receiver, Some("b"), &[]).await;
    let options: sqlx::postgres::PgConnectOptions = fixture.url.parse().expect("a url");
    let mut deleting = options.connect().await.expect("a connection");
    // A transaction sees the statistics of its first look for ever.
    let mut watching = options.connect().await.expect("a connection");

    // While somebody has `held`, the unit waits for it, and has not locked `later` yet.
    let mut waits_for = async |held: &str, later: &str, unit: Unit| {
        let mut tx = deleting.begin().await.expect("a transaction");
        tx.execute(sqlx::AssertSqlSafe(format!("{held} FOR UPDATE"))).await.expect("locked");
        let (store, blocked) =
            (store.clone(), "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'");
        let commit = tokio::spawn(async move { store.commit(unit).await });
        while sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut watching).await.expect("a number") == 0 {
            assert!(!commit.is_finished(), "it does not wait for {held}");
        }
        tx.execute(sqlx::AssertSqlSafe(format!("{later} FOR UPDATE NOWAIT"))).await.expect("nobody has it");
        tx.rollback().await.expect("unlocked");
        commit.await.expect("it ends").expect("stored");
    };
    let mut sends = step(waiting, 1);
    sends.messages = vec![message(&sender, "paid", Some("c"))];
    let both = Unit { instances: vec![sends, step(other, 1)], ..unit(step(other, 1)) };
    waits_for("SELECT id FROM definition", "SELECT id FROM instance", both).await;

    let Awaiting::One(wait) = store.awaiting(&on_its_way).await.expect("read") else { panic!("one waits") };
    store.address(&[(on_its_way, Address::Wait(wait))], &[], 200).await.expect("addressed");
    let mut receives = step(waiting, 2);
    receives.delivery = Some(claimed(&store).await[0].name);
    waits_for("SELECT id FROM instance", "SELECT id FROM message", unit(receives)).await;
}

/// Else whoever claims jobs would wait behind it for half a lease, which is longer here than any test lasts.
#[tokio::test]
async fn who_looks_for_the_receiver_of_a_message_that_somebody_has_locked_is_told_so_soon() {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let fixture = Fixture::postgres("locked_message");
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    let options: sqlx::postgres::PgConnectOptions = fixture.url.parse().expect("a url");
    let mut other = options.connect().await.expect("a connection");
    let mut tx = other.begin().await.expect("a transaction");
    tx.execute("SELECT id FROM message FOR UPDATE").await.expect("locked");
    let held = [(on_its_way, "nobody waits", 9)];
    let addressed = tokio::time::timeout(Duration::from_secs(60), store.address(&[], &held, 1)).await.expect("it does not wait for long");
    assert!(addressed.is_err_and(|error| error.is_of_lock()));
    tx.rollback().await.expect("unlocked");
    store.address(&[], &held, 1).await.expect("nobody has it");
    store.close().await;
}

pub(crate) async fn a_message_is_delivered_once_and_looks_again_where_nobody_is_there(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, receiver) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    let first = waits(&store, &receiver, Some("a"), &["paid"]).await;
    let Awaiting::One(wait) = store.awaiting(&on_its_way).await.expect("read") else { panic!("one waits") };
    // Two hosts have found somebody at the same time.
    let starts = Address::Start("Start".into());
    for address in [Address::Wait(wait.clone()), starts.clone()] {
        store.address(&[(on_its_way.clone(), address)], &[], 200).await.expect("addressed");
    }
    let delivery = claimed(&store).await.remove(0);
    assert_eq!(delivery.receiver, Receiver::Wait { instance: first, wait: 3, activity: wait.activity });
    assert_eq!((delivery.kind, delivery.signal.as_str(), delivery.retries), (EventKind::Message, "paid", 3));
    assert_eq!(claimed(&store).await.len(), 1, "what is not in this host's memory it has forgotten");
    assert!(!store.remove_message(on_its_way.id, &[]).await.expect("looked for"), "it is being delivered");
    assert_eq!(store.messages(Page::ALL).await.expect("read")[0].receiver, Some(first));

    // It finds nobody there any more.
    store.drop_delivery(&delivery, 900).await.expect("dropped");
    assert_eq!(store.due_messages(200, 10).await.expect("read").len(), 1);
    store.address(&[(on_its_way.clone(), starts)], &[], 200).await.expect("addressed");
    let delivery = claimed(&store).await.remove(0);
    assert_eq!((delivery.receiver, delivery.definition_id.as_str()), (Receiver::Start, receiver.id.as_str()));
    let begin = async || {
        let mut write = start(&receiver, Uuid::now_v7());
        write.delivery = Some(delivery.name);
        store.commit(unit(write)).await
    };
    begin().await.expect("stored");
    assert!(matches!(begin().await, Err(CommitError::Delivered)));
    assert_eq!(store.messages(Page::ALL).await.expect("read"), []);
    assert_eq!(store.due_messages(1_000, 10).await.expect("read"), []);
    // A host that has looked before it was received comes too late.
    store.address(&[(on_its_way.clone(), Address::Start("Start".into()))], &[], 200).await.expect("addressed");
    assert_eq!(claimed(&store).await, []);
    assert_eq!(fixture.count("delivery").await, 0);
}

pub(crate) async fn a_deployment_is_not_deleted_while_messages_are_on_their_way_to_it(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", None)).await;
    store.address(&[(on_its_way.clone(), Address::Start("Start".into()))], &[], 200).await.expect("addressed");
    let instances = store.instance_ids(mandate_store::query::InstanceFilter::default()).await.expect("read");
    store.commit(unit(end(instances[0], 1))).await.expect("it ends");
    let delete = async |cascade| store.delete_deployment(&sender.deployment_id, cascade, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(delete(false).await, DeploymentDeletion::Awaited { messages: 1 });
    assert!(matches!(delete(true).await, DeploymentDeletion::Deleted { .. }));
    assert_eq!(store.message(on_its_way.id).await.expect("read"), None);
    assert_eq!((fixture.count("message").await, fixture.count("delivery").await), (0, 0));
}

pub(crate) async fn a_message_to_no_process_of_the_deployment_is_not_stored(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let mut write = InstanceWrite::new(Uuid::now_v7(), Expect::New(head(&sender)), live());
    write.messages = vec![Message { process: "stranger".into(), ..message(&sender, "paid", None) }];
    assert!(matches!(store.commit(unit(write)).await, Err(CommitError::Refused(_))));
    assert_eq!(fixture.count("instance").await, 0);
}
