//! Dates as Camunda 7 writes them: `2026-11-20T10:00:00.000+0000`.

use mandate_runtime::model::time;

/// A moment in Camunda's form, in UTC: milliseconds always, and no colon in the offset, for strict clients parse nothing else. What lies
/// beyond the years a date can name becomes the first or last of them.
pub(crate) fn print(millis: i64) -> String {
    let text = time::rfc_3339(millis);
    format!("{}+0000", text.trim_end_matches('Z'))
}

/// A moment that may be missing.
pub(crate) fn print_option(millis: Option<i64>) -> Option<String> {
    millis.map(print)
}

/// Reads a date liberally: with or without milliseconds, offset as `Z`, `+0000`, `+00:00` or none (UTC). A plus sign that a query string
/// has turned into a space is taken for what it was.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let text = text.trim();
    let repaired = text.rsplit_once(' ').filter(|(before, offset)| before.contains('T') && is_offset(offset));
    let repaired = repaired.map(|(before, offset)| format!("{before}+{offset}"));
    time::due_at(repaired.as_deref().unwrap_or(text)).map_err(|error| error.to_string())
}

/// The moment in the form that variables keep: RFC 3339, which every delegate's language reads.
pub(crate) fn stored(millis: i64) -> String {
    time::rfc_3339(millis)
}

fn is_offset(text: &str) -> bool {
    let digits: Vec<_> = text.bytes().filter(|byte| *byte != b':').collect();
    digits.len() == 4 && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: i64 = 1_795_168_800_000;

    #[test]
    fn dates_have_milliseconds_and_an_offset_without_colon() {
        assert_eq!(print(MOMENT), "2026-11-20T10:00:00.000+0000");
        assert_eq!(print(MOMENT + 7), "2026-11-20T10:00:00.007+0000");
    }

    #[test]
    fn every_form_that_clients_send_is_read() {
        for text in [
            "2026-11-20T10:00:00.000+0000",
            "2026-11-20T10:00:00.000Z",
            "2026-11-20T10:00:00Z",
            "2026-11-20T10:00:00+00:00",
            "2026-11-20T11:00:00.000+0100",
            "2026-11-20T11:00:00.000 0100",
            "2026-11-20T11:00:00 01:00",
            "2026-11-20T10:00:00",
            " 2026-11-20T10:00:00.000+0000 ",
        ] {
            assert_eq!(parse(text), Ok(MOMENT), "{text}");
        }
        for text in ["", "yesterday", "2026-13-01T00:00:00Z", "1795168800000"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_beyond_the_calendar_do_not_panic() {
        assert!(print(i64::MAX).starts_with("9999-"));
        assert!(print(i64::MIN).starts_with("-9999-"));
    }

    #[test]
    fn variables_keep_a_form_that_reads_back() {
        assert_eq!(stored(MOMENT), "2026-11-20T10:00:00.000Z");
        assert_eq!(parse(&stored(MOMENT)), Ok(MOMENT));
    }
}
