//! What the tests share: a customer with a connection, and a look at what a refusal leaves behind.

use std::collections::HashSet;

use serde_json::{Value, json};
use testkit::forge::{Form, keys};
use testkit::{Answer, Asked, Browser, CALLBACK, OidcProvider, Person, SamlIdp, TestApp};

/// The whole description that goes with `server_error`.
pub const GENERIC: &str = "The sign-in could not be completed.";

/// Ada, whose address is in the domain of every [`customer`].
pub fn ada() -> Person {
    Person::new("ada-1815", "ada@example.com")
}

/// An organization that owns `example.com`.
pub async fn customer(app: &TestApp) -> String {
    app.organization("Customer", &["example.com"]).await
}

/// An app with one customer, connected to a SAML identity provider.
pub struct Saml {
    pub app: TestApp,
    pub idp: SamlIdp,
    pub organization: String,
    pub connection: String,
}

impl Saml {
    pub async fn new() -> Self {
        let (app, idp) = (TestApp::new().await, SamlIdp::new());
        let organization = customer(&app).await;
        let connection = idp.connect(&app, &organization).await;
        Self { app, idp, organization, connection }
    }

    /// Begins a sign-in.
    pub async fn begin(&self, browser: &mut Browser) -> Asked {
        Asked::by(&browser.authorize(&self.app, &[("connection", &self.connection), ("state", "s")]).await)
    }

    /// An honest answer about a person.
    pub fn answer(&self, asked: &Asked, person: &Person) -> String {
        self.idp.sign(&self.idp.response(&self.app, asked, person), Form::Assertion)
    }

    /// A whole sign-in of Ada's: the code.
    pub async fn code(&self) -> String {
        code(&self.idp.sign_in(&self.app, &mut Browser::new(), &self.connection, &ada()).await)
    }
}

/// An app with one customer, connected to an OpenID provider.
pub struct Oidc {
    pub app: TestApp,
    pub provider: OidcProvider,
    pub connection: String,
}

impl Oidc {
    pub async fn new() -> Self {
        let (app, provider) = (TestApp::new().await, OidcProvider::start().await);
        let organization = customer(&app).await;
        let connection = provider.connect(&app, &organization).await;
        Self { app, provider, connection }
    }

    /// Begins a sign-in.
    pub async fn begin(&self, browser: &mut Browser) -> Answer {
        let parameters = [("connection", self.connection.as_str()), ("state", "s")];
        browser.authorize(&self.app, &parameters).await
    }

    /// A sign-in of Ada's, however it ends.
    pub async fn sign_in(&self) -> Answer {
        let mut browser = Browser::new();
        let redirect = self.begin(&mut browser).await;
        browser.get(&self.app, &self.provider.approve(&self.app, &redirect, &ada())).await
    }
}

/// The code an answer carries to the application.
#[track_caller]
pub fn code(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{answer:?}");
    let location = answer.location();
    assert!(location.starts_with(CALLBACK), "{location}");
    answer.location_parameter("code").unwrap_or_else(|| panic!("no code in {location}"))
}

/// Exchanges a code with environment A's secret.
pub async fn exchange(app: &TestApp, code: &str) -> Answer {
    let secret = app.a.secret.as_str();
    token(app, &[("client_id", &app.a.client_id), ("client_secret", secret), ("code", code)]).await
}

/// A token request with these fields and the usual grant type.
pub async fn token(app: &TestApp, fields: &[(&str, &str)]) -> Answer {
    let fields = [&[("grant_type", "authorization_code")], fields].concat();
    app.request(http::Method::POST, "/sso/token").anonymous().form(&fields).send().await
}

/// What `/sso/profile` says to this token.
pub async fn profile(app: &TestApp, access_token: &str) -> Answer {
    app.request(http::Method::GET, "/sso/profile").key(access_token).send().await
}

/// Asserts that a token request was refused with this error, in OAuth's shape and no other.
#[track_caller]
pub fn assert_oauth_error(answer: &Answer, error: &str) {
    let body = answer.expect(400);
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["error", "error_description"], "{body}");
    assert_eq!(body["error"], error, "{body}");
}

