//! By hand, from portal design 3: what the words mean, when rights hold, what taints what, what a change of policy changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use serde_json::json;

use super::*;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, GrantId, OrganizationId};
use crate::base::random::SeededRandom;
use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;
use crate::fhir::ResourceType as T;
use crate::fhir::knowledge::Knowledge;
use crate::fhir::scan::scan_resource;
use crate::identity::{GrantBasis, Period};

const DAY: i64 = 86_400_000_000;
/// 2026-05-03T00:00:00Z.
const NOW: i64 = 1_777_766_400_000_000;

fn at(micros: i64) -> Instant {
    Instant::from_micros(micros)
}

/// The practice and its source.
fn place() -> (OrganizationId, SourceKey) {
    let random = SeededRandom::new(3);
    (OrganizationId::mint(&random), SourceKey::mint(&random))
}

fn labels(of: &[Label]) -> Labels {
    of.iter().copied().collect()
}

fn always() -> Period {
    Period { from: at(NOW - 30 * DAY), until: None }
}

fn account() -> AccountId {
    AccountId::mint(&SeededRandom::new(1))
}

fn right(basis: GrantBasis) -> Right {
    let grant = GrantId::mint(&SeededRandom::new(2));
    Right { grant, basis, period: always(), scope: GrantScope::whole(Level::Manage) }
}

fn proxy(rights: Vec<Right>, rules: &[RuleKind]) -> Standing {
    let rules = rules.iter().map(|kind| StandingRule { period: always(), kind: kind.clone() }).collect();
    Standing { rights, rules, ..Standing::bare(account(), false) }
}

fn band(key: &str, years: i16, rule: BandRule) -> Band {
    let actions = Action::ALL.iter().copied().collect();
    Band {
        key: key.to_owned(),
        from: Boundary { years, days: 0 },
        rule,
        is_expandable: false,
        actions,
        legal: String::new(),
    }
}

fn listed(category: Category) -> Allow {
    Allow { category, is_coded: false, codes: None, is_outline: false }
}

/// All until twelve, a list until eighteen, nothing then.
fn policy(list: Vec<Allow>) -> Policy {
    Policy {
        name: "test".to_owned(),
        version: 1,
        jurisdiction: String::new(),
        legal: String::new(),
        leap_day: LeapDay::March1,
        shows_restricted: false,
        bands: vec![
            band("child", 0, BandRule::Everything),
            band("teen", 12, BandRule::AllowList(list)),
            band("adult", 18, BandRule::Nothing),
        ],
        assurance: BTreeMap::new(),
    }
}

struct Case {
    standing: Standing,
    policy: Policy,
    born: &'static str,
    action: Action,
    assurance: Assurance,
}

impl Case {
    fn new(standing: Standing, born: &'static str) -> Self {
        let list = [Category::Medications, Category::Billing, Category::Demographics].map(listed).to_vec();
        Self { standing, policy: policy(list), born, action: Action::Read, assurance: Assurance::Aal1 }
    }

    fn lens(&self) -> Result<Lens, Rule> {
        let (organization, source) = place();
        Lens::of(&Asking {
            standing: &self.standing,
            policy: &self.policy,
            zone: &TimeZone::UTC,
            organization,
            source,
            births: &[BirthDate::parse(self.born)],
            action: self.action,
            assurance: self.assurance,
            now: at(NOW),
        })
    }
}

/// Eight, fourteen, forty-five.
const CHILD: &str = "2018-01-01";
const TEEN: &str = "2012-01-01";
const ADULT: &str = "1981-01-01";

fn item(resource_type: ResourceType, id: &str, of: &[Label]) -> Item {
    Item {
        resource_type,
        id: id.to_owned(),
        category: Category::of_type(resource_type),
        labels: labels(of),
        codes: vec![("urn:x".to_owned(), "1".to_owned())],
        days: None,
        is_reviewed: true,
        issued: None,
        is_tainted: false,
    }
}

fn tainted(index: &TaintIndex, leads_to: &[Reference]) -> bool {
    leads_to.iter().any(|to| index.taint(to.lead()))
}

fn to(kind: ResourceType, id: &str) -> Reference {
    Reference::To(kind, id.to_owned())
}

