//! A refresh in few statements: all that it rests on in one, and one that changes something. An app that refreshes
//! every hour is most of what the token endpoint does.

use std::collections::HashSet;
use std::sync::Arc;

use data_encoding::HEXLOWER;

use super::audit::{self, AuditRow, Chain};
use super::db::Backend;
use super::error::to_json;
use super::row::row;
use super::statement::{execute, fetch_all, fetch_value, statements};
use super::{Db, StorageError, Tx, authorizations, callers, clients, consent, tokens};
use crate::base::clock::Instant;
use crate::base::id::PersonId;
use crate::consent::Standing;
use crate::oauth::client::{Client, ClientId};
use crate::oauth::dpop::Thumbprint;
use crate::oauth::grant::{Authorization, RefreshToken};
use crate::oauth::scope::ScopeSet;

/// An end is moved out when it moves by more than an hour, in microseconds: an app that refreshes all the time changes
/// nothing but what it is given.
const SLACK: i64 = 3_600_000_000;

statements! {
    /// The client that is named, or else the one that the token was given to; the token with what it is part of, whoever
    /// has it; grants and rules as rows of their own.
    FIND = "WITH held AS (\
            SELECT r.authorization_id, r.jkt, r.issued, r.expires, r.activated, r.used, a.client_id, a.account_id, \
            a.person_id, a.organization_id, a.context, a.scopes AS granted_scopes, a.signed_in, a.session_hash, a.revoked, \
            o.state AS account_state, COALESCE(pa.person_id, a.person_id) AS shown_person, \
            COALESCE(oa.person_id, o.person_id) AS own_shown \
            FROM refresh_tokens r \
            JOIN authorizations a ON a.id = r.authorization_id \
            JOIN accounts o ON o.id = a.account_id \
            LEFT JOIN person_aliases pa ON pa.alias_id = a.person_id AND pa.undone IS NULL \
            LEFT JOIN person_aliases oa ON oa.alias_id = o.person_id AND oa.undone IS NULL \
            WHERE r.hash = $2 AND (a.organization_id IS NULL OR EXISTS (SELECT 1 FROM staff st WHERE st.account_id = a.account_id \
            AND st.organization_id = a.organization_id AND st.role = 'clinician' AND st.ended IS NULL))), \
            about AS (\
            SELECT shown_person AS person, 0 AS is_holder FROM held \
            UNION ALL \
            SELECT al.alias_id, 0 FROM held \
            JOIN person_aliases al ON al.person_id = held.shown_person AND al.undone IS NULL \
            UNION ALL \
            SELECT own_shown, 1 FROM held WHERE own_shown <> shown_person \
            UNION ALL \
            SELECT al.alias_id, 1 FROM held \
            JOIN person_aliases al ON al.person_id = held.own_shown AND al.undone IS NULL \
            WHERE held.own_shown <> held.shown_person), \
            laid AS (\
            SELECT g.id AS grant_id, CAST(NULL AS TEXT) AS rule_id, g.basis, g.valid_from, g.valid_until, \
            g.scope AS document \
            FROM held JOIN grants g ON g.account_id = held.account_id AND g.state = 'active' \
            LEFT JOIN person_aliases ga ON ga.alias_id = g.person_id AND ga.undone IS NULL \
            WHERE COALESCE(ga.person_id, g.person_id) = held.shown_person \
            UNION ALL \
            SELECT NULL, s.id, NULL, s.valid_from, s.valid_until, s.document \
            FROM about JOIN consent_rules s ON s.person_id = about.person AND s.ended IS NULL WHERE about.is_holder = 0 \
            UNION ALL \
            SELECT NULL, d.id, NULL, d.valid_from, d.valid_until, NULL \
            FROM about JOIN consent_rules d ON d.person_id = about.person AND d.document = '\"deceased\"' AND d.ended IS NULL \
            WHERE about.is_holder = 1) \
            SELECT c.id, c.name, c.redirect_uris, c.launch_uri, c.scopes, c.secret_hash, c.kind, c.state, c.key_set, \
            c.key_set_uri, c.sources, c.requires_pushed_requests, c.requires_bound_tokens, c.registration_hash, \
            held.*, laid.* \
            FROM clients c LEFT JOIN held ON TRUE LEFT JOIN laid ON TRUE \
            WHERE c.deleted IS NULL AND c.id = COALESCE(CAST($1 AS TEXT), (SELECT client_id FROM held))";
    /// An access token more, and the end of the refresh token moved out, never in, and by no less than `SLACK`. Whether
    /// the grant is live is decided here: it may have ended since it was looked up. On SQLite for a list of them, each as
    /// `[hash, refresh token's hash, scopes, key, issued, expires, refresh token's end]`.
    REISSUE = {
        sqlite: "INSERT INTO access_tokens (hash, authorization_id, scopes, jkt, issued, expires) \
                 SELECT unhex(n.value ->> 0), a.id, n.value ->> 2, unhex(n.value ->> 3), n.value ->> 4, n.value ->> 5 \
                 FROM json_each($1) n CROSS JOIN refresh_tokens r ON r.hash = unhex(n.value ->> 1) \
                 CROSS JOIN authorizations a ON a.id = r.authorization_id \
                 WHERE r.expires > n.value ->> 4 AND a.revoked IS NULL AND (a.session_hash IS NULL OR EXISTS \
                 (SELECT 1 FROM sessions s WHERE s.hash = a.session_hash AND s.expires > n.value ->> 4)) \
                 RETURNING hash; \
                 UPDATE refresh_tokens SET expires = n.value ->> 6 FROM json_each($1) n \
                 WHERE hash = unhex(n.value ->> 1) AND refresh_tokens.expires < (n.value ->> 6) - $2 \
                 AND EXISTS (SELECT 1 FROM access_tokens t WHERE t.hash = unhex(n.value ->> 0))",
        postgres: "WITH live AS (\
                   SELECT a.id FROM refresh_tokens r JOIN authorizations a ON a.id = r.authorization_id \
                   WHERE r.hash = $2 AND r.expires > $5 AND a.revoked IS NULL AND (a.session_hash IS NULL OR EXISTS \
                   (SELECT 1 FROM sessions s WHERE s.hash = a.session_hash AND s.expires > $5))), \
                   extended AS (\
                   UPDATE refresh_tokens SET expires = $7 WHERE hash = $2 AND expires < CAST($7 AS BIGINT) - $8 \
                   AND EXISTS (SELECT 1 FROM live)) \
                   INSERT INTO access_tokens (hash, authorization_id, scopes, jkt, issued, expires) \
                   SELECT CAST($1 AS BYTEA), live.id, CAST($3 AS TEXT), CAST($4 AS BYTEA), CAST($5 AS BIGINT), \
                   CAST($6 AS BIGINT) FROM live",
    };
    /// What a token replaced is worthless from its first use on.
    USE = "UPDATE refresh_tokens SET used = $2, activated = COALESCE(activated, $2) \
           WHERE hash = $1 AND used IS NULL AND expires > $2 AND EXISTS (\
           SELECT 1 FROM authorizations a WHERE a.id = refresh_tokens.authorization_id AND a.revoked IS NULL \
           AND (a.session_hash IS NULL OR EXISTS \
           (SELECT 1 FROM sessions s WHERE s.hash = a.session_hash AND s.expires > $2)))";
    LIVE = "SELECT count(*) FROM refresh_tokens r JOIN authorizations a ON a.id = r.authorization_id \
            WHERE r.hash = $1 AND r.expires > $2 AND a.revoked IS NULL AND (a.session_hash IS NULL OR EXISTS \
            (SELECT 1 FROM sessions s WHERE s.hash = a.session_hash AND s.expires > $2))";
}

