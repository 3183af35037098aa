//! Worlds by the dice that differ in hidden items alone give whoever they are hidden from the same bytes, by every way on which
//! anything of a record leaves (security design, F11 and I18; the invariant of non-interference). Each person of a pair of
//! installations is a world of their own: nothing of theirs is anybody else's. `CHARTGATE_WORLDS` says how many, and
//! `CHARTGATE_SEED` which.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chartgate::base::clock::Clock;
use chartgate::config::Limits;
use chartgate::identity::GrantBasis;
use serde_json::{Value, json};

use super::family::{
    LOINC, NUCC, RXNORM, SCT, chart, concept, encounter, grant, limit, merge, observation, of, patient, token,
};
use super::generate::Dice;
use super::surfaces::{batch, comparable, plain};
use crate::accounts::person::verify_email;
use crate::fhir::routes::in_the_sources;
use crate::support::world::{PersonSpec, PracticeSpec, World, in_both_worlds, set};

/// What leaves by a route.
#[derive(Clone, Copy)]
enum Leaves {
    /// Something of a record to whoever acts for somebody: it is compared, by these requests.
    Record(&'static [&'static str]),
    /// Nothing of a record, or to nobody who acts for somebody: why.
    Nothing(&'static str),
}
use Leaves::{Nothing, Record};

const STAFF: &str = "to staff at work alone, and none of it is of a record";
const OWN: &str = "of one's own account, codes and sign-ins";
const TOKENS: &str = "tokens and what they let, decided by the grant";
const PUBLIC: &str = "the same to everybody";
const WRITES: &str = "it is a form that changes something, and shows nothing of a record";
const SUBJECT: &str = "to whose record it is alone, and to others 404";

