//! Searches end to end, against a second evaluator on what the EHRs hold: by GET, by POST, and against the answer of
//! the specification where it says no.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fixtures;
use super::oracle::{Decoder, Upstream, Visible};
use super::record::{everything, leaks};
use crate::naive::{self, Evaluation, ParameterKind, parameter, values_at};
use crate::support::world::{Reply, World, pairs, run};

/// The searches that US Core 6.1.0 asks for (SHALL, and SHOULD where the fixtures have the elements), by heart.
const REQUIRED: &[(&str, &str)] = &[
    ("AllergyIntolerance", "patient"),
    ("AllergyIntolerance", "patient clinical-status"),
    ("CarePlan", "patient category"),
    ("CarePlan", "patient category status"),
    ("CarePlan", "patient category status date"),
    ("CarePlan", "patient category date"),
    ("CareTeam", "patient status"),
    ("CareTeam", "patient role"),
    ("Condition", "patient"),
    ("Condition", "patient category"),
    ("Condition", "patient recorded-date"),
    ("Condition", "patient onset-date"),
    ("Condition", "patient abatement-date"),
    ("Condition", "patient asserted-date"),
    ("Condition", "patient clinical-status"),
    ("Condition", "patient category clinical-status"),
    ("Condition", "patient category encounter"),
    ("Condition", "patient code"),
    ("Coverage", "patient"),
    ("Device", "patient"),
    ("Device", "patient type"),
    ("Device", "patient status"),
    ("DiagnosticReport", "patient"),
    ("DiagnosticReport", "patient category"),
    ("DiagnosticReport", "patient code"),
    ("DiagnosticReport", "patient category date"),
    ("DiagnosticReport", "patient code date"),
    ("DiagnosticReport", "patient status"),
    ("DocumentReference", "patient"),
    ("DocumentReference", "_id"),
    ("DocumentReference", "patient category"),
    ("DocumentReference", "patient type"),
    ("DocumentReference", "patient category date"),
    ("DocumentReference", "patient status"),
    ("DocumentReference", "patient type period"),
    ("Encounter", "patient"),
    ("Encounter", "_id"),
    ("Encounter", "patient date"),
    ("Encounter", "identifier"),
    ("Encounter", "patient type"),
    ("Encounter", "patient class"),
    ("Encounter", "patient status"),
    ("Encounter", "patient location"),
    ("Encounter", "patient discharge-disposition"),
    ("Goal", "patient"),
    ("Goal", "patient target-date"),
    ("Goal", "patient description"),
    ("Goal", "patient lifecycle-status"),
    ("Immunization", "patient"),
    ("Immunization", "patient date"),
    ("Immunization", "patient status"),
    ("MedicationDispense", "patient"),
    ("MedicationDispense", "patient status"),
    ("MedicationDispense", "patient status type"),
    ("MedicationRequest", "patient intent"),
    ("MedicationRequest", "patient intent status"),
    ("MedicationRequest", "patient intent encounter"),
    ("MedicationRequest", "patient intent authoredon"),
    ("Observation", "patient category"),
    ("Observation", "patient code"),
    ("Observation", "patient category date"),
    ("Observation", "patient code date"),
    ("Observation", "patient category status"),
    ("Procedure", "patient"),
    ("Procedure", "patient date"),
    ("Procedure", "patient status"),
    ("Procedure", "patient code date"),
    ("QuestionnaireResponse", "patient"),
    ("QuestionnaireResponse", "_id"),
    ("QuestionnaireResponse", "patient status"),
    ("QuestionnaireResponse", "patient authored"),
    ("RelatedPerson", "_id"),
    ("RelatedPerson", "patient"),
    ("RelatedPerson", "name"),
    ("RelatedPerson", "patient name"),
    ("ServiceRequest", "patient"),
    ("ServiceRequest", "_id"),
    ("ServiceRequest", "patient category"),
    ("ServiceRequest", "patient code"),
    ("ServiceRequest", "patient category authored"),
    ("ServiceRequest", "patient status"),
    ("ServiceRequest", "patient code authored"),
    ("Specimen", "_id"),
    ("Specimen", "patient"),
    ("Organization", "name"),
    ("Organization", "address"),
    ("Practitioner", "name"),
    ("Practitioner", "identifier"),
    ("Practitioner", "_id"),
    ("PractitionerRole", "specialty"),
    ("PractitionerRole", "practitioner"),
    ("Location", "name"),
    ("Location", "address"),
    ("Location", "address-city"),
    ("Location", "address-state"),
    ("Location", "address-postalcode"),
    // Ours, and R4's for what the portal needs.
    ("Appointment", "patient date"),
    ("Appointment", "status"),
    ("Appointment", "practitioner"),
    ("Communication", "patient sent"),
    ("Communication", "recipient"),
    ("Communication", "sender"),
    ("Communication", "received"),
    ("Observation", "value-quantity"),
    ("Observation", "has-member"),
    ("Observation", "component-code"),
    ("Observation", "combo-code"),
    ("Observation", "encounter"),
    ("Observation", "performer"),
    ("Observation", "subject"),
    ("Observation", "_id"),
    ("DiagnosticReport", "result"),
    ("DiagnosticReport", "identifier"),
    ("Invoice", "date totalgross"),
    ("Slot", "status start"),
    ("Slot", "schedule"),
    ("MedicationRequest", "medication"),
    ("Medication", "code"),
    ("Provenance", "target"),
    ("PaymentNotice", "request"),
    ("Task", "patient status"),
    ("Consent", "patient status"),
    ("VerificationResult", "target"),
];

