//! The work of a read and of a search between the source's bytes and the answer's, without network and database: what
//! `scripts/count-instructions` counts, so that a second pass over the bytes does not come in unseen.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use jiff::tz::TimeZone;

use super::bundle::Frame;
use super::fuzzing::setting::{OWN, SETTING, SOURCE};
use super::patient::{self, Record};
use super::released::{Filter, Released};
use super::searchset::{self, Content, Entry, Page};
use crate::access::Permit;
use crate::base::id::{AccountId, GrantId};
use crate::consent::{
    Action, Asking, Assurance, BirthDate, GrantScope, Lens, Right, SourceView, Standing, TaintIndex, View,
};
use crate::fhir::ResourceType;
use crate::fhir::scan;
use crate::fhir::search::{self, Evaluation, Handling, Query};
use crate::identity::{GrantBasis, Period};
use crate::mapping::{ConsentPolicies, contacts, sensitivity};

const ENTRIES: usize = 25;

/// About 1 KB, as laboratories send it.
fn observation(number: usize) -> String {
    format!(
        concat!(
            r#"{{"resourceType":"Observation","id":"obs-{n:04}","meta":{{"versionId":"{n}","lastUpdated":"2026-02-01T08:00:00.123Z","#,
            r#""profile":["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]}},"text":{{"status":"generated","#,
            r#""div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">Laboratory result {n}</div>"}},"status":"final","category":[{{"#,
            r#""coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}}]}}],"code":{{"#,
            r#""coding":[{{"system":"http://loinc.org","code":"4548-4","display":"Hemoglobin A1c"}}],"text":"Hemoglobin A1c"}},"#,
            r#""subject":{{"reference":"Patient/{own}"}},"encounter":{{"reference":"Encounter/enc-{n}"}},"#,
            r#""effectiveDateTime":"2026-01-01T07:30:00+01:00","issued":"2026-01-01T09:00:00Z","performer":[{{"reference":"#,
            r#""Practitioner/dr-1"}},{{"reference":"Organization/org-1"}}],"valueQuantity":{{"value":6.30,"unit":"%","system":"#,
            r#""http://unitsofmeasure.org","code":"%"}},"referenceRange":[{{"low":{{"value":4.00,"unit":"%"}},"high":{{"value":6.00,"#,
            r#""unit":"%"}}}}]}}"#
        ),
        n = number,
        own = OWN
    )
}

