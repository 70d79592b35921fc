use kernel::events::Event;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::Organization;

/// An organization as events show it: without the deprecated switch.
fn payload<S: Serializer>(organization: &Organization, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    map.serialize_entry("object", organization.object)?;
    map.serialize_entry("id", &organization.id)?;
    map.serialize_entry("name", &organization.name)?;
    map.serialize_entry("domains", &organization.domains)?;
    map.serialize_entry("metadata", &organization.metadata)?;
    map.serialize_entry("external_id", &organization.external_id)?;
    if let Some(stripe_customer_id) = &organization.stripe_customer_id {
        map.serialize_entry("stripe_customer_id", stripe_customer_id)?;
    }
    map.serialize_entry("created_at", &organization.created_at)?;
    map.serialize_entry("updated_at", &organization.updated_at)?;
    map.end()
}

macro_rules! organization_events {
    ($($event:ident, $name:literal;)*) => {$(
        #[derive(Debug)]
        pub struct $event<'a>(pub &'a Organization);

        impl Event for $event<'_> {
            const NAME: &'static str = $name;
        }

        impl Serialize for $event<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                payload(self.0, serializer)
            }
        }
    )*};
}

organization_events! {
    OrganizationCreated, "organization.created";
    OrganizationUpdated, "organization.updated";
    OrganizationDeleted, "organization.deleted";
}
