use std::fmt;
use std::io::Write;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// A request being made.
pub struct Request {
    router: Router,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
    may_fail: bool,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Request {
    pub(crate) fn new(router: Router, host: String, method: Method, path: String) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        Self { router, method, path, headers, body: Bytes::new(), may_fail: false }
    }

    /// With this secret key instead.
    #[must_use]
    pub fn key(self, secret: &str) -> Self {
        self.header("authorization", &format!("Bearer {secret}"))
    }

    /// Without a key.
    #[must_use]
    pub fn anonymous(mut self) -> Self {
        self.headers.remove(header::AUTHORIZATION);
        self
    }

    /// With this header (again replaces).
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    /// With a JSON body.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.raw("application/json", body.to_string())
    }

    /// With a form body.
    #[must_use]
    pub fn form(self, pairs: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.raw("application/x-www-form-urlencoded", body)
    }

    /// With any body.
    #[must_use]
    pub fn raw(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        self.body = body.into();
        self
    }

    /// A 5xx answer is what this test is about.
    #[must_use]
    pub fn may_fail(mut self) -> Self {
        self.may_fail = true;
        self
    }

    /// Sends it.
    pub async fn send(self) -> Answer {
        let mut request = http::Request::builder().method(&self.method).uri(&self.path);
        *request.headers_mut().unwrap() = self.headers;
        let request = request.body(Body::from(self.body)).unwrap();
        let (parts, body) = self.router.oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        assert!(self.may_fail || answer.status < 500, "{} {} answered {answer:?}", self.method, self.path);
        assert!(
            answer.headers.contains_key("x-request-id"),
            "no X-Request-ID on {} {}",
            self.method,
            self.path
        );
        record(&self.method, &self.path, &answer);
        answer
    }
}

/// An answer, read whole.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status, String::from_utf8_lossy(&self.body))
    }
}

impl Answer {
    /// The body as JSON; `null` if it is empty.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        let content_type = self.header("content-type");
        assert!(content_type.starts_with("application/json"), "content-type {content_type}: {self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as JSON, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    /// One header; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Where a redirect leads.
    #[track_caller]
    pub fn location(&self) -> String {
        assert!(matches!(self.status, 302 | 303), "no redirect: {self:?}");
        self.header("location").to_owned()
    }

    /// A parameter of where a redirect leads.
    #[track_caller]
    pub fn location_parameter(&self, name: &str) -> Option<String> {
        let location = url::Url::parse(&self.location()).unwrap();
        let found = location.query_pairs().find(|(key, _)| key == name);
        found.map(|(_, value)| value.into_owned())
    }
}

/// Appends a JSON answer of an operation to the record of this process.
fn record(method: &Method, path: &str, answer: &Answer) {
    let Ok(folder) = std::env::var("PORTCULLIS_RECORD") else { return };
    let is_json = answer.header("content-type").starts_with("application/json") && !answer.body.is_empty();
    if !is_json || is_refused_anywhere(answer) {
        return;
    }
    let path = path.split('?').next().unwrap_or_default();
    let line =
        json!({ "method": method.as_str(), "path": path, "status": answer.status, "body": answer.json() });
    std::fs::create_dir_all(&folder).unwrap();
    let file = format!("{folder}/{}.jsonl", std::process::id());
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
    // In one piece: requests of a test may run at once.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}

/// Whether any operation would have refused that request so: the API document says nothing of other methods
/// and hosts, of bodies that can't be read, or of paths that don't exist.
fn is_refused_anywhere(answer: &Answer) -> bool {
    let body = answer.json();
    matches!(answer.status, 405 | 413 | 414 | 415 | 421)
        || body["error"] == "Bad Request"
        || body == json!({ "message": "Not Found" })
}
