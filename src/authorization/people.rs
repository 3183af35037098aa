//! Who sees whose record, as the people themselves look at it and end it.

use std::sync::Arc;

use futures_util::FutureExt;

use super::rights::{active_links, current_person, person_name};
use super::{AuthorizationServer, SignedIn};
use crate::access::Subject;
use crate::audit::ActKind;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, ConsentRuleId, GrantId, PersonId};
use crate::consent::{
    BirthDate, Boundary, GrantScope, Labels, LeapDay, Rule, RuleKind, Standing, StandingRule, local_date, may_end,
};
use crate::gateway::Outlook;
use crate::identity::{Grant, GrantBasis, GrantState, Link, Period, StatusReason};
use crate::storage::audit::AuditRow;
use crate::storage::consent::{self, ConsentRule};
use crate::storage::{StorageError, accounts, audit, grants, persons};

/// Who sees mine, and whose I see.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Grants to act for the account's holder.
    pub see_mine: Vec<Shared>,
    /// Grants that the account holds.
    pub seen_by_me: Vec<Shared>,
    /// Grants to act for the account's holder that are over, the newest end first.
    pub gone: Vec<Gone>,
    /// Whether the account's holder is surely a minor.
    pub is_minor: bool,
}

/// Somebody who saw one's record, and why that is over. It is for whose record it was alone: whoever held it is not told why.
#[derive(Clone, Debug)]
pub struct Gone {
    /// Who held it.
    pub name: Option<String>,
    /// By what right.
    pub basis: GrantBasis,
    /// Since when.
    pub at: Instant,
    /// Why.
    pub reason: StatusReason,
}

/// One grant, as both sides see it.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Whether it is one's own record that is seen.
    pub is_mine: bool,
    /// The grant.
    pub grant: GrantId,
    /// The other side: who sees mine, or whose I see.
    pub name: Option<String>,
    /// By what right.
    pub basis: GrantBasis,
    /// How far it goes.
    pub scope: GrantScope,
    /// Whether it works now.
    pub is_in_effect: bool,
    /// Why it was suspended, as the person whose record it is may know.
    pub suspended: Option<StatusReason>,
    /// Since when.
    pub from: Instant,
    /// Until when, where it has an end.
    pub until: Option<Instant>,
    /// Whether the account may end it.
    pub may_end: bool,
    /// What the holder, as a minor, lets a parent see beyond the list: labels, empty for what has none.
    pub assented: Option<Labels>,
    /// Whether the holder's assent has anything to say here.
    pub takes_assent: bool,
    /// What this grant alone rests on.
    pub standing: Standing,
    /// The charts that it is about.
    pub links: Vec<Link>,
    /// When whoever holds it last looked, as the person whose record it is may know.
    pub last_look: Option<Instant>,
}

impl Shared {
    /// Whether its reader may be told of a practice. Of one that was left out, its holder is not told that it is there.
    #[must_use]
    pub fn tells_of(&self, outlook: &Outlook) -> bool {
        self.is_mine || outlook.extents.as_ref().err() != Some(&Rule::ScopeSource)
    }
}

