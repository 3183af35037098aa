-- A document may hang on several resources: whoever sees one of them may read it. hashed_ids keeps the first.
CREATE TABLE document_owners (
    gateway_id TEXT NOT NULL,
    owner_type TEXT NOT NULL,
    owner_id   TEXT NOT NULL,
    PRIMARY KEY (gateway_id, owner_type, owner_id)
) STRICT, WITHOUT ROWID;
INSERT INTO document_owners (gateway_id, owner_type, owner_id)
SELECT gateway_id, owner_type, owner_id FROM hashed_ids WHERE url IS NOT NULL;
