//! Signals: thrown to everybody who waits for them at that moment (BPMN 2.0, 10.5.5; Camunda `ThrowSignalEventActivityBehavior`).
//!
//! Within its own instance a signal arrives in the unit of work that throws it: first to the wait that is the oldest, so that what watches
//! an outer scope goes before what waits inside; what each of them begins runs until it waits before the next is triggered. A wait that is
//! gone by then, because an earlier one has interrupted what it belongs to, gets nothing. The event that throws goes on last, if it is
//! still there.
//!
//! Everybody else is the host's business ([`Effect::ThrowSignal`]).

use std::collections::VecDeque;

use mandate_model::{SignalReference, Source, Throw, ThrowInput};

use crate::effect::{Effect, Signal, SubscriptionKind};
use crate::elements::{At, Behaviour, Next, WaitFor};
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::step::Machine;
use crate::unit::LaterKind;
use crate::variable::{Variable, Variables};
use crate::wait::Awaited;

/// What waits for a signal: an intermediate catch event.
impl Behaviour for SignalReference {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(Next::Wait(WaitFor::Event(Awaited::signal(at.signal_name(self)?))))
    }
}

/// What throws one, an intermediate event or an end event, goes on when everybody in its instance has got it.
impl Behaviour for Throw {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let name = at.signal_name(&SignalReference { name: self.name.clone() })?;
        let variables = at.thrown(&self.inputs)?;
        let business_key = self.business_key.as_ref().map(|key| at.text(key)).transpose()?.flatten();
        Ok(Next::Signal(Signal { name, variables, business_key }))
    }
}

impl At<'_> {
    /// The variables that go along with what an event throws.
    pub(crate) fn thrown(&self, inputs: &[ThrowInput]) -> Result<Variables, Failure> {
        let mut variables = Variables::new();
        for input in inputs {
            match input {
                ThrowInput::All => variables.extend(self.visible_variables()),
                ThrowInput::One { target, source: Source::Variable(name) } => {
                    let null = || Variable::from_json(&serde_json::Value::Null);
                    variables.insert(target.clone(), self.visible_variable(name).map_or_else(null, Variable::into_stored));
                }
                ThrowInput::One { target, source: Source::Expression(expression) } => {
                    variables.insert(target.clone(), self.variable_of(expression)?);
                }
                ThrowInput::Data(name) => {
                    let own = self.instance.variables(self.activity).and_then(|own| own.get_key_value(name));
                    variables.extend(own.map(|(name, value)| (name.clone(), value.clone())));
                }
            }
        }
        Ok(variables)
    }

    /// The name of a signal that this element waits for or throws.
    pub(crate) fn signal_name(&self, signal: &SignalReference) -> Result<String, Failure> {
        match self.text(&signal.name)? {
            Some(name) if !name.is_empty() => Ok(name),
            _ => Err(self.failed(&signal.name, "gives no signal name")),
        }
    }
}

