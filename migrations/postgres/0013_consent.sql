-- How far a grant goes, as JSON; NULL: as its basis has it.
ALTER TABLE grants ADD COLUMN scope TEXT COLLATE "C";

-- What is laid down about a person beside grants: restrictions, flags, holds, assent, events. What it is, as JSON.
CREATE TABLE consent_rules (
    id          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    person_id   TEXT COLLATE "C" NOT NULL REFERENCES persons (id),
    document    TEXT COLLATE "C" NOT NULL,
    valid_from  BIGINT NOT NULL,
    valid_until BIGINT,
    evidence    TEXT COLLATE "C" NOT NULL,
    entered_by  TEXT COLLATE "C" REFERENCES accounts (id),
    created     BIGINT NOT NULL,
    ended       BIGINT,
    end_reason  TEXT COLLATE "C",
    CHECK ((ended IS NULL) = (end_reason IS NULL))
);
CREATE INDEX consent_rules_person ON consent_rules (person_id) WHERE ended IS NULL;

-- By which policy a practice decides, and in which time zone (IANA) it lives.
CREATE TABLE organization_policies (
    organization_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES organizations (id),
    policy          TEXT COLLATE "C" NOT NULL,
    time_zone       TEXT COLLATE "C" NOT NULL
);
