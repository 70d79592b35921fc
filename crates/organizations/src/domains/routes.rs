use access::Caller;
use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use http::StatusCode;
use kernel::http::{Json, NoContent, PathId};
use kernel::ids::{OrganizationDomainId, OrganizationId};
use kernel::{App, Error, Result};
use serde::Deserialize;

use super::{OrganizationDomain, queries};

/// Routes under `/organization_domains`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/organization_domains", post(create))
        .route("/organization_domains/{id}", get(find).delete(delete))
        .route("/organization_domains/{id}/verify", post(verify))
}

#[derive(Debug, Deserialize)]
struct CreateDomain {
    domain: String,
    organization_id: String,
}

/// `POST /organization_domains`
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<CreateDomain>,
) -> Result<(StatusCode, Json<OrganizationDomain>)> {
    let organization: OrganizationId =
        body.organization_id.parse().map_err(|_| Error::not_found("Organization", &body.organization_id))?;
    let domain = kernel::transaction!(app, |tx| {
        super::create(tx, &app, caller.scope(), organization, &body.domain).await
    })?;
    Ok((StatusCode::CREATED, Json(domain)))
}

/// `GET /organization_domains/{id}`
async fn find(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<OrganizationDomainId>,
) -> Result<Json<OrganizationDomain>> {
    let found = queries::get(&app.db, caller.environment, id).await?;
    found.map(Json).ok_or_else(|| Error::not_found("Organization Domain", id))
}

/// `POST /organization_domains/{id}/verify`
async fn verify(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<OrganizationDomainId>,
) -> Result<(StatusCode, Json<OrganizationDomain>)> {
    let domain =
        kernel::transaction!(app, |tx| { super::restart_verification(tx, &app, caller.scope(), id).await })?;
    Ok((StatusCode::CREATED, Json(domain)))
}

/// `DELETE /organization_domains/{id}`
async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<OrganizationDomainId>,
) -> Result<NoContent> {
    kernel::transaction!(app, |tx| { super::delete(tx, &app, caller.scope(), id).await })?;
    Ok(NoContent)
}
