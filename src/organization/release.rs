//! Terms of release: what an EHR's full view holds that its patient does not see (yet).

use std::time::Duration;

use crate::base::clock::Instant;
use crate::fhir::ResourceType;
use crate::fhir::scan::{self, RawResource, Span};
use crate::fhir::search::fragment::Fragment;

/// An organization's rules of release, for its sources with `view = system`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReleasePolicy {
    /// Results that wait.
    pub holds: Vec<Hold>,
    /// Security labels that are not shown.
    pub withheld: Vec<WithheldLabels>,
}

/// Resources of one type that wait while they have one of some statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The type.
    pub resource_type: ResourceType,
    /// The statuses.
    pub statuses: Vec<String>,
    /// They wait no longer than this; without it, until their status changes.
    pub longest: Option<Duration>,
}

/// Codes of one system in `meta.security`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WithheldLabels {
    /// The code system.
    pub system: String,
    /// Its codes.
    pub codes: Vec<String>,
}

impl ReleasePolicy {
    /// Whether the patient does not see this resource at `now`. What cannot be read is held back.
    #[must_use]
    pub fn withholds(&self, raw: &RawResource, now: Instant) -> bool {
        (raw.facts.has_security && self.has_label(raw)) || self.waits(raw, now)
    }

    fn has_label(&self, raw: &RawResource) -> bool {
        self.is_labelled(member(raw, b"meta"))
            || raw.facts.contained.iter().any(|inner| self.is_labelled(contained_meta(raw, inner.span)))
    }

    /// Whether `meta.security` has a label that is not shown. A code without a system counts as one of ours.
    fn is_labelled(&self, meta: Option<Fragment<'_>>) -> bool {
        let Some(security) = meta.and_then(|meta| meta.get("security")) else { return false };
        security.each().any(|label| {
            let (system, code) = (label.text_of("system"), label.text_of("code"));
            let Some(code) = code else { return system.is_none_or(|system| self.knows(&system)) };
            self.withheld.iter().any(|withheld| {
                system.as_deref().is_none_or(|system| system == withheld.system)
                    && withheld.codes.iter().any(|known| known.eq_ignore_ascii_case(&code))
            })
        })
    }

    fn knows(&self, system: &str) -> bool {
        self.withheld.iter().any(|withheld| withheld.system == system)
    }

    fn waits(&self, raw: &RawResource, now: Instant) -> bool {
        let of_type = self.holds.iter().filter(|hold| hold.resource_type == raw.facts.resource_type);
        let status = member(raw, b"status").and_then(Fragment::text);
        of_type.into_iter().any(|hold| {
            let is_held = status.as_deref().is_none_or(|status| hold.statuses.iter().any(|held| held == status));
            is_held && hold.longest.is_none_or(|longest| issued(raw).is_none_or(|issued| now < issued.plus(longest)))
        })
    }
}

/// A member of the resource itself.
fn member<'a>(raw: &'a RawResource, name: &[u8]) -> Option<Fragment<'a>> {
    let found = raw.facts.members.iter().find(|member| member.key.of(&raw.bytes) == name)?;
    Some(Fragment::new(found.value.of(&raw.bytes)))
}

/// `meta` of a contained resource. FHIR R4 dom-5 forbids labels there; an EHR may have put one all the same.
fn contained_meta(raw: &RawResource, span: Span) -> Option<Fragment<'_>> {
    Fragment::new(span.of(&raw.bytes)).get("meta")
}

