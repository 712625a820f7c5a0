//! Sums, differences, products and quotients (DMN 1.5, tables 55 to 58).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Unit};

use super::moment::as_utc;
use super::{DAY, Moment, SECOND, Temporal};
use crate::{Number, Rounding};

/// Why there is no result.
pub(crate) enum Wrong {
    /// The operator does not take these two kinds.
    Kinds,
    /// One of two has a zone and the other has none.
    Zones,
    /// It lies outside of the years that there are.
    Outside,
    /// Division by zero.
    Zero,
}

impl Temporal {
    /// Two durations, or a duration behind a date or time in either order.
    pub(crate) fn plus(&self, other: &Temporal) -> Result<Temporal, Wrong> {
        use Temporal::{DaysAndTime, YearsAndMonths};
        let sum = match (self, other) {
            (DaysAndTime(own), DaysAndTime(other)) => Temporal::of_nanoseconds(own + other),
            (YearsAndMonths(own), YearsAndMonths(other)) => Temporal::of_months(own + other),
            (DaysAndTime(_), YearsAndMonths(_)) | (YearsAndMonths(_), DaysAndTime(_)) => return Err(Wrong::Kinds),
            (start, DaysAndTime(length)) | (DaysAndTime(length), start) => start.later(*length),
            (Temporal::Time(..), YearsAndMonths(_)) | (YearsAndMonths(_), Temporal::Time(..)) => return Err(Wrong::Kinds),
            (start, YearsAndMonths(months)) | (YearsAndMonths(months), start) => start.months_later(*months),
            _ => return Err(Wrong::Kinds),
        };
        sum.ok_or(Wrong::Outside)
    }

    /// What is left of a duration, what lies a duration before a date or time, or how long it is between two of these. With a date and time
    /// a date is its midnight, in UTC if the other one has a zone.
    pub(crate) fn minus(&self, other: &Temporal) -> Result<Temporal, Wrong> {
        use Temporal::{Date, DaysAndTime, Local, YearsAndMonths, Zoned};
        let between = match (self, other) {
            (_, DaysAndTime(length)) => return self.plus(&DaysAndTime(-length)),
            (_, YearsAndMonths(months)) => return self.plus(&YearsAndMonths(-months)),
            (Temporal::Time(..), Temporal::Time(..)) => match (self.time_of_day(other), other.time_of_day(self)) {
                (Some(own), Some(other)) => own - other,
                _ => return Err(Wrong::Zones),
            },
            (Date(_) | Local(_), Date(_) | Local(_)) => match (self.local(), other.local()) {
                (Some(own), Some(other)) => own.duration_since(other).as_nanos(),
                _ => return Err(Wrong::Kinds),
            },
            (Local(_), Zoned(_)) | (Zoned(_), Local(_)) => return Err(Wrong::Zones),
            (Date(_) | Zoned(_), Date(_) | Zoned(_)) => match (self.nanosecond(), other.nanosecond()) {
                (Some(own), Some(other)) => own - other,
                _ => return Err(Wrong::Outside),
            },
            _ => return Err(Wrong::Kinds),
        };
        Temporal::of_nanoseconds(between).ok_or(Wrong::Outside)
    }

    /// A duration so many times. A part of a nanosecond, or of a month, is left out.
    pub(crate) fn times(&self, factor: Number) -> Result<Temporal, Wrong> {
        self.scaled(|length| length.checked_mul(factor))
    }

    /// A part of a duration. A part of a nanosecond, or of a month, is left out.
    pub(crate) fn divided(&self, divisor: Number) -> Result<Temporal, Wrong> {
        if divisor.is_zero() {
            return Err(Wrong::Zero);
        }
        self.scaled(|length| length.checked_div(divisor))
    }

