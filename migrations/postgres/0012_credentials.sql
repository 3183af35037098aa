-- The language somebody is written to in, passwords typed wrong one after the other, and the last recovery.
ALTER TABLE accounts ADD COLUMN language TEXT COLLATE "C" NOT NULL DEFAULT 'en';
ALTER TABLE accounts ADD COLUMN password_failures BIGINT NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN recovered BIGINT;

-- Sessions are listed, say what was shown to begin them, and when that was shown last. Everybody signs in once more.
DELETE FROM sessions;
ALTER TABLE sessions ADD COLUMN id TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN proved BIGINT NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN factors TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN browser TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN state TEXT COLLATE "C" NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'second-factor', 'recovery'));

-- Where somebody can be written to. One mailbox belongs to one account.
CREATE TABLE contacts (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('email', 'phone')),
    address    TEXT COLLATE "C" NOT NULL,
    canonical  TEXT COLLATE "C" NOT NULL,
    created    BIGINT NOT NULL,
    verified   BIGINT,
    ended      BIGINT
);
CREATE INDEX contacts_account ON contacts (account_id);
CREATE UNIQUE INDEX contacts_email ON contacts (canonical)
    WHERE kind = 'email' AND verified IS NOT NULL AND ended IS NULL;
CREATE UNIQUE INDEX contacts_of_kind ON contacts (account_id, kind) WHERE verified IS NOT NULL AND ended IS NULL;

-- What can be answered once: by a link (hash), by a code (code_hash), by a key that is held elsewhere (sealed).
CREATE TABLE challenges (
    hash       BYTEA    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    purpose    TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" REFERENCES accounts (id),
    subject    TEXT COLLATE "C" NOT NULL,
    code_hash  BYTEA,
    sealed     BYTEA,
    tries      BIGINT NOT NULL,
    created    BIGINT NOT NULL,
    expires    BIGINT NOT NULL
);
CREATE INDEX challenges_account ON challenges (account_id, purpose);
CREATE INDEX challenges_expires ON challenges (expires);

-- Somebody asks for the way back in: looked at by a job, so that the answer cannot tell who is known here.
CREATE TABLE recovery_requests (
    id      TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sealed  BYTEA    NOT NULL,
    created BIGINT NOT NULL
);

-- A generator of one-time passwords (RFC 6238). A step is used once.
CREATE TABLE totp (
    account_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES accounts (id),
    sealed     BYTEA    NOT NULL,
    created    BIGINT NOT NULL,
    confirmed  BIGINT,
    last_step  BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    hash       BYTEA    NOT NULL CHECK (length(hash) = 32),
    created    BIGINT NOT NULL,
    PRIMARY KEY (account_id, hash)
);

CREATE TABLE passkeys (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    account_id    TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    credential_id BYTEA    NOT NULL UNIQUE,
    public_key    BYTEA    NOT NULL,
    sign_count    BIGINT NOT NULL,
    name          TEXT COLLATE "C" NOT NULL,
    backed_up     BIGINT NOT NULL CHECK (backed_up IN (0, 1)),
    created       BIGINT NOT NULL,
    last_used     BIGINT
);
CREATE INDEX passkeys_account ON passkeys (account_id);

-- A sign-in elsewhere (OpenID Connect): issuer and subject are the key, never an address.
CREATE TABLE federated_identities (
    issuer     TEXT COLLATE "C" NOT NULL,
    subject    TEXT COLLATE "C" NOT NULL,
    account_id TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    created    BIGINT NOT NULL,
    last_used  BIGINT,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX federated_identities_account ON federated_identities (account_id);
