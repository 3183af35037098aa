//! Whether a form came from a page of ours.

use data_encoding::BASE64URL_NOPAD;
use http::{HeaderMap, header};

use super::Pages;
use crate::base::hash::{equal_in_constant_time, hmac_sha256};

/// The forms that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Username and password.
    SignIn,
    /// The end of a session.
    SignOut,
    /// What an app may do.
    Consent,
    /// A sign-in at an EHR.
    Connect,
    /// The end of what such a sign-in gave.
    Disconnect,
    /// An app to be opened.
    Launch,
    /// The visit that an app is told of.
    Encounter,
    /// The end of what an app may do.
    DisconnectApp,
    /// A proof before something that would hurt in the wrong hands.
    Prove,
    /// A new password.
    Password,
    /// Addresses and language.
    Contact,
    /// An address, by the link that went there.
    ConfirmContact,
    /// The old address back.
    UndoContact,
    /// The end of other sessions.
    EndSession,
    /// The end of an account.
    CloseAccount,
    /// The second step of a sign-in.
    SecondStep,
    /// The authenticator and saved codes.
    SecondFactor,
    /// The way back in.
    Recover,
    /// Passkeys made and removed.
    Passkey,
    /// A sign-in with a passkey.
    UsePasskey,
    /// An activation code and what goes with it.
    Invite,
    /// A name and a password for a new account.
    SignUp,
    /// "This is me", or not.
    Confirm,
    /// Who somebody says they are.
    Claim,
    /// The end of a link.
    Unlink,
    /// Anything that staff do.
    Clinic,
    /// The end of somebody's access, or more of it.
    People,
    /// Another person's record.
    Switch,
    /// Somebody who is to see one's record, or whose record one asks to see.
    Proxy,
    /// Sign-ins elsewhere connected and disconnected.
    Identities,
}

impl Form {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::SignIn => b"sign-in",
            Self::SignOut => b"sign-out",
            Self::Consent => b"consent",
            Self::Connect => b"connect",
            Self::Disconnect => b"disconnect",
            Self::Launch => b"launch",
            Self::Encounter => b"encounter",
            Self::DisconnectApp => b"disconnect-app",
            Self::Prove => b"prove",
            Self::Password => b"password",
            Self::Contact => b"contact",
            Self::ConfirmContact => b"confirm-contact",
            Self::UndoContact => b"undo-contact",
            Self::EndSession => b"end-session",
            Self::CloseAccount => b"close-account",
            Self::SecondStep => b"second-step",
            Self::SecondFactor => b"second-factor",
            Self::Recover => b"recover",
            Self::Passkey => b"passkey",
            Self::UsePasskey => b"use-passkey",
            Self::Invite => b"invite",
            Self::SignUp => b"sign-up",
            Self::Confirm => b"confirm",
            Self::Claim => b"claim",
            Self::Unlink => b"unlink",
            Self::Clinic => b"clinic",
            Self::People => b"people",
            Self::Switch => b"switch",
            Self::Proxy => b"proxy",
            Self::Identities => b"identities",
        }
    }
}

impl Pages {
    /// The hidden value of a form that is bound to `owner`: a session or, before sign-in, a browser.
    #[must_use]
    pub fn form_token(&self, form: Form, owner: &[u8]) -> String {
        BASE64URL_NOPAD.encode(&hmac_sha256(self.form_key.expose(), &[form.name(), owner]))
    }

    /// Whether a post came from our own page: the browser must not say otherwise, and the token must be right.
    #[must_use]
    pub fn is_own_form(&self, headers: &HeaderMap, form: Form, owner: &[u8], token: Option<&str>) -> bool {
        let good = token
            .is_some_and(|token| equal_in_constant_time(token.as_bytes(), self.form_token(form, owner).as_bytes()));
        good && is_same_origin(headers, &self.issuer)
    }
}

impl Pages {
    /// Whether a request that has no form token comes from our own page: the browser must say so.
    #[must_use]
    pub fn is_said_to_be_own(&self, headers: &HeaderMap) -> bool {
        let says = headers.contains_key("sec-fetch-site") || headers.contains_key(header::ORIGIN);
        says && is_same_origin(headers, &self.issuer)
    }
}

/// `Sec-Fetch-Site` and `Origin`, as far as the browser sends them. Pages under `Referrer-Policy: no-referrer` post with
/// `Origin: null`, which counts only together with `Sec-Fetch-Site: same-origin`.
fn is_same_origin(headers: &HeaderMap, issuer: &str) -> bool {
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let site = headers.get("sec-fetch-site").map(text);
    let origin = headers.get(header::ORIGIN).map(text);
    let site_good = site.as_deref().is_none_or(|site| site == "same-origin");
    let origin_good = match origin.as_deref() {
        None => true,
        Some("null") => site.as_deref() == Some("same-origin"),
        Some(origin) => origin == issuer,
    };
    site_good && origin_good
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w01_what_the_browser_says_of_a_forms_origin() {
        for (site, origin, good) in [
            (None, None, true),
            (Some("same-origin"), None, true),
            (Some("same-origin"), Some("null"), true),
            (Some("same-origin"), Some("https://gw.test"), true),
            (None, Some("https://gw.test"), true),
            (None, Some("null"), false),
            (None, Some("https://evil.test"), false),
            (None, Some("https://gw.test.evil.test"), false),
            (None, Some("http://gw.test"), false),
            (Some("cross-site"), None, false),
            (Some("same-site"), Some("https://gw.test"), false),
            (Some("none"), None, false),
            (Some("same-origin"), Some("https://evil.test"), false),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [("sec-fetch-site", site), ("origin", origin)] {
                if let Some(value) = value {
                    headers.insert(name, value.parse().unwrap());
                }
            }
            assert_eq!(is_same_origin(&headers, "https://gw.test"), good, "{site:?} {origin:?}");
        }
    }
}
