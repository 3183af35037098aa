//! What hangs on something withheld, 3.3 step 7.

use super::*;

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
        let view = SourceView {
            lens,
            sets: Arc::default(),
            contacts: Arc::default(),
            index: index.map(Arc::new),
            specialties: None,
        };
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
    let flag =
        RuleKind::Flag { source: place().1.to_string(), resource_type: "Observation".to_owned(), id: "1".to_owned() };
    let flagged = Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[flag]), ADULT).lens().unwrap();
    assert!(flagged.detail().id);
    // Likewise whether a clinician has looked, where something waits for that.
    let hold = RuleKind::Hold { categories: vec![Category::Results], days: None };
    let held = Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[hold]), ADULT).lens().unwrap();
    assert!(held.detail().review && !lens.detail().review);
    let view = SourceView { lens, sets: Arc::default(), contacts: Arc::default(), index: None, specialties: None };
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

/// Portal design, 3.5 iii: whom an item names says what it was about, to those alone for whom that counts.
#[test]
fn who_had_to_do_with_something_says_what_it_was_about() {
    let mut known = Specialties::default();
    let (now, later) = (at(NOW), at(NOW + 1));
    known.learn(T::Practitioner, "psychiatrist".to_owned(), labels(&[Label::Psy]), later);
    known.learn(T::Practitioner, "paediatrician".to_owned(), Labels::NONE, later);
    known.learn(T::Practitioner, "long ago".to_owned(), Labels::NONE, now);
    let all_but = |of: &[Label]| {
        let mut right = right(GrantBasis::GuardianAdult);
        right.scope.sensitivity = Sensitivity::AllBut(labels(of));
        Case::new(proxy(vec![right], &[]), ADULT).lens().unwrap()
    };
    let view = |lens: Lens| {
        let items = [(item(T::Encounter, "plain", &[]), vec![]), (item(T::Encounter, "kept", &[Label::Psy]), vec![])];
        let index = Some(Arc::new(TaintIndex::of(&lens, &items, BTreeSet::new())));
        let mut view = SourceView { lens, sets: Arc::default(), contacts: Arc::default(), index, specialties: None };
        view.specialties = view.follows_specialties().then(|| Arc::new(known.clone()));
        view
    };
    let see = |view: &SourceView, item: Item, leads_to: &[Reference]| {
        view.judge(item, |visit| leads_to.iter().for_each(|to| visit(to.lead())))
    };
    let shown = Verdict::Shown(Shown::default());
    let observation = || item(T::Observation, "1", &[]);
    let by = |who: &str| to(T::Practitioner, who);
    let without_psychiatry = view(all_but(&[Label::Psy]));
    for (leads_to, expected) in [
        (vec![], shown),
        (vec![by("paediatrician")], shown),
        (vec![by("psychiatrist")], Verdict::Withheld(Rule::Label)),
        (vec![by("paediatrician"), by("psychiatrist")], Verdict::Withheld(Rule::Label)),
        // Where it leads otherwise counts as it does without.
        (vec![to(T::Encounter, "plain"), by("paediatrician")], shown),
        (vec![to(T::Encounter, "kept"), by("paediatrician")], Verdict::Withheld(Rule::Taint)),
        // Not known, or not known any more: nobody can say.
        (vec![by("somebody")], Verdict::Withheld(Rule::Undecidable)),
        (vec![by("long ago")], Verdict::Withheld(Rule::Undecidable)),
        // It is not seen whoever else it names.
        (vec![by("psychiatrist"), by("somebody")], Verdict::Withheld(Rule::Label)),
    ] {
        assert_eq!(see(&without_psychiatry, observation(), &leads_to), expected, "{leads_to:?}");
    }
    // Where a person is registered, and who works there, says nothing of what they have.
    for kind in [T::Patient, T::PractitionerRole] {
        assert_eq!(see(&without_psychiatry, item(kind, "1", &[]), &[by("psychiatrist")]), shown, "{kind}");
    }
    assert_eq!(see(&view(all_but(&[Label::Hiv])), observation(), &[by("psychiatrist")]), shown);
    let all = Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[]), ADULT).lens().unwrap();
    let parent = Case::new(proxy(vec![right(GrantBasis::Parent)], &[]), CHILD).lens().unwrap();
    let own = Case::new(Standing::own(account()), ADULT).lens().unwrap();
    for lens in [all, parent, own] {
        let view = view(lens);
        assert!(!view.follows_specialties());
        assert_eq!(see(&view, observation(), &[by("psychiatrist"), by("somebody")]), shown);
    }
    // A table may say that a department's things are kept from parents: then it counts for them.
    let parent = Case::new(proxy(vec![right(GrantBasis::Parent)], &[]), CHILD).lens().unwrap();
    let mut sets = CodeSets::default();
    sets.add("urn:department", &[CodePattern::Code("9".to_owned())], Label::ParentRestricted);
    let parents = SourceView { sets: Arc::new(sets), ..view(parent) };
    assert!(parents.follows_specialties());

    // In an index of what others refer to, it counts like a label, and who is not known for the worse.
    let items = |who: &str| {
        let leads_to = vec![by(who)];
        vec![(without_psychiatry.labelled(item(T::Encounter, "visit", &[]), &leads_to), leads_to)]
    };
    for (who, expected) in [("psychiatrist", true), ("paediatrician", false)] {
        let index = TaintIndex::of(&without_psychiatry.lens, &items(who), BTreeSet::new());
        assert_eq!(tainted(&index, &[to(T::Encounter, "visit")]), expected, "{who}");
    }
    let [(unknown, _)] = &items("somebody")[..] else { panic!() };
    assert_eq!(unknown.labels, labels(&[Label::Unknown]));
    let patient = without_psychiatry.labelled(item(T::Patient, "1", &[]), &[by("psychiatrist")]);
    assert_eq!(patient.labels, Labels::NONE);
}

