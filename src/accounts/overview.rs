//! What an account can reach: its persons and where their charts are.

use super::Accounts;
use crate::authorization::{active_links, person_name, reachable};
use crate::base::id::{AccountId, LinkId, PersonId};
use crate::config::SourceAuthentication;
use crate::identity::{GrantBasis, Link};
use crate::storage::{StorageError, accounts, mergers, organizations, source_tokens, sources};

/// A person that an account may act for.
#[derive(Clone, Debug)]
pub struct PersonOverview {
    /// The person as it stands now, merges followed.
    pub person: PersonId,
    /// The name, as the first chart wrote it when it was linked.
    pub name: Option<String>,
    /// By what right, for anybody else than the account's holder.
    pub basis: Option<GrantBasis>,
    /// The charts of the person, by practice.
    pub charts: Vec<ChartOverview>,
}

/// A chart of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartOverview {
    /// The practice.
    pub practice: String,
    /// The link to it.
    pub link: LinkId,
    /// Whether the person has to do something for it.
    pub connected: Connected,
    /// Whether the account may end what a sign-in at the EHR gave.
    pub may_disconnect: bool,
    /// Where it comes from, if its practice became part of another and the record there was not found yet.
    pub left_behind: Option<LeftBehind>,
}

/// A chart of a practice that became part of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// What the practice was called.
    pub formerly: String,
    /// Whether the person must come to the desk: nobody knows which record is theirs.
    pub must_come: bool,
}

/// Whether data can flow from a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connected {
    /// It does: the practice let the gateway in, or the person did.
    Yes,
    /// The person has not signed in at the EHR yet.
    NotYet,
    /// The EHR does not take what the person's sign-in gave any more.
    NoLonger,
}

/// What an account can reach.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The name it signs in with.
    pub username: String,
    /// The holder first, then everybody by whose grant the account may act.
    pub persons: Vec<PersonOverview>,
}

impl Accounts {
    /// The name an open account signs in with.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn username(&self, account: AccountId) -> Result<Option<String>, StorageError> {
        let account = accounts::by_id(&self.db, account).await?.filter(|account| account.is_active());
        Ok(account.map(|account| account.username.typed().to_owned()))
    }

    async fn left_behind(&self, link: &Link) -> Result<Option<LeftBehind>, StorageError> {
        let Some(merger) = mergers::by_source(&self.db, link.source).await? else { return Ok(None) };
        let formerly = organizations::by_id(&self.db, merger.from_organization).await?;
        let row = mergers::row(&self.db, link.source, &link.patient).await?;
        Ok(formerly.map(|formerly| LeftBehind { formerly: formerly.name, must_come: row.is_none() }))
    }

    /// What an account can reach; `None` when it is not open.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn overview(&self, account: AccountId) -> Result<Option<Overview>, StorageError> {
        let Some(account) = accounts::by_id(&self.db, account).await?.filter(|a| a.is_active()) else {
            return Ok(None);
        };
        let reachable = reachable(&self.db, account.id, account.person, self.clock.now()).await?;
        let mut persons = Vec::with_capacity(reachable.len());
        for (person, basis, _) in reachable {
            let links = active_links(&self.db, person).await?;
            let mut charts: Vec<ChartOverview> = Vec::new();
            for link in &links {
                let Some(source) = sources::by_key(&self.db, link.source).await? else { continue };
                let organization = organizations::by_id(&self.db, source.organization).await?;
                let practice = organization.map_or(source.name, |organization| organization.name);
                let mut chart = ChartOverview {
                    practice,
                    link: link.id,
                    connected: Connected::Yes,
                    may_disconnect: false,
                    left_behind: self.left_behind(link).await?,
                };
                if let SourceAuthentication::PerPatient { .. } = source.authentication {
                    let tokens = source_tokens::by_link(&self.db, link.id).await?;
                    chart.connected = match &tokens {
                        None => Connected::NotYet,
                        Some(tokens) if tokens.refused.is_some() => Connected::NoLonger,
                        Some(_) => Connected::Yes,
                    };
                    chart.may_disconnect = tokens.is_some_and(|tokens| basis.is_none() || tokens.account == account.id);
                }
                // Two charts at one practice are one line, unless there is something to do about one of them.
                let is_plain = chart.connected == Connected::Yes && !chart.may_disconnect;
                let is_same = |known: &ChartOverview| ChartOverview { link: chart.link, ..known.clone() } == chart;
                if !is_plain || !charts.iter().any(is_same) {
                    charts.push(chart);
                }
            }
            persons.push(PersonOverview { person, name: person_name(&links), basis, charts });
        }
        Ok(Some(Overview { username: account.username.typed().to_owned(), persons }))
    }
}
