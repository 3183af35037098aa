-- Who works for an organization, and as what. What ended stays.
CREATE TABLE staff (
    account_id      TEXT    NOT NULL REFERENCES accounts (id),
    organization_id TEXT    NOT NULL REFERENCES organizations (id),
    role            TEXT    NOT NULL,
    since           INTEGER NOT NULL,
    ended           INTEGER,
    PRIMARY KEY (account_id, organization_id, role, since)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX staff_current ON staff (account_id, organization_id, role) WHERE ended IS NULL;
CREATE INDEX staff_organization ON staff (organization_id);

-- Browsers signed in to work, apart from the same human's own sessions.
CREATE TABLE staff_sessions (
    hash            BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    account_id      TEXT    NOT NULL REFERENCES accounts (id),
    organization_id TEXT    NOT NULL REFERENCES organizations (id),
    signed_in       INTEGER NOT NULL,
    last_used       INTEGER NOT NULL,
    expires         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX staff_sessions_expires ON staff_sessions (expires);
CREATE INDEX staff_sessions_account ON staff_sessions (account_id);

-- That somebody was seen in person.
CREATE TABLE proofings (
    id               TEXT    NOT NULL PRIMARY KEY,
    organization_id  TEXT    NOT NULL REFERENCES organizations (id),
    source_key       TEXT    NOT NULL REFERENCES sources (key),
    patient          TEXT    NOT NULL,
    demographics     TEXT    NOT NULL,
    verified_by      TEXT    REFERENCES accounts (id),
    attested_by      TEXT    REFERENCES accounts (id),
    document         TEXT    NOT NULL,
    issuer           TEXT,
    document_expires TEXT,
    photo_compared   INTEGER NOT NULL CHECK (photo_compared IN (0, 1)),
    recorded         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX proofings_patient ON proofings (source_key, patient);

-- Activation codes, by the keyed hash of the code.
CREATE TABLE invitations (
    id              TEXT    NOT NULL PRIMARY KEY,
    code_hash       BLOB    NOT NULL UNIQUE CHECK (length(code_hash) = 32),
    handle          TEXT    NOT NULL,
    organization_id TEXT    NOT NULL REFERENCES organizations (id),
    source_key      TEXT    NOT NULL REFERENCES sources (key),
    patient         TEXT    NOT NULL,
    demographics    TEXT    NOT NULL,
    proxy           TEXT,
    channel         TEXT    NOT NULL,
    contact         TEXT,
    proofing_id     TEXT    REFERENCES proofings (id),
    assurance       TEXT    NOT NULL,
    issued_by       TEXT    REFERENCES accounts (id),
    issued          INTEGER NOT NULL,
    expires         INTEGER NOT NULL,
    root_id         TEXT    NOT NULL,
    self_service    INTEGER NOT NULL CHECK (self_service IN (0, 1)),
    wrong_answers   INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN
                        ('issued', 'opened', 'redeemed', 'revoked', 'locked', 'superseded')),
    state_since     INTEGER,
    account_id      TEXT    REFERENCES accounts (id),
    link_id         TEXT    REFERENCES links (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invitations_organization ON invitations (organization_id, issued);
CREATE INDEX invitations_patient ON invitations (source_key, patient);
CREATE INDEX invitations_root ON invitations (root_id, issued);

-- What people say of themselves to be linked to a chart.
CREATE TABLE claims (
    id              TEXT    NOT NULL PRIMARY KEY,
    account_id      TEXT    NOT NULL REFERENCES accounts (id),
    organization_id TEXT    NOT NULL REFERENCES organizations (id),
    said            TEXT    NOT NULL,
    made            INTEGER NOT NULL,
    source_key      TEXT    REFERENCES sources (key),
    patient         TEXT,
    reasons         TEXT    NOT NULL,
    code_hash       BLOB,
    code_until      INTEGER,
    wrong_codes     INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN
                        ('open', 'code-sent', 'queued', 'accepted', 'refused', 'withdrawn')),
    state_since     INTEGER,
    decided_by      TEXT    REFERENCES accounts (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_account ON claims (account_id, made);
CREATE INDEX claims_organization ON claims (organization_id, state, made);

-- What waits for staff beside claims.
CREATE TABLE staff_tasks (
    id              TEXT    NOT NULL PRIMARY KEY,
    organization_id TEXT    NOT NULL REFERENCES organizations (id),
    kind            TEXT    NOT NULL,
    object          TEXT    NOT NULL,
    person_id       TEXT    REFERENCES persons (id),
    created         INTEGER NOT NULL,
    closed          INTEGER,
    closed_by       TEXT    REFERENCES accounts (id),
    outcome         TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX staff_tasks_organization ON staff_tasks (organization_id, created);

-- When a link was last held against the chart that it leads to.
ALTER TABLE links ADD COLUMN checked INTEGER;
