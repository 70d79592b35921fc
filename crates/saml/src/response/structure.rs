//! The structural allow-list: what may stand where in a response, before any cryptography.
//!
//! Signature wrapping works by putting a signed original where the verifier looks and a forgery where the reader
//! looks. Here both have nowhere to hide: every element in a SAML or signature namespace has a fixed set of parents,
//! there is one assertion in one place, and no id means two things.

use roxmltree::{Document, Node};

use super::refusal::{Quoted, Refusal, StatusDetail};
use crate::xml::{self, ASSERTION, PROTOCOL, SIGNATURE, attribute, child_elements, is_element};

/// A response whose structure is known to be sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a, 'i> {
    pub(super) response: Node<'a, 'i>,
    pub(super) response_id: &'a str,
    pub(super) response_signature: Option<Node<'a, 'i>>,
    pub(super) assertion: Node<'a, 'i>,
    pub(super) assertion_id: &'a str,
    pub(super) assertion_signature: Option<Node<'a, 'i>>,
}

impl<'a, 'i> Envelope<'a, 'i> {
    /// Checks the whole document.
    pub(super) fn examine(document: &'a Document<'i>) -> Result<Self, Refusal> {
        let response = document.root_element();
        if !is_element(response, PROTOCOL, "Response") {
            return Err(Refusal::NotAResponse { found: name_of(response) });
        }
        check_version(response)?;
        // A failure needs no proof: it is refused whoever says it, and the operator wants to read the reason.
        check_status(response)?;
        let mut walk = Walk { ids: Vec::with_capacity(4), assertions: 0 };
        walk.check_ids(response, Kind::Response)?;
        walk.children(response, Kind::Response)?;
        walk.check_unique_ids()?;
        let assertion = only(response, ASSERTION, "Assertion")?.ok_or(Refusal::AssertionMissing)?;
        check_version(assertion)?;
        Ok(Self {
            response,
            response_id: id_of(response, "Response")?,
            response_signature: signature_of(response)?,
            assertion,
            assertion_id: id_of(assertion, "Assertion")?,
            assertion_signature: signature_of(assertion)?,
        })
    }
}

/// The status must be `Success` at its top level (SAML core 3.2.2.2).
pub(super) fn check_status(response: Node<'_, '_>) -> Result<(), Refusal> {
    const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
    let status = only(response, PROTOCOL, "Status")?.ok_or(Refusal::StatusMissing)?;
    let code = only(status, PROTOCOL, "StatusCode")?.ok_or(Refusal::StatusMissing)?;
    let value = attribute(code, "Value").ok_or(Refusal::StatusMissing)?;
    if value == SUCCESS {
        return Ok(());
    }
    let second = only(code, PROTOCOL, "StatusCode")?.and_then(|code| attribute(code, "Value"));
    let message = only(status, PROTOCOL, "StatusMessage")?.and_then(|message| xml::value_text(message).ok());
    let detail = StatusDetail {
        code: second.map(Quoted::new),
        message: message.filter(|message| !message.is_empty()).map(Quoted::new),
    };
    Err(Refusal::StatusNotSuccess { status: Quoted::new(value), detail })
}

/// `Version="2.0"`
pub(super) fn check_version(node: Node<'_, '_>) -> Result<(), Refusal> {
    match attribute(node, "Version") {
        Some("2.0") => Ok(()),
        other => Err(Refusal::WrongVersion { found: Quoted::new(other.unwrap_or("not given")) }),
    }
}

/// The child `{namespace}name`, if there is one; refuses several.
pub(super) fn only<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &str,
    name: &'static str,
) -> Result<Option<Node<'a, 'i>>, Refusal> {
    xml::only_child(node, namespace, name).map_err(|_| match name {
        "Assertion" => Refusal::SeveralAssertions,
        _ => Refusal::UnexpectedElement { element: Quoted::new(name), parent: name_of(node) },
    })
}

/// The element's local name, for people.
pub(super) fn name_of(node: Node<'_, '_>) -> Quoted {
    Quoted::new(node.tag_name().name())
}

/// The element's own signature, which must stand right after the issuer (SAML core 2.3.3 and 3.2.2).
fn signature_of<'a, 'i>(signed: Node<'a, 'i>) -> Result<Option<Node<'a, 'i>>, Refusal> {
    let mut found = None;
    for (position, child) in child_elements(signed).enumerate() {
        if is_element(child, SIGNATURE, "Signature") {
            let after_issuer = match position {
                0 => true,
                1 => {
                    child.prev_sibling_element().is_some_and(|before| is_element(before, ASSERTION, "Issuer"))
                }
                _ => false,
            };
            if !after_issuer || found.is_some() {
                return Err(Refusal::SignatureMisplaced { parent: name_of(signed) });
            }
            found = Some(child);
        }
    }
    Ok(found)
}