/// What maria must see, and what the ids in her answers stand for.
struct Searched {
    visible: Visible<'static>,
    decoder: Decoder,
    token: String,
}

impl Searched {
    async fn new() -> Self {
        let world = fixtures().await;
        let mut decoder = Decoder::default();
        for resource in everything(world, "maria").await.values().flatten() {
            decoder.learn(world, resource).await;
        }
        Self { visible: Visible::of(world, "maria"), decoder, token: world.token("maria").await }
    }

    fn gateway_id(&self, practice: usize, resource_type: &str, id: &str) -> Option<String> {
        if resource_type == "Patient" {
            let mine = super::oracle::patients(self.visible.person, practice).contains(&id);
            return mine.then(|| self.visible.person.id.to_string());
        }
        self.decoder.encode(self.visible.world, practice, resource_type, id)
    }

    fn matches(&self, (practice, _, _): &Upstream, resource: &Value, query: &[(String, String)]) -> bool {
        let world = self.visible.world;
        let gateway_id = |kind: &str, id: &str| self.gateway_id(*practice, kind, id);
        let base = &world.practices[*practice].base_url;
        naive::matches(resource, query, Evaluation { base, gateway: &world.fhir, gateway_id: &gateway_id })
    }

    fn expected(&self, resource_type: &str, query: &[(String, String)]) -> BTreeSet<String> {
        let of_type = self.visible.of_type(resource_type);
        let found = of_type.iter().filter(|(key, resource)| self.matches(key, resource, query));
        found
            .map(|((practice, kind, id), _)| self.gateway_id(*practice, kind, id).unwrap_or_else(|| id.clone()))
            .collect()
    }

    /// Asks by GET, and by POST too if told, and compares.
    async fn check(&self, resource_type: &str, query: &[(String, String)], post: bool) -> Result<usize, String> {
        let world = self.visible.world;
        let mut query = query.to_vec();
        query.push(("_count".to_owned(), "500".to_owned()));
        let expected = self.expected(resource_type, &query);
        let mut answers = vec![("GET", world.search(resource_type, &query, &self.token).await)];
        if post {
            answers.push(("POST", world.search_by_post(resource_type, &query, &self.token).await));
        }
        for (method, answer) in answers {
            let says = |what: String| Err(format!("{method} {resource_type} {query:?}: {what}"));
            if answer.status != 200 {
                return says(answer.text);
            }
            if !answer.outcomes().is_empty() {
                return says(format!("{:?}", answer.outcomes()));
            }
            let shown: BTreeSet<String> = answer.ids().into_iter().collect();
            if shown != expected {
                let extra: Vec<_> = shown.difference(&expected).take(5).collect();
                let missing: Vec<_> = expected.difference(&shown).take(5).collect();
                return says(format!(
                    "{} shown, {} expected; extra {extra:?}, missing {missing:?}",
                    shown.len(),
                    expected.len()
                ));
            }
        }
        Ok(expected.len())
    }

