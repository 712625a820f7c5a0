//! Where a token came from inside its unit of work, and the names that follow from it.
//!
//! A unit that fails is thrown away and run again, perhaps after other branches have moved on. What it sends must carry the same keys each
//! time. So a key is made of nothing but the wait that the unit resumes (or which of the instance's modifications it is), the activity that
//! was there before the unit and that the token comes out of, the forks that it passed since, and how often it came by the same element on
//! that way: never of numbers that other branches count up as well.

use sha2::{Digest, Sha256};

use crate::EntryKey;
use crate::ids::{ActivityId, InstanceId, WaitId};

/// A token's way through the forks and joins of its unit, digested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Lineage(pub [u8; 32]);

impl Lineage {
    /// The token that a unit begins with.
    pub(crate) fn origin(instance: InstanceId, wait: WaitId) -> Self {
        Self(digest("mandate-origin-1", &[instance.0.as_bytes(), &wait.0.to_be_bytes()]))
    }

    /// The token in an activity that was there before the unit; `self` is the unit's origin. One unit may end several, each with the same
    /// way before it.
    pub(crate) fn activity(self, activity: ActivityId) -> Self {
        Self(digest("mandate-activity-1", &[&self.0, &activity.0.to_be_bytes()]))
    }

    /// The token that takes this flow where several are taken at once.
    pub(crate) fn branch(self, flow: &str) -> Self {
        Self(digest("mandate-branch-1", &[&self.0, flow.as_bytes()]))
    }

    /// One of several instances; `self` is their body's lineage.
    pub(crate) fn instance(self, index: u32) -> Self {
        Self(digest("mandate-instance-1", &[&self.0, &index.to_be_bytes()]))
    }

    /// The token that an instruction of a modification begins; `self` is the unit's origin.
    pub(crate) fn instruction(self, nth: u32) -> Self {
        Self(digest("mandate-instruction-1", &[&self.0, &nth.to_be_bytes()]))
    }

    /// The token that leaves a join; `self` is the lineage of the scope around it, so that the order of arrival plays no part.
    pub(crate) fn joined(self, gateway: &str, nth: u32) -> Self {
        Self(digest("mandate-join-1", &[&self.0, gateway.as_bytes(), &nth.to_be_bytes()]))
    }

    /// The `nth` completion of an element by this token in its unit.
    pub(crate) fn completion(self, element: &str, nth: u32) -> Self {
        Self(digest("mandate-completion-1", &[&self.0, element.as_bytes(), &nth.to_be_bytes()]))
    }

    /// The token that undoes something; `self` is the lineage of the event that throws, and `of` names what is undone, so that it plays no
    /// part how much else is.
    pub(crate) fn compensation(self, of: &[u8]) -> Self {
        Self(digest("mandate-compensation-1", &[&self.0, of]))
    }

    /// Names this token's `nth` entry into an element.
    pub(crate) fn entry(self, instance: InstanceId, origin: WaitId, element: &str, nth: u32) -> EntryKey {
        EntryKey(digest(
            "mandate-entry-1",
            &[instance.0.as_bytes(), &origin.0.to_be_bytes(), element.as_bytes(), &self.0, &nth.to_be_bytes()],
        ))
    }
}

