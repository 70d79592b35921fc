//! `GET /sso/authorize`: where a sign-in begins.

use access::environments::{self, Environment};
use access::redirect_uris;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use kernel::http::{ClientInfo, Params, Query};
use kernel::ids::{ConnectionId, EnvironmentId, OrganizationId};
use kernel::{App, Error, Result};
use oidc::pkce;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::connection_types::{ConnectionType, Protocol};
use crate::connections::{Binding, Connection, queries};
use crate::oidc_callback;
use crate::sign_in::{self, Flow, Request, browser};

/// RFC 3986 unreserved characters stay; everything else is escaped, so that `state` comes back byte for byte.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const MAX_STATE: usize = 8 * 1024;
/// Enough for any e-mail address or account name.
const MAX_LOGIN_HINT: usize = 1024;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/sso/authorize", get(authorize))
}

const SELECTORS: [&str; 4] = ["connection", "organization", "provider", "domain"];
/// What may be sent once, besides client and redirect URI.
const SINGLE: [&str; 13] = [
    "connection",
    "organization",
    "provider",
    "domain",
    "state",
    "response_type",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
    "domain_hint",
    "prompt",
    "nonce",
];

/// An error that is told to the application on its redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub error: &'static str,
    pub description: &'static str,
}

const fn told(error: &'static str, description: &'static str) -> Told {
    Told { error, description }
}

const INVALID_SELECTOR: Told = told(
    "invalid_connection_selector",
    "Exactly one of connection, organization or provider is needed, or the hint of a verified domain.",
);
const CONNECTION_INVALID: Told = told("connection_invalid", "The connection does not exist.");
const CONNECTION_UNLINKED: Told = told("connection_unlinked", "The connection is not active.");
const ORGANIZATION_INVALID: Told =
    told("organization_invalid", "No connection associated with organization.");
const AMBIGUOUS: Told =
    told("ambiguous_connection_selector", "Several connections match; name one by its id.");
const DOMAIN_SELECTOR: Told = told(
    "domain_connection_selector_not_allowed",
    "The domain parameter is not supported; use connection or organization.",
);
const REPEATED: Told = told("invalid_request", "A parameter was sent more than once.");
const UNREACHABLE: Told = told("server_error", "The identity provider could not be reached.");

/// A response that sends the browser to one of our own pages.
pub(crate) fn error_page(app: &App, code: &str) -> Response {
    redirect(StatusCode::FOUND, &app.url(&format!("/error/{code}")))
}

/// A redirect whose address carries secrets at most for its target.
pub(crate) fn redirect(status: StatusCode, location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (status, [(header::LOCATION, location)]).into_response(),
        Err(_) => Error::internal("a redirect address that is no header value").into_response(),
    }
}

/// `uri` with parameters added to whatever query it has.
pub(crate) fn with_parameters(uri: &str, parameters: &[(&str, &str)]) -> String {
    let mut location = uri.to_owned();
    for (name, value) in parameters {
        location.push(if location.contains('?') { '&' } else { '?' });
        location.push_str(name);
        location.push('=');
        location.extend(utf8_percent_encode(value, ESCAPED));
    }
    location
}

/// Tells the application of an error.
pub(crate) fn error_redirect(redirect_uri: &str, state: Option<&str>, told: Told) -> Response {
    let mut parameters = vec![("error", told.error), ("error_description", told.description)];
    parameters.extend(state.map(|state| ("state", state)));
    redirect(StatusCode::FOUND, &with_parameters(redirect_uri, &parameters))
}

