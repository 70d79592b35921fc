//! The checks of the Web Browser SSO profile (SAML profiles 4.1.4.2 and 4.1.4.3). All comparisons are exact.

use roxmltree::Node;

use super::refusal::{Moment, Quoted, Refusal};
use super::structure::{check_status, check_version, name_of, only};
use super::{CLOCK_SKEW, Expected, NameId, Verified, attributes};
use crate::time::parse_datetime;
use crate::xml::{ASSERTION, attribute, child_elements, is_element, value_text};

/// Checks the response's own fields. `is_signed` says whether they are known to be the identity provider's.
pub(super) fn check_response(
    response: Node<'_, '_>,
    is_signed: bool,
    expected: &Expected<'_>,
) -> Result<(), Refusal> {
    check_version(response)?;
    time(response, "IssueInstant")?.ok_or(Refusal::TimeMissing { attribute: "IssueInstant" })?;
    check_status(response)?;
    if let Some(issuer) = only(response, ASSERTION, "Issuer")? {
        check_issuer(issuer, "response", expected)?;
    }
    match attribute(response, "InResponseTo") {
        Some(id) => check_in_response_to(id, "response", expected)?,
        None => return Err(Refusal::UnsolicitedResponse),
    }
    match attribute(response, "Destination") {
        Some(destination) if is_same(destination, expected.acs_url) => Ok(()),
        Some(destination) => Err(Refusal::DestinationMismatch {
            found: Quoted::new(destination),
            expected: Quoted::new(expected.acs_url),
        }),
        // SAML bindings 3.5.5.2: a signed message must say where it was sent.
        None if is_signed => Err(Refusal::DestinationMissing),
        None => Ok(()),
    }
}

/// Checks a signed assertion and reads who it is about.
pub(super) fn read_assertion(
    assertion: Node<'_, '_>,
    response_id: &str,
    signing_certificate: usize,
    expected: &Expected<'_>,
) -> Result<Verified, Refusal> {
    check_version(assertion)?;
    time(assertion, "IssueInstant")?.ok_or(Refusal::TimeMissing { attribute: "IssueInstant" })?;
    let issuer = only(assertion, ASSERTION, "Issuer")?.ok_or(Refusal::IssuerMissing)?;
    check_issuer(issuer, "assertion", expected)?;
    let subject = only(assertion, ASSERTION, "Subject")?.ok_or(Refusal::SubjectMissing)?;
    let name_id = only(subject, ASSERTION, "NameID")?.map(read_name_id).transpose()?;
    let confirmed_until = check_confirmations(subject, expected)?;
    let conditions_until = check_conditions(assertion, expected)?;
    let session = read_session(assertion, expected)?;
    let until = conditions_until.map_or(confirmed_until, |until| until.min(confirmed_until));
    Ok(Verified {
        assertion_id: attribute(assertion, "ID").unwrap_or_default().to_owned(),
        response_id: response_id.to_owned(),
        issuer: expected.idp_entity_id.to_owned(),
        name_id,
        session_index: session.index.map(str::to_owned),
        authn_instant: session.authn_instant,
        attributes: attributes::read(assertion)?,
        replay_until: until.saturating_add(CLOCK_SKEW),
        signing_certificate,
    })
}

fn check_issuer(issuer: Node<'_, '_>, element: &'static str, expected: &Expected<'_>) -> Result<(), Refusal> {
    let found = plain_text(issuer)?;
    if is_same(found, expected.idp_entity_id) {
        return Ok(());
    }
    Err(Refusal::IssuerMismatch {
        element,
        found: Quoted::new(found),
        expected: Quoted::new(expected.idp_entity_id),
    })
}

fn check_in_response_to(id: &str, element: &'static str, expected: &Expected<'_>) -> Result<(), Refusal> {
    if is_same(id, expected.in_response_to) {
        return Ok(());
    }
    Err(Refusal::InResponseToMismatch {
        element,
        found: Quoted::new(id),
        expected: Quoted::new(expected.in_response_to),
    })
}

