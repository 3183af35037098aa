-- Only what a public client was given has one: an entry for each other token would be a page more to write for it.
DROP INDEX access_tokens_refresh;
CREATE INDEX access_tokens_refresh ON access_tokens (refresh_hash) WHERE refresh_hash IS NOT NULL;
