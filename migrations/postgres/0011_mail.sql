-- What is to be sent to people: recipient, subject and text sealed, and forgotten once sent or given up.
CREATE TABLE mails (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    channel    TEXT COLLATE "C" NOT NULL CHECK (channel IN ('email', 'phone')),
    kind       TEXT COLLATE "C" NOT NULL,
    language   TEXT COLLATE "C" NOT NULL,
    sealed     BYTEA,
    created    BIGINT NOT NULL,
    not_before BIGINT NOT NULL,
    expires    BIGINT NOT NULL,
    attempts   BIGINT NOT NULL,
    state      TEXT COLLATE "C" NOT NULL CHECK (state IN ('queued', 'sent', 'bounced', 'dropped')),
    ended      BIGINT,
    CHECK ((state = 'queued') = (ended IS NULL) AND (state = 'queued') = (sealed IS NOT NULL))
);
CREATE INDEX mails_due ON mails (not_before) WHERE state = 'queued';
CREATE INDEX mails_ended ON mails (ended) WHERE state <> 'queued';
