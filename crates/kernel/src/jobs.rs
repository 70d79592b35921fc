//! Jobs: work that a transaction asks for and any node does afterwards, at least once.
//!
//! A job is a row, enqueued in the transaction of the change that needs it, so it is lost with neither a crash
//! nor a full queue. A worker holds it by a lease with a fence: if the worker dies or stalls, the lease runs out
//! and another takes over, and what the first still does can't finish the job. A job that fails is tried again
//! after a growing, jittered pause, and set aside as dead after its last attempt. Jobs must therefore be
//! idempotent. Recurring jobs run once across all nodes: whoever moves the schedule's row on enqueues the job.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{ClaimedJob, Tx, params};
use tokio::sync::Semaphore;

use crate::clock::MINUTE;
use crate::ids::JobId;
use crate::{App, Error, Result, Timestamp};

/// How long a worker holds a job, in milliseconds; a job must end well before.
const LEASE: i64 = 5 * MINUTE;
const FIRST_PAUSE: i64 = 5_000;
const LONGEST_PAUSE: i64 = 60 * MINUTE;
/// How often a worker looks without being told.
const POLL: Duration = Duration::from_secs(1);
/// Jobs one process runs at a time.
const CONCURRENCY: usize = 8;

/// A kind of job.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Never changes once released: rows carry it.
    const NAME: &'static str;
    /// How often it is tried before it is set aside.
    const ATTEMPTS: i64 = 12;

    /// Does the work. Runs at least once, so it must be idempotent.
    fn run(self, app: &App) -> impl Future<Output = Result<()>> + Send;
}

/// Asks for a job, to run once the transaction has committed, not before `run_at`.
pub async fn enqueue<J: Job>(tx: &mut Tx, app: &App, job: &J, run_at: Timestamp) -> Result<JobId> {
    let payload = serde_json::to_string(job).map_err(|error| Error::Internal(error.into()))?;
    insert(tx, app, J::NAME, &payload, run_at).await
}

async fn insert(tx: &mut Tx, app: &App, name: &str, payload: &str, run_at: Timestamp) -> Result<JobId> {
    let id = JobId::generate(app);
    let now = app.clock.now();
    tx.execute(
        "INSERT INTO jobs (id, name, payload, state, run_at, attempts, leased_until, fence, created_at, updated_at) \
         VALUES ($1, $2, $3, 'waiting', $4, 0, 0, 0, $5, $6)",
        params![id, name, payload, run_at, now, now],
    )
    .await?;
    app.jobs_wanted.notify_one();
    Ok(id)
}

type Runner = Arc<dyn Fn(App, String) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send + Sync>;

struct Known {
    attempts: i64,
    run: Runner,
}

/// A recurring job: its row's name is the job's.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    name: &'static str,
    payload: &'static str,
    every: i64,
}

/// The jobs this process can do.
#[derive(Default)]
pub struct Registry {
    known: BTreeMap<&'static str, Known>,
    schedules: Vec<Schedule>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.known.keys()).finish()
    }
}

impl Registry {
    /// Adds a kind of job.
    #[must_use]
    pub fn with<J: Job>(mut self) -> Self {
        let run: Runner = Arc::new(|app, payload| {
            Box::pin(async move {
                let job: J = serde_json::from_str(&payload).map_err(|error| Error::Internal(error.into()))?;
                job.run(&app).await
            })
        });
        self.known.insert(J::NAME, Known { attempts: J::ATTEMPTS, run });
        self
    }

    /// Adds a job that recurs every `every` milliseconds, once across all nodes. Its payload is empty.
    #[must_use]
    pub fn every<J: Job>(mut self, every: i64) -> Self {
        self.schedules.push(Schedule { name: J::NAME, payload: "{}", every });
        self.with::<J>()
    }
}

/// Runs jobs until `stop` ends, then lets those under way end.
pub async fn work(app: App, registry: Arc<Registry>, stop: impl Future<Output = ()>) {
    let mut stop = std::pin::pin!(stop);
    let permits = Arc::new(Semaphore::new(CONCURRENCY));
    loop {
        if let Err(error) = tick(&app, &registry).await {
            tracing::warn!(%error, "schedules could not be looked at");
        }
        let claimed = match claim(&app, permits.available_permits()).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(%error, "jobs could not be claimed");
                Vec::new()
            }
        };
        for job in claimed {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            let (app, registry) = (app.clone(), registry.clone());
            tokio::spawn(async move {
                run(&app, &registry, job).await;
                drop(permit);
                // There is room again; more may be due.
                app.jobs_wanted.notify_one();
            });
        }
        tokio::select! {
            () = app.jobs_wanted.notified() => {}
            () = tokio::time::sleep(POLL) => {}
            () = &mut stop => break,
        }
    }
    // All permits back: nothing is under way any more.
    let all = u32::try_from(CONCURRENCY).unwrap_or(u32::MAX);
    let _nothing_under_way = permits.acquire_many(all).await;
}

/// Runs everything that is due now, one after the other, and says how many ran. For tests.
pub async fn run_due(app: &App, registry: &Registry) -> Result<usize> {
    tick(app, registry).await?;
    let mut count = 0;
    loop {
        let claimed = claim(app, CONCURRENCY).await?;
        if claimed.is_empty() {
            return Ok(count);
        }
        for job in claimed {
            run(app, registry, job).await;
            count += 1;
        }
    }
}

