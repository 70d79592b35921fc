//! Callers that go away, in the middle of anything.

use std::time::Duration;

use store::{Db, Error, params, transaction};

use crate::harness::{Dice, on_each_engine, on_sqlite};

const TABLE: &str =
    "CREATE TABLE halves (pair BIGINT NOT NULL, half BIGINT NOT NULL, PRIMARY KEY (pair, half))";

async fn insert_pair(db: &Db, pair: i64) -> Result<(), Error> {
    transaction!(db, |tx| {
        for half in 0..2_i64 {
            tx.execute("INSERT INTO halves (pair, half) VALUES ($1, $2)", params![pair, half]).await?;
        }
        Ok(())
    })
}

async fn pairs_are_whole(db: &Db) {
    let torn: Vec<i64> =
        db.scan("SELECT pair FROM halves GROUP BY pair HAVING count(*) <> 2", &[]).await.unwrap();
    assert_eq!(torn, [0_i64; 0]);
}

async fn has(db: &Db, pair: i64) -> bool {
    let found: Option<i64> =
        db.read_one("SELECT half FROM halves WHERE pair = $1", params![pair]).await.unwrap();
    found.is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_aborted_at_random_leave_nothing_behind() {
    on_each_engine(TABLE, async |fresh| {
        let mut dice = Dice(0x5eed);
        let mut tasks = Vec::new();
        for pair in 0..1000_i64 {
            let db = fresh.db.clone();
            let task = tokio::spawn(async move { insert_pair(&db, pair).await });
            let delay = dice.below(60);
            if dice.below(3) > 0 {
                let abort = task.abort_handle();
                tokio::spawn(async move {
                    for _ in 0..delay {
                        tokio::task::yield_now().await;
                    }
                    abort.abort();
                });
            }
            if dice.below(8) == 0 {
                tokio::time::sleep(Duration::from_micros(dice.below(500))).await;
            }
            tasks.push(task);
        }
        let (mut committed, mut aborted) = (Vec::new(), 0);
        for (pair, task) in (0_i64..).zip(tasks) {
            match task.await {
                Ok(Ok(())) => committed.push(pair),
                Ok(Err(Error::Unavailable(_))) => {}
                Ok(Err(error)) => panic!("{error:?}"),
                Err(error) => {
                    assert!(error.is_cancelled());
                    aborted += 1;
                }
            }
        }
        assert!(committed.len() > 20 && aborted > 20, "{} committed, {aborted} aborted", committed.len());
        for pair in committed {
            assert!(has(&fresh.db, pair).await);
        }
        pairs_are_whole(&fresh.db).await;
        // Nobody kept the lock, a connection or a savepoint.
        for pair in 2000..2040 {
            insert_pair(&fresh.db, pair).await.unwrap();
        }
        pairs_are_whole(&fresh.db).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_dropped_half_way_is_rolled_back() {
    on_each_engine(TABLE, async |fresh| {
        for pair in 0..50_i64 {
            let mut tx = fresh.db.begin().await.unwrap();
            tx.execute("INSERT INTO halves (pair, half) VALUES ($1, $2)", params![pair, 0_i64])
                .await
                .unwrap();
            drop(tx);
        }
        insert_pair(&fresh.db, 1000).await.unwrap();
        assert!(!has(&fresh.db, 0).await);
        pairs_are_whole(&fresh.db).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_panicking_body_harms_nobody_else() {
    on_each_engine(TABLE, async |fresh| {
        let mut tasks = Vec::new();
        for pair in 0..100_i64 {
            let db = fresh.db.clone();
            tasks.push(tokio::spawn(async move {
                let result: Result<(), Error> = transaction!(db, |tx| {
                    tx.execute("INSERT INTO halves (pair, half) VALUES ($1, $2)", params![pair, 0_i64])
                        .await?;
                    if pair % 3 == 0 {
                        // Unlike panic!, it prints nothing.
                        std::panic::resume_unwind(Box::new("on purpose"));
                    }
                    tx.execute("INSERT INTO halves (pair, half) VALUES ($1, $2)", params![pair, 1_i64])
                        .await?;
                    Ok(())
                });
                result
            }));
        }
        for (pair, task) in (0_i64..).zip(tasks) {
            match task.await {
                Err(error) => assert!(error.is_panic() && pair % 3 == 0),
                Ok(Ok(())) => assert!(pair % 3 != 0 && has(&fresh.db, pair).await),
                Ok(Err(Error::Unavailable(_))) => {}
                Ok(Err(error)) => panic!("{error:?}"),
            }
        }
        pairs_are_whole(&fresh.db).await;
    })
    .await;
}

/// Whoever has handed in their changes and goes away before the commit loses nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_gone_while_waiting_is_committed() {
    on_sqlite(TABLE, async |fresh| {
        let mut left_waiting = 0;
        for pair in 0..50_i64 {
            // Polled once the future runs its body and hands in; then it waits for the commit, and is dropped. Where
            // the commit is faster than the poll, there is nothing to be dropped.
            let mut insert = Box::pin(insert_pair(&fresh.db, pair));
            let first = std::future::poll_fn(|context| {
                std::task::Poll::Ready(insert.as_mut().poll(context).is_ready())
            })
            .await;
            left_waiting += i32::from(!first);
            drop(insert);
            insert_pair(&fresh.db, 1000 + pair).await.unwrap();
            assert!(has(&fresh.db, pair).await);
        }
        assert!(left_waiting > 0);
    })
    .await;
}
