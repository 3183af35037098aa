//! Every search that US Core requires or recommends, generated from the independent suite's metadata when the shared
//! folder is there: values out of the data as that suite takes them, the whole paged answer held against a second
//! evaluator over what the EHRs hold. Another version's metadata file beside it runs the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use chartgate::config::Limits;

use super::oracle::{Decoder, Upstream, Visible, patients};
use super::record::everything;
use super::shared_data::{bundle, practice, shared};
use crate::naive::{self, Evaluation, ParameterKind, parameter, values_at};
use crate::support::world::{PersonSpec, Reply, World, run};
use crate::support::yaml;

type Pairs = Vec<(String, String)>;

/// The people of the reference data: two long records, and one that has something of nearly every type.
const PEOPLE: [&str; 3] = ["85", "355", "client_test"];
/// Combinations of values per search and person.
const COMBINATIONS: usize = 4;
/// Requests under way at once.
const AT_ONCE: usize = 6;

/// Where one type's resources of the reference data lie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    There,
    /// The same resource at both, under two ids at the gateway.
    Copied,
    /// Every other one here, the rest there.
    Divided,
}

fn place(resource_type: &str) -> Place {
    match resource_type {
        "AllergyIntolerance"
        | "CarePlan"
        | "Coverage"
        | "Device"
        | "Immunization"
        | "QuestionnaireResponse"
        | "Medication"
        | "MedicationRequest" => Place::Here,
        "CareTeam" | "Goal" | "MedicationDispense" | "RelatedPerson" | "ServiceRequest" | "Specimen" => Place::There,
        "Condition" | "DiagnosticReport" | "DocumentReference" | "Encounter" | "Observation" | "Procedure" => {
            Place::Divided
        }
        _ => Place::Copied,
    }
}

/// What the metadata says of one profile.
struct Group {
    resource_type: String,
    profile: String,
    /// Parameter names, and whether they are required.
    searches: Vec<(Vec<String>, bool)>,
    comparators: BTreeMap<String, Vec<String>>,
    multiple_or: BTreeSet<String>,
    includes: Vec<String>,
    revincludes: Vec<String>,
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn groups(text: &str) -> Vec<Group> {
    let metadata = yaml::parse(text);
    let group = |group: &Value| {
        let definitions = group["search_definitions"].as_object().unwrap();
        let comparators = |definition: &Value| -> Vec<String> {
            definition["comparators"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
        };
        Group {
            resource_type: group["resource"].as_str().unwrap().to_owned(),
            profile: group["profile_url"].as_str().unwrap().to_owned(),
            searches: group["searches"]
                .as_array()
                .unwrap()
                .iter()
                .map(|search| (texts(&search["names"]), search["expectation"] == "SHALL"))
                .collect(),
            comparators: definitions.iter().map(|(name, found)| (name.clone(), comparators(found))).collect(),
            multiple_or: definitions
                .iter()
                .filter(|(_, found)| found["multiple_or"] == "SHALL")
                .map(|(name, _)| name.clone())
                .collect(),
            includes: texts(&group["include_params"]),
            revincludes: texts(&group["revincludes"]),
        }
    };
    metadata["groups"].as_array().unwrap().iter().map(group).collect()
}

/// The metadata files that are there, by name.
fn metadata(data: &Path) -> Vec<PathBuf> {
    let folder = data.parent().unwrap().join("defs/us-core");
    let files = std::fs::read_dir(&folder).into_iter().flatten().map(|file| file.unwrap().path());
    let is_metadata = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with("inferno-metadata-") && name.ends_with(".yml")
    };
    let mut files: Vec<PathBuf> = files.filter(is_metadata).collect();
    files.sort();
    if files.is_empty() {
        println!("skipped: no metadata in {}", folder.display());
    }
    files
}

/// The reference data at two practices.
async fn world(data: &Path) -> World {
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for person in PEOPLE {
        let held = bundle(&data.join(format!("inferno/uscore_bundle_patient_{person}.json")));
        for (index, resource) in held.into_iter().enumerate() {
            let place = place(resource["resourceType"].as_str().unwrap());
            if place == Place::Here || place == Place::Copied || (place == Place::Divided && index % 2 == 0) {
                one.push(resource.clone());
            }
            if place == Place::There || place == Place::Copied || (place == Place::Divided && index % 2 == 1) {
                two.push(resource);
            }
        }
    }
    // Shared reference data stands in more than one file.
    for held in [&mut one, &mut two] {
        let mut seen = BTreeSet::new();
        held.retain(|resource| seen.insert((resource["resourceType"].to_string(), resource["id"].to_string())));
    }
    let ids = |person: &str| {
        let held = bundle(&data.join(format!("inferno/uscore_bundle_patient_{person}.json")));
        let patient = held.iter().find(|resource| resource["resourceType"] == "Patient").unwrap();
        patient["id"].as_str().unwrap().to_owned()
    };
    let persons = PEOPLE.map(|person| PersonSpec {
        key: person.to_owned(),
        links: vec![("one".to_owned(), ids(person)), ("two".to_owned(), ids(person))],
    });
    World::start(vec![practice("one", one), practice("two", two)], persons.to_vec(), Limits::default()).await
}

/// A person's record as it must be found, and what the ids at the gateway stand for.
struct Record<'w> {
    key: &'static str,
    visible: Visible<'w>,
    decoder: Decoder,
    token: String,
}

