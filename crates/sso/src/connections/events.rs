use kernel::Timestamp;
use kernel::events::Event;
use kernel::ids::{ConnectionId, OrganizationId};
use serde::Serialize;

use super::{Connection, ConnectionDomain, ConnectionView, State};
use crate::connection_types::ConnectionType;

/// A connection with the key of its URLs, as activation events show it.
#[derive(Debug, Serialize)]
struct Keyed {
    #[serde(flatten)]
    connection: ConnectionView,
    external_key: String,
}

macro_rules! state_events {
    ($($event:ident, $name:literal;)*) => {$(
        #[derive(Debug, Serialize)]
        #[serde(transparent)]
        pub struct $event(Keyed);

        impl $event {
            pub fn new(connection: &Connection, domains: Vec<ConnectionDomain>) -> Self {
                let external_key = connection.external_key.clone();
                Self(Keyed { connection: ConnectionView::brief(connection, domains), external_key })
            }
        }

        impl Event for $event {
            const NAME: &'static str = $name;
        }
    )*};
}

state_events! {
    ConnectionActivated, "connection.activated";
    ConnectionDeactivated, "connection.deactivated";
}

/// `connection.deleted`: the state it had, without what only a living connection has.
#[derive(Debug, Serialize)]
pub struct ConnectionDeleted {
    object: &'static str,
    id: ConnectionId,
    state: State,
    name: String,
    connection_type: ConnectionType,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization_id: Option<OrganizationId>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl ConnectionDeleted {
    pub fn new(connection: &Connection) -> Self {
        Self {
            object: "connection",
            id: connection.id,
            state: connection.state,
            name: connection.name.clone(),
            connection_type: connection.connection_type,
            organization_id: connection.organization_id,
            created_at: connection.created_at,
            updated_at: connection.updated_at,
        }
    }
}

impl Event for ConnectionDeleted {
    const NAME: &'static str = "connection.deleted";
}
