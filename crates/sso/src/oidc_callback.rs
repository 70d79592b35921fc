//! The OpenID Connect half: sending the browser to the provider, and the callback.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::get;
use kernel::http::{ClientInfo, Params, Path};
use kernel::{App, Error, Result};
use oidc::authorization::{AuthorizationRequest, Callback, check_issuer};
use oidc::discovery::Provider;
use oidc::id_token::{self, Claims, IdTokenError};
use oidc::token::{ClientAuthentication, Grant, TokenRequest, TokenResponse, parse_response};
use oidc::{Algorithm, LEEWAY_SECONDS, pkce, userinfo};
use serde_json::{Map, Value};

use crate::answer::{self, Accepted};
use crate::attributes::{self, Identity};
use crate::connections::{Connection, Oidc, TokenAuthenticationMethod, queries};
use crate::providers;
use crate::sign_in::{Flow, Refusal};

const SCOPE: &str = "openid profile email";
const VERIFIER_LENGTH: usize = 64;
/// Provider parameters an application may add; more are cut off.
const MAX_EXTRA: usize = 20;

/// The route.
pub fn router() -> Router<App> {
    Router::new().route("/sso/oidc/{external_key}/callback", get(callback))
}

type Checked<T> = Result<std::result::Result<T, Refusal>>;

/// Unwraps the inner result or returns its refusal.
macro_rules! accepted {
    ($result:expr) => {
        match $result {
            Ok(value) => value,
            Err(refusal) => return Ok(Err(refusal)),
        }
    };
}

fn settings(connection: &Connection) -> Result<&Oidc> {
    connection.oidc().ok_or_else(|| Error::internal("not an OIDC connection"))
}

async fn provider(app: &App, oidc: &Oidc) -> Checked<std::sync::Arc<Provider>> {
    let endpoint = oidc.discovery_endpoint.as_deref().unwrap_or_default();
    providers::provider(app, endpoint).await
}

/// The provider's address with everything of this sign-in; the PKCE verifier is sealed into the flow.
pub(crate) async fn begin(
    app: &App,
    connection: &Connection,
    flow: &mut Flow,
    query: &Params,
) -> Checked<String> {
    let oidc = settings(connection)?;
    let provider = accepted!(provider(app, oidc).await?);
    let verifier = app.random.alphanumeric(VERIFIER_LENGTH);
    let challenge = oidc.pkce.then(|| pkce::challenge(&verifier));
    if oidc.pkce {
        let sealed = app.keyring.seal(&app.random, &flow.secret_identity(), verifier.as_bytes())?;
        flow.request_secret = Some(sealed);
    }
    let mut scope = SCOPE.to_owned();
    for extra in query.list("provider_scopes").iter().flat_map(|scopes| scopes.split_whitespace()) {
        if !scope.split(' ').any(|present| present == extra) {
            scope.push(' ');
            scope.push_str(extra);
        }
    }
    let mut extra = query.map("provider_query_params");
    extra.truncate(MAX_EXTRA);
    let domain_hint = query.first("domain_hint").filter(|hint| !hint.is_empty());
    let url = AuthorizationRequest {
        authorization_endpoint: &provider.authorization_endpoint,
        client_id: oidc.client_id.as_deref().unwrap_or_default(),
        redirect_uri: &oidc.redirect_uri,
        scope: &scope,
        state: &flow.handle,
        nonce: Some(&flow.request_id),
        code_challenge: challenge.as_deref(),
        login_hint: flow.request.login_hint.as_deref(),
        prompt: flow.request.force_authentication.then_some("login"),
        domain_hint,
        extra: &extra,
    }
    .url();
    Ok(url.map_err(|error| Refusal::answer("authorization_request_invalid", error.to_string())))
}

/// `GET /sso/oidc/{external_key}/callback`
async fn callback(
    State(app): State<App>,
    Path(external_key): Path,
    headers: HeaderMap,
    client: ClientInfo,
    uri: Uri,
) -> Result<Response> {
    let parsed = Callback::parse(uri.query().unwrap_or_default());
    let Some(connection) = queries::get_by_external_key(&app.db, &external_key).await? else {
        let handle = parsed.ok().and_then(|callback| callback.state);
        return answer::without_connection(&app, &external_key, &headers, handle.as_deref()).await;
    };
    if connection.oidc().is_none() {
        return Err(Error::message(StatusCode::NOT_FOUND, "Not Found"));
    }
    let callback = match parsed {
        Ok(callback) => callback,
        Err(error) => {
            let refusal = Refusal::answer(error.code(), error.to_string());
            return answer::refuse_misdirected(&app, &connection, refusal.into(), client).await;
        }
    };
    let handle = callback.state.as_deref().unwrap_or_default();
    let flow = match answer::find_flow(&app, &connection, &headers, handle).await? {
        Ok(flow) => flow,
        Err(misdirected) => {
            return answer::refuse_misdirected(&app, &connection, misdirected, client).await;
        }
    };
    let verdict = check(&app, &connection, &flow, &callback).await?;
    let verdict = verdict.map(|identity| Accepted { identity, assertion: None });
    answer::conclude(&app, &connection, &flow, verdict).await
}

