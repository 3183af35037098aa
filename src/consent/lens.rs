//! The decision.

mod extent;

use std::time::Duration;

use jiff::tz::TimeZone;

use super::age::{BirthDate, local_date};
use super::free_text::Suspicion;
use super::item::{Detail, Item};
use super::label::{Label, Labels};
use super::policy::{Allow, Band, BandRule, Policy};
use super::redact;
use super::rule::Rule;
use super::scope::{GrantScope, Sensitivity};
use super::standing::{Effect, Right, RuleKind, Standing};
use super::words::{Action, Assurance, Category};
use crate::base::clock::Instant;
use crate::base::id::OrganizationId;
use crate::base::source_key::SourceKey;
use crate::fhir::ResourceType;
use crate::identity::GrantBasis;

pub use extent::Extent;

/// An attested incapacity of a minor has to be attested again after a year.
const ATTESTED: Duration = Duration::from_secs(366 * 86_400);

/// What is asked, at one source.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// By whom, about whom.
    pub standing: &'a Standing,
    /// The practice's rules.
    pub policy: &'a Policy,
    /// Where the practice is.
    pub zone: &'a TimeZone,
    /// The practice.
    pub organization: OrganizationId,
    /// The source.
    pub source: SourceKey,
    /// When the person was born, as each of their charts there says. None means unknown.
    pub births: &'a [BirthDate],
    /// What is to be done.
    pub action: Action,
    /// How sure the session is.
    pub assurance: Assurance,
    /// When.
    pub now: Instant,
}

/// What holds for all items of one request at one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lens {
    is_own: bool,
    source: SourceKey,
    now: Instant,
    /// Items that staff keep from proxies: type and id.
    flags: Vec<(String, String)>,
    /// Categories that wait for review, and for how many days at most.
    holds: Vec<(Vec<Category>, Option<u16>)>,
    /// Items at which staff looked because of words in them.
    reviewed: Vec<Reviewed>,
    hides_contacts: bool,
    shows_restricted: bool,
    /// An item is seen if one of these shows it. One's own record has none.
    ways: Vec<Way>,
}

/// What staff said of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Reviewed {
    resource_type: String,
    id: String,
    words: String,
    labels: Labels,
}

/// What one grant lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Way {
    scope: GrantScope,
    is_for_minor: bool,
    /// The bands that the person may be in: all of them must let an item through.
    gates: Vec<Gate>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Gate {
    Everything,
    /// What has no label of content but these.
    WithoutLabels(Labels),
    AllowList(Vec<Allow>),
    /// Bills, for who pays them.
    Bills,
}

/// How an item is seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Only when, where and how much.
    pub is_outline: bool,
    /// Without how and where to find the person.
    pub hides_contacts: bool,
}

/// Whether an item is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Shown(Shown),
    /// It is not.
    Withheld(Rule),
}

impl Lens {
    /// Decides steps 1 to 5 of the decision, as far as they do not hang on an item.
    ///
    /// # Errors
    /// The [`Rule`] by which nothing at this source is seen, or done.
    pub fn of(asking: &Asking<'_>) -> Result<Self, Rule> {
        let Asking { standing, policy, action, now, .. } = *asking;
        if asking.assurance < policy.assurance_for(action) {
            return Err(Rule::SessionAssurance);
        }
        let mut lens = Self {
            is_own: standing.is_own,
            source: asking.source,
            now,
            flags: Vec::new(),
            holds: Vec::new(),
            reviewed: Vec::new(),
            hides_contacts: false,
            shows_restricted: policy.shows_restricted,
            ways: Vec::new(),
        };
        if let Some(practice) = standing.staff_of {
            return lens.of_staff(asking, practice);
        }
        lens.holds.extend(standing.in_force(now).filter_map(|rule| match rule {
            RuleKind::Hold { categories, days } => Some((categories.clone(), *days)),
            _ => None,
        }));
        if standing.is_own {
            return if standing.is_deceased(now) { Err(Rule::Deceased) } else { Ok(lens) };
        }
        let in_force = |right| standing.lets_act(right, now).map(|()| right);
        let standing_rights: Vec<Result<&Right, Rule>> = standing.rights.iter().map(in_force).collect();
        if standing_rights.iter().all(Result::is_err) {
            return Err(furthest(standing_rights.into_iter().filter_map(Result::err)));
        }
        let effect = standing.effect(now);
        if effect == Effect::Nothing || (effect == Effect::RecordsOnly && action != Action::Read) {
            return Err(Rule::Restriction);
        }
        lens.hides_contacts = effect != Effect::Full;
        let source = asking.source.to_string();
        lens.flags.extend(standing.in_force(now).filter_map(|rule| match rule {
            RuleKind::Flag { source: known, resource_type, id } if *known == source => {
                Some((resource_type.clone(), id.clone()))
            }
            _ => None,
        }));
        lens.reviewed.extend(standing.in_force(now).filter_map(|rule| match rule {
            RuleKind::Reviewed { source: known, resource_type, id, words, labels } if *known == source => {
                let (resource_type, id, words) = (resource_type.clone(), id.clone(), words.clone());
                Some(Reviewed { resource_type, id, words, labels: *labels })
            }
            _ => None,
        }));
        let ways: Vec<Result<Way, Rule>> =
            standing_rights.into_iter().flatten().map(|right| way(right, asking)).collect();
        if ways.iter().all(Result::is_err) {
            return Err(furthest(ways.into_iter().filter_map(Result::err)));
        }
        lens.ways = ways.into_iter().flatten().collect();
        Ok(lens)
    }

