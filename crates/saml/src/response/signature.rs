//! XML Signature as SAML profiles it (SAML core 5.4), and nothing more of it.

use roxmltree::Node;

use super::refusal::{EmbeddedCertificate, Quoted, Refusal};
use super::structure::name_of;
use crate::algorithm::{Hash, SignatureAlgorithm};
use crate::c14n::{Canonicalization, Mode, canonicalize};
use crate::certificate::{Certificate, fingerprint_sha256};
use crate::encoding::decode_base64;
use crate::xml::{EXCLUSIVE, SIGNATURE, attribute, child_elements, has_only_layout_text, is_element, text};

/// Longest signature value or digest, decoded.
const MAX_VALUE_BYTES: usize = 1024;
/// Longest `PrefixList`, in prefixes.
const MAX_PREFIXES: usize = 32;

/// A signature's parts, read and found to be as SAML allows them.
struct Signature<'a, 'i> {
    node: Node<'a, 'i>,
    signed_info: Node<'a, 'i>,
    signed_info_form: Canonicalization<'a>,
    algorithm: SignatureAlgorithm,
    algorithm_uri: &'a str,
    content_form: Canonicalization<'a>,
    digest: Hash,
    digest_value: Vec<u8>,
    value: Vec<u8>,
}

/// Verifies the `signature` of its parent, which has the id `id`. Returns the octets that were digested, from which
/// alone anything may be read, and which certificate's key made the signature.
pub(super) fn verify(
    signature: Node<'_, '_>,
    signed: Node<'_, '_>,
    id: &str,
    certificates: &[Certificate],
    allow_sha1: bool,
) -> Result<(String, usize), Refusal> {
    let signature = Signature::read(signature, signed, id)?;
    signature.check_algorithms(certificates, allow_sha1)?;
    // The signature first: it covers the transforms and costs the same for every document, so that nobody without the
    // key chooses how much is canonicalised.
    let certificate = signature.find_key(certificates)?;
    let octets = signature.digested_octets(signed)?;
    if signature.digest.digest(octets.as_bytes()).as_ref() != signature.digest_value {
        return Err(Refusal::DigestMismatch);
    }
    Ok((octets, certificate))
}

impl<'a, 'i> Signature<'a, 'i> {
    fn read(node: Node<'a, 'i>, signed: Node<'a, 'i>, id: &str) -> Result<Self, Refusal> {
        let mut parts = Parts::of(node, "the children of Signature")?;
        let signed_info = parts.take("SignedInfo")?;
        let value = parts.take("SignatureValue")?;
        if let Some(key_info) = parts.take_optional("KeyInfo") {
            check_key_info(key_info)?;
        }
        parts.end()?;

        let mut parts = Parts::of(signed_info, "the children of SignedInfo")?;
        let canonicalization = parts.take("CanonicalizationMethod")?;
        let method = parts.take("SignatureMethod")?;
        let reference = parts.take("Reference")?;
        parts.end()?;
        Parts::of(method, "the children of SignatureMethod")?.end()?;

        let uri = attribute(reference, "URI").unwrap_or_default();
        if uri.strip_prefix('#') != Some(id) {
            return Err(Refusal::ReferenceMismatch { uri: Quoted::new(uri) });
        }
        let mut parts = Parts::of(reference, "the children of Reference")?;
        let transforms = parts.take("Transforms")?;
        let digest_method = parts.take("DigestMethod")?;
        let digest_value = parts.take("DigestValue")?;
        parts.end()?;
        Parts::of(digest_method, "the children of DigestMethod")?.end()?;

        let algorithm_uri = algorithm_of(method)?;
        let algorithm = SignatureAlgorithm::from_uri(algorithm_uri)
            .ok_or_else(|| Refusal::AlgorithmNotAllowed { algorithm: Quoted::new(algorithm_uri) })?;
        let digest_uri = algorithm_of(digest_method)?;
        let digest = Hash::from_uri(digest_uri)
            .ok_or_else(|| Refusal::AlgorithmNotAllowed { algorithm: Quoted::new(digest_uri) })?;
        let signed_info_form = canonicalization_of(canonicalization)?.ok_or_else(|| {
            let algorithm = attribute(canonicalization, "Algorithm").unwrap_or_default();
            Refusal::CanonicalizationNotAllowed { algorithm: Quoted::new(algorithm) }
        })?;
        let content_form = read_transforms(transforms)?;
        // A reference by fragment never covers comments (XML Signature 4.4.3.3), whatever the canonicalization says,
        // but not all signers know. Where there are none, both read the same.
        if content_form.with_comments && signed.descendants().any(|node| node.is_comment()) {
            return Err(Refusal::CommentInside);
        }
        Ok(Self {
            node,
            signed_info,
            signed_info_form,
            algorithm,
            algorithm_uri,
            content_form,
            digest,
            digest_value: value_of(digest_value, "DigestValue")?,
            value: value_of(value, "SignatureValue")?,
        })
    }

