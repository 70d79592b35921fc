//! Operator commands beside a running server: environments, keys, redirect URIs. Each gives the text to print.

use access::redirect_uris::{self, RedirectUri};
use access::{Environment, api_keys, environments};
use anyhow::{Context, anyhow};
use kernel::App;
use kernel::clock::MINUTE;
use kernel::ids::ApiKeyId;
use store::{Order, PageRequest};

use crate::output::fault;

/// The environment an operator names, by name or id; the only one if none is named.
async fn find(app: &App, name: Option<&str>) -> Result<Environment, anyhow::Error> {
    let mut all = environments::queries::list(&app.db).await?;
    match name {
        Some(name) => all
            .into_iter()
            .find(|environment| environment.name == name || environment.id.to_string() == name)
            .with_context(|| format!("there is no environment '{name}'; see `portcullis env list`")),
        None if all.is_empty() => {
            Err(anyhow!("there is no environment yet; `portcullis env create` makes one"))
        }
        None if all.len() == 1 => all.pop().context("no environment"),
        None => Err(anyhow!("name an environment with --env; see `portcullis env list`")),
    }
}

/// `portcullis env create NAME`
pub async fn env_create(app: &App, name: &str, kind: &str) -> Result<String, anyhow::Error> {
    let kind = kind.parse().map_err(|_| anyhow!("the kind is staging or production"))?;
    let (environment, key) = kernel::transaction!(app, |tx| {
        let environment = environments::create(tx, app, name, kind).await?;
        let key = api_keys::create(tx, app, environment.id, kind, "First key").await?;
        Ok((environment, key))
    })
    .map_err(fault)?;
    Ok(format!(
        "Environment      {}  {} ({})\n\
         Client ID        {}\n\
         Publishable key  {}\n\
         API key          {}  (shown only now)\n",
        environment.id,
        environment.name,
        environment.kind.as_str(),
        environment.client_id,
        environment.publishable_key,
        key.secret.as_str()
    ))
}

/// `portcullis env list`
pub async fn env_list(app: &App) -> Result<String, anyhow::Error> {
    let lines = environments::queries::list(&app.db).await?.into_iter().map(|environment| {
        format!(
            "{}  {:<12} {:<10} {}  {}\n",
            environment.id,
            environment.name,
            environment.kind.as_str(),
            environment.client_id,
            environment.publishable_key
        )
    });
    Ok(lines.collect())
}

/// `portcullis key create NAME`
pub async fn key_create(app: &App, env: Option<&str>, name: &str) -> Result<String, anyhow::Error> {
    let environment = find(app, env).await?;
    let key = kernel::transaction!(app, |tx| {
        api_keys::create(tx, app, environment.id, environment.kind, name).await
    })
    .map_err(fault)?;
    Ok(format!("{}  {}  (shown only now)\n", key.id, key.secret.as_str()))
}

/// `portcullis key list`
pub async fn key_list(app: &App, env: Option<&str>) -> Result<String, anyhow::Error> {
    let environment = find(app, env).await?;
    let now = app.clock.now().0;
    let keys = api_keys::list(&app.db, environment.id).await.map_err(fault)?;
    let lines = keys.into_iter().map(|key| {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(at)) if at <= now => "expired".to_owned(),
            (None, Some(at)) => format!("expires {}", kernel::Timestamp(at)),
            (None, None) => "active".to_owned(),
        };
        format!("{}  …{}  {:<20} {}  {state}\n", key.id, key.suffix, key.name, key.created_at)
    });
    Ok(lines.collect())
}

/// `portcullis key rotate ID`
pub async fn key_rotate(
    app: &App,
    env: Option<&str>,
    id: &str,
    overlap_minutes: u32,
) -> Result<String, anyhow::Error> {
    let environment = find(app, env).await?;
    let id: ApiKeyId = id.parse().context("that is no API key id")?;
    let overlap = i64::from(overlap_minutes) * MINUTE;
    let key = kernel::transaction!(app, |tx| {
        api_keys::rotate(tx, app, environment.id, environment.kind, id, overlap).await
    })
    .map_err(fault)?;
    Ok(format!(
        "{}  {}  (shown only now)\n{id} stops in {overlap_minutes} minutes.\n",
        key.id,
        key.secret.as_str()
    ))
}

/// `portcullis key revoke ID`
pub async fn key_revoke(app: &App, env: Option<&str>, id: &str) -> Result<String, anyhow::Error> {
    let environment = find(app, env).await?;
    let id: ApiKeyId = id.parse().context("that is no API key id")?;
    kernel::transaction!(app, |tx| { api_keys::revoke(tx, app, environment.id, id).await }).map_err(fault)?;
    Ok(format!("{id} is revoked.\n"))
}

/// `portcullis redirect-uri add URI`
pub async fn redirect_uri_add(
    app: &App,
    env: Option<&str>,
    uri: &str,
    default: bool,
) -> Result<String, anyhow::Error> {
    let environment = find(app, env).await?;
    let made = kernel::transaction!(app, |tx| {
        redirect_uris::create(tx, app, environment.id, environment.kind, uri, default).await
    })
    .map_err(fault)?;
    Ok(shown(&made))
}

/// `portcullis redirect-uri list`
pub async fn redirect_uri_list(app: &App, env: Option<&str>) -> Result<String, anyhow::Error> {
    let environment = find(app, env).await?;
    let mut page = PageRequest { limit: 100, order: Order::Asc, before: None, after: None };
    let mut lines = String::new();
    loop {
        let list = redirect_uris::list(app, environment.id, &page).await.map_err(fault)?;
        lines.extend(list.0.data.iter().map(shown));
        match list.0.after {
            Some(after) => page.after = Some(after),
            None => return Ok(lines),
        }
    }
}

fn shown(uri: &RedirectUri) -> String {
    format!("{}  {}{}\n", uri.id, uri.uri, if uri.default { "  (default)" } else { "" })
}
