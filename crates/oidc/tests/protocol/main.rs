//! The protocol rules, from outside the crate. Tests named `o1_..`, `j5_..` are rows of the security list in
//! `SECURITY.md`; each proves first that its unaltered baseline is accepted.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop loudly"
)]

mod back_channel;
mod front_channel;
mod id_tokens;
mod issuer;
mod keys;
mod metadata;
mod mutation;
mod own_tokens;
mod times;
mod vectors;
