//! Every bound of the engine. Past one of them a unit of work fails with a code that names it; it never hangs.

/// Elements that one unit of work may enter, each instance of a multi-instance activity counted: ten thousand instances of a sub-process of
/// some synchronous elements. The longest sensible chain without one is some hundreds; past this it is a loop that no wait state
/// interrupts.
pub const MAX_STEPS: u32 = 100_000;

/// A search for where tokens may still come takes a note of every element, a hundred times faster than a step takes. Past so many elements
/// it counts as a step, and as another one for each time as many.
pub const ELEMENTS_PER_STEP: usize = 1_000;

/// Scopes inside each other, the process counted. The parser refuses deeper models; scopes are walked recursively, so that the engine
/// asserts the same bound.
pub const MAX_SCOPE_DEPTH: usize = 64;

/// Processes that call each other, the first not counted. Deep hierarchies have five or six levels; past this it is a process that calls
/// itself without an end, which would otherwise fill the database.
pub const MAX_CALL_DEPTH: u32 = 50;

/// Escalations of one called process that are deferred while its caller is suspended, or takes them up slower than they come. One a minute
/// for a week; a snapshot is written with all of them, some ten bytes each.
pub const MAX_DEFERRED_REPORTS: usize = 10_000;

/// Instances directly inside one scope that are active or may be compensated. A model that multiplies tokens in a loop would otherwise grow
/// its snapshot without an end; at some 30 bytes each, this many are 3 MB.
pub const MAX_SCOPE_ACTIVITIES: usize = 100_000;

/// Attempts of a job whose element names no retry cycle: Camunda 7's default of three.
pub const DEFAULT_ATTEMPTS: u32 = 3;

/// The wait after a job's first failure when its element names no retry cycle; it doubles with every further one. Long enough
/// for a service to restart, short enough that nobody waits for it.
pub const DEFAULT_FIRST_WAIT_MS: u64 = 5_000;

/// How far a default wait is moved either way, in percent, so that jobs that failed together do not come back together.
pub const DEFAULT_JITTER_PERCENT: u64 = 20;

/// The longest wait that a delegate's advice is granted: 30 days. Past it the job would look stuck to everybody.
pub const MAX_ADVISED_WAIT_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// The deepest nesting of a variable's JSON: what `serde_json` parses without complaint, less a margin.
pub const MAX_JSON_DEPTH: usize = 120;

/// Activities that are written with the instance's snapshot. Those that begin while there are as many have rows of their own, written when
/// they change: a unit of work in an instance of ten thousand writes what one of ten writes.
pub const MAX_INLINE_ACTIVITIES: usize = 64;

/// Parallel instances of a multi-instance activity of which there are more are all stored apart, whatever room there is: as long as one of
/// many is written with the snapshot it is written again whenever another ends.
pub const MAX_INLINE_INSTANCES: usize = 16;

/// The largest JSON text of a variable that is written with the snapshot. A larger one has a row of its own.
pub const MAX_INLINE_VARIABLE_BYTES: usize = 1024;
