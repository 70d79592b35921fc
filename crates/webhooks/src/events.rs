//! `GET /events`.

use access::Caller;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use kernel::clock::DAY;
use kernel::error::FieldError;
use kernel::http::{Json, List, Params, Query, page_request};
use kernel::ids::{EventId, OrganizationId};
use kernel::{App, Error, Result, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use store::{FromRow, Keyed, Keyset, Order, Row, Select};

use crate::EVENT_TYPES;

/// How long events can be read.
pub(crate) const RETENTION: i64 = 90 * DAY;
/// Widest span of `range_start` to `range_end`.
const MAX_RANGE: i64 = 30 * DAY;
/// Most unknown event types that an answer names.
const MAX_ERRORS: usize = 10;

/// The routes of this area.
pub fn router() -> Router<App> {
    Router::new().route("/events", get(list))
}

/// An event in its envelope.
#[derive(Debug, Serialize)]
struct EventEnvelope {
    object: &'static str,
    id: EventId,
    event: String,
    data: Box<RawValue>,
    created_at: Timestamp,
    context: Box<RawValue>,
}

impl FromRow for EventEnvelope {
    fn from_row(row: &mut Row<'_>) -> Result<Self, store::Error> {
        Ok(Self {
            object: "event",
            id: row.next()?,
            event: row.next()?,
            data: raw(row.next()?)?,
            created_at: row.next()?,
            context: raw(row.next()?)?,
        })
    }
}

fn raw(json: String) -> Result<Box<RawValue>, store::Error> {
    RawValue::from_string(json).map_err(|error| store::Error::Row(error.to_string()))
}

impl Keyed for EventEnvelope {
    fn key(&self) -> String {
        self.id.to_string()
    }
}

/// `GET /events`
///
/// Without `order` the oldest come first, because consumers store the last id they saw and pass it as
/// `after`; SDKs that send `order=desc` get the newest first.
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(query): Query,
) -> Result<Json<List<EventEnvelope>>> {
    let page = page_request(&query, Order::Asc)?;
    let types = event_types(&query)?;
    let (start, end) = range(&query)?;
    let organization = query.get("organization_id")?;
    let organization: Option<OrganizationId> =
        organization.map(|id| id.parse().map_err(|_| Error::invalid("organization_id"))).transpose()?;

    // Events that committed since the last reader get their positions first.
    app.db.number_events().await?;
    let mut select = Select::new(
        "SELECT id, name, data, created_at, context FROM events WHERE environment_id = ? AND created_at >= ?",
        [caller.environment.into(), app.clock.now().plus(-RETENTION).into()],
    )
    // Not in the base: a cursor may lie before the range.
    .and_if("created_at >= ?", start)
    .and_if("created_at < ?", end);
    if !types.is_empty() {
        select = select.and_in("name", types);
    }
    if let Some(organization) = organization {
        select = select.and("organization_id = ?", [organization.into()]);
    }
    let keyset = Keyset::Position { position: "position", id: "id" };
    match select.page(&app.db, keyset, &page).await {
        Ok(page) => Ok(Json(List(page))),
        Err(store::Error::UnknownCursor) => {
            Err(Error::message(StatusCode::BAD_REQUEST, "No event has the id given as cursor."))
        }
        Err(error) => Err(error.into()),
    }
}

fn event_types(query: &Params) -> Result<Vec<String>> {
    let mut types = query.list("events");
    types.sort();
    types.dedup();
    let unknown = types.iter().filter(|name| EVENT_TYPES.binary_search(&name.as_str()).is_err());
    let errors: Vec<FieldError> = unknown
        .take(MAX_ERRORS)
        .map(|name| FieldError { code: "unknown_event_type", field: name.clone() })
        .collect();
    if errors.is_empty() { Ok(types) } else { Err(Error::validation(errors)) }
}

/// `range_start` and `range_end`: from when on, and until when.
fn range(query: &Params) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
    let (start, end) = (instant(query, "range_start")?, instant(query, "range_end")?);
    if let (Some(start), Some(end)) = (start, end)
        && (end < start || end > start.plus(MAX_RANGE))
    {
        return Err(Error::invalid("range_end"));
    }
    Ok((start, end))
}

/// An ISO 8601 instant, or a day for its first one.
fn instant(query: &Params, name: &str) -> Result<Option<Timestamp>> {
    let Some(text) = query.get(name)? else { return Ok(None) };
    let instant = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    instant.map(Some).ok_or_else(|| Error::invalid(name))
}
