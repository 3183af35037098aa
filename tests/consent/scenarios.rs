//! The seventy scenarios, by number: what is decided, through which surfaces it was tried, and what waits for a capability
//! that is not there yet. The people: Ana 8, Ben 14, Cy 17 years and 364 days, Dee 18, Eve 45, Fay 82; their parents Gil
//! and Hana, stepfather Ike, Fay's daughter Jo, agency worker Kit.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use chartgate::consent::{Rule, Verdict};

use super::asking::*;
use super::generate::{DAY, TODAY};
use super::model;
use super::real::{TABLES, asked};

/// What is expected of a decision.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expect {
    Seen,
    Outline,
    WithoutContacts,
    Not(Rule),
}
use Expect::{Not, Outline, Seen, WithoutContacts};

/// The ways to an item: by what `surfaces::seen` walks it in every scenario, or which capability has to bring it.
const SURFACES: [(&str, Result<&str, &str>); 14] = [
    ("read", Ok("read of {way}")),
    ("search by GET", Ok("let got = world.get")),
    ("search by POST", Ok("world.search_by_post")),
    ("total", Ok("{kind}: total")),
    ("page", Ok("world.pages(")),
    ("batch", Ok("batch(world, token, kind)")),
    ("$everything", Ok("$everything?_type={kind}")),
    ("history", Ok("{place}/_history")),
    ("include", Ok("included(world, token, kind)")),
    ("portal pages", Ok("on_pages(world, token, person, kind)")),
    ("app token", Ok("fn token<")),
    ("notification", Err("notifications about new items")),
    ("zip export", Err("zip export")),
    ("trend lines, bills, messages, renewals", Err("the pages of those capabilities")),
];

/// One scenario.
struct Scenario {
    number: u8,
    what: &'static str,
    decisions: Vec<(Value, Expect)>,
    /// Tests that try it over HTTP.
    surfaces: &'static [&'static str],
    /// The capability that has to show it.
    waits_for: Option<&'static str>,
}

fn scenario(number: u8, what: &'static str, decisions: Vec<(Value, Expect)>) -> Scenario {
    Scenario { number, what, decisions, surfaces: &[], waits_for: None }
}

impl Scenario {
    fn tried(self, surfaces: &'static [&'static str]) -> Self {
        Self { surfaces, ..self }
    }

    fn waits(self, capability: &'static str) -> Self {
        Self { waits_for: Some(capability), ..self }
    }
}

/// A parent and a small child, and what overrules it.
fn childhood() -> Vec<Scenario> {
    let restriction = |effect: &str| json!({"kind": "restriction", "against": "gil", "effect": effect});
    let at_two =
        |question| with(question, &[("grants/0/organizations", json!(["one"])), ("organization", json!("two"))]);
    let flag = json!({"kind": "flag", "source": "aaaa", "type": "DocumentReference", "id": "1"});
    let note = of(base(ANA), "DocumentReference", "notes");
    let barred = laid(base(ANA), restriction("records-only"));
    let place = of(barred.clone(), "Appointment", "visits");
    vec![
        scenario(1, "Gil reads Ana's labs", vec![(base(ANA), Seen)]).tried(&["a_parent_sees_a_small_child"]),
        scenario(
            2,
            "and not at a practice that the grant leaves out",
            vec![(at_two(base(ANA)), Not(Rule::ScopeSource))],
        )
        .tried(&["a_practice_that_the_grant_leaves_out_is_not_asked"]),
        scenario(3, "Ike without a grant", vec![(with(base(ANA), &[("grants", json!([]))]), Not(Rule::NoGrant))])
            .tried(&["whoever_has_no_grant_finds_nothing"]),
        scenario(4, "Ike, co-signed by Hana, writes to the office", vec![(acting(base(ANA), "message"), Seen)])
            .waits("messages"),
        scenario(
            5,
            "a note that a clinician flagged",
            vec![
                (laid(note.clone(), flag), Not(Rule::Flagged)),
                (labelled(note, "parent-restricted"), Not(Rule::Label)),
            ],
        )
        .tried(&["what_a_clinician_keeps_from_parents_is_not_there"]),
        scenario(
            6,
            "`records-only`: without address and place, and nothing is done",
            vec![
                (of(barred.clone(), "Patient", "demographics"), WithoutContacts),
                (place, WithoutContacts),
                (acting(barred, "message"), Not(Rule::Restriction)),
            ],
        )
        .tried(&["a_custody_order_takes_address_and_place"]),
        scenario(7, "court effect `none`", vec![(laid(base(ANA), restriction("none")), Not(Rule::Restriction))])
            .tried(&["whoever_a_court_keeps_out_is_out"]),
        scenario(8, "Hana ends Gil's grant herself", vec![])
            .tried(&["both_sides_see_a_grant_and_either_ends_what_is_theirs_to_end"]),
        scenario(9, "Hana hides Gil's messages", vec![]).waits("messages"),
        scenario(10, "Gil lists who accessed Ana's record", vec![])
            .tried(&["people_see_who_looked_and_proxies_by_role_alone"]),
    ]
}

