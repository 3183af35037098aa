//! The gateway before the EHRs, and callers of it.

use std::sync::{Arc, Mutex};

use chartgate::access::{Behalf, Subject};
use chartgate::app::{self, App, Parts};
use chartgate::base::clock::{Instant, TestClock};
use chartgate::base::id::{AccountId, AuthorizationId, LinkId, PersonId};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::{SeededRandom, SharedRandom};
use chartgate::config::{Config, Limits, OrganizationEntry, SourceAuthentication, SourceEntry, SourceView};
use chartgate::consent::Standing;
use chartgate::fhir::ResourceType;
use chartgate::fhir::interaction::Interaction;
use chartgate::fhir::search::Handling;
use chartgate::gateway::Refusal;
use chartgate::identity::{Assurance, Link, LinkMethod, LinkState};
use chartgate::oauth::client::ClientId;
use chartgate::oauth::scope::ScopeSet;
use chartgate::organization::SourceKey;
use chartgate::storage::sources;
use serde_json::Value;

use super::ehr::{Asked, Ehr, Manner};
use super::role::Role;
use super::world::{Recipe, World};
use crate::support::world::{first_key, unbounded};

pub(super) type Pairs = Vec<(String, String)>;

/// The most sources of a world.
pub(super) const SOURCES: usize = 5;
/// The gateway's FHIR base URL.
pub(super) const GATEWAY: &str = "http://gateway.test/fhir";
pub(super) const NOW: i64 = 1_789_477_200_000_000;

pub(super) struct Gateway {
    pub(super) app: App,
    pub(super) keys: Vec<SourceKey>,
    pub(super) ehrs: Vec<Arc<Ehr>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    pub(super) clock: Arc<TestClock>,
    pub(super) random: SharedRandom,
    _folder: tempfile::TempDir,
}

/// Somebody with the charts of a world.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) subject: Arc<Subject>,
    pub(super) person: PersonId,
    pub(super) role: Role,
}

