//! The access table, cell by cell: every role, every type, every interaction.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tokio::sync::OnceCell;

use chartgate::fhir::ResourceType;

use super::access_rules::{Expected, INTERACTIONS, Interaction, ROLES, Role, UNKNOWN_TYPE, expected, table};
use super::fixtures;
use super::oracle::Visible;
use super::record::leaks;
use crate::naive::{self, Kind, kind_of};
use crate::support::world::{EVERYTHING, Reply, World, pairs, run};

const NEVER_ISSUED: &str = "nobody-has-this";

fn types() -> Vec<&'static str> {
    ResourceType::ALL.iter().map(|kind| kind.as_str()).chain([UNKNOWN_TYPE]).collect()
}

#[test]
fn the_committed_table_is_what_the_rules_come_to() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fhir/access_table.txt");
    let table = table(&types());
    if std::env::var_os("CHARTGATE_WRITE_ACCESS_TABLE").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), table, "a rule or a type changed: read the table again");
    let rows = table.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(rows, types().len() * ROLES.len());
}

/// Whose token a role shows, and after whose things it goes.
struct Actor {
    account: &'static str,
    person: &'static str,
    victim: &'static str,
}

fn actor(role: Role) -> Actor {
    let (account, person, victim) = match role {
        Role::NoToken | Role::DeadToken | Role::OtherScope | Role::Patient => ("maria", "maria", "zoe"),
        Role::OtherPatient => ("carlos", "carlos", "maria"),
        Role::Parent => ("dana", "leo", "zoe"),
        Role::ParentOfTeenager => ("dana", "dana", "zoe"),
        Role::Guardian => ("irene", "walter", "maria"),
    };
    Actor { account, person, victim }
}

/// What each person has, by type: ids at the gateway.
struct Known {
    ids: BTreeMap<(String, String), Vec<String>>,
    pages: BTreeMap<String, String>,
    versions: BTreeMap<String, String>,
}