/// 3.3, step 7: what refers to something withheld is withheld, over however many steps. What a list leaves out without
/// saying more taints as a visit, an order or a note; what is sensitive taints as whatever it is.
#[test]
fn what_hangs_on_something_withheld_is_withheld() {
    let teen = Case::new(proxy(vec![right(GrantBasis::Parent)], &[]), TEEN).lens().unwrap();
    let items = [
        (item(T::Encounter, "visit", &[]), vec![]),
        (item(T::ServiceRequest, "order", &[]), vec![]),
        (item(T::DocumentReference, "note", &[]), vec![]),
        (item(T::Appointment, "date", &[]), vec![]),
        (item(T::Condition, "plain", &[]), vec![]),
        (item(T::Condition, "sensitive", &[Label::Std]), vec![]),
        (item(T::Observation, "sensitive", &[Label::Hiv]), vec![]),
        (item(T::MedicationRequest, "listed", &[]), vec![]),
        (item(T::MedicationRequest, "sensitive", &[Label::Std]), vec![]),
        (item(T::MedicationRequest, "of-visit", &[]), vec![to(T::Encounter, "visit")]),
        (item(T::MedicationRequest, "of-that", &[]), vec![to(T::MedicationRequest, "of-visit")]),
        (item(T::MedicationRequest, "of-listed", &[]), vec![to(T::MedicationRequest, "listed")]),
    ];
    let index = TaintIndex::of(&teen, &items, BTreeSet::from([T::Procedure]));
    for (kind, id, expected) in [
        (T::Encounter, "visit", true),
        (T::ServiceRequest, "order", true),
        (T::DocumentReference, "note", true),
        (T::Appointment, "date", true),
        (T::Condition, "plain", false),
        (T::Condition, "sensitive", true),
        (T::Observation, "sensitive", true),
        (T::MedicationRequest, "listed", false),
        (T::MedicationRequest, "sensitive", true),
        (T::MedicationRequest, "of-visit", true),
        (T::MedicationRequest, "of-that", true),
        (T::MedicationRequest, "of-listed", false),
        // Nowhere known: only some of the record is seen because of what it says.
        (T::Encounter, "unknown", true),
    ] {
        assert_eq!(tainted(&index, &[to(kind, id)]), expected, "{kind} {id}");
        let also = [to(T::MedicationRequest, "listed"), to(kind, id)];
        assert_eq!(tainted(&index, &also), expected, "one is enough: {kind} {id}");
    }
    assert!(tainted(&index, &[Reference::Nowhere]) && !tainted(&index, &[]));
    assert!(!index.is_whole());

    // Where all is seen, what leads nowhere hangs on nothing, unless it could not be looked up.
    let all = Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[]), ADULT).lens().unwrap();
    let index = TaintIndex::of(&all, &[(item(T::Encounter, "kept", &[Label::Restricted]), vec![])], BTreeSet::new());
    assert!(index.is_whole());
    assert!(tainted(&index, &[to(T::Encounter, "kept")]));
    assert!(!tainted(&index, &[to(T::Encounter, "unknown"), Reference::Nowhere]));
    let failed = TaintIndex::of(&all, &[], BTreeSet::from([T::Encounter]));
    assert!(tainted(&failed, &[to(T::Encounter, "unknown")]) && !tainted(&failed, &[to(T::Condition, "unknown")]));
}

#[test]
fn what_cannot_be_looked_up_is_tainted_for_proxies_and_for_nobody_else() {
    let see = |lens: Lens, index: Option<TaintIndex>, leads_to: &[Reference]| {
        let view = SourceView { lens, sets: Arc::default(), contacts: Arc::default(), index: index.map(Arc::new) };
        view.judge(item(T::Observation, "1", &[]), |visit| leads_to.iter().for_each(|to| visit(to.lead())))
    };
    let whole = Verdict::Shown(Shown::default());
    let guardian = || Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[]), ADULT).lens().unwrap();
    let index = || {
        Some(TaintIndex::of(
            &guardian(),
            &[(item(T::Encounter, "kept", &[Label::Restricted]), vec![])],
            BTreeSet::new(),
        ))
    };
    let kept = [to(T::Encounter, "kept")];
    assert_eq!(see(guardian(), None, &[]), Verdict::Withheld(Rule::Taint));
    assert_eq!(see(guardian(), index(), &[]), whole);
    assert_eq!(see(guardian(), index(), &kept), Verdict::Withheld(Rule::Taint));
    let own = || Case::new(Standing::own(account()), ADULT).lens().unwrap();
    assert!(!own().follows_taint() && guardian().follows_taint());
    assert_eq!(see(own(), None, &kept), whole);
    assert_eq!(see(own(), index(), &kept), whole);
}

/// An index of what others refer to goes by ids, also where the decision itself does not look at them.
#[test]
fn what_others_refer_to_is_known_by_its_id() {
    let lens = Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[]), ADULT).lens().unwrap();
    assert!(!lens.detail().id, "nobody flagged an item");
    let view = SourceView { lens, sets: Arc::default(), contacts: Arc::default(), index: None };
    let text = r#"{"resourceType":"Encounter","id":"e"}"#.to_owned();
    let raw = scan_resource(text.into(), Knowledge::embedded().unwrap()).unwrap();
    assert_eq!((view.describe(&raw).id.as_str(), view.describe_by_id(&raw).id.as_str()), ("", "e"));
}

