//! What only the embedded engine does.

use std::time::Duration;

use store::{Attempts, Config, Db, Error, params, transaction};

use crate::harness::{Dice, on_sqlite};

const TABLE: &str = "CREATE TABLE blobs (id BIGINT PRIMARY KEY, content TEXT NOT NULL)";

async fn count(db: &Db) -> i64 {
    db.read_one("SELECT count(*) FROM blobs", &[]).await.unwrap().unwrap()
}

async fn insert(db: &Db, id: i64, content: &str) -> Result<u64, Error> {
    transaction!(db, |tx| {
        tx.execute("INSERT INTO blobs (id, content) VALUES ($1, $2)", params![id, content]).await
    })
}

/// When SQLite rolls the shared transaction back by itself, all who were part of it hear of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_outer_rollback_fails_the_whole_epoch() {
    on_sqlite(TABLE, async |fresh| {
        let db = &fresh.db;
        let mut first = db.begin().await.unwrap();
        let spoiler = {
            let db = db.clone();
            tokio::spawn(async move {
                let result: Result<(), Error> = transaction!(db, |tx| {
                    tx.execute("INSERT INTO blobs (id, content) VALUES ($1, $2)", params![2_i64, ""]).await?;
                    tx.execute("ROLLBACK", &[]).await?;
                    Ok(())
                });
                result
            })
        };
        // The spoiler now queues for the lock, ahead of the commit of `first`.
        tokio::time::sleep(Duration::from_millis(100)).await;
        first.execute("INSERT INTO blobs (id, content) VALUES ($1, $2)", params![1_i64, ""]).await.unwrap();
        let attempts = Attempts::new(db);
        let finished = attempts.finish(first, Ok::<(), Error>(())).await.unwrap();
        assert!(matches!(finished, Err(Error::Unavailable(_))), "{finished:?}");
        assert!(matches!(spoiler.await.unwrap(), Err(Error::Unavailable(_))));
        assert_eq!(count(db).await, 0);
        insert(db, 3, "").await.unwrap();
        assert_eq!(count(db).await, 1);
    })
    .await;
}

/// A full disk, as SQLite meets it: whoever is told `Ok` finds their row, and nobody else does.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_is_reported_to_those_it_hits() {
    on_sqlite(TABLE, async |fresh| {
        let db = &fresh.db;
        db.run_script("PRAGMA max_page_count = 60").await.unwrap();
        let mut writers = Vec::new();
        for id in 0..200_i64 {
            let db = db.clone();
            writers.push(tokio::spawn(async move { insert(&db, id, &"x".repeat(3000)).await }));
        }
        let (mut kept, mut refused) = (0, 0);
        for (id, writer) in (0_i64..).zip(writers) {
            let result = writer.await.unwrap();
            let found: Option<i64> =
                db.read_one("SELECT id FROM blobs WHERE id = $1", params![id]).await.unwrap();
            assert_eq!(found.is_some(), result.is_ok(), "{result:?}");
            match result {
                Ok(_) => kept += 1,
                Err(Error::Unavailable(_)) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert!(refused > 100, "{kept} kept, {refused} refused");
        db.run_script("PRAGMA max_page_count = 100000").await.unwrap();
        insert(db, 1000, "x").await.unwrap();
        assert_eq!(count(db).await, kept + 1);
    })
    .await;
}

/// Everything that can go wrong at once. Whoever is told `Ok` finds their rows, whoever is told otherwise does not, and
/// whoever is not told finds both or none.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accidents_of_all_kinds_do_not_mix() {
    on_sqlite(TABLE, async |fresh| {
        let db = &fresh.db;
        insert(db, -1, "").await.unwrap();
        let mut dice = Dice(0xacc1);
        let mut tasks = Vec::new();
        for number in 0..2000_i64 {
            // Each rollback of everything takes a whole epoch with it, so there are few.
            let accident = if number % 100 == 99 { 0 } else { 1 + dice.below(11) };
            let patience = dice.below(40);
            let db = db.clone();
            let task = tokio::spawn(async move {
                let result: Result<(), Error> = transaction!(db, |tx| {
                    for half in 0..2 {
                        let id = number * 2 + half;
                        tx.execute("INSERT INTO blobs (id, content) VALUES ($1, $2)", params![id, ""])
                            .await?;
                    }
                    match accident {
                        0 => drop(tx.execute("ROLLBACK", &[]).await),
                        1 => {
                            tx.execute("INSERT INTO blobs (id, content) VALUES (-1, '')", &[]).await?;
                        }
                        // Unlike panic!, it prints nothing.
                        2 => std::panic::resume_unwind(Box::new("on purpose")),
                        3 => tokio::task::yield_now().await,
                        4 => return Err(Error::UnknownCursor),
                        _ => {}
                    }
                    Ok(())
                });
                assert!(result.is_err() || accident >= 5, "{accident}");
                result
            });
            if accident == 5 {
                let abort = task.abort_handle();
                tokio::spawn(async move {
                    for _ in 0..patience {
                        tokio::task::yield_now().await;
                    }
                    abort.abort();
                });
            }
            tasks.push((accident, task));
            if number % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let (mut kept, mut shared_fate) = (0, 0);
        for (number, (accident, task)) in (0_i64..).zip(tasks) {
            let outcome = task.await;
            let found: Vec<i64> = db
                .read("SELECT id FROM blobs WHERE id IN ($1, $2)", params![number * 2, number * 2 + 1])
                .await
                .unwrap();
            match outcome {
                Ok(Ok(())) => {
                    assert_eq!(found.len(), 2);
                    kept += 1;
                }
                Ok(Err(error)) => {
                    assert!(found.is_empty(), "{error:?}");
                    // Nobody's fault but that of whoever rolled everything back.
                    shared_fate += u32::from(accident > 5 && matches!(error, Error::Unavailable(_)));
                }
                Err(error) if error.is_panic() => assert!(accident == 2 && found.is_empty()),
                Err(_) => assert!(found.is_empty() || found.len() == 2),
            }
        }
        assert!(kept > 100 && shared_fate > 0, "{kept} kept, {shared_fate} shared the fate of another");
        insert(db, -2, "").await.unwrap();
    })
    .await;
}

/// The command line is a second process on the same file.
#[tokio::test]
async fn a_writer_of_another_process_is_waited_for_without_blocking_the_runtime() {
    on_sqlite(TABLE, async |fresh| {
        let other = fresh.open_again().await;
        let mut held = other.begin().await.unwrap();
        held.execute("INSERT INTO blobs (id, content) VALUES ($1, $2)", params![1_i64, ""]).await.unwrap();
        // One thread: were the wait to block it, the other one could never let go.
        let waiting = insert(&fresh.db, 2, "");
        let release = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Attempts::new(&other).finish(held, Ok::<(), Error>(())).await.unwrap().unwrap();
        };
        let (waited, ()) = tokio::join!(waiting, release);
        waited.unwrap();
        assert_eq!((count(&fresh.db).await, count(&other).await), (2, 2));
    })
    .await;
}

