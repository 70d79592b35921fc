//! What the answers of SAML and OpenID providers have in common: which sign-in one is for, how that ends, and
//! where the browser goes from here.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use kernel::http::ClientInfo;
use kernel::{App, Error, Result};

use crate::attributes::Identity;
use crate::authorize::{Told, error_page, error_redirect, redirect, with_parameters};
use crate::connections::{Connection, queries};
use crate::sign_in::{self, Flow, Outcome, Refusal, Status, browser};

const MAX_HANDLE: usize = 1024;

/// What a verified answer says.
pub(crate) struct Accepted {
    pub identity: Identity,
    /// SAML: what counts only once.
    pub assertion: Option<Assertion>,
}

/// An accepted assertion, by its id, and until when (epoch milliseconds) it must be remembered.
pub(crate) struct Assertion {
    pub id: String,
    pub until: i64,
}

/// An answer that ends nobody's sign-in, and the flow it was aimed at if there is one.
pub(crate) struct Misdirected {
    pub refusal: Refusal,
    pub flow: Option<Flow>,
}

impl From<Refusal> for Misdirected {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, flow: None }
    }
}

/// The flow that `handle` names, if this browser may answer it now.
pub(crate) async fn find_flow(
    app: &App,
    connection: &Connection,
    headers: &HeaderMap,
    handle: &str,
) -> Result<std::result::Result<Flow, Misdirected>> {
    let found = flow(app, handle).await?.filter(|flow| flow.connection_id == connection.id);
    let Some(flow) = found else { return Ok(Err(Refusal::unknown_flow().into())) };
    let refusal = if !browser::is_same(app, headers, &flow) {
        Refusal::other_browser()
    } else if flow.status != Status::Started {
        Refusal::used()
    } else if flow.expires_at <= app.clock.now() {
        Refusal::expired()
    } else {
        return Ok(Ok(flow));
    };
    Ok(Err(Misdirected { refusal, flow: Some(flow) }))
}

async fn flow(app: &App, handle: &str) -> Result<Option<Flow>> {
    if handle.len() > MAX_HANDLE {
        return Ok(None);
    }
    Ok(sign_in::queries::by_handle(&app.db, handle).await?)
}

/// Records an answer that ends nobody's sign-in, and says so on a page of our own: there is no application the
/// browser could safely be sent to.
pub(crate) async fn refuse_misdirected(
    app: &App,
    connection: &Connection,
    misdirected: Misdirected,
    client: ClientInfo,
) -> Result<Response> {
    let Misdirected { refusal, flow } = misdirected;
    sign_in::refuse_apart(app, connection, flow.as_ref(), client, &refusal).await?;
    let page = match refusal.code {
        "other_browser" => "flow-other-browser",
        "flow_expired" | "flow_already_used" => "flow-expired",
        _ => "sign-in-failed",
    };
    let mut response = error_page(app, page);
    *response.status_mut() = StatusCode::SEE_OTHER;
    Ok(response)
}

/// Answers at the address of no connection: 404, but for the browser of a sign-in during which the connection
/// (or its organization) was deleted. That one goes back to the application, which learns why.
pub(crate) async fn without_connection(
    app: &App,
    external_key: &str,
    headers: &HeaderMap,
    handle: Option<&str>,
) -> Result<Response> {
    let missing = || Error::message(StatusCode::NOT_FOUND, "Not Found");
    let flow = flow(app, handle.unwrap_or_default()).await?.ok_or_else(missing)?;
    let is_running = flow.status == Status::Started && flow.expires_at > app.clock.now();
    if !is_running
        || !browser::is_same(app, headers, &flow)
        || !queries::had_external_key(&app.db, flow.environment, flow.connection_id, external_key).await?
    {
        return Err(missing());
    }
    let refusal = Refusal::connection_gone();
    sign_in::refuse(app, &flow, &refusal).await?;
    Ok(finish(&flow, Outcome::Refused(refusal)))
}

/// Ends the flow as the verdict on its answer says, and sends the browser back to the application.
pub(crate) async fn conclude(
    app: &App,
    connection: &Connection,
    flow: &Flow,
    verdict: std::result::Result<Accepted, Refusal>,
) -> Result<Response> {
    let outcome = match verdict {
        Ok(accepted) => sign_in::authorize(app, flow, connection, &accepted).await?,
        Err(refusal) => {
            sign_in::refuse(app, flow, &refusal).await?;
            Outcome::Refused(refusal)
        }
    };
    Ok(finish(flow, outcome))
}

/// Back to the application, with the code or with a generic error.
fn finish(flow: &Flow, outcome: Outcome) -> Response {
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
