//! What independent suites check of a SMART server, one test for each of their families and named after it: `smart` is
//! the server part of SMART App Launch STU 2.2, `g10` what certification asks beyond it. The apps here know the FHIR base
//! URL and what they registered, and learn the rest from what is published, as those suites do.

mod g10;
mod smart;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use chartgate::authorization::{NewClient, NewProof};
use chartgate::base::clock::Clock;
use chartgate::base::hash::sha256;
use chartgate::oauth::client::ClientId;
use chartgate::oauth::scope::ScopeSet;

use crate::support::http::{Answer, Client as Browser};
use crate::support::keys::{Key, inline};
use crate::support::world::{Reply, World, pairs};

const REDIRECT: &str = "https://suite.test/custom/redirect";
const LAUNCH: &str = "https://suite.test/custom/launch";
/// Two UUIDs: what the suites send.
const VERIFIER: &str = "3b241101-e2bb-4255-8caf-4136c566a962-8ff1e8c4-0b4e-4a05-9a8e-3c2b8f2a7d10";
const STATE: &str = "6f0a36a4-1c39-4e0a-9f7e-f6a1e3b1c2d3";
const BASICS: &str = "openid fhirUser offline_access";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The types of US Core 6.1.0 that are searched by patient.
const BY_PATIENT: [&str; 19] = [
    "AllergyIntolerance",
    "CarePlan",
    "CareTeam",
    "Condition",
    "Coverage",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "Goal",
    "Immunization",
    "MedicationDispense",
    "MedicationRequest",
    "Observation",
    "Procedure",
    "QuestionnaireResponse",
    "RelatedPerson",
    "ServiceRequest",
    "Specimen",
];
/// Those that are read through references.
const BY_REFERENCE: [&str; 7] =
    ["Location", "Medication", "Organization", "Patient", "Practitioner", "PractitionerRole", "Provenance"];

/// All scopes of the certification kit, one for each type.
fn each_type(level: &str, suffix: &str) -> String {
    let scopes = BY_PATIENT.iter().chain(&BY_REFERENCE).map(|name| format!("{level}/{name}.{suffix}"));
    scopes.collect::<Vec<_>>().join(" ")
}

enum Proof {
    Public,
    Secret(String),
    Key(Box<Key>),
}

/// An app as it is registered.
struct App {
    id: String,
    proof: Proof,
}

/// The server under test.
struct Suite {
    world: &'static World,
    /// What `smart-configuration` says.
    smart: Value,
    /// Maria, signed in.
    maria: Browser,
    apps: BTreeMap<&'static str, App>,
}

/// A launch that succeeded.
struct Launched {
    /// The body of the token answer.
    body: Value,
    /// The answer itself.
    answer: Answer,
}

impl Launched {
    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.body))
    }

    fn scopes(&self) -> BTreeSet<String> {
        self.text("scope").split(' ').map(str::to_owned).collect()
    }
}

type Form = Vec<(String, String)>;

fn set(form: &mut Form, name: &str, value: &str) {
    form.retain(|(known, _)| known != name);
    form.push((name.to_owned(), value.to_owned()));
}

async fn suite() -> &'static Suite {
    static SUITE: OnceCell<Suite> = OnceCell::const_new();
    SUITE
        .get_or_init(|| async {
            let world = crate::fhir::fixtures().await;
            let mut apps = BTreeMap::new();
            for (name, key) in [
                ("public", None),
                ("symmetric", None),
                ("es384", Some(Key::es384("es384"))),
                ("rs384", Some(Key::rs384("rs384"))),
                ("backend", Some(Key::es384("backend"))),
            ] {
                apps.insert(name, register(world, name, key).await);
            }
            let smart = world.send("GET", "/fhir/.well-known/smart-configuration", None, &[], "").await.json();
            Suite { world, smart, maria: world.browser("maria").await, apps }
        })
        .await
}

