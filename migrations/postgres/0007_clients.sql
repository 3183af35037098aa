-- Clients that sign with keys of their own, that registered themselves, and that act for nobody.

-- key_set: a JSON Web Key Set; key_set_uri: where there is one. registration_hash: of clients that registered themselves.
ALTER TABLE clients ADD COLUMN key_set TEXT COLLATE "C";
ALTER TABLE clients ADD COLUMN key_set_uri TEXT COLLATE "C";
ALTER TABLE clients ADD COLUMN sources TEXT COLLATE "C" NOT NULL DEFAULT '[]';
ALTER TABLE clients ADD COLUMN requires_pushed_requests BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN requires_bound_tokens BIGINT NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN registration_hash BYTEA CHECK (length(registration_hash) = 32);
ALTER TABLE clients ADD COLUMN deleted BIGINT;

-- jkt: the thumbprint of the key without which the token is worth nothing (RFC 9449).
ALTER TABLE codes ADD COLUMN jkt BYTEA CHECK (length(jkt) = 32);
ALTER TABLE refresh_tokens ADD COLUMN jkt BYTEA CHECK (length(jkt) = 32);
ALTER TABLE access_tokens ADD COLUMN jkt BYTEA CHECK (length(jkt) = 32);

-- Access tokens of backend services: no user granted them.
CREATE TABLE system_tokens (
    hash BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (id),
    scopes TEXT COLLATE "C" NOT NULL,
    jkt BYTEA CHECK (length(jkt) = 32),
    issued BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    revoked BIGINT
);
CREATE INDEX system_tokens_expires ON system_tokens (expires);

-- Authorization requests that clients pushed, sealed, until somebody takes them up.
CREATE TABLE pushed_requests (
    hash      BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_id TEXT COLLATE "C" NOT NULL REFERENCES clients (id),
    sealed    BYTEA NOT NULL,
    expires   BIGINT NOT NULL
);
CREATE INDEX pushed_requests_expires ON pushed_requests (expires);

-- What may be used once, until when it would be accepted: ids of assertions.
CREATE TABLE spent_ids (
    hash BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    expires BIGINT NOT NULL
);
CREATE INDEX spent_ids_expires ON spent_ids (expires);

-- A key is published before it signs.
ALTER TABLE signing_keys ADD COLUMN signs_from BIGINT NOT NULL DEFAULT 0;
