//! Every bound of the engine. Past one of them a unit of work fails with a code that names it; it never hangs.

/// Elements that one unit of work may enter, each instance of a multi-instance activity counted: ten thousand instances of a sub-process of
/// some synchronous elements. The longest sensible chain without one is some hundreds; past this it is a loop that no wait state
/// interrupts.
pub(crate) const MAX_STEPS: u32 = 100_000;

/// Steps that the expressions of one step of an instance may take together ([`mandate_feel::Limits::steps`]): some seconds. A hundred
/// expressions may each take all that one may; past this it is a loop that asks something dear each time.
pub(crate) const MAX_EXPRESSION_STEPS: u32 = 100 * mandate_feel::Limits::STEPS;

/// How much one unit of work may do. Past it the unit fails: so whoever gives it less than all can only be told that it is not enough, and
/// what it comes to is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Elements that it may enter, as `MAX_STEPS`.
    pub steps: u32,
    /// What its expressions may take together, as `MAX_EXPRESSION_STEPS`.
    pub expression_steps: u32,
}

impl Bounds {
    /// All that a unit may do.
    pub const FULL: Self = Self { steps: MAX_STEPS, expression_steps: MAX_EXPRESSION_STEPS };

    /// What takes well below a millisecond where the instance and what it is given are small: on its way to the next wait a process passes
    /// some elements, and sets some variables.
    pub const BRIEF: Self = Self { steps: 50, expression_steps: 1_000 };
}

/// A search for where tokens may still come takes a note of every element, and one for whoever waits for what has happened looks at every
/// wait, a hundred times faster than a step takes. Past so many elements or waits it counts as a step, and as another one for each time as
/// many.
pub(crate) const ELEMENTS_PER_STEP: usize = 1_000;

/// Scopes inside each other, the process counted. The parser refuses deeper models; scopes are walked recursively, so that the engine
/// asserts the same bound.
pub(crate) const MAX_SCOPE_DEPTH: usize = 64;

/// Processes that call each other, the first not counted. Deep hierarchies have five or six levels; past this it is a process that calls
/// itself without an end, which would otherwise fill the database.
pub(crate) const MAX_CALL_DEPTH: u32 = 50;

/// Escalations of one called process that are deferred while its caller is suspended, or takes them up slower than they come. One a minute
/// for a week; a snapshot is written with all of them, some ten bytes each.
pub(crate) const MAX_DEFERRED_REPORTS: usize = 10_000;

/// Instances directly inside one scope that are active or may be compensated. A model that multiplies tokens in a loop would otherwise grow
/// its snapshot without an end; at some 30 bytes each, this many are 3 MB. And tokens on their way in one unit of work.
pub(crate) const MAX_SCOPE_ACTIVITIES: usize = 100_000;

/// Attempts of a job whose element names no retry cycle: Camunda 7's default of three.
pub(crate) const DEFAULT_ATTEMPTS: u32 = 3;

/// The wait after a job's first failure when its element names no retry cycle; it doubles with every further one. Long enough
/// for a service to restart, short enough that nobody waits for it.
pub(crate) const DEFAULT_FIRST_WAIT_MS: u64 = 5_000;

/// How far a default wait is moved either way, in percent, so that jobs that failed together do not come back together.
pub(crate) const DEFAULT_JITTER_PERCENT: u64 = 20;

/// The longest wait that a delegate's advice is granted: 30 days. Past it the job would look stuck to everybody.
pub(crate) const MAX_ADVISED_WAIT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// The deepest nesting of a variable's JSON: what `serde_json` parses without complaint, less a margin.
pub const MAX_JSON_DEPTH: usize = 120;

/// Activities that are written with the instance's snapshot. Those that begin while there are as many have rows of their own, written when
/// they change: a unit of work in an instance of ten thousand writes what one of ten writes.
pub const MAX_INLINE_ACTIVITIES: usize = 64;

/// Parallel instances of a multi-instance activity of which there are more are all stored apart, whatever room there is: as long as one of
/// many is written with the snapshot it is written again whenever another ends.
pub(crate) const MAX_INLINE_INSTANCES: usize = 16;

