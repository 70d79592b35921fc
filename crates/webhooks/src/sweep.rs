//! Events go after the time they can be read.

use kernel::clock::MINUTE;
use kernel::jobs::{Job, Registry};
use kernel::{App, Result};
use serde::{Deserialize, Serialize};
use store::params;

use crate::events::RETENTION;

/// Rows one transaction removes at most, so that others wait briefly.
const BATCH: i64 = 1000;

/// The recurring jobs of events.
pub fn jobs(registry: Registry) -> Registry {
    registry.every::<SweepEvents>(10 * MINUTE)
}

/// Removes events that can't be read any more.
#[derive(Debug, Serialize, Deserialize)]
struct SweepEvents {}

impl Job for SweepEvents {
    const NAME: &'static str = "webhooks.sweep_events";

    async fn run(self, app: &App) -> Result<()> {
        let oldest = app.clock.now().plus(-RETENTION);
        loop {
            let removed = kernel::transaction!(app, |tx| {
                Ok(tx
                    .execute(
                        "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE created_at < $1 \
                         ORDER BY created_at LIMIT $2)",
                        params![oldest, BATCH],
                    )
                    .await?)
            })?;
            if removed == 0 {
                return Ok(());
            }
        }
    }
}
