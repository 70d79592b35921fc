//! What the application does with the code: `/sso/token`, `/sso/profile`, `/sso/jwks/{clientId}`.

use access::environments::{self, Environment};
use access::signing_keys::{self, Purpose};
use access::{Caller, caller};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kernel::crypto::hash_token;
use kernel::http::{Json, Params, Path};
use kernel::ids::{ClientId, ConnectionId, EnvironmentId, OrganizationId, ProfileId, SignInId};
use kernel::{App, Error, Result, Timestamp};
use oidc::jws::{OwnToken, verify_own};
use oidc::pkce;
use serde::Serialize;
use serde_json::{Value, json};
use store::Tx;

use crate::connections::{self, State as ConnectionState, queries as connection_queries};
use crate::profiles::{self, Profile};
use crate::sign_in::{self, Refusal, Status, queries};

/// Seconds an access token lives.
const LIFETIME: i64 = 600;
/// The `typ` of SSO access tokens; nothing else of ours is signed with it.
const TOKEN_TYPE: &str = "sso+jwt";
/// Long enough to spare requests, short enough that a new key is seen before it signs.
const KEYS_MAX_AGE: &str = "public, max-age=300";
const MAX_CODE: usize = 256;
const PARAMETERS: [&str; 5] = ["grant_type", "client_id", "client_secret", "code", "code_verifier"];

/// The routes.
pub fn router() -> Router<App> {
    Router::new()
        .route("/sso/token", post(exchange))
        .route("/sso/profile", get(profile))
        .route("/sso/jwks/{client_id}", get(jwks))
}

#[derive(Debug, Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: ProfileId,
    aud: ClientId,
    sid: SignInId,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_id: Option<OrganizationId>,
    connection_id: ConnectionId,
    iat: i64,
    exp: i64,
}

/// `POST /sso/token`
///
/// Parameters come as form, JSON or query: SDKs differ, and some send the same in body and query.
async fn exchange(State(app): State<App>, request: Request) -> Result<Response> {
    let headers = request.headers().clone();
    let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes()).map_err(unreadable)?;
    let body = Params::from_body(request).await.map_err(unreadable)?;
    let answer = grant(&app, &headers, &merged(body, query)?).await?;
    Ok(([(header::PRAGMA, HeaderValue::from_static("no-cache"))], Json(answer)).into_response())
}

/// Whatever is wrong with a token request, OAuth clients look for `error` (RFC 6749 §5.2).
fn unreadable(error: Error) -> Error {
    match error {
        Error::Api(_) => Error::oauth("invalid_request", "The request could not be read."),
        Error::Internal(_) => error,
    }
}

/// One set of parameters. What is said twice must be the same both times: else which one counts would be a
/// guess (RFC 6749 §3.2).
fn merged(body: Params, query: Params) -> Result<Params> {
    for name in PARAMETERS {
        let contradicts =
            query.first(name).is_some_and(|value| body.first(name).is_some_and(|other| other != value));
        if contradicts || query.is_repeated(name) || body.is_repeated(name) {
            return Err(Error::oauth("invalid_request", format!("{name} was sent more than once.")));
        }
    }
    Ok(body.or(query))
}

async fn grant(app: &App, headers: &HeaderMap, params: &Params) -> Result<Value> {
    let given = |name: &str| params.first(name).filter(|value| !value.is_empty());
    match given("grant_type") {
        Some("authorization_code") => {}
        Some(_) => return Err(Error::oauth("unsupported_grant_type", "The grant type is not supported.")),
        None => return Err(Error::oauth("invalid_request", "grant_type is missing.")),
    }
    let credentials = Credentials::read(headers, given("client_id"), given("client_secret"))?;
    let environment = credentials.environment(app).await?;
    let authenticated = credentials.check(app, environment.id).await?;
    let code = given("code").ok_or_else(|| Error::oauth("invalid_request", "code is missing."))?;
    let verifier = given("code_verifier");

    let now = app.clock.now();
    // The inner error is outside the transaction: one that noticed a second use must commit what it revoked.
    let Taken { sign_in, profile } = kernel::transaction!(app, |tx| {
        take(tx, app, &environment, code, verifier, authenticated, now).await
    })??;

    let key = signing_keys::active(app, environment.id, Purpose::Sso).await?;
    let issuer = app.config.public_origin();
    let claims = Claims {
        iss: &issuer,
        sub: profile.id,
        aud: environment.client_id,
        sid: sign_in,
        org_id: profile.organization_id,
        connection_id: profile.connection_id,
        iat: now.seconds(),
        exp: now.seconds() + LIFETIME,
    };
    let access_token =
        key.jwt.sign(TOKEN_TYPE, &claims).map_err(|error| Error::internal(format!("signing: {error}")))?;
    Ok(json!({
        "token_type": "Bearer",
        "access_token": access_token,
        "expires_in": LIFETIME,
        "profile": profile,
    }))
}

