//! The tables against HL7's own definitions of R4. The walk through the StructureDefinitions here and the one in
//! `scripts/derive-fhir-facts` are written apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::{AuthorizationKind, DataType, SearchKind};
use serde_json::Value;

use super::{definitions, facts, json, list, reads, text};

/// Types whose subject the R4 Patient compartment does not know, and why they have one all the same.
const OUTSIDE_COMPARTMENT: &[(ResourceType, &str)] = &[
    (ResourceType::Device, "R4 left devices out; Device.patient is whose implant it is"),
    (ResourceType::Task, "R4 left tasks out; Task.for is who benefits"),
    (ResourceType::VerificationResult, "administrative in R4; about a patient where its target is one"),
];

/// Compartment parameters that would show a record to somebody it is not about.
const TOO_WIDE: &[(ResourceType, &[&str])] = &[
    (ResourceType::AllergyIntolerance, &["recorder", "asserter"]),
    (ResourceType::AuditEvent, &["patient"]),
    (ResourceType::CarePlan, &["performer"]),
    (ResourceType::CareTeam, &["participant"]),
    (ResourceType::Communication, &["sender", "recipient"]),
    (ResourceType::Condition, &["asserter"]),
    (ResourceType::Coverage, &["policy-holder", "subscriber", "payor"]),
    (ResourceType::DocumentReference, &["author"]),
    (ResourceType::Group, &["member"]),
    (ResourceType::Invoice, &["recipient"]),
    (ResourceType::MedicationDispense, &["receiver"]),
    (ResourceType::Observation, &["performer"]),
    (ResourceType::Patient, &["link"]),
    (ResourceType::Person, &["patient"]),
    (ResourceType::Procedure, &["performer"]),
    (ResourceType::Provenance, &["patient"]),
    (ResourceType::QuestionnaireResponse, &["author"]),
    (ResourceType::Schedule, &["actor"]),
    (ResourceType::ServiceRequest, &["performer"]),
];

#[test]
fn subject_paths_are_the_patient_compartment_without_its_excess() {
    let Some(defs) = definitions("subject paths") else { return };
    let compartment = json(&defs.join("r4-core/compartmentdefinition-patient.json"));
    for &resource_type in ResourceType::ALL {
        let facts = facts(resource_type);
        let row = list(&compartment["resource"]).iter().find(|row| text(row, "code") == resource_type.as_str());
        let parameters = list(&row.unwrap()["param"]).iter().map(|name| name.as_str().unwrap());
        let too_wide = TOO_WIDE.iter().find(|(of, _)| *of == resource_type).map_or(&[][..], |(_, names)| names);
        let (excess, kept): (Vec<_>, Vec<_>) = parameters.partition(|name| too_wide.contains(name));
        assert_eq!(excess.len(), too_wide.len(), "{resource_type}: listed as too wide but not in the compartment");
        let allowed: BTreeSet<_> = kept.iter().flat_map(|name| reads(facts, facts.parameter(name).unwrap())).collect();
        let own: BTreeSet<_> = match &facts.authorization {
            AuthorizationKind::Subject { paths, .. } => {
                paths.iter().map(|&path| facts.path(path).unwrap().to_owned()).collect()
            }
            _ => BTreeSet::new(),
        };
        if OUTSIDE_COMPARTMENT.iter().any(|(of, _)| *of == resource_type) {
            assert!(allowed.is_empty() && !own.is_empty(), "{resource_type}");
        } else {
            assert_eq!(own, allowed, "{resource_type}");
        }
    }
}

