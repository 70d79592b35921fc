//! Forged SAML documents, as the tests of the `saml` crate make them.

#[path = "../../saml/tests/protocol/forge/document.rs"]
mod document;
#[path = "../../saml/tests/protocol/forge/keys.rs"]
pub mod keys;
#[path = "../../saml/tests/protocol/forge/sign.rs"]
pub mod sign;

pub use document::*;
