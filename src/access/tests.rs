//! By hand, from the rules of security design section 8: whose a resource is, and who gets a permit for what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::{Value, json};

use super::*;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, LinkId, OrganizationId, PersonId};
use crate::base::random::SeededRandom;
use crate::base::source_key::SourceKey;
use crate::consent::{Category, RuleKind, Standing, StandingRule, View};
use crate::fhir::ResourceType;
use crate::fhir::interaction::Interaction;
use crate::fhir::knowledge::{Knowledge, Several};
use crate::fhir::scan::{RawResource, scan_resource};
use crate::fhir::search::Handling;
use crate::identity::{Assurance, Link, LinkMethod, LinkState, Period, StaffMember, StaffRole};
use crate::oauth::client::ClientId;
use crate::oauth::scope::ScopeSet;

fn knowledge() -> &'static Knowledge {
    Knowledge::embedded().unwrap()
}

fn raw(resource: &Value) -> RawResource {
    scan_resource(resource.to_string().into(), knowledge()).unwrap()
}

/// Of somebody whose charts at the source are `1` and `7`.
fn whose(resource: &Value) -> About {
    let raw = raw(resource);
    let kind = &knowledge().of(raw.facts.resource_type).authorization;
    about(kind, &raw, "https://ehr.example/fhir", &["1", "7"])
}

fn reference(text: &str) -> Value {
    json!({"reference": text})
}

/// Step 14: the subject path decides, by a literal reference within the source; whoever else is named does not.
#[test]
fn a_resource_is_whose_its_subject_is() {
    let observation = |subject: Value| json!({"resourceType": "Observation", "id": "o", "subject": subject});
    let with_performer = |subject: &str, performer: &str| json!({"resourceType": "Observation", "id": "o", "performer": [reference(performer)], "subject": reference(subject)});
    let rows: [(Value, About); 21] = [
        (observation(reference("Patient/1")), About::Person),
        (observation(reference("Patient/7")), About::Person),
        (observation(reference("https://ehr.example/fhir/Patient/1")), About::Person),
        (observation(reference("Patient/2")), About::Other),
        (observation(reference("https://other.example/fhir/Patient/1")), About::Unclear),
        (observation(reference("Group/1")), About::Unclear),
        (observation(reference("#p")), About::Unclear),
        (observation(json!({"identifier": {"value": "1"}})), About::Unclear),
        (json!({"resourceType": "Observation", "id": "o"}), About::Unclear),
        // To have measured it is no right to it.
        (with_performer("Patient/1", "Patient/2"), About::Person),
        (with_performer("Patient/2", "Practitioner/1"), About::Other),
        // Somebody else's that names the person comes with the person's own searches: not told, not shown.
        (with_performer("Patient/2", "Patient/1"), About::Unclear),
        (json!({"resourceType": "Patient", "id": "7"}), About::Person),
        (json!({"resourceType": "Patient", "id": "2"}), About::Other),
        (json!({"resourceType": "Patient"}), About::Other),
        // Costs of several people are nobody's alone.
        (account(&[reference("Patient/1"), reference("Patient/7")]), About::Person),
        (account(&[reference("Patient/1"), reference("Patient/2")]), About::Unclear),
        (account(&[reference("Patient/1"), json!({"display": "x"})]), About::Unclear),
        (account(&[]), About::Unclear),
        // Who takes part in an appointment sees it.
        (appointment(&["Patient/2", "Patient/1"]), About::Person),
        (appointment(&["Practitioner/1", "Patient/2"]), About::Other),
    ];
    for (resource, expected) in rows {
        assert_eq!(whose(&resource), expected, "{resource}");
    }
}

fn account(subjects: &[Value]) -> Value {
    json!({"resourceType": "Account", "id": "a", "subject": subjects})
}

fn appointment(actors: &[&str]) -> Value {
    let participants: Vec<Value> = actors.iter().map(|actor| json!({"actor": reference(actor)})).collect();
    json!({"resourceType": "Appointment", "id": "a", "participant": participants})
}

