//! Who sees what of somebody's record: the decision against a second one over plain JSON, and the scenarios by number.

mod adults;
mod ages;
mod asking;
mod bands;
mod boundaries;
mod command_line;
mod exchange;
mod family;
mod fhir_form;
mod generate;
mod labels;
mod minors;
mod model;
mod mutants;
mod noninterference;
mod people;
mod practices;
mod properties;
mod real;
mod record_pages;
mod reviews;
mod scenarios;
mod specialties;
mod surfaces;
mod tabs;
mod traces;
