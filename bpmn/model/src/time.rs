//! ISO 8601 dates, durations and repeating intervals, and cron expressions, as timers, due dates and retry cycles write them.
//!
//! Moments are milliseconds since 1970-01-01T00:00:00Z. What names no time zone is UTC, so that the answer does not depend on the
//! machine's; a date or cycle may name one in brackets (`2030-12-24T18:00:00[Europe/Berlin]`, RFC 9557). There is no clock here: now is an
//! argument.

mod cron;
mod cycle;
mod pattern;
mod zone;

pub use cycle::Cycle;
pub use pattern::{DatePattern, rfc_3339};

use jiff::fmt::temporal::SpanParser;
use jiff::tz::TimeZone;
use jiff::{SpanRelativeTo, Timestamp};

/// No duration, date or cycle is longer than this, in bytes. The longest sensible one has some hundred: a start with its zone and a period,
/// or a cron expression with lists.
const MAX_TEXT: usize = 200;

/// The longest fixed duration: a hundred years of 366 days. Longer waits between attempts are slips of the pen, and with this bound a
/// sum with any date of our time stays within what can be stored.
pub const MAX_FIXED_MS: u64 = 100 * 366 * 24 * 3_600 * 1_000;

/// Why a text is not a date or duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// It does not begin or go on as ISO 8601 has it.
    #[error("'{text}' is not an ISO 8601 duration such as PT30S, PT10M, P1D or P1M: {reason}")]
    NotADuration {
        /// The text.
        text: String,
        /// What the parser says.
        reason: String,
    },
    /// It does not begin or go on as ISO 8601 has it.
    #[error("'{text}' is not an ISO 8601 date such as 2030-12-24T18:00:00Z: {reason}")]
    NotADate {
        /// The text.
        text: String,
        /// What the parser says.
        reason: String,
    },
    /// It is neither of the two.
    #[error("'{text}' is neither a repeating interval such as R3/PT10M nor a cron expression such as '0 0/5 * * * *': {reason}")]
    NotACycle {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Months and years have no fixed length.
    #[error("'{0}' has no fixed length, because months and years differ; write it in days")]
    NotFixed(String),
    /// Past what can be stored.
    #[error("'{0}' lies beyond the year 9999")]
    TooFar(String),
}

/// When a timer or due date falls, `now_ms` being the moment its wait begins. Like Camunda 7's due dates it takes both: what begins with
/// `P` (or a signed `P`) is a duration, everything else a date.
pub fn due(now_ms: i64, date_or_duration: &str) -> Result<i64, TimeError> {
    let text = date_or_duration.trim();
    if text.trim_start_matches(['+', '-']).starts_with(['P', 'p']) { due_after(now_ms, text) } else { due_at(text) }
}

/// The moment that lies an ISO 8601 duration after `now_ms`. A month is a month of the UTC calendar (the 31st goes to the last day of a
/// shorter month), weeks mix with other units, and a negative duration means now.
pub fn due_after(now_ms: i64, iso_duration: &str) -> Result<i64, TimeError> {
    let text = iso_duration.trim();
    let span = span(text)?;
    let too_far = || TimeError::TooFar(short(text));
    let now = Timestamp::from_millisecond(now_ms).map_err(|_| too_far())?;
    let due = now.to_zoned(TimeZone::UTC).checked_add(span);
    match due {
        Ok(due) => Ok(due.timestamp().as_millisecond().max(now_ms)),
        Err(_) if span.is_negative() => Ok(now_ms),
        Err(_) => Err(too_far()),
    }
}

/// The moment an ISO 8601 date names: with an offset (`Z`, `+01:00`, or `+0100` as Camunda prints it), with a time zone in brackets, or
/// without either, which then is UTC; a date without a time is its midnight.
pub fn due_at(iso_date: &str) -> Result<i64, TimeError> {
    let millisecond = pattern::millisecond(&zone::moment(iso_date)?);
    // Dates are written in UTC.
    if pattern::utc(millisecond).is_some() { Ok(millisecond) } else { Err(TimeError::TooFar(short(iso_date.trim()))) }
}

/// The length of a duration without months and years in milliseconds; a day has 24 hours. Negative is zero, more than [`MAX_FIXED_MS`] is
/// refused.
pub fn millis(iso_duration: &str) -> Result<u64, TimeError> {
    let text = iso_duration.trim();
    let span = span(text)?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err(TimeError::NotFixed(short(text)));
    }
    if span.is_negative() {
        return Ok(0);
    }
    let too_far = || TimeError::TooFar(short(text));
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| too_far())?;
    u64::try_from(length.as_millis()).ok().filter(|ms| *ms <= MAX_FIXED_MS).ok_or_else(too_far)
}

fn span(text: &str) -> Result<jiff::Span, TimeError> {
    static PARSER: SpanParser = SpanParser::new();
    let not_a_duration = |reason: String| TimeError::NotADuration { text: short(text), reason };
    if text.len() > MAX_TEXT {
        return Err(not_a_duration("it is too long".to_owned()));
    }
    PARSER.parse_span(text).map_err(|error| not_a_duration(error.to_string()))
}

