//! Random worlds: EHRs whose ids collide, people who stand in each other's records in every way that was ever a leak,
//! and one person with a few charts.

use chartgate::fhir::ResourceType;
use serde_json::{Value, json};

use super::dice::Dice;
use crate::naive::{Kind, kind_of};

/// What a world is made from.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub(super) seed: u64,
    pub(super) sources: usize,
    /// At each source. The same ids at all of them stand for different people.
    pub(super) patients: usize,
    /// In all.
    pub(super) resources: usize,
}

/// What the EHRs hold, and whose charts the person has.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) recipe: Recipe,
    /// By source.
    pub(super) held: Vec<Vec<Value>>,
    /// Source and Patient id there, the primary one first.
    pub(super) links: Vec<(usize, String)>,
    /// Base URLs of the sources.
    pub(super) bases: Vec<String>,
}

/// Stands in everything about one patient of one source, and must stand in no answer to anybody else.
pub(super) fn canary(source: usize, patient: &str) -> String {
    format!("canary-{source}-{patient}-")
}

/// Types that come up more often.
const COMMON: &[&str] = &[
    "Observation",
    "Observation",
    "Observation",
    "Condition",
    "MedicationRequest",
    "Medication",
    "Encounter",
    "Provenance",
    "Provenance",
    "DocumentReference",
    "Appointment",
    "Communication",
    "Practitioner",
    "Location",
    "PaymentNotice",
];

pub(super) const STATUSES: &[&str] = &["active", "final", "completed", "cancelled"];
pub(super) const CODES: &[&str] = &["4548-4", "718-7", "a,b", "C|d"];
pub(super) const CATEGORIES: &[&str] = &["laboratory", "vital-signs", "social-history"];
pub(super) const DATES: &[&str] = &[
    "2019",
    "2020-02",
    "2020-02-29",
    "2021-03-04T05:06:07Z",
    "2021-03-04T05:06:07.5-05:00",
    "2024-12-31T23:59:59+14:00",
];

impl World {
    pub(super) fn new(recipe: &Recipe, bases: &[String]) -> Self {
        let mut dice = Dice::new(recipe.seed);
        let mut links: Vec<(usize, String)> = Vec::new();
        for _ in 0..1 + dice.below(3) {
            let link = (dice.below(recipe.sources), format!("p{}", dice.below(recipe.patients)));
            if !links.contains(&link) {
                links.push(link);
            }
        }
        let bases: Vec<String> = bases.iter().take(recipe.sources).cloned().collect();
        let mut world = Self { recipe: recipe.clone(), held: vec![Vec::new(); recipe.sources], links, bases };
        for source in 0..recipe.sources {
            for patient in 0..recipe.patients {
                let id = format!("p{patient}");
                let name = canary(source, &id);
                world.held[source].push(json!({
                    "resourceType": "Patient", "id": id, "meta": {"tag": [tag(source, &id)]},
                    "name": [{"family": name}], "birthDate": "1980-01-01", "identifier": [{"value": name}],
                }));
            }
        }
        for index in 0..recipe.resources {
            let mut dice = Dice::of(recipe.seed, index);
            let source = dice.below(recipe.sources);
            let resource = world.resource(source, index, &mut dice);
            // An id names one resource of a type.
            let taken = |held: &Value| held["resourceType"] == resource["resourceType"] && held["id"] == resource["id"];
            if !world.held[source].iter().any(taken) {
                world.held[source].push(resource);
            }
        }
        world
    }

    /// The person's Patient ids at a source.
    pub(super) fn patients(&self, source: usize) -> Vec<&str> {
        self.links.iter().filter(|(at, _)| *at == source).map(|(_, patient)| patient.as_str()).collect()
    }

    pub(super) fn find(&self, tag: &str) -> Option<(usize, &Value)> {
        let mut all = self.held.iter().enumerate().flat_map(|(source, held)| held.iter().map(move |one| (source, one)));
        all.find(|(_, resource)| tag_of(resource) == Some(tag))
    }