    /// Spellings of a value that finds this resource.
    fn values(&self, practice: usize, resource: &Value, name: &str) -> Vec<String> {
        let resource_type = resource["resourceType"].as_str().unwrap();
        if name == "_id" {
            return self.gateway_id(practice, resource_type, resource["id"].as_str().unwrap()).into_iter().collect();
        }
        let parameter = parameter(resource_type, name);
        let base = &self.visible.world.practices[practice].base_url;
        let mut values = Vec::new();
        let counts = |found: &&Value| {
            let to = found["reference"].as_str().and_then(|text| naive::local(text, base));
            parameter.target.is_none_or(|target| to.is_some_and(|(kind, _)| kind == target))
        };
        for found in values_at(resource, &parameter).into_iter().filter(counts).take(1) {
            match parameter.kind {
                ParameterKind::Token => {
                    let code = found["code"].as_str().or(found["value"].as_str()).or(found.as_str());
                    let coding = found["coding"].get(0);
                    let (system, code) = match coding {
                        Some(coding) => (coding["system"].as_str(), coding["code"].as_str()),
                        None => (found["system"].as_str(), code),
                    };
                    let Some(code) = code else { continue };
                    let code = escape(code);
                    values.push(code.clone());
                    values.extend(system.map(|system| format!("{}|{code}", escape(system))));
                    if practice == 0 {
                        values.push(format!("{code},nothing-of-the-kind"));
                    }
                }
                ParameterKind::Date | ParameterKind::Instant => {
                    let text = found.as_str().or(found["start"].as_str());
                    let Some(text) = text else { continue };
                    // All prefixes between the two practices: each is asked for half of them.
                    let prefixes = [["ge", "lt", "ne", "sa"], ["le", "gt", "eq", "eb"]];
                    for prefix in prefixes[practice] {
                        values.push(format!("{prefix}{}", &text[..text.len().min(10)]));
                    }
                    values.push(text.to_owned());
                    values.push(text[..4].to_owned());
                }
                ParameterKind::String => {
                    let words = naive::words(found);
                    let Some(word) = words.first() else { continue };
                    values.push(escape(word));
                    values.push(escape(&word.chars().take(3).collect::<String>()).to_uppercase());
                }
                ParameterKind::Reference => {
                    let to = found["reference"].as_str().and_then(|text| naive::local(text, base));
                    let Some((kind, id)) = to else { continue };
                    let Some(id) = self.gateway_id(practice, &kind, &id) else { continue };
                    values.push(format!("{kind}/{id}"));
                    values.push(format!("{}/{kind}/{id}", self.visible.world.fhir));
                    values.push(id);
                }
                ParameterKind::Quantity => {
                    let Some(number) = found.get("value") else { continue };
                    for prefix in ["", "ge", "lt", "ne"] {
                        values.push(format!("{prefix}{number}"));
                    }
                    if let (Some(system), Some(code)) = (found["system"].as_str(), found["code"].as_str()) {
                        values.push(format!("{number}|{system}|{code}"));
                        values.push(format!("gt{number}||{code}"));
                    }
                }
                other => panic!("{name} is {other:?}"),
            }
        }
        values
    }

    /// Queries over these parameters whose values stand in the data: for each practice one resource that has them all.
    fn queries(&self, resource_type: &str, names: &[&str]) -> Vec<Vec<(String, String)>> {
        let mut queries = Vec::new();
        let of_type = self.visible.of_type(resource_type);
        for practice in [0, 1] {
            let held = of_type.iter().filter(|((index, _, _), _)| *index == practice).map(|(_, resource)| *resource);
            let spellings = |resource: &Value| -> Vec<Vec<String>> {
                names.iter().map(|name| self.values(practice, resource, name)).collect()
            };
            let Some(spellings) = held.map(spellings).find(|values| values.iter().all(|v| !v.is_empty())) else {
                continue;
            };
            // Each spelling of each parameter once, beside the first spelling of the others.
            let most = spellings.iter().map(Vec::len).max().unwrap();
            for round in 0..most {
                let values = names.iter().zip(&spellings);
                let query = values.map(|(name, all)| ((*name).to_owned(), all[round.min(all.len() - 1)].clone()));
                queries.push(query.collect());
            }
        }
        queries
    }
}

fn escape(text: &str) -> String {
    text.chars().flat_map(|c| if "\\,|$".contains(c) { vec!['\\', c] } else { vec![c] }).collect()
}

