//! What is remembered of identity providers between sign-ins: discovery documents, key sets, certificates.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kernel::clock::MINUTE;
use kernel::{App, Result, Timestamp};
use oidc::discovery::{self, Provider};
use oidc::jwk::KeySet;

use crate::connections;
use crate::sign_in::Refusal;

/// How long a discovery document or key set is used without asking again.
const FRESH: i64 = 60 * MINUTE;
/// An unknown key id makes us ask again, but not more often than this per issuer.
const REFETCH_INTERVAL: i64 = MINUTE;
const MAX_ENTRIES: usize = 1000;

/// The cache; one per process, registered with the app. Everything in it can be fetched again.
#[derive(Debug, Default)]
pub struct ProviderCache {
    discovery: Mutex<HashMap<String, (Timestamp, Arc<Provider>)>>,
    keys: Mutex<HashMap<String, (Timestamp, Arc<KeySet>)>>,
    pub(crate) certificates: connections::CertificateCache,
}

type Entries<T> = Mutex<HashMap<String, (Timestamp, Arc<T>)>>;

fn cached<T>(entries: &Entries<T>, key: &str, now: Timestamp, fresh: i64) -> Option<Arc<T>> {
    let entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    let (fetched_at, value) = entries.get(key)?;
    (now.0 - fetched_at.0 < fresh).then(|| value.clone())
}

fn remember<T>(entries: &Entries<T>, key: &str, now: Timestamp, value: T) -> Arc<T> {
    let value = Arc::new(value);
    let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
    if entries.len() >= MAX_ENTRIES {
        entries.clear();
    }
    entries.insert(key.to_owned(), (now, value.clone()));
    value
}

/// The provider a discovery URL describes.
pub(crate) async fn provider(
    app: &App,
    discovery_url: &str,
) -> Result<std::result::Result<Arc<Provider>, Refusal>> {
    let cache: &ProviderCache = app.state()?;
    let now = app.clock.now();
    if let Some(found) = cached(&cache.discovery, discovery_url, now, FRESH) {
        return Ok(Ok(found));
    }
    let answer = match app.outbound.get(discovery_url, &[]).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Refusal::outbound(&error))),
    };
    if answer.status != 200 {
        let message = format!("The discovery document's address answered with status {}.", answer.status);
        return Ok(Err(Refusal::answer("discovery_status", message)));
    }
    Ok(match discovery::parse(&answer.body, discovery_url) {
        Ok(provider) => Ok(remember(&cache.discovery, discovery_url, now, provider)),
        Err(error) => Err(Refusal::answer(error.code(), format!("The discovery document: {error}."))),
    })
}

/// The keys of a provider. With `unknown_key` the set at hand lacked a key, so it is fetched again unless
/// that was done within the last minute.
pub(crate) async fn keys(
    app: &App,
    provider: &Provider,
    unknown_key: bool,
) -> Result<std::result::Result<Arc<KeySet>, Refusal>> {
    let cache: &ProviderCache = app.state()?;
    let now = app.clock.now();
    let fresh = if unknown_key { REFETCH_INTERVAL } else { FRESH };
    if let Some(found) = cached(&cache.keys, &provider.jwks_uri, now, fresh) {
        return Ok(Ok(found));
    }
    let answer = match app.outbound.get(&provider.jwks_uri, &[]).await {
        Ok(answer) => answer,
        Err(error) => return Ok(Err(Refusal::outbound(&error))),
    };
    if answer.status != 200 {
        let message = format!("The key set's address answered with status {}.", answer.status);
        return Ok(Err(Refusal::answer("jwks_status", message)));
    }
    Ok(match KeySet::parse(&answer.body) {
        Ok(keys) => Ok(remember(&cache.keys, &provider.jwks_uri, now, keys)),
        Err(error) => Err(Refusal::answer(error.code(), format!("The key set: {error}."))),
    })
}
