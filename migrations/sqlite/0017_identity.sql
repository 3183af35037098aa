-- Whom a claim is about, by name and by number in one spelling each: what limits guesses.
ALTER TABLE claims ADD COLUMN about_name BLOB;
ALTER TABLE claims ADD COLUMN about_number BLOB;
CREATE INDEX claims_about_name ON claims (organization_id, about_name, made);
CREATE INDEX claims_about_number ON claims (organization_id, about_number, made);
-- No released version connected one: whatever stands there would get no name to be disconnected by.
DELETE FROM federated_identities;
