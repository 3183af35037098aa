//! The same by the portal API, as another front end does it; and its description, which leaves nothing out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::support::world::run;

const OWN: (&str, &str) = ("sec-fetch-site", "same-origin");

async fn call(browser: &mut Browser, method: &str, path: &str, body: &Value) -> Answer {
    let headers = [OWN, ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    browser.send(method, path, &headers, &body).await
}

fn described() -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_description_names_every_route_and_method_of_the_api() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/api.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let mut served = BTreeSet::new();
    for route in source.split(".route(\"").skip(1) {
        let (path, rest) = route.split_once('"').unwrap();
        let line = rest.lines().next().unwrap();
        for method in ["get", "post", "put", "delete"] {
            if line.contains(&format!("{method}(")) {
                served.insert(format!("{method} {path}"));
            }
        }
    }
    let document = described();
    let mut named = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            named.insert(format!("{method} {path}"));
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.contains_key("405"), "{method} {path}");
            let is_open = operation["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(!is_open, answers.contains_key("401"), "{method} {path}");
            let changes = method != "get";
            assert_eq!(changes, answers.contains_key("403"), "{method} {path}");
            assert_eq!(operation.get("requestBody").is_some(), answers.contains_key("415"), "{method} {path}");
        }
    }
    assert_eq!(served, named);
}

