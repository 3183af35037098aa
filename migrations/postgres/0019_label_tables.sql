-- Tables of sensitive codes that go beside those of the program, as they were entered.
CREATE TABLE label_tables (
    name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    content TEXT COLLATE "C" NOT NULL,
    changed BIGINT NOT NULL
);
