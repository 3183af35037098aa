use crate::accounts::{Accounts, PasswordError};
use crate::audit::{Act, ActKind, Acts};
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, LinkId, OrganizationId, PersonId};
use crate::base::random::Random;
use crate::base::secret::Secret;
use crate::identity::{
    Account, AccountState, Assurance, Demographics, Grant, GrantBasis, GrantState, Link, LinkMethod, LinkState, Period,
    StaffRole, Username, UsernameError,
};
use crate::organization::SourceKey;
use crate::storage::staff::StaffRow;
use crate::storage::{StorageError, accounts, grants, links, persons, staff};

/// Why somebody was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The database, or something that is taken already.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The name to sign in with.
    #[error("username: {0}")]
    Username(#[from] UsernameError),
    /// The password.
    #[error("password: {0}")]
    Password(#[from] PasswordError),
}

/// A person's chart at a source, as the operator vouches for it.
#[derive(Clone, Debug)]
pub struct NewLink {
    /// Whose.
    pub person: PersonId,
    /// Where.
    pub source: SourceKey,
    /// The id of the Patient there.
    pub patient: String,
    /// Order among the person's links: the lowest is the primary one.
    pub rank: i64,
    /// Who the chart is about, as the practice wrote it: what pages call the person.
    pub demographics: Option<Demographics>,
}

/// A way to sign in.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// The name to sign in with.
    pub username: &'a str,
    /// The password.
    pub password: &'a Secret<String>,
    /// Whose own account it is.
    pub person: Option<PersonId>,
}

/// Leave for an account to act for another person.
#[derive(Clone, Copy, Debug)]
pub struct NewGrant {
    /// Who may act.
    pub account: AccountId,
    /// For whom.
    pub person: PersonId,
    /// By what right.
    pub basis: GrantBasis,
}

/// Enters a person.
///
/// # Errors
/// [`EnrolError::Storage`].
pub async fn person(acts: &Acts, random: &dyn Random, now: Instant) -> Result<PersonId, EnrolError> {
    let id = PersonId::mint(random);
    let act = entered(ActKind::Person, now, random).about(id);
    acts.write(move |tx| {
        Box::pin(async move {
            persons::insert(tx, id, now).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(id)
}

/// Links a person to a chart.
///
/// # Errors
/// [`EnrolError::Storage`], also when the chart is linked already.
pub async fn link(acts: &Acts, random: &dyn Random, now: Instant, new: NewLink) -> Result<LinkId, EnrolError> {
    let link = Link {
        id: LinkId::mint(random),
        person: new.person,
        source: new.source,
        patient: new.patient,
        rank: new.rank,
        method: LinkMethod::Operator,
        assurance: Assurance::Ial2,
        demographics: new.demographics,
        linked: now,
        state: LinkState::Active,
    };
    let id = link.id;
    let act = entered(ActKind::Link, now, random).about(link.person).on("Link", id);
    acts.write(move |tx| {
        Box::pin(async move {
            links::insert(tx, &link).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(id)
}

/// Makes an account.
///
/// # Errors
/// [`EnrolError`].
pub async fn account(
    acts: &Acts,
    registry: &Accounts,
    random: &dyn Random,
    now: Instant,
    new: NewAccount<'_>,
) -> Result<AccountId, EnrolError> {
    let username = Username::new(new.username)?;
    let account = Account {
        id: AccountId::mint(random),
        password_hash: Some(registry.hash_password(&username, new.password).await?),
        username,
        person: new.person,
        created: now,
        state: AccountState::Active,
    };
    let id = account.id;
    let act = entered(ActKind::Account, now, random).about(account.person).on("Account", id);
    acts.write(move |tx| {
        Box::pin(async move {
            accounts::insert(tx, &account).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(id)
}

/// Lets an account act for a person from now on.
///
/// # Errors
/// [`EnrolError::Storage`].
pub async fn grant(acts: &Acts, random: &dyn Random, now: Instant, new: NewGrant) -> Result<GrantId, EnrolError> {
    grant_until(acts, random, now, new, None).await
}

/// Lets an account act for a person from now on, and no longer than until then: what a document says.
///
/// # Errors
/// [`EnrolError::Storage`].
pub async fn grant_until(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    new: NewGrant,
    until: Option<Instant>,
) -> Result<GrantId, EnrolError> {
    let grant = Grant {
        id: GrantId::mint(random),
        account: new.account,
        person: new.person,
        basis: new.basis,
        period: Period { from: now, until },
        evidence: "operator".to_owned(),
        created: now,
        state: GrantState::Active,
    };
    let id = grant.id;
    let act = entered(ActKind::Grant, now, random).about(grant.person).on("Grant", id);
    acts.write(move |tx| {
        Box::pin(async move {
            grants::insert(tx, &grant).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(id)
}

/// Gives somebody a role at an organization.
///
/// # Errors
/// [`EnrolError::Storage`], also when they have it.
pub async fn appoint(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    (account, organization, role): (AccountId, OrganizationId, StaffRole),
) -> Result<(), EnrolError> {
    let row = StaffRow { account, organization, role, since: now };
    let act = entered(ActKind::Staff, now, random).on("Account", account);
    acts.write(move |tx| {
        Box::pin(async move {
            staff::insert(tx, &row).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(())
}

/// Takes a role away.
///
/// # Errors
/// [`EnrolError::Storage`], also when they do not have it.
pub async fn dismiss(
    acts: &Acts,
    random: &dyn Random,
    now: Instant,
    (account, organization, role): (AccountId, OrganizationId, StaffRole),
) -> Result<(), EnrolError> {
    let act = entered(ActKind::Staff, now, random).on("Account", account).by_way_of("dismiss");
    acts.write(move |tx| {
        Box::pin(async move {
            staff::end(tx, account, organization, role, now).await?;
            Ok::<_, StorageError>(((), Some(act)))
        })
    })
    .await?;
    Ok(())
}

/// What the operator of the machine enters.
fn entered(kind: ActKind, now: Instant, random: &dyn Random) -> Act {
    Act::new(kind, now, random).by_way_of("add").under("operator")
}
