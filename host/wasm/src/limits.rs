//! What one call may use.

use std::time::Duration;

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Enough for a JavaScript engine with its heap; a Rust guest needs 1 to 2 MiB.
const DEFAULT_MEMORY: u64 = 64 * MIB;
/// A delegate decides; it does not compute for long. A usual call takes 0.05 ms.
const DEFAULT_CPU: Duration = Duration::from_secs(1);
/// Several commands with their timeouts, and still below the lock of the job that calls.
const DEFAULT_WALL: Duration = Duration::from_secs(30);
/// One per line of a large order; more belongs into a multi-instance activity.
const DEFAULT_COMMANDS: u32 = 100;
/// A person reads them.
const DEFAULT_LOG_LINES: u32 = 200;
/// An instance's variables are at most 1 MiB.
const DEFAULT_INPUT: u64 = MIB;
/// Results are a few variables of at most 64 KiB each.
const DEFAULT_OUTPUT: u64 = 256 * KIB;
/// Commands carry identifiers and small decisions, not aggregates.
const DEFAULT_COMMAND_BODY: u64 = 256 * KIB;

/// The limits of one call, from the manifest, [capped](Self::capped_by) by the operator's. Exceeding one ends the call with
/// [`Outcome::LimitExceeded`](crate::Outcome::LimitExceeded).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all memories and tables of the component together.
    pub memory: u64,
    /// CPU time inside the guest. Waiting for a command does not count.
    pub cpu: Duration,
    /// Time from the start of the guest to its end, waiting for commands included.
    pub wall: Duration,
    /// Commands issued.
    pub commands: u32,
    /// Lines logged, written to stdout or to stderr, together.
    pub log_lines: u32,
    /// Bytes of the variables handed in, as JSON.
    pub input: u64,
    /// Bytes of what is handed out: the result, or code, message and variables of a failure.
    pub output: u64,
    /// Bytes of one command's body.
    pub command_body: u64,
}

impl Default for Limits {
    /// What a delegate gets whose manifest says nothing.
    fn default() -> Self {
        Self {
            memory: DEFAULT_MEMORY,
            cpu: DEFAULT_CPU,
            wall: DEFAULT_WALL,
            commands: DEFAULT_COMMANDS,
            log_lines: DEFAULT_LOG_LINES,
            input: DEFAULT_INPUT,
            output: DEFAULT_OUTPUT,
            command_body: DEFAULT_COMMAND_BODY,
        }
    }
}

impl Limits {
    /// The most that a manifest can ask for unless the operator says otherwise.
    pub fn ceiling() -> Self {
        Self {
            memory: 1024 * MIB,
            cpu: Duration::from_mins(1),
            wall: Duration::from_mins(10),
            commands: 10_000,
            log_lines: 10_000,
            input: 16 * MIB,
            output: 16 * MIB,
            command_body: 16 * MIB,
        }
    }

    /// Each limit, or the cap's where that is smaller.
    pub fn capped_by(&self, cap: &Self) -> Self {
        Self {
            memory: self.memory.min(cap.memory),
            cpu: self.cpu.min(cap.cpu),
            wall: self.wall.min(cap.wall),
            commands: self.commands.min(cap.commands),
            log_lines: self.log_lines.min(cap.log_lines),
            input: self.input.min(cap.input),
            output: self.output.min(cap.output),
            command_body: self.command_body.min(cap.command_body),
        }
    }

    /// Bytes that may cross from the guest to the host at once. Beyond the largest legal crossing there is room for the small
    /// parts beside it, so that what is a little too large is refused under its own name and only the enormous is not even copied.
    pub(crate) fn crossing(&self) -> usize {
        const ROOM: u64 = 64 * KIB;
        usize::try_from(self.output.max(self.command_body).saturating_mul(2).saturating_add(ROOM)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cap_lowers_only_what_is_above_it() {
        let cap = Limits { memory: MIB, commands: 1000, ..Limits::ceiling() };
        let capped = Limits::default().capped_by(&cap);
        assert_eq!(capped, Limits { memory: MIB, ..Limits::default() });
    }

    #[test]
    fn defaults_are_within_the_ceiling() {
        assert_eq!(Limits::default().capped_by(&Limits::ceiling()), Limits::default());
    }
}
