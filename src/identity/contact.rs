//! Where somebody can be written to: one spelling each, so that an address is the same however it is typed.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use super::named;

/// The longest e-mail address, in bytes (RFC 5321 §4.5.3.1.3, less the angle brackets).
const LONGEST_EMAIL: usize = 254;
/// The longest part before the `@`, in bytes (RFC 5321 §4.5.3.1.1).
const LONGEST_LOCAL: usize = 64;

named! {
    /// A way to reach somebody.
    ContactKind {
        /// An e-mail address.
        Email = "email",
        /// A telephone that takes text messages.
        Phone = "phone",
    }
}

/// An e-mail address or telephone number.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    kind: ContactKind,
    address: String,
    canonical: String,
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// No e-mail address that mail can be sent to.
    #[error("this is not an e-mail address")]
    Email,
    /// No telephone number with its country.
    #[error("this is not a telephone number: begin with + and the country, such as +1 555 0100 200")]
    Phone,
}

impl Contact {
    /// Takes an e-mail address as somebody typed it. The part before the `@` must be plain ASCII: letters of other alphabets
    /// that look like it would make two addresses that people cannot tell apart.
    ///
    /// # Errors
    /// [`ContactError::Email`].
    pub fn email(typed: &str) -> Result<Self, ContactError> {
        let typed = typed.trim();
        let (local, domain) = typed.rsplit_once('@').ok_or(ContactError::Email)?;
        let is_atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&b);
        let is_local = (1..=LONGEST_LOCAL).contains(&local.len())
            && local.bytes().all(is_atom)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let domain = domain_of(domain).ok_or(ContactError::Email)?;
        let address = format!("{local}@{domain}");
        if !is_local || address.len() > LONGEST_EMAIL {
            return Err(ContactError::Email);
        }
        // A mailbox is one whatever stands behind its "+", and whatever the case.
        let mailbox = local.split('+').next().filter(|mailbox| !mailbox.is_empty()).unwrap_or(local);
        let canonical = format!("{}@{domain}", mailbox.to_ascii_lowercase());
        Ok(Self { kind: ContactKind::Email, address, canonical })
    }

    /// Takes a telephone number as somebody typed it: with its country (`+` or `00`), or ten digits of North America.
    ///
    /// # Errors
    /// [`ContactError::Phone`].
    pub fn phone(typed: &str) -> Result<Self, ContactError> {
        let plain: String = typed.nfkc().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
        let digits = match (plain.strip_prefix('+'), plain.strip_prefix("00")) {
            (Some(digits), _) | (None, Some(digits)) => digits.to_owned(),
            // An area code there begins with 2 to 9; elsewhere a number without its country begins with 0.
            (None, None) if plain.len() == 10 && !plain.starts_with(['0', '1']) => format!("1{plain}"),
            (None, None) => return Err(ContactError::Phone),
        };
        // ITU-T E.164: at most fifteen digits, of which the first names the country and is not 0.
        let is_number =
            (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if !is_number {
            return Err(ContactError::Phone);
        }
        let address = format!("+{digits}");
        Ok(Self { kind: ContactKind::Phone, canonical: address.clone(), address })
    }

    /// Takes what somebody typed as the kind that is wanted.
    ///
    /// # Errors
    /// [`ContactError`].
    pub fn new(kind: ContactKind, typed: &str) -> Result<Self, ContactError> {
        match kind {
            ContactKind::Email => Self::email(typed),
            ContactKind::Phone => Self::phone(typed),
        }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> ContactKind {
        self.kind
    }

    /// Where to write to.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The spelling that all spellings of one mailbox or telephone have in common.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// As it may be shown to somebody who must recognise it and may not learn it: `m…@example.org`, `…42`.
    #[must_use]
    pub fn hint(&self) -> String {
        match self.kind {
            ContactKind::Email => {
                let (local, domain) = self.address.split_once('@').unwrap_or_default();
                format!("{}…@{domain}", local.chars().next().unwrap_or('…'))
            }
            ContactKind::Phone => format!("…{}", self.address.get(self.address.len() - 2..).unwrap_or_default()),
        }
    }
}

/// A domain in the form that is looked up (UTS 46), with a dot: one without can only be a machine of our own network.
fn domain_of(text: &str) -> Option<String> {
    if text.is_empty() || text.contains(['/', '?', '#', ':', '\\', '@', '%', '[', ' ']) {
        return None;
    }
    match url::Host::parse(text) {
        Ok(url::Host::Domain(domain)) if domain.contains('.') && !domain.ends_with('.') => Some(domain),
        _ => None,
    }
}

// Where somebody lives in the net is theirs: not in logs.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Contact({})", self.kind.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i23_spellings_of_one_mailbox_are_one() {
        for (typed, address, canonical) in [
            ("Fay@Example.ORG", "Fay@example.org", "fay@example.org"),
            ("  fay+clinic@example.org ", "fay+clinic@example.org", "fay@example.org"),
            ("+fay@example.org", "+fay@example.org", "+fay@example.org"),
            ("fay.o'neil@example.org", "fay.o'neil@example.org", "fay.o'neil@example.org"),
            ("fay@BÜCHER.example", "fay@xn--bcher-kva.example", "fay@xn--bcher-kva.example"),
            ("fay@ｅxample.org", "fay@example.org", "fay@example.org"),
        ] {
            let contact = Contact::email(typed).unwrap();
            assert_eq!((contact.address(), contact.canonical()), (address, canonical), "{typed}");
        }
    }

    #[test]
    fn i23_addresses_that_look_like_others_are_refused() {
        for typed in [
            "Ⓐdmin@example.org",
            "mıke@example.org",
            "аdmin@example.org",
            "fay\u{202e}@example.org",
            "fay\u{200b}@example.org",
            "fay@example.org\r\nBcc: all@example.org",
            "\"fay neil\"@example.org",
            "fay@@example.org",
            "a@b@example.org/x",
            "fay@",
            "@example.org",
            "fay",
            "fay@localhost",
            "fay@127.0.0.1",
            "fay@[::1]",
            "fay@example.org.",
            "fay@exa mple.org",
            ".fay@example.org",
            "f..ay@example.org",
            "",
        ] {
            assert_eq!(Contact::email(typed), Err(ContactError::Email), "{typed}");
        }
        assert!(Contact::email(&format!("{}@example.org", "x".repeat(65))).is_err());
        assert!(Contact::email(&format!("x@{}.org", "x".repeat(250))).is_err());
    }

    #[test]
    fn telephones_have_one_spelling() {
        for (typed, number) in [
            ("+1 (555) 010-0200", Some("+15550100200")),
            ("555.010.0200", Some("+15550100200")),
            ("0049 30 1234567", Some("+49301234567")),
            ("+４９301234567", Some("+49301234567")),
            ("030 1234567", None),
            ("+0301234567", None),
            ("+1234567", None),
            ("+1234567890123456", None),
            ("+1555010o200", None),
            ("", None),
        ] {
            let contact = Contact::phone(typed);
            assert_eq!(contact.as_ref().ok().map(Contact::address), number, "{typed}");
        }
    }

    #[test]
    fn hints_tell_little() {
        assert_eq!(Contact::email("fay.miller@example.org").unwrap().hint(), "f…@example.org");
        assert_eq!(Contact::phone("+15550100242").unwrap().hint(), "…42");
        assert_eq!(format!("{:?}", Contact::email("fay@example.org").unwrap()), "Contact(email)");
    }
}
