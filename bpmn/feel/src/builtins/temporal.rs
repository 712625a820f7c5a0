//! Functions on dates, times and durations (DMN 1.5, 10.3.4.1, 10.3.4.7 and 10.3.4.10; Camunda 8, "Temporal functions").
//!
//! `now()` and `today()` are what the scope says of `now()`, in UTC: the parser adds that name to their arguments.

use std::sync::Arc;

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

use super::{Args, Builtin, builtin};
use crate::eval::{Evaluator, Fault};
use crate::temporal::{Temporal, in_nanoseconds, midnight, moment, name_of_day, name_of_month, zone};
use crate::{Number, Value};

/// The functions that the parser gives the moment, by the name that it has in a scope.
pub(crate) const OF_THE_MOMENT: [&str; 2] = ["now", "today"];
pub(crate) const MOMENT: &str = "now()";

pub(super) static TABLE: &[Builtin] = &[
    builtin("now", &[""], |_, args| now(args).map(Value::from)),
    builtin("today", &[""], |_, args| now(args)?.date().map(|date| Value::from(Temporal::Date(date))).ok_or_else(outside)),
    builtin("date", &["from", "year, month, day"], date),
    builtin("time", &["from", "hour, minute, second, offset?"], time),
    builtin("date and time", &["from", "date, time", "date, timezone"], date_and_time),
    builtin("duration", &["from"], duration),
    builtin("years and months duration", &["from, to"], years_and_months),
    builtin("day of week", &["date"], |_, args| of_day(args, |date| name_of_day(date).into())),
    builtin("day of year", &["date"], |_, args| of_day(args, |date| i32::from(date.day_of_year()).into())),
    builtin("week of year", &["date"], |_, args| of_day(args, |date| i32::from(date.iso_week_date().week()).into())),
    builtin("month of year", &["date"], |_, args| of_day(args, |date| name_of_month(date).into())),
    builtin("last day of month", &["date"], |_, args| of_day(args, |date| Temporal::Date(date.last_of_month()).into())),
];

fn outside() -> Fault {
    Fault::null("there is no such date, time or duration")
}

fn unreadable(what: &str, example: &str) -> Fault {
    Fault::Null(format!("the string is no {what} such as {example}"))
}

fn now(args: Args<'_>) -> Result<Temporal, Fault> {
    let text = args.value(0).as_str().and_then(moment);
    text.ok_or_else(|| Fault::null("there is no moment where this is evaluated"))
}

fn date(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let date = match (args.len(), args.value(0)) {
        (1, Value::String(text)) => Temporal::read_date(text).ok_or_else(|| unreadable("date", "2026-11-20"))?,
        (1, _) => Temporal::Date(args.temporal(0)?.date().ok_or_else(|| args.wrong(0, "date"))?),
        _ => {
            let parts = (i16::try_from(args.integer(0)?), i8::try_from(args.integer(1)?), i8::try_from(args.integer(2)?));
            let (Ok(year), Ok(month), Ok(day)) = parts else { return Err(outside()) };
            Temporal::Date(Date::new(year, month, day).map_err(|_| outside())?)
        }
    };
    Ok(date.into())
}

fn time(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let time = match (args.len(), args.value(0)) {
        (1, Value::String(text)) => Temporal::read_time(text).ok_or_else(|| unreadable("time", "10:30:00 or 10:30:00+01:00"))?,
        (1, _) => match &**args.temporal(0)? {
            // DMN 1.5, table 71: midnight in UTC.
            Temporal::Date(_) => Temporal::Time(Time::midnight(), Some(Offset::UTC)),
            other => Temporal::Time(other.time().ok_or_else(|| args.wrong(0, "time"))?, other.offset()),
        },
        _ => {
            let (hour, minute) = (i8::try_from(args.integer(0)?), i8::try_from(args.integer(1)?));
            let second = args.number(2)?;
            let sound = !second.is_negative() && second < Number::from(60_i64);
            let within = in_nanoseconds(second).filter(|_| sound).and_then(|within| i64::try_from(within).ok());
            let (Ok(hour), Ok(minute), Some(within)) = (hour, minute, within) else { return Err(outside()) };
            let minute = Time::new(hour, minute, 0, 0).map_err(|_| outside())?;
            let offset = if args.value(3).is_null() { None } else { Some(offset(args)?) };
            Temporal::Time(minute.checked_add(jiff::SignedDuration::from_nanos(within)).map_err(|_| outside())?, offset)
        }
    };
    Ok(time.into())
}

