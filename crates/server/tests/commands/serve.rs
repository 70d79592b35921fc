//! A production server under way: its doors, its log, and how it stops.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Answer, Client, connect};
use crate::process::{Installation, Process};

#[test]
fn serve_has_none_of_the_doors_of_development() {
    let installation = Installation::new();
    let key = installation.environment("Staging", "staging");
    let (_process, client) = installation.serve(&key);
    client.get("/organizations").expect(200);
    client.with_key("sk_test_default").get("/organizations").expect(401);
    let environment = installation.run(&["env", "list"]).printed();
    let environment = environment.split_whitespace().next().unwrap();
    for path in [
        "/",
        "/demo",
        "/demo/login",
        "/demo/callback",
        "/demo/logout",
        "/_emulate/hooks",
        &format!("/_idp/{environment}/saml/metadata"),
        &format!("/_idp/{environment}/saml/sso"),
        &format!("/_idp/{environment}/oidc/.well-known/openid-configuration"),
        &format!("/_idp/{environment}/oidc/jwks"),
        &format!("/_idp/{environment}/oidc/authorize"),
    ] {
        assert_eq!(client.get(path).expect(404), json!({ "message": "Not Found" }), "{path}");
    }
    let path = format!("/_idp/{environment}/oidc/token");
    client.post(&path, &json!({})).expect(404);
    // The production name is the only one, also for who is on the same machine.
    let local = Client { host: format!("localhost:{}", client.address.port()), ..client.clone() };
    local.get("/organizations").expect(421);
    local.get("/health").expect(200);
}

#[test]
fn each_log_line_is_one_json_object_without_secrets() {
    let installation = Installation::new();
    let key = installation.environment("Staging", "staging");
    installation.configure("[log]\nlevel = 'trace'");
    let (process, client) = installation.serve(&key);
    let made = client.post("/organizations?code=canary-query", &json!({ "name": "canary-body" })).expect(201);
    let id = made["id"].as_str().unwrap();
    client.get(&format!("/organizations/{id}?token=canary-query")).expect(200);
    client.get("/organizations/external_id/canary-path").expect(404);
    client.get("/canary-path?canary-query").expect(404);
    client.with_key("sk_test_canary_key").get("/organizations").expect(401);
    client.get("/organizations?search=%00").expect(422);
    let form = "grant_type=authorization_code&client_id=canary&client_secret=canary-secret&code=canary-code";
    let head = client.head("POST", "/sso/token").replace(&format!("Bearer {key}"), "Bearer canary-bearer");
    let request = format!(
        "{head}content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    assert_eq!(Answer::parse(&crate::client::exchange(client.address, request)).status, 400);
    let with_id = format!("{}x-request-id: request-canary-1\r\n\r\n", client.head("GET", "/events"));
    let answer = Answer::parse(&crate::client::exchange(client.address, with_id));
    assert_eq!(answer.header("x-request-id"), "request-canary-1");
    process.signal("TERM");
    let ended = process.end();
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), ""));

    let lines: Vec<Value> = ended
        .errors
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap()));
        assert!(
            line["message"].is_string() || line["span"].is_object() || line["target"].is_string(),
            "{line}"
        );
    }
    let requests: Vec<&Value> = lines.iter().filter(|line| line["message"] == "request").collect();
    let told: Vec<(&str, &str, u64)> = requests
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap();
            assert!(!text("request_id").is_empty() && line["millis"].is_number(), "{line}");
            (text("method"), text("route"), line["status"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("POST", "/organizations", 201),
            ("GET", "/organizations/{id}", 200),
            ("GET", "/organizations/external_id/{external_id}", 404),
            ("GET", "(none)", 404),
            ("GET", "/organizations", 401),
            ("GET", "/organizations", 422),
            ("POST", "/sso/token", 400),
            ("GET", "/events", 200),
        ]
    );
    assert_eq!(requests[7]["request_id"], "request-canary-1");
    let ours: String = lines
        .iter()
        .filter(|line| line["message"] == "request" || line["level"] != "TRACE")
        .map(|line| format!("{line}\n"))
        .collect();
    let master_key = std::fs::read_to_string(installation.path("master.key")).unwrap();
    for secret in [
        &key,
        master_key.trim(),
        "canary-query",
        "canary-path",
        "canary_key",
        "canary-secret",
        "canary-code",
        "canary-bearer",
    ] {
        assert!(!ours.contains(secret), "{secret}");
    }
    assert!(!ended.errors.contains(&key) && !ended.errors.contains(master_key.trim()));
}

/// Begins to create an organization: the server has the head and waits for the body.
fn half_a_request(client: &Client, body: &str) -> TcpStream {
    let mut stream = connect(client.address);
    let head = client.head("POST", "/organizations");
    let head = format!("{head}content-length: {}\r\nexpect: 100-continue\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 25];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream
}

fn is_stopping(process: &mut Process) {
    process.error_line(|line| line.contains("\"stopping\""));
}

#[test]
fn r66_a_request_under_way_is_finished_before_the_end() {
    let installation = Installation::new();
    let key = installation.environment("Staging", "staging");
    for signal in ["TERM", "INT"] {
        let (mut process, client) = installation.serve(&key);
        let body = json!({ "name": signal }).to_string();
        let mut stream = half_a_request(&client, &body);
        // Connections that wait for nothing don't hold anything up.
        let _silent = connect(client.address);
        let mut idle = connect(client.address);
        let head = client.head("GET", "/organizations").replace("connection: close\r\n", "");
        idle.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        idle.read_exact(&mut [0; 15]).unwrap();
        process.signal(signal);
        is_stopping(&mut process);
        stream.write_all(body.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        Answer::parse(&answer).expect(201);
        assert_eq!(process.end().code, Some(0));
        assert!(TcpStream::connect(client.address).is_err(), "nobody listens any more");
    }
    let (_process, client) = installation.serve(&key);
    let list = client.get("/organizations?order=asc").expect(200);
    let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|found| &found["name"]).collect();
    assert_eq!(names, ["TERM", "INT"]);
}

#[test]
fn r67_a_second_signal_ends_at_once() {
    let installation = Installation::new();
    let key = installation.environment("Staging", "staging");
    let (mut process, client) = installation.serve(&key);
    let _stream = half_a_request(&client, "{\"name\":\"never\"}");
    process.signal("TERM");
    is_stopping(&mut process);
    let asked = Instant::now();
    process.signal("TERM");
    assert_eq!(process.end().code, Some(0));
    // Far less than requests under way are given.
    assert!(asked.elapsed() < Duration::from_secs(15), "{:?}", asked.elapsed());
    let (_process, client) = installation.serve(&key);
    assert_eq!(client.get("/organizations").expect(200)["data"], json!([]));
}

#[test]
fn r1_what_was_acknowledged_survives_a_kill() {
    let installation = Installation::new();
    let key = installation.environment("Staging", "staging");
    for round in 0..3 {
        let (process, client) = installation.serve(&key);
        for number in 0..5 {
            client.post("/organizations", &json!({ "name": format!("{round}.{number}") })).expect(201);
        }
        process.signal("KILL");
        process.end();
    }
    let (_process, client) = installation.serve(&key);
    let list = client.get("/organizations?limit=100").expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 15);
    let events = client.get("/events?limit=100&events=organization.created").expect(200);
    assert_eq!(events["data"].as_array().unwrap().len(), 15);
}
