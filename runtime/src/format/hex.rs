//! Bytes as hexadecimal text.

/// Appends two lower-case digits per byte.
pub(crate) fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)]);
        out.push(DIGITS[usize::from(byte & 15)]);
    }
}

/// Appends the bytes that `text` names; false, with `out` as it was, if it is not hexadecimal of
/// whole bytes.
pub(crate) fn read_hex(text: &str, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for [high, low] in pairs {
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            out.truncate(start);
            return false;
        };
        out.push(high << 4 | low);
    }
    if !rest.is_empty() {
        out.truncate(start);
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_and_nonsense_leaves_nothing() {
        let mut text = Vec::new();
        write_hex(&[0, 1, 0xab, 0xff], &mut text);
        assert_eq!(text, b"0001abff");
        let mut bytes = vec![9];
        assert!(read_hex("0001ABff", &mut bytes));
        assert_eq!(bytes, [9, 0, 1, 0xab, 0xff]);
        for bad in ["0", "0g", "00ä", "000"] {
            assert!(!read_hex(bad, &mut bytes), "{bad}");
            assert_eq!(bytes.len(), 5, "{bad}");
        }
    }
}
