//! Methods of dates that JUEL expressions call: in Camunda 7 these are `org.joda.time.DateTime` (`dateTime().plusDays(2).toDate()`). Here a
//! date is its text as Camunda 7 writes it, such as `2026-11-20T10:00:00.000+0000`, in UTC.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Span};

use super::{Args, Builtin, builtin};
use crate::Value;
use crate::eval::{Evaluator, Fault};
use crate::temporal::Temporal;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The years that a date may have: those with four digits.
const YEARS: std::ops::RangeInclusive<i16> = 0..=9999;

/// The first parameter is the date.
pub(crate) static METHODS: &[Builtin] = &[
    builtin("toDate", &["object"], |evaluator, args| moment(evaluator, args).map(text)),
    builtin("plusSeconds", &["object, a"], |evaluator, args| later(evaluator, args, SECOND)),
    builtin("plusMinutes", &["object, a"], |evaluator, args| later(evaluator, args, MINUTE)),
    builtin("plusHours", &["object, a"], |evaluator, args| later(evaluator, args, HOUR)),
    builtin("plusDays", &["object, a"], |evaluator, args| later(evaluator, args, DAY)),
    builtin("plusWeeks", &["object, a"], |evaluator, args| later(evaluator, args, 7 * DAY)),
    builtin("plusMonths", &["object, a"], |evaluator, args| months_later(evaluator, args, 1)),
    builtin("plusYears", &["object, a"], |evaluator, args| months_later(evaluator, args, 12)),
    builtin("minusSeconds", &["object, a"], |evaluator, args| later(evaluator, args, -SECOND)),
    builtin("minusMinutes", &["object, a"], |evaluator, args| later(evaluator, args, -MINUTE)),
    builtin("minusHours", &["object, a"], |evaluator, args| later(evaluator, args, -HOUR)),
    builtin("minusDays", &["object, a"], |evaluator, args| later(evaluator, args, -DAY)),
    builtin("minusWeeks", &["object, a"], |evaluator, args| later(evaluator, args, -7 * DAY)),
    builtin("minusMonths", &["object, a"], |evaluator, args| months_later(evaluator, args, -1)),
    builtin("minusYears", &["object, a"], |evaluator, args| months_later(evaluator, args, -12)),
];

/// A moment, in milliseconds since 1970-01-01 UTC, as a date's text. None: its year has not four digits.
pub fn date_text(moment: i64) -> Option<String> {
    let local = local(moment)?;
    YEARS.contains(&local.year()).then(|| format!("{}.{:03}+0000", local.strftime("%Y-%m-%dT%H:%M:%S"), local.millisecond()))
}

fn text(moment: i64) -> Value {
    date_text(moment).map_or(Value::Null, Value::from)
}

fn later(evaluator: &mut Evaluator<'_>, args: Args<'_>, unit: i64) -> Result<Value, Fault> {
    let from = moment(evaluator, args)?;
    checked(args.integer(1)?.checked_mul(unit).and_then(|span| from.checked_add(span)))
}

/// As in Joda the last day of a month that is too short.
fn months_later(evaluator: &mut Evaluator<'_>, args: Args<'_>, unit: i64) -> Result<Value, Fault> {
    let from = local(moment(evaluator, args)?);
    let months = args.integer(1)?.checked_mul(unit).and_then(|months| Span::new().try_months(months).ok());
    let later = from.zip(months).and_then(|(from, months)| from.checked_add(months).ok());
    checked(later.and_then(millisecond))
}

fn checked(moment: Option<i64>) -> Result<Value, Fault> {
    moment.and_then(date_text).map(Value::from).ok_or_else(|| Fault::null("there is no such date"))
}

/// The moment of the date that a method is called on.
fn moment(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<i64, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    read(text).ok_or_else(|| Fault::null("a string that is no date stands where one is needed"))
}

/// Whether a text is that of a date.
pub(crate) fn is_date(text: &str) -> bool {
    read(text).is_some()
}

fn read(text: &str) -> Option<i64> {
    let Temporal::Local(local) = Temporal::read_date_and_time(text.strip_suffix("+0000")?)? else { return None };
    let moment = millisecond(local)?;
    // As Camunda 7 writes it, and no other form.
    (date_text(moment)? == text).then_some(moment)
}

/// A moment as a date and time in UTC. `Timestamp` ends a day before the year 9999 does, whose last day stands for ever in many models.
fn local(moment: i64) -> Option<DateTime> {
    let days = Span::new().try_days(moment.div_euclid(DAY)).ok()?;
    EPOCH.checked_add(days).ok()?.checked_add(SignedDuration::from_millis(moment.rem_euclid(DAY))).ok()
}

fn millisecond(local: DateTime) -> Option<i64> {
    i64::try_from(local.duration_since(EPOCH).as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::{DAY, date_text, read};

    #[test]
    fn each_day_of_four_centuries_is_itself_again() {
        // 1900-01-01 and 2300-01-01.
        for day in -25_567..120_530 {
            let moment = day * DAY + 12_345_678;
            assert_eq!(read(&date_text(moment).expect("four digits")), Some(moment));
        }
        assert_eq!(date_text(-25_567 * DAY).as_deref(), Some("1900-01-01T00:00:00.000+0000"));
        assert_eq!(date_text(120_530 * DAY).as_deref(), Some("2300-01-01T00:00:00.000+0000"));
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "2026-02-30T00:00:00.000+0000",
            "2026-02-28T24:00:00.000+0000",
            "2026-02-28T00:00:00.000+0100",
            "2026-02-28T00:00:00.0000+000",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("1970-01-01T00:00:01.500+0000"), Some(1_500));
        assert_eq!(date_text(i64::MAX), None);
        assert_eq!(date_text(i64::MIN), None);
    }

    #[test]
    fn first_and_last_moment_of_four_digits_are_read() {
        for text in ["9999-12-31T23:59:59.999+0000", "0000-01-01T00:00:00.000+0000"] {
            assert_eq!(read(text).and_then(date_text).as_deref(), Some(text));
        }
        assert_eq!(date_text(read("9999-12-31T23:59:59.999+0000").expect("a date") + 1), None);
    }
}
