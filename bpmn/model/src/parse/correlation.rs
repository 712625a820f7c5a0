//! Correlation by the standard's keys (BPMN 2.0, 8.4.2, "context-based correlation"). Camunda 7 ignores them.
//!
//! A `correlationKey` of a collaboration or conversation names properties; each `correlationProperty` says how it is found in a message
//! (`messagePath`, over what goes along), and the `correlationSubscription` of a process how in its variables (`dataPath`). So both sides
//! have what `zeebe:subscription` says by one expression: a message carries the key of which it has all properties, and the waits of a
//! process for it have the values of its subscription. A message with several keys would be found by either: it is refused.
//!
//! Without a subscription of its process a wait is one of a conversation (8.4.2, "key-based correlation"): the first message with the key
//! that the instance sends or gets says what all others have. In Camunda 7's dialect, where models have keys that only describe, nothing is
//! told apart by them then.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use mandate_feel::Expression;

use crate::definition::{CarriedKey, CorrelationKey, Dialect, ROOT};
use crate::diagnostic::{Diagnostics, shown};
use crate::parse::process::{Owner, ProcessReader};
use crate::parse::zeebe;
use crate::xml::{Namespace, Node};

/// The most correlation keys of a file, and properties of one. Each message of a file is compared with all of them; models have one or two.
const MAX_KEYS: usize = 20;
const MAX_PROPERTIES: usize = 10;

/// The correlation keys of a file.
#[derive(Debug, Default)]
pub(crate) struct Correlation<'n> {
    /// In document order, one more than there may be at the most.
    keys: Vec<Key<'n>>,
    /// The properties, in document order.
    properties: Vec<&'n Node<'n>>,
    /// Of each, by its id, the path to it in messages, by theirs.
    paths: HashMap<&'n str, BTreeMap<&'n str, &'n Node<'n>>>,
}

#[derive(Debug)]
struct Key<'n> {
    node: &'n Node<'n>,
    /// The ids of its properties, as they are referred to, one more than there may be at the most.
    properties: Vec<&'n str>,
}

impl<'n> Correlation<'n> {
    /// Those of these collaborations, with these properties of the file.
    pub(crate) fn of(collaborations: &[&'n Node<'n>], properties: &[&'n Node<'n>]) -> Self {
        let mut keys = Vec::new();
        let mut open: Vec<_> = collaborations.iter().rev().copied().collect();
        while let Some(node) = open.pop() {
            if node.is("correlationKey") && keys.len() <= MAX_KEYS {
                let properties = node.all("correlationPropertyRef").map(|it| it.text.trim()).take(MAX_PROPERTIES + 1);
                keys.push(Key { node, properties: properties.collect() });
            }
            open.extend(node.children.iter().rev().filter(|child| child.namespace == Namespace::Bpmn));
        }
        let paths = |property: &'n Node<'n>| {
            let expressions = property.all("correlationPropertyRetrievalExpression");
            expressions.filter_map(|it| Some((local(it.plain("messageRef")?), it.first("messagePath")?))).collect()
        };
        let paths = properties.iter().filter_map(|it| Some((it.id()?, paths(it)))).collect();
        Self { keys, properties: properties.to_vec(), paths }
    }

    /// The paths in a message to the properties of a key, if it has all of them.
    fn paths_in(&self, key: &Key<'n>, message: &str) -> Option<Vec<&'n Node<'n>>> {
        let path = |property: &&str| self.property(property)?.get(local(message)).copied();
        if key.properties.is_empty() { None } else { key.properties.iter().map(path).collect() }
    }