/// Only where nothing of the record is left out for what it says does a reference to nowhere tell nothing.
#[test]
fn who_sees_only_some_of_a_record_does_not_see_what_leads_nowhere() {
    let flag = || RuleKind::Flag {
        source: place().1.to_string(),
        resource_type: "Observation".to_owned(),
        id: "1".to_owned(),
    };
    let limited = |sensitivity| {
        let mut right = right(GrantBasis::GuardianAdult);
        right.scope.sensitivity = sensitivity;
        right
    };
    let all = || right(GrantBasis::GuardianAdult);
    let but = || limited(Sensitivity::AllBut(labels(&[Label::Hiv])));
    for (rights, rules, born, expected) in [
        (vec![all()], vec![], ADULT, false),
        (vec![right(GrantBasis::Parent)], vec![], CHILD, false),
        (vec![right(GrantBasis::Parent)], vec![], TEEN, true),
        (vec![but()], vec![], ADULT, true),
        (vec![limited(Sensitivity::Only(Labels::NONE))], vec![], ADULT, true),
        (vec![but(), all()], vec![], ADULT, false),
        (vec![all()], vec![flag()], ADULT, true),
    ] {
        let lens = Case::new(proxy(rights, &rules), born).lens().unwrap();
        assert_eq!(lens.is_strict(), expected, "{lens:?}");
    }
    let hold = RuleKind::Hold { categories: vec![Category::Results], days: None };
    let own = |rules: &[RuleKind]| {
        let standing = Standing { is_own: true, ..proxy(Vec::new(), rules) };
        Case::new(standing, ADULT).lens().unwrap()
    };
    let held = [hold];
    assert!(!own(&[]).is_strict() && !own(&held).is_strict());
    // One's own record is looked at item by item only where something waits.
    assert!(own(&[]).is_clear() && !own(&held).is_clear());
    assert!(!Case::new(proxy(vec![all()], &[]), ADULT).lens().unwrap().is_clear());
}

#[test]
fn what_a_grant_leaves_out_is_not_secret_by_that() {
    let mut narrow = right(GrantBasis::GuardianAdult);
    narrow.scope.types = Some(BTreeSet::from(["Observation".to_owned()]));
    narrow.scope.categories = Some(BTreeSet::from([Category::Results]));
    narrow.scope.data_period = Some(DataPeriod { from: Some(date(2025, 1, 1)), until: None });
    let lens = Case::new(proxy(vec![narrow], &[]), ADULT).lens().unwrap();
    let (visit, kept) = (item(T::Encounter, "1", &[]), item(T::Encounter, "2", &[Label::Restricted]));
    assert_eq!(lens.judge(&visit), Verdict::Withheld(Rule::ScopeType));
    assert_eq!(lens.without_scope().judge(&visit), Verdict::Shown(Shown::default()));
    assert_eq!(lens.without_scope().judge(&kept), Verdict::Withheld(Rule::Label));
}

/// What is kept of a decision is kept for others only if nothing that it hangs on differs; the time alone does not.
#[test]
fn lenses_that_may_decide_otherwise_have_other_fingerprints() {
    let lens = |rights: Vec<Right>, born| Case::new(proxy(rights, &[]), born).lens().unwrap();
    let (all, mut but) = (right(GrantBasis::GuardianAdult), right(GrantBasis::GuardianAdult));
    but.scope.sensitivity = Sensitivity::AllBut(labels(&[Label::Hiv]));
    let several = [
        lens(vec![all.clone()], ADULT),
        lens(vec![but], ADULT),
        lens(vec![right(GrantBasis::Parent)], CHILD),
        lens(vec![right(GrantBasis::Parent)], TEEN),
    ];
    let prints: BTreeSet<[u8; 32]> = several.iter().map(Lens::fingerprint).collect();
    assert_eq!(prints.len(), several.len());
    let (organization, source) = place();
    let (standing, rules) = (proxy(vec![all], &[]), policy(Vec::new()));
    let later = Lens::of(&Asking {
        standing: &standing,
        policy: &rules,
        zone: &TimeZone::UTC,
        organization,
        source,
        births: &[BirthDate::parse(ADULT)],
        action: Action::Read,
        assurance: Assurance::Aal1,
        now: at(NOW + 1),
    });
    assert_eq!(later.unwrap().fingerprint(), several[0].fingerprint());
}

/// 3.3, step 1.
#[test]
fn the_session_must_be_sure_enough_for_what_is_done() {
    let mut case = Case::new(Standing::own(account()), ADULT);
    case.policy.assurance = BTreeMap::from([(Action::Export, Assurance::Aal2)]);
    for (action, assurance, expected) in [
        (Action::Read, Assurance::Aal1, None),
        (Action::Export, Assurance::Aal1, Some(Rule::SessionAssurance)),
        (Action::Export, Assurance::Aal2, None),
        (Action::Read, Assurance::Aal2, None),
    ] {
        (case.action, case.assurance) = (action, assurance);
        assert_eq!(case.lens().err(), expected, "{action:?} {assurance:?}");
    }
}

