//! In debug builds, a record of every SQL text that was executed, for the test that prepares all of them on
//! both engines and looks for full table scans. In release builds nothing is kept.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many texts are kept at most; far above what the product has, so reaching it means texts are generated.
const LIMIT: usize = 8192;

static RECORD: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

/// One SQL text that was executed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The text with `$n` placeholders.
    pub sql: String,
    /// Whether it only ever ran as a long scan ([`Db::scan`](crate::Db::scan)), which may read whole tables.
    pub scan: bool,
}

/// Every distinct SQL text this process has executed, on either engine; empty in release builds.
#[must_use]
pub fn statements() -> Vec<Statement> {
    let record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
    record.iter().map(|(sql, scan)| Statement { sql: sql.clone(), scan: *scan }).collect()
}

pub(crate) fn record(sql: &str, scan: bool) {
    if !cfg!(debug_assertions) {
        return;
    }
    let mut record = RECORD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(only_scanned) = record.get_mut(sql) {
        *only_scanned &= scan;
    } else if record.len() < LIMIT {
        record.insert(sql.to_owned(), scan);
    }
}
