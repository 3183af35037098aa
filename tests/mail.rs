//! Mail: the queue on both databases, the folder, and an SMTP server that says no.

mod delivery;
mod smtp;
