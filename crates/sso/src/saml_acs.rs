//! The SAML endpoints identity providers and browsers use: assertion consumer service and metadata.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kernel::http::{ClientInfo, Form, Params, Path, Query};
use kernel::{App, Error, Result};
use saml::certificate::Certificate;
use saml::metadata::{SpMetadata, sp_metadata};
use saml::response::{Expected, Verified, verify};

use crate::attributes;
use crate::authorize::{Told, error_page, error_redirect, redirect, with_parameters};
use crate::connections::{self, Connection, Saml, queries};
use crate::sign_in::{self, Flow, Outcome, Refusal, Status, browser};

/// A decoded response may have 1 MB; Base64 and form encoding make it larger.
const MAX_FORM: usize = 2 << 20;
/// Responses larger than this are verified off the request threads.
const LARGE: usize = 64 * 1024;
const MAX_RELAY_STATE: usize = 1024;

/// Routes under `/sso/saml`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/sso/saml/acs/{external_key}", post(consume))
        .route("/sso/saml/{external_key}/metadata.xml", get(metadata))
}

/// `GET /sso/saml/{external_key}/metadata.xml`
async fn metadata(State(app): State<App>, Path(external_key): Path) -> Result<Response> {
    let found = queries::get_by_external_key(&app.db, &external_key).await?;
    let connection = found.ok_or_else(|| Error::message(StatusCode::NOT_FOUND, "Not Found"))?;
    let saml = connection.saml().ok_or_else(|| Error::message(StatusCode::NOT_FOUND, "Not Found"))?;
    let document = sp_metadata(&SpMetadata { entity_id: &saml.sp_entity_id, acs_url: &saml.acs_url });
    Ok(([(header::CONTENT_TYPE, "application/samlmetadata+xml")], document).into_response())
}

/// `POST /sso/saml/acs/{external_key}`
async fn consume(
    State(app): State<App>,
    Path(external_key): Path,
    headers: HeaderMap,
    client: ClientInfo,
    Query(query): Query,
    Form(form): Form<MAX_FORM>,
) -> Result<Response> {
    let Some(connection) = queries::get_by_external_key(&app.db, &external_key).await? else {
        return Err(Error::message(StatusCode::NOT_FOUND, "Not Found"));
    };
    if connection.saml().is_none() {
        return Err(Error::message(StatusCode::NOT_FOUND, "Not Found"));
    }
    // One form field only: a second one, or one in the query, could be what another component reads.
    if query.first("SAMLResponse").is_some() || query.first("RelayState").is_some() {
        return Err(Error::malformed("SAMLResponse and RelayState belong in the body."));
    }
    let response = form.require("SAMLResponse")?;
    let flow = match find_flow(&app, &connection, &headers, &form).await? {
        Ok(flow) => flow,
        Err((refusal, flow)) => {
            sign_in::refuse_apart(&app, &connection, flow.as_ref(), client, &refusal).await?;
            return Ok(refusal_page(&app, &refusal));
        }
    };
    let outcome = match check(&app, &connection, &flow, response).await? {
        Ok((identity, assertion, until)) => {
            sign_in::authorize(&app, &flow, &connection, &identity, Some((&assertion, until))).await?
        }
        Err(refusal) => {
            sign_in::refuse(&app, &flow, &refusal).await?;
            Outcome::Refused(refusal)
        }
    };
    Ok(finish(&flow, outcome))
}

/// The flow the answer is for, if it may be answered by this browser now.
pub(crate) async fn running_flow(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
    handle: &str,
) -> Result<std::result::Result<Flow, (Refusal, Option<Flow>)>> {
    let found = queries_flow(app, connection, handle).await?;
    let Some(flow) = found else { return Ok(Err((Refusal::unknown_flow(), None))) };
    if !browser::is_same(app, headers, &flow) {
        return Ok(Err((Refusal::other_browser(), Some(flow))));
    }
    if flow.status != Status::Started {
        return Ok(Err((Refusal::used(), Some(flow))));
    }
    if flow.expires_at <= app.clock.now() {
        return Ok(Err((Refusal::expired(), Some(flow))));
    }
    Ok(Ok(flow))
}

