//! What is refused, dropped, and how it is said.

use super::*;

fn refusal(resource_type: ResourceType, text: &str, handling: Handling) -> SearchError {
    match parse(knowledge(), resource_type, &pairs(text), handling) {
        Err(error) => error,
        Ok(_) => panic!("{text} was taken"),
    }
}

#[test]
fn what_could_widen_a_result_is_refused_whatever_the_handling() {
    for text in [
        "_has=x",
        "_has:Observation:patient:code=1",
        "subject.name=Smith",
        "subject:Patient.name=Smith",
        "patient.identifier=MRN|1",
        "encounter.service-provider.name=x",
        "_filter=code eq x",
        "_query=current",
        "_text=x",
        "_text:not=x",
        "_content=x",
        "_list=42",
        "_in=Group/1",
        "_contained=both",
        "_containedType=container",
        "_source=http://x",
        "_security=R",
        "_profile=http://x",
        "_profile:below=http://x",
        "_type=Patient",
        "_include=*",
        "_include=Observation:*",
        "_include=Observation:nothing",
        "_include=Observation:code",
        "_include=Substance:code",
        "_include:recurse=Observation:subject",
        "_revinclude=*:*",
        "_include=Observation:subject:Encounter",
        "_id:not=a1",
        "_id:text=true",
        "subject:Encounter=1",
        "subject:patient=1",
        "patient:Group=1",
        "subject:in=x",
        "_format=xml",
        "_format=text/html",
        "_sort:asc=date",
    ] {
        for handling in [Handling::Strict, Handling::Lenient] {
            let error = refusal(ResourceType::Observation, text, handling);
            assert_eq!(error.code, SearchErrorCode::NotSupported, "{text} {handling:?}");
        }
    }
}

#[test]
fn the_unknown_is_refused_under_strict_and_dropped_and_named_under_lenient_handling() {
    for (text, name) in [
        ("nonsense=1", "nonsense"),
        ("CODE=1", "CODE"),
        ("code;x=1", "code;x"),
        ("code[]=1", "code[]"),
        ("code\0=1", "code?"),
        ("code:in=http://x", "code:in"),
        ("code:exact=1", "code:exact"),
        ("date:contains=2020", "date:contains"),
        ("_sort=nonsense", "_sort"),
        ("_score=1", "_score"),
    ] {
        let strict = refusal(ResourceType::Observation, text, Handling::Strict);
        assert_eq!((strict.code, strict.parameter.as_str()), (SearchErrorCode::NotSupported, name));
        let lenient =
            parse(knowledge(), ResourceType::Observation, &pairs(&format!("status=final&{text}")), Handling::Lenient)
                .unwrap();
        assert_eq!(lenient.ignored, [name]);
        assert_eq!(lenient.criteria.len(), 1);
    }
}

#[test]
fn a_malformed_value_of_a_known_parameter_is_an_error_whatever_the_handling() {
    for text in [
        "date=20x0",
        "date=2020-13",
        "date=2020-02-30",
        "date=2020-1-1",
        "date=2020-01-01T25:00",
        "date=2020-01-01T10",
        "date=2020-01-01T10:00+15:00",
        "date=xx2020",
        "date=",
        "date=2020,",
        "date=0000",
        "status=",
        "status=a,,b",
        "code=|",
        "code=a|b|c",
        "subject=../Patient/B",
        "subject=patient/A",
        "subject=Patient%2FB",
        "subject=Patient/A ",
        "subject=Patient/",
        "subject=#a",
        "subject=Patient?identifier=x",
        "subject=Patient/a/b",
        "subject:Patient=Group/1",
        "subject:Patient=https://ehr.example/fhir/Group/1",
        "_id=a b",
        "_id=x|y",
        "_id=..",
        "value-quantity=abc",
        "value-quantity=5|mg",
        "value-quantity=5|sys|",
        "value-quantity=5|a|b|c",
        "value-quantity=1e99999",
        "value-quantity=1.",
        "value-quantity=1111111111111111111111111111111111111111",
        "code-value-quantity=a",
        "code-value-quantity=a$1$2",
        "code-value-quantity=a$",
        "code-value-quantity=a$x",
        "code:missing=maybe",
        "_count=-1",
        "_count=x",
        "_count=",
        "_count=1&_count=2",
        "_sort=date&_sort=code",
        "_sort=",
        "_sort=date,",
        "_total=all",
        "_summary=yes",
        "_elements=",
        "_elements=a.b",
        "_include=Observation",
        "_include=Observation:subject:Patient:x",
        "_include=Encounter:subject",
    ] {
        for handling in [Handling::Strict, Handling::Lenient] {
            assert_eq!(refusal(ResourceType::Observation, text, handling).code, SearchErrorCode::Value, "{text}");
        }
    }
}