/// `GET /sso/authorize`
async fn authorize(
    State(app): State<App>,
    Query(query): Query,
    headers: HeaderMap,
    client: ClientInfo,
) -> Result<Response> {
    // Until client and redirect URI are known to belong together, nothing is sent anywhere but to our own
    // pages (RFC 9700 §4.11).
    let Some(environment) = client_environment(&app, &query).await? else {
        return Ok(error_page(&app, "client-id-invalid"));
    };
    let redirect_uri = query.first("redirect_uri").filter(|_| !query.is_repeated("redirect_uri"));
    let Some(redirect_uri) = redirect_uri else {
        return Ok(error_page(&app, "redirect-uri-invalid"));
    };
    if !redirect_uris::is_allowed(&app, environment.id, redirect_uri).await? {
        return Ok(error_page(&app, "redirect-uri-invalid"));
    }

    let state = query.first("state").filter(|_| !query.is_repeated("state"));
    let tell = |told: Told| Ok(error_redirect(redirect_uri, state, told));
    let request = match read_request(&query, redirect_uri) {
        Ok(request) => request,
        Err(told) => return tell(told),
    };
    let connection = match select(&app, environment.id, &query).await? {
        Ok(connection) => connection,
        Err(told) => return tell(told),
    };
    if !connection.state.is_usable() {
        return tell(CONNECTION_UNLINKED);
    }

    let browser_token = browser::token(&app, &headers, environment.id);
    let token = browser_token.unwrap_or_else(|| browser::new_token(&app));
    let mut flow = Flow::new(&app, &connection, &token, request, client);
    let location = match &connection.saml() {
        Some(saml) => match saml.idp_sso_binding {
            Binding::Redirect => sign_in::authn_request(&flow, &connection)?.redirect_url(&flow.handle),
            Binding::Post => app.url(&format!("/sso/saml/request/{}", flow.handle)),
        },
        None => match oidc_callback::begin(&app, &connection, &mut flow, &query).await? {
            Ok(location) => location,
            Err(refusal) => {
                flow.start(&app).await?;
                sign_in::refuse(&app, &flow, &refusal).await?;
                return tell(UNREACHABLE);
            }
        },
    };
    flow.start(&app).await?;

    let mut response = redirect(StatusCode::FOUND, &location);
    for cookie in browser::cookies(&app, environment.id, &token) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn client_environment(app: &App, query: &Params) -> Result<Option<Environment>> {
    match query.first("client_id") {
        Some(client_id) if !query.is_repeated("client_id") => environments::by_client(app, client_id).await,
        _ => Ok(None),
    }
}

/// Reads everything but client, redirect URI and selector.
fn read_request(query: &Params, redirect_uri: &str) -> Result<Request, Told> {
    // RFC 6749 §3.1: a parameter sent twice makes the request invalid. Lists and maps are ours.
    if SINGLE.iter().any(|name| query.is_repeated(name)) {
        return Err(REPEATED);
    }
    let given = |name: &str| query.first(name).filter(|value| !value.is_empty()).map(ToOwned::to_owned);
    let state = query.first("state").map(ToOwned::to_owned);
    if state.as_ref().is_some_and(|state| state.len() > MAX_STATE) {
        return Err(told("invalid_request", "The state is too long."));
    }
    if given("response_type").as_deref() != Some("code") {
        return Err(told("unsupported_response_type", "The response_type must be 'code'."));
    }
    if given("response_mode").is_some_and(|mode| mode != "query") {
        return Err(told("invalid_request", "The response_mode must be 'query'."));
    }
    let code_challenge = given("code_challenge");
    let method = given("code_challenge_method");
    match (&code_challenge, method.as_deref()) {
        (None, None) => {}
        (Some(challenge), Some("S256")) if pkce::is_valid_challenge(challenge) => {}
        _ => return Err(told("invalid_request", "PKCE needs a code_challenge with method S256.")),
    }
    let login_hint = given("login_hint");
    if login_hint.as_ref().is_some_and(|hint| hint.len() > MAX_LOGIN_HINT) {
        return Err(told("invalid_request", "The login_hint is too long."));
    }
    let prompt = given("prompt");
    Ok(Request {
        redirect_uri: redirect_uri.to_owned(),
        state,
        code_challenge,
        login_hint,
        force_authentication: prompt.as_deref() == Some("login"),
    })
}

/// Finds the connection by whichever selector is given.
async fn select(
    app: &App,
    environment: EnvironmentId,
    query: &Params,
) -> Result<std::result::Result<Connection, Told>> {
    let given: Vec<(&str, &str)> = SELECTORS
        .iter()
        .filter_map(|name| Some((*name, query.first(name).filter(|value| !value.is_empty())?)))
        .collect();
    match given.as_slice() {
        [("connection", id)] => by_connection(app, environment, id).await,
        [("organization", id)] => match id.parse() {
            Ok(id) => by_organization(app, environment, id).await,
            Err(_) => Ok(Err(ORGANIZATION_INVALID)),
        },
        [("provider", name)] => by_provider(app, environment, name).await,
        [("domain", _)] => Ok(Err(DOMAIN_SELECTOR)),
        [] => by_hint(app, environment, query).await,
        _ => Ok(Err(INVALID_SELECTOR)),
    }
}

async fn by_connection(
    app: &App,
    environment: EnvironmentId,
    id: &str,
) -> Result<std::result::Result<Connection, Told>> {
    let Ok(id) = id.parse::<ConnectionId>() else { return Ok(Err(CONNECTION_INVALID)) };
    Ok(queries::get(&app.db, environment, id).await?.ok_or(CONNECTION_INVALID))
}

async fn by_organization(
    app: &App,
    environment: EnvironmentId,
    id: OrganizationId,
) -> Result<std::result::Result<Connection, Told>> {
    let connections = queries::list_by_organization(&app.db, environment, id).await?;
    Ok(one_of(connections, ORGANIZATION_INVALID))
}

async fn by_provider(
    app: &App,
    environment: EnvironmentId,
    name: &str,
) -> Result<std::result::Result<Connection, Told>> {
    let provider = ConnectionType::find(name).filter(|kind| kind.protocol() == Protocol::OAuth);
    let Some(provider) = provider else { return Ok(Err(INVALID_SELECTOR)) };
    let connections = queries::list_by_provider(&app.db, environment, provider).await?;
    Ok(one_of(connections, CONNECTION_INVALID))
}

/// Without a selector, the verified owner of the hinted domain decides.
async fn by_hint(
    app: &App,
    environment: EnvironmentId,
    query: &Params,
) -> Result<std::result::Result<Connection, Told>> {
    let of_login = query.first("login_hint").and_then(|hint| hint.rsplit_once('@')).map(|(_, domain)| domain);
    let hint = query.first("domain_hint").filter(|hint| !hint.is_empty()).or(of_login);
    let Some(domain) = hint.and_then(organizations::domains::normalized) else {
        return Ok(Err(INVALID_SELECTOR));
    };
    match organizations::domains::owner(&app.db, environment, &domain).await? {
        Some(organization) => by_organization(app, environment, organization).await,
        None => Ok(Err(INVALID_SELECTOR)),
    }
}

/// The one connection people are meant to use: the active one, or, if none is yet, the one waiting for its
/// first sign-in.
fn one_of(connections: Vec<Connection>, none: Told) -> std::result::Result<Connection, Told> {
    use crate::connections::State::{Active, Validating};
    let present = !connections.is_empty();
    for state in [Active, Validating] {
        let mut matching = connections.iter().filter(|connection| connection.state == state);
        if let Some(first) = matching.next() {
            return if matching.next().is_some() { Err(AMBIGUOUS) } else { Ok(first.clone()) };
        }
    }
    Err(if present { CONNECTION_UNLINKED } else { none })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_join_any_query_and_keep_every_byte() {
        assert_eq!(with_parameters("https://a.example/cb", &[("code", "1")]), "https://a.example/cb?code=1");
        assert_eq!(
            with_parameters("https://a.example/cb?x=1", &[("state", "a+b%2B ü&=")]),
            "https://a.example/cb?x=1&state=a%2Bb%252B%20%C3%BC%26%3D"
        );
    }
}