/// What is kept back by somebody is kept whole: of a bill that a clinician or the EHR marked not even the amount is told.
#[test]
fn what_somebody_keeps_back_has_no_outline() {
    let mut case = Case::new(proxy(vec![right(GrantBasis::Parent)], &[]), TEEN);
    case.policy.bands[1].rule = BandRule::AllowList(vec![Allow { is_outline: true, ..listed(Category::Billing) }]);
    let judge = |case: &Case, of: &[Label]| case.lens().unwrap().judge(&item(T::Invoice, "1", of));
    let outline = Verdict::Shown(Shown { is_outline: true, hides_contacts: false });
    assert_eq!(judge(&case, &[]), outline);
    assert_eq!(judge(&case, &[Label::Std]), outline, "amount and date of a confidential visit");
    for kept in [Label::Restricted, Label::ParentRestricted] {
        assert_eq!(judge(&case, &[kept]), Verdict::Withheld(Rule::Label), "{kept:?}");
    }
    case.standing.rights[0].scope.guarantor = true;
    case.born = ADULT;
    assert_eq!(judge(&case, &[Label::Std]), outline);
    assert_eq!(judge(&case, &[Label::Restricted]), Verdict::Withheld(Rule::Label));
}

/// 3.2: who may end a grant by themselves; equal guardians not each other's, nor a minor a parent's.
#[test]
fn a_grant_is_ended_by_who_gave_or_holds_it() {
    use GrantBasis as B;
    for basis in GrantBasis::ALL {
        assert!(may_end(*basis, false), "the holder: {basis:?}");
        let by_subject = matches!(basis, B::PatientConsent | B::HealthCarePowerOfAttorney | B::BestInterest);
        assert_eq!(may_end(*basis, true), by_subject, "{basis:?}");
    }
}

/// How long somebody has a right to a record, whatever is seen by it.
#[test]
fn a_right_lasts_as_long_as_the_longest_grant_and_never_against_a_restriction() {
    let until = |standing: &Standing| standing.right_until(at(NOW));
    let ending =
        |micros: i64| Right { period: Period { until: Some(at(micros)), ..always() }, ..right(GrantBasis::Parent) };
    let open = || right(GrantBasis::Parent);
    let against = |against, effect| RuleKind::Restriction { against, effect };
    for (rights, rules, expected) in [
        (vec![], vec![], None),
        (vec![open()], vec![], Some(None)),
        (vec![ending(NOW + 5)], vec![], Some(Some(at(NOW + 5)))),
        (vec![ending(NOW + 5), ending(NOW + 9)], vec![], Some(Some(at(NOW + 9)))),
        (vec![ending(NOW + 5), open()], vec![], Some(None)),
        (vec![ending(NOW)], vec![], None),
        (vec![open()], vec![against(None, Effect::Nothing)], None),
        (vec![open()], vec![against(Some(account()), Effect::Nothing)], None),
        (vec![open()], vec![against(Some(AccountId::mint(&SeededRandom::new(9))), Effect::Nothing)], Some(None)),
        (vec![open()], vec![against(None, Effect::RecordsOnly)], Some(None)),
        (vec![open()], vec![RuleKind::Deceased], None),
        (vec![right(GrantBasis::Executor)], vec![], None),
        (vec![right(GrantBasis::Executor)], vec![RuleKind::Deceased], Some(None)),
    ] {
        assert_eq!(until(&proxy(rights.clone(), &rules)), expected, "{rights:?} {rules:?}");
    }
    assert_eq!(until(&Standing::own(account())), Some(None));
    let died = Standing { is_own: true, ..proxy(Vec::new(), &[RuleKind::Deceased]) };
    assert_eq!(until(&died), None);
}

#[test]
fn one_s_own_record_is_plain_unless_something_waits() {
    let hold = || RuleKind::Hold { categories: vec![Category::Results], days: None };
    let own = |rules: &[RuleKind]| Standing { is_own: true, ..proxy(Vec::new(), rules) };
    assert!(own(&[]).is_plain() && own(&[RuleKind::Emancipated]).is_plain());
    assert!(!own(&[hold()]).is_plain() && !own(&[RuleKind::Deceased]).is_plain());
    assert!(!own(&[RuleKind::Emancipated, hold()]).is_plain());
    assert!(!proxy(vec![right(GrantBasis::Parent)], &[]).is_plain());
    let standing = Standing::own(account());
    assert_eq!(
        (standing.account, standing.is_own, standing.rights.len(), standing.rules.len()),
        (account(), true, 0, 0)
    );
}

