//! The only code that knows a database engine: a thin facade over rusqlite (embedded SQLite) and tokio-postgres.
//!
//! - One SQL text per query for both engines, placeholders `$1..$n` in order of first appearance, columns TEXT,
//!   BIGINT/INTEGER and BLOB only. Aggregates over BIGINT need a cast (`CAST(sum(x) AS BIGINT)`).
//! - [`Db::read`] sees what is committed. [`transaction!`] is one atomic transaction; when it returns `Ok`, it is on
//!   disk. Its body may run again and may await nothing but `tx`.
//! - A failed statement fails its transaction on both engines: later statements are refused and it rolls back, even
//!   when the body returns `Ok`. A conflict that is to be survived is an `ON CONFLICT` clause.
//! - What cannot be portable is a named function here: [`Tx::lock`], [`Tx::next_event_position`],
//!   [`Db::number_events`].
//! - Lists go through [`Select`], the one place with optional filters and paging.

mod db;
mod error;
mod events;
mod jobs;
mod migrations;
mod paging;
mod postgres;
mod select;
mod sqlite;
mod statements;
mod transaction;
mod value;

pub use db::{Config, Db, Engine};
pub use error::{Cause, Error, OnConflict};
pub use jobs::ClaimedJob;
#[doc(hidden)]
pub use migrations::Migration;
pub use paging::{Keyed, Keyset, Order, Page, PageRequest};
pub use select::{Select, contains};
pub use statements::{Statement, statements};
pub use transaction::Tx;
#[doc(hidden)]
pub use transaction::{Attempts, only_this};
pub use value::{Column, FromColumn, FromRow, Param, Row};
