//! What one user granted to one client, and the codes and tokens that carry it.

use std::time::Duration;

use super::client::ClientId;
use super::dpop::Thumbprint;
use super::launch::LaunchContext;
use super::pkce::Challenge;
use super::scope::ScopeSet;
use crate::base::clock::Instant;
use crate::base::id::{AccountId, AuthorizationId, OrganizationId, PersonId};
use crate::base::source_key::SourceKey;

/// What one user granted to one client. Every token of it dies with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Its id.
    pub id: AuthorizationId,
    /// To whom.
    pub client: ClientId,
    /// By whom.
    pub account: AccountId,
    /// The person in context.
    pub person: Option<PersonId>,
    /// Of which practice the user is staff, where they opened the app as that.
    pub staff_of: Option<OrganizationId>,
    /// What else was in context.
    pub context: LaunchContext,
    /// What.
    pub scopes: ScopeSet,
    /// When the user had signed in (`auth_time`).
    pub signed_in: Instant,
    /// The session that refresh tokens end with, for `online_access` without `offline_access`.
    pub session: Option<[u8; 32]>,
    /// Since when it is over.
    pub revoked: Option<Instant>,
}

/// An authorization code, apart from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// What it stands for.
    pub authorization: AuthorizationId,
    /// The redirect URI of the request, to be repeated exactly.
    pub redirect_uri: String,
    /// The PKCE challenge of the request.
    pub challenge: Challenge,
    /// For the id_token.
    pub nonce: Option<String>,
    /// The key that whoever redeems it must have (RFC 9449 §10).
    pub key: Option<Thumbprint>,
    /// When it ends.
    pub expires: Instant,
    /// When it was used.
    pub redeemed: Option<Instant>,
}

/// A second redemption this soon is a client that sent twice, not a thief.
const SENT_TWICE: Duration = Duration::from_secs(1);

/// What a client shows to redeem a code.
#[derive(Clone, Debug)]
pub struct Redemption<'a> {
    /// The authenticated client.
    pub client: &'a ClientId,
    /// `redirect_uri`.
    pub redirect_uri: Option<&'a str>,
    /// `code_verifier`.
    pub verifier: Option<&'a str>,
    /// The key of the proof that came along.
    pub key: Option<Thumbprint>,
}

/// What follows from a redemption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redeemed {
    /// Tokens may be issued, if this is the one that uses the code up.
    Good,
    /// Refused, and nothing else happens.
    Refused,
    /// Refused; the code is stolen or the client is confused: nothing that came or could come of it may live on.
    Burn,
}

impl Code {
    /// Judges a redemption at `now` of a code that was given to `owner` (RFC 6749 §4.1.3, RFC 9700 §4.5).
    #[must_use]
    pub fn judge(&self, owner: &ClientId, shown: &Redemption<'_>, now: Instant) -> Redeemed {
        let bound = shown.client == owner
            && shown.redirect_uri == Some(self.redirect_uri.as_str())
            && shown.verifier.is_some_and(|verifier| self.challenge.is_met_by(verifier))
            && (self.key.is_none() || shown.key == self.key);
        match self.redeemed {
            None if now >= self.expires => Redeemed::Refused,
            None if bound => Redeemed::Good,
            Some(first) if bound && now.since(first) <= SENT_TWICE => Redeemed::Refused,
            _ => Redeemed::Burn,
        }
    }
}

/// An access token, apart from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// What it is part of.
    pub authorization: AuthorizationId,
    /// The rotating refresh token that came with it.
    pub refresh_hash: Option<[u8; 32]>,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The key that it is bound to.
    pub key: Option<Thumbprint>,
    /// When it was issued.
    pub issued: Instant,
    /// When it ends.
    pub expires: Instant,
}

/// An access token of a backend service, apart from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemToken {
    /// The service.
    pub client: ClientId,
    /// What it may do.
    pub scopes: ScopeSet,
    /// The key that it is bound to.
    pub key: Option<Thumbprint>,
    /// When it was issued.
    pub issued: Instant,
    /// When it ends.
    pub expires: Instant,
}

