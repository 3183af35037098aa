//! From tables to facts: indexing, and every check without which a table could let somebody see too much.

use std::collections::BTreeMap;

use super::authorization::AuthorizationKind;
use super::edge;
use super::parameter::{
    ComponentMember, CompositeComponent, DataType, Modifier, PathCondition, SearchKind, SearchParameter, SearchPath,
};
use super::requirement::{RequiredInclude, RequiredParameter, RequiredSearch, UsCoreVersion};
use super::table::{
    AuthorizationRow, ComponentRow, ConditionRow, EdgesRow, ElementsRow, IncludeRow, ParameterRow, PathRow,
    ReferenceRow, Sources, Table, UsCoreRow,
};
use super::{Knowledge, KnowledgeError, ReferenceElement, TypeFacts};
use crate::fhir::ResourceType;
use crate::fhir::shape::{CaptureId, Shape, ShapeBuilder};

/// Parses, checks and indexes the tables.
pub(super) fn compile(sources: Sources<'_>) -> Result<Knowledge, KnowledgeError> {
    let mut authorization: Table<AuthorizationRow> = read("authorization.json", sources.authorization)?;
    let mut parameters: Table<Vec<ParameterRow>> = read("search-parameters.json", sources.search_parameters)?;
    let mut references: Table<Vec<ReferenceRow>> = read("references.json", sources.references)?;
    let mut elements: Table<ElementsRow> = read("elements.json", sources.elements)?;
    let mut us_core: Table<UsCoreRow> = read("us-core.json", sources.us_core)?;
    let mut includes: Table<EdgesRow> = read("includes.json", sources.includes)?;
    let common = parameters.common.take().unwrap_or_default();

    let mut types = Vec::with_capacity(ResourceType::ALL.len());
    let mut rules = Vec::with_capacity(ResourceType::ALL.len());
    for &resource_type in ResourceType::ALL {
        let missing = |table| KnowledgeError::Missing { table, resource_type };
        rules.push(authorization.take(resource_type).ok_or_else(|| missing("authorization.json"))?);
        let row = includes.take(resource_type).ok_or_else(|| missing("includes.json"))?;
        let (followed, followed_back) = edge::edges(resource_type, &row)?;
        let mut draft = Draft::new(
            resource_type,
            &common,
            &parameters.take(resource_type).ok_or_else(|| missing("search-parameters.json"))?,
            references.take(resource_type).ok_or_else(|| missing("references.json"))?,
            elements.take(resource_type).ok_or_else(|| missing("elements.json"))?,
            us_core.take(resource_type).ok_or_else(|| missing("us-core.json"))?,
        )?;
        (draft.facts.followed, draft.facts.followed_back) = (followed, followed_back);
        types.push(draft);
    }
    let kinds = super::rule::kinds(rules, &mut types)?;
    let types: Vec<TypeFacts> = types.into_iter().zip(kinds).map(|(draft, kind)| draft.finish(kind)).collect();
    let knowledge = Knowledge { types, nothing: TypeFacts::refused(ResourceType::Account) };
    check_includes(&knowledge)?;
    edge::check(&knowledge)?;
    Ok(knowledge)
}

fn read<'de, T: serde::Deserialize<'de>>(table: &'static str, text: &'de str) -> Result<T, KnowledgeError> {
    serde_json::from_str(text).map_err(|source| KnowledgeError::Unreadable { table, source })
}

/// The facts about a type while its shape still grows.
pub(super) struct Draft {
    pub(super) facts: TypeFacts,
    shape: ShapeBuilder,
    captures: BTreeMap<String, CaptureId>,
}

impl Draft {
    fn new(
        resource_type: ResourceType,
        common: &[ParameterRow],
        parameters: &[ParameterRow],
        references: Vec<ReferenceRow>,
        elements: ElementsRow,
        us_core: UsCoreRow,
    ) -> Result<Self, KnowledgeError> {
        let mut draft =
            Self { facts: TypeFacts::refused(resource_type), shape: Shape::builder(), captures: BTreeMap::new() };
        for row in common.iter().chain(parameters) {
            let parameter = draft.parameter(row)?;
            if draft.facts.parameter(&parameter.name).is_some() {
                return Err(draft.fault(format!("two rows for parameter {}", parameter.name)));
            }
            draft.facts.parameters.push(parameter);
        }
        for ReferenceRow { path, targets } in references {
            draft.check_path(&path)?;
            draft.facts.references.push(ReferenceElement { path, targets: targets.0 });
        }
        draft.check_components()?;
        draft.check_references()?;
        draft.elements(elements)?;
        draft.us_core(us_core)?;
        Ok(draft)
    }

    fn finish(self, authorization: AuthorizationKind) -> TypeFacts {
        TypeFacts { authorization, shape: self.shape.build(), ..self.facts }
    }

