//! Functions on dates, times and durations (DMN 1.5, 10.3.4.1, 10.3.4.7 and 10.3.4.10; Camunda 8, "Temporal functions").
//!
//! `now()` and `today()` are what the scope says of `now()`, in UTC: the parser adds that name to their arguments.

use std::sync::Arc;

use jiff::civil::{Date, Time};
use jiff::tz::{Offset, TimeZone};

use super::{Args, Builtin, Fixed, builtin};
use crate::eval::{Evaluator, Fault};
use crate::temporal::{Moment, Temporal, as_utc, in_nanoseconds, midnight, moment, name_of_day, name_of_month, zone};
use crate::{Number, Value};

/// The functions that the parser gives the moment, by the name that it has in a scope.
pub(crate) const OF_THE_MOMENT: [&str; 2] = ["now", "today"];
pub(crate) const MOMENT: &str = "now()";

pub(super) static TABLE: &[Builtin] = &[
    builtin("now", &[""], |_, args| now(args).map(Value::from)),
    builtin("today", &[""], |_, args| now(args)?.date().map(|date| Value::from(Temporal::Date(date))).ok_or_else(outside)),
    builtin("date", &["from", "year, month, day"], date).checked(|fixed| DATE.check(fixed)),
    builtin("time", &["from", "hour, minute, second, offset?"], time).checked(|fixed| TIME.check(fixed)),
    builtin("date and time", &["from", "date, time", "date, timezone"], date_and_time).checked(|fixed| {
        DATE_AND_TIME.check(fixed)?;
        fixed.text(1).map_or(Ok(()), |name| named(name).map(drop))
    }),
    builtin("duration", &["from"], duration).checked(|fixed| DURATION.check(fixed)),
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

/// What a text may be read as.
struct Form {
    read: fn(&str) -> Option<Temporal>,
    what: &'static str,
    example: &'static str,
}

const DATE: Form = Form { read: Temporal::read_date, what: "date", example: "2026-11-20" };
const TIME: Form = Form { read: Temporal::read_time, what: "time", example: "10:30:00, 10:30:00+01:00 or 10:30:00@Europe/Berlin" };
const DATE_AND_TIME: Form = Form { read: Temporal::read_date_and_time, what: "date and time", example: "2026-11-20T10:30:00Z" };
const DURATION: Form = Form { read: Temporal::read_duration, what: "duration of either kind", example: "P1DT2H or P1Y6M" };

impl Form {
    fn read(&self, text: &str) -> Result<Temporal, Fault> {
        (self.read)(text).ok_or_else(|| Fault::Null(format!("the string is no {} such as {}", self.what, self.example)))
    }

    fn charged(&self, evaluator: &mut Evaluator<'_>, text: &str) -> Result<Temporal, Fault> {
        evaluator.charge_bytes(text.len())?;
        self.read(text)
    }

    /// What is wrong with the only argument, if that is a fixed text.
    fn check(&self, fixed: Fixed<'_>) -> Result<(), Fault> {
        match fixed.text(0) {
            Some(text) if fixed.len() == 1 => self.read(text).map(drop),
            _ => Ok(()),
        }
    }
}

/// What the function of this name reads of a text.
pub(super) fn reader(name: &str) -> Option<fn(&str) -> Option<Temporal>> {
    let (_, form) = [("date", DATE), ("time", TIME), ("date and time", DATE_AND_TIME), ("duration", DURATION)]
        .into_iter()
        .find(|(function, _)| *function == name)?;
    Some(form.read)
}

/// The zone of a name, or an offset.
fn named(name: &str) -> Result<TimeZone, Fault> {
    zone(name).ok_or_else(|| Fault::null("there is no such time zone"))
}

fn now(args: Args<'_>) -> Result<Temporal, Fault> {
    let text = args.value(0).as_str().and_then(moment);
    text.ok_or_else(|| Fault::null("there is no moment where this is evaluated"))
}

fn date(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let date = match (args.len(), args.value(0)) {
        (1, Value::String(text)) => DATE.charged(evaluator, text)?,
        (1, _) => Temporal::Date(args.temporal(0)?.date().ok_or_else(|| args.wrong(0, "date"))?),
        _ => {
            let parts = (i16::try_from(args.integer(0)?), i8::try_from(args.integer(1)?), i8::try_from(args.integer(2)?));
            let (Ok(year), Ok(month), Ok(day)) = parts else { return Err(outside()) };
            Temporal::Date(Date::new(year, month, day).map_err(|_| outside())?)
        }
    };
    Ok(date.into())
}

fn time(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let time = match (args.len(), args.value(0)) {
        (1, Value::String(text)) => TIME.charged(evaluator, text)?,
        (1, _) => match &**args.temporal(0)? {
            // DMN 1.5, table 71: midnight in UTC.
            Temporal::Date(_) => Temporal::Time(Time::midnight(), Some(TimeZone::UTC)),
            own @ Temporal::Time(..) => own.clone(),
            other => Temporal::Time(other.time().ok_or_else(|| args.wrong(0, "time"))?, other.offset().map(TimeZone::fixed)),
        },
        _ => {
            let (hour, minute) = (i8::try_from(args.integer(0)?), i8::try_from(args.integer(1)?));
            let second = args.number(2)?;
            let sound = !second.is_negative() && second < Number::from(60_i64);
            let within = in_nanoseconds(second).filter(|_| sound).and_then(|within| i64::try_from(within).ok());
            let (Ok(hour), Ok(minute), Some(within)) = (hour, minute, within) else { return Err(outside()) };
            let minute = Time::new(hour, minute, 0, 0).map_err(|_| outside())?;
            let zone = if args.value(3).is_null() { None } else { Some(TimeZone::fixed(offset(args)?)) };
            Temporal::Time(minute.checked_add(jiff::SignedDuration::from_nanos(within)).map_err(|_| outside())?, zone)
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

fn date_and_time(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let made = match (args.value(0), args.value(1)) {
        (Value::String(text), _) if args.len() == 1 => DATE_AND_TIME.charged(evaluator, text)?,
        (_, _) if args.len() == 1 => match &**args.temporal(0)? {
            Temporal::Date(date) => Temporal::Local(midnight(*date)),
            own @ (Temporal::Local(_) | Temporal::Zoned(_)) => own.clone(),
            _ => return Err(args.wrong(0, "date and time")),
        },
        (_, Value::String(name)) => {
            evaluator.charge_bytes(name.len())?;
            let zone = named(name)?;
            let nanosecond = match &**args.temporal(0)? {
                Temporal::Zoned(moment) => moment.nanosecond(),
                // What has no zone is in UTC here, as everywhere (Camunda 8 takes that of its machine).
                Temporal::Local(local) => as_utc(*local),
                _ => return Err(args.wrong(0, "date and time")),
            };
            Temporal::Zoned(Moment::of(nanosecond, zone).ok_or_else(outside)?)
        }
        _ => {
            let date = args.temporal(0)?.date().ok_or_else(|| args.wrong(0, "date"))?;
            let Temporal::Time(time, zone) = &**args.temporal(1)? else { return Err(args.wrong(1, "time")) };
            match zone {
                Some(zone) => Temporal::at(date.to_datetime(*time), zone.clone()).ok_or_else(outside)?,
                None => Temporal::Local(date.to_datetime(*time)),
            }
        }
    };
    Ok(made.into())
}

fn duration(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    if let Value::String(text) = args.value(0) {
        return DURATION.charged(evaluator, text).map(Value::from);
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
