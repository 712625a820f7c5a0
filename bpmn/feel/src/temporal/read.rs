//! From text (DMN 1.5, 10.3.4.1): XML Schema's forms, and Java's of a date and time in a zone. What is stored of a value comes back.

use jiff::SpanRelativeTo;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::SpanParser;
use jiff::tz::{Offset, TimeZone};

use super::{Moment, Temporal, time_zone};

/// What stands behind a time.
enum Zone {
    None,
    /// `Z`, `+01:00`, also `+0100` as Camunda 7 writes it.
    Offset(Offset),
    /// `@Europe/Berlin` or, with the offset that is meant where an hour comes twice, `+01:00[Europe/Berlin]`.
    Named(TimeZone, Option<Offset>),
}

impl Temporal {
    /// Whatever the text is, as behind an `@`.
    pub(crate) fn read(text: &str) -> Option<Temporal> {
        Temporal::read_duration(text)
            .or_else(|| read_date(text).map(Temporal::Date))
            .or_else(|| Temporal::read_date_and_time(text))
            .or_else(|| Temporal::read_time(text))
    }

    /// `2026-11-20`
    pub(crate) fn read_date(text: &str) -> Option<Temporal> {
        read_date(text).map(Temporal::Date)
    }

    /// `10:30:00`, `10:30`, `10:30:00.5+01:00`, `10:30:00@Europe/Berlin`.
    pub(crate) fn read_time(text: &str) -> Option<Temporal> {
        let (time, _, zone) = read_time(text.strip_prefix('T').unwrap_or(text))?;
        match zone {
            Zone::None => Some(Temporal::Time(time, None)),
            Zone::Offset(offset) => Some(Temporal::Time(time, Some(TimeZone::fixed(offset)))),
            Zone::Named(zone, None) => Some(Temporal::Time(time, Some(zone))),
            // Whether it is the zone's offset a date would say.
            Zone::Named(_, Some(_)) => None,
        }
    }

    /// `2026-11-20T10:30:00`, with an offset, a zone or neither; a date is its midnight.
    pub(crate) fn read_date_and_time(text: &str) -> Option<Temporal> {
        let Some((date, time)) = text.split_once('T') else {
            return Some(Temporal::Local(read_date(text)?.to_datetime(Time::midnight())));
        };
        let (time, is_end_of_day, zone) = read_time(time)?;
        let date = read_date(date)?;
        let local = if is_end_of_day { date.tomorrow().ok()? } else { date }.to_datetime(time);
        match zone {
            Zone::None => Some(Temporal::Local(local)),
            Zone::Offset(offset) => Temporal::at(local, TimeZone::fixed(offset)),
            Zone::Named(zone, None) => Temporal::at(local, zone),
            Zone::Named(zone, Some(offset)) => Moment::at_offset(local, offset, zone).map(Temporal::Zoned),
        }
    }

    /// `P1DT2H`, `-P1Y6M`. Which of the two kinds it is its units say; of both together there is none.
    pub(crate) fn read_duration(text: &str) -> Option<Temporal> {
        static PARSER: SpanParser = SpanParser::new();
        let units = text.strip_prefix('-').unwrap_or(text).strip_prefix('P')?;
        // The parser takes small letters, too.
        if text.contains(|unit: char| unit.is_ascii_lowercase()) {
            return None;
        }
        let span = PARSER.parse_span(text).ok()?;
        if !units.contains(['D', 'W', 'T']) {
            return Temporal::of_months(i64::from(span.get_years()) * 12 + i64::from(span.get_months()));
        }
        if span.get_years() != 0 || span.get_months() != 0 {
            return None;
        }
        Temporal::of_nanoseconds(span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?.as_nanos())
    }
}

/// `Z`, an offset or the name of a zone, as the second argument of `date and time`.
pub(crate) fn zone(text: &str) -> Option<TimeZone> {
    match read_offset(text) {
        Some(offset) => Some(TimeZone::fixed(offset)),
        None => time_zone(text),
    }
}