fn searchset() -> Bytes {
    let entry = |number| {
        let resource = observation(number);
        format!(
            r#"{{"fullUrl":"{SOURCE}/Observation/obs-{number:04}","resource":{resource},"search":{{"mode":"match"}}}}"#
        )
    };
    let entries: Vec<String> = (0..ENTRIES).map(entry).collect();
    format!(r#"{{"resourceType":"Bundle","type":"searchset","total":{ENTRIES},"entry":[{}]}}"#, entries.join(","))
        .into()
}

fn person() -> Bytes {
    format!(
        concat!(
            r#"{{"resourceType":"Patient","id":"{own}","meta":{{"versionId":"7","lastUpdated":"2026-03-02T09:15:00.000+01:00"}},"#,
            r#""identifier":[{{"system":"urn:oid:1.2.36.146","value":"4711"}}],"active":true,"name":[{{"use":"official","family":"#,
            r#""Halvorsen","given":["Ines","Marit"]}},{{"use":"maiden","family":"Lindqvist"}}],"telecom":[{{"system":"phone","value":"#,
            r#""+1 555 0143"}}],"gender":"female","birthDate":"1984-11-05","address":[{{"line":["12 Harbour Row"],"city":"#,
            r#""Northport"}}],"communication":[{{"language":{{"text":"English"}},"preferred":true}}]}}"#
        ),
        own = OWN
    )
    .into()
}

fn release(raw: scan::RawResource) -> Option<Released> {
    let permit = SETTING.permit(raw.facts.resource_type)?;
    release_by(&permit, raw)
}

fn release_by(permit: &Permit, raw: scan::RawResource) -> Option<Released> {
    let filter = Filter { knowledge: SETTING.knowledge, permit, now: SETTING.clock.now() };
    Released::release(filter, &SETTING.chart, raw, None)
}

/// Leave of somebody who was let in to all of the record, with what is decided once for a request.
static PROXY: LazyLock<Permit> = LazyLock::new(|| {
    let (source, now) = (&SETTING.chart.source.source, SETTING.clock.now());
    let basis = GrantBasis::PatientConsent;
    let right = Right {
        grant: GrantId::mint(&*SETTING.random),
        basis,
        period: Period { from: now, until: None },
        scope: GrantScope::of_basis(basis),
    };
    let account = AccountId::mint(&*SETTING.random);
    let standing = Standing { rights: vec![right], ..Standing::bare(account, false) };
    let policy = ConsentPolicies::embedded().unwrap().by_name("standard").unwrap();
    let lens = Lens::of(&Asking {
        standing: &standing,
        policy: &policy,
        zone: &TimeZone::UTC,
        organization: source.organization,
        source: source.key,
        births: &[BirthDate::parse("1984-11-05")],
        action: Action::Read,
        assurance: Assurance::Aal1,
        now,
    })
    .unwrap();
    let index = Arc::new(TaintIndex::of(&lens, &[], BTreeSet::new()));
    let (sets, contacts) = (Arc::new(sensitivity::embedded().unwrap()), Arc::new(contacts::embedded().unwrap()));
    let view = SourceView { lens, sets, contacts, index: Some(index), specialties: None };
    let permit = SETTING.permit_of(standing, ResourceType::Observation).unwrap();
    permit.through(Arc::new(View { sources: BTreeMap::from([(source.key, view)]) }))
});

fn read(body: &Bytes) -> Vec<u8> {
    let released = release(scan::scan_resource(body.clone(), SETTING.knowledge).unwrap()).unwrap();
    let mut rewriter = SETTING.rewriter();
    let id = rewriter.gateway_id(&released);
    let mut out = Vec::new();
    rewriter.write(&released, &id, &mut out).unwrap();
    out
}

fn read_person(body: &Bytes) -> Vec<u8> {
    let id = format!("{}.{OWN}", SETTING.chart.key());
    let records = [Record { id, organization: "Practice", bytes: read(body) }];
    patient::merge(SETTING.chart.person, &records, &[]).unwrap().bytes
}

fn query() -> Query {
    let asked = [("code".to_owned(), "http://loinc.org|4548-4".to_owned())];
    search::parse(SETTING.knowledge, ResourceType::Observation, &asked, Handling::Strict).unwrap()
}

fn search_page(body: &Bytes) -> Vec<u8> {
    page_by(body, release)
}

fn search_page_of_proxy(body: &Bytes) -> Vec<u8> {
    page_by(body, |raw| release_by(&PROXY, raw))
}

fn page_by(body: &Bytes, release: impl Fn(scan::RawResource) -> Option<Released>) -> Vec<u8> {
    let query = query();
    let evaluation =
        Evaluation { knowledge: SETTING.knowledge, base: Some(SETTING.chart.base_url()), now: SETTING.clock.now() };
    let mut rewriter = SETTING.rewriter();
    let page = scan::scan_bundle(body.clone(), SETTING.knowledge).unwrap();
    let released = page.entries.into_iter().filter_map(|entry| release(entry.resource));
    let matches = released.filter(|released| search::matches(&query, released.raw(), &evaluation));
    let mut entries: Vec<Entry> = matches
        .map(|released| Entry {
            resource_type: ResourceType::Observation,
            keys: query.sort.iter().map(|key| search::sort_key(key, released.raw(), &evaluation)).collect(),
            id: rewriter.gateway_id(&released),
            content: Content::Released(Box::new(released)),
        })
        .collect();
    searchset::order(&mut entries);
    let frame = Frame {
        bundle_type: "searchset",
        bundle_id: String::new(),
        last_updated: String::new(),
        total: None,
        links: Vec::new(),
    };
    let page = Page { matches: &entries, included: &[], issues: Vec::new(), subset: None };
    searchset::write(&frame, page, &mut rewriter)
}

type Workload = fn(&Bytes) -> Vec<u8>;

fn workload(name: &str) -> (Bytes, Workload) {
    match name {
        "read Observation" => (observation(3).into(), read),
        "read Patient" => (person(), read_person),
        "search 25 Observations" => (searchset(), search_page),
        "search 25 Observations as a proxy" => (searchset(), search_page_of_proxy),
        other => panic!("no workload {other}"),
    }
}

#[test]
fn the_counted_work_is_the_real_work() {
    let count = |bytes: &[u8], text: &str| memchr::memmem::find_iter(bytes, text.as_bytes()).count();
    for (name, resources) in [
        ("read Observation", 1),
        ("read Patient", 1),
        ("search 25 Observations", ENTRIES),
        ("search 25 Observations as a proxy", ENTRIES),
    ] {
        let (body, work) = workload(name);
        let out = work(&body);
        assert_eq!(
            count(&out, &format!("\"Patient/{}\"", SETTING.chart.person)),
            if name == "read Patient" { 0 } else { resources }
        );
        assert_eq!(count(&out, &format!("Patient/{OWN}")), 0, "{name}");
        assert_eq!(count(&out, "ehr.test"), 0, "{name}");
        let shown: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(shown["entry"].as_array().map_or(1, Vec::len), resources, "{name}");
    }
}

/// `CHARTGATE_WORKLOAD`, as often as `CHARTGATE_TIMES` says.
#[test]
#[ignore = "counted by scripts/count-instructions"]
fn counted() {
    let (body, work) = workload(&std::env::var("CHARTGATE_WORKLOAD").unwrap());
    let times: usize = std::env::var("CHARTGATE_TIMES").unwrap().parse().unwrap();
    for _ in 0..times {
        black_box(work(black_box(&body)));
    }
}
