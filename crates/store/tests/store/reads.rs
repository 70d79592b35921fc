//! Reads and long scans.

use std::time::Duration;

use store::{Error, Select, params, transaction};

use crate::harness::on_each_engine;

const TABLE: &str = "CREATE TABLE items (id TEXT PRIMARY KEY, owner TEXT NOT NULL, amount BIGINT NOT NULL);
    CREATE INDEX items_owner ON items (owner, id)";

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_readers_see_only_whole_transactions() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let inserted: Result<u64, Error> = transaction!(db, |tx| {
            tx.execute("INSERT INTO items (id, owner, amount) VALUES ('a', 'x', 500), ('b', 'x', 500)", &[])
                .await
        });
        inserted.unwrap();
        let mut readers = Vec::new();
        for _ in 0..16 {
            let db = db.clone();
            readers.push(tokio::spawn(async move {
                for _ in 0..100 {
                    let sum: Vec<i64> = db
                        .read("SELECT CAST(sum(amount) AS BIGINT) FROM items WHERE owner = $1", params!["x"])
                        .await
                        .unwrap();
                    assert_eq!(sum, [1000]);
                }
            }));
        }
        for _ in 0..100 {
            let moved: Result<u64, Error> = transaction!(db, |tx| {
                tx.execute("UPDATE items SET amount = amount - 1 WHERE id = $1", params!["a"]).await?;
                tx.execute("UPDATE items SET amount = amount + 1 WHERE id = $1", params!["b"]).await
            });
            moved.unwrap();
        }
        for reader in readers {
            reader.await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_long_scan_holds_up_nobody_and_ends_with_its_caller() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let endless = || {
            let db = db.clone();
            tokio::spawn(async move {
                db.scan::<i64>(
                    "WITH RECURSIVE counter (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 2000000000)
                     SELECT CAST(max(n) AS BIGINT) FROM counter",
                    &[],
                )
                .await
            })
        };
        // More than there are slots for scans on either engine, one after the other: each must give its own back.
        for _ in 0..20 {
            let scan = endless();
            tokio::time::sleep(Duration::from_millis(20)).await;
            let read: Vec<i64> = db.read("SELECT amount FROM items WHERE id = $1", params!["a"]).await.unwrap();
            assert!(read.is_empty());
            scan.abort();
            assert!(scan.await.unwrap_err().is_cancelled());
        }
        let scan: Vec<i64> = db.scan("SELECT count(*) FROM items", &[]).await.unwrap();
        assert_eq!(scan, [0]);
    })
    .await;
}

#[tokio::test]
async fn reads_cannot_write() {
    on_each_engine(TABLE, async |fresh| {
        let sql = "INSERT INTO items (id, owner, amount) VALUES ('a', 'x', 1) RETURNING id";
        assert!(fresh.db.read::<String>(sql, &[]).await.is_err());
        assert!(fresh.db.read::<String>("SELECT id FROM items", &[]).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn select_puts_filters_together() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let inserted: Result<u64, Error> = transaction!(db, |tx| {
            tx.execute(
                "INSERT INTO items (id, owner, amount) VALUES
                 ('a', 'x', 1), ('b', 'x', 2), ('c', 'x', 3), ('d', 'y', 4), ('50%', 'y', 5)",
                &[],
            )
            .await
        });
        inserted.unwrap();
        let of_x = || Select::new("SELECT id FROM items WHERE owner = ?", ["x".into()]).order("id DESC");
        let ids = async |select: Select<'_>| select.all::<String>(db).await.unwrap();

        assert_eq!(ids(of_x()).await, ["c", "b", "a"]);
        assert_eq!(ids(of_x().and("amount BETWEEN ? AND ?", [2.into(), 3.into()])).await, ["c", "b"]);
        assert_eq!(ids(of_x().and_in("id", ["a", "c", "d"])).await, ["c", "a"]);
        assert!(ids(of_x().and_in("id", [""; 0])).await.is_empty());
        assert_eq!(ids(of_x().and_if("amount > ?", Some(2)).and_if("id = ?", None::<&str>)).await, ["c"]);
        let like = Select::new("SELECT id FROM items WHERE 1 = 1", [])
            .and("LOWER(id) LIKE ? ESCAPE '\\'", [store::contains("0%").into()]);
        assert_eq!(ids(like.clone()).await, ["50%"]);
        assert_eq!(like.scan::<String>(db).await.unwrap(), ["50%"]);
        let wrong = Select::new("SELECT id FROM items WHERE owner = ?", []).all::<String>(db).await;
        assert!(matches!(wrong, Err(Error::Other(_))));
    })
    .await;
}

/// What the SQL test of the product relies on.
#[tokio::test]
async fn executed_statements_are_recorded_and_can_be_examined() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let short = "SELECT amount FROM items WHERE owner = $1";
        let long = "SELECT amount FROM items WHERE amount > $1";
        db.read::<i64>(short, params!["x"]).await.unwrap();
        db.scan::<i64>(long, params![1_i64]).await.unwrap();
        db.scan::<i64>(short, params!["x"]).await.unwrap();
        let recorded = store::statements();
        let scan = |sql: &str| recorded.iter().find(|statement| statement.sql == sql).map(|found| found.scan);
        if cfg!(debug_assertions) {
            assert_eq!((scan(short), scan(long)), (Some(false), Some(true)));
        }
        db.prepare(short).await.unwrap();
        assert!(matches!(db.prepare("SELECT nothing FROM items").await, Err(Error::Other(_))));
        if db.engine() == store::Engine::Sqlite {
            assert!(db.plan(short).await.unwrap()[0].starts_with("SEARCH items"));
            assert!(db.plan(long).await.unwrap()[0].starts_with("SCAN items"));
        } else {
            assert!(db.plan(short).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn a_closed_database_refuses_everything() {
    on_each_engine(TABLE, async |fresh| {
        let db = fresh.open_again().await;
        db.ping().await.unwrap();
        db.close().await;
        db.close().await;
        assert!(matches!(db.ping().await, Err(Error::Unavailable(_))));
        assert!(matches!(db.begin().await, Err(Error::Unavailable(_))));
        assert!(matches!(db.scan::<i64>("SELECT 1", &[]).await, Err(Error::Unavailable(_))));
        fresh.db.ping().await.unwrap();
    })
    .await;
}

#[test]
fn the_configuration_never_prints_the_password() {
    let config = store::Config::Postgres {
        url: "postgres://user:hunter2@localhost/db?password=hunter2".to_owned(),
        pool_size: 1,
        schema: None,
    };
    assert!(!format!("{config:?}").contains("hunter2"));
}
