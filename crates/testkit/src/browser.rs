use http::{Method, header};
use url::Url;

use crate::{Answer, CALLBACK, Request, TestApp};

/// A browser as far as our own origin is concerned: it keeps cookies.
#[derive(Debug, Default)]
pub struct Browser {
    cookies: Vec<(String, String)>,
}

impl Browser {
    /// A browser that has never been here.
    pub fn new() -> Self {
        Self::default()
    }

    /// GET of a path or of an absolute URL of ours.
    pub async fn get(&mut self, app: &TestApp, address: &str) -> Answer {
        self.send(app.request(Method::GET, path(address)).anonymous()).await
    }

    /// POST of a form.
    pub async fn post(&mut self, app: &TestApp, address: &str, form: &[(&str, &str)]) -> Answer {
        self.send(app.request(Method::POST, path(address)).anonymous().form(form)).await
    }

    /// A request with this browser's cookies, for several at once; what comes back isn't kept.
    #[must_use]
    pub fn with_cookies(&self, request: Request) -> Request {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { request } else { request.header("cookie", &cookies.join("; ")) }
    }

    /// Sends a request with this browser's cookies, and keeps what comes back.
    pub async fn send(&mut self, request: Request) -> Answer {
        let answer = self.with_cookies(request).send().await;
        for value in answer.headers.get_all(header::SET_COOKIE) {
            let pair = value.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.retain(|(present, _)| present != name);
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
        answer
    }

    /// `GET /sso/authorize` of environment A with the test callback and these further parameters.
    pub async fn authorize(&mut self, app: &TestApp, parameters: &[(&str, &str)]) -> Answer {
        let address = authorize_path(app, parameters);
        self.get(app, &address).await
    }
}

/// The path of an authorization request of environment A.
pub fn authorize_path(app: &TestApp, parameters: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in
        [("client_id", app.a.client_id.as_str()), ("redirect_uri", CALLBACK), ("response_type", "code")]
    {
        if parameters.iter().all(|(given, _)| *given != name) {
            query.append_pair(name, value);
        }
    }
    query.extend_pairs(parameters);
    format!("/sso/authorize?{}", query.finish())
}

fn path(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) => url[url::Position::BeforePath..url::Position::AfterQuery].to_owned(),
        Err(_) => address.to_owned(),
    }
}
