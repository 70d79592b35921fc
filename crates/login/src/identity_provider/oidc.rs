//! OpenID Connect of the built-in identity provider: the code flow, with PKCE where the client uses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ::oidc::authorization::{self, IncomingAuthorization};
use ::oidc::discovery::{self, Document};
use ::oidc::id_token::half_hash;
use ::oidc::token::{self, Credentials, IncomingToken};
use ::oidc::{Algorithm, pkce};
use access::signing_keys::{self, Purpose as KeyPurpose};
use axum::extract::{Extension, RawQuery, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::clock::MINUTE;
use kernel::http::{Form, Params, body_bytes};
use kernel::ids::EnvironmentId;
use kernel::{App, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sso::connections::{OidcClient, by_oidc_client};
use url::Url;

use super::people::{Fields, Person};
use super::sign_in::{Application, Choice, Protocol};
use super::{Provider, SIGN_IN_LIFETIME, fault, oidc_issuer};
use crate::error_page::{PageError, PageResult, Problem};
use crate::page::redirect;
use crate::sealed::{self, Purpose};

/// How long a code may be exchanged, in milliseconds.
const CODE_LIFETIME: i64 = MINUTE;
/// How long tokens are good, in milliseconds.
const TOKEN_LIFETIME: i64 = 5 * MINUTE;
/// Longest parameters of an authorization request that are carried, in bytes.
const MAX_STATE: usize = 2048;
const MAX_NONCE: usize = 512;
/// Largest token request, in bytes.
const MAX_TOKEN_REQUEST: usize = 64 * 1024;
const SCOPES: [&str; 3] = ["openid", "email", "profile"];
const CLAIMS: [&str; 7] = ["sub", "email", "email_verified", "given_name", "family_name", "name", "groups"];

/// An authorization request while somebody looks at the sign-in page.
#[derive(Debug, Serialize, Deserialize)]
struct PendingAuthorization {
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
}

/// What a code stands for.
#[derive(Serialize, Deserialize)]
struct Granted {
    authorization: PendingAuthorization,
    person: Person,
    /// When they signed in, in seconds since the epoch.
    authenticated_at: i64,
}

/// Codes that were exchanged, until they would be refused for their age: a code works once (RFC 6749 §4.1.2).
/// They are remembered by this process alone, which is the only one in development.
#[derive(Clone, Debug, Default)]
struct UsedCodes(Arc<Mutex<HashMap<String, i64>>>);

impl UsedCodes {
    /// Notes that a code is used; `false` if it was before.
    fn take(&self, code: &str, now: i64) -> bool {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| now < *until);
        used.insert(kernel::crypto::hash_token(code), now.saturating_add(CODE_LIFETIME)).is_none()
    }
}

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/_idp/{environment}/oidc/.well-known/openid-configuration", get(configuration))
        .route("/_idp/{environment}/oidc/jwks", get(keys))
        .route("/_idp/{environment}/oidc/authorize", get(authorize).post(submit))
        .route("/_idp/{environment}/oidc/token", post(exchange))
        .route("/_idp/{environment}/oidc/userinfo", get(userinfo).post(userinfo))
        .layer(Extension(UsedCodes::default()))
}

/// `GET /_idp/{environment}/oidc/.well-known/openid-configuration`
async fn configuration(State(app): State<App>, Provider(environment): Provider) -> Json<Value> {
    let issuer = oidc_issuer(&app, environment);
    Json(discovery::document(&Document {
        issuer: &issuer,
        authorization_endpoint: &format!("{issuer}/authorize"),
        token_endpoint: &format!("{issuer}/token"),
        jwks_uri: &format!("{issuer}/jwks"),
        userinfo_endpoint: Some(&format!("{issuer}/userinfo")),
        end_session_endpoint: None,
        revocation_endpoint: None,
        scopes: &SCOPES,
        client_authentication_methods: &["client_secret_basic", "client_secret_post"],
        claims: &CLAIMS,
        sends_issuer_in_response: true,
    }))
}