/// The `ID` that a signature refers to and that replay is told by.
fn id_of<'a>(node: Node<'a, '_>, element: &'static str) -> Result<&'a str, Refusal> {
    attribute(node, "ID").filter(|id| xml::is_plain_id(id)).ok_or(Refusal::BadId { element })
}

/// What an element is, as far as the allow-list cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Response,
    Status,
    StatusCode,
    StatusMessage,
    Assertion,
    Issuer,
    Signature,
    Subject,
    NameId,
    SubjectConfirmation,
    SubjectConfirmationData,
    Conditions,
    AudienceRestriction,
    ProxyRestriction,
    Audience,
    OneTimeUse,
    Condition,
    Advice,
    AssertionPointer,
    AuthnStatement,
    SubjectLocality,
    AuthnContext,
    AuthnContextText,
    AttributeStatement,
    Attribute,
    AttributeValue,
    /// `Extensions`, `StatusDetail` and `AuthnContextDecl`: anything that is not SAML may stand in them.
    Open,
    /// Any other element in a SAML or signature namespace.
    Unknown,
    /// An element in another namespace, or in none.
    Foreign,
}

impl Kind {
    fn of(node: Node<'_, '_>) -> Self {
        let name = node.tag_name().name();
        match node.tag_name().namespace() {
            Some(ASSERTION) => Self::of_assertion(name),
            Some(PROTOCOL) => match name {
                "Response" => Self::Response,
                "Status" => Self::Status,
                "StatusCode" => Self::StatusCode,
                "StatusMessage" => Self::StatusMessage,
                "StatusDetail" | "Extensions" => Self::Open,
                _ => Self::Unknown,
            },
            Some(SIGNATURE) if name == "Signature" => Self::Signature,
            Some(SIGNATURE) => Self::Unknown,
            _ => Self::Foreign,
        }
    }

    fn of_assertion(name: &str) -> Self {
        match name {
            "AttributeValue" => Self::AttributeValue,
            "Attribute" => Self::Attribute,
            "AttributeStatement" => Self::AttributeStatement,
            "Assertion" => Self::Assertion,
            "Issuer" => Self::Issuer,
            "Subject" => Self::Subject,
            "NameID" => Self::NameId,
            "SubjectConfirmation" => Self::SubjectConfirmation,
            "SubjectConfirmationData" => Self::SubjectConfirmationData,
            "Conditions" => Self::Conditions,
            "AudienceRestriction" => Self::AudienceRestriction,
            "ProxyRestriction" => Self::ProxyRestriction,
            "Audience" => Self::Audience,
            "OneTimeUse" => Self::OneTimeUse,
            "Condition" => Self::Condition,
            "Advice" => Self::Advice,
            "AssertionIDRef" | "AssertionURIRef" => Self::AssertionPointer,
            "AuthnStatement" => Self::AuthnStatement,
            "SubjectLocality" => Self::SubjectLocality,
            "AuthnContext" => Self::AuthnContext,
            "AuthnContextClassRef" | "AuthnContextDeclRef" | "AuthenticatingAuthority" => {
                Self::AuthnContextText
            }
            "AuthnContextDecl" => Self::Open,
            _ => Self::Unknown,
        }
    }

    /// Whether a `child` may stand directly in this. Conditions may hold anything here, because the profile checks
    /// refuse each one that they do not understand.
    fn may_hold(self, child: Self) -> bool {
        use Kind as K;
        match self {
            K::Response => matches!(child, K::Issuer | K::Signature | K::Open | K::Status | K::Assertion),
            K::Status => matches!(child, K::StatusCode | K::StatusMessage | K::Open),
            K::StatusCode => child == K::StatusCode,
            K::Assertion => matches!(
                child,
                K::Issuer
                    | K::Signature
                    | K::Subject
                    | K::Conditions
                    | K::Advice
                    | K::AuthnStatement
                    | K::AttributeStatement
            ),
            K::Subject => matches!(child, K::NameId | K::SubjectConfirmation),
            K::SubjectConfirmation => matches!(child, K::NameId | K::SubjectConfirmationData),
            K::Conditions => matches!(
                child,
                K::AudienceRestriction | K::ProxyRestriction | K::OneTimeUse | K::Condition | K::Foreign
            ),
            K::AudienceRestriction | K::ProxyRestriction => child == K::Audience,
            K::Advice => matches!(child, K::AssertionPointer | K::Foreign),
            K::AuthnStatement => matches!(child, K::SubjectLocality | K::AuthnContext),
            K::AuthnContext => matches!(child, K::AuthnContextText | K::Open),
            K::AttributeStatement => child == K::Attribute,
            K::Attribute => child == K::AttributeValue,
            // Shibboleth puts a whole NameID into eduPersonTargetedID.
            K::AttributeValue => matches!(child, K::NameId | K::Foreign),
            K::Open | K::Foreign => child == K::Foreign,
            K::Signature
            | K::StatusMessage
            | K::Issuer
            | K::NameId
            | K::SubjectConfirmationData
            | K::Audience
            | K::OneTimeUse
            | K::Condition
            | K::AssertionPointer
            | K::SubjectLocality
            | K::AuthnContextText
            | K::Unknown => false,
        }
    }
}

