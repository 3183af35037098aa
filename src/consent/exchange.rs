//! Grants and rules as FHIR resources, and back (portal design, 3.7): what others can read of them is said in FHIR's words,
//! after IHE's Privacy Consent on FHIR; all of it stands in one extension as well, so that what is read back decides alike.

use serde_json::{Value, json};

use super::label::Label;
use super::scope::{GrantScope, Sensitivity};
use super::standing::{Effect, RuleKind};
use super::words::Action;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, PersonId};
use crate::identity::{Assurance, Grant, GrantBasis, GrantState, Period};

/// All of a grant or rule, as JSON.
pub const WHOLE: &str = "https://chartgate.example/fhir/StructureDefinition/consent-rule";
const ROLE: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
const ACTION: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
const REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// The id under which the RelatedPerson of a grant is served.
#[must_use]
pub fn related_person_id(grant: GrantId) -> String {
    format!("self.{grant}")
}

/// The role of somebody who acts by this right, where HL7's RoleCode has a word for it.
const fn role(basis: GrantBasis) -> Option<(&'static str, &'static str)> {
    match basis {
        GrantBasis::Parent => Some(("PRN", "parent")),
        GrantBasis::GuardianMinor | GrantBasis::GuardianAdult => Some(("GUARD", "guardian")),
        GrantBasis::HealthCarePowerOfAttorney => Some(("HPOWATT", "healthcare power of attorney")),
        GrantBasis::Foster => Some(("PRNFOST", "foster parent")),
        GrantBasis::Executor => Some(("EXCEST", "executor of estate")),
        GrantBasis::PatientConsent | GrantBasis::BestInterest => None,
    }
}

fn words(basis: GrantBasis) -> &'static str {
    match basis {
        GrantBasis::PatientConsent => "named by the patient",
        GrantBasis::BestInterest => "in the patient's best interest",
        other => role(other).map_or("", |(_, words)| words),
    }
}

fn period(period: Period) -> Value {
    let mut value = json!({"start": period.from.to_fhir()});
    if let (Some(until), Some(map)) = (period.until, value.as_object_mut()) {
        map.insert("end".to_owned(), json!(until.to_fhir()));
    }
    value
}

/// R4's identity-assuranceLevel.
const fn level(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::Claimed => "level1",
        Assurance::Ial1 => "level2",
        Assurance::Ial2 => "level3",
        Assurance::Ial3 => "level4",
    }
}

/// An account as Person: what the human behind it is called here, which Patient they are, with how that is known, and as whom
/// they act for others.
#[must_use]
pub fn person(account: AccountId, name: &str, own: Option<(PersonId, Assurance)>, acts_as: &[GrantId]) -> Value {
    let own = own.map(|(person, assurance)| {
        json!({"target": {"reference": format!("Patient/{person}")}, "assurance": level(assurance)})
    });
    let acting = acts_as
        .iter()
        .map(|grant| json!({"target": {"reference": format!("RelatedPerson/{}", related_person_id(*grant))}}));
    let links: Vec<Value> = own.into_iter().chain(acting).collect();
    let mut resource = json!({
        "resourceType": "Person", "id": format!("self.{account}"), "active": true, "name": [{"text": name}],
    });
    // FHIR has no empty lists.
    if let (false, Some(map)) = (links.is_empty(), resource.as_object_mut()) {
        map.insert("link".to_owned(), json!(links));
    }
    resource
}

/// Who acts for whom, as RelatedPerson. `name` is what the holder is called here.
#[must_use]
pub fn related_person(grant: &Grant, person: PersonId, name: Option<&str>, is_active: bool) -> Value {
    let mut relationship = json!({"text": words(grant.basis)});
    if let (Some((code, display)), Some(map)) = (role(grant.basis), relationship.as_object_mut()) {
        map.insert("coding".to_owned(), json!([{"system": ROLE, "code": code, "display": display}]));
    }
    let mut resource = json!({
        "resourceType": "RelatedPerson",
        "id": related_person_id(grant.id),
        "active": is_active,
        "patient": {"reference": format!("Patient/{person}")},
        "relationship": [relationship],
        "period": period(grant.period),
    });
    if let (Some(name), Some(map)) = (name, resource.as_object_mut()) {
        map.insert("name".to_owned(), json!([{"text": name}]));
    }
    resource
}

/// How a grant stands, in the words of R4's Consent (portal design, 3.7).
const fn status(state: &GrantState) -> &'static str {
    match state {
        GrantState::Pending => "proposed",
        GrantState::Active => "active",
        GrantState::Suspended { .. } | GrantState::Ended { .. } => "inactive",
    }
}

