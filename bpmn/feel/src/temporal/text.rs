//! To text.

use std::fmt::Write;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

use super::{DAY, SECOND, Temporal};

impl Temporal {
    /// FEEL's text (DMN 1.5, table 74), which `date`, `time`, `date and time` and `duration` read.
    pub(crate) fn feel_text(&self) -> String {
        match (self, self.zone_name()) {
            (Temporal::Zoned(moment), Some(name)) => format!("{}@{name}", local_text(moment.local())),
            (other, _) => other.stored_text(),
        }
    }

    /// What is stored, as in Camunda 8 (`to json`): ISO 8601 and, for a moment in a zone, RFC 9557, which says also which of two equal
    /// hours is meant.
    pub(crate) fn stored_text(&self) -> String {
        match self {
            Temporal::Date(date) => date_text(*date),
            Temporal::Time(time, _) => match self.zone_name() {
                Some(name) => format!("{time}@{name}"),
                None => format!("{time}{}", self.offset().map(offset_text).unwrap_or_default()),
            },
            Temporal::Local(local) => local_text(*local),
            Temporal::Zoned(moment) => {
                let zone = self.zone_name().map(|name| format!("[{name}]")).unwrap_or_default();
                format!("{}{}{zone}", local_text(moment.local()), offset_text(moment.offset()))
            }
            Temporal::DaysAndTime(length) => days_and_time(*length),
            Temporal::YearsAndMonths(months) => years_and_months(*months),
        }
    }
}

/// XML Schema has four digits also before the year 0.
fn date_text(date: Date) -> String {
    let sign = if date.year() < 0 { "-" } else { "" };
    format!("{sign}{:04}-{:02}-{:02}", date.year().unsigned_abs(), date.month(), date.day())
}

fn local_text(local: DateTime) -> String {
    format!("{}T{}", date_text(local.date()), local.time())
}

fn offset_text(offset: Offset) -> String {
    let seconds = offset.seconds();
    if seconds == 0 {
        return "Z".to_owned();
    }
    let (sign, length) = (if seconds < 0 { '-' } else { '+' }, seconds.abs());
    let mut text = format!("{sign}{:02}:{:02}", length / 3600, length / 60 % 60);
    if length % 60 != 0 {
        let _ = write!(text, ":{:02}", length % 60);
    }
    text
}

fn days_and_time(length: i128) -> String {
    if length == 0 {
        return "PT0S".to_owned();
    }
    let mut text = String::from(if length < 0 { "-P" } else { "P" });
    let (days, rest) = (length.abs() / DAY, length.abs() % DAY);
    let (hours, minutes, seconds) = (rest / SECOND / 3600, rest / SECOND / 60 % 60, rest / SECOND % 60);
    let fraction = format!("{:09}", rest % SECOND);
    let fraction = fraction.trim_end_matches('0');
    if days > 0 {
        let _ = write!(text, "{days}D");
    }
    if rest > 0 {
        text.push('T');
    }
    for (number, unit) in [(hours, 'H'), (minutes, 'M')] {
        if number > 0 {
            let _ = write!(text, "{number}{unit}");
        }
    }
    match (seconds, fraction) {
        (0, "") => {}
        (seconds, "") => drop(write!(text, "{seconds}S")),
        (seconds, fraction) => drop(write!(text, "{seconds}.{fraction}S")),
    }
    text
}

fn years_and_months(months: i64) -> String {
    if months == 0 {
        return "P0M".to_owned();
    }
    let mut text = String::from(if months < 0 { "-P" } else { "P" });
    for (number, unit) in [(months.abs() / 12, 'Y'), (months.abs() % 12, 'M')] {
        if number > 0 {
            let _ = write!(text, "{number}{unit}");
        }
    }
    text
}
