//! Making a token request.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::ASSERTION_TYPE;
use crate::form;
use crate::jws::{SignError, SigningKey};

/// How we prove to the token endpoint which client we are.
#[derive(Clone, Copy)]
pub enum ClientAuthentication<'a> {
    /// `client_secret_basic`: in the `Authorization` header.
    ClientSecretBasic {
        /// The secret.
        secret: &'a str,
    },
    /// `client_secret_post`: in the body.
    ClientSecretPost {
        /// The secret.
        secret: &'a str,
    },
    /// `private_key_jwt`: a signed statement in the body.
    PrivateKeyJwt {
        /// What [`ClientAssertion::sign`] made, for this one request.
        assertion: &'a str,
    },
    /// A public client; PKCE is then all there is.
    None,
}

impl fmt::Debug for ClientAuthentication<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientSecretBasic { .. } => "ClientSecretBasic { .. }",
            Self::ClientSecretPost { .. } => "ClientSecretPost { .. }",
            Self::PrivateKeyJwt { .. } => "PrivateKeyJwt { .. }",
            Self::None => "None",
        })
    }
}

/// What is exchanged for tokens.
#[derive(Clone, Copy)]
pub enum Grant<'a> {
    /// An authorization code (RFC 6749 §4.1.3).
    AuthorizationCode {
        /// The code.
        code: &'a str,
        /// The redirect URI of the authorization request, character by character.
        redirect_uri: &'a str,
        /// The PKCE verifier, if the request had a challenge.
        code_verifier: Option<&'a str>,
    },
    /// A refresh token (RFC 6749 §6).
    RefreshToken {
        /// The token.
        refresh_token: &'a str,
        /// Fewer scopes than before, if wanted.
        scope: Option<&'a str>,
    },
}

impl fmt::Debug for Grant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AuthorizationCode { .. } => "AuthorizationCode { .. }",
            Self::RefreshToken { .. } => "RefreshToken { .. }",
        })
    }
}

/// A request to a token endpoint.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// Our client id there.
    pub client_id: &'a str,
    /// How we prove it.
    pub authentication: ClientAuthentication<'a>,
    /// What is exchanged.
    pub grant: Grant<'a>,
}

/// What to send: a `POST` with these, [`CONTENT_TYPE`](super::CONTENT_TYPE) and `Accept: application/json`.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpRequestParts {
    /// The `Authorization` header, if there is one.
    pub authorization: Option<String>,
    /// The form body.
    pub body: String,
}

impl fmt::Debug for HttpRequestParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequestParts").finish_non_exhaustive()
    }
}

impl TokenRequest<'_> {
    /// Renders the request.
    #[must_use]
    pub fn into_parts(self) -> HttpRequestParts {
        let mut body = String::new();
        let mut add = |name, value| form::append(&mut body, name, value);
        match self.grant {
            Grant::AuthorizationCode { code, redirect_uri, code_verifier } => {
                add("grant_type", "authorization_code");
                add("code", code);
                add("redirect_uri", redirect_uri);
                if let Some(verifier) = code_verifier {
                    add("code_verifier", verifier);
                }
            }
            Grant::RefreshToken { refresh_token, scope } => {
                add("grant_type", "refresh_token");
                add("refresh_token", refresh_token);
                if let Some(scope) = scope {
                    add("scope", scope);
                }
            }
        }
        // With Basic the client id stays out of the body: some providers take it there for a second way of
        // authenticating, which RFC 6749 §2.3 forbids.
        let mut authorization = None;
        match self.authentication {
            ClientAuthentication::ClientSecretBasic { secret } => {
                authorization = Some(basic(self.client_id, secret));
            }
            ClientAuthentication::ClientSecretPost { secret } => {
                add("client_id", self.client_id);
                add("client_secret", secret);
            }
            ClientAuthentication::PrivateKeyJwt { assertion } => {
                add("client_id", self.client_id);
                add("client_assertion_type", ASSERTION_TYPE);
                add("client_assertion", assertion);
            }
            ClientAuthentication::None => add("client_id", self.client_id),
        }
        HttpRequestParts { authorization, body }
    }
}

/// HTTP Basic as OAuth has it: both parts form-encoded first (RFC 6749 §2.3.1), so that a colon in a client
/// id does not end it.
fn basic(client_id: &str, secret: &str) -> String {
    let credentials = format!("{}:{}", form::encode(client_id), form::encode(secret));
    format!("Basic {}", STANDARD.encode(credentials))
}

/// What a `private_key_jwt` assertion says (RFC 7523 §3).
#[derive(Clone, Copy, Debug)]
pub struct ClientAssertion<'a> {
    /// Our client id: issuer and subject of the assertion.
    pub client_id: &'a str,
    /// The provider's issuer, and nothing else: an assertion addressed to a token endpoint can be collected by
    /// a hostile provider that names the honest one's endpoint as its own (audience injection).
    pub issuer: &'a str,
    /// A fresh unguessable id.
    pub jwt_id: &'a str,
    /// The time, in milliseconds since the Unix epoch.
    pub now: i64,
}

impl ClientAssertion<'_> {
    /// How long an assertion holds, in seconds.
    pub const LIFETIME_SECONDS: i64 = 120;

    /// Signs the assertion.
    ///
    /// # Errors
    /// The signature could not be made.
    pub fn sign(&self, key: &SigningKey) -> Result<String, SignError> {
        let issued = self.now.div_euclid(1000);
        key.sign(
            "JWT",
            &json!({
                "iss": self.client_id,
                "sub": self.client_id,
                "aud": self.issuer,
                "jti": self.jwt_id,
                "iat": issued,
                "exp": issued.saturating_add(Self::LIFETIME_SECONDS),
            }),
        )
    }
}
