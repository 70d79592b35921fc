//! A fake OpenID provider: honest until a test tells it otherwise.

#[expect(dead_code, reason = "the other half belongs to the tests of the oidc crate")]
#[path = "../../oidc/tests/protocol/issuer.rs"]
mod issuer;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use oidc::pkce;
use serde_json::{Value, json};
use url::Url;

use crate::{Answer, Browser, Loopback, Person, TestApp};
pub use issuer::{Issuer, b64, unb64};

/// The client id and secret that connections to the fake use.
pub const CLIENT_ID: &str = "portcullis-at-the-idp";
pub const CLIENT_SECRET: &str = "provider-client-secret-canary";

/// A request the provider got.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `discovery`, `jwks`, `token` or `userinfo`.
    pub endpoint: &'static str,
    pub authorization: Option<String>,
    pub body: String,
}

/// An answer given in place of the honest one.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    pub delay: Duration,
}

impl Reply {
    /// 200 with a JSON body.
    pub fn json(body: &Value) -> Self {
        Self::raw(200, "application/json", body.to_string())
    }

    /// Any status, content type and body.
    pub fn raw(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into(), delay: Duration::ZERO }
    }

    /// A redirect.
    pub fn redirect(location: &str) -> Self {
        let headers = vec![("location", location.to_owned())];
        Self { status: 302, headers, body: Vec::new(), delay: Duration::ZERO }
    }

    /// The same, after a while.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type EditJson = Box<dyn Fn(&mut Value) + Send>;
type MakeIdToken = Box<dyn Fn(&Issuer, Value) -> String + Send>;

/// What a code stands for.
#[derive(Clone)]
struct Granted {
    nonce: String,
    challenge: Option<String>,
    redirect_uri: String,
    claims: Value,
}

#[derive(Default)]
struct Script {
    replies: HashMap<&'static str, Reply>,
    edits: HashMap<&'static str, EditJson>,
    id_token: Option<MakeIdToken>,
    granted: HashMap<String, Granted>,
    /// Claims behind each access token.
    access: HashMap<String, Value>,
    seen: Vec<Seen>,
    made: usize,
    /// Seconds since the epoch, by the clock of the app under test.
    now: i64,
}

struct Shared {
    origin: Mutex<String>,
    issuer: Issuer,
    script: Mutex<Script>,
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({})", self.kid)
    }
}

/// An OpenID provider on this machine.
pub struct OidcProvider {
    shared: Arc<Shared>,
    _server: Loopback,
}

impl fmt::Debug for OidcProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OidcProvider({})", self.issuer())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OidcProvider {
    /// Starts one with a key of its own.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            origin: Mutex::default(),
            issuer: Issuer::new("key-1"),
            script: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", any(discovery))
            .route("/jwks", any(jwks))
            .route("/token", any(token))
            .route("/userinfo", any(userinfo))
            .with_state(shared.clone());
        let server = Loopback::serve(router).await;
        *locked(&shared.origin) = server.origin();
        Self { shared, _server: server }
    }

    /// Its issuer, which is its origin.
    pub fn issuer(&self) -> String {
        locked(&self.shared.origin).clone()
    }

    /// Its key.
    pub fn key(&self) -> &Issuer {
        &self.shared.issuer
    }

    /// The `oidc_options` of a connection to it.
    pub fn options(&self) -> Value {
        json!({
            "discovery_endpoint": format!("{}/.well-known/openid-configuration", self.issuer()),
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        })
    }

    /// Makes a connection of an organization of environment A to it, and gives its id.
    pub async fn connect(&self, app: &TestApp, organization: &str) -> String {
        let connection = json!({ "organization_id": organization, "oidc_options": self.options() });
        app.post("/connections", connection).await.expect(201)["id"].as_str().unwrap().to_owned()
    }

    /// Lets the person sign in: where the browser is sent back to. `redirect` is what sent it here.
    pub fn approve(&self, app: &TestApp, redirect: &Answer, person: &Person) -> String {
        self.approve_claims(app, redirect, person.claims())
    }

    /// As [`OidcProvider::approve`], with any claims.
    #[track_caller]
    pub fn approve_claims(&self, app: &TestApp, redirect: &Answer, claims: Value) -> String {
        let parameter = |name| redirect.location_parameter(name);
        let redirect_uri = parameter("redirect_uri").unwrap();
        let mut script = locked(&self.shared.script);
        script.made += 1;
        script.now = app.app.clock.now().seconds();
        let code = format!("upstream-code-{}-{}", script.made, self.issuer().rsplit(':').next().unwrap());
        let granted = Granted {
            nonce: parameter("nonce").unwrap(),
            challenge: parameter("code_challenge"),
            redirect_uri: redirect_uri.clone(),
            claims,
        };
        script.granted.insert(code.clone(), granted);
        let state = parameter("state").unwrap();
        Url::parse_with_params(&redirect_uri, [("code", code), ("state", state)]).unwrap().into()
    }

    /// A whole, honest sign-in through `connection`: the last answer is the redirect to the application.
    pub async fn sign_in(
        &self,
        app: &TestApp,
        browser: &mut Browser,
        connection: &str,
        person: &Person,
    ) -> Answer {
        let redirect = browser.authorize(app, &[("connection", connection)]).await;
        let callback = self.approve(app, &redirect, person);
        browser.get(app, &callback).await
    }

    /// From now on an endpoint (`discovery`, `jwks`, `token`, `userinfo`) answers with this.
    pub fn reply(&self, endpoint: &'static str, reply: Reply) {
        locked(&self.shared.script).replies.insert(endpoint, reply);
    }

    /// From now on what an endpoint honestly answers is changed.
    pub fn edit(&self, endpoint: &'static str, edit: impl Fn(&mut Value) + Send + 'static) {
        locked(&self.shared.script).edits.insert(endpoint, Box::new(edit));
    }

    /// From now on ID tokens are made like this, of the honest claims.
    pub fn id_tokens(&self, make: impl Fn(&Issuer, Value) -> String + Send + 'static) {
        locked(&self.shared.script).id_token = Some(Box::new(make));
    }

    /// Honest again.
    pub fn repent(&self) {
        let mut script = locked(&self.shared.script);
        script.replies.clear();
        script.edits.clear();
        script.id_token = None;
    }

    /// The requests an endpoint got so far.
    pub fn seen(&self, endpoint: &str) -> Vec<Seen> {
        locked(&self.shared.script).seen.iter().filter(|seen| seen.endpoint == endpoint).cloned().collect()
    }
}