impl<'w> Record<'w> {
    async fn new(world: &'w World, key: &'static str) -> Self {
        let mut decoder = Decoder::default();
        for resource in everything(world, key).await.values().flatten() {
            decoder.learn(world, resource).await;
        }
        Self { key, visible: Visible::of(world, key), decoder, token: world.token(key).await }
    }

    fn gateway_id(&self, practice: usize, resource_type: &str, id: &str) -> Option<String> {
        if resource_type == "Patient" {
            return patients(self.visible.person, practice).contains(&id).then(|| self.visible.person.id.to_string());
        }
        self.decoder.encode(self.visible.world, practice, resource_type, id)
    }

    fn matches(&self, (practice, _, _): &Upstream, resource: &Value, query: &[(String, String)]) -> bool {
        let world = self.visible.world;
        let gateway_id = |kind: &str, id: &str| self.gateway_id(*practice, kind, id);
        let base = &world.practices[*practice].base_url;
        naive::matches(resource, query, Evaluation { base, gateway: &world.fhir, gateway_id: &gateway_id })
    }

    /// The ids of what must be found.
    fn expected(&self, resource_type: &str, query: &[(String, String)]) -> BTreeSet<String> {
        let of_type = self.visible.of_type(resource_type);
        let found = of_type.iter().filter(|(key, resource)| self.matches(key, resource, query));
        found
            .map(|((practice, kind, id), _)| self.gateway_id(*practice, kind, id).unwrap_or_else(|| id.clone()))
            .collect()
    }

    /// The values that this element gives a search: without their system, and with it.
    fn spellings(&self, practice: usize, kind: ParameterKind, found: &Value) -> Option<(String, Option<String>)> {
        let text = |value: &Value| value.as_str().map(escape);
        let token = |system: &Value, code: &Value| {
            let code = text(code)?;
            Some((code.clone(), text(system).map(|system| format!("{system}|{code}"))))
        };
        match kind {
            ParameterKind::Token => match (found.get("coding"), found.as_str()) {
                (_, Some(code)) => Some((escape(code), None)),
                (Some(codings), _) => {
                    let coding = codings.as_array()?.iter().find(|coding| coding["code"].is_string())?;
                    token(&coding["system"], &coding["code"])
                }
                _ if found.get("code").is_some() => token(&found["system"], &found["code"]),
                _ => token(&found["system"], &found["value"]),
            },
            ParameterKind::Date | ParameterKind::Instant => {
                Some((text(found).or(text(&found["start"])).or(text(&found["end"]))?, None))
            }
            ParameterKind::String => {
                let first = |name: &str| naive::at(found, name).into_iter().find_map(text);
                let whole = text(found).or(first("family")).or(first("given")).or(first("text"));
                let address = whole.or(first("city")).or(first("state")).or(first("postalCode"));
                Some((address.or(first("country"))?, None))
            }
            ParameterKind::Reference => {
                let base = &self.visible.world.practices[practice].base_url;
                let Some(target) = found["reference"].as_str() else { return Some((text(found)?, None)) };
                let (kind, id) = naive::local(target, base)?;
                let id = self.gateway_id(practice, &kind, &id)?;
                Some((id.clone(), Some(format!("{kind}/{id}"))))
            }
            other => panic!("US Core has no search by {other:?}"),
        }
    }