impl AuthorizationServer {
    /// Who sees the record of the account's holder, and whose the account sees. What has ended is not among them.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn people(&self, session: &SignedIn) -> Result<People, StorageError> {
        let now = self.clock.now();
        let mut people = People::default();
        for own in self.own_persons(session.account).await? {
            let links = active_links(&self.db, own).await?;
            people.is_minor |= is_minor(&links, now);
            let looks = audit::of_person(&self.db, own, LOOKS).await?;
            for grant in grants::of_person(&self.db, own).await? {
                let name =
                    accounts::by_id(&self.db, grant.account).await?.map(|holder| holder.username.typed().to_owned());
                if let Some((at, reason)) = over(&grant, now) {
                    people.gone.push(Gone { name, basis: grant.basis, at, reason });
                    continue;
                }
                let is_by_grant =
                    |look: &&AuditRow| look.kind == "fhir" && look.account == Some(grant.account) && !look.is_at_work();
                let mut looks = looks.iter().filter(is_by_grant);
                let last_look = looks.next().map(|look| look.recorded);
                let shared = self.shared(grant, (name, links.clone()), true).await?;
                people.see_mine.push(Shared { last_look, ..shared });
            }
        }
        for grant in
            grants::of_account(&self.db, session.account).await?.into_iter().filter(|grant| is_open(grant, now))
        {
            let links = match current_person(&self.db, grant.person).await? {
                Some(person) => active_links(&self.db, person).await?,
                None => Vec::new(),
            };
            people.seen_by_me.push(self.shared(grant, (person_name(&links), links), false).await?);
        }
        people.gone.sort_by_key(|gone| std::cmp::Reverse(gone.at));
        Ok(people)
    }

    async fn shared(
        &self,
        grant: Grant,
        (name, links): (Option<String>, Vec<Link>),
        is_subject: bool,
    ) -> Result<Shared, StorageError> {
        let now = self.clock.now();
        let person = current_person(&self.db, grant.person).await?.unwrap_or(grant.person);
        let mut standing = consent::standing(&self.db, grant.account, person, false).await?;
        let scope = match standing.rights.iter().find(|right| right.grant == grant.id) {
            Some(right) => right.scope.clone(),
            None => GrantScope::of_basis(grant.basis),
        };
        let assented = standing
            .in_force(now)
            .filter_map(|rule| match rule {
                RuleKind::Assent { grant: to, labels } if *to == grant.id => Some(*labels),
                _ => None,
            })
            .reduce(Labels::and);
        let is_standing = standing.right_until(now).is_some();
        standing.rights.retain(|right| right.grant == grant.id);
        let is_for_minor = matches!(grant.basis, GrantBasis::Parent | GrantBasis::GuardianMinor | GrantBasis::Foster);
        Ok(Shared {
            is_mine: is_subject,
            grant: grant.id,
            // Who was kept out by a court finds no name.
            name: name.filter(|_| is_subject || is_standing),
            basis: grant.basis,
            is_in_effect: grant.is_active(now) && standing.right_until(now).is_some(),
            suspended: match &grant.state {
                GrantState::Suspended { reason, .. } if is_subject => Some(*reason),
                GrantState::Active if is_subject && standing.is_holder_deceased(now) => {
                    Some(StatusReason::ProxyDeceased)
                }
                _ => None,
            },
            from: grant.period.from,
            until: grant.period.until,
            may_end: may_end(grant.basis, is_subject),
            assented,
            takes_assent: is_subject && is_for_minor,
            scope: if is_subject { scope } else { scope.outline() },
            standing,
            links,
            last_look: None,
        })
    }

    /// Ends a grant: one's own to act for somebody, or one to act for oneself that was one's own to give. False when it is
    /// not there, or not the account's to end.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn end_grant(&self, session: &SignedIn, id: GrantId) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let Some(grant) = grants::by_id(&self.db, id).await?.filter(|grant| is_open(grant, now)) else {
            return Ok(false);
        };
        let is_subject = self.own_persons(session.account).await?.contains(&grant.person);
        if !(grant.account == session.account || is_subject) || !may_end(grant.basis, is_subject) {
            return Ok(false);
        }
        let reason = if is_subject { StatusReason::PatientRequest } else { StatusReason::ByHolder };
        let act = self.new_act(ActKind::Grant).by(session.account).about(grant.person).on("Grant", id);
        let act = act.by_way_of("people").under(reason.as_str());
        self.act(move |tx| {
            async move {
                grants::end(tx, id, now, reason).await?;
                Ok((true, Some(act)))
            }
            .boxed()
        })
        .await
    }

    /// Lets a parent see more than the list of the minor's age band, or no more than that any longer. Only the minor does,
    /// from their own account. False when the grant is not there, or none that assent has anything to say of.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn assent(&self, session: &SignedIn, id: GrantId, labels: Option<Labels>) -> Result<bool, StorageError> {
        let now = self.clock.now();
        let Some(grant) = grants::by_id(&self.db, id).await?.filter(|grant| is_open(grant, now)) else {
            return Ok(false);
        };
        let is_subject = self.own_persons(session.account).await?.contains(&grant.person);
        if !is_subject || !matches!(grant.basis, GrantBasis::Parent | GrantBasis::GuardianMinor | GrantBasis::Foster) {
            return Ok(false);
        }
        let rules = consent::rules_of(&self.db, grant.person).await?;
        let is_earlier = |rule: &&ConsentRule| matches!(rule.rule.kind, RuleKind::Assent { grant, .. } if grant == id);
        let earlier: Vec<ConsentRuleId> = rules.iter().filter(is_earlier).map(|rule| rule.id).collect();
        let given = labels.map(|labels| ConsentRule {
            id: ConsentRuleId::mint(&*self.random),
            person: grant.person,
            rule: StandingRule {
                period: Period { from: now, until: None },
                kind: RuleKind::Assent { grant: id, labels },
            },
            evidence: format!("Account/{}", session.account),
            entered_by: Some(session.account),
            created: now,
        });
        let step = if given.is_some() { "assent" } else { "assent-ended" };
        let act = self.new_act(ActKind::Grant).by(session.account).about(grant.person).on("Grant", id);
        let act = act.by_way_of(step).under("user");
        self.act(move |tx| {
            async move {
                for rule in earlier {
                    consent::end_rule(tx, rule, now, StatusReason::PatientRequest).await?;
                }
                if let Some(rule) = &given {
                    consent::insert_rule(tx, rule).await?;
                }
                Ok((true, Some(act)))
            }
            .boxed()
        })
        .await
    }

    /// The account's holder with the record that a grant on it is about, and what the grant's holder has. `None` unless it
    /// is the account's own record.
    ///
    /// # Errors
    /// [`StorageError`].
    pub async fn as_holder_sees(
        &self,
        session: &SignedIn,
        id: GrantId,
    ) -> Result<Option<(Arc<Subject>, Standing)>, StorageError> {
        let Some(grant) = grants::by_id(&self.db, id).await? else { return Ok(None) };
        let own = self.own_persons(session.account).await?;
        let Some(person) = own.first().copied().filter(|_| own.contains(&grant.person)) else { return Ok(None) };
        let Some(reached) = self.reached(session.account, person).await? else { return Ok(None) };
        let viewer = consent::standing(&self.db, grant.account, person, false).await?;
        Ok(Some((reached.subject, viewer)))
    }

    /// The account's own person, and those that were merged into it.
    async fn own_persons(&self, account: AccountId) -> Result<Vec<PersonId>, StorageError> {
        let own = accounts::by_id(&self.db, account).await?.and_then(|account| account.person);
        let Some(own) = own else { return Ok(Vec::new()) };
        let Some(person) = current_person(&self.db, own).await? else { return Ok(Vec::new()) };
        let mut all = vec![person];
        all.extend(persons::aliases_of(&self.db, person).await?);
        Ok(all)
    }
}