/// Scenario 46: ninety days to the moment; nobody else's right ends by that.
#[test]
fn a_best_interest_grant_ends_after_ninety_days() {
    let since = |basis, days: i64, more: i64| {
        let right = Right { period: Period { from: at(NOW - days * DAY - more), until: None }, ..right(basis) };
        right.in_force(at(NOW), false)
    };
    assert_eq!(since(GrantBasis::BestInterest, 90, -1), Ok(()));
    assert_eq!(since(GrantBasis::BestInterest, 90, 0), Err(Rule::ReviewDue));
    assert_eq!(since(GrantBasis::Parent, 900, 0), Ok(()));
}

/// An attestation that a minor cannot decide holds for a year (3.4: at most 12 months), to the moment.
#[test]
fn an_attested_incapacity_holds_for_a_year() {
    let sees = |days: i64, more: i64, until: Option<i64>| {
        let mut case = Case::new(proxy(vec![right(GrantBasis::Parent)], &[]), TEEN);
        case.policy.bands[1].is_expandable = true;
        let period = Period { from: at(NOW - days * DAY - more), until: until.map(at) };
        case.standing.rules = vec![StandingRule { period, kind: RuleKind::DiminishedCapacity }];
        case.lens().unwrap().judge(&item(T::Condition, "1", &[])) == Verdict::Shown(Shown::default())
    };
    assert!(sees(0, 0, None) && sees(365, 0, None) && sees(366, -1, None));
    assert!(!sees(366, 0, None) && !sees(400, 0, None) && !sees(30, 0, Some(NOW)));
}

#[test]
fn levels_bring_along_what_their_words_say() {
    use Action as A;
    for (level, implied) in [
        (Level::View, &[A::Read][..]),
        (Level::Act, &[A::Read, A::Message, A::Schedule, A::Renew, A::Pay, A::Correct]),
        (Level::Manage, &[A::Read, A::Message, A::Schedule, A::Renew, A::Pay, A::Correct, A::Export, A::ConnectApp]),
    ] {
        let found: Vec<Action> = Action::ALL.iter().copied().filter(|action| level.implies(*action)).collect();
        assert_eq!(found, implied, "{level:?}");
    }
    // What a named grant brings along: to look, with an app of one's own; best interest to act; documents to manage.
    let of = |basis| {
        let scope = GrantScope::of_basis(basis);
        Action::ALL.iter().copied().filter(|action| scope.covers_action(*action)).collect::<Vec<_>>()
    };
    assert_eq!(of(GrantBasis::PatientConsent), [A::Read, A::ConnectApp]);
    assert_eq!(of(GrantBasis::BestInterest), [A::Read, A::Message, A::Schedule, A::Renew, A::Pay, A::Correct]);
    assert!(of(GrantBasis::Parent).contains(&A::Export) && !of(GrantBasis::Parent).contains(&A::GrantOthers));
    // Only these are given beside a level.
    let beside = GrantScope { actions: Action::ALL.iter().copied().collect(), ..GrantScope::whole(Level::View) };
    let found: Vec<Action> = A::ALL.iter().copied().filter(|action| beside.covers_action(*action)).collect();
    assert_eq!(found, [A::Read, A::Export, A::ConnectApp, A::GrantOthers]);
}

/// Every type, by hand: which part of a record people would look for it in.
#[test]
fn every_type_belongs_to_a_category() {
    let rows: [(&[&str], Category); 12] = [
        (&["Observation", "DiagnosticReport", "Specimen", "Media"], Category::Results),
        (&["MedicationRequest", "MedicationDispense", "MedicationStatement"], Category::Medications),
        (&["Encounter", "Appointment"], Category::Visits),
        (&["DocumentReference", "QuestionnaireResponse"], Category::Notes),
        (&["Binary", "Medication", "Provenance"], Category::Derived),
        (&["Communication"], Category::Messages),
        (
            &["Account", "ChargeItem", "Coverage", "Invoice", "PaymentNotice", "PaymentReconciliation"],
            Category::Billing,
        ),
        (&["Patient", "RelatedPerson", "Person", "VerificationResult"], Category::Demographics),
        (&["Immunization"], Category::Immunizations),
        (&["AllergyIntolerance"], Category::Allergies),
        (&["Condition"], Category::Conditions),
        (
            &[
                "Endpoint",
                "HealthcareService",
                "Location",
                "Organization",
                "Practitioner",
                "PractitionerRole",
                "Schedule",
                "Slot",
            ],
            Category::Directory,
        ),
    ];
    for kind in ResourceType::ALL {
        let row = rows.iter().find(|(names, _)| names.contains(&kind.as_str()));
        assert_eq!(Category::of_type(*kind), row.map_or(Category::Care, |(_, category)| *category), "{kind}");
    }
}

