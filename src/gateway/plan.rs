//! A permit and a query become calls: one for each of the person's links, each confined to that link's patient by
//! construction.

use std::sync::Arc;

use super::chart::{Chart, Charts};
use super::hashed::ResolvedIds;
use super::identifier::GatewayId;
use crate::access::Permit;
use crate::fhir::ResourceType;
use crate::fhir::knowledge::{AuthorizationKind, Knowledge};
use crate::fhir::search::{Criterion, Query, ReferenceValue, Value};
use crate::upstream::Errand;

/// One search at one source.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) chart: Arc<Chart>,
    /// The Patient there whose chart it is about; of several, any for shared reference data.
    pub(super) patient: String,
    /// The clause that confines it to the patient; none for shared reference data. Private: a call on a patient type
    /// cannot be made without it.
    confinement: Option<(String, String)>,
    /// One of the kinds that the vendor has to be asked for one by one.
    kind: Option<(String, String)>,
    /// The vendor cannot be asked for every kind: what this and its siblings bring may not be all.
    pub(super) is_partial: bool,
    /// The client's query in the source's own ids; what the source ignores is evaluated with it here.
    pub(super) query: Query,
    resource_type: ResourceType,
}

impl Call {
    /// The parameters to send: the confinement first, then what the source is known to understand.
    pub(super) fn pairs(&self, page_size: usize) -> Vec<(String, String)> {
        let vendor = &self.chart.source.vendor;
        let mut pairs: Vec<(String, String)> = self.confinement.iter().chain(&self.kind).cloned().collect();
        let narrowing = Query {
            criteria: self.sendable().into_iter().cloned().collect(),
            sort: if self.is_ordered() { self.query.sort.clone() } else { Vec::new() },
            count: Some(vendor.page_size.unwrap_or(page_size).min(page_size)),
            total: None,
            summary: None,
            elements: Vec::new(),
            includes: Vec::new(),
            revincludes: self.query.revincludes.iter().filter(|edge| vendor.sends_along(edge)).cloned().collect(),
            ignored: Vec::new(),
            resource_type: self.resource_type,
        };
        pairs.extend(narrowing.to_pairs());
        pairs
    }

    /// Whether the source is asked for the order that the client wants.
    fn is_ordered(&self) -> bool {
        self.chart.source.vendor.sorts_by(self.resource_type, &self.query.sort)
    }

    /// What asks it: with the patient's own credential, where links have one.
    pub(super) fn errand(&self) -> Errand {
        self.chart.errand_for(&self.patient)
    }

    /// The client's criteria that the source is sent.
    fn sendable(&self) -> Vec<&Criterion> {
        let mut sendable = self.chart.source.sendable(self.resource_type, &self.query.criteria);
        sendable.retain(|criterion| {
            let confined = self.confinement.as_ref().is_some_and(|(name, _)| *name == criterion.parameter);
            !confined && !self.says_again(criterion)
        });
        sendable
    }

    /// Whether a criterion only says what the confinement says already (`subject=…` beside `patient=…`).
    fn says_again(&self, criterion: &Criterion) -> bool {
        self.confinement.is_some() && names_patient(criterion, &self.chart)
    }

    /// Whether the source is asked for no more than the client wants and sees: nothing is left to sift here.
    pub(super) fn is_sent_whole(&self) -> bool {
        let sent = self.sendable().len();
        let said = self.query.criteria.iter().filter(|criterion| self.says_again(criterion)).count();
        sent.saturating_add(said) == self.query.criteria.len() && self.chart.source.release.is_none()
    }

    /// This call, or in its place one for each kind that the vendor has to be asked for.
    fn split(self) -> Vec<Self> {
        let vendor = &self.chart.source.vendor;
        let Some(required) = vendor.required(self.resource_type, &self.sendable()) else { return vec![self] };
        let of_kind = |value: &String| Self {
            chart: self.chart.clone(),
            patient: self.patient.clone(),
            confinement: self.confinement.clone(),
            kind: Some((required.parameter.clone(), value.clone())),
            is_partial: !required.exhaustive,
            query: self.query.clone(),
            resource_type: self.resource_type,
        };
        required.values.iter().map(of_kind).collect()
    }

    pub(super) const fn resource_type(&self) -> ResourceType {
        self.resource_type
    }
}

/// Whether a criterion names the person and nobody else (`subject=…` beside `patient=…`).
fn names_patient(criterion: &Criterion, chart: &Chart) -> bool {
    !criterion.values.is_empty() && criterion.values.iter().all(|value| is_own(value, chart))
}

fn is_own(value: &Value, chart: &Chart) -> bool {
    matches!(value, Value::Reference(ReferenceValue::Local { resource_type: Some(kind), id })
        if kind == "Patient" && chart.is_patient(id))
}

/// A reference to the person is one to each of their Patients there: what is about one may be performed by another.
fn widen(criterion: &mut Criterion, chart: &Chart) {
    if chart.patients.len() > 1 && criterion.values.iter().any(|value| is_own(value, chart)) {
        criterion.values.retain(|value| !is_own(value, chart));
        criterion.values.extend(chart.patients.iter().map(|patient| {
            Value::Reference(ReferenceValue::Local { resource_type: Some("Patient".to_owned()), id: patient.clone() })
        }));
    }
}

/// What translating a query needs besides the chart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Translation<'a> {
    pub(super) knowledge: &'a Knowledge,
    /// The gateway's FHIR base URL.
    pub(super) gateway_base: &'a str,
    /// Hashed ids that the query names, looked up beforehand.
    pub(super) hashed: &'a ResolvedIds,
}

