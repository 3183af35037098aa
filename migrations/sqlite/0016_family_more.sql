-- Of what changes about grants on a day somebody was told, so many days before. What ended stays.
CREATE TABLE sharing_notices (
    grant_id TEXT    NOT NULL REFERENCES grants (id),
    day      TEXT    NOT NULL,
    before   INTEGER NOT NULL,
    sent     INTEGER NOT NULL,
    PRIMARY KEY (grant_id, day, before)
) STRICT, WITHOUT ROWID;
