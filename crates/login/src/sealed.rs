//! State that travels through the browser or the client: sealed, for one purpose and for a limited time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use kernel::ids::EnvironmentId;
use kernel::{App, Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Longest sealed text that is looked at, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// What a sealed text is for. It opens for nothing else, and for no other environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A SAML request on the identity provider's sign-in page.
    SamlRequest(EnvironmentId),
    /// An authorization request on the identity provider's sign-in page.
    Authorization(EnvironmentId),
    /// The identity provider's authorization code.
    Code(EnvironmentId),
    /// The identity provider's access token.
    AccessToken(EnvironmentId),
    /// The demo's cookie while a sign-in runs.
    DemoFlow,
    /// The demo's cookie of somebody signed in.
    DemoSession,
}

impl Purpose {
    fn identity(self) -> String {
        match self {
            Self::SamlRequest(environment) => format!("login:saml_request:{environment}"),
            Self::Authorization(environment) => format!("login:authorization:{environment}"),
            Self::Code(environment) => format!("login:code:{environment}"),
            Self::AccessToken(environment) => format!("login:access_token:{environment}"),
            Self::DemoFlow => "login:demo_flow".to_owned(),
            Self::DemoSession => "login:demo_session".to_owned(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    /// Epoch milliseconds.
    until: i64,
    value: T,
}

/// Seals a value for `lifetime` milliseconds, as URL-safe text.
pub(crate) fn seal<T: Serialize>(app: &App, purpose: Purpose, lifetime: i64, value: &T) -> Result<String> {
    let envelope = Envelope { until: app.clock.now().plus(lifetime).0, value };
    let text = serde_json::to_vec(&envelope).map_err(|error| Error::Internal(error.into()))?;
    let sealed = app.keyring.seal(&app.random, &purpose.identity(), &text)?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// Opens what [`seal`] made for the same purpose; `None` if it was altered, made for another or is too old.
pub(crate) fn open<T: DeserializeOwned>(app: &App, purpose: Purpose, text: &str) -> Option<T> {
    if text.len() > MAX_LENGTH {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let opened = app.keyring.try_open(&purpose.identity(), &sealed)?;
    let envelope: Envelope<T> = serde_json::from_slice(&opened).ok()?;
    (app.clock.now().0 < envelope.until).then_some(envelope.value)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_purposes_share_an_identity() {
        let environments =
            ["environment_01EHWNCE74X7JSDV0X3SZ3KJNY", "environment_01EHWNCE74X7JSDV0X3SZ3KJNZ"];
        let mut purposes = vec![Purpose::DemoFlow, Purpose::DemoSession];
        for environment in environments.map(|id| id.parse::<EnvironmentId>().unwrap()) {
            purposes.extend([
                Purpose::SamlRequest(environment),
                Purpose::Authorization(environment),
                Purpose::Code(environment),
                Purpose::AccessToken(environment),
            ]);
        }
        let identities: HashSet<String> = purposes.iter().map(|purpose| purpose.identity()).collect();
        assert_eq!(identities.len(), purposes.len());
    }
}