fn read_name_id(node: Node<'_, '_>) -> Result<NameId, Refusal> {
    let value = plain_text(node)?;
    if value.is_empty() {
        return Err(Refusal::NameIdEmpty);
    }
    Ok(NameId { value: value.to_owned(), format: attribute(node, "Format").map(str::to_owned) })
}

/// One bearer confirmation must pass every check by itself (SAML profiles 4.1.4.2). Returns until when one does, the
/// latest if several do; otherwise refuses for the first one's reason.
fn check_confirmations(subject: Node<'_, '_>, expected: &Expected<'_>) -> Result<i64, Refusal> {
    const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
    let bearers = child_elements(subject).filter(|confirmation| {
        is_element(*confirmation, ASSERTION, "SubjectConfirmation")
            && attribute(*confirmation, "Method") == Some(BEARER)
    });
    let mut latest = None;
    let mut refusal = Refusal::ConfirmationMissing;
    let mut is_first = true;
    for confirmation in bearers {
        match check_confirmation(confirmation, expected) {
            Ok(until) => latest = latest.max(Some(until)),
            Err(error) if is_first => refusal = error,
            Err(_) => {}
        }
        is_first = false;
    }
    latest.ok_or(refusal)
}

fn check_confirmation(confirmation: Node<'_, '_>, expected: &Expected<'_>) -> Result<i64, Refusal> {
    let data = only(confirmation, ASSERTION, "SubjectConfirmationData")?.ok_or(Refusal::RecipientMissing)?;
    let recipient = attribute(data, "Recipient").ok_or(Refusal::RecipientMissing)?;
    if !is_same(recipient, expected.acs_url) {
        return Err(Refusal::RecipientMismatch {
            found: Quoted::new(recipient),
            expected: Quoted::new(expected.acs_url),
        });
    }
    let not_on_or_after = time(data, "NotOnOrAfter")?.ok_or(Refusal::ConfirmationWithoutExpiry)?;
    if is_over(not_on_or_after, expected) {
        let (not_on_or_after, now) = (Moment(not_on_or_after), Moment(expected.now));
        return Err(Refusal::ConfirmationExpired { not_on_or_after, now });
    }
    // The profile forbids NotBefore here; where it stands all the same it is meant.
    if let Some(not_before) = time(data, "NotBefore")?.filter(|not_before| is_ahead(*not_before, expected)) {
        let (not_before, now) = (Moment(not_before), Moment(expected.now));
        return Err(Refusal::ConfirmationNotYetValid { not_before, now });
    }
    match attribute(data, "InResponseTo") {
        Some(id) => check_in_response_to(id, "subject confirmation", expected)?,
        None => return Err(Refusal::UnsolicitedResponse),
    }
    Ok(not_on_or_after)
}

/// Checks every condition (SAML core 2.5.1). Returns until when they hold, if they say.
fn check_conditions(assertion: Node<'_, '_>, expected: &Expected<'_>) -> Result<Option<i64>, Refusal> {
    let conditions = only(assertion, ASSERTION, "Conditions")?.ok_or(Refusal::ConditionsMissing)?;
    if let Some(not_before) =
        time(conditions, "NotBefore")?.filter(|not_before| is_ahead(*not_before, expected))
    {
        return Err(Refusal::NotYetValid { not_before: Moment(not_before), now: Moment(expected.now) });
    }
    let not_on_or_after = time(conditions, "NotOnOrAfter")?;
    if let Some(not_on_or_after) =
        not_on_or_after.filter(|not_on_or_after| is_over(*not_on_or_after, expected))
    {
        return Err(Refusal::Expired { not_on_or_after: Moment(not_on_or_after), now: Moment(expected.now) });
    }
    let mut has_audience = false;
    for condition in child_elements(conditions) {
        if is_element(condition, ASSERTION, "AudienceRestriction") {
            check_audience(condition, expected)?;
            has_audience = true;
            continue;
        }
        // Every assertion is used once here anyway, and is never passed on to anyone.
        let is_harmless = is_element(condition, ASSERTION, "OneTimeUse")
            || is_element(condition, ASSERTION, "ProxyRestriction");
        if !is_harmless {
            return Err(Refusal::UnknownCondition { condition: name_of(condition) });
        }
    }
    if has_audience { Ok(not_on_or_after) } else { Err(Refusal::AudienceMissing) }
}