    /// For each resource that has all these parameters, the first spelling of each.
    fn combinations(&self, group: &Group, names: &[String]) -> Vec<Vec<(String, Option<String>)>> {
        let of_type = self.visible.of_type(&group.resource_type);
        let conforms =
            |resource: &Value| texts(&resource["meta"]["profile"]).iter().any(|p| p.starts_with(&group.profile));
        let conforming: BTreeMap<_, _> = of_type.iter().filter(|(_, resource)| conforms(resource)).collect();
        let chosen = if conforming.is_empty() { of_type.iter().collect() } else { conforming };
        let of = |practice: usize, resource: &Value, name: &String| {
            if name == "_id" {
                let id = self.gateway_id(practice, &group.resource_type, resource["id"].as_str()?)?;
                return Some((id, None));
            }
            let parameter = parameter(&group.resource_type, name);
            let found = values_at(resource, &parameter);
            found.into_iter().find_map(|found| self.spellings(practice, parameter.kind, found))
        };
        let mut combinations = Vec::new();
        for ((practice, _, _), resource) in chosen {
            let values: Option<Vec<_>> = names.iter().map(|name| of(*practice, resource, name)).collect();
            combinations.extend(values.filter(|values| !combinations.contains(values)));
        }
        spread(combinations, COMBINATIONS)
    }

    /// Everything that is asked about one search of one profile.
    fn queries(&self, group: &Group, names: &[String]) -> Vec<Pairs> {
        let kind = |name: &str| match name {
            "_id" => ParameterKind::Token,
            name => parameter(&group.resource_type, name).kind,
        };
        let combinations = self.combinations(group, names);
        let mut queries = Vec::new();
        for (index, values) in combinations.iter().enumerate() {
            let plain: Pairs = names.iter().cloned().zip(values.iter().map(|(value, _)| value.clone())).collect();
            let qualified = values.iter().map(|(value, full)| full.clone().unwrap_or_else(|| value.clone()));
            let with = |at: usize, value: String| {
                let mut query = plain.clone();
                query[at].1 = value;
                query
            };
            queries.push(names.iter().cloned().zip(qualified).collect());
            for (at, name) in names.iter().enumerate() {
                if matches!(kind(name), ParameterKind::Date | ParameterKind::Instant) {
                    let prefixes = group.comparators[name].iter().filter(|prefix| *prefix != "ap");
                    queries.extend(prefixes.map(|prefix| with(at, format!("{prefix}{}", plain[at].1))));
                    // The same at the precision of a day, as people write it.
                    let day = plain[at].1.get(..10).unwrap_or(&plain[at].1).to_owned();
                    queries.extend(["gt", "le"].map(|prefix| with(at, format!("{prefix}{day}"))));
                    queries.push(with(at, day));
                }
                if group.multiple_or.contains(name) && index == 0 {
                    let all: BTreeSet<String> = combinations.iter().map(|values| values[at].0.clone()).collect();
                    let all = all.into_iter().chain(["entered-in-error".to_owned()]).collect::<Vec<_>>();
                    queries.push(with(at, all.join(",")));
                }
                // What another resource has: the parameters must hold together.
                let other = &combinations[(index + 1) % combinations.len()][at].0;
                if names.len() > 1 && *other != plain[at].1 {
                    queries.push(with(at, other.clone()));
                }
            }
            queries.push(plain);
        }
        queries
    }
}

fn spread<T>(mut all: Vec<T>, count: usize) -> Vec<T> {
    let step = all.len().div_ceil(count).max(1);
    let mut index = 0;
    all.retain(|_| {
        index += 1;
        (index - 1) % step == 0
    });
    all
}

