//! Who sees what of somebody's record: the decision against a second one over plain JSON, and the scenarios by number.

mod ages;
mod bands;
mod command_line;
mod exchange;
mod fhir_form;
mod generate;
mod labels;
mod model;
mod mutants;
mod noninterference;
mod people;
mod properties;
mod real;
mod record_pages;
mod scenarios;
mod surfaces;
