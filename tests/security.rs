//! What must not be seen, against an EHR that does not keep to the rules. Names begin with the row of the threat table.

mod alarm;
mod content;
mod hostile;
mod identity;
mod includes;
mod narrative;
mod owners;
mod paging;
mod quarantine;
mod redaction;
mod release;
mod slow_clients;
mod upstream;
