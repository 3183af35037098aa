//! The client of a source alone, before an EHR that does what the test says.

mod budgets;
mod ehr;
mod sharing;
mod tls;