    fn scaled(&self, scale: impl Fn(Number) -> Option<Number>) -> Result<Temporal, Wrong> {
        let scaled = |length: i128| Number::from_i128(length).and_then(&scale)?.round(0, Rounding::Down)?.to_i128();
        let scaled = match self {
            Temporal::DaysAndTime(length) => scaled(*length).and_then(Temporal::of_nanoseconds),
            Temporal::YearsAndMonths(months) => {
                scaled(i128::from(*months)).and_then(|months| i64::try_from(months).ok()).and_then(Temporal::of_months)
            }
            _ => return Err(Wrong::Kinds),
        };
        scaled.ok_or(Wrong::Outside)
    }

    /// How many times a duration of the same kind fits into this one.
    pub(crate) fn ratio(&self, other: &Temporal) -> Result<Number, Wrong> {
        let (own, other) = match (self, other) {
            (Temporal::DaysAndTime(own), Temporal::DaysAndTime(other)) => (*own, *other),
            (Temporal::YearsAndMonths(own), Temporal::YearsAndMonths(other)) => (i128::from(*own), i128::from(*other)),
            _ => return Err(Wrong::Kinds),
        };
        let ratio = Number::from_i128(own).zip(Number::from_i128(other)).and_then(|(own, other)| own.checked_div(other));
        ratio.ok_or(Wrong::Zero)
    }

    /// The duration without its sign; none of what is no duration.
    pub(crate) fn absolute(&self) -> Option<Temporal> {
        match self {
            Temporal::DaysAndTime(length) => Some(Temporal::DaysAndTime(length.abs())),
            Temporal::YearsAndMonths(months) => Some(Temporal::YearsAndMonths(months.abs())),
            _ => None,
        }
    }

    /// The whole months from a date, or date and time, to another (DMN 1.5, table 73).
    pub(crate) fn months_until(&self, other: &Temporal) -> Option<Temporal> {
        let span = self.local()?.until((Unit::Month, other.local()?)).ok()?;
        Temporal::of_months(i64::from(span.get_months()))
    }

    /// A local date and time in a zone.
    pub(crate) fn at(local: DateTime, zone: TimeZone) -> Option<Temporal> {
        Moment::at(local, zone).map(Temporal::Zoned)
    }

    /// Whatever the clocks do meanwhile, so much time passes. A time goes round the clock, and of a date whole days count.
    fn later(&self, length: i128) -> Option<Temporal> {
        let passing = SignedDuration::new(i64::try_from(length / SECOND).ok()?, i32::try_from(length % SECOND).ok()?);
        match self {
            Temporal::Date(_) => local_later(self.local()?, length).map(|later| Temporal::Date(later.date())),
            Temporal::Time(time, zone) => Some(Temporal::Time(time.wrapping_add(passing), zone.clone())),
            Temporal::Local(local) => local_later(*local, length).map(Temporal::Local),
            Temporal::Zoned(moment) => Moment::of(moment.nanosecond() + length, moment.zone().clone()).map(Temporal::Zoned),
            _ => None,
        }
    }

    /// The same day of another month, or its last.
    fn months_later(&self, months: i64) -> Option<Temporal> {
        let span = Span::new().try_months(months).ok()?;
        match self {
            Temporal::Date(date) => date.checked_add(span).ok().map(Temporal::Date),
            Temporal::Local(local) => local.checked_add(span).ok().map(Temporal::Local),
            Temporal::Zoned(moment) => Temporal::at(moment.local().checked_add(span).ok()?, moment.zone().clone()),
            _ => None,
        }
    }

    /// Of a moment those since 1970 UTC; a date is its midnight in UTC.
    fn nanosecond(&self) -> Option<i128> {
        match self {
            Temporal::Zoned(moment) => Some(moment.nanosecond()),
            _ => self.local().map(as_utc),
        }
    }
}

/// Days, and what is left of one in the same direction, so that nothing on the way lies outside: `DateTime` itself adds no more than 292
/// years at once.
pub(super) fn local_later(local: DateTime, length: i128) -> Option<DateTime> {
    let days = Span::new().try_days(i64::try_from(length / DAY).ok()?).ok()?;
    let rest = SignedDuration::from_nanos(i64::try_from(length % DAY).ok()?);
    local.checked_add(days).ok()?.checked_add(rest).ok()
}