    fn property(&self, reference: &str) -> Option<&BTreeMap<&'n str, &'n Node<'n>>> {
        self.paths.get(reference).or_else(|| self.paths.get(local(reference)))
    }

    /// The keys of which a message has all properties.
    fn carried(&self, message: &str) -> Vec<&Key<'n>> {
        self.keys.iter().filter(|key| self.paths_in(key, message).is_some()).collect()
    }

    /// Looks at the keys and properties themselves: a message without a property of its key would go to whoever waits without a key, and
    /// nobody would know why.
    pub(crate) fn check_keys(&self, is_message: impl Fn(&str) -> bool, diagnostics: &mut Diagnostics) {
        for property in &self.properties {
            check_property(property, &is_message, diagnostics);
        }
        if let Some(key) = self.keys.get(MAX_KEYS) {
            let help = "remove those that no message has, or split the file";
            diagnostics.error(key.node.at(), format!("the file has more than {MAX_KEYS} correlation keys"), help);
            return;
        }
        let messages: BTreeSet<_> = self.paths.values().flat_map(BTreeMap::keys).copied().collect();
        let (mut without, mut several) = (BTreeSet::new(), Vec::new());
        for message in messages {
            match self.carried(message)[..] {
                [] => {
                    without.insert(message);
                }
                [first, _, ..] => several.push((message, first)),
                [_] => {}
            }
        }
        for key in &self.keys {
            self.check_key(key, &without, diagnostics);
        }
        for (message, first) in several {
            let text = format!("the message '{}' has all properties of several correlation keys", shown(message));
            diagnostics.error(first.node.at(), text, "keep one of them, or leave out a retrieval expression of the other");
        }
    }

    /// Looks at a key, where some messages have none.
    fn check_key(&self, key: &Key<'n>, without: &BTreeSet<&str>, diagnostics: &mut Diagnostics) {
        if key.properties.len() > MAX_PROPERTIES {
            let message = format!("correlationKey has more than {MAX_PROPERTIES} properties");
            diagnostics.error(key.node.at(), message, "build one property of several values, for example = region + \"/\" + orderId");
            return;
        }
        if key.node.id().is_none() {
            diagnostics.error(key.node.at(), "correlationKey has no id", "give it one");
        }
        let mut seen = HashSet::new();
        for reference in &key.properties {
            if self.property(reference).is_none() {
                let message = format!("the correlationProperty '{}' does not exist", shown(reference));
                diagnostics.error(key.node.at(), message, "choose one of the file's (correlationPropertyRef)");
            } else if !seen.insert(local(reference)) {
                let message = format!("the correlationKey names the property '{}' twice", shown(reference));
                diagnostics.error(key.node.at(), message, "remove one correlationPropertyRef");
            }
        }
        let paths = key.properties.iter().filter_map(|reference| self.property(reference));
        let messages: BTreeSet<_> = paths.flat_map(BTreeMap::keys).copied().collect();
        for message in messages.into_iter().filter(|message| without.contains(message)) {
            let lacks = |reference: &&&str| self.property(reference).is_some_and(|paths| !paths.contains_key(message));
            let lacking: Vec<_> = key.properties.iter().filter(lacks).map(|it| format!("'{}'", shown(it))).collect();
            // One that is not there at all was said above.
            if !lacking.is_empty() {
                let text = format!(
                    "the message '{}' has some properties of the correlationKey, and not {}, so that it has no key",
                    shown(message),
                    lacking.join(" and ")
                );
                let help = "give each property a correlationPropertyRetrievalExpression for the message, or none";
                diagnostics.error(key.node.at(), text, help);
            }
        }
    }

    /// Says of keys where something is sent in Camunda 7's dialect that no process subscribes to any.
    pub(crate) fn check(&self, processes: impl Iterator<Item = &'n Node<'n>>, diagnostics: &mut Diagnostics) {
        let subscribed: Vec<_> =
            processes.flat_map(|it| it.all("correlationSubscription")).filter_map(|it| it.plain("correlationKeyRef")).collect();
        for key in self.keys.iter().filter(|key| !subscribed.iter().any(|it| key.node.id() == Some(local(it)))) {
            let help = "let the process that waits say what it waits for by a correlationSubscription; or remove the key: a message along a flow finds its receiver by business key or zeebe:subscription, too";
            diagnostics.error(key.node.at(), "correlationKey without a correlationSubscription is not supported", help);
        }
    }
}

