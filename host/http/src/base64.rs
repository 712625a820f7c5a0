//! Base64 (RFC 4648, 4), as headers have it.

/// What a text with its padding stands for.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let sextet = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        bits = bits << 6 | u32::from(sextet(digit)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_padding_is_read_and_what_has_none_or_no_digits_is_not() {
        for (text, expected) in [("", ""), ("YQ==", "a"), ("YWI=", "ab"), ("YWJj", "abc"), ("YWJj+/8=", "abc\u{fb}\u{ff}")] {
            let expected: Vec<u8> = expected.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
            assert_eq!(decode(text), Some(expected), "{text}");
        }
        for text in ["YQ", "YWI", "Y", "====", "!!!!", "YW=j", "YWJ\u{fc}"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