/// The options of a SAML connection that pins the certificate `name`.
pub fn options_with_certificate(name: &str) -> Value {
    let mut options = SamlIdp::new().options();
    options["idp_signing_certs"] = json!([keys::certificate_pem(name)]);
    options
}

/// The failed sign-ins of environment A, as an operator would watch them come in.
pub struct Records<'a> {
    app: &'a TestApp,
    seen: HashSet<String>,
}

impl<'a> Records<'a> {
    /// From now on.
    pub async fn watch(app: &'a TestApp) -> Self {
        let mut this = Self { app, seen: HashSet::new() };
        this.new_failures().await;
        this
    }

    /// The failures nobody asked for yet.
    async fn new_failures(&mut self) -> Vec<Value> {
        let mut found = Vec::new();
        let mut path = "/_portcullis/sign_ins?status=failed&limit=100".to_owned();
        loop {
            let page = self.app.get(path).await.expect(200);
            for record in page["data"].as_array().unwrap() {
                if self.seen.insert(record["id"].as_str().unwrap().to_owned()) {
                    found.push(record.clone());
                }
            }
            match page["list_metadata"]["after"].as_str() {
                Some(after) => path = format!("/_portcullis/sign_ins?status=failed&limit=100&after={after}"),
                None => return found,
            }
        }
    }

    /// Asserts that one sign-in more has failed, with `code` on its record and with its event. Gives the record
    /// and the event's data.
    pub async fn failed(&mut self, code: &str) -> (Value, Value) {
        self.failed_with(&[code]).await
    }

    /// As [`Records::failed`], for any of these reasons.
    pub async fn failed_with(&mut self, codes: &[&str]) -> (Value, Value) {
        let new = self.new_failures().await;
        let [record] = new.as_slice() else { panic!("{} new failures, not {codes:?}: {new:?}", new.len()) };
        assert!(codes.iter().any(|code| record["failure"]["code"] == *code), "{record}, not {codes:?}");
        assert!(!record["failure"]["message"].as_str().unwrap().is_empty());

        let events = self.app.events().await;
        let is_it = |data: &Value| data["sso"]["session_id"] == record["id"];
        let failed: Vec<&Value> = events
            .iter()
            .filter(|(name, data)| name == "authentication.sso_failed" && is_it(data))
            .map(|(_, data)| data)
            .collect();
        let [event] = failed.as_slice() else { panic!("{} events of {record}", failed.len()) };
        assert_eq!((&event["type"], &event["status"]), (&json!("sso"), &json!("failed")));
        (record.clone(), (*event).clone())
    }

    /// Asserts that `answer` refused: outwardly with `told` (an OAuth error at the application, or the path of
    /// a page of ours) and nothing that could tell a stranger more; on the one new record with `code`; and
    /// with the event. Gives the record.
    pub async fn refused(&mut self, answer: &Answer, told: &str, code: &str) -> Value {
        let (record, event) = self.failed(code).await;
        assert_refused(answer, told);
        if !told.starts_with('/') {
            assert_eq!(event["error"]["code"], told);
        }
        record
    }

    /// Asserts that nothing failed since.
    pub async fn nothing_more(&mut self) {
        let new = self.new_failures().await;
        assert!(new.is_empty(), "{new:?}");
    }
}

/// Asserts that a browser was sent away without a code, and was told no more than `told`.
#[track_caller]
pub fn assert_refused(answer: &Answer, told: &str) {
    let location = answer.location();
    assert!(answer.body.is_empty(), "{answer:?}");
    if told.starts_with('/') {
        assert!(location.ends_with(&format!(":4100{told}")) || location.ends_with(&format!(".com{told}")));
        return;
    }
    assert!(location.starts_with(CALLBACK), "{location}");
    assert_eq!(answer.location_parameter("error").as_deref(), Some(told), "{location}");
    assert_eq!(answer.location_parameter("code"), None, "{location}");
    if told == "server_error" {
        assert_eq!(answer.location_parameter("error_description").as_deref(), Some(GENERIC));
    }
}
