//! What commands print, and how they complain.

use std::io::{self, ErrorKind, Write};

use anyhow::anyhow;
use kernel::Error;
use serde_json::Value;

/// Writes to standard output. A reader that went away (`| head`) is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// An error as a person at a terminal reads it: the message and the wrong fields, without status and JSON.
pub(crate) fn fault(error: Error) -> anyhow::Error {
    let body = match error {
        Error::Api(error) => error.body,
        Error::Internal(error) => return error,
    };
    let Some(message) = body.get("message").and_then(Value::as_str) else { return anyhow!("{body}") };
    let errors = body.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let text =
        |error: &Value, name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fields: Vec<String> =
        errors.iter().map(|error| format!("{} {}", text(error, "code"), text(error, "field"))).collect();
    if fields.is_empty() { anyhow!("{message}") } else { anyhow!("{message} ({})", fields.join(", ")) }
}