/// `GET /_idp/{environment}/oidc/jwks`
async fn keys(State(app): State<App>, Provider(environment): Provider) -> Result<Json<Value>> {
    signing_keys::key_set(&app, environment, KeyPurpose::BuiltInIdp).await.map(Json)
}

/// `GET /_idp/{environment}/oidc/authorize`
async fn authorize(
    State(app): State<App>,
    Provider(environment): Provider,
    RawQuery(query): RawQuery,
) -> PageResult {
    begin(&app, environment, &query.unwrap_or_default()).await
}

/// `POST /_idp/{environment}/oidc/authorize`: the sign-in page's form, or an authorization request by POST
/// (OpenID Connect Core §3.1.2.1).
async fn submit(State(app): State<App>, Provider(environment): Provider, Form(form): Form) -> PageResult {
    if form.first("client_id").is_some() {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(form.iter()).finish();
        return begin(&app, environment, &query).await;
    }
    let sealed = form.get("request")?.ok_or(Problem::TestRequestInvalid)?;
    let request: PendingAuthorization =
        sealed::open(&app, Purpose::Authorization(environment), sealed).ok_or(Problem::TestRequestExpired)?;
    let client = client(&app, environment, &request.client_id, &request.redirect_uri).await?;
    let application = application(&app, environment, &client).await?;
    let person = match application.choice(&form) {
        Choice::SignIn(person) => person,
        Choice::Deny => {
            let denied = Denied { error: "access_denied", description: "The person refused to sign in." };
            return Ok(denied.answer(&app, environment, &request.redirect_uri, request.state.as_deref())?);
        }
        Choice::Again(fields, problem) => {
            return Ok(application.page(&app, sealed, fields, Some(problem)).await?);
        }
    };
    let authenticated_at = app.clock.now().seconds();
    let granted = Granted { authorization: request, person, authenticated_at };
    let code = sealed::seal(&app, Purpose::Code(environment), CODE_LIFETIME, &granted)?;
    let PendingAuthorization { redirect_uri, state, .. } = &granted.authorization;
    Ok(answer(&app, environment, redirect_uri, state.as_deref(), &[("code", &code)])?)
}

/// Shows the sign-in page for an authorization request.
async fn begin(app: &App, environment: EnvironmentId, query: &str) -> PageResult {
    let request = match authorization::parse_request(query) {
        Ok(request) => request,
        Err(error) => return refuse_unreadable(app, environment, query, &error).await,
    };
    let client = client(app, environment, &request.client_id, &request.redirect_uri).await?;
    if let Some(denied) = check(&request) {
        return Ok(denied.answer(app, environment, &request.redirect_uri, request.state.as_deref())?);
    }
    let fields = Fields { email: request.login_hint.unwrap_or_default(), ..Fields::default() };
    let pending = PendingAuthorization {
        client_id: request.client_id,
        redirect_uri: request.redirect_uri,
        scope: request.scope,
        state: request.state,
        nonce: request.nonce,
        code_challenge: request.code_challenge,
    };
    let sealed = sealed::seal(app, Purpose::Authorization(environment), SIGN_IN_LIFETIME, &pending)?;
    Ok(application(app, environment, &client).await?.page(app, &sealed, fields, None).await?)
}

/// Answers a request that breaks a rule: at the client's redirect URI if that much of it is known, else here.
async fn refuse_unreadable(
    app: &App,
    environment: EnvironmentId,
    query: &str,
    error: &authorization::IncomingAuthorizationError,
) -> PageResult {
    let parameters = Params::parse(query.as_bytes()).map_err(|_| Problem::TestRequestInvalid)?;
    let single = |name| parameters.get(name).ok().flatten();
    let (Some(client_id), Some(redirect_uri)) = (single("client_id"), single("redirect_uri")) else {
        return Err(Problem::TestRequestInvalid.into());
    };
    client(app, environment, client_id, redirect_uri).await?;
    let denied = Denied { error: error.oauth_error(), description: &error.to_string() };
    let state = single("state").filter(|state| state.len() <= MAX_STATE);
    Ok(denied.answer(app, environment, redirect_uri, state)?)
}