#[test]
fn from_a_code_to_a_record_and_back_by_the_api() {
    run(async {
        let world = world().await;
        let code = own_code(&world, "MRN-994045").await;
        let mut daniel = stranger(&world);
        let answers = json!({"code": code, "birth_date": "1991-04-14", "family": "Okafor"});

        // Nothing happens for another site, or for what is no JSON.
        let json_kind = ("content-type", "application/json");
        for (headers, status) in [
            (vec![json_kind], 403),
            (vec![json_kind, ("sec-fetch-site", "cross-site")], 403),
            (vec![OWN, ("content-type", "text/plain")], 415),
        ] {
            let refused = daniel.send("POST", "/api/v1/redemptions", &headers, &answers.to_string()).await;
            assert_eq!(refused.status, status, "{headers:?} {}", refused.body);
            assert_eq!(refused.header("content-type"), Some("application/problem+json"));
        }
        // Mistyped is told, everything else is one refusal.
        let wrong = json!({"code": code, "birth_date": "1991-04-15", "family": "Okafor"});
        let unknown = {
            let random = chartgate::base::random::SeededRandom::new(99);
            chartgate::identity::ActivationCode::mint(&random).printed()
        };
        let nobody = json!({"code": unknown, "birth_date": "1991-04-14", "family": "Okafor"});
        let first = call(&mut daniel, "POST", "/api/v1/redemptions", &wrong).await;
        let second = call(&mut daniel, "POST", "/api/v1/redemptions", &nobody).await;
        assert_eq!((first.status, &first.body), (422, &second.body), "I02");
        let mistyped = json!({"code": "AAAA-AAAA-AAA0", "birth_date": "1991-04-14", "family": "Okafor"});
        assert_ne!(call(&mut daniel, "POST", "/api/v1/redemptions", &mistyped).await.body, first.body);
        assert_eq!(call(&mut daniel, "GET", "/api/v1/redemptions/current", &Value::Null).await.status, 404);

        let ready = call(&mut daniel, "POST", "/api/v1/redemptions", &answers).await;
        assert_eq!((ready.status, ready.json()), (200, json!({"state": "ready"})), "{}", ready.body);
        let shown = call(&mut daniel, "GET", "/api/v1/redemptions/current", &Value::Null).await.json();
        assert_eq!(
            shown,
            json!({"organization": "Riverside Family Practice", "initials": "D. O.", "birth_year": "1991",
                   "for_another": false})
        );
        // Nobody is signed in yet, so nobody can say yes.
        let yes = json!({"is_me": true});
        assert_eq!(call(&mut daniel, "POST", "/api/v1/redemptions/current/confirmation", &yes).await.status, 401);
        let user = |name: &str| json!({"username": name, "password": PASSWORD});
        let taken = call(&mut daniel, "POST", "/api/v1/redemptions/current/account", &user("clerk")).await;
        assert_eq!(taken.status, 409, "{}", taken.body);
        let made = call(&mut daniel, "POST", "/api/v1/redemptions/current/account", &user("daniel")).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let linked = call(&mut daniel, "POST", "/api/v1/redemptions/current/confirmation", &yes).await;
        assert_eq!(linked.status, 200, "{}", linked.body);
        let person = linked.json()["person"].clone();
        assert_eq!(call(&mut daniel, "POST", "/api/v1/redemptions/current/confirmation", &yes).await.status, 404);

        let links = call(&mut daniel, "GET", "/api/v1/links", &Value::Null).await.json();
        assert_eq!(links["persons"][0]["person"], person);
        let chart = &links["persons"][0]["charts"][0];
        assert_eq!((&chart["practice"], &chart["may_unlink"]), (&json!("Riverside Family Practice"), &json!(true)));
        let link = chart["link"].as_str().unwrap().to_owned();

        // What staff saw at the desk: both resources, without a number, and good for a year.
        let seen = call(&mut daniel, "GET", "/api/v1/verifications", &Value::Null).await;
        assert_eq!(seen.header("content-type"), Some("application/fhir+json"));
        let (provenance, result) = (&seen.json()["entry"][0]["resource"], &seen.json()["entry"][1]["resource"]);
        let patient = format!("Patient/{}", person.as_str().unwrap());
        assert_eq!(provenance["target"][0]["reference"], json!(patient));
        assert_eq!(provenance["entity"][0]["what"]["identifier"]["type"]["coding"][0]["code"], "DL");
        assert_eq!(result["meta"]["tag"][0]["code"], "IAL2");
        assert_eq!((&result["status"], &result["nextScheduled"]), (&json!("validated"), &json!("2027-09-15")));
        for hidden in ["994045", "Okafor", "clerk", "pat-1010"] {
            assert!(!seen.body.contains(hidden), "{hidden} in {}", seen.body);
        }
        for resource in [provenance, result] {
            let kind = resource["resourceType"].as_str().unwrap();
            let checked = chartgate::fhir::model::validate(resource.to_string().as_bytes(), &[kind]);
            assert!(checked.is_ok(), "{checked:?}");
        }
        // What was seen for a code that nobody used led to no link.
        own_code(&world, "MRN-994045").await;
        let again = call(&mut daniel, "GET", "/api/v1/verifications", &Value::Null).await;
        assert_eq!(again.json(), seen.json());
        let others = call(&mut world.browser("boss").await, "GET", "/api/v1/verifications", &Value::Null).await;
        assert_eq!(others.json(), json!({"resourceType": "Bundle", "type": "collection"}));

        // Somebody else's link is not there, nor is one that cannot be.
        let mut other = world.browser("boss").await;
        for path in [format!("/api/v1/links/{link}"), "/api/v1/links/x".to_owned(), "/api/v1/links/%ff".to_owned()] {
            assert_eq!(call(&mut other, "DELETE", &path, &Value::Null).await.status, 404, "{path}");
        }
        let gone = call(&mut daniel, "POST", &format!("/api/v1/links/{link}/not-mine"), &Value::Null).await;
        assert_eq!(gone.status, 204, "{}", gone.body);
        assert_eq!(waiting(&world).await, ["Somebody says that a record linked to them is not theirs."]);
        let links = call(&mut daniel, "GET", "/api/v1/links", &Value::Null).await.json();
        assert!(links["persons"].as_array().unwrap().iter().all(|one| one["charts"] == json!([])), "{links}");

        let found = call(&mut stranger(&world), "GET", "/api/v1/organizations?name=riverside", &Value::Null).await;
        assert_eq!(found.json()["organizations"][0]["name"], "Riverside Family Practice");
    });
}