/// What a presented access token of a backend service stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemBearer {
    /// The service.
    pub client: ClientId,
    /// What may be done: within the token and the client as they are now.
    pub scopes: ScopeSet,
    /// The sources whose charts it reaches.
    pub sources: Vec<SourceKey>,
    /// The key that the token is bound to.
    pub key: Option<Thumbprint>,
    /// When the token was issued.
    pub issued: Instant,
    /// When it ends.
    pub expires: Instant,
}

/// A refresh token, apart from itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// What it is part of.
    pub authorization: AuthorizationId,
    /// The key that it is bound to: a public client has nothing else to prove itself with (RFC 9449 §5).
    pub key: Option<Thumbprint>,
    /// When it was issued.
    pub issued: Instant,
    /// When it ends if it is not used.
    pub expires: Instant,
    /// The first use of it, or of an access token that came with it: from then on its predecessor is worthless.
    pub activated: Option<Instant>,
    /// When it was exchanged for its successor.
    pub used: Option<Instant>,
}

/// What a presented access token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The authorization.
    pub authorization: AuthorizationId,
    /// The client.
    pub client: ClientId,
    /// The account.
    pub account: AccountId,
    /// The person in context.
    pub person: Option<PersonId>,
    /// The account holder's own person.
    pub own_person: Option<PersonId>,
    /// What may be done: within the token, the authorization and the client as they are now.
    pub scopes: ScopeSet,
    /// The key that the token is bound to.
    pub key: Option<Thumbprint>,
    /// When the token was issued.
    pub issued: Instant,
    /// When it ends.
    pub expires: Instant,
    /// When its authorization was last used, as far as it was written down.
    pub last_used: Option<Instant>,
    /// The refresh token that came with it, if neither has been used yet.
    pub refresh_to_activate: Option<[u8; 32]>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::sha256;
    use crate::base::random::SeededRandom;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    #[test]
    fn codes_are_judged_by_section_14() {
        let seconds = |s: f64| Instant::from_micros((s * 1e6) as i64);
        let mut code = Code {
            authorization: AuthorizationId::mint(&SeededRandom::new(1)),
            redirect_uri: "https://app.test/cb".to_owned(),
            challenge: Challenge::from_bytes(&sha256(VERIFIER.as_bytes())).unwrap(),
            nonce: None,
            key: None,
            expires: seconds(60.0),
            redeemed: None,
        };
        let (app, other) = (ClientId::parse("app").unwrap(), ClientId::parse("other").unwrap());
        let redirect_uri = Some("https://app.test/cb");
        let good = Redemption { client: &app, redirect_uri, verifier: Some(VERIFIER), key: None };
        let bad = [
            Redemption { client: &other, ..good.clone() },
            Redemption { redirect_uri: None, ..good.clone() },
            Redemption { redirect_uri: Some("https://app.test/cb/"), ..good.clone() },
            Redemption { verifier: None, ..good.clone() },
            Redemption { verifier: Some(""), ..good.clone() },
            Redemption { verifier: Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX"), ..good.clone() },
        ];
        assert_eq!(code.judge(&app, &good, seconds(59.999)), Redeemed::Good);
        assert_eq!(code.judge(&app, &good, seconds(60.0)), Redeemed::Refused);
        for shown in &bad {
            assert_eq!(code.judge(&app, shown, seconds(1.0)), Redeemed::Burn, "{shown:?}");
        }
        code.redeemed = Some(seconds(10.0));
        assert_eq!(code.judge(&app, &good, seconds(11.0)), Redeemed::Refused);
        assert_eq!(code.judge(&app, &good, seconds(11.1)), Redeemed::Burn);
        assert_eq!(code.judge(&app, &good, seconds(4_000.0)), Redeemed::Burn);
        for shown in &bad {
            assert_eq!(code.judge(&app, shown, seconds(10.5)), Redeemed::Burn, "{shown:?}");
        }
        let key = |byte| Some(Thumbprint::from_bytes([byte; 32]));
        let bound = Code { key: key(1), redeemed: None, ..code };
        for (shown, judged) in [(None, Redeemed::Burn), (key(2), Redeemed::Burn), (key(1), Redeemed::Good)] {
            assert_eq!(bound.judge(&app, &Redemption { key: shown, ..good.clone() }, seconds(1.0)), judged);
        }
    }
}
