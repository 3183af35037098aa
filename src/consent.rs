//! Who sees what of somebody's record: grants with their scope, restrictions, holds, labels, age bands, and the one
//! decision over them. Pure functions over data; the rules of an organization come from `mappings/policy` and
//! `mappings/sensitivity`.
//!
//! [`Lens::of`] decides what holds for a whole request at one source, [`Lens::judge`] for one item of it, in the one
//! order of [`Rule`]. Whoever has no rule that lets them see something does not see it.

mod age;
mod code_set;
pub mod exchange;
mod free_text;
mod item;
mod label;
mod lens;
mod notice;
mod policy;
mod redact;
mod rule;
mod scope;
mod specialty;
mod standing;
mod succession;
#[cfg(test)]
mod tests;
mod view;
mod words;

pub use age::{BirthDate, Boundary, LeapDay, local_date};
pub use code_set::{CodePattern, CodeSets};
pub use free_text::{Passage, Suspicion, WordError, Words};
pub use item::{Detail, Edition, Item, Span, describe};
pub use label::{Label, Labels};
pub use lens::{Asking, Extent, Lens, Shown, Verdict};
pub use notice::{DueNotice, due_notices};
pub use policy::{Allow, Band, BandRule, Change, CodeList, Policy};
pub use redact::{Contacts, redacted};
pub use rule::Rule;
pub use scope::{DataPeriod, GrantScope, Sensitivity};
pub use specialty::{SPECIALISTS, Specialties};
pub use standing::{Effect, Right, RuleKind, Standing, StandingRule, may_end};
pub use succession::Succession;
pub use view::{Lead, Reference, SourceView, TaintIndex, View};
pub use words::{Action, Assurance, Category, Level};
