//! Decimal numbers of 34 digits, as FEEL asks for (DMN 1.5, 10.3.2.3.1), within the range of a JSON number.
//!
//! Written here rather than taken from a crate, after looking at the two at hand: `rust_decimal` has, by its documentation, 28 digits and
//! nothing beyond 7.9e28. `fastnum` 0.7.5, when tried, adds, subtracts, multiplies and divides well, but of 9,500 remainders it had 1,200
//! wrong (1e43 modulo 569114216815.45 gave 3e18) and it panicked on each remainder by zero. What is here agrees with another implementation
//! of IEEE 754-2008 decimals: `tests/vectors` has the sums, and the program that makes more of them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

mod powers;

/// Digits that a result keeps; more are rounded half to even (DMN 1.5, 10.3.2.3.1: decimal128).
pub const DIGITS: u32 = 34;

/// The largest number: the largest `f64`, cut to 34 digits, because variables are stored as JSON and what
/// cannot be stored should fail where it was computed. Written as a coefficient and its power of ten.
const LARGEST: (u128, i32) = (1_797_693_134_862_315_708_145_274_237_317_043, 275);

/// Numbers below ten to this power are zero: an `f64` holds nothing smaller than about 4.9e-324.
const SMALLEST_MAGNITUDE: i32 = -324;

/// Digits by which a remainder may grow in one step of a long division: 34 + 4 digits fit 128 bits.
const STRIDE: u32 = 4;
const STRIDE_FACTOR: u128 = 10_000;

/// The longest text read as a number; a longer one is no number that a person or a program meant.
pub(crate) const MAX_TEXT_BYTES: usize = 4096;

/// A decimal number: exact up to 34 digits, never infinite, never "not a number".
///
/// There is one representation for each value (`1.0` is `1`), so equality and hashing are those of the value. Beside it a number may know
/// which of Java's types it has; only [`Number::known_as`] tells, and arithmetic forgets it. Arithmetic gives `None` where there is no
/// result: past the largest number or by dividing by zero.
#[derive(Clone, Copy)]
pub struct Number {
    /// Below 10^34 and no multiple of ten, except for zero.
    coefficient: u128,
    /// The power of ten; zero for zero.
    exponent: i16,
    negative: bool,
    known_as: Option<NumberType>,
}

/// Java's types that Camunda tells apart, beside the integer of 32 bits that any small integer is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberType {
    /// An integer of 64 bits, however small.
    Long,
    /// A floating-point number, also without a fraction.
    Double,
}

/// What becomes of the digits behind the last one kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards negative infinity.
    Floor,
    /// Towards positive infinity.
    Ceiling,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
    /// To the nearest, a tie away from zero.
    HalfUp,
    /// To the nearest, a tie towards zero.
    HalfDown,
    /// To the nearest, a tie to the even neighbour.
    HalfEven,
}

impl Number {
    /// Zero.
    pub const ZERO: Number = Number { coefficient: 0, exponent: 0, negative: false, known_as: None };
    /// One.
    pub const ONE: Number = Number { coefficient: 1, exponent: 0, negative: false, known_as: None };

    /// The number that a finite `f64` prints as in JSON (its shortest text, so 0.1 is one tenth exactly); `None` for infinities and NaN.
    pub fn from_f64(value: f64) -> Option<Number> {
        // Between two equally short texts printers choose differently: it has to be the one that writes the JSON.
        serde_json::Number::from_f64(value)?.to_string().parse().ok()
    }

    /// The type that it is known to have.
    pub fn known_as(self) -> Option<NumberType> {
        self.known_as
    }

    /// This number, known to have a type, or none.
    pub fn with_type(self, known_as: Option<NumberType>) -> Number {
        Number { known_as, ..self }
    }

    /// The type that a text gives it in Java: a point or an exponent makes it a `Double`.
    pub(crate) fn typed_as(self, text: &str) -> Number {
        let double = text.contains(['.', 'e', 'E']);
        self.with_type(Some(if double { NumberType::Double } else { NumberType::Long }))
    }

    /// Whether it is, or can only be, a floating-point number.
    pub(crate) fn is_double(self) -> bool {
        self.known_as == Some(NumberType::Double) || !self.is_integral()
    }

