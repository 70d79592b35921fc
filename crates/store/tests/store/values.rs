//! Values go in and come out the same on both engines.

use store::{Column, Error, FromColumn, FromRow, Param, Row, params, transaction};

use crate::harness::on_each_engine;

const TABLE: &str = "CREATE TABLE samples (
        id BIGINT PRIMARY KEY, big BIGINT, small INTEGER, words TEXT, bytes BLOB)";

/// PostgreSQL calls it BYTEA; a domain lets one script serve both.
fn script() -> String {
    TABLE.to_owned()
}

#[derive(Debug, PartialEq)]
struct Sample {
    big: Option<i64>,
    small: Option<i64>,
    words: Option<String>,
    bytes: Option<Vec<u8>>,
}

impl FromRow for Sample {
    fn from_row(row: &mut Row<'_>) -> Result<Self, Error> {
        Ok(Sample { big: row.next()?, small: row.next()?, words: row.next()?, bytes: row.next()? })
    }
}

async fn on_samples(test: impl AsyncFn(&crate::harness::Fresh)) {
    on_each_engine("SELECT 1", async |fresh| {
        let script = match fresh.db.engine() {
            store::Engine::Sqlite => script(),
            store::Engine::Postgres => script().replace("BLOB", "BYTEA"),
        };
        fresh.db.run_script(&script).await.unwrap();
        test(fresh).await;
    })
    .await;
}

#[tokio::test]
async fn values_come_back_as_they_were() {
    on_samples(async |fresh| {
        let samples = [
            Sample { big: None, small: None, words: None, bytes: None },
            Sample {
                big: Some(i64::MIN),
                small: Some(-1),
                words: Some(String::new()),
                bytes: Some(Vec::new()),
            },
            Sample {
                big: Some(i64::MAX),
                small: Some(i64::from(i32::MAX)),
                words: Some("Grüße, 世界 🎉 'quoted' \"$1\" ?".to_owned()),
                bytes: Some((0..=255).collect()),
            },
        ];
        let db = &fresh.db;
        for (id, sample) in (0_i64..).zip(&samples) {
            let inserted: Result<u64, Error> = transaction!(db, |tx| {
                tx.execute(
                    "INSERT INTO samples (id, big, small, words, bytes) VALUES ($1, $2, $3, $4, $5)",
                    params![id, sample.big, sample.small, &sample.words, &sample.bytes],
                )
                .await
            });
            assert_eq!(inserted.unwrap(), 1);
            let read: Option<Sample> = db
                .read_one("SELECT big, small, words, bytes FROM samples WHERE id = $1", params![id])
                .await
                .unwrap();
            assert_eq!(read.as_ref(), Some(sample));
            let found: Vec<i64> = db
                .read(
                    "SELECT id FROM samples WHERE words = $1 AND bytes = $2 AND big = $3",
                    params![sample.words.as_deref(), sample.bytes.clone(), sample.big],
                )
                .await
                .unwrap();
            assert_eq!(found.len(), usize::from(sample.big.is_some()));
        }
    })
    .await;
}

#[tokio::test]
async fn booleans_are_integers() {
    on_samples(async |fresh| {
        let db = &fresh.db;
        let inserted: Result<u64, Error> = transaction!(db, |tx| {
            tx.execute(
                "INSERT INTO samples (id, big, small) VALUES ($1, $2, $3)",
                params![1_i64, true, false],
            )
            .await
        });
        inserted.unwrap();
        let read: Vec<(bool, bool, bool)> = db
            .read(
                "SELECT big, small, EXISTS (SELECT 1 FROM samples WHERE big = $1) FROM samples",
                params![true],
            )
            .await
            .unwrap();
        assert_eq!(read, [(true, false, true)]);
        let wrong = db.read::<bool>("SELECT id + 1 FROM samples", &[]).await;
        assert!(matches!(wrong, Err(Error::Row(_))));
    })
    .await;
}

#[tokio::test]
async fn rows_of_another_shape_are_refused() {
    on_samples(async |fresh| {
        let db = &fresh.db;
        let inserted: Result<u64, Error> = transaction!(db, |tx| {
            tx.execute("INSERT INTO samples (id, words) VALUES ($1, $2)", params![1_i64, "x"]).await
        });
        inserted.unwrap();
        let refused = [
            db.read::<i64>("SELECT words FROM samples", &[]).await.map(drop),
            db.read::<String>("SELECT id FROM samples", &[]).await.map(drop),
            db.read::<String>("SELECT bytes FROM samples", &[]).await.map(drop),
            db.read::<(i64, i64)>("SELECT id FROM samples", &[]).await.map(drop),
        ];
        for result in refused {
            assert!(matches!(result, Err(Error::Row(_))), "{result:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_number_of_values_is_checked() {
    on_samples(async |fresh| {
        let db = &fresh.db;
        for result in [
            db.read::<i64>("SELECT id FROM samples WHERE id = $1", &[]).await,
            db.read::<i64>("SELECT id FROM samples WHERE id = $1", params![1_i64, 2_i64]).await,
        ] {
            assert!(matches!(result, Err(Error::Other(_))), "{result:?}");
        }
    })
    .await;
}

/// SQLite numbers placeholders by appearance: a text that PostgreSQL would read otherwise does not pass.
#[tokio::test]
async fn placeholders_out_of_order_are_refused_on_sqlite() {
    crate::harness::on_sqlite(TABLE, async |fresh| {
        let refused = fresh
            .db
            .read::<i64>("SELECT id FROM samples WHERE id = $2 AND big = $1", params![1_i64, 2_i64])
            .await;
        assert!(matches!(refused, Err(Error::Other(_))), "{refused:?}");
    })
    .await;
}

/// An id of an upper crate.
#[derive(Debug, PartialEq, Clone, Copy)]
struct Id(u8);

impl From<Id> for Param<'_> {
    fn from(id: Id) -> Self {
        Param::from(format!("id_{}", id.0))
    }
}

impl FromColumn for Id {
    fn from_column(value: Column<'_>) -> Result<Self, Error> {
        let Column::Text(text) = value else { return Err(value.mismatch("an id")) };
        text.strip_prefix("id_")
            .and_then(|number| number.parse().ok())
            .map(Id)
            .ok_or_else(|| Error::Row(format!("{text} is no id")))
    }
}

#[tokio::test]
async fn types_of_other_crates_are_columns() {
    on_samples(async |fresh| {
        let db = &fresh.db;
        let inserted: Result<u64, Error> = transaction!(db, |tx| {
            tx.execute("INSERT INTO samples (id, words) VALUES ($1, $2)", params![1_i64, Id(7)]).await?;
            tx.execute("INSERT INTO samples (id, words) VALUES ($1, $2)", params![2_i64, None::<Id>]).await
        });
        inserted.unwrap();
        let read: Vec<(i64, Option<Id>)> =
            db.read("SELECT id, words FROM samples ORDER BY id", &[]).await.unwrap();
        assert_eq!(read, [(1, Some(Id(7))), (2, None)]);
    })
    .await;
}
