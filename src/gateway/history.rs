//! The history interaction of one instance (FHIR R4 http.html §3.1.0.9): the versions that the caller may see, newest
//! first, if they may see the current one.

use jiff::Timestamp;

use super::Gateway;
use super::answer::{Answer, Refusal, tally};
use super::bundle::{self, Frame, Link};
use super::chart::Charts;
use super::fetch;
use super::page_link::{Cursor, PAGE};
use super::read::{Place, etag, text};
use super::released::Released;
use super::search::unavailable;
use crate::access::Permit;
use crate::fhir::scan::quoted;

/// One version as it leaves.
struct Version {
    version: String,
    entry: Vec<u8>,
}

/// What a history is asked for with.
struct Asked {
    count: usize,
    since: Option<Timestamp>,
    /// The version that ended the page before.
    after: Option<String>,
    parameters: Vec<(String, String)>,
}

impl Gateway {
    pub(super) async fn history(
        &self,
        permit: &Permit,
        id: &str,
        parameters: &[(String, String)],
    ) -> Result<Answer, Refusal> {
        let charts = Charts::of(permit, &self.sources);
        let place = self.versioned(permit, &charts, id, |features| features.history).await?;
        let scope = format!("history|{id}");
        let asked = self.asked_of_history(permit, &scope, parameters)?;
        self.read_at(permit, &place).await?;
        let versions = self.versions(permit, &place, asked.since).await?;
        let start = asked.after.as_ref().map_or(0, |last| {
            versions
                .iter()
                .position(|version| version.version == *last)
                .map_or(versions.len(), |at| at.saturating_add(1))
        });
        let rest = versions.get(start..).unwrap_or_default();
        let shown = rest.get(..asked.count.min(rest.len())).unwrap_or_default();
        let own_url = format!("{}/{}/{id}/_history", self.base_url, permit.resource_type());
        let mut links = vec![Link { relation: "self", url: bundle::url(&own_url, &asked.parameters) }];
        if let Some(last) = shown.last().filter(|_| rest.len() > shown.len()) {
            let after = Some(last.version.clone());
            let position = self.page_links.position(asked.parameters, Cursor { stage: 0, after }, Vec::new());
            let sealed = self.page_links.seal(permit, &scope, &position).ok_or_else(unavailable)?;
            links.push(Link { relation: "next", url: format!("{own_url}?{PAGE}={sealed}") });
        }
        let frame = Frame {
            bundle_type: "history",
            bundle_id: self.random.uuid().to_string(),
            last_updated: self.clock.now().to_fhir(),
            total: Some(versions.len()),
            links,
        };
        let entries: Vec<&[u8]> = shown.iter().map(|version| version.entry.as_slice()).collect();
        let body = bundle::write(&frame, &entries, &[]);
        let sources = tally(shown.iter().map(|_| place.chart.key()));
        Ok(Answer {
            body: body.into(),
            etag: None,
            last_modified: None,
            resources: shown.len(),
            sources,
            content: None,
        })
    }

    fn asked_of_history(
        &self,
        permit: &Permit,
        scope: &str,
        parameters: &[(String, String)],
    ) -> Result<Asked, Refusal> {
        let position = self.page_links.among::<Cursor>(permit, scope, parameters)?;
        let parameters = position.as_ref().map_or(parameters, |position| position.parameters.as_slice());
        let invalid = |details: &str| Refusal::Invalid { code: "value", details: details.to_owned() };
        let mut asked =
            Asked { count: self.limits.default_count, since: None, after: None, parameters: parameters.to_vec() };
        for (name, value) in parameters {
            match name.as_str() {
                "_count" => {
                    let count: usize = value.parse().map_err(|_| invalid("_count is not a number"))?;
                    asked.count = count.clamp(1, self.limits.max_count);
                }
                "_since" => {
                    asked.since = Some(value.parse().map_err(|_| invalid("_since is not an instant"))?);
                }
                "_at" | "_list" => {
                    let details = format!("{name} is not supported");
                    return Err(Refusal::Invalid { code: "not-supported", details });
                }
                _ => {}
            }
        }
        asked.parameters.retain(|(name, _)| matches!(name.as_str(), "_count" | "_since"));
        asked.after = position.and_then(|position| position.place.after);
        Ok(asked)
    }

    /// The visible versions as entries, newest first.
    async fn versions(
        &self,
        permit: &Permit,
        place: &Place<'_>,
        since: Option<Timestamp>,
    ) -> Result<Vec<Version>, Refusal> {
        let fetched = fetch::history(
            self.knowledge,
            place.chart,
            permit.resource_type(),
            &place.upstream,
            self.limits.source_page_size,
        )
        .await;
        let raws = fetched.map_err(|failure| self.refusal_of(place.chart, failure))?;
        let mut rewriter = self.rewriter(place.charts);
        let mut versions: Vec<Version> = Vec::new();
        for raw in raws {
            let Some(version) = text(&raw, raw.facts.version_id) else { continue };
            let updated = text(&raw, raw.facts.last_updated);
            let is_older = |since: Timestamp| instant(updated.as_deref()).is_none_or(|at| at < since);
            if since.is_some_and(is_older) || versions.iter().any(|known| known.version == version) {
                continue;
            }
            let released: Released = match self.release_at(permit, place, raw).await {
                Ok(released) => released,
                Err(Refusal::NotFound) => continue,
                Err(refusal) => return Err(refusal),
            };
            let mut body = Vec::new();
            if rewriter.write(&released, place.id, &mut body).is_err() {
                continue;
            }
            let tag = etag(&body, &version);
            let entry = self.history_entry(permit, place.id, &body, (&tag, updated.as_deref()));
            versions.push(Version { version, entry });
        }
        self.hashed.store(rewriter.hashed).await.map_err(|_| unavailable())?;
        Ok(versions)
    }

    fn history_entry(&self, permit: &Permit, id: &str, body: &[u8], (tag, updated): (&str, Option<&str>)) -> Vec<u8> {
        let kind = permit.resource_type();
        let mut entry = format!("{{\"fullUrl\":\"{}/{kind}/{id}\",\"resource\":", self.base_url).into_bytes();
        entry.extend_from_slice(body);
        // How a version came about is the source's business: R4 wants a method, and PUT fits each of them.
        let modified = updated.map(|updated| format!(",\"lastModified\":{}", quoted(updated))).unwrap_or_default();
        let (request, tag) = (format!(r#"{{"method":"PUT","url":"{kind}/{id}"}}"#), quoted(tag));
        entry.extend_from_slice(
            format!(r#","request":{request},"response":{{"status":"200","etag":{tag}{modified}}}}}"#).as_bytes(),
        );
        entry
    }
}

fn instant(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}