    fn patient(&self, source: usize, dice: &mut Dice) -> String {
        let own = self.patients(source);
        if !own.is_empty() && dice.percent(70) {
            return (*dice.pick(&own)).to_owned();
        }
        format!("p{}", dice.below(self.recipe.patients))
    }

    /// A reference to a Patient that means this one, or only looks as if.
    fn subject(&self, source: usize, patient: &str, dice: &mut Dice) -> Value {
        let base = &self.bases[source];
        let shown = canary(source, patient);
        match dice.below(24) {
            0..=9 => json!({"reference": format!("Patient/{patient}"), "display": shown}),
            10..=12 => json!({"reference": format!("{base}/Patient/{patient}")}),
            13 => {
                json!({"display": shown, "reference": format!("{base}/Patient/{patient}/_history/2"), "type": "Patient"})
            }
            14 => json!({"reference": format!("Patient/{patient}"), "identifier": {"value": shown}}),
            15 => json!({"reference": format!("https://elsewhere.example/fhir/Patient/{patient}")}),
            16 => json!({"reference": format!("{}/Patient/{patient}", self.bases[(source + 1) % self.bases.len()])}),
            17 => json!({"identifier": {"value": shown}, "type": "Patient"}),
            // What these lead to nobody here can tell: who stands beside them is the source's to say.
            18 => json!({"reference": "#subject"}),
            19 => json!({"reference": format!("urn:uuid:{patient}")}),
            20 => json!({"reference": format!("Patient/{patient}?x")}),
            21 => json!({"reference": format!("patient/{patient}"), "display": shown}),
            22 => json!({"reference": format!("Person/{patient}")}),
            _ => json!({"reference": format!("Patient?identifier={patient}"), "display": shown}),
        }
    }

    /// A reference to something that may be there.
    fn anything(&self, source: usize, dice: &mut Dice) -> Value {
        let base = &self.bases[source];
        let held = &self.held[source];
        if held.is_empty() || dice.percent(8) {
            return json!({"reference": "Observation/never"});
        }
        let target = dice.pick(held);
        let (kind, id) = (target["resourceType"].as_str().unwrap(), target["id"].as_str().unwrap());
        match dice.below(4) {
            0 => json!({"reference": format!("{base}/{kind}/{id}")}),
            _ => json!({"reference": format!("{kind}/{id}")}),
        }
    }

    fn of_type(&self, source: usize, resource_type: &str, dice: &mut Dice) -> Value {
        let held: Vec<&Value> = self.held[source].iter().filter(|held| held["resourceType"] == resource_type).collect();
        if held.is_empty() {
            return json!({"reference": format!("{resource_type}/none")});
        }
        json!({"reference": format!("{resource_type}/{}", dice.pick(&held)["id"].as_str().unwrap())})
    }

    fn resource(&self, source: usize, index: usize, dice: &mut Dice) -> Value {
        let kind = if dice.percent(60) {
            (*dice.pick(COMMON)).to_owned()
        } else {
            dice.pick(ResourceType::ALL).as_str().to_owned()
        };
        let kind = if kind == "Patient" { "Observation".to_owned() } else { kind };
        let id = match dice.below(20) {
            0 => format!("h-{index}"),
            1 => format!("{index}-{}", "x".repeat(58)),
            2 => format!("p{}", dice.below(self.recipe.patients)),
            // The same at several sources, and for several types.
            _ => format!("r{}", index / 3),
        };
        let owner = self.patient(source, dice);
        let mut resource =
            json!({"resourceType": kind, "id": id, "meta": {"tag": [tag(source, &format!("r{index}"))]}});
        self.own(&mut resource, source, &owner, dice);
        fill(&mut resource, dice);
        self.relate(&mut resource, source, dice);
        // Only where it has one owner, and that one decides who sees it.
        let owned = matches!(kind_of(&kind), Kind::Subject(path) if resource.get(path).is_some());
        if owned {
            resource["note"] = json!([{"text": format!("{}{index}", canary(source, &owner))}]);
        }
        let never_named = matches!(kind.as_str(), "Medication" | "Binary");
        if !never_named && dice.percent(45) {
            self.mention(&mut resource, source, dice);
        }
        resource
    }

