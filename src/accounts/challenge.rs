//! Questions that are answered once, by a link or a code.

use std::time::Duration;

use super::Accounts;
use crate::base::hash::{equal_in_constant_time, hmac_sha256, sha256};
use crate::base::id::AccountId;
use crate::base::secret::Secret;
use crate::mail::OneTimeCode;
use crate::storage::StorageError;
use crate::storage::challenges::{self, Challenge, Purpose};

/// Tries of a code before it is dead: five of a million.
const TRIES: u32 = 5;

/// A question with what answers it.
pub(super) struct Asked {
    pub(super) challenge: Challenge,
    /// The value of a link.
    pub(super) token: Secret<String>,
    /// The code that does the same.
    pub(super) code: OneTimeCode,
}

impl Accounts {
    pub(super) fn ask(&self, purpose: Purpose, account: AccountId, subject: String, good_for: Duration) -> Asked {
        let token = Secret::new(self.random.token());
        let code = OneTimeCode::six_digits(self.random.bytes());
        let hash = sha256(token.expose().as_bytes());
        let now = self.clock.now();
        let challenge = Challenge {
            hash,
            purpose,
            account: Some(account),
            subject,
            code_hash: Some(self.code_hash(&hash, code.expose())),
            sealed: None,
            tries: 0,
            created: now,
            expires: now.plus(good_for),
        };
        Asked { challenge, token, code }
    }

    /// Six digits alone are soon guessed: the hash is keyed, and bound to the question.
    fn code_hash(&self, question: &[u8; 32], code: &str) -> Vec<u8> {
        hmac_sha256(self.code_key.expose(), &[question, code.as_bytes()]).to_vec()
    }

    /// The question that a link answers, while it can be answered. Looking changes nothing.
    pub(super) async fn asked_by_link(&self, token: &str, purpose: Purpose) -> Result<Option<Challenge>, StorageError> {
        challenges::get(&self.db, &sha256(token.as_bytes()), purpose, self.clock.now()).await
    }

    /// The question that a code answers, if it does. Each look counts.
    pub(super) async fn asked_by_code(
        &self,
        account: AccountId,
        purpose: Purpose,
        subject: &str,
        code: &str,
    ) -> Result<Option<Challenge>, StorageError> {
        let now = self.clock.now();
        let Some(challenge) = challenges::newest(&self.db, account, purpose, subject, now).await? else {
            return Ok(None);
        };
        let hash = challenge.hash;
        let may_look = self.db.write(move |tx| Box::pin(async move { challenges::try_code(tx, &hash, TRIES).await }));
        if !may_look.await? {
            return Ok(None);
        }
        let typed: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let given = self.code_hash(&hash, &typed);
        let is_right = challenge.code_hash.as_ref().is_some_and(|known| equal_in_constant_time(known, &given));
        Ok(Some(challenge).filter(|_| is_right))
    }
}
