-- Who works for an organization, and as what. What ended stays.
CREATE TABLE staff (
    account_id      TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    role            TEXT COLLATE "C" NOT NULL,
    since           BIGINT NOT NULL,
    ended           BIGINT,
    PRIMARY KEY (account_id, organization_id, role, since)
);
CREATE UNIQUE INDEX staff_current ON staff (account_id, organization_id, role) WHERE ended IS NULL;
CREATE INDEX staff_organization ON staff (organization_id);

-- Browsers signed in to work, apart from the same human's own sessions.
CREATE TABLE staff_sessions (
    hash            BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    account_id      TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    signed_in       BIGINT NOT NULL,
    last_used       BIGINT NOT NULL,
    expires         BIGINT NOT NULL
);
CREATE INDEX staff_sessions_expires ON staff_sessions (expires);
CREATE INDEX staff_sessions_account ON staff_sessions (account_id);

-- That somebody was seen in person.
CREATE TABLE proofings (
    id               TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id  TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    source_key       TEXT COLLATE "C" NOT NULL REFERENCES sources (key),
    patient          TEXT COLLATE "C" NOT NULL,
    demographics     TEXT COLLATE "C" NOT NULL,
    verified_by      TEXT COLLATE "C" REFERENCES accounts (id),
    attested_by      TEXT COLLATE "C" REFERENCES accounts (id),
    document         TEXT COLLATE "C" NOT NULL,
    issuer           TEXT COLLATE "C",
    document_expires TEXT COLLATE "C",
    photo_compared   BIGINT NOT NULL CHECK (photo_compared IN (0, 1)),
    recorded         BIGINT NOT NULL
);
CREATE INDEX proofings_patient ON proofings (source_key, patient);

-- Activation codes, by the keyed hash of the code.
CREATE TABLE invitations (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    code_hash       BYTEA NOT NULL UNIQUE CHECK (length(code_hash) = 32),
    handle          TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    source_key      TEXT COLLATE "C" NOT NULL REFERENCES sources (key),
    patient         TEXT COLLATE "C" NOT NULL,
    demographics    TEXT COLLATE "C" NOT NULL,
    proxy           TEXT COLLATE "C",
    channel         TEXT COLLATE "C" NOT NULL,
    contact         TEXT COLLATE "C",
    proofing_id     TEXT COLLATE "C" REFERENCES proofings (id),
    assurance       TEXT COLLATE "C" NOT NULL,
    issued_by       TEXT COLLATE "C" REFERENCES accounts (id),
    issued          BIGINT NOT NULL,
    expires         BIGINT NOT NULL,
    root_id         TEXT COLLATE "C" NOT NULL,
    self_service    BIGINT NOT NULL CHECK (self_service IN (0, 1)),
    wrong_answers   BIGINT NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN
                        ('issued', 'opened', 'redeemed', 'revoked', 'locked', 'superseded')),
    state_since     BIGINT,
    account_id      TEXT COLLATE "C" REFERENCES accounts (id),
    link_id         TEXT COLLATE "C" REFERENCES links (id)
);
CREATE INDEX invitations_organization ON invitations (organization_id, issued);
CREATE INDEX invitations_patient ON invitations (source_key, patient);
CREATE INDEX invitations_root ON invitations (root_id, issued);

-- What people say of themselves to be linked to a chart.
CREATE TABLE claims (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id      TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    said            TEXT COLLATE "C" NOT NULL,
    made            BIGINT NOT NULL,
    source_key      TEXT COLLATE "C" REFERENCES sources (key),
    patient         TEXT COLLATE "C",
    reasons         TEXT COLLATE "C" NOT NULL,
    code_hash       BYTEA,
    code_until      BIGINT,
    wrong_codes     BIGINT NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN
                        ('open', 'code-sent', 'queued', 'accepted', 'refused', 'withdrawn')),
    state_since     BIGINT,
    decided_by      TEXT COLLATE "C" REFERENCES accounts (id)
);
CREATE INDEX claims_account ON claims (account_id, made);
CREATE INDEX claims_organization ON claims (organization_id, state, made);

-- What waits for staff beside claims.
CREATE TABLE staff_tasks (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    kind            TEXT COLLATE "C" NOT NULL,
    object          TEXT COLLATE "C" NOT NULL,
    person_id       TEXT COLLATE "C" REFERENCES persons (id),
    created         BIGINT NOT NULL,
    closed          BIGINT,
    closed_by       TEXT COLLATE "C" REFERENCES accounts (id),
    outcome         TEXT COLLATE "C"
);
CREATE INDEX staff_tasks_organization ON staff_tasks (organization_id, created);

-- When a link was last held against the chart that it leads to.
ALTER TABLE links ADD COLUMN checked BIGINT;
