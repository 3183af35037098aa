//! What the holder of an account is told.

use super::Accounts;
use crate::base::id::AccountId;
use crate::identity::{Contact, Language};
use crate::mail::{Letter, Outbox, Template, template};
use crate::storage::{Db, StorageError, Tx, accounts, contacts};

impl Accounts {
    /// Writes to every verified address of an account, in its holder's language. To be queued in the write of what they are
    /// told of.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn letters<T: Template>(&self, account: AccountId, template: &T) -> Result<Vec<Letter>, StorageError> {
        letters_to(&self.db, &self.outbox, account, template).await
    }

    /// The verified addresses that messages reach.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(super) async fn addresses(&self, account: AccountId) -> Result<Vec<Contact>, StorageError> {
        addresses_of(&self.db, &self.outbox, account).await
    }

    /// The notice that goes out whenever a way to sign in changes.
    pub(super) async fn sign_in_changed(&self, account: AccountId) -> Result<Vec<Letter>, StorageError> {
        self.letters(account, &template::SignInChanged { sign_in: self.outbox.link("/account") }).await
    }

    /// The language that an account's holder reads.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn language(&self, account: AccountId) -> Result<Language, StorageError> {
        accounts::language(&self.db, account).await
    }
}

/// Letters to every verified address of an account, in its holder's language.
pub(crate) async fn letters_to<T: Template>(
    db: &Db,
    outbox: &Outbox,
    account: AccountId,
    template: &T,
) -> Result<Vec<Letter>, StorageError> {
    let language = accounts::language(db, account).await?;
    let to = addresses_of(db, outbox, account).await?;
    Ok(to.iter().map(|to| outbox.letter(to, language, template)).collect())
}

async fn addresses_of(db: &Db, outbox: &Outbox, account: AccountId) -> Result<Vec<Contact>, StorageError> {
    let known = contacts::of_account(db, account).await?;
    let known = known.into_iter().filter(|contact| contact.verified.is_some()).map(|known| known.contact);
    Ok(known.filter(|contact| outbox.reaches(contact.kind())).collect())
}

pub(super) async fn queue_all(tx: &mut Tx, letters: Vec<Letter>) -> Result<(), StorageError> {
    for letter in letters {
        letter.queue(&mut *tx).await?;
    }
    Ok(())
}
