//! SMART App Launch 2.2 scopes, versions 1 and 2: parse, print, unite, narrow, and decide with them.

use std::collections::BTreeSet;
use std::fmt;

use crate::fhir::ResourceType;

/// More scopes than this in one request are dropped: the page that lists them must stay readable.
const MOST_SCOPES: usize = 400;
/// The longest single scope that is looked at, in bytes.
const LONGEST_SCOPE: usize = 1_000;

/// One interaction kind of SMART v2 scopes (SMART App Launch 2.2 §3.0.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// `c`: type-level create.
    Create,
    /// `r`: instance-level read, vread, history.
    Read,
    /// `u`: instance-level update and patch.
    Update,
    /// `d`: instance-level delete.
    Delete,
    /// `s`: type-level search and history.
    Search,
}

impl Action {
    /// All of them, in the order in which a scope must name them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::Search];

    const fn bit(self) -> u8 {
        1 << self as u8
    }

    const fn letter(self) -> char {
        match self {
            Self::Create => 'c',
            Self::Read => 'r',
            Self::Update => 'u',
            Self::Delete => 'd',
            Self::Search => 's',
        }
    }
}

/// A set of [`Action`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actions(u8);

impl Actions {
    /// What v1 `read` means: `rs`.
    pub const READ: Self = Self(Action::Read.bit() | Action::Search.bit());
    /// What v1 `write` means: `cud`.
    pub const WRITE: Self = Self(Action::Create.bit() | Action::Update.bit() | Action::Delete.bit());
    /// What v1 `*` means: `cruds`.
    pub const ALL: Self = Self(Self::READ.0 | Self::WRITE.0);

    /// Whether `action` is among them.
    #[must_use]
    pub const fn contains(self, action: Action) -> bool {
        self.0 & action.bit() != 0
    }

    /// Whether every action of `other` is among them.
    #[must_use]
    pub const fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The actions in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The actions in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// `c?r?u?d?s?`, in this order, at least one letter.
    fn parse_v2(text: &str) -> Option<Self> {
        let mut order = Action::ALL.iter();
        let mut bits = 0;
        for letter in text.chars() {
            bits |= order.find(|action| action.letter() == letter)?.bit();
        }
        (bits != 0).then_some(Self(bits))
    }
}

impl fmt::Display for Actions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for action in Action::ALL {
            if self.contains(action) {
                write!(f, "{}", action.letter())?;
            }
        }
        Ok(())
    }
}

/// Whose records a resource scope speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// `patient/`: the patient in context.
    Patient,
    /// `user/`: what the user may see; for patients and proxies, the one person chosen at authorization.
    User,
    /// `system/`: what a backend service may see without any user.
    System,
}

impl Context {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::User => "user",
            Self::System => "system",
        }
    }
}

/// How the actions were spelled: a v1 scope is granted as a v1 scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Spelling {
    V1,
    V2,
}

/// `patient/Observation.rs?category=laboratory` and its like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceScope {
    context: Context,
    /// `None` is `*`.
    resource_type: Option<ResourceType>,
    actions: Actions,
    spelling: Spelling,
    /// All must hold: search parameter and value, percent-decoded.
    constraint: Vec<(String, String)>,
}

impl ResourceScope {
    /// The type, or `None` for `*`.
    #[must_use]
    pub const fn resource_type(&self) -> Option<ResourceType> {
        self.resource_type
    }

    /// What it allows.
    #[must_use]
    pub const fn actions(&self) -> Actions {
        self.actions
    }

    /// The search parameters and values that a resource must match, all of them.
    #[must_use]
    pub fn constraint(&self) -> &[(String, String)] {
        &self.constraint
    }

    /// The same scope for one type.
    #[must_use]
    pub fn for_type(&self, resource_type: ResourceType) -> Self {
        Self { resource_type: Some(resource_type), ..self.clone() }
    }

