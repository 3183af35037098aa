use rust_embed::RustEmbed;
use serde::Deserialize;

use super::CliError;
use crate::config::Brand;
use crate::sandbox::Data;

#[derive(RustEmbed)]
#[folder = "fixtures/"]
struct Files;

/// What the demo is made of: `fixtures/demo.toml` and the practices' records.
#[derive(Debug)]
pub(super) struct Fixtures {
    pub(super) practices: Vec<Practice>,
    pub(super) persons: Vec<Person>,
    pub(super) accounts: Vec<Account>,
}

/// A practice with its EHR's records.
#[derive(Clone, Debug)]
pub(super) struct Practice {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) vendor: String,
    pub(super) brand: Brand,
    pub(super) data: Data,
}

/// Somebody with a record.
#[derive(Debug, Deserialize)]
pub(super) struct Person {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) birth_date: String,
    pub(super) links: Vec<Link>,
}

/// A chart.
#[derive(Debug, Deserialize)]
pub(super) struct Link {
    pub(super) organization: String,
    pub(super) patient: String,
}

/// Somebody who can sign in.
#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) username: String,
    pub(super) role: String,
    #[serde(default)]
    pub(super) person: Option<String>,
    #[serde(default)]
    pub(super) grants: Vec<Grant>,
}

/// For whom else, and by what right.
#[derive(Debug, Deserialize)]
pub(super) struct Grant {
    pub(super) person: String,
    pub(super) basis: String,
}

#[derive(Deserialize)]
struct Manifest {
    organization: Vec<Organization>,
    person: Vec<Person>,
    account: Vec<Account>,
}

#[derive(Deserialize)]
struct Organization {
    key: String,
    name: String,
    folder: String,
    vendor_profile: String,
    alias: String,
    city: String,
}

impl Fixtures {
    /// Reads what is embedded in the binary.
    pub(super) fn load() -> Result<Self, CliError> {
        let manifest: Manifest = toml::from_str(&text("demo.toml")?).map_err(|e| format!("demo.toml: {e}"))?;
        let practices = manifest.organization.into_iter().map(practice).collect::<Result<_, _>>()?;
        Ok(Self { practices, persons: manifest.person, accounts: manifest.account })
    }
}

fn practice(organization: Organization) -> Result<Practice, CliError> {
    let folder = format!("{}/", organization.folder);
    let mut records = String::new();
    for file in Files::iter().filter(|file| file.starts_with(&folder)) {
        records.push_str(&text(&file)?);
        records.push('\n');
    }
    Ok(Practice {
        key: organization.key,
        name: organization.name,
        vendor: organization.vendor_profile,
        brand: Brand { alias: vec![organization.alias], city: Some(organization.city), ..Brand::default() },
        data: Data::Ndjson(records),
    })
}

fn text(file: &str) -> Result<String, CliError> {
    let embedded = Files::get(file).ok_or_else(|| format!("fixtures/{file} is not in this binary"))?;
    Ok(String::from_utf8(embedded.data.into_owned())?)
}
