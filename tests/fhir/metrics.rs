//! What operators read, on a listener of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use chartgate::app;
use chartgate::config::Limits;
use chartgate::sandbox::{Fault, FaultKind};

use crate::support::world::{World, http_client, pairs, run};

async fn metrics(world: &World) -> String {
    let listeners = app::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).await.unwrap();
    let address = listeners.addresses()[0];
    let (stop, stopping) = tokio::sync::watch::channel(false);
    let patience = app::Patience::of(&chartgate::config::Server::default());
    let serving = tokio::spawn(app::serve(listeners, world.app.operations.clone(), patience, stopping, Duration::ZERO));
    let answer = http_client().get(format!("http://{address}/metrics")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = answer.text().await.unwrap();
    stop.send(true).unwrap();
    serving.await.unwrap();
    text
}

/// The value of a sample, by its name and labels.
#[track_caller]
fn value(text: &str, sample: &str) -> u64 {
    let found: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).collect();
    assert!(found.len() <= 1, "{sample} stands {} times", found.len());
    found.first().map_or(0, |value| value.parse().unwrap())
}

#[test]
fn metrics_count_requests_and_alarms_and_name_nobody() {
    run(async {
        let world = World::of_fixtures(Limits::default()).await;
        let maria = world.token("maria").await;
        let before = metrics(&world).await;
        let id = world.search("Condition", &pairs(&[("code", "canary")]), &maria).await.status;
        assert_eq!(id, 200);
        world.search_by_post("Condition", &[], &maria).await;
        world.get("/fhir/Condition/aaaa.canary", &maria).await;
        world.get("/canary-path", &maria).await;
        world.search("Condition", &[], "dead").await;
        let after = metrics(&world).await;
        let grown = |labels: &str| {
            let sample = format!("chartgate_requests_total{{{labels}}}");
            value(&after, &sample) - value(&before, &sample)
        };
        for (labels, wanted) in [
            ("route=\"fhir-search\",status=\"200\"", 2),
            ("route=\"fhir-search\",status=\"401\"", 1),
            ("route=\"fhir-read\",status=\"404\"", 1),
            ("route=\"none\",status=\"404\"", 1),
            ("route=\"oauth-token\",status=\"200\"", 0),
        ] {
            assert_eq!(grown(labels), wanted, "{labels} in {after}");
        }
        assert_eq!(value(&before, "chartgate_requests_total{route=\"oauth-token\",status=\"200\"}"), 1);
        assert_eq!(value(&after, "chartgate_audit_healthy"), 1);
        assert!(value(&after, "chartgate_storage_writes_total") >= value(&after, "chartgate_storage_commits_total"));

        // The alarm of U12, by source.
        let practice = world.practice("riverside");
        let others = practice.resources.iter().filter(|resource| {
            let chart = world.person("maria").links.iter().find(|(at, _)| world.practices[*at].key == "riverside");
            resource["resourceType"] == "Condition"
                && resource["subject"]["reference"] != format!("Patient/{}", chart.unwrap().1)
        });
        let others = others.count() as u64;
        assert!(others > 0);
        practice.faults.add(Fault::new(FaultKind::IgnoredParameters(vec!["patient".to_owned()])));
        world.search("Condition", &pairs(&[("_count", "500")]), &maria).await;
        let text = metrics(&world).await;
        let mismatch =
            |source: &str| value(&text, &format!("chartgate_upstream_subject_mismatch_total{{source=\"{source}\"}}"));
        assert_eq!(mismatch(&practice.source), others, "{text}");
        assert_eq!(mismatch(&world.practice("lakeside").source), 0);

        // Every line is a comment or a sample, and nothing in it is of anybody.
        for line in text.lines() {
            let sample = line.starts_with("# HELP chartgate_")
                || line.starts_with("# TYPE chartgate_")
                || (line.starts_with("chartgate_") && line.rsplit_once(' ').unwrap().1.parse::<u64>().is_ok());
            assert!(sample, "{line}");
        }
        for never in ["canary", "maria", &world.person("maria").id.to_string(), &practice.authority] {
            assert!(!text.contains(never), "{never} in {text}");
        }
        assert_eq!(world.get("/metrics", &maria).await.status, 404, "never on the public listener");
    });
}

#[test]
fn metrics_tell_what_sources_fail_by_and_which_are_left_alone() {
    run(async {
        let limits = Limits { breaker_failures: 3, retry_percent: 0, ..Limits::default() };
        let world = World::of_fixtures(limits).await;
        let (riverside, lakeside) = (world.practice("riverside"), world.practice("lakeside"));
        let maria = world.token("maria").await;
        let failed = |text: &str, source: &str, kind: &str| {
            value(text, &format!("chartgate_upstream_failures_total{{source=\"{source}\",kind=\"{kind}\"}}"))
        };
        let breaker =
            |text: &str, source: &str| value(text, &format!("chartgate_upstream_breaker_state{{source=\"{source}\"}}"));
        let text = metrics(&world).await;
        assert_eq!([breaker(&text, &riverside.source), breaker(&text, &lakeside.source)], [0, 0], "{text}");
        assert!(!text.contains("chartgate_upstream_failures_total{"), "{text}");

        riverside.faults.set(vec![Fault::new(FaultKind::HtmlBody).times(1)]);
        world.search("Condition", &[], &maria).await;
        riverside.faults.set(vec![Fault::new(FaultKind::Body("{}".to_owned())).times(1)]);
        world.search("Condition", &[], &maria).await;
        riverside.faults.set(vec![Fault::new(FaultKind::ForeignNext("http://elsewhere.test".to_owned()))]);
        world.search("Condition", &pairs(&[("_count", "1")]), &maria).await;
        let text = metrics(&world).await;
        assert_eq!(failed(&text, &riverside.source, "malformed"), 2, "by its type, and by what it holds: {text}");
        assert_eq!(failed(&text, &riverside.source, "unsafe-page-link"), 1, "{text}");

        riverside.faults.set(vec![Fault::new(FaultKind::Dead)]);
        for _ in 0..5 {
            world.search("Condition", &[], &maria).await;
        }
        let text = metrics(&world).await;
        assert_eq!(failed(&text, &riverside.source, "unreachable"), 3, "{text}");
        assert_eq!(failed(&text, &riverside.source, "breaker-open"), 2, "{text}");
        assert_eq!([breaker(&text, &riverside.source), breaker(&text, &lakeside.source)], [2, 0], "{text}");
        world.clock.advance(Duration::from_secs(600));
        assert_eq!(breaker(&metrics(&world).await, &riverside.source), 1);
        riverside.faults.clear();
        world.search("Condition", &[], &maria).await;
        let text = metrics(&world).await;
        assert_eq!(breaker(&text, &riverside.source), 0, "{text}");
        assert!(!text.contains(&format!("failures_total{{source=\"{}\"", lakeside.source)), "{text}");
        for never in ["Condition", "maria", &riverside.authority, "pat-1001"] {
            assert!(!text.contains(never), "{never} in {text}");
        }
    });
}