/// The largest JSON text of a variable that is written with the snapshot. A larger one has a row of its own.
pub const MAX_INLINE_VARIABLE_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Run, parse};
    use crate::{Code, Input, Moment, Stop, step};

    /// Takes what a script comes to one input further with less and less. It comes to the same, or to nothing; and to nothing where least
    /// is given. Answers why.
    fn shrink(elements: &str, script: &[&str], input: impl Fn(&Run<'_>) -> Input, give: impl Fn(u32) -> Bounds) -> Code {
        let definition = parse(elements);
        let mut run = Run::new(&definition);
        for line in script {
            run.line(line);
        }
        let taken = |bounds| {
            let mut instance = run.instance.clone();
            step(&definition, &mut instance, input(&run), Moment::from(0).within(bounds)).map(|effects| (effects, instance))
        };
        let full = taken(Bounds::FULL).expect("it comes to something");
        let mut last = None;
        assert_eq!(taken(give(1 << 13)).as_ref(), Ok(&full), "that is enough");
        for n in (0..13).rev() {
            match taken(give(1 << n)) {
                Ok(less) if last.is_none() => assert_eq!(less, full, "with {:?}", give(1 << n)),
                Err(Stop::Failed(failure)) => last = Some(failure.code),
                other => panic!("with {:?} it comes to {other:?}", give(1 << n)),
            }
        }
        last.expect("least is too little")
    }

    fn complete(run: &Run<'_>) -> Input {
        let wait = run.instance.tasks().next().expect("it waits for a person").wait;
        Input::CompleteTask { wait, variables: crate::Variables::new() }
    }

    fn of_expressions(expression_steps: u32) -> Bounds {
        Bounds { expression_steps, ..Bounds::FULL }
    }

    #[test]
    fn a_unit_that_is_given_less_comes_to_the_same_or_to_nothing() {
        let of_elements = |steps| Bounds { steps, ..Bounds::FULL };
        let chain = "<startEvent id='s'/><userTask id='u'/><task id='a'/><task id='b'/><task id='c'/>{s>u>a>b>c}";
        assert_eq!(shrink(chain, &["start"], complete, of_elements), Code::StepLimit);

        // Those that are about to be asked, or to get a signal, are counted before.
        let waits = "<startEvent id='s'/><task id='f'/><userTask id='u'/><scriptTask id='set' scriptFormat='feel' camunda:resultVariable='n'>\
                     <script>1</script></scriptTask><intermediateThrowEvent id='t'><signalEventDefinition signalRef='sig'/>\
                     </intermediateThrowEvent><subProcess id='p'><multiInstanceLoopCharacteristics><loopCardinality>30</loopCardinality>\
                     </multiInstanceLoopCharacteristics><startEvent id='ps'/><userTask id='w'/><boundaryEvent id='c' attachedToRef='w' \
                     cancelActivity='false'><conditionalEventDefinition><condition>= n > 0</condition></conditionalEventDefinition>\
                     </boundaryEvent><boundaryEvent id='g' attachedToRef='w' cancelActivity='false'><signalEventDefinition signalRef='sig'/>\
                     </boundaryEvent><task id='x'/>{ps>w}{c>x}{g>x}</subProcess>{s>f}{f>u>set>t}{f>p}";
        assert_eq!(shrink(waits, &["start"], complete, of_elements), Code::StepLimit);
    }

    #[test]
    fn what_goes_on_without_an_expression_does_not_go_on_for_want_of_steps() {
        let priority = "<startEvent id='s'/><userTask id='u'/><task id='a' camunda:asyncBefore='true' \
                        camunda:jobPriority='= count(for i in 1..300 return i)'/>{s>u>a}";
        assert_eq!(shrink(priority, &["start"], complete, of_expressions), Code::StepLimit);

        let error = "<startEvent id='s'/><serviceTask id='w' camunda:type='external' camunda:topic='t'><extensionElements>\
                     <camunda:errorEventDefinition errorRef='err' expression='= count(for i in 1..300 return i) = 300'/></extensionElements>\
                     </serviceTask><boundaryEvent id='b' attachedToRef='w'><errorEventDefinition errorRef='err'/></boundaryEvent>\
                     <userTask id='u'/>{s>w}{b>u}";
        let fail = |run: &Run<'_>| Input::FailExternalTask {
            wait: run.instance.external_tasks().next().expect("it waits for a worker").wait,
            message: None,
            details: None,
            retries: 1,
            variables: crate::Variables::new(),
            local_variables: crate::Variables::new(),
        };
        assert_eq!(shrink(error, &["start"], fail, of_expressions), Code::StepLimit);
    }
}
