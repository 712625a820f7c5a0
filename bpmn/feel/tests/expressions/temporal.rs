//! FEEL's dates, times and durations, as tables: expression, variables, value.

use crate::common::{check, nulls, refused, table};

const NONE: &str = "{}";

/// What the engine's scope says of `now()`, and a variable of Camunda 7's type `Date`.
const NOW: &str = r#"{"now()": "2026-11-20T10:30:00.250+0000", "due": "2026-11-21T10:30:00.250+0000", "from": "2026-10-25"}"#;

#[test]
fn literals_and_conversions_give_iso_8601() {
    table(
        NONE,
        &[
            (r#"@"2026-11-20""#, r#""2026-11-20""#),
            (r#"@"10:30:00""#, r#""10:30:00""#),
            (r#"@"10:30""#, r#""10:30:00""#),
            (r#"@"T10:30:00""#, r#""10:30:00""#),
            (r#"@"10:30:00.250+01:00""#, r#""10:30:00.25+01:00""#),
            (r#"@"10:30:00Z""#, r#""10:30:00Z""#),
            (r#"@"2026-11-20T10:30:00""#, r#""2026-11-20T10:30:00""#),
            (r#"@"2026-11-20T10:30:00-05:30""#, r#""2026-11-20T10:30:00-05:30""#),
            (r#"@"2026-11-20T10:30:00@Europe/Berlin""#, r#""2026-11-20T10:30:00+01:00[Europe/Berlin]""#),
            (r#"@"2026-11-20T10:30:00+01:00[Europe/Berlin]""#, r#""2026-11-20T10:30:00+01:00[Europe/Berlin]""#),
            (r#"@"P1DT2H3M4.5S""#, r#""P1DT2H3M4.5S""#),
            (r#"@"-PT90M""#, r#""-PT1H30M""#),
            (r#"@"P2W""#, r#""P14D""#),
            (r#"@"P14M""#, r#""P1Y2M""#),
            (r#"@"-P1Y""#, r#""-P1Y""#),
            (r#"[@"PT0S", @"P0D", @"P0M", @"P0Y"]"#, r#"["PT0S", "PT0S", "P0M", "P0M"]"#),
            (r#"{a: [@"PT5M"]}"#, r#"{"a": ["PT5M"]}"#),
            (r#"date("2026-02-28")"#, r#""2026-02-28""#),
            ("date(2026, 2, 28)", r#""2026-02-28""#),
            ("date(year: 2026, day: 28, month: 2)", r#""2026-02-28""#),
            (r#"date(date and time("2026-11-20T10:30:00"))"#, r#""2026-11-20""#),
            (r#"date("-0001-01-01")"#, r#""-0001-01-01""#),
            (r#"time("23:59:00")"#, r#""23:59:00""#),
            // XML Schema's end of a day is the beginning of the next.
            (r#"[time("24:00:00"), time("24:00"), time("24:00:00.0+01:00")]"#, r#"["00:00:00", "00:00:00", "00:00:00+01:00"]"#),
            (
                r#"[@"2026-02-28T24:00:00", @"2026-12-31T24:00:00@Europe/Berlin"]"#,
                r#"["2026-03-01T00:00:00", "2027-01-01T00:00:00+01:00[Europe/Berlin]"]"#,
            ),
            // Java's zones that are offsets.
            (
                r#"for z in ["GMT+1", "UTC+01:00", "UT+0100", "GMT+01:00:00", "UTC-14", "UT"] return time("10:00:00@" + z)"#,
                r#"["10:00:00+01:00", "10:00:00+01:00", "10:00:00+01:00", "10:00:00+01:00", "10:00:00-14:00", "10:00:00Z"]"#,
            ),
            (r#"date and time(@"2026-11-20T10:00:00Z", "GMT+1")"#, r#""2026-11-20T11:00:00+01:00""#),
            ("time(23, 59, 1.5)", r#""23:59:01.5""#),
            (r#"time(14, 30, 0, duration("PT1H"))"#, r#""14:30:00+01:00""#),
            (r#"time(@"2026-11-20T10:30:00@Europe/Berlin")"#, r#""10:30:00+01:00""#),
            (r#"time(@"2026-11-20")"#, r#""00:00:00Z""#),
            (r#"date and time("2026-11-20")"#, r#""2026-11-20T00:00:00""#),
            (r#"date and time(date("2026-11-20"), time("23:59:00"))"#, r#""2026-11-20T23:59:00""#),
            (r#"date and time(@"2026-11-20T01:00:00", @"23:59:00Z")"#, r#""2026-11-20T23:59:00Z""#),
            (r#"date and time(date: @"2026-11-20", time: @"23:59:00")"#, r#""2026-11-20T23:59:00""#),
            (
                r#"date and time(@"2020-07-31T14:27:30@Europe/Berlin", "America/Los_Angeles")"#,
                r#""2020-07-31T05:27:30-07:00[America/Los_Angeles]""#,
            ),
            (r#"date and time(@"2020-07-31T14:27:30", "Z")"#, r#""2020-07-31T14:27:30Z""#),
            (r#"date and time(date: @"2020-07-31T14:27:30+02:00", timezone: "+02:00")"#, r#""2020-07-31T14:27:30+02:00""#),
            (r#"duration("P5D")"#, r#""P5D""#),
            (r#"duration(duration("P32Y"))"#, r#""P32Y""#),
            (r#"years and months duration(date("2011-12-22"), date("2013-08-24"))"#, r#""P1Y8M""#),
            (r#"years and months duration(from: @"2013-08-24", to: @"2011-12-22T10:00:00Z")"#, r#""-P1Y8M""#),
            (r#"string(@"2026-11-20T10:30:00@Europe/Berlin")"#, r#""2026-11-20T10:30:00@Europe/Berlin""#),
            (r#"string(duration("PT90M"))"#, r#""PT1H30M""#),
            (r#"string([@"PT5M", {a: @"2026-11-20"}])"#, r#""[@\"PT5M\", {a: @\"2026-11-20\"}]""#),
            (r#"to json({due: @"2025-11-24T10:00:00@Europe/Berlin"})"#, r#""{\"due\":\"2025-11-24T10:00:00+01:00[Europe/Berlin]\"}""#),
        ],
    );
}

#[test]
fn the_moment_is_what_the_scope_says() {
    table(
        NOW,
        &[
            ("now()", r#""2026-11-20T10:30:00.25Z""#),
            ("today()", r#""2026-11-20""#),
            (r#"now() + duration("PT1H")"#, r#""2026-11-20T11:30:00.25Z""#),
            ("date and time(due) - now()", r#""P1D""#),
            ("date and time(due) > now() and now() = now()", "true"),
            (r#"date(from) < today() and today() in [date(from)..@"2026-12-31"]"#, "true"),
        ],
    );
    nulls(r#"{"now()": 5}"#, &[("now()", "now(): there is no moment where this is evaluated")]);
}

#[test]
fn arithmetic() {
    table(
        NONE,
        &[
            (r#"@"2026-11-20" + @"P1D""#, r#""2026-11-21""#),
            (r#"@"P1D" + @"2026-11-20""#, r#""2026-11-21""#),
            (r#"@"2026-11-20" + @"PT36H""#, r#""2026-11-21""#),
            (r#"@"2026-11-20" - @"PT1S""#, r#""2026-11-19""#),
            (r#"@"2024-01-31" + @"P1M""#, r#""2024-02-29""#),
            (r#"@"2024-02-29" - @"P1Y""#, r#""2023-02-28""#),
            (r#"@"2026-11-20T10:00:00" + @"PT15H""#, r#""2026-11-21T01:00:00""#),
            (r#"@"2026-11-20T10:00:00Z" - @"P1Y2M""#, r#""2025-09-20T10:00:00Z""#),
            (r#"@"23:30:00" + @"PT1H""#, r#""00:30:00""#),
            (r#"@"00:30:00+01:00" - @"PT1H""#, r#""23:30:00+01:00""#),
            (r#"@"2026-11-20" - @"2026-11-18""#, r#""P2D""#),
            (r#"@"2026-11-20T12:00:00" - @"2026-11-20""#, r#""PT12H""#),
            (r#"@"2026-11-20" - @"2026-11-19T23:00:00-01:00""#, r#""PT0S""#),
            (r#"@"10:00:00" - @"12:30:00""#, r#""-PT2H30M""#),
            (r#"@"10:00:00Z" - @"10:00:00+01:00""#, r#""PT1H""#),
            (r#"@"P1D" - @"PT1H" + @"PT30M""#, r#""PT23H30M""#),
            (r#"@"P1Y" - @"P1M""#, r#""P11M""#),
            (r#"@"PT1H" * 1.5"#, r#""PT1H30M""#),
            (r#"3 * @"P5M""#, r#""P1Y3M""#),
            (r#"@"P1D" / 7"#, r#""PT3H25M42.857142857S""#),
            (r#"@"P1Y" / 5"#, r#""P2M""#),
            (r#"@"P1D" / @"PT1H""#, "24"),
            (r#"@"P1Y" / @"P5M""#, "2.4"),
            (r#"-@"PT5M""#, r#""-PT5M""#),
            (r#"abs(-@"P1Y") = abs(@"P1Y")"#, "true"),
            (r#"min(@"PT5M", @"PT1M") + max([@"P1D", @"P2D"])"#, r#""P2DT1M""#),
        ],
    );
    nulls(
        NONE,
        &[
            (r#"@"2026-11-20" + 1"#, "+ takes no date and number"),
            (r#"@"2026-11-20" + @"2026-11-20""#, "+ takes no date and date"),
            (r#"@"PT1H" - @"2026-11-20""#, "- takes no days and time duration and date"),
            (r#"@"PT1H" + @"P1M""#, "+ takes no days and time duration and years and months duration"),
            (r#"@"10:00:00" + @"P1M""#, "+ takes no time and years and months duration"),
            (r#"@"PT1H" * @"PT1H""#, "* takes no days and time duration and days and time duration"),
            (r#"@"2026-11-20" * 2"#, "* takes no date and number"),
            (r#"@"2026-11-20T10:00:00Z" - @"2026-11-20T10:00:00""#, "-: one date and time, or time, has a zone, the other has none"),
            (r#"@"9999-12-31" + @"P1D""#, "the result of + lies outside of the years -9999 to 9999"),
            (r#"@"-9999-01-01" - @"P1M""#, "the result of - lies outside of the years -9999 to 9999"),
            (r#"@"P9999Y" * 1e300"#, "the result of * lies outside of the years -9999 to 9999"),
            (r#"@"P1D" / 0"#, "division by zero"),
            (r#"@"P1D" / @"PT0S""#, "division by zero"),
            (r#"-@"2026-11-20""#, "- needs a number or a duration, not date"),
        ],
    );
}

#[test]
fn clocks_are_set_forward_and_back() {
    table(
        NONE,
        &[
            // A day has the hours that it has; a month later is the same time of the day.
            (r#"@"2026-03-28T12:00:00@Europe/Berlin" + @"P1D""#, r#""2026-03-29T13:00:00+02:00[Europe/Berlin]""#),
            (r#"@"2026-02-28T12:00:00@Europe/Berlin" + @"P1M""#, r#""2026-03-28T12:00:00+01:00[Europe/Berlin]""#),
            (r#"@"2026-02-28T12:00:00@Europe/Berlin" + @"P2M""#, r#""2026-04-28T12:00:00+02:00[Europe/Berlin]""#),
            // The hour from 2 to 3 is left out, and that from 2 to 3 comes twice.
            (r#"@"2026-03-29T02:30:00@Europe/Berlin""#, r#""2026-03-29T03:30:00+02:00[Europe/Berlin]""#),
            (r#"@"2026-10-25T02:30:00@Europe/Berlin""#, r#""2026-10-25T02:30:00+02:00[Europe/Berlin]""#),
            (r#"@"2026-10-25T02:30:00+01:00[Europe/Berlin]" - @"2026-10-25T02:30:00@Europe/Berlin""#, r#""PT1H""#),
            (r#"@"2026-10-25T02:30:00@Europe/Berlin" + @"PT1H""#, r#""2026-10-25T02:30:00+01:00[Europe/Berlin]""#),
            (r#"@"2026-07-01T12:00:00@Europe/Berlin" = @"2026-07-01T10:00:00Z""#, "true"),
        ],
    );
}

#[test]
fn times_may_have_a_zone() {
    table(
        r#"{"text": "10:00:00@Europe/Berlin"}"#,
        &[
            (r#"time("10:00:00@Europe/Berlin")"#, r#""10:00:00@Europe/Berlin""#),
            (r#"@"T10:00:00@Asia/Tokyo""#, r#""10:00:00@Asia/Tokyo""#),
            ("string(time(time(text)))", r#""10:00:00@Europe/Berlin""#),
            (r#"time(text) = @"10:00:00@Europe/Berlin""#, "true"),
            (r#"[@"10:00:00@Europe/Berlin".timezone, @"10:00:00@UTC".timezone]"#, r#"["Europe/Berlin", null]"#),
            // Without a date there is no summer time, on either half of the earth.
            (r#"[@"10:00:00@Europe/Berlin".time offset, @"10:00:00@Australia/Sydney".time offset]"#, r#"["PT1H", "PT10H"]"#),
            (r#"@"10:00:00@Europe/Berlin" = @"09:00:00Z" and @"10:00:00@Europe/Berlin" < @"10:00:00@America/New_York""#, "true"),
            (r#"@"10:00:00@Europe/Berlin" - @"10:00:00@Asia/Tokyo""#, r#""PT8H""#),
            (r#"@"23:30:00@Europe/Berlin" + @"PT1H""#, r#""00:30:00@Europe/Berlin""#),
            // With a date there is.
            (r#"date and time(@"2026-07-01", @"10:00:00@Europe/Berlin")"#, r#""2026-07-01T10:00:00+02:00[Europe/Berlin]""#),
            (r#"date and time(@"2026-12-01", @"10:00:00@Europe/Berlin")"#, r#""2026-12-01T10:00:00+01:00[Europe/Berlin]""#),
        ],
    );
    nulls(NONE, &[(r#"@"10:00:00@Europe/Berlin" < @"10:00:00""#, "< needs two values of one kind that have an order, not time and time")]);
}

/// What the library that counts days takes for the last moment is 9999-12-30T22:00:00Z.
#[test]
fn first_and_last_moments_are_those_that_their_zone_shows() {
    table(
        r#"{"last": "9999-12-31T23:59:59.999+0000", "forever": "9999-12-31T23:59:59Z", "now()": "2026-11-20T10:30:00.000+0000"}"#,
        &[
            ("date and time(forever)", r#""9999-12-31T23:59:59Z""#),
            ("date and time(last)", r#""9999-12-31T23:59:59.999Z""#),
            (r#"@"9999-12-31T23:59:59+14:00""#, r#""9999-12-31T23:59:59+14:00""#),
            (r#"@"9999-12-31T23:59:59-12:00""#, r#""9999-12-31T23:59:59-12:00""#),
            (r#"@"9999-12-31T23:59:59@America/New_York""#, r#""9999-12-31T23:59:59-05:00[America/New_York]""#),
            (r#"@"9999-12-31T23:59:59-05:00[America/New_York]""#, r#""9999-12-31T23:59:59-05:00[America/New_York]""#),
            (r#"@"-9999-01-01T00:00:00Z""#, r#""-9999-01-01T00:00:00Z""#),
            (r#"@"-9999-01-01T00:00:00+14:00""#, r#""-9999-01-01T00:00:00+14:00""#),
            (r#"date and time(@"9999-12-31", @"23:59:59Z")"#, r#""9999-12-31T23:59:59Z""#),
            (r#"date and time(@"9999-12-31T23:59:59Z", "America/New_York")"#, r#""9999-12-31T18:59:59-05:00[America/New_York]""#),
            (r#"[now() < date and time(forever), @"9999-12-31T23:59:59-12:00" > date and time(forever)]"#, "[true, true]"),
            (r#"@"9999-12-31T23:59:59Z" - @"9999-12-31T00:00:00Z""#, r#""PT23H59M59S""#),
            (r#"@"9999-12-31T00:00:00Z" + @"PT23H59M59S""#, r#""9999-12-31T23:59:59Z""#),
            (r#"@"9999-11-30T23:59:59Z" + @"P1M""#, r#""9999-12-30T23:59:59Z""#),
            (r#"@"9999-12-31T23:59:59Z" - @"P9999Y""#, r#""0000-12-31T23:59:59Z""#),
            (r#"[@"9999-12-31T23:59:59Z".year, @"9999-12-31T23:59:59Z".day]"#, "[9999, 31]"),
        ],
    );
    nulls(
        NONE,
        &[
            (r#"@"9999-12-31T23:59:59Z" + @"PT1S""#, "the result of + lies outside of the years -9999 to 9999"),
            (r#"@"-9999-01-01T00:00:00Z" - @"PT0.000000001S""#, "the result of - lies outside of the years -9999 to 9999"),
            // In Berlin it is the year 10000 then.
            (r#"date and time(@"9999-12-31T23:59:59Z", "Europe/Berlin")"#, "date and time(): there is no such date, time or duration"),
        ],
    );
}

#[test]
fn order_and_membership() {
    table(
        NONE,
        &[
            (r#"@"2026-11-20" < @"2026-11-21""#, "true"),
            (r#"@"10:00:00Z" = @"11:00:00+01:00""#, "true"),
            (r#"@"PT60M" = @"PT1H" and @"P12M" = @"P1Y""#, "true"),
            (r#"is(@"10:00:00Z", @"11:00:00+01:00")"#, "false"),
            (r#"@"2026-11-20" in [@"2026-11-01"..@"2026-11-30"]"#, "true"),
            (r#"@"2026-11-30" in [@"2026-11-01"..@"2026-11-30")"#, "false"),
            (r#"@"PT5M" in (> @"PT1M")"#, "true"),
            (r#"@"2026-11-20" between @"2026-11-01" and @"2026-11-30""#, "true"),
            (r#"list contains([@"PT1H"], @"PT60M")"#, "true"),
            (r#"@"2026-11-20" = null"#, "false"),
            (r#"sort([@"2026-11-20", @"2025-11-20"], function(x, y) x < y)"#, r#"["2025-11-20", "2026-11-20"]"#),
        ],
    );
    nulls(
        NONE,
        &[
            (r#"@"2026-11-20" = "2026-11-20""#, "= needs two values of one kind, not date and string"),
            (r#"@"10:00:00" < @"10:00:00Z""#, "< needs two values of one kind that have an order, not time and time"),
            (
                r#"@"PT1H" < @"P1M""#,
                "< needs two values of one kind that have an order, not days and time duration and years and months duration",
            ),
        ],
    );
}

#[test]
fn properties_and_functions() {
    table(
        r#"{"tasks": [{"due": 1}]}"#,
        &[
            (r#"@"2026-11-20".year"#, "2026"),
            (r#"[@"2026-11-20".month, @"2026-11-20".day, @"2026-11-20".weekday]"#, "[11, 20, 5]"),
            (r#"[@"2026-11-20T10:30:15.9Z".hour, @"10:30:15".minute, @"10:30:15".second]"#, "[10, 30, 15]"),
            (r#"@"2026-11-20T10:30:00@Europe/Berlin".time offset"#, r#""PT1H""#),
            (r#"@"2026-11-20T10:30:00@Europe/Berlin".timezone"#, r#""Europe/Berlin""#),
            (r#"[@"10:30:00".time offset, @"10:30:00-05:30".time offset, @"10:30:00Z".timezone]"#, r#"[null, "-PT5H30M", null]"#),
            (r#"for part in [@"P3DT4H5M6S"] return [part.days, part.hours, part.minutes, part.seconds]"#, "[[3, 4, 5, 6]]"),
            (r#"[@"P14M".years, @"P14M".months]"#, "[1, 2]"),
            (r#"[@"2026-11-20", @"2027-01-01"].year"#, "[2026, 2027]"),
            (r#"[@"2026-11-20", @"2027-01-01"][item > @"2026-12-31"]"#, r#"["2027-01-01"]"#),
            (r#"day of week(@"2019-09-17")"#, r#""Tuesday""#),
            (r#"day of year(date and time("2019-09-17T12:00:00"))"#, "260"),
            (r#"week of year(@"2019-09-17")"#, "38"),
            (r#"month of year(@"2019-09-17")"#, r#""September""#),
            (r#"last day of month(@"2024-02-03T10:00:00Z")"#, r#""2024-02-29""#),
        ],
    );
    nulls(
        r#"{"text": "tomorrow"}"#,
        &[
            (r#"@"2026-11-20".hour"#, "date has no entry 'hour'"),
            (r#"@"P1D".years"#, "days and time duration has no entry 'years'"),
            (r#"day of week(@"PT1H")"#, "day of week(): argument 1 must be a date, or date and time, not days and time duration"),
            ("date(text)", "date(): the string is no date such as 2026-11-20"),
            ("time(text)", "time(): the string is no time such as 10:30:00, 10:30:00+01:00 or 10:30:00@Europe/Berlin"),
            ("date and time(text)", "date and time(): the string is no date and time such as 2026-11-20T10:30:00Z"),
            ("date and time(@\"2026-11-20T10:30:00\", text)", "date and time(): there is no such time zone"),
            ("duration(text)", "duration(): the string is no duration of either kind such as P1DT2H or P1Y6M"),
            ("date(2026, 2, 30)", "date(): there is no such date, time or duration"),
            ("time(23, 60, 0)", "time(): there is no such date, time or duration"),
            (
                r#"years and months duration(@"2026-11-20", @"PT1H")"#,
                "years and months duration(): argument 2 must be a date, or date and time, not days and time duration",
            ),
        ],
    );
}

/// Who asks whether a text is a date may write one that is none.
#[test]
fn what_is_always_null_may_be_asked_about() {
    table(
        NONE,
        &[
            (r#"get or else(date("2026-02-30"), date("2026-03-01"))"#, r#""2026-03-01""#),
            (r#"get or else(value: duration("P1d"), default: 1)"#, "1"),
            (r#"is defined(time("25:00"))"#, "false"),
            (r#"date("2026-02-30") = null"#, "true"),
            (r#"null != range("1")"#, "false"),
            (r#"if true and date("2026-02-30") = null or false then 1 else 2"#, "1"),
            (r#"[matches("a", "(") = null, 1 + 2]"#, "[true, 3]"),
        ],
    );
}

#[test]
fn what_is_no_literal_is_refused_at_deployment() {
    refused(&[
        ("@\"tomorrow\"", "the text is no date, time or duration", 1, "@\"PT5M\""),
        ("@5", "expected a text behind @, such as @\"2026-11-20\", found a number", 1, ""),
        ("now(1)", "now() takes 0 arguments, found 1", 3, "now()"),
        ("date(2026, 11)", "date() takes 1 to 3 arguments, found 2", 4, "date(from) or date(year, month, day)"),
        (r#"date("2026-02-30")"#, "date(): the string is no date such as 2026-11-20", 4, "correct the text"),
        (
            r#"if a then 1 else duration("5 minutes")"#,
            "duration(): the string is no duration of either kind such as P1DT2H or P1Y6M",
            25,
            "",
        ),
        (r#"[duration(from: "P1d")]"#, "duration(): the string is no duration of either kind such as P1DT2H or P1Y6M", 9, ""),
        (r#"date("2026-02-30") = other and date("2026-02-31") = null"#, "date(): the string is no date such as 2026-11-20", 4, ""),
        (r#"get or else(a, 1) + count(date("2026-02-30"))"#, "date(): the string is no date such as 2026-11-20", 30, ""),
        (r#"duration("P1Y1D")"#, "duration(): the string is no duration of either kind such as P1DT2H or P1Y6M", 8, ""),
        (
            r#"for x in xs return time("25:00")"#,
            "time(): the string is no time such as 10:30:00, 10:30:00+01:00 or 10:30:00@Europe/Berlin",
            23,
            "",
        ),
        (
            r#"date and time("2026-11-20T10:30:00@Europe/Nowhere")"#,
            "date and time(): the string is no date and time such as 2026-11-20T10:30:00Z",
            13,
            "",
        ),
        (
            r#"date and time("2026-11-20T10:30:00+02:00[Europe/Berlin]")"#,
            "date and time(): the string is no date and time such as 2026-11-20T10:30:00Z",
            13,
            "",
        ),
        (r#"date and time(due, "Europe/Nowhere")"#, "date and time(): there is no such time zone", 13, ""),
        (r#"date and time(date: due, timezone: "Nowhere")"#, "date and time(): there is no such time zone", 13, ""),
        ("date(when: 5)", "date() has no such parameters, or lacks one", 4, "date(from) or date(year, month, day)"),
    ]);
}

/// Data that comes from outside may have any names.
#[test]
fn no_entry_of_data_is_the_moment() {
    let scope = r#"{"now()": "2026-11-20T10:30:00Z", "orders": [{"now()": "1999-01-01T00:00:00Z", "until": "2026-11-21T00:00:00Z"}]}"#;
    check("= count(orders[now() < date and time(until)])", scope, "1");
    check("= orders[until != null][1].until > \"\" and orders[string(now()) = \"2026-11-20T10:30:00Z\"] != []", scope, "true");
    check("= [{`net (EUR)`: 1}, {`net (EUR)`: 2}][`net (EUR)` > 1].`net (EUR)`", scope, "[2]");
    check("= {`now()`: 1, seen: now()}.seen", scope, "\"2026-11-20T10:30:00Z\"");
}
