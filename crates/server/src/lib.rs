//! Portcullis put together: the router of all areas, and the commands that run it.

pub mod assembly;
pub mod commands;
pub mod dev;
mod listen;
mod logging;
pub mod output;
pub mod seed;
pub mod serve;
