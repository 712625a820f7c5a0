//! Effects become rows.

use super::*;

impl Host<'_> {
    pub(super) fn fold(&mut self, effect: Effect) {
        let rows = &mut self.rows;
        assert!(!rows.ended || effect == Effect::End, "after its end nothing happens: {effect:?}");
        match effect {
            Effect::CallDelegate(call) => panic!("calls are not rows: {call:?}"),
            Effect::PutJob(job) => {
                self.waits.insert(job.wait);
                rows.jobs.insert(job.wait, job);
            }
            Effect::RemoveJob(wait) => assert!(rows.jobs.remove(&wait).is_some()),
            Effect::PutTask(task) => {
                self.waits.insert(task.wait);
                // Its variables are no part of its row.
                rows.tasks.insert(task.wait, Task { variables: Variables::new(), ..task });
            }
            Effect::RemoveTask(wait) => {
                let task = rows.tasks.remove(&wait).expect("it is there");
                rows.variables.retain(|(scope, _), _| *scope != task.scope());
            }
            Effect::PutExternalTask(task) => {
                self.waits.insert(task.wait);
                rows.external_tasks.insert(task.wait, task);
            }
            Effect::RemoveExternalTask(wait) => assert!(rows.external_tasks.remove(&wait).is_some()),
            Effect::PutSubscription(it) => {
                self.conditions += usize::from(it.kind == SubscriptionKind::Condition);
                self.waits.insert(it.wait);
                rows.subscriptions.insert(it.wait, it);
            }
            // Nobody else is there.
            Effect::ThrowSignal(_) => self.signals += 1,
            Effect::SendMessage(_) => self.messages += 1,
            Effect::RemoveSubscription(wait) => assert!(rows.subscriptions.remove(&wait).is_some()),
            Effect::RaiseIncident(it) => {
                let (of, since) = (it.wait, it.since);
                let open = rows.incidents.insert(it.id, it);
                assert!(
                    open.is_none_or(|open| (open.wait, open.since) == (of, since) && of.is_some()),
                    "an incident is of one thing for good"
                );
            }
            Effect::ResolveIncident(id) | Effect::DeleteIncident(id) => assert!(rows.incidents.remove(&id).is_some()),
            Effect::CallProcess(call) => {
                self.waits.insert(call.wait);
                assert_eq!(call.id, InstanceId::called(call.caller.instance, call.wait));
                rows.calls.insert(call.wait, 0);
                self.catches.insert(call.wait, call.caller.catches);
            }
            Effect::EndCalled { wait, .. } => assert!(rows.calls.remove(&wait).is_some(), "what it ends is not there any more"),
            Effect::TellCaller { report, .. } => {
                assert_eq!((report.number, self.told.1), (self.told.0 + 1, false), "one after the other, until it is over");
                self.told = (report.number, report.news.is_last());
            }
            Effect::SetSuspended(suspended) => rows.suspended = suspended,
            Effect::Record(event) => self.fold_event(event),
            Effect::End => assert!(rows.ended, "history knows of the end"),
        }
    }

    fn fold_event(&mut self, event: HistoryEvent) {
        self.compensation.see(self.definition, &event, self.by_hand);
        match event {
            HistoryEvent::ActivityStarted { element, .. } if !self.by_hand => _ = self.entered.insert(element),
            HistoryEvent::InstanceStarted { .. } if !self.by_hand => _ = self.entered.insert(ROOT),
            _ => {}
        }
        let rows = &mut self.rows;
        match event {
            HistoryEvent::InstanceStarted { .. } => {
                assert!(!rows.started);
                rows.started = true;
            }
            HistoryEvent::InstanceEnded { .. } => rows.ended = true,
            HistoryEvent::ActivityStarted { activity, element, body, .. } => {
                if !body && matches!(self.definition.element(element).kind, ElementKind::MessageSend(_)) {
                    self.senders.insert(activity);
                    self.sending.0 += 1;
                }
                assert!(rows.open.insert(activity), "it began twice");
            }
            HistoryEvent::ActivityEnded { activity, end } => {
                let canceled = end == ActivityEnd::Canceled;
                let lost = rows.incidents.values().any(|it| it.wait.is_none() && it.activity == activity);
                assert!(canceled || !lost, "a join of which it was said that it never completes has completed");
                assert!(rows.open.remove(&activity), "it ended twice");
                rows.variables.retain(|(scope, _), _| *scope != activity);
                rows.past.insert(activity);
                self.sending.1 += usize::from(!canceled && self.senders.contains(&activity));
            }
            HistoryEvent::ProcessCalled { activity, .. } => assert!(rows.open.contains(&activity)),
            HistoryEvent::VariableSet { scope, .. } if rows.past.contains(&scope) => {}
            HistoryEvent::VariableSet { scope, name, value } => {
                rows.variables.insert((scope, name), value);
            }
            HistoryEvent::VariableRemoved { scope, name } => assert!(rows.variables.remove(&(scope, name)).is_some()),
        }
    }
}
