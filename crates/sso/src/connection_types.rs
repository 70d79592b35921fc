//! The types of connections, as one table.

use std::fmt;

use serde::{Serialize, Serializer};
use store::{Column, FromColumn, Param};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Saml,
    Oidc,
    /// A social provider of the whole environment, chosen by the `provider` selector.
    OAuth,
    /// Known by name, not offered.
    Other,
}

/// Standard attributes and where an identity provider of some type puts them.
#[derive(Clone, Copy, Debug)]
pub struct AttributeNames {
    pub idp_id: &'static str,
    pub email: &'static str,
    pub first_name: &'static str,
    pub last_name: &'static str,
    pub name: &'static str,
    pub groups: &'static str,
}

const SAML: AttributeNames = AttributeNames {
    idp_id: "id",
    email: "email",
    first_name: "firstName",
    last_name: "lastName",
    name: "name",
    groups: "groups",
};

/// Microsoft Entra ID's claim URIs.
const ENTRA: AttributeNames = AttributeNames {
    idp_id: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    email: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    first_name: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
    last_name: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
    name: "http://schemas.microsoft.com/identity/claims/displayname",
    groups: "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
};

/// AD FS issues User-Principal-Name and the rest under the same schemas.
const ADFS: AttributeNames = AttributeNames {
    idp_id: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    groups: "http://schemas.xmlsoap.org/claims/Group",
    ..ENTRA
};

/// OpenID Connect Core §5.1.
const OIDC: AttributeNames = AttributeNames {
    idp_id: "sub",
    email: "email",
    first_name: "given_name",
    last_name: "family_name",
    name: "name",
    groups: "groups",
};

/// A row of the table.
struct Entry {
    name: &'static str,
    protocol: Protocol,
    attributes: AttributeNames,
}

const fn saml(name: &'static str) -> Entry {
    Entry { name, protocol: Protocol::Saml, attributes: SAML }
}

const fn oidc(name: &'static str) -> Entry {
    Entry { name, protocol: Protocol::Oidc, attributes: OIDC }
}

const fn oauth(name: &'static str) -> Entry {
    Entry { name, protocol: Protocol::OAuth, attributes: OIDC }
}

const fn other(name: &'static str) -> Entry {
    Entry { name, protocol: Protocol::Other, attributes: SAML }
}

const TYPES: [Entry; 52] = [
    Entry { name: "ADFSSAML", protocol: Protocol::Saml, attributes: ADFS },
    oidc("AdpOidc"),
    oauth("AppleOAuth"),
    other("Auth0Migration"),
    saml("Auth0SAML"),
    Entry { name: "AzureSAML", protocol: Protocol::Saml, attributes: ENTRA },
    oauth("BitbucketOAuth"),
    saml("CasSAML"),
    saml("ClassLinkSAML"),
    oidc("CleverOIDC"),
    saml("CloudflareSAML"),
    saml("CyberArkSAML"),
    oauth("DiscordOAuth"),
    saml("DuoSAML"),
    oidc("EntraIdOIDC"),
    oidc("GenericOIDC"),
    saml("GenericSAML"),
    oauth("GitHubOAuth"),
    oauth("GitLabOAuth"),
    oauth("GoogleOAuth"),
    oidc("GoogleOIDC"),
    saml("GoogleSAML"),
    oauth("GrokOAuth"),
    oauth("IntuitOAuth"),
    saml("JumpCloudSAML"),
    saml("KeycloakSAML"),
    saml("LastPassSAML"),
    oauth("LinkedInOAuth"),
    oidc("LoginGovOidc"),
    other("MagicLink"),
    oauth("MicrosoftOAuth"),
    saml("MiniOrangeSAML"),
    saml("NetIqSAML"),
    oidc("OktaOIDC"),
    saml("OktaSAML"),
    saml("OneLoginSAML"),
    saml("OracleSAML"),
    saml("PingFederateSAML"),
    saml("PingOneSAML"),
    saml("RipplingSAML"),
    oauth("SalesforceOAuth"),
    saml("SalesforceSAML"),
    saml("ShibbolethGenericSAML"),
    saml("ShibbolethSAML"),
    saml("SimpleSamlPhpSAML"),
    oauth("SlackOAuth"),
    saml("TestIdp"),
    saml("VMwareSAML"),
    oauth("VercelMarketplaceOAuth"),
    oauth("VercelOAuth"),
    oauth("XOAuth"),
    oauth("XeroOAuth"),
];

/// One of the known types.
#[derive(Clone, Copy)]
pub struct ConnectionType(&'static Entry);

impl ConnectionType {
    /// Finds a type by its name; the list filter's old spelling `GithubOAuth` is taken too.
    pub fn find(name: &str) -> Option<Self> {
        let name = if name == "GithubOAuth" { "GitHubOAuth" } else { name };
        TYPES.iter().find(|entry| entry.name == name).map(Self)
    }

    /// The type that speaks SAML without being any vendor's.
    pub fn generic_saml() -> Option<Self> {
        Self::find("GenericSAML")
    }

    /// The type that speaks OpenID Connect without being any vendor's.
    pub fn generic_oidc() -> Option<Self> {
        Self::find("GenericOIDC")
    }

    /// As the API shows it.
    pub fn as_str(self) -> &'static str {
        self.0.name
    }

    /// What it speaks.
    pub fn protocol(self) -> Protocol {
        self.0.protocol
    }

    /// Where its identity providers put the standard attributes.
    pub fn attribute_names(self) -> AttributeNames {
        self.0.attributes
    }
}

impl PartialEq for ConnectionType {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for ConnectionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ConnectionType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<ConnectionType> for Param<'_> {
    fn from(connection_type: ConnectionType) -> Self {
        Param::Text(connection_type.as_str().into())
    }
}

impl FromColumn for ConnectionType {
    fn from_column(value: Column<'_>) -> Result<Self, store::Error> {
        let text = String::from_column(value)?;
        Self::find(&text).ok_or_else(|| store::Error::Row(format!("{text:?} is not a connection type")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (index, entry) in TYPES.iter().enumerate() {
            assert!(TYPES.iter().skip(index + 1).all(|other| other.name != entry.name), "{}", entry.name);
        }
        assert_eq!(ConnectionType::find("GithubOAuth"), ConnectionType::find("GitHubOAuth"));
    }
}
