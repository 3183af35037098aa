//! Who looked at a record, and who changed who may.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::access::OWN_PAGES;
use crate::audit::view_reason;
use crate::base::id::{AccountId, PersonId};
use crate::consent::exchange::related_person_id;
use crate::fhir::ResourceType;
use crate::oauth::client::ClientId;
use crate::storage::audit::{self, AuditOutcome, AuditRow};
use crate::storage::{Db, StorageError, accounts, clients, persons};

use super::grants_of;

/// So many of the newest entries are served.
const SERVED: usize = 1_000;

const ACT: &str = "https://chartgate.example/fhir/CodeSystem/act";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// Who stands behind ids of accounts and clients, in the words of one person's history.
struct Known {
    person: PersonId,
    /// The account of the person.
    own: Option<AccountId>,
    /// The RelatedPerson of each account that ever had a right, with its name.
    holders: BTreeMap<AccountId, (String, Option<String>)>,
    /// Names of apps.
    apps: BTreeMap<String, String>,
    /// This server.
    observer: String,
}

/// The newest entries of the audit trail about a person, as seen at `base_url`. Of staff it is said that they were staff: who
/// of them it was is for the practice to say.
pub(crate) async fn audit_events(db: &Db, base_url: &str, person: PersonId) -> Result<Vec<Value>, StorageError> {
    let mut rows = audit::of_person(db, person, SERVED).await?;
    for alias in persons::aliases_of(db, person).await? {
        rows.extend(audit::of_person(db, alias, SERVED).await?);
    }
    // Looking at the list would lengthen it while it is paged through.
    rows.retain(|row| row.resource_type != Some(ResourceType::AuditEvent));
    rows.sort_by_key(|row| std::cmp::Reverse(row.recorded));
    rows.truncate(SERVED);
    let known = Known::read(db, base_url, person, &rows).await?;
    Ok(rows.iter().map(|row| known.audit_event(row)).collect())
}

impl Known {
    async fn read(db: &Db, base_url: &str, person: PersonId, rows: &[AuditRow]) -> Result<Self, StorageError> {
        let mut holders = BTreeMap::new();
        for grant in grants_of(db, person).await? {
            let name = accounts::by_id(db, grant.account).await?.map(|a| a.username.typed().to_owned());
            holders.insert(grant.account, (related_person_id(grant.id), name));
        }
        let mut apps = BTreeMap::new();
        for client in rows.iter().filter_map(|row| row.client.as_deref()) {
            if apps.contains_key(client) || client == OWN_PAGES {
                continue;
            }
            let found = match ClientId::parse(client) {
                Some(id) => clients::get(db, &id).await?,
                None => None,
            };
            apps.insert(client.to_owned(), found.map_or_else(|| client.to_owned(), |found| found.name));
        }
        let own = accounts::by_person(db, person).await?.map(|account| account.id);
        Ok(Self { person, own, holders, apps, observer: base_url.to_owned() })
    }

    fn audit_event(&self, row: &AuditRow) -> Value {
        let (kind, subtype) = codes(row);
        let (outcome, words) = match row.outcome {
            AuditOutcome::Permitted => ("0", None),
            AuditOutcome::Denied => ("4", Some("refused")),
            AuditOutcome::Failed => ("4", Some("failed")),
        };
        let mut event = json!({
            "resourceType": "AuditEvent",
            "id": format!("self.{}", row.id),
            "type": kind,
            "subtype": [subtype],
            "action": action(row),
            "recorded": row.recorded.to_fhir(),
            "outcome": outcome,
            "agent": self.agents(row),
            "source": {"observer": {"display": self.observer}},
            "entity": self.entities(row),
        });
        if let (Some(words), Some(map)) = (words, event.as_object_mut()) {
            map.insert("outcomeDesc".to_owned(), json!(words));
        }
        if let (Some(reason), Some(map)) = (view_reason(row), event.as_object_mut()) {
            map.insert(
                "purposeOfEvent".to_owned(),
                json!([{"coding": [{"system": ACT_REASON, "code": reason.as_str()}]}]),
            );
        }
        event
    }

    /// Who asked, and through which app.
    fn agents(&self, row: &AuditRow) -> Vec<Value> {
        let app = row.client.as_ref().and_then(|client| self.apps.get(client));
        let mut agents = Vec::new();
        match (row.account, app) {
            // A service of a practice, and nobody by hand.
            (None, Some(app)) => return vec![json!({"name": app, "requestor": true})],
            (Some(account), _) if Some(account) == self.own && !row.is_at_work() => {
                agents.push(json!({"who": {"reference": format!("Patient/{}", self.person)}, "requestor": true}));
            }
            (Some(account), _) if self.holders.contains_key(&account) && !row.is_at_work() => {
                let (related, name) = self.holders.get(&account).cloned().unwrap_or_default();
                let mut agent = json!({"who": {"reference": format!("RelatedPerson/{related}")}, "requestor": true});
                if let (Some(name), Some(map)) = (name, agent.as_object_mut()) {
                    map.insert("name".to_owned(), json!(name));
                }
                agents.push(agent);
            }
            _ => agents.push(json!({"role": [{"text": "staff of a practice, or of this site"}], "requestor": true})),
        }
        agents.extend(app.map(|app| {
            let application = json!({"coding": [{"system": DICOM, "code": "110150", "display": "Application"}]});
            json!({"type": application, "name": app, "requestor": false})
        }));
        agents
    }

    /// Whose record, and which type of it.
    fn entities(&self, row: &AuditRow) -> Vec<Value> {
        let mut entities = vec![json!({
            "what": {"reference": format!("Patient/{}", self.person)},
            "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": "1", "display": "Patient"},
        })];
        entities.extend(row.resource_type.map(|kind| {
            let mut entity = json!({"type": {"system": "http://hl7.org/fhir/resource-types", "code": kind.as_str()}});
            if let (Some(released), Some(map)) = (row.released, entity.as_object_mut()) {
                map.insert("detail".to_owned(), json!([{"type": "released", "valueString": released.to_string()}]));
            }
            entity
        }));
        entities
    }
}

/// What kind of event it is: a FHIR interaction, or an act in DICOM's words and our own.
fn codes(row: &AuditRow) -> (Value, Value) {
    let interaction = row.interaction.as_deref().unwrap_or_default();
    if row.kind == "fhir" {
        let rest = json!({
            "system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest",
            "display": "RESTful Operation",
        });
        return (rest, json!({"system": "http://hl7.org/fhir/restful-interaction", "code": interaction}));
    }
    let (code, display) = match row.kind.as_str() {
        "sign-in" | "sign-out" | "token" | "launch" | "recovery" => ("110114", "User Authentication"),
        "grant" | "consent" | "revocation" => ("110137", "User Security Attributes Changed"),
        _ => ("110110", "Patient Record"),
    };
    let subtype = json!({"system": ACT, "code": row.kind});
    (json!({"system": DICOM, "code": code, "display": display}), subtype)
}

/// R4's audit-event-action.
fn action(row: &AuditRow) -> &'static str {
    match row.interaction.as_deref() {
        Some("read" | "vread") if row.kind == "fhir" => "R",
        _ => "E",
    }
}
