//! Who somebody is, as a provider elsewhere proved it. What was said is kept sealed for the session that asked for it, and
//! nothing comes of it before the person saw it and said that it is them.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

use super::{AccountError, Accounts};
use crate::audit::ActKind;
use crate::authorization::SignedIn;
use crate::base::hash::sha256;
use crate::base::id::{AccountId, OrganizationId};
use crate::federated_login::{IdToken, Provider, Subject};
use crate::identity::Demographics;
use crate::storage::challenges::{self, Challenge, Purpose};
use crate::storage::{federated_identities, organizations};

/// Time to look at it.
const LOOK: Duration = Duration::from_secs(600);

/// What a provider proved of somebody.
#[derive(Debug)]
pub struct ProvedElsewhere {
    /// Which of those that wait: not secret, and of no use in another session.
    pub id: String,
    /// The provider's name.
    pub provider: String,
    /// Where their chart is said to be.
    pub organization: OrganizationId,
    /// What people call that; none for one that is not there.
    pub practice: Option<String>,
    /// Who they are.
    pub demographics: Demographics,
    /// Phones and addresses that the provider verified.
    pub contacts: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    issuer: String,
    subject: String,
    organization: OrganizationId,
    demographics: Demographics,
    contacts: Vec<String>,
}

fn context(hash: &[u8; 32], session: &[u8; 32]) -> Vec<u8> {
    [b"proved ".as_slice(), hash, session].concat()
}

impl Accounts {
    /// A sign-in that leads into somebody else's account says nothing of this one (security design, I10).
    pub(super) async fn require_not_anothers(&self, account: AccountId, who: &Subject) -> Result<(), AccountError> {
        let holder = federated_identities::holder(&self.db, &who.issuer, &who.subject).await?;
        if holder.is_none_or(|holder| holder == account) {
            return Ok(());
        }
        let act = self.new_act(ActKind::Credential).by(account).by_way_of("federated").refused("taken");
        self.acts.record(act).await?;
        Err(AccountError::IdentityTaken)
    }

    /// Keeps what was proved. The newest alone waits.
    pub(super) async fn keep_proof(
        &self,
        who: &SignedIn,
        (provider, token): (&Provider, IdToken),
        organization: OrganizationId,
    ) -> Result<(), AccountError> {
        self.require_not_anothers(who.account, &token.subject).await?;
        let is_proofed = provider.is_proofed(&token);
        let demographics = token.demographics.filter(|_| is_proofed).ok_or(AccountError::NotProofed)?;
        let Subject { issuer, subject } = token.subject;
        let kept = Kept { issuer, subject, organization, demographics, contacts: token.contacts };
        let plain = serde_json::to_vec(&kept).unwrap_or_default();
        let hash = sha256(self.random.token().as_bytes());
        let (account, now) = (who.account, self.clock.now());
        let challenge = Challenge {
            hash,
            purpose: Purpose::ProvedElsewhere,
            account: Some(account),
            subject: String::new(),
            code_hash: None,
            sealed: Some(self.factor_sealer.seal(&*self.random, &context(&hash, &who.hash), &plain)),
            tries: 0,
            created: now,
            expires: now.plus(LOOK),
        };
        let kept = self.db.write(move |tx| {
            async move {
                challenges::withdraw(&mut *tx, account, Purpose::ProvedElsewhere).await?;
                challenges::insert(tx, &challenge).await
            }
            .boxed()
        });
        Ok(kept.await?)
    }

    /// What waits for the person's yes in this session.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when nothing does.
    pub async fn waiting_proof(&self, who: &SignedIn) -> Result<ProvedElsewhere, AccountError> {
        let now = self.clock.now();
        let asked = challenges::newest(&self.db, who.account, Purpose::ProvedElsewhere, "", now).await?;
        let asked = asked.ok_or(AccountError::NotFound)?;
        self.opened_proof(who, asked).await.map(|(proved, _)| proved)
    }

    /// The person says that it is them: once, in the session that asked.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] when it does not wait any more; [`AccountError::IdentityTaken`].
    pub async fn confirm_proof(&self, who: &SignedIn, id: &str) -> Result<ProvedElsewhere, AccountError> {
        let hash = BASE64URL_NOPAD.decode(id.as_bytes()).ok().and_then(|hash| hash.try_into().ok());
        let hash: [u8; 32] = hash.ok_or(AccountError::NotFound)?;
        let now = self.clock.now();
        let asked = challenges::get(&self.db, &hash, Purpose::ProvedElsewhere, now).await?;
        let asked = asked.filter(|asked| asked.account == Some(who.account)).ok_or(AccountError::NotFound)?;
        let (proved, subject) = self.opened_proof(who, asked).await?;
        let taken = self
            .db
            .write(move |tx| async move { challenges::take(tx, &hash, Purpose::ProvedElsewhere, now).await }.boxed());
        if !taken.await? {
            return Err(AccountError::NotFound);
        }
        // Somebody may have connected it to theirs meanwhile.
        self.require_not_anothers(who.account, &subject).await?;
        Ok(proved)
    }

    async fn opened_proof(&self, who: &SignedIn, asked: Challenge) -> Result<(ProvedElsewhere, Subject), AccountError> {
        let sealed = asked.sealed.unwrap_or_default();
        let plain = self.factor_sealer.open(&context(&asked.hash, &who.hash), &sealed);
        let plain = plain.map_err(|_| AccountError::NotFound)?;
        let Kept { issuer, subject, organization, demographics, contacts } =
            serde_json::from_slice(&plain).map_err(|_| AccountError::NotFound)?;
        let provider = self.providers.iter().find(|provider| provider.issuer() == issuer);
        let practice = organizations::by_id(&self.db, organization).await?;
        let proved = ProvedElsewhere {
            id: BASE64URL_NOPAD.encode(&asked.hash),
            // One that is not configured any more is not believed any more.
            provider: provider.ok_or(AccountError::NotFound)?.name().to_owned(),
            organization,
            practice: practice.map(|practice| practice.name),
            demographics,
            contacts,
        };
        Ok((proved, Subject { issuer, subject }))
    }
}
