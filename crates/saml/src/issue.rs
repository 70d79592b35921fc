//! Signed responses of the built-in test identity provider.

use crate::certificate::Certificate;

/// An RSA signing key and its certificate.
#[derive(Debug)]
pub struct SigningKey {
    #[expect(dead_code, reason = "filled in next")]
    certificate: Certificate,
}

/// Which part of the response is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedPart {
    /// The assertion.
    Assertion,
    /// The response.
    Response,
    /// Both.
    Both,
}

/// A response about to be issued.
#[derive(Debug, Clone)]
pub struct IssueResponse<'a> {
    /// The response's id (an XML `ID`).
    pub response_id: &'a str,
    /// The assertion's id (an XML `ID`).
    pub assertion_id: &'a str,
    /// Now, epoch milliseconds.
    pub issue_instant: i64,
    /// The identity provider's entity id.
    pub issuer: &'a str,
    /// The service provider's entity id.
    pub audience: &'a str,
    /// Where the response is posted.
    pub acs_url: &'a str,
    /// The request's id; `None` when unsolicited.
    pub in_response_to: Option<&'a str>,
    /// The subject.
    pub name_id: &'a str,
    /// The subject's format.
    pub name_id_format: &'a str,
    /// The session index.
    pub session_index: &'a str,
    /// Attribute names and values.
    pub attributes: &'a [(&'a str, &'a [&'a str])],
    /// Until when the assertion may be used, epoch milliseconds.
    pub not_on_or_after: i64,
    /// Which part is signed.
    pub sign: SignedPart,
}

/// Why a response could not be issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Not an RSA key.
    #[error("The signing key could not be read.")]
    BadKey,
}

impl SigningKey {
    /// Reads a PKCS#8 RSA key that belongs to `certificate`.
    pub fn from_pkcs8(_pkcs8: &[u8], _certificate: Certificate) -> Result<Self, IssueError> {
        Err(IssueError::BadKey)
    }
}

impl IssueResponse<'_> {
    /// Signs the response; the value of the `SAMLResponse` form field.
    pub fn to_base64(&self, _key: &SigningKey) -> Result<String, IssueError> {
        Err(IssueError::BadKey)
    }
}
