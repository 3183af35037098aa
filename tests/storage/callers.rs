//! What a token stands for, in worlds made at random, against a model that looks through plain lists.

use chartgate::base::clock::Instant;
use chartgate::base::id::{AccountId, AuthorizationId, ConsentRuleId, LinkId, PersonId};
use chartgate::base::random::{Random, SeededRandom};
use chartgate::consent::{RuleKind, StandingRule};
use chartgate::identity::{GrantState, LinkState, Period, StatusReason};
use chartgate::oauth::client::{Client, ClientAuthentication, ClientId};
use chartgate::oauth::grant::{AccessToken, Authorization, RefreshToken};
use chartgate::oauth::launch::LaunchContext;
use chartgate::oauth::scope::ScopeSet;
use chartgate::storage::consent::{self, ConsentRule};
use chartgate::storage::{
    StorageError, Tx, accounts, authorizations, callers, clients, grants, links, persons, refreshes, tokens,
};

use super::sample::{self, at};
use crate::support::database::{Database, on_both};

on_both!(a_token_stands_for_what_is_stored_at_that_moment);

const WORLDS: u64 = 40;
const NOW: i64 = 500;

struct World {
    random: SeededRandom,
    seed: u64,
    persons: Vec<PersonId>,
    /// Alias, and for whom it stands.
    merged: Vec<(PersonId, PersonId)>,
    /// Account, its own person, open.
    accounts: Vec<(AccountId, Option<PersonId>, bool)>,
    /// Account, person, from, until, active.
    grants: Vec<(AccountId, PersonId, i64, Option<i64>, bool)>,
    /// Person, from, until: deaths that are laid down and not lifted.
    deaths: Vec<(PersonId, i64, Option<i64>)>,
    /// Link, person, active.
    links: Vec<(LinkId, PersonId, bool)>,
    /// Hash, account, person, and whether neither token, authorization nor client has ended.
    tokens: Vec<([u8; 32], AccountId, Option<PersonId>, bool)>,
}

impl World {
    fn below(&self, end: usize) -> usize {
        let number: [u8; 4] = (&self.random as &dyn Random).bytes();
        u32::from_le_bytes(number) as usize % end
    }

