//! Readers who page by position miss no event.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{Db, Engine, Error, params, transaction};

use crate::harness::{Dice, on_each_engine, on_postgres};

const TABLES: &str = "CREATE TABLE event_counter (id BIGINT PRIMARY KEY, position BIGINT NOT NULL);
    INSERT INTO event_counter (id, position) VALUES (1, 0);
    CREATE TABLE events (id TEXT PRIMARY KEY, position BIGINT UNIQUE);
    CREATE INDEX events_waiting ON events (id) WHERE position IS NULL";

const WRITERS: u64 = 8;
const EACH: u64 = 40;

async fn write(db: Db, writer: u64) -> Vec<String> {
    let mut dice = Dice(writer + 1);
    let mut committed = Vec::new();
    for round in 0..EACH {
        let ids: Vec<String> = (0..=dice.below(3))
            .map(|part| format!("{:03}-{writer}-{round}-{part}", dice.below(1000)))
            .collect();
        let fails = dice.below(5) == 0;
        let pause = dice.below(1500);
        let result: Result<(), Error> = transaction!(db, |tx| {
            for id in &ids {
                let position = tx.next_event_position().await?;
                tx.execute("INSERT INTO events (id, position) VALUES ($1, $2)", params![id, position])
                    .await?;
            }
            if tx.engine() == Engine::Postgres {
                // Transactions that overlap commit in another order than they began in.
                tokio::time::sleep(std::time::Duration::from_micros(pause)).await;
            }
            if fails { Err(Error::Check) } else { Ok(()) }
        });
        match result {
            Ok(()) => committed.extend(ids),
            Err(Error::Check) => assert!(fails),
            Err(error) => panic!("{error:?}"),
        }
        db.number_events().await.unwrap();
    }
    committed
}

async fn follow(db: Db, writing: Arc<AtomicBool>) -> Vec<(i64, String)> {
    let mut seen: Vec<(i64, String)> = Vec::new();
    loop {
        let last_round = !writing.load(Ordering::SeqCst);
        db.number_events().await.unwrap();
        loop {
            let after = seen.last().map_or(0, |(position, _)| *position);
            let page: Vec<(i64, String)> = db
                .read(
                    "SELECT position, id FROM events WHERE position > $1 ORDER BY position LIMIT 7",
                    params![after],
                )
                .await
                .unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        if last_round {
            return seen;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_never_miss_an_event() {
    on_each_engine(TABLES, async |fresh| {
        // Two nodes write, others read.
        let nodes = [fresh.open_again().await, fresh.open_again().await];
        let writing = Arc::new(AtomicBool::new(true));
        let readers: Vec<_> =
            (0..3).map(|_| tokio::spawn(follow(fresh.db.clone(), writing.clone()))).collect();
        let mut writers = Vec::new();
        for writer in 0..WRITERS {
            writers.push(tokio::spawn(write(nodes[usize::from(writer % 2 == 0)].clone(), writer)));
        }
        let mut committed = HashSet::new();
        for writer in writers {
            committed.extend(writer.await.unwrap());
        }
        writing.store(false, Ordering::SeqCst);
        for reader in readers {
            let seen = reader.await.unwrap();
            let positions: Vec<i64> = seen.iter().map(|(position, _)| *position).collect();
            assert!(positions.is_sorted_by(|left, right| left < right));
            assert_eq!(positions.last(), Some(&(i64::try_from(committed.len()).unwrap())), "no gaps either");
            let seen: HashSet<String> = seen.into_iter().map(|(_, id)| id).collect();
            assert_eq!(seen, committed);
        }
    })
    .await;
}

/// After an outage of whoever numbers, the rest is done in batches, in the order of the ids.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backlog_is_numbered_in_order() {
    on_postgres(TABLES, async |fresh| {
        fresh
            .db
            .run_script(
                "INSERT INTO events (id) SELECT 'e' || lpad(n::text, 6, '0') FROM generate_series(1, 4500) n",
            )
            .await
            .unwrap();
        let nodes = [fresh.open_again().await, fresh.open_again().await];
        let (left, right) = tokio::join!(nodes[0].number_events(), nodes[1].number_events());
        left.unwrap();
        right.unwrap();
        let ids: Vec<String> = fresh.db.scan("SELECT id FROM events ORDER BY position", &[]).await.unwrap();
        assert_eq!(ids.len(), 4500);
        assert!(ids.is_sorted());
        let counter: Option<i64> =
            fresh.db.read_one("SELECT position FROM event_counter WHERE id = 1", &[]).await.unwrap();
        assert_eq!(counter, Some(4500));
    })
    .await;
}
