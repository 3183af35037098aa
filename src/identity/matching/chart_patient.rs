use serde_json::Value;

use super::CONTACT_STANDS_DAYS;
use crate::base::clock::Instant;
use crate::identity::Demographics;

/// What identification needs of a Patient at a source.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ChartPatient {
    /// Its id there.
    pub id: String,
    /// Every name, the official one first.
    pub names: Vec<ChartName>,
    /// FHIR `date`, possibly partial.
    pub birth_date: Option<String>,
    /// Numbers of the record and of accounts. Numbers that others hand out are none of them.
    pub numbers: Vec<String>,
    /// Phones and e-mail addresses.
    pub contacts: Vec<ChartContact>,
    /// `Patient.active`, where it is said.
    pub active: Option<bool>,
    /// The Patient's id that took its place (`link.type = replaced-by`).
    pub replaced_by: Option<String>,
    /// Whether the patient died.
    pub is_deceased: bool,
    /// `meta.lastUpdated`, in microseconds.
    pub last_updated: Option<Instant>,
}

/// A name on the record.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ChartName {
    /// `HumanName.use`.
    pub kind: Option<String>,
    /// Family name.
    pub family: String,
    /// Given names in order.
    pub given: Vec<String>,
}

/// A phone or e-mail address on the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartContact {
    /// What and where.
    pub contact: Contact,
    /// Since when, as far as the record says.
    pub since: Option<Instant>,
}

/// A phone or e-mail address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contact {
    /// A number as the record writes it.
    Phone(String),
    /// An address.
    Email(String),
}

impl Contact {
    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Phone(text) | Self::Email(text) => text,
        }
    }
}

/// National and personal numbers that a practice keeps and does not hand out (HL7 v2 table 0203).
const NOT_OURS: [&str; 12] = ["SS", "SSN", "DL", "PPN", "NI", "NIIP", "MC", "MA", "SB", "TAX", "NPI", "PRC"];

impl ChartPatient {
    /// Reads a Patient. `None` for anything else.
    #[must_use]
    pub fn read(patient: &Value) -> Option<Self> {
        if patient.get("resourceType")?.as_str()? != "Patient" {
            return None;
        }
        let list = |name: &str| patient.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut names: Vec<ChartName> = list("name").iter().filter_map(name).collect();
        names.sort_by_key(|name| !matches!(name.kind.as_deref(), Some("official")));
        let replaced = list("link").iter().find(|link| text(link, "type") == Some("replaced-by"));
        Some(Self {
            id: patient.get("id")?.as_str()?.to_owned(),
            names,
            birth_date: text(patient, "birthDate").map(str::to_owned),
            numbers: list("identifier").iter().filter_map(number).collect(),
            contacts: list("telecom").iter().filter_map(contact).collect(),
            active: patient.get("active").and_then(Value::as_bool),
            replaced_by: replaced
                .and_then(|link| text(link.get("other")?, "reference"))
                .and_then(|reference| reference.rsplit('/').next())
                .map(str::to_owned),
            is_deceased: patient.get("deceasedBoolean").and_then(Value::as_bool).unwrap_or(false)
                || patient.get("deceasedDateTime").is_some(),
            last_updated: patient.get("meta").and_then(|meta| text(meta, "lastUpdated")).and_then(instant),
        })
    }

