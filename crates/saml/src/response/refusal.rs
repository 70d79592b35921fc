//! Why a response was refused.

use std::fmt;

use crate::time::format_datetime;
use crate::xml::XmlError;

/// A value from a response, fit for a sentence an operator reads: shortened, without control characters. It is
/// still the sender's text; pages escape it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// Keeps at most 200 characters.
    pub(crate) fn new(text: &str) -> Self {
        const MOST: usize = 200;
        let mut quoted: String =
            text.chars().take(MOST).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if text.chars().nth(MOST).is_some() {
            quoted.push('…');
        }
        Self(quoted)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "\"{}\"", self.0)
    }
}

/// A moment in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub(crate) i64);

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&format_datetime(self.0))
    }
}

/// Why a response was refused.
///
/// The sentence is for the operator's timeline and may quote values that the sender chose; the person at the browser
/// sees none of it. [`Refusal::code`] is stable. Each variant is documented by its sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    // Getting the document in.
    #[error("The response is longer than {limit} bytes.")]
    TooLarge { limit: usize },
    #[error("The response is not base64.")]
    NotBase64,
    #[error(transparent)]
    Xml(#[from] XmlError),

    // Its structure.
    #[error("This is not a SAML 2.0 response but {found}.")]
    NotAResponse { found: Quoted },
    #[error("The version is {found}; SAML 2.0 is needed.")]
    WrongVersion { found: Quoted },
    #[error("The identity provider did not sign the user in: status {status}{detail}.")]
    StatusNotSuccess { status: Quoted, detail: StatusDetail },
    #[error("The response has no status.")]
    StatusMissing,
    #[error("The response has no assertion.")]
    AssertionMissing,
    #[error("The document has more than one assertion.")]
    SeveralAssertions,
    #[error("The document has a second response inside.")]
    NestedResponse,
    #[error("The response uses encryption ({element}), which is not supported.")]
    EncryptionNotSupported { element: Quoted },
    #[error("The element {element} does not belong in {parent}.")]
    UnexpectedElement { element: Quoted, parent: Quoted },
    #[error("The element {element} is missing from {parent} or there is more than one.")]
    ElementCount { element: &'static str, parent: &'static str },
    #[error("The element {element} does not hold plain text.")]
    NotPlainText { element: Quoted },
    #[error("The id {id} is used more than once.")]
    DuplicateId { id: Quoted },
    #[error("The element {element} has an id attribute other than ID.")]
    ForeignIdAttribute { element: Quoted },
    #[error(
        "The {element} has no ID, or one that is not an XML ID of at most 256 letters, digits, '_', '-', '.' or ':'."
    )]
    BadId { element: &'static str },
    #[error("There is a comment inside text or inside a signature.")]
    CommentInside,

    // Its signatures.
    #[error("Neither the response nor the assertion is signed.")]
    SignatureMissing,
    #[error(
        "There is a signature in {parent}; only the response and the assertion may be signed, right after their issuer."
    )]
    SignatureMisplaced { parent: Quoted },
    #[error("The signature is not built as XML Signature prescribes: {what}.")]
    SignatureMalformed { what: &'static str },
    #[error("The signature is about {uri} and not about the element it stands in.")]
    ReferenceMismatch { uri: Quoted },
    #[error("The signature uses the transform {algorithm} or an order of transforms that is not allowed.")]
    TransformNotAllowed { algorithm: Quoted },
    #[error("The signature uses the canonicalization {algorithm}, which is not allowed here.")]
    CanonicalizationNotAllowed { algorithm: Quoted },
    #[error("The signature uses the algorithm {algorithm}, which is not allowed.")]
    AlgorithmNotAllowed { algorithm: Quoted },
    #[error("The signature uses SHA-1, which this connection does not allow.")]
    Sha1NotAllowed,
    #[error(
        "The signature algorithm {algorithm} does not fit the key of any certificate of this connection."
    )]
    AlgorithmKeyMismatch { algorithm: Quoted },
    #[error("The signature was not made with any of the {pinned} certificates of this connection{embedded}.")]
    SignatureInvalid { pinned: usize, embedded: EmbeddedCertificate },
    #[error("What was signed has been changed since: the digest does not match.")]
    DigestMismatch,
    #[error("What was signed has no canonical form.")]
    Uncanonical,

    // What it says.
    #[error("The issuer is missing from the assertion.")]
    IssuerMissing,
    #[error("The issuer in the {element} is {found}; this connection expects {expected}.")]
    IssuerMismatch { element: &'static str, found: Quoted, expected: Quoted },
    #[error("The response answers no request; sign-in started at the identity provider is not accepted.")]
    UnsolicitedResponse,
    #[error("The {element} answers the request {found}; the one under way is {expected}.")]
    InResponseToMismatch { element: &'static str, found: Quoted, expected: Quoted },
    #[error("The response is signed but says no destination.")]
    DestinationMissing,
    #[error("The destination is {found}; the response was received at {expected}.")]
    DestinationMismatch { found: Quoted, expected: Quoted },
    #[error("The assertion has no conditions.")]
    ConditionsMissing,
    #[error("The assertion has the condition {condition}, which is not understood.")]
    UnknownCondition { condition: Quoted },
    #[error("The assertion names no audience.")]
    AudienceMissing,
    #[error("The audience in the response is {found}; this connection expects {expected}.")]
    AudienceMismatch { found: Quoted, expected: Quoted },
    #[error("The assertion is not valid before {not_before}; it is {now}.")]
    NotYetValid { not_before: Moment, now: Moment },
    #[error("The assertion was valid until {not_on_or_after}; it is {now}.")]
    Expired { not_on_or_after: Moment, now: Moment },
    #[error("The {attribute} {found} is not a date and time.")]
    MalformedTime { attribute: &'static str, found: Quoted },
    #[error("The {attribute} is missing.")]
    TimeMissing { attribute: &'static str },
    #[error("The assertion has no subject.")]
    SubjectMissing,
    #[error("The assertion's subject is empty.")]
    NameIdEmpty,
    #[error("The assertion has no bearer subject confirmation.")]
    ConfirmationMissing,
    #[error("The bearer subject confirmation names no recipient.")]
    RecipientMissing,
    #[error("The recipient is {found}; the response was received at {expected}.")]
    RecipientMismatch { found: Quoted, expected: Quoted },
    #[error("The bearer subject confirmation does not say until when it is valid.")]
    ConfirmationWithoutExpiry,
    #[error("The bearer subject confirmation was valid until {not_on_or_after}; it is {now}.")]
    ConfirmationExpired { not_on_or_after: Moment, now: Moment },
    #[error("The bearer subject confirmation is not valid before {not_before}; it is {now}.")]
    ConfirmationNotYetValid { not_before: Moment, now: Moment },
    #[error("The session at the identity provider ended at {not_on_or_after}; it is {now}.")]
    SessionExpired { not_on_or_after: Moment, now: Moment },
    #[error("An attribute has no name.")]
    AttributeWithoutName,
}

/// What a failed status says beyond its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusDetail {
    /// The second-level status code.
    pub(crate) code: Option<Quoted>,
    /// The status message.
    pub(crate) message: Option<Quoted>,
}

impl fmt::Display for StatusDetail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = &self.code {
            write!(formatter, ", {code}")?;
        }
        if let Some(message) = &self.message {
            write!(formatter, ", with the message {message}")?;
        }
        Ok(())
    }
}