/// A grant as Consent. `whole` is everything of it, in the words of whoever exports; left out where it is only shown.
#[must_use]
pub fn consent_of_grant(grant: &Grant, scope: &GrantScope, person: PersonId, whole: Option<&Value>) -> Value {
    let related = json!({"reference": format!("RelatedPerson/{}", related_person_id(grant.id))});
    let performer = match grant.basis {
        GrantBasis::PatientConsent => json!({"reference": format!("Patient/{person}")}),
        _ => related.clone(),
    };
    let purpose = match grant.basis {
        GrantBasis::PatientConsent => "PATRQT",
        GrantBasis::HealthCarePowerOfAttorney => "PWATRNY",
        _ => "FAMRQT",
    };
    let mut provision = json!({
        "type": "permit",
        "period": period(grant.period),
        "actor": [{"role": {"coding": [{"system": PARTICIPATION, "code": "IRCP"}]}, "reference": related}],
        "action": actions(scope),
        "purpose": [{"system": REASON, "code": purpose}],
    });
    if let Some(map) = provision.as_object_mut() {
        if let Some(types) = &scope.types {
            let class = |kind: &String| json!({"system": "http://hl7.org/fhir/resource-types", "code": kind});
            map.insert("class".to_owned(), types.iter().map(class).collect());
        }
        if let Some(data) = &scope.data_period {
            let day = |day: Option<jiff::civil::Date>| day.map(|day| json!(day.to_string()));
            let ends = [("start", day(data.from)), ("end", day(data.until))];
            let ends = ends.into_iter().filter_map(|(name, day)| Some((name.to_owned(), day?)));
            map.insert("dataPeriod".to_owned(), Value::Object(ends.collect()));
        }
        // What is left out is a denial below what is permitted: the one nested level that the profile has.
        if let Sensitivity::AllBut(labels) = scope.sensitivity {
            let label = |label: Label| json!({"system": ACT, "code": label.as_str()});
            let labels: Vec<Value> = labels.each().map(label).collect();
            map.insert("provision".to_owned(), json!([{"type": "deny", "securityLabel": labels}]));
        }
    }
    consent(&format!("self.{}", grant.id), status(&grant.state), person, (performer, grant.created), &provision, whole)
}

/// A grant as its holder sees it. What was left out of it would tell of what is there, so that it says the same of every
/// grant: there may be limits.
#[must_use]
pub fn consent_for_holder(grant: &Grant, scope: &GrantScope, person: PersonId) -> Value {
    let mut resource = consent_of_grant(grant, &scope.outline(), person, None);
    if let Some(rule) = resource.get_mut("policyRule").and_then(Value::as_object_mut) {
        rule.insert("text".to_owned(), json!("There may be limits that are not shown here."));
    }
    resource
}

/// A rule as Consent: what it denies, or lets in.
#[must_use]
pub fn consent_of_rule(
    (id, kind): (&str, &RuleKind),
    at: (Period, Instant),
    person: PersonId,
    related: Option<GrantId>,
    whole: Option<&Value>,
) -> Value {
    let (validity, created) = at;
    let permits = matches!(kind, RuleKind::Assent { .. } | RuleKind::DiminishedCapacity | RuleKind::Emancipated)
        || matches!(kind, RuleKind::Restriction { effect: Effect::Full, .. });
    let mut provision = json!({"type": if permits { "permit" } else { "deny" }, "period": period(validity)});
    if let Some(map) = provision.as_object_mut() {
        if let Some(grant) = related {
            let reference = json!({"reference": format!("RelatedPerson/{}", related_person_id(grant))});
            let role = json!({"coding": [{"system": PARTICIPATION, "code": "IRCP"}]});
            map.insert("actor".to_owned(), json!([{"role": role, "reference": reference}]));
        }
        if let RuleKind::Flag { resource_type, id, .. } | RuleKind::Reviewed { resource_type, id, .. } = kind {
            let data = json!([{"meaning": "instance", "reference": {"identifier": {"value": format!("{resource_type}/{id}")}}}]);
            map.insert("data".to_owned(), data);
        }
    }
    let performer = json!({"reference": format!("Patient/{person}")});
    consent(&format!("self.{id}"), "active", person, (performer, created), &provision, whole)
}

fn actions(scope: &GrantScope) -> Value {
    let mut codes = vec!["access"];
    if scope.covers_action(Action::Correct) {
        codes.push("correct");
    }
    if scope.covers_action(Action::Export) || scope.covers_action(Action::ConnectApp) {
        codes.push("disclose");
    }
    codes.into_iter().map(|code| json!({"coding": [{"system": ACTION, "code": code}]})).collect()
}

