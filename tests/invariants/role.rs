//! What callers may do, and what that means, by hand.

use serde_json::Value;

use crate::naive::{self, Evaluation};

/// A kind of caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Role {
    pub(super) name: &'static str,
    /// The scopes of the token.
    pub(super) scopes: &'static str,
    /// What they cover: type (`*` for all), actions, and the search that a resource must match.
    covers: &'static [(&'static str, &'static str, &'static str)],
    /// Whether the token stands for a person.
    pub(super) has_person: bool,
}

const LABORATORY: &str = "category=laboratory";
const ACTIVE: &str = "status=active";

pub(super) const ROLES: [Role; 10] = [
    Role { name: "whole record", scopes: "patient/*.rs", covers: &[("*", "rs", "")], has_person: true },
    Role { name: "reads", scopes: "patient/*.r", covers: &[("*", "r", "")], has_person: true },
    Role { name: "searches", scopes: "patient/*.s", covers: &[("*", "s", "")], has_person: true },
    Role {
        name: "two types",
        scopes: "patient/Observation.rs patient/Patient.r",
        covers: &[("Observation", "rs", ""), ("Patient", "r", "")],
        has_person: true,
    },
    Role {
        name: "granular",
        scopes: "patient/Observation.rs?category=laboratory patient/Provenance.rs patient/MedicationRequest.rs?status=active \
                 patient/Medication.rs patient/Condition.r",
        covers: &[
            ("Observation", "rs", LABORATORY),
            ("Provenance", "rs", ""),
            ("MedicationRequest", "rs", ACTIVE),
            ("Medication", "rs", ""),
            ("Condition", "r", ""),
        ],
        has_person: true,
    },
    Role { name: "writes", scopes: "patient/*.cud", covers: &[], has_person: true },
    Role { name: "sign-in", scopes: "launch/patient openid fhirUser", covers: &[], has_person: true },
    Role { name: "user", scopes: "user/*.rs", covers: &[("*", "rs", "")], has_person: true },
    Role { name: "v1", scopes: "patient/*.read", covers: &[("*", "rs", "")], has_person: true },
    Role { name: "nobody's", scopes: "patient/*.rs", covers: &[("*", "rs", "")], has_person: false },
];

impl Role {
    /// What a resource of the type must match for the action (`r` or `s`), one of them; `None` when nothing may.
    pub(super) fn coverage(&self, resource_type: &str, action: char) -> Option<Vec<&'static str>> {
        let covers = self
            .covers
            .iter()
            .filter(|(kind, actions, _)| (*kind == "*" || *kind == resource_type) && actions.contains(action));
        let searches: Vec<&str> = covers.map(|(.., search)| *search).collect();
        (self.has_person && !searches.is_empty()).then_some(searches)
    }

    /// Whether a scope lets this action at every resource of a type.
    pub(super) fn covers_all(&self, kind: &str, action: char) -> bool {
        self.coverage(kind, action).is_some_and(|searches| searches.iter().any(|search| !search.contains('=')))
    }

    /// Whether the action covers this resource.
    pub(super) fn covers(&self, resource: &Value, action: char, cx: Evaluation<'_>) -> bool {
        let Some(searches) = self.coverage(resource["resourceType"].as_str().unwrap(), action) else { return false };
        searches.iter().any(|search| match search.split_once('=') {
            None => true,
            Some((name, value)) => naive::matches(resource, &[(name.to_owned(), value.to_owned())], cx),
        })
    }
}