/// The official parameters of the served types: (type, name, kind, expression).
fn official_parameters(defs: &Path) -> Vec<(ResourceType, String, String, String)> {
    let bundle = json(&defs.join("r4-core/search-parameters.json"));
    let mut found = Vec::new();
    for entry in list(&bundle["entry"]) {
        let definition = &entry["resource"];
        let bases: Vec<_> = list(&definition["base"]).iter().filter_map(Value::as_str).collect();
        let common = bases.contains(&"Resource") || bases.contains(&"DomainResource");
        for &resource_type in ResourceType::ALL {
            if common || bases.contains(&resource_type.as_str()) {
                let field = |name| text(definition, name).to_owned();
                found.push((resource_type, field("code"), field("type"), field("expression")));
            }
        }
    }
    assert!(found.len() > 600, "the bundle is not read whole");
    found
}

fn exclusions() -> Vec<Value> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fhir-profiles/exclusions.json");
    list(&json(&file)).to_vec()
}

#[test]
fn every_official_parameter_is_present_or_excluded_with_a_reason() {
    for row in exclusions() {
        assert!(text(&row, "reason").len() > 10, "{row}");
    }
    let Some(defs) = definitions("official parameters") else { return };
    let excluded: BTreeSet<_> = exclusions()
        .iter()
        .filter(|row| row.get("datatype").is_none())
        .map(|row| (text(row, "type").to_owned(), text(row, "parameter").to_owned()))
        .collect();
    let mut seen = BTreeSet::new();
    for (resource_type, name, kind, _) in official_parameters(&defs) {
        let row = ["Resource", resource_type.as_str()]
            .map(|of| (of.to_owned(), name.clone()))
            .into_iter()
            .find(|row| excluded.contains(row));
        match (facts(resource_type).parameter(&name), row) {
            (Some(parameter), None) => {
                assert_eq!(format!("{:?}", parameter.kind).to_lowercase(), kind, "{resource_type} {name}");
            }
            (None, Some(row)) => {
                seen.insert(row);
            }
            (found, row) => panic!("{resource_type} {name}: present {}, excluded {row:?}", found.is_some()),
        }
    }
    assert_eq!(seen, excluded, "excluded but not official");
}

/// The element names of an expression for one type, choices left as FHIRPath writes them: `Observation.value`.
fn named_paths(resource_type: ResourceType, expression: &str) -> BTreeSet<String> {
    let without_calls = |part: &str| {
        let path = part.trim().trim_start_matches('(');
        let end = [" as ", ")", ".where(", ".as(", ".exists("].iter().filter_map(|call| path.find(call)).min();
        path[..end.unwrap_or(path.len())].to_owned()
    };
    let prefix = format!("{resource_type}.");
    let parts = expression.split('|').map(without_calls);
    parts.filter_map(|part| part.strip_prefix(&prefix).map(str::to_owned)).collect()
}

#[test]
fn every_part_of_an_official_expression_is_read_and_nothing_else() {
    let Some(defs) = definitions("official expressions") else { return };
    let mut compared = 0;
    for (resource_type, name, _, expression) in official_parameters(&defs) {
        let facts = facts(resource_type);
        let Some(parameter) = facts.parameter(&name) else { continue };
        if expression.starts_with("Resource.") || parameter.kind == SearchKind::Composite {
            continue;
        }
        let named = named_paths(resource_type, &expression);
        let ours = reads(facts, parameter);
        // `effectiveDateTime` stands for `effective`, `valueCodeableConcept.text` for `value`.
        let stands_for = |path: &String, name: &String| {
            path == name || path.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(char::is_uppercase))
        };
        for path in &ours {
            assert!(
                named.iter().any(|name| stands_for(path, name)),
                "{resource_type} {}: {path} {named:?}",
                parameter.name
            );
        }
        for part in &named {
            assert!(
                ours.iter().any(|path| stands_for(path, part)),
                "{resource_type} {}: {part} {ours:?}",
                parameter.name
            );
        }
        compared += 1;
    }
    assert!(compared > 500, "{compared}");
}

/// Element paths of all StructureDefinitions, choices written out, with datatype code and target types.
#[derive(Default)]
struct Elements {
    kinds: BTreeMap<String, Vec<(String, BTreeSet<String>)>>,
    /// Elements that repeat another one, by the path of that one.
    same_as: BTreeMap<String, String>,
}

