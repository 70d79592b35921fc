//! Canonical XML over a parsed tree.
