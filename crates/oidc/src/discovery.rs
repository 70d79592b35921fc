//! Provider metadata (OpenID Connect Discovery 1.0): reading a provider's, serving ours.

use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::claims::{self, ClaimError};
use crate::endpoint;
use crate::json::{self, JsonError};
use crate::pkce;
use crate::text::printable;

/// What follows the issuer in the address of its metadata.
pub const SUFFIX: &str = "/.well-known/openid-configuration";

/// Largest document that is looked at, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;

/// A provider, as its metadata describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// The issuer, exactly as ID tokens must name it.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: String,
    /// Where codes are exchanged.
    pub token_endpoint: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Where further claims are.
    pub userinfo_endpoint: Option<String>,
    /// Where the browser is sent to sign out (RP-Initiated Logout).
    pub end_session_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// `alg` names of ID tokens; `RS256` when not said.
    pub id_token_signing_alg_values_supported: Vec<String>,
    /// How clients may authenticate; `client_secret_basic` when not said.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// PKCE methods; empty when not said, which does not mean that PKCE fails.
    pub code_challenge_methods_supported: Vec<String>,
    /// Whether the provider promises `iss` in its authorization responses (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
}

/// Why a discovery address or document was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// The address is not that of a discovery document.
    #[error("the discovery address cannot be used: {reason}")]
    Address {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// More than [`MAX_BYTES`].
    #[error("the discovery document is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not acceptable JSON.
    #[error("the discovery document is not acceptable JSON: {0}")]
    NotJson(JsonError),
    /// A member is missing or of the wrong type.
    #[error("in the discovery document {0}")]
    Member(#[from] ClaimError),
    /// An endpoint cannot be used.
    #[error("in the discovery document \"{member}\" cannot be used: {reason}")]
    Endpoint {
        /// The member.
        member: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The document is about another issuer than its address says.
    #[error("the discovery document names the issuer \"{found}\", but its address belongs to \"{expected}\"")]
    IssuerMismatch {
        /// The issuer that the address implies.
        expected: String,
        /// The issuer that the document names.
        found: String,
    },
    /// The issuer is a template for many tenants.
    #[error(
        "the discovery document names the issuer \"{found}\", a template for any tenant; use the address with \
         your own tenant's id in it"
    )]
    TemplatedIssuer {
        /// The issuer that the document names.
        found: String,
    },
}

impl DiscoveryError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Address { .. } => "discovery_address_invalid",
            Self::TooLarge => "discovery_too_large",
            Self::NotJson(_) => "discovery_not_json",
            Self::Member(_) => "discovery_member_invalid",
            Self::Endpoint { .. } => "discovery_endpoint_invalid",
            Self::IssuerMismatch { .. } => "discovery_issuer_mismatch",
            Self::TemplatedIssuer { .. } => "discovery_issuer_templated",
        }
    }
}

impl Provider {
    /// The algorithms the provider announces and we have, in its order.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        self.id_token_signing_alg_values_supported.iter().filter_map(|name| name.parse().ok()).collect()
    }
}

/// The issuer that a discovery address implies, for checking an address before it is fetched. A query is
/// left out: Entra wants `?appid=` there for applications with their own signing key.
///
/// # Errors
/// The address is not absolute http(s) that ends in [`SUFFIX`] (and maybe a query), or has credentials or a
/// fragment.
pub fn issuer_of(discovery_url: &str) -> Result<&str, DiscoveryError> {
    endpoint::parse(discovery_url).map_err(|reason| DiscoveryError::Address { reason })?;
    let path = discovery_url.split_once('?').map_or(discovery_url, |(path, _)| path);
    path.strip_suffix(SUFFIX)
        .ok_or(DiscoveryError::Address { reason: "it does not end in /.well-known/openid-configuration" })
}