#[test]
fn required_searches_give_what_the_second_evaluator_finds_by_get_and_by_post() {
    run(async {
        let searched = Searched::new().await;
        let (mut wrong, mut asked, mut without, mut found) = (Vec::new(), 0, Vec::new(), 0);
        for (resource_type, names) in REQUIRED {
            let names: Vec<&str> = names.split(' ').collect();
            let queries = searched.queries(resource_type, &names);
            if queries.is_empty() {
                without.push(format!("{resource_type} {}", names.join("+")));
            }
            for (index, query) in queries.iter().enumerate() {
                asked += 1;
                match searched.check(resource_type, query, index == 0).await {
                    Ok(count) => found += count,
                    Err(what) => wrong.push(what),
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {asked} differ\n{}", wrong.len(), wrong.join("\n"));
        assert!(asked >= 300 && found > 3 * asked, "{asked} queries, {found} resources");
        assert!(without.len() <= 12, "no resource of maria has: {without:?}");
    });
}

#[test]
fn modifiers_or_lists_and_repeats_give_what_the_second_evaluator_finds() {
    run(async {
        let searched = Searched::new().await;
        let queries: &[(&str, &[(&str, &str)])] = &[
            ("Observation", &[("status", "final,preliminary,registered,amended")]),
            ("Observation", &[("status:not", "final")]),
            ("Observation", &[("category:not", "laboratory")]),
            ("Observation", &[("category", "http://terminology.hl7.org/CodeSystem/observation-category|")]),
            ("Observation", &[("category", "|laboratory")]),
            ("Observation", &[("code:text", "hemo")]),
            ("Observation", &[("encounter:missing", "true")]),
            ("Observation", &[("encounter:missing", "false"), ("status", "final")]),
            ("Observation", &[("date", "ge2025-01-01"), ("date", "lt2026-01-01")]),
            ("Observation", &[("date", "2025"), ("category", "vital-signs"), ("code", "8867-4,29463-7")]),
            ("Observation", &[("value-quantity", "ge0"), ("value-quantity", "le10")]),
            ("Observation", &[("code-value-quantity", "http://loinc.org|4548-4$ge6.5")]),
            ("Observation", &[("component-code-value-quantity", "http://loinc.org|8480-6$gt130")]),
            ("Observation", &[("combo-code", "8480-6,8462-4")]),
            ("Observation", &[("code", "no-such-code")]),
            ("Condition", &[("clinical-status:not", "resolved")]),
            ("Condition", &[("onset-date", "lt2020"), ("category", "problem-list-item")]),
            ("MedicationRequest", &[("intent", "order,plan"), ("status", "active,completed,stopped")]),
            ("MedicationRequest", &[("status:not", "active")]),
            ("Appointment", &[("date", "ge2026-09-15T09:00:00-04:00"), ("status:not", "cancelled")]),
            ("Appointment", &[("status", "booked,pending,proposed")]),
            ("Communication", &[("sent", "ge2026-08-01"), ("sent", "le2026-09-01")]),
            ("DiagnosticReport", &[("identifier", "A\\,7\\|2026")]),
            ("DiagnosticReport", &[("identifier", "https://riverside-family.example/ids/accession|A\\,7\\|2026")]),
            ("DocumentReference", &[("type", "34117-2,11506-3")]),
            ("Encounter", &[("date", "sa2026-01-01"), ("class", "AMB")]),
            ("Immunization", &[("date", "le2025-12-31"), ("status", "completed")]),
            ("Practitioner", &[("name:contains", "okon")]),
            ("Practitioner", &[("name:exact", "Okonkwo-Hale")]),
            ("Organization", &[("name", "riverside")]),
            ("Location", &[("address-city", "green")]),
            ("Slot", &[("status", "free"), ("start", "ge2026-09-16"), ("start", "lt2026-09-18")]),
            ("Invoice", &[("totalgross", "gt20"), ("status", "balanced,issued")]),
            ("Task", &[("status:missing", "false")]),
        ];
        let mut wrong = Vec::new();
        for (resource_type, query) in queries {
            wrong.extend(searched.check(resource_type, &pairs(query), true).await.err());
        }
        assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn patient_may_be_spelled_in_every_way_and_finds_the_same() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let me = world.person("maria").id;
        for resource_type in ["Observation", "Condition", "Appointment", "Coverage", "AllergyIntolerance"] {
            let plain = world.search(resource_type, &pairs(&[("_count", "500")]), &token).await.ids();
            assert!(!plain.is_empty());
            for value in [me.to_string(), format!("Patient/{me}"), format!("{}/Patient/{me}", world.fhir)] {
                let query = pairs(&[("patient", &value), ("_count", "500")]);
                let found = world.search(resource_type, &query, &token).await.ids();
                assert_eq!(found, plain, "{resource_type}?patient={value}");
            }
            let typed = pairs(&[("patient:Patient", &me.to_string()), ("_count", "500")]);
            let answer = world.search(resource_type, &typed, &token).await;
            assert!(answer.status == 400 || answer.ids() == plain, "{resource_type}?patient:Patient");
        }
    });
}

#[test]
fn f02_f03_naming_somebody_else_finds_nothing_and_asks_nobody() {
    run(async {
        // A world of its own: the upstream log must be still.
        let world = World::of_fixtures(chartgate::config::Limits::default()).await;
        let token = world.token("maria").await;
        let other = world.person("carlos").id;
        let never = "0b7c2e1a-3d4f-4a5b-8c6d-7e8f9a0b1c2d";
        let riverside = world.practice("riverside");
        let upstream = [
            format!("Patient/{other}"),
            other.to_string(),
            format!("{}/Patient/{other}", world.fhir),
            format!("Patient/{never}"),
            "Patient/pat-1002".to_owned(),
            "pat-1002".to_owned(),
            "Patient/pat-1001".to_owned(),
            format!("{}/Patient/pat-1002", riverside.base_url),
            format!("Patient/{}.pat-1002", riverside.source),
        ];
        let _ = world.search("Observation", &[], &token).await;
        world.forget_upstream();
        let mut answers = BTreeMap::new();
        for (resource_type, parameter) in [
            ("Observation", "patient"),
            ("Observation", "subject"),
            ("Condition", "patient"),
            ("Coverage", "beneficiary"),
        ] {
            for value in &upstream {
                let query = pairs(&[(parameter, value)]);
                for answer in [
                    world.search(resource_type, &query, &token).await,
                    world.search_by_post(resource_type, &query, &token).await,
                ] {
                    assert_eq!(answer.status, 200, "{query:?}: {}", answer.text);
                    assert_eq!(answer.entries("match").len(), 0, "{resource_type} {query:?}");
                    assert_eq!(answer.outcomes(), Vec::<String>::new());
                    answers.entry(resource_type).or_insert_with(BTreeSet::new).insert(shape(&answer, value));
                }
            }
        }
        for (resource_type, shapes) in answers {
            assert_eq!(
                shapes.len(),
                1,
                "{resource_type}: a known and an unknown person give the same answer {shapes:?}"
            );
        }
        // Both at once: the OR finds what is hers, the AND nothing.
        let me = world.person("maria").id;
        let either = pairs(&[("patient", &format!("Patient/{me},Patient/{other}")), ("_count", "500")]);
        let alone = pairs(&[("patient", &format!("Patient/{me}")), ("_count", "500")]);
        let (either, alone) =
            (world.search("Condition", &either, &token).await, world.search("Condition", &alone, &token).await);
        assert_eq!(either.ids(), alone.ids());
        world.forget_upstream();
        let both =
            [("patient".to_owned(), format!("Patient/{me}")), ("patient".to_owned(), format!("Patient/{other}"))];
        assert_eq!(world.search("Condition", &both, &token).await.ids(), Vec::<String>::new());
        assert_eq!(world.upstream_counts(), [0, 0]);
        // Ids of others among one's own: only the own one.
        let mine = world.search("Condition", &pairs(&[("_count", "1")]), &token).await.ids()[0].clone();
        let theirs = format!("{}.cond-1002-copd", riverside.source);
        let ids = pairs(&[("_id", &format!("{theirs},{mine},{}.nobody", riverside.source))]);
        assert_eq!(world.search("Condition", &ids, &token).await.ids(), [mine]);
    });
}

/// What an answer shows, without what names the request.
fn shape(answer: &Reply, value: &str) -> String {
    let mut bundle = answer.json();
    bundle.as_object_mut().unwrap().shift_remove("id");
    bundle["meta"] = Value::Null;
    let encoded: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let text = bundle.to_string();
    let at = text.find("\"url\":").unwrap();
    let end = at + text[at..].find('}').unwrap();
    let _ = encoded;
    format!("{}{}", &text[..at], &text[end..])
}

#[test]
fn naming_somebody_else_asks_no_source() {
    run(async {
        let world = World::of_fixtures(chartgate::config::Limits::default()).await;
        let token = world.token("maria").await;
        let other = world.person("carlos").id;
        let before = world.upstream_counts();
        for resource_type in super::record::searchable() {
            let knows_patient = !["Patient", "Medication", "PaymentNotice", "PaymentReconciliation"]
                .contains(&resource_type)
                && naive::kind_of(resource_type) != naive::Kind::Directory
                && !["VerificationResult"].contains(&resource_type);
            if knows_patient {
                let query = pairs(&[("patient", &format!("Patient/{other}"))]);
                assert_eq!(world.search(resource_type, &query, &token).await.ids(), Vec::<String>::new());
            }
        }
        assert_eq!(world.upstream_counts(), before, "no source heard of it");
    });
}

#[test]
fn f09_f10_f12_what_could_widen_a_result_is_400_whatever_the_handling() {
    run(async {
        let world = World::of_fixtures(chartgate::config::Limits::default()).await;
        let token = world.token("maria").await;
        let before = world.upstream_counts();
        let refused = [
            "_has:Observation:patient:code=4548-4",
            "_has=x",
            "subject:Patient.name=Smith",
            "patient.identifier=MRN%7C123",
            "encounter.service-provider.name=x",
            "subject.name=x",
            "_filter=status%20eq%20final",
            "_query=x",
            "_text=x",
            "_content=x",
            "_list=x",
            "_in=x",
            "_contained=true",
            "_containedType=container",
            "_type=Patient",
            "_source=x",
            "_security=x",
            "_profile=http://x",
            "_include=*",
            "_include=Observation:subject",
            "_include:iterate=Observation:focus",
            "_revinclude=*:*",
            "_revinclude=Provenance:agent",
            "_id:not=x",
            "_id=a/b",
            "date=yesterday",
            "_sort=-date&_sort=status",
            "_summary=everything",
            "_elements=a.b",
        ];
        let mut wrong = Vec::new();
        for query in refused {
            for handling in ["handling=lenient", "handling=strict"] {
                let target = format!("/fhir/Observation?{query}");
                let answer = world.send("GET", &target, Some(&token), &[("prefer", handling)], "").await;
                let form = [("content-type", "application/x-www-form-urlencoded"), ("prefer", handling)];
                let post = world.send("POST", "/fhir/Observation/_search", Some(&token), &form, query).await;
                for answer in [answer, post] {
                    if answer.status != 400 || answer.json()["resourceType"] != "OperationOutcome" {
                        wrong.push(format!("{query} ({handling}): {}", answer.status));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(world.upstream_counts(), before, "the sources heard nothing of it");
        // These narrow, so they may be served; they find nothing.
        for query in ["patient:missing=true", "patient:identifier=x", "subject:Group=x", "patient:Group=x"] {
            let answer = world.get(&format!("/fhir/Observation?{query}"), &token).await;
            assert!(answer.status == 400 || answer.ids().is_empty(), "{query}: {}", answer.text);
        }
    });
}

#[test]
fn f13_unknown_parameters_are_dropped_and_reported_or_refused_under_strict_handling() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let query = "/fhir/Condition?category=problem-list-item&colour=green&_count=500";
        let lenient = world.get(query, &token).await;
        let plain = world.get("/fhir/Condition?category=problem-list-item&_count=500", &token).await;
        assert_eq!(lenient.ids(), plain.ids());
        assert_eq!(lenient.outcomes().len(), 1);
        assert!(lenient.outcomes()[0].contains("colour"), "{:?}", lenient.outcomes());
        let link = lenient.link("self").unwrap();
        assert!(!link.contains("colour") && link.contains("category"), "self says what was searched: {link}");
        let strict = world.send("GET", query, Some(&token), &[("prefer", "handling=strict")], "").await;
        assert_eq!(strict.status, 400, "{}", strict.text);
        assert_eq!(strict.json()["issue"][0]["code"], "not-supported");
        assert!(!strict.text.contains("green"), "values are not echoed");
        for trick in ["PATIENT=x", "patient%00=x", "patient%5B%5D=x", "patient;x=x"] {
            let answer = world.get(&format!("/fhir/Condition?{trick}&_count=500"), &token).await;
            assert!(answer.status == 400 || answer.outcomes().len() == 1, "F13 {trick}: {}", answer.status);
        }
    });
}

#[test]
fn f37_elements_and_summary_show_a_part_and_say_so() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let whole = world.search("Observation", &pairs(&[("_count", "500")]), &token).await;
        let tagged = |resource: &Value| {
            let tags = resource["meta"]["tag"].as_array().cloned().unwrap_or_default();
            tags.iter().any(|tag| tag["code"] == "SUBSETTED")
        };
        let keys = |resource: &Value| -> BTreeSet<String> { resource.as_object().unwrap().keys().cloned().collect() };
        // By hand: Observation's mandatory elements are status and code.
        let allowed = ["resourceType", "id", "meta", "status", "code", "subject"].map(str::to_owned);
        let part = world.search("Observation", &pairs(&[("_elements", "subject"), ("_count", "500")]), &token).await;
        assert_eq!(part.ids(), whole.ids());
        for resource in part.matches() {
            assert!(tagged(&resource));
            let rest: Vec<_> = keys(&resource).into_iter().filter(|key| !allowed.contains(key)).collect();
            // Modifier elements may stay: implicitRules, modifierExtension.
            assert!(rest.iter().all(|key| ["implicitRules", "modifierExtension"].contains(&key.as_str())), "{rest:?}");
            assert!(resource.get("status").is_some() && resource.get("code").is_some());
        }
        let choice = world.search("Observation", &pairs(&[("_elements", "value"), ("_count", "500")]), &token).await;
        assert!(choice.matches().iter().any(|resource| resource.get("valueQuantity").is_some()));
        let text = world.search("Condition", &pairs(&[("_summary", "text"), ("_count", "500")]), &token).await;
        for resource in text.matches() {
            assert!(tagged(&resource) && resource.get("recordedDate").is_none());
        }
        let data = world.search("Condition", &pairs(&[("_summary", "data"), ("_count", "500")]), &token).await;
        for resource in data.matches() {
            assert!(resource.get("text").is_none() && tagged(&resource));
        }
        let summary = world.search("Observation", &pairs(&[("_summary", "true"), ("_count", "500")]), &token).await;
        for resource in summary.matches() {
            // `note` and `performer.display` … by hand: note is not in the summary, effective and value are.
            assert!(tagged(&resource) && resource.get("note").is_none() && resource.get("text").is_none());
        }
        let none = world.search("Observation", &pairs(&[("_summary", "false"), ("_count", "500")]), &token).await;
        assert_eq!(none.matches(), whole.matches());
        for answer in [&part, &choice, &text, &data, &summary] {
            let found = leaks(world, "maria", &answer.text);
            assert!(found.is_empty(), "a projection brings back what was removed: {found:?}");
        }
        // What is masked stays masked in a part.
        let grace = world.token("grace").await;
        let joint =
            world.search("Appointment", &pairs(&[("_elements", "participant"), ("_count", "500")]), &grace).await;
        assert!(leaks(world, "grace", &joint.text).is_empty());
    });
}

#[test]
fn id_finds_one_and_lists_find_several() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let ids = world.search("Observation", &pairs(&[("_count", "500")]), &token).await.ids();
        let first = ids.first().unwrap();
        let last = ids.last().unwrap();
        assert_ne!(first[..4], last[..4], "of both practices");
        let one = world.search("Observation", &pairs(&[("_id", first)]), &token).await;
        assert_eq!(one.ids(), [first.as_str()]);
        let mut two = world.search("Observation", &pairs(&[("_id", &format!("{last},{first}"))]), &token).await.ids();
        two.sort();
        let mut wanted = vec![first.clone(), last.clone()];
        wanted.sort();
        assert_eq!(two, wanted);
        // An id of another type is no id of this one.
        let condition = world.search("Condition", &pairs(&[("_count", "1")]), &token).await.ids()[0].clone();
        assert_eq!(
            world.search("Observation", &pairs(&[("_id", &condition)]), &token).await.ids(),
            Vec::<String>::new()
        );
    });
}

