//! Where the browser comes back to: the state is compared, the code exchanged, the profile shown.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use kernel::http::Query;
use kernel::outbound::Fetched;
use kernel::{App, Result};
use serde_json::Value;

use super::cookies::{Flow, Session};
use super::{Demo, Refusal, SignedIn, demo, refused, unavailable};
use crate::error_page::PageResult;
use crate::identity_provider::initials;
use crate::page::{FormAction, html};

/// Longest error text that is shown, in characters.
const MAX_SHOWN: usize = 300;

#[derive(Template)]
#[template(path = "demo/profile.html")]
struct ProfilePage<'a> {
    initials: String,
    name: String,
    email: &'a str,
    id: &'a str,
    connection_type: &'a str,
    connection_id: Option<&'a str>,
    organization_id: Option<&'a str>,
    idp_id: Option<&'a str>,
    groups: Vec<&'a str>,
    json: String,
}

/// `GET /demo/callback`
pub(super) async fn callback(State(app): State<App>, headers: HeaderMap, Query(query): Query) -> PageResult {
    let Some(demo) = demo(&app) else { return Ok(unavailable()?) };
    let expected = Flow::read(&app, &headers);
    let is_ours = match (&expected, query.get("state")?) {
        (Some(expected), Some(state)) => kernel::crypto::equal(expected.as_bytes(), state.as_bytes()),
        _ => false,
    };
    // Before anything else of the address is looked at.
    if !is_ours {
        return Ok(refused(&Refusal::ForeignState)?);
    }
    let outcome = match (query.get("code")?, query.get("error")?) {
        (Some(code), None) => exchange(&app, demo, code).await,
        (_, error) => Err(Refusal::ByServer {
            error: shown(error.unwrap_or("no_code")),
            description: query.get("error_description")?.map(shown),
        }),
    };
    let response = match outcome {
        Ok(profile) => signed_in(&app, &profile)?,
        Err(refusal) => refused(&refusal)?,
    };
    Ok(Flow::clear(&app, response)?)
}

/// Asks the token endpoint who this is.
async fn exchange(app: &App, demo: &Demo, code: &str) -> Result<Value, Refusal> {
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "authorization_code")
        .append_pair("client_id", &demo.client_id)
        .append_pair("client_secret", &demo.api_key)
        .append_pair("code", code)
        .finish();
    let answer = app.outbound.post_form(&app.url("/sso/token"), &[], body).await;
    read(answer.map_err(|error| Refusal::Unreachable { reason: error.to_string() })?)
}

fn read(answer: Fetched) -> Result<Value, Refusal> {
    let unreadable = || Refusal::Unreachable { reason: format!("status {}", answer.status) };
    let body: Value = serde_json::from_slice(&answer.body).map_err(|_| unreadable())?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(shown);
    match answer.status {
        200 => body.get("profile").cloned().ok_or_else(unreadable),
        _ => match text("error") {
            Some(error) => Err(Refusal::Exchange { error, description: text("error_description") }),
            None => Err(unreadable()),
        },
    }
}

fn signed_in(app: &App, profile: &Value) -> Result<Response> {
    let text = |name: &str| profile.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let email = text("email").unwrap_or_default();
    let parts = [text("first_name"), text("last_name")];
    let name = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let name = if name.is_empty() { email.to_owned() } else { name };
    let groups = profile.get("groups").or_else(|| profile.pointer("/raw_attributes/groups"));
    let page = ProfilePage {
        initials: initials(&name),
        name,
        email,
        id: text("id").unwrap_or_default(),
        connection_type: text("connection_type").unwrap_or_default(),
        connection_id: text("connection_id"),
        organization_id: text("organization_id"),
        idp_id: text("idp_id"),
        groups: groups.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect(),
        json: serde_json::to_string_pretty(profile).unwrap_or_default(),
    };
    let response = html(StatusCode::OK, &page, &FormAction::none())?;
    Session::set(app, response, &SignedIn { email: email.to_owned() })
}

/// Text from elsewhere, cut to a length a page can take.
fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}
