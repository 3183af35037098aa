//! Narratives of a source that writes what a browser would run.

use serde_json::{Value, json};

use super::hostile::{CANARY, OWN, World, observation};

const HOSTILE: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p onclick=\"alert(1)\">Weight<script>alert(1)</script>\
                       <img src=\"https://evil.test/x\"/></p></div>";
const CLEANED: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Weight<img/></p></div>";
const CLEAN: &str = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p class=\"a\">Größe:\u{a0}&lt; 2 m<br/></p></div>";

fn text(div: &str) -> Value {
    json!({"status": "generated", "div": div})
}

#[tokio::test]
async fn u17_narratives_leave_clean_in_every_answer() {
    let world = World::start().await;
    let hostile = observation(
        "o1",
        &json!({"text": text(HOSTILE), "contained": [{"resourceType": "Device", "id": "d", "text": text(HOSTILE)}],
            "device": {"reference": "#d"}, "valueString": "<script>no narrative</script>"}),
    );
    let clean = observation("o2", &json!({"text": text(CLEAN)}));
    world.holds(&hostile);
    world.holds(&clean);
    world.finds("Observation", &[hostile, clean]);
    let mut patient = json!({"resourceType": "Patient", "id": OWN, "name": [{"family": "Own"}]});
    patient["text"] = text(HOSTILE);
    world.holds(&patient);
    world.finds("Patient", &[patient]);

    let read: Value = serde_json::from_str(&world.read("Observation", "o1").await.unwrap()).unwrap();
    let found = world.search("Observation", &[]).await;
    for resource in [&read, &found["entry"][0]["resource"]] {
        assert_eq!(resource["text"]["div"], CLEANED);
        assert_eq!(resource["contained"][0]["text"]["div"], CLEANED);
        assert_eq!(resource["valueString"], "<script>no narrative</script>", "other strings are no markup");
    }
    // What is clean keeps its bytes.
    let bytes = world.read("Observation", "o2").await.unwrap();
    assert!(bytes.contains(&serde_json::to_string(CLEAN).unwrap()), "{bytes}");
    assert_eq!(found["entry"][1]["resource"]["text"]["div"], CLEAN);

    for body in [
        world.read_with("patient/*.rs", "Patient", &world.person.to_string()).await.unwrap(),
        world.read("Patient", OWN).await.unwrap(),
        world.search("Patient", &[]).await.to_string(),
        world.search("Observation", &[("_summary", "text")]).await.to_string(),
    ] {
        for never in ["alert", "evil.test", "onclick", CANARY] {
            assert!(!body.contains(never), "{never} in {body}");
        }
    }
}