    /// Says whose it is.
    fn own(&self, resource: &mut Value, source: usize, owner: &str, dice: &mut Dice) {
        let kind = resource["resourceType"].as_str().unwrap().to_owned();
        let subject = self.subject(source, owner, dice);
        let is_contained = subject["reference"] == "#subject";
        match kind_of(&kind) {
            Kind::Subject("subject") if kind == "Communication" && dice.percent(40) => {
                let other = self.patient(source, dice);
                resource["sender"] = subject;
                resource["recipient"] = json!([self.subject(source, &other, dice)]);
            }
            Kind::Subject(path) => match dice.below(20) {
                0 => {}
                1 => {
                    let other = self.patient(source, dice);
                    resource[path] = json!([subject, self.subject(source, &other, dice)]);
                }
                _ => resource[path] = subject,
            },
            Kind::AnySubject(_) => {
                let other = self.patient(source, dice);
                let practitioner = json!({"actor": self.of_type(source, "Practitioner", dice)});
                resource["participant"] =
                    json!([{"actor": subject}, {"actor": self.subject(source, &other, dice)}, practitioner]);
            }
            Kind::Through("target", _) => {
                let count = 1 + dice.below(3);
                resource["target"] = (0..count).map(|_| self.anything(source, dice)).collect();
            }
            Kind::Through("request", _) => resource["request"] = self.anything(source, dice),
            Kind::Through(..) => {
                let count = 1 + dice.below(2);
                resource["detail"] = (0..count).map(|_| json!({"request": self.anything(source, dice)})).collect();
            }
            Kind::Never => resource["subject"] = subject,
            Kind::PointedAt | Kind::Directory => {}
        }
        if is_contained {
            let inner = json!({"resourceType": "Patient", "id": "subject", "name": [{"text": canary(source, owner)}]});
            resource["contained"] = json!([inner]);
        }
    }

    /// Leads to other resources.
    fn relate(&self, resource: &mut Value, source: usize, dice: &mut Dice) {
        let kind = resource["resourceType"].as_str().unwrap().to_owned();
        if ["Observation", "Condition", "MedicationRequest", "DiagnosticReport"].contains(&kind.as_str()) {
            resource["encounter"] = self.of_type(source, "Encounter", dice);
        }
        match kind.as_str() {
            "MedicationRequest" | "MedicationDispense" | "MedicationStatement" if dice.percent(70) => {
                resource["medicationReference"] = self.of_type(source, "Medication", dice);
            }
            "Observation" => {
                let patient = self.patient(source, dice);
                resource["performer"] =
                    json!([self.of_type(source, "Practitioner", dice), self.subject(source, &patient, dice)]);
            }
            "DocumentReference" => {
                resource["content"] =
                    json!([{"attachment": {"url": format!("{}/Binary/b{}", self.bases[source], dice.below(9))}}]);
            }
            _ => {}
        }
        if dice.percent(20) {
            resource["extension"] =
                json!([{"url": "https://x.example/any", "valueReference": self.anything(source, dice)}]);
        }
    }

