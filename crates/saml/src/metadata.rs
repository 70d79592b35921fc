//! Metadata: the identity provider's, read; ours, written.

use crate::certificate::Certificate;

/// What an identity provider's metadata says.
#[derive(Debug, Clone)]
pub struct IdpMetadata {
    /// Its entity id.
    pub entity_id: String,
    /// Sign-on URL for HTTP-Redirect.
    pub sso_redirect_url: Option<String>,
    /// Sign-on URL for HTTP-POST.
    pub sso_post_url: Option<String>,
    /// Signing certificates, in document order, without duplicates.
    pub signing_certificates: Vec<Certificate>,
    /// Until when the document is valid, epoch milliseconds.
    pub valid_until: Option<i64>,
    /// Whether it wants signed requests.
    pub want_authn_requests_signed: bool,
    /// The NameID formats offered.
    pub name_id_formats: Vec<String>,
}

/// Why metadata was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// No identity provider in it.
    #[error("The metadata describes no identity provider.")]
    NoIdentityProvider,
}

impl MetadataError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoIdentityProvider => "no_identity_provider",
        }
    }
}

/// Reads an identity provider's metadata; `now` is epoch milliseconds.
pub fn parse_idp(_xml: &[u8], _now: i64) -> Result<IdpMetadata, MetadataError> {
    Err(MetadataError::NoIdentityProvider)
}

/// Our metadata for one connection.
#[derive(Debug, Clone)]
pub struct SpMetadata<'a> {
    /// Our entity id.
    pub entity_id: &'a str,
    /// Where responses are posted.
    pub acs_url: &'a str,
}

/// The built-in test identity provider.
#[derive(Debug, Clone)]
pub struct BuiltInIdp<'a> {
    /// Its entity id.
    pub entity_id: &'a str,
    /// Its sign-on URL (HTTP-Redirect and HTTP-POST).
    pub sso_url: &'a str,
    /// Its signing certificate.
    pub certificate: &'a Certificate,
}

/// Writes our metadata.
pub fn sp_metadata(_metadata: &SpMetadata<'_>) -> String {
    String::new()
}

/// Writes the built-in identity provider's metadata.
pub fn idp_metadata(_idp: &BuiltInIdp<'_>) -> String {
    String::new()
}