impl Shared {
    /// Notes the request; the scripted reply, if there is one, or what `honest` says.
    async fn answer(
        &self,
        endpoint: &'static str,
        request: Request,
        honest: impl FnOnce(&Self, &mut Script, &Seen) -> Result<Value, (u16, &'static str)>,
    ) -> Response {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let seen = Seen {
            endpoint,
            authorization: parts.headers.get("authorization").map(|v| v.to_str().unwrap().to_owned()),
            body: String::from_utf8(body.to_vec()).unwrap(),
        };
        let reply = {
            let mut script = locked(&self.script);
            script.seen.push(seen.clone());
            match script.replies.get(endpoint) {
                Some(reply) => reply.clone(),
                None => match honest(self, &mut script, &seen) {
                    Ok(mut value) => {
                        if let Some(edit) = script.edits.get(endpoint) {
                            edit(&mut value);
                        }
                        Reply::json(&value)
                    }
                    Err((status, error)) => {
                        let body = json!({ "error": error }).to_string();
                        Reply::raw(status, "application/json", body)
                    }
                },
            }
        };
        tokio::time::sleep(reply.delay).await;
        let mut response = Response::builder().status(reply.status);
        for (name, value) in reply.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(reply.body)).unwrap()
    }

    fn exchange(&self, script: &mut Script, seen: &Seen) -> Result<Value, (u16, &'static str)> {
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str);
        let basic = STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}"));
        let is_basic = seen.authorization.as_deref() == Some(&format!("Basic {basic}"));
        let is_post = field("client_id") == Some(CLIENT_ID) && field("client_secret") == Some(CLIENT_SECRET);
        if is_basic == is_post {
            return Err((401, "invalid_client"));
        }
        let granted = field("code").and_then(|code| script.granted.remove(code));
        let granted = granted.ok_or((400, "invalid_grant"))?;
        let proves_possession = match (&granted.challenge, field("code_verifier")) {
            (Some(challenge), Some(verifier)) => pkce::verify(challenge, verifier),
            (None, None) => true,
            _ => false,
        };
        if field("redirect_uri") != Some(&granted.redirect_uri) || !proves_possession {
            return Err((400, "invalid_grant"));
        }
        let mut claims = json!({
            "iss": *locked(&self.origin), "aud": CLIENT_ID, "nonce": granted.nonce,
            "iat": script.now - 1, "exp": script.now + 300, "auth_time": script.now - 1,
        });
        for (name, value) in granted.claims.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let access_token = format!("upstream-access-token-{}", script.made);
        script.access.insert(access_token.clone(), granted.claims);
        let id_token = match &script.id_token {
            Some(make) => make(&self.issuer, claims),
            None => self.issuer.token(&claims),
        };
        Ok(json!({
            "token_type": "Bearer", "access_token": access_token, "expires_in": 300, "id_token": id_token,
        }))
    }
}

async fn discovery(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared
        .answer("discovery", request, |shared, _, _| {
            let issuer = locked(&shared.origin).clone();
            Ok(json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "jwks_uri": format!("{issuer}/jwks"),
                "userinfo_endpoint": format!("{issuer}/userinfo"),
                "id_token_signing_alg_values_supported": ["RS256"],
            }))
        })
        .await
}

async fn jwks(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.answer("jwks", request, |shared, _, _| Ok(json!({ "keys": [shared.issuer.jwk()] }))).await
}

async fn token(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared.answer("token", request, Shared::exchange).await
}

async fn userinfo(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    shared
        .answer("userinfo", request, |_, script, seen| {
            let token = seen.authorization.as_deref().and_then(|value| value.strip_prefix("Bearer "));
            token.and_then(|token| script.access.get(token)).cloned().ok_or((401, "invalid_token"))
        })
        .await
}
