use data_encoding::HEXLOWER;

use super::named;
use crate::base::hash::sha256_of_parts;
use crate::base::id::{AccountId, OrganizationId};

named! {
    /// What somebody is at an organization.
    StaffRole {
        /// Sees papers, hands out codes.
        FrontDesk = "front-desk",
        /// Decides who may act for whom.
        ProxyRegistrar = "proxy-registrar",
        /// Treats patients.
        Clinician = "clinician",
        /// Looks after what patients are owed: incidents, restrictions, access.
        PrivacyOfficer = "privacy-officer",
        /// Helps with accounts and codes, and sees nobody's record.
        Support = "support",
        /// Runs the organization's side: staff, name, mergers.
        Administrator = "administrator",
        /// Runs the gateway: says which apps there are. Only the command line gives and takes this role.
        Operator = "operator",
    }
}

named! {
    /// What staff do.
    StaffAct {
        /// Search the organization's own EHR for a patient.
        FindPatient = "find-patient",
        /// Write down that somebody showed papers.
        Verify = "verify",
        /// Hand out a code to a patient for their own record.
        IssueSelf = "issue-self",
        /// Hand out a code to somebody who acts for a patient.
        IssueProxy = "issue-proxy",
        /// Decide who may act for whom, where somebody asked or where it takes two.
        ApproveProxy = "approve-proxy",
        /// Suspend the leave of somebody who acts for a patient.
        SuspendGrant = "suspend-grant",
        /// Decide what comes of a leave that was suspended.
        SettleGrant = "settle-grant",
        /// End a code.
        Revoke = "revoke",
        /// See codes and how they fare; never the code itself.
        SeeInvitations = "see-invitations",
        /// Decide whether somebody is the patient they say.
        DecideClaim = "decide-claim",
        /// See what waits for the organization, and close it.
        SeeTasks = "see-tasks",
        /// Stop or free the flow of data to somebody.
        FreezeLink = "freeze-link",
        /// See who sees what of a patient's record, and by which rule.
        ExplainAccess = "explain-access",
        /// See what was looked at through a link that was wrong.
        SeeExposure = "see-exposure",
        /// Say who is staff.
        EditStaff = "edit-staff",
        /// Change the organization's name and brand.
        EditOrganization = "edit-organization",
        /// Say what words in a record are about that may be sensitive.
        ReviewWords = "review-words",
        /// Open an app for a patient.
        OpenApp = "open-app",
        /// Register backend services of the organization, and turn them off.
        EditServices = "edit-services",
        /// Register apps of the gateway, let them in and turn them off.
        EditApps = "edit-apps",
    }
}

/// The id of the Practitioner that an account is at an organization: it tells of neither.
#[must_use]
pub fn practitioner_id(account: AccountId, organization: OrganizationId) -> String {
    let (account, organization) = (account.uuid(), organization.uuid());
    let digest = sha256_of_parts([b"practitioner".as_slice(), account.as_bytes(), organization.as_bytes()]);
    format!("self.{}", HEXLOWER.encode(digest.first_chunk::<16>().map_or(&[], |half| half)))
}

/// Somebody at an organization, as one request finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaffMember {
    /// Who signed in.
    pub account: AccountId,
    /// Where.
    pub organization: OrganizationId,
    /// As what.
    pub roles: Vec<StaffRole>,
}

impl StaffMember {
    /// Whether one of the roles covers an act.
    #[must_use]
    pub fn may(&self, act: StaffAct) -> bool {
        self.roles.iter().any(|role| role.may(act))
    }
}

impl StaffRole {
    /// Whether the role covers an act. What is not named is not covered.
    #[must_use]
    pub const fn may(self, act: StaffAct) -> bool {
        use StaffAct as A;
        match self {
            Self::FrontDesk => matches!(
                act,
                A::FindPatient
                    | A::Verify
                    | A::IssueSelf
                    | A::Revoke
                    | A::SeeInvitations
                    | A::DecideClaim
                    | A::SeeTasks
            ),
            Self::ProxyRegistrar => matches!(
                act,
                A::FindPatient
                    | A::Verify
                    | A::IssueSelf
                    | A::IssueProxy
                    | A::ApproveProxy
                    | A::SuspendGrant
                    | A::Revoke
                    | A::SeeInvitations
                    | A::DecideClaim
                    | A::SeeTasks
            ),
            Self::Clinician => {
                matches!(act, A::FindPatient | A::SeeTasks | A::FreezeLink | A::OpenApp | A::ReviewWords)
            }
            Self::PrivacyOfficer => matches!(
                act,
                A::FindPatient
                    | A::ApproveProxy
                    | A::SuspendGrant
                    | A::SettleGrant
                    | A::Revoke
                    | A::SeeInvitations
                    | A::SeeTasks
                    | A::FreezeLink
                    | A::ExplainAccess
                    | A::SeeExposure
                    | A::ReviewWords
            ),
            Self::Support => matches!(act, A::SeeInvitations),
            Self::Administrator => {
                matches!(act, A::EditStaff | A::EditOrganization | A::EditServices | A::SeeInvitations | A::SeeTasks)
            }
            Self::Operator => matches!(act, A::EditApps),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hand-written: who may do what. Anything that is not here is refused.
    #[test]
    fn each_role_does_its_own() {
        let rows: [(StaffAct, &[StaffRole]); 20] = {
            use StaffRole::{Administrator, Clinician, FrontDesk, Operator, PrivacyOfficer, ProxyRegistrar, Support};
            [
                (StaffAct::FindPatient, &[FrontDesk, ProxyRegistrar, Clinician, PrivacyOfficer]),
                (StaffAct::Verify, &[FrontDesk, ProxyRegistrar]),
                (StaffAct::IssueSelf, &[FrontDesk, ProxyRegistrar]),
                (StaffAct::IssueProxy, &[ProxyRegistrar]),
                (StaffAct::ApproveProxy, &[ProxyRegistrar, PrivacyOfficer]),
                (StaffAct::SuspendGrant, &[ProxyRegistrar, PrivacyOfficer]),
                (StaffAct::SettleGrant, &[PrivacyOfficer]),
                (StaffAct::Revoke, &[FrontDesk, ProxyRegistrar, PrivacyOfficer]),
                (StaffAct::SeeInvitations, &[FrontDesk, ProxyRegistrar, PrivacyOfficer, Support, Administrator]),
                (StaffAct::DecideClaim, &[FrontDesk, ProxyRegistrar]),
                (StaffAct::SeeTasks, &[FrontDesk, ProxyRegistrar, Clinician, PrivacyOfficer, Administrator]),
                (StaffAct::FreezeLink, &[Clinician, PrivacyOfficer]),
                (StaffAct::ExplainAccess, &[PrivacyOfficer]),
                (StaffAct::SeeExposure, &[PrivacyOfficer]),
                (StaffAct::EditStaff, &[Administrator]),
                (StaffAct::EditOrganization, &[Administrator]),
                (StaffAct::ReviewWords, &[Clinician, PrivacyOfficer]),
                (StaffAct::OpenApp, &[Clinician]),
                (StaffAct::EditServices, &[Administrator]),
                (StaffAct::EditApps, &[Operator]),
            ]
        };
        assert_eq!(rows.len(), StaffAct::ALL.len());
        for (act, roles) in rows {
            for role in StaffRole::ALL {
                assert_eq!(role.may(act), roles.contains(role), "{role:?} {act:?}");
            }
        }
    }
}
