use super::named;

named! {
    /// Why a grant, a request for one, or what is laid down about one stands as it does: the codes of portal design 3.2, most of
    /// them those of NHS England's Validated Relationships. The last four are this project's own.
    StatusReason {
        /// There is a grant.
        Created = "ROLE_CREATED",
        /// What it waited for was attested.
        Activated = "ROLE_ACTIVATED",
        /// It works again.
        Reactivated = "ROLE_REACTIVATED",
        /// Somebody has to look at it first.
        SuspendedPendingReview = "ROLE_SUSPENDED_PENDING_REVIEW",
        /// Somebody may be harmed.
        Safeguarding = "ROLE_DEACTIVATED_SAFEGUARDING",
        /// Whose record it is wanted it.
        PatientRequest = "ROLE_DEACTIVATED_PATIENT_REQUEST",
        /// Its day came.
        EndDateReached = "ROLE_DEACTIVATED_END_DATE_REACHED",
        /// Nobody needs it any more.
        InactiveRole = "ROLE_DEACTIVATED_INACTIVE_ROLE",
        /// Whose record it is died.
        PatientDeceased = "ROLE_DEACTIVATED_PATIENT_DECEASED",
        /// Whoever held it died.
        ProxyDeceased = "ROLE_DEACTIVATED_PROXY_DECEASED",
        /// They are no longer to each other what they were.
        ChangeInRelationship = "ROLE_DEACTIVATED_CHANGE_IN_RELATIONSHIP",
        /// Whoever held it cannot decide for others.
        ProxyLacksCapacity = "ROLE_DEACTIVATED_PROXY_LACKS_CAPACITY",
        /// It was used for what it was not given for.
        MisuseOfSystem = "ROLE_DEACTIVATED_MISUSE_OF_SYSTEM",
        /// Somebody asked.
        Submitted = "APPLICATION_SUBMITTED",
        /// Somebody may be harmed.
        RejectedSafeguarding = "APPLICATION_REJECTED_SAFEGUARDING",
        /// Who asked did not show who they are.
        RejectedIdentity = "APPLICATION_REJECTED_IDENTITY_NOT_VERIFIED",
        /// Whose record it is does not want it.
        RejectedNoConsent = "APPLICATION_REJECTED_NO_CONSENT",
        /// Somebody made them ask.
        RejectedCoercion = "APPLICATION_REJECTED_COERCION",
        /// Whoever is to hold it cannot decide for others.
        RejectedProxyLacksCapacity = "APPLICATION_REJECTED_PROXY_LACKS_CAPACITY",
        /// There is no paper that says so.
        RejectedNoLegalBasis = "APPLICATION_REJECTED_NO_LEGAL_BASIS",
        /// There is no need of it.
        RejectedNotNeeded = "APPLICATION_REJECTED_NOT_NEEDED",
        /// What no code says: it takes words.
        Other = "OTHER",
        /// Whoever held it gave it up.
        ByHolder = "ROLE_DEACTIVATED_BY_HOLDER",
        /// Their account was closed.
        AccountClosed = "ROLE_DEACTIVATED_ACCOUNT_CLOSED",
        /// Another document took its place.
        Superseded = "ROLE_DEACTIVATED_SUPERSEDED",
        /// The practice that was asked is no more.
        PracticeClosed = "APPLICATION_REJECTED_PRACTICE_CLOSED",
    }
}

impl StatusReason {
    /// Whether it says why a grant ended.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(
            self,
            Self::Safeguarding
                | Self::PatientRequest
                | Self::EndDateReached
                | Self::InactiveRole
                | Self::PatientDeceased
                | Self::ProxyDeceased
                | Self::ChangeInRelationship
                | Self::ProxyLacksCapacity
                | Self::MisuseOfSystem
                | Self::ByHolder
                | Self::AccountClosed
                | Self::Superseded
        )
    }

    /// Whether it says why something that was laid down about a grant was lifted.
    #[must_use]
    pub const fn lifts(self) -> bool {
        self.ends() || matches!(self, Self::Reactivated | Self::Activated)
    }

    /// Whether it says why a request was refused.
    #[must_use]
    pub const fn refuses(self) -> bool {
        matches!(
            self,
            Self::RejectedSafeguarding
                | Self::RejectedIdentity
                | Self::RejectedNoConsent
                | Self::RejectedCoercion
                | Self::RejectedProxyLacksCapacity
                | Self::RejectedNoLegalBasis
                | Self::RejectedNotNeeded
                | Self::PracticeClosed
                | Self::Other
        )
    }

    /// Those of staff, who know neither what holders do by themselves nor what follows from something else.
    #[must_use]
    pub const fn is_for_staff(self) -> bool {
        !matches!(self, Self::ByHolder | Self::AccountClosed | Self::PracticeClosed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, from portal design 3.2: which code may stand where. What stands nowhere is a step on the way.
    #[test]
    fn each_code_stands_where_it_belongs() {
        assert_eq!(StatusReason::parse("role_created"), None);
        assert_eq!(StatusReason::parse(""), None);
        for reason in StatusReason::ALL {
            let text = reason.as_str();
            assert_eq!(StatusReason::parse(text), Some(*reason));
            assert_eq!(reason.ends(), text.starts_with("ROLE_DEACTIVATED_"), "{text}");
            assert_eq!(reason.refuses(), text.starts_with("APPLICATION_REJECTED_") || text == "OTHER", "{text}");
            let lifts = reason.ends() || ["ROLE_ACTIVATED", "ROLE_REACTIVATED"].contains(&text);
            assert_eq!(reason.lifts(), lifts, "{text}");
        }
        let own: Vec<&str> = StatusReason::ALL.iter().filter(|r| !r.is_for_staff()).map(|r| r.as_str()).collect();
        let expected =
            ["ROLE_DEACTIVATED_BY_HOLDER", "ROLE_DEACTIVATED_ACCOUNT_CLOSED", "APPLICATION_REJECTED_PRACTICE_CLOSED"];
        assert_eq!(own, expected);
    }
}
