use super::opened::Settings;
use super::{CliError, say};
use crate::base::clock::Instant;
use crate::base::id::{ConsentRuleId, GrantId, PersonId};
use crate::consent::{GrantScope, RuleKind};
use crate::identity::{Period, StatusReason};
use crate::mapping::sensitivity;
use crate::practice::{self, NewRule};
use crate::storage::{consent, label_tables};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Say how far a grant goes.
    Scope {
        /// The grant.
        grant: GrantId,
        /// The scope as JSON, such as `{"level": "view", "categories": ["results"]}`.
        scope: String,
    },
    /// Lay something down about a person: a restriction, a flag, a hold, a minor's assent, an event. Whoever has died acts
    /// for nobody either.
    LayDown {
        /// About whom.
        person: PersonId,
        /// What, as JSON, such as `{"restriction": {"against": null, "effect": "records-only"}}` or `"deceased"`.
        rule: String,
        /// Until when, as an RFC 3339 time; without it, until it is lifted.
        #[arg(long)]
        until: Option<jiff::Timestamp>,
        /// What was seen, as a reference to the record of it.
        #[arg(long, default_value = "operator")]
        evidence: String,
    },
    /// Lift something that was laid down.
    Lift {
        /// Its id, as `list` shows it.
        rule: ConsentRuleId,
        /// Why, as a code such as ROLE_DEACTIVATED_PATIENT_REQUEST.
        #[arg(long)]
        reason: String,
    },
    /// Write grants and rules out as a FHIR Bundle of RelatedPerson and Consent, with the Person of each account and the newest
    /// entries of the audit trail as AuditEvent, on standard output.
    Export {
        /// Only what is about this person.
        #[arg(long)]
        person: Option<PersonId>,
    },
    /// Read in the grants and rules that `export` wrote, all of them or nothing. Accounts, practices and charts must be here already.
    Import {
        /// The file.
        file: std::path::PathBuf,
    },
    /// Enter a table of sensitive codes beside those of the program, as in `mappings/sensitivity`; running gateways decide
    /// by it within seconds.
    PutLabels {
        /// Its name: of letters, digits and `-`. One that is there already is replaced.
        name: String,
        /// The file.
        file: std::path::PathBuf,
    },
    /// Take such a table away.
    RemoveLabels {
        /// Its name.
        name: String,
    },
    /// Show the names of such tables, and the version of all that is decided by.
    Labels,
    /// Show what is laid down about a person.
    List {
        /// About whom.
        person: PersonId,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    let acts = opened.acts().await?;
    let (random, now) = (&*opened.random, opened.clock.now());
    match command {
        Command::Scope { grant, scope } => {
            let scope: GrantScope = serde_json::from_str(&scope).map_err(|error| format!("the scope: {error}"))?;
            practice::limit_grant(&acts, random, now, grant, scope).await?;
        }
        Command::LayDown { person, rule, until, evidence } => {
            let kind: RuleKind = serde_json::from_str(&rule).map_err(|error| format!("the rule: {error}"))?;
            let until = until.map(|until| Instant::from_micros(until.as_microsecond()));
            let new = NewRule { person, kind, period: Period { from: now, until }, evidence, by: None };
            say(&format!("rule {}", practice::lay_down(&acts, random, now, new).await?))?;
        }
        Command::Lift { rule, reason } => {
            practice::lift(&acts, random, now, (rule, None), reason_of(&reason)?).await?;
        }
        Command::Export { person } => {
            let base = format!("{}/fhir", opened.config.server.public_url);
            say(&serde_json::to_string_pretty(&practice::export_consents(&opened.db, &base, person, now).await?)?)?;
        }
        Command::Import { file } => {
            let bundle = serde_json::from_slice(&std::fs::read(&file)?)?;
            say(&format!("{} read in", practice::import_consents(&acts, random, now, &bundle).await?))?;
        }
        Command::PutLabels { name, file } => {
            if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                return Err(format!("{name} is no name of letters, digits and -").into());
            }
            let content = std::fs::read_to_string(&file)?;
            sensitivity::with_tables(&[(name.clone(), content.clone())])?;
            practice::put_label_table(&acts, random, now, name, content).await?;
        }
        Command::RemoveLabels { name } => practice::remove_label_table(&acts, random, now, name).await?,
        Command::Labels => {
            let tables = label_tables::all(&opened.db).await?;
            tables.iter().try_for_each(|(name, _)| say(name))?;
            say(&format!("version {}", sensitivity::with_tables(&tables)?.version_name()))?;
        }
        Command::List { person } => {
            for rule in consent::rules_of(&opened.db, person).await? {
                let until = rule.rule.period.until.map_or_else(|| "lifted".to_owned(), |until| until.to_string());
                let what = serde_json::to_string(&rule.rule.kind)?;
                say(&format!("{}  {} until {until}  {what}", rule.id, rule.rule.period.from))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}

/// The code of that name, if what was laid down may be lifted by it.
fn reason_of(text: &str) -> Result<StatusReason, CliError> {
    let known = StatusReason::parse(text).filter(|reason| reason.lifts());
    known.ok_or_else(|| {
        let all = StatusReason::ALL.iter().filter(|reason| reason.lifts() && reason.is_for_staff());
        let names: Vec<&str> = all.map(|reason| reason.as_str()).collect();
        format!("{text} is none of the reasons {}", names.join(", ")).into()
    })
}
