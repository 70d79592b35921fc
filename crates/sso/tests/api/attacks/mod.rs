//! The attacks that the tests of the `saml` crate make, sent through the assertion consumer service: what is
//! refused there must be refused here for the same reason, and nobody may get a code by it.

pub mod forge;

#[path = "../../../../saml/tests/protocol/s01_wrapping.rs"]
mod s01_wrapping;
#[path = "../../../../saml/tests/protocol/s02_ids.rs"]
mod s02_ids;
#[path = "../../../../saml/tests/protocol/s03_to_s08_signature.rs"]
mod s03_to_s08_signature;
#[path = "../../../../saml/tests/protocol/s09_to_s12_parsing.rs"]
mod s09_to_s12_parsing;
#[path = "../../../../saml/tests/protocol/s15_to_s24_profile.rs"]
mod s15_to_s24_profile;
