use super::act::Act;
use crate::access::Subject;
use crate::base::clock::Instant;
use crate::base::id::AuditEventId;
use crate::base::random::Random;
use crate::base::source_key::SourceKey;
use crate::fhir::interaction::Interaction;
use crate::storage::audit::{AuditOutcome, AuditRow, at_work_for};

/// What will be said of one request.
#[derive(Debug)]
pub struct Entry(AuditRow);

impl Entry {
    /// Who asks for what. Names of parameters, never their values.
    #[must_use]
    pub fn asked(subject: &Subject, interaction: &Interaction, now: Instant, random: &dyn Random) -> Self {
        let parameters = interaction.parameters().iter().map(|(name, _)| name_of(name)).collect();
        Self(AuditRow {
            id: AuditEventId::mint_at(now, random),
            recorded: now,
            kind: "fhir".to_owned(),
            outcome: AuditOutcome::Failed,
            account: subject.account(),
            client: Some(subject.client.to_string()),
            person: subject.person,
            resource_type: Some(interaction.resource_type()),
            interaction: Some(interaction.code().to_owned()),
            parameters,
            released: None,
            withheld: None,
            rule: None,
            object: subject.standing.as_ref().and_then(|standing| standing.staff_of).map(at_work_for),
            sources: Vec::new(),
        })
    }

    /// What happened to something beside a request.
    #[must_use]
    pub fn of_act(act: &Act) -> Self {
        Self(act.row().clone())
    }

    /// It was answered, with so many resources.
    pub fn permitted(&mut self, released: usize) {
        self.0.outcome = AuditOutcome::Permitted;
        self.0.released = i64::try_from(released).ok();
    }

    /// From these sources, so many resources from each.
    pub fn from_sources(&mut self, sources: &[(SourceKey, usize)]) {
        self.0.sources = sources.iter().map(|(key, count)| (*key, i64::try_from(*count).unwrap_or(i64::MAX))).collect();
    }

    /// So many resources that sources sent were about somebody else, and were kept back.
    pub fn withheld(&mut self, count: u64) {
        self.0.withheld = i64::try_from(count).ok();
    }

    /// Item by item it was decided by the tables of what is sensitive in this version.
    /// Not said of a look at work, which does not hang on them.
    pub fn by_label_tables(&mut self, version: &str) {
        self.0.object.get_or_insert_with(|| format!("LabelTables/{version}"));
    }

    /// It was refused by this rule.
    pub fn denied(&mut self, rule: &str) {
        self.0.outcome = AuditOutcome::Denied;
        self.0.rule = Some(rule.to_owned());
    }

    /// It was allowed and did not succeed.
    pub fn failed(&mut self, rule: &str) {
        self.0.rule = Some(rule.to_owned());
    }

    pub(super) fn row(&self) -> AuditRow {
        self.0.clone()
    }
}

/// A parameter's name as far as it is one: a client may put anything in its place.
fn name_of(name: &str) -> String {
    let is_name = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:.".contains(&b));
    if is_name { name.to_owned() } else { "?".to_owned() }
}
