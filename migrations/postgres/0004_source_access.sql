-- What an organization's sources with the full view hold back.
ALTER TABLE organizations ADD COLUMN release_policy TEXT COLLATE "C" NOT NULL DEFAULT 'standard';

-- What a person's own sign-in at the EHR gave for one link: sealed, and no good for any other.
CREATE TABLE source_tokens (
    link_id          TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES links (id),
    account_id       TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    access           BYTEA  NOT NULL,
    refresh          BYTEA,
    expires          BIGINT NOT NULL,
    version          BIGINT NOT NULL,
    refreshing_until BIGINT,
    connected        BIGINT NOT NULL,
    state            TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'refused')),
    state_since      BIGINT NOT NULL
);

-- Sign-ins at an EHR that are under way, by the hash of their state parameter. Each is used once.
CREATE TABLE source_launches (
    state_hash   BYTEA NOT NULL PRIMARY KEY CHECK (length(state_hash) = 32),
    session_hash BYTEA NOT NULL CHECK (length(session_hash) = 32),
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    link_id      TEXT COLLATE "C" NOT NULL REFERENCES links (id),
    sealed       BYTEA NOT NULL,
    expires      BIGINT NOT NULL
);
CREATE INDEX source_launches_expires ON source_launches (expires);
