//! Sealed page links: what they hold cannot be read, changed, or used by anybody but whom they were made for. Nothing
//! is kept here for them.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::chart::Charts;
use super::fetch;
use super::outcome::{Gap, Missing};
use super::stream::Progress;
use crate::access::Permit;
use crate::base::clock::{Instant, SharedClock};
use crate::base::hash::sha256;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::fhir::search::SortValue;

/// Where a page ended, and the search that it belongs to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Position {
    /// The search, as the client wrote it.
    #[serde(rename = "q")]
    pub(super) parameters: Vec<(String, String)>,
    /// Where the next page begins.
    #[serde(rename = "w")]
    pub(super) place: Place,
    /// Sources of which something is missing on an earlier page, so that it may be missing from the whole: every page
    /// from then on names them.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    pub(super) gaps: Vec<(String, Gap)>,
    /// When the link ends, in seconds since the epoch.
    #[serde(rename = "e")]
    pub(super) expires: i64,
}

/// Where a page begins.
#[derive(Clone, Serialize, Deserialize)]
pub(super) enum Place {
    /// After this entry of the whole result: its sort values, and its gateway id, which breaks ties.
    #[serde(rename = "a")]
    After { keys: Vec<SortValue>, id: String },
    /// Where each source that has more left off. The others were given whole.
    #[serde(rename = "s")]
    Streams {
        #[serde(rename = "l")]
        live: Vec<Progress>,
        /// The sort values of the last entry that was given.
        #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
        last: Vec<SortValue>,
    },
}

impl Position {
    /// The sources that the pages before were missing, in this caller's words.
    pub(super) fn missing(&self, charts: &Charts) -> Vec<Missing> {
        let named = |(source, gap): &(String, Gap)| {
            let chart = charts.at(source.parse().ok()?)?;
            Some(fetch::missing(chart, (*gap).into()))
        };
        self.gaps.iter().filter_map(named).collect()
    }
}

/// What a page is missing, for the links to the pages after it.
pub(super) fn gaps(missing: &[Missing]) -> Vec<(String, Gap)> {
    let mut gaps: Vec<(String, Gap)> = Vec::new();
    for missing in missing {
        let Some(source) = missing.source.map(|source| source.to_string()) else { continue };
        if gaps.iter().all(|(known, _)| *known != source) {
            gaps.push((source, missing.failure.into()));
        }
    }
    gaps
}

/// Seals positions and opens them again.
#[derive(Debug)]
pub(super) struct PageLinks {
    sealer: Sealer,
    clock: SharedClock,
    random: SharedRandom,
    pub(super) seconds: u64,
}

/// Characters of a link beyond which a source's own page address is left out: its place is then found again from its
/// first page. Proxies and clients take URLs of 8 KB, few take more.
const LONG: usize = 4_000;

impl PageLinks {
    pub(super) fn new(master: &MasterKey, clock: SharedClock, random: SharedRandom, seconds: u64) -> Self {
        Self { sealer: master.sealer(KeyUse::PageLink), clock, random, seconds }
    }

    pub(super) fn expiry(&self) -> i64 {
        self.clock.now().plus(std::time::Duration::from_secs(self.seconds)).seconds()
    }

    pub(super) fn seal(&self, permit: &Permit, mut position: Position) -> Option<String> {
        loop {
            let plain = serde_json::to_vec(&position).ok()?;
            let length = BASE64URL_NOPAD.encode_len(plain.len());
            if length > LONG
                && let Place::Streams { live, .. } = &mut position.place
                && let Some(longest) = live.iter_mut().max_by_key(|progress| progress.link_length())
                && longest.link_length() > 0
            {
                longest.forget_link();
                continue;
            }
            return Some(BASE64URL_NOPAD.encode(&self.sealer.seal(&*self.random, &holder(permit), &plain)));
        }
    }

    /// The position in a link, if it was made for this permit and has not expired.
    pub(super) fn open(&self, permit: &Permit, link: &str) -> Option<Position> {
        let sealed = BASE64URL_NOPAD.decode(link.as_bytes()).ok()?;
        let plain = self.sealer.open(&holder(permit), &sealed).ok()?;
        let position: Position = serde_json::from_slice(&plain).ok()?;
        let now: Instant = self.clock.now();
        (now.seconds() < position.expires).then_some(position)
    }
}

/// Whom a link is for: the grant to the app, the person, the type, and the charts and scopes as they are now. When a
/// link to a chart or a scope changes, old page links end. The generation itself is not in it: it moves with everybody
/// else's rights too.
pub(super) fn holder(permit: &Permit) -> Vec<u8> {
    let subject = permit.subject();
    let mut view = format!(
        "{}|{}|{}|{}|{}",
        subject.authorization,
        subject.account,
        permit.person(),
        permit.resource_type(),
        subject.scopes
    );
    for link in permit.links() {
        view.push('|');
        view.push_str(&link.id.to_string());
    }
    sha256(view.as_bytes()).to_vec()
}
