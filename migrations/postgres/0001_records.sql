-- Instants are microseconds since the Unix epoch. Texts compare by bytes. Lists are JSON arrays.

CREATE TABLE organizations (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name         TEXT COLLATE "C" NOT NULL,
    alias        TEXT COLLATE "C" NOT NULL,
    former_names TEXT COLLATE "C" NOT NULL,
    created      BIGINT NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'absorbed', 'closed')),
    ended        BIGINT,
    absorbed_by  TEXT COLLATE "C" REFERENCES organizations (id)
);

CREATE TABLE sources (
    id                TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key               TEXT COLLATE "C" NOT NULL UNIQUE CHECK (length(key) = 4),
    organization_id   TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    name              TEXT COLLATE "C" NOT NULL,
    base_url          TEXT COLLATE "C" NOT NULL,
    vendor            TEXT COLLATE "C" NOT NULL,
    authentication    TEXT COLLATE "C" NOT NULL,
    data_view         TEXT COLLATE "C" NOT NULL CHECK (data_view IN ('patient', 'system')),
    private_addresses TEXT COLLATE "C" NOT NULL,
    created           BIGINT NOT NULL,
    state             TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'retired')),
    ended             BIGINT
);

-- A key that an organization brought along when it was absorbed: ids that begin with it stay good.
CREATE TABLE source_key_aliases (
    alias   TEXT COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(alias) = 4),
    key     TEXT COLLATE "C" NOT NULL REFERENCES sources (key),
    created BIGINT NOT NULL
);

CREATE TABLE persons (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    created BIGINT NOT NULL
);

-- Two persons turned out to be one. Undoing keeps the row.
CREATE TABLE person_aliases (
    alias_id  TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
    merged    BIGINT NOT NULL,
    person_id TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
    undone    BIGINT,
    PRIMARY KEY (alias_id, merged),
    CHECK (alias_id <> person_id)
);
CREATE UNIQUE INDEX person_aliases_current ON person_aliases (alias_id) WHERE undone IS NULL;
CREATE INDEX person_aliases_person ON person_aliases (person_id);

CREATE TABLE accounts (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    username        TEXT COLLATE "C" NOT NULL,
    username_folded TEXT COLLATE "C" NOT NULL UNIQUE,
    password_hash   TEXT COLLATE "C",
    person_id       TEXT COLLATE "C" REFERENCES persons (id),
    created         BIGINT NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'closed')),
    closed          BIGINT
);
CREATE UNIQUE INDEX accounts_person ON accounts (person_id) WHERE state = 'active';

CREATE TABLE links (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    person_id    TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
    source_key   TEXT COLLATE "C" NOT NULL REFERENCES sources (key),
    patient      TEXT COLLATE "C" NOT NULL,
    rank         BIGINT NOT NULL,
    method       TEXT COLLATE "C" NOT NULL,
    assurance    TEXT COLLATE "C" NOT NULL,
    demographics TEXT COLLATE "C",
    linked       BIGINT NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'frozen', 'ended')),
    state_since  BIGINT,
    state_reason TEXT COLLATE "C"
);
CREATE UNIQUE INDEX links_active ON links (source_key, patient) WHERE state = 'active';
CREATE INDEX links_person ON links (person_id);

CREATE TABLE grants (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    person_id    TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
    basis        TEXT COLLATE "C" NOT NULL,
    valid_from   BIGINT NOT NULL,
    valid_until  BIGINT,
    evidence     TEXT COLLATE "C" NOT NULL,
    created      BIGINT NOT NULL,
    state        TEXT COLLATE "C" NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'ended')),
    state_since  BIGINT,
    state_reason TEXT COLLATE "C"
);
CREATE INDEX grants_account ON grants (account_id);
CREATE INDEX grants_person ON grants (person_id);

-- One row: the number of the last change that cached rights must not outlive.
CREATE TABLE generations (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    current BIGINT NOT NULL
);
INSERT INTO generations (id, current) VALUES (1, 1);

-- The served id of a resource whose own id is too long or taken (upstream_id), or of a document (url with its owner).
CREATE TABLE hashed_ids (
    resource_type TEXT COLLATE "C" NOT NULL,
    gateway_id    TEXT COLLATE "C" NOT NULL,
    source_key    TEXT COLLATE "C" NOT NULL REFERENCES sources (key),
    upstream_id   TEXT COLLATE "C",
    url           TEXT COLLATE "C",
    owner_type    TEXT COLLATE "C",
    owner_id      TEXT COLLATE "C",
    PRIMARY KEY (resource_type, gateway_id),
    CHECK ((upstream_id IS NULL) <> (url IS NULL)),
    CHECK ((url IS NULL) = (owner_type IS NULL) AND (url IS NULL) = (owner_id IS NULL))
);

-- The head of each process's chain of audit entries.
CREATE TABLE audit_chains (
    id  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    mac BYTEA    NOT NULL
);

-- Entries that were written together, sealed together with the block before: a JSON array of arrays.
CREATE TABLE audit_blocks (
    chain_id  TEXT COLLATE "C" NOT NULL REFERENCES audit_chains (id),
    last_seq  BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    recorded  BIGINT NOT NULL,
    mac       BYTEA NOT NULL,
    entries   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (chain_id, last_seq)
);
CREATE INDEX audit_blocks_recorded ON audit_blocks (recorded);

-- The blocks that tell of a person.
CREATE TABLE audit_persons (
    person_id TEXT COLLATE "C" NOT NULL,
    recorded  BIGINT NOT NULL,
    chain_id  TEXT COLLATE "C" NOT NULL,
    last_seq  BIGINT NOT NULL,
    PRIMARY KEY (person_id, recorded, chain_id, last_seq)
);
