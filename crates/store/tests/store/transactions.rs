//! What a transaction promises on both engines.

use std::sync::atomic::{AtomicU32, Ordering};

use store::{Db, Engine, Error, OnConflict, params, transaction};

use crate::harness::{on_each_engine, on_postgres};

const TABLE: &str = "CREATE TABLE parents (id TEXT PRIMARY KEY, amount BIGINT NOT NULL CHECK (amount >= 0));
    CREATE TABLE children (id TEXT PRIMARY KEY, parent_id TEXT NOT NULL REFERENCES parents (id) ON DELETE RESTRICT);
    CREATE TABLE uniques (id BIGINT NOT NULL, name TEXT NOT NULL UNIQUE);
    INSERT INTO parents (id, amount) VALUES ('a', 10), ('b', 10)";

/// An error of an upper crate.
#[derive(Debug)]
enum Failure {
    Store(Error),
    Taken,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Store(error)
    }
}

async fn amount(db: &Db, id: &str) -> i64 {
    db.read_one("SELECT amount FROM parents WHERE id = $1", params![id]).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_error_of_the_body_rolls_back() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let result: Result<(), Failure> = transaction!(db, |tx| {
            tx.execute("UPDATE parents SET amount = $1 WHERE id = $2", params![99_i64, "a"]).await?;
            Err(Failure::Taken)
        });
        assert!(matches!(result, Err(Failure::Taken)));
        assert_eq!(amount(db, "a").await, 10);
    })
    .await;
}

#[tokio::test]
async fn constraints_map_to_the_same_errors() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let attempt = async |sql: &'static str| -> Error {
            transaction!(db, |tx| -> Result<u64, Error> { tx.execute(sql, &[]).await }).unwrap_err()
        };
        let error = attempt("INSERT INTO parents (id, amount) VALUES ('a', 1)").await;
        assert!(matches!(error, Error::Conflict), "{error:?}");
        let error = attempt("INSERT INTO uniques (id, name) VALUES (1, 'x'), (2, 'x')").await;
        assert!(matches!(error, Error::Conflict), "{error:?}");
        let error = attempt("INSERT INTO children (id, parent_id) VALUES ('c', 'nobody')").await;
        assert!(matches!(error, Error::ForeignKey), "{error:?}");
        let error = attempt("INSERT INTO parents (id, amount) VALUES ('c', -1)").await;
        assert!(matches!(error, Error::Check), "{error:?}");
        let error = attempt("INSERT INTO parents (id, amount) VALUES ('c', NULL)").await;
        assert!(matches!(error, Error::NotNull), "{error:?}");
        let error = attempt("INSERT INTO nowhere (id) VALUES (1)").await;
        assert!(matches!(error, Error::Other(_)), "{error:?}");
        let error = attempt("INSERT INTO parents (id, amount) VALUES ($1, 1)").await;
        assert!(matches!(error, Error::Other(_)), "{error:?}");

        let _: u64 = transaction!(db, |tx| -> Result<u64, Error> {
            tx.execute("INSERT INTO children (id, parent_id) VALUES ('c', 'a')", &[]).await
        })
        .unwrap();
        let error = attempt("DELETE FROM parents WHERE id = 'a'").await;
        assert!(matches!(error, Error::ForeignKey), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn on_conflict_gives_a_conflict_its_meaning() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        for (id, amount, taken) in [("a", 1_i64, true), ("c", -1, false)] {
            let result: Result<(), Failure> = transaction!(db, |tx| {
                tx.execute("INSERT INTO parents (id, amount) VALUES ($1, $2)", params![id, amount])
                    .await
                    .on_conflict(|| Failure::Taken)?;
                Ok(())
            });
            match result.unwrap_err() {
                Failure::Taken => assert!(taken),
                Failure::Store(error) => assert!(!taken && matches!(error, Error::Check)),
            }
        }
    })
    .await;
}

