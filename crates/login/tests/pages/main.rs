//! The pages through the front door: the real router over a database of its own, without sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod assets;
mod demo;
mod errors;
mod fixture;
mod hostile;
mod markup;
mod oidc;
mod saml;
mod saml_request;