    /// The same scope for the resources alone that have this value of a search parameter; `None` when that cannot be
    /// said. v1 has no limits, so it is spelled as v2 says it.
    #[must_use]
    pub fn limited_to(&self, parameter: &str, value: &str) -> Option<Self> {
        self.resource_type?;
        let pair = (parameter.to_owned(), value.to_owned());
        let constraint = self.constraint.iter().cloned().chain([pair]).collect();
        Some(Self { constraint, spelling: Spelling::V2, ..self.clone() }).filter(Self::is_readable)
    }

    fn parse(text: &str) -> Option<Self> {
        let (context, rest) = text.split_once('/')?;
        let context = match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            "system" => Context::System,
            _ => return None,
        };
        let (resource_type, rest) = rest.split_once('.')?;
        let resource_type = match resource_type {
            "*" => None,
            name => Some(ResourceType::parse(name)?),
        };
        let (actions, query) = match rest.split_once('?') {
            Some((actions, query)) => (actions, Some(query)),
            None => (rest, None),
        };
        let (actions, spelling) = match actions {
            "read" => (Actions::READ, Spelling::V1),
            "write" => (Actions::WRITE, Spelling::V1),
            "*" => (Actions::ALL, Spelling::V1),
            v2 => (Actions::parse_v2(v2)?, Spelling::V2),
        };
        let constraint = match query {
            None => Vec::new(),
            // v1 has no constraints, and one over all types has no meaning: parameters belong to types.
            Some(_) if spelling == Spelling::V1 || resource_type.is_none() => return None,
            Some(query) => parse_constraint(query)?,
        };
        Some(Self { context, resource_type, actions, spelling, constraint })
    }

    /// What both allow, spelled as `self` is spelled; `None` when that is nothing.
    fn intersection(&self, other: &Self) -> Option<Self> {
        if self.context != other.context {
            return None;
        }
        let resource_type = match (self.resource_type, other.resource_type) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        let both = self.actions.intersection(other.actions);
        let actions = match self.spelling {
            Spelling::V2 => both,
            // v1 can only say read, write or both.
            Spelling::V1 if both == Actions::ALL || both == Actions::WRITE || both == Actions::READ => both,
            Spelling::V1 if both.covers(Actions::READ) => Actions::READ,
            Spelling::V1 if both.covers(Actions::WRITE) => Actions::WRITE,
            Spelling::V1 => Actions::default(),
        };
        if actions.is_empty() {
            return None;
        }
        let mut constraint = self.constraint.clone();
        constraint.extend(other.constraint.iter().filter(|pair| !self.constraint.contains(pair)).cloned());
        // A constraint that came from the other side cannot be spelled in v1.
        let spelling = if constraint.is_empty() { self.spelling } else { Spelling::V2 };
        // What could not be read again grants nothing: narrower is safe.
        Some(Self { context: self.context, resource_type, actions, spelling, constraint }).filter(Self::is_readable)
    }

    /// Whether what it prints is short enough to be read again: escapes make it longer than what was read.
    fn is_readable(&self) -> bool {
        self.to_string().len() <= LONGEST_SCOPE
    }

    fn covers(&self, other: &Self) -> bool {
        self.context == other.context
            && (self.resource_type.is_none() || self.resource_type == other.resource_type)
            && self.actions.covers(other.actions)
            && self.constraint.iter().all(|pair| other.constraint.contains(pair))
    }
}

/// The query of a granular scope: plain parameters alone. A chain, a modifier or a result parameter (`_include`,
/// `_has`) could widen what a search returns, so a scope that has one is no scope.
fn parse_constraint(query: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        let value = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
        if !plain || value.trim().is_empty() || value.chars().any(char::is_control) {
            return None;
        }
        let pair = (name.to_owned(), value.into_owned());
        if !pairs.contains(&pair) {
            pairs.push(pair);
        }
    }
    Some(pairs)
}

/// What must be escaped so that a value can stand in a scope (RFC 6749 §3.3) and in its query.
const VALUE: &percent_encoding::AsciiSet =
    &percent_encoding::CONTROLS.add(b' ').add(b'"').add(b'\\').add(b'%').add(b'&').add(b'#').add(b'+');