    /// This number as an integer, if it is one and fits.
    pub fn to_i64(self) -> Option<i64> {
        i64::try_from(self.to_i128()?).ok()
    }

    /// This number as an unsigned integer, if it is one and fits.
    pub fn to_u64(self) -> Option<u64> {
        u64::try_from(self.to_i128()?).ok()
    }

    /// The nearest `f64`.
    pub fn to_f64(self) -> f64 {
        let sign = if self.negative { "-" } else { "" };
        let text = format!("{sign}{}e{}", self.coefficient, self.exponent);
        text.parse().expect("digits, an e and an integer are always a float")
    }

    /// Whether there is nothing behind the decimal point.
    pub fn is_integral(self) -> bool {
        self.exponent >= 0
    }

    /// Whether this is zero.
    pub fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    /// Whether this is less than zero.
    pub fn is_negative(self) -> bool {
        self.negative
    }

    /// This number as it comes back after being stored as JSON: an integer of 64 bits is kept as it is, any other number has the precision
    /// of an `f64`.
    pub fn as_stored(self) -> Number {
        if self.to_i64().is_some() || self.to_u64().is_some() {
            return self;
        }
        // Fifteen digits always survive the way through a float and back, and most fractions have fewer.
        if digits(self.coefficient) <= 15 && (-290..290).contains(&self.exponent) {
            return self;
        }
        Number::from_f64(self.to_f64()).unwrap_or(Number::ZERO)
    }

    /// The sum, or `None` past the largest number.
    pub fn checked_add(self, other: Number) -> Option<Number> {
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if large.is_zero() {
            return Some(small.with_type(None));
        }
        let gap = u32::from(large.exponent.abs_diff(small.exponent));
        // Up to 37 digits there is room to add without a carry out of 128 bits, and three digits to round by.
        let raise = gap.min(37 - digits(large.coefficient));
        let left = large.coefficient * power_of_ten(raise);
        let (right, lost) = shift_out(small.coefficient, gap - raise);
        let exponent = i32::from(large.exponent) - to_i32(raise);
        if large.negative == small.negative {
            return Number::build_cut(large.negative, left + right, exponent, lost);
        }
        // What was shifted out of the smaller operand is taken away too: borrow one, and a part of it remains.
        if left < right {
            Number::build_cut(small.negative, right - left, exponent, lost)
        } else {
            Number::build_cut(large.negative, left - right - u128::from(lost), exponent, lost)
        }
    }

    /// The difference, or `None` past the largest number.
    pub fn checked_sub(self, other: Number) -> Option<Number> {
        self.checked_add(-other)
    }

    /// The product, or `None` past the largest number.
    pub fn checked_mul(self, other: Number) -> Option<Number> {
        let exponent = i32::from(self.exponent) + i32::from(other.exponent);
        let negative = self.negative != other.negative;
        if let Some(product) = self.coefficient.checked_mul(other.coefficient) {
            return Number::build(negative, product, exponent);
        }
        let (product, dropped, lost) = wide_product(self.coefficient, other.coefficient);
        Number::build_cut(negative, product, exponent + to_i32(dropped), lost)
    }

    /// The quotient, or `None` past the largest number and for a division by zero.
    pub fn checked_div(self, other: Number) -> Option<Number> {
        if other.is_zero() {
            return None;
        }
        let mut quotient = self.coefficient / other.coefficient;
        let mut rest = self.coefficient % other.coefficient;
        let mut exponent = i32::from(self.exponent) - i32::from(other.exponent);
        while rest != 0 && quotient < power_of_ten(DIGITS) {
            rest *= STRIDE_FACTOR;
            quotient = quotient * STRIDE_FACTOR + rest / other.coefficient;
            rest %= other.coefficient;
            exponent -= to_i32(STRIDE);
        }
        Number::build_cut(self.negative != other.negative, quotient, exponent, rest != 0)
    }