/// SHA-256 over parts with their lengths, so that no two lists of parts read the same.
pub(crate) fn digest(tag: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&tag.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crate::testing::{MESSAGE, Run, keys, parse, variables};
    use crate::{EntryKey, Input, Variables};

    fn distinct(keys: &[EntryKey]) -> usize {
        keys.iter().collect::<BTreeSet<_>>().len()
    }

    #[test]
    fn unit_that_runs_again_makes_the_same_keys() {
        let model = "<startEvent id='s'/><task id='a' camunda:asyncBefore='true'/><serviceTask id='w' camunda:class='W'/>\
                     <exclusiveGateway id='x' default='x_e'/><endEvent id='e'/>{s>a>w>x}{x>w ? n > 0}{x>e}";
        let script = "start {\"n\": 1}\n run a\n return\n return\n crash\n set {\"other\": true}\n run a\n return\n return";
        let keys = keys("w", model, script);
        assert_eq!(keys[..3], keys[3..]);
        assert_eq!(distinct(&keys), 3, "each turn of the loop has a key of its own");
    }

    #[test]
    fn what_other_branches_did_meanwhile_changes_no_key() {
        let model = "<startEvent id='s'/><parallelGateway id='f'/><task id='a' camunda:asyncBefore='true'/>\
                     <serviceTask id='w' camunda:class='W'/><userTask id='u'/><userTask id='v'/>{s>f}{f>a>w}{f>u>v}";
        let keys = keys("w", model, "start\n run a\n crash\n complete u\n fail a\n retries a 0\n run a");
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
    }

    #[test]
    fn another_unit_and_another_job_make_other_keys() {
        let model = "<startEvent id='s'/><serviceTask id='w' camunda:class='W' camunda:asyncBefore='true'/>{s>w>w}";
        let keys = keys("w", model, "start\n run w\n return\n run w\n return\n run w");
        assert_eq!((keys.len(), distinct(&keys)), (3, 3));
    }

    #[test]
    fn deferred_start_and_direct_start_have_their_own_origins() {
        let model = "<startEvent id='s'/><serviceTask id='w' camunda:class='W'/>{s>w}";
        assert_ne!(keys("w", model, "start"), keys("w", model, "start-deferred\n run s"));
        assert_eq!(keys("w", model, "start-deferred\n run s"), keys("w", model, "start-deferred {\"n\": 1}\n run s"));
    }

    /// Both branches come to the same task; whether the first does so depends on a variable.
    const BRANCHES: &str = "<startEvent id='s'/><parallelGateway id='f'/><exclusiveGateway id='x' default='x_e'/><task id='b'/>\
                            <serviceTask id='w' camunda:class='W'/><endEvent id='e'/><endEvent id='e2'/>\
                            {s>f}{f>x}{f>b>w}{x>w ? n > 0}{x>e}{w>e2}";

    #[test]
    fn parallel_branches_have_keys_independent_of_each_other() {
        let both = keys("w", BRANCHES, "start {\"n\": 1}\n return\n return");
        let second = keys("w", BRANCHES, "start {\"n\": 0}\n return");
        assert_eq!((both.len(), distinct(&both)), (2, 2));
        assert_eq!(both[1..], second, "the second branch does not know whether the first one came by");
    }

    #[test]
    fn way_through_a_branch_plays_no_part_after_the_join() {
        let model = "<startEvent id='s'/><parallelGateway id='f'/><exclusiveGateway id='x' default='x_j'/><task id='a'/>\
                     <serviceTask id='b' camunda:class='B'/><parallelGateway id='j'/><serviceTask id='w' camunda:class='W'/>\
                     {s>f}{f>x}{f>a>j}{x>b ? n > 0}{b>m}{x>m}<task id='m'/>{m>j}{j>w}"
            .replace("default='x_j'", "default='x_m'");
        assert_eq!(keys("w", &model, "start {\"n\": 0}"), keys("w", &model, "start {\"n\": 1}\n return"));
    }

    #[test]
    fn sub_process_goes_on_with_the_lineage_it_was_entered_with() {
        let model = "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/><task id='a'/>\
                     <exclusiveGateway id='x' default='x_d'/><serviceTask id='c' camunda:class='C'/><task id='d'/>\
                     {ps>f}{f>a}{f>x}{x>c ? n > 0}{x>d}</subProcess><serviceTask id='w' camunda:class='W'/>{s>p>w}";
        assert_eq!(keys("w", model, "start {\"n\": 0}"), keys("w", model, "start {\"n\": 1}\n return"));
    }

    #[test]
    fn sub_processes_side_by_side_have_joins_of_their_own() {
        let model = "<startEvent id='s'/><parallelGateway id='g'/><task id='a'/><task id='b'/><subProcess id='p'><startEvent id='ps'/>\
                     <parallelGateway id='f'/><task id='c'/><task id='d'/><parallelGateway id='j'/><serviceTask id='w' camunda:class='W'/>\
                     {ps>f}{f>c>j}{f>d>j}{j>w}</subProcess>{s>g}{g>a>p}{g>b>p}";
        let keys = keys("w", model, "start\n return\n return");
        assert_eq!((keys.len(), distinct(&keys)), (2, 2));
    }

    #[test]
    fn sub_processes_that_end_in_one_unit_have_keys_independent_of_each_other() {
        // The variable lets both go on, unless the first has been interrupted before.
        let model = format!(
            "<startEvent id='s'/><parallelGateway id='g'/><subProcess id='p'><startEvent id='ps'/><intermediateCatchEvent id='c'>\
             <conditionalEventDefinition><condition>= n &gt; 0</condition></conditionalEventDefinition></intermediateCatchEvent>{{ps>c}}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p'>{MESSAGE}</boundaryEvent><endEvent id='e'/><userTask id='i'/><userTask id='j'/>\
             <serviceTask id='w' camunda:class='W'/>{{s>g}}{{g>i>p}}{{g>j>p}}{{p>w}}{{b>e}}"
        );
        let begun = "start {\"n\": 0}\n complete i\n complete j\n";
        let both = keys("w", &model, &format!("{begun} set {{\"n\": 1}}\n return\n return"));
        let second = keys("w", &model, &format!("{begun} message b\n set {{\"n\": 1}}\n return"));
        assert_eq!((both.len(), distinct(&both)), (2, 2));
        assert_eq!(both[1..], second, "the second does not know whether the first one is there");
    }

    #[test]
    fn joins_in_a_loop_count_up() {
        let model = "<startEvent id='s'/><task id='h'/><parallelGateway id='f'/><task id='a'/><task id='b'/><parallelGateway id='j'/>\
                     <serviceTask id='w' camunda:class='W'/><exclusiveGateway id='x' default='x_e'/><endEvent id='e'/>\
                     {s>h>f}{f>a>j}{f>b>j}{j>w>x}{x>h ? n > 0}{x>e}";
        let keys = keys("w", model, "start {\"n\": 1}\n return\n return\n return {\"n\": 0}");
        assert_eq!((keys.len(), distinct(&keys)), (3, 3));
    }

    #[test]
    fn event_with_several_definitions_has_a_key_for_each() {
        let message = |class: &str| format!("<messageEventDefinition messageRef='msg' camunda:class='{class}'/>");
        let model = format!("<startEvent id='s'/><endEvent id='w'>{}{}</endEvent>{{s>w}}", message("A"), message("B"));
        let definition = parse(&model);
        let mut run = Run::new(&definition);
        for line in ["start", "return", "return"] {
            run.line(line);
        }
        let keys: BTreeSet<_> = run.calls.iter().map(|call| call.entry).collect();
        assert_eq!((run.calls.len(), keys.len()), (2, 2));
        assert!(run.instance.is_ended());
    }

    /// A worker's failure leaves its wait, so that the next one must have other keys; but of what is there beside it nothing is noted.
    #[test]
    fn each_failure_of_a_worker_has_keys_of_its_own_at_no_cost_for_what_is_beside_it() {
        let definition = parse(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge'/><userTask id='u'><multiInstanceLoopCharacteristics>\
             <loopCardinality>100</loopCardinality></multiInstanceLoopCharacteristics></userTask>{s>x}{s>u}<subProcess id='p' triggeredByEvent='true'>\
             <startEvent id='ps' isInterrupting='false'><conditionalEventDefinition><condition>= n > 0</condition></conditionalEventDefinition>\
             </startEvent><serviceTask id='d' camunda:class='d'/>{ps>d}</subProcess>",
        );
        let mut run = Run::new(&definition);
        run.line(r#"start {"n": 0}"#);
        for nth in [1, 2] {
            let wait = *run.instance.external_tasks.keys().next().expect("the task stays");
            let (variables, local_variables) = (variables(&format!(r#"{{"n": {nth}}}"#)), Variables::new());
            run.input(Input::FailExternalTask { wait, message: None, details: None, retries: 3, variables, local_variables });
            let noted = run.instance.unit.as_ref().expect("it calls a delegate").lineages.len();
            assert!(noted < 10, "{noted} activities");
            run.line("return");
        }
        let keys = run.keys("d");
        assert_eq!((keys.len(), distinct(&keys)), (2, 2), "{}", run.trace);
    }
}
