//! Who was let in to one practice, or kept out of it, sees the same and nothing more when practices merge, part or close;
//! what waited goes along, and a closed practice takes nothing in.

use std::collections::{BTreeMap, BTreeSet};

use chartgate::base::clock::Clock;
use chartgate::base::id::{GrantId, ProxyRequestId};
use chartgate::base::random::SystemRandom;
use chartgate::consent::{GrantScope, Level, RuleKind};
use chartgate::identity::{
    Demographics, GrantBasis, Link, Period, ProxyDraft, ProxyRequest, RequestOrigin, RequestState,
};
use chartgate::organization::{Mapping, SourceKey};
use chartgate::practice::{Absorbed, MergerError, NewGrant, NewRule};
use chartgate::storage::consent::PolicyChoice;
use chartgate::storage::staff_tasks::{self, StaffTaskKind};
use chartgate::storage::{StorageError, consent, generations, invitations, links, proxy_requests};
use serde_json::{Value, json};

use super::mergers::{acts, copy_to_lakeside, source};
use super::tightened::daniel_with_mail;
use super::*;
use crate::support::world::{EVERYTHING, run};

/// Maria's record at the second practice.
const MARIA_THERE: &str = "eOsiVk1epxVyzWTMpuxrVjxnFZLPFhDSaK-73y9Vv4N6F1dDbPpvbyauP2x";

/// Both practices; Maria at both, Amara and Zoe (15 years old) at Riverside; and people who act for them.
pub(super) async fn family() -> World {
    let (practices, _) = fixtures();
    let place = |practice: &str, patient: &str| (practice.to_owned(), patient.to_owned());
    let spec = |key: &str, links| PersonSpec { key: key.to_owned(), links };
    let mut persons = vec![
        spec("maria", vec![place("riverside", "pat-1001"), place("lakeside", MARIA_THERE)]),
        spec("amara", vec![place("riverside", "pat-1009")]),
        spec("zoe", vec![place("riverside", "pat-1005")]),
    ];
    let others = ["out", "only", "lake", "whole", "marcus", "clerk", "registrar", "officer", "boss", "other"];
    persons.extend(others.map(|key| spec(key, Vec::new())));
    let world = World::start(practices, persons, Limits::default()).await;
    for (key, practice, role) in [
        ("clerk", "riverside", StaffRole::FrontDesk),
        ("registrar", "riverside", StaffRole::ProxyRegistrar),
        ("officer", "riverside", StaffRole::PrivacyOfficer),
        ("other", "lakeside", StaffRole::FrontDesk),
    ] {
        appoint(&world, key, practice, role).await;
    }
    world
}

/// Lets `out` (all but Riverside), `only` (Riverside alone), `lake` (Lakeside alone) and `whole` see the record of Maria and
/// Amara, and Marcus, as a parent, that of Zoe.
pub(super) async fn let_in(world: &World) {
    let (riverside, lakeside) = (organization(world, "riverside").await, organization(world, "lakeside").await);
    let view = || GrantScope::of_basis(GrantBasis::PatientConsent);
    let scopes = [
        ("out", GrantScope { without_organizations: [riverside].into(), ..view() }),
        ("only", GrantScope { organizations: Some([riverside].into()), ..view() }),
        ("lake", GrantScope { organizations: Some([lakeside].into()), ..view() }),
        ("whole", view()),
    ];
    for person in ["maria", "amara"] {
        for (holder, scope) in &scopes {
            let grant = grant(world, holder, person, GrantBasis::PatientConsent).await;
            let (acts, now) = (&world.app.acts, world.clock.now());
            practice::limit_grant(acts, &SystemRandom::default(), now, grant, scope.clone()).await.unwrap();
        }
    }
    let parent = grant(world, "marcus", "zoe", GrantBasis::Parent).await;
    let scope = GrantScope { organizations: Some([riverside].into()), ..GrantScope::whole(Level::Manage) };
    practice::limit_grant(&world.app.acts, &SystemRandom::default(), world.clock.now(), parent, scope).await.unwrap();
}

async fn grant(world: &World, holder: &str, person: &str, basis: GrantBasis) -> GrantId {
    let new = NewGrant { account: world.account(holder).await, person: world.person(person).id, basis };
    practice::grant(&world.app.acts, &SystemRandom::default(), world.clock.now(), new).await.unwrap()
}

