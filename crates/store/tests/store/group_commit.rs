//! Many writers at once: everyone learns what became of their own transaction, and of no other.

use store::{Db, Error, params, transaction};

use crate::harness::{on_each_engine, on_sqlite};

const TABLE: &str = "CREATE TABLE entries (id TEXT PRIMARY KEY, writer BIGINT NOT NULL)";

async fn insert(db: &Db, id: &str, writer: i64) -> Result<i64, Error> {
    transaction!(db, |tx| {
        tx.execute("INSERT INTO entries (id, writer) VALUES ($1, $2)", params![id, writer]).await?;
        Ok(writer)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_writer_gets_its_own_result() {
    on_each_engine(TABLE, async |fresh| {
        let mut writers = Vec::new();
        for writer in 0..64_i64 {
            let db = fresh.db.clone();
            writers.push(tokio::spawn(async move {
                let mut done = 0;
                for round in 0..20 {
                    match insert(&db, &format!("{writer}-{round}"), writer * 1000 + round).await {
                        Ok(returned) => {
                            assert_eq!(returned, writer * 1000 + round);
                            let seen: Option<i64> = db
                                .read_one(
                                    "SELECT writer FROM entries WHERE id = $1",
                                    params![format!("{writer}-{round}")],
                                )
                                .await
                                .unwrap();
                            assert_eq!(seen, Some(returned), "what is committed is read at once");
                            done += 1;
                        }
                        // The pool of connections is smaller than the number of writers.
                        Err(Error::Unavailable(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
                done
            }));
        }
        let mut done = 0;
        for writer in writers {
            done += writer.await.unwrap();
        }
        assert!(done > 600, "{done}");
        let counted: Vec<i64> = fresh.db.scan("SELECT count(*) FROM entries", &[]).await.unwrap();
        assert_eq!(counted, [done]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_conflict_harms_nobody_else() {
    on_each_engine(TABLE, async |fresh| {
        insert(&fresh.db, "taken", -1).await.unwrap();
        let mut writers = Vec::new();
        for writer in 0..64_i64 {
            let db = fresh.db.clone();
            writers.push(tokio::spawn(async move {
                for round in 0..10 {
                    let own = format!("{writer}-{round}");
                    let result: Result<(), Error> = transaction!(db, |tx| {
                        tx.execute("INSERT INTO entries (id, writer) VALUES ($1, $2)", params![&own, writer])
                            .await?;
                        if writer % 2 == 1 {
                            tx.execute(
                                "INSERT INTO entries (id, writer) VALUES ($1, $2)",
                                params!["taken", writer],
                            )
                            .await?;
                        }
                        Ok(())
                    });
                    match result {
                        Ok(()) => assert_eq!(writer % 2, 0),
                        Err(Error::Conflict) => assert_eq!(writer % 2, 1),
                        Err(Error::Unavailable(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                    let kept: Option<i64> =
                        db.read_one("SELECT writer FROM entries WHERE id = $1", params![&own]).await.unwrap();
                    assert_eq!(kept.is_some(), result.is_ok());
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    })
    .await;
}

/// Those who finish while a commit is under way share the next one: far fewer commits than transactions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commits_are_shared() {
    on_sqlite(TABLE, async |fresh| {
        // The header of the WAL counts its frames, and every commit writes the page of the table anew.
        let mut writers = Vec::new();
        let first = fresh.db.begin().await.unwrap();
        for writer in 0..100_i64 {
            let db = fresh.db.clone();
            writers.push(tokio::spawn(async move { insert(&db, &writer.to_string(), writer).await }));
        }
        // All of them queue for the lock that this transaction holds.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let before = wal_frames(fresh);
        drop(first);
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        let written = wal_frames(fresh) - before;
        assert!(written < 30, "{written} pages for 100 small transactions");
    })
    .await;
}

fn wal_frames(fresh: &crate::harness::Fresh) -> u64 {
    let store::Config::Sqlite { path } = &fresh.config else { panic!("SQLite only") };
    let wal = std::fs::metadata(format!("{}-wal", path.display())).unwrap().len();
    wal.saturating_sub(32) / (4096 + 24)
}
