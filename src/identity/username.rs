use std::fmt;

/// The longest username, in characters: an e-mail address fits (RFC 5321 §4.5.3.1).
const LONGEST: usize = 254;

/// The name an account signs in with: as typed, and folded so that two spellings of one name are one account.
#[derive(Clone, PartialEq, Eq)]
pub struct Username {
    typed: String,
    folded: String,
}

/// Why a text is no username.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// Nothing but white space.
    #[error("a username must not be empty")]
    Empty,
    /// More than 254 characters.
    #[error("a username has at most 254 characters")]
    TooLong,
    /// A control character, which can hide in a page or a log.
    #[error("a username has no control characters")]
    ControlCharacter,
}

impl Username {
    /// Takes what somebody typed. White space around it does not count.
    ///
    /// # Errors
    /// [`UsernameError`].
    pub fn new(typed: &str) -> Result<Self, UsernameError> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Err(UsernameError::Empty);
        }
        if typed.chars().count() > LONGEST {
            return Err(UsernameError::TooLong);
        }
        if typed.chars().any(char::is_control) {
            return Err(UsernameError::ControlCharacter);
        }
        // Folded here and not by the database: SQLite's lower() leaves all but ASCII alone, PostgreSQL's does not.
        Ok(Self { typed: typed.to_owned(), folded: typed.to_lowercase() })
    }

    /// As it was typed.
    #[must_use]
    pub fn typed(&self) -> &str {
        &self.typed
    }

    /// The form that is unique.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Username(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_name_fold_alike() {
        let a = Username::new(" Jörg@Example.org ").unwrap();
        let b = Username::new("JÖRG@example.ORG").unwrap();
        assert_eq!(a.typed(), "Jörg@Example.org");
        assert_eq!(a.folded(), "jörg@example.org");
        assert_eq!(a.folded(), b.folded());
    }

    #[test]
    fn what_cannot_be_a_name_is_refused() {
        assert_eq!(Username::new("  ").unwrap_err(), UsernameError::Empty);
        assert_eq!(Username::new(&"x".repeat(255)).unwrap_err(), UsernameError::TooLong);
        assert_eq!(Username::new("a\u{0}b").unwrap_err(), UsernameError::ControlCharacter);
    }

    #[test]
    fn debug_does_not_show_it() {
        assert!(!format!("{:?}", Username::new("fay").unwrap()).contains("fay"));
    }
}