/// One restriction is met by any of its audiences; all restrictions must be met (SAML core 2.5.1.4).
fn check_audience(restriction: Node<'_, '_>, expected: &Expected<'_>) -> Result<(), Refusal> {
    let mut first = None;
    for audience in child_elements(restriction).filter(|child| is_element(*child, ASSERTION, "Audience")) {
        let audience = plain_text(audience)?;
        if is_same(audience, expected.sp_entity_id) {
            return Ok(());
        }
        first = first.or(Some(audience));
    }
    let found = first.ok_or(Refusal::AudienceMissing)?;
    Err(Refusal::AudienceMismatch { found: Quoted::new(found), expected: Quoted::new(expected.sp_entity_id) })
}

/// The session at the identity provider.
struct Session<'a> {
    index: Option<&'a str>,
    authn_instant: Option<i64>,
}

fn read_session<'a>(assertion: Node<'a, '_>, expected: &Expected<'_>) -> Result<Session<'a>, Refusal> {
    let mut session = Session { index: None, authn_instant: None };
    let statements =
        child_elements(assertion).filter(|statement| is_element(*statement, ASSERTION, "AuthnStatement"));
    for statement in statements {
        let ends = time(statement, "SessionNotOnOrAfter")?;
        if let Some(not_on_or_after) = ends.filter(|ends| is_over(*ends, expected)) {
            let (not_on_or_after, now) = (Moment(not_on_or_after), Moment(expected.now));
            return Err(Refusal::SessionExpired { not_on_or_after, now });
        }
        let instant =
            time(statement, "AuthnInstant")?.ok_or(Refusal::TimeMissing { attribute: "AuthnInstant" })?;
        session.authn_instant =
            Some(session.authn_instant.map_or(instant, |earliest: i64| earliest.min(instant)));
        session.index =
            session.index.or(attribute(statement, "SessionIndex").filter(|index| !index.is_empty()));
    }
    Ok(session)
}

/// Whether what was found is exactly what is expected. Nothing is expected to be empty: a connection that is only half
/// configured must match nobody, not everybody who leaves the value out.
fn is_same(found: &str, expected: &str) -> bool {
    found == expected && !expected.is_empty()
}

/// An element's whole text.
fn plain_text<'a>(node: Node<'a, '_>) -> Result<&'a str, Refusal> {
    value_text(node).map_err(|_| Refusal::NotPlainText { element: name_of(node) })
}

/// A time attribute in epoch milliseconds, if it is there. One that cannot be read refuses.
fn time(node: Node<'_, '_>, name: &'static str) -> Result<Option<i64>, Refusal> {
    let Some(text) = attribute(node, name) else { return Ok(None) };
    match parse_datetime(text) {
        Some(millis) => Ok(Some(millis)),
        None => Err(Refusal::MalformedTime { attribute: name, found: Quoted::new(text) }),
    }
}

/// Whether `not_on_or_after` has passed on any clock within the skew.
fn is_over(not_on_or_after: i64, expected: &Expected<'_>) -> bool {
    expected.now.saturating_sub(CLOCK_SKEW) >= not_on_or_after
}

/// Whether `not_before` is still to come on any clock within the skew.
fn is_ahead(not_before: i64, expected: &Expected<'_>) -> bool {
    expected.now.saturating_add(CLOCK_SKEW) < not_before
}