    /// Names somebody in one of the ways in which records name others.
    fn mention(&self, resource: &mut Value, source: usize, dice: &mut Dice) {
        let patient = format!("p{}", dice.below(self.recipe.patients));
        let shown = canary(source, &patient);
        let base = &self.bases[source];
        let mut reference = self.subject(source, &patient, dice);
        // A fragment leads to something that is contained, and a foreign host's display is its own affair.
        let text = reference["reference"].as_str().unwrap_or_default();
        if text.starts_with('#') || text.starts_with("urn:") || text.starts_with("Person/") {
            reference = json!({"reference": format!("Patient/{patient}"), "display": shown});
        }
        match dice.below(8) {
            0 | 1 => resource["extension"] = json!([{"url": "https://x.example/who", "valueReference": reference}]),
            2 => {
                let inner = json!({"resourceType": "Patient", "id": "c", "name": [{"text": shown}]});
                resource["contained"] = json!([inner]);
                resource["extension"] =
                    json!([{"url": "https://x.example/who", "valueReference": {"reference": "#c", "display": shown}}]);
            }
            3 => {
                let inner = json!({"resourceType": "Observation", "id": "c", "valueString": shown, "subject": {"reference": format!("Patient/{patient}")}});
                let own = self.patients(source).contains(&patient.as_str());
                if !own {
                    resource["contained"] = json!([inner]);
                }
            }
            4 => {
                resource["extension"] =
                    json!([{"url": "https://x.example/url", "valueUri": format!("{base}/Patient/{patient}")}])
            }
            5 => resource["meta"]["source"] = json!(format!("{base}/x")),
            6 => {
                resource["text"] =
                    json!({"status": "generated", "div": format!("<a href=\"Patient/{patient}\">{shown}</a>")});
            }
            _ => {
                resource["extension"] = json!([{"url": "https://x.example/who", "valueReference":
                    {"type": "Patient", "identifier": {"value": shown}, "display": shown}}]);
            }
        }
    }
}

fn tag(source: usize, name: &str) -> Value {
    json!({"system": "urn:x:tag", "code": format!("t{source}-{name}")})
}

/// The mark by which a resource is known again.
pub(super) fn tag_of(resource: &Value) -> Option<&str> {
    let tags = resource["meta"]["tag"].as_array()?;
    tags.iter().find(|tag| tag["system"] == "urn:x:tag")?["code"].as_str()
}

fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

/// Elements that searches look at.
fn fill(resource: &mut Value, dice: &mut Dice) {
    let kind = resource["resourceType"].as_str().unwrap().to_owned();
    let status = json!(dice.pick(STATUSES));
    let code = concept("http://loinc.org", dice.pick::<&str>(CODES));
    let category =
        json!([concept("http://terminology.hl7.org/CodeSystem/observation-category", dice.pick::<&str>(CATEGORIES))]);
    let date = json!(dice.pick(DATES));
    match kind.as_str() {
        "Practitioner" => resource["name"] = json!([{"family": dice.pick(&["Ames", "Ämes", "Okonkwo-Hale"])}]),
        "Organization" | "Location" => resource["name"] = json!(dice.pick(&["North", "northern", "South"])),
        "Medication" => resource["code"] = code,
        "Provenance" => resource["recorded"] = json!("2021-03-04T05:06:07Z"),
        "Condition" => {
            resource["clinicalStatus"] = concept("urn:s", dice.pick::<&str>(STATUSES));
            resource["code"] = code;
            resource["category"] = category;
            resource["onsetDateTime"] = date;
        }
        "Encounter" => {
            resource["status"] = status;
            resource["period"] = json!({"start": date});
        }
        "Binary" => resource["contentType"] = json!("text/plain"),
        _ => {
            resource["status"] = status;
            resource["code"] = code;
            if ["Observation", "DiagnosticReport", "DocumentReference"].contains(&kind.as_str()) {
                resource["category"] = category;
            }
            let element = match kind.as_str() {
                "Observation" | "DiagnosticReport" => "effectiveDateTime",
                "MedicationRequest" => "authoredOn",
                "Procedure" => "performedDateTime",
                "Communication" => "sent",
                _ => return,
            };
            resource[element] = date;
            if kind == "Observation" && dice.percent(50) {
                resource["valueQuantity"] = json!({"value": dice.below(20), "unit": "mg"});
            }
        }
    }
}
