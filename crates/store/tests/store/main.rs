//! The store, on SQLite and, when `PORTCULLIS_TEST_POSTGRES` holds the URL of a server, on PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod cancellation;
mod events;
mod group_commit;
mod harness;
mod migrations;
mod paging;
mod postgres;
mod reads;
mod sqlite;
mod tls;
mod transactions;
mod values;