/// Only what is about nobody in particular is the sender's and the recipients'.
#[test]
fn a_message_about_nobody_is_whose_it_was_sent_by_or_to() {
    let message = |more: Value| {
        let mut message = json!({"resourceType": "Communication", "id": "m"});
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        message
    };
    let rows: [(Value, About); 7] = [
        (message(json!({"sender": reference("Patient/1")})), About::Person),
        (message(json!({"recipient": [reference("Patient/2"), reference("Patient/1")]})), About::Person),
        (message(json!({"sender": reference("Patient/2")})), About::Other),
        (message(json!({})), About::Unclear),
        (message(json!({"sender": reference("Patient/1"), "subject": reference("Patient/2")})), About::Unclear),
        (message(json!({"sender": reference("Patient/1"), "subject": {"identifier": {"value": "2"}}})), About::Unclear),
        (message(json!({"sender": reference("Patient/2"), "subject": reference("Patient/1")})), About::Person),
    ];
    for (resource, expected) in rows {
        assert_eq!(whose(&resource), expected, "{resource}");
    }
}

/// What has no subject is seen with its owners; of a list of payments each item must name one.
#[test]
fn what_belongs_to_something_else_names_its_owners() {
    let owners = |several, owners: &[(ResourceType, &str)]| {
        let referent =
            |(kind, id): &(ResourceType, &str)| Referent { resource_type: Some(*kind), id: (*id).to_owned() };
        About::Owners(several, owners.iter().map(referent).collect())
    };
    let paid = |details: Value| json!({"resourceType": "PaymentReconciliation", "id": "p", "detail": details});
    let invoice = |id: &str| json!({"request": reference(&format!("Invoice/{id}"))});
    let unreadable = json!({"request": {"identifier": {"value": "1"}}});
    let of = |ids: &[&'static str]| {
        let named: Vec<_> = ids.iter().map(|id| (ResourceType::Invoice, *id)).collect();
        owners(Several::All, &named)
    };
    let rows: [(Value, About); 11] = [
        (paid(json!([invoice("1"), invoice("2")])), of(&["1", "2"])),
        (paid(json!([invoice("1")])), of(&["1"])),
        (paid(json!([])), of(&[])),
        (paid(json!([invoice("1"), {"amount": {"value": 1}}])), About::Unclear),
        (paid(json!([{"amount": {"value": 1}}])), About::Unclear),
        (paid(json!([invoice("1"), unreadable])), About::Unclear),
        (json!({"resourceType": "PaymentNotice", "id": "n", "request": reference("Invoice/1")}), of(&["1"])),
        (json!({"resourceType": "PaymentNotice", "id": "n"}), of(&[])),
        (
            json!({"resourceType": "Provenance", "id": "p", "target": [reference("Observation/1"), {"display": "x"}],
                "agent": [{"who": reference("Practitioner/9")}]}),
            owners(Several::Any, &[(ResourceType::Observation, "1")]),
        ),
        (json!({"resourceType": "Medication", "id": "m"}), owners(Several::Any, &[])),
        (json!({"resourceType": "Binary", "id": "b"}), owners(Several::Any, &[])),
    ];
    for (resource, expected) in rows {
        assert_eq!(whose(&resource), expected, "{resource}");
    }
}

#[test]
fn places_and_practices_are_about_nobody_unless_they_name_somebody() {
    let place = |owner: &str| json!({"resourceType": "Location", "id": "l", "managingOrganization": reference(owner)});
    assert_eq!(whose(&place("Organization/1")), About::Nobody);
    for somebody in ["Patient/9", "RelatedPerson/9", "Person/9"] {
        assert_eq!(whose(&place(somebody)), About::Unclear, "{somebody}");
    }
    assert_eq!(whose(&json!({"resourceType": "Organization", "id": "o"})), About::Nobody);
    // What is kept here, or never served, is not told by a source.
    for kind in ["AuditEvent", "Group", "Person", "Subscription"] {
        assert_eq!(whose(&json!({"resourceType": kind, "id": "1"})), About::Unclear, "{kind}");
    }
}

/// Portal design 2.4: what somebody sees who claimed a chart and has shown no papers.
#[test]
fn a_claim_shows_what_harms_nobody_to_know() {
    let claimed = [
        "Patient",
        "AllergyIntolerance",
        "Appointment",
        "Immunization",
        "Endpoint",
        "HealthcareService",
        "Location",
        "Organization",
        "Practitioner",
        "PractitionerRole",
        "Schedule",
        "Slot",
    ];
    for kind in ResourceType::ALL {
        assert_eq!(shows(Assurance::Claimed, *kind), claimed.contains(&kind.as_str()), "{kind}");
        for surer in [Assurance::Ial1, Assurance::Ial2, Assurance::Ial3] {
            assert!(shows(surer, *kind), "{kind} {surer:?}");
        }
    }
}