/// Observations that somebody sees of a person, by source.
async fn seen(world: &World, holder: &str, person: &str) -> BTreeMap<String, usize> {
    let token = world.token_for(holder, person, "app", EVERYTHING).await;
    let mut found = BTreeMap::new();
    for page in world.pages("/fhir/Observation?_count=100", &token).await {
        for id in page.ids() {
            *found.entry(id.split_once('.').unwrap().0.to_owned()).or_insert(0) += 1;
        }
    }
    found
}

/// What a parent sees of a teenager: ids by type.
async fn seen_of_teen(world: &World) -> BTreeSet<String> {
    let token = world.token_for("marcus", "zoe", "app", EVERYTHING).await;
    let mut found = BTreeSet::new();
    for kind in ["Observation", "Immunization", "AllergyIntolerance", "Condition", "Encounter", "Patient"] {
        found.extend(
            world.get(&format!("/fhir/{kind}"), &token).await.ids().into_iter().map(|id| format!("{kind}/{id}")),
        );
    }
    found
}

async fn choose(world: &World, practice: &str, policy: &str, zone: &str) {
    let id = organization(world, practice).await;
    let choice = PolicyChoice { policy: policy.to_owned(), time_zone: zone.to_owned() };
    let (acts, now) = (&world.app.acts, world.clock.now());
    practice::adopt_consent_policy(acts, &SystemRandom::default(), now, id, choice).await.unwrap();
}

/// Sources follow within a second.
async fn settled() {
    tokio::time::sleep(Duration::from_millis(1_200)).await;
}

fn mapping(world: &World, rows: &[(&str, &str)]) -> Mapping {
    let rows = rows.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
    Mapping { from: source(world, "riverside"), into: source(world, "lakeside"), rows, digest: [7; 32] }
}

async fn absorb(world: &World, rows: &[(&str, &str)], accepts: bool) -> Result<Absorbed, MergerError> {
    let (from, into) = (organization(world, "riverside").await, organization(world, "lakeside").await);
    world.app.mergers.absorb(from, into, mapping(world, rows), accepts).await
}

async fn tasks_at_lakeside(world: &World) -> Vec<StaffTaskKind> {
    let lakeside = organization(world, "lakeside").await;
    staff_tasks::open(&world.app.db, lakeside).await.unwrap().into_iter().map(|task| task.kind).collect()
}

/// A request whose draft names a practice, as an own word does.
async fn ask(world: &World, practice: &str, scope: GrantScope) -> ProxyRequestId {
    let id = ProxyRequestId::mint(&SystemRandom::default());
    let request = ProxyRequest {
        id,
        organization: organization(world, practice).await,
        origin: RequestOrigin::Patient,
        asked_by: world.account("maria").await,
        asked: world.clock.now(),
        person: Some(world.person("maria").id),
        chart: Some((source(world, "riverside"), "pat-1001".to_owned())),
        said: Demographics { family: "Alvarez".into(), given: vec!["Maria".into()], birth_date: "1964-03-12".into() },
        draft: ProxyDraft {
            basis: "patient-consent".to_owned(),
            family: "Cole".to_owned(),
            given: "Sam".to_owned(),
            birth_date: None,
            until: None,
            scope: Some(serde_json::to_string(&scope).unwrap()),
            person: Some(world.person("maria").id),
            is_own_word: true,
            sources: None,
        },
        document: None,
        proofing: None,
        silent: None,
        approved: None,
        state: RequestState::Waiting,
        decided: None,
        reason: None,
        note: None,
        invitation: None,
    };
    let stored = request.clone();
    let done: Result<(), StorageError> =
        world.app.db.write(move |tx| Box::pin(async move { proxy_requests::insert(tx, &stored).await })).await;
    done.unwrap();
    id
}

/// A code from the registrar for somebody who acts for Maria.
async fn proxy_code(world: &World, family: &str) -> String {
    let mut registrar = at_work(world, "registrar").await;
    let fields = [("proxy_family", family), ("proxy_given", "Ada"), ("basis", "guardian-minor")];
    code_of(&verify(&mut registrar, "MRN-334600", &fields).await)
}