/// By hand: every route of the program, by how it begins, the longest first. Placeholders: PERSON, GRANT, and KIND/ID, which
/// stand for each type and each hidden item.
const PRODUCERS: &[(&str, Leaves)] = &[
    ("/fhir/metadata", Nothing(PUBLIC)),
    ("/fhir/.well-known", Nothing(PUBLIC)),
    ("/fhir/{type}/_search", Record(&["POST KIND"])),
    ("/fhir/{type}/{id}/_history/{version}", Record(&["/fhir/KIND/ID/_history/1"])),
    ("/fhir/{type}/{id}/_history", Record(&["/fhir/KIND/ID/_history"])),
    (
        "/fhir/{type}/{id}/$everything",
        Record(&[
            "/fhir/Patient/PERSON/$everything",
            "/fhir/Patient/PERSON/$everything?_count=3",
            "/fhir/Patient/PERSON/$everything?_type=Observation,Encounter&_since=2020-01-01T00:00:00Z",
        ]),
    ),
    ("/fhir/{type}/$docref", Record(&["/fhir/DocumentReference/$docref?patient=PERSON"])),
    ("/fhir/{type}/{id}/{member}/_search", Record(&["POST Patient/PERSON/KIND"])),
    ("/fhir/{type}/{id}/{member}", Record(&["/fhir/Patient/PERSON/KIND"])),
    ("/fhir/{type}/{id}", Record(&["/fhir/Patient/PERSON", "/fhir/KIND/ID"])),
    (
        "/fhir/{type}",
        Record(&[
            "/fhir/KIND",
            "/fhir/KIND?_summary=count",
            "/fhir/KIND?_total=accurate&_count=1",
            "/fhir/KIND?_count=0",
            "/fhir/KIND?_sort=-_lastUpdated&_count=2",
            "/fhir/KIND?_lastUpdated=gt2020-01-01",
            "/fhir/KIND?_id=ID",
            "/fhir/Observation?_sort=-date&_count=1",
            "/fhir/Observation?category=laboratory",
            "/fhir/Observation?code=http://loinc.org|21613-5",
            "/fhir/Observation?_include=Observation:encounter",
            "/fhir/Observation?_revinclude=Provenance:target",
            "/fhir/Encounter?date=2025-06-01",
            "/fhir/MedicationRequest?code=http://www.nlm.nih.gov/research/umls/rxnorm|831533",
            "/fhir/Patient?_has:Observation:patient:code=http://loinc.org|21613-5",
        ]),
    ),
    ("/fhir/", Record(&["BATCH KIND"])),
    ("/fhir", Record(&["BATCH KIND/ID"])),
    ("/record/file/{id}", Record(&["/record/file/ID?person=PERSON"])),
    ("/record/{part}/{id}", Record(&["/record/findings/ID?person=PERSON", "/record/visits/ID?person=PERSON"])),
    (
        "/record/{part}",
        Record(&[
            "/record/findings?person=PERSON",
            "/record/results?person=PERSON",
            "/record/vitals?person=PERSON",
            "/record/medications?person=PERSON",
            "/record/immunizations?person=PERSON",
            "/record/visits?person=PERSON",
            "/record/appointments?person=PERSON",
            "/record/conditions?person=PERSON",
            "/record/documents?person=PERSON",
            "/record/bills?person=PERSON",
        ]),
    ),
    ("/record", Record(&["/record?person=PERSON"])),
    ("/people/see-as", Record(&["/people/see-as?grant=GRANT"])),
    ("/people/", Nothing(WRITES)),
    ("/people", Record(&["/people"])),
    ("/access", Record(&["/access?person=PERSON"])),
    ("/api/v1/people/{grant}/view", Record(&["/api/v1/people/GRANT/view?type=Observation"])),
    ("/api/v1/people/", Nothing(SUBJECT)),
    ("/api/v1/people", Record(&["/api/v1/people"])),
    ("/api/v1/access/explain", Record(&["/api/v1/access/explain?grant=GRANT&resource=KIND/ID"])),
    ("/api/v1/access/history", Record(&["/api/v1/access/history?person=PERSON"])),
    ("/api/v1/links", Record(&["/api/v1/links"])),
    ("/api/v1/verifications", Record(&["/api/v1/verifications"])),
    ("/api/v1/apps", Record(&["/api/v1/apps"])),
    ("/api/v1/launches", Nothing("the address of an app; the visit that it may name is looked up as a read of it")),
    ("/api/v1/", Nothing(OWN)),
    ("/api/openapi.json", Nothing(PUBLIC)),
    ("/oauth/encounter", Record(&["ENCOUNTER"])),
    ("/oauth/userinfo", Record(&["/oauth/userinfo"])),
    ("/oauth/", Nothing(TOKENS)),
    ("/.well-known/", Nothing(PUBLIC)),
    ("/apps", Record(&["/apps"])),
    ("/launch", Nothing("the address of an app; the visit that it may name is looked up as a read of it")),
    ("/connect", Record(&["/connect"])),
    ("/disconnect", Nothing(WRITES)),
    ("/switch", Nothing(WRITES)),
    ("/unlink", Nothing(WRITES)),
    ("/undo-contact", Nothing(OWN)),
    ("/account", Nothing(OWN)),
    ("/sign-in", Nothing(OWN)),
    ("/sign-out", Nothing(OWN)),
    ("/recover", Nothing(OWN)),
    ("/invite", Nothing("who the patient of a code is, by initials and year, to whoever has it")),
    ("/find", Nothing(PUBLIC)),
    ("/claim", Nothing(OWN)),
    ("/clinic", Nothing(STAFF)),
    ("/brands", Nothing(PUBLIC)),
    ("/smart-style.json", Nothing(PUBLIC)),
    ("/favicon.ico", Nothing(PUBLIC)),
    ("/static/", Nothing(PUBLIC)),
    ("/", Record(&["/"])),
];

/// Types that are asked for.
const KINDS: [&str; 14] = [
    "Observation",
    "Encounter",
    "Appointment",
    "MedicationRequest",
    "Condition",
    "DocumentReference",
    "DiagnosticReport",
    "Procedure",
    "Immunization",
    "Invoice",
    "Provenance",
    "RelatedPerson",
    "Consent",
    "AuditEvent",
];

fn leaves(route: &str) -> Option<Leaves> {
    let is_it = |begin: &str| route == begin || (begin.ends_with('/') && begin.len() > 1 && route.starts_with(begin));
    let by_part =
        |begin: &str| matches!(route.strip_prefix(begin), Some(rest) if rest.starts_with('/')) && begin.len() > 1;
    let exact = PRODUCERS.iter().find(|(begin, _)| is_it(begin));
    exact.or_else(|| PRODUCERS.iter().find(|(begin, _)| by_part(begin))).map(|(_, leaves)| *leaves)
}

