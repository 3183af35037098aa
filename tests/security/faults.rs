//! What a fault tells whoever caused it.

use chartgate::config::Limits;
use sqlx::Connection as _;

use crate::support::world::{World, run};

/// Words of the inside: of the database, of the language, of the machine.
const INSIDE: [&str; 14] = [
    "sql",
    "canary",
    "no such",
    "panic",
    "src/",
    ".rs:",
    "unwrap",
    "backtrace",
    "stack",
    "/tmp",
    "serde",
    "tokio",
    "hyper",
    "axum",
];

fn holds(what: &str, answer: &Said, statuses: &[u16]) {
    assert!(statuses.contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
    let text = answer.text.to_lowercase();
    for word in INSIDE {
        assert!(!text.contains(word), "{what}: {word} in {}", answer.text);
    }
    let id = answer.id.as_deref().unwrap_or_else(|| panic!("{what}: no request id"));
    assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{what}: {id}");
    assert!(!answer.text.contains(id), "{what}: the id is for who reads the log");
}

struct Said {
    status: u16,
    id: Option<String>,
    text: String,
}

async fn ask(request: reqwest::RequestBuilder) -> Said {
    said(request).await.unwrap()
}

async fn said(request: reqwest::RequestBuilder) -> reqwest::Result<Said> {
    let answer = request.send().await?;
    let id = answer.headers().get("x-request-id").map(|id| id.to_str().unwrap().to_owned());
    Ok(Said { status: answer.status().as_u16(), id, text: answer.text().await? })
}

/// The answer to more than is read. Whoever still sends when the server closes may lose it (RFC 9112 §9.6), and asks again.
async fn ask_too_much(request: reqwest::RequestBuilder) -> Said {
    for _ in 0..20 {
        if let Ok(said) = said(request.try_clone().unwrap()).await {
            return said;
        }
    }
    panic!("twenty connections were cut without an answer")
}

#[test]
fn w16_faults_name_a_request_and_nothing_of_the_inside() {
    const FORM: &str = "application/x-www-form-urlencoded";
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let token = world.token("maria").await;
        // Nobody used this one yet: nothing of it is known but from the database.
        let unused = world.token("carlos").await;
        let browser = world.browser("maria").await;
        let session = format!("chartgate-session={}", browser.cookies["chartgate-session"]);
        let (get, post) = (
            |path: &str| world.http.get(format!("{}{path}", world.issuer)),
            |path: &str| world.http.post(format!("{}{path}", world.issuer)).header("sec-fetch-site", "same-origin"),
        );

        // Bytes that are no text, in a path, a query, a form, a header and a document.
        for (what, request) in [
            ("path", get("/fhir/Patient/%ff%fe").bearer_auth(&token)),
            ("page path", get("/record/%ff").header("cookie", &session)),
            ("query", get("/fhir/Condition?code=%ff%fe").bearer_auth(&token)),
            ("page query", get("/find?name=%ff")),
            ("authorize", get("/oauth/authorize?client_id=%ff&state=%00")),
            ("form", post("/sign-in").header("content-type", FORM).body(vec![b'u', b'=', 0xff, 0xfe])),
            ("token", post("/oauth/token").header("content-type", FORM).body(b"grant_type=\xff".to_vec())),
            (
                "search",
                post("/fhir/Condition/_search").bearer_auth(&token).header("content-type", FORM).body(vec![0xff]),
            ),
            ("cookie", get("/account").header("cookie", &b"chartgate-session=\xff"[..])),
            ("bearer", get("/fhir/Condition").header("authorization", &b"Bearer \xff"[..])),
            ("json", post("/api/v1/sessions").header("content-type", "application/json").body(vec![b'{', 0xff])),
            ("not json", post("/api/v1/sessions").header("content-type", "application/json").body("{\"username\":1}")),
        ] {
            holds(what, &ask(request).await, &[200, 303, 400, 401, 403, 404, 422]);
        }

        // Too much of it.
        let long = "x".repeat(300_000);
        for (path, kind) in [
            ("/sign-in", FORM),
            ("/oauth/token", FORM),
            // FHIR R4 http.html has its own word for it: `too-costly`.
            ("/fhir/Condition/_search", FORM),
            ("/api/v1/sessions", "application/json"),
        ] {
            let request = post(path).bearer_auth(&token).header("content-type", kind).body(long.clone());
            let refused = ask_too_much(request).await;
            holds(path, &refused, if path.starts_with("/fhir/") { &[400] } else { &[413] });
        }
        // hyper answers before anything of ours is asked: no id, and no word. It takes what came by its last read, at most
        // twice 408 KiB.
        let head = get("/sign-in").header("x-long", long.repeat(7)).send().await;
        if let Ok(head) = head {
            assert_eq!(head.status(), 431);
            assert_eq!(head.text().await.unwrap(), "");
        }

        // A database that does not answer as it must.
        let mut raw = sqlx::SqliteConnection::connect(&world.database_url()).await.unwrap();
        for broken in [
            "ALTER TABLE sessions RENAME TO canary_sessions",
            "ALTER TABLE generations RENAME TO canary_generations",
            "ALTER TABLE accounts RENAME TO canary_accounts",
            "ALTER TABLE organizations RENAME TO canary_organizations",
            "ALTER TABLE access_tokens RENAME TO canary_tokens",
            "ALTER TABLE links RENAME TO canary_links",
        ] {
            sqlx::raw_sql(broken).execute(&mut raw).await.unwrap();
        }
        let refresh =
            post("/oauth/token").header("content-type", FORM).body("grant_type=refresh_token&refresh_token=x");
        let json = |path: &str| post(path).header("content-type", "application/json");
        for (what, request, statuses) in [
            ("page", get("/").header("cookie", &session), &[503][..]),
            ("account", get("/account").header("cookie", &session), &[503]),
            ("api", get("/api/v1/links").header("cookie", &session), &[503]),
            ("sign-in", json("/api/v1/sessions").body("{\"username\":\"maria\",\"password\":\"x\"}"), &[503]),
            ("fhir", get("/fhir/Condition").bearer_auth(&unused), &[500, 503]),
            ("fhir, unknown token", get("/fhir/Condition").bearer_auth("somebody-elses"), &[401, 500, 503]),
            ("token", refresh, &[400, 401, 503]),
            ("brands", get("/brands"), &[200, 500, 503]),
        ] {
            holds(what, &ask(request).await, statuses);
        }
    });
}