/// Says of a property where it is found in messages that are not there, or more than once in one.
fn check_property(property: &Node<'_>, is_message: impl Fn(&str) -> bool, diagnostics: &mut Diagnostics) {
    let mut seen = HashSet::new();
    for expression in property.all("correlationPropertyRetrievalExpression") {
        let at = expression.at_in(property.at());
        let reference = expression.plain("messageRef").unwrap_or_default();
        if !is_message(reference) {
            let message = format!("the message '{}' does not exist", shown(reference));
            diagnostics.error(at, message, "choose one of the file's messages (messageRef of the correlationPropertyRetrievalExpression)");
        } else if expression.first("messagePath").is_none() {
            let help = "add one that finds the property in what comes with the message, for example = orderId";
            diagnostics.error(at, "correlationPropertyRetrievalExpression has no messagePath", help);
        } else if !seen.insert(local(reference)) {
            let message = format!("the property has several retrieval expressions for the message '{}'", shown(reference));
            diagnostics.error(at, message, "keep one of them");
        }
    }
}

/// An id without the prefix of a qualified name.
fn local(reference: &str) -> &str {
    let reference = reference.trim();
    reference.split_once(':').map_or(reference, |(_, local)| local)
}

impl<'n, 'd> ProcessReader<'n, 'd> {
    /// Looks at the `correlationSubscription`s of the process, of which each is for another key.
    pub(crate) fn correlation_subscriptions(&mut self) {
        for (nth, node) in self.draft.process.all("correlationSubscription").enumerate().take(MAX_KEYS + 1) {
            if nth == MAX_KEYS {
                let message = format!("the process has more than {MAX_KEYS} correlationSubscriptions");
                self.diagnostics.error(node.at(), message, "keep one for each correlationKey");
            } else {
                self.correlation_subscription(node);
            }
        }
    }

    /// Looks at a `correlationSubscription` of the process: it must say of each property of its key where it is found, and some message
    /// must have them.
    fn correlation_subscription(&mut self, node: &'n Node<'n>) {
        let correlation = &self.definitions.correlation;
        let reference = node.plain("correlationKeyRef").unwrap_or_default();
        let Some(key) = correlation.keys.iter().find(|key| key.node.id() == Some(local(reference))) else {
            let message = format!("the correlationKey '{}' does not exist", shown(reference));
            self.diagnostics.error(node.at(), message, "choose one of the collaboration or its conversations (correlationKeyRef)");
            return;
        };
        let of_process = self.draft.process.all("correlationSubscription");
        let mut same = of_process.filter(|it| it.plain("correlationKeyRef").map(local) == key.node.id());
        if same.next().is_some_and(|first| first.position != node.position) {
            let message = format!("the process has several correlationSubscriptions for the correlationKey '{}'", shown(reference));
            self.diagnostics.error(node.at(), message, "keep one of them: a process is told apart by one key");
        }
        for property in &key.properties {
            if bindings(node, property).count() > 1 {
                let message = format!("the correlationSubscription says several times where the property '{}' is found", shown(property));
                self.diagnostics.error(node.at(), message, "keep one correlationPropertyBinding of it");
            } else if binding(node, property).is_none() {
                let message = format!("the correlationSubscription does not say where the property '{}' is found", shown(property));
                self.diagnostics.error(node.at(), message, "add a correlationPropertyBinding with a dataPath, such as = orderId");
            }
        }
        let paths: Vec<_> = key.properties.iter().map(|property| correlation.property(property)).collect();
        let messages = paths.first().copied().flatten().into_iter().flat_map(BTreeMap::keys);
        // Of a property that is not there it was said.
        if paths.iter().all(Option::is_some) && !messages.into_iter().any(|message| correlation.paths_in(key, message).is_some()) {
            let help = "give each of its properties a correlationPropertyRetrievalExpression with a messagePath for the message that is to have it";
            self.diagnostics.error(key.node.at(), "no message has all properties of the correlationKey", help);
        }
    }

    /// What tells the waits of this process for a message apart, of the message with an id. None: nothing does, or there is an error.
    pub(crate) fn key_of_waits(&mut self, reference: &str) -> Option<CorrelationKey> {
        if let Some(key) = self.zeebe_key(reference) {
            return key;
        }
        let (key, _) = self.key_of(reference)?;
        let subscriptions = self.draft.process.all("correlationSubscription");
        let mut meant = subscriptions.filter(|it| it.plain("correlationKeyRef").map(local) == key.node.id());
        let Some(subscription) = meant.next() else {
            if self.definitions.dialect == Dialect::Standard {
                return None;
            }
            let message = format!("the process has no correlationSubscription for the key of the message '{}'", shown(local(reference)));
            let help = "add one that says what it waits for; without, the message finds its waits by business key";
            self.diagnostics.warning(self.draft.process.at(), message, help);
            return None;
        };
        // What is missing was said of the subscription.
        let paths: Option<Vec<_>> = key.properties.iter().map(|property| binding(subscription, property)).collect();
        self.paths(&paths?)
    }

