CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    external_id TEXT,
    stripe_customer_id TEXT,
    metadata TEXT NOT NULL,
    allow_profiles_outside_organization INTEGER NOT NULL
        CHECK (allow_profiles_outside_organization IN (0, 1)),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    deleted_at INTEGER
);
CREATE INDEX organizations_page ON organizations (environment_id, created_at, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX organizations_external_id ON organizations (environment_id, external_id)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX organizations_stripe_customer_id ON organizations (environment_id, stripe_customer_id)
    WHERE deleted_at IS NULL;

CREATE TABLE organization_domains (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id),
    domain TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'verified', 'failed')),
    verification_strategy TEXT NOT NULL CHECK (verification_strategy IN ('dns', 'manual')),
    verification_prefix TEXT NOT NULL,
    verification_token TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX organization_domains_domain ON organization_domains (organization_id, domain);
-- One verified owner per domain and environment.
CREATE UNIQUE INDEX organization_domains_verified ON organization_domains (environment_id, domain)
    WHERE state = 'verified';
CREATE INDEX organization_domains_lookup ON organization_domains (environment_id, domain);