#[test]
fn labels_are_a_set() {
    let (a, b) = (labels(&[Label::Hiv, Label::Std]), labels(&[Label::Std, Label::Unknown]));
    assert_eq!(a.and(b).each().collect::<Vec<_>>(), [Label::Hiv, Label::Std, Label::Unknown]);
    assert_eq!(a.without(b), labels(&[Label::Hiv]));
    assert_eq!(labels(&[Label::Std, Label::Std]), labels(&[Label::Std]));
    assert!(Labels::NONE.is_empty() && !a.is_empty() && a.has(Label::Hiv) && !a.has(Label::Unknown));
    assert_ne!(a.bits(), b.bits());
    let content: Vec<Label> = Labels::content().each().collect();
    assert_eq!(content.len(), Label::ALL.len() - 2);
    assert!(!content.contains(&Label::Restricted) && !content.contains(&Label::ParentRestricted));
    assert_eq!(serde_json::to_value(a).unwrap(), json!(["HIV", "STD"]));
    assert_eq!(serde_json::from_value::<Labels>(json!(["STD", "HIV"])).unwrap(), a);
    assert!(serde_json::from_value::<Labels>(json!(["nonsense"])).is_err());
}

/// 3.4: 90, 30, 7 days before and on the day: the end of a period, a review, and for those who act for minors a birthday.
#[test]
fn notices_are_due_before_what_changes() {
    let standard = policy(Vec::new());
    let due = |right: &Right, births: &[&str]| {
        let births: Vec<BirthDate> = births.iter().map(|birth| BirthDate::parse(birth)).collect();
        due_notices(right, &births, (&standard, &TimeZone::UTC), at(NOW))
            .into_iter()
            .map(|notice| (notice.day, notice.before))
            .collect::<Vec<_>>()
    };
    let mut ending = right(GrantBasis::PatientConsent);
    ending.period.until = Some(at(NOW + 5 * DAY));
    assert_eq!(due(&ending, &["2014-05-10"]), [(date(2026, 5, 8), 7)], "nobody's age matters to it");
    ending.scope.review_by = Some(NOW + 40 * DAY);
    assert_eq!(due(&ending, &[]), [(date(2026, 5, 8), 7), (date(2026, 6, 12), 90)]);
    let parent = right(GrantBasis::Parent);
    for (births, expected) in [
        (&["2014-05-03"][..], &[(date(2026, 5, 3), 0)][..]),
        (&["2014-05-10"], &[(date(2026, 5, 10), 7)]),
        (&["2014-05-11", "2014-05-11", "2008-06-01"], &[(date(2026, 5, 11), 30), (date(2026, 6, 1), 30)]),
        (&["2014-05-02"], &[]),
        (&["2014-12-01"], &[]),
        // Of a month the first day and the last; of nothing nothing is told.
        (&["2014-05"], &[(date(2026, 5, 31), 30)]),
        (&["2014-06"], &[(date(2026, 6, 1), 30)]),
        (&["soon"], &[]),
        (&[], &[]),
    ] {
        assert_eq!(due(&parent, births), expected, "{births:?}");
    }
}

/// What staff are told before a practice goes over to another policy.
#[test]
fn a_change_of_policy_is_told_band_by_band() {
    let words = |now: &Policy, then: &Policy| {
        now.changes_to(then).into_iter().map(|change| (change.words, change.is_looser)).collect::<Vec<_>>()
    };
    let base = policy(vec![listed(Category::Vitals)]);
    assert_eq!(words(&base, &base), []);
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut other = base.clone();
        change(&mut other);
        other
    };
    // What is shown, in rising order; either way round.
    let rules = [
        BandRule::Nothing,
        BandRule::AllowList(vec![listed(Category::Vitals)]),
        BandRule::AllowList(vec![listed(Category::Vitals), listed(Category::Visits)]),
        BandRule::WithoutLabels,
        BandRule::Everything,
    ];
    for (less, lower) in rules.iter().enumerate() {
        for (more, higher) in rules.iter().enumerate() {
            let (now, then) = (with(&|p| p.bands[1].rule = lower.clone()), with(&|p| p.bands[1].rule = higher.clone()));
            let found: Vec<bool> = words(&now, &then).into_iter().map(|(_, is_looser)| is_looser).collect();
            let expected = if less == more { vec![] } else { vec![more > less] };
            assert_eq!(found, expected, "{lower:?} {higher:?}");
        }
    }
    let fewer = with(&|p| p.bands[1].actions = BTreeSet::from([Action::Read, Action::Pay]));
    let none = with(&|p| p.bands[1].actions = BTreeSet::new());
    let sentence = "12 years: a parent sees only vitals and may do nothing, instead of only vitals and read, pay";
    assert_eq!(words(&fewer, &none), [(sentence.to_owned(), false)]);
    assert!(words(&none, &fewer)[0].1);
    let expandable = with(&|p| p.bands[1].is_expandable = true);
    assert!(words(&base, &expandable)[0].1 && !words(&expandable, &base)[0].1);
    let outline = with(&|p| {
        p.bands[1].rule = BandRule::AllowList(vec![Allow { is_outline: true, ..listed(Category::Visits) }]);
        p.bands[0].rule = BandRule::WithoutLabels;
    });
    let told = words(&base, &outline);
    assert!(told[0].0.starts_with("0 years: a parent sees everything without a label and may do read, "), "{told:?}");
    assert!(told[0].0.contains(", instead of everything and read, "), "{told:?}");
    assert!(told[1].0.starts_with("12 years: a parent sees only visits (outline) and may do "), "{told:?}");
    assert!(
        words(&with(&|p| p.bands[2].rule = BandRule::WithoutLabels), &base)[0]
            .0
            .contains("18 years: a parent sees nothing ")
    );
    // A band that begins at another age is another rule between the two.
    let later = with(&|p| p.bands[1].from.years = 14);
    let told = words(&base, &later);
    assert_eq!(told.len(), 1);
    assert!(told[0].0.starts_with("12 years: a parent sees everything and ") && told[0].1, "{told:?}");
    let told = words(&later, &base);
    assert!(told.len() == 1 && told[0].0.starts_with("12 years: a parent sees only vitals") && !told[0].1, "{told:?}");
}

