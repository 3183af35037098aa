//! The tables against US Core: its CapabilityStatements, and the independent test suite's own reading of 6.1.0.

use std::collections::{BTreeMap, BTreeSet};

use chartgate::fhir::ResourceType;
use chartgate::fhir::knowledge::{Comparator, Expectation, RequiredSearch, UsCoreVersion};
use serde_json::Value;

use super::{definitions, facts, list, read, reads, text};

fn find<'a>(
    resource_type: ResourceType,
    version: UsCoreVersion,
    names: &BTreeSet<String>,
) -> Option<&'a RequiredSearch> {
    facts(resource_type).required_searches.iter().find(|search| {
        search.version == version
            && search.parameters.iter().map(|parameter| parameter.name.clone()).collect::<BTreeSet<_>>() == *names
    })
}

/// What the independent suite tests for one type.
#[derive(Default)]
struct Suite {
    /// Parameter names and SHALL or SHOULD.
    searches: Vec<(BTreeSet<String>, String)>,
    definitions: BTreeMap<String, Definition>,
}

#[derive(Default)]
struct Definition {
    full_paths: Vec<String>,
    comparators: BTreeSet<String>,
    multiple_or: bool,
}

/// Reads the parts of the suite's YAML that are needed; it is written by a program and always indented alike.
fn suite(yaml: &str) -> Vec<(ResourceType, Suite)> {
    let mut groups: Vec<(ResourceType, Suite)> = Vec::new();
    let (mut section, mut key, mut parameter) = ("", "", String::new());
    for line in yaml.lines() {
        let indent = line.len() - line.trim_start().len();
        let content = line.trim_start();
        if let Some(name) = line.strip_prefix("  :resource: ") {
            groups.push((ResourceType::parse(name).unwrap(), Suite::default()));
            section = "";
        } else if indent == 2 && content.starts_with(':') {
            section = content.split_whitespace().next().unwrap();
        }
        let Some((_, group)) = groups.last_mut() else { continue };
        if section == ":searches:" {
            let starts = indent == 2 && content.starts_with("- ");
            if starts {
                group.searches.push(Default::default());
            }
            let field = if starts { &content[2..] } else { content };
            if field.starts_with(':') {
                key = field.split_whitespace().next().unwrap();
            }
            let Some(search) = group.searches.last_mut() else { continue };
            if let Some(expectation) = field.strip_prefix(":expectation: ") {
                search.1 = expectation.to_owned();
            } else if let (":names:", Some(name)) = (key, field.strip_prefix("- ")) {
                search.0.insert(name.to_owned());
            }
        } else if section == ":search_definitions:" {
            if indent == 4 && content.starts_with(':') {
                parameter = content.trim_matches(':').to_owned();
            } else if indent == 6 && content.starts_with(':') {
                key = content.split_whitespace().next().unwrap();
            }
            if indent < 4 {
                continue;
            }
            let definition = group.definitions.entry(parameter.clone()).or_default();
            if let (":full_paths:", Some(path)) = (key, content.strip_prefix("- ")) {
                definition.full_paths.push(path.to_owned());
            }
            if let (":comparators:", Some(name)) = (key, content.strip_suffix(": SHALL")) {
                definition.comparators.insert(name.trim_matches(':').to_owned());
            }
            definition.multiple_or |= content == ":multiple_or: SHALL";
        }
    }
    groups
}

fn inferno(test: &str) -> Option<Vec<(ResourceType, Suite)>> {
    let defs = definitions(test)?;
    let yaml = String::from_utf8(read(&defs.join("us-core/inferno-metadata-v6.1.0.yml"))).unwrap();
    let groups = suite(&yaml);
    assert!(groups.len() > 45, "{} groups", groups.len());
    let searches: usize = groups.iter().map(|(_, suite)| suite.searches.len()).sum();
    assert!(searches > 200, "{searches} searches");
    Some(groups)
}

#[test]
fn every_search_of_the_independent_suite_is_expressible() {
    let Some(groups) = inferno("US Core searches") else { return };
    for (resource_type, suite) in groups {
        for (names, expectation) in suite.searches {
            let known = find(resource_type, UsCoreVersion::V6_1_0, &names);
            let known = known.unwrap_or_else(|| panic!("{resource_type} {names:?} is not required"));
            if expectation == "SHALL" {
                assert_eq!(known.expectation, Expectation::Shall, "{resource_type} {names:?}");
            }
            for parameter in &known.parameters {
                let Some(definition) = suite.definitions.get(&parameter.name) else { continue };
                let comparators: BTreeSet<_> =
                    parameter.comparators.iter().map(|own| format!("{own:?}").to_lowercase()).collect();
                assert_eq!(comparators, definition.comparators, "{resource_type} {}", parameter.name);
                assert_eq!(parameter.multiple_or, definition.multiple_or, "{resource_type} {}", parameter.name);
                let own = facts(resource_type).parameter(&parameter.name).unwrap();
                assert!(parameter.comparators.iter().all(|comparator| own.comparators.contains(comparator)));
                assert!(own.multiple_or || !parameter.multiple_or);
            }
        }
    }
}

