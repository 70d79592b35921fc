-- Work to be done after the transaction that asked for it, by any node, at least once.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'dead')),
    run_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- Until when a worker holds the job, and how often it was handed out: the fence.
    leased_until INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    last_error TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state = 'waiting';

-- When each recurring job is due next; whoever moves the row on enqueues the job.
CREATE TABLE schedules (
    name TEXT PRIMARY KEY,
    next_run_at INTEGER NOT NULL
);
