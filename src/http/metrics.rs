//! What operators read with Prometheus: numbers about requests, sources and the audit trail. Labels are routes, statuses
//! and source keys alone: nothing of anybody.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{HeaderName, header};

use crate::accounts::Accounts;
use crate::authorization::AuthorizationServer;
use crate::gateway::{Gateway, SourceStanding};
use crate::storage::Db;
use crate::upstream::BreakerState;

/// Kinds of routes that are counted apart.
const CLASSES: [&str; 8] =
    ["fhir-search", "fhir-read", "fhir-other", "oauth-token", "oauth-other", "discovery", "page", "none"];
const FIRST_STATUS: u16 = 100;
const STATUSES: usize = 500;

/// Requests answered so far, by kind of route and status: one addition for each.
#[derive(Debug)]
pub struct RequestCounts(Box<[AtomicU64]>);

impl Default for RequestCounts {
    fn default() -> Self {
        Self((0..CLASSES.len().saturating_mul(STATUSES)).map(|_| AtomicU64::new(0)).collect())
    }
}

impl RequestCounts {
    /// Counts an answer; `route` is the pattern that matched, if one did.
    pub fn add(&self, route: Option<&str>, status: u16) {
        let status = usize::from(status.saturating_sub(FIRST_STATUS));
        if let Some(count) = self.0.get(class(route).saturating_mul(STATUSES).saturating_add(status)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn write(&self, out: &mut String) {
        family(out, "chartgate_requests_total", "counter", "Requests answered, by kind of route and status.");
        for (name, counts) in CLASSES.iter().zip(self.0.chunks(STATUSES)) {
            for (status, count) in (FIRST_STATUS..).zip(counts) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = format!("{{route=\"{name}\",status=\"{status}\"}}");
                    sample(out, "chartgate_requests_total", &labels, count);
                }
            }
        }
    }
}

/// The index of a route's kind in [`CLASSES`].
fn class(route: Option<&str>) -> usize {
    let Some(route) = route else { return 7 };
    match route {
        "/fhir/{type}" | "/fhir/{type}/_search" => 0,
        "/fhir/{type}/{id}" => 1,
        "/oauth/token" => 3,
        _ if route.contains("/.well-known/") => 5,
        _ if route.starts_with("/fhir") => 2,
        _ if route.starts_with("/oauth") => 4,
        _ => 6,
    }
}

/// `GET /metrics`, in Prometheus' text format.
pub(super) async fn get(
    State(gateway): State<Arc<Gateway>>,
    State(server): State<Arc<AuthorizationServer>>,
    State(accounts): State<Arc<Accounts>>,
    State(db): State<Db>,
    counts: Arc<RequestCounts>,
) -> ([(HeaderName, &'static str); 1], String) {
    let mut out = String::with_capacity(4_096);
    counts.write(&mut out);
    let audit = gateway.audit();
    family(&mut out, "chartgate_audit_waiting", "gauge", "Audit entries of reads that wait to be inserted.");
    sample(&mut out, "chartgate_audit_waiting", "", audit.waiting());
    family(&mut out, "chartgate_audit_healthy", "gauge", "1 when the last insert succeeded; with 0 reads are refused.");
    sample(&mut out, "chartgate_audit_healthy", "", u8::from(audit.is_healthy()));
    family(&mut out, "chartgate_storage_writes_total", "counter", "Writes made durable.");
    sample(&mut out, "chartgate_storage_writes_total", "", db.writes());
    family(&mut out, "chartgate_storage_commits_total", "counter", "Commits: one can make many writes durable.");
    sample(&mut out, "chartgate_storage_commits_total", "", db.commits());
    let again = "Requests whose code_challenge the same app had sent before, for another authorization.";
    family(&mut out, "chartgate_pkce_challenge_reuse_total", "counter", again);
    sample(&mut out, "chartgate_pkce_challenge_reuse_total", "", server.challenges_again());
    let runs = "Passwords hashed or checked: each takes 19 MiB and a good part of a processor's second.";
    family(&mut out, "chartgate_password_runs_total", "counter", runs);
    sample(&mut out, "chartgate_password_runs_total", "", accounts.password_runs());
    write_sources(&gateway.standing(), &mut out);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out)
}

/// How the sources stand. A source that was connected anew begins at 0.
fn write_sources(sources: &[SourceStanding], out: &mut String) {
    let foreign = "Resources that a source sent and that were not about whom it was asked for.";
    family(out, "chartgate_upstream_subject_mismatch_total", "counter", foreign);
    for source in sources {
        let labels = format!("{{source=\"{}\"}}", source.key);
        sample(out, "chartgate_upstream_subject_mismatch_total", &labels, source.foreign);
    }
    let set_aside = "1 while a source is not asked because it handed out other people's records again and again.";
    family(out, "chartgate_source_set_aside", "gauge", set_aside);
    for source in sources {
        let labels = format!("{{source=\"{}\"}}", source.key);
        sample(out, "chartgate_source_set_aside", &labels, u8::from(source.set_aside));
    }
    family(out, "chartgate_upstream_failures_total", "counter", "Failed requests to a source, by kind of failure.");
    for source in sources {
        for (kind, count) in &source.failures {
            let labels = format!("{{source=\"{}\",kind=\"{kind}\"}}", source.key);
            sample(out, "chartgate_upstream_failures_total", &labels, count);
        }
    }
    let breaker = "0 when requests to a source go through, 1 when one tries, 2 when it is left alone.";
    family(out, "chartgate_upstream_breaker_state", "gauge", breaker);
    for source in sources {
        let value = match source.breaker {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        sample(out, "chartgate_upstream_breaker_state", &format!("{{source=\"{}\"}}", source.key), value);
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn sample(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{name}{labels} {value}");
}
