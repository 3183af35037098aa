//! An EHR that answers whatever the test wants, and the gateway before it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use chartgate::access::{Behalf, Subject};
use chartgate::app::{self, App, Parts};
use chartgate::base::clock::{Clock, Instant, TestClock};
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
use serde_json::{Value, json};

use crate::support::world::{PersonSpec, World as Product, unbounded};

/// The person in context at this EHR, and everybody else's canary.
pub(crate) const OWN: &str = "pat-a";
pub(crate) const OTHER: &str = "pat-b";
pub(crate) const CANARY: &str = "Bob Canary Roe";

/// One answer of the EHR.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::text(&body.to_string())
    }

    pub(crate) fn text(body: &str) -> Self {
        let headers = vec![("content-type", "application/fhir+json".to_owned())];
        Self { status: 200, headers, body: body.as_bytes().to_vec() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::json(&json!({"resourceType": "OperationOutcome", "text": CANARY})) }
    }
}

/// Replies by path and query (without the base), then by path alone; 404 otherwise.
#[derive(Default)]
pub(crate) struct Script {
    replies: Mutex<BTreeMap<String, Reply>>,
    asked: Mutex<Vec<String>>,
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let uri = request.uri();
    let path = uri.path().trim_start_matches("/fhir/").to_owned();
    let whole = uri.query().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
    script.asked.lock().unwrap().push(whole.clone());
    let replies = script.replies.lock().unwrap();
    let reply = replies.get(&whole).or_else(|| replies.get(&path)).cloned().unwrap_or_else(|| Reply::status(404));
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(reply.body)).unwrap()
}

/// The EHR by itself.
#[derive(Clone)]
pub(crate) struct Ehr {
    /// Its base URL, and its host and port.
    pub(crate) base: String,
    pub(crate) authority: String,
    script: Arc<Script>,
}

impl Ehr {
    pub(crate) async fn start() -> Self {
        let script = Arc::new(Script::default());
        let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(answer).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let ehr = Self { base: format!("http://{authority}/fhir"), authority, script };
        ehr.holds(&json!({"resourceType": "Patient", "id": OWN, "name": [{"family": "Own"}]}));
        ehr.holds(&json!({"resourceType": "Patient", "id": OTHER, "name": [{"text": CANARY}]}));
        ehr
    }

    /// It answers the read of this resource with it.
    pub(crate) fn holds(&self, resource: &Value) {
        let path = format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap());
        self.replies(&path, Reply::json(resource));
    }

    pub(crate) fn replies(&self, path: &str, reply: Reply) {
        self.script.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    /// It answers every search of the type with these.
    pub(crate) fn finds(&self, resource_type: &str, resources: &[Value]) {
        let entries: Vec<Value> =
            resources.iter().map(|resource| json!({"resource": resource, "search": {"mode": "match"}})).collect();
        let bundle = json!({"resourceType": "Bundle", "type": "searchset", "total": entries.len(), "entry": entries});
        self.replies(resource_type, Reply::json(&bundle));
    }

    /// What it was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.script.asked.lock().unwrap())
    }
}

/// An EHR as the gateway's configuration names it.
fn entry(base_url: &str, vendor: &str, view: SourceView) -> SourceEntry {
    SourceEntry {
        organization: "x".to_owned(),
        name: "X EHR".to_owned(),
        base_url: base_url.to_owned(),
        vendor: vendor.to_owned(),
        authentication: SourceAuthentication::None,
        view,
        private_addresses: vec!["127.0.0.0/8".to_owned()],
        ca_file: None,
    }
}

/// The EHR, and the whole product before it: two people, `ann` with the chart [`OWN`] and `bob` with [`OTHER`].
pub(crate) async fn over_http(limits: Limits) -> (Product, Ehr) {
    let ehr = Ehr::start().await;
    (before(&ehr.base, limits).await, ehr)
}

/// The whole product before an EHR at this base URL, and the same two people.
pub(crate) async fn before(base_url: &str, limits: Limits) -> Product {
    let person = |key: &str| PersonSpec { key: key.to_owned(), links: Vec::new() };
    let product = Product::configured(Vec::new(), vec![person("ann"), person("bob")], |config| {
        config.limits = limits;
        config.organizations.push(OrganizationEntry {
            key: "x".to_owned(),
            name: "Practice X".to_owned(),
            release_policy: "standard".to_owned(),
            brand: chartgate::config::Brand::default(),
        });
        config.sources.push(entry(base_url, "generic", SourceView::Patient));
    })
    .await;
    product.link("ann", base_url, OWN).await;
    product.link("bob", base_url, OTHER).await;
    product
}

pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) person: PersonId,
    pub(crate) key: SourceKey,
    /// The EHR's base URL, and its host and port.
    pub(crate) base: String,
    pub(crate) authority: String,
    ehr: Ehr,
    clock: Arc<TestClock>,
    random: SharedRandom,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with_limits(Limits { source_deadline_ms: 2_000, breaker_failures: 3, ..Limits::default() }).await
    }

    pub(crate) async fn with_limits(limits: Limits) -> Self {
        Self::with(limits, SourceView::Patient, "standard").await
    }

    pub(crate) async fn of_vendor(vendor: &str) -> Self {
        Self::configured(Limits::default(), SourceView::Patient, "standard", |config| {
            config.sources.iter_mut().for_each(|source| vendor.clone_into(&mut source.vendor));
        })
        .await
    }

    /// With an EHR that gives this view, of a practice with this policy of release.
    pub(crate) async fn with(limits: Limits, view: SourceView, release_policy: &str) -> Self {
        Self::configured(limits, view, release_policy, |_| {}).await
    }

    /// The same, with other settings as well.
    pub(crate) async fn configured(
        limits: Limits,
        view: SourceView,
        release_policy: &str,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Arc::new(TestClock::at(Instant::from_micros(1_789_477_200_000_000)));
        let random: SharedRandom = Arc::new(SeededRandom::new(5));
        let folder = tempfile::tempdir().unwrap();
        let ehr = Ehr::start().await;
        // However often it hands out others' records, the next question finds it as it is.
        let limits = Limits { foreign_answers: 0, ..limits };
        let mut config = Config { demo: true, limits, ..Config::default() };
        config.server.public_url = "http://gateway.test".to_owned();
        config.storage.url = format!("sqlite:{}", folder.path().join("chartgate.db").display());
        config.organizations.push(OrganizationEntry {
            key: "x".to_owned(),
            name: "Practice X".to_owned(),
            release_policy: release_policy.to_owned(),
            brand: chartgate::config::Brand::default(),
        });
        config.sources.push(entry(&ehr.base, "generic", view));
        change(&mut config);
        unbounded(&mut config.limits);
        let (shared, parts_random) = (clock.clone(), random.clone());
        let parts = Parts { config, master_key: MasterKey::new([9; 32]), clock: shared, random: parts_random };
        let app = app::start(parts).await.unwrap();
        let key = sources::all(&app.db).await.unwrap()[0].key;
        let person = PersonId::mint(&*random);
        let (base, authority) = (ehr.base.clone(), ehr.authority.clone());
        Self { app, person, key, base, authority, ehr, clock, random, _folder: folder }
    }

    /// The EHR answers the read of this resource with it.
    pub(crate) fn holds(&self, resource: &Value) {
        self.ehr.holds(resource);
    }

    pub(crate) fn replies(&self, path: &str, reply: Reply) {
        self.ehr.replies(path, reply);
    }

    /// The EHR answers every search of the type with these.
    pub(crate) fn finds(&self, resource_type: &str, resources: &[Value]) {
        self.ehr.finds(resource_type, resources);
    }

    /// What the EHR was asked since the last time.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.ehr.asked()
    }

    pub(crate) fn subject(&self, scopes: &str) -> Arc<Subject> {
        let link = Link {
            id: LinkId::mint(&*self.random),
            person: self.person,
            source: self.key,
            patient: OWN.to_owned(),
            rank: 0,
            method: LinkMethod::Operator,
            assurance: Assurance::Ial2,
            demographics: None,
            linked: self.clock.now(),
            state: LinkState::Active,
        };
        Arc::new(Subject {
            behalf: Behalf::User {
                account: AccountId::mint(&*self.random),
                authorization: AuthorizationId::mint(&*self.random),
            },
            client: ClientId::parse("app").unwrap(),
            person: Some(self.person),
            scopes: ScopeSet::parse(scopes).0,
            links: vec![link],
            standing: Some(Standing::own(AccountId::mint(&*self.random))),
            key: None,
            token_hash: [0; 32],
            expires_at: Instant::from_micros(i64::MAX),
        })
    }

    /// The gateway's id of an upstream one.
    pub(crate) fn id(&self, upstream: &str) -> String {
        format!("{}.{upstream}", self.key)
    }

    pub(crate) async fn read_with(&self, scopes: &str, resource_type: &str, id: &str) -> Result<String, Refusal> {
        let resource_type = ResourceType::parse(resource_type).unwrap();
        let interaction = Interaction::Read { resource_type, id: id.to_owned() };
        let answer = self.app.gateway.handle(self.subject(scopes), interaction).await?;
        Ok(String::from_utf8(answer.body().to_vec()).unwrap())
    }

    pub(crate) async fn read(&self, resource_type: &str, upstream: &str) -> Result<String, Refusal> {
        self.read_with("patient/*.rs", resource_type, &self.id(upstream)).await
    }

    pub(crate) async fn search_with(&self, scopes: &str, kind: &str, pairs: &[(&str, &str)]) -> Result<Value, Refusal> {
        self.search_as(&self.subject(scopes), kind, pairs).await
    }

    pub(crate) async fn search_as(
        &self,
        subject: &Arc<Subject>,
        kind: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Value, Refusal> {
        let resource_type = ResourceType::parse(kind).unwrap();
        let parameters = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let interaction = Interaction::Search { resource_type, parameters, handling: Handling::Strict };
        let answer = self.app.gateway.handle(subject.clone(), interaction).await?;
        Ok(serde_json::from_slice(answer.body()).unwrap())
    }

    pub(crate) async fn search(&self, kind: &str, pairs: &[(&str, &str)]) -> Value {
        self.search_with("patient/*.rs", kind, pairs).await.unwrap()
    }
}

/// The upstream ids of the matches.
pub(crate) fn ids(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let matches = entries.iter().filter(|entry| entry["search"]["mode"] == "match");
    matches.map(|entry| entry["resource"]["id"].as_str().unwrap().split_once('.').unwrap().1.to_owned()).collect()
}

/// The texts of the outcome entries.
pub(crate) fn outcomes(bundle: &Value) -> Vec<String> {
    let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
    let outcomes = entries.iter().filter(|entry| entry["search"]["mode"] == "outcome");
    outcomes.map(|entry| entry["resource"]["issue"][0]["details"]["text"].as_str().unwrap().to_owned()).collect()
}

/// An Observation of the person in context, with more members.
pub(crate) fn observation(id: &str, more: &Value) -> Value {
    let mut resource = json!({
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "Weight"},
        "subject": {"reference": format!("Patient/{OWN}")},
    });
    for (name, value) in more.as_object().unwrap() {
        resource[name] = value.clone();
    }
    resource
}