/// One pass over all elements below the response. Its recursion is as deep as [`xml::MAX_DEPTH`] allows.
struct Walk<'a> {
    ids: Vec<&'a str>,
    assertions: usize,
}

impl<'a> Walk<'a> {
    fn children(&mut self, parent: Node<'a, '_>, kind: Kind) -> Result<(), Refusal> {
        let (mut has_comment, mut has_text, mut has_element) = (false, false, false);
        for child in parent.children() {
            if child.is_element() {
                has_element = true;
                self.element(child, parent, kind)?;
            } else if child.is_comment() {
                has_comment = true;
            } else if !has_text {
                has_text = child.text().is_some_and(|text| !text.trim_ascii().is_empty());
            }
        }
        // A reader that takes the text up to the first comment reads another name than was signed.
        if has_comment && (has_text || !has_element) { Err(Refusal::CommentInside) } else { Ok(()) }
    }

    fn element(
        &mut self,
        element: Node<'a, '_>,
        parent: Node<'a, '_>,
        parent_kind: Kind,
    ) -> Result<(), Refusal> {
        self.check_name(element)?;
        let kind = Kind::of(element);
        if !parent_kind.may_hold(kind) {
            return Err(match kind {
                Kind::Signature => Refusal::SignatureMisplaced { parent: name_of(parent) },
                _ => Refusal::UnexpectedElement { element: name_of(element), parent: name_of(parent) },
            });
        }
        self.check_ids(element, kind)?;
        if kind == Kind::Signature { self.in_signature(element) } else { self.children(element, kind) }
    }

    /// Signatures have exact rules of their own; here are those they share with the rest.
    fn in_signature(&mut self, signature: Node<'a, '_>) -> Result<(), Refusal> {
        for node in signature.descendants().skip(1) {
            if node.is_comment() {
                return Err(Refusal::CommentInside);
            }
            if node.is_element() {
                self.check_name(node)?;
                self.check_ids(node, Kind::Signature)?;
            }
        }
        Ok(())
    }

    /// Some names are refused whatever their namespace.
    fn check_name(&mut self, element: Node<'_, '_>) -> Result<(), Refusal> {
        match element.tag_name().name() {
            "Assertion" => {
                self.assertions += 1;
                if self.assertions > 1 { Err(Refusal::SeveralAssertions) } else { Ok(()) }
            }
            "Response" => Err(Refusal::NestedResponse),
            "EncryptedAssertion" | "EncryptedID" | "NewEncryptedID" | "EncryptedAttribute"
            | "EncryptedData" | "EncryptedKey" => {
                Err(Refusal::EncryptionNotSupported { element: name_of(element) })
            }
            _ => Ok(()),
        }
    }

    /// Collects what any XML tool might take for an id, and refuses all but the one that SAML or XML Signature
    /// defines for the element.
    fn check_ids(&mut self, element: Node<'a, '_>, kind: Kind) -> Result<(), Refusal> {
        for candidate in element.attributes() {
            let name = candidate.name();
            let is_id = name.eq_ignore_ascii_case("id")
                || matches!(name, "AssertionID" | "ResponseID" | "RequestID" | "ArtifactID");
            if !is_id {
                continue;
            }
            let is_own = match kind {
                Kind::Response | Kind::Assertion => name == "ID" && candidate.namespace().is_none(),
                Kind::Signature => name == "Id" && candidate.namespace().is_none(),
                Kind::Foreign => true,
                _ => false,
            };
            if !is_own {
                return Err(Refusal::ForeignIdAttribute { element: name_of(element) });
            }
            self.ids.push(candidate.value().trim_ascii());
        }
        Ok(())
    }

    fn check_unique_ids(&mut self) -> Result<(), Refusal> {
        self.ids.sort_unstable();
        match self.ids.windows(2).find(|pair| pair.first() == pair.last()) {
            Some(pair) => {
                Err(Refusal::DuplicateId { id: Quoted::new(pair.first().copied().unwrap_or_default()) })
            }
            None => Ok(()),
        }
    }
}