fn read_date(text: &str) -> Option<Date> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let [year, month, day] = numbers(digits, '-', [4, 2, 2])?;
    Date::new(sign * year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// A time, and whether it is midnight at the end of its day, `24:00:00` (XML Schema 1.1, 3.3.8 and 3.3.7): the first moment of the next
/// day.
fn read_time(text: &str) -> Option<(Time, bool, Zone)> {
    let end = text.find(['Z', '+', '-', '@', '[']).unwrap_or(text.len());
    let (clock, behind) = text.split_at(end);
    let (clock, fraction) = clock.split_once('.').map_or((clock, None), |(clock, fraction)| (clock, Some(fraction)));
    let [hour, minute, second] = match (numbers(clock, ':', [2, 2, 2]), fraction) {
        (Some(numbers), _) => numbers,
        (None, None) => numbers(clock, ':', [2, 2]).map(|[hour, minute]| [hour, minute, 0])?,
        (None, Some(_)) => return None,
    };
    let nanosecond = fraction.map_or(Some(0), read_fraction)?;
    let small = |number: i16| i8::try_from(number).ok();
    let is_end_of_day = (hour, minute, second, nanosecond) == (24, 0, 0, 0);
    let hour = if is_end_of_day { 0 } else { hour };
    let time = Time::new(small(hour)?, small(minute)?, small(second)?, nanosecond).ok()?;
    Some((time, is_end_of_day, read_zone(behind)?))
}

/// Digits behind the point, in nanoseconds. More than nine are cut.
fn read_fraction(digits: &str) -> Option<i32> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    let nine: String = digits.chars().chain(std::iter::repeat('0')).take(9).collect();
    if all_digits { nine.parse().ok() } else { None }
}

fn read_zone(text: &str) -> Option<Zone> {
    if text.is_empty() {
        return Some(Zone::None);
    }
    if let Some(name) = text.strip_prefix('@') {
        return time_zone(name).map(|zone| Zone::Named(zone, None));
    }
    let (offset, name) = match text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        Some((offset, name)) => (offset, Some(time_zone(name)?)),
        None => (text, None),
    };
    let offset = if offset.is_empty() { None } else { Some(read_offset(offset)?) };
    match (name, offset) {
        (Some(zone), offset) => Some(Zone::Named(zone, offset)),
        (None, Some(offset)) => Some(Zone::Offset(offset)),
        (None, None) => None,
    }
}

/// `GMT+1`, `UTC+01:00`, `UT-0130`: a zone of Java's (`ZoneId.of`) that is an offset.
pub(super) fn prefixed_offset(name: &str) -> Option<Offset> {
    let offset = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix))?;
    let digits = offset.strip_prefix(['+', '-']);
    match digits.map(str::len) {
        None if offset.is_empty() => Some(Offset::UTC),
        None => None,
        Some(1) => read_offset(&format!("{}0{}00", &offset[..1], &offset[1..])),
        Some(2) => read_offset(&format!("{offset}00")),
        Some(_) => read_offset(offset),
    }
}

fn read_offset(text: &str) -> Option<Offset> {
    if text == "Z" {
        return Some(Offset::UTC);
    }
    let digits = text.strip_prefix(['+', '-'])?;
    let plain = digits.len() == 4 && digits.is_ascii();
    let [hours, minutes, seconds] = if plain {
        [number(&digits[..2])?, number(&digits[2..])?, 0]
    } else {
        numbers(digits, ':', [2, 2, 2]).or_else(|| numbers(digits, ':', [2, 2]).map(|[hours, minutes]| [hours, minutes, 0]))?
    };
    let length = i32::from(hours) * 3600 + i32::from(minutes) * 60 + i32::from(seconds);
    // XML Schema, 3.2.7.3: up to fourteen hours; Java has eighteen.
    let sound = length <= 18 * 3600 && minutes < 60 && seconds < 60;
    if sound { Offset::from_seconds(if text.starts_with('-') { -length } else { length }).ok() } else { None }
}

/// Numbers of so many digits each, with a sign between them.
fn numbers<const COUNT: usize>(text: &str, between: char, digits: [usize; COUNT]) -> Option<[i16; COUNT]> {
    let mut found = [0; COUNT];
    let mut parts = text.split(between);
    for (number, digits) in found.iter_mut().zip(digits) {
        let part = parts.next().filter(|part| part.len() == digits)?;
        *number = self::number(part)?;
    }
    parts.next().is_none().then_some(found)
}

fn number(digits: &str) -> Option<i16> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// The date and time of a moment in UTC that is given as text, such as what a scope says of `now()`.
pub(crate) fn moment(text: &str) -> Option<Temporal> {
    Temporal::read_date_and_time(text).filter(|moment| matches!(moment, Temporal::Zoned(_)))
}

/// Midnight of a date without a zone.
pub(crate) fn midnight(date: Date) -> DateTime {
    date.to_datetime(Time::midnight())
}
