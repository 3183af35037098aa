//! What the specialty of a practitioner, and the kind of a place or service, say of what they had to do with (portal design,
//! 3.5 iii).

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::label::Labels;
use crate::base::clock::Instant;
use crate::fhir::ResourceType;

/// Types that have one.
pub const SPECIALISTS: [ResourceType; 5] = [
    ResourceType::HealthcareService,
    ResourceType::Location,
    ResourceType::Organization,
    ResourceType::Practitioner,
    ResourceType::PractitionerRole,
];

/// Labels of those at one source that were looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Specialties(BTreeMap<ResourceType, HashMap<String, Known, RandomState>>);

/// What was found, and until when it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    labels: Labels,
    until: Instant,
}

impl Specialties {
    /// Enters what was found out about one.
    pub fn learn(&mut self, kind: ResourceType, id: String, labels: Labels, until: Instant) {
        self.0.entry(kind).or_default().insert(id, Known { labels, until });
    }

    /// What is sensitive about what names this one; `None` where it is not known, or was looked up too long ago.
    #[must_use]
    pub fn labels(&self, kind: ResourceType, id: &str, now: Instant) -> Option<Labels> {
        self.0.get(&kind)?.get(id).filter(|known| now < known.until).map(|known| known.labels)
    }

    /// Drops what does not count any more.
    pub fn forget(&mut self, now: Instant) {
        for known in self.0.values_mut() {
            known.retain(|_, known| now < known.until);
        }
    }

    /// How many are known.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.values().map(HashMap::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::Label;

    #[test]
    fn what_does_not_count_any_more_is_forgotten() {
        let at = Instant::from_micros;
        let labels: Labels = [Label::Psy].into_iter().collect();
        let mut known = Specialties::default();
        assert_eq!(known.count(), 0);
        for (kind, id, until) in [
            (ResourceType::Practitioner, "1", 10),
            (ResourceType::Practitioner, "2", 11),
            (ResourceType::Location, "1", 12),
        ] {
            known.learn(kind, id.to_owned(), labels, at(until));
        }
        let seen = |known: &Specialties, now| {
            let each =
                [(ResourceType::Practitioner, "1"), (ResourceType::Practitioner, "2"), (ResourceType::Location, "1")];
            each.map(|(kind, id)| known.labels(kind, id, at(now)).is_some())
        };
        assert_eq!((known.count(), seen(&known, 10)), (3, [false, true, true]));
        assert_eq!(known.labels(ResourceType::Location, "2", at(0)), None);
        known.forget(at(10));
        assert_eq!((known.count(), seen(&known, 0)), (2, [false, true, true]));
        known.forget(at(11));
        assert_eq!((known.count(), seen(&known, 0)), (1, [false, false, true]));
    }
}
