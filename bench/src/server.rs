//! The server under test: the release binary, started as anybody would.

use std::io::Read;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flate2::read::DeflateDecoder;
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use crate::identity_provider::{ENTITY_ID, IdentityProvider};

const PORT: u16 = 4188;
const CALLBACK: &str = "http://localhost:1/callback";
/// Kernel clock ticks a second, as `/proc` counts (USER_HZ, 100 on every Linux this runs on).
const TICKS: f64 = 100.0;

pub struct Server {
    child: Child,
    binary: PathBuf,
    pub cold_start: Duration,
    client: Client,
}

/// What requests need; cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    api_key: String,
    client_id: String,
    organization: String,
}

/// A SAML connection to the load generator's identity provider.
pub struct Connection {
    pub id: String,
    pub acs_url: String,
    pub sp_entity_id: String,
}

/// A sign-in that waits for the identity provider.
pub struct Flow {
    pub request_id: String,
    relay_state: String,
    cookies: String,
}

/// The body of an answer that must have this status.
pub async fn expect(answer: Response, status: u16) -> Result<Value, anyhow::Error> {
    let found = answer.status().as_u16();
    let text = answer.text().await?;
    if found != status {
        bail!("{found}: {text}");
    }
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

impl Server {
    pub async fn start() -> Result<Self, anyhow::Error> {
        let binary = std::env::current_exe()?.with_file_name("portcullis");
        let started = Instant::now();
        let mut child = Command::new(&binary)
            .args(["dev", "--ephemeral", "--json", "--port", &PORT.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} (cargo build --release first)", binary.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout")?).read_line(&mut line).await?;
        let seeded: Value = serde_json::from_str(&line)?;
        let text = |name: &str| seeded.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        #[expect(clippy::disallowed_methods, reason = "a load generator, not the product")]
        let http =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build()?;
        let client = Client {
            http,
            url: text("url"),
            api_key: text("api_key"),
            client_id: text("client_id"),
            organization: text("organization_id"),
        };
        expect(client.http.get(format!("{}/health", client.url)).send().await?, 200).await?;
        let cold_start = started.elapsed();
        let server = Self { child, binary, cold_start, client };
        let request = server.post("/user_management/redirect_uris", &json!({ "uri": CALLBACK }));
        expect(request.send().await?, 201).await?;
        Ok(server)
    }

    pub fn client(&self) -> Client {
        self.client.clone()
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.http.get(format!("{}{path}", self.client.url)).bearer_auth(&self.client.api_key)
    }

    pub fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        self.client
            .http
            .post(format!("{}{path}", self.client.url))
            .bearer_auth(&self.client.api_key)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    fn proc(&self, file: &str) -> Result<String, anyhow::Error> {
        let id = self.child.id().context("the server has ended")?;
        std::fs::read_to_string(format!("/proc/{id}/{file}")).context("/proc")
    }

    /// CPU the server process has used, in user and kernel mode.
    pub fn cpu(&self) -> Result<Duration, anyhow::Error> {
        let stat = self.proc("stat")?;
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<f64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks / TICKS))
    }

    pub fn memory_megabytes(&self) -> Result<f64, anyhow::Error> {
        let status = self.proc("status")?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).context("VmRSS")?;
        let kilobytes: f64 = line.split_whitespace().nth(1).context("VmRSS")?.parse()?;
        Ok(kilobytes / 1024.0)
    }

    pub fn binary_megabytes(&self) -> Result<f64, anyhow::Error> {
        let bytes = u32::try_from(std::fs::metadata(&self.binary)?.len()).unwrap_or(u32::MAX);
        Ok(f64::from(bytes) / 1024.0 / 1024.0)
    }

    pub async fn connection(&self, idp: &IdentityProvider) -> Result<Connection, anyhow::Error> {
        let body = json!({
            "organization_id": self.client.organization,
            "connection_type": "OktaSAML",
            "saml_options": {
                "idp_entity_id": ENTITY_ID,
                "idp_sso_url": "https://idp.example.com/sso",
                "idp_signing_certs": [idp.certificate()?.pem()],
            },
        });
        let made = expect(self.post("/connections", &body).send().await?, 201).await?;
        let text =
            |pointer: &str| made.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Connection {
            id: text("/id"),
            acs_url: text("/saml_options/acs_url"),
            sp_entity_id: text("/saml_options/sp_entity_id"),
        })
    }

    /// Begins a sign-in and reads the request that goes to the identity provider.
    pub async fn authorize(&self, connection: &str) -> Result<Flow, anyhow::Error> {
        let query = [
            ("client_id", self.client.client_id.as_str()),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("connection", connection),
            ("state", "s"),
        ];
        let url = Url::parse_with_params(&format!("{}/sso/authorize", self.client.url), query)?;
        let answer = self.client.http.get(url).send().await?;
        let cookies: Vec<&str> = answer
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next())
            .collect();
        let cookies = cookies.join("; ");
        let location = Url::parse(answer.headers().get("location").context("no redirect")?.to_str()?)?;
        let parameter = |name: &str| {
            location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        let deflated = crate::unbase64(&parameter("SAMLRequest").context("no request")?)?;
        let mut request = String::new();
        DeflateDecoder::new(deflated.as_slice()).read_to_string(&mut request)?;
        let request_id = request.split(" ID=\"").nth(1).and_then(|rest| rest.split('"').next());
        Ok(Flow {
            request_id: request_id.context("no request id")?.to_owned(),
            relay_state: parameter("RelayState").context("no relay state")?,
            cookies,
        })
    }

    pub async fn stop(mut self) -> Result<(), anyhow::Error> {
        self.child.kill().await?;
        Ok(())
    }
}

impl Client {
    /// Brings the identity provider's answer, takes the code to a token and reads the profile.
    pub async fn finish(&self, acs: &str, flow: &Flow, response: &str) -> Result<(), anyhow::Error> {
        let form = [("SAMLResponse", response), ("RelayState", flow.relay_state.as_str())];
        let answer = self.form(acs, &form).header("cookie", &flow.cookies).send().await?;
        let location = answer.headers().get("location").context("no redirect")?.to_str()?;
        let location = Url::parse(location)?;
        let code = location.query_pairs().find(|(key, _)| key == "code");
        let code = code.with_context(|| format!("refused: {location}"))?.1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.api_key.as_str()),
            ("code", code.as_str()),
        ];
        let tokens = expect(self.form(&format!("{}/sso/token", self.url), &form).send().await?, 200).await?;
        let token = tokens.get("access_token").and_then(Value::as_str).context("no token")?;
        let profile = self.http.get(format!("{}/sso/profile", self.url)).bearer_auth(token);
        expect(profile.send().await?, 200).await.map(drop)
    }

    fn form(&self, url: &str, pairs: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
    }
}
