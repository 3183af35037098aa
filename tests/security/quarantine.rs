//! A source that hands out other people's records again and again is set aside, and everybody is told what is missing.

use std::time::Duration;

use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind};
use chartgate::storage::audit::{self, AuditRow};
use serde_json::{Value, json};

use super::hostile::{CANARY, OTHER, OWN, observation, over_http};
use crate::support::world::{EVERYTHING, World, run};

/// The newest rows of the audit trail of this kind, once there are so many.
async fn rows(world: &World, kind: &str, wanted: usize) -> Vec<AuditRow> {
    for _ in 0..100 {
        let mut rows = audit::recent(&world.app.db, 500).await.unwrap();
        rows.retain(|row| row.kind == kind && (kind != "source" || row.interaction.as_deref() == Some("set-aside")));
        if rows.len() >= wanted {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("there are not {wanted} rows of {kind}");
}

/// The three of the threat table, behind one that is the person's own.
fn mixed() -> Vec<Value> {
    let subject = |value: Value| observation("x", &json!({"subject": value, "valueString": CANARY}));
    let mut all = vec![
        observation("own", &json!({})),
        subject(json!({"reference": format!("Patient/{OTHER}")})),
        subject(Value::Null),
        subject(json!({"identifier": {"value": OWN}})),
    ];
    for (index, resource) in all.iter_mut().enumerate().skip(1) {
        resource["id"] = format!("x{index}").into();
        if resource["subject"].is_null() {
            resource.as_object_mut().unwrap().remove("subject");
        }
    }
    all
}

#[test]
fn u12_after_three_answers_with_others_in_them_within_an_hour_a_source_is_not_asked_for_an_hour() {
    run(async {
        let (world, ehr) = over_http(Limits::default()).await;
        let (ann, bob) = (world.token("ann").await, world.token("bob").await);
        let key = world.source_key(&ehr.base).await;
        let standing = || world.app.gateway.standing().swap_remove(0);
        ehr.finds("Observation", &mixed());
        let mut asked = 0;
        for (number, query) in ["", "?_sort=date", "?_total=accurate"].iter().enumerate() {
            assert!(!standing().set_aside, "after {number}");
            ehr.asked();
            let answer = world.get(&format!("/fhir/Observation{query}"), &ann).await;
            assert_eq!(answer.ids(), [format!("{key}.own")], "{query}");
            assert!(!answer.text.contains(CANARY) && !answer.text.contains(OTHER), "{}", answer.text);
            asked += usize::from(!ehr.asked().is_empty());
            assert_eq!(standing().foreign, 3 * (number as u64 + 1));
        }
        assert_eq!(asked, 3);
        let recorded = rows(&world, "fhir", 3).await;
        assert!(recorded.iter().all(|row| row.withheld == Some(3)), "{recorded:#?}");
        // Now nobody asks it anything, whoever they are.
        assert!(standing().set_aside);
        let me = world.person("ann").id;
        for (token, target) in [
            (&ann, "/fhir/Observation".to_owned()),
            (&ann, format!("/fhir/Observation/{key}.own")),
            (&ann, format!("/fhir/Patient/{me}")),
            (&ann, "/fhir/Practitioner".to_owned()),
            (&ann, format!("/fhir/Observation/{key}.own/_history")),
            (&bob, "/fhir/Observation".to_owned()),
        ] {
            let answer = world.get(&target, token).await;
            assert_eq!(answer.status, 503, "{target}: {}", answer.text);
            assert!(answer.text.contains("Practice X") && answer.header("retry-after").is_some(), "{}", answer.text);
        }
        assert_eq!(ehr.asked(), [""; 0]);
        let [row] = &rows(&world, "source", 1).await[..] else { panic!("it is recorded once") };
        assert_eq!(row.object.as_deref(), Some(format!("Source/{key}").as_str()));
        assert_eq!((row.person, row.account), (None, None));
        assert!(!format!("{row:?}").contains(OTHER));
        // After an hour it is asked again; three more, and it is set aside again.
        world.clock.advance(Duration::from_secs(3_601));
        assert!(!standing().set_aside);
        let later = world.token_for("ann", "ann", "later", EVERYTHING).await;
        for _ in 0..3 {
            assert_eq!(world.get("/fhir/Observation", &later).await.ids(), [format!("{key}.own")]);
        }
        assert_eq!(world.get("/fhir/Observation", &later).await.status, 503);
        assert_eq!(rows(&world, "source", 2).await.len(), 2);
    });
}

#[test]
fn u12_nobody_can_set_a_source_aside_by_asking_and_what_cannot_be_told_does_not() {
    run(async {
        let (world, ehr) = over_http(Limits::default()).await;
        let ann = world.token("ann").await;
        let key = world.source_key(&ehr.base).await;
        // Ids that a caller guesses: the source gives what was asked for.
        let theirs = observation("theirs", &json!({"subject": {"reference": format!("Patient/{OTHER}")}}));
        ehr.holds(&theirs);
        for _ in 0..5 {
            for path in ["", "/_history", "/_history/1"] {
                assert_eq!(world.get(&format!("/fhir/Observation/{key}.theirs{path}"), &ann).await.status, 404);
            }
        }
        // Whose these are cannot be told, or she stands in them herself: what a parent wrote about a child comes when
        // the parent's messages are asked for.
        let [own, _, nobodys, logical] = &mixed()[..] else { panic!("four") };
        ehr.finds("Observation", &[own.clone(), nobodys.clone(), logical.clone()]);
        ehr.finds(
            "Communication",
            &[json!({"resourceType": "Communication", "id": "about-a-child", "status": "completed",
                "subject": {"reference": format!("Patient/{OTHER}")}, "sender": {"reference": format!("Patient/{OWN}")}})],
        );
        for _ in 0..5 {
            assert_eq!(world.get("/fhir/Observation", &ann).await.ids(), [format!("{key}.own")]);
            assert_eq!(world.get("/fhir/Communication", &ann).await.ids(), [""; 0]);
        }
        assert!(!world.app.gateway.standing()[0].set_aside);
    });
}

#[test]
fn u12_the_other_practices_answer_on_and_the_one_that_is_missing_is_named_on_every_page() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let whole = world.get("/fhir/Condition?_count=500", &token).await.ids();
        let (riverside, lakeside) = (world.practice("riverside"), world.practice("lakeside"));
        riverside.faults.add(Fault::new(FaultKind::IgnoredParameters(vec!["patient".to_owned()])));
        for _ in 0..3 {
            let answer = world.get("/fhir/Condition?_count=500", &token).await;
            assert_eq!((answer.ids(), answer.outcomes()), (whole.clone(), Vec::new()), "whole all the same");
        }
        // Even if it has come to its senses: somebody has to look.
        world.heal();
        world.forget_upstream();
        let kept: Vec<String> = whole.iter().filter(|id| id.starts_with(&lakeside.source)).cloned().collect();
        assert!(kept.len() >= 2 && kept.len() < whole.len());
        let pages = world.pages("/fhir/Condition?_count=1", &token).await;
        let shown: Vec<String> = pages.iter().flat_map(|page| page.ids()).collect();
        assert_eq!(shown, kept);
        for page in pages {
            let outcomes = page.outcomes();
            assert_eq!(outcomes.len(), 1, "{outcomes:?}");
            let says = outcomes[0].starts_with("security: ") && outcomes[0].contains(&riverside.name);
            assert!(says && outcomes[0].contains("not asked at the moment"), "{outcomes:?}");
            assert!(page.json().get("total").is_none());
        }
        assert_eq!(riverside.requests.fhir_count(), 0, "it was asked");
    });
}