fn short(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-01-31T12:00:00Z.
    const NOW: i64 = 1_706_702_400_000;

    fn after(duration: &str) -> String {
        match due_after(NOW, duration) {
            Ok(due) => Timestamp::from_millisecond(due).unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn at(date: &str) -> String {
        match due_at(date) {
            Ok(due) => Timestamp::from_millisecond(due).unwrap().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn durations_are_counted_on_the_calendar() {
        assert_eq!(after("PT10S"), "2024-01-31T12:00:10Z");
        assert_eq!(after("PT1.5S"), "2024-01-31T12:00:01.5Z");
        assert_eq!(after("P1D"), "2024-02-01T12:00:00Z");
        assert_eq!(after("P1M"), "2024-02-29T12:00:00Z", "2024 is a leap year");
        assert_eq!(after("P1Y1M"), "2025-02-28T12:00:00Z");
        assert_eq!(after("P1W2D"), "2024-02-09T12:00:00Z");
        assert_eq!(after("P1Y2M3W4DT5H6M7S"), "2025-04-25T17:06:07Z");
        assert_eq!(after(" PT1H\n"), "2024-01-31T13:00:00Z");
        assert_eq!(after("PT0S"), "2024-01-31T12:00:00Z");
    }

    #[test]
    fn a_negative_duration_is_now() {
        assert_eq!(after("-PT10S"), "2024-01-31T12:00:00Z");
        assert_eq!(after("-P9000Y"), "2024-01-31T12:00:00Z");
        assert_eq!(millis("-PT10S"), Ok(0));
    }

    #[test]
    fn a_duration_past_the_year_9999_is_refused() {
        assert_eq!(after("P9000Y"), "'P9000Y' lies beyond the year 9999");
        assert_eq!(due_after(i64::MAX, "PT1S"), Err(TimeError::TooFar("PT1S".to_owned())));
        assert_eq!(due_after(i64::MIN, "PT1S"), Err(TimeError::TooFar("PT1S".to_owned())));
        assert!(matches!(due_after(NOW, "P99999999999999999999Y"), Err(TimeError::NotADuration { .. })));
    }

    #[test]
    fn what_is_not_a_duration_says_so() {
        for text in ["", "10", "P", "PT", "1h", "10 minutes", "P1S", "PT1H1H", "P1.5M", "R3/PT10S", "PT5", "ＰＴ5Ｓ"] {
            assert!(matches!(due_after(NOW, text), Err(TimeError::NotADuration { .. })), "{text}");
        }
        assert!(matches!(due_after(NOW, &"P".repeat(1_000)), Err(TimeError::NotADuration { .. })));
    }

    #[test]
    fn dates_come_with_every_kind_of_offset_or_none() {
        assert_eq!(at("2030-12-24T18:00:00Z"), "2030-12-24T18:00:00Z");
        assert_eq!(at("2030-12-24T18:00:00"), "2030-12-24T18:00:00Z");
        assert_eq!(at("2030-12-24T18:00"), "2030-12-24T18:00:00Z");
        assert_eq!(at("2030-12-24T18:00:00+01:00"), "2030-12-24T17:00:00Z");
        assert_eq!(at("2030-12-24T18:00:00.250+0000"), "2030-12-24T18:00:00.25Z");
        assert_eq!(at("2030-12-24T18:00:00.250-0530"), "2030-12-24T23:30:00.25Z");
        assert_eq!(at("2030-12-24"), "2030-12-24T00:00:00Z");
    }

    #[test]
    fn dates_may_name_their_zone() {
        assert_eq!(at("2030-12-24T18:00:00[Europe/Berlin]"), "2030-12-24T17:00:00Z");
        assert_eq!(at("2030-07-24T18:00:00[europe/berlin]"), "2030-07-24T16:00:00Z");
        assert_eq!(at("2030-07-24T18:00:00+02:00[Europe/Berlin]"), "2030-07-24T16:00:00Z");
        assert_eq!(at("2030-07-24T18:00:00Z[Europe/Berlin]"), "2030-07-24T18:00:00Z");
        assert_eq!(at("2030-07-24[America/New_York]"), "2030-07-24T04:00:00Z");
        assert_eq!(at("2026-03-29T02:30:00[Europe/Berlin]"), "2026-03-29T01:30:00Z", "the clocks go from 2 to 3");
        assert_eq!(at("2026-10-25T02:30:00[Europe/Berlin]"), "2026-10-25T00:30:00Z", "the first of two");
    }

    #[test]
    fn what_is_not_a_date_says_so() {
        for text in [
            "",
            "tomorrow",
            "2030-13-01",
            "2030-02-30T00:00:00Z",
            "PT1H",
            "2030-12-24T18:00:00[Europe/Nowhere]",
            "2030-12-24T18:00:00+02:00[Europe/Berlin]",
        ] {
            assert!(matches!(due_at(text), Err(TimeError::NotADate { .. })), "{text}");
        }
        assert_eq!(due_at("9999-12-31T23:59:59.999Z").map(rfc_3339).as_deref(), Ok("9999-12-31T23:59:59.999Z"));
        assert_eq!(due_at("9999-12-31[Asia/Tokyo]").map(rfc_3339).as_deref(), Ok("9999-12-30T15:00:00.000Z"));
        assert_eq!(at("9999-12-31T23:59:59-20:00"), "'9999-12-31T23:59:59-20:00' lies beyond the year 9999");
    }

    #[test]
    fn a_due_date_takes_either() {
        assert_eq!(due(NOW, "PT1H"), due_after(NOW, "PT1H"));
        assert_eq!(due(NOW, "-PT1H"), Ok(NOW));
        assert_eq!(due(NOW, "2030-12-24T18:00:00Z"), due_at("2030-12-24T18:00:00Z"));
    }

    #[test]
    fn fixed_durations_have_no_months() {
        assert_eq!(millis("PT10S"), Ok(10_000));
        assert_eq!(millis("P1DT1H"), Ok(25 * 3_600_000));
        assert_eq!(millis("P2W"), Ok(14 * 24 * 3_600_000));
        assert_eq!(millis("P1M"), Err(TimeError::NotFixed("P1M".to_owned())));
        assert_eq!(millis("P1Y"), Err(TimeError::NotFixed("P1Y".to_owned())));
        assert_eq!(millis("P40000D"), Err(TimeError::TooFar("P40000D".to_owned())));
    }
}
