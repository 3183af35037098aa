use serde_json::Value;

use super::super::value;
use super::super::when::When;
use super::{Line, Words, all, concept, names, notes, report_state, text};
use crate::http::pages::{say, say_with};

pub(super) fn line(resource: &Value, when: &When) -> Line {
    let at = when.first(resource, &["/effectiveDateTime", "/effectivePeriod/start", "/effectiveInstant", "/issued"]);
    let parts: Vec<String> = all(resource, "component").filter_map(|part| component(part, when)).collect();
    let members = all(resource, "hasMember").count();
    let mut words = Words::new(concept(resource.get("code")), "Test", at)
        .fact("Value", value::of(resource, when))
        .facts("Values", &parts)
        .fact(super::super::FLAG, value::flag(resource))
        .fact("Range given by the laboratory", value::reference(resource))
        .fact("Method", concept(resource.get("method")))
        .facts("Note", &notes(resource))
        .facts("By", &names(resource, "performer", ""))
        .fact("Parts", (members > 0).then(|| say_with("record.members", &[("count", &members.to_string())])))
        .state(report_state(text(resource, "/status")));
    words.0.codes = codes(resource);
    words.0
}

/// One part of a panel, such as one of both numbers of a blood pressure, with what is said of it.
fn component(part: &Value, when: &When) -> Option<String> {
    let name = concept(part.get("code"))?;
    let found = value::of(part, when).unwrap_or_else(|| say("record.no-value").to_owned());
    let flag = value::flag(part).map(|flag| format!(" ({flag})")).unwrap_or_default();
    let range = value::reference(part).map(|range| say_with("record.range", &[("range", &range)])).unwrap_or_default();
    Some(format!("{name} {found}{flag}{range}"))
}

fn codes(resource: &Value) -> Vec<String> {
    // In a search a comma parts values and a backslash escapes (FHIR R4 search.html §3.1.1.4.1): such codes are not
    // asked for.
    let is_plain = |token: &String| !token.contains([',', '\\', '$']) && token.matches('|').count() == 1;
    resource
        .get("code")
        .into_iter()
        .flat_map(|code| all(code, "coding"))
        .filter_map(|coding| Some(format!("{}|{}", text(coding, "/system")?, text(coding, "/code")?)))
        .filter(is_plain)
        .collect()
}