/// A teenager.
fn youth() -> Vec<Scenario> {
    let assent = |labels: Value| json!({"kind": "assent", "grant": "g0", "labels": labels});
    let visit = of(base(BEN), "Encounter", "visits");
    let uncoded = with(base(BEN), &[("item/codes", json!([]))]);
    let vital =
        with(of(base(BEN), "Observation", "vitals"), &[("item/codes", json!([["http://loinc.org", "8302-2"]]))]);
    let bill = of(base(BEN), "Invoice", "billing");
    let meds = of(base(BEN), "MedicationRequest", "meds");
    let at_wa = |question| with(question, &[("policy", TABLES.0["us-wa"].clone())]);
    let std = labelled(base(BEN), "STD");
    let expanded = laid(base(BEN), assent(json!([])));
    let day = |question, hour: i64, today: &str| {
        with(question, &[("now", json!(TODAY + hour * 3_600_000_000)), ("today", json!(today))])
    };
    let twelve = with(base("2014-05-03"), &[]);
    vec![
        scenario(11, "Ben's immunizations", vec![(of(base(BEN), "Immunization", "immunizations"), Seen)])
            .tried(&["a_parent_sees_of_a_teenager_what_is_listed"]),
        scenario(
            12,
            "Ben's chlamydia test",
            vec![(std.clone(), Not(Rule::AllowList)), (labelled(vital.clone(), "STD"), Not(Rule::Label))],
        )
        .tried(&["f11_i18_hidden_things_leave_no_trace"]),
        scenario(13, "a search for it", vec![(std.clone(), Not(Rule::AllowList))])
            .tried(&["f11_i18_hidden_things_leave_no_trace"]),
        scenario(
            14,
            "an uncoded result",
            vec![
                (uncoded, Not(Rule::AllowList)),
                (with(vital.clone(), &[("item/codes", json!([]))]), Not(Rule::AllowList)),
                (vital.clone(), Seen),
            ],
        )
        .tried(&["a_parent_sees_of_a_teenager_what_is_listed"]),
        scenario(
            15,
            "a visit to the adolescent clinic, and what hangs on it",
            vec![
                (labelled(visit.clone(), "minor-consented"), Not(Rule::Label)),
                (with(vital.clone(), &[("item/tainted", json!(true))]), Not(Rule::Taint)),
                (visit, Outline),
            ],
        )
        .tried(&["f11_i18_hidden_things_leave_no_trace"])
        .waits("reminders of appointments by mail"),
        scenario(
            16,
            "the bill of that visit",
            vec![
                (with(labelled(bill, "SEX"), &[("item/tainted", json!(true))]), Outline),
                (of(base(BEN), "ChargeItem", "billing"), Not(Rule::AllowList)),
            ],
        )
        .tried(&["of_a_bill_amount_and_date_are_left"]),
        scenario(17, "renewal of a contraceptive", vec![(labelled(meds.clone(), "SEX"), Not(Rule::AllowList))])
            .tried(&["f11_i18_hidden_things_leave_no_trace"])
            .waits("renewals"),
        scenario(
            18,
            "renewal of an inhaler, where the list has medicines",
            vec![(acting(at_wa(meds.clone()), "renew"), Seen), (acting(meds, "renew"), Not(Rule::ScopeAction))],
        )
        .waits("renewals"),
        scenario(19, "Ben reads his own", vec![(with(std.clone(), &[("own", json!(true))]), Seen)])
            .tried(&["a_teenager_sees_everything"]),
        scenario(20, "Ben's account with Gil's e-mail address", vec![]).tried(&[
            "i23_one_mailbox_belongs_to_one_account_and_only_its_reader_is_told",
            "s20_of_a_minor_who_names_somebody_else_s_address_staff_hear_and_it_is_not_taken",
        ]),
        scenario(
            21,
            "Ben lets Gil see more",
            vec![(expanded.clone(), Seen), (labelled(expanded.clone(), "STD"), Not(Rule::Label))],
        )
        .tried(&["assent_opens_and_its_end_closes_at_once"]),
        scenario(
            22,
            "and mental health",
            vec![
                (labelled(laid(base(BEN), assent(json!(["MH"]))), "MH"), Seen),
                (labelled(laid(base(BEN), assent(json!(["MH"]))), "SUD"), Not(Rule::Label)),
            ],
        )
        .tried(&["assent_opens_and_its_end_closes_at_once"]),
        scenario(23, "Ben ends it while Gil looks", vec![(base(BEN), Not(Rule::AllowList))])
            .tried(&["assent_opens_and_its_end_closes_at_once"]),
        scenario(24, "Gil's app, with a token from before", vec![(base(BEN), Not(Rule::AllowList))])
            .tried(&["assent_opens_and_its_end_closes_at_once"]),
        scenario(
            25,
            "a confidential message",
            vec![(of(base(BEN), "Communication", "messages"), Not(Rule::AllowList))],
        )
        .waits("messages: lists and counts of threads"),
        scenario(26, "Gil exports Ben's record", vec![(acting(base(BEN), "export"), Not(Rule::ScopeAction))])
            .tried(&["a_parent_sees_of_a_teenager_what_is_listed"])
            .waits("zip export"),
        scenario(
            27,
            "an export asked for the day before",
            vec![
                (
                    acting(day(with(twelve.clone(), &[("births", json!(["2014-05-04"]))]), 16, "2026-05-03"), "export"),
                    Seen,
                ),
                (acting(day(twelve.clone(), 16, "2026-05-03"), "export"), Not(Rule::ScopeAction)),
            ],
        )
        .waits("queued export"),
        scenario(
            28,
            "the twelfth birthday at the practice's midnight",
            vec![
                (with(day(twelve.clone(), 4, "2026-05-02"), &[("now", json!(TODAY + 4 * 3_600_000_000 - 1))]), Seen),
                (day(twelve, 4, "2026-05-03"), Not(Rule::AllowList)),
            ],
        )
        .tried(&["s28_a_birthday_begins_at_the_midnight_of_each_practice"]),
        scenario(
            29,
            "born on 29 February",
            vec![
                (at("2008-02-29", "2026-02-28", 1_772_294_400_000_000), Not(Rule::AllowList)),
                (at("2008-02-29", "2026-03-01", 1_772_380_800_000_000), Not(Rule::AgeBand)),
            ],
        )
        .tried(&["s29_born_on_29_february_they_are_of_age_on_1_march"]),
        scenario(
            30,
            "born in 2012",
            vec![(with(vital.clone(), &[("births", json!(["2012"]))]), Seen), (base("2012"), Not(Rule::AllowList))],
        )
        .tried(&["s30_of_a_year_alone_every_age_that_it_may_mean_has_its_say"]),
        scenario(
            65,
            "two practices with policies of their own",
            vec![
                (base("2013-01-15"), Not(Rule::AllowList)),
                (at_wa(base("2013-01-15")), Seen),
                (at_wa(base("2012-01-15")), Not(Rule::AllowList)),
            ],
        )
        .tried(&["each_practice_decides_by_its_own_policy"])
        .waits("trend lines"),
    ]
}