    /// What a message has along a flow that tells which wait is meant.
    pub(crate) fn key_of_message(&mut self, reference: &str) -> Option<CarriedKey> {
        if let Some(key) = self.zeebe_key(reference) {
            return key.map(|paths| CarriedKey { of: None, paths });
        }
        let (key, paths) = self.key_of(reference)?;
        Some(CarriedKey { of: key.node.id().map(Arc::from), paths: self.paths(&paths)? })
    }

    /// The standard's key of a message that comes to this process, where it tells anything apart.
    pub(crate) fn key_that_comes(&mut self, reference: &str) -> Option<CarriedKey> {
        let (key, paths) = self.key_of(reference)?;
        let mut subscriptions = self.draft.process.all("correlationSubscription");
        let subscribes = subscriptions.any(|it| it.plain("correlationKeyRef").map(local) == key.node.id());
        if !subscribes && self.definitions.dialect == Dialect::Camunda7 {
            return None;
        }
        Some(CarriedKey { of: Some(key.node.id()?.into()), paths: self.paths(&paths)? })
    }

    /// What `zeebe:subscription` says, if there is one.
    #[expect(clippy::option_option, reason = "one with an error is not none")]
    fn zeebe_key(&mut self, reference: &str) -> Option<Option<CorrelationKey>> {
        let subscription = zeebe::extension(self.definitions.message(reference)?, "subscription")?;
        if !self.definitions.correlation.carried(reference).is_empty() {
            let message = format!("the message '{}' has zeebe:subscription and a correlationKey", shown(local(reference)));
            self.diagnostics.error(subscription.at(), message, "keep one of them");
        }
        Some(self.correlation_key(subscription).map(|key| CorrelationKey(vec![key])))
    }

    /// The key that a message carries, with the paths to its properties. None of several: that is refused.
    fn key_of(&self, reference: &str) -> Option<(&'d Key<'n>, Vec<&'n Node<'n>>)> {
        let correlation = &self.definitions.correlation;
        let [key] = correlation.carried(reference)[..] else { return None };
        correlation.paths_in(key, reference).map(|paths| (key, paths))
    }

    /// Reads the paths to a key's properties.
    fn paths(&mut self, paths: &[&'n Node<'n>]) -> Option<CorrelationKey> {
        let read = |path: &&'n Node<'n>| self.path(path);
        // All of them, so that each error is said.
        let read: Vec<_> = paths.iter().map(read).collect();
        read.into_iter().collect::<Option<_>>().map(CorrelationKey)
    }

    /// A path to a property, as a part of the `correlationProperty` or, in a `correlationSubscription`, of the process.
    fn path(&mut self, node: &'n Node<'n>) -> Option<Expression> {
        let properties = self.definitions.correlation.properties.iter();
        let is_it = |expression: &Node<'_>| expression.first("messagePath").is_some_and(|path| path.position == node.position);
        let mut around = properties.filter(|it| it.all("correlationPropertyRetrievalExpression").any(is_it));
        let at = node.at_in(around.next().map_or_else(|| self.draft.process.at(), |property| property.at()));
        let path = self.text(node, Owner { index: ROOT, at, depth: 0 })?;
        if path.as_literal().is_some() {
            let message = format!("{} '{}' is not an expression", node.title(), shown(node.text.trim()));
            self.diagnostics.objection(at, message, "write one that gives each instance its own, for example = orderId");
        }
        Some(path)
    }
}

/// Where a subscription finds a property.
fn binding<'n>(subscription: &'n Node<'n>, property: &str) -> Option<&'n Node<'n>> {
    bindings(subscription, property).next()?.first("dataPath")
}

/// What a subscription says of a property.
fn bindings<'n>(subscription: &'n Node<'n>, property: &str) -> impl Iterator<Item = &'n Node<'n>> {
    let bindings = subscription.all("correlationPropertyBinding");
    bindings.filter(move |it| it.plain("correlationPropertyRef").map(local) == Some(local(property)))
}
