//! Reading a token request that arrived at a provider of ours.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::form::{self, FormError, Parameters};

/// How the client of an incoming request authenticates. The secret still has to be compared, in constant time.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `client_secret_basic`.
    Basic {
        /// The secret.
        secret: String,
    },
    /// `client_secret_post`.
    Post {
        /// The secret.
        secret: String,
    },
    /// None: a public client, or one that must be refused.
    None,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic { .. }",
            Self::Post { .. } => "Post { .. }",
            Self::None => "None",
        })
    }
}

/// A token request that arrived.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingToken {
    /// `grant_type`.
    pub grant_type: String,
    /// The client that the request claims to be from.
    pub client_id: String,
    /// What it shows for that.
    pub credentials: Credentials,
    /// `code`.
    pub code: Option<String>,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`, of the form that RFC 7636 gives it. See [`crate::pkce::verify`].
    pub code_verifier: Option<String>,
    /// `refresh_token`.
    pub refresh_token: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
}

impl fmt::Debug for IncomingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingToken")
            .field("grant_type", &self.grant_type)
            .field("client_id", &self.client_id)
            .field("credentials", &self.credentials)
            .field("redirect_uri", &self.redirect_uri)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A token request that a provider of ours refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncomingTokenError {
    /// The body as a whole.
    #[error("the token request is unusable: {0}")]
    Form(#[from] FormError),
    /// A required parameter is missing or empty.
    #[error("the token request has no {name}")]
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// The `Authorization` header is not a well-formed Basic header.
    #[error("the Authorization header is not valid Basic authentication")]
    Header,
    /// A way of authenticating that is not offered.
    #[error("this way of authenticating the client is not supported")]
    UnsupportedAuthentication,
    /// More than one way of authenticating (RFC 6749 §2.3).
    #[error("the token request authenticates the client in more than one way")]
    SeveralAuthentications,
    /// Header and body name different clients.
    #[error("the token request names two different clients")]
    TwoClients,
    /// Not a verifier that RFC 7636 §4.1 allows.
    #[error("the code verifier is malformed")]
    CodeVerifier,
}

impl IncomingTokenError {
    /// The `error` to answer with (RFC 6749 §5.2).
    #[must_use]
    pub const fn oauth_error(&self) -> &'static str {
        match self {
            Self::Header | Self::UnsupportedAuthentication => "invalid_client",
            Self::CodeVerifier => "invalid_grant",
            _ => "invalid_request",
        }
    }
}

/// Reads a token request from its `Authorization` header, if any, and its form body.
///
/// # Errors
/// See [`IncomingTokenError`].
pub fn parse_request(
    authorization_header: Option<&str>,
    body: &str,
) -> Result<IncomingToken, IncomingTokenError> {
    let mut parameters = Parameters::parse(body)?;
    let basic = authorization_header.map(basic).transpose()?;
    let posted_id = parameters.take("client_id");
    let posted_secret = parameters.take("client_secret");
    let has_assertion = parameters.has("client_assertion") || parameters.has("client_assertion_type");

    let ways = [basic.is_some(), posted_secret.is_some(), has_assertion];
    if ways.into_iter().filter(|used| *used).count() > 1 {
        return Err(IncomingTokenError::SeveralAuthentications);
    }
    if has_assertion {
        return Err(IncomingTokenError::UnsupportedAuthentication);
    }
    let (client_id, credentials) = match (basic, posted_id) {
        (Some((client_id, _)), Some(posted)) if client_id != posted => {
            return Err(IncomingTokenError::TwoClients);
        }
        (Some((client_id, secret)), _) => (client_id, Credentials::Basic { secret }),
        (None, Some(client_id)) => {
            (client_id, posted_secret.map_or(Credentials::None, |secret| Credentials::Post { secret }))
        }
        (None, None) => return Err(IncomingTokenError::Missing { name: "client_id" }),
    };
    let code_verifier = parameters.take("code_verifier");
    if code_verifier.as_deref().is_some_and(|verifier| !crate::pkce::is_valid_verifier(verifier)) {
        return Err(IncomingTokenError::CodeVerifier);
    }
    Ok(IncomingToken {
        grant_type: parameters
            .take("grant_type")
            .ok_or(IncomingTokenError::Missing { name: "grant_type" })?,
        client_id,
        credentials,
        code: parameters.take("code"),
        redirect_uri: parameters.take("redirect_uri"),
        code_verifier,
        refresh_token: parameters.take("refresh_token"),
        scope: parameters.take("scope"),
    })
}

/// Client id and secret of a Basic header, both form-decoded (RFC 6749 §2.3.1).
fn basic(header: &str) -> Result<(String, String), IncomingTokenError> {
    let (scheme, credentials) = header.split_once(' ').ok_or(IncomingTokenError::Header)?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return Err(IncomingTokenError::UnsupportedAuthentication);
    }
    let decoded = STANDARD.decode(credentials.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let decoded = decoded.ok_or(IncomingTokenError::Header)?;
    let (client_id, secret) = decoded.split_once(':').ok_or(IncomingTokenError::Header)?;
    match (form::decode(client_id), form::decode(secret)) {
        (Some(client_id), Some(secret)) if !client_id.is_empty() => Ok((client_id, secret)),
        _ => Err(IncomingTokenError::Header),
    }
}
