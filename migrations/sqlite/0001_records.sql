-- Instants are microseconds since the Unix epoch. Texts compare by bytes. Lists are JSON arrays.

CREATE TABLE organizations (
    id           TEXT    NOT NULL PRIMARY KEY,
    name         TEXT    NOT NULL,
    alias        TEXT    NOT NULL,
    former_names TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('active', 'absorbed', 'closed')),
    ended        INTEGER,
    absorbed_by  TEXT    REFERENCES organizations (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE sources (
    id                TEXT    NOT NULL PRIMARY KEY,
    key               TEXT    NOT NULL UNIQUE CHECK (length(key) = 4),
    organization_id   TEXT    NOT NULL REFERENCES organizations (id),
    name              TEXT    NOT NULL,
    base_url          TEXT    NOT NULL,
    vendor            TEXT    NOT NULL,
    authentication    TEXT    NOT NULL,
    data_view         TEXT    NOT NULL CHECK (data_view IN ('patient', 'system')),
    private_addresses TEXT    NOT NULL,
    created           INTEGER NOT NULL,
    state             TEXT    NOT NULL CHECK (state IN ('active', 'retired')),
    ended             INTEGER
) STRICT, WITHOUT ROWID;

-- A key that an organization brought along when it was absorbed: ids that begin with it stay good.
CREATE TABLE source_key_aliases (
    alias   TEXT    NOT NULL PRIMARY KEY CHECK (length(alias) = 4),
    key     TEXT    NOT NULL REFERENCES sources (key),
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE persons (
    id      TEXT    NOT NULL PRIMARY KEY,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Two persons turned out to be one. Undoing keeps the row.
CREATE TABLE person_aliases (
    alias_id  TEXT    NOT NULL REFERENCES persons (id),
    merged    INTEGER NOT NULL,
    person_id TEXT    NOT NULL REFERENCES persons (id),
    undone    INTEGER,
    PRIMARY KEY (alias_id, merged),
    CHECK (alias_id <> person_id)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX person_aliases_current ON person_aliases (alias_id) WHERE undone IS NULL;
CREATE INDEX person_aliases_person ON person_aliases (person_id);

CREATE TABLE accounts (
    id              TEXT    NOT NULL PRIMARY KEY,
    username        TEXT    NOT NULL,
    username_folded TEXT    NOT NULL UNIQUE,
    password_hash   TEXT,
    person_id       TEXT    REFERENCES persons (id),
    created         INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('active', 'closed')),
    closed          INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_person ON accounts (person_id) WHERE state = 'active';

CREATE TABLE links (
    id           TEXT    NOT NULL PRIMARY KEY,
    person_id    TEXT    NOT NULL REFERENCES persons (id),
    source_key   TEXT    NOT NULL REFERENCES sources (key),
    patient      TEXT    NOT NULL,
    rank         INTEGER NOT NULL,
    method       TEXT    NOT NULL,
    assurance    TEXT    NOT NULL,
    demographics TEXT,
    linked       INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('active', 'frozen', 'ended')),
    state_since  INTEGER,
    state_reason TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX links_active ON links (source_key, patient) WHERE state = 'active';
CREATE INDEX links_person ON links (person_id);

CREATE TABLE grants (
    id           TEXT    NOT NULL PRIMARY KEY,
    account_id   TEXT    NOT NULL REFERENCES accounts (id),
    person_id    TEXT    NOT NULL REFERENCES persons (id),
    basis        TEXT    NOT NULL,
    valid_from   INTEGER NOT NULL,
    valid_until  INTEGER,
    evidence     TEXT    NOT NULL,
    created      INTEGER NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'active', 'suspended', 'ended')),
    state_since  INTEGER,
    state_reason TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX grants_account ON grants (account_id);
CREATE INDEX grants_person ON grants (person_id);

-- One row: the number of the last change that cached rights must not outlive.
CREATE TABLE generations (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    current INTEGER NOT NULL
) STRICT;
INSERT INTO generations (id, current) VALUES (1, 1);

-- The served id of a resource whose own id is too long or taken (upstream_id), or of a document (url with its owner).
CREATE TABLE hashed_ids (
    resource_type TEXT NOT NULL,
    gateway_id    TEXT NOT NULL,
    source_key    TEXT NOT NULL REFERENCES sources (key),
    upstream_id   TEXT,
    url           TEXT,
    owner_type    TEXT,
    owner_id      TEXT,
    PRIMARY KEY (resource_type, gateway_id),
    CHECK ((upstream_id IS NULL) <> (url IS NULL)),
    CHECK ((url IS NULL) = (owner_type IS NULL) AND (url IS NULL) = (owner_id IS NULL))
) STRICT, WITHOUT ROWID;

-- The head of each process's chain of audit entries.
CREATE TABLE audit_chains (
    id  TEXT    NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    mac BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- Entries that were written together, sealed together with the block before: a JSON array of arrays.
CREATE TABLE audit_blocks (
    chain_id  TEXT    NOT NULL REFERENCES audit_chains (id),
    last_seq  INTEGER NOT NULL,
    first_seq INTEGER NOT NULL,
    recorded  INTEGER NOT NULL,
    mac       BLOB    NOT NULL,
    entries   TEXT    NOT NULL,
    PRIMARY KEY (chain_id, last_seq)
) STRICT;
CREATE INDEX audit_blocks_recorded ON audit_blocks (recorded);

-- The blocks that tell of a person.
CREATE TABLE audit_persons (
    person_id TEXT    NOT NULL,
    recorded  INTEGER NOT NULL,
    chain_id  TEXT    NOT NULL,
    last_seq  INTEGER NOT NULL,
    PRIMARY KEY (person_id, recorded, chain_id, last_seq)
) STRICT, WITHOUT ROWID;