    /// What is left of a division whose quotient is cut to an integer: exact, with the sign of the dividend. `None` for a division by zero.
    pub fn checked_rem(self, other: Number) -> Option<Number> {
        if other.is_zero() {
            return None;
        }
        if self.exponent < other.exponent {
            let gap = u32::from(self.exponent.abs_diff(other.exponent));
            if digits(other.coefficient) + gap > 38 {
                // The divisor is the larger number by far.
                return Some(self.with_type(None));
            }
            let rest = self.coefficient % (other.coefficient * power_of_ten(gap));
            return Number::build(self.negative, rest, i32::from(self.exponent));
        }
        let mut gap = u32::from(self.exponent.abs_diff(other.exponent));
        let mut rest = self.coefficient % other.coefficient;
        while gap > 0 && rest != 0 {
            let stride = gap.min(STRIDE);
            rest = rest * power_of_ten(stride) % other.coefficient;
            gap -= stride;
        }
        Number::build(self.negative, rest, i32::from(other.exponent))
    }

    /// FEEL's `modulo`: the remainder with the sign of the divisor (DMN 1.5, table 76). `None` for a division by zero.
    pub fn checked_modulo(self, other: Number) -> Option<Number> {
        let rest = self.checked_rem(other)?;
        if rest.is_zero() || rest.negative == other.negative { Some(rest) } else { rest.checked_add(other) }
    }

    /// This number with at most `scale` digits behind the point (before it, where `scale` is negative); `None` where rounding leads past
    /// the largest number.
    pub fn round(self, scale: i32, rounding: Rounding) -> Option<Number> {
        let drop = -(i64::from(self.exponent) + i64::from(scale));
        let Ok(drop) = u32::try_from(drop) else {
            return Some(self.with_type(None));
        };
        if drop == 0 {
            return Some(self.with_type(None));
        }
        let (kept, rest) = if drop > 38 { (0, Ordering::Less) } else { split(self.coefficient, drop) };
        let lost = if drop > 38 { !self.is_zero() } else { !self.coefficient.is_multiple_of(power_of_ten(drop)) };
        let away = lost
            && match rounding {
                Rounding::Floor => self.negative,
                Rounding::Ceiling => !self.negative,
                Rounding::Up => true,
                Rounding::Down => false,
                Rounding::HalfUp => rest != Ordering::Less,
                Rounding::HalfDown => rest == Ordering::Greater,
                Rounding::HalfEven => rest == Ordering::Greater || (rest == Ordering::Equal && kept % 2 == 1),
            };
        Number::build(self.negative, kept + u128::from(away), scale.saturating_neg())
    }

    /// This number without its sign.
    pub fn abs(self) -> Number {
        Number { negative: false, ..self }
    }

    pub(crate) fn to_i128(self) -> Option<i128> {
        // The coefficient is below 10^34: twenty more digits than 64 bits hold are never an integer we look for.
        let exponent = u32::try_from(self.exponent).ok().filter(|exponent| *exponent <= 20)?;
        let magnitude = i128::try_from(self.coefficient.checked_mul(power_of_ten(exponent))?).ok()?;
        Some(if self.negative { -magnitude } else { magnitude })
    }

    /// The power of ten of the first digit.
    fn magnitude(self) -> i32 {
        to_i32(digits(self.coefficient)) + i32::from(self.exponent) - 1
    }

    /// An integer, rounded to 34 digits.
    pub(crate) fn from_i128(value: i128) -> Option<Number> {
        Number::build(value < 0, value.unsigned_abs(), 0)
    }

    /// Brings a result into its one form: 34 digits, no trailing zero, within the range.
    fn build(negative: bool, coefficient: u128, exponent: i32) -> Option<Number> {
        Number::build_cut(negative, coefficient, exponent, false)
    }