struct World {
    random: SeededRandom,
}

impl World {
    fn new() -> Self {
        Self { random: SeededRandom::new(5) }
    }

    fn subject(&self, scopes: &str) -> Subject {
        let person = PersonId::mint(&self.random);
        let account = AccountId::mint(&self.random);
        Subject {
            behalf: Behalf::User { account, authorization: AuthorizationId::mint(&self.random) },
            client: ClientId::parse("app").unwrap(),
            person: Some(person),
            scopes: ScopeSet::parse(scopes).0,
            links: vec![Link {
                id: LinkId::mint(&self.random),
                person,
                source: SourceKey::mint(&self.random),
                patient: "1".to_owned(),
                rank: 0,
                method: LinkMethod::ActivationCode,
                assurance: Assurance::Ial2,
                demographics: None,
                linked: Instant::from_micros(0),
                state: LinkState::Active,
            }],
            standing: Some(Standing::own(account)),
            key: None,
            token_hash: [0; 32],
            expires_at: Instant::from_micros(i64::MAX),
        }
    }

    fn permit(&self, scopes: &str, kind: ResourceType) -> Permit {
        decide(knowledge(), Arc::new(self.subject(scopes)), &search(kind)).unwrap()
    }
}

fn search(kind: ResourceType) -> Interaction {
    Interaction::Search { resource_type: kind, parameters: Vec::new(), handling: Handling::Strict }
}

fn below(kind: ResourceType) -> Interaction {
    Interaction::CompartmentSearch {
        patient: "p".to_owned(),
        resource_type: kind,
        parameters: Vec::new(),
        handling: Handling::Strict,
    }
}

fn everything() -> Interaction {
    Interaction::Everything { id: "p".to_owned(), parameters: Vec::new() }
}

fn outcome(scopes: &str, interaction: &Interaction) -> Result<ResourceType, Denial> {
    decide(knowledge(), Arc::new(World::new().subject(scopes)), interaction).map(|permit| permit.resource_type())
}

/// Steps 4 and 5: the type has a rule, and the scope covers it, with `r` for instances and `s` for searches (SMART App
/// Launch 2.2, Scopes).
#[test]
fn a_permit_takes_a_served_type_and_a_scope_for_it() {
    use ResourceType as T;
    let id = || "x".to_owned();
    let instances = |kind| {
        [
            Interaction::Read { resource_type: kind, id: id() },
            Interaction::Vread { resource_type: kind, id: id(), version: id() },
            Interaction::History { resource_type: kind, id: id(), parameters: Vec::new() },
        ]
    };
    for interaction in instances(T::Observation) {
        assert_eq!(outcome("patient/Observation.r", &interaction), Ok(T::Observation));
        let denied = Denial::Scope(T::Observation, interaction.code());
        assert_eq!(outcome("patient/Observation.s patient/Condition.r", &interaction), Err(denied));
    }
    for interaction in [search(T::Observation), below(T::Observation)] {
        assert_eq!(outcome("patient/Observation.s", &interaction), Ok(T::Observation));
        let denied = Denial::Scope(T::Observation, interaction.code());
        assert_eq!(outcome("patient/Observation.r", &interaction), Err(denied));
    }
    let content = Interaction::Content { id: id() };
    assert_eq!(outcome("patient/Binary.r", &content), Ok(T::Binary));
    assert_eq!(outcome("patient/Binary.s", &content), Err(Denial::Scope(T::Binary, "read")));
    let docref = Interaction::Docref { parameters: Vec::new() };
    assert_eq!(outcome("patient/DocumentReference.s", &docref), Ok(T::DocumentReference));
    // What has no rule is refused whatever the scope.
    for kind in [T::Group, T::Person, T::Subscription] {
        assert!(!is_served(knowledge(), kind), "{kind}");
        assert_eq!(outcome("patient/*.rs", &search(kind)), Err(Denial::NotServed(kind)));
    }
    for kind in [T::Patient, T::Observation, T::Binary, T::Medication, T::Location, T::PaymentNotice, T::AuditEvent] {
        assert!(is_served(knowledge(), kind), "{kind}");
    }
    let mut nobody = World::new().subject("patient/*.rs");
    nobody.person = None;
    let nobody = Arc::new(nobody);
    for interaction in [search(T::Observation), everything()] {
        assert_eq!(decide(knowledge(), nobody.clone(), &interaction).err(), Some(Denial::NoPerson));
    }
}