async fn register(world: &World, name: &str, key: Option<Key>) -> App {
    let id = format!("suite-{name}");
    let is_backend = name == "backend";
    let person_scopes = "launch launch/patient launch/encounter openid fhirUser offline_access patient/*.rs \
        patient/*.read user/*.rs user/*.read";
    let scopes = if is_backend { "system/*.rs" } else { person_scopes };
    let new = NewClient {
        id: ClientId::parse(&id),
        name: format!("Suite {name}"),
        redirect_uris: if is_backend { Vec::new() } else { vec![REDIRECT.to_owned()] },
        launch_uri: (!is_backend).then(|| LAUNCH.to_owned()),
        scopes: ScopeSet::parse(scopes).0,
        proof: match (&key, name) {
            (Some(key), _) => NewProof::Keys(inline(&[key])),
            (None, "symmetric") => NewProof::Secret,
            (None, _) => NewProof::None,
        },
        sources: if is_backend { vec![world.practice("riverside").source.parse().unwrap()] } else { Vec::new() },
        ..NewClient::default()
    };
    let registered = world.app.authorization.register_client(new).await.unwrap();
    let proof = match (key, registered.secret) {
        (Some(key), _) => Proof::Key(Box::new(key)),
        (None, Some(secret)) => Proof::Secret(secret.expose().clone()),
        (None, None) => Proof::Public,
    };
    App { id, proof }
}

impl Suite {
    fn maria_id(&self) -> String {
        self.world.person("maria").id.to_string()
    }

    fn app(&self, name: &str) -> &App {
        &self.apps[name]
    }

    /// The path of an endpoint that is published.
    fn endpoint(&self, name: &str) -> &str {
        let url = self.smart[name].as_str().unwrap_or_else(|| panic!("{name} is not published"));
        url.strip_prefix(&self.world.issuer).unwrap_or_else(|| panic!("{name} is elsewhere: {url}"))
    }

