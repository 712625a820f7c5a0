//! Dates, times and durations (DMN 1.5, 10.3.2.3.4 to 10.3.2.3.9).
//!
//! They live within an evaluation only. What it gives out is their ISO 8601 text, as in Camunda 8, and whoever reads that text makes them
//! again: `date and time(due)`. Zones come from tables that are built in, so that each machine counts the same.
//!
//! Years are those from -9999 to 9999, as a moment's own zone shows it; seconds have nine digits behind the point. What would lie outside
//! is null.

mod arithmetic;
mod moment;
mod read;
mod text;

use std::cmp::Ordering;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};

use crate::{Number, Value};

pub(crate) use arithmetic::Wrong;
pub use moment::Moment;
pub(crate) use moment::as_utc;
pub(crate) use read::{midnight, moment, zone};

/// Nanoseconds of a second, and of a day without a zone.
const SECOND: i128 = 1_000_000_000;
const DAY: i128 = 24 * 60 * 60 * SECOND;

/// The longest duration, in days and in months: all years that there are, and some.
const MOST_DAYS: i128 = 20_000 * 366;
const MOST_MONTHS: i64 = 20_000 * 12;

/// A date, a time or a duration.
#[derive(Clone, Debug, PartialEq)]
pub enum Temporal {
    /// A day of the calendar.
    Date(Date),
    /// A time of the day, at an offset from UTC, in a zone or in none.
    Time(Time, Option<TimeZone>),
    /// A date and time of no zone.
    Local(DateTime),
    /// A date and time at an offset or in a zone.
    Zoned(Moment),
    /// Days and time, in nanoseconds; a day has 24 hours.
    DaysAndTime(i128),
    /// Years and months, in months.
    YearsAndMonths(i64),
}

/// The zone with an IANA name, such as `Europe/Berlin`, from the tables that are built in; none if there is no such zone.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    // A database of its own: jiff's global one looks at the machine's files first.
    let known = TimeZoneDatabase::bundled().get(name.trim()).ok();
    known.or_else(|| read::prefixed_offset(name.trim()).map(TimeZone::fixed))
}

impl Temporal {
    /// Days and time, if they are not too long.
    pub(crate) fn of_nanoseconds(length: i128) -> Option<Temporal> {
        (length.abs() <= MOST_DAYS * DAY).then_some(Temporal::DaysAndTime(length))
    }

    /// Years and months, if they are not too long.
    pub(crate) fn of_months(months: i64) -> Option<Temporal> {
        (-MOST_MONTHS..=MOST_MONTHS).contains(&months).then_some(Temporal::YearsAndMonths(months))
    }