impl Gateway {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With the configuration changed by `change`.
    pub(super) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let random: SharedRandom = Arc::new(SeededRandom::new(23));
        // Hostile EHRs must not be left alone for it.
        let limits = Limits {
            pages: 1_000,
            resources: 100_000,
            breaker_failures: u32::MAX,
            foreign_answers: 0,
            source_concurrency: 256,
            ..Limits::default()
        };
        let mut config = Config { demo: true, limits, ..Config::default() };
        config.server.public_url = GATEWAY.trim_end_matches("/fhir").to_owned();
        config.storage.url = format!("sqlite:{}", folder.path().join("chartgate.db").display());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut ehrs = Vec::new();
        for source in 0..SOURCES {
            let ehr = Ehr::start(source, asked.clone()).await;
            let key = format!("o{source}");
            config.organizations.push(OrganizationEntry {
                key: key.clone(),
                name: format!("Practice {source}"),
                release_policy: "standard".to_owned(),
                brand: chartgate::config::Brand::default(),
            });
            config.sources.push(SourceEntry {
                organization: key,
                name: format!("EHR {source}"),
                base_url: ehr.base.clone(),
                vendor: "generic".to_owned(),
                authentication: SourceAuthentication::None,
                view: SourceView::Patient,
                private_addresses: vec!["127.0.0.0/8".to_owned()],
                ca_file: None,
            });
            ehrs.push(ehr);
        }
        change(&mut config);
        unbounded(&mut config.limits);
        let clock = Arc::new(TestClock::at(Instant::from_micros(NOW)));
        let (shared, parts_random) = (clock.clone(), random.clone());
        let parts = Parts { config, master_key: MasterKey::new([4; 32]), clock: shared, random: parts_random };
        let app = app::start(parts).await.unwrap();
        first_key(&app.db).await;
        let stored = sources::all(&app.db).await.unwrap();
        let key = |ehr: &Arc<Ehr>| stored.iter().find(|source| source.base_url == ehr.base).unwrap().key;
        Self { keys: ehrs.iter().map(key).collect(), app, ehrs, asked, clock, random, _folder: folder }
    }

    pub(super) fn bases(&self) -> Vec<String> {
        self.ehrs.iter().map(|ehr| ehr.base.clone()).collect()
    }

    pub(super) fn world(&self, recipe: &Recipe, manner: Manner) -> World {
        let world = World::new(recipe, &self.bases());
        self.hold(&world, manner);
        world
    }

    pub(super) fn hold(&self, world: &World, manner: Manner) {
        self.ehrs.iter().for_each(|ehr| ehr.hold(world, manner));
    }

    /// Somebody new with these charts.
    pub(super) fn caller(&self, links: &[(usize, String)], role: Role) -> Caller {
        self.caller_for(PersonId::mint(&*self.random), links, role)
    }

    /// This person with these charts.
    pub(super) fn caller_for(&self, person: PersonId, links: &[(usize, String)], role: Role) -> Caller {
        let link = |((source, patient), rank): (&(usize, String), i64)| Link {
            id: LinkId::mint(&*self.random),
            person,
            source: self.keys[*source],
            patient: patient.clone(),
            rank,
            method: LinkMethod::Operator,
            assurance: Assurance::Ial2,
            demographics: None,
            linked: Instant::from_micros(NOW),
            state: LinkState::Active,
        };
        let mut charts: Vec<Link> = links.iter().zip(0..).map(link).collect();
        // A chart that staff have closed: nothing of it may show.
        let closed = (0..SOURCES).map(|source| (source, "p0".to_owned())).find(|chart| !links.contains(chart));
        charts.extend(closed.map(|chart| {
            let frozen = LinkState::Frozen { at: Instant::from_micros(NOW), reason: "review".to_owned() };
            Link { state: frozen, ..link((&chart, 99)) }
        }));
        let subject = Subject {
            behalf: Behalf::User {
                account: AccountId::mint(&*self.random),
                authorization: AuthorizationId::mint(&*self.random),
            },
            client: ClientId::parse("app").unwrap(),
            person: role.has_person.then_some(person),
            scopes: ScopeSet::parse(role.scopes).0,
            links: charts,
            standing: Some(Standing::own(AccountId::mint(&*self.random))),
            key: None,
            token_hash: [0; 32],
            expires_at: Instant::from_micros(i64::MAX),
        };
        Caller { subject: Arc::new(subject), person, role }
    }

    pub(super) async fn read(&self, caller: &Caller, kind: &str, id: &str) -> Result<Value, Refusal> {
        let resource_type = ResourceType::parse(kind).unwrap();
        let interaction = Interaction::Read { resource_type, id: id.to_owned() };
        let answer = self.app.gateway.handle(caller.subject.clone(), interaction).await?;
        Ok(serde_json::from_slice(answer.body()).expect("the answer is JSON"))
    }

    pub(super) async fn search(
        &self,
        caller: &Caller,
        kind: &str,
        pairs: &[(String, String)],
        handling: Handling,
    ) -> Result<Value, Refusal> {
        let resource_type = ResourceType::parse(kind).unwrap();
        let interaction = Interaction::Search { resource_type, parameters: pairs.to_vec(), handling };
        let answer = self.app.gateway.handle(caller.subject.clone(), interaction).await?;
        Ok(serde_json::from_slice(answer.body()).expect("the answer is JSON"))
    }

    /// Every page of a search.
    pub(super) async fn pages(
        &self,
        caller: &Caller,
        kind: &str,
        pairs: &[(String, String)],
    ) -> Result<Vec<Value>, Refusal> {
        let mut pages = vec![self.search(caller, kind, pairs, Handling::Strict).await?];
        while let Some(next) = next_of(pages.last().unwrap()) {
            assert!(pages.len() < 600, "paging does not end");
            pages.push(self.search(caller, kind, &next, Handling::Strict).await?);
        }
        Ok(pages)
    }

    /// What the EHRs were asked since the last time.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// The parameters of a page's `next` link.
pub(super) fn next_of(page: &Value) -> Option<Pairs> {
    let next = page["link"].as_array()?.iter().find(|link| link["relation"] == "next")?;
    let url = url::Url::parse(next["url"].as_str().unwrap()).unwrap();
    Some(url.query_pairs().into_owned().collect())
}

/// The resources of a page's entries of this mode.
pub(super) fn entries<'v>(page: &'v Value, mode: &'v str) -> impl Iterator<Item = &'v Value> {
    let entries = page["entry"].as_array().into_iter().flatten();
    entries.filter(move |entry| entry["search"]["mode"] == mode).map(|entry| &entry["resource"])
}
