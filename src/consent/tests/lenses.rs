//! What holds for a whole request, and when it changes.

use super::*;

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
