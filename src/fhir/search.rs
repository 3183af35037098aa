//! FHIR R4 search as pure functions: a query is parsed into types, printed back in one spelling, and evaluated on the
//! bytes of scanned resources. The rules are those of FHIR R4 search §3.1.1.4 (hl7.org/fhir/R4/search.html).

pub mod date;
pub mod decimal;
pub mod fragment;
pub mod query;

mod composite;
mod evaluate;
mod parse;
mod print;
mod quantity;
mod reference;
mod sort;
mod string;
mod token;
mod uri;

pub use date::PartialDate;
pub use decimal::Decimal;
pub use evaluate::{Evaluation, matches};
pub use parse::{MAX_BYTES, MAX_COUNT, MAX_PARAMETERS, MAX_VALUES, parse};
pub use print::escaped;
pub use query::{
    Criterion, Handling, Include, QuantityUnit, Query, ReferenceValue, SearchError, SearchErrorCode, SortKey, Summary,
    TokenValue, TotalMode, Value,
};
pub use sort::{SortValue, sort_key};

#[cfg(test)]
mod tests;
