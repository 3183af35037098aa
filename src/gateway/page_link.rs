//! Sealed page links: what they hold cannot be read, changed, or used by anybody but whom they were made for. Nothing
//! is kept here for them.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::Refusal;
use super::chart::Charts;
use super::fetch;
use super::outcome::{Gap, Missing};
use super::stream::Progress;
use crate::access::{Behalf, Permit};
use crate::base::clock::SharedClock;
use crate::base::hash::sha256;
use crate::base::keys::{KeyUse, MasterKey, Sealer};
use crate::base::random::SharedRandom;
use crate::fhir::search::SortValue;

/// The parameter of a sealed page link.
pub(super) const PAGE: &str = "_page";

/// Where a page ended, and the request that it belongs to.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Position<P> {
    /// The request, as the client wrote it.
    #[serde(rename = "q")]
    pub(super) parameters: Vec<(String, String)>,
    /// Where the next page begins.
    #[serde(rename = "w")]
    pub(super) place: P,
    /// Sources of which something is missing on an earlier page, so that it may be missing from the whole: every page
    /// from then on names them.
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    gaps: Vec<(String, Gap)>,
    /// When the link ends, in seconds since the epoch.
    #[serde(rename = "e")]
    expires: i64,
}

/// Where a page of a history, or of an operation, begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// Which part of the whole.
    #[serde(rename = "s")]
    pub(super) stage: usize,
    /// The last entry of that part that was shown.
    #[serde(rename = "a")]
    pub(super) after: Option<String>,
}

/// Where a page of a search begins.
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

impl<P> Position<P> {
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
    seconds: u64,
}

/// Characters of a link beyond which a source's own page address is left out: its place is then found again from its
/// first page. Proxies and clients take URLs of 8 KB, few take more.
const LONG: usize = 4_000;

impl PageLinks {
    pub(super) fn new(master: &MasterKey, clock: SharedClock, random: SharedRandom, seconds: u64) -> Self {
        Self { sealer: master.sealer(KeyUse::PageLink), clock, random, seconds }
    }

    /// A position whose link works from now on, for as long as links do.
    pub(super) fn position<P>(
        &self,
        parameters: Vec<(String, String)>,
        place: P,
        gaps: Vec<(String, Gap)>,
    ) -> Position<P> {
        let expires = self.clock.now().plus(Duration::from_secs(self.seconds)).seconds();
        Position { parameters, place, gaps, expires }
    }

    /// The link for a position. `what` names the interaction and its object: a link of one is none of another.
    pub(super) fn seal<P: Serialize>(&self, permit: &Permit, what: &str, position: &Position<P>) -> Option<String> {
        let plain = serde_json::to_vec(position).ok()?;
        Some(BASE64URL_NOPAD.encode(&self.sealer.seal(&*self.random, &holder(permit, what), &plain)))
    }

    /// [`Self::seal`], with addresses of the sources' pages left out as long as the link is too long.
    pub(super) fn seal_short(&self, permit: &Permit, what: &str, mut position: Position<Place>) -> Option<String> {
        loop {
            let sealed = self.seal(permit, what, &position)?;
            if sealed.len() > LONG
                && let Place::Streams { live, .. } = &mut position.place
                && let Some(longest) = live.iter_mut().max_by_key(|progress| progress.link_length())
                && longest.link_length() > 0
            {
                longest.forget_link();
                continue;
            }
            return Some(sealed);
        }
    }

    /// The position in the page link among these parameters, if there is one.
    ///
    /// # Errors
    /// A link that was changed, has ended, or was made for somebody or something else.
    pub(super) fn among<P: DeserializeOwned>(
        &self,
        permit: &Permit,
        what: &str,
        parameters: &[(String, String)],
    ) -> Result<Option<Position<P>>, Refusal> {
        let Some((_, link)) = parameters.iter().find(|(name, _)| name == PAGE) else { return Ok(None) };
        self.open(permit, what, link).map(Some).ok_or_else(stale)
    }

    /// The position in a link, if it was made for this and for this permit, and has not ended.
    pub(super) fn open<P: DeserializeOwned>(&self, permit: &Permit, what: &str, link: &str) -> Option<Position<P>> {
        let sealed = BASE64URL_NOPAD.decode(link.as_bytes()).ok()?;
        let plain = self.sealer.open(&holder(permit, what), &sealed).ok()?;
        let position: Position<P> = serde_json::from_slice(&plain).ok()?;
        (self.clock.now().seconds() < position.expires).then_some(position)
    }
}

/// A link that cannot be followed.
pub(super) fn stale() -> Refusal {
    Refusal::Invalid {
        code: "invalid",
        details: "This page link has ended or was made for somebody else: ask again".to_owned(),
    }
}

/// What a link is for, and for whom: the grant to the app, the person, the type, and the charts and scopes as they are now. When a
/// link to a chart or a scope changes, old page links end. The generation itself is not in it: it moves with everybody
/// else's rights too.
fn holder(permit: &Permit, what: &str) -> Vec<u8> {
    let subject = permit.subject();
    let asker = match &subject.behalf {
        Behalf::User { account, authorization } => format!("{authorization}|{account}"),
        // No id of an authorization looks like it: none has a colon.
        Behalf::System { .. } => format!("client:{}|", subject.client),
    };
    let mut view = format!("{what}|{asker}|{}|{}|{}", permit.person(), permit.resource_type(), subject.scopes);
    for link in permit.links() {
        view.push('|');
        view.push_str(&link.id.to_string());
    }
    sha256(view.as_bytes()).to_vec()
}