/// Who asks, by exactly one method (RFC 6749 §2.3).
struct Credentials {
    client_id: String,
    secret: Option<String>,
}

fn invalid_client() -> Error {
    Error::oauth("invalid_client", "Invalid client ID or secret.")
}

impl Credentials {
    fn read(headers: &HeaderMap, client_id: Option<&str>, secret: Option<&str>) -> Result<Self> {
        // SDKs send their API key as a Bearer token besides; only Basic is client authentication.
        let basic = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let basic = basic.and_then(|value| value.split_once(' '));
        let basic = basic.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")).map(|(_, value)| value);
        match basic {
            None => Ok(Self {
                client_id: client_id.ok_or_else(invalid_client)?.to_owned(),
                secret: secret.map(ToOwned::to_owned),
            }),
            Some(_) if secret.is_some() => {
                Err(Error::oauth("invalid_request", "More than one client authentication was sent."))
            }
            Some(value) => {
                let decoded =
                    STANDARD.decode(value.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let (id, secret) =
                    decoded.as_deref().and_then(|pair| pair.split_once(':')).ok_or_else(invalid_client)?;
                if client_id.is_some_and(|client_id| client_id != id) {
                    return Err(invalid_client());
                }
                Ok(Self { client_id: id.to_owned(), secret: Some(secret.to_owned()) })
            }
        }
    }

    async fn environment(&self, app: &App) -> Result<Environment> {
        environments::by_client(app, &self.client_id).await?.ok_or_else(invalid_client)
    }

    /// Whether the client showed its secret; a wrong one is an error even where none is needed.
    async fn check(&self, app: &App, environment: EnvironmentId) -> Result<bool> {
        let Some(secret) = &self.secret else { return Ok(false) };
        match Caller::from_secret(app, secret).await? {
            Some(caller) if caller.environment == environment => Ok(true),
            _ => Err(invalid_client()),
        }
    }
}

struct Taken {
    sign_in: SignInId,
    profile: Profile,
}

/// Takes a code once. A wrong client, environment or verifier leaves it as it is; a second use ends the
/// tokens of the first.
async fn take(
    tx: &mut Tx,
    app: &App,
    environment: &Environment,
    code: &str,
    verifier: Option<&str>,
    authenticated: bool,
    now: Timestamp,
) -> Result<std::result::Result<Taken, Error>> {
    let shown: String = code.chars().take(64).collect();
    let invalid = || Error::oauth("invalid_grant", format!("The code '{shown}' has expired or is invalid."));
    if code.len() > MAX_CODE {
        return Err(invalid());
    }
    let found = queries::by_code(tx, environment.id, &hash_token(code)).await?;
    let Some(sign_in) = found else {
        return Err(if authenticated { invalid() } else { invalid_client_or_grant(verifier, invalid) });
    };
    check_possession(sign_in.code_challenge.as_deref(), verifier, authenticated)?;
    if sign_in.status == Status::Succeeded {
        queries::revoke_tokens(tx, sign_in.id, now).await?;
        return Ok(Err(Error::oauth("invalid_grant", format!("The code '{shown}' has already been used."))));
    }
    if sign_in.status != Status::Authorized || sign_in.code_expires_at <= now {
        return Err(invalid());
    }
    let found = connection_queries::get_in(tx, environment.id, sign_in.connection_id).await?;
    let mut connection = match found {
        Some(connection) if connection.state.is_usable() => connection,
        found => {
            let refusal = found.map_or_else(Refusal::connection_gone, |_| Refusal::connection_inactive());
            sign_in::fail_exchange(tx, app, &sign_in, &refusal).await?;
            return Ok(Err(invalid()));
        }
    };
    if !queries::exchange(tx, sign_in.id, now).await? {
        // Another exchange of the same code was first, this very moment.
        queries::revoke_tokens(tx, sign_in.id, now).await?;
        return Ok(Err(Error::oauth("invalid_grant", format!("The code '{shown}' has already been used."))));
    }
    sign_in::succeeded(tx, app, &sign_in).await?;
    if connection.state == ConnectionState::Validating {
        connections::set_state(
            tx,
            app,
            sign_in::system(&connection),
            &mut connection,
            ConnectionState::Active,
        )
        .await?;
    }
    let profile = profiles::get_in(tx, environment.id, sign_in.profile_id).await?;
    let profile = profile.ok_or_else(|| Error::internal("a sign-in without its profile"))?;
    Ok(Ok(Taken { sign_in: sign_in.id, profile }))
}

/// Whether this is the client the code is for: it shows its secret, answers the code's challenge, or both.
fn check_possession(challenge: Option<&str>, verifier: Option<&str>, authenticated: bool) -> Result<()> {
    match (challenge, verifier) {
        (Some(challenge), Some(verifier)) if pkce::verify(challenge, verifier) => Ok(()),
        // A challenge that isn't answered, or an answer to none (RFC 9700 §4.8.2).
        (Some(_), _) | (None, Some(_)) => {
            Err(Error::oauth("invalid_grant", "The code_verifier does not fit the code."))
        }
        (None, None) if authenticated => Ok(()),
        (None, None) => Err(invalid_client()),
    }
}

/// Without secret and without verifier the client hasn't authenticated at all.
fn invalid_client_or_grant(verifier: Option<&str>, invalid: impl Fn() -> Error) -> Error {
    if verifier.is_some() { invalid() } else { invalid_client() }
}

fn unauthorized() -> Error {
    Error::api(StatusCode::UNAUTHORIZED, json!({ "error": "Unauthorized" }))
}

/// `GET /sso/profile`
async fn profile(State(app): State<App>, request: Request) -> Result<Json<Profile>> {
    let (parts, _) = request.into_parts();
    let token = caller::bearer(&parts).ok_or_else(unauthorized)?;
    let environment = token_environment(&app, token).await?.ok_or_else(unauthorized)?;
    let keys = signing_keys::published(&app, environment.id, Purpose::Sso).await?;
    let keys: Vec<_> = keys.iter().map(|key| key.jwt.verification_key()).collect();
    let expected = OwnToken {
        typ: TOKEN_TYPE,
        issuer: &app.config.public_origin(),
        audience: Some(&environment.client_id.to_string()),
        now: app.clock.now().0,
    };
    let claims = verify_own(token, &keys, &expected).map_err(|_| unauthorized())?;
    let id = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let sign_in: SignInId = id("sid").parse().map_err(|_| unauthorized())?;
    let profile: ProfileId = id("sub").parse().map_err(|_| unauthorized())?;
    let found = profiles::get_for_token(&app.db, environment.id, sign_in, profile).await?;
    found.map(Json).ok_or_else(unauthorized)
}

/// The environment whose key a token names; nothing in the token is believed yet.
async fn token_environment(app: &App, token: &str) -> Result<Option<Environment>> {
    let header = token.split('.').next().unwrap_or_default();
    let Ok(header) = URL_SAFE_NO_PAD.decode(header) else { return Ok(None) };
    let Ok(header) = serde_json::from_slice::<Value>(&header) else { return Ok(None) };
    let kid = header.get("kid").and_then(Value::as_str).and_then(|kid| kid.parse().ok());
    let Some(kid) = kid else { return Ok(None) };
    match signing_keys::environment_of(app, kid, Purpose::Sso).await? {
        Some(environment) => Ok(environments::queries::get(&app.db, environment).await?),
        None => Ok(None),
    }
}

/// `GET /sso/jwks/{clientId}`
async fn jwks(State(app): State<App>, Path(client_id): Path) -> Result<Response> {
    let found = environments::by_client(&app, &client_id).await?;
    let environment = found.ok_or_else(|| Error::not_found("Client", &client_id))?;
    let keys = signing_keys::key_set(&app, environment.id, Purpose::Sso).await?;
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static(KEYS_MAX_AGE))], Json(keys)).into_response())
}
