//! `application/x-www-form-urlencoded`, as OAuth uses it in queries and bodies (RFC 6749 appendix B).

/// Longest query or body that is looked at, in bytes.
const MAX_BYTES: usize = 64 * 1024;
/// Most parameters one message may carry.
const MAX_PARAMETERS: usize = 100;

/// Why a query or form body was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// Too many bytes or parameters.
    #[error("it is longer than {MAX_BYTES} bytes or has more than {MAX_PARAMETERS} parameters")]
    TooLarge,
    /// A `%` that two hexadecimal digits do not follow, bytes that are not UTF-8, or U+0000.
    #[error("it is not correctly encoded")]
    Encoding,
    /// A parameter occurs twice, which OAuth forbids (RFC 6749 §3.1): readers differ in which one they take.
    #[error("the parameter \"{0}\" occurs twice")]
    Duplicate(String),
}

/// The parameters of one message; each name occurs once.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Parses a query (without `?`) or a form body.
    pub(crate) fn parse(input: &str) -> Result<Self, FormError> {
        if input.len() > MAX_BYTES {
            return Err(FormError::TooLarge);
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in input.split('&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormError::TooLarge);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or(FormError::Encoding)?;
            let value = decode(value).ok_or(FormError::Encoding)?;
            if parameters.iter().any(|(seen, _)| *seen == name) {
                return Err(FormError::Duplicate(crate::text::printable(&name, 64)));
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Takes a parameter out. One without a value counts as left out (RFC 6749 §3.1).
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let (_, value) = self.0.iter_mut().find(|(seen, _)| seen == name)?;
        Some(std::mem::take(value)).filter(|value| !value.is_empty())
    }

    /// Whether the parameter occurs with a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(seen, value)| seen == name && !value.is_empty())
    }
}

/// Decodes one name or value; `None` when it is not correctly encoded.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().filter(|decoded| !decoded.contains('\0'))
}

/// Appends one name or value, with everything but the unreserved characters of RFC 3986 as `%XX`. Form
/// decoders and plain percent decoders read that alike: a `+` for a space, or `~` escaped, would depend on
/// which of the two the other side uses.
pub(crate) fn encode_to(text: &str, out: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.extend(DIGITS.get(usize::from(byte >> 4)));
            out.extend(DIGITS.get(usize::from(byte & 15)));
        }
    }
}

/// One name or value, encoded.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    encode_to(text, &mut out);
    out
}

/// Appends `name=value`, with `&` before it unless `out` is empty or ends with `?` or `&`.
pub(crate) fn append(out: &mut String, name: &str, value: &str) {
    if !(out.is_empty() || out.ends_with(['?', '&'])) {
        out.push('&');
    }
    encode_to(name, out);
    out.push('=');
    encode_to(value, out);
}
