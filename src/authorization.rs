//! The authorization server: authorize, consent, token.
