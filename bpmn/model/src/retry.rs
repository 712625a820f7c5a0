//! Retry cycles: `camunda:failedJobRetryTimeCycle`.

use crate::definition::RetryPolicy;
use crate::diagnostic::shown;
use crate::time;

/// More attempts than this are refused: no loop of retries is without an end that somebody lives to see.
pub const MAX_ATTEMPTS: usize = 1_000;

impl RetryPolicy {
    /// Reads a retry cycle in one of three forms:
    ///
    /// - `R3/PT10S`: as in Camunda 7, three attempts *in all*, ten seconds apart.
    /// - `PT10S,PT1M,PT10M`: as in Camunda 7, a wait after each failed attempt; one attempt more than waits. A single duration is a list of
    ///   one.
    /// - `R3/PT5M,R2/PT30M,R1/PT2H`: three waits of five minutes, then two of half an hour, then one of two hours; one attempt more than
    ///   waits.
    ///
    /// Durations are ISO 8601 without months and years. At most [`MAX_ATTEMPTS`] attempts; `R0/…` and `R/…` (without an end) are refused.
    /// The error says what is wrong, as a lowercase sentence.
    pub fn parse(cycle: &str) -> Result<RetryPolicy, String> {
        let cycle = cycle.trim();
        if cycle.is_empty() {
            return Err("the retry cycle is empty".to_owned());
        }
        if cycle.contains("${") || cycle.contains("#{") || cycle.starts_with('=') {
            return Err(format!("'{}' is an expression, and no retry cycle", shown(cycle)));
        }
        let parts: Vec<&str> = cycle.splitn(MAX_ATTEMPTS + 1, ',').map(str::trim).collect();
        if parts.len() > MAX_ATTEMPTS {
            return Err(too_many());
        }
        let cycles = parts.iter().filter(|part| part.starts_with(['R', 'r'])).count();
        let waits_ms = match (cycles, parts.as_slice()) {
            (0, durations) => durations.iter().map(|duration| wait(duration)).collect::<Result<_, _>>()?,
            (1, [cycle]) => {
                let (attempts, wait) = repeated(cycle)?;
                vec![wait; attempts - 1]
            }
            (n, cycles) if n == cycles.len() => {
                let mut waits = Vec::new();
                for cycle in cycles {
                    let (times, wait) = repeated(cycle)?;
                    if waits.len() + times >= MAX_ATTEMPTS {
                        return Err(too_many());
                    }
                    waits.extend(std::iter::repeat_n(wait, times));
                }
                waits
            }
            _ => return Err(format!("'{}' mixes cycles such as R3/PT10S with plain durations", shown(cycle))),
        };
        Ok(RetryPolicy { waits_ms })
    }

    /// How often the work is tried before it becomes an incident.
    pub fn attempts(&self) -> usize {
        self.waits_ms.len() + 1
    }
}

/// Reads `R3/PT10S`: how often, which is from 1 to [`MAX_ATTEMPTS`], and the milliseconds between.
fn repeated(cycle: &str) -> Result<(usize, u64), String> {
    let malformed = || format!("'{}' is not a cycle such as R3/PT10S", shown(cycle));
    let (times, duration) = cycle.strip_prefix(['R', 'r']).and_then(|rest| rest.split_once('/')).ok_or_else(malformed)?;
    if times.is_empty() {
        return Err(format!("'{}' has no end: a cycle says how often, as in R3/PT10S", shown(cycle)));
    }
    if !times.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed());
    }
    let wait = wait(duration)?;
    match times.parse::<usize>() {
        Ok(0) => Err(format!("'{}' would never be tried: a cycle repeats at least once", shown(cycle))),
        Ok(times) if times <= MAX_ATTEMPTS => Ok((times, wait)),
        _ => Err(too_many()),
    }
}

fn wait(duration: &str) -> Result<u64, String> {
    time::millis(duration).map_err(|error| error.to_string())
}

fn too_many() -> String {
    format!("the retry cycle has more than {MAX_ATTEMPTS} attempts")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000;
    const MINUTE: u64 = 60 * SECOND;
    const HOUR: u64 = 60 * MINUTE;

    fn waits(cycle: &str) -> Vec<u64> {
        RetryPolicy::parse(cycle).unwrap().waits_ms
    }

    #[test]
    fn a_single_cycle_counts_attempts_as_camunda_does() {
        assert_eq!(waits("R3/PT10S"), [10 * SECOND, 10 * SECOND]);
        assert_eq!(RetryPolicy::parse("R3/PT10S").unwrap().attempts(), 3);
        assert_eq!(waits("R1/PT10S"), [0_u64; 0], "one attempt has nothing to wait for");
        assert_eq!(waits(" R2/PT1H "), [HOUR]);
        assert_eq!(waits("R1000/PT1S").len(), 999);
    }

    #[test]
    fn an_interval_list_waits_once_for_each() {
        assert_eq!(waits("PT10S,PT1M,PT10M"), [10 * SECOND, MINUTE, 10 * MINUTE]);
        assert_eq!(waits("PT10S, PT1M"), [10 * SECOND, MINUTE]);
        assert_eq!(waits("PT5M"), [5 * MINUTE]);
    }

    #[test]
    fn a_list_of_cycles_waits_through_each() {
        let policy = RetryPolicy::parse("R3/PT5M,R2/PT30M,R1/PT2H").unwrap();
        assert_eq!(policy.waits_ms, [5 * MINUTE, 5 * MINUTE, 5 * MINUTE, 30 * MINUTE, 30 * MINUTE, 2 * HOUR]);
        assert_eq!(policy.attempts(), 7);
    }

    #[test]
    fn what_never_ends_or_never_starts_is_refused() {
        for cycle in [
            "",
            " ",
            "R0/PT10S",
            "R/PT10S",
            "R-1/PT10S",
            "R3",
            "R3/",
            "3/PT10S",
            "R3/10s",
            "PT10S,",
            ",",
            "PT10S,R3/PT1M",
            "R1001/PT1S",
            "R99999999999999999999/PT1S",
            "R999/PT1S,R1/PT1S",
            "R3/PT1S,R0/PT1S",
            "R3/P1M",
            "${cycle}",
            "= cycle",
            "R3/${wait}",
            "R3/2030-01-01T00:00:00Z/PT1H",
        ] {
            assert!(RetryPolicy::parse(cycle).is_err(), "{cycle}");
        }
        assert!(RetryPolicy::parse(&"PT1S,".repeat(1_000_000)).is_err());
        assert_eq!(RetryPolicy::parse("R1001/PT1S").unwrap_err(), "the retry cycle has more than 1000 attempts");
        assert_eq!(waits("R998/PT1S,R1/PT1S").len(), 999);
    }
}
