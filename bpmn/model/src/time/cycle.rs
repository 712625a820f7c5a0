//! Cycles: what repeats.

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Zoned};

use super::cron::Cron;
use super::{MAX_TEXT, TimeError, short, span, zone};

/// A `timeCycle`: an ISO 8601 repeating interval, or a cron expression.
///
/// - `R4/PT10S`: four times, the first time ten seconds after the moment at which the timer is set; `R/PT1H` without an end.
/// - `R3/2026-01-01T00:00:00Z/PT1H`: from the start on, if that lies ahead, and then three times more.
/// - `R3/PT1H/2026-02-01T00:00:00Z`: at the end, and three times before it, as far as that lies ahead.
/// - `R3/2026-01-01T00:00:00Z/2026-01-01T01:00:00Z`: from the start on, as far apart as the two are.
/// - `0 0/5 * * * *`, `@daily`: a cron expression in Spring's dialect, in UTC or in the zone that stands behind it in brackets:
///   `0 0 9 * * MON-FRI [Europe/Berlin]`.
///
/// As in Camunda 7 (`DurationHelper`, `CycleBusinessCalendar`) the dates are fixed when the timer is set: one that fires late is not made
/// up for, and the next is the next of the fixed dates. Different from there each is counted from the start, so that what begins on the
/// 31st does not drift to the 28th. Days and months are counted on the calendar of the start's (or the end's) zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    text: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    /// From a start on.
    Forward {
        start: Zoned,
        period: Period,
        times: i64,
    },
    /// Back from an end.
    Backward {
        end: Zoned,
        period: Period,
        times: i64,
    },
    Cron {
        cron: Box<Cron>,
        zone: TimeZone,
    },
}

/// `Span` has no equality of its own: this is that of its parts.
#[derive(Clone, Copy, Debug)]
struct Period(Span);

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.0.fieldwise() == other.0.fieldwise()
    }
}

impl Eq for Period {}

/// More repetitions than this do not fit before the year 9999, and `R` has no fewer.
const ENDLESS: i64 = i64::MAX / 4;

impl Cycle {
    /// Reads a cycle that is set at `now_ms`, in milliseconds since 1970.
    pub fn parse(text: &str, now_ms: i64) -> Result<Self, TimeError> {
        let text = text.trim();
        let not_a_cycle = |reason: String| TimeError::NotACycle { text: short(text), reason };
        if text.len() > MAX_TEXT {
            return Err(not_a_cycle("it is too long".to_owned()));
        }
        if let Some(interval) = text.strip_prefix('R') {
            return interval_of(text, interval, now_ms).map_err(|error| match error {
                Wrong::Form(reason) => not_a_cycle(reason),
                Wrong::Part(error) => error,
            });
        }
        let (expression, zone) = in_zone(text).map_err(not_a_cycle)?;
        let cron = Box::new(Cron::parse(expression).map_err(not_a_cycle)?);
        Ok(Self { text: text.to_owned(), rule: Rule::Cron { cron, zone } })
    }

    /// The cycle as it is kept: read again, whenever that is, it means the same dates.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it has no last date before the year 9999.
    pub fn is_endless(&self) -> bool {
        match &self.rule {
            Rule::Cron { cron, .. } => cron.is_every_year(),
            Rule::Forward { times, .. } => *times == ENDLESS,
            Rule::Backward { .. } => false,
        }
    }

    /// Whether it says how often, as `R4/PT10S` does and `R/PT10S` or a cron expression does not.
    pub fn is_counted(&self) -> bool {
        matches!(self.rule, Rule::Forward { times, .. } | Rule::Backward { times, .. } if times < ENDLESS)
    }

    /// The first of its dates after a moment, in milliseconds since 1970; none if it is over.
    pub fn after(&self, moment_ms: i64) -> Option<i64> {
        let moment = Timestamp::from_millisecond(moment_ms).ok()?;
        let next = match &self.rule {
            Rule::Cron { cron, zone } => cron.next(moment, zone)?,
            Rule::Forward { start, period, times } => {
                // What lies beyond the year 9999 is after everything.
                let is_after = |n: i64| nth(start, *period, n).is_none_or(|date| date > moment);
                let n = first(*times, is_after)?;
                nth(start, *period, n)?
            }
            Rule::Backward { end, period, times } => {
                let is_after = |n: i64| nth(end, *period, -n).is_some_and(|date| date > moment);
                // The one before the first that is not after the moment any more.
                let n = first(*times, |n| !is_after(n)).map_or(Some(*times), |n| (n > 0).then(|| n - 1))?;
                nth(end, *period, -n)?
            }
        };
        Some(next.as_millisecond()).filter(|next| *next > moment_ms)
    }
}

