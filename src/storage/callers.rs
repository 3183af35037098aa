//! What a bearer token stands for, whole: one statement, so that nothing of it is older than the rest and an answer
//! waits for one round trip.

use super::row::row;
use super::statement::{fetch_all, statements};
use super::{DatabaseInconsistency, Executor, StorageError, consent, links, tokens};
use crate::base::clock::Instant;
use crate::base::id::{OrganizationId, PersonId};
use crate::consent::Standing;
use crate::identity::Link;
use crate::oauth::grant::Bearer;

statements! {
    /// Rows of tokens that can give no access are left out, those of staff who are none any more among them (the role is that
    /// of `StaffAct::OpenApp`). Links, grants and rules come as rows of their own; staff come by the links of their practice.
    CALLER = "WITH holder AS (\
              SELECT t.authorization_id, a.client_id, a.account_id, a.person_id, t.scopes AS token_scopes, \
              a.scopes AS granted_scopes, c.scopes AS client_scopes, t.jkt, t.issued, t.expires, a.last_used, \
              o.person_id AS own_person, t.refresh_hash, r.activated, COALESCE(pa.person_id, a.person_id) AS shown_person, \
              COALESCE(oa.person_id, o.person_id) AS own_shown, a.organization_id AS staff_of \
              FROM access_tokens t \
              JOIN authorizations a ON a.id = t.authorization_id \
              JOIN clients c ON c.id = a.client_id \
              JOIN accounts o ON o.id = a.account_id \
              LEFT JOIN refresh_tokens r ON r.hash = t.refresh_hash \
              LEFT JOIN person_aliases pa ON pa.alias_id = a.person_id AND pa.undone IS NULL \
              LEFT JOIN person_aliases oa ON oa.alias_id = o.person_id AND oa.undone IS NULL \
              WHERE t.hash = $1 AND t.revoked IS NULL AND a.revoked IS NULL AND c.state = 'active' \
              AND o.state = 'active' AND (a.organization_id IS NULL OR EXISTS (SELECT 1 FROM staff st WHERE st.account_id = a.account_id \
              AND st.organization_id = a.organization_id AND st.role = 'clinician' AND st.ended IS NULL))), \
              shown AS (\
              SELECT shown_person AS person, -1 AS merged FROM holder WHERE shown_person IS NOT NULL \
              UNION ALL \
              SELECT al.alias_id, al.merged FROM holder \
              JOIN person_aliases al ON al.person_id = holder.shown_person AND al.undone IS NULL), \
              own AS (\
              SELECT own_shown AS person FROM holder WHERE own_shown <> shown_person \
              UNION ALL \
              SELECT al.alias_id FROM holder JOIN person_aliases al ON al.person_id = holder.own_shown AND al.undone IS NULL \
              WHERE holder.own_shown <> holder.shown_person) \
              SELECT holder.*, \
              l.id AS link_id, l.person_id AS link_person, l.source_key, l.patient, l.rank, l.method, l.assurance, \
              l.demographics, l.linked, l.state, l.state_since, l.state_reason, \
              CAST(NULL AS TEXT) AS grant_id, CAST(NULL AS TEXT) AS rule_id, CAST(NULL AS TEXT) AS basis, \
              CAST(NULL AS BIGINT) AS valid_from, CAST(NULL AS BIGINT) AS valid_until, \
              CAST(NULL AS TEXT) AS document, s.merged \
              FROM holder LEFT JOIN (shown s JOIN links l ON l.person_id = s.person AND l.state = 'active') \
              ON holder.staff_of IS NULL \
              OR l.source_key IN (SELECT so.key FROM sources so WHERE so.organization_id = holder.staff_of) \
              UNION ALL \
              SELECT holder.*, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
              g.id, NULL, g.basis, g.valid_from, g.valid_until, g.scope, NULL \
              FROM holder JOIN grants g ON g.account_id = holder.account_id AND g.state = 'active' \
              LEFT JOIN person_aliases ga ON ga.alias_id = g.person_id AND ga.undone IS NULL \
              WHERE COALESCE(ga.person_id, g.person_id) = holder.shown_person \
              UNION ALL \
              SELECT holder.*, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
              NULL, r.id, NULL, r.valid_from, r.valid_until, r.document, NULL \
              FROM holder JOIN shown s ON TRUE JOIN consent_rules r ON r.person_id = s.person AND r.ended IS NULL \
              UNION ALL \
              SELECT holder.*, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, \
              NULL, d.id, NULL, d.valid_from, d.valid_until, NULL, NULL \
              FROM holder JOIN own ON TRUE \
              JOIN consent_rules d ON d.person_id = own.person AND d.document = '\"deceased\"' AND d.ended IS NULL \
              ORDER BY merged NULLS LAST, link_person, rank, linked, link_id, grant_id, rule_id";
}

/// The caller that a token stands for.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The token, and what it came from.
    pub bearer: Bearer,
    /// The person in context as it stands now (merges followed), and the end of the account's right to it where it has
    /// one. `None` without a person in context, or without a right to it.
    pub right: Option<(PersonId, Option<Instant>)>,
    /// What that right hangs on. `None` without a person in context.
    pub standing: Option<Standing>,
    /// The links through which the person's data flows, those of persons merged into it included.
    pub links: Vec<Link>,
}

row! {
    struct Row {
        ..bearer: tokens::BearerRow,
        ..link: LinkColumns,
        ..laid: consent::LaidColumns,
        shown_person: Option<String>,
        own_shown: Option<String>,
        staff_of: Option<String>,
    }
}

row! {
    /// A link, or nothing of it.
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
    let rows: Vec<Row> = fetch_all!(on, CALLER, hash.to_vec())?;
    let mut caller: Option<Caller> = None;
    let mut shown = None;
    for row in rows {
        let Row { bearer, shown_person, own_shown, staff_of, link, laid } = row;
        let caller = match &mut caller {
            Some(caller) => caller,
            first => {
                let staff_of = staff_of.as_deref().map(organization).transpose()?;
                let is_own = staff_of.is_none() && own_shown.is_some() && own_shown == shown_person;
                let bearer: Bearer = bearer.try_into()?;
                let account = bearer.account;
                shown = shown_person.as_deref().map(person).transpose()?;
                let standing = shown.map(|_| Standing { staff_of, ..Standing::bare(account, is_own) });
                first.insert(Caller { bearer, right: None, standing, links: Vec::new() })
            }
        };
        if let Some(row) = link.into_row() {
            caller.links.push(row.try_into()?);
        }
        if let Some(standing) = &mut caller.standing {
            laid.lay(standing)?;
        }
    }
    if let Some(caller) = &mut caller {
        let until = caller.standing.as_ref().and_then(|standing| standing.right_until(now));
        // A patient whose chart there is linked no more is nobody to that practice.
        let is_there = caller.standing.as_ref().is_none_or(|standing| standing.staff_of.is_none());
        caller.right = shown.zip(until).filter(|_| is_there || !caller.links.is_empty());
    }
    Ok(caller)
}

fn organization(id: &str) -> Result<OrganizationId, DatabaseInconsistency> {
    id.parse().map_err(|_| DatabaseInconsistency {
        table: "authorizations",
        column: "organization_id",
        row: id.to_owned(),
    })
}

pub(super) fn person(id: &str) -> Result<PersonId, DatabaseInconsistency> {
    id.parse().map_err(|_| DatabaseInconsistency { table: "authorizations", column: "person_id", row: id.to_owned() })
}
