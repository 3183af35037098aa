//! An authorization server over real HTTP, with a database of its own, a clock to move, and people in it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::FromRef;
use data_encoding::BASE64URL_NOPAD;
use futures_util::FutureExt;

use chartgate::accounts::Accounts;
use chartgate::audit::Acts;
use chartgate::authorization::{AuthorizationServer, NewClient, NewProof, RegisteredClient};
use chartgate::base::clock::{Clock, Instant, TestClock};
use chartgate::base::hash::sha256;
use chartgate::base::id::{AccountId, GrantId, PersonId};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::{Random, SeededRandom};
use chartgate::base::secret::Secret;
use chartgate::config::Config;
use chartgate::http::pages::Pages;
use chartgate::identity::{Account, AccountState, Demographics, Grant, GrantBasis, GrantState, Link, Period, Username};
use chartgate::oauth::client::{ClientId, ClientKeys};
use chartgate::oauth::scope::ScopeSet;
use chartgate::storage::{StorageError, accounts, grants, links};

use crate::storage::sample;
use crate::support::database::Database;
use crate::support::http::{Answer, Client};

pub(crate) const PASSWORD: &str = "correct horse battery";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const REDIRECT: &str = "https://app.test/cb";
pub(crate) const SCOPE: &str = "launch/patient openid fhirUser offline_access patient/*.rs";

#[derive(Clone)]
struct State {
    server: Arc<AuthorizationServer>,
    accounts: Arc<Accounts>,
    pages: Arc<Pages>,
}

impl FromRef<State> for Arc<AuthorizationServer> {
    fn from_ref(state: &State) -> Self {
        state.server.clone()
    }
}

impl FromRef<State> for Arc<Accounts> {
    fn from_ref(state: &State) -> Self {
        state.accounts.clone()
    }
}

impl FromRef<State> for Arc<Pages> {
    fn from_ref(state: &State) -> Self {
        state.pages.clone()
    }
}

