use super::named;

named! {
    /// A language that people can read what this site says in.
    Language {
        /// English.
        English = "en",
        /// Spanish.
        Spanish = "es",
    }
}

impl Language {
    /// What it calls itself.
    #[must_use]
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Spanish => "Español",
        }
    }
}