/// What a readable request asks for and doesn't get (OpenID Connect Core §3.1.2.6).
fn check(request: &IncomingAuthorization) -> Option<Denied<'static>> {
    let is_long = |text: &Option<String>, limit| text.as_ref().is_some_and(|text| text.len() > limit);
    if is_long(&request.state, MAX_STATE) || is_long(&request.nonce, MAX_NONCE) {
        return Some(Denied { error: "invalid_request", description: "The state or nonce is too long." });
    }
    if !request.scope.split(' ').any(|scope| scope == "openid") {
        return Some(Denied { error: "invalid_scope", description: "The scope must contain openid." });
    }
    let prompts_for =
        |prompt| request.prompt.iter().flat_map(|text| text.split(' ')).any(|word| word == prompt);
    prompts_for("none")
        .then_some(Denied { error: "login_required", description: "Nobody stays signed in here." })
}

/// The client, if it may have its answer at `redirect_uri`.
async fn client(
    app: &App,
    environment: EnvironmentId,
    client_id: &str,
    redirect_uri: &str,
) -> Result<OidcClient, PageError> {
    let client = by_oidc_client(app, environment, client_id).await?;
    client
        .filter(|client| client.redirect_uri == redirect_uri)
        .ok_or_else(|| Problem::TestApplicationUnknown.into())
}

async fn application(app: &App, environment: EnvironmentId, client: &OidcClient) -> Result<Application> {
    let name = client.connection_name.clone();
    Application::of(app, environment, name, client.organization_id, Protocol::Oidc).await
}

/// An error that the client is told of.
struct Denied<'a> {
    error: &'static str,
    description: &'a str,
}

impl Denied<'_> {
    fn answer(
        &self,
        app: &App,
        environment: EnvironmentId,
        redirect_uri: &str,
        state: Option<&str>,
    ) -> Result<Response> {
        let parameters = [("error", self.error), ("error_description", self.description)];
        answer(app, environment, redirect_uri, state, &parameters)
    }
}