/// Takes the provider's answer to a verified identity.
async fn check(app: &App, connection: &Connection, flow: &Flow, callback: &Callback) -> Checked<Identity> {
    if !connection.state.is_usable() {
        return Ok(Err(Refusal::connection_inactive()));
    }
    let oidc = settings(connection)?;
    let provider = accepted!(provider(app, oidc).await?);
    // Before the code goes anywhere: is this the provider that was asked? (RFC 9207)
    if let Err(error) = check_issuer(callback.iss.as_deref(), &provider) {
        return Ok(Err(Refusal::answer(error.code(), error.to_string())));
    }
    if let Some(error) = &callback.error {
        let description = callback.error_description.as_deref().unwrap_or("no description");
        let message = format!("The identity provider answered '{error}': {description}");
        return Ok(Err(match error.as_str() {
            "access_denied" => Refusal::denied(message),
            _ => Refusal::answer("identity_provider_error", message),
        }));
    }
    let Some(code) = callback.code.as_deref() else {
        return Ok(Err(Refusal::answer("callback_without_code", "The callback has neither code nor error.")));
    };
    let tokens = accepted!(exchange(app, connection, flow, &provider, code).await?);
    let Some(id_token) = tokens.id_token.as_deref() else {
        return Ok(Err(Refusal::answer("id_token_missing", "The token endpoint sent no ID token.")));
    };
    let claims = accepted!(verify(app, oidc, flow, &provider, &tokens, id_token).await?);
    // Not every provider says when; one that does must have asked anew if that was wanted.
    if flow.request.force_authentication
        && claims.auth_time.is_some_and(|at| at + LEEWAY_SECONDS < flow.created_at.seconds())
    {
        return Ok(Err(Refusal::authentication_too_old()));
    }
    let all = accepted!(with_user_info(app, oidc, &provider, &tokens, claims).await?);
    Ok(attributes::from_oidc(connection, &all))
}

/// Exchanges the code at the provider's token endpoint.
async fn exchange(
    app: &App,
    connection: &Connection,
    flow: &Flow,
    provider: &Provider,
    code: &str,
) -> Checked<TokenResponse> {
    let oidc = settings(connection)?;
    let secret = connection.client_secret(app)?.unwrap_or_default();
    let verifier = match &flow.request_secret {
        Some(sealed) => Some(app.keyring.open_sealed(&flow.secret_identity(), sealed)?),
        None => None,
    };
    let verifier = verifier.as_ref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let authentication = match oidc.token_authentication_method {
        TokenAuthenticationMethod::ClientSecretBasic => {
            ClientAuthentication::ClientSecretBasic { secret: &secret }
        }
        TokenAuthenticationMethod::ClientSecretPost => {
            ClientAuthentication::ClientSecretPost { secret: &secret }
        }
    };
    let request = TokenRequest {
        client_id: oidc.client_id.as_deref().unwrap_or_default(),
        authentication,
        grant: Grant::AuthorizationCode { code, redirect_uri: &oidc.redirect_uri, code_verifier: verifier },
    }
    .into_parts();
    let headers: Vec<(&str, &str)> =
        request.authorization.as_deref().map(|value| ("authorization", value)).into_iter().collect();
    let answer = match app.outbound.post_form(&provider.token_endpoint, &headers, request.body.clone()).await
    {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Refusal::outbound(&error))),
    };
    Ok(parse_response(answer.status, answer.content_type.as_deref(), &answer.body)
        .map_err(|error| Refusal::answer(error.code(), error.to_string())))
}

/// Verifies the ID token, asking for the provider's keys again if it was signed by one we don't know.
async fn verify(
    app: &App,
    oidc: &Oidc,
    flow: &Flow,
    provider: &Provider,
    tokens: &TokenResponse,
    id_token: &str,
) -> Checked<Claims> {
    let pinned: Option<Algorithm> =
        oidc.id_token_signature_algorithm.as_deref().and_then(|name| name.parse().ok());
    let algorithms = pinned.map_or_else(|| provider.algorithms(), |algorithm| vec![algorithm]);
    let mut unknown_key = false;
    loop {
        let keys = accepted!(providers::keys(app, provider, unknown_key).await?);
        let verdict = id_token::verify(
            id_token,
            &id_token::Expected {
                issuer: &provider.issuer,
                client_id: oidc.client_id.as_deref().unwrap_or_default(),
                nonce: &flow.request_id,
                now: app.clock.now().0,
                keys: &keys,
                algorithms: &algorithms,
                access_token: Some(&tokens.access_token),
                code: None,
                max_age: None,
            },
        );
        match verdict {
            Ok(claims) => return Ok(Ok(claims)),
            Err(IdTokenError::UnknownKey { .. }) if !unknown_key => unknown_key = true,
            Err(error) => return Ok(Err(Refusal::answer(error.code(), error.to_string()))),
        }
    }
}

/// Adds UserInfo claims where the connection wants them or the ID token leaves the e-mail out. What the ID
/// token says outranks them.
async fn with_user_info(
    app: &App,
    oidc: &Oidc,
    provider: &Provider,
    tokens: &TokenResponse,
    claims: Claims,
) -> Checked<Map<String, Value>> {
    let mut all = claims.all;
    let wanted = oidc.fetch_user_info || claims.email.is_none();
    let Some(endpoint) = provider.userinfo_endpoint.as_deref().filter(|_| wanted) else {
        return Ok(Ok(all));
    };
    let bearer = format!("Bearer {}", tokens.access_token);
    let headers = [("authorization", bearer.as_str()), ("accept", "application/json")];
    let answer = match app.outbound.get(endpoint, &headers).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Refusal::outbound(&error))),
    };
    match userinfo::parse(answer.status, answer.content_type.as_deref(), &answer.body, &claims.sub) {
        Ok(more) => {
            for (name, value) in more {
                all.entry(name).or_insert(value);
            }
            Ok(Ok(all))
        }
        Err(error) => Ok(Err(Refusal::answer(error.code(), error.to_string()))),
    }
}