    /// FEEL's name for what it is.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Temporal::Date(_) => "date",
            Temporal::Time(..) => "time",
            Temporal::Local(_) | Temporal::Zoned(_) => "date and time",
            Temporal::DaysAndTime(_) => "days and time duration",
            Temporal::YearsAndMonths(_) => "years and months duration",
        }
    }

    /// The order of two of one kind (DMN 1.5, table 54): moments by when they are, wherever. None of two kinds, or where only one has a
    /// zone.
    pub(crate) fn order(&self, other: &Temporal) -> Option<Ordering> {
        match (self, other) {
            (Temporal::Date(own), Temporal::Date(other)) => Some(own.cmp(other)),
            (Temporal::Time(..), Temporal::Time(..)) => Some(self.time_of_day(other)?.cmp(&other.time_of_day(self)?)),
            (Temporal::Local(own), Temporal::Local(other)) => Some(own.cmp(other)),
            (Temporal::Zoned(own), Temporal::Zoned(other)) => Some(own.nanosecond().cmp(&other.nanosecond())),
            (Temporal::DaysAndTime(own), Temporal::DaysAndTime(other)) => Some(own.cmp(other)),
            (Temporal::YearsAndMonths(own), Temporal::YearsAndMonths(other)) => Some(own.cmp(other)),
            _ => None,
        }
    }

    /// Nanoseconds since midnight, in UTC if it has a zone; none if the other one has no zone while this has, or the other way round.
    fn time_of_day(&self, beside: &Temporal) -> Option<i128> {
        match (self, beside) {
            (Temporal::Time(time, Some(zone)), Temporal::Time(_, Some(_))) => Some(moment::time_in_utc(*time, zone)),
            (Temporal::Time(time, None), Temporal::Time(_, None)) => Some(nanoseconds(*time)),
            _ => None,
        }
    }

    /// The date in it.
    pub(crate) fn date(&self) -> Option<Date> {
        match self {
            Temporal::Date(date) => Some(*date),
            Temporal::Local(local) => Some(local.date()),
            Temporal::Zoned(moment) => Some(moment.local().date()),
            _ => None,
        }
    }

    /// The time of the day in it; of a date none.
    pub(crate) fn time(&self) -> Option<Time> {
        match self {
            Temporal::Time(time, _) => Some(*time),
            Temporal::Local(local) => Some(local.time()),
            Temporal::Zoned(moment) => Some(moment.local().time()),
            _ => None,
        }
    }

    /// The offset from UTC in it.
    pub(crate) fn offset(&self) -> Option<Offset> {
        match self {
            Temporal::Time(_, zone) => zone.as_ref().map(moment::standard_offset),
            Temporal::Zoned(moment) => Some(moment.offset()),
            _ => None,
        }
    }

    /// The date and time that it shows, whatever its zone; a date's is its midnight.
    pub(crate) fn local(&self) -> Option<DateTime> {
        Some(self.date()?.to_datetime(self.time().unwrap_or(Time::midnight())))
    }

    /// A property (DMN 1.5, table 65); none if there is none of this name.
    pub(crate) fn property(&self, name: &str) -> Option<Value> {
        let of_length = |nanoseconds: i128| i64::try_from(nanoseconds).unwrap_or_default().into();
        match (self, name) {
            (Temporal::YearsAndMonths(months), "years") => return Some((months / 12).into()),
            (Temporal::YearsAndMonths(months), "months") => return Some((months % 12).into()),
            (Temporal::DaysAndTime(length), "days") => return Some(of_length(length / DAY)),
            (Temporal::DaysAndTime(length), "hours") => return Some(of_length(length / (SECOND * 3600) % 24)),
            (Temporal::DaysAndTime(length), "minutes") => return Some(of_length(length / (SECOND * 60) % 60)),
            (Temporal::DaysAndTime(length), "seconds") => return Some(of_length(length / SECOND % 60)),
            _ => {}
        }
        if let Some(date) = self.date() {
            match name {
                "year" => return Some(i32::from(date.year()).into()),
                "month" => return Some(i32::from(date.month()).into()),
                "day" => return Some(i32::from(date.day()).into()),
                "weekday" => return Some(i32::from(date.weekday().to_monday_one_offset()).into()),
                _ => {}
            }
        }
        let time = self.time()?;
        Some(match name {
            "hour" => i32::from(time.hour()).into(),
            "minute" => i32::from(time.minute()).into(),
            "second" => i32::from(time.second()).into(),
            "time offset" => self.offset().map(|offset| Temporal::DaysAndTime(moment::length(offset))).into(),
            "timezone" => self.zone_name().map(Value::from).into(),
            _ => return None,
        })
    }

    /// The IANA name of the zone in it. UTC is an offset.
    fn zone_name(&self) -> Option<&str> {
        let zone = match self {
            Temporal::Time(_, zone) => zone.as_ref(),
            Temporal::Zoned(moment) => Some(moment.zone()),
            _ => None,
        };
        zone?.iana_name().filter(|name| *name != "UTC")
    }
}

/// Nanoseconds since midnight.
fn nanoseconds(time: Time) -> i128 {
    time.duration_since(Time::midnight()).as_nanos()
}

/// A number of seconds, with up to nine digits behind the point, in nanoseconds.
pub(crate) fn in_nanoseconds(seconds: Number) -> Option<i128> {
    seconds.checked_mul(Number::from(1_000_000_000_i64))?.round(0, crate::Rounding::Down)?.to_i128()
}

/// English, as in Camunda 8.
pub(crate) fn name_of_day(date: Date) -> &'static str {
    match date.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    }
}

