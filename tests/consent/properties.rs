//! What holds of every decision.

use serde_json::{Value, json};

use super::generate::{self, Dice};
use super::model;
use super::real::asked;

/// Cases of each property; `CHARTGATE_CASES` says otherwise.
pub(super) fn cases() -> u64 {
    std::env::var("CHARTGATE_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

/// How fully something is seen.
fn amount(answer: &Value) -> [bool; 3] {
    let see = answer["see"] == true;
    [see, see && answer["outline"] == false, see && answer["contacts"] == true]
}

#[test]
fn soundness_and_completeness_the_decision_is_the_model_s() {
    let mut dice = Dice::new(1);
    let (mut seen, mut outlines, mut without_contacts) = (0, 0, 0);
    for case in 0..cases() {
        let question = generate::question(&mut dice);
        let (expected, decided) = (model::answer(&question), asked(&question).answer());
        assert_eq!(decided, expected, "case {case}: {question:#}");
        seen += u64::from(expected["see"] == true);
        outlines += u64::from(expected["outline"] == true);
        without_contacts += u64::from(expected["contacts"] == false);
    }
    println!("{} cases: {seen} seen, {outlines} as outlines, {without_contacts} without contact data", cases());
    // The dice reach every kind of answer.
    assert!(seen > cases() / 20 && outlines > cases() / 2_000 && without_contacts > cases() / 2_000);
}

#[test]
fn monotonicity_less_right_never_shows_more() {
    let mut dice = Dice::new(2);
    let (mut fewer, mut case) = (0, 0);
    while case < cases() {
        let question = generate::question(&mut dice);
        let mut less = question.clone();
        // Where there is nothing to take away there is nothing to compare.
        let Some(change) = reduce(&mut dice, &mut less) else { continue };
        case += 1;
        let (before, after) = (amount(&asked(&question).answer()), amount(&asked(&less).answer()));
        for (before, after) in before.into_iter().zip(after) {
            assert!(before || !after, "case {case}: {change} shows more: {question:#}");
        }
        fewer += u64::from(before != after);
    }
    assert!(fewer > cases() / 100, "the changes take something away");
}

/// Takes some right away; `None` when there was none.
fn reduce(dice: &mut Dice, question: &mut Value) -> Option<&'static str> {
    let now = question["now"].as_i64().unwrap();
    let always = |mut rule: Value| {
        rule["from"] = json!(now - 1);
        rule["until"] = Value::Null;
        rule
    };
    let grants = question["grants"].as_array().unwrap().len();
    let change = dice.below(12);
    if change == 10 {
        let known = question["item"]["suspected"].is_null();
        question["item"]["suspected"] = json!({"labels": ["HIV", "MH"], "words": "w3"});
        return known.then_some("a suspicion");
    }
    if change == 11 {
        let item = &question["item"];
        let rule = json!({"kind": "reviewed", "source": question["source"], "type": item["type"], "id": item["id"],
            "words": item["suspected"]["words"], "labels": item["suspected"]["labels"]});
        let is_suspected = !item["suspected"].is_null();
        question["laid"].as_array_mut().unwrap().push(always(rule));
        // Whatever the words may say is so: not seen before, not seen now.
        return is_suspected.then_some("what its words say");
    }
    if change < 2 {
        let label = if change == 0 { "HIV" } else { "restricted" };
        question["item"]["labels"].as_array_mut().unwrap().push(json!(label));
        return Some("a label");
    }
    if change == 2 {
        question["item"]["tainted"] = json!(true);
        return Some("taint");
    }
    if change == 3 {
        let effect = dice.of(&["no-contact-data", "records-only", "none"]);
        let rule = always(json!({"kind": "restriction", "effect": effect, "against": null}));
        question["laid"].as_array_mut().unwrap().push(rule);
        return Some("a restriction");
    }
    if change == 9 {
        question["holder_died"].as_array_mut().unwrap().push(json!({"from": now - 1, "until": null}));
        return Some("a death of whoever looks");
    }
    if grants == 0 {
        return None;
    }
    let grant = &mut question["grants"][dice.below(grants as u64) as usize];
    match change {
        4 => {
            grant["until"] = json!(now);
            Some("an end")
        }
        5 => {
            grant["categories"] = json!(["results"]);
            // Whoever had fewer keeps fewer.
            grant["types"] = json!(["Observation"]);
            (grant["basis"] != "x").then_some("a scope").filter(|_| question["item"]["category"] != "results")
        }
        6 => {
            grant["level"] = json!("view");
            Some("a level")
        }
        7 => {
            grant["organizations"] = json!([]);
            Some("practices")
        }
        _ => {
            grant["review_by"] = json!(now);
            Some("a review")
        }
    }
}

/// What pages say of a whole category never promises less than items show, and `all` means all that nothing speaks against.
#[test]
fn what_is_said_of_a_category_holds_for_its_items() {
    use chartgate::consent::{Category, Extent};
    let mut dice = Dice::new(6);
    let mut said = std::collections::BTreeMap::new();
    for case in 0..cases() {
        let mut question = generate::question(&mut dice);
        let Ok(lens) = asked(&question).lens() else {
            assert_eq!(asked(&question).answer()["see"], false, "case {case}");
            continue;
        };
        let category = Category::parse(question["item"]["category"].as_str().unwrap()).unwrap();
        let extent = lens.extent(category);
        let answer = asked(&question).answer();
        match extent {
            Extent::Nothing => assert_eq!(answer["see"], false, "case {case}: {question:#}"),
            Extent::Outline => {
                assert!(answer["see"] == false || answer["outline"] == true, "case {case}: {question:#}")
            }
            Extent::Part => {}
            Extent::All => {
                question["item"]["labels"] = json!([]);
                question["item"]["tainted"] = json!(false);
                // What a clinician keeps back is not told by it.
                question["laid"].as_array_mut().unwrap().retain(|rule| rule["kind"] != "flag");
                let answer = asked(&question).answer();
                assert!(answer["see"] == true && answer["outline"] == false, "case {case}: {question:#}");
            }
        }
        *said.entry(extent).or_insert(0_u64) += 1;
    }
    assert!(said.len() == Extent::ALL.len() && said.values().all(|count| *count > cases() / 2_000), "{said:?}");
}

#[test]
fn revocation_whoever_has_no_grant_in_force_sees_nothing() {
    let mut dice = Dice::new(3);
    for case in 0..cases() {
        let mut question = generate::question(&mut dice);
        question["own"] = json!(false);
        let now = question["now"].clone();
        for grant in question["grants"].as_array_mut().unwrap() {
            grant["until"] = now.clone();
        }
        assert_eq!(asked(&question).answer(), json!({"see": false}), "case {case}: {question:#}");
    }
}

#[test]
fn a_decision_that_cannot_be_made_denies_proxies_and_not_the_person() {
    // 68: without rules of the practice there is no view, and without a view nothing is released; see `surfaces`.
    let mut dice = Dice::new(4);
    let bound = ["parent", "guardian-minor", "foster"];
    let (mut denied, mut own) = (0, 0);
    while denied < cases() || own < cases() {
        let mut question = generate::question(&mut dice);
        if question["own"] == true {
            let plain = asked(&question).answer();
            question["births"] = json!(["no date"]);
            assert_eq!(asked(&question).answer(), plain, "{question:#}");
            own += 1;
            continue;
        }
        question["births"] = json!(["no date"]);
        for grant in question["grants"].as_array_mut().unwrap() {
            // Who pays the bills sees them at any age; what others hold does not hang on one.
            grant["guarantor"] = json!(false);
            grant["basis"] = json!(dice.of(&bound));
        }
        question["laid"].as_array_mut().unwrap().retain(|rule| rule["kind"] != "emancipated");
        assert_eq!(asked(&question).answer(), json!({"see": false}), "{question:#}");
        denied += 1;
    }
}