/// The fourth argument, a duration, as an offset from UTC.
fn offset(args: Args<'_>) -> Result<Offset, Fault> {
    let Temporal::DaysAndTime(length) = &**args.temporal(3)? else { return Err(args.wrong(3, "days and time duration")) };
    let seconds = i32::try_from(length / 1_000_000_000).ok().filter(|seconds| seconds.abs() <= 18 * 3600);
    seconds.and_then(|seconds| Offset::from_seconds(seconds).ok()).ok_or_else(outside)
}

fn date_and_time(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let made = match (args.value(0), args.value(1)) {
        (Value::String(text), _) if args.len() == 1 => {
            Temporal::read_date_and_time(text).ok_or_else(|| unreadable("date and time", "2026-11-20T10:30:00Z"))?
        }
        (_, _) if args.len() == 1 => match &**args.temporal(0)? {
            Temporal::Date(date) => Temporal::Local(midnight(*date)),
            own @ (Temporal::Local(_) | Temporal::Zoned(_)) => own.clone(),
            _ => return Err(args.wrong(0, "date and time")),
        },
        (_, Value::String(name)) => {
            let zone = zone(name).ok_or_else(|| Fault::null("there is no such time zone"))?;
            let moment = &**args.temporal(0)?;
            // What has no zone is in UTC here, as everywhere (Camunda 8 takes that of its machine).
            let moment = if let Temporal::Local(local) = moment { Temporal::at(*local, TimeZone::UTC) } else { Some(moment.clone()) };
            moment.ok_or_else(outside)?.in_zone(zone).ok_or_else(|| args.wrong(0, "date and time"))?
        }
        _ => {
            let date = args.temporal(0)?.date().ok_or_else(|| args.wrong(0, "date"))?;
            let Temporal::Time(time, offset) = &**args.temporal(1)? else { return Err(args.wrong(1, "time")) };
            match offset {
                Some(offset) => Temporal::at(date.to_datetime(*time), TimeZone::fixed(*offset)).ok_or_else(outside)?,
                None => Temporal::Local(date.to_datetime(*time)),
            }
        }
    };
    Ok(made.into())
}

fn duration(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    if let Value::String(text) = args.value(0) {
        let duration = Temporal::read_duration(text);
        return duration.map(Value::from).ok_or_else(|| unreadable("duration of either kind", "P1DT2H or P1Y6M"));
    }
    match &**args.temporal(0)? {
        Temporal::DaysAndTime(_) | Temporal::YearsAndMonths(_) => Ok(args.value(0).clone()),
        _ => Err(args.wrong(0, "duration")),
    }
}

fn years_and_months(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (from, to) = (args.temporal(0)?, args.temporal(1)?);
    let between = from.months_until(to);
    between.map(Value::from).ok_or_else(|| args.wrong(usize::from(from.date().is_some()), "date, or date and time"))
}

fn of_day(args: Args<'_>, of: fn(Date) -> Value) -> Result<Value, Fault> {
    args.temporal(0)?.date().map(of).ok_or_else(|| args.wrong(0, "date, or date and time"))
}

impl<'v> Args<'v> {
    fn temporal(self, at: usize) -> Result<&'v Arc<Temporal>, Fault> {
        if let Value::Temporal(temporal) = self.value(at) { Ok(temporal) } else { Err(self.wrong(at, "date, time or duration")) }
    }
}
