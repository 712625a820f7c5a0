//! Time zones, from the tables that are built into the engine: every host that runs one version of it counts the same, whatever is installed
//! on its machine.

use jiff::civil::Time;
use jiff::fmt::temporal::{DateTimeParser, Pieces, PiecesOffset, TimeZoneAnnotation, TimeZoneAnnotationKind};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::{MAX_TEXT, TimeError, short};

/// The zone with an IANA name, such as `Europe/Berlin`; none if there is no such zone.
pub(super) fn named(name: &str) -> Option<TimeZone> {
    mandate_feel::time_zone(name)
}

/// The moment an ISO 8601 date names, with the zone in which days and months are counted from it: that in brackets (RFC 9557), or its offset,
/// or UTC. A date without a time is its midnight. A local time that does not exist, because the clocks are set forward, is as much later; of one
/// that comes twice the first is meant.
pub(super) fn zoned(iso_date: &str) -> Result<Zoned, TimeError> {
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
    let too_far = |_| TimeError::TooFar(short(text));
    let moment: Timestamp = match (offset, &zone) {
        (Some(offset), _) => offset.to_timestamp(local).map_err(too_far)?,
        (None, Some(zone)) => zone.to_ambiguous_timestamp(local).compatible().map_err(too_far)?,
        (None, None) => TimeZone::UTC.to_timestamp(local).map_err(too_far)?,
    };
    // `Z` says only which moment is meant.
    if let (Some(PiecesOffset::Numeric(_)), Some(offset), Some(zone)) = (pieces.offset(), offset, &zone)
        && zone.to_offset(moment) != offset
    {
        return Err(not_a_date("the offset is not that of the zone in brackets at this moment; leave out one of them".to_owned()));
    }
    Ok(moment.to_zoned(zone.or_else(|| offset.map(TimeZone::fixed)).unwrap_or(TimeZone::UTC)))
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
