//! From what an identity provider says to who it is: names mapped, values bounded.

use saml::response::Verified;
use serde_json::{Map, Value, json};

use crate::connections::Connection;
use crate::sign_in::Refusal;

const MAX_VALUE: usize = 1024;
const MAX_EMAIL: usize = 254;
const MAX_GROUPS: usize = 2000;
/// Raw attributes beyond this, in bytes of JSON, aren't kept.
const MAX_RAW: usize = 64 * 1024;

/// A person as one identity provider knows them. `idp_id` with the connection is the identity; the e-mail
/// address is a detail that may change.
#[derive(Clone, PartialEq)]
pub(crate) struct Identity {
    pub idp_id: String,
    pub email: String,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub name: Option<String>,
    pub groups: Vec<String>,
    pub raw_attributes: Map<String, Value>,
}

impl Identity {
    /// The part after the last `@`, in the one spelling domains are stored in; empty if it isn't a domain.
    pub fn email_domain(&self) -> String {
        let domain = self.email.rsplit_once('@').map_or("", |(_, domain)| domain);
        organizations::domains::normalized(domain).unwrap_or_default()
    }
}

/// Where the standard attributes are found for this connection.
struct Sources<'a>(&'a Connection);

impl Sources<'_> {
    fn of(&self, attribute: &str, default: &'static str) -> &str {
        self.0.attribute_map.get(attribute).map_or(default, String::as_str)
    }
}

/// The identity an accepted SAML assertion asserts. All of id, e-mail, first and last name must be there, as
/// documented for every SAML identity provider.
pub(crate) fn from_saml(connection: &Connection, verified: &Verified) -> Result<Identity, Refusal> {
    let names = connection.connection_type.attribute_names();
    let sources = Sources(connection);
    let values = |source: &str| -> Vec<String> {
        verified
            .attributes
            .iter()
            .filter(|attribute| attribute.name == source)
            .flat_map(|attribute| attribute.values.iter())
            // The white space of XML, which pretty-printing adds; any other is part of the value.
            .map(|value| value.trim_matches([' ', '\t', '\r', '\n']).to_owned())
            .filter(|value| !value.is_empty())
            .collect()
    };
    let single = |source: &str| -> Result<Option<String>, Refusal> {
        let mut found = values(source);
        found.dedup();
        match found.len() {
            0 | 1 => Ok(found.pop()),
            // Which of several is the person must not be a guess.
            _ => Err(invalid(format!("The attribute '{source}' has several values where one is expected."))),
        }
    };
    let required = |attribute: &str, source: &str| -> Result<String, Refusal> {
        single(source)?.ok_or_else(|| {
            let sent: Vec<&str> = verified.attributes.iter().map(|a| a.name.as_str()).take(30).collect();
            invalid(format!(
                "The assertion has no attribute '{source}' for {attribute}. It has: {}. Add it at the identity \
                 provider or map another one.",
                sent.join(", ")
            ))
        })
    };
    let raw = verified.attributes.iter().map(|attribute| {
        let value = match attribute.values.as_slice() {
            [one] => json!(one),
            several => json!(several),
        };
        (attribute.name.clone(), value)
    });
    checked(Identity {
        idp_id: required("idp_id", sources.of("idp_id", names.idp_id))?,
        email: required("email", sources.of("email", names.email))?,
        first_name: Some(required("first_name", sources.of("first_name", names.first_name))?),
        last_name: Some(required("last_name", sources.of("last_name", names.last_name))?),
        name: single(sources.of("name", names.name))?,
        groups: values(sources.of("groups", names.groups)),
        raw_attributes: raw.collect(),
    })
}

