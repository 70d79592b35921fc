//! The authorization endpoint (RFC 6749 §4.1, OpenID Connect Core §3.1.2): sending a browser there, reading
//! what comes back, and, for a provider of ours, reading what arrives.

use std::fmt;

use crate::discovery::Provider;
use crate::endpoint;
use crate::form::{self, FormError, Parameters};
use crate::pkce;
use crate::text::printable;

/// Parameters that only this crate sets.
const PROTOCOL_PARAMETERS: [&str; 12] = [
    "response_type",
    "response_mode",
    "client_id",
    "client_secret",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    // Request objects carry all of the above again (RFC 9101).
    "request",
    "request_uri",
];

/// An authorization request for the code flow.
#[derive(Clone, Copy)]
pub struct AuthorizationRequest<'a> {
    /// The provider's authorization endpoint. A query of its own is kept.
    pub authorization_endpoint: &'a str,
    /// Our client id there.
    pub client_id: &'a str,
    /// Where the browser is to come back to.
    pub redirect_uri: &'a str,
    /// Scopes, separated by spaces.
    pub scope: &'a str,
    /// Ties the answer to this browser and login. Unguessable, used once.
    pub state: &'a str,
    /// Ties the ID token to this login. Needed with the scope `openid`; `None` is for plain OAuth 2.0.
    pub nonce: Option<&'a str>,
    /// The S256 challenge (see [`pkce::challenge`]), unless PKCE is off for this connection.
    pub code_challenge: Option<&'a str>,
    /// Who is expected to sign in.
    pub login_hint: Option<&'a str>,
    /// What the provider should ask (`login`, `consent`, ..).
    pub prompt: Option<&'a str>,
    /// Which domain's users are expected (Entra, AD FS).
    pub domain_hint: Option<&'a str>,
    /// Further parameters, which may repeat but not replace those above.
    pub extra: &'a [(String, String)],
}

impl fmt::Debug for AuthorizationRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationRequest")
            .field("authorization_endpoint", &self.authorization_endpoint)
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// An authorization request that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizationRequestError {
    /// The provider's endpoint cannot be used.
    #[error("the authorization endpoint cannot be used: {reason}")]
    Endpoint {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An extra parameter, or the endpoint's own query, would replace a parameter of the protocol.
    #[error("the parameter \"{name}\" is set by the protocol and cannot be set otherwise")]
    ReservedParameter {
        /// The parameter.
        name: String,
    },
    /// The scope contains `openid`, but there is no nonce.
    #[error("a request for an ID token needs a nonce")]
    NonceMissing,
    /// Not an S256 challenge.
    #[error("the code challenge is not a valid S256 challenge")]
    CodeChallenge,
}

impl AuthorizationRequest<'_> {
    /// The address to send the browser to.
    ///
    /// # Errors
    /// See [`AuthorizationRequestError`].
    pub fn url(&self) -> Result<String, AuthorizationRequestError> {
        endpoint::parse(self.authorization_endpoint)
            .map_err(|reason| AuthorizationRequestError::Endpoint { reason })?;
        if self.nonce.is_none() && self.scope.split(' ').any(|scope| scope == "openid") {
            return Err(AuthorizationRequestError::NonceMissing);
        }
        if self.code_challenge.is_some_and(|challenge| !pkce::is_valid_challenge(challenge)) {
            return Err(AuthorizationRequestError::CodeChallenge);
        }
        let hints =
            [("login_hint", self.login_hint), ("prompt", self.prompt), ("domain_hint", self.domain_hint)];
        let own_query = self.authorization_endpoint.split_once('?').map_or("", |(_, query)| query);
        for name in query_names(own_query)?.iter().chain(self.extra.iter().map(|(name, _)| name)) {
            let is_set_above = hints.iter().any(|(hint, value)| hint == name && value.is_some());
            if is_set_above || PROTOCOL_PARAMETERS.contains(&name.as_str()) {
                return Err(AuthorizationRequestError::ReservedParameter { name: printable(name, 64) });
            }
        }

        let mut url = self.authorization_endpoint.to_owned();
        if !url.contains('?') {
            url.push('?');
        }
        let challenge_method = self.code_challenge.map(|_| pkce::METHOD);
        let parameters = [
            ("response_type", Some("code")),
            ("client_id", Some(self.client_id)),
            ("redirect_uri", Some(self.redirect_uri)),
            ("scope", Some(self.scope)),
            ("state", Some(self.state)),
            ("nonce", self.nonce),
            ("code_challenge", self.code_challenge),
            ("code_challenge_method", challenge_method),
        ];
        for (name, value) in parameters.into_iter().chain(hints) {
            if let Some(value) = value {
                form::append(&mut url, name, value);
            }
        }
        for (name, value) in self.extra {
            form::append(&mut url, name, value);
        }
        Ok(url)
    }
}

