//! Messages along message flows: who gets them, and that each waits until somebody does.

use mandate_store::query::{DefinitionRow, Page};
use mandate_store::{
    Awaiting, CommitError, Delivery, DeploymentDeletion, Expect, InstanceHead, InstanceWrite, Message, NewDefinition, Receiver, Store,
};
use uuid::Uuid;

use crate::common::{Fixture, end, head, live, step, subscription, unit, upload};

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
        variables: "{}".into(),
        at: 100,
    }
}

/// Stores a unit that sends, and takes the message up.
async fn sent(store: &Store, sender: &DefinitionRow, message: Message) -> Delivery {
    let id = message.id;
    let mut write = InstanceWrite::new(Uuid::now_v7(), Expect::New(head(sender)), live());
    write.messages = vec![message];
    store.commit(unit(write)).await.expect("stored");
    let mut claimed = store.claim_deliveries(100, 100, None).await.expect("claimed");
    claimed.retain(|it| it.name.signal == id);
    claimed.remove(0)
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
    assert_eq!((keyed.receiver, keyed.definition_id.as_str()), (Receiver::Addressee, receiver.id.as_str()));
    let plain = sent(&store, &sender, message(&sender, "paid", None)).await;
    let at = sent(&store, &sender, Message { element: Some("Elsewhere".into()), ..message(&sender, "paid", Some("a")) }).await;
    for (process, key, name) in
        [(&receiver, Some("b"), "paid"), (&receiver, Some("a"), "Paid"), (&acmes, Some("a"), "paid"), (&sender, Some("a"), "paid")]
    {
        waits(&store, process, key, &[name]).await;
    }
    assert_eq!(store.awaiting(&keyed).await.expect("read"), Awaiting::Nobody);
    let one = waits(&store, &receiver, Some("a"), &["other", "paid", "paid"]).await;
    let found = Awaiting::One { instance: one, wait: 4, suspended: false };
    assert_eq!(store.awaiting(&keyed).await.expect("read"), found, "the oldest of its waits");
    assert_eq!(store.awaiting(&plain).await.expect("read"), Awaiting::Nobody, "no key is a key of its own");
    assert_eq!(store.awaiting(&at).await.expect("read"), Awaiting::Nobody);
    let nameless = waits(&store, &receiver, None, &["paid"]).await;
    assert_eq!(store.awaiting(&plain).await.expect("read"), Awaiting::One { instance: nameless, wait: 3, suspended: false });

    // Another version of the process may have it, and a suspended instance is not passed over.
    let (_, newer) = participants(&store, None).await;
    assert_eq!((newer.version, newer.key), (2, receiver.key.clone()));
    let mut suspended = step(one, 1);
    suspended.suspended = Some(true);
    store.commit(unit(suspended)).await.expect("stored");
    assert_eq!(store.awaiting(&keyed).await.expect("read"), Awaiting::One { instance: one, wait: 4, suspended: true });
    waits(&store, &receiver, Some("a"), &["paid"]).await;
    assert_eq!(store.awaiting(&keyed).await.expect("read"), Awaiting::Several);
}

pub(crate) async fn a_message_waits_until_it_is_woken_taken_or_removed(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, receiver) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", Some("a"))).await;
    store.hold_delivery(&on_its_way, "nobody waits for it", Some(9_999_999)).await.expect("held");
    let listed = store.messages(Page::ALL).await.expect("read");
    assert_eq!((listed[0].process.as_str(), listed[0].business_key.as_deref(), listed[0].due), ("receiver", Some("a"), 9_999_999));
    assert_eq!((listed[0].attempts, listed[0].reason.as_deref()), (1, Some("nobody waits for it")));
    assert_eq!(store.counts(0).await.expect("read").messages_on_the_way, 1);

    for (name, key, woken) in [("paid", None, false), ("other", Some("a"), false), ("paid", Some("a"), true), ("paid", Some("a"), false)] {
        assert_eq!(store.wake_messages(name, key, 200).await.expect("written"), woken, "{name} {key:?}");
    }
    // Who is told too late that nobody waits does not put it off again.
    store.hold_delivery(&on_its_way, "nobody waits for it", Some(9_999_999)).await.expect("held");
    let again = store.claim_deliveries(200, 10, None).await.expect("claimed");
    assert_eq!((again.len(), again[0].attempts, again[0].due), (1, 2, 20_200));

    let take = async |id: Uuid| {
        let mut write = step(id, 1);
        (write.delivery, write.remove_subscriptions) = (Some(on_its_way.name), vec![3]);
        store.commit(unit(write)).await
    };
    let (first, second) = (waits(&store, &receiver, Some("a"), &["paid"]).await, waits(&store, &receiver, Some("a"), &["paid"]).await);
    take(first).await.expect("stored");
    assert!(matches!(take(second).await, Err(CommitError::Delivered)));
    assert_eq!(store.messages(Page::ALL).await.expect("read"), []);

    let lost = sent(&store, &sender, message(&sender, "paid", None)).await.name.signal;
    assert_eq!(store.message(lost).await.expect("read").map(|it| it.business_key), Some(None));
    assert!(store.remove_message(lost, &[]).await.expect("removed"));
    assert!(!store.remove_message(lost, &[]).await.expect("looked for"));
}

pub(crate) async fn a_deployment_is_not_deleted_while_messages_are_on_their_way_to_it(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let on_its_way = sent(&store, &sender, message(&sender, "paid", None)).await;
    let instances = store.instances_of(&sender.id).await.expect("read");
    store.commit(unit(end(instances[0], 1))).await.expect("it ends");
    let delete = async |cascade| store.delete_deployment(&sender.deployment_id, cascade, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(delete(false).await, DeploymentDeletion::Awaited { messages: 1 });
    assert!(matches!(delete(true).await, DeploymentDeletion::Deleted { .. }));
    assert_eq!(store.message(on_its_way.name.signal).await.expect("read"), None);
    assert_eq!(fixture.count("delivery").await, 0);
}

pub(crate) async fn a_message_to_no_process_of_the_deployment_is_not_stored(fixture: Fixture) {
    let store = fixture.open().await;
    let (sender, _) = participants(&store, None).await;
    let mut write = InstanceWrite::new(Uuid::now_v7(), Expect::New(head(&sender)), live());
    write.messages = vec![Message { process: "stranger".into(), ..message(&sender, "paid", None) }];
    assert!(matches!(store.commit(unit(write)).await, Err(CommitError::Refused(_))));
    assert_eq!(fixture.count("instance").await, 0);
}
