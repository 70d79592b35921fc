//! The browser a sign-in began in, held by a cookie: an answer from any other is refused, so that nobody can
//! be signed in as somebody else (login CSRF).

use axum::http::{HeaderMap, HeaderValue, header};
use kernel::App;
use kernel::crypto::{equal, hash_token};
use kernel::ids::EnvironmentId;

use super::Flow;

const TOKEN_LENGTH: usize = 32;

/// The token of this browser, from its cookie; `None` if it has none of ours.
pub fn token(app: &App, headers: &HeaderMap, environment: EnvironmentId) -> Option<String> {
    let names = cookie_names(app, environment);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, value)| names.iter().any(|ours| ours == name) && is_token(value))
        .map(|(_, value)| value.to_owned())
}

/// A token for a browser that has none.
pub fn new_token(app: &App) -> String {
    app.random.alphanumeric(TOKEN_LENGTH)
}

/// Whether the browser with these headers is the one `flow` began in.
pub fn is_same(app: &App, headers: &HeaderMap, flow: &Flow) -> bool {
    token(app, headers, flow.environment)
        .is_some_and(|token| equal(hash_token(&token).as_bytes(), flow.browser_hash.as_bytes()))
}

/// The cookies that give a browser its token.
///
/// The answer of a SAML identity provider is a POST from another site, so the cookie must be `SameSite=None`
/// and therefore `Secure`. Over plain http on loopback, browsers differ in whether they take `Secure` cookies;
/// `dev` sets one of each kind and either will do.
pub fn cookies(app: &App, environment: EnvironmentId, token: &str) -> Vec<HeaderValue> {
    let cross_site = "Path=/; HttpOnly; Secure; SameSite=None";
    let same_site = "Path=/; HttpOnly; SameSite=Lax";
    cookie_names(app, environment)
        .iter()
        .zip([cross_site, same_site])
        .filter_map(|(name, attributes)| HeaderValue::from_str(&format!("{name}={token}; {attributes}")).ok())
        .collect()
}

fn cookie_names(app: &App, environment: EnvironmentId) -> Vec<String> {
    // Environments share an origin; each has a cookie of its own.
    let id = environment.to_string();
    let id = id.rsplit('_').next().unwrap_or_default();
    if app.config.public_url.scheme() == "https" {
        vec![format!("__Host-portcullis-{id}")]
    } else {
        vec![format!("portcullis-{id}"), format!("portcullis-lax-{id}")]
    }
}

fn is_token(value: &str) -> bool {
    value.len() == TOKEN_LENGTH && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