/// The decision of a parent on another day, at noon in New York.
fn at(born: &str, today: &str, noon: i64) -> Value {
    with(base(born), &[("today", json!(today)), ("now", json!(noon)), ("grants/0/from", json!(0))])
}

/// Of age: nobody but by choice, by law, or by death.
fn adulthood() -> Vec<Scenario> {
    let shared = |born| by(base(born), "patient-consent");
    let scope = |question, path: &str, value| with(question, &[(&format!("grants/0/{path}"), value)]);
    let hiv = scope(shared(EVE), "sensitivity", json!({"all-but": ["HIV"]}));
    let noted = |topic: &str| with(hiv.clone(), &[("item/suspected", json!({"labels": [topic], "words": "w1"}))]);
    let said = |labels: Value| json!({"kind": "reviewed", "source": "aaaa", "type": "Observation", "id": "1", "words": "w1", "labels": labels});
    let hold = |question| {
        let held = laid(question, json!({"kind": "hold", "categories": ["results"], "days": null}));
        with(held, &[("item/reviewed", json!(false))])
    };
    let jo = |born| by(base(born), "hcpoa");
    let springing = scope(jo(FAY), "springing", json!(true));
    let now = TODAY + 16 * 3_600_000_000;
    let guardian = with(jo(FAY), &[("grants", json!([with(grant("guardian-adult"), &[("id", json!("g1"))])]))]);
    let best = |days: i64| scope(by(base(FAY), "best-interest"), "from", json!(now - days * DAY));
    let dead = |basis| laid(by(base(FAY), basis), json!({"kind": "deceased"}));
    let holder_died = |question: Value, days: &[(i64, Option<i64>)]| {
        let deaths =
            days.iter().map(|(from, until)| json!({"from": now + from * DAY, "until": until.map(|d| now + d * DAY)}));
        let deaths: Vec<Value> = deaths.collect();
        with(question, &[("holder_died", json!(deaths))])
    };
    let none = with(base(FAY), &[("grants", json!([]))]);
    vec![
        scenario(
            31,
            "Cy turns 18",
            vec![
                (base(CY), Not(Rule::AllowList)),
                (base(DEE), Not(Rule::AgeBand)),
                (of(scope(base(DEE), "guarantor", json!(true)), "Invoice", "billing"), Outline),
                (scope(base(DEE), "guarantor", json!(true)), Not(Rule::AgeBand)),
            ],
        )
        .tried(&["at_eighteen_parents_are_out"]),
        scenario(
            32,
            "Dee shares the results of 2024 and 2025",
            vec![
                (scope(shared(DEE), "data", json!({"from": "2024-01-01", "until": "2025-12-31"})), Seen),
                (
                    scope(shared(DEE), "data", json!({"from": "2024-01-01", "until": "2025-05-31"})),
                    Not(Rule::ScopeDate),
                ),
                (scope(shared(DEE), "categories", json!(["meds"])), Not(Rule::ScopeCategory)),
            ],
        )
        .tried(&["a_grant_may_be_for_some_years_of_results"]),
        scenario(33, "and it ended", vec![(scope(shared(DEE), "until", json!(now)), Not(Rule::GrantPeriod))])
            .tried(&["a_grant_ends_on_its_day"]),
        scenario(
            34,
            "Eve's spouse may look",
            vec![(shared(EVE), Seen), (acting(shared(EVE), "message"), Not(Rule::ScopeAction))],
        )
        .waits("messages"),
        scenario(
            35,
            "may act, and connects an app",
            vec![
                (acting(scope(shared(EVE), "level", json!("act")), "connect-app"), Not(Rule::ScopeAction)),
                (
                    acting(
                        scope(scope(shared(EVE), "level", json!("act")), "actions", json!(["connect-app"])),
                        "connect-app",
                    ),
                    Seen,
                ),
            ],
        )
        .tried(&["who_may_act_but_not_connect_apps_connects_none"]),
        scenario(
            36,
            "and lets a sister in",
            vec![(acting(scope(shared(EVE), "level", json!("manage")), "grant-others"), Not(Rule::ScopeAction))],
        )
        .tried(&["a_patient_hands_out_a_code_for_whom_they_name_and_takes_it_back"]),
        scenario(
            37,
            "Eve leaves HIV out",
            vec![
                (labelled(of(hiv.clone(), "MedicationRequest", "meds"), "HIV"), Not(Rule::Label)),
                (with(hiv.clone(), &[("item/tainted", json!(true))]), Not(Rule::Taint)),
                (noted("HIV"), Not(Rule::Review)),
                (noted("MH"), Seen),
                (laid(noted("HIV"), said(json!([]))), Seen),
                (laid(noted("MH"), said(json!(["HIV"]))), Not(Rule::Label)),
                (hiv, Seen),
            ],
        )
        .tried(&[
            "what_a_patient_leaves_out_is_not_there",
            "words_keep_items_from_whom_the_label_would_until_staff_have_looked",
        ])
        .waits("bills, interactions, visit texts"),
        scenario(
            38,
            "and the second practice",
            vec![
                (
                    with(
                        scope(shared(EVE), "without_organizations", json!(["two"])),
                        &[("organization", json!("two"))],
                    ),
                    Not(Rule::ScopeSource),
                ),
                (scope(shared(EVE), "without_organizations", json!(["two"])), Seen),
            ],
        )
        .tried(&["a_practice_that_the_grant_leaves_out_is_not_asked"])
        .waits("trend lines"),
        scenario(
            39,
            "results wait until they are reviewed",
            vec![
                (hold(shared(EVE)), Not(Rule::Hold)),
                (hold(with(base(EVE), &[("own", json!(true)), ("grants", json!([]))])), Not(Rule::Hold)),
            ],
        )
        .tried(&["a_hold_is_about_data_not_about_who_looks"]),
        scenario(40, "Jo before the power of attorney springs", vec![(springing.clone(), Not(Rule::NotYetInEffect))])
            .tried(&["a_power_of_attorney_springs_and_lapses"]),
        scenario(41, "and after", vec![(scope(springing, "activated", json!(now)), Seen)])
            .tried(&["a_power_of_attorney_springs_and_lapses"]),
        scenario(
            42,
            "after its end, or a missed review",
            vec![
                (scope(jo(FAY), "until", json!(now)), Not(Rule::GrantPeriod)),
                (scope(jo(FAY), "review_by", json!(now)), Not(Rule::ReviewDue)),
            ],
        )
        .tried(&["a_power_of_attorney_springs_and_lapses"]),
        scenario(43, "Fay ends it", vec![(none.clone(), Not(Rule::NoGrant))])
            .tried(&["i16_a_grant_that_ends_is_dead_everywhere"]),
        scenario(44, "a court appoints Max", vec![(guardian, Seen), (none.clone(), Not(Rule::NoGrant))])
            .tried(&["a_superseded_power_of_attorney_is_suspended_at_the_desk_and_the_privacy_officer_decides"]),
        scenario(
            45,
            "Kit leaves the agency",
            vec![(scope(by(base(ANA), "foster"), "until", json!(now)), Not(Rule::GrantPeriod))],
        )
        .tried(&["s45_when_somebody_leaves_an_agency_nobody_else_has_their_leave"]),
        scenario(46, "best interest on day 91", vec![(best(90), Not(Rule::ReviewDue)), (best(89), Seen)])
            .tried(&["s46_best_interest_ends_on_the_ninety_first_day"]),
        scenario(
            47,
            "Fay dies",
            vec![
                (dead("hcpoa"), Not(Rule::Deceased)),
                (dead("executor"), Seen),
                (by(base(FAY), "executor"), Not(Rule::NotYetInEffect)),
            ],
        )
        .tried(&["after_a_death_nobody_reads_but_the_executor"]),
        scenario(
            48,
            "Jo dies",
            vec![
                (holder_died(jo(FAY), &[(-1, None)]), Not(Rule::HolderDeceased)),
                (
                    holder_died(with(dead("executor"), &[("account", json!("jo"))]), &[(-1, None)]),
                    Not(Rule::HolderDeceased),
                ),
                (holder_died(jo(FAY), &[(1, None), (-2, Some(-1))]), Seen),
                (holder_died(jo(FAY), &[(-2, Some(-1)), (-1, None)]), Not(Rule::HolderDeceased)),
                (none, Not(Rule::NoGrant)),
            ],
        )
        .tried(&["s48_when_a_proxy_dies_what_they_may_do_is_suspended"]),
        scenario(
            54,
            "an emancipated sixteen-year-old",
            vec![
                (laid(base("2010-01-15"), json!({"kind": "emancipated"})), Not(Rule::AgeBand)),
                (with(base("2010-01-15"), &[("own", json!(true))]), Seen),
            ],
        )
        .tried(&["s54_an_emancipated_minor_decides_alone"]),
        scenario(
            66,
            "the EHR says R",
            vec![
                (labelled(shared(EVE), "restricted"), Not(Rule::Label)),
                (labelled(base(ANA), "restricted"), Not(Rule::Label)),
            ],
        )
        .tried(&["what_a_clinician_keeps_from_parents_is_not_there"]),
        scenario(
            67,
            "a drug becomes sensitive",
            vec![(labelled(scope(shared(EVE), "sensitivity", json!({"only": []})), "MH"), Not(Rule::Label))],
        )
        .tried(&["what_becomes_sensitive_is_hidden_within_seconds"]),
        scenario(
            68,
            "the rules cannot be had",
            vec![(with(base(ANA), &[("births", json!(["soon"]))]), Not(Rule::AgeBand))],
        )
        .tried(&["without_rules_proxies_see_nothing_and_people_their_own"]),
    ]
}

