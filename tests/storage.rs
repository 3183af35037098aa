//! Contracts of the storage layer, run on both databases.

mod aggregates;
mod audit;
mod callers;
mod durability;
mod footprint;
mod hashed_ids;
mod invitations;
pub(crate) mod sample;
mod schema;
mod successions;
mod writes;