/// Unpacking and parsing these takes seconds in a debug build, so once is enough.
fn resources(defs: &Path) -> &'static Value {
    static RESOURCES: OnceLock<Value> = OnceLock::new();
    RESOURCES.get_or_init(|| json(&defs.join("r4-core/profiles-resources.json.gz")))
}

impl Elements {
    fn new(defs: &Path) -> Self {
        let mut elements = Self::default();
        let types = json(&defs.join("r4-core/profiles-types.json"));
        let bundles = [resources(defs), &types];
        for entry in bundles.iter().flat_map(|bundle| list(&bundle["entry"])) {
            let definition = &entry["resource"];
            if text(definition, "derivation") == "constraint" {
                continue;
            }
            for element in list(&definition["snapshot"]["element"]) {
                elements.add(element);
            }
        }
        elements
    }

    fn add(&mut self, element: &Value) {
        let path = text(element, "path");
        if let Some(reference) = element["contentReference"].as_str() {
            self.same_as.insert(path.to_owned(), reference.trim_start_matches('#').to_owned());
        }
        for kind in list(&element["type"]) {
            let code = text(kind, "code").trim_start_matches("http://hl7.org/fhirpath/System.").to_owned();
            let names = list(&kind["targetProfile"]).iter().filter_map(Value::as_str);
            let targets = names.map(|name| name.rsplit('/').next().unwrap().to_owned()).collect();
            let full = path.strip_suffix("[x]").map(|stem| {
                let (first, rest) = code.split_at(1);
                format!("{stem}{}{rest}", first.to_uppercase())
            });
            let place = self.kinds.entry(full.unwrap_or_else(|| path.to_owned())).or_default();
            place.push((code, targets));
        }
    }

    /// The datatypes and targets of the element at a JSON path of a type.
    fn at(&self, resource_type: ResourceType, path: &str) -> Option<&[(String, BTreeSet<String>)]> {
        let mut place = resource_type.as_str().to_owned();
        for step in path.split('.') {
            let mut next = format!("{place}.{step}");
            if !self.kinds.contains_key(&next) && !self.same_as.contains_key(&next) {
                let datatype = &self.kinds.get(&place)?.first()?.0;
                next = format!("{datatype}.{step}");
            }
            place = self.same_as.get(&next).cloned().unwrap_or(next);
        }
        self.kinds.get(&place).map(Vec::as_slice)
    }
}

#[test]
fn every_path_is_an_element_of_its_type_with_its_datatype() {
    let Some(defs) = definitions("element paths") else { return };
    let elements = Elements::new(&defs);
    let served: BTreeSet<_> = ResourceType::ALL.iter().map(|served| served.as_str().to_owned()).collect();
    for &resource_type in ResourceType::ALL {
        let facts = facts(resource_type);
        for parameter in &facts.parameters {
            let parts = parameter.components.iter().flat_map(|part| &part.root);
            for path in parameter.paths.iter().chain(parts) {
                let name = facts.path(path.capture).unwrap();
                let found = elements.at(resource_type, name).unwrap_or_else(|| panic!("{resource_type}.{name}"));
                if name == "extension" {
                    continue;
                }
                let spelling = format!("{:?}", path.datatype).to_lowercase();
                let datatype = found[0].0.to_lowercase().replace("markdown", "string");
                let plain_id = path.datatype == DataType::Id && datatype == "string";
                assert!(datatype == spelling || plain_id, "{resource_type}.{name} is {datatype}, not {spelling}");
            }
            for (path, part) in
                parameter.paths.iter().flat_map(|path| parameter.components.iter().map(move |part| (path, part)))
            {
                for member in &part.members {
                    let name = format!("{}.{}", facts.path(path.capture).unwrap(), member.name);
                    let found = elements.at(resource_type, &name).unwrap_or_else(|| panic!("{resource_type}.{name}"));
                    assert_eq!(found[0].0.to_lowercase(), format!("{:?}", member.datatype).to_lowercase());
                }
            }
        }
        for element in &facts.references {
            let found = elements.at(resource_type, &element.path);
            let found = found.unwrap_or_else(|| panic!("{resource_type}.{}", element.path));
            let (code, targets) = &found[0];
            assert_eq!(code, "Reference", "{resource_type}.{}", element.path);
            let wanted = if targets.is_empty() || targets.contains("Resource") {
                served.clone()
            } else {
                targets.intersection(&served).cloned().collect()
            };
            let ours: BTreeSet<_> = element.targets.iter().map(|target| target.as_str().to_owned()).collect();
            assert_eq!(ours, wanted, "{resource_type}.{}", element.path);
        }
        for path in &facts.attachments {
            let holder = path.strip_suffix(".url").unwrap();
            assert_eq!(elements.at(resource_type, holder).unwrap()[0].0, "Attachment", "{resource_type}.{path}");
        }
        for name in facts.summary.iter().chain(&facts.mandatory) {
            assert!(elements.at(resource_type, name).is_some(), "{resource_type}.{name}");
        }
    }
}

