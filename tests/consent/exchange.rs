//! Scenario 70: what is written out as FHIR and read into an empty instance decides as before, for every scenario. The other
//! instance has other ids for accounts, practices and sources; persons it knows by their charts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};

use chartgate::audit::{Act, ActKind, Acts};
use chartgate::base::clock::Instant;
use chartgate::base::id::{AccountId, ConsentRuleId, GrantId, OrganizationId, PersonId};
use chartgate::base::keys::MasterKey;
use chartgate::base::random::SystemRandom;
use chartgate::base::source_key::SourceKey;
use chartgate::consent::{RuleKind, StandingRule, Verdict};
use chartgate::identity::{Grant, GrantState, Link, Period};
use chartgate::practice::{export_consents, import_consents};
use chartgate::storage::consent::{self, ConsentRule};
use chartgate::storage::{StorageError, accounts, grants, links, organizations, persons, sources};

use super::real::{Asked, asked};
use super::scenarios::questions;
use crate::storage::sample;
use crate::support::database::Database;

const HOLDERS: [&str; 12] =
    ["gil", "hana", "ike", "jo", "max", "kit", "spouse", "sister", "parent", "holder", "other", "else"];

/// An instance with two practices of these names, and accounts with these usernames.
struct Instance {
    database: Database,
    acts: Acts,
    organizations: BTreeMap<String, OrganizationId>,
    sources: BTreeMap<String, SourceKey>,
    accounts: BTreeMap<String, AccountId>,
}

impl Instance {
    async fn new(database: Database) -> Self {
        let random = SystemRandom::default();
        let acts = Acts::begin(database.db.clone(), &MasterKey::new([7; 32]), &random).await.unwrap();
        let mut instance = Self {
            database,
            acts,
            organizations: BTreeMap::new(),
            sources: BTreeMap::new(),
            accounts: BTreeMap::new(),
        };
        for (practice, source) in [("one", "aaaa"), ("two", "bbbb")] {
            let mut organization = sample::organization();
            practice.clone_into(&mut organization.name);
            let mut known = sample::source(organization.id);
            known.base_url = format!("https://{source}.example/fhir");
            instance.organizations.insert(practice.to_owned(), organization.id);
            instance.sources.insert(source.to_owned(), known.key);
            let stored = instance.database.db.write(move |tx| {
                Box::pin(async move {
                    organizations::insert(tx, &organization).await?;
                    sources::insert(tx, &known).await
                })
            });
            stored.await.unwrap();
        }
        for name in HOLDERS {
            instance.holder(name, None).await;
        }
        instance
    }

    async fn holder(&mut self, name: &str, person: Option<PersonId>) {
        let account = sample::account(name, person);
        self.accounts.insert(name.to_owned(), account.id);
        let stored = self.database.db.write(move |tx| Box::pin(async move { accounts::insert(tx, &account).await }));
        stored.await.unwrap();
    }

    /// Somebody with a record of their own, and with what is laid down of their death.
    async fn mortal_holder(&mut self, name: &str, chart: usize, deaths: Vec<Period>) {
        let person = self.person(chart).await;
        self.holder(name, Some(person)).await;
        let random = SystemRandom::default();
        let rules = deaths.into_iter().map(|period| StandingRule { period, kind: RuleKind::Deceased });
        let rules: Vec<ConsentRule> = rules.map(|rule| laid(rule, person, &random)).collect();
        let stored = self.database.db.write(move |tx| {
            Box::pin(async move {
                for rule in &rules {
                    consent::insert_rule(tx, rule).await?;
                }
                Ok::<_, StorageError>(())
            })
        });
        stored.await.unwrap();
    }

    /// A person with the chart of this number at the first practice.
    async fn person(&self, chart: usize) -> PersonId {
        let random = SystemRandom::default();
        let (person, source) = (PersonId::mint(&random), self.sources["aaaa"]);
        let link: Link = sample::link(person, source, &format!("chart-{chart}"));
        let stored = self.database.db.write(move |tx| {
            Box::pin(async move {
                persons::insert(tx, person, sample::at(0)).await?;
                links::insert(tx, &link).await
            })
        });
        stored.await.unwrap();
        person
    }
}

