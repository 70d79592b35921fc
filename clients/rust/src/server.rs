use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Where sign-ins come back to. Nobody listens there: the browser stops before it gets there.
pub const REDIRECT_URI: &str = "http://localhost:9/callback";

const START: Duration = Duration::from_secs(30);

/// A `portcullis dev` with an empty database of its own, stopped when dropped. The fields are what it prints once it
/// is ready.
#[derive(Debug)]
pub struct Server {
    pub description: Description,
    process: Child,
}

#[derive(Debug, Deserialize)]
pub struct Description {
    pub url: String,
    pub api_key: String,
    pub client_id: String,
    pub organization_id: String,
    pub saml_connection_id: String,
    pub oidc_connection_id: String,
    pub test_idp_connection_id: String,
}

impl std::ops::Deref for Server {
    type Target = Description;

    fn deref(&self) -> &Description {
        &self.description
    }
}

/// Asks it to end, so that it clears away its database; `kill_on_drop` is for one that doesn't.
impl Drop for Server {
    fn drop(&mut self) {
        let Some(id) = self.process.id() else { return };
        let asked = std::process::Command::new("kill").arg(id.to_string()).status();
        let waits = if asked.is_ok_and(|status| status.success()) { 100 } else { 0 };
        for _ in 0..waits {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Server {
    /// Starts the binary named by `PORTCULLIS_BIN` (by default the repository's debug build) and registers
    /// [`REDIRECT_URI`].
    pub async fn start() -> Self {
        let binary = std::env::var_os("PORTCULLIS_BIN").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/debug/portcullis")),
            PathBuf::from,
        );
        let port = free_port().to_string();
        let mut process = Command::new(&binary)
            .args(["dev", "--ephemeral", "--port", &port, "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary.display()));
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let line = tokio::time::timeout(START, lines.next_line())
            .await
            .expect("portcullis is ready in time")
            .expect("portcullis prints text")
            .expect("portcullis prints a line before it ends");
        let description: Description =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("not the JSON line: {line}: {error}"));
        let registered = reqwest::Client::new()
            .post(format!("{}/user_management/redirect_uris", description.url))
            .bearer_auth(&description.api_key)
            .json(&json!({ "uri": REDIRECT_URI }))
            .send()
            .await
            .expect("portcullis answers");
        assert_eq!(registered.status(), 201, "{:?}", registered.text().await);
        Self { description, process }
    }

    /// The SDK with this server's key, otherwise as it comes.
    pub fn client(&self) -> workos::Client {
        self.client_with_key(&self.api_key)
    }

    pub fn client_with_key(&self, key: &str) -> workos::Client {
        workos::Client::builder().api_key(key).client_id(&self.client_id).base_url(&self.url).build()
    }

    /// The SDK as a public client uses it: it knows no key.
    pub fn public_client(&self) -> workos::Client {
        workos::Client::builder().client_id(&self.client_id).base_url(&self.url).build()
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("the loopback interface has a free port")
        .port()
}
