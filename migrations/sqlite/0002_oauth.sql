-- OAuth clients, what people granted them, and the tokens of it. Tokens, codes, cookies and secrets are kept as SHA-256.

CREATE TABLE clients (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    redirect_uris TEXT    NOT NULL,
    scopes        TEXT    NOT NULL,
    secret_hash   BLOB    CHECK (length(secret_hash) = 32),
    kind          TEXT    NOT NULL CHECK (kind IN ('web', 'native')),
    created       INTEGER NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('active', 'disabled'))
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    signed_in  INTEGER NOT NULL,
    last_used  INTEGER NOT NULL,
    expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expires ON sessions (expires);

-- session_hash is set when refresh tokens end with that session (online_access).
CREATE TABLE authorizations (
    id           TEXT    NOT NULL PRIMARY KEY,
    client_id    TEXT    NOT NULL REFERENCES clients (id),
    account_id   TEXT    NOT NULL REFERENCES accounts (id),
    person_id    TEXT    REFERENCES persons (id),
    scopes       TEXT    NOT NULL,
    signed_in    INTEGER NOT NULL,
    session_hash BLOB    CHECK (length(session_hash) = 32),
    created      INTEGER NOT NULL,
    revoked      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX authorizations_account ON authorizations (account_id);
CREATE INDEX authorizations_client ON authorizations (client_id);

CREATE TABLE codes (
    hash             BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    authorization_id TEXT    NOT NULL REFERENCES authorizations (id),
    redirect_uri     TEXT    NOT NULL,
    challenge        BLOB    NOT NULL CHECK (length(challenge) = 32),
    nonce            TEXT,
    expires          INTEGER NOT NULL,
    redeemed         INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX codes_authorization ON codes (authorization_id);

-- activated: the first time that this token, or an access token that came with it, was used.
CREATE TABLE refresh_tokens (
    hash             BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    authorization_id TEXT    NOT NULL REFERENCES authorizations (id),
    issued           INTEGER NOT NULL,
    expires          INTEGER NOT NULL,
    activated        INTEGER,
    used             INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_authorization ON refresh_tokens (authorization_id);

-- refresh_hash: the refresh token of a public client that came with it.
CREATE TABLE access_tokens (
    hash             BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    authorization_id TEXT    NOT NULL REFERENCES authorizations (id),
    refresh_hash     BLOB    REFERENCES refresh_tokens (hash),
    scopes           TEXT    NOT NULL,
    issued           INTEGER NOT NULL,
    expires          INTEGER NOT NULL,
    revoked          INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX access_tokens_authorization ON access_tokens (authorization_id);
CREATE INDEX access_tokens_expires ON access_tokens (expires);

-- The private half is sealed with a key that the database does not hold.
CREATE TABLE signing_keys (
    kid       TEXT    NOT NULL PRIMARY KEY,
    ordinal   INTEGER NOT NULL UNIQUE,
    algorithm TEXT    NOT NULL CHECK (algorithm IN ('RS256')),
    sealed    BLOB    NOT NULL,
    created   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