    /// An authorization request: its parameters.
    fn request(&self, app: &str, scope: &str, launch: Option<&str>) -> Form {
        let challenge = BASE64URL_NOPAD.encode(&sha256(VERIFIER.as_bytes()));
        let mut request = pairs(&[
            ("response_type", "code"),
            ("client_id", &self.app(app).id),
            ("redirect_uri", REDIRECT),
            ("scope", scope),
            ("state", STATE),
            ("aud", &self.world.fhir),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        request.extend(launch.map(|launch| ("launch".to_owned(), launch.to_owned())));
        request
    }

    /// Sends the browser off with a request by GET; what comes first.
    async fn authorize(&self, browser: &mut Browser, request: &Form) -> Answer {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(request).finish();
        browser.get(&format!("{}?{query}", self.endpoint("authorization_endpoint"))).await
    }

    /// Allows what the consent page in `page` proposes, changed by `edit`: the way back to the app.
    async fn allow(&self, browser: &mut Browser, page: &Answer, edit: impl FnOnce(&mut Form)) -> Answer {
        assert_eq!(page.status, 200, "{}", page.body);
        let mut form = page.form();
        set(&mut form, "person", &self.maria_id());
        set(&mut form, "decision", "allow");
        edit(&mut form);
        browser.post("/oauth/consent", &form).await
    }

    /// The code that Maria's answer to a request brings.
    async fn code(&self, request: &Form, edit: impl FnOnce(&mut Form)) -> String {
        let mut browser = self.maria.clone();
        let page = self.authorize(&mut browser, request).await;
        let back = self.allow(&mut browser, &page, edit).await;
        assert!(back.location().starts_with(REDIRECT), "{}", back.location());
        assert_eq!(back.redirected("error"), None);
        assert_eq!(back.redirected("state").as_deref(), Some(STATE));
        back.redirected("code").unwrap()
    }

    /// An assertion as the suites make it.
    fn assertion(&self, app: &App, key: &Key) -> String {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let jti = format!("{:064x}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let exp = self.world.clock.now().seconds() + 300;
        let aud = &self.smart["token_endpoint"];
        key.sign(&key.header(), &json!({"iss": app.id, "sub": app.id, "aud": aud, "exp": exp, "jti": jti}))
    }

    /// A request to an endpoint with the app's own proof of who it is.
    async fn post(&self, app: &str, endpoint: &str, form: &[(&str, &str)]) -> Answer {
        let app = self.app(app);
        let mut form = pairs(form);
        let mut headers = vec![("accept", "application/json".to_owned())];
        match &app.proof {
            Proof::Public => {
                set(&mut form, "client_id", &app.id);
                headers.push(("origin", "https://suite.test".to_owned()));
            }
            Proof::Secret(secret) => {
                let basic = BASE64.encode(format!("{}:{secret}", app.id).as_bytes());
                headers.push(("authorization", format!("Basic {basic}")));
            }
            Proof::Key(key) => {
                set(&mut form, "client_assertion_type", ASSERTION_TYPE);
                set(&mut form, "client_assertion", &self.assertion(app, key));
            }
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.world.stranger().post_with(self.endpoint(endpoint), &form, &headers).await
    }

    /// The token request for a code, with this verifier.
    async fn redeem(&self, app: &str, code: &str, verifier: Option<&str>) -> Answer {
        let mut form = vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", REDIRECT)];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        self.post(app, "token_endpoint", &form).await
    }

    /// A whole launch; `edit` is what Maria changes on the consent page.
    async fn launch_with(
        &self,
        app: &str,
        scope: &str,
        launch: Option<&str>,
        edit: impl FnOnce(&mut Form),
    ) -> Launched {
        let code = self.code(&self.request(app, scope, launch), edit).await;
        let answer = self.redeem(app, &code, Some(VERIFIER)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        Launched { body: answer.json(), answer }
    }

    async fn launch(&self, app: &str, scope: &str) -> Launched {
        self.launch_with(app, scope, None, |_| {}).await
    }

    /// Opens the app from here for Maria and a visit of hers: the address that the browser is sent to.
    async fn opened(&self, app: &str) -> (url::Url, String) {
        let mut browser = self.maria.clone();
        let page = browser.get(&format!("/launch?person={}", self.maria_id())).await;
        let visit = page.body.split("<option value=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        let visit = visit.filter(|id| id.contains('.')).last().unwrap().to_owned();
        let url = crate::fhir::launch::open(self.world, &mut browser, "maria", &self.app(app).id, Some(&visit)).await;
        (url, visit)
    }

    async fn ehr_launch(&self, app: &str, scope: &str) -> (Launched, String) {
        let (url, visit) = self.opened(app).await;
        let launch = crate::fhir::launch::parameter(&url, "launch");
        (self.launch_with(app, scope, Some(&launch), |_| {}).await, visit)
    }

    async fn refresh(&self, app: &str, token: &str, scope: Option<&str>) -> Answer {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend(scope.map(|scope| ("scope", scope)));
        self.post(app, "token_endpoint", &form).await
    }

    async fn get(&self, path: &str, token: &str) -> Reply {
        self.world.get(&format!("/fhir/{path}"), token).await
    }

    /// Patient and visit of a token answer can be read with its token.
    async fn contexts_are_readable(&self, launched: &Value) {
        let token = launched["access_token"].as_str().unwrap();
        for (name, kind) in [("patient", "Patient"), ("encounter", "Encounter")] {
            let Some(id) = launched[name].as_str() else { continue };
            let read = self.get(&format!("{kind}/{id}"), token).await;
            assert_eq!((read.status, &read.json()["resourceType"]), (200, &json!(kind)), "{name}");
        }
    }
}

/// What a token answer must be, whatever it answers.
#[track_caller]
fn check_token_body(body: &Value) {
    for name in ["access_token", "token_type", "scope"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {body}");
    }
    assert!(body["expires_in"].as_u64().is_some_and(|seconds| seconds > 0), "{body}");
    assert!(body["token_type"].as_str().unwrap().eq_ignore_ascii_case("bearer"));
    for item in body["fhirContext"].as_array().into_iter().flatten() {
        assert!(["reference", "canonical", "identifier"].iter().any(|name| item.get(*name).is_some()), "{item}");
    }
}

#[track_caller]
fn check_token_headers(answer: &Answer) {
    assert!(answer.header("content-type").unwrap().starts_with("application/json"));
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
    assert!(answer.header("pragma").unwrap().contains("no-cache"));
}

#[track_caller]
fn is_among(status: u16, allowed: &[u16], what: &str) {
    assert!(allowed.contains(&status), "{what}: {status}, not one of {allowed:?}");
}
