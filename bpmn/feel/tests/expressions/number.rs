//! Numbers: by tables, and against another implementation (see `vectors/generate.py`).

use std::cmp::Ordering;
use std::path::Path;

use mandate_feel::{Number, NumberError, Rounding};

#[test]
fn arithmetic_agrees_with_another_implementation() {
    // MANDATE_DECIMAL_VECTORS names a larger file of the same form.
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/decimal.tsv");
    let path = std::env::var_os("MANDATE_DECIMAL_VECTORS").map_or(own, Into::into);
    let rows = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut count = 0;
    for row in rows.lines() {
        let fields: Vec<_> = row.split('\t').collect();
        let [operator, left, right, expect] = fields[..] else { panic!("four fields in {row:?}") };
        let (left, right) = (number(left), number(right));
        let expect = (expect != "none").then(|| number(expect));
        let result = match operator {
            "+" => left.checked_add(right),
            "-" => left.checked_sub(right),
            "*" => left.checked_mul(right),
            "/" => left.checked_div(right),
            "%" => left.checked_rem(right),
            _ => Some(Number::from(left.cmp(&right) as i32)),
        };
        assert_eq!(result, expect, "{row}");
        if let Some(result) = result {
            assert_eq!(number(&result.to_string()), result, "{row} printed and read");
        }
        count += 1;
    }
    assert!(count >= 2000, "only {count} rows");
}

fn number(text: &str) -> Number {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn every_value_has_one_form() {
    for (left, right) in [("1.0", "1"), ("100", "1e2"), ("-0", "0"), ("0.00", "0e9"), (".5", "0.50")] {
        assert_eq!(number(left), number(right), "{left} {right}");
    }
}

#[test]
fn text_is_plain_digits() {
    for (text, plain) in [
        ("1e3", "1000"),
        ("-12.50", "-12.5"),
        ("1e-7", "0.0000001"),
        ("0", "0"),
        ("123456789012345678901234567890123456789", "123456789012345678901234567890123500000"),
    ] {
        assert_eq!(number(text).to_string(), plain);
    }
    assert_eq!(number("1.797e308").to_string().len(), 309);
}

#[test]
fn what_is_no_number_is_refused() {
    for text in ["", ".", "-", "1.2.3", "1e", "e1", "0x1", "1 ", "١", "--1", "1e+-2", "NaN", "inf"] {
        assert_eq!(text.parse::<Number>(), Err(NumberError::Syntax), "{text}");
    }
    assert_eq!("1e309".parse::<Number>(), Err(NumberError::Range));
    assert_eq!("1e999999999999".parse::<Number>(), Err(NumberError::Range));
    assert_eq!(number("1e-999999999999"), Number::ZERO);
}

#[test]
fn the_ends_of_the_float_range_are_numbers() {
    for float in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, 5e-324, 0.1, -0.0, 1.0 / 3.0, 9_007_199_254_740_993.0] {
        let there = Number::from_f64(float).expect("finite");
        assert_eq!(there.to_f64().total_cmp(&(float + 0.0)), Ordering::Equal, "{float:e}");
    }
    assert_eq!(Number::from_f64(f64::NAN), None);
    let largest = Number::from_f64(f64::MAX).expect("finite");
    assert_eq!(largest.checked_add(largest), None);
    assert!(number("1.797693134862315708145274237317043e308").to_f64().is_finite());
}

#[test]
fn integers_come_back_as_integers() {
    for integer in [0, 1, -1, 100, i64::MAX, i64::MIN, 1_000_000_000_000_000_000] {
        assert_eq!(Number::from(integer).to_i64(), Some(integer));
    }
    assert_eq!(Number::from(u64::MAX).to_u64(), Some(u64::MAX));
    assert_eq!(Number::from(u64::MAX).to_i64(), None);
    assert_eq!(number("0.5").to_i64(), None);
    assert_eq!(number("1e300").to_i64(), None);
}

#[test]
fn powers() {
    for (base, power, expect) in [
        ("2", 10, Some("1024")),
        ("10", -2, Some("0.01")),
        ("0", 0, Some("1")),
        ("0", -1, None),
        ("-2", 3, Some("-8")),
        ("10", 308, Some("1e308")),
        ("10", 309, None),
        ("0.5", i32::MAX, Some("0")),
        ("1", i32::MIN, Some("1")),
    ] {
        assert_eq!(number(base).checked_pow(power), expect.map(number), "{base} ** {power}");
    }
}

#[test]
fn modulo_takes_the_sign_of_the_divisor() {
    for (left, right, expect) in
        [("12", "5", "2"), ("-12", "5", "3"), ("12", "-5", "-3"), ("-12", "-5", "-2"), ("10.1", "4.5", "1.1"), ("-10", "5", "0")]
    {
        assert_eq!(number(left).checked_modulo(number(right)), Some(number(expect)), "{left} mod {right}");
    }
    assert_eq!(Number::ONE.checked_modulo(Number::ZERO), None);
}

#[test]
fn rounding_by_mode_and_scale() {
    use Rounding::{Ceiling, Down, Floor, HalfDown, HalfEven, HalfUp, Up};
    for (text, scale, rounding, expect) in [
        ("2.5", 0, HalfEven, "2"),
        ("3.5", 0, HalfEven, "4"),
        ("2.5", 0, HalfUp, "3"),
        ("-2.5", 0, HalfUp, "-3"),
        ("2.5", 0, HalfDown, "2"),
        ("2.51", 0, HalfDown, "3"),
        ("-1.5", 0, Floor, "-2"),
        ("-1.5", 0, Ceiling, "-1"),
        ("1.121", 2, Up, "1.13"),
        ("-1.129", 2, Down, "-1.12"),
        ("1550", -2, HalfUp, "1600"),
        ("1e-300", 0, Ceiling, "1"),
        ("1e-300", 0, HalfUp, "0"),
        ("1e300", 5, Floor, "1e300"),
        ("7", i32::MAX, Floor, "7"),
        ("7", i32::MIN, Floor, "0"),
    ] {
        assert_eq!(number(text).round(scale, rounding), Some(number(expect)), "{text} {scale} {rounding:?}");
    }
}

#[test]
fn order_is_that_of_the_values() {
    let ascending = ["-1e300", "-2", "-1.5", "-1e-300", "0", "1e-300", "0.1", "0.11", "1", "9", "10", "1e300"];
    for (i, left) in ascending.iter().enumerate() {
        for (j, right) in ascending.iter().enumerate() {
            assert_eq!(number(left).cmp(&number(right)), i.cmp(&j), "{left} {right}");
        }
    }
}
