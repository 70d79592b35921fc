//! HTTP by hand: what is sent and read is there to be seen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The longest any answer may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer that was sent whole.
    pub fn parse(bytes: &[u8]) -> Self {
        let at = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let at = at.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..at]).unwrap();
        let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
        let headers = rest.lines().map(|line| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        });
        let status = first.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, headers: headers.collect(), body: bytes[at + 4..].to_vec() }
    }

    /// One header; empty if absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value.as_str())
    }

    /// The body as JSON, of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/json", "{text}");
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Connects, with a limit on how long anything may take.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends these bytes and reads until the server closes.
pub fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Vec<u8> {
    let mut stream = connect(address);
    // The server may answer and close before it has read everything.
    let _sent = stream.write_all(request.as_ref());
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    answer
}

/// A server as a program sees it: an address, the name it goes by, a key.
#[derive(Clone, Debug)]
pub struct Client {
    pub address: SocketAddr,
    pub host: String,
    pub key: String,
}

impl Client {
    /// With another key.
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// Everything before the body but the blank line.
    pub fn head(&self, method: &str, path: &str) -> String {
        let (host, key) = (&self.host, &self.key);
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {key}\r\nconnection: close\r\n"
        )
    }

    pub fn get(&self, path: &str) -> Answer {
        Answer::parse(&exchange(self.address, format!("{}\r\n", self.head("GET", path))))
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        let body = body.to_string();
        let head = self.head("POST", path);
        let request =
            format!("{head}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        Answer::parse(&exchange(self.address, request))
    }
}