impl Known {
    async fn of(world: &World) -> &'static Self {
        static KNOWN: OnceCell<Known> = OnceCell::const_new();
        KNOWN.get_or_init(|| Self::ask(world)).await
    }

    async fn ask(world: &World) -> Self {
        let mut known = Self { ids: BTreeMap::new(), pages: BTreeMap::new(), versions: BTreeMap::new() };
        for (account, person) in [
            ("maria", "maria"),
            ("carlos", "carlos"),
            ("dana", "leo"),
            ("dana", "dana"),
            ("irene", "walter"),
            ("zoe", "zoe"),
        ] {
            let token = world.token_for(account, person, "app", EVERYTHING).await;
            for resource_type in super::record::searchable() {
                let answer = world.search(resource_type, &pairs(&[("_count", "500")]), &token).await;
                for resource in answer.matches() {
                    known.note_attachments(person, &resource);
                    let (id, version) = (resource["id"].as_str(), resource["meta"]["versionId"].as_str());
                    known.versions.extend(
                        id.zip(version).map(|(id, version)| (format!("{resource_type}/{id}"), version.to_owned())),
                    );
                }
                known
                    .ids
                    .entry((person.to_owned(), resource_type.to_owned()))
                    .or_default()
                    .extend(of_sources(answer.ids()));
                if person == "maria" {
                    let page = world.search(resource_type, &pairs(&[("_count", "1")]), &token).await;
                    known.pages.extend(page.link("next").map(|next| (resource_type.to_owned(), next)));
                }
            }
        }
        known
    }

    fn note_attachments(&mut self, person: &str, resource: &Value) {
        naive::each_string(resource, &mut Vec::new(), &mut |path, text| {
            if let Some((_, id)) = text.split_once("/Binary/").filter(|_| path.last() == Some(&"url")) {
                self.ids.entry((person.to_owned(), "Binary".to_owned())).or_default().push(id.to_owned());
            }
        });
    }

    fn of_person(&self, person: &str, resource_type: &str) -> &[String] {
        self.ids.get(&(person.to_owned(), resource_type.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// Something that the victim has and the other does not.
    fn others(&self, person: &str, victim: &str, resource_type: &str) -> Option<String> {
        let mine = self.of_person(person, resource_type);
        self.of_person(victim, resource_type).iter().find(|id| !mine.contains(id)).cloned()
    }
}

/// What a cell is asked with.
#[derive(Clone, Copy)]
struct Given<'a> {
    own: Option<&'a str>,
    other: Option<&'a str>,
    page: Option<&'a str>,
    /// The version of the own one.
    version: Option<&'a str>,
    me: &'a str,
    victim: &'a str,
}

async fn ask(
    world: &World,
    interaction: Interaction,
    resource_type: &str,
    token: Option<&str>,
    given: Given<'_>,
) -> Option<Reply> {
    let Given { own, other, page, .. } = given;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let json = [("content-type", "application/fhir+json")];
    let native = [("accept", "application/pdf, text/plain, image/*")];
    let at = |id: &str| format!("/fhir/{resource_type}/{id}");
    let some_id = own.unwrap_or(NEVER_ISSUED);
    let (method, target, headers, body) = match interaction {
        Interaction::ReadOwn => ("GET", at(own?), &[][..], String::new()),
        Interaction::ReadOther => ("GET", at(other?), &[][..], String::new()),
        Interaction::ReadUnknown => ("GET", at(NEVER_ISSUED), &[][..], String::new()),
        Interaction::Search => ("GET", format!("/fhir/{resource_type}?_count=500"), &[][..], String::new()),
        Interaction::SearchByPost => {
            ("POST", format!("/fhir/{resource_type}/_search"), &form[..], "_count=2".to_owned())
        }
        Interaction::SearchOther => {
            ("GET", format!("/fhir/{resource_type}?_id={}", other.unwrap_or(NEVER_ISSUED)), &[][..], String::new())
        }
        Interaction::PageLink => ("GET", page?.to_owned(), &[][..], String::new()),
        Interaction::Create => ("POST", format!("/fhir/{resource_type}"), &json[..], "{}".to_owned()),
        Interaction::Update => ("PUT", at(some_id), &json[..], "{}".to_owned()),
        Interaction::Patch => ("PATCH", at(some_id), &json[..], "[]".to_owned()),
        Interaction::Delete => ("DELETE", at(some_id), &[][..], String::new()),
        Interaction::VreadOwn => {
            ("GET", format!("{}/_history/{}", at(own?), given.version.unwrap_or("1")), &[][..], String::new())
        }
        Interaction::VreadOther => ("GET", format!("{}/_history/1", at(other?)), &[][..], String::new()),
        Interaction::HistoryOwn => ("GET", format!("{}/_history", at(own?)), &[][..], String::new()),
        Interaction::HistoryOther => ("GET", format!("{}/_history", at(other?)), &[][..], String::new()),
        Interaction::Compartment => {
            ("GET", format!("/fhir/Patient/{}/{resource_type}?_count=500", given.me), &[][..], String::new())
        }
        Interaction::CompartmentByPost => (
            "POST",
            format!("/fhir/Patient/{}/{resource_type}/_search?_count=500", given.me),
            &form[..],
            "_pretty=true".to_owned(),
        ),
        Interaction::CompartmentOther => {
            ("GET", format!("/fhir/Patient/{}/{resource_type}", given.victim), &[][..], String::new())
        }
        Interaction::Everything => {
            ("GET", format!("/fhir/Patient/{}/$everything?_type={resource_type}", given.me), &[][..], String::new())
        }
        Interaction::EverythingOther => {
            ("GET", format!("/fhir/Patient/{}/$everything?_type={resource_type}", given.victim), &[][..], String::new())
        }
        Interaction::ContentOwn => ("GET", at(own?), &native[..], String::new()),
        Interaction::ContentOther => ("GET", at(other?), &native[..], String::new()),
        Interaction::Operation => ("GET", format!("{}/$meta", at(some_id)), &[][..], String::new()),
    };
    Some(world.send(method, &target, token, headers, &body).await)
}

#[test]
fn f27_every_role_gets_for_every_type_and_interaction_what_the_rules_say() {
    run(async {
        let world = fixtures().await;
        let known = Known::of(world).await;
        let (mut wrong, mut cells, mut without) = (Vec::new(), 0, Vec::new());
        for role in ROLES {
            let Actor { account, person, victim } = actor(role);
            let visible = Visible::of(world, person);
            for resource_type in types() {
                let token = match role {
                    Role::NoToken => None,
                    Role::DeadToken => Some("dead-token-that-was-never-given".to_owned()),
                    Role::OtherScope => {
                        let other = if resource_type == "Goal" { "Coverage" } else { "Goal" };
                        let scope = format!("launch/patient patient/{other}.rs");
                        Some(world.token_for(account, person, "app", &scope).await)
                    }
                    _ => Some(world.token_for(account, person, "app", EVERYTHING).await),
                };
                let own = known.of_person(person, resource_type).first().map(String::as_str);
                let other = known.others(person, victim, resource_type);
                let page = known.pages.get(resource_type).map(String::as_str);
                for interaction in INTERACTIONS {
                    let wanted = expected(role, interaction, resource_type);
                    let version = own.and_then(|id| known.versions.get(&format!("{resource_type}/{id}")));
                    let given = Given {
                        own,
                        other: other.as_deref(),
                        page,
                        version: version.map(String::as_str),
                        me: &world.person(person).id.to_string(),
                        victim: &world.person(victim).id.to_string(),
                    };
                    let Some(answer) = ask(world, interaction, resource_type, token.as_deref(), given).await else {
                        without.push((role, interaction, resource_type));
                        continue;
                    };
                    cells += 1;
                    let has = has(&visible, interaction, resource_type) + kept(role, resource_type);
                    if let Err(what) = check(&answer, wanted, interaction, resource_type, own, has) {
                        wrong.push(format!("{resource_type} {role:?} {interaction:?}: {what}"));
                    }
                    let owner = if matches!(role, Role::NoToken | Role::DeadToken) { "nobody" } else { person };
                    // The `self` link repeats what the caller wrote.
                    let said = other.as_deref().filter(|_| interaction == Interaction::SearchOther);
                    let text = said.map_or_else(|| answer.text.clone(), |said| answer.text.replace(said, "…"));
                    let found = leaks(world, owner, &text);
                    wrong.extend(
                        found.into_iter().map(|leak| format!("{resource_type} {role:?} {interaction:?}: {leak}")),
                    );
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {cells} cells are wrong\n{}", wrong.len(), wrong.join("\n"));
        // Cells that cannot be asked because nobody has such a resource: own and other reads, page links.
        let servable = without.iter().filter(|(_, _, kind)| *kind != UNKNOWN_TYPE && kind_of(kind) != Kind::Never);
        let counted = [Interaction::ReadOwn, Interaction::ReadOther, Interaction::PageLink];
        let unasked: Vec<_> =
            servable.filter(|(role, interaction, _)| *role == Role::Patient && counted.contains(interaction)).collect();
        assert!(unasked.len() <= 24, "{} cells of the patient were not asked: {unasked:?}", unasked.len());
        assert!(cells > 4_000, "{cells}");
    });
}

/// Without what Chartgate itself keeps: nobody else holds it, and it has no versions.
fn of_sources(ids: Vec<String>) -> impl Iterator<Item = String> {
    ids.into_iter().filter(|id| !id.starts_with("self."))
}

/// What a search finds besides: whoever acts for somebody is one RelatedPerson, by one Consent.
fn kept(role: Role, resource_type: &str) -> usize {
    usize::from(matches!(role, Role::Parent | Role::Guardian) && ["RelatedPerson", "Consent"].contains(&resource_type))
}

/// How many resources of sources a search of the type must find.
fn has(visible: &Visible<'_>, interaction: Interaction, resource_type: &str) -> usize {
    let all = visible.of_type(resource_type);
    let below = matches!(interaction, Interaction::Compartment | Interaction::CompartmentByPost);
    if !below || resource_type != "Provenance" {
        return all.len();
    }
    // Below a Patient are those that are about the Patient itself.
    let names_patient = |practice: usize, resource: &Value| {
        naive::at(resource, "target>reference").iter().any(|reference| {
            let to =
                reference.as_str().and_then(|text| naive::local(text, &visible.world.practices[practice].base_url));
            to.is_some_and(|(kind, id)| {
                kind == "Patient" && super::oracle::patients(visible.person, practice).contains(&id.as_str())
            })
        })
    };
    all.iter().filter(|((practice, _, _), resource)| names_patient(*practice, resource)).count()
}

fn check(
    answer: &Reply,
    wanted: Expected,
    interaction: Interaction,
    resource_type: &str,
    own: Option<&str>,
    has: usize,
) -> Result<(), String> {
    let status = match wanted {
        Expected::Status(status) => status,
        _ => 200,
    };
    if answer.status != status {
        return Err(format!("{} instead of {wanted:?}: {:.300}", answer.status, answer.text));
    }
    if wanted == Expected::Bytes {
        let is_fhir = answer.header("content-type").is_some_and(|kind| kind.contains("json"));
        return if is_fhir || answer.text.is_empty() { Err(format!("{:.200}", answer.text)) } else { Ok(()) };
    }
    let body = answer.json();
    let shown = || answer.ids().len();
    match wanted {
        Expected::Status(_) => {
            let challenged = answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer"));
            if body["resourceType"] != "OperationOutcome" || body.get("entry").is_some() {
                return Err(format!("no OperationOutcome: {:.300}", answer.text));
            }
            if (status == 401) != challenged {
                return Err("a challenge belongs to 401 and to nothing else".to_owned());
            }
        }
        Expected::Resource if body["resourceType"] != resource_type || body["id"].as_str() != own => {
            return Err(format!("{:.200}", answer.text));
        }
        Expected::OfTheType => {
            let all = body["entry"].as_array().cloned().unwrap_or_default();
            let foreign = |entry: &&Value| {
                entry["search"]["mode"] != "outcome" && entry["resource"]["resourceType"] != resource_type
            };
            if let Some(entry) = all.iter().find(foreign) {
                return Err(format!("{:.200}", entry.to_string()));
            }
        }
        Expected::Versions => {
            let entries = body["entry"].as_array().cloned().unwrap_or_default();
            let all_own = entries.iter().all(|entry| entry["resource"]["id"].as_str() == own);
            if body["type"] != "history" || entries.is_empty() || !all_own {
                return Err(format!("{:.300}", answer.text));
            }
        }
        Expected::KeptHere => {
            let ids = answer.ids();
            if ids.is_empty() || ids.iter().any(|id| !id.starts_with("self.")) {
                return Err(format!("{ids:?}"));
            }
        }
        Expected::Nothing if shown() != 0 => return Err(format!("{} matches", shown())),
        Expected::TheirOwn if interaction == Interaction::PageLink && shown() != 1 => {
            return Err(format!("{} on a page of one", shown()));
        }
        // One Patient, whatever the number of source records.
        Expected::TheirOwn if interaction != Interaction::PageLink && resource_type != "Patient" => {
            let page = if interaction == Interaction::SearchByPost { has.min(2) } else { has };
            let total = body.get("total").unwrap_or(&Value::Null);
            if (*total != Value::Null && *total != has) || shown() != page {
                return Err(format!("{} matches of {total}, they have {has}", shown()));
            }
        }
        _ => {}
    }
    Ok(())
}

#[test]
fn i9_a_hidden_id_and_an_unknown_id_give_the_same_bytes() {
    run(async {
        let world = fixtures().await;
        let known = Known::of(world).await;
        let token = world.token("carlos").await;
        let source = &world.practice("riverside").source;
        let mut compared = 0;
        for resource_type in super::record::searchable().into_iter().chain(["Binary"]) {
            let Some(hidden) = known.others("carlos", "maria", resource_type) else { continue };
            let unknown = format!("{source}.never-issued");
            for headers in [&[][..], &[("if-none-match", "*")][..]] {
                let hidden =
                    world.send("GET", &format!("/fhir/{resource_type}/{hidden}"), Some(&token), headers, "").await;
                let unknown =
                    world.send("GET", &format!("/fhir/{resource_type}/{unknown}"), Some(&token), headers, "").await;
                assert_eq!(hidden.status, 404, "{resource_type}");
                assert_eq!(hidden.without_request_id(), unknown.without_request_id(), "{resource_type}");
                compared += 1;
            }
        }
        assert!(compared >= 50, "{compared}");
    });
}

#[test]
fn granular_scopes_hold_for_reads_and_searches() {
    run(async {
        let world = fixtures().await;
        let category = "http://terminology.hl7.org/CodeSystem/observation-category";
        let scope = format!(
            "launch/patient patient/Observation.rs?category={category}|vital-signs \
             patient/Condition.rs?category=http://terminology.hl7.org/CodeSystem/condition-category|encounter-diagnosis"
        );
        let token = world.token_for("amara", "amara", "app-granular", &scope).await;
        let all = world.token("amara").await;
        let is_granted = |resource: &Value| {
            let wanted = if resource["resourceType"] == "Observation" { "vital-signs" } else { "encounter-diagnosis" };
            naive::at(resource, "category>coding>code").iter().any(|code| **code == wanted)
        };
        for resource_type in ["Observation", "Condition"] {
            let whole =
                world.search(resource_type, &pairs(&[("_count", "500"), ("_sort", "_id")]), &all).await.matches();
            let (granted, hidden): (Vec<Value>, Vec<Value>) = whole.into_iter().partition(is_granted);
            assert!(!granted.is_empty() && !hidden.is_empty(), "{resource_type}");
            let shown = world.search(resource_type, &pairs(&[("_count", "500"), ("_sort", "_id")]), &token).await;
            assert_eq!(shown.matches(), granted, "{resource_type}");
            assert_eq!(shown.json()["total"], granted.len(), "{resource_type}: what is hidden is not counted");
            let id = |resource: &Value| resource["id"].as_str().unwrap().to_owned();
            for (resource, status) in [(&granted[0], 200), (&hidden[0], 404), (hidden.last().unwrap(), 404)] {
                let read = world.get(&format!("/fhir/{resource_type}/{}", id(resource)), &token).await;
                assert_eq!(read.status, status, "{resource_type}");
            }
            let named = world.search(resource_type, &pairs(&[("_id", &id(&hidden[0]))]), &token).await;
            assert_eq!(named.ids(), Vec::<String>::new());
        }
        assert_eq!(world.get("/fhir/Goal", &token).await.status, 403);
    });
}
