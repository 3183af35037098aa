//! What the holder of an account is told.

use super::Accounts;
use crate::base::id::AccountId;
use crate::identity::{Contact, Language};
use crate::mail::{Letter, Template, template};
use crate::storage::{StorageError, Tx, accounts, contacts};

impl Accounts {
    /// Writes to every verified address of an account, in its holder's language. To be queued in the write of what they are
    /// told of.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn letters<T: Template>(&self, account: AccountId, template: &T) -> Result<Vec<Letter>, StorageError> {
        let language = accounts::language(&self.db, account).await?;
        let to = self.addresses(account).await?;
        Ok(to.iter().map(|to| self.outbox.letter(to, language, template)).collect())
    }

    /// The verified addresses that messages reach.
    ///
    /// # Errors
    /// [`StorageError`].
    pub(super) async fn addresses(&self, account: AccountId) -> Result<Vec<Contact>, StorageError> {
        let known = contacts::of_account(&self.db, account).await?;
        let known = known.into_iter().filter(|contact| contact.verified.is_some()).map(|known| known.contact);
        Ok(known.filter(|contact| self.outbox.reaches(contact.kind())).collect())
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

pub(super) async fn queue_all(tx: &mut Tx, letters: Vec<Letter>) -> Result<(), StorageError> {
    for letter in letters {
        letter.queue(&mut *tx).await?;
    }
    Ok(())
}