/// R4's Patient compartment, as far as it is about the patient: no directory, not the Patient, nothing that no search by
/// patient finds.
#[test]
fn what_is_about_somebody_is_searched_below_them() {
    use ResourceType as T;
    for kind in [T::Observation, T::Appointment, T::Communication, T::Coverage, T::Provenance, T::Task] {
        assert_eq!(outcome("patient/*.rs", &below(kind)), Ok(kind));
    }
    for kind in [T::Patient, T::Practitioner, T::Location, T::Slot, T::Binary, T::Medication, T::PaymentReconciliation]
    {
        assert_eq!(outcome("patient/*.rs", &below(kind)), Err(Denial::NotInCompartment(kind)), "{kind}");
    }
}

#[test]
fn everything_is_what_the_scopes_let_search() {
    use ResourceType as T;
    assert_eq!(outcome("patient/Observation.rs", &everything()), Ok(T::Observation));
    assert_eq!(outcome("patient/Patient.r", &everything()), Ok(T::Patient));
    for nothing in ["", "patient/Observation.r", "patient/Binary.rs"] {
        assert_eq!(outcome(nothing, &everything()), Err(Denial::Scope(T::Patient, "everything")), "{nothing}");
    }
}

#[test]
fn each_denial_has_a_name_of_its_own_in_the_audit_trail() {
    let kind = ResourceType::Patient;
    let denials =
        [Denial::NotServed(kind), Denial::NotInCompartment(kind), Denial::Scope(kind, "read"), Denial::NoPerson];
    assert_eq!(denials.map(Denial::rule), ["not-served", "not-in-compartment", "scope", "no-person"]);
}

/// Granular scopes, one resource at a time: a laboratory value and a vital sign.
fn lets_through(permit: &Permit) -> [bool; 2] {
    ["laboratory", "vital-signs"].map(|category| {
        let system = "http://terminology.hl7.org/CodeSystem/observation-category";
        let raw = raw(&json!({"resourceType": "Observation", "id": "o", "status": "final",
            "category": [{"coding": [{"system": system, "code": category}]}]}));
        permit.satisfies_constraints(knowledge(), &raw, "https://ehr.example/fhir", Instant::from_micros(0))
    })
}

#[test]
fn granular_scopes_sift_resource_by_resource() {
    let (kind, world) = (ResourceType::Observation, World::new());
    let laboratory = "patient/Observation.s?category=laboratory";
    let permit = world.permit(laboratory, kind);
    assert!(permit.is_constrained());
    assert_eq!(lets_through(&permit), [true, false]);
    let both = world.permit(&format!("{laboratory} patient/Observation.s?category=vital-signs"), kind);
    assert_eq!(lets_through(&both), [true, true]);
    let whole = world.permit(&format!("{laboratory} patient/Observation.s"), kind);
    assert!(!whole.is_constrained());
    assert_eq!(lets_through(&whole), [true, true]);
    // A constraint that is not understood lets nothing through.
    assert_eq!(lets_through(&world.permit("patient/Observation.s?nonsense=1", kind)), [false, false]);
}

