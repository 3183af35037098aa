//! The whole product in one test: sandbox EHRs, the gateway before them on a port of its own, people, and apps that
//! sign in through the real pages.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use tokio::sync::{Mutex, watch};

use chartgate::app::{self, App, Parts};
use chartgate::authorization::NewClient;
use chartgate::base::clock::{Clock, Instant, SharedClock, TestClock};
use chartgate::base::hash::sha256;
use chartgate::base::id::{AccountId, PersonId};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::{SeededRandom, SharedRandom};
use chartgate::base::secret::Secret;
use chartgate::config::{Config, Limits, OrganizationEntry, SourceAuthentication, SourceEntry, SourceView};
use chartgate::identity::{Demographics, GrantBasis};
use chartgate::oauth::client::ClientId;
use chartgate::oauth::scope::ScopeSet;
use chartgate::practice::{self, NewAccount, NewGrant, NewLink};
use chartgate::sandbox::{Data, Faults, Requests, RunningSandbox, Sandbox, Smart};
use chartgate::storage::{Db, signing_keys, sources};

use super::http::Client as Browser;
use super::mail::{self, Mail};
use super::postgres::schema_url;

/// What every test of this kind runs on: worlds that are shared live as long as the process.
static RUNTIME: LazyLock<tokio::runtime::Runtime> =
    LazyLock::new(|| tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap());

pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

tokio::task_local! {
    /// Set where the worlds of a test stand on PostgreSQL.
    static ON_POSTGRES: ();
}

/// The same with every world on PostgreSQL, each in a schema of its own; skips without a server, save under `CI`.
pub(crate) fn run_on_postgres(test: impl Future<Output = ()>) {
    RUNTIME.block_on(async {
        if schema_url().await.is_some() {
            ON_POSTGRES.scope((), test).await;
        }
    });
}

/// Where the database of a new world is.
async fn storage_url(folder: &Path) -> String {
    if ON_POSTGRES.try_with(|()| ()).is_err() {
        return format!("sqlite:{}", folder.join("chartgate.db").display());
    }
    let file = folder.join("database-url");
    std::fs::write(&file, schema_url().await.unwrap()).unwrap();
    format!("postgres:{}", file.display())
}

/// Makes two tests of each `async fn test()`: one in worlds on SQLite, one in worlds on PostgreSQL.
macro_rules! in_both_worlds {
    ($($test:ident),+ $(,)?) => {
        mod sqlite { $( #[test] fn $test() { $crate::support::world::run(super::$test()); } )+ }
        mod postgres { $( #[test] fn $test() { $crate::support::world::run_on_postgres(super::$test()); } )+ }
    };
}
pub(crate) use in_both_worlds;

/// The clock of the fixtures: 2026-09-15T09:00:00-04:00.
pub(crate) const NOW: i64 = 1_789_477_200_000_000;
/// Of everybody whose account the world makes.
pub(crate) const PASSWORD: &str = "correct horse battery";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT: &str = "https://app.test/cb";
const LAUNCH: &str = "https://app.test/launch";
/// Reads and searches of everything.
pub(crate) const EVERYTHING: &str = "launch/patient patient/*.rs";

/// A practice before it stands.
#[derive(Clone, Debug)]
pub(crate) struct PracticeSpec {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) vendor: String,
    pub(crate) resources: Vec<Value>,
}

/// Somebody before they are enrolled: a name for the test, and their charts, the primary one first.
#[derive(Clone, Debug)]
pub(crate) struct PersonSpec {
    pub(crate) key: String,
    pub(crate) links: Vec<(String, String)>,
}

/// A practice that stands.
pub(crate) struct Practice {
    pub(crate) key: String,
    pub(crate) name: String,
    pub(crate) base_url: String,
    /// The source key at the gateway.
    pub(crate) source: String,
    /// What its EHR holds, with its own base URL in place.
    pub(crate) resources: Vec<Value>,
    /// Its fault switches.
    pub(crate) faults: Arc<Faults>,
    /// What was asked of it.
    pub(crate) requests: Arc<Requests>,
    /// Its authorization server for patients.
    pub(crate) smart: Arc<Smart>,
    /// Host and port: must stand in no answer.
    pub(crate) authority: String,
    ehr: Mutex<Option<RunningSandbox>>,
}

impl Practice {
    /// Stops the EHR for good.
    pub(crate) async fn stop(&self) {
        if let Some(ehr) = self.ehr.lock().await.take() {
            ehr.stop().await;
        }
    }

    pub(crate) fn find(&self, resource_type: &str, id: &str) -> Option<&Value> {
        self.resources.iter().find(|resource| resource["resourceType"] == resource_type && resource["id"] == id)
    }
}

/// Somebody who is enrolled.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: PersonId,
    /// Index of the practice, and the Patient's id there.
    pub(crate) links: Vec<(usize, String)>,
}

/// A FHIR answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Entries of a searchset with this mode.
    #[track_caller]
    pub(crate) fn entries(&self, mode: &str) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        let bundle = self.json();
        let entries = bundle["entry"].as_array().cloned().unwrap_or_default();
        entries.into_iter().filter(|entry| entry["search"]["mode"] == mode).collect()
    }

    #[track_caller]
    pub(crate) fn matches(&self) -> Vec<Value> {
        self.entries("match").into_iter().map(|entry| entry["resource"].clone()).collect()
    }

    #[track_caller]
    pub(crate) fn ids(&self) -> Vec<String> {
        self.matches().iter().map(|resource| resource["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The texts of the outcome entries.
    #[track_caller]
    pub(crate) fn outcomes(&self) -> Vec<String> {
        let issues =
            self.entries("outcome").into_iter().flat_map(|e| e["resource"]["issue"].as_array().cloned().unwrap());
        issues
            .map(|issue| format!("{}: {}", issue["code"].as_str().unwrap(), issue["details"]["text"].as_str().unwrap()))
            .collect()
    }

    pub(crate) fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let links = bundle["link"].as_array()?;
        let link = links.iter().find(|link| link["relation"] == relation)?;
        Some(link["url"].as_str().unwrap().to_owned())
    }

    /// The bytes of an answer but for what names this one request: request id, date, Bundle id.
    pub(crate) fn without_request_id(&self) -> String {
        let mut headers: Vec<String> = self
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "x-request-id" | "date"))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        format!("{}\n{}\n\n{}", self.status, headers.join("\n"), self.text)
    }
}

