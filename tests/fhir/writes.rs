//! Nothing can be written yet: every form of every write is refused, and no EHR hears of it.

use serde_json::json;

use chartgate::config::Limits;

use crate::support::world::{World, run};

#[test]
fn f17_f18_f19_f20_f21_f22_f36_every_write_is_refused_and_reaches_no_ehr() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        let (me, other) = (world.person("maria").id, world.person("carlos").id);
        let id = world.search("Communication", &[], &token).await.ids()[0].clone();
        let canary = "canary-of-a-write";
        let message = json!({"resourceType": "Communication", "status": "completed", "note": [{"text": canary}],
            "subject": {"reference": format!("Patient/{other}")}, "basedOn": [{"reference": "https://evil.test/Task/1"}]})
        .to_string();
        let patch = json!([{"op": "test", "path": "/birthDate", "value": canary}]).to_string();
        let subscription = json!({"resourceType": "Subscription", "criteria": format!("Observation?patient={other}"),
            "channel": {"type": "rest-hook", "endpoint": "http://169.254.169.254/"}})
        .to_string();
        let json_type = "application/fhir+json";
        let patch_type = "application/json-patch+json";
        let requests: Vec<(&str, String, &str, &str)> = vec![
            ("POST", "Communication".to_owned(), json_type, &message),
            ("POST", "Subscription".to_owned(), json_type, &subscription),
            ("POST", "Claim".to_owned(), json_type, "{}"),
            ("PUT", format!("Communication/{id}"), json_type, &message),
            ("PUT", format!("Patient/{me}"), json_type, "{}"),
            ("PUT", "Patient?identifier=MRN|B".to_owned(), json_type, "{}"),
            ("PUT", format!("Communication/{id}/_history/1"), json_type, &message),
            ("PATCH", format!("Communication/{id}"), patch_type, &patch),
            ("PATCH", format!("Patient/{other}"), patch_type, &patch),
            ("PATCH", "Patient?identifier=MRN|B".to_owned(), patch_type, &patch),
            ("DELETE", format!("Communication/{id}"), json_type, ""),
            ("DELETE", format!("Observation?patient={other}"), json_type, ""),
            ("DELETE", format!("Communication/{id}/_history"), json_type, ""),
            ("DELETE", format!("Patient/{me}/Communication"), json_type, ""),
            ("POST", format!("Patient/{me}/Communication"), json_type, &message),
            ("POST", format!("Communication/{id}"), json_type, &message),
            ("PUT", String::new(), json_type, "{}"),
            ("DELETE", String::new(), json_type, ""),
            ("PATCH", "Communication".to_owned(), patch_type, &patch),
        ];
        world.forget_upstream();
        for (method, target, kind, body) in &requests {
            for extra in [None, Some(("if-none-exist", "identifier=MRN|B")), Some(("if-match", "W/\"1\""))] {
                let headers: Vec<(&str, &str)> = [("content-type", *kind)].into_iter().chain(extra).collect();
                for token in [Some(token.as_str()), None] {
                    let answer = world.send(method, &format!("/fhir/{target}"), token, &headers, body).await;
                    let refused = [403, 405].contains(&answer.status);
                    assert!(refused, "{method} {target}: {}", answer.status);
                    assert_eq!(answer.json()["resourceType"], "OperationOutcome", "{method} {target}");
                    assert!(!answer.text.contains(canary) && !answer.text.contains(&other.to_string()));
                }
            }
        }
        // In a batch each is refused in its place, and the reads beside them are answered.
        let entries: Vec<_> = requests
            .iter()
            .map(|(method, target, _, _)| {
                json!({
                    "resource": {"resourceType": "Communication", "note": [{"text": canary}]},
                    "request": {"method": method, "url": target, "ifNoneExist": "identifier=MRN|B"},
                })
            })
            .chain([json!({"request": {"method": "GET", "url": "metadata"}})])
            .collect();
        let bundle = json!({"resourceType": "Bundle", "type": "batch", "entry": entries}).to_string();
        let answer = world.send("POST", "/fhir", Some(&token), &[("content-type", json_type)], &bundle).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answered = answer.json()["entry"].as_array().cloned().unwrap();
        let (last, writes) = answered.split_last().unwrap();
        assert_eq!(last["response"]["status"], "200 OK");
        assert_eq!(writes.len(), requests.len());
        for (entry, (method, target, ..)) in writes.iter().zip(&requests) {
            assert_eq!(entry["response"]["status"], "405 Method Not Allowed", "{method} {target}");
            assert_eq!(entry["response"]["outcome"]["resourceType"], "OperationOutcome");
        }
        assert!(!answer.text.contains(canary));
        let mut transaction: serde_json::Value = serde_json::from_str(&bundle).unwrap();
        transaction["type"] = "transaction".into();
        let headers = [("content-type", json_type)];
        let answer = world.send("POST", "/fhir", Some(&token), &headers, &transaction.to_string()).await;
        assert_eq!(answer.status, 400);
        assert_eq!(world.upstream_counts(), [0, 0], "an EHR was asked");
    });
}
