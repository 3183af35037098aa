use crate::identity::named;

named! {
    /// Why something is not seen, or not done. They are looked at in this order; the first that applies is the answer.
    Rule {
        /// The session is not sure enough for the action.
        SessionAssurance = "session-assurance",
        /// There is no grant.
        NoGrant = "no-grant",
        /// The grant is not, or no longer, in force.
        GrantNotActive = "grant-not-active",
        /// Its period is over, or has not begun.
        GrantPeriod = "grant-period",
        /// What it waits for has not been attested: a springing power of attorney before incapacity.
        NotYetInEffect = "not-yet-in-effect",
        /// Its review is overdue.
        ReviewDue = "review-due",
        /// The person has died.
        Deceased = "deceased",
        /// Whoever was let in has died.
        HolderDeceased = "holder-deceased",
        /// A court, safeguarding or the privacy officer keeps the proxy out.
        Restriction = "restriction",
        /// Staff keep this item from proxies.
        Flagged = "flagged",
        /// The person asked for such items to wait.
        Hold = "hold",
        /// Too old for somebody to act by that right.
        AgeBand = "age-band",
        /// Not among what the band lists, or without a code that it lists.
        AllowList = "allow-list",
        /// A type that the grant does not cover.
        ScopeType = "scope-type",
        /// A category that the grant does not cover.
        ScopeCategory = "scope-category",
        /// A practice that the grant does not cover.
        ScopeSource = "scope-source",
        /// A time that the grant does not cover.
        ScopeDate = "scope-date",
        /// An action that the grant or the band does not cover.
        ScopeAction = "scope-action",
        /// A sensitivity label.
        Label = "label",
        /// It hangs on something that is withheld.
        Taint = "taint",
        /// What somebody wrote may say something sensitive, and staff have not looked yet.
        Review = "review",
        /// The decision could not be made.
        Undecidable = "undecidable",
    }
}