/// The product, running.
pub(crate) struct World {
    /// `http://host:port`.
    pub(crate) issuer: String,
    /// The FHIR base URL.
    pub(crate) fhir: String,
    pub(crate) app: App,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) practices: Vec<Practice>,
    pub(crate) persons: BTreeMap<String, Person>,
    pub(crate) http: reqwest::Client,
    address: SocketAddr,
    random: SharedRandom,
    accounts: Mutex<BTreeMap<String, AccountId>>,
    tokens: Mutex<BTreeMap<String, String>>,
    browsers: Mutex<BTreeMap<String, Browser>>,
    stop: watch::Sender<bool>,
    config: Config,
    folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// Who a chart is about, as its Patient says.
fn demographics(patient: &Value) -> Option<Demographics> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let given = patient["name"][0]["given"].as_array().map(|given| given.iter().map(text).collect());
    Some(Demographics {
        family: text(&patient["name"][0]["family"]),
        given: given.unwrap_or_default(),
        birth_date: patient["birthDate"].as_str()?.to_owned(),
    })
}

/// A client that follows nothing and asks no proxy.
pub(crate) fn http_client() -> reqwest::Client {
    // A second installation is refused; the first one serves.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl World {
    /// Starts the EHRs and the gateway, and enrols the people.
    pub(crate) async fn start(practices: Vec<PracticeSpec>, persons: Vec<PersonSpec>, limits: Limits) -> Self {
        Self::configured(practices, persons, |config| config.limits = limits).await
    }

    /// The same, with the configuration changed by `change`.
    pub(crate) async fn configured(
        practices: Vec<PracticeSpec>,
        persons: Vec<PersonSpec>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let clock = Arc::new(TestClock::at(Instant::from_micros(NOW)));
        let random: SharedRandom = Arc::new(SeededRandom::new(11));
        let http = http_client();
        let folder = tempfile::tempdir().unwrap();
        let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap();
        let address = listeners.addresses()[0];
        let mut config = Config { demo: true, ..Config::default() };
        change(&mut config);
        unbounded(&mut config.limits);
        config.server.public_url = format!("http://{address}");
        config.storage.url = storage_url(folder.path()).await;
        config.mail.from = "records@chartgate.test".to_owned();
        config.mail.outbox_dir = Some(folder.path().join("mail"));
        let mut standing = Vec::new();
        for spec in practices {
            standing.push(stand(spec, clock.clone(), &mut config).await);
        }
        let parts = Parts {
            config: config.clone(),
            master_key: MasterKey::new([7; 32]),
            clock: clock.clone(),
            random: random.clone(),
        };
        let app = app::start(parts).await.unwrap();
        first_key(&app.db).await;
        let (stop, stopping) = watch::channel(false);
        let patience = app::Patience::of(&config.server);
        tokio::spawn(app::serve(listeners, app.router.clone(), patience, stopping, Duration::from_millis(50)));
        for source in sources::all(&app.db).await.unwrap() {
            // Others were connected by `change`.
            if let Some(practice) = standing.iter_mut().find(|practice| practice.base_url == source.base_url) {
                practice.source = source.key.to_string();
            }
        }
        let mut world = Self {
            issuer: config.server.public_url.clone(),
            fhir: format!("{}/fhir", config.server.public_url),
            app,
            clock,
            practices: standing,
            persons: BTreeMap::new(),
            http,
            address,
            random,
            accounts: Mutex::default(),
            tokens: Mutex::default(),
            browsers: Mutex::default(),
            stop,
            config,
            folder,
        };
        for spec in persons {
            world.enrol(spec).await;
        }
        world
    }

    /// Both practices of the fixtures and everybody in them.
    pub(crate) async fn of_fixtures(limits: Limits) -> Self {
        let (practices, persons) = fixtures();
        Self::start(practices, persons, limits).await
    }

    /// Another gateway process over the same database: its FHIR base URL.
    pub(crate) async fn another_process(&self) -> String {
        let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap();
        let address = listeners.addresses()[0];
        // The sources as they are stored: they may have been changed since.
        let config = Config { organizations: Vec::new(), sources: Vec::new(), ..self.config.clone() };
        let parts = Parts {
            config,
            master_key: MasterKey::new([7; 32]),
            clock: self.clock.clone(),
            random: Arc::new(SeededRandom::new(12)),
        };
        let app = app::start(parts).await.unwrap();
        let (patience, stopping) = (app::Patience::of(&self.config.server), self.stop.subscribe());
        tokio::spawn(app::serve(listeners, app.router, patience, stopping, Duration::from_millis(50)));
        format!("http://{address}/fhir")
    }

    /// Where the database is, for who looks at it from outside.
    pub(crate) fn database_url(&self) -> String {
        self.config.storage.url.clone()
    }

    /// Everything that the database keeps on disk.
    pub(crate) fn database_bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap().map(|file| file.unwrap().path());
        files.filter(|path| path.is_file()).flat_map(|path| std::fs::read(path).unwrap()).collect()
    }

    /// What was written to people so far, in the order in which it was written.
    pub(crate) async fn mails(&self) -> Vec<Mail> {
        self.app.accounts.answer_recovery_requests().await.unwrap();
        self.app.delivery.run_once().await.unwrap();
        // What is written next sorts after it.
        self.clock.advance(Duration::from_millis(1));
        mail::read(&self.folder.path().join("mail"))
    }

    async fn enrol(&mut self, spec: PersonSpec) {
        let acts = &self.app.acts;
        let id = practice::person(acts, &*self.random, self.clock.now()).await.unwrap();
        let mut links = Vec::new();
        for ((key, patient), rank) in spec.links.into_iter().zip(0..) {
            let index = self.practices.iter().position(|practice| practice.key == key).unwrap();
            let source = self.practices[index].source.parse().unwrap();
            let demographics = self.practices[index].find("Patient", &patient).and_then(demographics);
            let new = NewLink { person: id, source, patient: patient.clone(), rank, demographics };
            practice::link(acts, &*self.random, self.clock.now(), new).await.unwrap();
            links.push((index, patient));
        }
        self.persons.insert(spec.key, Person { id, links });
    }

    /// Links a person to a chart at an EHR that a test runs itself.
    pub(crate) async fn link(&self, person: &str, base_url: &str, patient: &str) {
        let source = self.source_key(base_url).await.parse().unwrap();
        let new = NewLink {
            person: self.person(person).id,
            source,
            patient: patient.to_owned(),
            rank: 0,
            demographics: None,
        };
        practice::link(&self.app.acts, &*self.random, self.clock.now(), new).await.unwrap();
    }

    /// The source key of the EHR at this base URL.
    pub(crate) async fn source_key(&self, base_url: &str) -> String {
        let all = sources::all(&self.app.db).await.unwrap();
        all.iter().find(|source| source.base_url == base_url).unwrap().key.to_string()
    }

    pub(crate) fn person(&self, key: &str) -> &Person {
        self.persons.get(key).unwrap_or_else(|| panic!("nobody has the key {key}"))
    }

    pub(crate) fn practice(&self, key: &str) -> &Practice {
        self.practices.iter().find(|practice| practice.key == key).unwrap()
    }

    /// Lets the account of one person act for another.
    pub(crate) async fn grant(&self, holder: &str, person: &str, basis: GrantBasis) {
        let account = self.account(holder).await;
        let new = NewGrant { account, person: self.person(person).id, basis };
        practice::grant(&self.app.acts, &*self.random, self.clock.now(), new).await.unwrap();
    }

    /// A person's own account, made when it is first needed.
    pub(crate) async fn account(&self, key: &str) -> AccountId {
        let mut accounts = self.accounts.lock().await;
        if let Some(known) = accounts.get(key) {
            return *known;
        }
        let password = Secret::new(PASSWORD.to_owned());
        let new = NewAccount { username: key, password: &password, person: Some(self.person(key).id) };
        let (acts, now) = (&self.app.acts, self.clock.now());
        let id = practice::account(acts, &self.app.accounts, &*self.random, now, new).await.unwrap();
        accounts.insert(key.to_owned(), id);
        id
    }

    /// The access token of a person for their own record, with every scope; obtained once.
    pub(crate) async fn token(&self, person: &str) -> String {
        self.token_for(person, person, "app", EVERYTHING).await
    }

    /// An access token that `account` gave to `client` for the record of `person`; obtained once through the pages.
    pub(crate) async fn token_for(&self, account: &str, person: &str, client: &str, scope: &str) -> String {
        let key = format!("{account} {person} {client} {scope}");
        let mut tokens = self.tokens.lock().await;
        if let Some(known) = tokens.get(&key) {
            return known.clone();
        }
        let token = self.launch(account, person, client, scope).await;
        tokens.insert(key, token.clone());
        token
    }

    /// The access token of a person for their own record, asked for with this proof of a key.
    pub(crate) async fn bound_token(&self, person: &str, client: &str, proof: &str) -> String {
        self.launch_with(person, person, client, EVERYTHING, &[("dpop", proof)]).await
    }

    async fn launch(&self, account: &str, person: &str, client: &str, scope: &str) -> String {
        self.launch_with(account, person, client, scope, &[]).await
    }

    /// A standalone launch: sign-in page, consent page with everything ticked, code, token.
    async fn launch_with(
        &self,
        account: &str,
        person: &str,
        client: &str,
        scope: &str,
        headers: &[(&str, &str)],
    ) -> String {
        self.account(account).await;
        self.register(client).await;
        let person = self.person(person).id.to_string();
        let mut browser = Browser::new(self.address);
        let page = browser.get(&self.authorize(client, scope, &[])).await;
        let mut form = page.form();
        set(&mut form, "username", account);
        set(&mut form, "password", PASSWORD);
        let signed_in = browser.post("/sign-in", &form).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.body);
        let path = signed_in.location().to_owned();
        let consent = browser.get(&path).await;
        let mut form = consent.form();
        set(&mut form, "person", &person);
        set(&mut form, "decision", "allow");
        let allowed = browser.post("/oauth/consent", &form).await;
        let code = allowed.redirected("code").unwrap_or_else(|| panic!("no code: {}", allowed.location()));
        let answer = self.redeem_with(client, &code, headers).await;
        assert_eq!(answer["patient"], *person, "the token is for the person who was chosen");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// The path of a good authorization request, with these further parameters.
    pub(crate) fn authorize(&self, client: &str, scope: &str, further: &[(&str, &str)]) -> String {
        let challenge = BASE64URL_NOPAD.encode(&sha256(VERIFIER.as_bytes()));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("response_type", "code"),
                ("client_id", client),
                ("redirect_uri", REDIRECT),
                ("scope", scope),
                ("state", "s"),
                ("aud", &self.fhir),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ])
            .extend_pairs(further)
            .finish();
        format!("/oauth/authorize?{query}")
    }

    /// The token answer for a code of a request of [`Self::authorize`].
    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Value {
        self.redeem_with(client, code, &[]).await
    }

    async fn redeem_with(&self, client: &str, code: &str, headers: &[(&str, &str)]) -> Value {
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        let answer = Browser::new(self.address).post_with("/oauth/token", &pairs(&form), headers).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    /// A browser in which a person is signed in.
    pub(crate) async fn browser(&self, account: &str) -> Browser {
        self.account(account).await;
        let mut browser = Browser::new(self.address);
        let mut form = browser.get("/sign-in").await.form();
        set(&mut form, "username", account);
        set(&mut form, "password", PASSWORD);
        let signed_in = browser.post("/sign-in", &form).await;
        assert_eq!(signed_in.status, 303, "{}", signed_in.body);
        browser
    }

    /// A browser in which whoever gave this token is signed in.
    pub(crate) async fn browser_of(&self, token: &str) -> Browser {
        let holder = self.tokens.lock().await.iter().find(|(_, known)| *known == token).map(|(key, _)| key.clone());
        let holder = holder.as_ref().and_then(|key| key.split(' ').next()).expect("a token of this world").to_owned();
        let mut browsers = self.browsers.lock().await;
        if let Some(mut known) = browsers.get(&holder).cloned() {
            // Sessions end as the clock moves.
            if known.get("/account").await.status == 200 {
                return known;
            }
        }
        let browser = self.browser(&holder).await;
        browsers.insert(holder, browser.clone());
        browser
    }

    /// A browser in which nobody is signed in.
    pub(crate) fn stranger(&self) -> Browser {
        Browser::new(self.address)
    }

    /// Somebody without a chart.
    pub(crate) fn nobody(key: &str) -> PersonSpec {
        PersonSpec { key: key.to_owned(), links: Vec::new() }
    }

    pub(crate) async fn register(&self, client: &str) {
        let (scopes, _) = ScopeSet::parse(
            "launch launch/patient launch/encounter openid fhirUser offline_access patient/*.rs patient/*.read user/*.rs",
        );
        let new = NewClient {
            id: ClientId::parse(client),
            name: format!("App {client}"),
            redirect_uris: vec![REDIRECT.to_owned()],
            launch_uri: Some(LAUNCH.to_owned()),
            scopes,
            ..NewClient::default()
        };
        // Registered before: then it stands already.
        let _ = self.app.authorization.register_client(new).await;
    }

    /// Sends a request to a path or to a URL of the gateway.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let url = if target.starts_with("http") { target.to_owned() } else { format!("{}{target}", self.issuer) };
        assert!(url.starts_with(&self.issuer), "{url} is not the gateway's");
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "accept") {
            request = request.header("accept", "application/fhir+json");
        }
        if !body.is_empty() {
            request = request.body(body.to_owned());
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    pub(crate) async fn get(&self, target: &str, token: &str) -> Reply {
        self.send("GET", target, Some(token), &[], "").await
    }

    /// `GET /fhir/{type}?{pairs}`.
    pub(crate) async fn search(&self, resource_type: &str, pairs: &[(String, String)], token: &str) -> Reply {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.get(&format!("/fhir/{resource_type}?{query}"), token).await
    }

    /// `POST /fhir/{type}/_search` with the same parameters in the form.
    pub(crate) async fn search_by_post(&self, resource_type: &str, pairs: &[(String, String)], token: &str) -> Reply {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("POST", &format!("/fhir/{resource_type}/_search"), Some(token), &headers, &form).await
    }

    /// Every page from this one on.
    pub(crate) async fn pages(&self, first: &str, token: &str) -> Vec<Reply> {
        let mut pages = vec![self.get(first, token).await];
        while let Some(next) = pages.last().unwrap().link("next") {
            pages.push(self.get(&next, token).await);
            assert!(pages.len() < 500, "paging does not end");
        }
        pages
    }

    /// FHIR requests that came to each EHR so far.
    pub(crate) fn upstream_counts(&self) -> Vec<u64> {
        self.practices.iter().map(|practice| practice.requests.fhir_count()).collect()
    }

    pub(crate) fn forget_upstream(&self) {
        self.practices.iter().for_each(|practice| practice.requests.clear());
    }

    /// Ends all faults, and lets the time pass for which an EHR may have asked to be left alone (a second).
    pub(crate) fn heal(&self) {
        self.practices.iter().for_each(|practice| practice.faults.clear());
        self.clock.advance(Duration::from_secs(1));
    }
}

