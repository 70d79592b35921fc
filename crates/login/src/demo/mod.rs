//! The demo application: what a customer's own application does, in the shape it would have there.
//!
//! It knows a client id, a secret key and two connections, and talks to the public API over HTTP as anybody's
//! application: the browser goes to `/sso/authorize` and comes back with a code, which a request of the
//! server's own exchanges at `/sso/token`. It shares no state with the product; its cookies are sealed.

mod callback;
mod cookies;

use std::fmt;
use std::sync::OnceLock;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use kernel::http::Query;
use kernel::ids::ConnectionId;
use kernel::{App, Result};
use serde::{Deserialize, Serialize};

use crate::error_page::PageResult;
use crate::identity_provider::guest_email;
use crate::page::{FormAction, html, redirect};
use cookies::{Flow, Session};

/// What the demo was given when it was set up: all that an application needs to know.
#[derive(Clone)]
pub struct Demo {
    /// Its client id.
    pub client_id: String,
    /// A secret key of its environment.
    pub api_key: String,
    /// A connection by SAML.
    pub saml_connection: ConnectionId,
    /// A connection by OpenID Connect.
    pub oidc_connection: ConnectionId,
}

impl fmt::Debug for Demo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Demo")
            .field("client_id", &self.client_id)
            .field("saml_connection", &self.saml_connection)
            .field("oidc_connection", &self.oidc_connection)
            .finish_non_exhaustive()
    }
}

/// The demo of a running server: an [`App`] state, filled once the database has been seeded.
#[derive(Debug, Default)]
pub struct DemoState(pub OnceLock<Demo>);

/// Where the demo is called back, to be registered as a redirect URI.
pub fn redirect_uri(app: &App) -> String {
    app.url("/demo/callback")
}

pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/", get(root))
        .route("/demo", get(home))
        .route("/demo/login", get(login))
        .route("/demo/callback", get(callback::callback))
        .route("/demo/logout", get(logout))
}

fn demo(app: &App) -> Option<&Demo> {
    app.state::<DemoState>().ok()?.0.get()
}

/// What the session knows of the person.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct SignedIn {
    email: String,
}

/// Why nobody was signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// The callback belongs to no sign-in of this browser.
    ForeignState,
    /// A connection that isn't the demo's.
    UnknownConnection,
    /// The callback carries an error.
    ByServer { error: String, description: Option<String> },
    /// `/sso/token` answered with an error.
    Exchange { error: String, description: Option<String> },
    /// `/sso/token` gave no answer that can be read.
    Unreachable { reason: String },
}

#[derive(Template)]
#[template(path = "demo/home.html")]
struct HomePage<'a> {
    demo: &'a Demo,
    session: Option<SignedIn>,
    origin: String,
    redirect_uri: String,
    guest: String,
    untrusted: String,
}

#[derive(Template)]
#[template(path = "demo/refused.html")]
struct RefusedPage<'a> {
    refusal: &'a Refusal,
}

#[derive(Template)]
#[template(path = "demo/unavailable.html")]
struct UnavailablePage;

fn refused(refusal: &Refusal) -> Result<Response> {
    let status = match refusal {
        Refusal::Unreachable { .. } => StatusCode::BAD_GATEWAY,
        // The application itself did all it should.
        Refusal::ByServer { .. } => StatusCode::OK,
        _ => StatusCode::BAD_REQUEST,
    };
    html(status, &RefusedPage { refusal }, &FormAction::none())
}

fn unavailable() -> Result<Response> {
    html(StatusCode::SERVICE_UNAVAILABLE, &UnavailablePage, &FormAction::none())
}

/// `GET /`
async fn root() -> PageResult {
    Ok(redirect("/demo")?)
}

/// `GET /demo`
async fn home(State(app): State<App>, headers: HeaderMap) -> PageResult {
    let Some(demo) = demo(&app) else { return Ok(unavailable()?) };
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", &demo.client_id)
        .append_pair("redirect_uri", "https://elsewhere.example/callback")
        .append_pair("connection", &demo.saml_connection.to_string())
        .finish();
    let page = HomePage {
        demo,
        session: Session::read(&app, &headers),
        origin: app.config.public_origin(),
        redirect_uri: redirect_uri(&app),
        guest: guest_email(),
        untrusted: format!("/sso/authorize?{query}"),
    };
    Ok(html(StatusCode::OK, &page, &FormAction::none())?)
}

/// `GET /demo/login`
async fn login(State(app): State<App>, Query(query): Query) -> PageResult {
    let Some(demo) = demo(&app) else { return Ok(unavailable()?) };
    let connection = query.get("connection")?.unwrap_or_default();
    let own = [demo.saml_connection, demo.oidc_connection];
    if !own.iter().any(|id| id.to_string() == connection) {
        return Ok(refused(&Refusal::UnknownConnection)?);
    }
    let state = app.random.alphanumeric(32);
    let mut request = form_urlencoded::Serializer::new(String::new());
    request
        .append_pair("response_type", "code")
        .append_pair("client_id", &demo.client_id)
        .append_pair("redirect_uri", &redirect_uri(&app))
        .append_pair("connection", connection)
        .append_pair("state", &state);
    if let Some(login_hint) = query.get("login_hint")? {
        request.append_pair("login_hint", login_hint);
    }
    let response = redirect(&app.url(&format!("/sso/authorize?{}", request.finish())))?;
    Ok(Flow::set(&app, response, &state)?)
}

/// `GET /demo/logout`
async fn logout(State(app): State<App>) -> PageResult {
    Ok(Session::clear(&app, redirect("/demo")?)?)
}
