//! Migrations.

use store::{Engine, Error, Migration, params};

use crate::harness::on_each_engine;

const fn migration(version: i64, name: &'static str, sql: &'static str) -> Migration {
    Migration { version, name, sqlite: sql, postgres: sql }
}

static FIRST: Migration = migration(
    1,
    "first",
    "CREATE TABLE fruits (id TEXT PRIMARY KEY, amount BIGINT NOT NULL);
     -- A comment; with a semicolon.
     CREATE INDEX fruits_amount ON fruits (amount);
     INSERT INTO fruits (id, amount) VALUES ('apple;pear', 1);",
);
static SECOND: Migration = migration(
    2,
    "second",
    "UPDATE fruits SET amount = amount + 1; ALTER TABLE fruits ADD COLUMN colour TEXT",
);
static LIST: &[Migration] = &[FIRST, SECOND];

async fn amount(fresh: &crate::harness::Fresh) -> Option<i64> {
    fresh.db.read_one("SELECT amount FROM fruits WHERE colour IS NULL", &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_may_start_at_once() {
    on_each_engine("SELECT 1", async |fresh| {
        let mut nodes = Vec::new();
        for _ in 0..8 {
            nodes.push(fresh.open_again().await);
        }
        let tasks: Vec<_> = nodes
            .iter()
            .map(|node| {
                let node = node.clone();
                tokio::spawn(async move { node.migrate_with(LIST).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        // Each step was taken once.
        assert_eq!(amount(fresh).await, Some(2));
        let applied: Vec<(i64, String)> = fresh
            .db
            .read(
                "SELECT version, name FROM schema_migrations WHERE version > $1 ORDER BY version",
                params![0_i64],
            )
            .await
            .unwrap();
        assert_eq!(applied, [(1, "first".to_owned()), (2, "second".to_owned())]);
        let recent: Option<bool> = fresh
            .db
            .read_one("SELECT applied_at > 1700000000000 FROM schema_migrations WHERE version = 2", &[])
            .await
            .unwrap();
        assert_eq!(recent, Some(true));
        fresh.db.migrate_with(LIST).await.unwrap();
        assert_eq!(amount(fresh).await, Some(2));
        for node in nodes {
            node.close().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_older_binary_accepts_a_newer_database() {
    on_each_engine("SELECT 1", async |fresh| {
        static OLDER: &[Migration] = &[FIRST];
        fresh.db.migrate_with(LIST).await.unwrap();
        fresh.open_again().await.migrate_with(OLDER).await.unwrap();
        assert_eq!(amount(fresh).await, Some(2));
    })
    .await;
}

#[tokio::test]
async fn an_applied_migration_must_not_change() {
    on_each_engine("SELECT 1", async |fresh| {
        static EDITED: &[Migration] = &[FIRST, migration(2, "second", "SELECT 1")];
        static RENAMED: &[Migration] = &[Migration { name: "other", ..FIRST }];
        fresh.db.migrate_with(LIST).await.unwrap();
        for list in [EDITED, RENAMED] {
            assert!(matches!(fresh.db.migrate_with(list).await, Err(Error::Other(_))));
        }
        fresh.db.migrate_with(LIST).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_failing_migration_leaves_no_trace() {
    on_each_engine("SELECT 1", async |fresh| {
        static BROKEN: &[Migration] = &[
            FIRST,
            migration(
                2,
                "second",
                "CREATE TABLE halfway (id TEXT PRIMARY KEY); INSERT INTO nowhere VALUES (1)",
            ),
        ];
        let error = fresh.db.migrate_with(BROKEN).await.unwrap_err();
        let Error::Other(cause) = error else { panic!("{error:?}") };
        assert!(cause.to_string().contains("0002_second"), "{cause}");
        assert!(fresh.db.prepare("SELECT id FROM halfway").await.is_err());
        // The first one stays, and the corrected list goes on from there.
        fresh.db.migrate_with(LIST).await.unwrap();
        assert_eq!(amount(fresh).await, Some(2));
    })
    .await;
}

/// The migrations of the product itself.
#[tokio::test]
async fn the_compiled_migrations_apply_twice() {
    on_each_engine("SELECT 1", async |fresh| {
        fresh.db.migrate().await.unwrap();
        fresh.db.migrate().await.unwrap();
        fresh.db.prepare("SELECT position FROM event_counter").await.unwrap();
        let columns = match fresh.db.engine() {
            Engine::Sqlite => "SELECT name FROM pragma_table_info('events') ORDER BY name",
            Engine::Postgres => {
                "SELECT column_name::TEXT FROM information_schema.columns
                 WHERE table_name = 'events' AND table_schema = current_schema() ORDER BY column_name"
            }
        };
        let columns: Vec<String> = fresh.db.scan(columns, &[]).await.unwrap();
        assert!(columns.contains(&"position".to_owned()), "{columns:?}");
    })
    .await;
}
