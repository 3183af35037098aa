//! FHIR R4 search as pure functions: a query is parsed into types, printed back in one spelling, and evaluated on the
//! bytes of scanned resources. The rules are those of FHIR R4 search §3.1.1.4 (hl7.org/fhir/R4/search.html).

pub mod date;
pub mod decimal;
pub mod fragment;
pub mod query;
pub mod string;

pub use date::PartialDate;
pub use decimal::Decimal;
pub use query::{
    Criterion, Handling, Include, QuantityUnit, Query, ReferenceValue, SearchError, SearchErrorCode, SortKey, Summary,
    TokenValue, TotalMode, Value,
};