/// When a result was made available, else when the EHR last wrote it.
fn issued(raw: &RawResource) -> Option<Instant> {
    let last_updated = || raw.facts.last_updated.and_then(|span| scan::unescape(span.of(&raw.bytes)));
    let text = member(raw, b"issued").and_then(Fragment::text).or_else(last_updated)?;
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(Instant::from_micros(at.as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::knowledge::Knowledge;

    const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality";

    fn policy(longest: Option<Duration>) -> ReleasePolicy {
        let statuses = vec!["registered".to_owned(), "preliminary".to_owned()];
        ReleasePolicy {
            holds: vec![Hold { resource_type: ResourceType::Observation, statuses, longest }],
            withheld: vec![WithheldLabels { system: SYSTEM.to_owned(), codes: vec!["R".to_owned(), "V".to_owned()] }],
        }
    }

    fn withholds(policy: &ReleasePolicy, text: &str) -> bool {
        let raw = scan::scan_resource(text.to_owned().into(), Knowledge::embedded().unwrap()).unwrap();
        policy.withholds(
            &raw,
            "2026-09-15T12:00:00Z"
                .parse::<jiff::Timestamp>()
                .map(|at| Instant::from_micros(at.as_microsecond()))
                .unwrap(),
        )
    }

    fn observation(more: &str) -> String {
        format!(r#"{{"resourceType":"Observation","id":"1"{more}}}"#)
    }

    #[test]
    fn results_wait_until_they_are_final() {
        for status in ["registered", "preliminary"] {
            assert!(withholds(&policy(None), &observation(&format!(r#","status":"{status}""#))), "{status}");
        }
        for status in ["final", "amended", "corrected", "cancelled", "entered-in-error"] {
            assert!(!withholds(&policy(None), &observation(&format!(r#","status":"{status}""#))), "{status}");
        }
        for unreadable in ["", r#","status":null"#, r#","status":["final"]"#, r#","_status":{"extension":[]}"#] {
            assert!(withholds(&policy(None), &observation(unreadable)), "{unreadable}");
        }
        assert!(!withholds(&policy(None), r#"{"resourceType":"Condition","id":"1","status":"preliminary"}"#));
    }

    #[test]
    fn a_wait_has_an_end_where_the_policy_says_so_and_the_time_is_known() {
        let three_days = policy(Some(Duration::from_secs(72 * 3600)));
        let of = |more: &str| withholds(&three_days, &observation(&format!(r#","status":"preliminary"{more}"#)));
        assert!(of(r#","issued":"2026-09-12T12:00:01Z""#));
        assert!(!of(r#","issued":"2026-09-12T12:00:00Z""#));
        assert!(!of(r#","issued":"2026-09-12T08:00:00-04:00""#));
        assert!(!of(r#","meta":{"lastUpdated":"2026-09-01T00:00:00Z"}"#));
        assert!(of(r#","issued":"2026-09-14T00:00:00Z","meta":{"lastUpdated":"2026-09-01T00:00:00Z"}"#));
        for unknown in ["", r#","issued":"soon""#, r#","issued":"2026-09-01""#, r#","effectiveDateTime":"2020-01-01""#]
        {
            assert!(of(unknown), "{unknown}");
        }
    }

    #[test]
    fn restricted_labels_are_not_shown_wherever_they_stand() {
        let of = |security: &str| {
            withholds(
                &policy(None),
                &format!(r#"{{"resourceType":"Condition","id":"1","meta":{{"security":{security}}}}}"#),
            )
        };
        let label = |code: &str| format!(r#"[{{"system":"{SYSTEM}","code":"{code}"}}]"#);
        assert!(of(&label("R")) && of(&label("V")) && of(&label("r")));
        assert!(!of(&label("N")) && !of(&label("M")));
        assert!(of(r#"[{"code":"R"}]"#), "without a system");
        assert!(!of(r#"[{"system":"urn:other","code":"R"}]"#));
        assert!(of(&format!(r#"[{{"system":"urn:other","code":"x"}},{{"system":"{SYSTEM}","code":"V"}}]"#)));
        assert!(of(&format!(r#"[{{"system":"{SYSTEM}"}}]"#)) && of(r#"[{}]"#), "unreadable");
        assert!(of(&format!(r#"{{"system":"{SYSTEM}","code":"R"}}"#)), "not even a list");
        let contained = format!(
            r#"{{"resourceType":"Condition","id":"1","contained":[{{"resourceType":"Observation","id":"a","meta":{{"security":{}}}}}]}}"#,
            label("R")
        );
        assert!(withholds(&policy(None), &contained));
    }
}
