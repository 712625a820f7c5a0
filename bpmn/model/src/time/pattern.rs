//! Patterns of dates as Java's `SimpleDateFormat` has them, which form fields are written in.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;
use mandate_feel::Moment;

/// A pattern such as `dd/MM/yyyy`. Moments are written and read in UTC; what a pattern does not name is the first of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatePattern {
    source: String,
    /// The same for jiff.
    format: String,
}

/// The longest pattern: some letters for each part of a date, and what stands between them.
const MAX_PATTERN: usize = 100;

impl DatePattern {
    /// What a field without a pattern is written in.
    pub const CAMUNDAS: &'static str = "dd/MM/yyyy";

    /// Reads a pattern of days, months, years and times of day as numbers. Names of days and months are none, for they depend on a
    /// language.
    pub fn parse(source: &str) -> Result<Self, String> {
        if source.is_empty() || source.len() > MAX_PATTERN {
            return Err(format!("a pattern has 1 to {MAX_PATTERN} characters"));
        }
        let mut format = String::new();
        let (mut rest, mut quotation) = (source, false);
        while let Some(first) = rest.chars().next() {
            let run = rest.len() - rest.trim_start_matches(first).len();
            let taken = match (first, &rest[..run]) {
                ('\'', _) => {
                    let quoted = rest[1..].find('\'').ok_or("a quotation does not end")?;
                    // Two quotes are one, between two parts of a quotation and alone.
                    if quotation || quoted == 0 {
                        format.push('\'');
                    }
                    literal(&mut format, &rest[1..=quoted]);
                    quoted + 2
                }
                (letter, run) if letter.is_ascii_alphabetic() => {
                    format.push_str(match run {
                        "yyyy" | "y" => "%Y",
                        "yy" => "%y",
                        "MM" => "%m",
                        "M" => "%-m",
                        "dd" => "%d",
                        "d" => "%-d",
                        "HH" => "%H",
                        "H" => "%-H",
                        "mm" => "%M",
                        "m" => "%-M",
                        "ss" => "%S",
                        "s" => "%-S",
                        "SSS" => "%3f",
                        other => return Err(format!("'{other}' is not supported")),
                    });
                    run.len()
                }
                (_, run) => {
                    literal(&mut format, run);
                    run.len()
                }
            };
            quotation = first == '\'' && taken > 2;
            rest = &rest[taken..];
        }
        let pattern = Self { source: source.to_owned(), format };
        // A pattern that cannot be read back names too little, or the same twice.
        pattern.read(&pattern.write(0)).map_err(|reason| format!("it names no date: {reason}"))?;
        Ok(pattern)
    }

    /// As the model has it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// A moment, in milliseconds since 1970, as a text. What lies beyond the years that have four digits is the first or last of them.
    pub fn write(&self, millis: i64) -> String {
        let mut text = String::new();
        // Every conversion of a format that was parsed takes every moment.
        let _ = write!(text, "{}", nearest(millis).strftime(&self.format));
        text
    }

    /// The moment that a text says.
    pub fn read(&self, text: &str) -> Result<i64, String> {
        let wrong = |reason: String| format!("'{}' is not written as {}: {reason}", super::short(text), self.source);
        let parsed: BrokenDownTime = strtime::parse(&self.format, text.trim()).map_err(|error| wrong(error.to_string()))?;
        let date = parsed.to_date().map_err(|error| wrong(error.to_string()))?;
        let time = parsed.to_time().unwrap_or(jiff::civil::Time::midnight());
        let moment = Moment::at(date.to_datetime(time), TimeZone::UTC).expect("UTC shows each year that there is");
        Ok(millisecond(&moment))
    }
}

/// A moment in the form that variables keep, RFC 3339, which every delegate's language reads. What lies beyond the years that there are is
/// the first or last of them.
pub fn rfc_3339(millis: i64) -> String {
    nearest(millis).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// What a clock in UTC shows at a moment; none beyond the years that there are.
pub(super) fn utc(millis: i64) -> Option<DateTime> {
    Moment::of(i128::from(millis) * 1_000_000, TimeZone::UTC).map(|moment| moment.local())
}

fn nearest(millis: i64) -> DateTime {
    utc(millis).unwrap_or(if millis < 0 { DateTime::MIN } else { DateTime::MAX })
}

pub(super) fn millisecond(moment: &Moment) -> i64 {
    i64::try_from(moment.nanosecond() / 1_000_000).expect("the years that there are have fewer milliseconds")
}

fn literal(format: &mut String, text: &str) {
    format.push_str(&text.replace('%', "%%"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-20T09:08:07.006Z.
    const MOMENT: i64 = 1_795_165_687_006;

    #[test]
    fn patterns_are_written_and_read_back() {
        for (pattern, text, millis) in [
            ("dd/MM/yyyy", "20/11/2026", 1_795_132_800_000),
            ("yyyy-MM-dd'T'HH:mm:ss.SSS", "2026-11-20T09:08:07.006", MOMENT),
            ("d.M.yy H:m", "20.11.26 9:8", 1_795_165_680_000),
            ("yyyyMMdd", "20261120", 1_795_132_800_000),
            ("yyyy 'o''clock' MM dd", "2026 o'clock 11 20", 1_795_132_800_000),
        ] {
            let parsed = DatePattern::parse(pattern).expect(pattern);
            assert_eq!((parsed.write(MOMENT).as_str(), parsed.read(text)), (text, Ok(millis)), "{pattern}");
        }
    }

    #[test]
    fn what_cannot_be_a_date_is_refused() {
        for pattern in ["", "MMM yyyy", "EEE", "HH:mm", "dd/MM", "'", "yyyy-MM-dd '", &"d".repeat(101)] {
            DatePattern::parse(pattern).expect_err(pattern);
        }
        let pattern = DatePattern::parse(DatePattern::CAMUNDAS).expect("a pattern");
        for text in ["", "31/02/2026", "2026-11-20", "20/11/2026 10:00", "99999999999999999999/1/1"] {
            assert!(pattern.read(text).expect_err(text).contains("dd/MM/yyyy"), "{text}");
        }
        assert_eq!(pattern.write(i64::MIN), "01/01/-9999");
        assert_eq!(pattern.read("31/12/9999").map(|last| pattern.write(last)).as_deref(), Ok("31/12/9999"));
    }
}
