-- Tables of sensitive codes that go beside those of the program, as they were entered.
CREATE TABLE label_tables (
    name    TEXT     NOT NULL PRIMARY KEY,
    content TEXT     NOT NULL,
    changed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
