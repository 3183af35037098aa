//! The head of a request is limited, in fields and in bytes, and who sent too much is told in the surface's own words.

use crate::support::world::{World, run};

/// 64 fields and 16 KiB of them are read: fields of our own, and what the client sends by itself.
#[test]
fn w14_a_head_beyond_its_limits_is_refused_in_the_form_of_the_surface() {
    run(async {
        let world = World::start(Vec::new(), vec![World::nobody("dana")], chartgate::config::Limits::default()).await;
        let names: Vec<String> = (0..65).map(|number| format!("x-field-{number}")).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        let long = "a".repeat(16 * 1_024);
        let half = "a".repeat(8 * 1_024 - 500);
        let get = async |path: &str, headers: &[(&str, &str)]| world.stranger().send("GET", path, headers, "").await;
        for (path, kind) in [
            ("/fhir/Patient", "application/fhir+json"),
            ("/fhir", "application/fhir+json"),
            ("/api/v1/apps", "application/problem+json"),
            ("/oauth/userinfo", "application/json"),
            ("/oauth/authorize", "text/html"),
            ("/sign-in", "text/html"),
            ("/fhirx", "text/html"),
        ] {
            for headers in [many.clone(), vec![("x-long", long.as_str())]] {
                let answer = get(path, &headers).await;
                assert_eq!(answer.status, 431, "{path}");
                assert!(
                    answer.header("content-type").unwrap().starts_with(kind),
                    "{path}: {:?}",
                    answer.header("content-type")
                );
                assert!(!answer.body.contains("aaaa"), "{path}: nothing of it comes back");
            }
        }
        let outcome = get("/fhir/Patient", &many).await.json();
        assert_eq!(
            (outcome["resourceType"].as_str(), outcome["issue"][0]["code"].as_str()),
            (Some("OperationOutcome"), Some("too-costly"))
        );
        assert_eq!(get("/oauth/userinfo", &many).await.json()["error"], "invalid_request");
        assert_eq!(get("/api/v1/apps", &many).await.json()["status"], 431);
        // What is within both is answered as always.
        assert_eq!(get("/sign-in", &many[..50]).await.status, 200);
        assert_eq!(get("/sign-in", &[("x-a", half.as_str()), ("x-b", half.as_str())]).await.status, 200);
    });
}
