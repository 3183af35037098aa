//! One person with a chart at one source, as the gateway sees it inside a request.

use std::sync::{Arc, LazyLock};

use super::super::chart::{Chart, Charts, person_reference};
use super::super::identifier::Identifiers;
use super::super::rewrite::Rewriter;
use super::super::source::ConnectedSource;
use crate::access::{self, Behalf, Permit, Subject};
use crate::base::clock::{Instant, SharedClock, TestClock};
use crate::base::id::{AccountId, AuthorizationId, LinkId, OrganizationId, PersonId, SourceId};
use crate::base::keys::MasterKey;
use crate::base::random::{SeededRandom, SharedRandom};
use crate::config::{Limits, SourceAuthentication, SourceView};
use crate::consent::Standing;
use crate::fhir::ResourceType;
use crate::fhir::edits::Edits;
use crate::fhir::interaction::Interaction;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::Needle;
use crate::fhir::search::Handling;
use crate::identity::{Assurance, Link, LinkMethod, LinkState};
use crate::mapping::VendorProfiles;
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;
use crate::organization::{Source, SourceState};
use crate::upstream::{Client, Connection, Credential};

/// The source, its host, the person's Patient there, and the gateway.
pub(in super::super) const SOURCE: &str = "http://ehr.test/fhir";
pub(in super::super) const AUTHORITY: &str = "ehr.test";
pub(in super::super) const OWN: &str = "own";
pub(in super::super) const GATEWAY: &str = "https://gateway.test/fhir";

pub(in super::super) struct Setting {
    pub(in super::super) knowledge: &'static Knowledge,
    pub(in super::super) chart: Arc<Chart>,
    pub(in super::super) charts: Charts,
    pub(in super::super) identifiers: Identifiers,
    pub(in super::super) master: MasterKey,
    pub(in super::super) clock: SharedClock,
    pub(in super::super) random: SharedRandom,
    subject: Arc<Subject>,
}

/// The one setting of the process: building it costs more than a case.
pub(in super::super) static SETTING: LazyLock<Setting> = LazyLock::new(Setting::new);

impl Setting {
    fn new() -> Self {
        let random: SharedRandom = Arc::new(SeededRandom::new(3));
        let clock: SharedClock = Arc::new(TestClock::at(Instant::from_micros(1_789_477_200_000_000)));
        let now = clock.now();
        let person = PersonId::mint(&*random);
        let key = "ab12".parse().expect("a source key");
        let source = Source {
            id: SourceId::mint(&*random),
            key,
            organization: OrganizationId::mint(&*random),
            name: "EHR".to_owned(),
            base_url: SOURCE.to_owned(),
            vendor: "generic".to_owned(),
            authentication: SourceAuthentication::None,
            view: SourceView::Patient,
            private_addresses: Vec::new(),
            ca_file: None,
            created: now,
            state: SourceState::Active,
        };
        let connection = Connection::new(SOURCE, &[], Credential::None).expect("a base URL");
        let source = ConnectedSource {
            vendor: VendorProfiles::embedded().expect("profiles").by_name("generic").expect("generic").clone(),
            client: Arc::new(Client::new(connection, Limits::default(), clock.clone(), random.clone())),
            authority: Needle::new(AUTHORITY).map(Arc::new),
            organization: "Practice".to_owned(),
            foreign: std::sync::atomic::AtomicU64::new(0),
            release: None,
            consent: None,
            smart: None,
            terms: Default::default(),
            source,
        };
        let patients: Arc<[String]> = Arc::new([OWN.to_owned()]);
        let errand = source.client.errand(patients.clone());
        let reference = person_reference(person);
        let id = LinkId::mint(&*random);
        let (source, links) = (Arc::new(source), vec![id]);
        let chart =
            Arc::new(Chart { source, errand, person, reference, patients, links, rank: 0, assurance: Assurance::Ial2 });
        let link = Link {
            id,
            person,
            source: key,
            patient: OWN.to_owned(),
            rank: 0,
            method: LinkMethod::Operator,
            assurance: Assurance::Ial2,
            demographics: None,
            linked: now,
            state: LinkState::Active,
        };
        let account = AccountId::mint(&*random);
        let subject = Subject {
            behalf: Behalf::User { account, authorization: AuthorizationId::mint(&*random) },
            client: ClientId::parse("app").expect("a client id"),
            person: Some(person),
            scopes: ScopeSet::parse("patient/*.rs").0,
            links: vec![link],
            standing: Some(Standing::own(account)),
            key: None,
            token_hash: [0; 32],
            expires_at: Instant::from_micros(i64::MAX),
        };
        let master = MasterKey::new([5; 32]);
        Self {
            knowledge: Knowledge::embedded().expect("knowledge"),
            charts: Charts { connected: vec![chart.clone()], missing: Vec::new() },
            chart,
            identifiers: Identifiers::new(&master),
            master,
            clock,
            random,
            subject: Arc::new(subject),
        }
    }

    /// Leave of somebody else to read the type.
    #[cfg(test)]
    pub(in super::super) fn permit_of(&self, standing: Standing, resource_type: ResourceType) -> Option<Permit> {
        let subject = Subject { standing: Some(standing), ..(*self.subject).clone() };
        let interaction = Interaction::Search { resource_type, parameters: Vec::new(), handling: Handling::Strict };
        access::decide(self.knowledge, Arc::new(subject), &interaction).ok()
    }

    /// Leave to read the type, where there is any.
    pub(in super::super) fn permit(&self, resource_type: ResourceType) -> Option<Permit> {
        let parameters = Vec::new();
        let interaction = Interaction::Search { resource_type, parameters, handling: Handling::Strict };
        access::decide(self.knowledge, self.subject.clone(), &interaction).ok()
    }

    pub(in super::super) fn rewriter(&self) -> Rewriter<'_> {
        let authorities: Arc<[Arc<Needle>]> = Needle::new(AUTHORITY).map(Arc::new).into_iter().collect();
        Rewriter {
            knowledge: self.knowledge,
            identifiers: &self.identifiers,
            gateway_base: GATEWAY,
            foreign: authorities.to_vec(),
            shared: Arc::from([]),
            authorities,
            hashed: Vec::new(),
            edits: Edits::new(),
        }
    }
}
