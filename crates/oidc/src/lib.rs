//! OpenID Connect and JOSE as pure protocol: bytes and strings in, types out.
//!
//! No HTTP, no clock, no database and no randomness: the caller fetches, stores, draws `state` and
//! `nonce`, and passes the time in as milliseconds since the Unix epoch. Nothing here panics on input.
//!
//! For signing people in at an upstream identity provider (the relying party side):
//!
//! 1. [`discovery::parse`] reads the provider's metadata and ties it to the address it came from.
//! 2. [`authorization::AuthorizationRequest`] makes the address the browser is sent to, [`pkce`] the
//!    challenge in it; [`authorization::Callback`] reads what comes back and
//!    [`authorization::check_issuer`] refuses another issuer's answer (RFC 9207).
//! 3. [`token::TokenRequest`] makes the code exchange, [`token::parse_response`] reads the answer.
//! 4. [`jwk::KeySet`] and [`id_token::verify`] turn the ID token into [`id_token::Claims`];
//!    [`userinfo::parse`] reads further claims of the same subject.
//!
//! For tokens we issue ourselves: [`jws::SigningKey`] signs, [`jws::verify_own`] verifies. The server
//! halves that the built-in test identity provider needs are [`discovery::Document`],
//! [`authorization::parse_request`] and [`token::parse_request`].
//!
//! Rules that hold everywhere:
//!
//! - Algorithms come from a list the caller pinned, never from the token. There is no HMAC and no
//!   `none`: the type [`Algorithm`] cannot express them.
//! - Keys come from the caller. `jku`, `x5u`, `jwk` and `x5c` in a token are never looked at.
//! - JSON with a member named twice is refused, at any depth, and so are base64url texts that are not the
//!   one canonical form of their bytes: two readers can never see two different tokens.
//! - A claim of the wrong JSON type is an error, never "absent".
//! - Types that hold codes, tokens, secrets or a person's data have a `Debug` that leaves them out.

mod algorithm;
pub mod authorization;
mod base64url;
pub mod claims;
mod compact;
pub mod discovery;
mod endpoint;
mod form;
pub mod id_token;
mod json;
pub mod jwk;
pub mod jws;
pub mod pkce;
mod response;
mod text;
pub mod token;
pub mod userinfo;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use compact::FormatError;
pub use form::FormError;
pub use json::JsonError;
pub use response::ResponseError;

/// How far the clocks of the issuer and of this machine may differ when `exp`, `nbf`, `iat` and
/// `auth_time` are judged, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;
