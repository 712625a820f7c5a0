//! Dates and times at an offset or in a zone.
//!
//! `jiff::Zoned` ends a day before the year 9999 does, so that each of its moments can be shown at any offset. Here a moment is there if
//! its own zone shows it within the years that there are: 9999-12-31T23:59:59Z stands for ever in many models.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::{DAY, SECOND, nanoseconds};
use crate::temporal::arithmetic::local_later;

const EPOCH: Date = Date::constant(1970, 1, 1);

/// In which the offset of a zone without a date is looked up: 2026-01-01 and 2026-07-01. In one of them clocks are not set forward.
const WINTER_AND_SUMMER: [Timestamp; 2] = [Timestamp::constant(1_767_225_600, 0), Timestamp::constant(1_782_864_000, 0)];

/// A moment, as a clock in a zone shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    local: DateTime,
    offset: Offset,
    zone: TimeZone,
}

impl Moment {
    /// When clocks of a zone show this. What they never show, because they are set forward, is as much later; of what they show twice the
    /// first is meant. None as of [`Moment::of`].
    pub fn at(local: DateTime, zone: TimeZone) -> Option<Moment> {
        let offset = match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before,
        };
        Moment::of(in_utc(local, offset), zone)
    }

    /// When a clock at this offset shows this, in a zone; none if that is not the offset of the zone then.
    pub(crate) fn at_offset(local: DateTime, offset: Offset, zone: TimeZone) -> Option<Moment> {
        Moment::of(in_utc(local, offset), zone).filter(|moment| moment.offset == offset)
    }

    /// So many nanoseconds after 1970 UTC. None: its zone shows another year then than those from -9999 to 9999.
    pub fn of(nanosecond: i128, zone: TimeZone) -> Option<Moment> {
        let within = nanosecond.clamp(Timestamp::MIN.as_nanosecond(), Timestamp::MAX.as_nanosecond());
        // No zone changes its offset in the day that is left on either side.
        let offset = zone.to_offset(Timestamp::from_nanosecond(within).ok()?);
        let local = local_later(super::midnight(EPOCH), nanosecond + length(offset))?;
        Some(Moment { local, offset, zone })
    }

    /// Nanoseconds since 1970 UTC.
    pub fn nanosecond(&self) -> i128 {
        in_utc(self.local, self.offset)
    }

    /// What a clock there shows.
    pub fn local(&self) -> DateTime {
        self.local
    }

    /// The zone's offset from UTC then.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// The zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The offset of a zone where there is no date: that without summer time, as in Camunda 8, of the year 2026.
pub(super) fn standard_offset(zone: &TimeZone) -> Offset {
    let [winter, summer] = WINTER_AND_SUMMER.map(|then| zone.to_offset_info(then));
    if winter.dst().is_dst() { summer.offset() } else { winter.offset() }
}

/// Nanoseconds since 1970, as if this were UTC.
pub(crate) fn as_utc(local: DateTime) -> i128 {
    local.date().duration_since(EPOCH).as_nanos() / DAY * DAY + nanoseconds(local.time())
}

fn in_utc(local: DateTime, offset: Offset) -> i128 {
    as_utc(local) - length(offset)
}

/// How far a clock is ahead of UTC, in nanoseconds.
pub(super) fn length(offset: Offset) -> i128 {
    i128::from(offset.seconds()) * SECOND
}

/// The same time of the day in UTC; it may lie on another day.
pub(super) fn time_in_utc(time: Time, zone: &TimeZone) -> i128 {
    nanoseconds(time) - length(standard_offset(zone))
}
