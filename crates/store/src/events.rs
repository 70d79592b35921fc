//! Positions of events, the one thing about them that depends on the engine.
//!
//! A reader pages through events by position and must never miss one, so positions have to become visible in
//! order. SQLite has one writer, so a counter incremented in the transaction will do. On PostgreSQL transactions
//! commit in any order: events are inserted without a position, and whoever comes by afterwards numbers the committed
//! ones under the lock of the counter row. Positions and counter are committed together, one such transaction after
//! the other.

use crate::db::Backend;
use crate::{Db, Engine, Error, Param, Tx};

/// How many events one transaction numbers, so that the lock is held briefly also after an outage.
const BATCH: i64 = 2000;

impl Tx {
    /// The position of the event that this transaction inserts next; `None` where events are numbered after their
    /// commit ([`Db::number_events`]).
    ///
    /// # Errors
    /// See [`Error`]. Any error fails the transaction.
    pub async fn next_event_position(&mut self) -> Result<Option<i64>, Error> {
        match self.engine() {
            Engine::Sqlite => {
                let rows = self
                    .query_text::<i64>(
                        "INSERT INTO event_counter (id, position) VALUES (1, 1)
                         ON CONFLICT (id) DO UPDATE SET position = event_counter.position + 1
                         RETURNING position",
                        &[],
                    )
                    .await?;
                Ok(rows.first().copied())
            }
            Engine::Postgres => Ok(None),
        }
    }
}

impl Db {
    /// Numbers the committed events that have no position yet. Called after a transaction that inserted events and
    /// before events are listed; cheap when there are none. Does nothing on SQLite.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn number_events(&self) -> Result<(), Error> {
        let Backend::Postgres(postgres) = &*self.backend else { return Ok(()) };
        loop {
            let waiting = postgres
                .read::<bool>("SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)", &[])
                .await?;
            if waiting.first() != Some(&true) {
                return Ok(());
            }
            let numbered: i64 = crate::transaction!(*self, |tx| -> Result<i64, Error> {
                tx.execute_text(
                    "INSERT INTO event_counter (id, position) VALUES (1, 0) ON CONFLICT (id) DO NOTHING",
                    &[],
                )
                .await?;
                let position = tx
                    .query_text::<i64>("SELECT position FROM event_counter WHERE id = 1 FOR UPDATE", &[])
                    .await?;
                let Some(position) = position.first().copied() else {
                    return Err(Error::other("the event counter is missing"));
                };
                // A statement of its own after the lock: its snapshot holds all that earlier numberings committed.
                let numbered = tx
                    .execute_text(
                        "UPDATE events SET position = $1 + waiting.ordinal
                         FROM (SELECT id, row_number() OVER (ORDER BY id) AS ordinal
                               FROM (SELECT id FROM events WHERE position IS NULL ORDER BY id LIMIT $2) AS batch)
                              AS waiting
                         WHERE events.id = waiting.id AND events.position IS NULL",
                        &[Param::Int(position), Param::Int(BATCH)],
                    )
                    .await?;
                let numbered = i64::try_from(numbered).unwrap_or(i64::MAX);
                if numbered > 0 {
                    tx.execute_text(
                        "UPDATE event_counter SET position = $1 WHERE id = 1",
                        &[Param::Int(position.saturating_add(numbered))],
                    )
                    .await?;
                }
                Ok(numbered)
            })?;
            if numbered < BATCH {
                return Ok(());
            }
        }
    }
}