    /// What staff see of their own practice's charts: all that the patient may be shown, and what waits for a clinician's eye,
    /// which is theirs. They change nothing.
    fn of_staff(self, asking: &Asking<'_>, practice: OrganizationId) -> Result<Self, Rule> {
        if practice != asking.organization {
            return Err(Rule::ScopeSource);
        }
        asking.standing.lets_look_at_work(asking.now)?;
        if asking.action != Action::Read {
            return Err(Rule::ScopeAction);
        }
        Ok(Self { is_own: true, ..self })
    }

    /// Whether it is one's own record, without anything that waits: every item is shown.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.is_own && self.holds.is_empty()
    }

    /// Whether what refers to withheld items is withheld.
    #[must_use]
    pub const fn follows_taint(&self) -> bool {
        !self.is_own
    }

    /// Whether something that leads nowhere known counts as hanging on something withheld: where only some of the record
    /// is seen because of what it says.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        !self.is_own && (!self.flags.is_empty() || !self.ways.iter().any(Way::is_open))
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// The same without the types, categories and dates that grants name: what they leave out is not secret by that.
    #[must_use]
    pub fn without_scope(&self) -> Self {
        let mut open = self.clone();
        for way in &mut open.ways {
            way.scope.types = None;
            way.scope.categories = None;
            way.scope.data_period = None;
        }
        open
    }

    /// Whether what refers to this item is withheld with it. Of what an allow-list does not name, visits, orders and notes
    /// do; of everything else, what is withheld for what it says.
    #[must_use]
    pub fn taints(&self, item: &Item) -> bool {
        match self.judge(item) {
            Verdict::Shown(_) => false,
            Verdict::Withheld(Rule::AllowList) => {
                // That it is not listed says nothing of what it is about; a label does.
                let is_followed = matches!(
                    item.resource_type,
                    ResourceType::Encounter
                        | ResourceType::Appointment
                        | ResourceType::ServiceRequest
                        | ResourceType::MedicationRequest
                        | ResourceType::DocumentReference
                );
                is_followed || !item.labels.is_empty()
            }
            Verdict::Withheld(_) => true,
        }
    }

    /// Whether the item is seen: steps 3 to 8. What its words may say counts as what it is about until staff have looked, and
    /// then what they said does.
    #[must_use]
    pub fn judge(&self, item: &Item) -> Verdict {
        let Some(suspicion) = item.suspicion.as_deref() else { return self.judge_as_labelled(item) };
        let with = |labels| self.judge_as_labelled(&Item { labels: item.labels.and(labels), ..item.clone() });
        let said = self.reviewed.iter().filter(|reviewed| reviewed.is_of(item, suspicion));
        if let Some(labels) = said.map(|reviewed| reviewed.labels).reduce(Labels::and) {
            return with(labels);
        }
        match (self.judge_as_labelled(item), with(suspicion.labels)) {
            (Verdict::Shown(_), Verdict::Withheld(_)) => Verdict::Withheld(Rule::Review),
            (Verdict::Shown(_), less) => less,
            (withheld, _) => withheld,
        }
    }

    fn judge_as_labelled(&self, item: &Item) -> Verdict {
        if item.category == Category::Directory {
            return Verdict::Shown(Shown::default());
        }
        if self.is_own {
            return if self.waits(item) { Verdict::Withheld(Rule::Hold) } else { Verdict::Shown(Shown::default()) };
        }
        if self.flags.iter().any(|(kind, id)| kind == item.resource_type.as_str() && *id == item.id) {
            return Verdict::Withheld(Rule::Flagged);
        }
        if self.waits(item) {
            return Verdict::Withheld(Rule::Hold);
        }
        let mut shown: Option<Shown> = None;
        let mut reasons = Vec::new();
        for way in &self.ways {
            match way.judge(item, self.shows_restricted) {
                Ok(is_outline) => {
                    let is_outline = is_outline && shown.is_none_or(|shown| shown.is_outline);
                    shown = Some(Shown { is_outline, hides_contacts: self.hides_contacts });
                }
                Err(rule) => reasons.push(rule),
            }
        }
        shown.map_or_else(|| Verdict::Withheld(furthest(reasons)), Verdict::Shown)
    }

    /// What [`Self::judge`] has to know of an item.
    #[must_use]
    pub fn detail(&self) -> Detail {
        let mut gates = self.ways.iter().flat_map(|way| &way.gates);
        Detail {
            id: !self.flags.is_empty() || !self.reviewed.is_empty(),
            codes: gates.any(|gate| matches!(gate, Gate::AllowList(_))),
            days: self.ways.iter().any(|way| way.scope.data_period.is_some()),
            review: !self.holds.is_empty(),
            content: !self.ways.iter().all(Way::is_open),
            words: !self.ways.iter().all(Way::is_open),
            edition: false,
        }
    }

    fn waits(&self, item: &Item) -> bool {
        let is_over = |days: Option<u16>| {
            let longest = days.map(|days| Duration::from_secs(u64::from(days) * 86_400));
            longest.zip(item.issued).is_some_and(|(longest, issued)| issued.plus(longest) <= self.now)
        };
        !item.is_reviewed
            && self.holds.iter().any(|(categories, days)| categories.contains(&item.category) && !is_over(*days))
    }

    /// What its verdicts hang on: two lenses with the same answer give the same verdicts.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        // Of the time only holds with an end depend, and what waits for them carries no taint.
        let timeless = Self { now: Instant::from_micros(0), ..self.clone() };
        crate::base::hash::sha256(format!("{timeless:?}").as_bytes())
    }
}

