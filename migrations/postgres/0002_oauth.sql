-- OAuth clients, what people granted them, and the tokens of it. Tokens, codes, cookies and secrets are kept as SHA-256.

CREATE TABLE clients (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name          TEXT COLLATE "C" NOT NULL,
    redirect_uris TEXT COLLATE "C" NOT NULL,
    scopes        TEXT COLLATE "C" NOT NULL,
    secret_hash   BYTEA CHECK (length(secret_hash) = 32),
    kind          TEXT COLLATE "C" NOT NULL CHECK (kind IN ('web', 'native')),
    created       BIGINT NOT NULL,
    state         TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'disabled'))
);

CREATE TABLE sessions (
    hash       BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    signed_in  BIGINT NOT NULL,
    last_used  BIGINT NOT NULL,
    expires    BIGINT NOT NULL
);
CREATE INDEX sessions_account ON sessions (account_id);
CREATE INDEX sessions_expires ON sessions (expires);

-- session_hash is set when refresh tokens end with that session (online_access).
CREATE TABLE authorizations (
    id           TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    client_id    TEXT COLLATE "C" NOT NULL REFERENCES clients (id),
    account_id   TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    person_id    TEXT COLLATE "C" REFERENCES persons (id),
    scopes       TEXT COLLATE "C" NOT NULL,
    signed_in    BIGINT NOT NULL,
    session_hash BYTEA CHECK (length(session_hash) = 32),
    created      BIGINT NOT NULL,
    revoked      BIGINT
);
CREATE INDEX authorizations_account ON authorizations (account_id);
CREATE INDEX authorizations_client ON authorizations (client_id);

CREATE TABLE codes (
    hash             BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    authorization_id TEXT COLLATE "C" NOT NULL REFERENCES authorizations (id),
    redirect_uri     TEXT COLLATE "C" NOT NULL,
    challenge        BYTEA NOT NULL CHECK (length(challenge) = 32),
    nonce            TEXT COLLATE "C",
    expires          BIGINT NOT NULL,
    redeemed         BIGINT
);
CREATE INDEX codes_authorization ON codes (authorization_id);

-- activated: the first time that this token, or an access token that came with it, was used.
CREATE TABLE refresh_tokens (
    hash             BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    authorization_id TEXT COLLATE "C" NOT NULL REFERENCES authorizations (id),
    issued           BIGINT NOT NULL,
    expires          BIGINT NOT NULL,
    activated        BIGINT,
    used             BIGINT
);
CREATE INDEX refresh_tokens_authorization ON refresh_tokens (authorization_id);

-- refresh_hash: the refresh token of a public client that came with it.
CREATE TABLE access_tokens (
    hash             BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    authorization_id TEXT COLLATE "C" NOT NULL REFERENCES authorizations (id),
    refresh_hash     BYTEA REFERENCES refresh_tokens (hash),
    scopes           TEXT COLLATE "C" NOT NULL,
    issued           BIGINT NOT NULL,
    expires          BIGINT NOT NULL,
    revoked          BIGINT
);
CREATE INDEX access_tokens_authorization ON access_tokens (authorization_id);
CREATE INDEX access_tokens_expires ON access_tokens (expires);

-- The private half is sealed with a key that the database does not hold.
CREATE TABLE signing_keys (
    kid       TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    ordinal   BIGINT NOT NULL UNIQUE,
    algorithm TEXT COLLATE "C" NOT NULL CHECK (algorithm IN ('RS256')),
    sealed    BYTEA NOT NULL,
    created   BIGINT NOT NULL
);