/// Sends the browser to the client. `redirect_uri` is the registered one.
fn answer(
    app: &App,
    environment: EnvironmentId,
    redirect_uri: &str,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> Result<Response> {
    let mut url = Url::parse(redirect_uri).map_err(fault)?;
    url.query_pairs_mut()
        .extend_pairs(parameters)
        .extend_pairs(state.map(|state| ("state", state)))
        .append_pair("iss", &oidc_issuer(app, environment));
    redirect(url.as_str())
}

/// `POST /_idp/{environment}/oidc/token`
async fn exchange(
    State(app): State<App>,
    Provider(environment): Provider,
    Extension(used): Extension<UsedCodes>,
    request: Request,
) -> Result<Response> {
    let header = request.headers().get(header::AUTHORIZATION).cloned();
    let is_basic = header.is_some();
    let header = header.as_ref().map(|value| value.to_str().unwrap_or_default());
    let body = body_bytes(request, MAX_TOKEN_REQUEST).await?;
    let body =
        std::str::from_utf8(&body).map_err(|_| Error::oauth("invalid_request", "The body is not UTF-8."))?;
    let request = match token::parse_request(header, body) {
        Ok(request) => request,
        Err(error) if error.oauth_error() == "invalid_client" => return Ok(unknown_client(is_basic)),
        Err(error) => return Err(Error::oauth(error.oauth_error(), error.to_string())),
    };
    let Some(client) = by_oidc_client(&app, environment, &request.client_id).await? else {
        return Ok(unknown_client(is_basic));
    };
    if !is_authentic(&request.credentials, &client) {
        return Ok(unknown_client(is_basic));
    }
    let granted = redeem(&app, environment, &request, &used)?;
    tokens(&app, environment, &granted).await
}

/// RFC 6749 §5.2
fn unknown_client(is_basic: bool) -> Response {
    let body =
        json!({ "error": "invalid_client", "error_description": "The client is unknown or not authentic." });
    let mut response = (StatusCode::UNAUTHORIZED, Json(body)).into_response();
    if is_basic {
        let challenge = HeaderValue::from_static("Basic realm=\"token\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn is_authentic(credentials: &Credentials, client: &OidcClient) -> bool {
    match credentials {
        Credentials::Basic { secret } | Credentials::Post { secret } => {
            kernel::crypto::equal(secret.as_bytes(), client.client_secret.as_bytes())
        }
        Credentials::None => false,
    }
}

/// What the code of a token request stands for, once.
fn redeem(
    app: &App,
    environment: EnvironmentId,
    request: &IncomingToken,
    used: &UsedCodes,
) -> Result<Granted> {
    if request.grant_type != "authorization_code" {
        return Err(Error::oauth("unsupported_grant_type", "Only authorization_code is supported."));
    }
    let code = request.code.as_deref();
    let code = code.ok_or_else(|| Error::oauth("invalid_request", "The request has no code."))?;
    let refused = || Error::oauth("invalid_grant", "The code is invalid, expired, used or another client's.");
    let granted: Granted = sealed::open(app, Purpose::Code(environment), code).ok_or_else(refused)?;
    let authorization = &granted.authorization;
    let is_its_own = authorization.client_id == request.client_id
        && request.redirect_uri.as_ref() == Some(&authorization.redirect_uri);
    // A verifier without a challenge is refused too: somebody took the challenge off the request (RFC 9700 §4.8.2).
    let proves_possession = match (&authorization.code_challenge, &request.code_verifier) {
        (Some(challenge), Some(verifier)) => pkce::verify(challenge, verifier),
        (None, None) => true,
        _ => false,
    };
    if !is_its_own || !proves_possession || !used.take(code, app.clock.now().0) {
        return Err(refused());
    }
    Ok(granted)
}

async fn tokens(app: &App, environment: EnvironmentId, granted: &Granted) -> Result<Response> {
    let key = signing_keys::active(app, environment, KeyPurpose::BuiltInIdp).await?;
    let access_token = sealed::seal(app, Purpose::AccessToken(environment), TOKEN_LIFETIME, &granted.person)?;
    let now = app.clock.now();
    let mut claims = claims(environment, &granted.person);
    claims.extend(
        [
            ("iss", json!(oidc_issuer(app, environment))),
            ("aud", json!(granted.authorization.client_id)),
            ("iat", json!(now.seconds())),
            ("exp", json!(now.plus(TOKEN_LIFETIME).seconds())),
            ("auth_time", json!(granted.authenticated_at)),
            ("at_hash", json!(half_hash(Algorithm::Rs256, &access_token))),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    if let Some(nonce) = &granted.authorization.nonce {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    let id_token = key.jwt.sign("JWT", &claims).map_err(fault)?;
    let body = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFETIME / 1000,
        "scope": granted.authorization.scope,
        "id_token": id_token,
    });
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response())
}

/// What is said about somebody, in the ID token and at the UserInfo endpoint.
fn claims(environment: EnvironmentId, person: &Person) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    say("sub", json!(person.id(environment)));
    say("email", json!(person.email));
    say("email_verified", json!(true));
    if !person.first_name.is_empty() {
        say("given_name", json!(person.first_name));
    }
    if !person.last_name.is_empty() {
        say("family_name", json!(person.last_name));
    }
    say("name", json!(person.name()));
    say("groups", json!(person.groups));
    claims
}

/// `GET /_idp/{environment}/oidc/userinfo`
async fn userinfo(State(app): State<App>, Provider(environment): Provider, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(bearer);
    let person: Option<Person> =
        token.and_then(|token| sealed::open(&app, Purpose::AccessToken(environment), token));
    match person {
        Some(person) => Json(claims(environment, &person)).into_response(),
        None => {
            // RFC 6750 §3
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
            (StatusCode::UNAUTHORIZED, challenge, Json(json!({ "error": "invalid_token" }))).into_response()
        }
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}