async fn acts_for_maria(world: &World, code: &str, username: &str) -> (u16, Option<GrantScope>) {
    let mut browser = stranger(world);
    let ready = answer(&mut browser, code, "1964-03-12", "Lund").await;
    if ready.status != 303 {
        return (ready.status, None);
    }
    let confirm = new_account(&mut browser, username).await;
    let done = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
    let account = accounts::by_username(&world.app.db, &Username::new(username).unwrap()).await.unwrap().unwrap();
    let grants = chartgate::storage::grants::of_account(&world.app.db, account.id).await.unwrap();
    let scope = match grants.first() {
        Some(grant) => consent::scope(&world.app.db, grant.id).await.unwrap(),
        None => None,
    };
    (done.status, scope)
}

#[test]
fn nobody_sees_more_or_loses_what_was_theirs_when_a_practice_is_absorbed() {
    run(async {
        let world = family().await;
        let_in(&world).await;
        choose(&world, "riverside", "us-ca", "America/Los_Angeles").await;
        settled().await;
        let (here, there) = (world.practice("riverside").source.clone(), world.practice("lakeside").source.clone());
        let before: BTreeMap<&str, BTreeMap<String, usize>> = {
            let mut all = BTreeMap::new();
            for holder in ["out", "only", "lake", "whole"] {
                all.insert(holder, seen(&world, holder, "maria").await);
            }
            all
        };
        let keys = |holder: &str| before[holder].keys().cloned().collect::<Vec<_>>();
        assert_eq!((keys("out"), keys("only")), (vec![there.clone()], vec![here.clone()]));
        assert_eq!((keys("lake"), keys("whole").len()), (vec![there.clone()], 2));
        let teen = seen_of_teen(&world).await;
        assert!(
            teen.iter().any(|id| id.starts_with("Patient/")) && !teen.iter().any(|id| id.starts_with("Immunization/"))
        );
        let waiting = proxy_code(&world, "Lund").await;
        let riverside = organization(&world, "riverside").await;
        let left_out = GrantScope { without_organizations: [riverside].into(), ..GrantScope::whole(Level::View) };
        let asked = ask(&world, "riverside", left_out).await;

        // Other rules would hold for these records: nothing is done, and what would change is said.
        let Err(MergerError::Differs(changes)) = absorb(&world, &[], false).await else { panic!("absorbed") };
        let changes = changes.join("\n");
        assert!(changes.contains("consent policy standard instead of us-ca"), "{changes}");
        assert!(changes.contains("time zone UTC instead of America/Los_Angeles"), "{changes}");
        assert!(changes.contains("LOOSER: 12 years") && changes.contains("immunizations"), "{changes}");
        assert_eq!(organization(&world, "riverside").await, riverside);
        assert_eq!(seen_of_teen(&world).await, teen, "still by the old rules");
        // Where both follow the same rules, it needs no more words, and a teenager's rules go along.
        choose(&world, "lakeside", "us-ca", "America/Los_Angeles").await;
        let second = world.another_process().await;
        let generation = generations::current(&world.app.db).await.unwrap();
        let done = absorb(&world, &[], false).await.unwrap();
        assert_eq!((done.changes.len(), done.leave.left_out, done.leave.limited), (0, 2, 5), "{done:?}");
        assert!(generations::current(&world.app.db).await.unwrap() > generation, "every process decides anew");
        for moment in ["at once", "when sources followed"] {
            assert_eq!(seen(&world, "out", "maria").await, BTreeMap::new(), "{moment}: what was left out is there now");
            for holder in ["only", "lake", "whole"] {
                assert_eq!(seen(&world, holder, "maria").await, before[holder], "{holder} {moment}");
            }
            assert_eq!(seen_of_teen(&world).await, teen, "{moment}");
            settled().await;
        }
        let token = world.token_for("out", "maria", "app", EVERYTHING).await;
        let other = world.http.get(format!("{second}/Observation")).bearer_auth(&token).send().await.unwrap();
        let other: Value = serde_json::from_str(&other.text().await.unwrap()).unwrap();
        let shown = other["entry"].as_array().into_iter().flatten().filter(|entry| entry["search"]["mode"] == "match");
        assert_eq!(shown.count(), 0, "in another process, too");

        // What waits says the same, and is Lakeside's to decide.
        let request = proxy_requests::by_id(&world.app.db, asked).await.unwrap().unwrap();
        assert_eq!(request.organization, organization(&world, "lakeside").await);
        let scope: Value = serde_json::from_str(request.draft.scope.as_deref().unwrap()).unwrap();
        let mut named: Vec<_> =
            scope["without_sources"].as_array().unwrap().iter().map(|k| k.as_str().unwrap()).collect();
        named.sort_unstable();
        let mut keys = [here.as_str(), there.as_str()];
        keys.sort_unstable();
        assert_eq!((named.as_slice(), &scope["without_organizations"]), (&keys[..], &json!([])));
        // Leave that staff gave before is for what the practice had.
        let (status, scope) = acts_for_maria(&world, &waiting, "ada").await;
        let scope = scope.unwrap();
        assert_eq!(
            (status, scope.organizations, scope.sources),
            (303, Some(BTreeSet::new()), [source(&world, "riverside")].into())
        );
    });
}

