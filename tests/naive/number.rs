//! Decimals as whole numbers of 10^-12.

const ONE: i128 = 1_000_000_000_000;

/// The value, and half a unit of its last place.
pub(crate) fn parse(text: &str) -> Option<(i128, i128)> {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 11 {
        return None;
    }
    let unit = ONE / 10_i128.pow(u32::try_from(fraction.len()).unwrap());
    let value =
        whole.parse::<i128>().ok()? * ONE + if fraction.is_empty() { 0 } else { fraction.parse::<i128>().ok()? * unit };
    Some((if negative { -value } else { value }, unit / 2))
}

pub(crate) fn holds(prefix: &str, (wanted, half): (i128, i128), found: i128) -> bool {
    let near = wanted - half <= found && found < wanted + half;
    match prefix {
        "eq" => near,
        "ne" => !near,
        "gt" | "sa" => found > wanted,
        "lt" | "eb" => found < wanted,
        "ge" => found >= wanted,
        "le" => found <= wanted,
        other => panic!("prefix {other}"),
    }
}

#[test]
fn decimals_keep_their_precision() {
    assert_eq!(parse("1.50"), Some((1_500_000_000_000, 5_000_000_000)));
    assert_eq!(parse("-2"), Some((-2 * ONE, ONE / 2)));
    assert!(holds("eq", parse("5.4").unwrap(), parse("5.44").unwrap().0));
    assert!(!holds("eq", parse("5.40").unwrap(), parse("5.44").unwrap().0));
}
