-- Of what changes about grants on a day somebody was told, so many days before. What ended stays.
CREATE TABLE sharing_notices (
    grant_id TEXT COLLATE "C" NOT NULL REFERENCES grants (id),
    day      TEXT COLLATE "C" NOT NULL,
    before   BIGINT NOT NULL,
    sent     BIGINT NOT NULL,
    PRIMARY KEY (grant_id, day, before)
);
