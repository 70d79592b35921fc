//! Read-only connections, used in place by whichever thread reads.
//!
//! A reader takes a connection, runs its statement without waiting for anything, and gives it back, so there are
//! never more than there are threads. They belong to the database and not to the threads, so that they close with
//! it. The stacks are spread over the threads: in practice each thread meets its own connection.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rusqlite::{Connection, OpenFlags};

use super::{connect, lock};
use crate::Error;

pub(super) struct Readers {
    path: PathBuf,
    stacks: Box<[Mutex<Vec<Connection>>]>,
    closed: AtomicBool,
}

thread_local! {
    static STACK: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

impl Readers {
    pub fn new(path: PathBuf) -> Self {
        let threads = std::thread::available_parallelism().map_or(4, usize::from);
        let stacks = (0..threads).map(|_| Mutex::default()).collect();
        Readers { path, stacks, closed: AtomicBool::new(false) }
    }

    pub fn with<T>(&self, f: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let own = STACK.try_with(|index| *index).unwrap_or(0) % self.stacks.len().max(1);
        let Some(stack) = self.stacks.get(own) else {
            return Err(Error::other("no stack of read connections"));
        };
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable("the database is closed"));
        }
        let taken = lock(stack).pop();
        let connection = match taken {
            Some(connection) => connection,
            None => {
                let connection = connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
                connection.pragma_update(None, "query_only", true)?;
                connection
            }
        };
        let result = f(&connection);
        let mut stack = lock(stack);
        if !self.closed.load(Ordering::Acquire) {
            stack.push(connection);
        }
        result
    }

    /// Closes what lies idle; connections in use close when they are given back.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        for stack in &self.stacks {
            let connections = std::mem::take(&mut *lock(stack));
            drop(connections);
        }
    }
}
