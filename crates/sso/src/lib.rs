//! Single sign-on: connections to identity providers, the sign-in from `/sso/authorize` to the profile, and
//! the record of each sign-in.
//!
//! A sign-in is one row (`sign_ins`) that three small transactions move on: `/sso/authorize` starts it and
//! binds it to the browser by a cookie; the identity provider's answer, verified by the pure `saml` and
//! `oidc` crates, is consumed together with its assertion id, the profile and the code; `/sso/token` takes
//! the code once. A refusal is written to the same row with a typed reason; the browser learns only a
//! generic code. Identity is the pair of connection and `idp_id`, never an e-mail address.

mod answer;
mod attributes;
mod authorize;
pub mod connection_types;
pub mod connections;
mod oidc_callback;
mod profiles;
mod providers;
mod saml_acs;
pub mod sign_in;
mod token;

use axum::Router;
use kernel::App;

pub use providers::ProviderCache;
pub use sign_in::jobs;

/// The routes of this area.
pub fn router() -> Router<App> {
    connections::router()
        .merge(authorize::router())
        .merge(saml_acs::router())
        .merge(oidc_callback::router())
        .merge(token::router())
        .merge(sign_in::router())
}