impl Reviewed {
    fn is_of(&self, item: &Item, suspicion: &Suspicion) -> bool {
        self.resource_type == item.resource_type.as_str() && self.id == item.id && self.words == suspicion.words
    }
}

impl Way {
    /// Whether nothing is left out for what it says, but by those who decide for all.
    fn is_open(&self) -> bool {
        self.gates.iter().all(|gate| *gate == Gate::Everything) && self.scope.sensitivity == Sensitivity::All
    }

    /// Whether it shows the item, and if so, whether as an outline.
    fn judge(&self, item: &Item, shows_restricted: bool) -> Result<bool, Rule> {
        let mut is_outline = false;
        for gate in &self.gates {
            is_outline |= gate.admits(item)?;
        }
        if !self.scope.covers_type(item.resource_type) {
            return Err(Rule::ScopeType);
        }
        if !self.scope.covers_category(item.category) {
            return Err(Rule::ScopeCategory);
        }
        if !matches!(item.category, Category::Demographics | Category::Derived)
            && let Some(period) = &self.scope.data_period
            && !item.days.is_some_and(|days| period.covers(days.first, days.last))
        {
            return Err(Rule::ScopeDate);
        }
        // Who decided that, decided about all of it: no outline either.
        if (item.labels.has(Label::Restricted) && !shows_restricted)
            || (item.labels.has(Label::ParentRestricted) && self.is_for_minor)
        {
            return Err(Rule::Label);
        }
        if is_outline {
            // Another band that the person may be in shows nothing labelled, not even as an outline.
            let is_unlabelled = |gate: &Gate| !matches!(gate, Gate::WithoutLabels(_)) || gate.shows(item.labels);
            if !self.gates.iter().all(is_unlabelled) {
                return Err(Rule::Label);
            }
            // What is left of it says nothing of what it was for: neither labels nor what it refers to tell more.
            return redact::outline(item.resource_type).map(|_| true).ok_or(Rule::AllowList);
        }
        if !self.scope.sensitivity.shows(item.labels.without(BY_OTHERS.into_iter().collect()))
            || !self.gates.iter().all(|gate| gate.shows(item.labels))
        {
            return Err(Rule::Label);
        }
        if item.is_tainted {
            return Err(Rule::Taint);
        }
        Ok(false)
    }
}

/// Labels that a grant neither shows nor leaves out.
const BY_OTHERS: [Label; 2] = [Label::Restricted, Label::ParentRestricted];

impl Gate {
    /// Step 4: whether the band admits the item at all, and whether as an outline.
    fn admits(&self, item: &Item) -> Result<bool, Rule> {
        match self {
            Self::Everything | Self::WithoutLabels(_) => Ok(false),
            Self::AllowList(allowed) => {
                // What is seen through its owners is listed with them; what it says itself counts all the same.
                if item.category == Category::Derived {
                    return Ok(false);
                }
                let lines = || allowed.iter().filter(|line| line.lists(item));
                if lines().next().is_none() {
                    return Err(Rule::AllowList);
                }
                // An outline of a visit still says when and where: a confidential one has none.
                if item.category != Category::Billing && (!item.labels.is_empty() || item.is_tainted) {
                    return Err(if item.labels.is_empty() { Rule::Taint } else { Rule::Label });
                }
                Ok(lines().all(|line| line.is_outline))
            }
            Self::Bills => match item.category {
                Category::Billing => Ok(true),
                Category::Demographics | Category::Derived => Ok(false),
                _ => Err(Rule::AgeBand),
            },
        }
    }

