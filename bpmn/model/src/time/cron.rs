//! Cron expressions in the dialect of Camunda 7.24 (cron-utils' `SPRING53`).
//!
//! Six fields: second, minute, hour, day of month, month, day of week; and a seventh, the year, which Quartz has and Camunda had before
//! 7.24. `*` and `?` are everything; lists (`1,15`, also `1|15`), ranges (`MON-FRI`), steps (`0/5`, `*/5`, `10-30/5`), names of months and
//! days in any case. Days of the week count from 0 or 7 for Sunday, as in Spring, and not from 1 as in Quartz. `L` is the month's last day,
//! `L-3` three days before it, `LW` its last weekday, `15W` the weekday nearest the 15th, `FRI#2` the second Friday, `5L` the last. Both
//! day fields must agree. `@yearly`, `@annually`, `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand for what they say.
//!
//! Where the clocks are set forward, what falls into the missing hour happens once, at its end; where they are set back, what falls into
//! the hour that comes twice happens in the first. An expression for every hour happens at every moment that shows a time of its own: it
//! neither pauses nor doubles.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// How far ahead a date is looked for: the 29th of February on a given day of the week comes within 40 years, also around 2100.
const MAX_YEARS: i16 = 40;

/// As far as the years of the seventh field go: beyond, nothing can be stored.
const YEARS: std::ops::RangeInclusive<u32> = 1970..=9999;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

const MACROS: &[(&str, &str)] = &[
    ("@yearly", "0 0 0 1 1 *"),
    ("@annually", "0 0 0 1 1 *"),
    ("@monthly", "0 0 0 1 * *"),
    ("@weekly", "0 0 0 * * 0"),
    ("@daily", "0 0 0 * * *"),
    ("@midnight", "0 0 0 * * *"),
    ("@hourly", "0 0 * * * *"),
];

/// A cron expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cron {
    /// One bit for each value that fits.
    seconds: u64,
    minutes: u64,
    hours: u64,
    days: Vec<MonthDay>,
    months: u64,
    weekdays: Vec<WeekDay>,
    /// Empty: every year.
    years: Vec<(u32, u32, u32)>,
}

/// What a day of month may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MonthDay {
    Any(u64),
    /// So many days before the last.
    Last(i8),
    LastWeekday,
    NearestWeekday(i8),
}

/// What a day of the week may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WeekDay {
    Any(u64),
    Last(u32),
    Nth(u32, i8),
}

