//! The built-in identity provider: one per staging environment, so that a sign-in can be tried before a customer
//! is there.
//!
//! It is a real provider of SAML 2.0 and OpenID Connect with keys of its own, and meets the rest of the product
//! only through the protocols: its answers are verified as anybody's. It asks for no password, so it must not
//! be trusted by, and does not exist for, production environments.
//!
//! Between two of its pages it remembers nothing: requests, codes and tokens are sealed (`sealed`) and travel
//! with the browser. Whom it answers is looked up anew each time, never taken from what travelled.

mod oidc;
mod people;
mod saml;
mod sign_in;

use access::Kind;
use access::environments;
use axum::Router;
use axum::extract::{FromRequestParts, Path};
use axum::routing::get;
use http::request::Parts;
use kernel::ids::EnvironmentId;
use kernel::{App, Error, Result};

use crate::error_page::{PageError, Problem};

pub(crate) use people::{guest_email, initials};

/// How long a sign-in page may be sent, in milliseconds.
const SIGN_IN_LIFETIME: i64 = 15 * kernel::clock::MINUTE;

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/_idp/{environment}/saml/metadata", get(saml::metadata))
        .route("/_idp/{environment}/saml/sso", get(saml::request).post(saml::submit))
        .merge(oidc::router())
}

/// The environment whose identity provider is addressed. Asking for it is the check that there is one.
#[derive(Clone, Copy, Debug)]
struct Provider(EnvironmentId);

impl FromRequestParts<App> for Provider {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, PageError> {
        let Ok(Path(id)) = Path::<String>::from_request_parts(parts, app).await else {
            return Err(Problem::NotFound.into());
        };
        let id: EnvironmentId = id.parse().map_err(|_| Problem::NotFound)?;
        match environments::queries::get(&app.db, id).await? {
            Some(environment) if environment.kind == Kind::Staging => Ok(Self(id)),
            _ => Err(Problem::NotFound.into()),
        }
    }
}

fn url(app: &App, environment: EnvironmentId, path: &str) -> String {
    app.url(&format!("/_idp/{environment}/{path}"))
}

/// The metadata of an environment's identity provider, as XML.
///
/// # Errors
/// The environment doesn't exist, or its signing key can't be read.
pub async fn saml_metadata(app: &App, environment: EnvironmentId) -> Result<String> {
    saml::metadata_xml(app, environment).await
}

/// The SAML entity id of an environment's identity provider.
pub fn saml_entity_id(app: &App, environment: EnvironmentId) -> String {
    url(app, environment, "saml/metadata")
}

/// Where SAML requests to an environment's identity provider go, by redirect or by post.
pub fn saml_sso_url(app: &App, environment: EnvironmentId) -> String {
    url(app, environment, "saml/sso")
}

/// The OpenID Connect issuer of an environment's identity provider.
pub fn oidc_issuer(app: &App, environment: EnvironmentId) -> String {
    url(app, environment, "oidc")
}

/// Where the metadata of that issuer is.
pub fn oidc_discovery_url(app: &App, environment: EnvironmentId) -> String {
    format!("{}{}", oidc_issuer(app, environment), ::oidc::discovery::SUFFIX)
}

/// A fault of ours in a protocol crate.
fn fault(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Internal(error.into())
}
