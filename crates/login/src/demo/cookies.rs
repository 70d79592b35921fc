//! The demo's two cookies, both sealed: the state of a sign-in that runs, and who is signed in.

use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use kernel::clock::MINUTE;
use kernel::{App, Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SignedIn;
use crate::sealed::{self, Purpose};

const FLOW_LIFETIME: i64 = 10 * MINUTE;
const SESSION_LIFETIME: i64 = 60 * MINUTE;

/// The cookie of a sign-in that runs.
pub(super) struct Flow;

impl Flow {
    /// Remembers the `state` that the callback must bring.
    pub(super) fn set(app: &App, response: Response, state: &str) -> Result<Response> {
        set(app, response, "portcullis_demo_flow", Purpose::DemoFlow, FLOW_LIFETIME, &state)
    }

    /// The `state` this browser began with.
    pub(super) fn read(app: &App, headers: &HeaderMap) -> Option<String> {
        read(app, headers, "portcullis_demo_flow", Purpose::DemoFlow)
    }

    /// Forgets it: a state is good for one callback.
    pub(super) fn clear(app: &App, response: Response) -> Result<Response> {
        append(app, response, "portcullis_demo_flow", "", 0)
    }
}

/// The cookie of somebody signed in.
pub(super) struct Session;

impl Session {
    pub(super) fn set(app: &App, response: Response, person: &SignedIn) -> Result<Response> {
        set(app, response, "portcullis_demo_session", Purpose::DemoSession, SESSION_LIFETIME, person)
    }

    pub(super) fn read(app: &App, headers: &HeaderMap) -> Option<SignedIn> {
        read(app, headers, "portcullis_demo_session", Purpose::DemoSession)
    }

    pub(super) fn clear(app: &App, response: Response) -> Result<Response> {
        append(app, response, "portcullis_demo_session", "", 0)
    }
}

fn set<T: Serialize>(
    app: &App,
    response: Response,
    name: &str,
    purpose: Purpose,
    lifetime: i64,
    value: &T,
) -> Result<Response> {
    let sealed = sealed::seal(app, purpose, lifetime, value)?;
    append(app, response, name, &sealed, lifetime / 1000)
}

fn append(app: &App, mut response: Response, name: &str, value: &str, seconds: i64) -> Result<Response> {
    // Lax: the callback is a navigation that another site's form may have begun.
    let secure = if app.config.public_url.scheme() == "https" { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/demo; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    let cookie = HeaderValue::try_from(cookie).map_err(|_| Error::internal("a cookie can't be a header"))?;
    response.headers_mut().append(header::SET_COOKIE, cookie);
    Ok(response)
}

fn read<T: DeserializeOwned>(app: &App, headers: &HeaderMap, name: &str, purpose: Purpose) -> Option<T> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .find_map(|(_, value)| sealed::open(app, purpose, value))
}