impl fmt::Display for ResourceScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resource_type = self.resource_type.map_or("*", ResourceType::as_str);
        write!(f, "{}/{resource_type}.", self.context.as_str())?;
        match (self.spelling, self.actions) {
            (Spelling::V1, Actions::ALL) => f.write_str("*")?,
            (Spelling::V1, Actions::READ) => f.write_str("read")?,
            (Spelling::V1, Actions::WRITE) => f.write_str("write")?,
            (_, actions) => write!(f, "{actions}")?,
        }
        for (index, (name, value)) in self.constraint.iter().enumerate() {
            let mark = if index == 0 { '?' } else { '&' };
            write!(f, "{mark}{name}={}", percent_encoding::utf8_percent_encode(value, VALUE))?;
        }
        Ok(())
    }
}

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `openid`: an id_token.
    OpenId,
    /// `profile`: the account's name.
    Profile,
    /// `fhirUser`: which FHIR resource the user is.
    FhirUser,
    /// `launch`: what was in context where the app was opened.
    Launch,
    /// `launch/patient`: a patient in context.
    LaunchPatient,
    /// `launch/encounter`: an encounter in context.
    LaunchEncounter,
    /// `offline_access`: refresh tokens that work when the user is away.
    OfflineAccess,
    /// `online_access`: refresh tokens as long as the user stays signed in.
    OnlineAccess,
    /// Clinical data.
    Resource(ResourceScope),
}

impl Scope {
    const WORDS: [(&'static str, Self); 8] = [
        ("openid", Self::OpenId),
        ("profile", Self::Profile),
        ("fhirUser", Self::FhirUser),
        ("launch", Self::Launch),
        ("launch/patient", Self::LaunchPatient),
        ("launch/encounter", Self::LaunchEncounter),
        ("offline_access", Self::OfflineAccess),
        ("online_access", Self::OnlineAccess),
    ];

    /// Reads one scope; `None` for what is unknown, malformed or not served.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST_SCOPE {
            return None;
        }
        match Self::WORDS.iter().find(|(word, _)| *word == text) {
            Some((_, scope)) => Some(scope.clone()),
            None => ResourceScope::parse(text).filter(ResourceScope::is_readable).map(Self::Resource),
        }
    }
}

impl Scope {
    /// Whether it is for backend services.
    fn is_of_system(&self) -> bool {
        matches!(self, Self::Resource(ResourceScope { context: Context::System, .. }))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource(scope) => fmt::Display::fmt(scope, f),
            word => f.write_str(Self::WORDS.iter().find(|(_, scope)| scope == word).map_or("", |(text, _)| text)),
        }
    }
}

/// What a set of scopes says about one type and action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScopeAccess {
    /// Nothing allows it.
    Denied,
    /// Allowed for every resource of the type.
    Unconstrained,
    /// Allowed for resources that match one of these lists of search parameters (each list: all must match).
    Constrained(Vec<Vec<(String, String)>>),
}

/// A set of scopes, in one order whatever order they came in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ScopeSet(BTreeSet<Scope>);

impl ScopeSet {
    /// Reads a space-separated list (RFC 6749 §3.3). The second part names what was dropped: unknown, malformed, or
    /// too many. Linear in the length of the text.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<String>) {
        let (mut kept, mut dropped) = (BTreeSet::new(), Vec::new());
        for (index, word) in text.split(' ').filter(|word| !word.is_empty()).enumerate() {
            match Scope::parse(word) {
                Some(scope) if index < MOST_SCOPES => {
                    kept.insert(scope);
                }
                _ => dropped.push(word.to_owned()),
            }
        }
        (Self(kept), dropped)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The scopes of backend services: none of them is ever granted by a user.
    #[must_use]
    pub fn of_system(&self) -> Self {
        self.0.iter().filter(|scope| scope.is_of_system()).cloned().collect()
    }

    /// The scopes that a user grants: none of them is ever given to a backend service.
    #[must_use]
    pub fn of_users(&self) -> Self {
        self.0.iter().filter(|scope| !scope.is_of_system()).cloned().collect()
    }

