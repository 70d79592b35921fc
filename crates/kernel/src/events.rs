//! Events: written by the transaction of the change they tell of, in one table that feeds `GET /events`
//! and everything else that listens.

use serde::Serialize;
use serde_json::{Value, json};
use store::{Tx, params};

use crate::ids::{EnvironmentId, EventId, OrganizationId};
use crate::{App, Error, Result};

/// A kind of event; serialising it gives the envelope's `data`.
pub trait Event: Serialize {
    /// The type on the wire, for example `organization.created`. Never changes once released.
    const NAME: &'static str;
}

/// Who made the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A secret key of the environment.
    ApiKey { id: String, name: String },
    /// The product itself: sign-ins, seeds, jobs.
    System,
}

/// Where an event belongs and who caused it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub environment: EnvironmentId,
    pub organization: Option<OrganizationId>,
    pub actor: &'a Actor,
}

impl Scope<'_> {
    /// The same scope within an organization.
    #[must_use]
    pub fn of(self, organization: OrganizationId) -> Self {
        Self { organization: Some(organization), ..self }
    }

    fn context(&self, previous: Option<&Value>) -> Value {
        let mut context = match self.actor {
            Actor::ApiKey { id, name } => json!({ "actor": { "id": id, "source": "api", "name": name } }),
            Actor::System => json!({}),
        };
        if let (Some(previous), Some(map)) = (previous, context.as_object_mut()) {
            map.insert("previous_attributes".into(), previous.clone());
        }
        context
    }
}

/// Records an event. It becomes visible with the change itself, when the transaction commits.
pub async fn emit<E: Event>(tx: &mut Tx, app: &App, scope: Scope<'_>, event: &E) -> Result<EventId> {
    insert(tx, app, scope, event, None).await
}

/// As [`emit`], with what the changed fields held before (`context.previous_attributes`).
pub async fn emit_update<E: Event>(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    event: &E,
    previous: &Value,
) -> Result<EventId> {
    insert(tx, app, scope, event, Some(previous)).await
}

async fn insert<E: Event>(
    tx: &mut Tx,
    app: &App,
    scope: Scope<'_>,
    event: &E,
    previous: Option<&Value>,
) -> Result<EventId> {
    let id = EventId::rising(app);
    let data = serde_json::to_string(event).map_err(|error| Error::Internal(error.into()))?;
    let position = tx.next_event_position().await?;
    tx.execute(
        "INSERT INTO events (id, environment_id, organization_id, name, data, context, created_at, position) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        params![
            id,
            scope.environment,
            scope.organization,
            E::NAME,
            data,
            scope.context(previous).to_string(),
            app.clock.now(),
            position
        ],
    )
    .await?;
    Ok(id)
}