/// What is decided about an owner is decided for whoever may read it or search for it; without either nothing is.
#[test]
fn an_owner_counts_as_far_as_the_scopes_cover_it() {
    let (kind, world) = (ResourceType::Observation, World::new());
    let owner = |scopes: &str| {
        let permit = world.permit(&format!("patient/Provenance.s {scopes}"), ResourceType::Provenance);
        permit.for_owner(knowledge(), kind)
    };
    for nothing in ["", "patient/Condition.rs"] {
        assert!(owner(nothing).is_none(), "{nothing}");
    }
    for (scopes, seen) in [
        ("patient/Observation.r", [true, true]),
        ("patient/Observation.s", [true, true]),
        ("patient/Observation.r?category=laboratory", [true, false]),
        ("patient/Observation.s?category=laboratory", [true, false]),
        ("patient/Observation.rs?category=laboratory", [true, false]),
        ("patient/Observation.r?category=laboratory patient/Observation.s?category=vital-signs", [true, true]),
        ("patient/Observation.r?category=laboratory patient/Observation.s", [true, true]),
        ("patient/Observation.r patient/Observation.s?category=laboratory", [true, true]),
    ] {
        let permit = owner(scopes).unwrap();
        assert_eq!(permit.resource_type(), kind);
        assert_eq!(lets_through(&permit), seen, "{scopes}");
    }
}

#[test]
fn a_permit_leads_to_the_types_that_the_scopes_let_search() {
    use ResourceType as T;
    let world = World::new();
    let permit = world.permit(
        "patient/Condition.s patient/Observation.s?category=laboratory patient/Patient.r patient/Device.r patient/Binary.rs",
        T::Condition,
    );
    let of = |kind| permit.for_search(knowledge(), kind);
    let observations = of(T::Observation).unwrap();
    assert_eq!(observations.resource_type(), T::Observation);
    assert_eq!(lets_through(&observations), [true, false]);
    assert!(!observations.for_search(knowledge(), T::Condition).unwrap().is_constrained());
    // The person's own record is one resource: to read it is enough.
    assert_eq!(of(T::Patient).map(|permit| permit.resource_type()), Some(T::Patient));
    for nothing in [T::Device, T::Binary, T::Encounter, T::AuditEvent] {
        assert!(of(nothing).is_none(), "{nothing}");
    }
    let all = world.permit("patient/*.rs", T::Condition);
    for nothing in [T::Binary, T::Group, T::AuditEvent] {
        assert!(all.for_search(knowledge(), nothing).is_none(), "{nothing}");
    }
    // To look something up releases nothing.
    let lookup = permit.for_lookup(T::Observation);
    assert_eq!((lookup.resource_type(), lookup.is_constrained()), (T::Observation, true));
    assert_eq!(lets_through(&lookup), [false, false]);
}

#[test]
fn what_is_counted_for_an_answer_is_counted_once_for_all_its_permits() {
    let (world, key) = (World::new(), SourceKey::mint(&SeededRandom::new(8)));
    let permit = world.permit("patient/*.rs", ResourceType::Provenance);
    let owner = permit.for_owner(knowledge(), ResourceType::Observation).unwrap();
    owner.withheld().add(key, false);
    owner.withheld().add(key, true);
    owner.calls().fetch_add(3, Ordering::Relaxed);
    assert_eq!(permit.withheld().by_source(), BTreeMap::from([(key, WithheldOf { count: 2, is_foreign: true })]));
    assert_eq!(permit.calls().load(Ordering::Relaxed), 3);
    owner.withheld().add(key, false);
    assert!(permit.withheld().by_source()[&key].is_foreign, "once foreign, always");
    assert!(permit.withheld().is_to_be_told(), "an answer raises one alarm");
    assert!(!owner.withheld().is_to_be_told());
    assert_eq!(world.permit("patient/*.rs", ResourceType::Patient).withheld().by_source(), BTreeMap::new());
    // What is answered once more is counted once; there is still one alarm.
    permit.withheld().forget();
    assert_eq!(owner.withheld().by_source(), BTreeMap::new());
    assert!(!owner.withheld().is_to_be_told());

    // So with those who have to be looked up.
    for id in ["2", "1", "2"] {
        owner.unknown().add(key, ResourceType::Practitioner, id);
    }
    owner.unknown().add(key, ResourceType::Location, "1");
    let named = |kind, id: &str| (kind, id.to_owned());
    let expected = [
        named(ResourceType::Location, "1"),
        named(ResourceType::Practitioner, "1"),
        named(ResourceType::Practitioner, "2"),
    ];
    assert_eq!(permit.unknown().take(), BTreeMap::from([(key, expected.into_iter().collect())]));
    assert_eq!(owner.unknown().take(), BTreeMap::new(), "whoever takes them forgets them");

    // And with where words keep something back.
    assert_eq!(permit.doubts().take(), BTreeSet::new());
    [key, key].into_iter().for_each(|key| owner.doubts().add(key));
    assert_eq!(permit.doubts().take(), BTreeSet::from([key]));
    assert_eq!(owner.doubts().take(), BTreeSet::new(), "whoever takes them forgets them");
}

