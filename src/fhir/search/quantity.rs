//! Number and quantity parameters, FHIR R4 search §3.1.1.4.6 and §3.1.1.4.11. Units are compared, never converted.

use std::cmp::Ordering;

use super::decimal::Decimal;
use super::fragment::Fragment;
use super::query::QuantityUnit;
use crate::fhir::knowledge::{Comparator, DataType};

/// One end of a [`Span`] of numbers.
#[derive(Clone, Copy)]
struct Bound {
    value: Decimal,
    /// The value itself lies outside.
    open: bool,
}

/// The numbers that an element may stand for; an absent bound is infinite.
#[derive(Clone, Copy)]
pub(super) struct Numbers {
    low: Option<Bound>,
    high: Option<Bound>,
}

impl Numbers {
    fn exactly(value: Decimal) -> Self {
        let bound = Some(Bound { value, open: false });
        Self { low: bound, high: bound }
    }

    /// The smallest (or greatest) number, to sort by.
    pub(super) fn end(self, greatest: bool) -> Option<Decimal> {
        let (first, second) = if greatest { (self.high, self.low) } else { (self.low, self.high) };
        first.or(second).map(|bound| bound.value)
    }
}

/// The numbers of a plain number element.
pub(super) fn number(found: Fragment<'_>) -> Option<Numbers> {
    found.number().and_then(Decimal::parse).map(Numbers::exactly)
}

/// The numbers of a quantity element. `Quantity.comparator` makes a half-line of them (`<` 5: everything below 5).
pub(super) fn numbers(found: Fragment<'_>, datatype: DataType) -> Option<Numbers> {
    match datatype {
        DataType::Decimal | DataType::Integer | DataType::PositiveInt => number(found),
        DataType::Range => {
            let bound = |name| {
                let value = found.get(name)?.get("value")?.number().and_then(Decimal::parse)?;
                Some(Bound { value, open: false })
            };
            let (low, high) = (bound("low"), bound("high"));
            (low.is_some() || high.is_some()).then_some(Numbers { low, high })
        }
        DataType::Quantity | DataType::Age | DataType::Duration | DataType::Money => {
            let value = found.get("value")?.number().and_then(Decimal::parse)?;
            let bound = |open| Some(Bound { value, open });
            match found.get("comparator").and_then(Fragment::text).as_deref() {
                None => Some(Numbers::exactly(value)),
                Some("<") => Some(Numbers { low: None, high: bound(true) }),
                Some("<=") => Some(Numbers { low: None, high: bound(false) }),
                Some(">") => Some(Numbers { low: bound(true), high: None }),
                Some(">=") => Some(Numbers { low: bound(false), high: None }),
                // A comparator that R4 does not know says nothing about where the value lies.
                Some(_) => None,
            }
        }
        _ => None,
    }
}

/// Whether the element's numbers satisfy the search. `eq` and `ne` go by the implicit range of the searched number;
/// the other prefixes take the number as exact.
pub(super) fn compare(comparator: Comparator, wanted: Decimal, found: Numbers) -> bool {
    let above = |bound: Option<Bound>| bound.is_none_or(|bound| bound.value.compare(wanted) == Ordering::Greater);
    let below = |bound: Option<Bound>| bound.is_none_or(|bound| bound.value.compare(wanted) == Ordering::Less);
    let at = |bound: Option<Bound>, open| {
        bound.is_some_and(|bound| bound.open == open && bound.value.compare(wanted) == Ordering::Equal)
    };
    match comparator {
        Comparator::Gt => above(found.high),
        Comparator::Lt => below(found.low),
        Comparator::Ge => above(found.high) || at(found.high, false),
        Comparator::Le => below(found.low) || at(found.low, false),
        Comparator::Sa => found.low.is_some() && (above(found.low) || at(found.low, true)),
        Comparator::Eb => found.high.is_some() && (below(found.high) || at(found.high, true)),
        Comparator::Eq => within(wanted.implicit_range(), found),
        Comparator::Ne => !within(wanted.implicit_range(), found),
        Comparator::Ap => {
            let (low, high) = wanted.approximate_range();
            let reaches = found.high.is_none_or(|bound| match bound.value.compare(low) {
                Ordering::Greater => true,
                Ordering::Equal => !bound.open,
                Ordering::Less => false,
            });
            reaches
                && found.low.is_none_or(|bound| match bound.value.compare(high) {
                    Ordering::Less => true,
                    Ordering::Equal => !bound.open,
                    Ordering::Greater => false,
                })
        }
    }
}

/// Whether all numbers lie in `[low, high)`.
fn within((low, high): (Decimal, Decimal), found: Numbers) -> bool {
    found.low.is_some_and(|bound| bound.value.compare(low) != Ordering::Less)
        && found.high.is_some_and(|bound| match bound.value.compare(high) {
            Ordering::Less => true,
            Ordering::Equal => bound.open,
            Ordering::Greater => false,
        })
}

/// Whether the element's unit is the wanted one.
pub(super) fn unit_holds(wanted: &QuantityUnit, found: Fragment<'_>, datatype: DataType) -> bool {
    if datatype == DataType::Range {
        return match found.get("low").or(found.get("high")) {
            Some(bound) => unit_holds(wanted, bound, DataType::Quantity),
            None => false,
        };
    }
    let is = |name: &str, wanted: &str| found.get(name).and_then(Fragment::text).is_some_and(|text| text == wanted);
    match (wanted, datatype) {
        (QuantityUnit::Any, _) => true,
        (QuantityUnit::CodeOrUnit(code), DataType::Money) => is("currency", code),
        (QuantityUnit::Coded { system, code }, DataType::Money) => {
            system == "urn:iso:std:iso:4217" && is("currency", code)
        }
        (QuantityUnit::CodeOrUnit(code), _) => is("code", code) || is("unit", code),
        (QuantityUnit::Coded { system, code }, _) => is("system", system) && is("code", code),
    }
}