fn consent(
    id: &str,
    status: &str,
    person: PersonId,
    (performer, at): (Value, Instant),
    provision: &Value,
    whole: Option<&Value>,
) -> Value {
    let mut resource = json!({
        "resourceType": "Consent",
        "id": id,
        "status": status,
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": format!("Patient/{person}")},
        "dateTime": at.to_fhir(),
        "performer": [performer],
        // R4 ppc-1: a policy or its rule.
        "policyRule": {"coding": [{"system": ACT, "code": "OPTIN"}]},
        "provision": provision,
    });
    if let (Some(whole), Some(map)) = (whole, resource.as_object_mut()) {
        map.insert("extension".to_owned(), json!([{"url": WHOLE, "valueString": whole.to_string()}]));
    }
    resource
}

/// Everything of a grant or rule, from a Consent that was written here. `None` for any other.
#[must_use]
pub fn whole(resource: &Value) -> Option<Value> {
    if resource.get("resourceType")? != "Consent" {
        return None;
    }
    let extensions = resource.get("extension")?.as_array()?;
    let ours = extensions.iter().find(|extension| extension.get("url").is_some_and(|url| url == WHOLE))?;
    serde_json::from_str(ours.get("valueString")?.as_str()?).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::date;

    use super::super::label::Labels;
    use super::super::scope::DataPeriod;
    use super::super::words::Level;
    use super::*;
    use crate::base::id::OrganizationId;
    use crate::base::random::SeededRandom;
    use crate::identity::StatusReason;

    /// 2026-05-03T00:00:00Z.
    const NOW: Instant = Instant::from_micros(1_777_766_400_000_000);

    fn grant(basis: GrantBasis) -> Grant {
        let random = SeededRandom::new(21);
        Grant {
            id: GrantId::mint(&random),
            account: AccountId::mint(&random),
            person: PersonId::mint(&random),
            basis,
            period: Period { from: NOW, until: None },
            evidence: String::new(),
            created: NOW,
            state: GrantState::Active,
        }
    }

    fn consent_of(grant: &Grant, scope: &GrantScope) -> Value {
        consent_of_grant(grant, scope, grant.person, Some(&json!({"all": "of it"})))
    }

    /// Portal design 3.7 and HL7's RoleCode, by hand.
    #[test]
    fn a_proxy_is_a_related_person_in_hl7_s_words() {
        use GrantBasis as B;
        for (basis, code, words) in [
            (B::Parent, Some("PRN"), "parent"),
            (B::GuardianMinor, Some("GUARD"), "guardian"),
            (B::GuardianAdult, Some("GUARD"), "guardian"),
            (B::HealthCarePowerOfAttorney, Some("HPOWATT"), "healthcare power of attorney"),
            (B::Foster, Some("PRNFOST"), "foster parent"),
            (B::Executor, Some("EXCEST"), "executor of estate"),
            (B::PatientConsent, None, "named by the patient"),
            (B::BestInterest, None, "in the patient's best interest"),
        ] {
            let grant = grant(basis);
            let resource = related_person(&grant, grant.person, None, true);
            let relationship = &resource["relationship"][0];
            assert_eq!(relationship["text"], words, "{basis:?}");
            let coding = code.map_or(Value::Null, |code| json!([{"system": ROLE, "code": code, "display": words}]));
            assert_eq!(relationship["coding"], coding, "{basis:?}");
        }
        let mut grant = grant(B::Parent);
        grant.period.until = Some(Instant::from_micros(NOW.micros() + 1_000_000));
        let resource = related_person(&grant, grant.person, Some("Gil"), false);
        assert_eq!(resource["resourceType"], "RelatedPerson");
        assert_eq!(resource["id"], format!("self.{}", grant.id));
        assert_eq!(resource["active"], false);
        assert_eq!(resource["patient"]["reference"], format!("Patient/{}", grant.person));
        assert_eq!(resource["name"], json!([{"text": "Gil"}]));
        let start: jiff::Timestamp = resource["period"]["start"].as_str().unwrap().parse().unwrap();
        let end: jiff::Timestamp = resource["period"]["end"].as_str().unwrap().parse().unwrap();
        assert_eq!((start.as_microsecond(), end.as_microsecond()), (NOW.micros(), NOW.micros() + 1_000_000));
    }

    /// Portal design 3.7: Person ties an account, the Patient it is and the RelatedPersons it acts as, with R4's levels.
    #[test]
    fn an_account_is_a_person_with_links() {
        let random = SeededRandom::new(23);
        let (account, own, grant) = (AccountId::mint(&random), PersonId::mint(&random), GrantId::mint(&random));
        for (assurance, level) in [
            (Assurance::Claimed, "level1"),
            (Assurance::Ial1, "level2"),
            (Assurance::Ial2, "level3"),
            (Assurance::Ial3, "level4"),
        ] {
            let resource = person(account, "gil", Some((own, assurance)), &[grant]);
            assert_eq!(
                resource,
                json!({"resourceType": "Person", "id": format!("self.{account}"), "active": true,
                    "name": [{"text": "gil"}], "link": [
                        {"target": {"reference": format!("Patient/{own}")}, "assurance": level},
                        {"target": {"reference": format!("RelatedPerson/self.{grant}")}}]})
            );
        }
        assert_eq!(person(account, "gil", None, &[]).get("link"), None);
    }

    /// Which private topics and practices were left out is not its holder's to know; of every grant the same is said.
    #[test]
    fn a_holder_is_not_told_what_was_left_out() {
        let random = SeededRandom::new(22);
        let scope = GrantScope {
            types: Some(BTreeSet::from(["Observation".to_owned()])),
            actions: BTreeSet::from([Action::Export]),
            data_period: Some(DataPeriod { from: Some(date(2025, 1, 1)), until: None }),
            review_by: Some(7),
            ..GrantScope::whole(Level::Act)
        };
        let less = GrantScope {
            sensitivity: Sensitivity::Only(Labels::NONE),
            organizations: Some(BTreeSet::new()),
            without_organizations: BTreeSet::from([OrganizationId::mint(&random)]),
            sources: BTreeSet::from(["aaaa".parse().unwrap()]),
            without_sources: BTreeSet::from(["bbbb".parse().unwrap()]),
            ..scope.clone()
        };
        assert_eq!(less.outline(), scope);
        let grant = grant(GrantBasis::PatientConsent);
        let shown = consent_for_holder(&grant, &less, grant.person);
        assert_eq!(shown, consent_for_holder(&grant, &scope, grant.person));
        assert!(shown["policyRule"]["text"].as_str().unwrap().contains("limits") && whole(&shown).is_none());
        let plain = consent_of_grant(&grant, &scope, grant.person, None);
        assert_eq!((&shown["provision"], &shown["id"]), (&plain["provision"], &plain["id"]));
    }

    #[test]
    fn a_grant_is_a_consent_that_permits() {
        let scope = GrantScope {
            types: Some(BTreeSet::from(["Observation".to_owned()])),
            data_period: Some(DataPeriod { from: Some(date(2025, 1, 1)), until: None }),
            sensitivity: Sensitivity::AllBut([Label::Hiv].into_iter().collect()),
            ..GrantScope::whole(Level::View)
        };
        let grant = grant(GrantBasis::PatientConsent);
        let consent = consent_of(&grant, &scope);
        let patient = json!({"reference": format!("Patient/{}", grant.person)});
        assert_eq!(consent["resourceType"], "Consent");
        assert_eq!(consent["id"], format!("self.{}", grant.id));
        assert_eq!((&consent["patient"], &consent["performer"]), (&patient, &json!([patient])));
        assert_eq!(consent["scope"]["coding"][0]["code"], "patient-privacy");
        assert_eq!(consent["category"][0]["coding"][0], json!({"system": "http://loinc.org", "code": "59284-0"}));
        assert!(consent["policyRule"].is_object(), "R4 ppc-1");
        let provision = &consent["provision"];
        assert_eq!(provision["type"], "permit");
        assert_eq!(
            provision["class"],
            json!([{"system": "http://hl7.org/fhir/resource-types", "code": "Observation"}])
        );
        assert_eq!(provision["dataPeriod"], json!({"start": "2025-01-01"}));
        assert_eq!(
            provision["provision"],
            json!([{"type": "deny", "securityLabel": [{"system": ACT, "code": "HIV"}]}])
        );
        let related = json!({"reference": format!("RelatedPerson/self.{}", grant.id)});
        assert_eq!(provision["actor"][0]["reference"], related);
        assert_eq!(whole(&consent), Some(json!({"all": "of it"})));
        // Of a scope that says nothing nothing is said.
        let plain = consent_of(&grant, &GrantScope::whole(Level::View));
        for absent in ["class", "dataPeriod", "provision"] {
            assert!(plain["provision"].get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn why_who_agreed_and_how_far_are_told() {
        use GrantBasis as B;
        for (basis, purpose, by_patient) in [
            (B::PatientConsent, "PATRQT", true),
            (B::HealthCarePowerOfAttorney, "PWATRNY", false),
            (B::Parent, "FAMRQT", false),
            (B::Executor, "FAMRQT", false),
        ] {
            let grant = grant(basis);
            let consent = consent_of(&grant, &GrantScope::whole(Level::View));
            assert_eq!(consent["provision"]["purpose"], json!([{"system": REASON, "code": purpose}]), "{basis:?}");
            let performer = consent["performer"][0]["reference"].as_str().unwrap();
            assert_eq!(performer.starts_with("Patient/"), by_patient, "{basis:?}");
            assert_eq!(performer.starts_with("RelatedPerson/"), !by_patient, "{basis:?}");
        }
        for (state, status) in [
            (GrantState::Pending, "proposed"),
            (GrantState::Active, "active"),
            (GrantState::Suspended { at: NOW, reason: StatusReason::SuspendedPendingReview, by: None }, "inactive"),
            (GrantState::Ended { at: NOW, reason: StatusReason::PatientRequest }, "inactive"),
        ] {
            let grant = Grant { state, ..grant(B::Parent) };
            assert_eq!(consent_of(&grant, &GrantScope::whole(Level::View))["status"], status);
        }
        let with = |actions: &[Action], level| {
            let scope = GrantScope { actions: actions.iter().copied().collect(), ..GrantScope::whole(level) };
            let consent = consent_of(&grant(B::Parent), &scope);
            let codes = consent["provision"]["action"].as_array().unwrap().clone();
            codes.iter().map(|code| code["coding"][0]["code"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(with(&[], Level::View), ["access"]);
        assert_eq!(with(&[Action::Export], Level::View), ["access", "disclose"]);
        assert_eq!(with(&[Action::ConnectApp], Level::View), ["access", "disclose"]);
        assert_eq!(with(&[], Level::Act), ["access", "correct"]);
        assert_eq!(with(&[], Level::Manage), ["access", "correct", "disclose"]);
    }

    #[test]
    fn what_is_laid_down_is_a_consent_that_denies_or_lets_in() {
        let grant = grant(GrantBasis::Parent);
        let of = |kind: &RuleKind, related| {
            let period = Period { from: NOW, until: None };
            consent_of_rule(("rule", kind), (period, NOW), grant.person, related, Some(&json!({"rule": 1})))
        };
        let restriction = |effect| RuleKind::Restriction { against: None, effect };
        let flag =
            RuleKind::Flag { source: "aaaa".to_owned(), resource_type: "Observation".to_owned(), id: "7".to_owned() };
        for (kind, expected) in [
            (restriction(Effect::Nothing), "deny"),
            (restriction(Effect::NoContactData), "deny"),
            (restriction(Effect::Full), "permit"),
            (flag.clone(), "deny"),
            (RuleKind::Hold { categories: Vec::new(), days: None }, "deny"),
            (RuleKind::Deceased, "deny"),
            (RuleKind::Assent { grant: grant.id, labels: Labels::NONE }, "permit"),
            (RuleKind::DiminishedCapacity, "permit"),
            (RuleKind::Emancipated, "permit"),
        ] {
            let consent = of(&kind, None);
            assert_eq!(consent["provision"]["type"], expected, "{kind:?}");
            assert_eq!(consent["status"], "active");
            assert_eq!(consent["id"], "self.rule");
            assert!(consent["provision"].get("actor").is_none());
            assert_eq!(whole(&consent), Some(json!({"rule": 1})));
        }
        let flagged = of(&flag, Some(grant.id));
        assert_eq!(flagged["provision"]["data"][0]["reference"]["identifier"]["value"], "Observation/7");
        assert_eq!(
            flagged["provision"]["actor"][0]["reference"]["reference"],
            format!("RelatedPerson/self.{}", grant.id)
        );
    }

    /// Only what was written here is read back.
    #[test]
    fn a_consent_from_elsewhere_is_not_taken_for_ours() {
        let extension = |url: &str, text: &str| json!([{"url": "urn:other", "valueString": "{}"}, {"url": url, "valueString": text}]);
        let consent = |kind: &str, extension: Value| json!({"resourceType": kind, "extension": extension});
        assert_eq!(whole(&consent("Consent", extension(WHOLE, "{\"a\":1}"))), Some(json!({"a": 1})));
        for other in [
            consent("Contract", extension(WHOLE, "{\"a\":1}")),
            consent("Consent", extension("urn:x", "{\"a\":1}")),
            consent("Consent", extension(WHOLE, "{")),
            consent("Consent", json!([])),
            json!({"resourceType": "Consent"}),
            json!({}),
        ] {
            assert_eq!(whole(&other), None, "{other}");
        }
    }
}