    fn once_in(&self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn any_person(&self) -> PersonId {
        self.persons[self.below(self.persons.len())]
    }

    async fn fill(&mut self, tx: &mut Tx) {
        let source = sample::stored_source(tx).await.unwrap();
        for _ in 0..6 {
            self.persons.push(sample::stored_person(tx).await.unwrap());
        }
        for (alias, person) in [(0, 1), (2, 1), (3, 4)] {
            if self.once_in(2) {
                let (alias, person) = (self.persons[alias], self.persons[person]);
                persons::merge(tx, alias, person, at(10)).await.unwrap();
                if self.once_in(4) {
                    persons::unmerge(tx, alias, at(20)).await.unwrap();
                } else {
                    self.merged.push((alias, person));
                }
            }
        }
        for number in 0..4 {
            // Two accounts never have the same person.
            let own = (!self.once_in(3)).then(|| self.persons[number]);
            let account = sample::account(&format!("a{}-{number}", self.seed), own);
            accounts::insert(tx, &account).await.unwrap();
            let open = !self.once_in(8);
            if !open {
                accounts::close(tx, account.id, at(30)).await.unwrap();
            }
            self.accounts.push((account.id, own, open));
        }
        for number in 0..8_i32 {
            let mut link = sample::link(self.any_person(), source, &format!("pt-{number}"));
            link.rank = i64::from(number % 3);
            links::insert(tx, &link).await.unwrap();
            let active = !self.once_in(3);
            if !active {
                let state = LinkState::Frozen { at: at(40), reason: "asked".to_owned() };
                links::set_state(tx, link.id, &state).await.unwrap();
            }
            self.links.push((link.id, link.person, active));
        }
        for _ in 0..6 {
            let (account, ..) = self.accounts[self.below(4)];
            let mut grant = sample::grant(account, self.any_person());
            let (from, until) =
                ([0, 600][self.below(4) / 3], [None, Some(400), Some(500), Some(501), Some(900)][self.below(5)]);
            grant.period.from = at(from);
            grant.period.until = until.map(at);
            grants::insert(tx, &grant).await.unwrap();
            let active = !self.once_in(4);
            if !active {
                let state =
                    GrantState::Suspended { at: at(50), reason: StatusReason::SuspendedPendingReview, by: None };
                grants::set_state(tx, grant.id, &state).await.unwrap();
            }
            self.grants.push((account, grant.person, from, until, active));
        }
        for _ in 0..2 + self.below(4) {
            self.lay_death(tx).await;
        }
        for number in 0..12_u8 {
            self.issue(tx, number).await;
        }
    }

    async fn lay_death(&mut self, tx: &mut Tx) {
        let (_, own, _) = self.accounts[self.below(4)];
        let person = own.filter(|_| !self.once_in(3)).unwrap_or_else(|| self.any_person());
        let from = [0, 500, 501][self.below(3)];
        let until = [None, None, Some(500), Some(501)][self.below(4)].filter(|until| from < *until);
        let rule = ConsentRule {
            id: ConsentRuleId::mint(&self.random),
            person,
            rule: StandingRule { period: Period { from: at(from), until: until.map(at) }, kind: RuleKind::Deceased },
            evidence: "Provenance/1".to_owned(),
            entered_by: None,
            created: at(4),
        };
        consent::insert_rule(&mut *tx, &rule).await.unwrap();
        if self.once_in(4) {
            consent::end_rule(tx, rule.id, at(5), StatusReason::PatientRequest).await.unwrap();
        } else {
            self.deaths.push((person, from, until));
        }
    }

    async fn issue(&mut self, tx: &mut Tx, number: u8) {
        let scopes = |text: &str| ScopeSet::parse(text).0;
        let client = Client {
            id: ClientId::parse(&format!("app-{}-{number}", self.seed)).unwrap(),
            name: "App".to_owned(),
            redirect_uris: vec!["https://app.test/callback".to_owned()],
            launch_uri: None,
            scopes: scopes("patient/*.rs launch/patient"),
            authentication: ClientAuthentication::None,
            native: false,
            sources: Vec::new(),
            requirements: Default::default(),
            registration: None,
            enabled: !self.once_in(8),
        };
        clients::insert(tx, &client, at(0)).await.unwrap();
        let (account, own, _) = self.accounts[self.below(4)];
        let person = match self.below(5) {
            0 => None,
            1 => own,
            2 => Some(self.any_person()),
            // Whom somebody let them act for.
            _ => {
                let held: Vec<_> = self.grants.iter().filter(|(holder, ..)| *holder == account).collect();
                held.get(self.below(held.len().max(1))).map(|(_, person, ..)| *person)
            }
        };
        let authorization = Authorization {
            staff_of: None,
            id: AuthorizationId::mint(&self.random),
            client: client.id.clone(),
            account,
            person,
            context: LaunchContext::default(),
            scopes: scopes("patient/*.rs"),
            signed_in: at(0),
            session: None,
            revoked: None,
        };
        authorizations::insert(tx, &authorization, at(0)).await.unwrap();
        let mut hash = [number; 32];
        hash[..8].copy_from_slice(&self.seed.to_le_bytes());
        let token = AccessToken {
            authorization: authorization.id,
            refresh_hash: None,
            scopes: scopes("patient/Observation.rs user/*.rs"),
            key: None,
            issued: at(0),
            expires: at(10_000),
        };
        tokens::insert_access(tx, &hash, &token).await.unwrap();
        let refresh = RefreshToken {
            authorization: authorization.id,
            key: None,
            issued: at(0),
            expires: at(10_000),
            activated: None,
            used: None,
        };
        tokens::insert_refresh(tx, &hash, &refresh).await.unwrap();
        let mut stands = client.enabled;
        if self.once_in(8) {
            stands = false;
            tokens::revoke_access(tx, &hash, at(1)).await.unwrap();
        }
        if self.once_in(8) {
            stands = false;
            authorizations::revoke(tx, authorization.id, at(1)).await.unwrap();
        }
        self.tokens.push((hash, account, person, stands));
    }

    fn stands_for(&self, person: PersonId) -> PersonId {
        self.merged.iter().find(|(alias, _)| *alias == person).map_or(person, |(_, person)| *person)
    }

    /// The person, and the end of the right.
    fn right(&self, account: AccountId, person: PersonId) -> Option<(PersonId, Option<Instant>)> {
        self.right_with(&self.deaths, account, person)
    }

    fn right_with(
        &self,
        deaths: &[(PersonId, i64, Option<i64>)],
        account: AccountId,
        person: PersonId,
    ) -> Option<(PersonId, Option<Instant>)> {
        let person = self.stands_for(person);
        let (_, own, _) = self.accounts.iter().find(|(id, ..)| *id == account).unwrap();
        // Nobody reads the record of the dead here, and the dead read nobody's: it ends on the first of their days.
        let concerned: Vec<PersonId> = own.iter().map(|own| self.stands_for(*own)).chain([person]).collect();
        let deaths = || deaths.iter().filter(|(of, ..)| concerned.contains(&self.stands_for(*of)));
        if deaths().any(|(_, from, until)| *from <= NOW && until.is_none_or(|until| until > NOW)) {
            return None;
        }
        let dies = deaths().map(|(_, from, _)| *from).filter(|from| *from > NOW).min();
        if own.is_some_and(|own| self.stands_for(own) == person) {
            return Some((person, dies.map(at)));
        }
        let mut ends: Vec<Option<i64>> = Vec::new();
        for (holder, of, from, until, active) in &self.grants {
            let in_time = *from <= NOW && until.is_none_or(|until| until > NOW);
            if *holder == account && *active && in_time && self.stands_for(*of) == person {
                ends.push([*until, dies].into_iter().flatten().min());
            }
        }
        if ends.is_empty() {
            return None;
        }
        let longest = if ends.contains(&None) { None } else { ends.into_iter().flatten().max() };
        Some((person, longest.map(at)))
    }

    /// Whether it is a death that keeps the account from the person.
    fn died(&self, account: AccountId, person: PersonId) -> bool {
        self.right(account, person).is_none() && self.right_with(&[], account, person).is_some()
    }

    /// Whether that death is the account's own, and the record another's.
    fn holder_died(&self, account: AccountId, person: PersonId) -> bool {
        let own = self.accounts.iter().find(|(id, ..)| *id == account).and_then(|(_, own, _)| *own);
        let mine = |of: PersonId| own.is_some_and(|own| self.stands_for(own) == self.stands_for(of));
        let others: Vec<_> = self.deaths.iter().copied().filter(|(of, ..)| !mine(*of)).collect();
        !mine(person) && self.died(account, person) && self.right_with(&others, account, person).is_some()
    }

    fn links_of(&self, person: PersonId) -> Vec<LinkId> {
        let shown = |of: &PersonId| self.stands_for(*of) == person;
        let mut found: Vec<LinkId> =
            self.links.iter().filter(|(_, of, active)| *active && shown(of)).map(|(id, ..)| *id).collect();
        found.sort_unstable_by_key(ToString::to_string);
        found
    }
}

async fn a_token_stands_for_what_is_stored_at_that_moment(database: Database) {
    let (mut with_right, mut without, mut ended, mut linked, mut dead) = (0, 0, 0, 0, 0);
    for seed in 0..WORLDS {
        let world = World {
            random: SeededRandom::new(seed),
            seed,
            persons: Vec::new(),
            merged: Vec::new(),
            accounts: Vec::new(),
            grants: Vec::new(),
            deaths: Vec::new(),
            links: Vec::new(),
            tokens: Vec::new(),
        };
        let world = database
            .db
            .write(move |tx| {
                Box::pin(async move {
                    let mut world = world;
                    world.fill(tx).await;
                    Ok::<_, StorageError>(world)
                })
            })
            .await
            .unwrap();
        for (hash, account, person, stands) in &world.tokens {
            let found = callers::by_token(&database.db, hash, at(NOW)).await.unwrap();
            let (_, own, open) = world.accounts.iter().find(|(id, ..)| id == account).unwrap();
            if !stands || !open {
                assert!(found.is_none(), "world {seed}");
                ended += 1;
                continue;
            }
            let found = found.unwrap();
            assert_eq!((found.bearer.account, found.bearer.person, found.bearer.own_person), (*account, *person, *own));
            assert_eq!(found.bearer.scopes, ScopeSet::parse("patient/Observation.rs").0);
            let right = person.and_then(|person| world.right(*account, person));
            assert_eq!(found.right, right, "world {seed}");
            // Refreshes and pages, which ask in other words, find the same.
            let refreshed = refreshes::find(&database.db, None, Some(hash)).await.unwrap().held.unwrap();
            assert_eq!(refreshed.stands(at(NOW)), person.is_none() || right.is_some(), "world {seed}");
            if let (Some(person), Some(standing)) = (person, &found.standing) {
                let shown = world.stands_for(*person);
                let asked = consent::standing(&database.db, *account, shown, standing.is_own).await.unwrap();
                assert_eq!(asked.right_until(at(NOW)), right.map(|(_, until)| until), "world {seed}");
            }
            dead += usize::from(person.is_some_and(|person| world.holder_died(*account, person)));
            let mut links: Vec<LinkId> = found.links.iter().map(|link| link.id).collect();
            links.sort_unstable_by_key(ToString::to_string);
            let expected = person.map(|person| world.links_of(world.stands_for(person))).unwrap_or_default();
            assert_eq!(links, expected, "world {seed}");
            linked += links.len();
            if right.is_some() { with_right += 1 } else { without += 1 }
        }
    }
    // The worlds have something of everything.
    let all = [with_right, without, ended, linked, dead];
    assert!(with_right > 30 && without > 30 && ended > 30 && linked > 50 && dead > 1, "{all:?}");
}