/// What a question says of organizations, sources and accounts, in the ids of an instance; grants get ids of their own.
fn moved(asked: &Asked, instance: &Instance, ids: &BTreeMap<GrantId, GrantId>, holder: &str) -> Asked {
    let mut text =
        serde_json::to_string(&asked.standing.rights.iter().map(|right| &right.scope).collect::<Vec<_>>()).unwrap();
    for practice in ["one", "two"] {
        let old = super::real::organization_id(practice).to_string();
        text = text.replace(&old, &instance.organizations[practice].to_string());
    }
    let scopes: Vec<_> = serde_json::from_str(&text).unwrap();
    let mut asked = asked.clone();
    for (right, scope) in asked.standing.rights.iter_mut().zip(scopes) {
        right.scope = scope;
        right.grant = ids[&right.grant];
    }
    let old = asked.standing.account;
    asked.standing.account = instance.accounts[holder];
    for rule in &mut asked.standing.rules {
        match &mut rule.kind {
            RuleKind::Restriction { against: Some(account), .. } if *account == old => {
                *account = instance.accounts[holder]
            }
            RuleKind::Restriction { against: Some(account), .. } => *account = instance.accounts["other"],
            RuleKind::Flag { source, .. } | RuleKind::Reviewed { source, .. } => {
                *source = instance.sources[source.as_str()].to_string()
            }
            RuleKind::Assent { grant, .. } => *grant = ids.get(grant).copied().unwrap_or(*grant),
            _ => {}
        }
    }
    let practice = if asked.organization == super::real::organization_id("one") { "one" } else { "two" };
    asked.organization = instance.organizations[practice];
    asked.source = instance.sources[asked.source.to_string().as_str()];
    asked
}

fn laid(rule: StandingRule, person: PersonId, random: &SystemRandom) -> ConsentRule {
    let evidence = "Provenance/2".to_owned();
    ConsentRule { id: ConsentRuleId::mint(random), person, rule, evidence, entered_by: None, created: sample::at(4) }
}

/// Stores what a standing rests on.
async fn store(instance: &Instance, asked: &Asked, person: PersonId) {
    let random = SystemRandom::default();
    let rights = asked.standing.rights.clone();
    let account = asked.standing.account;
    let rules: Vec<StandingRule> = asked.standing.rules.clone();
    let stored = instance.database.db.write(move |tx| {
        Box::pin(async move {
            for right in &rights {
                let grant = Grant {
                    id: right.grant,
                    account,
                    person,
                    basis: right.basis,
                    period: right.period,
                    evidence: "Provenance/1".to_owned(),
                    created: sample::at(3),
                    state: GrantState::Active,
                };
                grants::insert(tx, &grant).await?;
                consent::set_scope(tx, right.grant, &right.scope).await?;
            }
            for rule in rules {
                consent::insert_rule(tx, &laid(rule, person, &random)).await?;
            }
            Ok::<_, StorageError>(())
        })
    });
    stored.await.unwrap();
}

/// Whoever asks; who may be dead is somebody of their own in each question.
fn holder_of(question: &Value, number: usize) -> String {
    let holder = question["account"].as_str().unwrap();
    match (question["holder_died"] != json!([]), HOLDERS.contains(&holder)) {
        (true, _) => format!("mortal-{number}"),
        (false, true) => holder.to_owned(),
        (false, false) => "else".to_owned(),
    }
}

