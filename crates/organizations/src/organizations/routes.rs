use access::Caller;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use kernel::http::{Json, List, Path, PathId, Query, page_request};
use kernel::ids::OrganizationId;
use kernel::{App, Error, Result};
use store::Order;

use super::{CreateOrganization, MAX_NAME, Organization, UpdateOrganization, queries};
use crate::domains::normalized;

/// Routes under `/organizations`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/organizations", get(list).post(create))
        .route("/organizations/{id}", get(find).put(update).delete(delete))
        .route("/organizations/external_id/{external_id}", get(find_by_external_id))
}

/// `POST /organizations`
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<CreateOrganization>,
) -> Result<(StatusCode, Json<Organization>)> {
    let organization =
        kernel::transaction!(app, |tx| { super::create(tx, &app, caller.scope(), body.clone()).await })?;
    Ok((StatusCode::CREATED, Json(organization)))
}

/// `GET /organizations`
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query,
) -> Result<Json<List<Organization>>> {
    let page = page_request(&query, Order::Desc)?;
    let domains: Vec<String> =
        query.list("domains").iter().map(|domain| normalized(domain).unwrap_or_default()).collect();
    let search = query.get("search")?;
    // No name is longer; the engines bound the length of patterns.
    if search.is_some_and(|search| search.chars().count() > MAX_NAME) {
        return Err(Error::invalid("search"));
    }
    let page = queries::list(&app.db, caller.environment, &domains, search, &page).await?;
    Ok(Json(List(page)))
}

/// `GET /organizations/{id}`
async fn find(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<OrganizationId>,
) -> Result<Json<Organization>> {
    let found = queries::get(&app.db, caller.environment, id).await?;
    found.map(Json).ok_or_else(|| Error::not_found("Organization", id))
}

/// `GET /organizations/external_id/{external_id}`
async fn find_by_external_id(
    State(app): State<App>,
    caller: Caller,
    Path(external_id): Path,
) -> Result<Json<Organization>> {
    let found = queries::get_by_external_id(&app.db, caller.environment, &external_id).await?;
    found.map(Json).ok_or_else(|| Error::not_found("Organization", external_id))
}

/// `PUT /organizations/{id}`
async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<OrganizationId>,
    Json(body): Json<UpdateOrganization>,
) -> Result<Json<Organization>> {
    let organization =
        kernel::transaction!(app, |tx| { super::update(tx, &app, caller.scope(), id, body.clone()).await })?;
    Ok(Json(organization))
}

/// `DELETE /organizations/{id}`
async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<OrganizationId>,
) -> Result<StatusCode> {
    kernel::transaction!(app, |tx| { super::delete(tx, &app, caller.scope(), id).await })?;
    Ok(StatusCode::ACCEPTED)
}
