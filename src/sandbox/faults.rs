//! Fault switches: what a bad EHR does, one by one or together, settable while the server runs.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// One way to misbehave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FaultKind {
    /// The answer comes later by this many milliseconds.
    Delay(u64),
    /// This status with an OperationOutcome, without doing what was asked.
    Status(u16),
    /// `Content-Length` is that of the whole body, but the connection ends after this many bytes of it.
    TruncatedBody(usize),
    /// Other patients' resources: among the results of a search, and in place of the resource of a read.
    WrongPatient {
        /// On a read: the id in the body is the one asked for, so that only the subject tells.
        disguised: bool,
    },
    /// These search parameters are ignored; with none named, all but `_count` are.
    IgnoredParameters(Vec<String>),
    /// A search that names none of these parameters is refused, as large EHRs do.
    SearchNeeds(Vec<String>),
    /// A search that names one of these parameters is refused.
    SearchRefuses(Vec<String>),
    /// A page that is not the last has no `next`.
    MissingNext,
    /// `next` is the page itself, even on the last page.
    LoopingNext,
    /// `next` is on this origin (`scheme://host:port`).
    ForeignNext(String),
    /// 200 with a sign-in page as `text/html`.
    HtmlBody,
    /// This body in place of the right one; the status and the headers are right.
    Body(String),
    /// The body comes in pieces of `bytes`, one each `milliseconds`.
    SlowTrickle {
        /// Length of a piece, at least 1.
        bytes: usize,
        /// Pause before each piece.
        milliseconds: u64,
    },
    /// The connection is closed without an answer.
    Dead,
    /// This media type in place of the right one.
    ContentType(String),
}

/// A way to misbehave, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Resource types to which it is limited, and the names `metadata` and `token` for those endpoints. Empty: every
    /// FHIR request, `metadata` too, but not the token endpoint.
    #[serde(default)]
    pub types: Vec<String>,
    /// The first page of a search on which it shows. A request that is not a search is page 1.
    #[serde(default = "first_page")]
    pub from_page: u32,
    /// How many requests it hits before it is over; without it, every one.
    #[serde(default)]
    pub times: Option<u32>,
}

const fn first_page() -> u32 {
    1
}

impl Fault {
    /// A fault of every FHIR request.
    #[must_use]
    pub const fn new(kind: FaultKind) -> Self {
        Self { kind, types: Vec::new(), from_page: 1, times: None }
    }

    /// Limits it to resource types, `metadata` or `token`.
    #[must_use]
    pub fn for_types(mut self, types: &[&str]) -> Self {
        self.types = types.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Limits it to the pages of a search from this one on.
    #[must_use]
    pub const fn from_page(mut self, page: u32) -> Self {
        self.from_page = page;
        self
    }

    /// Ends it after this many requests.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn applies(&self, target: &str, page: u32) -> bool {
        let named = self.types.iter().any(|name| name == target);
        (named || (self.types.is_empty() && target != TOKEN)) && page >= self.from_page && self.times != Some(0)
    }
}

/// The name of the token endpoint in [`Fault::types`].
pub(super) const TOKEN: &str = "token";
/// The name of `metadata` and the SMART discovery document in [`Fault::types`].
pub(super) const METADATA: &str = "metadata";