#[test]
fn every_route_is_known_by_what_leaves_on_it() {
    let routes = in_the_sources();
    let unknown: Vec<&String> = routes.iter().filter(|route| leaves(route).is_none()).collect();
    assert!(unknown.is_empty(), "say what leaves on {unknown:?}");
    let mut unused: BTreeSet<&str> = PRODUCERS.iter().map(|(begin, _)| *begin).collect();
    unused.retain(|begin| !routes.iter().any(|route| route.starts_with(begin)));
    assert!(unused.is_empty(), "no such route: {unused:?}");
    // Whatever is below a record or FHIR is compared, and nothing may be said to be nothing there but what is public.
    for route in routes.iter().filter(|route| route.starts_with("/fhir") || route.starts_with("/record")) {
        let is_public = matches!(leaves(route), Some(Nothing(why)) if why == PUBLIC);
        assert!(is_public || matches!(leaves(route), Some(Record(_))), "{route}");
    }
}

/// What somebody is to whoever looks, and so what is hidden.
#[derive(Clone, Copy, Debug)]
enum Looked {
    /// A parent of a teenager: what is sensitive, and what is not listed.
    AtATeenager,
    /// Somebody whom an adult lets in, without some topics.
    WithoutTopics,
    /// A parent of a child: what a clinician, or the EHR, keeps from them.
    AtAChild,
}

struct Person {
    key: String,
    looked: Looked,
    shown: Vec<Value>,
    hidden: Vec<Value>,
}

fn one<'v>(dice: &mut Dice, values: &[&'v str]) -> &'v str {
    values[dice.below(values.len() as u64) as usize]
}

