-- Where an app is opened from here (SMART App Launch 2.2 §2.0.7), and what the people who use it know of it.
ALTER TABLE clients ADD COLUMN launch_uri TEXT;
-- What was in context beside the person, as JSON, and when the app last asked for anything.
ALTER TABLE authorizations ADD COLUMN context TEXT;
ALTER TABLE authorizations ADD COLUMN last_used INTEGER;
CREATE INDEX authorizations_person ON authorizations (person_id);

-- What an app that was opened from here is to find: the launch value is kept as SHA-256, and works once.
CREATE TABLE launches (
    hash       BLOB    NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    client_id  TEXT    NOT NULL REFERENCES clients (id),
    account_id TEXT    NOT NULL REFERENCES accounts (id),
    person_id  TEXT    NOT NULL REFERENCES persons (id),
    context    TEXT    NOT NULL,
    expires    INTEGER NOT NULL,
    used       INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX launches_expires ON launches (expires);

-- How a practice shows itself to people who look for it, as JSON, and since when it has been that.
ALTER TABLE organizations ADD COLUMN brand TEXT NOT NULL DEFAULT '{}';
ALTER TABLE organizations ADD COLUMN changed INTEGER;
