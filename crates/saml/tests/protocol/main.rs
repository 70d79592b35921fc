//! What the crate promises, tried from outside: documents are forged and signed here, with keys from `tests/keys`.
//!
//! Modules named `sNN_*` follow the attack classes of a SAML service provider; `interoperation` and
//! `canonical_form` compare with the `xmlsec1` command and with bergshamra.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod accepted;
mod canonical_form;
mod certificates;
mod forge;
mod interoperation;
mod metadata;
mod requests;
mod s01_wrapping;
mod s02_ids;
mod s03_to_s08_signature;
mod s09_to_s12_parsing;
mod s15_to_s24_profile;
mod vendors;