#[test]
fn a_change_of_what_is_not_a_band_is_told_too() {
    let base = policy(Vec::new());
    let with = |change: &dyn Fn(&mut Policy)| {
        let mut other = base.clone();
        change(&mut other);
        other
    };
    let told = |now: &Policy, then: &Policy| {
        now.changes_to(then).into_iter().map(|change| (change.words, change.is_looser)).collect::<Vec<_>>()
    };
    let shown = with(&|p| p.shows_restricted = true);
    let restricted = "what the EHR labels as restricted is shown or withheld otherwise".to_owned();
    assert_eq!(told(&base, &shown), [(restricted.clone(), true)]);
    assert_eq!(told(&shown, &base), [(restricted, false)]);
    let february = with(&|p| p.leap_day = LeapDay::February28);
    assert_eq!(told(&base, &february), [("birthdays of those born on 29 February".to_owned(), true)]);
    let surer = with(&|p| p.assurance = BTreeMap::from([(Action::Export, Assurance::Aal2)]));
    let said = with(&|p| p.assurance = BTreeMap::from([(Action::Export, Assurance::Aal1)]));
    let sure = "how sure a sign-in must be".to_owned();
    assert_eq!(told(&base, &surer), [(sure.clone(), false)]);
    assert_eq!(told(&surer, &base), [(sure.clone(), true)]);
    assert_eq!(told(&said, &surer), [(sure.clone(), false)]);
    assert_eq!(told(&said, &base), [], "one factor is what holds where nothing is said");
    let other =
        with(&|p| p.assurance = BTreeMap::from([(Action::Export, Assurance::Aal2), (Action::Pay, Assurance::Aal1)]));
    let mixed = with(&|p| p.assurance = BTreeMap::from([(Action::Pay, Assurance::Aal2)]));
    assert_eq!(told(&other, &mixed), [(sure.clone(), true)], "less for one action");
    let same = with(&|p| p.assurance = BTreeMap::from([(Action::Pay, Assurance::Aal1)]));
    assert_eq!(told(&same, &other), [(sure, false)], "more for one action, and the same for another");
}

#[test]
fn an_allow_list_takes_what_it_names_by_code() {
    let codes =
        |of: &[(&str, &str)]| of.iter().map(|(system, code)| ((*system).to_owned(), (*code).to_owned())).collect();
    let listed_codes: CodeList =
        BTreeMap::from([("urn:a".to_owned(), BTreeSet::from(["1".to_owned(), "2".to_owned()]))]);
    let coded = Allow { is_coded: true, ..listed(Category::Results) };
    let of_list = Allow { codes: Some(Arc::new(listed_codes)), ..listed(Category::Results) };
    let lists =
        |line: &Allow, of: &[(&str, &str)]| line.lists(&Item { codes: codes(of), ..item(T::Observation, "1", &[]) });
    let any = listed(Category::Results);
    assert!(lists(&any, &[]) && lists(&any, &[("urn:b", "9")]));
    assert!(!lists(&coded, &[]) && lists(&coded, &[("urn:b", "9")]));
    for (of, expected) in [
        (&[][..], false),
        (&[("urn:a", "1")], true),
        (&[("urn:a", "1"), ("urn:a", "2")], true),
        (&[("urn:a", "1"), ("urn:a", "9")], false),
        (&[("urn:b", "1")], false),
        (&[("urn:b", "x"), ("urn:a", "2")], true),
    ] {
        assert_eq!(lists(&of_list, of), expected, "{of:?}");
    }
    assert!(!listed(Category::Vitals).lists(&item(T::Observation, "1", &[])), "another category");
}