/// So many of the latest entries about a person are looked through for when somebody looked.
const LOOKS: usize = 500;

/// Whether a person is surely a minor, by every birth date that is known. How pages speak to them, and nothing else.
fn is_minor(links: &[Link], now: Instant) -> bool {
    every_birth(links, now, (0, 0))
}

/// Whether a person is surely of age, by every birth date that is known.
pub(crate) fn is_of_age(links: &[Link], now: Instant) -> bool {
    every_birth(links, now, (1, 1))
}

fn every_birth(links: &[Link], now: Instant, side: (usize, usize)) -> bool {
    let years = |years| Boundary { years, days: 0 };
    let today = local_date(now, &jiff::tz::TimeZone::UTC);
    let mut births = links.iter().filter_map(|link| link.demographics.as_ref()).peekable();
    births.peek().is_some()
        && births.all(|known| {
            BirthDate::parse(&known.birth_date).bands(&[years(0), years(18)], LeapDay::March1, today) == side
        })
}

/// Whether a grant may still be looked at and ended.
fn is_open(grant: &Grant, now: Instant) -> bool {
    over(grant, now).is_none()
}

/// Since when a grant is over, and why: it was ended, or its day came (portal design, 3.8 scenario 33).
fn over(grant: &Grant, now: Instant) -> Option<(Instant, StatusReason)> {
    match &grant.state {
        GrantState::Ended { at, reason } => Some((*at, *reason)),
        _ => grant.period.until.filter(|until| *until <= now).map(|until| (until, StatusReason::EndDateReached)),
    }
}