/// A caller that gives up while another process is waited for leaves the lock free.
#[tokio::test(flavor = "multi_thread")]
async fn giving_up_on_another_process_leaves_nothing_open() {
    on_sqlite(TABLE, async |fresh| {
        let other = fresh.open_again().await;
        let held = other.begin().await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(50), insert(&fresh.db, 1, "")).await;
        assert!(waited.is_err());
        drop(held);
        insert(&fresh.db, 2, "").await.unwrap();
        insert(&other, 3, "").await.unwrap();
        assert_eq!(count(&other).await, 2);
    })
    .await;
}

/// A transaction that only reads, or that changes nothing, does not keep the file locked.
#[tokio::test(flavor = "multi_thread")]
async fn transactions_without_changes_leave_nothing_open() {
    on_sqlite(TABLE, async |fresh| {
        let other = fresh.open_again().await;
        for id in 0..20 {
            let nothing: Result<u64, Error> = transaction!(fresh.db, |tx| {
                tx.execute("DELETE FROM blobs WHERE id = $1", params![-1_i64]).await
            });
            assert_eq!(nothing.unwrap(), 0);
            insert(&other, id, "").await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_private_and_closed_with_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let open_files = || {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.starts_with(folder.path()))
            .count()
    };
    for number in 0..200 {
        let path = folder.path().join(format!("{number}.db"));
        let db = Db::open(&Config::Sqlite { path: path.clone() }).await.unwrap();
        db.run_script(TABLE).await.unwrap();
        let mut tasks = Vec::new();
        for id in 0..4 {
            let db = db.clone();
            tasks.push(tokio::spawn(async move {
                insert(&db, id, "").await.unwrap();
                count(&db).await
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        #[cfg(unix)]
        for file in std::fs::read_dir(folder.path()).unwrap() {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o077, 0);
        }
    }
    // The committing threads notice just afterwards.
    for _ in 0..100 {
        if open_files() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} files are still open", open_files());
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_folds_the_log_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let db = Db::open(&Config::Sqlite { path: path.clone() }).await.unwrap();
    db.run_script(TABLE).await.unwrap();
    insert(&db, 1, "x").await.unwrap();
    db.close().await;
    assert_eq!(std::fs::metadata(folder.path().join("test.db-wal")).map_or(0, |file| file.len()), 0);
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    let copy = Db::open(&Config::Sqlite { path: copy }).await.unwrap();
    assert_eq!(count(&copy).await, 1);
}

#[tokio::test]
async fn a_missing_folder_is_reported() {
    let config = Config::Sqlite { path: "/nowhere/at/all/test.db".into() };
    assert!(matches!(Db::open(&config).await, Err(Error::Unavailable(_))));
}
