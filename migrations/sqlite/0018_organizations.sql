-- The name of a sign-in elsewhere in lists and forms.
ALTER TABLE federated_identities ADD COLUMN id TEXT NOT NULL DEFAULT '';

-- Sources whose records were taken over when organizations merged, and which record becomes which.
CREATE TABLE mergers (
    source_key           TEXT    NOT NULL PRIMARY KEY REFERENCES sources (key),
    into_key             TEXT    NOT NULL REFERENCES sources (key),
    from_organization_id TEXT    NOT NULL REFERENCES organizations (id),
    into_organization_id TEXT    NOT NULL REFERENCES organizations (id),
    digest               BLOB NOT NULL,
    effective            INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mergers_into ON mergers (into_organization_id);

CREATE TABLE merger_rows (
    source_key  TEXT    NOT NULL REFERENCES mergers (source_key),
    patient     TEXT    NOT NULL,
    new_patient TEXT    NOT NULL,
    tried       INTEGER,
    refused     TEXT,
    PRIMARY KEY (source_key, patient)
) STRICT, WITHOUT ROWID;
