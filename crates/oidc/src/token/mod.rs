//! The token endpoint (RFC 6749 §3.2): asking a provider, and, for a provider of ours, being asked.

mod incoming;
mod outgoing;
mod response;

pub use incoming::{Credentials, IncomingToken, IncomingTokenError, parse_request};
pub use outgoing::{ClientAssertion, ClientAuthentication, Grant, HttpRequestParts, TokenRequest};
pub use response::{TokenEndpointError, TokenResponse, parse_response};

/// The media type of a token request's body.
pub const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// The `client_assertion_type` of `private_key_jwt` (RFC 7523 §2.2).
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