async fn round_trip(one: Database, other: Database) {
    let (mut before, mut after) = (Instance::new(one).await, Instance::new(other).await);
    let random = SystemRandom::default();
    let (mut expected, mut first_person) = (Vec::new(), None);
    for (number, (name, question)) in questions().into_iter().enumerate() {
        let plain = asked(&question);
        let rights = plain.standing.rights.iter();
        let ids: BTreeMap<GrantId, GrantId> = rights.map(|right| (right.grant, GrantId::mint(&random))).collect();
        let holder = holder_of(&question, number);
        if !plain.standing.holder_died.is_empty() {
            before.mortal_holder(&holder, 20_000 + number, plain.standing.holder_died.clone()).await;
            after.mortal_holder(&holder, 20_000 + number, Vec::new()).await;
        }
        let here = moved(&plain, &before, &ids, &holder);
        let (person, there) = (before.person(number).await, after.person(number).await);
        store(&before, &here, person).await;
        first_person = first_person.or(Some(person));
        expected.push((name, question.clone(), moved(&plain, &after, &ids, &holder), there));
    }
    // Somebody looked, and is a patient too.
    let known = before.person(9_999).await;
    let gil = before.accounts["gil"];
    let own = before.database.db.write(move |tx| Box::pin(accounts::set_person(tx, gil, known)));
    own.await.unwrap();
    let act = Act::new(ActKind::Grant, sample::at(5), &random).by(gil).about(first_person.unwrap());
    before.acts.record(act.by_way_of("rule").under("operator")).await.unwrap();
    assert!(expected.len() >= 85, "every decision of the scenarios: {}", expected.len());
    let now = Instant::from_micros(1_777_766_400_000_000);
    let bundle = export_consents(&before.database.db, "https://records.example/fhir", None, now).await.unwrap();
    // Through text, as a file is.
    let bundle: Value = serde_json::from_str(&bundle.to_string()).unwrap();
    shaped(&bundle);
    for_validators(&bundle);
    let of = |kind: &str| -> Vec<&Value> {
        let all = bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]);
        all.filter(|resource| resource["resourceType"] == kind).collect()
    };
    let events = of("AuditEvent");
    assert_eq!((events.len(), &events[0]["subtype"][0]["code"]), (1, &json!("grant")), "{events:?}");
    // Every RelatedPerson is one of an account, and who is a patient as well is tied to that.
    let persons = of("Person");
    let linked: BTreeSet<&str> = persons
        .iter()
        .flat_map(|person| person["link"].as_array().unwrap())
        .map(|link| link["target"]["reference"].as_str().unwrap())
        .collect();
    for related in of("RelatedPerson") {
        let reference = format!("RelatedPerson/{}", related["id"].as_str().unwrap());
        assert!(linked.contains(reference.as_str()), "{reference}");
    }
    let his = persons.iter().find(|person| person["name"][0]["text"] == "gil").unwrap();
    assert_eq!(his["link"][0]["target"]["reference"], format!("Patient/{known}"));
    assert!(his["link"][0]["assurance"].is_string(), "{his}");
    let count = import_consents(&after.acts, &random, now, &bundle).await.unwrap();
    let consents = bundle["entry"].as_array().unwrap().iter().filter(|e| e["resource"]["resourceType"] == "Consent");
    assert_eq!(count, consents.count());
    for (name, question, there, person) in expected {
        let account = there.standing.account;
        let standing = consent::standing(&after.database.db, account, person, there.standing.is_own).await.unwrap();
        let read = Asked { standing, ..there.clone() };
        // Ids of practices aside, the decision is that of the scenario.
        assert_eq!(read.answer(), asked(&question).answer(), "{name}");
        if let (Verdict::Withheld(rule), Verdict::Withheld(was)) = (read.verdict(), asked(&question).verdict()) {
            assert_eq!(rule, was, "{name}");
        }
    }
    // Again: everything is there, and nothing is done.
    assert!(import_consents(&after.acts, &random, now, &bundle).await.is_err());
    refusals(&after, bundle).await;
}

/// Laid where `scripts/validate-fixtures` finds it: validators that this project did not write judge it after the tests.
fn for_validators(bundle: &Value) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fhir/consent-export");
    std::fs::create_dir_all(&folder).unwrap();
    let lines = bundle["entry"].as_array().unwrap().iter().map(|entry| format!("{}\n", entry["resource"]));
    std::fs::write(folder.join("export.ndjson"), lines.collect::<String>()).unwrap();
}

/// R4's Consent, written from the specification: what has to be there, and `ppc-1`.
fn shaped(bundle: &Value) {
    for resource in bundle["entry"].as_array().unwrap().iter().map(|entry| &entry["resource"]) {
        let id = resource["id"].as_str().unwrap();
        assert!(id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b)), "{id}");
        if resource["resourceType"] == "RelatedPerson" {
            assert!(resource["patient"]["reference"].is_string() && resource["period"]["start"].is_string());
            continue;
        }
        if resource["resourceType"] == "Person" {
            for link in resource["link"].as_array().into_iter().flatten() {
                assert!(link["target"]["reference"].is_string(), "{link}");
            }
            continue;
        }
        if resource["resourceType"] == "AuditEvent" {
            assert!(resource["type"].is_object() && resource["recorded"].is_string());
            assert!(resource["agent"][0]["requestor"].is_boolean() && resource["source"]["observer"].is_object());
            continue;
        }
        assert_eq!(resource["resourceType"], "Consent");
        assert!(["proposed", "active", "rejected", "inactive"].contains(&resource["status"].as_str().unwrap()));
        assert_eq!(resource["scope"]["coding"][0]["code"], "patient-privacy");
        assert_eq!(resource["category"][0]["coding"][0]["code"], "59284-0");
        assert!(resource["policyRule"].is_object() || resource["policy"].is_array(), "ppc-1");
        let provision = &resource["provision"];
        assert!(["permit", "deny"].contains(&provision["type"].as_str().unwrap()));
        for actor in provision["actor"].as_array().into_iter().flatten() {
            assert!(actor["role"].is_object() && actor["reference"].is_object(), "{actor}");
        }
        for nested in provision["provision"].as_array().into_iter().flatten() {
            assert!(nested["type"] == "deny" && nested.get("provision").is_none(), "one nested level");
        }
    }
}

