//! The model as its callers see it: what is refused, what is accepted, what is written.
//!
//! `cfg(test)` is always true here. On a module it tells the linter that all of it is test code, helpers included.

#[cfg(test)]
mod authored;
#[cfg(test)]
mod known_data;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod support;
#[cfg(test)]
mod traps;