/// The SHA-256 fingerprint of the certificate that a refused response brought along: never trusted, but it tells an
/// operator that the identity provider has changed its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedCertificate(pub(crate) Option<String>);

impl fmt::Display for EmbeddedCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(fingerprint) => {
                write!(formatter, " (the response brought one with the SHA-256 {fingerprint})")
            }
            None => Ok(()),
        }
    }
}

impl Refusal {
    /// Whether the identity provider says that it, or the person, declined (SAML core 3.2.2.2). The status may be
    /// unsigned: good enough to tell the application why there is no sign-in, and for nothing else.
    #[must_use]
    pub fn is_denial(&self) -> bool {
        const DENIALS: [&str; 3] = ["AuthnFailed", "NoPassive", "RequestDenied"];
        let Self::StatusNotSuccess { detail: StatusDetail { code: Some(Quoted(code)), .. }, .. } = self
        else {
            return false;
        };
        let name = code.strip_prefix("urn:oasis:names:tc:SAML:2.0:status:");
        name.is_some_and(|name| DENIALS.contains(&name))
    }

    /// A stable name for the reason, for records and for choosing a text.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotBase64 => "not_base64",
            Self::Xml(error) => error.code(),
            Self::NotAResponse { .. } => "not_a_response",
            Self::WrongVersion { .. } => "wrong_version",
            Self::StatusNotSuccess { .. } => "status_not_success",
            Self::StatusMissing => "status_missing",
            Self::AssertionMissing => "assertion_missing",
            Self::SeveralAssertions => "several_assertions",
            Self::NestedResponse => "nested_response",
            Self::EncryptionNotSupported { .. } => "encryption_not_supported",
            Self::UnexpectedElement { .. } => "unexpected_element",
            Self::ElementCount { .. } => "element_count",
            Self::NotPlainText { .. } => "not_plain_text",
            Self::DuplicateId { .. } => "duplicate_id",
            Self::ForeignIdAttribute { .. } => "foreign_id_attribute",
            Self::BadId { .. } => "bad_id",
            Self::CommentInside => "comment_inside",
            Self::SignatureMissing => "signature_missing",
            Self::SignatureMisplaced { .. } => "signature_misplaced",
            Self::SignatureMalformed { .. } => "signature_malformed",
            Self::ReferenceMismatch { .. } => "reference_mismatch",
            Self::TransformNotAllowed { .. } => "transform_not_allowed",
            Self::CanonicalizationNotAllowed { .. } => "canonicalization_not_allowed",
            Self::AlgorithmNotAllowed { .. } => "algorithm_not_allowed",
            Self::Sha1NotAllowed => "sha1_not_allowed",
            Self::AlgorithmKeyMismatch { .. } => "algorithm_key_mismatch",
            Self::SignatureInvalid { .. } => "signature_invalid",
            Self::DigestMismatch => "digest_mismatch",
            Self::Uncanonical => "uncanonical",
            Self::IssuerMissing => "issuer_missing",
            Self::IssuerMismatch { .. } => "issuer_mismatch",
            Self::UnsolicitedResponse => "unsolicited_response",
            Self::InResponseToMismatch { .. } => "in_response_to_mismatch",
            Self::DestinationMissing => "destination_missing",
            Self::DestinationMismatch { .. } => "destination_mismatch",
            Self::ConditionsMissing => "conditions_missing",
            Self::UnknownCondition { .. } => "unknown_condition",
            Self::AudienceMissing => "audience_missing",
            Self::AudienceMismatch { .. } => "audience_mismatch",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Expired { .. } => "expired",
            Self::MalformedTime { .. } => "malformed_time",
            Self::TimeMissing { .. } => "time_missing",
            Self::SubjectMissing => "subject_missing",
            Self::NameIdEmpty => "name_id_empty",
            Self::ConfirmationMissing => "confirmation_missing",
            Self::RecipientMissing => "recipient_missing",
            Self::RecipientMismatch { .. } => "recipient_mismatch",
            Self::ConfirmationWithoutExpiry => "confirmation_without_expiry",
            Self::ConfirmationExpired { .. } => "confirmation_expired",
            Self::ConfirmationNotYetValid { .. } => "confirmation_not_yet_valid",
            Self::SessionExpired { .. } => "session_expired",
            Self::AttributeWithoutName => "attribute_without_name",
        }
    }
}
