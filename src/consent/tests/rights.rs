//! When a right holds, and who ends it.

use super::*;

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

/// Staff look at what their own practice holds, as the patient may be shown it, and change nothing.
#[test]
fn staff_see_their_own_practice_s_charts_and_do_nothing_else() {
    let (here, elsewhere) = (place().0, OrganizationId::mint(&SeededRandom::new(9)));
    let case = |practice, rules: &[RuleKind], action| {
        let standing = Standing { staff_of: Some(practice), ..proxy(Vec::new(), rules) };
        Case { action, ..Case::new(standing, TEEN) }
    };
    let lens = case(here, &[], Action::Read).lens().unwrap();
    assert!(lens.is_clear() && !lens.follows_taint());
    let sensitive = item(T::Observation, "1", &[Label::Std]);
    assert_eq!(lens.judge(&sensitive), Verdict::Shown(Shown::default()));
    // What waits for a clinician's eye does not wait for theirs.
    let hold = RuleKind::Hold { categories: vec![Category::Results], days: None };
    let waiting = Item { is_reviewed: false, ..sensitive };
    let lens = case(here, &[hold], Action::Read).lens().unwrap();
    assert_eq!(lens.judge(&waiting), Verdict::Shown(Shown::default()));
    let restriction = |against, effect| RuleKind::Restriction { against, effect };
    let named = |effect| restriction(Some(account()), effect);
    // What holds for all proxies, or for somebody else, is not said of staff.
    let others = [
        restriction(None, Effect::Nothing),
        restriction(Some(AccountId::mint(&SeededRandom::new(8))), Effect::Nothing),
        named(Effect::Full),
    ];
    assert!(case(here, &others, Action::Read).lens().is_ok());
    for (practice, rules, action, expected) in [
        (elsewhere, vec![], Action::Read, Rule::ScopeSource),
        (here, vec![RuleKind::Deceased], Action::Read, Rule::Deceased),
        (here, vec![], Action::Message, Rule::ScopeAction),
        (here, vec![], Action::Export, Rule::ScopeAction),
        // Whom a court keeps out does not come back as a colleague.
        (here, vec![named(Effect::Nothing)], Action::Read, Rule::Restriction),
        (here, vec![named(Effect::RecordsOnly)], Action::Read, Rule::Restriction),
        (here, vec![named(Effect::NoContactData)], Action::Read, Rule::Restriction),
    ] {
        let case = case(practice, &rules, action);
        assert_eq!(case.lens(), Err(expected), "{rules:?} {action:?}");
        let is_out = matches!(expected, Rule::Deceased | Rule::Restriction);
        assert_eq!(case.standing.right_until(at(NOW)).is_none(), is_out, "{rules:?} {action:?}");
    }
    // The dead look at nobody, from the day that is laid down.
    let dies = |from| Standing {
        staff_of: Some(here),
        holder_died: vec![Period { from, until: None }],
        ..proxy(Vec::new(), &[])
    };
    assert_eq!(Case::new(dies(at(NOW)), TEEN).lens(), Err(Rule::HolderDeceased));
    assert_eq!(dies(at(NOW)).right_until(at(NOW)), None);
    assert_eq!(dies(at(NOW + 1)).right_until(at(NOW)), Some(Some(at(NOW + 1))));
    assert_eq!(dies(at(NOW + 1)).right_until(at(NOW + 1)), None);
}

/// A minor's leave is for the holder of one grant; what it opens stays closed to others.
#[test]
fn assent_is_for_one_grant() {
    let of = |grant| RuleKind::Assent { grant, labels: labels(&[Label::Std]) };
    let (theirs, other) = (right(GrantBasis::Parent).grant, GrantId::mint(&SeededRandom::new(7)));
    let sees = |grant| {
        let standing = proxy(vec![right(GrantBasis::Parent)], &[of(grant)]);
        let mut case = Case::new(standing, TEEN);
        case.policy.bands.iter_mut().for_each(|band| band.is_expandable = true);
        let lens = case.lens().unwrap();
        matches!(lens.judge(&item(T::Observation, "1", &[Label::Std])), Verdict::Shown(_))
    };
    assert!(sees(theirs) && !sees(other));
}
