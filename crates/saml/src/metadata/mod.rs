//! Metadata (SAML metadata 2.0): the identity provider's, read; ours and the built-in identity provider's, written.

mod write;

use roxmltree::Node;

use crate::certificate::{Certificate, CertificateError};
use crate::request::POST_BINDING;
use crate::time::{format_datetime, parse_datetime};
use crate::xml::{
    self, METADATA, PROTOCOL, SIGNATURE, XmlError, attribute, child_elements, is_element, only_child,
};

pub use write::{BuiltInIdp, SpMetadata, idp_metadata, sp_metadata};

/// The HTTP-Redirect binding.
pub(crate) const REDIRECT_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";

/// What an identity provider's metadata says.
#[derive(Debug, Clone)]
pub struct IdpMetadata {
    /// Its entity id.
    pub entity_id: String,
    /// Its sign-on URL for HTTP-Redirect.
    pub sso_redirect_url: Option<String>,
    /// Its sign-on URL for HTTP-POST. At least one of the two is there.
    pub sso_post_url: Option<String>,
    /// Its signing certificates in document order, without duplicates; at least one. Expired ones are included.
    pub signing_certificates: Vec<Certificate>,
    /// Until when the document is valid, in epoch milliseconds; the earliest of the dates given.
    pub valid_until: Option<i64>,
    /// Whether it wants signed requests.
    pub want_authn_requests_signed: bool,
    /// The NameID formats that it offers.
    pub name_id_formats: Vec<String>,
}

/// Why metadata was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Not acceptable XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Another document, for example a web page.
    #[error("This is not SAML metadata; its outermost element is {found}.")]
    NotMetadata {
        /// The outermost element's name.
        found: String,
    },
    /// No SAML 2.0 identity provider.
    #[error("The metadata describes no SAML 2.0 identity provider.")]
    NoIdentityProvider,
    /// More than one identity provider.
    #[error("The metadata describes {count} identity providers; give the one of this connection alone.")]
    SeveralIdentityProviders {
        /// How many there are.
        count: usize,
    },
    /// No entity id.
    #[error("The metadata has no entity id.")]
    EntityIdMissing,
    /// Expired.
    #[error("The metadata was valid until {}; get a current copy.", format_datetime(*.valid_until))]
    Expired {
        /// When it expired, in epoch milliseconds.
        valid_until: i64,
    },
    /// An unreadable date.
    #[error("The metadata's validUntil is not a date and time.")]
    MalformedTime,
    /// No sign-on URL for a binding in use.
    #[error("The metadata has no sign-on URL for HTTP-Redirect or HTTP-POST.")]
    SignOnUrlMissing,
    /// A sign-on URL that is not http or https.
    #[error("The sign-on URL in the metadata is not an http or https URL.")]
    BadSignOnUrl,
    /// No signing certificate.
    #[error("The metadata has no signing certificate.")]
    SigningCertificateMissing,
    /// A signing certificate that cannot be used.
    #[error("A signing certificate in the metadata cannot be used. {0}")]
    Certificate(#[from] CertificateError),
    /// More keys than any identity provider has.
    #[error("The metadata has more than {MAX_CERTIFICATES} signing certificates.")]
    TooManyCertificates,
}

impl MetadataError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Xml(error) => error.code(),
            Self::NotMetadata { .. } => "not_metadata",
            Self::NoIdentityProvider => "no_identity_provider",
            Self::SeveralIdentityProviders { .. } => "several_identity_providers",
            Self::EntityIdMissing => "entity_id_missing",
            Self::Expired { .. } => "metadata_expired",
            Self::MalformedTime => "malformed_time",
            Self::SignOnUrlMissing => "sign_on_url_missing",
            Self::BadSignOnUrl => "bad_sign_on_url",
            Self::SigningCertificateMissing => "signing_certificate_missing",
            Self::Certificate(CertificateError::Malformed) => "malformed_certificate",
            Self::Certificate(error) => error.code(),
            Self::TooManyCertificates => "too_many_certificates",
        }
    }
}

/// Most signing certificates in one identity provider's metadata; each costs a signature check per sign-in.
const MAX_CERTIFICATES: usize = 20;

