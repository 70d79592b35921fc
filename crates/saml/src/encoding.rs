//! Base64 and percent-encoding as SAML's bindings use them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Why text could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// Longer than allowed, decoded.
    TooLarge,
    /// Not RFC 4648 base64 with padding.
    NotBase64,
}

/// Decodes RFC 4648 base64 strictly (canonical padding, no stray characters) once ASCII white space is gone:
/// identity providers and forms break base64 into lines. `limit` is in decoded bytes.
pub(crate) fn decode_base64(text: &str, limit: usize) -> Result<Vec<u8>, DecodeError> {
    let text = text.trim_ascii();
    // Even one line break per four characters stays below this; longer input is not even copied.
    if text.len() > limit.saturating_mul(3) {
        return Err(DecodeError::TooLarge);
    }
    let is_short = |length: usize| length / 4 * 3 <= limit.saturating_add(2);
    // Most text has no white space, so that looking for it first would cost more than it saves.
    let decoded = match STANDARD.decode(text) {
        Ok(decoded) => decoded,
        Err(_) => {
            let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            if !is_short(compact.len()) {
                return Err(DecodeError::TooLarge);
            }
            STANDARD.decode(compact).map_err(|_| DecodeError::NotBase64)?
        }
    };
    if decoded.len() > limit { Err(DecodeError::TooLarge) } else { Ok(decoded) }
}

/// Encodes as RFC 4648 base64 with padding, on one line.
pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends `text` percent-encoded as a query value: everything but RFC 3986 unreserved characters.
pub(crate) fn push_query_value(url: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            url.push(char::from(byte));
        } else {
            url.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                url.extend(HEX.get(usize::from(nibble)).map(|digit| char::from(*digit)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decode_accepts_line_breaks_and_canonical_padding() {
        assert_eq!(decode_base64(" aGVs\r\nbG8=\n", 100), Ok(b"hello".to_vec()));
        assert_eq!(decode_base64("", 100), Ok(Vec::new()));
    }

    #[test]
    fn decode_rejects_everything_else() {
        for text in
            ["aGVsbG8", "aGVsbG9=", "aGV%bG8=", "aGVs\u{a0}bG8=", "aGVsbG8==", "aGV-", "=", "aGVsbG8=aGVs"]
        {
            assert_eq!(decode_base64(text, 100), Err(DecodeError::NotBase64), "{text}");
        }
    }

    #[test]
    fn decode_bounds_the_decoded_length() {
        assert_eq!(decode_base64("aGVsbG8=", 5), Ok(b"hello".to_vec()));
        assert_eq!(decode_base64("aGVsbG8=", 4), Err(DecodeError::TooLarge));
        assert_eq!(decode_base64(&"A".repeat(1000), 4), Err(DecodeError::TooLarge));
        assert_eq!(decode_base64(&"A\n".repeat(8), 4), Err(DecodeError::TooLarge));
    }

    #[test]
    fn push_query_value_leaves_only_unreserved_characters() {
        let mut url = String::new();
        push_query_value(&mut url, "aZ0-._~ +/=&é");
        assert_eq!(url, "aZ0-._~%20%2B%2F%3D%26%C3%A9");
    }
}
