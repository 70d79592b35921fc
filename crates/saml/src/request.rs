//! `AuthnRequest`: made for identity providers, read for the built-in test one.

/// An authentication request about to be sent.
#[derive(Debug, Clone)]
pub struct AuthnRequest<'a> {
    /// Unique, unguessable id (an XML `ID`: starts with a letter or `_`).
    pub id: &'a str,
    /// When the request is made, epoch milliseconds.
    pub issue_instant: i64,
    /// Our entity id.
    pub issuer: &'a str,
    /// Where the response is to be posted.
    pub acs_url: &'a str,
    /// The identity provider's sign-on URL.
    pub destination: &'a str,
    /// Ask for a fresh authentication.
    pub force_authn: bool,
    /// The NameID format asked for.
    pub name_id_format: Option<&'a str>,
}

impl AuthnRequest<'_> {
    /// The request as XML.
    pub fn to_xml(&self) -> String {
        String::new()
    }
    /// The URL of the HTTP-Redirect binding.
    pub fn redirect_url(&self, _relay_state: &str) -> String {
        String::new()
    }
    /// The value of the `SAMLRequest` form field of the HTTP-POST binding.
    pub fn post_value(&self) -> String {
        String::new()
    }
}

/// An authentication request that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedAuthnRequest {
    /// The request's id.
    pub id: String,
    /// The service provider's entity id.
    pub issuer: String,
    /// Where the response is wanted.
    pub acs_url: Option<String>,
    /// Where the request was meant to go.
    pub destination: Option<String>,
    /// Whether a fresh authentication is asked for.
    pub force_authn: bool,
    /// The NameID format asked for.
    pub name_id_format: Option<String>,
}

/// Why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not base64.
    #[error("The request is not base64.")]
    NotBase64,
}

impl RequestError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBase64 => "not_base64",
        }
    }
}

/// Reads the (percent-decoded) `SAMLRequest` parameter of the HTTP-Redirect binding.
pub fn parse_redirect(_saml_request: &str) -> Result<ParsedAuthnRequest, RequestError> {
    Err(RequestError::NotBase64)
}

/// Reads the `SAMLRequest` form field of the HTTP-POST binding.
pub fn parse_post(_saml_request: &str) -> Result<ParsedAuthnRequest, RequestError> {
    Err(RequestError::NotBase64)
}
