//! What only the PostgreSQL engine does.

use std::time::{Duration, Instant};

use store::{Config, Db, Error, params, transaction};

use crate::harness::{on_postgres, postgres_url};

const TABLE: &str = "CREATE TABLE things (id BIGINT PRIMARY KEY)";

/// A `Db` whose connections can be told from others' by their name.
async fn named(fresh: &crate::harness::Fresh, name: &str) -> Db {
    let Config::Postgres { url, schema, .. } = &fresh.config else { panic!("PostgreSQL only") };
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}application_name={name}");
    Db::open(&Config::Postgres { url, pool_size: 4, schema: schema.clone() }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn dead_connections_are_replaced() {
    on_postgres(TABLE, async |fresh| {
        let name = format!("victim_{}", std::process::id());
        let db = named(fresh, &name).await;
        for round in 0..5_i64 {
            let reads: Vec<_> = (0..20)
                .map(|_| {
                    let db = db.clone();
                    tokio::spawn(async move { db.read::<i64>("SELECT id FROM things", &[]).await })
                })
                .collect();
            for read in reads {
                assert_eq!(read.await.unwrap().unwrap().len(), usize::try_from(round).unwrap());
            }
            let killed: Vec<bool> = fresh
                .db
                .scan(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
                    params![&name],
                )
                .await
                .unwrap();
            assert!(!killed.is_empty());
            // Reads are repeated on a new connection without anyone noticing, writes once the death is known.
            db.ping().await.unwrap();
            let mut attempts = 0;
            loop {
                attempts += 1;
                let inserted: Result<u64, Error> = transaction!(db, |tx| {
                    tx.execute("INSERT INTO things (id) VALUES ($1)", params![round]).await
                });
                match inserted {
                    Ok(_) => break,
                    Err(Error::Unavailable(_)) if attempts < 10 => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        }
        db.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_exhausted_pool_fails_soon_and_recovers() {
    on_postgres(TABLE, async |fresh| {
        let db = named(fresh, "exhausted").await;
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(db.begin().await.unwrap());
        }
        let start = Instant::now();
        assert!(matches!(db.begin().await, Err(Error::Unavailable(_))));
        assert!(start.elapsed() < Duration::from_secs(5));
        // Reads have connections of their own.
        db.ping().await.unwrap();
        drop(held);
        let inserted: Result<u64, Error> = transaction!(db, |tx| {
            tx.execute("INSERT INTO things (id) VALUES ($1)", params![1_i64]).await
        });
        inserted.unwrap();
        db.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let config = Config::Postgres {
        url: "postgres://nobody:secret@127.0.0.1:1/none".to_owned(),
        pool_size: 1,
        schema: None,
    };
    let error = Db::open(&config).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"));
}

/// A port that accepts and then says nothing: every wait is bounded.
#[tokio::test]
async fn a_silent_server_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("postgres://nobody@127.0.0.1:{}/none", listener.local_addr().unwrap().port());
    let start = Instant::now();
    let opened = Db::open(&Config::Postgres { url, pool_size: 1, schema: None }).await;
    assert!(matches!(opened, Err(Error::Unavailable(_))));
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn commits_wait_for_the_disk_whatever_the_server_says() {
    let Some(url) = postgres_url() else { return };
    let separator = if url.contains('?') { '&' } else { '?' };
    for (server, ours) in [("off", "on"), ("local", "on"), ("on", "on"), ("remote_apply", "remote_apply")] {
        let url = format!("{url}{separator}options=-c%20synchronous_commit%3D{server}");
        let db = Db::open(&Config::Postgres { url, pool_size: 1, schema: None }).await.unwrap();
        let seen: Result<Option<String>, Error> = transaction!(db, |tx| {
            tx.query_one("SELECT current_setting('synchronous_commit')", &[]).await
        });
        assert_eq!(seen.unwrap().as_deref(), Some(ours));
    }
}