/// What a refresh is decided by.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Who asks, if there is such a client.
    pub client: Option<Client>,
    /// The token that was shown, if there is such a one.
    pub held: Option<Held>,
}

/// A refresh token, and what it is part of.
#[derive(Clone, Debug)]
pub struct Held {
    /// The token.
    pub token: RefreshToken,
    /// What it is part of, of whatever client.
    pub authorization: Arc<Authorization>,
    /// The person in context as it stands now, and what the account's right to it hangs on.
    pub right: Option<(PersonId, Standing)>,
    is_account_open: bool,
}

impl Held {
    /// Whether neither it nor what it is part of has ended.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.stands(now) && self.authorization.revoked.is_none() && now < self.token.expires
    }

    /// Whether the account is open and may still act for its person, if the authorization has one.
    #[must_use]
    pub fn stands(&self, now: Instant) -> bool {
        self.is_account_open && self.right.as_ref().is_none_or(|(_, standing)| standing.right_until(now).is_some())
    }
}

row! {
    struct Row {
        ..client: clients::Row,
        ..laid: consent::LaidColumns,
        authorization_id: Option<String>,
        jkt: Option<Vec<u8>>,
        issued: Option<i64>,
        expires: Option<i64>,
        activated: Option<i64>,
        used: Option<i64>,
        client_id: Option<String>,
        account_id: Option<String>,
        person_id: Option<String>,
        organization_id: Option<String>,
        context: Option<String>,
        granted_scopes: Option<String>,
        signed_in: Option<i64>,
        session_hash: Option<Vec<u8>>,
        revoked: Option<i64>,
        account_state: Option<String>,
        shown_person: Option<String>,
        own_shown: Option<String>,
    }
}

