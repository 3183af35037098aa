use super::opened::Settings;
use super::{CliError, say};
use crate::base::id::OrganizationId;
use crate::config::Brand;
use crate::mapping::{ConsentPolicies, ReleasePolicies, time_zone};
use crate::organization::Mapping;
use crate::practice::{self, Absorbed, MergerError, Rewritten};
use crate::storage::consent::PolicyChoice;
use crate::storage::organizations;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Enter an organization; one of the same name is kept.
    Add {
        /// The name people know.
        name: String,
        /// Other names people search for.
        #[arg(long)]
        alias: Vec<String>,
    },
    /// Choose what an organization's sources with the full view hold back from patients.
    ReleasePolicy {
        /// The organization's id, as `list` shows it.
        id: String,
        /// A policy in `mappings/policy/release.toml`.
        policy: String,
    },
    /// Choose by which policy an organization decides about proxies, and the time zone it lives in.
    ConsentPolicy {
        /// The organization's id, as `list` shows it.
        id: String,
        /// A policy in `mappings/policy/age-bands.toml`.
        policy: String,
        /// The time zone (IANA), such as `America/New_York`.
        time_zone: String,
    },
    /// Say how an organization shows itself to people who look for it: a TOML file with the fields of
    /// `organization.brand` in the configuration.
    Brand {
        /// The organization's id, as `list` shows it.
        id: String,
        /// The file.
        file: std::path::PathBuf,
    },
    /// Give an organization a new name; people find it by the old one as well.
    Rename {
        /// The organization's id, as `list` shows it.
        id: String,
        /// The new name.
        name: String,
    },
    /// One organization becomes part of another, whose EHR has its records under the ids of a signed mapping. Take the
    /// first one out of the configuration file, and bring its source under the second.
    Absorb {
        /// The id of the organization that ends.
        from: String,
        /// The id of the organization that goes on.
        into: String,
        /// The mapping: `{"from": source key, "into": source key, "rows": {"old id": "new id"}}`.
        #[arg(long)]
        mapping: std::path::PathBuf,
        /// The signature: a JWS (RFC 7515, compact) whose claim `sha256` is that of the mapping, in hexadecimal digits.
        #[arg(long)]
        signature: std::path::PathBuf,
        /// The public key of whoever signed it (RFC 7517), received by another way.
        #[arg(long)]
        key: std::path::PathBuf,
        /// Other rules may hold for the records from now on: time zone, consent policy, release policy. Without it nothing is
        /// done where they differ, and what would change is said.
        #[arg(long)]
        accept_policy: bool,
    },
    /// A source goes to an organization of its own.
    Split {
        /// The source's key, as `source list` shows it.
        source: String,
        /// The name of the new organization.
        name: String,
    },
    /// An organization closes: its sources are asked no more, and links to them are frozen.
    Close {
        /// The organization's id, as `list` shows it.
        id: String,
    },
    /// List them.
    List,
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<(), CliError> {
    let opened = settings.open().await?;
    match command {
        Command::Add { name, alias } => {
            let acts = opened.acts().await?;
            let id = practice::connect_organization(&acts, &name, &alias, &opened.clock, &opened.random).await?;
            say(&id.to_string())?;
        }
        Command::ReleasePolicy { id, policy } => {
            let id = id.parse().map_err(|_| format!("{id} is not the id of an organization"))?;
            ReleasePolicies::embedded()?.by_name(&policy)?;
            let acts = opened.acts().await?;
            practice::adopt_release_policy(&acts, id, &policy, (&opened.clock, &opened.random)).await?;
        }
        Command::ConsentPolicy { id, policy, time_zone: zone } => {
            let id = id.parse().map_err(|_| format!("{id} is not the id of an organization"))?;
            ConsentPolicies::embedded()?.by_name(&policy)?;
            time_zone(&zone)?;
            let acts = opened.acts().await?;
            let choice = PolicyChoice { policy, time_zone: zone };
            practice::adopt_consent_policy(&acts, &*opened.random, opened.clock.now(), id, choice).await?;
        }
        Command::Brand { id, file } => {
            let id = id.parse().map_err(|_| format!("{id} is not the id of an organization"))?;
            let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
            let brand: Brand =
                toml::from_str(&text).map_err(|error| format!("{}: {}", file.display(), error.message()))?;
            brand.validate("brand")?;
            let acts = opened.acts().await?;
            practice::adopt_brand(&acts, id, &brand, (&opened.clock, &opened.random)).await?;
        }
        Command::Rename { id, name } => opened.mergers().await?.rename(organization(&id)?, &name, None).await?,
        Command::Absorb { from, into, mapping, signature, key, accept_policy } => {
            let read =
                |path: &std::path::Path| std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
            let text = |path: &std::path::Path| {
                read(path)
                    .and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("{}: not UTF-8", path.display())))
            };
            let mapping = Mapping::read(&read(&mapping)?, &text(&signature)?, &text(&key)?)?;
            let (from, into) = (organization(&from)?, organization(&into)?);
            let done = match opened.mergers().await?.absorb(from, into, mapping, accept_policy).await {
                Err(error @ MergerError::Differs(_)) => {
                    return Err(format!("{error}\nif that is meant, say so with --accept-policy").into());
                }
                other => other?,
            };
            absorbed(&done)?;
        }
        Command::Split { source, name } => {
            let key = source.parse().map_err(|_| format!("{source} is not the key of a source"))?;
            say(&opened.mergers().await?.split(key, &name).await?.to_string())?;
        }
        Command::Close { id } => opened.mergers().await?.close(organization(&id)?).await?,
        Command::List => {
            for organization in organizations::all(&opened.db).await? {
                say(&format!("{}  {}", organization.id, organization.name))?;
            }
        }
    }
    opened.db.close().await;
    Ok(())
}

/// What came of an absorption, and what is different now.
fn absorbed(done: &Absorbed) -> Result<(), CliError> {
    say(&format!("{} links are brought over, {} must be confirmed at the desk", done.to_move, done.to_reconfirm))?;
    for change in &done.changes {
        say(&format!("from now on for its records: {change}"))?;
    }
    let Rewritten { left_out, limited } = done.leave;
    if left_out > 0 {
        say(&format!("{left_out} who were left out of one of the two do not see the source that has the records now"))?;
    }
    if limited > 0 {
        say(&format!(
            "{limited} who were let in to one of the two alone see that and nothing beside; where records are brought over, \
             the desk is told to let them in anew"
        ))?;
    }
    Ok(())
}

fn organization(id: &str) -> Result<OrganizationId, CliError> {
    Ok(id.parse().map_err(|_| format!("{id} is not the id of an organization"))?)
}
