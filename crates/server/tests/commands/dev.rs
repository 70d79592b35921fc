//! `portcullis dev`: seeded, on loopback only, and gone without a trace when it is meant to be.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::Client;
use crate::process::{PATIENCE, Process, portcullis};

const KEYS: [&str; 8] = [
    "api_key",
    "client_id",
    "environment_id",
    "oidc_connection_id",
    "organization_id",
    "saml_connection_id",
    "test_idp_connection_id",
    "url",
];

/// A development server that was announced, and the client of who read the announcement.
pub struct Dev {
    pub process: Process,
    pub announced: Value,
    pub client: Client,
}

impl Dev {
    pub fn start(command: &mut Command) -> Self {
        let mut process = Process::start(command);
        let announced: Value = serde_json::from_str(&process.output_line()).unwrap();
        let host = announced["url"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let port: u16 = host.rsplit_once(':').unwrap().1.parse().unwrap();
        let key = announced["api_key"].as_str().unwrap().to_owned();
        let client = Client { address: SocketAddr::from(([127, 0, 0, 1], port)), host, key };
        Self { process, announced, client }
    }

    /// Asks it to stop and waits until it did.
    pub fn stop(self, signal: &str) {
        self.process.signal(signal);
        let ended = self.process.end();
        assert_eq!(ended.code, Some(0), "{}", ended.errors);
        // The announcement and nothing else.
        assert_eq!(ended.output.lines().count(), 1, "{}", ended.output);
    }
}

fn ephemeral(folder: &Path) -> Command {
    let mut command = portcullis(&["dev", "--json", "--ephemeral", "--port", "0"]);
    command.env("TMPDIR", folder);
    command
}

pub fn kept(data: &Path, port: u16) -> Command {
    portcullis(&["dev", "--json", "--port", &port.to_string(), "--data", data.to_str().unwrap()])
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn ephemeral_leaves_nothing_behind_however_it_is_stopped() {
    for signal in ["TERM", "INT", "HUP"] {
        let folder = tempfile::tempdir().unwrap();
        let dev = Dev::start(&mut ephemeral(folder.path()));
        let keys: Vec<&String> = dev.announced.as_object().unwrap().keys().collect();
        assert_eq!(keys, KEYS);
        assert_eq!(dev.announced["api_key"], "sk_test_default");
        assert_eq!(entries(folder.path()), 1);
        dev.client.post("/organizations", &json!({ "name": "Acme" })).expect(201);
        dev.stop(signal);
        assert_eq!(entries(folder.path()), 0, "after SIG{signal}");
    }
}

#[test]
fn ephemeral_leaves_nothing_behind_when_stopped_while_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(&mut ephemeral(folder.path()));
    let started = Instant::now();
    while entries(folder.path()) == 0 && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(1));
    }
    process.signal("TERM");
    assert_eq!(process.end().code, Some(0));
    assert_eq!(entries(folder.path()), 0);
}

#[test]
fn what_is_announced_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&mut ephemeral(folder.path()));
    let text = |name: &str| dev.announced[name].as_str().unwrap();
    let organization = dev.client.get(&format!("/organizations/{}", text("organization_id"))).expect(200);
    assert_eq!(organization["domains"][0]["domain"], "example.com");
    for name in ["test_idp_connection_id", "saml_connection_id", "oidc_connection_id"] {
        let connection = dev.client.get(&format!("/connections/{}", text(name))).expect(200);
        assert_eq!(connection["state"], "active", "{name}");
        assert_eq!(connection["organization_id"], dev.announced["organization_id"]);
    }
    assert_eq!(dev.client.get("/demo").status, 200);
    let path = format!("/_idp/{}/oidc/.well-known/openid-configuration", text("environment_id"));
    dev.client.get(&path).expect(200);
    let authorize = format!(
        "/sso/authorize?client_id={}&response_type=code&redirect_uri={}/demo/callback&connection={}",
        text("client_id"),
        text("url"),
        text("saml_connection_id")
    );
    let answer = dev.client.get(&authorize);
    assert_eq!(answer.status, 302, "{}", String::from_utf8_lossy(&answer.body));
}

#[test]
fn development_listens_on_loopback_alone() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(&mut ephemeral(folder.path()));
    let port = format!(":{:04X}", dev.client.address.port());
    let mut found = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let text = std::fs::read_to_string(table).unwrap();
        let rows = text.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
        // 0A is LISTEN.
        let listening = rows.filter(|row| row[3] == "0A" && row[1].ends_with(&port));
        found.extend(listening.map(|row| row[1].strip_suffix(&port).unwrap().to_owned()));
    }
    let loopback = ["0100007F", "00000000000000000000000001000000"];
    assert!(found.contains(&loopback[0].to_owned()), "{found:?}");
    assert!(found.iter().all(|address| loopback.contains(&address.as_str())), "{found:?}");
    if found.len() == 2 {
        let v6 = Client {
            address: SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, dev.client.address.port())),
            ..dev.client.clone()
        };
        v6.get("/organizations").expect(200);
    }
    // Nor does it answer to a name that leads here from elsewhere.
    Client { host: "evil.test".into(), ..dev.client.clone() }.get("/organizations").expect(421);
}

#[test]
fn a_restart_over_the_same_folder_finds_everything_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let first = Dev::start(&mut kept(&data, 0));
    let made = first.client.post("/organizations", &json!({ "name": "Acme" })).expect(201);
    let announced = first.announced.clone();
    let port = first.client.address.port();
    first.stop("TERM");
    for file in ["master.key", "portcullis.db"] {
        let mode = std::fs::metadata(data.join(file)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    // On the same port all is the same; on another the connections, which hold their addresses, are others.
    let second = Dev::start(&mut kept(&data, port));
    assert_eq!(second.announced, announced);
    let path = format!("/organizations/{}", made["id"].as_str().unwrap());
    assert_eq!(second.client.get(&path).expect(200), made);
    let events = second.client.get("/events?limit=100").expect(200);
    second.stop("INT");
    let third = Dev::start(&mut kept(&data, 0));
    for name in ["api_key", "client_id", "environment_id", "organization_id"] {
        assert_eq!(third.announced[name], announced[name]);
    }
    assert_ne!(third.announced["saml_connection_id"], announced["saml_connection_id"]);
    assert_eq!(third.client.get(&path).expect(200), made);
    let before = events["data"].as_array().unwrap();
    let after = third.client.get("/events?limit=100").expect(200);
    assert_eq!(after["data"].as_array().unwrap()[..before.len()], before[..]);
    third.stop("TERM");
}

#[test]
fn people_are_told_where_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = portcullis(&["dev", "--ephemeral", "--port", "0"]);
    let mut process = Process::start(command.env("TMPDIR", folder.path()));
    let line = process.output_line();
    assert!(line.starts_with("Sign in at http://localhost:") && line.ends_with("/demo"), "{line}");
    process.signal("TERM");
    let ended = process.end();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    assert!(ended.output.contains("sk_test_default") && ended.output.contains("Press Ctrl+C to stop."));
}
