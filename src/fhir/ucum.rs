//! Units of measure brought to one per kind, so that a trend can be drawn over results of several sources (UCUM codes,
//! <http://unitsofmeasure.org>). Only what needs no knowledge of the substance: milligrams are never made of millimoles.

/// A value in the unit that its kind is shown in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Normalised {
    /// The value.
    pub value: f64,
    /// The UCUM code of its unit.
    pub unit: &'static str,
}

/// What a unit is made of: `shown = value × factor + offset`.
struct Row {
    shown: &'static str,
    /// Code and factor.
    codes: &'static [(&'static str, f64)],
}

/// By kind of quantity, the unit it is shown in and the units that are brought to it. UCUM codes are compared with case:
/// `mg` and `Mg` are not the same.
const ROWS: &[Row] = &[
    // Mass of a body or a dose.
    Row { shown: "kg", codes: &[("kg", 1.0), ("g", 0.001), ("[lb_av]", 0.453_592_37), ("[oz_av]", 0.028_349_523_125)] },
    Row { shown: "mg", codes: &[("mg", 1.0), ("ug", 0.001), ("mcg", 0.001)] },
    // Length.
    Row {
        shown: "cm",
        codes: &[
            ("cm", 1.0),
            ("m", 100.0),
            ("mm", 0.1),
            ("[in_i]", 2.54),
            ("[in_us]", 2.540_005_080_010_16),
            ("[ft_i]", 30.48),
        ],
    },
    // Pressure.
    Row {
        shown: "mm[Hg]",
        codes: &[("mm[Hg]", 1.0), ("kPa", 7.500_615_758_456_564), ("cm[H2O]", 0.735_559_121_012_902)],
    },
    // Concentrations of mass.
    Row {
        shown: "mg/dL",
        codes: &[
            ("mg/dL", 1.0),
            ("g/dL", 1_000.0),
            ("g/L", 100.0),
            ("mg/L", 0.1),
            ("ug/mL", 0.1),
            ("ug/dL", 0.001),
            ("mg/mL", 100.0),
            ("mg%", 1.0),
        ],
    },
    Row { shown: "ng/mL", codes: &[("ng/mL", 1.0), ("ug/L", 1.0), ("pg/mL", 0.001), ("ng/L", 0.001), ("ng/dL", 0.01)] },
    // Concentrations of substance.
    Row { shown: "mmol/L", codes: &[("mmol/L", 1.0), ("umol/L", 0.001), ("nmol/L", 0.000_001), ("mol/L", 1_000.0)] },
    Row { shown: "meq/L", codes: &[("meq/L", 1.0)] },
    // Counts of cells: thousands in a microlitre are thousand millions in a litre.
    Row {
        shown: "10*3/uL",
        codes: &[
            ("10*3/uL", 1.0),
            ("10*9/L", 1.0),
            ("K/uL", 1.0),
            ("/uL", 0.001),
            ("{cells}/uL", 0.001),
            ("10*6/L", 0.001),
            ("10*3/mm3", 1.0),
        ],
    },
    Row { shown: "10*6/uL", codes: &[("10*6/uL", 1.0), ("10*12/L", 1.0), ("M/uL", 1.0)] },
    // Activities of enzymes.
    Row { shown: "U/L", codes: &[("U/L", 1.0), ("[iU]/L", 1.0), ("mU/mL", 1.0), ("U/mL", 1_000.0), ("ukat/L", 60.0)] },
    // Shares, rates, volumes, times.
    Row { shown: "%", codes: &[("%", 1.0), ("1", 100.0)] },
    Row {
        shown: "/min",
        codes: &[("/min", 1.0), ("{beats}/min", 1.0), ("{breaths}/min", 1.0), ("/s", 60.0), ("Hz", 60.0)],
    },
    Row { shown: "mL", codes: &[("mL", 1.0), ("L", 1_000.0), ("dL", 100.0), ("uL", 0.001), ("cL", 10.0)] },
    Row { shown: "mL/min", codes: &[("mL/min", 1.0), ("L/min", 1_000.0)] },
    Row {
        shown: "mL/min/{1.73_m2}",
        codes: &[("mL/min/{1.73_m2}", 1.0), ("mL/min/1.73m2", 1.0), ("mL/min/{1.73m2}", 1.0)],
    },
    Row { shown: "kg/m2", codes: &[("kg/m2", 1.0)] },
    Row { shown: "fL", codes: &[("fL", 1.0), ("um3", 1.0)] },
    Row { shown: "pg", codes: &[("pg", 1.0), ("fg", 0.001)] },
    Row { shown: "mm/h", codes: &[("mm/h", 1.0)] },
];

