//! The demo's family: a mother and a father who see all of the small son and a part of the teenager, who lets her father see
//! more; and a daughter whose power of attorney for her old father ends.

use std::time::Duration;

use super::CliError;
use super::state::{self, State};
use crate::app::{App, Parts};
use crate::base::hash::base32;
use crate::base::id::{AccountId, GrantId, PersonId};
use crate::base::secret::Secret;
use crate::consent::{Labels, RuleKind};
use crate::identity::{Grant, GrantBasis, GrantState, Period, Username};
use crate::practice::{self, NewAccount, NewGrant, NewRule};
use crate::storage::{StorageError, accounts, grants, links, sources};

/// The father: his own record, and his name to sign in with.
const FATHER: (&str, &str, &str) = ("marcus", "pat-1004", "Marcus Anthony Reed");
/// The power of attorney ends after so long.
const POWER: Duration = Duration::from_secs(60 * 86_400);

/// Enters what the fixtures do not say of the family: once.
pub(super) async fn open(app: &App, parts: &Parts, state: &mut State) -> Result<(), CliError> {
    if state.accounts.iter().any(|known| known.username == FATHER.0) {
        return Ok(());
    }
    let own = |username: &str| state.accounts.iter().find(|known| known.username == username);
    let (Some(zoe), Some(dana)) = (own("zoe").map(|a| a.person_id.clone()), own("dana")) else { return Ok(()) };
    let zoe: PersonId = zoe.parse()?;
    let leo: Option<PersonId> = dana.acts_for.first().map(|id| id.parse()).transpose()?;
    let walter: Option<PersonId> =
        own("irene").and_then(|irene| irene.acts_for.first()).map(|id| id.parse()).transpose()?;
    let father = sign_up(app, parts, state).await?;
    let mother = account_of(app, "dana").await?;
    for (account, person) in [(Some(father), Some(zoe)), (Some(father), leo), (mother, Some(zoe))] {
        let Some((account, person)) = account.zip(person) else { continue };
        let new = NewGrant { account, person, basis: GrantBasis::Parent };
        practice::grant(&app.acts, &*parts.random, parts.clock.now(), new).await?;
        for known in state.accounts.iter_mut().filter(|known| (known.username == FATHER.0) == (account == father)) {
            if known.username == FATHER.0 || known.username == "dana" {
                known.acts_for.push(person.to_string());
            }
        }
    }
    assent(app, parts, zoe, father).await?;
    if let Some((irene, walter)) = account_of(app, "irene").await?.zip(walter) {
        power_of_attorney(app, parts, irene, walter).await?;
    }
    Ok(())
}

async fn account_of(app: &App, username: &str) -> Result<Option<AccountId>, CliError> {
    Ok(accounts::by_username(&app.db, &Username::new(username)?).await?.map(|account| account.id))
}

async fn sign_up(app: &App, parts: &Parts, state: &mut State) -> Result<AccountId, CliError> {
    let (username, chart, name) = FATHER;
    let mut person = None;
    for source in sources::all(&app.db).await? {
        let link = links::active_at(&app.db, source.key, chart).await?;
        person = person.or(link.map(|link| link.person));
    }
    let password = Secret::new(base32(&parts.random.bytes::<10>()));
    let new = NewAccount { username, password: &password, person };
    let id = practice::account(&app.acts, &app.accounts, &*parts.random, parts.clock.now(), new).await?;
    state.accounts.push(state::Account {
        username: username.to_owned(),
        password: password.expose().clone(),
        role: "father".to_owned(),
        name: name.to_owned(),
        person_id: person.map(|person| person.to_string()).unwrap_or_default(),
        acts_for: Vec::new(),
    });
    Ok(id)
}

/// The teenager lets her father see more than the list of her age.
async fn assent(app: &App, parts: &Parts, person: PersonId, father: AccountId) -> Result<(), CliError> {
    let all = grants::of_person(&app.db, person).await?;
    let Some(grant) = all.into_iter().find(|grant| grant.account == father) else { return Ok(()) };
    let now = parts.clock.now();
    let kind = RuleKind::Assent { grant: grant.id, labels: Labels::NONE };
    let by = accounts::by_person(&app.db, person).await?.map(|account| account.id);
    let evidence = "demo".to_owned();
    let new = NewRule { person, kind, period: Period { from: now, until: None }, evidence, by };
    practice::lay_down(&app.acts, &*parts.random, now, new).await?;
    Ok(())
}

/// A power of attorney that has an end.
async fn power_of_attorney(app: &App, parts: &Parts, account: AccountId, person: PersonId) -> Result<(), CliError> {
    let now = parts.clock.now();
    let grant = Grant {
        id: GrantId::mint(&*parts.random),
        account,
        person,
        basis: GrantBasis::HealthCarePowerOfAttorney,
        period: Period { from: now, until: Some(now.plus(POWER)) },
        evidence: "demo".to_owned(),
        created: now,
        state: GrantState::Active,
    };
    let stored: Result<(), StorageError> =
        app.db.write(move |tx| Box::pin(async move { grants::insert(tx, &grant).await })).await;
    Ok(stored?)
}