impl Cron {
    /// Reads an expression; the error says what is wrong with it, as a lowercase sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let text = match MACROS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            Some((_, meaning)) => meaning,
            None if text.starts_with('@') => {
                return Err("no such macro; there are @yearly, @monthly, @weekly, @daily and @hourly".to_owned());
            }
            None => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [second, minute, hour, day, month, weekday] = *fields.get(..6).and_then(|six| six.try_into().ok()).unwrap_or(&[""; 6]);
        if !(6..=7).contains(&fields.len()) {
            let count = fields.len();
            return Err(format!("a cron expression has six fields from second to day of week, and perhaps a year; this one has {count}"));
        }
        if fields.iter().filter(|field| field.contains('|')).count() > 1 {
            return Err("alternatives ('|') in more than one field are several expressions; draw a timer for each".to_owned());
        }
        let cron = Self {
            seconds: SECOND.bits(second)?,
            minutes: MINUTE.bits(minute)?,
            hours: HOUR.bits(hour)?,
            days: items(day).map(month_day).collect::<Result<_, _>>()?,
            months: MONTH.bits(month)?,
            weekdays: items(weekday).map(week_day).collect::<Result<_, _>>()?,
            years: fields.get(6).map_or(Ok(Vec::new()), |years| years_of(years))?,
        };
        let any_year = Self { years: Vec::new(), ..cron.clone() };
        if any_year.search(Date::constant(2000, 1, 1).at(0, 0, 0, 0)).is_none() {
            return Err("no month has such a day".to_owned());
        }
        Ok(cron)
    }

    /// Whether it names no years.
    pub(super) fn is_every_year(&self) -> bool {
        self.years.is_empty()
    }

    /// The first moment after `after` that fits, in milliseconds since 1970; none if there is none within [`MAX_YEARS`], or years of its
    /// own.
    pub(super) fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.hours == HOUR.all() { self.next_of_every_hour(after, zone) } else { self.next_of_some_hours(after, zone) }
    }

    fn next_of_some_hours(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut local = zone.to_datetime(after);
        loop {
            local = self.search(local)?;
            let moment = match zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
                AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
                AmbiguousOffset::Gap { after: later, .. } => {
                    // Read with the offset that is valid later, it lies just before the clocks are set forward.
                    zone.following(later.to_timestamp(local).ok()?).next()?.timestamp()
                }
            };
            // In the hour that comes twice the first one may be over; past a gap all that fell into it has happened.
            if moment > after {
                return Some(moment);
            }
        }
    }

    fn next_of_every_hour(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let (mut from, mut offset) = (after, zone.to_offset(after));
        let mut local = offset.to_datetime(from);
        loop {
            let moment = offset.to_timestamp(self.search(local)?).ok()?;
            let change: Option<(Timestamp, Offset)> = zone.following(from).next().map(|change| (change.timestamp(), change.offset()));
            match change.filter(|(at, _)| *at <= moment) {
                None => return Some(moment),
                // The clocks are set first; the moment at which that happens may fit itself.
                Some((at, now)) => {
                    (from, offset) = (at, now);
                    local = now.to_datetime(at).checked_sub(jiff::Span::new().nanoseconds(1)).ok()?;
                }
            }
        }
    }

    /// The first local time after `after` that fits.
    fn search(&self, after: DateTime) -> Option<DateTime> {
        let from = after.checked_add(jiff::Span::new().seconds(1)).ok()?;
        let from_time = Time::new(from.hour(), from.minute(), from.second(), 0).ok()?;
        let first_year = self.first_year(from.year())?;
        for year in first_year..=first_year.saturating_add(MAX_YEARS).min(9999) {
            if !self.has_year(year) {
                continue;
            }
            let begun = year == from.year();
            for month in (if begun { from.month() } else { 1 })..=12 {
                if self.months & (1 << month) == 0 {
                    continue;
                }
                let first = Date::new(year, month, 1).ok()?;
                let begun = begun && month == from.month();
                for day in (if begun { from.day() } else { 1 })..=first.days_in_month() {
                    let date = Date::new(year, month, day).ok()?;
                    if !self.has_day(date) {
                        continue;
                    }
                    let earliest = if begun && day == from.day() { from_time } else { Time::midnight() };
                    if let Some(time) = self.time(earliest) {
                        return Some(date.to_datetime(time));
                    }
                }
            }
        }
        None
    }

    /// The first year from this one on that fits.
    fn first_year(&self, from: i16) -> Option<i16> {
        if self.years.is_empty() { Some(from) } else { (from..=9999).find(|year| self.has_year(*year)) }
    }

    fn has_year(&self, year: i16) -> bool {
        let year = u32::try_from(year).unwrap_or(0);
        self.years.is_empty() || self.years.iter().any(|(from, to, step)| (*from..=*to).contains(&year) && (year - from) % step == 0)
    }

    fn has_day(&self, date: Date) -> bool {
        let weekday = number(date.weekday());
        let fits_month = self.days.iter().any(|day| match *day {
            MonthDay::Any(days) => days & (1 << date.day()) != 0,
            MonthDay::Last(before) => date.day() == date.days_in_month() - before,
            MonthDay::LastWeekday => date.day() == nearest_weekday(date.last_of_month()),
            // What the month does not have is not near anything.
            MonthDay::NearestWeekday(day) => {
                Date::new(date.year(), date.month(), day).is_ok_and(|wanted| date.day() == nearest_weekday(wanted))
            }
        });
        fits_month
            && self.weekdays.iter().any(|day| match *day {
                WeekDay::Any(days) => days & (1 << weekday) != 0,
                WeekDay::Last(wanted) => weekday == wanted && date.day() + 7 > date.days_in_month(),
                WeekDay::Nth(wanted, nth) => weekday == wanted && (date.day() - 1) / 7 + 1 == nth,
            })
    }

    /// The first time of a day, from `earliest` on, that fits.
    fn time(&self, earliest: Time) -> Option<Time> {
        let (hour, minute, second) = (part(earliest.hour()), part(earliest.minute()), part(earliest.second()));
        let at = |hour: u32, minute: u32, second: u32| {
            let part = |value: u32| i8::try_from(value).expect("parts of a time are below 64");
            Time::new(part(hour), part(minute), part(second), 0).ok()
        };
        let (first_minute, first_second) = (from(self.minutes, 0)?, from(self.seconds, 0)?);
        if self.hours & (1 << hour) != 0 {
            if self.minutes & (1 << minute) != 0
                && let Some(second) = from(self.seconds, second)
            {
                return at(hour, minute, second);
            }
            if let Some(minute) = from(self.minutes, minute + 1) {
                return at(hour, minute, first_second);
            }
        }
        at(from(self.hours, hour + 1)?, first_minute, first_second)
    }
}