#[test]
fn f30_an_etag_saves_the_body_only_for_the_same_bytes() {
    run(async {
        let world = fixtures().await;
        let (token, other) = (world.token("maria").await, world.token("grace").await);
        let id = world.search("Observation", &pairs(&[("_count", "1")]), &token).await.ids()[0].clone();
        let url = format!("/fhir/Observation/{id}");
        let read = world.get(&url, &token).await;
        let etag = read.header("etag").unwrap().to_owned();
        let again = world.send("GET", &url, Some(&token), &[("if-none-match", &etag)], "").await;
        assert_eq!((again.status, again.text.as_str()), (304, ""));
        assert_eq!(again.header("etag"), Some(etag.as_str()));
        let changed = world.send("GET", &url, Some(&token), &[("if-none-match", "W/\"1.x\"")], "").await;
        assert_eq!((changed.status, changed.text), (200, read.text.clone()));
        // For somebody else a hidden resource is never `not modified`.
        for tag in [etag.as_str(), "*", "W/\"3\""] {
            let hidden = world.send("GET", &url, Some(&other), &[("if-none-match", tag)], "").await;
            assert_eq!(hidden.status, 404, "{tag}");
        }
        // One resource that two people see, with other redactions: two bodies, two tags.
        let ruth = world.token("ruth").await;
        let joint = format!("/fhir/Appointment/{}.appt-joint-1", world.practice("riverside").source);
        let (hers, theirs) = (world.get(&joint, &other).await, world.get(&joint, &ruth).await);
        assert_eq!((hers.status, theirs.status), (200, 200));
        assert_ne!(hers.text, theirs.text);
        assert_ne!(hers.header("etag"), theirs.header("etag"));
        let crossed =
            world.send("GET", &joint, Some(&ruth), &[("if-none-match", hers.header("etag").unwrap())], "").await;
        assert_eq!(crossed.status, 200);
    });
}