#[test]
fn who_did_not_see_a_record_does_not_see_it_where_it_is_brought() {
    run(async {
        let world = family().await;
        let_in(&world).await;
        let there = world.practice("lakeside").source.clone();
        let (whole, lake) = (seen(&world, "whole", "maria").await, seen(&world, "lake", "maria").await);
        let unused = proxy_code(&world, "Lund").await;
        copy_to_lakeside(&world, "pat-1009", "lks-9009").await;
        absorb(&world, &[("pat-1001", MARIA_THERE), ("pat-1009", "lks-9009")], false).await.unwrap();
        // Where a record cannot be told from the other practice's any more, only who saw both goes on seeing.
        world.app.bring_links().await.unwrap();
        assert!(links::active_at(&world.app.db, source(&world, "lakeside"), "lks-9009").await.unwrap().is_some());
        assert!(links::active_at(&world.app.db, source(&world, "riverside"), "pat-1001").await.unwrap().is_none());
        settled().await;
        assert_eq!(seen(&world, "whole", "maria").await, BTreeMap::from([(there.clone(), whole[&there])]));
        assert_eq!(seen(&world, "lake", "maria").await, lake);
        assert_eq!((seen(&world, "only", "maria").await, seen(&world, "out", "maria").await), Default::default());
        for (holder, sees) in [("whole", 1), ("lake", 0), ("only", 0), ("out", 0)] {
            let token = world.token_for(holder, "amara", "app", EVERYTHING).await;
            assert_eq!(world.get("/fhir/Patient", &token).await.matches().len(), sees, "{holder}");
        }
        let tasks = tasks_at_lakeside(&world).await;
        assert_eq!(tasks.iter().filter(|kind| **kind == StaffTaskKind::ReconfirmProxy).count(), 2, "{tasks:?}");
        assert_eq!(acts_for_maria(&world, &unused, "eda").await.0, 200, "such a code has ended");
    });
}

#[test]
fn other_rules_hold_only_where_that_is_said_and_kept_items_keep_a_record_where_it_is() {
    run(async {
        let world = family().await;
        let_in(&world).await;
        choose(&world, "riverside", "us-ca", "America/Los_Angeles").await;
        settled().await;
        let strict = seen_of_teen(&world).await;
        // Something that staff keep from those who act for Amara: known by its id at Riverside.
        let kind = RuleKind::Flag {
            source: world.practice("riverside").source.clone(),
            resource_type: "Observation".to_owned(),
            id: "kept".to_owned(),
        };
        let period = Period { from: world.clock.now(), until: None };
        let new = NewRule { person: world.person("amara").id, kind, period, evidence: "note".to_owned(), by: None };
        practice::lay_down(&world.app.acts, &SystemRandom::default(), world.clock.now(), new).await.unwrap();
        copy_to_lakeside(&world, "pat-1009", "lks-9009").await;
        let done = absorb(&world, &[("pat-1009", "lks-9009")], true).await.unwrap();
        assert!(done.changes.iter().any(|line| line.starts_with("LOOSER: 12 years")), "{:?}", done.changes);
        settled().await;
        let loose = seen_of_teen(&world).await;
        assert!(loose.is_superset(&strict) && loose.len() > strict.len(), "{loose:?}");
        // Brought over, it would be seen: the desk is asked instead.
        world.app.bring_links().await.unwrap();
        assert!(links::active_at(&world.app.db, source(&world, "riverside"), "pat-1009").await.unwrap().is_some());
        let acts = acts(&world).await;
        assert!(acts.iter().any(|act| act == "link absorbed"), "{acts:?}");
        assert!(tasks_at_lakeside(&world).await.contains(&StaffTaskKind::Reconfirm));
    });
}