/// The least value from `least` on that is among the bits.
fn from(bits: u64, least: u32) -> Option<u32> {
    let left = bits.checked_shr(least).map_or(0, |bits| bits << least);
    (left != 0).then(|| left.trailing_zeros())
}

fn part(value: i8) -> u32 {
    u32::try_from(value).expect("parts of a time are not negative")
}

fn number(weekday: Weekday) -> u32 {
    part(weekday.to_sunday_zero_offset())
}

/// The day from Monday to Friday that is nearest, in the same month.
fn nearest_weekday(date: Date) -> i8 {
    let day = date.day();
    match date.weekday() {
        Weekday::Saturday if day == 1 => 3,
        Weekday::Saturday => day - 1,
        Weekday::Sunday if day == date.days_in_month() => day - 2,
        Weekday::Sunday => day + 1,
        _ => day,
    }
}

/// What a field's values are.
struct Field {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", least: 0, most: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field { name: "month", least: 1, most: 12, names: &MONTHS };
/// Sunday is 0 and 7.
const WEEKDAY: Field = Field { name: "day of week", least: 0, most: 7, names: &DAYS };
const YEAR: Field = Field { name: "year", least: *YEARS.start(), most: *YEARS.end(), names: &[] };

impl Field {
    fn all(&self) -> u64 {
        (self.least..=self.most).fold(0, |bits, value| bits | 1 << value)
    }

    fn bits(&self, text: &str) -> Result<u64, String> {
        items(text).try_fold(0, |bits, item| Ok(bits | self.item_bits(item)?))
    }

    fn item_bits(&self, item: &str) -> Result<u64, String> {
        let (from, to, step) = self.item(item)?;
        Ok((from..=to).step_by(step as usize).fold(0, |bits, value| bits | 1 << value))
    }

    /// From, to and step of one item of a list.
    fn item(&self, item: &str) -> Result<(u32, u32, u32), String> {
        let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (self.least, self.most),
            Some((from, to)) => (self.value(from)?, self.value(to)?),
            // With a step a single value is where it begins.
            None => (self.value(range)?, if step.is_some() { self.most } else { self.value(range)? }),
        };
        // `SAT-SUN`: in a range Sunday is where the week ends.
        let to = if self.most == WEEKDAY.most && to == 0 && from > 0 { WEEKDAY.most } else { to };
        if from > to {
            return Err(format!("'{}' in the field {} runs backwards; write two ranges", super::short(item), self.name));
        }
        let step = step.map_or(Ok(1), |step| match number_of(step) {
            Some(0) | None => Err(self.unreadable(item)),
            Some(step) => Ok(step),
        })?;
        Ok((from, to, step))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        // Names begin where the field does.
        let named = named.and_then(|at| u32::try_from(at).ok()).map(|at| at + self.least);
        named.or_else(|| number_of(text)).filter(|value| (self.least..=self.most).contains(value)).ok_or_else(|| self.unreadable(text))
    }

    fn unreadable(&self, text: &str) -> String {
        format!("'{}' is not a {} from {} to {}", super::short(text), self.name, self.least, self.most)
    }
}

