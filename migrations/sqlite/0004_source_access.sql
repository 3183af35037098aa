-- What an organization's sources with the full view hold back.
ALTER TABLE organizations ADD COLUMN release_policy TEXT NOT NULL DEFAULT 'standard';

-- What a person's own sign-in at the EHR gave for one link: sealed, and no good for any other.
CREATE TABLE source_tokens (
    link_id          TEXT    NOT NULL PRIMARY KEY REFERENCES links (id),
    account_id       TEXT    NOT NULL REFERENCES accounts (id),
    access           BLOB    NOT NULL,
    refresh          BLOB,
    expires          INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    refreshing_until INTEGER,
    connected        INTEGER NOT NULL,
    state            TEXT    NOT NULL CHECK (state IN ('active', 'refused')),
    state_since      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Sign-ins at an EHR that are under way, by the hash of their state parameter. Each is used once.
CREATE TABLE source_launches (
    state_hash   BLOB    NOT NULL PRIMARY KEY CHECK (length(state_hash) = 32),
    session_hash BLOB    NOT NULL CHECK (length(session_hash) = 32),
    account_id   TEXT    NOT NULL REFERENCES accounts (id),
    link_id      TEXT    NOT NULL REFERENCES links (id),
    sealed       BLOB    NOT NULL,
    expires      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX source_launches_expires ON source_launches (expires);
