//! Forges responses: text templates, a signer that signs whatever it is told to, and the expectations of one
//! connection.

mod attack;
mod document;
pub mod keys;
pub mod oracle;
pub mod random;
pub mod sign;

use saml::response::{Refusal, Verified};

pub use attack::*;
pub use document::*;

/// Told of every document that was tried. Tests of a whole server that use the same attacks send it there, too.
fn tried(_document: &[u8], _verdict: &Result<Verified, Refusal>) {}