    fn check_algorithms(&self, certificates: &[Certificate], allow_sha1: bool) -> Result<(), Refusal> {
        if !allow_sha1 && (self.algorithm.hash == Hash::Sha1 || self.digest == Hash::Sha1) {
            return Err(Refusal::Sha1NotAllowed);
        }
        if certificates.iter().any(|certificate| certificate.is_of_family(self.algorithm.family)) {
            Ok(())
        } else {
            Err(Refusal::AlgorithmKeyMismatch { algorithm: Quoted::new(self.algorithm_uri) })
        }
    }

    /// The pinned certificate whose key made the signature value.
    fn find_key(&self, certificates: &[Certificate]) -> Result<usize, Refusal> {
        let mut octets = String::with_capacity(1024);
        canonicalize(self.signed_info, None, &self.signed_info_form, &mut octets)
            .map_err(|_| Refusal::Uncanonical)?;
        certificates
            .iter()
            .position(|certificate| certificate.verifies(self.algorithm, octets.as_bytes(), &self.value))
            .ok_or_else(|| Refusal::SignatureInvalid {
                pinned: certificates.len(),
                embedded: EmbeddedCertificate(self.embedded_fingerprint()),
            })
    }

    fn digested_octets(&self, signed: Node<'a, 'i>) -> Result<String, Refusal> {
        let mut octets = String::with_capacity(signed.range().len());
        canonicalize(signed, Some(self.node), &self.content_form, &mut octets)
            .map_err(|_| Refusal::Uncanonical)?;
        Ok(octets)
    }

    /// The fingerprint of the certificate in `KeyInfo`, to tell the operator. Nothing is decided by it.
    fn embedded_fingerprint(&self) -> Option<String> {
        const LONGEST: usize = 64 * 1024;
        let certificate =
            self.node.descendants().find(|node| is_element(*node, SIGNATURE, "X509Certificate"))?;
        let der = decode_base64(text(certificate).ok()?, LONGEST).ok().filter(|der| !der.is_empty())?;
        Some(fingerprint_sha256(&der))
    }
}

/// The child elements of one element, taken in the order the schema gives them.
struct Parts<'a, 'i> {
    rest: Vec<Node<'a, 'i>>,
    what: &'static str,
}

impl<'a, 'i> Parts<'a, 'i> {
    fn of(node: Node<'a, 'i>, what: &'static str) -> Result<Self, Refusal> {
        // Nothing in a signature has more than four children; do not copy a million.
        let mut rest: Vec<_> = child_elements(node).take(5).collect();
        rest.reverse();
        if has_only_layout_text(node) {
            Ok(Self { rest, what })
        } else {
            Err(Refusal::SignatureMalformed { what })
        }
    }

    fn take(&mut self, name: &str) -> Result<Node<'a, 'i>, Refusal> {
        self.take_optional(name).ok_or(Refusal::SignatureMalformed { what: self.what })
    }

    fn take_optional(&mut self, name: &str) -> Option<Node<'a, 'i>> {
        self.rest.pop_if(|node| is_element(*node, SIGNATURE, name))
    }

    fn end(self) -> Result<(), Refusal> {
        if self.rest.is_empty() { Ok(()) } else { Err(Refusal::SignatureMalformed { what: self.what }) }
    }
}

/// The `Algorithm` attribute.
fn algorithm_of<'a>(node: Node<'a, '_>) -> Result<&'a str, Refusal> {
    attribute(node, "Algorithm").ok_or(Refusal::SignatureMalformed { what: "an algorithm is missing" })
}

/// The octets of a `DigestValue` or `SignatureValue`, which holds base64 text alone.
fn value_of(node: Node<'_, '_>, what: &'static str) -> Result<Vec<u8>, Refusal> {
    text(node)
        .ok()
        .and_then(|text| decode_base64(text, MAX_VALUE_BYTES).ok())
        .filter(|value| !value.is_empty())
        .ok_or(Refusal::SignatureMalformed { what })
}