/// English, as in Camunda 8.
pub(crate) fn name_of_month(date: Date) -> &'static str {
    const NAMES: [&str; 12] =
        ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
    NAMES[usize::try_from(date.month() - 1).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::{Moment, SECOND, Temporal, nanoseconds, time_zone};

    const ZONES: [&str; 5] = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"];

    /// The first and last seconds in UTC that each zone shows within the years that there are: -9999-01-02 and 9999-12-30.
    const FIRST: i64 = -377_705_030_400;
    const LAST: i64 = 253_402_214_399;

    /// Nanoseconds since 1970: anywhere, or near one of the ends.
    fn moment() -> impl Strategy<Value = i128> {
        let second = prop_oneof![FIRST..=LAST, FIRST..FIRST + 200_000, LAST - 200_000..=LAST];
        (second, 0..1_000_000_000_i128).prop_map(|(second, rest)| i128::from(second) * SECOND + rest)
    }

    fn shown(moment: i128, zone: usize) -> Moment {
        Moment::of(moment, time_zone(ZONES[zone]).expect("it is there")).expect("within the years that there are")
    }

    fn temporal() -> impl Strategy<Value = Temporal> {
        (0..7, moment(), 0..ZONES.len(), -1_000_000_000_000_000_000_i128..1_000_000_000_000_000_000, -120_000_i64..120_000).prop_map(
            |(kind, moment, zone, length, months)| {
                let shown = shown(moment, zone);
                match kind {
                    0 => Temporal::Date(shown.local().date()),
                    1 => Temporal::Time(shown.local().time(), (zone > 0).then(|| TimeZone::fixed(shown.offset()))),
                    2 => Temporal::Time(shown.local().time(), Some(shown.zone().clone())),
                    3 => Temporal::Local(shown.local()),
                    4 => Temporal::Zoned(shown),
                    5 => Temporal::DaysAndTime(length),
                    _ => Temporal::YearsAndMonths(months),
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_stored_comes_back(value in temporal()) {
            let text = value.stored_text();
            // Offsets of old have seconds, which names of zones round away.
            prop_assert_eq!(Temporal::read(&text), Some(value), "{}", text);
        }

        #[test]
        fn moments_are_those_of_the_library_where_it_has_them(moment in moment(), zone in 0..ZONES.len()) {
            let shown = shown(moment, zone);
            prop_assert_eq!(shown.nanosecond(), moment);
            if let Ok(timestamp) = Timestamp::from_nanosecond(moment) {
                let zoned = timestamp.to_zoned(shown.zone().clone());
                prop_assert_eq!((shown.local(), shown.offset()), (zoned.datetime(), zoned.offset()));
                let first = shown.zone().to_ambiguous_zoned(zoned.datetime()).compatible().expect("not far from it");
                prop_assert_eq!(Moment::at(shown.local(), shown.zone().clone()).map(|at| at.nanosecond()), Some(first.timestamp().as_nanosecond()));
            }
        }

        #[test]
        fn differences_add_up(left in moment(), right in moment(), zone in 0..ZONES.len()) {
            let (left, right) = (shown(left, zone), shown(right, zone));
            let pairs = [
                (Temporal::Zoned(left.clone()), Temporal::Zoned(right.clone())),
                (Temporal::Local(left.local()), Temporal::Local(right.local())),
                (Temporal::Date(left.local().date()), Temporal::Date(right.local().date())),
            ];
            for (left, right) in pairs {
                let between = left.minus(&right).unwrap_or_else(|_| panic!("{left:?} - {right:?}"));
                prop_assert_eq!(right.plus(&between).ok(), Some(left.clone()));
                prop_assert_eq!(left.minus(&between).ok(), Some(right.clone()));
                prop_assert_eq!(left.order(&right), between.order(&Temporal::DaysAndTime(0)));
            }
        }

        #[test]
        fn durations_are_what_they_are_made_of(length in -1_000_000_000_000_000_000_i128..1_000_000_000_000_000_000, times in 1_i64..500) {
            let one = Temporal::DaysAndTime(length);
            let many = one.times(times.into()).ok().expect("not too long");
            prop_assert_eq!(many.divided(times.into()).ok(), Some(one.clone()));
            if length != 0 {
                prop_assert_eq!(many.ratio(&one).ok(), Some(times.into()));
            }
            prop_assert_eq!(one.plus(&one.times((-1_i64).into()).ok().expect("as long")).ok(), Some(Temporal::DaysAndTime(0)));
        }

        #[test]
        fn a_time_goes_round_the_clock(moment in moment(), length in -1_000_000_000_000_000_000_i128..1_000_000_000_000_000_000) {
            let time = Temporal::Time(shown(moment, 0).local().time(), None);
            let there = time.plus(&Temporal::DaysAndTime(length)).ok().expect("a time");
            prop_assert_eq!(there.minus(&Temporal::DaysAndTime(length)).ok(), Some(time.clone()));
            let passed = nanoseconds(there.time().expect("a time")) - nanoseconds(time.time().expect("a time"));
            prop_assert_eq!((length - passed).rem_euclid(super::DAY), 0);
        }

        #[test]
        fn any_text_is_read_or_not(text in "[-+PTZ@:.0-9DHMSYW/a-z\\[\\]]{0,40}") {
            if let Some(value) = Temporal::read(&text) {
                prop_assert_eq!(Temporal::read(&value.stored_text()), Some(value));
            }
        }
    }
}
