//! The record of sign-ins, for operators.

use access::Caller;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use kernel::http::{Json, List, PathId, Query, page_request};
use kernel::ids::{ConnectionId, OrganizationId, ProfileId, SignInId};
use kernel::{App, Error, Result, Timestamp};
use serde::Serialize;
use store::{Keyed, Order};

use super::Status;
use super::queries::{self, Filter};

/// Routes under `/_portcullis/sign_ins`: additions of ours.
pub fn router() -> Router<App> {
    Router::new().route("/_portcullis/sign_ins", get(list)).route("/_portcullis/sign_ins/{id}", get(find))
}

/// A sign-in as operators see it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SignIn {
    pub object: &'static str,
    pub id: SignInId,
    pub organization_id: Option<OrganizationId>,
    pub connection_id: ConnectionId,
    pub profile_id: Option<ProfileId>,
    pub status: &'static str,
    pub email: Option<String>,
    /// The exact reason of a refusal.
    pub failure: Option<Failure>,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Why it failed: a stable code, and a sentence for an operator.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Failure {
    code: String,
    message: String,
}

impl SignIn {
    pub(super) fn failure(code: Option<String>, message: Option<String>) -> Option<Failure> {
        code.map(|code| Failure { code, message: message.unwrap_or_default() })
    }
}

impl Keyed for SignIn {
    fn key(&self) -> String {
        self.id.to_string()
    }
}

/// `GET /_portcullis/sign_ins`
async fn list(State(app): State<App>, caller: Caller, Query(query): Query) -> Result<Json<List<SignIn>>> {
    let page = page_request(&query, Order::Desc)?;
    let connection = query.get("connection_id")?;
    let connection =
        connection.map(|id| id.parse().map_err(|_| Error::invalid("connection_id"))).transpose()?;
    let status = match query.get("status")? {
        None => None,
        Some("started") => Some(Status::Started),
        Some("authorized") => Some(Status::Authorized),
        Some("succeeded") => Some(Status::Succeeded),
        Some("failed") => Some(Status::Failed),
        Some(_) => return Err(Error::invalid("status")),
    };
    let filter = Filter { connection, status };
    Ok(Json(List(queries::list(&app.db, caller.environment, filter, &page).await?)))
}

/// `GET /_portcullis/sign_ins/{id}`
async fn find(State(app): State<App>, caller: Caller, PathId(id): PathId<SignInId>) -> Result<Json<SignIn>> {
    let found = queries::get(&app.db, caller.environment, id).await?;
    found.map(Json).ok_or_else(|| Error::not_found("Sign-in", id))
}
