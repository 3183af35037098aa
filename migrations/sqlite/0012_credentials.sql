-- The language somebody is written to in, passwords typed wrong one after the other, and the last recovery.
ALTER TABLE accounts ADD COLUMN language TEXT NOT NULL DEFAULT 'en';
ALTER TABLE accounts ADD COLUMN password_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN recovered INTEGER;

-- Sessions are listed, say what was shown to begin them, and when that was shown last. Everybody signs in once more.
DELETE FROM sessions;
ALTER TABLE sessions ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN proved INTEGER NOT NULL DEFAULT 0;
ALTER TABLE sessions ADD COLUMN factors TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN browser TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'second-factor', 'recovery'));

-- Where somebody can be written to. One mailbox belongs to one account.
CREATE TABLE contacts (
    id         TEXT    NOT NULL PRIMARY KEY,
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    kind       TEXT    NOT NULL CHECK (kind IN ('email', 'phone')),
    address    TEXT    NOT NULL,
    canonical  TEXT    NOT NULL,
    created    INTEGER NOT NULL,
    verified   INTEGER,
    ended      INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX contacts_account ON contacts (account_id);
CREATE UNIQUE INDEX contacts_email ON contacts (canonical)
    WHERE kind = 'email' AND verified IS NOT NULL AND ended IS NULL;
CREATE UNIQUE INDEX contacts_of_kind ON contacts (account_id, kind) WHERE verified IS NOT NULL AND ended IS NULL;

-- What can be answered once: by a link (hash), by a code (code_hash), by a key that is held elsewhere (sealed).
CREATE TABLE challenges (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    purpose    TEXT    NOT NULL,
    account_id TEXT    REFERENCES accounts (id),
    subject    TEXT    NOT NULL,
    code_hash  BLOB,
    sealed     BLOB,
    tries      INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    expires    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX challenges_account ON challenges (account_id, purpose);
CREATE INDEX challenges_expires ON challenges (expires);

-- Somebody asks for the way back in: looked at by a job, so that the answer cannot tell who is known here.
CREATE TABLE recovery_requests (
    id      TEXT    NOT NULL PRIMARY KEY,
    sealed  BLOB    NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A generator of one-time passwords (RFC 6238). A step is used once.
CREATE TABLE totp (
    account_id TEXT    NOT NULL PRIMARY KEY REFERENCES accounts (id),
    sealed     BLOB    NOT NULL,
    created    INTEGER NOT NULL,
    confirmed  INTEGER,
    last_step  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE recovery_codes (
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    hash       BLOB    NOT NULL CHECK (length(hash) = 32),
    created    INTEGER NOT NULL,
    PRIMARY KEY (account_id, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE passkeys (
    id            TEXT    NOT NULL PRIMARY KEY,
    account_id    TEXT    NOT NULL REFERENCES accounts (id),
    credential_id BLOB    NOT NULL UNIQUE,
    public_key    BLOB    NOT NULL,
    sign_count    INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    backed_up     INTEGER NOT NULL CHECK (backed_up IN (0, 1)),
    created       INTEGER NOT NULL,
    last_used     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX passkeys_account ON passkeys (account_id);

-- A sign-in elsewhere (OpenID Connect): issuer and subject are the key, never an address.
CREATE TABLE federated_identities (
    issuer     TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    created    INTEGER NOT NULL,
    last_used  INTEGER,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX federated_identities_account ON federated_identities (account_id);
