//! Sign-in, sessions, and what a person does with an account.
