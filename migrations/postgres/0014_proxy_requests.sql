-- That somebody is to act for somebody else, and what became of it: what patients hand out themselves, what staff decide.
CREATE TABLE proxy_requests (
    id              TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    -- Who asked: the patient, somebody with a document, or somebody at the desk.
    origin          TEXT COLLATE "C" NOT NULL CHECK (origin IN ('patient', 'document', 'desk')),
    asked_by        TEXT COLLATE "C" NOT NULL REFERENCES accounts (id),
    asked           BIGINT NOT NULL,
    -- Whose record, once that is known here; which chart, once somebody of the staff found it.
    person_id       TEXT COLLATE "C" REFERENCES persons (id),
    source_key      TEXT COLLATE "C" REFERENCES sources (key),
    patient         TEXT COLLATE "C",
    -- Who the patient is, as whoever asks says. JSON.
    said            TEXT COLLATE "C" NOT NULL,
    -- Who is to act, and how far. JSON.
    draft           TEXT COLLATE "C" NOT NULL,
    -- The paper that was named or shown.
    document        TEXT COLLATE "C",
    proofing_id     TEXT COLLATE "C" REFERENCES proofings (id),
    -- Why the patient is not told, where telling them would harm.
    silent          TEXT COLLATE "C",
    approved_by     TEXT COLLATE "C" REFERENCES accounts (id),
    approved        BIGINT,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('waiting', 'approved', 'issued', 'refused', 'withdrawn')),
    decided         BIGINT,
    decided_by      TEXT COLLATE "C" REFERENCES accounts (id),
    reason          TEXT COLLATE "C",
    invitation_id   TEXT COLLATE "C" REFERENCES invitations (id),
    CHECK ((source_key IS NULL) = (patient IS NULL)),
    CHECK ((approved IS NULL) = (approved_by IS NULL))
);
CREATE INDEX proxy_requests_queue ON proxy_requests (organization_id) WHERE state IN ('waiting', 'approved');
CREATE INDEX proxy_requests_asked_by ON proxy_requests (asked_by);
CREATE INDEX proxy_requests_person ON proxy_requests (person_id);
