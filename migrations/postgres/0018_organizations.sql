-- The name of a sign-in elsewhere in lists and forms.
ALTER TABLE federated_identities ADD COLUMN id TEXT COLLATE "C" NOT NULL DEFAULT '';

-- Sources whose records were taken over when organizations merged, and which record becomes which.
CREATE TABLE mergers (
    source_key           TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES sources (key),
    into_key             TEXT COLLATE "C" NOT NULL REFERENCES sources (key),
    from_organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    into_organization_id TEXT COLLATE "C" NOT NULL REFERENCES organizations (id),
    digest               BYTEA NOT NULL,
    effective            BIGINT NOT NULL
);
CREATE INDEX mergers_into ON mergers (into_organization_id);

CREATE TABLE merger_rows (
    source_key  TEXT COLLATE "C" NOT NULL REFERENCES mergers (source_key),
    patient     TEXT COLLATE "C" NOT NULL,
    new_patient TEXT COLLATE "C" NOT NULL,
    tried       BIGINT,
    refused     TEXT COLLATE "C",
    PRIMARY KEY (source_key, patient)
);
