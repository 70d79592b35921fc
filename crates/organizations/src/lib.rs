//! Organizations: the customers of whoever runs Portcullis, and the domains they own.
//!
//! An organization that is deleted answers 404 from that transaction on; every insert that names one first
//! locks its live row ([`organizations::lock_live`]). A domain has at most one verified owner per
//! environment, which a unique index keeps.

pub mod domains;
pub mod organizations;

use axum::Router;
use kernel::App;

/// The routes of this area.
pub fn router() -> Router<App> {
    organizations::router().merge(domains::router())
}