#[test]
fn an_account_is_looked_after_by_the_api() {
    run(async {
        let world = world().await;
        let mut browser = stranger(&world);
        let sign_in = |password: &str| json!({"username": "boss", "password": password});
        assert_eq!(call(&mut browser, "POST", "/api/v1/sessions", &sign_in("wrong words here")).await.status, 422);
        world.account("boss").await;
        let begun = call(&mut browser, "POST", "/api/v1/sessions", &sign_in("correct horse battery")).await;
        assert_eq!((begun.status, begun.json()), (201, json!({"state": "open"})), "{}", begun.body);
        let account = call(&mut browser, "GET", "/api/v1/account", &Value::Null).await.json();
        assert_eq!((&account["username"], &account["second_factor"]), (&json!("boss"), &json!(false)), "{account}");

        // Five minutes later, what would hurt in the wrong hands takes a proof, which turns the cookie.
        world.clock.advance(std::time::Duration::from_secs(301));
        let refused = call(&mut browser, "POST", "/api/v1/account/second-factor", &Value::Null).await;
        assert_eq!(refused.status, 403);
        assert_eq!(refused.json()["type"], "urn:chartgate:problem:recent-proof");
        for path in ["/api/v1/account/saved-codes", "/api/v1/account/passkeys/question"] {
            assert_eq!(call(&mut browser, "POST", path, &Value::Null).await.status, 403, "{path}");
        }
        assert_eq!(call(&mut browser, "DELETE", "/api/v1/account", &Value::Null).await.status, 403);
        let before = browser.cookies.clone();
        let proof = |password: &str| json!({ "password": password });
        let path = "/api/v1/account/proof";
        assert_eq!(call(&mut browser, "POST", path, &proof("wrong words here")).await.status, 422);
        assert_eq!(call(&mut browser, "POST", path, &proof("correct horse battery")).await.status, 204);
        assert_ne!(before["chartgate-session"], browser.cookies["chartgate-session"]);
        let secret = call(&mut browser, "POST", "/api/v1/account/second-factor", &Value::Null).await;
        assert_eq!(secret.status, 201, "{}", secret.body);
        assert!(secret.json()["uri"].as_str().unwrap().starts_with("otpauth://totp/"));
        let codes = call(&mut browser, "POST", "/api/v1/account/saved-codes", &Value::Null).await.json();
        assert_eq!(codes["saved_codes"].as_array().unwrap().len(), 10);

        let new = json!({"kind": "email", "address": "boss@example.org"});
        assert_eq!(call(&mut browser, "POST", "/api/v1/account/contacts", &new).await.status, 202);
        let contacts = call(&mut browser, "GET", "/api/v1/account/contacts", &Value::Null).await.json();
        let id = contacts["contacts"][0]["id"].as_str().unwrap().to_owned();
        let mail = world.mails().await.into_iter().rfind(|mail| mail.to == "boss@example.org").unwrap();
        let code = mail.text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() >= 6).unwrap().to_owned();
        let path = format!("/api/v1/account/contacts/{id}/confirmation");
        assert_eq!(call(&mut browser, "POST", &path, &json!({"code": "1"})).await.status, 422);
        let confirmed = call(&mut browser, "POST", &path, &json!({ "code": code })).await;
        assert_eq!(confirmed.status, 204, "{code} {}", mail.text);

        let mut elsewhere = world.browser("boss").await;
        let listed = call(&mut browser, "GET", "/api/v1/account/sessions", &Value::Null).await.json();
        let other = listed["sessions"].as_array().unwrap().iter().find(|one| one["is_this"] == false).unwrap();
        let path = format!("/api/v1/account/sessions/{}", other["id"].as_str().unwrap());
        assert_eq!(call(&mut world.browser("clerk").await, "DELETE", &path, &Value::Null).await.status, 404);
        assert_eq!(call(&mut browser, "DELETE", &path, &Value::Null).await.status, 204);
        assert_eq!(call(&mut elsewhere, "GET", "/api/v1/account", &Value::Null).await.status, 401);

        assert_eq!(call(&mut browser, "DELETE", "/api/v1/account", &Value::Null).await.status, 204);
        let mut again = stranger(&world);
        let closed = call(&mut again, "POST", "/api/v1/sessions", &sign_in("correct horse battery")).await;
        assert_eq!(closed.status, 422);
    });
}

#[test]
fn a_claim_by_the_api_is_answered_alike_whatever_it_says() {
    run(async {
        let world = world().await;
        let organization = organization(&world, "riverside").await.to_string();
        let mut browser = world.browser("boss").await;
        let claim = |family: &str, number: &str| {
            json!({"organization": organization, "given": "Daniel", "family": family, "birth_date": "1991-04-14",
                   "number": number})
        };
        let good = call(&mut browser, "POST", "/api/v1/claims", &claim("Okafor", "994045")).await;
        let bad = call(&mut browser, "POST", "/api/v1/claims", &claim("Nobody", "1")).await;
        assert_eq!((good.status, &good.body), (202, &bad.body), "{}", good.body);
        let empty = call(&mut browser, "POST", "/api/v1/claims", &claim("", "1")).await;
        assert_eq!(empty.status, 422, "{}", empty.body);
        let wrong = call(&mut browser, "POST", "/api/v1/claims/code", &json!({"code": "000000"})).await;
        assert_eq!(wrong.status, 422);
    });
}

