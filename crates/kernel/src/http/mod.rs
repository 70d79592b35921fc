//! HTTP conventions: our own extractors, so that every refusal is JSON of the right family, and the layers
//! every request passes.

mod body;
mod layers;
mod page;
mod params;
mod path;
mod strict;

pub use body::{Json, NoContent, body_bytes, nullable};
pub use layers::{ClientInfo, RequestId, assemble};
pub use page::{List, page_request};
pub use params::{Form, Params, Query};
pub use path::{Path, PathId};

/// Largest JSON or form body that is read, in bytes; endpoints that take more say so themselves.
pub const MAX_BODY: usize = 1 << 20;
