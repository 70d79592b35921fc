//! What is remembered of identity providers between sign-ins: discovery documents, key sets, certificates.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kernel::clock::MINUTE;
use kernel::{App, Result, Timestamp};
use oidc::discovery::{self, Provider};
use oidc::jwk::KeySet;

use crate::connections;
use crate::sign_in::Refusal;

/// How long a discovery document or key set is used without asking again.
const FRESH: i64 = 60 * MINUTE;
/// An unknown key id makes us ask again, but not more often than this per key set.
const REFETCH_INTERVAL: i64 = MINUTE;
const MAX_ENTRIES: usize = 1000;

/// The cache; one per process, registered with the app. Everything in it can be fetched again.
#[derive(Debug, Default)]
pub struct ProviderCache {
    discovery: Documents<Provider>,
    keys: Documents<KeySet>,
    pub(crate) certificates: connections::CertificateCache,
}

type Checked<T> = Result<std::result::Result<T, Refusal>>;

/// Documents of one kind, by address.
#[derive(Debug)]
struct Documents<T>(Mutex<HashMap<String, Arc<Document<T>>>>);

impl<T> Default for Documents<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Documents<T> {
    fn at(&self, url: &str) -> Arc<Document<T>> {
        let mut documents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if documents.len() >= MAX_ENTRIES && !documents.contains_key(url) {
            documents.clear();
        }
        documents.entry(url.to_owned()).or_default().clone()
    }
}

/// A document of somebody else's. At most one request for it is under way; whoever comes meanwhile waits for
/// its outcome, so that neither a slow provider nor a storm of sign-ins makes for more.
#[derive(Debug)]
struct Document<T> {
    /// How many attempts have ended.
    outcomes: AtomicU64,
    known: tokio::sync::Mutex<Known<T>>,
}

#[derive(Debug)]
struct Known<T> {
    value: Option<(Timestamp, Arc<T>)>,
    /// Why the last attempt failed, if it did.
    failure: Option<Refusal>,
    /// When something unknown last made us ask again.
    refetched_at: Option<Timestamp>,
}

impl<T> Default for Document<T> {
    fn default() -> Self {
        let known = Known { value: None, failure: None, refetched_at: None };
        Self { outcomes: AtomicU64::new(0), known: tokio::sync::Mutex::new(known) }
    }
}

impl<T> Document<T> {
    /// The document as it is known, or fetched now. With `is_outdated` the one at hand lacked something.
    async fn get(
        &self,
        now: Timestamp,
        is_outdated: bool,
        fetch: impl AsyncFnOnce() -> std::result::Result<T, Refusal>,
    ) -> std::result::Result<Arc<T>, Refusal> {
        let outcomes = self.outcomes.load(Ordering::SeqCst);
        let mut known = self.known.lock().await;
        let is_recent = |at: Timestamp, interval: i64| now.0 - at.0 < interval;
        if let Some((fetched_at, value)) = &known.value {
            let may_be_used = match is_outdated {
                false => is_recent(*fetched_at, FRESH),
                true => known.refetched_at.is_some_and(|at| is_recent(at, REFETCH_INTERVAL)),
            };
            if may_be_used {
                return Ok(value.clone());
            }
        }
        // An attempt that ended while this one waited was made for this one, too.
        if let Some(failure) = &known.failure
            && self.outcomes.load(Ordering::SeqCst) != outcomes
        {
            return Err(failure.clone());
        }
        known.failure = None;
        if is_outdated {
            // Noted before the answer is there: an attempt that is given up counts, too.
            known.refetched_at = Some(now);
        }
        let fetched = fetch().await;
        self.outcomes.fetch_add(1, Ordering::SeqCst);
        match fetched {
            Ok(value) => {
                let value = Arc::new(value);
                known.value = Some((now, value.clone()));
                Ok(value)
            }
            Err(refusal) => {
                known.failure = Some(refusal.clone());
                Err(refusal)
            }
        }
    }
}

/// The provider a discovery URL describes.
pub(crate) async fn provider(app: &App, discovery_url: &str) -> Checked<Arc<Provider>> {
    let cache: &ProviderCache = app.state()?;
    let document = cache.discovery.at(discovery_url);
    let fetch = async || {
        let body = fetch(app, discovery_url, "discovery document", "discovery_status").await?;
        discovery::parse(&body, discovery_url)
            .map_err(|error| Refusal::answer(error.code(), format!("The discovery document: {error}.")))
    };
    Ok(document.get(app.clock.now(), false, fetch).await)
}

/// The keys of a provider. With `is_outdated` the set at hand lacked a key, so it is fetched again unless that
/// was done within the last minute.
pub(crate) async fn keys(app: &App, provider: &Provider, is_outdated: bool) -> Checked<Arc<KeySet>> {
    let cache: &ProviderCache = app.state()?;
    let document = cache.keys.at(&provider.jwks_uri);
    let fetch = async || {
        let body = fetch(app, &provider.jwks_uri, "key set", "jwks_status").await?;
        KeySet::parse(&body).map_err(|error| Refusal::answer(error.code(), format!("The key set: {error}.")))
    };
    Ok(document.get(app.clock.now(), is_outdated, fetch).await)
}

async fn fetch(
    app: &App,
    url: &str,
    what: &str,
    wrong_status: &'static str,
) -> std::result::Result<Vec<u8>, Refusal> {
    let answer = app.outbound.get(url, &[]).await.map_err(|error| Refusal::outbound(&error))?;
    if answer.status != 200 {
        let message = format!("The address of the {what} answered with status {}.", answer.status);
        return Err(Refusal::answer(wrong_status, message));
    }
    Ok(answer.body)
}
