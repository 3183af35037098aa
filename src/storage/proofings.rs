//! That somebody was seen in person.

use super::error::{RowKey, to_json};
use super::row::row;
use super::statement::{execute, fetch_all, fetch_optional, statements};
use super::{Executor, StorageError, Tx};
use crate::base::clock::Instant;
use crate::base::id::ProofingId;
use crate::identity::{Document, Link, Proofing};

statements! {
    INSERT = "INSERT INTO proofings (id, organization_id, source_key, patient, demographics, verified_by, attested_by, \
              document, issuer, document_expires, photo_compared, recorded) \
              VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    OF_LINK = "SELECT id, organization_id, source_key, patient, demographics, verified_by, attested_by, document, issuer, \
               document_expires, photo_compared, recorded FROM proofings p WHERE p.id IN \
               (SELECT i.proofing_id FROM invitations i WHERE i.source_key = $2 AND i.patient = $3 \
               AND i.link_id = $1 AND i.state = 'redeemed' AND i.proxy IS NULL) \
               AND NOT EXISTS (SELECT 1 FROM proxy_requests r WHERE r.proofing_id = p.id AND r.silent IS NOT NULL) \
               ORDER BY p.recorded DESC, p.id";
    BY_ID = "SELECT id, organization_id, source_key, patient, demographics, verified_by, attested_by, document, issuer, \
             document_expires, photo_compared, recorded FROM proofings WHERE id = $1";
}

row! {
    struct Row {
        id: String,
        organization_id: String,
        source_key: String,
        patient: String,
        demographics: String,
        verified_by: Option<String>,
        attested_by: Option<String>,
        document: String,
        issuer: Option<String>,
        document_expires: Option<String>,
        photo_compared: i64,
        recorded: i64,
    }
}

/// Writes one down.
///
/// # Errors
/// [`StorageError`].
pub async fn insert(tx: &mut Tx, proofing: &Proofing) -> Result<(), StorageError> {
    let demographics = to_json(&proofing.demographics)?;
    execute!(
        tx,
        INSERT,
        proofing.id.to_string(),
        proofing.organization.to_string(),
        proofing.source.as_str(),
        &proofing.patient,
        demographics,
        proofing.verified_by.map(|account| account.to_string()),
        proofing.attested_by.map(|account| account.to_string()),
        proofing.document.as_str(),
        &proofing.issuer,
        &proofing.document_expires,
        i64::from(proofing.photo_compared),
        proofing.recorded.micros()
    )
    .map(drop)
}

/// The one with this id.
///
/// # Errors
/// [`StorageError`].
pub async fn by_id(on: impl Into<Executor<'_>>, id: ProofingId) -> Result<Option<Proofing>, StorageError> {
    let row: Option<Row> = fetch_optional!(on, BY_ID, id.to_string())?;
    row.map(read).transpose()
}

/// Those by which somebody came to their own link, the newest first: not those of others who act for them, of which some
/// are not to be told (portal design, 2.5).
///
/// # Errors
/// [`StorageError`].
pub async fn of_link(on: impl Into<Executor<'_>>, link: &Link) -> Result<Vec<Proofing>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, OF_LINK, link.id.to_string(), link.source.as_str(), &link.patient)?;
    rows.into_iter().map(read).collect()
}

fn read(row: Row) -> Result<Proofing, StorageError> {
    let key = RowKey { table: "proofings", key: &row.id };
    Ok(Proofing {
        id: key.parse("id", &row.id)?,
        organization: key.parse("organization_id", &row.organization_id)?,
        source: key.parse("source_key", &row.source_key)?,
        demographics: key.json("demographics", &row.demographics)?,
        verified_by: row.verified_by.as_deref().map(|id| key.parse("verified_by", id)).transpose()?,
        attested_by: row.attested_by.as_deref().map(|id| key.parse("attested_by", id)).transpose()?,
        document: key.column("document", Document::parse(&row.document))?,
        photo_compared: row.photo_compared != 0,
        recorded: Instant::from_micros(row.recorded),
        patient: row.patient,
        issuer: row.issuer,
        document_expires: row.document_expires,
    })
}
