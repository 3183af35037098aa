-- The file with the certificate authorities that alone are trusted for a source.
ALTER TABLE sources ADD COLUMN ca_file TEXT COLLATE "C";
