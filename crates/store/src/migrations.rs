//! The schema's migrations: compiled in, applied in order, each in one transaction.
//!
//! `schema_migrations` holds what was applied. Its row 0 is the lock on PostgreSQL: advisory locks do not exist on
//! all engines that speak its protocol, row locks do. SQLite's lock is the write transaction.

use rusqlite::{Connection, TransactionBehavior};
use tokio_postgres::error::SqlState;

use crate::Error;
use crate::postgres::Postgres;

/// One migration, as `build.rs` found it.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number, from 1.
    pub version: i64,
    /// Its name.
    pub name: &'static str,
    /// What it does on SQLite; may hold many statements.
    pub sqlite: &'static str,
    /// What it does on PostgreSQL; may hold many statements.
    pub postgres: &'static str,
}

pub(crate) const COMPILED: &[Migration] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

const TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied_at BIGINT NOT NULL
)";

/// How often a node tries again when another one is in its way.
const ATTEMPTS: u32 = 20;

/// FNV-1a: this guards against edits by mistake, not against anyone.
fn checksum(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// What a row of `schema_migrations` says.
type Applied = (i64, String, String);

/// Whether `migration` is still to be applied.
fn pending(migration: &Migration, text: &str, applied: &[Applied]) -> Result<bool, Error> {
    let Some((_, name, sum)) = applied.iter().find(|(version, ..)| *version == migration.version) else {
        return Ok(true);
    };
    if name == migration.name && *sum == checksum(text) {
        return Ok(false);
    }
    Err(Error::other(format!(
        "migration {:04}_{} was applied as {name} with another content",
        migration.version, migration.name
    )))
}

fn failed(migration: &Migration, error: impl std::error::Error) -> Error {
    Error::other(format!("migration {:04}_{} failed: {error}", migration.version, migration.name))
}

pub(crate) fn apply_sqlite(connection: &mut Connection, list: &[Migration]) -> Result<(), Error> {
    for migration in list {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(TABLE)?;
        let applied = {
            let mut select = transaction.prepare("SELECT version, name, checksum FROM schema_migrations")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect::<Result<Vec<Applied>, _>>()?
        };
        if pending(migration, migration.sqlite, &applied)? {
            transaction.execute_batch(migration.sqlite).map_err(|error| failed(migration, error))?;
            transaction.execute(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at)
                 VALUES ($1, $2, $3, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
                (migration.version, migration.name, checksum(migration.sqlite)),
            )?;
            tracing::info!(version = migration.version, name = migration.name, "migrated");
        }
        transaction.commit()?;
    }
    Ok(())
}

pub(crate) async fn apply_postgres(postgres: &Postgres, list: &[Migration]) -> Result<(), Error> {
    if list.is_empty() {
        return Ok(());
    }
    let mut client = postgres.dedicated().await?;
    create_table(&client).await?;
    for migration in list {
        let mut attempt = 0;
        while let Err(error) = apply_one(&mut client, migration).await {
            attempt += 1;
            // Engines that serialize everything may refuse the loser of a race.
            if !error.is_serialization() || attempt >= ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// IF NOT EXISTS does not keep two sessions from creating the same table at once; the loser looks again.
async fn create_table(client: &tokio_postgres::Client) -> Result<(), Error> {
    let mut attempt = 0;
    loop {
        let script = format!(
            "{TABLE};
             INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (0, 'lock', '', 0)
             ON CONFLICT (version) DO NOTHING"
        );
        match client.batch_execute(&script).await {
            Ok(()) => return Ok(()),
            Err(error) => {
                attempt += 1;
                let race = error.code().is_some_and(|code| {
                    [
                        SqlState::UNIQUE_VIOLATION,
                        SqlState::DUPLICATE_TABLE,
                        SqlState::DUPLICATE_OBJECT,
                        SqlState::T_R_SERIALIZATION_FAILURE,
                        SqlState::T_R_DEADLOCK_DETECTED,
                        SqlState::INTERNAL_ERROR,
                    ]
                    .contains(code)
                });
                if !race || attempt >= ATTEMPTS {
                    return Err(error.into());
                }
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

async fn apply_one(client: &mut tokio_postgres::Client, migration: &Migration) -> Result<(), Error> {
    let transaction = client.transaction().await?;
    transaction.query("SELECT version FROM schema_migrations WHERE version = 0 FOR UPDATE", &[]).await?;
    let applied: Vec<Applied> = transaction
        .query("SELECT version, name, checksum FROM schema_migrations", &[])
        .await?
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<Result<_, tokio_postgres::Error>>()?;
    if pending(migration, migration.postgres, &applied)? {
        transaction.batch_execute(migration.postgres).await.map_err(|error| match Error::from(error) {
            Error::Serialization => Error::Serialization,
            error => failed(migration, error),
        })?;
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, checksum, applied_at)
                 VALUES ($1, $2, $3, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT))",
                &[&migration.version, &migration.name, &checksum(migration.postgres)],
            )
            .await?;
        tracing::info!(version = migration.version, name = migration.name, "migrated");
    }
    Ok(transaction.commit().await?)
}