async fn queries_flow(app: &App, connection: &Connection, handle: &str) -> Result<Option<Flow>> {
    let found = sign_in::queries::by_handle(&app.db, handle).await?;
    Ok(found.filter(|flow| flow.connection_id == connection.id))
}

async fn find_flow(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
    form: &Params,
) -> Result<std::result::Result<Flow, (Refusal, Option<Flow>)>> {
    match form.get("RelayState")? {
        None => Ok(Err((Refusal::unsolicited(), None))),
        Some(handle) if handle.len() > MAX_RELAY_STATE => Ok(Err((Refusal::unknown_flow(), None))),
        Some(handle) => running_flow(app, connection, headers, handle).await,
    }
}

type Accepted = (attributes::Identity, String, i64);

/// Verifies the response against what this connection pins and this flow asked for.
async fn check(
    app: &App,
    connection: &Connection,
    flow: &Flow,
    response: &str,
) -> Result<std::result::Result<Accepted, Refusal>> {
    if !connection.state.is_usable() {
        return Ok(Err(Refusal::connection_inactive()));
    }
    let saml = connection.saml().ok_or_else(|| Error::internal("not a SAML connection"))?;
    let certificates = connections::trusted(app, connection.id).await?;
    let verdict = verdict(app, saml, certificates, flow, response).await?;
    let verified = match verdict {
        Ok(verified) => verified,
        Err(refusal) if refusal.is_denial() => return Ok(Err(Refusal::denied(refusal.to_string()))),
        Err(refusal) => return Ok(Err(Refusal::answer(refusal.code(), refusal.to_string()))),
    };
    Ok(attributes::from_saml(connection, &verified)
        .map(|identity| (identity, verified.assertion_id, verified.replay_until)))
}

/// Verifies in place what takes microseconds, and elsewhere what may take longer.
async fn verdict(
    app: &App,
    saml: &Saml,
    certificates: Vec<Certificate>,
    flow: &Flow,
    response: &str,
) -> Result<std::result::Result<Verified, saml::response::Refusal>> {
    let now = app.clock.now().0;
    let judge = move |saml: &Saml, certificates: &[Certificate], request_id: &str, response: &str| {
        let expected = Expected {
            idp_entity_id: saml.idp_entity_id.as_deref().unwrap_or_default(),
            sp_entity_id: &saml.sp_entity_id,
            acs_url: &saml.acs_url,
            in_response_to: request_id,
            now,
            certificates,
            allow_sha1: false,
        };
        verify(response, &expected)
    };
    if response.len() <= LARGE {
        return Ok(judge(saml, &certificates, &flow.request_id, response));
    }
    let (saml, request_id, response) = (saml.clone(), flow.request_id.clone(), response.to_owned());
    tokio::task::spawn_blocking(move || judge(&saml, &certificates, &request_id, &response))
        .await
        .map_err(|_| Error::internal("verifying a large response failed"))
}

/// Sends the browser back to the application, with the code or with a generic error.
pub(crate) fn finish(flow: &Flow, outcome: Outcome) -> Response {
    let request = &flow.request;
    match outcome {
        Outcome::Authorized { code } => {
            let mut parameters = vec![("code", code.as_str())];
            parameters.extend(request.state.as_deref().map(|state| ("state", state)));
            // 303: the answer to the identity provider's POST is a GET.
            redirect(StatusCode::SEE_OTHER, &with_parameters(&request.redirect_uri, &parameters))
        }
        Outcome::Refused(refusal) => {
            let told = Told { error: refusal.shown, description: refusal.description };
            let mut response = error_redirect(&request.redirect_uri, request.state.as_deref(), told);
            *response.status_mut() = StatusCode::SEE_OTHER;
            response
        }
    }
}

/// Our own page, where there is no application the browser could be sent back to.
pub(crate) fn refusal_page(app: &App, refusal: &Refusal) -> Response {
    let page = match refusal.code {
        "other_browser" => "flow-other-browser",
        "flow_expired" | "flow_already_used" => "flow-expired",
        _ => "sign-in-failed",
    };
    let mut response = error_page(app, page);
    *response.status_mut() = StatusCode::SEE_OTHER;
    response
}
