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