/// Exactly the enveloped-signature transform, then at most one canonicalization (SAML core 5.4.4).
fn read_transforms<'a>(transforms: Node<'a, '_>) -> Result<Canonicalization<'a>, Refusal> {
    const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
    let mut parts = Parts::of(transforms, "the children of Transforms")?;
    let enveloped = parts.take("Transform")?;
    let not_allowed = |node| Refusal::TransformNotAllowed {
        algorithm: Quoted::new(attribute(node, "Algorithm").unwrap_or_default()),
    };
    if algorithm_of(enveloped)? != ENVELOPED {
        return Err(not_allowed(enveloped));
    }
    Parts::of(enveloped, "the children of Transform")?.end()?;
    let Some(second) = parts.take_optional("Transform") else {
        parts.end()?;
        // XML Signature 4.4.3.2: a node-set becomes octets by inclusive canonicalization unless a transform says how.
        return Ok(Canonicalization::INCLUSIVE);
    };
    let form = canonicalization_of(second)?.ok_or_else(|| not_allowed(second))?;
    match parts.take_optional("Transform") {
        Some(third) => Err(not_allowed(third)),
        None => parts.end().map(|()| form),
    }
}

/// How the element's `Algorithm` canonicalises; `None` if it is not one that is allowed.
fn canonicalization_of<'a>(node: Node<'a, '_>) -> Result<Option<Canonicalization<'a>>, Refusal> {
    let (mode, with_comments) = match algorithm_of(node)? {
        EXCLUSIVE => (Mode::Exclusive, false),
        "http://www.w3.org/2001/10/xml-exc-c14n#WithComments" => (Mode::Exclusive, true),
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315" => (Mode::Inclusive, false),
        "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments" => (Mode::Inclusive, true),
        _ => return Ok(None),
    };
    let what = "the parameters of a canonicalization";
    let malformed = || Refusal::SignatureMalformed { what };
    let mut children = child_elements(node);
    let mut inclusive_prefixes = "";
    if let Some(parameters) = children.next() {
        let is_expected = mode == Mode::Exclusive && is_element(parameters, EXCLUSIVE, "InclusiveNamespaces");
        if !is_expected || parameters.first_child().is_some() || children.next().is_some() {
            return Err(malformed());
        }
        inclusive_prefixes = attribute(parameters, "PrefixList").unwrap_or_default();
        if inclusive_prefixes.split_ascii_whitespace().nth(MAX_PREFIXES).is_some() {
            return Err(malformed());
        }
    }
    if !has_only_layout_text(node) {
        return Err(malformed());
    }
    Ok(Some(Canonicalization { mode, with_comments, inclusive_prefixes }))
}

/// `KeyInfo` may be there and say who claims to have signed, in the ways that fetch nothing and hide nothing. It is
/// not read: the keys are those that the connection pins.
fn check_key_info(key_info: Node<'_, '_>) -> Result<(), Refusal> {
    for element in key_info.descendants().skip(1).filter(Node::is_element) {
        let is_known = element.tag_name().namespace() == Some(SIGNATURE)
            && matches!(
                element.tag_name().name(),
                "KeyName"
                    | "KeyValue"
                    | "RSAKeyValue"
                    | "Modulus"
                    | "Exponent"
                    | "DSAKeyValue"
                    | "P"
                    | "Q"
                    | "G"
                    | "Y"
                    | "J"
                    | "Seed"
                    | "PgenCounter"
                    | "X509Data"
                    | "X509Certificate"
                    | "X509IssuerSerial"
                    | "X509IssuerName"
                    | "X509SerialNumber"
                    | "X509SubjectName"
                    | "X509SKI"
                    | "X509CRL"
            );
        // XML Signature 1.1 has its additions in a namespace of its own.
        let is_addition = element.tag_name().namespace() == Some("http://www.w3.org/2009/xmldsig11#")
            && matches!(
                element.tag_name().name(),
                "ECKeyValue" | "NamedCurve" | "PublicKey" | "DEREncodedKeyValue" | "X509Digest"
            );
        if !is_known && !is_addition {
            return Err(Refusal::UnexpectedElement {
                element: name_of(element),
                parent: Quoted::new("KeyInfo"),
            });
        }
    }
    Ok(())
}
