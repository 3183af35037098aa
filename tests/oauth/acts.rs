//! Every act leaves one entry in the audit trail, written with it: both or neither.

use std::time::Duration;

use chartgate::audit::Acts;
use chartgate::base::clock::{Clock, SharedClock};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::{SeededRandom, SharedRandom};
use chartgate::base::secret::Secret;
use chartgate::config::{SourceAuthentication, SourceEntry, SourceView};
use chartgate::identity::GrantBasis;
use chartgate::oauth::token::TokenKind;
use chartgate::practice::{self, NewAccount, NewGrant, NewLink};
use chartgate::storage::audit::{self, AuditOutcome, AuditRow, Chain, ChainState};
use chartgate::storage::{authorizations, organizations, sessions, sources, tokens};
use sqlx::Connection as _;

use super::world::{PASSWORD, REDIRECT, World, allow, pairs, set};
use crate::support::database::Database;
use crate::support::http::{Answer, Client};

use AuditOutcome::{Denied, Permitted};

#[tokio::test(flavor = "multi_thread")]
async fn s07_every_act_leaves_one_entry_with_ids_and_nothing_else() {
    every_act_leaves_one_entry(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s07_without_its_entry_no_act_is_done() {
    without_its_entry_no_act_is_done(World::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s07_what_the_operator_does_leaves_entries() {
    what_the_operator_does(World::new().await).await;
}

/// The acts so far, the oldest first. Every chain must be whole.
async fn acts(database: &Database) -> Vec<AuditRow> {
    for id in audit::chains(&database.db).await.unwrap() {
        let chain = Chain::new(id, &MasterKey::new([7; 32]));
        let state = audit::verify_chain(&database.db, &chain).await.unwrap();
        assert!(matches!(state, ChainState::Whole { .. }), "{state:?}");
    }
    let mut rows = audit::recent(&database.db, 1_000).await.unwrap();
    rows.reverse();
    rows
}

/// Kind, how, outcome, rule.
type Said<'a> = (&'a str, &'a str, AuditOutcome, &'a str);

fn said(row: &AuditRow) -> Said<'_> {
    let interaction = row.interaction.as_deref().unwrap_or("-");
    (&row.kind, interaction, row.outcome, row.rule.as_deref().unwrap_or("-"))
}

/// The acts since this was asked the last time; time moves on by a second.
struct Watch(usize);

impl Watch {
    async fn new(world: &World) -> Self {
        Self(acts(&world.database).await.len())
    }

    async fn next(&mut self, world: &World, wanted: &[Said<'_>]) -> Vec<AuditRow> {
        world.advance(Duration::from_secs(1));
        let rows = acts(&world.database).await;
        let new = rows[self.0..].to_vec();
        self.0 = rows.len();
        assert_eq!(new.iter().map(said).collect::<Vec<_>>(), wanted, "{new:#?}");
        new
    }
}

async fn try_to_sign_in(browser: &mut Client, username: &str, password: &str) -> Answer {
    let page = browser.get("/sign-in").await;
    let mut form = page.form();
    set(&mut form, "username", Some(username));
    set(&mut form, "password", Some(password));
    browser.post("/sign-in", &form).await
}

pub(crate) async fn every_act_leaves_one_entry(world: World) {
    let (ann, person) = (Some(world.ann), Some(world.ann_person));
    let mut watch = Watch::new(&world).await;
    let registered = world.client("app", false).await;
    let client = Some("app".to_owned());
    let [row] = &watch.next(&world, &[("client", "register", Permitted, "operator")]).await[..] else { panic!() };
    assert_eq!((row.account, &row.client), (None, &client));

    // Sign-in: refused three ways, then let in. Who types a password into the wrong field leaves no trace of it.
    try_to_sign_in(&mut world.browser(), "ann", "wrong").await;
    let [row] = &watch.next(&world, &[("sign-in", "password", Denied, "password")]).await[..] else { panic!() };
    assert_eq!((row.account, row.person), (ann, None));
    try_to_sign_in(&mut world.browser(), "canary-name", "wrong").await;
    let [row] = &watch.next(&world, &[("sign-in", "password", Denied, "unknown")]).await[..] else { panic!() };
    assert_eq!(row.account, None);
    let mut browser = world.browser();
    try_to_sign_in(&mut browser, "ann", PASSWORD).await;
    let [row] = &watch.next(&world, &[("sign-in", "password", Permitted, "-")]).await[..] else { panic!() };
    assert_eq!(row.account, ann);

    // Consent: looking at the page is no act, a decision that cannot stand is none, no is one, yes is one.
    let page = world.consent(&mut browser, &world.request("app")).await;
    let mut nothing = page.form();
    nothing.retain(|(name, _)| name != "scope");
    set(&mut nothing, "decision", Some("allow"));
    assert_eq!(browser.post("/oauth/consent", &nothing).await.status, 422);
    let mut deny = page.form();
    set(&mut deny, "decision", Some("deny"));
    watch.next(&world, &[]).await;
    assert!(browser.post("/oauth/consent", &deny).await.location().contains("access_denied"));
    let [row] = &watch.next(&world, &[("consent", "-", Denied, "user")]).await[..] else { panic!() };
    assert_eq!((row.account, &row.client, &row.object), (ann, &client, &None));
    let code = allow(&mut browser, &page).await.redirected("code").unwrap();
    let [row] = &watch.next(&world, &[("consent", "-", Permitted, "user")]).await[..] else { panic!() };
    assert_eq!((row.account, &row.client, row.person), (ann, &client, person));
    let authorization = row.object.clone().unwrap();
    assert!(authorization.starts_with("Authorization/"));

    // Tokens: a code that is redeemed is an act, and one that is shown wrong or again ends what it stands for.
    let first = world.token(&world.redemption("app", &code)).await.json();
    let tokens_issued = ("token", "authorization_code", Permitted, "-");
    let [row] = &watch.next(&world, &[tokens_issued]).await[..] else { panic!() };
    assert_eq!((row.account, &row.client, row.person), (ann, &client, person));
    assert_eq!(row.object, Some(authorization.clone()));
    let refresh = world.refresh("app", first["refresh_token"].as_str().unwrap());
    let second = world.token(&refresh).await.json();
    let refreshed = ("token", "refresh_token", Permitted, "-");
    watch.next(&world, &[refreshed]).await;
    assert!(world.works(&second["access_token"]).await);
    assert_eq!(world.token(&refresh).await.status, 400);
    let replayed = ("token", "refresh_token", Denied, "refresh-token-replayed");
    let [row] = &watch.next(&world, &[replayed]).await[..] else { panic!() };
    assert_eq!((row.account, &row.client, row.object.clone()), (ann, &client, Some(authorization)));

    let code_misused = ("token", "authorization_code", Denied, "code-misused");
    {
        let code = world.code(&world.request("app")).await;
        let redemption = world.redemption("app", &code);
        world.token(&redemption).await;
        world.advance(Duration::from_secs(5));
        assert_eq!(world.token(&redemption).await.status, 400);
        assert_eq!(world.token(&redemption).await.status, 400, "what is dead dies once");
        let code = world.code(&world.request("app")).await;
        let mut wrong = world.redemption("app", &code);
        set(&mut wrong, "redirect_uri", Some("https://app.test/other?k=v"));
        assert_eq!(world.token(&wrong).await.status, 400);
    }
    let let_in = ("sign-in", "password", Permitted, "-");
    let allowed = ("consent", "-", Permitted, "user");
    watch.next(&world, &[let_in, allowed, tokens_issued, code_misused, let_in, allowed, code_misused]).await;

    // Revocation: of an access token, of everything; of what is dead already, nothing.
    let third = world.launch("app").await;
    watch.next(&world, &[let_in, allowed, tokens_issued]).await;
    let end = async |token: &serde_json::Value| {
        let form = pairs(&[("client_id", "app"), ("token", token.as_str().unwrap())]);
        assert_eq!(world.browser().post("/oauth/revoke", &form).await.status, 200);
    };
    end(&third["access_token"]).await;
    end(&third["access_token"]).await;
    let [row] = &watch.next(&world, &[("revocation", "access_token", Permitted, "client")]).await[..] else { panic!() };
    assert_eq!((row.account, row.person), (ann, person));
    end(&third["refresh_token"]).await;
    end(&third["refresh_token"]).await;
    let [row] = &watch.next(&world, &[("revocation", "refresh_token", Permitted, "client")]).await[..] else {
        panic!()
    };
    assert_eq!((row.account, row.person), (ann, person));

    let home = browser.get("/").await;
    browser.post("/sign-out", &home.form()).await;
    let [row] = &watch.next(&world, &[("sign-out", "-", Permitted, "-")]).await[..] else { panic!() };
    assert_eq!(row.account, ann);

    // Guessing: an entry for each guess that was looked at, then one for the wait, however often somebody knocks.
    for _ in 0..9 {
        try_to_sign_in(&mut world.browser(), "bobby", "wrong").await;
    }
    let guess = ("sign-in", "password", Denied, "password");
    let throttled = ("sign-in", "password", Denied, "throttled");
    let rows = watch.next(&world, &[guess, guess, guess, guess, guess, throttled]).await;
    assert!(rows.iter().all(|row| row.account.is_some() && row.account != ann));

    let text = format!("{:?}", acts(&world.database).await);
    let secrets = ["access_token", "refresh_token"].map(|name| first[name].as_str().unwrap().to_owned());
    for never in ["canary-name", PASSWORD, "wrong", "O'Neil", REDIRECT, "ann\"", &code, &secrets[0], &secrets[1]] {
        assert!(!text.contains(never), "{never} stands in the audit trail");
    }
    assert!(registered.secret.is_none());
}

/// Takes the table of entries away, or brings it back, as a disk that fails would: for nobody else but them.
async fn break_audit(database: &Database, broken: bool) {
    let sql = match broken {
        true => "ALTER TABLE audit_blocks RENAME TO audit_gone",
        false => "ALTER TABLE audit_gone RENAME TO audit_blocks",
    };
    if database.is_sqlite() {
        let url = format!("sqlite:{}", database.file().display());
        let mut raw = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    } else {
        let mut raw = sqlx::PgConnection::connect(&database.server_url()).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    }
}

pub(crate) async fn without_its_entry_no_act_is_done(world: World) {
    world.client("app", false).await;
    let mut browser = world.browser();
    try_to_sign_in(&mut browser, "ann", PASSWORD).await;
    let page = world.consent(&mut browser, &world.request("app")).await;
    let code = allow(&mut browser, &page).await.redirected("code").unwrap();
    let launched = world.launch("app").await;
    let before = acts(&world.database).await.len();
    break_audit(&world.database, true).await;

    let mut other = world.browser();
    assert_eq!(try_to_sign_in(&mut other, "ann", PASSWORD).await.status, 503);
    assert!(!other.cookies.contains_key("chartgate-session"), "nobody is let in");
    assert_eq!(try_to_sign_in(&mut world.browser(), "ann", "wrong").await.status, 503);
    assert_eq!(allow(&mut browser, &page).await.status, 503);
    assert_eq!(world.token(&world.redemption("app", &code)).await.status, 503);
    let refresh = world.refresh("app", launched["refresh_token"].as_str().unwrap());
    assert_eq!(world.token(&refresh).await.status, 503);
    for kind in ["access_token", "refresh_token"] {
        let form = pairs(&[("client_id", "app"), ("token", launched[kind].as_str().unwrap())]);
        assert_eq!(world.browser().post("/oauth/revoke", &form).await.status, 503, "{kind}");
    }
    let home = browser.get("/").await;
    assert_eq!(browser.clone().post("/sign-out", &home.form()).await.status, 503);
    let new = chartgate::authorization::NewClient {
        id: chartgate::oauth::client::ClientId::parse("late"),
        name: "Late".to_owned(),
        redirect_uris: vec![REDIRECT.to_owned()],
        launch_uri: None,
        scopes: super::world::scopes("openid"),
        ..Default::default()
    };
    assert!(world.server.register_client(new.clone()).await.is_err());

    break_audit(&world.database, false).await;
    assert_eq!(acts(&world.database).await.len(), before, "no entry of what was not done");
    // Everything stands as it stood: the session, the code, both tokens; nothing new does.
    assert_eq!(browser.get("/").await.status, 200);
    let db = &world.database.db;
    let hash = TokenKind::Code.hash(&code).unwrap();
    assert_eq!(authorizations::code(db, &hash).await.unwrap().unwrap().redeemed, None);
    assert!(world.works(&launched["access_token"]).await);
    assert_eq!(world.token(&world.redemption("app", &code)).await.status, 200);
    let old = TokenKind::Refresh.hash(launched["refresh_token"].as_str().unwrap()).unwrap();
    assert_eq!(tokens::refresh(db, &old).await.unwrap().unwrap().used, None);
    assert_eq!(world.token(&refresh).await.status, 200);
    let session = TokenKind::Session.hash(&browser.cookies["chartgate-session"]).unwrap();
    assert!(sessions::get(db, &session).await.unwrap().is_some());
    assert!(world.server.register_client(new).await.is_ok(), "the id is free");
}

pub(crate) async fn what_the_operator_does(world: World) {
    let clock: SharedClock = world.clock.clone();
    let random: SharedRandom = std::sync::Arc::new(SeededRandom::new(99));
    let master_key = MasterKey::new([7; 32]);
    // A command is a process of its own, with a chain of its own.
    let command = Acts::begin(world.database.second().await, &master_key, &*random).await.unwrap();
    let accounts =
        chartgate::accounts::Accounts::new(command.clone(), clock.clone(), random.clone(), &master_key, &world.config);
    let mut watch = Watch::new(&world).await;
    let added = |kind| (kind, "add", Permitted, "operator");
    let object = |rows: &[AuditRow]| rows[0].object.clone().unwrap_or_default();

    let organization = practice::connect_organization(&command, "New <b>", &[], &clock, &random).await.unwrap();
    let rows = watch.next(&world, &[added("organization")]).await;
    assert_eq!(object(&rows), format!("Organization/{organization}"));
    practice::connect_organization(&command, "New <b>", &[], &clock, &random).await.unwrap();
    watch.next(&world, &[]).await;
    let mut entry = SourceEntry {
        organization: "new".to_owned(),
        name: "EHR".to_owned(),
        base_url: "https://ehr.new.test/fhir".to_owned(),
        vendor: "generic".to_owned(),
        authentication: SourceAuthentication::None,
        view: SourceView::Patient,
        private_addresses: vec![],
        ca_file: None,
    };
    let key = practice::connect_source(&command, organization, &entry, &clock, &random).await.unwrap();
    let rows = watch.next(&world, &[added("source")]).await;
    assert_eq!(object(&rows), format!("Source/{key}"));
    practice::connect_source(&command, organization, &entry, &clock, &random).await.unwrap();
    watch.next(&world, &[]).await;
    entry.view = SourceView::System;
    practice::connect_source(&command, organization, &entry, &clock, &random).await.unwrap();
    watch.next(&world, &[("source", "update", Permitted, "operator")]).await;

    let now = || world.clock.now();
    let person = practice::person(&command, &*random, now()).await.unwrap();
    let rows = watch.next(&world, &[added("person")]).await;
    assert_eq!(rows[0].person, Some(person));
    let new = NewLink { person, source: key, patient: "canary-chart".to_owned(), rank: 0, demographics: None };
    let link = practice::link(&command, &*random, now(), new.clone()).await.unwrap();
    let rows = watch.next(&world, &[added("link")]).await;
    assert_eq!((rows[0].person, object(&rows)), (Some(person), format!("Link/{link}")));
    assert!(practice::link(&command, &*random, now(), new.clone()).await.is_err(), "linked already");
    watch.next(&world, &[]).await;
    let password = Secret::new("a password that is long enough".to_owned());
    let account = NewAccount { username: "canary-name", password: &password, person: Some(person) };
    let account = practice::account(&command, &accounts, &*random, now(), account).await.unwrap();
    let rows = watch.next(&world, &[added("account")]).await;
    assert_eq!((rows[0].person, object(&rows)), (Some(person), format!("Account/{account}")));
    let new_grant = NewGrant { account, person: world.child, basis: GrantBasis::Parent };
    let grant = practice::grant(&command, &*random, now(), new_grant).await.unwrap();
    let rows = watch.next(&world, &[added("grant")]).await;
    assert_eq!((rows[0].person, object(&rows)), (Some(world.child), format!("Grant/{grant}")));
    let text = format!("{:?}", acts(&world.database).await);
    for never in ["canary", "New <b>", "ehr.new.test", "long enough"] {
        assert!(!text.contains(never), "{never} stands in the audit trail");
    }

    // And nothing of it without an entry.
    break_audit(&world.database, true).await;
    assert!(practice::person(&command, &*random, now()).await.is_err());
    let elsewhere = NewLink { patient: "p2".to_owned(), ..new };
    assert!(practice::link(&command, &*random, now(), elsewhere.clone()).await.is_err());
    assert!(practice::connect_organization(&command, "Another", &[], &clock, &random).await.is_err());
    entry.view = SourceView::Patient;
    assert!(practice::connect_source(&command, organization, &entry, &clock, &random).await.is_err());
    assert!(practice::grant(&command, &*random, now(), new_grant).await.is_err());
    break_audit(&world.database, false).await;
    let db = &world.database.db;
    assert!(organizations::all(db).await.unwrap().iter().all(|one| one.name != "Another"));
    let stored = sources::all(db).await.unwrap().into_iter().find(|source| source.key == key).unwrap();
    assert_eq!(stored.view, SourceView::System);
    assert!(practice::link(&command, &*random, now(), elsewhere).await.is_ok());
}
