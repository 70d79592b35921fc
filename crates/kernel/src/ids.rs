//! Typed ids: a prefix that names the noun and a ULID. One list for the whole product, in alphabetical order.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use ulid::Ulid;

use crate::App;

/// What every id type knows about itself.
pub trait Id: fmt::Display + FromStr<Err = InvalidId> + Copy + Send + Sync + 'static {
    /// The noun as error messages name it, for example `Organization`.
    const NOUN: &'static str;
    /// The part before the ULID, with its underscore.
    const PREFIX: &'static str;
}

/// The text isn't an id of the asked type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this type")]
pub struct InvalidId;

/// A fresh ULID from the app's clock and randomness; also used bare, as the SSO authorization code's form.
pub fn ulid(app: &App) -> Ulid {
    let time = u64::try_from(app.clock.now().0).unwrap_or(0);
    Ulid::from_parts(time, u128::from_be_bytes(app.random.bytes::<16>()))
}

/// Makes ULIDs that only rise, also within one millisecond and when the clock steps back. PostgreSQL numbers
/// the events of a transaction in the order of their ids, which so is the order they were emitted in.
#[derive(Debug, Default)]
pub struct Rising(Mutex<Ulid>);

impl Rising {
    fn next(&self, fresh: Ulid) -> Ulid {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = if fresh.timestamp_ms() > last.timestamp_ms() { Ok(fresh) } else { last.increment() };
        // Without a successor (2^80 events in a millisecond) order gives way to uniqueness.
        let next = next.unwrap_or(fresh);
        *last = next;
        next
    }
}

impl EventId {
    /// A new id above all that this process made before. Not for secrets: the next one can be guessed.
    pub fn rising(app: &App) -> Self {
        Self(app.event_ids.next(ulid(app)))
    }
}

macro_rules! typed_ids {
    ($($name:ident, $prefix:literal, $noun:literal;)*) => {$(
        #[doc = concat!("`", $prefix, "…`: the id of one ", $noun, ".")]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// A new id from the app's clock and randomness.
            pub fn generate(app: &App) -> Self {
                Self(ulid(app))
            }
        }

        impl Id for $name {
            const NOUN: &'static str = $noun;
            const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                f.write_str($prefix)?;
                f.write_str(self.0.array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let ulid = text.strip_prefix($prefix).ok_or(InvalidId)?;
                // One spelling only: ids are compared as text in the database.
                if ulid.bytes().any(|byte| byte.is_ascii_lowercase()) {
                    return Err(InvalidId);
                }
                let parsed = Ulid::from_string(ulid).map_err(|_| InvalidId)?;
                let mut buffer = [0; ulid::ULID_LEN];
                (parsed.array_to_str(&mut buffer) == ulid).then_some(Self(parsed)).ok_or(InvalidId)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl From<$name> for store::Param<'_> {
            fn from(id: $name) -> Self {
                store::Param::Text(id.to_string().into())
            }
        }

        impl store::FromColumn for $name {
            fn from_column(value: store::Column<'_>) -> Result<Self, store::Error> {
                let text = String::from_column(value)?;
                text.parse().map_err(|_| store::Error::Row(format!("{text:?} is not {}", stringify!($name))))
            }
        }
    )*};
}

typed_ids! {
    ApiKeyId, "api_key_", "API Key";
    ClientId, "client_", "Client";
    ConnectionId, "conn_", "Connection";
    EnvironmentId, "environment_", "Environment";
    EventId, "event_", "Event";
    JobId, "job_", "Job";
    OrganizationDomainId, "org_domain_", "Organization Domain";
    OrganizationId, "org_", "Organization";
    ProfileId, "prof_", "Profile";
    ProjectId, "project_", "Project";
    RedirectUriId, "redir_", "Redirect URI";
    SamlCertificateId, "saml_x509_cert_", "SAML certificate";
    SignInId, "saml_session_", "Sign-in";
    SigningKeyId, "sso_key_", "Signing key";
    TeamId, "team_", "Team";
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "org_01EHWNCE74X7JSDV0X3SZ3KJNY";

    #[test]
    fn parses_what_it_prints() {
        assert_eq!(ID.parse::<OrganizationId>().unwrap().to_string(), ID);
    }

    #[test]
    fn rising_ids_rise_when_the_clock_stands_still_or_steps_back() {
        let rising = Rising::default();
        let made: Vec<Ulid> = [(5, 9), (5, 3), (4, 7), (5, 1), (6, 0), (6, u128::MAX), (5, 2)]
            .into_iter()
            .map(|(time, random)| rising.next(Ulid::from_parts(time, random)))
            .collect();
        assert!(made.is_sorted_by(|earlier, later| earlier < later), "{made:?}");
        assert_eq!(made.iter().map(Ulid::timestamp_ms).collect::<Vec<_>>(), [5, 5, 5, 5, 6, 6, 6]);
    }

    #[test]
    fn refuses_other_prefixes_and_spellings() {
        for text in [
            "conn_01EHWNCE74X7JSDV0X3SZ3KJNY",
            "org_01ehwnce74x7jsdv0x3sz3kjny",
            "org_01EHWNCE74X7JSDV0X3SZ3KJN",
            "org_01EHWNCE74X7JSDV0X3SZ3KJNYY",
            "org_ZZEHWNCE74X7JSDV0X3SZ3KJNY",
            "org_",
            "",
            " org_01EHWNCE74X7JSDV0X3SZ3KJNY",
        ] {
            assert_eq!(text.parse::<OrganizationId>(), Err(InvalidId), "{text:?}");
        }
    }
}
