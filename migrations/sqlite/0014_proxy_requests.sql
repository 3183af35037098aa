-- That somebody is to act for somebody else, and what became of it: what patients hand out themselves, what staff decide.
CREATE TABLE proxy_requests (
    id              TEXT    NOT NULL PRIMARY KEY,
    organization_id TEXT    NOT NULL REFERENCES organizations (id),
    -- Who asked: the patient, somebody with a document, or somebody at the desk.
    origin          TEXT    NOT NULL CHECK (origin IN ('patient', 'document', 'desk')),
    asked_by        TEXT    NOT NULL REFERENCES accounts (id),
    asked           INTEGER NOT NULL,
    -- Whose record, once that is known here; which chart, once somebody of the staff found it.
    person_id       TEXT    REFERENCES persons (id),
    source_key      TEXT    REFERENCES sources (key),
    patient         TEXT,
    -- Who the patient is, as whoever asks says. JSON.
    said            TEXT    NOT NULL,
    -- Who is to act, and how far. JSON.
    draft           TEXT    NOT NULL,
    -- The paper that was named or shown.
    document        TEXT,
    proofing_id     TEXT    REFERENCES proofings (id),
    -- Why the patient is not told, where telling them would harm.
    silent          TEXT,
    approved_by     TEXT    REFERENCES accounts (id),
    approved        INTEGER,
    state           TEXT    NOT NULL CHECK (state IN ('waiting', 'approved', 'issued', 'refused', 'withdrawn')),
    decided         INTEGER,
    decided_by      TEXT    REFERENCES accounts (id),
    reason          TEXT,
    invitation_id   TEXT    REFERENCES invitations (id),
    CHECK ((source_key IS NULL) = (patient IS NULL)),
    CHECK ((approved IS NULL) = (approved_by IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX proxy_requests_queue ON proxy_requests (organization_id) WHERE state IN ('waiting', 'approved');
CREATE INDEX proxy_requests_asked_by ON proxy_requests (asked_by);
CREATE INDEX proxy_requests_person ON proxy_requests (person_id);