#[test]
fn the_independent_suite_looks_where_we_look() {
    let Some(groups) = inferno("US Core paths") else { return };
    let mut compared = 0;
    for (resource_type, suite) in groups {
        for (name, definition) in suite.definitions {
            let facts = facts(resource_type);
            let parameter = facts.parameter(&name).unwrap_or_else(|| panic!("{resource_type} {name}"));
            let ours = reads(facts, parameter);
            for path in definition.full_paths {
                let path = path.split_once('.').unwrap().1;
                let stem = path.split(".where(").next().unwrap();
                let found = ours.iter().any(|own| {
                    own.strip_prefix(stem).is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_uppercase))
                });
                assert!(found, "{resource_type} {name}: {path}, ours {ours:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 200, "{compared}");
}

/// The CapabilityStatement of a US Core package, out of its tar archive.
fn statement(archive: &[u8]) -> Value {
    let mut rest = archive;
    while let Some((header, body)) = rest.split_at_checked(512) {
        let name = header[..100].split(|byte| *byte == 0).next().unwrap();
        let size = std::str::from_utf8(&header[124..135]).unwrap_or_default().trim_matches([' ', '\0']);
        let Ok(size) = usize::from_str_radix(size, 8) else { break };
        if name == b"package/CapabilityStatement-us-core-server.json" {
            return serde_json::from_slice(&body[..size]).unwrap();
        }
        rest = &body[size.next_multiple_of(512)..];
    }
    panic!("no CapabilityStatement");
}

#[test]
fn every_search_and_include_of_the_capability_statements_is_known() {
    let Some(defs) = definitions("US Core CapabilityStatements") else { return };
    let strength = |holder: &Value| {
        let found = list(&holder["extension"]).iter().find(|item| text(item, "url").ends_with("-expectation"));
        found.map_or(String::new(), |item| text(item, "valueCode").to_owned())
    };
    let mut seen = 0;
    for (version, archive) in [(UsCoreVersion::V6_1_0, "us_core_610.tgz"), (UsCoreVersion::V7_0_0, "us_core_700.tgz")] {
        let statement = statement(&read(&defs.join("us-core").join(archive)));
        for resource in list(&statement["rest"][0]["resource"]) {
            // Questionnaire and ValueSet are MAY, and hold nobody's data.
            let Some(resource_type) = ResourceType::parse(text(resource, "type")) else {
                assert!(["Questionnaire", "ValueSet"].contains(&text(resource, "type")));
                continue;
            };
            let single = list(&resource["searchParam"]).iter();
            let mut wanted: Vec<(String, BTreeSet<String>)> = single
                .map(|parameter| (strength(parameter), BTreeSet::from([text(parameter, "name").to_owned()])))
                .collect();
            for item in list(&resource["extension"]) {
                if text(item, "url").ends_with("search-parameter-combination") {
                    let parts = list(&item["extension"]).iter().filter(|part| text(part, "url") == "required");
                    wanted.push((strength(item), parts.map(|part| text(part, "valueString").to_owned()).collect()));
                }
            }
            for (expectation, names) in wanted.iter().filter(|(strength, _)| strength != "MAY") {
                let known = find(resource_type, version, names);
                let known = known.unwrap_or_else(|| panic!("{version:?} {resource_type} {names:?}"));
                assert_eq!(
                    format!("{:?}", known.expectation).to_uppercase(),
                    *expectation,
                    "{resource_type} {names:?}"
                );
                seen += 1;
            }
            for (field, known) in [
                ("searchInclude", &facts(resource_type).includes),
                ("searchRevInclude", &facts(resource_type).revincludes),
            ] {
                for value in list(&resource[field]) {
                    let value = value.as_str().unwrap();
                    let found = known.iter().any(|include| include.version == version && include.value == value);
                    assert!(found, "{version:?} {resource_type} {value}");
                }
            }
            if version == UsCoreVersion::V6_1_0 {
                let profiles: BTreeSet<_> =
                    list(&resource["supportedProfile"]).iter().filter_map(Value::as_str).collect();
                let own: BTreeSet<_> = facts(resource_type).profiles.iter().map(String::as_str).collect();
                assert_eq!(own, profiles, "{resource_type}");
            }
        }
    }
    assert!(seen > 180, "{seen}");
    assert_eq!(Comparator::ALL.len(), 9);
}