/// The names in the query of an endpoint, decoded as the provider will.
fn query_names(query: &str) -> Result<Vec<String>, AuthorizationRequestError> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| form::decode(pair.split_once('=').map_or(pair, |(name, _)| name)))
        .collect::<Option<Vec<_>>>()
        .ok_or(AuthorizationRequestError::Endpoint { reason: "its query is not correctly encoded" })
}

/// What the provider sent back with the browser. Exactly one of `code` and `error` is set.
#[derive(Clone, PartialEq, Eq)]
pub struct Callback {
    /// The authorization code.
    pub code: Option<String>,
    /// The `state` of the request. Which login this is, is decided by comparing it with what the browser's
    /// cookie and the stored flow say; nothing of a callback counts before that.
    pub state: Option<String>,
    /// The provider's error code, made printable.
    pub error: Option<String>,
    /// The provider's explanation, made printable, up to 512 characters. It comes from the address bar, so
    /// anyone can write it: for the operator's timeline only.
    pub error_description: Option<String>,
    /// The issuer, where the provider says it (RFC 9207). See [`check_issuer`].
    pub iss: Option<String>,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("error", &self.error)
            .field("error_description", &self.error_description)
            .field("iss", &self.iss)
            .finish_non_exhaustive()
    }
}

/// A callback that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// The query as a whole.
    #[error("the identity provider's answer is unusable: {0}")]
    Form(#[from] FormError),
    /// Both a code and an error.
    #[error("the identity provider's answer has both a code and an error")]
    Contradiction,
    /// Neither a code nor an error.
    #[error("the identity provider's answer has neither a code nor an error")]
    Empty,
}

impl CallbackError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form(FormError::Duplicate(_)) => "callback_duplicate_parameter",
            Self::Form(_) => "callback_malformed",
            Self::Contradiction => "callback_contradiction",
            Self::Empty => "callback_empty",
        }
    }
}

impl Callback {
    /// Reads the query of the redirect (without `?`), or the form body of `response_mode=form_post`.
    ///
    /// # Errors
    /// It is not correctly encoded, has a parameter twice, or does not hold exactly one of code and error.
    pub fn parse(query: &str) -> Result<Self, CallbackError> {
        let mut parameters = Parameters::parse(query)?;
        let mut shown = |name, max| parameters.take(name).map(|text| printable(&text, max));
        let (error, error_description) = (shown("error", 64), shown("error_description", 512));
        let code = parameters.take("code");
        match (&code, &error) {
            (Some(_), Some(_)) => return Err(CallbackError::Contradiction),
            (None, None) => return Err(CallbackError::Empty),
            _ => {}
        }
        Ok(Self {
            code,
            state: parameters.take("state"),
            error,
            error_description,
            iss: parameters.take("iss"),
        })
    }
}

/// The answer comes from another provider than the one the browser was sent to: a mix-up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// It names another issuer.
    #[error("the answer names the issuer \"{found}\", which is not the one that was asked")]
    Mismatch {
        /// The issuer it names.
        found: String,
    },
    /// It names none, although this provider promises to.
    #[error("the answer does not name its issuer, which this identity provider always does")]
    Missing,
}

impl IssuerError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Mismatch { .. } => "callback_issuer_mismatch",
            Self::Missing => "callback_issuer_missing",
        }
    }
}

