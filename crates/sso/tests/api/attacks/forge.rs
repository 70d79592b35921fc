//! The forge of the `saml` crate's tests, whose documents are posted to a connection of the whole product, too.

#[path = "../../../../saml/tests/protocol/forge/attack.rs"]
mod attack;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use http::Method;
use saml::response::{Refusal, Verified};
use serde_json::{Value, json};
use store::params;
use testkit::{Answer, Browser, SamlIdp, TestApp, authorize_path};
use tokio::runtime::Runtime;

pub use attack::*;
pub use testkit::forge::*;

/// Flows that are begun at once: then one commit does for all.
const BATCH: usize = 32;
/// S12: no answer may take longer.
const LONGEST: Duration = Duration::from_secs(1);
/// A longer document, in Base64, is longer than the form may be.
const LARGEST: usize = 1_500_000;
/// All that the application learns, whatever was wrong.
const FAILED: &str = "https://app.example.com/callback?error=server_error\
                      &error_description=The%20sign-in%20could%20not%20be%20completed.&state=s";
/// And where it was the identity provider that said no.
const DENIED: &str = "https://app.example.com/callback?error=access_denied\
                      &error_description=The%20identity%20provider%20denied%20the%20sign-in.&state=s";

thread_local! {
    static TARGET: RefCell<Option<Target>> = const { RefCell::new(None) };
}

/// Posts what was refused by the verifier to the product, in a sign-in that is otherwise as honest as can be.
fn tried(document: &[u8], verdict: &Result<Verified, Refusal>) {
    let Err(refusal) = verdict else { return };
    TARGET.with_borrow_mut(|target| {
        let target = target.get_or_insert_with(Target::new);
        target.runtime.block_on(target.connection.refuse(document, refusal));
    });
}

/// A product under attack; each test has one of its own.
struct Target {
    connection: Connection,
    runtime: Runtime,
}

impl Target {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(Connection::new());
        Self { connection, runtime }
    }
}

/// The connection of [`expected`].
struct Connection {
    app: TestApp,
    id: String,
    /// Where its answers are really posted; [`ACS`] is what it is known by, as behind a proxy.
    acs_path: String,
    browser: Browser,
    /// Sign-ins under way: id and `RelayState`.
    begun: Vec<(String, String)>,
    /// The last event that was looked at.
    last_event: Option<String>,
}

impl Connection {
    async fn new() -> Self {
        let app = TestApp::new().await;
        app.advance(NOW - app.app.clock.now().0);
        let organization = app.organization("Under attack", &["example.com"]).await;
        let mut options = SamlIdp::new().options();
        options["acs_url"] = json!(ACS);
        options["sp_entity_id"] = json!(SP);
        let connection = json!({
            "organization_id": organization, "saml_options": options,
            // The forged documents name no names.
            "attribute_maps": { "standard_attributes": { "first_name": "email", "last_name": "id" } },
        });
        let made = app.post("/connections", connection).await.expect(201);
        let metadata_url = made["saml_options"]["sp_metadata_url"].as_str().unwrap();
        let external_key = metadata_url.rsplit('/').nth(1).unwrap();
        let mut this = Self {
            id: made["id"].as_str().unwrap().to_owned(),
            acs_path: format!("/sso/saml/acs/{external_key}"),
            app,
            browser: Browser::new(),
            begun: Vec::new(),
            last_event: None,
        };
        // From here on this browser is known.
        this.browser.authorize(&this.app, &[("connection", &this.id)]).await.location();
        this.accept_what_is_genuine().await;
        this
    }

    /// The control: but for what an attack changes, every form of document is good for a code here.
    async fn accept_what_is_genuine(&mut self) {
        for form in FORMS {
            let (id, relay_state) = self.flow().await;
            let answer = self.post(signed(form).as_bytes(), &relay_state).await;
            assert!(answer.location_parameter("code").is_some(), "{form:?}: {}", answer.location());
            assert_eq!(self.record(&id).await["status"], "authorized", "{form:?}");
            // All forms are about one assertion.
            self.app.app.db.run_script("DELETE FROM saml_assertions").await.unwrap();
        }
    }

    /// A sign-in whose request has the id that the documents answer.
    async fn flow(&mut self) -> (String, String) {
        if self.begun.is_empty() {
            let path = authorize_path(&self.app, &[("connection", &self.id), ("state", "s")]);
            join_all((0..BATCH).map(|_| {
                let request = self.app.request(Method::GET, path.as_str()).anonymous();
                self.browser.with_cookies(request).send()
            }))
            .await;
            let db = &self.app.app.db;
            let script = format!("UPDATE sign_ins SET request_id = '{REQUEST}' WHERE status = 'started'");
            db.run_script(&script).await.unwrap();
            let begun = "SELECT id, handle FROM sign_ins WHERE status = 'started' AND state = 's'";
            self.begun = db.read(begun, params![]).await.unwrap();
        }
        self.begun.pop().unwrap()
    }

    async fn refuse(&mut self, document: &[u8], refusal: &Refusal) {
        let shown = String::from_utf8_lossy(&document[..document.len().min(4000)]);
        // A busy machine may be slow once, or twice, whatever is posted.
        for tries in 1.. {
            let started = Instant::now();
            self.refuse_once(document, refusal, &shown).await;
            let took = started.elapsed();
            if took < LONGEST {
                return;
            }
            assert!(tries < 3, "took {took:?}, and long before: {shown}");
        }
    }

    async fn refuse_once(&mut self, document: &[u8], refusal: &Refusal, shown: &str) {
        let (id, relay_state) = self.flow().await;
        let answer = self.post(document, &relay_state).await;
        // What isn't even looked at ends nobody's sign-in.
        if document.len() > LARGEST {
            assert_eq!(answer.status, 413);
            assert_eq!(self.record(&id).await["status"], "started");
            return;
        }
        if document.is_empty() {
            assert_eq!(answer.location(), "https://auth.example.com/error/sign-in-failed");
            assert_eq!(self.record(&id).await["status"], "started");
            let other = self.next_failure().await;
            assert_eq!(self.record(&other).await["failure"]["code"], "response_missing");
            return;
        }

        let (code, told) = match refusal.is_denial() {
            true => ("access_denied", DENIED),
            false => (refusal.code(), FAILED),
        };
        assert_eq!(answer.status, 303, "{answer:?} {shown}");
        assert_eq!(answer.location(), told, "{shown}");
        assert!(answer.body.is_empty());

        let record = self.record(&id).await;
        assert_eq!(record["status"], "failed", "{shown}");
        assert_eq!(record["failure"]["code"], code, "{record} {shown}");
        assert_eq!(record["profile_id"], json!(null));

        assert_eq!(self.next_failure().await, id, "{shown}");
    }

    /// The sign-in that the next event says has failed.
    async fn next_failure(&mut self) -> String {
        let after = self.last_event.as_ref().map(|id| format!("&after={id}")).unwrap_or_default();
        let path = format!("/events?events=authentication.sso_failed{after}");
        let event = self.app.get(path).await.expect(200)["data"][0].clone();
        self.last_event = event["id"].as_str().map(ToOwned::to_owned);
        event["data"]["sso"]["session_id"].as_str().unwrap().to_owned()
    }

    async fn record(&self, sign_in: &str) -> Value {
        self.app.get(format!("/_portcullis/sign_ins/{sign_in}")).await.expect(200)
    }

    async fn post(&mut self, document: &[u8], relay_state: &str) -> Answer {
        let response = STANDARD.encode(document);
        let form = [("SAMLResponse", response.as_str()), ("RelayState", relay_state)];
        self.browser.post(&self.app, &self.acs_path, &form).await
    }
}
