//! What only shows on the wire: framing, limits, connections, a database that goes away and comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use serde_json::{Value, json};

use crate::client::{Answer, Client, connect, exchange};
use crate::process::{Installation, PATIENCE, Process};

fn server() -> (Installation, Process, Client) {
    let installation = Installation::new();
    let key = installation.environment("Staging", "staging");
    let (process, client) = installation.serve(&key);
    (installation, process, client)
}

fn nothing_was_made(client: &Client) {
    assert_eq!(client.get("/organizations").expect(200)["data"], json!([]));
    assert_eq!(client.get("/events").expect(200)["data"], json!([]));
}

#[test]
fn h1_too_large_a_body_is_413_declared_or_chunked() {
    let (_installation, _process, client) = server();
    // Answered before any of it is sent.
    let head = client.head("POST", "/organizations");
    let answer = exchange(client.address, format!("{head}content-length: 104857600\r\n\r\n"));
    let message = Answer::parse(&answer).expect(413)["message"].clone();
    assert_eq!(message, "The body is larger than 1048576 bytes.");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let body = chunk.repeat(40);
    let answer = exchange(client.address, format!("{head}transfer-encoding: chunked\r\n\r\n{body}0\r\n\r\n"));
    Answer::parse(&answer).expect(413);
    nothing_was_made(&client);
}

#[test]
fn h5_requests_whose_end_is_in_doubt_are_refused_and_the_connection_closed() {
    let (_installation, _process, client) = server();
    let head = client.head("POST", "/organizations").replace("connection: close\r\n", "");
    let body = "{\"name\":\"Smuggled\"}";
    let inner =
        format!("{}content-length: {}\r\n\r\n{body}", client.head("POST", "/organizations"), body.len());
    for (name, request) in [
        ("two lengths", format!("{head}content-length: 2\r\ncontent-length: 19\r\n\r\n{{}}{inner}")),
        ("two lengths in one", format!("{head}content-length: 2, 19\r\n\r\n{{}}{inner}")),
        (
            "length and chunks",
            format!("{head}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"),
        ),
        (
            "chunks and length",
            format!("{head}transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n{inner}"),
        ),
        ("not chunked last", format!("{head}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}")),
        ("odd encoding", format!("{head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n{inner}")),
        ("signed length", format!("{head}content-length: +2\r\n\r\n{{}}{inner}")),
        ("space before the colon", format!("{head}content-length : 2\r\n\r\n{{}}{inner}")),
        ("folded header", format!("{head}x-folded: a\r\n b\r\ncontent-length: 2\r\n\r\n{{}}{inner}")),
        (
            "chunk size overflow",
            format!("{head}transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{inner}"),
        ),
        ("bare chunk line", format!("{head}transfer-encoding: chunked\r\n\r\n0\n\n{inner}")),
        ("nul in a header", format!("{head}x-nul: a\0b\r\n\r\n{inner}")),
        ("no version", format!("GET /organizations\r\n\r\n{inner}")),
        ("nonsense", format!("\u{16}\u{3}\u{1}\r\n\r\n{inner}")),
    ] {
        let answer = exchange(client.address, request);
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 4"), "{name}: {text}");
        assert_eq!(text.matches("HTTP/1.1").count(), usize::from(!text.is_empty()), "{name}: {text}");
    }
    nothing_was_made(&client);
}

#[test]
fn h6_heads_are_bounded() {
    let (_installation, _process, client) = server();
    let target = |length: usize| format!("/organizations?a={}", "a".repeat(length));
    client.get(&target(32_000)).expect(200);
    assert_eq!(client.get(&target(40_000)).expect(414)["message"], "URI Too Long");
    for length in [70_000, 1_000_000] {
        let answer = exchange(client.address, format!("{}\r\n", client.head("GET", &target(length))));
        let text = String::from_utf8_lossy(&answer);
        let refused =
            ["HTTP/1.1 414", "HTTP/1.1 431", "HTTP/1.1 400"].iter().any(|begin| text.starts_with(begin));
        assert!(refused || text.is_empty(), "{text}");
    }
    let many: String = (0..1000).map(|number| format!("x-{number}: y\r\n")).collect();
    let large = format!("x-large: {}\r\n", "a".repeat(1_000_000));
    for headers in [many, large] {
        let answer =
            exchange(client.address, format!("{}{headers}\r\n", client.head("GET", "/organizations")));
        let text = String::from_utf8_lossy(&answer);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 431"), "{text}");
    }
    client.get("/organizations").expect(200);
}

