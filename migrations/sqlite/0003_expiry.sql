-- What ended is found by its end, and a refresh token's access tokens before it is deleted.
CREATE INDEX codes_expires ON codes (expires);
CREATE INDEX refresh_tokens_expires ON refresh_tokens (expires);
CREATE INDEX access_tokens_refresh ON access_tokens (refresh_hash);
