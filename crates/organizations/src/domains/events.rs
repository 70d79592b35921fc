use kernel::events::Event;
use serde::Serialize;

use super::OrganizationDomain;

macro_rules! domain_events {
    ($($event:ident, $name:literal;)*) => {$(
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub struct $event<'a>(pub &'a OrganizationDomain);

        impl Event for $event<'_> {
            const NAME: &'static str = $name;
        }
    )*};
}

domain_events! {
    DomainCreated, "organization_domain.created";
    DomainUpdated, "organization_domain.updated";
    DomainVerified, "organization_domain.verified";
    DomainDeleted, "organization_domain.deleted";
}