/// The items of a list. Alternatives are as good as a list as long as one field has them, which the parser sees to.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '|'])
}

/// Digits only, where Rust would take a sign.
fn number_of(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn small(value: u32) -> i8 {
    i8::try_from(value).expect("days of a month are below 32")
}

fn month_day(item: &str) -> Result<MonthDay, String> {
    let upper = item.to_ascii_uppercase();
    if upper == "L" {
        return Ok(MonthDay::Last(0));
    }
    if upper == "LW" || upper == "WL" {
        return Ok(MonthDay::LastWeekday);
    }
    if let Some(before) = upper.strip_prefix("L-") {
        let before = number_of(before).filter(|before| *before < 31).ok_or_else(|| DAY.unreadable(item))?;
        return Ok(MonthDay::Last(small(before)));
    }
    if let Some(day) = upper.strip_suffix('W') {
        return Ok(MonthDay::NearestWeekday(small(DAY.value(day)?)));
    }
    DAY.item_bits(item).map(MonthDay::Any)
}

fn week_day(item: &str) -> Result<WeekDay, String> {
    let upper = item.to_ascii_uppercase();
    if let Some((day, nth)) = upper.split_once('#') {
        let nth = number_of(nth).filter(|nth| (1..=5).contains(nth)).ok_or_else(|| WEEKDAY.unreadable(item))?;
        return Ok(WeekDay::Nth(WEEKDAY.value(day)? % 7, small(nth)));
    }
    match upper.strip_suffix('L') {
        // The week's last day.
        Some("") => Ok(WeekDay::Any(1 << 6)),
        Some(day) => Ok(WeekDay::Last(WEEKDAY.value(day)? % 7)),
        None => {
            let bits = WEEKDAY.item_bits(item)?;
            Ok(WeekDay::Any((bits & 0x7f) | (bits >> 7)))
        }
    }
}

fn years_of(text: &str) -> Result<Vec<(u32, u32, u32)>, String> {
    items(text).map(|item| YEAR.item(item)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::zone::named;

    /// The next moments after one, in a zone.
    fn moments(cron: &str, after: &str, zone: &str, count: usize) -> Vec<String> {
        let cron = Cron::parse(cron).unwrap();
        let zone = named(zone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        let mut found = Vec::new();
        while found.len() < count {
            let Some(next) = cron.next(at, &zone) else { break };
            assert!(next > at);
            at = next;
            found.push(at.to_zoned(zone.clone()).strftime("%a %Y-%m-%d %H:%M:%S %z").to_string());
        }
        found
    }

    fn utc(cron: &str, after: &str, count: usize) -> Vec<String> {
        let moments = moments(cron, after, "UTC", count);
        moments.into_iter().map(|moment| moment.replace(" +0000", "")).collect()
    }

    #[test]
    fn steps_lists_ranges_and_names() {
        let after = "2026-11-20T10:02:30.5Z";
        assert_eq!(utc("0 0/5 * * * ?", after, 2), ["Fri 2026-11-20 10:05:00", "Fri 2026-11-20 10:10:00"]);
        assert_eq!(utc("*/20 * * * * *", after, 3), ["Fri 2026-11-20 10:02:40", "Fri 2026-11-20 10:03:00", "Fri 2026-11-20 10:03:20"]);
        assert_eq!(utc("0 0 9 * * MON-FRI", after, 2), ["Mon 2026-11-23 09:00:00", "Tue 2026-11-24 09:00:00"]);
        assert_eq!(
            utc("0 30 8,18 1,15 jan,jul ?", after, 3),
            ["Fri 2027-01-01 08:30:00", "Fri 2027-01-01 18:30:00", "Fri 2027-01-15 08:30:00"]
        );
        assert_eq!(utc("0 0 0 ? * SAT-SUN", after, 3), ["Sat 2026-11-21 00:00:00", "Sun 2026-11-22 00:00:00", "Sat 2026-11-28 00:00:00"]);
        assert_eq!(utc("0 0 0 ? * 0", after, 1), utc("0 0 0 ? * 7", after, 1), "Sunday has two numbers");
        assert_eq!(utc("0 0 0 ? * 1", after, 1), ["Mon 2026-11-23 00:00:00"], "as in Spring");
        assert_eq!(utc("0 0 8|18 * * *", after, 2), utc("0 0 8,18 * * *", after, 2));
        assert_eq!(utc("0 10-30/10 12 * * *", after, 4).last().unwrap(), "Sat 2026-11-21 12:10:00");
    }

    #[test]
    fn both_days_must_agree() {
        assert_eq!(
            utc("0 0 0 13 * FRI", "2026-01-01T00:00:00Z", 3),
            ["Fri 2026-02-13 00:00:00", "Fri 2026-03-13 00:00:00", "Fri 2026-11-13 00:00:00"]
        );
    }

    #[test]
    fn last_nearest_and_nth_days() {
        let after = "2026-01-01T00:00:00Z";
        assert_eq!(utc("0 0 0 L * ?", after, 2), ["Sat 2026-01-31 00:00:00", "Sat 2026-02-28 00:00:00"]);
        assert_eq!(utc("0 0 0 L-3 * ?", after, 2), ["Wed 2026-01-28 00:00:00", "Wed 2026-02-25 00:00:00"]);
        assert_eq!(utc("0 0 0 LW * ?", after, 2), ["Fri 2026-01-30 00:00:00", "Fri 2026-02-27 00:00:00"]);
        assert_eq!(utc("0 0 0 1W 8 ?", after, 1), ["Mon 2026-08-03 00:00:00"], "the 1st is a Saturday, and July is another month");
        assert_eq!(utc("0 0 0 31W * ?", after, 2), ["Fri 2026-01-30 00:00:00", "Tue 2026-03-31 00:00:00"]);
        assert_eq!(utc("0 0 0 ? * FRI#2", after, 2), ["Fri 2026-01-09 00:00:00", "Fri 2026-02-13 00:00:00"]);
        assert_eq!(utc("0 0 0 ? * 5#5", after, 2), ["Fri 2026-01-30 00:00:00", "Fri 2026-05-29 00:00:00"]);
        assert_eq!(utc("0 0 0 ? * 5L", after, 2), ["Fri 2026-01-30 00:00:00", "Fri 2026-02-27 00:00:00"]);
        assert_eq!(utc("0 0 0 ? * friL", after, 1), ["Fri 2026-01-30 00:00:00"]);
    }

    #[test]
    fn rare_dates_are_found_and_others_end() {
        assert_eq!(utc("0 0 0 29 2 MON", "2026-01-01T00:00:00Z", 2), ["Mon 2044-02-29 00:00:00", "Mon 2072-02-29 00:00:00"]);
        assert_eq!(utc("0 0 0 29 2 *", "2096-03-01T00:00:00Z", 1), ["Fri 2104-02-29 00:00:00"]);
        assert_eq!(utc("0 0 0 1 1 ? 2030", "2026-01-01T00:00:00Z", 5), ["Tue 2030-01-01 00:00:00"]);
        assert_eq!(utc("0 0 0 1 1 ? 2020-2030/5", "2022-01-01T00:00:00Z", 5), ["Wed 2025-01-01 00:00:00", "Tue 2030-01-01 00:00:00"]);
        assert_eq!(utc("0 0 0 1 1 ? 9000", "2026-01-01T00:00:00Z", 5).len(), 1);
        assert_eq!(utc("* * * * * *", "9999-12-30T21:59:59Z", 5).len(), 1, "the last moment there is");
    }

    #[test]
    fn macros_stand_for_what_they_say() {
        let after = "2026-11-20T10:02:30Z";
        let next = |name| utc(name, after, 1).remove(0);
        assert_eq!(next("@hourly"), "Fri 2026-11-20 11:00:00");
        assert_eq!(next("@daily"), "Sat 2026-11-21 00:00:00");
        assert_eq!(next("@midnight"), next("@daily"));
        assert_eq!(next("@weekly"), "Sun 2026-11-22 00:00:00");
        assert_eq!(next("@MONTHLY"), "Tue 2026-12-01 00:00:00");
        assert_eq!(next("@yearly"), "Fri 2027-01-01 00:00:00");
        assert_eq!(next("@annually"), next("@yearly"));
    }

    #[test]
    fn clocks_that_are_set_forward_move_what_falls_into_the_gap_to_its_end() {
        let berlin = |cron, count| moments(cron, "2026-03-28T12:00:00Z", "Europe/Berlin", count);
        assert_eq!(berlin("0 30 2 * * *", 2), ["Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:30:00 +0200"]);
        assert_eq!(
            berlin("0 0/20 2 * * *", 2),
            ["Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 02:00:00 +0200"],
            "once, however often it would have been"
        );
        assert_eq!(berlin("0 0 3 * * *", 2), ["Sun 2026-03-29 03:00:00 +0200", "Mon 2026-03-30 03:00:00 +0200"]);
        let around = moments("0 0/30 * * * *", "2026-03-29T00:15:00Z", "Europe/Berlin", 3);
        assert_eq!(around, ["Sun 2026-03-29 01:30:00 +0100", "Sun 2026-03-29 03:00:00 +0200", "Sun 2026-03-29 03:30:00 +0200"]);
    }

    #[test]
    fn clocks_that_are_set_back_repeat_only_what_happens_every_hour() {
        let berlin = |cron, count| moments(cron, "2026-10-25T00:15:00Z", "Europe/Berlin", count);
        assert_eq!(berlin("0 30 2 * * *", 2), ["Sun 2026-10-25 02:30:00 +0200", "Mon 2026-10-26 02:30:00 +0100"]);
        assert_eq!(
            berlin("0 0/30 * * * *", 4),
            [
                "Sun 2026-10-25 02:30:00 +0200",
                "Sun 2026-10-25 02:00:00 +0100",
                "Sun 2026-10-25 02:30:00 +0100",
                "Sun 2026-10-25 03:00:00 +0100"
            ]
        );
        // Asked in the second of the two hours.
        assert_eq!(moments("0 30 2 * * *", "2026-10-25T01:15:00Z", "Europe/Berlin", 1), ["Mon 2026-10-26 02:30:00 +0100"]);
        assert_eq!(moments("0 0 0 * * *", "2026-10-17T12:00:00Z", "America/Sao_Paulo", 1), ["Sun 2026-10-18 00:00:00 -0300"]);
        assert_eq!(
            moments("0 0 0 * * *", "2018-11-03T12:00:00Z", "America/Sao_Paulo", 2),
            ["Sun 2018-11-04 01:00:00 -0200", "Mon 2018-11-05 00:00:00 -0200"],
            "where midnight itself was missing"
        );
    }

    #[test]
    fn what_is_wrong_is_said_by_the_name_of_its_field() {
        let error = |cron| Cron::parse(cron).unwrap_err();
        assert_eq!(error("60 * * * * *"), "'60' is not a second from 0 to 59");
        assert_eq!(error("0 0 0 0 * *"), "'0' is not a day of month from 1 to 31");
        assert_eq!(error("0 0 0 * * 8"), "'8' is not a day of week from 0 to 7");
        assert_eq!(error("0 0 0 * FOO *"), "'FOO' is not a month from 1 to 12");
        assert_eq!(error("0 0 22-2 * * *"), "'22-2' in the field hour runs backwards; write two ranges");
        assert_eq!(error("0 0 0 30 2 *"), "no month has such a day");
        assert!(error("0 0 * * *").ends_with("this one has 5"));
        assert!(error("0 0 0 1 1 ? 2020 1").ends_with("this one has 8"));
        assert!(error("@reboot").starts_with("no such macro"));
        for cron in [
            "0/0 * * * * *",
            "0 0 0 L-31 * ?",
            "0 0 0 32W * ?",
            "0 0 0 ? * 1#6",
            "0 0 0 ? * #1",
            "0,, * * * * *",
            "+1 * * * * *",
            "0 0 9|18 * * MON|FRI",
            "- * * * * *",
            "1-2-3 * * * * *",
        ] {
            assert!(Cron::parse(cron).is_err(), "{cron}");
        }
    }
}