    /// Step 6: whether the band shows something with these labels.
    fn shows(&self, labels: Labels) -> bool {
        match self {
            Self::Everything | Self::Bills => true,
            Self::WithoutLabels(shown) => labels.without(*shown).is_empty(),
            Self::AllowList(_) => labels.is_empty(),
        }
    }
}

/// Steps 4 and 5: what a grant in force lets through at this source.
fn way(right: &Right, asking: &Asking<'_>) -> Result<Way, Rule> {
    let is_for_minor = matches!(right.basis, GrantBasis::Parent | GrantBasis::GuardianMinor | GrantBasis::Foster);
    let gates =
        if is_for_minor || right.basis == GrantBasis::PatientConsent { gates(right, asking)? } else { Vec::new() };
    if !right.scope.covers_source(asking.organization, asking.source) {
        return Err(Rule::ScopeSource);
    }
    if !right.scope.covers_action(asking.action) && !gates.contains(&Gate::Bills) {
        return Err(Rule::ScopeAction);
    }
    Ok(Way { scope: right.scope.clone(), is_for_minor, gates })
}

/// What the bands let through that the person may be in today, by all that is known.
fn gates(right: &Right, asking: &Asking<'_>) -> Result<Vec<Gate>, Rule> {
    let Asking { standing, policy, now, action, .. } = *asking;
    let today = local_date(now, asking.zone);
    let boundaries: Vec<_> = policy.bands.iter().map(|band| band.from).collect();
    let last = policy.bands.len().saturating_sub(1);
    let is_emancipated = standing.in_force(now).any(|rule| *rule == RuleKind::Emancipated);
    let mut possible: Vec<usize> = Vec::new();
    if is_emancipated {
        possible.push(last);
    } else if asking.births.is_empty() {
        possible.extend(0..=last);
    }
    for birth in asking.births.iter().filter(|_| !is_emancipated) {
        let (lowest, highest) = birth.bands(&boundaries, policy.leap_day, today);
        possible.extend(lowest..=highest);
    }
    possible.sort_unstable();
    possible.dedup();
    let mut gates = Vec::new();
    for band in possible.into_iter().map(|index| policy.bands.get(index)) {
        let band = band.ok_or(Rule::Undecidable)?;
        if let Some(gate) = gate(right, band, standing, (action, now))? {
            gates.push(gate);
        }
    }
    Ok(gates)
}

/// What one band lets through; `None` where it does not limit the grant.
fn gate(right: &Right, band: &Band, standing: &Standing, asked: (Action, Instant)) -> Result<Option<Gate>, Rule> {
    let (action, now) = asked;
    if right.basis == GrantBasis::PatientConsent {
        // Who is of age decides alone. A minor's own consent opens what assent opens: labels as far as they are named.
        let named = match right.scope.sensitivity {
            Sensitivity::Only(labels) => labels,
            _ => Labels::NONE,
        };
        return Ok((band.rule != BandRule::Nothing).then_some(Gate::WithoutLabels(named)));
    }
    let is_attested = |rule: &super::standing::StandingRule| {
        rule.kind == RuleKind::DiminishedCapacity && rule.period.covers(now) && now < rule.period.from.plus(ATTESTED)
    };
    if band.is_expandable && standing.rules.iter().any(is_attested) {
        return Ok(Some(Gate::Everything));
    }
    let assented = standing.in_force(now).filter_map(|rule| match rule {
        RuleKind::Assent { grant, labels } if *grant == right.grant => Some(*labels),
        _ => None,
    });
    if band.is_expandable
        && let Some(labels) = assented.reduce(Labels::and)
    {
        // Assent is no leave to take a copy away.
        return if action == Action::Export { Err(Rule::ScopeAction) } else { Ok(Some(Gate::WithoutLabels(labels))) };
    }
    let gate = match &band.rule {
        BandRule::Nothing if right.scope.guarantor && matches!(action, Action::Read | Action::Pay) => Gate::Bills,
        BandRule::Nothing => return Err(Rule::AgeBand),
        _ if !band.actions.contains(&action) => return Err(Rule::ScopeAction),
        BandRule::Everything => Gate::Everything,
        BandRule::WithoutLabels => Gate::WithoutLabels(Labels::NONE),
        BandRule::AllowList(allowed) => Gate::AllowList(allowed.clone()),
    };
    Ok(Some(gate))
}

/// The reason that came last in the order: of several ways, the one that got furthest says why.
fn furthest(reasons: impl IntoIterator<Item = Rule>) -> Rule {
    reasons.into_iter().max().unwrap_or(Rule::NoGrant)
}