/// The calls of a search for resources of the permit's type. Empty when the query can match nothing of this person.
pub(super) fn search(translation: Translation<'_>, permit: &Permit, charts: &Charts, query: &Query) -> Vec<Call> {
    let at_source = |chart: &Chart, patient: &str| translation.at_source(query, chart, patient);
    confined(translation.knowledge, permit, &charts.connected, at_source)
}

/// The calls for queries that are in the sources' own ids already: what the gateway itself has to know.
pub(super) fn confined(
    knowledge: &Knowledge,
    permit: &Permit,
    charts: &[Arc<Chart>],
    query: impl Fn(&Chart, &str) -> Option<Query>,
) -> Vec<Call> {
    let resource_type = permit.resource_type();
    let mut calls = Vec::new();
    if knowledge.of(resource_type).authorization == AuthorizationKind::Own {
        return calls;
    }
    for chart in charts {
        for patient in chart.patients.iter() {
            let Some(query) = query(chart, patient) else { continue };
            let confinements = confinements(knowledge, resource_type, chart, patient);
            let call = |confinement: Option<(String, String)>| {
                let (chart, patient, query) = (chart.clone(), patient.clone(), query.clone());
                Call { chart, patient, confinement, kind: None, is_partial: false, query, resource_type }.split()
            };
            if confinements.is_empty() {
                // Shared reference data: asked for once at each source.
                calls.extend(call(None));
                break;
            }
            calls.extend(confinements.into_iter().flat_map(|confinement| call(Some(confinement))));
        }
    }
    calls
}

/// What each call about this patient must begin with. More than one for types whose patient may stand in one of
/// several elements (Communication); none for shared reference data and for what its owners make visible.
fn confinements(
    knowledge: &Knowledge,
    resource_type: ResourceType,
    chart: &Chart,
    patient: &str,
) -> Vec<(String, String)> {
    let AuthorizationKind::Subject { itself, parameter, alternative, .. } = &knowledge.of(resource_type).authorization
    else {
        return Vec::new();
    };
    let parameter = chart.source.vendor.patient_parameter(resource_type, parameter);
    let others = alternative.iter().flat_map(|alternative| alternative.parameters.iter().map(String::as_str));
    let value = if *itself { patient.to_owned() } else { format!("Patient/{patient}") };
    std::iter::once(parameter).chain(others).map(|name| (name.to_owned(), value.clone())).collect()
}

impl Translation<'_> {
    /// The query in the ids of one source for one of the person's patients there, or `None` if it can match nothing.
    pub(super) fn at_source(&self, query: &Query, chart: &Chart, patient: &str) -> Option<Query> {
        let mut mapped = query
            .map_ids(|id| self.upstream_id(query.resource_type, id, chart, patient))
            .map_references(|value| self.reference(value, chart, patient));
        mapped.criteria.iter_mut().for_each(|criterion| widen(criterion, chart));
        (!mapped.is_never()).then_some(mapped)
    }

    fn upstream_id(&self, resource_type: ResourceType, id: &str, chart: &Chart, patient: &str) -> Option<String> {
        match GatewayId::parse(resource_type, id) {
            GatewayId::Person(person) if person == chart.person => Some(patient.to_owned()),
            GatewayId::Upstream(key, upstream) if key == chart.key() => Some(upstream.to_owned()),
            GatewayId::Hashed(key, hashed) if key == chart.key() => self.hashed.upstream_id(resource_type, hashed),
            _ => None,
        }
    }

    /// A reference to anybody else, or to another source, is the constant false (DESIGN section 3, step 3).
    fn reference(&self, value: &ReferenceValue, chart: &Chart, patient: &str) -> Option<ReferenceValue> {
        match value {
            ReferenceValue::Local { resource_type: Some(name), id } => {
                let kind = ResourceType::parse(name)?;
                let id = self.upstream_id(kind, id, chart, patient)?;
                if kind == ResourceType::Patient && !chart.is_patient(&id) {
                    return None;
                }
                Some(ReferenceValue::Local { resource_type: Some(name.clone()), id })
            }
            ReferenceValue::Local { resource_type: None, id } => {
                if let Some(id) = self.upstream_id(ResourceType::Patient, id, chart, patient)
                    && chart.is_patient(&id)
                {
                    return Some(ReferenceValue::Local { resource_type: Some("Patient".to_owned()), id });
                }
                // The type is not known, and Patient is excluded above: any other type of this source may match.
                let kind = self.hashed.type_of(id).unwrap_or(ResourceType::Observation);
                let id = self.upstream_id(kind, id, chart, patient)?;
                Some(ReferenceValue::Local { resource_type: None, id })
            }
            ReferenceValue::Url(url) => {
                match url.strip_prefix(self.gateway_base).and_then(|rest| rest.strip_prefix('/')) {
                    Some(local) => {
                        let (kind, id) = local.split_once('/')?;
                        let local = ReferenceValue::Local { resource_type: Some(kind.to_owned()), id: id.to_owned() };
                        self.reference(&local, chart, patient)
                    }
                    // A URL at the source would name a resource there that this search may not ask about.
                    None if url.contains(chart.source.client.connection().authority()) => None,
                    None => Some(ReferenceValue::Url(url.clone())),
                }
            }
            ReferenceValue::Identifier(identifier) => Some(ReferenceValue::Identifier(identifier.clone())),
        }
    }
}
