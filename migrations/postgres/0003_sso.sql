CREATE TABLE connections (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    -- NULL: a provider of the whole environment (the `provider` selector).
    organization_id TEXT COLLATE "C" REFERENCES organizations (id),
    connection_type TEXT COLLATE "C" NOT NULL,
    protocol TEXT COLLATE "C" NOT NULL CHECK (protocol IN ('saml', 'oidc')),
    name TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('draft', 'validating', 'active', 'inactive')),
    external_id TEXT COLLATE "C",
    -- The opaque part of the ACS URL, entity id and redirect URI.
    external_key TEXT COLLATE "C" NOT NULL UNIQUE,
    attribute_map TEXT COLLATE "C" NOT NULL,
    idp_entity_id TEXT COLLATE "C",
    idp_sso_url TEXT COLLATE "C",
    idp_sso_binding TEXT COLLATE "C" CHECK (idp_sso_binding IN ('redirect', 'post')),
    idp_metadata_url TEXT COLLATE "C",
    acs_url TEXT COLLATE "C",
    sp_entity_id TEXT COLLATE "C",
    discovery_endpoint TEXT COLLATE "C",
    client_id TEXT COLLATE "C",
    client_secret BYTEA,
    redirect_uri TEXT COLLATE "C",
    pkce BIGINT NOT NULL CHECK (pkce IN (0, 1)),
    token_authentication_method TEXT COLLATE "C"
        CHECK (token_authentication_method IN ('client_secret_basic', 'client_secret_post')),
    id_token_signature_algorithm TEXT COLLATE "C",
    fetch_user_info BIGINT NOT NULL CHECK (fetch_user_info IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX connections_page ON connections (environment_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX connections_organization ON connections (organization_id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX connections_external_id ON connections (organization_id, external_id)
    WHERE deleted_at IS NULL;

CREATE TABLE saml_idp_certificates (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    connection_id TEXT COLLATE "C" NOT NULL REFERENCES connections (id),
    value TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    not_before BIGINT NOT NULL,
    not_after BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX saml_idp_certificates_fingerprint ON saml_idp_certificates (connection_id, fingerprint);

CREATE TABLE profiles (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    organization_id TEXT COLLATE "C" REFERENCES organizations (id),
    connection_id TEXT COLLATE "C" NOT NULL REFERENCES connections (id),
    connection_type TEXT COLLATE "C" NOT NULL,
    idp_id TEXT COLLATE "C" NOT NULL,
    email TEXT COLLATE "C" NOT NULL,
    first_name TEXT COLLATE "C",
    last_name TEXT COLLATE "C",
    name TEXT COLLATE "C",
    groups TEXT COLLATE "C" NOT NULL,
    raw_attributes TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- The identity key: the same person of the same connection keeps the same profile.
CREATE UNIQUE INDEX profiles_identity ON profiles (connection_id, idp_id);
CREATE INDEX profiles_organization ON profiles (organization_id);

-- One sign-in: its flow while it runs, its record afterwards.
CREATE TABLE sign_ins (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    organization_id TEXT COLLATE "C" REFERENCES organizations (id),
    connection_id TEXT COLLATE "C" NOT NULL REFERENCES connections (id),
    status TEXT COLLATE "C" NOT NULL CHECK (status IN ('started', 'authorized', 'succeeded', 'failed')),
    -- RelayState and OIDC state: our own opaque value, and the browser it was given to.
    handle TEXT COLLATE "C" NOT NULL UNIQUE,
    browser_hash TEXT COLLATE "C" NOT NULL,
    redirect_uri TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C",
    code_challenge TEXT COLLATE "C",
    login_hint TEXT COLLATE "C",
    force_authentication BIGINT NOT NULL CHECK (force_authentication IN (0, 1)),
    request_id TEXT COLLATE "C" NOT NULL,
    request_secret BYTEA,
    profile_id TEXT COLLATE "C" REFERENCES profiles (id),
    email TEXT COLLATE "C",
    code_hash TEXT COLLATE "C" UNIQUE,
    code_expires_at BIGINT,
    tokens_revoked_at BIGINT,
    failure_code TEXT COLLATE "C",
    failure_message TEXT COLLATE "C",
    ip_address TEXT COLLATE "C",
    user_agent TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sign_ins_connection ON sign_ins (connection_id, created_at, id);
CREATE INDEX sign_ins_environment ON sign_ins (environment_id, created_at, id);
CREATE INDEX sign_ins_profile ON sign_ins (profile_id);

-- Assertions that were accepted, remembered until they would be refused for their age.
CREATE TABLE saml_assertions (
    connection_id TEXT COLLATE "C" NOT NULL REFERENCES connections (id),
    assertion_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, assertion_id)
);
CREATE INDEX saml_assertions_expiry ON saml_assertions (expires_at);
CREATE INDEX connections_sp_entity_id ON connections (environment_id, sp_entity_id);
CREATE INDEX connections_client_id ON connections (environment_id, client_id);
