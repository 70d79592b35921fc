//! What every request passes: a request id, a time limit, a log line, security headers, and JSON for
//! whatever the router itself refuses.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use url::Host;

use crate::error::Cause;
use crate::{App, Error, Result};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_PATH_AND_QUERY: usize = 32 * 1024;

/// The id of this request, ours or the one a proxy in front gave it.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

/// Who is at the other end, as far as can be told; recorded with sign-ins.
#[derive(Clone, Debug, Default)]
pub struct ClientInfo {
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let address =
            parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            ip_address: address.map(|address: IpAddr| address.to_string()),
            user_agent: user_agent.map(|text| text.chars().take(512).collect()),
        })
    }
}

/// Adds the fallbacks and layers to the areas' merged routes.
pub fn assemble(app: App, routes: Router<App>) -> Router {
    routes
        .fallback(|| async { Error::message(StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|| async {
            Error::message(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(middleware::from_fn_with_state(app.clone(), guard))
        .with_state(app)
}

async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&app, &request);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = match precheck(&app, &request) {
        Some(response) => response,
        None => run(request, next, &id).await,
    };

    let cause = response.extensions_mut().remove::<Cause>();
    let status = response.status().as_u16();
    // The route, not the path or query: those carry codes, secrets and names.
    let route = route.as_deref().unwrap_or("(none)");
    let millis = started.elapsed().as_secs_f64() * 1000.0;
    match cause {
        Some(Cause(cause)) => {
            tracing::error!(request_id = %id.0, %method, route, status, millis, %cause, "request failed");
        }
        None => tracing::info!(request_id = %id.0, %method, route, status, millis, "request"),
    }
    finish(&mut response, &id);
    response
}

async fn run(mut request: Request, next: Next, id: &RequestId) -> Response {
    request.extensions_mut().insert(id.clone());
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(REQUEST_TIMEOUT, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => Error::internal("a handler panicked").into_response(),
        Err(_elapsed) => Error::unavailable().into_response(),
    }
}

/// Refuses what no route should see: overlong targets, unknown hosts; sends a browser that came by another
/// loopback name to the canonical one, where its cookies will be.
fn precheck(app: &App, request: &Request) -> Option<Response> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    if target.len() > MAX_PATH_AND_QUERY {
        return Some(Error::message(StatusCode::URI_TOO_LONG, "URI Too Long").into_response());
    }
    // Probes come by address.
    if matches!(request.uri().path(), "/health" | "/ready") {
        return None;
    }
    let Some(hosts) = hosts(request) else {
        return Some(Error::malformed("The request must name one host.").into_response());
    };
    if hosts.iter().all(|host| is_our_host(app, host)) {
        return None;
    }
    if !app.config.is_dev() || !hosts.iter().all(|host| is_loopback_name(host)) {
        let status = StatusCode::MISDIRECTED_REQUEST;
        return Some(Error::message(status, "This server does not answer for that host.").into_response());
    }
    let browser = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !browser || *request.method() != Method::GET {
        return None;
    }
    let location = HeaderValue::from_str(&app.url(target)).ok()?;
    Some((StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, location)]).into_response())
}

/// The names the request calls this server by: its `Host`, and the authority of an absolute target or of
/// HTTP/2. `None` if there is none, or several `Host` headers (RFC 9112 §3.2): what a proxy in front checked
/// may not be what was meant.
fn hosts(request: &Request) -> Option<Vec<&str>> {
    let mut headers = request.headers().get_all(header::HOST).iter();
    let named = headers.next().map(|value| value.to_str().ok());
    if headers.next().is_some() {
        return None;
    }
    let authority = request.uri().authority().map(|authority| Some(authority.as_str()));
    let hosts: Vec<&str> = named.into_iter().chain(authority).collect::<Option<_>>()?;
    (!hosts.is_empty()).then_some(hosts)
}

fn is_our_host(app: &App, host: &str) -> bool {
    let public = &app.config.public_url;
    let name = public.host_str().unwrap_or_default();
    let with_port = public.port().map(|port| format!("{name}:{port}"));
    let default_port = public.port_or_known_default().map(|port| format!("{name}:{port}"));
    match with_port {
        Some(expected) => host.eq_ignore_ascii_case(&expected),
        None => {
            host.eq_ignore_ascii_case(name)
                || default_port.is_some_and(|expected| host.eq_ignore_ascii_case(&expected))
        }
    }
}

fn is_loopback_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    match Host::parse(name) {
        Ok(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Err(_) => false,
    }
}

fn request_id(app: &App, request: &Request) -> RequestId {
    let given = request.headers().get(&REQUEST_ID).and_then(|value| value.to_str().ok());
    let usable = |id: &&str| {
        (8..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    RequestId(match given.filter(usable) {
        Some(id) => id.to_owned(),
        None => crate::crypto::hex(&app.random.bytes::<16>()),
    })
}

fn finish(response: &mut Response, id: &RequestId) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        headers.insert(REQUEST_ID, value);
    }
    let defaults = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