/// Reads the metadata that `discovery_url` served.
///
/// The issuer in it must be, character by character, the address without [`SUFFIX`]. One slash after that is
/// accepted, because both `https://idp.example` and `https://idp.example/` are served at the same address
/// (OpenID Connect Discovery §4.1) and Auth0 uses the second form; the form in the document is the one that
/// ID tokens must have. Entra's multi-tenant addresses (`common`, `organizations`) name the issuer
/// `https://login.microsoftonline.com/{tenantid}/v2.0` and are refused: any tenant at all could sign people in.
/// A document that came over https may not lead to plain http.
///
/// # Errors
/// The address or the document cannot be used, see [`DiscoveryError`].
pub fn parse(body: &[u8], discovery_url: &str) -> Result<Provider, DiscoveryError> {
    let expected = issuer_of(discovery_url)?;
    if body.len() > MAX_BYTES {
        return Err(DiscoveryError::TooLarge);
    }
    let document = json::object(body).map_err(DiscoveryError::NotJson)?;

    let issuer = claims::required_string(&document, "issuer")?;
    if issuer != expected && issuer.strip_suffix('/') != Some(expected) {
        let found = printable(issuer, 256);
        return Err(if issuer.contains('{') {
            DiscoveryError::TemplatedIssuer { found }
        } else {
            DiscoveryError::IssuerMismatch { expected: expected.to_owned(), found }
        });
    }
    let needs_tls = discovery_url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    let optional = |member| optional_endpoint(&document, member, needs_tls);
    let required = |member: &'static str| {
        optional(member)?.ok_or_else(|| DiscoveryError::from(ClaimError::missing(member)))
    };
    Ok(Provider {
        issuer: issuer.to_owned(),
        authorization_endpoint: required("authorization_endpoint")?,
        token_endpoint: required("token_endpoint")?,
        jwks_uri: required("jwks_uri")?,
        userinfo_endpoint: optional("userinfo_endpoint")?,
        end_session_endpoint: optional("end_session_endpoint")?,
        revocation_endpoint: optional("revocation_endpoint")?,
        id_token_signing_alg_values_supported: list(&document, "id_token_signing_alg_values_supported")?
            .unwrap_or_else(|| vec![Algorithm::Rs256.as_str().to_owned()]),
        token_endpoint_auth_methods_supported: list(&document, "token_endpoint_auth_methods_supported")?
            .unwrap_or_else(|| vec!["client_secret_basic".to_owned()]),
        code_challenge_methods_supported: list(&document, "code_challenge_methods_supported")?
            .unwrap_or_default(),
        authorization_response_iss_parameter_supported: claims::profile_boolean(
            &document,
            "authorization_response_iss_parameter_supported",
        )?
        .unwrap_or(false),
    })
}

/// An endpoint, if there is one; `null` counts as absent, since some providers write it for what they lack.
fn optional_endpoint(
    document: &Map<String, Value>,
    member: &'static str,
    needs_tls: bool,
) -> Result<Option<String>, DiscoveryError> {
    let Some(text) = claims::profile_string(document, member)? else {
        return Ok(None);
    };
    let url = endpoint::parse(text).map_err(|reason| DiscoveryError::Endpoint { member, reason })?;
    if needs_tls && url.scheme() != "https" {
        let reason = "it is plain http, although the document came over https";
        return Err(DiscoveryError::Endpoint { member, reason });
    }
    Ok(Some(text.to_owned()))
}

/// A list of strings, if there is one.
fn list(document: &Map<String, Value>, member: &str) -> Result<Option<Vec<String>>, ClaimError> {
    let wrong = || ClaimError::wrong_type(member, "a list of strings");
    match document.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| value.as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(Some)
            .ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

/// The metadata of a provider of ours.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The issuer; the document is served at it plus [`SUFFIX`].
    pub issuer: &'a str,
    /// Where browsers go.
    pub authorization_endpoint: &'a str,
    /// Where codes are exchanged.
    pub token_endpoint: &'a str,
    /// Where the keys are.
    pub jwks_uri: &'a str,
    /// Where further claims are.
    pub userinfo_endpoint: Option<&'a str>,
    /// Where browsers go to sign out.
    pub end_session_endpoint: Option<&'a str>,
    /// Where tokens are revoked.
    pub revocation_endpoint: Option<&'a str>,
    /// Scopes; must contain `openid`.
    pub scopes: &'a [&'a str],
    /// How clients may authenticate.
    pub client_authentication_methods: &'a [&'a str],
    /// Claims that may appear.
    pub claims: &'a [&'a str],
    /// Whether authorization responses carry `iss` (RFC 9207).
    pub sends_issuer_in_response: bool,
}

/// Renders the metadata: code flow, PKCE with S256, RS256, public subjects.
#[must_use]
pub fn document(provider: &Document<'_>) -> Value {
    let mut document = json!({
        "issuer": provider.issuer,
        "authorization_endpoint": provider.authorization_endpoint,
        "token_endpoint": provider.token_endpoint,
        "jwks_uri": provider.jwks_uri,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [Algorithm::Rs256.as_str()],
        "code_challenge_methods_supported": [pkce::METHOD],
        "scopes_supported": provider.scopes,
        "token_endpoint_auth_methods_supported": provider.client_authentication_methods,
        "claims_supported": provider.claims,
        "authorization_response_iss_parameter_supported": provider.sends_issuer_in_response,
        "request_uri_parameter_supported": false,
    });
    let optional = [
        ("userinfo_endpoint", provider.userinfo_endpoint),
        ("end_session_endpoint", provider.end_session_endpoint),
        ("revocation_endpoint", provider.revocation_endpoint),
    ];
    if let Some(members) = document.as_object_mut() {
        members.extend(optional.into_iter().filter_map(|(name, url)| Some((name.to_owned(), json!(url?)))));
    }
    document
}