/// The world of one test.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) random: Arc<SeededRandom>,
    pub(crate) config: Config,
    pub(crate) server: Arc<AuthorizationServer>,
    pub(crate) address: SocketAddr,
    pub(crate) issuer: String,
    pub(crate) fhir: String,
    /// Ann, who signs in as `ann`.
    pub(crate) ann: AccountId,
    pub(crate) ann_person: PersonId,
    /// Her child, for whom she has a grant.
    pub(crate) child: PersonId,
    pub(crate) child_grant: GrantId,
    /// A stranger with an account `bob`.
    pub(crate) bob_person: PersonId,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for World {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// How often many requests go for one code or token at once: few times in a test run, a thousand for `scripts/prove`.
pub(crate) fn rounds() -> u32 {
    std::env::var("CHARTGATE_PROOF_ROUNDS").map_or(3, |rounds| rounds.parse().unwrap())
}

pub(crate) fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).0
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::on(Database::sqlite().await).await
    }

    pub(crate) async fn on(database: Database) -> Self {
        Self::configured(database, |_| {}).await
    }

    /// With the configuration changed by `change`.
    pub(crate) async fn configured(database: Database, change: impl FnOnce(&mut Config)) -> Self {
        // A second installation is refused; the first one serves.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Arc::new(TestClock::at(sample::at(10_000_000)));
        let random = Arc::new(SeededRandom::new(7));
        let master_key = MasterKey::new([7; 32]);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = Config { demo: true, ..Config::default() };
        config.server.public_url = format!("http://127.0.0.1:{}", address.port());
        config.oauth.key_set_private_addresses = vec!["127.0.0.0/8".to_owned()];
        change(&mut config);
        let (issuer, fhir) = (config.server.public_url.clone(), format!("{}/fhir", config.server.public_url));
        let acts = Acts::begin(database.db.clone(), &master_key, &*random).await.unwrap();
        let server = AuthorizationServer::new(acts.clone(), clock.clone(), random.clone(), &master_key, &config);
        let accounts = Arc::new(Accounts::new(acts, clock.clone(), random.clone(), &master_key, &config));
        let pages = Pages::new(&config, &master_key, random.clone());
        let router = Router::new()
            .merge(chartgate::http::oauth::router())
            .merge(chartgate::http::oauth::consent_router())
            .merge(chartgate::http::smart::router())
            .merge(chartgate::http::pages::router())
            .with_state(State { server: server.clone(), accounts: accounts.clone(), pages });
        let serve = async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            axum::serve(listener, service).await.unwrap();
        };
        let watch = server.clone();
        let tasks = vec![tokio::spawn(serve), tokio::spawn(async move { watch.watch().await })];
        let people = people(&database, &accounts, clock.now()).await;
        Self {
            database,
            clock,
            random,
            config,
            server,
            address,
            issuer,
            fhir,
            ann: people.0,
            ann_person: people.1,
            child: people.2,
            child_grant: people.3,
            bob_person: people.4,
            tasks,
        }
    }

    pub(crate) fn browser(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) async fn client(&self, id: &str, confidential: bool) -> RegisteredClient {
        self.client_with(
            id,
            confidential,
            "launch/patient openid fhirUser profile offline_access online_access \
            patient/*.cruds user/*.rs",
        )
        .await
    }

    pub(crate) async fn client_with(&self, id: &str, confidential: bool, scope: &str) -> RegisteredClient {
        let new = NewClient {
            id: ClientId::parse(id),
            name: format!("App <{id}>"),
            redirect_uris: vec![REDIRECT.to_owned(), "https://app.test/other?k=v".to_owned()],
            launch_uri: Some("https://app.test/launch".to_owned()),
            scopes: scopes(scope),
            proof: if confidential { NewProof::Secret } else { NewProof::None },
            ..NewClient::default()
        };
        self.server.register_client(new).await.unwrap()
    }

    /// A client that proves itself with keys.
    pub(crate) async fn key_client(&self, id: &str, keys: ClientKeys) -> RegisteredClient {
        let new = NewClient {
            id: ClientId::parse(id),
            name: format!("App {id}"),
            redirect_uris: vec![REDIRECT.to_owned()],
            scopes: scopes("launch/patient openid fhirUser offline_access patient/*.rs"),
            proof: NewProof::Keys(keys),
            ..NewClient::default()
        };
        self.server.register_client(new).await.unwrap()
    }

    /// Another process over the same database, as a restart leaves it.
    pub(crate) async fn another_process(&self) -> Arc<AuthorizationServer> {
        let master_key = MasterKey::new([7; 32]);
        let random = Arc::new(SeededRandom::new(99));
        let acts = Acts::begin(self.database.second().await, &master_key, &*random).await.unwrap();
        AuthorizationServer::new(acts, self.clock.clone(), random, &master_key, &self.config)
    }

    /// The claims of a good assertion.
    pub(crate) fn claims(&self, client: &str) -> serde_json::Value {
        let now = self.clock.now().seconds();
        let aud = format!("{}/oauth/token", self.issuer);
        let jti = (&*self.random as &dyn Random).token();
        serde_json::json!({"iss": client, "sub": client, "aud": aud, "iat": now, "exp": now + 240, "jti": jti})
    }

    /// A good authorization request.
    pub(crate) fn request(&self, client: &str) -> Vec<(String, String)> {
        let challenge = BASE64URL_NOPAD.encode(&sha256(VERIFIER.as_bytes()));
        [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("scope", SCOPE),
            ("state", "s t&ü"),
            ("aud", &self.fhir),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("nonce", "n-1"),
        ]
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
    }

    /// Signs `ann` in at the page in `answer`, which must be the sign-in page, and follows to the next one.
    pub(crate) async fn sign_in(&self, browser: &mut Client, answer: &Answer) -> Answer {
        assert!(answer.body.contains("name=\"password\""), "no sign-in page: {} {}", answer.status, answer.body);
        let mut form = answer.form();
        set(&mut form, "username", Some("ann"));
        set(&mut form, "password", Some(PASSWORD));
        let next = browser.post("/sign-in", &form).await;
        assert_eq!(next.status, 303, "{}", next.body);
        let path = next.location().to_owned();
        browser.get(&path).await
    }

    /// The consent page for a request, signed in on the way if need be.
    pub(crate) async fn consent(&self, browser: &mut Client, request: &[(String, String)]) -> Answer {
        let mut page = browser.get(&authorize_path(request)).await;
        if page.body.contains("name=\"password\"") {
            page = self.sign_in(browser, &page).await;
        }
        assert_eq!(page.status, 200, "{}", page.body);
        assert!(page.body.contains("name=\"decision\""), "no consent page: {}", page.body);
        page
    }

    /// A whole launch up to the code: everything as the page proposes it.
    pub(crate) async fn code(&self, request: &[(String, String)]) -> String {
        let mut browser = self.browser();
        let page = self.consent(&mut browser, request).await;
        let answer = allow(&mut browser, &page).await;
        answer.redirected("code").unwrap_or_else(|| panic!("no code: {}", answer.location()))
    }

    /// The token request for a code.
    pub(crate) fn redemption(&self, client: &str, code: &str) -> Vec<(String, String)> {
        pairs(&[
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ])
    }

    pub(crate) async fn token(&self, form: &[(String, String)]) -> Answer {
        self.browser().post("/oauth/token", form).await
    }

    /// A whole launch of a public client: the token answer.
    pub(crate) async fn launch(&self, client: &str) -> serde_json::Value {
        let code = self.code(&self.request(client)).await;
        let answer = self.token(&self.redemption(client, &code)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()
    }

    pub(crate) fn refresh(&self, client: &str, token: &str) -> Vec<(String, String)> {
        pairs(&[("grant_type", "refresh_token"), ("client_id", client), ("refresh_token", token)])
    }

    /// Whether an access token opens anything.
    pub(crate) async fn works(&self, access_token: &serde_json::Value) -> bool {
        self.server.authenticate(access_token.as_str().unwrap()).await.is_ok()
    }

    /// Waits until the generation is known, so that snapshots are used.
    pub(crate) async fn settle(&self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Sets a parameter, or takes it out.
pub(crate) fn set(pairs: &mut Vec<(String, String)>, name: &str, value: Option<&str>) {
    pairs.retain(|(n, _)| n != name);
    pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
}

/// The request with one parameter changed.
pub(crate) fn with(pairs: &[(String, String)], name: &str, value: Option<&str>) -> Vec<(String, String)> {
    let mut pairs = pairs.to_vec();
    set(&mut pairs, name, value);
    pairs
}

pub(crate) fn authorize_path(request: &[(String, String)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(request).finish();
    format!("/oauth/authorize?{query}")
}

/// Presses Allow on a consent page as it stands.
pub(crate) async fn allow(browser: &mut Client, page: &Answer) -> Answer {
    let mut form = page.form();
    set(&mut form, "decision", Some("allow"));
    browser.post("/oauth/consent", &form).await
}

async fn people(
    database: &Database,
    service: &Accounts,
    now: Instant,
) -> (AccountId, PersonId, PersonId, GrantId, PersonId) {
    let hash = service.hash_password(&Username::new("ann").unwrap(), &Secret::new(PASSWORD.to_owned())).await.unwrap();
    let account = move |name: &str, person| Account {
        id: AccountId::mint(&SeededRandom::new(name.len() as u64 + 100) as &dyn Random),
        username: Username::new(name).unwrap(),
        password_hash: Some(hash.clone()),
        person: Some(person),
        created: now,
        state: AccountState::Active,
    };
    let write = database.db.write::<_, StorageError>(move |tx| {
        async move {
            let source = sample::stored_source(tx).await?;
            let (own, child, stranger) =
                (sample::stored_person(tx).await?, sample::stored_person(tx).await?, sample::stored_person(tx).await?);
            let (ann, bob) = (account("ann", own), account("bobby", stranger));
            accounts::insert(tx, &ann).await?;
            accounts::insert(tx, &bob).await?;
            let named = |link: Link, given: &str| Link {
                demographics: Some(Demographics {
                    family: "O'Neil <b>".to_owned(),
                    given: vec![given.to_owned()],
                    birth_date: "1984".to_owned(),
                }),
                ..link
            };
            links::insert(tx, &named(sample::link(own, source, "a1"), "Ann")).await?;
            links::insert(tx, &named(sample::link(child, source, "c1"), "Cleo")).await?;
            links::insert(tx, &named(sample::link(stranger, source, "b1"), "Bob")).await?;
            let grant = Grant {
                basis: GrantBasis::Parent,
                period: Period { from: Instant::from_micros(0), until: None },
                state: GrantState::Active,
                ..sample::grant(ann.id, child)
            };
            grants::insert(tx, &grant).await?;
            Ok((ann.id, own, child, grant.id, stranger))
        }
        .boxed()
    });
    write.await.unwrap()
}
