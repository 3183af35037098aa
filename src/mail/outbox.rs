use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::carrier::Parcel;
use super::template::Template;
use super::words::{Link, Site};
use crate::base::clock::{Instant, SharedClock};
use crate::base::id::MailId;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::base::secret::Secret;
use crate::config;
use crate::identity::{Contact, ContactKind, Language};
use crate::storage::mails::{self, DueMail, NewMail};
use crate::storage::{StorageError, Tx};

/// Mail is not worth sending any more after this, unless it says so itself.
const LIFETIME: Duration = Duration::from_secs(3 * 86_400);

/// Writes what is to be sent. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Arc<Parts>);

struct Parts {
    site: Site,
    from: String,
    sealer: Sealer,
    clock: SharedClock,
    random: SharedRandom,
    takes_text_messages: bool,
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("site", &self.0.site).finish_non_exhaustive()
    }
}

/// Something written, and not queued yet.
#[derive(Debug)]
#[must_use = "a letter that is not queued is never sent"]
pub struct Letter(NewMail);

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    to: String,
    subject: String,
    text: String,
}

/// What was sealed with another key or for another row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a queued mail cannot be read")]
pub struct Unreadable;

impl Outbox {
    /// The outbox of this installation.
    #[must_use]
    pub fn new(config: &config::Config, master_key: &MasterKey, clock: SharedClock, random: SharedRandom) -> Self {
        let site = Site {
            name: config.server.name.clone(),
            url: config.server.public_url.clone(),
            help: config.mail.help.clone(),
        };
        Self(Arc::new(Parts {
            site,
            from: config.mail.from.clone(),
            sealer: master_key.sealer(KeyUse::Mail),
            clock,
            random,
            takes_text_messages: config.mail.outbox_dir.is_some(),
        }))
    }

    /// Whether a message can go out to this kind of address at all.
    #[must_use]
    pub fn reaches(&self, kind: ContactKind) -> bool {
        kind == ContactKind::Email || self.0.takes_text_messages
    }

    /// A page of ours.
    #[must_use]
    pub fn link(&self, path: &'static str) -> Link {
        self.0.site.link(path)
    }

    /// A page of ours with an opaque value, as `?token=…`.
    #[must_use]
    pub fn link_with(&self, path: &'static str, token: &Secret<String>) -> Link {
        self.0.site.link_with(path, token)
    }

    /// Writes to somebody.
    pub fn letter<T: Template>(&self, to: &Contact, language: Language, template: &T) -> Letter {
        let text = template.render(language, &self.0.site);
        let content = match to.kind() {
            ContactKind::Email => Content { to: to.address().to_owned(), subject: text.subject, text: text.mail },
            ContactKind::Phone => {
                Content { to: to.address().to_owned(), subject: String::new(), text: text.text_message }
            }
        };
        let (id, now) = (MailId::mint(&*self.0.random), self.0.clock.now());
        // Three texts always serialise.
        let plain = Secret::new(serde_json::to_vec(&content).unwrap_or_default());
        Letter(NewMail {
            id,
            channel: to.kind(),
            kind: T::KIND,
            language,
            sealed: self.0.sealer.seal(&*self.0.random, id.to_string().as_bytes(), plain.expose()),
            created: now,
            not_before: now,
            expires: now.plus(LIFETIME),
        })
    }

    /// Writes to an address or number as a record has it; none when it is neither, or nothing can be sent there.
    #[must_use]
    pub fn letter_to<T: Template>(&self, recorded: &str, template: &T) -> Option<Letter> {
        let to = Contact::email(recorded).or_else(|_| Contact::phone(recorded)).ok()?;
        self.reaches(to.kind()).then(|| self.letter(&to, Language::English, template))
    }

    /// Opens what is due, ready to be carried.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn open(&self, mail: &DueMail) -> Result<Parcel, Unreadable> {
        let plain = self.0.sealer.open(mail.id.to_string().as_bytes(), &mail.sealed).map_err(|_| Unreadable)?;
        let content: Content = serde_json::from_slice(&plain).map_err(|_| Unreadable)?;
        Ok(Parcel {
            id: mail.id,
            channel: mail.channel,
            written: mail.created,
            from: self.0.from.clone(),
            from_name: self.0.site.name.clone(),
            to: content.to,
            subject: content.subject,
            text: content.text,
        })
    }
}

impl Letter {
    /// Its id, by which [`mails::state`] tells what became of it.
    #[must_use]
    pub const fn id(&self) -> MailId {
        self.0.id
    }

    /// It is good for so long only: afterwards it is not sent any more.
    pub fn good_for(mut self, time: Duration) -> Self {
        self.0.expires = self.0.created.plus(time);
        self
    }

    /// It is not sent before this.
    pub const fn not_before(mut self, at: Instant) -> Self {
        self.0.not_before = at;
        self
    }

    /// Puts it into the queue, in the write of what causes it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn queue(self, tx: &mut Tx) -> Result<(), StorageError> {
        mails::insert(tx, &self.0).await
    }
}