/// Something that is sensitive by itself to whoever looks so.
fn sensitive(dice: &mut Dice, looked: Looked, id: &str, of_whom: &str) -> Value {
    let restricted = json!({"meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality",
        "code": *dice.of(&["R", "V"])}]}});
    let kept = json!({"meta": {"security": [{"system": "https://chartgate.example/fhir/CodeSystem/sensitivity",
        "code": "parent-restricted"}]}});
    let plain = [(LOINC, "4548-4"), (LOINC, "2345-7"), (LOINC, "718-7")];
    if matches!(looked, Looked::AtAChild) || dice.once_in(4) {
        let code = *dice.of(&plain);
        let more = if matches!(looked, Looked::AtAChild) && dice.once_in(2) { kept } else { restricted };
        return observation(id, of_whom, "laboratory", concept(code.0, code.1), more);
    }
    let visit = *dice.of(&["2080A0000X", "103TC0700X", "261QF0050X"]);
    // What somebody noted is no label, and nobody has looked at it: the code says nothing of it.
    let note =
        json!([{"text": *dice.of(&["asks for Birth Control", "HIV-Test gewünscht", "fear of an std", "¿embarazo?"])}]);
    match dice.below(8) {
        6 => observation(id, of_whom, "vital-signs", concept(LOINC, "29463-7"), json!({"note": note})),
        7 => json!({"resourceType": "Immunization", "id": id, "status": "completed", "patient": of(of_whom),
            "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "03"), "occurrenceDateTime": "2025-06-01", "note": note}),
        0 => observation(
            id,
            of_whom,
            "laboratory",
            concept(LOINC, one(dice, &["21613-5", "20447-9", "2106-3"])),
            json!({}),
        ),
        1 => encounter(id, of_whom, concept(NUCC, visit)),
        2 => json!({"resourceType": "MedicationRequest", "id": id, "status": "active", "intent": "order",
            "subject": of(of_whom), "medicationCodeableConcept": concept(RXNORM, one(dice, &["831533", "276237"]))}),
        3 => json!({"resourceType": "Condition", "id": id, "subject": of(of_whom),
            "code": concept(SCT, one(dice, &["240589008", "86406008"]))}),
        4 => json!({"resourceType": "Immunization", "id": id, "status": "completed", "patient": of(of_whom),
            "vaccineCode": concept("http://hl7.org/fhir/sid/cvx", "165"), "occurrenceDateTime": "2025-06-01"}),
        _ => json!({"resourceType": "Appointment", "id": id, "status": "booked", "start": "2026-12-02T09:00:00Z",
            "end": "2026-12-02T09:30:00Z", "serviceType": [concept(NUCC, visit)],
            "participant": [{"actor": of(of_whom), "status": "accepted"}]}),
    }
}

/// Something plain that leads to something hidden, and is hidden by that.
fn hanging(dice: &mut Dice, id: &str, of_whom: &str, to: &Value) -> Option<Value> {
    let (kind, target) = (to["resourceType"].as_str()?, to["id"].as_str()?);
    let reference = json!({"reference": format!("{kind}/{target}")});
    let mut plain = observation(id, of_whom, "vital-signs", concept(LOINC, "29463-7"), json!({}));
    match kind {
        "Encounter" if dice.once_in(2) => merge(&mut plain, json!({"encounter": reference})),
        "Encounter" => {
            return Some(
                json!({"resourceType": "DocumentReference", "id": id, "status": "current", "subject": of(of_whom),
                "type": concept(LOINC, "11506-3"),
                "content": [{"attachment": {"contentType": "text/plain", "data": "eA=="}}],
                "context": {"encounter": [reference]}}),
            );
        }
        "Observation" if dice.once_in(2) => {
            return Some(json!({"resourceType": "Provenance", "id": id, "recorded": "2025-06-01T00:00:00Z",
                "target": [reference], "agent": [{"who": {"display": "a clinic"}}]}));
        }
        "Observation" => merge(&mut plain, json!({"hasMember": [reference]})),
        _ => return None,
    }
    Some(plain)
}

fn person(dice: &mut Dice, number: usize) -> Person {
    // All of them among a few.
    let looked = [Looked::AtATeenager, Looked::WithoutTopics, Looked::AtAChild][number % 3];
    let key = format!("p{number}");
    let mut shown = chart(&key);
    shown.retain(|_| !dice.once_in(4));
    // What refers to something that is left out is left out too: it is no difference that is to be hidden.
    let ids: BTreeSet<String> = shown
        .iter()
        .map(|r| format!("{}/{}", r["resourceType"].as_str().unwrap(), r["id"].as_str().unwrap()))
        .collect();
    shown.retain(|r| r["encounter"]["reference"].as_str().is_none_or(|to| ids.contains(to)));
    for more in 0..dice.below(6) {
        let code = *dice.of(&["8302-2", "29463-7", "8867-4"]);
        let day = format!("202{}-0{}-11", dice.below(6), 1 + dice.below(9));
        let id = format!("{key}-more-{more}");
        shown.push(observation(&id, &key, "vital-signs", concept(LOINC, code), json!({"effectiveDateTime": day})));
    }
    let mut hidden: Vec<Value> = Vec::new();
    for more in 0..=dice.below(6) {
        // Ids that sort before, among and behind the others.
        let begin = *dice.of(&["a", "m", "z"]);
        let id = format!("{begin}-{key}-{more}");
        let hangs = match hidden.is_empty() || dice.once_in(2) {
            true => None,
            false => {
                let to = dice.of(&hidden).clone();
                hanging(dice, &id, &key, &to)
            }
        };
        let item = hangs.unwrap_or_else(|| sensitive(dice, looked, &id, &key));
        hidden.push(item);
    }
    Person { key, looked, shown, hidden }
}

fn born(looked: Looked) -> &'static str {
    match looked {
        Looked::AtATeenager => "2012-01-15",
        Looked::WithoutTopics => "1981-03-03",
        Looked::AtAChild => "2018-01-15",
    }
}

async fn installation(persons: &[Person], with_hidden: bool) -> (World, BTreeMap<String, String>) {
    let mut resources = vec![json!({"resourceType": "Location", "id": "elm", "name": "Elm Street"})];
    for person in persons {
        resources.push(patient(&person.key, born(person.looked)));
        resources.extend(person.shown.iter().cloned());
        resources.extend(person.hidden.iter().filter(|_| with_hidden).cloned());
    }
    let practice = PracticeSpec {
        key: "one".to_owned(),
        name: "Practice one".to_owned(),
        vendor: "plain-r4".to_owned(),
        resources,
    };
    let own =
        |person: &Person| PersonSpec { key: person.key.clone(), links: vec![("one".to_owned(), person.key.clone())] };
    let gil = PersonSpec { key: "gil".to_owned(), links: Vec::new() };
    let specs = persons.iter().map(own).chain([gil]).collect();
    let world = World::start(vec![practice], specs, Limits::default()).await;
    world.register("visits").await;
    for name in persons.iter().map(|person| person.key.as_str()).chain(["gil"]) {
        verify_email(&world, &mut world.browser(name).await, &format!("{name}@example.org")).await;
    }
    let mut grants = BTreeMap::new();
    for person in persons {
        let (basis, scope) = match person.looked {
            Looked::WithoutTopics => (
                GrantBasis::PatientConsent,
                json!({"level": "view", "actions": ["connect-app"], "sensitivity": {"all-but": ["HIV", "STD", "SEX", "MH",
                    "PREGNANT", "minor-consented", "BH", "PSY", "SUD"]}}),
            ),
            _ => (GrantBasis::Parent, Value::Null),
        };
        // Lists go by when something was given, and what was given at once by ids that are drawn.
        world.clock.advance(Duration::from_secs(1));
        grants.insert(person.key.clone(), grant(&world, "gil", &person.key, basis, scope).await.to_string());
    }
    (world, grants)
}

