CREATE TABLE organizations (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    name TEXT COLLATE "C" NOT NULL,
    external_id TEXT COLLATE "C",
    stripe_customer_id TEXT COLLATE "C",
    metadata TEXT COLLATE "C" NOT NULL,
    allow_profiles_outside_organization BIGINT NOT NULL
        CHECK (allow_profiles_outside_organization IN (0, 1)),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted_at BIGINT
);
CREATE INDEX organizations_page ON organizations (environment_id, created_at, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX organizations_external_id ON organizations (environment_id, external_id)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX organizations_stripe_customer_id ON organizations (environment_id, stripe_customer_id)
    WHERE deleted_at IS NULL;

CREATE TABLE organization_domains (
    id TEXT COLLATE "C" PRIMARY KEY,
    environment_id TEXT COLLATE "C" NOT NULL REFERENCES environments (id),
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    domain TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'verified', 'failed')),
    verification_strategy TEXT COLLATE "C" NOT NULL CHECK (verification_strategy IN ('dns', 'manual')),
    verification_prefix TEXT COLLATE "C" NOT NULL,
    verification_token TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX organization_domains_domain ON organization_domains (organization_id, domain);
-- One verified owner per domain and environment.
CREATE UNIQUE INDEX organization_domains_verified ON organization_domains (environment_id, domain)
    WHERE state = 'verified';
CREATE INDEX organization_domains_lookup ON organization_domains (environment_id, domain);
