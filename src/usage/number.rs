//! A count, as JSON may write it.
//!
//! A non-negative integer, or a number written otherwise that equals one: some SDKs type their counts as floating point,
//! so `71.0` is legal. Whatever is more than a `u64` holds is the most that it holds. Anything with a sign, a fraction or
//! quotes is not a count.

/// The longest that is kept of a number. Anything longer is a count only if it is digits alone.
pub(super) const MAX_BYTES: usize = 64;

/// Reads a whole number (RFC 8259 section 6) of up to [`MAX_BYTES`], digit by digit: nothing is rounded.
pub(super) fn count(number: &[u8]) -> Option<u64> {
    let (mantissa, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => {
            let (mantissa, exponent) = number.split_at_checked(at)?;
            (mantissa, power(exponent.get(1..)?)?)
        }
        None => (number, 0),
    };
    let (integer, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => {
            let (integer, fraction) = mantissa.split_at_checked(at)?;
            (integer, Some(fraction.get(1..)?))
        }
        None => (mantissa, None),
    };
    let leading_zero = integer.len() > 1 && integer.starts_with(b"0");
    if !is_digits(integer) || leading_zero || fraction.is_some_and(|digits| !is_digits(digits)) {
        return None;
    }
    let fraction = fraction.unwrap_or_default();
    // The number is `digits` times ten to the power of `scale`, which has no zeros at its end.
    let mut scale = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
    let digits = integer.iter().chain(fraction);
    let zeros = digits.clone().rev().take_while(|d| **d == b'0').count();
    let significant = integer
        .len()
        .checked_add(fraction.len())?
        .checked_sub(zeros)?;
    if significant == 0 {
        return Some(0);
    }
    scale = scale.checked_add(i64::try_from(zeros).ok()?)?;
    if scale < 0 {
        return None;
    }
    let value = value(digits.take(significant));
    // A u64 has no more than twenty digits.
    Some((0..scale.min(20)).fold(value, |value, _| value.saturating_mul(10)))
}

/// The same of digits alone, however many: a header's number.
pub(super) fn count_of_digits(digits: &[u8]) -> Option<u64> {
    is_digits(digits).then(|| value(digits.iter()))
}

/// What digits stand for, or the most that there is.
fn value<'d>(digits: impl Iterator<Item = &'d u8>) -> u64 {
    digits.fold(0, |value: u64, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u64::from(digit.wrapping_sub(b'0')))
    })
}

fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

fn power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    if !is_digits(digits) {
        return None;
    }
    // Far more than the digits of the number can make up for, and far from the ends of the type.
    let value = i64::try_from(value(digits.iter()).min(1_000_000)).ok()?;
    Some(if negative {
        value.saturating_neg()
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_a_number_that_equals_a_non_negative_integer() {
        for (number, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("71.0", Some(71)),
            ("0.0", Some(0)),
            ("0e-9", Some(0)),
            ("7.1e1", Some(71)),
            ("710E-1", Some(71)),
            ("710e-2", None),
            ("7.1e+1", Some(71)),
            ("10.50e1", Some(105)),
            ("9007199254740993.0", Some(9_007_199_254_740_993)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
            ("1e400", Some(u64::MAX)),
            ("1e99999999999999999999", Some(u64::MAX)),
            ("0e99999999999999999999", Some(0)),
            ("1e-99999999999999999999", None),
            ("1.5", None),
            ("1.0000000000000000000000000001", None),
            ("-1", None),
            ("-0", None),
            ("+1", None),
            ("01", None),
            ("1.", None),
            (".5", None),
            ("1e", None),
            ("1e+", None),
            ("", None),
            ("null", None),
            ("true", None),
            ("NaN", None),
            ("\"7\"", None),
            ("0x10", None),
        ] {
            assert_eq!(count(number.as_bytes()), expected, "{number}");
        }
    }
}