#[test]
fn a_practice_that_parts_keeps_its_rules_and_everybodys_leave() {
    run(async {
        let world = family().await;
        let_in(&world).await;
        choose(&world, "riverside", "us-ca", "America/Los_Angeles").await;
        settled().await;
        let mut before = Vec::new();
        for holder in ["out", "only", "lake", "whole"] {
            before.push((holder, seen(&world, holder, "maria").await));
        }
        let teen = seen_of_teen(&world).await;
        daniel_with_mail(&world).await;
        let told = async || {
            let mails = world.mails().await;
            mails
                .iter()
                .filter(|mail| mail.to == "daniel@example.org" && mail.subject.contains("something new"))
                .count()
        };
        let asked = ask(&world, "riverside", GrantScope::whole(Level::View)).await;
        let code = proxy_code(&world, "Lund").await;
        let key = source(&world, "riverside");
        let old = organization(&world, "riverside").await;
        let new = world.app.mergers.split(key, "Riverside Surgery").await.unwrap();
        for moment in ["at once", "when sources followed"] {
            for (holder, known) in &before {
                assert_eq!(seen(&world, holder, "maria").await, *known, "{holder} {moment}");
            }
            assert_eq!(seen_of_teen(&world).await, teen, "{moment}");
            settled().await;
        }
        assert_eq!(told().await, 1);
        let db = &world.app.db;
        assert_eq!(consent::policy(db, new).await.unwrap(), consent::policy(db, old).await.unwrap());
        // What waits for the source waits for whose it is now.
        assert_eq!(proxy_requests::by_id(db, asked).await.unwrap().unwrap().organization, new);
        let (_, scope) = acts_for_maria(&world, &code, "ada").await;
        assert_eq!(scope.unwrap().organizations, Some([new].into()));

        // It closes: nothing is shown, nothing waits, and nothing new comes in.
        world.app.mergers.close(new).await.unwrap();
        assert_eq!(told().await, 2);
        assert_eq!(
            seen(&world, "whole", "maria").await.keys().collect::<Vec<_>>(),
            [&world.practice("lakeside").source]
        );
        assert_eq!(proxy_requests::by_id(db, asked).await.unwrap().unwrap().state, RequestState::Refused);
        assert!(staff_tasks::open(db, new).await.unwrap().is_empty());
        let mut browser = world.browser("boss").await;
        let page = browser.get(&format!("/claim?organization={old}")).await;
        let fields = [("given", "Daniel"), ("family", "Okafor"), ("birth_date", "1991-04-14"), ("number", "994045")];
        let there = organization(&world, "lakeside").await.to_string();
        let mut form = page.form_to("/claim");
        form.retain(|(name, _)| name != "organization" && fields.iter().all(|(field, _)| field != name));
        form.extend(fields.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let claim = |id: String| {
            let mut form = form.clone();
            form.push(("organization".to_owned(), id));
            form
        };
        assert_eq!(browser.post("/claim", &claim(there)).await.status, 200);
        let refused = browser.post("/claim", &claim(new.to_string())).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        let ask = ProxyRequest {
            organization: new,
            id: ProxyRequestId::mint(&SystemRandom::default()),
            ..request(&world, asked).await
        };
        let refused: Result<(), StorageError> =
            db.write(move |tx| Box::pin(async move { proxy_requests::insert(tx, &ask).await })).await;
        assert_eq!(refused, Err(StorageError::ReferenceMissing));
        let known = invitations::of_organization(db, new).await.unwrap().remove(0);
        let again = chartgate::identity::Invitation {
            id: chartgate::base::id::InvitationId::mint(&SystemRandom::default()),
            state: chartgate::identity::InvitationState::Issued,
            ..known
        };
        let refused: Result<(), StorageError> =
            db.write(move |tx| Box::pin(async move { invitations::insert(tx, &[9; 32], &again, false).await })).await;
        assert_eq!(refused, Err(StorageError::ReferenceMissing));
        // Each whose link was frozen finds that in their history.
        let maria = chartgate::storage::audit::of_person(db, world.person("maria").id, 200).await.unwrap();
        let froze =
            maria.iter().find(|row| row.interaction.as_deref() == Some("freeze")).expect("an entry about Maria");
        assert_eq!(froze.rule.as_deref(), Some("organization-closed"));
    });
}

async fn request(world: &World, id: ProxyRequestId) -> ProxyRequest {
    proxy_requests::by_id(&world.app.db, id).await.unwrap().unwrap()
}

pub(super) async fn link_of(world: &World, person: &str, practice: &str) -> Link {
    let key: SourceKey = source(world, practice);
    let all = links::of_person(&world.app.db, world.person(person).id).await.unwrap();
    all.into_iter().find(|link| link.source == key).unwrap()
}

/// Sends one of the forms of the queue that lead there, for this link.
pub(super) async fn about_link(staff: &mut Browser, path: &str, link: &Link) -> Answer {
    let page = staff.get("/clinic/queue").await;
    let mut form = page.form_to("/clinic/work/end");
    form.push(("link".to_owned(), link.id.to_string()));
    staff.post(path, &form).await
}

#[test]
fn what_staff_stopped_is_not_opened_by_another_code_or_claim_until_they_decide() {
    run(async {
        let world = family().await;
        let mut officer = at_work(&world, "officer").await;
        let desk = officer.get("/clinic").await;
        let found = submit(&mut officer, &desk, "/clinic/find", &[("number", "MRN-334600")]).await;
        assert_eq!(submit(&mut officer, &found, "/clinic/links/freeze", &[]).await.status, 200);
        let link = link_of(&world, "maria", "riverside").await;
        assert!(!link.state.is_active());
        let before = world.mails().await.len();

        // A code for the record: not for whom it was linked to, nor for anybody else.
        let own = own_code(&world, "MRN-334600").await;
        let mut maria = world.browser("maria").await;
        assert_eq!(answer(&mut maria, &own, "1964-03-12", "Alvarez").await.location(), "/invite/confirm");
        let confirm = maria.get("/invite/confirm").await;
        let held = submit(&mut maria, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert!(held.status != 303 || held.location() != "/", "{}", held.body);
        let again = own_code(&world, "MRN-334600").await;
        let mut browser = stranger(&world);
        assert_eq!(answer(&mut browser, &again, "1964-03-12", "Alvarez").await.location(), "/invite/account");
        let confirm = new_account(&mut browser, "somebody").await;
        let held = submit(&mut browser, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert!(held.status != 303 || held.location() != "/", "{}", held.body);
        let code = proxy_code(&world, "Lund").await;
        let (status, scope) = acts_for_maria(&world, &code, "ada").await;
        assert!(status != 303 && scope.is_none(), "{status}");
        // A claim that would match waits for staff, and they cannot let it through either.
        let mut browser = world.browser("boss").await;
        let id = organization(&world, "riverside").await;
        let page = browser.get(&format!("/claim?organization={id}")).await;
        let says = [("given", "Maria"), ("family", "Alvarez"), ("birth_date", "1964-03-12"), ("number", "334600")];
        let said = submit(&mut browser, &page, "/claim", &says).await;
        world.app.claims.look().await.unwrap();
        let mails = world.mails().await;
        let code = mails.last().unwrap().text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 6);
        let typed = submit(&mut browser, &said, "/claim/code", &[("code", code.unwrap())]).await;
        assert_ne!((typed.status, typed.header("location")), (303, Some("/")), "{}", typed.body);
        let mut clerk = at_work(&world, "clerk").await;
        let queue = clerk.get("/clinic/queue").await;
        let refused = submit(&mut clerk, &queue, "/clinic/queue/decide", &[("answer", "accept")]).await;
        assert_eq!(refused.status, 422, "{}", refused.body);
        let all = links::of_person(&world.app.db, world.person("maria").id).await.unwrap();
        assert_eq!(all.iter().filter(|link| link.state.is_active()).count(), 1, "Lakeside alone: {all:?}");
        assert!(links::active_at(&world.app.db, link.source, &link.patient).await.unwrap().is_none());

        // Nobody frees the record of one who died, or one that became another.
        let practice = world.practice("riverside");
        let known = practice.find("Patient", "pat-1001").unwrap().clone();
        let put = async |patient: &Value| {
            let url = format!("{}/Patient/pat-1001", practice.base_url);
            let sent = world.http.put(url).header("content-type", "application/fhir+json").body(patient.to_string());
            assert!(sent.send().await.unwrap().status().is_success());
            world.clock.advance(Duration::from_secs(120));
        };
        for (name, value) in [
            ("deceasedBoolean", json!(true)),
            ("deceasedDateTime", json!("2026-09-01")),
            ("link", json!([{"type": "replaced-by", "other": {"reference": "Patient/pat-1009"}}])),
            ("active", json!(false)),
        ] {
            let mut changed = known.clone();
            changed[name] = value;
            put(&changed).await;
            let refused = about_link(&mut officer, "/clinic/links/free", &link).await;
            assert_eq!(refused.status, 422, "{name}: {}", refused.body);
        }
        put(&known).await;
        // The privacy officer finds it in the queue, and nobody else does.
        assert!(!clerk.get("/clinic/queue").await.body.contains("/clinic/links/end"));
        assert_eq!(about_link(&mut clerk, "/clinic/links/end", &link).await.status, 403);
        let queue = officer.get("/clinic/queue").await;
        assert!(queue.body.contains("Stopped since"), "{}", queue.body);
        let ended = submit(&mut officer, &queue, "/clinic/links/end", &[]).await;
        assert_eq!(ended.location(), "/clinic/queue", "{}", ended.body);
        assert!(officer.get("/clinic/queue").await.body.contains("Ended as wrong since"));
        assert_eq!(about_link(&mut officer, "/clinic/links/end", &link).await.status, 404, "once");
        let code = own_code(&world, "MRN-334600").await;
        let ready = answer(&mut maria, &code, "1964-03-12", "Alvarez").await;
        assert_eq!(ready.location(), "/invite/confirm", "{}", ready.body);
        let confirm = maria.get("/invite/confirm").await;
        let done = submit(&mut maria, &confirm, "/invite/confirm", &[("answer", "yes")]).await;
        assert_eq!((done.status, done.location()), (303, "/"), "{}", done.body);
        assert!(before > 0 || !acts(&world).await.is_empty());
        assert!(acts(&world).await.iter().any(|act| act == "link end"));
    });
}

#[test]
fn the_privacy_officer_sees_what_was_looked_at_of_their_own_practice_and_only_of_a_link_that_is_wrong() {
    run(async {
        let world = family().await;
        let token = world.token("maria").await;
        let found = world.get("/fhir/Condition?_count=200", &token).await.ids();
        let key = &world.practice("riverside").source;
        let (here, all) = (found.iter().filter(|id| id.starts_with(key.as_str())).count(), found.len());
        assert!(here > 0 && here < all, "both practices answered: {found:?}");
        // Something of the other practice alone.
        let other = found.iter().find(|id| !id.starts_with(key.as_str())).unwrap();
        assert_eq!(world.get(&format!("/fhir/Condition/{other}"), &token).await.status, 200);
        let mut officer = at_work(&world, "officer").await;
        let link = link_of(&world, "maria", "riverside").await;
        let refused = about_link(&mut officer, "/clinic/links/exposure", &link).await;
        assert_eq!(refused.status, 422, "it flows as it should: {}", refused.body);
        // Entries of reads wait a moment before they are stored.
        let stored = async || {
            let rows =
                chartgate::storage::audit::of_person(&world.app.db, world.person("maria").id, 200).await.unwrap();
            rows.into_iter().filter(|row| row.kind == "fhir").count()
        };
        for _ in 0..500 {
            if stored().await >= 2 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let desk = officer.get("/clinic").await;
        let found = submit(&mut officer, &desk, "/clinic/find", &[("number", "MRN-334600")]).await;
        submit(&mut officer, &found, "/clinic/links/freeze", &[]).await;
        let seen = about_link(&mut officer, "/clinic/links/exposure", &link).await;
        assert_eq!(seen.status, 200, "{}", seen.body);
        let looks: Vec<&str> = seen.body.lines().filter(|line| line.contains(" of Condition,")).collect();
        assert_eq!(looks.len(), 1, "{looks:?}");
        assert!(looks[0].contains(&format!(": {here} of Condition, by whoever it was linked to")), "{looks:?}");
        // Of a link that its holder did not want any more nothing is told.
        let queue = officer.get("/clinic/queue").await;
        let freed = submit(&mut officer, &queue, "/clinic/links/free", &[]).await;
        assert_eq!(freed.location(), "/clinic/queue", "{}", freed.body);
        let (id, now) = (link.id, world.clock.now());
        let ended: Result<(), StorageError> =
            world.app.db.write(move |tx| Box::pin(async move { links::end(tx, id, now, "unwanted").await })).await;
        ended.unwrap();
        assert_eq!(about_link(&mut officer, "/clinic/links/exposure", &link).await.status, 422);
    });
}