/// Where nothing taints, it is not looked at where things lead; everything else has to be.
#[test]
fn an_index_is_clear_only_if_nothing_can_follow_from_it() {
    let all = || Case::new(proxy(vec![right(GrantBasis::GuardianAdult)], &[]), ADULT).lens().unwrap();
    let teen = || Case::new(proxy(vec![right(GrantBasis::Parent)], &[]), TEEN).lens().unwrap();
    let plain = || vec![(item(T::Encounter, "1", &[]), vec![])];
    let kept = || vec![(item(T::Encounter, "1", &[Label::Restricted]), vec![])];
    assert!(TaintIndex::of(&all(), &plain(), BTreeSet::new()).is_clear());
    assert!(!TaintIndex::of(&all(), &kept(), BTreeSet::new()).is_clear());
    assert!(!TaintIndex::of(&all(), &plain(), BTreeSet::from([T::Encounter])).is_clear());
    assert!(!TaintIndex::of(&teen(), &[], BTreeSet::new()).is_clear());
}

/// What nobody's right hangs on is not read.
#[test]
fn labels_of_content_are_read_where_they_decide() {
    let mut limited = right(GrantBasis::GuardianAdult);
    limited.scope.sensitivity = Sensitivity::AllBut(labels(&[Label::Hiv]));
    let lens = |rights, born| Case::new(proxy(rights, &[]), born).lens().unwrap();
    for (lens, expected) in [
        (lens(vec![right(GrantBasis::GuardianAdult)], ADULT), false),
        (lens(vec![right(GrantBasis::Parent)], CHILD), false),
        (lens(vec![right(GrantBasis::Parent)], TEEN), true),
        (lens(vec![limited.clone()], ADULT), true),
        // One shows all; what a clinician keeps from it may be seen by the other, if nothing else is said of it.
        (lens(vec![right(GrantBasis::GuardianAdult), limited], ADULT), true),
    ] {
        assert_eq!(lens.detail().content, expected, "{lens:?}");
    }
}

/// What the words in an item may say is read once for the index; another edition, and what is not in it, is read anew.
#[test]
fn words_are_taken_from_the_index_as_long_as_it_is_the_same_edition() {
    let hiv = labels(&[Label::Hiv]);
    let mut sets = CodeSets::default();
    sets.look_for(Words::new([("HIV".to_owned(), hiv)]).unwrap());
    let scope = GrantScope { sensitivity: Sensitivity::AllBut(hiv), ..GrantScope::whole(Level::View) };
    let right = Right { scope, ..right(GrantBasis::GuardianAdult) };
    let lens = Case::new(proxy(vec![right], &[]), ADULT).lens().unwrap();
    let resource = |id: &str, version: &str, note: &str| {
        let resource =
            json!({"resourceType": "Observation", "id": id, "meta": {"versionId": version}, "note": [{"text": note}]});
        scan_resource(resource.to_string().into(), Knowledge::embedded().unwrap()).unwrap()
    };
    let mut view = SourceView { lens, sets: Arc::new(sets), contacts: Arc::default(), index: None, specialties: None };
    let told = view.describe_by_id(&resource("told", "1", "HIV"));
    assert!(told.suspicion.is_some() && told.edition.is_some());
    // As if it had said something else: what is known counts.
    let quiet = Item { suspicion: None, ..view.describe_by_id(&resource("quiet", "1", "HIV")) };
    view.index = Some(Arc::new(TaintIndex::of(&view.lens, &[(told, vec![]), (quiet, vec![])], BTreeSet::new())));
    for (id, version, note, expected) in [
        ("told", "1", "abc", Some(hiv)),
        ("told", "2", "abc", None),
        ("told", "1", "ab", None),
        ("told", "2", "HIV", Some(hiv)),
        ("quiet", "1", "HIV", None),
        ("quiet", "2", "HIV", Some(hiv)),
        ("other", "1", "HIV", Some(hiv)),
        ("other", "1", "abc", None),
    ] {
        let item = view.describe(&resource(id, version, note));
        assert_eq!(item.suspicion.map(|found| found.labels), expected, "{id} {version} {note}");
        assert_eq!(item.edition, None, "nobody asked");
    }
    // Where nothing is kept back for what it says, nobody reads them.
    let all = Case::new(proxy(vec![super::right(GrantBasis::GuardianAdult)], &[]), ADULT).lens().unwrap();
    let open = SourceView { lens: all, index: None, ..view };
    assert_eq!(open.describe(&resource("other", "1", "HIV")).suspicion, None);
}