/// All that a refresh with the token of this hash rests on; without a client that is named, the one it was given to.
///
/// # Errors
/// [`StorageError`].
pub async fn find(db: &Db, client: Option<&ClientId>, hash: Option<&[u8; 32]>) -> Result<Found, StorageError> {
    let named = client.map(|id| id.as_str().to_owned());
    let rows: Vec<Row> = fetch_all!(db, FIND, named.clone(), hash.map(|hash| hash.to_vec()))?;
    let mut found = Found::default();
    for row in rows {
        let (client, held, laid) = row.split()?;
        if found.client.is_none() {
            found = Found { client: Some(client.try_into()?), held };
        }
        if let Some((_, standing)) = found.held.as_mut().and_then(|held| held.right.as_mut()) {
            laid.lay(standing)?;
        }
    }
    Ok(found)
}

impl Row {
    fn split(self) -> Result<(clients::Row, Option<Held>, consent::LaidColumns), StorageError> {
        let held = match (self.authorization_id, self.client_id, self.account_id, self.granted_scopes) {
            (Some(id), Some(client), Some(account), Some(scopes)) => {
                // Both columns are NOT NULL where there is a row at all.
                let (issued, expires) = (self.issued.unwrap_or(0), self.expires.unwrap_or(0));
                let token = (id.clone(), self.jkt, issued, expires, self.activated, self.used);
                let signed_in = self.signed_in.unwrap_or(0);
                let is_staff = self.organization_id.is_some();
                let is_own = !is_staff && self.own_shown.is_some() && self.own_shown == self.shown_person;
                let (person, context, session) = (self.person_id, self.context, self.session_hash);
                let staff_of = self.organization_id;
                let columns =
                    (id, client, account, person, staff_of, context, scopes, signed_in, session, self.revoked);
                let authorization = authorizations::authorization(columns)?;
                // That there is such a person at all, the reference of the authorization says.
                let shown = self.shown_person.as_deref().map(callers::person).transpose()?;
                let (account, staff_of) = (authorization.account, authorization.staff_of);
                Some(Held {
                    token: tokens::refresh_token(token)?,
                    is_account_open: self.account_state.as_deref() == Some("active"),
                    right: shown.map(|person| (person, Standing { staff_of, ..Standing::bare(account, is_own) })),
                    authorization: Arc::new(authorization),
                })
            }
            _ => None,
        };
        Ok((self.client, held, self.laid))
    }
}

