//! Redirect URIs: where a sign-in may end. Registered per environment, one of them the default.

mod queries;
mod routes;
mod rules;

pub use routes::router;

use kernel::http::List;
use kernel::ids::{EnvironmentId, RedirectUriId};
use kernel::{App, Error, Result, Timestamp};
use serde::Serialize;
use store::{Keyed, PageRequest, Tx};

use crate::Kind;

/// A registered redirect URI.
#[derive(Clone, Debug, Serialize)]
pub struct RedirectUri {
    pub object: &'static str,
    pub id: RedirectUriId,
    pub uri: String,
    pub default: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Keyed for RedirectUri {
    fn key(&self) -> String {
        self.id.to_string()
    }
}

/// Registers a URI. The first without a wildcard becomes the default, or this one if `default` says so.
pub async fn create(
    tx: &mut Tx,
    app: &App,
    environment: EnvironmentId,
    kind: Kind,
    uri: &str,
    default: bool,
) -> Result<RedirectUri> {
    let wildcard = rules::check(uri, kind)?;
    if wildcard && default {
        return Err(Error::unprocessable("A redirect URI with a wildcard can't be the default."));
    }
    let now = app.clock.now();
    tx.lock("environments", &environment.to_string()).await?;
    if default {
        queries::clear_default(tx, environment, now).await?;
    }
    let is_default = !wildcard && !queries::has_default(tx, environment).await?;
    let redirect_uri = RedirectUri {
        object: "redirect_uri",
        id: RedirectUriId::generate(app),
        uri: uri.to_owned(),
        default: is_default,
        created_at: now,
        updated_at: now,
    };
    if !queries::insert(tx, environment, &redirect_uri, wildcard).await? {
        return Err(Error::unprocessable(format!("Redirect URI '{uri}' already exists.")));
    }
    Ok(redirect_uri)
}

/// One page of an environment's URIs.
pub async fn list(app: &App, environment: EnvironmentId, page: &PageRequest) -> Result<List<RedirectUri>> {
    Ok(List(queries::list(&app.db, environment, page).await?))
}

/// Whether a sign-in of this environment may end at `uri`: by exact string, or by a registered wildcard.
pub async fn is_allowed(app: &App, environment: EnvironmentId, uri: &str) -> Result<bool> {
    if queries::exists(&app.db, environment, uri).await? {
        return Ok(true);
    }
    let patterns = queries::wildcards(&app.db, environment).await?;
    Ok(patterns.iter().any(|pattern| rules::matches(pattern, uri)))
}
