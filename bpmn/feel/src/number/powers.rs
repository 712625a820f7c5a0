//! Powers, roots and logarithms. All is computed with decimals, so that each machine has the same digits.

use super::Number;

/// Halvings that bring an exponent below a thousandth, where eleven terms of the series give 34 digits.
const HALVINGS: i32 = 20;
const TERMS: i64 = 11;

/// Each step of the iteration triples the digits that are right. It begins less than one off.
const STEPS: usize = 5;

impl Number {
    /// This number to an integral power, or `None` past the largest number and for zero to a negative power.
    ///
    /// Each of the at most 62 multiplications rounds, so of a large power the last two or three digits may be off.
    pub fn checked_pow(self, power: i32) -> Option<Number> {
        let mut result = Number::ONE;
        let mut square = self;
        let mut left = power.unsigned_abs();
        while left > 0 {
            if left & 1 == 1 {
                result = result.checked_mul(square)?;
            }
            left >>= 1;
            if left > 0 {
                square = square.checked_mul(square)?;
            }
        }
        if power < 0 { Number::ONE.checked_div(result) } else { Some(result) }
    }

    /// The square root, or `None` of a negative number. Its last digit may be off.
    pub fn square_root(self) -> Option<Number> {
        if self.is_negative() {
            return None;
        }
        let mut root = Number::from_f64(self.to_f64().sqrt())?;
        // Of 17 digits that are right an iteration makes 34.
        for _ in 0..2 {
            if root.is_zero() {
                return Some(root);
            }
            root = root.checked_add(self.checked_div(root)?)?.checked_div(Number::from(2_i64))?;
        }
        Some(root)
    }

    /// Euler's number to the power of this one, or `None` past the largest number. It has 26 right digits.
    pub fn exponential(self) -> Option<Number> {
        // 1e-324 is e to the power of -746, and 1.8e308 that of 710.
        if self < Number::from(-750_i64) {
            return Some(Number::ZERO);
        }
        if self > Number::from(710_i64) {
            return None;
        }
        let small = self.checked_div(Number::from(2_i64).checked_pow(HALVINGS)?)?;
        let (mut sum, mut term) = (Number::ONE, Number::ONE);
        for nth in 1..=TERMS {
            term = term.checked_mul(small)?.checked_div(Number::from(nth))?;
            sum = sum.checked_add(term)?;
        }
        for _ in 0..HALVINGS {
            sum = sum.checked_mul(sum)?;
        }
        Some(sum)
    }

    /// The natural logarithm, or `None` of zero and of negative numbers. It has 24 right digits.
    pub fn logarithm(self) -> Option<Number> {
        if self.is_zero() || self.is_negative() {
            return None;
        }
        if self == Number::ONE {
            return Some(Number::ZERO);
        }
        // Of a number from 1 to 10, which lies around 3, with ten to the power of what is left.
        let magnitude = self.magnitude();
        let mantissa = Number::build(false, self.coefficient, i32::from(self.exponent) - magnitude)?;
        let of_mantissa = near_logarithm(mantissa)?;
        if magnitude == 0 {
            return Some(of_mantissa);
        }
        near_logarithm(Number::from(10_i64))?.checked_mul(Number::from(magnitude))?.checked_add(of_mantissa)
    }
}

/// The logarithm of a number from 1 to 10, by Halley's iteration on the exponential.
fn near_logarithm(number: Number) -> Option<Number> {
    let two = Number::from(2_i64);
    let mut logarithm = number.checked_sub(Number::ONE)?.checked_mul(two)?.checked_div(number.checked_add(Number::ONE)?)?;
    for _ in 0..STEPS {
        let power = logarithm.exponential()?;
        let step = number.checked_sub(power)?.checked_mul(two)?.checked_div(number.checked_add(power)?)?;
        logarithm = logarithm.checked_add(step)?;
    }
    Some(logarithm)
}

#[cfg(test)]
mod tests {
    use crate::Number;
    use crate::number::Rounding;

    fn number(text: &str) -> Number {
        text.parse().expect("a number")
    }

    #[test]
    fn roots_exponentials_and_logarithms_have_their_digits() {
        let near = |found: Option<Number>, expect: &str| {
            assert_eq!(
                found.and_then(|found| found.round(22, Rounding::HalfEven)),
                number(expect).round(22, Rounding::HalfEven),
                "{expect}"
            );
        };
        near(number("2").square_root(), "1.414213562373095048801688724209698");
        near(number("152415787532388367501905199875019052100").square_root(), "12345678901234567890");
        near(number("1e-300").square_root(), "0");
        near(number("1").exponential(), "2.718281828459045235360287471352662");
        near(number("-3.5").exponential(), "0.0301973834223185007397862923636198");
        near(number("10").logarithm(), "2.302585092994045684017991454684364");
        near(number("0.001").logarithm(), "-6.907755278982137052053974364053");
        near(number("7.25").logarithm(), "1.981001468866583408348807789445558");
        near(number("1e300").logarithm(), "690.7755278982137052053974364053");
        assert_eq!(number("16").square_root(), Some(number("4")));
        assert_eq!(number("1e-300").square_root(), Some(number("1e-150")));
        assert_eq!(number("0").square_root(), Some(Number::ZERO));
        assert_eq!(number("-1").square_root(), None);
        assert_eq!(number("0").exponential(), Some(Number::ONE));
        assert_eq!(number("1").logarithm(), Some(Number::ZERO));
        assert_eq!(number("-1e9").exponential(), Some(Number::ZERO));
        assert_eq!((number("711").exponential(), number("0").logarithm(), number("-1").logarithm()), (None, None, None));
        for text in ["1e-320", "1.7e308", "9.999999", "4.9e-324"] {
            let there = number(text).logarithm().and_then(Number::exponential).expect("within the range");
            let ratio = there.checked_div(number(text)).expect("not zero").checked_sub(Number::ONE).expect("small");
            assert!(ratio.abs() < number("1e-15"), "{text}: {ratio}");
        }
    }
}
