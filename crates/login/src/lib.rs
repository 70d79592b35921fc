//! The pages people see while they sign in, and in development the two ends of a sign-in as well: an identity
//! provider and an application.
//!
//! - [`router`]: the error page that `sso` sends browsers to when the application can't be trusted with them,
//!   the page that posts a SAML request, and the assets of all pages. They exist in every mode.
//! - [`dev_router`]: the built-in identity provider and the demo application, for `portcullis dev`.
//!
//! Every page is a template in `templates/`, works without JavaScript and loads nothing from elsewhere. Each
//! answer has a Content-Security-Policy of its own, without inline script or style, whose `form-action` names
//! the places its forms lead to.

mod assets;
mod demo;
mod error_page;
mod identity_provider;
mod page;
mod saml_request;
mod sealed;

use axum::{Router, middleware};
use kernel::App;

pub use demo::{Demo, DemoState, redirect_uri as demo_redirect_uri};
pub use identity_provider::{oidc_discovery_url, oidc_issuer, saml_entity_id, saml_metadata, saml_sso_url};

/// The pages of every mode.
pub fn router() -> Router<App> {
    error_page::router()
        .merge(saml_request::router())
        .layer(middleware::from_fn(error_page::render))
        .merge(assets::router())
}

/// The built-in identity provider and the demo application. Whoever mounts this lets anybody who reaches the
/// server be anybody in its staging environments: for development only.
pub fn dev_router() -> Router<App> {
    identity_provider::router().merge(demo::router()).layer(middleware::from_fn(error_page::render))
}
