-- Clients that sign with keys of their own, that registered themselves, and that act for nobody.

-- key_set: a JSON Web Key Set; key_set_uri: where there is one. registration_hash: of clients that registered themselves.
ALTER TABLE clients ADD COLUMN key_set TEXT;
ALTER TABLE clients ADD COLUMN key_set_uri TEXT;
ALTER TABLE clients ADD COLUMN sources TEXT NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN requires_pushed_requests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN requires_bound_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN registration_hash BLOB CHECK (length(registration_hash) = 32);
ALTER TABLE clients ADD COLUMN deleted INTEGER;

-- jkt: the thumbprint of the key without which the token is worth nothing (RFC 9449).
ALTER TABLE codes ADD COLUMN jkt BLOB CHECK (length(jkt) = 32);
ALTER TABLE refresh_tokens ADD COLUMN jkt BLOB CHECK (length(jkt) = 32);
ALTER TABLE access_tokens ADD COLUMN jkt BLOB CHECK (length(jkt) = 32);

-- Access tokens of backend services: no user granted them.
CREATE TABLE system_tokens (
    hash      BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_id TEXT    NOT NULL REFERENCES clients (id),
    scopes    TEXT    NOT NULL,
    jkt       BLOB    CHECK (length(jkt) = 32),
    issued    INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    revoked   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX system_tokens_expires ON system_tokens (expires);

-- Authorization requests that clients pushed, sealed, until somebody takes them up.
CREATE TABLE pushed_requests (
    hash      BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_id TEXT NOT NULL REFERENCES clients (id),
    sealed    BLOB NOT NULL,
    expires   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pushed_requests_expires ON pushed_requests (expires);

-- What may be used once, until when it would be accepted: ids of assertions.
CREATE TABLE spent_ids (
    hash    BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    expires INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX spent_ids_expires ON spent_ids (expires);

-- A key is published before it signs.
ALTER TABLE signing_keys ADD COLUMN signs_from INTEGER NOT NULL DEFAULT 0;