/// Enqueues recurring jobs that are due.
async fn tick(app: &App, registry: &Registry) -> Result<()> {
    let now = app.clock.now();
    for schedule in &registry.schedules {
        let due: Option<i64> = app
            .db
            .read_one(
                "SELECT 1 FROM schedules WHERE name = $1 AND next_run_at > $2",
                params![schedule.name, now],
            )
            .await?;
        if due.is_some() {
            continue;
        }
        crate::transaction!(app, |tx| {
            let moved = tx
                .execute(
                    "INSERT INTO schedules (name, next_run_at) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE \
                     SET next_run_at = excluded.next_run_at WHERE schedules.next_run_at <= $3",
                    params![schedule.name, now.plus(schedule.every), now],
                )
                .await?;
            // Only the node that moved the row asks for the job.
            if moved == 1 {
                insert(tx, app, schedule.name, schedule.payload, now).await?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

async fn claim(app: &App, limit: usize) -> Result<Vec<ClaimedJob>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let now = app.clock.now();
    // Looking is cheap, claiming takes the writer's turn: look first.
    let due: Option<i64> = app
        .db
        .read_one(
            "SELECT 1 FROM jobs WHERE state = 'waiting' AND run_at <= $1 AND leased_until <= $2 LIMIT 1",
            params![now, now],
        )
        .await?;
    if due.is_none() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    crate::transaction!(app, |tx| { Ok(tx.claim_jobs(limit, now.0, now.plus(LEASE).0).await?) })
}

async fn run(app: &App, registry: &Registry, job: ClaimedJob) {
    let Some(known) = registry.known.get(job.name.as_str()) else {
        // A newer version's job: leave it to a node that knows it.
        tracing::warn!(job = %job.name, "unknown job");
        if let Err(error) = give_back(app, &job).await {
            tracing::warn!(job = %job.name, %error, "a job could not be given back; its lease has to end");
        }
        return;
    };
    let work = (known.run)(app.clone(), job.payload.clone());
    let limit = Duration::from_millis(u64::try_from(LEASE / 2).unwrap_or(0));
    // A task of its own, so that a panic is the job's failure and not the worker's.
    let mut task = tokio::spawn(work);
    let failure = match tokio::time::timeout(limit, &mut task).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(error.to_string()),
        Ok(Err(_panic)) => Some("the job panicked".to_owned()),
        Err(_elapsed) => {
            // Else it would go on beside its next attempt.
            task.abort();
            Some("the job took too long".to_owned())
        }
    };
    let ended = match &failure {
        None => finish(app, &job).await,
        Some(failure) => retry(app, &job, known.attempts, failure).await,
    };
    if let Err(error) = ended {
        tracing::warn!(job = %job.name, %error, "the end of a job could not be recorded; it will run again");
    }
}

/// Undoes a claim: the attempt was none, and others may have the job before we look at it again.
async fn give_back(app: &App, job: &ClaimedJob) -> Result<()> {
    let now = app.clock.now();
    crate::transaction!(app, |tx| {
        tx.execute(
            "UPDATE jobs SET run_at = $1, leased_until = 0, attempts = attempts - 1, updated_at = $2 \
             WHERE id = $3 AND fence = $4",
            params![now.plus(FIRST_PAUSE), now, &job.id, job.fence],
        )
        .await?;
        Ok(())
    })
}

async fn finish(app: &App, job: &ClaimedJob) -> Result<()> {
    crate::transaction!(app, |tx| {
        tx.execute("DELETE FROM jobs WHERE id = $1 AND fence = $2", params![&job.id, job.fence]).await?;
        Ok(())
    })
}

async fn retry(app: &App, job: &ClaimedJob, attempts: i64, failure: &str) -> Result<()> {
    let is_last = job.attempts >= attempts;
    if is_last {
        tracing::error!(job = %job.name, id = %job.id, failure, "a job is set aside after its last attempt");
    } else {
        tracing::warn!(job = %job.name, id = %job.id, failure, attempt = job.attempts, "a job failed");
    }
    let now = app.clock.now();
    let state = if is_last { "dead" } else { "waiting" };
    let failure: String = failure.chars().take(1000).collect();
    let run_at = now.plus(pause(app, job.attempts));
    crate::transaction!(app, |tx| {
        tx.execute(
            "UPDATE jobs SET state = $1, run_at = $2, leased_until = 0, last_error = $3, updated_at = $4 \
             WHERE id = $5 AND fence = $6",
            params![state, run_at, &failure, now, &job.id, job.fence],
        )
        .await?;
        Ok(())
    })
}

/// Doubles with each attempt up to an hour; between half and all of it, so that failures don't march in step.
fn pause(app: &App, attempts: i64) -> i64 {
    let doublings = u32::try_from(attempts.saturating_sub(1).clamp(0, 20)).unwrap_or(20);
    let full = FIRST_PAUSE.saturating_mul(1_i64 << doublings).min(LONGEST_PAUSE);
    let jitter = i64::from(u32::from_be_bytes(app.random.bytes::<4>())) % (full / 2);
    full / 2 + jitter
}