#[test]
fn there_are_limits() {
    let many: Vec<_> = (0..=MAX_PARAMETERS).map(|_| "status=final").collect();
    let long = format!("status={}", "x".repeat(MAX_BYTES));
    let values = format!("status={}", vec!["a"; MAX_VALUES + 1].join(","));
    for text in [many.join("&"), long, values] {
        assert_eq!(refusal(ResourceType::Observation, &text, Handling::Lenient).code, SearchErrorCode::TooLong);
    }
    assert!(query(ResourceType::Observation, &many[1..].join("&")).is_ok());
    assert_eq!(query(ResourceType::Observation, "_count=5000").unwrap().count, Some(MAX_COUNT));
    assert!(query(ResourceType::Observation, "_sort=date,-code,status,_id").is_ok());
    assert!(query(ResourceType::Observation, "_sort=date,-code,status,_id,subject").is_err());
}

#[test]
fn control_parameters_come_out_as_data() {
    let text = "_sort=-date,_lastUpdated&_count=0&_total=accurate&_summary=count&_elements=status,code&_elements=id\
                &_include=Observation:subject:Patient&_include:iterate=Encounter:location\
                &_revinclude=Provenance:target&_format=application/fhir+json&_pretty=true";
    let query = query(ResourceType::Observation, text).unwrap();
    assert_eq!(query.count, Some(0));
    assert_eq!(query.total, Some(TotalMode::Accurate));
    assert_eq!(query.summary, Some(Summary::Count));
    assert_eq!(query.elements, ["code", "id", "status"]);
    let sort: Vec<_> = query.sort.iter().map(|key| (key.parameter.as_str(), key.descending)).collect();
    assert_eq!(sort, [("date", true), ("_lastUpdated", false)]);
    assert_eq!(query.includes.len(), 2);
    assert!(query.includes.contains(&Include {
        source: ResourceType::Observation,
        parameter: "subject".to_owned(),
        target: Some(ResourceType::Patient),
        iterate: false,
    }));
    assert_eq!(query.revincludes[0].source, ResourceType::Provenance);
    assert!(query.criteria.is_empty() && query.ignored.is_empty());
}

#[test]
fn two_spellings_of_one_query_are_one_query() {
    for (left, right) in [
        ("status=final,amended&code=a", "code=a&status=amended,final,final"),
        ("patient=p1", "patient=Patient/p1"),
        ("subject:Patient=p1", "subject=Patient/p1"),
        ("subject=Patient/p1/_history/3", "subject=Patient/p1"),
        ("date=eq2020", "date=2020"),
        ("value-quantity=eq+005.0", "value-quantity=5.0"),
        ("value-quantity=5||", "value-quantity=5"),
        (r"code=a\$b", "code=a$b"),
        ("date=2020-01-01T00:00:00 02:00", "date=2020-01-01T00:00:00+02:00"),
    ] {
        let (left_query, right_query) =
            (query(ResourceType::Observation, left).unwrap(), query(ResourceType::Observation, right).unwrap());
        assert!(left_query == right_query, "{left} and {right}");
        assert_eq!(left_query.to_pairs(), right_query.to_pairs());
    }
    let (near, far) = ("value-quantity=5.0", "value-quantity=5.00");
    assert!(query(ResourceType::Observation, near).unwrap() != query(ResourceType::Observation, far).unwrap());
}

#[test]
fn a_value_that_is_mapped_away_never_matches_and_never_widens() {
    let subject = r#"{"resourceType":"Observation","id":"o","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/up"}}"#;
    let mapped = |text: &str| {
        query(ResourceType::Observation, text).unwrap().map_references(|reference| match reference {
            ReferenceValue::Local { id, .. } if id == "p1" => {
                Some(ReferenceValue::Local { resource_type: Some("Patient".to_owned()), id: "up".to_owned() })
            }
            _ => None,
        })
    };
    let holds = |query: &Query| matches(query, &resource(subject), &evaluation());
    assert!(holds(&mapped("subject=Patient/p1")));
    assert!(holds(&mapped("subject=Patient/p1,Patient/p2")));
    assert!(!mapped("subject=Patient/p1,Patient/p2").is_never());
    for text in ["subject=Patient/p2", "subject:identifier=x|y", "subject=Patient/p2&status=final"] {
        assert!(mapped(text).is_never() && !holds(&mapped(text)), "{text}");
        let printed = mapped(text).to_pairs();
        assert!(parse(knowledge(), ResourceType::Observation, &printed, Handling::Lenient).is_err(), "{text}");
    }
    let ids = query(ResourceType::Observation, "_id=a,b").unwrap().map_ids(|id| (id == "a").then(|| "o".to_owned()));
    assert!(holds(&ids) && !ids.is_never());
    assert!(query(ResourceType::Observation, "_id=a").unwrap().map_ids(|_| None).is_never());
    assert!(holds(&query(ResourceType::Observation, "status=final").unwrap().map_ids(|_| None)));
}

#[test]
fn nothing_shows_a_value() {
    let text = "identifier=SECRET&subject=Patient/SECRET&date=2001-09-11&code-value-quantity=SECRET$7654321";
    let shown = format!("{:?}", query(ResourceType::Observation, text).unwrap());
    for secret in ["SECRET", "2001", "7654321"] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let error = query(ResourceType::Observation, "date=SECRET").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("SECRET"));
}
