//! What somebody may see of a record in general, practice by practice: for people who look at what they share, and before
//! they do. Nothing is asked of a source for it, and nothing of anybody's record is in it.

use std::collections::BTreeMap;

use super::Gateway;
use super::view::births;
use crate::consent::{Action, Asking, Assurance, Category, Extent, Lens, Rule, Standing};
use crate::identity::Link;

/// What is seen of one practice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// The practice.
    pub organization: String,
    /// How much of each category, or the rule by which nothing is.
    pub extents: Result<BTreeMap<Category, Extent>, Rule>,
}

impl Gateway {
    /// What a viewer with this standing sees of the charts, practice by practice.
    #[must_use]
    pub fn outlook(&self, links: &[Link], standing: &Standing) -> Vec<Outlook> {
        let mut found: BTreeMap<String, Result<BTreeMap<Category, Extent>, Rule>> = BTreeMap::new();
        for (key, source) in &*self.sources.all() {
            if links.iter().all(|link| link.source != *key) {
                continue;
            }
            let lens = source.consent.as_ref().ok_or(Rule::Undecidable).and_then(|rules| {
                Lens::of(&Asking {
                    standing,
                    policy: &rules.policy,
                    zone: &rules.zone,
                    organization: source.source.organization,
                    source: *key,
                    births: &births(links, *key),
                    action: Action::Read,
                    assurance: Assurance::Aal1,
                    now: self.clock.now(),
                })
            });
            let extents = lens.map(|lens| {
                Category::ALL.iter().map(|category| (*category, lens.extent(*category))).collect::<BTreeMap<_, _>>()
            });
            let merged = match (found.remove(&source.organization), extents) {
                (Some(Ok(known)), Ok(here)) => Ok(known
                    .into_iter()
                    .map(|(c, e)| (c, e.max(here.get(&c).copied().unwrap_or(Extent::Nothing))))
                    .collect()),
                (Some(Ok(known)), Err(_)) => Ok(known),
                (_, here) => here,
            };
            found.insert(source.organization.clone(), merged);
        }
        found.into_iter().map(|(organization, extents)| Outlook { organization, extents }).collect()
    }

    /// Whether a viewer with this standing sees anything of the charts at all.
    #[must_use]
    pub fn shows_anything(&self, links: &[Link], standing: &Standing) -> bool {
        standing.is_own || self.outlook(links, standing).iter().any(|outlook| outlook.extents.is_ok())
    }
}
