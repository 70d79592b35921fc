use axum::Router;
use axum::extract::State;
use axum::routing::{delete, get};
use http::StatusCode;
use kernel::http::{Json, List, NoContent, PathId, Query, page_request};
use kernel::ids::RedirectUriId;
use kernel::{App, Error, Result};
use serde::Deserialize;
use store::Order;

use super::{RedirectUri, queries};
use crate::Caller;

/// Routes under `/user_management/redirect_uris`.
pub fn router() -> Router<App> {
    Router::new()
        .route("/user_management/redirect_uris", get(list).post(create))
        .route("/user_management/redirect_uris/{id}", delete(remove))
}

#[derive(Debug, Deserialize)]
struct CreateRedirectUri {
    uri: String,
    #[serde(default)]
    default: Option<bool>,
}

/// `POST /user_management/redirect_uris`
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(body): Json<CreateRedirectUri>,
) -> Result<(StatusCode, Json<RedirectUri>)> {
    let redirect_uri = kernel::transaction!(app, |tx| {
        let default = body.default.unwrap_or(false);
        super::create(tx, &app, caller.environment, caller.kind, &body.uri, default).await
    })?;
    Ok((StatusCode::CREATED, Json(redirect_uri)))
}

/// `GET /user_management/redirect_uris`
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query,
) -> Result<Json<List<RedirectUri>>> {
    let page = page_request(&query, Order::Desc)?;
    super::list(&app, caller.environment, &page).await.map(Json)
}

/// `DELETE /user_management/redirect_uris/{id}`
async fn remove(
    State(app): State<App>,
    caller: Caller,
    PathId(id): PathId<RedirectUriId>,
) -> Result<NoContent> {
    kernel::transaction!(app, |tx| {
        match queries::delete(tx, caller.environment, id).await? {
            None => Err(Error::not_found("Redirect URI", id)),
            // The error rolls the deletion back.
            Some(true) => Err(Error::conflict("Cannot delete the default redirect URI.")),
            Some(false) => Ok(NoContent),
        }
    })
}