fn escape(text: &str) -> String {
    text.chars().flat_map(|c| if "\\,|$".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

fn encode(query: &[(String, String)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
}

/// One search to be asked.
struct Asked<'r, 'w> {
    record: &'r Record<'w>,
    resource_type: String,
    query: Pairs,
    /// By `POST _search` as well.
    posted: bool,
    /// In small pages.
    paged: bool,
}

impl Asked<'_, '_> {
    async fn answers(&self) -> Vec<(&'static str, Vec<Reply>)> {
        let (world, token) = (self.record.visible.world, &self.record.token);
        let mut query = self.query.clone();
        query.extend(self.paged.then(|| ("_count".to_owned(), "7".to_owned())));
        let path = format!("/fhir/{}?{}", self.resource_type, encode(&query));
        let mut answers = vec![("GET", world.pages(&path, token).await)];
        if self.posted {
            let first = world.search_by_post(&self.resource_type, &query, token).await;
            let rest = match first.link("next") {
                Some(next) => world.pages(&next, token).await,
                None => Vec::new(),
            };
            answers.push(("POST", std::iter::once(first).chain(rest).collect()));
        }
        answers
    }

    /// How many were found, or what is wrong.
    async fn check(&self) -> Result<usize, String> {
        let expected = self.record.expected(&self.resource_type, &self.query);
        for (method, pages) in self.answers().await {
            let says = |what: String| {
                Err(format!("{} {method} {}?{}: {what}", self.record.key, self.resource_type, encode(&self.query)))
            };
            if let Some(page) = pages.iter().find(|page| page.status != 200 || !page.outcomes().is_empty()) {
                return says(format!("{} {}", page.status, page.text));
            }
            let shown: Vec<String> = pages.iter().flat_map(Reply::ids).collect();
            let distinct: BTreeSet<String> = shown.iter().cloned().collect();
            if distinct != expected || distinct.len() != shown.len() {
                let extra: Vec<_> = distinct.difference(&expected).take(5).collect();
                let missing: Vec<_> = expected.difference(&distinct).take(5).collect();
                let counts = format!("{} shown, {} expected", shown.len(), expected.len());
                return says(format!("{counts}; extra {extra:?}, missing {missing:?}"));
            }
        }
        Ok(expected.len())
    }
}

/// What was asked about one type.
#[derive(Default)]
struct Tally {
    searches: usize,
    queries: usize,
    found: usize,
}

/// Searches that the metadata lists and the reference data has no values for.
const WITHOUT_VALUES: &[(&str, &str)] = &[];

#[test]
fn every_us_core_search_finds_exactly_what_a_second_evaluator_finds() {
    let Some(data) = shared() else { return };
    for file in metadata(&data) {
        let groups = groups(&std::fs::read_to_string(&file).unwrap());
        assert!(groups.len() > 40, "{} groups", groups.len());
        run(check_all(&data, &groups));
    }
}

async fn check_all(data: &Path, groups: &[Group]) {
    let world = world(data).await;
    let mut records = Vec::new();
    for key in PEOPLE {
        records.push(Record::new(&world, key).await);
    }
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let (mut seen, mut asked, mut without) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for group in groups {
        for (names, required) in &group.searches {
            let tally = tallies.entry(&group.resource_type).or_default();
            tally.searches += 1;
            let mut generated = 0;
            for record in &records {
                for (index, query) in record.queries(group, names).into_iter().enumerate() {
                    generated += 1;
                    if seen.insert((record.key, group.resource_type.clone(), query.clone())) {
                        let resource_type = group.resource_type.clone();
                        let paged = seen.len() % 5 == 0;
                        asked.push(Asked { record, resource_type, query, posted: index == 0, paged });
                    }
                }
            }
            if generated == 0 {
                let must = if *required { "SHALL" } else { "SHOULD" };
                without.insert((group.resource_type.clone(), names.join("+"), must));
            }
        }
    }
    let checks = asked.iter().map(async |asked| (asked, asked.check().await));
    let checked: Vec<_> = stream::iter(checks).buffer_unordered(AT_ONCE).collect().await;
    let mut wrong = Vec::new();
    for (asked, result) in checked {
        let tally = tallies.get_mut(asked.resource_type.as_str()).unwrap();
        tally.queries += 1;
        match result {
            Ok(found) => tally.found += found,
            Err(what) => wrong.push(what),
        }
    }
    println!("{:24} {:>8} {:>8} {:>8}", "type", "searches", "queries", "found");
    for (resource_type, tally) in &tallies {
        println!("{resource_type:24} {:>8} {:>8} {:>8}", tally.searches, tally.queries, tally.found);
    }
    println!("without values: {without:?}");
    wrong.sort();
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    let known: BTreeSet<_> =
        WITHOUT_VALUES.iter().map(|(kind, names)| ((*kind).to_owned(), (*names).to_owned())).collect();
    let without: BTreeSet<_> = without.into_iter().map(|(kind, names, _)| (kind, names)).collect();
    assert!(without.is_subset(&known), "not generated: {:?}", without.difference(&known));
    let found: usize = tallies.values().map(|tally| tally.found).sum();
    assert!(asked.len() > 1_000 && found > 5 * asked.len(), "{} queries found {found}", asked.len());
}

#[test]
fn every_us_core_include_brings_what_the_matches_point_at() {
    let Some(data) = shared() else { return };
    for file in metadata(&data) {
        let groups = groups(&std::fs::read_to_string(&file).unwrap());
        run(check_includes(&data, &groups));
    }
}

/// Ids at the gateway of what the matches of `resource_type` point at by `element`, resources of `target`.
fn pointed_at(record: &Record<'_>, resource_type: &str, name: &str, target: Option<&str>) -> BTreeSet<String> {
    let parameter = parameter(resource_type, name);
    let mut found = BTreeSet::new();
    for ((practice, _, _), resource) in record.visible.of_type(resource_type) {
        let base = &record.visible.world.practices[practice].base_url;
        let references = values_at(resource, &parameter).into_iter().filter_map(|value| value["reference"].as_str());
        for (kind, id) in references.filter_map(|text| naive::local(text, base)) {
            let wanted = target.or(parameter.target).is_none_or(|wanted| wanted == kind);
            if wanted && record.visible.shows(practice, &kind, &id) {
                found.extend(record.gateway_id(practice, &kind, &id).map(|id| format!("{kind}/{id}")));
            }
        }
    }
    found
}

/// Ids at the gateway of the visible Provenances that are about resources of this type.
fn provenances(record: &Record<'_>, resource_type: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for ((practice, kind, id), resource) in record.visible.of_type("Provenance") {
        let base = &record.visible.world.practices[practice].base_url;
        let targets = naive::at(resource, "target>reference").into_iter().filter_map(Value::as_str);
        let mut targets = targets.filter_map(|text| naive::local(text, base));
        if targets.any(|(kind, id)| kind == resource_type && record.visible.shows(practice, &kind, &id)) {
            found.extend(record.gateway_id(practice, &kind, &id).map(|id| format!("{kind}/{id}")));
        }
    }
    found
}

async fn check_includes(data: &Path, groups: &[Group]) {
    let world = world(data).await;
    let mut asked = BTreeSet::new();
    let (mut wrong, mut brought) = (Vec::new(), 0);
    for key in PEOPLE {
        let record = Record::new(&world, key).await;
        for group in groups {
            let includes = group.includes.iter().map(|edge| ("_include", edge));
            for (name, edge) in includes.chain(group.revincludes.iter().map(|edge| ("_revinclude", edge))) {
                if group.resource_type == "Patient" || !asked.insert((key, group.resource_type.clone(), edge.clone())) {
                    continue;
                }
                let parts: Vec<&str> = edge.split(':').collect();
                let expected = match name {
                    "_include" => pointed_at(&record, parts[0], parts[1], parts.get(2).copied()),
                    _ => provenances(&record, &group.resource_type),
                };
                let query = vec![(name.to_owned(), edge.clone()), ("_count".to_owned(), "60".to_owned())];
                let path = format!("/fhir/{}?{}", group.resource_type, encode(&query));
                let pages = world.pages(&path, &record.token).await;
                let included = pages.iter().flat_map(|page| page.entries("include"));
                let shown: BTreeSet<String> = included
                    .map(|entry| {
                        let resource = &entry["resource"];
                        format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
                    })
                    .collect();
                let matches: BTreeSet<String> = pages.iter().flat_map(Reply::ids).collect();
                brought += shown.len();
                if shown != expected || matches != record.expected(&group.resource_type, &[]) {
                    wrong.push(format!("{key} {path}: {shown:?} included, {expected:?} expected"));
                }
            }
        }
    }
    println!("{} includes, {brought} resources brought", asked.len());
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    assert!(asked.len() > 40 && brought > 20, "{} includes brought {brought}", asked.len());
}
