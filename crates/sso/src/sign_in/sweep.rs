//! What time does to sign-ins: those nobody finishes are announced as timed out, and old records go.

use kernel::clock::{DAY, MINUTE};
use kernel::events::emit;
use kernel::jobs::{Job, Registry};
use kernel::{App, Result};
use serde::{Deserialize, Serialize};

use super::events::SsoTimedOut;
use super::queries;

/// A sign-in that is under way for this long is announced as timed out. It may still be finished: a code is
/// good for ten minutes.
const TIMEOUT: i64 = 5 * MINUTE;
/// How long records are kept.
const RETENTION: i64 = 90 * DAY;
/// Rows one transaction touches at most, so that others wait briefly.
const BATCH: i64 = 500;

/// The recurring jobs of sign-ins.
pub fn jobs(registry: Registry) -> Registry {
    registry.every::<TimeOutSignIns>(MINUTE).every::<SweepSignIns>(10 * MINUTE)
}

/// Announces sign-ins that nobody finished.
#[derive(Debug, Serialize, Deserialize)]
struct TimeOutSignIns {}

impl Job for TimeOutSignIns {
    const NAME: &'static str = "sso.time_out_sign_ins";

    async fn run(self, app: &App) -> Result<()> {
        loop {
            let now = app.clock.now();
            let timed_out = kernel::transaction!(app, |tx| {
                let flows = queries::time_out(tx, now.plus(-TIMEOUT), now, BATCH).await?;
                for flow in flows.iter().filter(|flow| flow.organization_id.is_some()) {
                    emit(tx, app, flow.scope(), &SsoTimedOut::new(flow.details(None))).await?;
                }
                Ok(flows.len())
            })?;
            if timed_out == 0 {
                return Ok(());
            }
        }
    }
}

/// Removes records and remembered assertions whose time is over.
#[derive(Debug, Serialize, Deserialize)]
struct SweepSignIns {}

impl Job for SweepSignIns {
    const NAME: &'static str = "sso.sweep_sign_ins";

    async fn run(self, app: &App) -> Result<()> {
        let now = app.clock.now();
        loop {
            let removed = kernel::transaction!(app, |tx| {
                let records = queries::remove_older(tx, now.plus(-RETENTION), BATCH).await?;
                let assertions = queries::forget_assertions(tx, now, BATCH).await?;
                Ok(records + assertions)
            })?;
            if removed == 0 {
                return Ok(());
            }
        }
    }
}