/// Checks the `iss` of a callback, successful or not, against the provider the browser was sent to
/// (RFC 9207 §2.4). To be called before the code goes anywhere.
///
/// A provider that never announced the parameter may still send it; then it must be right all the same.
///
/// # Errors
/// The parameter is wrong, or missing where the provider promises it.
pub fn check_issuer(callback_iss: Option<&str>, provider: &Provider) -> Result<(), IssuerError> {
    match callback_iss {
        Some(found) if found == provider.issuer => Ok(()),
        Some(found) => Err(IssuerError::Mismatch { found: printable(found, 256) }),
        None if provider.authorization_response_iss_parameter_supported => Err(IssuerError::Missing),
        None => Ok(()),
    }
}

/// An authorization request that arrived at a provider of ours. Client and redirect URI still have to be
/// compared with what is registered, before anything is sent to that URI, errors included.
#[derive(Clone, PartialEq, Eq)]
pub struct IncomingAuthorization {
    /// The client.
    pub client_id: String,
    /// Where it wants the answer.
    pub redirect_uri: String,
    /// Scopes, separated by spaces; empty when it gave none.
    pub scope: String,
    /// To be returned unchanged.
    pub state: Option<String>,
    /// To be put into the ID token.
    pub nonce: Option<String>,
    /// A valid S256 challenge.
    pub code_challenge: Option<String>,
    /// `S256` whenever there is a challenge.
    pub code_challenge_method: Option<String>,
    /// Who is expected to sign in.
    pub login_hint: Option<String>,
    /// What to ask.
    pub prompt: Option<String>,
}

impl fmt::Debug for IncomingAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IncomingAuthorization")
            .field("client_id", &self.client_id)
            .field("redirect_uri", &self.redirect_uri)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// An authorization request that a provider of ours refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IncomingAuthorizationError {
    /// The query as a whole.
    #[error("the authorization request is unusable: {0}")]
    Form(#[from] FormError),
    /// A required parameter is missing or empty.
    #[error("the authorization request has no {name}")]
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// `response_type` is not `code`.
    #[error("the response type is not \"code\"")]
    ResponseType,
    /// `response_mode` is not `query`.
    #[error("the response mode is not \"query\"")]
    ResponseMode,
    /// A request object (RFC 9101), by value or by reference.
    #[error("request objects are not supported")]
    RequestObject,
    /// A method without a challenge, a method other than S256, or a challenge that cannot be one. A
    /// challenge without a method means `plain` (RFC 7636 §4.3), which is refused too.
    #[error("the code challenge is not a valid S256 challenge")]
    CodeChallenge,
}

impl IncomingAuthorizationError {
    /// The `error` to answer with (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    #[must_use]
    pub const fn oauth_error(&self) -> &'static str {
        match self {
            Self::ResponseType => "unsupported_response_type",
            Self::RequestObject => "request_not_supported",
            _ => "invalid_request",
        }
    }
}

/// Reads an authorization request that arrived, from its query (without `?`) or its form body.
///
/// # Errors
/// See [`IncomingAuthorizationError`].
pub fn parse_request(query: &str) -> Result<IncomingAuthorization, IncomingAuthorizationError> {
    let mut parameters = Parameters::parse(query)?;
    let mut required = |name| parameters.take(name).ok_or(IncomingAuthorizationError::Missing { name });
    let client_id = required("client_id")?;
    let redirect_uri = required("redirect_uri")?;
    if required("response_type")? != "code" {
        return Err(IncomingAuthorizationError::ResponseType);
    }
    if parameters.take("response_mode").is_some_and(|mode| mode != "query") {
        return Err(IncomingAuthorizationError::ResponseMode);
    }
    if parameters.has("request") || parameters.has("request_uri") {
        return Err(IncomingAuthorizationError::RequestObject);
    }
    let code_challenge = parameters.take("code_challenge");
    let code_challenge_method = parameters.take("code_challenge_method");
    match (&code_challenge, code_challenge_method.as_deref()) {
        (None, None) => {}
        (Some(challenge), Some(pkce::METHOD)) if pkce::is_valid_challenge(challenge) => {}
        _ => return Err(IncomingAuthorizationError::CodeChallenge),
    }
    Ok(IncomingAuthorization {
        client_id,
        redirect_uri,
        scope: parameters.take("scope").unwrap_or_default(),
        state: parameters.take("state"),
        nonce: parameters.take("nonce"),
        code_challenge,
        code_challenge_method,
        login_hint: parameters.take("login_hint"),
        prompt: parameters.take("prompt"),
    })
}
