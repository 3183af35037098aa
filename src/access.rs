//! Who may see what: [`Subject`] asks, [`decide`] answers with a [`Permit`] or a [`Denial`], and [`about`] tells whose
//! resource it is. Pure functions: the same question gets the same answer.

mod about;
mod assurance;
mod decide;
mod doubts;
mod identification;
mod permit;
mod subject;
#[cfg(test)]
mod tests;
mod unknown;
mod withheld;

pub use about::{About, Referent, about, referent};
pub use assurance::shows;
pub use decide::{Denial, decide, is_served};
pub use doubts::Doubts;
pub use identification::Identification;
pub use permit::Permit;
pub use subject::{Behalf, OWN_PAGES, Subject};
pub use unknown::Unknown;
pub use withheld::{Withheld, WithheldOf};