/// The faults of one server. All are off at first.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    /// Switches one more fault on.
    pub fn add(&self, fault: Fault) {
        self.list().push(fault);
    }

    /// Replaces all faults.
    pub fn set(&self, faults: Vec<Fault>) {
        *self.list() = faults;
    }

    /// Switches all faults off.
    pub fn clear(&self) {
        self.list().clear();
    }

    /// The faults that are on, with what is left of their `times`.
    #[must_use]
    pub fn current(&self) -> Vec<Fault> {
        self.list().clone()
    }

    /// The faults of one request; one of their `times` is used up.
    pub(super) fn hit(&self, target: &str, page: u32) -> Hit {
        let mut kinds = Vec::new();
        for fault in self.list().iter_mut().filter(|fault| fault.applies(target, page)) {
            fault.times = fault.times.map(|times| times - 1);
            kinds.push(fault.kind.clone());
        }
        Hit(kinds)
    }

    fn list(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults that one request meets. Of several of a kind the last one counts; delays add up.
#[derive(Clone, Debug, Default)]
pub(super) struct Hit(Vec<FaultKind>);

impl Hit {
    fn last<'a, T>(&'a self, pick: impl Fn(&'a FaultKind) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(pick)
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.0.iter().fold(0, |sum: u64, kind| match kind {
            FaultKind::Delay(milliseconds) => sum.saturating_add(*milliseconds),
            _ => sum,
        }))
    }

    pub(super) fn status(&self) -> Option<u16> {
        self.last(|kind| if let FaultKind::Status(status) = kind { Some(*status) } else { None })
    }

    pub(super) fn truncated(&self) -> Option<usize> {
        self.last(|kind| if let FaultKind::TruncatedBody(bytes) = kind { Some(*bytes) } else { None })
    }

    /// Whether another patient's data is given, and if so, whether disguised.
    pub(super) fn wrong_patient(&self) -> Option<bool> {
        self.last(|kind| if let FaultKind::WrongPatient { disguised } = kind { Some(*disguised) } else { None })
    }

    pub(super) fn ignores(&self, parameter: &str) -> bool {
        self.0.iter().any(|kind| match kind {
            FaultKind::IgnoredParameters(names) => {
                (names.is_empty() && parameter != "_count") || names.iter().any(|name| name == parameter)
            }
            _ => false,
        })
    }

    /// The parameters of which a search must name one, for each fault that wants some.
    pub(super) fn needed(&self) -> impl Iterator<Item = &[String]> {
        self.0
            .iter()
            .filter_map(|kind| if let FaultKind::SearchNeeds(names) = kind { Some(names.as_slice()) } else { None })
    }

    /// Whether a search that names this parameter is refused.
    pub(super) fn refuses(&self, parameter: &str) -> bool {
        self.0.iter().any(|kind| {
            if let FaultKind::SearchRefuses(names) = kind { names.iter().any(|name| name == parameter) } else { false }
        })
    }

    pub(super) fn missing_next(&self) -> bool {
        self.0.contains(&FaultKind::MissingNext)
    }

    pub(super) fn looping_next(&self) -> bool {
        self.0.contains(&FaultKind::LoopingNext)
    }

    pub(super) fn foreign_next(&self) -> Option<&str> {
        self.last(|kind| if let FaultKind::ForeignNext(origin) = kind { Some(origin.as_str()) } else { None })
    }

    pub(super) fn html(&self) -> bool {
        self.0.contains(&FaultKind::HtmlBody)
    }

    pub(super) fn body(&self) -> Option<&str> {
        self.last(|kind| if let FaultKind::Body(body) = kind { Some(body.as_str()) } else { None })
    }

    /// Piece length and pause.
    pub(super) fn trickle(&self) -> Option<(usize, Duration)> {
        self.last(|kind| match kind {
            FaultKind::SlowTrickle { bytes, milliseconds } => {
                Some(((*bytes).max(1), Duration::from_millis(*milliseconds)))
            }
            _ => None,
        })
    }

    pub(super) fn dead(&self) -> bool {
        self.0.contains(&FaultKind::Dead)
    }

    pub(super) fn content_type(&self) -> Option<&str> {
        self.last(|kind| if let FaultKind::ContentType(value) = kind { Some(value.as_str()) } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_limited_by_type_page_and_times() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::Dead).for_types(&["Observation"]).from_page(2).times(1));
        assert!(!faults.hit("Condition", 2).dead());
        assert!(!faults.hit("Observation", 1).dead());
        assert!(faults.hit("Observation", 2).dead());
        assert!(!faults.hit("Observation", 2).dead(), "used up");
    }

    #[test]
    fn the_token_endpoint_must_be_named() {
        let faults = Faults::default();
        faults.add(Fault::new(FaultKind::Status(500)));
        assert_eq!(faults.hit(TOKEN, 1).status(), None);
        assert_eq!(faults.hit(METADATA, 1).status(), Some(500));
        faults.set(vec![Fault::new(FaultKind::Status(503)).for_types(&[TOKEN])]);
        assert_eq!(faults.hit(TOKEN, 1).status(), Some(503));
        assert_eq!(faults.hit("Patient", 1).status(), None);
    }

    #[test]
    fn every_kind_has_a_json_form() {
        let text = r#"[{"kind":{"delay":5}},{"kind":{"wrong-patient":{"disguised":true}},"types":["Patient"]},
            {"kind":"looping-next","from_page":3},{"kind":{"ignored-parameters":[]}},{"kind":"dead","times":2},
            {"kind":{"slow-trickle":{"bytes":1,"milliseconds":2}}},{"kind":{"foreign-next":"http://b"}}]"#;
        let faults: Vec<Fault> = serde_json::from_str(text).unwrap();
        assert_eq!(faults.len(), 7);
        let again: Vec<Fault> = serde_json::from_str(&serde_json::to_string(&faults).unwrap()).unwrap();
        assert_eq!(again, faults);
    }
}