    pub(super) fn fault(&self, what: String) -> KnowledgeError {
        KnowledgeError::Row { resource_type: self.facts.resource_type, what }
    }

    fn check_path(&self, path: &str) -> Result<(), KnowledgeError> {
        let is_name = |step: &str| !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if path.split('.').all(is_name) { Ok(()) } else { Err(self.fault(format!("{path:?} is no element path"))) }
    }

    fn parameter(&mut self, row: &ParameterRow) -> Result<SearchParameter, KnowledgeError> {
        if row.paths.is_empty() && row.components.is_empty() {
            return Err(self.fault(format!("parameter {} reads nothing", row.name)));
        }
        if (row.kind == SearchKind::Composite) != (row.components.len() >= 2) {
            return Err(self.fault(format!("parameter {} and its components disagree", row.name)));
        }
        let paths = self.paths(row.kind, &row.paths)?;
        let components =
            row.components.iter().map(|component| self.component(component)).collect::<Result<Vec<_>, _>>()?;
        Ok(SearchParameter {
            modifiers: modifiers(&row.name, row.kind, &paths),
            comparators: row.kind.comparators().to_vec(),
            name: row.name.clone(),
            kind: row.kind,
            paths,
            multiple_or: row.multiple_or,
            // R4 limits repetition for none of its parameters.
            multiple_and: true,
            targets: row.targets.0.clone(),
            components,
            definition: row.definition.clone(),
        })
    }

    fn paths(&mut self, kind: SearchKind, rows: &[PathRow]) -> Result<Vec<SearchPath>, KnowledgeError> {
        let mut paths = Vec::with_capacity(rows.len());
        for row in rows {
            self.check_path(&row.path)?;
            let exists = matches!(row.condition, Some(ConditionRow::Exists));
            if !exists && !kind.compares(row.datatype) {
                return Err(self.fault(format!("{} is a {:?}, which {kind:?} cannot compare", row.path, row.datatype)));
            }
            paths.push(SearchPath {
                capture: self.capture(&row.path),
                datatype: row.datatype,
                condition: row.condition.as_ref().map(condition),
            });
        }
        Ok(paths)
    }

    fn component(&mut self, row: &ComponentRow) -> Result<CompositeComponent, KnowledgeError> {
        if let Some(member) = row.members.iter().find(|member| !row.kind.compares(member.datatype)) {
            return Err(self.fault(format!("part {} cannot compare {}", row.parameter, member.name)));
        }
        let members =
            row.members.iter().map(|row| ComponentMember { name: row.name.clone(), datatype: row.datatype }).collect();
        Ok(CompositeComponent {
            parameter: row.parameter.clone(),
            kind: row.kind,
            root: self.paths(row.kind, &row.root)?,
            members,
        })
    }

    /// Every part of a composite is a parameter of the type, and is looked for in the same places as its siblings.
    fn check_components(&self) -> Result<(), KnowledgeError> {
        for parameter in &self.facts.parameters {
            let nested = !parameter.paths.is_empty();
            for part in &parameter.components {
                let known = self.facts.parameter(&part.parameter).is_some_and(|own| own.kind == part.kind);
                let rooted = parameter.components.iter().all(|other| other.root.is_empty() == part.root.is_empty());
                if !known || !rooted || nested == part.members.is_empty() || (!nested && part.root.is_empty()) {
                    return Err(self.fault(format!("part {} of {}", part.parameter, parameter.name)));
                }
            }
        }
        Ok(())
    }

    /// A Reference that a parameter reads is a Reference of the type, and may point where the parameter says.
    fn check_references(&self) -> Result<(), KnowledgeError> {
        for parameter in self.facts.parameters.iter().filter(|parameter| parameter.kind == SearchKind::Reference) {
            let mut reachable = Vec::new();
            for path in parameter.paths.iter().filter(|path| path.datatype == DataType::Reference) {
                let element = self
                    .facts
                    .references
                    .iter()
                    .find(|element| self.captures.get(&element.path) == Some(&path.capture))
                    .ok_or_else(|| self.fault(format!("{} reads no Reference", parameter.name)))?;
                match path.condition {
                    None => reachable.extend_from_slice(&element.targets),
                    Some(PathCondition::Target(target)) if element.targets.contains(&target) => reachable.push(target),
                    Some(_) => return Err(self.fault(format!("condition of {}", parameter.name))),
                }
            }
            if !parameter.targets.iter().all(|target| reachable.contains(target)) {
                return Err(self.fault(format!("targets of {}", parameter.name)));
            }
        }
        Ok(())
    }

    fn elements(&mut self, row: ElementsRow) -> Result<(), KnowledgeError> {
        if row.summary.is_empty() || row.summary.iter().chain(&row.mandatory).any(|name| name.contains('.')) {
            return Err(self.fault("summary and mandatory are top-level members".to_owned()));
        }
        for path in &row.attachments {
            self.check_path(path)?;
            self.shape.attachment(path);
        }
        self.facts.summary = row.summary;
        self.facts.mandatory = row.mandatory;
        self.facts.attachments = row.attachments;
        Ok(())
    }

