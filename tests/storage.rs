//! Contracts of the storage layer, run on both databases.

mod aggregates;
mod sample;
mod writes;
