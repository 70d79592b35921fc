//! Fresh databases.

use std::sync::atomic::{AtomicU64, Ordering};

use store::{Config, Db};
use tempfile::TempDir;

/// A database of its own, and what is needed to open it once more.
pub struct Fresh {
    pub db: Db,
    pub config: Config,
    folder: Option<TempDir>,
    schema: Option<(Db, String)>,
}

impl Fresh {
    /// Another `Db` on the same database, as another process has it.
    pub async fn open_again(&self) -> Db {
        Db::open(&self.config).await.unwrap()
    }

    async fn remove(self) {
        self.db.close().await;
        if let Some((administrator, schema)) = &self.schema {
            administrator.run_script(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
        }
        drop(self.folder);
    }
}

pub async fn sqlite() -> Fresh {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::Sqlite { path: folder.path().join("test.db") };
    Fresh { db: Db::open(&config).await.unwrap(), config, folder: Some(folder), schema: None }
}

pub fn postgres_url() -> Option<String> {
    let url = std::env::var("PORTCULLIS_TEST_POSTGRES").ok();
    if url.is_none() {
        println!("skipped on PostgreSQL: PORTCULLIS_TEST_POSTGRES is not set");
    }
    url
}

pub async fn postgres() -> Option<Fresh> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let url = postgres_url()?;
    let schema = format!("store_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let administrator =
        Db::open(&Config::Postgres { url: url.clone(), pool_size: 1, schema: None }).await.unwrap();
    administrator
        .run_script(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}"))
        .await
        .unwrap();
    let config = Config::Postgres { url, pool_size: 16, schema: Some(schema.clone()) };
    let db = Db::open(&config).await.unwrap();
    Some(Fresh { db, config, folder: None, schema: Some((administrator, schema)) })
}

/// Runs a test on each engine, after a script that both understand.
pub async fn on_each_engine(script: &str, test: impl AsyncFn(&Fresh)) {
    let fresh = sqlite().await;
    run(fresh, script, &test).await;
    on_postgres(script, test).await;
}

pub async fn on_sqlite(script: &str, test: impl AsyncFn(&Fresh)) {
    run(sqlite().await, script, &test).await;
}

pub async fn on_postgres(script: &str, test: impl AsyncFn(&Fresh)) {
    if let Some(fresh) = postgres().await {
        run(fresh, script, &test).await;
    }
}

async fn run(fresh: Fresh, script: &str, test: &impl AsyncFn(&Fresh)) {
    fresh.db.run_script(script).await.unwrap();
    test(&fresh).await;
    fresh.remove().await;
}

/// A small generator of repeatable random numbers.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
