-- A document may hang on several resources: whoever sees one of them may read it. hashed_ids keeps the first.
CREATE TABLE document_owners (
    gateway_id TEXT COLLATE "C" NOT NULL,
    owner_type TEXT COLLATE "C" NOT NULL,
    owner_id   TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (gateway_id, owner_type, owner_id)
);
INSERT INTO document_owners (gateway_id, owner_type, owner_id)
SELECT gateway_id, owner_type, owner_id FROM hashed_ids WHERE url IS NOT NULL;