/// Apps, and what has no place here yet.
fn around() -> Vec<Scenario> {
    let mut list = vec![
        scenario(58, "an app for a proxy", vec![]).tried(&["an_app_for_a_proxy_stays_with_the_person"]),
        scenario(59, "and another child by its token", vec![]).tried(&["an_app_for_a_proxy_stays_with_the_person"]),
        scenario(60, "Provenance of what is withheld", vec![]).tried(&["f11_i18_hidden_things_leave_no_trace"]),
        scenario(70, "written out and read in", vec![]).tried(&["exported_consents_decide_alike_in_an_empty_instance"]),
        scenario(61, "its history", vec![]).tried(&["f11_i18_hidden_things_leave_no_trace"]),
    ];
    for (number, what, test) in [
        (49, "a merge into a chart of somebody else", &["i20_a_merge_into_somebody_else_is_frozen"][..]),
        (50, "a merge into a chart of the same human", &["i20_a_merge_into_the_same_human_is_followed"][..]),
        (
            51,
            "two on one survivor",
            &["i20_of_two_accounts_on_one_survivor_the_newer_is_frozen_and_neither_sees_the_others"][..],
        ),
        (52, "a merge that is undone", &["i20_a_wrong_merge_is_stopped_told_of_and_undone"][..]),
        (53, "not my chart", &["a_record_that_is_not_mine_is_gone_and_the_practice_looks_at_it"][..]),
        (
            55,
            "a code for somebody's own record in other hands",
            &["a_code_of_somebody_else_does_not_join_ones_record"][..],
        ),
        (
            56,
            "a code for Hana in the hands of Ike",
            &["a_code_for_a_proxy_is_for_whom_it_names_and_locked_after_that"][..],
        ),
        (57, "fifty at once", &["i03_fifty_redemptions_of_one_code_make_one_link"][..]),
        (62, "support looks for a chart", &["i19_roles_hold_and_nobody_appoints_or_decides_for_themselves"][..]),
        (64, "staff of another practice", &["i21_staff_see_their_own_organization_only"][..]),
    ] {
        list.push(scenario(number, what, vec![]).tried(test));
    }
    list.push(scenario(63, "staff open a chart in an emergency", vec![]).waits("charts for staff, with break-glass"));
    list.push(scenario(69, "a mail about a result that is hidden", vec![]).waits("notifications about new items"));
    list
}

