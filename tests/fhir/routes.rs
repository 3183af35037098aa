//! Every route of the product, without a token, with a foreign one, with the wrong person: none answers with anything
//! of anybody. A route that nobody wrote down here fails.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::fixtures;
use super::record::leaks;
use crate::support::world::run;

/// A route, what may be sent to it, and which statuses it may answer without data: without a token, and with somebody
/// else's. By hand.
const ROUTES: &[(&str, &[&str], &[u16])] = &[
    ("/", &["GET"], &[200, 303]),
    ("/sign-in", &["GET", "POST"], &[200, 303, 400, 403, 415]),
    ("/sign-out", &["POST"], &[303, 400, 403, 415]),
    ("/connect", &["GET", "POST"], &[303, 400, 403, 404, 415]),
    ("/connect/callback/{source}", &["GET"], &[303, 400]),
    ("/disconnect", &["GET", "POST"], &[303, 400, 403, 404, 415]),
    ("/switch", &["POST"], &[303, 400, 403, 404, 415]),
    ("/people", &["GET", "POST"], &[303, 400, 403, 404, 415]),
    ("/apps", &["GET"], &[303]),
    ("/apps/disconnect", &["POST"], &[303, 400, 403, 415]),
    ("/launch", &["GET", "POST"], &[303, 400, 403, 404, 415]),
    ("/record", &["GET"], &[303]),
    ("/record/file/{id}", &["GET"], &[303]),
    ("/record/{part}", &["GET"], &[303]),
    ("/record/{part}/{id}", &["GET"], &[303]),
    ("/account", &["GET"], &[303]),
    ("/account/prove", &["GET", "POST"], &[303, 415]),
    ("/account/password", &["GET", "POST"], &[303, 415]),
    ("/account/contact", &["GET", "POST"], &[303, 415]),
    ("/account/contact/code", &["POST"], &[303, 415]),
    ("/account/contact/confirm", &["GET", "POST"], &[303, 415]),
    ("/account/language", &["POST"], &[303, 415]),
    ("/account/sessions", &["GET", "POST"], &[303, 415]),
    ("/account/second-factor", &["GET", "POST"], &[303, 415]),
    ("/account/second-factor/confirm", &["POST"], &[303, 415]),
    ("/account/second-factor/off", &["POST"], &[303, 415]),
    ("/account/saved-codes", &["GET", "POST"], &[303, 415]),
    ("/sign-in/second-factor", &["GET", "POST"], &[200, 403]),
    ("/recover", &["GET", "POST"], &[200, 403]),
    ("/recover/link", &["GET", "POST"], &[200, 403]),
    ("/recover/finish", &["GET", "POST"], &[303, 403]),
    ("/account/passkeys", &["GET", "POST"], &[303, 415]),
    ("/account/passkeys/remove", &["POST"], &[303, 415]),
    ("/sign-in/passkey", &["GET", "POST"], &[403, 404]),
    ("/account/identities", &["GET"], &[303]),
    ("/account/identities/connect", &["POST"], &[303, 403, 415]),
    ("/account/identities/disconnect", &["POST"], &[303, 403, 415]),
    ("/sign-in/with/{provider}", &["GET"], &[404]),
    ("/sign-in/with/{provider}/callback", &["GET"], &[422]),
    ("/account/close", &["GET", "POST"], &[303, 415]),
    ("/undo-contact", &["GET", "POST"], &[200, 403]),
    ("/unlink", &["GET", "POST"], &[303, 400, 403, 404, 415]),
    ("/invite", &["GET", "POST"], &[200, 403, 415]),
    ("/invite/renew", &["POST"], &[403, 415]),
    ("/invite/account", &["GET", "POST"], &[303, 403, 415]),
    ("/invite/confirm", &["GET", "POST"], &[303, 403, 415]),
    ("/find", &["GET"], &[200]),
    ("/claim", &["GET", "POST"], &[200, 303, 403, 415]),
    ("/claim/code", &["POST"], &[303, 403, 415]),
    ("/claim/elsewhere", &["POST"], &[303, 403, 415]),
    ("/claim/proved", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic", &["GET"], &[303]),
    ("/clinic/work", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/work/end", &["POST"], &[303, 403, 415]),
    ("/clinic/find", &["POST"], &[303, 403, 415]),
    ("/clinic/verify", &["POST"], &[303, 403, 415]),
    ("/clinic/issue", &["POST"], &[303, 403, 415]),
    ("/clinic/invitations", &["GET"], &[303]),
    ("/clinic/invitations/reissue", &["POST"], &[303, 403, 415]),
    ("/clinic/invitations/revoke", &["POST"], &[303, 403, 415]),
    ("/clinic/access", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/apps", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/registered-apps", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/proxies", &["GET"], &[303]),
    ("/clinic/proxies/decide", &["POST"], &[303, 403, 415]),
    ("/clinic/grants", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/grants/suspend", &["POST"], &[303, 403, 415]),
    ("/clinic/grants/settle", &["POST"], &[303, 403, 415]),
    ("/people/see-as", &["GET"], &[303]),
    ("/access", &["GET"], &[303]),
    ("/people/invite", &["GET", "POST"], &[303, 403, 415]),
    ("/people/ask", &["GET", "POST"], &[303, 403, 415]),
    ("/people/take-back", &["POST"], &[303, 403, 415]),
    ("/clinic/reviews", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/reviews/say", &["POST"], &[303, 403, 415]),
    ("/clinic/queue", &["GET"], &[303]),
    ("/clinic/queue/close", &["POST"], &[303, 403, 415]),
    ("/clinic/queue/decide", &["POST"], &[303, 403, 415]),
    ("/clinic/links/freeze", &["POST"], &[303, 403, 415]),
    ("/clinic/links/free", &["POST"], &[303, 403, 415]),
    ("/clinic/links/end", &["POST"], &[303, 403, 415]),
    ("/clinic/links/exposure", &["POST"], &[303, 403, 415]),
    ("/clinic/organization", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/staff", &["GET", "POST"], &[303, 403, 415]),
    ("/clinic/services", &["GET", "POST"], &[303, 403, 415]),
    ("/api/v1/apps", &["GET", "POST"], &[401, 405]),
    ("/api/v1/apps/{id}", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/people", &["GET", "POST"], &[401, 405]),
    ("/api/v1/people/{grant}", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/people/invitations", &["POST", "GET"], &[401, 405]),
    ("/api/v1/people/invitations/preview", &["POST", "GET"], &[401, 405]),
    ("/api/v1/people/requests", &["GET", "POST"], &[401, 405]),
    ("/api/v1/people/requests/{id}", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/people/{grant}/assent", &["PUT", "DELETE", "GET"], &[401, 405]),
    ("/api/v1/people/{grant}/view", &["GET", "POST"], &[401, 405]),
    ("/api/v1/access/explain", &["GET", "POST"], &[401, 405]),
    ("/api/v1/access/history", &["GET", "POST"], &[401, 405]),
    ("/api/v1/launches", &["POST", "GET"], &[401, 405, 415]),
    ("/api/v1/sessions", &["POST", "GET"], &[403, 405]),
    ("/api/v1/sessions/second-factor", &["POST", "GET"], &[403, 404, 405]),
    ("/api/v1/sessions/current", &["DELETE", "GET"], &[403, 405]),
    ("/api/v1/account", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/account/proof", &["POST", "GET"], &[401, 405]),
    ("/api/v1/account/password", &["PUT", "GET"], &[401, 405]),
    ("/api/v1/account/language", &["PUT", "GET"], &[401, 405]),
    ("/api/v1/account/sessions", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/account/sessions/{id}", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/account/contacts", &["GET", "POST"], &[401, 405]),
    ("/api/v1/account/contacts/{id}/confirmation", &["POST", "GET"], &[401, 405]),
    ("/api/v1/account/second-factor", &["GET", "POST"], &[401, 405]),
    ("/api/v1/account/second-factor/confirmation", &["POST", "GET"], &[401, 405]),
    ("/api/v1/account/second-factor/end", &["POST", "GET"], &[401, 405]),
    ("/api/v1/account/saved-codes", &["POST", "GET"], &[401, 405]),
    ("/api/v1/account/passkeys", &["GET", "POST"], &[401, 405]),
    ("/api/v1/account/passkeys/question", &["POST", "GET"], &[401, 405]),
    ("/api/v1/account/passkeys/{id}", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/organizations", &["GET"], &[200, 405]),
    ("/api/v1/redemptions", &["POST", "GET"], &[403, 405]),
    ("/api/v1/redemptions/current", &["GET"], &[404, 405]),
    ("/api/v1/redemptions/current/account", &["POST", "GET"], &[403, 404, 405]),
    ("/api/v1/redemptions/current/confirmation", &["POST", "GET"], &[401, 405]),
    ("/api/v1/redemptions/current/renewal", &["POST", "GET"], &[403, 404, 405]),
    ("/api/v1/claims", &["POST", "GET"], &[401, 405]),
    ("/api/v1/claims/code", &["POST", "GET"], &[401, 405]),
    ("/api/v1/links", &["GET"], &[401, 405]),
    ("/api/v1/links/{id}", &["DELETE", "GET"], &[401, 405]),
    ("/api/v1/links/{id}/not-mine", &["POST", "GET"], &[401, 405]),
    ("/api/v1/verifications", &["GET", "POST"], &[401, 405]),
    ("/api/v1/identity-providers", &["GET"], &[200]),
    ("/api/v1/account/identities", &["GET", "POST"], &[401, 405]),
    ("/api/v1/account/identities/{id}", &["DELETE", "GET"], &[401, 405]),
    ("/api/openapi.json", &["GET"], &[200]),
    ("/brands", &["GET"], &[200]),
    ("/smart-style.json", &["GET"], &[200]),
    ("/favicon.ico", &["GET"], &[200, 204, 404]),
    ("/static/{file}", &["GET"], &[200, 404]),
    ("/oauth/authorize", &["GET", "POST"], &[400, 403, 415]),
    ("/oauth/consent", &["GET", "POST"], &[303, 400, 403, 415]),
    ("/oauth/encounter", &["GET", "POST"], &[303, 400, 403, 415]),
    ("/oauth/token", &["POST"], &[400, 401, 415]),
    ("/oauth/introspect", &["POST"], &[400, 401, 415]),
    ("/oauth/revoke", &["POST"], &[200, 400, 401, 415]),
    ("/oauth/userinfo", &["GET", "POST"], &[200, 401, 403]),
    ("/oauth/par", &["POST"], &[400, 401, 415]),
    ("/oauth/register", &["POST"], &[400, 401, 403, 415]),
    ("/oauth/register/{client}", &["GET", "PUT", "DELETE"], &[400, 401, 403, 415]),
    ("/.well-known/oauth-authorization-server", &["GET"], &[200]),
    ("/.well-known/jwks.json", &["GET"], &[200]),
    ("/.well-known/smart-configuration", &["GET"], &[200]),
    ("/.well-known/openid-configuration", &["GET"], &[200]),
    ("/fhir/.well-known/smart-configuration", &["GET"], &[200]),
    ("/fhir/.well-known/openid-configuration", &["GET"], &[200]),
    ("/fhir/metadata", &["GET"], &[200]),
    ("/fhir/{type}", &["GET", "POST", "PUT", "DELETE"], &[401, 405]),
    ("/fhir/{type}/_search", &["POST", "GET"], &[401, 405, 400, 415]),
    ("/fhir/{type}/{id}", &["GET", "PUT", "PATCH", "DELETE"], &[401, 404, 405]),
    ("/fhir/{type}/{id}/_history", &["GET", "PUT", "DELETE"], &[401, 404, 405]),
    ("/fhir/{type}/{id}/_history/{version}", &["GET", "PUT", "DELETE"], &[401, 404, 405]),
    ("/fhir/{type}/{id}/$everything", &["GET", "POST", "PUT", "DELETE"], &[401, 404, 405]),
    ("/fhir/{type}/$docref", &["GET", "POST", "PUT", "DELETE"], &[401, 404, 405]),
    ("/fhir/{type}/{id}/{member}", &["GET", "POST", "PUT", "DELETE"], &[401, 404, 405]),
    ("/fhir/{type}/{id}/{member}/_search", &["GET", "POST"], &[401, 404, 405]),
    ("/fhir", &["GET", "POST", "PUT", "DELETE"], &[401, 405, 415]),
    ("/fhir/", &["GET", "POST"], &[401, 405, 415]),
];

/// Paths that no route has.
const UNROUTED: &[(&str, &[&str], &[u16])] = &[
    ("/fhir/{type}/{id}/Observation/1", &["GET"], &[404]),
    ("/fhir/{type}/{id}/_history/1/2", &["GET"], &[404]),
    ("/fhir/_history", &["GET"], &[401, 404]),
    ("/admin", &["GET", "POST"], &[404]),
    ("/healthz", &["GET"], &[404]),
    ("/metrics", &["GET"], &[404]),
];

/// The routes as they stand in the sources.
pub(crate) fn in_the_sources() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
    let mut files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app.rs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http.rs"));
    for file in files.iter().filter(|file| file.exists() && !file.ends_with("src/http/operations.rs")) {
        let text = fs::read_to_string(file).unwrap();
        for piece in text.split(".route(").skip(1) {
            let piece = piece.trim_start().trim_start_matches("&format!(");
            let route = piece.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
            let route = route.unwrap_or_else(|| panic!("{}: a route that cannot be read: {piece:.60}", file.display()));
            for root in if route.starts_with("{root}") { &["", "/fhir"][..] } else { &[""][..] } {
                found.insert(route.replace("{root}", root));
            }
        }
    }
    found
}

#[test]
fn every_route_of_the_sources_is_in_the_sweep() {
    let written: BTreeSet<String> = ROUTES.iter().map(|(route, _, _)| (*route).to_owned()).collect();
    assert_eq!(in_the_sources(), written, "a route came or went: write down what it may answer");
}

#[test]
fn no_route_gives_anything_to_nobody_to_a_foreign_token_or_to_the_wrong_person() {
    run(async {
        let world = fixtures().await;
        let carlos = world.token("carlos").await;
        let me = world.person("maria").id.to_string();
        let source_record = format!("{}.pat-1001", world.practice("riverside").source);
        let mut wrong = Vec::new();
        for (route, methods, allowed) in ROUTES.iter().chain(UNROUTED) {
            for id in [me.as_str(), &source_record] {
                let path = route.replace("{type}", "Patient").replace("{id}", id).replace("{file}", "no-such-file.css");
                let path = path.replace("{member}", "Observation").replace("{version}", "1");
                for method in *methods {
                    for token in [None, Some("somebody-elses-token"), Some(carlos.as_str())] {
                        let answer = world.send(method, &path, token, &[], "").await;
                        let is_carlos = token == Some(carlos.as_str());
                        // With a live token the FHIR search is his own record: its content is checked below.
                        let is_search =
                            [("/fhir/{type}", "GET"), ("/fhir/{type}/_search", "POST")].contains(&(*route, *method));
                        let own = is_carlos && is_search && answer.status == 200;
                        if !allowed.contains(&answer.status) && !own {
                            wrong.push(format!("{method} {path}: {}", answer.status));
                        }
                        let caller = if is_carlos { "carlos" } else { "nobody" };
                        let found = leaks(world, caller, &answer.text);
                        // Pages may name their own form targets; nobody's data.
                        wrong.extend(found.into_iter().map(|leak| format!("{method} {path} ({caller}): {leak}")));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// Routes that no cookie opens: whoever calls them proves who they are in the request itself. And the authorization
/// request, which a page of the app's own may post: it changes nothing but where the browser goes.
fn takes_no_cookie(route: &str) -> bool {
    let by_itself =
        ["/oauth/authorize", "/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/userinfo", "/oauth/par"];
    route.starts_with("/fhir") || route.starts_with("/oauth/register") || by_itself.contains(&route)
}

/// Rule (security design, W01): a request that changes something, and comes from another site, without the page's own
/// token or in a form that no page sends, is refused with 403, or 415 for the body; whoever is signed in, on every route.
#[test]
fn w01_no_route_takes_a_request_that_none_of_our_pages_made() {
    run(async {
        let world = crate::linking::world().await;
        let patient = crate::linking::daniel(&world, "daniel").await;
        let staff = crate::linking::at_work(&world, "boss").await;
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let json = [("content-type", "application/json")];
        let text = [("content-type", "text/plain")];
        let (mut wrong, mut tried) = (Vec::new(), 0);
        for (route, methods, _) in ROUTES.iter().filter(|(route, ..)| !takes_no_cookie(route)) {
            let id = "3f0b4c1e-7a52-4c0e-9d5d-0f6a4f0f2b11";
            let path = route.replace("{id}", id).replace("{grant}", id).replace("{provider}", "nobody");
            for method in methods.iter().filter(|method| ["POST", "PUT", "DELETE"].contains(method)) {
                for (kind, body) in [(form, "form_token=x"), (json, "{}"), (text, "{\"form_token\":\"x\"}")] {
                    for said in [
                        &[("sec-fetch-site", "cross-site")][..],
                        &[("sec-fetch-site", "same-site")],
                        &[("origin", "https://evil.test")],
                        &[("origin", "null")],
                        &[],
                    ] {
                        for browser in [&patient, &staff] {
                            let headers: Vec<_> = kind.iter().chain(said).copied().collect();
                            let answer = browser.clone().send(method, &path, &headers, body).await;
                            tried += 1;
                            if !is_refused(&answer, route) {
                                wrong.push(format!(
                                    "{method} {path} {headers:?}: {} {:?}",
                                    answer.status,
                                    answer.header("location")
                                ));
                            }
                        }
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{} of {tried}\n{}", wrong.len(), wrong.join("\n"));
        assert!(tried > 1_000, "{tried}");
    });
}

/// What is no form at all may be refused as such, what no route takes by its method, and whom a page is not for is led away.
fn is_refused(answer: &crate::support::http::Answer, route: &str) -> bool {
    let led = answer.header("location").is_some_and(|to| to.starts_with("/sign-in") || to.starts_with("/clinic/work"));
    match answer.status {
        400 | 403 | 405 | 415 => true,
        404 => route.starts_with("/clinic") || route.contains('{') || route.starts_with("/api/"),
        303 => led,
        _ => false,
    }
}

#[test]
fn f35_tricks_with_paths_reach_nothing() {
    run(async {
        let world = fixtures().await;
        let token = world.token("carlos").await;
        let me = world.person("maria").id;
        let him = world.person("carlos").id;
        for path in [
            format!("/fhir//Patient/{me}"),
            format!("/fhir/Patient/{him}/..%2f{me}"),
            format!("/fhir/Patient/{him}%2f..%2f{me}"),
            format!("/fhir/Patient/{me};a=b"),
            format!("/fhir/Patient/{me}."),
            format!("/fhir/patient/{me}"),
            format!("/FHIR/Patient/{me}"),
            format!("/fhir/Patient/{me}/"),
            format!("/fhir/Patient/{me}/Observation"),
            format!("/fhir/Patient/{me}/Observation/_search"),
            format!("/fhir/Patient/{me}/_history"),
            format!("/fhir/Patient/{me}/_history/1"),
            format!("/fhir/Patient/{him}/..%2f{me}/Observation"),
            format!("/fhir/Patient/{him}%2f..%2f{me}/Observation"),
            format!("/fhir/Patient/{me};a=b/Observation"),
            format!("/fhir/patient/{me}/Observation"),
            format!("/fhir/Patient/{me}%00"),
            "/fhir/Patient/".to_owned(),
            "/fhir/_history".to_owned(),
            "/fhir/$export".to_owned(),
        ] {
            let answer = world.get(&path, &token).await;
            assert!([400, 404, 405].contains(&answer.status), "{path}: {}", answer.status);
            assert!(leaks(world, "carlos", &answer.text).is_empty(), "{path}");
        }
        let url = format!("/fhir/Patient/{him}");
        for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let answer = world.send("GET", &url, Some(&token), &[(header, "DELETE")], "").await;
            assert_eq!(answer.status, 200, "{header} means nothing");
        }
        assert_eq!(world.send("TRACE", &url, Some(&token), &[], "").await.status, 405);
        // A token anywhere but in the header is no token.
        assert_eq!(world.send("GET", &format!("{url}?access_token={token}"), None, &[], "").await.status, 401);
    });
}
