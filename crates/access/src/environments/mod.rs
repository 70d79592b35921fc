//! Environments: the walls of the product. Each has its own keys, client id, organizations and all below.

pub mod queries;

use kernel::ids::{ClientId, EnvironmentId, ProjectId, TeamId};
use kernel::{App, Error, Result, Timestamp};
use store::{Column, FromColumn, Param, Tx};

/// What an environment is for; production is stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Staging,
    Production,
}

impl Kind {
    /// As stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }

    /// What secret keys of this kind of environment begin with.
    pub fn secret_prefix(self) -> &'static str {
        match self {
            Self::Staging => "sk_test_",
            Self::Production => "sk_live_",
        }
    }

    fn publishable_prefix(self) -> &'static str {
        match self {
            Self::Staging => "pk_test_",
            Self::Production => "pk_live_",
        }
    }
}

impl std::str::FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "staging" => Ok(Self::Staging),
            "production" => Ok(Self::Production),
            _ => Err(Error::invalid("kind")),
        }
    }
}

impl From<Kind> for Param<'_> {
    fn from(kind: Kind) -> Self {
        Param::Text(kind.as_str().into())
    }
}

impl FromColumn for Kind {
    fn from_column(value: Column<'_>) -> Result<Self, store::Error> {
        let text = String::from_column(value)?;
        text.parse().map_err(|_| store::Error::Row(format!("{text:?} is not a kind of environment")))
    }
}

/// One environment.
#[derive(Clone, Debug)]
pub struct Environment {
    pub id: EnvironmentId,
    pub project_id: ProjectId,
    pub name: String,
    pub kind: Kind,
    pub client_id: ClientId,
    /// Public, as the client id is: accepted where a client id is, nowhere else.
    pub publishable_key: String,
    pub created_at: Timestamp,
}

/// Makes an environment in the (first) project, making team and project if there is none.
pub async fn create(tx: &mut Tx, app: &App, name: &str, kind: Kind) -> Result<Environment> {
    let now = app.clock.now();
    let project_id = match queries::first_project(tx).await? {
        Some(id) => id,
        None => {
            let team = TeamId::generate(app);
            let project = ProjectId::generate(app);
            queries::insert_team(tx, team, "Default team", now).await?;
            queries::insert_project(tx, project, team, "Default project", now).await?;
            project
        }
    };
    let environment = Environment {
        id: EnvironmentId::generate(app),
        project_id,
        name: name.to_owned(),
        kind,
        client_id: ClientId::generate(app),
        publishable_key: format!("{}{}", kind.publishable_prefix(), app.random.alphanumeric(32)),
        created_at: now,
    };
    if !queries::insert(tx, &environment).await? {
        return Err(Error::conflict(format!("An environment named '{name}' already exists.")));
    }
    Ok(environment)
}

/// The environment a `client_id` parameter names, by client id or publishable key.
pub async fn by_client(app: &App, client: &str) -> Result<Option<Environment>> {
    if client.starts_with("pk_") {
        return Ok(queries::get_by_publishable_key(&app.db, client).await?);
    }
    match client.parse::<ClientId>() {
        Ok(client_id) => Ok(queries::get_by_client_id(&app.db, client_id).await?),
        Err(_) => Ok(None),
    }
}