/// The identity that verified ID-token (and UserInfo) claims assert. Subject and e-mail must be there.
pub(crate) fn from_oidc(connection: &Connection, claims: &Map<String, Value>) -> Result<Identity, Refusal> {
    let names = connection.connection_type.attribute_names();
    let sources = Sources(connection);
    let text = |source: &str| -> Result<Option<String>, Refusal> {
        match claims.get(source) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Some(_) => Err(invalid(format!("The claim '{source}' is not text."))),
        }
    };
    let required = |attribute: &str, source: &str| -> Result<String, Refusal> {
        text(source)?.ok_or_else(|| invalid(format!("There is no claim '{source}' for {attribute}.")))
    };
    let id_source = sources.of("idp_id", names.idp_id);
    // To the letter: to the provider, an id with a space at its end may be somebody else's.
    let idp_id = match (required("idp_id", id_source)?, claims.get(id_source)) {
        (_, Some(Value::String(exact))) => exact.clone(),
        (trimmed, _) => trimmed,
    };
    let groups_source = sources.of("groups", names.groups);
    let groups = match claims.get(groups_source) {
        Some(Value::Array(groups)) => {
            groups.iter().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
        }
        Some(Value::String(group)) => vec![group.clone()],
        _ => Vec::new(),
    };
    let name = text(sources.of("name", names.name))?;
    let mut words = name.as_deref().unwrap_or_default().splitn(2, ' ').map(ToOwned::to_owned);
    let first_name = text(sources.of("first_name", names.first_name))?.or_else(|| words.next());
    let last_name = text(sources.of("last_name", names.last_name))?.or_else(|| words.next());
    // Claims about the token, not the person.
    let protocol = ["iss", "aud", "exp", "iat", "nbf", "nonce", "at_hash", "c_hash", "azp", "sid", "jti"];
    let raw = claims.iter().filter(|(name, _)| !protocol.contains(&name.as_str()));
    checked(Identity {
        idp_id,
        email: required("email", sources.of("email", names.email))?,
        first_name: first_name.filter(|name| !name.is_empty()),
        last_name: last_name.filter(|name| !name.is_empty()),
        name,
        groups,
        raw_attributes: raw.map(|(name, value)| (name.clone(), value.clone())).collect(),
    })
}

fn checked(mut identity: Identity) -> Result<Identity, Refusal> {
    let names = [&identity.first_name, &identity.last_name, &identity.name];
    let texts = names.into_iter().flatten().chain([&identity.idp_id]).chain(&identity.groups);
    let is_bad = |text: &String| text.chars().count() > MAX_VALUE || text.contains('\0');
    if { texts }.any(is_bad) {
        return Err(invalid(format!("An attribute is longer than {MAX_VALUE} characters or holds U+0000.")));
    }
    if !is_email(&identity.email) {
        return Err(invalid("The e-mail attribute is not an e-mail address."));
    }
    if identity.groups.len() > MAX_GROUPS {
        return Err(invalid(format!("There are more than {MAX_GROUPS} groups.")));
    }
    let raw = serde_json::to_string(&identity.raw_attributes).unwrap_or_default();
    if raw.len() > MAX_RAW || raw.contains("\\u0000") {
        identity.raw_attributes.clear();
    }
    if identity.name.is_none() {
        let parts: Vec<&str> =
            [&identity.first_name, &identity.last_name].into_iter().flatten().map(String::as_str).collect();
        identity.name = (!parts.is_empty()).then(|| parts.join(" "));
    }
    Ok(identity)
}

/// One address: ASCII without spaces, controls, quotes or a second `@`, with a domain.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.len() <= MAX_EMAIL
        && !local.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'<' | b'>' | b'"' | b'\\'))
        && !domain.contains('@')
        && organizations::domains::normalized(domain).is_some()
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::answer("invalid_attributes", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_single_and_plain() {
        for (text, good) in [
            ("ada@example.com", true),
            ("ada+tag@sub.example.co.uk", true),
            ("ada@example", false),
            ("ada", false),
            ("@example.com", false),
            ("ada@evil.test@example.com", false),
            ("ada@example.com,eve@evil.test", false),
            ("ada@example.com\n", false),
            ("\"ada@evil\"@example.com", false),
            ("ad\u{430}@example.com", false),
            ("ada@example.com>", false),
        ] {
            assert_eq!(is_email(text), good, "{text:?}");
        }
    }
}