/// Brings a value to the unit of its kind; `None` when the unit is not in the table or the value is no number. Values with
/// and without a known unit do not belong into one trend.
#[must_use]
pub fn normalise(value: f64, unit: &str) -> Option<Normalised> {
    if !value.is_finite() {
        return None;
    }
    // Temperatures have another zero.
    match unit {
        "Cel" => return Some(Normalised { value, unit: "Cel" }),
        "[degF]" => return Some(Normalised { value: tidy((value - 32.0) / 1.8), unit: "Cel" }),
        "K" => return Some(Normalised { value: tidy(value - 273.15), unit: "Cel" }),
        _ => {}
    }
    ROWS.iter().find_map(|row| {
        let (_, factor) = row.codes.iter().find(|(code, _)| *code == unit)?;
        // As it stands where nothing is converted.
        let value = if *factor == 1.0 { value } else { tidy(value * factor) };
        Some(Normalised { value, unit: row.shown })
    })
}

/// Whether two units belong to one kind, so that their values can stand in one trend.
#[must_use]
pub fn comparable(left: &str, right: &str) -> bool {
    matches!((normalise(1.0, left), normalise(1.0, right)), (Some(left), Some(right)) if left.unit == right.unit)
}

/// Without the noise that binary fractions leave in the last places: ten significant digits.
fn tidy(value: f64) -> f64 {
    format!("{value:.9e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Conversions as they stand in tables of units (NIST SP 811, appendix B) and as laboratories print them.
    #[test]
    fn common_units_come_to_one_of_their_kind() {
        for (value, unit, expected, shown) in [
            (150.0, "[lb_av]", 68.038_855_5, "kg"),
            (3_400.0, "g", 3.4, "kg"),
            (70.0, "[in_i]", 177.8, "cm"),
            (1.75, "m", 175.0, "cm"),
            (98.6, "[degF]", 37.0, "Cel"),
            (310.15, "K", 37.0, "Cel"),
            (37.0, "Cel", 37.0, "Cel"),
            (16.0, "kPa", 120.009_852_1, "mm[Hg]"),
            (14.2, "g/dL", 14_200.0, "mg/dL"),
            (0.9, "mg/dL", 0.9, "mg/dL"),
            (5.0, "mg/L", 0.5, "mg/dL"),
            (88.4, "umol/L", 0.0884, "mmol/L"),
            (7.2, "10*9/L", 7.2, "10*3/uL"),
            (7_200.0, "/uL", 7.2, "10*3/uL"),
            (4.9, "10*12/L", 4.9, "10*6/uL"),
            (0.41, "1", 41.0, "%"),
            (0.5, "ukat/L", 30.0, "U/L"),
            (1.2, "ug/L", 1.2, "ng/mL"),
            (250.0, "pg/mL", 0.25, "ng/mL"),
        ] {
            assert_eq!(normalise(value, unit), Some(Normalised { value: expected, unit: shown }), "{value} {unit}");
        }
    }

    #[test]
    fn what_is_not_known_or_not_of_one_kind_is_left_alone() {
        for unit in ["", "lbs", "KG", "Mg", "mg/dl", "furlong", "[degF] ", "10^9/L"] {
            assert_eq!(normalise(1.0, unit), None, "{unit:?}");
        }
        assert_eq!(normalise(f64::NAN, "kg"), None);
        assert_eq!(normalise(f64::INFINITY, "kg"), None);
        assert!(comparable("[lb_av]", "kg") && comparable("10*9/L", "/uL"));
        for (left, right) in [("mg/dL", "mmol/L"), ("kg", "cm"), ("U/L", "ng/mL"), ("kg", "mg"), ("furlong", "furlong")]
        {
            assert!(!comparable(left, right), "{left} {right}");
        }
    }

    #[test]
    fn no_code_stands_in_two_rows_and_each_row_has_its_own_unit() {
        let mut seen = std::collections::BTreeSet::new();
        for row in ROWS {
            assert!(row.codes.contains(&(row.shown, 1.0)), "{}", row.shown);
            for (code, factor) in row.codes {
                assert!(seen.insert(*code), "{code}");
                assert!(*factor > 0.0, "{code}");
            }
        }
    }
}