/// The least number from 0 to `times` from which on a condition holds.
fn first(times: i64, holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut low, mut high) = (0, times);
    if !holds(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

/// So many periods away from a date, to the millisecond; none beyond what can be stored.
fn nth(from: &Zoned, Period(period): Period, n: i64) -> Option<Timestamp> {
    let moment = from.checked_add(period.checked_mul(n).ok()?).ok()?.timestamp();
    Timestamp::from_millisecond(moment.as_millisecond()).ok()
}

enum Wrong {
    /// The whole is not built like a cycle.
    Form(String),
    /// One of its parts is no date or duration.
    Part(TimeError),
}

impl From<TimeError> for Wrong {
    fn from(error: TimeError) -> Self {
        Self::Part(error)
    }
}

/// What stands behind the `R`.
fn interval_of(text: &str, interval: &str, now_ms: i64) -> Result<Cycle, Wrong> {
    let form = |reason: &str| Wrong::Form(reason.to_owned());
    let mut parts = interval.split('/');
    let times = match parts.next().unwrap_or_default() {
        "" => ENDLESS,
        times if times.bytes().all(|byte| byte.is_ascii_digit()) => times.parse().unwrap_or(ENDLESS).min(ENDLESS),
        _ => return Err(form("behind the R stands how often, or nothing")),
    };
    // A zone's name has slashes, too: what is in brackets is not taken apart.
    let rest = interval.split_once('/').map(|(_, rest)| rest).ok_or_else(|| form("a period is missing, as in R3/PT10M"))?;
    let (first, second) = halves(rest);
    let rule = match second {
        None => {
            let start = moment(now_ms)?.to_zoned(TimeZone::UTC);
            Rule::Forward { start, period: period_of(first)?, times }
        }
        Some(end) if is_duration(first) => Rule::Backward { end: zone::zoned(end)?, period: period_of(first)?, times },
        Some(duration) if is_duration(duration) => Rule::Forward { start: zone::zoned(first)?, period: period_of(duration)?, times },
        Some(end) => {
            let (start, end) = (zone::zoned(first)?, zone::zoned(end)?);
            let apart = end.timestamp().as_millisecond() - start.timestamp().as_millisecond();
            if apart <= 0 {
                return Err(form("its end is not after its start"));
            }
            Rule::Forward { start, period: Period(Span::new().milliseconds(apart)), times }
        }
    };
    let text = match (&rule, second) {
        (Rule::Forward { start, .. }, None) => format!("R{}/{}/{first}", interval.split('/').next().unwrap_or_default(), start.timestamp()),
        _ => text.to_owned(),
    };
    Ok(Cycle { text, rule })
}

fn moment(now_ms: i64) -> Result<Timestamp, Wrong> {
    Timestamp::from_millisecond(now_ms).map_err(|_| Wrong::Part(TimeError::TooFar(now_ms.to_string())))
}

/// The two sides of the slash that is not in brackets.
fn halves(text: &str) -> (&str, Option<&str>) {
    let mut in_brackets = false;
    let slash = text.char_indices().find(|(_, char)| {
        in_brackets = (in_brackets || *char == '[') && *char != ']';
        *char == '/' && !in_brackets
    });
    slash.map_or((text, None), |(at, _)| (&text[..at], Some(&text[at + 1..])))
}

/// Whether it is meant as one: with a sign, and in small letters, as [`span`] takes it.
fn is_duration(text: &str) -> bool {
    let unsigned = text.trim_start().trim_start_matches(['+', '-', '\u{2212}']);
    unsigned.starts_with(['P', 'p'])
}

fn period_of(text: &str) -> Result<Period, Wrong> {
    let period = span(text.trim())?;
    let start = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
    if nth(&start, Period(period), 1).is_none_or(|next| next <= start.timestamp()) {
        return Err(Wrong::Form("its period is shorter than a millisecond, or longer than anything that can be stored".to_owned()));
    }
    Ok(Period(period))
}

/// A cron expression and its zone.
fn in_zone(text: &str) -> Result<(&str, TimeZone), String> {
    let Some((expression, name)) = text.strip_suffix(']').and_then(|text| text.rsplit_once('[')) else { return Ok((text, TimeZone::UTC)) };
    let zone = zone::named(name).ok_or_else(|| format!("there is no time zone '{}'", short(name)))?;
    Ok((expression, zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-20T10:00:00.250Z";

    fn ms(moment: &str) -> i64 {
        moment.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// All dates of a cycle that is set now, `max` at the most; each is asked of the stored form of the cycle.
    fn dates(cycle: &str, max: usize) -> Vec<String> {
        let set = Cycle::parse(cycle, ms(NOW)).unwrap();
        let mut at = ms(NOW);
        let mut dates = Vec::new();
        while dates.len() < max {
            let again = Cycle::parse(set.text(), at).unwrap();
            assert_eq!(again, set, "{cycle}");
            let Some(next) = again.after(at) else { break };
            at = next;
            dates.push(Timestamp::from_millisecond(at).unwrap().to_string());
        }
        dates
    }

    #[test]
    fn repeats_so_many_times_from_now() {
        assert_eq!(dates("R3/PT10S", 9), ["2026-11-20T10:00:10.25Z", "2026-11-20T10:00:20.25Z", "2026-11-20T10:00:30.25Z"]);
        assert_eq!(dates("R1/P1D", 9), ["2026-11-21T10:00:00.25Z"]);
        assert_eq!(dates("R1/+p1d", 9), dates("R1/P1D", 9));
        assert_eq!(dates("R0/PT10S", 9), [""; 0]);
        assert_eq!(dates("R/PT1H", 3).last().unwrap(), "2026-11-20T13:00:00.25Z");
        assert_eq!(dates("R99999999999999999999999999/PT1H", 3).len(), 3);
        assert_eq!(dates("R/P3000Y", 9).len(), 2, "the year 9999 is the last");
    }

    #[test]
    fn endless_is_what_has_no_number_and_no_last_year() {
        let endless = |text: &str| Cycle::parse(text, ms(NOW)).unwrap().is_endless();
        assert!(endless("R/PT1H") && endless("R/2026-12-01T00:00:00Z/PT1H") && endless("0 0 9 * * MON") && endless("@daily"));
        assert!(!endless("R5/PT1H") && !endless("R/PT1H/2026-12-01T00:00:00Z") && !endless("0 0 9 1 1 ? 2030"));
    }

    #[test]
    fn a_start_is_a_date_itself() {
        assert_eq!(dates("R2/2026-12-01T00:00:00Z/PT1H", 9), ["2026-12-01T00:00:00Z", "2026-12-01T01:00:00Z", "2026-12-01T02:00:00Z"]);
        assert_eq!(dates("R3/2026-11-20T08:30:00Z/PT1H", 9), ["2026-11-20T10:30:00Z", "2026-11-20T11:30:00Z"], "two are over");
        assert_eq!(dates("R3/2020-01-01T00:00:00Z/PT1H", 9), [""; 0]);
        assert_eq!(dates("R2/2026-12-01T00:00:00Z/2026-12-01T00:30:00Z", 9).last().unwrap(), "2026-12-01T01:00:00Z");
        assert_eq!(dates("R/0001-01-01T00:00:00Z/PT0.001S", 2), ["2026-11-20T10:00:00.251Z", "2026-11-20T10:00:00.252Z"]);
    }

    #[test]
    fn an_end_is_the_last_date() {
        assert_eq!(dates("R2/PT1H/2026-12-01T00:00:00Z", 9), ["2026-11-30T22:00:00Z", "2026-11-30T23:00:00Z", "2026-12-01T00:00:00Z"]);
        assert_eq!(dates("R/PT1H/2026-11-20T12:30:00Z", 9), ["2026-11-20T10:30:00Z", "2026-11-20T11:30:00Z", "2026-11-20T12:30:00Z"]);
        assert_eq!(dates("R5/PT1H/2026-11-20T09:00:00Z", 9), [""; 0]);
        assert_eq!(dates("R0/PT1H/2026-12-01T00:00:00Z", 9), ["2026-12-01T00:00:00Z"]);
    }

    #[test]
    fn days_and_months_are_those_of_the_zone() {
        assert_eq!(
            dates("R3/2027-01-31T09:00:00Z/P1M", 9),
            ["2027-01-31T09:00:00Z", "2027-02-28T09:00:00Z", "2027-03-31T09:00:00Z", "2027-04-30T09:00:00Z"],
            "it does not drift"
        );
        assert_eq!(
            dates("R2/2027-03-27T09:00:00[Europe/Berlin]/P1D", 9),
            ["2027-03-27T08:00:00Z", "2027-03-28T07:00:00Z", "2027-03-29T07:00:00Z"]
        );
        assert_eq!(
            dates("R2/P1D/2027-03-29T09:00:00[Europe/Berlin]", 9),
            ["2027-03-27T08:00:00Z", "2027-03-28T07:00:00Z", "2027-03-29T07:00:00Z"]
        );
        assert_eq!(dates("R1/2027-03-27T09:00:00[Europe/Berlin]/PT24H", 9).last().unwrap(), "2027-03-28T08:00:00Z");
        assert_eq!(dates("0 0 9 * * MON [Europe/Berlin]", 1), ["2026-11-23T08:00:00Z"]);
        assert_eq!(dates("0 0 9 * * MON", 1), ["2026-11-23T09:00:00Z"]);
    }

    #[test]
    fn what_is_no_cycle_says_so() {
        for text in [
            "",
            "R",
            "R3",
            "R3/",
            "R-1/PT10S",
            "Rx/PT10S",
            "R3/PT0S",
            "R3/-PT1S",
            "R3/PT0.0000001S",
            "PT10S",
            "r3/PT10S",
            "R3/10s",
            "R3/PT10S/PT10S",
            "R3/2026-01-01/2025-01-01",
            "R3/2026-01-01/PT1H/2027-01-01",
            "0 0 9 * * * [Mars/Olympus]",
            "R3/P9999Y",
            "2026-01-01T00:00:00Z",
        ] {
            assert!(Cycle::parse(text, 0).is_err(), "{text}");
        }
        assert!(Cycle::parse("R/PT1H", i64::MAX).is_err());
        assert!(Cycle::parse(&"R".repeat(1_000), 0).is_err());
    }
}
