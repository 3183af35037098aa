//! Searches: what was read prints to a form that reads the same (invariant I-16), evaluates and sorts without trouble,
//! and every call to a source begins with the clause that confines it to the person's patient there (I-6).

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bytes::Bytes;

use super::super::hashed::ResolvedIds;
use super::super::plan::{self, Translation};
use super::setting::{GATEWAY, OWN, SETTING, SOURCE};
use crate::fhir::ResourceType;
use crate::fhir::knowledge::AuthorizationKind;
use crate::fhir::scan::{self, RawResource};
use crate::fhir::search::{self, Evaluation, Handling};

const RICH: &str = r#"{"resourceType":"Observation","id":"o1","meta":{"lastUpdated":"2020-02-01T00:00:00Z"},"status":"final",
    "category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"laboratory"}]}],
    "code":{"text":"A,b|c$","coding":[{"system":"http://loinc.org","code":"1","display":"Weight"}]},
    "subject":{"reference":"Patient/own"},"performer":[{"reference":"Practitioner/dr","identifier":{"value":"npi"}}],
    "effectivePeriod":{"start":"2020-01-31T10:00:59.999Z"},"valueQuantity":{"value":1.50e1,"code":"mg","system":"http://u"},
    "component":[{"code":{"coding":[{"code":"c"}]},"valueQuantity":{"value":-0,"unit":"mg"}}]}"#;

static SAMPLES: LazyLock<BTreeMap<ResourceType, RawResource>> = LazyLock::new(|| {
    let sample = |kind: ResourceType| {
        let text = match kind {
            ResourceType::Observation => RICH.to_owned(),
            kind => format!(
                r#"{{"resourceType":"{kind}","id":"x","status":"active","subject":{{"reference":"Patient/own"}},
                "patient":{{"reference":"{SOURCE}/Patient/own"}},"name":[{{"family":"Zoë","given":["A"]}}],
                "date":"2020","birthDate":"2020-01","active":true,"code":{{"coding":[{{"code":"a"}}]}}}}"#
            ),
        };
        scan::scan_resource(Bytes::from(text), SETTING.knowledge).ok().map(|raw| (kind, raw))
    };
    ResourceType::ALL.iter().copied().filter_map(sample).collect()
});

pub(super) fn run(data: &[u8]) {
    let Some((&selector, rest)) = data.split_first() else { return };
    let kinds = ResourceType::ALL;
    let at = usize::from(selector) % (2 * kinds.len());
    let (resource_type, handling) = match kinds.get(at) {
        Some(kind) => (*kind, Handling::Strict),
        None => (ResourceType::Observation, Handling::Lenient),
    };
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(rest).map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let knowledge = SETTING.knowledge;
    let Ok(mut query) = search::parse(knowledge, resource_type, &pairs, handling) else { return };
    query.ignored.clear();
    let printed = query.to_pairs();
    let again = search::parse(knowledge, resource_type, &printed, Handling::Strict);
    assert!(again.as_ref() == Ok(&query), "{pairs:?} prints as {printed:?}, which reads as {again:?}");
    if let Some(sample) = SAMPLES.get(&resource_type) {
        let evaluation = Evaluation { knowledge, base: Some(SOURCE), now: SETTING.clock.now() };
        let _ = search::matches(&query, sample, &evaluation);
        for key in &query.sort {
            let value = search::sort_key(key, sample, &evaluation);
            assert_eq!(value.cmp(&value), std::cmp::Ordering::Equal);
        }
    }
    let Some(permit) = SETTING.permit(resource_type) else { return };
    let hashed = ResolvedIds::default();
    let translation = Translation { knowledge, gateway_base: GATEWAY, hashed: &hashed };
    for call in plan::search(translation, &permit, &SETTING.charts, &query) {
        let sent = call.pairs(50);
        let AuthorizationKind::Subject { itself, .. } = &knowledge.of(resource_type).authorization else { continue };
        let (name, value) = sent.first().expect("a clause");
        let own = if *itself { OWN.to_owned() } else { format!("Patient/{OWN}") };
        assert_eq!(*value, own, "{pairs:?} asks {sent:?}");
        assert!(sent.iter().skip(1).all(|(other, _)| other != name), "{pairs:?} asks {sent:?}");
    }
}
