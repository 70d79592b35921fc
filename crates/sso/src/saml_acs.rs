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
use saml::response::{CLOCK_SKEW, Expected, Verified, verify};

use crate::answer::{self, Accepted, Assertion};
use crate::attributes;
use crate::connections::{self, Connection, Saml, queries};
use crate::sign_in::{Flow, Refusal};

/// A decoded response may have 1 MB; Base64 and form encoding make it larger.
const MAX_FORM: usize = 2 << 20;
/// Responses larger than this are verified off the request threads.
const LARGE: usize = 64 * 1024;

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
        let handle = form.get("RelayState").ok().flatten();
        return answer::without_connection(&app, &external_key, &headers, handle).await;
    };
    if connection.saml().is_none() {
        return Err(Error::message(StatusCode::NOT_FOUND, "Not Found"));
    }
    let response = match single_response(&query, &form) {
        Ok(response) => response,
        Err(refusal) => {
            return answer::refuse_misdirected(&app, &connection, refusal.into(), client).await;
        }
    };
    let found = match form.first("RelayState").filter(|handle| !handle.is_empty()) {
        Some(handle) => answer::find_flow(&app, &connection, &headers, handle).await?,
        None => Err(Refusal::unsolicited().into()),
    };
    let flow = match found {
        Ok(flow) => flow,
        Err(misdirected) => {
            return answer::refuse_misdirected(&app, &connection, misdirected, client).await;
        }
    };
    let verdict = check(&app, &connection, &flow, response).await?;
    answer::conclude(&app, &connection, &flow, verdict).await
}

/// The one response of the form. A second one, or one in the query, could be what another component reads.
fn single_response<'a>(query: &Params, form: &'a Params) -> std::result::Result<&'a str, Refusal> {
    for name in ["SAMLResponse", "RelayState"] {
        if form.is_repeated(name) || query.first(name).is_some() {
            return Err(Refusal::answer(
                "response_ambiguous",
                format!("{name} was sent more than once, or in the address instead of the form."),
            ));
        }
    }
    form.first("SAMLResponse")
        .filter(|response| !response.is_empty())
        .ok_or_else(|| Refusal::answer("response_missing", "The form has no SAMLResponse."))
}

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
    if flow.request.force_authentication && !is_anew(flow, &verified) {
        return Ok(Err(Refusal::authentication_too_old()));
    }
    Ok(attributes::from_saml(connection, &verified).map(|identity| {
        let assertion = Assertion { id: verified.assertion_id, until: verified.replay_until };
        Accepted { identity, assertion: Some(assertion) }
    }))
}

/// Whether the person authenticated since the flow began, as far as two clocks can tell.
fn is_anew(flow: &Flow, verified: &Verified) -> bool {
    verified.authn_instant.is_some_and(|at| at.saturating_add(CLOCK_SKEW) >= flow.created_at.0)
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