/// A page without what is another in each installation: tokens of the session, ids of persons and grants.
fn page(world: &World, grants: &BTreeMap<String, String>, status: u16, body: &str) -> String {
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once("_token\" value=\"") {
        text.push_str(before);
        rest = after.split_once('"').map_or("", |(_, behind)| behind);
    }
    text.push_str(rest);
    format!("{status} {}", plain(world, &of_grants(&text, grants)))
}

/// Ids of grants by whom they are for.
fn of_grants(text: &str, grants: &BTreeMap<String, String>) -> String {
    grants.iter().fold(text.to_owned(), |text, (name, grant)| text.replace(grant, &format!("grant of {name}")))
}

/// One side of the comparison.
struct Side<'w> {
    world: &'w World,
    grants: &'w BTreeMap<String, String>,
}

impl Side<'_> {
    /// What is answered to somebody who acts for this person.
    async fn answer(&self, request: &str, person: &Person, token: &str) -> String {
        let world = self.world;
        let (key, id) = (&world.practice("one").source, world.person(&person.key).id.to_string());
        let request = request.replace("KEY", key).replace("PERSON", &id).replace("GRANT", &self.grants[&person.key]);
        if let Some(target) = request.strip_prefix("POST ") {
            let reply = world
                .send(
                    "POST",
                    &format!("/fhir/{target}/_search"),
                    Some(token),
                    &[("content-type", "application/x-www-form-urlencoded")],
                    "_count=50",
                )
                .await;
            return comparable(world, &reply);
        }
        if let Some(target) = request.strip_prefix("BATCH ") {
            let text = batch(world, token, target).await.to_string();
            return page(world, self.grants, 200, &text);
        }
        if request == "ENCOUNTER" {
            // Which visit an app is to be told of: the choice is made of those that are seen.
            let mut browser = world.browser("gil").await;
            let scope = "launch/patient launch/encounter patient/*.rs";
            let asked = browser.get(&world.authorize("visits", scope, &[])).await;
            let mut form = asked.form();
            set(&mut form, "person", &id);
            set(&mut form, "decision", "allow");
            let chosen = browser.post("/oauth/consent", &form).await;
            assert_eq!(chosen.status, 303, "{}", chosen.body);
            let choice = browser.get(chosen.location()).await;
            assert_eq!(choice.status, 200, "{}", choice.body);
            // The request is sealed, and so another text each time.
            let visits = choice.body.split("name=\"encounter\"").skip(1);
            let visits: Vec<&str> = visits.map(|rest| rest.split("</p>").next().unwrap()).collect();
            return page(world, self.grants, choice.status, &visits.join("\n"));
        }
        if request.starts_with("/fhir") || request.starts_with("/oauth") {
            let mut all = String::new();
            let mut next = Some(request.clone());
            // Page after page, as many on each side.
            while let Some(target) = next {
                let reply = world.get(&target, token).await;
                let link = if reply.status == 200 { reply.link("next") } else { None };
                next = link.map(|link| link.strip_prefix(&world.issuer).unwrap().to_owned());
                all.push_str(&format!("{} {}\n", comparable(world, &reply), next.is_some()));
            }
            return of_grants(&all, self.grants);
        }
        let mut browser = world.browser("gil").await;
        let answer = browser.get(&request).await;
        page(world, self.grants, answer.status, &answer.body)
    }
}

