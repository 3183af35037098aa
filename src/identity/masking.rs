/// An e-mail address or phone number as others may see it: `m***@d***.org`, `…-0142`. Says which kind it is and lets its
/// owner know it again, and no more (portal design, 2.3).
#[must_use]
pub fn mask_contact(contact: &str) -> String {
    match contact.rsplit_once('@') {
        Some((local, domain)) => {
            let (host, top) = domain.rsplit_once('.').unwrap_or((domain, ""));
            let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
            format!("{}***@{}***.{top}", first(local), first(host))
        }
        None => {
            let digits: Vec<char> = contact.chars().filter(char::is_ascii_digit).collect();
            let last: String = digits.iter().skip(digits.len().saturating_sub(4)).collect();
            format!("…-{last}")
        }
    }
}

/// `D. A.`: who is meant, to one who knows.
#[must_use]
pub fn initials(given: &[String], family: &str) -> String {
    let names = given.iter().take(1).map(String::as_str).chain([family]);
    names
        .filter_map(|name| name.chars().find(|c| c.is_alphabetic()))
        .map(|c| format!("{c}."))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_first_letters_and_the_last_digits_remain() {
        assert_eq!(mask_contact("maria@deeds.example.org"), "m***@d***.org");
        assert_eq!(mask_contact("+1 503 555 0142"), "…-0142");
        assert_eq!(mask_contact("x@localhost"), "x***@l***.");
        assert_eq!(mask_contact(""), "…-");
        assert_eq!(initials(&["Ana".to_owned(), "Lucía".to_owned()], "Ñandú"), "A. Ñ.");
        assert_eq!(initials(&[], "Solo"), "S.");
    }
}
