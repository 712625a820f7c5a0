//! Durations, sizes and rates as operators write them.

use std::time::Duration;

/// How many requests may start per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    /// The time between two starts at exactly this rate.
    pub(crate) interval: Duration,
}

/// More per second than any one target is sent; it keeps the interval at or above a microsecond.
const MAX_PER_SECOND: u64 = 1_000_000;

/// Reads `500ms`, `5s`, `2m` or `1h`; whole numbers only, so that nothing is rounded silently.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// Reads `512 B`, `64 KiB` or `1 MiB` as bytes.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let bytes = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    number.checked_mul(bytes)
}

/// Reads `200/s`, `600/m` or `1000/h`.
pub(crate) fn rate(text: &str) -> Option<Rate> {
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "/s" => 1,
        "/m" => 60,
        "/h" => 3_600,
        _ => return None,
    };
    if number == 0 || number > MAX_PER_SECOND * seconds {
        return None;
    }
    let nanos = u128::from(seconds) * 1_000_000_000 / u128::from(number);
    Some(Rate { interval: Duration::from_nanos(u64::try_from(nanos).ok()?) })
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_a_unit() {
        for (text, millis) in [("500ms", 500), ("5s", 5_000), ("2 m", 120_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "1.5s", "-1s", "5 parsecs", "99999999999999999999s", "18446744073709551615h"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size("64 KiB"), Some(65_536));
        assert_eq!(size("1MiB"), Some(1_048_576));
        assert_eq!(size("10 B"), Some(10));
        assert_eq!(size("64 KB"), None);
        assert_eq!(size("64"), None);
    }

    #[test]
    fn a_rate_is_an_interval() {
        assert_eq!(rate("200/s").map(|r| r.interval), Some(Duration::from_millis(5)));
        assert_eq!(rate("60/m").map(|r| r.interval), Some(Duration::from_secs(1)));
        assert_eq!(rate("1 /h").map(|r| r.interval), Some(Duration::from_hours(1)));
        for text in ["0/s", "2000000/s", "5", "5/d", "/s"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
