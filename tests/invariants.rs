//! What holds for every world, every caller and every request (security design, section 8): worlds and requests are
//! made at random, what must come out is told by a model that shares no code with `src/`. CI runs a short form;
//! `scripts/prove leaks` and `scripts/prove mutants` run the same for long.

mod dice;
mod door;
mod ehr;
mod gateway;
mod leaks;
mod model;
mod over_http;
mod properties;
mod request;
mod role;
mod world;
