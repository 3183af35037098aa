//! Sorting: the order of the specification's §3.1.1.5.1, nulls last, partial dates as intervals.

use super::*;

/// The ids in the order of the key; resources without a tie.
fn order(key: &str, resources: &[&str]) -> Vec<String> {
    let scanned: Vec<_> = resources.iter().map(|json| resource(json)).collect();
    let sort = query(scanned[0].facts.resource_type, &format!("_sort={key}")).unwrap().sort.remove(0);
    let mut keyed: Vec<_> = scanned
        .iter()
        .map(|resource| {
            let key = sort_key(&sort, resource, &evaluation());
            // A page link carries keys: they survive storage.
            let stored = serde_json::to_string(&key).unwrap();
            assert!(serde_json::from_str::<SortValue>(&stored).unwrap() == key);
            (key, resource.id().unwrap().to_owned())
        })
        .collect();
    keyed.sort_by(|left, right| left.0.cmp(&right.0));
    keyed.into_iter().map(|(_, id)| id).collect()
}

#[test]
fn dates_sort_by_start_up_and_by_end_down_and_absence_is_last() {
    let observation = |id: &str, effective: &str| {
        format!(r#"{{"resourceType":"Observation","id":"{id}","status":"final","code":{{"text":"x"}}{effective}}}"#)
    };
    let all = [
        observation("none", ""),
        observation("year", r#","effectiveDateTime":"2020""#),
        observation("july", r#","effectiveDateTime":"2020-07-01""#),
        observation("open", r#","effectivePeriod":{"start":"2020-03-01"}"#),
        observation("before", r#","effectiveDateTime":"2019-12-31T23:30:00-01:00""#),
    ];
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    // 23:30 at -01:00 is half past midnight of the new year in UTC: just after the year's start.
    assert_eq!(order("date", &all), ["year", "before", "open", "july", "none"]);
    assert_eq!(order("-date", &all), ["open", "year", "july", "before", "none"]);
}

#[test]
fn strings_sort_without_case_and_accents() {
    let patient = |id: &str, name: &str| format!(r#"{{"resourceType":"Patient","id":"{id}"{name}}}"#);
    let all = [
        patient("none", ""),
        patient("zoe", r#","name":[{"family":"zoe"}]"#),
        patient("emile", r#","name":[{"family":"Émile"}]"#),
        patient("adam", r#","name":[{"family":"ADAM"},{"family":"Young"}]"#),
        patient("frank", r#","name":[{"family":"frank"}]"#),
    ];
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(order("family", &all), ["adam", "emile", "frank", "zoe", "none"]);
    // Of several values the greatest counts when descending.
    assert_eq!(order("-family", &all), ["zoe", "adam", "frank", "emile", "none"]);
}

#[test]
fn tokens_sort_by_system_then_code_and_quantities_by_value() {
    let observation =
        |id: &str, rest: &str| format!(r#"{{"resourceType":"Observation","id":"{id}","status":"final",{rest}}}"#);
    let code =
        |coding: &str, value: &str| format!(r#""code":{{"coding":[{coding}]}},"valueQuantity":{{"value":{value}}}"#);
    let all = [
        observation("b2", &code(r#"{"system":"b","code":"2"}"#, "9")),
        observation("a9", &code(r#"{"system":"a","code":"9"}"#, "10.5")),
        observation("b1", &code(r#"{"system":"b","code":"1"}"#, "-1e1")),
        observation("bare", &code(r#"{"code":"5"}"#, "10.50001")),
        observation("none", r#""code":{"text":"x"}"#),
    ];
    let all: Vec<_> = all.iter().map(String::as_str).collect();
    assert_eq!(order("code", &all), ["bare", "a9", "b1", "b2", "none"]);
    assert_eq!(order("-code", &all), ["b2", "b1", "a9", "bare", "none"]);
    assert_eq!(order("value-quantity", &all), ["b1", "b2", "a9", "bare", "none"]);
    assert_eq!(order("-value-quantity", &all), ["bare", "a9", "b2", "b1", "none"]);
    assert_eq!(order("_id", &all), ["a9", "b1", "b2", "bare", "none"]);
    assert_eq!(order("-_id", &all), ["none", "bare", "b2", "b1", "a9"]);
}

#[test]
fn decimals_compare_by_value_whatever_their_digits() {
    use std::cmp::Ordering;
    let decimal = |text| Decimal::parse(text).unwrap();
    for (left, right, expected) in [
        ("1", "1.000", Ordering::Equal),
        ("1e2", "100", Ordering::Equal),
        ("-0", "0.00", Ordering::Equal),
        ("0.1", "0.09999999999999999999999999999", Ordering::Greater),
        ("-2", "-10", Ordering::Greater),
        ("-1", "0", Ordering::Less),
        ("9e400", "999999999999999999999999999999", Ordering::Greater),
        ("1e-400", "0", Ordering::Greater),
        ("123456789012345678901234567890", "123456789012345678901234567891", Ordering::Less),
    ] {
        assert_eq!(decimal(left).compare(decimal(right)), expected, "{left} {right}");
        assert_eq!(decimal(right).compare(decimal(left)), expected.reverse(), "{right} {left}");
    }
    for text in ["", "-", "+", ".5", "5.", "1e", "e5", "1x", "0x1", "1 ", "١", "1e401", "NaN", "--1"] {
        assert!(Decimal::parse(text).is_none(), "{text}");
    }
}