/// All but a person's own record, of which nothing waits, is looked at through a view; a backend service is nobody's proxy.
#[test]
fn whoever_is_not_the_person_needs_a_view() {
    let world = World::new();
    let needs = |change: &dyn Fn(&mut Subject)| {
        let mut subject = world.subject("patient/*.rs");
        change(&mut subject);
        let permit = decide(knowledge(), Arc::new(subject), &search(ResourceType::Observation)).unwrap();
        permit.needs_view()
    };
    let rule = |kind| StandingRule { period: Period { from: Instant::from_micros(0), until: None }, kind };
    let hold = || rule(RuleKind::Hold { categories: vec![Category::Results], days: None });
    assert!(!needs(&|_| {}));
    assert!(needs(&|subject| subject.standing.as_mut().unwrap().is_own = false));
    assert!(needs(&|subject| subject.standing.as_mut().unwrap().rules.push(hold())));
    assert!(needs(&|subject| subject.standing = None), "nothing is known of the right");
    for standing in [None, Some(Standing { is_own: false, ..Standing::own(AccountId::mint(&world.random)) })] {
        assert!(!needs(&move |subject| {
            subject.behalf = Behalf::System { sources: Vec::new() };
            subject.standing.clone_from(&standing);
        }));
    }
}

#[test]
fn a_permit_says_whose_record_and_on_what_right() {
    let world = World::new();
    let subject = Arc::new(world.subject("patient/*.rs"));
    let permit = decide(knowledge(), subject.clone(), &search(ResourceType::Condition)).unwrap();
    assert_eq!(Some(permit.person()), subject.person);
    assert_eq!(permit.links(), subject.links);
    assert_eq!(permit.standing(), subject.standing.as_ref());
    assert_eq!(permit.subject().token_hash, subject.token_hash);
    assert_eq!(permit.subject().account(), subject.account());
    assert!(permit.view().is_none());
    let view = Arc::new(View::default());
    assert!(Arc::ptr_eq(permit.through(view.clone()).view().unwrap(), &view));
}

#[test]
fn a_subject_is_a_user_s_or_a_service_s() {
    let world = World::new();
    let mut subject = world.subject("");
    let Behalf::User { account, authorization } = subject.behalf else { unreachable!("a user's") };
    assert_eq!((subject.account(), subject.authorization()), (Some(account), Some(authorization)));
    assert!(!subject.is_system() && !subject.is_own_pages());
    subject.client = ClientId::parse(OWN_PAGES).unwrap();
    assert!(subject.is_own_pages());
    subject.behalf = Behalf::System { sources: Vec::new() };
    assert_eq!((subject.account(), subject.authorization(), subject.is_system()), (None, None, true));
}

#[test]
fn identification_reaches_the_sources_that_it_is_for() {
    let random = SeededRandom::new(3);
    let keys: [SourceKey; 3] = std::array::from_fn(|_| SourceKey::mint(&random));
    let member = |roles: &[StaffRole]| StaffMember {
        account: AccountId::mint(&random),
        organization: OrganizationId::mint(&random),
        roles: roles.to_vec(),
    };
    let desk = Identification::by_staff(&member(&[StaffRole::FrontDesk]), keys[..2].to_vec()).unwrap();
    // Support sees accounts and codes, never charts.
    for roles in [vec![], vec![StaffRole::Support], vec![StaffRole::Administrator]] {
        assert!(Identification::by_staff(&member(&roles), keys.to_vec()).is_none(), "{roles:?}");
    }
    assert_eq!((desk.sources(), desk.purpose()), (&keys[..2], "desk"));
    let claim = Identification::for_claim(keys[..2].to_vec());
    assert_eq!((claim.sources(), claim.purpose()), (&keys[..2], "claim"));
    let link = Identification::for_link(keys[0]);
    assert_eq!((link.sources(), link.purpose()), (&keys[..1], "link"));
    assert_eq!(keys.map(|key| desk.covers(key)), [true, true, false]);
    assert_eq!(keys.map(|key| link.covers(key)), [true, false, false]);
}
