use access::Caller;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use kernel::http::{Json, List, NoContent, PathId, Query, page_request};
use kernel::ids::ConnectionId;
use kernel::{App, Error, Result};
use store::{Order, Page};

use super::queries::Filter;
use super::setup::{self, CreateConnection, UpdateConnection};
use super::{ConnectionView, queries};
use crate::connection_types::ConnectionType;

/// Routes under `/connections`, and the older names under `/sso/connections`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/connections", get(list).post(create))
        .route("/connections/{id}", get(find).patch(update).delete(delete))
        .route("/sso/connections", get(list).post(create))
}

/// `POST /connections`
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<CreateConnection>,
) -> Result<(StatusCode, Json<ConnectionView>)> {
    let connection = setup::create(&app, caller.scope(), caller.environment, body).await?;
    Ok((StatusCode::CREATED, Json(ConnectionView::full(&app, &connection).await?)))
}

/// `GET /connections`
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query,
) -> Result<Json<List<ConnectionView>>> {
    let page = page_request(&query, Order::Desc)?;
    let connection_type = query.get("connection_type")?;
    let connection_type = connection_type
        .map(|name| ConnectionType::find(name).ok_or_else(|| Error::invalid("connection_type")))
        .transpose()?;
    let domain =
        query.get("domain")?.map(|text| organizations::domains::normalized(text).unwrap_or_default());
    let organization = match query.get("organization_id")? {
        None => None,
        Some(text) => match text.parse() {
            Ok(id) => Some(id),
            // Nobody has that id, so nobody has a connection there.
            Err(_) => return Ok(Json(List(Page { data: Vec::new(), before: None, after: None }))),
        },
    };
    let filter =
        Filter { connection_type, organization, domain: domain.as_deref(), search: query.get("search")? };
    Ok(Json(List(queries::list(&app.db, caller.environment, filter, &page).await?)))
}

/// `GET /connections/{id}`
async fn find(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ConnectionId>,
) -> Result<Json<ConnectionView>> {
    let found = queries::get(&app.db, caller.environment, id).await?;
    let connection = found.ok_or_else(|| Error::not_found("Connection", id))?;
    ConnectionView::full(&app, &connection).await.map(Json)
}

/// `PATCH /connections/{id}`
async fn update(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ConnectionId>,
    Json(body): Json<UpdateConnection>,
) -> Result<Json<ConnectionView>> {
    let connection = setup::update(&app, caller.scope(), caller.environment, id, body).await?;
    ConnectionView::full(&app, &connection).await.map(Json)
}

/// `DELETE /connections/{id}`
async fn delete(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<ConnectionId>,
) -> Result<NoContent> {
    kernel::transaction!(app, |tx| { super::delete(tx, &app, caller.scope(), id).await })?;
    Ok(NoContent)
}
