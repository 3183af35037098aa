-- The practice whose staff opened it: what an app then reads ends with their role, and is what that practice holds.
ALTER TABLE launches ADD COLUMN organization_id TEXT COLLATE "C" REFERENCES organizations (id);
ALTER TABLE authorizations ADD COLUMN organization_id TEXT COLLATE "C" REFERENCES organizations (id);