    fn us_core(&mut self, row: UsCoreRow) -> Result<(), KnowledgeError> {
        for search in &row.searches {
            let mut parameters = Vec::with_capacity(search.parameters.len());
            for name in &search.parameters {
                let parameter = self.facts.parameter(name);
                let parameter = parameter.ok_or_else(|| self.fault(format!("US Core searches by {name}")))?;
                let own = row.parameters.iter().find(|own| own.version == search.version && own.parameter == *name);
                if own.is_some_and(|own| !own.comparators.iter().all(|own| parameter.comparators.contains(own))) {
                    return Err(self.fault(format!("US Core compares {name}")));
                }
                parameters.push(RequiredParameter {
                    name: name.clone(),
                    comparators: own.map(|own| own.comparators.clone()).unwrap_or_default(),
                    multiple_or: own.is_some_and(|own| own.multiple_or),
                    multiple_and: own.is_some_and(|own| own.multiple_and),
                });
            }
            let search = RequiredSearch { version: search.version, expectation: search.expectation, parameters };
            self.facts.required_searches.push(search);
        }
        let ours = row.profiles.into_iter().filter(|row| row.version == UsCoreVersion::V6_1_0);
        self.facts.profiles = ours.map(|row| row.profile).collect();
        self.facts.includes = row.includes.into_iter().map(include).collect();
        self.facts.revincludes = row.revincludes.into_iter().map(include).collect();
        Ok(())
    }

    pub(super) fn capture(&mut self, path: &str) -> CaptureId {
        if let Some(&capture) = self.captures.get(path) {
            return capture;
        }
        let capture = self.shape.capture(path);
        self.captures.insert(path.to_owned(), capture);
        capture
    }

    /// The Reference element at a path.
    pub(super) fn reference(&self, path: &str) -> Option<&ReferenceElement> {
        self.facts.references.iter().find(|element| element.path == path)
    }

    /// Whether a reference parameter reads the element at a path, as far as it points to `target`.
    pub(super) fn reads(&self, parameter: &str, path: &str, target: ResourceType) -> bool {
        let Some(capture) = self.captures.get(path) else { return false };
        self.facts.parameter(parameter).is_some_and(|parameter| {
            parameter.kind == SearchKind::Reference
                && parameter.targets.contains(&target)
                && parameter.paths.iter().any(|path| path.capture == *capture)
        })
    }
}

fn include(row: IncludeRow) -> RequiredInclude {
    RequiredInclude { version: row.version, expectation: row.expectation, value: row.value }
}

fn condition(row: &ConditionRow) -> PathCondition {
    match row {
        ConditionRow::Target(target) => PathCondition::Target(target.0),
        ConditionRow::Member { name, value } => PathCondition::Member { name: name.clone(), value: value.clone() },
        ConditionRow::Extension { url, nested, value } => {
            PathCondition::Extension { url: url.clone(), nested: *nested, value: value.clone() }
        }
        ConditionRow::Exists => PathCondition::Exists,
    }
}

/// The modifiers of the kind, as far as they mean something for the elements read.
fn modifiers(name: &str, kind: SearchKind, paths: &[SearchPath]) -> Vec<Modifier> {
    if name == "_id" {
        return vec![Modifier::Missing];
    }
    let reads = |wanted: &[DataType]| paths.iter().any(|path| wanted.contains(&path.datatype));
    let texts = [DataType::CodeableConcept, DataType::Coding, DataType::Identifier];
    let means = |modifier: &Modifier| match modifier {
        Modifier::Text => reads(&texts),
        Modifier::Type | Modifier::Identifier => reads(&[DataType::Reference]),
        _ => true,
    };
    kind.modifiers().iter().copied().filter(means).collect()
}

/// Each include is `Type:parameter` or `Type:parameter:Target` of known types and a reference parameter.
fn check_includes(knowledge: &Knowledge) -> Result<(), KnowledgeError> {
    for facts in &knowledge.types {
        for include in facts.includes.iter().chain(&facts.revincludes) {
            let mut parts = include.value.split(':');
            let source = parts.next().and_then(ResourceType::parse).map(|source| knowledge.of(source));
            let parameter = source.zip(parts.next()).and_then(|(source, name)| source.parameter(name));
            let target = parts.next().map(ResourceType::parse);
            let known = parameter.is_some_and(|parameter| match target {
                Some(target) => target.is_some_and(|target| parameter.targets.contains(&target)),
                None => parameter.kind == SearchKind::Reference,
            });
            if !known {
                let what = format!("US Core includes {}", include.value);
                return Err(KnowledgeError::Row { resource_type: facts.resource_type, what });
            }
        }
    }
    Ok(())
}