#[test]
fn f35_head_is_get_without_a_body() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let id = world.search("Condition", &pairs(&[("_count", "1")]), &token).await.ids()[0].clone();
        for url in [format!("/fhir/Condition/{id}"), "/fhir/Condition/aaaa.nobody".to_owned()] {
            let get = world.get(&url, &token).await;
            let head = world.send("HEAD", &url, Some(&token), &[], "").await;
            assert_eq!((head.status, head.text.as_str()), (get.status, ""), "{url}");
            for name in ["etag", "last-modified", "content-type", "cache-control", "content-length"] {
                assert_eq!(head.header(name), get.header(name), "{url}: {name}");
            }
        }
    });
}

#[test]
fn f34_only_json_is_served_and_never_html() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        for accept in ["application/fhir+xml", "text/html", "text/csv"] {
            for path in ["/fhir/Condition", "/fhir/metadata", "/fhir/Patient/x"] {
                let answer = world.send("GET", path, Some(&token), &[("accept", accept)], "").await;
                assert_eq!(answer.status, 406, "{path} {accept}");
                assert!(answer.header("content-type").unwrap().starts_with("application/fhir+json"));
            }
        }
        for format in ["xml", "text/html", "application/fhir%2Bxml"] {
            let answer = world.get(&format!("/fhir/Condition?_format={format}"), &token).await;
            assert!([400, 406].contains(&answer.status), "{format}: {}", answer.status);
        }
        for format in ["json", "application/json", "application/fhir%2Bjson", "application/fhir+json"] {
            assert_eq!(world.get(&format!("/fhir/Condition?_format={format}"), &token).await.status, 200, "{format}");
        }
    });
}

#[test]
fn f14_a_search_by_post_wants_a_form_and_joins_it_with_the_url() {
    run(async {
        let world = fixtures().await;
        let token = world.token("maria").await;
        let json = [("content-type", "application/json")];
        let answer = world.send("POST", "/fhir/Condition/_search", Some(&token), &json, "{\"patient\":\"x\"}").await;
        assert!([400, 415].contains(&answer.status), "{}", answer.status);
        let other = world.person("carlos").id;
        let me = world.person("maria").id;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let target = format!("/fhir/Condition/_search?patient=Patient/{other}");
        let both = world.send("POST", &target, Some(&token), &form, &format!("patient=Patient/{me}")).await;
        assert_eq!(both.ids(), Vec::<String>::new(), "both must hold");
        let large = format!("code={}", "x".repeat(70_000));
        let answer = world.send("POST", "/fhir/Condition/_search", Some(&token), &form, &large).await;
        assert!([400, 413].contains(&answer.status), "F13 64 KB: {}", answer.status);
        let many: String = (0..1_001).map(|n| format!("code={n}&")).collect();
        let answer = world.send("POST", "/fhir/Condition/_search", Some(&token), &form, &many).await;
        assert_eq!(answer.status, 400, "F13 1,001 parameters");
    });
}
