//! What a lens lets through of a category as a whole, before anything is looked at: what pages and previews tell people.

use super::{Gate, Lens, Way};
use crate::consent::scope::{GrantScope, Sensitivity};
use crate::consent::words::Category;
use crate::fhir::ResourceType;
use crate::identity::named;

named! {
    /// How much of a category somebody sees, in rising order. It is never less than what [`Lens::judge`] lets through.
    Extent {
        /// Nothing.
        Nothing = "nothing",
        /// Only when, where and how much.
        Outline = "outline",
        /// Some items, by what they say or when they were.
        Part = "part",
        /// All, apart from what a clinician keeps back.
        All = "all",
    }
}

impl Lens {
    /// How much of a category is seen.
    #[must_use]
    pub fn extent(&self, category: Category) -> Extent {
        if category == Category::Directory {
            return Extent::All;
        }
        let most = if self.is_own {
            Extent::All
        } else {
            self.ways.iter().map(|way| way.extent(category)).max().unwrap_or(Extent::Nothing)
        };
        let waits = self.holds.iter().any(|(categories, _)| categories.contains(&category));
        let is_cut = matches!(category, Category::Demographics | Category::Visits) && self.hides_contacts;
        // Not by flags: whoever is kept from an item must not learn from this that there is one.
        if waits || is_cut { most.min(Extent::Part) } else { most }
    }
}

impl Way {
    fn extent(&self, category: Category) -> Extent {
        let scope = &self.scope;
        if !scope.covers_category(category) || !has_type(scope, category) {
            return Extent::Nothing;
        }
        let is_part = scope.types.is_some() || scope.data_period.is_some() || scope.sensitivity != Sensitivity::All;
        let whole = if is_part { Extent::Part } else { Extent::All };
        self.gates.iter().map(|gate| gate.extent(category)).fold(whole, Ord::min)
    }
}

/// Whether a grant that names types names one of this category.
fn has_type(scope: &GrantScope, category: Category) -> bool {
    let is_of = |kind: ResourceType| match Category::of_type(kind) {
        // Told apart by their codes.
        Category::Results if kind == ResourceType::Observation => {
            matches!(category, Category::Results | Category::Vitals)
        }
        Category::Notes => matches!(category, Category::Notes | Category::Forms),
        of_type => of_type == category,
    };
    scope.types.as_ref().is_none_or(|types| types.iter().filter_map(|kind| ResourceType::parse(kind)).any(is_of))
}

impl Gate {
    fn extent(&self, category: Category) -> Extent {
        match self {
            Self::Everything => Extent::All,
            Self::WithoutLabels(_) => Extent::Part,
            // What is seen through its owners is listed with them.
            Self::AllowList(_) if category == Category::Derived => Extent::Part,
            Self::AllowList(allowed) => {
                let lines = allowed.iter().filter(|line| line.category == category);
                let extents = lines.map(|line| if line.is_outline { Extent::Outline } else { Extent::Part });
                extents.max().unwrap_or(Extent::Nothing)
            }
            Self::Bills => match category {
                Category::Billing => Extent::Outline,
                Category::Demographics | Category::Derived => Extent::All,
                _ => Extent::Nothing,
            },
        }
    }
}
