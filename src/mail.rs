//! What is written to people: never anything of their record. It is queued in the write of the act that causes it, and sent
//! by a job, by SMTP or into a folder.
//!
//! ```ignore
//! let letter = outbox.letter(&contact, Language::English, &template::LinkMade { sign_in: outbox.link("/") });
//! acts.write(|tx| … letter.queue(tx).await? …)
//! ```
//!
//! A new template is a line in `template.rs` and a file in each folder of `templates/mail/`: the subject, a blank line, what
//! a text message says, a blank line, and what a mail says after that. Its data can only be of the types of `words.rs`, which
//! have no room for anything that somebody wrote.

mod carrier;
mod outbox;
pub mod template;
mod words;

pub use carrier::{Carrier, CarrierError, Failed, Parcel};
pub use outbox::{Letter, Outbox, Unreadable};
pub use template::Template;
pub use words::{Day, InvitationCode, Link, Minutes, OneTimeCode, Site, spanish_month};