/// An access token that a refresh brings.
#[derive(Clone, Debug)]
pub struct Reissued {
    /// Its hash.
    pub hash: [u8; 32],
    /// The hash of the refresh token that brings it.
    pub refresh_hash: [u8; 32],
    /// What it may.
    pub scopes: ScopeSet,
    /// The key it is bound to.
    pub key: Option<Thumbprint>,
    /// When it was issued.
    pub issued: Instant,
    /// When it ends.
    pub expires: Instant,
    /// When the refresh token ends from now on, if it would end sooner by more than an hour.
    pub until: Instant,
}

/// An access token to be stored, and the entry of the audit trail that comes with it.
pub(super) struct Reissue {
    pub(super) new: Reissued,
    pub(super) chain: Chain,
    pub(super) record: AuditRow,
}

/// Stores another access token that a constant refresh token brings, with its entry in the audit trail, and moves that
/// one's end out. False, and nothing is done, when the token or its authorization has ended, or the session it hangs on.
/// On SQLite those that come together are one statement: should it fail, the writes of its group are rolled back with it.
///
/// # Errors
/// [`StorageError`].
pub async fn reissue(db: &Db, new: Reissued, chain: Chain, record: AuditRow) -> Result<bool, StorageError> {
    match &db.backend {
        Backend::Sqlite(sqlite) => sqlite.writer.reissue(Reissue { new, chain, record }).await,
        Backend::Postgres(_) => {
            db.write(move |tx| Box::pin(async move { reissue_one(tx, &new, &chain, record).await })).await
        }
    }
}

async fn reissue_one(tx: &mut Tx, new: &Reissued, chain: &Chain, record: AuditRow) -> Result<bool, StorageError> {
    let changed = execute!(
        &mut *tx,
        REISSUE,
        new.hash.to_vec(),
        new.refresh_hash.to_vec(),
        new.scopes.to_string(),
        new.key.map(|key| key.as_bytes().to_vec()),
        new.issued.micros(),
        new.expires.micros(),
        new.until.micros(),
        SLACK
    )?;
    if changed > 0 {
        audit::record_act(tx, chain, record);
    }
    Ok(changed > 0)
}

/// SQLite's way for all of a group: the hashes of those that were stored.
pub(super) async fn reissue_all(
    tx: &mut Tx,
    wanted: impl Iterator<Item = &Reissued>,
) -> Result<HashSet<[u8; 32]>, StorageError> {
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    let list: Vec<_> = wanted
        .map(|new| {
            let key = new.key.map(|key| hex(key.as_bytes()));
            let times = [new.issued, new.expires, new.until].map(Instant::micros);
            (hex(&new.hash), hex(&new.refresh_hash), new.scopes.to_string(), key, times[0], times[1], times[2])
        })
        .collect();
    let rows: Vec<(Vec<u8>,)> = fetch_all!(tx, REISSUE, to_json(&list)?, SLACK)?;
    Ok(rows.into_iter().filter_map(|(hash,)| hash.try_into().ok()).collect())
}

/// Uses up a refresh token that is good. True for exactly one caller.
///
/// # Errors
/// [`StorageError`].
pub async fn use_up(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let changed = execute!(tx, USE, hash.to_vec(), now.micros())?;
    Ok(changed > 0)
}

/// Whether a refresh token, used or not, has not ended: nor its authorization, nor the session it hangs on.
///
/// # Errors
/// [`StorageError`].
pub async fn is_live(tx: &mut Tx, hash: &[u8; 32], now: Instant) -> Result<bool, StorageError> {
    let found: i64 = fetch_value!(tx, LIVE, hash.to_vec(), now.micros())?;
    Ok(found > 0)
}