#[test]
fn the_host_is_asked_for_on_the_wire_too() {
    let (_installation, _process, client) = server();
    let head = client.head("GET", "/organizations");
    let host = format!("host: {}\r\n", client.host);
    for (request, expected) in [
        (head.replace(&host, ""), 400),
        (head.replace(&host, "").replace("HTTP/1.1", "HTTP/1.0"), 400),
        (head.replace(&host, &host.repeat(2)), 400),
        (head.replace(&host, "host: evil.test\r\n"), 421),
        (head.replace("/organizations", "https://evil.test/organizations"), 421),
        (head.replace("/organizations", &format!("https://{}/organizations", client.host)), 200),
        (head.replace("HTTP/1.1", "HTTP/1.0"), 200),
    ] {
        let answer = Answer::parse(&exchange(client.address, format!("{request}\r\n")));
        assert_eq!(answer.status, expected, "{request}");
        answer.expect(expected);
    }
}

#[test]
fn a_connection_serves_one_request_after_the_other() {
    let (_installation, _process, client) = server();
    let kept = client.head("GET", "/organizations").replace("connection: close\r\n", "");
    let last = client.head("GET", "/nothing");
    let answer = exchange(client.address, format!("{kept}\r\n{kept}\r\n{last}\r\n"));
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert_eq!(text.matches("HTTP/1.1 404 Not Found").count(), 1, "{text}");
    // HTTP/2 by prior knowledge: its preface is understood and answered with settings.
    let mut stream = connect(client.address);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame");
}

#[test]
fn silent_connections_keep_nobody_waiting() {
    let (_installation, _process, client) = server();
    let silent: Vec<TcpStream> = (0..300)
        .map(|number| {
            let mut stream = connect(client.address);
            if number % 2 == 0 {
                stream.write_all(b"GET / HTTP/1.1\r\nho").unwrap();
            }
            stream
        })
        .collect();
    client.post("/organizations", &json!({ "name": "Acme" })).expect(201);
    drop(silent);
}

/// Stands between the server and its database, and can cut every line.
struct Cable {
    port: u16,
    plugged: Arc<Mutex<bool>>,
    lines: Arc<Mutex<Vec<TcpStream>>>,
}

impl Cable {
    fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cable = Self { port, plugged: Arc::new(Mutex::new(true)), lines: Arc::default() };
        let (plugged, lines) = (cable.plugged.clone(), cable.lines.clone());
        std::thread::spawn(move || {
            for near in listener.incoming() {
                let near = near.unwrap();
                if !*plugged.lock().unwrap() {
                    continue;
                }
                let far = TcpStream::connect(&target).unwrap();
                let pairs = [(&near, &far), (&far, &near)];
                for (from, to) in pairs.map(|(from, to)| (from.try_clone().unwrap(), to.try_clone().unwrap()))
                {
                    lines.lock().unwrap().push(from.try_clone().unwrap());
                    std::thread::spawn(move || {
                        let (mut from, mut to) = (from, to);
                        let _copied = std::io::copy(&mut from, &mut to);
                        let _closed = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        cable
    }

    fn unplug(&self) {
        *self.plugged.lock().unwrap() = false;
        for line in self.lines.lock().unwrap().drain(..) {
            let _closed = line.shutdown(Shutdown::Both);
        }
    }

    fn plug(&self) {
        *self.plugged.lock().unwrap() = true;
    }
}

/// Where the database server is, as `host:port`; `None` where the database is a file.
fn database_server(url: &str) -> Option<String> {
    let rest = url.strip_prefix("postgres://")?;
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    Some(rest.split(['/', '?']).next().unwrap().to_owned())
}

#[test]
fn r18_a_database_that_goes_away_is_missed_and_welcomed_back() {
    let mut installation = Installation::new();
    let Some(target) = database_server(&installation.database_url) else { return };
    let cable = Cable::to(target.clone());
    installation.database_url =
        installation.database_url.replace(&target, &format!("127.0.0.1:{}", cable.port));
    installation.configure("");
    let key = installation.environment("Staging", "staging");
    let (_process, client) = installation.serve(&key);
    client.post("/organizations", &json!({ "name": "Before" })).expect(201);
    client.get("/ready").expect(200);

    cable.unplug();
    for path in ["/ready", "/organizations", "/events"] {
        let answer = client.get(path);
        answer.expect(503);
        assert_eq!(answer.header("retry-after"), "1", "{path}");
    }
    client.post("/organizations", &json!({ "name": "Meanwhile" })).expect(503);
    client.get("/health").expect(200);

    cable.plug();
    let started = Instant::now();
    while client.get("/ready").status != 200 {
        assert!(started.elapsed() < PATIENCE, "it never came back");
    }
    client.post("/organizations", &json!({ "name": "After" })).expect(201);
    let list = client.get("/organizations?order=asc").expect(200);
    let names: Vec<&Value> = list["data"].as_array().unwrap().iter().map(|found| &found["name"]).collect();
    assert_eq!(names, ["Before", "After"]);
}
