//! The addresses a provider names.

use url::Url;

/// Longest address that is accepted, in bytes.
const MAX_BYTES: usize = 2048;

/// Parses an absolute http(s) address as it must be written in metadata: no credentials, no fragment, and
/// none of what the WHATWG parser silently mends (white space, backslashes, missing slashes), because
/// another reader of the same metadata may mend it differently.
pub(crate) fn parse(text: &str) -> Result<Url, &'static str> {
    if text.len() > MAX_BYTES {
        return Err("it is longer than 2048 bytes");
    }
    if text.bytes().any(|b| !b.is_ascii_graphic() || matches!(b, b'\\' | b'"' | b'<' | b'>')) {
        return Err("it contains characters that a URL cannot contain");
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("it is not an absolute URL");
    };
    if !(scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")) {
        return Err("it is neither https nor http");
    }
    if rest.contains('#') {
        return Err("it has a fragment");
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err("it has no host");
    }
    if authority.contains('@') {
        return Err("it contains a user name or password");
    }
    Url::parse(text).map_err(|_| "it is not a valid URL")
}