    /// The same of a result that is cut: `lost` says that something nonzero, less than one unit, was behind `coefficient`, which must have
    /// 35 digits or more then.
    fn build_cut(negative: bool, coefficient: u128, exponent: i32, lost: bool) -> Option<Number> {
        let (mut coefficient, mut exponent) = (coefficient, exponent);
        let excess = digits(coefficient).saturating_sub(DIGITS);
        if excess > 0 {
            let (kept, mut rest) = split(coefficient, excess);
            if lost && rest == Ordering::Equal {
                rest = Ordering::Greater;
            }
            let up = rest == Ordering::Greater || (rest == Ordering::Equal && kept % 2 == 1);
            coefficient = kept + u128::from(up);
            exponent += to_i32(excess);
        }
        if coefficient == 0 {
            return Some(Number::ZERO);
        }
        let (coefficient, stripped) = strip_zeros(coefficient);
        let exponent = exponent + to_i32(stripped);
        let magnitude = to_i32(digits(coefficient)) + exponent - 1;
        if magnitude < SMALLEST_MAGNITUDE {
            return Some(Number::ZERO);
        }
        let largest_magnitude = LARGEST.1 + to_i32(DIGITS) - 1;
        let beyond = magnitude == largest_magnitude && coefficient * power_of_ten(DIGITS - digits(coefficient)) > LARGEST.0;
        if magnitude > largest_magnitude || beyond {
            return None;
        }
        let exponent = i16::try_from(exponent).expect("the magnitude is below 309, so the exponent is too");
        Some(Number { coefficient, exponent, negative, known_as: None })
    }
}

impl std::ops::Neg for Number {
    type Output = Number;

    fn neg(self) -> Number {
        Number { negative: !self.negative && self.coefficient != 0, ..self }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        (self.coefficient, self.exponent, self.negative) == (other.coefficient, other.exponent, other.negative)
    }
}

impl Eq for Number {}

impl Hash for Number {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.coefficient, self.exponent, self.negative).hash(state);
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Number) -> Ordering {
        let sign = |number: &Number| match (number.coefficient, number.negative) {
            (0, _) => 0,
            (_, true) => -1,
            (_, false) => 1,
        };
        let by_sign = sign(self).cmp(&sign(other));
        if by_sign != Ordering::Equal || self.is_zero() {
            return by_sign;
        }
        let magnitude = |number: &Number| to_i32(digits(number.coefficient)) + i32::from(number.exponent);
        // With equal magnitudes the exponents differ by less than 34, so both fit once they are aligned.
        let aligned = |number: &Number| number.coefficient * power_of_ten(DIGITS - digits(number.coefficient));
        let by_size = magnitude(self).cmp(&magnitude(other)).then_with(|| aligned(self).cmp(&aligned(other)));
        if self.negative { by_size.reverse() } else { by_size }
    }
}

/// Plain digits, without an exponent: at most about 360 characters.
impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.to_string();
        let text = if let Ok(zeros) = usize::try_from(self.exponent) {
            digits + &"0".repeat(zeros)
        } else {
            let behind = usize::from(self.exponent.unsigned_abs());
            let padded = if digits.len() > behind { digits } else { format!("{digits:0>width$}", width = behind + 1) };
            let (whole, fraction) = padded.split_at(padded.len() - behind);
            format!("{whole}.{fraction}")
        };
        f.pad_integral(!self.negative, "", &text)
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not an optional sign, digits with at most one point, and an optional exponent.
    #[error("not a number")]
    Syntax,
    /// Past the largest number.
    #[error("the number is too large")]
    Range,
}

impl FromStr for Number {
    type Err = Error;

    /// Reads `-12.5`, `.5`, `1e-3`. Digits beyond the 34th are rounded.
    fn from_str(text: &str) -> Result<Number, Error> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::Syntax);
        }
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
            Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && fraction.is_empty() {
            return Err(Error::Syntax);
        }
        let mut coefficient = 0_u128;
        let (mut dropped, mut lost) = (0_i32, false);
        for byte in whole.bytes().chain(fraction.bytes()) {
            if !byte.is_ascii_digit() {
                return Err(Error::Syntax);
            }
            let digit = u128::from(byte - b'0');
            if coefficient < power_of_ten(36) {
                coefficient = coefficient * 10 + digit;
            } else {
                dropped += 1;
                lost |= digit != 0;
            }
        }
        let fraction_digits = i32::try_from(fraction.len()).map_err(|_| Error::Range)?;
        Number::build_cut(negative, coefficient, exponent - fraction_digits + dropped, lost).ok_or(Error::Range)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Number {
        let built = Number::build(value < 0, u128::from(value.unsigned_abs()), 0);
        built.expect("64 bits have at most 20 digits")
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Number {
        Number::build(false, u128::from(value), 0).expect("64 bits have at most 20 digits")
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Number {
        Number::from(i64::from(value))
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Number {
        Number::from(value as u64)
    }
}

/// The exponent of a text, held within bounds in which sums of exponents cannot overflow and beyond which all numbers are zero or too large
/// anyway.
fn parse_exponent(text: &str) -> Result<i32, Error> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Syntax);
    }
    let magnitude = digits.parse::<i32>().unwrap_or(i32::MAX).min(100_000);
    Ok(if negative { -magnitude } else { magnitude })
}

