-- How far a grant goes, as JSON; NULL: as its basis has it.
ALTER TABLE grants ADD COLUMN scope TEXT;

-- What is laid down about a person beside grants: restrictions, flags, holds, assent, events. What it is, as JSON.
CREATE TABLE consent_rules (
    id          TEXT    NOT NULL PRIMARY KEY,
    person_id   TEXT    NOT NULL REFERENCES persons (id),
    document    TEXT    NOT NULL,
    valid_from  INTEGER NOT NULL,
    valid_until INTEGER,
    evidence    TEXT    NOT NULL,
    entered_by  TEXT    REFERENCES accounts (id),
    created     INTEGER NOT NULL,
    ended       INTEGER,
    end_reason  TEXT,
    CHECK ((ended IS NULL) = (end_reason IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_rules_person ON consent_rules (person_id) WHERE ended IS NULL;

-- By which policy a practice decides, and in which time zone (IANA) it lives.
CREATE TABLE organization_policies (
    organization_id TEXT NOT NULL PRIMARY KEY REFERENCES organizations (id),
    policy          TEXT NOT NULL,
    time_zone       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
