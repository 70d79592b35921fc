//! Operator commands beside a running server: environments, keys, redirect URIs.

use access::{Environment, api_keys, environments, redirect_uris};
use anyhow::{Context, anyhow};
use kernel::clock::MINUTE;
use kernel::ids::ApiKeyId;
use kernel::{App, Error};
use store::{Order, PageRequest};

fn fault(error: Error) -> anyhow::Error {
    anyhow!("{error}")
}

/// The environment an operator names, by name or id; the only one if none is named.
async fn find(app: &App, name: Option<&str>) -> Result<Environment, anyhow::Error> {
    let mut all = environments::queries::list(&app.db).await?;
    match name {
        Some(name) => all
            .into_iter()
            .find(|environment| environment.name == name || environment.id.to_string() == name)
            .with_context(|| format!("there is no environment '{name}'; see `portcullis env list`")),
        None if all.len() == 1 => all.pop().context("no environment"),
        None => Err(anyhow!("name an environment with --env; see `portcullis env list`")),
    }
}

/// `portcullis env create NAME`
pub async fn env_create(app: &App, name: &str, kind: &str) -> Result<(), anyhow::Error> {
    let kind = kind.parse().map_err(|_| anyhow!("the kind is staging or production"))?;
    let (environment, key) = kernel::transaction!(app, |tx| {
        let environment = environments::create(tx, app, name, kind).await?;
        let key = api_keys::create(tx, app, environment.id, kind, "First key").await?;
        Ok((environment, key))
    })
    .map_err(fault)?;
    println!("Environment      {}  {} ({})", environment.id, environment.name, environment.kind.as_str());
    println!("Client ID        {}", environment.client_id);
    println!("Publishable key  {}", environment.publishable_key);
    println!("API key          {}  (shown only now)", key.secret.as_str());
    Ok(())
}

/// `portcullis env list`
pub async fn env_list(app: &App) -> Result<(), anyhow::Error> {
    for environment in environments::queries::list(&app.db).await? {
        println!(
            "{}  {:<12} {:<10} {}  {}",
            environment.id,
            environment.name,
            environment.kind.as_str(),
            environment.client_id,
            environment.publishable_key
        );
    }
    Ok(())
}

/// `portcullis key create NAME`
pub async fn key_create(app: &App, env: Option<&str>, name: &str) -> Result<(), anyhow::Error> {
    let environment = find(app, env).await?;
    let key = kernel::transaction!(app, |tx| {
        api_keys::create(tx, app, environment.id, environment.kind, name).await
    })
    .map_err(fault)?;
    println!("{}  {}  (shown only now)", key.id, key.secret.as_str());
    Ok(())
}

/// `portcullis key list`
pub async fn key_list(app: &App, env: Option<&str>) -> Result<(), anyhow::Error> {
    let environment = find(app, env).await?;
    let now = app.clock.now().0;
    for key in api_keys::list(&app.db, environment.id).await.map_err(fault)? {
        let state = match (key.revoked_at, key.expires_at) {
            (Some(_), _) => "revoked".to_owned(),
            (None, Some(at)) if at <= now => "expired".to_owned(),
            (None, Some(at)) => format!("expires {}", kernel::Timestamp(at)),
            (None, None) => "active".to_owned(),
        };
        println!("{}  …{}  {:<20} {}  {state}", key.id, key.suffix, key.name, key.created_at);
    }
    Ok(())
}

/// `portcullis key rotate ID`
pub async fn key_rotate(
    app: &App,
    env: Option<&str>,
    id: &str,
    overlap_minutes: u32,
) -> Result<(), anyhow::Error> {
    let environment = find(app, env).await?;
    let id: ApiKeyId = id.parse().context("that is no API key id")?;
    let overlap = i64::from(overlap_minutes) * MINUTE;
    let key = kernel::transaction!(app, |tx| {
        api_keys::rotate(tx, app, environment.id, environment.kind, id, overlap).await
    })
    .map_err(fault)?;
    println!("{}  {}  (shown only now)", key.id, key.secret.as_str());
    println!("{id} stops in {overlap_minutes} minutes.");
    Ok(())
}

/// `portcullis key revoke ID`
pub async fn key_revoke(app: &App, env: Option<&str>, id: &str) -> Result<(), anyhow::Error> {
    let environment = find(app, env).await?;
    let id: ApiKeyId = id.parse().context("that is no API key id")?;
    kernel::transaction!(app, |tx| { api_keys::revoke(tx, app, environment.id, id).await }).map_err(fault)?;
    println!("{id} is revoked.");
    Ok(())
}

/// `portcullis redirect-uri add URI`
pub async fn redirect_uri_add(
    app: &App,
    env: Option<&str>,
    uri: &str,
    default: bool,
) -> Result<(), anyhow::Error> {
    let environment = find(app, env).await?;
    let made = kernel::transaction!(app, |tx| {
        redirect_uris::create(tx, app, environment.id, environment.kind, uri, default).await
    })
    .map_err(fault)?;
    println!("{}  {}{}", made.id, made.uri, if made.default { "  (default)" } else { "" });
    Ok(())
}

/// `portcullis redirect-uri list`
pub async fn redirect_uri_list(app: &App, env: Option<&str>) -> Result<(), anyhow::Error> {
    let environment = find(app, env).await?;
    let mut page = PageRequest { limit: 100, order: Order::Asc, before: None, after: None };
    loop {
        let list = redirect_uris::list(app, environment.id, &page).await.map_err(fault)?;
        for uri in &list.0.data {
            println!("{}  {}{}", uri.id, uri.uri, if uri.default { "  (default)" } else { "" });
        }
        match list.0.after {
            Some(after) => page.after = Some(after),
            None => return Ok(()),
        }
    }
}