fn all() -> Vec<Scenario> {
    [childhood(), youth(), adulthood(), around()].into_iter().flatten().collect()
}

/// Every question of every scenario, named.
pub(super) fn questions() -> Vec<(String, Value)> {
    let named = |scenario: Scenario| {
        let Scenario { number, what, decisions, .. } = scenario;
        decisions.into_iter().enumerate().map(move |(at, (question, _))| (format!("{number}.{at}: {what}"), question))
    };
    all().into_iter().flat_map(named).collect()
}

#[test]
fn every_scenario_is_decided_as_it_should_be_and_by_the_rule_that_says_so() {
    for Scenario { number, what, decisions, .. } in all() {
        for (at, (question, expected)) in decisions.iter().enumerate() {
            let decided = match asked(question).verdict() {
                Verdict::Withheld(rule) => Not(rule),
                Verdict::Shown(shown) if shown.is_outline => Outline,
                Verdict::Shown(shown) if shown.hides_contacts => WithoutContacts,
                Verdict::Shown(_) => Seen,
            };
            assert_eq!(decided, *expected, "{number}.{at}: {what}");
            assert_eq!(asked(question).answer(), model::answer(question), "{number}.{at}: {what}: the model");
        }
    }
}

#[test]
fn every_number_is_there_once_and_what_waits_is_named() {
    let scenarios = all();
    let numbers: BTreeSet<u8> = scenarios.iter().map(|scenario| scenario.number).collect();
    assert_eq!(numbers, (1..=70).collect());
    assert_eq!(scenarios.len(), 70);
    let surfaces = concat!(
        include_str!("surfaces.rs"),
        include_str!("family.rs"),
        include_str!("adults.rs"),
        include_str!("boundaries.rs"),
        include_str!("exchange.rs"),
        include_str!("minors.rs"),
        include_str!("people.rs"),
        include_str!("reviews.rs"),
        include_str!("traces.rs"),
        include_str!("../accounts/addresses.rs"),
        include_str!("../linking/charts.rs"),
        include_str!("../linking/codes.rs"),
        include_str!("../linking/console.rs"),
        include_str!("../linking/grants.rs"),
        include_str!("../linking/minors.rs"),
        include_str!("../linking/proxies.rs"),
        include_str!("../linking/unlink.rs"),
    );
    for (surface, by) in SURFACES {
        match by {
            Ok(step) => assert!(surfaces.contains(step), "{surface} is not walked any more"),
            Err(capability) => println!("{surface} waits for {capability}"),
        }
    }
    for scenario in &scenarios {
        let is_shown = !scenario.decisions.is_empty() || !scenario.surfaces.is_empty();
        assert!(is_shown || scenario.waits_for.is_some(), "{}: nothing shows it", scenario.number);
        for test in scenario.surfaces {
            assert!(surfaces.contains(&format!("fn {test}()")), "{}: no test {test}", scenario.number);
        }
        if let Some(capability) = scenario.waits_for {
            println!("{} waits for {capability}: {}", scenario.number, scenario.what);
        }
    }
}
