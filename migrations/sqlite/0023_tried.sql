-- When it was last tried with a wrong password or answer, or what nobody has and lies next to it. Never read: it is there so
-- that a try costs the same write whether what was tried is known or not.
ALTER TABLE accounts ADD COLUMN tried INTEGER;
ALTER TABLE invitations ADD COLUMN tried INTEGER;
