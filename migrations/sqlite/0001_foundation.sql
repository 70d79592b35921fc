-- Data keys, wrapped by the master key; they seal every secret at rest.
CREATE TABLE data_keys (
    id INTEGER PRIMARY KEY,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    team_id TEXT NOT NULL REFERENCES teams (id),
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX projects_team ON projects (team_id);

CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('staging', 'production')),
    client_id TEXT NOT NULL UNIQUE,
    publishable_key TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
);
CREATE UNIQUE INDEX environments_name ON environments (project_id, name) WHERE deleted_at IS NULL;

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    secret_hash TEXT NOT NULL UNIQUE,
    suffix TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
);
CREATE INDEX api_keys_environment ON api_keys (environment_id, created_at, id);

CREATE TABLE redirect_uris (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    uri TEXT NOT NULL,
    is_default INTEGER NOT NULL CHECK (is_default IN (0, 1)),
    has_wildcard INTEGER NOT NULL CHECK (has_wildcard IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX redirect_uris_uri ON redirect_uris (environment_id, uri);
CREATE UNIQUE INDEX redirect_uris_default ON redirect_uris (environment_id) WHERE is_default = 1;
CREATE INDEX redirect_uris_wildcard ON redirect_uris (environment_id) WHERE has_wildcard = 1;
CREATE INDEX redirect_uris_page ON redirect_uris (environment_id, created_at, id);

CREATE TABLE signing_keys (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    purpose TEXT NOT NULL CHECK (purpose IN ('sso', 'built_in_idp')),
    private_key BLOB NOT NULL,
    certificate BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER
);
CREATE INDEX signing_keys_environment ON signing_keys (environment_id, purpose, created_at);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (environment_id, purpose) WHERE retired_at IS NULL;

-- The order of events: SQLite's single writer takes the next number at once, PostgreSQL numbers committed
-- events afterwards under a lock on this row.
CREATE TABLE event_counter (
    id INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
);
INSERT INTO event_counter (id, position) VALUES (1, 0);

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT,
    name TEXT NOT NULL,
    data TEXT NOT NULL,
    context TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    position INTEGER
);
CREATE UNIQUE INDEX events_position ON events (environment_id, position);
CREATE INDEX events_name ON events (environment_id, name, position);
CREATE INDEX events_organization ON events (environment_id, organization_id, position);
CREATE INDEX events_waiting ON events (id) WHERE position IS NULL;