/// The clock stands still: what one may ask for within a minute would have to do for the whole test. Limits of the
/// test's own hold.
pub(crate) fn unbounded(limits: &mut Limits) {
    let usual = Limits::default();
    for (limit, usual) in [
        (&mut limits.user_calls_per_minute, usual.user_calls_per_minute),
        (&mut limits.client_calls_per_minute, usual.client_calls_per_minute),
    ] {
        if *limit == usual {
            *limit = 0;
        }
    }
}

async fn stand(spec: PracticeSpec, clock: SharedClock, config: &mut Config) -> Practice {
    let lines: Vec<String> = spec.resources.iter().map(Value::to_string).collect();
    let ehr = Sandbox::builder().data(Data::Ndjson(lines.join("\n"))).clock(clock).start().await.unwrap();
    let base_url = ehr.base_url.clone();
    config.organizations.push(OrganizationEntry {
        key: spec.key.clone(),
        name: spec.name.clone(),
        release_policy: "standard".to_owned(),
        brand: chartgate::config::Brand::default(),
    });
    config.sources.push(SourceEntry {
        organization: spec.key.clone(),
        name: format!("{} EHR", spec.name),
        base_url: base_url.clone(),
        vendor: spec.vendor,
        authentication: SourceAuthentication::None,
        view: SourceView::Patient,
        private_addresses: vec!["127.0.0.0/8".to_owned()],
        ca_file: None,
    });
    // Few name it.
    let own = |(resource, line): (Value, &String)| match line.contains("{{base}}") {
        true => with_base(&resource, &base_url),
        false => resource,
    };
    let resources = spec.resources.into_iter().zip(&lines).map(own).collect();
    Practice {
        key: spec.key,
        name: spec.name,
        base_url,
        source: String::new(),
        resources,
        faults: ehr.faults.clone(),
        requests: ehr.requests.clone(),
        smart: ehr.smart.clone(),
        authority: ehr.address.to_string(),
        ehr: Mutex::new(Some(ehr)),
    }
}