/// Reads an identity provider's metadata; `now` is in epoch milliseconds.
///
/// The document's own signature is not looked at: it would have to be verified with a key from elsewhere, which a
/// connection does not have. Trust comes from who gave the document or from the https URL it was fetched from.
pub fn parse_idp(xml: &[u8], now: i64) -> Result<IdpMetadata, MetadataError> {
    let text = xml::admit(xml)?;
    let document = xml::parse(&text)?;
    let root = document.root_element();
    let is_metadata =
        is_element(root, METADATA, "EntityDescriptor") || is_element(root, METADATA, "EntitiesDescriptor");
    if !is_metadata {
        return Err(MetadataError::NotMetadata { found: root.tag_name().name().chars().take(100).collect() });
    }
    let providers: Vec<_> = root.descendants().filter(|node| is_identity_provider(*node)).collect();
    let [provider] = providers.as_slice() else {
        return Err(match providers.len() {
            0 => MetadataError::NoIdentityProvider,
            count => MetadataError::SeveralIdentityProviders { count },
        });
    };
    let entity = provider.parent_element().ok_or(MetadataError::NoIdentityProvider)?;
    let valid_until = earliest_valid_until(*provider)?;
    if let Some(valid_until) = valid_until.filter(|valid_until| *valid_until <= now) {
        return Err(MetadataError::Expired { valid_until });
    }
    let entity_id =
        attribute(entity, "entityID").filter(|id| !id.is_empty()).ok_or(MetadataError::EntityIdMissing)?;
    let sso_redirect_url = sign_on_url(*provider, REDIRECT_BINDING)?;
    let sso_post_url = sign_on_url(*provider, POST_BINDING)?;
    if sso_redirect_url.is_none() && sso_post_url.is_none() {
        return Err(MetadataError::SignOnUrlMissing);
    }
    Ok(IdpMetadata {
        entity_id: entity_id.to_owned(),
        sso_redirect_url,
        sso_post_url,
        signing_certificates: signing_certificates(*provider)?,
        valid_until,
        want_authn_requests_signed: matches!(
            attribute(*provider, "WantAuthnRequestsSigned"),
            Some("true" | "1")
        ),
        name_id_formats: child_elements(*provider)
            .filter(|child| is_element(*child, METADATA, "NameIDFormat"))
            .filter_map(|format| xml::value_text(format).ok())
            .filter(|format| !format.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// An `IDPSSODescriptor` directly in an entity that speaks SAML 2.0.
fn is_identity_provider(node: Node<'_, '_>) -> bool {
    is_element(node, METADATA, "IDPSSODescriptor")
        && node.parent_element().is_some_and(|parent| is_element(parent, METADATA, "EntityDescriptor"))
        && attribute(node, "protocolSupportEnumeration")
            .is_some_and(|protocols| protocols.split_ascii_whitespace().any(|protocol| protocol == PROTOCOL))
}

/// The earliest `validUntil` of the role, its entity and the groups around it (SAML metadata 2.3).
fn earliest_valid_until(provider: Node<'_, '_>) -> Result<Option<i64>, MetadataError> {
    let mut earliest = None;
    for text in provider.ancestors().filter_map(|node| attribute(node, "validUntil")) {
        let time = parse_datetime(text).ok_or(MetadataError::MalformedTime)?;
        earliest = Some(earliest.map_or(time, |earliest: i64| earliest.min(time)));
    }
    Ok(earliest)
}

/// The first sign-on URL for the binding.
fn sign_on_url(provider: Node<'_, '_>, binding: &str) -> Result<Option<String>, MetadataError> {
    let service = child_elements(provider).find(|child| {
        is_element(*child, METADATA, "SingleSignOnService") && attribute(*child, "Binding") == Some(binding)
    });
    let Some(service) = service else { return Ok(None) };
    match attribute(service, "Location") {
        Some(location) if is_http_url(location) => Ok(Some(location.to_owned())),
        _ => Err(MetadataError::BadSignOnUrl),
    }
}

/// Whether this is an absolute http or https URL with a host and without characters that no URL has.
fn is_http_url(url: &str) -> bool {
    let rest = ["https://", "http://"].iter().find_map(|scheme| {
        let start = url.get(..scheme.len()).filter(|start| start.eq_ignore_ascii_case(scheme))?;
        url.get(start.len()..)
    });
    let has_host =
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#', ':', '@', '\\']));
    has_host && url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\'))
}

/// The certificates of the keys for signing, or for any use (SAML metadata 2.4.1.1).
fn signing_certificates(provider: Node<'_, '_>) -> Result<Vec<Certificate>, MetadataError> {
    let mut certificates: Vec<Certificate> = Vec::new();
    let keys = child_elements(provider).filter(|child| {
        is_element(*child, METADATA, "KeyDescriptor")
            && matches!(attribute(*child, "use"), None | Some("signing"))
    });
    for key in keys {
        let Ok(Some(key_info)) = only_child(key, SIGNATURE, "KeyInfo") else { continue };
        for data in child_elements(key_info).filter(|child| is_element(*child, SIGNATURE, "X509Data")) {
            // Further certificates in one X509Data are a chain; only the key's own is trusted, and it comes first.
            let certificate =
                child_elements(data).find(|child| is_element(*child, SIGNATURE, "X509Certificate"));
            let Some(certificate) = certificate else { continue };
            let text = xml::text(certificate).map_err(|_| CertificateError::Malformed)?;
            let certificate = Certificate::parse_base64(text)?;
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
            if certificates.len() > MAX_CERTIFICATES {
                return Err(MetadataError::TooManyCertificates);
            }
        }
    }
    if certificates.is_empty() { Err(MetadataError::SigningCertificateMissing) } else { Ok(certificates) }
}