#[test]
fn a_code_is_handed_out_and_taken_back_and_a_request_made_by_the_api() {
    run(async {
        let world = world().await;
        let mut owner = daniel(&world, "daniel").await;
        let sees = json!({"categories": ["results"], "topics": ["mental-health"]});
        let preview = call(&mut owner, "POST", "/api/v1/people/invitations/preview", &sees).await;
        assert_eq!(preview.status, 200, "{}", preview.body);
        let seen = &preview.json()["sees"][0]["categories"];
        assert_eq!((&seen["results"], &seen["notes"]), (&json!("part"), &json!("nothing")), "{}", preview.body);
        let invite = json!({"given": "Sam", "family": "Cole", "sees": sees});
        let invitations = "/api/v1/people/invitations";
        // Long after signing in it takes a proof, as on the page.
        world.clock.advance(std::time::Duration::from_secs(600));
        let unproved = call(&mut owner, "POST", invitations, &invite).await;
        assert!(unproved.status == 403 && unproved.body.contains("recent-proof"), "{}", unproved.body);
        let proof = json!({"password": PASSWORD});
        assert_eq!(call(&mut owner, "POST", "/api/v1/account/proof", &proof).await.status, 204);
        for (what, wrong) in [
            ("nobody", json!({"given": "", "family": "Cole", "sees": sees})),
            ("no part", json!({"given": "Sam", "family": "Cole", "sees": {"categories": []}})),
            ("no such part", json!({"given": "Sam", "family": "Cole", "sees": {"categories": ["all"]}})),
            (
                "no such topic",
                json!({"given": "Sam", "family": "Cole", "sees": {"categories": ["results"], "topics": ["x"]}}),
            ),
            ("no day", json!({"given": "Sam", "family": "Cole", "until": "soon", "sees": sees})),
        ] {
            assert_eq!(call(&mut owner, "POST", invitations, &wrong).await.status, 422, "{what}");
        }
        let issued = call(&mut owner, "POST", invitations, &invite).await;
        assert_eq!((issued.status, &issued.json()["state"]), (201, &json!("issued")), "{}", issued.body);
        let code = issued.json()["code"].as_str().unwrap().to_owned();
        let requests = call(&mut owner, "GET", "/api/v1/people/requests", &Value::Null).await.json();
        let request = &requests["requests"][0];
        assert_eq!((&request["state"], &request["may_take_back"]), (&json!("issued"), &json!(true)), "{requests}");
        assert!(!requests.to_string().contains(&code), "told once");
        // It is nobody else's to take back, and dead once it was taken back.
        let path = format!("/api/v1/people/requests/{}", request["id"].as_str().unwrap());
        let mut boss = world.browser("boss").await;
        assert_eq!(call(&mut boss, "DELETE", &path, &Value::Null).await.status, 404);
        assert_eq!(call(&mut owner, "DELETE", &path, &Value::Null).await.status, 204);
        assert_eq!(call(&mut owner, "DELETE", &path, &Value::Null).await.status, 404);
        let tried = json!({"code": code, "birth_date": "1991-04-14", "family": "Cole"});
        let answer = call(&mut stranger(&world), "POST", "/api/v1/redemptions", &tried).await;
        assert!(answer.status == 422 || answer.json()["state"] == "ended", "{}", answer.body);
        // Whoever has no record of their own hands out none, and may ask by a document.
        assert_eq!(call(&mut boss, "POST", invitations, &invite).await.status, 409);
        let organization = organization(&world, "riverside").await.to_string();
        let ask = |document: &str| {
            json!({"organization": organization, "given": "Daniel", "family": "Okafor", "birth_date": "1991-04-14",
                   "own_given": "Bo", "own_family": "Ss", "basis": "hcpoa", "document": document})
        };
        assert_eq!(call(&mut boss, "POST", "/api/v1/people/requests", &ask("")).await.status, 422);
        let asked = call(&mut boss, "POST", "/api/v1/people/requests", &ask("power of attorney of 2026")).await;
        assert_eq!(asked.status, 202, "{}", asked.body);
        let requests = call(&mut boss, "GET", "/api/v1/people/requests", &Value::Null).await.json();
        assert_eq!(
            (&requests["requests"][0]["state"], &requests["requests"][0]["basis"]),
            (&json!("waiting"), &json!("hcpoa"))
        );
        assert!(requests["requests"].as_array().unwrap().len() == 1, "of others nothing: {requests}");
    });
}
