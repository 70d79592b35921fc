//! Events as consumers read them: `GET /events`.
//!
//! A reader who pages by `after` never misses an event, also with writers on several nodes: an event gets
//! its position only once its transaction has committed, and pages run along positions.

mod event_types;
mod events;
mod sweep;

pub use event_types::EVENT_TYPES;
pub use events::router;
pub use sweep::jobs;
