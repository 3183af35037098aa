//! What must not be seen, against an EHR that does not keep to the rules. Names begin with the row of the threat table.

mod addresses;
mod alarm;
mod client_credentials;
mod content;
mod hostile;
mod identifiers;
mod identity;
mod includes;
mod membership;
mod narrative;
mod oracles;
mod owners;
mod paging;
mod parsing;
mod quarantine;
mod quotas;
mod redaction;
mod regressions;
mod release;
mod said;
mod slow_clients;
mod terminology;
mod tls;
mod token_endpoint;
mod types;
mod upstream;