/// PostgreSQL gives up a transaction at its first error; a body that carries on must not believe otherwise on either.
#[tokio::test]
async fn a_failed_statement_fails_the_transaction() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let result: Result<(), Error> = transaction!(db, |tx| {
            tx.execute("UPDATE parents SET amount = $1 WHERE id = $2", params![99_i64, "b"]).await?;
            let failed =
                tx.execute("INSERT INTO parents (id, amount) VALUES ($1, $2)", params!["a", 1_i64]).await;
            assert!(matches!(failed, Err(Error::Conflict)));
            let refused = tx.query_one::<i64>("SELECT amount FROM parents", &[]).await;
            assert!(matches!(refused, Err(Error::Conflict)));
            Ok(())
        });
        assert!(matches!(result, Err(Error::Conflict)), "{result:?}");
        assert_eq!(amount(db, "b").await, 10);
    })
    .await;
}

#[tokio::test]
async fn statements_return_counts_and_rows() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let result: Result<_, Error> = transaction!(db, |tx| {
            let none = tx
                .execute("UPDATE parents SET amount = $1 WHERE id = $2", params![1_i64, "nobody"])
                .await?;
            let both = tx.execute("UPDATE parents SET amount = amount + $1", params![5_i64]).await?;
            let ignored = tx
                .execute(
                    "INSERT INTO parents (id, amount) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
                    params!["a", 0_i64],
                )
                .await?;
            let returned: Option<(String, i64)> = tx
                .query_one(
                    "UPDATE parents SET amount = amount - $1 WHERE id = $2 AND amount >= $1 RETURNING id, amount",
                    params![15_i64, "a"],
                )
                .await?;
            let refused: Option<(String, i64)> = tx
                .query_one(
                    "UPDATE parents SET amount = amount - $1 WHERE id = $2 AND amount >= $1 RETURNING id, amount",
                    params![15_i64, "a"],
                )
                .await?;
            let all: Vec<(String, i64)> = tx.query("SELECT id, amount FROM parents ORDER BY id", &[]).await?;
            let counted = tx.execute("UPDATE parents SET amount = amount RETURNING id", &[]).await?;
            assert_eq!(counted, 2);
            Ok((none, both, ignored, returned, refused, all))
        });
        let (none, both, ignored, returned, refused, all) = result.unwrap();
        assert_eq!((none, both, ignored), (0, 2, 0));
        assert_eq!(returned, Some(("a".to_owned(), 0)));
        assert_eq!(refused, None);
        assert_eq!(all, [("a".to_owned(), 0), ("b".to_owned(), 15)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_something_else_is_refused_on_sqlite() {
    on_each_engine(TABLE, async |fresh| {
        let db = &fresh.db;
        let result: Result<(), Error> = transaction!(db, |tx| {
            tx.execute("UPDATE parents SET amount = $1 WHERE id = $2", params![99_i64, "a"]).await?;
            tokio::task::yield_now().await;
            Ok(())
        });
        if db.engine() == Engine::Sqlite {
            assert!(matches!(result, Err(Error::Other(_))), "{result:?}");
            assert_eq!(amount(db, "a").await, 10);
        } else {
            result.unwrap();
        }
        let result: Result<(), Error> = transaction!(db, |tx| {
            tx.execute("UPDATE parents SET amount = $1 WHERE id = $2", params![98_i64, "a"]).await?;
            Ok(())
        });
        result.unwrap();
        assert_eq!(amount(db, "a").await, 98);
    })
    .await;
}

/// Two decisions on one row that was read under its lock: the second sees the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn lock_makes_decisions_follow_each_other() {
    on_each_engine(TABLE, async |fresh| {
        let mut tasks = Vec::new();
        for _ in 0..15 {
            let db = fresh.db.clone();
            tasks.push(tokio::spawn(async move {
                let result: Result<bool, Error> = transaction!(db, |tx| {
                    assert!(tx.lock("parents", "a").await?);
                    assert!(!tx.lock("parents", "nobody").await?);
                    let left: i64 = tx
                        .query_one("SELECT amount FROM parents WHERE id = $1", params!["a"])
                        .await?
                        .unwrap();
                    if left == 0 {
                        return Ok(false);
                    }
                    tx.execute("UPDATE parents SET amount = $1 WHERE id = $2", params![left - 1, "a"])
                        .await?;
                    Ok(true)
                });
                result.unwrap()
            }));
        }
        let mut taken = 0;
        for task in tasks {
            taken += u32::from(task.await.unwrap());
        }
        assert_eq!((taken, amount(&fresh.db, "a").await), (10, 0));

        let injected: Result<bool, Error> =
            transaction!(fresh.db, |tx| { tx.lock("parents; DROP TABLE parents", "a").await });
        assert!(matches!(injected, Err(Error::Other(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deadlocks_are_run_again() {
    on_postgres(TABLE, async |fresh| {
        let runs = std::sync::Arc::new(AtomicU32::new(0));
        let meet = std::sync::Arc::new(tokio::sync::Barrier::new(2));
        let mut tasks = Vec::new();
        for (first, second) in [("a", "b"), ("b", "a")] {
            let (db, runs, meet) = (fresh.db.clone(), runs.clone(), meet.clone());
            tasks.push(tokio::spawn(async move {
                let mut own = 0;
                let result: Result<(), Error> = transaction!(db, |tx| {
                    own += 1;
                    runs.fetch_add(1, Ordering::SeqCst);
                    tx.execute("UPDATE parents SET amount = amount + 1 WHERE id = $1", params![first])
                        .await?;
                    if own == 1 {
                        // Both hold their first row now.
                        meet.wait().await;
                    }
                    tx.execute("UPDATE parents SET amount = amount + 1 WHERE id = $1", params![second])
                        .await?;
                    Ok(())
                });
                result
            }));
        }
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        // More than three when the loser was back before the winner had woken up.
        assert!(runs.load(Ordering::SeqCst) >= 3);
        assert_eq!((amount(&fresh.db, "a").await, amount(&fresh.db, "b").await), (12, 12));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn serialization_failures_are_run_again_and_given_up_at_last() {
    on_postgres(TABLE, async |fresh| {
        for (collisions, succeeds) in [(3_u32, true), (u32::MAX, false)] {
            let mut runs = 0;
            let db = &fresh.db;
            let result: Result<(), Failure> = transaction!(db, |tx| {
                runs += 1;
                tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", &[]).await?;
                tx.query::<i64>("SELECT amount FROM parents", &[]).await?;
                if runs <= collisions {
                    let other: Result<u64, Error> = transaction!(db, |tx| {
                        tx.execute("UPDATE parents SET amount = amount + 1 WHERE id = $1", params!["a"]).await
                    });
                    other?;
                }
                // The body may hide the error behind one of its own.
                tx.execute("UPDATE parents SET amount = amount + 100 WHERE id = $1", params!["a"])
                    .await
                    .map_err(|_| Failure::Taken)?;
                Ok(())
            });
            assert_eq!(result.is_ok(), succeeds, "{result:?}");
            assert_eq!(runs, if succeeds { 4 } else { 10 });
        }
        assert_eq!(amount(&fresh.db, "a").await, 10 + 3 + 100 + 10);
    })
    .await;
}

/// A transaction that changes no row is a transaction all the same.
#[tokio::test]
async fn definitions_are_committed() {
    on_each_engine(TABLE, async |fresh| {
        let result: Result<u64, Error> =
            transaction!(fresh.db, |tx| { tx.execute("CREATE TABLE made (id TEXT PRIMARY KEY)", &[]).await });
        result.unwrap();
        let made: Vec<String> = fresh.open_again().await.read("SELECT id FROM made", &[]).await.unwrap();
        assert!(made.is_empty());
    })
    .await;
}

/// The type of the error comes from where the result goes, or is said.
#[tokio::test]
async fn the_error_type_is_inferred_or_named() {
    async fn inferred(db: &Db) -> Result<u64, Failure> {
        transaction!(db, |tx| {
            let changed = tx.execute("UPDATE parents SET amount = amount", &[]).await?;
            Ok(changed)
        })
    }
    async fn named(db: &Db) -> Result<String, Failure> {
        let changed = transaction!(db, |tx| -> Result<u64, Failure> {
            Ok(tx.execute("UPDATE parents SET amount = amount", &[]).await?)
        })?;
        Ok(changed.to_string())
    }
    on_each_engine(TABLE, async |fresh| {
        assert_eq!(inferred(&fresh.db).await.unwrap(), 2);
        assert_eq!(named(&fresh.db).await.unwrap(), "2");
    })
    .await;
}
