//! Claiming jobs, which depends on the engine: on PostgreSQL workers skip what others are claiming, on SQLite the
//! single writer keeps them apart.

use crate::{Engine, Error, FromRow, Param, Row, Tx};

/// A job handed to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedJob {
    pub id: String,
    pub name: String,
    pub payload: String,
    /// How often it has been handed out, this time included.
    pub attempts: i64,
    /// Grows each time it is handed out: a worker whose lease ran out can't finish what another now holds.
    pub fence: i64,
}

impl FromRow for ClaimedJob {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.next()?,
            name: row.next()?,
            payload: row.next()?,
            attempts: row.next()?,
            fence: row.next()?,
        })
    }
}

impl Tx {
    /// Claims up to `limit` jobs that are due at `now` and held by nobody, until `lease_until` (both epoch
    /// milliseconds); the longest due first.
    ///
    /// # Errors
    /// See [`Error`]. Any error fails the transaction.
    pub async fn claim_jobs(
        &mut self,
        limit: i64,
        now: i64,
        lease_until: i64,
    ) -> Result<Vec<ClaimedJob>, Error> {
        let sql = match self.engine() {
            Engine::Sqlite => {
                "UPDATE jobs SET leased_until = $1, fence = fence + 1, attempts = attempts + 1, updated_at = $2
                 WHERE id IN (SELECT id FROM jobs WHERE state = 'waiting' AND run_at <= $3 AND leased_until <= $4
                              ORDER BY run_at, id LIMIT $5)
                 RETURNING id, name, payload, attempts, fence"
            }
            Engine::Postgres => {
                "UPDATE jobs SET leased_until = $1, fence = fence + 1, attempts = attempts + 1, updated_at = $2
                 WHERE id IN (SELECT id FROM jobs WHERE state = 'waiting' AND run_at <= $3 AND leased_until <= $4
                              ORDER BY run_at, id LIMIT $5 FOR UPDATE SKIP LOCKED)
                 RETURNING id, name, payload, attempts, fence"
            }
        };
        let params =
            [Param::Int(lease_until), Param::Int(now), Param::Int(now), Param::Int(now), Param::Int(limit)];
        self.query(sql, &params).await
    }
}
