CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- NULL: a provider of the whole environment (the `provider` selector).
    organization_id TEXT REFERENCES organizations (id),
    connection_type TEXT NOT NULL,
    protocol TEXT NOT NULL CHECK (protocol IN ('saml', 'oidc')),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('draft', 'validating', 'active', 'inactive')),
    external_id TEXT,
    -- The opaque part of the ACS URL, entity id and redirect URI.
    external_key TEXT NOT NULL UNIQUE,
    attribute_map TEXT NOT NULL,
    idp_entity_id TEXT,
    idp_sso_url TEXT,
    idp_sso_binding TEXT CHECK (idp_sso_binding IN ('redirect', 'post')),
    idp_metadata_url TEXT,
    acs_url TEXT,
    sp_entity_id TEXT,
    discovery_endpoint TEXT,
    client_id TEXT,
    client_secret BLOB,
    redirect_uri TEXT,
    pkce INTEGER NOT NULL CHECK (pkce IN (0, 1)),
    token_authentication_method TEXT
        CHECK (token_authentication_method IN ('client_secret_basic', 'client_secret_post')),
    id_token_signature_algorithm TEXT,
    fetch_user_info INTEGER NOT NULL CHECK (fetch_user_info IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
);
CREATE INDEX connections_page ON connections (environment_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX connections_organization ON connections (organization_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX connections_external_id ON connections (organization_id, external_id)
    WHERE deleted_at IS NULL;

CREATE TABLE saml_idp_certificates (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    connection_id TEXT NOT NULL REFERENCES connections (id),
    value TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    not_after INTEGER NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX saml_idp_certificates_fingerprint ON saml_idp_certificates (connection_id, fingerprint);

CREATE TABLE profiles (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT REFERENCES organizations (id),
    connection_id TEXT NOT NULL REFERENCES connections (id),
    connection_type TEXT NOT NULL,
    idp_id TEXT NOT NULL,
    email TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    name TEXT,
    groups TEXT NOT NULL,
    raw_attributes TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
-- The identity key: the same person of the same connection keeps the same profile.
CREATE UNIQUE INDEX profiles_identity ON profiles (connection_id, idp_id);
CREATE INDEX profiles_organization ON profiles (organization_id);

-- One sign-in: its flow while it runs, its record afterwards.
CREATE TABLE sign_ins (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT REFERENCES organizations (id),
    connection_id TEXT NOT NULL REFERENCES connections (id),
    status TEXT NOT NULL CHECK (status IN ('started', 'authorized', 'succeeded', 'failed')),
    -- RelayState and OIDC state: our own opaque value, and the browser it was given to.
    handle TEXT NOT NULL UNIQUE,
    browser_hash TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    state TEXT,
    code_challenge TEXT,
    login_hint TEXT,
    force_authentication INTEGER NOT NULL CHECK (force_authentication IN (0, 1)),
    request_id TEXT NOT NULL,
    request_secret BLOB,
    profile_id TEXT REFERENCES profiles (id),
    email TEXT,
    code_hash TEXT UNIQUE,
    code_expires_at INTEGER,
    tokens_revoked_at INTEGER,
    failure_code TEXT,
    failure_message TEXT,
    ip_address TEXT,
    user_agent TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX sign_ins_connection ON sign_ins (connection_id, created_at, id);
CREATE INDEX sign_ins_environment ON sign_ins (environment_id, created_at, id);
CREATE INDEX sign_ins_profile ON sign_ins (profile_id);

-- Assertions that were accepted, remembered until they would be refused for their age.
CREATE TABLE saml_assertions (
    connection_id TEXT NOT NULL REFERENCES connections (id),
    assertion_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (connection_id, assertion_id)
);
CREATE INDEX saml_assertions_expiry ON saml_assertions (expires_at);
CREATE INDEX connections_sp_entity_id ON connections (environment_id, sp_entity_id);
CREATE INDEX connections_client_id ON connections (environment_id, client_id);