impl Machine<'_> {
    /// An event throws a signal, and goes on when everybody in its instance has got it.
    pub(crate) fn throw_signal(&mut self, event: ActivityId, signal: Signal) -> Result<(), Failure> {
        let waits = |it: &crate::Subscription| it.kind == SubscriptionKind::Signal && it.name == signal.name;
        let waits: VecDeque<WaitId> = self.instance.subscriptions().filter(|it| waits(it)).map(|it| it.wait).collect();
        self.count_looks(self.instance.subscriptions.len());
        self.unit.do_later(LaterKind::Resume(event));
        if !waits.is_empty() {
            self.check_waits(waits.len())?;
            self.unit.do_later(LaterKind::Signal { waits, variables: signal.variables.clone() });
        }
        self.effects.push(Effect::ThrowSignal(signal));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{MESSAGE, Run, check, parse, watching};

    const SIGNAL: &str = "<signalEventDefinition signalRef='sig'/>";
    const OTHER: &str = " isInterrupting='false'";

    #[test]
    fn event_waits_for_its_signal_by_an_evaluated_name() {
        check(
            "<startEvent id='s'/><intermediateCatchEvent id='c'><signalEventDefinition signalRef='sigByKey'/></intermediateCatchEvent>\
             <userTask id='u'/>{s>c>u}",
            r#"
                start {"key": 7}
                leaves
                message c
                signal c {"why": "smoke"}
                signal !5
            "#,
            expect![[r#"
                > start {"key": 7}
                  started at s
                  key = 7
                  + s #2
                  - #2
                  + c #3
                  signal subscription c !4 'alarm-7'
                > leaves
                  c #3: signal 'alarm-7'
                > message c
                  rejected: number 4 is a signal subscription, not a message subscription
                > signal c {"why": "smoke"}
                  subscription !4 gone
                  why = "smoke"
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > signal !5
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn signal_starts_a_process_like_any_other() {
        check(
            &format!("<startEvent id='s'>{SIGNAL}</startEvent><userTask id='u'/>{{s>u}}"),
            r#"start {"why": "smoke"}"#,
            expect![[r#"
                > start {"why": "smoke"}
                  started at s
                  why = "smoke"
                  + s #2
                  - #2
                  + u #3
                  task u !4 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn everybody_in_the_instance_gets_it_before_the_event_that_throws_it_goes_on() {
        check(
            &format!(
                "<startEvent id='s'/><parallelGateway id='f'/><intermediateCatchEvent id='c'>{SIGNAL}</intermediateCatchEvent><userTask id='caught'/>\
                 <userTask id='w'/><boundaryEvent id='b' attachedToRef='w' cancelActivity='false'>{SIGNAL}</boundaryEvent><userTask id='noted'/>\
                 <userTask id='a'/><intermediateThrowEvent id='t'><signalEventDefinition signalRef='sig'><extensionElements>\
                 <camunda:in source='n' target='count'/><camunda:in sourceExpression='= n + 1' target='next'/><camunda:in source='gone' target='none'/>\
                 <camunda:in businessKey='order-${{n}}'/></extensionElements></signalEventDefinition></intermediateThrowEvent><userTask id='on'/>\
                 {{s>f}}{{f>c>caught}}{{f>w}}{{f>a>t>on}}{{b>noted}}{}",
                watching(OTHER, SIGNAL)
            ),
            r#"
                start {"n": 1}
                complete a
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  signal subscription vs !2 'alarm'
                  + s #3
                  - #3
                  + f #4
                  - #4
                  + c #5
                  signal subscription c !6 'alarm'
                  + w #7
                  signal subscription b !8 'alarm'
                  task w !9 of nobody users [] groups []
                  + a #10
                  task a !11 of nobody users [] groups []
                > complete a
                  task !11 gone
                  - #10
                  + t #12
                  signal 'alarm' thrown for 'order-1' {count: 1, next: 2, none: null}
                  subscription !2 gone
                  signal subscription vs !13 'alarm'
                  count = 1
                  next = 2
                  none = null
                  + v #14
                  + vs #15 in #14
                  - #15
                  + handle #16 in #14
                  task handle !17 of nobody users [] groups []
                  subscription !6 gone
                  count = 1
                  next = 2
                  none = null
                  - #5
                  + caught #18
                  task caught !19 of nobody users [] groups []
                  subscription !8 gone
                  signal subscription b !20 'alarm'
                  count = 1
                  next = 2
                  none = null
                  + b #21
                  - #21
                  + noted #22
                  task noted !23 of nobody users [] groups []
                  - #12
                  + on #24
                  task on !25 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn interrupting_event_sub_process_runs_although_its_own_scope_throws() {
        check(
            &format!(
                "<startEvent id='s'/><parallelGateway id='f'/><intermediateCatchEvent id='c'>{SIGNAL}</intermediateCatchEvent>\
                 <intermediateThrowEvent id='t'>{SIGNAL}</intermediateThrowEvent><userTask id='on'/>{{s>f}}{{f>c}}{{f>t>on}}{}",
                watching("", SIGNAL)
            ),
            "start",
            expect![[r#"
                > start
                  started at s
                  signal subscription vs !2 'alarm'
                  + s #3
                  - #3
                  + f #4
                  - #4
                  + c #5
                  signal subscription c !6 'alarm'
                  + t #7
                  signal 'alarm' thrown {}
                  subscription !2 gone
                  subscription !6 gone
                  - #5 canceled
                  - #7 canceled
                  + v #8
                  + vs #9 in #8
                  - #9
                  + handle #10 in #8
                  task handle !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn end_event_throws_with_all_variables_and_ends_its_sub_process_afterwards() {
        check(
            &format!(
                "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='e'><signalEventDefinition signalRef='sig'>\
                 <extensionElements><camunda:in variables='all'/></extensionElements></signalEventDefinition></endEvent>{{ps>e}}{}</subProcess>\
                 <userTask id='on'/>{{s>p>on}}",
                watching(OTHER, SIGNAL)
            ),
            r#"
                start {"n": 1}
                complete handle
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + p #3
                  signal subscription vs !4 'alarm'
                  + ps #5 in #3
                  - #5
                  + e #6 in #3
                  signal 'alarm' thrown {n: 1}
                  subscription !4 gone
                  signal subscription vs !7 'alarm'
                  n = 1
                  + v #8 in #3
                  + vs #9 in #8
                  - #9
                  + handle #10 in #8
                  task handle !11 of nobody users [] groups []
                  - #6
                > complete handle
                  task !11 gone
                  - #10
                  - #8
                  subscription !7 gone
                  - #3
                  + on #12
                  task on !13 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn signal_that_its_own_handler_throws_again_ends_at_the_limit_of_a_unit() {
        check(
            &format!(
                "<startEvent id='s'/><userTask id='u' camunda:asyncAfter='true'/><endEvent id='t'>{SIGNAL}</endEvent>{{s>u>t}}\
                 <subProcess id='v' triggeredByEvent='true'><startEvent id='vs' isInterrupting='false'>{SIGNAL}</startEvent>\
                 <intermediateThrowEvent id='again'>{SIGNAL}</intermediateThrowEvent>{{vs>again}}</subProcess>"
            ),
            "
                start
                complete u
                run u
            ",
            expect![[r#"
                > start
                  started at s
                  signal subscription vs !2 'alarm'
                  + s #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #4
                  job AsyncAfter u !7 due 0, 3 left, 0 failed
                > run u
                  failed: STEP_LIMIT: one unit of work entered more than 100000 elements; a loop without a wait state?
            "#]],
        );
    }

    #[test]
    fn first_event_behind_a_gateway_may_be_a_signal() {
        check(
            &format!(
                "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='c'>{SIGNAL}</intermediateCatchEvent>\
                 <intermediateCatchEvent id='m'><messageEventDefinition messageRef='msg'/></intermediateCatchEvent><userTask id='u'/>\
                 {{s>g}}{{g>c>u}}{{g>m>u}}"
            ),
            "
                start
                leaves
                signal c
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  signal subscription c !4 'alarm'
                  subscription m !5 'paid'
                > leaves
                  g #3: the first of c, m
                > signal c
                  subscription !4 gone
                  subscription !5 gone
                  - #3 canceled
                  + c #6
                  - #6
                  + u #7
                  task u !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn delegates_of_two_receivers_have_keys_of_their_own_that_stay_the_same() {
        let model = format!(
            "<startEvent id='s'/><userTask id='a'/><intermediateThrowEvent id='t'>{SIGNAL}</intermediateThrowEvent><subProcess id='p'>\
             <multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics><startEvent id='ps'/>\
             <intermediateCatchEvent id='c'>{SIGNAL}</intermediateCatchEvent><serviceTask id='x' camunda:class='X'/>{{ps>c>x}}</subProcess>\
             {{s>p}}{{s>a>t}}{}",
            watching(OTHER, MESSAGE)
        );
        let definition = parse(&model);
        let mut run = Run::new(&definition);
        // The message gives numbers away between the unit that is lost and the one that runs in its place.
        for line in ["start", "complete a", "return", "crash", "message vs", "complete a", "return"] {
            run.line(line);
        }
        let keys = run.keys("x");
        assert_eq!(keys.len(), 4);
        assert_eq!(keys[..2], keys[2..]);
        assert_ne!(keys[0], keys[1]);
    }
}