/// The other direction: what the definitions have, the tables have.
#[test]
fn no_reference_or_attachment_is_forgotten() {
    let Some(defs) = definitions("references") else { return };
    let elements = Elements::new(&defs);
    let mut counted = 0;
    for (path, kinds) in &elements.kinds {
        let (root, rest) = path.split_once('.').unwrap_or((path, ""));
        let Some(resource_type) = ResourceType::parse(root) else { continue };
        let facts = facts(resource_type);
        for (code, _) in kinds {
            let known = match code.as_str() {
                "Reference" => facts.references.iter().any(|element| element.path == rest),
                "Attachment" => facts.attachments.contains(&format!("{rest}.url")),
                "Identifier" => facts.references.iter().any(|element| element.path == format!("{rest}.assigner")),
                "Annotation" => {
                    facts.references.iter().any(|element| element.path == format!("{rest}.authorReference"))
                }
                _ => continue,
            };
            assert!(known, "{path} is missing");
            counted += 1;
        }
    }
    assert!(counted > 350, "{counted}");
}

#[test]
fn summary_and_mandatory_members_are_the_official_ones() {
    let Some(defs) = definitions("summary and mandatory members") else { return };
    for entry in list(&resources(&defs)["entry"]) {
        let definition = &entry["resource"];
        let Some(resource_type) = ResourceType::parse(text(definition, "id")) else { continue };
        let facts = facts(resource_type);
        for element in list(&definition["snapshot"]["element"]) {
            let path = text(element, "path");
            let Some((_, name)) = path.split_once('.').filter(|(_, name)| !name.contains('.')) else { continue };
            let stem = name.trim_end_matches("[x]");
            let choices = list(&element["type"]).len();
            let count = |names: &[String]| {
                let choice =
                    |own: &&String| own.strip_prefix(stem).is_some_and(|rest| rest.starts_with(char::is_uppercase));
                if stem == name {
                    names.iter().filter(|own| *own == name).count()
                } else {
                    names.iter().filter(choice).count()
                }
            };
            let is = |flag: &str| element[flag].as_bool() == Some(true);
            let mandatory = element["min"].as_u64().unwrap() > 0 || is("isModifier");
            assert_eq!(count(&facts.summary), if is("isSummary") { choices } else { 0 }, "summary {path}");
            assert_eq!(count(&facts.mandatory), if mandatory { choices } else { 0 }, "mandatory {path}");
        }
    }
}

#[test]
fn the_committed_tables_are_what_the_script_derives() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/derive-fhir-facts");
    let Some(_) = definitions("derive-fhir-facts --check") else { return };
    match Command::new("python3").arg(script).arg("--check").output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout)),
        Err(error) => println!("derive-fhir-facts --check: no python3 ({error}); skipped"),
    }
}
