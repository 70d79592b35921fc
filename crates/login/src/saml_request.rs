//! The page that carries a SAML request to an identity provider that wants it posted (SAML bindings 3.5).

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use kernel::http::Path;
use kernel::{App, Error};
use url::Url;

use crate::error_page::{PageResult, Problem};
use crate::page::{FormAction, html};

#[derive(Template)]
#[template(path = "saml/request.html")]
struct RequestPage<'a> {
    destination: &'a str,
    origin: String,
    field: &'static str,
    message: &'a str,
    relay_state: Option<&'a str>,
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/sso/saml/request/{handle}", get(show))
}

/// `GET /sso/saml/request/{handle}`
async fn show(State(app): State<App>, Path(handle): Path) -> PageResult {
    let Some(form) = sso::sign_in::post_form(&app, &handle).await? else {
        return Err(Problem::FlowExpired.into());
    };
    let destination = Url::parse(&form.destination).ok();
    let destination = destination
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| Error::internal("the sign-on URL of a connection is not http or https"))?;
    let page = RequestPage {
        destination: &form.destination,
        // Not the whole authority: a user name in it could pass for the host.
        origin: destination.origin().ascii_serialization(),
        field: "SAMLRequest",
        message: &form.saml_request,
        relay_state: Some(&form.relay_state),
    };
    // Identity providers often answer the post with a redirect to another of their hosts, and Chromium asks
    // `form-action` about that one too.
    let form_action = FormAction::none().and_url(&form.destination).and_any_https();
    Ok(html(StatusCode::OK, &page, &form_action)?)
}
