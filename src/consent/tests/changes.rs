//! What a birthday, an end or a change of policy changes, and who is told before.

use super::*;

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
