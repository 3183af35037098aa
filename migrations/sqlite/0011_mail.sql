-- What is to be sent to people: recipient, subject and text sealed, and forgotten once sent or given up.
CREATE TABLE mails (
    id         TEXT    NOT NULL PRIMARY KEY,
    channel    TEXT    NOT NULL CHECK (channel IN ('email', 'phone')),
    kind       TEXT    NOT NULL,
    language   TEXT    NOT NULL,
    sealed     BLOB,
    created    INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    expires    INTEGER NOT NULL,
    attempts   INTEGER NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('queued', 'sent', 'bounced', 'dropped')),
    ended      INTEGER,
    CHECK ((state = 'queued') = (ended IS NULL) AND (state = 'queued') = (sealed IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX mails_due ON mails (not_before) WHERE state = 'queued';
CREATE INDEX mails_ended ON mails (ended) WHERE state <> 'queued';
