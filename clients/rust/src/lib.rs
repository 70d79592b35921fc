//! What the checks with the official Rust SDK need: a Portcullis of their own, and a browser without JavaScript.
//!
//! Everything here panics on what it did not expect; it is test code.

mod browser;
mod server;

pub use browser::Browser;
pub use server::{REDIRECT_URI, Server};
