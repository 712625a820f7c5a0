//! The public suite: betsy, of the University of Bamberg, in its last version. Its models are in our tables under their names; what is
//! missing is listed with the reason, and `bpmn/README.md` says how many there are.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mandate_tests::program::root;

use super::{Case, activities, basics, compensation, delegates, errors, events, gateways, messages, patterns, signals, timers};

/// Its models by groups, and how often each is run where that is not once.
const GROUPS: &[(&str, &str)] = &[
    (
        "Basics",
        "Lanes Participant SequenceFlow SequenceFlow_Conditional*2 SequenceFlow_ConditionalDefault*2 SequenceFlow_ConditionalDefault_Normal",
    ),
    (
        "Gateways",
        "ExclusiveGateway*4 ExclusiveGateway_Default*4 ExclusiveGatewayMixed*3 ExclusiveDiverging_InclusiveConverging*3 InclusiveGateway*4 \
         InclusiveGateway_Default InclusiveDiverging_ExclusiveConverging*3 ParallelGateway ParallelDiverging_ExclusiveConverging \
         ParallelDiverging_InclusiveConverging ParallelGateway_TrueParallelism ComplexGateway*4 EventBasedGateway_Signals EventBasedGateway_Timer",
    ),
    (
        "Activities",
        "CallActivity_Process CallActivity_GlobalTask MultiInstance_SubProcess MultiInstance_Task MultiInstance_Sequential MultiInstance_NoneBehavior \
         MultiInstance_OneBehavior MultiInstance_AllBehavior MultiInstance_ComplexBehavior MultiInstance_Parallel Loop_SubProcess*3 Loop_Task*3 \
         Loop_ConditionOnly*3 Loop_Maximum Loop_NoIteration_TestBeforeFalse Loop_NoIteration_TestBeforeTrue SubProcess Transaction \
         AdHocSubProcess_Sequential AdHocSubProcess_Parallel Token_Cardinality_Explicit Token_Cardinality_Default Token_Cardinality_Split_Default \
         Token_Cardinality_Split_Explicit SendTask ReceiveTask ReceiveTask_Instantiate",
    ),
    (
        "Events",
        "Cancel_Event Compensation_BoundaryEvent_SubProcess Compensation_EndEvent_SubProcess Compensation_EndEvent_TopLevel \
         Compensation_IntermediateEvent Compensation_StartEvent_EventSubProcess Compensation_TriggeredByCancel \
         Conditional_BoundaryEvent_SubProcess_Interrupting*2 Conditional_BoundaryEvent_SubProcess_NonInterrupting*2 Conditional_IntermediateEvent*2 \
         Conditional_StartEvent_EventSubProcess_Interrupting Conditional_StartEvent_EventSubProcess_NonInterrupting \
         Error_BoundaryEvent_SubProcess_Interrupting Error_BoundaryEvent_Transaction_Interrupting Error_EndEvent_TopLevel \
         Error_StartEvent_EventSubProcess_Interrupting Escalation_BoundaryEvent_SubProcess_Interrupting \
         Escalation_BoundaryEvent_SubProcess_NonInterrupting Escalation_EndEvent_SubProcess Escalation_EndEvent_TopLevel \
         Escalation_IntermediateThrowEvent Escalation_StartEvent_EventSubProcess_Interrupting Escalation_StartEvent_EventSubProcess_NonInterrupting \
         Link_Event Message_StartEvent Message_IntermediateEvent Message_EndEvent Signal_EndEvent_SubProcess \
         Signal_BoundaryEvent_SubProcess_NonInterrupting Signal_BoundaryEvent_SubProcess_Interrupting Signal_IntermediateEvent_ThrowAndCatch \
         Signal_StartEvent Signal_EndEvent Signal_IntermediateEvent Signal_StartEvent_EventSubProcess_Interrupting \
         Signal_StartEvent_EventSubProcess_NonInterrupting Terminate_Event Timer_IntermediateEvent Timer_BoundaryEvent_SubProcess_NonInterrupting \
         Timer_BoundaryEvent_SubProcess_Interrupting Timer_BoundaryEvent_SubProcess_Interrupting_Activity \
         Timer_StartEvent_EventSubProcess_NonInterrupting Timer_StartEvent_EventSubProcess_Interrupting Timer_IntermediateTimeCycleEvent \
         Timer_BoundaryEvent_SubProcess_TimeCycle Timer_StartEvent_TimeCycle_EventSubProcess_NonInterrupting Multiple_Parallel_IntermediateEvent \
         Multiple_IntermediateEvent_ThrowFirstEventDefinition Multiple_IntermediateEvent_ThrowLastEventDefinition Multiple_IntermediateThrowEvent \
         Multiple_IntermediateEvent_MissingEvent Multiple_Parallel_IntermediateEvent_MissingEvent EventDefinitionRef_Error_EndEvent_TopLevel \
         EventDefinitionRef_Error_StartEvent_EventSubProcess_Interrupting EventDefinitionRef_Signal_BoundaryEvent_SubProcess_NonInterrupting \
         EventDefinitionRef_Timer_IntermediateEvent",
    ),
    (
        "Errors",
        "ParallelGateway_Conditions*4 ExclusiveDiverging_ParallelConverging*3 InclusiveDiverging_ParallelConverging*3 LoopTask_NegativeLoopMaximum \
         MultiInstanceTask_NegativeLoopCardinality Token_StartQuantity_Two Token_StartQuantity_Zero Token_CompletionQuantity_Zero",
    ),
    ("Data", "DataObject_ReadWrite_String Property_ReadWrite_String"),
    (
        "Control-flow patterns",
        "WCP01_Sequence WCP02_ParallelSplit WCP03_Synchronization WCP04_ExclusiveChoice*4 WCP05_SimpleMerge*7 WCP06_MultiChoice_InclusiveGateway*7 \
         WCP06_MultiChoice_Implicit*7 WCP06_MultiChoice_ComplexGateway*7 WCP07_StructuredSynchronizingMerge*3 WCP08_MultiMerge*7 \
         WCP09_Structured_Discriminator_ComplexGateway WCP09_Structured_Discriminator_MultiInstance WCP10_ArbitraryCycles*3 WCP11_ImplicitTermination \
         WCP12_MultipleInstancesWithoutSynchronization WCP13_MultipleInstancesWithAPrioriDesignTimeKnowledge \
         WCP14_MultipleInstancesWithAPrioriRuntimeKnowledge WCP16_DeferredChoice*2 WCP17_InterleavedParallelRouting WCP19_CancelTask \
         WCP20_CancelCaseError WCP20_CancelCaseCancel WCP20_CancelCaseTerminate",
    ),
];

