//! Single sign-on through the real router, on SQLite or PostgreSQL (see `testkit`).
//!
//! Names begin with the row of the security bar they prove: S for SAML, O for OpenID Connect, A for the OAuth
//! side, J for tokens.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod access_tokens;
mod attacks;
mod authorize;
mod codes;
mod connections_change;
mod connections_create;
mod logs;
mod oidc_callbacks;
mod oidc_endpoints;
mod oidc_sign_in;
mod oidc_tokens;
mod profiles;
mod redirect_uris;
mod saml_browser;
mod saml_fetches;
mod saml_replay;
mod saml_sign_in;
mod saml_tenants;
mod support;
mod token_requests;

/// Where the tests of the `saml` crate, which `attacks` runs, expect it.
use attacks::forge;