/// What is not as it was written, or leads nowhere, stores nothing.
async fn refusals(instance: &Instance, bundle: Value) {
    let random = SystemRandom::default();
    let now = sample::at(9);
    let first = |change: fn(&mut Value)| {
        let is_grant =
            |e: &&Value| e["resource"]["extension"][0]["valueString"].as_str().is_some_and(|t| t.contains("\"grant\""));
        let mut entry = bundle["entry"].as_array().unwrap().iter().find(is_grant).unwrap().clone();
        let text = entry["resource"]["extension"][0]["valueString"].as_str().unwrap();
        let mut whole: Value = serde_json::from_str(text).unwrap();
        whole["grant"] = json!(GrantId::mint(&SystemRandom::default()).to_string());
        change(&mut whole);
        entry["resource"]["extension"][0]["valueString"] = json!(whole.to_string());
        json!({"resourceType": "Bundle", "type": "collection", "entry": [entry]})
    };
    assert_eq!(
        import_consents(&instance.acts, &random, now, &first(|_| {})).await.unwrap(),
        1,
        "it can be read at all"
    );
    // Sources are written as addresses, and read as what is behind the address here.
    let urls = ["aaaa", "bbbb"].map(|source| json!([format!("https://{source}.example/fhir")]));
    let mut of_sources = first(|_| {});
    let text = of_sources["entry"][0]["resource"]["extension"][0]["valueString"].as_str().unwrap();
    let mut whole: Value = serde_json::from_str(text).unwrap();
    [whole["scope"]["sources"], whole["scope"]["without_sources"]] = urls.clone();
    let grant: GrantId = whole["grant"].as_str().unwrap().parse().unwrap();
    of_sources["entry"][0]["resource"]["extension"][0]["valueString"] = json!(whole.to_string());
    assert_eq!(import_consents(&instance.acts, &random, now, &of_sources).await.unwrap(), 1);
    let scope = consent::scope(&instance.database.db, grant).await.unwrap().unwrap();
    let keys = ["aaaa", "bbbb"].map(|source| [instance.sources[source]].into());
    assert_eq!([scope.sources, scope.without_sources], keys);
    let again = export_consents(&instance.database.db, "https://records.example/fhir", None, now).await.unwrap();
    let again = again.to_string();
    let written =
        |list: &str, url: &Value| again.contains(&format!("\\\"{list}\\\":{}", url.to_string().replace('"', "\\\"")));
    assert!(written("sources", &urls[0]) && written("without_sources", &urls[1]), "{again}");
    for (what, bundle) in [
        ("another source", first(|whole| whole["scope"]["without_sources"] = json!(["https://cccc.example/fhir"]))),
        ("no source", first(|whole| whole["scope"]["sources"] = json!([null]))),
        ("another account", first(|whole| whole["account"] = json!("nobody"))),
        ("another practice", first(|whole| whole["scope"]["without_organizations"] = json!(["three"]))),
        ("no practice", first(|whole| whole["scope"]["organizations"] = json!([null]))),
        ("another person", first(|whole| whole["person"] = json!({"id": "x", "charts": []}))),
        ("another right", first(|whole| whole["basis"] = json!("owner"))),
        ("no period", first(|whole| whole["period"] = json!([]))),
        ("an odd scope", first(|whole| whole["scope"]["level"] = json!("all"))),
        ("an odd state", first(|whole| whole["state"] = json!(["open"]))),
        ("no Bundle", json!({"resourceType": "Patient"})),
        (
            "another's Consent",
            json!({"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Consent", "id": "x"}}]}),
        ),
    ] {
        assert!(import_consents(&instance.acts, &random, now, &bundle).await.is_err(), "{what}");
    }
}

#[tokio::test]
async fn exported_consents_decide_alike_in_an_empty_instance() {
    round_trip(Database::sqlite().await, Database::sqlite().await).await;
}

#[tokio::test]
async fn exported_consents_decide_alike_on_postgres() {
    let (Some(one), Some(other)) = (Database::postgres().await, Database::postgres().await) else { return };
    round_trip(one, other).await;
}