    /// Whether the record is in use.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !matches!(self.active, Some(false)) && self.replaced_by.is_none()
    }

    /// Family names, former ones aside.
    pub(super) fn family_names(&self) -> impl Iterator<Item = &str> {
        self.current_names().map(|name| name.family.as_str())
    }

    /// Given names of each name, former ones aside; nicknames are names of their own.
    pub(super) fn given_names(&self) -> impl Iterator<Item = &[String]> {
        self.current_names().map(|name| name.given.as_slice())
    }

    fn current_names(&self) -> impl Iterator<Item = &ChartName> {
        self.names.iter().filter(|name| !matches!(name.kind.as_deref(), Some("old" | "maiden")))
    }

    /// Who the chart is about, as links and invitations remember it.
    #[must_use]
    pub fn demographics(&self) -> Option<Demographics> {
        let name = self.current_names().find(|name| !name.family.is_empty())?;
        Some(Demographics {
            family: name.family.clone(),
            given: name.given.clone(),
            birth_date: self.birth_date.clone().unwrap_or_default(),
        })
    }

    /// The name as people read it.
    #[must_use]
    pub fn display(&self) -> String {
        let Some(name) = self.current_names().next() else { return String::new() };
        let parts = name.given.iter().map(String::as_str).chain([name.family.as_str()]);
        parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Where a one-time code may go: a phone before an e-mail address, and none that was entered lately.
    #[must_use]
    pub fn contact(&self, now: Instant) -> Option<Contact> {
        self.phone(now).or_else(|| self.standing(now).find(|c| matches!(c, Contact::Email(_))).cloned())
    }

    /// The phone to which a one-time code may go.
    #[must_use]
    pub fn phone(&self, now: Instant) -> Option<Contact> {
        self.standing(now).find(|contact| matches!(contact, Contact::Phone(_))).cloned()
    }

    /// Contacts that stood long enough: by their own period, or because nothing of the record changed since.
    fn standing(&self, now: Instant) -> impl Iterator<Item = &Contact> {
        let long_ago = move |at: Instant| now.since(at).as_secs() >= CONTACT_STANDS_DAYS * 86_400;
        self.contacts
            .iter()
            .filter(move |known| known.since.or(self.last_updated).is_some_and(long_ago))
            .map(|known| &known.contact)
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name)?.as_str()
}

fn instant(text: &str) -> Option<Instant> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Instant::from_micros(at.as_microsecond()));
    }
    // A day, or less: the last instant that it can mean, so that nothing looks older than it is.
    let padded = match text.len() {
        4 => format!("{text}-12-31"),
        7 => format!("{text}-28"),
        _ => text.to_owned(),
    };
    let date: jiff::civil::Date = padded.parse().ok()?;
    let end = date.at(23, 59, 59, 0).to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Instant::from_micros(end.timestamp().as_microsecond()))
}

fn name(name: &Value) -> Option<ChartName> {
    let given = name.get("given").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let read = ChartName {
        kind: text(name, "use").map(str::to_owned),
        family: text(name, "family").unwrap_or_default().to_owned(),
        given: given.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
    };
    (!read.family.is_empty() || !read.given.is_empty()).then_some(read)
}

fn number(identifier: &Value) -> Option<String> {
    let codings = identifier.get("type").and_then(|kind| kind.get("coding")).and_then(Value::as_array);
    let codes = codings.map(Vec::as_slice).unwrap_or_default().iter().filter_map(|coding| text(coding, "code"));
    let is_old = text(identifier, "use") == Some("old");
    let system = text(identifier, "system").unwrap_or_default();
    let is_national = system.ends_with("us-ssn") || system.contains("2.16.840.1.113883.4.1");
    let is_others = is_old || is_national || codes.into_iter().any(|code| NOT_OURS.contains(&code));
    if is_others { None } else { text(identifier, "value").map(str::to_owned) }
}

fn contact(telecom: &Value) -> Option<ChartContact> {
    let value = text(telecom, "value")?.trim().to_owned();
    if value.is_empty() || text(telecom, "use") == Some("old") {
        return None;
    }
    let period = telecom.get("period");
    if period.and_then(|period| text(period, "end")).is_some() {
        return None;
    }
    let contact = match text(telecom, "system")? {
        "phone" | "sms" => Contact::Phone(value),
        "email" => Contact::Email(value),
        _ => return None,
    };
    Some(ChartContact { contact, since: period.and_then(|period| text(period, "start")).and_then(instant) })
}
