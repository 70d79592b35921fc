//! SAML 2.0 Web Browser SSO for a service provider, as pure protocol: bytes in, types out.
//!
//! Nothing here reads a clock, makes a random number, opens a socket or knows a database. Times are `i64`
//! milliseconds since the Unix epoch and come from the caller, as do identifiers.
//!
//! * [`request`] makes `AuthnRequest`s (HTTP-Redirect and HTTP-POST) and, for the built-in test identity provider,
//!   reads them.
//! * [`response`] verifies a `Response` and extracts who signed in. This is the part an attacker reaches.
//! * [`metadata`] reads an identity provider's metadata and writes ours.
//! * [`certificate`] parses the X.509 certificates whose one public key is trusted.
//! * [`issue`] signs responses for the built-in test identity provider.
//! * [`c14n`] is Canonical XML 1.0, exclusive and inclusive, over a parsed tree.
//! * [`xml`] is the front door: limits and strictness before the one parser sees anything.

mod algorithm;
pub mod c14n;
pub mod certificate;
mod encoding;
pub mod issue;
pub mod metadata;
pub mod request;
pub mod response;
mod time;
pub mod xml;
