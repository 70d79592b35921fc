-- Data keys, wrapped by the master key; they seal every secret at rest.
CREATE TABLE data_keys (
    id BIGINT PRIMARY KEY,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE teams (
    id TEXT COLLATE "C" PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE projects (
    id TEXT COLLATE "C" PRIMARY KEY,
    team_id TEXT COLLATE "C" NOT NULL REFERENCES teams (id),
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX projects_team ON projects (team_id);

CREATE TABLE environments (
    id TEXT COLLATE "C" PRIMARY KEY,
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id),
    name TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('staging', 'production')),
    client_id TEXT COLLATE "C" NOT NULL UNIQUE,
    publishable_key TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX environments_name ON environments (project_id, name) WHERE deleted_at IS NULL;

CREATE TABLE api_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    name TEXT COLLATE "C" NOT NULL,
    secret_hash TEXT COLLATE "C" NOT NULL UNIQUE,
    suffix TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_environment ON api_keys (environment_id, created_at, id);

CREATE TABLE redirect_uris (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    uri TEXT COLLATE "C" NOT NULL,
    is_default BIGINT NOT NULL CHECK (is_default IN (0, 1)),
    has_wildcard BIGINT NOT NULL CHECK (has_wildcard IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX redirect_uris_uri ON redirect_uris (environment_id, uri);
CREATE UNIQUE INDEX redirect_uris_default ON redirect_uris (environment_id) WHERE is_default = 1;
CREATE INDEX redirect_uris_wildcard ON redirect_uris (environment_id) WHERE has_wildcard = 1;
CREATE INDEX redirect_uris_page ON redirect_uris (environment_id, created_at, id);

CREATE TABLE signing_keys (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    purpose TEXT COLLATE "C" NOT NULL CHECK (purpose IN ('sso', 'built_in_idp')),
    private_key BYTEA NOT NULL,
    certificate BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT
);
CREATE INDEX signing_keys_environment ON signing_keys (environment_id, purpose, created_at);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (environment_id, purpose) WHERE retired_at IS NULL;

-- The order of events: SQLite's single writer takes the next number at once, PostgreSQL numbers committed
-- events afterwards under a lock on this row.
CREATE TABLE event_counter (
    id BIGINT PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO event_counter (id, position) VALUES (1, 0);

CREATE TABLE events (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    organization_id TEXT COLLATE "C",
    name TEXT COLLATE "C" NOT NULL,
    data TEXT COLLATE "C" NOT NULL,
    context TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    position BIGINT
);
CREATE UNIQUE INDEX events_position ON events (environment_id, position);
CREATE INDEX events_name ON events (environment_id, name, position);
CREATE INDEX events_organization ON events (environment_id, organization_id, position);
CREATE INDEX events_waiting ON events (id) WHERE position IS NULL;