fn power_of_ten(exponent: u32) -> u128 {
    10_u128.pow(exponent)
}

fn to_i32(count: u32) -> i32 {
    i32::try_from(count).expect("counts of digits are small")
}

/// Decimal digits of a number; one for zero.
fn digits(value: u128) -> u32 {
    value.checked_ilog10().map_or(1, |log| log + 1)
}

/// Cuts off the last `count` digits (at most 38) and says how they compare with half a unit of what is left.
fn split(value: u128, count: u32) -> (u128, Ordering) {
    let unit = power_of_ten(count);
    (value / unit, (value % unit).cmp(&(unit / 2)))
}

/// Cuts off the last `count` digits and says whether any of them was not zero.
fn shift_out(value: u128, count: u32) -> (u128, bool) {
    if count > 38 {
        return (0, value != 0);
    }
    let unit = power_of_ten(count);
    (value / unit, !value.is_multiple_of(unit))
}

fn strip_zeros(mut value: u128) -> (u128, u32) {
    let mut stripped = 0;
    while value > u128::from(u64::MAX) && value.is_multiple_of(10) {
        value /= 10;
        stripped += 1;
    }
    if let Ok(mut small) = u64::try_from(value) {
        while small.is_multiple_of(10) {
            small /= 10;
            stripped += 1;
        }
        value = u128::from(small);
    }
    (value, stripped)
}

/// The leading 37 or 38 digits of a product that does not fit 128 bits, how many digits were dropped, and whether any of those was not
/// zero.
fn wide_product(left: u128, right: u128) -> (u128, u32, bool) {
    const LOW: u128 = u64::MAX as u128;
    let (left_high, left_low) = (left >> 64, left & LOW);
    let (right_high, right_low) = (right >> 64, right & LOW);
    let low = left_low * right_low;
    let (middle, carried) = (left_low * right_high).overflowing_add(left_high * right_low);
    let (low, carry) = low.overflowing_add(middle << 64);
    let high = left_high * right_high + (middle >> 64) + (u128::from(carried) << 64) + u128::from(carry);

    // A number of b bits has floor(b · log10 2) digits, or one more.
    let bits = 256 - high.leading_zeros();
    let drop = bits * 1233 / 4096 - 37;
    let mut limbs = [low_limb(high >> 64), low_limb(high), low_limb(low >> 64), low_limb(low)];
    let first = drop.min(19);
    let lost_first = divide_limbs(&mut limbs, 10_u64.pow(first)) != 0;
    let lost_second = divide_limbs(&mut limbs, 10_u64.pow(drop - first)) != 0;
    (u128::from(limbs[2]) << 64 | u128::from(limbs[3]), drop, lost_first || lost_second)
}

/// The lower 64 bits.
#[allow(clippy::cast_possible_truncation, reason = "cutting off is what it is for")]
fn low_limb(value: u128) -> u64 {
    value as u64
}

/// Divides a number of four 64-bit limbs, the highest first, in place; gives the remainder.
fn divide_limbs(limbs: &mut [u64; 4], divisor: u64) -> u64 {
    let mut rest = 0_u64;
    for limb in limbs {
        let dividend = u128::from(rest) << 64 | u128::from(*limb);
        // The rest is below the divisor, so the quotient fits 64 bits; so does the new rest.
        *limb = low_limb(dividend / u128::from(divisor));
        rest = low_limb(dividend % u128::from(divisor));
    }
    rest
}
