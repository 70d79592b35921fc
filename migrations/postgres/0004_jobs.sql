-- Work to be done after the transaction that asked for it, by any node, at least once.
CREATE TABLE jobs (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    payload TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'dead')),
    run_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Until when a worker holds the job, and how often it was handed out: the fence.
    leased_until BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    last_error TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX jobs_due ON jobs (run_at, id) WHERE state = 'waiting';

-- When each recurring job is due next; whoever moves the row on enqueues the job.
CREATE TABLE schedules (
    name TEXT COLLATE "C" PRIMARY KEY,
    next_run_at BIGINT NOT NULL
);