/// A date that reads like one and is none may be any day, and so does every day that a part of one may mean.
#[test]
fn only_dates_are_dates() {
    let of_age = [Boundary { years: 0, days: 0 }, Boundary { years: 18, days: 0 }];
    let bands = |born: &str| BirthDate::parse(born).bands(&of_age, LeapDay::March1, date(2026, 5, 3));
    for wrong in [
        "198",
        "19811",
        "+981",
        "1981-7",
        "1981-007",
        "0181-+7",
        "1981-7-07",
        "1981-07-7",
        "1981-07-07-01",
        "x981-07",
        "81-07",
    ] {
        assert_eq!(bands(wrong), (0, 1), "{wrong}");
    }
    assert_eq!(bands("1981"), (1, 1));
    let next = |born: &str, today: Date| BirthDate::parse(born).next_boundary(&of_age, LeapDay::March1, today);
    assert_eq!(next("2008-05-03", date(2026, 5, 3)), Some(date(2026, 5, 3)));
    assert_eq!(next("2008-05-03", date(2026, 5, 4)), None);
    assert_eq!(next("2008-05-03", date(2026, 5, 2)), Some(date(2026, 5, 3)));
    assert_eq!(next("2008", date(2026, 5, 2)), Some(date(2026, 12, 31)));
    assert_eq!(next("2008", date(2025, 5, 2)), Some(date(2026, 1, 1)));
    assert_eq!(next("soon", date(2026, 5, 2)), None);
    // Beyond the calendar nothing begins; a day that February does not have there does not either.
    let far = [Boundary { years: 0, days: 0 }, Boundary { years: 8_000, days: 0 }];
    for born in ["2008-02-29", "2008-03-01"] {
        assert_eq!(BirthDate::parse(born).bands(&far, LeapDay::March1, Date::MAX), (0, 0), "{born}");
    }
    assert_eq!(BirthDate::UNKNOWN.bands(&of_age, LeapDay::March1, date(2026, 5, 3)), (0, 1));
}

/// Scenario 39: what waits for review waits so many days and no longer, to the moment, for the person as for proxies.
#[test]
fn a_hold_ends_after_its_days() {
    let hold = [RuleKind::Hold { categories: vec![Category::Results], days: Some(2) }];
    let own = Standing { is_own: true, ..proxy(Vec::new(), &hold) };
    for standing in [own, proxy(vec![right(GrantBasis::GuardianAdult)], &hold)] {
        let lens = Case::new(standing, ADULT).lens().unwrap();
        let waits = |issued: Option<i64>, is_reviewed| {
            let item = Item { issued: issued.map(at), is_reviewed, ..item(T::Observation, "1", &[]) };
            lens.judge(&item) == Verdict::Withheld(Rule::Hold)
        };
        assert!(
            waits(Some(NOW), false) && waits(Some(NOW - DAY - DAY / 2), false) && waits(Some(NOW - 2 * DAY + 1), false)
        );
        assert!(!waits(Some(NOW - 2 * DAY), false) && !waits(Some(NOW - 9 * DAY), false));
        assert!(waits(None, false), "nobody knows since when");
        assert!(!waits(Some(NOW), true) && !waits(None, true));
    }
}

/// Scenario 5: one item, at the source where staff flagged it.
#[test]
fn a_flag_is_on_one_item_at_one_source() {
    let flag = |source: &str| RuleKind::Flag {
        source: source.to_owned(),
        resource_type: "Observation".to_owned(),
        id: "1".to_owned(),
    };
    let other = SourceKey::mint(&SeededRandom::new(41)).to_string();
    for (source, verdict) in
        [(place().1.to_string(), Verdict::Withheld(Rule::Flagged)), (other, Verdict::Shown(Shown::default()))]
    {
        let lens = Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[flag(&source)]), ADULT).lens().unwrap();
        assert_eq!(lens.judge(&item(T::Observation, "1", &[])), verdict);
        for elsewhere in [item(T::Observation, "2", &[]), item(T::Condition, "1", &[])] {
            assert_eq!(lens.judge(&elsewhere), Verdict::Shown(Shown::default()));
        }
    }
}

/// Scenario 22: what a minor names opens what they name, and nothing else that is sensitive.
#[test]
fn a_minor_s_own_consent_opens_the_labels_that_it_names() {
    let sees = |sensitivity, of: &[Label]| {
        let mut right = right(GrantBasis::PatientConsent);
        right.scope.sensitivity = sensitivity;
        let lens = Case::new(proxy(vec![right], &[]), TEEN).lens().unwrap();
        lens.judge(&item(T::Condition, "1", of)) == Verdict::Shown(Shown::default())
    };
    let named = || Sensitivity::Only(labels(&[Label::Mh]));
    assert!(sees(named(), &[]) && sees(named(), &[Label::Mh]));
    assert!(!sees(named(), &[Label::Std]) && !sees(named(), &[Label::Mh, Label::Std]));
    assert!(sees(Sensitivity::All, &[]) && !sees(Sensitivity::All, &[Label::Mh]), "all names nothing");
    assert!(!sees(Sensitivity::AllBut(labels(&[Label::Std])), &[Label::Mh]));
}
