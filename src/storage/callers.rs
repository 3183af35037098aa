//! What a bearer token stands for, whole: one statement, so that nothing of it is older than the rest and an answer
//! waits for one round trip.

use super::statement::{fetch_all, statements};
use super::{DatabaseInconsistency, Executor, StorageError, links, tokens};
use crate::base::clock::Instant;
use crate::base::id::PersonId;
use crate::identity::Link;
use crate::oauth::grant::Bearer;

statements! {
    /// Rows of tokens that can give no access are left out. A grant without an end counts as the longest.
    CALLER = "WITH holder AS (\
              SELECT t.authorization_id, a.client_id, a.account_id, a.person_id, t.scopes AS token_scopes, \
              a.scopes AS granted_scopes, c.scopes AS client_scopes, t.jkt, t.issued, t.expires, a.last_used, \
              o.person_id AS own_person, t.refresh_hash, r.activated, COALESCE(pa.person_id, a.person_id) AS shown_person, \
              COALESCE(oa.person_id, o.person_id) AS own_shown \
              FROM access_tokens t \
              JOIN authorizations a ON a.id = t.authorization_id \
              JOIN clients c ON c.id = a.client_id \
              JOIN accounts o ON o.id = a.account_id \
              LEFT JOIN refresh_tokens r ON r.hash = t.refresh_hash \
              LEFT JOIN person_aliases pa ON pa.alias_id = a.person_id AND pa.undone IS NULL \
              LEFT JOIN person_aliases oa ON oa.alias_id = o.person_id AND oa.undone IS NULL \
              WHERE t.hash = $1 AND t.revoked IS NULL AND a.revoked IS NULL AND c.state = 'active' \
              AND o.state = 'active'), \
              shown AS (\
              SELECT shown_person AS person, -1 AS merged FROM holder WHERE shown_person IS NOT NULL \
              UNION ALL \
              SELECT al.alias_id, al.merged FROM holder \
              JOIN person_aliases al ON al.person_id = holder.shown_person AND al.undone IS NULL) \
              SELECT holder.*, \
              (SELECT MAX(COALESCE(g.valid_until, 9223372036854775807)) FROM grants g \
              LEFT JOIN person_aliases ga ON ga.alias_id = g.person_id AND ga.undone IS NULL \
              WHERE g.account_id = holder.account_id AND g.state = 'active' AND g.valid_from <= $2 \
              AND (g.valid_until IS NULL OR g.valid_until > $2) \
              AND COALESCE(ga.person_id, g.person_id) = holder.shown_person) AS granted_until, \
              l.id AS link_id, l.person_id AS link_person, l.source_key, l.patient, l.rank, l.method, l.assurance, \
              l.demographics, l.linked, l.state, l.state_since, l.state_reason \
              FROM holder LEFT JOIN (shown s JOIN links l ON l.person_id = s.person AND l.state = 'active') ON TRUE \
              ORDER BY s.merged, s.person, l.rank, l.linked, l.id";
}

/// The caller that a token stands for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token, and what it came from.
    pub bearer: Bearer,
    /// The person in context as it stands now (merges followed), and the end of the account's right to it where it has
    /// one. `None` without a person in context, or without a right to it.
    pub right: Option<(PersonId, Option<Instant>)>,
    /// The links through which the person's data flows, those of persons merged into it included.
    pub links: Vec<Link>,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    bearer: tokens::BearerRow,
    shown_person: Option<String>,
    own_shown: Option<String>,
    granted_until: Option<i64>,
    #[sqlx(flatten)]
    link: LinkColumns,
}

/// A link, or nothing of it.
#[derive(sqlx::FromRow)]
struct LinkColumns {
    link_id: Option<String>,
    link_person: Option<String>,
    source_key: Option<String>,
    patient: Option<String>,
    rank: Option<i64>,
    method: Option<String>,
    assurance: Option<String>,
    demographics: Option<String>,
    linked: Option<i64>,
    state: Option<String>,
    state_since: Option<i64>,
    state_reason: Option<String>,
}

impl LinkColumns {
    fn into_row(self) -> Option<links::Row> {
        Some(links::Row {
            id: self.link_id?,
            person_id: self.link_person?,
            source_key: self.source_key?,
            patient: self.patient?,
            rank: self.rank?,
            method: self.method?,
            assurance: self.assurance?,
            demographics: self.demographics,
            linked: self.linked?,
            state: self.state?,
            state_since: self.state_since,
            state_reason: self.state_reason,
        })
    }
}

/// The caller with the access token of this hash, if neither it, its authorization, its client nor its account has
/// ended. Whether the token expired is for the caller to see.
///
/// # Errors
/// [`StorageError`].
pub async fn by_token(
    on: impl Into<Executor<'_>>,
    hash: &[u8; 32],
    now: Instant,
) -> Result<Option<Caller>, StorageError> {
    let rows: Vec<Row> = fetch_all!(on, CALLER, hash.to_vec(), now.micros())?;
    let mut caller: Option<Caller> = None;
    for Row { bearer, shown_person, own_shown, granted_until, link } in rows {
        let caller = match &mut caller {
            Some(caller) => caller,
            first => {
                let right = right(shown_person.as_deref(), own_shown.as_deref(), granted_until)?;
                first.insert(Caller { bearer: bearer.try_into()?, right, links: Vec::new() })
            }
        };
        if let Some(row) = link.into_row() {
            caller.links.push(row.try_into()?);
        }
    }
    Ok(caller)
}

/// One's own record has no end; another's as long as the longest grant.
fn right(
    shown: Option<&str>,
    own: Option<&str>,
    granted_until: Option<i64>,
) -> Result<Option<(PersonId, Option<Instant>)>, DatabaseInconsistency> {
    let Some(shown) = shown else { return Ok(None) };
    let until = match granted_until {
        _ if own == Some(shown) => None,
        None => return Ok(None),
        Some(i64::MAX) => None,
        Some(micros) => Some(Instant::from_micros(micros)),
    };
    let broken = |_| DatabaseInconsistency { table: "authorizations", column: "person_id", row: shown.to_owned() };
    Ok(Some((shown.parse().map_err(broken)?, until)))
}
