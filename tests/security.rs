//! What must not be seen, against an EHR that does not keep to the rules. Names begin with the row of the threat table.

mod alarm;
mod client_credentials;
mod content;
mod hostile;
mod identity;
mod includes;
mod narrative;
mod owners;
mod paging;
mod redaction;
mod release;
mod slow_clients;
mod terminology;
mod token_endpoint;
mod upstream;
