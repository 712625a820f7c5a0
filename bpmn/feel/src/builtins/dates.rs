//! Methods of dates that JUEL expressions call: in Camunda 7 these are `org.joda.time.DateTime` (`dateTime().plusDays(2).toDate()`). Here a date is its
//! text as Camunda 7 writes it, such as `2026-11-20T10:00:00.000+0000`, in UTC.

use super::{Args, Builtin, builtin};
use crate::Value;
use crate::eval::Fault;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The years that a date may have: those with four digits.
const YEARS: std::ops::RangeInclusive<i64> = 0..=9999;

/// The first parameter is the date.
pub(super) static METHODS: &[Builtin] = &[
    builtin("toDate", &["object"], |_, args| moment(args).map(text)),
    builtin("plusSeconds", &["object, a"], |_, args| later(args, SECOND)),
    builtin("plusMinutes", &["object, a"], |_, args| later(args, MINUTE)),
    builtin("plusHours", &["object, a"], |_, args| later(args, HOUR)),
    builtin("plusDays", &["object, a"], |_, args| later(args, DAY)),
    builtin("plusWeeks", &["object, a"], |_, args| later(args, 7 * DAY)),
    builtin("plusMonths", &["object, a"], |_, args| months_later(args, 1)),
    builtin("plusYears", &["object, a"], |_, args| months_later(args, 12)),
    builtin("minusSeconds", &["object, a"], |_, args| later(args, -SECOND)),
    builtin("minusMinutes", &["object, a"], |_, args| later(args, -MINUTE)),
    builtin("minusHours", &["object, a"], |_, args| later(args, -HOUR)),
    builtin("minusDays", &["object, a"], |_, args| later(args, -DAY)),
    builtin("minusWeeks", &["object, a"], |_, args| later(args, -7 * DAY)),
    builtin("minusMonths", &["object, a"], |_, args| months_later(args, -1)),
    builtin("minusYears", &["object, a"], |_, args| months_later(args, -12)),
];

/// A moment, in milliseconds since 1970-01-01 UTC, as a date's text. None: its year has not four digits.
pub fn date_text(moment: i64) -> Option<String> {
    let (year, month, day) = civil(moment.div_euclid(DAY));
    let time = moment.rem_euclid(DAY);
    let (hour, minute, second, milli) = (time / HOUR, time / MINUTE % 60, time / SECOND % 60, time % SECOND);
    YEARS.contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}+0000"))
}

fn text(moment: i64) -> Value {
    date_text(moment).map_or(Value::Null, Value::from)
}

fn later(args: Args<'_>, unit: i64) -> Result<Value, Fault> {
    let moment = args.integer(1)?.checked_mul(unit).and_then(|span| moment(args).ok()?.checked_add(span));
    checked(args, moment)
}

/// As in Joda the last day of a month that is too short.
fn months_later(args: Args<'_>, unit: i64) -> Result<Value, Fault> {
    let from = moment(args)?;
    let (year, month, day) = civil(from.div_euclid(DAY));
    let months = args.integer(1)?.checked_mul(unit).and_then(|months| months.checked_add(year * 12 + month - 1));
    let moment = months.filter(|months| YEARS.contains(&months.div_euclid(12))).map(|months| {
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
        let first = days(year, month, 1);
        (first + (day - 1).min(next - first - 1)) * DAY + from.rem_euclid(DAY)
    });
    checked(args, moment)
}

fn checked(args: Args<'_>, moment: Option<i64>) -> Result<Value, Fault> {
    self::moment(args)?;
    moment.and_then(date_text).map(Value::from).ok_or_else(|| Fault::null("there is no such date"))
}

/// The moment of the date that a method is called on.
fn moment(args: Args<'_>) -> Result<i64, Fault> {
    read(args.text(0)?).ok_or_else(|| Fault::null("a string that is no date stands where one is needed"))
}

fn read(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let fits = bytes.len() == 28 && text.is_ascii() && text.ends_with("+0000");
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.')];
    if !fits || signs.iter().any(|(at, sign)| bytes[*at] != *sign) {
        return None;
    }
    let number =
        |from: usize, to: usize| text[from..to].bytes().all(|it| it.is_ascii_digit()).then(|| text[from..to].parse::<i64>().ok())?;
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let moment = days * DAY + number(11, 13)? * HOUR + number(14, 16)? * MINUTE + number(17, 19)? * SECOND + number(20, 23)?;
    // A 30th of February is none.
    (date_text(moment)? == text).then_some(moment)
}

/// Days since 1970-01-01 of a date of the Gregorian calendar. An era of 400 years has 146,097 days, and years begin with March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (month, day) = ((shifted + 2) % 12 + 1, of_year - (153 * shifted + 2) / 5 + 1);
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{DAY, civil, date_text, days, read};

    #[test]
    fn each_day_of_four_centuries_is_itself_again() {
        for day in days(1900, 1, 1)..days(2300, 1, 1) {
            let (year, month, of_month) = civil(day);
            assert_eq!(days(year, month, of_month), day);
            assert_eq!(read(&date_text(day * DAY + 12_345_678).expect("four digits")), Some(day * DAY + 12_345_678));
        }
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
    }
}