/// The resource as the EHR holds it: its own base URL in place of `{{base}}`.
fn with_base(value: &Value, base: &str) -> Value {
    match value {
        Value::String(text) => Value::String(text.replace("{{base}}", base)),
        Value::Array(items) => items.iter().map(|item| with_base(item, base)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| (name.clone(), with_base(member, base))).collect()
        }
        other => other.clone(),
    }
}

/// Every resource in a folder's NDJSON files.
pub(crate) fn ndjson(folder: &Path) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let mut resources = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "ndjson")) {
        let text = std::fs::read_to_string(file).unwrap();
        resources.extend(text.lines().map(|line| serde_json::from_str(line).unwrap()));
    }
    resources
}

pub(crate) fn fixtures_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// `fixtures/demo.toml` as this harness reads it, once. A person's key here is the given name.
pub(crate) fn fixtures() -> (Vec<PracticeSpec>, Vec<PersonSpec>) {
    static READ: LazyLock<(Vec<PracticeSpec>, Vec<PersonSpec>)> = LazyLock::new(read_fixtures);
    READ.clone()
}

fn read_fixtures() -> (Vec<PracticeSpec>, Vec<PersonSpec>) {
    let text = std::fs::read_to_string(fixtures_folder().join("demo.toml")).unwrap();
    let manifest: toml::Table = toml::from_str(&text).unwrap();
    let text = |table: &toml::Value, name: &str| table[name].as_str().unwrap().to_owned();
    let practices = manifest["organization"].as_array().unwrap().iter().map(|organization| PracticeSpec {
        key: text(organization, "key"),
        name: text(organization, "name"),
        vendor: text(organization, "vendor_profile"),
        resources: ndjson(&fixtures_folder().join(text(organization, "folder"))),
    });
    let persons = manifest["person"].as_array().unwrap().iter().map(|person| PersonSpec {
        key: text(person, "key").split('-').next().unwrap().to_owned(),
        links: person["links"]
            .as_array()
            .unwrap()
            .iter()
            .map(|link| (text(link, "organization"), text(link, "patient")))
            .collect(),
    });
    (practices.collect(), persons.collect())
}

pub(crate) fn set(form: &mut Vec<(String, String)>, name: &str, value: &str) {
    form.retain(|(present, _)| present != name);
    form.push((name.to_owned(), value.to_owned()));
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Waits for the first signing key, which is made beside: what is drawn for it must not fall among what a test draws.
pub(crate) async fn first_key(db: &Db) {
    while signing_keys::all(db).await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