/// Why models of the suite are not in our tables.
const LEFT_OUT: &[(&str, &str)] = &[];

/// How often each model in our tables is run.
fn ours() -> BTreeMap<&'static str, usize> {
    let tables: [&[Case]; 10] = [
        activities::SUITE,
        basics::SUITE,
        compensation::SUITE,
        errors::SUITE,
        events::SUITE,
        gateways::SUITE,
        messages::SUITE,
        patterns::SUITE,
        signals::SUITE,
        timers::SUITE,
    ];
    let cases = tables.into_iter().flatten();
    let all: Vec<_> = cases.map(|case| (case.name, case.runs.len())).chain(delegates::SUITE.iter().map(|name| (*name, 1))).collect();
    let ours: BTreeMap<_, _> = all.iter().copied().collect();
    assert_eq!(ours.len(), all.len(), "a model is in two tables");
    ours
}

fn models(group: &'static str) -> impl Iterator<Item = (&'static str, usize)> {
    group.split_whitespace().map(|model| match model.split_once('*') {
        Some((name, runs)) => (name, runs.parse().expect("a number")),
        None => (model, 1),
    })
}

#[test]
fn every_model_of_the_suite_is_run_as_often_as_there_or_left_out_for_a_reason() {
    let mut ours = ours();
    for (name, runs) in GROUPS.iter().flat_map(|(_, group)| models(group)) {
        let left_out = LEFT_OUT.iter().any(|(names, _)| names.split(' ').any(|it| it == name));
        assert_eq!(ours.remove(name), Some(runs).filter(|_| !left_out), "{name}");
    }
    assert!(ours.is_empty(), "not in the suite: {ours:?}");
}

const BEGIN: &str = "<!-- Generated: UPDATE_EXPECT=1 cargo test -p mandate-http --test http suite -->\n";
const END: &str = "<!-- End of what is generated -->\n";

#[test]
fn readme_says_how_many_pass() {
    let path = root().join("bpmn/README.md");
    let text = std::fs::read_to_string(&path).expect("the file is there");
    let (before, rest) = text.split_once(BEGIN).expect("it has a place for the numbers");
    let (_, after) = rest.split_once(END).expect("the place has an end");
    expect_test::expect_file![path].assert_eq(&format!("{before}{BEGIN}{}{END}{after}", summary()));
}

/// What is run passes, or the tests fail that run it.
fn summary() -> String {
    let ours = ours();
    let mut text = "| group | models | runs | pass |\n|---|---|---|---|\n".to_owned();
    let mut all = [0; 4];
    for (group, names) in GROUPS {
        let (there, here): (Vec<_>, Vec<_>) =
            (models(names).collect(), models(names).filter(|(name, _)| ours.contains_key(name)).collect());
        let numbers = [there.len(), here.len(), runs(&there), runs(&here)];
        all.iter_mut().zip(numbers).for_each(|(all, number)| *all += number);
        let _ = writeln!(text, "| {group} | {} | {} | {} |", numbers[0], numbers[2], numbers[3]);
    }
    let [there, here, runs_there, runs_here] = all;
    let _ = writeln!(text, "\n{here} of {there} models in {runs_here} of {runs_there} runs pass.");
    for (names, reason) in LEFT_OUT {
        let _ = writeln!(text, "Left out, because {reason}: `{}`.", names.replace(' ', "`, `"));
    }
    text
}

fn runs(models: &[(&str, usize)]) -> usize {
    models.iter().map(|(_, runs)| runs).sum()
}