    /// Whether this very scope is in the set.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.contains(scope)
    }

    /// Takes one scope out.
    pub fn remove(&mut self, scope: &Scope) {
        self.0.remove(scope);
    }

    /// The scopes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// The scopes on clinical data, in order.
    pub fn resources(&self) -> impl Iterator<Item = &ResourceScope> {
        self.0.iter().filter_map(|scope| match scope {
            Scope::Resource(resource) => Some(resource),
            _ => None,
        })
    }

    /// What the set says about `action` on `resource_type`. Several scopes for one type are united; one without a
    /// constraint wins.
    #[must_use]
    pub fn allows(&self, resource_type: ResourceType, action: Action) -> ScopeAccess {
        let mut alternatives = Vec::new();
        for scope in self.resources() {
            let of_type = scope.resource_type.is_none_or(|t| t == resource_type);
            if !of_type || !scope.actions.contains(action) {
                continue;
            }
            if scope.constraint.is_empty() {
                return ScopeAccess::Unconstrained;
            }
            if !alternatives.contains(&scope.constraint) {
                alternatives.push(scope.constraint.clone());
            }
        }
        if alternatives.is_empty() { ScopeAccess::Denied } else { ScopeAccess::Constrained(alternatives) }
    }

    /// What both sets allow, spelled as in `self`: a request narrowed to what its client may have. Never wider than
    /// either.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = BTreeSet::new();
        for scope in &self.0 {
            match scope {
                Scope::Resource(mine) => {
                    // Covered whole: keep the request's own spelling instead of a list of overlapping parts.
                    if other.resources().any(|theirs| theirs.covers(mine)) {
                        out.insert(scope.clone());
                    } else {
                        out.extend(
                            other.resources().filter_map(|theirs| mine.intersection(theirs)).map(Scope::Resource),
                        );
                    }
                }
                word if other.0.contains(word) => {
                    out.insert(word.clone());
                }
                _ => {}
            }
        }
        Self(out.into_iter().take(MOST_SCOPES).collect())
    }

    /// Whether everything that `other` says is covered by a single scope of this set (RFC 6749 §6: a refresh must not
    /// ask for more than was granted).
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|scope| match scope {
            Scope::Resource(theirs) => self.resources().any(|mine| mine.covers(theirs)),
            word => self.0.contains(word),
        })
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            fmt::Display::fmt(scope, f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn set(text: &str) -> ScopeSet {
        let (set, dropped) = ScopeSet::parse(text);
        assert_eq!(dropped, Vec::<String>::new(), "{text}");
        set
    }

    fn allowed(text: &str, resource_type: ResourceType) -> String {
        let set = set(text);
        "cruds"
            .chars()
            .zip(Action::ALL)
            .filter(|(_, action)| set.allows(resource_type, *action) != ScopeAccess::Denied)
            .map(|(letter, _)| letter)
            .collect()
    }

    #[test]
    fn o28_every_spelling_means_exactly_its_actions() {
        // All 31 v2 combinations, by the rule of the specification: the letters themselves, in order.
        for bits in 1_u8..32 {
            let letters: String =
                "cruds".chars().enumerate().filter(|(i, _)| bits & (1 << i) != 0).map(|x| x.1).collect();
            for context in ["patient", "user"] {
                for kind in ["Observation", "*"] {
                    let scope = format!("{context}/{kind}.{letters}");
                    assert_eq!(allowed(&scope, ResourceType::Observation), letters, "{scope}");
                    assert_eq!(set(&scope).to_string(), scope);
                }
                let scope = format!("{context}/Observation.{letters}");
                assert_eq!(allowed(&scope, ResourceType::Condition), "", "{scope}");
            }
        }
        for (v1, letters) in [("read", "rs"), ("write", "cud"), ("*", "cruds")] {
            for kind in ["Observation", "*"] {
                let scope = format!("patient/{kind}.{v1}");
                assert_eq!(allowed(&scope, ResourceType::Observation), letters, "{scope}");
                assert_eq!(set(&scope).to_string(), scope, "a v1 scope keeps its spelling");
            }
        }
    }

    #[test]
    fn o27_what_is_no_scope_is_dropped() {
        for bad in [
            "patient/Observation.rsdu",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.",
            "patient/Observation",
            "patient/.rs",
            "patient/observation.rs",
            "patient/Observation.RS",
            "patient/Observation.readwrite",
            "patient%2FObservation.rs",
            "patient/Nonsense.rs",
            "System/Observation.rs",
            "system/Observation.sr",
            "Patient/Observation.rs",
            "patient//Observation.rs",
            "patient/Observation.rs?",
            "patient/Observation.rs?category",
            "patient/Observation.rs?category=",
            "patient/Observation.rs?subject.name=x",
            "patient/Observation.rs?_has:Provenance:target:agent=x",
            "patient/Observation.rs?code:not=y",
            "patient/Observation.rs?_include:iterate=*",
            "patient/Observation.rs?_include=*",
            "patient/Observation.rs?_id=1",
            "patient/Observation.rs?category=a&",
            "patient/Observation.rs?category=%0a",
            "patient/Observation.rs?category=%ff",
            "patient/Observation.read?category=laboratory",
            "patient/*.rs?category=laboratory",
            "Launch",
            "launch/Encounter",
            "launch/practitioner",
            "openid2",
            "OpenID",
            "fhiruser",
        ] {
            let (set, dropped) = ScopeSet::parse(bad);
            assert!(set.is_empty(), "{bad} was kept as {set}");
            assert_eq!(dropped, [bad]);
        }
    }

    #[test]
    fn o27_huge_requests_cost_little_and_give_little() {
        let many = "patient/Observation.rs?category=".to_owned() + &"x".repeat(999) + " ";
        assert!(ScopeSet::parse(&many).0.is_empty());
        let ten_thousand: String = (0..10_000).map(|n| format!("patient/Observation.rs?category={n} ")).collect();
        let (set, dropped) = ScopeSet::parse(&ten_thousand);
        assert_eq!((set.iter().count(), dropped.len()), (400, 9_600));
        let started = std::time::Instant::now();
        let (set, _) = ScopeSet::parse(&"patient/Observation.rs?category=x&".repeat(30_000));
        assert!(set.is_empty());
        assert!(started.elapsed().as_secs() < 1);
    }

    #[test]
    fn several_scopes_for_one_type_are_united() {
        let pair = |value: &str| vec![("category".to_owned(), value.to_owned())];
        let two = set("patient/Observation.rs?category=laboratory patient/Observation.r?category=vital-signs");
        assert_eq!(
            two.allows(ResourceType::Observation, Action::Read),
            ScopeAccess::Constrained(vec![pair("vital-signs"), pair("laboratory")])
        );
        assert_eq!(
            two.allows(ResourceType::Observation, Action::Search),
            ScopeAccess::Constrained(vec![pair("laboratory")])
        );
        let with_all = set("patient/Observation.rs?category=laboratory patient/*.r");
        assert_eq!(with_all.allows(ResourceType::Observation, Action::Read), ScopeAccess::Unconstrained);
        assert_ne!(with_all.allows(ResourceType::Observation, Action::Search), ScopeAccess::Unconstrained);
    }

    #[test]
    fn constraint_values_are_decoded_once() {
        let system = "http://terminology.hl7.org/CodeSystem/observation-category|laboratory";
        for text in [system.to_owned(), system.replace('|', "%7C"), system.replace('/', "%2F")] {
            let set = set(&format!("patient/Observation.rs?category={text}"));
            let ScopeAccess::Constrained(lists) = set.allows(ResourceType::Observation, Action::Read) else {
                panic!("{text}")
            };
            assert_eq!(lists, [[("category".to_owned(), system.to_owned())]]);
        }
    }

    #[test]
    fn narrowing_to_what_a_client_may_have() {
        for (requested, allowed, granted) in [
            ("patient/*.rs", "patient/*.rs", "patient/*.rs"),
            ("patient/Observation.rs", "patient/*.rs", "patient/Observation.rs"),
            ("patient/*.cruds", "patient/*.rs", "patient/*.rs"),
            ("patient/*.*", "patient/*.rs", "patient/*.read"),
            ("patient/*.read", "patient/*.rs", "patient/*.read"),
            ("patient/*.write", "patient/*.rs", ""),
            ("patient/*.rs", "patient/Observation.rs patient/Patient.r", "patient/Observation.rs patient/Patient.r"),
            ("patient/*.read", "patient/Observation.r", ""),
            ("user/*.rs", "patient/*.rs", ""),
            ("patient/Observation.rs", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a"),
            ("patient/Observation.read", "patient/Observation.rs?category=a", "patient/Observation.rs?category=a"),
            (
                "patient/Observation.rs?category=b",
                "patient/Observation.rs?category=a",
                "patient/Observation.rs?category=b&category=a",
            ),
            ("openid offline_access", "openid", "openid"),
            ("openid", "", ""),
        ] {
            assert_eq!(set(requested).intersection(&set(allowed)).to_string(), granted, "{requested} within {allowed}");
        }
    }

    #[test]
    fn o26_covering() {
        for (granted, asked, covered) in [
            ("patient/*.rs", "patient/Observation.rs", true),
            ("patient/*.rs", "patient/Observation.rs?category=a", true),
            ("patient/*.read", "patient/*.r", true),
            ("patient/*.rs", "patient/*.cruds", false),
            ("patient/Observation.rs", "patient/*.rs", false),
            ("patient/Observation.rs?category=a", "patient/Observation.rs", false),
            ("patient/Observation.rs?category=a", "patient/Observation.rs?category=b", false),
            ("patient/Observation.rs", "patient/Observation.rs offline_access", false),
            ("patient/Observation.rs", "user/Observation.rs", false),
        ] {
            assert_eq!(set(granted).covers(&set(asked)), covered, "{granted} covers {asked}");
        }
    }

    fn any_scope() -> impl Strategy<Value = String> {
        let kind = prop::sample::select(vec!["Observation", "Patient", "Condition", "*"]);
        let actions = prop::sample::select(vec!["r", "s", "rs", "cruds", "cud", "read", "write", "*", "u"]);
        let context = prop::sample::select(vec!["patient", "user"]);
        let query = prop::option::of("[a-z][a-z-]{0,5}=[ -~]{1,12}");
        (context, kind, actions, query).prop_map(|(context, kind, actions, query)| match query {
            Some(query) => format!("{context}/{kind}.{actions}?{query}"),
            None => format!("{context}/{kind}.{actions}"),
        })
    }

    proptest! {
        #[test]
        fn o27_print_and_parse_agree(texts in prop::collection::vec(any_scope(), 0..6)) {
            let (set, _) = ScopeSet::parse(&texts.join(" "));
            let printed = set.to_string();
            let (again, dropped) = ScopeSet::parse(&printed);
            prop_assert!(dropped.is_empty(), "{} lost {:?}", printed, dropped);
            prop_assert_eq!(again, set);
        }

        #[test]
        fn parsing_never_fails(text in "\\PC{0,200}") {
            let (set, _) = ScopeSet::parse(&text);
            prop_assert_eq!(ScopeSet::parse(&set.to_string()).0, set);
        }

        #[test]
        fn o27_granted_is_never_wider_than_requested_or_allowed(
            requested in prop::collection::vec(any_scope(), 0..5), allowed in prop::collection::vec(any_scope(), 0..5),
        ) {
            let requested = ScopeSet::parse(&requested.join(" ")).0;
            let allowed = ScopeSet::parse(&allowed.join(" ")).0;
            let granted = requested.intersection(&allowed);
            prop_assert!(requested.covers(&granted), "{} of {}", granted, requested);
            prop_assert!(allowed.covers(&granted), "{} of {}", granted, allowed);
        }
    }
}
