//! How people sign in, stay in, and get back in, through the real pages.

mod addresses;
mod authenticator;
mod devices;
mod passkeys;
pub(crate) mod person;
mod recovery;
mod second_factor;
mod stuffing;