/// What was written to people, codes for their addresses aside. A review that was missed is written to both sides.
async fn mails((world, grants): &(World, BTreeMap<String, String>)) -> Vec<String> {
    for id in grants.values() {
        let review = world.clock.now().plus(Duration::from_secs(1)).micros();
        let scope = json!({"level": "view", "actions": ["connect-app"], "review_by": review});
        limit(world, id.parse().unwrap(), scope).await;
    }
    world.clock.advance(Duration::from_secs(2));
    world.app.sharing_notices.look().await.unwrap();
    let mails = world.mails().await;
    let told = mails.iter().filter(|mail| !mail.text.contains("code"));
    let mut told: Vec<String> =
        told.map(|mail| page(world, grants, 0, &format!("{} {} {}", mail.to, mail.subject, mail.text))).collect();
    // Grants are looked at in the order of their ids, which are drawn.
    told.sort();
    told
}

/// The requests that a template stands for.
fn requests(template: &str, person: &Person) -> Vec<String> {
    let by_kind: Vec<String> = match template.contains("KIND") && !template.contains("ID") {
        true => KINDS.iter().map(|kind| template.replace("KIND", kind)).collect(),
        false => vec![template.to_owned()],
    };
    let by_item = |text: String| -> Vec<String> {
        if !text.contains("ID") {
            return vec![text];
        }
        let of = |item: &Value| {
            let (kind, id) = (item["resourceType"].as_str().unwrap(), item["id"].as_str().unwrap());
            text.replace("KIND", kind).replace("ID", &format!("KEY.{id}"))
        };
        person.hidden.iter().map(of).collect()
    };
    by_kind.into_iter().flat_map(by_item).collect()
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// How many answers were compared about these, and how many hidden items there were.
async fn compare(persons: &[Person]) -> (usize, usize) {
    let (with, without) = (installation(persons, true).await, installation(persons, false).await);
    let sides = [&with, &without].map(|(world, grants)| Side { world, grants });
    let requests_of = |leaves: &Leaves| match *leaves {
        Record(requests) => requests,
        Nothing(_) => &[],
    };
    let templates: BTreeSet<&str> = PRODUCERS.iter().flat_map(|(_, leaves)| requests_of(leaves)).copied().collect();
    let (mut compared, mut hidden) = (0, 0);
    for person in persons {
        for (world, _) in [&with, &without] {
            world.clock.advance(Duration::from_secs(1));
        }
        let tokens = [token(&with.0, "gil", &person.key).await, token(&without.0, "gil", &person.key).await];
        for request in templates.iter().flat_map(|template| requests(template, person)) {
            let left = sides[0].answer(&request, person, &tokens[0]).await;
            let right = sides[1].answer(&request, person, &tokens[1]).await;
            assert_eq!(left, right, "{:?} {} {request}: {:?}", person.looked, person.key, person.hidden);
            compared += 1;
        }
        // There was something to hide: the person finds each of them.
        let own = with.0.token(&person.key).await;
        for item in &person.hidden {
            let (kind, id) = (item["resourceType"].as_str().unwrap(), item["id"].as_str().unwrap());
            let path = format!("/fhir/{kind}/{}.{id}", with.0.practice("one").source);
            assert_eq!(with.0.get(&path, &own).await.status, 200, "{path}");
            hidden += 1;
        }
    }
    let told = mails(&with).await;
    assert_eq!(told, mails(&without).await, "mails");
    assert!(told.len() >= 2 * persons.len(), "both sides of each are told: {told:?}");
    // The worlds live as long as the process: their connections need not.
    for (world, _) in [&with, &without] {
        world.app.db.close().await;
    }
    (compared + told.len(), hidden)
}

/// So many worlds come to over 2,000 pairs of answers.
const WORLDS: usize = 11;

/// People of one pair of installations: pages about all whom somebody acts for are compared as well.
const TOGETHER: usize = 4;

in_both_worlds!(f11_i18_worlds_that_differ_in_hidden_items_alone_give_the_same_bytes);

async fn f11_i18_worlds_that_differ_in_hidden_items_alone_give_the_same_bytes() {
    let mut dice = Dice::new(from_environment("CHARTGATE_SEED", 18));
    let count = from_environment("CHARTGATE_WORLDS", WORLDS as u64) as usize;
    let persons: Vec<Person> = (0..count).map(|number| person(&mut dice, number)).collect();
    let (mut compared, mut hidden) = (0, 0);
    for together in persons.chunks(TOGETHER) {
        let more = compare(together).await;
        (compared, hidden) = (compared + more.0, hidden + more.1);
    }
    println!("{count} worlds, {hidden} hidden items, {compared} answers compared");
    assert!(hidden >= count && (compared >= 2_000 || count < WORLDS), "{compared}");
}
