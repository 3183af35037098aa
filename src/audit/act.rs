use std::fmt;

use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuditEventId, PersonId};
use crate::base::random::Random;
use crate::identity::{ViewReason, named};
use crate::oauth::client::ClientId;
use crate::storage::audit::{AuditOutcome, AuditRow};

named! {
    /// What somebody did.
    ActKind {
        /// Signed in, or tried to.
        SignIn = "sign-in",
        /// Signed out.
        SignOut = "sign-out",
        /// Decided what an app may have.
        Consent = "consent",
        /// Exchanged a code or a refresh token for tokens.
        Token = "token",
        /// Ended a token.
        Revocation = "revocation",
        /// Opened an app for a person.
        Launch = "launch",
        /// Registered an app, changed or ended its registration.
        Client = "client",
        /// Made a key that signs id_tokens, or took one away.
        SigningKey = "signing-key",
        /// Entered or changed an organization.
        Organization = "organization",
        /// Connected or changed a source.
        Source = "source",
        /// Entered a person.
        Person = "person",
        /// Opened, changed or closed an account.
        Account = "account",
        /// Entered, verified or changed an address.
        Contact = "contact",
        /// Changed how somebody signs in.
        Credential = "credential",
        /// Asked for the way back in, or came by it.
        Recovery = "recovery",
        /// Signed in at an EHR for one link, or was refused there.
        SourceAccess = "source-access",
        /// Linked a person to a chart.
        Link = "link",
        /// Handed out, tried, used or ended an activation code.
        Invitation = "invitation",
        /// Saw somebody in person.
        Proofing = "proofing",
        /// Said who they are to be linked to a chart, or decided that.
        Claim = "claim",
        /// Looked for a patient, or changed who is staff.
        Staff = "staff",
        /// Let an account act for a person.
        Grant = "grant",
    }
}

/// By which way staff saw who sees what of a record; under why they did.
pub const EXPLAINED_ACCESS: &str = "explain-access";

/// By which way staff opened an app for a patient; under why they did.
pub use crate::storage::audit::AT_WORK;

/// Why staff opened an app for a record, or looked at who sees what of it, where that is what the entry tells.
#[must_use]
pub fn view_reason(row: &AuditRow) -> Option<ViewReason> {
    let is_explained = row.kind == ActKind::Staff.as_str() && row.interaction.as_deref() == Some(EXPLAINED_ACCESS);
    let is_opened = row.kind == ActKind::Launch.as_str() && row.interaction.as_deref() == Some(AT_WORK);
    row.rule.as_deref().filter(|_| is_explained || is_opened).and_then(ViewReason::parse)
}

/// What will be said of one act. Ids alone: no names, no secrets.
#[derive(Clone, Debug)]
#[must_use = "an act that is not written leaves no trace"]
pub struct Act(AuditRow);

impl Act {
    /// An act that was allowed and done.
    pub fn new(kind: ActKind, now: Instant, random: &dyn Random) -> Self {
        Self(AuditRow {
            id: AuditEventId::mint_at(now, random),
            recorded: now,
            kind: kind.as_str().to_owned(),
            outcome: AuditOutcome::Permitted,
            account: None,
            client: None,
            person: None,
            resource_type: None,
            interaction: None,
            parameters: Vec::new(),
            released: None,
            withheld: None,
            rule: None,
            object: None,
            sources: Vec::new(),
        })
    }

    /// Who did it. Nobody is the operator of the machine.
    pub fn by(mut self, account: impl Into<Option<AccountId>>) -> Self {
        self.0.account = account.into();
        self
    }

    /// Through which app.
    pub fn through(mut self, client: &ClientId) -> Self {
        self.0.client = Some(client.to_string());
        self
    }

    /// Whose record it is about.
    pub fn about(mut self, person: impl Into<Option<PersonId>>) -> Self {
        self.0.person = person.into();
        self
    }

    /// By which grant type, endpoint or step.
    pub fn by_way_of(mut self, interaction: &str) -> Self {
        self.0.interaction = Some(interaction.to_owned());
        self
    }

    /// What it was done to: `on("Source", key)`.
    pub fn on(mut self, kind: &str, id: impl fmt::Display) -> Self {
        self.0.object = Some(format!("{kind}/{id}"));
        self
    }

    /// By what right.
    pub fn under(mut self, rule: &str) -> Self {
        self.0.rule = Some(rule.to_owned());
        self
    }

    /// It was refused by this rule.
    pub fn refused(mut self, rule: &str) -> Self {
        self.0.outcome = AuditOutcome::Denied;
        self.under(rule)
    }

    pub(super) const fn row(&self) -> &AuditRow {
        &self.0
    }

    pub(super) fn into_row(self) -> AuditRow {
        self.0
    }
}
