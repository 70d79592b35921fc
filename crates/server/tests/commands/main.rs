//! The `portcullis` binary as operators and developers run it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod client;
mod dev;
mod operator;
mod process;
mod seeds;
mod serve;
mod start;
mod wire;
