//! Time zones, from the tables that are built into the engine: every host that runs one version of it counts the same, whatever is
//! installed on its machine.

use jiff::civil::Time;
use jiff::fmt::temporal::{DateTimeParser, Pieces, PiecesOffset, TimeZoneAnnotation, TimeZoneAnnotationKind};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use mandate_feel::Moment;

use super::{MAX_TEXT, TimeError, short};

/// The zone with an IANA name, such as `Europe/Berlin`; none if there is no such zone.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    mandate_feel::time_zone(name)
}

/// The moment an ISO 8601 date names, with the zone in which days and months are counted from it: that in brackets (RFC 9557), or its
/// offset, or UTC. A date without a time is its midnight. A local time that does not exist, because the clocks are set forward, is as much
/// later; of one that comes twice the first is meant.
pub(super) fn zoned(iso_date: &str) -> Result<Zoned, TimeError> {
    let moment = moment(iso_date)?;
    let timestamp = Timestamp::from_nanosecond(moment.nanosecond()).map_err(|_| TimeError::TooFar(short(iso_date.trim())))?;
    Ok(timestamp.to_zoned(moment.zone().clone()))
}

/// The same also of the last day of the year 9999, which `Zoned` has not.
pub(super) fn moment(iso_date: &str) -> Result<Moment, TimeError> {
    static PARSER: DateTimeParser = DateTimeParser::new();
    let text = iso_date.trim();
    let not_a_date = |reason: String| TimeError::NotADate { text: short(text), reason };
    if text.len() > MAX_TEXT {
        return Err(not_a_date("it is too long".to_owned()));
    }
    let pieces = PARSER.parse_pieces(text).map_err(|error| not_a_date(error.to_string()))?;
    let local = pieces.date().to_datetime(pieces.time().unwrap_or(Time::midnight()));
    let offset = pieces.to_numeric_offset();
    let zone = bracketed(&pieces).map_err(not_a_date)?;
    let moment = match (offset, zone) {
        (Some(offset), None) => Moment::at(local, TimeZone::fixed(offset)),
        (Some(offset), Some(zone)) => {
            let moment = Moment::at(local, TimeZone::fixed(offset)).and_then(|moment| Moment::of(moment.nanosecond(), zone));
            // `Z` says only which moment is meant.
            let is_numeric = matches!(pieces.offset(), Some(PiecesOffset::Numeric(_)));
            if is_numeric && moment.as_ref().is_some_and(|moment| moment.offset() != offset) {
                return Err(not_a_date("the offset is not that of the zone in brackets at this moment; leave out one of them".to_owned()));
            }
            moment
        }
        (None, zone) => Moment::at(local, zone.unwrap_or(TimeZone::UTC)),
    };
    moment.ok_or_else(|| TimeError::TooFar(short(text)))
}

fn bracketed(pieces: &Pieces<'_>) -> Result<Option<TimeZone>, String> {
    match pieces.time_zone_annotation().map(TimeZoneAnnotation::kind) {
        None => Ok(None),
        Some(TimeZoneAnnotationKind::Offset(offset)) => Ok(Some(TimeZone::fixed(*offset))),
        Some(TimeZoneAnnotationKind::Named(name)) => {
            named(name.as_str()).map(Some).ok_or_else(|| format!("there is no time zone '{}'", short(name.as_str())))
        }
        Some(_) => Err("what stands in brackets is neither a time zone nor an offset".to_owned()),
    }
}
